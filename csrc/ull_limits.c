#include "ull_limits.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { LEVELS = 4, HIGH_SIDE = (1 << ULL_LEVEL_HIGH) | (1 << ULL_LEVEL_HIGH_HIGH) };

typedef enum { ABSTAIN, CLEAR, BEYOND } vote;

typedef struct {
    double value;
    int64_t time_ns;
    uint8_t quality; /* judged: exactly one of ULL_GOOD, ULL_UNCERTAIN, ULL_BAD, ULL_STALE */
    bool fresh;      /* a sample that has not voted yet */
} sample;

static bool measures_time(uint8_t check) {
    return check == ULL_CHECK_STALE || check == ULL_CHECK_FLAT_LINE || check == ULL_CHECK_UNDETERMINED;
}

static uint8_t levels_of(const ull_limit *limit) {
    if (limit->check != ULL_CHECK_LIMIT) return 1U << ULL_LEVEL_HIGH;
    unsigned mask = 0;
    for (unsigned j = 0; j < LEVELS; j++)
        if (!isnan(limit->level[j])) mask |= 1U << j;
    return (uint8_t)mask;
}

static bool within_bounds(const ull_limit *limit, size_t rows) {
    const bool known = limit->check == ULL_CHECK_LIMIT || limit->check == ULL_CHECK_QUALITY || measures_time(limit->check);
    const bool timed = measures_time(limit->check);
    if (!known || limit->row >= rows || limit->report_row >= rows || levels_of(limit) == 0) return false;
    if (limit->on_bad > ULL_ON_BAD_IGNORE || limit->sure > 1) return false;
    if (limit->n < 1 || limit->n > limit->m || limit->m > 64 || limit->off_n < 1 || limit->on_delay_ns < 0) return false;
    if (timed && (limit->m != 1 || limit->on_delay_ns != 0)) return false;
    if (!(limit->k >= 0) || isinf(limit->k) || !(limit->deadband >= 0) || isinf(limit->deadband)) return false;
    if (limit->off_delay_ns < 0 || limit->max_age_ns < 0) return false;
    for (unsigned j = 0; j < LEVELS; j++)
        if (isinf(limit->level[j])) return false;
    return limit->max_age_ns > 0 || !(timed || limit->on_bad == ULL_ON_BAD_RAISE);
}

static void settle(ull_limit_state *state, const ull_limit *limit) {
    uint64_t votes = 0;
    for (unsigned j = 0; j < LEVELS; j++) votes |= state->level[j].votes;
    state->quiet = limit->check == ULL_CHECK_LIMIT && limit->on_bad != ULL_ON_BAD_RAISE && state->on == 0 && votes == 0;
}

static void derive(ull_limit_state *state, const ull_limit *limit) {
    state->row = limit->row;
    state->spread_k = limit->sure ? -limit->k : limit->k;
    /* fmax and fmin pass over NaN, the absent level */
    state->inner_low = fmax(-INFINITY, fmax(limit->level[ULL_LEVEL_LOW_LOW], limit->level[ULL_LEVEL_LOW]));
    state->inner_high = fmin(INFINITY, fmin(limit->level[ULL_LEVEL_HIGH], limit->level[ULL_LEVEL_HIGH_HIGH]));
    settle(state, limit);
}

static sample look(const ull_limits *self, const ull_limit_state *state, const ull_limit *limit, int64_t now_ns) {
    const uint32_t row = limit->row;
    const unsigned trust = self->table.quality[row] & ULL_TRUST;
    const bool vague = limit->k > 0 && !(self->table.sigma[row] >= 0);
    sample s = {self->table.value[row], self->table.time_ns[row], ULL_BAD, false};
    s.fresh = !(trust & ULL_STALE) && s.time_ns > state->last_ns;
    if ((trust & ULL_STALE) || (limit->max_age_ns > 0 && now_ns - s.time_ns > limit->max_age_ns))
        s.quality = ULL_STALE;
    else if (!(trust & ULL_BAD) && isfinite(s.value) && trust != 0)
        s.quality = (trust & ULL_UNCERTAIN) || vague ? ULL_UNCERTAIN : ULL_GOOD;
    return s;
}

