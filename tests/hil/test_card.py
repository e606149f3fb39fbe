"""What runs tell of a vessel: found, missed, cried wolf, failed; and how that is written down."""

import csv
import json
import math
import re
from pathlib import Path

import pytest
from scipy import stats

from hil import card, grid, sweep_report
from hil.campaign import Outcome, Point, Vessel

LEAKS = Vessel("rig", 60.0, 7e-6)
TIGHT = Vessel("tank")
DIMENSIONS = [grid.dimension("plant.rig.leak.0.hole=0.1 mm,0.2 mm")]


def point(index: int, label: str) -> Point:
    return Point(index, (label,), "case", "{}", "b.toml", (), (LEAKS, TIGHT), ())


POINTS = [point(0, "0.1 mm"), point(1, "0.2 mm")]
RUNS = [
    Outcome(0, 1, {"rig": (66.0,), "tank": ()}, 100.0),
    Outcome(0, 2, {"rig": (64.0, 90.0), "tank": (10.0, 80.0)}, 100.0),
    Outcome(0, 3, {"rig": (30.0,), "tank": ()}, 100.0),  # raised too early, and never after
    Outcome(0, 4, {"rig": (), "tank": ()}, 100.0, broken=("rig.leak raised: not raised",)),
    Outcome(0, 5, error="it died\nTraceback"),
    Outcome(1, 1, {"rig": (61.0,), "tank": ()}, 100.0),
]


@pytest.fixture
def rows() -> list[card.Row]:
    return card.rows(POINTS, reversed(RUNS), 0.95)


def test_a_leak_is_detected_by_an_alarm_after_it_and_by_no_other(rows: list[card.Row]) -> None:
    rig = rows[0]
    assert rig.delays_s == (6.0, 4.0, math.inf, math.inf, math.inf)  # in the order of seeds
    assert (rig.detected, rig.failed) == (2, 1)
    # A run that failed is a miss: 2 of 5, and the bounds of that.
    assert rig.p_detect == pytest.approx((0.4, stats.beta.ppf(0.05, 2, 4), stats.beta.ppf(0.95, 3, 3)))
    assert rig.mean_delay_s == (5.0, 1.0)
    assert math.isinf(rig.delay_s(0.5).value)


def test_an_alarm_without_a_leak_is_false_and_a_failed_run_watches_for_no_time(rows: list[card.Row]) -> None:
    rig, tank = rows[0], rows[1]
    assert (rig.false_alarms, rig.quiet_s) == (1, 4 * 60.0)  # until the hole opens
    assert (tank.false_alarms, tank.quiet_s) == (2, 4 * 100.0)  # to the end
    assert tank.false_alarms_per_s.high == pytest.approx(stats.chi2.ppf(0.95, 6) / 2 / 400)
    assert tank.p_false_alarm.value == 0.25  # one run of four, twice
    assert not tank.delays_s


def test_words_claim_no_more_than_was_proved(rows: list[card.Row]) -> None:
    rig, tank = card.words(rows[0]), card.words(rows[1])
    assert rig[:5] == ["rig", "7 mg/s", "5, 1 failed", "2", "0.4 (0.076 .. 0.811)"]  # 0.0764, 0.8107
    assert rig[5] == "5.0 +/- 1.0 s"
    assert tank[1:8] == ["none", "5, 1 failed", "-", "-", "-", "-", "-"]
    assert tank[8] == "2 in 6.667 min, < 57 per h"  # 56.66


def test_what_went_wrong_is_named(rows: list[card.Row]) -> None:
    assert list(card.troubles(POINTS, RUNS, DIMENSIONS)) == [
        "broken: hole 0.1 mm, seed 4: rig.leak raised: not raised",
        "failed: hole 0.1 mm, seed 5: it died",
    ]


def test_headings_are_short_unless_two_would_be_alike() -> None:
    two = [
        grid.dimension("plant.a.volume=1 L"),
        grid.dimension("plant.b.volume=1 L"),
        grid.dimension("duration=1 s"),
    ]
    assert card.columns(two) == ["plant.a.volume", "plant.b.volume", "duration"]


def test_files_hold_every_run_and_no_infinity(rows: list[card.Row], tmp_path: Path) -> None:
    runs = [card.run(POINTS[each.index], each, DIMENSIONS) for each in RUNS]
    card.write_csv(tmp_path / "r.csv", runs, DIMENSIONS)
    lines = list(csv.DictReader((tmp_path / "r.csv").open()))
    assert len(lines) == 2 * len(RUNS)  # two vessels
    assert lines[0]["plant.rig.leak.0.hole"] == "0.1 mm"
    assert (lines[0]["vessel"], float(lines[0]["delay_s"]), lines[4]["delay_s"]) == ("rig", 6.0, "")
    assert (lines[8]["error"], lines[6]["broken"]) == ("it died", "rig.leak raised: not raised")
    card.write_json(
        tmp_path / "r.json", {"confidence": 0.95}, [card.result(row, DIMENSIONS) for row in rows], runs
    )

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    read = json.loads((tmp_path / "r.json").read_text(), parse_constant=refuse)
    assert read["results"][0]["p_detect"]["value"] == 0.4
    assert read["results"][0]["delay_95_s"]["value"] is None
    assert read["results"][1]["p_detect"] == {"value": None, "low": 0.0, "high": 1.0}
    assert len(read["runs"]) == len(RUNS)


def test_the_page_opens_offline(rows: list[card.Row], tmp_path: Path) -> None:
    page = sweep_report.write(tmp_path, rows, DIMENSIONS, 0.95).read_text()
    assert "plant.rig.leak.0.hole in mm" in page
    assert "0.4 (0.076 .. 0.811)" in page
    assert not re.findall(r"<(?:script|link)[^>]+(?:src|href)=", page)


def test_the_page_also_shows_what_is_no_number_and_what_never_leaks(tmp_path: Path) -> None:
    dimensions = [grid.dimension("board=old,new")]
    points = [
        Point(at, (name,), "case", "{}", "b", (), (TIGHT,), ()) for at, name in enumerate(("old", "new"))
    ]
    runs = [Outcome(at, 1, {"tank": ()}, 100.0) for at in (0, 1)]
    assert sweep_report.write(tmp_path, card.rows(points, runs, 0.9), dimensions, 0.9).exists()
    failed = card.rows(POINTS, [Outcome(0, 1, error="no")], 0.9)
    assert sweep_report.write(tmp_path, failed, DIMENSIONS, 0.9).exists()
    as_it_is = [Point(0, (), "case", "{}", "b", (), (LEAKS,), ())]
    assert sweep_report.write(tmp_path, card.rows(as_it_is, RUNS[:3], 0.9), [], 0.9).exists()
