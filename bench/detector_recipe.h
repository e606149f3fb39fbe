/* A plain leak detector for the scale of a push: a bank of 16 fixed lags over even spacing, level from before each lag,
 * white or AR(1) noise whose sigma and phi are given. No real times, no gaps, no certainty, no steps. 66 kB. */
#include <stddef.h>
#include <stdint.h>

#define RECIPE_LAGS 16
#define RECIPE_RING 2048

typedef struct {
    double phi, scale, lead;                  /* e = (x - phi last) scale; the whitened ramp is `lead` ahead */
    uint32_t lag[RECIPE_LAGS];
    double s1[RECIPE_LAGS], s2[RECIPE_LAGS]; /* sums of the ramp and of its square */
    double bound[RECIPE_LAGS];               /* of A^2 / V */
    double sum[RECIPE_RING], moment[RECIPE_RING], level[RECIPE_RING], variance[RECIPE_RING];
    double last;
    uint64_t count;
} recipe;

void recipe_init(recipe *state, double sigma, double phi, double threshold);

/* From the beginning of `x`: how many samples until the alarm, this one included; 0 for none in `count`. */
size_t recipe_run(recipe *state, const double *x, size_t count);
