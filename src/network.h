// network.h - a whole decoder-only model on the device.
#ifndef VKMOE_NETWORK_H
#define VKMOE_NETWORK_H

#include "attention.h"

struct network_block {
    vkmoe_attention *attention;
    vkmoe_layer *experts;
    vkmoe_cache *cache;
    vkmoe_buffer *attention_norm, *experts_norm; // f32 [hidden]
};

struct vkmoe_network {
    vkmoe_device *device;
    struct vkmoe_frame_params frame;     // without views
    struct vkmoe_network_params params;  // defaults filled in
    struct network_block *blocks;        // [frame.blocks]
    struct linear embedding;             // used as a table of rows
    struct linear head;                  // of its own, unless tied
    bool tied;                           // the head is the embedding
    vkmoe_buffer *final_norm;
    vkmoe_buffer *x, *normed, *delta;    // f32 [chunk][hidden]
};

#endif
