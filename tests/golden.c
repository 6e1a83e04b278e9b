// golden.c - the reference against Hugging Face's own code: golden/hf/<model>.h holds the output
// of its MoE block, golden/hf.py how it was made. Needs no device.
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "golden/hf/deepseek_v3.h"
#include "golden/hf/deepseek_v4.h"
#include "golden/hf/ernie4_5_moe.h"
#include "golden/hf/gemma4.h"
#include "golden/hf/gpt_oss.h"
#include "golden/hf/granitemoe.h"
#include "golden/hf/jetmoe.h"
#include "golden/hf/lfm2_moe.h"
#include "golden/hf/llama4.h"
#include "golden/hf/minimax_m2.h"
#include "golden/hf/mixtral.h"
#include "golden/hf/nemotron_h.h"
#include "golden/hf/nemotron_h_latent.h"
#include "golden/hf/phimoe.h"
#include "golden/hf/qwen2_moe.h"
#include "golden/hf/qwen3_moe.h"
#include "random.h"
#include "reference.h"
#include "tap.h"

enum { HIDDEN = 16, INNER = 12, SHARED = 10, TOKENS = 12, LATENT = 6 };

struct golden {
    const char *family;           // seeds its arrays
    const float *y;               // [TOKENS][HIDDEN]
    struct reference_layer layer; // sizes and parameters
    double gain;                  // deviation of gate and up; 0: 0.25
    bool router_bias, correction_bias, scales, expert_biases, output_bias, ungated, token_gate;
};

// In semantics.md's words: V3's gate, without its groups.
#define SIGMOID_NORM .score = VKMOE_SCORE_SIGMOID, .renormalize = true, .renormalize_epsilon = 1e-20
#define TOP_K_OF_LOGITS .score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SOFTMAX

#define NEMOTRON_H \
    SIGMOID_NORM, .scale = 2.5, .activation = VKMOE_ACTIVATION_RELU2, .shared_inner = SHARED

// A layer of so many experts a token.
#define CHOOSING(k, ...) \
    { \
        .experts_per_token = k, __VA_ARGS__ \
    }

static const struct golden goldens[] = {
    { "mixtral", golden_mixtral, CHOOSING(2, .renormalize = true) },
    { "qwen2_moe", golden_qwen2_moe, CHOOSING(4, .shared_inner = SHARED), .token_gate = true },
    { "qwen3_moe", golden_qwen3_moe, CHOOSING(4, .renormalize = true) },
    { "deepseek_v3", golden_deepseek_v3,
        CHOOSING(3, .experts = 16, SIGMOID_NORM, .groups = 4, .groups_kept = 2,
            .group_score = VKMOE_GROUP_SCORE_SUM_TOP_2, .scale = 2.5, .shared_inner = INNER),
        .correction_bias = true },
    { "deepseek_v4", golden_deepseek_v4,
        CHOOSING(3, .score = VKMOE_SCORE_SQRT_SOFTPLUS, .renormalize = true,
            .renormalize_epsilon = 1e-20, .scale = 1.5, .shared_inner = INNER,
            .activation = VKMOE_ACTIVATION_SILU_CLAMP, .activation_limit = 4.0),
        .correction_bias = true, .gain = 1.0 },
    { "gpt_oss", golden_gpt_oss,
        CHOOSING(3, TOP_K_OF_LOGITS, .activation = VKMOE_ACTIVATION_SWIGLU_OAI),
        .router_bias = true, .expert_biases = true, .gain = 2.0 },
    { "phimoe", golden_phimoe,
        CHOOSING(2, .select = VKMOE_SELECT_SPARSEMIXER,
            .sparsemixer_threshold = 0.2) }, // 2 * router_jitter_noise
    { "llama4", golden_llama4,
        CHOOSING(1, .score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SIGMOID,
            .weight_on_input = true, .shared_inner = INNER) },
    { "granitemoe", golden_granitemoe, CHOOSING(3, TOP_K_OF_LOGITS) },
    { "jetmoe", golden_jetmoe, CHOOSING(2, TOP_K_OF_LOGITS), .output_bias = true },
    { "gemma4", golden_gemma4,
        CHOOSING(3, .renormalize = true, .rms_norm = true, .rms_epsilon = 1e-6,
            .activation = VKMOE_ACTIVATION_GELU_TANH),
        .scales = true },
    { "lfm2_moe", golden_lfm2_moe,
        CHOOSING(3, .score = VKMOE_SCORE_SIGMOID, .renormalize = true, .renormalize_epsilon = 1e-6),
        .correction_bias = true },
    { "nemotron_h", golden_nemotron_h, CHOOSING(3, NEMOTRON_H), .correction_bias = true,
        .ungated = true },
    { "nemotron_h_latent", golden_nemotron_h_latent, CHOOSING(3, NEMOTRON_H, .latent_size = LATENT),
        .correction_bias = true, .ungated = true },
    { "ernie4_5_moe", golden_ernie4_5_moe,
        CHOOSING(3, .renormalize = true, .renormalize_max = true, .renormalize_epsilon = 1e-12,
            .shared_inner = INNER),
        .correction_bias = true },
    { "minimax_m2", golden_minimax_m2, CHOOSING(3, SIGMOID_NORM), .correction_bias = true },
};

