"""Phases: whose judgement they suspend, for how long at most, and what begins them."""

import math

from fsw.board.budget import ms
from fsw.board.ids import Ids
from fsw.board.parameter import Scope
from fsw.board.problem import did_you_mean
from fsw.board.schema import PhaseTable
from fsw.phases import RESERVED, Phase

LONGEST_NS = 24 * 3600 * 1_000_000_000  # whoever needs longer says so anew each day


def phases(scope: Scope, ids: Ids) -> tuple[Phase, ...]:
    """The phases of the file; ValueError when no id is left."""
    numbers = ids.phases(scope.file.phases)
    return tuple(_phase(scope, name, numbers[name], table) for name, table in scope.file.phases.items())


def _phase(scope: Scope, name: str, number: int, table: PhaseTable) -> Phase:
    path, problems = f"phases.{name}", scope.problems
    if name in RESERVED:
        problems.add(path, None, "is a word of recordings with a meaning of its own: choose another name")
    for key, value, least_ns in (
        ("time_out", table.time_out, scope.period_ns),
        ("settle", table.settle, 0),
    ):
        if not least_ns <= value <= LONGEST_NS:
            least = f"at least one tick, {ms(least_ns)}, and " if least_ns else ""
            problems.add(f"{path}.{key}", f"{value / 1e9:g} s", f"must be {least}at most 24 h")
    row, above, below = _condition(scope, path, table)
    return Phase(
        id=number,
        name=name,
        vessels=_vessels(scope, path, table),
        time_out_ns=table.time_out,
        settle_ns=table.settle,
        at_start=table.at_start,
        row=row,
        above=above,
        below=below,
    )


def _vessels(scope: Scope, path: str, table: PhaseTable) -> tuple[int, ...]:
    """Places in the board's list."""
    known = list(scope.file.vessels)
    if table.vessels is None:
        if not known:
            scope.problems.add(path, None, "there is no vessel whose judgement it could suspend")
        return tuple(range(len(known)))
    for name in table.vessels:
        if name not in known:
            text = f"is not a vessel of this board; {did_you_mean(name, known)}"
            scope.problems.add(f"{path}.vessels", name, text)
    return tuple(sorted({known.index(name) for name in table.vessels if name in known}))


def _condition(scope: Scope, path: str, table: PhaseTable) -> tuple[int | None, float, float]:
    """(row, above, below) of the parameter that begins and ends it."""
    problems = scope.problems
    bounds = {
        key: value for key, value in (("above", table.above), ("below", table.below)) if value is not None
    }
    if table.parameter is None:
        for key, value in bounds.items():
            problems.add(f"{path}.{key}", value, "has no parameter: name one with parameter = ...")
        return None, math.nan, math.nan
    if len(bounds) != 1:
        problems.add(path, None, f"begins with {table.parameter}: write either above = ... or below = ...")
    owner = table.parameter.partition(".")[0]
    if owner in scope.file.vessels:
        text = (
            f"is worked out for vessel {owner}: a leak must not silence itself; name an instrument's channel"
        )
        problems.add(f"{path}.parameter", table.parameter, text)
    found = {"above": math.nan, "below": math.nan}
    with problems.at(f"{path}.parameter", table.parameter):
        declared = scope.directory[table.parameter]
        for key, value in bounds.items():
            with problems.at(f"{path}.{key}", value):
                found[key] = declared.value(value)
        return scope.directory.row(table.parameter), found["above"], found["below"]
    return None, math.nan, math.nan
