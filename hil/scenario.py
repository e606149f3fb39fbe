"""A scenario file: which board, what stands behind its instruments, what goes wrong, and what is expected.

Everything is checked against the board before anything runs, and all errors are reported at once.
"""

import fnmatch
import importlib
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fsw.board.load import Board
from fsw.board.load import load as load_board
from fsw.board.problem import Problem, Problems, did_you_mean, of_validation
from hil import expect, faults, instruments, plant, quantity, sensor
from hil.quantity import Duration
from hil.wiring import DIALECTS

_T = TypeVar("_T")


class ScenarioError(ValueError):
    """Every problem of one scenario file."""

    def __init__(self, where: str, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join([f"{where}: {len(self.problems)} error(s)", *map(str, self.problems)]))


class Instrument(BaseModel):
    """`[instrument.NAME]`, named as on the board: what its channels read; other keys are the fake's own."""

    model_config = ConfigDict(extra="allow", frozen=True)
    channels: dict[str, dict[str, Any]]

    @property
    def own(self) -> dict[str, Any]:
        """The keys that are the fake's own."""
        return dict(self.model_extra or {})


class Scenario(BaseModel):
    """The top level of the file. The tables below are checked by the room that they belong to."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    title: str = ""
    board: str
    duration: Duration = Field(gt=0)
    seed: int = Field(default=1, ge=0)
    clock: Literal["virtual", "real"] = "virtual"
    plant: dict[str, dict[str, Any]] = Field(min_length=1)
    instrument: dict[str, Instrument]
    fault: list[dict[str, Any]] = Field(default_factory=list)
    expect: list[dict[str, Any]] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario that can be run: every name in it is known and every quantity understood."""

    name: str
    scenario: Scenario
    board: Board
    plants: Mapping[str, BaseModel]
    instruments: Mapping[str, BaseModel]
    faults: tuple[faults.Fault, ...]
    expectations: tuple[expect.Expectation, ...]

    @property
    def board_argument(self) -> str:
        """How to name the board to the `fsw` command."""
        return str(self.board.path)

    def truth_of(self, parameter: str) -> str | None:
        """The plant variable behind a parameter: what its channel reads, or the plant named as the vessel."""
        owner, _, name = parameter.partition(".")
        instrument = self.scenario.instrument.get(owner)
        if instrument is not None and name.removesuffix(".raw") in instrument.channels:
            return str(instrument.channels[name.removesuffix(".raw")]["reads"])
        variable = TRUTH_NAMES.get(name, name)
        return f"{owner}.{variable}" if owner in self.scenario.plant and variable in plant.UNITS else None


TRUTH_NAMES = {"leak_rate": "leak"}
"""Vessel parameters that a plant calls otherwise."""


def _shipped() -> Traversable:
    return resources.files("hil") / "scenarios"


def names() -> list[str]:
    """The scenarios that are shipped."""
    files = _shipped().iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def title(name: str) -> str:
    """The title of a shipped scenario."""
    return str(tomllib.loads((_shipped() / f"{name}.toml").read_text()).get("title", ""))


def find(name_or_path: str) -> Path:
    """A file, or a shipped scenario by its bare name; FileNotFoundError lists what there is."""
    path = Path(name_or_path)
    if path.is_file():
        return path
    if name_or_path in names():
        return Path(str(_shipped() / f"{name_or_path}.toml"))
    raise FileNotFoundError(
        f"{name_or_path}: no such file, and no shipped scenario; {did_you_mean(name_or_path, names())}"
    )


def load(name_or_path: str) -> Case:
    """The case of a file. ScenarioError with all that is wrong in it; BoardErrors when its board is."""
    path = find(name_or_path)
    return resolve(tables(path), path)


def tables(path: Path) -> dict[str, Any]:
    """The file as TOML reads it, or a ScenarioError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors put a mark first
    except (ValueError, RecursionError) as error:
        reason = "is nested too deeply" if isinstance(error, RecursionError) else f"is not TOML: {error}"
        raise ScenarioError(str(path), [Problem("file", "", reason)]) from error


def resolve(table: Mapping[str, Any], path: Path) -> Case:
    """The case of a scenario's tables, which stand in the file `path` or might: names in them are seen from there."""
    problems = Problems()
    scenario = _validated(problems, "", table, Scenario.model_validate, Scenario)
    if not isinstance(scenario, Scenario):
        raise ScenarioError(str(path), problems)
    beside = (
        path.parent / scenario.board
    )  # a path is relative to the scenario, a bare name is a shipped board
    board = load_board(beside if beside.is_file() else scenario.board)
    expectations = dict(_expectations(problems, scenario))
    case = Case(
        name=path.stem,
        scenario=scenario,
        board=board,
        plants=dict(_plants(problems, scenario)),
        instruments=dict(_instruments(problems, scenario, board)),
        faults=tuple(_faults(problems, scenario, board)),
        expectations=tuple(expectations.values()),
    )
    _check_reads(problems, case)
    _check_expectations(problems, case, expectations)
    if problems:
        raise ScenarioError(str(path), problems)
    return case


def _validated(
    problems: Problems, prefix: str, table: object, validate: Callable[[Any], _T], model: Any
) -> _T | None:
    """What `validate` makes of the table, or None with its problems noted; `model` has the keys there are."""
    try:
        return validate(table)
    except ValidationError as error:
        for found in of_validation(error, model, table):
            path = ".".join(filter(None, (prefix, found.path)))
            problems.append(Problem(path, found.value, found.text))
    except ValueError as error:
        problems.add(prefix, None, str(error))
    return None


