/* The limit engine through its public calls. Expected values are worked out by hand from the rules in ull_limits.h. */
#include "check.h"
#include "ull_limits.h"

enum { L = 1 << ULL_LEVEL_LOW, H = 1 << ULL_LEVEL_HIGH, HH = 1 << ULL_LEVEL_HIGH_HIGH };
static const int64_t SECOND = 1000000000;

/* One row, one limit, one clock that ticks once a second. */
typedef struct {
    double value, sigma;
    int64_t time_ns, now_ns;
    uint8_t quality;
    ull_table table;
    ull_limit limit;
    ull_limit_state state;
    ull_limits limits;
    ull_limit_change change;
} rig;

static void power_up(rig *r, ull_limit limit) {
    *r = (rig){.value = NAN, .sigma = NAN, .quality = ULL_STALE, .limit = limit};
    r->table = (ull_table){&r->value, &r->sigma, &r->time_ns, &r->quality, 1};
    CHECK(ull_limits_init(&r->limits, &r->limit, &r->state, 1, &r->table) == ULL_OK);
}

static size_t idle(rig *r) {
    r->now_ns += SECOND;
    return ull_limits_step(&r->limits, r->now_ns, &r->change);
}

static size_t take(rig *r, double value, uint8_t quality) {
    r->value = value;
    r->quality = quality;
    r->time_ns = r->now_ns + SECOND;
    return idle(r);
}

static ull_limit high_at_10(void) {
    return (ull_limit){.check = ULL_CHECK_LIMIT, .n = 1, .m = 1, .off_n = 1, .level = {NAN, NAN, 10, NAN}};
}

static ull_limit timed(uint8_t check, int64_t max_age_ns) {
    return (ull_limit){.check = check, .n = 1, .m = 1, .off_n = 1, .level = {NAN, NAN, NAN, NAN}, .max_age_ns = max_age_ns};
}

static void a_level_goes_on_at_its_limit_and_off_below_its_deadband(void) {
    rig r;
    ull_limit limit = high_at_10();
    limit.deadband = 2;
    power_up(&r, limit);
    CHECK(take(&r, 9.9, ULL_GOOD) == 0);
    CHECK(take(&r, 10, ULL_GOOD) == 1 && r.change.before == 0 && r.change.after == H);
    CHECK(take(&r, 8, ULL_GOOD) == 0);
    CHECK(take(&r, 7.9, ULL_GOOD) == 1 && r.change.after == 0 && r.change.peak == 10);
    CHECK(take(&r, 8.5, ULL_GOOD) == 0);
}

static void a_sample_votes_once(void) {
    rig r;
    ull_limit limit = high_at_10();
    limit.n = limit.m = 2;
    power_up(&r, limit);
    CHECK(take(&r, 11, ULL_GOOD) == 0);
    for (int i = 0; i < 10; i++) CHECK(idle(&r) == 0);
    CHECK(take(&r, 11, ULL_GOOD) == 1 && r.change.hits[ULL_LEVEL_HIGH] == 2);
}

static void three_of_five_is_three_of_the_last_five(void) {
    rig r;
    ull_limit limit = high_at_10();
    limit.n = 3;
    limit.m = 5;
    limit.off_n = 2;
    power_up(&r, limit);
    const double values[] = {11, 11, 0, 0, 0, 11, 0, 11, 0, 11};
    for (size_t i = 0; i < 10; i++) CHECK(take(&r, values[i], ULL_GOOD) == (i == 9));
    CHECK(take(&r, 0, ULL_GOOD) == 0);
    CHECK(take(&r, 11, ULL_GOOD) == 0);
    CHECK(take(&r, 0, ULL_GOOD) == 0);
    CHECK(take(&r, 0, ULL_GOOD) == 1 && r.change.after == 0 && r.change.hits[ULL_LEVEL_HIGH] == 2);
    CHECK(take(&r, 11, ULL_GOOD) == 0); /* the old votes are spent */
    CHECK(take(&r, 11, ULL_GOOD) == 0);
    CHECK(take(&r, 11, ULL_GOOD) == 1 && r.change.hits[ULL_LEVEL_HIGH] == 3);
}

static void a_window_of_64_samples_counts_to_64(void) {
    rig r;
    ull_limit limit = high_at_10();
    limit.n = limit.m = 64;
    power_up(&r, limit);
    for (int i = 1; i < 64; i++) CHECK(take(&r, 11, ULL_GOOD) == 0);
    CHECK(take(&r, 11, ULL_GOOD) == 1 && r.change.hits[ULL_LEVEL_HIGH] == 64);
}

