"""From a board file to a `Board`, or to everything that is wrong with the file.

In order: TOML, tables and keys (pydantic), names, quantities against what they belong to, each room's own rules,
the time budget. Every step reports all it finds; one that cannot go on without the one before it is left out.
"""

import dataclasses
import importlib.resources
import tomllib
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fsw.board import calibration, instrument, limit, parameter, phase, vessel
from fsw.board import ids as locks
from fsw.board.board import Board, HousekeepingSet, Line, SinkSpec
from fsw.board.budget import Budget, ms
from fsw.board.parameter import Declared, Directory, Scope
from fsw.board.problem import BoardErrors, Problem, Problems, did_you_mean, of_validation
from fsw.board.salvage import Salvage, rate_causes
from fsw.board.schema import HIGHEST_RATE_HZ, LOWEST_RATE_HZ, BoardFile, board_file
from fsw.bus.poller import Counts
from fsw.bus.port import Settings
from fsw.packets import housekeeping
from fsw.table import Parameter

__all__ = ["Board", "BoardErrors", "find", "load", "shipped"]

MOST_BYTES = 1_000_000  # of a board file; a hundred instruments take a tenth of it
RESERVED = {"executive": "names the monitor's own parameters"}
RESERVED_CHANNELS = {"fault": "names the instrument's fault"}


def shipped() -> dict[str, Path]:
    """The boards that come with the package, by name."""
    folder = Path(str(importlib.resources.files("fsw") / "board_configs"))
    return {path.stem: path for path in sorted(folder.glob("*.toml")) if "." not in path.stem}


def find(board: str | Path) -> Path:
    """A path as it is; a bare name is a file here or a shipped board. BoardErrors when it is neither."""
    path = Path(board)
    try:
        is_file = path.is_file()
    except OSError as error:  # a name that is too long, a folder that may not be searched
        raise BoardErrors(str(path), [Problem("file", "", f"cannot be read: {error.strerror}")]) from error
    if is_file or path.suffix or len(path.parts) > 1:
        return path
    known = shipped()
    if str(board) not in known:
        text = f"is neither a file nor a shipped board; {did_you_mean(board, known)}"
        raise BoardErrors(str(board), [Problem("file", str(board), text)])
    return known[str(board)]


def load(board: str | Path, *, calibrated: bool = True) -> Board:
    """The board of a file or of a shipped board's name; writes nothing. BoardErrors with every problem found.

    With its calibration, if there is one beside it; `calibrated=False` does not even look at that.
    """
    path = find(board)
    content = _content(path)
    problems = Problems()
    file, salvage = _validated(_tables(path, content), problems)
    ids = locks.Ids()
    with problems.at(str(locks.lock_path(path)), None):
        ids = locks.read(locks.lock_path(path))
    if file is not None:
        _check_names(file, problems)  # of what is there, never only for what was taken out
    found = Problems()
    resolved = None if file is None else _resolve(path, zlib.crc32(content), file, ids, found)
    if any(each.path == "board.rate" for each in found):
        found = Problems(each for each in found if not rate_causes(each))
    problems += [each for each in found if salvage is None or not salvage.causes(each)]
    if resolved is not None and not problems and calibrated:
        resolved = _calibrated(resolved, problems)
    if problems or resolved is None:
        raise BoardErrors(str(path), list(dict.fromkeys(problems)))
    return resolved


def _content(path: Path) -> bytes:
    try:
        if not path.is_file():
            text = "is not a regular file" if path.exists() else "is not there"
            raise BoardErrors(str(path), [Problem("file", "", text)])
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, BoardErrors):
            raise
        reason = getattr(error, "strerror", None) or error
        raise BoardErrors(str(path), [Problem("file", "", f"cannot be read: {reason}")]) from error
    if len(content) > MOST_BYTES:
        raise BoardErrors(
            str(path), [Problem("file", "", f"is longer than {MOST_BYTES} bytes: no board file is")]
        )
    return content


def _tables(path: Path, content: bytes) -> dict[str, Any]:
    """The file as TOML reads it."""
    try:
        data: dict[str, Any] = tomllib.loads(content.decode("utf-8-sig"))  # some editors put a mark first
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = Problem("file", "", f"is not UTF-8 text (line {line}): save it as UTF-8")
        raise BoardErrors(str(path), [problem]) from error
    except (ValueError, RecursionError) as error:  # TOMLDecodeError says line and column
        reason = "is nested too deeply" if isinstance(error, RecursionError) else f"is not TOML: {error}"
        raise BoardErrors(str(path), [Problem("file", "", reason)]) from error
    return data


def _validated(data: dict[str, Any], problems: Problems) -> tuple[BoardFile | None, Salvage | None]:
    """The file's model; after a problem of tables or keys the model of what is sound in it, if anything is."""
    model = board_file()
    try:
        return model.model_validate(data), None
    except ValidationError as error:
        problems += of_validation(error, model, data)
        salvage = Salvage(model, data, error)
        problems += salvage.found
        return salvage.file, salvage


