// gguf_tokenizer.c - the tokenizer of a GGUF file as the files that other checkpoints have. What
// GGUF calls `llama` is sentencepiece's vocabulary, pieces, scores and kinds alike: written in
// the form of its own files (github.com/google/sentencepiece, sentencepiece_model.proto), it is
// used as one of those is.
#include "checkpoint/gguf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/log.h"
#include "base/try.h"

static const char model_name[] = "tokenizer.model", config_name[] = "tokenizer_config.json";

struct source {
    struct vkmoe_file *file;
    struct arena arena;
    struct gguf_file keys;
};

static enum vkmoe_status open_source(
    const char *path, const struct vkmoe_log *log, struct source *out)
{
    *out = (struct source){ 0 };
    TRY_RETURN(vkmoe_file_open(path, log, &out->file));
    return vkmoe_gguf_read(out->file, log, &out->arena, &out->keys);
}

static void close_source(struct source *source)
{
    vkmoe_file_close(&source->file);
    vkmoe_arena_finish(&source->arena);
}

static bool is_sentencepiece(const struct source *source)
{
    const char *model = value_text(vkmoe_gguf_value(&source->keys, "tokenizer.ggml.model"));
    return model && strcmp(model, "llama") == 0 && source->keys.tokens.count > 0;
}

bool vkmoe_gguf_has_file(const char *path, const char *name)
{
    struct source source;
    const bool wanted = strcmp(name, model_name) == 0;
    bool has = false;
    if (wanted)
        has = open_source(path, NULL, &source) == VKMOE_OK && is_sentencepiece(&source);
    if (wanted)
        close_source(&source);
    return has;
}

// -------------------------------------------------------------------------- protobuf

struct message {
    char *bytes;
    size_t size;
};

static void put(struct message *m, const void *bytes, size_t size)
{
    memcpy(m->bytes + m->size, bytes, size);
    m->size += size;
}

static void put_number(struct message *m, uint64_t value)
{
    for (; value > 0x7f; value >>= 7)
        m->bytes[m->size++] = (char)(value | 0x80);
    m->bytes[m->size++] = (char)value;
}

enum wire { WIRE_NUMBER, WIRE_BYTES = 2, WIRE_FLOAT = 5 };

static void put_tag(struct message *m, uint32_t field, enum wire wire)
{
    put_number(m, field << 3 | (uint32_t)wire);
}

static void put_field(struct message *m, uint32_t field, uint64_t value)
{
    put_tag(m, field, WIRE_NUMBER);
    put_number(m, value);
}

static void put_bytes(struct message *m, uint32_t field, const void *bytes, size_t size)
{
    put_tag(m, field, WIRE_BYTES);
    put_number(m, size);
    put(m, bytes, size);
}

// ------------------------------------------------------------------------ vocabulary

enum piece_kind { KIND_NORMAL = 1, KIND_BYTE = 6 }; // the same in GGUF and there

enum {
    PIECE_ROOM = 40,    // of a piece but for its text
    ENDS_ROOM = 256,    // of all that is no piece
    MAX_PIECE = 1 << 16 // bytes
};

struct vocabulary {
    const struct vkmoe_log *log;
    const struct source *source;
    char *tokens, *scores, *types; // as they are in the file; scores and types may be NULL
    bool has_bytes;
    struct message out;
};

