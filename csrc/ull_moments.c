#include "ull_moments.h"

#include <math.h>
#include <string.h>

#include "ull_pair.h"

enum { LANES = 4, WIDEST = ULL_MOMENTS_WINDOW_MAX };

ull_status ull_moments_init(ull_moments *moments, double *memory, size_t window) {
    if (!moments || !memory || window < 1 || window > ULL_MOMENTS_WINDOW_MAX) return ULL_ARGUMENT;
    *moments = (ull_moments){
        .value = memory, .sum = memory + window, .square = memory + 2 * window, .window = window};
    return ULL_OK;
}

void ull_moments_clear(ull_moments *moments) {
    moments->place = 0;
    moments->count = 0;
}

static void begin_block(ull_moments *moments, double reference) {
    double sum = 0.0;
    double square = 0.0;
    for (size_t i = moments->window; i-- > 0;) {
        moments->sum[i] = sum;
        moments->square[i] = square;
        if (moments->count < moments->window) continue; /* there is no block before */
        const double distance = moments->value[i] - reference;
        sum += distance;
        square += distance * distance;
    }
    moments->place = 0;
    moments->reference = reference;
    moments->block_sum = 0.0;
    moments->block_square = 0.0;
}

static void add(ull_moments *moments, double value) {
    const double distance = value - moments->reference;
    moments->block_sum += distance;
    moments->block_square += distance * distance;
}

ull_status ull_moments_push(ull_moments *moments, double value) {
    if (!isfinite(value)) {
        moments->refused++;
        return ULL_ARGUMENT;
    }
    if (moments->count == 0 || moments->place == moments->window) begin_block(moments, value);
    add(moments, value);
    moments->value[moments->place++] = value;
    if (moments->count < moments->window) moments->count++;
    return ULL_OK;
}

/* Of n samples with these sums; `per_n` is 1 / n, `per_freedom` 1 / (n - 1). */
static double deviation(double sum, double square, double per_n, double per_freedom) {
    const double variance = (square - sum * sum * per_n) * per_freedom;
    return variance > 0.0 ? sqrt(variance) : 0.0 * variance;
}

void ull_moments_result(const ull_moments *moments, double *mean, double *std) {
    if (mean) *mean = NAN;
    if (std) *std = NAN;
    if (moments->count == 0) return;
    const double n = (double)moments->count;
    const double sum = moments->sum[moments->place - 1] + moments->block_sum;
    const double square = moments->square[moments->place - 1] + moments->block_square;
    const double per_n = 1.0 / n;
    if (mean) *mean = moments->reference + sum * per_n;
    if (std && moments->count > 1) *std = deviation(sum, square, per_n, 1.0 / (n - 1.0));
}

/* What four blocks of `window` have at place i: those of `first` and those of the three after `rest`. */
#define LOW(first, rest, i) ((ull_pair){(first)[i], (rest)[i]})
#define HIGH(rest, i) ((ull_pair){(rest)[window + (i)], (rest)[2 * window + (i)]})
#define STORE(to, i, low, high)          \
    {                                    \
        (to)[i] = (low)[0];              \
        (to)[window + (i)] = (low)[1];   \
        (to)[2 * window + (i)] = (high)[0]; \
        (to)[3 * window + (i)] = (high)[1]; \
    }

/* As begin_block and pushes, of LANES blocks side by side: sums wait for sums, but not for those of another block.
 * `before` is the block before the first. Not finite when a sample is not: the results are worth nothing then. */
static double group_mean(const double *before, const double *value, size_t window, double *restrict mean) {
    ull_pair later[WIDEST][2];
    const double *const rest = &value[window];
    const ull_pair reference_low = LOW(value, rest, 0), reference_high = HIGH(rest, 0);
    const double per_n = 1.0 / (double)window;
    ull_pair low = {0.0, 0.0}, high = low;
    for (size_t i = window; i-- > 0;) {
        later[i][0] = low;
        later[i][1] = high;
        low += LOW(before, value, i) - reference_low;
        high += HIGH(value, i) - reference_high;
    }
    low = high = (ull_pair){0.0, 0.0};
    for (size_t i = 0; i < window; i++) {
        low += LOW(value, rest, i) - reference_low;
        high += HIGH(rest, i) - reference_high;
        const ull_pair mean_low = reference_low + (later[i][0] + low) * per_n;
        const ull_pair mean_high = reference_high + (later[i][1] + high) * per_n;
        STORE(mean, i, mean_low, mean_high)
    }
    low += high;
    return low[0] + low[1];
}

