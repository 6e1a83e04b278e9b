// matrix.h - one matrix in the order that shaders/lib/weights.glsl reads; and vectors.
#ifndef VKMOE_MATRIX_H
#define VKMOE_MATRIX_H

#include "weights/pack.h"

// Half a strip of the packed order, which is what kernels work on. Matrix rows are padded to 64,
// which are whole tiles of all kernels without matrix units, so that those need not guard their
// loads of weights.
#define BLOCK_ROWS 8
#define PAD_BLOCKS 8

struct matrix {
    vkmoe_buffer *buffer;
    uint32_t blocks; // of 8 rows, padded
    uint32_t units;  // of 8 columns
};

// A matrix from one view, or from two whose strips of 16 rows take turns (gate and up):
// [rows][columns] each. `second` may be NULL. On failure *out may hold a buffer, which the
// device may still be writing to: vkmoe_loading_finish() before it is destroyed.
enum vkmoe_status vkmoe_matrix_create(struct loading *loading, const struct vkmoe_view *first,
    const struct vkmoe_view *second, uint32_t rows, uint32_t columns, enum vkmoe_dtype dtype,
    struct matrix *out);

// The same from views [rows[i]][columns] one below the other.
enum vkmoe_status vkmoe_matrix_create_stacked(struct loading *loading,
    const struct vkmoe_view *const views[], const uint32_t rows[], uint32_t count, uint32_t columns,
    enum vkmoe_dtype dtype, struct matrix *out);

void vkmoe_matrix_destroy(struct matrix *matrix);

// The bytes of a matrix of so many blocks of 8 rows, those of all its views.
uint64_t vkmoe_matrix_size(uint32_t blocks, uint32_t columns, enum vkmoe_dtype dtype);

// Copies [rows][columns] to `out`, which stays as it is if the view is absent, and in a trial
// (device/fit.h), which has no use for values.
enum vkmoe_status vkmoe_view_read(const vkmoe_device *device, const struct vkmoe_view *view,
    uint32_t rows, uint32_t columns, float *out);

// An f32 copy of a vector times `scale`; *out stays as it is if the view is absent.
enum vkmoe_status vkmoe_vector_upload(vkmoe_device *device, const struct vkmoe_view *view,
    uint32_t count, float scale, vkmoe_buffer **out);

#endif
