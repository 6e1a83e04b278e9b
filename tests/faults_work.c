// faults_work.c - see faults_work.h.
#include "faults_work.h"

#include <stdlib.h>
#include <string.h>

#include "device/transfer.h"
#include "random.h"
#include "device/stream.h"

#define STAGED_SIZE ((uint64_t)20 << 20) // three pieces, and a block of its own

static void begin_call(struct scene *s)
{
    s->error_lines = s->record.lines[VKMOE_LOG_ERROR];
    s->commands_before = sweep_commands();
}

// A call did not succeed. True if it is to be made again.
static bool again(struct scene *s, enum vkmoe_status status, const char *call)
{
    const uint32_t lines = s->record.lines[VKMOE_LOG_ERROR] - s->error_lines;
    s->felt++;
    if (status != s->expected)
        tap_note("%s: '%s', expected '%s'", call, vkmoe_status_name(status),
            vkmoe_status_name(s->expected));
    if (lines != (status != VKMOE_ERROR_TIMEOUT))
        tap_note("%s: %u lines for one failure, the last: %s", call, lines, s->record.last);
    if (sweep_commands() != s->commands_before)
        tap_note(
            "%s failed, and recorded %u commands", call, sweep_commands() - s->commands_before);
    s->wrong = s->wrong || status != s->expected || lines != (status != VKMOE_ERROR_TIMEOUT)
        || sweep_commands() != s->commands_before;
    return s->persists && s->felt == 1 && status != VKMOE_ERROR_DEVICE_LOST;
}

