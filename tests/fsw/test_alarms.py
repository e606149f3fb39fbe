"""The life cycle of alarms: each row of the specification by hand, then every reachable state of the real book."""

import copy
import math
from collections import deque
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fsw.alarm import LIFE_CYCLE, Trigger
from fsw.alarms import (
    Acknowledge,
    Alarm,
    AlarmBook,
    InService,
    OutOfService,
    Overlay,
    Reason,
    Reset,
    Shelve,
    State,
    Suppress,
    Transition,
    Unshelve,
    Unsuppress,
)
from fsw.limits import Change, Check, Level, Limit, Limits
from fsw.sample import Quality
from fsw.table import Parameter, Table

S = 1_000_000_000
A, B, C, D, E, F = State
RAISE, ESCALATE, DEESCALATE, RTN, ACK, CLEAR = list(Transition)[:6]


def a_limit(**changes):
    settings = {"id": 7, "name": "tank.leak", "event": 0x1101, "row": 0, "check": Check.LIMIT, "high": 1.0}
    return Limit(**(settings | {"severity": (0, 0, 2, 4), "high_high": 2.0} | changes))


def a_change(severity, previous=0, index=0, **numbers):
    level = {0: Level.NONE, 2: Level.HIGH, 4: Level.HIGH_HIGH}
    given = {
        "value": float(severity),
        "sigma": 0.1,
        "limit": 1.0,
        "quality": Quality.GOOD,
        "hits": 8,
        "m": 10,
    }
    given |= {"peak": 4.0} | numbers
    return Change(index=index, previous=level[previous], level=level[severity], severity=severity, **given)


class Desk:
    """A book of alarms, an operator before it, and a clock."""

    def __init__(self, *limits):
        self.book = AlarmBook(limits or [a_limit()])
        self.now_ns = 0
        self.established = [0] * len(self.book.limits)

    def say(self, *commands):
        return self.seen(self.book.apply(self.now_ns, [], commands))

    def limit(self, severity, index=0):
        change = a_change(severity, self.established[index], index)
        self.established[index] = severity
        return self.seen(self.book.apply(self.now_ns, [change]))

    def wait(self, seconds):
        self.now_ns += round(seconds * S)
        return self.seen(self.book.apply(self.now_ns, []))

    def ack(self):
        return self.say(Acknowledge(7, self.alarm.occurrence))

    @staticmethod
    def seen(events):
        return [(event.transition, event.previous, event.state) for event in events]

    @property
    def alarm(self):
        return self.book.alarms[0]

    @property
    def refusals(self):
        return [refusal.reason for refusal in self.book.refused]


def in_state(state, **changes):
    """A desk whose alarm was led there."""
    latching = state in (E, F)
    desk = Desk(a_limit(**({"latching": latching} | changes)))
    if state is not A:
        desk.limit(2)
    if state in (C, F):
        desk.ack()
    if state in (D, E, F):
        desk.limit(0)
    assert desk.alarm.state is state
    return desk


@pytest.mark.parametrize(
    ("start", "limit", "severity", "reports", "end"),
    [
        (A, {}, 2, [RAISE], B),
        (B, {"latching": True}, 0, [RTN], E),
        (B, {"auto_ack": True}, 0, [RTN, CLEAR], A),
        (B, {}, 0, [RTN], D),
        (B, {"latching": True, "auto_ack": True}, 0, [RTN], E),
        (C, {"latching": True}, 0, [RTN], F),
        (C, {}, 0, [CLEAR], A),
        (C, {"auto_ack": True}, 0, [CLEAR], A),
        (B, {}, 4, [ESCALATE], B),
        (C, {}, 4, [ESCALATE], B),
        (D, {}, 2, [RAISE], B),
        (E, {}, 2, [RAISE], B),
        (F, {}, 2, [RAISE], B),
        (B, {}, 2, [], B),
        (C, {}, 2, [], C),
        (D, {}, 0, [], D),
    ],
)
def test_what_a_limit_does_to_an_alarm(start, limit, severity, reports, end):
    desk = in_state(start, **limit)
    before = desk.alarm.occurrence
    assert desk.limit(severity) == [(report, start, end) for report in reports]
    assert desk.alarm.occurrence == before + (reports == [RAISE])