/* One vote for one level; answers whether the level is on. */
static bool cast(ull_limit_votes *level, const ull_limit *limit, bool on, vote v, int64_t time_ns) {
    if (v == ABSTAIN) return on;
    const unsigned leaving = (unsigned)(level->votes >> (limit->m - 1)) & 1U;
    const uint64_t window = UINT64_MAX >> (64 - limit->m);
    level->votes = (level->votes << 1 | (v == BEYOND)) & window;
    level->hits = (uint8_t)(level->hits + (v == BEYOND ? 1U : 0U) - leaving);
    level->clear = (uint8_t)(v == BEYOND ? 0 : level->clear < limit->off_n ? level->clear + 1 : level->clear);

    const bool enough = on ? level->clear >= limit->off_n : level->hits >= limit->n;
    if (!enough) {
        level->counting = 0;
        return on;
    }
    if (!level->counting) {
        level->counting = 1;
        level->since_ns = time_ns;
    }
    if (time_ns - level->since_ns < (on ? limit->off_delay_ns : limit->on_delay_ns)) return on;
    level->counting = 0;
    level->clear = 0;
    return !on;
}

/* The votes of a level that went off are spent, or the next clear sample would find enough of them to raise again. */
static void spend(ull_limit_votes *level) {
    level->votes = 0;
    level->hits = 0;
}

static void poll_level(ull_limit_state *state, const ull_limit *limit, unsigned j, vote v, int64_t time_ns) {
    const unsigned bit = 1U << j;
    const bool on = (state->on & bit) != 0;
    if (cast(&state->level[j], limit, on, v, time_ns) != on) state->on = (uint8_t)(state->on ^ bit);
}

static void poll_all(ull_limit_state *state, const ull_limit *limit, vote v, int64_t time_ns) {
    const unsigned levels = levels_of(limit);
    for (unsigned j = 0; j < LEVELS; j++)
        if (levels & 1U << j) poll_level(state, limit, j, v, time_ns);
}

/* Time spent blind is no proof of return: a clear run starts its delay again. */
static void resume(ull_limit_state *state, const ull_limit *limit) {
    if (state->blind && limit->on_bad == ULL_ON_BAD_HOLD)
        for (unsigned j = 0; j < LEVELS; j++)
            if (state->on & 1U << j) state->level[j].counting = 0;
    state->blind = 0;
}

static void judge_level(const ull_limits *self, ull_limit_state *state, const ull_limit *limit, sample s, int64_t now_ns) {
    if (!s.fresh) {
        if (s.quality == ULL_STALE) state->blind = 1;
        const int64_t heard_ns = state->last_ns > self->start_ns ? state->last_ns : self->start_ns;
        if (limit->on_bad == ULL_ON_BAD_RAISE && now_ns - heard_ns > limit->max_age_ns) poll_all(state, limit, BEYOND, now_ns);
        return;
    }
    if (s.quality & (ULL_BAD | ULL_STALE)) {
        state->blind = 1;
        if (limit->on_bad == ULL_ON_BAD_RAISE) poll_all(state, limit, BEYOND, s.time_ns);
        return;
    }
    if (limit->max_age_ns > 0 && state->last_ns >= self->start_ns && s.time_ns - state->last_ns > limit->max_age_ns)
        state->blind = 1;
    resume(state, limit);

    const double sigma = self->table.sigma[limit->row];
    const double spread = limit->k > 0 && sigma >= 0 ? state->spread_k * sigma : 0;
    /* To stay on, `sure` needs only the value itself beyond: growing uncertainty is not recovery. */
    const double stay = fmax(spread, 0);
    for (unsigned j = 0; j < LEVELS; j++) {
        const bool high = (HIGH_SIDE & 1U << j) != 0;
        const bool on = (state->on & 1U << j) != 0;
        const double outward = high ? s.value : -s.value;
        const double bound = high ? limit->level[j] : -limit->level[j];
        const bool beyond = on ? outward + stay >= bound - limit->deadband : outward + spread >= bound;
        poll_level(state, limit, j, beyond ? BEYOND : s.quality == ULL_GOOD ? CLEAR : ABSTAIN, s.time_ns);
    }
}

