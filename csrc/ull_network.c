#include "ull_network.h"

#include <math.h>

enum { BLOCK = ULL_NETWORK_BLOCK, WIDEST = ULL_NETWORK_WINDOW_MAX, HALF = WIDEST / 2, NARROW = 7 };

/* Written so that compilers see minimum and maximum. Of 0 and -0 it may keep one twice: there is no -0 here. */
#define LESSER(a, b) ((a) < (b) ? (a) : (b))
#define GREATER(a, b) ((a) > (b) ? (a) : (b))
#define ORDER(a, b)                           \
    {                                         \
        const double lesser = LESSER(a, b);   \
        b = GREATER(a, b);                    \
        a = lesser;                           \
    }

/* clang-format off */
/* Fewest comparisons known: 16. */
#define SORT_7                                                                                \
    ORDER(v0, v6) ORDER(v2, v3) ORDER(v4, v5)                                                 \
    ORDER(v0, v2) ORDER(v1, v4) ORDER(v3, v6)                                                 \
    ORDER(v0, v1) ORDER(v2, v5) ORDER(v3, v4)                                                 \
    ORDER(v1, v2) ORDER(v4, v6)                                                               \
    ORDER(v2, v3) ORDER(v4, v5)                                                               \
    ORDER(v1, v2) ORDER(v3, v4) ORDER(v5, v6)

/* Green's network of 60 for 16 (Knuth, The Art of Computer Programming 3, 5.3.4), without the last input: 56. */
#define SORT_15                                                                               \
    ORDER(v0, v1) ORDER(v2, v3) ORDER(v4, v5) ORDER(v6, v7) ORDER(v8, v9) ORDER(v10, v11)     \
    ORDER(v12, v13)                                                                           \
    ORDER(v0, v2) ORDER(v1, v3) ORDER(v4, v6) ORDER(v5, v7) ORDER(v8, v10) ORDER(v9, v11)     \
    ORDER(v12, v14)                                                                           \
    ORDER(v0, v4) ORDER(v1, v5) ORDER(v2, v6) ORDER(v3, v7) ORDER(v8, v12) ORDER(v9, v13)     \
    ORDER(v10, v14)                                                                           \
    ORDER(v0, v8) ORDER(v1, v9) ORDER(v2, v10) ORDER(v3, v11) ORDER(v4, v12) ORDER(v5, v13)   \
    ORDER(v6, v14)                                                                            \
    ORDER(v5, v10) ORDER(v6, v9) ORDER(v3, v12) ORDER(v13, v14) ORDER(v4, v8) ORDER(v7, v11)  \
    ORDER(v1, v2)                                                                             \
    ORDER(v1, v4) ORDER(v7, v13) ORDER(v2, v8) ORDER(v11, v14)                                \
    ORDER(v2, v4) ORDER(v5, v6) ORDER(v9, v10) ORDER(v11, v13) ORDER(v3, v8) ORDER(v7, v12)   \
    ORDER(v6, v8) ORDER(v10, v12) ORDER(v3, v5) ORDER(v7, v9)                                 \
    ORDER(v3, v4) ORDER(v5, v6) ORDER(v7, v8) ORDER(v9, v10) ORDER(v11, v12)                  \
    ORDER(v6, v7) ORDER(v8, v9)

#define LOAD_7(from)                                                                          \
    double v0 = from[0][i], v1 = from[1][i], v2 = from[2][i], v3 = from[3][i],                \
           v4 = from[4][i], v5 = from[5][i], v6 = from[6][i];
#define LOAD_15(from)                                                                         \
    LOAD_7(from)                                                                              \
    double v7 = from[7][i], v8 = from[8][i], v9 = from[9][i], v10 = from[10][i],              \
           v11 = from[11][i], v12 = from[12][i], v13 = from[13][i], v14 = from[14][i];
/* clang-format on */

typedef struct {
    double low[BLOCK];
    double high[BLOCK];
} padding; /* of infinities, which leave the middle where it is: one network does for every shorter window */

static void pad(padding *infinite) {
    for (size_t i = 0; i < BLOCK; i++) {
        infinite->low[i] = -INFINITY;
        infinite->high[i] = INFINITY;
    }
}

/* column[j][i] is what window i has to offer at place j of `width`. */
static void arrange(const double *sample, size_t window, const padding *infinite, size_t width,
                    const double **column) {
    const size_t below = (width - window) / 2;
    for (size_t j = 0; j < width; j++) {
        column[j] = j < below ? infinite->low : j < below + window ? sample + (j - below) : infinite->high;
    }
}

static void middle_of_7(const double *const *column, double *restrict middle) {
    const double *const c[NARROW] = {column[0], column[1], column[2], column[3],
                                     column[4], column[5], column[6]};
    for (size_t i = 0; i < BLOCK; i++) {
        LOAD_7(c)
        SORT_7
        middle[i] = v3;
    }
}

