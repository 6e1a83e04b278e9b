// gguf_pieces.c - a GGUF file's vocabulary of sentencepiece's kind in the form of that library's
// own files (github.com/google/sentencepiece, sentencepiece_model.proto).
#include "checkpoint/gguf_tokenizer.h"

#include <math.h>
#include <string.h>

#include "base/log.h"
#include "base/try.h"

static void put_number(struct gguf_message *m, uint64_t value)
{
    for (; value > 0x7f; value >>= 7)
        vkmoe_gguf_message_put(m, &(char){ (char)(value | 0x80) }, 1);
    vkmoe_gguf_message_put(m, &(char){ (char)value }, 1);
}

enum wire { WIRE_NUMBER, WIRE_BYTES = 2, WIRE_FLOAT = 5 };

static void put_tag(struct gguf_message *m, uint32_t field, enum wire wire)
{
    put_number(m, field << 3 | (uint32_t)wire);
}

static void put_field(struct gguf_message *m, uint32_t field, uint64_t value)
{
    put_tag(m, field, WIRE_NUMBER);
    put_number(m, value);
}

static void put_bytes(struct gguf_message *m, uint32_t field, const void *bytes, uint64_t size)
{
    put_tag(m, field, WIRE_BYTES);
    put_number(m, size);
    vkmoe_gguf_message_put(m, bytes, (size_t)size);
}

static float score_of(const struct gguf_vocabulary *v, uint64_t index)
{
    float score = 0.0f;
    int32_t number;
    if (!v->scores)
        return score;
    if (v->keys.scores.floats) {
        memcpy(&score, v->scores + 4 * index, sizeof score);
        return score;
    }
    memcpy(&number, v->scores + 4 * index, sizeof number);
    return (float)number;
}

static enum vkmoe_status put_piece(struct gguf_vocabulary *v, struct gguf_message *m,
    uint64_t index, const struct gguf_string *token, bool *has_bytes)
{
    enum { MAX_PIECE = 1 << 16, ROOM = 32 }; // bytes of a text, and of what is not text
    const float score = score_of(v, index);
    enum gguf_token_kind kind;
    TRY_RETURN(vkmoe_gguf_token_kind(v, index, &kind));
    if (token->size > MAX_PIECE || !isfinite(score))
        return GGUF_VOCABULARY_FAIL(v, INVALID, "tokens: token %llu has %s", v->file->path,
            (unsigned long long)index,
            token->size > MAX_PIECE ? "too long a name" : "a score that is no number");
    *has_bytes = *has_bytes || kind == GGUF_TOKEN_BYTE;
    char bytes[MAX_PIECE + ROOM];
    struct gguf_message piece = { .bytes = bytes };
    put_bytes(&piece, 1, token->text, token->size);
    put_tag(&piece, 2, WIRE_FLOAT);
    vkmoe_gguf_message_put(&piece, &score, sizeof score);
    put_field(&piece, 3, (uint64_t)kind); // the same in both
    put_bytes(m, 1, piece.bytes, piece.size);
    return VKMOE_OK;
}

// Trainer and normalizer, as far as they count for those who do not train. The tokens at the ends
// of a text are named elsewhere: sentencepiece knows them by their texts only.
static void put_settings(struct gguf_message *m, bool has_bytes)
{
    enum { BPE = 2, MODEL_TYPE = 3, BYTE_FALLBACK = 35 };
    enum { NAME = 1, ADD_PREFIX = 3, REMOVE_BLANKS = 4, ESCAPE_BLANKS = 5 };
    char bytes[64];
    struct gguf_message trainer = { .bytes = bytes };
    put_field(&trainer, MODEL_TYPE, BPE);
    put_field(&trainer, BYTE_FALLBACK, has_bytes);
    put_bytes(m, 2, trainer.bytes, trainer.size);
    struct gguf_message normalizer = { .bytes = bytes };
    put_bytes(&normalizer, NAME, "identity", 8);
    put_field(&normalizer, ADD_PREFIX, true);
    put_field(&normalizer, REMOVE_BLANKS, false);
    put_field(&normalizer, ESCAPE_BLANKS, true);
    put_bytes(m, 3, normalizer.bytes, normalizer.size);
}

enum vkmoe_status vkmoe_gguf_write_pieces(struct gguf_vocabulary *v, struct gguf_message *m)
{
    struct gguf_string token = { 0 };
    bool has_bytes = false;
    for (uint64_t i = 0; i < v->keys.tokens.count; i++) {
        TRY_RETURN(vkmoe_gguf_next_string(v, "tokens", &v->keys.tokens, v->tokens, &token));
        TRY_RETURN(put_piece(v, m, i, &token, &has_bytes));
    }
    put_settings(m, has_bytes);
    return VKMOE_OK;
}
