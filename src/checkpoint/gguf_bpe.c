// gguf_bpe.c - a GGUF file's vocabulary of byte-level BPE as a tokenizer.json. Control tokens and
// those that users defined are written as they are in a text, all others in the characters that
// stand for bytes; so the former are what that file calls added tokens.
#include "checkpoint/gguf_tokenizer.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/try.h"
#include "checkpoint/gguf.h"

#define MARK "\xe2\x96\x81" // U+2581, for a blank

static bool is_blank(const struct gguf_string *token)
{
    uint64_t blanks = 0;
    while (blanks < token->size && token->text[blanks] == ' ')
        blanks++;
    return blanks > 0 && blanks == token->size;
}

// Blanks in a row are users' tokens in Gemma, and of merges nevertheless.
static bool is_added(
    const struct gguf_vocabulary *v, const struct gguf_string *token, enum gguf_token_kind kind)
{
    return kind == GGUF_TOKEN_UNKNOWN || kind == GGUF_TOKEN_CONTROL
        || (kind == GGUF_TOKEN_USER_DEFINED && !(v->text && is_blank(token)));
}

static void put_name(
    const struct gguf_vocabulary *v, struct gguf_message *m, const struct gguf_string *token)
{
    if (!v->text || !is_blank(token)) {
        vkmoe_gguf_message_json(m, token->text, token->size);
        return;
    }
    vkmoe_gguf_message_text(m, "\"");
    for (uint64_t i = 0; i < token->size; i++)
        vkmoe_gguf_message_text(m, MARK);
    vkmoe_gguf_message_text(m, "\"");
}

static void put_id(struct gguf_message *m, uint64_t id)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)id);
    vkmoe_gguf_message_text(m, text);
}

// JSON can say neither a zero nor what is no UTF-8.
static bool is_text(const struct gguf_string *string)
{
    const unsigned char *bytes = (const unsigned char *)string->text;
    size_t length = 1;
    for (uint64_t i = 0; i < string->size && length > 0; i += length)
        length = bytes[i] ? vkmoe_utf8_length(bytes + i, (size_t)(string->size - i)) : 0;
    return length > 0;
}

static void put_added(
    struct gguf_message *m, const struct gguf_string *token, uint64_t id, enum gguf_token_kind kind)
{
    vkmoe_gguf_message_text(m, "{\"id\":");
    put_id(m, id);
    vkmoe_gguf_message_text(m,
        kind == GGUF_TOKEN_USER_DEFINED ? ",\"special\":false,\"content\":"
                                        : ",\"special\":true,\"content\":");
    vkmoe_gguf_message_json(m, token->text, token->size);
    vkmoe_gguf_message_text(m, "}");
}

// Those that are added, as items of a list, or the others, as members of an object. Empty ones are
// none.
static enum vkmoe_status put_tokens(struct gguf_vocabulary *v, struct gguf_message *m, bool added)
{
    struct gguf_string token = { 0 };
    const char *between = "";
    for (uint64_t i = 0; i < v->keys.tokens.count; i++) {
        enum gguf_token_kind kind;
        TRY_RETURN(vkmoe_gguf_next_string(v, "tokens", &v->keys.tokens, v->tokens, &token));
        TRY_RETURN(vkmoe_gguf_token_kind(v, i, &kind));
        if (!is_text(&token))
            return GGUF_VOCABULARY_FAIL(
                v, INVALID, "tokens: token %llu is no UTF-8", v->file->path, (unsigned long long)i);
        if (is_added(v, &token, kind) != added || token.size == 0)
            continue;
        vkmoe_gguf_message_text(m, between);
        between = ",";
        if (added) {
            put_added(m, &token, i, kind);
            continue;
        }
        put_name(v, m, &token);
        vkmoe_gguf_message_text(m, ":");
        put_id(m, i);
    }
    return VKMOE_OK;
}

static enum vkmoe_status put_merges(struct gguf_vocabulary *v, struct gguf_message *m)
{
    struct gguf_string merge = { 0 };
    for (uint64_t i = 0; i < v->keys.merges.count; i++) {
        TRY_RETURN(vkmoe_gguf_next_string(v, "merges", &v->keys.merges, v->merges, &merge));
        if (!is_text(&merge) || merge.size < 3 || !memchr(merge.text + 1, ' ', merge.size - 1))
            return GGUF_VOCABULARY_FAIL(v, INVALID, "merges: the one at %llu is not of two tokens",
                v->file->path, (unsigned long long)i);
        vkmoe_gguf_message_text(m, i ? "," : "");
        vkmoe_gguf_message_json(m, merge.text, merge.size);
    }
    return VKMOE_OK;
}

