/* How fast does the series of a detector fall, since when: what its hypotheses say together.
 *
 * Cost     result: up to 20 microseconds; slopes: a few. Neither changes the detector.
 */
#ifndef ULL_ONSET_H
#define ULL_ONSET_H

#include <stddef.h>
#include <stdint.h>

#include "ull_detector.h"

#define ULL_DETECTOR_VIEWS 40 /* hypotheses at any time: SLOTS + PLACES * LEVELS */

/* What is known of the leak. NaN is what cannot be known yet. */
typedef struct {
    double certainty;        /* that of the detector: 0 and more; from 1 on a leak */
    double rate_per_s;       /* of fall, since the onset */
    double sigma_rate_per_s; /* one standard error, the onset unknown: 95 % lie within 1.96 of them */
    double sigma_onset_s;    /* one standard error; infinite when the leak is older than every hypothesis */
    int64_t onset_ns;        /* 0 when there is no hypothesis or no fall */
    uint64_t lag;            /* samples since the onset of the best hypothesis */
} ull_detector_verdict;

/* The straight line, level unknown, through the samples after the birth of a hypothesis. */
typedef struct {
    double span_s;
    uint64_t samples;
    double rate_per_s;  /* of fall, what may fall included */
    double sigma_per_s; /* one standard error */
    double mean_fall;   /* of the line in the middle of the span, below the first sample of all */
} ull_detector_slope;

/* A leak is taken to be steady since an onset that may be anywhere, any of them as likely as the samples make it. Where
 * no hypothesis sees a fall the rate is that of the longest, and may be negative. */
void ull_detector_result(const ull_detector *detector, ull_detector_verdict *verdict);

/* The lines of all hypotheses of ULL_DETECTOR_LAG_MIN samples and more, youngest first, `max` at most (there are never
 * more than ULL_DETECTOR_VIEWS); returns how many. A leak that fades is no straight line: the younger ones tell. */
size_t ull_detector_slopes(const ull_detector *detector, ull_detector_slope *out, size_t max);

/* Private: a hypothesis with all samples up to now. */
typedef struct {
    ull_detector_sums sums;
    double level, variance;
    uint64_t lag;
} ull_detector_view;

/* Youngest first, all of different age, into ULL_DETECTOR_VIEWS places. */
int ull_detector_views(const ull_detector *detector, ull_detector_view *views);

#endif
