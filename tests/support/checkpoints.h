// checkpoints.h - small checkpoints in the published layout of every family that the
// library loads, with random weights, and the same layer in the reference's form.
//
// Written from docs/semantics.md A.1 and A.2, not from src/checkpoint: names, layouts and
// formulas are typed a second time here, so that each checks the other.
#ifndef VKMOE_TESTS_CHECKPOINTS_H
#define VKMOE_TESTS_CHECKPOINTS_H

#include <stdbool.h>
#include <stdint.h>

#include <vkmoe/model.h>

#include "reference.h"

struct checkpoint {
    const char *name;             // of the case: "deepseek_v2-grouped"
    char path[256];               // of the directory
    struct vkmoe_block block;     // whose layer is below
    struct reference_layer layer; // with the weights as stored, in double
    // The last block without experts, if the library reads such ones; else no `up`.
    struct vkmoe_block dense_block;
    struct reference_layer dense;
    struct vkmoe_checkpoint_info info; // what the library must say of it
    uint32_t block_count[2];
    bool moe[2][16]; // [decoder][block]
    bool fused;      // see checkpoint_create_fused()
    bool beside;     // the network beside the experts is missing
};

uint32_t checkpoint_count(void);
const char *checkpoint_name(uint32_t index);

// Writes checkpoint `index` into a new directory below `parent`, the same for the same
// seed. Prints a note and returns false if the file system refuses. checkpoint_destroy()
// in any case.
bool checkpoint_create(uint32_t index, uint64_t seed, const char *parent, struct checkpoint *out);

// The same with the experts stacked and fused as transformers 5 does it, if this family has
// separate ones that transformers 5 stacks; `fused` says so. `transposed`: as Qwen3-VL was
// published, [experts][hidden][2 inner] and [experts][inner][hidden].
bool checkpoint_create_fused(
    uint32_t index, uint64_t seed, const char *parent, bool transposed, struct checkpoint *out);

// Removes the files that checkpoint_create() wrote, and the directory if nothing else is
// in it. Accepts a zeroed struct.
void checkpoint_destroy(struct checkpoint *checkpoint);

#endif
