// layer.h - a MoE layer: its parameters, its packed weights, and how it is run.
#ifndef VKMOE_LAYER_H
#define VKMOE_LAYER_H

#include "weights/pack.h"

// Matrix rows are padded to whole tiles of the largest GEMM, so that no kernel guards
// its loads of weights.
#define BLOCK_ROWS 8
#define PAD_BLOCKS 8
#define MAX_TOKENS 65536
#define MAX_EXPERTS 1024
#define MAX_WIDTH 65536

struct matrix {
    vkmoe_buffer *buffer;
    uint32_t blocks; // of 8 rows, padded
    uint32_t units;  // of 8 columns, padded
};

struct vkmoe_moe {
    vkmoe_device *device;
    struct loading *loading; // while it is created
    // The caller's, without its views and with defaults filled in.
    struct vkmoe_moe_params params;
    enum vkmoe_dtype dtype;
    bool gated, shared_gated, shared_weighted; // the last: has a token gate
    bool leveled;                              // the router has levels
    bool up_biased, down_biased, output_biased;
    uint32_t inner_columns; // inner, padded to 8: the width of a row of h
    uint32_t shared_inner_columns;

    struct matrix router;                // f32; behind it the shared token gate and the levels
    struct matrix *up, *down;            // [experts + 1]; the last is the shared expert's
    vkmoe_buffer *up_table, *down_table; // addresses of these
    vkmoe_buffer *vectors;               // f32 [3][experts]: bias, correction bias, expert scale
    vkmoe_buffer *up_bias;               // f32 [experts][up rows], in matrix order
    vkmoe_buffer *down_bias;             // f32 [experts][down rows]
    vkmoe_buffer *output_bias;           // f32 [hidden]
    uint64_t size;
};

// What the positions of several sequences chose, for a limit on an expert's tokens that counts
// over a whole sequence, in whatever forwards it comes: router.capacity counts within one.
struct layer_history {
    vkmoe_buffer *choices;        // see shaders/limit_experts.h; zeros at first
    uint32_t limit;               // pairs that an expert takes of a sequence
    uint32_t sequences, capacity; // capacity: positions of a sequence
};

// vkmoe_moe_create() as a part of another loading, which may go without the down projection:
// for the stages that need none (mix.h) `down` is NULL. Nothing is left on failure.
enum vkmoe_status vkmoe_moe_load(
    struct loading *loading, const struct vkmoe_moe_params *params, vkmoe_moe **out);

// The bytes of its matrices, as they count in struct loading.
uint64_t vkmoe_moe_load_size(const struct vkmoe_moe_params *params);

// layer_check.c: INVALID, with the field's name in the log, if a rule is broken. `down` may
// be absent.
enum vkmoe_status vkmoe_moe_check(
    const struct caller *caller, const struct vkmoe_moe_params *params);

// layer_weights.c. A matrix from one view, or from two whose blocks of 8 rows take
// turns (gate and up): [rows][columns] each. `second` may be NULL. On failure *out may hold a
// buffer; the device may still be writing to it: vkmoe_loading_finish().
enum vkmoe_status vkmoe_matrix_create(struct loading *loading, const struct vkmoe_view *first,
    const struct vkmoe_view *second, uint32_t rows, uint32_t columns, enum vkmoe_dtype dtype,
    struct matrix *out);
// A matrix of up to MATRIX_PARTS views, [rows[i]][columns] each, one below the other.
#define MATRIX_PARTS 4
enum vkmoe_status vkmoe_matrix_create_stacked(struct loading *loading,
    const struct vkmoe_view *const views[], const uint32_t rows[], uint32_t count, uint32_t columns,
    enum vkmoe_dtype dtype, struct matrix *out);
void vkmoe_matrix_destroy(struct matrix *matrix);
// The bytes of a matrix of so many blocks of 8 rows, those of all its views.
uint64_t vkmoe_matrix_size(uint32_t blocks, uint32_t columns, enum vkmoe_dtype dtype);
// An f32 copy of a vector times `scale`; *out stays as it is if the view is absent.
enum vkmoe_status vkmoe_vector_upload(vkmoe_device *device, const struct vkmoe_view *view,
    uint32_t count, float scale, vkmoe_buffer **out);

#endif
