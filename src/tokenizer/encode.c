// encode.c - see vkmoe/tokenizer.h: text to tokens.
//
// Special tokens cut a text into sections, each of which sentencepiece makes tokens of by itself.
// What a section begins with is as Hugging Face has it: with "legacy" in tokenizer_config.json
// true or absent, as in Mixtral's, a blank of the tokenizer's own is put before each; with
// "legacy" false only before a text that begins with a section.
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/params.h"
#include "tokenizer/tokenizer.h"

#define MAX_TEXT ((size_t)1 << 30)

struct list {
    const vkmoe_tokenizer *tokenizer;
    uint32_t *tokens, count, room;
};

static enum vkmoe_status append(struct list *list, const uint32_t *tokens, uint32_t count)
{
    const vkmoe_tokenizer *t = list->tokenizer;
    if (count > list->room - list->count) {
        const uint64_t room = 2 * ((uint64_t)list->count + count);
        uint32_t *more = room <= UINT32_MAX ? realloc(list->tokens, room * sizeof *more) : NULL;
        if (!more)
            return vkmoe_fail(
                &t->log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: out of host memory", t->path);
        list->tokens = more;
        list->room = (uint32_t)room;
    }
    if (count)
        memcpy(list->tokens + list->count, tokens, count * sizeof *tokens);
    list->count += count;
    return VKMOE_OK;
}

static enum vkmoe_status append_section(
    const vkmoe_tokenizer *t, const char *text, size_t size, bool prefix, struct list *list)
{
    const char *why = NULL;
    uint32_t count,
        *tokens = t->bpe ? vkmoe_bpe_encode(t->bpe, text, size, prefix, &count, &why)
                         : vkmoe_pieces_encode(t->pieces, text, size, prefix, &count, &why);
    if (!tokens)
        return vkmoe_fail(&t->log, why ? VKMOE_ERROR_UNSUPPORTED : VKMOE_ERROR_OUT_OF_MEMORY,
            "%s: the tokenizer fails on a text of %zu bytes: %s", t->path, size,
            why ? why : "out of host memory");
    const enum vkmoe_status status = append(list, tokens, count);
    free(tokens);
    return status;
}

static enum vkmoe_status append_special(
    const vkmoe_tokenizer *t, const struct special_token *token, struct list *list)
{
    char shown[64];
    if (token->id >= t->vocabulary)
        return vkmoe_fail(&t->log, VKMOE_ERROR_INVALID,
            "%s%s%s: \"%s\", which is in the text, is token %u, the model's vocabulary "
            "ends at %u",
            t->path, token->file ? "/" : "", token->file ? token->file : "",
            vkmoe_printable(token->text, shown, sizeof shown), token->id, t->vocabulary - 1);
    return append(list, &token->id, 1);
}

// The first special token from `from` on that lies where such are looked for. Added tokens that are
// blanks alone, and not called special, are found anywhere: they are how a model was taught code.
// *range: no range before it reaches beyond `from`; moves on with *at.
static const struct special_token *next_special(const vkmoe_tokenizer *t,
    const struct vkmoe_encode_params *params, size_t from, uint32_t *range, size_t *at)
{
    const struct special *special = &t->files.special;
    const struct special_token *token = NULL;
    for (*at = from; *at < params->size && !token; *at += !token) {
        while (*range < params->range_count && params->ranges[*range].end <= *at)
            ++*range;
        const bool last = *range == params->range_count;
        const bool inside = !last && params->ranges[*range].begin <= *at;
        if (inside || special->has_blanks)
            token = vkmoe_special_at(special, params->text,
                inside ? params->ranges[*range].end : params->size, *at, !inside);
        else
            *at = (last ? params->size : params->ranges[*range].begin) - 1;
    }
    return token;
}

static enum vkmoe_status append_sections(
    const vkmoe_tokenizer *t, const struct vkmoe_encode_params *params, struct list *list)
{
    const struct special_token *before = NULL, *token;
    const char *text = params->text;
    const size_t size = params->size;
    size_t at = 0, next = size;
    uint32_t range = 0;
    do {
        token = next_special(t, params, at, &range, &next);
        const size_t stop = token ? next : size;
        const size_t begin = before && before->right_strip ? vkmoe_skip_blanks(text, at, stop) : at;
        const size_t end = token && token->left_strip ? vkmoe_trim_blanks(text, begin, stop) : stop;
        const bool first = !params->goes_on && !before;
        if (begin < end)
            TRY_RETURN(append_section(
                t, text + begin, end - begin, t->files.legacy || (first && t->files.prefix), list));
        if (token)
            TRY_RETURN(append_special(t, token, list));
        at = token ? next + token->size : size;
        before = token;
    } while (token);
    return VKMOE_OK;
}

static enum vkmoe_status check(
    const struct caller *caller, const struct vkmoe_encode_params *params)
{
    size_t before = 0;
    if (params->special > VKMOE_SPECIAL_TOKENS_RANGES)
        return vkmoe_refuse(
            caller, VKMOE_ERROR_INVALID, "special is %d, no such place", (int)params->special);
    if (params->size >= MAX_TEXT)
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID,
            "a text of %zu bytes, expected less than 2^30", params->size);
    if (params->size && !params->text)
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID, "text is NULL");
    if (params->range_count && !params->ranges)
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID, "ranges is NULL");
    for (uint32_t i = 0; i < params->range_count; i++) {
        const struct vkmoe_text_range *range = &params->ranges[i];
        if (range->begin < before || range->end < range->begin || range->end > params->size)
            return vkmoe_refuse(caller, VKMOE_ERROR_INVALID,
                "ranges[%u] is from %zu to %zu, expected from %zu on, and to %zu at most", i,
                range->begin, range->end, before, params->size);
        before = range->end;
    }
    return VKMOE_OK;
}

