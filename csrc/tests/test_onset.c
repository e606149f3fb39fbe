/* Slopes against least squares from scratch in long double; rate and onset where the onset cannot be seen. */
#include "check.h"
#include "ull_onset.h"

static const int64_t STEP_NS = 100000000;

static ull_detector_settings plain(void) {
    return (ull_detector_settings){.interval_ns = STEP_NS,
                                   .sigma = 100.0,
                                   .phi = 0.0,
                                   .threshold = ull_detector_threshold(1e6),
                                   .memory = 1e4,
                                   .allowed_per_s = 0.0,
                                   .levels = 10};
}

enum { COUNT = 5000 };
static long double when_s[COUNT], fall[COUNT];

/* fall = a + rate (t - t of the last sample), AR(1) noise, through the `samples` last ones given the one before. */
static void fit(const ull_detector_settings *s, size_t samples, long double *a, long double *rate, long double *error) {
    long double uu = 0, ug = 0, gg = 0, ue = 0, ge = 0;
    for (size_t i = COUNT - samples; i < COUNT; i++) {
        const long double intervals = (when_s[i] - when_s[i - 1]) * 1e9L / (long double)s->interval_ns;
        const long double phi = powl((long double)s->phi, intervals), scale = 1 / sqrtl(1 - phi * phi);
        const long double u = (1 - phi) * scale, e = (fall[i] - phi * fall[i - 1]) * scale;
        const long double g = (when_s[i] - when_s[COUNT - 1] - phi * (when_s[i - 1] - when_s[COUNT - 1])) * scale;
        uu += u * u, ug += u * g, gg += g * g, ue += u * e, ge += g * e;
    }
    const long double det = uu * gg - ug * ug;
    *a = (gg * ue - ug * ge) / det;
    *rate = (uu * ge - ug * ue) / det;
    *error = (long double)s->sigma * sqrtl(uu / det);
}

static void every_slope_is_the_least_squares_line_since_its_birth(double phi, double jitter, double allowed_per_s) {
    ull_detector_settings settings = plain();
    settings.phi = phi;
    settings.allowed_per_s = allowed_per_s;
    static ull_detector detector;
    CHECK(ull_detector_init(&detector, &settings) == ULL_OK);
    unsigned long long seed = 3;
    const int64_t first_ns = INT64_C(1790000000000000000);
    int64_t time_ns = first_ns;
    double noise = 0, first = 0;
    for (size_t i = 0; i < COUNT; i++) {
        if (i > 0) time_ns += STEP_NS + (int64_t)((double)STEP_NS * jitter * (uniform(&seed) - 0.5));
        if (jitter > 0 && i % 900 == 899) time_ns += 137 * STEP_NS;
        noise = phi * noise + 100.0 * sqrt(1 - phi * phi) * normal(&seed);
        const double value = 1e5 + noise - (i > 4000 ? 0.7 * (double)(i - 4000) : 0.0);
        CHECK(ull_detector_push(&detector, time_ns, value) == ULL_OK);
        if (i == 0) first = value;
        when_s[i] = (long double)(time_ns - first_ns) * 1e-9L;
        fall[i] = (long double)first - (long double)value;
    }
    ull_detector_slope slopes[ULL_DETECTOR_VIEWS];
    const size_t count = ull_detector_slopes(&detector, slopes, ULL_DETECTOR_VIEWS);
    CHECK(count > 15 && count <= ULL_DETECTOR_VIEWS);
    for (size_t i = 0; i < count; i++) {
        const size_t samples = slopes[i].samples;
        CHECK(samples >= ULL_DETECTOR_LAG_MIN && samples < COUNT);
        CHECK(i == 0 || samples > slopes[i - 1].samples);
        long double a, rate, error;
        fit(&settings, samples, &a, &rate, &error);
        CHECK_NEAR(slopes[i].rate_per_s, (double)rate, 1e-6 * (double)error);
        CHECK_NEAR(slopes[i].sigma_per_s, (double)error, 1e-6 * (double)error);
        const double span_s = (double)(when_s[COUNT - 1] - when_s[COUNT - 1 - samples]);
        CHECK_NEAR(slopes[i].span_s, span_s, 1e-6);
        CHECK_NEAR(slopes[i].mean_fall, (double)a - 0.5 * (double)rate * span_s, 1e-4);
    }
    CHECK(slopes[0].samples < 12 && slopes[count - 1].samples == COUNT - 1);
    ull_detector_slope some[3];
    CHECK(ull_detector_slopes(&detector, some, 3) == 3 && some[2].samples == slopes[2].samples);
    ull_detector_restart(&detector);
    CHECK(ull_detector_slopes(&detector, slopes, ULL_DETECTOR_VIEWS) == 0);
}

