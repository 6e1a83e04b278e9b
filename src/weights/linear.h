// linear.h - a dense matrix: y[t] = x[t] Wt + bias, with the expert kernels.
#ifndef VKMOE_LINEAR_H
#define VKMOE_LINEAR_H

#include "moe/pass.h"

struct linear {
    vkmoe_device *device;
    struct matrix matrix;
    vkmoe_buffer *table; // its address
    vkmoe_buffer *bias;  // f32 [padded rows], or NULL
    enum vkmoe_dtype dtype;
    uint32_t rows, columns;
};

// From up to MATRIX_PARTS views below each other, [rows[i]][columns], of one dtype;
// `biases` likewise, NULL or with absent ones where there is none.
enum vkmoe_status vkmoe_linear_create(struct loading *loading,
    const struct vkmoe_view *const views[], const struct vkmoe_view *const biases[],
    const uint32_t rows[], uint32_t count, uint32_t columns, struct linear *out);
void vkmoe_linear_destroy(struct linear *linear);
uint64_t vkmoe_linear_size(const struct linear *linear);

// x f32 [tokens][columns], y f32 [tokens][rows]: device addresses, multiples of 4.
// Behind a barrier.
enum vkmoe_status vkmoe_linear_record(
    vkmoe_stream *stream, const struct linear *linear, uint64_t x, uint64_t y, uint32_t tokens);

#endif
