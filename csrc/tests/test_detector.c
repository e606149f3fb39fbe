/* The detector against every hypothesis fitted from scratch in long double, and its promises at the edges. */
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

enum { COUNT = 3000, LEVELS = 3 };
static long double when[COUNT], white[COUNT], u[COUNT], w[COUNT], u_e[COUNT], u_u[COUNT];

/* z^2 of the hypothesis born with sample `born`, at sample `now`: generalised least squares with all samples up to
 * `born` as the baseline. */
static long double z2(size_t born, size_t now) {
    const long double level = u_e[born] / u_u[born], variance = 1.0L / u_u[born];
    long double r0 = 0, r1 = 0, g0 = 0, g1 = 0, g2 = 0;
    for (size_t i = born + 1; i <= now; i++) {
        const long double g = u[i] * (when[i] - when[born]) + w[i];
        const long double r = white[i] - u[i] * level;
        r0 += u[i] * r, r1 += g * r, g0 += u[i] * u[i], g1 += u[i] * g, g2 += g * g;
    }
    const long double share = variance * g1 / (1 + variance * g0);
    const long double score = r1 - share * r0;
    return score > 0 ? score * score / (g2 - share * g1) : 0;
}

/* 2 (h - penalty): as documented, in words other than those of the code. */
static double bound(double h, size_t lag) {
    const double n = (double)lag;
    return 2 * (h - log(fmin(n, 512)) - (n > 512 ? 0.25 * log(n / 512) : 0));
}

static int lives(size_t born, size_t now) {
    const size_t lag = now - born;
    if (born % 4 || lag < 8 || lag > (size_t)256 << LEVELS) return 0;
    return born == 0 || lag <= 4 * (born & (~born + 1)); /* 4 times the largest power of 2 in it */
}

/* The certainty that all hypotheses give together: the score that the best of them would need for as much, squared. */
static double together(double h, size_t now) {
    double best = 0, needs = 1;
    long double sum = 0;
    for (size_t born = 0; born < now; born++) {
        if (!lives(born, now)) continue;
        const long double z = z2(born, now), need = bound(h, now - born);
        if (z > 0) sum += expl((z - need) / 2);
        if ((double)(z / need) <= best) continue;
        best = (double)(z / need);
        needs = (double)need;
    }
    const double all = 1 + 2 * (double)logl(sum) / needs, share = (fmin(best, 0.75) - 0.5) / 0.25;
    return sqrt(best > 0.5 && all > best ? best + share * (all - best) : best);
}

static void every_score_is_that_of_a_fit_from_scratch(double phi, double jitter) {
    ull_detector_settings settings = plain();
    settings.phi = phi;
    settings.memory = 1e9;
    settings.levels = LEVELS;
    static ull_detector detector;
    CHECK(ull_detector_init(&detector, &settings) == ULL_OK);
    unsigned long long seed = 3;
    int64_t time_ns = INT64_C(1790000000000000000), first_ns = time_ns, last_ns = time_ns;
    double noise = 0, first = 0, last = 0, worst = 0;
    for (size_t i = 0; i < COUNT; i++) {
        if (i > 0) time_ns += STEP_NS + (int64_t)((double)STEP_NS * jitter * (uniform(&seed) - 0.5));
        if (jitter > 0 && i % 700 == 699) time_ns += 37 * STEP_NS;
        noise = phi * noise + 100.0 * sqrt(1 - phi * phi) * normal(&seed);
        const double value = 1e5 + noise - (i > 2500 ? 0.3 * (double)(i - 2500) : 0.0);
        CHECK(ull_detector_push(&detector, time_ns, value) == ULL_OK);
        if (i == 0) first = value;
        const long double elapsed = (long double)(time_ns - last_ns) / (long double)STEP_NS;
        const long double far = i == 0 ? 0 : powl((long double)phi, elapsed);
        const long double sigma = 100.0L * sqrtl(1 - far * far);
        when[i] = (long double)(time_ns - first_ns) / (long double)STEP_NS;
        white[i] = ((long double)(first - value) - far * (long double)(first - last)) / sigma;
        u[i] = (1 - far) / sigma;
        w[i] = far * elapsed / sigma;
        u_e[i] = u[i] * white[i] + (i ? u_e[i - 1] : 0);
        u_u[i] = u[i] * u[i] + (i ? u_u[i - 1] : 0);
        last = value, last_ns = time_ns;
        if (i % 56) continue; /* 56 = 7 * 8: each level is up to date */
        worst = fmax(worst, fabs(ull_detector_certainty(&detector) - together(settings.threshold, i)));
    }
    CHECK(worst < 1e-9);
    CHECK(ull_detector_certainty(&detector) > 1.0);
    ull_detector_verdict verdict;
    ull_detector_result(&detector, &verdict);
    CHECK(verdict.rate_per_s > 0.0 && verdict.sigma_rate_per_s > 0.0);
    CHECK_NEAR((double)(verdict.onset_ns - first_ns) * 1e-9, 0.1 * (double)when[2500],
               4.0 * verdict.sigma_onset_s);
}