// What the text becomes, with the tokens around it.
static enum vkmoe_status encode(const vkmoe_tokenizer *t, const struct vkmoe_encode_params *params,
    struct list *list, struct vkmoe_encoding *encoding)
{
    const int64_t begin = params->no_begin || params->goes_on ? -1 : t->files.begin;
    const int64_t end = params->no_end ? -1 : t->files.end;
    const bool written = params->special != VKMOE_SPECIAL_TOKENS_NOWHERE;
    if (begin >= 0)
        TRY_RETURN(append(list, &(uint32_t){ (uint32_t)begin }, 1));
    const uint32_t added = list->count;
    TRY_RETURN(append_sections(t, params, list));
    // Prompts made from a chat template begin with it already, and may end with it.
    encoding->begin_added =
        begin >= 0 && !(written && list->count > added && list->tokens[added] == begin);
    encoding->end_added =
        end >= 0 && !(written && list->count > added && list->tokens[list->count - 1] == end);
    if (added && !encoding->begin_added)
        memmove(list->tokens, list->tokens + added, --list->count * sizeof *list->tokens);
    return encoding->end_added ? append(list, &(uint32_t){ (uint32_t)end }, 1) : VKMOE_OK;
}

enum vkmoe_status vkmoe_tokenizer_encode(const vkmoe_tokenizer *tokenizer,
    const struct vkmoe_encode_params *params, struct vkmoe_encoding *encoding)
{
    const struct vkmoe_log *log = tokenizer ? &tokenizer->log : NULL;
    const struct caller caller = { log, __func__ };
    struct list list = { .tokenizer = tokenizer };
    VKMOE_NEED(log, tokenizer, "tokenizer");
    VKMOE_NEED(log, params, "params");
    VKMOE_NEED(log, encoding, "encoding");
    PARAMS_WHOLE(log, vkmoe_encode_params, params);
    TRY_RETURN(vkmoe_params_check(&caller, PARAMS_TYPE(vkmoe_encoding), encoding));
    VKMOE_NEED(log, encoding->tokens || encoding->room == 0, "encoding->tokens");
    TRY_RETURN(check(&caller, params));
    struct vkmoe_encode_params places = *params;
    const struct vkmoe_text_range everywhere = { 0, params->size };
    if (params->special == VKMOE_SPECIAL_TOKENS_EVERYWHERE)
        places.ranges = &everywhere;
    if (params->special != VKMOE_SPECIAL_TOKENS_RANGES)
        places.range_count = params->special == VKMOE_SPECIAL_TOKENS_EVERYWHERE;
    const enum vkmoe_status status = encode(tokenizer, &places, &list, encoding);
    if (status == VKMOE_OK) {
        encoding->count = list.count;
        if (list.count && list.count <= encoding->room)
            memcpy(encoding->tokens, list.tokens, list.count * sizeof *list.tokens);
    }
    free(list.tokens);
    return status;
}
