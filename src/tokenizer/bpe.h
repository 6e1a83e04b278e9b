// bpe.h - BPE, as a tokenizer.json describes it: a text is cut into pieces by patterns, and in each
// piece, begun as single bytes, pairs of tokens are merged by their rank. The kind that is made of
// sentencepiece's files begins with single characters instead, and has U+2581 for blanks.
#ifndef VKMOE_BPE_H
#define VKMOE_BPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpe;
struct charsmap;
struct split;
struct unigram;

bool vkmoe_bpe_is_built(void); // else nothing can be opened

// ----------------------------------------------------------------------- vocabulary

// For ids below `tokens`, at most `merges` merges. To be closed. NULL: there is no memory, as for
// more than 2^30 of either.
struct bpe *vkmoe_bpe_open(uint32_t tokens, uint32_t merges, bool ignore_merges);
void vkmoe_bpe_close(struct bpe **bpe); // its patterns too
// That there was no memory for something that it was given, which is then not in it: asked for
// once, after all of it, and where something was refused.
void vkmoe_bpe_lack_memory(struct bpe *bpe);
bool vkmoe_bpe_lacks_memory(const struct bpe *bpe);

// Tokens are texts, and not bytes. To be called before there are any.
struct bpe_text {
    bool byte_fallback; // of what is no token each byte is one, <0x00> to <0xFF>
    bool fuse_unknown;  // of others, one unknown token stands for all in a row
    bool words;         // no token goes on beyond a blank
    bool prefix_once;   // a text that begins with a blank gets no other before it
    bool one_blank;     // stands for all in a row
    bool no_last_blank; // at the end of a text
    bool only_words;    // of all that is blank, one blank between words is left, and none around
};
void vkmoe_bpe_use_text(struct bpe *bpe, const struct bpe_text *how);
// What is done to a text before it is cut, and what cuts it instead of merges: taken.
void vkmoe_bpe_use_charsmap(struct bpe *bpe, struct charsmap *map);
void vkmoe_bpe_use_unigram(struct bpe *bpe, struct unigram *unigram);
void vkmoe_bpe_set_unknown(struct bpe *bpe, int64_t id); // -1: what is unknown is left out
// What stands for characters of a text; -1: there is none, or every byte is known.
int64_t vkmoe_bpe_unknown(const struct bpe *bpe);

// A token as the files write it, of bytes a character for each; copied. False: there is another
// token of this id or text.
bool vkmoe_bpe_add_token(struct bpe *bpe, const char *text, size_t size, uint32_t id);
// The same with the bytes themselves.
bool vkmoe_bpe_add_bytes(struct bpe *bpe, const char *bytes, size_t size, uint32_t id);
// All pairs that become a token are merges, and its id is their rank. In place of the next.
void vkmoe_bpe_derive_merges(struct bpe *bpe);
// The next merge by rank, after all tokens. False: one of the two, or what they become, is no
// token.
bool vkmoe_bpe_add_merge(
    struct bpe *bpe, const char *left, size_t left_size, const char *right, size_t right_size);
// -1: none.
int64_t vkmoe_bpe_find(struct bpe *bpe, const char *text, size_t size);
// Whether a token is a byte of `byte_fallback`, which no text becomes by its name.
bool vkmoe_bpe_is_byte(const struct bpe *bpe, uint32_t id);
uint32_t vkmoe_bpe_count(const struct bpe *bpe); // all ids are below

// Merges within one piece; appends at most `size` tokens, returns how many. SIZE_MAX: there is no
// memory.
size_t vkmoe_bpe_merge(const struct bpe *bpe, const char *text, size_t size, uint32_t *tokens);

// What is returned is to be freed. NULL: it fails, and *why, which is kept, says of what; that is
// NULL if there is no memory.
// `prefix`, of texts: a blank is put before it, or was.
uint32_t *vkmoe_bpe_encode(const struct bpe *bpe, const char *text, size_t size, bool prefix,
    uint32_t *count, const char **why);
// Bytes that are no UTF-8, perhaps not yet, and ids that are no token are replaced. *unfinished:
// the bytes at the end that may become a character, for all of which one U+FFFD stands. NULL: there
// is no memory.
char *vkmoe_bpe_decode(const struct bpe *bpe, const uint32_t *tokens, uint32_t count, bool prefix,
    size_t *size, size_t *unfinished);
bool vkmoe_bpe_has(const struct bpe *bpe, uint32_t id);
// The bytes of one token that there is; likewise.
char *vkmoe_bpe_text(const struct bpe *bpe, uint32_t id, size_t *size);

// ------------------------------------------------------------------------- patterns

// In the order of their use.
struct split *vkmoe_bpe_split(struct bpe *bpe);

struct split *vkmoe_split_open(void); // NULL: there is no memory
void vkmoe_split_close(struct split *split);
void vkmoe_split_use_nfc(struct split *split);
// Matches and the gaps between them become pieces. False, with `why`: it is no pattern; that is ""
// if there is no memory.
bool vkmoe_split_add(struct split *split, const char *pattern, char *why, size_t room);

// The text in NFC if that is used, else a copy; UTF-8 in any case. NULL: it fails, of *why, which
// stays as it is if there is no memory.
char *vkmoe_split_normalize(
    const struct split *split, const char *text, size_t *size, const char **why);
// Calls `use` with each piece of a text that vkmoe_split_normalize() returned. False: it fails.
bool vkmoe_split_cut(const struct split *split, const char *text, size_t size,
    void (*use)(void *data, const char *piece, size_t size), void *data);

// A copy with U+FFFD for what is no UTF-8; to be freed. NULL: there is no memory.
char *vkmoe_bpe_repair(const char *bytes, size_t size, size_t *out_size);

#endif
