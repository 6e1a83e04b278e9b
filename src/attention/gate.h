// gate.h - what is done to what attend leaves of heads: their gate (gate of struct
// vkmoe_attention_params), a projection of x beside the others, or that values are shorter than
// keys (value_size), or multiplied (value_scale).
#ifndef VKMOE_ATTENTION_GATE_H
#define VKMOE_ATTENTION_GATE_H

#include "base/log.h"
#include "vkmoe/moe.h"

struct attention_pass;

// Rows of the gate's matrix.
static inline uint32_t gate_rows(const struct vkmoe_attention_params *p)
{
    return p->heads * (p->gate.wide ? p->head_size : 1);
}

// INVALID if a rule is broken; nothing is checked if there is none.
enum vkmoe_status vkmoe_gate_check(
    const struct caller *caller, const struct vkmoe_attention_params *params);
// Nothing is made if there is none. What there is on failure is the attention's to destroy.
enum vkmoe_status vkmoe_gate_create(
    vkmoe_attention *attention, const struct vkmoe_attention_params *params);
// Of the matrix, as it counts in struct loading.
uint64_t vkmoe_gate_load_size(const struct vkmoe_attention_params *params);

// What of a pass comes after the other projections of x, and before that of the outputs. Nothing
// where there is nothing to do.
enum vkmoe_status vkmoe_gate_record_logits(const struct attention_pass *pass);
enum vkmoe_status vkmoe_gate_record(const struct attention_pass *pass);

#endif
