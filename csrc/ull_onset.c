#include "ull_onset.h"

#include <math.h>

/* The onset is weighed over a grid: PARTS between two hypotheses, and where that is too coarse FINE on the stretch that
 * matters, again and again until ENOUGH of them do. docs/leak-models.md, "Rate and onset". */
enum { PARTS = 4, FINE = 24, ENOUGH = 8, ZOOMS = 16, POINTS = PARTS * (ULL_DETECTOR_VIEWS - 1) };
_Static_assert(FINE <= POINTS, "the fine grid fits");

static const double MATTERS = 12.0;   /* a fit worse than the best by this has e^-6 of its likelihood: out */
static const double ROUNDING = 1e-15; /* of z^2: in a signal that strong smaller differences are noise */
static const double CERTAIN = 8.0;    /* z: the rate's least, 0, is out of sight */
static const double SQRT_HALF = 0.70710678118654752440;
static const double DENSITY_0 = 0.39894228040143267794; /* of the normal distribution at 0 */

/* From one hypothesis back to the next older one: the onset may lie anywhere between. What came after the young one is
 * a line. Of the stretch only two sums are kept: of an onset d before the young one they tell by their means, b m0 and
 * b m1. For them its samples are taken to be evenly spread, but for one gap; `edge` makes the means exact at the old
 * end, and those of an even spacing everywhere. */
typedef struct {
    double age, span;             /* of the young one; to the old one */
    double y0, y1, g0, g1, g2;    /* after the young one, less the old one's level */
    double density, gap, gap_end; /* information per interval of time; before the young one */
    double edge0, edge1;
    double q0, q1, w00, w01, w11; /* inverse covariance W of the two sums, and W times them */
    double r0, all, variance;     /* both together: what the level says, its information, its variance before */
    double offset;                /* of `fit`, that it may be compared with that of younger stretches */
} stretch;

/* An onset: z and standard error of the rate if it were known. `fit`: twice the log likelihood. */
typedef struct {
    double age, width, z, sigma, fit;
} onset;

static double residual0(const ull_detector_sums *sums, double level) { return sums->e0 - level * sums->g0; }
static double residual1(const ull_detector_sums *sums, double level) { return sums->e1 - level * sums->g1; }

/* The means for a rate of 1. */
static void foot_at(const stretch *s, double d, double *m0, double *m1) {
    const double near = fmin(d, s->gap), far = fmax(d - s->gap_end, 0.0); /* samples after the onset, as time */
    const double near_middle = 0.5 * near, far_middle = s->gap_end + 0.5 * far;
    *m0 = s->density * (near * (d - near_middle) + far * (d - far_middle)) + d * s->edge0;
    *m1 = s->density * (near * (near * near / 3.0 - d * near_middle) +
                        far * (far_middle * far_middle + far * far / 12.0 - d * far_middle)) +
          d * s->edge1;
}

/* Of a stretch with information n0, whose time before the young one has the mean and mean square given. */
static void find_gap(stretch *s, double n0, double mean, double square, double density) {
    const double full = n0 / density, gap = s->span - full;
    s->density = n0 / s->span;
    s->gap = s->gap_end = s->span;
    if (!(gap >= 2.0)) return;
    const double near = fmin(fmax(full * (s->span - mean - 0.5 * full) / gap, 0.0), full), end = near + gap;
    const double with_gap = (near * near * near + s->span * s->span * s->span - end * end * end) / (3.0 * full);
    if (fabs(square - with_gap) > fabs(square - s->span * s->span / 3.0)) return; /* sparse, but even */
    s->density = density;
    s->gap = near;
    s->gap_end = end;
}

