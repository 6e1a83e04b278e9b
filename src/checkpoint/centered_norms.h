// centered_norms.h - norms whose weights a checkpoint has less 1.
#ifndef VKMOE_CENTERED_NORMS_H
#define VKMOE_CENTERED_NORMS_H

#include "base/log.h"
#include "checkpoint/tensors.h"

// Replaces every tensor of one dimension whose name ends in "norm.weight" by that with 1 added, in
// f32. *out is what they then lie in: free() after the tensors, in any case.
enum vkmoe_status vkmoe_norms_add_1(
    struct tensors *tensors, const struct vkmoe_log *log, float **out);

#endif
