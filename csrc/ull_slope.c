#include "ull_slope.h"

#include <math.h>

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

/* Sums against `origin_ns` and `reference`, times in ns. */
typedef struct {
    int64_t origin_ns;
    double reference;
    double t, v, tt, tv;
} line_sums;

static line_sums line_sum(const int64_t *time_ns, const double *value, size_t from, size_t to) {
    line_sums sums = {.origin_ns = time_ns[from], .reference = value[from]};
    for (size_t i = from; i < to; i++) {
        const double t = (double)(time_ns[i] - sums.origin_ns);
        const double v = value[i] - sums.reference;
        sums.t += t;
        sums.v += v;
        sums.tt += t * t;
        sums.tv += t * v;
    }
    return sums;
}

ull_status ull_slope_run(const int64_t *time_ns, const double *value, size_t count, int64_t window_ns,
                         double *slope_per_s) {
    if (!time_ns || !value || !slope_per_s || window_ns < 1 || window_ns > ULL_SLOPE_WINDOW_MAX_NS)
        return ULL_ARGUMENT;
    if (count == 0) return ULL_OK;
    line_sums sums = line_sum(time_ns, value, 0, 1);
    size_t oldest = 0;
    size_t renewed = 0; /* the newest sample when the sums were last taken afresh */
    slope_per_s[0] = NAN;
    for (size_t i = 1; i < count; i++) {
        const int64_t now_ns = time_ns[i];
        if (now_ns <= time_ns[i - 1]) return ULL_ORDER;
        for (; age_ns(now_ns, time_ns[oldest]) > (uint64_t)window_ns; oldest++) {
            const double t = (double)(time_ns[oldest] - sums.origin_ns);
            const double v = value[oldest] - sums.reference;
            sums.t -= t;
            sums.v -= v;
            sums.tt -= t * t;
            sums.tv -= t * v;
        }
        if (oldest > renewed) {
            if (!isfinite(sums.v)) return ULL_ARGUMENT; /* one such value, and they stay so */
            sums = line_sum(time_ns, value, oldest, i + 1);
            renewed = i;
        } else {
            const double t = (double)(now_ns - sums.origin_ns);
            const double v = value[i] - sums.reference;
            sums.t += t;
            sums.v += v;
            sums.tt += t * t;
            sums.tv += t * v;
        }
        const double n = (double)(int64_t)(i - oldest + 1);
        const double per_ns = (n * sums.tv - sums.t * sums.v) / (n * sums.tt - sums.t * sums.t);
        slope_per_s[i] = i > oldest ? per_ns * NS_PER_S : NAN;
    }
    return isfinite(sums.v) ? ULL_OK : ULL_ARGUMENT;
}
