/* One channel over a table of its rows: raw, despiked, rate, its instrument's fault, spike, jump, and one of no channel. */
#include "check.h"
#include "ull_channel.h"

enum { RAW, ROW, RATE, FAULT, SPIKE, JUMP, OTHER, ROWS };
static const int64_t PERIOD_NS = 100000000;
static const double NOISE = 100.0;

typedef struct {
    double value[ROWS], sigma[ROWS], hampel_memory[30];
    int64_t time_ns[ROWS], now_ns;
    uint8_t quality[ROWS];
    ull_slope_sample ring[64];
    ull_table table;
    ull_channel channel;
    uint64_t refused;
} rig;

static ull_channel_settings settings(void) {
    return (ull_channel_settings){.raw_row = RAW,
                                  .row = ROW,
                                  .rate_row = RATE,
                                  .fault_row = FAULT,
                                  .spike_row = SPIKE,
                                  .jump_row = JUMP,
                                  .sigma_min = NOISE,
                                  .low = 0.0,
                                  .high = 1e6,
                                  .max_rate_per_s = 1e5,
                                  .max_age_ns = 10 * PERIOD_NS,
                                  .hampel_window = 15,
                                  .hampel_k = 6.0,
                                  .rate_window_ns = 20 * PERIOD_NS,
                                  .rate_capacity = 64};
}

static void power_up(rig *r) {
    const ull_channel_settings set = settings();
    *r = (rig){.now_ns = 0};
    for (int row = 0; row < ROWS; row++) r->value[row] = r->sigma[row] = NAN, r->quality[row] = ULL_STALE;
    r->table = (ull_table){r->value, r->sigma, r->time_ns, r->quality, ROWS};
    CHECK(ull_channel_init(&r->channel, &set, r->hampel_memory, r->ring) == ULL_OK);
}

static ull_status push(rig *r, uint32_t row, double value, uint8_t quality) {
    static const int32_t channel_of_row[ROWS] = {0, -1, -1, -1, -1, -1, -1};
    return ull_channel_push_many(&r->channel, 1, channel_of_row, &r->table, r->now_ns, &row, &r->now_ns,
                                 &value, &quality, 1, &r->refused);
}

/* One sample a period; the quality of the despiked row afterwards. */
static unsigned next(rig *r, double value, uint8_t quality) {
    r->now_ns += PERIOD_NS;
    CHECK(push(r, RAW, value, quality) == ULL_OK);
    return r->quality[ROW];
}

static void fill(rig *r, double value) {
    for (int i = 0; i < 30; i++) CHECK(next(r, value + (i % 2 ? NOISE : -NOISE), ULL_GOOD) == ULL_GOOD);
}

static void a_good_sample_comes_through_without_lag(void) {
    rig r;
    power_up(&r);
    fill(&r, 5e5);
    CHECK(r.value[RAW] == 5e5 + NOISE && r.value[ROW] == 5e5 + NOISE);
    CHECK(r.time_ns[RAW] == r.now_ns && r.time_ns[ROW] == r.now_ns && r.time_ns[RATE] == r.now_ns);
    CHECK(isnan(r.sigma[RAW]) && r.sigma[ROW] >= NOISE);
    CHECK(r.quality[RATE] == ULL_GOOD && fabs(r.value[RATE]) < 3 * r.sigma[RATE]);
}

static void a_ramp_is_its_rate(void) {
    rig r;
    power_up(&r);
    for (int i = 0; i < 40; i++) {
        CHECK(next(&r, 5e5 - 28.6 * i, ULL_GOOD) == ULL_GOOD);
        CHECK(r.quality[RATE] == (i < 10 ? ULL_UNCERTAIN : ULL_GOOD)); /* half of 2 s at 10 Hz */
        CHECK(i < 10 ? isnan(r.value[RATE]) : fabs(r.value[RATE] + 286.0) < 1e-6);
    }
}

static void what_is_no_value_is_bad_and_never_the_last_value(void) {
    rig r;
    power_up(&r);
    fill(&r, 5e5);
    const struct {
        double value;
        uint8_t quality;
    } useless[] = {{NAN, ULL_GOOD}, {INFINITY, ULL_GOOD}, {5e5, ULL_BAD},         {5e5, ULL_STALE},
                   {5e5, 0},        {-1.0, ULL_GOOD},     {1e6 + 1e-6, ULL_GOOD}, {5e5, ULL_GOOD | ULL_BAD}};
    for (size_t i = 0; i < sizeof useless / sizeof *useless; i++) {
        CHECK(next(&r, useless[i].value, useless[i].quality) == ULL_BAD);
        CHECK(isnan(r.value[ROW]) && isnan(r.value[RATE]) && r.quality[RATE] == ULL_BAD);
        CHECK(isfinite(useless[i].value) || r.quality[RAW] == ULL_BAD);
    }
    CHECK(next(&r, 5e5, ULL_GOOD) == ULL_GOOD && r.value[ROW] == 5e5 && r.quality[RATE] == ULL_GOOD);
}