static void a_clean_ramp_is_dated_and_measured(void) {
    ull_detector_settings settings = plain();
    static ull_detector detector;
    CHECK(ull_detector_init(&detector, &settings) == ULL_OK);
    for (int64_t i = 0; i < 9000; i++) {
        const double leak = i > 5000 ? 10.0 * 0.1 * (double)(i - 5000) : 0.0; /* 10 Pa/s */
        CHECK(ull_detector_push(&detector, i * STEP_NS, 2e5 - leak) == ULL_OK);
        if (i == 4999) CHECK(ull_detector_certainty(&detector) == 0.0);
    }
    ull_detector_verdict verdict;
    ull_detector_result(&detector, &verdict);
    CHECK(verdict.certainty > 10.0);
    CHECK_NEAR(verdict.rate_per_s, 10.0, 0.001);
    CHECK_NEAR((double)verdict.onset_ns * 1e-9, 500.0, 0.05);
    /* Cramer and Rao for a line of unknown onset, 12 sigma^2 / n^3 in intervals: 5 % above at most. */
    const double least = 10.0 * 100.0 * sqrt(12.0 / pow(4000.0, 3));
    CHECK(verdict.sigma_rate_per_s > 0.999 * least && verdict.sigma_rate_per_s < 1.05 * least);
}

static void a_leak_is_never_learned_away(void) {
    ull_detector_settings settings = plain();
    static ull_detector detector;
    CHECK(ull_detector_init(&detector, &settings) == ULL_OK);
    unsigned long long seed = 11;
    const int64_t onset = 20000;
    for (int64_t i = 0; i < 400000; i++) { /* 40 baselines long */
        const double leak = i > onset ? 0.1 * (double)(i - onset) : 0.0; /* 0.001 sigma a sample */
        CHECK(ull_detector_push(&detector, i * STEP_NS, 1e5 + 100.0 * normal(&seed) - leak) == ULL_OK);
        if (i > onset + 1500) CHECK(ull_detector_certainty(&detector) >= 1.0);
    }
}

static void a_slow_leak_is_found_at_the_scale_of_hours(void) {
    ull_detector_settings settings = plain();
    settings.levels = 12;
    static ull_detector detector;
    CHECK(ull_detector_init(&detector, &settings) == ULL_OK);
    unsigned long long seed = 12;
    const int64_t onset = 400000;
    int64_t found = 0;
    for (int64_t i = 0; i < 600000 && !found; i++) {
        const double leak = i > onset ? 1e-3 * (double)(i - onset) : 0.0; /* 1e-5 sigma a sample */
        CHECK(ull_detector_push(&detector, i * STEP_NS, 1e5 + 100.0 * normal(&seed) - leak) == ULL_OK);
        if (ull_detector_certainty(&detector) >= 1.0) found = i;
    }
    CHECK(found > onset); /* the oracle's (6 h / b^2)^(1/3) is 7e4 samples */
    CHECK(found < onset + 120000);
}

static void what_may_fall_is_no_evidence(void) {
    ull_detector_settings settings = plain();
    settings.allowed_per_s = 1.0; /* 0.001 sigma a sample */
    static ull_detector detector;
    CHECK(ull_detector_init(&detector, &settings) == ULL_OK);
    for (int64_t i = 0; i < 100000; i++) {
        CHECK(ull_detector_push(&detector, i * STEP_NS, 1e5 - 0.1 * (double)i) == ULL_OK);
        CHECK(ull_detector_certainty(&detector) < 0.3);
    }
}

static void refused_samples_change_nothing(void) {
    const ull_detector_settings settings = plain();
    static ull_detector detector, untouched;
    CHECK(ull_detector_init(&detector, &settings) == ULL_OK);
    CHECK(ull_detector_certainty(&detector) == 0.0);
    ull_detector_verdict verdict;
    ull_detector_result(&detector, &verdict);
    CHECK(isnan(verdict.rate_per_s) && verdict.onset_ns == 0 && verdict.lag == 0);
    CHECK(ull_detector_push(&detector, 0, NAN) == ULL_ARGUMENT);
    CHECK(ull_detector_init(&untouched, &settings) == ULL_OK);
    for (int64_t i = 0; i < 1000; i++) {
        const double value = (double)(i * 7919 % 101);
        CHECK(ull_detector_push(&detector, i * STEP_NS, value) == ULL_OK);
        CHECK(ull_detector_push(&untouched, i * STEP_NS, value) == ULL_OK);
        CHECK(ull_detector_push(&detector, i * STEP_NS + 1, NAN) == ULL_ARGUMENT);
        CHECK(ull_detector_push(&detector, i * STEP_NS + 1, -INFINITY) == ULL_ARGUMENT);
        CHECK(ull_detector_push(&detector, i * STEP_NS, value) == ULL_ORDER);
        CHECK(ull_detector_push(&detector, INT64_MIN, value) == ULL_ORDER);
        CHECK(detector.score == untouched.score);
    }
    ull_detector_restart(&detector);
    CHECK(ull_detector_certainty(&detector) == 0.0);
    CHECK(ull_detector_push(&detector, -5 * STEP_NS, 1.0) == ULL_OK); /* time may begin anew */
}

