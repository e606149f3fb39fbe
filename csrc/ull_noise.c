#include "ull_noise.h"

#include <math.h>

static const double CLIP = 25.0; /* a batch this many times the mean is an event, not noise */
static const double PHI_MAX = 0.99;
static const uint64_t SURE = 8;          /* second differences: fewer say nothing */
static const double SCALE_MEMORY = 1e4;
static const double SCATTER = 3.9;       /* variance of a mean of squared second differences, times their number */
static const double SEGMENT = ULL_NOISE_SEGMENT;
static const double FORGOTTEN = 1e-9;    /* powers of phi below: nothing */
static const double SOLVED = 1e-9;
static const double TIES = 0.05;         /* share of equal neighbours that makes steps; sigma = 8 steps has as many */

ull_status ull_noise_init(ull_noise *noise, double memory) {
    if (!noise || !(memory >= 16.0 && memory <= 1e9)) return ULL_ARGUMENT;
    *noise = (ull_noise){.memory.batches = memory, .recent.batches = ULL_NOISE_RECENT, .paused = 1};
    return ULL_OK;
}

void ull_noise_pause(ull_noise *noise) {
    noise->paused = 1;
    noise->held = 0;
    for (int i = 0; i < ULL_NOISE_SCALES; i++) {
        noise->scale[i].summed = noise->scale[i].held = 0;
        noise->scale[i].sum = 0.0;
    }
}

/* E d^2 = 6 S / m for second differences of the means of m samples, S the long-run variance of one. */
static void bend(ull_noise_scale *scale, double mean, double samples, double memory) {
    if (scale->held == 2) {
        const double d = mean - 2.0 * scale->last + scale->before;
        double square = d * d * samples / 6.0;
        if (scale->count >= SURE) square = fmin(square, CLIP * scale->square);
        scale->count++;
        scale->square += (square - scale->square) / fmin((double)scale->count, memory);
    } else {
        scale->held++;
    }
    scale->before = scale->last;
    scale->last = mean;
}

static void bend_all(ull_noise *n, double value) {
    double samples = 4.0;
    for (int i = 0; i < ULL_NOISE_SCALES; i++, samples *= 4.0) {
        ull_noise_scale *scale = &n->scale[i];
        scale->sum += value;
        if (++scale->summed < 4) return;
        value = 0.25 * scale->sum;
        scale->sum = 0.0;
        scale->summed = 0;
        bend(scale, value, samples, SCALE_MEMORY);
    }
}

/* West's weighted update of means and covariance; the weights fade. */
static void remember(ull_noise_memory *m, double near, double far, int sure) {
    if (sure && near + far > CLIP * (m->mean_near + m->mean_far)) return;
    const double keep = 1.0 - 1.0 / m->batches;
    m->weight = keep * m->weight + 1.0;
    m->weight_square = keep * keep * m->weight_square + 1.0;
    const double gain = 1.0 / m->weight, rest = 1.0 - gain;
    const double d_near = near - m->mean_near, d_far = far - m->mean_far;
    m->mean_near += gain * d_near;
    m->mean_far += gain * d_far;
    m->var_near = rest * (m->var_near + gain * d_near * d_near);
    m->var_far = rest * (m->var_far + gain * d_far * d_far);
    m->cov = rest * (m->cov + gain * d_near * d_far);
}

/* Residuals of the line through a segment. */
static void join(ull_noise *n, double value) {
    if (n->held == 0) {
        n->first = value;
        n->sum = n->moment = n->square = 0.0;
    }
    const double x = value - n->first;
    n->sum += x;
    n->moment += (double)n->held * x;
    n->square += x * x;
    if (++n->held < ULL_NOISE_SEGMENT) return;
    const double level = n->sum / SEGMENT;
    const double slope = n->moment - 0.5 * (SEGMENT - 1.0) * n->sum; /* times the next */
    const double spread = SEGMENT * (SEGMENT * SEGMENT - 1.0) / 12.0;
    n->far += fmax(n->square - level * n->sum - slope * slope / spread, 0.0);
    n->far_count += ULL_NOISE_SEGMENT;
    n->held = 0;
}

/* The share of the variance of AR(1) noise that lines through segments leave, 1 - trace(H R) / N: H the projection on
 * level and line, R the correlations. Their diagonals sum to the bracket below. And its derivative by phi. */
static double left(double phi, double *slope) {
    double taken = 2.0, change = 0.0, power = phi, before = 1.0; /* phi^k, phi^(k-1) */
    for (int k = 1; k < ULL_NOISE_SEGMENT && before > FORGOTTEN; k++) {
        const double m = SEGMENT - k;
        const double both = 2.0 * m / SEGMENT * (1.0 + (m * m - 1.0 - 3.0 * k * k) / (SEGMENT * SEGMENT - 1.0));
        taken += both * power;
        change += both * k * before;
        before = power;
        power *= phi;
    }
    *slope = -change / SEGMENT;
    return 1.0 - taken / SEGMENT;
}

