#include "ull_fusion.h"

#include <math.h>

#include "ull_fusion_parts.h"

static const double APART_VARIANCE = 1.0 / 15.0; /* gain / (2 - gain) */
static const int64_t START_INTERVALS = 3;        /* of the slowest instrument, until all should have spoken */

static void put(const ull_table *table, uint32_t row, double value, double sigma, int64_t time_ns,
                unsigned quality) {
    if (row == ULL_FUSION_NO_ROW) return;
    table->value[row] = value;
    table->sigma[row] = sigma;
    table->time_ns[row] = time_ns;
    table->quality[row] = (uint8_t)quality;
}

ull_status ull_fusion_init(ull_fusion *fusion, const ull_fusion_settings *settings) {
    if (!fusion || !settings || settings->count < 2 || settings->count > ULL_FUSION_MOST ||
        !(settings->tolerance > 0.0) || (settings->safe != 1 && settings->safe != -1)) {
        return ULL_ARGUMENT;
    }
    for (size_t i = 0; i < settings->count; i++) {
        if (!(settings->input[i].noise > 0.0) || settings->input[i].interval_ns < 1) return ULL_ARGUMENT;
    }
    *fusion = (ull_fusion){.settings = *settings, .value = NAN};
    for (size_t i = 0; i < settings->count; i++) {
        const ull_fusion_input *input = &settings->input[i];
        fusion->member[i].weight = 1.0 / (input->noise * input->noise * (double)input->interval_ns);
        if (START_INTERVALS * input->interval_ns > fusion->wait_ns)
            fusion->wait_ns = START_INTERVALS * input->interval_ns;
    }
    return ULL_OK;
}

/* The new samples; answers the trust and source bits of all rows together. */
static unsigned take(ull_fusion *fusion, const ull_table *table) {
    unsigned quality = 0;
    fusion->live = 0;
    for (size_t i = 0; i < fusion->settings.count; i++) {
        ull_fusion_member *member = &fusion->member[i];
        const uint32_t row = fusion->settings.input[i].row;
        quality |= table->quality[row];
        if ((table->quality[row] & ULL_TRUST) != ULL_GOOD || !isfinite(table->value[row])) continue;
        fusion->live |= 1U << i;
        if (table->time_ns[row] == member->time_ns) continue;
        member->before_ns = member->time_ns;
        member->before = member->value;
        member->time_ns = table->time_ns[row];
        member->value = table->value[row] * fusion->settings.safe;
        member->sigma = table->sigma[row];
        if (!(member->sigma > 0.0)) member->sigma = fusion->settings.input[i].noise;
        member->is_new = member->round_is_new = 1;
    }
    return quality;
}

/* Where the departures of `mask` put the level. */
static double level(const ull_fusion *fusion, unsigned mask, int settled) {
    double x[ULL_FUSION_MOST] = {0}, highest = -INFINITY;
    for (size_t i = 0; i < fusion->settings.count; i++) {
        x[i] = settled ? fusion->member[i].settled : fusion->member[i].departure;
        if (has(mask, i)) highest = fmax(highest, x[i]);
    }
    if (size_of(mask) == 3) return middle_of_three(x);
    return mask ? highest : 0.0;
}

static void write_spread(const ull_fusion *fusion, const ull_table *table, unsigned peers, int64_t time_ns,
                         unsigned source) {
    double apart[ULL_FUSION_MOST] = {0}, lowest = INFINITY, highest = -INFINITY, low_sigma = 0, high_sigma = 0;
    const int known = size_of(peers) >= 2;
    for (size_t i = 0; i < fusion->settings.count; i++) {
        const ull_fusion_member *member = &fusion->member[i];
        apart[i] = member->apart;
        if (!has(peers, i)) continue;
        if (apart[i] < lowest) lowest = apart[i], low_sigma = member->sigma;
        if (apart[i] >= highest) highest = apart[i], high_sigma = member->sigma;
    }
    put(table, fusion->settings.spread_row, known ? highest - lowest : NAN,
        known ? hypot(low_sigma, high_sigma) * sqrt(APART_VARIANCE) : NAN, time_ns,
        (known ? ULL_GOOD : ULL_BAD) | source);
    const int named = size_of(peers) == 3; /* of two it is anybody's guess */
    const double middle = middle_of_three(apart);
    for (size_t i = 0; i < fusion->settings.count; i++) {
        put(table, fusion->settings.input[i].departs_row,
            named ? (apart[i] - middle) * fusion->settings.safe : NAN,
            named ? fusion->member[i].sigma * sqrt(APART_VARIANCE) : NAN, time_ns,
            (named ? ULL_GOOD : ULL_BAD) | source);
    }
}

