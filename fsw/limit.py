"""One limit: what is asked of a parameter, when the question makes no sense, what a changed answer tells."""

import enum
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Check(enum.IntEnum):
    """What is asked. Only those in `IMPLEMENTED` are; the others keep their codes in the packets."""

    LIMIT = 1
    EXPECTED = 2
    DELTA = 3
    RATE = 4
    STALE = 5
    QUALITY = 6
    FLAT_LINE = 7
    DISAGREE = 8
    COMBINE = 9
    UNDETERMINED = 10


LEVELED = frozenset({Check.LIMIT, Check.DISAGREE})  # a value against levels; DISAGREE: of a spread
IMPLEMENTED = LEVELED | {Check.STALE, Check.QUALITY, Check.FLAT_LINE, Check.UNDETERMINED}
TIMED = frozenset({Check.STALE, Check.FLAT_LINE, Check.UNDETERMINED})  # they measure time; n, m are unused


class OnBad(enum.IntEnum):
    """What a BAD sample does to a LIMIT check. None of the three lets it clear anything."""

    HOLD = 0  # frozen, and blind time does not count towards off_delay
    RAISE = 1  # it votes for, and so does silence past max_age
    IGNORE = 2  # as if it had not come; delays run on


class Level(enum.IntEnum):
    """How far out; a check without levels is NONE or HIGH."""

    NONE = 0
    LOW_LOW = 1
    LOW = 2
    HIGH = 3
    HIGH_HIGH = 4


class Status(enum.IntEnum):
    """The same in the words of the on-board monitoring service (transition reports)."""

    WITHIN = 0
    UNCHECKED = 1
    INVALID = 2
    BELOW = 3
    ABOVE = 4


@dataclass(frozen=True, slots=True)
class Limit:
    """A definition. Levels, deadband and report_limit in the SI unit of their row; NaN is absent.

    At or beyond a level votes for it; to return, the value must be inside by more than the deadband. With
    `sigma_k` > 0 `sure` asks for value - k sigma beyond, otherwise value + k sigma is enough. A timed check
    raises `max_age_ns` + `on_delay_ns` after what it watches began. The alarm shows `report_row` (default
    `row`) against `report_limit` (default: the level crossed; for a timed check max_age in seconds). Chatter,
    remind and the bound on shelving are off at zero.
    """

    id: int
    name: str
    event: int
    row: int
    check: Check
    low_low: float = math.nan
    low: float = math.nan
    high: float = math.nan
    high_high: float = math.nan
    deadband: float = 0.0
    severity: tuple[int, int, int, int] = (0, 0, 0, 0)  # LL, L, H, HH: 1 to 4; without levels: the greatest
    sigma_k: float = 0.0
    sure: bool = True
    n: int = 1
    m: int = 1
    off_n: int = 1
    on_delay_ns: int = 0
    off_delay_ns: int = 0
    max_age_ns: int = 0
    on_bad: OnBad = OnBad.HOLD
    report_row: int | None = None
    report_limit: float = math.nan
    latching: bool = False
    auto_ack: bool = False
    chatter_n: int = 0
    chatter_window_ns: int = 0
    remind_ns: int = 0
    longest_shelf_ns: int = 0
    text: str = ""
    guidance: str = ""

    @property
    def levels(self) -> tuple[float, float, float, float]:
        """LL, L, H, HH."""
        return self.low_low, self.low, self.high, self.high_high

    @property
    def shown_row(self) -> int:
        """The row whose value the alarm shows."""
        return self.row if self.report_row is None else self.report_row

    @property
    def window(self) -> int:
        """How many samples vote."""
        return 1 if self.check in TIMED else self.m

    def severity_at(self, level: Level) -> int:
        """0 where nothing is wrong."""
        if level is Level.NONE:
            return 0
        return self.severity[level - 1] if self.check in LEVELED else max(self.severity)

    def shown_limit(self, level: Level) -> float:
        """What the value is shown against when `level` was crossed."""
        if not math.isnan(self.report_limit):
            return self.report_limit
        if self.check in LEVELED and level is not Level.NONE:
            return self.levels[level - 1]
        return self.max_age_ns / 1e9 if self.check in TIMED else math.nan

    def status(self, level: Level) -> Status:
        """The level as a transition report says it."""
        if level is Level.NONE:
            return Status.WITHIN
        if self.check not in LEVELED:
            return Status.INVALID
        return Status.BELOW if level <= Level.LOW else Status.ABOVE


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one limit's condition; `severity` 0 is a return. The numbers are what decided it."""

    index: int
    previous: Level
    level: Level
    severity: int
    value: float
    sigma: float
    limit: float
    quality: int
    hits: int  # votes for, of the last m
    m: int
    peak: float  # extreme of the value while the condition was true


class Problem(NamedTuple):
    """What is wrong with one definition, and what to do about it."""

    name: str
    field: str
    value: object
    text: str

    def __str__(self) -> str:
        return f"{self.name}.{self.field} = {self.value}: {self.text}"


_LEVELS = ("low_low", "low", "high", "high_high")
_TIMES = ("on_delay_ns", "off_delay_ns", "max_age_ns", "chatter_window_ns", "remind_ns", "longest_shelf_ns")


