"""All limits of a board, voted on in one call a tick; the rules of voting are in `csrc/ull_limits.h`."""

import math
from collections.abc import Sequence
from typing import Any

from fsw._core import ffi, lib
from fsw.limit import LEVELED, TIMED, Change, Check, Level, Limit, OnBad, Status, problems, worst
from fsw.table import Table

__all__ = ["Change", "Check", "Level", "Limit", "Limits", "OnBad", "Status", "problems"]

_LEVELS = (Level.LOW_LOW, Level.LOW, Level.HIGH, Level.HIGH_HIGH)


def _levels(mask: int) -> list[Level]:
    return [level for bit, level in enumerate(_LEVELS) if mask >> bit & 1]


def _c_limit(limit: Limit) -> Any:
    timed, leveled = limit.check in TIMED, limit.check in LEVELED
    return ffi.new(
        "ull_limit *",
        {
            "row": limit.row,
            "report_row": limit.shown_row,
            "check": Check.LIMIT if leveled else limit.check,
            "on_bad": limit.on_bad if leveled else OnBad.HOLD,
            "sure": limit.sure,
            "n": 1 if timed else limit.n,
            "m": limit.window,
            "off_n": limit.off_n,
            "k": limit.sigma_k if leveled else 0.0,
            "level": list(limit.levels),
            "deadband": limit.deadband,
            "on_delay_ns": 0 if timed else limit.on_delay_ns,
            "off_delay_ns": limit.off_delay_ns,
            "max_age_ns": limit.max_age_ns + (limit.on_delay_ns if timed else 0),
        },
    )


def _demand_sound(limits: Sequence[Limit]) -> None:
    wrong = problems(limits)
    if wrong:
        raise ValueError("; ".join(map(str, wrong)))


class Limits:
    """The limits and their votes. ValueError names every problem of the definitions at once."""

    def __init__(self, limits: Sequence[Limit], table: Table) -> None:
        _demand_sound(limits)
        self.limits = list(limits)
        self._table = table
        self._level = [Level.NONE] * len(limits)
        count = len(limits)
        self._definitions = ffi.new("ull_limit[]", [_c_limit(limit)[0] for limit in limits])
        self._states = ffi.new("ull_limit_state[]", count)
        self._changes: Any = ffi.new("ull_limit_change[]", count)
        columns: Any = ffi.new("ull_table *")
        columns.value, columns.sigma = table.value, table.sigma
        columns.time_ns, columns.quality = table.time_ns, table.quality
        columns.rows = len(table)
        self._self = ffi.new("ull_limits *")
        status = lib.ull_limits_init(self._self, self._definitions, self._states, count, columns)
        if status != lib.ULL_OK:
            rows = {limit.name: (limit.row, limit.shown_row) for limit in limits}
            raise ValueError(f"a limit names a row that is not in the table of {len(table)}: {rows}")

    def step(self, now_ns: int) -> list[Change]:
        """Judge what is in the table now; what changed, in order of index. A sample votes once."""
        count = lib.ull_limits_step(self._self, now_ns, self._changes)
        return [change for i in range(count) for change in self._read(self._changes[i])] if count else []

    def level(self, index: int) -> Level:
        """How far out the limit is, as last established."""
        return self._level[index]

    def redefine(self, index: int, limit: Limit) -> None:
        """Replace a definition in flight; votes and flags stay, so no alarm drops by the edit itself."""
        _demand_sound([*self.limits[:index], limit, *self.limits[index + 1 :]])
        if lib.ull_limits_redefine(self._self, index, _c_limit(limit)) != lib.ULL_OK:
            raise ValueError(f"{limit.name}: row and check must stay what they were")
        self.limits[index] = limit

    def restore(self, index: int, level: Level) -> None:
        """Take up a condition remembered from before a restart: only GOOD samples will end it."""
        limit = self.limits[index]
        side = _LEVELS[:2] if level in _LEVELS[:2] else _LEVELS[2:]
        on = [
            inner
            for inner in side
            if level is not Level.NONE and abs(inner - 2.5) <= abs(level - 2.5) and self._has(limit, inner)
        ]
        mask = sum(1 << _LEVELS.index(inner) for inner in on)
        if level not in (Level.NONE, *on) or lib.ull_limits_restore(self._self, index, mask) != lib.ULL_OK:
            raise ValueError(f"{limit.name} has no level {level.name}")
        self._level[index] = level

    @staticmethod
    def _has(limit: Limit, level: Level) -> bool:
        if limit.check in LEVELED:
            return not math.isnan(limit.levels[level - 1])
        return level is Level.HIGH

    def _read(self, raw: Any) -> list[Change]:
        index, limit = raw.index, self.limits[raw.index]
        on = _levels(raw.after)
        previous, level = self._level[index], worst(limit, on, _levels(raw.after & ~raw.before))
        self._level[index] = level
        if level is previous:
            return []
        if Level.NONE not in (previous, level) and (previous <= Level.LOW) != (level <= Level.LOW):
            # From one side to the other is the end of one condition and the start of another.
            return [self._change(raw, previous, Level.NONE), self._change(raw, Level.NONE, level)]
        return [self._change(raw, previous, level)]

    def _change(self, raw: Any, previous: Level, level: Level) -> Change:
        limit = self.limits[raw.index]
        voted = level or previous
        shown = self._table.read(limit.shown_row)
        return Change(
            index=raw.index,
            previous=previous,
            level=level,
            severity=limit.severity_at(level),
            value=shown.value,
            sigma=shown.sigma,
            limit=limit.shown_limit(voted),
            quality=raw.quality,
            hits=raw.hits[_LEVELS.index(voted)],
            m=limit.window,
            peak=raw.peak,
        )
