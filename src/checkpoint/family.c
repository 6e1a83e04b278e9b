// family.c - see family.h. Sources: shared/docs/semantics.md A.1 and A.2 for formulas,
// layouts and names, the config classes of Hugging Face transformers 5.12 for presets.
#include "checkpoint/family.h"

#include <math.h>
#include <string.h>

#include "base/common.h"
#include "checkpoint/aliases.h"
#include "checkpoint/blocks.h"
#include "base/json.h"

// Where published checkpoints keep a decoder-only model's blocks; the second and third
// inside multimodal models.
#define BLOCKS \
    "model.layers.{b}.|language_model.model.layers.{b}." \
    "|model.language_model.layers.{b}.|layers.{b}."

#define HIDDEN_ACT .activation_key = "hidden_act", .activation = "silu"

// Experts as published, or stacked and fused as transformers 5 has them in memory, and saves
// them unless it restores the published form. The latter calls every block `mlp`, if it is not
// `feed_forward`.
#define FUSED_AS(parent, name) parent ".experts." name "|mlp.experts." name
#define EXPERTS_GATE_UP_DOWN(parent) \
    .gate = parent ".experts.{e}.gate_proj.weight", .up = parent ".experts.{e}.up_proj.weight", \
    .gate_up = FUSED_AS(parent, "gate_up_proj"), \
    .down = parent ".experts.{e}.down_proj.weight|" FUSED_AS(parent, "down_proj")
#define EXPERTS_W1_W3_W2(parent) \
    .gate = parent ".experts.{e}.w1.weight", .up = parent ".experts.{e}.w3.weight", \
    .gate_up = FUSED_AS(parent, "gate_up_proj"), \
    .down = parent ".experts.{e}.w2.weight|" FUSED_AS(parent, "down_proj")
#define SHARED_GATE_UP_DOWN(parent) \
    .shared_gate = parent ".gate_proj.weight", .shared_up = parent ".up_proj.weight", \
    .shared_down = parent ".down_proj.weight"

#define DENSE_GATE_UP_DOWN(parent, width) \
    .dense_inner = { "intermediate_size", width }, \
    .dense = { \
        .gate = parent ".gate_proj.weight", \
        .up = parent ".up_proj.weight", \
        .down = parent ".down_proj.weight", \
    }

// The gate of DeepSeek-V3: sigmoid scores, a bias that only selects, groups ranked by their
// two best, weights that sum to the scale.
#define V3_ROUTER \
    .score = VKMOE_SCORE_SIGMOID, .weigh = VKMOE_WEIGH_SCORE, \
    .group_score = VKMOE_GROUP_SCORE_SUM_TOP_2, .renormalize = true, .renormalize_epsilon = 1e-20f
#define V3_SETTINGS \
    .renormalize_key = "norm_topk_prob", .scale_key = "routed_scaling_factor", \
    .groups_key = "n_group", .groups_kept_key = "topk_group"

// Selection by logits, then softmax over the chosen.
#define TOP_K_THEN_SOFTMAX .score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SOFTMAX

static void adjust_switch(struct vkmoe_config *config, struct vkmoe_moe_params *params)
{
    params->router.capacity = vkmoe_config_u32(config, "expert_capacity", 64, 1, INT32_MAX);
}

// The original code renormalises or scales, never both, and one expert is never renormalised.
static void adjust_deepseek_v2(struct vkmoe_config *config, struct vkmoe_moe_params *params)
{
    struct vkmoe_router_params *router = &params->router;
    if (params->experts_per_token == 1)
        router->renormalize = false;
    if (router->renormalize)
        router->scale = 1.0f;
    const char *method = vkmoe_config_string(config, "topk_method", "greedy");
    if (strcmp(method, "greedy") == 0) {
        router->groups = router->groups_kept = 0;
    } else if (strcmp(method, "group_limited_greedy") != 0) {
        char text[64];
        vkmoe_config_fail(config, VKMOE_ERROR_UNSUPPORTED,
            "topk_method is \"%s\", only greedy and group_limited_greedy are supported",
            vkmoe_json_printable(method, text, sizeof text));
    }
}

