/* Is a series falling, how fast, since when: sequential likelihood ratios, added over hypotheses of onset.
 *
 * The model: a level, then from an unknown time on a straight fall of unknown rate, under white or AR(1) noise of
 * known sigma and phi. Every fourth sample begins a hypothesis, "the fall began here", which keeps the baseline as it
 * was then (so a leak is never learned away) and the sums of its own fit. Two hypotheses are kept for each octave of
 * age. docs/leak-models.md derives statistic and threshold.
 *
 * Memory   The caller owns the struct, 14 kB, whatever the lags; nothing is allocated.
 * Cost     push: 12 fits at each sample, and 2 more shared by all older hypotheses: those of age n take samples
 *          in blocks of n / 256 to n / 128 and are judged as often. Near an alarm an exponential for each besides.
 * Drift    No sum outlives its hypothesis, none is subtracted from: the error does not grow with the pushes.
 * Time     Real timestamps throughout: jitter and gaps need no treatment. phi holds for one nominal interval and
 *          fades as phi^(t / interval). Calling again after a level that jumped needs a restart.
 * Threads  None inside; one detector is used by one thread at a time.
 */
#ifndef ULL_DETECTOR_H
#define ULL_DETECTOR_H

#include <stddef.h>
#include <stdint.h>

#include "ull_status.h"

#define ULL_DETECTOR_SLOTS 12     /* hypotheses of up to ULL_DETECTOR_DENSE samples, which take each sample */
#define ULL_DETECTOR_DENSE 256    /* samples */
#define ULL_DETECTOR_PLACES 2    /* hypotheses in an octave of age: a power of 2 */
#define ULL_DETECTOR_LEVELS 14    /* octaves of age above: 4 million samples */
#define ULL_DETECTOR_OCTAVES 23   /* of lag: 2^22 samples and more are the last */
#define ULL_DETECTOR_MEMORIES 5   /* lengths of baseline, each 8 times the one before */
#define ULL_DETECTOR_LAG_MIN 8    /* samples: below, a spike would be a leak */

typedef struct {
    int64_t interval_ns;   /* nominal: the unit of phi; 1 to 10^15 */
    double sigma;          /* of one sample (not of the innovation), > 0, unit of the values */
    double phi;            /* of neighbours one interval apart, 0 to 0.99 */
    double threshold;      /* h of ull_detector_threshold, 7 to 60 */
    double memory;         /* samples of baseline behind lags up to 1024; 8 times as many for each 8 times the lag;
                            * 64 to 10^9, 10^4 is proven */
    double allowed_per_s;  /* the series falls this fast anyway: taken off before all else; finite */
    uint32_t levels;       /* the longest lag is 256 * 2^levels samples; at most ULL_DETECTOR_LEVELS */
} ull_detector_settings;

/* How far the series may be off by what is neither noise nor a leak: bounds, all >= 0, in units of the values. No more
 * than evidence beyond the worst of it counts. */
typedef struct {
    double lasting_per_s;     /* slope that goes on */
    double passing;           /* change that comes and stays */
    double passing_per_s;     /* how fast that may come */
    double settling;          /* change that began at settling_ns and is over in the end: what is left of it is */
    double settling_s;        /* settling / (1 + t / settling_s)^2; > 0 where settling is */
    int64_t settling_ns;
} ull_detector_allowance;

/* Private, as all below up to the functions. Whitened sums since `time`, in nominal intervals. */
typedef struct {
    double time;
    double e0, e1;     /* of u e and g e, where a level L and a rate b give e the mean L u + b g */
    double g0, g1, g2; /* of u u, u g and g g */
} ull_detector_sums;

typedef struct {
    double level;    /* exponentially weighted mean of the series less what may fall */
    double variance; /* of it */
    double weight;   /* information in it, up to what its memory holds */
    double time;     /* mean of its samples' */
} ull_detector_baseline;

typedef struct {
    ull_detector_sums sums;
    double score, score_rise, bound;
    uint64_t born; /* number of the last sample before */
    uint32_t held; /* 0: the place is free */
    ull_detector_baseline baseline[ULL_DETECTOR_MEMORIES];
} ull_detector_hypothesis;

/* One sample, whitened; e of the series less what may fall. */
typedef struct {
    double time, e, u, w; /* g = u (time since onset) + w */
} ull_detector_whitened;

