// whole_families.c - see whole_families.h.
#include "whole_families.h"

const double whole_short_factor[] = { 1.0, 1.25, 1.5, 1.0625, 2.0, 3.0 };
const double whole_long_factor[] = { 1.5, 2.0, 4.0, 8.0, 16.0, 40.0 };
static const uint32_t jetmoe_windows[] = { 4, 0, 1, 7, 0, 16 };
static const struct whole_names dbrx_names = { "transformer.wte.weight",
    "transformer.norm_f.weight", "transformer.blocks.%u.", "norm_attn_norm.norm_1.weight",
    "norm_attn_norm.norm_2.weight", NULL, NULL };
static const struct whole_names grok_names = { "model.embed_tokens.weight", "model.norm.weight",
    "model.layers.%u.", "pre_attn_norm.weight", "post_attn_norm.weight", "pre_moe_norm.weight",
    "post_moe_norm.weight" };

// Sizes, and what else there is to say.
#define FRAME(hidden_, epsilon, block_epsilon, ...) \
    .frame = { .hidden = hidden_, \
        .norm_epsilon = epsilon, \
        .block_norm_epsilon = block_epsilon, \
        __VA_ARGS__ }
#define ATTENTION(heads_, kv_heads_, head_size_, ...) \
    .attention = { .heads = heads_, .kv_heads = kv_heads_, .head_size = head_size_, __VA_ARGS__ }
#define DENSE(...) ATTENTION(__VA_ARGS__, .experts = 1, .experts_per_token = 1)
#define ROPE(base_) .rope = { .kind = VKMOE_ROPE_HALF, .base = base_ }
#define SCALED_ROPE(base_, ...) .rope = { .kind = VKMOE_ROPE_HALF, .base = base_, __VA_ARGS__ }
#define LATENT_ROPE(size_) \
    .rope = { .kind = VKMOE_ROPE_INTERLEAVED, \
        .scaling = VKMOE_ROPE_SCALING_YARN, \
        .size = size_, \
        .base = 1e4f, \
        .factor = 40.0f, \
        .original_positions = 64, \
        .beta_fast = 32.0f, \
        .beta_slow = 1.0f, \
        .attention_factor = 1.0f }
#define EXPERTS(inner_, experts_, k, ...) \
    .experts = { .inner = inner_, .experts = experts_, .experts_per_token = k, __VA_ARGS__ }
#define SILU_EXPERTS(...) EXPERTS(__VA_ARGS__, .activation = VKMOE_ACTIVATION_SILU)

// A row: its name, the family, the size of the vocabulary, and what else config.json says.
#define MODEL(name_, type, vocabulary_, config_, ...) \
    { \
        .name = name_, .vocabulary = vocabulary_, \
        .config = "{\"model_type\":\"" type "\"," config_ ",\"vocab_size\":" #vocabulary_ "}", \
        __VA_ARGS__ \
    }
#define STORED(dtype_, blocks_) .dtype = dtype_, .blocks = blocks_
#define WRITTEN_BY(attention_, experts_) .write_attention = attention_, .write_experts = experts_

#define SOFTMAX_GATE .score = VKMOE_SCORE_SOFTMAX
#define V3_GATE \
    .score = VKMOE_SCORE_SIGMOID, .group_score = VKMOE_GROUP_SCORE_SUM_TOP_2, .renormalize = true, \
    .renormalize_epsilon = 1e-20
#define TOP_K_GATE .score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SOFTMAX

#define MIXTRAL(name_, dtype_, hidden_, inner_, head_size_) \
    MODEL(name_, "mixtral", 37, \
        "\"hidden_size\":" #hidden_ ",\"intermediate_size\":" #inner_ \
        ",\"num_hidden_layers\":2,\"num_local_experts\":4,\"num_experts_per_tok\":2," \
        "\"num_attention_heads\":4,\"num_key_value_heads\":2,\"sliding_window\":5", \
        STORED(dtype_, 2), .windows = { 5, 5 }, \
        FRAME(hidden_, 1e-5, 1e-5, .max_positions = 131072, .end_tokens = { 2 }, \
            .end_token_count = 1), \
        DENSE(4, 2, head_size_, ROPE(1e6f)), \
        SILU_EXPERTS(inner_, 4, 2, SOFTMAX_GATE, .renormalize = true), \
        WRITTEN_BY(whole_write_dense_attention, whole_write_mixtral))

