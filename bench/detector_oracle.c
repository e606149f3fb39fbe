#include "detector_oracle.h"

static const double HOPELESS = -7.0; /* an onset so unlikely is dropped: e^-7 of them would have come back */

void oracle_restart(oracle *state) {
    state->count = 0;
    state->alive = 0;
}

size_t oracle_run(oracle *state, const double *e, size_t count) {
    for (size_t k = 0; k < count; k++) {
        if (state->count++ % state->stride == 0 && state->alive < ORACLE_ONSETS) {
            state->ratio[state->alive] = 0.0;
            state->mean[state->alive++] = state->rate * state->lag;
        }
        double best = 0.0;
        for (size_t i = 0; i < state->alive; i++) {
            state->mean[i] += state->rate;
            state->ratio[i] += state->mean[i] * (e[k] - 0.5 * state->mean[i]);
            best = state->ratio[i] > best ? state->ratio[i] : best;
        }
        if (best >= state->threshold) return k + 1;
        if (state->count % 8) continue;
        size_t kept = 0;
        for (size_t i = 0; i < state->alive; i++) {
            state->ratio[kept] = state->ratio[i];
            state->mean[kept] = state->mean[i];
            kept += state->ratio[i] > HOPELESS;
        }
        state->alive = kept;
    }
    return 0;
}
