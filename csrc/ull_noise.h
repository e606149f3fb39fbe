/* How noisy a series is: standard deviation and lag-1 correlation of AR(1) noise, and how well they are known.
 *
 * From squared differences of neighbours and of samples 16 apart: level and slow drift cancel (a leak of b sigma per
 * sample adds (16 b)^2 / 2 to the variance: 1e-4 at 0.01), so it may run on for ever without learning a leak.
 * Standard errors come from the scatter of batches, whatever the noise is.
 *
 * Memory   The caller owns the struct, about 300 bytes.
 * Cost     push: O(1).
 * Samples  Even spacing is assumed; call ull_noise_pause at a gap.
 * Threads  None inside; one estimate is used by one thread at a time.
 */
#ifndef ULL_NOISE_H
#define ULL_NOISE_H

#include <stddef.h>
#include <stdint.h>

#include "ull_status.h"

#define ULL_NOISE_FAR 16      /* samples between the far pair; phi^16 is corrected for */
#define ULL_NOISE_BATCH 256   /* samples */
#define ULL_NOISE_BATCHES 8   /* fewer say nothing of the standard errors */

/* Private: use the functions. */
typedef struct {
    double ring[ULL_NOISE_FAR];
    uint64_t seen;                /* since the last pause */
    double near, far;             /* sums of this batch */
    uint32_t near_count, far_count;
    uint64_t batches;             /* ever */
    double memory;                /* batches */
    double weight, weight_square; /* of the batches that the means below hold */
    double mean_near, mean_far;
    double var_near, var_far, cov;
} ull_noise;

/* NaN until ULL_NOISE_BATCHES batches are in. */
typedef struct {
    double sigma;          /* of one sample */
    double phi;            /* 0 to 0.99 */
    double sigma_long_run; /* sigma sqrt((1 + phi) / (1 - phi)): what a slope is worth */
    double error_sigma;    /* one standard error, each */
    double error_phi;
    double error_long_run;
    uint64_t batches;
} ull_noise_estimate;

/* Begin empty. Batches older than `memory` of them fade; 16 to 10^9. ULL_ARGUMENT: null, memory out of bounds. */
ull_status ull_noise_init(ull_noise *noise, double memory);

/* What comes next is no neighbour of what was; the noise is the same. */
void ull_noise_pause(ull_noise *noise);

/* Take a sample. ULL_ARGUMENT: value not finite; it is not taken, and counts as a pause. */
ull_status ull_noise_push(ull_noise *noise, double value);

ull_status ull_noise_run(ull_noise *noise, const double *value, size_t count);

void ull_noise_result(const ull_noise *noise, ull_noise_estimate *estimate);

#endif