/* Those that are there begin together; who comes later learns first. */
static void start(ull_fusion *fusion, int64_t now_ns) {
    const unsigned all = (1U << fusion->settings.count) - 1U;
    if (!fusion->start_ns) fusion->start_ns = now_ns;
    if (fusion->live != all && now_ns - fusion->start_ns < fusion->wait_ns) return;
    fusion->started = 1;
    for (size_t i = 0; i < fusion->settings.count; i++) fusion->member[i].joined = (uint8_t)has(fusion->live, i);
}

/* Nobody is left of those that count: the others take up where the series was. */
static void inherit(ull_fusion *fusion) {
    for (size_t i = 0; i < fusion->settings.count; i++) {
        ull_fusion_member *member = &fusion->member[i];
        if (!has(fusion->live, i)) continue;
        member->offset = member->value - fusion->value;
        if (!(fabs(member->offset) <= 2.0 * fusion->settings.tolerance)) member->offset = 0.0;
        member->departure = member->settled = 0.0;
        member->joined = 1;
    }
    fusion->shift = 0.0;
    fusion->voting = 0;
}

/* Others say where the level is from now on. All of them together need no shift, so none is carried for ever. */
static void vote(ull_fusion *fusion, unsigned voting) {
    if (!voting || voting == fusion->voting) return;
    if (size_of(voting) == fusion->settings.count) {
        fusion->shift = 0.0;
    } else if (fusion->voting) {
        fusion->shift += level(fusion, fusion->voting, 1) - level(fusion, voting, 1);
    }
    fusion->voting = voting;
}

static void write_fused(ull_fusion *fusion, const ull_table *table, unsigned used, unsigned trust,
                        unsigned source) {
    double value = 0.0, variance = 0.0, weights = 0.0, late_ns = 0.0;
    int64_t shortest_ns = INT64_MAX, first_ns = INT64_MAX;
    for (size_t i = 0; i < fusion->settings.count; i++) {
        if (!has(used, i)) continue;
        const ull_fusion_member *member = &fusion->member[i];
        weights += member->weight;
        if (fusion->settings.input[i].interval_ns < shortest_ns)
            shortest_ns = fusion->settings.input[i].interval_ns;
        if (member->time_ns < first_ns) first_ns = member->time_ns;
    }
    for (size_t i = 0; i < fusion->settings.count; i++) {
        if (!has(used, i)) continue;
        const ull_fusion_member *member = &fusion->member[i];
        const double share = member->weight / weights;
        /* One asked less often is the same in several results: its noise averages away less. */
        const double repeats = (double)fusion->settings.input[i].interval_ns / (double)shortest_ns;
        value += share * (member->value - member->offset - member->departure);
        variance += share * share * repeats * member->sigma * member->sigma;
        late_ns += share * (double)(member->time_ns - first_ns);
    }
    const int64_t time_ns = first_ns + (int64_t)late_ns;
    if (time_ns <= fusion->time_ns) return;
    fusion->time_ns = time_ns;
    fusion->value = value + level(fusion, fusion->voting, 0) + fusion->shift;
    put(table, fusion->settings.row, fusion->value * fusion->settings.safe, sqrt(variance), time_ns,
        trust | source);
}

