"""Samples, TM[129,130]: what entered the monitor, as it entered, in order. A replay needs nothing else."""

from collections.abc import Sequence
from typing import NamedTuple

from fsw.packets.field import Field, Roster, layout, quality
from fsw.packets.frame import MAX_BODY_BYTES, PacketError
from fsw.sample import Sample

SERVICE = 129
SUBSERVICE = 130
COUNT = Field("N", "u16", "entries that follow")
FIELDS = (
    Field("parameter", "u16", "what was measured", Roster.PARAMETER),
    quality(),
    Field("offset", "i32", "after the packet's time", unit="ns"),
    Field("value", "f64", "in the parameter's SI unit"),
)
_COUNT = layout([COUNT])
_ENTRY = layout(FIELDS)
ENTRY_BYTES = _ENTRY.size
CAPACITY = (MAX_BODY_BYTES - _COUNT.size) // ENTRY_BYTES
OFFSET_MAX_NS = 2**31 - 1  # older than 2.1 s before the packet: written as that old


class Entry(NamedTuple):
    """One sample; `offset_ns` from the packet's time, value in SI."""

    parameter: int
    quality: int
    offset_ns: int
    value: float


def pack(arrivals: Sequence[Sample], ids: Sequence[int], now_ns: int, source: int = 0) -> list[bytes]:
    """Bodies for packets stamped `now_ns`, CAPACITY samples in each; `ids[row]` is the parameter's id."""
    source_bits = int(source)  # an "or" of flags costs 2 us, of integers 0.1 us
    bodies = []
    for first in range(0, len(arrivals), CAPACITY):
        entries = [
            _ENTRY.pack(ids[row], int(quality_) | source_bits, _offset(time_ns - now_ns), value)
            for row, time_ns, value, quality_, _ in arrivals[first : first + CAPACITY]
        ]
        bodies.append(_COUNT.pack(len(entries)) + b"".join(entries))
    return bodies


def unpack(body: bytes) -> tuple[Entry, ...]:
    """The samples; PacketError when the body is not such a list."""
    if len(body) < _COUNT.size or len(body) != _COUNT.size + _COUNT.unpack_from(body)[0] * ENTRY_BYTES:
        raise PacketError(f"{len(body)} bytes are not the body of a sample report")
    return tuple(map(Entry._make, _ENTRY.iter_unpack(body[_COUNT.size :])))


def _offset(ns: int) -> int:
    return ns if -OFFSET_MAX_NS <= ns <= OFFSET_MAX_NS else -OFFSET_MAX_NS if ns < 0 else OFFSET_MAX_NS
