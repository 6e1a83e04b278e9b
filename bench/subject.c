// subject.c - see subject.h.
#include "subject.h"

#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/try.h"
#include "model/model.h"

// As in each model's config.json. Windows and chunks of attention are left out: all layers see all
// keys. Models whose blocks differ in more than that have no row.
static const struct surroundings models[] = {
    { "mixtral-8x7b", 32, 32, 8, 128, 32000, false, false, false, false, false },
    { "qwen3-30b-a3b", 48, 32, 4, 128, 151936, true, false, false, false, false },
    { "gpt-oss-20b", 24, 64, 8, 64, 201088, false, false, true, true, false },
    { "gpt-oss-120b", 36, 64, 8, 64, 201088, false, false, true, true, false },
    { "minimax-m2", 62, 48, 8, 128, 200064, true, true, false, false, false },
    { "olmoe-1b-7b", 16, 16, 16, 128, 50304, true, true, false, false, false },
    { "granite-1b-a400m", 24, 16, 8, 64, 49155, false, false, false, false, true },
};

const struct surroundings *surroundings_of(const char *shape)
{
    for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
        if (!strcmp(models[i].shape, shape))
            return &models[i];
    }
    return NULL;
}

// -------------------------------------------------------------------------- the layer

static enum vkmoe_status record_layer(struct subject *o, const struct layer_case *c)
{
    const uint64_t pairs_size = (uint64_t)c->tokens * c->layer.experts_per_token * 4;
    struct vkmoe_moe_forward_params params = {
        VKMOE_INIT(vkmoe_moe_forward_params),
        .tokens = c->tokens,
        .x = { o->memory, 0 },
        .y = { o->result, 0 },
        .ids = { o->ids, 0 },
        .weights = { o->ids, pairs_size },
    };
    return vkmoe_moe_forward(o->stream, o->moe, &params);
}

// -------------------------------------------------------------------------- the model

static enum vkmoe_status create_attention(vkmoe_device *device, const struct surroundings *s,
    const struct layer_case *c, enum vkmoe_precision precision, struct subject *o)
{
    const struct vkmoe_view vector = { .data = o->zeros };
    const struct vkmoe_view matrix = { .data = o->zeros, .dtype = c->dtype };
    struct vkmoe_attention_params p = {
        VKMOE_INIT(vkmoe_attention_params),
        .hidden = c->layer.hidden,
        .head_size = s->head_size,
        .heads = s->heads,
        .kv_heads = s->kv_heads,
        .experts = 1,
        .experts_per_token = 1,
        .query.matrices = &matrix,
        .key.matrix = matrix,
        .value.matrix = matrix,
        .output.matrices = &matrix,
        .norm = { .wide = s->wide, .epsilon = 1e-6f },
        .rope.kind = VKMOE_ROPE_HALF,
        .precision = precision,
    };
    if (s->head_norms)
        p.query.norm = p.key.norm = vector;
    if (s->sinks)
        p.sinks = vector;
    if (s->biases)
        p.query.bias = p.key.bias = p.value.bias = p.output.bias = vector;
    TRY_RETURN(vkmoe_attention_create(device, &p, &o->attention));
    return vkmoe_cache_create(device,
        &(struct vkmoe_cache_params){ VKMOE_INIT(vkmoe_cache_params), .kv_heads = s->kv_heads,
            .head_size = s->head_size, .sequences = 1, .capacity = MAX(CACHE_POSITIONS, c->tokens),
            .dtype = c->dtype == VKMOE_DTYPE_F32 ? VKMOE_DTYPE_F32 : VKMOE_DTYPE_F16 },
        &o->cache);
}

