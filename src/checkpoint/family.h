// family.h - what differs from one family of models to the next, as data: the names of
// settings and tensors, how tensors are laid out, and how the gate computes. A family is
// one entry in family.c, and a small function where an entry cannot say it.
#ifndef VKMOE_MODEL_FAMILY_H
#define VKMOE_MODEL_FAMILY_H

#include <stdbool.h>
#include <stdint.h>

#include "checkpoint/config.h"

enum { VKMOE_MAX_BLOCKS = 1024, VKMOE_MAX_WIDTH = 65536, VKMOE_MAX_EXPERTS = 1024 };

// [0]: the blocks, or the encoder's; [1]: the decoder's of an encoder-decoder.
struct vkmoe_blocks {
    uint32_t count[2];
    bool moe[2][VKMOE_MAX_BLOCKS];
};

// A setting of config.json and what HF's config class has for its absence. No key: fixed.
struct vkmoe_setting {
    const char *key;
    uint32_t preset;
};

enum vkmoe_layout {
    // Stacked tensors are [experts][in][out], not [experts][out][in]. A family that has both
    // stacked and separate ones leaves this to the shapes.
    VKMOE_TRANSPOSED = 1,
    VKMOE_INTERLEAVED = 2, // gate_up: gate is the even rows, up the odd; else gate comes first
};

// Tensor names after the block's prefix, alternatives "a|b" of which the first that is there
// counts. With {e} a tensor holds one expert, without it all of them, stacked, or all there is
// of a dense network. NULL: the family has no such tensor.
struct vkmoe_names {
    const char *router;
    const char *router_bias;
    const char *correction_bias;
    const char *expert_scale;
    const char *router_scale; // Gemma-4: [hidden], applied with hidden^-1/2
    const char *gate, *up;    // either these
    const char *gate_up;      // or both fused: [2 inner][hidden]; both names: whichever is there
    const char *down;
    const char *gate_up_bias; // [experts][2 inner], fused as gate_up is
    const char *down_bias;
    const char *output_bias;
    const char *shared_gate, *shared_up, *shared_gate_up, *shared_down;
    const char *shared_token_gate;
};

struct vkmoe_family {
    const char *name;      // model_type
    const char *text_name; // model_type of the language model's config, where it has its own
    const char *prefix;    // of a block's tensors, alternatives "a|b" with {b}
    const char *decoder_prefix;

    struct vkmoe_setting blocks, hidden, inner, experts, experts_per_token;
    const char *activation_key, *activation;
    const char *renormalize_key;              // overrides preset.router.renormalize
    const char *scale_key;                    // overrides preset.router.scale
    const char *groups_key, *groups_kept_key; // override preset.router.groups, .groups_kept
    struct vkmoe_setting router_bias, correction_bias; // whether they are there; no key: yes
    struct vkmoe_setting shared_inner, shared_count;   // width of each, how many; no key: none, 1
    const char *expect[4]; // "key=value": any other value is UNSUPPORTED

    struct vkmoe_moe_params preset; // what config.json does not say
    struct vkmoe_names names;
    unsigned layout; // of enum vkmoe_layout

    // The feed-forward network of blocks without experts; no names: not known.
    struct vkmoe_setting dense_inner;
    struct vkmoe_names dense;

    // Marks the blocks that hold experts. blocks->count[0] is set already, from `blocks`.
    void (*mark)(struct vkmoe_config *config, struct vkmoe_blocks *blocks);
    // Adjusts what the fields above gave. May be NULL.
    void (*adjust)(struct vkmoe_config *config, struct vkmoe_moe_params *params);
};

// Of this name, or NULL.
const struct vkmoe_family *vkmoe_family_named(const char *name);

// The family of a config, whose `object` then is where its settings are, and `alias` what it
// is called instead. NULL with a line in the log and the config's status set if this version
// does not know it. aliases.c
const struct vkmoe_family *vkmoe_family_find(struct vkmoe_config *config);

// A setting's value, checked.
uint32_t vkmoe_setting_read(
    const struct vkmoe_setting *setting, struct vkmoe_config *config, uint32_t min, uint32_t max);

// Which blocks there are, and which hold experts.
void vkmoe_family_read_blocks(
    const struct vkmoe_family *family, struct vkmoe_config *config, struct vkmoe_blocks *blocks);

// Everything in a layer's parameters but the views.
void vkmoe_family_read_params(const struct vkmoe_family *family, struct vkmoe_config *config,
    struct vkmoe_moe_params *params);

// The same for the network of a block without experts.
void vkmoe_family_read_dense(const struct vkmoe_family *family, struct vkmoe_config *config,
    struct vkmoe_moe_params *params);

#endif
