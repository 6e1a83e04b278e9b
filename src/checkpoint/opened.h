// opened.h - an open checkpoint: its container, and what its family makes of it.
#ifndef VKMOE_OPENED_H
#define VKMOE_OPENED_H

#include <stdatomic.h>

#include "checkpoint/checkpoint.h"
#include "checkpoint/end_tokens.h"
#include "checkpoint/family.h"
#include "checkpoint/views.h"
#include "checkpoint/whole_views.h"

struct vkmoe_checkpoint {
    struct vkmoe_log log;
    struct container container;
    struct settings settings; // its, where the family has them; a copy has its own status
    struct kind kind;
    struct blocks blocks;
    struct vkmoe_moe_params params; // of every block with experts, without the views
    bool router_bias, correction_bias, averages;
    float *norms; // that have 1 added to them; NULL: none
    struct vkmoe_checkpoint_info info;
    // Made when first asked for. Atomic, because several threads may be the first.
    // The last ones are of dense networks beside experts.
    _Atomic(struct block_views *) views[3][MAX_BLOCKS];
    _Atomic(struct end_tokens *) end_tokens;
    _Atomic(struct attention_views *) attention[PLACES][MAX_BLOCKS];
};

// All that the settings say; their status.
enum vkmoe_status vkmoe_checkpoint_read_settings(
    struct vkmoe_checkpoint *checkpoint, struct settings *settings);

// NOT_FOUND, with a line, if there is no such block.
enum vkmoe_status vkmoe_checkpoint_check_block(
    const struct vkmoe_checkpoint *checkpoint, struct vkmoe_block block);

// What an info says of tensors and files.
void vkmoe_checkpoint_count_tensors(
    const struct tensors *tensors, struct vkmoe_checkpoint_info *info);

#endif
