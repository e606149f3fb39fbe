"""What is wrong with a board file, all of it at once: key path, value, bound and what to do."""

import contextlib
import difflib
import re
import reprlib
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60

_PLAIN = {  # pydantic's error types that a rig engineer should not have to read in pydantic's words
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
        text = _PLAIN.get(kind) or _bound(item, model) or item["msg"].removeprefix("Value error, ")
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


def nearest(item: ErrorDetails) -> str | None:
    """What was meant by a word that is not one of the choices, if one of them is near."""
    if item["type"] not in ("literal_error", "enum"):
        return None
    near = difflib.get_close_matches(str(item["input"]), _choices(item), n=1, cutoff=0.6)
    return near[0] if near else None


def keys_of(location: Sequence[int | str], data: object) -> tuple[str, ...]:
    """The innermost key of the file that a location leads to: without the tags of unions and places in lists."""
    keys = []
    for step in location:
        if isinstance(data, Mapping) and step in data:
            data = data[step]
            keys.append(str(step))
    return tuple(keys)


def _choices(item: ErrorDetails) -> list[str]:
    return re.findall(r"'([^']*)'", str(item["ctx"]["expected"]))


def _bound(item: ErrorDetails, model: type[BaseModel]) -> str:
    """What must be written, for an error of a bound or a form; "" for any other."""
    context, kind, key = item.get("ctx", {}), item["type"], item["loc"][-1]
    field = _field_at(model, item["loc"])
    what = (field.description or "").split(";")[0] if field else ""
    text = ""
    match kind:
        case "missing":
            text = f"is missing: write {key} = ..., {what}" if what else "is missing"
        case "string_pattern_mismatch" if what and field is not None:
            example = (field.examples or [field.default])[0]
            text = f'must be {what}, as "{example}"'
        case "string_pattern_mismatch":
            text = f"must have the form {context['pattern']}"
        case "literal_error" | "enum":
            near = nearest(item)
            text = f"must be {context['expected']}" + (f"; did you mean {near!r}?" if near else "")
        case "less_than_equal" | "less_than" | "greater_than_equal" | "greater_than":
            words = {"le": "at most", "lt": "below", "ge": "at least", "gt": "above"}
            text = next(f"must be {words[name]} {value}" for name, value in context.items() if name in words)
        case "string_too_long":
            text = f"is too long: must be at most {context['max_length']} characters"
        case "string_too_short":
            text = f"is too short: write at least {context['min_length']} character" + (
                f": {what}" if what else ""
            )
        case "too_short":
            least, count = context["min_length"], context["actual_length"]
            text = f"must have at least {least}, has {count}" + (f": {what}" if what else "")
    return text


def _discriminator(item: ErrorDetails) -> str:
    return str(item["ctx"]["discriminator"]).strip("'")


def _field_at(model: type[BaseModel], location: Sequence[int | str]) -> FieldInfo | None:
    """What the model says of the key at a location; of the names of a table for the location of a name."""
    *outer, key = location
    if key == "[key]":
        table = _type_at(model, outer[:-1])
        described = getattr(typing.get_args(table)[0], "__metadata__", ()) if typing.get_args(table) else ()
        return next((each for each in described if isinstance(each, FieldInfo)), None)
    table = _type_at(model, outer)
    fields: dict[str, FieldInfo] = getattr(table, "model_fields", {})
    return next((field for name, field in fields.items() if key in (name, field.alias)), None)


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
        elif origin in (tuple, list) and isinstance(step, int):
            model = arguments[0]
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
