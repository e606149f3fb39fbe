"""Redundant instruments: two or three channels become one parameter that does not step when one of them goes.

What is learned, voted on and left out is written in `csrc/ull_fusion.h`. Nothing here knows what the channels measure.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fsw._core import ffi, lib
from fsw.table import Table

FEWEST, MOST = 2, int(lib.ULL_FUSION_MOST)
LEAST_TOLERANCE = 3.0  # standard deviations of a sample: means of 8 rounds stay within it


@dataclass(frozen=True, slots=True)
class Instrument:
    """One of the channels: the row it is read from, its declared noise (SI), and how often it comes."""

    row: int
    noise: float
    interval_ns: int
    departs_row: int | None = None  # written, of three: how far it is from the middle


@dataclass(frozen=True, slots=True)
class Group:
    """What is fused, and where it is written. ValueError names the field, its value and its bound."""

    instruments: tuple[Instrument, ...]
    row: int
    spread_row: int
    tolerance: float  # instruments farther apart than this, offsets taken off, disagree
    falls: bool = True  # a leak makes it fall: where two part, the higher counts; else the lower

    def __post_init__(self) -> None:
        if not FEWEST <= len(self.instruments) <= MOST:
            raise ValueError(
                f"row {self.row}: {len(self.instruments)} instruments: must be {FEWEST} or {MOST}"
            )
        if not 0 < self.tolerance < math.inf:
            raise ValueError(f"row {self.row}: tolerance = {self.tolerance}: must be finite and positive")
        for each in self.instruments:
            if not (0 < each.noise < math.inf and each.interval_ns > 0):
                raise ValueError(f"row {each.row}: noise and interval_ns must be finite and positive")


class Fusion:
    """All groups of a board over one table; keeps the C state."""

    def __init__(self, groups: Sequence[Group], table: Table) -> None:
        self._count = len(groups)
        self._groups: Any = ffi.new("ull_fusion[]", max(1, self._count))
        columns = (table.value, table.sigma, table.time_ns, table.quality)
        self._columns = columns  # memory that C points to
        self._table: Any = ffi.new("ull_table *", (*columns, len(table)))
        for index, group in enumerate(groups):
            settings = ffi.new("ull_fusion_settings *", _settings(group))
            if lib.ull_fusion_init(self._groups + index, settings) != lib.ULL_OK:
                raise ValueError(f"the C core refuses {group}")
        rows = [row for group in groups for row in _rows(group)]
        if any(not 0 <= row < len(table) for row in rows):
            raise ValueError(f"rows {rows} must lie in 0..{len(table) - 1}")

    def step(self) -> None:
        """Read what the filters have written in this tick, write what it comes to."""
        lib.ull_fusion_step_many(self._groups, self._count, self._table)


def _rows(group: Group) -> list[int]:
    departs = [each.departs_row for each in group.instruments if each.departs_row is not None]
    return [group.row, group.spread_row, *departs, *(each.row for each in group.instruments)]


def _settings(group: Group) -> dict[str, Any]:
    none = lib.ULL_FUSION_NO_ROW
    return {
        "input": [
            {
                "row": each.row,
                "departs_row": none if each.departs_row is None else each.departs_row,
                "noise": each.noise,
                "interval_ns": each.interval_ns,
            }
            for each in group.instruments
        ],
        "count": len(group.instruments),
        "row": group.row,
        "spread_row": group.spread_row,
        "tolerance": group.tolerance,
        "safe": 1 if group.falls else -1,
    }
