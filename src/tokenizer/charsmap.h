// charsmap.h - sentencepiece's table of what characters become before a text is cut: NFKC, mostly.
#ifndef VKMOE_CLI_CHARSMAP_H
#define VKMOE_CLI_CHARSMAP_H

#include <stddef.h>
#include <stdint.h>

struct cli_charsmap;

// From the bytes of the table: a u32 of how many bytes the trie has, the trie, and after it the
// texts, each ended by a zero. NULL: it is none. To be closed.
struct cli_charsmap *cli_charsmap_open(const char *data, size_t size);
void cli_charsmap_close(struct cli_charsmap *map); // accepts NULL

// The text with the longest of what the table has, from the left, replaced; to be freed.
char *cli_charsmap_apply(
    const struct cli_charsmap *map, const char *text, size_t size, size_t *out_size);

#endif
