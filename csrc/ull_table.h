/* The parameter table as C sees it: columns in memory that Python owns, one row a parameter. */
#ifndef ULL_TABLE_H
#define ULL_TABLE_H

#include <stddef.h>
#include <stdint.h>

/* How far a value can be trusted (low four bits) and where it came from (high four bits). */
#define ULL_GOOD 1
#define ULL_UNCERTAIN 2
#define ULL_BAD 4
#define ULL_STALE 8
#define ULL_TRUST 15
#define ULL_SOURCE 240

/* Why a value is BAD that the instrument gave for GOOD; the other codes of an instrument's fault row are the bus's. */
#define ULL_FAULT_OUT_OF_RANGE 8
#define ULL_FAULT_IMPLAUSIBLE 9

typedef struct {
    double *value;    /* SI; NaN when there is none */
    double *sigma;    /* one standard error; NaN when unknown */
    int64_t *time_ns; /* monotonic clock */
    uint8_t *quality;
    size_t rows;
} ull_table;

#endif
