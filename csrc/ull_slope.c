#include "ull_slope.h"

#include <math.h>

#include "ull_pair.h"

static const double S_PER_NS = 1e-9;
static const double NS_PER_S = 1e9;
static const double PHI_MAX = 0.95;
static const size_t PHI_SAMPLES = 8;  /* below, the estimate is worth less than none */
static const double ROUNDING = 1e-13; /* residuals below this share of the sums are rounding, not noise */

/* Later minus earlier without signed overflow, whatever the two are. */
static uint64_t age_ns(int64_t newer_ns, int64_t older_ns) { return (uint64_t)newer_ns - (uint64_t)older_ns; }

static const ull_slope_sample *at(const ull_slope *slope, size_t age_rank) {
    size_t i = slope->oldest + age_rank;
    return &slope->ring[i < slope->capacity ? i : i - slope->capacity];
}

/* Enter (sign +1) or take back (sign -1) a sample and, with a neighbour, the pair that they make. */
static void account(ull_slope_sums *sums, const ull_slope_sample *sample, const ull_slope_sample *neighbour,
                    double sign) {
    double t = (double)(sample->time_ns - sums->origin_ns) * S_PER_NS;
    double v = sample->value - sums->reference;
    double signed_t = sign * t;
    double signed_v = sign * v;
    sums->t += signed_t;
    sums->v += signed_v;
    sums->tt += signed_t * t;
    sums->tv += signed_t * v;
    sums->vv += signed_v * v;
    if (neighbour) {
        double neighbour_t = (double)(neighbour->time_ns - sums->origin_ns) * S_PER_NS;
        double neighbour_v = neighbour->value - sums->reference;
        sums->lag_tt += signed_t * neighbour_t;
        sums->lag_tv += signed_t * neighbour_v + signed_v * neighbour_t;
        sums->lag_vv += signed_v * neighbour_v;
    }
}

static void add(ull_slope_sums *sums, const ull_slope_sample *sample, const ull_slope_sample *previous) {
    if (sums->count == 0) {
        *sums = (ull_slope_sums){.origin_ns = sample->time_ns, .reference = sample->value};
    } else {
        account(sums, sample, previous, 1.0);
    }
    sums->count++;
}

static void drop_oldest(ull_slope *slope) {
    account(&slope->window, at(slope, 0), slope->window.count > 1 ? at(slope, 1) : NULL, -1.0);
    slope->oldest = slope->oldest + 1 < slope->capacity ? slope->oldest + 1 : 0;
    slope->window.count--;
    if (slope->fresh.count == slope->window.count) { /* the fresh sums now hold just what is left */
        slope->window = slope->fresh;
        slope->fresh.count = 0;
    }
}

ull_status ull_slope_init(ull_slope *slope, ull_slope_sample *ring, size_t capacity, int64_t window_ns,
                          double sigma_min) {
    if (!slope || !ring || capacity < 2 || window_ns < 1 || window_ns > ULL_SLOPE_WINDOW_MAX_NS ||
        !(sigma_min >= 0.0 && isfinite(sigma_min))) {
        return ULL_ARGUMENT;
    }
    *slope = (ull_slope){.ring = ring, .capacity = capacity, .window_ns = window_ns, .sigma_min = sigma_min};
    return ULL_OK;
}

void ull_slope_clear(ull_slope *slope) {
    slope->oldest = 0;
    slope->window.count = 0;
    slope->fresh.count = 0;
}

ull_status ull_slope_push(ull_slope *slope, int64_t time_ns, double value) {
    if (!isfinite(value)) return ULL_ARGUMENT;
    const uint64_t window_ns = (uint64_t)slope->window_ns;
    if (slope->window.count > 0) {
        int64_t newest_ns = at(slope, slope->window.count - 1)->time_ns;
        if (time_ns <= newest_ns) return ULL_ORDER;
        if (age_ns(time_ns, newest_ns) > window_ns) ull_slope_clear(slope);
    }
    while (slope->window.count > 0 &&
           (slope->window.count == slope->capacity || age_ns(time_ns, at(slope, 0)->time_ns) > window_ns)) {
        drop_oldest(slope);
    }
    const ull_slope_sample *previous = slope->window.count > 0 ? at(slope, slope->window.count - 1) : NULL;
    size_t free_place = slope->oldest + slope->window.count;
    if (free_place >= slope->capacity) free_place -= slope->capacity;
    ull_slope_sample *sample = &slope->ring[free_place];
    *sample = (ull_slope_sample){.time_ns = time_ns, .value = value};
    add(&slope->window, sample, previous);
    if (previous) add(&slope->fresh, sample, previous); /* so they always hold fewer than the window */
    return ULL_OK;
}

