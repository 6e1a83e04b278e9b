// attention_constants.h - the constants that attention's kernels read, as an operand of their
// cases.
#ifndef VKMOE_TESTS_CASES_ATTENTION_CONSTANTS_H
#define VKMOE_TESTS_CASES_ATTENTION_CONSTANTS_H

#include "cases.h"

#include "shaders/attention.h"

// Adds the operand, and, in dispatch(), fills it: with `numbers`, and with the addresses of the
// operands that are called as the constants' members are. Returns its address.
void io_add_attention_constants(struct kernel_io *io);
uint64_t io_fill_attention_constants(struct kernel_io *io, struct attention_constants numbers);
// The numbers of a layer; 0 experts, or 0 of them a token, are one.
struct attention_constants attention_numbers(
    uint32_t heads, uint32_t kv_heads, uint32_t experts, uint32_t k, uint32_t query_stride);

// Leaves out of "query" what nobody has written: the row of a token ~0, which becomes NaN, and what
// would be behind the last row's `width` elements, which goes.
void io_leave_queries(
    struct kernel_io *io, uint32_t rows, uint32_t width, const uint32_t *row_token);

// Adds an operand of a word per token, if it is there; its contents, or NULL.
uint32_t *io_add_places(struct kernel_io *io, const char *name, bool is_there, uint32_t tokens);
// "positions" and "sequences" with these contents.
void io_copy_places(struct kernel_io *io, bool placed, bool in_sequences, uint32_t tokens,
    const uint32_t *position, const uint32_t *sequence);
// The same of sequences that take turns, from position `start` on; 0 sequences are one, without an
// operand. Leaves the places of each token.
void io_add_turns(struct kernel_io *io, bool placed, uint32_t sequences, uint32_t tokens,
    uint32_t start, uint32_t **position, uint32_t **sequence);

#endif
