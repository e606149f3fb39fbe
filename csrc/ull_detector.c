#include "ull_detector.h"

#include <math.h>

#include "ull_onset.h"

/* A hypothesis is born at each multiple of 2^RANK_MIN samples. One at an odd multiple of 2^rank lives for 2 PLACES
 * 2^rank samples: so there are PLACES of each rank at any time, and as many in each octave of age. Those of rank
 * RANK_OLD and more share the last slots while they are dense. */
enum {
    RANK_MIN = 2,
    RANK_OLD = 7,
    PLACES = ULL_DETECTOR_PLACES,
    YOUNG = PLACES * (RANK_OLD - RANK_MIN),
    MEMORY_STEP = 3 /* octaves of lag that share a baseline: MEMORY_FACTOR */
};
_Static_assert(ULL_DETECTOR_SLOTS == YOUNG + PLACES && ULL_DETECTOR_DENSE == PLACES << RANK_OLD, "ranks and slots agree");

/* The threshold falls with the lag n, by so much for each ln n: nearly equal shares of false alarms for the octaves up
 * to n = 128, somewhat more to 512, where the baseline begins to cost, and less and less for those above, however many.
 * docs/leak-models.md */
static const double PENALTY_SHORT = 0.88, PENALTY = 1.5, PENALTY_OLD = 0.25;
static const double LAG_SHORT = 128.0;
enum { KNEE_LEVEL = 1 }; /* lag ULL_DETECTOR_DENSE * 2^KNEE_LEVEL */
static const double BOUND_MIN = 4.0;    /* z = 2: a lag as long as the interval between false alarms has no say */
static const double NO_BOUND = 1e300;
static const double LN_2 = 0.69314718055994530942;
static const double NS_PER_S = 1e9;
static const double MEMORY_FACTOR = 8.0;
static const double FAR_SIGMA = 1e12; /* a double still tells 1e-4 sigma apart there */

static const ull_detector_sums NOTHING = {0};

/* Through the intervals simulated at h = 10.6, 13.2 and 15.8 (8.52e3, 8.01e4, 8.17e5 samples; 4000, 1000, 800 alarms).
 * The slope falls slowly towards 1, so beyond them it is careful. */
double ull_detector_threshold(double interval) {
    if (isnan(interval)) return interval;
    return 1.13 * log(fmin(fmax(interval, 1e3), 1e12)) + 0.40;
}

static double penalty(double lag) {
    const double knee = (double)(ULL_DETECTOR_DENSE << KNEE_LEVEL);
    const double beyond = lag > LAG_SHORT ? log(fmin(lag, knee) / LAG_SHORT) : 0.0;
    const double above = lag > knee ? log(lag / knee) : 0.0;
    return PENALTY_SHORT * (log(lag) - beyond - above) + PENALTY * beyond + PENALTY_OLD * above;
}

double ull_detector_bound(double threshold, double lag) {
    if (isnan(threshold) || isnan(lag)) return NAN;
    return lag < ULL_DETECTOR_LAG_MIN ? NO_BOUND : fmax(2.0 * (threshold - penalty(lag)), BOUND_MIN);
}

/* Later minus earlier without signed overflow, whatever the two are. */
static uint64_t age_ns(int64_t newer_ns, int64_t older_ns) { return (uint64_t)newer_ns - (uint64_t)older_ns; }

static inline double larger(double a, double b) { return a > b ? a : b; }

static void add(ull_detector_sums *to, const ull_detector_sums *block) {
    const double ahead = block->time - to->time;
    to->e0 += block->e0;
    to->e1 += block->e1 + ahead * block->e0;
    to->g0 += block->g0;
    to->g1 += block->g1 + ahead * block->g0;
    to->g2 += block->g2 + ahead * (2.0 * block->g1 + ahead * block->g0);
}

