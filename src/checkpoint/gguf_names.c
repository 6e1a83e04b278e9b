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

// {e} in a pattern stands for a number.
static bool matches(const char *pattern, const char *name)
{
    const char *brace = strchr(pattern, '{');
    const size_t head = brace ? (size_t)(brace - pattern) : 0;
    uint32_t index;
    if (!brace)
        return strcmp(pattern, name) == 0;
    if (strncmp(pattern, name, head) != 0)
        return false;
    name += head;
    return read_index(&name, &index) && strcmp(brace + strlen("{e}"), name) == 0;
}

static void note_block(
    const struct tensor *tensor, const char *name, uint32_t block, struct gguf_survey *out)
{
    enum gguf_name i = 0;
    while (i < GGUF_NAMES && !matches(block_names[i], name))
        i++;
    if (i == GGUF_NAMES) {
        out->unknown = out->unknown ? out->unknown : tensor;
        return;
    }
    if (i == GGUF_ROUTER)
        out->moe[block] = true;
    else if (i == GGUF_SHARED_UP && !out->there[i])
        out->shared_inner = (uint32_t)MIN(tensor->shape[0], UINT32_MAX);
    else if (i == GGUF_QUERY_NORM && !out->there[i])
        out->query_norm = tensor->elements;
    out->there[i] = true;
}

void vkmoe_gguf_survey(const struct tensors *tensors, uint32_t blocks, struct gguf_survey *out)
{
    *out = (struct gguf_survey){ 0 };
    for (uint32_t i = 0; i < tensors->count; i++) {
        const struct tensor *tensor = &tensors->items[i];
        const char *name = tensor->name;
        uint32_t block;
        if (strncmp(name, "blk.", 4) == 0) {
            name += 4;
            if (read_index(&name, &block) && *name == '.' && block < MIN(blocks, MAX_BLOCKS))
                note_block(tensor, name + 1, block, out);
        } else if (strcmp(name, GGUF_HEAD) == 0) {
            out->has_head = true;
        } else if (strcmp(name, GGUF_ROPE_DIVISORS) == 0) {
            out->has_divisors = true;
        } else if (strcmp(name, GGUF_EMBEDDING) != 0 && strcmp(name, GGUF_FINAL_NORM) != 0) {
            out->unknown = out->unknown ? out->unknown : tensor;
        }
    }
}

const char *vkmoe_gguf_name(const struct gguf_survey *survey, enum gguf_name name)
{
    return survey->there[name] ? block_names[name] : NULL;
}