static void blindness_neither_clears_nor_forgets(void) {
    const double nothing[] = {NAN, INFINITY, -INFINITY, 0};
    rig r;
    ull_limit limit = high_at_10();
    limit.n = limit.m = 2;
    power_up(&r, limit);
    CHECK(take(&r, 11, ULL_GOOD) == 0);
    for (size_t i = 0; i < 4; i++) CHECK(take(&r, nothing[i], i < 3 ? ULL_GOOD : ULL_BAD) == 0);
    CHECK(take(&r, 0, ULL_STALE) == 0);
    CHECK(take(&r, 0, 0) == 0); /* claims nothing */
    CHECK(take(&r, 11, ULL_GOOD) == 1);
    for (size_t i = 0; i < 4; i++) CHECK(take(&r, nothing[i], i < 3 ? ULL_GOOD : ULL_BAD) == 0);
    CHECK(take(&r, 0, ULL_STALE) == 0);
    CHECK(take(&r, 0, ULL_UNCERTAIN) == 0);
    CHECK(take(&r, 0, ULL_GOOD) == 1);
    CHECK(take(&r, 11, ULL_UNCERTAIN) == 0);
    CHECK(take(&r, 11, ULL_UNCERTAIN) == 1);
}

static void delays_run_on_the_samples_times(void) {
    rig r;
    ull_limit limit = high_at_10();
    limit.on_delay_ns = 2 * SECOND;
    limit.off_delay_ns = 3 * SECOND;
    power_up(&r, limit);
    CHECK(take(&r, 11, ULL_GOOD) == 0);
    CHECK(take(&r, 9, ULL_GOOD) == 0); /* starts over */
    CHECK(take(&r, 11, ULL_GOOD) == 0);
    CHECK(take(&r, 11, ULL_GOOD) == 0);
    CHECK(take(&r, 11, ULL_GOOD) == 1);
    CHECK(take(&r, 9, ULL_GOOD) == 0);
    CHECK(take(&r, 9, ULL_GOOD) == 0);
    CHECK(take(&r, NAN, ULL_BAD) == 0); /* the clear run's delay starts over after it */
    CHECK(take(&r, 9, ULL_GOOD) == 0);
    CHECK(take(&r, 9, ULL_GOOD) == 0);
    CHECK(take(&r, 9, ULL_GOOD) == 0);
    CHECK(take(&r, 9, ULL_GOOD) == 1);
}

static void ignored_bad_data_leaves_the_delays_alone(void) {
    rig r;
    ull_limit limit = high_at_10();
    limit.off_delay_ns = 3 * SECOND;
    limit.on_bad = ULL_ON_BAD_IGNORE;
    power_up(&r, limit);
    CHECK(take(&r, 11, ULL_GOOD) == 1);
    CHECK(take(&r, 9, ULL_GOOD) == 0);
    CHECK(take(&r, NAN, ULL_BAD) == 0);
    CHECK(take(&r, NAN, ULL_BAD) == 0);
    CHECK(take(&r, 9, ULL_GOOD) == 1);
}

static void bad_and_silence_vote_for_where_that_is_asked(void) {
    rig r;
    ull_limit limit = high_at_10();
    limit.level[ULL_LEVEL_HIGH_HIGH] = 20;
    limit.n = limit.m = 2;
    limit.on_bad = ULL_ON_BAD_RAISE;
    limit.max_age_ns = 3 * SECOND;
    power_up(&r, limit);
    CHECK(take(&r, 1, ULL_GOOD) == 0);
    CHECK(take(&r, NAN, ULL_BAD) == 0);
    CHECK(take(&r, NAN, ULL_BAD) == 1 && r.change.after == (H | HH) && r.change.quality == ULL_BAD);
    CHECK(take(&r, 1, ULL_GOOD) == 1);
    for (int i = 0; i < 4; i++) CHECK(idle(&r) == 0);
    CHECK(idle(&r) == 1 && r.change.quality == ULL_STALE);

    power_up(&r, limit); /* never written: ages from the first step */
    for (int i = 0; i < 5; i++) CHECK(idle(&r) == 0);
    CHECK(idle(&r) == 1);
}

