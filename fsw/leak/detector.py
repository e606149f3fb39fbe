"""Is it leaking, how fast, since when: least-squares slopes of the inventory over windows of many lengths.

Alarm: the slope must exceed, by `k` standard errors, the leak that counts as none and the drift that the model
cannot see. Rate: once the leak is dated, the surest window since then; before, the longest window that agrees with
all shorter ones (Lepski 1991; the intersection of confidence intervals of Goldenshluger and Nemirovski 1997), so that
it does not mix in the time before the leak.
docs/leak-models.md derives the numbers.
"""

import math
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from fsw.leak.noise import Noise
from fsw.leak.window import Window
from fsw.quantity import Duration

NS_PER_S = 1_000_000_000

# Two rejections of a window by a shorter one: a careful one for the rate that is reported (a needless one costs
# only precision), and a sure one for evidence that is thrown away (a needless one would interrupt an alarm).
DISAGREES_SIGMA = 4.0
REFUTED_SIGMA = 5.0
# One leak's honest windows differ by this share: its gas takes heat, its flow falls. What differs by more has changed.
BENDS_SHARE = 0.2
ENDED_SHARE = 0.1  # of the rate that was dated; a leak that is surely below has ended
STEP_SHARE = 1.5  # slope that a step of height 1 in the middle of a window of length 1 leaves
SAME_NOISE = 0.01
SIGMA_MIN = 1e-300  # where no noise is declared and none is seen, all that is left is not to divide by 0
UNIFORM = 1 / math.sqrt(3)  # standard error of what is known only by its bound
ONSET_CURVATURE = 0.02  # of the leak's age: the rate is not quite constant
ONSET_SHARE = (0.03, 0.97)  # beyond, a window is all leak or none and says nothing of the onset


class Settings(BaseModel):
    """`[vessels.NAME.detector]`: rarely needed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    windows: tuple[Duration, ...] = Field(
        default=tuple(s * NS_PER_S for s in (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1800)),
        min_length=1,
        max_length=24,
        description="spans of the slopes, ascending; short ones see gross leaks, long ones small leaks",
        json_schema_extra={"default": ["2 s", "4 s", "...", "1024 s", "30 min"]},
    )
    samples: int = Field(
        default=64, ge=32, le=4096, description="most samples in a window; denser ones are averaged"
    )
    k: float = Field(
        default=6.5, ge=3.0, le=20.0, allow_inf_nan=False, description="standard errors that make it certain"
    )
    gap: Duration = Field(
        default=10 * NS_PER_S,
        description="without a good inventory for so long, the windows begin anew",
        json_schema_extra={"default": "10 s"},
    )
    flat: Duration = Field(
        default=10 * NS_PER_S,
        description="a pressure unchanged to the bit for so long is no evidence; longer for coarse steps",
        json_schema_extra={"default": "10 s"},
    )


class Drift(NamedTuple):
    """How fast the inventory may seem to fall without a leak: `lasting`, and `passing` for up to `passing_s`."""

    lasting_kg_per_s: float = 0.0
    passing_kg_per_s: float = 0.0
    passing_s: float = 0.0

    def over(self, window_s: float) -> float:
        """The largest slope, in kg/s, that this can leave in a window of this length."""
        step_s = STEP_SHARE * self.passing_s
        share = step_s / window_s if step_s < window_s else 1.0
        return self.lasting_kg_per_s + self.passing_kg_per_s * share


NO_DRIFT = Drift()


class Verdict(NamedTuple):
    """What is known of the leak now. Not `determined`: it cannot be told yet, and nothing else means anything."""

    determined: bool
    rate_kg_per_s: float = math.nan
    sigma_kg_per_s: float = math.nan  # of noise and drift; not of the model's scale
    certainty: float = 0.0  # 1 and more: a leak
    onset_s: float = math.nan  # ago; NaN when there is no leak, or it is older than every window
    sigma_onset_s: float = math.nan
    span_s: float = math.nan  # of the window that the rate was seen in


UNDETERMINED = Verdict(determined=False)


class Slope(NamedTuple):
    """What one window says."""

    rate: float  # kg/s, positive for a leak
    sigma: float  # from noise and from how badly a line fits
    noise: float  # from noise alone: a window that bends must not agree with all others for being vague
    span_s: float

    def present(self, fading_per_kg: float) -> float:
        """The rate now. The slope is that of the window's middle; half a window later so much less flows."""
        rate = self.rate
        share = fading_per_kg * rate * self.span_s / 2
        return rate * (1 - share) if 0 < share < 1 else rate


