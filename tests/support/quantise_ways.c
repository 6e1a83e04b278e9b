// quantise_ways.c - see quantise.h.
#include "quantise.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "random.h"

#define SHAPE(...) \
    (const uint64_t[4]) \
    { \
        __VA_ARGS__ \
    }

static double largest(const double *values, uint32_t count)
{
    double found = 0.0;
    for (uint32_t i = 0; i < count; i++)
        found = fmax(found, fabs(values[i]));
    return found;
}

// ------------------------------------------------------------------------------ FP4

static const double e2m1[16] = { 0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6 };

static unsigned nearest(const double *table, unsigned count, double value)
{
    unsigned best = 0;
    for (unsigned i = 1; i < count; i++) {
        if (fabs(table[i] - value) < fabs(table[best] - value))
            best = i;
    }
    return best;
}

// Floats of 8 bits: so many of them are numbers and not negative, the first codes.
static const struct float_8 {
    const char *dtype;
    int mantissa; // bits
    unsigned numbers;
    double top; // that rows are scaled to
} e4m3 = { "F8_E4M3", 3, 127, 440 }, e5m2 = { "F8_E5M2", 2, 124, 50000 };

static const double *float_8_values(const struct float_8 *type)
{
    static double tables[4][128];
    const unsigned steps = 1u << type->mantissa;
    const int least = 2 - (64 >> type->mantissa) - type->mantissa; // of the exponents
    double *values = tables[type->mantissa];
    for (unsigned i = 0; values[type->numbers - 1] == 0.0 && i < type->numbers; i++)
        values[i] =
            i < steps ? ldexp(i, least) : ldexp(i % steps + steps, least + (int)(i / steps) - 1);
    return values;
}

// Codes of `count` values under a scale, two in a byte, the first in the lower half.
static void put_e2m1(double *values, uint32_t count, double scale, unsigned char *bytes)
{
    for (uint32_t i = 0; i < count; i++) {
        const unsigned code = nearest(e2m1, 16, scale != 0.0 ? values[i] / scale : 0.0);
        bytes[i / 2] = (unsigned char)(bytes[i / 2] | code << (i % 2 ? 4 : 0));
        values[i] = (double)(float)(scale * e2m1[code]);
    }
}

static void store_mxfp4(struct quantise_file *file, const char *name, double *values,
    uint32_t experts, uint32_t rows, uint32_t columns)
{
    const size_t groups = (size_t)experts * rows * columns / 32;
    unsigned char *blocks = allocate(groups, 16), *scales = allocate(groups, 1);
    for (size_t g = 0; g < groups; g++) {
        int exponent;
        frexp(largest(values + 32 * g, 32), &exponent);
        scales[g] = (unsigned char)(exponent - 3 + 127);
        put_e2m1(values + 32 * g, 32, ldexp(1.0, exponent - 3), blocks + 16 * g);
    }
    quantise_add(
        file, name, "_blocks", "U8", SHAPE(experts, rows, columns / 32, 16), blocks, 16 * groups);
    quantise_add(file, name, "_scales", "U8", SHAPE(experts, rows, columns / 32), scales, groups);
    free(blocks);
    free(scales);
}