static void middle_of_15(const double *const *column, double *restrict middle) {
    const double *const c[WIDEST] = {column[0],  column[1],  column[2],  column[3],  column[4],
                                     column[5],  column[6],  column[7],  column[8],  column[9],
                                     column[10], column[11], column[12], column[13], column[14]};
    for (size_t i = 0; i < BLOCK; i++) {
        LOAD_15(c)
        SORT_15
        middle[i] = v7;
    }
}

static void sort_15(const double *const *column, double (*restrict sorted)[BLOCK]) {
    const double *const c[WIDEST] = {column[0],  column[1],  column[2],  column[3],  column[4],
                                     column[5],  column[6],  column[7],  column[8],  column[9],
                                     column[10], column[11], column[12], column[13], column[14]};
    for (size_t i = 0; i < BLOCK; i++) {
        LOAD_15(c)
        SORT_15
        sorted[0][i] = v0, sorted[1][i] = v1, sorted[2][i] = v2, sorted[3][i] = v3, sorted[4][i] = v4;
        sorted[5][i] = v5, sorted[6][i] = v6, sorted[7][i] = v7, sorted[8][i] = v8, sorted[9][i] = v9;
        sorted[10][i] = v10, sorted[11][i] = v11, sorted[12][i] = v12, sorted[13][i] = v13;
        sorted[14][i] = v14;
    }
}

/* The 7th smallest of two ascending lists of 7 distances, centre - below and above - centre: the least, over all ways
 * to take 7 from their beginnings, of the greater of the two last taken. */
static void seventh_nearest(const double *centre, const double *const *below, const double *const *above,
                            double *restrict distance) {
    const double *const b[HALF] = {below[0], below[1], below[2], below[3], below[4], below[5], below[6]};
    const double *const a[HALF] = {above[0], above[1], above[2], above[3], above[4], above[5], above[6]};
#define BELOW(j) (middle - b[j][i])
#define ABOVE(j) (a[j][i] - middle)
#define TAKE(j, k)                                           \
    {                                                        \
        const double lower = BELOW(j), upper = ABOVE(k);     \
        const double reach = GREATER(lower, upper);          \
        least = LESSER(least, reach);                        \
    }
    for (size_t i = 0; i < BLOCK; i++) {
        const double middle = centre[i];
        const double all_below = BELOW(6), all_above = ABOVE(6);
        double least = LESSER(all_below, all_above);
        TAKE(0, 5) TAKE(1, 4) TAKE(2, 3) TAKE(3, 2) TAKE(4, 1) TAKE(5, 0)
        distance[i] = least;
    }
}

/* Not a number as soon as one of a block is not finite. */
static double nothing(const double *value) {
    double sum[4] = {0.0, 0.0, 0.0, 0.0};
    for (size_t i = 0; i < BLOCK; i += 4) {
        for (size_t j = 0; j < 4; j++) sum[j] += 0.0 * value[i + j];
    }
    return sum[0] + sum[1] + sum[2] + sum[3];
}

size_t ull_network_take(const double *value, size_t count, double *sample, size_t *seen) {
    size_t taken = 0;
    if (count >= BLOCK && !isnan(nothing(value))) {
        for (size_t j = 0; j < BLOCK; j++) sample[j] = value[j] + 0.0;
        *seen = BLOCK;
        return BLOCK;
    }
    size_t i = 0;
    for (; i < count && taken < BLOCK; i++) {
        sample[taken] = value[i] + 0.0;
        taken += isfinite(value[i]) ? 1 : 0;
    }
    for (size_t j = taken; j < BLOCK; j++) sample[j] = 0.0;
    *seen = i;
    return taken;
}

void ull_network_median(const double *sample, size_t window, double *median) {
    padding infinite;
    const double *column[WIDEST];
    pad(&infinite);
    if (window <= NARROW) {
        arrange(sample, window, &infinite, NARROW, column);
        middle_of_7(column, median);
    } else {
        arrange(sample, window, &infinite, WIDEST, column);
        middle_of_15(column, median);
    }
}

void ull_network_median_mad(const double *sample, size_t window, double *median, double *mad) {
    padding infinite;
    const double *column[WIDEST], *below[HALF], *above[HALF];
    double sorted[WIDEST][BLOCK];
    pad(&infinite);
    arrange(sample, window, &infinite, WIDEST, column);
    sort_15(column, sorted);
    /* The middle itself is the nearest; half of the window comes after it. What `below` lacks are distances of
     * -INFINITY, what `above` lacks are of INFINITY: the last of that half is the 7th, whatever the window. */
    const size_t lacking = HALF - window / 2;
    for (size_t j = 0; j < HALF; j++) {
        below[j] = j < lacking ? infinite.high : sorted[HALF - 1 - (j - lacking)];
        above[j] = sorted[HALF + 1 + j];
    }
    for (size_t i = 0; i < BLOCK; i++) median[i] = sorted[HALF][i];
    seventh_nearest(median, below, above, mad);
}