static void learn(ull_detector_baseline *baseline, double e0, double g0, double weight_max) {
    if (g0 <= 0.0) return;
    const double weight = baseline->weight + g0 < weight_max ? baseline->weight + g0 : weight_max;
    const double gain = g0 < weight ? g0 / weight : 1.0;
    baseline->weight = weight;
    baseline->level += gain * (e0 / g0 - baseline->level);
    baseline->variance = (1.0 - gain) * (1.0 - gain) * baseline->variance + gain * gain / g0;
}

/* (z / its bound)^2 of one hypothesis, negative where the series rises. The level is unknown with the variance v of
 * the baseline: r = e - u level has the covariance 1 + v u u', so that the score for the rate is
 * A = r1 - v g1 r0 / (1 + v g0), its information I = g2 - v g1^2 / (1 + v g0). Both are taken times d = 1 + v g0. */
static inline double score_of(double r0, double r1, double g0, double g1, double g2, double v, double bound) {
    const double d = 1.0 + v * g0;
    const double vg = v * g1;
    const double a = r1 * d - vg * r0;
    return a * fabs(a) / (d * (g2 * d - vg * g1) * bound);
}

/* All slots take the sample; the loop in the middle is one that compilers vectorise. */
static double dense(ull_detector *s, const ull_detector_whitened *sample) {
    const double t = sample->time, e = sample->e, u = sample->u, w = sample->w;
    double bound[ULL_DETECTOR_SLOTS], score[ULL_DETECTOR_SLOTS];
    for (int i = 0; i < ULL_DETECTOR_SLOTS; i++) bound[i] = s->bound[++s->age[i]];
    for (int i = 0; i < ULL_DETECTOR_SLOTS; i++) {
        const double g = u * (t - s->time[i]) + w;
        const double r = e - u * s->level[i];
        const double r0 = s->r0[i] + u * r;
        const double r1 = s->r1[i] + g * r;
        const double g0 = s->g0[i] + u * u;
        const double g1 = s->g1[i] + u * g;
        const double g2 = s->g2[i] + g * g;
        s->r0[i] = r0;
        s->r1[i] = r1;
        s->g0[i] = g0;
        s->g1[i] = g1;
        s->g2[i] = g2;
        score[i] = score_of(r0, r1, g0, g1, g2, s->variance[i], bound[i]);
    }
    double best = 0.0;
    for (int i = 0; i < ULL_DETECTOR_SLOTS; i++) best = larger(best, score[i]);
    return best;
}

static void begin(ull_detector *s, int slot, double time) {
    s->r0[slot] = s->r1[slot] = s->g0[slot] = s->g1[slot] = s->g2[slot] = 0.0;
    s->time[slot] = time;
    s->level[slot] = s->baseline[0].level;
    s->variance[slot] = s->baseline[0].variance;
    s->age[slot] = 0;
    if (slot < YOUNG) return;
    for (int m = 0; m < ULL_DETECTOR_MEMORIES; m++) s->young[slot - YOUNG][m] = s->baseline[m];
}

static ull_detector_sums sums_of(const ull_detector *s, int slot) {
    return (ull_detector_sums){.time = s->time[slot],
                               .e0 = s->r0[slot] + s->level[slot] * s->g0[slot],
                               .e1 = s->r1[slot] + s->level[slot] * s->g1[slot],
                               .g0 = s->g0[slot],
                               .g1 = s->g1[slot],
                               .g2 = s->g2[slot]};
}

static void judge_old(ull_detector *s, uint32_t level, ull_detector_hypothesis *old) {
    const uint64_t lag = s->count - old->born;
    const double octaves = (double)(level < KNEE_LEVEL ? level : KNEE_LEVEL);
    double bound = s->bound[lag >> level] - 2.0 * PENALTY * LN_2 * octaves;
    if (level > KNEE_LEVEL) {
        const double above = log((double)lag / (double)(ULL_DETECTOR_DENSE << KNEE_LEVEL));
        bound = s->bound[ULL_DETECTOR_DENSE] - 2.0 * (PENALTY * LN_2 * octaves + PENALTY_OLD * above);
    }
    const ull_detector_baseline *baseline = &old->baseline[level / MEMORY_STEP];
    const ull_detector_sums *sums = &old->sums;
    old->score = bound < BOUND_MIN
                     ? 0.0
                     : score_of(sums->e0 - baseline->level * sums->g0, sums->e1 - baseline->level * sums->g1, sums->g0,
                                sums->g1, sums->g2, baseline->variance, bound);
}

