// hunyuan_v1_moe.c - Hunyuan-A13B.
#include "checkpoint/families/families.h"

// Published with a number for each block where others have one for all.
#define LISTED(key, preset) \
    { \
        key, preset, true \
    }

WHOLE(whole, .heads = { "num_attention_heads", 32 }, .kv_heads = { "num_key_value_heads", 0 },
    .head_size = { "head_dim|attention_head_dim", 0 }, TEXT(290943, 2048, 2, 1e-5),
    .rope = { .kind = VKMOE_ROPE_HALF, .base = 1e4f }, .rope_alpha = true, .norm_after_rope = true,
    .bias = { "attention_bias", false }, .window = WINDOW_ALL,
    .expect = { "use_qk_norm=true", "use_cla=false", "norm_type=rms", "use_rotary_pos_emb=true" },
    .names = { { PROJECTIONS("self_attn"), BIASES("self_attn"),
        .query_norm = "self_attn.query_layernorm.weight",
        .key_norm = "self_attn.key_layernorm.weight" } },
    ENDS);

FAMILY(hunyuan_v1_moe, .prefix = BLOCKS, .blocks = { "num_hidden_layers", 32 },
    .hidden = { "hidden_size", 4096 },
    .inner = LISTED("moe_intermediate_size|intermediate_size", 11008),
    .experts = LISTED("num_experts", 1), .experts_per_token = LISTED("moe_topk", 1), HIDDEN_ACT,
    .shared_inner = { "intermediate_size", 11008 }, .shared_count = LISTED("num_shared_expert", 1),
    .expect = { "mlp_bias=false", "norm_topk_prob=true", "routed_scaling_factor=1",
        "group_limited_greedy=false" },
    .preset.router = { .score = VKMOE_SCORE_SOFTMAX, .renormalize.mode = VKMOE_RENORMALIZE_SUM },
    .names = { .router = "mlp.gate.wg.weight|mlp.gate.weight",
        EXPERTS_GATE_UP_DOWN("mlp"),
        SHARED_GATE_UP_DOWN("mlp.shared_mlp") },
    DENSE_GATE_UP_DOWN("mlp", 11008), .dense_first = { "moe_layer_num_skipped", 0 },
    .mark = vkmoe_mark_after_dense, .whole = &whole);
