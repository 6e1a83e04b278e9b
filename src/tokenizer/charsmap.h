// charsmap.h - sentencepiece's table of what characters become before a text is cut: NFKC, mostly.
#ifndef VKMOE_CHARSMAP_H
#define VKMOE_CHARSMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct charsmap;

// From the bytes of the table: a u32 of how many bytes the trie has, the trie, and after it the
// texts, each ended by a zero. NULL: it is none, or there is no memory. To be
// closed.
struct charsmap *vkmoe_charsmap_open(const char *data, size_t size, bool *lacks_memory);
void vkmoe_charsmap_close(struct charsmap *map); // accepts NULL

// The text with the longest of what the table has, from the left, replaced; to be freed.
// NULL: there is no memory.
char *vkmoe_charsmap_apply(
    const struct charsmap *map, const char *text, size_t size, size_t *out_size);

#endif
