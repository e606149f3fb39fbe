/* The watch over one vessel's inventory: measures its noise, lets the detector judge by it, and tells a leak from a step.
 *
 * Before the noise is known the detector goes by twice what the caller declares: a gross leak is seen from the start. From
 * then on it goes by what was measured, made larger by 1.64 of its standard error, and kept up to date: slowly by a long
 * memory, at once where the noise has grown. A fall that is over was none of a leak; a rise is none: both are events, and
 * the level is learned anew. docs/leak-models.md derives the constants.
 *
 * Memory   The caller owns the struct, 37 kB; nothing is allocated.
 * Cost     push: that of ull_detector, ull_noise and ull_trace. While a leak is judged, 20 us more now and then.
 * Threads  None inside; one watch is used by one thread at a time.
 */
#ifndef ULL_WATCH_H
#define ULL_WATCH_H

#include <stddef.h>
#include <stdint.h>

#include "ull_detector.h"
#include "ull_noise.h"
#include "ull_onset.h"
#include "ull_status.h"
#include "ull_step.h"
#include "ull_trace.h"

#define ULL_WATCH_FIRST 8  /* samples that tell the interval; the detector has no say before */

typedef enum {
    ULL_WATCH_NOTHING = 0,
    ULL_WATCH_LEARNED = 1, /* the noise is known from now on */
    ULL_WATCH_RISE = 2,    /* more than before */
    ULL_WATCH_FALL = 3     /* less than before, and it does not go on */
} ull_watch_event;

typedef struct {
    double false_alarm_s;   /* mean time between false alarms; > 0 */
    double memory;          /* samples of baseline, as in ull_detector */
    uint32_t levels;        /* as in ull_detector */
    int64_t gap_ns;         /* longer without a sample: the level is learned anew; > 0 */
    double expected_per_s;  /* a healthy vessel falls so fast */
    int calibrated;         /* 1: sigma, phi and error are from a calibration; 0: they are learned */
    double phi;             /* of neighbours `interval_s` apart */
    double interval_s;
    double error;           /* relative standard error of the long-run sigma */
} ull_watch_settings;

/* What the caller knows of one inventory. */
typedef struct {
    int64_t time_ns;
    double value;
    double sigma;          /* of one, as declared or calibrated; > 0 */
    double fading;         /* a leak falls by this share of itself for each unit that it has lost; >= 0 */
    ull_detector_allowance allowance;
} ull_watch_sample;

typedef struct {
    ull_watch_settings settings;
    ull_detector detector;
    ull_noise noise, noise_before; /* the leak that is confirmed */
    ull_trace trace;
    double certainty;      /* that of the detector; below 1 as long as it may be a step */
    int known;             /* the noise is */
    int confirmed;         /* it is a leak, and not a step */
    ull_watch_event event; /* of this push */
    double event_value;    /* how much more or less, >= 0 */
    int64_t event_ns;      /* when that began */
    /* Private from here. */
    uint32_t held;         /* of `first` */
    ull_watch_sample first[ULL_WATCH_FIRST];
    double declared;       /* mean of sigma over what the noise remembers */
    double sigma, phi;     /* of one sample, over sigma as declared */
    uint64_t batches;
    uint64_t look_count;   /* number of the sample when it is next asked whether it is over */
    int64_t last_ns;
    double last_value;
    double rate_per_s, leaked; /* of the leak that is confirmed; what it has lost since then */
} ull_watch;

/* Begin empty. ULL_ARGUMENT: null, out of bounds. */
ull_status ull_watch_init(ull_watch *watch, const ull_watch_settings *settings);

/* Forget the level; the noise stays known. */
void ull_watch_restart(ull_watch *watch);

/* Take an inventory. Not taken: ULL_ORDER, ULL_ARGUMENT (not finite, sigma not above 0, 10^12 sigma off). */
ull_status ull_watch_push(ull_watch *watch, const ull_watch_sample *sample);

/* One view of the rate of fall now. */
typedef struct {
    double rate_per_s;   /* a fall that fades with what is lost is corrected for that */
    double noise_per_s;  /* its standard error by noise, */
    double error_per_s;  /* and by noise, fading and allowance together */
    double span_s;       /* through which it is seen; 0: there is none */
} ull_watch_view;

/* How certain it is once `rate`, seen as a straight line through `span_s` with the noise `sigma`, is brought to now. */
ull_watch_view ull_watch_present(const ull_watch *watch, double rate_per_s, double sigma_per_s, double span_s, double fading);

/* The surest view among the lines through the last `longest_s` and less. With `steady` not 0 only up to the first that
 * contradicts a shorter one: there the rate has changed; then [low, high] is what all of them admit. */
ull_watch_view ull_watch_rate(const ull_watch *watch, double fading, double longest_s, int steady, double *low, double *high);

/* Batch: even times from the last one on, one allowance. certainty[i] (may be null) is that after value i; events[i] (may be
 * null) is an ull_watch_event. */
ull_status ull_watch_run(ull_watch *watch, const ull_watch_sample *first, int64_t interval_ns, const double *value,
                         size_t count, double *certainty, uint8_t *events);

#endif
