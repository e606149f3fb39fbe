/* The trace on courses without noise, whose shape is known, at every time scale. */
#include "check.h"
#include "ull_trace.h"

static const int64_t STEP_NS = 100000000;
static ull_trace trace;

/* Falls by `amount` in a straight line between two samples. */
static void course(int64_t count, int64_t began, int64_t ended, double amount) {
    ull_trace_clear(&trace);
    for (int64_t i = 0; i < count; i++) {
        const double share = i <= began ? 0.0 : i >= ended ? 1.0 : (double)(i - began) / (double)(ended - began);
        ull_trace_push(&trace, i * STEP_NS, 1e5 - amount * share);
    }
}

static void a_fall_that_goes_on_is_one_and_its_rate_is_told(void) {
    ull_trace_look look;
    for (int64_t lag = 20; lag <= 100000; lag *= 7) {
        course(4 * lag, 3 * lag, 4 * lag - 1, 100.0);
        ull_trace_judge(&trace, (double)lag, 1.0, &look);
        const double rate = 100.0 / (0.1 * (double)(lag - 1));
        CHECK(look.gain <= 0.0); /* one that ends has nothing to add */
        CHECK_NEAR(look.going_per_s, rate, 0.05 * rate);
        CHECK_NEAR(look.last_per_s, rate, 0.001 * rate);
        CHECK_NEAR(look.since, (double)lag, 0.16 * (double)lag + 1.0); /* two points */
        CHECK_NEAR(look.expected, 100.0, 8.0); /* up to the middle of the last mean */
    }
}

static void a_fall_that_is_over_is_one_with_its_ends_and_its_amount(void) {
    ull_trace_look look;
    for (int64_t lag = 40; lag <= 100000; lag *= 7) {
        const int64_t began = 3 * lag, ended = began + lag / 2;
        course(4 * lag, began, ended, 100.0);
        ull_trace_judge(&trace, (double)lag, 1.0, &look);
        const double rate = 100.0 / (0.1 * (double)(ended - began));
        const double point_ns = (double)(lag * STEP_NS) / 20.0;
        CHECK(look.gain > 100.0);
        CHECK_NEAR(look.fall, 100.0, 1.0);
        CHECK_NEAR(look.rate_per_s, rate, 0.1 * rate);
        CHECK_NEAR(look.rest_per_s, 0.0, 0.1 * rate);
        CHECK(look.sigma_rest_per_s > 0.0 && isfinite(look.sigma_rest_per_s));
        CHECK_NEAR((double)look.began_ns, (double)(began * STEP_NS), point_ns);
        CHECK_NEAR((double)look.ended_ns, (double)(ended * STEP_NS), point_ns);
    }
}

static void a_step_is_over_at_once(void) {
    ull_trace_look look;
    for (int64_t after = 4; after <= 25; after++) { /* each point is a sample */
        course(200 + after, 199, 200, 100.0);
        ull_trace_judge(&trace, (double)after, 1.0, &look);
        CHECK(look.gain > 100.0);
        CHECK_NEAR(look.fall, 100.0, 1e-6);
        CHECK_NEAR(look.rest_per_s, 0.0, 1e-6);
        CHECK(look.ended_ns - look.began_ns == STEP_NS);
    }
}

/* Twice the log-likelihood of one parameter more: chi2, the best of many. */
static void noise_alone_seldom_says_that_a_fall_is_over(void) {
    unsigned long long seed = 4;
    int wrong = 0;
    double misfit = 0.0;
    for (int trial = 0; trial < 300; trial++) {
        ull_trace_clear(&trace);
        for (int64_t i = 0; i < 100; i++) {
            ull_trace_push(&trace, i * STEP_NS, normal(&seed) - (i > 75 ? 0.5 * (double)(i - 75) : 0.0));
        }
        ull_trace_look look;
        ull_trace_judge(&trace, 25.0, 1.0, &look);
        wrong += look.gain > 12.0;
        misfit += look.misfit * look.misfit / 300.0;
    }
    CHECK(wrong <= 3);
    CHECK_NEAR(misfit, 1.0 - 3.0 / 63.0, 0.05); /* chi2 of 60 over 63; 300 of them: 0.01 */
}

static void too_little_tells_nothing(void) {
    ull_trace_look look;
    ull_trace_clear(&trace);
    ull_trace_judge(&trace, 100.0, 1.0, &look);
    CHECK(look.gain == 0.0 && look.fall == 0.0 && isinf(look.sigma_rest_per_s));
    course(7, 3, 5, 10.0);
    ull_trace_judge(&trace, 100.0, 1.0, &look);
    CHECK(look.gain == 0.0 && isinf(look.sigma_rest_per_s));
    course(100, 30, 50, 10.0);
    ull_trace_judge(&trace, 20.0, 0.0, &look);
    CHECK(look.gain == 0.0);
    ull_trace_judge(&trace, 20.0, NAN, &look);
    CHECK(look.gain == 0.0);
    ull_trace_judge(&trace, 1e18, 1.0, &look); /* older than anything that it may hold */
    CHECK(look.gain == 0.0 && isinf(look.sigma_rest_per_s));
}

static void what_is_cleared_is_forgotten(void) {
    ull_trace_look look;
    course(1000, 100, 200, 1e6);
    course(60, 70, 80, 1.0); /* clears first; level throughout */
    ull_trace_judge(&trace, 20.0, 1.0, &look);
    CHECK_NEAR(look.fall, 0.0, 1e-6);
    CHECK_NEAR(look.gain, 0.0, 1e-6);
}

static void times_may_be_any(void) {
    ull_trace_look look;
    ull_trace_clear(&trace);
    for (int64_t i = 0; i < 100; i++) {
        ull_trace_push(&trace, -INT64_C(4600000000000000000) + i * INT64_C(90000000000000000), i > 80 ? 1.0 : 2.0);
    }
    ull_trace_judge(&trace, 25.0, 0.01, &look);
    CHECK_NEAR(look.fall, 1.0, 1e-9);
}

int main(void) {
    a_fall_that_goes_on_is_one_and_its_rate_is_told();
    a_fall_that_is_over_is_one_with_its_ends_and_its_amount();
    a_step_is_over_at_once();
    noise_alone_seldom_says_that_a_fall_is_over();
    too_little_tells_nothing();
    what_is_cleared_is_forgotten();
    times_may_be_any();
    return 0;
}
