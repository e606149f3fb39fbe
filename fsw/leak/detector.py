"""Is it leaking, how fast, since when: the sequential detector of `csrc/ull_watch.h` over one vessel's inventory.

Each inventory is one call into C, which answers how sure a leak is. Rate and onset are worked out when asked for.
docs/leak-models.md derives the numbers.
"""

import math
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from fsw._core import ffi, lib
from fsw.leak.allowance import Allowance
from fsw.leak.calibration import Calibration
from fsw.occurrence import Kind
from fsw.quantity import Duration

NS_PER_S = 1_000_000_000

LEVELS = 12  # octaves of lag above 256 samples: 10^6, 29 h at 10 Hz
CERTAIN = 1.0
UNIFORM = 1 / math.sqrt(3)  # standard error of what is known only by its bound
REFUTED_SIGMA = 5.0  # a needless change of mind about a rate costs precision, so it must be sure
BENT_SIGMA = 4.0  # by which the line since the onset may differ from the surest one
BENDS_SHARE = 0.2  # one leak's honest lines differ by this share; what differs by more has changed
CURVED = (
    0.2  # share of itself that a leak may have faded by for its onset still to be dated by a straight line
)
YOUNG = 16  # samples of the likeliest onset: there is not one in every place yet
# Of a sample: the standard error of a rate whose onset is sought at whole samples, times its age.
BETWEEN = 1.5 / math.sqrt(12)
LAG_OF_EACH = 25.0  # samples of lag for each sample in a point of the trace
KINK = 1 / 6  # of a fall from point to point: what a kink between two of few points leaves at most
MISFIT = 1.5  # of the rms of 20 samples and more, by chance once in 10^4
FORGET_NS = 600 * NS_PER_S  # without certainty for so long, it was another leak
ENDED_SHARE = 0.1  # of the rate that was dated; a leak that is surely below is another one
KINDS = {
    lib.ULL_WATCH_LEARNED: Kind.NOISE_KNOWN,
    lib.ULL_WATCH_RISE: Kind.RISE,
    lib.ULL_WATCH_FALL: Kind.FALL,
}


