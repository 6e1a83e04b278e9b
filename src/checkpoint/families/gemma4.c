// gemma4.c - Gemma 4.
#include "checkpoint/families/families.h"

static void mark(const struct family *family, struct settings *settings, struct blocks *blocks)
{
    if (vkmoe_setting_bool(settings, "enable_moe_block", false))
        vkmoe_mark_all(family, settings, blocks);
}

static void adjust(struct settings *settings, struct vkmoe_moe_params *params)
{
    double epsilon = vkmoe_setting_number(settings, "rms_norm_eps", 1e-6);
    if (epsilon < 0.0)
        vkmoe_setting_fail(
            settings, VKMOE_ERROR_INVALID, "rms_norm_eps is %g, expected at least 0", epsilon);
    params->router.rms_epsilon = (float)epsilon;
}

FAMILY(gemma4, .text_name = "gemma4_text",
    .prefix = "model.language_model.layers.{b}.|model.layers.{b}."
        "|language_model.model.layers.{b}.",
    SIZES(30, 2304, "moe_intermediate_size", 0),
    EXPERTS("num_experts", 0, "top_k_experts", 0),
    .activation_key = "hidden_activation",
    .activation = "gelu_pytorch_tanh",
    .preset.router = { .score = VKMOE_SCORE_SOFTMAX,
        .renormalize.mode = VKMOE_RENORMALIZE_SUM, .rms_norm = true },
    .names = {
        .router = "router.proj.weight",
        .router_scale = "router.scale",
        .expert_scale = "router.per_expert_scale",
        STACKED_GATE_UP_DOWN("experts"),
    },
    .mark = mark,
    .adjust = adjust);
