"""The detection card as measured: what the runs of a sweep say of each vessel at each combination.

Detected: the vessel's leak alarm is raised after the hole opens. Raised before, or with no hole, it is a false alarm.
A run that failed has detected nothing, and has watched for no time at all.
"""

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hil import bounds
from hil.bounds import Bounded
from hil.campaign import Outcome, Point, Vessel
from hil.display import number
from hil.grid import Dimension

SHARES = (0.5, 0.95)  # quantiles of the delay that are shown


@dataclass(frozen=True)
class Row:
    """One vessel at one combination."""

    point: Point
    vessel: Vessel
    outcomes: Sequence[Outcome]
    confidence: float

    @cached_property
    def delays_s(self) -> tuple[float, ...]:
        """From the hole to the alarm, of each run with a hole; infinite where it was not detected."""
        return tuple(delay_s(self.vessel, each) for each in self.outcomes if self.vessel.onset_s is not None)

    @property
    def failed(self) -> int:
        """Runs that came to no end."""
        return sum(bool(each.error) for each in self.outcomes)

    @property
    def detected(self) -> int:
        """Runs in which the leak was found."""
        return sum(math.isfinite(delay) for delay in self.delays_s)

    @cached_property
    def p_detect(self) -> Bounded:
        """Until the end of the run; of a vessel without a hole there is none."""
        return bounds.probability(self.detected, len(self.delays_s), self.confidence)

    @property
    def mean_delay_s(self) -> tuple[float, float]:
        """Of those that were detected, with its standard error."""
        return bounds.mean([delay for delay in self.delays_s if math.isfinite(delay)])

    def delay_s(self, share: float) -> Bounded:
        """The time by which this share of all leaks is found; those that were not found count as never."""
        return bounds.quantile(self.delays_s, share, self.confidence)

    @property
    def false_alarms(self) -> int:
        """Raised while the vessel did not leak."""
        return sum(false_alarms(self.vessel, each) for each in self.outcomes)

    @property
    def quiet_s(self) -> float:
        """For how long it did not leak, all runs together."""
        return math.fsum(quiet_s(self.vessel, each) for each in self.outcomes)

    @cached_property
    def false_alarms_per_s(self) -> Bounded:
        """While it does not leak."""
        return bounds.rate(self.false_alarms, self.quiet_s, self.confidence)

    @cached_property
    def p_false_alarm(self) -> Bounded:
        """That a run has one at all before its hole opens, or until its end."""
        watched = [each for each in self.outcomes if quiet_s(self.vessel, each) > 0]
        alarmed = sum(false_alarms(self.vessel, each) > 0 for each in watched)
        return bounds.probability(alarmed, len(watched), self.confidence)


def delay_s(vessel: Vessel, run: Outcome) -> float:
    """From the hole to the first alarm after it; infinite: none came."""
    after = [at_s for at_s in run.raised_s.get(vessel.name, ()) if at_s >= _until_s(vessel)]
    return min(after) - _until_s(vessel) if after else math.inf


def false_alarms(vessel: Vessel, run: Outcome) -> int:
    """Alarms of one run while the vessel did not leak."""
    return sum(at_s < _until_s(vessel) for at_s in run.raised_s.get(vessel.name, ()))


def quiet_s(vessel: Vessel, run: Outcome) -> float:
    """How much of one run it did not leak."""
    return min(run.end_s, _until_s(vessel))


def _until_s(vessel: Vessel) -> float:
    return math.inf if vessel.onset_s is None else vessel.onset_s


def rows(points: Iterable[Point], outcomes: Iterable[Outcome], confidence: float) -> list[Row]:
    """The card, in the order of the points; those without a run have no row."""
    runs: dict[int, list[Outcome]] = {}
    for each in sorted(outcomes, key=lambda run: (run.index, run.seed)):
        runs.setdefault(each.index, []).append(each)
    return [
        Row(point, vessel, runs[point.index], confidence)
        for point in points
        if point.index in runs
        for vessel in point.vessels
    ]


def columns(dimensions: Sequence[Dimension]) -> list[str]:
    """A heading for each varied key: its last word, or the whole of it where two end alike."""
    last = [each.key.rpartition(".")[2] for each in dimensions]
    return [word if last.count(word) == 1 else each.key for word, each in zip(last, dimensions, strict=True)]


HEADS = (
    "vessel",
    "true leak",
    "runs",
    "detected",
    "P(detect)",
    "mean delay",
    "median",
    "95 %",
    "false alarms",
)


def words(row: Row) -> list[str]:
    """A row under HEADS, for people."""
    mean_s, error_s = row.mean_delay_s
    cells = [number(row.vessel.leak_kg_per_s, "kg/s"), f"{row.detected}", probability(row.p_detect)]
    cells += [number(mean_s, "s", error_s), *(delay(row.delay_s(share)) for share in SHARES)]
    if row.vessel.onset_s is None:
        cells = ["none", *["-"] * (len(cells) - 1)]
    failed = f", {row.failed} failed" if row.failed else ""
    return [row.vessel.name, cells[0], f"{len(row.outcomes)}{failed}", *cells[1:], alarms(row)]


def probability(found: Bounded) -> str:
    """ "0.97 (0.92 .. 0.99)"."""
    return f"{found.value:.3g} ({_down(found.low)} .. {_up(found.high)})"