// Makes a call in a function that has `s`, `status` and a label `fail`.
#define TRY(call) \
    do { \
        do { \
            begin_call(s); \
            status = (call); \
        } while (status != VKMOE_OK && again(s, status, #call)); \
        if (status != VKMOE_OK) \
            goto fail; \
    } while (0)

// The same for one that makes `handle`, which must be NULL when it fails.
#define MAKE(handle, call) \
    do { \
        do { \
            begin_call(s); \
            memset(&(handle), 0xee, sizeof(handle)); \
            status = (call); \
            if (status != VKMOE_OK && (handle)) { \
                tap_note("%s failed, and %s is not NULL", #call, #handle); \
                s->wrong = true; \
                (handle) = NULL; \
            } \
        } while (status != VKMOE_OK && again(s, status, #call)); \
        if (status != VKMOE_OK) \
            goto fail; \
    } while (0)

// ------------------------------------------------------------------------- device

static enum vkmoe_status make_device(struct scene *s, vkmoe_device **out)
{
    const struct vkmoe_log log = { record_line, &s->record, VKMOE_LOG_INFO };
    if (s->use != USE_OWN) {
        struct vkmoe_adopt_params params = host_adopt_params(&s->host);
        params.log = log;
        params.get_instance_proc_addr = sweep_loader();
        params.cache = s->cache;
        params.cache_size = s->cache_size;
        return vkmoe_device_adopt(&params, out);
    }
    return vkmoe_device_create(
        &(struct vkmoe_device_params){
            VKMOE_INIT(vkmoe_device_params),
            .log = log,
            .select = device_under_test(),
            .validate = getenv("VK_INSTANCE_LAYERS") != NULL, // tests/drivers.sh found the layer
            .get_instance_proc_addr = (void (*)(void))sweep_loader(),
            .cache = s->cache,
            .cache_size = s->cache_size,
            .no_self_test = true,
        },
        out);
}

enum vkmoe_status scene_open(struct scene *s)
{
    return make_device(s, &s->device);
}

void scene_close(struct scene *s)
{
    vkmoe_device_destroy(&s->device);
}

bool scene_init(struct scene *s, enum use use)
{
    *s = (struct scene){ .use = use, .answer_count = 0 };
    tiny_layer_init(&s->tiny, 9);
    if (use != USE_OWN) {
        CHECK(host_init(&s->host, true));
        sweep_pool_adopt(s->host.device);
    }
    CHECK(whole_checkpoint_write("switch_transformers", 1, &s->checkpoint));
    CHECK_OK(vkmoe_checkpoint_open(s->checkpoint.path,
        &(struct vkmoe_log){ record_line, &s->record, VKMOE_LOG_ERROR }, &s->model));
    return true;
fail:
    return false;
}

void scene_finish(struct scene *s)
{
    scene_close(s);
    vkmoe_checkpoint_destroy(&s->model);
    whole_checkpoint_finish(&s->checkpoint);
    free(s->cache);
    s->cache = NULL;
    if (s->use != USE_OWN) {
        sweep_pool_release(s->host.device);
        host_finish(&s->host);
    }
}

// Making a device, and what it compiled last time and this time.
static enum vkmoe_status device_work(struct scene *s)
{
    static unsigned char data[1 << 20];
    vkmoe_device *device = NULL;
    size_t size = 0;
    enum vkmoe_status status;
    MAKE(device, make_device(s, &device));
    TRY(vkmoe_device_get_cache(device, NULL, &size));
    size = sizeof data;
    TRY(vkmoe_device_get_cache(device, data, &size));
    s->answer[0] = size > 0 && s->device == NULL;
    s->answer_count = 1;
fail:
    vkmoe_device_destroy(&device);
    return status;
}

static enum vkmoe_status list_work(struct scene *s)
{
    struct vkmoe_device_info infos[8] = { { VKMOE_INIT(vkmoe_device_info) } };
    uint32_t count = 8;
    const struct vkmoe_log log = { record_line, &s->record, VKMOE_LOG_INFO };
    enum vkmoe_status status;
    TRY((count = 8, vkmoe_device_list(&log, infos, &count)));
    s->answer[0] = (float)count;
    s->answer_count = 1;
fail:
    return status;
}

// ------------------------------------------------------------------------- stream

static enum vkmoe_status make_buffer(
    struct scene *s, const void *data, uint64_t size, vkmoe_buffer **out)
{
    static const unsigned char nothing[65536];
    enum vkmoe_status status;
    MAKE(*out, vkmoe_buffer_create(s->device, size, out));
    TRY(vkmoe_buffer_upload(*out, 0, data ? data : nothing, size));
fail:
    return status;
}

// Scratch, and the command buffer that `stream` records into.
static enum vkmoe_status start(struct scene *s, vkmoe_stream *stream, uint64_t scratch)
{
    enum vkmoe_status status;
    TRY(vkmoe_stream_reserve(stream, scratch));
    if (s->use == USE_RECORDED) {
        s->commands = host_begin(&s->host);
        sweep_watch(s->commands);
        TRY(vkmoe_stream_record_begin(stream, s->commands));
    }
fail:
    return status;
}

// Runs what was recorded, `repetitions` times more if it is the stream's own.
static enum vkmoe_status run(struct scene *s, vkmoe_stream *stream, uint32_t repetitions)
{
    enum vkmoe_status status;
    if (s->use == USE_RECORDED) {
        TRY(vkmoe_stream_record_end(stream));
        sweep_watch(NULL);
        s->wrong = s->wrong || !host_run(&s->host, s->commands);
        s->commands = NULL;
        return VKMOE_OK;
    }
    TRY(vkmoe_stream_submit(stream, NULL));
    for (uint32_t i = 0; i < repetitions; i++)
        TRY(vkmoe_stream_repeat(stream, NULL));
    TRY(vkmoe_stream_wait(stream, UINT64_MAX));
fail:
    return status;
}

// What was recorded before a failure can be run all the same: no half of anything is in it.
static void stop(struct scene *s, vkmoe_stream **stream)
{
    if (*stream && s->commands) {
        vkmoe_stream_record_end(*stream);
        s->wrong = s->wrong || !host_run(&s->host, s->commands);
    }
    s->commands = NULL;
    sweep_watch(NULL);
    vkmoe_stream_destroy(stream);
}

static enum vkmoe_status answer(struct scene *s, const vkmoe_buffer *from, uint32_t count)
{
    enum vkmoe_status status;
    TRY(vkmoe_buffer_download(from, 0, s->answer + s->answer_count, count * sizeof(float)));
    s->answer_count += count;
fail:
    return status;
}

static bool try_all(enum vkmoe_status *status, enum vkmoe_status next)
{
    *status = next;
    return next == VKMOE_OK;
}
// Helpers above note their calls themselves.
#define DO(call) \
    do { \
        if (!try_all(&status, call)) \
            goto fail; \
    } while (0)

// -------------------------------------------------------------------------- works

static enum vkmoe_status forward_tokens(vkmoe_stream *stream, const vkmoe_moe *layer,
    const vkmoe_buffer *x, const vkmoe_buffer *y, uint32_t tokens)
{
    return vkmoe_moe_forward(stream, layer,
        &(struct vkmoe_moe_forward_params){
            VKMOE_INIT(vkmoe_moe_forward_params), .tokens = tokens, .x.buffer = x, .y.buffer = y });
}

// Two forwards in one submit, of other kernels each, and again with the times of all kernels.
static enum vkmoe_status layer_work(struct scene *s)
{
    vkmoe_stream *stream = NULL;
    vkmoe_moe *layer = NULL;
    vkmoe_buffer *x = NULL, *y[2] = { NULL, NULL };
    enum vkmoe_status status;
    MAKE(stream, vkmoe_stream_create(s->device, &stream));
    MAKE(layer, tiny_layer_create(&s->tiny, s->device, &layer));
    DO(make_buffer(s, s->tiny.x, TINY_SIZE, &x));
    DO(make_buffer(s, NULL, TINY_SIZE, &y[0]));
    DO(make_buffer(s, NULL, TINY_SIZE, &y[1]));
    DO(start(s, stream, vkmoe_moe_scratch_size(layer, TINY_TOKENS)));
    TRY(tiny_layer_forward(stream, layer, x, y[0]));
    TRY(forward_tokens(stream, layer, x, y[1], 1));
    DO(run(s, stream, 1));
    if (s->use != USE_RECORDED) {
        TRY(vkmoe_stream_timestamp(stream, 0));
        TRY(tiny_layer_forward(stream, layer, x, y[1]));
        TRY(vkmoe_stream_timestamp(stream, 1));
        DO(run(s, stream, 0));
        vkmoe_stream_profile(stream, true);
        TRY(tiny_layer_forward(stream, layer, x, y[1]));
        DO(run(s, stream, 1));
    }
    DO(answer(s, y[0], TINY_TOKENS * TINY_HIDDEN));
    DO(answer(s, y[1], TINY_TOKENS * TINY_HIDDEN));
fail:
    stop(s, &stream);
    DESTROY_BUFFERS(&x, &y[0], &y[1]);
    vkmoe_moe_destroy(&layer);
    return status;
}

// Routed attention whose frequencies depend on the length, so that the stream updates them.
static enum vkmoe_status create_attention(struct scene *s, vkmoe_attention **out)
{
    enum { HIDDEN = 16, HEAD = 8, EXPERTS = 3 };
    static float numbers[4096];
    struct vkmoe_view query[EXPERTS], output[EXPERTS];
    struct rng rng = rng_for(3, "faults");
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        numbers[i] = (float)rng_normal(&rng) * 0.25f;
    for (int e = 0; e < EXPERTS; e++) {
        query[e] = (struct vkmoe_view){ .data = numbers + 100 * e };
        output[e] = (struct vkmoe_view){ .data = numbers + 1000 + 100 * e };
    }
    return vkmoe_attention_create(s->device,
        &(struct vkmoe_attention_params){
            VKMOE_INIT(vkmoe_attention_params),
            .hidden = HIDDEN,
            .head_size = HEAD,
            .heads = 2,
            .kv_heads = 2,
            .experts = EXPERTS,
            .experts_per_token = 2,
            .router.weight.data = numbers + 2000,
            .query.matrices = query,
            .output.matrices = output,
            .key.matrix.data = numbers + 2500,
            .value.matrix.data = numbers + 3000,
            .rope = { .kind = VKMOE_ROPE_HALF,
                .scaling = VKMOE_ROPE_SCALING_DYNAMIC,
                .factor = 2,
                .original_positions = 8 },
        },
        out);
}

static enum vkmoe_status attention_work(struct scene *s)
{
    enum { HIDDEN = 16, TOKENS = 20 };
    vkmoe_stream *stream = NULL;
    vkmoe_attention *attention = NULL;
    vkmoe_cache *cache = NULL;
    vkmoe_buffer *x = NULL, *y = NULL;
    enum vkmoe_status status;
    float values[TOKENS * HIDDEN];
    for (int i = 0; i < TOKENS * HIDDEN; i++)
        values[i] = (float)(i % 37) / 37 - 0.5f;
    MAKE(stream, vkmoe_stream_create(s->device, &stream));
    MAKE(attention, create_attention(s, &attention));
    MAKE(cache,
        vkmoe_cache_create(s->device,
            &(struct vkmoe_cache_params){ VKMOE_INIT(vkmoe_cache_params), .kv_heads = 2,
                .head_size = 8, .sequences = 1, .capacity = TOKENS },
            &cache));
    DO(make_buffer(s, values, sizeof values, &x));
    DO(make_buffer(s, NULL, sizeof values, &y));
    const struct vkmoe_attention_forward_params params = {
        VKMOE_INIT(vkmoe_attention_forward_params), .tokens = TOKENS, .x.buffer = x, .y.buffer = y
    };
    DO(start(s, stream, vkmoe_attention_scratch_size(attention, TOKENS)));
    TRY(vkmoe_attention_store(stream, attention, cache, &params));
    TRY(vkmoe_attention_forward(stream, attention, cache, &params));
    DO(run(s, stream, 1));
    DO(answer(s, y, TOKENS * HIDDEN));
fail:
    stop(s, &stream);
    DESTROY_BUFFERS(&x, &y);
    vkmoe_attention_destroy(&attention);
    vkmoe_cache_destroy(&cache);
    return status;
}

// A whole model with an encoder.
static enum vkmoe_status network_work(struct scene *s)
{
    enum { TOKENS = 3, INPUT = 6 };
    static const uint32_t ids[INPUT] = { 3, 1, 4, 1, 5, 9 }, positions[TOKENS] = { 0, 1, 2 };
    const uint32_t vocabulary = s->checkpoint.vocabulary;
    const struct vkmoe_model_params shape = { VKMOE_INIT(vkmoe_model_params), .capacity = 8,
        .chunk = TOKENS, .encoder_capacity = INPUT };
    vkmoe_stream *stream = NULL;
    vkmoe_model *network = NULL;
    vkmoe_buffer *input = NULL, *places = NULL, *logits = NULL;
    enum vkmoe_status status;
    MAKE(stream, vkmoe_stream_create(s->device, &stream));
    MAKE(network, vkmoe_model_create(s->device, s->model, &shape, &network));
    DO(make_buffer(s, ids, sizeof ids, &input));
    DO(make_buffer(s, positions, sizeof positions, &places));
    DO(make_buffer(s, NULL, (uint64_t)TOKENS * vocabulary * sizeof(float), &logits));
    DO(start(s, stream, vkmoe_model_scratch_size(network)));
    TRY(vkmoe_model_encode(stream, network,
        &(struct vkmoe_model_encode_params){
            VKMOE_INIT(vkmoe_model_encode_params), .tokens = INPUT, .ids.buffer = input }));
    TRY(vkmoe_model_forward(stream, network,
        &(struct vkmoe_model_forward_params){ VKMOE_INIT(vkmoe_model_forward_params),
            .tokens = TOKENS, .ids.buffer = input, .positions.buffer = places,
            .logits.buffer = logits, .logits_count = TOKENS }));
    DO(run(s, stream, 1));
    DO(answer(s, logits, TOKENS * vocabulary));
fail:
    stop(s, &stream);
    DESTROY_BUFFERS(&input, &places, &logits);
    vkmoe_model_destroy(&network);
    return status;
}

// The layer once more, packed by the device, as on cards.
static enum vkmoe_status packing_work(struct scene *s)
{
    const bool packs_on_host = s->device->packs_on_host;
    s->device->packs_on_host = false;
    const enum vkmoe_status status = layer_work(s);
    s->device->packs_on_host = packs_on_host;
    return status;
}

// There and back through staging, in three pieces.
static enum vkmoe_status copy_work(struct scene *s)
{
    static unsigned char data[STAGED_SIZE], back[STAGED_SIZE];
    vkmoe_buffer *buffer = NULL;
    enum vkmoe_status status;
    for (uint64_t i = 0; i < STAGED_SIZE; i += 1021)
        data[i] = (unsigned char)(i >> 8 | 1);
    MAKE(buffer, vkmoe_buffer_create(s->device, STAGED_SIZE, &buffer));
    buffer->range.mapped = NULL; // as on a discrete card
    TRY(vkmoe_buffer_upload(buffer, 0, data, STAGED_SIZE));
    TRY(vkmoe_buffer_clear(buffer, STAGED_SIZE - 4096, 4096));
    TRY(vkmoe_buffer_download(buffer, 0, back, STAGED_SIZE));
    s->answer[0] = !memcmp(data, back, STAGED_SIZE - 4096) && !back[STAGED_SIZE - 1];
    s->answer_count = 1;
    s->wrong = s->wrong || s->answer[0] != 1;
fail:
    vkmoe_buffer_destroy(&buffer);
    return status;
}

#define OWN (1u << USE_OWN)
#define RECORDED (1u << USE_RECORDED)
#define SUBMITS (OWN | 1u << USE_ADOPTED)

const struct work works[] = {
    { "device", SUBMITS, 0, false, device_work },
    { "list", OWN, 0, false, list_work },
    { "layer", SUBMITS | RECORDED, SUBMITS | RECORDED, true, layer_work },
    { "attention", SUBMITS | RECORDED, SUBMITS | RECORDED, true, attention_work },
    { "network", OWN, RECORDED, true, network_work },
    { "copy", SUBMITS, SUBMITS, true, copy_work },
    { "packing", OWN, 0, true, packing_work },
};
const uint32_t work_count = sizeof works / sizeof *works;
