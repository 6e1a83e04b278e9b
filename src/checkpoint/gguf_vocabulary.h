// gguf_vocabulary.h - what gguf_vocabulary.c and gguf_vocabulary_*.c share: the tokens of a
// tokenizer, as GGUF's keys have them.
#ifndef VKMOE_GGUF_VOCABULARY_H
#define VKMOE_GGUF_VOCABULARY_H

#include "base/value.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/gguf_write.h"

enum token_kind {
    TOKEN_NONE,
    TOKEN_NORMAL,
    TOKEN_UNKNOWN,
    TOKEN_CONTROL,
    TOKEN_USER_DEFINED,
    TOKEN_UNUSED,
    TOKEN_BYTE
};

struct token {
    const char *text;
    size_t size;
    float score;
    enum token_kind kind; // TOKEN_NONE: the vocabulary has a gap here
};

struct vocabulary {
    struct gguf_output *out;
    const char *path;           // of the tokenizer's file, for messages
    const struct value *config; // tokenizer_config.json; NULL: there is none
    const struct value *added;  // added_tokens.json; NULL: there is none
    const struct value *map;    // special_tokens_map.json; NULL: there is none
    struct token *tokens;       // [count], as many as the embedding has
    uint32_t count;
    uint32_t flagged; // added tokens that GGUF cannot say all of, the first of which is
    const char *first_flagged;
    const uint32_t *model_end; // the token that ends the model's texts; NULL: none is known
};

// The tokens before and after every text; -1: none.
struct text_ends {
    int64_t begin, end;
};

#define VOCABULARY_FAIL(v, code, ...) GGUF_OUTPUT_FAIL((v)->out, code, __VA_ARGS__)

// Puts a token in its place, over what is there. INVALID, with a line, beyond the vocabulary.
void vkmoe_vocabulary_set(struct vocabulary *v, uint64_t id, struct token token);

// Counts an added token as flagged if its text alone does not say where it is found.
void vkmoe_vocabulary_check(struct vocabulary *v, const struct value *added);

// The id of a text, or -1.
int64_t vkmoe_vocabulary_find(const struct vocabulary *v, const char *text);

// Of a text, or of an object that has it as its `content`: so tokens are named in JSON.
const char *vkmoe_vocabulary_text(const struct value *value);

// tokenizer.json: byte-level BPE. gguf_vocabulary_bpe.c
void vkmoe_vocabulary_read_bpe(struct vocabulary *v, const struct value *json);
void vkmoe_vocabulary_put_bpe(struct vocabulary *v, const struct value *json);
// What its post_processor puts there.
struct text_ends vkmoe_vocabulary_read_ends(struct vocabulary *v, const struct value *json);

#endif
