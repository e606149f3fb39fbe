#include "ull_hampel.h"

#include <math.h>
#include <string.h>

#include "ull_network.h"

static const double SIGMA_PER_MAD = 1.482602218505602; /* 1 / (75th percentile of the normal distribution) */
static const size_t JUDGED_FROM = 3;                   /* two samples are equally far from their median */

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
    *hampel = (ull_hampel){.k = k, .scale_min = scale_min};
    return ull_median_init(&hampel->median, memory, window);
}

void ull_hampel_clear(ull_hampel *hampel) {
    ull_median_clear(&hampel->median);
    hampel->flagged = 0;
}

static ull_hampel_verdict judge(ull_hampel *hampel, double value, double median, double mad) {
    const double shown = SIGMA_PER_MAD * mad;
    const double scale = shown > hampel->scale_min ? shown : hampel->scale_min;
    const int outlier = hampel->median.count >= JUDGED_FROM && fabs(value - median) > hampel->k * scale;
    const int flagged = outlier && hampel->flagged < ULL_HAMPEL_RUN;
    hampel->flagged = !outlier ? 0 : hampel->flagged + (flagged ? 1 : 0);
    return (ull_hampel_verdict){
        .value = flagged ? median : value, .median = median, .scale = scale, .flagged = flagged ? 1 : 0};
}

ull_status ull_hampel_push(ull_hampel *hampel, double value, ull_hampel_verdict *verdict) {
    if (ull_median_push(&hampel->median, value) != ULL_OK) return ULL_ARGUMENT;
    const double median = ull_median_result(&hampel->median);
    const double mad = middle_distance(hampel->median.sorted, hampel->median.count, median);
    *verdict = judge(hampel, value, median, mad);
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

/* Short windows, all of a block at once. The window is full. */
static void run_network(ull_hampel *hampel, const double *value, size_t count, double *cleaned,
                        uint8_t *flagged) {
    const size_t window = hampel->median.window;
    double sample[ULL_NETWORK_WINDOW_MAX + ULL_NETWORK_BLOCK];
    double median[ULL_NETWORK_BLOCK], mad[ULL_NETWORK_BLOCK];
    ull_median_samples(&hampel->median, sample);
    size_t seen;
    for (size_t i = 0; i < count; i += seen) {
        const size_t taken = ull_network_take(&value[i], count - i, &sample[window], &seen);
        ull_network_median_mad(&sample[1], window, median, mad);
        hampel->median.refused += seen - taken;
        size_t next = 0;
        for (size_t j = i; j < i + seen; j++) {
            ull_hampel_verdict verdict = {.value = value[j]};
            if (isfinite(value[j])) {
                verdict = judge(hampel, value[j], median[next], mad[next]);
                next++;
            }
            if (cleaned) cleaned[j] = verdict.value;
            if (flagged) flagged[j] = verdict.flagged;
        }
        memmove(sample, &sample[taken], window * sizeof *sample);
    }
    ull_median_load(&hampel->median, sample, window);
}

ull_status ull_hampel_run(ull_hampel *hampel, const double *value, size_t count, double *cleaned,
                          uint8_t *flagged) {
    const uint64_t refused = hampel->median.refused;
    for (size_t i = 0; i < count; i++) {
        if (hampel->median.count == hampel->median.window &&
            hampel->median.window <= ULL_NETWORK_WINDOW_MAX) {
            run_network(hampel, &value[i], count - i, cleaned ? &cleaned[i] : NULL,
                        flagged ? &flagged[i] : NULL);
            break;
        }
        ull_hampel_verdict verdict;
        if (ull_hampel_push(hampel, value[i], &verdict) != ULL_OK)
            verdict = (ull_hampel_verdict){.value = value[i]};
        if (cleaned) cleaned[i] = verdict.value;
        if (flagged) flagged[i] = verdict.flagged;
    }
    return hampel->median.refused == refused ? ULL_OK : ULL_ARGUMENT;
}
