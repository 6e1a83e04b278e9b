// gguf_tokenizer.c - the tokenizer of a GGUF file as the files that other checkpoints have, so that
// it is used as one of those is.
#include "checkpoint/gguf_tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/log.h"
#include "base/try.h"
#include "checkpoint/gguf.h"

#define FAIL GGUF_VOCABULARY_FAIL

static const char model_name[] = "tokenizer.model", config_name[] = "tokenizer_config.json",
                  bpe_name[] = "tokenizer.json";

// ------------------------------------------------------------------------------ keys

static const struct value *find(const struct gguf_vocabulary *v, const char *name)
{
    char key[64];
    snprintf(key, sizeof key, "tokenizer.ggml.%s", name);
    return vkmoe_gguf_value(&v->keys, key);
}

enum vkmoe_status vkmoe_gguf_token_bool(
    const struct gguf_vocabulary *v, const char *name, bool preset, bool *out)
{
    const struct value *value = find(v, name);
    if (value && !value_is(value, VALUE_BOOL))
        return FAIL(v, INVALID, "%s is neither true nor false", v->file->path, name);
    *out = value ? value_is_true(value) : preset;
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_gguf_token_id(
    const struct gguf_vocabulary *v, const char *name, int64_t preset, int64_t *out)
{
    const struct value *value = find(v, name);
    const uint64_t count = v->keys.tokens.count;
    uint64_t id = 0;
    if (value && (!vkmoe_value_integer(value, &id) || id >= count))
        return FAIL(v, INVALID, "%s is not one of its %llu tokens", v->file->path, name,
            (unsigned long long)count);
    *out = value ? (int64_t)id : preset < (int64_t)count ? preset : -1;
    return VKMOE_OK;
}

// NULL: the file has no vocabulary at all.
static const char *kind_of(const struct gguf_vocabulary *v)
{
    const char *model = value_text(find(v, "model"));
    return v->keys.tokens.count > 0 ? model : NULL;
}

static bool is_kind(const struct gguf_vocabulary *v, const char *kind)
{
    const char *model = kind_of(v);
    return model && strcmp(model, kind) == 0;
}

// -------------------------------------------------------------------------- arrays

static enum vkmoe_status refuse_size(const struct gguf_vocabulary *v)
{
    return vkmoe_fail(v->log, VKMOE_ERROR_INVALID, "%s: its tokenizer has more than %llu MiB",
        v->file->path, (unsigned long long)(v->max_size >> 20));
}

static enum vkmoe_status refuse_memory(const struct gguf_vocabulary *v)
{
    return vkmoe_fail(
        v->log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for its tokenizer", v->file->path);
}

static enum vkmoe_status fetch(
    const struct gguf_vocabulary *v, const struct gguf_place *place, char **out)
{
    if (place->size > v->max_size) // before there is memory for it
        return refuse_size(v);
    *out = malloc((size_t)place->size + 1);
    if (!*out)
        return refuse_memory(v);
    return vkmoe_file_read(v->file, v->log, v->file->data + place->at, *out, place->size);
}

enum vkmoe_status vkmoe_gguf_fetch_strings(
    const struct gguf_vocabulary *v, const char *name, const struct gguf_place *place, char **out)
{
    if (!place->strings)
        return FAIL(v, INVALID, "%s is no array of strings", v->file->path, name);
    return fetch(v, place, out);
}

enum vkmoe_status vkmoe_gguf_fetch_numbers(
    const struct gguf_vocabulary *v, const char *name, const struct gguf_place *place, char **out)
{
    const uint64_t count = v->keys.tokens.count;
    if (place->count == 0)
        return VKMOE_OK;
    if (place->count != count || place->strings || place->size != 4 * count)
        return FAIL(v, INVALID, "%s is not one number for each of %llu tokens", v->file->path, name,
            (unsigned long long)count);
    return fetch(v, place, out);
}

enum vkmoe_status vkmoe_gguf_next_string(const struct gguf_vocabulary *v, const char *name,
    const struct gguf_place *place, const char *bytes, struct gguf_string *string)
{
    // That all lie in the array was checked when the header was read, but files change.
    uint64_t size = UINT64_MAX;
    if (place->size - string->next >= sizeof size) {
        memcpy(&size, bytes + string->next, sizeof size);
        string->next += sizeof size;
    }
    if (size > place->size - string->next)
        return FAIL(v, INVALID, "%s: one ends beyond the array", v->file->path, name);
    string->text = bytes + string->next;
    string->size = size;
    string->next += size;
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_gguf_find_token(
    const struct gguf_vocabulary *v, int64_t id, struct gguf_string *out)
{
    *out = (struct gguf_string){ 0 };
    for (int64_t i = 0; i <= id; i++)
        TRY_RETURN(vkmoe_gguf_next_string(v, "tokens", &v->keys.tokens, v->tokens, out));
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_gguf_token_kind(
    const struct gguf_vocabulary *v, uint64_t index, enum gguf_token_kind *out)
{
    int32_t kind = GGUF_TOKEN_NORMAL;
    if (v->types)
        memcpy(&kind, v->types + 4 * index, sizeof kind);
    if (kind < GGUF_TOKEN_NORMAL || kind > GGUF_TOKEN_BYTE)
        return FAIL(v, INVALID, "tokens: token %llu has an unknown type", v->file->path,
            (unsigned long long)index);
    *out = (enum gguf_token_kind)kind;
    return VKMOE_OK;
}

// -------------------------------------------------------------------------- messages

void vkmoe_gguf_message_put(struct gguf_message *m, const void *bytes, size_t size)
{
    if (m->bytes)
        memcpy(m->bytes + m->size, bytes, size);
    m->size += size;
}

void vkmoe_gguf_message_text(struct gguf_message *m, const char *text)
{
    vkmoe_gguf_message_put(m, text, strlen(text));
}

void vkmoe_gguf_message_json(struct gguf_message *m, const char *text, uint64_t size)
{
    vkmoe_gguf_message_text(m, "\"");
    for (uint64_t i = 0; i < size; i++) {
        const unsigned char c = (unsigned char)text[i];
        char escaped[8] = { (char)c };
        if (c == '"' || c == '\\')
            snprintf(escaped, sizeof escaped, "\\%c", c);
        else if (c < 0x20)
            snprintf(escaped, sizeof escaped, "\\u%04x", c);
        vkmoe_gguf_message_text(m, escaped);
    }
    vkmoe_gguf_message_text(m, "\"");
}

enum vkmoe_status vkmoe_gguf_write_message(struct gguf_vocabulary *v,
    enum vkmoe_status (*write)(struct gguf_vocabulary *v, struct gguf_message *m),
    struct gguf_message *out)
{
    struct gguf_message counted = { 0 };
    TRY_RETURN(write(v, &counted));
    if (counted.size > v->max_size)
        return refuse_size(v);
    *out = (struct gguf_message){ .bytes = malloc(counted.size + 1) };
    return out->bytes ? write(v, out) : refuse_memory(v);
}

// ------------------------------------------------------------------------------ files

static enum vkmoe_status put_end(struct gguf_vocabulary *v, struct gguf_message *m,
    const char *name, const char *id, int64_t preset)
{
    struct gguf_string token;
    int64_t number;
    TRY_RETURN(vkmoe_gguf_token_id(v, id, preset, &number));
    if (number < 0)
        return VKMOE_OK;
    TRY_RETURN(vkmoe_gguf_find_token(v, number, &token));
    vkmoe_gguf_message_json(m, name, strlen(name));
    vkmoe_gguf_message_text(m, ":");
    vkmoe_gguf_message_json(m, token.text, token.size);
    vkmoe_gguf_message_text(m, ",");
    return VKMOE_OK;
}

// What a tokenizer.model does not say. Without a blank before a text there is none before its
// sections either.
static enum vkmoe_status write_config(struct gguf_vocabulary *v, struct gguf_message *m)
{
    bool prefix, begin, end;
    char text[128];
    TRY_RETURN(vkmoe_gguf_token_bool(v, "add_space_prefix", true, &prefix));
    TRY_RETURN(vkmoe_gguf_token_bool(v, "add_bos_token", true, &begin));
    TRY_RETURN(vkmoe_gguf_token_bool(v, "add_eos_token", false, &end));
    vkmoe_gguf_message_text(m, "{");
    TRY_RETURN(put_end(v, m, "bos_token", "bos_token_id", 1));
    TRY_RETURN(put_end(v, m, "eos_token", "eos_token_id", 2));
    snprintf(text, sizeof text,
        "\"add_bos_token\":%s,\"add_eos_token\":%s,\"legacy\":%s,\"add_prefix_space\":%s}",
        begin ? "true" : "false", end ? "true" : "false", prefix ? "true" : "false",
        prefix ? "true" : "false");
    vkmoe_gguf_message_text(m, text);
    return VKMOE_OK;
}

static enum vkmoe_status make_file(
    struct gguf_vocabulary *v, const char *name, struct gguf_message *out)
{
    const bool pieces = is_kind(v, "llama"), bpe = strcmp(name, bpe_name) == 0;
    if (pieces == bpe || !kind_of(v))
        return VKMOE_OK;
    v->text = is_kind(v, "gemma4");
    if (bpe && !v->text && !is_kind(v, "gpt2"))
        return FAIL(v, UNSUPPORTED, "model is \"%s\", only llama, gpt2 and gemma4 are read",
            v->file->path, kind_of(v));
    TRY_RETURN(vkmoe_gguf_fetch_strings(v, "tokens", &v->keys.tokens, &v->tokens));
    TRY_RETURN(vkmoe_gguf_fetch_numbers(v, "token_type", &v->keys.token_types, &v->types));
    if (strcmp(name, config_name) == 0)
        return vkmoe_gguf_write_message(v, write_config, out);
    if (bpe) {
        TRY_RETURN(vkmoe_gguf_fetch_strings(v, "merges", &v->keys.merges, &v->merges));
        return vkmoe_gguf_write_message(v, vkmoe_gguf_write_bpe, out);
    }
    TRY_RETURN(vkmoe_gguf_fetch_numbers(v, "scores", &v->keys.scores, &v->scores));
    return vkmoe_gguf_write_message(v, vkmoe_gguf_write_pieces, out);
}

static enum vkmoe_status open_vocabulary(
    const char *path, uint64_t max_size, const struct vkmoe_log *log, struct gguf_vocabulary *v)
{
    *v = (struct gguf_vocabulary){ .log = log, .max_size = max_size };
    TRY_RETURN(vkmoe_file_open(path, log, &v->file));
    return vkmoe_gguf_read(v->file, log, &v->arena, &v->keys);
}

static void close_vocabulary(struct gguf_vocabulary *v)
{
    char *const fetched[] = { v->tokens, v->scores, v->types, v->merges };
    for (size_t i = 0; i < ARRAY_SIZE(fetched); i++)
        free(fetched[i]);
    vkmoe_arena_finish(&v->arena);
    vkmoe_file_close(&v->file);
}

// A vocabulary of a kind that is not read counts as a tokenizer.json, so that it is refused by
// name.
bool vkmoe_gguf_has_file(const char *path, const char *name)
{
    struct gguf_vocabulary v;
    const bool model = strcmp(name, model_name) == 0, bpe = strcmp(name, bpe_name) == 0;
    bool has = false;
    if (!model && !bpe)
        return false;
    if (open_vocabulary(path, 0, NULL, &v) == VKMOE_OK && kind_of(&v) && !is_kind(&v, "none")
        && !is_kind(&v, "no_vocab"))
        has = is_kind(&v, "llama") == model;
    close_vocabulary(&v);
    return has;
}

enum vkmoe_status vkmoe_gguf_read_file(const char *path, const char *name, uint64_t max_size,
    const struct vkmoe_log *log, struct blob *out)
{
    static const char *const names[] = { model_name, config_name, bpe_name };
    struct gguf_vocabulary v;
    struct gguf_message made = { 0 };
    enum vkmoe_status status;
    bool known = false;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        known = known || strcmp(name, names[i]) == 0;
    if (!known)
        return VKMOE_OK;
    TRY(open_vocabulary(path, max_size, log, &v));
    out->path = malloc(strlen(path) + 1);
    if (!out->path)
        TRY(vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for a path", path));
    strcpy(out->path, path);
    TRY(make_file(&v, name, &made));
    out->data = made.bytes;
    out->size = made.size;
    made.bytes = NULL;
fail:
    free(made.bytes);
    close_vocabulary(&v);
    return status;
}
