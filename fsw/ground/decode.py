"""Packets in words and as JSON objects, with a board's names and units or with the ids that packets carry."""

import enum
import json
import math
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from fsw.alarm import Transition
from fsw.clock import TimeStatus
from fsw.limit import TIMED, Check, Status
from fsw.occurrence import Kind
from fsw.packets import event, heartbeat, housekeeping, occurrence, samples, transition
from fsw.packets.field import quality_text
from fsw.packets.frame import Frame, PacketError, Stretch
from fsw.sample import Fault, Quality
from fsw.table import Parameter

if TYPE_CHECKING:
    from fsw.board.board import Board

NS_PER_S = 1_000_000_000
MOST_NAMED = 4  # parameters in a line; the rest are details
Json = dict[str, object]
_F32 = struct.Struct(">f")
_CONDITION = Quality.GOOD | Quality.UNCERTAIN | Quality.BAD | Quality.STALE
_FAULTS: Mapping[float, str] = {fault.value: fault.name for fault in Fault}
WORSE = frozenset({Transition.RAISE, Transition.ESCALATE})  # when the operator needs the board's advice


class Advice(NamedTuple):
    """What the board's author has to say to the operator about an alarm."""

    text: str = ""
    guidance: str = ""

    def __str__(self) -> str:
        """ " | What it is. What to do.", in one line however it was written; "" where there is nothing."""
        parts = [" ".join(part.split()) for part in self]
        if all(parts) and parts[0][-1] not in ".!?":
            parts[0] += "."
        said = " ".join(filter(None, parts))
        return f" | {said}" if said else ""


@dataclass(frozen=True, slots=True)
class Names:
    """What the ids of a board stand for."""

    parameters: Mapping[int, Parameter] = field(default_factory=dict)
    alarms: Mapping[int, str] = field(default_factory=dict)
    sets: Mapping[int, tuple[Parameter, ...]] = field(default_factory=dict)
    advice: Mapping[int, Advice] = field(default_factory=dict)
    phases: Mapping[int, str] = field(default_factory=dict)
    apid: int | None = None  # of whose packets; None: of all

    @classmethod
    def of(cls, board: "Board") -> "Names":
        """The names of a loaded board."""
        return cls(
            {parameter.id: parameter for parameter in board.parameters},
            {limit.id: limit.name for limit in board.limits},
            {each.sid: tuple(board.parameters[row] for row in each.rows) for each in board.housekeeping},
            {limit.id: Advice(limit.text, limit.guidance) for limit in board.limits},
            {phase.id: phase.name for phase in board.phases},
            board.apid,
        )

    def in_packets_of(self, apid: int) -> "Names":
        """These, or none where the packets are another board's."""
        return self if self.apid in (None, apid) else Names()

    def parameter(self, id_: int) -> Parameter:
        """The parameter, or one named after its id."""
        return self.parameters.get(id_) or Parameter(id_, f"parameter {id_}", "")

    def alarm(self, id_: int) -> str:
        """The alarm's name, or its id."""
        return self.alarms.get(id_, f"alarm {id_}")

    def phase(self, id_: int) -> str:
        """The phase's name, or its id; "" for none."""
        return self.phases.get(id_, f"phase {id_}") if id_ else ""

    def members(self, sid: int, count: int) -> tuple[Parameter, ...]:
        """The parameters of a housekeeping set, by their places when the set is not this board's."""
        known = self.sets.get(sid, ())
        return (
            known if len(known) == count else tuple(Parameter(0, f"[{place}]", "") for place in range(count))
        )


class Report(NamedTuple):
    """One packet or stretch of damage: a line for people, how it should stand out, an object for programs.

    `details`: what a line has no room for, one parameter each.
    """

    text: str
    style: str
    json: Json
    details: tuple[str, ...] = ()


def report(stretch: Stretch, names: Names) -> Report:
    """What there is to say. Never raises."""
    if stretch.frame is None:
        return _damage(stretch)
    frame = stretch.frame
    status = _name(TimeStatus, frame.status)
    head: Json = {
        "time": time_text(frame.unix_ns),
        "time_status": status,
        "apid": frame.apid,
        "sequence": frame.sequence,
        "service": frame.service,
        "subservice": frame.subservice,
        "message": frame.counter,
    }
    try:
        body = _body(frame, names.in_packets_of(frame.apid))
    except PacketError as error:
        body = Report(
            f"body not understood: {error}", "red", {"kind": "unknown", "error": str(error), **_hex(frame)}
        )
    text = (
        f"{head['time']} {status:4} {frame.apid}#{frame.sequence:<5} TM[{frame.service},{frame.subservice}]"
    )
    return Report(f"{text:58} {body.text}", body.style, {**head, **body.json}, body.details)


def to_json(json_object: Json) -> str:
    """One line; what JSON has no number for (NaN, infinities) is null."""
    return json.dumps(_finite(json_object), ensure_ascii=False, allow_nan=False)