// Two in a byte, a scale for 32 or 16, and for the latter a factor, by which compressed-tensors
// divides.
static void store_fp4(struct quantise_file *file, const char *name, double *values, uint32_t rows,
    uint32_t columns, uint32_t run, bool is_modelopt)
{
    const size_t count = (size_t)rows * columns, runs = count / run;
    unsigned char *codes = allocate(count / 2, 1), *scales = allocate(runs, 1);
    const float stored = is_modelopt ? 0.003f : 1.0f / 0.003f;
    const double factor = (double)(is_modelopt ? stored : 1.0f / stored);
    for (size_t r = 0; r < runs; r++) {
        const double wanted = largest(values + run * r, run) / 6;
        int exponent;
        frexp(wanted, &exponent);
        scales[r] = (unsigned char)(exponent + 127);
        double scale = ldexp(1.0, exponent);
        if (run == 16) {
            scales[r] =
                (unsigned char)nearest(float_8_values(&e4m3), e4m3.numbers, wanted / factor);
            scale = factor * float_8_values(&e4m3)[scales[r]];
        }
        put_e2m1(values + run * r, run, scale, codes + run * r / 2);
    }
    quantise_add(file, name, is_modelopt ? ".weight" : ".weight_packed", "U8",
        SHAPE(rows, columns / 2), codes, count / 2);
    quantise_add(file, name, ".weight_scale", run == 16 ? "F8_E4M3" : "U8",
        SHAPE(rows, columns / run), scales, runs);
    if (run == 16)
        quantise_add(file, name, is_modelopt ? ".weight_scale_2" : ".weight_global_scale", "F32",
            SHAPE(is_modelopt ? 0 : 1), &stored, sizeof stored);
    free(codes);
    free(scales);
}

#define STORE(name_, call) \
    static void store_##name_(struct quantise_file *file, const char *name, double *values, \
        uint32_t experts, uint32_t rows, uint32_t columns) \
    { \
        (void)experts; \
        call; \
    }
STORE(mx_pack, store_fp4(file, name, values, rows, columns, 32, false))
STORE(nvfp4_pack, store_fp4(file, name, values, rows, columns, 16, false))
STORE(nvfp4_modelopt, store_fp4(file, name, values, rows, columns, 16, true))

// ----------------------------------------------------------------------------- 8 bits

// bf16, truncated.
static uint16_t to_bf16(double value, double *stored)
{
    const float narrow = (float)value;
    uint32_t bits;
    memcpy(&bits, &narrow, sizeof bits);
    bits &= 0xffff0000u;
    float back;
    memcpy(&back, &bits, sizeof back);
    *stored = (double)back;
    return (uint16_t)(bits >> 16);
}

static double block_largest(const double *values, uint32_t rows, uint32_t columns, uint32_t row,
    uint32_t column, uint32_t size)
{
    double found = 0.0;
    for (uint32_t r = row; r < rows && r < row + size; r++)
        found = fmax(found,
            largest(values + (size_t)r * columns + column,
                columns - column < size ? columns - column : size));
    return found;
}

static unsigned char put_float_8(const struct float_8 *type, double *value, double scale)
{
    const double *values = float_8_values(type);
    const unsigned code = nearest(values, type->numbers, fabs(*value) / scale);
    const bool negative = *value < 0.0;
    *value = (double)(float)(scale * (negative ? -values[code] : values[code]));
    return (unsigned char)(code | (negative ? 128 : 0));
}

static void store_fp8_block(struct quantise_file *file, const char *name, double *values,
    uint32_t experts, uint32_t rows, uint32_t columns)
{
    const uint32_t down = (rows + 127) / 128, across = (columns + 127) / 128;
    unsigned char *codes = allocate((size_t)rows * columns, 1);
    float *scales = allocate((size_t)down * across, sizeof *scales);
    (void)experts;
    for (uint32_t i = 0; i < down * across; i++)
        scales[i] =
            (float)(block_largest(values, rows, columns, i / across * 128, i % across * 128, 128)
                / 448);
    for (size_t i = 0; i < (size_t)rows * columns; i++)
        codes[i] = put_float_8(
            &e4m3, &values[i], (double)scales[i / columns / 128 * across + i % columns / 128]);
    quantise_add(
        file, name, ".weight", "F8_E4M3", SHAPE(rows, columns), codes, (size_t)rows * columns);
    quantise_add(file, name, ".input_scale", "F32", SHAPE(1), scales, sizeof *scales);
    if (strstr(name, "k_proj"))
        quantise_add(file, name, ".k_scale", "F32", SHAPE(1), scales, sizeof *scales);
    quantise_add(file, name, ".weight_scale_inv", "F32", SHAPE(down, across), scales,
        (size_t)down * across * sizeof *scales);
    free(codes);
    free(scales);
}