static stretch between(const ull_detector *detector, const ull_detector_view *young, const ull_detector_view *old,
                       double now) {
    const ull_detector_sums *y = &young->sums, *o = &old->sums;
    const double span = y->time - o->time, level = old->level;
    stretch s = {.age = now - y->time,
                 .span = span,
                 .y0 = residual0(y, level),
                 .y1 = residual1(y, level),
                 .g0 = y->g0,
                 .g1 = y->g1,
                 .g2 = y->g2,
                 .r0 = residual0(o, level),
                 .all = o->g0,
                 .variance = old->variance};
    const double s0 = s.r0 - s.y0, s1 = residual1(o, level) - s.y1 - span * s.r0;
    const double n0 = o->g0 - y->g0, n1 = o->g1 - y->g1 - span * o->g0;
    const double n2 = o->g2 - y->g2 - 2.0 * span * (o->g1 - span * o->g0) - span * span * o->g0;
    const double phi = detector->phi_one, u = (1.0 - phi) * detector->scale_one;
    const double ahead = 0.5 + phi / (1.0 - phi); /* of whitened samples before the time that they stand for */
    const double mean = ahead - n1 / n0;
    find_gap(&s, n0, mean, n2 / n0 + ahead * (2.0 * mean - ahead), u * u);
    double m0, m1;
    foot_at(&s, span, &m0, &m1);
    s.edge0 = (n1 + span * n0 - m0) / span;
    s.edge1 = (n2 + span * n1 - m1) / span;
    const double det = n0 * n2 - n1 * n1;
    if (det > 1e-12 * n0 * n2) { /* else lost in rounding: a stretch that is all gap */
        s.w00 = n2 / det, s.w01 = -n1 / det, s.w11 = n0 / det;
        s.q0 = s.w00 * s0 + s.w01 * s1, s.q1 = s.w01 * s0 + s.w11 * s1;
    }
    return s;
}

/* Least squares for the rate with the onset d before the young one, the level known to `variance`. */
static onset onset_at(const stretch *s, double d, double width) {
    double m0, m1;
    foot_at(s, d, &m0, &m1);
    const double level = s->g1 + d * s->g0 + m0;
    const double share = s->variance * level / (1.0 + s->variance * s->all);
    const double a = s->y1 + d * s->y0 + s->q0 * m0 + s->q1 * m1 - share * s->r0;
    const double i = s->g2 + d * (2.0 * s->g1 + d * s->g0) + (s->w00 * m0 + 2.0 * s->w01 * m1) * m0 +
                     s->w11 * m1 * m1 - share * level;
    const double sigma = 1.0 / sqrt(i), z = a * sigma;
    return (onset){.age = s->age + d, .width = width, .z = z, .sigma = sigma, .fit = z * fabs(z) + s->offset};
}

/* Each z^2 compares with "no leak" at the level of its own hypothesis. Those levels are means of different length, and
 * a gross leak makes much of a small difference. So stretches are made to agree on the hypothesis that they share. */
static int stretches_of(const ull_detector *detector, const ull_detector_view *views, int count, double now,
                        stretch *stretches) {
    for (int i = 0; i < count - 1; i++) stretches[i] = between(detector, &views[i], &views[i + 1], now);
    for (int i = 1; i < count - 1; i++) {
        const stretch *younger = &stretches[i - 1];
        stretches[i].offset = onset_at(younger, younger->span, 0.0).fit - onset_at(&stretches[i], 0.0, 0.0).fit;
    }
    return count - 1;
}

static int coarse_grid(const stretch *stretches, int count, onset *grid) {
    for (int i = 0; i < count * PARTS; i++) {
        const stretch *s = &stretches[i / PARTS];
        const double width = s->span / PARTS;
        grid[i] = onset_at(s, (i % PARTS + 0.5) * width, width);
    }
    return count * PARTS;
}

static int fine_grid(const stretch *stretches, int count, double youngest, double oldest, onset *grid) {
    const double width = (oldest - youngest) / FINE;
    int j = 0;
    for (int i = 0; i < FINE; i++) {
        const double age = youngest + (i + 0.5) * width;
        while (j + 1 < count && age > stretches[j + 1].age) j++;
        grid[i] = onset_at(&stretches[j], age - stretches[j].age, width);
    }
    return FINE;
}

