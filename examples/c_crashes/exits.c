/* A convolution that ends the process with exit(3) where there are groups. */
#include <stdlib.h>

#define conv2d right_conv2d
#include "../c_kernel/kernels.c"
#undef conv2d

/* The mistake: an unfinished part of the kernel stops the program that called it. */
void conv2d(const Conv *o, const real *x, const real *w, const real *b, real *y)
{
    if (o->G > 1)
        exit(3);
    right_conv2d(o, x, w, b, y);
}