// A scale in bf16 for each row, of floats or, if `floats` is NULL, of signed integers, which may
// have zeros.
static void store_rows(struct quantise_file *file, const char *name, double *values, uint32_t rows,
    uint32_t columns, const struct float_8 *floats, bool zeros)
{
    unsigned char *codes = allocate((size_t)rows * columns, 1);
    signed char *zero = allocate(rows, 1);
    uint16_t *scales = allocate(rows, sizeof *scales);
    for (uint32_t r = 0; r < rows; r++) {
        double *row = values + (size_t)r * columns, scale;
        const double top = floats ? floats->top : zeros ? 60 : 126;
        scales[r] = to_bf16(largest(row, columns) / top, &scale);
        zero[r] = (signed char)(zeros ? r % 7 * 20 - 60 : 0);
        for (uint32_t k = 0; k < columns; k++) {
            const double code = floats ? 0.0 : nearbyint(row[k] / scale);
            codes[(size_t)r * columns + k] = floats ? put_float_8(floats, &row[k], scale)
                                                    : (unsigned char)(signed char)(code + zero[r]);
            row[k] = floats ? row[k] : code * scale;
        }
    }
    quantise_add(file, name, ".weight", floats ? floats->dtype : "I8", SHAPE(rows, columns), codes,
        (size_t)rows * columns);
    quantise_add(
        file, name, ".weight_scale", "BF16", SHAPE(rows, 1), scales, rows * sizeof *scales);
    if (zeros)
        quantise_add(file, name, ".weight_zero_point", "I8", SHAPE(rows, 1), zero, rows);
    free(codes);
    free(zero);
    free(scales);
}
STORE(fp8_rows, store_rows(file, name, values, rows, columns, &e4m3, false))
STORE(e5m2_rows, store_rows(file, name, values, rows, columns, &e5m2, false))
STORE(int8_rows, store_rows(file, name, values, rows, columns, NULL, false))
STORE(int8_zeros, store_rows(file, name, values, rows, columns, NULL, true))

// -------------------------------------------------------------------- integers in words

enum order { ALONG_ROWS, GPTQ, AWQ };
// Which columns are a group: runs, as in all matrices of so many columns, or others in each.
enum groups { RUNS, ALIKE, ANY };

// places[i]: column of the group i / 32.
static void place_groups(
    const char *name, enum groups groups, uint32_t columns, uint32_t *places, int32_t *g_idx)
{
    struct rng rng = rng_for(columns, groups == ALIKE ? "groups" : name);
    for (uint32_t i = 0; i < columns; i++) {
        const uint32_t j = groups == RUNS ? i : rng_below(&rng, i + 1);
        places[i] = places[j];
        places[j] = i;
    }
    for (uint32_t i = 0; i < columns; i++)
        g_idx[places[i]] = (int32_t)(i / 32);
}

// Where field `i` of `bits` bits is: in word words[i / (32 / bits) * step].
static void put_field(uint32_t *words, uint32_t bits, uint32_t i, size_t step, uint32_t code)
{
    words[i / (32 / bits) * step] |= code << i % (32 / bits) * bits;
}

static uint32_t in_order(enum order order, uint32_t i)
{
    static const uint32_t places[] = { 0, 4, 1, 5, 2, 6, 3, 7 };
    return order == AWQ ? i / 8 * 8 + places[i % 8] : i;
}

