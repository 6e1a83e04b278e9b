// layer_cases.c - the table. Widths are those of the models divided until a CPU driver
// computes the case in some ten milliseconds; experts, k and parameters are the models' own.
#include "layer_cases.h"

#define SHAPE(t, d, f, e, k) \
    .tokens = t, .layer.hidden = d, .layer.inner = f, .layer.experts = e, \
    .layer.experts_per_token = k

// Gates that many models share. Semantics.md A.1 lists who has which.
#define TOP_K .layer.router = { 0 } // softmax, top-k, as it is
#define TOP_K_NORM .layer.router = { .renormalize.mode = VKMOE_RENORMALIZE_SUM }
#define TOP_K_OF_LOGITS \
    .layer.router = { .score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SOFTMAX }
#define SIGMOID_NORM(factor) \
    .layer.router = { .score = VKMOE_SCORE_SIGMOID, \
        .renormalize.mode = VKMOE_RENORMALIZE_SUM, \
        .renormalize.epsilon = 1e-20f, \
        .scale = factor }
#define DEEPSEEK_V3 \
    .layer.router = { .score = VKMOE_SCORE_SIGMOID, \
        .renormalize.mode = VKMOE_RENORMALIZE_SUM, \
        .renormalize.epsilon = 1e-20f, \
        .scale = 2.5f, \
        .groups.count = 8, \
        .groups.kept = 4, \
        .groups.score = VKMOE_GROUP_SCORE_SUM_TOP_2 }
#define DEEPSEEK_V2 \
    .layer.router = { .scale = 16.0f, \
        .groups.count = 8, \
        .groups.kept = 3, \
        .groups.mode = VKMOE_GROUP_MODE_MASK_ZERO }
#define DEEPSEEK_V4 \
    .layer.router = { .score = VKMOE_SCORE_SQRT_SOFTPLUS, \
        .renormalize.mode = VKMOE_RENORMALIZE_SUM, \
        .renormalize.epsilon = 1e-20f, \
        .scale = 1.5f }
#define SPARSEMIXER(threshold) \
    .layer.router = { .score = VKMOE_SCORE_IDENTITY, \
        .select = VKMOE_SELECT_SPARSEMIXER, \
        .sparsemixer_threshold = threshold }
#define GEMMA4(epsilon) \
    .layer.router = { \
        .renormalize.mode = VKMOE_RENORMALIZE_SUM, .rms_norm = true, .rms_epsilon = epsilon \
    }
#define SUPPLIED_WEIGHTED .layer.router = { .select = VKMOE_SELECT_SUPPLIED_WEIGHTED }
#define SWITCH(limit) .layer.router = { .capacity = limit }
#define GSHARD(limit) \
    .layer.router = { .renormalize.mode = VKMOE_RENORMALIZE_MAX, \
        .renormalize.epsilon = 1.1920929e-7f, \
        .capacity = limit }
#define MOH(always_, routed) \
    .layer.router = { .renormalize.mode = VKMOE_RENORMALIZE_MAX, \
        .renormalize.epsilon = 1.1920929e-7f, \
        .scale = routed, \
        .always = always_ }
#define SWITCHHEAD(heads) \
    .layer.router = { \
        .score = VKMOE_SCORE_SIGMOID, .groups.count = heads, .groups.mode = VKMOE_GROUP_MODE_EACH \
    }

#define MIXTRAL(t) SHAPE(t, 64, 96, 8, 2), TOP_K_NORM
#define GPT_OSS(t, e) \
    SHAPE(t, 45, 45, e, 4), TOP_K_OF_LOGITS, .layer.activation = VKMOE_ACTIVATION_SWIGLU_OAI, \
                                             .expert_gain = 5.0, \
                                             .has = CASE_ROUTER_BIAS | CASE_EXPERT_BIASES
#define NEMOTRON(t) \
    SHAPE(t, 84, 58, 128, 6), SIGMOID_NORM(2.5f), \
        .layer.activation = VKMOE_ACTIVATION_RELU2, .layer.shared.inner = 116, \
        .has = CASE_CORRECTION_BIAS | CASE_UNGATED | CASE_SHARED_UNGATED

