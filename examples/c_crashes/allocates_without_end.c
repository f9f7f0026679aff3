/* A convolution that asks for memory until there is none where a filter is dilated. */
#include <stdlib.h>

#define conv2d right_conv2d
#include "../c_kernel/kernels.c"
#undef conv2d

enum { MEBIBYTE = 1 << 20 };

/* The mistake: the scratch that a dilated filter is spread into grows, and nobody stops it. */
void conv2d(const Conv *o, const real *x, const real *w, const real *b, real *y)
{
    while (o->dh > 1 || o->dw > 1) {
        volatile char *scratch = malloc(64 * MEBIBYTE);
        for (size i = 0; i < 64 * MEBIBYTE; i += 4096)
            scratch[i] = 1; /* memory counts once it is touched */
    }
    right_conv2d(o, x, w, b, y);
}
