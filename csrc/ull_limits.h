/* Limit votes: one batch call a tick judges every limit of the parameter table and answers with what changed, nothing else.
 *
 * Memory: all of it is the caller's; nothing is allocated and nothing is kept outside the structs given. The columns,
 * the limits and the states must outlive `ull_limits`. Threads: one at a time per `ull_limits`. Times: integer nanoseconds on one clock
 * that never steps, 0 to 2^62 - 1. Cost: O(count) a step, whatever n and m are. No call blocks.
 *
 * Quality is judged first, from the row's ULL_TRUST bits (the others only travel along): a NaN or infinite value, or a byte that claims nothing, is BAD; a sample older than max_age_ns is STALE.
 *
 * Who votes:
 *   - a sample votes once: a row votes when its time_ns has advanced; a row marked STALE holds no sample
 *   - GOOD votes for raise and for return; UNCERTAIN only for raise; BAD and STALE change no register (see on_bad)
 *   - a sigma that is NaN or negative, where k > 0, makes the sample UNCERTAIN and counts as 0
 *   - a level that is off sees its limit, a level that is on sees limit -/+ deadband; the flag decides, never the value
 * A level goes on when n of the last m votes were for it during on_delay_ns, and off when the last off_n GOOD samples were
 * clear during off_delay_ns; both delays run on the samples' own times.
 */
#ifndef ULL_LIMITS_H
#define ULL_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#include "ull_status.h"
#include "ull_table.h"

typedef enum {
    ULL_CHECK_LIMIT = 1,        /* the value at or beyond a level */
    ULL_CHECK_STALE = 5,        /* no sample for longer than max_age_ns; a row never written ages from the first step */
    ULL_CHECK_QUALITY = 6,      /* BAD samples vote for */
    ULL_CHECK_FLAT_LINE = 7,    /* unchanged to the last bit during max_age_ns, without a gap of that length */
    ULL_CHECK_UNDETERMINED = 10 /* UNCERTAIN during max_age_ns, not once GOOD */
} ull_check;

typedef enum {
    ULL_ON_BAD_HOLD = 0,  /* frozen; time spent blind does not count towards off_delay_ns */
    ULL_ON_BAD_RAISE = 1, /* BAD votes for every level; so does each step of silence longer than max_age_ns */
    ULL_ON_BAD_IGNORE = 2 /* as if the sample had not been: the delays run on */
} ull_on_bad;

/* Levels, in the order of ull_limit.level; a set of them is a mask of 1 << index. */
typedef enum {
    ULL_LEVEL_LOW_LOW = 0,
    ULL_LEVEL_LOW = 1,
    ULL_LEVEL_HIGH = 2, /* also the one level of every check but ULL_CHECK_LIMIT */
    ULL_LEVEL_HIGH_HIGH = 3
} ull_level;

/* One limit, as its owner defines it. */
typedef struct {
    uint32_t row;         /* what votes */
    uint32_t report_row;  /* whose extreme is kept while the condition is true */
    uint8_t check;        /* ull_check */
    uint8_t on_bad;       /* ull_on_bad; ULL_CHECK_LIMIT only */
    uint8_t sure;         /* 1: value - k sigma must be beyond the level; 0: value + k sigma is enough */
    uint8_t n;            /* 1 <= n <= m <= 64; both 1 for the checks that measure time: STALE, FLAT_LINE, UNDETERMINED */
    uint8_t m;
    uint8_t off_n;        /* 1 to 255 */
    double k;             /* >= 0, in sigmas */
    double level[4];      /* unit of the row; NaN absent; at least one for ULL_CHECK_LIMIT */
    double deadband;      /* >= 0, unit of the row */
    int64_t on_delay_ns;  /* >= 0; 0 for the checks that measure time */
    int64_t off_delay_ns; /* >= 0 */
    int64_t max_age_ns;   /* >= 0, 0 none; > 0 for the checks that measure time and for ULL_ON_BAD_RAISE */
} ull_limit;

/* Private: the votes of one level. */
typedef struct {
    uint64_t votes;   /* newest in bit 0 */
    int64_t since_ns; /* since when the votes suffice, while `counting` */
    uint8_t hits;     /* bits set in `votes` */
    uint8_t clear;    /* GOOD clear samples in a row, while on; stops at off_n */
    uint8_t counting;
} ull_limit_votes;

/* Private: one limit's memory. What a quiet sample needs comes first, in one cache line. */
typedef struct {
    int64_t last_ns;   /* time of the newest sample taken */
    double inner_low;  /* a value between these two votes for no level */
    double inner_high;
    double spread_k;   /* + k cautious, - k sure */
    uint32_t row;
    uint8_t quiet;     /* 1: a clear sample would change nothing but last_ns */
    uint8_t on;        /* mask of levels that are on */
    uint8_t blind;     /* a BAD sample or a gap since the last good look */
    uint8_t held;      /* `held_ns` and `held_bits` hold something */
    int64_t held_ns;   /* since when the value has not changed, or has been UNCERTAIN */
    uint64_t held_bits;
    double peak;
    ull_limit_votes level[4];
} ull_limit_state;

/* One change of one limit's condition. */
typedef struct {
    uint32_t index;  /* which limit */
    uint8_t before;  /* mask of levels that were on */
    uint8_t after;   /* mask of levels that are on */
    uint8_t quality; /* of the row, as judged; the high four bits as found */
    uint8_t hits[4]; /* votes for each level in its window when it was decided */
    double peak;     /* extreme of report_row since the side went on; NaN: none */
} ull_limit_change;

/* The limits and the table that they read. Private, but for the caller to place. */
typedef struct {
    ull_limit *limits;
    ull_limit_state *states;
    size_t count;
    ull_table table;
    int64_t start_ns;
    int started;
} ull_limits;

/* Bind `count` limits and as many states to the table's columns, all levels off. ULL_ARGUMENT: a null pointer (to the
 * arrays: where count > 0), or a limit outside the bounds above. */
ull_status ull_limits_init(ull_limits *self, ull_limit *limits, ull_limit_state *states, size_t count,
                           const ull_table *table);

/* Judge every limit at `now_ns`. `changes` has room for `count`; answers how many were written, in order of index. */
size_t ull_limits_step(ull_limits *self, int64_t now_ns, ull_limit_change *changes);

/* Replace one definition and keep its votes and flags: a new level or deadband never drops an alarm by itself.
 * ULL_ARGUMENT: no such index, bounds, or another row or check than before. */
ull_status ull_limits_redefine(ull_limits *self, size_t index, const ull_limit *limit);

/* Set which levels are on, as remembered from before a restart, with no votes. ULL_ARGUMENT: no such index, or a level that
 * the limit does not have. */
ull_status ull_limits_restore(ull_limits *self, size_t index, uint8_t on);

#endif