@pytest.mark.parametrize(
    ("start", "command", "reports", "end"),
    [
        (B, Acknowledge, [ACK], C),
        (D, Acknowledge, [ACK, CLEAR], A),
        (E, Acknowledge, [ACK], F),
        (F, Reset, [CLEAR], A),
        (A, Acknowledge, Reason.NOTHING_TO_ACKNOWLEDGE, A),
        (C, Acknowledge, Reason.NOTHING_TO_ACKNOWLEDGE, C),
        (F, Acknowledge, Reason.NOTHING_TO_ACKNOWLEDGE, F),
        (A, Reset, Reason.NOTHING_TO_RESET, A),
        (B, Reset, Reason.CONDITION_TRUE, B),
        (C, Reset, Reason.CONDITION_TRUE, C),
        (D, Reset, Reason.NOT_ACKNOWLEDGED, D),
        (E, Reset, Reason.NOT_ACKNOWLEDGED, E),
    ],
)
def test_what_an_operator_does_to_an_alarm(start, command, reports, end):
    desk = in_state(start)
    order = Reset(7) if command is Reset else Acknowledge(7, desk.alarm.occurrence)
    seen = desk.say(order)
    assert desk.alarm.state is end
    if isinstance(reports, Reason):
        assert (seen, desk.refusals) == ([], [reports])
        assert desk.book.refused[0].command == order
    else:
        assert (seen, desk.refusals) == ([(report, start, end) for report in reports], [])


def test_better_but_still_active_keeps_state_and_peak():
    desk = in_state(B)
    desk.limit(4)
    desk.ack()
    assert desk.limit(2) == [(DEESCALATE, C, C)]
    assert (desk.alarm.severity, desk.alarm.peak_severity) == (2, 4)
    assert desk.limit(4) == [(ESCALATE, C, B)]


def test_severity_stays_at_its_peak_until_the_alarm_is_normal():
    desk = in_state(B)
    desk.limit(4)
    desk.limit(2)
    desk.limit(0)
    assert (desk.alarm.state, desk.alarm.severity) == (D, 4)
    last = desk.book.apply(0, [], [Acknowledge(7, 1)])[-1]
    assert (last.severity, last.peak_severity) == (0, 4)
    assert (desk.alarm.severity, desk.alarm.peak_severity) == (0, 0)


def test_an_event_carries_its_proof():
    book = AlarmBook([a_limit(report_row=3)])
    numbers = {"value": 3.25e-4, "limit": 2e-4, "sigma": 1.1e-5, "peak": 3.3e-4, "hits": 8, "m": 10}
    (event,) = book.apply(0, [a_change(4, **numbers)])
    assert (event.event, event.alarm, event.occurrence, event.check, event.row) == (
        0x1101,
        7,
        1,
        Check.LIMIT,
        3,
    )
    assert (event.severity, event.peak_severity, event.n, event.m) == (4, 4, 8, 10)
    assert (event.value, event.limit, event.sigma, event.peak) == (3.25e-4, 2e-4, 1.1e-5, 3.3e-4)
    assert (event.quality, event.previous_overlay, event.overlay) == (Quality.GOOD, False, False)


def test_acknowledging_lost_instrument_does_not_acknowledge_the_leak_beneath_it():
    leak = a_limit()
    lost = a_limit(id=8, name="tank.bad", check=Check.QUALITY, high=math.nan, high_high=math.nan)
    desk = Desk(leak, lost)
    desk.limit(4, index=0)
    desk.limit(4, index=1)
    desk.say(Acknowledge(8, 1))
    assert [alarm.state for alarm in desk.book.alarms] == [B, C]


def test_an_acknowledgement_of_an_earlier_occurrence_does_not_touch_the_next():
    desk = in_state(B)
    desk.limit(0)
    desk.limit(4)
    assert desk.say(Acknowledge(7, 1)) == []
    assert desk.refusals == [Reason.OTHER_OCCURRENCE]
    assert desk.alarm.state is B


def test_an_acknowledgement_that_crosses_a_new_raise_on_its_way_is_refused():
    desk = in_state(D)
    desk.book.apply(0, [a_change(4)], [Acknowledge(7, 1)])
    assert desk.alarm.state is B
    assert desk.refusals == [Reason.OTHER_OCCURRENCE]


def test_a_command_to_no_alarm_is_refused_and_the_refusal_lasts_one_call():
    desk = Desk()
    assert desk.say(Reset(99)) == []
    assert desk.refusals == [Reason.UNKNOWN_ALARM]
    desk.wait(1)
    assert desk.refusals == []


