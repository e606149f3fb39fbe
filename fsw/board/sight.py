"""What a vessel can find, by its calibration or else by what the board declares: the basis of its detection card."""

import datetime
import math

from fsw.board.board import Board
from fsw.board.vessel import VesselSpec
from fsw.leak import accumulator, gas
from fsw.leak.calibration import UPPER_95
from fsw.leak.card import Basis, card
from fsw.leak.fluid import ZERO_CELSIUS_K
from fsw.leak.state import Inventory, State
from fsw.leak.thermal import NS_PER_S
from fsw.quantity import Measured, parse

ROOM_K = 293.15
PROMISED_S = 3600.0  # the waiting time that a line of a log speaks of


def state(
    board: Board, spec: VesselSpec, pressure_pa: float, temperature_k: float, gas_k: float | None = None
) -> State:
    """Readings with the noise that the board declares, as the vessel sees it."""
    rows = spec.inputs
    noise = {channel.row: channel.sigma_min for channel in board.channels}
    interval_ns = _intervals(board)
    for fused in spec.fused:
        group = fused.group
        noise[group.row] = 1 / math.sqrt(sum(each.noise**-2 for each in group.instruments))
        interval_ns[group.row] = min(each.interval_ns for each in group.instruments)

    def read(row: int | None, value: float) -> Measured:
        if row is None:
            return spec.model.assumed_temperature_k
        # As the vessel does: a temperature that comes less often is the same in several inventories.
        repeats = max(1.0, interval_ns[row] / interval_ns[rows.pressure])
        return Measured(value, noise[row] * math.sqrt(repeats))

    gas_row = rows.gas_temperature
    return State(
        Measured(pressure_pa, noise[rows.pressure]),
        read(rows.temperature, temperature_k),
        None if gas_row is None else read(gas_row, temperature_k if gas_k is None else gas_k),
    )


def nominal(board: Board, spec: VesselSpec) -> State:
    """At the mean of the calibration's recording; else in the reference state; else at the limit and 20 degC."""
    options = board.file.vessels[spec.name]
    pressure_pa: float = getattr(options, "reference_pressure", getattr(options, "limit", 0.0))
    temperature_k: float = getattr(options, "reference_temperature", ROOM_K)
    if spec.calibration is not None:
        pressure_pa = spec.calibration.pressure_pa or pressure_pa
        temperature_k = spec.calibration.reference_k
    return state(board, spec, pressure_pa, temperature_k)


def basis(spec: VesselSpec, inventory: Inventory) -> Basis:
    """What may hide a leak from the detector while the vessel is at rest."""
    learned, thermal = spec.calibration, spec.thermal
    interval_s = spec.interval_ns / NS_PER_S
    zero = spec.model.zero_leak_kg_per_s
    if learned is None:
        fastest = thermal.fastest * inventory.kg_per_k
        measured = spec.inputs.temperature is not None
        lasting = (thermal.unseen_drift if measured else thermal.unmeasured) * inventory.kg_per_k
        swing = fastest * thermal.lag / NS_PER_S
        return Basis(inventory.noise_kg, 0.0, interval_s, spec.false_alarm_s, zero, lasting, swing, fastest)
    known = learned.zero_leak
    return Basis(
        learned.careful_noise * inventory.noise_kg,
        learned.phi_over(interval_s),
        interval_s,
        spec.false_alarm_s,
        max(zero, known.value + UPPER_95 * known.sigma),
        learned.drift_kg_per_s,
        learned.swing_kg,
    )


def units(spec: VesselSpec, at: State) -> dict[str, float]:
    """Units that people think in, each with how many of it are 1 kg/s in this vessel."""
    match spec.model:
        case gas.Model() as model:
            throughput = gas.throughput(1.0, ZERO_CELSIUS_K, model.gas)
            decay = model.gas.specific_constant * at.temperature_k.value / model.volume_m3.value
            return {
                "sccm": throughput / parse("1 sccm", "Pa*m^3/s"),
                "mbar L/s": throughput * 10,
                "Pa/s": decay,
            }
        case accumulator.Model() as model:
            return {"g/h": 3.6e6, "mL/s": 1e6 / model.liquid.density_at(at.temperature_k.value)}
    return {}


def promise(board: Board, spec: VesselSpec, now: datetime.datetime) -> str:
    """A line for the log: how old the calibration is, what it is about, what can be found with it."""
    at = nominal(board, spec)
    inventory = spec.model.inventory(at)
    sight = card(basis(spec, inventory), [PROMISED_S])[0]
    shown = "".join(
        f" ({short(sight.rate_kg_per_s * factor)} {unit})" for unit, factor in first(units(spec, at))
    )
    found = f"finds {short(sight.rate_kg_per_s)} kg/s{shown} in 1 h at rest"
    learned = spec.calibration
    if learned is None or board.calibration is None:
        return f"{spec.name}: not calibrated, noise as declared; {found}"
    made = board.calibration.calibration
    told = [
        f"{spec.name}: calibration {made.age(now)}, of {learned.samples} inventories",
        f"noise {learned.noise:.2g} x declared",
        found,
        *learned.notes,
    ]
    return "; ".join(told)


def remarks(board: Board, now: datetime.datetime) -> list[str]:
    """What a log says of the calibration: whether it fits the board, then a line for each vessel."""
    stale = [] if board.calibration is None else board.calibration.remarks(board.crc32, board.file)
    return [*(f"warning: {each}" for each in stale), *(promise(board, spec, now) for spec in board.vessels)]


def first(units: dict[str, float]) -> list[tuple[str, float]]:
    """The first of the units, if there are any."""
    return list(units.items())[:1]


def short(value: float) -> str:
    """Two digits."""
    return "-" if math.isnan(value) else f"{float(f'{value:.2g}'):g}"


def _intervals(board: Board) -> dict[int, int]:
    """Of each channel's row: ns between two samples."""
    row_of_raw = {channel.raw_row: channel.row for channel in board.channels}
    return {
        row_of_raw[row]: poll.every * board.period_ns
        for line in board.lines
        for poll in line.polls
        for row in poll.rows
        if row in row_of_raw
    }
