// bpe.h - BPE, as a tokenizer.json describes it: a text is cut into pieces by patterns, and in each
// piece, begun as single bytes, pairs of tokens are merged by their rank. The kind that is made of
// sentencepiece's files begins with single characters instead, and has U+2581 for blanks.
#ifndef VKMOE_CLI_BPE_H
#define VKMOE_CLI_BPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cli_bpe;
struct cli_charsmap;
struct cli_split;
struct cli_unigram;

bool cli_bpe_is_built(void); // else nothing can be opened

// ----------------------------------------------------------------------- vocabulary

// For ids below `tokens`, at most `merges` merges. To be closed.
struct cli_bpe *cli_bpe_open(uint32_t tokens, uint32_t merges, bool ignore_merges);
void cli_bpe_close(struct cli_bpe **bpe); // its patterns too

// Tokens are texts, and not bytes. To be called before there are any.
struct cli_bpe_text {
    bool byte_fallback; // of what is no token each byte is one, <0x00> to <0xFF>
    bool fuse_unknown;  // of others, one unknown token stands for all in a row
    bool words;         // no token goes on beyond a blank
    bool prefix_once;   // a text that begins with a blank gets no other before it
    bool one_blank;     // stands for all in a row
    bool no_last_blank; // at the end of a text
    bool only_words;    // of all that is blank, one blank between words is left, and none around
};
void cli_bpe_use_text(struct cli_bpe *bpe, const struct cli_bpe_text *how);
// What is done to a text before it is cut, and what cuts it instead of merges: taken.
void cli_bpe_use_charsmap(struct cli_bpe *bpe, struct cli_charsmap *map);
void cli_bpe_use_unigram(struct cli_bpe *bpe, struct cli_unigram *unigram);
void cli_bpe_set_unknown(struct cli_bpe *bpe, int64_t id); // -1: what is unknown is left out
// What stands for characters of a text; -1: there is none, or every byte is known.
int64_t cli_bpe_unknown(const struct cli_bpe *bpe);

// A token as the files write it, of bytes a character for each; copied. False: there is another
// token of this id or text.
bool cli_bpe_add_token(struct cli_bpe *bpe, const char *text, size_t size, uint32_t id);
// The same with the bytes themselves.
bool cli_bpe_add_bytes(struct cli_bpe *bpe, const char *bytes, size_t size, uint32_t id);
// All pairs that become a token are merges, and its id is their rank. In place of the next.
void cli_bpe_derive_merges(struct cli_bpe *bpe);
// The next merge by rank, after all tokens. False: one of the two, or what they become, is no
// token.
bool cli_bpe_add_merge(
    struct cli_bpe *bpe, const char *left, size_t left_size, const char *right, size_t right_size);
// -1: none.
int64_t cli_bpe_find(const struct cli_bpe *bpe, const char *text, size_t size);
// Whether a token is a byte of `byte_fallback`, which no text becomes by its name.
bool cli_bpe_is_byte(const struct cli_bpe *bpe, uint32_t id);
uint32_t cli_bpe_count(const struct cli_bpe *bpe); // all ids are below

// Merges within one piece; appends at most `size` tokens, returns how many.
size_t cli_bpe_merge(const struct cli_bpe *bpe, const char *text, size_t size, uint32_t *tokens);

// What is returned is to be freed. NULL: it fails, and *why, which is kept, says of what.
// `prefix`, of texts: a blank is put before it, or was.
uint32_t *cli_bpe_encode(const struct cli_bpe *bpe, const char *text, size_t size, bool prefix,
    uint32_t *count, const char **why);
// Bytes that are no UTF-8, perhaps not yet, and ids that are no token are replaced.
char *cli_bpe_decode(
    const struct cli_bpe *bpe, const uint32_t *tokens, uint32_t count, bool prefix, size_t *size);

// ------------------------------------------------------------------------- patterns

// In the order of their use.
struct cli_split *cli_bpe_split(struct cli_bpe *bpe);

struct cli_split *cli_split_open(void);
void cli_split_close(struct cli_split *split);
void cli_split_use_nfc(struct cli_split *split);
// Matches and the gaps between them become pieces. False, with `why`: it is no pattern.
bool cli_split_add(struct cli_split *split, const char *pattern, char *why, size_t room);

// The text in NFC if that is used, else a copy; UTF-8 in any case. NULL: it fails, of *why.
char *cli_split_normalize(
    const struct cli_split *split, const char *text, size_t *size, const char **why);
// Calls `use` with each piece of a text that cli_split_normalize() returned. False: it fails.
bool cli_split_cut(const struct cli_split *split, const char *text, size_t size,
    void (*use)(void *data, const char *piece, size_t size), void *data);

// A copy with U+FFFD for what is no UTF-8; to be freed.
char *cli_bpe_repair(const char *bytes, size_t size, size_t *out_size);

#endif
