"""The book of alarms: takes changes of limits, commands and the passing of time, and gives the reports.

The life cycle itself is the table in `alarm`. Here are its occasions, and what runs beside it: overlays,
chatter and reminders.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from fsw.alarm import (
    Alarm,
    AlarmEvent,
    Memory,
    Overlay,
    State,
    Transition,
    Trigger,
    advance,
    trigger_of,
)
from fsw.limit import Change, Limit
from fsw.sample import Quality
from fsw.telecommand import (
    Acknowledge,
    Command,
    InService,
    Lay,
    Lift,
    OutOfService,
    Reason,
    Refusal,
    Reset,
    Shelve,
    Suppress,
    Unshelve,
    Unsuppress,
)

__all__ = [
    "Acknowledge",
    "Alarm",
    "AlarmBook",
    "AlarmEvent",
    "Command",
    "InService",
    "Memory",
    "OutOfService",
    "Overlay",
    "Reason",
    "Refusal",
    "Reset",
    "Shelve",
    "State",
    "Suppress",
    "Transition",
    "Unshelve",
    "Unsuppress",
]

_OVERLAYS: dict[type[Lay | Lift], tuple[Overlay, Transition]] = {
    Shelve: (Overlay.SHELVED, Transition.SHELVE),
    Unshelve: (Overlay.SHELVED, Transition.UNSHELVE),
    Suppress: (Overlay.SUPPRESSED, Transition.SUPPRESS),
    Unsuppress: (Overlay.SUPPRESSED, Transition.UNSUPPRESS),
    OutOfService: (Overlay.OUT_OF_SERVICE, Transition.OUT_OF_SERVICE),
    InService: (Overlay.OUT_OF_SERVICE, Transition.IN_SERVICE),
}

_NO_RESET = {
    State.NORMAL: Reason.NOTHING_TO_RESET,
    State.UNACK: Reason.CONDITION_TRUE,
    State.ACKED: Reason.CONDITION_TRUE,
    State.RTN_UNACK: Reason.NOT_ACKNOWLEDGED,
    State.LATCHED_UNACK: Reason.NOT_ACKNOWLEDGED,
}

_ANNOUNCING = (Trigger.RAISE, Trigger.WORSE, Trigger.UNVEIL)  # a reminder counts from these


class AlarmBook:
    """All alarms of a board, one for each limit and in the same order."""

    def __init__(self, limits: Iterable[Limit]) -> None:
        self.limits = list(limits)
        self.alarms = [Alarm() for _ in self.limits]
        self.refused: Sequence[Refusal] = ()  # by the last apply
        self._index = {limit.id: index for index, limit in enumerate(self.limits)}
        self._waiting: set[int] = set()  # alarms with a deadline
        self._next_ns: float = math.inf
        self._events: list[AlarmEvent] = []

    def apply(
        self, now_ns: int, changes: Sequence[Change], commands: Sequence[Command] = ()
    ) -> list[AlarmEvent]:
        """What fell due, then the changes in order of alarm id, then the commands; the reports of it all.

        Commands that were refused are in `refused` until the next call.
        """
        self.refused = ()
        if not changes and not commands and now_ns < self._next_ns:
            return []
        if now_ns >= self._next_ns:
            for index in sorted(self._waiting, key=self._id):
                self._expire(now_ns, index)
        for change in sorted(changes, key=lambda change: self._id(change.index)):
            self._establish(now_ns, change)
        answers = [(command, self._obey(now_ns, command)) for command in commands]
        self.refused = tuple(Refusal(command, reason) for command, reason in answers if reason)
        return self._reported()

    def redefine(self, index: int, limit: Limit) -> None:
        """Replace a definition in flight; the alarm stays as it stands. ValueError: another id."""
        if limit.id != self._id(index):
            raise ValueError(f"{limit.name}: id {limit.id} must stay {self._id(index)}")
        self.limits[index] = limit

    def remember(self, now_ns: int) -> list[Memory]:
        """What a restart must not forget."""
        return [
            Memory(
                alarm=limit.id,
                state=alarm.state,
                occurrence=alarm.occurrence,
                severity=alarm.severity,
                peak_severity=alarm.peak_severity,
                overlays=alarm.overlays,
                shelf_left_ns=max(0, (alarm.shelved_until_ns or now_ns) - now_ns),
                level=alarm.level if alarm.condition else 0,
            )
            for limit, alarm in zip(self.limits, self.alarms, strict=True)
            if alarm.occurrence or alarm.overlays
        ]

    def restore(self, now_ns: int, memories: Iterable[Memory]) -> list[AlarmEvent]:
        """Take up what was remembered, before the first apply; alarms that the board lacks are passed over."""
        for memory in sorted(memories, key=lambda memory: memory.alarm):
            index = self._index.get(memory.alarm)
            if index is None:
                continue
            shelved = Overlay.SHELVED in memory.overlays
            alarm = Alarm(
                state=memory.state,
                occurrence=memory.occurrence,
                severity=memory.severity,
                peak_severity=memory.peak_severity,
                overlays=memory.overlays,
                level=memory.level,
                shelved_until_ns=now_ns + memory.shelf_left_ns if shelved else None,
                remind_at_ns=self._remind_at(now_ns, index) if memory.state is State.UNACK else None,
            )
            self._put(index, alarm)
            if alarm.state or alarm.overlays:
                self._report(Transition.RESTORED, index, alarm)
        return self._reported()

    # The occasions: time, a limit, an operator.

    def _expire(self, now_ns: int, index: int) -> None:
        alarm = self.alarms[index]
        if alarm.quiet_at_ns is not None and now_ns >= alarm.quiet_at_ns:
            self._report(Transition.CHATTER, index, alarm)
            self._put(index, replace(alarm, quiet_at_ns=None, chatter_raises=0))
            self._judge(now_ns, index, alarm.evidence.severity if alarm.evidence else alarm.severity)
        if alarm.shelved_until_ns is not None and now_ns >= alarm.shelved_until_ns:
            self._lift(now_ns, index, Unshelve)
        alarm = self.alarms[index]
        if alarm.remind_at_ns is not None and now_ns >= alarm.remind_at_ns:
            self._put(index, replace(alarm, remind_at_ns=self._remind_at(now_ns, index)))
            if not alarm.overlays:
                self._report(Transition.REMIND, index, alarm)

    def _establish(self, now_ns: int, change: Change) -> None:
        index = change.index
        alarm = replace(self.alarms[index], evidence=change, level=change.level)
        self._put(index, alarm)
        if alarm.quiet_at_ns is None:
            self._judge(now_ns, index, change.severity)
            return
        rises = alarm.chatter_raises + (change.severity > 0 and change.previous == 0)
        quiet_at_ns = now_ns + self.limits[index].chatter_window_ns
        self._put(index, replace(alarm, quiet_at_ns=quiet_at_ns, chatter_raises=rises))
        if change.severity > alarm.severity:  # held, but what gets worse is never held back
            self._judge(now_ns, index, change.severity)

    def _obey(self, now_ns: int, command: Command) -> Reason | None:
        index = self._index.get(command.alarm)
        if index is None:
            return Reason.UNKNOWN_ALARM
        alarm, fired = self.alarms[index], True
        match command:
            case Acknowledge() if command.occurrence != alarm.occurrence:
                return Reason.OTHER_OCCURRENCE
            case Acknowledge():
                fired = self._fire(now_ns, index, Trigger.ACK)
                return None if fired else Reason.NOTHING_TO_ACKNOWLEDGE
            case Reset():
                fired = self._fire(now_ns, index, Trigger.RESET)
                return None if fired else _NO_RESET[alarm.state]
            case Shelve() | Suppress() | OutOfService():
                return self._lay(now_ns, index, command)
        return self._lift(now_ns, index, type(command))

    # What they do.

    def _judge(self, now_ns: int, index: int, severity: int) -> None:
        """Bring the alarm to the severity that its limit has established; 0: none."""
        trigger = trigger_of(self.alarms[index], self.limits[index], severity)
        if trigger is not None:
            self._fire(now_ns, index, trigger, severity)
        if trigger is Trigger.RAISE and self.limits[index].chatter_n:
            self._count_raise(now_ns, index)

    def _fire(self, now_ns: int, index: int, trigger: Trigger, severity: int = 0) -> bool:
        before = self.alarms[index]
        step = advance(before, trigger, severity)
        if step is None:
            return False
        after, reports = step
        if after.state is not State.UNACK:
            after = replace(after, remind_at_ns=None)
        elif trigger in _ANNOUNCING:
            after = replace(after, remind_at_ns=self._remind_at(now_ns, index))
        self._put(index, after)
        for report in reports:
            self._report(report, index, before)
        return True

    def _count_raise(self, now_ns: int, index: int) -> None:
        limit, alarm = self.limits[index], self.alarms[index]
        raises = (*alarm.raises_ns, now_ns)[-limit.chatter_n :]
        if len(raises) < limit.chatter_n or now_ns - raises[0] > limit.chatter_window_ns:
            self._put(index, replace(alarm, raises_ns=raises))
            return
        quiet_at_ns = now_ns + limit.chatter_window_ns
        self._put(index, replace(alarm, raises_ns=(), quiet_at_ns=quiet_at_ns, chatter_raises=len(raises)))
        self._report(Transition.CHATTER, index, alarm)

    def _lay(self, now_ns: int, index: int, command: Lay) -> Reason | None:
        overlay, transition = _OVERLAYS[type(command)]
        before = self.alarms[index]
        after = replace(before, overlays=before.overlays | overlay)
        if isinstance(command, Shelve):
            longest_ns = self.limits[index].longest_shelf_ns
            if command.until_ns <= now_ns:
                return Reason.SHELF_IN_THE_PAST
            if 0 < longest_ns < command.until_ns - now_ns:
                return Reason.SHELF_TOO_LONG
            after = replace(after, shelved_until_ns=command.until_ns)
        elif overlay in before.overlays:
            return Reason.ALREADY_SO
        self._put(index, after)
        self._report(transition, index, before)
        return None

    def _lift(self, now_ns: int, index: int, lift: type[Lift]) -> Reason | None:
        overlay, transition = _OVERLAYS[lift]
        before = self.alarms[index]
        if overlay not in before.overlays:
            return Reason.ALREADY_SO
        until_ns = None if overlay is Overlay.SHELVED else before.shelved_until_ns
        after = replace(before, overlays=before.overlays & ~overlay, shelved_until_ns=until_ns)
        self._put(index, after)
        if not after.overlays:
            self._fire(now_ns, index, Trigger.UNVEIL)
        self._report(transition, index, before)
        return None

    def _id(self, index: int) -> int:
        return self.limits[index].id

    def _remind_at(self, now_ns: int, index: int) -> int | None:
        period_ns = self.limits[index].remind_ns
        return now_ns + period_ns if period_ns else None

    def _put(self, index: int, alarm: Alarm) -> None:
        self.alarms[index] = alarm
        if alarm.deadline_ns is None:
            self._waiting.discard(index)
        else:
            self._waiting.add(index)

    def _report(self, transition: Transition, index: int, before: Alarm) -> None:
        """What led from `before` to how the alarm stands now."""
        limit, after, shown = self.limits[index], self.alarms[index], self.alarms[index].evidence
        n, m = (shown.hits, shown.m) if shown else (0, limit.window)
        if transition is Transition.CHATTER:
            n, m = min(max(before.chatter_raises, after.chatter_raises), 255), limit.chatter_n
        self._events.append(
            AlarmEvent(
                event=limit.event,
                transition=transition,
                alarm=limit.id,
                occurrence=after.occurrence,
                previous=before.state,
                state=after.state,
                previous_overlay=bool(before.overlays),
                overlay=bool(after.overlays),
                severity=after.severity,
                peak_severity=after.peak_severity or before.peak_severity,
                check=limit.check,
                quality=shown.quality if shown else Quality.STALE,
                row=limit.shown_row,
                n=n,
                m=m,
                value=shown.value if shown else math.nan,
                limit=shown.limit if shown else limit.report_limit,
                sigma=shown.sigma if shown else math.nan,
                peak=shown.peak if shown else math.nan,
            )
        )

    def _reported(self) -> list[AlarmEvent]:
        events, self._events = self._events, []
        deadlines = (self.alarms[index].deadline_ns for index in self._waiting)
        self._next_ns = min((time for time in deadlines if time is not None), default=math.inf)
        return events
