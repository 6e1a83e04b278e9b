// whole_views.h - the tensors around a model's experts, as views of the public structs.
#ifndef VKMOE_WHOLE_VIEWS_H
#define VKMOE_WHOLE_VIEWS_H

#include "checkpoint/tensors.h"
#include "checkpoint/whole.h"

struct whole_tensors {
    struct whole_source source;
    const struct tensors *tensors;
    const struct vkmoe_log *log;
    const char *directory; // for messages
};

// What params point to, besides the mapped files. One allocation.
struct attention_views {
    struct vkmoe_attention_params params;
    struct vkmoe_pattern *patterns; // [experts]
    float *position_bias;           // [heads][2 position_reach + 1]; none: not valid
    float *divisors;                // LongRoPE's that settings have, or turned_pairs': [2][pairs]
    float *ones;                    // [head_size]; unit_norms only
    struct vkmoe_view views[];      // query, output: [experts] each; latent keys, values: [heads]
};

// All three as vkmoe_block_views_create(); the config's faults come first. A vector's
// row_stride is its number of elements. Release views with free().
enum vkmoe_status vkmoe_attention_views_create(
    const struct whole_tensors *from, struct vkmoe_block block, struct attention_views **out);
enum vkmoe_status vkmoe_frame_view(const struct whole_tensors *from, struct vkmoe_frame *frame);
// The weights of norms, or their biases.
enum vkmoe_status vkmoe_norms_view(const struct whole_tensors *from, struct vkmoe_block block,
    bool biases, struct vkmoe_view *attention_norm, struct vkmoe_view *experts_norm);
enum vkmoe_status vkmoe_extras_view(const struct whole_tensors *from, struct vkmoe_block block,
    bool moe, struct vkmoe_block_extras *extras);

#endif
