"""Judgement: what passes, what fails, and that silence and blindness never pass. The evidence is written by hand."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil import expect
from hil.evidence import Background, Evidence, Recording
from hil.reader import Frame
from hil.series import Series

S = 1_000_000_000
GOOD, UNCERTAIN, BAD, STALE, SIM = 1, 2, 4, 8, 16


def series(*rows: tuple[float, float, float, int]) -> Series:
    time_s, value, sigma, quality = zip(*rows, strict=True)
    return Series(
        np.array([round(t * S) for t in time_s], dtype=np.int64),
        np.array(value, dtype=float),
        np.array(sigma, dtype=float),
        np.array(quality, dtype=np.uint8),
    )


def frame(at_s: float, alarm: str, transition: str = "RAISE", severity: int = 4) -> Frame:
    return Frame(round(at_s * S), alarm, transition, severity, "loop.leak_rate", 5e-3, 1e-3, 1e-4)


def evidence(
    *frames: Frame,
    parameters: dict[str, Series] | None = None,
    heard_until_s: float = 100.0,
    end_s: float = 100.0,
) -> Evidence:
    """A run of 100 s with a packet each second; the plant's hole is 0.8 mm from 20 s on."""
    truth = {"loop.hole": series((0, 0, math.nan, 1), (20, 8e-4, math.nan, 1), (100, 8e-4, math.nan, 1))}
    background = Background(
        xtce=b"",
        units={"loop.hole": "m", "executive.lateness": "s", "pt.temperature": "K"},
        truth=truth,
        truth_names={"loop.hole": "loop.hole"},
        onsets_ns={"loop": 20 * S},
        judged_ns=(),
    )
    packets = [(t * S, b"") for t in range(int(heard_until_s) + 1)]
    run = Evidence(background, Recording(packets, round(end_s * S), 1.0, ""))
    run.__dict__["frames"] = frames  # decoding is proved elsewhere
    run.__dict__["parameters"] = parameters or {}
    return run


def judged(run: Evidence, table: dict[str, Any]) -> expect.Verdict:
    (model,) = (model for key, model in expect.KINDS.items() if key in table)
    return model.model_validate(table).judge(run)


@pytest.mark.parametrize(
    ("at_s", "passed"), [(19.9, False), (20, True), (23.1, True), (30, True), (30.1, False)]
)
def test_an_alarm_counts_only_inside_its_window(at_s: float, passed: bool) -> None:
    verdict = judged(evidence(frame(at_s, "loop.leak")), {"alarm": "loop.leak", "within": ["20 s", "30 s"]})
    assert verdict.passed is passed


def test_the_first_raise_counts_and_a_later_one_does_not_make_up_for_a_false_alarm() -> None:
    run = evidence(frame(5, "loop.leak"), frame(23, "loop.leak"))
    assert not judged(run, {"alarm": "loop.leak", "within": ["20 s", "30 s"]}).passed


def test_the_delay_after_the_hole_is_told() -> None:
    verdict = judged(evidence(frame(23.1, "loop.leak")), {"alarm": "loop.leak", "within": ["20 s", "30 s"]})
    assert "3.1 s after the hole opened" in verdict.measured


def test_another_severity_or_another_alarm_is_not_the_one_expected() -> None:
    table = {"alarm": "loop.leak", "within": ["20 s", "30 s"], "severity": 4}
    assert not judged(evidence(frame(23, "loop.leak", severity=3)), table).passed
    assert not judged(evidence(frame(23, "cabin.leak")), table).passed
    assert not judged(evidence(frame(23, "loop.leak", "ACK")), table).passed


def test_never_matches_patterns_and_spares_its_exceptions() -> None:
    run = evidence(frame(23, "loop.leak"), frame(50, "loop_low"))
    assert judged(run, {"never": "cabin*"}).passed
    assert judged(run, {"never": "*", "but": ["loop.leak", "loop_low"]}).passed
    assert not judged(run, {"never": "*", "but": ["loop.leak"]}).passed
    assert judged(run, {"never": "*", "before": "23 s"}).passed
    assert not judged(run, {"never": "*.leak", "after": "23 s"}).passed
    assert judged(run, {"never": "*.leak", "after": "24 s"}).passed


def test_a_monitor_that_fell_silent_does_not_pass_for_one_that_saw_nothing() -> None:
    run = evidence(heard_until_s=60)
    assert not judged(run, {"never": "loop.leak"}).passed
    assert judged(run, {"never": "loop.leak", "before": "60 s"}).passed
    first, *_ = expect.judge(run, ())
    assert not first.passed
    assert expect.judge(evidence(), ())[0].passed


