/* Hampel filter: is the newest sample an outlier among the last `window`? The median and the median absolute
 * deviation (MAD) are exact.
 *
 * Memory   The caller owns the struct and 2 * window doubles; nothing is allocated.
 * Cost     push: O(log window) comparisons, one memmove of at most `window` doubles; the MAD is a bisection. run:
 *          windows up to 15 by sorting networks (ull_network.h), many times faster; others as pushes.
 * NaN      What is not finite is skipped and counted in `median.refused`: the window stays what it was.
 * Drift    None: nothing is summed.
 * Threads  None inside; one filter is used by one thread at a time.
 */
#ifndef ULL_HAMPEL_H
#define ULL_HAMPEL_H

#include <stddef.h>
#include <stdint.h>

#include "ull_median.h"
#include "ull_status.h"

#define ULL_HAMPEL_WINDOW_MIN 3
#define ULL_HAMPEL_WINDOW_MAX 1025
#define ULL_HAMPEL_RUN 3 /* so many flagged in a row, and the next ones pass: a gross leak is not a spike */

/* Private but for `median.refused`: use the functions. */
typedef struct {
    ull_median median;
    size_t flagged; /* in a row, up to now */
    double k;
    double scale_min;
} ull_hampel;

/* What a sample was found to be. Unit: that of the values. */
typedef struct {
    double value;  /* the sample as it came, or the median when it is flagged */
    double median; /* of the window, this sample included */
    double scale;  /* max(1.4826 MAD, scale_min): the standard deviation that the window shows */
    uint8_t flagged;
} ull_hampel_verdict;

/* Begin empty. A sample is an outlier when |x - median| > k * scale. `scale_min` is the floor of the scale:
 * on coarse steps the MAD is 0 and half of the samples near a step would be flagged; give it
 * max(noise, step / sqrt(12)). ULL_ARGUMENT: null, window even or not in 3..1025, k or scale_min not positive
 * and finite. */
ull_status ull_hampel_init(ull_hampel *hampel, double *memory, size_t window, double k, double scale_min);

/* Forget every sample; the settings stay. */
void ull_hampel_clear(ull_hampel *hampel);

/* Add a sample and judge it; every finite sample enters the window, flagged or not. Fewer than 3 samples flag
 * nothing; after 3 flagged in a row outliers pass until one sample is none. ULL_ARGUMENT: value is not
 * finite; it is not taken. */
ull_status ull_hampel_push(ull_hampel *hampel, double value, ull_hampel_verdict *verdict);

/* One tick over a bank of `hampels` filters: sample i goes to bank[index[i]]. With `status` not null,
 * status[i] is the answer to sample i (ull_status; ULL_ARGUMENT for an index outside the bank); verdict[i] is
 * written where it is ULL_OK. Returns the first answer that is not ULL_OK; the other samples are taken all
 * the same. */
ull_status ull_hampel_push_many(ull_hampel *bank, size_t hampels, const uint32_t *index, const double *value,
                                size_t count, ull_hampel_verdict *verdict, uint8_t *status);

/* Batch replay of one channel: cleaned[i] and flagged[i] as `count` pushes would give them (either may be
 * null); pushes may go before and after. A value that is not finite comes out as it is, unflagged, and is not
 * taken; returns ULL_ARGUMENT if there was one. The arrays do not overlap. */
ull_status ull_hampel_run(ull_hampel *hampel, const double *value, size_t count, double *cleaned,
                          uint8_t *flagged);

#endif
