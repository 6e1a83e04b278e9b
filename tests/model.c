// model.c - the checkpoint loader against checkpoints that it did not write: every family's
// published layout (checkpoints.h), and two trained models with recorded values. No device
// is needed.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vkmoe/vkmoe.h>

#include "checkpoints.h"
#include "network_reference.h"
#include "recorded.h"
#include "random.h"
#include "reference.h"
#include "same.h"
#include "check.h"

#ifndef VKMOE_TEST_MODELS
#define VKMOE_TEST_MODELS "tests/models"
#endif

static const struct vkmoe_log silent_log = { 0 };

// ------------------------------------------------------------------------ families

static bool same_info(
    const struct vkmoe_checkpoint_info *expected, const struct vkmoe_checkpoint_info *actual)
{
    bool ok = strcmp(expected->family, actual->family) == 0;
    if (!ok)
        tap_note("family is %s, expected %s", actual->family, expected->family);
    SAME(blocks);
    SAME(decoder_blocks);
    SAME(moe_blocks);
    SAME(hidden);
    SAME(inner);
    SAME(experts);
    SAME(experts_per_token);
    SAME(shared_inner);
    SAME(vocabulary);
    SAME(dtype);
    SAME(parameters);
    SAME(file_size);
    SAME(tensors);
    SAME(files);
    return ok;
}

// Every block, and one beyond, gives a layer, a dense network, or the right error.
static bool check_blocks(vkmoe_checkpoint *model, const struct checkpoint *checkpoint)
{
    bool ok = true;
    for (uint32_t s = 0; s < 2; s++) {
        for (uint32_t b = 0; b <= checkpoint->block_count[s]; b++) {
            const struct vkmoe_block block = { .index = b,
                .part = s == 1 ? VKMOE_PART_DECODER : VKMOE_PART_BLOCKS };
            bool there = b < checkpoint->block_count[s], moe = there && checkpoint->moe[s][b];
            enum vkmoe_status expected = moe ? VKMOE_OK
                : there                      ? VKMOE_ERROR_UNSUPPORTED
                                             : VKMOE_ERROR_NOT_FOUND;
            struct vkmoe_moe_params params = { VKMOE_INIT(vkmoe_moe_params) };
            enum vkmoe_status status = vkmoe_checkpoint_get_moe(model, block, &params);
            if (vkmoe_checkpoint_is_moe(model, block) != moe || status != expected) {
                tap_note("block %u of stack %u: %s, expected %s", b, s, vkmoe_status_name(status),
                    vkmoe_status_name(expected));
                ok = false;
            }
            expected = there && !moe && checkpoint->dense.up ? VKMOE_OK
                : there && moe && checkpoint->beside         ? VKMOE_ERROR_INVALID
                : there                                      ? VKMOE_ERROR_UNSUPPORTED
                                                             : VKMOE_ERROR_NOT_FOUND;
            status = vkmoe_checkpoint_get_mlp(model, block, &params);
            if (status != expected) {
                tap_note("block %u of stack %u, dense: %s, expected %s", b, s,
                    vkmoe_status_name(status), vkmoe_status_name(expected));
                ok = false;
            }
        }
    }
    return ok;
}

static bool check_dense(vkmoe_checkpoint *model, const struct checkpoint *checkpoint)
{
    struct vkmoe_moe_params params = { VKMOE_INIT(vkmoe_moe_params) },
                            again = { VKMOE_INIT(vkmoe_moe_params) };
    if (!checkpoint->dense.up)
        return true;
    if (vkmoe_checkpoint_get_mlp(model, checkpoint->dense_block, &params) != VKMOE_OK
        || vkmoe_checkpoint_get_mlp(model, checkpoint->dense_block, &again) != VKMOE_OK
        || params.up != again.up)
        return false;
    struct reference_layer layer;
    reference_layer_from(&params, &layer);
    bool ok = same_layer(&checkpoint->dense, &layer);
    reference_layer_finish(&layer);
    return ok
        && vkmoe_checkpoint_get_mlp(model, checkpoint->dense_block, NULL) == VKMOE_ERROR_INVALID
        && vkmoe_checkpoint_get_mlp(NULL, checkpoint->dense_block, &params) == VKMOE_ERROR_INVALID;
}

static bool check_checkpoint(const struct checkpoint *checkpoint)
{
    // Refusals of blocks without experts are expected below: only opening is to be explained.
    vkmoe_checkpoint *model;
    if (vkmoe_checkpoint_open(checkpoint->path, &printing_log, &model) != VKMOE_OK)
        return false;
    vkmoe_checkpoint_destroy(&model);
    if (vkmoe_checkpoint_open(checkpoint->path, &silent_log, &model) != VKMOE_OK)
        return false;

    struct vkmoe_checkpoint_info info = { VKMOE_INIT(vkmoe_checkpoint_info) };
    vkmoe_checkpoint_get_info(model, &info);
    bool ok = same_info(&checkpoint->info, &info);
    ok = check_blocks(model, checkpoint) && ok;
    ok = check_dense(model, checkpoint) && ok;

    struct vkmoe_moe_params params = { VKMOE_INIT(vkmoe_moe_params) },
                            again = { VKMOE_INIT(vkmoe_moe_params) };
    if (vkmoe_checkpoint_get_moe(model, checkpoint->block, &params) == VKMOE_OK
        && vkmoe_checkpoint_get_moe(model, checkpoint->block, &again) == VKMOE_OK) {
        if (params.up != again.up || params.router.weight.data != again.router.weight.data) {
            tap_note("two calls gave different views");
            ok = false;
        }
        struct reference_layer layer;
        reference_layer_from(&params, &layer);
        ok = same_layer(&checkpoint->layer, &layer) && ok;
        reference_layer_finish(&layer);
    } else {
        ok = false;
    }
    vkmoe_checkpoint_destroy(&model);
    return ok && !model;
}