static void judge_stale(const ull_limits *self, ull_limit_state *state, const ull_limit *limit, sample s, int64_t now_ns) {
    const int64_t taken_ns = s.fresh ? s.time_ns : state->last_ns;
    const int64_t heard_ns = taken_ns > self->start_ns ? taken_ns : self->start_ns;
    if (now_ns - heard_ns > limit->max_age_ns)
        poll_level(state, limit, ULL_LEVEL_HIGH, BEYOND, now_ns);
    else if (s.fresh)
        poll_level(state, limit, ULL_LEVEL_HIGH, s.quality == ULL_GOOD ? CLEAR : ABSTAIN, s.time_ns);
}

static void judge_quality(ull_limit_state *state, const ull_limit *limit, sample s) {
    if (!s.fresh) return;
    const vote v = s.quality == ULL_BAD ? BEYOND : s.quality == ULL_GOOD ? CLEAR : ABSTAIN;
    poll_level(state, limit, ULL_LEVEL_HIGH, v, s.time_ns);
}

static void judge_flat_line(ull_limit_state *state, const ull_limit *limit, sample s) {
    if (!s.fresh || (s.quality & (ULL_BAD | ULL_STALE))) return;
    uint64_t bits;
    memcpy(&bits, &s.value, sizeof bits);
    /* After a gap two equal samples prove nothing: the instrument may have been off. */
    const bool gap = state->held && !state->on && s.time_ns - state->last_ns > limit->max_age_ns;
    if (!state->held || gap || bits != state->held_bits) {
        state->held = 1;
        state->held_bits = bits;
        state->held_ns = s.time_ns;
    }
    const bool flat = s.time_ns - state->held_ns >= limit->max_age_ns;
    poll_level(state, limit, ULL_LEVEL_HIGH, flat ? BEYOND : s.quality == ULL_GOOD ? CLEAR : ABSTAIN, s.time_ns);
}

static void judge_undetermined(ull_limit_state *state, const ull_limit *limit, sample s) {
    if (!s.fresh || (s.quality & (ULL_BAD | ULL_STALE))) return;
    if (s.quality == ULL_GOOD) {
        state->held = 0;
        poll_level(state, limit, ULL_LEVEL_HIGH, CLEAR, s.time_ns);
        return;
    }
    if (!state->held) {
        state->held = 1;
        state->held_ns = s.time_ns;
    }
    if (s.time_ns - state->held_ns >= limit->max_age_ns) poll_level(state, limit, ULL_LEVEL_HIGH, BEYOND, s.time_ns);
}

static void keep_peak(const ull_limits *self, ull_limit_state *state, const ull_limit *limit, uint8_t before) {
    const double reported = self->table.value[limit->report_row];
    const bool high = (state->on & HIGH_SIDE) != 0;
    if (before == 0 || high != ((before & HIGH_SIDE) != 0)) state->peak = NAN;
    if (isfinite(reported)) state->peak = high ? fmax(state->peak, reported) : fmin(state->peak, reported);
}

/* Everything that is not a quiet, clear sample; true when the condition changed. */
static bool judge(const ull_limits *self, size_t i, int64_t now_ns, ull_limit_change *change) {
    const ull_limit *limit = &self->limits[i];
    ull_limit_state *state = &self->states[i];
    const sample s = look(self, state, limit, now_ns);
    const uint8_t before = state->on;
    switch (limit->check) {
    case ULL_CHECK_LIMIT: judge_level(self, state, limit, s, now_ns); break;
    case ULL_CHECK_STALE: judge_stale(self, state, limit, s, now_ns); break;
    case ULL_CHECK_QUALITY: judge_quality(state, limit, s); break;
    case ULL_CHECK_FLAT_LINE: judge_flat_line(state, limit, s); break;
    default: judge_undetermined(state, limit, s); break;
    }
    if (s.fresh) state->last_ns = s.time_ns;
    if (state->on) keep_peak(self, state, limit, before);
    if (state->on != before) {
        change->index = (uint32_t)i;
        change->before = before;
        change->after = state->on;
        change->quality = (uint8_t)((self->table.quality[state->row] & ~(unsigned)ULL_TRUST) | s.quality);
        change->peak = state->peak;
        for (unsigned j = 0; j < LEVELS; j++) {
            change->hits[j] = state->level[j].hits;
            if (before & ~(unsigned)state->on & 1U << j) spend(&state->level[j]);
        }
    }
    settle(state, limit);
    return state->on != before;
}

