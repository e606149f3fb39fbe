/* Sliding least-squares slope over real timestamps, with its standard error.
 *
 * Memory   The caller owns the struct and the ring of samples (capacity * 16 bytes); nothing is allocated.
 * Cost     push: O(1) amortised, each sample enters once and leaves once. result: O(1). No spikes: see Drift.
 * NaN      What is not finite is skipped, and the answer says so: the window stays what it was.
 * Drift    Sums are taken against a reference time and value. A second set, begun afresh once per window and
 *          never subtracted from, replaces the first as soon as it covers the window: the error after 1e9
 *          pushes is that after 1e4.
 * Inputs   Gate them first: a step of 1e8 times the noise costs the result its digits until it has left the
 *          window and the sums are fresh again.
 * Threads  None inside; one slope is used by one thread at a time.
 */
#ifndef ULL_SLOPE_H
#define ULL_SLOPE_H

#include <stddef.h>
#include <stdint.h>

#include "ull_status.h"

/* 46 days: two windows of nanoseconds stay exact in a double. */
#define ULL_SLOPE_WINDOW_MAX_NS 4000000000000000

typedef struct {
    int64_t time_ns;
    double value;
} ull_slope_sample;

/* Sums over samples since `origin`; private. Lagged ones run over neighbouring pairs. */
typedef struct {
    int64_t origin_ns;
    double reference;
    size_t count;
    double t, v, tt, tv, vv;
    double lag_tt, lag_tv, lag_vv;
} ull_slope_sums;

/* Private: use the functions. */
typedef struct {
    ull_slope_sample *ring;
    size_t capacity;
    int64_t window_ns;
    double sigma_min;
    size_t oldest;
    ull_slope_sums window;
    ull_slope_sums fresh;
} ull_slope;

/* What the window says. Unit: that of the values. Standard errors are inflated by
 * sqrt((1 + phi) / (1 - phi)), for neighbouring residuals are not independent. NaN is what cannot be known
 * yet: the slope below 2 samples, the sigmas below 3. */
typedef struct {
    double slope_per_s;
    double sigma_slope_per_s; /* one standard error */
    double value;             /* the line at time_ns; the sample itself while there is only one */
    double sigma_value;       /* one standard error */
    double sigma_residual;    /* standard deviation of one sample about the line, at least sigma_min */
    double phi;               /* lag-1 autocorrelation of the residuals, in [0, 0.95]; 0 below 8 samples */
    int64_t time_ns;          /* of the newest sample; 0 when there is none */
    int64_t span_ns;          /* newest minus oldest */
    size_t count;
} ull_slope_fit;

/* Begin empty. A sample stays while it is at most `window_ns` older than the newest and among the newest
 * `capacity`. `sigma_min` >= 0 is the least standard deviation that one sample is believed to have: equal
 * values are not certainty. ULL_ARGUMENT: null, capacity < 2, window_ns not in 1..ULL_SLOPE_WINDOW_MAX_NS,
 * sigma_min negative or not finite. */
ull_status ull_slope_init(ull_slope *slope, ull_slope_sample *ring, size_t capacity, int64_t window_ns,
                          double sigma_min);

/* Forget every sample; the settings stay. */
void ull_slope_clear(ull_slope *slope);

/* Add a sample. Not taken: ULL_ORDER, time_ns not later than the newest; ULL_ARGUMENT, value not finite. */
ull_status ull_slope_push(ull_slope *slope, int64_t time_ns, double value);

/* Read the fit. `phi` is corrected for the bias -(2 + 4 phi) / n that fitting a level and a trend leaves. */
void ull_slope_result(const ull_slope *slope, ull_slope_fit *fit);

/* One tick over a bank of `slopes` slopes: sample i goes to bank[index[i]]; a slope may appear twice.
 * With `fit` not null, fit[i] is that slope's result after sample i, refused or not. With `status` not null,
 * status[i] is the answer to sample i (ull_status; ULL_ARGUMENT also for an index outside the bank, whose
 * fit[i] is not written). Returns the first answer that is not ULL_OK; the other samples are taken all the
 * same. */
ull_status ull_slope_push_many(ull_slope *bank, size_t slopes, const uint32_t *index, const int64_t *time_ns,
                               const double *value, size_t count, ull_slope_fit *fit, uint8_t *status);

/* Clear and read a whole bank. */
void ull_slope_clear_many(ull_slope *bank, size_t slopes);
void ull_slope_result_many(const ull_slope *bank, size_t slopes, ull_slope_fit *fit);

/* Batch replay, slope only: slope_per_s[i] of the finite samples at most `window_ns` older than sample i; NaN where
 * there is but one, and where sample i is not finite: it is skipped, and `refused`, which may be null, raised by one. As
 * pushes within rounding: 1e-12 of what the values of three windows span. O(count); sums are taken afresh once a
 * window. ULL_ORDER: from the first time on that does not advance the output is NaN; ULL_ARGUMENT: null or a bad
 * window, and nothing was done, or a sample was skipped. */
ull_status ull_slope_run(const int64_t *time_ns, const double *value, size_t count, int64_t window_ns,
                         double *slope_per_s, uint64_t *refused);

#endif