def _resolve(path: Path, crc32: int, file: BoardFile, ids: locks.Ids, problems: Problems) -> Board | None:
    """Quantities, rooms, budget."""
    rate = file.board.rate
    if not LOWEST_RATE_HZ <= rate <= HIGHEST_RATE_HZ:
        text = f"is out of bounds: must be {LOWEST_RATE_HZ:g} to {HIGHEST_RATE_HZ:g} Hz"
        problems.add("board.rate", f"{rate:g} Hz", text)
        rate = HIGHEST_RATE_HZ  # what is too short a time at this rate is so at any
    period_ns = round(1e9 / rate)
    for key in ("housekeeping", "heartbeat"):
        if getattr(file.board, key) < period_ns:
            text = f"must be at least one tick, {ms(period_ns)}"
            problems.add(f"board.{key}", ms(getattr(file.board, key)), text)
    settings = instrument.lines(file, problems)
    bound = instrument.bind(file, settings, period_ns, problems)
    directory = Directory(
        [
            *parameter.of_lines(file),
            *instrument.parameters(bound, problems),
            *parameter.of_vessels(file),
            *parameter.of_fusions(file),
            *parameter.of_executive(),
        ]
    )
    scope = Scope(file, period_ns, directory, problems)
    channels = tuple(instrument.channels(bound, directory, problems))
    vessels = vessel.specs(scope, channels)
    drafts = list(limit.drafts(scope, bound, channels, vessels))
    lines = tuple(_line(scope, name, port, bound) for name, port in settings.items())
    for name in {each.options.line for each in bound} - settings.keys():
        instrument.polls(name, bound, directory, problems)  # the line is wrong; its instruments may be too
    try:
        parameters = _numbered(directory.all, ids)
        limits = limit.limits(drafts, ids, problems)
        phases = phase.phases(scope, ids)
    except ValueError as error:
        problems.add(str(locks.lock_path(path)), None, str(error))
        return None
    return Board(
        name=file.board.name,
        description=file.board.description,
        path=path,
        crc32=crc32,
        apid=file.board.apid,
        period_ns=period_ns,
        heartbeat_ns=file.board.heartbeat,
        lines=lines,
        parameters=parameters,
        channels=channels,
        vessels=tuple(vessels),
        limits=limits,
        limits_crc32=zlib.crc32(repr(limits).encode()),
        phases=phases,
        sinks=tuple(SinkSpec(name, sink.kind, sink) for name, sink in file.sinks.items()),
        housekeeping=tuple(_housekeeping(parameters, file.board.housekeeping)),
        ids=ids,
        file=file,
    )


def _calibrated(board: Board, problems: Problems) -> Board:
    """The board with what was learned of its vessels."""
    learned, wrong = calibration.read(calibration.path_for(board.path), board.file)
    problems += wrong
    if learned is None:
        return board
    vessels = tuple(
        dataclasses.replace(spec, calibration=learned.vessels.get(spec.name)) for spec in board.vessels
    )
    return dataclasses.replace(board, vessels=vessels, calibration=learned)


def _check_names(file: BoardFile, problems: Problems) -> None:
    """Lines, instruments and vessels share one name space, since their parameters do."""
    seen: dict[str, str] = {}
    for table in ("lines", "instruments", "vessels"):
        for name in getattr(file, table):
            if name in RESERVED:
                problems.add(f"{table}.{name}", None, f"{RESERVED[name]}: choose another name")
            elif name in seen:
                problems.add(
                    f"{table}.{name}", None, f"is also the name of {seen[name]}: choose another name"
                )
            seen.setdefault(name, f"{table}.{name}")
    for name, each in file.instruments.items():
        for channel in RESERVED_CHANNELS.keys() & each.channels.keys():
            path = f"instruments.{name}.channels.{channel}"
            problems.add(path, None, f"{RESERVED_CHANNELS[channel]}: choose another name")


def _line(scope: Scope, name: str, settings: Settings, bound: list[instrument.Bound]) -> Line:
    polls = instrument.polls(name, bound, scope.directory, scope.problems)
    turns = instrument.turns(polls, scope.file, name, settings.byte_ns)
    budget = Budget(name, scope.period_ns, turns)
    starved = budget.starved() if turns else None
    if starved:
        scope.problems.add(f"lines.{name}", None, f"cannot poll {starved} in time: {budget.advice()}")
    return Line(
        name=name,
        settings=settings,
        polls=polls,
        counts=Counts(*(scope.directory.row(f"{name}.{count.name}") for count in dataclasses.fields(Counts))),
        echo=scope.file.lines[name].echo == "expect",
        budget=budget,
    )


def _numbered(declared: Iterable[Declared], ids: locks.Ids) -> tuple[Parameter, ...]:
    rows = tuple(declared)
    numbers = ids.parameters(each.name for each in rows)
    return tuple(Parameter(numbers[each.name], each.name, each.unit, each.text) for each in rows)


def _housekeeping(parameters: tuple[Parameter, ...], period_ns: int) -> Iterable[HousekeepingSet]:
    """All but what is sent as raw samples anyway, in sets that fit a packet."""
    rows = [row for row, each in enumerate(parameters) if not each.name.endswith(".raw")]
    size = housekeeping.CAPACITY
    for sid, first in enumerate(range(0, len(rows), size), start=1):
        yield HousekeepingSet(sid, period_ns, tuple(rows[first : first + size]))