/* A hypothesis of 256 samples leaves its slot for old[1], the one there goes on to old[2] or, at every other time,
 * out, and so on: each level takes every second one of the level below. */
static void grow_old(ull_detector *s, int slot) {
    if (s->age[slot] < ULL_DETECTOR_DENSE) return; /* the first ones, all born with the first sample */
    ull_detector_hypothesis next = {.sums = sums_of(s, slot), .born = s->count - s->age[slot], .held = 1};
    for (int m = 0; m < ULL_DETECTOR_MEMORIES; m++) next.baseline[m] = s->young[slot - YOUNG][m];
    for (uint32_t level = 1; level <= s->settings.levels && next.held; level++) {
        const uint32_t shift = RANK_OLD - 1 + level;
        if (s->count & ((UINT64_C(1) << shift) - 1)) break;
        ull_detector_hypothesis *place = &s->old[level][(s->count >> shift) & (PLACES - 1)];
        const ull_detector_hypothesis leaving = *place;
        *place = next;
        judge_old(s, level, place);
        next = leaving;
    }
}

/* Blocks of 2, 4, 8 ... samples for the levels whose turn it is. */
static void feed_old(ull_detector *s, const ull_detector_whitened *sample) {
    ull_detector_sums block = {.time = sample->time,
                               .e0 = sample->u * sample->e,
                               .e1 = sample->w * sample->e,
                               .g0 = sample->u * sample->u,
                               .g1 = sample->u * sample->w,
                               .g2 = sample->w * sample->w};
    uint32_t level = 1;
    for (; level <= s->settings.levels; level++) {
        if (s->block[level].g0 > 0.0) {
            add(&s->block[level], &block);
        } else {
            s->block[level] = block;
        }
        if (s->count & ((UINT64_C(1) << level) - 1)) break;
        block = s->block[level];
        s->block[level] = NOTHING;
        for (int i = 0; i < PLACES; i++) {
            ull_detector_hypothesis *old = &s->old[level][i];
            if (!old->held) continue;
            add(&old->sums, &block);
            judge_old(s, level, old);
        }
    }
    for (level = level < s->settings.levels ? level : s->settings.levels; level > 0; level--) {
        double best = s->score_old[level + 1];
        for (int i = 0; i < PLACES; i++) best = larger(best, s->old[level][i].score);
        s->score_old[level] = best;
    }
}

/* The baselines learn just before they are needed. */
static void learn_baselines(ull_detector *s, const ull_detector_whitened *sample) {
    const double ue = sample->u * sample->e;
    const double uu = sample->u * sample->u;
    for (int i = 0; i < 2; i++) {
        s->recent_e0[i] += ue;
        s->recent_g0[i] += uu;
    }
    if (s->count & ((1U << RANK_MIN) - 1)) return;
    const double u_one = (1.0 - s->phi_one) * s->scale_one;
    double weight_max = u_one * u_one * 0.5 * (s->settings.memory + 1.0);
    for (int m = 0; m < ULL_DETECTOR_MEMORIES; m++) {
        const int i = m > 0;
        if (m == 1 && s->count & ((1U << RANK_OLD) - 1)) return;
        learn(&s->baseline[m], s->recent_e0[i], s->recent_g0[i], weight_max);
        weight_max *= MEMORY_FACTOR;
        if (m > 0 && m < ULL_DETECTOR_MEMORIES - 1) continue;
        s->recent_e0[i] = s->recent_g0[i] = 0.0;
    }
}

