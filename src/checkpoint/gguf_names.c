// gguf_names.c - see gguf_names.h.
#include "checkpoint/gguf_names.h"

#include <stdio.h>
#include <string.h>

#include "base/common.h"

static const char *const block_names[] = {
#define NAME(name, text) [GGUF_##name] = text,
    GGUF_BLOCK_NAMES(NAME)
#undef NAME
};

// Reads digits, and moves the text behind them; false if there are none, or too many.
static bool read_index(const char **text, uint32_t *out)
{
    const char *at = *text;
    *out = 0;
    for (; *at >= '0' && *at <= '9' && at - *text < 9; at++)
        *out = *out * 10 + (uint32_t)(*at - '0');
    const bool found = at > *text;
    *text = at;
    return found;
}

// {e} in a pattern stands for a number, below `count`.
static bool matches(const char *pattern, const char *name, uint32_t count)
{
    const char *brace = strchr(pattern, '{');
    const size_t head = brace ? (size_t)(brace - pattern) : 0;
    uint32_t index;
    if (!brace)
        return strcmp(pattern, name) == 0;
    if (strncmp(pattern, name, head) != 0)
        return false;
    name += head;
    return read_index(&name, &index) && index < count && strcmp(brace + strlen("{e}"), name) == 0;
}

static void note_unknown(const struct tensor *tensor, struct gguf_survey *out)
{
    out->unknown = out->unknown ? out->unknown : tensor;
}

// GGUF_NAMES: none of these.
static enum gguf_name find_name(const char *name, uint32_t experts)
{
    enum gguf_name i = 0;
    while (i < GGUF_NAMES && !matches(block_names[i], name, experts))
        i++;
    return i;
}

static void note_block(const struct tensor *tensor, enum gguf_name name, uint32_t block,
    const struct tensor *dense[], struct gguf_survey *out)
{
    const bool first = !out->there[name];
    if (name == GGUF_ROUTER)
        out->moe[block] = true;
    else if (name == GGUF_DENSE_GATE || name == GGUF_DENSE_UP || name == GGUF_DENSE_DOWN)
        dense[block] = tensor;
    else if (name == GGUF_SHARED_UP && first)
        out->shared_inner = (uint32_t)MIN(tensor->shape[0], UINT32_MAX);
    else if (name == GGUF_QUERY_NORM && first)
        out->query_norm = tensor->elements;
    out->keys += name == GGUF_KEY;
    out->values += name == GGUF_VALUE;
    if (first)
        out->there[name] = tensor;
}

// What has a name, but beside others that are read instead of it, or without.
static void note_unread(
    const struct tensor *const dense[], uint32_t blocks, uint64_t needs, struct gguf_survey *out)
{
    static const enum gguf_name others[] = { GGUF_POST_NORM, GGUF_DENSE_POST_NORM,
        GGUF_EXPERTS_PRE_NORM, GGUF_EXPERTS_POST_NORM, GGUF_BLOCK_SCALE, GGUF_HEAD_GATE,
        GGUF_OUTPUT_NORM, GGUF_LAST_NORM, GGUF_OWN_NORM };
    static const enum gguf_name shared[] = { GGUF_SHARED_GATE, GGUF_SHARED_DOWN,
        GGUF_SHARED_TOKEN_GATE };
    const bool grok = gguf_is_grok(needs), scaled = needs & GGUF_BIT(EXPERTS_PRE_NORM);
    const bool beside = scaled || grok || needs & GGUF_BIT(OWN_NORM);
    const enum gguf_name last = out->there[GGUF_LAST_NORM] ? GGUF_LAST_NORM : GGUF_POST_NORM;
    const uint64_t read = needs | (grok ? UINT64_C(1) << last : scaled ? GGUF_BIT(BLOCK_SCALE) : 0);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        if (!(read >> others[i] & 1))
            note_unknown(out->there[others[i]], out);
    }
    if ((out->there[GGUF_EXPERTS_NORM] && !(needs & GGUF_BIT(POST_NORM)))
        || (needs & GGUF_BIT(OUTPUT_NORM) && !grok))
        note_unknown(out->there[GGUF_POST_ATTENTION_NORM], out);
    if (needs & GGUF_BIT(OUTPUT_NORM) && !grok)
        note_unknown(out->there[GGUF_EXPERTS_NORM], out);
    for (size_t i = 0; i < ARRAY_SIZE(shared) && (grok || !out->there[GGUF_SHARED_UP]); i++)
        note_unknown(out->there[shared[i]], out);
    if (grok)
        note_unknown(out->there[GGUF_SHARED_UP], out);
    if (grok && !out->there[GGUF_DENSE_UP])
        note_unknown(
            out->there[out->there[GGUF_DENSE_GATE] ? GGUF_DENSE_GATE : GGUF_DENSE_DOWN], out);
    for (uint32_t b = 0; b < blocks && !beside; b++) {
        if (out->moe[b])
            note_unknown(dense[b], out);
    }
}

// Of which there are two, or none that is known.
static bool is_long_divisors(const struct tensors *tensors, const char *name)
{
    const bool is_short = strcmp(name, GGUF_SHORT_DIVISORS) == 0;
    if (!is_short && strcmp(name, GGUF_LONG_DIVISORS) != 0)
        return false;
    return vkmoe_tensors_find(tensors, is_short ? GGUF_LONG_DIVISORS : GGUF_SHORT_DIVISORS);
}

void vkmoe_gguf_survey(
    const struct tensors *tensors, const struct gguf_counts *counts, struct gguf_survey *out)
{
    const struct tensor *dense[MAX_BLOCKS] = { NULL };
    const uint32_t blocks = MIN(counts->blocks, MAX_BLOCKS);
    *out = (struct gguf_survey){ 0 };
    for (uint32_t i = 0; i < tensors->count; i++) {
        const struct tensor *tensor = &tensors->items[i];
        const char *name = tensor->name;
        uint32_t block;
        if (strncmp(name, "blk.", 4) == 0) {
            name += 4;
            const bool found = read_index(&name, &block) && *name == '.';
            const enum gguf_name known =
                found && block < blocks ? find_name(name + 1, counts->experts) : GGUF_NAMES;
            if (known != GGUF_NAMES)
                note_block(tensor, known, block, dense, out);
            else if (!found || block < blocks || block >= counts->all)
                note_unknown(tensor, out);
        } else if (strcmp(name, GGUF_HEAD) == 0) {
            out->has_head = true;
        } else if (strcmp(name, GGUF_ROPE_DIVISORS) == 0) {
            out->has_divisors = true;
        } else if (strcmp(name, GGUF_HEAD_BIAS) == 0) {
            out->has_head_bias = true;
        } else if (strcmp(name, GGUF_FINAL_NORM_BIAS) == 0) {
            out->final_norm_bias = tensor;
        } else if (is_long_divisors(tensors, name)) {
            out->has_long_divisors = true;
        } else if (strcmp(name, GGUF_EMBEDDING) != 0 && strcmp(name, GGUF_FINAL_NORM) != 0) {
            note_unknown(tensor, out);
        }
    }
    if (gguf_is_grok(counts->needs) && out->there[GGUF_DENSE_UP])
        out->shared_inner = (uint32_t)MIN(out->there[GGUF_DENSE_UP]->shape[0], UINT32_MAX);
    note_unread(dense, blocks, counts->needs, out);
}

const char *vkmoe_gguf_text(enum gguf_name name)
{
    return block_names[name];
}

const char *vkmoe_gguf_name(const struct gguf_survey *survey, enum gguf_name name)
{
    return survey->there[name] ? block_names[name] : NULL;
}
