// unigram.h - tokens with scores: a text is cut so that the sum of them is the highest.
#ifndef VKMOE_UNIGRAM_H
#define VKMOE_UNIGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct unigram;

enum { UNIGRAM_MAX_SIZE = 1024 }; // bytes of a token, which the time of a cut grows with

struct unigram *vkmoe_unigram_open(uint32_t tokens); // ids are below; NULL: no memory
void vkmoe_unigram_close(struct unigram *unigram);   // accepts NULL
// Copied.
void vkmoe_unigram_add(
    struct unigram *unigram, const char *text, size_t size, uint32_t id, double score);
// After all were added; false: there was no memory for them.
bool vkmoe_unigram_finish(struct unigram *unigram);

struct unigram_part {
    size_t begin, end;
    int64_t id; // -1: no token, all characters of the kind in a row
};

// At most `size` parts, which are returned in their order; their number is returned. SIZE_MAX:
// there is no memory.
size_t vkmoe_unigram_cut(
    const struct unigram *unigram, const char *text, size_t size, struct unigram_part *parts);

#endif
