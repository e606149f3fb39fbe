"""Alarm events, TM[5,1] to TM[5,4]: one change of one alarm, with the numbers that prove it."""

import enum
from dataclasses import dataclass

from fsw.alarm import State, Transition
from fsw.limit import Check
from fsw.packets.field import Field, Roster, layout, names, quality, single
from fsw.packets.frame import PacketError

SERVICE = 5
SUBSERVICES = range(1, 5)
VERSION = 1


class Severity(enum.IntEnum):
    """How grave; also the message subtype of a raise."""

    NONE = 0
    INFO = 1
    LOW = 2
    MEDIUM = 3
    HIGH = 4


FIELDS = (
    Field("event", "u16", "event definition"),
    Field("version", "u8", "of this layout, 1"),
    Field("transition", "u8", "what happened to the alarm", names(Transition)),
    Field("alarm", "u16", "which alarm", Roster.ALARM),
    Field("occurrence", "u16", "how often it has been raised; an acknowledgement names it"),
    (
        Field("previous_overlay", "u1", "1: was shelved, suppressed or out of service"),
        Field("previous", "u3", "state before", names(State)),
        Field("overlay", "u1", "1: is shelved, suppressed or out of service"),
        Field("state", "u3", "state after", names(State)),
    ),
    (
        Field("severity", "u4", "now", names(Severity)),
        Field("peak_severity", "u4", "worst of this occurrence", names(Severity)),
    ),
    Field("check", "u8", "kind of test", names(Check)),
    quality(),
    Field("parameter", "u16", "what was judged", Roster.PARAMETER),
    Field("n", "u8", "votes it took"),
    Field("m", "u8", "of the last so many"),
    Field("value", "f32", "in the parameter's SI unit"),
    Field("limit", "f32", "that was crossed"),
    Field("sigma", "f32", "standard error of the value, NaN unknown"),
    Field("peak", "f32", "worst value of this occurrence"),
    Field("tick", "u32", "of the monitor since its start"),
    Field("table_crc", "u32", "CRC-32 of the limits it was judged by"),
)
_BODY = layout(FIELDS)
_ANNOUNCING = {Transition.RAISE, Transition.ESCALATE}


@dataclass(frozen=True, slots=True)
class Event:
    """The body of an alarm event; values in the parameter's SI unit, NaN where there is none."""

    event: int
    transition: Transition
    alarm: int
    occurrence: int
    previous: State
    state: State
    severity: int
    peak_severity: int
    check: int
    quality: int
    parameter: int
    n: int
    m: int
    value: float
    limit: float
    sigma: float
    peak: float
    tick: int
    table_crc: int
    previous_overlay: bool = False
    overlay: bool = False


def subservice(transition: int, severity: int) -> int:
    """1 informs; 2, 3 and 4 announce a low, medium or high alarm, raised or grown worse."""
    return min(max(severity, 1), 4) if transition in _ANNOUNCING else 1


def pack(event: Event) -> bytes:
    """The body; counters wrap, values beyond f32 are infinite."""
    return _BODY.pack(
        event.event,
        VERSION,
        event.transition,
        event.alarm,
        event.occurrence & 0xFFFF,
        event.previous_overlay << 7 | event.previous << 4 | event.overlay << 3 | event.state,
        event.severity << 4 | event.peak_severity,
        event.check,
        event.quality,
        event.parameter,
        event.n,
        event.m,
        single(event.value),
        single(event.limit),
        single(event.sigma),
        single(event.peak),
        event.tick & 0xFFFF_FFFF,
        event.table_crc,
    )


def unpack(body: bytes) -> Event:
    """The event; PacketError when the body is not one, or of another version."""
    if len(body) != _BODY.size:
        raise PacketError(f"{len(body)} bytes are not the body of an alarm event, which has {_BODY.size}")
    (event, version, transition, alarm, occurrence, states, severities, check, flags, *rest) = _BODY.unpack(
        body
    )
    (parameter, n, m, value, limit, sigma, peak, tick, table_crc) = rest
    if version != VERSION:
        raise PacketError(f"alarm event of version {version}: this decoder knows version {VERSION}")
    try:
        return Event(
            event=event,
            transition=Transition(transition),
            alarm=alarm,
            occurrence=occurrence,
            previous=State(states >> 4 & 7),
            state=State(states & 7),
            severity=severities >> 4,
            peak_severity=severities & 0xF,
            check=check,
            quality=flags,
            parameter=parameter,
            n=n,
            m=m,
            value=value,
            limit=limit,
            sigma=sigma,
            peak=peak,
            tick=tick,
            table_crc=table_crc,
            previous_overlay=bool(states & 0x80),
            overlay=bool(states & 0x08),
        )
    except ValueError as error:
        raise PacketError(f"not the body of an alarm event: {error}") from None
