#include "ull_median.h"

#include <math.h>
#include <string.h>

#include "ull_network.h"

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

ull_status ull_median_init(ull_median *median, double *memory, size_t window) {
    if (!median || !memory || window < 1 || window > ULL_MEDIAN_WINDOW_MAX) return ULL_ARGUMENT;
    *median = (ull_median){.ring = memory, .sorted = memory + window, .window = window};
    return ULL_OK;
}

void ull_median_clear(ull_median *median) {
    median->count = 0;
    median->oldest = 0;
}

ull_status ull_median_push(ull_median *median, double value) {
    if (!isfinite(value)) {
        median->refused++;
        return ULL_ARGUMENT;
    }
    value += 0.0; /* -0 becomes 0, as in ull_network_take */
    if (median->count < median->window) {
        insert(median->sorted, median->count, value);
        median->ring[median->count++] = value;
    } else {
        replace(median->sorted, median->count, median->ring[median->oldest], value);
        median->ring[median->oldest] = value;
        median->oldest = median->oldest + 1 < median->window ? median->oldest + 1 : 0;
    }
    return ULL_OK;
}

double ull_median_result(const ull_median *median) {
    const double *sorted = median->sorted;
    const size_t half = median->count / 2;
    if (median->count == 0) return NAN;
    return median->count % 2 == 1 ? sorted[half] : 0.5 * (sorted[half - 1] + sorted[half]);
}

size_t ull_median_samples(const ull_median *median, double *sample) {
    const size_t oldest = median->oldest; /* 0 as long as the window is not full */
    memcpy(sample, &median->ring[oldest], (median->count - oldest) * sizeof *sample);
    memcpy(&sample[median->count - oldest], median->ring, oldest * sizeof *sample);
    return median->count;
}

void ull_median_load(ull_median *median, const double *sample, size_t count) {
    ull_median_clear(median);
    for (size_t i = 0; i < count; i++) (void)ull_median_push(median, sample[i]);
}

/* Short and odd: all windows of a block at once. The window is full. */
static void run_network(ull_median *median, const double *value, size_t count, double *result) {
    const size_t window = median->window;
    double sample[ULL_NETWORK_WINDOW_MAX + ULL_NETWORK_BLOCK], middle[ULL_NETWORK_BLOCK];
    ull_median_samples(median, sample);
    size_t seen;
    for (size_t i = 0; i < count; i += seen) {
        const size_t taken = ull_network_take(&value[i], count - i, &sample[window], &seen);
        if (taken == ULL_NETWORK_BLOCK && seen == taken) {
            ull_network_median(&sample[1], window, &result[i]);
        } else {
            ull_network_median(&sample[1], window, middle);
            median->refused += seen - taken;
            size_t next = 0;
            for (size_t j = i; j < i + seen; j++) result[j] = isfinite(value[j]) ? middle[next++] : NAN;
        }
        memmove(sample, &sample[taken], window * sizeof *sample);
    }
    ull_median_load(median, sample, window);
}

/* A sample and where it came in the two windows of samples that are ranked at a time. */
typedef struct {
    double value;
    size_t place;
} item;

enum { FEW = 8, WORDS = (2 * ULL_MEDIAN_WINDOW_MAX + 63) / 64 };

/* Each finds its place by counting: no branch depends on the values. */
static void sort_few(const item *from, size_t count, item *to) {
    size_t rank[FEW] = {0};
    for (size_t i = 1; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            const size_t after = from[j].value <= from[i].value ? 1 : 0;
            rank[i] += after;
            rank[j] += 1 - after;
        }
    }
    for (size_t i = 0; i < count; i++) to[rank[i]] = from[i];
}

/* Both ends at once, which are independent work for the processor; the halves differ by one at most, `b` being the
 * longer, so neither end runs out before they meet. */
static void merge(const item *a, size_t count_a, const item *b, size_t count_b, item *to) {
    const item *last_a = a + count_a, *last_b = b + count_b;
    item *end = to + count_a + count_b;
    for (size_t i = 0; i < count_a; i++) {
        const size_t from_b = b->value < a->value ? 1 : 0;
        *to++ = *(from_b ? b : a);
        b += from_b;
        a += 1 - from_b;
        const size_t from_a = last_b[-1].value < last_a[-1].value ? 1 : 0;
        *--end = *(from_a ? last_a - 1 : last_b - 1);
        last_a -= from_a;
        last_b -= 1 - from_a;
    }
    if (to < end) *to = a < last_a ? *a : *b;
}

