/* How noisy a series is: standard deviation and lag-1 correlation of AR(1) noise, and how well they are known.
 *
 * From squared differences of neighbours, and from what straight lines through 64 samples each leave: level and slope
 * cancel (a leak of b sigma per sample adds b^2 / 2 to the former: 5e-5 at 0.01), so it may run on for ever without
 * learning a leak. What the lines take of the noise itself is known for AR(1) noise, and given back.
 * Standard errors come from the scatter of batches, whatever the noise is. Slow noise beneath that of neighbours shows in
 * second differences of the means of 4, 16 ... samples, which are blind to any straight line.
 *
 * Memory   The caller owns the struct, 1 kB.
 * Cost     push: O(1).
 * Samples  Even spacing is assumed; call ull_noise_pause at a gap. A segment that a gap cuts short is lost.
 * Threads  None inside; one estimate is used by one thread at a time.
 */
#ifndef ULL_NOISE_H
#define ULL_NOISE_H

#include <stddef.h>
#include <stdint.h>

#include "ull_status.h"

#define ULL_NOISE_SEGMENT 64  /* samples under one straight line */
#define ULL_NOISE_BATCH 256   /* samples */
#define ULL_NOISE_BATCHES 8   /* fewer say nothing of the standard errors */
#define ULL_NOISE_RECENT 16   /* batches that the short memory holds */

#define ULL_NOISE_SCALES 10   /* means of 4, 16 ... 4^10 samples */

/* Private, as the next: use the functions. */
typedef struct {
    double before, last; /* means of this many samples */
    double sum;
    uint32_t summed, held;
    double square;       /* long-run variance of one sample, by this scale */
    uint64_t count;
} ull_noise_scale;

typedef struct {
    double batches;               /* how many it remembers */
    double weight, weight_square; /* of those that the means hold */
    double mean_near, mean_far;
    double var_near, var_far, cov;
} ull_noise_memory;

typedef struct {
    double last;
    int paused;                   /* last is no neighbour of what comes */
    double first, sum, moment, square; /* of this segment: its first value, and sums of those since less that */
    uint32_t held;                /* samples of it */
    double near, far;             /* sums of this batch: of squared differences, and of squares of residuals */
    uint32_t near_count, far_count;
    uint64_t batches;             /* ever */
    ull_noise_memory memory, recent;
    ull_noise_scale scale[ULL_NOISE_SCALES];
    double step;                  /* least difference of neighbours that is not 0 */
    uint64_t pairs, ties;         /* neighbours, and how many of them were equal */
} ull_noise;

/* NaN until ULL_NOISE_BATCHES batches are in. */
typedef struct {
    double sigma;          /* of one sample */
    double phi;            /* 0 to 0.99 */
    double sigma_long_run; /* sigma sqrt((1 + phi) / (1 - phi)): what a slope is worth */
    double error_sigma;    /* one standard error, each */
    double error_phi;
    double error_long_run;
    double step;           /* of the instrument, where it is coarse enough to show: neighbours are often equal; else 0 */
    uint64_t batches;
} ull_noise_estimate;

/* Begin empty. Batches older than `memory` of them fade; 16 to 10^9. ULL_ARGUMENT: null, memory out of bounds. */
ull_status ull_noise_init(ull_noise *noise, double memory);

/* What comes next is no neighbour of what was; the noise is the same. */
void ull_noise_pause(ull_noise *noise);

/* Take a sample. ULL_ARGUMENT: value not finite; it is not taken, and counts as a pause. */
ull_status ull_noise_push(ull_noise *noise, double value);

ull_status ull_noise_run(ull_noise *noise, const double *value, size_t count);

/* For lags of 2^k to 2^(k+1) samples, k < octaves: by how much the variance of slow noise is above that of AR(1) noise with
 * the long-run variance given; 1 where that is not sure by 3 standard errors. */
void ull_noise_excess(const ull_noise *noise, double long_run_variance, double *excess, size_t octaves);

/* By all that is remembered. */
void ull_noise_result(const ull_noise *noise, ull_noise_estimate *estimate);

/* By the last ULL_NOISE_RECENT batches. */
void ull_noise_recent(const ull_noise *noise, ull_noise_estimate *estimate);

#endif
