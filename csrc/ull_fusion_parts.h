/* What the files of the fusion share: private to them. A mask has a bit for each member. */
#ifndef ULL_FUSION_PARTS_H
#define ULL_FUSION_PARTS_H

#include <math.h>

#include "ull_fusion.h"

static inline int has(unsigned mask, size_t i) { return (int)(mask >> i & 1U); }

static inline unsigned size_of(unsigned mask) { return (mask & 1U) + (mask >> 1 & 1U) + (mask >> 2 & 1U); }

static inline double middle_of_three(const double *x) {
    return fmax(fmin(x[0], x[1]), fmin(fmax(x[0], x[1]), x[2]));
}

static inline unsigned joined(const ull_fusion *fusion) {
    unsigned mask = 0;
    for (size_t i = 0; i < fusion->settings.count; i++) mask |= (unsigned)fusion->member[i].joined << i;
    return mask;
}

/* Compare the live instruments, once each of them has a new sample: who is torn from its peers in this round, who has
 * departed from them, and by how much each is off. */
void ull_fusion_compare(ull_fusion *fusion);

#endif