def _options(package: str, kind: object) -> Any:
    """The model of a plug-in's keys; an empty one for a plug-in that is not there."""
    try:
        return importlib.import_module(f"hil.{package}.{kind}").Options
    except (ImportError, AttributeError):
        return BaseModel


def _plants(problems: Problems, scenario: Scenario) -> Iterator[tuple[str, BaseModel]]:
    for name, table in scenario.plant.items():
        model = _options("plant", table.get("model"))
        found = _validated(problems, f"plant.{name}", table, plant.options, model)
        if found is not None:
            yield name, found


def _instruments(problems: Problems, scenario: Scenario, board: Board) -> Iterator[tuple[str, BaseModel]]:
    on_board = board.file.instruments
    for name in scenario.instrument.keys() - on_board.keys():
        problems.add(f"instrument.{name}", None, f"is not on the board; {did_you_mean(name, on_board)}")
    for name, at in on_board.items():
        if name not in scenario.instrument:
            problems.add(f"instrument.{name}", None, "is missing: say what its channels read")
        elif at.dialect not in DIALECTS:
            text = f"is a dialect that the bench cannot fake; it can {', '.join(DIALECTS)}"
            problems.add(f"instrument.{name}", at.dialect, text)
        else:
            found = _instrument(problems, f"instrument.{name}", scenario.instrument[name], at)
            if found is not None:
                yield name, found


def _instrument(problems: Problems, path: str, table: Instrument, at: Any) -> BaseModel | None:
    """The fake for one instrument on the board."""
    before = len(problems)
    for channel in sorted(table.channels.keys() ^ at.channels.keys()):
        text = f"the board has the channels {', '.join(at.channels)}: say what each of them reads"
        problems.add(f"{path}.channels.{channel}", None, text)
    for channel, keys in table.channels.items():
        where = f"{path}.channels.{channel}"
        _validated(problems, where, keys, sensor.Options.model_validate, sensor.Options)
    if len(problems) > before:
        return None
    fake = DIALECTS[at.dialect](at, table.own, table.channels)
    return _validated(problems, path, fake, instruments.options, _options("instruments", fake["kind"]))


def _faults(problems: Problems, scenario: Scenario, board: Board) -> Iterator[faults.Fault]:
    targets = set(board.file.lines)
    for name, table in scenario.instrument.items():
        if name in board.file.instruments:
            path = f"{board.file.instruments[name].line}/{name}"
            variables = (str(keys.get("reads")).rpartition(".")[2] for keys in table.channels.values())
            targets |= {path, *(f"{path}/{variable}" for variable in variables)}
    for index, fault in enumerate(scenario.fault):
        model = faults.FAULTS.get(str(fault.get("kind")), faults.Fault)
        found = _validated(problems, f"fault.{index}", fault, faults.options, model)
        if found is None:
            continue
        if found.on not in targets:
            problems.add(f"fault.{index}.on", found.on, f"is not there; {did_you_mean(found.on, targets)}")
        yield found


def _expectations(problems: Problems, scenario: Scenario) -> Iterator[tuple[int, expect.Expectation]]:
    for index, table in enumerate(scenario.expect):
        kinds = [model for key, model in expect.KINDS.items() if key in table]
        if len(kinds) != 1:
            text = f"must have one of the keys {', '.join(expect.KINDS)}, which says what is expected"
            problems.add(f"expect.{index}", None, text)
            continue
        found = _validated(problems, f"expect.{index}", table, kinds[0].model_validate, kinds[0])
        if found is not None:
            yield index, found


def _check_reads(problems: Problems, case: Case) -> None:
    """Every channel must read what a plant of this scenario tells."""
    for name, table in case.scenario.instrument.items():
        for channel, keys in table.channels.items():
            if "reads" in keys:
                _check_truth(problems, f"instrument.{name}.channels.{channel}.reads", keys["reads"], case)


def _check_expectations(
    problems: Problems, case: Case, expectations: Mapping[int, expect.Expectation]
) -> None:
    """Alarms, parameters and plant variables that are named must exist; tolerances must be in the right unit."""
    alarms = [limit.name for limit in case.board.limits]
    units = {parameter.name: parameter.unit for parameter in case.board.parameters}
    for index, expectation in expectations.items():
        path = f"expect.{index}"
        for pattern in expectation.alarm_patterns():
            if not fnmatch.filter(alarms, pattern):
                problems.add(path, pattern, f"is no alarm of the board; {did_you_mean(pattern, alarms)}")
        for parameter, texts in expectation.quantities().items():
            if parameter not in units:
                text = f"is no parameter of the board; {did_you_mean(parameter, units)}"
                problems.add(path, parameter, text)
                continue
            for text in filter(None, texts):
                try:
                    quantity.si(text, units[parameter])
                except ValueError as error:
                    problems.add(path, None, str(error))
        if isinstance(expectation, expect.Estimated) and expectation.value is None:
            truth = expectation.truth or case.truth_of(expectation.parameter)
            _check_truth(problems, f"{path}.truth", truth, case)


def _check_truth(problems: Problems, path: str, name: str | None, case: Case) -> None:
    if name is None:
        problems.add(
            path, None, 'no plant stands behind this: name what it is held against, as "loop.pressure"'
        )
        return
    owner, _, variable = str(name).partition(".")
    if owner not in case.scenario.plant:
        problems.add(path, name, f"is told by no plant; {did_you_mean(owner, case.scenario.plant)}")
    elif variable not in plant.UNITS:
        problems.add(path, name, f"is nothing that a plant tells; {did_you_mean(variable, plant.UNITS)}")