def test_reports_come_in_order_of_alarm_id():
    desk = Desk(a_limit(id=9, name="b"), a_limit(id=3, name="a"))
    events = desk.book.apply(0, [a_change(2, index=0), a_change(2, index=1)])
    assert [event.alarm for event in events] == [3, 9]


def test_occurrences_count_to_65535_and_begin_again_at_1():
    desk = Desk()
    desk.book.alarms[0] = Alarm(occurrence=0xFFFF)
    desk.limit(2)
    assert desk.alarm.occurrence == 1


def test_a_shelved_alarm_lives_on_and_says_that_it_is_masked():
    desk = Desk()
    desk.say(Shelve(7, 10 * S))
    (event,) = desk.book.apply(0, [a_change(2)])
    assert (event.transition, event.state, event.previous_overlay, event.overlay) == (RAISE, B, True, True)
    assert desk.ack() == [(ACK, B, C)]


@pytest.mark.parametrize(("state", "after"), [(A, A), (B, B), (C, B), (D, D), (E, E), (F, F)])
def test_the_end_of_the_shelf_annunciates_again_what_is_still_true(state, after):
    desk = in_state(state)
    desk.say(Shelve(7, 10 * S))
    assert desk.wait(9.999999999) == []
    (event,) = desk.book.apply(10 * S, [])
    assert (event.transition, event.previous, event.state) == (Transition.UNSHELVE, state, after)
    assert (event.previous_overlay, event.overlay) == (True, False)
    assert desk.alarm.overlays == 0


def test_one_of_two_overlays_ending_changes_nothing():
    desk = in_state(C)
    desk.say(Shelve(7, 10 * S), OutOfService(7))
    assert desk.say(Unshelve(7)) == [(Transition.UNSHELVE, C, C)]
    assert desk.wait(100) == []
    assert desk.say(InService(7)) == [(Transition.IN_SERVICE, C, B)]


def test_shelving_has_a_bound_and_the_later_word_counts():
    desk = Desk(a_limit(longest_shelf_ns=60 * S))
    desk.say(Shelve(7, 0), Shelve(7, 61 * S))
    assert desk.refusals == [Reason.SHELF_IN_THE_PAST, Reason.SHELF_TOO_LONG]
    desk.say(Shelve(7, 60 * S))
    desk.say(Shelve(7, 5 * S))
    assert desk.wait(5) == [(Transition.UNSHELVE, A, A)]


def test_an_overlay_that_is_not_on_cannot_be_lifted_nor_one_that_is_on_laid_again():
    desk = Desk()
    desk.say(Unshelve(7), Unsuppress(7), InService(7))
    assert desk.refusals == [Reason.ALREADY_SO] * 3
    desk.say(Suppress(7), OutOfService(7))
    assert desk.refusals == []
    desk.say(Suppress(7), OutOfService(7))
    assert desk.refusals == [Reason.ALREADY_SO] * 2


def test_chatter_is_held_active_until_it_is_quiet():
    desk = Desk(a_limit(chatter_n=3, chatter_window_ns=10 * S))
    for _ in range(2):
        assert [seen[0] for seen in desk.limit(2)] == [RAISE]
        desk.wait(1)
        assert [seen[0] for seen in desk.limit(0)] == [RTN]
        desk.wait(1)
    assert [seen[0] for seen in desk.limit(2)] == [RAISE, Transition.CHATTER]
    for _ in range(20):
        desk.wait(1)
        assert desk.limit(0) == []
        desk.wait(1)
        assert desk.limit(2) == []
    desk.limit(0)
    assert desk.wait(9.9) == []
    assert desk.alarm.state is B
    first, last = desk.book.apply(desk.now_ns + S, [])
    assert (first.transition, first.n, first.m) == (Transition.CHATTER, 23, 3)
    assert (last.transition, last.state) == (RTN, D)
    assert desk.alarm.occurrence == 3


def test_chatter_never_holds_back_what_gets_worse():
    desk = Desk(a_limit(chatter_n=2, chatter_window_ns=10 * S))
    desk.limit(2)
    desk.limit(0)
    desk.limit(2)
    desk.ack()
    desk.limit(0)
    assert desk.limit(4) == [(ESCALATE, C, B)]


def test_slow_raises_are_no_chatter():
    desk = Desk(a_limit(chatter_n=2, chatter_window_ns=10 * S))
    for _ in range(5):
        assert [seen[0] for seen in desk.limit(2)] == [RAISE]
        desk.wait(11)
        assert [seen[0] for seen in desk.limit(0)] == [RTN]


