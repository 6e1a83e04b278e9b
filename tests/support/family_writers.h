// family_writers.h - what the files of tests/families are made of. Each has models of one family:
// config.json, the layer it means (semantics.md A.1), and the tensors' names and layouts (A.2).
#ifndef VKMOE_TESTS_FAMILY_WRITERS_H
#define VKMOE_TESTS_FAMILY_WRITERS_H

#include <stdio.h>
#include <stdlib.h>

#include "checkpoint_families.h"
#include "tensor_names.h"

typedef const struct checkpoint_family family_t;
typedef const struct reference_layer layer_t;

#define SHAPE(...) \
    (const uint64_t[]) \
    { \
        __VA_ARGS__ \
    }

#define MODEL_PREFIX \
    { \
        "model.layers.%u.", NULL \
    }

// A row: its name, the family and the rest of what config.json says, and how it is stored.
#define MODEL(name_, type, config_, ...) \
    OTHER_MODEL(name_, "{\"model_type\":\"" type "\"," config_ ",\"vocab_size\":32}", __VA_ARGS__)
// One whose config.json has another form.
#define OTHER_MODEL(name_, config_, ...) \
    { \
        .name = name_, .config = config_, __VA_ARGS__ \
    }
// That of a model that sees, too: what it has of its text model, and its vision_config.
#define TEXT_CONFIG(type, config_, vision) \
    "{\"model_type\":\"" type "\",\"text_config\":{\"model_type\":\"" type "_text\"," config_ \
    ",\"vocab_size\":32},\"vision_config\":" vision "}"
// How a model is stored: a dtype, the number of files, the block that tests look at, and which
// blocks of a stack have experts.
#define STORED(dtype_, files_, index_, ...) \
    .dtype = dtype_, .files = files_, .block = { .index = index_ }, .moe = { __VA_ARGS__ }, \
    .vocabulary = 32
// Its layer: sizes, and what else there is to say.
#define LAYER(hidden_, inner_, experts_, k, ...) \
    .layer = { .hidden = hidden_, \
        .inner = inner_, \
        .experts = experts_, \
        .experts_per_token = k, \
        __VA_ARGS__ }
#define SILU_LAYER(...) LAYER(__VA_ARGS__, .activation = VKMOE_ACTIVATION_SILU)
// One with the gate of DeepSeek-V3, dense networks of 99 in blocks without experts, and what of it
// differs.
#define V3_MODEL(writer_, stored, layer_) \
    stored, .correction_dtype = VKMOE_DTYPE_F32, \
            .arrays = HAS_GATE | HAS_SHARED_GATE | HAS_CORRECTION_BIAS, layer_, \
            WRITTEN_BY(writer_), .dense_inner = 99, .write_dense = family_write_gated_dense
#define V3_CONFIG(shared, scale, more) \
    "\"hidden_size\":40,\"intermediate_size\":99,\"moe_intermediate_size\":24," \
    "\"n_shared_experts\":" #shared ",\"n_routed_experts\":12,\"num_experts_per_tok\":3," \
    "\"num_hidden_layers\":3,\"first_k_dense_replace\":1,\"n_group\":1,\"topk_group\":1," \
    "\"norm_topk_prob\":true,\"routed_scaling_factor\":" #scale "," more
#define V3_LAYER(hidden_, inner_, experts_, k, ...) \
    SILU_LAYER(hidden_, inner_, experts_, k, .score = VKMOE_SCORE_SIGMOID, \
        .group_score = VKMOE_GROUP_SCORE_SUM_TOP_2, .renormalize = true, \
        .renormalize_epsilon = 1e-20, __VA_ARGS__)
#define GRANITE_MODEL(name_, type, shared, arrays_, shared_inner_) \
    MODEL(name_, type, \
        "\"hidden_size\":40,\"intermediate_size\":24," shared \
        "\"num_hidden_layers\":2,\"num_local_experts\":8,\"num_experts_per_tok\":3", \
        STORED(VKMOE_DTYPE_BF16, 1, 1, "xx"), .arrays = arrays_, \
        SILU_LAYER(40, 24, 8, 3, .score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SOFTMAX, \
            .shared_inner = shared_inner_), \
        WRITTEN_BY(family_write_granite))
#define GRANITE_SHARED_MODEL(type) \
    GRANITE_MODEL(type, type, "\"shared_intermediate_size\":56,", HAS_GATE | HAS_SHARED_GATE, 56)
#define WRITTEN_BY(function) .write = function, .prefix = MODEL_PREFIX

// A family's file ends with its models.
#define FAMILY_MODELS(name, ...) \
    static family_t models[] = { __VA_ARGS__ }; \
    const struct family_models family_models_##name = { models, sizeof models / sizeof models[0] }

enum fused { CONCATENATED, TRANSPOSED, TRANSPOSED_INTERLEAVED };

void family_add(struct writer *w, family_t *family, const char *prefix, const char *name,
    const double *values, uint32_t rank, const uint64_t *shape);
void family_add_experts(struct writer *w, family_t *family, const char *prefix, layer_t *l,
    const char *gate, const char *up, const char *down);
// All experts' gate and up in one tensor, down in another.
void family_add_fused(struct writer *w, family_t *family, const char *prefix, layer_t *l,
    const char *gate_up, const char *down, enum fused layout);
void family_add_shared(struct writer *w, family_t *family, const char *prefix, layer_t *l,
    const char *gate, const char *up, const char *down);
void family_add_router(
    struct writer *w, family_t *family, const char *prefix, layer_t *l, const char *name);
void family_add_correction(
    struct writer *w, family_t *family, const char *prefix, layer_t *l, const char *name);
// Qwen, DeepSeek and GLM.
void family_write_gated_dense(struct writer *w, family_t *f, const char *prefix, layer_t *l);
void family_write_mixtral(struct writer *w, family_t *f, const char *prefix, layer_t *l);
void family_write_qwen(struct writer *w, family_t *f, const char *prefix, layer_t *l);
// DeepSeek, GLM and dots; the same with another name of the bias that selects.
void family_write_deepseek(struct writer *w, family_t *f, const char *prefix, layer_t *l);
void family_write_corrected(
    struct writer *w, family_t *f, const char *prefix, layer_t *l, const char *correction);
// AFMoE and Hunyuan 3, with the names of the shared expert.
void family_write_expert_bias(struct writer *w, family_t *f, const char *prefix, layer_t *l,
    const char *gate, const char *up, const char *down);
void family_write_granite(struct writer *w, family_t *f, const char *prefix, layer_t *l);

#endif
