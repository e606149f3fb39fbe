/* The recent course of a series at every time scale, and whether a fall in it still goes on.
 *
 * A step and the beginning of a leak look alike at first. Two courses are fitted to the last two and a half times the
 * time since the fall began: a level and then a straight fall up to now; the same, over since some time. docs/leak-models.md
 *
 * Memory   The caller owns the struct, 20 kB; nothing is allocated.
 * Cost     push: O(1). look: 2000 pairs of times, about 20 us.
 * Drift    No running sums.
 * Threads  None inside; one trace is used by one thread at a time.
 */
#ifndef ULL_TRACE_H
#define ULL_TRACE_H

#include <stdint.h>

#include "ull_status.h"

#define ULL_TRACE_POINTS 64  /* means at each scale: a power of 2 */
#define ULL_TRACE_SCALES 20  /* means of 1, 2, 4 ... samples */

/* Private: use the functions. */
typedef struct {
    int64_t time_ns[ULL_TRACE_SCALES][ULL_TRACE_POINTS];
    double value[ULL_TRACE_SCALES][ULL_TRACE_POINTS];
    uint64_t count;
} ull_trace;

/* A parabola through some of the points. */
typedef struct {
    double slowing;    /* by how many standard errors it levels off */
    double mean_per_s; /* its mean rate of fall, */
    double end_per_s, sigma_end_per_s; /* and that at the last point, with the standard error; infinite for few points */
} ull_trace_curve;

typedef struct {
    double gain;          /* twice the log-likelihood that "it is over" has above "it goes on"; 0 when that cannot be told */
    double fall;          /* from the level before to the last values; negative: a rise */
    double sigma_fall;
    double since;         /* samples since the fall began, by "it goes on" */
    double expected;      /* the same, by the fall that goes on */
    double misfit;        /* rms of what "it goes on" leaves, in standard errors of a point */
    ull_trace_curve outer, inner; /* through the fall that goes on, from its first point; without it, which may still be before */
    double settling;      /* by how many standard errors a parabola levels off through the later half of what is left by "it is over" */
    double going_per_s;   /* rate of the fall that goes on, */
    double last_per_s;    /* of the last 3 points, */
    double late_per_s, sigma_late_per_s; /* and of the later half, with its standard error */
    double rate_per_s;    /* while it fell, by "it is over" */
    double rest_per_s;    /* rate since then, */
    double sigma_rest_per_s; /* and its standard error; infinite where fewer than 3 points are left */
    double since_began, since_ended; /* samples, by "it is over" */
    int64_t began_ns, ended_ns; /* by "it is over" */
} ull_trace_look;

void ull_trace_clear(ull_trace *trace);

/* Times ascend and values are finite: the caller has seen to that. */
void ull_trace_push(ull_trace *trace, int64_t time_ns, double value);

/* A fall that began about `lag` samples ago; `variance` is that of slow noise, for one sample. */
void ull_trace_judge(const ull_trace *trace, double lag, double variance, ull_trace_look *look);

typedef enum {
    ULL_TRACE_NO_STEP = 0,
    ULL_TRACE_STEP = 1,
    ULL_TRACE_UNSURE = 2 /* a sample fell far below the one before: 4 to 16 are needed to tell */
} ull_trace_answer;

/* Is the largest fall from one of the last ULL_TRACE_POINTS samples to the next far above what noise and the fall since
 * then would do in that time? If so, by how much it fell, and when. `sigma` is that of a sample. */
ull_trace_answer ull_trace_step(const ull_trace *trace, double sigma, double *fall, int64_t *time_ns);

/* The line through the last `count` samples, at most ULL_TRACE_POINTS, level unknown: how fast they fall, and the standard
 * error of that; infinite where there are fewer. */
double ull_trace_newest(const ull_trace *trace, uint32_t count, double variance, double *span_s, double *sigma_per_s);

#endif
