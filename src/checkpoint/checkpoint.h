// model.h - an open model: a directory's config and tensors.
#ifndef VKMOE_MODEL_MODEL_H
#define VKMOE_MODEL_MODEL_H

#include <stdatomic.h>

#include "checkpoint/config.h"
#include "checkpoint/end_tokens.h"
#include "checkpoint/family.h"
#include "checkpoint/tensors.h"
#include "checkpoint/views.h"
#include "checkpoint/whole_views.h"

struct vkmoe_checkpoint {
    struct vkmoe_log log;
    char *directory;
    struct vkmoe_config config; // read, without fault so far; a copy has its own status
    struct vkmoe_tensors tensors;
    const struct vkmoe_family *family;
    struct vkmoe_blocks blocks;
    struct vkmoe_moe_params params; // of every block with experts, without the views
    bool router_bias, correction_bias;
    struct vkmoe_checkpoint_info info;
    // Made when first asked for. Atomic, because several threads may be the first.
    _Atomic(struct vkmoe_block_views *) views[2][VKMOE_MAX_BLOCKS];
    _Atomic(struct vkmoe_end_tokens *) end_tokens;
    _Atomic(struct vkmoe_attention_views *) attention[VKMOE_PLACES][VKMOE_MAX_BLOCKS];
};

// All that the config says; its status.
enum vkmoe_status vkmoe_checkpoint_read_config(
    struct vkmoe_checkpoint *checkpoint, struct vkmoe_config *config);

#endif
