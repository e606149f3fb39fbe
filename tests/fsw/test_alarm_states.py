"""The life cycle of alarms, exhaustively: every state of the real book that any sequence of stimuli can reach."""

import copy
from collections import deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fsw.alarms import (
    Acknowledge,
    AlarmBook,
    InService,
    OutOfService,
    Overlay,
    Reset,
    Shelve,
    State,
    Suppress,
    Unshelve,
    Unsuppress,
)

from .alarm_desk import CLEAR, RAISE, A, B, C, D, E, F, S, a_change, a_limit

# With one alarm and a clock of whole seconds.

SHELF_S, CHATTER_S, REMIND_S = 2, 2, 2


STIMULI = {
    "tick": lambda book, now: [],
    "normal": lambda book, now: [a_change(0, previous_severity(book))],
    "high": lambda book, now: [a_change(2, previous_severity(book))],
    "high high": lambda book, now: [a_change(4, previous_severity(book))],
    "ack": lambda book, now: Acknowledge(7, book.alarms[0].occurrence),
    "ack of another": lambda book, now: Acknowledge(7, book.alarms[0].occurrence + 1),
    "reset": lambda book, now: Reset(7),
    "shelve": lambda book, now: Shelve(7, now + SHELF_S * S),
    "unshelve": lambda book, now: Unshelve(7),
    "suppress": lambda book, now: Suppress(7),
    "unsuppress": lambda book, now: Unsuppress(7),
    "out": lambda book, now: OutOfService(7),
    "in": lambda book, now: InService(7),
}


def previous_severity(book):
    evidence = book.alarms[0].evidence
    return evidence.severity if evidence else 0


def apply(book, now_ns, stimulus):
    what = STIMULI[stimulus](book, now_ns)
    if isinstance(what, list):
        return book.apply(now_ns, what)
    return book.apply(now_ns, [], [what])


def key(book, now_ns):
    """The alarm but for occurrence, absolute time and numbers that decide nothing."""
    alarm = book.alarms[0]

    def left(time_ns):
        return None if time_ns is None else time_ns - now_ns

    raises = tuple(left(time) for time in alarm.raises_ns if now_ns - time <= CHATTER_S * S)
    return (
        alarm.state,
        alarm.severity,
        alarm.peak_severity,
        alarm.overlays,
        previous_severity(book),
        left(alarm.shelved_until_ns),
        left(alarm.remind_at_ns),
        left(alarm.quiet_at_ns),
        raises,
    )


def check_alarm(alarm, limit):
    assert (alarm.severity == 0) == (alarm.state is A)
    assert alarm.severity <= alarm.peak_severity <= 4
    assert alarm.condition == (alarm.state in (B, C))
    if alarm.state in (D, E, F):
        assert alarm.severity == alarm.peak_severity
    assert limit.latching or alarm.state not in (E, F)
    assert not limit.latching or alarm.state is not D
    established = alarm.evidence.severity if alarm.evidence else 0
    if alarm.quiet_at_ns is None:
        assert alarm.condition == bool(established)
        assert not alarm.condition or alarm.severity == established
    else:
        assert alarm.condition  # chatter holds it
        assert alarm.severity >= established
    assert (alarm.shelved_until_ns is not None) == (Overlay.SHELVED in alarm.overlays)


def check_step(before, after, stimulus, events, refused, limit):
    reports = [event.transition for event in events]
    if stimulus not in ("ack", "reset", "high", "high high", "normal"):
        quiet_over = before.quiet_at_ns is not None and after.quiet_at_ns is None
        lifted = before.overlays and not after.overlays
        reannunciated = (before.state, after.state) == (C, B) and lifted
        assert after.state is before.state or reannunciated or quiet_over
    if after.overlays and not (after.quiet_at_ns is None and before.quiet_at_ns is not None):
        assert stimulus in ("ack", "reset", "high", "high high", "normal") or after.state is before.state
    if after.state is A and before.state is not A:
        acknowledged = before.state in (C, F) or stimulus == "ack"
        assert acknowledged or (limit.auto_ack and not limit.latching)
        assert not limit.latching or (before.state is F and stimulus == "reset")
        assert CLEAR in reports
    assert (after.occurrence != before.occurrence) == (RAISE in reports)
    assert (after.state is not before.state) <= bool(reports)
    if refused:
        assert not events or stimulus not in STIMULI
        assert after == before
    for event in events:
        assert (event.severity == 0) == (event.state is A)
        assert 1 <= event.peak_severity <= 4 or event.state is A


def explore(limit, stimuli, most):
    """Breadth first; the edges of the graph, each state once."""
    first = AlarmBook([limit])
    edges, todo = {}, deque([(first, 0)])
    edges[key(first, 0)] = set()
    while todo:
        book, now_ns = todo.popleft()
        here = key(book, now_ns)
        for stimulus in stimuli:
            then = copy.copy(book)
            then.alarms, then._waiting, then._events = list(book.alarms), set(book._waiting), []
            later = now_ns + (S if stimulus == "tick" else 0)
            events = apply(then, later, stimulus)
            check_alarm(then.alarms[0], limit)
            check_step(book.alarms[0], then.alarms[0], stimulus, events, then.refused, limit)
            there = key(then, later)
            edges[here].add(there)
            if there not in edges:
                edges[there] = set()
                todo.append((then, later))
                assert len(edges) <= most
    return edges


