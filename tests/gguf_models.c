// gguf_models.c - GGUF files that llama.cpp made, on the device: logits and experts must be those
// that its weights as dequantised give, exactly computed. A file whose types this version does not
// compute with is skipped.
//
// Files with code books and with ternary weights are made here of one of them, and give what their
// weights as f32 give.
//
// Environment: harness.h, and VKMOE_TEST_GGUF_MODELS, another folder of such models: NAME/ with
// model.gguf or model-00001-of-*.gguf, tokens.npy, logits.npy, layerN_moe_ids.npy, and for layers
// alone layerN_moe_input.npy, layerN_moe_weights.npy and layerN_moe_output.npy.
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/npy.h"
#include "check.h"
#include "compare.h"
#include "gguf_writer.h"
#include "net.h"
#include "network_reference.h"

#define TOLERANCE 2e-3 // of logits and of a layer's outputs

enum { MAX_TOKENS = 64, MAX_MODELS = 64 };

struct sample {
    char folder[512], path[1200]; // of the model and of its (first) file
    uint32_t tokens, ids[MAX_TOKENS], positions[MAX_TOKENS];
    float *logits;
};

static const char *file_of(const struct sample *s, const char *format, uint32_t block)
{
    static char path[1100];
    const int length = snprintf(path, sizeof path, "%s/", s->folder);
    snprintf(path + length, sizeof path - (size_t)length, format, block); // NOLINT
    return path;
}

// free() it; NULL: there is none such.
static void *read_array(const char *path, enum vkmoe_npy_dtype dtype, uint64_t *count)
{
    struct vkmoe_npy npy;
    struct stat info;
    *count = 0;
    if (stat(path, &info) != 0 || vkmoe_npy_read(path, NULL, &npy) != VKMOE_OK)
        return NULL;
    if (npy.dtype != dtype) {
        free(npy.data);
        return NULL;
    }
    *count = npy.elements;
    return npy.data;
}

static bool read_sample(const char *folder, struct sample *out)
{
    uint64_t count, logits;
    struct stat info;
    *out = (struct sample){ 0 };
    snprintf(out->folder, sizeof out->folder, "%s", folder);
    for (uint32_t parts = 0; parts < 10 && (parts == 0 || stat(out->path, &info) != 0); parts++)
        snprintf(out->path, sizeof out->path, "%s",
            parts ? file_of(out, "model-00001-of-%05u.gguf", parts)
                  : file_of(out, "model.gguf", 0));
    int32_t *ids = read_array(file_of(out, "tokens.npy", 0), VKMOE_NPY_I32, &count);
    out->logits = read_array(file_of(out, "logits.npy", 0), VKMOE_NPY_F32, &logits);
    out->tokens = (uint32_t)count;
    for (uint32_t t = 0; ids && count <= MAX_TOKENS && t < count; t++) {
        out->ids[t] = (uint32_t)ids[t];
        out->positions[t] = t;
    }
    free(ids);
    if (!ids || !out->logits || count > MAX_TOKENS)
        tap_note("%s: its tokens or logits cannot be read", folder);
    return ids && out->logits && count <= MAX_TOKENS;
}

// The line is kept, for what is skipped to say why.
static vkmoe_checkpoint *open_sample(const struct sample *s, struct record *record)
{
    vkmoe_checkpoint *checkpoint = NULL;
    const struct vkmoe_log log = log_to(record);
    struct vkmoe_frame frame = { VKMOE_INIT(vkmoe_frame) };
    if (vkmoe_checkpoint_open(s->path, &log, &checkpoint) == VKMOE_OK
        && vkmoe_checkpoint_get_frame(checkpoint, &frame) == VKMOE_OK) {
        struct vkmoe_attention_params attention = { VKMOE_INIT(vkmoe_attention_params) };
        for (uint32_t b = 0; b < frame.blocks; b++)
            vkmoe_checkpoint_get_attention(
                checkpoint, (struct vkmoe_block){ .index = b }, &attention);
    }
    return checkpoint;
}

