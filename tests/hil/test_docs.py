"""The manual of the bench: its worked example loads with the README's board, and it leaves no key and no fault out."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hil import expect, faults, grid, scenario, sensor, surroundings
from hil.instruments import modbus, paroscientific
from hil.plant import UNITS, coolant_loop, gas_vessel, models
from hil.rig import Rig

ROOT = Path(__file__).parents[2]
MANUAL = (ROOT / "docs" / "bench.md").read_text()
TOML = re.compile(r"^( *)```toml\n(.*?)^\1```", re.DOTALL | re.MULTILINE)

# What an instrument's fake is told by the board and not by the scenario.
FROM_THE_BOARD = {"kind", "address", "unit", "channels", "pressure", "temperature"}


def examples(name: str) -> list[str]:
    return [textwrap.dedent(found[2]) for found in TOML.finditer((ROOT / name).read_text())]


@pytest.fixture
def case(tmp_path: Path) -> scenario.Case:
    (tmp_path / "my_rig.toml").write_text("\n".join(examples("README.md")))
    (example,) = examples("docs/bench.md")
    (tmp_path / "my_leak.toml").write_text(example)
    return scenario.load(str(tmp_path / "my_leak.toml"))


def test_the_worked_example_loads_with_the_board_of_the_readme(case: scenario.Case) -> None:
    Rig(case)
    assert case.board.name == "my_rig"
    assert case.truth_of("tank.hole") == "tank.hole"


def test_the_printed_run_is_one_of_the_worked_example(case: scenario.Case) -> None:
    (printed,) = re.findall(r"^\$ hil run my_leak.*?^```", MANUAL, re.DOTALL | re.MULTILINE)
    judged = re.findall(r"^  met     ", printed, re.MULTILINE)
    assert case.scenario.title in printed
    assert len(judged) == len(case.expectations) + 1  # that the monitor is heard is always judged


def test_what_the_manual_varies_is_understood() -> None:
    section = MANUAL.partition("### What is varied")[2].partition("###")[0]
    examples = re.findall(
        r"`([\w.]+=[^`]+)`", "\n".join(line for line in section.splitlines() if line[:1] == "|")
    )
    values = {found.key: found.values for found in map(grid.dimension, examples)}
    assert values["fault.0.probability"] == (0, 0.01)
    assert values["plant.rig.leak"] == ([], [{"at": "1 min", "hole": "1 mm"}])
    assert values["board"] == ("old.toml", "new.toml")


def keys() -> Iterator[tuple[str, Any]]:
    yield from (("scenario", key) for key in scenario.Scenario.model_fields)
    for model in (gas_vessel, coolant_loop):
        yield from ((model.__name__, key) for key in model.Options.model_fields)
    for table in (surroundings.Hole, surroundings.Ambient, coolant_loop.Radiator, sensor.Options):
        yield from ((table.__module__, key) for key in table.model_fields)
    for fake in (modbus, paroscientific):
        yield from ((fake.__name__, key) for key in fake.Options.model_fields.keys() - FROM_THE_BOARD)
    for kind, fault in faults.FAULTS.items():
        yield from ((kind, key) for key in fault.model_fields)
    for kind, expectation in expect.KINDS.items():
        yield from ((kind, key) for key in expectation.model_fields)


def documented() -> set[str]:
    """Words in code, but for the examples: those stand in tables and sentences."""
    prose = re.sub(r"```.*?```", "", MANUAL, flags=re.DOTALL)
    quoted = " ".join(re.findall(r"`([^`]+)`", prose)) + " ".join(re.findall(r"^#+ .*$", prose, re.MULTILINE))
    return set(re.findall(r"\w+", quoted))


def test_every_key_is_in_the_manual() -> None:
    words = documented()
    assert not sorted({f"{where}: {key}" for where, key in keys() if key not in words})


def test_every_fault_plant_and_variable_is_in_the_manual() -> None:
    words = documented()
    names = {*faults.FAULTS, *models(), *UNITS}
    assert not sorted(names - words)