/* Of the residuals about mean_v + slope_per_s (t - mean_t), whose squares sum to `squares`. */
static double lag_1(const ull_slope *slope, double mean_t, double mean_v, double slope_per_s,
                    double squares) {
    const ull_slope_sums *sums = &slope->window;
    if (sums->count < PHI_SAMPLES || squares <= ROUNDING * sums->vv) return 0.0;
    const double n = (double)sums->count;
    const ull_slope_sample *first = at(slope, 0);
    const ull_slope_sample *last = at(slope, sums->count - 1);
    const double end_t =
        ((double)(first->time_ns - sums->origin_ns) + (double)(last->time_ns - sums->origin_ns)) * S_PER_NS;
    const double end_v = (first->value - sums->reference) + (last->value - sums->reference);
    const double level = mean_v - slope_per_s * mean_t;
    /* The sum of e_i e_(i-1) with e = v - level - slope t, multiplied out. */
    const double products = sums->lag_vv - slope_per_s * sums->lag_tv +
                            slope_per_s * slope_per_s * sums->lag_tt - level * (2.0 * sums->v - end_v) +
                            level * slope_per_s * (2.0 * sums->t - end_t) + level * level * (n - 1.0);
    const double biased = (products / (n - 1.0)) / (squares / n);
    const double phi = (n * biased + 2.0) / (n - 4.0);
    return fmin(fmax(phi, 0.0), PHI_MAX);
}

void ull_slope_result(const ull_slope *slope, ull_slope_fit *fit) {
    const ull_slope_sums *sums = &slope->window;
    *fit = (ull_slope_fit){.slope_per_s = NAN,
                           .sigma_slope_per_s = NAN,
                           .value = NAN,
                           .sigma_value = NAN,
                           .sigma_residual = NAN,
                           .count = sums->count};
    if (sums->count == 0) return;
    const ull_slope_sample *newest = at(slope, sums->count - 1);
    fit->time_ns = newest->time_ns;
    fit->span_ns = newest->time_ns - at(slope, 0)->time_ns;
    fit->value = newest->value;
    if (sums->count == 1) return;

    const double n = (double)sums->count;
    const double mean_t = sums->t / n;
    const double mean_v = sums->v / n;
    const double var_t = sums->tt - sums->t * mean_t; /* sums of squares about the mean */
    const double cov_tv = sums->tv - sums->t * mean_v;
    const double var_v = sums->vv - sums->v * mean_v;
    const double slope_per_s = cov_tv / var_t;
    const double ahead_s = (double)(newest->time_ns - sums->origin_ns) * S_PER_NS - mean_t;
    fit->slope_per_s = slope_per_s;
    fit->value = sums->reference + mean_v + slope_per_s * ahead_s;
    if (sums->count == 2) return;

    const double squares = fmax(var_v - slope_per_s * cov_tv, 0.0);
    fit->sigma_residual = fmax(sqrt(squares / (n - 2.0)), slope->sigma_min);
    fit->phi = lag_1(slope, mean_t, mean_v, slope_per_s, squares);
    const double sigma = fit->sigma_residual * sqrt((1.0 + fit->phi) / (1.0 - fit->phi));
    fit->sigma_slope_per_s = sigma / sqrt(var_t);
    fit->sigma_value = sigma * sqrt(1.0 / n + ahead_s * ahead_s / var_t);
}

ull_status ull_slope_push_many(ull_slope *bank, size_t slopes, const uint32_t *index, const int64_t *time_ns,
                               const double *value, size_t count, ull_slope_fit *fit, uint8_t *status) {
    ull_status first = ULL_OK;
    for (size_t i = 0; i < count; i++) {
        ull_status answer = ULL_ARGUMENT;
        if (index[i] < slopes) {
            ull_slope *slope = &bank[index[i]];
            answer = ull_slope_push(slope, time_ns[i], value[i]);
            if (fit) ull_slope_result(slope, &fit[i]);
        }
        if (status) status[i] = (uint8_t)answer;
        if (first == ULL_OK) first = answer;
    }
    return first;
}

void ull_slope_clear_many(ull_slope *bank, size_t slopes) {
    for (size_t i = 0; i < slopes; i++) ull_slope_clear(&bank[i]);
}

void ull_slope_result_many(const ull_slope *bank, size_t slopes, ull_slope_fit *fit) {
    for (size_t i = 0; i < slopes; i++) ull_slope_result(&bank[i], &fit[i]);
}

/* Sums against an origin and a reference: {t, v} and {t t, t v}, t in ns. */
typedef struct {
    ull_pair first, second;
    size_t count;
    int64_t origin_ns;
    double reference;
} line_sums;

static inline void enter(line_sums *sums, int64_t time_ns, double value) {
    const double t = (double)(time_ns - sums->origin_ns);
    const ull_pair at = {t, value - sums->reference};
    sums->first += at;
    sums->second += at * t;
    sums->count++;
}

