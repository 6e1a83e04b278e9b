// gguf_vocabulary.c - the tokenizer of a folder as GGUF's keys: tokenizer.model of sentencepiece
// (github.com/google/sentencepiece, sentencepiece_model.proto), or tokenizer.json. What they cannot
// say is refused.
#include "checkpoint/gguf_vocabulary.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/json.h"
#include "base/log.h"
#include "base/try.h"
#include "checkpoint/opened.h"

enum { MAX_MODEL = 64 << 20, MAX_CONFIG = 16 << 20 };

// ----------------------------------------------------------------------------- tokens

void vkmoe_vocabulary_set(struct vocabulary *v, uint64_t id, struct token token)
{
    if (id >= v->count)
        VOCABULARY_FAIL(v, INVALID, "%s: has a token %llu, the model's vocabulary ends at %u",
            v->path, (unsigned long long)id, v->count - 1);
    else
        v->tokens[id] = token;
}

void vkmoe_vocabulary_check(struct vocabulary *v, const struct value *added)
{
    static const char *const flags[] = { "lstrip", "rstrip", "single_word" };
    bool flagged = false;
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
        flagged = flagged || value_is_true(vkmoe_value_member(added, flags[i]));
    if (flagged && v->flagged++ == 0)
        v->first_flagged = vkmoe_vocabulary_text(added);
}

static void warn_flagged(const struct vocabulary *v)
{
    char shown[64];
    if (v->flagged && v->out->status == VKMOE_OK)
        vkmoe_log(v->out->log, VKMOE_LOG_WARNING,
            "%s: GGUF cannot say of %u added tokens, as \"%s\", that they take the blanks beside "
            "them, or are whole words only",
            v->path, v->flagged,
            vkmoe_printable(v->first_flagged ? v->first_flagged : "", shown, sizeof shown));
}

int64_t vkmoe_vocabulary_find(const struct vocabulary *v, const char *text)
{
    const size_t size = text ? strlen(text) : 0;
    for (uint32_t i = 0; text && i < v->count; i++) {
        if (v->tokens[i].kind != TOKEN_NONE && v->tokens[i].size == size
            && memcmp(v->tokens[i].text, text, size) == 0)
            return i;
    }
    return -1;
}

const char *vkmoe_vocabulary_text(const struct value *value)
{
    return value_is(value, VALUE_OBJECT) ? value_text(vkmoe_value_member(value, "content"))
                                         : value_text(value);
}

// -------------------------------------------------------------------------- protobuf

// What is left of a message, and the field that was read last.
struct message {
    const unsigned char *at, *end;
    uint32_t field, wire;
    uint64_t number;           // of a number or the bits of a float
    const unsigned char *data; // of bytes, `number` of them
    bool torn;
};

static uint64_t read_number(struct message *m)
{
    uint64_t value = 0;
    for (uint32_t shift = 0; shift < 64 && m->at < m->end; shift += 7) {
        const unsigned char byte = *m->at++;
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return value;
    }
    m->torn = true;
    return 0;
}

static uint64_t read_fixed(struct message *m, uint32_t size)
{
    uint64_t value = 0;
    m->torn = m->torn || (size_t)(m->end - m->at) < size;
    for (uint32_t i = 0; i < size && !m->torn; i++)
        value |= (uint64_t)*m->at++ << 8 * i;
    return value;
}

enum { NUMBER, FIXED_64, BYTES, FIXED_32 = 5 }; // wires

// The next field; false at the end, or where the message is torn.
static bool next_field(struct message *m)
{
    if (m->at == m->end || m->torn)
        return false;
    const uint64_t tag = read_number(m);
    m->field = (uint32_t)(tag >> 3);
    m->wire = tag & 7;
    switch (m->wire) {
    case NUMBER: m->number = read_number(m); break;
    case FIXED_64: m->number = read_fixed(m, 8); break;
    case FIXED_32: m->number = read_fixed(m, 4); break;
    case BYTES:
        m->number = read_number(m);
        m->data = m->at;
        m->torn = m->torn || m->number > (uint64_t)(m->end - m->at);
        m->at += m->torn ? 0 : m->number;
        break;
    default: m->torn = true;
    }
    return !m->torn;
}