// A model as model.c loads it, but of one block that stands in all places.
static enum vkmoe_status create_model(vkmoe_device *device, const struct surroundings *s,
    const struct layer_case *c, enum vkmoe_precision precision, struct subject *o)
{
    const uint32_t hidden = c->layer.hidden;
    vkmoe_model *m = o->model = calloc(1, sizeof *m);
    o->blocks = calloc(s->blocks, sizeof *o->blocks);
    o->zeros = calloc((size_t)MAX(s->vocabulary, s->heads * s->head_size) * hidden, sizeof(float));
    if (!m || !o->blocks || !o->zeros)
        return VKMOE_ERROR_OUT_OF_MEMORY;
    const struct vkmoe_view zeros = { .data = o->zeros, .dtype = c->dtype }, *matrix = &zeros;
    TRY_RETURN(vkmoe_buffer_create(device, s->vocabulary * sizeof(float), &o->logits));
    TRY_RETURN(create_attention(device, s, c, precision, o));
    for (uint32_t b = 0; b < s->blocks; b++)
        o->blocks[b] = (struct model_block){
            .attention = o->attention,
            .cache = o->cache,
            .experts = o->moe,
            .attention_norm = o->memory,
            .experts_norm = o->memory,
        };
    m->device = device;
    m->frame = (struct vkmoe_frame){
        .hidden = hidden,
        .vocabulary = s->vocabulary,
        .blocks = s->blocks,
        .norm_epsilon = 1e-6f,
        .block_norm_epsilon = 1e-6f,
        .embedding_scale = 1,
        .residual_scale = 1,
        .logits_scale = 1,
    };
    m->params = (struct vkmoe_model_params){ .sequences = 1, .chunk = c->tokens };
    m->decoder =
        (struct model_stack){ .blocks = o->blocks, .count = s->blocks, .final_norm = o->memory };
    m->rows = c->tokens;
    m->k = c->layer.experts_per_token;
    m->attention_k = 1;
    m->tied = s->tied;
    m->x = o->memory;
    m->normed = o->normed;
    m->delta = o->result;
    o->loading = (struct loading){
        .device = device,
        .caller = { device_log(device), __func__ },
        .fast = precision == VKMOE_PRECISION_FAST,
    };
    TRY_RETURN(
        vkmoe_linear_create(&o->loading, &matrix, NULL, &s->vocabulary, 1, hidden, &m->embedding));
    if (!s->tied)
        TRY_RETURN(
            vkmoe_linear_create(&o->loading, &matrix, NULL, &s->vocabulary, 1, hidden, &m->head));
    m->scratch_size = vkmoe_model_plan_scratch(m);
    return VKMOE_OK;
}

static enum vkmoe_status record_model(struct subject *o, const struct layer_case *c)
{
    return vkmoe_model_forward(o->stream, o->model,
        &(struct vkmoe_model_forward_params){
            VKMOE_INIT(vkmoe_model_forward_params),
            .tokens = c->tokens,
            .ids = { o->ids, 0 },
            .positions = { o->ids, 0 },
            .logits = { o->logits, 0 },
            .logits_count = 1,
        });
}

// ------------------------------------------------------------------------------- both

void subject_finish(struct subject *o)
{
    vkmoe_stream_destroy(&o->stream);
    if (o->model)
        EXPERTS_DESTROY(&o->model->embedding, &o->model->head);
    free(o->model);
    free(o->blocks);
    free(o->zeros);
    vkmoe_cache_destroy(&o->cache);
    vkmoe_attention_destroy(&o->attention);
    vkmoe_moe_destroy(&o->moe);
    BUFFERS_DESTROY(&o->memory, &o->normed, &o->result, &o->logits, &o->ids);
    *o = (struct subject){ 0 };
}

enum vkmoe_status subject_init(struct subject *o, vkmoe_device *device, const struct layer_case *c,
    const struct surroundings *around, const struct weights *weights)
{
    const uint64_t size = (uint64_t)c->tokens * c->layer.hidden * 4;
    enum vkmoe_status status;
    *o = (struct subject){ 0 };
    TRY(vkmoe_moe_create(device, &weights->params, &o->moe));
    TRY(vkmoe_buffer_create(device, size, &o->memory));
    TRY(vkmoe_buffer_create(device, size, &o->normed));
    TRY(vkmoe_buffer_create(device, size, &o->result));
    TRY(vkmoe_buffer_create(device, 8 * (uint64_t)c->tokens * c->layer.experts_per_token, &o->ids));
    if (around)
        TRY(create_model(device, around, c, weights->params.precision, o));
    TRY(vkmoe_stream_create(device, &o->stream));
    return VKMOE_OK;
fail:
    subject_finish(o);
    return status;
}

enum vkmoe_status subject_record(struct subject *o, const struct layer_case *c)
{
    return o->model ? record_model(o, c) : record_layer(o, c);
}
