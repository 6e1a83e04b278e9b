// gguf_family.c - the architectures of GGUF files, each as the family whose block it is: gate,
// activation and presets are the family's, keys and names those of every GGUF file. Sources: the
// graphs and converters of llama.cpp, and what models were published with (docs/semantics.md).
#include "checkpoint/gguf.h"

#include <stdio.h>
#include <string.h>

#include "base/common.h"
#include "checkpoint/families/families.h"

// The values of expert_gating_func.
enum gating { GATING_SOFTMAX = 1, GATING_SIGMOID, GATING_CHOSEN, GATING_SQRT_SOFTPLUS, GATINGS };

static const enum vkmoe_score scores[GATINGS] = {
    [GATING_SOFTMAX] = VKMOE_SCORE_SOFTMAX,
    [GATING_SIGMOID] = VKMOE_SCORE_SIGMOID,
    [GATING_CHOSEN] = VKMOE_SCORE_IDENTITY,
    [GATING_SQRT_SOFTPLUS] = VKMOE_SCORE_SQRT_SOFTPLUS,
};

// Whether the weights of the chosen experts are divided by their sum.
enum weights { WEIGHTS_AS_THEY_ARE, WEIGHTS_SUM, WEIGHTS_BY_KEY };

struct architecture {
    const char *name;
    const char *family; // whose block it is
    enum vkmoe_rope_kind rope;
    enum gating gating; // unless the file says another
    enum weights weights;
    const char *not_whole; // why no model of it runs whole, or NULL
    uint64_t needs;        // a bit for each name that its blocks must have
    unsigned ways;         // of enum ways
    const char *other;     // a family whose models are written as these too, or NULL
};

// What only some architectures do, as llama.cpp has them.
enum ways {
    BEST_GROUPS = 1,      // with softmax groups count by their best expert (DeepSeek-V2)
    SHARED_BY_KEY = 2,    // shared experts are of the width that a key says, times their count
    HAS_INTERVAL = 4,     // a key must say that every n-th block has experts
    FIXED_CHUNKS = 8,     // chunks and what goes with them are as Llama 4 was published
    BARE_BIAS = 16,       // the bias that selects has no suffix
    SUM_UNLESS_SAID = 32, // weights by a key are divided by their sum if it is absent
    FUSED = 64,           // queries, keys and values are one tensor
    NO_FULL_ROPE = 128,   // blocks without a window have no RoPE, but for dense ones
    WINDOWS_BASE = 256,   // blocks with a window have a base of RoPE of their own
    WINDOWS_ROPE = 512,   // and have all of it to themselves; the scaling is that of the others
    LISTS = 1024,         // say which blocks have windows, and the heads of each
    FIRST_FULL = 2048,    // each fourth block has no window, from the first on
    // Half of what rope.dimension_count says is turned where there is no window, by divisors if
    // there are any, and experts have limits (Step-3.5).
    HALVES_AND_LIMITS = 4096,
    // What llama.cpp's loaders of them do not know, or cannot do without.
    NO_DIVISORS = 8192, // of RoPE
    NO_BIASES = 16384,  // of attention
    NO_DENSE = 32768,   // blocks before those with experts
    NEEDS_HEAD = 65536, // also where it is the embedding
};

// What converters reorder the rows of queries and keys for is interleaved here, whatever the
// model was published as: pairs are what RoPE turns, wherever their elements lie.
#define PAIRS VKMOE_ROPE_INTERLEAVED
#define HALVES VKMOE_ROPE_HALF
#define BIT(name) GGUF_BIT(name)
#define NEEDS_NORMS (BIT(QUERY_NORM) | BIT(KEY_NORM))
#define NEEDS_BIASES (BIT(QUERY_BIAS) | BIT(KEY_BIAS) | BIT(VALUE_BIAS))
#define NEEDS_SHARED (BIT(SHARED_GATE) | BIT(SHARED_UP) | BIT(SHARED_DOWN) | BIT(SHARED_TOKEN_GATE))
#define NEEDS_EXTRAS \
    (BIT(POST_ATTENTION_NORM) | BIT(POST_NORM) | BIT(DENSE_POST_NORM) | BIT(EXPERTS_PRE_NORM) \
        | BIT(EXPERTS_POST_NORM) | BIT(DENSE_UP))
