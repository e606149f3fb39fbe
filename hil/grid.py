"""What a sweep varies: `KEY=V1,V2,...` read, and set into the tables of a scenario."""

import copy
import itertools
import json
import math
import re
import reprlib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from fsw.board.problem import did_you_mean

MOST_VALUES = 10_000
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|\'[^\']*\'|[\[({]|[\])}]|,')
_STEPS = re.compile(r"(lin|log)\((.*)\)")
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*(.*)")


class Dimension(NamedTuple):
    """One key and the values that it takes, as TOML has them: a list's place is a number in `key`."""

    key: str
    values: tuple[Any, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The values in words."""
        return tuple(
            value if isinstance(value, str) else json.dumps(value, default=str) for value in self.values
        )


def dimension(text: str) -> Dimension:
    """`plant.rig.leak.0.hole=0.1 mm,0.2 mm`: TOML values, and text needs no quotes. `lin(A, B, N)` and `log(A, B, N)`
    stand for N values from A to B in even steps or ratios. ValueError says what is wrong.
    """
    key, equals, listed = (part.strip() for part in text.partition("="))
    if not equals or not re.fullmatch(r"[\w-]+(\.[\w-]+)*", key):
        raise ValueError(f"{text!r} is not KEY=V1,V2,..., as in plant.rig.leak.0.hole=0.1 mm,0.2 mm")
    if key == "seed":
        raise ValueError("seed is varied by --seeds and --first-seed")
    values = [value for piece in _pieces(listed) for value in _values(key, piece.strip())]
    if len(values) > MOST_VALUES:
        raise ValueError(f"{key} has {len(values)} values: at most {MOST_VALUES}")
    found = Dimension(key, tuple(values))
    twice = {label for label in found.labels if found.labels.count(label) > 1}
    if twice:
        raise ValueError(f"{key} has {min(twice)!r} twice: seeds repeat a run, not values")
    return found


def combinations(dimensions: Sequence[Dimension]) -> Iterator[tuple[int, ...]]:
    """Every combination, as the place of each dimension's value; the last one varies fastest. One without any."""
    return itertools.product(*(range(len(each.values)) for each in dimensions))


def with_value(tables: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy of the scenario's tables with the value in its place; ValueError when there is no such place."""
    found: dict[str, Any] = copy.deepcopy(dict(tables))
    here: Any = found
    steps = key.split(".")
    for depth, step in enumerate(steps):
        where = ".".join(steps[:depth]) or "the file"
        place: Any = step
        if isinstance(here, list):
            if not step.isdecimal() or int(step) >= len(here):
                raise ValueError(f"{key}: {where} has the places 0 to {len(here) - 1}, and no {step}")
            place = int(step)
        elif not isinstance(here, dict):
            raise ValueError(f"{key}: {where} is a value, and has no {step}")  # noqa: TRY004 - it is the user's
        elif step not in here and depth < len(steps) - 1:
            raise ValueError(f"{key}: {where} has no {step}; {did_you_mean(step, here)}")
        if depth == len(steps) - 1:
            here[place] = copy.deepcopy(value)
        else:
            here = here[place]
    return found


def scale_of(dimension: Dimension) -> tuple[list[float], str] | None:
    """The values as numbers in the one unit that all are written in; None when they are not."""
    matches = [_QUANTITY.fullmatch(label) for label in dimension.labels]
    units = {match[2] if match else None for match in matches}
    if len(units) != 1 or None in units:
        return None
    return [float(match[1]) for match in matches if match], str(units.pop())


def _pieces(listed: str) -> Iterator[str]:
    """Split at the commas that stand in no string and in no brackets."""
    depth = start = 0
    for token in _TOKEN.finditer(listed):
        if token[0] in "[({":
            depth += 1
        elif token[0] in "])}":
            depth -= 1
        elif token[0] == "," and depth == 0:
            yield listed[start : token.start()]
            start = token.end()
    yield listed[start:]


def _values(key: str, piece: str) -> list[Any]:
    if not piece:
        raise ValueError(f"{key} has an empty value: write KEY=V1,V2,...")
    steps = _STEPS.fullmatch(piece)
    if steps:
        return _stepped(key, steps[1], [part.strip() for part in steps[2].split(",")])
    try:
        read = tomllib.loads(f"value = {piece}")
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        if piece[0] in "\"'[{":
            raise ValueError(f"{key}: {reprlib.repr(piece)} is no TOML value: {error}") from error
        return [piece]
    plain = read.keys() == {"value"} and isinstance(read["value"], str | int | float | list | dict)
    return [read["value"] if plain else piece]  # a date is text to every key there is


def _stepped(key: str, kind: str, parts: Sequence[str]) -> list[Any]:
    """The ends as they are written, and even steps or ratios between them."""
    text, count = f"{kind}({', '.join(parts)})", parts[-1]
    ends = [_QUANTITY.fullmatch(end) for end in parts[:-1]]
    countable = count.isdecimal() and 2 <= int(count) <= MOST_VALUES
    if len(ends) != 2 or ends[0] is None or ends[1] is None or not countable:
        raise ValueError(
            f"{key}: {text} is not {kind}(FIRST, LAST, COUNT), as {kind}(0.1 mm, 0.8 mm, 8);"
            f" COUNT is 2 to {MOST_VALUES}"
        )
    low, high, unit = float(ends[0][1]), float(ends[1][1]), ends[1][2]
    if ends[0][2] not in ("", unit):
        raise ValueError(f"{key}: {parts[0]} and {parts[1]} must be in one unit")
    if kind == "log" and min(low, high) <= 0:
        raise ValueError(f"{key}: {text} needs ends above 0")
    gaps = int(count) - 1
    if kind == "lin":
        inner = [f"{low + (high - low) * step / gaps:.9g}" for step in range(1, gaps)]
    else:
        inner = [f"{low * math.exp(math.log(high / low) * step / gaps):.4g}" for step in range(1, gaps)]
    numbers = [ends[0][1], *inner, ends[1][1]]
    return [f"{number} {unit}" for number in numbers] if unit else [json.loads(_bare(n)) for n in numbers]


def _bare(number: str) -> str:
    """A number as JSON takes it: whole where it is whole, so that a key that counts takes it too."""
    value = float(number)
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
