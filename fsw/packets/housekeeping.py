"""Housekeeping, TM[3,25]: one set of parameters as they stand, each with its standard error and quality."""

import functools
import struct
from collections.abc import Sequence
from typing import NamedTuple

from fsw.packets.field import Field, layout, quality, single
from fsw.packets.frame import MAX_BODY_BYTES, PacketError
from fsw.table import Table

SERVICE = 3
SUBSERVICE = 25
SID = Field("SID", "u16", "which set of parameters")
_SID = layout([SID])


def fields(name: str, unit: str, text: str) -> tuple[tuple[Field, Field], Field, Field]:
    """The words one parameter takes in a set."""
    return (
        quality(f"{name}-"),
        Field(name, "f32", text, unit=unit),
        Field(f"{name}-sigma", "f32", "its standard error, NaN unknown", unit=unit),
    )


_ENTRY = layout(fields("", "", ""))
CAPACITY = (
    MAX_BODY_BYTES - _SID.size
) // _ENTRY.size  # parameters that fit in one packet; a board splits its sets so


class Entry(NamedTuple):
    """One parameter of a set, in the set's order; SI."""

    quality: int
    value: float
    sigma: float


class Housekeeping(NamedTuple):
    """A set of parameters at one instant."""

    sid: int
    entries: tuple[Entry, ...]


@functools.cache
def _body(parameters: int) -> struct.Struct:
    return struct.Struct(_SID.format + _ENTRY.format.removeprefix(">") * parameters)


def pack(sid: int, table: Table, rows: Sequence[int], source: int = 0) -> bytes:
    """The body of set `sid`: these rows, at most CAPACITY; `source` (SIM, REPLAY) joins each quality."""
    source_bits = int(source)  # an "or" of flags costs 2 us, of integers 0.1 us
    numbers: list[float] = []
    for row in rows:
        numbers += (table.quality[row] | source_bits, single(table.value[row]), single(table.sigma[row]))
    return _body(len(rows)).pack(sid, *numbers)


def unpack(body: bytes) -> Housekeeping:
    """The set; PacketError when the body is not one."""
    if len(body) < _SID.size or (len(body) - _SID.size) % _ENTRY.size:
        raise PacketError(f"{len(body)} bytes are not the body of a housekeeping report")
    entries = tuple(map(Entry._make, _ENTRY.iter_unpack(body[_SID.size :])))
    return Housekeeping(_SID.unpack_from(body)[0], entries)
