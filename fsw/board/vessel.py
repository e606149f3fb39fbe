"""Vessels: the leak model with its numbers, and the rows that it reads and writes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from fsw.board import kinds
from fsw.board.fusion import Fused, fuse
from fsw.board.parameter import Scope, redundant
from fsw.board.problem import did_you_mean
from fsw.filters import Channel
from fsw.leak.calibration import Calibration
from fsw.leak.detector import Settings
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
    interval_ns: int  # between two pressures
    false_alarm_s: float  # mean time between false alarms of this vessel
    calibration: Calibration | None = None
    fused: tuple[Fused, ...] = ()  # inputs with more than one instrument


def specs(scope: Scope, channels: Sequence[Channel]) -> tuple[VesselSpec, ...]:
    """The vessels of the file."""
    found, problems = [], scope.problems
    allowed = scope.file.board.false_alarms
    # Each vessel has an equal share of what the board may cry wolf.
    false_alarm_s = allowed.ns / 1e9 / allowed.times * max(1, len(scope.file.vessels))
    for name, options in scope.file.vessels.items():
        path = f"vessels.{name}"
        kind = kinds.models()[options.model]
        before = len(problems)
        inputs: dict[str, int] = {}
        fused: list[Fused] = []
        for each in kind.INPUTS:
            several = redundant(options, each)
            only = getattr(options, each.key)
            for channel in several or ([] if only is None else [only]):
                inputs[each.key] = _input(scope, f"{path}.{each.key}", each.quantity, channel)
            if several and len(problems) == before:
                fused += fuse(scope, name, each, several, channels)
                inputs[each.key] = scope.directory.row(f"{name}.{each.key}")
        with problems.at(path, None):
            model = kind.model(options)
            if len(problems) == before:
                outputs = {each.name: scope.directory.row(f"{name}.{each.name}") for each in kind.OUTPUTS}
                found.append(
                    VesselSpec(
                        name,
                        model,
                        options.detector,
                        options.thermal,
                        Inputs(**inputs),
                        Outputs(**outputs),
                        scope.directory.all[inputs["pressure"]].interval_ns,
                        false_alarm_s,
                        fused=tuple(fused),
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
        yield key, f"{_shown(value, unit_of(field))}{assumed}"


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


def _input(scope: Scope, path: str, quantity: str, channel: str) -> int:
    """The row of a channel that must measure `quantity`; a stand-in after a problem."""
    measured = {
        f"{instrument}.{name}": table.quantity
        for instrument, each in scope.file.instruments.items()
        for name, table in each.channels.items()
    }
    if measured.get(channel) != quantity:
        known = [name for name, found in measured.items() if found == quantity]
        what = f"measures {measured[channel]}" if channel in measured else "is not a channel"
        scope.problems.add(path, channel, f"{what}; a {quantity} is needed; {did_you_mean(channel, known)}")
    return scope.directory.rows.get(channel, 0)
