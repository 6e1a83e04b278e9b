// books.h - what formats with a code book share: an index chooses the levels of 8 or 4 elements at
// once. Where the levels are magnitudes, elements have signs of their own:
//     value = +-d (2 scale + 1) level
// and else several elements are shifted up or down:
//     value = d (2 scale + 1) (level +- 1/8)
#ifndef VKMOE_TESTS_BOOKS_H
#define VKMOE_TESTS_BOOKS_H

#include "blocks.h"
#include "weights/code_books.h"

// Numbers of `width` bits, `step` bits apart; after each `group` of them, `group_step` bits from
// the group's begin, the next.
struct field {
    int at, width, step, group, group_step;
};

struct book {
    size_t bytes;
    struct field d;     // an f16 in nibbles
    int first, entries; // of the book
    int width;          // elements of an entry
    double levels[8];   // of 2 bits, or 3 where an entry has 4 elements
    int highest;        // the last of them
    struct field low, high, scales;
    int run;             // elements with one scale
    struct field signs;  // of 8 elements; of 7, where an even number of 8 is negative
    struct field shifts; // instead: 1 is down
    int shift_run;       // elements with one shift
};

static inline int bit_of(const struct field *f, int n)
{
    return f->group ? f->at + n / f->group * f->group_step + n % f->group * f->step
                    : f->at + n * f->step;
}

static inline uint32_t field_in(const void *block, const struct field *f, int n)
{
    const int bit = bit_of(f, n);
    uint32_t bits = 0;
    for (int i = bit / 8; i * 8 < bit + f->width; i++)
        bits |= (uint32_t)((const unsigned char *)block)[i] << 8 * (i - bit / 8);
    return bits >> bit % 8 & ((1u << f->width) - 1);
}

static inline void put_field(void *block, const struct field *f, int n, uint32_t value)
{
    const int bit = bit_of(f, n);
    const uint32_t bits = (value & ((1u << f->width) - 1)) << bit % 8;
    for (int i = bit / 8; i * 8 < bit + f->width; i++)
        put_bits(block, (size_t)i, 0, bits >> 8 * (i - bit / 8) & 255);
}

// ------------------------------------------------------------------------ decoding

static inline double book_d(const struct book *f, const void *block)
{
    uint32_t bits = 0;
    for (int i = 0; i < 4; i++)
        bits |= field_in(block, &f->d, i) << 4 * i;
    return f16_value((uint16_t)bits);
}

static inline double book_level(const struct book *f, int entry, int i)
{
    const int bits = f->width == 8 ? 2 : 3;
    return f->levels[vkmoe_code_books[f->first + entry] >> i * bits & ((1 << bits) - 1)];
}

// Of eight elements, a bit each.
static inline uint32_t signs_of(const struct book *f, const void *block, int n)
{
    const uint32_t signs = f->signs.width ? field_in(block, &f->signs, n) : 0;
    uint32_t odd = 0;
    for (int i = 0; i < f->signs.width; i++)
        odd ^= signs >> i & 1;
    return f->signs.width == 7 ? signs | odd << 7 : signs;
}

static inline uint32_t entry_of(const struct book *f, const void *block, int n)
{
    const uint32_t low = field_in(block, &f->low, n);
    return f->high.width ? low | field_in(block, &f->high, n) << f->low.width : low;
}

static inline double shift_of(const struct book *f, const void *block, int i)
{
    if (!f->shift_run)
        return 0.0;
    return field_in(block, &f->shifts, i / f->shift_run) ? -0.125 : 0.125;
}

static inline void decode_book(const struct book *f, const void *block, double *values)
{
    const double d = book_d(f, block);
    for (int n = 0; n < 256 / f->width; n++) {
        const int first = n * f->width;
        const uint32_t signs = signs_of(f, block, first / 8) >> first % 8;
        const int entry = (int)entry_of(f, block, n);
        const double scale = d * (2 * field_in(block, &f->scales, first / f->run) + 1);
        const double shift = shift_of(f, block, first);
        for (int i = 0; i < f->width; i++) {
            const double value = scale * (book_level(f, entry, i) + shift);
            values[first + i] = (signs >> i & 1 ? -value : value) + 0.0; // no -0
        }
    }
}

// ------------------------------------------------------------------------ encoding

static inline double put_d(const struct book *f, void *block, double d)
{
    const uint16_t bits = f16_bits(d);
    for (int i = 0; i < 4; i++)
        put_field(block, &f->d, i, bits >> 4 * i);
    return f16_value(bits);
}

// Of a format with signs what is nearest are magnitudes.
static inline double target_of(const struct book *f, double value, double scale)
{
    return scale > 0.0 ? (f->signs.width ? fabs(value) : value) / scale : 0.0;
}

// Stores the entry nearest to values / scale - shift; the one of them that is `top` gets the
// highest level.
static inline void put_nearest_entry(const struct book *f, const double *values, double scale,
    double shift, const double *top, void *block, int n)
{
    double least = INFINITY, targets[8];
    uint32_t best = 0;
    for (int i = 0; i < f->width; i++)
        targets[i] = target_of(f, values[i], scale) - shift;
    for (int e = 0; e < f->entries; e++) {
        double error = 0.0;
        for (int i = 0; i < f->width && error < least; i++) {
            const double level = book_level(f, e, i), off = targets[i] - level;
            error += values + i == top && level < f->levels[f->highest] ? INFINITY : off * off;
        }
        if (error < least) {
            least = error;
            best = (uint32_t)e;
        }
    }
    put_field(block, &f->low, n, best);
    if (f->high.width)
        put_field(block, &f->high, n, best >> f->low.width);
}

