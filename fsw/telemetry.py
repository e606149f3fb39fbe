"""What a tick has to say, as packets: alarms, transitions and occurrences, then what entered, then what is due."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fsw.alarms import AlarmEvent
from fsw.limits import Change, Limit
from fsw.occurrence import Occurrence
from fsw.packets import event, heartbeat, housekeeping, occurrence, samples, transition
from fsw.packets.frame import Framer
from fsw.sample import Sample
from fsw.table import Table


class Set(Protocol):
    """The parameters of one housekeeping report."""

    @property
    def sid(self) -> int:
        """Which set, as the packet names it."""

    @property
    def period_ns(self) -> int:
        """How often it is reported."""

    @property
    def rows(self) -> tuple[int, ...]:
        """What is in it."""


@dataclass(slots=True)
class Due:
    """Something that is said once a period."""

    period_ns: int
    next_ns: int = 0

    def now(self, now_ns: int) -> bool:
        """Whether it is time; if so, the next time is set on the same grid, past instants left out."""
        if now_ns < self.next_ns:
            return False
        if self.next_ns == 0:
            self.next_ns = now_ns
        self.next_ns += ((now_ns - self.next_ns) // self.period_ns + 1) * self.period_ns
        return True


class Telemetry:
    """Packs the packets of each tick. `source` (Quality.SIM, REPLAY or 0) goes into every quality byte."""

    def __init__(
        self,
        framer: Framer,
        table: Table,
        limits: Sequence[Limit],
        sets: Sequence[Set],
        heartbeat_ns: int,
        limits_crc32: int,
        source: int = 0,
    ) -> None:
        self._framer = framer
        self._table = table
        self._limits = tuple(limits)
        self._ids = [parameter.id for parameter in table.parameters]
        self._sets = [(a_set, Due(a_set.period_ns)) for a_set in sets]
        self._heartbeat = Due(heartbeat_ns)
        self._limits_crc32 = limits_crc32
        self._source = int(source)
        self._tick = 0

    def set_time(self, unix_offset_ns: int, status: int) -> None:
        """What to add to `now_ns` for wall time from now on, and what keeps that clock."""
        self._framer.set_time(unix_offset_ns, status)

    def packets(
        self,
        now_ns: int,
        arrivals: Sequence[Sample],
        changes: Sequence[Change],
        events: Sequence[AlarmEvent],
        occurrences: Sequence[Occurrence] = (),
    ) -> list[bytes]:
        """Every packet of the tick at `now_ns`, the most urgent first."""
        self._tick += 1
        frame = self._framer.frame
        out = [self._alarm(now_ns, reported) for reported in events]
        for change in changes:
            body = transition.pack([self._transition(now_ns, change)])
            out.append(frame(transition.SERVICE, transition.SUBSERVICE, now_ns, body))
        for happened in occurrences:
            body = self._occurrence(happened)
            out.append(frame(occurrence.SERVICE, occurrence.SUBSERVICE, now_ns, body))
        if arrivals:
            for body in samples.pack(arrivals, self._ids, now_ns, self._source):
                out.append(frame(samples.SERVICE, samples.SUBSERVICE, now_ns, body))
        for a_set, due in self._sets:
            if due.now(now_ns):
                body = housekeeping.pack(a_set.sid, self._table, a_set.rows, self._source)
                out.append(frame(housekeeping.SERVICE, housekeeping.SUBSERVICE, now_ns, body))
        if self._heartbeat.now(now_ns):
            out.append(frame(heartbeat.SERVICE, heartbeat.SUBSERVICE, now_ns, heartbeat.pack()))
        return out

    def _alarm(self, now_ns: int, reported: AlarmEvent) -> bytes:
        body = event.pack(
            event.Event(
                event=reported.event,
                transition=reported.transition,
                alarm=reported.alarm,
                occurrence=reported.occurrence,
                previous=reported.previous,
                state=reported.state,
                severity=reported.severity,
                peak_severity=reported.peak_severity,
                check=reported.check,
                quality=reported.quality | self._source,
                parameter=self._ids[reported.row],
                n=reported.n,
                m=reported.m,
                value=reported.value,
                limit=reported.limit,
                sigma=reported.sigma,
                peak=reported.peak,
                tick=self._tick,
                table_crc=self._limits_crc32,
                previous_overlay=reported.previous_overlay,
                overlay=reported.overlay,
            )
        )
        subservice = event.subservice(reported.transition, reported.severity)
        return self._framer.frame(event.SERVICE, subservice, now_ns, body)

    def _occurrence(self, happened: Occurrence) -> bytes:
        row = happened.row
        return occurrence.pack(
            occurrence.Report(
                kind=happened.kind,
                quality=self._table.quality[row] | self._source,
                vessel=self._ids[row],
                phase=happened.phase,
                began_ns=self._framer.unix_ns(happened.began_ns),
                kg=happened.kg,
                inventory=self._table.value[row],
                inventory_sigma=self._table.sigma[row],
                tick=self._tick,
            )
        )

    def _transition(self, now_ns: int, change: Change) -> transition.Entry:
        limit = self._limits[change.index]
        return transition.Entry(
            monitor=limit.id,
            parameter=self._ids[limit.shown_row],
            check=limit.check,
            value=change.value,
            limit=change.limit,
            previous=limit.status(change.previous),
            current=limit.status(change.level),
            unix_ns=self._framer.unix_ns(now_ns),
        )
