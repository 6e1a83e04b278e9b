// heads_test.c - see heads_test.h.
#include "attention/heads_test.h"

#include "attention/record.h"
#include "base/common.h"
#include "base/try.h"
#include "device/stream.h"
#include "moe/self_test.h"

#include <string.h>

#define HEAD_SIZE 128 // the work of some workgroups, of which the last one finishes it
#define PARTS 3       // queries, a key and a value of one token: what the layer has for tokens

struct heads_test {
    vkmoe_attention *attention;
    vkmoe_cache *cache;
};

static enum vkmoe_status make(struct self_test *t, uint32_t width)
{
    struct heads_test *h = t->user;
    const struct vkmoe_tune_params layer = {
        .hidden = width,
        .inner = width,
        .experts = 1,
        .experts_per_token = 1,
        .dtype = t->dtype,
        .precision = t->fast ? VKMOE_PRECISION_FAST : VKMOE_PRECISION_EXACT,
    };
    TRY_RETURN(
        vkmoe_tune_layer_init(&t->loading->caller, t->loading->device, &layer, PARTS, &t->layer));
    const struct vkmoe_view gate = vkmoe_tune_layer_view(&t->layer, TUNE_GATE, 0);
    const struct vkmoe_attention_params params = {
        VKMOE_INIT(vkmoe_attention_params),
        .hidden = width,
        .head_size = HEAD_SIZE,
        .heads = width / HEAD_SIZE,
        .kv_heads = width / HEAD_SIZE,
        .experts = 1,
        .experts_per_token = 1,
        .query.matrices = &gate,
        .key.matrix = vkmoe_tune_layer_view(&t->layer, TUNE_UP, 0),
        .value.matrix = vkmoe_tune_layer_view(&t->layer, TUNE_DOWN, 0),
        .output.matrices = &gate,
        .precision = layer.precision,
    };
    const struct vkmoe_cache_params cache = {
        VKMOE_INIT(vkmoe_cache_params),
        .kv_heads = params.kv_heads,
        .head_size = HEAD_SIZE,
        .sequences = 1,
        .capacity = 1,
    };
    struct loading loading = {
        .device = t->loading->device,
        .caller = t->loading->caller,
        .fast = t->fast,
        .is_test = true,
    };
    TRY_RETURN(vkmoe_attention_load(&loading, &params, &h->attention));
    return vkmoe_cache_create_for(&loading.caller, loading.device, &cache, &h->cache);
}

static enum vkmoe_status expect(struct self_test *t, uint32_t width)
{
    const float *x = t->layer.got; // where it was made
    for (uint32_t part = 0; part < PARTS; part++)
        if (!vkmoe_self_test_product(
                t, (enum tune_matrix)part, x, t->layer.expected + part * width))
            return vkmoe_refuse(
                &t->loading->caller, VKMOE_ERROR_OUT_OF_MEMORY, "out of host memory");
    return VKMOE_OK;
}

static enum vkmoe_status record(const struct self_test *t)
{
    const struct heads_test *h = t->user;
    const struct attention_plan plan = vkmoe_attention_plan(h->attention, 1, 1, 1);
    const struct attention_pass pass = {
        .stream = t->layer.stream,
        .attention = h->attention,
        .cache = h->cache,
        .plan = &plan,
        .keys = vkmoe_buffer_address(h->cache->keys),
        .values = vkmoe_buffer_address(h->cache->values),
        .length = 1,
        .pairs.tokens = 1,
        .x = vkmoe_buffer_address(t->layer.x),
    };
    return vkmoe_attention_record_heads(
        &pass, &h->attention->query, vkmoe_buffer_address(t->layer.y), 0, false);
}

// What becomes of a token at position 0, of which RoPE would make the same.
static enum vkmoe_status compare(struct self_test *t, double *error)
{
    const struct heads_test *h = t->user;
    struct tune_layer *layer = &t->layer;
    const uint32_t width = layer->moe->params.hidden;
    const uint64_t size = width * sizeof(float);
    vkmoe_stream_begin(layer->stream);
    TRY_RETURN(vkmoe_stream_end(layer->stream, record(t)));
    TRY_RETURN(vkmoe_stream_submit(layer->stream, NULL));
    TRY_RETURN(vkmoe_stream_wait(layer->stream, UINT64_MAX));
    TRY_RETURN(vkmoe_buffer_download(layer->y, 0, layer->got, size));
    TRY_RETURN(vkmoe_buffer_download(h->cache->keys, 0, layer->got + width, size));
    TRY_RETURN(vkmoe_buffer_download(h->cache->values, 0, layer->got + 2 * width, size));
    *error = vkmoe_tune_layer_error(layer, PARTS);
    return VKMOE_OK;
}

// Of software drivers that is not tested: it would be most of what they compile at first.
static bool is_plainest(const struct variant *form, enum vkmoe_dtype dtype)
{
    return strcmp(form->form, vkmoe_form_plainest(KERNEL_decode_heads, dtype)->form) == 0;
}

static enum vkmoe_status test_heads(struct self_test *t)
{
    struct heads_test h = { 0 };
    const uint32_t width = MAX(vkmoe_format(t->dtype)->elements, HEAD_SIZE);
    const struct experts probe = {
        .device = t->loading->device,
        .dtype = t->dtype,
        .shapes = vkmoe_shapes_choose(t->loading->device),
        .fast = t->fast,
        .columns = width,
    };
    enum vkmoe_status status;
    if (!vkmoe_experts_finish_heads(&probe))
        return VKMOE_OK;
    const struct variant *form = vkmoe_experts_heads_form(&probe);
    if (probe.device->is_cpu && is_plainest(form, t->dtype))
        return VKMOE_OK;
    t->user = &h;
    TRY(make(t, width));
    TRY(expect(t, width));
    TRY(vkmoe_self_test_form(t, form, compare));
fail:
    vkmoe_attention_destroy(&h.attention);
    vkmoe_cache_destroy(&h.cache);
    return status;
}

enum vkmoe_status vkmoe_heads_self_test(const struct loading *loading, enum vkmoe_dtype dtype)
{
    return vkmoe_self_test_once(loading, dtype, true, test_heads);
}