// The activation's two constants; hidden_act is "silu", but what is computed is not.
static void adjust_gpt_oss(struct vkmoe_config *config, struct vkmoe_moe_params *params)
{
    double alpha = vkmoe_config_number(config, "swiglu_alpha", 1.702);
    double limit = vkmoe_config_number(config, "swiglu_limit", 7.0);
    if (alpha <= 0.0 || limit <= 0.0)
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID, "%s is %g, expected more than 0",
            alpha <= 0.0 ? "swiglu_alpha" : "swiglu_limit", alpha <= 0.0 ? alpha : limit);
    params->activation = VKMOE_ACTIVATION_SWIGLU_OAI;
    params->activation_alpha = (float)alpha;
    params->activation_limit = (float)limit;
}

// The jitter of training decides at inference which experts compete.
static void adjust_phimoe(struct vkmoe_config *config, struct vkmoe_moe_params *params)
{
    double jitter = vkmoe_config_number(config, "router_jitter_noise", 0.01);
    if (jitter <= 0.0)
        vkmoe_config_fail(
            config, VKMOE_ERROR_INVALID, "router_jitter_noise is %g, expected more than 0", jitter);
    params->router.sparsemixer_threshold = (float)(2.0 * jitter);
}

static void adjust_gemma4(struct vkmoe_config *config, struct vkmoe_moe_params *params)
{
    double epsilon = vkmoe_config_number(config, "rms_norm_eps", 1e-6);
    if (epsilon < 0.0)
        vkmoe_config_fail(
            config, VKMOE_ERROR_INVALID, "rms_norm_eps is %g, expected at least 0", epsilon);
    params->router.rms_epsilon = (float)epsilon;
}

