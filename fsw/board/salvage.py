"""What is left of a wrong board file once what is wrong is taken out, so that the rest can be judged as well.

As little as possible goes: an optional key falls back to its default, a required one gets a stand-in, and only
where none is accepted the table around it goes. All of it serves to find more problems, never to run.
"""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field, ValidationError, create_model
from pydantic_core import ErrorDetails

from fsw.board.problem import Problem, keys_of, nearest, of_validation

# At the highest rate every least time is at its smallest: what is too short then is too short at any rate.
BOARD_STAND_INS: dict[str, object] = {"name": "board", "rate": "1000 Hz", "apid": 0}
STAND_INS = (
    "stand_in",
    1,
    "1 m^3",
    "1 Pa absolute",
    "1 kg/m^3",
    "1 s",
)  # tried in turn for any other required key
TABLES = ("lines", "instruments", "vessels", "limits", "phases", "sinks")
REFERRED_TO = ("lines", "instruments", "vessels")
ATTEMPTS = 40  # a key takes up to seven, and its table may be what the table around it cannot be without
TIMES = {"timeout", "think", "gap", "every", "latency", "baud", "format"}
UNKNOWN = ("is not a line", "is not a channel", "is not a parameter", "is not a vessel", "there is no vessel")

Keys = tuple[str, ...]


class Salvage:
    """The sound part of a file that failed validation; `file` is None when nothing can be made of it."""

    def __init__(self, model: type[BaseModel], data: dict[str, Any], error: ValidationError) -> None:
        self.file: Any = None
        self.found: list[Problem] = []  # what a table's own check says once its keys are mended
        self._touched: set[Keys] = set()  # keys whose value is no longer what was written
        self._removed: set[str] = set()  # lines, instruments, channels and vessels that are no longer there
        self._stand_ins: dict[Keys, list[object]] = {}  # not yet tried
        self._left: dict[str, Any] = dict(data)
        model = _lenient(model)
        for _ in range(ATTEMPTS):
            for item in error.errors():
                self._mend(item)
            self._left["board"] = {**BOARD_STAND_INS, **self._table("board")}
            try:
                self.file = model.model_validate(self._left)
            except ValidationError as next_error:
                error = next_error
                self.found += self._new(error, model)
            else:
                return

    def causes(self, problem: Problem) -> bool:
        """Whether the problem may only be that something was taken out."""
        path = tuple(problem.path.split("."))
        return self._names_removed(problem) or any(
            _causes(keys, path, problem.text) for keys in self._touched
        )

    def _new(self, error: ValidationError, model: type[BaseModel]) -> list[Problem]:
        """The problems of whole tables that say nothing of a key that was mended."""
        mended = {keys[-1] for keys in self._touched}
        return [
            problem
            for item, problem in zip(error.errors(), of_validation(error, model, self._left), strict=True)
            if item["type"] == "value_error"
            and keys_of(item["loc"], self._left) not in self._touched
            and not mended & set(re.findall(r"\w+", problem.text))
        ]

    def _names_removed(self, problem: Problem) -> bool:
        words = [problem.value.strip("'\""), *problem.text.split("'")[1::2]]
        return any(  # [lines.Bus] is refused, and `line = "bus"` may well be right
            f"{word}.".lower().startswith(f"{name}.".lower()) for word in words for name in self._removed
        )

    def _mend(self, item: ErrorDetails) -> None:
        """One step towards a file without this error."""
        location, kind = item["loc"], item["type"]
        keys = keys_of(location, self._left)
        if kind == "missing":
            keys = (*keys, str(location[-1]))
            self._touched.add(keys)
            if len(keys) > 1:
                self._stand_in(keys)
        elif keys:
            first = keys not in self._touched
            self._touched.add(keys)
            near = nearest(item) if first else None
            if len(keys) == 1 or (len(keys) == 2 and keys[0] in TABLES):
                self._remove(keys)
            elif near is not None and location[-1] == keys[-1]:
                self._put(keys, near)
            elif first or keys not in self._stand_ins:
                self._limit_stand_in(keys, item)
                self._remove(keys)
            else:
                self._stand_in(keys)

    def _limit_stand_in(self, keys: Keys, item: ErrorDetails) -> None:
        """Should the key be required: the bound that it breaks will do, and a table has no stand-in."""
        bounds = [value for name, value in item.get("ctx", {}).items() if name in ("le", "ge")]
        table = isinstance(item["input"], Mapping)
        self._stand_ins.setdefault(keys, [] if table else [*bounds, *STAND_INS])

    def _stand_in(self, keys: Keys) -> None:
        """The next stand-in; without one the table that needs the key goes."""
        untried = self._stand_ins.setdefault(keys, list(STAND_INS))
        if untried:
            self._put(keys, untried.pop(0))
        elif len(keys) > 2:  # there is a table around it that has a name
            self._touched.add(keys[:-1])
            self._stand_ins[keys[:-1]] = []
            self._remove(keys[:-1])

    def _table(self, *keys: str) -> dict[str, Any]:
        """The table at `keys`, copied with all around it, so that the data as written stay what they are."""
        table = self._left
        for key in keys:
            inner = table.get(key)
            table[key] = dict(inner) if isinstance(inner, dict) else {}
            table = table[key]
        return table

    def _put(self, keys: Keys, value: object) -> None:
        self._table(*keys[:-1])[keys[-1]] = value

    def _remove(self, keys: Keys) -> None:
        self._table(*keys[:-1]).pop(keys[-1], None)
        match keys:
            case ("instruments", instrument, "channels", channel):
                self._removed.add(f"{instrument}.{channel}")
            case (table, name) if table in REFERRED_TO:
                self._removed.add(name)


def rate_causes(problem: Problem) -> bool:
    """Whether the problem may only be that the rate was refused, and the rest judged at another."""
    return problem.text.startswith("cannot poll") or problem.path.endswith(".rate_window")


def _causes(keys: Keys, path: Keys, text: str) -> bool:
    """Whether a wrong key may be what makes `text` be said of `path`."""
    key, shorter = keys[-1], min(len(keys), len(path))
    same_table = keys[:2] == path[:2]
    timed = path[-1] == "response" or (
        same_table and path[-1] in ("stale_after", "stuck_after", "rate_window", "timeout")
    )
    return (
        keys[:shorter] == path[:shorter]
        or (keys == ("board", "rate") and rate_causes(Problem(".".join(path), "", text)))
        or (key in TIMES and (timed or text.startswith("cannot poll")))
        or (key == "reference" and "instrument is" in text)
        or (len(keys) == 1 and text.startswith(UNKNOWN))  # what may be referred to is not there at all
        or (same_table and (path[0] == "limits" or key in TIMES) and key in re.findall(r"\w+", text))
    )


def _lenient(model: type[BaseModel]) -> type[BaseModel]:
    """The same file, in which any table may be empty."""
    fields: dict[str, Any] = {
        name: (model.model_fields[name].annotation, Field(default_factory=dict)) for name in TABLES
    }
    return create_model("Salvaged", __base__=model, **fields)