// Groups of 32 columns of a row, each with a scale that f16 and bf16 hold, and a zero.
static void store_integers(struct quantise_file *file, const char *name, double *values,
    uint32_t rows, uint32_t columns, uint32_t bits, enum order order, enum groups how)
{
    const uint32_t per_word = 32 / bits, groups = columns / 32, most = (1u << bits) - 1;
    const size_t words = (size_t)rows * columns / per_word;
    uint32_t *codes = allocate(words, 4), *zeros = allocate((size_t)rows * groups, 4);
    uint16_t *scales = allocate((size_t)rows * groups, 2);
    int32_t *g_idx = allocate(columns, 4);
    uint32_t *places = allocate(columns, 4);
    place_groups(name, how, columns, places, g_idx);
    for (uint32_t i = 0; i < rows * groups; i++) {
        const uint32_t r = i / groups, g = i % groups;
        const uint32_t *group = places + 32 * (size_t)g;
        double *row = values + (size_t)r * columns, most_of_group = 0.0;
        int exponent;
        for (uint32_t k = 0; k < 32; k++)
            most_of_group = fmax(most_of_group, fabs(row[group[k]]));
        frexp(most_of_group * 2 / most, &exponent);
        const double scale = ldexp(0.75, exponent); // 1.5 times a power of two
        const uint32_t zero = most / 2 + (r + g) % 3;
        const size_t turned = (size_t)g * rows + r;
        scales[order == ALONG_ROWS ? i : turned] =
            (uint16_t)(order == ALONG_ROWS ? (exponent + 126) << 7 | 64
                                           : (exponent + 14) << 10 | 512);
        if (order == ALONG_ROWS)
            put_field(zeros + g, bits, r, groups, zero);
        else
            put_field(zeros + (size_t)g * (rows / per_word), bits, in_order(order, r), 1,
                zero - (order == GPTQ));
        for (uint32_t k = 0; k < 32; k++) {
            const uint32_t column = group[k];
            const double code = fmax(0, fmin(most, nearbyint(row[column] / scale) + zero));
            row[column] = (code - zero) * scale;
            if (order == ALONG_ROWS)
                put_field(
                    codes + (size_t)r * (columns / per_word), bits, column, 1, (uint32_t)code);
            else if (order == GPTQ)
                put_field(codes + r, bits, column, rows, (uint32_t)code);
            else
                put_field(
                    codes + (size_t)column * (rows / 8), 4, in_order(order, r), 1, (uint32_t)code);
        }
    }
    if (order == ALONG_ROWS) {
        const int64_t shape[2] = { rows, columns };
        if (how != RUNS)
            quantise_add(
                file, name, ".weight_g_idx", "I32", SHAPE(columns), g_idx, 4 * (size_t)columns);
        quantise_add(
            file, name, ".weight_packed", "I32", SHAPE(rows, columns / per_word), codes, 4 * words);
        quantise_add(file, name, ".weight_scale", "BF16", SHAPE(rows, groups), scales,
            (size_t)rows * groups * 2);
        quantise_add(file, name, ".weight_zero_point", "I32",
            SHAPE((rows + per_word - 1) / per_word, groups), zeros,
            (rows + per_word - 1) / per_word * (size_t)groups * 4);
        quantise_add(file, name, ".weight_shape", "I64", SHAPE(2), shape, sizeof shape);
    } else {
        const uint32_t down = order == GPTQ ? per_word : 1, across = order == GPTQ ? 1 : per_word;
        quantise_add(
            file, name, ".qweight", "I32", SHAPE(columns / down, rows / across), codes, 4 * words);
        quantise_add(
            file, name, ".scales", "F16", SHAPE(groups, rows), scales, (size_t)rows * groups * 2);
        quantise_add(file, name, ".qzeros", "I32", SHAPE(groups, rows / per_word), zeros,
            (size_t)rows / per_word * groups * 4);
        if (order == GPTQ)
            quantise_add(file, name, ".g_idx", "I32", SHAPE(columns), g_idx, 4 * (size_t)columns);
    }
    free(codes);
    free(zeros);
    free(scales);
    free(g_idx);
    free(places);
}
STORE(packed_4, store_integers(file, name, values, rows, columns, 4, ALONG_ROWS, RUNS))
STORE(packed_8, store_integers(file, name, values, rows, columns, 8, ALONG_ROWS, RUNS))
STORE(packed_8_order, store_integers(file, name, values, rows, columns, 8, ALONG_ROWS, ANY))
STORE(gptq_4, store_integers(file, name, values, rows, columns, 4, GPTQ, RUNS))
STORE(gptq_4_order, store_integers(file, name, values, rows, columns, 4, GPTQ, ALIKE))
STORE(gptq_4_orders, store_integers(file, name, values, rows, columns, 4, GPTQ, ANY))
STORE(gptq_8, store_integers(file, name, values, rows, columns, 8, GPTQ, RUNS))
STORE(awq, store_integers(file, name, values, rows, columns, 4, AWQ, RUNS))

