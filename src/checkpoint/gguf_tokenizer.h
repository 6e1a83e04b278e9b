// gguf_tokenizer.h - the parts that the tokenizers of GGUF files are made of: what a file says of
// its vocabulary, and text that is written twice, the first time only to learn its size.
#ifndef VKMOE_GGUF_TOKENIZER_H
#define VKMOE_GGUF_TOKENIZER_H

#include "checkpoint/gguf_file.h"

enum gguf_token_kind {
    GGUF_TOKEN_NORMAL = 1,
    GGUF_TOKEN_UNKNOWN,
    GGUF_TOKEN_CONTROL,
    GGUF_TOKEN_USER_DEFINED,
    GGUF_TOKEN_UNUSED,
    GGUF_TOKEN_BYTE,
};

struct gguf_vocabulary {
    const struct vkmoe_log *log;
    struct vkmoe_file *file;
    struct arena arena;
    struct gguf_file keys;
    bool text;         // tokens of BPE are texts with U+2581 for blanks, and not bytes
    uint64_t max_size; // of what is fetched, and of what is made
    char *tokens, *scores, *types, *merges; // as they are in the file; may be NULL
};

#define GGUF_VOCABULARY_FAIL(v, status, ...) \
    vkmoe_fail((v)->log, VKMOE_ERROR_##status, "%s: tokenizer.ggml." __VA_ARGS__)

// Strings; an absent array is refused.
enum vkmoe_status vkmoe_gguf_fetch_strings(
    const struct gguf_vocabulary *v, const char *name, const struct gguf_place *place, char **out);
// One for each token, of four bytes; an absent array stays NULL.
enum vkmoe_status vkmoe_gguf_fetch_numbers(
    const struct gguf_vocabulary *v, const char *name, const struct gguf_place *place, char **out);

struct gguf_string {
    const char *text;
    uint64_t size;
    uint64_t next; // where in the array the one after it begins; 0 at first
};

// The next string of a fetched array; of tokens, the one of this id.
enum vkmoe_status vkmoe_gguf_next_string(const struct gguf_vocabulary *v, const char *name,
    const struct gguf_place *place, const char *bytes, struct gguf_string *string);
enum vkmoe_status vkmoe_gguf_find_token(
    const struct gguf_vocabulary *v, int64_t id, struct gguf_string *out);

// A normal token where the file gives no types; refuses kinds that nobody knows.
enum vkmoe_status vkmoe_gguf_token_kind(
    const struct gguf_vocabulary *v, uint64_t index, enum gguf_token_kind *out);

// What a key says, `preset` if it is not there. Another type is refused, and so is an id that is
// no token's.
enum vkmoe_status vkmoe_gguf_token_bool(
    const struct gguf_vocabulary *v, const char *name, bool preset, bool *out);
enum vkmoe_status vkmoe_gguf_token_id(
    const struct gguf_vocabulary *v, const char *name, int64_t preset, int64_t *out);

// Bytes, or only their number as long as `bytes` is NULL.
struct gguf_message {
    char *bytes;
    size_t size;
};

void vkmoe_gguf_message_put(struct gguf_message *m, const void *bytes, size_t size);
void vkmoe_gguf_message_text(struct gguf_message *m, const char *text); // without its zero
// With its quotes, what JSON forbids within them escaped.
void vkmoe_gguf_message_json(struct gguf_message *m, const char *text, uint64_t size);

// Calls `write` twice, and leaves what it has written. To be freed.
enum vkmoe_status vkmoe_gguf_write_message(struct gguf_vocabulary *v,
    enum vkmoe_status (*write)(struct gguf_vocabulary *v, struct gguf_message *m),
    struct gguf_message *out);

// A tokenizer.model, of what GGUF calls a llama vocabulary: pieces, scores and kinds are
// sentencepiece's. gguf_pieces.c
enum vkmoe_status vkmoe_gguf_write_pieces(struct gguf_vocabulary *v, struct gguf_message *m);

// A tokenizer.json, of what GGUF calls a gpt2 vocabulary: byte-level BPE; or gemma4: BPE of texts.
// gguf_bpe.c
enum vkmoe_status vkmoe_gguf_write_bpe(struct gguf_vocabulary *v, struct gguf_message *m);

// The same as "\\s+$", which is tried anew at every blank of many.
#define GGUF_LAST_BLANKS "(?<!\\s)\\s++$"

// How vocabularies of byte-level BPE cut a text, by what tokenizer.ggml.pre calls them.
struct gguf_split {
    const char *names;       // with a blank between two
    const char *patterns[7]; // one after the other, the last of them NULL
    bool gpt2;               // at last by GPT-2's pattern
    bool nfc; // what the file that was converted does with a text, and GGUF has no key for
    bool ignore_merges; // a piece that is a token becomes that
    bool begin;         // a text begins with a token, unless the file says otherwise
};

// NULL: nobody knows. gguf_splits.c
const struct gguf_split *vkmoe_gguf_find_split(const char *name);

// All of them one after the other; NULL at the end.
const struct gguf_split *vkmoe_gguf_split_at(uint32_t index);

#endif
