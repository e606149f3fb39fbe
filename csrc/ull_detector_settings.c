#include <math.h>

#include "ull_detector_parts.h"

static const double NO_BOUND = 1e300;
/* A baseline of M samples has the error sigma / sqrt(M), and lags behind a drift by M / 2 of its steps. Five times the one
 * and the other are least together at (5 sigma / drift)^(2/3); half of that is taken, (1.77 sigma / drift)^(2/3). */
static const double BASELINE_SIGMA = 1.77, MEMORY_MIN = 16.0, SAME_DRIFT = 0.05;
static const double NS_PER_S = 1e9;

static const ull_detector_sums NOTHING = {0};

/* Through the intervals simulated at h = 11.8, 14.5 and 17.1 (6.74e3, 8.79e4, 1.06e6 samples; 4000, 2000, 1000 alarms).
 * The slope falls slowly towards 1, so beyond them it is careful. */
double ull_detector_threshold(double interval) {
    if (isnan(interval)) return interval;
    return 1.045 * log(fmin(fmax(interval, 1e3), 1e12)) + 2.60;
}

static double bound_dense(double threshold, double lag, double log_lag) {
    return lag < ULL_DETECTOR_LAG_MIN ? NO_BOUND : larger(bound_of(threshold, log_lag), BOUND_MIN);
}

double ull_detector_bound(double threshold, double lag) {
    if (isnan(threshold) || isnan(lag)) return NAN;
    return bound_dense(threshold, lag, log(lag));
}

/* What follows from sigma, phi, threshold and excess. */
static void tune(ull_detector *s) {
    const ull_detector_settings *settings = &s->settings;
    s->phi_one = settings->phi;
    s->log_phi = settings->phi > 0.0 ? log(settings->phi) : -INFINITY;
    s->scale_one = 1.0 / (settings->sigma * sqrt((1.0 - settings->phi) * (1.0 + settings->phi)));
    for (int lag = 0, octave = 0; lag <= ULL_DETECTOR_DENSE; lag++) {
        if (lag >> (octave + 1)) octave++;
        s->bound[lag] = bound_dense(settings->threshold, lag, s->log_lag[lag]) * s->excess[octave];
    }
}

ull_status ull_detector_init(ull_detector *detector, const ull_detector_settings *settings) {
    if (!detector || !settings || settings->interval_ns < 1 || settings->interval_ns > 1000000000000000 ||
        !(settings->sigma > 0.0 && isfinite(settings->sigma)) || !(settings->phi >= 0.0 && settings->phi <= 0.99) ||
        !(settings->threshold >= 7.0 && settings->threshold <= 60.0) ||
        !(settings->memory >= 64.0 && settings->memory <= 1e9) ||
        !isfinite(settings->allowed_per_s) ||
        settings->levels > ULL_DETECTOR_LEVELS) {
        return ULL_ARGUMENT;
    }
    *detector = (ull_detector){.settings = *settings};
    detector->per_interval = (double)settings->interval_ns / NS_PER_S;
    detector->allowed = settings->allowed_per_s * detector->per_interval;
    for (int octave = 0; octave < ULL_DETECTOR_OCTAVES; octave++) detector->excess[octave] = 1.0;
    detector->memory_max = INFINITY;
    for (int lag = 1; lag <= ULL_DETECTOR_DENSE; lag++) detector->log_lag[lag] = log(lag);
    tune(detector);
    ull_detector_restart(detector);
    return ULL_OK;
}

void ull_detector_restart(ull_detector *detector) {
    detector->count = 0;
    detector->score = detector->score_rise = 0.0;
    detector->last = 0.0;
    for (int level = 0; level <= ULL_DETECTOR_LEVELS; level++) {
        detector->block[level] = NOTHING;
        detector->score_old[level] = detector->rise_old[level] = 0.0;
        for (int i = 0; i < PLACES; i++) detector->old[level][i] = (ull_detector_hypothesis){0};
    }
    for (int m = 0; m < ULL_DETECTOR_MEMORIES; m++) detector->baseline[m] = (ull_detector_baseline){0};
    for (int i = 0; i < 2; i++) detector->recent_e0[i] = detector->recent_g0[i] = 0.0;
}

static void scale_sums(ull_detector_sums *sums, double by) {
    sums->e0 *= by;
    sums->e1 *= by;
    sums->g0 *= by;
    sums->g1 *= by;
    sums->g2 *= by;
}

static void scale_baseline(ull_detector_baseline *baseline, double by) {
    baseline->variance /= by;
    baseline->weight *= by;
}

