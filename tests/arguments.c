// arguments.c - vkmoe.h's rule for arguments that are NULL, for every pointer of every public
// function; and for what else no function may take. Which pointers there are is read from the
// header, so that a new one without a test fails.
//
// Environment: VKMOE_TEST_DEVICE, as everywhere.
#include <vkmoe/model.h>
#include <vkmoe/vulkan.h>

#include "arguments.h"
#include "check.h"
#include "tiny_layer.h"

static struct record record;
static bool ok;

// ------------------------------------------------------- what was called with NULL so far

static struct {
    char name[96]; // "function.argument"
} tested[256];
static uint32_t tested_count;

static void note(const char *function, const char *argument)
{
    if (tested_count < sizeof tested / sizeof *tested)
        snprintf(tested[tested_count++].name, sizeof tested->name, "%s.%s", function, argument);
}

static bool is_tested(const char *name)
{
    for (uint32_t i = 0; i < tested_count; i++)
        if (!strcmp(tested[i].name, name))
            return true;
    return false;
}

static void check_refused(
    const char *function, const char *argument, enum vkmoe_status status, uint32_t lines)
{
    char line[160];
    snprintf(line, sizeof line, "%s: %s is NULL", function, argument);
    note(function, argument);
    if (status == VKMOE_ERROR_INVALID && record.lines[VKMOE_LOG_ERROR] == lines
        && (!lines || !strcmp(record.last, line)))
        return;
    tap_note("%s is NULL in %s: '%s', %u errors logged, expected %u, the last: %s", argument,
        function, vkmoe_status_name(status), record.lines[VKMOE_LOG_ERROR], lines, record.last);
    ok = false;
}

static void check_quiet(const char *function, const char *argument, bool condition)
{
    note(function, argument);
    if (condition && !record.lines[VKMOE_LOG_ERROR])
        return;
    tap_note("%s is NULL in %s: not as it should be, %u errors logged", argument, function,
        record.lines[VKMOE_LOG_ERROR]);
    ok = false;
}