static ull_detector_whitened whiten(const ull_detector *s, double time, double elapsed, double value) {
    double phi = s->phi_one, scale = s->scale_one, gone = 1.0 - phi;
    if (s->settings.phi > 0.0 && elapsed != 1.0) {
        gone = -expm1(s->log_phi * elapsed);
        phi = 1.0 - gone;
        scale = 1.0 / (s->settings.sigma * sqrt(gone * (1.0 + phi)));
    }
    const double u = gone * scale, w = phi * elapsed * scale;
    return (ull_detector_whitened){
        .time = time, .e = (value - phi * s->last) * scale - s->allowed * (u * time + w), .u = u, .w = w};
}

ull_status ull_detector_init(ull_detector *detector, const ull_detector_settings *settings) {
    if (!detector || !settings || settings->interval_ns < 1 || settings->interval_ns > 1000000000000000 ||
        !(settings->sigma > 0.0 && isfinite(settings->sigma)) || !(settings->phi >= 0.0 && settings->phi <= 0.99) ||
        !(settings->threshold >= 7.0 && settings->threshold <= 60.0) ||
        !(settings->memory >= 64.0 && settings->memory <= 1e9) ||
        !(settings->allowed_per_s >= 0.0 && isfinite(settings->allowed_per_s)) ||
        settings->levels > ULL_DETECTOR_LEVELS) {
        return ULL_ARGUMENT;
    }
    *detector = (ull_detector){.settings = *settings};
    detector->per_interval = (double)settings->interval_ns / NS_PER_S;
    detector->allowed = settings->allowed_per_s * detector->per_interval;
    detector->phi_one = settings->phi;
    detector->log_phi = settings->phi > 0.0 ? log(settings->phi) : -INFINITY;
    detector->scale_one = 1.0 / (settings->sigma * sqrt((1.0 - settings->phi) * (1.0 + settings->phi)));
    for (int lag = 0; lag <= ULL_DETECTOR_DENSE; lag++) {
        detector->bound[lag] = ull_detector_bound(settings->threshold, (double)lag);
    }
    ull_detector_restart(detector);
    return ULL_OK;
}

void ull_detector_restart(ull_detector *detector) {
    detector->count = 0;
    detector->score = 0.0;
    detector->last = 0.0;
    for (int level = 0; level <= ULL_DETECTOR_LEVELS; level++) {
        detector->block[level] = NOTHING;
        detector->score_old[level] = 0.0;
        for (int i = 0; i < PLACES; i++) detector->old[level][i] = (ull_detector_hypothesis){0};
    }
    for (int m = 0; m < ULL_DETECTOR_MEMORIES; m++) detector->baseline[m] = (ull_detector_baseline){0};
    for (int i = 0; i < 2; i++) detector->recent_e0[i] = detector->recent_g0[i] = 0.0;
}

/* The first sample: nothing before it tells of the noise, and all slots begin with it. */
static void first(ull_detector *s, int64_t time_ns, double value) {
    const double weight = 1.0 / (s->settings.sigma * s->settings.sigma);
    s->origin_ns = s->last_ns = time_ns;
    s->reference = value;
    for (int m = 0; m < ULL_DETECTOR_MEMORIES; m++) learn(&s->baseline[m], 0.0, weight, INFINITY);
    for (int slot = 0; slot < ULL_DETECTOR_SLOTS; slot++) begin(s, slot, 0.0);
}

