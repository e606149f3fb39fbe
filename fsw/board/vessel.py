"""Vessels: the leak model with its numbers, and the rows that it reads and writes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from fsw.board import kinds
from fsw.board.parameter import Directory
from fsw.board.problem import Problems, did_you_mean
from fsw.board.schema import BoardFile
from fsw.leak.detector import Detector, Settings
from fsw.leak.thermal import Thermal
from fsw.leak.vessel import Inputs, Model, Outputs
from fsw.quantity import LeakQuantity, Measured, unit_of


@dataclass(frozen=True, slots=True)
class VesselSpec:
    """All that `fsw.leak.vessel.Vessel` needs, but for the detector itself, which has a memory."""

    name: str
    model: Model
    detector: Settings
    thermal: Thermal
    inputs: Inputs
    outputs: Outputs


def specs(file: BoardFile, directory: Directory, problems: Problems) -> tuple[VesselSpec, ...]:
    """The vessels of the file."""
    found = []
    for name, options in file.vessels.items():
        path = f"vessels.{name}"
        kind = kinds.models()[options.model]
        before = len(problems)
        inputs = {
            each.key: _input(
                f"{path}.{each.key}", each.quantity, getattr(options, each.key), file, directory, problems
            )
            for each in kind.INPUTS
            if each.required or getattr(options, each.key) is not None
        }
        with problems.at(path, None):
            model = kind.model(options)
            with problems.at(f"{path}.detector", None):
                Detector(options.detector, model.zero_leak_kg_per_s)
            if len(problems) == before:
                outputs = {each.name: directory.row(f"{name}.{each.name}") for each in kind.OUTPUTS}
                found.append(
                    VesselSpec(
                        name, model, options.detector, options.thermal, Inputs(**inputs), Outputs(**outputs)
                    )
                )
    return tuple(found)


def describe(options: BaseModel) -> Iterator[tuple[str, str]]:
    """Each key of the vessel's table in SI; "default" marks what the file leaves to the model."""
    for key, field in type(options).model_fields.items():
        value = getattr(options, key)
        if key == "model" or value is None:
            continue
        assumed = "" if key in options.model_fields_set else "  (default)"
        if isinstance(value, BaseModel):
            for inner, text in describe(value):
                yield f"{key}.{inner}", text
            continue
        yield key, f"{_shown(value, unit_of(field.metadata))}{assumed}"


def _shown(value: Any, unit: str) -> str:
    match value:
        case Measured(middle, sigma):
            number = f"{middle:.6g} +/- {sigma:.3g}" if sigma else f"{middle:.6g} (exact)"
        case LeakQuantity(amount, dimension):
            return f"{amount:.4g} {dimension}"
        case float():
            number = f"{value:.6g}"
        case tuple():
            return ", ".join(_shown(each, unit) for each in value)
        case int() if unit == "ns":
            return f"{value / 1e9:.6g} s"
        case _:
            return str(value)
    return f"{number} {unit}".strip()


def _input(
    path: str, quantity: str, channel: str, file: BoardFile, directory: Directory, problems: Problems
) -> int:
    """The row of a channel that must measure `quantity`; a stand-in after a problem."""
    instrument, _, name = channel.partition(".")
    known = [
        f"{instrument}.{name}"
        for instrument, each in file.instruments.items()
        for name, table in each.channels.items()
        if table.quantity == quantity
    ]
    if channel not in known:
        table = file.instruments[instrument].channels.get(name) if instrument in file.instruments else None
        what = (
            f"measures {table.quantity}, not {quantity}"
            if table
            else f"is not a channel that measures {quantity}"
        )
        problems.add(path, channel, f"{what}; {did_you_mean(channel, known)}")
        return 0
    return directory.rows.get(channel, 0)