#define MAMBA "blocks with Mamba instead of attention"
#define DELTA_NET "blocks with a gated delta net instead of attention"

static const struct architecture architectures[] = {
#include "checkpoint/architectures.def"
};

static const struct architecture *find_architecture(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_SIZE(architectures); i++) {
        if (strcmp(architectures[i].name, name) == 0)
            return &architectures[i];
    }
    return NULL;
}

uint64_t vkmoe_gguf_needs(const char *architecture)
{
    const struct architecture *found = find_architecture(architecture);
    return found ? found->needs : 0;
}

static void mark(const struct family *family, struct settings *settings, struct blocks *blocks)
{
    (void)family;
    vkmoe_mark_listed(settings, blocks, "expert_blocks", true);
}

// Whatever a setting may say of models in other files.
static bool has_embedding_root(const struct whole *published)
{
    return published->embedding_root.key || published->embedding_root.preset;
}

// Whether the key of its norms' epsilon is that of LayerNorms, which those with biases do not have.
static bool has_centered_key(const struct whole *whole, const struct architecture *architecture)
{
    return whole->layer_norm && !whole->rms_by_key
        && !(architecture->needs & BIT(ATTENTION_NORM_BIAS));
}

bool vkmoe_gguf_target(const char *family, struct gguf_target *out)
{
    const struct architecture *found = NULL;
    for (size_t i = 0; !found && i < ARRAY_SIZE(architectures); i++) {
        const struct architecture *each = &architectures[i];
        if (!each->not_whole
            && (strcmp(each->family, family) == 0
                || (each->other && strcmp(each->other, family) == 0)))
            found = each;
    }
    if (!found)
        return false;
    const struct family *base = vkmoe_family_named(found->family).family;
    const struct whole *whole = base ? base->whole : NULL;
    static const struct vkmoe_moe_params none;
    const struct vkmoe_moe_params *preset = base ? &base->preset : &none;
    const bool sparsemixer = preset->router.select == VKMOE_SELECT_SPARSEMIXER;
    const bool sigmoid = preset->router.weigh == VKMOE_WEIGH_SIGMOID;
    const bool extras = whole && whole->names[PLACE_BLOCKS].experts_post_norm;
    const bool chosen = found->gating == GATING_CHOSEN && !sparsemixer && !sigmoid;
    const bool no_full_rope = found->ways & NO_FULL_ROPE;
    *out = (struct gguf_target){ .name = found->name,
        .rope = found->rope,
        .score = scores[found->gating],
        .weigh = sigmoid ? VKMOE_WEIGH_SIGMOID : VKMOE_WEIGH_SCORE,
        .weight_on_input = preset->weight_on_input,
        .activation = VKMOE_ACTIVATION_SILU,
        .chosen_softmax = chosen,
        .gate_by_keys = found->weights == WEIGHTS_BY_KEY,
        .renormalizes = found->weights == WEIGHTS_SUM,
        .score_by_key = sigmoid && found->weights == WEIGHTS_SUM,
        .has_scales = whole && whole->residual_scale_key,
        .embedding_scale = whole && whole->embedding_scale_key,
        .logits_scale = whole && whole->logits_scale_key,
        .post_norm = found->needs & BIT(POST_ATTENTION_NORM) && !(found->needs & BIT(POST_NORM)),
        .sandwich = !extras && found->needs & BIT(POST_NORM),
        .head_gate = found->needs & BIT(HEAD_GATE),
        .embedding_root = whole && has_embedding_root(whole),
        .alternate_window = whole && whole->window == WINDOW_ALTERNATE,
        .fourth_full = whole && whole->window == WINDOW_BUT_EVERY && !no_full_rope,
        .sparsemixer = sparsemixer,
        .layer_norm = whole && whole->layer_norm,
        .centered = whole && has_centered_key(whole, found),
        .rms_by_key = whole && whole->rms_by_key,
        .output_norm = found->needs & BIT(OUTPUT_NORM) && !gguf_is_grok(found->needs),
        .fused = found->ways & FUSED,
        .norm_after_rope = whole && whole->norm_after_rope,
        .shared_by_key = found->ways & SHARED_BY_KEY,
        .has_interval = found->ways & HAS_INTERVAL,
        .extras = extras,
        .grok = gguf_is_grok(found->needs),
        .averages = base && base->shared_sum,
        .own_norm = found->needs & BIT(OWN_NORM),
        .lists = found->ways & LISTS,
        .first_full = found->ways & FIRST_FULL,
        .no_full_rope = no_full_rope,
        .windows_rope = found->ways & WINDOWS_ROPE,
        .halves = found->ways & HALVES_AND_LIMITS,
        .fixed_chunks = found->ways & FIXED_CHUNKS,
        .bare_bias = found->ways & BARE_BIAS,
        .best_groups = found->ways & BEST_GROUPS,
        .divisors = !(found->ways & NO_DIVISORS),
        .biases = found->needs & BIT(QUERY_BIAS) ? BIASES_ALWAYS
            : found->ways & NO_BIASES            ? BIASES_NEVER
                                                 : BIASES_SOMETIMES,
        .dense = !(found->ways & NO_DENSE),
        .own_head = found->ways & NEEDS_HEAD };
    if (chosen)
        out->activation = VKMOE_ACTIVATION_SWIGLU_OAI;
    else if (base)
        vkmoe_family_activation(base->activation, &out->activation);
    return true;
}

