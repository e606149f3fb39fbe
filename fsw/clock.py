"""The two times of a run: monotonic nanoseconds, which decide, and wall time, which only labels packets."""

import enum
import time
from typing import Protocol

from fsw._core import ffi, lib


class TimeStatus(enum.IntEnum):
    """What keeps the wall clock, as carried in each packet's secondary header."""

    FREE = 0
    RTC = 1
    NTP = 2
    PTP = 3


class Clock(Protocol):
    """Where a run takes its time from."""

    def now_ns(self) -> int:
        """Nanoseconds on a clock that never steps."""

    def unix_offset_ns(self) -> int:
        """What to add to `now_ns()` for nanoseconds since 1970 (POSIX); may step at any time."""

    def status(self) -> TimeStatus:
        """What keeps the wall clock at this moment."""


class MonotonicClock:
    """The machine's own clocks: CLOCK_MONOTONIC decides, CLOCK_REALTIME labels."""

    def __init__(self) -> None:
        self._synchronised = ffi.new("int *")

    def now_ns(self) -> int:
        """CLOCK_MONOTONIC."""
        return time.monotonic_ns()

    def unix_offset_ns(self) -> int:
        """CLOCK_REALTIME less CLOCK_MONOTONIC, read back to back."""
        return time.time_ns() - time.monotonic_ns()

    def status(self) -> TimeStatus:
        """NTP while the kernel says that something disciplines the clock, FREE otherwise."""
        known = lib.ull_linux_clock_synchronised(self._synchronised) == lib.ULL_OK
        return TimeStatus.NTP if known and self._synchronised[0] else TimeStatus.FREE


class LockstepClock:
    """A clock that somebody else advances: time stands still in between, and the epoch is fixed, so runs repeat."""

    EPOCH_UNIX_NS = 1_790_000_000_000_000_000

    def __init__(self) -> None:
        self.at_ns = 0

    def now_ns(self) -> int:
        """The instant last set in `at_ns`."""
        return self.at_ns

    def unix_offset_ns(self) -> int:
        """A fixed epoch."""
        return self.EPOCH_UNIX_NS

    def status(self) -> TimeStatus:
        """Nobody keeps this clock."""
        return TimeStatus.FREE
