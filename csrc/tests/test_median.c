/* The sliding median against sorting the window anew for each sample. */
#include <string.h>

#include "check.h"
#include "ull_median.h"

enum { COUNT = 5000 };

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_of(double *values, size_t count) {
    qsort(values, count, sizeof *values, ascending);
    return count % 2 == 1 ? values[count / 2] : 0.5 * (values[count / 2 - 1] + values[count / 2]);
}

static int same(double a, double b) { return a == b || (isnan(a) && isnan(b)); }

/* Pushes, and runs of `batch` after `first` pushes. */
static void every_form_is_sorting(size_t window, double coarseness, double blind, size_t first, size_t batch) {
    static double input[COUNT], expected[COUNT], result[COUNT], memory[2 * ULL_MEDIAN_WINDOW_MAX];
    static double kept[COUNT], sorted[ULL_MEDIAN_WINDOW_MAX];
    unsigned long long seed = window;
    size_t finite = 0;
    ull_median median;
    CHECK(ull_median_init(&median, memory, window) == ULL_OK && isnan(ull_median_result(&median)));
    for (size_t i = 0; i < COUNT; i++) {
        input[i] = 1e5 + floor(normal(&seed) / coarseness) * coarseness;
        if (uniform(&seed) < blind) input[i] = uniform(&seed) < 0.5 ? NAN : INFINITY;
        expected[i] = NAN;
        const double before = ull_median_result(&median);
        if (isfinite(input[i])) {
            kept[finite++] = input[i];
            const size_t count = finite < window ? finite : window;
            memcpy(sorted, &kept[finite - count], count * sizeof *sorted);
            expected[i] = median_of(sorted, count);
            CHECK(ull_median_push(&median, input[i]) == ULL_OK);
            CHECK(ull_median_result(&median) == expected[i]);
        } else {
            CHECK(ull_median_push(&median, input[i]) == ULL_ARGUMENT);
            CHECK(same(ull_median_result(&median), before));
        }
    }
    CHECK(median.refused == COUNT - finite);

    CHECK(ull_median_init(&median, memory, window) == ULL_OK);
    for (size_t i = 0; i < COUNT;) {
        const size_t count = i < first ? first : i + batch < COUNT ? batch : COUNT - i;
        (void)ull_median_run(&median, &input[i], count, &result[i]);
        i += count;
    }
    for (size_t i = 0; i < COUNT; i++) CHECK(same(result[i], expected[i]));
    CHECK(median.refused == COUNT - finite);
}

static void a_run_says_whether_something_was_refused(void) {
    double memory[6], result[3];
    ull_median median;
    CHECK(ull_median_init(&median, memory, 3) == ULL_OK);
    CHECK(ull_median_run(&median, (const double[]){3.0, 1.0, 2.0}, 3, result) == ULL_OK);
    CHECK(result[0] == 3.0 && result[1] == 2.0 && result[2] == 2.0);
    CHECK(ull_median_run(&median, (const double[]){9.0, NAN, 8.0}, 3, result) == ULL_ARGUMENT);
    CHECK(result[0] == 2.0 && isnan(result[1]) && result[2] == 8.0 && median.refused == 1);
    CHECK(ull_median_run(&median, NULL, 0, NULL) == ULL_OK);
    ull_median_clear(&median);
    CHECK(isnan(ull_median_result(&median)) && median.refused == 1);
}

static void settings_out_of_bounds_are_refused(void) {
    double memory[2 * ULL_MEDIAN_WINDOW_MAX];
    ull_median median;
    CHECK(ull_median_init(&median, memory, 0) == ULL_ARGUMENT);
    CHECK(ull_median_init(&median, memory, ULL_MEDIAN_WINDOW_MAX + 1) == ULL_ARGUMENT);
    CHECK(ull_median_init(&median, NULL, 3) == ULL_ARGUMENT);
    CHECK(ull_median_init(NULL, memory, 3) == ULL_ARGUMENT);
    CHECK(ull_median_init(&median, memory, ULL_MEDIAN_WINDOW_MAX) == ULL_OK);
}

int main(void) {
    const size_t windows[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 64, 101, 1024, 1025};
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
        every_form_is_sorting(windows[i], 1e-9, 0.0, COUNT, COUNT);
        every_form_is_sorting(windows[i], 0.5, 0.0, 10, 700); /* many equal values */
        every_form_is_sorting(windows[i], 0.01, 0.1, 333, 2500);
    }
    a_run_says_whether_something_was_refused();
    settings_out_of_bounds_are_refused();
    return 0;
}
