"""A state through time, against solutions in closed form."""

import math

import pytest

from hil.trajectory import Trajectory

S = 1_000_000_000


def decay(step_ns, breaks_ns=()):
    """dy/dt = -y until the first break, dy/dt = 0 from there on; y(0) = 1."""

    def slope_from(begin_ns, _):
        rate = 0.0 if breaks_ns and begin_ns >= breaks_ns[0] else -1.0
        return lambda _, y: (rate * y[0],)

    return Trajectory(slope_from, (1.0,), lambda *_: step_ns, breaks_ns)


def test_between_two_links_it_is_as_exact_as_the_steps():
    """At h = 0.1 s: Runge-Kutta's steps lose h^4/120 t exp(-t), 3.1e-7 at most, and Hermite's cubic h^4/384, 2.6e-7."""
    trajectory = decay(S // 10)
    for at_ns in range(0, 3 * S, 7_654_321):
        trajectory.advance(at_ns)
        assert trajectory.state[0] == pytest.approx(math.exp(-at_ns / S), abs=5.7e-7)


def test_the_answer_does_not_depend_on_what_was_asked_before():
    often, once = decay(S // 10), decay(S // 10)
    for at_ns in range(0, 2 * S, 1_234_567):
        often.advance(at_ns)
    for trajectory in (often, once):
        trajectory.advance(2 * S + 12_345_678)
    assert often.state == once.state


def test_no_step_smooths_over_a_jump():
    trajectory = decay(S, breaks_ns=(S // 2,))
    trajectory.advance(S // 2)
    held = trajectory.state[0]
    assert held == pytest.approx(math.exp(-0.5), abs=1e-3)  # one step of 0.5 s
    trajectory.advance(3 * S)
    assert trajectory.state[0] == held
