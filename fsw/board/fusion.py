"""Inputs of a vessel with two or three instruments: what is fused to what, and how far they may be apart."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fsw.board.parameter import FEWEST_TO_NAME, Scope, departs, si_unit
from fsw.filters import Channel
from fsw.fusion import LEAST_TOLERANCE, Group, Instrument
from fsw.leak.state import Input
from fsw.quantity import parse

DEFAULT_ACCURACY = 10.0  # standard deviations of a sample


@dataclass(frozen=True, slots=True)
class Fused:
    """One input of a vessel: the key, the channels in the order written, and what fuses them."""

    key: str
    channels: tuple[str, ...]
    group: Group


def fuse(
    scope: Scope, vessel: str, each: Input, channels: tuple[str, ...], found: Sequence[Channel]
) -> Iterator[Fused]:
    """The input, unless one of its channels has a problem of its own, which has been said."""
    by_row = {channel.row: channel for channel in found}
    rows = [scope.directory.row(name) for name in channels]
    if any(row not in by_row for row in rows):
        return
    name = f"{vessel}.{each.key}"
    yield Fused(
        each.key,
        channels,
        Group(
            tuple(
                Instrument(
                    row,
                    by_row[row].sigma_min,
                    scope.directory.all[row].interval_ns,
                    scope.directory.row(departs(vessel, channel)) if len(channels) > FEWEST_TO_NAME else None,
                )
                for row, channel in zip(rows, channels, strict=True)
            ),
            scope.directory.row(name),
            scope.directory.row(f"{name}_spread"),
            max(_accuracy(scope, channel, by_row[row]) for row, channel in zip(rows, channels, strict=True)),
            falls=each.quantity
            == "pressure",  # of the models: less pressure is less fluid, and so is a higher temperature
        ),
    )


def _accuracy(scope: Scope, name: str, channel: Channel) -> float:
    instrument, _, key = name.partition(".")
    table = scope.file.instruments[instrument].channels[key]
    if table.accuracy is None:
        return DEFAULT_ACCURACY * channel.sigma_min
    declared = parse(table.accuracy, si_unit(table.quantity), difference=True)
    return max(declared, LEAST_TOLERANCE * channel.sigma_min)  # below, noise would be a disagreement
