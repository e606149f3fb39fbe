/* Fusion: two or three instruments on one quantity become one series that does not step when one of them goes.
 *
 * Noise is averaged: the mean with weights 1 / (noise^2 interval), so that one asked rarely counts for what it tells.
 * Its time is the mean of the samples' times with the same weights: a steady change is read without lag.
 *
 * Instruments differ by more than their noise, so each is corrected before it is averaged:
 *   offset     against the mean of all, learned in the first ULL_FUSION_LEARN rounds, then frozen. More than twice the
 *              tolerance apart is nothing to learn. One that comes later learns as long before it counts.
 *   departure  what has become of it since: moving means over 4, 16 ... 16384 rounds, each the truth within
 *              ULL_FUSION_SIGMAS of its error; the shorter one has the last word. 0 while nothing is significant.
 * The departures say where the level is: three: in the middle; two: at the one that speaks least for a leak (`safe`), for
 * a leak is seen by both. So one that drifts takes the series along by no more than what noise hides.
 *
 * A round: every live instrument has a new sample. They are compared at the time of the oldest of these, the others
 * interpolated. What a round decides:
 *   torn       a sample ULL_FUSION_GATE sigmas from its peers. Of three it is left out; of two the result is UNCERTAIN.
 *              After ULL_FUSION_PERSIST torn rounds it is a step of the instrument: the departures begin anew.
 *   apart      a mean of 8 rounds beyond the tolerance, until it is back within half of it. Of three it is left out and
 *              named; of two neither is believed: UNCERTAIN, until one is gone for ULL_FUSION_PERSIST of the other's samples.
 * A sample that is not GOOD is left out, a STALE one is gone; the sigma grows. Without any GOOD one the result is what the
 * best of them is: UNCERTAIN, BAD or STALE.
 *
 * Memory   The caller owns all of it.
 * Cost     O(1) a step and fusion: a few loads without news, some hundred flops with.
 * Threads  None inside.
 */
#ifndef ULL_FUSION_H
#define ULL_FUSION_H

#include <stddef.h>
#include <stdint.h>

#include "ull_status.h"
#include "ull_table.h"

#define ULL_FUSION_MOST 3
#define ULL_FUSION_SCALES 7 /* of 4^1 to 4^7 rounds */
#define ULL_FUSION_LEARN 256
#define ULL_FUSION_SIGMAS 3
#define ULL_FUSION_GATE 6
#define ULL_FUSION_PERSIST 16
#define ULL_FUSION_NO_ROW 4294967295

typedef struct {
    uint32_t row;         /* read: the despiked channel */
    uint32_t departs_row; /* written, of three: how far it is from the middle; ULL_FUSION_NO_ROW: not wanted */
    double noise;         /* > 0: declared standard deviation of a sample */
    int64_t interval_ns;  /* > 0: between two samples */
} ull_fusion_input;

typedef struct {
    ull_fusion_input input[ULL_FUSION_MOST];
    size_t count;        /* 2 or 3 */
    uint32_t row;        /* written: the fused value */
    uint32_t spread_row; /* written: largest less smallest, offsets taken off, mean of 8 rounds; BAD with fewer than two */
    double tolerance;    /* > 0: farther apart is a disagreement */
    int safe;            /* +1: of two the higher level; -1: the lower */
} ull_fusion_settings;

/* Private: one instrument. Values as read, times `safe`. */
typedef struct {
    double weight;
    int64_t time_ns; /* of the newest GOOD sample */
    double value;
    double sigma;
    int64_t before_ns; /* and of the one before it; 0: none */
    double before;
    double offset;
    unsigned learned; /* rounds, at most ULL_FUSION_LEARN */
    double slow[ULL_FUSION_SCALES];
    double slower[ULL_FUSION_SCALES]; /* moving means of these: a line shows in the two without lag (Brown) */
    double departure;
    double settled; /* the same by the means over 256 rounds and more: without the noise of an instant */
    double apart; /* mean of 8 rounds */
    uint8_t is_new, round_is_new, joined;
} ull_fusion_member;

/* Private: use the functions. */
typedef struct {
    ull_fusion_settings settings;
    ull_fusion_member member[ULL_FUSION_MOST];
    unsigned live; /* masks of instruments */
    unsigned departed;
    unsigned torn;
    unsigned voting;  /* whose departures say where the level is */
    unsigned torn_run;
    unsigned alone;   /* results of one instrument in a row */
    unsigned rounds;  /* of the moving means */
    double variance[ULL_FUSION_SCALES]; /* of a moving mean, over that of one round */
    double shift;     /* keeps the level where it is when others vote on it */
    int64_t start_ns, time_ns;
    double value;
    int64_t wait_ns;
    uint8_t started, disagree;
} ull_fusion;

/* Begin empty. ULL_ARGUMENT: null, or a setting outside the bounds above. */
ull_status ull_fusion_init(ull_fusion *fusion, const ull_fusion_settings *settings);

/* One tick, after the channels': read the inputs' rows and write the others. ULL_ARGUMENT: null, or a row that is not in
 * the table; nothing is done. */
ull_status ull_fusion_step_many(ull_fusion *fusions, size_t count, const ull_table *table);

#endif
