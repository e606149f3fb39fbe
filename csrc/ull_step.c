#include "ull_step.h"

#include <math.h>

/* A course that is over has one parameter more: by chance it gains 2 to 3. Of a step that has just come to be as sure as
 * an alarm must be, it gains 4 to 6 on the mean; of one that is twice as sure, twice that. */
static const double GAIN_HOLD = 8.0, SLOWER = 0.8;
static const double ENDED_SIGMA = 3.0, ENDED = 0.15;
static const double SINCE_MIN = 4.0; /* samples: fewer do not tell a step from a fall that goes on, */
/* nor what an instrument smooths. It smooths over LAG samples at most; what falls much is to be straighter than that. */
static const double LARGE = 10.0, SINCE_LARGE = 6.0, LAG = 20.0;
static const double GROSS = 14.0, END = 0.75, END_SIGMA = 2.0;
static const double CURVED_SIGMA = 3.0, SLOWING = 0.93;
static const double TAIL = 2.5, LEFT = 0.5; /* a smooth end: its fall takes 2.5 times its lag, and sigmas that may be left */
static const double SHARP = 6.0;     /* standard errors of a change in the last moments: it has to be seen to go on */
static const double LATE_SIGMA = 1.5, LATE = 0.4;
static const double BACK = 0.5;      /* of the fall that a leak would have made: less is left of it */
enum { RAW = 24, /* the longest lag of which single samples are seen */
       SHARE = 4 };

/* An instrument that lags makes a step look like a fall that slows down. */
static int slows(const ull_trace_curve *curve) {
    return curve->slowing > CURVED_SIGMA && curve->end_per_s < SLOWING * curve->mean_per_s;
}

/* What happened in the last moments can be a step that pushes old evidence over the edge: `whole` is the window of all of
 * it, `raw` one of single samples. */
static ull_step_answer judge(const ull_trace_look *look, double sigma, int whole, int raw) {
    const int slower = look->rest_per_s + look->sigma_rest_per_s < SLOWER * look->rate_per_s;
    const int ended = look->rest_per_s + ENDED_SIGMA * look->sigma_rest_per_s < ENDED * look->rate_per_s;
    const int back = look->fall + ENDED_SIGMA * look->sigma_fall < BACK * look->expected;
    const int slowing = slows(&look->outer) || (raw && slows(&look->inner));
    const int seen = look->fall > ENDED_SIGMA * look->sigma_fall;
    const int sharp = look->fall > SHARP * look->sigma_fall;
    const int large = look->fall > LARGE * look->sigma_fall;
    const int gross = look->fall > GROSS * look->sigma_fall;
    if (look->gain > ULL_STEP_GAIN && ended && !back) {
        const double left = look->fall * exp(-TAIL * look->since_began / (look->since_began - look->since_ended));
        const int soon = look->settling > CURVED_SIGMA || look->since_began < SINCE_MIN || left > LEFT * sigma;
        return soon ? ULL_STEP_UNSURE : ULL_STEP_FALL;
    }
    if (back && look->fall < ENDED_SIGMA * look->sigma_fall && (whole || sharp)) return ULL_STEP_SPIKE;
    if (look->since < SINCE_MIN && (whole || seen)) return ULL_STEP_UNSURE;
    if (slowing && (whole || sharp)) return ULL_STEP_UNSURE;
    const double lags = look->since / LAG, end = lags / expm1(lags); /* of the mean rate, had it been a step */
    const int straight = look->inner.end_per_s - look->inner.sigma_end_per_s >= end * look->inner.mean_per_s;
    const int lasting = look->outer.end_per_s - END_SIGMA * look->outer.sigma_end_per_s >= fmin(END, end) * look->going_per_s;
    if (raw && large && (look->since < SINCE_LARGE || !straight)) return ULL_STEP_UNSURE;
    if (gross && (look->since < SINCE_LARGE || !lasting)) return ULL_STEP_UNSURE;
    const int goes_on = look->late_per_s - LATE_SIGMA * look->sigma_late_per_s > LATE * look->going_per_s &&
                        (!raw || look->last_per_s > LATE * look->going_per_s); /* the half may begin before the step */
    if (sharp && !goes_on) return ULL_STEP_UNSURE;
    if (slower && look->gain > (whole ? GAIN_HOLD : ULL_STEP_GAIN)) return ULL_STEP_UNSURE;
    return whole && back ? ULL_STEP_UNSURE : ULL_STEP_NONE;
}

ull_step_answer ull_step_ask(const ull_trace *trace, uint64_t lag, double sigma, double variance, ull_step *found) {
    const ull_trace_answer sharp = ull_trace_step(trace, sigma, &found->fall, &found->time_ns);
    if (sharp == ULL_TRACE_STEP) return ULL_STEP_FALL;
    if (sharp == ULL_TRACE_UNSURE) return ULL_STEP_UNSURE;
    for (uint64_t each = lag;; each = each / SHARE > RAW ? each / SHARE : RAW) {
        ull_trace_look look;
        ull_trace_judge(trace, (double)each, variance, &look);
        const ull_step_answer answer = judge(&look, sqrt(variance), each == lag, each <= RAW);
        *found = (ull_step){.fall = look.fall, .time_ns = look.began_ns};
        if (answer != ULL_STEP_NONE) return answer;
        if (each <= RAW) return ULL_STEP_NONE;
    }
}
