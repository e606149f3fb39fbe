/* The sorting networks against sorting each window. */
#include "check.h"
#include "ull_network.h"

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_of(double *values, size_t count) {
    qsort(values, count, sizeof *values, ascending);
    return values[count / 2];
}

/* A network that sorts every sequence of zeros and ones sorts everything (Knuth 5.3.4): here for the median, all of
 * them, and then some noise. */
static void every_window_of_zeros_and_ones_has_its_median(size_t window) {
    double sample[ULL_NETWORK_BLOCK + ULL_NETWORK_WINDOW_MAX], median[ULL_NETWORK_BLOCK], mad[ULL_NETWORK_BLOCK];
    for (unsigned bits = 0; bits < 1U << window; bits++) {
        unsigned ones = 0;
        for (size_t i = 0; i < sizeof sample / sizeof *sample; i++) sample[i] = 0.5;
        for (size_t i = 0; i < window; i++) {
            sample[i] = bits >> i & 1;
            ones += bits >> i & 1;
        }
        ull_network_median(sample, window, median);
        CHECK(median[0] == (ones > window / 2 ? 1.0 : 0.0));
        if (window == 1 || bits % 16) continue;
        ull_network_median_mad(sample, window, median, mad);
        CHECK(median[0] == (ones > window / 2 ? 1.0 : 0.0) && mad[0] == 0.0);
    }
}

static void noise_has_the_median_and_mad_of_sorting(size_t window, double coarseness) {
    double sample[ULL_NETWORK_BLOCK + ULL_NETWORK_WINDOW_MAX - 1], sorted[ULL_NETWORK_WINDOW_MAX];
    double median[ULL_NETWORK_BLOCK], both[ULL_NETWORK_BLOCK], mad[ULL_NETWORK_BLOCK];
    unsigned long long seed = window;
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < sizeof sample / sizeof *sample; i++)
            sample[i] = 1e5 + floor(normal(&seed) / coarseness) * coarseness;
        ull_network_median(sample, window, median);
        if (window > 1) ull_network_median_mad(sample, window, both, mad);
        for (size_t i = 0; i < ULL_NETWORK_BLOCK; i++) {
            for (size_t j = 0; j < window; j++) sorted[j] = sample[i + j];
            const double expected = median_of(sorted, window);
            CHECK(median[i] == expected);
            if (window == 1) continue;
            CHECK(both[i] == expected);
            for (size_t j = 0; j < window; j++) sorted[j] = fabs(sample[i + j] - expected);
            CHECK(mad[i] == median_of(sorted, window));
        }
    }
}

static void only_what_is_finite_is_taken(void) {
    double value[300], sample[ULL_NETWORK_BLOCK];
    size_t seen;
    for (size_t i = 0; i < 300; i++) value[i] = (double)i;
    CHECK(ull_network_take(value, 300, sample, &seen) == ULL_NETWORK_BLOCK && seen == ULL_NETWORK_BLOCK);
    CHECK(sample[0] == 0.0 && sample[ULL_NETWORK_BLOCK - 1] == ULL_NETWORK_BLOCK - 1);
    value[0] = NAN;
    value[5] = -INFINITY;
    value[ULL_NETWORK_BLOCK] = INFINITY;
    CHECK(ull_network_take(value, 300, sample, &seen) == ULL_NETWORK_BLOCK && seen == ULL_NETWORK_BLOCK + 3);
    CHECK(sample[0] == 1.0 && sample[4] == 6.0 && sample[ULL_NETWORK_BLOCK - 1] == ULL_NETWORK_BLOCK + 2);
    CHECK(ull_network_take(value, 7, sample, &seen) == 5 && seen == 7);
    CHECK(sample[4] == 6.0 && sample[5] == 0.0 && sample[ULL_NETWORK_BLOCK - 1] == 0.0);
}

int main(void) {
    for (size_t window = 1; window <= ULL_NETWORK_WINDOW_MAX; window += 2) {
        every_window_of_zeros_and_ones_has_its_median(window);
        noise_has_the_median_and_mad_of_sorting(window, 1e-9);
        noise_has_the_median_and_mad_of_sorting(window, 0.5);
    }
    only_what_is_finite_is_taken();
    return 0;
}
