"""What is wrong with a board file, all of it at once: key path, value, bound and what to do."""

import contextlib
import difflib
import reprlib
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60

_PLAIN = {  # pydantic's error types that a rig engineer should not have to read in pydantic's words
    "missing": "is missing",
    "string_type": 'must be text in quotes, as "..."',
    "int_type": "must be a whole number without quotes",
    "int_parsing": "must be a whole number without quotes",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "list_type": "must be a list, as [..., ...]",
    "tuple_type": "must be a list, as [..., ...]",
}


class Problem(NamedTuple):
    """One error: where, the value as written ("" when there is none), the bound it breaks and what to do."""

    path: str
    value: str
    text: str

    def __str__(self) -> str:
        return f"{self.path} = {self.value}: {self.text}" if self.value else f"{self.path}: {self.text}"


class BoardErrors(ValueError):  # noqa: N818  (it holds many)
    """Every problem of one board file."""

    def __init__(self, where: str, problems: Sequence[Problem]) -> None:
        self.where = where
        self.problems = tuple(problems)
        errors = "1 error" if len(self.problems) == 1 else f"{len(self.problems)} errors"
        super().__init__("\n".join([f"{where}: {errors}", *map(str, self.problems)]))


class Problems(list[Problem]):
    """The problems found so far."""

    def add(self, path: str, value: object, text: str) -> None:
        """One more; `value` None when nothing was written there."""
        self.append(Problem(path, "" if value is None else _SHORT.repr(value), text))

    @contextlib.contextmanager
    def at(self, path: str, value: object) -> Iterator[None]:
        """A ValueError inside is a problem of `path`; what follows the block goes on with a stand-in."""
        try:
            yield
        except ValueError as error:
            self.add(path, value, str(error))


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """What to do about an unknown name: the nearest known one, or the list of all."""
    names = sorted(known)
    near = difflib.get_close_matches(str(word), names, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known here: {', '.join(names)}" if names else "there is none"


def of_validation(error: ValidationError, model: type[BaseModel], data: object) -> list[Problem]:
    """The problems in pydantic's report on `data`, with TOML key paths and a suggestion for each unknown key."""
    problems = Problems()
    for item in error.errors(include_url=False):
        location, kind, value = item["loc"], item["type"], item["input"]
        path = _toml_path(location, data)
        text = _PLAIN.get(kind, item["msg"].removeprefix("Value error, "))
        if kind == "extra_forbidden":
            text = f"is not a key here; {did_you_mean(location[-1], _keys_at(model, location[:-1]))}"
        elif kind == "union_tag_not_found":
            path = f"{path}.{_discriminator(item)}"
            text = f"is missing; built in: {', '.join(_tags_at(model, location))}"
        elif kind == "union_tag_invalid":
            path, value = f"{path}.{_discriminator(item)}", item["ctx"]["tag"]
            text = f"is not built in; {did_you_mean(value, _tags_at(model, location))}"
        written = kind != "missing" and not isinstance(value, Mapping)
        problems.add(path, value if written else None, text)
    return problems


def _discriminator(item: ErrorDetails) -> str:
    return str(item["ctx"]["discriminator"]).strip("'")


def _toml_path(location: tuple[int | str, ...], data: object) -> str:
    """The location without the tags of unions, which are no keys of the file."""
    parts: list[str] = []
    for step in location:
        try:
            data = data[step]  # type: ignore[index]
        except (LookupError, TypeError):
            if step == "[key]" or step != location[-1]:
                continue
        parts.append(str(step))
    return ".".join(parts)


def _keys_at(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    found = _type_at(model, location)
    if not (isinstance(found, type) and issubclass(found, BaseModel)):
        return []
    return [field.alias or name for name, field in found.model_fields.items()]


def _tags_at(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    found = _type_at(model, location)
    return sorted(_tag(member) for member in typing.get_args(found)) or sorted({_tag(found)} - {""})


def _tag(member: Any) -> str:
    for key in ("dialect", "model", "kind"):
        if key in getattr(member, "model_fields", {}):
            return str(typing.get_args(member.model_fields[key].annotation)[0])
    return ""


def _type_at(model: Any, location: Sequence[int | str]) -> Any:
    """The type that the model expects at a location of a validation error (which names the tags of unions)."""
    for step in location:
        while typing.get_origin(model) is typing.Annotated:
            model = typing.get_args(model)[0]
        origin, arguments = typing.get_origin(model), typing.get_args(model)
        if origin in (dict, Mapping):
            model = arguments[1]
        elif origin in (typing.Union, types.UnionType):
            model = next((member for member in arguments if _tag(member) == step), None)
        elif isinstance(model, type) and issubclass(model, BaseModel) and step in model.model_fields:
            model = model.model_fields[str(step)].annotation
    while typing.get_origin(model) is typing.Annotated:
        model = typing.get_args(model)[0]
    if typing.get_origin(model) in (typing.Union, types.UnionType):  # an optional table
        tables = [member for member in typing.get_args(model) if hasattr(member, "model_fields")]
        model = tables[0] if len(tables) == 1 else model
    return model
