// lost.c - a device that was lost: each call says so, in a line, and destroying says nothing.
#include "check.h"
#include "device/transfer.h"
#include "tiny_layer.h"

static struct record record;

#define LOST(call) \
    do { \
        record = (struct record){ 0 }; \
        CHECK_STATUS(VKMOE_ERROR_DEVICE_LOST, call); \
        CHECK(record.lines[VKMOE_LOG_ERROR] == 1); \
        CHECK(strstr(record.last, "lost") || strstr(record.last, "LOST")); \
    } while (0)

static bool test_lost(void)
{
    struct tiny_layer tiny;
    vkmoe_device *device = NULL;
    vkmoe_stream *stream = NULL, *pending = NULL;
    vkmoe_moe *layer = NULL;
    vkmoe_buffer *x = NULL, *y = NULL;
    float actual[TINY_TOKENS * TINY_HIDDEN];
    bool ok = false;
    tiny_layer_init(&tiny, 4);
    CHECK_OK(open_validated(&record, &device));
    CHECK_OK(vkmoe_stream_create(device, &stream));
    CHECK_OK(vkmoe_stream_create(device, &pending));
    CHECK_OK(tiny_layer_create(&tiny, device, &layer));
    CHECK_OK(vkmoe_buffer_create(device, TINY_SIZE, &x));
    CHECK_OK(vkmoe_buffer_create(device, TINY_SIZE, &y));
    CHECK_OK(tiny_layer_run(&tiny, stream, layer, x, y));
    CHECK_OK(tiny_layer_forward(pending, layer, x, y));
    atomic_store(&device->gpu.lost, true);
    LOST(vkmoe_buffer_upload(x, 0, tiny.x, TINY_SIZE));
    LOST(vkmoe_buffer_download(y, 0, actual, TINY_SIZE));
    LOST(vkmoe_stream_submit(pending, NULL));
    LOST(vkmoe_stream_wait(stream, UINT64_MAX));
    LOST(vkmoe_stream_wait(pending, 0));
    LOST(vkmoe_stream_repeat(stream, NULL));
    LOST(vkmoe_stream_reserve(stream, 1 << 20));
    x->range.mapped = y->range.mapped = NULL; // by way of the device
    LOST(vkmoe_buffer_upload(x, 0, tiny.x, TINY_SIZE));
    LOST(vkmoe_buffer_download(y, 0, actual, TINY_SIZE));
    ok = true;
fail:
    if (!ok)
        tap_note("%u errors logged, the last: %s", record.lines[VKMOE_LOG_ERROR], record.last);
    record = (struct record){ 0 };
    DESTROY_BUFFERS(&x, &y);
    vkmoe_moe_destroy(&layer);
    vkmoe_stream_destroy(&stream);
    vkmoe_stream_destroy(&pending);
    vkmoe_device_destroy(&device);
    return ok && !record.lines[VKMOE_LOG_ERROR] && !record.validation;
}

TESTS_MAIN(ON_DEVICE, { "lost", test_lost })