#define FAIL(v, status, ...) \
    vkmoe_fail((v)->log, VKMOE_ERROR_##status, "%s: tokenizer.ggml." __VA_ARGS__)

static enum vkmoe_status fetch(
    const struct vocabulary *v, const struct gguf_place *place, char **out)
{
    const struct vkmoe_file *file = v->source->file;
    *out = malloc((size_t)place->size + 1);
    if (!*out)
        return vkmoe_fail(
            v->log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for its tokenizer", file->path);
    return vkmoe_file_read(file, v->log, file->data + place->at, *out, place->size);
}

// One for each token, of four bytes.
static enum vkmoe_status fetch_numbers(
    const struct vocabulary *v, const char *name, const struct gguf_place *place, char **out)
{
    const uint64_t count = v->source->keys.tokens.count;
    if (place->count == 0)
        return VKMOE_OK;
    if (place->count != count || place->strings || place->size != 4 * count)
        return FAIL(v, INVALID, "%s is not one number for each of %llu tokens",
            v->source->file->path, name, (unsigned long long)count);
    return fetch(v, place, out);
}

static float score_of(const struct vocabulary *v, uint64_t index)
{
    float score = 0.0f;
    int32_t number;
    if (!v->scores)
        return score;
    if (v->source->keys.scores.floats) {
        memcpy(&score, v->scores + 4 * index, sizeof score);
        return score;
    }
    memcpy(&number, v->scores + 4 * index, sizeof number);
    return (float)number;
}

static enum vkmoe_status put_piece(
    struct vocabulary *v, uint64_t index, const char *text, uint64_t size)
{
    const float score = score_of(v, index);
    int32_t kind = KIND_NORMAL;
    if (v->types)
        memcpy(&kind, v->types + 4 * index, sizeof kind);
    if (size > MAX_PIECE || !isfinite(score) || kind < KIND_NORMAL || kind > KIND_BYTE)
        return FAIL(v, INVALID, "tokens: token %llu has %s", v->source->file->path,
            (unsigned long long)index,
            size > MAX_PIECE       ? "too long a name"
                : !isfinite(score) ? "a score that is no number"
                                   : "an unknown type");
    v->has_bytes = v->has_bytes || kind == KIND_BYTE;
    char bytes[MAX_PIECE + PIECE_ROOM];
    struct message piece = { .bytes = bytes };
    put_bytes(&piece, 1, text, (size_t)size);
    put_tag(&piece, 2, WIRE_FLOAT);
    put(&piece, &score, sizeof score);
    put_field(&piece, 3, (uint64_t)kind);
    put_bytes(&v->out, 1, piece.bytes, piece.size);
    return VKMOE_OK;
}

static enum vkmoe_status put_pieces(struct vocabulary *v)
{
    const struct gguf_place *place = &v->source->keys.tokens;
    uint64_t at = 0;
    for (uint64_t i = 0; i < place->count; i++) {
        // That all lie in the array was checked when the header was read, but files change.
        uint64_t size = UINT64_MAX;
        if (place->size - at >= sizeof size) {
            memcpy(&size, v->tokens + at, sizeof size);
            at += sizeof size;
        }
        if (size > place->size - at)
            return FAIL(v, INVALID, "tokens: token %llu ends beyond the array",
                v->source->file->path, (unsigned long long)i);
        TRY_RETURN(put_piece(v, i, v->tokens + at, size));
        at += size;
    }
    return VKMOE_OK;
}

// Trainer and normalizer, as far as they count for those who do not train.
static void put_ends(struct vocabulary *v)
{
    static const struct {
        const char *key;
        uint32_t field;
        uint64_t preset; // -1: none
    } ids[] = {
        { "tokenizer.ggml.unknown_token_id", 40, 0 },
        { "tokenizer.ggml.bos_token_id", 41, 1 },
        { "tokenizer.ggml.eos_token_id", 42, 2 },
        { "tokenizer.ggml.padding_token_id", 43, UINT64_MAX },
    };
    enum { BPE = 2, MODEL_TYPE = 3, BYTE_FALLBACK = 35 };
    char bytes[ENDS_ROOM];
    struct message trainer = { .bytes = bytes };
    put_field(&trainer, MODEL_TYPE, BPE);
    put_field(&trainer, BYTE_FALLBACK, v->has_bytes);
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        const struct value *id = vkmoe_gguf_value(&v->source->keys, ids[i].key);
        put_field(&trainer, ids[i].field, id ? vkmoe_gguf_integer(id) : ids[i].preset);
    }
    put_bytes(&v->out, 2, trainer.bytes, trainer.size);
    struct message normalizer = { .bytes = bytes };
    enum { NAME = 1, ADD_PREFIX = 3, REMOVE_BLANKS = 4, ESCAPE_BLANKS = 5 };
    put_bytes(&normalizer, NAME, "identity", 8);
    put_field(&normalizer, ADD_PREFIX, true);
    put_field(&normalizer, REMOVE_BLANKS, false);
    put_field(&normalizer, ESCAPE_BLANKS, true);
    put_bytes(&v->out, 3, normalizer.bytes, normalizer.size);
}

static enum vkmoe_status refuse_size(
    const struct source *source, const struct vkmoe_log *log, uint64_t max_size)
{
    return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: its tokenizer has more than %llu MiB",
        source->file->path, (unsigned long long)(max_size >> 20));
}

