"""Locked numbers: a parameter, an alarm or a phase keeps its id for ever; that of a removed one is never used again.

`<board>.ids.toml` beside the board holds them, so an edit of the board leaves history and ground databases
valid. Wherever nothing can be locked, the same file gives the same ids.
"""

import os
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path

FIRST_PARAMETER = 0x0100  # below: kept for parameters that every board has alike
FIRST_ALARM = 1
FIRST_PHASE = 1  # 0 is none
FIRST_EVENT = 0x1000  # event id = FIRST_EVENT + alarm id, so that both stay u16
LAST_PARAMETER = 0xFFFF
LAST_ALARM = 0xFFFF - FIRST_EVENT
LAST_PHASE = 0xFFFF

_RANGES = {
    "parameters": (FIRST_PARAMETER, LAST_PARAMETER),
    "alarms": (FIRST_ALARM, LAST_ALARM),
    "phases": (FIRST_PHASE, LAST_PHASE),
}
_HEADER = "# Written by `fsw check`. A number stays with its name for ever, even when the name is gone."


class Ids:
    """The ids of one board. `added` tells whether names came in that the lock does not have yet."""

    def __init__(self, locked: dict[str, dict[str, int]] | None = None) -> None:
        self.tables = {table: dict((locked or {}).get(table, {})) for table in _RANGES}
        self.added = False

    def parameters(self, names: Iterable[str]) -> dict[str, int]:
        """An id for each name."""
        return self._give("parameters", names)

    def alarms(self, names: Iterable[str]) -> dict[str, int]:
        """An id for each name."""
        return self._give("alarms", names)

    def phases(self, names: Iterable[str]) -> dict[str, int]:
        """An id for each name."""
        return self._give("phases", names)

    def _give(self, table: str, names: Iterable[str]) -> dict[str, int]:
        """New names get the next number after the highest ever given, in the order they come."""
        first, last = _RANGES[table]
        known = self.tables[table]
        following = max(known.values(), default=first - 1) + 1
        given = {}
        for name in names:
            if name not in known:
                if following > last:
                    raise ValueError(f"no {table} id is left above {following - 1}; the last is {last}")
                known[name] = following
                following += 1
                self.added = True
            given[name] = known[name]
        return given

    def text(self) -> str:
        """The lock file."""
        lines = [_HEADER]
        for table, known in self.tables.items():
            lines += ["", f"[{table}]"]
            lines += [
                f'"{name}" = {number}' for name, number in sorted(known.items(), key=lambda item: item[1])
            ]
        return "\n".join([*lines, ""])


def lock_path(board: Path) -> Path:
    """Where the ids of a board file are locked."""
    return board.with_suffix(".ids.toml")


def read(path: Path) -> Ids:
    """The locked ids; none when there is no such file. ValueError, without the path, on anything else."""
    try:
        tables = tomllib.loads(path.read_bytes().decode())
    except FileNotFoundError:
        return Ids()
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"cannot be read: {reason}; restore it from version control") from error
    locked: dict[str, dict[str, int]] = {}
    for table, (first, last) in _RANGES.items():
        known = tables.pop(table, {})
        if not isinstance(known, dict):
            raise ValueError(f"{table} must be a table; restore the file from version control")  # noqa: TRY004
        for name, number in known.items():
            if type(number) is not int or not first <= number <= last:
                raise ValueError(f"{table}.{name} = {number!r} must be a whole number from {first} to {last}")
        if len(set(known.values())) != len(known):
            raise ValueError(f"two names of {table} have the same number; restore it from version control")
        locked[table] = known
    if tables:
        raise ValueError(f"{min(tables)} is not a table of a lock file; restore it from version control")
    return Ids(locked)


def write(ids: Ids, path: Path) -> None:
    """Replace the lock file as a whole (OSError where that is not allowed)."""
    replace_file(path, ids.text())


def replace_file(path: Path, text: str) -> None:
    """Write a file whole or not at all (OSError where that is not allowed)."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            os.fchmod(descriptor, 0o644)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
