/* Two numbers side by side in one register: the way gcc and clang say so on every processor. Private to the core. */
#ifndef ULL_PAIR_H
#define ULL_PAIR_H

typedef double ull_pair __attribute__((vector_size(16)));

#endif
