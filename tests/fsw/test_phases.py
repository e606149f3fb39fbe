"""Phases: who is suspended when, and never for longer than was said."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsw.occurrence import Kind, Occurrence
from fsw.phases import STEPS, Phase, PhaseBook
from fsw.sample import Quality
from fsw.table import Parameter, Table

S = 1_000_000_000
VALVE, TANK, LOOP = 0, 1, 2  # rows: a parameter, and the inventories of two vessels
INVENTORIES = (TANK, LOOP)
FILL = Phase(1, "fill", (0,), 60 * S, 10 * S, row=VALVE, above=0.5)
MAINTENANCE = Phase(2, "maintenance", (0, 1), 120 * S, 0)
WARM_UP = Phase(3, "warm_up", (1,), 30 * S, 5 * S, at_start=True)
STRETCH_S = 70  # of FILL, at most
GOOD, BAD, STALE, UNCERTAIN = Quality.GOOD, Quality.BAD, Quality.STALE, Quality.UNCERTAIN


class Rig:
    """A book with its table; `suspended` is what its steps add up to."""

    def __init__(self, *phases: Phase) -> None:
        self.table = Table([Parameter(row, name, "") for row, name in enumerate(("valve.state", "a", "b"))])
        self.book = PhaseBook(phases, INVENTORIES)
        self.suspended: set[int] = set()
        self.said: list[Occurrence] = []

    def at(self, second: float, *marks: str) -> list[tuple[Kind, int]]:
        """One tick; what happened to which inventory."""
        step = self.book.step(round(second * S), self.table, marks)
        assert not self.suspended & set(step.suspended)
        assert set(step.resumed) <= self.suspended
        self.suspended = self.suspended - set(step.resumed) | set(step.suspended)
        self.said += step.occurrences
        return [(each.kind, each.row) for each in step.occurrences]

    def valve(self, value: float, quality: int = GOOD) -> None:
        self.table.write(VALVE, value, 0.0, 0, quality)


def test_a_word_of_a_recording_begins_a_phase_and_end_ends_it_after_it_has_settled():
    rig = Rig(FILL)
    assert rig.at(0) == []
    assert rig.at(1, "fill") == [(Kind.PHASE_BEGUN, TANK)]
    assert rig.suspended == {0}
    assert rig.at(20, "end fill") == [(Kind.PHASE_ENDED, TANK)]
    rig.at(29.9)
    assert rig.suspended == {0}
    assert rig.at(30) == []
    assert rig.suspended == set()
    assert [(each.began_ns, each.phase) for each in rig.said] == [(S, 1), (S, 1)]
    assert all(math.isnan(each.kg) for each in rig.said)


def test_every_vessel_of_a_phase_is_told_of_and_end_alone_ends_all():
    rig = Rig(FILL, MAINTENANCE)
    rig.at(0, "Maintenance ", "fill")  # as people write
    assert rig.suspended == {0, 1}
    assert rig.at(5, "end") == [
        (Kind.PHASE_ENDED, TANK),
        (Kind.PHASE_ENDED, TANK),
        (Kind.PHASE_ENDED, LOOP),
    ]
    assert rig.suspended == {0}  # maintenance has no settling time, and the fill has
    rig.at(15)
    assert rig.suspended == set()


def test_a_phase_that_nobody_ends_times_out_and_saying_it_again_does_not_prolong_it():
    rig = Rig(FILL)
    rig.at(0, "fill")
    assert rig.at(50, "fill") == []
    assert rig.at(60) == [(Kind.PHASE_TIMED_OUT, TANK)]
    assert rig.suspended == {0}
    rig.at(70)
    assert rig.suspended == set()
    assert rig.at(71, "fill") == [(Kind.PHASE_BEGUN, TANK)]


def test_a_mark_after_a_long_gap_begins_a_phase_of_its_own():
    rig = Rig(FILL)
    rig.at(0, "fill")
    assert rig.at(7200, "fill") == [(Kind.PHASE_TIMED_OUT, TANK), (Kind.PHASE_BEGUN, TANK)]
    assert rig.at(7259) == []
    assert rig.at(7260) == [(Kind.PHASE_TIMED_OUT, TANK)]


def test_a_phase_at_start_is_in_force_at_the_first_tick_whatever_the_clock_shows():
    rig = Rig(WARM_UP)
    assert rig.at(12_345) == [(Kind.PHASE_BEGUN, LOOP)]
    rig.at(12_345 + 29)
    assert rig.suspended == {1}
    assert rig.at(12_345 + 30) == [(Kind.PHASE_TIMED_OUT, LOOP)]
    rig.at(12_345 + 35)
    assert rig.suspended == set()


def test_a_valve_that_opens_begins_it_and_closing_ends_it():
    rig = Rig(FILL)
    rig.valve(0.0)
    assert rig.at(0) == []
    rig.valve(1.0)
    assert rig.at(1) == [(Kind.PHASE_BEGUN, TANK)]
    assert rig.at(2) == []
    rig.valve(0.0)
    assert rig.at(3) == [(Kind.PHASE_ENDED, TANK)]
    rig.at(13)
    assert rig.suspended == set()


@pytest.mark.parametrize(
    ("value", "quality"),
    [(1.0, BAD), (1.0, STALE), (1.0, UNCERTAIN), (math.nan, GOOD), (1.0, BAD | Quality.SIM)],
)
def test_a_valve_that_is_not_surely_open_begins_nothing(value, quality):
    rig = Rig(FILL)
    rig.valve(value, quality)
    assert rig.at(0) == []
    assert rig.suspended == set()


def test_a_valve_that_goes_blind_while_open_neither_ends_nor_prolongs_it():
    rig = Rig(FILL)
    rig.valve(1.0)
    rig.at(0)
    rig.valve(0.0, BAD)
    assert rig.at(30) == []
    assert rig.at(60) == [(Kind.PHASE_TIMED_OUT, TANK)]
    rig.valve(1.0)  # seen open again: it never was seen closed
    assert rig.at(80) == []
    assert rig.suspended == set()


def test_the_simulators_valve_counts_as_well():
    rig = Rig(FILL)
    rig.valve(1.0, GOOD | Quality.SIM)
    assert rig.at(0) == [(Kind.PHASE_BEGUN, TANK)]


def test_below_is_the_other_side():
    rig = Rig(Phase(1, "vented", (0,), 60 * S, 0, row=VALVE, below=0.5))
    rig.valve(0.0)
    assert rig.at(0) == [(Kind.PHASE_BEGUN, TANK)]


@pytest.mark.parametrize("word", sorted(STEPS))
def test_a_step_by_name_suspends_all_vessels_for_ten_seconds(word):
    rig = Rig()
    assert rig.at(0) == []
    assert rig.at(5, word) == []
    assert rig.suspended == {0, 1}
    rig.at(14.9)
    assert rig.suspended == {0, 1}
    rig.at(15)
    assert rig.suspended == set()


@given(st.text(max_size=40))
def test_an_unknown_word_changes_nothing(text):
    words = text.casefold().split()
    if words in (["fill"], ["end"], ["end", "fill"]) or (len(words) == 1 and words[0] in STEPS):
        return
    idle, busy = Rig(FILL), Rig(FILL)
    assert idle.at(0, text) == []
    assert idle.suspended == set()
    busy.at(0, "fill")
    assert busy.at(1, text) == []
    assert busy.suspended == {0}
    assert busy.at(60, text) == [(Kind.PHASE_TIMED_OUT, TANK)]


MARKS = st.sampled_from(
    ["fill", "maintenance", "end", "end fill", "end maintenance", "refill", "step", "nothing", "end nothing"]
)
TICKS = st.lists(
    st.tuples(
        st.integers(1, 40),  # seconds since the last tick
        st.lists(MARKS, max_size=2),
        st.sampled_from([(0.0, GOOD), (1.0, GOOD), (1.0, BAD), (0.0, STALE), (math.nan, GOOD)]),
    ),
    min_size=1,
    max_size=60,
)


@given(TICKS)
def test_whoever_is_suspended_was_told_so_within_time_out_and_settling(ticks):
    rig, now_s, step_s = Rig(FILL, MAINTENANCE, WARM_UP), 0, -math.inf
    longest_s = {phase.id: (phase.time_out_ns + phase.settle_ns) / S for phase in rig.book.phases}
    for elapsed_s, marks, (value, quality) in ticks:
        now_s += elapsed_s
        rig.valve(value, quality)
        rig.at(now_s, *marks)
        step_s = now_s if STEPS & set(marks) else step_s
        for vessel in rig.suspended:
            begun_s = [
                each.began_ns / S + longest_s[each.phase]
                for each in rig.said
                if each.kind is Kind.PHASE_BEGUN and each.row == INVENTORIES[vessel]
            ]
            assert now_s < max([step_s + 10, *begun_s])


@given(TICKS)
def test_each_begin_has_one_end(ticks):
    rig, now_s = Rig(FILL, MAINTENANCE), 0
    for elapsed_s, marks, (value, quality) in ticks:
        now_s += elapsed_s
        rig.valve(value, quality)
        rig.at(now_s, *marks)
    rig.at(now_s + 1000)
    assert rig.suspended == set()
    for phase, row in ((1, TANK), (2, TANK), (2, LOOP)):
        kinds = [each.kind for each in rig.said if (each.phase, each.row) == (phase, row)]
        assert all(kind is Kind.PHASE_BEGUN for kind in kinds[0::2])
        assert all(kind in (Kind.PHASE_ENDED, Kind.PHASE_TIMED_OUT) for kind in kinds[1::2])
        assert len(kinds) % 2 == 0


@given(
    st.lists(st.sampled_from([(0.0, GOOD), (1.0, GOOD), (1.0, BAD)]), min_size=STRETCH_S + 1, max_size=300)
)
def test_a_valve_that_flaps_blinds_nobody_for_longer_than_one_phase(states):
    rig, free_s = Rig(FILL), -1
    for second, (value, quality) in enumerate(states):
        rig.valve(value, quality)
        rig.at(second)
        free_s = second if not rig.suspended else free_s
        assert second - free_s <= STRETCH_S
