"""Each fault of an instrument is named by an alarm, within three samples of the first that shows it by the board."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from fsw.board.load import load
from fsw.cli import main

BOARD = load("bench_rig")
CHANNEL = BOARD.channels[0]
PERIOD_S = BOARD.period_ns / 1e9
STALE_S = CHANNEL.max_age_ns / 1e9
STUCK_S = next(each.max_age_ns for each in BOARD.limits if each.name == "pt1.pressure.stuck") / 1e9
WITHIN_S = 3 * PERIOD_S
BEGIN_S, END_S = 6.0, 32.0
LEVEL_BAR = 6.0
NOISE_BAR = CHANNEL.noise / 1e5
PSI_IN_BAR = 14.5037738  # 1 bar is so many psi
KPA_IN_BAR = 100.0
Change = Callable[[int, float], float | None]  # samples since the fault began, true reading -> what is read


def raised(folder: Path, pressure: Change, level_bar: float = LEVEL_BAR) -> list[tuple[str, float]]:
    """Instrument alarms of a replay on noise of the declared size, where `pressure` says what pt1 reads."""
    rng = np.random.default_rng(7)
    path = folder / "rig.csv"
    with path.open("w") as file:
        file.write("time_s,pt1 [bar absolute],tt1 [degC]\n")
        for i in range(round(END_S / PERIOD_S)):
            true = level_bar + NOISE_BAR * rng.standard_normal()
            since = i - round(BEGIN_S / PERIOD_S)
            read = pressure(since, true) if since >= 0 else true
            cell = "" if read is None else f"{read:.7f}"
            file.write(f"{i * PERIOD_S:.3f},{cell},{22 + 0.05 * rng.standard_normal():.4f}\n")
    result = CliRunner().invoke(main, ["replay", "bench_rig", str(path), "--json"])
    assert result.exit_code == 0, result.output
    found = [json.loads(line) for line in result.stdout.splitlines()]
    return [
        (each["alarm"], each["time_s"])
        for each in found
        if each["type"] == "alarm" and each["transition"] == "RAISE" and each["kind"] == "instrument"
    ]


def spike(off_bar: float, samples: int = 1) -> Change:
    return lambda since, true: true + off_bar if since < samples else true


@pytest.mark.parametrize(
    ("change", "level_bar", "decidable_s", "alarm"),
    [
        pytest.param(lambda since, true: None, 6.0, -PERIOD_S + STALE_S, "stale", id="silent"),
        pytest.param(lambda since, true: math.nan, 6.0, 0.0, "bad", id="no number"),
        pytest.param(lambda since, true: 6.001, 6.0, STUCK_S, "stuck", id="stuck"),
        pytest.param(spike(15 * NOISE_BAR), 6.0, 0.0, "spike", id="small spike"),
        pytest.param(spike(-0.3), 6.0, 0.0, "spike", id="spike within max_rate"),
        pytest.param(spike(2.0), 6.0, 0.0, "spike", id="spike beyond max_rate"),
        pytest.param(spike(1e3), 6.0, 0.0, "spike", id="spike out of range"),
        pytest.param(spike(-0.2, samples=2), 6.0, 0.0, "spike", id="spike of two samples"),
        pytest.param(lambda since, true: true * PSI_IN_BAR, 0.6, 0.0, "jump", id="psi in range"),
        # 0.8 bar: too fast for one sample, and not for two
        pytest.param(lambda since, true: true * PSI_IN_BAR, 0.06, 0.0, "jump", id="psi soon within reach"),
        pytest.param(lambda since, true: true * PSI_IN_BAR, 6.0, 0.0, "bad", id="psi out of range"),
        pytest.param(lambda since, true: true / KPA_IN_BAR, 6.0, 0.0, "jump", id="a hundredth"),
        pytest.param(lambda since, true: true * KPA_IN_BAR, 6.0, 0.0, "bad", id="kPa"),
    ],
)
def test_a_fault_is_named_within_three_samples_and_nothing_else_is(
    tmp_path: Path, change: Change, level_bar: float, decidable_s: float, alarm: str
) -> None:
    ((name, at_s),) = raised(tmp_path, change, level_bar)
    assert name == f"pt1.pressure.{alarm}"
    decidable_s += BEGIN_S
    assert decidable_s - 1e-6 <= at_s <= decidable_s + WITHIN_S + 1e-6


def healthy(since: int, true: float) -> float:
    """A pump step there and back, a leak of 0.2 bar/s for 5 s, a slow rise."""
    seconds = since * PERIOD_S
    step = 0.03 if 2 <= seconds < 5 else 0.0
    return true + step - 0.2 * min(max(seconds - 8, 0), 5) + 0.002 * max(seconds - 15, 0)


def test_what_a_healthy_instrument_shows_is_named_nothing(tmp_path: Path) -> None:
    assert raised(tmp_path, healthy) == []


def test_a_spike_that_nobody_could_tell_is_not_named(tmp_path: Path) -> None:
    assert raised(tmp_path, spike(3 * NOISE_BAR)) == []