def problems(limits: Iterable[Limit]) -> list[Problem]:
    """Everything that is wrong with these definitions; empty when they may be used together."""
    limits = tuple(limits)
    found = [Problem(limit.name, *wrong) for limit in limits for wrong in _wrong(limit)]
    for field in ("id", "name"):
        for value, count in Counter(getattr(limit, field) for limit in limits).items():
            if count > 1:
                shared = ", ".join(limit.name for limit in limits if getattr(limit, field) == value)
                found.append(Problem(str(shared), field, value, "is used more than once; give each its own"))
    return found


_Wrong = tuple[str, object, str]


def _wrong(limit: Limit) -> Iterator[_Wrong]:
    for field in ("id", "event"):
        if not 0 <= getattr(limit, field) <= 0xFFFF:
            yield field, getattr(limit, field), "must be 0 to 65535"
    if limit.check not in IMPLEMENTED:
        yield "check", limit.check.name, f"must be one of {', '.join(sorted(c.name for c in IMPLEMENTED))}"
    yield from _wrong_levels(limit)
    yield from _wrong_severities(limit)
    yield from _wrong_votes(limit)
    for field in _TIMES:
        if getattr(limit, field) < 0:
            yield field, getattr(limit, field), "must not be negative"
    if limit.max_age_ns == 0 and limit.check in TIMED:
        yield "max_age_ns", 0, f"must be above 0: a {limit.check.name} check measures it"
    if limit.max_age_ns == 0 and limit.check in LEVELED and limit.on_bad is OnBad.RAISE:
        yield "max_age_ns", 0, "must be above 0 with on_bad raise: it says when silence counts as bad"
    if limit.chatter_n and not (2 <= limit.chatter_n <= 64 and limit.chatter_window_ns > 0):
        yield "chatter_n", limit.chatter_n, "must be 2 to 64, with a chatter window above 0; 0 turns it off"


def _wrong_levels(limit: Limit) -> Iterator[_Wrong]:
    named = zip(_LEVELS, limit.levels, strict=True)
    given = [(name, level) for name, level in named if not math.isnan(level)]
    if limit.check not in LEVELED:
        for name, level in given:
            yield name, level, f"has no meaning in a {limit.check.name} check; leave it out"
        return
    if not given:
        yield "low_low, low, high, high_high", math.nan, "at least one level is needed"
    for name, level in given:
        if math.isinf(level):
            yield name, level, "must be finite; leave it out where there is no level"
    if not 0 <= limit.deadband < math.inf:
        yield "deadband", limit.deadband, "must be finite and not negative"
        return
    for (inner, low), (outer, high) in itertools.pairwise(given):
        if not low < high:
            yield outer, high, f"must be above {inner} = {low}"
        elif limit.deadband > high - low or (limit.deadband == high - low and (inner, outer) in _FACING):
            yield "deadband", limit.deadband, f"reaches from {outer} to {inner}: must be below {high - low:g}"


# Two levels with nothing but health between: a deadband as wide as that would leave no way back.
_FACING = {(low, high) for low in _LEVELS[:2] for high in _LEVELS[2:]}


def _wrong_severities(limit: Limit) -> Iterator[_Wrong]:
    if limit.check not in LEVELED:
        if not 1 <= max(limit.severity) <= 4:
            yield "severity", limit.severity, "the greatest must be 1 to 4"
        return
    rank = dict(zip(_LEVELS, limit.severity, strict=True))
    given = {name for name, level in zip(_LEVELS, limit.levels, strict=True) if not math.isnan(level)}
    for name in _LEVELS:
        if name in given and not 1 <= rank[name] <= 4:
            yield f"severity.{name}", rank[name], "must be 1 to 4"
    for inner, outer in (("low", "low_low"), ("high", "high_high")):
        if {inner, outer} <= given and rank[outer] < rank[inner]:
            yield f"severity.{outer}", rank[outer], f"must be at least that of {inner}, {rank[inner]}"
    if limit.on_bad is OnBad.IGNORE and max((rank[name] for name in given), default=0) >= 4:
        yield "on_bad", "ignore", "must be hold or raise for severity 4: no blind time may count there"


def _wrong_votes(limit: Limit) -> Iterator[_Wrong]:
    if not 1 <= limit.m <= 64:
        yield "m", limit.m, "must be 1 to 64"
    if not 1 <= limit.n <= limit.m:
        yield "n", limit.n, f"must be 1 to m = {limit.m}"
    if not 1 <= limit.off_n <= 64:
        yield "off_n", limit.off_n, "must be 1 to 64"
    if not 0 <= limit.sigma_k < math.inf:
        yield "sigma_k", limit.sigma_k, "must be finite and not negative"


def worst(limit: Limit, on: Sequence[Level], fresh: Sequence[Level]) -> Level:
    """The level that speaks for all that are on: the gravest; among equals the newest, then the outermost."""
    outermost = (Level.LOW_LOW, Level.HIGH_HIGH)

    def gravity(level: Level) -> tuple[int, bool, bool]:
        return limit.severity_at(level), level in fresh, level in outermost

    return max(on, key=gravity, default=Level.NONE)
