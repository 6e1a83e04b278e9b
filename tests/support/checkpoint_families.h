// checkpoint_families.h - between checkpoints.c, which writes files, and
// tests/families, which knows what is in them.
#ifndef VKMOE_TESTS_CHECKPOINT_FAMILIES_H
#define VKMOE_TESTS_CHECKPOINT_FAMILIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vkmoe/model.h>

#include "reference.h"

// Optional arrays of a reference_layer.
enum {
    HAS_GATE = 1 << 0,
    HAS_ROUTER_BIAS = 1 << 1,
    HAS_CORRECTION_BIAS = 1 << 2,
    HAS_INPUT_SCALE = 1 << 3,
    HAS_EXPERT_SCALE = 1 << 4,
    HAS_GATE_UP_BIAS = 1 << 5,
    HAS_DOWN_BIAS = 1 << 6,
    HAS_OUTPUT_BIAS = 1 << 7,
    HAS_SHARED_GATE = 1 << 8,
    HAS_TOKEN_GATE = 1 << 9,
};

struct writer; // collects tensors; checkpoints.c

// Adds a tensor, values rounded already. `rank` sizes follow.
void writer_add(struct writer *writer, const char *name, enum vkmoe_dtype dtype,
    const double *values, uint32_t rank, const uint64_t *shape);

struct checkpoint_family {
    const char *name;
    const char *config; // config.json
    enum vkmoe_dtype dtype;
    enum vkmoe_dtype correction_dtype; // DeepSeek keeps this one in F32
    uint32_t files;                    // 2: shards with an index
    uint32_t misaligned;               // bytes by which the data miss an address divisible by 8
    const char *moe[2];                // per stack and block: 'x' with experts, '-' without
    struct vkmoe_block block;
    uint32_t vocabulary;
    unsigned arrays;
    struct reference_layer layer; // sizes and parameters, no arrays
    // Adds the tensors of a block. `prefix` is what the names begin with, block included.
    void (*write)(struct writer *writer, const struct checkpoint_family *family, const char *prefix,
        const struct reference_layer *layer);
    const char *prefix[2]; // per stack, with one %u
    // The same for blocks without experts, as a layer of one: where the library reads them.
    uint32_t dense_inner;
    void (*write_dense)(struct writer *writer, const struct checkpoint_family *family,
        const char *prefix, const struct reference_layer *layer);
    bool beside; // blocks with experts have such a network as well, which is not written
};

// Those of one family, from tests/families.
struct family_models {
    const struct checkpoint_family *models;
    uint32_t count;
};

// One of those of all families; NULL after the last.
const struct checkpoint_family *checkpoint_family_at(uint32_t index);

#endif
