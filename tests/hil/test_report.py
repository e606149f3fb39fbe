"""What a run leaves for people and machines: the page, JUnit, the command's output."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner

from hil import cli, junit
from hil.display import instant, number
from hil.expect import Verdict

SCENARIO = """
title = "Tight & <well>"
board = "bench_rig"
duration = "30 s"
[plant.rig]
model = "gas_vessel"
volume = "4 L"
pressure = "6 bar"
leak = [{ at = "10 s", hole = "0.3 mm" }]
[instrument.pt1]
channels.pressure = { reads = "rig.pressure", noise = "100 Pa" }
[instrument.tt1]
channels.temperature = { reads = "rig.temperature", noise = "0.05 K" }
[[expect]]
alarm = "rig.leak"
within = ["10 s", "20 s"]
"""
IMPOSSIBLE = '[[expect]]\nnever = "rig.leak"\n'


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, int]:
    """Folder, output and exit code of one run of a scenario whose second expectation cannot be met."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "tight.toml").write_text(SCENARIO + IMPOSSIBLE)
    words = [
        "run",
        str(folder / "tight.toml"),
        "--report",
        str(folder / "out"),
        "--junit",
        str(folder / "j.xml"),
    ]
    result = CliRunner().invoke(cli.main, words)
    return folder, result.output, result.exit_code


def test_each_expectation_is_a_line_with_what_was_measured(ran: tuple[Path, str, int]) -> None:
    _, output, code = ran
    assert code == cli.FAILED
    assert re.search(r"met +rig.leak raised between 10.0 s and 20.0 s: raised at 1\d\.\d s", output)
    assert re.search(r"FAILED +rig.leak never raised: rig.leak raised at", output)
    assert "2 of 3 expectations met" in output
    assert "times real time" in output


def test_the_page_opens_offline_and_shows_truth_beside_estimate(ran: tuple[Path, str, int]) -> None:
    page = (ran[0] / "out" / "tight.html").read_text()
    assert "rig.hole" in page
    assert "Tight &amp;" in page
    assert "rig: the smallest leak that is found, 95 of 100 times" in page
    # INLINE: every script is in the page. No tag fetches anything.
    assert not re.findall(r"<(?:script|link)[^>]+(?:src|href)=", page)


def test_the_evidence_is_kept_beside_the_page(ran: tuple[Path, str, int]) -> None:
    packets = (ran[0] / "out" / "tight.packets").read_bytes()
    assert packets[:2] == bytes.fromhex("0864")  # a TM packet of APID 100 with a secondary header
    assert ET.parse(ran[0] / "out" / "tight.xtce.xml").getroot().tag.endswith("SpaceSystem")


def test_junit_has_a_case_for_each_expectation(ran: tuple[Path, str, int]) -> None:
    (suite,) = ET.parse(ran[0] / "j.xml").getroot()
    assert suite.attrib["name"] == "tight"
    assert (suite.attrib["tests"], suite.attrib["failures"], suite.attrib["errors"]) == ("3", "1", "0")
    assert [case.find("failure") is not None for case in suite] == [False, False, True]


def test_junit_tells_a_run_that_broke_from_one_that_failed(tmp_path: Path) -> None:
    broke = junit.Result("a", (), 1.0, "it died\n\x1b[31mTraceback")
    junit.write(
        tmp_path / "deep" / "j.xml", [broke, junit.Result("b", (Verdict("x", "y", passed=True),), 2.0)]
    )
    first, second = ET.parse(tmp_path / "deep" / "j.xml").getroot()
    assert (first.attrib["errors"], second.attrib["errors"]) == ("1", "0")
    assert not broke.passed


@pytest.mark.parametrize(
    ("value", "unit", "sigma", "text"),
    [
        (0.79e-3, "m", 0.06e-3, "0.790 +/- 0.060 mm"),
        (196e3, "Pa", 100, "196.00 +/- 0.10 kPa"),
        (293.15, "K", 0.05, "20.000 +/- 0.050 °C"),
        (5.2e-3, "kg/s", 1e-3, "5.2 +/- 1.0 g/s"),
        (3.5 * 3600, "s", 0.25 * 3600, "3.50 +/- 0.25 h"),
        (float("nan"), "m", 1.0, "-"),
        (float("inf"), "s", 1.0, "never"),
        (3, "", float("nan"), "3"),
    ],
)
def test_numbers_are_shown_in_the_unit_people_say(value: float, unit: str, sigma: float, text: str) -> None:
    assert number(value, unit, sigma) == text


def test_instants_are_seconds_first_and_a_clock_later() -> None:
    assert instant(23_120_000_000) == "23.1 s"
    assert instant(3_723_000_000_000) == "1:02:03"
