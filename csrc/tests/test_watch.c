/* The watch over a series: what it learns, what it calls a leak, an event or nothing. */
#include "check.h"
#include "ull_watch.h"

static const int64_t STEP_NS = 100000000;
static ull_watch watch, other;
static unsigned long long seed = 1;

static ull_watch_settings plain(void) {
    return (ull_watch_settings){.false_alarm_s = 3e7, .memory = 1e4, .levels = 12, .gap_ns = 100 * STEP_NS};
}

static void begin(void) {
    const ull_watch_settings settings = plain();
    CHECK(ull_watch_init(&watch, &settings) == ULL_OK);
}

static ull_watch_event push(ull_watch *to, int64_t i, double value) {
    const ull_watch_sample sample = {.time_ns = i * STEP_NS, .value = value, .sigma = 1.0};
    CHECK(ull_watch_push(to, &sample) == ULL_OK);
    return to->event;
}

static void settings_out_of_bounds_are_refused(void) {
    ull_watch_settings s = plain();
    CHECK(ull_watch_init(NULL, &s) == ULL_ARGUMENT);
    CHECK(ull_watch_init(&watch, NULL) == ULL_ARGUMENT);
    s = plain(), s.false_alarm_s = 0.0;
    CHECK(ull_watch_init(&watch, &s) == ULL_ARGUMENT);
    s = plain(), s.memory = 63.0;
    CHECK(ull_watch_init(&watch, &s) == ULL_ARGUMENT);
    s = plain(), s.levels = ULL_DETECTOR_LEVELS + 1;
    CHECK(ull_watch_init(&watch, &s) == ULL_ARGUMENT);
    s = plain(), s.gap_ns = 0;
    CHECK(ull_watch_init(&watch, &s) == ULL_ARGUMENT);
    s = plain(), s.expected_per_s = NAN;
    CHECK(ull_watch_init(&watch, &s) == ULL_ARGUMENT);
    s = plain(), s.calibrated = 1, s.phi = 1.0, s.interval_s = 0.1;
    CHECK(ull_watch_init(&watch, &s) == ULL_ARGUMENT);
    s = plain(), s.calibrated = 1, s.interval_s = 0.0;
    CHECK(ull_watch_init(&watch, &s) == ULL_ARGUMENT);
    s = plain(), s.calibrated = 1, s.interval_s = 0.1, s.error = 1.1;
    CHECK(ull_watch_init(&watch, &s) == ULL_ARGUMENT);
    s = plain(), s.phi = NAN; /* says nothing where nothing is calibrated */
    CHECK(ull_watch_init(&watch, &s) == ULL_OK);
}

static void the_interval_is_what_most_of_the_first_samples_agree_on(void) {
    begin();
    const int64_t at[ULL_WATCH_FIRST] = {0, 10, 30, 31, 41, 51, 120, 130}; /* of 10, but for three */
    for (int i = 0; i < ULL_WATCH_FIRST; i++) {
        const ull_watch_sample sample = {.time_ns = at[i] * STEP_NS / 10, .value = 5.0, .sigma = 1.0};
        CHECK(watch.detector.settings.interval_ns == 0);
        CHECK(ull_watch_push(&watch, &sample) == ULL_OK);
    }
    CHECK(watch.detector.settings.interval_ns == STEP_NS);
    CHECK(watch.detector.count == ULL_WATCH_FIRST - 1); /* the first makes the level */
}

static void the_noise_is_known_once_and_stays_so(void) {
    begin();
    int learned = 0;
    for (int64_t i = 0; i < 40000; i++) {
        const ull_watch_event event = push(&watch, i < 20000 ? i : i + 5000, 1e5 + 0.5 * normal(&seed));
        CHECK(event == ULL_WATCH_NOTHING || event == ULL_WATCH_LEARNED);
        learned += event == ULL_WATCH_LEARNED;
        if (event == ULL_WATCH_LEARNED) {
            CHECK(i + 1 >= ULL_NOISE_BATCHES * ULL_NOISE_BATCH && i < (ULL_NOISE_BATCHES + 1) * ULL_NOISE_BATCH);
        }
        CHECK(watch.known == (learned > 0));
        CHECK(watch.certainty < 1.0);
    }
    CHECK(learned == 1);
    CHECK(watch.detector.settings.sigma > 0.5 && watch.detector.settings.sigma < 0.53);
}

