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
    // Set by vkmoe_gguf_put_keys(): of the first blocks that have them.
    struct vkmoe_attention_params attention;
    struct vkmoe_moe_params moe;
    bool turned; // rows of queries and keys, from halves to pairs
};

// Writes the keys of the architecture, from the frame and the blocks. UNSUPPORTED, with a line, for
// what they cannot say.
enum vkmoe_status vkmoe_gguf_put_keys(struct gguf_converter *converter);

#endif