// ------------------------------------------------------------------------------- gate

// Of the family, which may have it otherwise by a setting of its own.
static void set_gate(
    const struct architecture *architecture, struct settings *settings, struct family *family)
{
    struct vkmoe_router_params *router = &family->preset.router;
    const uint32_t gating = vkmoe_setting_u32(
        settings, "expert_gating_func", (uint32_t)architecture->gating, 0, GATINGS - 1);
    const enum gating known = gating ? (enum gating)gating : architecture->gating;
    if (router->select == VKMOE_SELECT_TOP_K) { // others have a way of their own
        router->score = scores[known];
        if (known != GATING_CHOSEN)
            router->weigh = VKMOE_WEIGH_SCORE;
        else if (router->weigh == VKMOE_WEIGH_SCORE)
            router->weigh = VKMOE_WEIGH_SOFTMAX;
    }
    // What softmax of the chosen ones gives is renormalised already.
    const bool sum = architecture->weights == WEIGHTS_SUM || architecture->ways & SUM_UNLESS_SAID;
    router->renormalize.mode = sum ? VKMOE_RENORMALIZE_SUM : VKMOE_RENORMALIZE_NONE;
    family->renormalize_key =
        architecture->weights == WEIGHTS_BY_KEY ? "expert_weights_norm" : NULL;
    router->scale = 1.0f;
    router->soft_cap = 0.0f; // unless a key says one, which llama.cpp does not look at
    family->scale_key = vkmoe_setting_number(settings, "expert_weights_scale", 0.0) != 0.0
        ? "expert_weights_scale"
        : NULL;
    router->groups.count = router->groups.kept = 0;
    router->groups.score = VKMOE_GROUP_SCORE_SUM_TOP_2;
    router->groups.mode = VKMOE_GROUP_MODE_MASK;
    if (architecture->ways & BEST_GROUPS && known == GATING_SOFTMAX) {
        router->groups.score = VKMOE_GROUP_SCORE_MAX;
        router->groups.mode = VKMOE_GROUP_MODE_MASK_ZERO;
    }
    const bool grouped = vkmoe_setting_u32(settings, "expert_group_count", 0, 0, MAX_EXPERTS) > 1;
    family->groups_key = grouped ? "expert_group_count" : NULL;
    family->groups_kept_key = grouped ? "expert_group_used_count" : NULL;
}

