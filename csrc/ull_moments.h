/* Sliding mean and standard deviation of the last `window` finite samples.
 *
 * Memory   The caller owns the struct and 3 * window doubles; nothing is allocated. run: 70 kB of stack.
 * Cost     push: O(1), but O(window) once in `window` pushes. result: O(1). run: O(1) a sample, four windows at a time.
 * Drift    None: nothing is ever subtracted from a sum. Samples come in blocks of `window`; each window is the end of
 *          one block and the beginning of the next, so it is the sum of two sums that were begun afresh. They are
 *          taken against a sample of the window itself: what has left it leaves no trace, and the standard deviation
 *          keeps its digits on any offset.
 * NaN      What is not finite is skipped and counted in `refused`: the window stays what it was.
 * Inputs   Values within 10^150 of each other.
 * Threads  None inside; one is used by one thread at a time.
 */
#ifndef ULL_MOMENTS_H
#define ULL_MOMENTS_H

#include <stddef.h>
#include <stdint.h>

#include "ull_status.h"

#define ULL_MOMENTS_WINDOW_MAX 1025

/* Private but for `refused`: use the functions. */
typedef struct {
    double *value;  /* the block: its samples so far, then those of the block before */
    double *sum;    /* at each place, of what the block before has after it, less the reference, */
    double *square; /* and of the squares */
    size_t window;
    size_t place; /* samples in this block */
    size_t count;
    double reference; /* the first sample of the block */
    double block_sum;
    double block_square;
    uint64_t refused; /* samples that were not finite, since init */
} ull_moments;

/* Begin empty. ULL_ARGUMENT: null, window not in 1..1025. */
ull_status ull_moments_init(ull_moments *moments, double *memory, size_t window);

/* Forget every sample; window and `refused` stay. */
void ull_moments_clear(ull_moments *moments);

/* Add a sample. ULL_ARGUMENT: it is not finite and was not taken. */
ull_status ull_moments_push(ull_moments *moments, double value);

/* Of the samples there are, n of them, up to `window`: the mean, NaN for none, and the standard deviation, by n - 1,
 * NaN for fewer than two. Unit: that of the values. Either may be null. */
void ull_moments_result(const ull_moments *moments, double *mean, double *std);

/* Batch: mean[i] and std[i] are, to the last bit, what push, then result, give for value[i]; NaN where it is refused.
 * Either may be null; the mean alone is cheaper. Pushes may go before and after. ULL_ARGUMENT: some sample was
 * refused. The arrays do not overlap. */
ull_status ull_moments_run(ull_moments *moments, const double *value, size_t count, double *mean, double *std);

#endif
