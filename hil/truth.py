"""What the plants really do over a run. It depends on time alone, so it is written down beforehand.

A running bench would not have the time: `time_to_...` takes a look into the future.
"""

import math
from collections.abc import Iterable

import numpy as np

from hil import plant
from hil.scenario import Case
from hil.series import Series

MOST_POINTS = 1000
MOST_FORECASTS = 20  # time_to_... falls by a second a second until a hole opens or closes: few points draw it
FINEST_NS = 1_000_000_000
OVERRUN_NS = 2_000_000_000  # a run in real time ends a little late


def hole_changes_ns(case: Case, name: str) -> list[int]:
    """When the holes of plant `name` open and close."""
    holes = getattr(case.plants[name], "leak", ())
    return sorted({at_ns for hole in holes for at_ns in (hole.at, hole.until) if at_ns is not None})


def onset_ns(case: Case, name: str) -> int | None:
    """When the first hole of plant `name` opens; None for a tight one and for no plant."""
    changes = hole_changes_ns(case, name) if name in case.plants else []
    return changes[0] if changes else None


def series(case: Case) -> dict[str, Series]:
    """Every variable of every plant, as "<plant>.<variable>", SI."""
    found: dict[str, Series] = {}
    for name in case.plants:
        changes_ns = hole_changes_ns(case, name)
        for variable in plant.UNITS:
            points = MOST_FORECASTS if variable.startswith("time_to_") else MOST_POINTS
            try:
                found[f"{name}.{variable}"] = _sampled(case, name, variable, points, changes_ns)
            except KeyError:
                continue  # not every plant tells everything
    return found


def _sampled(case: Case, name: str, variable: str, points: int, changes_ns: Iterable[int]) -> Series:
    end_ns = case.scenario.duration + OVERRUN_NS
    step_ns = max(FINEST_NS, end_ns // points)
    times_ns = sorted({*range(0, end_ns, step_ns), end_ns, *(at for at in changes_ns if at <= end_ns)})
    tell = plant.reading(plant.build(case.plants[name]), variable)
    values = np.array([tell(time_ns) for time_ns in times_ns])
    return Series(
        np.array(times_ns, dtype=np.int64),
        values,
        np.full(len(values), math.nan),
        np.ones(len(values), dtype=np.uint8),
    )