static const struct whole_family families[] = {
    // kv_heads 2 of 4, no head_dim, a window, everything else left to the class
    MIXTRAL("mixtral", VKMOE_DTYPE_F16, 48, 40, 12),
    // Everything in blocks, the embedding and the norms as well
    MIXTRAL("mixtral-q8-0", VKMOE_DTYPE_Q8_0, 64, 96, 16),
    MODEL("jetmoe", "jetmoe", 41,
        "\"hidden_size\":32,\"intermediate_size\":24,\"num_hidden_layers\":2,"
        "\"num_local_experts\":6,\"num_experts_per_tok\":2,\"num_attention_heads\":6,"
        "\"num_key_value_heads\":3,\"kv_channels\":8,"
        "\"attention_expert_windows\":[4,0,1,7,0,16],\"rms_norm_eps\":1e-5,"
        "\"rope_theta\":500.0,\"eos_token_id\":[5,2],\"max_position_embeddings\":64",
        STORED(VKMOE_DTYPE_BF16, 2), .has = HAS_OUTPUT_BIAS | HAS_TIED_HEAD,
        .expert_windows = jetmoe_windows,
        FRAME(32, 1e-5, 1e-6, .max_positions = 64, .end_tokens = { 5, 2 }, .end_token_count = 2),
        ATTENTION(3, 3, 8, .tiled_kv = true, .experts = 6, .experts_per_token = 2,
            .router = { TOP_K_GATE }, ROPE(500.0f)),
        SILU_EXPERTS(24, 6, 2, TOP_K_GATE),
        WRITTEN_BY(whole_write_routed_attention, whole_write_jetmoe)),
    // A window that is switched off, heads wider than hidden, linear RoPE in the old form
    MODEL("qwen3_moe", "qwen3_moe", 32,
        "\"hidden_size\":40,\"intermediate_size\":99,\"moe_intermediate_size\":24,"
        "\"num_hidden_layers\":3,\"num_experts\":8,\"num_experts_per_tok\":3,"
        "\"norm_topk_prob\":true,\"mlp_only_layers\":[],\"num_attention_heads\":4,"
        "\"num_key_value_heads\":2,\"head_dim\":16,\"attention_bias\":true,"
        "\"use_sliding_window\":false,\"sliding_window\":4096,\"max_window_layers\":3,"
        "\"rope_theta\":1000000,\"rope_scaling\":{\"type\":\"linear\",\"factor\":4.0},"
        "\"tie_word_embeddings\":true,\"eos_token_id\":null",
        STORED(VKMOE_DTYPE_BF16, 3), .has = HAS_BIASES | HAS_NORMS | HAS_TIED_HEAD,
        FRAME(40, 1e-6, 1e-6, .max_positions = 32768),
        DENSE(4, 2, 16, .norm_epsilon = 1e-6,
            SCALED_ROPE(1e6f, .scaling = VKMOE_ROPE_SCALING_LINEAR, .factor = 4.0f)),
        SILU_EXPERTS(24, 8, 3, SOFTMAX_GATE, .renormalize = true),
        WRITTEN_BY(whole_write_dense_attention, whole_write_qwen)),
    // Norms over all heads, a clip that is felt, Llama 3's RoPE in the new form
    MODEL("olmoe", "olmoe", 32,
        "\"hidden_size\":32,\"intermediate_size\":24,\"num_hidden_layers\":2,"
        "\"num_experts\":8,\"num_experts_per_tok\":3,\"num_attention_heads\":4,"
        "\"num_key_value_heads\":2,\"clip_qkv\":0.75,"
        "\"rope_parameters\":{\"rope_type\":\"llama3\",\"rope_theta\":10000.0,"
        "\"factor\":8.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"
        "\"original_max_position_embeddings\":32},\"max_position_embeddings\":256",
        STORED(VKMOE_DTYPE_F32, 2), .has = HAS_NORMS,
        FRAME(32, 1e-5, 1e-5, .max_positions = 256, .end_tokens = { 50279 }, .end_token_count = 1),
        DENSE(4, 2, 8, .norm_wide = true, .norm_epsilon = 1e-5, .value_clip = 0.75,
            SCALED_ROPE(1e4f, .scaling = VKMOE_ROPE_SCALING_LLAMA3, .factor = 8.0f,
                .original_positions = 32, .low_factor = 1.0f, .high_factor = 4.0f)),
        SILU_EXPERTS(24, 8, 3, SOFTMAX_GATE),
        WRITTEN_BY(whole_write_dense_attention, whole_write_qwen)),
    // Every other block with a window, YaRN without rounding
    MODEL("gpt_oss", "gpt_oss", 32,
        "\"hidden_size\":64,\"intermediate_size\":32,\"num_hidden_layers\":3,"
        "\"num_local_experts\":4,\"num_experts_per_tok\":2,\"num_attention_heads\":4,"
        "\"num_key_value_heads\":2,\"head_dim\":16,\"sliding_window\":6,"
        "\"rope_theta\":150000,\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4.0,"
        "\"beta_fast\":32.0,\"beta_slow\":1.0,\"original_max_position_embeddings\":64,"
        "\"truncate\":false},\"max_position_embeddings\":256,\"eos_token_id\":7",
        STORED(VKMOE_DTYPE_BF16, 3), .has = HAS_BIASES | HAS_SINKS | HAS_EXPERT_BIASES,
        .windows = { 6, 0, 6 },
        FRAME(64, 1e-5, 1e-5, .max_positions = 256, .end_tokens = { 7 }, .end_token_count = 1),
        DENSE(4, 2, 16,
            SCALED_ROPE(150000.0f, .scaling = VKMOE_ROPE_SCALING_YARN, .factor = 4.0f,
                .original_positions = 64, .beta_fast = 32.0f, .beta_slow = 1.0f,
                .attention_factor = 1.138629436f, .exact_range = true)),
        EXPERTS(32, 4, 2, TOP_K_GATE, .activation = VKMOE_ACTIVATION_SWIGLU_OAI,
            .activation_alpha = 1.702, .activation_limit = 7.0),
        WRITTEN_BY(whole_write_dense_attention, whole_write_gpt_oss)),
    // Chunks as long as those of GGUF files, which do not say; the first configs had a number for
    // a flag, and an empty list for none
    MODEL("llama4", "llama4_text", 32,
        "\"hidden_size\":40,\"intermediate_size\":24,\"intermediate_size_mlp\":24,"
        "\"num_hidden_layers\":4,\"interleave_moe_layer_step\":2,\"num_local_experts\":5,"
        "\"num_experts_per_tok\":2,\"num_attention_heads\":4,\"num_key_value_heads\":2,"
        "\"head_dim\":12,\"attn_temperature_tuning\":4,\"no_rope_layers\":[],"
        "\"attention_chunk_size\":8192,\"floor_scale\":8192,\"attn_scale\":0.1,"
        "\"max_position_embeddings\":512,\"rms_norm_eps\":1e-4",
        STORED(VKMOE_DTYPE_BF16, 4), .moe = { "-x-x" }, .chunk = 8192,
        FRAME(40, 1e-4, 1e-4, .max_positions = 512, .end_tokens = { 2 }, .end_token_count = 1),
        DENSE(4, 2, 12, .norm_epsilon = 1e-4, .temperature = 0.1f, .temperature_floor = 8192,
            .rope = { .kind = VKMOE_ROPE_INTERLEAVED, .base = 5e5f }),
        SILU_EXPERTS(24, 5, 2, .score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SIGMOID,
            .weight_on_input = true, .shared_inner = 24),
        WRITTEN_BY(whole_write_llama4_attention, whole_write_llama4)),
    MODEL("granitemoe", "granitemoe", 32,
        "\"hidden_size\":36,\"intermediate_size\":20,\"num_hidden_layers\":2,"
        "\"num_local_experts\":5,\"num_experts_per_tok\":2,\"num_attention_heads\":3,"
        "\"num_key_value_heads\":null,\"attention_multiplier\":0.25,"
        "\"embedding_multiplier\":12.0,\"residual_multiplier\":0.22,\"logits_scaling\":8.0,"
        "\"position_embedding_type\":\"rope\",\"eos_token_id\":0",
        STORED(VKMOE_DTYPE_F16, 2),
        FRAME(36, 1e-6, 1e-6, .embedding_scale = 12.0, .residual_scale = 0.22,
            .logits_scale = 0.125, .max_positions = 2048, .end_tokens = { 0 },
            .end_token_count = 1),
        DENSE(3, 3, 12, .scale = 0.25, ROPE(1e4f)), SILU_EXPERTS(20, 5, 2, TOP_K_GATE),
        WRITTEN_BY(whole_write_dense_attention, whole_write_granite)),
    // Latent attention, with and without a rank of queries; its norms do not have the model's
    // epsilon.
    MODEL("deepseek_v2", "deepseek_v2", 32,
        "\"hidden_size\":40,\"intermediate_size\":24,\"moe_intermediate_size\":24,"
        "\"num_hidden_layers\":2,\"n_shared_experts\":2,\"n_routed_experts\":6,"
        "\"num_experts_per_tok\":2,\"first_k_dense_replace\":1,\"moe_layer_freq\":1,"
        "\"topk_method\":\"greedy\",\"norm_topk_prob\":false,\"routed_scaling_factor\":1.5,"
        "\"num_attention_heads\":3,\"num_key_value_heads\":3,\"kv_lora_rank\":24,"
        "\"q_lora_rank\":null,\"qk_nope_head_dim\":12,\"qk_rope_head_dim\":6,"
        "\"v_head_dim\":10,\"rope_scaling\":{\"type\":\"yarn\",\"factor\":40,"
        "\"beta_fast\":32,\"beta_slow\":1,\"mscale\":0.707,\"mscale_all_dim\":0.707,"
        "\"original_max_position_embeddings\":64},\"max_position_embeddings\":2560,"
        "\"rms_norm_eps\":1e-3,\"eos_token_id\":5",
        STORED(VKMOE_DTYPE_BF16, 2), .moe = { "-x" },
        FRAME(40, 1e-3, 1e-3, .max_positions = 2560, .end_tokens = { 5 }, .end_token_count = 1),
        DENSE(3, 3, 18, .norm_epsilon = 1e-6, .scale = 0.37467848030284545,
            .latent = { .rank = 24, .key_size = 12, .value_size = 10, .turned = 6 },
            LATENT_ROPE(6)),
        SILU_EXPERTS(24, 6, 2, SOFTMAX_GATE, .scale = 1.5, .shared_inner = 48),
        WRITTEN_BY(whole_write_latent_attention, whole_write_deepseek)),
    // Groups of which the best expert counts.
    MODEL("deepseek_v2-grouped", "deepseek_v2", 32,
        "\"hidden_size\":40,\"intermediate_size\":24,\"moe_intermediate_size\":24,"
        "\"num_hidden_layers\":2,\"n_shared_experts\":2,\"n_routed_experts\":6,"
        "\"num_experts_per_tok\":2,\"first_k_dense_replace\":1,\"moe_layer_freq\":1,"
        "\"n_group\":3,\"topk_group\":2,\"topk_method\":\"group_limited_greedy\","
        "\"norm_topk_prob\":false,\"routed_scaling_factor\":1.5,"
        "\"num_attention_heads\":3,\"num_key_value_heads\":3,\"kv_lora_rank\":24,"
        "\"q_lora_rank\":20,\"qk_nope_head_dim\":12,\"qk_rope_head_dim\":6,"
        "\"v_head_dim\":10,\"rms_norm_eps\":1e-6",
        STORED(VKMOE_DTYPE_F16, 2), .moe = { "-x" },
        FRAME(40, 1e-6, 1e-6, .max_positions = 2048, .end_tokens = { 2 }, .end_token_count = 1),
        DENSE(3, 3, 18, .norm_epsilon = 1e-6, .scale = 0.23570226039551584,
            .latent = { .rank = 24,
                .key_size = 12,
                .value_size = 10,
                .turned = 6,
                .query_rank = 20 },
            .rope = { .kind = VKMOE_ROPE_INTERLEAVED, .base = 1e4f, .size = 6 }),
        SILU_EXPERTS(24, 6, 2, SOFTMAX_GATE, .group_score = VKMOE_GROUP_SCORE_MAX, .groups = 3,
            .groups_kept = 2, .group_mask_zero = true, .scale = 1.5, .shared_inner = 48),
        WRITTEN_BY(whole_write_latent_attention, whole_write_deepseek)),
    MODEL("deepseek_v3", "deepseek_v3", 32,
        "\"hidden_size\":40,\"intermediate_size\":24,\"moe_intermediate_size\":24,"
        "\"num_hidden_layers\":3,\"n_shared_experts\":1,\"n_routed_experts\":8,"
        "\"num_experts_per_tok\":3,\"n_group\":4,\"topk_group\":2,"
        "\"first_k_dense_replace\":1,\"scoring_func\":\"sigmoid\","
        "\"topk_method\":\"noaux_tc\",\"norm_topk_prob\":true,\"routed_scaling_factor\":2.5,"
        "\"num_attention_heads\":3,\"num_key_value_heads\":3,\"kv_lora_rank\":24,"
        "\"q_lora_rank\":20,\"qk_nope_head_dim\":12,\"qk_rope_head_dim\":8,"
        "\"v_head_dim\":28,\"rope_theta\":10000,\"rope_scaling\":{\"type\":\"yarn\","
        "\"factor\":40,\"beta_fast\":32,\"beta_slow\":1,\"mscale\":1.0,"
        "\"mscale_all_dim\":1.0,\"original_max_position_embeddings\":64},"
        "\"max_position_embeddings\":2560,\"rms_norm_eps\":1e-6,\"attention_bias\":false,"
        "\"num_nextn_predict_layers\":1",
        STORED(VKMOE_DTYPE_F32, 3), .moe = { "-xx" }, .has = HAS_CORRECTION_BIAS,
        FRAME(40, 1e-6, 1e-6, .max_positions = 2560, .end_tokens = { 1 }, .end_token_count = 1),
        DENSE(3, 3, 28, .norm_epsilon = 1e-6, .scale = 0.4190065386983081,
            .latent = { .rank = 24,
                .key_size = 12,
                .value_size = 28,
                .turned = 8,
                .query_rank = 20 },
            LATENT_ROPE(8)),
        SILU_EXPERTS(24, 8, 3, .score = VKMOE_SCORE_SIGMOID,
            .group_score = VKMOE_GROUP_SCORE_SUM_TOP_2, .groups = 4, .groups_kept = 2,
            .renormalize = true, .renormalize_epsilon = 1e-20, .scale = 2.5, .shared_inner = 24),
        WRITTEN_BY(whole_write_latent_attention, whole_write_deepseek)),
    // Biases of what the attention reads alone, a gated shared expert
    MODEL("qwen2_moe", "qwen2_moe", 32,
        "\"hidden_size\":64,\"intermediate_size\":99,\"moe_intermediate_size\":32,"
        "\"shared_expert_intermediate_size\":96,\"num_hidden_layers\":2,\"num_experts\":8,"
        "\"num_experts_per_tok\":3,\"norm_topk_prob\":false,\"num_attention_heads\":2,"
        "\"num_key_value_heads\":1,\"use_sliding_window\":false,\"sliding_window\":32768,"
        "\"max_window_layers\":21,\"rope_theta\":1000000.0,"
        "\"tie_word_embeddings\":true,\"eos_token_id\":3",
        STORED(VKMOE_DTYPE_BF16, 2), .has = HAS_INPUT_BIASES | HAS_TOKEN_GATE | HAS_TIED_HEAD,
        FRAME(64, 1e-6, 1e-6, .max_positions = 32768, .end_tokens = { 3 }, .end_token_count = 1),
        DENSE(2, 1, 32, ROPE(1e6f)), SILU_EXPERTS(32, 8, 3, SOFTMAX_GATE, .shared_inner = 96),
        WRITTEN_BY(whole_write_dense_attention, whole_write_qwen)),
    // A part of each head turned, norms of heads that a setting asks for
    MODEL("glm4_moe", "glm4_moe", 32,
        "\"hidden_size\":40,\"intermediate_size\":24,\"moe_intermediate_size\":24,"
        "\"num_hidden_layers\":3,\"n_shared_experts\":1,\"n_routed_experts\":8,"
        "\"num_experts_per_tok\":3,\"n_group\":1,\"topk_group\":1,"
        "\"first_k_dense_replace\":1,\"norm_topk_prob\":true,\"routed_scaling_factor\":1.5,"
        "\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":12,"
        "\"attention_bias\":true,\"use_qk_norm\":true,\"partial_rotary_factor\":0.5,"
        "\"rope_theta\":1000000,\"max_position_embeddings\":4096,\"num_nextn_predict_layers\":1,"
        "\"eos_token_id\":[5,6,7]",
        STORED(VKMOE_DTYPE_BF16, 3), .moe = { "-xx" },
        .has = HAS_INPUT_BIASES | HAS_NORMS | HAS_CORRECTION_BIAS,
        FRAME(
            40, 1e-5, 1e-5, .max_positions = 4096, .end_tokens = { 5, 6, 7 }, .end_token_count = 3),
        DENSE(4, 2, 12, .norm_epsilon = 1e-5, SCALED_ROPE(1e6f, .size = 6)),
        SILU_EXPERTS(24, 8, 3, V3_GATE, .scale = 1.5, .shared_inner = 24),
        WRITTEN_BY(whole_write_dense_attention, whole_write_deepseek)),
    // The same without biases and norms, and the part as transformers 5 says it
    MODEL("glm4_moe-plain", "glm4_moe", 32,
        "\"hidden_size\":40,\"intermediate_size\":24,\"moe_intermediate_size\":24,"
        "\"num_hidden_layers\":1,\"n_shared_experts\":1,\"n_routed_experts\":8,"
        "\"num_experts_per_tok\":3,\"first_k_dense_replace\":0,\"num_attention_heads\":4,"
        "\"num_key_value_heads\":2,\"head_dim\":16,"
        "\"rope_parameters\":{\"rope_type\":\"default\",\"rope_theta\":10000.0,"
        "\"partial_rotary_factor\":0.25},\"rms_norm_eps\":1e-6",
        STORED(VKMOE_DTYPE_F32, 1), .has = HAS_CORRECTION_BIAS,
        FRAME(40, 1e-6, 1e-6, .max_positions = 131072),
        DENSE(4, 2, 16, SCALED_ROPE(1e4f, .size = 4)),
        SILU_EXPERTS(24, 8, 3, V3_GATE, .scale = 1.0, .shared_inner = 24),
        WRITTEN_BY(whole_write_dense_attention, whole_write_deepseek)),
    // As published
    MODEL("dots1", "dots1", 32,
        "\"hidden_size\":40,\"intermediate_size\":24,\"moe_intermediate_size\":24,"
        "\"num_hidden_layers\":3,\"n_shared_experts\":2,\"n_routed_experts\":8,"
        "\"num_experts_per_tok\":3,\"n_group\":1,\"topk_group\":1,\"moe_layer_freq\":1,"
        "\"topk_method\":\"noaux_tc\",\"scoring_func\":\"noaux_tc\",\"qk_layernorm\":true,"
        "\"first_k_dense_replace\":1,\"norm_topk_prob\":true,\"routed_scaling_factor\":2.5,"
        "\"num_attention_heads\":4,\"num_key_value_heads\":4,\"attention_bias\":false,"
        "\"sliding_window\":null,\"rope_theta\":10000000,"
        "\"rms_norm_eps\":1e-5,\"max_position_embeddings\":32768,\"eos_token_id\":8",
        STORED(VKMOE_DTYPE_BF16, 3), .moe = { "-xx" }, .has = HAS_NORMS | HAS_CORRECTION_BIAS,
        FRAME(40, 1e-5, 1e-5, .max_positions = 32768, .end_tokens = { 8 }, .end_token_count = 1),
        DENSE(4, 4, 10, .norm_epsilon = 1e-5, ROPE(1e7f)),
        SILU_EXPERTS(24, 8, 3, V3_GATE, .scale = 2.5, .shared_inner = 48),
        WRITTEN_BY(whole_write_dense_attention, whole_write_deepseek)),
    MODEL("deepseek", "deepseek", 32,
        "\"hidden_size\":40,\"intermediate_size\":24,\"moe_intermediate_size\":24,"
        "\"num_hidden_layers\":2,\"n_shared_experts\":2,\"n_routed_experts\":6,"
        "\"num_experts_per_tok\":2,\"first_k_dense_replace\":1,\"moe_layer_freq\":1,"
        "\"norm_topk_prob\":false,\"scoring_func\":\"softmax\",\"num_attention_heads\":4,"
        "\"num_key_value_heads\":4,\"rope_theta\":10000,\"rope_scaling\":null",
        STORED(VKMOE_DTYPE_BF16, 2), .moe = { "-x" },
        FRAME(
            40, 1e-6, 1e-6, .max_positions = 2048, .end_tokens = { 100001 }, .end_token_count = 1),
        DENSE(4, 4, 10, ROPE(1e4f)),
        SILU_EXPERTS(24, 6, 2, SOFTMAX_GATE, .renormalize_epsilon = 1e-20, .shared_inner = 48),
        WRITTEN_BY(whole_write_dense_attention, whole_write_deepseek)),
    MODEL("granitemoeshared", "granitemoeshared", 32,
        "\"hidden_size\":36,\"intermediate_size\":20,\"shared_intermediate_size\":28,"
        "\"num_hidden_layers\":2,\"num_local_experts\":5,\"num_experts_per_tok\":2,"
        "\"num_attention_heads\":3,\"attention_multiplier\":0.25,"
        "\"embedding_multiplier\":12.0,\"residual_multiplier\":0.22,\"logits_scaling\":8.0,"
        "\"eos_token_id\":0",
        STORED(VKMOE_DTYPE_F32, 2),
        FRAME(36, 1e-6, 1e-6, .embedding_scale = 12.0, .residual_scale = 0.22,
            .logits_scale = 0.125, .max_positions = 2048, .end_tokens = { 0 },
            .end_token_count = 1),
        DENSE(3, 3, 12, .scale = 0.25, ROPE(1e4f)),
        SILU_EXPERTS(20, 5, 2, TOP_K_GATE, .shared_inner = 28),
        WRITTEN_BY(whole_write_dense_attention, whole_write_granite)),
    MODEL("ernie4_5_moe", "ernie4_5_moe", 32,
        "\"hidden_size\":40,\"intermediate_size\":24,\"moe_intermediate_size\":24,"
        "\"num_hidden_layers\":3,\"moe_num_experts\":8,\"moe_k\":3,"
        "\"moe_num_shared_experts\":2,\"moe_layer_start_index\":1,\"moe_layer_end_index\":2,"
        "\"moe_layer_interval\":1,\"use_bias\":false,\"num_attention_heads\":4,"
        "\"num_key_value_heads\":2,\"rope_theta\":500000.0,\"tie_word_embeddings\":true",
        STORED(VKMOE_DTYPE_BF16, 3), .moe = { "-xx" }, .has = HAS_CORRECTION_BIAS | HAS_TIED_HEAD,
        FRAME(40, 1e-5, 1e-5, .max_positions = 131072, .end_tokens = { 2 }, .end_token_count = 1),
        DENSE(4, 2, 10, .rope = { .kind = VKMOE_ROPE_INTERLEAVED, .base = 5e5f }),
        SILU_EXPERTS(24, 8, 3, SOFTMAX_GATE, .weigh = VKMOE_WEIGH_SCORE, .renormalize = true,
            .renormalize_max = true, .renormalize_epsilon = 1e-12, .shared_inner = 48),
        WRITTEN_BY(whole_write_dense_attention, whole_write_ernie)),
    // Norms over all heads, and a part of each head turned, which is a number of elements
    MODEL("minimax_m2", "minimax_m2", 32,
        "\"hidden_size\":40,\"intermediate_size\":24,\"num_hidden_layers\":2,"
        "\"num_local_experts\":8,\"num_experts_per_tok\":3,\"scoring_func\":\"sigmoid\","
        "\"use_qk_norm\":true,\"qk_norm_type\":\"per_layer\",\"use_routing_bias\":true,"
        "\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":12,"
        "\"rotary_dim\":8,\"rope_theta\":5000000,\"attn_type_list\":[1,1],"
        "\"max_position_embeddings\":204800,\"use_mtp\":true,\"eos_token_id\":9",
        STORED(VKMOE_DTYPE_BF16, 2), .has = HAS_NORMS | HAS_CORRECTION_BIAS,
        FRAME(40, 1e-6, 1e-6, .max_positions = 204800, .end_tokens = { 9 }, .end_token_count = 1),
        DENSE(4, 2, 12, .norm_wide = true, .norm_epsilon = 1e-6, SCALED_ROPE(5e6f, .size = 8)),
        SILU_EXPERTS(24, 8, 3, .score = VKMOE_SCORE_SIGMOID, .renormalize = true),
        WRITTEN_BY(whole_write_dense_attention, whole_write_minimax)),
    // Norms on both sides, gates of what heads attend to; each fourth block has neither a window
    // nor RoPE
    MODEL("afmoe", "afmoe", 32,
        "\"hidden_size\":40,\"intermediate_size\":24,\"moe_intermediate_size\":24,"
        "\"num_hidden_layers\":4,\"num_dense_layers\":1,\"num_experts\":8,"
        "\"num_experts_per_tok\":3,\"num_shared_experts\":1,\"n_group\":1,\"topk_group\":1,"
        "\"num_expert_groups\":1,\"num_limited_groups\":1,\"score_func\":\"sigmoid\","
        "\"route_norm\":true,\"route_scale\":2.826,\"global_attn_every_n_layers\":4,"
        "\"sliding_window\":5,\"mup_enabled\":true,\"num_attention_heads\":4,"
        "\"num_key_value_heads\":2,\"head_dim\":12,\"rope_theta\":10000,\"rope_scaling\":null,"
        "\"max_position_embeddings\":131072,\"rms_norm_eps\":1e-5,\"eos_token_id\":3",
        STORED(VKMOE_DTYPE_BF16, 4), .moe = { "-xxx" }, .windows = { 5, 5, 5, 0 },
        .has = HAS_NORMS | HAS_CORRECTION_BIAS | HAS_POST_NORMS | HAS_HEAD_GATE | HAS_WINDOW_ROPE,
        FRAME(40, 1e-5, 1e-5, .embedding_scale = 6.324555320336759, .max_positions = 131072,
            .end_tokens = { 3 }, .end_token_count = 1),
        DENSE(4, 2, 12, .norm_epsilon = 1e-5, ROPE(1e4f)),
        SILU_EXPERTS(24, 8, 3, V3_GATE, .scale = 2.826, .shared_inner = 24),
        WRITTEN_BY(whole_write_dense_attention, whole_write_afmoe)),
    // Queries, keys and values fused, an embedding of another name
    MODEL("bailing_moe", "bailing_moe", 32,
        "\"hidden_size\":40,\"intermediate_size\":24,\"moe_intermediate_size\":24,"
        "\"num_hidden_layers\":2,\"num_experts\":8,\"num_experts_per_tok\":3,"
        "\"num_shared_experts\":2,\"first_k_dense_replace\":0,\"norm_topk_prob\":true,"
        "\"num_attention_heads\":4,\"num_key_value_heads\":2,\"use_qkv_bias\":false,"
        "\"use_bias\":false,\"norm_head\":false,\"rope_theta\":600000,\"eos_token_id\":4",
        STORED(VKMOE_DTYPE_BF16, 2), .embedding = "model.word_embeddings.weight",
        FRAME(40, 1e-6, 1e-6, .max_positions = 16384, .end_tokens = { 4 }, .end_token_count = 1),
        DENSE(4, 2, 10, ROPE(6e5f)),
        SILU_EXPERTS(24, 8, 3, SOFTMAX_GATE, .renormalize = true, .shared_inner = 48),
        WRITTEN_BY(whole_write_fused_attention, whole_write_deepseek)),
    MODEL("bailing_moe_v2", "bailing_moe_v2", 32,
        "\"hidden_size\":40,\"intermediate_size\":24,\"moe_intermediate_size\":24,"
        "\"moe_shared_expert_intermediate_size\":32,\"num_hidden_layers\":2,"
        "\"num_experts\":8,\"num_experts_per_tok\":3,\"num_shared_experts\":1,"
        "\"n_group\":4,\"topk_group\":2,\"first_k_dense_replace\":1,\"norm_topk_prob\":true,"
        "\"score_function\":\"sigmoid\",\"moe_router_enable_expert_bias\":true,"
        "\"routed_scaling_factor\":2.5,\"num_attention_heads\":4,\"num_key_value_heads\":2,"
        "\"head_dim\":16,\"partial_rotary_factor\":0.5,\"use_qk_norm\":true,"
        "\"use_qkv_bias\":false,\"use_bias\":false,\"rope_theta\":600000,\"eos_token_id\":4",
        STORED(VKMOE_DTYPE_BF16, 2), .embedding = "model.word_embeddings.weight", .moe = { "-x" },
        .has = HAS_NORMS | HAS_CORRECTION_BIAS,
        FRAME(40, 1e-6, 1e-6, .max_positions = 32768, .end_tokens = { 4 }, .end_token_count = 1),
        DENSE(4, 2, 16, .norm_epsilon = 1e-6, SCALED_ROPE(6e5f, .size = 8)),
        SILU_EXPERTS(
            24, 8, 3, V3_GATE, .groups = 4, .groups_kept = 2, .scale = 2.5, .shared_inner = 32),
        WRITTEN_BY(whole_write_fused_attention, whole_write_bailing)),
    // LayerNorms, biases of everything, LongRoPE as published: the frame has more positions than
    // the model was trained with at first, and tests have texts of both kinds.
    MODEL("phimoe", "phimoe", 40,
        "\"hidden_size\":48,\"intermediate_size\":40,\"num_hidden_layers\":2,"
        "\"num_local_experts\":4,\"num_experts_per_tok\":2,\"num_attention_heads\":4,"
        "\"num_key_value_heads\":2,\"router_jitter_noise\":0.01,\"input_jitter_noise\":0.01,"
        "\"attention_bias\":true,\"lm_head_bias\":true,\"rms_norm_eps\":1e-5,"
        "\"max_position_embeddings\":96,\"original_max_position_embeddings\":22,"
        "\"rope_theta\":10000.0,\"rope_scaling\":{\"type\":\"longrope\","
        "\"short_factor\":[1.0,1.25,1.5,1.0625,2.0,3.0],"
        "\"long_factor\":[1.5,2,4,8,16,40.0],\"short_mscale\":1.25,\"long_mscale\":1.25,"
        "\"original_max_position_embeddings\":22},\"sliding_window\":90,"
        "\"tie_word_embeddings\":false,\"eos_token_id\":7",
        STORED(VKMOE_DTYPE_F16, 2),
        .has = HAS_BIASES | HAS_NORM_BIASES | HAS_HEAD_BIAS | HAS_LONG_ROPE, .windows = { 90, 90 },
        FRAME(48, 1e-5, 1e-5, .max_positions = 96, .end_tokens = { 7 }, .end_token_count = 1),
        DENSE(4, 2, 12, .long_attention_factor = 1.25,
            SCALED_ROPE(1e4f, .scaling = VKMOE_ROPE_SCALING_LONGROPE, .original_positions = 22,
                .attention_factor = 1.25f)),
        SILU_EXPERTS(40, 4, 2, .score = VKMOE_SCORE_IDENTITY, .select = VKMOE_SELECT_SPARSEMIXER,
            .sparsemixer_threshold = 0.02),
        WRITTEN_BY(whole_write_dense_attention, whole_write_mixtral)),
    // LayerNorms without biases, a clip that is felt
    MODEL("dbrx", "dbrx", 32,
        "\"d_model\":48,\"n_heads\":4,\"n_layers\":2,\"max_seq_len\":128,"
        "\"attn_config\":{\"model_type\":\"\",\"clip_qkv\":0.75,\"kv_n_heads\":2,"
        "\"rope_theta\":500000},\"ffn_config\":{\"model_type\":\"\","
        "\"ffn_hidden_size\":40,\"moe_jitter_eps\":0.01,\"moe_loss_weight\":0.05,"
        "\"moe_num_experts\":6,\"moe_top_k\":3},\"tie_word_embeddings\":false",
        STORED(VKMOE_DTYPE_BF16, 2), .has = HAS_LAYER_NORMS, .names = &dbrx_names,
        FRAME(48, 1e-5, 1e-5, .max_positions = 128),
        DENSE(4, 2, 12, .value_clip = 0.75, ROPE(5e5f)),
        SILU_EXPERTS(40, 6, 3, SOFTMAX_GATE, .renormalize = true),
        WRITTEN_BY(whole_write_dbrx_attention, whole_write_dbrx)),
    // Caps that are felt, and an epsilon: of the norm behind experts and what is beside them it is
    // twice that. A context that ends where scores would grow.
    MODEL("grok", "grok", 32,
        "\"hidden_size\":40,\"intermediate_size\":28,\"moe_intermediate_size\":24,"
        "\"num_hidden_layers\":2,\"num_local_experts\":6,\"num_experts_per_tok\":2,"
        "\"residual_moe\":true,\"num_attention_heads\":4,\"num_key_value_heads\":2,"
        "\"head_dim\":10,\"attn_output_multiplier\":0.5,\"attn_logit_softcapping\":2.0,"
        "\"router_logit_softcapping\":1.5,\"embedding_multiplier_scale\":3.0,"
        "\"output_multiplier_scale\":0.5,\"rope_theta\":5000.0,\"rope_type\":\"original\","
        "\"max_position_embeddings\":131072,\"attn_temperature_len\":96,\"rms_norm_eps\":0.01,"
        "\"eos_token_id\":6",
        STORED(VKMOE_DTYPE_BF16, 2), .has = HAS_POST_NORMS, .names = &grok_names,
        FRAME(40, 1e-2, 1e-2, .post_epsilon = 2e-2, .embedding_scale = 3.0, .logits_scale = 0.5,
            .max_positions = 96, .end_tokens = { 6 }, .end_token_count = 1),
        DENSE(4, 2, 10, .scale = 0.5, .soft_cap = 2.0, ROPE(5e3f)),
        EXPERTS(24, 6, 2, SOFTMAX_GATE, .soft_cap = 1.5, .shared_inner = 28,
            .activation = VKMOE_ACTIVATION_GELU_TANH),
        WRITTEN_BY(whole_write_dense_attention, whole_write_grok)),
    // Norms after RoPE, whose base alpha has changed; lists of one number; a dense block first
    MODEL("hunyuan_v1_moe", "hunyuan_v1_moe", 32,
        "\"hidden_size\":40,\"intermediate_size\":24,\"moe_intermediate_size\":[24,24],"
        "\"num_hidden_layers\":2,\"num_experts\":5,\"moe_topk\":[2,2],"
        "\"num_shared_expert\":[1,1],\"moe_layer_num_skipped\":1,\"use_mixed_mlp_moe\":true,"
        "\"use_qk_norm\":true,\"use_cla\":false,\"norm_type\":\"rms\",\"mlp_bias\":false,"
        "\"attention_bias\":false,\"num_attention_heads\":4,\"num_key_value_heads\":2,"
        "\"head_dim\":16,\"attention_head_dim\":16,\"rope_theta\":10000.0,"
        "\"rope_scaling\":{\"alpha\":1000.0,\"beta_fast\":32,\"beta_slow\":1,\"factor\":1.0,"
        "\"mscale\":1.0,\"mscale_all_dim\":1.0,\"type\":\"dynamic\"},"
        "\"max_position_embeddings\":64,\"rms_norm_eps\":1e-5,\"tie_word_embeddings\":true,"
        "\"eos_token_id\":9",
        STORED(VKMOE_DTYPE_BF16, 2), .moe = { "-x" }, .has = HAS_NORMS | HAS_TIED_HEAD,
        FRAME(40, 1e-5, 1e-5, .max_positions = 64, .end_tokens = { 9 }, .end_token_count = 1),
        DENSE(4, 2, 16, .norm_epsilon = 1e-5, .norm_after_rope = true, ROPE(26826958.0f)),
        SILU_EXPERTS(24, 5, 2, SOFTMAX_GATE, .renormalize = true, .shared_inner = 24),
        WRITTEN_BY(whole_write_dense_attention, whole_write_hunyuan)),
    // Tied, with dense blocks between; attention is narrower than the model, and as wide
    // as the vocabulary is large.
    MODEL("switch_transformers", "switch_transformers", 36,
        "\"d_model\":40,\"d_kv\":12,\"num_layers\":4,\"num_decoder_layers\":3,\"d_ff\":56,"
        "\"encoder_sparse_step\":2,\"decoder_sparse_step\":2,\"num_experts\":4,"
        "\"num_heads\":3,\"relative_attention_num_buckets\":8,"
        "\"relative_attention_max_distance\":20,\"layer_norm_epsilon\":1e-5,"
        "\"n_positions\":96,\"decoder_start_token_id\":3,\"is_encoder_decoder\":true",
        STORED(VKMOE_DTYPE_F32, 3), .encoder_blocks = 4, .moe = { "-x-x", "-x-" },
        .has = HAS_TIED_HEAD | HAS_NO_GATE, .buckets = 8, .max_distance = 20,
        FRAME(40, 1e-5, 1e-5, .logits_scale = 0.15811388300841897, .max_positions = 96,
            .end_tokens = { 1 }, .end_token_count = 1, .start_token = 3),
        DENSE(3, 3, 12, .scale = 1.0),
        EXPERTS(56, 4, 1, SOFTMAX_GATE, .capacity = 64, .activation = VKMOE_ACTIVATION_RELU)),
    // With a head of its own, experts everywhere, and as many decoder blocks as the class
    // has them when there is no number; buckets that do not halve
    MODEL("switch_transformers-untied", "switch_transformers", 33,
        "\"d_model\":24,\"d_ff\":20,\"d_kv\":16,\"num_heads\":2,\"num_layers\":2,"
        "\"num_decoder_layers\":null,\"num_sparse_encoder_layers\":2,"
        "\"num_sparse_decoder_layers\":2,\"num_experts\":3,\"expert_capacity\":50,"
        "\"dense_act_fn\":\"gelu_new\",\"relative_attention_num_buckets\":13,"
        "\"relative_attention_max_distance\":9,\"tie_word_embeddings\":false,"
        "\"eos_token_id\":[4,1]",
        STORED(VKMOE_DTYPE_BF16, 2), .encoder_blocks = 2, .moe = { "xx", "xx" }, .has = HAS_NO_GATE,
        .buckets = 13, .max_distance = 9,
        FRAME(24, 1e-6, 1e-6, .max_positions = 512, .end_tokens = { 4, 1 }, .end_token_count = 2,
            .start_token = 0),
        DENSE(2, 2, 16, .scale = 1.0),
        EXPERTS(20, 3, 1, SOFTMAX_GATE, .capacity = 50, .activation = VKMOE_ACTIVATION_GELU_TANH)),
};

const struct whole_family *whole_family_at(uint32_t index)
{
    return index < COUNT(families) ? &families[index] : NULL;
}