// ------------------------------------------------------------------------------ names

static void set_expert_names(const struct gguf *own, struct family *family)
{
    const struct gguf_survey *s = &own->survey;
    const bool each = s->there[GGUF_UP_EACH];
    // What the family has must be there; a line says which name is missing.
    const bool gated = family->names.gate || family->names.gate_up || !family->names.up;
    const bool biased = family->names.gate_up_bias != NULL;
    const bool biases_apart = biased && !s->there[GGUF_GATE_UP_BIAS];
    const bool beside = gguf_is_grok(vkmoe_gguf_needs(own->name));
    family->names = (struct names){
        .router = "ffn_gate_inp.weight",
        .router_bias = vkmoe_gguf_name(s, GGUF_ROUTER_BIAS),
        .correction_bias = s->there[GGUF_CORRECTION_BIAS]
            ? "exp_probs_b.bias"
            : vkmoe_gguf_name(s, GGUF_OLD_CORRECTION_BIAS),
        .expert_scale = vkmoe_gguf_name(s, GGUF_EXPERT_SCALE),
        .router_scale = vkmoe_gguf_name(s, GGUF_ROUTER_SCALE),
        .gate = !gated ? NULL
            : each     ? "ffn_gate.{e}.weight"
                       : "ffn_gate_exps.weight",
        .up = each ? "ffn_up.{e}.weight" : "ffn_up_exps.weight",
        .gate_up = vkmoe_gguf_name(s, GGUF_GATE_UP),
        .down = each ? "ffn_down.{e}.weight" : "ffn_down_exps.weight",
        .gate_bias = biases_apart ? "ffn_gate_exps.bias" : vkmoe_gguf_name(s, GGUF_GATE_BIAS),
        .up_bias = biases_apart ? "ffn_up_exps.bias" : vkmoe_gguf_name(s, GGUF_UP_BIAS),
        .gate_up_bias = vkmoe_gguf_name(s, GGUF_GATE_UP_BIAS),
        .down_bias = biased ? "ffn_down_exps.bias" : vkmoe_gguf_name(s, GGUF_DOWN_BIAS),
        .shared_gate = !gated ? NULL
            : beside          ? "ffn_gate.weight"
                              : "ffn_gate_shexp.weight",
        .shared_up = beside ? "ffn_up.weight" : "ffn_up_shexp.weight",
        .shared_down = beside ? "ffn_down.weight" : "ffn_down_shexp.weight",
        .shared_token_gate = vkmoe_gguf_name(s, GGUF_SHARED_TOKEN_GATE),
        .latent_down = "ffn_latent_down.weight",
        .latent_up = "ffn_latent_up.weight",
    };
    family->dense = (struct names){
        .gate = gated ? "ffn_gate.weight" : NULL,
        .up = "ffn_up.weight",
        .down = "ffn_down.weight",
    };
}

