// formats.c - what the library makes of blocks of weights, on the host: the values of
// tests/formats, and, where there is such a file, those of another implementation
// (tests/vectors/<name>.bin, and .f32.npy). Kernels are compared by the cases of embed.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/npy.h"
#include "formats.h"
#include "random.h"
#include "tap.h"
#include "weights/view.h"

#define BLOCKS 65536 // every value of two bytes

// NaNs are one value, and 0 is -0.
static bool same_values(const float *a, const float *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (memcmp(&a[i], &b[i], sizeof a[i]) != 0 && !(isnan(a[i]) && isnan(b[i]))
            && !(a[i] == 0.0f && b[i] == 0.0f)) {
            tap_note("element %u is %a, expected %a", i, (double)a[i], (double)b[i]);
            return false;
        }
    }
    return true;
}

static bool check_decoding(enum vkmoe_dtype dtype)
{
    const struct test_format *format = test_format(dtype);
    const struct format *library = vkmoe_format(dtype);
    struct rng rng = rng_for(1, format->name);
    unsigned char block[8 * TEST_FORMAT_MAX_ELEMENTS];
    double exact[TEST_FORMAT_MAX_ELEMENTS];
    float expected[TEST_FORMAT_MAX_ELEMENTS], values[TEST_FORMAT_MAX_ELEMENTS];
    bool ok = library->elements == format->elements && library->bytes == format->bytes
        && library->lead == format->lead && strcmp(library->name, format->name) == 0;
    for (uint32_t b = 0; ok && b < BLOCKS; b++) {
        for (uint32_t i = 0; i < format->bytes; i++)
            block[i] = (unsigned char)(i == 0 ? b : i == 1 ? b >> 8 : rng_next(&rng));
        format->decode(block, exact);
        for (uint32_t i = 0; i < format->elements; i++)
            expected[i] = (float)exact[i];
        library->decode(block, values);
        ok = same_values(values, expected, format->elements);
    }
    return ok;
}

// What has been stored once is stored as it is.
static bool check_encoding(enum vkmoe_dtype dtype)
{
    const struct test_format *format = test_format(dtype);
    struct rng rng = rng_for(2, format->name);
    double values[TEST_FORMAT_MAX_ELEMENTS], again[TEST_FORMAT_MAX_ELEMENTS];
    double error = 0.0, total = 0.0;
    for (uint32_t b = 0; b < 32000 / format->elements; b++) {
        for (uint32_t i = 0; i < format->elements; i++)
            values[i] = again[i] = rng_normal(&rng);
        format_round(dtype, again, format->elements);
        for (uint32_t i = 0; i < format->elements; i++) {
            error += pow(values[i] - again[i], 2);
            total += pow(values[i], 2);
        }
        memcpy(values, again, sizeof values);
        format_round(dtype, again, format->elements);
        if (memcmp(values, again, format->elements * sizeof *values) != 0) {
            tap_note("block %u changes when it is stored again", b);
            return false;
        }
    }
    tap_note("%s: %.2g of rms", format->name, sqrt(error / total));
    return error < 0.25 * total;
}

static bool check_vectors(enum vkmoe_dtype dtype, const char *name, bool *there)
{
    const struct format *library = vkmoe_format(dtype);
    struct vkmoe_npy values = { 0 };
    char path[512];
    snprintf(path, sizeof path, "%s/%s.f32.npy", VKMOE_TEST_VECTORS, name);
    *there = vkmoe_npy_read(path, &(struct vkmoe_log){ 0 }, &values) == VKMOE_OK;
    if (!*there)
        return library->elements == 1; // what has blocks is compared with another's
    snprintf(path, sizeof path, "%s/%s.bin", VKMOE_TEST_VECTORS, name);
    FILE *file = fopen(path, "rb");
    unsigned char block[8 * TEST_FORMAT_MAX_ELEMENTS];
    float decoded[FORMAT_MAX_ELEMENTS];
    uint64_t done = 0;
    bool ok = file != NULL;
    while (ok && done + library->elements <= values.elements
        && fread(block, library->bytes, 1, file) == 1) {
        library->decode(block, decoded);
        ok = same_values(decoded, (const float *)values.data + done, library->elements);
        done += library->elements;
    }
    ok = ok && done == values.elements && fgetc(file) == EOF;
    if (file)
        fclose(file);
    free(values.data);
    return ok;
}

// Rows of 40 elements in two blocks of 32 each, if the stride says so.
static bool test_unused_elements(void)
{
    unsigned char blocks[4 * 34];
    float expected[2][64], *values = NULL;
    struct rng rng = rng_for(3, "unused elements");
    for (size_t i = 0; i < sizeof blocks; i++)
        blocks[i] = i % 34 == 1 ? 0x2e : (unsigned char)rng_next(&rng);
    for (uint32_t b = 0; b < 4; b++)
        vkmoe_format(VKMOE_DTYPE_Q8_0)->decode(blocks + 34 * b, &expected[b / 2][b % 2 * 32]);
    struct vkmoe_view view = {
        .data = blocks, .dtype = VKMOE_DTYPE_Q8_0, .row_stride = 64, .column_stride = 1
    };
    const struct caller nobody = { NULL, "" };
    const struct named_view named = { "view", &view, 40 };
    bool ok = vkmoe_view_check(&nobody, &named) == VKMOE_OK
        && vkmoe_view_floats(&view, NULL, 2, 40, &values) == VKMOE_OK;
    for (uint32_t r = 0; ok && r < 2; r++)
        ok = same_values(values + 40 * (size_t)r, expected[r], 40);
    free(values);
    const int64_t refused[] = { 0, 32, 40, 60 };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        view.row_stride = refused[i];
        ok = ok && vkmoe_view_check(&nobody, &named) == VKMOE_ERROR_INVALID;
    }
    return ok;
}

int main(int argc, char **argv)
{
    struct tap tap;
    if (!tap_begin(&tap, argc, argv))
        return 2;
    TAP_TEST(&tap, "none beyond the last",
        !vkmoe_format((enum vkmoe_dtype)test_format_count)
            && !vkmoe_format((enum vkmoe_dtype) - 1));
    TAP_TEST(&tap, "blocks with elements that are not used", test_unused_elements());
    for (uint32_t i = 0; i < test_format_count; i++) {
        const enum vkmoe_dtype dtype = (enum vkmoe_dtype)i;
        char name[64];
        bool there;
        snprintf(name, sizeof name, "%s is decoded", test_format(dtype)->name);
        TAP_TEST(&tap, name, check_decoding(dtype));
        snprintf(name, sizeof name, "%s is encoded", test_format(dtype)->name);
        TAP_TEST(&tap, name, check_encoding(dtype));
        const bool ok = check_vectors(dtype, test_format(dtype)->name, &there);
        snprintf(name, sizeof name, "%s as others decode it", test_format(dtype)->name);
        if (there || !ok)
            TAP_TEST(&tap, name, ok);
    }
    bool there;
    TAP_TEST(&tap, "mxfp4 with every scale as others decode it",
        check_vectors(VKMOE_DTYPE_MXFP4, "mxfp4_scales", &there) && there);
    return tap_end(&tap);
}
