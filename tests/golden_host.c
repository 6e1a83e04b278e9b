// golden_host.c - whole models in double precision, as the loader has them, against the logits that
// Hugging Face transformers, or libllama, makes with them: families whose kernels other tests run,
// of which golden/whole.py and remote.py wrote models for what is read. golden_whole.c has others,
// on a device.
#include <stdlib.h>

#include <vkmoe/model.h>

#include "check.h"
#include "cli/npy.h"
#include "compare.h"
#include "folder.h"
#include "gguf_writer.h"
#include "network_reference.h"
#include "tap.h"

#define LOGITS_TOLERANCE 2e-5 // transformers computes in f32

// Of a golden model, or in the folder that `name` is. free() its data in any case.
static bool read_npy(
    const char *name, const char *file, enum vkmoe_npy_dtype dtype, struct vkmoe_npy *npy)
{
    char path[1024];
    snprintf(
        path, sizeof path, "%s%s/%s.npy", name[0] == '/' ? "" : VKMOE_TEST_GOLDEN "/", name, file);
    const bool ok = vkmoe_npy_read(path, NULL, npy) == VKMOE_OK && npy->dtype == dtype;
    if (!ok)
        tap_note("%s is not what is expected", path);
    return ok;
}

// The text at once. With LongRoPE all of it is rotated as its length wants.
static double *compute(const struct reference_network *network, const uint32_t *ids, uint32_t count)
{
    struct reference_memory memory;
    uint32_t *positions = allocate(count, sizeof *positions);
    double *logits = allocate((size_t)count * network->vocabulary, sizeof *logits);
    for (uint32_t i = 0; i < count; i++)
        positions[i] = i;
    reference_memory_init(&memory, network, 1, count, VKMOE_DTYPE_F32);
    for (uint32_t b = 0; b < network->block_count; b++)
        memory.blocks[b].longest = count;
    reference_network_forward(network, count, ids, positions, NULL, &memory, logits, NULL, NULL);
    reference_memory_finish(&memory);
    free(positions);
    return logits;
}

// Of the model at `path`.
static bool check_at(const char *name, const char *path)
{
    struct vkmoe_npy ids = { 0 }, recorded = { 0 };
    struct reference_network network = { 0 };
    vkmoe_checkpoint *model = NULL;
    double *logits = NULL;
    bool ok = read_npy(name, "ids", VKMOE_NPY_I32, &ids)
        && read_npy(name, "logits", VKMOE_NPY_F32, &recorded)
        && vkmoe_checkpoint_open(path, &printing_log, &model) == VKMOE_OK
        && reference_network_from(model, &network)
        && recorded.elements == ids.elements * network.vocabulary;
    if (ok) {
        logits = compute(&network, ids.data, (uint32_t)ids.elements);
        const struct compare_result result = compare_floats(
            name, logits, recorded.data, recorded.elements, network.vocabulary, LOGITS_TOLERANCE);
        tap_note("error %.2g of rms", result.error);
        ok = result.ok;
    }
    reference_network_finish(&network);
    vkmoe_checkpoint_destroy(&model);
    free(logits);
    free(ids.data);
    free(recorded.data);
    return ok;
}

// `file` has the model, as another program converted it; NULL: the folder with the logits.
static bool check(const char *name, const char *file)
{
    char path[1024];
    snprintf(
        path, sizeof path, "%s/%s", file ? VKMOE_TEST_GGUF : VKMOE_TEST_GOLDEN, file ? file : name);
    return check_at(name, path);
}

// Whether the file says of norms what the model does: of RMS norms by the key of their epsilon.
static bool has_same_norms(vkmoe_checkpoint *model, const char *path)
{
    struct vkmoe_frame frame = { VKMOE_INIT(vkmoe_frame) }, copied = frame;
    vkmoe_checkpoint *copy = NULL;
    const bool ok = vkmoe_checkpoint_open(path, &printing_log, &copy) == VKMOE_OK
        && vkmoe_checkpoint_get_frame(model, &frame) == VKMOE_OK
        && vkmoe_checkpoint_get_frame(copy, &copied) == VKMOE_OK
        && frame.layer_norm == copied.layer_norm && frame.norm_epsilon == copied.norm_epsilon
        && frame.logits_scale == copied.logits_scale;
    vkmoe_checkpoint_destroy(&copy);
    return ok;
}

// The model as converters write it, which the library does not; without `logits` the file cannot
// say all of it.
static bool check_converted(const char *name, bool logits)
{
    char folder_of_model[1024];
    vkmoe_checkpoint *model = NULL;
    snprintf(folder_of_model, sizeof folder_of_model, VKMOE_TEST_GOLDEN "/%s", name);
    if (!folder_begin("golden"))
        return false;
    const char *path = folder_path("model.gguf");
    const bool ok = vkmoe_checkpoint_open(folder_of_model, &printing_log, &model) == VKMOE_OK
        && gguf_convert(model, path, 1, false) && has_same_norms(model, path)
        && (!logits || check_at(name, path));
    vkmoe_checkpoint_destroy(&model);
    folder_finish();
    return ok;
}

int main(int argc, char **argv)
{
    static const char *const names[] = { "arctic", "dbrx", "deepseek_v2", "deepseek_v3", "dots1",
        "ernie4_5_moe", "glm4_moe", "granitemoeshared", "grok", "hunyuan_v1_moe", "hy_v3", "laguna",
        "mellum", "minimax_m2", "mistral4", "phimoe", "qwen2_moe", "smallthinker", "solar_open" };
    struct tap tap;
    if (!tap_begin(&tap, argc, argv))
        return 2;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        TAP_TEST(&tap, names[i], check(names[i], NULL));
    TAP_TEST(&tap, "dbrx-gguf", check("dbrx", "dbrx-f32/model.gguf"));
    TAP_TEST(&tap, "grok-gguf", check("grok", "grok-f32/model.gguf"));
    TAP_TEST(&tap, "grok1-gguf", check(VKMOE_TEST_GGUF "/grok1-f32", "grok1-f32/model.gguf"));
    TAP_TEST(&tap, "mellum-gguf", check("mellum", "mellum-f32/model.gguf"));
    TAP_TEST(&tap, "laguna-gguf", check(VKMOE_TEST_GGUF "/laguna-f32", "laguna-f32/model.gguf"));
    TAP_TEST(&tap, "mimo2-gguf", check(VKMOE_TEST_GGUF "/mimo2-f32", "mimo2-f32/model.gguf"));
    TAP_TEST(&tap, "step35-gguf", check(VKMOE_TEST_GGUF "/step35-f32", "step35-f32/model.gguf"));
    TAP_TEST(
        &tap, "mistral4-gguf", check(VKMOE_TEST_GGUF "/mistral4-f32", "mistral4-f32/model.gguf"));
    TAP_TEST(&tap, "arctic-gguf", check("arctic", "arctic-f32/model.gguf"));
    TAP_TEST(&tap, "smallthinker-gguf",
        check(VKMOE_TEST_GGUF "/smallthinker-f32", "smallthinker-f32/model.gguf"));
    TAP_TEST(&tap, "smallthinker-plain-gguf",
        check(VKMOE_TEST_GGUF "/smallthinker-plain-f32", "smallthinker-plain-f32/model.gguf"));
    TAP_TEST(&tap, "cohere2_moe-gguf", check_converted("cohere2_moe", true));
    TAP_TEST(&tap, "cohere2_moe-rms-gguf", check_converted("cohere2_moe-rms", false));
    return tap_end(&tap);
}
