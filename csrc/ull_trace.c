#include "ull_trace.h"

#include <math.h>

static const double STEP_SIGMA = 8.0;  /* of the difference of two samples */
static const double STEP_RATE_SIGMA = 3.0, STEP_SHARE = 0.25;
static const double WINDOW = 2.5; /* times the lag: the baseline has more than the fall */
enum { POINTS = ULL_TRACE_POINTS, MASK = ULL_TRACE_POINTS - 1, LEAST = 8, LAST = 3, CURVE = 4, AFTER = 4, AFTER_MAX = 16 };

void ull_trace_clear(ull_trace *trace) { trace->count = 0; }

void ull_trace_push(ull_trace *trace, int64_t time_ns, double value) {
    uint64_t place = trace->count++;
    trace->time_ns[0][place & MASK] = time_ns;
    trace->value[0][place & MASK] = value;
    for (int scale = 1; scale < ULL_TRACE_SCALES && (place & 1); scale++) {
        const uint64_t second = place & MASK, first = (place - 1) & MASK;
        const int64_t *time = trace->time_ns[scale - 1];
        const double *mean = trace->value[scale - 1];
        const int64_t middle_ns = time[first] + (time[second] - time[first]) / 2;
        place >>= 1;
        trace->time_ns[scale][place & MASK] = middle_ns;
        trace->value[scale][place & MASK] = mean[first] + 0.5 * (mean[second] - mean[first]);
    }
}

/* Sums over the points before each: of 1, t, t^2, x, t x, and of x^2 over all. */
typedef struct {
    int count;
    int64_t last_ns; /* t counts from here */
    double t[POINTS], x[POINTS];
    double st[POINTS + 1], stt[POINTS + 1], sx[POINTS + 1], stx[POINTS + 1], sxx;
} window;

static int collect(const ull_trace *trace, double lag, window *w, double *samples) {
    int scale = 0;
    while (scale + 1 < ULL_TRACE_SCALES && WINDOW * lag > (double)(POINTS - 1) * (double)(1U << scale)) scale++;
    const uint64_t taken = trace->count >> scale; /* points that this scale has had */
    double wanted = ceil(WINDOW * lag / (double)(1U << scale));
    if (wanted > POINTS) wanted = POINTS;
    const int count = taken < (uint64_t)wanted ? (int)taken : (int)wanted;
    if (count < LEAST) return 0;
    const int64_t *time_ns = trace->time_ns[scale];
    const double *value = trace->value[scale];
    const int64_t last_ns = w->last_ns = time_ns[(taken - 1) & MASK];
    const double reference = value[(taken - (uint64_t)count) & MASK];
    w->count = count;
    w->st[0] = w->stt[0] = w->sx[0] = w->stx[0] = w->sxx = 0.0;
    for (int i = 0; i < count; i++) {
        const uint64_t place = (taken - (uint64_t)(count - i)) & MASK;
        const double t = w->t[i] = (double)(time_ns[place] - last_ns) * 1e-9;
        const double x = w->x[i] = value[place] - reference;
        w->st[i + 1] = w->st[i] + t;
        w->stt[i + 1] = w->stt[i] + t * t;
        w->sx[i + 1] = w->sx[i] + x;
        w->stx[i + 1] = w->stx[i] + t * x;
        w->sxx += x * x;
    }
    *samples = (double)(1U << scale);
    return count;
}

/* The course: level up to point i, straight to point j, level from there. Residual sum of squares, and the slope. */
static double fit(const window *w, int i, int j, double *slope, double *level) {
    const int n = w->count, between = j - i, after = n - 1 - j;
    const double t0 = w->t[i], span = w->t[j] - t0;
    /* f = 0, t - t0, span */
    const double st = w->st[j + 1] - w->st[i + 1], stt = w->stt[j + 1] - w->stt[i + 1];
    const double sx = w->sx[j + 1] - w->sx[i + 1], stx = w->stx[j + 1] - w->stx[i + 1];
    const double f = st - t0 * between + span * after;
    const double ff = stt - 2.0 * t0 * st + t0 * t0 * between + span * span * after;
    const double fx = stx - t0 * sx + span * (w->sx[n] - w->sx[j + 1]);
    const double all = w->sx[n];
    const double det = n * ff - f * f;
    if (!(det > 0.0)) return INFINITY;
    *slope = (n * fx - f * all) / det;
    *level = (all - *slope * f) / n;
    return w->sxx - *level * all - *slope * fx;
}

