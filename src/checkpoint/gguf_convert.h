// gguf_convert.h - what gguf_convert*.c share.
#ifndef VKMOE_GGUF_CONVERT_H
#define VKMOE_GGUF_CONVERT_H

#include "checkpoint/gguf.h"
#include "checkpoint/gguf_write.h"
#include "checkpoint/opened.h"

struct gguf_converter {
    struct vkmoe_checkpoint *checkpoint;
    struct gguf_output *out;
    struct gguf_target target;
    struct vkmoe_frame frame;
    uint32_t block;
    // Set by vkmoe_gguf_put_keys(): of the first block that has experts, and of the first block, or
    // of the last, which has the divisors where blocks differ.
    struct vkmoe_attention_params attention;
    struct vkmoe_moe_params moe;
    bool turned;            // rows of queries and keys, from halves to pairs
    const char *unknown[8]; // see GGUF_UNKNOWN
    uint32_t unknown_count;
};

#define GGUF_REFUSE(c, ...) \
    GGUF_OUTPUT_FAIL((c)->out, UNSUPPORTED, "%s: GGUF's %s cannot say %s", (c)->out->path, \
        (c)->target.name, __VA_ARGS__)

// Notes what the file says, and what reads it here takes from it, but llama.cpp does not: a line
// when all is said.
#define GGUF_UNKNOWN(c, text) \
    do { \
        if ((c)->unknown_count < ARRAY_SIZE((c)->unknown)) \
            (c)->unknown[(c)->unknown_count++] = (text); \
    } while (0)

// Writes the keys of the architecture, from the frame and the blocks. UNSUPPORTED, with a line, for
// what they cannot say.
enum vkmoe_status vkmoe_gguf_put_keys(struct gguf_converter *converter);

// Those of attention. gguf_convert_attention.c
enum vkmoe_status vkmoe_gguf_put_attention(struct gguf_converter *converter);

// And those of windows, and of heads and RoPE where blocks differ. gguf_convert_blocks.c
enum vkmoe_status vkmoe_gguf_put_blocks(struct gguf_converter *converter);

// Of each head, how many elements are turned.
uint32_t vkmoe_gguf_turned_size(const struct gguf_converter *converter);

// Of each head.
static inline uint32_t gguf_value_size(const struct vkmoe_attention_params *params)
{
    return params->value_size ? params->value_size : params->head_size;
}

// A key of the architecture's own, as vkmoe_gguf_put_u32() and the others.
void vkmoe_gguf_put_own_u32(struct gguf_converter *converter, const char *name, uint32_t value);
void vkmoe_gguf_put_own_f32(struct gguf_converter *converter, const char *name, float value);
void vkmoe_gguf_put_own_bool(struct gguf_converter *converter, const char *name, bool value);

// With an item for each block, of so many bytes.
void vkmoe_gguf_put_own_list(struct gguf_converter *converter, const char *name,
    enum gguf_items kind, const void *items, size_t size);

struct gguf_key {
    char text[96];
};
struct gguf_key vkmoe_gguf_own_key(const struct gguf_converter *converter, const char *name);

#endif