// `count` normal numbers, rounded to f32; the same in hf.py.
static double *make_array(
    const struct golden *golden, const char *name, double deviation, size_t count)
{
    char full_name[64];
    snprintf(full_name, sizeof(full_name), "%s/%s", golden->family, name);
    struct rng rng = rng_for(1, full_name);
    double *values = malloc(count * sizeof(*values));
    if (!values)
        abort();
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(deviation * rng_normal(&rng));
    return values;
}

static void fill(const struct golden *g, struct reference_layer *layer)
{
    uint32_t experts = g->layer.experts ? g->layer.experts : 8, shared = g->layer.shared_inner;
    size_t matrix = (size_t)experts * INNER * (g->layer.latent_size ? LATENT : HIDDEN);
    double gain = g->gain != 0.0 ? g->gain : 0.25;
    *layer = g->layer;
    layer->hidden = HIDDEN;
    layer->inner = INNER;
    layer->experts = experts;
    layer->router = make_array(g, "router", 0.5, experts * HIDDEN);
    layer->gate = g->ungated ? NULL : make_array(g, "gate", gain, matrix);
    layer->up = make_array(g, "up", gain, matrix);
    layer->down = make_array(g, "down", 0.25, matrix);
    if (g->router_bias)
        layer->router_bias = make_array(g, "router bias", 0.25, experts);
    if (g->correction_bias)
        layer->correction_bias = make_array(g, "correction bias", 0.25, experts);
    if (g->expert_biases) {
        layer->gate_bias = make_array(g, "gate bias", 0.25, experts * INNER);
        layer->up_bias = make_array(g, "up bias", 0.25, experts * INNER);
        layer->down_bias = make_array(g, "down bias", 0.25, experts * HIDDEN);
    }
    if (g->output_bias)
        layer->output_bias = make_array(g, "output bias", 0.25, HIDDEN);
    if (g->scales) {
        layer->expert_scale = make_array(g, "expert scale", 0.25, experts);
        layer->input_scale = make_array(g, "input scale", 0.25, HIDDEN);
        for (int i = 0; i < HIDDEN; i++)
            layer->input_scale[i] /= 4.0; // Gemma-4's hidden^-1/2
    }
    if (shared) {
        if (!g->ungated)
            layer->shared_gate = make_array(g, "shared gate", gain, shared * HIDDEN);
        layer->shared_up = make_array(g, "shared up", gain, shared * HIDDEN);
        layer->shared_down = make_array(g, "shared down", 0.25, HIDDEN * shared);
    }
    if (g->layer.latent_size) {
        layer->latent_down = make_array(g, "latent down", 0.25, LATENT * HIDDEN);
        layer->latent_up = make_array(g, "latent up", 0.25, HIDDEN * LATENT);
    }
    if (g->token_gate)
        layer->shared_token_gate = make_array(g, "shared token gate", 0.25, HIDDEN);
}

static void make_tokens(const struct golden *g, const char *name, float *x)
{
    double *values = make_array(g, name, 1.0, TOKENS * HIDDEN);
    for (int i = 0; i < TOKENS * HIDDEN; i++)
        x[i] = (float)values[i];
    free(values);
}

static bool check_golden(const struct golden *g)
{
    struct reference_layer layer;
    float x[TOKENS * HIDDEN], router_x[TOKENS * HIDDEN];
    double y[TOKENS * HIDDEN];
    fill(g, &layer);
    make_tokens(g, "x", x);
    make_tokens(g, "router x", router_x);
    reference_forward(
        &layer, TOKENS, 0, x, g->scales ? router_x : NULL, NULL, NULL, y, NULL, NULL, NULL);
    reference_layer_finish(&layer);
    struct compare_result result = compare_floats("y", y, g->y, TOKENS * HIDDEN, HIDDEN, 5e-6);
    tap_note("error %.2g", result.error);
    return result.ok;
}

int main(int argc, char **argv)
{
    struct tap tap;
    if (!tap_begin(&tap, argc, argv))
        return 2;
    for (size_t i = 0; i < sizeof(goldens) / sizeof(goldens[0]); i++) {
        if (tap_wants(&tap, goldens[i].family))
            tap_result(&tap, check_golden(&goldens[i]), goldens[i].family);
    }
    return tap_end(&tap);
}
