/* The sliding slope against a two-pass fit of the same samples in long double. */
#include "check.h"
#include "ull_slope.h"

static const int64_t MS = 1000000;

typedef struct {
    double slope_per_s, sigma_slope_per_s, value, sigma_value, phi;
} line;

static line fit_line(const int64_t *time_ns, const double *value, size_t count) {
    long double mean_t = 0, mean_v = 0, tt = 0, tv = 0, squares = 0, products = 0, before = 0;
    for (size_t i = 0; i < count; i++) {
        mean_t += (long double)(time_ns[i] - time_ns[0]) * 1e-9L / (long double)count;
        mean_v += (long double)value[i] / (long double)count;
    }
    for (size_t i = 0; i < count; i++) {
        const long double t = (long double)(time_ns[i] - time_ns[0]) * 1e-9L - mean_t;
        tt += t * t;
        tv += t * ((long double)value[i] - mean_v);
    }
    const long double slope = tv / tt;
    for (size_t i = 0; i < count; i++) {
        const long double t = (long double)(time_ns[i] - time_ns[0]) * 1e-9L - mean_t;
        const long double residual = (long double)value[i] - mean_v - slope * t;
        squares += residual * residual;
        if (i > 0) products += residual * before;
        before = residual;
    }
    const long double n = (long double)count;
    const long double last_t = (long double)(time_ns[count - 1] - time_ns[0]) * 1e-9L - mean_t;
    const double r = (double)((products / (n - 1)) / (squares / n));
    const double phi = fmin(fmax(((double)n * r + 2) / ((double)n - 4), 0), 0.95);
    const double sigma = sqrt((double)(squares / (n - 2)) * (1 + phi) / (1 - phi));
    return (line){(double)slope, sigma / sqrt((double)tt), (double)(mean_v + slope * last_t),
                  sigma * sqrt((double)(1 / n + last_t * last_t / tt)), phi};
}

static void every_fit_is_that_of_the_window(double ramp_per_s, size_t capacity) {
    enum { COUNT = 4000 };
    static int64_t time_ns[COUNT];
    static double value[COUNT], run[COUNT];
    static ull_slope_sample ring[COUNT];
    unsigned long long seed = 7;
    ull_slope slope;
    const int64_t window_ns = 20000 * MS;
    CHECK(ull_slope_init(&slope, ring, capacity, window_ns, 0.0) == ULL_OK);
    int64_t now_ns = INT64_C(1790000000000000000);
    size_t oldest = 0;
    double noise = 0;
    for (size_t i = 0; i < COUNT; i++) {
        now_ns += (int64_t)(1e8 * (0.5 + uniform(&seed)));
        if (i % 1000 == 999) now_ns += 15000 * MS; /* a gap that leaves a few samples */
        noise = 0.4 * noise + normal(&seed);
        time_ns[i] = now_ns;
        value[i] = 1e5 + noise + ramp_per_s * 1e-9 * (double)(now_ns - time_ns[0]);
        CHECK(ull_slope_push(&slope, time_ns[i], value[i]) == ULL_OK);
        while (time_ns[i] - time_ns[oldest] > window_ns || i - oldest + 1 > capacity) oldest++;
        if (i < 20) continue;
        ull_slope_fit fit;
        ull_slope_result(&slope, &fit);
        const line truth = fit_line(&time_ns[oldest], &value[oldest], i - oldest + 1);
        CHECK(fit.count == i - oldest + 1 && fit.span_ns == time_ns[i] - time_ns[oldest]);
        CHECK(fit.time_ns == time_ns[i]);
        CHECK_NEAR(fit.slope_per_s, truth.slope_per_s, 1e-9 * fabs(truth.slope_per_s) + 1e-9);
        CHECK_NEAR(fit.value, truth.value, 1e-6);
        if (fit.count < 8) continue;
        CHECK_NEAR(fit.phi, truth.phi, 1e-5);
        CHECK_NEAR(fit.sigma_slope_per_s, truth.sigma_slope_per_s, 1e-4 * truth.sigma_slope_per_s);
        CHECK_NEAR(fit.sigma_value, truth.sigma_value, 1e-4 * truth.sigma_value);
    }
    if (capacity < COUNT) return;
    CHECK(ull_slope_run(time_ns, value, COUNT, window_ns, run, NULL) == ULL_OK);
    CHECK(isnan(run[0]));
    ull_slope_clear(&slope);
    for (size_t i = 0; i < COUNT; i++) {
        ull_slope_fit fit;
        CHECK(ull_slope_push(&slope, time_ns[i], value[i]) == ULL_OK);
        ull_slope_result(&slope, &fit);
        if (i > 0) CHECK_NEAR(run[i], fit.slope_per_s, 1e-8 * (1 + fabs(run[i])));
    }
}

