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
    OCTAVE_DENSE = 7, /* the last that fits the slots: lags below 256 */
    MEMORY_STEP = 3 /* octaves of lag that share a baseline: MEMORY_FACTOR */
};
_Static_assert(ULL_DETECTOR_SLOTS == YOUNG + PLACES && ULL_DETECTOR_DENSE == PLACES << RANK_OLD, "ranks and slots agree");

/* The threshold falls with the lag n, by so much for each ln n: equal shares of false alarms for the octaves up to
 * n = 512, and less and less for those above, however many. docs/leak-models.md */
static const double LOG_2 = 0.6931471805599453, LOG_KNEE = 9.0 * 0.6931471805599453, PENALTY_OLD = 0.25;
static const double NEAR = 0.5, NEARER = 0.75; /* scores from which hypotheses begin to be added, and are */
static const double BOUND_MIN = 4.0;    /* z = 2: a lag as long as the interval between false alarms has no say */
static const double NO_BOUND = 1e300;
static const double BEND = 1.5;
/* A baseline of M samples has the error sigma / sqrt(M), and lags behind a drift by M / 2 of its steps. Five times the one
 * and the other are least together at (5 sigma / drift)^(2/3); half of that is taken, (1.77 sigma / drift)^(2/3). */
static const double BASELINE_SIGMA = 1.77, MEMORY_MIN = 16.0, SAME_DRIFT = 0.05;
static const double NS_PER_S = 1e9;
static const double MEMORY_FACTOR = 8.0;
static const double FAR_SIGMA = 1e12; /* a double still tells 1e-4 sigma apart there */

static const ull_detector_sums NOTHING = {0};

static inline double larger(double a, double b) { return a > b ? a : b; }

/* Through the intervals simulated at h = 11.8, 14.5 and 17.1 (6.74e3, 8.79e4, 1.06e6 samples; 4000, 2000, 1000 alarms).
 * The slope falls slowly towards 1, so beyond them it is careful. */
double ull_detector_threshold(double interval) {
    if (isnan(interval)) return interval;
    return 1.045 * log(fmin(fmax(interval, 1e3), 1e12)) + 2.60;
}

static inline double penalty(double log_lag) {
    return log_lag <= LOG_KNEE ? log_lag : LOG_KNEE + PENALTY_OLD * (log_lag - LOG_KNEE);
}

/* z^2 that alarms at a lag, for a threshold. */
static inline double bound_of(double threshold, double log_lag) { return 2.0 * (threshold - penalty(log_lag)); }

static inline double bound_dense(double threshold, double lag, double log_lag) {
    return lag < ULL_DETECTOR_LAG_MIN ? NO_BOUND : larger(bound_of(threshold, log_lag), BOUND_MIN);
}

double ull_detector_bound(double threshold, double lag) {
    if (isnan(threshold) || isnan(lag)) return NAN;
    return bound_dense(threshold, lag, log(lag));
}

/* Later minus earlier without signed overflow, whatever the two are. */
static uint64_t age_ns(int64_t newer_ns, int64_t older_ns) { return (uint64_t)newer_ns - (uint64_t)older_ns; }

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

static void learn(ull_detector_baseline *baseline, double e0, double g0, double time, double weight_max) {
    if (g0 <= 0.0) return;
    const double weight = baseline->weight + g0 < weight_max ? baseline->weight + g0 : weight_max;
    const double gain = g0 < weight ? g0 / weight : 1.0;
    baseline->weight = weight;
    baseline->level += gain * (e0 / g0 - baseline->level);
    baseline->time += gain * (time - baseline->time);
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

/* All slots take the sample; the loop in the middle is one that compilers vectorise. */
static void dense(ull_detector *s, const ull_detector_whitened *sample) {
    const double t = sample->time, e = sample->e, u = sample->u, w = sample->w;
    double bound[ULL_DETECTOR_SLOTS], score[ULL_DETECTOR_SLOTS], part[ULL_DETECTOR_SLOTS], most[ULL_DETECTOR_SLOTS];
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
        const double d = 1.0 + s->variance[i] * g0;
        const double vg = s->variance[i] * g1;
        part[i] = r1 * d - vg * r0;
        most[i] = g2 * d - vg * g1;
        bound[i] *= d * most[i];
        score[i] = part[i] * fabs(part[i]) / bound[i];
    }
    double best = 0.0, least = 0.0;
    if (s->allowing) {
        for (int i = 0; i < ULL_DETECTOR_SLOTS; i++) {
            const double allowed = allowed_slope(s, s->time[i], t) * most[i] +
                                   allowed_level(s, s->time[i], s->behind[i]) * s->g1[i];
            const double beyond = larger(fabs(part[i]) - allowed, 0.0);
            score[i] = copysign(beyond * beyond / bound[i], part[i]);
        }
    }
    for (int i = 0; i < ULL_DETECTOR_SLOTS; i++) {
        best = larger(best, score[i]);
        least = larger(least, -score[i]);
    }
    for (int i = 0; i < ULL_DETECTOR_SLOTS; i++) s->slot_score[i] = score[i];
    s->score = best;
    s->score_rise = least;
}