ull_status ull_detector_push(ull_detector *detector, int64_t time_ns, double value) {
    ull_detector *s = detector;
    if (!isfinite(value)) return ULL_ARGUMENT;
    if (s->baseline[0].weight == 0.0) {
        first(s, time_ns, value);
        return ULL_OK;
    }
    const double fall = s->reference - value; /* a leak is positive */
    if (!(fabs(fall) <= FAR_SIGMA * s->settings.sigma)) return ULL_ARGUMENT;
    if (time_ns <= s->last_ns) return ULL_ORDER;
    const double interval = (double)s->settings.interval_ns;
    const double elapsed = (double)age_ns(time_ns, s->last_ns) / interval;
    const double time = (double)age_ns(time_ns, s->origin_ns) / interval;
    const ull_detector_whitened sample = whiten(s, time, elapsed, fall);
    s->last = fall;
    s->last_ns = time_ns;
    s->count++;

    const double score = dense(s, &sample);
    feed_old(s, &sample);
    learn_baselines(s, &sample);
    if ((s->count & ((1U << RANK_MIN) - 1)) == 0) {
        int rank = RANK_MIN;
        while (rank < RANK_OLD && !((s->count >> rank) & 1)) rank++;
        const int place = (int)(s->count >> (rank < RANK_OLD ? rank + 1 : RANK_OLD)) & (PLACES - 1);
        const int slot = PLACES * (rank - RANK_MIN) + place;
        if (rank == RANK_OLD) grow_old(s, slot);
        begin(s, slot, time);
    }
    s->score = larger(score, s->score_old[1]);
    return ULL_OK;
}

double ull_detector_certainty(const ull_detector *detector) { return sqrt(detector->score); }

_Static_assert(ULL_DETECTOR_VIEWS == ULL_DETECTOR_SLOTS + PLACES * ULL_DETECTOR_LEVELS, "all hypotheses");

/* Youngest first; two of one age, as after a start, count once. */
static int insert(ull_detector_view *views, int count, ull_detector_sums sums, const ull_detector_baseline *baseline,
                  uint64_t lag) {
    int i = count;
    while (i > 0 && views[i - 1].lag > lag) i--;
    if (i > 0 && views[i - 1].lag == lag) return count;
    for (int j = count; j > i; j--) views[j] = views[j - 1];
    views[i] = (ull_detector_view){
        .sums = sums, .level = baseline->level, .variance = baseline->variance, .lag = lag};
    return count + 1;
}

int ull_detector_views(const ull_detector *detector, ull_detector_view *views) {
    const ull_detector *s = detector;
    int count = 0;
    if (s->baseline[0].weight == 0.0) return count;
    for (int i = 0; i < ULL_DETECTOR_SLOTS; i++) {
        if (s->age[i] < ULL_DETECTOR_LAG_MIN) continue;
        const ull_detector_baseline baseline = {.level = s->level[i], .variance = s->variance[i]};
        count = insert(views, count, sums_of(s, i), &baseline, s->age[i]);
    }
    for (uint32_t level = 1; level <= s->settings.levels; level++) {
        for (int i = 0; i < PLACES; i++) {
            const ull_detector_hypothesis *old = &s->old[level][i];
            if (!old->held) continue;
            ull_detector_sums sums = old->sums;
            for (uint32_t below = level; below > 0; below--) {
                if (s->block[below].g0 > 0.0) add(&sums, &s->block[below]);
            }
            count = insert(views, count, sums, &old->baseline[level / MEMORY_STEP], s->count - old->born);
        }
    }
    return count;
}

ull_status ull_detector_push_many(ull_detector *bank, size_t detectors, const uint32_t *index,
                                  const int64_t *time_ns, const double *value, size_t count, double *certainty,
                                  uint8_t *status) {
    ull_status answer = ULL_OK;
    for (size_t i = 0; i < count; i++) {
        ull_status each = ULL_ARGUMENT;
        if (index[i] < detectors) {
            each = ull_detector_push(&bank[index[i]], time_ns[i], value[i]);
            if (certainty) certainty[i] = ull_detector_certainty(&bank[index[i]]);
        }
        if (status) status[i] = (uint8_t)each;
        if (answer == ULL_OK) answer = each;
    }
    return answer;
}

ull_status ull_detector_run(ull_detector *detector, const int64_t *time_ns, const double *value, size_t count,
                            double *certainty) {
    ull_status answer = ULL_OK;
    for (size_t i = 0; i < count; i++) {
        const ull_status each = ull_detector_push(detector, time_ns[i], value[i]);
        certainty[i] = ull_detector_certainty(detector);
        if (answer == ULL_OK) answer = each;
    }
    return answer;
}
