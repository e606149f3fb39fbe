"""The end of a run in a few lines: for each vessel that leaked, what the monitor said beside the truth."""

import math

from hil.display import instant, number
from hil.evidence import Evidence

_ESTIMATES = {
    "hole": "hole",
    "leak_rate": "leak rate",
    "inventory": "inventory",
    "time_to_limit": "time to limit",
    "time_to_empty": "time to empty",
}


def lines(run: Evidence) -> list[tuple[str, str]]:
    """(what, estimate and truth) at the end of the run."""
    found: list[tuple[str, str]] = []
    for vessel, onset_ns in run.background.onsets_ns.items():
        if onset_ns >= run.end_ns:
            continue
        found.append((f"{vessel}: hole opened", instant(onset_ns)))
        alarm = next((f for f in run.frames if f.alarm == f"{vessel}.leak" and f.raises), None)
        if alarm is None:
            found.append((f"{vessel}: leak alarm", "none"))
        else:
            delay_s = (alarm.time_ns - onset_ns) / 1e9
            found.append((f"{vessel}: leak alarm", f"{instant(alarm.time_ns)}, {delay_s:.1f} s after"))
        for name, text in _ESTIMATES.items():
            estimate = _estimate(run, f"{vessel}.{name}")
            if estimate:
                found.append((f"{vessel}: {text}", estimate))
    return found


def _estimate(run: Evidence, parameter: str) -> str:
    series = run.parameters.get(parameter)
    if series is None:
        return ""
    unit = run.background.units[parameter]
    time_ns, value, sigma = int(series.time_ns[-1]), float(series.value[-1]), float(series.sigma[-1])
    truth = run.background.truth_of(parameter)
    true = math.nan if truth is None else truth.interpolate(time_ns)
    text = number(value, unit, sigma)
    if math.isnan(true):
        return "" if math.isnan(value) else text
    off = "" if math.isnan(value) or not true else f" ({(value - true) / true:+.1%})"
    return f"{text}, truth {number(true, unit)}{off}"