static void test_families(struct tap *tap, const char *directory)
{
    for (uint32_t i = 0; i < checkpoint_count(); i++) {
        char name[128];
        snprintf(name, sizeof name, "family/%s", checkpoint_name(i));
        if (!tap_wants(tap, name))
            continue;
        struct checkpoint checkpoint;
        bool ok = checkpoint_create(i, tap->seed, directory, &checkpoint)
            && check_checkpoint(&checkpoint);
        tap_result(tap, ok, name);
        checkpoint_destroy(&checkpoint);
    }
}

// The families whose experts transformers 5 does not stack: theirs are published stacked, or
// are a dictionary (Switch), or it does not have them.
static bool stays_as_published(const char *name)
{
    static const char *const families[] = { "switch_transformers", "gpt_oss", "llama4",
        "granitemoe", "jetmoe", "gemma4", "dbrx", "grok", "smallthinker", "arctic", "step3p5" };
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        if (strncmp(name, families[i], strlen(families[i])) == 0)
            return true;
    }
    return false;
}

static void test_fused(struct tap *tap, const char *directory, bool transposed)
{
    for (uint32_t i = 0; i < checkpoint_count(); i++) {
        char name[128];
        snprintf(
            name, sizeof name, "%s/%s", transposed ? "transposed" : "fused", checkpoint_name(i));
        if (stays_as_published(checkpoint_name(i)) || !tap_wants(tap, name))
            continue;
        struct checkpoint checkpoint;
        bool ok = checkpoint_create_fused(i, tap->seed, directory, transposed, &checkpoint)
            && checkpoint.fused && check_checkpoint(&checkpoint);
        tap_result(tap, ok, name);
        checkpoint_destroy(&checkpoint);
    }
}

// ------------------------------------------------------------------------ recorded

enum { TOKENS = 160, HIDDEN = 128, K = 2 };

static bool check_recorded(vkmoe_checkpoint *model, const char *name, uint32_t index)
{
    struct vkmoe_moe_params params = { VKMOE_INIT(vkmoe_moe_params) };
    struct reference_layer layer;
    if (vkmoe_checkpoint_get_moe(model, (struct vkmoe_block){ .index = index }, &params)
        != VKMOE_OK)
        return false;
    float *x = recorded_moe_floats(name, index, "input", TOKENS * HIDDEN);
    float *y = recorded_moe_floats(name, index, "output", TOKENS * HIDDEN);
    int32_t *ids = recorded_moe_ids(name, index, "expert_ids", TOKENS * K);
    float *weights = recorded_moe_floats(name, index, "expert_weights", TOKENS * K);
    bool ok = x && y && ids && weights && params.hidden == HIDDEN && params.experts_per_token == K;
    if (ok) {
        static double our_y[TOKENS * HIDDEN], our_weights[TOKENS * K];
        static int32_t our_ids[TOKENS * K];
        reference_layer_from(&params, &layer);
        reference_forward(
            &layer, TOKENS, 0, x, NULL, NULL, NULL, our_y, our_ids, our_weights, NULL);
        reference_layer_finish(&layer);
        double error = rms_error(y, our_y, TOKENS * HIDDEN);
        double weight_error = rms_error(weights, our_weights, TOKENS * K);
        bool same_ids = memcmp(ids, our_ids, sizeof our_ids) == 0;
        ok = error <= 2e-5 && weight_error <= 2e-5 && same_ids;
        tap_note("layer %u: error %.2g of the rms, of the weights %.2g, expert ids %s", index,
            error, weight_error, same_ids ? "the same" : "DIFFERENT");
    }
    free(x);
    free(y);
    free(ids);
    free(weights);
    return ok;
}

static void test_recorded(struct tap *tap, const char *name)
{
    char test[128];
    vkmoe_checkpoint *model;
    if (!recorded_test(tap, name, test, &model))
        return;
    bool ok = model != NULL;
    if (ok) {
        struct vkmoe_checkpoint_info info = { VKMOE_INIT(vkmoe_checkpoint_info) };
        vkmoe_checkpoint_get_info(model, &info);
        ok = info.blocks == 4 && info.moe_blocks == 4 && info.hidden == HIDDEN && info.inner == 256
            && info.experts == 8 && info.experts_per_token == K && info.vocabulary == 256
            && info.dtype == VKMOE_DTYPE_F16 && info.files == 1;
        if (!ok)
            tap_note("the model's info is wrong");
    }
    for (uint32_t i = 0; ok && i < 4; i++)
        ok = check_recorded(model, name, i);
    vkmoe_checkpoint_destroy(&model);
    tap_result(tap, ok, test);
}

int main(int argc, char **argv)
{
    struct tap tap;
    if (!tap_begin(&tap, argc, argv))
        return 2;
    char directory[] = "/tmp/vkmoe-model-XXXXXX";
    if (!mkdtemp(directory)) {
        perror(directory);
        return 2;
    }
    test_families(&tap, directory);
    test_fused(&tap, directory, false);
    test_fused(&tap, directory, true);
    test_recorded(&tap, "tiny-mixtral");
    test_recorded(&tap, "tiny-jetmoe");
    rmdir(directory);
    return tap_end(&tap);
}