static void settings_out_of_bounds_are_refused(void) {
    static ull_detector detector;
    ull_detector_settings s = plain();
    CHECK(ull_detector_init(NULL, &s) == ULL_ARGUMENT);
    CHECK(ull_detector_init(&detector, NULL) == ULL_ARGUMENT);
    s = plain(), s.interval_ns = 0;
    CHECK(ull_detector_init(&detector, &s) == ULL_ARGUMENT);
    s = plain(), s.sigma = 0.0;
    CHECK(ull_detector_init(&detector, &s) == ULL_ARGUMENT);
    s = plain(), s.sigma = NAN;
    CHECK(ull_detector_init(&detector, &s) == ULL_ARGUMENT);
    s = plain(), s.phi = -0.1;
    CHECK(ull_detector_init(&detector, &s) == ULL_ARGUMENT);
    s = plain(), s.phi = 1.0;
    CHECK(ull_detector_init(&detector, &s) == ULL_ARGUMENT);
    s = plain(), s.threshold = 6.9;
    CHECK(ull_detector_init(&detector, &s) == ULL_ARGUMENT);
    s = plain(), s.memory = 63.0;
    CHECK(ull_detector_init(&detector, &s) == ULL_ARGUMENT);
    s = plain(), s.allowed_per_s = INFINITY;
    CHECK(ull_detector_init(&detector, &s) == ULL_ARGUMENT);
    s = plain(), s.levels = ULL_DETECTOR_LEVELS + 1;
    CHECK(ull_detector_init(&detector, &s) == ULL_ARGUMENT);
    CHECK(isnan(ull_detector_threshold(NAN)));
    CHECK(ull_detector_threshold(0.0) == ull_detector_threshold(1e3));
}

static void a_bank_is_many_detectors(void) {
    enum { VESSELS = 3 };
    static ull_detector bank[VESSELS], alone[VESSELS];
    const ull_detector_settings settings = plain();
    for (size_t i = 0; i < VESSELS; i++) {
        CHECK(ull_detector_init(&bank[i], &settings) == ULL_OK);
        CHECK(ull_detector_init(&alone[i], &settings) == ULL_OK);
    }
    unsigned long long seed = 5;
    const uint32_t index[] = {2, 0, 9, 1};
    for (int64_t i = 0; i < 2000; i++) {
        const int64_t time_ns[] = {i * STEP_NS, i * STEP_NS + 7, 0, i * STEP_NS};
        const double value[] = {100 * normal(&seed), 100 * normal(&seed), 0, i % 50 ? 100 * normal(&seed) : NAN};
        double certainty[] = {-1, -1, -1, -1};
        uint8_t status[4];
        CHECK(ull_detector_push_many(bank, VESSELS, index, time_ns, value, 4, certainty, status) == ULL_ARGUMENT);
        CHECK(status[0] == ULL_OK && status[1] == ULL_OK && status[2] == ULL_ARGUMENT);
        CHECK(status[3] == (i % 50 ? ULL_OK : ULL_ARGUMENT));
        CHECK(certainty[2] == -1);
        for (size_t j = 0; j < 4; j++) {
            if (index[j] >= VESSELS) continue;
            ull_detector_push(&alone[index[j]], time_ns[j], value[j]);
            CHECK(certainty[j] == ull_detector_certainty(&alone[index[j]]));
        }
    }
}

int main(void) {
    every_score_is_that_of_a_fit_from_scratch(0.0, 0.0);
    every_score_is_that_of_a_fit_from_scratch(0.0, 0.9);
    every_score_is_that_of_a_fit_from_scratch(0.6, 0.0);
    every_score_is_that_of_a_fit_from_scratch(0.6, 0.9);
    a_clean_ramp_is_dated_and_measured();
    a_leak_is_never_learned_away();
    a_slow_leak_is_found_at_the_scale_of_hours();
    what_may_fall_is_no_evidence();
    refused_samples_change_nothing();
    settings_out_of_bounds_are_refused();
    a_bank_is_many_detectors();
    return 0;
}