static const struct vkmoe_family families[] = {
    {
        .name = "switch_transformers",
        .prefix = "encoder.block.{b}.layer.1.mlp.",
        .decoder_prefix = "decoder.block.{b}.layer.2.mlp.",
        .blocks = {"num_layers", 12},
        .hidden = {"d_model", 768},
        .inner = {"d_ff", 2048},
        .experts = {"num_experts", 8},
        .experts_per_token = {NULL, 1},
        .activation_key = "dense_act_fn",
        .activation = "relu",
        .router_bias = {"router_bias", false},
        .expect = {"is_gated_act=false"},
        .preset.router = {.score = VKMOE_SCORE_SOFTMAX},
        .names = {
            .router = "router.classifier.weight",
            .router_bias = "router.classifier.bias",
            .up = "experts.expert_{e}.wi.weight",
            .down = "experts.expert_{e}.wo.weight",
        },
        .dense_inner = {"d_ff", 2048},
        .dense = {.up = "wi.weight", .down = "wo.weight"},
        .mark = vkmoe_mark_switch,
        .adjust = adjust_switch,
    },
    {
        .name = "mixtral",
        .prefix = BLOCKS,
        .blocks = {"num_hidden_layers", 32},
        .hidden = {"hidden_size", 4096},
        .inner = {"intermediate_size", 14336},
        .experts = {"num_local_experts|num_experts", 8},
        .experts_per_token = {"num_experts_per_tok", 2},
        HIDDEN_ACT,
        .preset.router = {.score = VKMOE_SCORE_SOFTMAX, .renormalize = true},
        .names = {
            .router = "block_sparse_moe.gate.weight|mlp.gate.weight",
            EXPERTS_W1_W3_W2("block_sparse_moe"),
        },
        .mark = vkmoe_mark_all,
    },
    {
        .name = "qwen2_moe",
        .prefix = BLOCKS,
        .blocks = {"num_hidden_layers", 24},
        .hidden = {"hidden_size", 2048},
        .inner = {"moe_intermediate_size", 1408},
        .experts = {"num_experts", 60},
        .experts_per_token = {"num_experts_per_tok", 4},
        HIDDEN_ACT,
        .renormalize_key = "norm_topk_prob",
        .shared_inner = {"shared_expert_intermediate_size", 5632},
        .preset.router = {.score = VKMOE_SCORE_SOFTMAX},
        .names = {
            .router = "mlp.gate.weight",
            EXPERTS_GATE_UP_DOWN("mlp"),
            SHARED_GATE_UP_DOWN("mlp.shared_expert"),
            .shared_token_gate = "mlp.shared_expert_gate.weight",
        },
        DENSE_GATE_UP_DOWN("mlp", 5632),
        .mark = vkmoe_mark_qwen,
    },
    {
        .name = "qwen3_moe",
        .prefix = BLOCKS,
        .blocks = {"num_hidden_layers", 24},
        .hidden = {"hidden_size", 2048},
        .inner = {"moe_intermediate_size", 768},
        .experts = {"num_experts|num_local_experts", 128},
        .experts_per_token = {"num_experts_per_tok", 8},
        HIDDEN_ACT,
        .renormalize_key = "norm_topk_prob",
        .preset.router = {.score = VKMOE_SCORE_SOFTMAX},
        .names = {.router = "mlp.gate.weight", EXPERTS_GATE_UP_DOWN("mlp")},
        DENSE_GATE_UP_DOWN("mlp", 6144),
        .mark = vkmoe_mark_qwen,
    },
    {
        .name = "olmoe",
        .prefix = BLOCKS,
        .blocks = {"num_hidden_layers", 16},
        .hidden = {"hidden_size", 2048},
        .inner = {"intermediate_size", 2048},
        .experts = {"num_experts|num_local_experts", 64},
        .experts_per_token = {"num_experts_per_tok", 8},
        HIDDEN_ACT,
        .renormalize_key = "norm_topk_prob",
        .preset.router = {.score = VKMOE_SCORE_SOFTMAX},
        .names = {.router = "mlp.gate.weight", EXPERTS_GATE_UP_DOWN("mlp")},
        .mark = vkmoe_mark_all,
    },
    {
        .name = "deepseek_v2",
        .prefix = BLOCKS,
        .blocks = {"num_hidden_layers", 32},
        .hidden = {"hidden_size", 4096},
        .inner = {"moe_intermediate_size", 1407},
        .experts = {"n_routed_experts", 64},
        .experts_per_token = {"num_experts_per_tok", 0},
        HIDDEN_ACT,
        .renormalize_key = "norm_topk_prob",
        .scale_key = "routed_scaling_factor",
        .groups_key = "n_group",
        .groups_kept_key = "topk_group",
        .shared_inner = {"moe_intermediate_size", 1407},
        .shared_count = {"n_shared_experts", 2},
        .expect = {"scoring_func=softmax", "mlp_bias=false"},
        .preset.router = {
            .score = VKMOE_SCORE_SOFTMAX,
            .group_score = VKMOE_GROUP_SCORE_MAX,
            .group_mask_zero = true,
            .renormalize_epsilon = 1e-20f,
        },
        .names = {
            .router = "mlp.gate.weight",
            EXPERTS_GATE_UP_DOWN("mlp"),
            SHARED_GATE_UP_DOWN("mlp.shared_experts"),
        },
        DENSE_GATE_UP_DOWN("mlp", 11008),
        .mark = vkmoe_mark_after_dense,
        .adjust = adjust_deepseek_v2,
    },
    {
        .name = "deepseek_v3",
        .prefix = BLOCKS,
        .blocks = {"num_hidden_layers", 61},
        .hidden = {"hidden_size", 7168},
        .inner = {"moe_intermediate_size", 2048},
        .experts = {"n_routed_experts|num_local_experts", 256},
        .experts_per_token = {"num_experts_per_tok", 8},
        HIDDEN_ACT,
        V3_SETTINGS,
        .shared_inner = {"moe_intermediate_size", 2048},
        .shared_count = {"n_shared_experts", 1},
        .expect = {"scoring_func=sigmoid", "topk_method=noaux_tc", "mlp_bias=false"},
        .preset.router = {V3_ROUTER, .groups = 8, .groups_kept = 4, .scale = 2.5f},
        .names = {
            .router = "mlp.gate.weight",
            .correction_bias = "mlp.gate.e_score_correction_bias",
            EXPERTS_GATE_UP_DOWN("mlp"),
            SHARED_GATE_UP_DOWN("mlp.shared_experts"),
        },
        DENSE_GATE_UP_DOWN("mlp", 18432),
        .mark = vkmoe_mark_after_3_dense,
    },
    {
        .name = "glm4_moe",
        .prefix = BLOCKS,
        .blocks = {"num_hidden_layers", 46},
        .hidden = {"hidden_size", 4096},
        .inner = {"moe_intermediate_size", 1408},
        .experts = {"n_routed_experts|num_local_experts", 128},
        .experts_per_token = {"num_experts_per_tok", 8},
        HIDDEN_ACT,
        V3_SETTINGS,
        .shared_inner = {"moe_intermediate_size", 1408},
        .shared_count = {"n_shared_experts", 1},
        .expect = {"scoring_func=sigmoid", "topk_method=noaux_tc"},
        .preset.router = {V3_ROUTER, .groups = 1, .groups_kept = 1, .scale = 1.0f},
        .names = {
            .router = "mlp.gate.weight",
            .correction_bias = "mlp.gate.e_score_correction_bias",
            EXPERTS_GATE_UP_DOWN("mlp"),
            SHARED_GATE_UP_DOWN("mlp.shared_experts"),
        },
        DENSE_GATE_UP_DOWN("mlp", 10944),
        .mark = vkmoe_mark_after_1_dense,
    },
    {
        .name = "gpt_oss",
        .prefix = BLOCKS,
        .blocks = {"num_hidden_layers", 36},
        .hidden = {"hidden_size", 2880},
        .inner = {"intermediate_size", 2880},
        .experts = {"num_local_experts|num_experts", 128},
        .experts_per_token = {"num_experts_per_tok|experts_per_token", 4},
        HIDDEN_ACT,
        .expect = {"hidden_act=silu"},
        .preset.router = {TOP_K_THEN_SOFTMAX},
        .names = {
            .router = "mlp.router.weight",
            .router_bias = "mlp.router.bias",
            .gate_up = "mlp.experts.gate_up_proj",
            .gate_up_bias = "mlp.experts.gate_up_proj_bias",
            .down = "mlp.experts.down_proj",
            .down_bias = "mlp.experts.down_proj_bias",
        },
        .layout = VKMOE_TRANSPOSED | VKMOE_INTERLEAVED,
        .mark = vkmoe_mark_all,
        .adjust = adjust_gpt_oss,
    },
    {
        .name = "llama4",
        .text_name = "llama4_text",
        .prefix = "language_model.model.layers.{b}.feed_forward.|model.layers.{b}.feed_forward."
            "|model.language_model.layers.{b}.feed_forward.",
        .blocks = {"num_hidden_layers", 48},
        .hidden = {"hidden_size", 5120},
        .inner = {"intermediate_size", 8192},
        .experts = {"num_local_experts", 16},
        .experts_per_token = {"num_experts_per_tok", 1},
        HIDDEN_ACT,
        .shared_inner = {"intermediate_size", 8192},
        .preset = {
            .router = {.score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SIGMOID},
            .weight_on_input = true,
        },
        .names = {
            .router = "router.weight",
            .gate_up = "experts.gate_up_proj",
            .down = "experts.down_proj",
            SHARED_GATE_UP_DOWN("shared_expert"),
        },
        .layout = VKMOE_TRANSPOSED,
        .mark = vkmoe_mark_llama4,
    },
    {
        .name = "phimoe",
        .prefix = BLOCKS,
        .blocks = {"num_hidden_layers", 32},
        .hidden = {"hidden_size", 4096},
        .inner = {"intermediate_size", 6400},
        .experts = {"num_local_experts", 16},
        .experts_per_token = {"num_experts_per_tok", 2},
        HIDDEN_ACT,
        .expect = {"num_experts_per_tok=2"}, // the method picks two, one after the other
        .preset.router = {.score = VKMOE_SCORE_IDENTITY, .select = VKMOE_SELECT_SPARSEMIXER},
        .names = {
            .router = "block_sparse_moe.gate.weight|mlp.router.weight|mlp.gate.weight",
            EXPERTS_W1_W3_W2("block_sparse_moe"),
        },
        .mark = vkmoe_mark_all,
        .adjust = adjust_phimoe,
    },
    {
        .name = "granitemoe",
        .prefix = BLOCKS,
        .blocks = {"num_hidden_layers", 32},
        .hidden = {"hidden_size", 4096},
        .inner = {"intermediate_size", 11008},
        .experts = {"num_local_experts", 8},
        .experts_per_token = {"num_experts_per_tok", 2},
        HIDDEN_ACT,
        .preset.router = {TOP_K_THEN_SOFTMAX},
        .names = {
            .router = "block_sparse_moe.router.layer.weight",
            .gate_up = "block_sparse_moe.input_linear.weight",
            .down = "block_sparse_moe.output_linear.weight",
        },
        .mark = vkmoe_mark_all,
    },
    {
        .name = "granitemoehybrid",
        .prefix = BLOCKS,
        .blocks = {"num_hidden_layers", 32},
        .hidden = {"hidden_size", 4096},
        .inner = {"intermediate_size", 11008},
        .experts = {"num_local_experts", 8},
        .experts_per_token = {"num_experts_per_tok", 2},
        HIDDEN_ACT,
        .shared_inner = {"shared_intermediate_size", 1024},
        .preset.router = {TOP_K_THEN_SOFTMAX},
        .names = {
            .router = "block_sparse_moe.router.layer.weight",
            .gate_up = "block_sparse_moe.input_linear.weight",
            .down = "block_sparse_moe.output_linear.weight",
            .shared_gate_up = "shared_mlp.input_linear.weight",
            .shared_down = "shared_mlp.output_linear.weight",
        },
        .mark = vkmoe_mark_granite_hybrid,
    },
    {
        .name = "jetmoe",
        .prefix = BLOCKS,
        .blocks = {"num_hidden_layers", 12},
        .hidden = {"hidden_size", 2048},
        .inner = {"intermediate_size", 5632},
        .experts = {"num_local_experts", 8},
        .experts_per_token = {"num_experts_per_tok", 2},
        .activation_key = "activation_function",
        .activation = "silu",
        .preset.router = {TOP_K_THEN_SOFTMAX},
        .names = {
            .router = "mlp.router.layer.weight",
            .gate_up = "mlp.input_linear.weight",
            .down = "mlp.output_linear.weight",
            .output_bias = "mlp.bias",
        },
        .mark = vkmoe_mark_all,
    },
    {
        .name = "jamba",
        .prefix = BLOCKS,
        .blocks = {"num_hidden_layers", 32},
        .hidden = {"hidden_size", 4096},
        .inner = {"intermediate_size", 14336},
        .experts = {"num_experts", 16},
        .experts_per_token = {"num_experts_per_tok", 2},
        HIDDEN_ACT,
        .preset.router = {.score = VKMOE_SCORE_SOFTMAX},
        .names = {
            .router = "feed_forward.router.weight",
            EXPERTS_GATE_UP_DOWN("feed_forward"),
        },
        .mark = vkmoe_mark_jamba,
    },
    {
        .name = "nemotron_h",
        .prefix = "backbone.layers.{b}.mixer.|model.layers.{b}.mixer."
            "|language_model.backbone.layers.{b}.mixer.|language_model.model.layers.{b}.mixer.",
        .hidden = {"hidden_size", 4096},
        .inner = {"moe_intermediate_size", 7688},
        .experts = {"n_routed_experts", 8},
        .experts_per_token = {"num_experts_per_tok", 2},
        .activation_key = "mlp_hidden_act",
        .activation = "relu2",
        V3_SETTINGS,
        .shared_inner = {"moe_shared_expert_intermediate_size", 7688},
        .expect = {"moe_latent_size=null", "mlp_bias=false", "n_shared_experts=1"},
        .preset.router = {V3_ROUTER, .groups = 1, .groups_kept = 1, .scale = 1.0f},
        .names = {
            .router = "gate.weight",
            .correction_bias = "gate.e_score_correction_bias",
            .up = "experts.{e}.up_proj.weight|experts.up_proj",
            .down = "experts.{e}.down_proj.weight|experts.down_proj",
            .shared_up = "shared_experts.up_proj.weight",
            .shared_down = "shared_experts.down_proj.weight",
        },
        .mark = vkmoe_mark_nemotron,
    },
    {
        .name = "gemma4",
        .text_name = "gemma4_text",
        .prefix = "model.language_model.layers.{b}.|model.layers.{b}."
            "|language_model.model.layers.{b}.",
        .blocks = {"num_hidden_layers", 30},
        .hidden = {"hidden_size", 2304},
        .inner = {"moe_intermediate_size", 0},
        .experts = {"num_experts", 0},
        .experts_per_token = {"top_k_experts", 0},
        .activation_key = "hidden_activation",
        .activation = "gelu_pytorch_tanh",
        .preset.router = {.score = VKMOE_SCORE_SOFTMAX, .renormalize = true, .rms_norm = true},
        .names = {
            .router = "router.proj.weight",
            .router_scale = "router.scale",
            .expert_scale = "router.per_expert_scale",
            .gate_up = "experts.gate_up_proj",
            .down = "experts.down_proj",
        },
        .mark = vkmoe_mark_gemma4,
        .adjust = adjust_gemma4,
    },
    {
        .name = "lfm2_moe",
        .prefix = BLOCKS,
        .blocks = {"num_hidden_layers", 32},
        .hidden = {"hidden_size", 2048},
        .inner = {"moe_intermediate_size", 1792},
        .experts = {"num_experts", 32},
        .experts_per_token = {"num_experts_per_tok", 4},
        HIDDEN_ACT,
        .renormalize_key = "norm_topk_prob",
        .scale_key = "routed_scaling_factor",
        .correction_bias = {"use_expert_bias", true},
        .preset.router = {
            .score = VKMOE_SCORE_SIGMOID,
            .renormalize = true,
            .renormalize_epsilon = 1e-6f,
            .scale = 1.0f,
        },
        .names = {
            .router = "feed_forward.gate.weight",
            .correction_bias = "feed_forward.expert_bias",
            EXPERTS_W1_W3_W2("feed_forward"),
        },
        .mark = vkmoe_mark_lfm2,
    },
};

