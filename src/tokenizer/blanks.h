// blanks.h - what becomes of blanks where the tokens are texts: U+2581, which is no blank to what
// cuts a text, and a blank again in the end.
#ifndef VKMOE_CLI_BLANKS_H
#define VKMOE_CLI_BLANKS_H

#include "bpe.h"

// Leaves out blanks, in place; returns the size.
size_t cli_blanks_drop(const struct cli_bpe_text *how, char *text, size_t size);
// A copy with marks, and one before it all if there is to be a `prefix`; to be freed.
char *cli_blanks_mark(
    const struct cli_bpe_text *how, const char *text, size_t size, bool prefix, size_t *out_size);
// Where the word at `at` ends: before the next mark.
size_t cli_blanks_word(const char *text, size_t at, size_t size);
// The text with blanks again, to `to`, which has room for it; returns the size.
size_t cli_blanks_unmark(char *to, const char *text, size_t size);

#endif
