/* What every call of the core answers with. */
#ifndef ULL_STATUS_H
#define ULL_STATUS_H

typedef enum {
    ULL_OK = 0,       /* done */
    ULL_ARGUMENT = 1, /* a null pointer, a size or a setting outside its stated bounds; nothing was changed */
    ULL_ORDER = 2,    /* a timestamp that does not advance; the sample was not taken */
    ULL_SYSTEM = 3    /* the operating system refused; errno says why */
} ull_status;

#endif
