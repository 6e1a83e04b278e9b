// tokenizer_files.c - see tokenizer_files.h. Which file says what, and which has the last word, is
// as in Hugging Face's classes for sentencepiece, whose `added_tokens_decoder` is the newer form
// of added_tokens.json.
#include "tokenizer/tokenizer_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/try.h"

enum {
    T5_SENTINELS = 100,
    MAX_SENTINELS = 65536,
    MAX_NAMED = 4096,
};

static const char config_name[] = "tokenizer_config.json";
static const char added_name[] = "added_tokens.json";
static const char map_name[] = "special_tokens_map.json";

struct reader {
    struct tokenizer_files *files;
    const struct vkmoe_log *log;
    const char *checkpoint;
    const struct pieces *pieces;
    struct value *config, *added, *map; // NULL: there is no such file
    uint32_t next_id;                   // after all there are
    uint32_t named;
};

static const struct value *find(const struct value *object, const char *key)
{
    const struct value *item = vkmoe_value_member(object, key);
    return value_is(item, VALUE_NULL) ? NULL : item;
}

static bool read_bool(const struct value *config, const char *key, bool preset)
{
    const struct value *item = vkmoe_value_member(config, key);
    return value_is(item, VALUE_BOOL) ? value_is_true(item) : preset;
}

// ---------------------------------------------------------------------------- tokens

static enum vkmoe_status refuse(
    const struct reader *r, const char *file, const char *what, const char *text)
{
    char shown[64];
    return vkmoe_fail(r->log, VKMOE_ERROR_INVALID, "%s/%s: %s \"%s\"", r->checkpoint, file, what,
        vkmoe_printable(text, shown, sizeof shown));
}

// Ids beyond 32 bits are also beyond every vocabulary.
static bool read_id(const struct value *item, const char *digits, uint32_t *id)
{
    uint64_t value = 0;
    if (item && !vkmoe_value_integer(item, &value))
        return false;
    if (!item && (!*digits || strspn(digits, "0123456789") != strlen(digits)))
        return false;
    if (!item)
        value = strtoull(digits, NULL, 10);
    *id = value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
    return true;
}

static void add(struct reader *r, struct special_token token)
{
    if (token.id >= r->next_id)
        r->next_id = token.id < UINT32_MAX ? token.id + 1 : UINT32_MAX;
    vkmoe_special_add(&r->files->special, token);
}

// A token as "text" or as {"content": "text", "lstrip": ...}; false if it is neither.
static bool read_token(const struct value *item, struct special_token *token)
{
    const struct value *text = value_is(item, VALUE_OBJECT) ? find(item, "content") : item;
    if (!value_is(text, VALUE_STRING))
        return false;
    token->text = text->text;
    token->size = strlen(text->text);
    token->has_flags = value_is(item, VALUE_OBJECT);
    token->left_strip = read_bool(item, "lstrip", false);
    token->right_strip = read_bool(item, "rstrip", false);
    token->single_word = read_bool(item, "single_word", false);
    token->is_blanks = value_is(item, VALUE_OBJECT) && !read_bool(item, "special", false)
        && vkmoe_is_blanks(token->text, token->size);
    return true;
}

// {"340": {"content": "<|im_end|>", ...}, ...}
static enum vkmoe_status add_decoder(struct reader *r)
{
    const struct value *decoder = find(r->config, "added_tokens_decoder");
    if (decoder && !value_is(decoder, VALUE_OBJECT))
        return vkmoe_fail(r->log, VKMOE_ERROR_INVALID,
            "%s/%s: added_tokens_decoder is not an object", r->checkpoint, config_name);
    VALUE_EACH(item, decoder)
    {
        struct special_token token = { .file = config_name };
        if (!value_is(item, VALUE_OBJECT) || !read_token(item, &token)
            || !read_id(NULL, item->name, &token.id))
            return refuse(r, config_name, "added_tokens_decoder has no token for", item->name);
        add(r, token);
    }
    return VKMOE_OK;
}

// {"<|im_end|>": 340, ...}
static enum vkmoe_status add_added(struct reader *r)
{
    VALUE_EACH(item, r->added)
    {
        struct special_token token = {
            .file = added_name, .text = item->name, .size = strlen(item->name)
        };
        if (!read_id(item, NULL, &token.id))
            return refuse(r, added_name, "has no id, an integer from 0, for", item->name);
        add(r, token);
    }
    return VKMOE_OK;
}

// T5's <extra_id_0>, ...: after the pieces, the first as the last.
static enum vkmoe_status add_sentinels(struct reader *r)
{
    const struct value *item = find(r->config, "extra_ids");
    uint64_t count = r->files->is_t5 ? T5_SENTINELS : 0;
    if (item && (!vkmoe_value_integer(item, &count) || count > MAX_SENTINELS))
        return vkmoe_fail(r->log, VKMOE_ERROR_INVALID,
            "%s/%s: extra_ids is not an integer from 0 to %d", r->checkpoint, config_name,
            MAX_SENTINELS);
    const uint32_t first = vkmoe_pieces_count(r->pieces);
    for (uint32_t i = 0; i < count; i++) {
        char text[32];
        const int size = snprintf(text, sizeof text, "<extra_id_%u>", i);
        if (vkmoe_pieces_find(r->pieces, text, (size_t)size) < 0)
            add(r,
                (struct special_token){ .text = text,
                    .size = (size_t)size,
                    .id = first + (uint32_t)count - 1 - i,
                    .left_strip = true,
                    .right_strip = true });
    }
    return VKMOE_OK;
}

static void add_pieces(struct reader *r)
{
    for (uint32_t id = 0; id < vkmoe_pieces_count(r->pieces); id++) {
        if (vkmoe_pieces_kind(r->pieces, id) == PIECE_TEXT)
            continue;
        struct special_token token = { .id = id };
        token.text = vkmoe_pieces_text(r->pieces, id, &token.size);
        add(r, token);
    }
}