static void a_steady_leak_stays_one(double per_sample) {
    begin();
    const int64_t onset = 5000, most = (int64_t)(2.0 * cbrt(6.0 * 22.5 / (per_sample * per_sample))) + 10;
    for (int64_t i = 0; i < 100000; i++) {
        const double leak = i > onset ? per_sample * (double)(i - onset) : 0.0;
        const ull_watch_event event = push(&watch, i, 1e5 + normal(&seed) - leak);
        CHECK(event == ULL_WATCH_NOTHING || event == ULL_WATCH_LEARNED);
        if (i < onset) CHECK(watch.certainty < 1.0);
        if (i > onset + most) CHECK(watch.certainty >= 1.0 && watch.confirmed);
    }
}

static void a_step_is_an_event_and_never_a_leak(double size, ull_watch_event kind) {
    begin();
    const int64_t at = 4000;
    int events = 0;
    for (int64_t i = 0; i < 8000; i++) {
        const ull_watch_event event = push(&watch, i, 1e5 + normal(&seed) + (i >= at ? size : 0.0));
        CHECK(watch.certainty < 1.0);
        if (event == ULL_WATCH_NOTHING || event == ULL_WATCH_LEARNED) continue;
        events++;
        CHECK(event == kind);
        CHECK(i >= at && i < at + 5);
        CHECK_NEAR(watch.event_value, fabs(size), 4.0 + 0.01 * fabs(size));
        CHECK_NEAR((double)watch.event_ns, (double)(at * STEP_NS), 2.0 * (double)STEP_NS);
    }
    CHECK(events == 1);
}

static void a_leak_that_stops_is_over(void) {
    begin();
    ull_watch_event last = ULL_WATCH_NOTHING;
    for (int64_t i = 0; i < 8000; i++) {
        const double lost = i < 4000 ? 0.0 : i < 4500 ? 0.1 * (double)(i - 4000) : 50.0;
        const ull_watch_event event = push(&watch, i, normal(&seed) - lost);
        if (i == 4499) CHECK(watch.certainty >= 1.0);
        if (i > 4500 && event != ULL_WATCH_NOTHING) last = event;
    }
    CHECK(last == ULL_WATCH_FALL);
    CHECK(watch.certainty < 1.0);
}

static void after_a_gap_the_level_is_learned_anew(void) {
    begin();
    for (int64_t i = 0; i < 4000; i++) (void)push(&watch, i, normal(&seed));
    CHECK(push(&watch, 4000 + 98, normal(&seed)) == ULL_WATCH_NOTHING);
    CHECK(watch.detector.count == 4000); /* 9.9 s are none */
    for (int64_t i = 0; i < 4000; i++) {
        CHECK(push(&watch, 4098 + 100 + i, 1e4 + normal(&seed)) == ULL_WATCH_NOTHING);
        CHECK(watch.known && watch.certainty < 1.0);
    }
    CHECK(watch.detector.count == 3999);
}

