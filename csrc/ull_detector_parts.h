/* What the files of the detector share: private to them, inline where a push needs it. */
#ifndef ULL_DETECTOR_PARTS_H
#define ULL_DETECTOR_PARTS_H

#include "ull_detector.h"

/* A hypothesis is born at each multiple of 2^RANK_MIN samples. One at an odd multiple of 2^rank lives for 2 PLACES
 * 2^rank samples: so there are PLACES of each rank at any time, and as many in each octave of age. Those of rank
 * RANK_OLD and more share the last slots while they are dense. */
enum {
    RANK_MIN = 2,
    RANK_OLD = 7,
    PLACES = ULL_DETECTOR_PLACES,
    YOUNG = PLACES * (RANK_OLD - RANK_MIN),
    OCTAVE_DENSE = 7, /* the last that fits the slots: lags below 256 */
    MEMORY_STEP = 3 /* octaves of lag that share a baseline: MEMORY_FACTOR */
};
_Static_assert(ULL_DETECTOR_SLOTS == YOUNG + PLACES && ULL_DETECTOR_DENSE == PLACES << RANK_OLD, "ranks and slots agree");

/* The threshold falls with the lag n, by so much for each ln n: equal shares of false alarms for the octaves up to
 * n = 512, and less and less for those above, however many. docs/leak-models.md */
static const double LOG_2 = 0.6931471805599453, LOG_KNEE = 9.0 * 0.6931471805599453, PENALTY_OLD = 0.25;
static const double BOUND_MIN = 4.0; /* z = 2: a lag as long as the interval between false alarms has no say */
static const double BEND = 1.5;

static inline double larger(double a, double b) { return a > b ? a : b; }

/* Later minus earlier without signed overflow, whatever the two are. */
static inline uint64_t age_ns(int64_t newer_ns, int64_t older_ns) { return (uint64_t)newer_ns - (uint64_t)older_ns; }

static inline double penalty(double log_lag) {
    return log_lag <= LOG_KNEE ? log_lag : LOG_KNEE + PENALTY_OLD * (log_lag - LOG_KNEE);
}

/* z^2 that alarms at a lag, for a threshold. */
static inline double bound_of(double threshold, double log_lag) { return 2.0 * (threshold - penalty(log_lag)); }

/* Since the earlier of two times. */
static inline ull_detector_sums sum(ull_detector_sums earlier, ull_detector_sums block) {
    const double ahead = block.time - earlier.time;
    return (ull_detector_sums){.time = earlier.time,
                               .e0 = earlier.e0 + block.e0,
                               .e1 = earlier.e1 + (block.e1 + ahead * block.e0),
                               .g0 = earlier.g0 + block.g0,
                               .g1 = earlier.g1 + (block.g1 + ahead * block.g0),
                               .g2 = earlier.g2 + (block.g2 + ahead * (2.0 * block.g1 + ahead * block.g0))};
}

static inline ull_detector_sums sums_of(const ull_detector *s, int slot) {
    return (ull_detector_sums){.time = s->time[slot],
                               .e0 = s->r0[slot] + s->level[slot] * s->g0[slot],
                               .e1 = s->r1[slot] + s->level[slot] * s->g1[slot],
                               .g0 = s->g0[slot],
                               .g1 = s->g1[slot],
                               .g2 = s->g2[slot]};
}

/* What is left, `time` after it began, of a change that fades. */
static inline double settling_left(const ull_detector *s, double time) {
    const double gone = 1.0 + s->settling_rate * larger(time - s->settling_time, 0.0);
    return s->settling / (gone * gone);
}

/* Largest slope without a leak, between the onset and now, per interval. What bends it is worth up to half as much
 * again to a straight line. */
static inline double allowed_slope(const ull_detector *s, double onset, double now) {
    const double age = now - onset;
    const double passing = s->passing < s->passing_rate * age ? s->passing / age : s->passing_rate;
    double slope = s->lasting + BEND * passing;
    if (s->settling > 0.0) slope += BEND * (settling_left(s, onset) - settling_left(s, now)) / age;
    return slope;
}

/* Largest error of a level without a leak that is so many intervals older than the onset. */
static inline double allowed_level(const ull_detector *s, double onset, double behind) {
    const double came = s->passing_rate * behind;
    double level = s->lasting * behind + (s->passing < came ? s->passing : came);
    if (s->settling > 0.0) level += settling_left(s, onset - behind) - settling_left(s, onset);
    return level;
}

/* The block of this sample goes to all older hypotheses whose turn it is; their best scores follow. */
void ull_detector_feed_old(ull_detector *detector, const ull_detector_whitened *sample);

/* The hypothesis in a slot is 256 samples old: it leaves, and those before it make room. */
void ull_detector_grow_old(ull_detector *detector, double now, int slot);

#endif
