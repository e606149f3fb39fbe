"""Packets in words and as JSON objects, with a board's names and units or with the ids that packets carry."""

import enum
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from fsw.clock import TimeStatus
from fsw.ground.names import WORSE, Advice, Names
from fsw.ground.wording import limit_text, number_text, tidy, time_text, value_text, words
from fsw.limit import Check, Status
from fsw.packets import event, heartbeat, housekeeping, occurrence, samples, transition
from fsw.packets.field import quality_text
from fsw.packets.frame import Frame, PacketError, Stretch
from fsw.sample import Quality
from fsw.table import Parameter

MOST_NAMED = 4  # parameters in a line; the rest are details
Json = dict[str, object]
_CONDITION = Quality.GOOD | Quality.UNCERTAIN | Quality.BAD | Quality.STALE


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
    peak = "" if math.isnan(alarm.peak) else f", peak {number_text(parameter, alarm.peak)}"
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


def _few(texts: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = len(texts) - MOST_NAMED
    return ", ".join(texts[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


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
