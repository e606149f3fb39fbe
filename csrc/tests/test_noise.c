/* The noise estimate against the noise that was made, and its standard errors against their scatter. */
#include "check.h"
#include "ull_noise.h"

static unsigned long long seed = 1;

static ull_noise_estimate of_series(double phi, double drift, int64_t count) {
    ull_noise noise;
    CHECK(ull_noise_init(&noise, 4000.0) == ULL_OK);
    double x = normal(&seed);
    for (int64_t i = 0; i < count; i++) {
        x = phi * x + sqrt(1.0 - phi * phi) * normal(&seed);
        CHECK(ull_noise_push(&noise, 1e5 + 100.0 * (x + drift * (double)i)) == ULL_OK);
    }
    ull_noise_estimate estimate;
    ull_noise_result(&noise, &estimate);
    return estimate;
}

static void it_is_right_and_as_sure_as_it_says(double phi) {
    enum { TRIALS = 100 };
    double z_sigma = 0, z_phi = 0, z_long = 0, long_run = 0;
    const double truth = 100.0 * sqrt((1 + phi) / (1 - phi));
    for (int i = 0; i < TRIALS; i++) {
        const ull_noise_estimate e = of_series(phi, 0.0, 20000);
        z_sigma += pow((e.sigma - 100.0) / e.error_sigma, 2) / TRIALS;
        z_phi += pow((e.phi - phi) / e.error_phi, 2) / TRIALS;
        z_long += pow((e.sigma_long_run - truth) / e.error_long_run, 2) / TRIALS;
        long_run += e.sigma_long_run / TRIALS;
    }
    CHECK_NEAR(long_run, truth, 0.01 * truth);
    /* Mean squares of 100 standard normals: 1 +/- 0.14; phi = 0 is cut on one side. */
    CHECK(z_sigma > 0.5 && z_sigma < 1.6);
    CHECK(z_phi > (phi > 0 ? 0.5 : 0.2) && z_phi < 1.6);
    CHECK(z_long > (phi > 0 ? 0.5 : 0.2) && z_long < 1.6);
}

static void a_leak_is_not_noise(void) {
    const ull_noise_estimate e = of_series(0.3, -0.01, 100000);
    CHECK_NEAR(e.sigma, 100.0, 4.0 * e.error_sigma); /* b^2 / 4 of it: nothing */
    CHECK_NEAR(e.phi, 0.3, 4.0 * e.error_phi);
}

static void gaps_may_be_many(void) {
    ull_noise noise;
    CHECK(ull_noise_init(&noise, 4000.0) == ULL_OK);
    for (int64_t i = 0; i < 50000; i++) {
        if (i % 100 == 0) ull_noise_pause(&noise);
        CHECK(ull_noise_push(&noise, (double)(i / 100) * 1e3 + normal(&seed)) == ULL_OK);
    }
    ull_noise_estimate e;
    ull_noise_result(&noise, &e);
    CHECK_NEAR(e.sigma, 1.0, 4.0 * e.error_sigma);
    CHECK(e.error_sigma < 0.01);
}

static void gaps_steps_and_nan_are_no_noise(void) {
    ull_noise noise;
    CHECK(ull_noise_init(&noise, 4000.0) == ULL_OK);
    for (int64_t i = 0; i < 50000; i++) {
        if (i == 20000) ull_noise_pause(&noise);
        if (i == 30000) CHECK(ull_noise_push(&noise, NAN) == ULL_ARGUMENT);
        const double level = i < 20000 ? 0.0 : i < 30000 ? 1e6 : i < 40000 ? 3e6 : 4e6; /* the last without a word */
        CHECK(ull_noise_push(&noise, level + normal(&seed)) == ULL_OK);
    }
    ull_noise_estimate e;
    ull_noise_result(&noise, &e);
    CHECK_NEAR(e.sigma, 1.0, 0.05);
}

static void too_few_say_nothing(void) {
    CHECK(isnan(of_series(0.0, 0.0, 2000).sigma));
    ull_noise noise;
    CHECK(ull_noise_init(NULL, 100.0) == ULL_ARGUMENT);
    CHECK(ull_noise_init(&noise, 15.0) == ULL_ARGUMENT);
    CHECK(ull_noise_init(&noise, NAN) == ULL_ARGUMENT);
}

int main(void) {
    it_is_right_and_as_sure_as_it_says(0.0);
    it_is_right_and_as_sure_as_it_says(0.3);
    it_is_right_and_as_sure_as_it_says(0.8);
    a_leak_is_not_noise();
    gaps_may_be_many();
    gaps_steps_and_nan_are_no_noise();
    too_few_say_nothing();
    return 0;
}
