// model_recorded.c - two trained models: their attention blocks and logits, computed in double
// from the loader's views, must be the recorded ones.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vkmoe/model.h>

#include "network_reference.h"
#include "recorded.h"
#include "model_whole.h"

#ifndef VKMOE_TEST_MODELS
#define VKMOE_TEST_MODELS "tests/models"
#endif

enum { TOKENS = 160, HIDDEN = 128, VOCABULARY = 256 };

static void attend(
    const struct reference_attention *attention, const float *x, double *y, int32_t *ids)
{
    uint32_t positions[TOKENS];
    for (uint32_t i = 0; i < TOKENS; i++)
        positions[i] = i;
    struct reference_history history;
    reference_history_init(&history, attention, 1, TOKENS, VKMOE_DTYPE_F32);
    reference_attend(attention, TOKENS, x, positions, NULL, NULL, &history, false, NULL, NULL, y,
        ids, NULL, NULL);
    reference_history_finish(&history);
}

static bool check_attention(vkmoe_checkpoint *model, const char *name, uint32_t index)
{
    struct vkmoe_attention_params params = { VKMOE_INIT(vkmoe_attention_params) };
    if (vkmoe_checkpoint_get_attention(model, (struct vkmoe_block){ .index = index }, &params)
        != VKMOE_OK)
        return false;
    char file[64];
    snprintf(file, sizeof file, "layer%u_attention_input", index);
    float *x = recorded_floats(name, file, TOKENS * HIDDEN);
    snprintf(file, sizeof file, "layer%u_attention_output", index);
    float *y = recorded_floats(name, file, TOKENS * HIDDEN);
    snprintf(file, sizeof file, "layer%u_attention_expert_ids", index);
    uint32_t k = params.experts_per_token;
    bool routed = params.experts > 1;
    int32_t *ids = routed ? recorded_ids(name, file, TOKENS * k) : NULL;
    bool ok = x && y && (ids || !routed);
    if (ok) {
        static double our_y[TOKENS * HIDDEN];
        int32_t *our_ids = allocate(TOKENS * k, sizeof(int32_t));
        struct reference_attention attention;
        reference_attention_from(&params, &attention);
        attend(&attention, x, our_y, our_ids);
        reference_attention_finish(&attention);
        double error = rms_error(y, our_y, TOKENS * HIDDEN);
        bool same_ids = !routed || memcmp(ids, our_ids, TOKENS * k * sizeof(int32_t)) == 0;
        ok = error <= 2e-5 && same_ids;
        tap_note("attention %u: error %.2g of the rms, expert ids %s", index, error,
            !routed        ? "none"
                : same_ids ? "the same"
                           : "DIFFERENT");
        free(our_ids);
    }
    free(x);
    free(y);
    free(ids);
    return ok;
}

static void normalise(const double *x, const struct vkmoe_view *weight, double epsilon, float *out)
{
    double *w = reference_read_view(weight, 1, HIDDEN);
    for (uint32_t t = 0; t < TOKENS; t++) {
        double squares = 0.0;
        for (uint32_t i = 0; i < HIDDEN; i++)
            squares += x[t * HIDDEN + i] * x[t * HIDDEN + i];
        double scale = 1.0 / sqrt(squares / HIDDEN + epsilon);
        for (uint32_t i = 0; i < HIDDEN; i++)
            out[t * HIDDEN + i] = (float)(x[t * HIDDEN + i] * scale * w[i]);
    }
    free(w);
}