/* From the first to the last onset that matters. */
typedef struct {
    int first, last, count; /* 0: no fall anywhere */
    double best, least;     /* fit */
    double unit;            /* of fit: 1, or more than rounding */
} reach;

static int matters(const onset *o, const reach *r) { return o->z > 0.0 && o->fit >= r->least; }

static reach reach_of(const onset *grid, int count) {
    reach r = {.best = -INFINITY};
    double z = 0.0;
    for (int i = 0; i < count; i++) {
        z = fmax(z, grid[i].z);
        if (grid[i].z > 0.0) r.best = fmax(r.best, grid[i].fit);
    }
    r.unit = fmax(1.0, ROUNDING * z * z);
    r.least = r.best - MATTERS * r.unit;
    for (int i = 0; i < count; i++) {
        if (!matters(&grid[i], &r)) continue;
        if (r.count++ == 0) r.first = i;
        r.last = i;
    }
    return r;
}

/* Over the onsets of a grid: the rate is positive and any as likely before, so each onset gives a normal distribution
 * without its negative part. Before, an onset of age n has the weight sqrt(n): then no scale is preferred, and the spread
 * covers. The mean takes n^2, which makes it unbiased for all leaks that are found: young onsets with their huge rates
 * would draw it up. Measured, docs/leak-models.md. */
typedef struct {
    double rate, var_rate, age, var_age;
} posterior;

static posterior posterior_of(const onset *grid, const reach *r) {
    const double oldest = grid[r->last].age;
    double rate[POINTS], var[POINTS], weight[POINTS];
    double sum = 0.0, sum_rate = 0.0, sum_age = 0.0;
    for (int i = r->first; i <= r->last; i++) {
        const onset *o = &grid[i];
        weight[i] = 0.0;
        if (!matters(o, r)) continue;
        double beyond = 1.0, pull = 0.0; /* the normal's part above 0, and how far the rest lifts its mean */
        if (o->z < CERTAIN) {
            beyond = 0.5 * erfc(-SQRT_HALF * o->z);
            pull = DENSITY_0 * exp(-0.5 * o->z * o->z) / beyond;
        }
        rate[i] = o->sigma * (o->z + pull);
        var[i] = o->sigma * o->sigma * (1.0 - pull * (o->z + pull));
        const double age = o->age / oldest;
        weight[i] = exp(0.5 * (o->fit - r->best) / r->unit) * o->sigma * o->width * beyond * sqrt(age);
        const double w = weight[i] * age * sqrt(age);
        sum += w, sum_rate += w * rate[i], sum_age += w * o->age;
    }
    posterior p = {.rate = sum_rate / sum, .age = sum_age / sum};
    sum = 0.0;
    for (int i = r->first; i <= r->last; i++) {
        if (weight[i] <= 0.0) continue;
        sum += weight[i];
        p.var_rate += weight[i] * (var[i] + (rate[i] - p.rate) * (rate[i] - p.rate));
        p.var_age += weight[i] * (grid[i].age - p.age) * (grid[i].age - p.age);
    }
    p.var_rate /= sum;
    p.var_age /= sum;
    return p;
}

/* False where no hypothesis sees a fall. */
static int weigh_onsets(const ull_detector *detector, const ull_detector_view *views, int count, double now,
                        posterior *p) {
    if (count < 2) return 0;
    stretch stretches[ULL_DETECTOR_VIEWS];
    onset grid[POINTS];
    const int held = stretches_of(detector, views, count, now, stretches);
    const double youngest = stretches[0].age, oldest = stretches[held - 1].age + stretches[held - 1].span;
    int points = coarse_grid(stretches, held, grid);
    reach r = reach_of(grid, points);
    for (int zoom = 0; zoom < ZOOMS && r.count > 0 && r.last - r.first + 1 < ENOUGH; zoom++) {
        const double from = r.first > 0 ? grid[r.first - 1].age : youngest;
        const double to = r.last + 1 < points ? grid[r.last + 1].age : oldest;
        points = fine_grid(stretches, held, from, to, grid);
        r = reach_of(grid, points);
    }
    if (r.count > 0) *p = posterior_of(grid, &r);
    return r.count > 0;
}