def reaches_normal(edges):
    """All states from which NORMAL can be reached."""
    back = {state: set() for state in edges}
    for here, theres in edges.items():
        for there in theres:
            back[there].add(here)
    good = {state for state in edges if state[0] is A}
    todo = deque(good)
    while todo:
        for before in back[todo.popleft()] - good:
            good.add(before)
            todo.append(before)
    return good


@pytest.mark.parametrize("latching", [False, True])
@pytest.mark.parametrize("auto_ack", [False, True])
@pytest.mark.parametrize("extra", ["overlays", "chatter", "remind"])
def test_the_invariants_hold_in_every_reachable_state(latching, auto_ack, extra):
    chatter = {"chatter_n": 2, "chatter_window_ns": CHATTER_S * S} if extra == "chatter" else {}
    remind = {"remind_ns": REMIND_S * S} if extra == "remind" else {}
    masks = list(STIMULI) if extra == "overlays" else list(STIMULI)[:9]
    edges = explore(a_limit(latching=latching, auto_ack=auto_ack, **chatter, **remind), masks, most=20_000)
    states = {state[0] for state in edges}
    unreachable = {D} if latching or auto_ack else set()
    unreachable |= set() if latching else {E, F}
    assert states == set(State) - unreachable
    assert reaches_normal(edges) == set(edges)


# With three alarms of unlike kinds and any clock.

SEVERITIES = st.sampled_from([0, 2, 4])


class ThreeAlarms(RuleBasedStateMachine):
    """Three alarms of unlike kinds under any weather, any operator and any clock; the invariants always hold."""

    @initialize(latching=st.booleans(), auto_ack=st.booleans())
    def start(self, latching, auto_ack):
        self.now_ns = 0
        self.book = AlarmBook(
            [
                a_limit(id=1, name="a", latching=latching, auto_ack=auto_ack),
                a_limit(id=2, name="b", chatter_n=3, chatter_window_ns=5 * S, remind_ns=7 * S),
                a_limit(id=3, name="c", latching=not latching, chatter_n=2, chatter_window_ns=3 * S),
            ]
        )
        self.established = [0, 0, 0]
        self.told = [0, 0, 0]

    def run_tick(self, changes=(), commands=()):
        before = list(self.book.alarms)
        events = self.book.apply(self.now_ns, changes, commands)
        touched = {event.alarm - 1 for event in events}
        for index, (old, new) in enumerate(zip(before, self.book.alarms, strict=True)):
            assert old.state is new.state or index in touched
        for event in events:
            self.told[event.alarm - 1] = event.occurrence

    @rule(wanted=st.tuples(SEVERITIES, SEVERITIES, SEVERITIES), dt=st.integers(0, 4 * S))
    def limits(self, wanted, dt):
        self.now_ns += dt
        changes = [
            a_change(new, old, index)
            for index, (new, old) in enumerate(zip(wanted, self.established, strict=True))
            if new != old
        ]
        self.established = list(wanted)
        self.run_tick(changes)

    @rule(dt=st.integers(0, 10 * S))
    def nothing(self, dt):
        self.now_ns += dt
        self.run_tick()

    @rule(
        alarm=st.integers(1, 4),
        order=st.sampled_from([Reset, Unshelve, Suppress, Unsuppress, OutOfService, InService]),
    )
    def order(self, alarm, order):
        self.run_tick(commands=[order(alarm)])

    @rule(alarm=st.integers(1, 4), seconds=st.integers(-1, 20))
    def shelve(self, alarm, seconds):
        self.run_tick(commands=[Shelve(alarm, self.now_ns + seconds * S)])

    @rule(alarm=st.integers(1, 3), off_by=st.sampled_from([0, 0, 0, 1]))
    def acknowledge(self, alarm, off_by):
        self.run_tick(commands=[Acknowledge(alarm, self.book.alarms[alarm - 1].occurrence + off_by)])

    @rule()
    def restart(self):
        memories = self.book.remember(self.now_ns)
        limits, old = self.book.limits, self.book.alarms
        self.book = AlarmBook(limits)
        self.book.restore(self.now_ns, memories)
        for before, after in zip(old, self.book.alarms, strict=True):
            assert (before.state, before.occurrence, before.severity) == (
                after.state,
                after.occurrence,
                after.severity,
            )
        # The limits take up the condition that was remembered and speak up when theirs is another one.
        changes = [
            a_change(wanted, alarm.severity if alarm.condition else 0, index)
            for index, (wanted, alarm) in enumerate(zip(self.established, self.book.alarms, strict=True))
        ]
        self.run_tick(changes)

    @invariant()
    def every_alarm_is_sound(self):
        for index, (limit, alarm) in enumerate(zip(self.book.limits, self.book.alarms, strict=True)):
            check_alarm(alarm, limit)
            assert alarm.deadline_ns is None or alarm.deadline_ns > self.now_ns
            if alarm.quiet_at_ns is None:
                assert alarm.condition == bool(self.established[index])
            assert self.told[index] == alarm.occurrence


ThreeAlarms.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestThreeAlarms = ThreeAlarms.TestCase
