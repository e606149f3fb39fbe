/* Sliding median of the last `window` finite samples, exact.
 *
 * Memory   The caller owns the struct and 2 * window doubles; nothing is allocated. run: 110 kB of stack.
 * Cost     push: O(log window) comparisons, one memmove of at most `window` doubles. run: odd windows up to 15 by
 *          sorting networks (ull_network.h); others sort each `window` samples once and then move from rank to rank,
 *          O(log window) in all and a third of the time of pushes.
 * NaN      What is not finite is skipped and counted in `refused`: the window stays what it was.
 * Drift    None: the result is a sample, or the mean of two.
 * Threads  None inside; one median is used by one thread at a time.
 */
#ifndef ULL_MEDIAN_H
#define ULL_MEDIAN_H

#include <stddef.h>
#include <stdint.h>

#include "ull_status.h"

#define ULL_MEDIAN_WINDOW_MAX 1025

/* Private but for `refused`: use the functions. */
typedef struct {
    double *ring;   /* the window in order of arrival */
    double *sorted; /* the same, ascending */
    size_t window;
    size_t count;
    size_t oldest;
    uint64_t refused; /* samples that were not finite, since init */
} ull_median;

/* Begin empty. ULL_ARGUMENT: null, window not in 1..1025. */
ull_status ull_median_init(ull_median *median, double *memory, size_t window);

/* Forget every sample; window and `refused` stay. */
void ull_median_clear(ull_median *median);

/* Add a sample. ULL_ARGUMENT: it is not finite and was not taken. */
ull_status ull_median_push(ull_median *median, double value);

/* Of the samples there are, up to `window`; for an even number the mean of the two in the middle; NaN for none. */
double ull_median_result(const ull_median *median);

/* The samples there are to sample[0..count-1], oldest first; returns how many. */
size_t ull_median_samples(const ull_median *median, double *sample);

/* Clear, then push `count` samples, at most `window`, all finite. */
void ull_median_load(ull_median *median, const double *sample, size_t count);

/* Batch: result[i] is what push, then result, give for value[i]; NaN where it is refused. Pushes may go before
 * and after. ULL_ARGUMENT: some sample was refused. The arrays do not overlap. */
ull_status ull_median_run(ull_median *median, const double *value, size_t count, double *result);

#endif