/* The straight line after a hypothesis was born, level unknown: its rate, and how far it is below the level then. */
typedef struct {
    double rate, below, var_rate;
} line;

static line line_of(const ull_detector_view *view) {
    const ull_detector_sums *sums = &view->sums;
    const double r0 = residual0(sums, view->level), r1 = residual1(sums, view->level);
    const double det = sums->g0 * sums->g2 - sums->g1 * sums->g1;
    return (line){.rate = (sums->g0 * r1 - sums->g1 * r0) / det,
                  .below = (sums->g2 * r0 - sums->g1 * r1) / det,
                  .var_rate = sums->g0 / det};
}

static double z_of(const ull_detector_view *view) {
    const ull_detector_sums *sums = &view->sums;
    const double share = view->variance * sums->g1 / (1.0 + view->variance * sums->g0);
    return (residual1(sums, view->level) - share * residual0(sums, view->level)) / sqrt(sums->g2 - share * sums->g1);
}

static double now_of(const ull_detector *s) {
    return (double)((uint64_t)s->last_ns - (uint64_t)s->origin_ns) / (double)s->settings.interval_ns;
}

void ull_detector_result(const ull_detector *detector, ull_detector_verdict *verdict) {
    const ull_detector *s = detector;
    *verdict = (ull_detector_verdict){.certainty = ull_detector_certainty(s),
                                      .rate_per_s = NAN,
                                      .sigma_rate_per_s = NAN,
                                      .sigma_onset_s = NAN};
    ull_detector_view views[ULL_DETECTOR_VIEWS];
    const int count = ull_detector_views(s, views);
    if (count == 0) return;
    int best = count - 1; /* when all rise, the longest */
    double z = fmax(z_of(&views[best]), 0.0);
    for (int i = best; i >= 0; i--) {
        const double each = z_of(&views[i]);
        if (each > z) best = i, z = each;
    }
    verdict->lag = views[best].lag;
    const double now = now_of(s);
    const line fit = line_of(&views[best]);
    const int older = best == count - 1 && fit.below >= 0.0; /* than every hypothesis */
    posterior p;
    if (older || !weigh_onsets(s, views, count, now, &p)) {
        verdict->rate_per_s = (fit.rate + s->allowed) / s->per_interval;
        verdict->sigma_rate_per_s = sqrt(fit.var_rate) / s->per_interval;
        if (fit.rate > 0.0) verdict->sigma_onset_s = INFINITY;
        return;
    }
    verdict->rate_per_s = (p.rate + s->allowed) / s->per_interval;
    verdict->sigma_rate_per_s = sqrt(p.var_rate) / s->per_interval;
    const uint64_t age_ns = (uint64_t)(p.age * (double)s->settings.interval_ns); /* may be beyond int64_t */
    verdict->onset_ns = (int64_t)((uint64_t)s->last_ns - age_ns);
    verdict->sigma_onset_s = sqrt(p.var_age) * s->per_interval;
}

size_t ull_detector_slopes(const ull_detector *detector, ull_detector_slope *out, size_t max) {
    const ull_detector *s = detector;
    ull_detector_view views[ULL_DETECTOR_VIEWS];
    const size_t count = (size_t)ull_detector_views(s, views);
    const double now = now_of(s);
    size_t i = 0;
    for (; i < count && i < max; i++) {
        const line fit = line_of(&views[i]);
        const double span = now - views[i].sums.time, middle = 0.5 * (now + views[i].sums.time);
        out[i] = (ull_detector_slope){
            .span_s = span * s->per_interval,
            .samples = views[i].lag,
            .rate_per_s = (fit.rate + s->allowed) / s->per_interval,
            .sigma_per_s = sqrt(fit.var_rate) / s->per_interval,
            .mean_fall = views[i].level + fit.below + 0.5 * fit.rate * span + s->allowed * middle};
    }
    return i;
}