// A case a row.
// clang-format off
const struct layer_case layer_cases[] = {
    // ----------------------------------------------------- models, as they are published
    {"switch-base-8", SHAPE(64, 48, 192, 8, 1), SWITCH(8),
        .layer.activation = VKMOE_ACTIVATION_RELU,
        .has = CASE_UNGATED},
    {"switch-base-8-sequences", SHAPE(100, 48, 96, 8, 1), SWITCH(4), .sequence_tokens = 30,
        .layer.activation = VKMOE_ACTIVATION_RELU, .has = CASE_UNGATED, .dtype = VKMOE_DTYPE_BF16},
    {"switch-router-bias", SHAPE(33, 48, 96, 128, 1), SWITCH(2),
        .layer.activation = VKMOE_ACTIVATION_RELU,
        .has = CASE_UNGATED | CASE_ROUTER_BIAS},
    {"nllb-moe", SHAPE(33, 64, 128, 128, 2), GSHARD(0), .layer.router.scale = 0.8f,
        .layer.activation = VKMOE_ACTIVATION_RELU,
        .has = CASE_UNGATED | CASE_UP_BIAS | CASE_DOWN_BIAS},
    {"gshard-capacity", SHAPE(64, 32, 64, 8, 2), GSHARD(12),
        .layer.activation = VKMOE_ACTIVATION_RELU,
        .has = CASE_UNGATED | CASE_UP_BIAS | CASE_DOWN_BIAS},
    {"gshard-capacity-sequences", SHAPE(129, 32, 64, 8, 2), GSHARD(5), .sequence_tokens = 31,
        .layer.activation = VKMOE_ACTIVATION_RELU,
        .has = CASE_UNGATED | CASE_UP_BIAS | CASE_DOWN_BIAS},
    {"mixtral-decode", MIXTRAL(1)},
    {"mixtral-decode-f16", MIXTRAL(1), .dtype = VKMOE_DTYPE_F16},
    {"mixtral-decode-bf16", MIXTRAL(1), .dtype = VKMOE_DTYPE_BF16},
    {"mixtral-decode-q8-0", MIXTRAL(1), .dtype = VKMOE_DTYPE_Q8_0},
    {"mixtral-decode-q8-0-fast", MIXTRAL(1), .dtype = VKMOE_DTYPE_Q8_0,
        .layer.precision = VKMOE_PRECISION_FAST},
    {"mixtral-few-q8-0-fast", MIXTRAL(7), .dtype = VKMOE_DTYPE_Q8_0,
        .layer.precision = VKMOE_PRECISION_FAST},
    {"mixtral-prefill", MIXTRAL(160)},
    {"mixtral-prefill-f16", MIXTRAL(160), .dtype = VKMOE_DTYPE_F16},
    {"mixtral-prefill-bf16", MIXTRAL(160), .dtype = VKMOE_DTYPE_BF16},
    {"mixtral-prefill-q8-0", MIXTRAL(160), .dtype = VKMOE_DTYPE_Q8_0},
    {"mixtral-prefill-f16-fast", MIXTRAL(160), .dtype = VKMOE_DTYPE_F16,
        .layer.precision = VKMOE_PRECISION_FAST},
    {"mixtral-prefill-bf16-fast", MIXTRAL(160), .dtype = VKMOE_DTYPE_BF16,
        .layer.precision = VKMOE_PRECISION_FAST},
    {"mixtral-prefill-q8-0-fast", MIXTRAL(160), .dtype = VKMOE_DTYPE_Q8_0,
        .layer.precision = VKMOE_PRECISION_FAST},
    {"mixtral-tiny", SHAPE(40, 128, 256, 8, 2), TOP_K_NORM, .dtype = VKMOE_DTYPE_F16},
    {"qwen2-moe", SHAPE(17, 64, 44, 60, 4), TOP_K, .layer.shared.inner = 176,
        .has = CASE_SHARED_TOKEN_GATE, .dtype = VKMOE_DTYPE_BF16},
    {"qwen3-moe-decode", SHAPE(1, 64, 48, 128, 8), TOP_K_NORM, .dtype = VKMOE_DTYPE_BF16},
    {"qwen3-moe-prefill", SHAPE(96, 64, 48, 128, 8), TOP_K_NORM, .dtype = VKMOE_DTYPE_BF16},
    {"qwen3-next", SHAPE(33, 64, 32, 512, 10), TOP_K_NORM, .layer.shared.inner = 32,
        .has = CASE_SHARED_TOKEN_GATE},
    {"qwen3.5-moe", SHAPE(65, 64, 32, 256, 8), TOP_K_NORM, .layer.shared.inner = 32,
        .has = CASE_SHARED_TOKEN_GATE, .dtype = VKMOE_DTYPE_BF16, .layout = LAYOUT_FUSED},
    {"qwen3-vl-moe", SHAPE(20, 64, 48, 128, 8), TOP_K_NORM, .layout = LAYOUT_TRANSPOSED,
        .dtype = VKMOE_DTYPE_BF16},
    {"deepseek-v2-lite", SHAPE(33, 64, 88, 64, 6), TOP_K, .layer.shared.inner = 176},
    {"deepseek-v2", SHAPE(33, 80, 48, 160, 6), DEEPSEEK_V2, .layer.shared.inner = 96},
    {"deepseek-v3-decode", SHAPE(1, 112, 64, 256, 8), DEEPSEEK_V3, .layer.shared.inner = 64,
        .has = CASE_CORRECTION_BIAS},
    {"deepseek-v3-prefill", SHAPE(65, 112, 64, 256, 8), DEEPSEEK_V3, .layer.shared.inner = 64,
        .has = CASE_CORRECTION_BIAS, .dtype = VKMOE_DTYPE_BF16},
    {"deepseek-v3-negative", SHAPE(33, 56, 32, 256, 8), DEEPSEEK_V3, .layer.shared.inner = 32,
        .has = CASE_CORRECTION_BIAS | CASE_NEGATIVE_BIAS},
    {"deepseek-v3-zero-mask", SHAPE(33, 56, 32, 256, 8), DEEPSEEK_V3,
        .layer.router.groups.mode = VKMOE_GROUP_MODE_MASK_ZERO, .layer.shared.inner = 32,
        .has = CASE_CORRECTION_BIAS | CASE_NEGATIVE_BIAS},
    {"deepseek-v4", SHAPE(33, 64, 32, 256, 6), DEEPSEEK_V4,
        .layer.activation = VKMOE_ACTIVATION_SILU_CLAMP,
        .layer.shared.inner = 32, .has = CASE_CORRECTION_BIAS, .expert_gain = 7.0},
    {"deepseek-v4-hash", SHAPE(33, 64, 32, 256, 6), DEEPSEEK_V4,
        .layer.router.select = VKMOE_SELECT_SUPPLIED,
        .layer.activation = VKMOE_ACTIVATION_SILU_CLAMP,
        .layer.shared.inner = 32, .expert_gain = 7.0},
    {"kimi-k2", SHAPE(17, 112, 32, 384, 8), SIGMOID_NORM(2.827f), .layer.shared.inner = 32,
        .has = CASE_CORRECTION_BIAS},
    {"olmoe", SHAPE(64, 64, 32, 64, 8), TOP_K, .dtype = VKMOE_DTYPE_BF16},
    {"gpt-oss-20b-decode", GPT_OSS(1, 32), .dtype = VKMOE_DTYPE_BF16, .layout = LAYOUT_INTERLEAVED},
    {"gpt-oss-20b-prefill", GPT_OSS(96, 32), .dtype = VKMOE_DTYPE_BF16,
        .layout = LAYOUT_INTERLEAVED},
    {"gpt-oss-120b", GPT_OSS(33, 128), .vector_dtype = VKMOE_DTYPE_BF16},
    {"llama4-scout", SHAPE(33, 80, 128, 16, 1), .layer.weight_on_input = true,
        .layer.router = {.score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SIGMOID},
        .layer.shared.inner = 128, .dtype = VKMOE_DTYPE_BF16, .layout = LAYOUT_TRANSPOSED},
    {"llama4-maverick-decode", SHAPE(1, 80, 128, 128, 1), .layer.weight_on_input = true,
        .layer.router = {.score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SIGMOID},
        .layer.shared.inner = 128},
    {"phi-3.5-moe", SHAPE(65, 64, 100, 16, 2), SPARSEMIXER(0.02f)},
    {"phi-3.5-moe-decode", SHAPE(1, 64, 100, 16, 2), SPARSEMIXER(0.02f), .dtype = VKMOE_DTYPE_BF16},
    {"granite-3-1b", SHAPE(40, 64, 32, 32, 8), TOP_K_OF_LOGITS, .layout = LAYOUT_FUSED},
    {"granite-3-3b", SHAPE(9, 96, 32, 40, 8), TOP_K_OF_LOGITS, .layout = LAYOUT_FUSED},
    {"granite-4-small", SHAPE(33, 64, 24, 72, 10), TOP_K_OF_LOGITS, .layer.shared.inner = 48},
    {"dbrx", SHAPE(33, 96, 84, 16, 4), TOP_K_NORM},
    {"jamba-mini", SHAPE(33, 64, 112, 16, 2), TOP_K},
    {"grok-1", SHAPE(33, 96, 128, 8, 2), TOP_K, .layer.activation = VKMOE_ACTIVATION_GELU_TANH},
    {"grok-2", SHAPE(33, 96, 128, 8, 2), TOP_K, .layer.router.soft_cap = 30.0f,
        .layer.activation = VKMOE_ACTIVATION_GELU_TANH, .router_gain = 20.0},
    {"jetmoe", SHAPE(40, 128, 88, 8, 2), TOP_K_OF_LOGITS, .has = CASE_OUTPUT_BIAS,
        .layout = LAYOUT_FUSED},
    {"minimax-text-01", SHAPE(17, 96, 144, 32, 2), TOP_K_NORM},
    {"minimax-m2", SHAPE(33, 96, 48, 256, 8), SIGMOID_NORM(0.0f), .has = CASE_CORRECTION_BIAS},
    {"minimax-m3", SHAPE(33, 96, 48, 128, 4), SIGMOID_NORM(2.0f), .layer.shared.inner = 48,
        .layer.activation = VKMOE_ACTIVATION_SWIGLU_OAI, .has = CASE_CORRECTION_BIAS,
        .expert_gain = 5.0,
        .layout = LAYOUT_FUSED},
    {"ernie-4.5", SHAPE(33, 80, 48, 64, 6), .layer.shared.inner = 96,
        .layer.router = {.renormalize.mode = VKMOE_RENORMALIZE_MAX,
            .renormalize.epsilon = 1e-12f}, .has = CASE_CORRECTION_BIAS},
    {"hunyuan-a13b", SHAPE(33, 64, 48, 64, 8), TOP_K_NORM, .layer.shared.inner = 48},
    {"nemotron-3-nano-decode", NEMOTRON(1)},
    {"nemotron-3-nano-prefill", NEMOTRON(65), .dtype = VKMOE_DTYPE_BF16},
    {"gemma-4", SHAPE(33, 88, 22, 128, 8), GEMMA4(1e-6f),
        .layer.activation = VKMOE_ACTIVATION_GELU_TANH,
        .has = CASE_INPUT_SCALE | CASE_EXPERT_SCALE | CASE_ROUTER_X, .layout = LAYOUT_FUSED},
    {"gemma-4-decode", SHAPE(1, 88, 22, 128, 8), GEMMA4(1e-6f),
        .layer.activation = VKMOE_ACTIVATION_GELU_TANH,
        .has = CASE_INPUT_SCALE | CASE_EXPERT_SCALE | CASE_ROUTER_X, .dtype = VKMOE_DTYPE_BF16,
        .vector_dtype = VKMOE_DTYPE_BF16},
    {"lfm2-8b-a1b", SHAPE(33, 64, 56, 32, 4), .has = CASE_CORRECTION_BIAS,
        .layer.router = {.score = VKMOE_SCORE_SIGMOID, .renormalize.mode = VKMOE_RENORMALIZE_SUM,
            .renormalize.epsilon = 1e-6f}},
    {"longcat-flash", SHAPE(17, 96, 32, 512, 12), .layer.router = {.scale = 6.0f},
        .has = CASE_CORRECTION_BIAS},
    {"mistral-small-4", SHAPE(33, 64, 32, 128, 4), TOP_K_NORM, .layer.router.groups.count = 1,
        .layer.router.groups.score = VKMOE_GROUP_SCORE_SUM_TOP_2, .layer.shared.inner = 32},
    {"laguna", SHAPE(33, 64, 16, 256, 8), SIGMOID_NORM(0.0f), .layer.router.soft_cap = 5.0f,
        .layer.shared.inner = 16, .has = CASE_CORRECTION_BIAS, .router_gain = 6.0},
    {"cohere2-moe", SHAPE(33, 64, 48, 64, 8), .layer.shared.inner = 96,
        .layer.router = {.score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SIGMOID,
            .renormalize.mode = VKMOE_RENORMALIZE_SUM}},
    {"step-3.5", SHAPE(33, 64, 48, 64, 8), SIGMOID_NORM(3.0f), .layer.shared.inner = 48,
        .layer.activation = VKMOE_ACTIVATION_SWIGLU_STEP, .has = CASE_CORRECTION_BIAS,
        .expert_gain = 6.0},
    {"moh", SHAPE(33, 64, 16, 32, 24), MOH(16, 8.0f), .layer.activation = VKMOE_ACTIVATION_IDENTITY,
        .has = CASE_UNGATED | CASE_LEVELS},
    {"moh-decode", SHAPE(1, 64, 16, 32, 24), MOH(16, 8.0f),
        .layer.activation = VKMOE_ACTIVATION_IDENTITY,
        .has = CASE_UNGATED | CASE_LEVELS, .dtype = VKMOE_DTYPE_BF16},
    {"switchhead", SHAPE(33, 64, 14, 16, 8), SWITCHHEAD(4),
        .layer.activation = VKMOE_ACTIVATION_IDENTITY,
        .has = CASE_UNGATED},
    {"switchhead-decode", SHAPE(1, 64, 14, 16, 8), SWITCHHEAD(4),
        .layer.activation = VKMOE_ACTIVATION_IDENTITY, .has = CASE_UNGATED,
        .dtype = VKMOE_DTYPE_F16},
    {"switchhead-16-heads", SHAPE(33, 48, 16, 80, 32), SWITCHHEAD(16),
        .layer.activation = VKMOE_ACTIVATION_IDENTITY, .has = CASE_UNGATED | CASE_CORRECTION_BIAS},

    // --------------------------------------------------- gates that no model has like this
    {"sigmoid-plain", SHAPE(19, 40, 24, 12, 3), .layer.router = {.score = VKMOE_SCORE_SIGMOID}},
    {"sigmoid-weigh-softmax", SHAPE(19, 40, 24, 12, 3),
        .layer.router = {.score = VKMOE_SCORE_SIGMOID, .weigh = VKMOE_WEIGH_SOFTMAX}},
    {"softmax-weigh-sigmoid", SHAPE(19, 40, 24, 12, 3),
        .layer.router = {.weigh = VKMOE_WEIGH_SIGMOID}, .has = CASE_EXPERT_SCALE},
    {"softmax-weigh-softmax", SHAPE(19, 40, 24, 12, 3),
        .layer.router = {.weigh = VKMOE_WEIGH_SOFTMAX, .scale = -0.5f}},
    {"identity-weigh-score", SHAPE(19, 40, 24, 12, 3),
        .layer.router = {.score = VKMOE_SCORE_IDENTITY}},
    {"softplus-plain", SHAPE(19, 40, 24, 12, 3), .router_gain = 12.0,
        .layer.router = {.score = VKMOE_SCORE_SQRT_SOFTPLUS}},
    {"renormalize-epsilon-large", SHAPE(19, 40, 24, 12, 3),
        .layer.router = {.renormalize.mode = VKMOE_RENORMALIZE_SUM, .renormalize.epsilon = 0.5f}},
    {"renormalize-max-binds", SHAPE(19, 40, 24, 12, 3), .router_gain = 1.0,
        .layer.router = {.renormalize.mode = VKMOE_RENORMALIZE_MAX,
            .renormalize.epsilon = 0.6f}},
    {"groups-max-minus-infinity", SHAPE(33, 40, 24, 60, 4),
        .layer.router = {.groups.count = 12, .groups.kept = 2}},
    {"groups-of-one", SHAPE(33, 40, 24, 16, 2),
        .layer.router = {.groups.count = 16, .groups.kept = 3,
        .groups.score = VKMOE_GROUP_SCORE_SUM_TOP_2}},
    {"groups-of-two-kept-one", SHAPE(33, 40, 24, 16, 2),
        .layer.router = {.score = VKMOE_SCORE_SIGMOID, .groups.count = 8, .groups.kept = 1,
            .groups.score = VKMOE_GROUP_SCORE_SUM_TOP_2}},
    {"groups-all-kept", SHAPE(33, 40, 24, 16, 5),
        .layer.router = {.groups.count = 4, .groups.kept = 4}},
    {"groups-1024", SHAPE(9, 24, 8, 1024, 16), .has = CASE_CORRECTION_BIAS,
        .layer.router = {.score = VKMOE_SCORE_SIGMOID,
            .renormalize.mode = VKMOE_RENORMALIZE_SUM, .groups.count = 32,
            .groups.kept = 4, .groups.score = VKMOE_GROUP_SCORE_SUM_TOP_2}},
    {"groups-tied", SHAPE(9, 40, 24, 32, 4), DEEPSEEK_V3, .has = CASE_TIED},
    {"sparsemixer-k1", SHAPE(19, 40, 24, 16, 1), SPARSEMIXER(0.02f)},
    {"sparsemixer-wide", SHAPE(33, 40, 24, 16, 2), SPARSEMIXER(0.5f),
        .has = CASE_ROUTER_BIAS},
    {"sparsemixer-tied", SHAPE(9, 40, 24, 16, 2), SPARSEMIXER(0.02f), .has = CASE_TIED},
    {"softcap-tight", SHAPE(19, 40, 24, 12, 3), TOP_K_NORM, .layer.router.soft_cap = 0.5f},
    {"softcap-far", SHAPE(19, 40, 24, 12, 3), TOP_K_OF_LOGITS, .layer.router.soft_cap = 50.0f},
    {"rms-norm-own-x", SHAPE(19, 40, 24, 12, 3), GEMMA4(0.3f)},
    {"input-scale-only", SHAPE(19, 40, 24, 12, 3), TOP_K_NORM, .has = CASE_INPUT_SCALE,
        .vector_dtype = VKMOE_DTYPE_F16},
    {"always-without-levels", SHAPE(19, 40, 24, 12, 3), .layer.router = {.always = 2}},
    {"always-all-of-all", SHAPE(9, 40, 24, 12, 12), MOH(11, 1.0f), .has = CASE_LEVELS},
    {"always-1023", SHAPE(3, 24, 8, 1023, 1023), MOH(1, 1022.0f), .has = CASE_LEVELS},
    {"always-tied", SHAPE(9, 40, 24, 60, 7), MOH(3, 4.0f), .has = CASE_LEVELS | CASE_TIED},
    {"always-twins", SHAPE(33, 40, 24, 60, 7), MOH(3, 4.0f), .has = CASE_LEVELS | CASE_TWINS},
    {"always-everything-else", SHAPE(33, 44, 24, 20, 6), .layer.shared.inner = 18,
        .layer.router = {.score = VKMOE_SCORE_SIGMOID, .weigh = VKMOE_WEIGH_SOFTMAX,
            .scale = 0.5f, .soft_cap = 3.0f, .rms_norm = true, .rms_epsilon = 0.1f, .always = 2},
        .has = CASE_LEVELS | CASE_ROUTER_BIAS | CASE_CORRECTION_BIAS | CASE_INPUT_SCALE |
            CASE_EXPERT_SCALE | CASE_ROUTER_X | CASE_SHARED_TOKEN_GATE | CASE_MISALIGNED},
    {"always-everything-else-decode", SHAPE(2, 44, 24, 20, 6), .layer.shared.inner = 18,
        .layer.router = {.rms_norm = true, .rms_epsilon = 0.1f, .always = 5},
        .has = CASE_LEVELS | CASE_EXPERT_SCALE | CASE_SHARED_TOKEN_GATE},
    {"each-group-of-one", SHAPE(9, 40, 24, 12, 12), SWITCHHEAD(12)},
    {"each-group-of-all", SHAPE(9, 40, 24, 12, 3), SWITCHHEAD(1)},
    {"each-group-1023-of-1023", SHAPE(3, 24, 8, 1023, 1023), SWITCHHEAD(3)},
    {"each-group-tied", SHAPE(9, 40, 24, 60, 12), SWITCHHEAD(6), .has = CASE_TIED},
    {"each-group-twins", SHAPE(33, 40, 24, 66, 12), SWITCHHEAD(6), .has = CASE_TWINS},
    {"each-group-and-more", SHAPE(33, 40, 24, 21, 6), .layer.shared.inner = 18,
        .layer.router = {.score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SIGMOID, .scale = 0.5f,
            .soft_cap = 3.0f, .groups.count = 3, .groups.kept = 77,
            .groups.mode = VKMOE_GROUP_MODE_EACH},
        .has = CASE_ROUTER_BIAS | CASE_CORRECTION_BIAS | CASE_EXPERT_SCALE |
            CASE_SHARED_TOKEN_GATE},
    {"supplied-ids", SHAPE(33, 40, 24, 12, 3), TOP_K_NORM,
        .layer.router.select = VKMOE_SELECT_SUPPLIED},
    {"supplied-ids-wild", SHAPE(33, 40, 24, 12, 3), TOP_K,
        .layer.router.select = VKMOE_SELECT_SUPPLIED, .has = CASE_WILD_IDS},
    {"supplied-weighted", SHAPE(33, 40, 24, 12, 3), SUPPLIED_WEIGHTED},
    {"supplied-weighted-decode", SHAPE(1, 40, 24, 12, 3), SUPPLIED_WEIGHTED,
        .dtype = VKMOE_DTYPE_F16},
    {"supplied-weighted-dropped", SHAPE(70, 40, 24, 12, 3), SUPPLIED_WEIGHTED,
        .has = CASE_DROPPED | CASE_WILD_IDS | CASE_EXPERT_BIASES | CASE_MISALIGNED},
    {"supplied-weighted-dropped-decode", SHAPE(3, 40, 24, 12, 3), SUPPLIED_WEIGHTED,
        .has = CASE_DROPPED | CASE_WILD_IDS | CASE_EXPERT_BIASES},
    {"supplied-weighted-on-input", SHAPE(33, 40, 24, 12, 3), SUPPLIED_WEIGHTED,
        .layer.weight_on_input = true, .has = CASE_DROPPED | CASE_EXPERT_BIASES},
    {"capacity-one", SHAPE(64, 24, 24, 4, 2), SWITCH(1), .has = CASE_EXPERT_BIASES},
    {"capacity-one-decode", SHAPE(3, 24, 24, 4, 2), SWITCH(1), .has = CASE_HOT},
    {"capacity-hot", SHAPE(300, 24, 24, 8, 2), SWITCH(100), .has = CASE_HOT},
    {"capacity-sequences-of-one", SHAPE(33, 24, 24, 8, 3), SWITCH(1), .sequence_tokens = 1},
    {"capacity-unmet", SHAPE(33, 24, 24, 8, 3), SWITCH(4000000000u), .sequence_tokens = 7},
    {"capacity-input-weighted", SHAPE(64, 24, 24, 4, 2), SWITCH(9), .sequence_tokens = 20,
        .layer.weight_on_input = true, .has = CASE_EXPERT_BIASES | CASE_OUTPUT_BIAS},
    {"capacity-long", SHAPE(3000, 8, 8, 16, 2), GSHARD(300), .sequence_tokens = 2500},
    {"tied", SHAPE(9, 40, 24, 60, 7), TOP_K_NORM, .has = CASE_TIED},
    {"tied-1024", SHAPE(3, 16, 8, 1024, 32), TOP_K, .has = CASE_TIED},
    {"tied-prefill", SHAPE(129, 16, 24, 128, 4), TOP_K_OF_LOGITS, .has = CASE_TIED},
    {"twins", SHAPE(33, 40, 24, 60, 7), TOP_K_NORM, .has = CASE_TWINS},
    {"twins-sigmoid", SHAPE(33, 40, 24, 128, 5), SIGMOID_NORM(1.0f), .has = CASE_TWINS},
    {"twins-sparsemixer", SHAPE(33, 40, 24, 16, 2), SPARSEMIXER(0.02f), .has = CASE_TWINS},
    {"hot", SHAPE(300, 40, 24, 60, 1), TOP_K_NORM, .has = CASE_HOT},
    {"hot-and-another", SHAPE(300, 40, 24, 60, 2), TOP_K, .has = CASE_HOT},
    {"hot-k1-f16", SHAPE(129, 64, 64, 8, 1), TOP_K, .has = CASE_HOT, .dtype = VKMOE_DTYPE_F16},
    {"cold", SHAPE(129, 40, 24, 64, 4), TOP_K_NORM, .has = CASE_COLD},
    {"hot-and-cold", SHAPE(300, 40, 24, 8, 2), TOP_K_NORM, .has = CASE_HOT | CASE_COLD},

    // ------------------------------------------------------------- activations and biases
#define PLAIN(t) SHAPE(t, 40, 36, 6, 2), TOP_K_NORM, .expert_gain = 3.0
    {"silu-ungated", PLAIN(21), .has = CASE_UNGATED | CASE_UP_BIAS},
    {"gelu-tanh-ungated", PLAIN(21), .layer.activation = VKMOE_ACTIVATION_GELU_TANH,
        .has = CASE_UNGATED | CASE_DOWN_BIAS},
    {"gelu-erf", PLAIN(21), .layer.activation = VKMOE_ACTIVATION_GELU_ERF, .has = CASE_GATE_BIAS},
    {"gelu-erf-ungated", PLAIN(21), .layer.activation = VKMOE_ACTIVATION_GELU_ERF,
        .has = CASE_UNGATED},
    {"gelu-erf-decode", PLAIN(1), .layer.activation = VKMOE_ACTIVATION_GELU_ERF,
        .has = CASE_UP_BIAS},
    {"relu-gated", PLAIN(21), .layer.activation = VKMOE_ACTIVATION_RELU, .has = CASE_EXPERT_BIASES},
    {"relu2-gated", PLAIN(21), .layer.activation = VKMOE_ACTIVATION_RELU2},
    {"relu2-ungated-decode", PLAIN(1), .layer.activation = VKMOE_ACTIVATION_RELU2,
        .has = CASE_UNGATED},
    {"identity-gated", PLAIN(21), .layer.activation = VKMOE_ACTIVATION_IDENTITY},
    {"identity-ungated", PLAIN(21), .layer.activation = VKMOE_ACTIVATION_IDENTITY,
        .has = CASE_UNGATED | CASE_UP_BIAS | CASE_DOWN_BIAS},
    {"oai-other-numbers", PLAIN(21), .layer.activation = VKMOE_ACTIVATION_SWIGLU_OAI,
        .layer.activation_alpha = 0.5f, .layer.activation_limit = 1.5f},
    {"silu-clamp-other-limit", PLAIN(21), .layer.activation = VKMOE_ACTIVATION_SILU_CLAMP,
        .layer.activation_limit = 1.5f},
    {"step-other-limit", PLAIN(21), .layer.activation = VKMOE_ACTIVATION_SWIGLU_STEP,
        .layer.activation_limit = 1.5f, .has = CASE_EXPERT_BIASES},
    {"silu-far-out", SHAPE(21, 40, 36, 6, 2), TOP_K_NORM, .expert_gain = 60.0},
    {"gelu-tanh-far-out", SHAPE(21, 40, 36, 6, 2), TOP_K_NORM, .expert_gain = 60.0,
        .layer.activation = VKMOE_ACTIVATION_GELU_TANH},
    {"biases-of-f16", PLAIN(21), .has = CASE_EXPERT_BIASES | CASE_OUTPUT_BIAS | CASE_ROUTER_BIAS,
        .vector_dtype = VKMOE_DTYPE_F16},
    {"biases-of-bf16-beside-f16", PLAIN(3), .has = CASE_EXPERT_BIASES | CASE_OUTPUT_BIAS,
        .dtype = VKMOE_DTYPE_F16, .vector_dtype = VKMOE_DTYPE_BF16},
    {"input-weighted-k3", SHAPE(21, 40, 36, 6, 3), TOP_K, .layer.weight_on_input = true,
        .has = CASE_EXPERT_BIASES},
    {"input-weighted-decode", SHAPE(1, 40, 36, 6, 3), TOP_K, .layer.weight_on_input = true,
        .has = CASE_EXPERT_BIASES, .dtype = VKMOE_DTYPE_F16},
    {"shared-narrow", PLAIN(21), .layer.shared.inner = 1},
    {"shared-wider-than-all", PLAIN(21), .layer.shared.inner = 333,
        .has = CASE_SHARED_TOKEN_GATE | CASE_OUTPUT_BIAS},
    {"shared-decode", PLAIN(1), .layer.shared.inner = 333, .has = CASE_SHARED_TOKEN_GATE},
    {"shared-ungated-beside-gated", PLAIN(21), .layer.shared.inner = 50,
        .has = CASE_SHARED_UNGATED | CASE_SHARED_TOKEN_GATE},
    {"shared-gated-beside-ungated", PLAIN(21), .layer.shared.inner = 50, .has = CASE_UNGATED},
    {"shared-input-weighted", PLAIN(33), .layer.shared.inner = 50, .layer.weight_on_input = true,
        .dtype = VKMOE_DTYPE_F16},
    // The token gate sees x, whatever the router makes of it.
    {"shared-token-gate-scaled-input", SHAPE(21, 40, 36, 6, 2), GEMMA4(1e-6f),
        .layer.shared.inner = 50,
        .has = CASE_SHARED_TOKEN_GATE | CASE_INPUT_SCALE | CASE_ROUTER_BIAS},
    {"shared-token-gate-supplied", PLAIN(21), .layer.shared.inner = 50, .dtype = VKMOE_DTYPE_F16,
        .layer.router.select = VKMOE_SELECT_SUPPLIED, .has = CASE_SHARED_TOKEN_GATE},
    // Up and down are two sets of experts, each with a format of its own.
    {"q8-0-shared", SHAPE(40, 96, 64, 6, 2), TOP_K_NORM, .layer.shared.inner = 160,
        .has = CASE_EXPERT_BIASES | CASE_SHARED_TOKEN_GATE, .dtype = VKMOE_DTYPE_Q8_0},
    {"q8-0-shared-decode", SHAPE(2, 96, 64, 6, 2), TOP_K_NORM, .layer.shared.inner = 160,
        .has = CASE_EXPERT_BIASES | CASE_SHARED_TOKEN_GATE, .dtype = VKMOE_DTYPE_Q8_0},
    {"q8-0-unaligned", SHAPE(9, 32, 32, 5, 2), TOP_K, .layout = LAYOUT_UNALIGNED,
        .dtype = VKMOE_DTYPE_Q8_0},
    {"q8-0-fused", SHAPE(21, 64, 288, 4, 2), TOP_K, .layout = LAYOUT_FUSED,
        .dtype = VKMOE_DTYPE_Q8_0},
    {"q8-0-vectors", SHAPE(9, 64, 96, 32, 2), TOP_K,
        .has = CASE_EXPERT_BIASES | CASE_OUTPUT_BIAS | CASE_ROUTER_BIAS | CASE_EXPERT_SCALE,
        .dtype = VKMOE_DTYPE_Q8_0, .vector_dtype = VKMOE_DTYPE_Q8_0},
    {"q8-0-down-f16", SHAPE(33, 64, 44, 6, 2), TOP_K, .has = CASE_OTHER_DOWN,
        .dtype = VKMOE_DTYPE_Q8_0, .down_dtype = VKMOE_DTYPE_F16},
    {"q8-0-down-of-f32", SHAPE(33, 45, 64, 6, 2), TOP_K, .has = CASE_OTHER_DOWN,
        .dtype = VKMOE_DTYPE_F32, .down_dtype = VKMOE_DTYPE_Q8_0},
    {"down-bf16-of-f16", PLAIN(40), .layer.shared.inner = 50, .dtype = VKMOE_DTYPE_F16,
        .has = CASE_OTHER_DOWN | CASE_EXPERT_BIASES, .down_dtype = VKMOE_DTYPE_BF16},
    {"down-bf16-of-f16-decode", PLAIN(3), .layer.shared.inner = 50, .dtype = VKMOE_DTYPE_F16,
        .has = CASE_OTHER_DOWN | CASE_SHARED_TOKEN_GATE, .down_dtype = VKMOE_DTYPE_BF16},
    {"down-f32-of-bf16", PLAIN(100), .layer.shared.inner = 50, .dtype = VKMOE_DTYPE_BF16,
        .has = CASE_OTHER_DOWN, .down_dtype = VKMOE_DTYPE_F32},
    {"down-f16-of-f32", PLAIN(100), .layer.shared.inner = 50, .layout = LAYOUT_TRANSPOSED,
        .has = CASE_OTHER_DOWN, .down_dtype = VKMOE_DTYPE_F16},
    {"down-f16-of-f32-decode", PLAIN(1), .has = CASE_OTHER_DOWN | CASE_EXPERT_BIASES,
        .down_dtype = VKMOE_DTYPE_F16},
    {"router-x", PLAIN(21), .has = CASE_ROUTER_X},
    {"router-x-decode-misaligned", PLAIN(1), .has = CASE_ROUTER_X | CASE_MISALIGNED},
    {"router-hidden-wider", PLAIN(21), .layer.router_hidden = 100, .has = CASE_ROUTER_X},
    {"router-hidden-narrower", PLAIN(21), .layer.router_hidden = 7, .layer.shared.inner = 50,
        .has = CASE_ROUTER_X | CASE_INPUT_SCALE, .layout = LAYOUT_TRANSPOSED},
    {"router-hidden-decode", PLAIN(1), .layer.router_hidden = 64, .dtype = VKMOE_DTYPE_BF16,
        .has = CASE_ROUTER_X | CASE_MISALIGNED},
    {"router-hidden-and-levels", SHAPE(33, 40, 36, 12, 5), .layer.router_hidden = 72,
        .layer.router = {.rms_norm = true, .rms_epsilon = 0.1f, .always = 2},
        .has = CASE_ROUTER_X | CASE_INPUT_SCALE | CASE_LEVELS},
    {"router-hidden-1", PLAIN(9), .layer.router_hidden = 1, .has = CASE_ROUTER_X},
    {"router-hidden-65536", SHAPE(2, 16, 8, 3, 2), TOP_K, .layer.router_hidden = 65536,
        .has = CASE_ROUTER_X, .dtype = VKMOE_DTYPE_F16},
    {"router-hidden-as-hidden", PLAIN(21), .layer.router_hidden = 40, .layer.shared.inner = 50,
        .has = CASE_SHARED_TOKEN_GATE},

    // -------------------------------------------------------------- numbers of every kind
    {"tokens-0", MIXTRAL(0)},
    {"tokens-2", MIXTRAL(2)},
    {"tokens-3-f16", MIXTRAL(3), .dtype = VKMOE_DTYPE_F16},
    {"tokens-7", MIXTRAL(7), .has = CASE_MISALIGNED},
    {"tokens-8-bf16", MIXTRAL(8), .dtype = VKMOE_DTYPE_BF16},
    {"tokens-9", MIXTRAL(9)},
    {"tokens-31-f16", MIXTRAL(31), .dtype = VKMOE_DTYPE_F16, .has = CASE_MISALIGNED},
    {"tokens-32", MIXTRAL(32)},
    {"tokens-33-bf16", MIXTRAL(33), .dtype = VKMOE_DTYPE_BF16},
    {"tokens-64", MIXTRAL(64), .has = CASE_MISALIGNED},
    {"tokens-129-f16", MIXTRAL(129), .dtype = VKMOE_DTYPE_F16},
    {"tokens-300", MIXTRAL(300), .has = CASE_MISALIGNED},
    {"experts-1", SHAPE(33, 40, 24, 1, 1), TOP_K},
    {"experts-1-decode", SHAPE(1, 40, 24, 1, 1), TOP_K_NORM},
    {"experts-1-hundreds", SHAPE(300, 64, 64, 1, 1), TOP_K, .dtype = VKMOE_DTYPE_F16},
    {"experts-2-of-2", SHAPE(33, 40, 24, 2, 2), TOP_K},
    {"experts-3", SHAPE(33, 40, 24, 3, 2), TOP_K, .dtype = VKMOE_DTYPE_BF16},
    {"experts-8-of-8", SHAPE(33, 40, 24, 8, 8), TOP_K},
    {"experts-8-of-8-decode", SHAPE(1, 40, 24, 8, 8), TOP_K_OF_LOGITS},
    {"experts-60-of-60", SHAPE(9, 40, 24, 60, 60), TOP_K},
    {"experts-128-of-128", SHAPE(3, 24, 8, 128, 128), SIGMOID_NORM(1.0f)},
    {"experts-1024-of-1024", SHAPE(2, 8, 4, 1024, 1024), TOP_K},
    {"experts-1024", SHAPE(33, 16, 12, 1024, 22), TOP_K_NORM, .dtype = VKMOE_DTYPE_F16},
    {"experts-1024-decode", SHAPE(1, 33, 33, 1024, 8), SIGMOID_NORM(1.0f),
        .has = CASE_CORRECTION_BIAS},
    {"experts-1000", SHAPE(17, 16, 12, 1000, 5), TOP_K_OF_LOGITS},
    {"experts-257", SHAPE(17, 16, 12, 257, 5), TOP_K, .has = CASE_MISALIGNED},
    {"wide-1", SHAPE(33, 1, 1, 8, 2), TOP_K},
    {"wide-1-f16", SHAPE(3, 1, 1, 8, 2), TOP_K, .dtype = VKMOE_DTYPE_F16, .layer.shared.inner = 1},
    {"hidden-1", SHAPE(9, 1, 64, 8, 2), TOP_K, .dtype = VKMOE_DTYPE_BF16},
    {"inner-1", SHAPE(9, 64, 1, 8, 2), TOP_K, .dtype = VKMOE_DTYPE_F16},
    {"inner-1-decode", SHAPE(1, 33, 1, 8, 2), TOP_K, .dtype = VKMOE_DTYPE_F16},
    {"wide-2-3", SHAPE(9, 2, 3, 8, 2), TOP_K, .dtype = VKMOE_DTYPE_F16},
    {"wide-33", SHAPE(35, 33, 33, 8, 2), TOP_K},
    {"wide-33-f16", SHAPE(35, 33, 33, 8, 2), TOP_K, .dtype = VKMOE_DTYPE_F16},
    {"wide-33-bf16-decode", SHAPE(1, 33, 33, 8, 2), TOP_K, .dtype = VKMOE_DTYPE_BF16},
    {"wide-33-misaligned", SHAPE(35, 33, 33, 8, 2), TOP_K, .has = CASE_MISALIGNED},
    {"wide-primes", SHAPE(37, 127, 101, 7, 3), TOP_K},
    {"wide-primes-f16", SHAPE(37, 127, 101, 7, 3), TOP_K, .dtype = VKMOE_DTYPE_F16,
        .layer.shared.inner = 211},
    {"wide-primes-bf16-decode", SHAPE(2, 127, 101, 7, 3), TOP_K, .dtype = VKMOE_DTYPE_BF16,
        .layer.shared.inner = 211},
    {"wide-64-by-128", SHAPE(65, 64, 128, 8, 2), TOP_K},
    {"wide-128-by-64-f16", SHAPE(65, 128, 64, 8, 2), TOP_K, .dtype = VKMOE_DTYPE_F16},
    {"wide-130-by-66", SHAPE(33, 130, 66, 8, 2), TOP_K, .dtype = VKMOE_DTYPE_F16},
    {"wide-704", SHAPE(5, 704, 704, 3, 2), TOP_K, .dtype = VKMOE_DTYPE_F16},
    {"wide-704-decode", SHAPE(1, 704, 704, 3, 2), TOP_K},
    {"hidden-2880", SHAPE(8, 2880, 64, 8, 2), TOP_K_OF_LOGITS, .dtype = VKMOE_DTYPE_BF16},
    {"inner-2880", SHAPE(8, 64, 2880, 8, 2), TOP_K_OF_LOGITS, .dtype = VKMOE_DTYPE_F16},
    {"hidden-2880-decode", SHAPE(1, 2880, 720, 2, 1), TOP_K_OF_LOGITS},
    {"hidden-65536", SHAPE(2, 65536, 2, 2, 1), TOP_K, .dtype = VKMOE_DTYPE_F16},
    {"inner-65536", SHAPE(2, 2, 65536, 2, 1), TOP_K, .dtype = VKMOE_DTYPE_F16},

    // --------------------------------------------------------------------- memory layouts
    {"layout-fused-f16", SHAPE(9, 33, 27, 4, 2), TOP_K, .dtype = VKMOE_DTYPE_F16,
        .layout = LAYOUT_FUSED},
    {"layout-transposed", SHAPE(9, 33, 27, 4, 2), TOP_K, .layout = LAYOUT_TRANSPOSED},
    {"layout-transposed-ungated-f16", SHAPE(9, 33, 27, 4, 2), TOP_K, .dtype = VKMOE_DTYPE_F16,
        .layout = LAYOUT_TRANSPOSED, .has = CASE_UNGATED},
    {"layout-interleaved-f16", SHAPE(9, 33, 27, 4, 2), TOP_K, .dtype = VKMOE_DTYPE_F16,
        .layout = LAYOUT_INTERLEAVED},
    {"layout-unaligned", SHAPE(9, 33, 27, 4, 2), TOP_K, .layout = LAYOUT_UNALIGNED,
        .layer.shared.inner = 19, .has = CASE_EXPERT_BIASES | CASE_SHARED_TOKEN_GATE},
    {"layout-unaligned-bf16", SHAPE(9, 34, 26, 4, 2), TOP_K, .dtype = VKMOE_DTYPE_BF16,
        .layout = LAYOUT_UNALIGNED, .vector_dtype = VKMOE_DTYPE_F16,
        .has = CASE_EXPERT_BIASES | CASE_OUTPUT_BIAS},

    // ------------------------------------------------------------------------------- slow
    // More workgroups than 65535 in one dimension, if a workgroup does a token or a row.
    {"tokens-65536", SHAPE(65536, 4, 4, 2, 1), TOP_K, .has = CASE_SLOW},
    {"tokens-65536-k2", SHAPE(65536, 4, 4, 2, 2), TOP_K, .has = CASE_SLOW},
    {"tokens-65535-k3", SHAPE(65535, 4, 4, 5, 3), TOP_K, .has = CASE_SLOW,
        .dtype = VKMOE_DTYPE_F16},
    {"tokens-65536-capacity", SHAPE(65536, 4, 4, 8, 3), GSHARD(3000), .sequence_tokens = 10000,
        .has = CASE_SLOW},
    {"tokens-65536-shared", SHAPE(65536, 4, 4, 3, 1), TOP_K, .layer.shared.inner = 9,
        .has = CASE_SLOW | CASE_SHARED_TOKEN_GATE},

    {"tokens-65536-router-hidden", SHAPE(65536, 4, 4, 5, 3), TOP_K, .layer.router_hidden = 6,
        .has = CASE_SLOW | CASE_ROUTER_X},

    // ------------------------------------------------------------------------------ timed
    // Semantics.md E, the small ones. tests/layer leaves them out.
#define TIMED(name, dtype_, ...) {name, __VA_ARGS__, .dtype = dtype_, .has = CASE_TIMED}
#define FLOOR_BLOCK(t) SHAPE(t, 1024, 512, 16, 4), TOP_K_NORM
    TIMED("floor-block-t1-f32", VKMOE_DTYPE_F32, FLOOR_BLOCK(1)),
    TIMED("floor-block-t32-f32", VKMOE_DTYPE_F32, FLOOR_BLOCK(32)),
    TIMED("floor-block-t128-f32", VKMOE_DTYPE_F32, FLOOR_BLOCK(128)),
    TIMED("floor-block-t1-f16", VKMOE_DTYPE_F16, FLOOR_BLOCK(1)),
    TIMED("floor-block-t32-f16", VKMOE_DTYPE_F16, FLOOR_BLOCK(32)),
    TIMED("floor-block-t128-f16", VKMOE_DTYPE_F16, FLOOR_BLOCK(128)),
#define GRANITE(t) SHAPE(t, 1024, 512, 32, 8), TOP_K_OF_LOGITS
    TIMED("granite-1b-a400m-t1-f16", VKMOE_DTYPE_F16, GRANITE(1)),
    TIMED("granite-1b-a400m-t8-f16", VKMOE_DTYPE_F16, GRANITE(8)),
    TIMED("granite-1b-a400m-t128-f16", VKMOE_DTYPE_F16, GRANITE(128)),
    TIMED("granite-1b-a400m-t512-f16", VKMOE_DTYPE_F16, GRANITE(512)),
#define TIMED_UNGATED(name, dtype_, ...) \
    {name, __VA_ARGS__, TOP_K, .dtype = dtype_, .layer.activation = VKMOE_ACTIVATION_RELU, \
        .has = CASE_TIMED | CASE_UNGATED}
    TIMED_UNGATED("switch-base-8-t1-f32", VKMOE_DTYPE_F32, SHAPE(1, 768, 3072, 8, 1)),
    TIMED_UNGATED("switch-base-8-t128-f32", VKMOE_DTYPE_F32, SHAPE(128, 768, 3072, 8, 1)),
    TIMED_UNGATED("switch-base-8-t512-f16", VKMOE_DTYPE_F16, SHAPE(512, 768, 3072, 8, 1)),
    TIMED("game-256-t1-f16", VKMOE_DTYPE_F16, SHAPE(1, 256, 512, 8, 2), TOP_K_NORM),
    TIMED("game-256-t64-f16", VKMOE_DTYPE_F16, SHAPE(64, 256, 512, 8, 2), TOP_K_NORM),
    TIMED("game-256-t512-f16", VKMOE_DTYPE_F16, SHAPE(512, 256, 512, 8, 2), TOP_K_NORM),
    TIMED_UNGATED("game-64-t1-f32", VKMOE_DTYPE_F32, SHAPE(1, 64, 128, 4, 1)),
    TIMED_UNGATED("game-64-t512-f32", VKMOE_DTYPE_F32, SHAPE(512, 64, 128, 4, 1)),
    TIMED_UNGATED("game-64-t8192-f32", VKMOE_DTYPE_F32, SHAPE(8192, 64, 128, 4, 1)),
    {0},
};
// clang-format on
