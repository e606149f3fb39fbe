"""What a replay finds, as lines for people and as objects for programs: alarms, estimates, events."""

import math
from typing import Any

from fsw.alarms import AlarmEvent
from fsw.board.board import Board
from fsw.board.vessel import VesselSpec
from fsw.ground.names import WORSE, Advice
from fsw.ground.recording import Mark, Remark
from fsw.ground.replay import Due, Found, Happened, Reported
from fsw.ground.wording import limit_text, time_text, value_text, words
from fsw.leak.state import NEVER_S, Finding
from fsw.limit import Check
from fsw.packets.event import Severity
from fsw.sample import Quality
from fsw.table import Reading, Table

Json = dict[str, object]
NS_PER_S = 1_000_000_000
TWO_SIDED_95 = 1.96
INSTRUMENT_CHECKS = frozenset({Check.STALE, Check.QUALITY, Check.FLAT_LINE, Check.DISAGREE})
_UNKNOWN = Reading(math.nan, math.nan, 0, int(Quality.STALE))
_CERTAIN = 1.0  # of leak_certainty


class Teller:
    """Puts findings of one board into words. `dated`: times are dates, else seconds as recorded."""

    def __init__(self, board: Board, dated: bool) -> None:
        self._board = board
        self._dated = dated
        self._limits = {limit.id: limit for limit in board.limits}
        self._vessels = {spec.name: spec for spec in board.vessels}
        self._vessel_of_row = {spec.outputs.inventory: spec.name for spec in board.vessels}
        self._phases = {phase.id: phase.name for phase in board.phases}
        self._of_instrument = {
            board.parameters[row].name.partition(".")[0]: spec.name
            for spec in reversed(board.vessels)
            for row in _input_rows(spec)
        }

    def kind(self, event: AlarmEvent) -> str:
        """leak, instrument, limit or event."""
        limit = self._limits[event.alarm]
        if limit.name in self._board.file.limits:
            return "limit"
        if limit.check in INSTRUMENT_CHECKS:
            return "instrument"
        return "leak" if self._parameter(limit.row).partition(".")[2].startswith("leak") else "event"

    def vessel(self, event: AlarmEvent) -> str | None:
        """Whose alarm it is, where that can be told."""
        owner = self._parameter(self._limits[event.alarm].row).partition(".")[0]
        return owner if owner in self._vessels else self._of_instrument.get(owner)

    def time_text(self, unix_ns: int | None) -> str:
        """An instant for people."""
        if unix_ns is None:
            return "-"
        return time_text(unix_ns) if self._dated else f"{unix_ns / NS_PER_S:.3f} s"

    def short_time(self, unix_ns: int | None) -> str:
        """The same to the second, for tables."""
        text = self.time_text(unix_ns)
        return f"{text[:19]}Z" if self._dated and unix_ns is not None else text

    def json(self, found: Found) -> list[Json]:
        """The objects, one a line; what is not known is null."""
        match found:
            case Reported():
                return [self._alarm_json(found)]
            case Happened():
                return [self._event_json(found)]
            case Due(unix_ns, table):
                return [self._estimate_json(unix_ns, name, table) for name in self._vessels]
            case _:
                text = found.event if isinstance(found, Mark) else found.text
                at_ns = found.unix_ns
                return [
                    {"type": "event", "time_s": None if at_ns is None else at_ns / NS_PER_S, "event": text}
                ]

    def text(self, found: Found) -> tuple[str, str]:
        """(line, style) for people."""
        match found:
            case Reported(unix_ns, event, table):
                return f"{self.time_text(unix_ns)}  {self._alarm_text(event, table)}", _style(event)
            case Happened(unix_ns):
                return f"{self.time_text(unix_ns)}  event: {self._event_text(found)}", "cyan"
            case Due(unix_ns, table):
                said = "; ".join(f"{name}: {self._leak_text(name, table)}" for name in self._vessels)
                return f"{self.time_text(unix_ns)}  {said}", "dim"
            case Mark(unix_ns, text):
                return f"{self.time_text(unix_ns)}  event: {text}", "cyan"
            case Remark(unix_ns, text):
                return f"{self.time_text(unix_ns)}  recording: {text}", "magenta"

    def name(self, event: AlarmEvent) -> str:
        """The alarm's."""
        return self._limits[event.alarm].name

    def _parameter(self, row: int) -> str:
        return self._board.parameters[row].name

    def _alarm_json(self, found: Reported) -> Json:
        event, vessel, kind = found.event, self.vessel(found.event), self.kind(found.event)
        said: Json = {
            "type": "alarm",
            "time_s": found.unix_ns / NS_PER_S,
            "alarm": self.name(event),
            "kind": kind,
            "vessel": vessel,
            "severity": event.severity,
            "transition": event.transition.name,
            **self._leak_json(found.unix_ns, vessel, found.table),
        }
        if kind != "leak":
            shown = self._board.parameters[event.row]
            said |= {
                "parameter": shown.name,
                "value": _number(event.value),
                "unit": shown.unit,
                "limit": _number(event.limit),
            }
        return said

    def _event_json(self, found: Happened) -> Json:
        happened = found.occurrence
        return {
            "type": "event",
            "time_s": found.unix_ns / NS_PER_S,
            "event": words(happened.kind),
            "vessel": self._vessel_of_row[happened.row],
            "phase": self._phases.get(happened.phase),
            "kg": _number(happened.kg),
            "began_s": found.began_ns / NS_PER_S,
        }

    def _event_text(self, found: Happened) -> str:
        happened = found.occurrence
        phase = f" {self._phases[happened.phase]}" if happened.phase in self._phases else ""
        kg = f" of {abs(happened.kg):.4g} kg" if math.isfinite(happened.kg) else ""
        since = "" if found.began_ns == found.unix_ns else f", since {self.time_text(found.began_ns)}"
        return f"{words(happened.kind)}{phase}{kg}, {self._vessel_of_row[happened.row]}{since}"

    def _estimate_json(self, unix_ns: int, vessel: str, table: Table) -> Json:
        inventory = self._read(vessel, "inventory", table)
        certainty = self._read(vessel, "leak_certainty", table)
        return {
            "type": "estimate",
            "time_s": unix_ns / NS_PER_S,
            "vessel": vessel,
            "determined": bool(certainty.quality & Quality.GOOD),
            "verdict": _verdict(self._read(vessel, "verdict", table).value),
            "certainty": _number(certainty.value),
            "inventory_kg": _number(inventory.value),
            "inventory_sigma_kg": _number(inventory.sigma),
            **self._leak_json(unix_ns, vessel, table),
            "time_to_limit_s": _time(self._read(vessel, "time_to_limit", table).value),
        }

    def _leak_json(self, unix_ns: int, vessel: str | None, table: Table) -> Json:
        rate, hole = self._read(vessel, "leak_rate", table), self._read(vessel, "hole", table)
        onset, empty = self._read(vessel, "onset", table), self._read(vessel, "time_to_empty", table)
        decay = self._read(vessel, "decay", table)
        # Rate and onset are told once a second, the inventory with each sample.
        told_ns = onset.time_ns + unix_ns - max(onset.time_ns, self._read(vessel, "inventory", table).time_ns)
        age_s = _number(onset.value)
        return {
            "leak_kg_per_s": _number(rate.value),
            "leak_sigma_kg_per_s": _number(rate.sigma),
            "decay_pa_per_s": _number(decay.value),
            "decay_sigma_pa_per_s": _number(decay.sigma),
            "hole_m": _number(hole.value),
            "hole_sigma_m": _number(hole.sigma),
            "onset_s": None if age_s is None else round(told_ns / NS_PER_S - age_s, 3),
            "time_to_empty_s": _time(empty.value),
            "time_to_empty_band_s": _band(empty),
        }

    def _read(self, vessel: str | None, output: str, table: Table) -> Reading:
        row = getattr(self._vessels[vessel].outputs, output, None) if vessel is not None else None
        return _UNKNOWN if row is None else table.read(row)

    def _alarm_text(self, event: AlarmEvent, table: Table) -> str:
        shown = self._board.parameters[event.row]
        value = value_text(shown, event.value, event.sigma)
        limit = limit_text("limit", event.limit, event.check, shown)
        text = f"{Severity(event.severity).name:6} {event.transition.name} {self.name(event)}: {value}{limit}"
        vessel = self.vessel(event)
        if self.kind(event) == "leak" and vessel is not None:
            text += f"; {self._leak_text(vessel, table)}"
        if event.transition in WORSE:
            definition = self._limits[event.alarm]
            text += str(Advice(definition.text, definition.guidance))
        return text

    def _leak_text(self, vessel: str, table: Table) -> str:
        """Is it leaking, since when, how big is the hole, how long have we got."""
        rate, certainty = self._read(vessel, "leak_rate", table), self._read(vessel, "leak_certainty", table)
        if not certainty.quality & Quality.GOOD:
            return "cannot be told"
        parts = [f"leak {rate.value:.3g} ± {rate.sigma:.2g} kg/s"]
        if certainty.value >= _CERTAIN:
            hole, onset = self._read(vessel, "hole", table), self._read(vessel, "onset", table)
            if math.isfinite(hole.value):
                parts.append(f"hole {hole.value * 1e3:.3g} ± {hole.sigma * 1e3:.2g} mm")
            if math.isfinite(onset.value):
                parts.append(f"for {onset.value:.4g} ± {onset.sigma:.2g} s")
            for name, what in (("time_to_limit", "at the limit"), ("time_to_empty", "empty")):
                left_s = _time(self._read(vessel, name, table).value)
                if left_s is not None:
                    parts.append(f"{what} in {left_s:.4g} s")
        return ", ".join(parts)