static struct message inner_message(const struct message *m)
{
    return (struct message){ .at = m->data, .end = m->data + m->number };
}

// ----------------------------------------------------------------------- sentencepiece

// What tokenizer.model says besides its pieces.
struct pieces {
    uint64_t count, model_type;
    int32_t unknown, begin, end; // ids; -1: none
    bool prefix;
    bool removes_blanks; // where there are several, and at the ends
    uint64_t map_size;   // of what replaces characters
};

static bool read_piece(struct vocabulary *v, struct message m, uint64_t id)
{
    struct token token = { .kind = TOKEN_NORMAL };
    while (next_field(&m)) {
        const uint32_t bits = (uint32_t)m.number;
        if (m.field == 1) {
            if (m.wire != BYTES)
                return false;
            token.text = (const char *)m.data;
            token.size = (size_t)m.number;
        } else if (m.field == 2) {
            memcpy(&token.score, &bits, sizeof token.score);
        } else if (m.field == 3) {
            token.kind = m.number >= TOKEN_NORMAL && m.number <= TOKEN_BYTE
                ? (enum token_kind)m.number
                : TOKEN_UNUSED;
        }
    }
    vkmoe_vocabulary_set(v, id, token);
    return !m.torn && isfinite(token.score);
}

static bool read_ids(struct message m, struct pieces *out)
{
    while (next_field(&m)) {
        if (m.field == 3)
            out->model_type = m.number;
        else if (m.field == 40)
            out->unknown = (int32_t)m.number;
        else if (m.field == 41)
            out->begin = (int32_t)m.number;
        else if (m.field == 42)
            out->end = (int32_t)m.number;
    }
    return !m.torn;
}

static bool read_normalizer(struct message m, struct pieces *out)
{
    while (next_field(&m)) {
        if (m.field == 2)
            out->map_size = m.number;
        else if (m.field == 3)
            out->prefix = m.number != 0;
        else if (m.field == 4)
            out->removes_blanks = m.number != 0;
    }
    return !m.torn;
}

static void read_pieces(struct vocabulary *v, const struct blob *file, struct pieces *out)
{
    enum { BPE = 2 };
    const unsigned char *data = (const unsigned char *)file->data;
    struct message m = { .at = data, .end = data + file->size };
    bool ok = true;
    *out = (struct pieces){
        .model_type = 1, .unknown = 0, .begin = 1, .end = 2, .prefix = true, .removes_blanks = true
    };
    while (ok && v->out->status == VKMOE_OK && next_field(&m)) {
        if (m.field >= 1 && m.field <= 3 && m.wire != BYTES)
            ok = false;
        else if (m.field == 1)
            ok = read_piece(v, inner_message(&m), out->count++);
        else if (m.field == 2)
            ok = read_ids(inner_message(&m), out);
        else if (m.field == 3)
            ok = read_normalizer(inner_message(&m), out);
    }
    if (!ok || m.torn)
        VOCABULARY_FAIL(v, INVALID, "%s: is no model of sentencepiece, or a damaged one", v->path);
    if (out->model_type != BPE)
        VOCABULARY_FAIL(v, UNSUPPORTED,
            "%s: is of sentencepiece's type %llu, of which GGUF's llama can only say 2, BPE",
            v->path, (unsigned long long)out->model_type);
    if (out->removes_blanks || out->map_size > 0)
        VOCABULARY_FAIL(v, UNSUPPORTED, "%s: %s, which GGUF cannot say", v->path,
            out->removes_blanks ? "removes blanks of which there are several"
                                : "replaces characters of a text");
}

// Where there is no piece, whose kind is known.
static void set_added(struct vocabulary *v, uint64_t id, const char *text, bool special)
{
    if (id >= v->count || v->tokens[id].kind == TOKEN_NONE)
        vkmoe_vocabulary_set(v, id,
            (struct token){ .text = text,
                .size = strlen(text),
                .kind = special ? TOKEN_CONTROL : TOKEN_USER_DEFINED });
}

