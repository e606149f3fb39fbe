"""A board brought to life, apart from what moves it: pollers, monitor and sinks wired together.

The real-time executive and the lock-step run both drive this same object; only their clock and their ports differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fsw.board.board import Board
from fsw.bus.poller import Poller
from fsw.clock import Clock
from fsw.monitor import Monitor
from fsw.packets import samples
from fsw.sample import Sample

NS_PER_S = 1_000_000_000
SERVICE_AT = 7  # where a packet says of which service it is
OWN = (
    "lateness",
    "work",
    "slips",
    "clock_steps",
    "dropped",
)  # what a station tells of itself, as executive.*
CLOCK_STEP_NS = (
    100_000_000  # a wall clock that moves by more than this between two ticks has been set, not disciplined
)


class Sink(Protocol):
    """Where packets go."""

    dropped: int

    def send(self, packets: Sequence[bytes]) -> None:
        """Take the packets of one tick (perhaps none) without ever blocking."""

    def close(self) -> None:
        """Bring out what is left, within a bounded time."""


@dataclass(frozen=True, slots=True)
class Outlet:
    """A sink, and whether it takes the raw samples, TM[129,130], as well: they are most of the bytes."""

    sink: Sink
    samples: bool


class Writer(Protocol):
    """The near end of one serial line."""

    def write(self, data: bytes) -> None:
        """Send without blocking; what does not fit is the line's loss and is counted there."""


class Station:
    """Pollers, monitor and sinks of one board. Every method takes `now_ns` and returns at once."""

    def __init__(
        self,
        board: Board,
        pollers: Sequence[Poller],
        writers: Sequence[Writer],
        monitor: Monitor,
        outlets: Sequence[Outlet],
        clock: Clock,
    ) -> None:
        self.board = board
        self.pollers = list(pollers)
        self.writers = list(writers)
        self.monitor = monitor
        self.outlets = list(outlets)
        self.clock = clock
        self.slips = 0
        self.clock_steps = 0
        self.work_ns = 0
        self.rows = [monitor.table.rows[f"executive.{name}"] for name in OWN]
        self.time_row = monitor.table.rows["executive.time"]
        self.unix_offset_ns = clock.unix_offset_ns()

    @property
    def wake_ns(self) -> int | None:
        """When a poller next wants `wake`, if any does."""
        wanted = [wake_ns for poller in self.pollers if (wake_ns := poller.next_wake_ns) is not None]
        return min(wanted) if wanted else None

    def opened(self, line: int, now_ns: int) -> None:
        """The line's port is there."""
        self._write(line, self.pollers[line].opened(now_ns))

    def lost(self, line: int, now_ns: int) -> None:
        """The line's port has gone."""
        self.pollers[line].lost(now_ns)

    def received(self, line: int, data: bytes, now_ns: int) -> None:
        """Bytes came in on a line at `now_ns`."""
        self._write(line, self.pollers[line].received(data, now_ns))

    def wake(self, now_ns: int) -> None:
        """Serve every poller whose wake-up is due."""
        for line, poller in enumerate(self.pollers):
            wake_ns = poller.next_wake_ns
            if wake_ns is not None and now_ns >= wake_ns:
                self._write(line, poller.wake(now_ns))

    def tick(self, now_ns: int, due_ns: int, missed: int) -> None:
        """One whole tick, due at `due_ns`; `missed` earlier ones were skipped."""
        self.slips += missed
        arrivals = [sample for poller in self.pollers for sample in poller.take()]
        arrivals += self._own_samples(now_ns, due_ns)
        packets = self.monitor.step(now_ns, arrivals)
        without_samples = [packet for packet in packets if packet[SERVICE_AT] != samples.SERVICE]
        for outlet in self.outlets:
            outlet.sink.send(packets if outlet.samples else without_samples)
        for line, poller in enumerate(self.pollers):
            self._write(line, poller.cycle(now_ns))
        self.work_ns = self.clock.now_ns() - now_ns

    def close(self) -> None:
        """Bring out what the sinks still hold."""
        for outlet in self.outlets:
            outlet.sink.close()

    def _own_samples(self, now_ns: int, due_ns: int) -> list[Sample]:
        unix_offset_ns = self.clock.unix_offset_ns()
        if abs(unix_offset_ns - self.unix_offset_ns) > CLOCK_STEP_NS:
            self.clock_steps += 1
        self.unix_offset_ns = unix_offset_ns
        self.monitor.telemetry.set_time(unix_offset_ns, self.clock.status())
        dropped = sum(outlet.sink.dropped for outlet in self.outlets)
        counts = (float(self.slips), float(self.clock_steps), float(dropped))
        values = ((now_ns - due_ns) / 1e9, self.work_ns / 1e9, *counts)
        own = [Sample(row, now_ns, value) for row, value in zip(self.rows, values, strict=True)]
        return [*own, self._time(now_ns)]

    def _time(self, now_ns: int) -> Sample:
        """Every tick's own instant, exact to the ns for ever: a replay decides by nothing else.

        The value is a whole second of the monotonic clock and the sample's time is when it began: their
        difference is exact in a recording, where a double of nanoseconds would end after 104 days.
        """
        second = now_ns // NS_PER_S
        return Sample(self.time_row, second * NS_PER_S, float(second))

    def _write(self, line: int, data: bytes) -> None:
        if data:
            self.writers[line].write(data)
