// encode_256.c - formats with blocks of 256 elements, in runs that have scales of few bits. For
// each run scales beside that of its extremes are tried, each made the best for the codes that it
// gives, and the one with the least error is taken, large elements counting for more. Then the
// runs' scales are rounded, and the codes made anew for what they have become.
#include "weights/encode_bits.h"

#include <math.h>

#include "base/common.h"

enum { ELEMENTS = 256, MAX_RUNS = 16, MAX_RUN = 32, LANES = 4 };

// To the nearest, halves up; what is no number to `low`.
static int clamp_round(float value, int low, int high)
{
    const float steps = value - (float)low + 0.5f, most = (float)(high - low);
    return !(steps > 0.0f) ? low : steps > most ? high : low + (int)steps;
}

// What a run is made of.
struct run {
    float x[MAX_RUN], weights[MAX_RUN];
    uint32_t count; // whole lanes
};

// Weighted sums of codes, of their squares, and of their products with elements.
struct sums {
    float c, cc, cx;
};

// Of the codes that x * inverse + offset gives when it is cut to 0..most and to an integer, less
// `middle`. In pieces of which compilers make vectors.
static struct sums sum_codes(
    const struct run *run, float inverse, float offset, float most, float middle)
{
    float codes[MAX_RUN], c[LANES] = { 0 }, cc[LANES] = { 0 }, cx[LANES] = { 0 };
    for (uint32_t i = 0; i < run->count; i += LANES * 4) {
        for (uint32_t l = 0; l < LANES * 4; l++) {
            const float raw = run->x[i + l] * inverse + offset;
            const float floor = raw > 0.0f ? raw : 0.0f;
            const float cut = floor < most ? floor : most;
            codes[i + l] = (float)(int)cut - middle;
        }
    }
    for (uint32_t i = 0; i < run->count; i += LANES) {
        float weighted[LANES];
        for (uint32_t l = 0; l < LANES; l++)
            weighted[l] = run->weights[i + l] * codes[i + l];
        for (uint32_t l = 0; l < LANES; l++)
            c[l] += weighted[l];
        for (uint32_t l = 0; l < LANES; l++)
            cc[l] += weighted[l] * codes[i + l];
        for (uint32_t l = 0; l < LANES; l++)
            cx[l] += weighted[l] * run->x[i + l];
    }
    return (struct sums){ (c[0] + c[1]) + (c[2] + c[3]), (cc[0] + cc[1]) + (cc[2] + cc[3]),
        (cx[0] + cx[1]) + (cx[2] + cx[3]) };
}

// ---------------------------------------------------------------- scales with minimums

// scale code - minimum, neither of them negative.
struct fit {
    float scale, minimum;
};

// Weighted sums of a run: of ones, and of its elements.
struct totals {
    float w, x;
};

// The best pair for given codes, and by how much less its error is than that of zeros; false if no
// scale is.
static bool solve(const struct totals *t, const struct sums *s, struct fit *out, float *gain)
{
    const float determinant = t->w * s->cc - s->c * s->c;
    if (determinant <= 0.0f)
        return false;
    out->scale = (t->w * s->cx - s->c * t->x) / determinant;
    out->minimum = (s->c * s->cx - s->cc * t->x) / determinant;
    if (out->minimum < 0.0f) {
        out->minimum = 0.0f;
        out->scale = s->cx / s->cc;
    }
    *gain = out->scale * s->cx - out->minimum * t->x; // as the pair is a least square's
    return out->scale > 0.0f;
}

static struct fit fit_run(const float *x, uint32_t count, int most)
{
    enum { TRIES = 20, STEPS = 2 };
    struct run run = { .count = count };
    struct totals totals = { 0 };
    float low = 0.0f, high = x[0], squares = 0.0f, largest = 0.0f;
    for (uint32_t i = 0; i < count; i++) {
        low = MIN(low, x[i]);
        high = MAX(high, x[i]);
        squares += x[i] * x[i];
    }
    struct fit best = { 0.0f, -low };
    if (high <= low)
        return best;
    best.scale = (high - low) / (float)most;
    for (uint32_t i = 0; i < count; i++) {
        run.x[i] = x[i];
        run.weights[i] = sqrtf(squares / (float)count) + fabsf(x[i]);
        totals.w += run.weights[i];
        totals.x += run.weights[i] * x[i];
    }
    for (int t = 0; t <= TRIES; t++) {
        // From one code less than there are to one and a half more; then with the codes that the
        // best pair so far gives.
        const float span = (float)most - 1.0f + 2.5f * (float)t / TRIES;
        struct fit fit = { (high - low) / span, -low };
        for (int step = 0; step < STEPS; step++) {
            const float inverse = 1.0f / fit.scale;
            const struct sums sums =
                sum_codes(&run, inverse, fit.minimum * inverse + 0.5f, (float)most, 0.0f);
            float gain;
            if (!solve(&totals, &sums, &fit, &gain))
                break;
            if (gain > largest) {
                largest = gain;
                best = fit;
            }
        }
    }
    return best;
}

