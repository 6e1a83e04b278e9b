// bpe.h - byte-level BPE, as a tokenizer.json describes it: a text is cut into pieces by patterns,
// and in each piece, begun as single bytes, pairs of tokens are merged by their rank.
#ifndef VKMOE_CLI_BPE_H
#define VKMOE_CLI_BPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cli_bpe;
struct cli_split;

bool cli_bpe_is_built(void); // else nothing can be opened

// ----------------------------------------------------------------------- vocabulary

// For ids below `tokens`, at most `merges` merges. To be closed.
struct cli_bpe *cli_bpe_open(uint32_t tokens, uint32_t merges, bool ignore_merges);
void cli_bpe_close(struct cli_bpe **bpe); // its patterns too

// A token as the files write it, a character for each byte; copied. False: there is another token
// of this id or text.
bool cli_bpe_add_token(struct cli_bpe *bpe, const char *text, size_t size, uint32_t id);
// The next merge by rank, after all tokens. False: one of the two, or what they become, is no
// token.
bool cli_bpe_add_merge(
    struct cli_bpe *bpe, const char *left, size_t left_size, const char *right, size_t right_size);
// -1: none.
int64_t cli_bpe_find(const struct cli_bpe *bpe, const char *text, size_t size);
uint32_t cli_bpe_count(const struct cli_bpe *bpe); // all ids are below

// Merges within one piece; appends at most `size` tokens, returns how many.
size_t cli_bpe_merge(const struct cli_bpe *bpe, const char *text, size_t size, uint32_t *tokens);

// What is returned is to be freed. NULL, after a message: a pattern cannot be applied.
uint32_t *cli_bpe_encode(const struct cli_bpe *bpe, const char *text, size_t size, uint32_t *count);
// Bytes that are no UTF-8, perhaps not yet, and ids that are no token are replaced.
char *cli_bpe_decode(
    const struct cli_bpe *bpe, const uint32_t *tokens, uint32_t count, size_t *size);

// ------------------------------------------------------------------------- patterns

// In the order of their use.
struct cli_split *cli_bpe_split(struct cli_bpe *bpe);

struct cli_split *cli_split_open(void);
void cli_split_close(struct cli_split *split);
void cli_split_use_nfc(struct cli_split *split);
// Matches and the gaps between them become pieces. False, with `why`: it is no pattern.
bool cli_split_add(struct cli_split *split, const char *pattern, char *why, size_t room);

// The text in NFC if that is used, else a copy; UTF-8 in any case. NULL: it fails.
char *cli_split_normalize(const struct cli_split *split, const char *text, size_t *size);
// Calls `use` with each piece of a text that cli_split_normalize() returned. False: it fails.
bool cli_split_cut(const struct cli_split *split, const char *text, size_t size,
    void (*use)(void *data, const char *piece, size_t size), void *data);

// A copy with U+FFFD for what is no UTF-8; to be freed.
char *cli_bpe_repair(const char *bytes, size_t size, size_t *out_size);

#endif
