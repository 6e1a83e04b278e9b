// subject.h - a layer, or a whole model around it, to be recorded on some device.
#ifndef VKMOE_BENCH_SUBJECT_H
#define VKMOE_BENCH_SUBJECT_H

#include <vkmoe/model.h>

#include "layer_cases.h"
#include "weights.h"
#include "weights/pack.h"

struct model_block;

#define CACHE_POSITIONS 4096 // that a cache has room for: the library's default

// The rest of a published model, all of whose blocks are alike.
struct surroundings {
    const char *shape; // the name of its layer in shapes.c
    uint32_t blocks, heads, kv_heads, head_size, vocabulary;
    bool head_norms, wide; // of queries and keys, and whether over all heads at once
    bool sinks, biases;
    bool tied; // the output head is the embedding
};

// NULL: there is no model of this shape, or its blocks are not of one kind that the library runs.
const struct surroundings *surroundings_of(const char *shape);

// What is created on the device, in the order in which it is given back.
struct subject {
    vkmoe_moe *moe;
    vkmoe_attention *attention;
    vkmoe_cache *cache;
    vkmoe_stream *stream;
    vkmoe_buffer *memory, *normed, *result; // rows that go in, on, and come out
    vkmoe_buffer *logits;
    vkmoe_buffer *ids; // with the weights of pairs
    struct model_block *blocks;
    vkmoe_model *model;
    struct loading loading;
    void *zeros; // what matrices and vectors around the layer are made of
};

// `around`: NULL for the layer alone.
enum vkmoe_status subject_init(struct subject *subject, vkmoe_device *device,
    const struct layer_case *c, const struct surroundings *around, const struct weights *weights);
void subject_finish(struct subject *subject);

// Into subject->stream.
enum vkmoe_status subject_record(struct subject *subject, const struct layer_case *c);

#endif
