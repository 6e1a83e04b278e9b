// views.h - the tensors of one block as the views of struct vkmoe_moe_params.
#ifndef VKMOE_VIEWS_H
#define VKMOE_VIEWS_H

#include "checkpoint/family.h"
#include "checkpoint/tensors.h"
#include "vkmoe/model.h"

// What params point to, besides the mapped files. One allocation.
struct block_views {
    struct vkmoe_moe_params params;
    float *input_scale;        // [hidden], where the file has it only as a product's factor
    float *zeros;              // [hidden], where shared experts are averaged with the others
    struct vkmoe_view views[]; // gate, up, down: [experts] each
};

struct view_source {
    const struct tensors *tensors;
    const struct family *family;
    const struct vkmoe_log *log;
    const char *directory;             // for messages
    const struct names *names;         // of the family's, those of this block
    bool router_bias, correction_bias; // whether the config wants them, if the family has them
    bool averages;                     // shared experts and the others
    struct vkmoe_block block;
};

// `params` has everything but the views. UNSUPPORTED for a dtype that vkmoe has not,
// INVALID for a tensor that is missing or has another shape than params say, with its
// name and file in the log. Release with free().
enum vkmoe_status vkmoe_block_views_create(const struct view_source *source,
    const struct vkmoe_moe_params *params, struct block_views **out);

#endif
