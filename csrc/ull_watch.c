#include "ull_watch.h"

#include <math.h>

static const double GROSS = 2.0;         /* times the declared noise, before it is known: AR(1) noise up to phi 0.6 */
static const double SURER = 1.64;        /* standard errors that measured noise is made larger by */
static const double GROWN = 3.0;         /* standard errors that make it certain that the noise has grown */
static const double MEMORY_BATCHES = 4096.0;
static const double SAME = 0.01;         /* noise that has changed by less is the same */
static const double ROOT_12 = 3.4641016151377544;
static const double HELD = 0.99;         /* most that may be said of what can still be a step */
static const double JUMP = 20.0;         /* standard deviations between neighbours */
static const double FADED = 0.5;         /* certainty below which nothing is left of a leak */

static const double GONE_SIGMA = 5.0, GONE = 0.3; /* of a leak: a lagging step needs long to be flat */
/* Views of a rate. A needless change of mind costs precision, so it must be sure; honest lines through one leak differ. */
static const double REFUTED = 5.0, BENDS = 0.2;
static const double BENT = 4.0;          /* standard errors beyond which lines that differ do not do so by chance */
static const double ALIKE = 1.1;         /* errors whose difference means nothing: bounds of temperature are rough, noise is not */
static const double LAWLESS = 10.0;       /* times itself: a viscous flow fades twice as fast as that of a hole, one into a closed space faster still */
static const double CURVED = 0.05;       /* of the fading: what the correction for it may be wrong by */
enum { LOOK_LAG = 16, LOOK_STEP = 8, LOOK_SHARE = 4, NEWEST = 4 };

ull_status ull_watch_init(ull_watch *watch, const ull_watch_settings *settings) {
    const ull_watch_settings *s = settings;
    if (!watch || !s || !(s->false_alarm_s > 0.0) || !(s->memory >= 64.0 && s->memory <= 1e9) ||
        s->levels > ULL_DETECTOR_LEVELS || s->gap_ns < 1 || !isfinite(s->expected_per_s) ||
        (s->calibrated &&
         (!(s->phi >= 0.0 && s->phi <= 0.99) || !(s->interval_s > 0.0) || !(s->error >= 0.0 && s->error <= 1.0)))) {
        return ULL_ARGUMENT;
    }
    *watch = (ull_watch){.settings = *s};
    (void)ull_noise_init(&watch->noise, MEMORY_BATCHES);
    watch->known = s->calibrated != 0;
    return ULL_OK;
}

void ull_watch_restart(ull_watch *watch) {
    ull_detector_restart(&watch->detector);
    ull_trace_clear(&watch->trace);
    ull_noise_pause(&watch->noise);
    watch->certainty = 0.0;
    watch->confirmed = 0;
    watch->look_count = 0;
    if (watch->held < ULL_WATCH_FIRST) watch->held = 0;
}

static double odds(double phi) { return (1.0 + phi) / (1.0 - phi); }

static int begun(const ull_watch *w) { return w->held == ULL_WATCH_FIRST; }

/* The interval is what most of the first samples agree on, and with it everything that is counted in samples. */
static ull_status begin(ull_watch *w) {
    int64_t step[ULL_WATCH_FIRST - 1];
    for (int i = 0; i < ULL_WATCH_FIRST - 1; i++) {
        const int64_t new = w->first[i + 1].time_ns - w->first[i].time_ns;
        int j = i;
        for (; j > 0 && step[j - 1] > new; j--) step[j] = step[j - 1];
        step[j] = new;
    }
    const int64_t interval_ns = step[(ULL_WATCH_FIRST - 1) / 2];
    const double interval_s = (double)interval_ns * 1e-9;
    w->sigma = w->known ? 1.0 + SURER * w->settings.error : GROSS;
    w->phi = w->known ? fmin(pow(w->settings.phi, interval_s / w->settings.interval_s), 0.99) : 0.0;
    const ull_detector_settings settings = {.interval_ns = interval_ns,
                                            .sigma = w->sigma * w->first[0].sigma,
                                            .phi = w->phi,
                                            .threshold = ull_detector_threshold(w->settings.false_alarm_s / interval_s),
                                            .memory = w->settings.memory,
                                            .allowed_per_s = w->settings.expected_per_s,
                                            .levels = w->settings.levels};
    return ull_detector_init(&w->detector, &settings);
}

typedef struct {
    double sigma, phi; /* of one sample */
    double slow;       /* sigma of slow noise */
} level;