typedef struct {
    ull_detector_settings settings;
    double bound[ULL_DETECTOR_DENSE + 1]; /* z^2 with which an onset at this lag alarms alone */
    double log_lag[ULL_DETECTOR_DENSE + 1];
    double r0[ULL_DETECTOR_SLOTS], r1[ULL_DETECTOR_SLOTS]; /* as e0 and e1, of what the level leaves */
    double g0[ULL_DETECTOR_SLOTS], g1[ULL_DETECTOR_SLOTS], g2[ULL_DETECTOR_SLOTS];
    double time[ULL_DETECTOR_SLOTS], level[ULL_DETECTOR_SLOTS], variance[ULL_DETECTOR_SLOTS];
    double behind[ULL_DETECTOR_SLOTS]; /* intervals by which the level is older than the onset */
    double slot_score[ULL_DETECTOR_SLOTS]; /* negative: it rises */
    uint32_t age[ULL_DETECTOR_SLOTS]; /* samples */
    ull_detector_baseline young[ULL_DETECTOR_PLACES][ULL_DETECTOR_MEMORIES]; /* of the last two slots: they may grow old */
    ull_detector_hypothesis old[ULL_DETECTOR_LEVELS + 1][ULL_DETECTOR_PLACES];      /* [0] is not used */
    ull_detector_sums block[ULL_DETECTOR_LEVELS + 1];               /* what old[s] has not taken yet */
    ull_detector_baseline baseline[ULL_DETECTOR_MEMORIES];
    double recent_e0[2], recent_g0[2]; /* what the shortest and the longer memories lack yet */
    double score_old[ULL_DETECTOR_LEVELS + 2], rise_old[ULL_DETECTOR_LEVELS + 2]; /* best of this level and above */
    double score, score_rise; /* certainty^2; by the best onset alone, of a series that rises: from 1 on the baseline no longer holds */
    double excess[ULL_DETECTOR_OCTAVES]; /* variance of slow noise over that of sigma and phi, by octave of lag; >= 1 */
    int allowing;
    double memory_drift, memory_max; /* samples: a longer baseline would lag too far behind what may drift */
    double lasting, passing, passing_rate, settling, settling_rate, settling_time; /* allowance, per interval */
    double log_phi, allowed, per_interval;
    double phi_one, scale_one; /* for a distance of exactly one interval */
    double reference, last;    /* falls count from the first value */
    int64_t origin_ns, last_ns;
    uint64_t count;
} ull_detector;

/* h such that Gaussian noise, white or AR(1), alarms once in `interval` samples on the mean; 10^3 to 10^12, beyond is
 * clamped; NaN for NaN. */
double ull_detector_threshold(double interval);

/* z^2 with which one onset so many samples ago alarms alone, for a threshold h (less is enough where others fit as well);
 * 1e300 below ULL_DETECTOR_LAG_MIN, NaN for NaN. */
double ull_detector_bound(double threshold, double lag);

/* Begin empty. ULL_ARGUMENT: null, a setting outside its bounds. */
ull_status ull_detector_init(ull_detector *detector, const ull_detector_settings *settings);

/* Forget every sample; settings, allowance and excess stay. */
void ull_detector_restart(ull_detector *detector);

/* Go on with other noise. What was learned keeps its weight by long-run variance. `excess` (null: as it is) is by how
 * much the variance of slow noise is above what sigma and phi make of it, for lags from 2^k to 2^(k+1) samples.
 * ULL_ARGUMENT: out of bounds; nothing is changed. */
ull_status ull_detector_retune(ull_detector *detector, double sigma, double phi, const double *excess);

/* From the next sample on. ULL_ARGUMENT: negative, not finite; nothing is changed. */
ull_status ull_detector_allow(ull_detector *detector, const ull_detector_allowance *allowance);

/* Take a sample. Not taken: ULL_ORDER, time_ns not later than the last; ULL_ARGUMENT, value not finite or 10^12 sigma
 * from the first one. */
ull_status ull_detector_push(ull_detector *detector, int64_t time_ns, double value);

/* The largest slope per second that the allowance can leave in a straight line through the last `span_s`; > 0. */
double ull_detector_allowed(const ull_detector *detector, double span_s);

/* Certainty and no more: what an alarm needs at each sample. 1 and more: all onsets together make it a leak. 0 before there
 * is anything to judge. */
double ull_detector_certainty(const ull_detector *detector);

/* One tick over a bank of `detectors` vessels: sample i goes to bank[index[i]]. With `certainty` not null,
 * certainty[i] is that detector's after sample i, refused or not. With `status` not null, status[i] is the answer to
 * sample i (ull_status; ULL_ARGUMENT also for an index outside the bank, whose certainty[i] is not written). Returns
 * the first answer that is not ULL_OK; the other samples are taken all the same. */
ull_status ull_detector_push_many(ull_detector *bank, size_t detectors, const uint32_t *index,
                                  const int64_t *time_ns, const double *value, size_t count, double *certainty,
                                  uint8_t *status);

/* Batch replay: certainty[i] as `count` pushes would give it. A sample that is refused leaves it as it was; returns
 * the first answer that is not ULL_OK. */
ull_status ull_detector_run(ull_detector *detector, const int64_t *time_ns, const double *value, size_t count,
                            double *certainty);

#endif