ull_status ull_limits_init(ull_limits *self, ull_limit *limits, ull_limit_state *states, size_t count,
                           const ull_table *table) {
    if (!self || !table || (count > 0 && (!limits || !states)) || count > UINT32_MAX) return ULL_ARGUMENT;
    if (count > 0 && (!table->value || !table->sigma || !table->time_ns || !table->quality)) return ULL_ARGUMENT;
    for (size_t i = 0; i < count; i++)
        if (!within_bounds(&limits[i], table->rows)) return ULL_ARGUMENT;
    *self = (ull_limits){.limits = limits, .states = states, .count = count, .table = *table};
    for (size_t i = 0; i < count; i++) {
        states[i] = (ull_limit_state){.last_ns = INT64_MIN / 2, .peak = NAN};
        derive(&states[i], &limits[i]);
    }
    return ULL_OK;
}

size_t ull_limits_step(ull_limits *self, int64_t now_ns, ull_limit_change *changes) {
    if (!self->started) {
        self->started = 1;
        self->start_ns = now_ns;
    }
    size_t changed = 0;
    for (size_t i = 0; i < self->count; i++) {
        ull_limit_state *state = &self->states[i];
        if (state->quiet) {
            const uint32_t row = state->row;
            const int64_t time_ns = self->table.time_ns[row];
            if (time_ns <= state->last_ns) continue;
            const unsigned trust = self->table.quality[row] & ULL_TRUST;
            const double value = self->table.value[row];
            double spread = 0;
            if (state->spread_k != 0) {
                const double sigma = self->table.sigma[row];
                spread = sigma >= 0 ? state->spread_k * sigma : NAN;
            }
            /* NaN and Inf fail one of the two comparisons and take the long way */
            if ((trust == ULL_GOOD || trust == ULL_UNCERTAIN) && value - spread > state->inner_low &&
                value + spread < state->inner_high) {
                state->last_ns = time_ns;
                continue;
            }
        }
        changed += judge(self, i, now_ns, &changes[changed]);
    }
    return changed;
}

ull_status ull_limits_redefine(ull_limits *self, size_t index, const ull_limit *limit) {
    if (!self || !limit || index >= self->count || !within_bounds(limit, self->table.rows)) return ULL_ARGUMENT;
    if (limit->row != self->limits[index].row || limit->check != self->limits[index].check) return ULL_ARGUMENT;
    ull_limit_state *state = &self->states[index];
    for (unsigned j = 0; j < LEVELS; j++) {
        ull_limit_votes *level = &state->level[j];
        level->votes &= UINT64_MAX >> (64 - limit->m);
        level->hits = 0;
        for (uint64_t votes = level->votes; votes; votes &= votes - 1) level->hits++;
    }
    self->limits[index] = *limit;
    derive(state, limit);
    return ULL_OK;
}

ull_status ull_limits_restore(ull_limits *self, size_t index, uint8_t on) {
    if (!self || index >= self->count) return ULL_ARGUMENT;
    if (on & ~(unsigned)levels_of(&self->limits[index])) return ULL_ARGUMENT;
    ull_limit_state *state = &self->states[index];
    memset(state->level, 0, sizeof state->level);
    state->on = on;
    state->peak = NAN;
    settle(state, &self->limits[index]);
    return ULL_OK;
}