static enum vkmoe_status make_model(
    const struct source *source, uint64_t max_size, const struct vkmoe_log *log, struct blob *out)
{
    const struct gguf_file *keys = &source->keys;
    struct vocabulary v = { .log = log, .source = source };
    enum vkmoe_status status;
    if (!keys->tokens.strings)
        return FAIL(&v, INVALID, "tokens is no array of strings", source->file->path);
    if (keys->tokens.size > max_size) // before there is memory for it
        return refuse_size(source, log, max_size);
    TRY(fetch(&v, &keys->tokens, &v.tokens));
    TRY(fetch_numbers(&v, "scores", &keys->scores, &v.scores));
    TRY(fetch_numbers(&v, "token_type", &keys->token_types, &v.types));
    v.out.bytes = malloc((size_t)(keys->tokens.size + PIECE_ROOM * keys->tokens.count) + ENDS_ROOM);
    if (!v.out.bytes)
        TRY(vkmoe_fail(
            log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for its tokenizer", source->file->path));
    TRY(put_pieces(&v));
    put_ends(&v);
    out->data = v.out.bytes;
    out->size = v.out.size;
    v.out.bytes = NULL;
fail:
    free(v.tokens);
    free(v.scores);
    free(v.types);
    free(v.out.bytes);
    return status;
}

// ------------------------------------------------------------------------------ files

static bool get_bool(const struct source *source, const char *key, bool preset)
{
    const struct value *value = vkmoe_gguf_value(&source->keys, key);
    return value_is(value, VALUE_BOOL) ? value_is_true(value) : preset;
}

// Without a blank before a text there is none before its sections either.
static enum vkmoe_status make_config(
    const struct source *source, const struct vkmoe_log *log, struct blob *out)
{
    const bool prefix = get_bool(source, "tokenizer.ggml.add_space_prefix", true);
    enum { ROOM = 256 };
    out->data = malloc(ROOM);
    if (!out->data)
        return vkmoe_fail(
            log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for what it says", source->file->path);
    out->size = (size_t)snprintf(out->data, ROOM,
        "{\"add_bos_token\":%s,\"add_eos_token\":%s,\"legacy\":%s,\"add_prefix_space\":%s}",
        get_bool(source, "tokenizer.ggml.add_bos_token", true) ? "true" : "false",
        get_bool(source, "tokenizer.ggml.add_eos_token", false) ? "true" : "false",
        prefix ? "true" : "false", prefix ? "true" : "false");
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_gguf_read_file(const char *path, const char *name, uint64_t max_size,
    const struct vkmoe_log *log, struct blob *out)
{
    const bool model = strcmp(name, model_name) == 0, config = strcmp(name, config_name) == 0;
    struct source source;
    enum vkmoe_status status = VKMOE_OK;
    if (!model && !config)
        return VKMOE_OK;
    TRY(open_source(path, log, &source));
    out->path = malloc(strlen(path) + 1);
    if (!out->path)
        TRY(vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for a path", path));
    strcpy(out->path, path);
    if (is_sentencepiece(&source))
        TRY(model ? make_model(&source, max_size, log, out) : make_config(&source, log, out));
    if (out->size > max_size)
        status = refuse_size(&source, log, max_size);
fail:
    close_source(&source);
    return status;
}
