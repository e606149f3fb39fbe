"""From a board to the objects that do its work: the one place that knows how the rooms are connected."""

from collections.abc import Callable, Mapping, Sequence

from fsw.alarms import AlarmBook
from fsw.board.board import Board
from fsw.board.vessel import VesselSpec
from fsw.bus.poller import Poller
from fsw.filters import Filters
from fsw.fusion import Fusion
from fsw.leak.detector import Detector
from fsw.leak.vessel import Vessel
from fsw.limits import Limits
from fsw.monitor import Monitor, Reporter
from fsw.packets.frame import Framer
from fsw.phases import PhaseBook
from fsw.table import Table
from fsw.telemetry import Telemetry


def monitor(
    board: Board, source: int = 0, reporter: Callable[[Telemetry], Reporter] | None = None
) -> Monitor:
    """The thinking part of a board; `source` (Quality.SIM, REPLAY or 0) marks everything it sends.

    `reporter` may put something between the monitor and its telemetry.
    """
    table = Table(board.parameters)
    declared = {channel.row: channel.sigma_min for channel in board.channels}
    telemetry = Telemetry(
        Framer(board.apid),
        table,
        board.limits,
        board.housekeeping,
        board.heartbeat_ns,
        board.limits_crc32,
        source,
    )
    groups = [fused.group for spec in board.vessels for fused in spec.fused]
    return Monitor(
        table,
        Filters(board.channels, table),
        PhaseBook(board.phases, [spec.outputs.inventory for spec in board.vessels]),
        [vessel(spec, declared) for spec in board.vessels],
        Limits(board.limits, table),
        AlarmBook(board.limits),
        telemetry if reporter is None else reporter(telemetry),
        Fusion(groups, table) if groups else None,
    )


def vessel(spec: VesselSpec, declared: Mapping[int, float]) -> Vessel:
    """One vessel with a fresh memory; `declared` is the noise of the channels by row."""
    return Vessel(
        spec.name,
        spec.model,
        Detector(spec.detector, spec.false_alarm_s, spec.calibration),
        spec.thermal,
        spec.inputs,
        spec.outputs,
        spec.calibration,
        spec.detector.gap,
        spec.detector.flat,
        declared,
    )


def pollers(board: Board) -> Sequence[Poller]:
    """One for each line, in the board's order."""
    return [Poller(line.polls, line.counts, line.settings.byte_ns, line.echo) for line in board.lines]
