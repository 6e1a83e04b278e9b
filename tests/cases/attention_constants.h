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

#endif
