"""Limit votes of the C core against numpy and plain Python: four levels, deadband, 3 of 5, a new sample a step."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fsw._core import ffi
from fsw.limits import Check, Limit, Limits
from fsw.sample import Quality
from fsw.table import Parameter, Table

CHANNELS = (64, 256, 1024)
LEVELS = (-20.0, -10.0, 10.0, 20.0)  # LL, L, H, HH
DEADBAND, N, M, OFF_N = 1.0, 3, 5, 3
ROUNDS, STEPS = 11, 200
PYTHON_STEPS = 5


class Columns:
    """A table, and numpy's view of the same memory."""

    def __init__(self, channels: int) -> None:
        self.table = Table([Parameter(row, f"c{row}", "Pa") for row in range(channels)])
        buffer: Any = ffi.buffer
        self.value = np.frombuffer(buffer(self.table.value), np.float64)
        self.time_ns = np.frombuffer(buffer(self.table.time_ns), np.int64)
        self.quality = np.frombuffer(buffer(self.table.quality), np.uint8)
        self.quality[:] = Quality.GOOD


class NumpyVotes:
    """The same rules on whole columns; the voting window is a bit mask here too."""

    def __init__(self, columns: Columns) -> None:
        shape = (4, columns.value.size)
        self.columns = columns
        self.sign = np.array([[-1.0], [-1.0], [1.0], [1.0]])
        self.bound = self.sign * np.array(LEVELS)[:, None]
        self.on = np.zeros(shape, bool)
        self.votes = np.zeros(shape, np.uint8)
        self.clear = np.zeros(shape, np.uint8)
        self.last_ns = np.full(columns.value.size, -1)

    def step(self, now_ns: int) -> list[int]:
        """Indices of the channels whose levels changed."""
        c = self.columns
        fresh = (c.time_ns > self.last_ns) & ((c.quality & 15) == 1) & np.isfinite(c.value)
        self.last_ns = np.maximum(self.last_ns, c.time_ns)
        beyond = self.sign * c.value >= np.where(self.on, self.bound - DEADBAND, self.bound)
        self.votes = np.where(fresh, (self.votes << 1 | beyond) & ((1 << M) - 1), self.votes)
        run = np.where(beyond, 0, np.minimum(self.clear + 1, OFF_N)).astype(np.uint8)
        self.clear = np.where(fresh, run, self.clear)
        now = np.where(self.on, self.clear < OFF_N, np.bitwise_count(self.votes) >= N)
        changed = now != self.on
        if not changed.any():
            return []
        self.votes[changed & self.on] = 0
        self.clear[changed] = 0
        self.on = now
        return np.flatnonzero(changed.any(axis=0)).tolist()


class PlainLevel:
    """One level of one channel, as one would write it."""

    __slots__ = ("bound", "clear", "on", "sign", "votes")

    def __init__(self, sign: float, bound: float) -> None:
        self.sign, self.bound = sign, sign * bound
        self.on, self.votes, self.clear = False, 0, 0

    def take(self, value: float) -> bool:
        """Whether it changed."""
        bound = self.bound - DEADBAND if self.on else self.bound
        beyond = self.sign * value >= bound
        self.votes = (self.votes << 1 | beyond) & ((1 << M) - 1)
        self.clear = 0 if beyond else min(self.clear + 1, OFF_N)
        if self.on and self.clear >= OFF_N:
            self.on, self.votes = False, 0
            return True
        if not self.on and self.votes.bit_count() >= N:
            self.on, self.clear = True, 0
            return True
        return False


class PlainVotes:
    """Objects, one a level."""

    def __init__(self, columns: Columns) -> None:
        signs = (-1.0, -1.0, 1.0, 1.0)
        self.table = columns.table
        self.last_ns = [-1] * len(self.table)
        self.levels = [
            [PlainLevel(sign, bound) for sign, bound in zip(signs, LEVELS, strict=True)] for _ in self.last_ns
        ]

    def step(self, now_ns: int) -> list[int]:
        """Indices of the channels whose levels changed."""
        table, last_ns, changed = self.table, self.last_ns, []
        for row, levels in enumerate(self.levels):
            time_ns, value = table.time_ns[row], table.value[row]
            if time_ns <= last_ns[row] or table.quality[row] & 15 != 1 or value - value != 0.0:
                continue
            last_ns[row] = time_ns
            if sum([level.take(value) for level in levels]):
                changed.append(row)
        return changed


