"""Time budgets: sums that can be done by hand."""

import pytest

from fsw.board.budget import Budget, Turn, worst_latency_ns

MS = 1_000_000


def turn(name="a", total_ms=10, every=1):
    return Turn(name, wire_ns=total_ms * MS, gap_ns=0, think_ns=0, latency_ns=0, every=every)


def test_a_turn_is_gap_wire_thinking_and_latency():
    assert Turn("a", wire_ns=17, gap_ns=4, think_ns=5, latency_ns=1, every=1).total_ns == 27


@pytest.mark.parametrize(
    ("turns", "starved"),
    [
        ([turn(total_ms=100)], None),
        ([turn(total_ms=101)], "a"),
        ([turn("a", 50), turn("b", 50)], None),
        ([turn("a", 60), turn("b", 60)], "a"),
        (
            [turn("a", 50), turn("b", 100, every=2)],
            None,
        ),  # b ends 50 ms into the next cycle, a fits behind it
        (
            [turn("a", 50), turn("b", 260, every=10)],
            "a",
        ),  # b alone holds the line past the next two turns of a
        ([turn("a", 300, every=4)], None),
    ],
)
def test_an_instrument_that_is_due_again_before_its_turn_is_starved(turns, starved):
    assert Budget("bus", 100 * MS, tuple(turns)).starved() == starved


def test_used_is_the_mean_and_fullest_the_sum():
    budget = Budget("bus", 100 * MS, (turn("a", 40), turn("b", 50, every=5)))
    assert budget.used_ns == 50 * MS
    assert budget.fullest_ns == 90 * MS


def test_the_worst_latency_is_votes_delay_timeout_and_one_tick():
    assert worst_latency_ns(votes=3, interval_ns=100, on_delay_ns=50, timeout_ns=20, period_ns=100) == 470
