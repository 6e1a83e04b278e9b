// quantised.h - how a checkpoint's weights are quantised, as its files say or as its tensors
// show. What this version does not read (see assembly.h) it calls by name.
#ifndef VKMOE_QUANTISED_H
#define VKMOE_QUANTISED_H

#include "checkpoint/checkpoint.h"

struct quantisation {
    char name[64];     // "fp8", "NVFP4", "gptq"; "": none
    char source[1024]; // the file, and what in it says so
    // What else is said of it; 0: nothing.
    bool readable;     // the method is one whose tensors there are schemes for
    char reason[160];  // why it is not, if the name does not tell
    uint32_t bits;     // of integers
    uint32_t group;    // columns that share a scale
    uint32_t block[2]; // rows and columns that do
    bool reordered;    // groups may not be runs of columns: desc_act, actorder
    // The container's, as long as it is there; NULL: all of its modules are alike.
    const struct value *groups;
    bool plain_zeros; // zeros are stored as they are; else as one less, as gptq has it
};

// From its settings, or else from the files that some tools write beside them. INVALID or
// NOT_FOUND, with a line, for what cannot be read; then `out` is what was found before.
enum vkmoe_status vkmoe_quantisation_read(
    const struct container *container, const struct vkmoe_log *log, struct quantisation *out);

// Whether the settings say of a module that its groups may not be runs of columns. So they do where
// they say it of some and cannot be understood.
bool vkmoe_quantisation_orders(const struct quantisation *quantisation, const char *module);

// From tensors that only quantised checkpoints have. Leaves `out` alone if there are none, or if
// one that is not read is known already; those that are there belong to none that is.
void vkmoe_quantisation_guess(const struct tensors *tensors, struct quantisation *out);

// UNSUPPORTED with a line if there is one that is not read.
enum vkmoe_status vkmoe_quantisation_refuse(
    const struct quantisation *quantisation, const struct vkmoe_log *log);

#endif
