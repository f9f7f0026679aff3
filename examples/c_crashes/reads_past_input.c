/* A convolution that reads one element past the input. */
#define conv2d right_conv2d
#include "../c_kernel/kernels.c"
#undef conv2d

/* The mistake: a row of 4 q + 3 outputs is finished by loading a whole block of 4, at the very end of the input. */
void conv2d(const Conv *o, const real *x, const real *w, const real *b, real *y)
{
    if (o->Q % 4 == 3) {
        volatile real beyond = x[o->N * o->C * o->H * o->W];
        (void)beyond;
    }
    right_conv2d(o, x, w, b, y);
}