/* `from` and `to` hold the same; `to` is sorted, `from` is lost. */
static void sort(item *from, size_t count, item *to) {
    if (count <= FEW) {
        sort_few(from, count, to);
        return;
    }
    const size_t half = count / 2;
    sort(to, half, from);
    sort(to + half, count - half, from + half);
    merge(from, half, from + half, count - half, to);
}

static size_t set_after(const uint64_t *bits, size_t rank) {
    size_t word = (rank + 1) / 64;
    uint64_t left = bits[word] >> ((rank + 1) % 64) << ((rank + 1) % 64);
    while (left == 0) left = bits[++word];
    return word * 64 + (size_t)__builtin_ctzll(left);
}

static size_t set_before(const uint64_t *bits, size_t rank) {
    size_t word = rank / 64;
    uint64_t left = bits[word] & ((UINT64_C(1) << (rank % 64)) - 1);
    while (left == 0) left = bits[--word];
    return word * 64 + 63 - (size_t)__builtin_clzll(left);
}

static void flip(uint64_t *bits, size_t rank) { bits[rank / 64] ^= UINT64_C(1) << (rank % 64); }

/* Any window that is full, a window of new samples at a time: the old and the new are sorted together, so that the
 * sliding window is a set of ranks, one bit each, and its median is next to that of the sample before. Returns how
 * many values it went through: all but what is too few for a window. */
static size_t run_ranks(ull_median *median, const double *value, size_t count, double *result) {
    const size_t window = median->window;
    const size_t half = (window - 1) / 2; /* of a full window, how many are below the (lower) middle */
    item part[2][ULL_MEDIAN_WINDOW_MAX], spare[ULL_MEDIAN_WINDOW_MAX], both[2 * ULL_MEDIAN_WINDOW_MAX];
    double sample[ULL_MEDIAN_WINDOW_MAX];
    uint64_t bits[WORDS];
    size_t rank[2 * ULL_MEDIAN_WINDOW_MAX];
    size_t old = 0; /* which part, and half of `rank`, is that of the older samples */
    ull_median_samples(median, sample);
    for (size_t i = 0; i < window; i++) part[0][i] = spare[i] = (item){.value = sample[i], .place = i};
    sort(spare, window, part[0]);
    size_t done = 0;
    for (;;) {
        const size_t new = 1 - old;
        size_t taken = 0;
        for (size_t i = done; i < count && taken < window; i++) {
            if (!isfinite(value[i])) continue;
            part[new][taken] = spare[taken] =
                (item){.value = value[i] + 0.0, .place = new * window + taken};
            taken++;
        }
        if (taken < window) break;
        sort(spare, window, part[new]);
        merge(part[old], window, part[new], window, both);
        for (size_t i = 0; i < 2 * window; i++) rank[both[i].place] = i;

        memset(bits, 0, sizeof bits);
        for (size_t i = 0; i < window; i++) flip(bits, rank[old * window + i]);
        size_t middle = rank[part[old][half].place];
        size_t below = half;
        for (size_t i = 0; i < window; done++) {
            if (!isfinite(value[done])) {
                median->refused++;
                result[done] = NAN;
                continue;
            }
            const size_t leaves = rank[old * window + i];
            const size_t enters = rank[new * window + i];
            flip(bits, leaves);
            flip(bits, enters);
            below += (enters < middle ? 1 : 0);
            below -= (leaves < middle ? 1 : 0);
            if (below > half) {
                middle = set_before(bits, middle);
                below--;
            } else if (below < half) {
                middle = set_after(bits, middle);
                below++;
            } else if (leaves == middle) {
                middle = set_after(bits, middle);
            }
            result[done] = window % 2 == 1
                               ? both[middle].value
                               : 0.5 * (both[middle].value + both[set_after(bits, middle)].value);
            i++;
        }
        old = new;
    }
    for (size_t i = 0; i < window; i++) sample[part[old][i].place - old * window] = part[old][i].value;
    ull_median_load(median, sample, window);
    return done;
}

ull_status ull_median_run(ull_median *median, const double *value, size_t count, double *result) {
    const uint64_t refused = median->refused;
    size_t i = 0;
    for (; i < count; i++) {
        if (median->count == median->window) {
            if (median->window <= ULL_NETWORK_WINDOW_MAX && median->window % 2 == 1) {
                run_network(median, &value[i], count - i, &result[i]);
                break;
            }
            if (count - i >= median->window) i += run_ranks(median, &value[i], count - i, &result[i]);
            if (i == count) break;
        }
        result[i] = ull_median_push(median, value[i]) == ULL_OK ? ull_median_result(median) : NAN;
    }
    return median->refused == refused ? ULL_OK : ULL_ARGUMENT;
}