def test_an_unacknowledged_alarm_is_brought_to_mind_until_it_is_acknowledged():
    desk = Desk(a_limit(remind_ns=60 * S))
    desk.limit(2)
    assert desk.wait(59.9) == []
    assert desk.wait(0.1) == [(Transition.REMIND, B, B)]
    assert desk.wait(60) == [(Transition.REMIND, B, B)]
    desk.say(OutOfService(7))
    assert desk.wait(60) == []
    desk.say(InService(7))
    desk.ack()
    assert desk.wait(1000) == []


def test_a_redefinition_leaves_the_alarm_as_it_stands():
    desk = in_state(C)
    desk.book.redefine(0, a_limit(latching=True))
    assert desk.alarm.state is C
    assert desk.limit(0) == [(RTN, C, F)]
    with pytest.raises(ValueError, match="must stay 7"):
        desk.book.redefine(0, a_limit(id=8))


@pytest.mark.parametrize("state", State)
def test_a_restart_takes_up_where_it_was_with_stale_data(state):
    old = in_state(state)
    old.say(Shelve(7, 100 * S))
    (memory,) = old.book.remember(40 * S)
    new = Desk(*old.book.limits)
    (event,) = new.book.restore(0, [memory, replace(memory, alarm=99)])
    assert (event.transition, event.previous, event.state) == (Transition.RESTORED, state, state)
    assert (event.quality, event.overlay, math.isnan(event.value)) == (Quality.STALE, True, True)
    assert (new.alarm.occurrence, new.alarm.severity) == (old.alarm.occurrence, old.alarm.severity)
    assert new.wait(59) == []
    assert [seen[0] for seen in new.wait(1)] == [Transition.UNSHELVE]


def test_limits_and_book_together_survive_a_restart_in_alarm():
    limit = a_limit(latching=True)
    table = Table([Parameter(1, "tank.pressure", "Pa")])
    limits, book = Limits([limit], table), AlarmBook([limit])
    table.write(0, 2.5, math.nan, S, Quality.GOOD)
    book.apply(S, limits.step(S))
    memories = book.remember(S)

    table = Table([Parameter(1, "tank.pressure", "Pa")])
    limits, book = Limits([limit], table), AlarmBook([limit])
    book.restore(0, memories)
    limits.restore(0, Level(memories[0].level))
    story = [(math.nan, Quality.BAD, B), (2.5, Quality.UNCERTAIN, B), (0.0, Quality.GOOD, E)]
    for second, (value, quality, state) in enumerate(story, 1):
        table.write(0, value, math.nan, second * S, quality)
        book.apply(second * S, limits.step(second * S))
        assert book.alarms[0].state is state
    assert book.alarms[0].occurrence == 1


def test_delay_filter_and_shelf_agree():
    """A delayed condition that comes true under the shelf is raised there, once, and told when the shelf ends."""
    limit = a_limit(n=2, m=3, on_delay_ns=3 * S, off_delay_ns=2 * S)
    table = Table([Parameter(1, "tank.pressure", "Pa")])
    limits, book = Limits([limit], table), AlarmBook([limit])
    told = []
    for second in range(1, 20):
        now_ns = second * S
        table.write(0, 1.5 if second < 14 else 0.0, math.nan, now_ns, Quality.GOOD)
        commands = [Shelve(7, 10 * S)] if second == 1 else []
        events = book.apply(now_ns, limits.step(now_ns), commands)
        told += [(second, event.transition, event.state, event.overlay) for event in events]
    assert told == [
        (1, Transition.SHELVE, A, True),
        (5, RAISE, B, True),  # second vote at 2 s, delay until 5 s
        (10, Transition.UNSHELVE, B, False),
        (16, RTN, D, False),  # clear since 14 s, delay until 16 s
    ]


# Every state of the real book that any sequence of stimuli can reach, with one alarm and a clock of whole seconds.

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


def test_the_table_is_whole():
    """A raise is possible wherever the condition is false, a return and both shades wherever it is true."""
    true = {B, C}
    returns = {Trigger.RETURN, Trigger.RETURN_LATCHING, Trigger.RETURN_AUTO_ACK}
    for state in State:
        possible = {trigger for start, trigger in LIFE_CYCLE if start is state}
        wanted = returns | {Trigger.WORSE, Trigger.BETTER} if state in true else {Trigger.RAISE}
        assert wanted <= possible
        assert possible - wanted <= {Trigger.ACK, Trigger.RESET, Trigger.UNVEIL}


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