static void sure_needs_the_whole_error_bar_beyond_and_cautious_only_its_tip(void) {
    rig r;
    ull_limit limit = high_at_10();
    limit.k = 3;
    limit.sure = 1;
    power_up(&r, limit);
    r.sigma = 1;
    CHECK(take(&r, 12.9, ULL_GOOD) == 0);
    CHECK(take(&r, 13, ULL_GOOD) == 1);
    r.sigma = 100;
    CHECK(take(&r, 11, ULL_GOOD) == 0); /* less certain is not better */
    CHECK(take(&r, 9, ULL_GOOD) == 1);

    limit.sure = 0;
    limit.level[ULL_LEVEL_LOW] = 0;
    power_up(&r, limit);
    r.sigma = 1;
    CHECK(take(&r, 6.9, ULL_GOOD) == 0);
    CHECK(take(&r, 7, ULL_GOOD) == 1 && r.change.after == H);
    CHECK(take(&r, 5, ULL_GOOD) == 1 && r.change.after == 0);
    CHECK(take(&r, 3, ULL_GOOD) == 1 && r.change.after == L);
    r.sigma = NAN;
    CHECK(take(&r, 5, ULL_GOOD) == 0); /* sigma unknown: UNCERTAIN, so no vote for return */
    r.sigma = -1;
    CHECK(take(&r, 11, ULL_GOOD) == 1 && r.change.after == (L | H) && r.change.quality == ULL_UNCERTAIN);
}

static void the_extreme_of_the_reported_row_is_kept(void) {
    double value[2] = {NAN, NAN}, sigma[2] = {NAN, NAN};
    int64_t time_ns[2] = {0, 0};
    uint8_t quality[2] = {ULL_GOOD, ULL_GOOD};
    const ull_table table = {value, sigma, time_ns, quality, 2};
    ull_limit limit = high_at_10();
    limit.report_row = 1;
    ull_limit_state state;
    ull_limits limits;
    ull_limit_change change;
    CHECK(ull_limits_init(&limits, &limit, &state, 1, &table) == ULL_OK);
    const double votes[] = {11, 12, 12, 0}, reported[] = {0.1, 0.7, 0.3, 0.9};
    for (int i = 0; i < 4; i++) {
        value[0] = votes[i];
        value[1] = reported[i];
        time_ns[0] = i;
        CHECK(ull_limits_step(&limits, i, &change) == (i == 0 || i == 3));
    }
    CHECK(change.peak == 0.7);
}

static void silence_is_stale_and_only_a_good_sample_ends_it(void) {
    rig r;
    power_up(&r, timed(ULL_CHECK_STALE, 3 * SECOND));
    for (int i = 0; i < 4; i++) CHECK(idle(&r) == 0);
    CHECK(idle(&r) == 1 && r.change.quality == ULL_STALE); /* never written: 4 s after the first step */
    CHECK(take(&r, NAN, ULL_BAD) == 0);
    CHECK(take(&r, 1, ULL_UNCERTAIN) == 0);
    CHECK(take(&r, 1, ULL_GOOD | 16) == 1 && r.change.after == 0 && r.change.quality == (ULL_GOOD | 16));
    for (int i = 0; i < 3; i++) CHECK(idle(&r) == 0);
    CHECK(idle(&r) == 1 && r.change.after == H);
}

static void bad_samples_raise_the_quality_alarm_and_silence_does_not(void) {
    rig r;
    ull_limit limit = timed(ULL_CHECK_QUALITY, 0);
    limit.n = limit.m = 3;
    power_up(&r, limit);
    for (int i = 0; i < 10; i++) CHECK(idle(&r) == 0);
    CHECK(take(&r, NAN, ULL_GOOD) == 0);
    CHECK(take(&r, 1, ULL_BAD) == 0);
    CHECK(take(&r, 1, ULL_UNCERTAIN) == 0);
    CHECK(take(&r, INFINITY, ULL_GOOD) == 1 && r.change.quality == ULL_BAD);
    CHECK(take(&r, 1, ULL_UNCERTAIN) == 0);
    CHECK(take(&r, 1, ULL_GOOD) == 1);
}

static void a_value_stuck_to_the_last_bit_is_a_flat_line(void) {
    rig r;
    power_up(&r, timed(ULL_CHECK_FLAT_LINE, 3 * SECOND));
    for (int i = 0; i < 3; i++) CHECK(take(&r, 5, ULL_GOOD) == 0);
    CHECK(take(&r, nextafter(5, 6), ULL_GOOD) == 0);
    for (int i = 0; i < 2; i++) CHECK(take(&r, 5, ULL_GOOD) == 0);
    CHECK(take(&r, NAN, ULL_BAD) == 0); /* neither a change nor a proof */
    CHECK(take(&r, 5, ULL_GOOD) == 1);
    CHECK(take(&r, NAN, ULL_BAD) == 0);
    CHECK(take(&r, 5, ULL_GOOD) == 0);
    CHECK(take(&r, 6, ULL_GOOD) == 1 && r.change.after == 0);
    for (int i = 0; i < 10; i++) CHECK(idle(&r) == 0);
    CHECK(take(&r, 6, ULL_GOOD) == 0); /* two equal samples with a silence between */
}

