// gguf_convert_blocks.c - what GGUF's keys say of blocks that are not all alike: which have
// windows, and heads and RoPE of their own.
#include "checkpoint/gguf_convert.h"

#include <math.h>

#include "base/common.h"
#include "base/log.h"
#include "base/try.h"

// What an architecture has without saying so: of four blocks three have RoPE, chunks, and norms
// without weights unless it has 128 experts; of the fourth queries grow with their positions.
static bool is_fixed(
    const struct gguf_converter *c, const struct vkmoe_attention_params *p, uint32_t block)
{
    enum { EVERY = 4, CHUNK = 8192, LARGE = 128 };
    const struct vkmoe_pattern *pattern = p->patterns;
    if ((block + 1) % EVERY == 0)
        return !pattern && p->rope.kind == VKMOE_ROPE_NONE && !p->query.norm.data
            && p->temperature.floor == CHUNK && fabsf(p->temperature.scale - 0.1f) < 1e-6f;
    return pattern && pattern->kind == VKMOE_PATTERN_CHUNKED && pattern->block == CHUNK
        && p->rope.kind != VKMOE_ROPE_NONE && p->temperature.scale == 0.0f
        && (p->query.norm.data != NULL) == (c->moe.experts != LARGE);
}

// Whether a block is turned where it has a window, and not elsewhere.
static bool has_window_rope(const struct vkmoe_attention_params *p, uint32_t block)
{
    const bool window = (block + 1) % 4 != 0;
    return (p->patterns != NULL) == window && (p->rope.kind != VKMOE_ROPE_NONE) == window;
}

static bool is_plain_window(const struct vkmoe_pattern *pattern)
{
    return pattern->kind == VKMOE_PATTERN_WINDOW && !pattern->sinks && !pattern->local;
}

// The window of a block's attention, or 0.
static enum vkmoe_status read_window(struct gguf_converter *c, uint32_t block, uint32_t *out)
{
    struct vkmoe_attention_params p = { VKMOE_INIT(vkmoe_attention_params) };
    TRY_RETURN(
        vkmoe_checkpoint_get_attention(c->checkpoint, (struct vkmoe_block){ .index = block }, &p));
    const struct vkmoe_pattern *pattern = p.patterns;
    *out = pattern ? pattern->left : 0;
    if (c->target.fixed_chunks && !is_fixed(c, &p, block))
        GGUF_REFUSE(c, "which keys its attention sees and how positions count");
    else if (c->target.fourth_full && !has_window_rope(&p, block))
        GGUF_REFUSE(c, "which of its blocks have windows and RoPE");
    else if (c->target.fixed_chunks)
        *out = 0;
    else if (pattern && !is_plain_window(pattern))
        GGUF_REFUSE(c, "which keys its attention sees");
    return c->out->status;
}

static enum vkmoe_status put_windows(struct gguf_converter *c)
{
    uint32_t first = 0, with = 0;
    bool alternate = true;
    for (uint32_t b = 0; b < c->frame.blocks; b++) {
        uint32_t window;
        TRY_RETURN(read_window(c, b, &window));
        if (window && first && window != first)
            GGUF_REFUSE(c, "that its windows differ");
        first = window ? window : first;
        with += window != 0;
        alternate = alternate && (window != 0) == (b % 2 == 0);
    }
    if (with == 0)
        return c->out->status;
    if (!c->target.fourth_full
        && (c->target.alternate_window ? !alternate : with != c->frame.blocks))
        GGUF_REFUSE(c, "which of its blocks have windows");
    if (!c->target.fourth_full && !c->target.alternate_window && first < c->frame.max_positions)
        GGUF_UNKNOWN(c, "blocks have windows");
    vkmoe_gguf_put_own_u32(c, "attention.sliding_window", first);
    return c->out->status;
}

