// bpe_parts.h - what a BPE is made of, for the files that it is spread over.
#ifndef VKMOE_BPE_PARTS_H
#define VKMOE_BPE_PARTS_H

#include "tokenizer/bpe.h"

struct token {
    char *text; // NULL: there is none of this id
    size_t size;
};

struct merge {
    uint32_t left, right, rank, result;
};

struct bpe {
    struct token *tokens;
    uint32_t room, count;
    uint32_t *texts, texts_mask; // ids + 1 by the hash of their bytes; 0: free
    struct merge *merges;        // by the hash of the pair; rank is from 1; 0: free
    uint32_t merges_mask, merges_count;
    int64_t bytes[256];        // the token of a byte; -1: none
    unsigned char values[324]; // the byte that a character stands for
    bool known[324];
    bool ignore_merges;
    bool lacks_memory; // there was none for what it was given
    bool is_text;
    struct bpe_text how; // if it is
    int64_t unknown;
    struct charsmap *map; // NULL: there is none, likewise below
    struct unigram *unigram;
    struct split *split;
};

// The token of these bytes; -1: there is none.
int64_t vkmoe_bpe_find_bytes(const struct bpe *bpe, const char *bytes, size_t size);
// The pair's, or the free slot where it would go.
struct merge *vkmoe_bpe_find_merge(const struct bpe *bpe, uint32_t left, uint32_t right);

#endif
