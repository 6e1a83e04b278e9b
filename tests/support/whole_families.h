// whole_families.h - between whole_checkpoints.c, which writes models, and whole_families.c, which
// knows what is in them.
#ifndef VKMOE_TESTS_WHOLE_FAMILIES_H
#define VKMOE_TESTS_WHOLE_FAMILIES_H

#include "whole_checkpoints.h"

#define SHAPE(...) \
    (const uint64_t[4]) \
    { \
        __VA_ARGS__ \
    }

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct bytes {
    char *data;
    size_t size, room;
};

struct file {
    struct bytes header, data;
    enum vkmoe_dtype dtype;
    char prefix[64]; // of the names
};

// Adds the tensor prefix + name, `number` in it; a shape ends with 0. NULL values: nothing.
void whole_add(struct file *file, const char *name, const double *values, const uint64_t shape[4]);
void whole_add_numbered(struct file *file, const char *name, uint32_t number, const double *values,
    const uint64_t shape[4]);

enum {
    HAS_BIASES = 1 << 0,      // of q, k, v and o
    HAS_OUTPUT_BIAS = 1 << 1, // of attention and experts, once
    HAS_NORMS = 1 << 2,
    HAS_SINKS = 1 << 3,
    HAS_EXPERT_BIASES = 1 << 4, // and one of the router
    HAS_TIED_HEAD = 1 << 5,
    HAS_NO_GATE = 1 << 6, // in the experts
    HAS_CORRECTION_BIAS = 1 << 7,
    HAS_INPUT_BIASES = 1 << 8, // of q, k and v
    HAS_TOKEN_GATE = 1 << 9,   // of the shared expert
    HAS_NORM_BIASES = 1 << 10, // of all norms, which are LayerNorms
    HAS_HEAD_BIAS = 1 << 11,
    HAS_LONG_ROPE = 1 << 12,   // divisors as whole_short_factor[] and whole_long_factor[]
    HAS_POST_NORMS = 1 << 13,  // behind attention and network
    HAS_HEAD_GATE = 1 << 14,   // of each element
    HAS_WINDOW_ROPE = 1 << 15, // blocks without a window have no RoPE
    HAS_LAYER_NORMS = 1 << 16, // without biases
};

// Writers of attention and experts. whole_writers.c
typedef void attention_writer(struct file *file, const struct reference_attention *a);
typedef void experts_writer(struct file *file, const struct reference_layer *l);
attention_writer whole_write_dense_attention, whole_write_fused_attention;
attention_writer whole_write_latent_attention, whole_write_routed_attention;
attention_writer whole_write_llama4_attention, whole_write_dbrx_attention;
experts_writer whole_write_mixtral, whole_write_minimax, whole_write_qwen, whole_write_deepseek;
experts_writer whole_write_ernie, whole_write_bailing, whole_write_granite, whole_write_jetmoe;
experts_writer whole_write_gpt_oss, whole_write_hunyuan, whole_write_llama4, whole_write_afmoe;
experts_writer whole_write_dbrx, whole_write_grok;

// Of embedding and final norm, of a block's prefix, with %u, and of its two norms; where there are
// norms on both sides the second is behind attention, and the others around experts.
struct whole_names {
    const char *embedding, *final_norm, *block, *attention_norm, *experts_norm;
    const char *before, *behind;
};

struct whole_family {
    const char *name, *config;
    const char *embedding;           // the tensor's name; NULL: the usual one
    const struct whole_names *names; // of all of these; likewise
    enum vkmoe_dtype dtype;
    uint32_t blocks, vocabulary;
    unsigned has;
    uint32_t windows[WHOLE_CHECKPOINT_MAX_BLOCKS]; // of a block
    const uint32_t *expert_windows;                // or of an expert
    uint32_t chunk; // of Llama 4: of all blocks but the last, which alone has no RoPE
    struct whole_checkpoint frame;        // the numbers that are not above
    struct reference_attention attention; // without arrays, and hidden as in `frame`
    struct reference_layer experts;
    attention_writer *write_attention;
    experts_writer *write_experts;

    // Of encoder-decoders only.
    uint32_t encoder_blocks;
    const char *moe[2]; // [0] the encoder's blocks, [1] the decoder's: 'x' with experts, '-' dense
    uint32_t buckets, max_distance;
};

// LongRoPE's, of heads of 12.
extern const double whole_short_factor[6], whole_long_factor[6];

// By index; NULL after the last.
const struct whole_family *whole_family_at(uint32_t index);

// A block of an encoder-decoder.
void whole_write_switch_block(struct file *file, const struct whole_checkpoint_block *block);

#endif
