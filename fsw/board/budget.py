"""Does every instrument of a line get its turn in time? Wire time, silence, thinking and adapter latency.

Sums only, from data sheets and the baud rate; nothing is measured.
"""

import math
from collections import deque
from dataclasses import dataclass

MOST_CYCLES = 20_000  # of a trial; the pattern of turns repeats after the least common multiple of `every`


@dataclass(frozen=True, slots=True)
class Turn:
    """One request and its reply on a line, taken once in `every` cycles."""

    instrument: str
    wire_ns: int  # bytes of the request and of the longest reply
    gap_ns: int  # silence before the request
    think_ns: int  # the instrument's longest pause before it answers
    latency_ns: int  # how long the adapter holds the reply back
    every: int

    @property
    def total_ns(self) -> int:
        """The line is taken for so long."""
        return self.gap_ns + self.wire_ns + self.think_ns + self.latency_ns


@dataclass(frozen=True, slots=True)
class Budget:
    """The time of one line with cycles of `period_ns`."""

    line: str
    period_ns: int
    turns: tuple[Turn, ...]

    @property
    def used_ns(self) -> int:
        """Of each cycle, on average."""
        return sum(math.ceil(turn.total_ns / turn.every) for turn in self.turns)

    @property
    def fullest_ns(self) -> int:
        """Of the cycle in which all turns fall due together."""
        return sum(turn.total_ns for turn in self.turns)

    def starved(self) -> str | None:
        """The first instrument that is due again before it has had its turn, first come first served."""
        cycles = min(2 * math.lcm(*(turn.every for turn in self.turns)), MOST_CYCLES)
        waiting: deque[int] = deque()
        free_ns = 0
        for cycle in range(cycles):
            now_ns = cycle * self.period_ns
            while waiting and free_ns < now_ns:
                free_ns += self.turns[waiting.popleft()].total_ns
            free_ns = max(free_ns, now_ns)
            for index, turn in enumerate(self.turns):
                if cycle % turn.every == 0:
                    if index in waiting:
                        return turn.instrument
                    waiting.append(index)
        return self.turns[0].instrument if self.used_ns > self.period_ns else None

    def advice(self) -> str:
        """The numbers and what to change, for a line on which an instrument is starved."""
        wire_ns = sum(math.ceil(turn.wire_ns / turn.every) for turn in self.turns)
        rate_hz = math.floor(1e10 / self.fullest_ns) / 10
        return (
            f"needs {ms(self.used_ns)} of each {ms(self.period_ns)} cycle on average and {ms(self.fullest_ns)}"
            f" of the fullest one ({ms(wire_ns)} is bytes on the wire): raise baud, lower latency or think,"
            f" set `every` on slow instruments, move some to another line, or lower board.rate to {rate_hz:g} Hz"
        )


def ms(ns: int) -> str:
    """For people."""
    return f"{ns / 1e6:.3g} ms" if ns < 1e9 else f"{ns / 1e9:.4g} s"


def worst_latency_ns(votes: int, interval_ns: int, on_delay_ns: int, timeout_ns: int, period_ns: int) -> int:
    """From crossing to alarm at the latest: the votes, the delay, one time-out, the tick that judges."""
    return votes * interval_ns + on_delay_ns + timeout_ns + period_ns
