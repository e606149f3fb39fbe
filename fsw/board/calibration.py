"""`<board>.cal.toml` beside the board: what `fsw calibrate` found, from what and when, and whether it still fits."""

import datetime
import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, Field, ValidationError

from fsw.board import kinds
from fsw.board.problem import Problem, did_you_mean, of_validation
from fsw.board.schema import BoardFile, Table
from fsw.board.vessel import describe
from fsw.leak.calibration import Calibration

SUFFIX = ".cal.toml"
MOST_BYTES = 1_000_000
AGAIN = "calibrate again (fsw calibrate --force), or remove the file"
HEADER = "# Written by `fsw calibrate`; SI throughout, errors are standard errors. docs/calibration.md"
# Of a vessel's table: what changes the inventory and its noise. The rest decides only what is made of them.
_INERT = {"model", "thermal", "detector", "limit", "outside", "cd", "zero_leak", "throughput_at"}
_INERT |= {"usable", "vapour_pressure"}
_CHANNEL = {"quantity", "unit", "reference", "ambient", "noise", "resolution", "window", "spike"}


class Made(Table):
    """`[calibration]`: when, from what, by what."""

    date: AwareDatetime
    board: str
    board_crc32: str = Field(pattern="^[0-9a-f]{8}$")
    version: str = Field(description="of the program")
    recordings: tuple[str, ...]
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of the recordings, one after the other")
    begin: str = Field(description="of what was used of them")
    end: str

    def age(self, now: datetime.datetime) -> str:
        """In words."""
        seconds = (now - self.date).total_seconds()
        if seconds < -60:
            return f"dated {self.date:%Y-%m-%d}, which is in the future: check the clock"
        for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
            if seconds >= length:
                count = int(seconds // length)
                return f"{count} {unit}{'s' if count > 1 else ''} old"
        return "new"


class CalibrationFile(Table):
    """The whole file. `learned_with`: keys of the board that it rests on, with their values then."""

    calibration: Made
    learned_with: Mapping[str, str]
    vessels: Mapping[str, Calibration] = Field(min_length=1)

    def text(self) -> str:
        """As TOML."""
        lines = [HEADER, "", "[calibration]", *_keys(self.calibration.model_dump())]
        for name, found in self.vessels.items():
            lines += ["", f"[vessels.{name}]", *_keys(found.model_dump(exclude_defaults=True))]
        lines += ["", "[learned_with]"]
        lines += [f"{json.dumps(key)} = {json.dumps(value)}" for key, value in self.learned_with.items()]
        return "\n".join([*lines, ""])

    def remarks(self, crc32: int, file: BoardFile) -> list[str]:
        """What has changed on the board since, as far as it matters."""
        if self.calibration.board_crc32 == f"{crc32:08x}":
            return []
        now = {key: text for name in self.vessels for key, text in learned_with(file, name)}
        changed = [
            f"{key} was {self.learned_with.get(key, 'not there')} and is {now.get(key, 'not there')}"
            for key in sorted({*self.learned_with, *now})
            if self.learned_with.get(key) != now.get(key)
        ]
        learned_on = self.calibration.board
        which = (
            "another version of the board" if learned_on == file.board.name else f"the board {learned_on!r}"
        )
        made = (
            f"the calibration was made for {which} (CRC-32 {self.calibration.board_crc32}, now {crc32:08x})"
        )
        if not changed:
            same = "nothing that it rests on has changed"
            return [
                f"{made}; {same}" + ("" if learned_on == file.board.name else ": but is it the same rig?")
            ]
        return [f"{made}, and no longer fits: {'; '.join(changed)}: calibrate again"]


def path_for(board: Path) -> Path:
    """Where the calibration of a board file is."""
    return board.with_suffix(SUFFIX)


def read(path: Path, file: BoardFile) -> tuple[CalibrationFile | None, list[Problem]]:
    """The calibration, None when there is none; or every problem, with the path of the file in front."""
    try:
        with path.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return None, []
    except OSError as error:
        return None, [Problem(str(path), "", f"cannot be read: {error.strerror}")]
    if len(content) > MOST_BYTES:
        return None, [Problem(str(path), "", f"is longer than {MOST_BYTES} bytes: {AGAIN}")]
    try:
        data: dict[str, Any] = tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        return None, [Problem(str(path), "", f"is not a calibration: {reason}: {AGAIN}")]
    try:
        found = CalibrationFile.model_validate(data)
    except ValidationError as error:
        problems = of_validation(error, CalibrationFile, data)
        return None, [
            Problem(f"{path}: {each.path}", each.value, f"{each.text}: {AGAIN}") for each in problems
        ]
    return found, [
        Problem(
            f"{path}: vessels.{name}",
            "",
            f"is no vessel of this board; {_sentence(did_you_mean(name, file.vessels))} Is it another's? Then {AGAIN}",
        )
        for name in found.vessels
        if name not in file.vessels
    ]


def learned_with(file: BoardFile, vessel: str) -> Iterator[tuple[str, str]]:
    """The keys of the board that a vessel's calibration rests on, each with its value."""
    options = file.vessels[vessel]
    yield "board.rate", f"{file.board.rate:g} Hz"
    yield f"vessels.{vessel}.model", options.model
    for key, text in describe(options):
        if key.partition(".")[0] not in _INERT:
            yield f"vessels.{vessel}.{key}", _bare(text)
    for each in kinds.models()[options.model].INPUTS:
        named = getattr(options, each.key)
        for channel in (named,) if isinstance(named, str) else named or ():
            instrument, _, name = channel.partition(".")
            yield f"instruments.{instrument}.every", str(file.instruments[instrument].every)
            for key, text in describe(file.instruments[instrument].channels[name]):
                if key in _CHANNEL:
                    yield f"instruments.{instrument}.channels.{name}.{key}", _bare(text)


def _sentence(text: str) -> str:
    return text if text.endswith("?") else f"{text}."


def _bare(text: str) -> str:
    return text.removesuffix("(default)").strip()


def _keys(table: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {_toml(value)}" for key, value in table.items()]


def _toml(value: Any) -> str:
    match value:
        case float():
            return repr(float(f"{value:.7g}"))
        case datetime.datetime():
            return value.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case tuple() | list():
            return f"[{', '.join(map(_toml, value))}]"
        case _:
            return json.dumps(value)
