/* One instrument channel: its arrivals are gated, despiked and differentiated into its three table rows.
 *
 * Order of judgement, for each sample:
 *   1. No trust to begin with, not finite, outside low..high: BAD.
 *   2. A step beyond max_rate * dt + 6 sigma_min from the last accepted sample, or no accepted sample for
 *      max_age: BAD, until the third in a row that agrees with the one before it. A run that began out of reach
 *      stays so, though max_rate * dt grows. If it is a step (a refill, a gross leak), despiking and rate begin
 *      afresh. The very first sample is believed.
 *      Garbage agrees with itself by chance: after three samples that agreed with nothing it takes ten in a row,
 *      also for what could be reached.
 *   3. An outlier of the Hampel filter: UNCERTAIN, and the median instead.
 *   4. Else accepted as it is, without lag. Only accepted samples enter the rate.
 * The rate cannot be told (no value, UNCERTAIN) until its samples span half of its window or fill its ring.
 * A spike is known when it is over: at most ULL_CHANNEL_SPIKE samples far off (by 1, 2 or 3), then one that is back.
 * (Beside a step 3 lets outliers pass; such a spike is told all the same.) A jump is known when the third sample agrees:
 * the channel went where max_rate does not lead. How far is in spike_row or jump_row with that sample; with every other
 * accepted one they are 0.
 * What 1 and 2 refuse for its value also sets the instrument's fault row, for as long as it is not written anew.
 * A BAD row has neither value nor sigma. A sample's source bits (ULL_SOURCE) are kept in all three rows.
 *
 * Memory   The caller owns all of it.
 * Cost     O(log window) a sample, O(1) a channel a tick for ageing.
 * Threads  None inside.
 */
#ifndef ULL_CHANNEL_H
#define ULL_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

#include "ull_hampel.h"
#include "ull_slope.h"
#include "ull_status.h"
#include "ull_table.h"

#define ULL_CHANNEL_AGREE 3        /* implausible steps in a row that agree, until they are believed */
#define ULL_CHANNEL_STRANGE 3      /* of them that agree with nothing, until the channel is distrusted; */
#define ULL_CHANNEL_AGREE_AGAIN 10 /* then so many must agree. Garbage over 20 reachable steps does once in 1e12 */
#define ULL_CHANNEL_SPIKE 3        /* samples far off in a row that may be one */
#define ULL_CHANNEL_NO_ROW 4294967295

/* Units: SI of the channel. */
typedef struct {
    uint32_t raw_row;  /* as received */
    uint32_t row;      /* despiked */
    uint32_t rate_row; /* per second */
    uint32_t fault_row; /* of the instrument: ULL_FAULT_...; ULL_CHANNEL_NO_ROW: none */
    uint32_t spike_row; /* how far off a spike was; ULL_CHANNEL_NO_ROW: none */
    uint32_t jump_row;  /* how far it jumped; ULL_CHANNEL_NO_ROW: none */
    double sigma_min;  /* > 0: the least noise of one sample, max(declared noise, step / sqrt(12)) */
    double low;        /* instrument range; may be infinite */
    double high;
    double max_rate_per_s; /* > 0: largest believable rate of change; INFINITY turns the check off */
    int64_t max_age_ns;    /* > 0: a row this old is STALE; after such a gap despiking begins afresh */
    size_t hampel_window;
    double hampel_k;
    int64_t rate_window_ns;
    size_t rate_capacity;
} ull_channel_settings;

/* Private: use the functions. */
typedef struct {
    ull_channel_settings settings;
    ull_hampel hampel;
    ull_slope rate;
    int64_t newest_ns;   /* of any sample, so that time advances */
    int64_t despiked_ns; /* of the newest that entered the Hampel window */
    uint8_t has_accepted;
    int64_t accepted_ns;
    double accepted;
    unsigned strange; /* samples that agreed with nothing, less those accepted since; at most 2 ULL_CHANNEL_STRANGE */
    unsigned fault;   /* of the newest sample */
    size_t odd_run;   /* implausible samples in a row that agree with each other, the newest of which: */
    int64_t odd_ns;
    double odd;
    uint8_t odd_out;  /* it was out of reach of the last accepted sample, not only too late */
    double jump;      /* by which the newest sample was out of reach, and is believed all the same */
    unsigned far_run; /* samples far off in a row, at most one more than make a spike; the newest of which: */
    double far;
    double far_from;  /* the accepted sample before them */
} ull_channel;

/* Begin empty. `hampel_memory`: 2 * hampel_window doubles; `rate_ring`: rate_capacity samples.
 * ULL_ARGUMENT: null, or a setting outside the bounds above, of ull_hampel_init or of ull_slope_init. */
ull_status ull_channel_init(ull_channel *channel, const ull_channel_settings *settings, double *hampel_memory,
                            ull_slope_sample *rate_ring);

/* One tick: take `count` arrivals (sample i is for table row row[i]), then age every channel's rows at
 * `now_ns`. `channel_of_row` has table->rows entries: the channel whose raw row it is, or -1; a row without a
 * channel is written as it came (sigma NaN; BAD when not finite). ULL_ORDER: a channel's sample that is not
 * later than its newest; ULL_ARGUMENT: a row outside the table. Neither is taken; the others are, and
 * `refused` is raised by one for each. Returns the first of these. */
ull_status ull_channel_push_many(ull_channel *channels, size_t channel_count, const int32_t *channel_of_row,
                                 const ull_table *table, int64_t now_ns, const uint32_t *row,
                                 const int64_t *time_ns, const double *value, const uint8_t *quality,
                                 size_t count, uint64_t *refused);

#endif