def core_votes(columns: Columns) -> Callable[[int], list[int]]:
    """What the monitor runs, called as the monitor calls it."""
    low_low, low, high, high_high = LEVELS
    limits = [
        Limit(
            id=row,
            name=f"c{row}",
            event=1,
            row=row,
            check=Check.LIMIT,
            low_low=low_low,
            low=low,
            high=high,
            high_high=high_high,
            deadband=DEADBAND,
            severity=(4, 2, 2, 4),
            n=N,
            m=M,
            off_n=OFF_N,
        )
        for row in range(columns.value.size)
    ]
    engine = Limits(limits, columns.table)

    def step(now_ns: int) -> list[int]:
        changes = engine.step(now_ns)
        return sorted({change.index for change in changes}) if changes else []

    return step


def agree(channels: int) -> None:
    """All three tell the same channels on the same wild day, or there is nothing to compare."""
    columns, random = Columns(channels), np.random.default_rng(1)
    contestants = [core_votes(columns), NumpyVotes(columns).step, PlainVotes(columns).step]
    told = 0
    for step in range(300):
        columns.value[:] = random.normal(0.0, 12.0, channels)
        columns.quality[:] = random.choice([1, 1, 1, 4, 8], channels)
        columns.time_ns[:] = step + 1
        told_by = [contestant(step + 1) for contestant in contestants]
        # Levels within levels may change where the gravest does not; the core tells only the gravest.
        assert told_by[1] == told_by[2]
        assert set(told_by[0]) <= set(told_by[1])
        told += len(told_by[0])
    assert told > channels


def ns_per_limit(columns: Columns, prepare: Callable[[int], None]) -> dict[str, float]:
    """Median time of one step, as called from Python, shared out; each has its turn. Feeding is not timed."""
    contestants: dict[str, Callable[[int], object]] = {
        "core": core_votes(columns),
        "numpy": NumpyVotes(columns).step,
        "python": PlainVotes(columns).step,
    }
    taken: dict[str, list[int]] = {name: [] for name in contestants}
    now_ns = 1
    for _ in range(ROUNDS):
        for name, step in contestants.items():
            for _ in range(PYTHON_STEPS if name == "python" else STEPS):
                now_ns += 1
                prepare(now_ns)
                start = time.perf_counter_ns()
                step(now_ns)
                taken[name].append(time.perf_counter_ns() - start)
    return {name: statistics.median(times) / (4 * columns.value.size) for name, times in taken.items()}


def main() -> None:
    """Print ns a channel-limit: quiet is all inside, busy every tenth channel beyond in one sample of three."""
    agree(16)
    print("ns a channel-limit, the call from Python included")
    print(f"{'channels':>8} {'':>6} {'core':>8} {'numpy':>8} {'python':>8} {'of numpy':>9} {'of python':>9}")
    for channels in CHANNELS:
        columns, random = Columns(channels), np.random.default_rng(2)
        quiet = random.normal(0.0, 1.0, channels)
        wild = quiet.copy()
        wild[::10] = 15.0

        def calm(now_ns: int, columns: Columns = columns, values: np.ndarray = quiet) -> None:
            columns.value[:] = values
            columns.time_ns[:] = now_ns

        def busy(
            now_ns: int, columns: Columns = columns, values: tuple[np.ndarray, ...] = (quiet, quiet, wild)
        ) -> None:
            columns.value[:] = values[now_ns % 3]
            columns.time_ns[:] = now_ns

        for name, prepare in (("quiet", calm), ("busy", busy)):
            ns = ns_per_limit(columns, prepare)
            ratios = f"{ns['core'] / ns['numpy']:9.3f} {ns['core'] / ns['python']:9.4f}"
            print(
                f"{channels:>8} {name:>6} {ns['core']:8.2f} {ns['numpy']:8.2f} {ns['python']:8.1f} {ratios}"
            )
