// sentencepiece.h - what is used of the library of this name, for C. Nothing here throws.
#ifndef VKMOE_CLI_SENTENCEPIECE_H
#define VKMOE_CLI_SENTENCEPIECE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cli_pieces; // what a tokenizer.model holds

enum cli_piece_kind {
    CLI_PIECE_TEXT,    // what texts are cut into: words, their parts, bytes
    CLI_PIECE_CONTROL, // no text becomes it
    CLI_PIECE_UNKNOWN, // what there is no other piece for
};

bool cli_pieces_are_built(void); // else nothing can be opened

// From the bytes of the file, which are not kept. NULL if they are damaged. To be closed.
struct cli_pieces *cli_pieces_open(const char *data, size_t size);
void cli_pieces_close(struct cli_pieces **pieces);

uint32_t cli_pieces_count(const struct cli_pieces *pieces);
int64_t cli_pieces_begin(const struct cli_pieces *pieces); // the token before a text; -1: none
int64_t cli_pieces_end(const struct cli_pieces *pieces);   // the one after it; -1: none

enum cli_piece_kind cli_pieces_kind(const struct cli_pieces *pieces, uint32_t id);
// How it is written, U+2581 for a blank; valid as long as the pieces. `id` is below their count.
const char *cli_pieces_text(const struct cli_pieces *pieces, uint32_t id, size_t *size);
int64_t cli_pieces_find(const struct cli_pieces *pieces, const char *text, size_t size); // -1: none

// Prepares for cli_pieces_encode() without the blank that a text is else begun with.
bool cli_pieces_forget_prefix(struct cli_pieces *pieces);

// What they return is to be freed; it is NULL if they fail, as for want of memory.
uint32_t *cli_pieces_encode(
    const struct cli_pieces *pieces, const char *text, size_t size, bool prefix, uint32_t *count);
// Bytes that are no UTF-8, perhaps not yet, and tokens that are no piece are replaced. Without
// `prefix` a blank at the beginning is one of the text.
char *cli_pieces_decode(const struct cli_pieces *pieces, const uint32_t *tokens, uint32_t count,
    bool prefix, size_t *size);
// The same of what goes on after a whole character, if cli_pieces_go_on().
char *cli_pieces_decode_inside(
    const struct cli_pieces *pieces, const uint32_t *tokens, uint32_t count, size_t *size);
bool cli_pieces_go_on(const struct cli_pieces *pieces);

#ifdef __cplusplus
}
#endif

#endif
