"""What a scenario expects of the monitor, and how the evidence of a run is judged against it.

Each kind of expectation is one model; its first key says which it is. A silent or blind monitor never
passes: a value that is missing, NaN, BAD or STALE fails, and `never` needs packets up to the end of its
window.
"""

import fnmatch
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from hil import quantity
from hil.display import instant, number
from hil.evidence import Evidence
from hil.reader import Frame

LONGEST_SILENCE_NS = (
    15_000_000_000  # of the monitor as a whole; also how old a report may be that an operator sees
)
TRUSTED = 1 | 2  # quality GOOD or UNCERTAIN
QUALITIES = ("GOOD", "UNCERTAIN", "BAD", "STALE", "SIM", "TEST", "REPLAY", "GATED")


@dataclass(frozen=True, slots=True)
class Verdict:
    """One expectation judged: what was expected and what was measured, as text."""

    expected: str
    measured: str
    passed: bool


class Expectation(BaseModel):
    """Any kind: what it names, to be checked against the board before the run, and its judgement after it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def alarm_patterns(self) -> tuple[str, ...]:
        """Alarms that must exist on the board."""
        return ()

    def quantities(self) -> dict[str, tuple[str | None, ...]]:
        """Parameters that must exist, and the texts that must be quantities in their unit."""
        return {}

    def judged_ns(self) -> tuple[int, ...]:
        """Instants whose reports must be at hand."""
        return ()

    def judge(self, run: Evidence) -> Verdict:
        """Hold the evidence against it."""
        raise NotImplementedError


def _in_order(window: tuple[int, int]) -> tuple[int, int]:
    if window[0] >= window[1]:
        raise ValueError("the first instant must be before the second")
    return window


Window = Annotated[tuple[quantity.Duration, quantity.Duration], AfterValidator(_in_order)]


class Raised(Expectation):
    """`alarm = "loop.leak", within = ["20 s", "30 s"]`: it is first raised between two instants."""

    alarm: str
    within: Window
    severity: Literal[1, 2, 3, 4] | None = None

    def alarm_patterns(self) -> tuple[str, ...]:
        """The one alarm."""
        return (self.alarm,)

    def judge(self, run: Evidence) -> Verdict:
        """Passed when the first RAISE frame arrived in the window, with the severity if one is named."""
        start_ns, end_ns = self.within
        expected = f"{self.alarm} raised between {instant(start_ns)} and {instant(end_ns)}"
        if self.severity is not None:
            expected += f", severity {self.severity}"
        first = next((frame for frame in run.frames if frame.alarm == self.alarm and frame.raises), None)
        if first is None:
            return Verdict(expected, "not raised", passed=False)
        passed = start_ns <= first.time_ns <= end_ns and self.severity in (None, first.severity)
        return Verdict(expected, _raised(first) + _delay(run, first), passed)


class Never(Expectation):
    """`never = "*.leak"`: none that matches is raised (`after` .. `before`, `but` for some others)."""

    never: str
    but: tuple[str, ...] = ()
    after: quantity.Duration = 0
    before: quantity.Duration | None = None

    def alarm_patterns(self) -> tuple[str, ...]:
        """A misspelt name must not pass for silence."""
        return (self.never, *self.but)

    def judge(self, run: Evidence) -> Verdict:
        """Passed when no matching RAISE arrived in the window and the monitor was heard up to its end."""
        expected = f"{self.never} never raised" + (f" (but {', '.join(self.but)})" if self.but else "")
        expected += f" after {instant(self.after)}" if self.after else ""
        expected += f" before {instant(self.before)}" if self.before is not None else ""
        end_ns = run.end_ns if self.before is None else min(self.before, run.end_ns)
        seen = [
            frame
            for frame in run.frames
            if frame.raises
            and self.after <= frame.time_ns < end_ns
            and fnmatch.fnmatchcase(frame.alarm, self.never)
            and not any(fnmatch.fnmatchcase(frame.alarm, pattern) for pattern in self.but)
        ]
        if seen:
            more = f" and {len(seen) - 1} more" if len(seen) > 1 else ""
            return Verdict(expected, f"{seen[0].alarm} {_raised(seen[0])}{more}", passed=False)
        last_ns = run.last_packet_ns
        if last_ns is None or last_ns < end_ns - LONGEST_SILENCE_NS:
            silent = "no packet at all" if last_ns is None else f"silent after {instant(last_ns)}"
            return Verdict(expected, silent, passed=False)
        return Verdict(expected, "none", passed=True)


class Returned(Expectation):
    """`returned = "tt1.temperature.stale", within = [...]`: its condition went back to normal for good."""

    returned: str
    within: Window

    def alarm_patterns(self) -> tuple[str, ...]:
        """The one alarm."""
        return (self.returned,)

    def judge(self, run: Evidence) -> Verdict:
        """Passed when the first return after the last raise arrived in the window."""
        start_ns, end_ns = self.within
        expected = f"{self.returned} returned between {instant(start_ns)} and {instant(end_ns)}"
        changes = [frame for frame in run.frames if frame.alarm == self.returned]
        raises = [index for index, frame in enumerate(changes) if frame.raises]
        if not raises:
            return Verdict(expected, "never raised", passed=False)
        back = next((frame for frame in changes[raises[-1] :] if frame.returns), None)
        if back is None:
            return Verdict(expected, f"still active, {_raised(changes[raises[-1]])}", passed=False)
        return Verdict(expected, f"returned at {instant(back.time_ns)}", start_ns <= back.time_ns <= end_ns)


class Estimated(Expectation):
    """`parameter = "loop.hole", at = "80 s", within = "15 %", inside_band = 2`: at one instant it is near the
    truth (or a given `value`), and not more of its own sigmas off than `inside_band`.
    """

    parameter: str
    at: quantity.Duration
    within: str | None = None
    inside_band: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    truth: str | None = None
    value: str | None = None

    @model_validator(mode="after")
    def _check(self) -> "Estimated":
        if self.within is None and self.inside_band is None:
            raise ValueError('say how near: within = "15 %" (or as "2 K"), inside_band = 2, or both')
        if self.truth is not None and self.value is not None:
            raise ValueError("give truth or value, not both")
        return self

    def quantities(self) -> dict[str, tuple[str | None, ...]]:
        """The tolerance counts unless it is a percentage."""
        absolute = None if self.within is None or self.within.rstrip().endswith("%") else self.within
        return {self.parameter: (absolute, self.value)}

    def judged_ns(self) -> tuple[int, ...]:
        """The one instant."""
        return (self.at,)

    def judge(self, run: Evidence) -> Verdict:
        """Takes the newest report at the instant, and the truth at the time of that report."""
        unit = run.background.units[self.parameter]
        near = [self.within, f"{self.inside_band:g} sigma" if self.inside_band else None]
        expected = f"{self.parameter} at {instant(self.at)} within {' and '.join(filter(None, near))}"
        expected += f" of {self.value or 'the truth'}"
        series = run.parameters.get(self.parameter)
        index = None if series is None else series.newest(self.at)
        if series is None or index is None or self.at - int(series.time_ns[index]) > LONGEST_SILENCE_NS:
            return Verdict(expected, "not reported", passed=False)
        value, sigma, quality = (
            float(series.value[index]),
            float(series.sigma[index]),
            int(series.quality[index]),
        )
        if math.isnan(value) or not quality & TRUSTED:
            return Verdict(expected, f"no value to trust ({quality_text(quality)})", passed=False)
        true = self._true(run, int(series.time_ns[index]), unit)
        if not math.isfinite(true):
            told = "no truth is known" if math.isnan(true) else f"the truth is {number(true, unit)}"
            return Verdict(expected, f"{number(value, unit, sigma)}, but {told}", passed=False)
        error = abs(value - true)
        passed = self.within is None or error <= _tolerance(self.within, true, unit)
        measured = f"{number(value, unit, sigma)}, truth {number(true, unit)}"
        if true and unit != "K":
            measured += f" ({(value - true) / true:+.1%})"
        if self.inside_band is not None:
            passed = passed and error <= self.inside_band * sigma
            measured += f", {error / sigma:.1f} sigma off" if sigma > 0 else ", sigma unknown"
        return Verdict(expected, measured, passed)

    def _true(self, run: Evidence, time_ns: int, unit: str) -> float:
        if self.value is not None:
            return quantity.si(self.value, unit)
        background = run.background
        series = background.truth.get(self.truth) if self.truth else background.truth_of(self.parameter)
        return math.nan if series is None else series.interpolate(time_ns)


class Bounded(Expectation):
    """`bounded = "executive.lateness", below = "2 ms", percentile = 99.9`: its reports (that share) are."""

    bounded: str
    below: str | None = None
    above: str | None = None
    percentile: float = Field(default=100.0, gt=0, le=100)
    after: quantity.Duration = 0
    before: quantity.Duration | None = None

    @model_validator(mode="after")
    def _check(self) -> "Bounded":
        if self.below is None and self.above is None:
            raise ValueError('say the bound: below = "2 ms" or above = "..."')
        return self

    def quantities(self) -> dict[str, tuple[str | None, ...]]:
        """Both bounds."""
        return {self.bounded: (self.below, self.above)}

    def judge(self, run: Evidence) -> Verdict:
        """A report without a number is beyond every bound."""
        unit = run.background.units[self.bounded]
        sides = [f"below {self.below}" if self.below else "", f"above {self.above}" if self.above else ""]
        expected = f"{self.bounded} {' and '.join(filter(None, sides))}"
        expected += f" in {self.percentile:g} % of its reports" if self.percentile < 100 else ""
        series = run.parameters.get(self.bounded)
        end_ns = run.end_ns if self.before is None else self.before
        values = (
            np.empty(0)
            if series is None
            else series.value[(series.time_ns >= self.after) & (series.time_ns <= end_ns)]
        )
        if not len(values):
            return Verdict(expected, "not reported", passed=False)
        good = np.ones(len(values), dtype=bool)
        if self.below is not None:
            good &= values < quantity.si(self.below, unit)
        if self.above is not None:
            good &= values > quantity.si(self.above, unit)
        share = 100.0 * float(good.mean())
        lowest, highest = number(float(values.min()), unit), number(float(values.max()), unit)
        measured = f"{lowest} to {highest}, {share:.4g} % inside"
        return Verdict(expected, measured, share >= self.percentile)


KINDS: Mapping[str, type[Expectation]] = {
    "alarm": Raised,
    "never": Never,
    "returned": Returned,
    "parameter": Estimated,
    "bounded": Bounded,
}
"""The key that tells an expectation's kind."""