static void set_attention_names(
    const struct gguf *own, const struct architecture *architecture, struct whole *whole)
{
    const struct gguf_survey *s = &own->survey;
    const bool fused = s->there[GGUF_FUSED], grok = gguf_is_grok(architecture->needs);
    whole->names[PLACE_BLOCKS] = (struct attention_names){
        .module = "attn_",
        .query = "attn_q.weight",
        .key = "attn_k.weight",
        .value = "attn_v.weight",
        .fused = fused ? "attn_qkv.weight" : NULL,
        .output = "attn_output.weight",
        .query_bias = "attn_q.bias",
        .key_bias = "attn_k.bias",
        .value_bias = "attn_v.bias",
        .fused_bias = vkmoe_gguf_name(s, GGUF_FUSED_BIAS),
        .output_bias = vkmoe_gguf_name(s, GGUF_OUTPUT_BIAS),
        .query_norm = vkmoe_gguf_name(s, GGUF_QUERY_NORM),
        .key_norm = vkmoe_gguf_name(s, GGUF_KEY_NORM),
        .sinks = vkmoe_gguf_name(s, GGUF_SINKS),
        .query_down = "attn_q_a.weight",
        .query_down_norm = "attn_q_a_norm.weight",
        .query_up = "attn_q_b.weight",
        .latent_keys = "attn_k_b.weight",
        .latent_values = "attn_v_b.weight",
        .latent_both = s->there[GGUF_LATENT_KEYS] ? NULL : vkmoe_gguf_name(s, GGUF_LATENT_BOTH),
        .attention_norm = "attn_norm.weight",
        .gate = vkmoe_gguf_name(s, GGUF_HEAD_GATE),
        .attention_norm_bias = vkmoe_gguf_name(s, GGUF_ATTENTION_NORM_BIAS),
        .experts_norm_bias = vkmoe_gguf_name(s, GGUF_EXPERTS_NORM_BIAS),
        .experts_norm = whole->parallel                       ? NULL
            : architecture->needs & BIT(OUTPUT_NORM) && !grok ? "attn_output_norm.weight"
            : s->there[GGUF_EXPERTS_NORM] || grok             ? "ffn_norm.weight"
                                                              : "post_attention_norm.weight",
    };
    if (grok) {
        struct attention_names *names = &whole->names[PLACE_BLOCKS];
        names->attention_post_norm = "attn_output_norm.weight";
        names->post_norm =
            vkmoe_gguf_text(s->there[GGUF_LAST_NORM] ? GGUF_LAST_NORM : GGUF_POST_NORM);
    }
    if (architecture->needs & BIT(POST_NORM)) {
        struct attention_names *names = &whole->names[PLACE_BLOCKS];
        names->attention_post_norm = "post_attention_norm.weight";
        names->post_norm = "post_ffw_norm.weight";
    }
    if (architecture->needs & BIT(EXPERTS_PRE_NORM)) {
        struct attention_names *names = &whole->names[PLACE_BLOCKS];
        names->dense_post_norm = "post_ffw_norm_1.weight";
        names->experts_pre_norm = "pre_ffw_norm_2.weight";
        names->experts_post_norm = "post_ffw_norm_2.weight";
        names->block_scale = "layer_output_scale.weight";
    }
    if (architecture->needs & BIT(OWN_NORM))
        whole->names[PLACE_BLOCKS].experts_pre_norm = "ffn_norm_exps.weight";
    if (whole->latent.is_latent) { // some files have the older tensor beside those made of it
        whole->names[PLACE_BLOCKS].ignored = s->there[GGUF_LATENT_KEYS] ? "attn_kv_b.weight" : NULL;
        whole->names[PLACE_BLOCKS].key = "attn_kv_a_mqa.weight";
        whole->names[PLACE_BLOCKS].key_norm = "attn_kv_a_norm.weight";
    }
    whole->ends = (struct end_names){
        .embedding = GGUF_EMBEDDING,
        .final_norm = GGUF_FINAL_NORM,
        .final_norm_bias = whole->layer_norm
                && (s->final_norm_bias || architecture->needs & BIT(ATTENTION_NORM_BIAS))
            ? GGUF_FINAL_NORM_BIAS
            : NULL,
        .head = GGUF_HEAD,
        .head_bias = GGUF_HEAD_BIAS,
        .rope_divisors = s->has_divisors ? GGUF_ROPE_DIVISORS
            : s->has_long_divisors       ? GGUF_SHORT_DIVISORS
                                         : NULL,
        .long_rope_divisors = s->has_long_divisors ? GGUF_LONG_DIVISORS : NULL,
    };
}

// -------------------------------------------------------------------------- attention