static level level_of(const ull_noise_estimate *e) {
    const double more = 1.0 + SURER * e->error_long_run / e->sigma_long_run;
    return (level){.sigma = more * e->sigma, .phi = e->phi, .slow = more * e->sigma_long_run};
}

static int grown(const ull_noise_estimate *e, double slow) {
    return isfinite(e->sigma_long_run) && e->sigma_long_run - GROWN * e->error_long_run > slow;
}

/* What the detector goes by, after each batch. */
static void learn(ull_watch *w, const ull_watch_sample *sample) {
    ull_noise_estimate all, recent;
    ull_noise_result(&w->noise, &all);
    ull_noise_recent(&w->noise, &recent);
    const double gain = 1.0 / fmin((double)(w->batches < 1 ? 1 : w->batches), MEMORY_BATCHES);
    w->declared += gain * (sample->sigma - w->declared);
    if (all.batches < ULL_NOISE_BATCHES || !isfinite(all.sigma_long_run)) return;
    level use = {.sigma = (1.0 + SURER * w->settings.error) * w->declared, .phi = w->settings.phi};
    if (w->settings.calibrated) {
        use.phi = fmin(pow(w->settings.phi, w->detector.per_interval / w->settings.interval_s), 0.99);
        use.slow = use.sigma * sqrt(odds(use.phi));
        if (grown(&all, use.slow)) use = level_of(&all);
    } else {
        use = level_of(&all);
    }
    if (grown(&recent, use.slow)) use = level_of(&recent);
    use.sigma = fmax(use.sigma, all.step / ROOT_12);
    w->sigma = use.sigma / w->declared;
    w->phi = use.phi;
    double excess[ULL_DETECTOR_OCTAVES];
    ull_noise_excess(&w->noise, use.sigma * use.sigma * odds(use.phi), excess, ULL_DETECTOR_OCTAVES);
    if (ull_detector_retune(&w->detector, w->sigma * sample->sigma, w->phi, excess) != ULL_OK) return;
    if (!w->known) {
        w->event = ULL_WATCH_LEARNED;
        w->event_value = NAN;
        w->event_ns = sample->time_ns;
    }
    w->known = 1;
}

static double slow_variance(const ull_watch *w) {
    const ull_detector_settings *s = &w->detector.settings;
    return s->sigma * s->sigma * odds(s->phi);
}

static void report(ull_watch *w, ull_watch_event event, double value, int64_t time_ns) {
    w->event = event;
    w->event_value = value;
    w->event_ns = time_ns;
    ull_watch_restart(w);
}

/* It is said to be a leak for the first time: does it go on? */
static void confirm(ull_watch *w) {
    ull_detector_verdict verdict;
    ull_detector_result(&w->detector, &verdict);
    ull_step step;
    switch (ull_step_ask(&w->trace, verdict.lag, w->detector.settings.sigma, slow_variance(w), &step)) {
        case ULL_STEP_FALL:
            report(w, ULL_WATCH_FALL, step.fall, step.time_ns);
            return;
        case ULL_STEP_SPIKE:
            ull_watch_restart(w); /* it has left its mark on what was learned */
            return;
        case ULL_STEP_UNSURE:
            w->certainty = fmin(w->certainty, HELD);
            return;
        case ULL_STEP_NONE:
            break;
    }
    w->confirmed = 1;
    w->noise_before = w->noise;
    w->rate_per_s = verdict.rate_per_s;
    w->look_count = w->detector.count + LOOK_STEP;
}

/* It was a leak: is it over? Asked at all time scales, the shorter the more often. */
static void look_again(ull_watch *w, double fading) {
    const uint64_t count = w->detector.count;
    if (count < w->look_count) return;
    w->look_count = count + LOOK_STEP;
    ull_detector_verdict verdict;
    ull_detector_result(&w->detector, &verdict);
    if (isfinite(verdict.rate_per_s)) w->rate_per_s = verdict.rate_per_s;
    for (uint64_t lag = verdict.lag, turn = count / LOOK_STEP; lag >= LOOK_LAG; lag /= LOOK_SHARE) {
        const uint64_t every = lag / (2 * LOOK_LAG);
        if (every > 1 && turn % every) continue;
        ull_trace_look look;
        ull_trace_judge(&w->trace, (double)lag, slow_variance(w), &look);
        const double lost = verdict.rate_per_s * (double)verdict.lag * w->detector.per_interval;
        const double faded = 1.0 + fading * fmax(lost, 0.0);
        const double now = verdict.rate_per_s / (faded * faded); /* a viscous leak fades twice as fast as one through a hole */
        if (look.gain > ULL_STEP_GAIN && look.rest_per_s + GONE_SIGMA * look.sigma_rest_per_s < GONE * now) {
            ull_trace_judge(&w->trace, (double)verdict.lag, slow_variance(w), &look);
            w->noise = w->noise_before; /* what was taken for a leak and taken off was none */
            report(w, ULL_WATCH_FALL, look.fall > 0.0 ? look.fall : fmax(lost, 0.0), look.began_ns);
            return;
        }
    }
}

