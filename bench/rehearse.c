// rehearse.c - see rehearse.h.
#include "rehearse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/try.h"
#include "device/rehearsal.h"
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
};

const struct surroundings *surroundings_of(const char *shape)
{
    for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
        if (!strcmp(models[i].shape, shape))
            return &models[i];
    }
    return NULL;
}

// -------------------------------------------------------------------------- observing

static void note_dispatch(void *user, const struct variant *variant, const struct dispatch *d)
{
    struct rehearsal *r = user;
    if (r->count == r->room) {
        const uint32_t room = r->room ? 2 * r->room : 64;
        struct recorded_dispatch *larger = realloc(r->dispatches, room * sizeof *larger);
        if (!larger) {
            r->failed = true;
            return;
        }
        r->dispatches = larger;
        r->room = room;
    }
    r->dispatches[r->count++] = (struct recorded_dispatch){
        .variant = variant,
        .barriers = r->barriers,
        .work = work_of(&r->scene, variant, d),
    };
    r->barriers = 0;
}

static void note_barrier(void *user)
{
    struct rehearsal *r = user;
    r->barriers++;
}

static void keep_message(void *user, enum vkmoe_log_level level, const char *line)
{
    struct rehearsal *r = user;
    (void)level;
    snprintf(r->message, sizeof r->message, "%s", line);
}

// Who would be chosen, by the same random numbers that are timed elsewhere.
static bool set_scene(struct rehearsal *r, const struct entry *entry, uint64_t seed)
{
    const struct layer_case *c = &entry->c;
    const size_t pairs = (size_t)c->tokens * c->layer.experts_per_token;
    float *x = malloc((size_t)c->tokens * c->layer.hidden * sizeof *x);
    int32_t *ids = malloc(pairs * sizeof *ids);
    r->scene = (struct scene){
        .tokens = c->tokens,
        .keys = MAX(SEEN_KEYS, c->tokens),
        .experts = c->layer.experts,
        .k = c->layer.experts_per_token,
    };
    if (x && ids) {
        inputs_make(c, entry->routing, seed, x, ids);
        for (size_t i = 0; i < pairs; i++)
            r->scene.rows[ids[i]]++;
    }
    const bool made = x && ids;
    free(x);
    free(ids);
    return made;
}

// -------------------------------------------------------------------------- the layer

// What is created on the device, in the order in which it is given back.
struct objects {
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
};

static enum vkmoe_status record_layer(struct objects *o, const struct layer_case *c)
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
    const struct layer_case *c, const struct weights *weights, struct objects *o)
{
    const struct vkmoe_view vector = { .data = weights->vectors };
    const struct vkmoe_view matrix = weights->up[0];
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
    const struct layer_case *c, const struct weights *weights, struct objects *o)
{
    const uint32_t hidden = c->layer.hidden;
    const struct vkmoe_view *matrix = &weights->up[0];
    vkmoe_model *m = o->model = calloc(1, sizeof *m);
    o->blocks = calloc(s->blocks, sizeof *o->blocks);
    if (!m || !o->blocks)
        return VKMOE_ERROR_OUT_OF_MEMORY;
    TRY_RETURN(vkmoe_buffer_create(device, s->vocabulary * sizeof(float), &o->logits));
    TRY_RETURN(create_attention(device, s, c, weights, o));
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
    o->loading = (struct loading){ .device = device, .caller = { device_log(device), __func__ } };
    TRY_RETURN(
        vkmoe_linear_create(&o->loading, &matrix, NULL, &s->vocabulary, 1, hidden, &m->embedding));
    if (!s->tied)
        TRY_RETURN(
            vkmoe_linear_create(&o->loading, &matrix, NULL, &s->vocabulary, 1, hidden, &m->head));
    m->scratch_size = vkmoe_model_plan_scratch(m);
    return VKMOE_OK;
}

static enum vkmoe_status record_model(struct objects *o, const struct layer_case *c)
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

static void destroy(struct objects *o)
{
    vkmoe_stream_destroy(&o->stream);
    if (o->model)
        EXPERTS_DESTROY(&o->model->embedding, &o->model->head);
    free(o->model);
    free(o->blocks);
    vkmoe_cache_destroy(&o->cache);
    vkmoe_attention_destroy(&o->attention);
    vkmoe_moe_destroy(&o->moe);
    BUFFERS_DESTROY(&o->memory, &o->normed, &o->result, &o->logits, &o->ids);
}

static enum vkmoe_status record(vkmoe_device *device, const struct layer_case *c,
    const struct surroundings *around, const struct weights *weights)
{
    const uint64_t size = (uint64_t)c->tokens * c->layer.hidden * 4;
    struct objects o = { 0 };
    enum vkmoe_status status;
    TRY(vkmoe_moe_create(device, &weights->params, &o.moe));
    TRY(vkmoe_buffer_create(device, size, &o.memory));
    TRY(vkmoe_buffer_create(device, size, &o.normed));
    TRY(vkmoe_buffer_create(device, size, &o.result));
    TRY(vkmoe_buffer_create(device, 8 * (uint64_t)c->tokens * c->layer.experts_per_token, &o.ids));
    if (around)
        TRY(create_model(device, around, c, weights, &o));
    TRY(vkmoe_stream_create(device, &o.stream));
    status = around ? record_model(&o, c) : record_layer(&o, c);
fail:
    destroy(&o);
    return status;
}

enum vkmoe_status rehearse(struct rehearsal *r, const struct card *card, const struct entry *entry,
    const struct surroundings *around, uint64_t seed)
{
    *r = (struct rehearsal){ 0 };
    const struct observer observer = { note_dispatch, note_barrier, r };
    struct weights weights = { .pool = NULL };
    vkmoe_device *device = NULL;
    enum vkmoe_status status = VKMOE_ERROR_OUT_OF_MEMORY;
    if (!set_scene(r, entry, seed) || !weights_init(&weights, &entry->c, seed))
        goto fail;
    if (around) {
        r->scene.heads = around->heads;
        r->scene.kv_heads = around->kv_heads;
    }
    TRY(vkmoe_rehearsal_begin(
        &(struct rehearsal_params){
            .name = card->name,
            .type = card->type,
            .min_subgroup_size = card->min_wave,
            .max_subgroup_size = card->max_wave,
            .cooperative_matrix = card->cooperative_matrix,
            .log = { .write = keep_message, .user = r, .level = VKMOE_LOG_ERROR },
            .observer = &observer,
        },
        &device));
    r->wave = device->subgroup_size;
    TRY(record(device, &entry->c, around, &weights));
    if (r->failed)
        status = VKMOE_ERROR_OUT_OF_MEMORY;
fail:
    vkmoe_rehearsal_end(&device);
    weights_finish(&weights);
    return status;
}

void rehearsal_finish(struct rehearsal *r)
{
    free(r->dispatches);
    r->dispatches = NULL;
}
