// latent.h - multi-head latent attention (struct vkmoe_latent): what its projections have that
// those of other attentions have not. Between them it is attention of one kv head whose keys are
// `head_size` long, with values that are their first `rank` elements.
//
//     x -> [query_down -> norm ->] query -> keys of each head -> store_kv -> attend [-> merge]
//     x -> kv ----------------------------------------------------^
//                                       -> values of each head -> output
#ifndef VKMOE_LATENT_H
#define VKMOE_LATENT_H

#include "weights/linear.h"

// The largest rank, and how many elements RoPE turns behind those at most.
#define MAX_RANK MAX_LATENT_RANK
#define MAX_TURNED MAX_LATENT_TURNED

struct latent {
    struct experts query_down;   // no rows: queries are made of x
    vkmoe_buffer *query_norm;    // f32 [query_rank], or NULL
    struct experts keys, values; // a matrix for each head
    bool keys_stand;             // those of keys are the transposes, [key_size][rank]
};

// Byte offsets in scratch.
struct latent_plan {
    uint64_t query_down; // [tokens][query_rank], before and after the norm
    uint64_t query_normed;
    uint64_t heads; // [tokens][heads]: queries as projected, later values
};

struct attention_pass;
struct attention_plan;

// The elements of a key that RoPE may turn, and those of a head's query as it is projected.
static inline uint32_t turned_size(const struct vkmoe_attention_params *p)
{
    return p->head_size - p->latent.rank;
}
static inline uint32_t latent_query_size(const struct vkmoe_attention_params *p)
{
    return p->latent.key_size + turned_size(p);
}

// Of the dtypes of matrices that other attentions do not have.
enum vkmoe_status vkmoe_latent_self_test(
    const struct loading *loading, const struct vkmoe_attention_params *params);

// INVALID if a rule of struct vkmoe_latent is broken; nothing is checked if there is none.
enum vkmoe_status vkmoe_latent_check(
    const struct caller *caller, const struct vkmoe_attention_params *params);

// All matrices of the attention but the output projection, and their strides. What there is on
// failure is the attention's to destroy.
enum vkmoe_status vkmoe_latent_create(
    vkmoe_attention *attention, const struct vkmoe_attention_params *params);
void vkmoe_latent_destroy(struct latent *latent);
uint64_t vkmoe_latent_size(const struct latent *latent);
// Of the same matrices, as they count in struct loading.
uint64_t vkmoe_latent_load_size(const struct vkmoe_attention_params *params);

// Of all that it takes in scratch, the elements of a token.
uint64_t vkmoe_latent_elements(const vkmoe_attention *attention);
void vkmoe_latent_plan(const vkmoe_attention *attention, struct attention_plan *plan);

// What of a pass comes before store_kv, and the products with the heads' values after attend.
enum vkmoe_status vkmoe_latent_record_inputs(const struct attention_pass *pass);
enum vkmoe_status vkmoe_latent_record_values(const struct attention_pass *pass);

#endif