// Beside a tokenizer.model: {"32000": {"content": "<|im_start|>", "special": true}}, and the older
// {"<|im_start|>": 32000} for what that does not have, all of which split texts.
static void read_added(struct vocabulary *v)
{
    uint64_t number;
    VALUE_EACH(item, vkmoe_value_member(v->config, "added_tokens_decoder"))
    {
        char *end;
        const char *text = vkmoe_vocabulary_text(item);
        const unsigned long long id = strtoull(item->name, &end, 10);
        vkmoe_vocabulary_check(v, item);
        if (text && !*end && end != item->name)
            set_added(v, id, text, value_is_true(vkmoe_value_member(item, "special")));
    }
    VALUE_EACH(item, v->added)
    {
        if (!vkmoe_value_integer(item, &number))
            VOCABULARY_FAIL(v, INVALID, "%s: added_tokens.json has no id for a token", v->path);
        else if (vkmoe_vocabulary_find(v, item->name) < 0)
            set_added(v, number, item->name, true);
    }
}

// A token that is special by its name alone: a piece of this text, or the next id that is free,
// unless the model has no row for it.
static void set_named(struct vocabulary *v, const struct value *item, uint32_t *next)
{
    const char *text = vkmoe_vocabulary_text(item);
    const int64_t id = vkmoe_vocabulary_find(v, text);
    if (id >= 0 && v->tokens[id].kind == TOKEN_NORMAL)
        v->tokens[id].kind = TOKEN_CONTROL;
    if (id < 0 && text && *text && *next < v->count)
        set_added(v, (*next)++, text, true);
}

// Of tokenizer_config.json or special_tokens_map.json, beside a tokenizer.model.
static void read_named(struct vocabulary *v, const struct value *object)
{
    static const char *const names[] = { "bos_token", "eos_token", "unk_token", "sep_token",
        "pad_token", "cls_token", "mask_token" };
    static const char *const lists[] = { "additional_special_tokens", "extra_special_tokens" };
    uint32_t next = v->count;
    while (next > 0 && v->tokens[next - 1].kind == TOKEN_NONE)
        next--;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        set_named(v, vkmoe_value_member(object, names[i]), &next);
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        VALUE_EACH(item, vkmoe_value_member(object, lists[i]))
        set_named(v, item, &next);
    }
}

// -------------------------------------------------------------------------------- keys

static void put_id(struct vocabulary *v, const char *key, int64_t id)
{
    if (id >= 0 && id < v->count)
        vkmoe_gguf_put_u32(v->out, key, (uint32_t)id);
}

// With tokens in the gaps that nothing can be.
static void put_tokens(struct vocabulary *v, bool scores)
{
    char name[32];
    vkmoe_gguf_put_array(v->out, "tokenizer.ggml.tokens", GGUF_ITEMS_TEXT, v->count);
    for (uint32_t i = 0; i < v->count; i++) {
        const struct token *token = &v->tokens[i];
        snprintf(name, sizeof name, "[PAD%u]", i);
        if (token->kind == TOKEN_NONE)
            vkmoe_gguf_put_item(v->out, name, strlen(name));
        else
            vkmoe_gguf_put_item(v->out, token->text, token->size);
    }
    if (scores)
        vkmoe_gguf_put_array(v->out, "tokenizer.ggml.scores", GGUF_ITEMS_F32, v->count);
    for (uint32_t i = 0; i < v->count && scores; i++)
        vkmoe_gguf_put_bytes(v->out, &v->tokens[i].score, sizeof v->tokens[i].score);
    vkmoe_gguf_put_array(v->out, "tokenizer.ggml.token_type", GGUF_ITEMS_I32, v->count);
    for (uint32_t i = 0; i < v->count; i++) {
        const int32_t kind = v->tokens[i].kind == TOKEN_NONE ? TOKEN_UNUSED : v->tokens[i].kind;
        vkmoe_gguf_put_bytes(v->out, &kind, sizeof kind);
    }
}