static void put_split(struct gguf_message *m, const struct gguf_split *split)
{
    vkmoe_gguf_message_text(m, "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[");
    for (const char *const *pattern = split->patterns; *pattern; pattern++) {
        vkmoe_gguf_message_text(m,
            "{\"type\":\"Split\",\"behavior\":\"Isolated\",\"pattern\":"
            "{\"Regex\":");
        vkmoe_gguf_message_json(m, *pattern, strlen(*pattern));
        vkmoe_gguf_message_text(m, "}},");
    }
    vkmoe_gguf_message_text(m,
        split->gpt2 ? "{\"type\":\"ByteLevel\",\"use_regex\":true}]}"
                    : "{\"type\":\"ByteLevel\",\"use_regex\":false}]}");
}

struct end {
    const char *flag, *id;
    bool preset;
    const char *before, *after; // in the list
};

// The token before or after every text, if there is to be one.
static enum vkmoe_status put_end(
    struct gguf_vocabulary *v, struct gguf_message *m, const struct end *end)
{
    struct gguf_string token;
    bool wanted;
    int64_t number;
    TRY_RETURN(vkmoe_gguf_token_bool(v, end->flag, end->preset, &wanted));
    if (!wanted)
        return VKMOE_OK;
    TRY_RETURN(vkmoe_gguf_token_id(v, end->id, -1, &number));
    if (number < 0 && !end->preset)
        return GGUF_VOCABULARY_FAIL(
            v, INVALID, "%s is true, but there is no %s", v->file->path, end->flag, end->id);
    if (number < 0)
        return VKMOE_OK;
    TRY_RETURN(vkmoe_gguf_find_token(v, number, &token));
    vkmoe_gguf_message_text(m, end->before);
    vkmoe_gguf_message_text(m, "{\"SpecialToken\":{\"id\":");
    vkmoe_gguf_message_json(m, token.text, token.size);
    vkmoe_gguf_message_text(m, "}}");
    vkmoe_gguf_message_text(m, end->after);
    return VKMOE_OK;
}

static enum vkmoe_status find_split(const struct gguf_vocabulary *v, const struct gguf_split **out)
{
    const char *name = value_text(vkmoe_gguf_value(&v->keys, "tokenizer.ggml.pre"));
    *out = name ? vkmoe_gguf_find_split(name) : NULL;
    if (*out)
        return VKMOE_OK;
    return name ? GGUF_VOCABULARY_FAIL(v, UNSUPPORTED,
               "pre is \"%.100s\", and how that cuts a text is not known", v->file->path, name)
                : GGUF_VOCABULARY_FAIL(v, UNSUPPORTED,
                    "pre is not there, which says how a text is cut", v->file->path);
}

static const struct gguf_split text_split = { .begin = true }; // Gemma's, which is not cut

static void put_steps(
    const struct gguf_vocabulary *v, struct gguf_message *m, const struct gguf_split *split)
{
    vkmoe_gguf_message_text(m, "{");
    if (v->text)
        vkmoe_gguf_message_text(m,
            "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},"
            "\"content\":\"" MARK "\"}");
    else if (split->nfc)
        vkmoe_gguf_message_text(m, "\"normalizer\":{\"type\":\"NFC\"},");
    if (!v->text)
        put_split(m, split);
}

enum vkmoe_status vkmoe_gguf_write_bpe(struct gguf_vocabulary *v, struct gguf_message *m)
{
    const struct gguf_split *split = &text_split;
    struct end begin = { "add_bos_token", "bos_token_id", .before = "", .after = "," };
    const struct end end = { "add_eos_token", "eos_token_id", .before = ",", .after = "" };
    if (!v->text)
        TRY_RETURN(find_split(v, &split));
    put_steps(v, m, split);
    vkmoe_gguf_message_text(m, ",\"added_tokens\":[");
    TRY_RETURN(put_tokens(v, m, true));
    vkmoe_gguf_message_text(
        m, "],\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[");
    begin.preset = split->begin;
    TRY_RETURN(put_end(v, m, &begin));
    vkmoe_gguf_message_text(m, "{\"Sequence\":{\"id\":\"A\"}}");
    TRY_RETURN(put_end(v, m, &end));
    vkmoe_gguf_message_text(m, "]},\"model\":{\"type\":\"BPE\",\"skip_merges\":true,");
    vkmoe_gguf_message_text(m, v->text ? "\"byte_fallback\":true," : "");
    vkmoe_gguf_message_text(m, split->ignore_merges ? "\"ignore_merges\":true," : "");
    vkmoe_gguf_message_text(m, "\"vocab\":{");
    TRY_RETURN(put_tokens(v, m, false));
    vkmoe_gguf_message_text(m, "},\"merges\":[");
    TRY_RETURN(put_merges(v, m));
    vkmoe_gguf_message_text(m, "]}}");
    return VKMOE_OK;
}
