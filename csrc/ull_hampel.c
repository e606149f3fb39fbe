#include "ull_hampel.h"

#include <math.h>
#include <string.h>

static const double SIGMA_PER_MAD = 1.482602218505602; /* 1 / (75th percentile of the normal distribution) */
static const size_t JUDGED_FROM = 3;                   /* two samples are equally far from their median */

/* How many of the ascending `sorted[count]` are less than `value`. Halving without branches: noise cannot be
 * predicted. */
static size_t rank_of(const double *sorted, size_t count, double value) {
    const double *base = sorted;
    while (count > 1) {
        const size_t half = count / 2;
        base += base[half - 1] < value ? half : 0;
        count -= half;
    }
    return (size_t)(base - sorted) + (count == 1 && *base < value ? 1 : 0);
}

static void replace(double *sorted, size_t count, double old, double value) {
    const size_t from = rank_of(sorted, count, old);
    size_t to = rank_of(sorted, count, value);
    if (to > from) {
        to--; /* the old one no longer counts */
        memmove(&sorted[from], &sorted[from + 1], (to - from) * sizeof *sorted);
    } else {
        memmove(&sorted[to + 1], &sorted[to], (from - to) * sizeof *sorted);
    }
    sorted[to] = value;
}

static void insert(double *sorted, size_t count, double value) {
    const size_t to = rank_of(sorted, count, value);
    memmove(&sorted[to + 1], &sorted[to], (count - to) * sizeof *sorted);
    sorted[to] = value;
}

/* The k-th smallest distance from `centre` (k from 1): the k nearest are neighbours in `sorted`, so it is the
 * least reach of any k neighbours; their lower reach falls and their upper reach grows with the place, and
 * the least is where the two cross. */
static double nearest(const double *sorted, size_t count, double centre, size_t k) {
    size_t low = 0;
    size_t places = count - k + 1;
    size_t left = places;
    while (left > 0) {
        const size_t half = left / 2;
        const double *first = &sorted[low + half];
        const int too_low = first[k - 1] - centre < centre - first[0];
        low += too_low ? half + 1 : 0;
        left = too_low ? left - half - 1 : half;
    }
    const double upper = low < places ? sorted[low + k - 1] - centre : INFINITY;
    const double lower = low > 0 ? centre - sorted[low - 1] : INFINITY;
    return fmin(upper, lower);
}

static double middle(const double *sorted, size_t count) {
    const size_t half = count / 2;
    return count % 2 == 1 ? sorted[half] : 0.5 * (sorted[half - 1] + sorted[half]);
}

static double middle_distance(const double *sorted, size_t count, double centre) {
    const size_t half = count / 2;
    if (count % 2 == 1) return nearest(sorted, count, centre, half + 1);
    return 0.5 * (nearest(sorted, count, centre, half) + nearest(sorted, count, centre, half + 1));
}

ull_status ull_hampel_init(ull_hampel *hampel, double *memory, size_t window, double k, double scale_min) {
    if (!hampel || !memory || window % 2 == 0 || window < ULL_HAMPEL_WINDOW_MIN ||
        window > ULL_HAMPEL_WINDOW_MAX || !(k > 0.0 && isfinite(k)) ||
        !(scale_min > 0.0 && isfinite(scale_min))) {
        return ULL_ARGUMENT;
    }
    *hampel = (ull_hampel){
        .ring = memory, .sorted = memory + window, .window = window, .k = k, .scale_min = scale_min};
    return ULL_OK;
}

void ull_hampel_clear(ull_hampel *hampel) {
    hampel->count = 0;
    hampel->oldest = 0;
    hampel->flagged = 0;
}

ull_status ull_hampel_push(ull_hampel *hampel, double value, ull_hampel_verdict *verdict) {
    if (!isfinite(value)) return ULL_ARGUMENT;
    double *sorted = hampel->sorted;
    if (hampel->count < hampel->window) {
        insert(sorted, hampel->count, value);
        hampel->ring[hampel->count++] = value;
    } else {
        replace(sorted, hampel->count, hampel->ring[hampel->oldest], value);
        hampel->ring[hampel->oldest] = value;
        hampel->oldest = hampel->oldest + 1 < hampel->window ? hampel->oldest + 1 : 0;
    }
    const double median = middle(sorted, hampel->count);
    const double scale =
        fmax(SIGMA_PER_MAD * middle_distance(sorted, hampel->count, median), hampel->scale_min);
    const int outlier = hampel->count >= JUDGED_FROM && fabs(value - median) > hampel->k * scale;
    const int flagged = outlier && hampel->flagged < ULL_HAMPEL_RUN;
    hampel->flagged = !outlier ? 0 : hampel->flagged + (flagged ? 1 : 0);
    *verdict = (ull_hampel_verdict){
        .value = flagged ? median : value, .median = median, .scale = scale, .flagged = flagged ? 1 : 0};
    return ULL_OK;
}

ull_status ull_hampel_push_many(ull_hampel *bank, size_t hampels, const uint32_t *index, const double *value,
                                size_t count, ull_hampel_verdict *verdict, uint8_t *status) {
    ull_status first = ULL_OK;
    for (size_t i = 0; i < count; i++) {
        const ull_status answer =
            index[i] < hampels ? ull_hampel_push(&bank[index[i]], value[i], &verdict[i]) : ULL_ARGUMENT;
        if (status) status[i] = (uint8_t)answer;
        if (first == ULL_OK) first = answer;
    }
    return first;
}

ull_status ull_hampel_run(ull_hampel *hampel, const double *value, size_t count, double *cleaned,
                          uint8_t *flagged) {
    ull_status first = ULL_OK;
    for (size_t i = 0; i < count; i++) {
        ull_hampel_verdict verdict;
        const ull_status answer = ull_hampel_push(hampel, value[i], &verdict);
        if (answer != ULL_OK) {
            verdict.value = value[i];
            verdict.flagged = 0;
            first = answer;
        }
        if (cleaned) cleaned[i] = verdict.value;
        if (flagged) flagged[i] = verdict.flagged;
    }
    return first;
}