// What only some families have: Granite its scales, gpt-oss windows in every other block.
static void set_whole(const struct gguf *own, const struct architecture *architecture,
    struct settings *settings, const struct whole *published, struct whole *whole)
{
    const struct gguf_survey *s = &own->survey;
    const uint32_t heads = vkmoe_setting_u32(settings, "attention.head_count", 1, 1, MAX_WIDTH);
    const uint32_t hidden = vkmoe_setting_u32(settings, "embedding_length", 1, 1, MAX_WIDTH);
    const uint32_t head =
        vkmoe_setting_u32(settings, "attention.key_length", hidden / heads, 1, MAX_WIDTH);
    const uint32_t turned = vkmoe_setting_u32(settings, "rope.dimension_count", head, 1, MAX_WIDTH);
    static const char *const epsilons[] = { "attention.layer_norm_rms_epsilon",
        "attention.layer_norm_epsilon" };
    const bool centered = published && has_centered_key(published, architecture);
    const bool has_first = vkmoe_setting_find(settings, epsilons[0]);
    const bool has_second = vkmoe_setting_find(settings, epsilons[1]);
    const bool other_epsilon = centered ? has_second || !has_first : has_second && !has_first;
    const bool latent = published && published->latent.is_latent;
    const bool has_head = vkmoe_setting_find(settings, "attention.key_length")
        || (vkmoe_setting_find(settings, "embedding_length")
            && vkmoe_setting_find(settings, "attention.head_count"));
    if (has_head && (turned % 2 || turned > head))
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "rope.dimension_count is %u, expected an even number up to the heads' %u", turned,
            head);
    const enum window_rule window = published ? published->window : WINDOW_ALL;
    const bool adjusted = published && published->adjust;
    const bool shorter = published && published->value_size.key; // values than keys
    const uint32_t largest =
        MAX(head, vkmoe_setting_u32(settings, "attention.key_length_swa", 0, 0, MAX_WIDTH));
    const bool own_rope = adjusted && published->rope.kind == VKMOE_ROPE_NONE;
    *whole = (struct whole){
        .heads = { "attention.head_count", 0 },
        .kv_heads = { "attention.head_count_kv", 0 },
        .head_size = { "attention.key_length", 0 },
        .vocabulary = 0,
        .max_positions_key = "context_length",
        .max_positions = 4096,
        .end_token = -1,
        .norm_epsilon_key = other_epsilon ? epsilons[1] : epsilons[0],
        .norm_epsilon = -1.0,
        .layer_norm =
            published && published->layer_norm && (!published->rms_by_key || other_epsilon),
        .parallel = published && published->parallel,
        .early = published && published->early,
        .norm_after_rope = published && published->norm_after_rope,
        .head_bias = { NULL, s->has_head_bias },
        .rope = { .kind = own_rope ? VKMOE_ROPE_NONE : architecture->rope,
            .base = 1e4f,
            .size = turned < head ? turned : 0 },
        .bias = { NULL, s->there[GGUF_QUERY_BIAS] || s->there[GGUF_FUSED_BIAS] },
        .norm_wide = s->query_norm > largest,
        .window = window == WINDOW_ALTERNATE || window == WINDOW_BUT_EVERY || adjusted ? window
                                                                                       : WINDOW_ALL,
        .window_every = { NULL, published ? published->window_every.preset : 0 },
        .window_every_dense = { NULL, published ? published->window_every_dense.preset : 0 },
        .window_rope = published && published->window_rope,
        .window_preset = published ? published->window_preset : 0,
        .clip_key = "attention.clamp_kqv",
        .value_size = { shorter ? "attention.value_length" : NULL, head },
        .value_scale_key = "attention.value_scale",
        .latent.is_latent = latent,
        .rope_grows = latent,
        .adjust = published ? published->adjust : NULL,
    };
    vkmoe_gguf_set_factors(published, whole);
    set_attention_names(own, architecture, whole);
}

