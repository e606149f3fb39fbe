"""Every parameter that a board leads to: name, unit and what it means, in the order of the table's rows."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from fsw.board import kinds
from fsw.board.problem import Problems, did_you_mean
from fsw.board.schema import QUANTITIES, BoardFile
from fsw.bus.poller import Counts
from fsw.leak.state import Input, names
from fsw.quantity import Reference, parse, parse_pressure

EXECUTIVE = (
    ("executive.lateness", "s", "how late the tick began"),
    ("executive.work", "s", "how long the last tick took"),
    ("executive.slips", "", "ticks that were missed and skipped"),
    ("executive.clock_steps", "", "times that the wall clock was set"),
    ("executive.dropped", "", "packets that sinks could not take"),
    ("executive.time", "s", "the monotonic clock, at its last whole second"),
)
COUNTS = {  # of a line, as the poller keeps them
    "requests": "requests sent",
    "replies": "good replies",
    "no_reply": "requests that nobody answered in time",
    "checksum": "replies with a wrong checksum",
    "malformed": "replies that are none to the request",
    "wrong_address": "replies of another instrument",
    "exceptions": "requests that the instrument refused",
    "late": "bursts of bytes that no request was waiting for",
    "lost": "times that the line went away",
    "overruns": "cycles in which a poll came due again before it was done",
}


FEWEST_TO_NAME = 2  # instruments; with more than so many, two against one say which is wrong


@dataclass(frozen=True, slots=True)
class Declared:
    """A parameter before it has an id. `ambient_pa` makes gauge values of a pressure absolute."""

    name: str
    unit: str
    text: str
    is_pressure: bool = False
    reference: Reference = Reference.ABSOLUTE
    ambient_pa: float = math.nan
    max_age_ns: int = 0  # 0: it does not grow old
    interval_ns: int = 0  # between two samples
    timeout_ns: int = 0  # a sample may come so much later

    def value(self, text: str | float) -> float:
        """A value of this parameter in SI; ValueError for another dimension or a pressure without its reference."""
        if isinstance(text, int | float):
            if self.unit or not math.isfinite(text):
                raise ValueError(f"{text!r} has no unit: {self.name} is in {self.unit or 'finite numbers'}")
            return float(text)
        return absolute(text, self.ambient_pa, self.reference) if self.is_pressure else parse(text, self.unit)

    def difference(self, text: str | float) -> float:
        """A difference of two values of this parameter in SI, 0 or more."""
        if isinstance(text, int | float) and text == 0:
            return 0.0
        found = (
            float(text)
            if isinstance(text, int | float) and not self.unit
            else parse(str(text), self.unit, difference=True)
        )
        if not (math.isfinite(found) and found >= 0):
            raise ValueError(f"{text!r} is out of bounds: must be finite and 0 or more")
        return found


def absolute(text: str, ambient_pa: float, reference: Reference) -> float:
    """A written pressure in Pa absolute, when the instrument it belongs to measures against `reference`."""
    level = parse_pressure(text)
    if level.reference is Reference.ABSOLUTE:
        return level.value_pa
    if level.reference is not reference:
        raise ValueError(
            f"{text!r} is {level.reference}, but the instrument is {reference}: write it as {reference}"
        )
    return level.value_pa + ambient_pa


@dataclass(frozen=True, slots=True)
class Scope:
    """What every step needs: the tables as written, the parameters they lead to, and where problems go."""

    file: BoardFile
    period_ns: int
    directory: "Directory"
    problems: Problems


class Directory:
    """The parameters by name."""

    def __init__(self, declared: Iterable[Declared]) -> None:
        self.all = tuple(declared)
        self.rows: Mapping[str, int] = {parameter.name: row for row, parameter in enumerate(self.all)}

    def row(self, name: str) -> int:
        """Its row; ValueError, with the nearest name, when there is none."""
        try:
            return self.rows[name]
        except KeyError:
            raise ValueError(f"is not a parameter of this board; {self._nearest(name)}") from None

    def _nearest(self, name: str) -> str:
        near = did_you_mean(name, self.rows)
        if near.startswith("known"):
            return "see `fsw check` on the board without this table for all of them"
        return near

    def __getitem__(self, name: str) -> Declared:
        return self.all[self.row(name)]


def of_lines(file: BoardFile) -> Iterator[Declared]:
    """Counts of each line."""
    for line in file.lines:
        for count in fields(Counts):
            yield Declared(f"{line}.{count.name}", "", COUNTS[count.name])


def of_vessels(file: BoardFile) -> Iterator[Declared]:
    """What each vessel's model works out."""
    for name, vessel in file.vessels.items():
        for output in kinds.models()[vessel.model].OUTPUTS:
            yield Declared(f"{name}.{output.name}", output.unit, output.text)


def of_fusions(file: BoardFile) -> Iterator[Declared]:
    """What comes of each vessel's inputs that have more than one instrument."""
    for vessel, options in file.vessels.items():
        for each in kinds.models()[options.model].INPUTS:
            channels = redundant(options, each)
            if channels:
                yield from _of_fusion(file, f"{vessel}.{each.key}", each, channels)


def redundant(vessel: Any, each: Input) -> tuple[str, ...]:
    """The channels of an input, when there is more than one."""
    written = getattr(vessel, each.key)
    channels = () if written is None else names(written)
    return channels if len(channels) > 1 else ()


def departs(vessel: str, channel: str) -> str:
    """The parameter that says how far one of three is from the middle."""
    return f"{vessel}.{channel.replace('.', '_')}_departs"


def _of_fusion(file: BoardFile, name: str, each: Input, channels: tuple[str, ...]) -> Iterator[Declared]:
    unit, of = QUANTITIES[each.quantity], ", ".join(channels)
    asked = [
        file.instruments[found].every
        for found in (c.partition(".")[0] for c in channels)
        if found in file.instruments
    ]
    interval_ns = round(1e9 / file.board.rate) * min(asked, default=1)
    yield Declared(
        name,
        unit,
        f"{each.quantity}, fused of {of}",
        is_pressure=each.quantity == "pressure",
        interval_ns=interval_ns,
    )
    yield Declared(
        f"{name}_spread", unit, f"how far {of} are apart, offsets taken off", interval_ns=interval_ns
    )
    if len(channels) > FEWEST_TO_NAME:
        for channel in channels:
            text = f"how far {channel} is from the middle of {of}"
            yield Declared(departs(name.partition(".")[0], channel), unit, text, interval_ns=interval_ns)


def of_executive() -> Iterator[Declared]:
    """How the monitor itself is doing."""
    for name, unit, text in EXECUTIVE:
        yield Declared(name, unit, text)


def si_unit(quantity: str) -> str:
    """Of a channel's parameter."""
    return QUANTITIES[quantity]


def rate_unit(unit: str) -> str:
    """Of the parameter's change in time."""
    return f"{unit}/s" if unit else "1/s"
