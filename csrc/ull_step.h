/* What looks like a leak: does it go on, or is it a step, a spike, something that is over?
 *
 * Asked when the detector first says "leak". A step and the beginning of a leak look alike, so the answer may be "not
 * sure yet"; only as much is held back as evidence asks for. docs/leak-models.md has the rules and what they miss.
 *
 * Memory   None of its own.
 * Cost     A look for each fourth part of the lag: some 20 us each.
 * Threads  Pure functions.
 */
#ifndef ULL_STEP_H
#define ULL_STEP_H

#include <stdint.h>

#include "ull_status.h"
#include "ull_trace.h"

#define ULL_STEP_GAIN 12 /* twice the log-likelihood that makes it certain that a course is over */

typedef enum {
    ULL_STEP_NONE = 0,   /* it goes on: a leak */
    ULL_STEP_UNSURE = 1, /* ask again with the next sample */
    ULL_STEP_FALL = 2,   /* it is over, and less than before */
    ULL_STEP_SPIKE = 3   /* it is over, and all is as before */
} ull_step_answer;

typedef struct {
    double fall;     /* how much less, >= 0 */
    int64_t time_ns; /* when that began */
} ull_step;

/* A fall that began about `lag` samples ago; `sigma` of one sample, `variance` that of slow noise. `found` is written
 * with ULL_STEP_FALL only. */
ull_step_answer ull_step_ask(const ull_trace *trace, uint64_t lag, double sigma, double variance, ull_step *found);

#endif
