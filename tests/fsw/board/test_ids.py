"""Ids are locked: names keep them, new names get new ones, a removed name's is never used again."""

import pytest

from fsw.board import ids as locks
from fsw.board.ids import Ids


def test_names_are_numbered_in_order():
    ids = Ids()
    assert ids.parameters(["a", "b"]) == {"a": 0x0100, "b": 0x0101}
    assert ids.alarms(["x", "y"]) == {"x": 1, "y": 2}
    assert ids.added


def test_locked_names_keep_their_ids_and_new_ones_come_after_all_others(tmp_path):
    path = tmp_path / "rig.ids.toml"
    first = Ids()
    first.parameters(["a", "b", "c"])
    locks.write(first, path)
    again = locks.read(path)
    assert again.parameters(["new", "c", "a"]) == {"new": 0x0103, "c": 0x0102, "a": 0x0100}
    locks.write(again, path)
    third = locks.read(path)  # b is gone from the board, but not from the lock
    assert third.parameters(["newer", "b"]) == {"newer": 0x0104, "b": 0x0101}


def test_nothing_is_added_when_all_names_are_locked(tmp_path):
    path = tmp_path / "rig.ids.toml"
    ids = Ids()
    ids.alarms(["x"])
    locks.write(ids, path)
    again = locks.read(path)
    again.alarms(["x"])
    assert not again.added


def test_writing_leaves_no_temporary_file(tmp_path):
    locks.write(Ids(), tmp_path / "rig.ids.toml")
    assert [path.name for path in tmp_path.iterdir()] == ["rig.ids.toml"]


def test_there_is_an_end():
    ids = Ids({"alarms": {"last": 0xEFFF}})
    with pytest.raises(ValueError, match="no alarms id is left"):
        ids.alarms(["one more"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[parameters]\na = 1\n", "from 256 to 65535"),
        ("[parameters]\na = 256\nb = 256\n", "same number"),
        ('[parameters]\na = "256"\n', "whole number"),
        ("[alarms]\na = true\n", "whole number"),
        ("[alarm]\na = 1\n", "not a table of a lock file"),
        ("parameters = 1\n", "must be a table"),
        ("[parameters\n", "cannot be read"),
        ("\x00", "cannot be read"),
    ],
)
def test_a_damaged_lock_is_refused(tmp_path, text, words):
    path = tmp_path / "rig.ids.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=words):
        locks.read(path)