/* Neither a jump is noise nor a leak, which is taken off as it is known. */
static void learn_noise(ull_watch *w, const ull_watch_sample *sample, double elapsed_s) {
    w->leaked += w->confirmed ? w->rate_per_s * elapsed_s : 0.0;
    if (fabs(sample->value - w->last_value) > JUMP * w->detector.settings.sigma) ull_noise_pause(&w->noise);
    w->last_value = sample->value;
    (void)ull_noise_push(&w->noise, sample->value + w->leaked);
}

static ull_status take(ull_watch *w, const ull_watch_sample *sample) {
    const double sigma = w->sigma * sample->sigma;
    if (fabs(sigma - w->detector.settings.sigma) > SAME * w->detector.settings.sigma) {
        (void)ull_detector_retune(&w->detector, sigma, w->phi, NULL);
    }
    ull_detector_allowance allowance = sample->allowance;
    const double half_step = 0.5 * w->noise.step;
    if (w->noise.ties * 20 > w->noise.pairs && sigma < half_step) {
        allowance.passing += half_step; /* what hides within a step of the instrument */
        allowance.passing_per_s += half_step / w->detector.per_interval;
    }
    (void)ull_detector_allow(&w->detector, &allowance);
    const int again = w->detector.baseline[0].weight > 0.0;
    const double elapsed_s = again ? (double)(sample->time_ns - w->detector.last_ns) * 1e-9 : 0.0;
    const ull_status status = ull_detector_push(&w->detector, sample->time_ns, sample->value);
    if (status != ULL_OK) return status;
    ull_trace_push(&w->trace, sample->time_ns, sample->value);
    learn_noise(w, sample, elapsed_s);
    if (w->noise.batches != w->batches) {
        w->batches = w->noise.batches;
        learn(w, sample);
    }
    w->certainty = ull_detector_certainty(&w->detector);
    if (w->certainty < FADED) w->confirmed = 0;
    if (w->detector.score_rise >= 1.0) {
        const uint64_t last = w->trace.count - 1;
        const double before = -w->detector.baseline[0].level + w->detector.reference;
        report(w, ULL_WATCH_RISE, fmax(sample->value - before, 0.0), w->trace.time_ns[0][last % ULL_TRACE_POINTS]);
    } else if (w->confirmed) {
        look_again(w, sample->fading);
    } else if (w->certainty >= 1.0) {
        confirm(w);
    }
    return ULL_OK;
}

ull_status ull_watch_push(ull_watch *watch, const ull_watch_sample *sample) {
    ull_watch *w = watch;
    w->event = ULL_WATCH_NOTHING;
    if (!isfinite(sample->value) || !(sample->sigma > 0.0 && isfinite(sample->sigma))) return ULL_ARGUMENT;
    const int any = begun(w) ? w->detector.baseline[0].weight > 0.0 : w->held > 0;
    if (any && sample->time_ns <= w->last_ns) return ULL_ORDER;
    if (any && (uint64_t)sample->time_ns - (uint64_t)w->last_ns >= (uint64_t)w->settings.gap_ns) ull_watch_restart(w);
    w->last_ns = sample->time_ns;
    if (begun(w)) return take(w, sample);
    w->first[w->held++] = *sample;
    if (!begun(w)) return ULL_OK;
    ull_status answer = begin(w);
    for (int i = 0; i < ULL_WATCH_FIRST; i++) {
        const ull_status each = take(w, &w->first[i]);
        if (answer == ULL_OK) answer = each;
    }
    return answer;
}

static double share_left(double faded) { return faded > 1e-6 ? log1p(faded) / faded : 1.0; }

