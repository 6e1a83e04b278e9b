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
#include "formats.h"
#include "recorded.h"
#include "random.h"
#include "reference.h"
#include "same.h"
#include "check.h"

#ifndef VKMOE_TEST_MODELS
#define VKMOE_TEST_MODELS "tests/models"
#endif

static const struct vkmoe_log silent_log = { 0 };

// A view as a dense array of doubles, or NULL if it is absent. Added behind `count` others.
static double *read_view(const struct vkmoe_view *view, uint32_t rows, uint32_t columns)
{
    if (!view->data)
        return NULL;
    double *values = malloc((size_t)rows * columns * sizeof(double));
    if (!values)
        abort();
    for (uint32_t r = 0; r < rows; r++) {
        for (uint32_t c = 0; c < columns; c += test_format(view->dtype)->elements)
            test_format(view->dtype)
                ->decode(format_at(view, columns, r, c), &values[(size_t)r * columns + c]);
    }
    return values;
}

static double *read_views(
    const struct vkmoe_view *views, uint32_t experts, uint32_t rows, uint32_t columns)
{
    if (!views)
        return NULL;
    size_t size = (size_t)rows * columns;
    double *values = malloc(experts * size * sizeof(double));
    if (!values)
        abort();
    for (uint32_t e = 0; e < experts; e++) {
        double *one = read_view(&views[e], rows, columns);
        memcpy(values + e * size, one, size * sizeof(double));
        free(one);
    }
    return values;
}

static void read_layer(const struct vkmoe_moe_params *p, struct reference_layer *out)
{
    const struct vkmoe_router_params *r = &p->router;
    uint32_t d = p->hidden, f = p->inner, e = p->experts, s = p->shared.inner;
    *out = (struct reference_layer){
        .hidden = d,
        .inner = f,
        .experts = e,
        .experts_per_token = p->experts_per_token,
        .score = r->score,
        .select = r->select,
        .weigh = r->weigh,
        .group_score = r->groups.score,
        .groups = r->groups.count,
        .groups_kept = r->groups.kept,
        .group_mask_zero = r->groups.mode == VKMOE_GROUP_MODE_MASK_ZERO,
        .renormalize = r->renormalize.mode != VKMOE_RENORMALIZE_NONE,
        .renormalize_max = r->renormalize.mode == VKMOE_RENORMALIZE_MAX,
        .renormalize_epsilon = r->renormalize.epsilon,
        .scale = r->scale,
        .soft_cap = r->soft_cap,
        .sparsemixer_threshold = r->sparsemixer_threshold,
        .rms_norm = r->rms_norm,
        .rms_epsilon = r->rms_epsilon,
        .capacity = r->capacity,
        .router = read_view(&r->weight, e, d),
        .input_scale = read_view(&r->input_scale, 1, d),
        .router_bias = read_view(&r->bias, 1, e),
        .correction_bias = read_view(&r->correction_bias, 1, e),
        .expert_scale = read_view(&r->expert_scale, 1, e),
        .activation = p->activation,
        .activation_alpha = p->activation_alpha,
        .activation_limit = p->activation_limit,
        .weight_on_input = p->weight_on_input,
        .gate = read_views(p->gate, e, f, d),
        .up = read_views(p->up, e, f, d),
        .down = read_views(p->down, e, d, f),
        .gate_bias = read_view(&p->gate_bias, e, f),
        .up_bias = read_view(&p->up_bias, e, f),
        .down_bias = read_view(&p->down_bias, e, d),
        .output_bias = read_view(&p->output_bias, 1, d),
        .shared_inner = s,
        .shared_gate = read_view(&p->shared.gate, s, d),
        .shared_up = read_view(&p->shared.up, s, d),
        .shared_down = read_view(&p->shared.down, d, s),
        .shared_token_gate = read_view(&p->shared.token_gate, 1, d),
    };
}

// ------------------------------------------------------------------------ families

static bool same_layer(const struct reference_layer *expected, const struct reference_layer *actual)
{
    bool ok = true;
    size_t d = expected->hidden, f = expected->inner, e = expected->experts;
    size_t s = expected->shared_inner;
    SAME(hidden);
    SAME(inner);
    SAME(experts);
    SAME(experts_per_token);
    SAME(shared_inner);
    if (!ok)
        return false; // the arrays have other sizes
    SAME(score);
    SAME(select);
    SAME(weigh);
    SAME(groups);
    SAME(groups_kept);
    if (expected->groups) {
        SAME(group_score);
        SAME(group_mask_zero);
    }
    SAME(renormalize);
    if (expected->renormalize) {
        SAME(renormalize_max);
        SAME(renormalize_epsilon);
    }
    ok = same_number("scale", expected->scale == 0.0 ? 1.0 : expected->scale,
             actual->scale == 0.0 ? 1.0 : actual->scale)
        && ok;
    SAME(soft_cap);
    SAME(sparsemixer_threshold);
    SAME(rms_norm);
    SAME(rms_epsilon);
    SAME(capacity);
    SAME(activation);
    SAME(activation_alpha);
    SAME(activation_limit);
    SAME(weight_on_input);
    SAME_ARRAY(router, e * d);
    // The library had to multiply this one, in f32.
    ok = same_array("input_scale", expected->input_scale, actual->input_scale, d, 1e-7) && ok;
    SAME_ARRAY(router_bias, e);
    SAME_ARRAY(correction_bias, e);
    SAME_ARRAY(expert_scale, e);
    SAME_ARRAY(gate, e * f * d);
    SAME_ARRAY(up, e * f * d);
    SAME_ARRAY(down, e * d * f);
    SAME_ARRAY(gate_bias, e * f);
    SAME_ARRAY(up_bias, e * f);
    SAME_ARRAY(down_bias, e * d);
    SAME_ARRAY(output_bias, d);
    SAME_ARRAY(shared_gate, s * d);
    SAME_ARRAY(shared_up, s * d);
    SAME_ARRAY(shared_down, d * s);
    SAME_ARRAY(shared_token_gate, d);
    return ok;
}

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
    read_layer(&params, &layer);
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
        read_layer(&params, &layer);
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
// are a dictionary (Switch).
static bool stays_as_published(const char *name)
{
    static const char *const families[] = { "switch_transformers", "gpt_oss", "llama4",
        "granitemoe", "jetmoe", "gemma4" };
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
        read_layer(&params, &layer);
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
    char test[128], path[512];
    snprintf(test, sizeof test, "recorded/%s", name);
    snprintf(path, sizeof path, "%s/%s", VKMOE_TEST_MODELS, name);
    if (!tap_wants(tap, test))
        return;
    vkmoe_checkpoint *model;
    bool ok = vkmoe_checkpoint_open(path, &printing_log, &model) == VKMOE_OK;
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
