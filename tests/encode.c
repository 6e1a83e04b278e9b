// encode.c - blocks as the library writes them, on the host: those of formats with simple blocks
// are ggml's, byte by byte, those that are searched for have no larger error than ggml's
// (tests/vectors/quantized.c).
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/npy.h"
#include "formats.h"
#include "random.h"
#include "tap.h"
#include "weights/encode.h"

enum { COUNT = 2048, SPECIAL = 256 }; // values, of which the first are awkward

// What ggml has for `values`; false if there is no such file.
static bool read_blocks(const char *name, unsigned char *blocks, size_t size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/quantized.%s.bin", VKMOE_TEST_VECTORS, name);
    FILE *file = fopen(path, "rb");
    const bool ok = file && fread(blocks, size, 1, file) == 1 && fgetc(file) == EOF;
    if (file)
        fclose(file);
    return ok;
}

static void encode_all(
    const struct format *format, encoder encode, const float *values, unsigned char *blocks)
{
    for (uint32_t i = 0; i < COUNT; i += format->elements, blocks += format->bytes)
        encode(values + i, blocks);
}

static double error_of(
    const struct format *format, const unsigned char *blocks, const float *values)
{
    float decoded[FORMAT_MAX_ELEMENTS];
    double error = 0.0;
    for (uint32_t i = 0; i < COUNT; i += format->elements, blocks += format->bytes) {
        format->decode(blocks, decoded);
        for (uint32_t e = 0; e < format->elements && i >= SPECIAL; e++)
            error += pow((double)decoded[e] - (double)values[i + e], 2);
    }
    return sqrt(error / (COUNT - SPECIAL));
}

// Beside ggml's and the tests' own simple encoder.
static bool check_error(enum vkmoe_dtype dtype, const unsigned char *own,
    const unsigned char *theirs, const float *values)
{
    const struct format *format = vkmoe_format(dtype);
    unsigned char simple[4 * COUNT];
    double wide[COUNT];
    for (uint32_t i = 0; i < COUNT; i++)
        wide[i] = (double)values[i];
    format_encode(dtype, wide, COUNT, simple);
    const double error = error_of(format, own, values), ggml = error_of(format, theirs, values);
    const double least = error_of(format, simple, values);
    tap_note(
        "%s: rms error %.4g, ggml %.4g, by extremes alone %.4g", format->name, error, ggml, least);
    return error <= 1.005 * ggml && error < 0.97 * least;
}

static bool check_blocks(enum vkmoe_dtype dtype, const float *values)
{
    const struct format *format = vkmoe_format(dtype);
    unsigned char own[4 * COUNT], theirs[4 * COUNT];
    const uint32_t blocks = COUNT / format->elements;
    encode_all(format, vkmoe_encoder(dtype), values, own);
    if (dtype == VKMOE_DTYPE_F32)
        return memcmp(own, values, sizeof own) == 0;
    if (!read_blocks(format->name, theirs, (size_t)blocks * format->bytes))
        return false;
    if (format->elements > 32)
        return check_error(dtype, own, theirs, values);
    for (uint32_t b = 0; b < blocks; b++) {
        if (memcmp(own + b * format->bytes, theirs + b * format->bytes, format->bytes) != 0) {
            tap_note("block %u is not ggml's", b);
            return false;
        }
    }
    return true;
}

// Blocks of one value, of very small and very large ones: what comes back is finite and near.
static bool check_extremes(enum vkmoe_dtype dtype)
{
    static const float all[] = { 0.0f, 1.0f, -1.0f, 1e-30f, -1e-9f, 6e-8f, 60000.0f, -60000.0f };
    const struct format *format = vkmoe_format(dtype);
    for (size_t v = 0; v < sizeof all / sizeof all[0]; v++) {
        float values[FORMAT_MAX_ELEMENTS], decoded[FORMAT_MAX_ELEMENTS];
        unsigned char block[FORMAT_MAX_BYTES];
        for (uint32_t i = 0; i < FORMAT_MAX_ELEMENTS; i++)
            values[i] = all[v];
        vkmoe_encoder(dtype)(values, block);
        format->decode(block, decoded);
        for (uint32_t i = 0; i < format->elements; i++) {
            const float off = fabsf(decoded[i] - all[v]);
            if (!(off <= 0.01f * fabsf(all[v]) + 1e-6f)) {
                tap_note(
                    "%s: %g comes back as %g", format->name, (double)all[v], (double)decoded[i]);
                return false;
            }
        }
    }
    return true;
}

// Every value of two bytes is kept, and what lies halfway between two goes to the even one.
static bool check_halves(enum vkmoe_dtype dtype)
{
    const struct format *format = vkmoe_format(dtype);
    const uint32_t infinity = dtype == VKMOE_DTYPE_F16 ? 0x7c00 : 0x7f80;
    for (uint32_t bits = 0; bits < infinity; bits++) {
        const uint16_t low = (uint16_t)bits, high = (uint16_t)(bits + 1);
        float a, b;
        uint16_t stored;
        format->decode(&low, &a);
        vkmoe_encoder(dtype)(&a, &stored);
        if (stored != low)
            return false;
        if (high == infinity)
            break;
        format->decode(&high, &b);
        const float middle = -(float)(((double)a + (double)b) / 2);
        vkmoe_encoder(dtype)(&middle, &stored);
        if (stored != (0x8000 | (bits & 1 ? high : low)))
            return false;
    }
    const float beyond[] = { INFINITY, dtype == VKMOE_DTYPE_F16 ? 65520.0f : 3.4e38f };
    for (size_t i = 0; i < 2; i++) {
        uint16_t stored;
        vkmoe_encoder(dtype)(&beyond[i], &stored);
        if (stored != infinity)
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct tap tap;
    struct vkmoe_npy values = { 0 };
    if (!tap_begin(&tap, argc, argv))
        return 2;
    if (vkmoe_npy_read(VKMOE_TEST_VECTORS "/quantized.f32.npy", &(struct vkmoe_log){ 0 }, &values)
            != VKMOE_OK
        || values.elements != COUNT)
        return 2;
    uint32_t encoders = 0;
    for (uint32_t i = 0; i < test_format_count; i++) {
        const enum vkmoe_dtype dtype = (enum vkmoe_dtype)i;
        char name[64];
        if (!vkmoe_encoder(dtype))
            continue;
        encoders++;
        snprintf(name, sizeof name, "%s is written", vkmoe_format(dtype)->name);
        TAP_TEST(&tap, name, check_blocks(dtype, values.data));
        snprintf(name, sizeof name, "%s of one value", vkmoe_format(dtype)->name);
        TAP_TEST(&tap, name, check_extremes(dtype));
    }
    TAP_TEST(&tap, "f16 goes to the nearest", check_halves(VKMOE_DTYPE_F16));
    TAP_TEST(&tap, "bf16 goes to the nearest", check_halves(VKMOE_DTYPE_BF16));
    TAP_TEST(&tap, "these and no others",
        encoders == 13 && !vkmoe_encoder(VKMOE_DTYPE_NVFP4)
            && !vkmoe_encoder((enum vkmoe_dtype) - 1));
    free(values.data);
    return tap_end(&tap);
}
