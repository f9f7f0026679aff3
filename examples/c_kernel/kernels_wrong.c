/* kernels.c with a forward that works on eight columns at once, and forgets the rest of a row. */
#define conv2d right_conv2d
#include "kernels.c"
#undef conv2d

enum { BLOCK = 8 };

void conv2d(const Conv *o, const real *x, const real *w, const real *b, real *y)
{
    right_conv2d(o, x, w, b, y);
    size blocks = o->Q / BLOCK;
    size done = blocks ? blocks * BLOCK : o->Q; /* the mistake: a row of 9 has one whole block, and a tail */
    for (size row = 0; row < o->N * o->K * o->P; row++)
        for (size q = done; q < o->Q; q++)
            y[row * o->Q + q] = 0;
}
