#include "ull_detector.h"

#include <math.h>

#include "ull_detector_parts.h"

static const double NEAR = 0.5, NEARER = 0.75; /* scores from which hypotheses begin to be added, and are */
static const double MEMORY_FACTOR = 8.0;
static const double FAR_SIGMA = 1e12; /* a double still tells 1e-4 sigma apart there */

static void learn(ull_detector_baseline *baseline, double e0, double g0, double time, double weight_max) {
    if (g0 <= 0.0) return;
    const double weight = baseline->weight + g0 < weight_max ? baseline->weight + g0 : weight_max;
    const double gain = g0 < weight ? g0 / weight : 1.0;
    baseline->weight = weight;
    baseline->level += gain * (e0 / g0 - baseline->level);
    baseline->time += gain * (time - baseline->time);
    baseline->variance = (1.0 - gain) * (1.0 - gain) * baseline->variance + gain * gain / g0;
}

/* All slots take the sample; compilers vectorise the loop over their sums.
 *
 * A score is (z / its bound)^2 of one hypothesis, negative where the series rises. The level is unknown with the variance v of
 * the baseline: r = e - u level has the covariance 1 + v u u', so that the score for the rate is
 * A = r1 - v g1 r0 / (1 + v g0), its information I = g2 - v g1^2 / (1 + v g0). Both are taken times d = 1 + v g0. */
static void dense(ull_detector *s, const ull_detector_whitened *sample) {
    const double t = sample->time, e = sample->e, u = sample->u, w = sample->w;
    double bound[ULL_DETECTOR_SLOTS], part[ULL_DETECTOR_SLOTS], most[ULL_DETECTOR_SLOTS];
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
    }
    for (int i = 0; s->allowing && i < ULL_DETECTOR_SLOTS; i++) {
        const double allowed =
            allowed_slope(s, s->time[i], t) * most[i] + allowed_level(s, s->time[i], s->behind[i]) * s->g1[i];
        part[i] = copysign(larger(fabs(part[i]) - allowed, 0.0), part[i]);
    }
    for (int i = 0; i < ULL_DETECTOR_SLOTS; i++) s->slot_score[i] = part[i] * fabs(part[i]) / bound[i];
    double best = 0.0, least = 0.0;
    for (int i = 0; i < ULL_DETECTOR_SLOTS; i++) {
        best = larger(best, s->slot_score[i]);
        least = larger(least, -s->slot_score[i]);
    }
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
    ull_detector_feed_old(s, &sample);
    s->score = larger(s->score, s->score_old[1]);
    s->score_rise = larger(s->score_rise, s->rise_old[1]);
    if (s->score > NEAR) s->score = together(s);
    learn_baselines(s, &sample);
    if ((s->count & ((1U << RANK_MIN) - 1)) == 0) {
        int rank = RANK_MIN;
        while (rank < RANK_OLD && !((s->count >> rank) & 1)) rank++;
        const int place = (int)(s->count >> (rank < RANK_OLD ? rank + 1 : RANK_OLD)) & (PLACES - 1);
        const int slot = PLACES * (rank - RANK_MIN) + place;
        if (rank == RANK_OLD) ull_detector_grow_old(s, time, slot);
        begin(s, slot, time);
    }
    return ULL_OK;
}

double ull_detector_certainty(const ull_detector *detector) { return sqrt(detector->score); }

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