// ------------------------------------------------------------------------------ whole

static bool check_logits(const struct net *net, const struct sample *s, const char *how)
{
    const float *logits = array_range(&net->logits);
    const uint32_t columns = net->frame.vocabulary;
    double largest = 0.0;
    bool ok = true;
    for (uint32_t t = 0; t < s->tokens; t++) {
        const float *own = logits + (size_t)t * columns,
                    *expected = s->logits + (size_t)t * columns;
        for (uint32_t i = 0; i < columns; i++)
            largest = fmax(largest, isnan(own[i]) ? INFINITY : fabs((double)own[i] - expected[i]));
        ok = ok && largest_of(own, columns) == largest_of(expected, columns);
    }
    if (!ok || !(largest <= TOLERANCE))
        tap_note("%s: logits differ by %.3g, the largest %s", how, largest,
            ok ? "are the same" : "are others");
    return ok && largest <= TOLERANCE;
}

static int compare_numbers(const void *a, const void *b)
{
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

// The experts of a token as a set: the order is another one's.
static bool same_experts(
    int32_t *expected, int32_t *own, uint32_t tokens, uint32_t k, uint32_t block)
{
    for (uint32_t t = 0; t < tokens; t++) {
        qsort(expected + (size_t)t * k, k, sizeof *expected, compare_numbers);
        qsort(own + (size_t)t * k, k, sizeof *own, compare_numbers);
        if (memcmp(expected + (size_t)t * k, own + (size_t)t * k, k * sizeof *own) != 0) {
            tap_note("block %u chose other experts for token %u", block, t);
            return false;
        }
    }
    return true;
}

// All blocks whose choices are known have as many experts for a token.
static uint32_t find_k(const struct sample *s, uint32_t blocks)
{
    uint64_t count = 0;
    for (uint32_t b = 0; count == 0 && b < blocks; b++)
        free(read_array(file_of(s, "layer%u_moe_ids.npy", b), VKMOE_NPY_I32, &count));
    return (uint32_t)(count / s->tokens);
}

static bool check_experts(const struct net *net, const struct sample *s, uint32_t k)
{
    const int32_t *chosen = array_range(&net->expert_ids);
    bool ok = true;
    for (uint32_t b = 0; ok && b < net->frame.blocks; b++) {
        uint64_t count;
        int32_t *expected = read_array(file_of(s, "layer%u_moe_ids.npy", b), VKMOE_NPY_I32, &count);
        int32_t own[MAX_TOKENS * 16];
        if (expected && count <= COUNT_OF(own)) {
            memcpy(own, chosen + (size_t)b * s->tokens * k, count * sizeof *own);
            ok = same_experts(expected, own, s->tokens, k, b);
        }
        free(expected);
    }
    return ok;
}

// At once, in chunks and token by token.
static bool check_whole(struct harness *harness, const struct sample *s)
{
    static const uint32_t chunks[] = { MAX_TOKENS, 7, 1 };
    struct net net;
    bool ok = net_init(&net, harness, s->path,
        &(struct vkmoe_model_params){ VKMOE_INIT(vkmoe_model_params), .chunk = MAX_TOKENS });
    const uint32_t k = ok ? find_k(s, net.frame.blocks) : 0;
    for (size_t i = 0; ok && i < COUNT_OF(chunks); i++) {
        char how[32];
        snprintf(how, sizeof how, "in chunks of %u", chunks[i]);
        ok = net_batch(&net, s->tokens, s->ids, s->positions, NULL, s->tokens, i == 0 ? k : 0)
            && net_run(&net, chunks[i]) && check_logits(&net, s, how)
            && (i > 0 || k == 0 || check_experts(&net, s, k));
    }
    return net_end(&net, ok);
}

// ------------------------------------------------------------------------------ layers

// The routed experts of a block, in double.
static bool check_layer(vkmoe_checkpoint *checkpoint, const struct sample *s, uint32_t block)
{
    struct vkmoe_moe_params params = { VKMOE_INIT(vkmoe_moe_params) };
    struct reference_layer layer;
    uint64_t counts[3];
    if (!is_ok(vkmoe_checkpoint_get_moe(checkpoint, (struct vkmoe_block){ block }, &params),
            "vkmoe_checkpoint_get_moe"))
        return false;
    params.shared.inner = 0;
    float *x = read_array(file_of(s, "layer%u_moe_input.npy", block), VKMOE_NPY_F32, &counts[0]);
    float *y = read_array(file_of(s, "layer%u_moe_output.npy", block), VKMOE_NPY_F32, &counts[1]);
    int32_t *ids = read_array(file_of(s, "layer%u_moe_ids.npy", block), VKMOE_NPY_I32, &counts[2]);
    const uint64_t size = (uint64_t)s->tokens * params.hidden;
    const uint32_t k = params.experts_per_token;
    double *own = allocate(size, sizeof *own);
    int32_t *chosen = allocate((size_t)s->tokens * k, sizeof *chosen);
    bool ok =
        y && ids && counts[0] == size && counts[1] == size && counts[2] == (uint64_t)s->tokens * k;
    if (ok) {
        double largest = 0.0;
        reference_layer_from(&params, &layer);
        reference_forward(&layer, s->tokens, 0, x, NULL, NULL, NULL, own, chosen, NULL, NULL);
        reference_layer_finish(&layer);
        for (uint64_t i = 0; i < size; i++)
            largest = fmax(largest, fabs(own[i] - (double)y[i]));
        ok = same_experts(ids, chosen, s->tokens, k, block) && largest <= TOLERANCE;
        if (!ok)
            tap_note("block %u: the outputs differ by %.3g", block, largest);
    }
    free(x);
    free(y);
    free(ids);
    free(own);
    free(chosen);
    return ok;
}

// ---------------------------------------------------------------- formats they do not have

static bool convert(const char *from, const struct gguf_stored *stored, const char *to)
{
    vkmoe_checkpoint *checkpoint = NULL;
    const bool ok =
        is_ok(vkmoe_checkpoint_open(from, &printing_log, &checkpoint), "vkmoe_checkpoint_open")
        && gguf_convert_edited(checkpoint, to, &(struct gguf_edit){ .stored = stored });
    vkmoe_checkpoint_destroy(&checkpoint);
    return ok;
}

// The logits of the sample's tokens, in chunks, are compared with `expected` and written to `out`,
// unless these are NULL.
static bool check_run(struct harness *harness, const struct sample *s, const char *path,
    uint32_t chunk, const double *expected, double *out)
{
    struct net net;
    bool ok = net_init(&net, harness, path, NULL)
        && net_batch(&net, s->tokens, s->ids, s->positions, NULL, s->tokens, 0)
        && net_run(&net, chunk);
    if (ok) {
        const float *logits = array_range(&net.logits);
        const uint32_t columns = net.frame.vocabulary;
        const uint64_t count = (uint64_t)s->tokens * columns;
        ok = !expected
            || compare_floats(path, expected, logits, count, columns, COMPARE_F32_TOLERANCE).ok;
        for (uint64_t i = 0; out && i < count; i++)
            out[i] = logits[i];
    }
    return net_end(&net, ok);
}

static const struct gguf_stored code_books[] = {
    { "token_embd.", VKMOE_DTYPE_IQ3_S, 21 },
    { "ffn_gate_exps.", VKMOE_DTYPE_IQ2_XS, 17 },
    { "ffn_up_exps.", VKMOE_DTYPE_IQ2_XS, 17 },
    { NULL },
};
static const struct gguf_stored ternary[] = {
    { "token_embd.", VKMOE_DTYPE_TQ2_0, 35 },
    { "ffn_gate_exps.", VKMOE_DTYPE_TQ1_0, 34 },
    { "ffn_up_exps.", VKMOE_DTYPE_TQ1_0, 34 },
    { NULL },
};

static bool check_stored(struct harness *harness, const struct gguf_stored *stored)
{
    char folder[] = "/tmp/vkmoe-stored.XXXXXX", blocks[64], floats[64];
    struct sample sample;
    bool ok = read_sample(VKMOE_TEST_GGUF "/qwen3moe-q8_0", &sample) && mkdtemp(folder);
    double *logits = allocate((size_t)MAX_TOKENS * 512, sizeof *logits);
    snprintf(blocks, sizeof blocks, "%s/blocks.gguf", folder);
    snprintf(floats, sizeof floats, "%s/floats.gguf", folder);
    ok = ok && convert(sample.path, stored, blocks) && convert(blocks, NULL, floats)
        && check_run(harness, &sample, floats, sample.tokens, NULL, logits)
        && check_run(harness, &sample, blocks, sample.tokens, logits, NULL)
        && check_run(harness, &sample, blocks, 1, logits, NULL);
    remove(blocks);
    remove(floats);
    remove(folder);
    free(logits);
    free(sample.logits);
    return ok;
}

// ------------------------------------------------------------------------------- all

// The blocks with known inputs; true if there are none.
static bool check_layers(vkmoe_checkpoint *checkpoint, const struct sample *s)
{
    struct vkmoe_checkpoint_info info = { VKMOE_INIT(vkmoe_checkpoint_info) };
    struct stat file;
    bool ok = true;
    vkmoe_checkpoint_get_info(checkpoint, &info);
    for (uint32_t b = 0; ok && b < info.blocks; b++) {
        if (stat(file_of(s, "layer%u_moe_input.npy", b), &file) == 0)
            ok = check_layer(checkpoint, s, b);
    }
    return ok;
}

static void check_model(struct tap *tap, struct harness *harness, const char *folder)
{
    struct sample sample;
    struct record record = { 0 };
    const char *name = strrchr(folder, '/') + 1;
    if (!tap_wants(tap, name))
        return;
    bool ok = read_sample(folder, &sample);
    vkmoe_checkpoint *checkpoint = ok ? open_sample(&sample, &record) : NULL;
    if (ok && strstr(record.last, "dtype")) {
        tap_skip(tap, name, record.last);
    } else {
        const bool whole = record.lines[VKMOE_LOG_ERROR] == 0;
        ok = ok && checkpoint && check_layers(checkpoint, &sample)
            && (whole || strstr(record.last, "this version reads the experts only"))
            && (!whole || check_whole(harness, &sample));
        if (!ok)
            tap_note("%s", record.last);
        tap_result(tap, ok, name);
    }
    vkmoe_checkpoint_destroy(&checkpoint);
    free(sample.logits);
}

static int is_model(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && strcmp(entry->d_name, "hostile") != 0;
}

static void check_all(struct tap *tap, struct harness *harness)
{
    const char *parent = getenv("VKMOE_TEST_GGUF_MODELS");
    struct dirent **entries = NULL;
    TAP_TEST(tap, "code-books", check_stored(harness, code_books));
    TAP_TEST(tap, "ternary", check_stored(harness, ternary));
    parent = parent ? parent : VKMOE_TEST_GGUF;
    const int count = scandir(parent, &entries, is_model, alphasort);
    for (int i = 0; i < count; i++) {
        char folder[512], path[600];
        struct stat info;
        snprintf(folder, sizeof folder, "%s/%s", parent, entries[i]->d_name);
        snprintf(path, sizeof path, "%s/tokens.npy", folder);
        if (stat(path, &info) == 0)
            check_model(tap, harness, folder);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv)
{
    return harness_main(argc, argv, check_all);
}
