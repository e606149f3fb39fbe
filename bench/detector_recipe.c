#include "detector_recipe.h"

#include <math.h>

static const double FIRST = 8.0, RATIO = 1.404, PENALTY = 0.9, MEMORY = 1e4;
enum { MASK = RECIPE_RING - 1 };

void recipe_init(recipe *state, double sigma, double phi, double threshold) {
    *state = (recipe){.phi = phi, .scale = 1.0 / (sigma * sqrt(1.0 - phi * phi)), .lead = phi / (1.0 - phi)};
    for (int i = 0; i < RECIPE_LAGS; i++) {
        const double n = floor(FIRST * pow(RATIO, i)), d = state->lead;
        state->lag[i] = (uint32_t)n;
        state->s1[i] = n * (n + 1.0) / 2.0 + d * n;
        state->s2[i] = n * (n + 1.0) * (2.0 * n + 1.0) / 6.0 + d * n * (n + 1.0) + d * d * n;
        state->bound[i] = 2.0 * (threshold - PENALTY * log(n));
    }
}

size_t recipe_run(recipe *s, const double *x, size_t count) {
    for (size_t k = 0; k < count; k++) {
        const uint64_t before = s->count++;
        const double e = (s->phi * s->last - x[k]) * s->scale; /* a fall is positive */
        s->last = x[k];
        const size_t now = s->count & MASK, then = before & MASK;
        const double gain = fmax(1.0 / (double)s->count, 2.0 / (MEMORY + 1.0)), rest = 1.0 - gain;
        s->sum[now] = s->sum[then] + e;
        s->moment[now] = s->moment[then] + (double)s->count * e;
        s->level[now] = s->level[then] + gain * (e - s->level[then]);
        s->variance[now] = rest * rest * s->variance[then] + gain * gain;
        int alarm = 0;
        for (int i = 0; i < RECIPE_LAGS && s->count > 2 * (uint64_t)s->lag[i]; i++) {
            const size_t onset = (s->count - s->lag[i]) & MASK;
            const double origin = (double)(s->count - s->lag[i]) - s->lead;
            const double a = s->moment[now] - s->moment[onset] - origin * (s->sum[now] - s->sum[onset]) -
                             s->s1[i] * s->level[onset];
            const double v = s->s2[i] + s->s1[i] * s->s1[i] * s->variance[onset];
            alarm |= a > 0.0 && a * a > s->bound[i] * v;
        }
        if (alarm) return k + 1;
    }
    return 0;
}
