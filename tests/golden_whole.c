// golden_whole.c - whole models on a device against the logits that Hugging Face transformers
// makes with them: what golden/whole.py wrote, models with random weights in the layout that
// transformers saves; and what golden/remote.py wrote of families that it does not have.
// Environment: harness.h.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <vkmoe/model.h>

#include "compare.h"
#include "harness.h"
#include "cli/npy.h"

#define LOGITS_TOLERANCE 1e-3

struct golden {
    struct harness *harness;
    const char *name;
    vkmoe_checkpoint *model;
    vkmoe_model *network;
    uint32_t tokens, vocabulary;
    uint32_t *positions;
    struct vkmoe_npy ids, input_ids; // the decoder's, or the only ones; what an encoder reads
    struct array id_array, input_array, position_array, logits;
};

static void golden_finish(struct golden *g)
{
    FINISH_ARRAYS(&g->id_array, &g->input_array, &g->position_array, &g->logits);
    vkmoe_model_destroy(&g->network);
    vkmoe_checkpoint_destroy(&g->model);
    free(g->positions);
    free(g->ids.data);
    free(g->input_ids.data);
}

// free() its data in any case.
static bool read_npy(const struct golden *g, const char *file, enum vkmoe_npy_dtype dtype,
    uint64_t elements, struct vkmoe_npy *npy)
{
    char path[1024];
    snprintf(path, sizeof(path), VKMOE_TEST_GOLDEN "/%s/%s.npy", g->name, file);
    bool ok = vkmoe_npy_read(path, NULL, npy) == VKMOE_OK && npy->dtype == dtype
        && (!elements || npy->elements == elements);
    if (!ok)
        tap_note("%s is not what is expected", path);
    return ok;
}

static bool make_arrays(struct golden *g)
{
    vkmoe_device *device = g->harness->device;
    const size_t size = g->tokens * sizeof(uint32_t);
    g->positions = malloc(size);
    if (!g->positions)
        abort();
    for (uint32_t t = 0; t < g->tokens; t++)
        g->positions[t] = t;
    return array_init(&g->id_array, device, g->ids.data, size, false)
        && array_init(&g->position_array, device, g->positions, size, true)
        && array_init(&g->logits, device, NULL, size * g->vocabulary, false)
        && (!g->input_ids.data
            || array_init(&g->input_array, device, g->input_ids.data,
                g->input_ids.elements * sizeof(uint32_t), true))
        && array_upload(&g->id_array) && array_upload(&g->position_array)
        && array_upload(&g->input_array);
}

// golden_finish() in any case.
static bool golden_init(struct golden *g, struct harness *harness, const char *name)
{
    char path[1024];
    struct vkmoe_frame frame = { VKMOE_INIT(vkmoe_frame) };
    *g = (struct golden){ .harness = harness, .name = name };
    harness->messages = 0;
    snprintf(path, sizeof(path), VKMOE_TEST_GOLDEN "/%s", name);
    if (!is_ok(vkmoe_checkpoint_open(path, NULL, &g->model), "vkmoe_checkpoint_open")
        || !is_ok(vkmoe_checkpoint_get_frame(g->model, &frame), "vkmoe_checkpoint_get_frame")
        || !read_npy(g, frame.encoder_blocks ? "decoder_ids" : "ids", VKMOE_NPY_I32, 0, &g->ids)
        || (frame.encoder_blocks && !read_npy(g, "ids", VKMOE_NPY_I32, 0, &g->input_ids)))
        return false;
    g->tokens = (uint32_t)g->ids.elements;
    g->vocabulary = frame.vocabulary;
    return make_arrays(g);
}

// A network that has seen nothing but the encoder's input. transformers 5 never applies the
// capacity of Switch Transformer's experts.
static bool renew(struct golden *g)
{
    const struct vkmoe_model_params params = {
        VKMOE_INIT(vkmoe_model_params),
        .capacity = g->tokens,
        .chunk = g->tokens,
        .expert_capacity = VKMOE_EXPERT_CAPACITY_UNLIMITED,
    };
    vkmoe_model_destroy(&g->network);
    if (!is_ok(vkmoe_model_create(g->harness->device, g->model, &params, &g->network),
            "vkmoe_model_create"))
        return false;
    return !g->input_ids.data
        || is_ok(vkmoe_model_encode(g->harness->stream, g->network,
                     &(struct vkmoe_model_encode_params){ VKMOE_INIT(vkmoe_model_encode_params),
                         .tokens = (uint32_t)g->input_ids.elements,
                         .ids = array_span(&g->input_array) }),
            "vkmoe_model_encode");
}

