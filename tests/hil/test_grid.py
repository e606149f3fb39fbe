"""What `--vary` takes: values read, refused, combined and put into a scenario."""

import contextlib
import itertools
import json
import math
import re
import tomllib
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hil import grid

KEY = "plant.rig.leak.0.hole"
TABLES: dict[str, Any] = {
    "board": "bench_rig",
    "plant": {"rig": {"volume": "4 L", "leak": [{"at": "20 s", "hole": "0.3 mm"}]}},
}
TOML_WORDS = ("true", "false", "inf", "nan")  # all the bare words that TOML reads as values
BARE = st.from_regex(r"[a-z][a-z0-9_ ]{0,12}[a-z0-9]", fullmatch=True).filter(
    lambda text: text not in TOML_WORDS
)
NUMBERS = st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6)
VALUES = st.recursive(
    BARE | NUMBERS | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), inner, max_size=2)
    ),
    max_leaves=6,
)


def toml(value: Any) -> str:
    """As TOML spells it; JSON does, but for tables."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


@given(st.lists(VALUES, min_size=1, max_size=6, unique_by=json.dumps))
def test_values_are_read_as_toml_reads_them(values: list[Any]) -> None:
    labels = [value if isinstance(value, str) else json.dumps(value) for value in values]
    assume(len(set(labels)) == len(labels))
    found = grid.dimension(f"{KEY} = {','.join(map(toml, values))}")
    assert list(found.values) == [tomllib.loads(f"v = {toml(value)}")["v"] for value in values]


@given(st.lists(BARE, min_size=1, max_size=6, unique=True))
def test_text_needs_no_quotes(words: list[str]) -> None:
    assert grid.dimension(f"board={', '.join(words)}").values == tuple(words)


def test_the_words_of_toml_are_its_values_and_text_in_quotes() -> None:
    assert repr(grid.dimension("a=true, false, inf, -inf, nan").values) == "(True, False, inf, -inf, nan)"
    assert grid.dimension(f"board={', '.join(map(repr, TOML_WORDS))}").values == TOML_WORDS


def test_quantities_are_text_and_quotes_keep_a_comma() -> None:
    assert grid.dimension("a.b=0.1 mm,\"0.2 mm\",'x, y'").values == ("0.1 mm", "0.2 mm", "x, y")
    assert grid.dimension("plant.rig.leak=[],[{at = '1 min', hole = '1 mm'}]").values == (
        [],
        [{"at": "1 min", "hole": "1 mm"}],
    )


@given(
    st.sampled_from(["lin", "log"]),
    st.decimals("0.001", 1000, places=3),
    st.decimals("0.001", 1000, places=3),
    st.integers(2, 30),
)
def test_a_range_has_its_ends_and_as_many_values_as_asked_for(
    kind: str, first: Any, last: Any, count: int
) -> None:
    assume(abs(math.log(last / first)) > 0.1)
    found = grid.dimension(f"{KEY}={kind}({first} mm, {last} mm, {count})")
    assert (found.values[0], found.values[-1], len(found.values)) == (f"{first} mm", f"{last} mm", count)
    numbers = [float(value.removesuffix(" mm")) for value in found.values]
    steps = [math.log(b / a) if kind == "log" else b - a for a, b in itertools.pairwise(numbers)]
    # Inner values of log(...) have four digits.
    slack = 2.1e-3 if kind == "log" else 1e-6 * abs(numbers[-1] - numbers[0]) + 1e-7 * max(numbers)
    assert max(steps) - min(steps) <= slack


def test_ranges_of_one_unit_and_of_none() -> None:
    assert grid.dimension("a=lin(0.1, 0.4 mm, 4)").values == ("0.1 mm", "0.2 mm", "0.3 mm", "0.4 mm")
    assert grid.dimension("a=log(1e-4, 1e-2, 3)").values == (0.0001, 0.001, 0.01)
    assert grid.dimension("fault.0.bytes=lin(1, 4, 4)").values == (1, 2, 3, 4)
    assert all(isinstance(value, int) for value in grid.dimension("fault.0.bytes=lin(1, 4, 4)").values)
    assert grid.dimension("a=0 mm,log(1 mm,4 mm,3)").values == ("0 mm", "1 mm", "2 mm", "4 mm")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("hole", "KEY=V1"),
        ("=1", "KEY=V1"),
        ("a..b=1", "KEY=V1"),
        ("a=", "empty"),
        ("a=1,,2", "empty"),
        ("a=1 mm,1 mm", "twice"),
        ("seed=1,2", "--seeds"),
        ("a=[1,2", "TOML"),
        ('a="1', "TOML"),
        ("a=" + 5000 * "[" + 5000 * "]", "TOML"),
        ("a=lin(1 mm, 2 bar, 3)", "one unit"),
        ("a=lin(1 mm, 2 mm, 1)", "is not lin(FIRST, LAST, COUNT)"),
        ("a=log(0 mm, 2 mm, 3)", "above 0"),
        ("a=lin(1, 2, 99999)", "is not lin"),
        ("a=lin(1, 2, 99999)", "COUNT is 2 to 10000"),
        ("a=log(1 mm, 2 mm)", "is not log(FIRST, LAST, COUNT)"),
        ("a=log(1 mm, 2 mm, 3, 4)", "is not log(FIRST, LAST, COUNT)"),
        ("a=lin(1,9,9999),lin(11,19,9999)", "at most"),
    ],
)
def test_what_is_no_dimension_is_refused_with_a_reason(text: str, word: str) -> None:
    with pytest.raises(ValueError, match=re.escape(word)):
        grid.dimension(text)


@given(st.text(max_size=40))
def test_garbage_is_a_dimension_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert grid.dimension(f"a={text}").values


def test_combinations_are_all_there_and_one_without_dimensions() -> None:
    two = [grid.dimension("a=1,2"), grid.dimension("b=x,y,z")]
    assert list(grid.combinations(two)) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert list(grid.combinations([])) == [()]


def test_a_value_takes_its_place_and_the_scenario_stays_as_it_was() -> None:
    found = grid.with_value(TABLES, KEY, "0.1 mm")
    assert found["plant"]["rig"]["leak"] == [{"at": "20 s", "hole": "0.1 mm"}]
    assert TABLES["plant"]["rig"]["leak"][0]["hole"] == "0.3 mm"
    assert grid.with_value(TABLES, "plant.rig.fill_rise", "1 K")["plant"]["rig"]["fill_rise"] == "1 K"


@pytest.mark.parametrize(
    ("key", "word"),
    [
        ("plant.rigg.volume", "did you mean 'rig'"),
        ("plant.rig.leak.1.hole", "places 0 to 0"),
        ("plant.rig.leak.x", "no x"),
        ("plant.rig.volume.x", "is a value"),
    ],
)
def test_a_key_that_leads_nowhere_says_where_it_ends(key: str, word: str) -> None:
    with pytest.raises(ValueError, match=re.escape(word)):
        grid.with_value(TABLES, key, 1)


def test_an_axis_is_of_numbers_in_one_unit_or_it_is_none() -> None:
    assert grid.scale_of(grid.dimension("a=0.1 mm,0.2 mm")) == ([0.1, 0.2], "mm")
    assert grid.scale_of(grid.dimension("a=1,2.5")) == ([1.0, 2.5], "")
    assert grid.scale_of(grid.dimension("a=0.1 mm,1 m")) is None
    assert grid.scale_of(grid.dimension("a=0.1 mm,none")) is None