class Settings(BaseModel):
    """`[vessels.NAME.detector]`: rarely needed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    memory: int = Field(
        default=10_000,
        ge=64,
        le=10_000_000,
        description="samples of baseline; fewer where the level wanders, more find small leaks a little sooner",
    )
    gap: Duration = Field(
        default=10 * NS_PER_S,
        gt=0,
        description="without a good inventory for so long, the level is learned anew",
        json_schema_extra={"default": "10 s"},
    )
    flat: Duration = Field(
        default=10 * NS_PER_S,
        description="a pressure unchanged to the bit for so long is no evidence; longer for coarse steps",
        json_schema_extra={"default": "10 s"},
    )


class Verdict(NamedTuple):
    """What is known of the leak now. Rates in kg/s, positive for a leak, what is lost without one included."""

    rate: float
    sigma: float  # of noise and of what may move without a leak; not of the model's scale
    onset_s: float = math.nan  # ago; NaN without a leak, or when it is older than the memory
    sigma_onset_s: float = math.nan
    span_s: float = math.nan  # in which the rate was seen


class Event(NamedTuple):
    """Something that is no leak."""

    kind: Kind
    began_ns: int
    kg: float  # NaN where that is not the point


class Dated(NamedTuple):
    """When a leak began, and how fast it was when that was found."""

    onset_ns: int
    sigma_s: float
    rate: float


class Detector:
    """The watch over one vessel. About a microsecond a sample, 40 kB."""

    def __init__(
        self, settings: Settings, false_alarm_s: float, calibration: Calibration | None = None
    ) -> None:
        known = calibration is not None
        chosen = {
            "false_alarm_s": false_alarm_s,
            "memory": settings.memory,
            "levels": LEVELS,
            "gap_ns": settings.gap,
            "expected_per_s": calibration.zero_leak_kg_per_s if calibration else 0.0,
            "calibrated": known,
            "phi": calibration.phi if calibration else 0.0,
            "interval_s": calibration.interval_s if calibration else 1.0,
            "error": calibration.noise_error if calibration else 0.0,
        }
        watch: Any = ffi.new("ull_watch *")
        if lib.ull_watch_init(watch, ffi.new("ull_watch_settings *", chosen)) != lib.ULL_OK:
            raise ValueError(f"the C core refuses {settings} with {calibration}")
        self._watch = watch
        self._detector: Any = ffi.addressof(watch.detector)
        sample: Any = ffi.new("ull_watch_sample *")
        self._sample, self._sample_allowance = sample, sample.allowance
        self._result: Any = ffi.new("ull_detector_verdict *")
        self._trace: Any = ffi.addressof(watch.trace)
        self._look: Any = ffi.new("ull_trace_look *")
        self._low: Any = ffi.new("double *")
        self._high: Any = ffi.new("double *")
        self._noise = calibration.noise if calibration else 1.0
        self._fading_per_kg = 0.0
        self.events: list[Event] = []
        self._dated: Dated | None = None
        self._certain_ns = 0

    @property
    def known(self) -> bool:
        """The noise is: what the detector says of small slopes holds."""
        return bool(self._watch.known)

    @property
    def sigma_kg(self) -> float:
        """The noise of one inventory that it goes by."""
        return float(self._detector.settings.sigma)

    def restart(self) -> None:
        """Forget the level. The date of a leak that was certain is kept until it is refuted."""
        lib.ull_watch_restart(self._watch)

    def expect(self, sigma_kg: float, fading_per_kg: float, allowance: Allowance) -> None:
        """Of the inventories from the next one on: the noise declared, and what may move them without a leak.

        `fading_per_kg`: by which share of itself a leak falls for each kg that it has lost.
        """
        self._sample.sigma = self._noise * sigma_kg
        self._sample.fading = self._fading_per_kg = fading_per_kg
        to = self._sample_allowance
        (
            to.lasting_per_s,
            to.passing,
            to.passing_per_s,
            to.settling,
            to.settling_s,
            to.settling_ns,
        ) = allowance

    def push(self, time_ns: int, kg: float) -> float:
        """Take one good inventory, later than the last; how sure a leak is: 1 and more is one."""
        sample, watch = self._sample, self._watch
        sample.time_ns = time_ns
        sample.value = kg
        lib.ull_watch_push(watch, sample)
        if watch.event:
            self.events.append(Event(KINDS[watch.event], watch.event_ns, watch.event_value))
        certainty: float = watch.certainty
        return certainty

    def take_events(self) -> list[Event]:
        """What the inventories were found to be the end of, since they were taken last."""
        taken, self.events = self.events, []
        if any(event.kind is Kind.FALL for event in taken):
            self._dated = None
        return taken

    def verdict(self, now_ns: int) -> Verdict | None:
        """Rate and onset; None before there is anything to tell. Some ten microseconds."""
        watch, low, high, fading_per_kg = self._watch, self._low, self._high, self._fading_per_kg
        if watch.certainty < CERTAIN:
            if now_ns - self._certain_ns > FORGET_NS:
                self._dated = None
            return _told(lib.ull_watch_rate(watch, fading_per_kg, math.inf, 0, low, high))
        result = self._result
        lib.ull_detector_result(self._detector, result)
        if not result.onset_ns or not math.isfinite(result.sigma_onset_s):
            return self._older(now_ns)
        age_s = max((now_ns - result.onset_ns) / NS_PER_S, 0.0)
        bent, rate, sigma_per_s, span_s = self._bent(), result.rate_per_s, result.sigma_rate_per_s, age_s
        longest_s = age_s
        if result.lag < YOUNG:
            least, longest_s = self._young()
            sigma_per_s = max(sigma_per_s, least)
            if self._look.since < max(
                result.lag, lib.ULL_DETECTOR_LAG_MIN
            ):  # which reaches back before the onset
                rate, span_s = self._look.going_per_s, longest_s
                sigma_per_s = math.hypot(least, BETWEEN * rate / self._look.since)
        best = lib.ull_watch_rate(watch, fading_per_kg, longest_s, 1, low, high)
        whole = lib.ull_watch_present(watch, rate, sigma_per_s, span_s, fading_per_kg)
        apart = abs(whole.rate_per_s - best.rate_per_s) > BENT_SIGMA * best.error_per_s and best.span_s > 0
        straight = bent < 1 and low[0] <= high[0] and not apart
        found = Dated(result.onset_ns, result.sigma_onset_s, whole.rate_per_s)
        if not straight:
            found = self._between(now_ns, found, best.rate_per_s)
        dated = self._date(now_ns, found, whole if straight else best)
        age_s = (now_ns - dated.onset_ns) / NS_PER_S
        doubt = REFUTED_SIGMA * whole.noise_per_s + BENDS_SHARE * abs(whole.rate_per_s)
        unchanged = straight and low[0] - doubt <= whole.rate_per_s <= high[0] + doubt
        if unchanged and (not best.span_s or whole.error_per_s < self._rival(best, whole)):
            best = whole
        told = _told(best)
        return None if told is None else told._replace(onset_s=age_s, sigma_onset_s=dated.sigma_s)

    def _older(self, now_ns: int) -> Verdict | None:
        """Of a leak that began before the first sample since the last gap: the date is what it was before that."""
        kept = self._dated
        age_s = math.inf if kept is None else (now_ns - kept.onset_ns) / NS_PER_S
        told = _told(lib.ull_watch_rate(self._watch, self._fading_per_kg, age_s, 1, self._low, self._high))
        if kept is None or told is None:
            return told
        self._certain_ns = now_ns
        return told._replace(onset_s=age_s, sigma_onset_s=kept.sigma_s)

    def _young(self) -> tuple[float, float]:
        """Doubt that a line of unknown onset has through what fell since then, kg/s; and how long that is, s."""
        used, interval_s = self._detector.settings, self._detector.per_interval
        samples = max(self._look.since, 1.0)
        long_run = used.sigma * math.sqrt((1 + used.phi) / (1 - used.phi))
        return long_run * math.sqrt(12 / samples**3) / interval_s, samples * interval_s

    def _rival(self, line: Any, whole: Any) -> float:
        """The error that a line through a part of a steady leak has, kg/s. What it states takes for granted that the
        leak had begun; but no part shows the rate better than the whole, and noise goes as span^-1.5."""
        error: float = line.error_per_s
        if self._result.lag < YOUNG:
            return error
        noise = max(line.noise_per_s, whole.noise_per_s * (whole.span_s / line.span_s) ** 1.5)
        return math.sqrt(error**2 - line.noise_per_s**2 + noise**2)

    def _bent(self) -> float:
        """What a level and then a straight fall leave of the course, over what noise would; 1 and less is a line."""
        used, look, lag = self._detector.settings, self._look, float(self._result.lag)
        slow_variance = used.sigma * used.sigma * (1 + used.phi) / (1 - used.phi)
        lib.ull_trace_judge(self._trace, lag, slow_variance, look)
        # The trace has means of so many samples, and tries no onset between two of them.
        samples = 2 ** max(math.ceil(math.log2(max(lag, 1.0) / LAG_OF_EACH)), 0)
        fall = abs(look.going_per_s) * self._detector.per_interval / math.sqrt(slow_variance)
        bent: float = look.misfit / math.hypot(MISFIT, KINK * fall * samples**1.5)
        return bent

    def _between(self, now_ns: int, found: Dated, rate: float) -> Dated:
        """The date of a fall that is not straight: between the straight line's and what the present rate would take."""
        age_s, fall = (now_ns - found.onset_ns) / NS_PER_S, self._look.fall
        other_s = fall / rate if rate > 0 and fall > 0 else age_s
        middle_s, half_s = 0.5 * (age_s + other_s), 0.5 * abs(age_s - other_s)
        sigma_s = math.hypot(half_s, found.sigma_s * max(self._look.misfit, 1.0))
        return Dated(now_ns - round(middle_s * NS_PER_S), sigma_s, found.rate)

    def _date(self, now_ns: int, found: Dated, now: Any) -> Dated:
        """The best date of this leak: of before a gap, if it goes on behind it; of before it faded, if it fades."""
        kept = self._dated
        most = now.rate_per_s + REFUTED_SIGMA * now.error_per_s
        if kept is None or most < ENDED_SHARE * kept.rate:
            kept = found
        doubt_ns = REFUTED_SIGMA * math.hypot(found.sigma_s, kept.sigma_s) * NS_PER_S
        agrees = abs(found.onset_ns - kept.onset_ns) < doubt_ns
        if agrees and found.sigma_s < kept.sigma_s and found.rate > (1 - CURVED) * kept.rate:
            kept = Dated(found.onset_ns, found.sigma_s, kept.rate)
        self._dated, self._certain_ns = kept, now_ns
        return kept


def _told(view: Any) -> Verdict | None:
    if not view.span_s:
        return None
    return Verdict(view.rate_per_s, view.error_per_s, span_s=view.span_s)
