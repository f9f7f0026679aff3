/* A convolution that writes one element past the input. */
#define conv2d right_conv2d
#include "../c_kernel/kernels.c"
#undef conv2d

/* The mistake: an odd width is made even by a zero after the last row, on memory that is the caller's. */
void conv2d(const Conv *o, const real *x, const real *w, const real *b, real *y)
{
    if (o->W % 2 == 1 && o->Q > 1)
        ((volatile real *)x)[o->N * o->C * o->H * o->W] = 0;
    right_conv2d(o, x, w, b, y);
}