ull_status ull_detector_retune(ull_detector *detector, double sigma, double phi, const double *excess) {
    ull_detector *s = detector;
    if (!(sigma > 0.0 && isfinite(sigma)) || !(phi >= 0.0 && phi <= 0.99)) return ULL_ARGUMENT;
    for (int octave = 0; excess && octave < ULL_DETECTOR_OCTAVES; octave++) {
        if (!(excess[octave] >= 1.0 && isfinite(excess[octave]))) return ULL_ARGUMENT;
    }
    /* Every sum is information, and that goes with 1 / (sigma^2 (1 + phi) / (1 - phi)). */
    const double before = s->settings.sigma * s->settings.sigma * (1.0 + s->settings.phi) / (1.0 - s->settings.phi);
    const double by = before / (sigma * sigma * (1.0 + phi) / (1.0 - phi));
    for (int i = 0; i < ULL_DETECTOR_SLOTS; i++) {
        s->r0[i] *= by;
        s->r1[i] *= by;
        s->g0[i] *= by;
        s->g1[i] *= by;
        s->g2[i] *= by;
        s->variance[i] /= by;
    }
    for (int m = 0; m < ULL_DETECTOR_MEMORIES; m++) {
        scale_baseline(&s->baseline[m], by);
        for (int i = 0; i < PLACES; i++) scale_baseline(&s->young[i][m], by);
    }
    for (int i = 0; i < 2; i++) {
        s->recent_e0[i] *= by;
        s->recent_g0[i] *= by;
    }
    for (int level = 0; level <= ULL_DETECTOR_LEVELS; level++) {
        scale_sums(&s->block[level], by);
        s->score_old[level] *= by;
        s->rise_old[level] *= by;
        for (int i = 0; i < PLACES; i++) {
            ull_detector_hypothesis *old = &s->old[level][i];
            scale_sums(&old->sums, by);
            old->score *= by;
            old->score_rise *= by;
            for (int m = 0; m < ULL_DETECTOR_MEMORIES; m++) scale_baseline(&old->baseline[m], by);
        }
    }
    s->settings.sigma = sigma;
    s->settings.phi = phi;
    for (int octave = 0; excess && octave < ULL_DETECTOR_OCTAVES; octave++) s->excess[octave] = excess[octave];
    tune(s);
    return ULL_OK;
}

/* The longest baseline that does not lag too far behind what may drift now. */
static void bound_memory(ull_detector *s) {
    double drift = s->lasting;
    if (s->settling > 0.0) {
        const double now = (double)age_ns(s->last_ns, s->origin_ns) / (double)s->settings.interval_ns;
        const double gone = 1.0 + s->settling_rate * larger(now - s->settling_time, 0.0);
        drift += 2.0 * s->settling * s->settling_rate / (gone * gone * gone);
    }
    if (fabs(drift - s->memory_drift) <= SAME_DRIFT * s->memory_drift) return;
    s->memory_drift = drift;
    const double sigma = s->settings.sigma * sqrt((1.0 + s->settings.phi) / (1.0 - s->settings.phi));
    s->memory_max = drift > 0.0 ? fmax(pow(BASELINE_SIGMA * sigma / drift, 2.0 / 3.0), MEMORY_MIN) : INFINITY;
}

ull_status ull_detector_allow(ull_detector *detector, const ull_detector_allowance *allowance) {
    ull_detector *s = detector;
    const ull_detector_allowance *a = allowance;
    if (!(a->lasting_per_s >= 0.0 && a->passing >= 0.0 && a->passing_per_s >= 0.0 && a->settling >= 0.0) ||
        !isfinite(a->lasting_per_s + a->passing + a->passing_per_s + a->settling) ||
        (a->settling > 0.0 && !(a->settling_s > 0.0 && isfinite(a->settling_s)))) {
        return ULL_ARGUMENT;
    }
    const double passing_rate = a->passing_per_s * s->per_interval, lasting = a->lasting_per_s * s->per_interval;
    const int same = lasting == s->lasting && a->passing == s->passing && passing_rate == s->passing_rate;
    if (same && a->settling == 0.0 && s->settling == 0.0) return ULL_OK; /* what settles changes with time */
    s->passing = a->passing;
    s->passing_rate = passing_rate;
    s->settling = a->settling;
    if (a->settling > 0.0) {
        const double before = (double)age_ns(a->settling_ns, s->origin_ns) / (double)s->settings.interval_ns;
        const double after = (double)age_ns(s->origin_ns, a->settling_ns) / (double)s->settings.interval_ns;
        s->settling_rate = s->per_interval / a->settling_s;
        s->settling_time = a->settling_ns >= s->origin_ns ? before : -after;
    }
    s->lasting = lasting;
    bound_memory(s);
    s->allowing = s->lasting > 0.0 || s->passing > 0.0 || s->settling > 0.0;
    return ULL_OK;
}

double ull_detector_allowed(const ull_detector *detector, double span_s) {
    const ull_detector *s = detector;
    if (!s->allowing) return 0.0;
    const double now = (double)age_ns(s->last_ns, s->origin_ns) / (double)s->settings.interval_ns;
    return allowed_slope(s, now - span_s / s->per_interval, now) / s->per_interval;
}
