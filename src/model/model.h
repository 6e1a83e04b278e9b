// model.h - a whole model on the device.
#ifndef VKMOE_NETWORK_H
#define VKMOE_NETWORK_H

#include "attention/attention.h"
#include "vkmoe/model.h"

struct model_block {
    vkmoe_attention *attention;
    vkmoe_cache *cache;
    vkmoe_attention *cross; // to the encoder's output, or NULL
    vkmoe_cache *cross_cache;
    vkmoe_moe *experts;
    struct choice_history history; // of a decoder's block whose experts have a capacity
    bool dense;                    // `experts` is one that every token takes
    vkmoe_buffer *attention_norm, *cross_norm, *experts_norm; // f32 [hidden]
    // Extras, or NULL: see struct vkmoe_block_extras. Then `experts_norm` is the dense network's.
    vkmoe_moe *beside; // the dense network of a block with experts
    vkmoe_buffer *attention_post_norm, *post_norm;
    vkmoe_buffer *dense_post_norm, *experts_pre_norm, *experts_post_norm;
    float post_epsilon; // of post_norm
    float scale;        // of x behind the block
    bool parallel;      // attention and experts read the same norm; `experts_norm` is NULL
    bool early;         // experts, or only their gate, see x before attention adds to it
};

static inline bool has_extras(const struct model_block *block)
{
    return block->post_norm != NULL;
}

// A run of blocks with what follows the last.
struct model_stack {
    struct model_block *blocks;
    uint32_t count;
    vkmoe_buffer *final_norm;
};

struct vkmoe_model {
    vkmoe_device *device;
    struct loading loading;                  // while it is created
    struct vkmoe_frame frame;                // without views
    struct vkmoe_model_params params;        // defaults filled in
    struct model_stack decoder, encoder;     // the second is empty in decoder-only models
    uint32_t rows;                           // the most tokens at once in either
    uint32_t k, attention_k;                 // the largest experts_per_token
    uint64_t scratch_size;                   // that any forward or encoding needs
    struct experts embedding;                // used as a table of rows
    struct experts head;                     // of its own, unless tied
    bool tied;                               // the head is the embedding
    vkmoe_buffer *x, *normed, *delta;        // f32 [rows][hidden]
    vkmoe_buffer *other;                     // likewise, of experts beside something; or NULL
    vkmoe_buffer *dense_ids, *dense_weights; // [rows] zeros and ones: the routing of dense blocks
    // The encoder's: its blocks take turns with one cache.
    vkmoe_cache *encoder_cache;
    vkmoe_buffer *encoder_length; // u32: of the input being read
    vkmoe_buffer *input_lengths;  // u32 [sequences]: of those that were read
    vkmoe_buffer *input_sequence; // u32 [encoder_capacity]: the sequence, for each token
};

// forward.c: what scratch_size is, once all blocks are there.
uint64_t vkmoe_model_plan_scratch(const vkmoe_model *model);

static inline bool has_encoder(const vkmoe_model *model)
{
    return model->encoder.count > 0;
}

// UNSUPPORTED, with a line, for what no device could make of a frame.
enum vkmoe_status vkmoe_frame_check(const struct caller *caller, const struct vkmoe_frame *frame);

#endif
