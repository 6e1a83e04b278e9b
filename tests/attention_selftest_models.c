// attention_selftest_models.c - the reference of attention against what was recorded with the tiny
// models.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attention_selftest.h"
#include "compare.h"
#include "network_reference.h"
#include "random.h"
#include "recorded.h"

// The largest error of a block's attention against what was recorded, or infinity.
static double recorded_error(
    const char *model, uint32_t block, const struct reference_attention *a, bool quiet)
{
    enum { TOKENS = RECORDED_TOKENS, HIDDEN = RECORDED_HIDDEN };
    char name[64];
    snprintf(name, sizeof(name), "layer%u_attention_input", block);
    float *x = recorded_floats(model, name, (size_t)TOKENS * HIDDEN);
    snprintf(name, sizeof(name), "layer%u_attention_output", block);
    float *recorded = recorded_floats(model, name, (size_t)TOKENS * HIDDEN);
    double error = INFINITY;
    if (x && recorded) {
        uint32_t positions[TOKENS];
        for (uint32_t t = 0; t < TOKENS; t++)
            positions[t] = t;
        double *y = calloc((size_t)TOKENS * HIDDEN, sizeof(double));
        if (!y)
            abort();
        struct reference_history history;
        reference_history_init(&history, a, 1, TOKENS, VKMOE_DTYPE_F32);
        reference_attend(
            a, TOKENS, x, positions, NULL, NULL, &history, false, NULL, NULL, y, NULL, NULL, NULL);
        error = compare_floats(name, y, recorded, (uint64_t)TOKENS * HIDDEN, HIDDEN,
            quiet ? INFINITY : COMPARE_F32_TOLERANCE)
                    .error;
        reference_history_finish(&history);
        free(y);
    }
    free(x);
    free(recorded);
    return error;
}

static bool check_recorded_routing(const struct reference_attention *a, uint32_t block)
{
    enum { TOKENS = RECORDED_TOKENS, CHOICES = 2 * RECORDED_TOKENS };
    char name[64];
    const char *model = "tiny-jetmoe";
    snprintf(name, sizeof(name), "layer%u_attention_input", block);
    float *x = recorded_floats(model, name, (size_t)TOKENS * RECORDED_HIDDEN);
    snprintf(name, sizeof(name), "layer%u_attention_expert_ids", block);
    int32_t *recorded_id = recorded_ids(model, name, CHOICES);
    snprintf(name, sizeof(name), "layer%u_attention_expert_weights", block);
    float *recorded_weights = recorded_floats(model, name, CHOICES);
    bool ok = x && recorded_id && recorded_weights;
    if (ok) {
        int32_t ids[CHOICES];
        double weights[CHOICES];
        reference_forward(&a->router, TOKENS, 0, x, NULL, NULL, NULL, NULL, ids, weights, NULL);
        ok = compare_ids("ids", ids, recorded_id, CHOICES, 2)
            && compare_floats("weights", weights, recorded_weights, CHOICES, 2, 1e-6).ok;
    }
    free(x);
    free(recorded_id);
    free(recorded_weights);
    return ok;
}

static bool check_model(const char *model)
{
    bool ok = true;
    for (uint32_t block = 0; block < RECORDED_BLOCKS; block++) {
        struct reference_attention a;
        double error = INFINITY;
        if (recorded_attention(model, block, &a))
            error = recorded_error(model, block, &a, false);
        ok &= error <= COMPARE_F32_TOLERANCE;
        if (ok && a.experts > 1)
            ok = check_recorded_routing(&a, block);
        tap_note("%s, block %u: error %.2g of rms", model, block, error);
        reference_attention_finish(&a);
    }
    return ok;
}

bool test_tiny_mixtral(void)
{
    return check_model("tiny-mixtral");
}

bool test_tiny_jetmoe(void)
{
    return check_model("tiny-jetmoe");
}

// What a port gets wrong has to show.
bool test_traps(void)
{
    struct reference_attention a;
    bool ok = recorded_attention("tiny-jetmoe", 1, &a);
    struct vkmoe_pattern *patterns = a.patterns;
    for (int trap = 0; ok && trap < 5; trap++) {
        static const char *const names[] = { "rope before the projection", "kv head over slots",
            "no windows", "windows one longer", "softmax before top-k" };
        struct reference_attention wrong = a;
        struct vkmoe_pattern longer[8] = { 0 };
        wrong.rope_before_projection = trap == 0;
        wrong.kv_head_over_slots = trap == 1;
        for (int e = 0; trap == 3 && e < 8; e++)
            longer[e].left = patterns[e].left ? patterns[e].left + 1 : 0;
        if (trap == 2 || trap == 3)
            wrong.patterns = longer;
        if (trap == 4) {
            wrong.router.score = VKMOE_SCORE_SOFTMAX;
            wrong.router.weigh = VKMOE_WEIGH_SCORE;
        }
        double error = recorded_error("tiny-jetmoe", 1, &wrong, true);
        tap_note("%s: error %.2g of rms", names[trap], error);
        ok = error > 0.05;
    }
    reference_attention_finish(&a);
    return ok;
}

// The whole model's logits, at every position; `file` says which were recorded.
static bool check_logits(const char *name, const char *file, bool windows)
{
    enum { TOKENS = RECORDED_TOKENS, COUNT = RECORDED_TOKENS * RECORDED_VOCABULARY };
    char path[1024];
    vkmoe_checkpoint *model = NULL;
    struct reference_network network = { 0 };
    struct reference_memory memory = { 0 };
    snprintf(path, sizeof(path), VKMOE_TEST_MODELS "/%s", name);
    int32_t *tokens = recorded_ids(name, "tokens", TOKENS);
    float *recorded = recorded_floats(name, file, COUNT);
    double *logits = calloc(COUNT, sizeof(double));
    bool ok = tokens && recorded && logits && vkmoe_checkpoint_open(path, NULL, &model) == VKMOE_OK
        && reference_network_from(model, &network);
    if (ok) {
        uint32_t ids[TOKENS], positions[TOKENS];
        for (uint32_t t = 0; t < TOKENS; t++) {
            ids[t] = (uint32_t)tokens[t];
            positions[t] = t;
        }
        for (uint32_t b = 0; !windows && b < network.block_count; b++) {
            free(network.blocks[b].attention.patterns);
            network.blocks[b].attention.patterns = NULL;
        }
        reference_memory_init(&memory, &network, 1, TOKENS, VKMOE_DTYPE_F32);
        reference_network_forward(
            &network, TOKENS, ids, positions, NULL, &memory, logits, NULL, NULL);
        struct compare_result result =
            compare_floats(file, logits, recorded, COUNT, RECORDED_VOCABULARY, 1e-4);
        tap_note("%s, %s: error %.2g of rms", name, file, result.error);
        ok = result.ok;
        reference_memory_finish(&memory);
    }
    free(tokens);
    free(recorded);
    free(logits);
    reference_network_finish(&network);
    vkmoe_checkpoint_destroy(&model);
    return ok;
}

bool test_logits(void)
{
    bool ok = check_logits("tiny-mixtral", "logits", true);
    ok &= check_logits("tiny-jetmoe", "logits", true);
    return check_logits("tiny-jetmoe", "logits_unwindowed", false) && ok;
}
