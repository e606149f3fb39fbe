"""Faults of a whole line: what is done to its wire at an instant, and who babbles on it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
from pydantic import Field

from hil.faults.fault import Fault, Gate
from hil.instruments import Forgery
from hil.quantity import Duration
from hil.wire import Line


class Wire(Protocol):
    """What a line fault needs of a MemoryWire or a PtyWire."""

    line: Line

    def unplug(self, now_ns: int) -> None:
        """Pull the adapter."""

    def plug(self, now_ns: int) -> None:
        """Put it back."""


Action = tuple[int, Callable[[int], None]]


class LineFault(Fault):
    """Something done to a whole line; `on` is its name."""

    def actions(self, wire: Wire) -> Sequence[Action]:
        """(time_ns, what to call then, with the time)."""
        raise NotImplementedError


class Unplug(LineFault):
    """The adapter is pulled, and put back at `until`."""

    def actions(self, wire: Wire) -> Sequence[Action]:
        """One or two."""
        back = [] if self.until is None else [(self.until, wire.plug)]
        return [(self.at, wire.unplug), *back]


class Replug(LineFault):
    """The adapter is put back, under another number behind the same name."""

    def actions(self, wire: Wire) -> Sequence[Action]:
        """One."""
        return [(self.at, wire.plug)]


class Echo(LineFault):
    """The adapter echoes what the host sends, until `until`."""

    def actions(self, wire: Wire) -> Sequence[Action]:
        """One or two."""

        def switch(echo: bool) -> Callable[[int], None]:
            return lambda _: setattr(wire.line, "echo", echo)

        back = [] if self.until is None else [(self.until, switch(wire.line.echo))]
        return [(self.at, switch(True)), *back]


def actions(faults: Iterable[Fault], wires: Mapping[str, Wire]) -> list[Action]:
    """Those of all line faults, in order of time; `wires` by the name of the line. ValueError when a fault is
    on no line.
    """
    found: list[Action] = []
    for fault in faults:
        if isinstance(fault, LineFault):
            if fault.on not in wires:
                raise ValueError(
                    f"fault {fault.kind!r} on {fault.on!r}: it takes a line, one of {', '.join(wires)}"
                )
            found += fault.actions(wires[fault.on])
    return sorted(found, key=lambda action: action[0])


class Babble(Fault):
    """Somebody on the line sends `bytes` random bytes every `every`, asked or not, `count` times at most."""

    bytes: int = Field(default=8, ge=1)
    every: Duration = Field(default=100_000_000, gt=0)


class Babbler:
    """An Instrument that only talks: one among the line's instruments for each Babble."""

    def __init__(self, fault: Babble, rng: np.random.Generator) -> None:
        self._fault = fault
        self._rng = rng
        self._next_ns = fault.at
        self._gate = Gate(fault, rng)

    @property
    def forgeries(self) -> Mapping[str, Forgery]:
        """None."""
        return {}

    @property
    def next_wake_ns(self) -> int | None:
        """Its next outburst."""
        over = self._fault.until is not None and self._next_ns >= self._fault.until
        return None if over or not self._gate.left else self._next_ns

    def received(self, data: bytes, now_ns: int) -> None:
        """It does not listen."""

    def wake(self, now_ns: int) -> bytes:
        """Rubbish, when it is time for it."""
        if self.next_wake_ns is None or now_ns < self._next_ns:
            return b""
        self._next_ns += self._fault.every
        if not self._gate.strikes(now_ns):
            return b""
        return self._rng.bytes(self._fault.bytes)