const struct vkmoe_family *vkmoe_family_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
        const struct vkmoe_family *family = &families[i];
        if (strcmp(family->name, name) == 0
            || (family->text_name && strcmp(family->text_name, name) == 0))
            return family;
    }
    return NULL;
}

uint32_t vkmoe_setting_read(
    const struct vkmoe_setting *setting, struct vkmoe_config *config, uint32_t min, uint32_t max)
{
    if (!setting->key)
        return setting->preset;
    uint32_t value = vkmoe_config_u32(config, setting->key, setting->preset, min, max);
    if (value < min) // a preset of 0: the class has none
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID, "needs %s, an integer from %u to %u",
            setting->key, min, max);
    return value;
}

void vkmoe_family_read_blocks(
    const struct vkmoe_family *family, struct vkmoe_config *config, struct vkmoe_blocks *blocks)
{
    *blocks = (struct vkmoe_blocks){ 0 };
    blocks->count[0] = vkmoe_setting_read(&family->blocks, config, 1, VKMOE_MAX_BLOCKS);
    family->mark(config, blocks);
    if (blocks->count[0] == 0)
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID, "names no blocks");
}

static void read_activation(
    const struct vkmoe_family *family, struct vkmoe_config *config, struct vkmoe_moe_params *params)
{
    static const struct {
        const char *name;
        enum vkmoe_activation activation;
    } activations[] = {
        { "silu", VKMOE_ACTIVATION_SILU },
        { "swish", VKMOE_ACTIVATION_SILU },
        { "relu", VKMOE_ACTIVATION_RELU },
        { "relu2", VKMOE_ACTIVATION_RELU2 },
        { "gelu", VKMOE_ACTIVATION_GELU_ERF },
        { "gelu_new", VKMOE_ACTIVATION_GELU_TANH },
        { "gelu_pytorch_tanh", VKMOE_ACTIVATION_GELU_TANH },
        { "linear", VKMOE_ACTIVATION_IDENTITY },
    };
    const char *name = vkmoe_config_string(config, family->activation_key, family->activation);
    for (size_t i = 0; i < ARRAY_SIZE(activations); i++) {
        if (strcmp(name, activations[i].name) == 0) {
            params->activation = activations[i].activation;
            return;
        }
    }
    char text[64];
    vkmoe_config_fail(config, VKMOE_ERROR_UNSUPPORTED, "%s is \"%s\", an unknown activation",
        family->activation_key, vkmoe_json_printable(name, text, sizeof text));
}