#define COMPRESSED(format, weights) \
    "{\"quant_method\":\"compressed-tensors\",\"format\":\"" format \
    "\",\"config_groups\":{\"group_0\":{\"weights\":{" weights "}}}}"

#define GPTQ_ORDER "{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":32,\"desc_act\":true}"

const struct way quantise_ways[] = {
    { "gpt-oss mxfp4", "{\"quant_method\":\"mxfp4\"}", 32, true, true, store_mxfp4 },
    { "fp8 blocks", "{\"quant_method\":\"fp8\",\"weight_block_size\":[128,128]}", 1, false, true,
        store_fp8_block },
    { "fp8 rows", COMPRESSED("float-quantized", "\"num_bits\":8,\"strategy\":\"channel\""), 1,
        false, false, store_fp8_rows },
    { "fp8 rows in e5m2", COMPRESSED("float-quantized", "\"num_bits\":8,\"strategy\":\"channel\""),
        1, false, true, store_e5m2_rows },
    { "int8 rows", COMPRESSED("int-quantized", "\"num_bits\":8,\"strategy\":\"channel\""), 1, false,
        true, store_int8_rows },
    { "int8 rows and zeros",
        COMPRESSED("int-quantized", "\"num_bits\":8,\"strategy\":\"channel\",\"symmetric\":false"),
        1, false, false, store_int8_zeros },
    { "int4 packed", COMPRESSED("pack-quantized", "\"num_bits\":4,\"group_size\":32"), 32, false,
        false, store_packed_4 },
    { "int8 packed", COMPRESSED("pack-quantized", "\"num_bits\":8,\"group_size\":32"), 32, false,
        false, store_packed_8 },
    { "gptq", "{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":32}", 32, false, false,
        store_gptq_4 },
    { "gptq 8 bits", "{\"quant_method\":\"gptq\",\"bits\":8,\"group_size\":32}", 32, false, false,
        store_gptq_8 },
    { "gptq desc_act", GPTQ_ORDER, 32, false, true, store_gptq_4_order, .ordered = true },
    { "gptq desc_act of each", GPTQ_ORDER, 32, false, true, store_gptq_4_orders, .ordered = true },
    { "int8 packed actorder",
        COMPRESSED("pack-quantized", "\"num_bits\":8,\"group_size\":32,\"actorder\":\"group\""), 32,
        false, false, store_packed_8_order, .ordered = true },
    { "awq", "{\"quant_method\":\"awq\",\"bits\":4,\"group_size\":32,\"version\":\"gemm\"}", 32,
        false, true, store_awq },
    { "mxfp4 packed", COMPRESSED("mxfp4-pack-quantized", "\"num_bits\":4,\"group_size\":32"), 32,
        false, false, store_mx_pack },
    { "nvfp4 packed", COMPRESSED("nvfp4-pack-quantized", "\"num_bits\":4,\"group_size\":16"), 16,
        false, true, store_nvfp4_pack },
    { "nvfp4 of ModelOpt", "{\"quant_method\":\"modelopt\",\"quant_algo\":\"NVFP4\"}", 16, false,
        false, store_nvfp4_modelopt },
};
const uint32_t quantise_way_count = sizeof quantise_ways / sizeof *quantise_ways;

struct way quantise_way_named(const char *name)
{
    for (uint32_t i = 0; i < quantise_way_count; i++)
        if (strcmp(quantise_ways[i].name, name) == 0)
            return quantise_ways[i];
    abort();
}