def _input_rows(spec: VesselSpec) -> list[int]:
    """Rows that the vessel looks at, whatever its inputs are called."""
    values: list[Any] = [getattr(spec.inputs, name) for name in spec.inputs.__dataclass_fields__]
    fused = [each.row for input_ in spec.fused for each in input_.group.instruments]
    return fused + [
        row
        for value in values
        for row in (value if isinstance(value, tuple) else (value,))
        if row is not None
    ]


def _verdict(value: float) -> str | None:
    """The finding in a word; None before there is one."""
    return Finding(int(value)).name.lower() if math.isfinite(value) else None


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _time(seconds: float) -> float | None:
    """None for never, and for what is not known."""
    return seconds if math.isfinite(seconds) and seconds < NEVER_S else None


def _band(time: Reading) -> list[float | None] | None:
    """95 % of a time that is an amount over a rate: the rate's error decides, so its reciprocal is what spreads."""
    middle_s = _time(time.value)
    if middle_s is None or not math.isfinite(time.sigma) or middle_s <= 0:
        return None
    spread = TWO_SIDED_95 * time.sigma / middle_s
    return [round(middle_s / (1 + spread), 3), round(middle_s / (1 - spread), 3) if spread < 1 else None]


def _style(event: AlarmEvent) -> str:
    return {1: "green", 2: "yellow", 3: "bold red", 4: "bold white on red"}.get(event.severity, "green")