def time_text(unix_ns: int) -> str:
    """UTC to the microsecond."""
    seconds, ns = divmod(unix_ns, NS_PER_S)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{ns // 1000:06d}Z"


def _damage(stretch: Stretch) -> Report:
    size = len(stretch.data)
    if stretch.torn:
        text = f"torn tail: the last {size} bytes, from offset {stretch.offset}, are an unfinished packet"
    else:
        text = f"corrupted: {size} bytes at offset {stretch.offset} are no packet and were skipped"
    kind = "torn" if stretch.torn else "corrupted"
    return Report(text, "red", {"kind": kind, "offset": stretch.offset, "bytes": size})


def _body(frame: Frame, names: Names) -> Report:
    if frame.service == event.SERVICE and frame.subservice in event.SUBSERVICES:
        return _event(frame, names)
    kind = _KINDS.get((frame.service, frame.subservice))
    return (
        kind(frame, names)
        if kind
        else Report(f"{len(frame.body)} bytes", "dim", {"kind": "unknown", **_hex(frame)})
    )


def _event(frame: Frame, names: Names) -> Report:
    alarm = event.unpack(frame.body)
    name, parameter = names.alarm(alarm.alarm), names.parameter(alarm.parameter)
    severity, check = _name(event.Severity, alarm.severity), _name(Check, alarm.check)
    overlay = ", shelved, suppressed or out of service" if alarm.overlay else ""
    advice = names.advice.get(alarm.alarm, Advice()) if alarm.transition in WORSE else None
    value = value_text(parameter, alarm.value, alarm.sigma, alarm.quality)
    limit = limit_text(check.lower(), alarm.limit, alarm.check, parameter)
    peak = "" if math.isnan(alarm.peak) else f", peak {_number(parameter, alarm.peak)}"
    text = (
        f"{severity} {alarm.transition.name} {name} (occurrence {alarm.occurrence}): {value}{limit}, "
        f"{alarm.n} of {alarm.m}{peak}, {alarm.previous.name} -> {alarm.state.name}{overlay}{advice or ''}"
    )
    json_object = {
        "kind": "alarm",
        "event": alarm.event,
        "transition": alarm.transition.name,
        "alarm": alarm.alarm,
        "alarm_name": name,
        "occurrence": alarm.occurrence,
        "previous": alarm.previous.name,
        "previous_overlay": alarm.previous_overlay,
        "state": alarm.state.name,
        "overlay": alarm.overlay,
        "severity": alarm.severity,
        "peak_severity": alarm.peak_severity,
        "check": check,
        **_parameter(parameter, tidy(alarm.value), alarm.quality),
        "limit": tidy(alarm.limit),
        "sigma": tidy(alarm.sigma),
        "peak": tidy(alarm.peak),
        "n": alarm.n,
        "m": alarm.m,
        "tick": alarm.tick,
        "table_crc": alarm.table_crc,
        **(advice._asdict() if advice is not None else {}),
    }
    return Report(text, _STYLES[frame.subservice], json_object)


def _transition(frame: Frame, names: Names) -> Report:
    texts, objects = [], []
    for entry in transition.unpack(frame.body):
        parameter = names.parameter(entry.parameter)
        previous, current = _name(Status, entry.previous), _name(Status, entry.current)
        value = value_text(parameter, entry.value)
        limit = limit_text("limit", entry.limit, entry.check, parameter)
        texts.append(f"{names.alarm(entry.monitor)}: {value}{limit}, {previous} -> {current}")
        objects.append(
            {
                "monitor": entry.monitor,
                "alarm_name": names.alarm(entry.monitor),
                "parameter": entry.parameter,
                "name": parameter.name,
                "unit": parameter.unit,
                "check": _name(Check, entry.check),
                "value": tidy(entry.value),
                "limit": tidy(entry.limit),
                "previous": previous,
                "current": current,
                "time": time_text(entry.unix_ns),
            }
        )
    return Report("check " + "; ".join(texts), "cyan", {"kind": "transitions", "transitions": objects})


def _occurrence(frame: Frame, names: Names) -> Report:
    happened = occurrence.unpack(frame.body)
    parameter, phase = names.parameter(happened.vessel), names.phase(happened.phase)
    kg = "" if math.isnan(happened.kg) else f" {happened.kg:+.4g} kg"
    inventory = value_text(parameter, happened.inventory, happened.inventory_sigma, happened.quality)
    since = f", since {time_text(happened.began_ns)}" if happened.began_ns != frame.unix_ns else ""
    json_object = {
        "kind": "occurrence",
        "occurrence": words(happened.kind),
        "phase": happened.phase,
        "phase_name": phase or None,
        "began": time_text(happened.began_ns),
        "kg": tidy(happened.kg),
        **_parameter(parameter, tidy(happened.inventory), happened.quality),
        "sigma": tidy(happened.inventory_sigma),
        "tick": happened.tick,
    }
    text = f"{words(happened.kind)}{phase and f' {phase}'}{kg}: {inventory}{since}"
    return Report(text, "cyan", json_object)


def _housekeeping(frame: Frame, names: Names) -> Report:
    sid, entries = housekeeping.unpack(frame.body)
    members = names.members(sid, len(entries))
    pairs = list(zip(members, entries, strict=True))
    bad = [
        f"{parameter.name} [{quality_text(entry.quality)}]"
        for parameter, entry in pairs
        if entry.quality & _CONDITION != Quality.GOOD
    ]
    verdict = f"{len(bad)} not GOOD: {_few(bad)}" if bad else "all GOOD"
    details = (value_text(parameter, entry.value, entry.sigma, entry.quality) for parameter, entry in pairs)
    objects = [
        {
            "name": parameter.name,
            "unit": parameter.unit,
            "value": tidy(entry.value),
            "sigma": tidy(entry.sigma),
            "quality": quality_text(entry.quality),
        }
        for parameter, entry in pairs
    ]
    return Report(
        f"set {sid}: {len(pairs)} parameters, {verdict}",
        "",
        {"kind": "housekeeping", "set": sid, "parameters": objects},
        tuple(details),
    )


def _heartbeat(frame: Frame, names: Names) -> Report:
    heartbeat.unpack(frame.body)
    return Report("heartbeat", "dim", {"kind": "heartbeat"})


def _samples(frame: Frame, names: Names) -> Report:
    entries = [(names.parameter(entry.parameter), entry) for entry in samples.unpack(frame.body)]
    texts = tuple(value_text(parameter, entry.value, math.nan, entry.quality) for parameter, entry in entries)
    objects = [
        {
            "time": time_text(frame.unix_ns + entry.offset_ns),
            "offset_ns": entry.offset_ns,
            **_parameter(parameter, entry.value, entry.quality),
        }
        for parameter, entry in entries
    ]
    return Report(f"samples {_few(texts)}", "dim", {"kind": "samples", "samples": objects}, texts)


_KINDS: Mapping[tuple[int, int], Callable[[Frame, Names], Report]] = {
    (transition.SERVICE, transition.SUBSERVICE): _transition,
    (occurrence.SERVICE, occurrence.SUBSERVICE): _occurrence,
    (housekeeping.SERVICE, housekeeping.SUBSERVICE): _housekeeping,
    (heartbeat.SERVICE, heartbeat.SUBSERVICE): _heartbeat,
    (samples.SERVICE, samples.SUBSERVICE): _samples,
}
_STYLES = {1: "green", 2: "bold yellow", 3: "bold red", 4: "bold white on red"}  # by subservice: the severity


def words(kind: Kind) -> str:
    """An occurrence by its name: phase begun."""
    return kind.name.lower().replace("_", " ")


def tidy(value: float) -> float:
    """The shortest number that is the same f32: 0.0002, not 0.00019999999494757503."""
    if not math.isfinite(value):
        return value
    for digits in range(6, 9):
        short = float(f"{value:.{digits}g}")
        if _same_f32(short, value):
            return short
    return value


def _same_f32(short: float, value: float) -> bool:
    try:
        return _F32.pack(short) == _F32.pack(value)
    except OverflowError:  # the largest f32, rounded up
        return False


def _few(texts: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = len(texts) - MOST_NAMED
    return ", ".join(texts[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def value_text(
    parameter: Parameter, value: float, sigma: float = math.nan, quality: int = Quality.GOOD
) -> str:
    """In words: name, value, standard error, unit; the quality where it is not simply GOOD."""
    error = "" if math.isnan(sigma) else f" ± {sigma:.2g}"
    flags = "" if quality == Quality.GOOD else f" [{quality_text(quality)}]"
    return f"{parameter.name} = {_number(parameter, value)}{error}{_unit(parameter.unit)}{flags}"


def limit_text(what: str, limit: float, check: int, parameter: Parameter) -> str:
    """In words: ", WHAT number unit"; "" where there is no limit. Checks that measure time have it in seconds."""
    if math.isnan(limit):
        return ""
    return f", {what} {limit:.6g}{_unit('s' if check in TIMED else parameter.unit)}"


def _number(parameter: Parameter, value: float) -> str:
    """The value, a fault by its name."""
    number = f"{value:.6g}"
    return _FAULTS.get(value, number) if parameter.name.endswith(".fault") else number


def _unit(unit: str) -> str:
    return f" {unit}" if unit else ""


def _parameter(parameter: Parameter, value: float, quality: int) -> Json:
    return {
        "parameter": parameter.id,
        "name": parameter.name,
        "unit": parameter.unit,
        "value": value,
        "quality": quality_text(quality),
    }


def _hex(frame: Frame) -> Json:
    return {"body": frame.body.hex()}


def _name(kind: type[enum.IntEnum], value: int) -> str:
    try:
        return kind(value).name
    except ValueError:
        return str(value)


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value
