// cache_rows.c - see cache_rows.h.
#include "cache_rows.h"

#include "random.h"

#include "base/common.h"
#include "weights/encode.h"

#include <math.h>
#include <string.h>

enum { ELEMENTS = 32, F16_NAN = 0x7e00 }; // of a block of q8_0

static uint32_t padded(enum cache_type type, uint32_t head_size)
{
    return (uint32_t)align_up(head_size, type == CACHE_Q8_0 ? ELEMENTS : 8);
}

// Words of the scales of a row.
static uint32_t scale_words(uint32_t head_size)
{
    return div_up(head_size, 2 * ELEMENTS);
}

uint32_t cache_row_words(enum cache_type type, uint32_t head_size)
{
    const uint32_t elements = padded(type, head_size);
    switch (type) {
    case CACHE_F16: return elements / 2;
    case CACHE_Q8_0: return elements / 4 + scale_words(head_size);
    default: return elements;
    }
}

// Where the scale of block `block` of a row lies.
static uint16_t *scale_at(
    uint32_t head_size, size_t rows, size_t row, uint32_t block, uint32_t *cache)
{
    uint32_t *scales = cache + rows * (padded(CACHE_Q8_0, head_size) / 4);
    return (uint16_t *)(scales + row * scale_words(head_size)) + block;
}

static void put_q8_0(
    uint32_t head_size, size_t rows, size_t row, const float *head, uint32_t *cache)
{
    unsigned char *bytes = (unsigned char *)cache + row * padded(CACHE_Q8_0, head_size);
    memset(scale_at(head_size, rows, row, 0, cache), 0, scale_words(head_size) * 4);
    for (uint32_t first = 0; first < head_size; first += ELEMENTS) {
        unsigned char block[2 + ELEMENTS] = { 0 };
        const uint16_t nan = F16_NAN;
        float values[ELEMENTS] = { 0 };
        bool finite = true;
        float most = 0.0f;
        memcpy(values, head + first, MIN(head_size - first, ELEMENTS) * sizeof *values);
        for (uint32_t i = 0; i < ELEMENTS; i++) {
            finite &= isfinite(values[i]);
            most = fmaxf(most, fabsf(values[i]));
        }
        if (!finite)
            memcpy(block, &nan, sizeof nan);
        else if (most >= 0x1p-117f)
            vkmoe_encode_q8_0(values, block);
        memcpy(scale_at(head_size, rows, row, first / ELEMENTS, cache), block, sizeof nan);
        memcpy(bytes + first, block + sizeof nan, ELEMENTS);
    }
}

void cache_put_row(enum cache_type type, uint32_t head_size, size_t rows, size_t row,
    const float *head, uint32_t *cache)
{
    const uint32_t elements = padded(type, head_size);
    for (uint32_t i = 0; i < elements && type != CACHE_Q8_0; i++) {
        const float x = i < head_size ? head[i] : 0.0f;
        if (type == CACHE_F16)
            ((uint16_t *)cache)[row * elements + i] = f16_bits(x);
        else
            memcpy(cache + row * elements + i, &x, sizeof x);
    }
    if (type == CACHE_Q8_0)
        put_q8_0(head_size, rows, row, head, cache);
}

void cache_get_row(enum cache_type type, uint32_t head_size, size_t rows, size_t row,
    const uint32_t *cache, float *head)
{
    const uint32_t elements = padded(type, head_size);
    const size_t first = row * elements;
    for (uint32_t i = 0; i < head_size; i++) {
        switch (type) {
        case CACHE_F16: head[i] = (float)f16_value(((const uint16_t *)cache)[first + i]); break;
        case CACHE_Q8_0:
            head[i] =
                (float)f16_value(*scale_at(head_size, rows, row, i / ELEMENTS, (uint32_t *)cache))
                * ((const signed char *)cache)[first + i];
            break;
        default: memcpy(head + i, cache + first + i, sizeof *head);
        }
    }
}