/* The same with the variance; `mean` may be null. */
static double group_variance(const double *before, const double *value, size_t window, double *restrict mean,
                             double *restrict variance) {
    ull_pair later[WIDEST][4];
    const double *const rest = &value[window];
    const ull_pair reference_low = LOW(value, rest, 0), reference_high = HIGH(rest, 0);
    const double per_n = 1.0 / (double)window;
    const double per_freedom = 1.0 / ((double)window - 1.0);
    ull_pair low = {0.0, 0.0}, high = low, square_low = low, square_high = low;
    for (size_t i = window; i-- > 0;) {
        later[i][0] = low;
        later[i][1] = high;
        later[i][2] = square_low;
        later[i][3] = square_high;
        const ull_pair distance_low = LOW(before, value, i) - reference_low;
        const ull_pair distance_high = HIGH(value, i) - reference_high;
        low += distance_low;
        high += distance_high;
        square_low += distance_low * distance_low;
        square_high += distance_high * distance_high;
    }
    low = high = square_low = square_high = (ull_pair){0.0, 0.0};
    for (size_t i = 0; i < window; i++) {
        const ull_pair distance_low = LOW(value, rest, i) - reference_low;
        const ull_pair distance_high = HIGH(rest, i) - reference_high;
        low += distance_low;
        high += distance_high;
        square_low += distance_low * distance_low;
        square_high += distance_high * distance_high;
        const ull_pair sum_low = later[i][0] + low, sum_high = later[i][1] + high;
        const ull_pair of_low = (later[i][2] + square_low - sum_low * sum_low * per_n) * per_freedom;
        const ull_pair of_high = (later[i][3] + square_high - sum_high * sum_high * per_n) * per_freedom;
        STORE(variance, i, of_low, of_high)
        if (!mean) continue;
        const ull_pair mean_low = reference_low + sum_low * per_n;
        const ull_pair mean_high = reference_high + sum_high * per_n;
        STORE(mean, i, mean_low, mean_high)
    }
    square_low += square_high;
    return square_low[0] + square_low[1];
}

/* Four at a time: compilers make it two vectors. */
static void take_roots(double *variance, size_t count) {
    for (size_t i = 0; i < count; i += LANES) {
        for (size_t j = 0; j < LANES; j++) variance[i + j] = sqrt(variance[i + j] > 0.0 ? variance[i + j] : 0.0);
    }
}

/* As many groups of finite samples as there are, after a whole block: how many values. */
static size_t run_groups(ull_moments *moments, const double *value, size_t count, double *mean, double *std) {
    const size_t window = moments->window;
    const double *last = moments->value;
    size_t done = 0;
    for (; count - done >= LANES * window; done += LANES * window) {
        const double *from = &value[done];
        double *const to = mean ? &mean[done] : NULL;
        const double sums =
            std ? group_variance(last, from, window, to, &std[done]) : group_mean(last, from, window, to);
        if (!isfinite(sums)) break;
        if (std) take_roots(&std[done], LANES * window);
        last = &from[3 * window];
    }
    if (done > 0) {
        memcpy(moments->value, last, window * sizeof *last); /* of its sums, only those of the last sample are read */
        moments->reference = last[0];
        moments->block_sum = moments->block_square = 0.0;
        for (size_t i = 0; i < window; i++) add(moments, last[i]);
        moments->sum[window - 1] = moments->square[window - 1] = 0.0;
    }
    return done;
}

ull_status ull_moments_run(ull_moments *moments, const double *value, size_t count, double *mean,
                           double *std) {
    const uint64_t refused = moments->refused;
    const size_t window = moments->window;
    size_t i = 0;
    while (i < count) {
        if (moments->count == window && moments->place == window && window > 1 && (mean || std))
            i += run_groups(moments, &value[i], count - i, mean ? &mean[i] : NULL, std ? &std[i] : NULL);
        for (size_t pushes = 0; pushes < window && i < count; pushes++, i++) {
            double *const mean_i = mean ? &mean[i] : NULL, *const std_i = std ? &std[i] : NULL;
            if (ull_moments_push(moments, value[i]) == ULL_OK) {
                ull_moments_result(moments, mean_i, std_i);
            } else {
                if (mean_i) *mean_i = NAN;
                if (std_i) *std_i = NAN;
            }
        }
    }
    return moments->refused == refused ? ULL_OK : ULL_ARGUMENT;
}
