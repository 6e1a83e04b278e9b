// gguf_names.h - what tensors are called in GGUF files, whatever the architecture, and which of
// them a file has.
#ifndef VKMOE_GGUF_NAMES_H
#define VKMOE_GGUF_NAMES_H

#include "checkpoint/family.h"
#include "checkpoint/tensors.h"

// After "blk.N.".
#define GGUF_BLOCK_NAMES(NAME) \
    NAME(ATTENTION_NORM, "attn_norm.weight") \
    NAME(ATTENTION_NORM_BIAS, "attn_norm.bias") \
    NAME(QUERY, "attn_q.weight") \
    NAME(KEY, "attn_k.weight") \
    NAME(VALUE, "attn_v.weight") \
    NAME(FUSED, "attn_qkv.weight") \
    NAME(OUTPUT, "attn_output.weight") \
    NAME(OUTPUT_NORM, "attn_output_norm.weight") \
    NAME(QUERY_BIAS, "attn_q.bias") \
    NAME(KEY_BIAS, "attn_k.bias") \
    NAME(VALUE_BIAS, "attn_v.bias") \
    NAME(FUSED_BIAS, "attn_qkv.bias") \
    NAME(OUTPUT_BIAS, "attn_output.bias") \
    NAME(QUERY_NORM, "attn_q_norm.weight") \
    NAME(KEY_NORM, "attn_k_norm.weight") \
    NAME(SINKS, "attn_sinks.weight") \
    NAME(HEAD_GATE, "attn_gate.weight") \
    NAME(QUERY_DOWN, "attn_q_a.weight") \
    NAME(QUERY_DOWN_NORM, "attn_q_a_norm.weight") \
    NAME(QUERY_UP, "attn_q_b.weight") \
    NAME(LATENT, "attn_kv_a_mqa.weight") \
    NAME(LATENT_NORM, "attn_kv_a_norm.weight") \
    NAME(LATENT_KEYS, "attn_k_b.weight") \
    NAME(LATENT_VALUES, "attn_v_b.weight") \
    NAME(LATENT_BOTH, "attn_kv_b.weight") \
    NAME(EXPERTS_NORM, "ffn_norm.weight") \
    NAME(EXPERTS_NORM_BIAS, "ffn_norm.bias") \
    NAME(POST_ATTENTION_NORM, "post_attention_norm.weight") \
    NAME(POST_NORM, "post_ffw_norm.weight") \
    NAME(DENSE_POST_NORM, "post_ffw_norm_1.weight") \
    NAME(EXPERTS_PRE_NORM, "pre_ffw_norm_2.weight") \
    NAME(OWN_NORM, "ffn_norm_exps.weight") \
    NAME(EXPERTS_POST_NORM, "post_ffw_norm_2.weight") \
    NAME(BLOCK_SCALE, "layer_output_scale.weight") \
    NAME(LAST_NORM, "layer_output_norm.weight") \
    NAME(DENSE_GATE, "ffn_gate.weight") \
    NAME(DENSE_UP, "ffn_up.weight") \
    NAME(DENSE_DOWN, "ffn_down.weight") \
    NAME(ROUTER, "ffn_gate_inp.weight") \
    NAME(ROUTER_BIAS, "ffn_gate_inp.bias") \
    NAME(ROUTER_SCALE, "ffn_gate_inp.scale") \
    NAME(CORRECTION_BIAS, "exp_probs_b.bias") \
    NAME(OLD_CORRECTION_BIAS, "exp_probs_b") \
    NAME(GATE, "ffn_gate_exps.weight") \
    NAME(UP, "ffn_up_exps.weight") \
    NAME(GATE_UP, "ffn_gate_up_exps.weight") \
    NAME(DOWN, "ffn_down_exps.weight") \
    NAME(GATE_EACH, "ffn_gate.{e}.weight") \
    NAME(UP_EACH, "ffn_up.{e}.weight") \
    NAME(DOWN_EACH, "ffn_down.{e}.weight") \
    NAME(GATE_BIAS, "ffn_gate_exps.bias") \
    NAME(UP_BIAS, "ffn_up_exps.bias") \
    NAME(GATE_UP_BIAS, "ffn_gate_up_exps.bias") \
    NAME(DOWN_BIAS, "ffn_down_exps.bias") \
    NAME(EXPERT_SCALE, "ffn_down_exps.scale") \
    NAME(SHARED_GATE, "ffn_gate_shexp.weight") \
    NAME(SHARED_UP, "ffn_up_shexp.weight") \
    NAME(SHARED_DOWN, "ffn_down_shexp.weight") \
    NAME(SHARED_TOKEN_GATE, "ffn_gate_inp_shexp.weight")

enum gguf_name {
#define NAME(name, text) GGUF_##name,
    GGUF_BLOCK_NAMES(NAME)
#undef NAME
        GGUF_NAMES
};
_Static_assert(GGUF_NAMES <= 64, "a bit for each");
#define GGUF_BIT(name) (UINT64_C(1) << GGUF_##name)

// Of Grok's blocks, by what they must have: norms before and behind attention and experts, and a
// dense network beside these is a shared expert.
static inline bool gguf_is_grok(uint64_t needs)
{
    return needs & GGUF_BIT(OUTPUT_NORM) && needs & GGUF_BIT(EXPERTS_NORM);
}

#define GGUF_EMBEDDING "token_embd.weight"
#define GGUF_FINAL_NORM "output_norm.weight"
#define GGUF_FINAL_NORM_BIAS "output_norm.bias"
#define GGUF_HEAD "output.weight"
#define GGUF_HEAD_BIAS "output.bias"
#define GGUF_ROPE_DIVISORS "rope_freqs.weight"
#define GGUF_SHORT_DIVISORS "rope_factors_short.weight"
#define GGUF_LONG_DIVISORS "rope_factors_long.weight"

struct gguf_survey {
    const struct tensor *there[GGUF_NAMES]; // the first of them; NULL: no block has it
    bool has_head, has_head_bias, has_divisors;
    bool has_long_divisors; // LongRoPE's, both of them
    const struct tensor *final_norm_bias;
    bool moe[MAX_BLOCKS];         // which blocks have a router
    uint32_t shared_inner;        // rows of the first shared expert; 0: there is none
    uint64_t query_norm;          // elements of the first one
    uint32_t keys, values;        // blocks that have them
    const struct tensor *unknown; // the first that nobody reads; NULL: all are read
};

// What a file says that it has.
struct gguf_counts {
    uint32_t blocks, all; // those that run, and with the prediction heads that follow them
    uint32_t experts;
    uint64_t needs; // a bit for each name that blocks of its architecture must have
};

void vkmoe_gguf_survey(
    const struct tensors *tensors, const struct gguf_counts *counts, struct gguf_survey *out);

// Without "blk.N.".
const char *vkmoe_gguf_text(enum gguf_name name);

// The same; NULL if no block has it.
const char *vkmoe_gguf_name(const struct gguf_survey *survey, enum gguf_name name);

#endif
