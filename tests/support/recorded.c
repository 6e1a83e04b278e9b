// recorded.c - see recorded.h.
#include "recorded.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/npy.h"
#include "check.h"
#include "random.h"

static void *read_npy(const char *model, const char *file, size_t count, enum vkmoe_npy_dtype dtype)
{
    char path[1024];
    struct vkmoe_npy npy;
    snprintf(path, sizeof(path), VKMOE_TEST_MODELS "/%s/recorded/%s.npy", model, file);
    if (vkmoe_npy_read(path, NULL, &npy) != VKMOE_OK) {
        tap_note("%s cannot be read", path);
        return NULL;
    }
    if (npy.dtype == dtype && npy.elements == count)
        return npy.data;
    tap_note("%s: %" PRIu64 " elements, expected %zu", path, npy.elements, count);
    free(npy.data);
    return NULL;
}

float *recorded_floats(const char *model, const char *file, size_t count)
{
    return read_npy(model, file, count, VKMOE_NPY_F32);
}

int32_t *recorded_ids(const char *model, const char *file, size_t count)
{
    return read_npy(model, file, count, VKMOE_NPY_I32);
}

static void *read_moe(
    const char *model, uint32_t block, const char *what, size_t count, enum vkmoe_npy_dtype dtype)
{
    char file[64];
    snprintf(file, sizeof file, "layer%" PRIu32 "_moe_%s", block, what);
    return read_npy(model, file, count, dtype);
}

float *recorded_moe_floats(const char *model, uint32_t block, const char *what, size_t count)
{
    return read_moe(model, block, what, count, VKMOE_NPY_F32);
}

int32_t *recorded_moe_ids(const char *model, uint32_t block, const char *what, size_t count)
{
    return read_moe(model, block, what, count, VKMOE_NPY_I32);
}

double rms_error(const float *expected, const double *actual, size_t count)
{
    double largest = 0.0, squares = 0.0;
    for (size_t i = 0; i < count; i++) {
        largest = fmax(largest, fabs(expected[i] - actual[i]));
        squares += (double)expected[i] * expected[i];
    }
    return largest / sqrt(squares / (double)count);
}

// ---------------------------------------------------------------------------- tensors

// A safetensors file: a length, a header in JSON, the data.
struct tensors {
    char *header;
    FILE *file;
    long data; // where it starts
};

static bool tensors_open(struct tensors *tensors, const char *model)
{
    char path[1024];
    uint64_t length = 0;
    *tensors = (struct tensors){ 0 };
    snprintf(path, sizeof(path), VKMOE_TEST_MODELS "/%s/model.safetensors", model);
    tensors->file = fopen(path, "rb");
    if (tensors->file && fread(&length, sizeof(length), 1, tensors->file) == 1 && length < 1 << 20)
        tensors->header = calloc(1, length + 1);
    if (tensors->header && fread(tensors->header, length, 1, tensors->file) == 1) {
        tensors->data = 8 + (long)length;
        return true;
    }
    tap_note("%s cannot be read", path);
    return false;
}

static void tensors_close(struct tensors *tensors)
{
    free(tensors->header);
    if (tensors->file)
        fclose(tensors->file);
}

// `count` elements of f16 of the tensor called `model.layers.<block>.<name>`, from element
// `first` on.
static double *read_tensor(
    const struct tensors *tensors, uint32_t block, const char *name, size_t first, size_t count)
{
    char key[256];
    long begin, end;
    snprintf(key, sizeof(key), "\"model.layers.%" PRIu32 ".%s\"", block, name);
    const char *entry = strstr(tensors->header, key);
    const char *offsets = entry ? strstr(entry, "\"data_offsets\"") : NULL;
    offsets = offsets ? strchr(offsets, '[') : NULL;
    double *values = malloc(count * sizeof(double));
    uint16_t *bits = malloc(count * sizeof(uint16_t));
    bool ok = values && bits && offsets && sscanf(offsets, "[%ld,%ld]", &begin, &end) == 2
        && (size_t)(end - begin) >= 2 * (first + count)
        && !fseek(tensors->file, tensors->data + begin + 2 * (long)first, SEEK_SET)
        && fread(bits, 2 * count, 1, tensors->file) == 1;
    for (size_t i = 0; ok && i < count; i++)
        values[i] = f16_value(bits[i]);
    if (!ok) {
        tap_note("%s cannot be read", key);
        free(values);
        values = NULL;
    }
    free(bits);
    return values;
}

