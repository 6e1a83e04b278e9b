// tiny_layer.h - one small layer with its input and expected output, for tests that are
// about something else: embedding, threads, command buffers.
#ifndef VKMOE_TESTS_TINY_LAYER_H
#define VKMOE_TESTS_TINY_LAYER_H

#include <stdbool.h>
#include <stdint.h>

#include <vkmoe/moe.h>

#define TINY_TOKENS 5
#define TINY_HIDDEN 24
#define TINY_INNER 16
#define TINY_EXPERTS 4
#define TINY_K 2
#define TINY_SIZE (TINY_TOKENS * TINY_HIDDEN * sizeof(float)) // of x and of y

struct tiny_layer {
    float x[TINY_TOKENS][TINY_HIDDEN];
    float expected[TINY_TOKENS][TINY_HIDDEN];
    float router[TINY_EXPERTS][TINY_HIDDEN];
    float gate[TINY_EXPERTS][TINY_INNER][TINY_HIDDEN];
    float up[TINY_EXPERTS][TINY_INNER][TINY_HIDDEN];
    float down[TINY_EXPERTS][TINY_HIDDEN][TINY_INNER];
};

void tiny_layer_init(struct tiny_layer *tiny, uint64_t seed);

enum vkmoe_status tiny_layer_create(
    const struct tiny_layer *tiny, vkmoe_device *device, vkmoe_moe **out);

// One of any weights.
enum vkmoe_status tiny_layer_make(vkmoe_device *device, vkmoe_moe **out);

// Records a forward from `x` to `y`, both at offset 0.
enum vkmoe_status tiny_layer_forward(
    vkmoe_stream *stream, const vkmoe_moe *layer, const vkmoe_buffer *x, const vkmoe_buffer *y);

// Uploads x, and does and waits for a forward.
enum vkmoe_status tiny_layer_run(const struct tiny_layer *tiny, vkmoe_stream *stream,
    const vkmoe_moe *layer, vkmoe_buffer *x, vkmoe_buffer *y);

// All of it on a device, in buffers that `create_buffer` makes, vkmoe_buffer_create for one:
// whether the output is right. Notes what is not.
bool tiny_layer_works(vkmoe_device *device, uint64_t seed,
    enum vkmoe_status (*create_buffer)(vkmoe_device *device, uint64_t size, vkmoe_buffer **out));

// Compares with the expected output; notes the first value that is off.
bool tiny_layer_check(const struct tiny_layer *tiny, const float *y);

#endif