static void refused_samples_change_nothing(void) {
    const ull_watch_settings settings = plain();
    CHECK(ull_watch_init(&watch, &settings) == ULL_OK);
    CHECK(ull_watch_init(&other, &settings) == ULL_OK);
    for (int64_t i = 0; i < 5000; i++) {
        const double value = normal(&seed) - (i > 4000 ? 0.1 * (double)(i - 4000) : 0.0);
        (void)push(&watch, i, value);
        (void)push(&other, i, value);
        const ull_watch_sample wrong[] = {{.time_ns = i * STEP_NS + 1, .value = NAN, .sigma = 1.0},
                                          {.time_ns = i * STEP_NS + 1, .value = INFINITY, .sigma = 1.0},
                                          {.time_ns = i * STEP_NS + 1, .value = 1.0, .sigma = 0.0},
                                          {.time_ns = i * STEP_NS + 1, .value = 1.0, .sigma = NAN},
                                          {.time_ns = i * STEP_NS, .value = 1.0, .sigma = 1.0},
                                          {.time_ns = INT64_MIN, .value = 1.0, .sigma = 1.0}};
        for (int j = 0; j < 6; j++) {
            CHECK(ull_watch_push(&watch, &wrong[j]) == (j < 4 ? ULL_ARGUMENT : ULL_ORDER));
            CHECK(watch.event == ULL_WATCH_NOTHING);
        }
        CHECK(watch.certainty == other.certainty && watch.held == other.held);
    }
    CHECK(watch.certainty >= 1.0);
    ull_watch_restart(&watch);
    CHECK(watch.certainty == 0.0 && watch.known);
    CHECK(push(&watch, -1000, 1.0) == ULL_WATCH_NOTHING); /* time may begin anew */
}

static void what_was_calibrated_is_known_at_once_and_made_larger_by_its_error(void) {
    ull_watch_settings settings = plain();
    settings.calibrated = 1;
    settings.phi = 0.25;
    settings.interval_s = 0.2; /* 0.5 of neighbours 0.1 s apart */
    settings.error = 0.1;
    CHECK(ull_watch_init(&watch, &settings) == ULL_OK);
    CHECK(watch.known);
    double noise = 0.0;
    for (int64_t i = 0; i < 20000; i++) {
        noise = 0.5 * noise + sqrt(0.75) * normal(&seed);
        CHECK(push(&watch, i, noise) == ULL_WATCH_NOTHING);
        CHECK(watch.certainty < 1.0);
    }
    CHECK_NEAR(watch.detector.settings.sigma, 1.164, 1e-9);
    CHECK_NEAR(watch.detector.settings.phi, 0.5, 1e-9);
}

static void what_is_expected_or_allowed_is_no_leak(void) {
    ull_watch_settings settings = plain();
    settings.expected_per_s = 0.1; /* 0.01 of a sigma each sample */
    CHECK(ull_watch_init(&watch, &settings) == ULL_OK);
    for (int64_t i = 0; i < 20000; i++) {
        (void)push(&watch, i, normal(&seed) - 0.01 * (double)i);
        CHECK(watch.certainty < 1.0);
    }
    begin();
    for (int64_t i = 0; i < 20000; i++) {
        const ull_watch_sample sample = {.time_ns = i * STEP_NS,
                                         .value = normal(&seed) - 0.01 * (double)i,
                                         .sigma = 1.0,
                                         .allowance = {.lasting_per_s = 0.1}};
        CHECK(ull_watch_push(&watch, &sample) == ULL_OK);
        CHECK(watch.certainty < 1.0);
    }
}

/* The rate of a straight fall, and of one whose rate goes with what is left. */
static void the_rate_is_that_of_now(void) {
    begin();
    double low, high;
    CHECK(ull_watch_rate(&watch, 0.0, INFINITY, 1, &low, &high).span_s == 0.0); /* nothing yet */
    for (int64_t i = 0; i < 4000; i++) (void)push(&watch, i, 1e6 - 2.0 * (double)i);
    const ull_watch_view straight = ull_watch_rate(&watch, 0.0, 60.0, 1, &low, &high);
    CHECK_NEAR(straight.rate_per_s, 20.0, 1e-6);
    CHECK(straight.span_s > 0.0 && straight.span_s <= 60.0);
    CHECK(low <= 20.0 && high >= 20.0 && straight.error_per_s >= straight.noise_per_s);
    /* x = exp(-t / 100 s): after 100 s the rate is x / 100; as a line through all of them it was 1 - exp(-1) of 1 / 100. */
    const double left = exp(-1.0), mean = (1.0 - left) / 100.0;
    const ull_watch_view faded = ull_watch_present(&watch, mean, 0.001 * mean, 100.0, 1.0 / left);
    CHECK_NEAR(faded.rate_per_s, left / 100.0, 1e-9);
    CHECK_NEAR(faded.noise_per_s, 0.001 * left / 100.0, 1e-12);
    CHECK(faded.error_per_s > faded.noise_per_s);
}