static struct vkmoe_span from(const struct array *array, uint64_t element)
{
    struct vkmoe_span span = array_span(array);
    span.offset += 4 * element;
    return span;
}

// The whole text in chunks, in one submission. `growing`: each forward knows of no more
// context than there is by then, otherwise of all.
static bool run(struct golden *g, uint32_t chunk, bool growing)
{
    bool ok = array_upload(&g->logits) && renew(g);
    for (uint32_t t = 0; ok && t < g->tokens; t += chunk) {
        const struct vkmoe_model_forward_params params = {
            VKMOE_INIT(vkmoe_model_forward_params),
            .tokens = chunk,
            .ids = from(&g->id_array, t),
            .positions = from(&g->position_array, t),
            .longest = growing ? t + chunk : g->tokens,
            .logits = from(&g->logits, (uint64_t)t * g->vocabulary),
            .logits_count = chunk,
        };
        ok = is_ok(
            vkmoe_model_forward(g->harness->stream, g->network, &params), "vkmoe_model_forward");
    }
    return ok && harness_run(g->harness) && array_download(&g->logits)
        && array_check("logits", &g->logits, false);
}

static bool compare(const struct golden *g, const char *file)
{
    const uint64_t count = (uint64_t)g->tokens * g->vocabulary;
    struct vkmoe_npy npy = { 0 };
    double *expected = malloc(count * sizeof(double));
    if (!expected)
        abort();
    bool ok = read_npy(g, file, VKMOE_NPY_F32, count, &npy);
    const float *recorded = npy.data, *logits = array_range(&g->logits);
    for (uint64_t i = 0; ok && i < count; i++)
        expected[i] = recorded[i];
    if (ok) {
        struct compare_result result =
            compare_floats(file, expected, logits, count, g->vocabulary, LOGITS_TOLERANCE);
        tap_note("%s: error %.2g of rms", file, result.error);
        ok = result.ok;
    }
    for (uint32_t t = 0; ok && t < g->tokens; t++) {
        const uint64_t row = (uint64_t)t * g->vocabulary;
        uint32_t best = largest_of(recorded + row, g->vocabulary);
        uint32_t own = largest_of(logits + row, g->vocabulary);
        if (best != own)
            tap_note("token %" PRIu32 ": the largest logit is %" PRIu32 ", expected %" PRIu32, t,
                own, best);
        ok = best == own;
    }
    free(npy.data);
    free(expected);
    return ok;
}

// `steps`: what was recorded for a context that grows token by token, which with dynamic RoPE
// is another function than the whole at once.
struct golden_case {
    const char *name, *steps;
};

static bool check_golden(struct harness *harness, const struct golden_case *c)
{
    struct golden g;
    bool ok = golden_init(&g, harness, c->name) && run(&g, g.tokens, false) && compare(&g, "logits")
        && run(&g, 1, true) && compare(&g, c->steps) && run(&g, 1, false) && compare(&g, "logits");
    golden_finish(&g);
    return ok && !harness->messages;
}

static void check_all(struct tap *tap, struct harness *harness)
{
    static const struct golden_case cases[] = {
        { "switch_transformers", "logits" },
        { "qwen3_moe", "logits" },
        { "olmoe", "logits" },
        { "flex_olmo", "logits" },
        { "gpt_oss", "logits" },
        { "mixtral-dynamic", "steps" },
        { "mixtral-llama3", "logits" },
        { "llama4", "logits" },
        { "gemma4", "logits" },
        { "afmoe", "logits" },
        { "exaone_moe", "logits" },
        { "grok", "logits" },
        { "cohere2_moe", "logits" },
        { "cohere2_moe-rms", "logits" },
        { "smallthinker", "logits" },
        { "arctic", "logits" },
        { "mimo_v2_flash", "logits" },
        { "step3p5", "logits" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (tap_wants(tap, cases[i].name))
            tap_result(tap, check_golden(harness, &cases[i]), cases[i].name);
    }
}

int main(int argc, char **argv)
{
    return harness_main(argc, argv, check_all);
}
