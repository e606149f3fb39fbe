"""Check transitions, TM[12,12]: parameters whose check changed its mind, each with its own time."""

from collections.abc import Sequence
from typing import NamedTuple

from fsw.limit import Check, Status
from fsw.packets.field import Field, Roster, layout, names, single
from fsw.packets.frame import MAX_BODY_BYTES, PacketError, cuc, unix_ns

SERVICE = 12
SUBSERVICE = 12


COUNT = Field("N", "u16", "entries that follow")
FIELDS = (
    Field("monitor", "u16", "the alarm whose check it is", Roster.ALARM),
    Field("parameter", "u16", "what was judged", Roster.PARAMETER),
    Field("check", "u8", "kind of test", names(Check)),
    Field("value", "f32", "in the parameter's SI unit"),
    Field("limit", "f32", "that was crossed"),
    Field("previous_status", "u8", "before", names(Status)),
    Field("current_status", "u8", "after", names(Status)),
    (
        Field("transition_p_field", "u8", "0x2F, as in the header"),
        Field("transition_time", "t56", "of the change, by the wall clock"),
    ),
)
_COUNT = layout([COUNT])
_ENTRY = layout(FIELDS)
ENTRY_BYTES = _ENTRY.size
CAPACITY = (MAX_BODY_BYTES - _COUNT.size) // ENTRY_BYTES


class Entry(NamedTuple):
    """One change of one check; `unix_ns` is POSIX time."""

    monitor: int
    parameter: int
    check: int
    value: float
    limit: float
    previous: int
    current: int
    unix_ns: int


def pack(entries: Sequence[Entry]) -> bytes:
    """The body of at most CAPACITY entries. The monitor sends one: fixed-size decoders read no arrays."""
    return _COUNT.pack(len(entries)) + b"".join(
        _ENTRY.pack(
            entry.monitor,
            entry.parameter,
            entry.check,
            single(entry.value),
            single(entry.limit),
            entry.previous,
            entry.current,
            cuc(entry.unix_ns),
        )
        for entry in entries
    )


def unpack(body: bytes) -> tuple[Entry, ...]:
    """The entries; PacketError when the body is not such a list."""
    if len(body) < _COUNT.size or len(body) != _COUNT.size + _COUNT.unpack_from(body)[0] * ENTRY_BYTES:
        raise PacketError(f"{len(body)} bytes are not the body of a transition report")
    fields = _ENTRY.iter_unpack(body[_COUNT.size :])
    return tuple(Entry._make((*entry, unix_ns(time))) for *entry, time in fields)
