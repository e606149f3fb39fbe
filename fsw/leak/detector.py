"""Is it leaking, how fast, since when: the sequential detector of `csrc/ull_watch.h` over one vessel's inventory.

Each inventory is one call into C, which answers how sure a leak is. Rate and onset are worked out when asked for.
docs/leak-models.md derives the numbers.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from fsw._core import ffi, lib
from fsw.leak.allowance import NONE, Allowance
from fsw.leak.calibration import Calibration
from fsw.occurrence import Kind
from fsw.quantity import Duration

NS_PER_S = 1_000_000_000

LEVELS = 12  # octaves of lag above 256 samples: 10^6, 29 h at 10 Hz
CERTAIN = 1.0
UNIFORM = 1 / math.sqrt(3)  # standard error of what is known only by its bound
REFUTED_SIGMA = 5.0  # a needless change of mind about a rate costs precision, so it must be sure
BENDS_SHARE = 0.2  # one leak's honest lines differ by this share; what differs by more has changed
CURVED = (
    0.2  # share of itself that a leak may have faded by for its onset still to be dated by a straight line
)
CURVED_ERROR = 0.05  # of the fading: what the correction for it may be wrong by
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
    kg: float


class Dated(NamedTuple):
    """When a leak began, and how fast it was when that was found."""

    onset_ns: int
    sigma_s: float
    rate: float


class _Line(NamedTuple):
    """One view of the rate: now, with what noise makes of it, over a span."""

    rate: float
    noise: float
    span_s: float
    error: float  # noise, fading and what may move, together


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
        self._slopes: Any = ffi.new("ull_detector_slope[]", lib.ULL_DETECTOR_VIEWS)
        self._noise = calibration.noise if calibration else 1.0
        self._allowance = NONE
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

    def allow(self, allowance: Allowance) -> None:
        """From the next inventory on, so much may move without a leak."""
        self._allowance = allowance
        to = self._sample_allowance
        (
            to.lasting_per_s,
            to.passing,
            to.passing_per_s,
            to.settling,
            to.settling_s,
            to.settling_ns,
        ) = allowance

    def push(self, time_ns: int, kg: float, sigma_kg: float, fading_per_kg: float = 0.0) -> float:
        """Take one good inventory, later than the last, with the noise declared for it; how sure a leak is.

        1 and more is a leak. `fading_per_kg`: by which share of itself a leak falls for each kg that it has lost.
        """
        sample, watch = self._sample, self._watch
        sample.time_ns = time_ns
        sample.value = kg
        sample.sigma = self._noise * sigma_kg
        sample.fading = fading_per_kg
        lib.ull_watch_push(watch, sample)
        certainty: float = watch.certainty
        return certainty

    def event(self) -> Event | None:
        """What the last inventory was found to be the end of."""
        kind = KINDS.get(self._watch.event)
        if kind is None:
            return None
        if kind is Kind.FALL:
            self._dated = None
        return Event(kind, self._watch.event_ns, self._watch.event_value)

    def verdict(self, now_ns: int, fading_per_kg: float = 0.0) -> Verdict | None:
        """Rate and onset; None before there is anything to tell. Some ten microseconds."""
        lines = list(self._lines(now_ns, fading_per_kg))
        if not lines:
            return None
        if self._watch.certainty < CERTAIN:
            if now_ns - self._certain_ns > FORGET_NS:
                self._dated = None
            best = min(lines, key=lambda line: line.error)
            return Verdict(best.rate, best.error, span_s=best.span_s)
        result = self._result
        lib.ull_detector_result(self._detector, result)
        if not result.onset_ns or not math.isfinite(result.sigma_onset_s):
            best = _surest(lines)
            return Verdict(best.rate, best.error, span_s=best.span_s)
        age_s = max((now_ns - result.onset_ns) / NS_PER_S, 0.0)
        whole = self._line(result.rate_per_s, result.sigma_rate_per_s, age_s, now_ns, fading_per_kg)
        dated = self._date(now_ns, Dated(result.onset_ns, result.sigma_onset_s, whole.rate), whole)
        age_s = (now_ns - dated.onset_ns) / NS_PER_S
        best = _surest([*(line for line in lines if line.span_s < age_s), whole])
        return Verdict(best.rate, best.error, age_s, dated.sigma_s, best.span_s)

    def _lines(self, now_ns: int, fading_per_kg: float) -> Iterator[_Line]:
        count = lib.ull_detector_slopes(self._detector, self._slopes, lib.ULL_DETECTOR_VIEWS)
        for slope in self._slopes[0:count]:
            yield self._line(slope.rate_per_s, slope.sigma_per_s, slope.span_s, now_ns, fading_per_kg)

    def _line(self, rate: float, sigma: float, span_s: float, now_ns: int, fading_per_kg: float) -> _Line:
        """The rate now: a leak that fades exponentially with what it has lost has this mean over the span."""
        faded = fading_per_kg * rate * span_s
        share = math.log1p(faded) / faded if faded > 0 else 1.0
        unseen = UNIFORM * self._allowance.over(span_s, now_ns)
        error = math.hypot(sigma * share, unseen, CURVED_ERROR * (1 - share) * rate)
        return _Line(rate * share, sigma * share, span_s, error)

    def _date(self, now_ns: int, found: Dated, whole: _Line) -> Dated:
        """The best date of this leak: of before a gap, if it goes on behind it; of before it faded, if it fades."""
        kept = self._dated
        if kept is None or whole.rate + REFUTED_SIGMA * whole.error < ENDED_SHARE * kept.rate:
            kept = found
        doubt_ns = REFUTED_SIGMA * math.hypot(found.sigma_s, kept.sigma_s) * NS_PER_S
        agrees = abs(found.onset_ns - kept.onset_ns) < doubt_ns
        if agrees and found.sigma_s < kept.sigma_s and whole.rate > (1 - CURVED) * kept.rate:
            kept = Dated(found.onset_ns, found.sigma_s, kept.rate)
        self._dated, self._certain_ns = kept, now_ns
        return kept


def _surest(lines: list[_Line]) -> _Line:
    """The least error among lines, shortest first, up to the first that contradicts a shorter one: the leak changed."""
    low, high = -math.inf, math.inf
    best = lines[0]
    for line in lines:
        doubt = REFUTED_SIGMA * line.noise + BENDS_SHARE * abs(line.rate)
        low, high = max(low, line.rate - doubt), min(high, line.rate + doubt)
        if low > high:
            break
        if line.error < best.error:
            best = line
    return best