/* No input is GOOD. What was last written stays, but not the trust in it; BAD has no value. */
static void blind(ull_fusion *fusion, const ull_table *table, unsigned quality) {
    const ull_fusion_settings *settings = &fusion->settings;
    const uint32_t row = settings->row, written[] = {settings->spread_row, settings->input[0].departs_row,
                                                     settings->input[1].departs_row, settings->input[2].departs_row};
    const unsigned source = quality & ULL_SOURCE;
    const int silent = !(quality & (ULL_UNCERTAIN | ULL_BAD | ULL_GOOD));
    int64_t newest_ns = fusion->time_ns;
    for (size_t i = 0; i < settings->count; i++) {
        const uint32_t input = settings->input[i].row;
        if (!(table->quality[input] & ULL_STALE) && table->time_ns[input] > newest_ns)
            newest_ns = table->time_ns[input];
    }
    if (!silent && newest_ns == fusion->time_ns) return;
    fusion->time_ns = newest_ns;
    for (size_t i = 0; i <= settings->count; i++) {
        if (written[i] == ULL_FUSION_NO_ROW) continue;
        if (silent) {
            table->quality[written[i]] = (uint8_t)(ULL_STALE | source);
        } else {
            put(table, written[i], NAN, NAN, newest_ns, ULL_BAD | source);
        }
    }
    if (silent) {
        table->quality[row] = (uint8_t)(ULL_STALE | source);
    } else if (quality & ULL_UNCERTAIN && isfinite(table->value[row])) {
        put(table, row, table->value[row], table->sigma[row], newest_ns, ULL_UNCERTAIN | source);
    } else {
        put(table, row, NAN, NAN, newest_ns, ULL_BAD | source);
    }
}

static void step(ull_fusion *fusion, const ull_table *table) {
    const unsigned quality = take(fusion, table), source = quality & ULL_SOURCE;
    if (!fusion->live) {
        blind(fusion, table, quality);
        return;
    }
    unsigned is_new = 0;
    int64_t now_ns = 0;
    for (size_t i = 0; i < fusion->settings.count; i++) {
        ull_fusion_member *member = &fusion->member[i];
        is_new |= (unsigned)member->is_new << i;
        if (member->is_new && member->time_ns > now_ns) now_ns = member->time_ns;
        member->is_new = 0;
    }
    if (!is_new) return;
    if (!fusion->started) start(fusion, now_ns);
    unsigned present = fusion->live & joined(fusion);
    if (fusion->started && !present) {
        inherit(fusion);
        present = fusion->live;
    }
    vote(fusion, present & ~fusion->departed);
    if (size_of(fusion->live) >= 2) {
        fusion->alone = 0;
        ull_fusion_compare(fusion);
        present = fusion->live & joined(fusion);
    } else if (++fusion->alone >= ULL_FUSION_PERSIST) { /* gone for good: somebody may know which was wrong */
        fusion->alone = ULL_FUSION_PERSIST;
        fusion->disagree = 0;
        fusion->torn = 0;
    }
    unsigned used = present & ~fusion->departed & ~fusion->torn;
    const int believed = fusion->started && used && !fusion->disagree;
    if (!used) used = present ? present : fusion->live;
    if (used & is_new) write_fused(fusion, table, used, believed ? ULL_GOOD : ULL_UNCERTAIN, source);
    write_spread(fusion, table, present, now_ns, source);
}

ull_status ull_fusion_step_many(ull_fusion *fusions, size_t count, const ull_table *table) {
    if (!table || (count && !fusions)) return ULL_ARGUMENT;
    for (size_t f = 0; f < count; f++) {
        const ull_fusion_settings *settings = &fusions[f].settings;
        if (settings->row >= table->rows || settings->spread_row >= table->rows) return ULL_ARGUMENT;
        for (size_t i = 0; i < settings->count; i++) {
            const uint32_t departs = settings->input[i].departs_row;
            if (settings->input[i].row >= table->rows || (departs != ULL_FUSION_NO_ROW && departs >= table->rows))
                return ULL_ARGUMENT;
        }
    }
    for (size_t f = 0; f < count; f++) step(&fusions[f], table);
    return ULL_OK;
}
