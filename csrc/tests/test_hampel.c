/* The Hampel filter against sorting the window anew for each sample. */
#include "check.h"
#include "ull_hampel.h"

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_of(double *values, size_t count) {
    qsort(values, count, sizeof *values, ascending);
    return count % 2 == 1 ? values[count / 2] : 0.5 * (values[count / 2 - 1] + values[count / 2]);
}

static void median_and_mad_are_exact(size_t window, double coarseness) {
    enum { COUNT = 3000 };
    static double input[COUNT], memory[2 * ULL_HAMPEL_WINDOW_MAX], sorted[ULL_HAMPEL_WINDOW_MAX];
    unsigned long long seed = window;
    ull_hampel hampel;
    CHECK(ull_hampel_init(&hampel, memory, window, 5.0, 1e-300) == ULL_OK);
    for (size_t i = 0; i < COUNT; i++) {
        input[i] = 1e5 + floor(normal(&seed) / coarseness) * coarseness;
        ull_hampel_verdict verdict;
        CHECK(ull_hampel_push(&hampel, input[i], &verdict) == ULL_OK);
        const size_t count = i + 1 < window ? i + 1 : window;
        for (size_t j = 0; j < count; j++) sorted[j] = input[i - j];
        const double median = median_of(sorted, count);
        for (size_t j = 0; j < count; j++) sorted[j] = fabs(input[i - j] - median);
        const double scale = 1.482602218505602 * median_of(sorted, count);
        CHECK(verdict.median == median);
        CHECK_NEAR(verdict.scale, scale > 1e-300 ? scale : 1e-300, 1e-15 * scale);
    }
}

static void a_spike_is_replaced_and_a_gross_leak_passes(void) {
    double memory[30];
    ull_hampel hampel;
    ull_hampel_verdict verdict;
    CHECK(ull_hampel_init(&hampel, memory, 15, 6.0, 1.0) == ULL_OK);
    for (int i = 0; i < 20; i++)
        CHECK(ull_hampel_push(&hampel, i % 2, &verdict) == ULL_OK && !verdict.flagged);
    CHECK(ull_hampel_push(&hampel, 1000.0, &verdict) == ULL_OK && verdict.flagged && verdict.value <= 1.0);
    CHECK(ull_hampel_push(&hampel, 0.0, &verdict) == ULL_OK && !verdict.flagged && verdict.value == 0.0);
    for (int i = 0; i < 10; i++) {
        CHECK(ull_hampel_push(&hampel, -500.0 - i, &verdict) == ULL_OK);
        CHECK(verdict.flagged == (i < 3));
        CHECK(i < 3 ? verdict.value >= 0.0 : verdict.value == -500.0 - i);
    }
}

static void equal_values_do_not_make_the_next_step_an_outlier(void) {
    double memory[14];
    ull_hampel hampel;
    ull_hampel_verdict verdict;
    CHECK(ull_hampel_init(&hampel, memory, 7, 5.0, 100.0 / sqrt(12.0)) == ULL_OK);
    for (int i = 0; i < 20; i++) CHECK(ull_hampel_push(&hampel, 5e5, &verdict) == ULL_OK && !verdict.flagged);
    CHECK(ull_hampel_push(&hampel, 5e5 + 100.0, &verdict) == ULL_OK && !verdict.flagged);
}

static void what_is_not_finite_never_enters(void) {
    double memory[6];
    ull_hampel hampel;
    ull_hampel_verdict verdict = {0};
    CHECK(ull_hampel_init(&hampel, memory, 3, 5.0, 1.0) == ULL_OK);
    for (int i = 0; i < 4; i++) {
        CHECK(ull_hampel_push(&hampel, NAN, &verdict) == ULL_ARGUMENT);
        CHECK(ull_hampel_push(&hampel, INFINITY, &verdict) == ULL_ARGUMENT);
    }
    CHECK(ull_hampel_push(&hampel, 7.0, &verdict) == ULL_OK && verdict.median == 7.0);
}

