/* Sliding mean and standard deviation against two passes over the window in long double. */
#include "check.h"
#include "ull_moments.h"

enum { COUNT = 5000 };

static int same(double a, double b) { return a == b || (isnan(a) && isnan(b)); }

static void every_form_is_two_passes(size_t window, double blind, size_t batch) {
    static double input[COUNT], kept[COUNT], mean[COUNT], std[COUNT], memory[3 * ULL_MOMENTS_WINDOW_MAX];
    static double run_mean[COUNT], run_std[COUNT], alone[COUNT];
    unsigned long long seed = window;
    size_t finite = 0;
    ull_moments moments;
    CHECK(ull_moments_init(&moments, memory, window) == ULL_OK);
    for (size_t i = 0; i < COUNT; i++) {
        input[i] = 1e5 + normal(&seed) + (i % 500 == 0 ? 1e6 : 0.0);
        if (uniform(&seed) < blind) input[i] = uniform(&seed) < 0.5 ? NAN : -INFINITY;
        mean[i] = std[i] = NAN;
        if (!isfinite(input[i])) {
            CHECK(ull_moments_push(&moments, input[i]) == ULL_ARGUMENT);
            continue;
        }
        kept[finite++] = input[i];
        CHECK(ull_moments_push(&moments, input[i]) == ULL_OK);
        ull_moments_result(&moments, &mean[i], &std[i]);
        const size_t count = finite < window ? finite : window;
        long double centre = 0, squares = 0;
        for (size_t j = finite - count; j < finite; j++) centre += (long double)kept[j] / (long double)count;
        for (size_t j = finite - count; j < finite; j++)
            squares += ((long double)kept[j] - centre) * ((long double)kept[j] - centre);
        CHECK_NEAR(mean[i], (double)centre, 1e-14 * 1e6); /* of what a window with a spike spans */
        if (count == 1) {
            CHECK(isnan(std[i]));
        } else {
            const double expected = sqrt((double)(squares / (long double)(count - 1)));
            CHECK_NEAR(std[i], expected, 1e-12 * expected);
        }
    }
    CHECK(moments.refused == COUNT - finite);

    const ull_status answer = finite == COUNT ? ULL_OK : ULL_ARGUMENT;
    CHECK(ull_moments_init(&moments, memory, window) == ULL_OK);
    CHECK(ull_moments_run(&moments, input, COUNT, alone, NULL) == answer);
    for (size_t i = 0; i < COUNT; i++) CHECK(same(alone[i], mean[i]));
    CHECK(ull_moments_init(&moments, memory, window) == ULL_OK);
    CHECK(ull_moments_run(&moments, input, COUNT, NULL, alone) == answer);
    for (size_t i = 0; i < COUNT; i++) CHECK(same(alone[i], std[i]));
    CHECK(ull_moments_init(&moments, memory, window) == ULL_OK);
    for (size_t i = 0; i < COUNT; i += batch) {
        const size_t count = i + batch < COUNT ? batch : COUNT - i;
        (void)ull_moments_run(&moments, &input[i], count, &run_mean[i], &run_std[i]);
    }
    for (size_t i = 0; i < COUNT; i++) CHECK(same(run_mean[i], mean[i]) && same(run_std[i], std[i]));
    CHECK(moments.refused == COUNT - finite);
}

/* 0.1 MPa and noise: at the end as after 10 000 pushes. */
static void many_pushes_leave_no_drift(unsigned long pushes) {
    enum { WINDOW = 101 };
    double memory[3 * WINDOW], value[WINDOW];
    unsigned long long seed = 3;
    ull_moments moments;
    CHECK(ull_moments_init(&moments, memory, WINDOW) == ULL_OK);
    for (unsigned long i = 0; i < pushes; i++) {
        value[i % WINDOW] = 1e5 + uniform(&seed);
        CHECK(ull_moments_push(&moments, value[i % WINDOW]) == ULL_OK);
    }
    double mean, std;
    ull_moments_result(&moments, &mean, &std);
    long double centre = 0, squares = 0;
    for (size_t i = 0; i < WINDOW; i++) centre += (long double)value[i] / WINDOW;
    for (size_t i = 0; i < WINDOW; i++)
        squares += ((long double)value[i] - centre) * ((long double)value[i] - centre);
    CHECK_NEAR(mean, (double)centre, 3e-11); /* two last digits of 1e5 */
    CHECK_NEAR(std, sqrt((double)(squares / (WINDOW - 1))), 1e-14);
}

static void equal_values_have_no_deviation(void) {
    double memory[9], mean, std;
    ull_moments moments;
    CHECK(ull_moments_init(&moments, memory, 3) == ULL_OK);
    ull_moments_result(&moments, &mean, &std);
    CHECK(isnan(mean) && isnan(std));
    for (int i = 0; i < 10; i++) {
        CHECK(ull_moments_push(&moments, 0.1) == ULL_OK);
        ull_moments_result(&moments, &mean, &std);
        CHECK(mean == 0.1 && (i == 0 ? isnan(std) : std == 0.0));
    }
    ull_moments_clear(&moments);
    CHECK(ull_moments_push(&moments, 7.0) == ULL_OK);
    ull_moments_result(&moments, &mean, NULL);
    CHECK(mean == 7.0);
}

static void settings_out_of_bounds_are_refused(void) {
    double memory[3 * ULL_MOMENTS_WINDOW_MAX];
    ull_moments moments;
    CHECK(ull_moments_init(&moments, memory, 0) == ULL_ARGUMENT);
    CHECK(ull_moments_init(&moments, memory, ULL_MOMENTS_WINDOW_MAX + 1) == ULL_ARGUMENT);
    CHECK(ull_moments_init(&moments, NULL, 3) == ULL_ARGUMENT);
    CHECK(ull_moments_init(&moments, memory, ULL_MOMENTS_WINDOW_MAX) == ULL_OK);
}

int main(int argc, char **argv) {
    const size_t windows[] = {1, 2, 3, 15, 16, 101, 1025};
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
        every_form_is_two_passes(windows[i], 0.0, 700);
        every_form_is_two_passes(windows[i], 0.002, COUNT);
        every_form_is_two_passes(windows[i], 0.3, 2600);
    }
    many_pushes_leave_no_drift(10000);
    many_pushes_leave_no_drift(argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000); /* try 1000000000 */
    equal_values_have_no_deviation();
    settings_out_of_bounds_are_refused();
    return 0;
}
