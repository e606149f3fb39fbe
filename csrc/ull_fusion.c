#include "ull_fusion.h"

#include <math.h>

static const double APART_GAIN = 1.0 / 8.0;
static const double APART_VARIANCE = 1.0 / 15.0; /* gain / (2 - gain) */
static const double LINE_VARIANCE = 2.5;         /* of a moving mean without lag, over that of one with it */
static const double OF_MIDDLE_VARIANCE = 2.5;    /* of one less the middle, over its own; with the choice of who is the middle */
static const size_t SETTLED = 3;                 /* the scale of 256 rounds */
static const unsigned ENOUGH_TO_GATE = 16;       /* rounds learned; the offset is then known to sigma / 4 */
static const int64_t START_INTERVALS = 3;        /* of the slowest instrument, until all should have spoken */

static int has(unsigned mask, size_t i) { return (int)(mask >> i & 1U); }

static unsigned size_of(unsigned mask) { return (mask & 1U) + (mask >> 1 & 1U) + (mask >> 2 & 1U); }

static double middle_of_three(const double *x) {
    return fmax(fmin(x[0], x[1]), fmin(fmax(x[0], x[1]), x[2]));
}

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

/* What it would have read at `time_ns`, offset taken off: between its last two samples, or else the newest. */
static double at(const ull_fusion_member *member, int64_t time_ns) {
    double value = member->value;
    if (member->before_ns && member->before_ns <= time_ns && time_ns < member->time_ns) {
        const double share = (double)(member->time_ns - time_ns) / (double)(member->time_ns - member->before_ns);
        value -= share * (member->value - member->before);
    }
    return value - member->offset;
}

static unsigned joined(const ull_fusion *fusion) {
    unsigned mask = 0;
    for (size_t i = 0; i < fusion->settings.count; i++) mask |= (unsigned)fusion->member[i].joined << i;
    return mask;
}

