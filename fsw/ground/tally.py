"""The alarms of a replay, counted, and two such counts side by side: what a change of limits would have done."""

from collections.abc import Mapping
from dataclasses import dataclass

from fsw.alarms import Transition
from fsw.ground.finding import Teller
from fsw.ground.replay import Reported

_ENDS = {Transition.RTN, Transition.CLEAR}
NS_PER_S = 1_000_000_000


@dataclass(slots=True)
class Count:
    """One alarm over a recording."""

    raises: int = 0
    first_ns: int | None = None  # wall time of its first raise
    severity: int = 0  # worst
    active_ns: int = 0  # with its condition true, up to the last tick
    since_ns: int | None = None  # the condition is true since

    def up_to(self, unix_ns: int) -> int:
        """How long the condition has been true."""
        return self.active_ns + (0 if self.since_ns is None else max(0, unix_ns - self.since_ns))

    def json(self, last_ns: int) -> dict[str, object]:
        """For programs."""
        return {
            "raises": self.raises,
            "first_s": None if self.first_ns is None else self.first_ns / NS_PER_S,
            "active_s": self.up_to(last_ns) / NS_PER_S,
            "severity": self.severity,
        }


class Tally:
    """Counts of all alarms that were raised, by name."""

    def __init__(self) -> None:
        self.counts: dict[str, Count] = {}

    def add(self, found: Reported, teller: Teller) -> None:
        """One more report."""
        event = found.event
        if event.transition is not Transition.RAISE and teller.name(event) not in self.counts:
            return
        count = self.counts.setdefault(teller.name(event), Count())
        count.severity = max(count.severity, event.peak_severity)
        if event.transition is Transition.RAISE:
            count.raises += 1
            count.first_ns = found.unix_ns if count.first_ns is None else count.first_ns
            count.since_ns = found.unix_ns
        elif event.transition in _ENDS and count.since_ns is not None:
            count.active_ns, count.since_ns = count.up_to(found.unix_ns), None

    def restart(self, unix_ns: int) -> None:
        """The monitor was started again and knows of no alarm."""
        for count in self.counts.values():
            count.active_ns, count.since_ns = count.up_to(unix_ns), None


def names(before: Mapping[str, Count], after: Mapping[str, Count]) -> list[str]:
    """Alarms of either, the first to be raised first."""
    counts = [*before.items(), *after.items()]
    first = {name: count.first_ns or 0 for name, count in reversed(counts)}
    return sorted(first, key=lambda name: (first[name], name))