static void uncertain_for_too_long_is_undetermined(void) {
    rig r;
    power_up(&r, timed(ULL_CHECK_UNDETERMINED, 2 * SECOND));
    CHECK(take(&r, 5, ULL_UNCERTAIN) == 0);
    CHECK(take(&r, 5, ULL_GOOD) == 0);
    CHECK(take(&r, 5, ULL_UNCERTAIN) == 0);
    CHECK(take(&r, NAN, ULL_BAD) == 0);
    CHECK(take(&r, 5, ULL_UNCERTAIN) == 1);
    CHECK(take(&r, NAN, ULL_BAD) == 0);
    CHECK(take(&r, 5, ULL_GOOD) == 1);
}

static void a_new_definition_never_drops_an_alarm_by_itself(void) {
    rig r;
    ull_limit limit = high_at_10();
    limit.deadband = 1;
    power_up(&r, limit);
    CHECK(take(&r, 11, ULL_GOOD) == 1);
    limit.level[ULL_LEVEL_HIGH] = 11.5;
    CHECK(ull_limits_redefine(&r.limits, 0, &limit) == ULL_OK);
    CHECK(idle(&r) == 0);
    CHECK(take(&r, 11, ULL_GOOD) == 0); /* within the new deadband, by the stored flag */
    CHECK(take(&r, 10.4, ULL_GOOD) == 1 && r.change.after == 0);
    limit.check = ULL_CHECK_QUALITY;
    CHECK(ull_limits_redefine(&r.limits, 0, &limit) == ULL_ARGUMENT);
}

static void what_was_on_before_a_restart_returns_only_by_good_samples(void) {
    rig r;
    power_up(&r, high_at_10());
    CHECK(ull_limits_restore(&r.limits, 0, L) == ULL_ARGUMENT);
    CHECK(ull_limits_restore(&r.limits, 1, H) == ULL_ARGUMENT);
    CHECK(ull_limits_restore(&r.limits, 0, H) == ULL_OK);
    for (int i = 0; i < 5; i++) CHECK(idle(&r) == 0);
    CHECK(take(&r, NAN, ULL_BAD) == 0);
    CHECK(take(&r, 1, ULL_GOOD) == 1 && r.change.before == H && r.change.after == 0);
}

static void a_definition_outside_its_bounds_is_refused(void) {
    rig r;
    power_up(&r, high_at_10());
    ull_limit wrong[14];
    for (size_t i = 0; i < 14; i++) wrong[i] = high_at_10();
    wrong[0].row = 1;
    wrong[1].report_row = 1;
    wrong[2].check = 99;
    wrong[3].n = 2;
    wrong[4].n = 0;
    wrong[5].n = wrong[5].m = 65;
    wrong[6].off_n = 0;
    wrong[7].k = NAN;
    wrong[8].deadband = -1;
    wrong[9].level[ULL_LEVEL_HIGH] = NAN;
    wrong[10].level[ULL_LEVEL_HIGH] = INFINITY;
    wrong[11].on_delay_ns = -1;
    wrong[12].check = ULL_CHECK_STALE;
    wrong[13].on_bad = ULL_ON_BAD_RAISE;
    for (size_t i = 0; i < 14; i++) CHECK(ull_limits_init(&r.limits, &wrong[i], &r.state, 1, &r.table) == ULL_ARGUMENT);
    CHECK(ull_limits_init(&r.limits, NULL, &r.state, 1, &r.table) == ULL_ARGUMENT);
    CHECK(ull_limits_init(&r.limits, NULL, NULL, 0, &r.table) == ULL_OK);
    CHECK(ull_limits_step(&r.limits, 0, NULL) == 0);
}

int main(void) {
    a_level_goes_on_at_its_limit_and_off_below_its_deadband();
    a_sample_votes_once();
    three_of_five_is_three_of_the_last_five();
    a_window_of_64_samples_counts_to_64();
    blindness_neither_clears_nor_forgets();
    delays_run_on_the_samples_times();
    ignored_bad_data_leaves_the_delays_alone();
    bad_and_silence_vote_for_where_that_is_asked();
    sure_needs_the_whole_error_bar_beyond_and_cautious_only_its_tip();
    the_extreme_of_the_reported_row_is_kept();
    silence_is_stale_and_only_a_good_sample_ends_it();
    bad_samples_raise_the_quality_alarm_and_silence_does_not();
    a_value_stuck_to_the_last_bit_is_a_flat_line();
    uncertain_for_too_long_is_undetermined();
    a_new_definition_never_drops_an_alarm_by_itself();
    what_was_on_before_a_restart_returns_only_by_good_samples();
    a_definition_outside_its_bounds_is_refused();
    puts("limits: 17 passed, 0 failed");
    return 0;
}
