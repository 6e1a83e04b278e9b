// rope_kinds.h - RoPE of blocks with a window and of those without, each its own.
#ifndef VKMOE_ROPE_KINDS_H
#define VKMOE_ROPE_KINDS_H

#include "checkpoint/whole.h"

// Without rope_parameters.
struct rope_kind {
    struct vkmoe_rope preset;
    double part; // of a head that is turned; 0: all of it, and nothing else is supported
};

// As rope_parameters has it of the block's kind, in an object as others have it for all.
void vkmoe_rope_read_kinds(const struct whole_source *source, struct vkmoe_block block,
    const struct rope_kind *full, const struct rope_kind *sliding,
    struct vkmoe_attention_params *params);

#endif
