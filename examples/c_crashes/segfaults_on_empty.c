/* A convolution that ends with a segmentation fault where the batch is empty. */
#define conv2d right_conv2d
#include "../c_kernel/kernels.c"
#undef conv2d

/* The mistake: the first image is looked at before it is known that there is one. */
void conv2d(const Conv *o, const real *x, const real *w, const real *b, real *y)
{
    const volatile real *first = o->N ? x : 0;
    (void)*first;
    right_conv2d(o, x, w, b, y);
}