static void a_run_is_so_many_pushes(void) {
    enum { COUNT = 5000 };
    static double value[COUNT], certainty[COUNT];
    static uint8_t events[COUNT];
    for (int i = 0; i < COUNT; i++) value[i] = normal(&seed) - (i > 3000 ? 40.0 : 0.0) - (i > 4000 ? 0.1 * (i - 4000) : 0.0);
    value[1000] = NAN;
    const ull_watch_settings settings = plain();
    CHECK(ull_watch_init(&watch, &settings) == ULL_OK);
    CHECK(ull_watch_init(&other, &settings) == ULL_OK);
    const ull_watch_sample first = {.time_ns = 0, .value = 0.0, .sigma = 1.0};
    CHECK(ull_watch_run(&other, &first, STEP_NS, value, COUNT, certainty, events) == ULL_ARGUMENT);
    for (int i = 0; i < COUNT; i++) {
        const ull_watch_sample sample = {.time_ns = i * STEP_NS, .value = value[i], .sigma = 1.0};
        (void)ull_watch_push(&watch, &sample);
        CHECK(watch.certainty == certainty[i] && watch.event == events[i]);
    }
    CHECK(certainty[COUNT - 1] >= 1.0);
    CHECK(ull_watch_run(&other, &(ull_watch_sample){.time_ns = COUNT * STEP_NS, .sigma = 1.0}, STEP_NS, value, 10, NULL,
                        NULL) == ULL_OK);
}

static void whatever_comes_is_answered(void) {
    const double odd[] = {0.0, 1e300, -1e300, 1e-300, NAN, INFINITY, 5.0, -1e12, 1e-12};
    for (int round = 0; round < 20; round++) {
        begin();
        int64_t time_ns = INT64_MIN / 2;
        for (int i = 0; i < 4000; i++) {
            time_ns += (int64_t)(uniform(&seed) * (round % 2 ? 2e15 : 2e8));
            const ull_watch_sample sample = {.time_ns = time_ns,
                                             .value = uniform(&seed) < 0.1 ? odd[(int)(9 * uniform(&seed))] : normal(&seed),
                                             .sigma = uniform(&seed) < 0.01 ? 1e-30 : 1.0,
                                             .fading = uniform(&seed) * 1e3,
                                             .allowance = {.lasting_per_s = uniform(&seed) < 0.01 ? INFINITY : 1e-3}};
            (void)ull_watch_push(&watch, &sample);
            CHECK(watch.certainty >= 0.0 && isfinite(watch.certainty));
        }
    }
}

int main(void) {
    settings_out_of_bounds_are_refused();
    the_interval_is_what_most_of_the_first_samples_agree_on();
    the_noise_is_known_once_and_stays_so();
    a_steady_leak_stays_one(1e-3);
    a_steady_leak_stays_one(0.05);
    a_steady_leak_stays_one(2.0);
    a_step_is_an_event_and_never_a_leak(-50.0, ULL_WATCH_FALL);
    a_step_is_an_event_and_never_a_leak(-1e5, ULL_WATCH_FALL);
    a_step_is_an_event_and_never_a_leak(50.0, ULL_WATCH_RISE);
    a_step_is_an_event_and_never_a_leak(1e5, ULL_WATCH_RISE);
    a_leak_that_stops_is_over();
    after_a_gap_the_level_is_learned_anew();
    refused_samples_change_nothing();
    what_was_calibrated_is_known_at_once_and_made_larger_by_its_error();
    what_is_expected_or_allowed_is_no_leak();
    the_rate_is_that_of_now();
    a_run_is_so_many_pushes();
    whatever_comes_is_answered();
    return 0;
}
