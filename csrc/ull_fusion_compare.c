#include "ull_fusion_parts.h"

static const double APART_GAIN = 1.0 / 8.0;
static const double LINE_VARIANCE = 2.5;         /* of a moving mean without lag, over that of one with it */
static const double OF_MIDDLE_VARIANCE = 2.5;    /* of one less the middle, over its own; with the choice of who is the middle */
static const size_t SETTLED = 3;                 /* the scale of 256 rounds */
static const unsigned ENOUGH_TO_GATE = 16;       /* rounds learned; the offset is then known to sigma / 4 */

/* What it would have read at `time_ns`, offset taken off: between its last two samples, or else the newest. */
static double at(const ull_fusion_member *member, int64_t time_ns) {
    double value = member->value;
    if (member->before_ns && member->before_ns <= time_ns && time_ns < member->time_ns) {
        const double share = (double)(member->time_ns - time_ns) / (double)(member->time_ns - member->before_ns);
        value -= share * (member->value - member->before);
    }
    return value - member->offset;
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

void ull_fusion_compare(ull_fusion *fusion) {
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