// A block's scales and minimums as integers up to `most_scale`, and its codes, after d and dmin
// were put to `at`.
struct coded {
    unsigned char scales[MAX_RUNS], minimums[MAX_RUNS], codes[ELEMENTS];
};

static void encode_minimums(const float *from, uint32_t run, int most_code, int most_scale,
    unsigned char *at, struct coded *out)
{
    struct fit fits[MAX_RUNS];
    float scale = 0.0f, minimum = 0.0f;
    const uint32_t runs = ELEMENTS / run;
    for (uint32_t j = 0; j < runs; j++) {
        fits[j] = fit_run(from + j * run, run, most_code);
        scale = MAX(scale, fits[j].scale);
        minimum = MAX(minimum, fits[j].minimum);
    }
    const float d = put_f16(at, scale / (float)most_scale);
    const float dmin = put_f16(at + 2, minimum / (float)most_scale);
    const float by_d = inverse_of(scale / (float)most_scale);
    const float by_dmin = inverse_of(minimum / (float)most_scale);
    for (uint32_t j = 0; j < runs; j++) {
        out->scales[j] = (unsigned char)clamp_round(fits[j].scale * by_d, 0, most_scale);
        out->minimums[j] = (unsigned char)clamp_round(fits[j].minimum * by_dmin, 0, most_scale);
        const float m = dmin * (float)out->minimums[j];
        const float inverse = inverse_of(d * (float)out->scales[j]);
        for (uint32_t i = j * run; i < (j + 1) * run; i++)
            out->codes[i] = (unsigned char)clamp_round((from[i] + m) * inverse, 0, most_code);
    }
}

// ------------------------------------------------------------- scales without minimums

// scale code, codes from -half to half - 1; of the code -half is the furthest element, whose sign
// the scale has.
static float fit_symmetric(const float *x, uint32_t count, int half)
{
    enum { TRIES = 18, STEPS = 2 };
    struct run run = { .count = count };
    const float furthest = furthest_of(x, count), most = (float)(2 * half - 1);
    float best = furthest / (float)-half, largest = 0.0f;
    for (uint32_t i = 0; i < count; i++) {
        run.x[i] = x[i];
        run.weights[i] = fabsf(x[i]);
    }
    for (int t = 0; t <= TRIES && furthest != 0.0f; t++) {
        float scale = -furthest / ((float)half - 0.9f + 0.1f * (float)t);
        for (int step = 0; step < STEPS && scale != 0.0f; step++) {
            const struct sums sums =
                sum_codes(&run, 1.0f / scale, (float)half + 0.5f, most, (float)half);
            scale = sums.cc > 0.0f ? sums.cx / sums.cc : 0.0f;
            if (sums.cx * scale > largest) { // the error is a constant less this
                largest = sums.cx * scale;
                best = scale;
            }
        }
    }
    return best;
}

struct signed_coded {
    int scales[MAX_RUNS]; // from -limit to limit - 1
    int codes[ELEMENTS];  // from -half to half - 1
};

// In runs of 16; d is put to `at`.
static void encode_symmetric(
    const float *from, int half, int limit, unsigned char *at, struct signed_coded *out)
{
    enum { RUN = ELEMENTS / MAX_RUNS };
    float scales[MAX_RUNS];
    for (uint32_t j = 0; j < MAX_RUNS; j++)
        scales[j] = fit_symmetric(from + j * RUN, RUN, half);
    const float largest = furthest_of(scales, MAX_RUNS);
    const float by_d = inverse_of(largest / (float)-limit);
    const float d = put_f16(at, largest / (float)-limit);
    for (uint32_t j = 0; j < MAX_RUNS; j++) {
        out->scales[j] = clamp_round(scales[j] * by_d, -limit, limit - 1);
        const float inverse = inverse_of(d * (float)out->scales[j]);
        for (uint32_t i = j * RUN; i < (j + 1) * RUN; i++)
            out->codes[i] = clamp_round(from[i] * inverse, -half, half - 1);
    }
}

