// linear.h - a linear projection: experts of one matrix, y[t] = x[t] Wt + bias.
#ifndef VKMOE_LINEAR_H
#define VKMOE_LINEAR_H

#include "weights/experts.h"

// From up to MATRIX_PARTS views below each other, [rows[i]][columns], of one dtype and one order of
// columns, into which x must be brought first;
// `biases` likewise, NULL or with absent ones where there is none. Nothing is left on failure.
#define MATRIX_PARTS 4
enum vkmoe_status vkmoe_linear_create(struct loading *loading,
    const struct vkmoe_view *const views[], const struct vkmoe_view *const biases[],
    const uint32_t rows[], uint32_t count, uint32_t columns, struct experts *out);

// x f32 [tokens][columns], y f32 [tokens][rows]: device addresses, multiples of 4.
// After a barrier.
enum vkmoe_status vkmoe_linear_record(
    vkmoe_stream *stream, const struct experts *linear, uint64_t x, uint64_t y, uint32_t tokens);
// The same where rows of x lie apart, or only some rows of the matrix are wanted.
enum vkmoe_status vkmoe_linear_record_part(
    vkmoe_stream *stream, const struct experts *linear, const struct direct_operands *operands);

#endif