static void a_spike_becomes_the_median(void) {
    rig r;
    power_up(&r);
    fill(&r, 5e5);
    CHECK(next(&r, 5e5 + 2000.0, ULL_GOOD) == ULL_UNCERTAIN);
    CHECK(fabs(r.value[ROW] - 5e5) <= NOISE && r.value[RAW] == 5e5 + 2000.0);
    CHECK(fabs(r.value[RATE]) < 100.0 && r.quality[RATE] == ULL_UNCERTAIN);
    CHECK(next(&r, 5e5, ULL_GOOD) == ULL_GOOD);
}

static void an_impossible_step_is_bad_until_three_agree(void) {
    rig r;
    power_up(&r);
    fill(&r, 5e5); /* in one period 1e4 + 600 Pa are possible */
    CHECK(next(&r, 3e5, ULL_GOOD) == ULL_BAD);
    CHECK(next(&r, 5e5, ULL_GOOD) == ULL_GOOD);
    CHECK(next(&r, 3e5, ULL_GOOD) == ULL_BAD);
    CHECK(next(&r, 1e5, ULL_GOOD) == ULL_BAD); /* garbage does not agree */
    CHECK(next(&r, 7e5, ULL_GOOD) == ULL_BAD);
    CHECK(next(&r, 7e5, ULL_GOOD) == ULL_BAD);
    CHECK(next(&r, NAN, ULL_BAD) == ULL_BAD); /* nor is it three in a row */
    CHECK(next(&r, 7e5, ULL_GOOD) == ULL_BAD);
    CHECK(next(&r, 7e5, ULL_GOOD) == ULL_BAD);
    CHECK(next(&r, 7e5 + NOISE, ULL_GOOD) == ULL_GOOD && r.value[ROW] == 7e5 + NOISE);
    CHECK(r.quality[RATE] == ULL_UNCERTAIN && isnan(r.value[RATE])); /* not the slope of the step */
}

static void a_step_is_judged_by_the_time_that_it_had(void) {
    for (int periods = 1; periods <= 3; periods++) {
        const double possible = 1e4 * periods + 6.0 * NOISE;
        for (int beyond = 0; beyond <= 1; beyond++) {
            rig r;
            power_up(&r);
            fill(&r, 5e5);
            const double last = r.value[ROW];
            r.now_ns += (periods - 1) * PERIOD_NS;
            CHECK(next(&r, last + possible + (beyond ? 1.0 : -1.0), ULL_GOOD) ==
                  (beyond ? ULL_BAD : ULL_UNCERTAIN)); /* possible, but a spike all the same */
        }
    }
}

static void a_gross_leak_within_the_believable_rate_passes_after_three(void) {
    rig r;
    power_up(&r);
    fill(&r, 5e5);
    for (int i = 1; i <= 10; i++) {
        const unsigned expected = i <= ULL_HAMPEL_RUN ? ULL_UNCERTAIN : ULL_GOOD;
        CHECK(next(&r, 5e5 - 5000.0 * i, ULL_GOOD) == expected);
    }
    CHECK(r.value[ROW] == 4.5e5);
}

static void an_old_row_is_stale_and_keeps_its_value_and_its_source(void) {
    rig r;
    power_up(&r);
    for (int i = 0; i < 30; i++) CHECK(next(&r, 5e5, ULL_GOOD | 16) == (ULL_GOOD | 16));
    const int64_t last_ns = r.now_ns;
    r.now_ns = last_ns + 10 * PERIOD_NS - 1;
    CHECK(push(&r, OTHER, 1.0, ULL_GOOD) == ULL_OK && r.quality[ROW] == (ULL_GOOD | 16));
    r.now_ns = last_ns + 10 * PERIOD_NS;
    CHECK(push(&r, OTHER, NAN, ULL_GOOD) == ULL_OK);
    for (int row = RAW; row <= RATE; row++) CHECK(r.quality[row] == (ULL_STALE | 16));
    CHECK(r.value[ROW] == 5e5 && r.quality[OTHER] == ULL_BAD);
    CHECK(next(&r, 5.005e5, ULL_GOOD) == ULL_BAD); /* after a gap the level of before proves nothing */
    CHECK(next(&r, 9e5, ULL_GOOD) == ULL_BAD);
    CHECK(next(&r, 5.005e5, ULL_GOOD) == ULL_BAD);
    CHECK(next(&r, 5.006e5, ULL_GOOD) == ULL_BAD);
    CHECK(next(&r, 5.007e5, ULL_GOOD) == ULL_GOOD && r.value[ROW] == 5.007e5);
}