ull_watch_view ull_watch_present(const ull_watch *watch, double rate_per_s, double sigma_per_s, double span_s,
                                 double fading) {
    const double share = share_left(fading * rate_per_s * span_s); /* it has lost rate * span on the way */
    const double rate = share * rate_per_s, noise = share * sigma_per_s;
    const double unseen = ull_detector_allowed(&watch->detector, span_s) / sqrt(3.0);
    const double curve = CURVED * (1.0 - share) * rate_per_s;
    return (ull_watch_view){.rate_per_s = rate,
                            .noise_per_s = noise,
                            .error_per_s = sqrt(noise * noise + unseen * unseen + curve * curve),
                            .span_s = span_s};
}

/* Lines through one leak differ by more than chance: then the law of its fading is not the one that was taken, and by so
 * much of itself the correction is wrong in all of them. What even that does not explain is an error of the line itself. */
static void distrust(ull_watch_view *view, const double *curve, size_t count) {
    double law = CURVED, beyond[ULL_DETECTOR_VIEWS + 1] = {0};
    for (size_t i = 1; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            const double younger = view[j].noise_per_s, own = view[i].noise_per_s;
            const double chance = BENT * sqrt(fmax(younger * younger - own * own, 0.0));
            const double apart = fabs(view[i].rate_per_s - view[j].rate_per_s);
            if (apart <= chance) continue;
            beyond[i] = fmax(beyond[i], apart);
            if (curve[i] > curve[j]) law = fmax(law, fmin(apart / (curve[i] - curve[j]), LAWLESS));
        }
    }
    for (size_t i = 0; i < count; i++) {
        const double taken = CURVED * curve[i], wrong = law * curve[i];
        view[i].error_per_s = sqrt(fmax(view[i].error_per_s * view[i].error_per_s - taken * taken, 0.0) + wrong * wrong +
                                   beyond[i] * beyond[i]);
    }
}

ull_watch_view ull_watch_rate(const ull_watch *watch, double fading, double longest_s, int steady, double *low,
                              double *high) {
    ull_detector_slope lines[ULL_DETECTOR_VIEWS + 1];
    ull_watch_view views[ULL_DETECTOR_VIEWS + 1], best = {.error_per_s = INFINITY};
    double curve[ULL_DETECTOR_VIEWS + 1];
    size_t count = 0, found = 0;
    *low = -INFINITY;
    *high = INFINITY;
    if (begun(watch)) {
        found = ull_detector_slopes(&watch->detector, lines + 1, ULL_DETECTOR_VIEWS);
        if (steady && found && lines[1].span_s > longest_s) {
            /* A gross leak is found while the youngest hypothesis still reaches back before its onset. */
            lines[0].rate_per_s = ull_trace_newest(&watch->trace, NEWEST, slow_variance(watch), &lines[0].span_s,
                                                   &lines[0].sigma_per_s);
            found++;
        } else {
            for (size_t i = 0; i < found; i++) lines[i] = lines[i + 1];
        }
    }
    for (size_t i = 0; i < found && (i == 0 || lines[i].span_s <= longest_s); i++) {
        const double rate = lines[i].rate_per_s;
        const ull_watch_view view = ull_watch_present(watch, rate, lines[i].sigma_per_s, lines[i].span_s, fading);
        if (!isfinite(view.noise_per_s)) continue;
        if (steady) {
            const double doubt = REFUTED * view.noise_per_s + BENDS * fabs(view.rate_per_s);
            *low = fmax(*low, view.rate_per_s - doubt);
            *high = fmin(*high, view.rate_per_s + doubt);
            if (*low > *high) break;
        }
        curve[count] = rate - view.rate_per_s;
        views[count++] = view;
    }
    if (steady) distrust(views, curve, count);
    for (size_t i = 0; i < count; i++) {
        if (views[i].error_per_s < best.error_per_s) best = views[i];
    }
    const double alike = steady ? 0.0 : ALIKE * best.error_per_s;
    for (size_t i = 0; i < count; i++) {
        if (views[i].error_per_s <= alike && views[i].noise_per_s < best.noise_per_s) best = views[i];
    }
    return best;
}

ull_status ull_watch_run(ull_watch *watch, const ull_watch_sample *first, int64_t interval_ns, const double *value,
                         size_t count, double *certainty, uint8_t *events) {
    ull_watch_sample sample = *first;
    ull_status answer = ULL_OK;
    for (size_t i = 0; i < count; i++) {
        sample.value = value[i];
        const ull_status each = ull_watch_push(watch, &sample);
        if (certainty) certainty[i] = watch->certainty;
        if (events) events[i] = (uint8_t)watch->event;
        if (answer == ULL_OK) answer = each;
        sample.time_ns += interval_ns;
    }
    return answer;
}
