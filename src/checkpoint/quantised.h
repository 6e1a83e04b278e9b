// quantised.h - how a checkpoint's weights are quantised, as its files say or as its tensors
// show: this version reads none of these, but calls them by name.
#ifndef VKMOE_QUANTISED_H
#define VKMOE_QUANTISED_H

#include "checkpoint/checkpoint.h"

struct quantisation {
    char name[64];     // "fp8", "NVFP4", "gptq"; "": none
    char source[1024]; // the file, and what in it says so
};

// From its settings, or else from the files that some tools write beside them. INVALID or
// NOT_FOUND, with a line, for what cannot be read; then `out` is what was found before.
enum vkmoe_status vkmoe_quantisation_read(
    const struct container *container, const struct vkmoe_log *log, struct quantisation *out);

// From tensors that only quantised checkpoints have. Leaves `out` alone if there are none, or if
// it is known already.
void vkmoe_quantisation_guess(const struct tensors *tensors, struct quantisation *out);

// UNSUPPORTED with a line if there is any.
enum vkmoe_status vkmoe_quantisation_refuse(
    const struct quantisation *quantisation, const struct vkmoe_log *log);

#endif
