/* Two or three pressures at 10 Hz over a table of their rows, the fused, the spread and the departs rows. */
#include "check.h"
#include "ull_fusion.h"

enum { FUSED = 3, SPREAD = 4, DEPARTS = 5, ROWS = 8 };
static const int64_t PERIOD_NS = 100000000;
static const double NOISE = 100.0, LEVEL = 5e5, OFFSET[3] = {300.0, -400.0, 150.0};

typedef struct {
    double value[ROWS], sigma[ROWS];
    int64_t time_ns[ROWS], now_ns;
    uint8_t quality[ROWS];
    ull_table table;
    ull_fusion fusion;
    size_t count;
    unsigned long long seed;
} rig;

static ull_fusion_settings settings(size_t count) {
    ull_fusion_settings set = {.count = count, .row = FUSED, .spread_row = SPREAD, .tolerance = 1000.0, .safe = 1};
    for (uint32_t i = 0; i < 3; i++) {
        set.input[i] = (ull_fusion_input){i, count == 3 ? DEPARTS + i : ULL_FUSION_NO_ROW, NOISE, PERIOD_NS};
    }
    return set;
}

static void power_up(rig *r, size_t count) {
    const ull_fusion_settings set = settings(count);
    *r = (rig){.count = count, .seed = 1};
    for (int row = 0; row < ROWS; row++) r->value[row] = r->sigma[row] = NAN, r->quality[row] = ULL_STALE;
    r->table = (ull_table){r->value, r->sigma, r->time_ns, r->quality, ROWS};
    CHECK(ull_fusion_init(&r->fusion, &set) == ULL_OK);
}

/* Mean of the fused value over so many ticks; instrument 0 is `error` off and of this quality. */
static double run(rig *r, int ticks, double error, uint8_t quality) {
    double sum = 0.0;
    for (int tick = 0; tick < ticks; tick++) {
        r->now_ns += PERIOD_NS;
        for (size_t i = 0; i < r->count; i++) {
            r->value[i] = LEVEL + OFFSET[i] + (i ? 0.0 : error) + NOISE * normal(&r->seed);
            r->sigma[i] = NOISE;
            r->time_ns[i] = r->now_ns;
            r->quality[i] = i ? ULL_GOOD : quality;
        }
        CHECK(ull_fusion_step_many(&r->fusion, 1, &r->table) == ULL_OK);
        sum += r->value[FUSED];
    }
    return sum / ticks;
}

static void losing_one_costs_sigma_and_no_step(size_t count) {
    rig r;
    power_up(&r, count);
    run(&r, 400, 0.0, ULL_GOOD);
    const double before = run(&r, 2000, 0.0, ULL_GOOD);
    CHECK_NEAR(r.sigma[FUSED], NOISE / sqrt((double)count), 1e-9);
    const double without = run(&r, 2000, 0.0, ULL_BAD);
    CHECK_NEAR(r.sigma[FUSED], NOISE / sqrt((double)count - 1.0), 1e-9);
    CHECK(r.quality[FUSED] == ULL_GOOD);
    CHECK_NEAR(without, before, 40.0); /* the offsets of instruments are 700 apart */
    CHECK_NEAR(run(&r, 2000, 0.0, ULL_GOOD), before, 20.0);
}

static void one_of_three_that_is_far_off_is_left_out_and_named(void) {
    rig r;
    power_up(&r, 3);
    run(&r, 400, 0.0, ULL_GOOD);
    const double before = run(&r, 2000, 0.0, ULL_GOOD);
    CHECK_NEAR(run(&r, 2000, -1e4, ULL_GOOD), before, 30.0);
    CHECK(r.quality[FUSED] == ULL_GOOD);
    CHECK_NEAR(r.value[DEPARTS], -1e4, 200.0);
    CHECK(fabs(r.value[DEPARTS + 1]) < 200.0 && fabs(r.value[DEPARTS + 2]) < 200.0);
}

static void two_that_are_far_apart_are_not_believed(void) {
    rig r;
    power_up(&r, 2);
    run(&r, 400, 0.0, ULL_GOOD);
    run(&r, 100, -1e4, ULL_GOOD);
    CHECK(r.quality[FUSED] == ULL_UNCERTAIN);
    CHECK_NEAR(r.value[SPREAD], 1e4, 300.0);
}

static void what_is_out_of_bounds_is_refused(void) {
    ull_fusion fusion;
    ull_fusion_settings set = settings(2);
    CHECK(ull_fusion_init(NULL, &set) == ULL_ARGUMENT);
    CHECK(ull_fusion_init(&fusion, NULL) == ULL_ARGUMENT);
    set.count = 1;
    CHECK(ull_fusion_init(&fusion, &set) == ULL_ARGUMENT);
    set = settings(2), set.tolerance = NAN;
    CHECK(ull_fusion_init(&fusion, &set) == ULL_ARGUMENT);
    set = settings(2), set.safe = 0;
    CHECK(ull_fusion_init(&fusion, &set) == ULL_ARGUMENT);
    set = settings(3), set.input[2].noise = 0.0;
    CHECK(ull_fusion_init(&fusion, &set) == ULL_ARGUMENT);
    rig r;
    power_up(&r, 2);
    r.table.rows = 3;
    CHECK(ull_fusion_step_many(&r.fusion, 1, &r.table) == ULL_ARGUMENT);
    CHECK(ull_fusion_step_many(&r.fusion, 1, NULL) == ULL_ARGUMENT);
}

int main(void) {
    losing_one_costs_sigma_and_no_step(2);
    losing_one_costs_sigma_and_no_step(3);
    one_of_three_that_is_far_off_is_left_out_and_named();
    two_that_are_far_apart_are_not_believed();
    what_is_out_of_bounds_is_refused();
    return 0;
}
