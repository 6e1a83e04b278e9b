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

bool cli_pieces_are_built(void); // else nothing can be opened

// NULL if the file cannot be read, or is damaged. To be closed.
struct cli_pieces *cli_pieces_open(const char *path);
void cli_pieces_close(struct cli_pieces **pieces);

uint32_t cli_pieces_count(const struct cli_pieces *pieces);
int64_t cli_pieces_begin(const struct cli_pieces *pieces); // the token before a text; -1: none
int64_t cli_pieces_end(const struct cli_pieces *pieces);   // the one behind it; -1: none

// What they return is to be freed; it is NULL if they fail, as for want of memory.
uint32_t *cli_pieces_encode(const struct cli_pieces *pieces, const char *text, size_t size,
    uint32_t *count);
// Bytes that are no UTF-8, perhaps not yet, and tokens that are no piece are replaced.
char *cli_pieces_decode(const struct cli_pieces *pieces, const uint32_t *tokens, uint32_t count,
    size_t *size);

#ifdef __cplusplus
}
#endif

#endif
