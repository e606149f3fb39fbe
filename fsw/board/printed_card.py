"""The detection card of each vessel as a table, for a terminal or a page."""

from collections.abc import Iterator
from typing import NamedTuple

from fsw.board import sight
from fsw.board.board import Board
from fsw.leak.card import card
from fsw.leak.fluid import ZERO_CELSIUS_K
from fsw.quantity import Measured


class PrintedCard(NamedTuple):
    """The smallest leak that one vessel's monitor finds in a given time, 95 of 100 times."""

    heading: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]


def cards(board: Board) -> Iterator[PrintedCard]:
    """One for each vessel, in its order; rates in the units that people think in."""
    for spec in board.vessels:
        at = sight.nominal(board, spec)
        inventory, units = spec.model.inventory(at), sight.units(spec, at)
        rows = []
        for seen in card(sight.basis(spec, inventory)):
            rate = seen.rate_kg_per_s
            hole = spec.model.hole(at, inventory, Measured(rate, 0.0)).value
            numbers = [rate, *(rate * factor for factor in units.values()), hole * 1e3]
            rows.append((_wait(seen.wait_s), *map(sight.short, numbers), seen.limit))
        heading = (
            f"{spec.name}: the smallest leak that is found, 95 of 100 times, with a false alarm in"
            f" {_wait(spec.false_alarm_s)}; at rest, {at.pressure_pa.value / 1e5:.4g} bar absolute,"
            f" {at.temperature_k.value - ZERO_CELSIUS_K:.3g} degC"
        )
        yield PrintedCard(heading, ("within", "kg/s", *units, "hole, mm", "mostly"), rows)


def _wait(seconds: float) -> str:
    """A round duration."""
    for unit, length in (("year", 31_557_600.0), ("day", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= length:
            count = f"{seconds / length:.3g}"
            return f"{count} {unit}{'s' if length >= 86400.0 and count != '1' else ''}"
    return f"{seconds:.3g} s"