// The token that tokenizer_config.json or else special_tokens_map.json names so; `piece` if they
// name none that there is, and -1 for null.
static int64_t find_named(const struct vocabulary *v, const char *name, int64_t piece)
{
    const struct value *item = vkmoe_value_member(v->config, name);
    if (!item)
        item = vkmoe_value_member(v->map, name);
    const int64_t id = vkmoe_vocabulary_find(v, vkmoe_vocabulary_text(item));
    return value_is(item, VALUE_NULL) ? -1 : id >= 0 ? id : piece;
}

static int64_t find_end(
    const struct vocabulary *v, const char *flag, const char *name, int64_t piece, int64_t unsaid)
{
    const struct value *wanted = vkmoe_value_member(v->config, flag);
    if (!value_is(wanted, VALUE_BOOL))
        return unsaid;
    return value_is_true(wanted) ? find_named(v, name, piece) : -1;
}

// GGUF has one key for what ends a text that the model reads, and what ends its own.
static void put_text_end(struct vocabulary *v, int64_t end, int64_t named)
{
    if (!v->model_end)
        put_id(v, "tokenizer.ggml.eos_token_id", end >= 0 ? end : named);
    else if (end >= 0 && end != *v->model_end)
        VOCABULARY_FAIL(v, UNSUPPORTED,
            "%s: puts token %lld after texts, GGUF can only say %u there, which ends the model's",
            v->path, (long long)end, *v->model_end);
    vkmoe_gguf_put_bool(v->out, "tokenizer.ggml.add_eos_token", end >= 0);
}

// What tokenizer_config.json says, and if it does not, the tokenizer: `pieces` are what its tokens
// for the ends are, `unsaid` those that it uses.
static void put_config(
    struct vocabulary *v, const struct pieces *pieces, const struct text_ends *unsaid)
{
    const int64_t begin = find_end(v, "add_bos_token", "bos_token", pieces->begin, unsaid->begin);
    const int64_t end = find_end(v, "add_eos_token", "eos_token", pieces->end, unsaid->end);
    put_id(v, "tokenizer.ggml.bos_token_id",
        begin >= 0 ? begin : find_named(v, "bos_token", pieces->begin));
    put_id(v, "tokenizer.ggml.unknown_token_id", find_named(v, "unk_token", pieces->unknown));
    put_id(v, "tokenizer.ggml.padding_token_id", find_named(v, "pad_token", -1));
    vkmoe_gguf_put_bool(v->out, "tokenizer.ggml.add_bos_token", begin >= 0);
    put_text_end(v, end, find_named(v, "eos_token", pieces->end));
}

static enum vkmoe_status put_template(struct vocabulary *v, const char *checkpoint)
{
    char *text = NULL;
    const enum vkmoe_status status = vkmoe_checkpoint_read_template(checkpoint, v->out->log, &text);
    if (text)
        vkmoe_gguf_put_text(v->out, "tokenizer.chat_template", text);
    free(text);
    return status;
}

static bool is_false(const struct vocabulary *v, const char *name)
{
    const struct value *item = vkmoe_value_member(v->config, name);
    return value_is(item, VALUE_BOOL) && !value_is_true(item);
}

// Whether texts are begun with a blank of the tokenizer's own: GGUF's are then everywhere, where
// "legacy": false has it at the beginning alone.
static bool put_prefix(struct vocabulary *v, const struct pieces *pieces)
{
    const bool first = is_false(v, "legacy");
    if (!pieces->prefix || (first && is_false(v, "add_prefix_space")))
        vkmoe_gguf_put_bool(v->out, "tokenizer.ggml.add_space_prefix", false);
    return first && pieces->prefix && !is_false(v, "add_prefix_space");
}