// A token that is special by its name alone. Its id is known by now, or that of the piece of this
// name, or the next that is free.
static enum vkmoe_status add_named(
    struct reader *r, const char *file, const char *key, const struct value *item)
{
    struct special_token token = { .file = file };
    if (!read_token(item, &token))
        return refuse(r, file, "no token is given by", key);
    const struct special_token *found =
        vkmoe_special_find(&r->files->special, token.text, token.size);
    struct special_token *known =
        found ? &r->files->special.tokens[found - r->files->special.tokens] : NULL;
    if (known && token.has_flags && !known->has_flags) {
        known->has_flags = true;
        known->left_strip = token.left_strip;
        known->right_strip = token.right_strip;
        known->single_word = token.single_word;
    }
    if (known)
        return VKMOE_OK;
    if (r->named++ == MAX_NAMED)
        return vkmoe_fail(r->log, VKMOE_ERROR_INVALID, "%s/%s: names more than %d special tokens",
            r->checkpoint, file, MAX_NAMED);
    const int64_t id = vkmoe_pieces_find(r->pieces, token.text, token.size);
    token.id = id >= 0 ? (uint32_t)id : r->next_id;
    add(r, token);
    return VKMOE_OK;
}

static enum vkmoe_status add_all_named(
    struct reader *r, const char *file, const struct value *object)
{
    static const char *const names[] = { "bos_token", "eos_token", "unk_token", "sep_token",
        "pad_token", "cls_token", "mask_token" };
    static const char *const lists[] = { "additional_special_tokens", "extra_special_tokens" };
    enum vkmoe_status status = 0;
    for (size_t i = 0; status == VKMOE_OK && i < sizeof names / sizeof *names; i++) {
        const struct value *item = find(object, names[i]);
        if (item)
            status = add_named(r, file, names[i], item);
    }
    for (size_t i = 0; status == VKMOE_OK && i < sizeof lists / sizeof *lists; i++) {
        const struct value *list = find(object, lists[i]);
        if (list && !value_is(list, VALUE_LIST) && !value_is(list, VALUE_OBJECT))
            return vkmoe_fail(r->log, VKMOE_ERROR_INVALID, "%s/%s: %s is not a list", r->checkpoint,
                file, lists[i]);
        VALUE_EACH(item, list)
        {
            status = add_named(r, file, lists[i], item);
            if (status != VKMOE_OK)
                break;
        }
    }
    return status;
}

static enum vkmoe_status check_memory(const struct reader *r)
{
    return r->files->special.lacks_memory
        ? vkmoe_fail(r->log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: out of host memory", r->checkpoint)
        : VKMOE_OK;
}

static enum vkmoe_status add_tokens(struct reader *r)
{
    r->next_id = vkmoe_pieces_count(r->pieces);
    TRY_RETURN(add_decoder(r));
    TRY_RETURN(add_added(r));
    TRY_RETURN(add_sentinels(r));
    add_pieces(r);
    const struct special_token *torn = vkmoe_special_sort(&r->files->special);
    if (torn)
        return refuse(r, torn->file, "there are two ids for", torn->text);
    TRY_RETURN(add_all_named(r, config_name, r->config));
    TRY_RETURN(add_all_named(r, map_name, r->map));
    vkmoe_special_sort(&r->files->special);
    return check_memory(r);
}

// ------------------------------------------------------------------------------ ends

// The token that the files name so, else the piece; -1: there is none, or null is named.
static int64_t find_end(struct reader *r, const char *key, int64_t piece)
{
    const struct value *item = vkmoe_value_member(r->config, key);
    struct special_token token;
    if (!item)
        item = vkmoe_value_member(r->map, key);
    if (!item || !read_token(item, &token))
        return value_is(item, VALUE_NULL) ? -1 : piece;
    const struct special_token *known =
        vkmoe_special_find(&r->files->special, token.text, token.size);
    return known ? known->id : piece;
}

// T5's texts end with a token and others' begin with one, unless the files say otherwise.
static void read_ends(struct reader *r)
{
    struct tokenizer_files *files = r->files;
    files->bos = find_end(r, "bos_token", vkmoe_pieces_begin(r->pieces));
    files->eos = find_end(r, "eos_token", vkmoe_pieces_end(r->pieces));
    files->begin = read_bool(r->config, "add_bos_token", !files->is_t5) ? files->bos : -1;
    files->end = read_bool(r->config, "add_eos_token", files->is_t5) ? files->eos : -1;
}

static bool is_t5(const char *kind)
{
    return strncmp(kind, "T5", 2) == 0 || strncmp(kind, "MT5", 3) == 0;
}

enum vkmoe_status vkmoe_tokenizer_files_read(
    struct tokenizer_files *files, const struct source *source, const struct pieces *pieces)
{
    struct reader r = {
        .files = files, .log = source->log, .checkpoint = source->path, .pieces = pieces
    };
    enum vkmoe_status status;
    TRY(vkmoe_source_read_json(source, config_name, &r.config));
    TRY(vkmoe_source_read_json(source, added_name, &r.added));
    TRY(vkmoe_source_read_json(source, map_name, &r.map));
    const struct value *kind = vkmoe_value_member(r.config, "tokenizer_class");
    if (value_is(kind, VALUE_STRING))
        files->is_t5 = is_t5(kind->text);
    files->legacy = read_bool(r.config, "legacy", true);
    files->prefix = read_bool(r.config, "add_prefix_space", true);
    TRY(add_tokens(&r));
    read_ends(&r);
    files->tokens = r.next_id;
fail:
    free(r.config);
    free(r.added);
    free(r.map);
    return status;
}
