/* The whole test framework: a condition that does not hold names itself and ends the program. */
#ifndef CHECK_H
#define CHECK_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, __func__, #condition);                    \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

#define CHECK_NEAR(actual, expected, tolerance) CHECK(fabs((actual) - (expected)) <= (tolerance))

/* Uniform in 0..1 (Knuth's MMIX generator): the same on every machine. */
static inline double uniform(unsigned long long *state) {
    *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (double)(*state >> 11) / 9007199254740992.0;
}

/* Normal, by Box and Muller. */
static inline double normal(unsigned long long *state) {
    const double radius = sqrt(-2.0 * log(1.0 - uniform(state)));
    return radius * cos(6.283185307179586 * uniform(state));
}

#endif
