// family.h - what differs from one family of models to the next, as data: the names of
// settings and tensors, how tensors are laid out, and how the gate computes. A family is one
// file in families/, with a small function where data cannot say it.
#ifndef VKMOE_FAMILY_H
#define VKMOE_FAMILY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "checkpoint/settings.h"
#include "vkmoe/moe.h"

enum { MAX_BLOCKS = 1024 };

// [0]: the blocks, or the encoder's; [1]: the decoder's of an encoder-decoder.
struct blocks {
    uint32_t count[2];
    bool moe[2][MAX_BLOCKS];
};

enum layout {
    // Stacked tensors are [experts][in][out], not [experts][out][in]. A family that has both
    // stacked and separate ones leaves this to the shapes.
    LAYOUT_TRANSPOSED = 1,
    LAYOUT_INTERLEAVED = 2, // gate_up: gate is the even rows, up the odd; else gate comes first
    LAYOUT_ROWS = 4,        // stacked tensors are [experts * inner][hidden], that of down too
};

// Tensor names after the block's prefix, alternatives "a|b" of which the first that is there
// counts. With {e} a tensor holds one expert, without it all of them, stacked, or all there is
// of a dense network. NULL: the family has no such tensor.
struct names {
    const char *router;
    const char *router_bias;
    const char *correction_bias;
    const char *expert_scale;
    const char *router_scale; // Gemma-4: [hidden], applied with hidden^-1/2
    const char *gate, *up;    // either these
    const char *gate_up;      // or both fused: [2 inner][hidden]; both names: whichever is there
    const char *down;
    const char *gate_up_bias;        // [experts][2 inner], fused as gate_up is
    const char *gate_bias, *up_bias; // [experts][inner], where they are not
    const char *down_bias;
    const char *output_bias;
    const char *shared_gate, *shared_up, *shared_gate_up, *shared_down;
    const char *shared_token_gate;
    const char *latent_down, *latent_up; // around routed experts that work on a latent
};

struct family {
    const char *name;      // model_type
    const char *text_name; // model_type of the language model's config, where it has its own
    const char *prefix;    // of a block's tensors, alternatives "a|b" with {b}
    const char *decoder_prefix;

    struct setting blocks, hidden, inner, experts, experts_per_token;
    const char *activation_key, *activation;
    const char *renormalize_key;                 // overrides preset.router.renormalize
    const char *scale_key;                       // overrides preset.router.scale
    const char *soft_cap_key;                    // overrides preset.router.soft_cap
    const char *groups_key, *groups_kept_key;    // override preset.router.groups, .groups_kept
    struct setting router_bias, correction_bias; // whether they are there; no key: yes
    struct setting shared_inner, shared_count;   // width of each, how many; no key: none, 1
    // "key=value" by which what shared and routed experts give is added; otherwise it is averaged.
    // NULL: it is added.
    const char *shared_sum;
    struct setting latent; // width of what routed experts work on; no key, or null: the hidden one
    const char *expect[4]; // "key=value": any other value is UNSUPPORTED

    struct vkmoe_moe_params preset; // what config.json does not say
    struct names names;
    unsigned layout; // of enum vkmoe_layout

    // The feed-forward network of blocks without experts; no names: not known.
    struct setting dense_inner;
    struct names dense;

    // Marks the blocks that hold experts, by a rule of blocks.h or the family's own.
    // blocks->count[0] is set already, from `blocks`.
    void (*mark)(const struct family *family, struct settings *settings, struct blocks *blocks);
    struct setting dense_first; // how many blocks have none at first, for rules that count them
    // Adjusts what the fields above gave. May be NULL.
    void (*adjust)(struct settings *settings, struct vkmoe_moe_params *params);

    // The same of one block, whose experts differ from those of others, or whose dense network.
    void (*adjust_block)(
        struct settings *settings, uint32_t block, bool moe, struct vkmoe_moe_params *params);

    // "key=value" by which a model of this name is one of another family, `other`; NULL: none.
    const char *other_if, *other;

    bool norms_less_1; // is how weights of norms are stored

    const struct alias *aliases; // the last has no name; NULL: none
    const struct whole *whole;   // what is around the experts; NULL: this version does not know it
    // Why not, after "this version reads the experts only: "; NULL or empty: it does.
    const char *not_whole;
};

// What a model's settings say it is.
struct kind {
    const struct family *family;
    const struct alias *alias; // NULL: it is called as its family is
};

// Of this name or alias; no family if there is none.
struct kind vkmoe_family_named(const char *name);

// The family of a model, whose settings then are read where they are. No family, with a line in
// the log and the settings' status set, if this version does not know it. aliases.c
struct kind vkmoe_family_find(struct settings *settings);

// Which blocks there are, and which hold experts.
void vkmoe_family_read_blocks(
    const struct family *family, struct settings *settings, struct blocks *blocks);

// How many experts there are, and of these how many a token goes to.
void vkmoe_family_read_experts(
    const struct family *family, struct settings *settings, uint32_t *experts, uint32_t *k);

// Everything in a layer's parameters but the views.
void vkmoe_family_read_params(
    const struct kind *kind, struct settings *settings, struct vkmoe_moe_params *params);

// The activation of a name that config.json has; false: none.
bool vkmoe_family_activation(const char *name, enum vkmoe_activation *out);

// Whether that averages what shared and routed experts give; their scale has its half already.
bool vkmoe_family_averages(const struct family *family, struct settings *settings);

// The same for the network of a block without experts.
void vkmoe_family_read_dense(
    const struct kind *kind, struct settings *settings, struct vkmoe_moe_params *params);

#endif