def judge(run: Evidence, expectations: Sequence[Expectation]) -> list[Verdict]:
    """All verdicts in the scenario's order; the first says whether the monitor was heard all the time."""
    return [_heard(run), *(expectation.judge(run) for expectation in expectations)]


def quality_text(bits: int) -> str:
    """A quality byte in words."""
    return " ".join(name for bit, name in enumerate(QUALITIES) if bits >> bit & 1) or "no quality"


def _tolerance(text: str, true: float, unit: str) -> float:
    if text.rstrip().endswith("%"):
        return abs(true) * quantity.si(text, "")
    return quantity.span(text, unit)


def _heard(run: Evidence) -> Verdict:
    expected = f"the monitor heard throughout, never silent for {LONGEST_SILENCE_NS / 1e9:.0f} s"
    times_ns = np.array([0, *(at_ns for at_ns, _ in run.packets), run.end_ns], dtype=np.int64)
    widest_s = float(np.diff(times_ns).max()) / 1e9
    measured = f"{len(run.packets)} packets, longest silence {widest_s:.1f} s"
    return Verdict(expected, measured, bool(run.packets) and widest_s * 1e9 < LONGEST_SILENCE_NS)


def _raised(frame: Frame) -> str:
    return f"raised at {instant(frame.time_ns)}, severity {frame.severity}"


def _delay(run: Evidence, frame: Frame) -> str:
    """How long after the hole, for an alarm of a vessel that leaks."""
    onset_ns = run.background.onsets_ns.get(frame.alarm.partition(".")[0])
    if onset_ns is None or frame.time_ns < onset_ns:
        return ""
    return f", {(frame.time_ns - onset_ns) / 1e9:.1f} s after the hole opened"