static void run_block(vkmoe_checkpoint *model, const struct vkmoe_frame *frame, uint32_t index,
    bool windows, double *x)
{
    static float normed[TOKENS * HIDDEN];
    static double y[TOKENS * HIDDEN];
    const struct vkmoe_block block = { .index = index };
    struct vkmoe_attention_params attention_params = { VKMOE_INIT(vkmoe_attention_params) };
    struct vkmoe_moe_params moe_params = { VKMOE_INIT(vkmoe_moe_params) };
    struct vkmoe_view norms[2];
    if (vkmoe_checkpoint_get_attention(model, block, &attention_params) != VKMOE_OK
        || vkmoe_checkpoint_get_moe(model, block, &moe_params) != VKMOE_OK
        || vkmoe_checkpoint_get_norms(model, block, &norms[0], &norms[1]) != VKMOE_OK)
        return; // check_attention() has said so
    if (!windows)
        attention_params.patterns = NULL;
    struct reference_attention attention;
    struct reference_layer layer;
    reference_attention_from(&attention_params, &attention);
    reference_layer_from(&moe_params, &layer);
    normalise(x, &norms[0], frame->block_norm_epsilon, normed);
    attend(&attention, normed, y, NULL);
    for (uint32_t i = 0; i < TOKENS * HIDDEN; i++)
        x[i] += y[i];
    normalise(x, &norms[1], frame->block_norm_epsilon, normed);
    reference_forward(&layer, TOKENS, 0, normed, NULL, NULL, NULL, y, NULL, NULL, NULL);
    for (uint32_t i = 0; i < TOKENS * HIDDEN; i++)
        x[i] += y[i];
    reference_attention_finish(&attention);
    reference_layer_finish(&layer);
}

static bool check_logits(vkmoe_checkpoint *model, const char *name, const char *file, bool windows)
{
    static double x[TOKENS * HIDDEN], logits[TOKENS * VOCABULARY];
    static float normed[TOKENS * HIDDEN];
    struct vkmoe_frame frame = { VKMOE_INIT(vkmoe_frame) };
    if (vkmoe_checkpoint_get_frame(model, &frame) != VKMOE_OK)
        return false;
    int32_t *tokens = recorded_ids(name, "tokens", TOKENS);
    float *expected = recorded_floats(name, file, TOKENS * VOCABULARY);
    bool ok = tokens && expected && frame.hidden == HIDDEN && frame.vocabulary == VOCABULARY
        && frame.blocks == BLOCKS && frame.max_positions == 1024 && frame.end_token_count == 1
        && frame.end_tokens[0] == 0;
    double *embedding = reference_read_view(&frame.embedding, VOCABULARY, HIDDEN);
    double *head = reference_read_view(&frame.head, VOCABULARY, HIDDEN);
    if (ok) {
        for (uint32_t i = 0; i < TOKENS * HIDDEN; i++)
            x[i] = embedding[(uint32_t)tokens[i / HIDDEN] * HIDDEN + i % HIDDEN];
        for (uint32_t b = 0; b < BLOCKS; b++)
            run_block(model, &frame, b, windows, x);
        normalise(x, &frame.final_norm, frame.norm_epsilon, normed);
        for (uint32_t i = 0; i < TOKENS * VOCABULARY; i++) {
            logits[i] = 0.0;
            for (uint32_t j = 0; j < HIDDEN; j++)
                logits[i] +=
                    head[i % VOCABULARY * HIDDEN + j] * normed[i / VOCABULARY * HIDDEN + j];
        }
        double error = rms_error(expected, logits, TOKENS * VOCABULARY);
        ok = error <= 2e-5;
        tap_note("%s: error %.2g of the rms", file, error);
    }
    free(tokens);
    free(expected);
    free(embedding);
    free(head);
    return ok;
}

void test_recorded(struct tap *tap, const char *name, const char *unwindowed)
{
    char test[128];
    vkmoe_checkpoint *model;
    if (!recorded_test(tap, name, test, &model))
        return;
    bool ok = model != NULL;
    for (uint32_t b = 0; ok && b < BLOCKS; b++)
        ok = check_attention(model, name, b);
    ok = ok && check_logits(model, name, "logits", true);
    if (unwindowed)
        ok = ok && check_logits(model, name, unwindowed, false);
    vkmoe_checkpoint_destroy(&model);
    tap_result(tap, ok, test);
}
