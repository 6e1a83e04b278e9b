// latent_experts.h - what a layer has around routed experts that work on a latent of x (latent of
// struct vkmoe_moe_params): a projection before them, one after them, and, as it does not see the
// latent, the shared expert as products of its own.
#ifndef VKMOE_LATENT_EXPERTS_H
#define VKMOE_LATENT_EXPERTS_H

#include "weights/linear.h"

struct latent_experts {
    struct experts down, up;                            // linear; up with the layer's output_bias
    struct experts shared_gate, shared_up, shared_down; // linear; zeroed where there is none
};

// Byte offsets in scratch.
struct latent_experts_plan {
    uint64_t z, sum;  // f32 [tokens][latent.size]: what the experts see, and what they make
    uint64_t outputs; // f32 [tokens][hidden]: what is made of it, until the shared expert's joins
    uint64_t gate, h; // f32 [tokens][shared.inner]
};

struct moe_pass;

// Each is for any layer, and does nothing for one without a latent.

// INVALID, with the field's name in the log, if a matrix is missing or cut wrongly.
enum vkmoe_status vkmoe_latent_experts_check(
    const struct caller *caller, const struct vkmoe_moe_params *params);
// Whether the forms compute right for what only these have.
enum vkmoe_status vkmoe_latent_experts_self_test(
    struct loading *loading, const struct vkmoe_moe_params *params);
uint64_t vkmoe_latent_experts_load_size(const struct vkmoe_moe_params *params);
enum vkmoe_status vkmoe_latent_experts_create(
    struct loading *loading, const struct vkmoe_moe_params *params, struct latent_experts *out);
void vkmoe_latent_experts_destroy(struct latent_experts *latent);
uint64_t vkmoe_latent_experts_size(const struct latent_experts *latent);

// Room in scratch after the first *size.
void vkmoe_latent_experts_plan(
    const vkmoe_moe *moe, uint32_t tokens, uint64_t *size, struct latent_experts_plan *plan);

// x to z, and to h of the shared expert.
enum vkmoe_status vkmoe_latent_experts_record_inputs(const struct moe_pass *pass);
// The experts' sum, and h, to y.
enum vkmoe_status vkmoe_latent_experts_record_outputs(const struct moe_pass *pass);

#endif
