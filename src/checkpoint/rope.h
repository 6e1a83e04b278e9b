// rope.h - the rotary embedding that a config.json asks for.
#ifndef VKMOE_ROPE_H
#define VKMOE_ROPE_H

#include "checkpoint/settings.h"
#include "vkmoe/moe.h"

// `preset` is what the family's config class has when the config says nothing; with a
// rope_scaling or rope_parameters there, only its kind and base remain. UNSUPPORTED, in
// the config's status, for a scaling that vkmoe has not and for settings it does not know.
// `grows`: YaRN may have what vkmoe_rope_growth() reads.
void vkmoe_rope_read(struct settings *settings, const struct vkmoe_rope *preset,
    uint32_t max_positions, bool grows, struct vkmoe_rope *out);

// How queries grow with their positions (Mistral's llama_4_scaling_beta); 0: they do not. `preset`
// where there is no scaling.
double vkmoe_rope_growth(struct settings *settings, double preset);

// Which part of a head is turned, as partial_rotary_factor says in any of its places; `preset`
// without it. Preset 0: all of it, and nothing else is supported.
double vkmoe_rope_part(struct settings *settings, double preset);

// The same where a family's dynamic scaling has an alpha (Hunyuan), of heads of so many elements.
// False if there is none here, and nothing is read.
bool vkmoe_rope_read_alpha(struct settings *settings, const struct vkmoe_rope *preset,
    uint32_t head_size, struct vkmoe_rope *out);

// LongRoPE's divisors, `pairs` of each, of contexts up to the trained one and of longer ones; and
// the attention factor of the latter.
void vkmoe_rope_read_divisors(
    struct settings *settings, uint32_t pairs, float *within, float *beyond);
float vkmoe_rope_read_long_factor(struct settings *settings, const struct vkmoe_rope *rope);

// What scores are multiplied with for YaRN's sake where a model says so (DeepSeek's
// mscale_all_dim); 1: nothing.
double vkmoe_rope_score_scale(struct settings *settings, const struct vkmoe_rope *rope);

#endif