ull_status ull_noise_push(ull_noise *noise, double value) {
    ull_noise *n = noise;
    if (!isfinite(value)) {
        ull_noise_pause(n);
        return ULL_ARGUMENT;
    }
    if (!n->paused) {
        const double near = value - n->last;
        n->near += near * near;
        n->near_count++;
        n->pairs++;
        if (near == 0.0) {
            n->ties++;
        } else if (n->step == 0.0 || fabs(near) < n->step) {
            n->step = fabs(near);
        }
    }
    n->last = value;
    n->paused = 0;
    join(n, value);
    bend_all(n, value);
    if (n->far_count == ULL_NOISE_BATCH) {
        const double near = n->near / (2.0 * n->near_count), far = n->far / n->far_count;
        const int sure = ++n->batches > ULL_NOISE_BATCHES;
        remember(&n->memory, near, far, sure);
        remember(&n->recent, near, far, sure);
        n->near = n->far = 0.0;
        n->near_count = n->far_count = 0;
    }
    return ULL_OK;
}

ull_status ull_noise_run(ull_noise *noise, const double *value, size_t count) {
    ull_status answer = ULL_OK;
    for (size_t i = 0; i < count; i++) {
        const ull_status each = ull_noise_push(noise, value[i]);
        if (answer == ULL_OK) answer = each;
    }
    return answer;
}

void ull_noise_excess(const ull_noise *noise, double long_run_variance, double *excess, size_t octaves) {
    double last = 1.0;
    for (size_t k = 0; k < octaves; k++) {
        excess[k] = last;
        if (k < 2 || k & 1) continue; /* a lag of 2^k is told by means of as many, 4^(i+1) */
        const size_t i = k / 2 - 1;
        if (i >= ULL_NOISE_SCALES || noise->scale[i].count < SURE) continue;
        const ull_noise_scale *scale = &noise->scale[i];
        const double ratio = scale->square / long_run_variance;
        const double error = ratio * sqrt(SCATTER / fmin((double)scale->count, SCALE_MEMORY));
        if (ratio - 1.0 > 3.0 * error) {
            last = ratio + 1.64 * error;
        } else if (ratio + 2.0 * error < last) {
            last = 1.0;
        }
        excess[k] = last;
    }
}

/* Of (1 + a) d far - a d near. */
static double error(double a, double near, double far, double both) {
    return sqrt(fmax((1.0 + a) * (1.0 + a) * far + a * a * near - 2.0 * a * (1.0 + a) * both, 0.0));
}

static void solve(const ull_noise *n, const ull_noise_memory *m, ull_noise_estimate *estimate) {
    *estimate = (ull_noise_estimate){.sigma = NAN,
                                     .phi = NAN,
                                     .sigma_long_run = NAN,
                                     .error_sigma = NAN,
                                     .error_phi = NAN,
                                     .error_long_run = NAN,
                                     .batches = n->batches};
    if (n->batches < ULL_NOISE_BATCHES || m->mean_near <= 0.0 || m->mean_far <= 0.0) return;
    /* near = s^2 (1 - phi), far = s^2 left(phi): by Newton's method, from below. Neighbours that differ by more than any
     * two of white noise leave phi at 0. */
    const double ratio = m->mean_near / m->mean_far;
    double phi = 0.0, slope = 0.0, kept = left(phi, &slope);
    for (int i = 0; i < 40 && ratio * kept < 1.0 - phi; i++) {
        const double to = phi + (1.0 - ratio * kept - phi) / (1.0 + ratio * slope);
        const double next = fmin(fmax(to, 0.0), PHI_MAX);
        const int solved = fabs(next - phi) < SOLVED;
        phi = next;
        kept = left(phi, &slope);
        if (solved) break;
    }
    const double variance = m->mean_far / kept;
    const double sigma = sqrt(variance);
    const double odds = (1.0 + phi) / (1.0 - phi);
    /* Errors by the delta method, of near and far as shares of themselves. */
    const double share = m->weight_square / (m->weight * m->weight);
    const double near = share * m->var_near / (m->mean_near * m->mean_near);
    const double far = share * m->var_far / (m->mean_far * m->mean_far);
    const double both = share * m->cov / (m->mean_near * m->mean_far);
    /* 1 - phi = left near / far: d phi = k (d ln far - d ln near), and from that d ln s^2 = d ln far - d ln left, and so
     * on for the long run: each is (1 + a) d ln far - a d ln near. */
    const double k = (1.0 - phi) / (1.0 + (1.0 - phi) * slope / kept);
    const double a_sigma = -k * slope / kept;
    const double a_long_run = a_sigma + 2.0 * k / ((1.0 - phi) * (1.0 + phi));
    estimate->step = (double)n->ties > TIES * (double)n->pairs ? n->step : 0.0;
    estimate->sigma = sigma;
    estimate->phi = phi;
    estimate->sigma_long_run = sigma * sqrt(odds);
    estimate->error_sigma = 0.5 * sigma * error(a_sigma, near, far, both);
    estimate->error_phi = k * sqrt(fmax(near + far - 2.0 * both, 0.0));
    estimate->error_long_run = 0.5 * estimate->sigma_long_run * error(a_long_run, near, far, both);
}

void ull_noise_result(const ull_noise *noise, ull_noise_estimate *estimate) { solve(noise, &noise->memory, estimate); }

void ull_noise_recent(const ull_noise *noise, ull_noise_estimate *estimate) { solve(noise, &noise->recent, estimate); }
