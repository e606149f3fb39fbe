"""What a vessel writes into the table, and with which quality."""

import math
from dataclasses import dataclass

from fsw.leak.state import NEVER_S, Finding
from fsw.quantity import Measured
from fsw.sample import Quality
from fsw.table import Table

GOOD, UNCERTAIN, BAD = int(Quality.GOOD), int(Quality.UNCERTAIN), int(Quality.BAD)


@dataclass(frozen=True, slots=True)
class Outputs:
    """Rows of the table that are written; the last ones only where the model has them."""

    inventory: int
    leak_rate: int
    leak_certainty: int
    verdict: int
    onset: int
    hole: int
    time_to_limit: int
    time_to_empty: int | None = None
    decay: int | None = None

    def cannot_tell(self, table: Table, time_ns: int, why: Finding, origin: int) -> None:
        """Nothing is known of a leak; the inventory may be."""
        quality = UNCERTAIN | origin
        for row in self._of_leak:
            table.write(row, math.nan, math.nan, time_ns, quality)
        table.write(self.leak_certainty, 0.0, math.nan, time_ns, quality)
        table.write(self.verdict, float(why), 0.0, time_ns, quality)

    def blind(self, table: Table, time_ns: int, origin: int) -> None:
        """Nothing is known at all."""
        for row in (self.inventory, self.leak_certainty, *self._of_leak):
            table.write(row, math.nan, math.nan, time_ns, BAD | origin)
        table.write(self.verdict, float(Finding.BLIND), 0.0, time_ns, BAD | origin)

    @property
    def _of_leak(self) -> list[int]:
        rows = (self.leak_rate, self.onset, self.hole, self.time_to_limit, self.time_to_empty, self.decay)
        return [row for row in rows if row is not None]


def put(table: Table, row: int, value: float, sigma: float, time_ns: int, quality: int) -> None:
    """A value; what is NaN is UNCERTAIN."""
    known = not math.isnan(value)
    table.write(row, value, sigma, time_ns, quality if known else quality & ~GOOD | UNCERTAIN)


def put_time(table: Table, row: int, time: Measured, time_ns: int, quality: int) -> None:
    """Anything as long as NEVER_S is that, and without an error."""
    if time.value >= NEVER_S:
        put(table, row, NEVER_S, math.nan, time_ns, quality)
    else:
        put(table, row, time.value, time.sigma, time_ns, quality)