// -------------------------------------------------------------------------------- bits

// As decode_256.c has them.
static void put_two_bits(unsigned char *bytes, uint32_t i, uint32_t code)
{
    bytes[i / 128 * 32 + i % 32] |= (unsigned char)((code & 3) << i % 128 / 32 * 2);
}

static void put_four_bits(unsigned char *bytes, uint32_t i, uint32_t code)
{
    bytes[i / 64 * 32 + i % 32] |= (unsigned char)((code & 15) << i % 64 / 32 * 4);
}

static void put_scale_6(unsigned char *s, uint32_t j, uint32_t scale, uint32_t minimum)
{
    const uint32_t k = j % 4;
    if (j < 4) {
        s[k] |= (unsigned char)scale;
        s[k + 4] |= (unsigned char)minimum;
    } else {
        s[k + 8] = (unsigned char)((scale & 15) | (minimum & 15) << 4);
        s[k] |= (unsigned char)(scale >> 4 << 6);
        s[k + 4] |= (unsigned char)(minimum >> 4 << 6);
    }
}

static void encode_scaled_6(
    const float *from, uint32_t bits, unsigned char *b, unsigned char *tops, unsigned char *nibbles)
{
    struct coded coded;
    encode_minimums(from, 32, (1 << bits) - 1, 63, b, &coded);
    for (uint32_t j = 0; j < 8; j++)
        put_scale_6(b + 4, j, coded.scales[j], coded.minimums[j]);
    for (uint32_t i = 0; i < ELEMENTS; i++) {
        put_four_bits(nibbles, i, coded.codes[i]);
        if (tops)
            tops[i % 32] |= (unsigned char)(coded.codes[i] >> 4 << i / 32);
    }
}

void vkmoe_encode_q4_K(const float *from, void *block)
{
    unsigned char *b = memset(block, 0, 144);
    encode_scaled_6(from, 4, b, NULL, b + 16);
}

void vkmoe_encode_q5_K(const float *from, void *block)
{
    unsigned char *b = memset(block, 0, 176);
    encode_scaled_6(from, 5, b, b + 16, b + 48);
}

void vkmoe_encode_q2_K(const float *from, void *block)
{
    unsigned char *b = memset(block, 0, 84);
    struct coded coded;
    encode_minimums(from, 16, 3, 15, b + 80, &coded);
    for (uint32_t j = 0; j < MAX_RUNS; j++)
        b[j] = (unsigned char)(coded.scales[j] | coded.minimums[j] << 4);
    for (uint32_t i = 0; i < ELEMENTS; i++)
        put_two_bits(b + 16, i, coded.codes[i]);
}

void vkmoe_encode_q3_K(const float *from, void *block)
{
    unsigned char *b = memset(block, 0, 110), *scales = b + 96;
    struct signed_coded coded;
    encode_symmetric(from, 4, 32, b + 108, &coded);
    for (uint32_t j = 0; j < MAX_RUNS; j++) {
        const uint32_t scale = (uint32_t)(coded.scales[j] + 32);
        scales[j % 8] |= (unsigned char)((scale & 15) << j / 8 * 4);
        scales[8 + j % 4] |= (unsigned char)(scale >> 4 << j / 4 * 2);
    }
    for (uint32_t i = 0; i < ELEMENTS; i++) {
        const uint32_t code = (uint32_t)(coded.codes[i] + 4); // of three bits, the top one apart
        put_two_bits(b + 32, i, code);
        b[i % 32] |= (unsigned char)(code >> 2 << i / 32);
    }
}

void vkmoe_encode_q6_K(const float *from, void *block)
{
    unsigned char *b = memset(block, 0, 210);
    struct signed_coded coded;
    encode_symmetric(from, 32, 128, b + 208, &coded);
    for (uint32_t j = 0; j < MAX_RUNS; j++)
        b[192 + j] = (unsigned char)(signed char)coded.scales[j];
    for (uint32_t i = 0; i < ELEMENTS; i++) {
        const uint32_t half = i / 128, l = i % 32, c = i % 128 / 32;
        const uint32_t code = (uint32_t)(coded.codes[i] + 32);
        b[64 * half + l + 32 * (c % 2)] |= (unsigned char)((code & 15) << c / 2 * 4);
        put_two_bits(b + 128, i, code >> 4);
    }
}