static void batches_are_single_pushes(void) {
    enum { COUNT = 200 };
    double memory[3][10], cleaned[COUNT], input[COUNT];
    uint8_t flagged[COUNT], status[3];
    ull_hampel bank[2], alone;
    ull_hampel_verdict verdict[3];
    unsigned long long seed = 1;
    for (size_t i = 0; i < COUNT; i++) input[i] = i % 17 == 0 ? 1e3 : i % 29 == 0 ? NAN : normal(&seed);
    CHECK(ull_hampel_init(&alone, memory[0], 5, 5.0, 1.0) == ULL_OK);
    CHECK(ull_hampel_init(&bank[0], memory[1], 5, 5.0, 1.0) == ULL_OK);
    CHECK(ull_hampel_init(&bank[1], memory[2], 5, 5.0, 1.0) == ULL_OK);
    CHECK(ull_hampel_run(&alone, input, COUNT, cleaned, flagged) == ULL_ARGUMENT);
    for (size_t i = 0; i < COUNT; i++) {
        const uint32_t index[] = {1, 2, 0};
        const double value[] = {input[i], input[i], -input[i]};
        CHECK(ull_hampel_push_many(bank, 2, index, value, 3, verdict, status) == ULL_ARGUMENT);
        CHECK(status[1] == ULL_ARGUMENT && status[0] == (isfinite(input[i]) ? ULL_OK : ULL_ARGUMENT));
        if (status[0] != ULL_OK) {
            CHECK(isnan(cleaned[i]) && !flagged[i]);
        } else {
            CHECK(verdict[0].value == cleaned[i] && verdict[0].flagged == flagged[i]);
            CHECK(verdict[2].value == -cleaned[i]);
        }
    }
}

/* Short windows go by another way than pushes: both must find the same, also in pieces. */
static void runs_are_single_pushes(size_t window, double coarseness) {
    enum { COUNT = 3000 };
    static double input[COUNT], cleaned[COUNT], memory[2][202];
    static uint8_t flagged[COUNT];
    ull_hampel run, alone;
    ull_hampel_verdict verdict;
    unsigned long long seed = window;
    for (size_t i = 0; i < COUNT; i++) {
        input[i] = floor(normal(&seed) / coarseness) * coarseness + (i % 17 == 0 || i % 300 < 5 ? 20.0 : 0.0);
        if (i > 1000 && i % 29 == 0) input[i] = NAN;
    }
    CHECK(ull_hampel_init(&run, memory[0], window, 2.0, 0.3) == ULL_OK);
    CHECK(ull_hampel_init(&alone, memory[1], window, 2.0, 0.3) == ULL_OK);
    for (size_t i = 0; i < COUNT; i += 500)
        CHECK(ull_hampel_run(&run, &input[i], 500, &cleaned[i], &flagged[i]) ==
              (i < 1000 ? ULL_OK : ULL_ARGUMENT));
    for (size_t i = 0; i < COUNT; i++) {
        if (ull_hampel_push(&alone, input[i], &verdict) == ULL_OK) {
            CHECK(verdict.value == cleaned[i] && verdict.flagged == flagged[i]);
        } else {
            CHECK(isnan(cleaned[i]) && !flagged[i]);
        }
    }
    CHECK(run.median.refused == alone.median.refused && run.median.refused > 0);
}

static void settings_out_of_bounds_are_refused(void) {
    double memory[2 * ULL_HAMPEL_WINDOW_MAX];
    ull_hampel hampel;
    CHECK(ull_hampel_init(&hampel, memory, 4, 5.0, 1.0) == ULL_ARGUMENT);
    CHECK(ull_hampel_init(&hampel, memory, 1, 5.0, 1.0) == ULL_ARGUMENT);
    CHECK(ull_hampel_init(&hampel, memory, 1027, 5.0, 1.0) == ULL_ARGUMENT);
    CHECK(ull_hampel_init(&hampel, memory, 3, NAN, 1.0) == ULL_ARGUMENT);
    CHECK(ull_hampel_init(&hampel, memory, 3, 5.0, 0.0) == ULL_ARGUMENT);
    CHECK(ull_hampel_init(&hampel, NULL, 3, 5.0, 1.0) == ULL_ARGUMENT);
    CHECK(ull_hampel_init(&hampel, memory, 1025, 5.0, 1.0) == ULL_OK);
}

int main(void) {
    const size_t windows[] = {3, 5, 15, 101, 1025};
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
        median_and_mad_are_exact(windows[i], 1e-9);
        median_and_mad_are_exact(windows[i], 0.5); /* many equal values */
    }
    a_spike_is_replaced_and_a_gross_leak_passes();
    equal_values_do_not_make_the_next_step_an_outlier();
    what_is_not_finite_never_enters();
    batches_are_single_pushes();
    for (size_t window = 3; window <= 17; window += 2) {
        runs_are_single_pushes(window, 1e-9);
        runs_are_single_pushes(window, 1.0);
    }
    settings_out_of_bounds_are_refused();
    return 0;
}