static ull_detector_verdict after(const ull_detector_settings *settings, int64_t gap, int64_t onset, int64_t end,
                                  double rate_per_s, double sigma) {
    static ull_detector detector;
    CHECK(ull_detector_init(&detector, settings) == ULL_OK);
    unsigned long long seed = 21;
    for (int64_t i = 0; i < end; i++) {
        if (i >= 6000 && i < 6000 + gap) continue;
        const double leak = i > onset ? rate_per_s * 0.1 * (double)(i - onset) : 0.0;
        CHECK(ull_detector_push(&detector, i * STEP_NS, 2e5 + sigma * normal(&seed) - leak) == ULL_OK);
    }
    ull_detector_verdict verdict;
    ull_detector_result(&detector, &verdict);
    return verdict;
}

static void a_leak_that_began_while_nobody_looked_is_dated_in_the_gap(void) {
    const ull_detector_settings settings = plain();
    for (int64_t onset = 6100; onset <= 6400; onset += 100) {
        const ull_detector_verdict verdict = after(&settings, 500, onset, 7100, 10.0, 0.0);
        CHECK_NEAR(verdict.rate_per_s, 10.0, 0.1);
        CHECK_NEAR((double)verdict.onset_ns * 1e-9, 0.1 * (double)onset, 0.5);
        CHECK(verdict.sigma_onset_s > 0.5 && verdict.sigma_onset_s < 3.0);
    }
}

static void a_leak_older_than_every_hypothesis_has_a_rate_and_no_date(void) {
    ull_detector_settings settings = plain();
    settings.levels = 1; /* 512 samples */
    const ull_detector_verdict verdict = after(&settings, 0, 5000, 8000, 10.0, 100.0);
    CHECK(verdict.sigma_rate_per_s > 0.0 && isinf(verdict.sigma_onset_s) && verdict.onset_ns == 0);
    CHECK_NEAR(verdict.rate_per_s, 10.0, 4.0 * verdict.sigma_rate_per_s);
}

static void a_gross_leak_is_as_sure_as_doubles_are_though_baselines_differ(void) {
    ull_detector_settings settings = plain();
    settings.memory = 1000.0;
    for (double rate = 1e2; rate < 1e7; rate *= 10.0) { /* 0.1 to 10^4 sigma per sample */
        for (int64_t end = 9600; end <= 15000; end += 5400) {
            const ull_detector_verdict verdict = after(&settings, 0, 9000, end, rate, 100.0);
            CHECK_NEAR(verdict.rate_per_s, rate, 4.0 * verdict.sigma_rate_per_s);
            CHECK_NEAR((double)verdict.onset_ns * 1e-9, 900.0, 4.0 * verdict.sigma_onset_s + 1e-6);
            CHECK(verdict.sigma_rate_per_s < 0.01 * rate);
        }
    }
}

static void a_rise_has_a_negative_rate_and_no_date(void) {
    const ull_detector_settings settings = plain();
    const ull_detector_verdict verdict = after(&settings, 0, 0, 5000, -10.0, 0.0);
    CHECK(verdict.certainty == 0.0 && verdict.onset_ns == 0 && isnan(verdict.sigma_onset_s));
    CHECK_NEAR(verdict.rate_per_s, -10.0, 1e-6);
    CHECK(verdict.lag == 4999);
}

int main(void) {
    every_slope_is_the_least_squares_line_since_its_birth(0.0, 0.0, 0.0);
    every_slope_is_the_least_squares_line_since_its_birth(0.0, 0.9, 2.0);
    every_slope_is_the_least_squares_line_since_its_birth(0.6, 0.9, 2.0);
    a_leak_that_began_while_nobody_looked_is_dated_in_the_gap();
    a_leak_older_than_every_hypothesis_has_a_rate_and_no_date();
    a_gross_leak_is_as_sure_as_doubles_are_though_baselines_differ();
    a_rise_has_a_negative_rate_and_no_date();
    return 0;
}
