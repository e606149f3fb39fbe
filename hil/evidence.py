"""What a run leaves behind: the truth, the program's log, and its packets, decoded after the run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from hil.reader import Frame, Reader, is_alarm, is_housekeeping
from hil.series import Series

MOST_REPORTS = 3000  # housekeeping packets decoded of each run; a longer one is thinned out evenly
KEPT_WHOLE_NS = 30_000_000_000  # but not so shortly before an instant that is judged


@dataclass(slots=True)
class Recording:
    """The raw evidence, as the running bench writes it; times are ns since the run began."""

    packets: list[tuple[int, bytes]] = field(default_factory=list)
    now_ns: int = 0
    wall_s: float = 0.0
    log: str = ""


@dataclass(frozen=True, slots=True)
class Background:
    """What is known of a run before it begins."""

    xtce: bytes  # as `fsw xtce BOARD` prints it
    units: Mapping[str, str]  # parameter -> SI unit
    truth: Mapping[str, Series]  # "<plant>.<variable>" -> what it really does
    truth_names: Mapping[str, str]  # parameter -> the plant variable behind it
    onsets_ns: Mapping[str, int]  # plant -> when its first hole opens
    judged_ns: Sequence[int]  # instants that expectations look at

    def truth_of(self, parameter: str) -> Series | None:
        """What a parameter ought to be, where a plant stands behind it."""
        name = self.truth_names.get(parameter)
        return None if name is None else self.truth.get(name)


class Evidence:
    """The evidence of one finished run; packets are decoded when first asked for."""

    def __init__(self, background: Background, recording: Recording) -> None:
        self.background = background
        self.packets = recording.packets
        self.end_ns = recording.now_ns
        self.wall_s = recording.wall_s
        self.log = recording.log

    @property
    def speed(self) -> float:
        """Seconds of the run in a second of waiting."""
        return self.end_ns / 1e9 / max(self.wall_s, 1e-9)

    @property
    def last_packet_ns(self) -> int | None:
        """When the program was last heard."""
        return self.packets[-1][0] if self.packets else None

    @cached_property
    def _reader(self) -> Reader:
        return Reader(self.background.xtce)

    @cached_property
    def frames(self) -> tuple[Frame, ...]:
        """All alarm events, in the order they arrived."""
        return tuple(self._reader.frame(at_ns, data) for at_ns, data in self.packets if is_alarm(data))

    @cached_property
    def parameters(self) -> dict[str, Series]:
        """Every parameter that housekeeping reports."""
        columns: dict[str, list[tuple[int, float, float, int]]] = {}
        for at_ns, data in self._thinned():
            for name, value, sigma, quality in self._reader.reports(data):
                columns.setdefault(name, []).append((at_ns, value, sigma, quality))
        return {name: _series(rows) for name, rows in columns.items()}

    def _thinned(self) -> list[tuple[int, bytes]]:
        reports = [(at_ns, data) for at_ns, data in self.packets if is_housekeeping(data)]
        if len(reports) <= MOST_REPORTS:
            return reports
        period_ns = self.end_ns // MOST_REPORTS
        kept: list[tuple[int, bytes]] = []
        next_ns = last_ns = 0
        for at_ns, data in reports:
            judged = any(0 <= instant_ns - at_ns <= KEPT_WHOLE_NS for instant_ns in self.background.judged_ns)
            if judged or at_ns >= next_ns or at_ns == last_ns:  # sets that came together stay together
                kept.append((at_ns, data))
                last_ns = at_ns
                next_ns = (at_ns // period_ns + 1) * period_ns
        return kept


def _series(rows: Sequence[tuple[int, float, float, int]]) -> Series:
    time_ns, value, sigma, quality = zip(*rows, strict=True)
    return Series(
        np.array(time_ns, dtype=np.int64), np.array(value), np.array(sigma), np.array(quality, dtype=np.uint8)
    )
