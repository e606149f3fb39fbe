"""The manual of board files: its examples load, and it leaves no key out."""

import re
from pathlib import Path

import pytest

from fsw.board.load import load
from fsw.board.schema import board_file

MANUAL = (Path(__file__).parents[3] / "docs" / "board-files.md").read_text()
EXAMPLES = re.findall(r"```toml\n(.*?)```", MANUAL, re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_loads(tmp_path, number):
    whole = EXAMPLES[0] if number == 0 else EXAMPLES[0] + "\n" + EXAMPLES[number]
    path = tmp_path / "my_rig.toml"
    path.write_text(whole)
    assert load(path).name == "my_rig"


def test_all_examples_load_together(tmp_path):
    path = tmp_path / "my_rig.toml"
    path.write_text("\n".join(EXAMPLES))
    board = load(path)
    assert {vessel.name for vessel in board.vessels} == {"tank", "bottle", "loop", "twice_watched"}


def test_every_key_is_in_the_manual():
    tables = board_file().model_json_schema()["$defs"].values()
    keys = {key for table in tables for key in table.get("properties", {})}
    missing = sorted(key for key in keys - {"channels", "kind"} if f"`{key}`" not in MANUAL)
    assert not missing