static void many_pushes_leave_no_drift(unsigned long pushes) {
    enum { WINDOW = 100 };
    static int64_t time_ns[WINDOW];
    static double value[WINDOW];
    ull_slope_sample ring[WINDOW];
    unsigned long long seed = 3;
    ull_slope slope;
    CHECK(ull_slope_init(&slope, ring, WINDOW, ULL_SLOPE_WINDOW_MAX_NS, 0.0) == ULL_OK);
    for (unsigned long i = 0; i < pushes; i++) {
        const size_t place = i % WINDOW;
        time_ns[place] = (int64_t)i * 100 * MS;
        value[place] = 1e5 + uniform(&seed);
        CHECK(ull_slope_push(&slope, time_ns[place], value[place]) == ULL_OK);
    }
    CHECK(pushes % WINDOW == 0);
    ull_slope_fit fit;
    ull_slope_result(&slope, &fit);
    const line truth = fit_line(time_ns, value, WINDOW);
    CHECK_NEAR(fit.slope_per_s, truth.slope_per_s, 1e-12);
    CHECK_NEAR(fit.sigma_slope_per_s, truth.sigma_slope_per_s, 1e-10);
}

static void what_cannot_be_known_is_nan(void) {
    ull_slope_sample ring[4];
    ull_slope slope;
    ull_slope_fit fit;
    CHECK(ull_slope_init(&slope, ring, 4, 1000 * MS, 0.5) == ULL_OK);
    ull_slope_result(&slope, &fit);
    CHECK(fit.count == 0 && isnan(fit.value) && isnan(fit.slope_per_s) && isnan(fit.sigma_slope_per_s));
    CHECK(ull_slope_push(&slope, 100 * MS, 3.0) == ULL_OK);
    ull_slope_result(&slope, &fit);
    CHECK(fit.count == 1 && fit.value == 3.0 && isnan(fit.slope_per_s) && isnan(fit.sigma_value));
    CHECK(ull_slope_push(&slope, 200 * MS, 4.0) == ULL_OK);
    ull_slope_result(&slope, &fit);
    CHECK_NEAR(fit.slope_per_s, 10.0, 1e-12);
    CHECK(isnan(fit.sigma_slope_per_s));
    CHECK(ull_slope_push(&slope, 300 * MS, 5.0) == ULL_OK);
    ull_slope_result(&slope, &fit);
    CHECK(fit.sigma_residual == 0.5); /* on a line, and still not certain: 0.5 / sqrt(0.02) */
    CHECK_NEAR(fit.sigma_slope_per_s, 0.5 / sqrt(0.02), 1e-12);
}

static void time_must_advance_and_a_gap_empties_the_window(void) {
    ull_slope_sample ring[4];
    ull_slope slope;
    ull_slope_fit fit;
    CHECK(ull_slope_init(&slope, ring, 4, 1000 * MS, 0.0) == ULL_OK);
    CHECK(ull_slope_push(&slope, INT64_MIN, 1.0) == ULL_OK);
    CHECK(ull_slope_push(&slope, INT64_MIN, 1.0) == ULL_ORDER);
    CHECK(ull_slope_push(&slope, INT64_MAX, NAN) == ULL_ARGUMENT);
    CHECK(ull_slope_push(&slope, INT64_MAX, 2.0) == ULL_OK);
    CHECK(ull_slope_push(&slope, 0, 2.0) == ULL_ORDER);
    ull_slope_result(&slope, &fit);
    CHECK(fit.count == 1 && fit.value == 2.0 && fit.time_ns == INT64_MAX);
}

