// rope.h - the rotary embedding that a config.json asks for.
#ifndef VKMOE_ROPE_H
#define VKMOE_ROPE_H

#include "checkpoint/settings.h"
#include "vkmoe/moe.h"

// `preset` is what the family's config class has when the config says nothing; with a
// rope_scaling or rope_parameters there, only its kind and base remain. UNSUPPORTED, in
// the config's status, for a scaling that vkmoe has not and for settings it does not know.
void vkmoe_rope_read(struct settings *settings, const struct vkmoe_rope *preset,
    uint32_t max_positions, struct vkmoe_rope *out);

// Which part of a head is turned, as partial_rotary_factor says in any of its places; `preset`
// without it. Preset 0: all of it, and nothing else is supported.
double vkmoe_rope_part(struct settings *settings, double preset);

// What scores are multiplied with for YaRN's sake where a model says so (DeepSeek's
// mscale_all_dim); 1: nothing.
double vkmoe_rope_score_scale(struct settings *settings, const struct vkmoe_rope *rope);

#endif