static void read_shared(
    const struct vkmoe_family *family, struct vkmoe_config *config, struct vkmoe_moe_params *params)
{
    if (!family->shared_inner.key)
        return;
    uint32_t inner = vkmoe_setting_read(&family->shared_inner, config, 0, VKMOE_MAX_WIDTH);
    uint32_t count = 1;
    const char *count_key = family->shared_count.key;
    if (count_key) // DeepSeek writes null for none
        count = vkmoe_config_is_null(config, count_key)
            ? 0
            : vkmoe_setting_read(&family->shared_count, config, 0, VKMOE_MAX_EXPERTS);
    if ((uint64_t)inner * count > VKMOE_MAX_WIDTH)
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID,
            "the shared experts are %u wide and %u, together wider than %d", inner, count,
            VKMOE_MAX_WIDTH);
    params->shared_inner = inner * count;
}

static void read_router(
    const struct vkmoe_family *family, struct vkmoe_config *config, struct vkmoe_moe_params *params)
{
    struct vkmoe_router_params *router = &params->router;
    if (family->renormalize_key)
        router->renormalize =
            vkmoe_config_bool(config, family->renormalize_key, router->renormalize);
    if (config->alias && config->alias->renormalize)
        router->renormalize = true;
    if (family->scale_key) {
        double scale = vkmoe_config_number(
            config, family->scale_key, router->scale == 0.0f ? 1.0 : (double)router->scale);
        if (!(scale > 0.0) || (float)scale == 0.0f)
            vkmoe_config_fail(config, VKMOE_ERROR_INVALID, "%s is %g, expected more than 0",
                family->scale_key, scale);
        router->scale = (float)scale;
    }
    if (family->groups_key) {
        router->groups =
            vkmoe_config_u32(config, family->groups_key, router->groups, 1, VKMOE_MAX_EXPERTS);
        router->groups_kept = vkmoe_config_u32(
            config, family->groups_kept_key, router->groups_kept, 1, VKMOE_MAX_EXPERTS);
    }
}