static void put_pieces(struct vocabulary *v, const struct blob *file)
{
    struct pieces pieces;
    struct text_ends ends = { .end = -1 };
    read_pieces(v, file, &pieces);
    read_added(v);
    read_named(v, v->config);
    read_named(v, v->map);
    vkmoe_gguf_put_text(v->out, "tokenizer.ggml.model", "llama");
    vkmoe_gguf_put_text(v->out, "tokenizer.ggml.pre", "default");
    put_tokens(v, true);
    ends.begin = find_named(v, "bos_token", pieces.begin);
    put_config(v, &pieces, &ends);
    if (put_prefix(v, &pieces) && v->out->status == VKMOE_OK)
        vkmoe_log(v->out->log, VKMOE_LOG_WARNING,
            "%s: GGUF cannot say \"legacy\": false, as tokenizer_config.json has it: texts after a "
            "special token will be begun with a blank, too",
            v->path);
}

// -------------------------------------------------------------------------------- files

static enum vkmoe_status parse(struct vocabulary *v, struct blob *file, struct value **out)
{
    return file->data ? vkmoe_json_parse(file->path, file->data, file->size, v->out->log, out)
                      : VKMOE_OK;
}

// NULL if there is no such file.
static enum vkmoe_status read_json(
    struct vocabulary *v, const char *checkpoint, const char *name, struct value **out)
{
    struct blob file = { 0 };
    enum vkmoe_status status;
    TRY(vkmoe_checkpoint_read_file(checkpoint, name, MAX_CONFIG, v->out->log, &file));
    TRY(parse(v, &file, out));
fail:
    vkmoe_blob_finish(&file);
    return status;
}

void vkmoe_gguf_put_vocabulary(struct vkmoe_checkpoint *checkpoint, struct gguf_output *out)
{
    static const struct pieces no_pieces = { .unknown = -1, .begin = -1, .end = -1 };
    struct vkmoe_frame frame = { VKMOE_INIT(vkmoe_frame) };
    struct vocabulary v = { .out = out, .count = checkpoint->info.vocabulary };
    struct blob model = { 0 }, json = { 0 };
    struct value *value = NULL, *said = NULL, *added = NULL, *map = NULL;
    const char *path = checkpoint->container.path;
    enum vkmoe_status status = VKMOE_OK;
    v.tokens = vkmoe_arena_take(&out->arena, (uint64_t)v.count * sizeof *v.tokens);
    if (!v.tokens)
        TRY(vkmoe_fail(out->log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for its tokens", path));
    TRY(vkmoe_checkpoint_get_frame(checkpoint, &frame));
    v.model_end = frame.end_token_count ? frame.end_tokens : NULL;
    TRY(read_json(&v, path, "tokenizer_config.json", &said));
    TRY(read_json(&v, path, "added_tokens.json", &added));
    TRY(read_json(&v, path, "special_tokens_map.json", &map));
    v.config = said;
    v.map = map;
    v.added = added;
    TRY(put_template(&v, path));
    TRY(vkmoe_checkpoint_read_file(path, "tokenizer.model", MAX_MODEL, out->log, &model));
    if (model.data) {
        v.path = model.path;
        put_pieces(&v, &model);
        warn_flagged(&v);
        goto fail;
    }
    TRY(vkmoe_checkpoint_read_file(path, "tokenizer.json", VKMOE_JSON_MAX_SIZE, out->log, &json));
    TRY(parse(&v, &json, &value));
    v.path = json.path;
    if (value) {
        vkmoe_vocabulary_read_bpe(&v, value);
        vkmoe_gguf_put_text(out, "tokenizer.ggml.model", "gpt2");
        vkmoe_vocabulary_put_bpe(&v, value);
        put_tokens(&v, false);
        const struct text_ends ends = vkmoe_vocabulary_read_ends(&v, value);
        put_config(&v, &no_pieces, &ends);
        warn_flagged(&v);
    } else {
        vkmoe_gguf_put_no_vocabulary(out);
    }
fail:
    if (out->status == VKMOE_OK)
        out->status = status;
    vkmoe_blob_finish(&model);
    vkmoe_blob_finish(&json);
    free(value);
    free(said);
    free(added);
    free(map);
}