def test_returned_needs_a_raise_before_and_none_after() -> None:
    table = {"returned": "a", "within": ["40 s", "50 s"]}
    assert judged(evidence(frame(10, "a"), frame(45, "a", "RTN")), table).passed
    assert judged(evidence(frame(10, "a"), frame(45, "a", "RTN"), frame(45, "a", "CLEAR")), table).passed
    assert not judged(evidence(frame(10, "a"), frame(55, "a", "RTN")), table).passed
    assert not judged(evidence(frame(10, "a")), table).passed
    assert not judged(evidence(), table).passed
    assert not judged(evidence(frame(10, "a"), frame(45, "a", "RTN"), frame(60, "a")), table).passed


AT_80 = {"parameter": "loop.hole", "at": "80 s", "within": "15 %", "inside_band": 2}


@pytest.mark.parametrize(
    ("value", "sigma", "quality", "passed"),
    [
        (0.8e-3, 0.05e-3, GOOD | SIM, True),
        (0.71e-3, 0.05e-3, GOOD, True),  # 11 % and 1.8 sigma off
        (0.69e-3, 0.05e-3, GOOD, False),  # 2.2 sigma off
        (0.67e-3, 0.10e-3, GOOD, False),  # 16 % off
        (0.8e-3, math.nan, GOOD, False),  # a band that is not known contains nothing
        (0.8e-3, 0.05e-3, UNCERTAIN, True),
        (0.8e-3, 0.05e-3, BAD, False),
        (0.8e-3, 0.05e-3, STALE, False),
        (math.nan, 0.05e-3, GOOD, False),
        (math.inf, 0.05e-3, GOOD, False),
    ],
)
def test_an_estimate_is_near_the_truth_and_inside_its_band_or_fails(
    value: float, sigma: float, quality: int, passed: bool
) -> None:
    run = evidence(parameters={"loop.hole": series((79.5, value, sigma, quality), (80.5, 8e-4, 1e-5, GOOD))})
    assert judged(run, AT_80).passed is passed


def test_an_old_report_is_no_report() -> None:
    run = evidence(parameters={"loop.hole": series((60, 8e-4, 5e-5, GOOD))})
    verdict = judged(run, AT_80)
    assert not verdict.passed
    assert verdict.measured == "not reported"


def test_without_a_truth_nothing_is_near_it() -> None:
    run = evidence(parameters={"loop.hole": series((79, 8e-4, 5e-5, GOOD))})
    assert not judged(run, AT_80 | {"truth": "cabin.hole"}).passed
    assert judged(run, AT_80 | {"value": "0.8 mm"}).passed


def test_a_bound_holds_for_every_report_or_the_share_that_is_asked_for() -> None:
    late = series(*((float(t), 1e-3 if t else 5e-3, math.nan, GOOD) for t in range(100)))
    run = evidence(parameters={"executive.lateness": late})
    table = {"bounded": "executive.lateness", "below": "2 ms"}
    assert not judged(run, table).passed
    assert judged(run, table | {"percentile": 99}).passed
    assert judged(run, table | {"after": "1 s"}).passed
    assert not judged(evidence(), table).passed


def test_a_report_without_a_number_is_beyond_every_bound() -> None:
    run = evidence(parameters={"executive.lateness": series((1, math.nan, math.nan, GOOD))})
    assert not judged(run, {"bounded": "executive.lateness", "below": "2 ms"}).passed
    assert not judged(run, {"bounded": "executive.lateness", "above": "-1 s"}).passed


@given(st.floats(0, 99), st.floats(0, 1e-3), st.floats(0, 1e-3))
def test_truth_between_two_points_lies_between_them(at_s: float, first: float, second: float) -> None:
    between = series((0, first, math.nan, 1), (99, second, math.nan, 1)).interpolate(round(at_s * S))
    assert min(first, second) - 1e-12 <= between <= max(first, second) + 1e-12


def test_truth_next_to_never_is_not_known() -> None:
    truth = series((0, math.inf, math.nan, 1), (20, 3600.0, math.nan, 1), (30, 3590.0, math.nan, 1))
    assert math.isnan(truth.interpolate(10 * S))
    assert truth.interpolate(20 * S) == 3600.0
    assert truth.interpolate(25 * S) == pytest.approx(3595.0)
    assert math.isnan(truth.interpolate(31 * S))


def test_no_number_is_near_never() -> None:
    run = evidence(parameters={"loop.hole": series((79, 8e-4, 5e-5, GOOD))})
    run.background.truth["loop.hole"].value[:] = math.inf  # type: ignore[index]
    assert not judged(run, AT_80).passed