static void time_does_not_go_back_and_rows_exist(void) {
    rig r;
    power_up(&r);
    fill(&r, 5e5);
    CHECK(push(&r, RAW, 9e5, ULL_GOOD) == ULL_ORDER && r.value[RAW] == 5e5 + NOISE);
    CHECK(push(&r, ROWS, 9e5, ULL_GOOD) == ULL_ARGUMENT);
    CHECK(r.refused == 2);
}

static void settings_out_of_bounds_are_refused(void) {
    rig r;
    power_up(&r);
    ull_channel_settings set = settings();
    set.low = set.high;
    CHECK(ull_channel_init(&r.channel, &set, r.hampel_memory, r.ring) == ULL_ARGUMENT);
    set = settings();
    set.max_rate_per_s = NAN;
    CHECK(ull_channel_init(&r.channel, &set, r.hampel_memory, r.ring) == ULL_ARGUMENT);
    set = settings();
    set.hampel_window = 14;
    CHECK(ull_channel_init(&r.channel, &set, r.hampel_memory, r.ring) == ULL_ARGUMENT);
    set = settings();
    set.rate_window_ns = 0;
    CHECK(ull_channel_init(&r.channel, &set, r.hampel_memory, r.ring) == ULL_ARGUMENT);
}

static void the_fault_row_says_why_a_value_is_refused(void) {
    rig r;
    power_up(&r);
    fill(&r, 5e5);
    CHECK(r.quality[FAULT] == ULL_STALE); /* the bus writes it when all is well */
    CHECK(next(&r, 2e6, ULL_GOOD) == ULL_BAD);
    CHECK(r.value[FAULT] == ULL_FAULT_OUT_OF_RANGE && r.quality[FAULT] == ULL_GOOD);
    CHECK(r.time_ns[FAULT] == r.now_ns);
    CHECK(next(&r, 8e5, ULL_GOOD) == ULL_BAD);
    CHECK(r.value[FAULT] == ULL_FAULT_IMPLAUSIBLE);
    CHECK(push(&r, FAULT, 0.0, ULL_GOOD) == ULL_OK);
    CHECK(next(&r, NAN, ULL_BAD) == ULL_BAD);
    CHECK(r.value[FAULT] == 0.0); /* that was the bus's to say */
}

static int told(const rig *r, int row) { return r->time_ns[row] == r->now_ns && r->value[row] != 0.0; }

static void a_spike_is_told_when_it_is_over(void) {
    const double sizes[] = {20 * NOISE, -3000.0, -3e5, 8e5}; /* two reachable, one that is not, one out of range */
    for (unsigned s = 0; s < 4; s++) {
        for (int run = 1; run <= ULL_CHANNEL_SPIKE + 1; run++) {
            rig r;
            power_up(&r);
            fill(&r, 5e5);
            if (run > 2 && s == 2) continue; /* three that agree are no spike, but a jump */
            for (int i = 0; i < run; i++) {
                CHECK((next(&r, 5e5 + sizes[s], ULL_GOOD) == ULL_GOOD) == (s < 2 && i >= ULL_HAMPEL_RUN));
                CHECK(!told(&r, SPIKE) && !told(&r, JUMP));
            }
            (void)next(&r, 5e5, ULL_GOOD);
            CHECK(told(&r, SPIKE) == (run <= ULL_CHANNEL_SPIKE) && !told(&r, JUMP));
            CHECK(!told(&r, SPIKE) || fabs(r.value[SPIKE] - sizes[s]) <= NOISE);
            (void)next(&r, 5e5, ULL_GOOD);
            CHECK(!told(&r, SPIKE));
        }
    }
}

static void what_does_not_come_back_is_no_spike(void) {
    rig r;
    power_up(&r);
    fill(&r, 5e5);
    for (int i = 0; i < 30; i++) { /* a step */
        (void)next(&r, 5.03e5, ULL_GOOD);
        CHECK(!told(&r, SPIKE) && !told(&r, JUMP));
    }
    for (int i = 0; i < 60; i++) { /* a ramp: the median lags behind by seven samples, 5.6 sigma */
        (void)next(&r, 5.03e5 - 0.8 * NOISE * i + (i % 3 - 1) * NOISE, ULL_GOOD);
        CHECK(!told(&r, SPIKE) && !told(&r, JUMP));
    }
}