def delay(found: Bounded) -> str:
    """ "9.1 s (8.8 s .. 9.6 s)"; a bound that takes more runs, or finds, than there were is "?"."""
    if math.isinf(found.low):
        return "never"
    high = "?" if math.isinf(found.high) else _seconds(found.high)
    return f"{_seconds(found.value)} ({_seconds(found.low) if found.low else '?'} .. {high})"


def alarms(row: Row) -> str:
    """ "0 in 3.2 h, < 0.94 per h": the upper bound alone."""
    if not row.quiet_s:
        return "-"
    most = row.false_alarms_per_s.high * 3600
    step = 10.0 ** (math.floor(math.log10(most)) - 1)  # two digits, that claim no more than was proved
    return f"{row.false_alarms} in {number(row.quiet_s, 's')}, < {math.ceil(most / step) * step:.6g} per h"


def _seconds(value: float) -> str:
    return "never" if math.isinf(value) else number(value, "s")


def _down(value: float) -> str:
    """Three digits that claim no more than was proved."""
    return f"{math.floor(value * 1000) / 1000:.3f}"


def _up(value: float) -> str:
    return f"{math.ceil(value * 1000) / 1000:.3f}"


def result(row: Row, dimensions: Sequence[Dimension]) -> dict[str, Any]:
    """A row for machines; what is infinite or not known is null."""
    mean_s, error_s = row.mean_delay_s
    return {
        "type": "result",
        **_varied(row.point, dimensions),
        "vessel": row.vessel.name,
        "onset_s": row.vessel.onset_s,
        "leak_kg_per_s": row.vessel.leak_kg_per_s,
        "runs": len(row.outcomes),
        "failed": row.failed,
        "broken": sum(bool(each.broken) for each in row.outcomes),
        "detected": row.detected,
        "p_detect": _bounded(row.p_detect),
        "delay_mean_s": {"value": _finite(mean_s), "sigma": _finite(error_s)},
        **{f"delay_{share * 100:g}_s": _bounded(row.delay_s(share)) for share in SHARES},
        "false_alarms": row.false_alarms,
        "quiet_s": row.quiet_s,
        "false_alarms_per_s": _bounded(row.false_alarms_per_s),
        "p_false_alarm": _bounded(row.p_false_alarm),
    }


def run(point: Point, outcome: Outcome, dimensions: Sequence[Dimension]) -> dict[str, Any]:
    """One run for machines."""
    return {
        "type": "run",
        **_varied(point, dimensions),
        "seed": outcome.seed,
        "vessels": {vessel.name: _run_of(vessel, outcome) for vessel in point.vessels},
        "end_s": outcome.end_s,
        "broken": outcome.broken,
        "error": outcome.error,
        "wall_s": round(outcome.wall_s, 3),
    }


def _run_of(vessel: Vessel, outcome: Outcome) -> dict[str, Any]:
    return {
        "onset_s": vessel.onset_s,
        "delay_s": _finite(delay_s(vessel, outcome)),
        "false_alarms": false_alarms(vessel, outcome),
        "quiet_s": quiet_s(vessel, outcome),
        "raised_s": outcome.raised_s.get(vessel.name, ()),
    }


def write_csv(path: Path, runs: Iterable[Mapping[str, Any]], dimensions: Sequence[Dimension]) -> None:
    """A line for each run (of `run`) and vessel."""
    keys = [each.key for each in dimensions]
    measured = ("onset_s", "delay_s", "false_alarms", "quiet_s")
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow([*keys, "seed", "vessel", *measured, "broken", "error", "wall_s"])
        for each in runs:
            told = each["error"].partition("\n")[0]
            for name, vessel in each["vessels"].items():
                numbers = [vessel[key] for key in measured]
                place = [each["values"][key] for key in keys]
                table.writerow(
                    [*place, each["seed"], name, *numbers, "; ".join(each["broken"]), told, each["wall_s"]]
                )


def write_json(path: Path, about: Mapping[str, Any], results: Sequence[Any], runs: Sequence[Any]) -> None:
    """All of it in one document."""
    path.write_text(
        json.dumps({**about, "results": results, "runs": runs}, indent=1) + "\n", encoding="utf-8"
    )


def _varied(point: Point, dimensions: Sequence[Dimension]) -> dict[str, Any]:
    return {"values": {each.key: label for each, label in zip(dimensions, point.labels, strict=True)}}


def _bounded(found: Bounded) -> dict[str, float | None]:
    return {key: _finite(value) for key, value in found._asdict().items()}


def _finite(value: float) -> float | None:
    """As JSON can hold it: never and not known are null."""
    return value if math.isfinite(value) else None


def troubles(
    points: Sequence[Point], outcomes: Iterable[Outcome], dimensions: Sequence[Dimension]
) -> Iterator[str]:
    """Each run that failed or broke an expectation, by its name."""
    for each in sorted(outcomes, key=lambda run: (run.index, run.seed)):
        name = ", ".join([*_named(points[each.index], dimensions), f"seed {each.seed}"])
        if each.error:
            yield f"failed: {name}: {each.error.partition(chr(10))[0]}"
        for text in each.broken:
            yield f"broken: {name}: {text}"


def _named(point: Point, dimensions: Sequence[Dimension]) -> Iterator[str]:
    yield from (f"{head} {label}" for head, label in zip(columns(dimensions), point.labels, strict=True))