static void line(const window *w, int from, double variance, double *slope, double *sigma) {
    const int n = w->count - from;
    *slope = 0.0;
    *sigma = INFINITY;
    if (n < LAST) return;
    const double st = w->st[w->count] - w->st[from], stt = w->stt[w->count] - w->stt[from];
    const double sx = w->sx[w->count] - w->sx[from], stx = w->stx[w->count] - w->stx[from];
    const double det = n * stt - st * st;
    if (!(det > 0.0)) return;
    *slope = (n * stx - st * sx) / det;
    *sigma = sqrt(variance * n / det);
}

/* Through the points from `from` on. */
static ull_trace_curve parabola(const window *w, int from, double variance) {
    const int n = w->count - from;
    const ull_trace_curve none = {.sigma_end_per_s = INFINITY};
    if (n < CURVE) return none;
    const double middle = (w->st[w->count] - w->st[from]) / n;
    double s2 = 0.0, s3 = 0.0;
    for (int i = from; i < w->count; i++) {
        const double t = w->t[i] - middle;
        s2 += t * t;
        s3 += t * t * t;
    }
    double tx = 0.0, qx = 0.0, qq = 0.0; /* q: what level and line leave of t^2 */
    for (int i = from; i < w->count; i++) {
        const double t = w->t[i] - middle, q = t * t - s3 / s2 * t - s2 / n;
        tx += t * w->x[i];
        qx += q * w->x[i];
        qq += q * q;
    }
    if (!(qq > 0.0)) return none;
    const double steeper = s3 / s2 + 2.0 * middle; /* slope of q at t = 0 is -steeper */
    return (ull_trace_curve){.slowing = qx / sqrt(qq * variance),
                             .mean_per_s = -tx / s2,
                             .end_per_s = steeper * qx / qq - tx / s2,
                             .sigma_end_per_s = sqrt(variance * (1.0 / s2 + steeper * steeper / qq))};
}

void ull_trace_judge(const ull_trace *trace, double lag, double variance, ull_trace_look *look) {
    *look = (ull_trace_look){.sigma_rest_per_s = INFINITY};
    window w;
    double samples = 1.0;
    const int n = collect(trace, lag, &w, &samples);
    if (n == 0 || !(variance > 0.0)) return;
    double going = INFINITY, over = INFINITY, level = 0.0;
    int since = 1;
    for (int i = 0; i < n - 1; i++) {
        double slope, before;
        const double squares = fit(&w, i, n - 1, &slope, &before);
        if (squares < going) {
            going = squares;
            since = n - 1 - i;
            look->going_per_s = -slope;
            look->expected = slope * w.t[i]; /* t counts back from the last point: -slope * (0 - t) */
        }
    }
    int began = 0, ended = n - 1;
    for (int i = 0; i < n - LAST; i++) {
        for (int j = i + 1; j <= n - LAST; j++) {
            double slope, before;
            const double squares = fit(&w, i, j, &slope, &before);
            if (squares >= over) continue;
            over = squares;
            level = before;
            began = i;
            ended = j;
            look->rate_per_s = -slope;
        }
    }
    const double each = variance / samples;
    look->gain = (going - over) / each;
    look->misfit = sqrt(going / (each * n));
    double sigma;
    look->outer = parabola(&w, n - 1 - since, each);
    look->inner = parabola(&w, n - since, each);
    look->settling = parabola(&w, ended + (n - ended) / 2, each).slowing;
    look->since = since * samples;
    look->sigma_fall = sqrt(each * (1.0 / LAST + 1.0 / (began + 1)));
    look->since_began = (n - 1 - began) * samples;
    look->since_ended = (n - 1 - ended) * samples;
    look->began_ns = w.last_ns + (int64_t)(w.t[began] * 1e9);
    look->ended_ns = w.last_ns + (int64_t)(w.t[ended] * 1e9);
    line(&w, ended, each, &look->rest_per_s, &look->sigma_rest_per_s);
    look->rest_per_s = -look->rest_per_s;
    double last = 0.0;
    line(&w, n - LAST, each, &look->last_per_s, &sigma);
    look->last_per_s = -look->last_per_s;
    const int late = since / 2 + 1 > LAST ? since / 2 + 1 : LAST;
    line(&w, n - late, each, &look->late_per_s, &look->sigma_late_per_s);
    look->late_per_s = -look->late_per_s;
    for (int i = n - LAST; i < n; i++) last += w.x[i] / LAST;
    look->fall = level - last;
}

