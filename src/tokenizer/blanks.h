// blanks.h - what becomes of blanks where the tokens are texts: U+2581, which is no blank to what
// cuts a text, and a blank again in the end.
#ifndef VKMOE_BLANKS_H
#define VKMOE_BLANKS_H

#include "tokenizer/bpe.h"

// Leaves out blanks, in place; returns the size.
size_t vkmoe_blanks_drop(const struct bpe_text *how, char *text, size_t size);
// A copy with marks, and one before it all if there is to be a `prefix`; to be freed. NULL: there
// is no memory.
char *vkmoe_blanks_mark(
    const struct bpe_text *how, const char *text, size_t size, bool prefix, size_t *out_size);
// Where the word at `at` ends: before the next mark.
size_t vkmoe_blanks_word(const char *text, size_t at, size_t size);
// The text with blanks again, to `to`, which has room for it; returns the size.
size_t vkmoe_blanks_unmark(char *to, const char *text, size_t size);

#endif