// The groups divide the experts evenly, and those kept hold at least k.
static void check_groups(struct vkmoe_config *config, struct vkmoe_moe_params *params)
{
    struct vkmoe_router_params *router = &params->router;
    if (router->groups <= 1) {
        router->groups = router->groups_kept = 0;
    } else if (params->experts % router->groups || router->groups_kept > router->groups
        || router->groups_kept == 0
        || params->experts_per_token > params->experts / router->groups * router->groups_kept) {
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID,
            "%u experts, %u of them at a time, do not go into %u groups of which %u are kept",
            params->experts, params->experts_per_token, router->groups, router->groups_kept);
    }
}

static void check_expected(const struct vkmoe_family *family, struct vkmoe_config *config)
{
    const char *accept = config->alias ? config->alias->accept : NULL;
    size_t key = accept ? strcspn(accept, "=") + 1 : 0;
    for (size_t i = 0; i < ARRAY_SIZE(family->expect) && family->expect[i]; i++) {
        if (!accept || strncmp(accept, family->expect[i], key) != 0
            || !vkmoe_config_is(config, accept))
            vkmoe_config_expect(config, family->expect[i]);
    }
}

void vkmoe_family_read_params(
    const struct vkmoe_family *family, struct vkmoe_config *config, struct vkmoe_moe_params *params)
{
    *params = family->preset;
    check_expected(family, config);
    params->hidden = vkmoe_setting_read(&family->hidden, config, 1, VKMOE_MAX_WIDTH);
    params->inner = vkmoe_setting_read(&family->inner, config, 1, VKMOE_MAX_WIDTH);
    params->experts = vkmoe_setting_read(&family->experts, config, 1, VKMOE_MAX_EXPERTS);
    params->experts_per_token =
        vkmoe_setting_read(&family->experts_per_token, config, 1, params->experts);
    if (params->experts_per_token > params->experts)
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID, "%u experts per token, but only %u experts",
            params->experts_per_token, params->experts);
    read_activation(family, config, params);
    read_shared(family, config, params);
    read_router(family, config, params);
    if (family->adjust)
        family->adjust(config, params);
    check_groups(config, params);
}

void vkmoe_family_read_dense(
    const struct vkmoe_family *family, struct vkmoe_config *config, struct vkmoe_moe_params *params)
{
    *params = (struct vkmoe_moe_params){
        .experts = 1, .experts_per_token = 1, .router.select = VKMOE_SELECT_SUPPLIED_WEIGHTED
    };
    check_expected(family, config);
    params->hidden = vkmoe_setting_read(&family->hidden, config, 1, VKMOE_MAX_WIDTH);
    params->inner = vkmoe_setting_read(&family->dense_inner, config, 1, VKMOE_MAX_WIDTH);
    read_activation(family, config, params);
}