static inline void leave(line_sums *sums, int64_t time_ns, double value) {
    const double t = (double)(time_ns - sums->origin_ns);
    const ull_pair at = {t, value - sums->reference};
    sums->first -= at;
    sums->second -= at * t;
    sums->count--;
}

static inline double line_slope_per_s(ull_pair first, ull_pair second, double n) {
    const ull_pair about_mean = second * n - first * first[0];
    return about_mean[1] / about_mean[0] * NS_PER_S;
}

/* The `sums` are those of samples, up to `newest`, that are finite and evenly spaced, and so many that one leaves for
 * each that comes. For up to `most` new ones that keep to that, the fast way: with times known, only the values need
 * sums, and there is nothing to divide by. Returns how many. */
static size_t run_evenly(const int64_t *time_ns, const double *value, size_t newest, size_t most, line_sums *sums,
                         double *slope_per_s) {
    const int64_t step_ns = time_ns[newest] - time_ns[newest - 1];
    const double step = (double)step_ns;
    const double n = (double)sums->count;
    const double squares_about_mean = n * (n * n - 1.0) / 12.0 * step * step;
    const double per_s = NS_PER_S / squares_about_mean;
    const double reference = sums->reference;
    const double *leaves = &value[newest + 1 - sums->count];
    double t = (double)(time_ns[newest] - sums->origin_ns);
    double sum_v = sums->first[1];
    double sum_tv = sums->second[1];
    size_t i = newest + 1;
    for (; i <= newest + most && time_ns[i] - time_ns[i - 1] == step_ns && isfinite(value[i]); i++) {
        t += step;
        const double old = *leaves++ - reference;
        const double change = value[i] - reference - old;
        sum_v += change;
        sum_tv += t * change + n * step * old;
        slope_per_s[i] = (sum_tv - (t - 0.5 * (n - 1.0) * step) * sum_v) * per_s;
    }
    const double mean_t = t - 0.5 * (n - 1.0) * step;
    sums->first = (ull_pair){n * mean_t, sum_v};
    sums->second = (ull_pair){squares_about_mean + n * mean_t * mean_t, sum_tv};
    return i - newest - 1;
}

ull_status ull_slope_run(const int64_t *time_ns, const double *value, size_t count, int64_t window_ns,
                         double *slope_per_s, uint64_t *refused) {
    if (!time_ns || !value || !slope_per_s || window_ns < 1 || window_ns > ULL_SLOPE_WINDOW_MAX_NS)
        return ULL_ARGUMENT;
    const uint64_t longest_ns = (uint64_t)window_ns;
    uint64_t skipped = 0;
    line_sums sums = {0};
    size_t oldest = 0;  /* that may be in the window: it may be one that was skipped */
    size_t renewed = 0; /* the newest sample when the sums were last taken afresh */
    size_t even = 0;    /* from here on all intervals are the same */
    size_t i = 0;
    for (; i < count; i++) {
        if (i > 0 && time_ns[i] <= time_ns[i - 1]) break;
        if (i > 1 && age_ns(time_ns[i], time_ns[i - 1]) != age_ns(time_ns[i - 1], time_ns[i - 2])) even = i - 1;
        if (!isfinite(value[i])) {
            slope_per_s[i] = NAN;
            skipped++;
            continue;
        }
        for (; age_ns(time_ns[i], time_ns[oldest]) > longest_ns; oldest++) {
            if (isfinite(value[oldest])) leave(&sums, time_ns[oldest], value[oldest]);
        }
        if (oldest > renewed || sums.count == 0) {
            line_sums fresh = {.origin_ns = time_ns[oldest], .reference = value[i]};
            for (size_t j = oldest; j <= i; j++) {
                if (isfinite(value[j])) enter(&fresh, time_ns[j], value[j]);
            }
            sums = fresh;
            renewed = i;
        } else {
            enter(&sums, time_ns[i], value[i]);
        }
        slope_per_s[i] =
            sums.count > 1 ? line_slope_per_s(sums.first, sums.second, (double)sums.count) : NAN;
        /* So many, so long after each other, fill more than the window: none of it was skipped, and one leaves next. */
        if (even <= oldest && sums.count > 1 &&
            age_ns(time_ns[i], time_ns[i - 1]) * sums.count > longest_ns) {
            const size_t most = renewed - oldest < count - 1 - i ? renewed - oldest : count - 1 - i;
            const size_t more = run_evenly(time_ns, value, i, most, &sums, slope_per_s);
            oldest += more;
            i += more;
        }
    }
    const int ordered = i == count;
    for (; i < count; i++) slope_per_s[i] = NAN;
    if (refused) *refused += skipped;
    return !ordered ? ULL_ORDER : skipped > 0 ? ULL_ARGUMENT : ULL_OK;
}