static void a_bank_takes_each_sample_to_its_slope(void) {
    ull_slope_sample ring[3][8];
    ull_slope bank[2], alone;
    ull_slope_fit fit[4], expected, all[2];
    uint8_t status[4];
    CHECK(ull_slope_init(&bank[0], ring[0], 8, 1000 * MS, 0.0) == ULL_OK);
    CHECK(ull_slope_init(&bank[1], ring[1], 8, 300 * MS, 0.0) == ULL_OK);
    CHECK(ull_slope_init(&alone, ring[2], 8, 300 * MS, 0.0) == ULL_OK);
    for (int i = 0; i < 20; i++) {
        const int64_t now_ns = (i + 1) * 100 * MS;
        const double value = (double)(i * i);
        const uint32_t index[] = {1, 2, 0, 0};
        const int64_t time_ns[] = {now_ns, now_ns, now_ns, now_ns};
        const double values[] = {value, value, value, value};
        CHECK(ull_slope_push_many(bank, 2, index, time_ns, values, 4, fit, status) == ULL_ARGUMENT);
        CHECK(status[0] == ULL_OK && status[1] == ULL_ARGUMENT && status[2] == ULL_OK &&
              status[3] == ULL_ORDER);
        CHECK(ull_slope_push(&alone, now_ns, value) == ULL_OK);
        ull_slope_result(&alone, &expected);
        if (i > 0)
            CHECK(fit[0].slope_per_s == expected.slope_per_s && fit[2].slope_per_s == fit[3].slope_per_s);
        CHECK(fit[0].count == (i < 4 ? (size_t)i + 1 : 4) && fit[2].count == (i < 8 ? (size_t)i + 1 : 8));
    }
    ull_slope_clear_many(bank, 2);
    ull_slope_result_many(bank, 2, all);
    CHECK(all[0].count == 0 && all[1].count == 0);
}

static void a_run_skips_and_counts_what_is_not_finite(void) {
    enum { COUNT = 3000 };
    static int64_t time_ns[COUNT];
    static double value[COUNT], run[COUNT];
    static ull_slope_sample ring[COUNT];
    unsigned long long seed = 5;
    uint64_t refused = 1, expected = 1;
    ull_slope slope;
    CHECK(ull_slope_init(&slope, ring, COUNT, 3000 * MS, 0.0) == ULL_OK);
    for (size_t i = 0; i < COUNT; i++) {
        time_ns[i] = (int64_t)i * 100 * MS;
        value[i] = 1e5 + normal(&seed);
        if (i < 3 || i % 101 == 0 || (i > 1000 && i < 1100) || i > 2900) value[i] = i % 2 ? NAN : INFINITY;
        expected += isfinite(value[i]) ? 0 : 1;
    }
    CHECK(ull_slope_run(time_ns, value, COUNT, 3000 * MS, run, &refused) == ULL_ARGUMENT);
    CHECK(refused == expected);
    for (size_t i = 0; i < COUNT; i++) {
        ull_slope_fit fit = {.slope_per_s = NAN};
        if (ull_slope_push(&slope, time_ns[i], value[i]) == ULL_OK) ull_slope_result(&slope, &fit);
        CHECK(isnan(run[i]) == isnan(fit.slope_per_s));
        if (!isnan(run[i])) CHECK_NEAR(run[i], fit.slope_per_s, 1e-10);
    }
}

static void settings_and_runs_out_of_bounds_are_refused(void) {
    ull_slope_sample ring[2];
    ull_slope slope;
    double out[2];
    CHECK(ull_slope_init(&slope, ring, 1, MS, 0.0) == ULL_ARGUMENT);
    CHECK(ull_slope_init(&slope, ring, 2, 0, 0.0) == ULL_ARGUMENT);
    CHECK(ull_slope_init(&slope, ring, 2, ULL_SLOPE_WINDOW_MAX_NS + 1, 0.0) == ULL_ARGUMENT);
    CHECK(ull_slope_init(&slope, ring, 2, MS, NAN) == ULL_ARGUMENT);
    CHECK(ull_slope_init(&slope, NULL, 2, MS, 0.0) == ULL_ARGUMENT);
    CHECK(ull_slope_run((const int64_t[]){1, 1}, (const double[]){0, 0}, 2, MS, out, NULL) == ULL_ORDER);
    CHECK(ull_slope_run((const int64_t[]){1, 2}, (const double[]){0, NAN}, 2, MS, out, NULL) == ULL_ARGUMENT);
    CHECK(ull_slope_run((const int64_t[]){INT64_MIN, INT64_MAX}, (const double[]){0, 1}, 2, MS, out, NULL) ==
          ULL_OK);
    CHECK(isnan(out[0]) && isnan(out[1]));
    CHECK(ull_slope_run((const int64_t[]){1, 3 * MS}, (const double[]){NAN, 1}, 2, MS, out, NULL) == ULL_ARGUMENT);
}

int main(int argc, char **argv) {
    every_fit_is_that_of_the_window(0.0, 4000);
    every_fit_is_that_of_the_window(-30.0, 4000);
    every_fit_is_that_of_the_window(0.01, 50);
    many_pushes_leave_no_drift(10000);
    many_pushes_leave_no_drift(argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000); /* try 1000000000 */
    what_cannot_be_known_is_nan();
    time_must_advance_and_a_gap_empties_the_window();
    a_bank_takes_each_sample_to_its_slope();
    a_run_skips_and_counts_what_is_not_finite();
    settings_and_runs_out_of_bounds_are_refused();
    return 0;
}
