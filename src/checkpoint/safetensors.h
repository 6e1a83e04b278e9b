// safetensors.h - the tensors of one safetensors file.
#ifndef VKMOE_SAFETENSORS_H
#define VKMOE_SAFETENSORS_H

#include "checkpoint/tensors.h"

// Adds the tensors of a file, taking `path`. Everything that its header says is checked: data and
// sizes lie in the file, as long as that is not cut short. After a failure the file may be in the
// list, with some of its tensors.
enum vkmoe_status vkmoe_safetensors_add(
    struct tensors *tensors, const struct vkmoe_log *log, char *path);

#endif