// The call is INVALID, with one line if `lines` is 1; 0: nothing that came along has a log.
#define REFUSED(function, argument, lines, arguments) \
    do { \
        record = (struct record){ 0 }; \
        check_refused(#function, argument, function arguments, lines); \
    } while (0)

// NULL has a meaning here, or nothing happens: `expression` is true, and nothing is logged.
#define QUIET(function, argument, expression) \
    do { \
        record = (struct record){ 0 }; \
        check_quiet(#function, argument, expression); \
    } while (0)

// As X_create() promises.
#define REFUSED_OUT(function, argument, lines, out, arguments) \
    do { \
        memset(&(out), 0xee, sizeof(out)); \
        REFUSED(function, argument, lines, arguments); \
        if (out) { \
            tap_note("%s: *out is not NULL", #function); \
            ok = false; \
        } \
        (out) = NULL; \
    } while (0)

// All that X_create(device, params, out) refuses, and X_open(path, log, out).
#define REFUSED_CREATE(function, params) \
    do { \
        REFUSED_OUT(function, "device", 0, out, (NULL, params, &out)); \
        REFUSED_OUT(function, "params", 1, out, (device, NULL, &out)); \
        REFUSED(function, "out", 1, (device, params, NULL)); \
    } while (0)
#define REFUSED_OPEN(function, path) \
    do { \
        REFUSED_OUT(function, "path", 1, out, (NULL, &to_record, &out)); \
        REFUSED(function, "out", 1, (path, &to_record, NULL)); \
        QUIET(function, "log", function(path, NULL, &out) == VKMOE_OK); \
    } while (0)

// Of no object: X_destroy(), and X_device_size().
#define QUIET_DESTROY(object, argument) \
    do { \
        object##_destroy(NULL); \
        QUIET(object##_destroy, argument, (object##_destroy(&out), !out)); \
    } while (0)
#define QUIET_OBJECT(object, argument) \
    do { \
        QUIET(object##_device_size, argument, !object##_device_size(NULL)); \
        QUIET_DESTROY(object, argument); \
    } while (0)

// X_get_info(object, &info), whose struct is `type`: zeros without an object.
#define QUIET_INFO(function, argument, object, type) \
    do { \
        struct type info, zero; \
        memset(&zero, 0, sizeof zero); \
        memset(&info, 0xee, sizeof info); \
        zero.struct_size = info.struct_size = sizeof info; \
        function(object, NULL); \
        function(NULL, NULL); \
        QUIET(function, "info", true); \
        function(NULL, &info); \
        QUIET(function, argument, !memcmp(&info, &zero, sizeof info)); \
    } while (0)

// ------------------------------------------------------------------------------- the calls

static vkmoe_device *device;
static vkmoe_stream *stream;
static vkmoe_buffer *buffer;
static vkmoe_moe *layer;
static vkmoe_attention *attention;
static vkmoe_cache *cache;
static vkmoe_checkpoint *model;
static vkmoe_model *network;
static const struct vkmoe_block first_block;

static const struct vkmoe_log to_record = { record_line, &record, VKMOE_LOG_INFO };
static const float numbers[64];

static const struct vkmoe_view view = { .data = numbers };
static const struct vkmoe_attention_params attention_params = {
    VKMOE_INIT(vkmoe_attention_params),
    .hidden = 8,
    .head_size = 8,
    .heads = 1,
    .kv_heads = 1,
    .experts = 1,
    .experts_per_token = 1,
    .query.matrices = &view,
    .output.matrices = &view,
    .key.matrix = { .data = numbers },
    .value.matrix = { .data = numbers },
};
static const struct vkmoe_cache_params cache_params = {
    VKMOE_INIT(vkmoe_cache_params),
    .kv_heads = 1,
    .head_size = 8,
    .sequences = 1,
    .capacity = 4,
};

static bool make_objects(void)
{
    struct tiny_layer tiny;
    tiny_layer_init(&tiny, 1);
    CHECK_OK(open_device(&record, &device));
    CHECK_OK(vkmoe_stream_create(device, &stream));
    CHECK_OK(vkmoe_buffer_create(device, 1024, &buffer));
    CHECK_OK(tiny_layer_create(&tiny, device, &layer));
    CHECK_OK(vkmoe_attention_create(device, &attention_params, &attention));
    CHECK_OK(vkmoe_cache_create(device, &cache_params, &cache));
    CHECK_OK(vkmoe_checkpoint_open(VKMOE_TEST_MODELS "/tiny-mixtral", &to_record, &model));
    CHECK_OK(vkmoe_model_create(device, model,
        &(struct vkmoe_model_params){ VKMOE_INIT(vkmoe_model_params), .capacity = 16, .chunk = 4 },
        &network));
    return true;
fail:
    return false;
}

// Twice, which is once too often.
static void destroy_objects(void)
{
    for (int i = 0; i < 2; i++) {
        vkmoe_model_destroy(&network);
        vkmoe_checkpoint_destroy(&model);
        vkmoe_cache_destroy(&cache);
        vkmoe_attention_destroy(&attention);
        vkmoe_moe_destroy(&layer);
        vkmoe_buffer_destroy(&buffer);
        vkmoe_stream_destroy(&stream);
        vkmoe_device_destroy(&device);
    }
}

static void call_device(void)
{
    uint32_t count = 0;
    size_t size = 0;
    vkmoe_device *out = NULL;
    const struct vkmoe_device_params params = { VKMOE_INIT(vkmoe_device_params), .log = to_record,
        .select = device_under_test() };
    const struct vkmoe_adopt_params adopt = { VKMOE_INIT(vkmoe_adopt_params), .log = to_record };
    const struct vkmoe_tune_params tune = { VKMOE_INIT(vkmoe_tune_params) };
    REFUSED(vkmoe_device_list, "count", 1, (&to_record, NULL, NULL));
    count = 1;
    REFUSED(vkmoe_device_list, "infos", 1, (&to_record, NULL, &count));
    count = 0;
    QUIET(vkmoe_device_list, "log", vkmoe_device_list(NULL, NULL, &count) == VKMOE_OK && count);
    REFUSED_OUT(vkmoe_device_create, "params", 0, out, (NULL, &out));
    REFUSED(vkmoe_device_create, "out", 1, (&params, NULL));
    REFUSED(vkmoe_device_create, "out", 0, (NULL, NULL));
    REFUSED_OUT(vkmoe_device_adopt, "params", 0, out, (NULL, &out));
    REFUSED(vkmoe_device_adopt, "out", 1, (&adopt, NULL));
    REFUSED_OUT(vkmoe_device_adopt, "instance", 1, out, (&adopt, &out));
    QUIET_INFO(vkmoe_device_get_info, "device", device, vkmoe_device_info);
    REFUSED(vkmoe_device_get_cache, "device", 0, (NULL, NULL, &size));
    REFUSED(vkmoe_device_get_cache, "size", 1, (device, NULL, NULL));
    QUIET(vkmoe_device_get_cache, "data", vkmoe_device_get_cache(device, NULL, &size) == VKMOE_OK);
    REFUSED(vkmoe_device_set_tuning, "device", 0, (NULL, "", 0));
    REFUSED(vkmoe_device_set_tuning, "text", 1, (device, NULL, 0));
    REFUSED(vkmoe_device_get_tuning, "device", 0, (NULL, NULL, &size));
    REFUSED(vkmoe_device_get_tuning, "size", 1, (device, NULL, NULL));
    QUIET(
        vkmoe_device_get_tuning, "text", vkmoe_device_get_tuning(device, NULL, &size) == VKMOE_OK);
    REFUSED(vkmoe_device_tune, "device", 0, (NULL, &tune));
    REFUSED(vkmoe_device_tune, "params", 1, (device, NULL));
    QUIET_DESTROY(vkmoe_device, "device");
}

static void call_buffer(void)
{
    vkmoe_buffer *out = NULL;
    char bytes[4];
    REFUSED_OUT(vkmoe_buffer_create, "device", 0, out, (NULL, 4, &out));
    REFUSED(vkmoe_buffer_create, "out", 1, (device, 4, NULL));
    REFUSED_OUT(vkmoe_buffer_wrap, "device", 0, out, (NULL, 4, 4, &out));
    REFUSED(vkmoe_buffer_wrap, "out", 1, (device, 4, 4, NULL));
    REFUSED(vkmoe_buffer_upload, "buffer", 0, (NULL, 0, bytes, 4));
    REFUSED(vkmoe_buffer_upload, "data", 1, (buffer, 0, NULL, 4));
    REFUSED(vkmoe_buffer_download, "buffer", 0, (NULL, 0, bytes, 4));
    REFUSED(vkmoe_buffer_download, "data", 1, (buffer, 0, NULL, 4));
    QUIET(vkmoe_buffer_upload, "data", vkmoe_buffer_upload(buffer, 0, NULL, 0) == VKMOE_OK);
    QUIET(vkmoe_buffer_download, "data", vkmoe_buffer_download(buffer, 0, NULL, 0) == VKMOE_OK);
    QUIET(vkmoe_buffer_size, "buffer", !vkmoe_buffer_size(NULL));
    QUIET(vkmoe_buffer_address, "buffer", !vkmoe_buffer_address(NULL));
    QUIET_DESTROY(vkmoe_buffer, "buffer");
}

static void call_stream(void)
{
    vkmoe_stream *out = NULL;
    REFUSED_OUT(vkmoe_stream_create, "device", 0, out, (NULL, &out));
    REFUSED(vkmoe_stream_create, "out", 1, (device, NULL));
    REFUSED(vkmoe_stream_reserve, "stream", 0, (NULL, 4));
    REFUSED(vkmoe_stream_record_begin, "stream", 0, (NULL, NULL));
    REFUSED(vkmoe_stream_record_begin, "commands", 1, (stream, NULL));
    REFUSED(vkmoe_stream_record_end, "stream", 0, (NULL));
    REFUSED(vkmoe_stream_submit, "stream", 0, (NULL, NULL));
    REFUSED(vkmoe_stream_repeat, "stream", 0, (NULL, NULL));
    REFUSED(vkmoe_stream_wait, "stream", 0, (NULL, 0));
    const struct vkmoe_moe_forward_params work = { VKMOE_INIT(vkmoe_moe_forward_params),
        .tokens = TINY_TOKENS, .x = { buffer, 0 }, .y = { buffer, 512 } };
    const bool recorded = vkmoe_moe_forward(stream, layer, &work) == VKMOE_OK;
    QUIET(vkmoe_stream_submit, "params", recorded && vkmoe_stream_submit(stream, NULL) == VKMOE_OK);
    QUIET(vkmoe_stream_repeat, "params", vkmoe_stream_repeat(stream, NULL) == VKMOE_OK);
    QUIET(vkmoe_stream_wait, "stream", vkmoe_stream_wait(stream, UINT64_MAX) == VKMOE_OK);
    REFUSED(vkmoe_stream_submit, "waits", 1,
        (stream,
            &(struct vkmoe_submit_params){ VKMOE_INIT(vkmoe_submit_params), .wait_count = 1 }));
    REFUSED(vkmoe_stream_submit, "signals", 1,
        (stream,
            &(struct vkmoe_submit_params){ VKMOE_INIT(vkmoe_submit_params), .signal_count = 1 }));
    QUIET_DESTROY(vkmoe_stream, "stream");
}

static void call_layer(void)
{
    vkmoe_moe *out = NULL;
    const struct vkmoe_moe_params params = { VKMOE_INIT(vkmoe_moe_params) };
    const struct vkmoe_moe_forward_params forward = { VKMOE_INIT(vkmoe_moe_forward_params) };
    REFUSED_CREATE(vkmoe_moe_create, &params);
    REFUSED(vkmoe_moe_forward, "stream", 1, (NULL, layer, &forward));
    REFUSED(vkmoe_moe_forward, "moe", 1, (stream, NULL, &forward));
    REFUSED(vkmoe_moe_forward, "params", 1, (stream, layer, NULL));
    REFUSED(vkmoe_moe_forward, "stream", 0, (NULL, NULL, NULL));
    QUIET(vkmoe_moe_scratch_size, "moe", !vkmoe_moe_scratch_size(NULL, 4));
    QUIET_OBJECT(vkmoe_moe, "moe");
}

static void call_attention(void)
{
    vkmoe_attention *out = NULL;
    const struct vkmoe_attention_forward_params attend = { VKMOE_INIT(
        vkmoe_attention_forward_params) };
    REFUSED_CREATE(vkmoe_attention_create, &attention_params);
    REFUSED(vkmoe_attention_forward, "stream", 1, (NULL, attention, cache, &attend));
    REFUSED(vkmoe_attention_forward, "attention", 1, (stream, NULL, cache, &attend));
    REFUSED(vkmoe_attention_forward, "cache", 1, (stream, attention, NULL, &attend));
    REFUSED(vkmoe_attention_forward, "params", 1, (stream, attention, cache, NULL));
    REFUSED(vkmoe_attention_forward, "attention", 1, (stream, NULL, NULL, NULL));
    REFUSED(vkmoe_attention_forward, "stream", 0, (NULL, NULL, NULL, NULL));
    REFUSED(vkmoe_attention_store, "stream", 1, (NULL, attention, cache, &attend));
    REFUSED(vkmoe_attention_store, "attention", 1, (stream, NULL, cache, &attend));
    REFUSED(vkmoe_attention_store, "cache", 1, (stream, attention, NULL, &attend));
    REFUSED(vkmoe_attention_store, "params", 1, (stream, attention, cache, NULL));
    REFUSED(vkmoe_attention_store, "stream", 1, (NULL, NULL, cache, NULL));
    QUIET(vkmoe_attention_scratch_size, "attention", !vkmoe_attention_scratch_size(NULL, 4));
    QUIET_OBJECT(vkmoe_attention, "attention");
}

static void call_cache(void)
{
    vkmoe_cache *out = NULL;
    REFUSED_CREATE(vkmoe_cache_create, &cache_params);
    QUIET_OBJECT(vkmoe_cache, "cache");
}

static void call_checkpoint(void)
{
    vkmoe_inventory *out = NULL;
    struct vkmoe_checkpoint_info model_info = { VKMOE_INIT(vkmoe_checkpoint_info), .blocks = 1 };
    struct vkmoe_tensor_info tensor = { VKMOE_INIT(vkmoe_tensor_info) };
    const char *path = VKMOE_TEST_MODELS "/tiny-mixtral";
    REFUSED_OPEN(vkmoe_inventory_open, path);
    vkmoe_inventory_destroy(&out);
    ok = vkmoe_inventory_open(path, &to_record, &out) == VKMOE_OK && ok;
    QUIET_INFO(vkmoe_inventory_get_info, "inventory", out, vkmoe_inventory_info);
    QUIET(vkmoe_inventory_get_checkpoint_info, "info",
        (vkmoe_inventory_get_checkpoint_info(out, NULL), true));
    vkmoe_inventory_get_checkpoint_info(NULL, &model_info);
    QUIET(vkmoe_inventory_get_checkpoint_info, "inventory", !model_info.blocks);
    REFUSED(vkmoe_inventory_get_tensor, "inventory", 0, (NULL, 0, &tensor));
    REFUSED(vkmoe_inventory_get_tensor, "info", 1, (out, 0, NULL));
    vkmoe_inventory_destroy(&out);
    QUIET_DESTROY(vkmoe_inventory, "inventory");
}

#define REFUSED_NORMS(function) \
    REFUSED(function, "checkpoint", 0, (NULL, first_block, &norm, &norm)); \
    REFUSED(function, "attention_norm", 1, (model, first_block, NULL, &norm)); \
    REFUSED(function, "experts_norm", 1, (model, first_block, &norm, NULL))
static void call_model(void)
{
    struct vkmoe_block_extras extras = { VKMOE_INIT(vkmoe_block_extras) };
    vkmoe_checkpoint *out = NULL;
    struct vkmoe_moe_params experts = { VKMOE_INIT(vkmoe_moe_params) };
    struct vkmoe_attention_params attends = { VKMOE_INIT(vkmoe_attention_params) };
    struct vkmoe_frame frame = { VKMOE_INIT(vkmoe_frame) };
    struct vkmoe_view norm;
    REFUSED_OPEN(vkmoe_checkpoint_open, VKMOE_TEST_MODELS "/tiny-mixtral");
    vkmoe_checkpoint_destroy(&out);
    QUIET_INFO(vkmoe_checkpoint_get_info, "checkpoint", model, vkmoe_checkpoint_info);
    QUIET(vkmoe_checkpoint_is_moe, "checkpoint", !vkmoe_checkpoint_is_moe(NULL, first_block));
    REFUSED(vkmoe_checkpoint_get_moe, "checkpoint", 0, (NULL, first_block, &experts));
    REFUSED(vkmoe_checkpoint_get_moe, "params", 1, (model, first_block, NULL));
    REFUSED(vkmoe_checkpoint_get_mlp, "checkpoint", 0, (NULL, first_block, &experts));
    REFUSED(vkmoe_checkpoint_get_mlp, "params", 1, (model, first_block, NULL));
    REFUSED(vkmoe_checkpoint_get_attention, "checkpoint", 0, (NULL, first_block, &attends));
    REFUSED(vkmoe_checkpoint_get_attention, "params", 1, (model, first_block, NULL));
    REFUSED(vkmoe_checkpoint_get_frame, "checkpoint", 0, (NULL, &frame));
    REFUSED(vkmoe_checkpoint_get_frame, "frame", 1, (model, NULL));
    REFUSED_NORMS(vkmoe_checkpoint_get_norms);
    REFUSED_NORMS(vkmoe_checkpoint_get_norm_biases);
    REFUSED(vkmoe_checkpoint_get_extras, "checkpoint", 0, (NULL, first_block, &extras));
    REFUSED(vkmoe_checkpoint_get_extras, "extras", 1, (model, first_block, NULL));
    QUIET_DESTROY(vkmoe_checkpoint, "checkpoint");
}

static void call_network(void)
{
    vkmoe_model *out = NULL;
    const struct vkmoe_model_params params = { VKMOE_INIT(vkmoe_model_params) };
    const struct vkmoe_model_forward_params forward = { VKMOE_INIT(vkmoe_model_forward_params) };
    const struct vkmoe_model_encode_params encode = { VKMOE_INIT(vkmoe_model_encode_params) };
    REFUSED_OUT(vkmoe_model_create, "device", 1, out, (NULL, model, &params, &out));
    REFUSED_OUT(vkmoe_model_create, "device", 0, out, (NULL, NULL, &params, &out));
    REFUSED_OUT(vkmoe_model_create, "checkpoint", 1, out, (device, NULL, &params, &out));
    REFUSED_OUT(vkmoe_model_create, "params", 1, out, (device, model, NULL, &out));
    REFUSED(vkmoe_model_create, "out", 1, (device, model, &params, NULL));
    REFUSED(vkmoe_model_forward, "stream", 1, (NULL, network, &forward));
    REFUSED(vkmoe_model_forward, "model", 1, (stream, NULL, &forward));
    REFUSED(vkmoe_model_forward, "params", 1, (stream, network, NULL));
    REFUSED(vkmoe_model_forward, "stream", 0, (NULL, NULL, NULL));
    REFUSED(vkmoe_model_encode, "stream", 1, (NULL, network, &encode));
    REFUSED(vkmoe_model_encode, "model", 1, (stream, NULL, &encode));
    REFUSED(vkmoe_model_encode, "params", 1, (stream, network, NULL));
    QUIET(vkmoe_model_scratch_size, "model", !vkmoe_model_scratch_size(NULL));
    QUIET_OBJECT(vkmoe_model, "model");
}

// ------------------------------------------------------------------ objects that are no NULL

// INVALID with one line in the function's own name, which holds `text`.
static void check_said(const char *function, enum vkmoe_status status, const char *text)
{
    const size_t length = strlen(function);
    if (status == VKMOE_ERROR_INVALID && record.lines[VKMOE_LOG_ERROR] == 1
        && !strncmp(record.last, function, length) && record.last[length] == ':'
        && strstr(record.last, text))
        return;
    tap_note("%s: '%s', %u errors logged, the last: %s; expected one with '%s'", function,
        vkmoe_status_name(status), record.lines[VKMOE_LOG_ERROR], record.last, text);
    ok = false;
}

#define SAID(function, text, arguments) \
    do { \
        record = (struct record){ 0 }; \
        check_said(#function, function arguments, text); \
    } while (0)

#define NEWER "asks for a newer one"

static void check_zero_tail(const char *function)
{
    note(function, "params tail");
    if (!strstr(record.last, NEWER))
        return;
    tap_note("%s refuses params with a tail of zeroes: %s", function, record.last);
    ok = false;
}

// Params that end in 8 bytes which this library does not know: they have to be zero.
#define TAIL(function, arguments, type, ...) \
    do { \
        union { \
            struct type params; \
            unsigned char bytes[sizeof(struct type) + 8]; \
        } longer; \
        const struct type *tail = &longer.params; \
        memset(&longer, 0, sizeof longer); \
        longer.params = (struct type){ VKMOE_INIT(type), __VA_ARGS__ }; \
        longer.params.struct_size = sizeof longer.bytes; \
        record = (struct record){ 0 }; \
        (void)function arguments; \
        check_zero_tail(#function); \
        longer.bytes[sizeof longer.bytes - 1] = 1; \
        SAID(function, NEWER, arguments); \
    } while (0)

static void call_with_tails(void)
{
    vkmoe_device *no_device = NULL;
    vkmoe_moe *no_layer = NULL;
    vkmoe_attention *no_attention = NULL;
    vkmoe_cache *no_cache = NULL;
    vkmoe_model *no_network = NULL;
    TAIL(vkmoe_device_create, (tail, &no_device), vkmoe_device_params, .log = to_record,
        .select = "no such device");
    TAIL(vkmoe_device_adopt, (tail, &no_device), vkmoe_adopt_params, .log = to_record);
    TAIL(vkmoe_stream_submit, (stream, tail), vkmoe_submit_params, 0);
    TAIL(vkmoe_stream_repeat, (stream, tail), vkmoe_submit_params, 0);
    TAIL(vkmoe_device_tune, (device, tail), vkmoe_tune_params, 0);
    TAIL(vkmoe_moe_create, (device, tail, &no_layer), vkmoe_moe_params, 0);
    TAIL(vkmoe_moe_forward, (stream, layer, tail), vkmoe_moe_forward_params, 0);
    TAIL(vkmoe_attention_create, (device, tail, &no_attention), vkmoe_attention_params, 0);
    TAIL(vkmoe_cache_create, (device, tail, &no_cache), vkmoe_cache_params, 0);
    TAIL(vkmoe_attention_forward, (stream, attention, cache, tail), vkmoe_attention_forward_params,
        0);
    TAIL(
        vkmoe_attention_store, (stream, attention, cache, tail), vkmoe_attention_forward_params, 0);
    TAIL(vkmoe_model_create, (device, model, tail, &no_network), vkmoe_model_params, .chunk = 1,
        .capacity = UINT32_MAX);
    TAIL(vkmoe_model_forward, (stream, network, tail), vkmoe_model_forward_params, 0);
    TAIL(vkmoe_model_encode, (stream, network, tail), vkmoe_model_encode_params, 0);
    if (no_device || no_layer || no_attention || no_cache || no_network)
        ok = false;
}

static void call_without_buffers(void)
{
    const struct vkmoe_moe_forward_params forward = { VKMOE_INIT(vkmoe_moe_forward_params),
        .tokens = 1 };
    const struct vkmoe_attention_forward_params attend = {
        VKMOE_INIT(vkmoe_attention_forward_params), .tokens = 1
    };
    const struct vkmoe_model_forward_params whole = { VKMOE_INIT(vkmoe_model_forward_params),
        .tokens = 1 };
    SAID(vkmoe_moe_forward, "x is missing", (stream, layer, &forward));
    SAID(vkmoe_attention_forward, "x is missing", (stream, attention, cache, &attend));
    SAID(vkmoe_attention_store, "x is missing", (stream, attention, cache, &attend));
    SAID(vkmoe_model_forward, "ids is missing", (stream, network, &whole));
}

static void call_across_devices(void)
{
    vkmoe_device *other = NULL;
    vkmoe_stream *foreign_stream = NULL;
    vkmoe_buffer *foreign = NULL;
    vkmoe_cache *foreign_cache = NULL;
    CHECK_OK(open_device(&record, &other));
    CHECK_OK(vkmoe_stream_create(other, &foreign_stream));
    CHECK_OK(vkmoe_buffer_create(other, 1024, &foreign));
    CHECK_OK(vkmoe_cache_create(other, &cache_params, &foreign_cache));
    struct vkmoe_moe_forward_params forward = { VKMOE_INIT(vkmoe_moe_forward_params), .tokens = 1,
        .x = { buffer, 0 }, .y = { buffer, 512 } };
    struct vkmoe_attention_forward_params attend = { VKMOE_INIT(vkmoe_attention_forward_params),
        .tokens = 1, .x = { buffer, 0 }, .y = { buffer, 512 } };
    struct vkmoe_model_forward_params whole = { VKMOE_INIT(vkmoe_model_forward_params), .tokens = 1,
        .ids = { buffer, 0 } };
    SAID(vkmoe_moe_forward, "devices", (foreign_stream, layer, &forward));
    SAID(vkmoe_attention_forward, "devices", (foreign_stream, attention, cache, &attend));
    SAID(vkmoe_attention_store, "devices", (foreign_stream, attention, cache, &attend));
    SAID(vkmoe_model_forward, "devices", (foreign_stream, network, &whole));
    SAID(vkmoe_attention_forward, "cache", (stream, attention, foreign_cache, &attend));
    SAID(vkmoe_attention_store, "cache", (stream, attention, foreign_cache, &attend));
    forward.x.buffer = attend.x.buffer = whole.ids.buffer = foreign;
    SAID(vkmoe_moe_forward, "x is a buffer of another", (stream, layer, &forward));
    SAID(vkmoe_attention_forward, "x is a buffer of another", (stream, attention, cache, &attend));
    SAID(vkmoe_attention_store, "x is a buffer of another", (stream, attention, cache, &attend));
    SAID(vkmoe_model_forward, "ids is a buffer of another", (stream, network, &whole));
    goto done;
fail:
    ok = false;
done:
    vkmoe_cache_destroy(&foreign_cache);
    vkmoe_buffer_destroy(&foreign);
    vkmoe_stream_destroy(&foreign_stream);
    vkmoe_device_destroy(&other);
}

// Enums without a meaning, refused by whom they are given to, whoever finds them.
static void call_with_nonsense(void)
{
    vkmoe_moe *no_layer = NULL;
    vkmoe_attention *no_attention = NULL;
    vkmoe_cache *no_cache = NULL;
    vkmoe_model *no_network = NULL;
    const struct vkmoe_view views[] = { view, view };
    struct vkmoe_moe_params experts = { VKMOE_INIT(vkmoe_moe_params), .hidden = 8, .inner = 4,
        .experts = 2, .experts_per_token = 1,
        .router = { .weight = view, .score = (enum vkmoe_score) - 1 }, .up = views, .down = views };
    SAID(vkmoe_moe_create, "score", (device, &experts, &no_layer));
    struct vkmoe_attention_params routed = attention_params;
    routed.experts = 2;
    routed.query.matrices = routed.output.matrices = views;
    routed.router = experts.router;
    SAID(vkmoe_attention_create, "score", (device, &routed, &no_attention));
    struct vkmoe_attention_params mixed = attention_params;
    mixed.output.matrices = NULL;
    mixed.output.experts = (struct vkmoe_head_experts){ .experts = 2,
        .experts_per_token = 1,
        .router = { .weight = view, .score = (enum vkmoe_score)99 },
        .matrices = views };
    SAID(vkmoe_attention_create, "output.experts: router.score", (device, &mixed, &no_attention));
    struct vkmoe_cache_params strange = cache_params;
    strange.dtype = (enum vkmoe_dtype) - 1;
    SAID(vkmoe_cache_create, "dtype", (device, &strange, &no_cache));
    const struct vkmoe_model_params params = { VKMOE_INIT(vkmoe_model_params),
        .cache_dtype = (enum vkmoe_dtype)99 };
    SAID(vkmoe_model_create, "dtype", (device, model, &params, &no_network));
    if (no_layer || no_attention || no_cache || no_network)
        ok = false;
}

static const struct {
    const char *name;
    void (*run)(void);
} groups[] = {
    { "device", call_device },
    { "buffer", call_buffer },
    { "stream", call_stream },
    { "layer", call_layer },
    { "attention", call_attention },
    { "cache", call_cache },
    { "checkpoint", call_checkpoint },
    { "model", call_model },
    { "network", call_network },
    { "tails", call_with_tails },
    { "no buffers", call_without_buffers },
    { "two devices", call_across_devices },
    { "nonsense", call_with_nonsense },
};

int main(int argc, char **argv)
{
    struct tap tap;
    int code;
    if (!tests_begin(&tap, argc, argv, &code))
        return code;
    const bool made = tap.list || make_objects();
    if (!made)
        tap_note("log: %s", record.last);
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        if (!tap_wants(&tap, groups[i].name))
            continue;
        ok = made;
        if (made)
            groups[i].run();
        tap_result(&tap, ok, groups[i].name);
    }
    if (!tap.filter && tap_wants(&tap, "every pointer in the headers"))
        tap_result(&tap, arguments_headers(is_tested), "every pointer in the headers");
    destroy_objects();
    return tap_end(&tap);
}
