#include <math.h>

#include "ull_detector_parts.h"
#include "ull_onset.h"

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
void ull_detector_grow_old(ull_detector *s, double now, int slot) {
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
void ull_detector_feed_old(ull_detector *s, const ull_detector_whitened *sample) {
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