// Blocks with a window, which have heads and RoPE of their own, and those that see everything.
static enum vkmoe_status put_kinds(struct gguf_converter *c)
{
    struct vkmoe_attention_params with = { VKMOE_INIT(vkmoe_attention_params) };
    int32_t heads[MAX_BLOCKS];
    bool windows[MAX_BLOCKS];
    for (uint32_t b = 0; b < c->frame.blocks; b++) {
        struct vkmoe_attention_params p = { VKMOE_INIT(vkmoe_attention_params) };
        TRY_RETURN(
            vkmoe_checkpoint_get_attention(c->checkpoint, (struct vkmoe_block){ .index = b }, &p));
        heads[b] = (int32_t)p.kv_heads;
        windows[b] = p.patterns != NULL;
        if (windows[b])
            with = p;
        if (windows[b] && p.rope_divisors.data)
            GGUF_REFUSE(c, "how its positions are embedded");
        if (p.query.bias.data || p.output.bias.data)
            GGUF_REFUSE(c, "that its attention has biases");
    }
    if (!with.patterns) {
        GGUF_REFUSE(c, "that no block has a window");
        return c->out->status;
    }
    vkmoe_gguf_put_own_list(c, "attention.head_count_kv", GGUF_ITEMS_I32, heads, sizeof *heads);
    vkmoe_gguf_put_own_list(
        c, "attention.sliding_window_pattern", GGUF_ITEMS_BOOL, windows, sizeof *windows);
    vkmoe_gguf_put_own_u32(c, "attention.sliding_window", with.patterns->left);
    vkmoe_gguf_put_own_u32(c, "attention.key_length_swa", with.head_size);
    vkmoe_gguf_put_own_u32(c, "attention.value_length_swa", with.head_size);
    vkmoe_gguf_put_own_u32(c, "rope.dimension_count_swa", with.head_size);
    vkmoe_gguf_put_own_f32(c, "rope.freq_base_swa", with.rope.base);
    vkmoe_gguf_put_own_u32(c, "attention.shared_kv_layers", 0);
    vkmoe_gguf_put_own_u32(c, "embedding_length_per_layer_input", 0);
    return c->out->status;
}

// Attention of all blocks: lists of what may differ from one to the next, and of those without a
// window and those with one what the first of them has.
struct survey {
    int32_t heads[MAX_BLOCKS], kv_heads[MAX_BLOCKS];
    bool windows[MAX_BLOCKS], turned[MAX_BLOCKS];
    bool there[2];
    struct vkmoe_attention_params first[2];
};

static bool is_alike(const struct vkmoe_attention_params *a, const struct vkmoe_attention_params *b)
{
    const bool turned = a->rope.kind != VKMOE_ROPE_NONE && b->rope.kind != VKMOE_ROPE_NONE;
    return a->head_size == b->head_size && a->value_size == b->value_size
        && (!turned
            || (a->rope.base == b->rope.base && a->rope.size == b->rope.size
                && a->rope.scaling == b->rope.scaling))
        && (!a->patterns || a->patterns->left == b->patterns->left);
}

static enum vkmoe_status survey_blocks(struct gguf_converter *c, struct survey *out)
{
    *out = (struct survey){ .there = { false } };
    for (uint32_t b = 0; b < c->frame.blocks; b++) {
        struct vkmoe_attention_params p = { VKMOE_INIT(vkmoe_attention_params) };
        TRY_RETURN(
            vkmoe_checkpoint_get_attention(c->checkpoint, (struct vkmoe_block){ .index = b }, &p));
        const bool window = p.patterns != NULL;
        if (window && !is_plain_window(p.patterns))
            GGUF_REFUSE(c, "which keys its attention sees");
        if (out->there[window] && !is_alike(&p, &out->first[window]))
            GGUF_REFUSE(c, "how attention differs among its blocks of a kind");
        if (!out->there[window])
            out->first[window] = p;
        out->there[window] = true;
        out->heads[b] = (int32_t)p.heads;
        out->kv_heads[b] = (int32_t)p.kv_heads;
        out->windows[b] = window;
        out->turned[b] = p.rope.kind != VKMOE_ROPE_NONE;
    }
    return c->out->status;
}

