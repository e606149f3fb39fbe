"""From when on an instrument's fault can be told by what its board declares, and in how many samples it is named.

The first is worked out here, in numpy and from what was delivered, apart from `fsw`; sample i is that of tick i.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from bench.disturbances import Fault
from fsw.board.board import Board

WITHIN = 3  # samples
NS = 1_000_000_000
NAMES = {  # of the alarm that says what is wrong
    "drop_out": ("stale", "bad"),
    "stuck": ("stuck",),
    "spike": ("spike",),
    "unit": ("jump", "bad"),
}
AFTERMATH = 20  # samples after a fault in which an alarm is still its work


class Raise(NamedTuple):
    """An alarm was raised at a sample, or returned."""

    alarm: str
    at: int
    raised: bool


@dataclass
class Naming:
    """Of each kind: faults injected, faults that could be told, and the samples that it took."""

    injected: Counter[str] = field(default_factory=Counter)
    took: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # inf: never
    under: Counter[str] = field(default_factory=Counter)  # never, but another alarm of the instrument stood
    unfounded: Counter[str] = field(default_factory=Counter)  # alarms of an instrument without a fault

    def __iadd__(self, other: "Naming") -> "Naming":
        """Of several vessels."""
        self.injected += other.injected
        self.under += other.under
        self.unfounded += other.unfounded
        for kind, took in other.took.items():
            self.took[kind] += took
        return self

    def table(self) -> str:
        """For people."""
        lines = [
            "  instrument faults    injected  decidable  named within 3"
            "  later  worst, samples  never  under another alarm"
        ]
        for kind in NAMES:
            took = self.took[kind]
            named = [each for each in took if each < math.inf]
            in_time = sum(each <= WITHIN for each in named)
            worst = f"{max(named):.0f}" if named else "-"
            never = len(took) - len(named) - self.under[kind]
            lines.append(
                f"  {kind:19} {self.injected[kind]:9} {len(took):10} {in_time:15} {len(named) - in_time:6}"
                f" {worst:>15} {never:6} {self.under[kind]:20}"
            )
        unfounded = ", ".join(f"{name} {count}" for name, count in sorted(self.unfounded.items())) or "none"
        return "\n".join([*lines, f"  instrument alarms without a fault: {unfounded}"])


def judged(board: Board, delivered: Any, faults: Sequence[Fault], told: Sequence[Raise]) -> Naming:
    """One vessel's faults of the channel pt.pressure."""
    decidable = Decidable(board, delivered)
    spans = standing(told, len(delivered))
    naming = Naming()
    for fault in faults:
        naming.injected[fault.kind] += 1
        at = decidable.at(fault)
        if at is None:
            continue
        own = [span for name in NAMES[fault.kind] for span in spans[f"pt.pressure.{name}"]]
        until = max(fault.end, at) + AFTERMATH
        took = min(
            (max(first - at, 0) for first, end in own if end > at and first <= until), default=math.inf
        )
        naming.took[fault.kind].append(took)
        others = (span for name, found in spans.items() if is_instrument(name) for span in found)
        if took == math.inf and any(first <= at < end for first, end in others):
            naming.under[fault.kind] += 1
    covered = np.zeros(len(delivered) + 1, bool)
    for fault in faults:
        covered[fault.first : fault.end + AFTERMATH] = True
    for each in told:
        if each.raised and is_instrument(each.alarm) and not covered[each.at]:
            naming.unfounded[each.alarm] += 1
    return naming


def is_instrument(alarm: str) -> bool:
    """Not one of the vessel."""
    return alarm.startswith(("pt.", "tt."))


def standing(told: Sequence[Raise], end: int) -> defaultdict[str, list[tuple[int, int]]]:
    """Of each alarm the samples from which and up to which it stood."""
    spans: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for each in told:
        if each.raised:
            spans[each.alarm].append((each.at, end))
        else:
            spans[each.alarm][-1] = (spans[each.alarm][-1][0], each.at)
    return spans


class Decidable:
    """The first sample at which a fault shows, if it does."""

    def __init__(self, board: Board, delivered: Any) -> None:
        self._channel = board.channels[0]
        stuck_ns = next(limit.max_age_ns for limit in board.limits if limit.name == "pt.pressure.stuck")
        self._period_s = board.period_ns / NS
        self._stuck_s, self._stale_s = stuck_ns / NS, self._channel.max_age_ns / NS
        self._delivered = delivered
        self._places = np.flatnonzero(~np.isnan(delivered))

    def at(self, fault: Fault) -> int | None:
        """By its kind; None: never, by what the board declares."""
        if fault.kind == "drop_out":
            return self._silent(fault)
        places = self._places[np.searchsorted(self._places, fault.first) :]
        told = {"stuck": self._frozen, "spike": self._far_off, "unit": self._beyond}[fault.kind]
        return next((int(place) for place in places[places < fault.end] if told(int(place), fault)), None)

    def _before(self, place: int, count: int) -> Any:
        """The places of the last so many samples up to this one."""
        last = np.searchsorted(self._places, place, "right")
        return self._places[max(last - count, 0) : last]

    def _silent(self, fault: Fault) -> int | None:
        """The first tick at which the last sample is older than `stale_after`."""
        last = self._before(fault.first, 1)
        if not last.size:
            return None
        at = int(last[0]) + math.floor(self._stale_s / self._period_s) + 1
        following = np.searchsorted(self._places, last[0], "right")
        heard = self._places[following] if following < len(self._places) else len(self._delivered)
        return at if at < heard else None

    def _frozen(self, place: int, fault: Fault) -> bool:
        """The first sample that equals all those of the last `stuck_after`."""
        since = place - math.ceil(self._stuck_s / self._period_s)
        if since < fault.first:
            return False
        span = self._delivered[since : place + 1]
        return bool(np.all((span == span[-1]) | np.isnan(span)) and not math.isnan(span[0]))

    def _far_off(self, place: int, fault: Fault) -> bool:
        """Beyond `spike` standard deviations of the median of the last `window` samples."""
        channel = self._channel
        window = self._delivered[self._before(place, channel.window)]
        off = np.abs(window - np.median(window))
        return bool(off[-1] > channel.k * max(channel.noise, 1.4826 * np.median(off))) or self._beyond(
            place, fault
        )

    def _beyond(self, place: int, fault: Fault) -> bool:
        """Out of `range`, or faster than `max_rate`."""
        channel, value = self._channel, self._delivered[place]
        if not channel.low <= value <= channel.high:
            return True
        pair = self._before(place, 2)
        if pair.size < 2:
            return False
        dt_s = (pair[1] - pair[0]) * self._period_s
        return bool(abs(value - self._delivered[pair[0]]) > channel.max_rate * dt_s + 6 * channel.noise)
