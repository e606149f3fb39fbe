"""A state moving through time under dy/dt = slope(t, y): classical fourth-order Runge-Kutta on a chain of steps,
and between two links the cubic through both with their slopes.
"""

import bisect
import math
from collections.abc import Callable, Iterable

State = tuple[float, ...]
Slope = Callable[[float, State], State]  # (t in s, y) -> dy/dt
SlopeFrom = Callable[[int, State], Slope]  # (t in ns and y where a step begins) -> the slope during that step
StepNs = Callable[[int, State], int]  # (t in ns and y where a step begins) -> how long it may be
Margin = Callable[[float, State], float]  # (t in s, y) -> how far from the event

HORIZON_STEPS = 20_000
BISECT_TO_NS = 1_000


class Trajectory:
    """The chain of steps follows from the state and `breaks_ns` alone, and a question between two links is
    answered from these two: the answer does not depend on when or how often others were asked.

    The slope is smooth within a step: what jumps (a hole opens, a tank has run dry) is settled where the step
    begins, and what jumps at a known time is in `breaks_ns`, which no step crosses.
    """

    def __init__(
        self,
        slope_from: SlopeFrom,
        state: State,
        step_ns: StepNs,
        breaks_ns: Iterable[int] = (),
        start_ns: int = 0,
    ) -> None:
        self._slope_from = slope_from
        self._step_ns = step_ns
        self._breaks_ns = sorted(set(breaks_ns))
        self._link_from(start_ns, state)
        self.now_ns = start_ns
        self.state = state

    @property
    def regime(self) -> int:
        """How many breaks lie behind."""
        return bisect.bisect_right(self._breaks_ns, self.now_ns)

    def advance(self, to_ns: int) -> None:
        """Move `state` to `to_ns`; an instant already passed changes nothing."""
        if to_ns <= self.now_ns:
            return
        while self._next_ns <= to_ns:
            self._link_from(self._next_ns, self._next)
        self.state = self._between(to_ns)
        self.now_ns = to_ns

    def seconds_until(self, margin: Margin) -> float:
        """Seconds until `margin` falls to 0 (0.0 if it has); infinite if not within HORIZON_STEPS steps.

        Uses the trajectory up: a Forecast asks one that begins where the other stands.
        """
        asked_ns = self.now_ns
        if margin(asked_ns * 1e-9, self.state) <= 0:
            return 0.0
        for _ in range(HORIZON_STEPS):
            end_ns = self._next_ns
            if margin(end_ns * 1e-9, self._next) <= 0:
                break
            self.advance(end_ns)
        else:
            return math.inf
        start_ns = self.now_ns
        while end_ns - start_ns > BISECT_TO_NS:
            middle_ns = (start_ns + end_ns) // 2
            if margin(middle_ns * 1e-9, self._between(middle_ns)) <= 0:
                end_ns = middle_ns
            else:
                start_ns = middle_ns
        return (end_ns - asked_ns) * 1e-9

    def _link_from(self, link_ns: int, link: State) -> None:
        """Make the step that begins here."""
        coming = bisect.bisect_right(self._breaks_ns, link_ns)
        end_ns = link_ns + max(1, self._step_ns(link_ns, link))
        end_ns = min([end_ns, *self._breaks_ns[coming : coming + 1]])
        slope = self._slope_from(link_ns, link)
        t, y, h = link_ns * 1e-9, link, (end_ns - link_ns) * 1e-9
        k1 = slope(t, y)
        k2 = slope(t + h / 2, _moved(y, k1, h / 2))
        k3 = slope(t + h / 2, _moved(y, k2, h / 2))
        k4 = slope(t + h, _moved(y, k3, h))
        self._link_ns, self._link, self._next_ns = link_ns, link, end_ns
        self._next = tuple(
            a + h / 6 * (b + 2 * c + 2 * d + e) for a, b, c, d, e in zip(y, k1, k2, k3, k4, strict=True)
        )
        end_slope = slope(t + h, self._next)
        # The cubic a + s (b + s (c + s d)), s from 0 to 1 (Hermite): values and slopes agree at both ends.
        self._cubic = [
            (a, h * b, 3 * (e - a) - h * (2 * b + f), 2 * (a - e) + h * (b + f))
            for a, b, e, f in zip(y, k1, self._next, end_slope, strict=True)
        ]

    def _between(self, at_ns: int) -> State:
        """The state at an instant of the step."""
        if at_ns == self._link_ns:
            return self._link
        s = (at_ns - self._link_ns) / (self._next_ns - self._link_ns)
        return tuple([a + s * (b + s * (c + s * d)) for a, b, c, d in self._cubic])


def _moved(y: State, k: State, h: float) -> State:
    return tuple(a + h * b for a, b in zip(y, k, strict=True))


class Forecast:
    """When something will come about if the world stays in the regime it is in. Within a regime the instant
    does not move, so it is worked out once.
    """

    def __init__(self, trajectory: Trajectory) -> None:
        self._trajectory = trajectory
        self._when_s: dict[tuple[str, int], float] = {}

    def seconds_until(self, what: str, margin: Margin, slope_from: SlopeFrom, step_ns: StepNs) -> float:
        """From now until `margin` falls to 0, with these slopes; `what` names the question."""
        now_s = self._trajectory.now_ns * 1e-9
        key = what, self._trajectory.regime
        if key not in self._when_s or self._when_s[key] < now_s:
            ahead = Trajectory(slope_from, self._trajectory.state, step_ns, start_ns=self._trajectory.now_ns)
            self._when_s[key] = now_s + ahead.seconds_until(margin)
        return self._when_s[key] - now_s