static void begin(ull_detector *s, int slot, double time) {
    s->r0[slot] = s->r1[slot] = s->g0[slot] = s->g1[slot] = s->g2[slot] = 0.0;
    s->time[slot] = time;
    s->level[slot] = s->baseline[0].level;
    s->variance[slot] = s->baseline[0].variance;
    s->behind[slot] = time - s->baseline[0].time;
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

static void judge_old(const ull_detector *s, double now, uint32_t level, ull_detector_hypothesis *old) {
    const uint64_t blocks = (s->count - old->born) >> level; /* its age: 128 to 256 */
    const double bound = bound_of(s->settings.threshold, s->log_lag[blocks] + LOG_2 * level);
    old->score = old->score_rise = 0.0;
    old->bound = bound;
    if (bound < BOUND_MIN) return;
    const ull_detector_baseline *baseline = &old->baseline[level / MEMORY_STEP];
    const ull_detector_sums *sums = &old->sums;
    const double r0 = sums->e0 - baseline->level * sums->g0, r1 = sums->e1 - baseline->level * sums->g1;
    const double d = 1.0 + baseline->variance * sums->g0;
    const double part = r1 * d - baseline->variance * sums->g1 * r0;
    const double most = sums->g2 * d - baseline->variance * sums->g1 * sums->g1;
    double beyond = fabs(part);
    if (s->allowing) {
        beyond -= allowed_slope(s, sums->time, now) * most +
                  allowed_level(s, sums->time, sums->time - baseline->time) * sums->g1;
    }
    beyond = larger(beyond, 0.0);
    const uint32_t octave = level + OCTAVE_DENSE < ULL_DETECTOR_OCTAVES ? level + OCTAVE_DENSE : ULL_DETECTOR_OCTAVES - 1;
    *(part > 0.0 ? &old->score : &old->score_rise) = beyond * beyond / (d * most * bound * s->excess[octave]);
}

/* A hypothesis of 256 samples leaves its slot for old[1], the one there goes on to old[2] or, at every other time,
 * out, and so on: each level takes every second one of the level below. */
static void grow_old(ull_detector *s, double now, int slot) {
    if (s->age[slot] < ULL_DETECTOR_DENSE) return; /* the first ones, all born with the first sample */
    ull_detector_hypothesis next = {.sums = sums_of(s, slot), .born = s->count - s->age[slot], .held = 1};
    for (int m = 0; m < ULL_DETECTOR_MEMORIES; m++) next.baseline[m] = s->young[slot - YOUNG][m];
    for (uint32_t level = 1; level <= s->settings.levels && next.held; level++) {
        const uint32_t shift = RANK_OLD - 1 + level;
        if (s->count & ((UINT64_C(1) << shift) - 1)) break;
        ull_detector_hypothesis *place = &s->old[level][(s->count >> shift) & (PLACES - 1)];
        const ull_detector_hypothesis leaving = *place;
        *place = next;
        judge_old(s, now, level, place);
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
        ull_detector_sums *waiting = &s->block[level];
        if (waiting->g0 > 0.0) block = sum(*waiting, block);
        if (s->count & ((UINT64_C(1) << level) - 1)) {
            *waiting = block;
            break;
        }
        waiting->g0 = 0.0;
        for (int i = 0; i < PLACES; i++) {
            ull_detector_hypothesis *old = &s->old[level][i];
            if (!old->held) continue;
            old->sums = sum(old->sums, block);
            judge_old(s, sample->time, level, old);
        }
    }
    for (level = level < s->settings.levels ? level : s->settings.levels; level > 0; level--) {
        double best = s->score_old[level + 1], rise = s->rise_old[level + 1];
        for (int i = 0; i < PLACES; i++) {
            best = larger(best, s->old[level][i].score);
            rise = larger(rise, s->old[level][i].score_rise);
        }
        s->score_old[level] = best;
        s->rise_old[level] = rise;
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
    const double longest = u_one * u_one * 0.5 * (s->memory_max + 1.0);
    double weight_max = u_one * u_one * 0.5 * (s->settings.memory + 1.0);
    for (int m = 0; m < ULL_DETECTOR_MEMORIES; m++) {
        const int i = m > 0;
        if (m == 1 && s->count & ((1U << RANK_OLD) - 1)) return;
        const double half = 0.5 * (double)(1U << (m ? RANK_OLD : RANK_MIN)); /* of the stretch that is new to it */
        learn(&s->baseline[m], s->recent_e0[i], s->recent_g0[i], sample->time - half,
              weight_max < longest ? weight_max : longest);
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

/* What follows from sigma, phi, threshold and excess. */
static void tune(ull_detector *s) {
    const ull_detector_settings *settings = &s->settings;
    s->phi_one = settings->phi;
    s->log_phi = settings->phi > 0.0 ? log(settings->phi) : -INFINITY;
    s->scale_one = 1.0 / (settings->sigma * sqrt((1.0 - settings->phi) * (1.0 + settings->phi)));
    for (int lag = 0, octave = 0; lag <= ULL_DETECTOR_DENSE; lag++) {
        if (lag >> (octave + 1)) octave++;
        s->bound[lag] = bound_dense(settings->threshold, lag, s->log_lag[lag]) * s->excess[octave];
    }
}

ull_status ull_detector_init(ull_detector *detector, const ull_detector_settings *settings) {
    if (!detector || !settings || settings->interval_ns < 1 || settings->interval_ns > 1000000000000000 ||
        !(settings->sigma > 0.0 && isfinite(settings->sigma)) || !(settings->phi >= 0.0 && settings->phi <= 0.99) ||
        !(settings->threshold >= 7.0 && settings->threshold <= 60.0) ||
        !(settings->memory >= 64.0 && settings->memory <= 1e9) ||
        !isfinite(settings->allowed_per_s) ||
        settings->levels > ULL_DETECTOR_LEVELS) {
        return ULL_ARGUMENT;
    }
    *detector = (ull_detector){.settings = *settings};
    detector->per_interval = (double)settings->interval_ns / NS_PER_S;
    detector->allowed = settings->allowed_per_s * detector->per_interval;
    for (int octave = 0; octave < ULL_DETECTOR_OCTAVES; octave++) detector->excess[octave] = 1.0;
    detector->memory_max = INFINITY;
    for (int lag = 1; lag <= ULL_DETECTOR_DENSE; lag++) detector->log_lag[lag] = log(lag);
    tune(detector);
    ull_detector_restart(detector);
    return ULL_OK;
}

void ull_detector_restart(ull_detector *detector) {
    detector->count = 0;
    detector->score = detector->score_rise = 0.0;
    detector->last = 0.0;
    for (int level = 0; level <= ULL_DETECTOR_LEVELS; level++) {
        detector->block[level] = NOTHING;
        detector->score_old[level] = detector->rise_old[level] = 0.0;
        for (int i = 0; i < PLACES; i++) detector->old[level][i] = (ull_detector_hypothesis){0};
    }
    for (int m = 0; m < ULL_DETECTOR_MEMORIES; m++) detector->baseline[m] = (ull_detector_baseline){0};
    for (int i = 0; i < 2; i++) detector->recent_e0[i] = detector->recent_g0[i] = 0.0;
}

static void scale_sums(ull_detector_sums *sums, double by) {
    sums->e0 *= by;
    sums->e1 *= by;
    sums->g0 *= by;
    sums->g1 *= by;
    sums->g2 *= by;
}

static void scale_baseline(ull_detector_baseline *baseline, double by) {
    baseline->variance /= by;
    baseline->weight *= by;
}

ull_status ull_detector_retune(ull_detector *detector, double sigma, double phi, const double *excess) {
    ull_detector *s = detector;
    if (!(sigma > 0.0 && isfinite(sigma)) || !(phi >= 0.0 && phi <= 0.99)) return ULL_ARGUMENT;
    for (int octave = 0; excess && octave < ULL_DETECTOR_OCTAVES; octave++) {
        if (!(excess[octave] >= 1.0 && isfinite(excess[octave]))) return ULL_ARGUMENT;
    }
    /* Every sum is information, and that goes with 1 / (sigma^2 (1 + phi) / (1 - phi)). */
    const double before = s->settings.sigma * s->settings.sigma * (1.0 + s->settings.phi) / (1.0 - s->settings.phi);
    const double by = before / (sigma * sigma * (1.0 + phi) / (1.0 - phi));
    for (int i = 0; i < ULL_DETECTOR_SLOTS; i++) {
        s->r0[i] *= by;
        s->r1[i] *= by;
        s->g0[i] *= by;
        s->g1[i] *= by;
        s->g2[i] *= by;
        s->variance[i] /= by;
    }
    for (int m = 0; m < ULL_DETECTOR_MEMORIES; m++) {
        scale_baseline(&s->baseline[m], by);
        for (int i = 0; i < PLACES; i++) scale_baseline(&s->young[i][m], by);
    }
    for (int i = 0; i < 2; i++) {
        s->recent_e0[i] *= by;
        s->recent_g0[i] *= by;
    }
    for (int level = 0; level <= ULL_DETECTOR_LEVELS; level++) {
        scale_sums(&s->block[level], by);
        s->score_old[level] *= by;
        s->rise_old[level] *= by;
        for (int i = 0; i < PLACES; i++) {
            ull_detector_hypothesis *old = &s->old[level][i];
            scale_sums(&old->sums, by);
            old->score *= by;
            old->score_rise *= by;
            for (int m = 0; m < ULL_DETECTOR_MEMORIES; m++) scale_baseline(&old->baseline[m], by);
        }
    }
    s->settings.sigma = sigma;
    s->settings.phi = phi;
    for (int octave = 0; excess && octave < ULL_DETECTOR_OCTAVES; octave++) s->excess[octave] = excess[octave];
    tune(s);
    return ULL_OK;
}

/* The longest baseline that does not lag too far behind what may drift now. */
static void bound_memory(ull_detector *s) {
    double drift = s->lasting;
    if (s->settling > 0.0) {
        const double now = (double)age_ns(s->last_ns, s->origin_ns) / (double)s->settings.interval_ns;
        const double gone = 1.0 + s->settling_rate * larger(now - s->settling_time, 0.0);
        drift += 2.0 * s->settling * s->settling_rate / (gone * gone * gone);
    }
    if (fabs(drift - s->memory_drift) <= SAME_DRIFT * s->memory_drift) return;
    s->memory_drift = drift;
    const double sigma = s->settings.sigma * sqrt((1.0 + s->settings.phi) / (1.0 - s->settings.phi));
    s->memory_max = drift > 0.0 ? fmax(pow(BASELINE_SIGMA * sigma / drift, 2.0 / 3.0), MEMORY_MIN) : INFINITY;
}

ull_status ull_detector_allow(ull_detector *detector, const ull_detector_allowance *allowance) {
    ull_detector *s = detector;
    const ull_detector_allowance *a = allowance;
    if (!(a->lasting_per_s >= 0.0 && a->passing >= 0.0 && a->passing_per_s >= 0.0 && a->settling >= 0.0) ||
        !isfinite(a->lasting_per_s + a->passing + a->passing_per_s + a->settling) ||
        (a->settling > 0.0 && !(a->settling_s > 0.0 && isfinite(a->settling_s)))) {
        return ULL_ARGUMENT;
    }
    s->passing = a->passing;
    s->passing_rate = a->passing_per_s * s->per_interval;
    s->settling = a->settling;
    if (a->settling > 0.0) {
        const double before = (double)age_ns(a->settling_ns, s->origin_ns) / (double)s->settings.interval_ns;
        const double after = (double)age_ns(s->origin_ns, a->settling_ns) / (double)s->settings.interval_ns;
        s->settling_rate = s->per_interval / a->settling_s;
        s->settling_time = a->settling_ns >= s->origin_ns ? before : -after;
    }
    s->lasting = a->lasting_per_s * s->per_interval;
    bound_memory(s);
    s->allowing = s->lasting > 0.0 || s->passing > 0.0 || s->settling > 0.0;
    return ULL_OK;
}

/* The first sample: nothing before it tells of the noise, and all slots begin with it. */
static void first(ull_detector *s, int64_t time_ns, double value) {
    const double weight = 1.0 / (s->settings.sigma * s->settings.sigma);
    s->origin_ns = s->last_ns = time_ns;
    s->reference = value;
    for (int m = 0; m < ULL_DETECTOR_MEMORIES; m++) learn(&s->baseline[m], 0.0, weight, 0.0, INFINITY);
    for (int slot = 0; slot < ULL_DETECTOR_SLOTS; slot++) begin(s, slot, 0.0);
}

typedef struct {
    double most, sum; /* log of the likelihood ratio over the one that alarms: the largest; of all, over the largest */
    double score, bound; /* of the largest score */
} evidence;

static void count_in(evidence *all, double score, double bound) {
    if (score <= 0.0) return;
    const double ratio = 0.5 * (score - 1.0) * bound;
    all->sum = ratio > all->most ? all->sum * exp(all->most - ratio) + 1.0 : all->sum + exp(ratio - all->most);
    all->most = larger(all->most, ratio);
    if (score <= all->score) return;
    all->score = score;
    all->bound = bound;
}

/* A leak began at one of many onsets: the likelihoods of all count, not the largest alone. The score that one of the age
 * of the best would need for as much. */
static double together(const ull_detector *s) {
    evidence all = {.most = -INFINITY, .bound = 1.0};
    int any_first = 0; /* those that began with the first sample are one */
    for (int i = 0; i < ULL_DETECTOR_SLOTS; i++) {
        const uint32_t age = s->age[i];
        if (age < ULL_DETECTOR_LAG_MIN || (age == s->count && any_first)) continue;
        any_first |= age == s->count;
        int octave = 0;
        while (age >> (octave + 1)) octave++;
        count_in(&all, s->slot_score[i], s->bound[age] / s->excess[octave]);
    }
    for (uint32_t level = 1; level <= s->settings.levels; level++) {
        for (int i = 0; i < PLACES; i++) {
            const ull_detector_hypothesis *old = &s->old[level][i];
            if (old->held) count_in(&all, old->score, old->bound);
        }
    }
    const double share = fmin((s->score - NEAR) / (NEARER - NEAR), 1.0);
    const double score = 1.0 + 2.0 * (all.most + log(all.sum)) / all.bound;
    return s->score + share * larger(score - s->score, 0.0);
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

    dense(s, &sample);
    feed_old(s, &sample);
    s->score = larger(s->score, s->score_old[1]);
    s->score_rise = larger(s->score_rise, s->rise_old[1]);
    if (s->score > NEAR) s->score = together(s);
    learn_baselines(s, &sample);
    if ((s->count & ((1U << RANK_MIN) - 1)) == 0) {
        int rank = RANK_MIN;
        while (rank < RANK_OLD && !((s->count >> rank) & 1)) rank++;
        const int place = (int)(s->count >> (rank < RANK_OLD ? rank + 1 : RANK_OLD)) & (PLACES - 1);
        const int slot = PLACES * (rank - RANK_MIN) + place;
        if (rank == RANK_OLD) grow_old(s, time, slot);
        begin(s, slot, time);
    }
    return ULL_OK;
}

double ull_detector_allowed(const ull_detector *detector, double span_s) {
    const ull_detector *s = detector;
    if (!s->allowing) return 0.0;
    const double now = (double)age_ns(s->last_ns, s->origin_ns) / (double)s->settings.interval_ns;
    return allowed_slope(s, now - span_s / s->per_interval, now) / s->per_interval;
}

double ull_detector_certainty(const ull_detector *detector) { return sqrt(detector->score); }

double ull_detector_rise(const ull_detector *detector) { return sqrt(detector->score_rise); }

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
                if (s->block[below].g0 > 0.0) sums = sum(sums, s->block[below]);
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
