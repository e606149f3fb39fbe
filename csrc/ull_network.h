/* Medians of many overlapping short windows at once: sorting networks, whose comparisons do not depend on the data, over
 * blocks of neighbouring windows, one lane each. What ull_median_run and ull_hampel_run do with windows of up to 15.
 *
 * Memory   The caller's; nothing is allocated. 16 kB of stack.
 * Cost     Of a block, whatever is in it: medians some 16 or 60 comparisons a window, with MAD 150.
 * Threads  Any number.
 */
#ifndef ULL_NETWORK_H
#define ULL_NETWORK_H

#include <stddef.h>

#define ULL_NETWORK_BLOCK 128
#define ULL_NETWORK_WINDOW_MAX 15

/* Copy the finite ones of value[0..count-1] to `sample` until there are ULL_NETWORK_BLOCK, then zeros up to there;
 * -0 becomes 0. Returns how many were finite; *seen: how many were looked at. */
size_t ull_network_take(const double *value, size_t count, double *sample, size_t *seen);

/* median[i] of sample[i .. i+window-1], i below ULL_NETWORK_BLOCK: `sample` holds ULL_NETWORK_BLOCK + window - 1, all
 * finite, and does not overlap with the results. `window` is odd, 1 to 15: not checked. */
void ull_network_median(const double *sample, size_t window, double *median);

/* The same for a window of 3 to 15, and the median distance from it. */
void ull_network_median_mad(const double *sample, size_t window, double *median, double *mad);

#endif
