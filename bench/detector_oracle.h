/* The oracle of bench_detector.py: it knows level, noise and rate of fall, and not the onset. Log likelihood ratio of
 * each onset, best of all against one threshold (Page's CUSUM for a change that grows). */
#include <stddef.h>
#include <stdint.h>

#define ORACLE_ONSETS 4096

typedef struct {
    double rate;      /* of fall, in innovations per sample of the whitened ramp */
    double lag;       /* phi / (1 - phi): the whitened ramp is that much ahead */
    double threshold;
    uint64_t stride;  /* an onset at each so many samples; small against the delay */
    uint64_t count;
    size_t alive;
    double ratio[ORACLE_ONSETS], mean[ORACLE_ONSETS];
} oracle;

/* From the beginning of `e`: how many samples until the alarm, this one included; 0 for none in `count`. */
size_t oracle_run(oracle *state, const double *e, size_t count);
void oracle_restart(oracle *state);
