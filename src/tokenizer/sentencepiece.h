// sentencepiece.h - what is used of the library of this name, for C. Nothing here throws.
#ifndef VKMOE_SENTENCEPIECE_H
#define VKMOE_SENTENCEPIECE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pieces; // what a tokenizer.model holds

enum piece_kind {
    PIECE_TEXT,    // what texts are cut into: words, their parts, bytes
    PIECE_CONTROL, // no text becomes it
    PIECE_UNKNOWN, // what there is no other piece for
};

bool vkmoe_pieces_are_built(void); // else nothing can be opened

// From the bytes of the file, which are not kept. NULL if they are damaged. To be closed. Meanwhile
// the library's log level, which is the process's, is raised.
struct pieces *vkmoe_pieces_open(const char *data, size_t size);
void vkmoe_pieces_close(struct pieces **pieces);

uint32_t vkmoe_pieces_count(const struct pieces *pieces);
int64_t vkmoe_pieces_begin(const struct pieces *pieces); // the token before a text; -1: none
int64_t vkmoe_pieces_end(const struct pieces *pieces);   // the one after it; -1: none

enum piece_kind vkmoe_pieces_kind(const struct pieces *pieces, uint32_t id);
// How it is written, U+2581 for a blank; valid as long as the pieces. `id` is below their count.
const char *vkmoe_pieces_text(const struct pieces *pieces, uint32_t id, size_t *size);
int64_t vkmoe_pieces_find(const struct pieces *pieces, const char *text, size_t size); // -1: none

// Prepares for vkmoe_pieces_encode() without the blank that a text is else begun with.
bool vkmoe_pieces_forget_prefix(struct pieces *pieces);

// What they return is to be freed; it is NULL if they fail, as for want of memory. *why is what
// else was the matter, if anything.
uint32_t *vkmoe_pieces_encode(const struct pieces *pieces, const char *text, size_t size,
    bool prefix, uint32_t *count, const char **why);
// Bytes that are no UTF-8, perhaps not yet, and tokens that are no piece are replaced. Without
// `prefix` a blank at the beginning is one of the text.
char *vkmoe_pieces_decode(
    const struct pieces *pieces, const uint32_t *tokens, uint32_t count, bool prefix, size_t *size);
// The same of what goes on after a whole character, if vkmoe_pieces_go_on().
char *vkmoe_pieces_decode_inside(
    const struct pieces *pieces, const uint32_t *tokens, uint32_t count, size_t *size);
bool vkmoe_pieces_go_on(const struct pieces *pieces);
// The bytes that a piece stands for in the middle of a text; likewise.
char *vkmoe_pieces_bytes(const struct pieces *pieces, uint32_t id, size_t *size);

#ifdef __cplusplus
}
#endif

#endif
