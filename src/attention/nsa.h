// nsa.h - native sparse attention (struct vkmoe_nsa): what stands in place of attend where each
// head looks at keys in three ways. The window's branch attends to a copy of the queries.
//
//     x -> gates ---------------------------------------------------------+
//     store_kv -> mean_keys, mean values -> attend_compressed ------------+-> add_branches
//                     blocks and queries, and a copy -> attend, twice ----+
#ifndef VKMOE_NSA_H
#define VKMOE_NSA_H

#include "attention/constants.h"
#include "weights/linear.h"

struct nsa {
    struct experts gate;
    // Of the window's branch; those of the attention itself are the selected one's.
    struct pattern_set window;
    struct constants window_constants;
};

// Byte offsets in scratch.
struct nsa_plan {
    uint64_t gates;              // [tokens][heads][3]
    uint64_t compressed, window; // [tokens][heads][head size]
};

struct attention_pass;
struct attention_plan;

// INVALID if a rule of struct vkmoe_nsa is broken; nothing is checked if there is none.
enum vkmoe_status vkmoe_nsa_check(
    const struct caller *caller, const struct vkmoe_attention_params *params);
// With its defaults filled in.
struct vkmoe_nsa vkmoe_nsa_resolve(const struct vkmoe_nsa *nsa);

// What the branches see of the cache's own keys.
struct vkmoe_pattern vkmoe_nsa_selected(const struct vkmoe_nsa *nsa);
struct vkmoe_pattern vkmoe_nsa_window(const struct vkmoe_nsa *nsa);

// The gate, and the window's constants. What there is on failure is the attention's to destroy.
enum vkmoe_status vkmoe_nsa_create(
    vkmoe_attention *attention, const struct vkmoe_attention_params *params);
void vkmoe_nsa_destroy(struct nsa *nsa);
uint64_t vkmoe_nsa_size(const struct nsa *nsa);
// Of the gate, as it counts in struct loading.
uint64_t vkmoe_nsa_load_size(const struct vkmoe_attention_params *params);

void vkmoe_nsa_plan(const vkmoe_attention *attention, struct attention_plan *plan);

// That the cache has the means, no more of them than a kernel can take; and that it can go through
// so many positions (see QUIRK_LOOPS_END).
enum vkmoe_status vkmoe_nsa_check_cache(
    const struct caller *caller, const vkmoe_attention *attention, const vkmoe_cache *cache);
enum vkmoe_status vkmoe_nsa_check_walk(
    const struct caller *caller, const vkmoe_attention *attention, uint32_t longest);

// What of a pass comes after the other projections of x, and after store_kv and mean_keys.
enum vkmoe_status vkmoe_nsa_record_gates(const struct attention_pass *pass);
enum vkmoe_status vkmoe_nsa_record_branches(const struct attention_pass *pass);

#endif