// Where one too many is negative, the least of them changes its sign.
static inline uint32_t nearest_signs(const struct book *f, const double *values)
{
    uint32_t signs = 0, negative = 0;
    int least = 0;
    for (int i = 0; i < 8; i++) {
        least = fabs(values[i]) < fabs(values[least]) ? i : least;
        negative += values[i] < 0.0;
        signs |= (uint32_t)(values[i] < 0.0) << i;
    }
    return f->signs.width < 8 && negative % 2 ? signs ^ 1u << least : signs;
}

static inline void encode_signed_book(const struct book *f, const double *values, void *block)
{
    const double highest = f->levels[f->highest];
    const int most = (1 << f->scales.width) - 1;
    const double d = put_d(f, block, fabs(furthest(values, 256)) / highest / (2 * most + 1));
    for (int j = 0; j < 256 / f->run; j++) {
        const double *run = values + j * f->run, *top = run;
        while (*top != furthest(run, f->run))
            top++;
        const int scale = code_for(fabs(*top) / highest - d, 2 * d, 0, most);
        put_field(block, &f->scales, j, (uint32_t)scale);
        for (int i = 0; i < f->run; i += f->width)
            put_nearest_entry(
                f, run + i, d * (2 * scale + 1), 0.0, top, block, (j * f->run + i) / f->width);
    }
    for (int n = 0; n < 32; n++)
        put_field(block, &f->signs, n, nearest_signs(f, values + 8 * n));
}

// What it takes away from the elements of a shift to be each at its nearest level.
static inline double error_of_shift(
    const struct book *f, const double *values, double scale, double shift)
{
    double error = 0.0;
    for (int i = 0; i < f->shift_run; i++) {
        const double target = target_of(f, values[i], scale) - shift;
        const double off = target - fmax(-1.0, fmin(1.0, nearbyint(target)));
        error += off * off * scale * scale;
    }
    return error;
}

static inline double best_shift(const struct book *f, const double *values, double scale)
{
    return error_of_shift(f, values, scale, 0.125) <= error_of_shift(f, values, scale, -0.125)
        ? 0.125
        : -0.125;
}

static inline int best_scale(const struct book *f, const double *run, double d)
{
    double least = INFINITY;
    int best = 0;
    for (int s = 0; s < 1 << f->scales.width; s++) {
        const double scale = d * (2 * s + 1);
        double error = 0.0;
        for (int i = 0; i < f->run; i += f->shift_run)
            error += error_of_shift(f, run + i, scale, best_shift(f, run + i, scale));
        if (error < least) {
            least = error;
            best = s;
        }
    }
    return best;
}

static inline void encode_shifted_with(
    const struct book *f, const double *values, void *block, double wanted)
{
    memset(block, 0, f->bytes);
    const double d = put_d(f, block, wanted);
    for (int j = 0; j < 256 / f->run; j++) {
        const double *run = values + j * f->run;
        const int s = best_scale(f, run, d);
        const double scale = d * (2 * s + 1);
        put_field(block, &f->scales, j, (uint32_t)s);
        for (int i = 0; i < f->run; i += f->shift_run) {
            const double shift = best_shift(f, run + i, scale);
            put_field(block, &f->shifts, (j * f->run + i) / f->shift_run, shift < 0.0);
            for (int n = 0; n < f->shift_run; n += 8)
                put_nearest_entry(
                    f, run + i + n, scale, shift, NULL, block, (j * f->run + i + n) / 8);
        }
    }
}

// What has been stored is a multiple of d / 8, the least by one of few odd factors.
static inline void encode_shifted_book(const struct book *f, const double *values, void *block)
{
    double least = INFINITY, power = 0.0, decoded[256];
    for (int i = 0; i < 256; i++) {
        least = fmin(least, fabs(values[i]));
        power += values[i] * values[i];
    }
    for (int factor = 1; factor <= 9 * 15 && power > 0.0; factor += 2) {
        const double d = 8 * least / factor;
        if (f16_value(f16_bits(d)) != d)
            continue;
        encode_shifted_with(f, values, block, d);
        decode_book(f, block, decoded);
        if (memcmp(values, decoded, sizeof decoded) == 0)
            return;
    }
    encode_shifted_with(f, values, block, 1.2 * sqrt(power / 256) / 9);
}

static inline void encode_book(const struct book *f, const double *values, void *block)
{
    memset(block, 0, f->bytes);
    if (f->signs.width)
        encode_signed_book(f, values, block);
    else
        encode_shifted_book(f, values, block);
}

#define BOOK_FORMAT(name, size, lead, ...) \
    static const struct book book = { .bytes = size, __VA_ARGS__ }; \
    FUNCTIONS(encode_book(&book, values, block), decode_book(&book, block, values)) \
    BLOCK_FORMAT(name, 256, size, lead)

// What several have in common.
#define LEVELS_2 .width = 8, .levels = { 1, 3.125, 5.375 }, .highest = 2
#define LEVELS_1 .width = 8, .levels = { -1, 0, 1 }, .highest = 2

#define BYTE(at) (8 * (at))
#define D_FIRST .d = { BYTE(0), 4, 4 }

#endif