/* Straight through `count` samples from number `first` on: how fast they fall, and the standard error of that. */
static double raw_line(const ull_trace *trace, uint64_t first, uint64_t count, double variance, double *sigma_per_s) {
    const int64_t first_ns = trace->time_ns[0][first & MASK];
    const double reference = trace->value[0][first & MASK];
    double st = 0.0, stt = 0.0, sx = 0.0, stx = 0.0;
    for (uint64_t i = first; i < first + count; i++) {
        const double t = (double)(trace->time_ns[0][i & MASK] - first_ns) * 1e-9;
        const double x = trace->value[0][i & MASK] - reference;
        st += t;
        stt += t * t;
        sx += x;
        stx += t * x;
    }
    const double n = (double)count, det = n * stt - st * st;
    *sigma_per_s = sqrt(variance * n / det);
    return (st * sx - n * stx) / det;
}

static double raw_mean(const ull_trace *trace, uint64_t first, uint64_t end) {
    const double reference = trace->value[0][first & MASK];
    double sum = 0.0;
    for (uint64_t i = first; i < end; i++) sum += trace->value[0][i & MASK] - reference;
    return reference + sum / (double)(end - first);
}

/* How much the sample at `at` is below the one before. */
static double drop(const ull_trace *trace, uint64_t at) {
    return trace->value[0][(at - 1) & MASK] - trace->value[0][at & MASK];
}

ull_trace_answer ull_trace_step(const ull_trace *trace, double sigma, double *fall, int64_t *time_ns) {
    const uint64_t end = trace->count, first = end > POINTS ? end - POINTS : 0;
    uint64_t at = 0;
    double most = STEP_SIGMA * sqrt(2.0) * sigma;
    for (uint64_t i = end > first + AFTER + 1 ? end - AFTER + 1 : end; i < end; i++) {
        const uint64_t from = i > first + AFTER ? i - AFTER : first + 1; /* a leak falls as fast before */
        const double before = trace->value[0][(from - 1) & MASK] - trace->value[0][(i - 1) & MASK];
        if (drop(trace, i) > most && STEP_SHARE * drop(trace, i) * (double)(i - from) > before) return ULL_TRACE_UNSURE;
    }
    for (uint64_t i = first + 1; i + AFTER <= end; i++) {
        if (drop(trace, i) <= most) continue;
        most = drop(trace, i);
        at = i;
    }
    if (at == 0 || drop(trace, at + 1) > STEP_SHARE * most) return ULL_TRACE_NO_STEP;
    for (uint64_t i = at + 1; i < end; i++) {
        if (drop(trace, i) < -0.5 * most) return ULL_TRACE_NO_STEP; /* a spike */
    }
    double error;
    const uint64_t after = end - at < AFTER_MAX ? end - at : AFTER_MAX;
    const double rate = raw_line(trace, at, after, sigma * sigma, &error);
    const double gap_s = (double)(trace->time_ns[0][at & MASK] - trace->time_ns[0][(at - 1) & MASK]) * 1e-9;
    if (!((rate - STEP_RATE_SIGMA * error) * gap_s < STEP_SHARE * most)) return ULL_TRACE_NO_STEP;
    if (!((rate + STEP_RATE_SIGMA * error) * gap_s < STEP_SHARE * most)) {
        return after < AFTER_MAX ? ULL_TRACE_UNSURE : ULL_TRACE_NO_STEP;
    }
    *fall = raw_mean(trace, at > first + AFTER ? at - AFTER : first, at) - raw_mean(trace, at, at + AFTER);
    *time_ns = trace->time_ns[0][at & MASK];
    return *fall > 0.5 * most ? ULL_TRACE_STEP : ULL_TRACE_NO_STEP;
}

double ull_trace_newest(const ull_trace *trace, uint32_t count, double variance, double *span_s, double *sigma_per_s) {
    *span_s = 0.0;
    *sigma_per_s = INFINITY;
    if (count < LAST || count > POINTS || trace->count < count) return 0.0;
    const uint64_t first = trace->count - count, last = trace->count - 1;
    *span_s = (double)(trace->time_ns[0][last & MASK] - trace->time_ns[0][first & MASK]) * 1e-9;
    return raw_line(trace, first, count, variance, sigma_per_s);
}