// What would only be left out if it were absent, and is not what the architecture computes.
static void check_needed(
    const struct gguf *own, const struct architecture *architecture, struct settings *settings)
{
    const struct gguf_survey *s = &own->survey;
    const uint64_t fused = s->there[GGUF_FUSED_BIAS] ? NEEDS_BIASES : 0;
    if (own->blocks > 0 && !s->there[GGUF_SHARED_UP]
        && vkmoe_setting_u32(settings, "expert_shared_count", 0, 0, UINT32_MAX) > 0)
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "no block has ffn_up_shexp.weight, though expert_shared_count is not 0");
    for (uint32_t i = 0; i < GGUF_NAMES && own->blocks > 0; i++) {
        if ((architecture->needs & ~fused) >> i & 1 && !s->there[i])
            vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
                "no block has %s, which those of %s must have", vkmoe_gguf_text((enum gguf_name)i),
                architecture->name);
    }
    if (own->blocks > 0 && gguf_is_grok(architecture->needs) && !s->there[GGUF_LAST_NORM]
        && !s->there[GGUF_POST_NORM])
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "no block has layer_output_norm.weight or post_ffw_norm.weight, one of which those of "
            "%s must have",
            architecture->name);
}

static bool is_known_scaling(const struct gguf *own, const char *name)
{
    static const char *const known[] = { "none", "linear", "yarn" };
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        if (strcmp(name, known[i]) == 0)
            return !own->survey.has_long_divisors;
    }
    return strcmp(name, "longrope") == 0 && own->survey.has_long_divisors;
}

// A tensor that nobody reads; NULL: there is none.
static const struct tensor *find_unread(const struct gguf_survey *s, const struct whole *whole)
{
    const struct tensor *const biases[] = { s->there[GGUF_ATTENTION_NORM_BIAS],
        s->there[GGUF_EXPERTS_NORM_BIAS], s->final_norm_bias };
    const struct tensor *found = s->unknown;
    if (!found && whole->parallel)
        found = s->there[GGUF_EXPERTS_NORM];
    for (size_t i = 0; i < ARRAY_SIZE(biases) && !whole->layer_norm && !found; i++)
        found = biases[i];
    return found;
}

// Whether queries grow with their positions otherwise than by steps of the context that YaRN
// stretches.
static bool grows_otherwise(const struct gguf *own, struct settings *settings)
{
    const char *scaling = vkmoe_setting_string(settings, "rope.scaling.type", "");
    const uint32_t trained =
        vkmoe_setting_u32(settings, "rope.scaling.original_context_length", 0, 0, UINT32_MAX);
    const uint32_t step =
        vkmoe_setting_u32(settings, "attention.temperature_length", trained, 0, UINT32_MAX);
    return own->whole.window != WINDOW_CHUNKS
        && vkmoe_setting_number(settings, "attention.temperature_scale", 0.0) != 0.0
        && (strcmp(scaling, "yarn") != 0 || step != trained);
}

// Why a model does not run whole; "": it does.
static void find_obstacle(
    struct gguf *own, const struct architecture *architecture, struct settings *settings)
{
    char *text = own->not_whole;
    const uint32_t key = vkmoe_setting_u32(settings, "attention.key_length", 0, 0, UINT32_MAX);
    const uint32_t value =
        vkmoe_setting_u32(settings, "attention.value_length", key, 0, UINT32_MAX);
    const bool capped = (!own->whole.soft_cap_key
                            && vkmoe_setting_number(settings, "attn_logit_softcapping", 0.0) != 0.0)
        || (!own->whole.logits_cap_key
            && vkmoe_setting_number(settings, "final_logit_softcapping", 0.0) != 0.0);
    const char *scaling = vkmoe_setting_string(settings, "rope.scaling.type", NULL);
    const double base = vkmoe_setting_number(settings, "rope.freq_base", 1e4);
    const double base_of_windows = vkmoe_setting_number(settings, "rope.freq_base_swa", base);
    const struct tensor *unread = find_unread(&own->survey, &own->whole);
    char shown[64];
    *text = '\0';
    if (architecture->not_whole)
        snprintf(text, sizeof own->not_whole, "the architecture has %s", architecture->not_whole);
    else if (unread)
        snprintf(
            text, sizeof own->not_whole, "it does not know what tensor %s is for", unread->name);
    else if (scaling && !is_known_scaling(own, scaling))
        snprintf(text, sizeof own->not_whole, "rope.scaling.type is \"%s\"",
            vkmoe_printable(scaling, shown, sizeof shown));
    else if (own->whole.window == WINDOW_CHUNKS
        && vkmoe_setting_u32(settings, "attention.sliding_window", 1, 0, UINT32_MAX) == 0)
        snprintf(text, sizeof own->not_whole, "its attention is without chunks");
    else if (own->whole.window_rope
        && vkmoe_setting_u32(settings, "attention.sliding_window", 0, 0, UINT32_MAX) == 0)
        snprintf(text, sizeof own->not_whole, "its attention is without windows");
    else if (own->whole.rope.kind != VKMOE_ROPE_NONE && !(architecture->ways & WINDOWS_BASE)
        && base_of_windows != base)
        snprintf(text, sizeof own->not_whole, "rope.freq_base_swa is %g, but rope.freq_base %g",
            base_of_windows, base);
    else if (grows_otherwise(own, settings))
        snprintf(text, sizeof own->not_whole,
            "attention.temperature_scale is there without YaRN, or with other steps than its");
    else if (own->lacks_heads)
        snprintf(
            text, sizeof own->not_whole, "some blocks have no attention, as head counts of 0 say");
    else if (key != value && !own->whole.value_size.key
        && !vkmoe_setting_find(settings, "kv_lora_rank"))
        snprintf(text, sizeof own->not_whole, "keys and values differ in size");
    else if (capped)
        snprintf(text, sizeof own->not_whole, "the logits are capped");
}

