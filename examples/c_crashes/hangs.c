/* A convolution that never returns where a stride is larger than the filter. */
#define conv2d right_conv2d
#include "../c_kernel/kernels.c"
#undef conv2d

/* The mistake: a loop over the taps between two windows, of which there are none. */
void conv2d(const Conv *o, const real *x, const real *w, const real *b, real *y)
{
    for (volatile size gap = o->sh - o->R; gap > 0;)
        ; /* waits for the gap to close */
    for (volatile size gap = o->sw - o->S; gap > 0;)
        ;
    right_conv2d(o, x, w, b, y);
}