static void a_jump_is_told_when_it_is_believed(void) {
    rig r;
    power_up(&r);
    fill(&r, 5e4);
    CHECK(next(&r, 14.5 * 5e4, ULL_GOOD) == ULL_BAD && next(&r, 14.5 * 5e4, ULL_GOOD) == ULL_BAD && !told(&r, JUMP));
    CHECK(next(&r, 14.5 * 5e4, ULL_GOOD) == ULL_GOOD && told(&r, JUMP) && !told(&r, SPIKE));
    CHECK(fabs(r.value[JUMP] - 13.5 * 5e4) <= NOISE);
    CHECK(next(&r, 14.5 * 5e4, ULL_GOOD) == ULL_GOOD && !told(&r, JUMP) && !told(&r, SPIKE));
    r.now_ns += 50 * PERIOD_NS; /* silence, and within reach after it: not believed at once, and no jump */
    for (int i = 0; i < 5; i++) {
        (void)next(&r, 14.4 * 5e4, ULL_GOOD);
        CHECK(!told(&r, JUMP) && !told(&r, SPIKE));
    }
}

static void a_jump_that_time_would_bring_within_reach_is_one(void) {
    rig r;
    power_up(&r);
    fill(&r, 5e5); /* 1e4 + 600 Pa a period: in three periods 2.5e4 Pa could be reached */
    for (int i = 1; i <= ULL_CHANNEL_AGREE; i++) {
        CHECK(next(&r, 5e5 + 2.5e4, ULL_GOOD) == (i < ULL_CHANNEL_AGREE ? ULL_BAD : ULL_GOOD));
        CHECK(told(&r, JUMP) == (i == ULL_CHANNEL_AGREE) && !told(&r, SPIKE));
    }
    CHECK(fabs(r.value[JUMP] - 2.5e4) <= NOISE);
}

static void a_spike_beside_a_step_is_told(void) {
    for (int after = ULL_HAMPEL_RUN + 1; after < 15; after++) {
        rig r;
        power_up(&r);
        fill(&r, 5e5);
        for (int i = 0; i < after; i++) (void)next(&r, 5.03e5, ULL_GOOD);
        (void)next(&r, 5.1e5, ULL_GOOD);
        CHECK(!told(&r, SPIKE));
        (void)next(&r, 5.03e5, ULL_GOOD);
        CHECK((after == 7 || told(&r, SPIKE)) && !told(&r, JUMP)); /* after 7 the window is half and half: no outlier */
    }
}

static void a_channel_may_do_without_the_rows_that_tell(void) {
    rig r;
    power_up(&r);
    ull_channel_settings set = settings();
    set.fault_row = set.spike_row = set.jump_row = ULL_CHANNEL_NO_ROW;
    CHECK(ull_channel_init(&r.channel, &set, r.hampel_memory, r.ring) == ULL_OK);
    fill(&r, 5e5);
    (void)next(&r, 9e5, ULL_GOOD);
    (void)next(&r, 5e5, ULL_GOOD);
    for (int row = FAULT; row < ROWS; row++) CHECK(isnan(r.value[row]) && r.quality[row] == ULL_STALE);
}

static void garbage_is_not_believed_for_agreeing_now_and_then(void) {
    rig r;
    power_up(&r);
    fill(&r, 5e5);
    uint32_t random = 1;
    unsigned trusted = 0;
    for (int i = 0; i < 20000; i++) {
        random = random * 1664525u + 1013904223u;
        trusted += next(&r, 1e6 * (random >> 8) / 16777216.0, ULL_GOOD) != ULL_BAD;
    }
    CHECK(trusted <= 6); /* until it is known for garbage; a value in ten is within reach of the one before */
    for (int i = 0; i < ULL_CHANNEL_AGREE_AGAIN - 1; i++) CHECK(next(&r, 5e5, ULL_GOOD) == ULL_BAD);
    CHECK(next(&r, 5e5, ULL_GOOD) != ULL_BAD);
    CHECK(next(&r, 5e5, ULL_GOOD) == ULL_GOOD);
}

int main(void) {
    the_fault_row_says_why_a_value_is_refused();
    garbage_is_not_believed_for_agreeing_now_and_then();
    a_spike_is_told_when_it_is_over();
    what_does_not_come_back_is_no_spike();
    a_jump_is_told_when_it_is_believed();
    a_jump_that_time_would_bring_within_reach_is_one();
    a_spike_beside_a_step_is_told();
    a_channel_may_do_without_the_rows_that_tell();
    a_good_sample_comes_through_without_lag();
    a_ramp_is_its_rate();
    what_is_no_value_is_bad_and_never_the_last_value();
    a_spike_becomes_the_median();
    an_impossible_step_is_bad_until_three_agree();
    a_step_is_judged_by_the_time_that_it_had();
    a_gross_leak_within_the_believable_rate_passes_after_three();
    an_old_row_is_stale_and_keeps_its_value_and_its_source();
    time_does_not_go_back_and_rows_exist();
    settings_out_of_bounds_are_refused();
    return 0;
}
