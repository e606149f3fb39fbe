"""The limits over the real C core: hand-worked cases, faults seen in other systems, and a second implementation."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsw.limits import Check, Level, Limit, Limits, OnBad, Status, problems
from fsw.sample import Quality
from fsw.table import Parameter, Table

S = 1_000_000_000
NAN = math.nan
GOOD, UNCERTAIN, BAD, STALE = Quality.GOOD, Quality.UNCERTAIN, Quality.BAD, Quality.STALE


def a_limit(**changes):
    settings = {"id": 7, "name": "tank.high", "event": 0x1101, "row": 0, "check": Check.LIMIT}
    settings |= (
        {"high": 10.0, "severity": (0, 0, 3, 0)} if changes.get("check", Check.LIMIT) is Check.LIMIT else {}
    )
    return Limit(**(settings | changes))


def companion(check, **changes):
    return a_limit(check=check, severity=(0, 0, 3, 0), **changes)


class Rig:
    """A table of two rows, its limits, and a tick a second."""

    def __init__(self, *limits):
        self.table = Table([Parameter(1, "tank.pressure", "Pa"), Parameter(2, "tank.leak_rate", "kg/s")])
        self.limits = Limits(limits, self.table)
        self.now_ns = 0

    def idle(self):
        self.now_ns += S
        return self.limits.step(self.now_ns)

    def take(self, value, quality=GOOD, sigma=NAN):
        self.table.write(0, value, sigma, self.now_ns + S, quality)
        return self.idle()

    def levels(self, *values):
        for value in values:
            self.take(value)
        return self.limits.level(0)


def test_a_change_tells_what_it_was_decided_by():
    rig = Rig(a_limit(high_high=20.0, severity=(0, 0, 2, 4), n=2, m=3))
    assert rig.take(11.0) == []
    assert rig.take(0.0) == []
    (change,) = rig.take(12.5, GOOD | Quality.SIM, sigma=0.5)
    assert (change.index, change.previous, change.level, change.severity) == (0, Level.NONE, Level.HIGH, 2)
    assert (change.value, change.sigma, change.limit, change.peak) == (12.5, 0.5, 10.0, 12.5)
    assert (change.hits, change.m, change.quality) == (2, 3, GOOD | Quality.SIM)


def test_the_level_follows_the_value_outward_and_back():
    ladder = a_limit(low_low=-20.0, low=-10.0, high=10.0, high_high=20.0, deadband=1.0, severity=(4, 2, 2, 4))
    rig = Rig(ladder)
    seen = [(c.level, c.severity, c.limit) for v in (10, 25, 19.5, 18.9, 9.5, 8.9, 0) for c in rig.take(v)]
    assert seen == [
        (Level.HIGH, 2, 10.0),
        (Level.HIGH_HIGH, 4, 20.0),
        (Level.HIGH, 2, 10.0),
        (Level.NONE, 0, 10.0),
    ]


def test_from_one_side_to_the_other_is_a_return_and_a_new_raise():
    rig = Rig(a_limit(low=-10.0, severity=(0, 3, 3, 0)))
    rig.take(11.0)
    back, other = rig.take(-11.0)
    assert (back.previous, back.level, back.severity) == (Level.HIGH, Level.NONE, 0)
    assert (other.previous, other.level, other.severity, other.peak) == (Level.NONE, Level.LOW, 3, -11.0)


def test_an_alarm_may_vote_on_one_parameter_and_show_another():
    rig = Rig(a_limit(high=1.0, report_row=1, report_limit=1e-6))
    rig.table.write(1, 2.1e-4, 1e-5, S, GOOD)
    (change,) = rig.take(1.0)
    assert (change.value, change.sigma, change.limit, change.peak) == (2.1e-4, 1e-5, 1e-6, 2.1e-4)


@pytest.mark.parametrize("blind", [(5.0, BAD), (NAN, GOOD), (math.inf, GOOD), (5.0, STALE), (5.0, 0)])
def test_a_sample_that_is_not_good_neither_zeroes_a_count_nor_returns_an_alarm(blind):
    rig = Rig(a_limit(n=2, m=2))
    rig.take(11.0)
    rig.take(*blind)
    assert [c.level for c in rig.take(11.0)] == [Level.HIGH]
    for _ in range(5):
        assert rig.take(*blind) == []
    assert rig.limits.level(0) is Level.HIGH
    assert [c.level for c in rig.take(5.0)] == [Level.NONE]


def test_an_uncertain_sample_votes_for_raise_but_not_for_return():
    rig = Rig(a_limit())
    assert [c.quality for c in rig.take(11.0, UNCERTAIN)] == [UNCERTAIN]
    assert rig.take(5.0, UNCERTAIN) == []
    assert [c.level for c in rig.take(5.0)] == [Level.NONE]


def test_the_return_has_a_count_of_its_own():
    rig = Rig(a_limit(n=1, m=1, off_n=3))
    assert rig.levels(11, 5, 5) is Level.HIGH
    assert rig.levels(11, 5, 5) is Level.HIGH
    assert rig.levels(5) is Level.NONE


def test_the_votes_of_an_alarm_that_returned_are_spent():
    rig = Rig(a_limit(n=2, m=5))
    assert rig.levels(11, 11, 5) is Level.NONE
    assert rig.levels(5, 5, 11) is Level.NONE
    assert rig.levels(11) is Level.HIGH


def test_three_of_five_need_not_be_in_a_row():
    rig = Rig(a_limit(n=3, m=5))
    assert rig.levels(11, 5, 11, 5, 5, 11) is Level.NONE
    assert rig.levels(11, 11) is Level.HIGH


def test_no_new_sample_is_no_vote():
    rig = Rig(a_limit(n=2, m=2))
    rig.take(11.0)
    assert [rig.idle() for _ in range(20)] == [[]] * 20


def test_changing_a_limit_while_in_alarm_does_not_drop_the_alarm():
    rig = Rig(a_limit(deadband=1.0))
    rig.take(11.0)
    rig.limits.redefine(0, a_limit(high=11.5, deadband=1.0))
    assert rig.idle() == []
    assert rig.take(11.0) == []  # inside the new limit, but not by its deadband
    assert [(c.level, c.limit) for c in rig.take(10.4)] == [(Level.NONE, 11.5)]


def test_a_redefinition_that_asks_something_else_is_refused():
    rig = Rig(a_limit())
    with pytest.raises(ValueError, match=r"tank\.high"):
        rig.limits.redefine(0, companion(Check.QUALITY))
    with pytest.raises(ValueError, match="finite"):
        rig.limits.redefine(0, a_limit(deadband=math.inf))
    assert rig.limits.limits[0].deadband == 0


def test_a_restored_level_returns_only_by_a_good_sample():
    rig = Rig(a_limit(high_high=20.0, severity=(0, 0, 2, 4)))
    rig.limits.restore(0, Level.HIGH_HIGH)
    assert rig.idle() == []
    assert rig.take(NAN, BAD) == []
    assert [(c.previous, c.level) for c in rig.take(15.0)] == [(Level.HIGH_HIGH, Level.HIGH)]
    assert [(c.previous, c.level) for c in rig.take(5.0)] == [(Level.HIGH, Level.NONE)]
    with pytest.raises(ValueError, match="LOW"):
        rig.limits.restore(0, Level.LOW)


def test_silence_raises_and_says_after_how_long():
    rig = Rig(companion(Check.STALE, max_age_ns=2 * S, n=3, m=5))
    rig.take(5.0)
    assert rig.idle() == []
    assert rig.idle() == []
    (change,) = rig.idle()
    assert (change.level, change.severity, change.limit) == (Level.HIGH, 3, 2.0)
    assert (change.quality, change.hits, change.m) == (STALE, 1, 1)
    assert rig.take(NAN, BAD) == []
    assert [c.level for c in rig.take(5.0)] == [Level.NONE]


def test_a_row_that_was_never_written_ages_from_the_start():
    rig = Rig(companion(Check.STALE, max_age_ns=2 * S))
    rig.now_ns = 1000 * S
    assert [len(rig.idle()) for _ in range(5)] == [0, 0, 0, 1, 0]


def test_a_sample_at_time_zero_is_a_sample():
    rig = Rig(a_limit())
    rig.table.write(0, 11.0, NAN, 0, GOOD)
    assert [c.level for c in rig.limits.step(0)] == [Level.HIGH]


def test_bad_samples_raise_within_three():
    rig = Rig(companion(Check.QUALITY, n=3, m=3), a_limit(id=8, name="tank.level"))
    rig.take(5.0)
    assert [rig.take(NAN, BAD), rig.take(NAN, BAD)] == [[], []]
    (change,) = rig.take(NAN, BAD)
    assert (change.index, change.hits, change.quality) == (0, 3, BAD)
    assert math.isnan(change.value)


def test_a_row_marked_stale_holds_no_sample():
    rig = Rig(a_limit())
    rig.take(5.0, STALE)
    rig.table.write(0, 11.0, NAN, rig.now_ns, GOOD)
    assert [c.level for c in rig.limits.step(rig.now_ns)] == [Level.HIGH]


def test_a_stuck_value_raises_and_a_gap_is_not_a_stuck_value():
    rig = Rig(companion(Check.FLAT_LINE, max_age_ns=3 * S))
    assert [len(rig.take(5.0)) for _ in range(5)] == [0, 0, 0, 1, 0]
    assert [c.level for c in rig.take(5.0000001)] == [Level.NONE]
    for _ in range(10):
        rig.idle()
    assert rig.take(5.0000001) == []


def test_cannot_tell_for_too_long_is_an_alarm_of_its_own():
    rig = Rig(companion(Check.UNDETERMINED, max_age_ns=3 * S))
    assert [len(rig.take(0.0, UNCERTAIN)) for _ in range(5)] == [0, 0, 0, 1, 0]
    assert rig.take(NAN, BAD) == []
    assert [c.level for c in rig.take(0.0)] == [Level.NONE]


def test_transition_reports_speak_of_below_above_and_invalid():
    both = a_limit(low=-1.0)
    assert [both.status(level) for level in Level] == [0, 3, 3, 4, 4]
    assert companion(Check.STALE).status(Level.HIGH) is Status.INVALID


WRONG = [
    ({"high": NAN}, "low_low, low, high, high_high"),
    ({"low": 10.0}, "high"),
    ({"low": 12.0, "severity": (0, 1, 1, 0)}, "high"),
    ({"high": math.inf}, "high"),
    ({"high_high": 11.0, "deadband": 1.5, "severity": (0, 0, 1, 1)}, "deadband"),
    ({"low": 0.0, "deadband": 10.0, "severity": (0, 1, 1, 0)}, "deadband"),
    ({"deadband": NAN}, "deadband"),
    ({"n": 4, "m": 3}, "n"),
    ({"n": 0}, "n"),
    ({"m": 65}, "m"),
    ({"off_n": 0}, "off_n"),
    ({"sigma_k": NAN}, "sigma_k"),
    ({"sigma_k": -1.0}, "sigma_k"),
    ({"severity": (0, 0, 0, 0)}, "severity.high"),
    ({"severity": (0, 0, 5, 0)}, "severity.high"),
    ({"high_high": 20.0, "severity": (0, 0, 3, 2)}, "severity.high_high"),
    ({"severity": (0, 0, 4, 0), "on_bad": OnBad.IGNORE}, "on_bad"),
    ({"on_bad": OnBad.RAISE}, "max_age_ns"),
    ({"on_delay_ns": -1}, "on_delay_ns"),
    ({"check": Check.STALE, "severity": (0, 0, 3, 0)}, "max_age_ns"),
    ({"check": Check.QUALITY, "high": 1.0, "severity": (0, 0, 3, 0)}, "high"),
    ({"check": Check.QUALITY, "severity": (0, 0, 0, 0)}, "severity"),
    ({"check": Check.DELTA, "severity": (0, 0, 3, 0)}, "check"),
    ({"id": 65536}, "id"),
    ({"chatter_n": 3}, "chatter_n"),
]


@pytest.mark.parametrize(("changes", "field"), WRONG)
def test_a_definition_that_makes_no_sense_is_refused_by_name(changes, field):
    wrong = a_limit(**changes)
    assert field in [problem.field for problem in problems([wrong])]
    with pytest.raises(ValueError, match=r"tank\.high"):
        Rig(wrong)


def test_all_errors_are_told_at_once():
    found = problems([a_limit(n=4, m=3, off_n=0, sigma_k=NAN), a_limit(event=-1)])
    assert [(p.name, p.field) for p in found] == [
        ("tank.high", "n"),
        ("tank.high", "off_n"),
        ("tank.high", "sigma_k"),
        ("tank.high", "event"),
        ("tank.high, tank.high", "id"),
        ("tank.high, tank.high", "name"),
    ]


def test_a_deadband_may_reach_the_next_level_but_not_cross_it():
    assert problems([a_limit(high_high=11.0, deadband=1.0, severity=(0, 0, 1, 1))]) == []


def test_a_row_outside_the_table_is_refused():
    with pytest.raises(ValueError, match="table of 2"):
        Rig(a_limit(report_row=2))


class Plain:
    """One limit by the rules as they are written, one plain list of votes a level: slow, and not from the C."""

    def __init__(self, limit):
        self.limit = limit
        self.votes = {level: [] for level in Level if level and not math.isnan(limit.levels[level - 1])}
        self.since = dict.fromkeys(self.votes)
        self.on = set()

    def take(self, value, sigma, time_ns, quality):
        limit, blind = self.limit, quality & (BAD | STALE) or not math.isfinite(value)
        if blind:
            for level in self.on:
                self.since[level] = None
            return
        known = limit.sigma_k == 0 or sigma >= 0
        error = limit.sigma_k * sigma if limit.sigma_k and known else 0.0
        for level, votes in self.votes.items():
            high, on = level >= Level.HIGH, level in self.on
            bound = limit.levels[level - 1]
            if on:
                bound += -limit.deadband if high else limit.deadband
            shift = (0.0 if on else -error) if limit.sure else error
            beyond = value + shift >= bound if high else value - shift <= bound
            if not beyond and not (quality & GOOD and known):
                continue
            votes.append(beyond)
            recent = votes[-limit.off_n :] if on else votes[-limit.m :]
            enough = (len(recent) == limit.off_n and not any(recent)) if on else sum(recent) >= limit.n
            if not enough:
                self.since[level] = None
                continue
            if self.since[level] is None:
                self.since[level] = time_ns
            if time_ns - self.since[level] >= (limit.off_delay_ns if on else limit.on_delay_ns):
                self.on ^= {level}
                self.since[level] = None
                if on:
                    votes.clear()
                else:
                    votes.append(True)  # a clear run starts after the vote that raised

    def level(self):
        return max(self.on, key=self.limit.severity_at, default=Level.NONE)


VALUES = st.sampled_from(
    [-25.0, -20.0, -19.0, -15.0, -10.0, -9.0, 0.0, 9.0, 9.5, 10.0, 15.0, 19.0, 20.0, 25.0, NAN]
)
SAMPLES = st.tuples(
    VALUES,
    st.sampled_from([0.0, 1.0, 4.0, 1.0, NAN, -1.0]),
    st.sampled_from([GOOD] * 9 + [UNCERTAIN, BAD, STALE]),
)


@settings(max_examples=200, deadline=None)
@given(
    samples=st.lists(SAMPLES, min_size=40, max_size=40),
    votes=st.tuples(st.integers(1, 3), st.integers(0, 3)),
    off_n=st.integers(1, 3),
    delays=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    deadband=st.sampled_from([0.0, 1.0, 5.0]),
    sigma=st.tuples(st.sampled_from([0.0, 1.0, 3.0]), st.booleans()),
    sides=st.sampled_from([(-20.0, -10.0, 10.0, 20.0), (NAN, NAN, 10.0, 20.0), (NAN, -10.0, NAN, NAN)]),
)
def test_the_c_core_agrees_with_the_rules_written_plainly(
    samples, votes, off_n, delays, deadband, sigma, sides
):
    limit = replace(
        a_limit(),
        **dict(zip(("low_low", "low", "high", "high_high"), sides, strict=True)),
        severity=(4, 2, 1, 3),
        n=votes[0],
        m=sum(votes),
        off_n=off_n,
        on_delay_ns=delays[0] * S,
        off_delay_ns=delays[1] * S,
        deadband=deadband,
        sigma_k=sigma[0],
        sure=sigma[1],
    )
    rig, plain = Rig(limit), Plain(limit)
    for value, error, quality in samples:
        rig.take(value, quality, error)
        plain.take(value, error, rig.now_ns, quality)
        assert rig.limits.level(0) == plain.level()