/* Weighted mean of `x` over `mask`. */
static double mean(const ull_fusion *fusion, unsigned mask, const double *x) {
    double sum = 0.0, weights = 0.0;
    for (size_t i = 0; i < fusion->settings.count; i++) {
        if (!has(mask, i)) continue;
        sum += fusion->member[i].weight * x[i];
        weights += fusion->member[i].weight;
    }
    return sum / weights;
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

/* The middle of three; of two the mean. */
static double centre(const ull_fusion *fusion, unsigned mask, const double *x) {
    return size_of(mask) == 3 ? middle_of_three(x) : mean(fusion, mask, x);
}

static double variance_of(const ull_fusion *fusion, unsigned mask, size_t i) {
    double weights = 0.0, variance = 0.0;
    for (size_t j = 0; j < fusion->settings.count; j++) {
        if (has(mask, j)) weights += fusion->member[j].weight;
    }
    for (size_t j = 0; j < fusion->settings.count; j++) {
        const double share = (has(mask, j) ? fusion->member[j].weight / weights : 0.0) - (i == j ? 1.0 : 0.0);
        variance += share * share * fusion->member[j].sigma * fusion->member[j].sigma;
    }
    return variance;
}

/* Who is too far from its peers in this round; two are torn together. `x`: offsets and departures taken off. */
static unsigned torn_of(const ull_fusion *fusion, unsigned mask, const double *x) {
    unsigned torn = 0;
    const double middle = size_of(mask) == 3 ? middle_of_three(x) : NAN;
    for (size_t i = 0; i < fusion->settings.count; i++) {
        for (size_t j = 0; j < fusion->settings.count; j++) {
            if (i == j || !has(mask, i) || !has(mask, j) || (size_of(mask) == 3 && x[j] != middle)) continue;
            const double sigma = hypot(fusion->member[i].sigma, fusion->member[j].sigma);
            if (fabs(x[i] - x[j]) > ULL_FUSION_GATE * sigma) torn |= 1U << i;
        }
    }
    return torn;
}

static void learn(ull_fusion *fusion, unsigned round, unsigned frame, const double *x) {
    const double middle = mean(fusion, frame, x);
    for (size_t i = 0; i < fusion->settings.count; i++) {
        ull_fusion_member *member = &fusion->member[i];
        if (!has(round, i) || member->learned >= ULL_FUSION_LEARN) continue;
        member->offset += (x[i] - middle) / ++member->learned;
        if (member->learned < ULL_FUSION_LEARN || member->joined) continue;
        if (fabs(member->offset) <= 2.0 * fusion->settings.tolerance) {
            member->joined = 1;
            member->apart = 0.0;
        } else {
            member->learned = 0;
            member->offset = 0.0;
        }
    }
}

/* The moving means take one round more, and the departures follow: the longest first, a shorter one where it differs. */
static void follow(ull_fusion *fusion, unsigned round, unsigned frame, const double *x) {
    const double mean_x = mean(fusion, frame, x), first = 1.0 / ((double)fusion->rounds + 1.0);
    const int of_three = size_of(round) == 3;
    double sigma[ULL_FUSION_MOST] = {0};
    for (size_t i = 0; i < fusion->settings.count; i++) {
        if (!has(round, i)) continue;
        fusion->member[i].departure = 0.0;
        sigma[i] = of_three ? sqrt(OF_MIDDLE_VARIANCE) * fusion->member[i].sigma : sqrt(variance_of(fusion, frame, i));
    }
    for (size_t k = ULL_FUSION_SCALES; k-- > 0;) {
        const double gain = fmax(first, ldexp(1.0, -2 * ((int)k + 1)));
        fusion->variance[k] = (1.0 - gain) * (1.0 - gain) * fusion->variance[k] + gain * gain;
        const double sigmas = ULL_FUSION_SIGMAS * sqrt(LINE_VARIANCE * fusion->variance[k]);
        double now[ULL_FUSION_MOST] = {0};
        for (size_t i = 0; i < fusion->settings.count; i++) now[i] = fusion->member[i].slow[k];
        const double middle = mean_x - mean(fusion, frame, now);
        for (size_t i = 0; i < fusion->settings.count; i++) {
            ull_fusion_member *member = &fusion->member[i];
            if (!has(round, i)) continue;
            member->slow[k] += gain * (x[i] - middle - member->slow[k]);
            member->slower[k] += gain * (member->slow[k] - member->slower[k]);
            now[i] = 2.0 * member->slow[k] - member->slower[k];
        }
        const double centre_now = centre(fusion, round, now);
        for (size_t i = 0; i < fusion->settings.count; i++) {
            const double departure = now[i] - centre_now;
            if (has(round, i) && fabs(departure - fusion->member[i].departure) > sigmas * sigma[i])
                fusion->member[i].departure = departure;
            if (has(round, i) && k == SETTLED) fusion->member[i].settled = fusion->member[i].departure;
        }
    }
    if (fusion->rounds < UINT32_MAX) fusion->rounds++;
}

/* Who is beyond the tolerance for longer than a moment. */
static void judge(ull_fusion *fusion, unsigned peers, const double *x) {
    const double middle = centre(fusion, peers, x), tolerance = fusion->settings.tolerance;
    double apart[ULL_FUSION_MOST] = {0};
    for (size_t i = 0; i < fusion->settings.count; i++) {
        ull_fusion_member *member = &fusion->member[i];
        if (has(peers, i)) member->apart += APART_GAIN * (x[i] - middle - member->apart);
        apart[i] = member->apart;
    }
    if (size_of(peers) == 3) {
        const double centre_apart = middle_of_three(apart);
        for (size_t i = 0; i < 3; i++) {
            const double distance = fabs(apart[i] - centre_apart);
            if (distance > tolerance) fusion->departed |= 1U << i;
            if (distance >= 0.5 * tolerance || !has(fusion->departed, i)) continue;
            fusion->departed &= ~(1U << i);
            fusion->member[i].joined = fusion->member[i].learned >= ULL_FUSION_LEARN; /* else it learns first */
        }
        fusion->disagree = size_of(fusion->departed & peers) >= 2;
        return;
    }
    double lowest = INFINITY, highest = -INFINITY;
    for (size_t i = 0; i < fusion->settings.count; i++) {
        if (!has(peers, i)) continue;
        lowest = fmin(lowest, apart[i]);
        highest = fmax(highest, apart[i]);
    }
    if (highest - lowest < 0.5 * tolerance) {
        fusion->disagree = 0;
        fusion->departed &= ~peers;
    } else if (highest - lowest > tolerance && !(fusion->departed & peers)) {
        fusion->disagree = 1;
    }
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

/* Who is too far off to learn an offset from: it is forgotten, so that all of the difference is judged. */
static unsigned strangers(ull_fusion *fusion, unsigned learning, unsigned peers, double *x, double *rest) {
    unsigned found = 0;
    double raw[ULL_FUSION_MOST] = {0}, lowest = INFINITY, highest = -INFINITY;
    for (size_t i = 0; i < fusion->settings.count; i++) {
        if (!has(peers, i)) continue;
        raw[i] = x[i] + fusion->member[i].offset;
        lowest = fmin(lowest, raw[i]);
        highest = fmax(highest, raw[i]);
    }
    for (size_t i = 0; i < fusion->settings.count; i++) {
        ull_fusion_member *member = &fusion->member[i];
        const double off = size_of(peers) == 3 ? fabs(raw[i] - middle_of_three(raw)) : highest - lowest;
        const double noise = ULL_FUSION_GATE * sqrt(2.0) * member->sigma;
        if (!has(learning, i) || off <= 2.0 * fusion->settings.tolerance + noise) continue;
        found |= 1U << i;
        x[i] = rest[i] = raw[i];
        member->offset = 0.0;
        member->learned = 0;
        member->apart = raw[i] - centre(fusion, peers, raw); /* far enough to be judged so at once */
    }
    return found;
}

/* Compare the live instruments, once each of them has a new sample. */
static void compare(ull_fusion *fusion) {
    double x[ULL_FUSION_MOST] = {0}, rest[ULL_FUSION_MOST] = {0};
    int64_t oldest_ns = INT64_MAX;
    unsigned learning = 0, gated = 0;
    for (size_t i = 0; i < fusion->settings.count; i++) {
        if (!has(fusion->live, i)) continue;
        if (!fusion->member[i].round_is_new) return;
        if (fusion->member[i].time_ns < oldest_ns) oldest_ns = fusion->member[i].time_ns;
    }
    for (size_t i = 0; i < fusion->settings.count; i++) {
        ull_fusion_member *member = &fusion->member[i];
        if (!has(fusion->live, i)) continue;
        member->round_is_new = 0;
        x[i] = at(member, oldest_ns);
        rest[i] = x[i] - member->departure;
        if (member->learned < ULL_FUSION_LEARN) learning |= 1U << i;
        if (member->joined && member->learned >= ENOUGH_TO_GATE) gated |= 1U << i;
    }
    const unsigned peers = fusion->live & joined(fusion);
    unsigned frame = peers & ~fusion->departed;
    if (!frame) return;

    if (learning & peers) frame &= ~strangers(fusion, learning & peers, peers, x, rest);
    const unsigned torn = torn_of(fusion, frame & gated, rest);
    /* A spike is no disagreement yet; it tears two rounds, for in the second there is interpolated from it. */
    if (size_of(peers) >= 2 && (!torn || fusion->torn_run >= 2)) judge(fusion, peers, x);
    fusion->torn = torn;
    frame &= ~fusion->departed;
    if (fusion->torn) {
        if (++fusion->torn_run >= ULL_FUSION_PERSIST) {
            fusion->torn_run = 0;
            fusion->rounds = 0;
        } else {
            return;
        }
    } else if (fusion->torn_run > 0) {
        fusion->torn_run--;
    }
    if (!frame || fusion->disagree) return;
    if (learning & (frame | ~joined(fusion))) learn(fusion, fusion->live & ~fusion->departed & (frame | ~peers), frame, x);
    if (learning & frame) return;
    follow(fusion, peers, frame & ~fusion->torn ? frame & ~fusion->torn : frame, x);
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
        compare(fusion);
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