static bool read_mixtral(
    const struct tensors *tensors, uint32_t block, struct reference_attention *a)
{
    enum { HIDDEN = RECORDED_HIDDEN };
    *a = (struct reference_attention){
        .hidden = HIDDEN,
        .head_size = 32,
        .heads = 4,
        .kv_heads = 2,
        .experts = 1,
        .experts_per_token = 1,
        .rope = { .kind = VKMOE_ROPE_HALF },
        .query = read_tensor(tensors, block, "self_attn.q_proj.weight", 0, 128 * HIDDEN),
        .output = read_tensor(tensors, block, "self_attn.o_proj.weight", 0, 128 * HIDDEN),
        .key = read_tensor(tensors, block, "self_attn.k_proj.weight", 0, 64 * HIDDEN),
        .value = read_tensor(tensors, block, "self_attn.v_proj.weight", 0, 64 * HIDDEN),
    };
    return a->query && a->output && a->key && a->value;
}

static bool read_jetmoe(
    const struct tensors *tensors, uint32_t block, struct reference_attention *a)
{
    enum { HIDDEN = RECORDED_HIDDEN, EXPERTS = 8 };
    static const uint32_t windows[EXPERTS] = { 8, 8, 32, 32, 128, 128, 0, 0 };
    static const char experts[] = "self_attention.experts.";
    char input[64], output[64], bias[64], router[64];
    snprintf(input, sizeof(input), "%sinput_linear.weight", experts);
    snprintf(output, sizeof(output), "%soutput_linear.weight", experts);
    snprintf(bias, sizeof(bias), "%sbias", experts);
    snprintf(router, sizeof(router), "%srouter.layer.weight", experts);
    const char *kv = "self_attention.kv_proj.weight"; // keys first
    *a = (struct reference_attention){
        .hidden = HIDDEN, .head_size = 32, .heads = 2, .kv_heads = 2, .tiled_kv = true,
        .experts = EXPERTS, .experts_per_token = 2, .rope = {.kind = VKMOE_ROPE_HALF},
        .router = {
            .hidden = HIDDEN, .experts = EXPERTS, .experts_per_token = 2,
            .score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SOFTMAX,
            .router = read_tensor(tensors, block, router, 0, EXPERTS * HIDDEN),
        },
        .query = read_tensor(tensors, block, input, 0, EXPERTS * 64 * HIDDEN),
        .output = read_tensor(tensors, block, output, 0, EXPERTS * 64 * HIDDEN),
        .output_bias = read_tensor(tensors, block, bias, 0, HIDDEN),
        .key = read_tensor(tensors, block, kv, 0, 64 * HIDDEN),
        .value = read_tensor(tensors, block, kv, 64 * HIDDEN, 64 * HIDDEN),
        .patterns = calloc(EXPERTS, sizeof(struct vkmoe_pattern)),
    };
    for (int e = 0; a->patterns && e < EXPERTS; e++)
        a->patterns[e].left = windows[e];
    return a->router.router && a->query && a->output && a->output_bias && a->key && a->value
        && a->patterns;
}

bool recorded_attention(const char *model, uint32_t block, struct reference_attention *out)
{
    struct tensors tensors;
    *out = (struct reference_attention){ 0 };
    bool ok = tensors_open(&tensors, model);
    if (ok && strcmp(model, "tiny-jetmoe") == 0)
        ok = read_jetmoe(&tensors, block, out);
    else if (ok)
        ok = read_mixtral(&tensors, block, out);
    tensors_close(&tensors);
    return ok;
}

bool recorded_test(struct tap *tap, const char *name, char test[128], vkmoe_checkpoint **out)
{
    char path[512];
    snprintf(test, 128, "recorded/%s", name);
    snprintf(path, sizeof path, "%s/%s", VKMOE_TEST_MODELS, name);
    *out = NULL;
    if (!tap_wants(tap, test))
        return false;
    if (vkmoe_checkpoint_open(path, &printing_log, out) != VKMOE_OK)
        *out = NULL;
    return true;
}