// One number if all are alike.
static void put_counts(struct gguf_converter *c, const char *name, const int32_t *counts)
{
    bool alike = true;
    for (uint32_t b = 1; b < c->frame.blocks; b++)
        alike = alike && counts[b] == counts[0];
    if (alike)
        vkmoe_gguf_put_own_u32(c, name, (uint32_t)counts[0]);
    else
        vkmoe_gguf_put_own_list(c, name, GGUF_ITEMS_I32, counts, sizeof *counts);
}

// RoPE of blocks with a window. Where these have their own, the scaling is that of the others.
static void put_rope_of_windows(struct gguf_converter *c, const struct survey *s)
{
    const struct vkmoe_attention_params *own = &s->first[true];
    const uint32_t turned = own->rope.size ? own->rope.size : own->head_size;
    const bool scaled = own->rope.scaling != 0;
    if (own->head_size != c->attention.head_size || own->value_size != c->attention.value_size)
        GGUF_REFUSE(c, "that heads of blocks with a window have a size of their own");
    if (c->target.windows_rope ? scaled && s->there[false]
                               : own->rope.scaling != c->attention.rope.scaling)
        GGUF_REFUSE(c, "how RoPE of blocks with a window is scaled");
    if (!c->target.no_full_rope)
        vkmoe_gguf_put_own_f32(
            c, "rope.freq_base_swa", own->rope.base != 0.0f ? own->rope.base : 1e4f);
    if (turned != vkmoe_gguf_turned_size(c) * (c->target.halves ? 2 : 1)) {
        if (!c->target.windows_rope)
            GGUF_REFUSE(c, "how much of heads RoPE turns in blocks with a window");
        vkmoe_gguf_put_own_u32(c, "rope.dimension_count_swa", turned);
    }
}

// Which blocks have windows. Of some architectures llama.cpp has all but each fourth, from the
// first on, whatever a file says.
static void put_pattern(struct gguf_converter *c, const bool *windows)
{
    bool usual = c->target.first_full;
    for (uint32_t b = 0; b < c->frame.blocks; b++)
        usual = usual && windows[b] == (b % 4 != 0);
    if (usual)
        return;
    vkmoe_gguf_put_own_list(
        c, "attention.sliding_window_pattern", GGUF_ITEMS_BOOL, windows, sizeof *windows);
    if (c->target.first_full && c->target.no_full_rope) // nor is there anything that it says here
        GGUF_REFUSE(c, "which of its blocks have windows and RoPE");
    else if (c->target.first_full)
        GGUF_UNKNOWN(c, "other blocks than each fourth have no window");
}

static void check_turned(struct gguf_converter *c, const struct survey *s)
{
    for (uint32_t b = 0; b < c->frame.blocks; b++) {
        const bool dense =
            !vkmoe_checkpoint_is_moe(c->checkpoint, (struct vkmoe_block){ .index = b });
        const bool turned = !c->target.no_full_rope || s->windows[b] || dense || !s->there[true];
        if (s->turned[b] != turned) {
            GGUF_REFUSE(c, "which of its blocks have RoPE");
            return;
        }
    }
}

static enum vkmoe_status put_lists(struct gguf_converter *c)
{
    struct survey survey;
    TRY_RETURN(survey_blocks(c, &survey));
    put_counts(c, "attention.head_count", survey.heads);
    put_counts(c, "attention.head_count_kv", survey.kv_heads);
    check_turned(c, &survey);
    if (!survey.there[true]) {
        if (!c->target.first_full)
            GGUF_REFUSE(c, "that no block has a window");
        return c->out->status;
    }
    const uint32_t window = survey.first[true].patterns->left;
    put_pattern(c, survey.windows);
    vkmoe_gguf_put_own_u32(c, "attention.sliding_window", window);
    if (c->target.first_full && c->target.no_full_rope && window != 4096)
        GGUF_UNKNOWN(c, "its windows are not of 4096 positions");
    put_rope_of_windows(c, &survey);
    return c->out->status;
}

enum vkmoe_status vkmoe_gguf_put_blocks(struct gguf_converter *c)
{
    return c->target.extras ? put_kinds(c) : c->target.lists ? put_lists(c) : put_windows(c);
}