// ------------------------------------------------------------------------------- all

struct kind vkmoe_gguf_family(const struct container *container, struct settings *settings)
{
    struct gguf *own = container->own;
    const struct architecture *architecture = find_architecture(own->name);
    char name[64];
    if (!own->name)
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID, "needs general.architecture, a string");
    else if (!architecture)
        vkmoe_setting_fail(settings, VKMOE_ERROR_UNSUPPORTED,
            "general.architecture is \"%s\", which this version does not know",
            vkmoe_printable(own->name, name, sizeof name));
    if (!architecture)
        return (struct kind){ 0 };
    static const struct family blank = { HIDDEN_ACT };
    const struct family *base = vkmoe_family_named(architecture->family).family;
    struct family *family = &own->family;
    *family = base ? *base : blank;
    family->name =
        base && strcmp(base->name, architecture->family) == 0 ? base->name : architecture->family;
    family->prefix = "blk.{b}.";
    family->blocks = (struct setting){ "block_count", 0 };
    family->hidden = (struct setting){ "embedding_length", 0 };
    family->inner = (struct setting){ "expert_feed_forward_length|feed_forward_length", 0 };
    family->dense_inner = (struct setting){
        architecture->needs & BIT(OWN_NORM) ? "embedding_length" : "feed_forward_length", 0
    };
    family->experts = (struct setting){ "expert_count", 0 };
    family->experts_per_token = (struct setting){ "expert_used_count", 0 };
    family->shared_inner = (struct setting){ "shared_inner", 0 };
    family->latent = (struct setting){ "moe_latent_size", 0 };
    family->shared_count = family->router_bias = family->correction_bias =
        (struct setting){ NULL, 1 };
    family->layout = 0;
    family->mark = mark;
    memset(family->expect, 0, sizeof family->expect);
    if (family->preset.router.select == VKMOE_SELECT_SPARSEMIXER)
        family->expect[0] = "expert_used_count=2"; // one after the other, as it is defined
    if (architecture->weights == WEIGHTS_BY_KEY)
        family->adjust = NULL; // keys say all of the weights
    set_gate(architecture, settings, family);
    set_expert_names(own, family);
    if (!architecture->not_whole)
        set_whole(own, architecture, settings, base ? base->whole : NULL, &own->whole);
    check_needed(own, architecture, settings);
    find_obstacle(own, architecture, settings);
    family->aliases = NULL;
    family->norms_less_1 = false; // converters have added it
    family->whole = *own->not_whole ? NULL : &own->whole;
    family->not_whole = own->not_whole;
    return settings->status == VKMOE_OK ? (struct kind){ .family = family } : (struct kind){ 0 };
}
