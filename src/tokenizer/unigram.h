// unigram.h - tokens with scores: a text is cut so that the sum of them is the highest.
#ifndef VKMOE_CLI_UNIGRAM_H
#define VKMOE_CLI_UNIGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cli_unigram;

enum { CLI_UNIGRAM_MAX_SIZE = 1024 }; // bytes of a token, which the time of a cut grows with

struct cli_unigram *cli_unigram_open(uint32_t tokens); // ids are below; to be closed
void cli_unigram_close(struct cli_unigram *unigram);   // accepts NULL
// Copied.
void cli_unigram_add(
    struct cli_unigram *unigram, const char *text, size_t size, uint32_t id, double score);
void cli_unigram_finish(struct cli_unigram *unigram); // after all were added

struct cli_unigram_part {
    size_t begin, end;
    int64_t id; // -1: no token, all characters of the kind in a row
};

// At most `size` parts, which are returned in their order; their number is returned.
size_t cli_unigram_cut(const struct cli_unigram *unigram, const char *text, size_t size,
    struct cli_unigram_part *parts);

#endif
