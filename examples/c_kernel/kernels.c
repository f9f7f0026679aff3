/* Convolution and pooling with gradients as plain loops, for the `real` that build.py defines (float or double).
 *
 * Arrays are contiguous and their sizes checked: kernel.py sees to both. Axes: N C H W image; K filters, R S their
 * height and width; G groups; P Q output. Padding is what lies above and left of the image; what lies below and
 * right of it follows from P and Q.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

typedef int64_t size;

typedef struct {
    size N, C, H, W, K, R, S, P, Q, G, sh, sw, ph, pw, dh, dw;
} Conv;

typedef struct {
    size planes, H, W, R, S, P, Q, sh, sw, ph, pw, dh, dw;
} Pool;

/* y[n,k,p,q] = b[k] + sum over c, r, s of w[k,c,r,s] x[n, group(k) C/G + c, p sh - ph + r dh, q sw - pw + s dw] */
void conv2d(const Conv *o, const real *x, const real *w, const real *b, real *y)
{
    size per_group = o->C / o->G;
    for (size n = 0; n < o->N; n++)
    for (size k = 0; k < o->K; k++)
    for (size p = 0; p < o->P; p++)
    for (size q = 0; q < o->Q; q++) {
        real sum = b ? b[k] : 0;
        for (size c = 0; c < per_group; c++)
        for (size r = 0; r < o->R; r++)
        for (size s = 0; s < o->S; s++) {
            size channel = k / (o->K / o->G) * per_group + c;
            size h = p * o->sh - o->ph + r * o->dh, v = q * o->sw - o->pw + s * o->dw;
            size at = ((n * o->C + channel) * o->H + h) * o->W + v;
            size tap = ((k * per_group + c) * o->R + r) * o->S + s;
            if (h >= 0 && h < o->H && v >= 0 && v < o->W)
                sum += x[at] * w[tap];
        }
        *y++ = sum;
    }
}

/* Every product of the forward gives its gradient g[n,k,p,q] to x as g w and to w as g x. */
void conv2d_backward(const Conv *o, const real *g, const real *x, const real *w, real *gx, real *gw, real *gb)
{
    size per_group = o->C / o->G;
    memset(gx, 0, o->N * o->C * o->H * o->W * sizeof(real));
    memset(gw, 0, o->K * per_group * o->R * o->S * sizeof(real));
    if (gb)
        memset(gb, 0, o->K * sizeof(real));
    for (size n = 0; n < o->N; n++)
    for (size k = 0; k < o->K; k++)
    for (size p = 0; p < o->P; p++)
    for (size q = 0; q < o->Q; q++, g++) {
        if (gb)
            gb[k] += *g;
        for (size c = 0; c < per_group; c++)
        for (size r = 0; r < o->R; r++)
        for (size s = 0; s < o->S; s++) {
            size channel = k / (o->K / o->G) * per_group + c;
            size h = p * o->sh - o->ph + r * o->dh, v = q * o->sw - o->pw + s * o->dw;
            size at = ((n * o->C + channel) * o->H + h) * o->W + v;
            size tap = ((k * per_group + c) * o->R + r) * o->S + s;
            if (h >= 0 && h < o->H && v >= 0 && v < o->W) {
                gx[at] += *g * w[tap];
                gw[tap] += *g * x[at];
            }
        }
    }
}

/* The first of equals, the last NaN; `index` is its place in the plane, -1 where the window misses the image. */
void max_pool2d(const Pool *o, const real *x, real *y, int64_t *index)
{
    for (size plane = 0; plane < o->planes; plane++, x += o->H * o->W)
    for (size p = 0; p < o->P; p++)
    for (size q = 0; q < o->Q; q++) {
        real best = -INFINITY;
        size at = -1;
        for (size r = 0; r < o->R; r++)
        for (size s = 0; s < o->S; s++) {
            size h = p * o->sh - o->ph + r * o->dh, v = q * o->sw - o->pw + s * o->dw;
            if (h < 0 || h >= o->H || v < 0 || v >= o->W)
                continue;
            real value = x[h * o->W + v];
            if (at < 0 || value > best || isnan(value)) {
                best = value;
                at = h * o->W + v;
            }
        }
        *y++ = best;
        *index++ = at;
    }
}

/* Each gradient goes to the pixel that won its window. */
void max_pool2d_backward(const Pool *o, const real *g, const int64_t *index, real *gx)
{
    memset(gx, 0, o->planes * o->H * o->W * sizeof(real));
    for (size plane = 0; plane < o->planes; plane++, gx += o->H * o->W)
        for (size window = 0; window < o->P * o->Q; window++, g++, index++)
            if (*index >= 0)
                gx[*index] += *g;
}

typedef struct {
    size top, bottom, left, right; /* the window's pixels inside the image */
    real divisor;
} Window;

static size larger(size a, size b) { return a > b ? a : b; }
static size smaller(size a, size b) { return a < b ? a : b; }

/* Pixels of a window, and how many are counted: with the padding (but never past it) or without. */
static Window window(const Pool *o, size p, size q, int count_padding, size divisor)
{
    size top = p * o->sh - o->ph, bottom = smaller(top + o->R, o->H + o->ph);
    size left = q * o->sw - o->pw, right = smaller(left + o->S, o->W + o->pw);
    Window in = {larger(top, 0), smaller(bottom, o->H), larger(left, 0), smaller(right, o->W), 0};
    size whole = (bottom - top) * (right - left), inside = (in.bottom - in.top) * (in.right - in.left);
    in.divisor = divisor ? divisor : count_padding ? whole : inside;
    return in;
}

/* The mean of each window; a divisor of 0 asks for the number of pixels. */
void avg_pool2d(const Pool *o, int count_padding, size divisor, const real *x, real *y)
{
    for (size plane = 0; plane < o->planes; plane++, x += o->H * o->W)
    for (size p = 0; p < o->P; p++)
    for (size q = 0; q < o->Q; q++) {
        Window in = window(o, p, q, count_padding, divisor);
        real sum = 0;
        for (size h = in.top; h < in.bottom; h++)
            for (size v = in.left; v < in.right; v++)
                sum += x[h * o->W + v];
        *y++ = sum / in.divisor;
    }
}

/* Every pixel of a window gets an equal share of its gradient. */
void avg_pool2d_backward(const Pool *o, int count_padding, size divisor, const real *g, real *gx)
{
    memset(gx, 0, o->planes * o->H * o->W * sizeof(real));
    for (size plane = 0; plane < o->planes; plane++, gx += o->H * o->W)
    for (size p = 0; p < o->P; p++)
    for (size q = 0; q < o->Q; q++, g++) {
        Window in = window(o, p, q, count_padding, divisor);
        for (size h = in.top; h < in.bottom; h++)
            for (size v = in.left; v < in.right; v++)
                gx[h * o->W + v] += *g / in.divisor;
    }
}
