// half_rows.c - see half_rows.h.
#include "half_rows.h"

#include <math.h>
#include <string.h>

#include "shaders/experts_gemm.h"

// Of a row.
static size_t bytes_of(uint32_t columns)
{
    return HALF_STRIDE(columns) * 16;
}

static float *scales_of(void *row, uint32_t columns)
{
    return (float *)((char *)row + columns * 2);
}

// As kernels choose it, and at times another one that will do.
static float choose_scale(const float *x, uint32_t count, bool usual)
{
    float most = 0.0f;
    for (uint32_t i = 0; i < count; i++)
        most = fmaxf(most, fabsf(x[i]));
    if (most == 0.0f)
        return 0x1p126f;
    if (usual && most >= 0.125f && most <= 1000.0f)
        return 64.0f;
    return exp2f(fminf(14.0f - floorf(log2f(most)), 125.0f));
}

static void encode_row(const float *x, uint32_t columns, bool usual, void *row)
{
    for (uint32_t first = 0; first < columns; first += HALF_COLUMNS) {
        const uint32_t count = MIN(columns - first, HALF_COLUMNS);
        const float scale = choose_scale(x + first, count, usual || first % 256 == 0);
        for (uint32_t i = 0; i < count; i++)
            ((uint16_t *)row)[first + i] = f16_bits((double)x[first + i] * (double)scale);
        scales_of(row, columns)[first / HALF_COLUMNS] = scale;
    }
}

// What has not been written stays as it is. Made wrong is what is not zero and has the scale of
// zeros, as who reads it may leave it unscaled.
static void decode_row(const void *row, uint32_t columns, float *x)
{
    for (uint32_t i = 0; i < columns; i++) {
        const uint16_t bits = ((const uint16_t *)row)[i];
        float scale;
        memcpy(&scale, (const char *)row + columns * 2 + i / HALF_COLUMNS * 4, sizeof scale);
        x[i] = (float)(f16_value(bits) / (double)scale);
        if (bits == 0xffff || (scale == 0x1p126f && bits & 0x7fff))
            memset(&x[i], 0xff, sizeof x[i]);
    }
}

static void decode(const struct kernel_operand *operand, const void *actual, float *floats)
{
    const uint32_t columns = operand->columns;
    for (size_t row = 0; row < operand->decoded / MAX(columns, 1); row++)
        decode_row((const char *)actual + row * bytes_of(columns), columns, floats + row * columns);
}

const float *half_rows_from_floats(struct kernel_io *io, const char *name, uint32_t rows, bool even)
{
    struct kernel_operand *operand = io_find(io, name);
    const uint32_t columns = operand->columns;
    const size_t stride = bytes_of(columns);
    float *floats = operand->before;
    char *encoded = io_alloc(io, rows, stride);
    memset(encoded, 0xff, rows * stride);
    for (uint32_t row = 0; row < rows; row++) {
        float *x = floats + (size_t)row * columns;
        if (isnan(x[0])) // nobody's
            continue;
        encode_row(x, columns, even || row % 2, encoded + row * stride);
        decode_row(encoded + row * stride, columns, x);
    }
    operand->before = encoded;
    operand->size = rows * stride;
    return floats;
}

void half_rows_add(struct kernel_io *io, const char *name, uint32_t rows, uint32_t columns)
{
    struct kernel_operand *operand =
        io_add(io, name, ROLE_OUT, rows, (uint32_t)(bytes_of(columns) / 4));
    operand->columns = columns;
    operand->decoded = (size_t)rows * columns;
    operand->decode = decode;
}
