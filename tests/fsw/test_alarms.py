"""The life cycle of alarms: each row of the specification by hand. Every state that there is: test_alarm_states.py."""

import math
from dataclasses import replace

import pytest

from fsw.alarm import LIFE_CYCLE, Trigger
from fsw.alarms import (
    Acknowledge,
    Alarm,
    AlarmBook,
    InService,
    OutOfService,
    Reason,
    Reset,
    Shelve,
    State,
    Suppress,
    Transition,
    Unshelve,
    Unsuppress,
)
from fsw.limits import Check, Level, Limits
from fsw.sample import Quality
from fsw.table import Parameter, Table

from .alarm_desk import (
    ACK,
    CLEAR,
    DEESCALATE,
    ESCALATE,
    RAISE,
    RTN,
    A,
    B,
    C,
    D,
    Desk,
    E,
    F,
    S,
    a_change,
    a_limit,
    in_state,
)


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


def test_the_table_is_whole():
    """A raise is possible wherever the condition is false, a return and both shades wherever it is true."""
    true = {B, C}
    returns = {Trigger.RETURN, Trigger.RETURN_LATCHING, Trigger.RETURN_AUTO_ACK}
    for state in State:
        possible = {trigger for start, trigger in LIFE_CYCLE if start is state}
        wanted = returns | {Trigger.WORSE, Trigger.BETTER} if state in true else {Trigger.RAISE}
        assert wanted <= possible
        assert possible - wanted <= {Trigger.ACK, Trigger.RESET, Trigger.UNVEIL}