class Onset(NamedTuple):
    """When a leak began, and how fast it was when that was found."""

    time_ns: int
    sigma_s: float
    rate: float


class Detector:
    """Slopes of one vessel's inventory. A few microseconds a sample, about 1 kB a window."""

    def __init__(self, settings: Settings, zero_leak_kg_per_s: float) -> None:
        if list(settings.windows) != sorted(set(settings.windows)):
            raise ValueError(f"windows must ascend, and no two be the same: {settings.windows} ns")
        self.settings = settings
        self.zero_leak_kg_per_s = zero_leak_kg_per_s
        self._windows = [Window(window_ns, settings.samples) for window_ns in settings.windows]
        self._slopes: list[Slope | None] = [None] * len(self._windows)
        self._density = SIGMA_MIN
        self._noise = Noise()
        self._time_ns: int | None = None
        self._onset: Onset | None = None

    def restart(self) -> None:
        """Forget the inventory. The onset of a leak that was certain is kept until it is refuted."""
        for window in self._windows:
            window.clear()
        self._slopes = [None] * len(self._windows)
        self._noise.pause()
        self._time_ns = None

    def push(
        self,
        time_ns: int,
        inventory_kg: float,
        sigma_kg: float,
        drift: Drift = NO_DRIFT,
        fading_per_kg: float = 0.0,
    ) -> Verdict:
        """Take one good inventory, later than the last, with the noise declared for it; constant time.

        `fading_per_kg`: by which share of itself a leak falls for each kg that it has lost.
        """
        if self._time_ns is not None and time_ns - self._time_ns >= self.settings.gap:
            self.restart()
        self._time_ns = time_ns
        self._noise.push(time_ns, inventory_kg, sigma_kg)
        mean_ns, mean_kg, weight = time_ns, inventory_kg, 1
        changed = 0
        # Each window is fed with the means of the one before: a long one costs next to nothing.
        for window in self._windows:
            if not window.push(mean_ns, mean_kg, weight):
                break
            changed += 1
            mean_ns, mean_kg, weight = window.mean_ns, window.mean, window.weight
        return self._judge(time_ns, self._see(changed, sigma_kg), drift, fading_per_kg)

    def _judge(self, time_ns: int, seen: list[Slope], drift: Drift, fading_per_kg: float) -> Verdict:
        if not seen:
            return UNDETERMINED
        certainty = self._certainty(seen, drift)
        best = self._since_onset(time_ns, seen, drift, fading_per_kg)
        if best is None or certainty < 1.0:
            agreeing = _agreeing(seen)
            # Where a longer window was rejected, the last that was not may lean towards it already: one step back.
            best = seen[agreeing - 2] if 1 < agreeing < len(seen) else seen[agreeing - 1]
        unseen = UNIFORM * drift.over(best.span_s)
        if certainty >= 1.0:
            self._date(time_ns, best, seen, unseen)
        elif (
            self._onset is not None
            and best.rate + REFUTED_SIGMA * best.sigma < ENDED_SHARE * self._onset.rate
        ):
            self._onset = None
        onset_s, sigma_onset_s = math.nan, math.nan
        if self._onset is not None:
            onset_s, sigma_onset_s = (time_ns - self._onset.time_ns) / NS_PER_S, self._onset.sigma_s
        return Verdict(
            determined=True,
            rate_kg_per_s=best.present(fading_per_kg),
            sigma_kg_per_s=math.hypot(best.sigma, unseen),
            certainty=certainty,
            onset_s=onset_s,
            sigma_onset_s=sigma_onset_s,
            span_s=best.span_s,
        )

    def _since_onset(
        self, time_ns: int, seen: list[Slope], drift: Drift, fading_per_kg: float
    ) -> Slope | None:
        """Of the windows since the onset the surest, as long as the leak has not changed; None without a date.

        Long ones are surer in noise and drift, until the residuals of what bends them outweigh that.
        """
        if self._onset is None:
            return None
        age_s = (time_ns - self._onset.time_ns) / NS_PER_S
        low, high = -math.inf, math.inf
        best, least_error = None, math.inf
        for slope in seen:
            _, sigma, noise, span_s = slope
            if span_s > age_s:
                break
            rate = slope.present(fading_per_kg)
            doubt = REFUTED_SIGMA * noise + BENDS_SHARE * abs(rate)
            low = rate - doubt if rate - doubt > low else low  # a third of the time of max() and min()
            high = rate + doubt if rate + doubt < high else high
            if low > high:
                break
            error = math.hypot(sigma, UNIFORM * drift.over(span_s))
            if error < least_error:
                best, least_error = slope, error
        return best

    def _see(self, changed: int, sigma_kg: float) -> list[Slope]:
        """The filled windows, shortest first; none surer than the noise allows, declared or measured.

        Only the first `changed` windows have a new slope; the others are as they were, unless the noise is not.
        """
        density = max(self._noise.density(sigma_kg), SIGMA_MIN)
        if abs(density - self._density) > SAME_NOISE * self._density:
            self._density, changed = density, len(self._windows)
        for i in range(changed):
            fit = self._windows[i].fit
            if fit is None:
                self._slopes[i] = None
                continue
            slope, sigma, white, span_s = fit
            noise = self._density * white
            self._slopes[i] = Slope(-slope, sigma if sigma > noise else noise, noise, span_s)
        return [slope for slope in self._slopes if slope is not None]

    def _certainty(self, seen: list[Slope], drift: Drift) -> float:
        """The best evidence among windows that no shorter one refutes: a step of long ago is not a leak."""
        k, zero, over = self.settings.k, self.zero_leak_kg_per_s, drift.over
        low, high, best = -math.inf, math.inf, -math.inf
        for rate, sigma, _, span_s in seen:
            doubt = REFUTED_SIGMA * sigma
            least, most = rate - doubt, rate + doubt
            if most < low or least > high:
                continue
            low = least if least > low else low
            high = most if most < high else high
            if rate > zero + best * k * sigma:  # else it cannot be the best
                evidence = (rate - zero - over(span_s)) / (k * sigma)
                best = evidence if evidence > best else best
        return best

    def _date(self, time_ns: int, present: Slope, seen: list[Slope], unseen_kg_per_s: float) -> None:
        """Date the onset from a window that reaches back before it, and keep the best date.

        A leak of constant rate that began x window lengths ago, after none, leaves the share y = 3 x^2 - 2 x^3 of
        its slope in the window: where the level before and the present line cross.
        """
        if present.rate < self.settings.k * present.sigma:  # its share of another slope would be noise
            return
        for rate, sigma, _, span_s in seen:
            if span_s <= present.span_s:
                continue
            y = rate / present.rate
            if not ONSET_SHARE[0] < y < ONSET_SHARE[1]:
                continue
            x = 0.5 - math.sin(math.asin(1 - 2 * y) / 3)
            noise_y = math.hypot(sigma, y * present.sigma) / present.rate
            sigma_y = math.hypot(noise_y, unseen_kg_per_s / present.rate)
            if 1 - y < REFUTED_SIGMA * noise_y:  # it need not be the time before
                continue
            sigma_s = math.hypot(span_s * sigma_y / (6 * x * (1 - x)), ONSET_CURVATURE * span_s * x)
            if self._onset is None or sigma_s < self._onset.sigma_s:
                self._onset = Onset(time_ns - int(x * span_s * NS_PER_S), sigma_s, present.rate)


def _agreeing(seen: list[Slope]) -> int:
    """How many windows, from the shortest on, have a rate in common."""
    low, high = -math.inf, math.inf
    for count, (rate, _, noise, _) in enumerate(seen):
        least, most = rate - DISAGREES_SIGMA * noise, rate + DISAGREES_SIGMA * noise
        low = least if least > low else low
        high = most if most < high else high
        if low > high:
            return count
    return len(seen)
