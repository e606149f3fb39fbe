"""Occurrences, TM[130,1]: what happened to a vessel and is no leak, with its inventory as it stood then."""

from dataclasses import dataclass

from fsw.occurrence import Kind
from fsw.packets.field import Field, Roster, layout, names, quality, single
from fsw.packets.frame import PacketError, cuc, unix_ns

SERVICE = 130
SUBSERVICE = 1
VERSION = 1

FIELDS = (
    Field("kind", "u8", "what happened", names(Kind)),
    Field("version", "u8", "of this layout, 1"),
    quality(),
    Field("vessel", "u16", "to which: its inventory", Roster.PARAMETER),
    Field("phase", "u16", "of the test, 0 none", Roster.PHASE),
    (
        Field("began_p_field", "u8", "0x2F, as in the header"),
        Field("began", "t56", "when it began, by the wall clock"),
    ),
    Field("kg", "f32", "how much more or less, NaN where that is not the point", unit="kg"),
    Field("inventory", "f32", "of the vessel", unit="kg"),
    Field("inventory_sigma", "f32", "its standard error, NaN unknown", unit="kg"),
    Field("tick", "u32", "of the monitor since its start"),
)
_BODY = layout(FIELDS)


@dataclass(frozen=True, slots=True)
class Report:
    """The body: `vessel` is the id of its inventory, which has `quality`; `began_ns` is POSIX time."""

    kind: Kind
    quality: int
    vessel: int
    phase: int
    began_ns: int
    kg: float
    inventory: float
    inventory_sigma: float
    tick: int


def pack(report: Report) -> bytes:
    """The body; the tick wraps, values beyond f32 are infinite."""
    return _BODY.pack(
        report.kind,
        VERSION,
        report.quality,
        report.vessel,
        report.phase,
        cuc(report.began_ns),
        single(report.kg),
        single(report.inventory),
        single(report.inventory_sigma),
        report.tick & 0xFFFF_FFFF,
    )


def unpack(body: bytes) -> Report:
    """The report; PacketError when the body is not one, or of another version."""
    if len(body) != _BODY.size:
        raise PacketError(f"{len(body)} bytes are not the body of an occurrence, which has {_BODY.size}")
    kind, version, flags, vessel, phase, began, *rest = _BODY.unpack(body)
    if version != VERSION:
        raise PacketError(f"occurrence of version {version}: this decoder knows version {VERSION}")
    try:
        return Report(Kind(kind), flags, vessel, phase, unix_ns(began), *rest)
    except ValueError as error:
        raise PacketError(f"not the body of an occurrence: {error}") from None
