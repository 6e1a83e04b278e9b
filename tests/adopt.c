// adopt.c - the library inside a program that has a Vulkan device already: it records
// into the program's command buffers, shares its queue, and leaves its names alone.
#include "check.h"
#include "host.h"
#include "tiny_layer.h"

// An adopted device with all that a forward needs; finish() copes with half of it.
struct guest {
    struct host host;
    struct record record;
    vkmoe_device *device;
    vkmoe_stream *stream;
    vkmoe_moe *layer;
    struct tiny_layer tiny;
    struct host_buffer x, y, back; // the host's memory
    vkmoe_buffer *wrapped_x, *wrapped_y;
};

static bool init(struct guest *g, bool all_features, bool pass_loader)
{
    *g = (struct guest){ 0 };
    CHECK(host_init(&g->host, all_features));
    struct vkmoe_adopt_params params = host_adopt_params(&g->host);
    params.log = (struct vkmoe_log){ record_line, &g->record, VKMOE_LOG_INFO };
    if (pass_loader)
        params.get_instance_proc_addr = vkGetInstanceProcAddr;
    CHECK_OK(vkmoe_device_adopt(&params, &g->device));
    CHECK_OK(vkmoe_stream_create(g->device, &g->stream));
    tiny_layer_init(&g->tiny, 3);
    CHECK_OK(tiny_layer_create(&g->tiny, g->device, &g->layer));
    CHECK(host_buffer_init(&g->host, &g->x, TINY_SIZE + 65536));
    CHECK(host_buffer_init(&g->host, &g->y, TINY_SIZE + 65536));
    CHECK(host_buffer_init(&g->host, &g->back, TINY_SIZE));
    CHECK_OK(vkmoe_buffer_wrap(g->device, g->x.address, TINY_SIZE, &g->wrapped_x));
    CHECK_OK(vkmoe_buffer_wrap(g->device, g->y.address, TINY_SIZE, &g->wrapped_y));
    return true;
fail:
    return false;
}

static void finish(struct guest *g)
{
    DESTROY_BUFFERS(&g->wrapped_x, &g->wrapped_y);
    vkmoe_moe_destroy(&g->layer);
    vkmoe_stream_destroy(&g->stream);
    vkmoe_device_destroy(&g->device);
    host_buffer_finish(&g->host, &g->x);
    host_buffer_finish(&g->host, &g->y);
    host_buffer_finish(&g->host, &g->back);
    host_finish(&g->host);
}

static bool test_errors(void)
{
    bool ok = false;
    struct host host;
    struct record record = { 0 };
    vkmoe_device *device = NULL;
    CHECK(host_init(&host, false));
    const char *no_extension = NULL;
    struct vkmoe_adopt_params good = host_adopt_params(&host),
                              bad = { VKMOE_INIT(vkmoe_adopt_params) };
    good.log = (struct vkmoe_log){ record_line, &record, VKMOE_LOG_ERROR };
#define REFUSED(status, change) \
    do { \
        bad = good; \
        change; \
        record = (struct record){ 0 }; \
        memset(&device, 0xee, sizeof device); \
        CHECK_STATUS(status, vkmoe_device_adopt(&bad, &device)); \
        CHECK(!device && record.lines[VKMOE_LOG_ERROR] == 1); \
        CHECK(!strncmp(record.last, "vkmoe_device_adopt: ", 20)); \
    } while (0)
    REFUSED(VKMOE_ERROR_INVALID, bad.instance = NULL);
    REFUSED(VKMOE_ERROR_INVALID, bad.physical_device = NULL);
    REFUSED(VKMOE_ERROR_INVALID, bad.device = NULL);
    REFUSED(VKMOE_ERROR_INVALID, bad.queue = NULL);
    REFUSED(VKMOE_ERROR_INVALID, bad.lock_queue = NULL);
    REFUSED(VKMOE_ERROR_INVALID, bad.unlock_queue = NULL);
    REFUSED(VKMOE_ERROR_INVALID, bad.queue_family = 1000);
    REFUSED(VKMOE_ERROR_INVALID, bad.features = NULL);
    REFUSED(VKMOE_ERROR_INVALID, bad.features = (const void *)&host.features.v12);
    REFUSED(VKMOE_ERROR_INVALID, bad.extensions = NULL; bad.extension_count = 1);
    REFUSED(VKMOE_ERROR_INVALID, bad.extensions = &no_extension; bad.extension_count = 1);
    VkPhysicalDevice stranger;
    memset(&stranger, 0x55, sizeof stranger);
    REFUSED(VKMOE_ERROR_INVALID, bad.physical_device = stranger);
#undef REFUSED
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_device_adopt(&good, NULL));
    for (int i = 0; i < 20; i++) { // it stays the host's
        CHECK_OK(vkmoe_device_adopt(&good, &device));
        vkmoe_device_destroy(&device);
    }
    ok = true;
fail:
    vkmoe_device_destroy(&device);
    host_finish(&host);
    return ok;
}

static bool test_features(void)
{
    struct guest g;
    struct vkmoe_device_info info = { VKMOE_INIT(vkmoe_device_info) };
    CHECK(init(&g, false, false));
    vkmoe_device_get_info(g.device, &info);
    CHECK(info.usable && !info.int64 && !info.f16_storage && !info.f16_arithmetic);
    finish(&g);
    CHECK(init(&g, true, false));
    vkmoe_device_get_info(g.device, &info);
    CHECK(info.int64 == !!(g.host.optional & HOST_INT64));
    CHECK(info.f16_storage == !!(g.host.optional & HOST_F16_STORAGE));
    CHECK(info.f16_arithmetic == !!(g.host.optional & HOST_F16_ARITHMETIC));
    finish(&g);
    return true;
fail:
    finish(&g);
    return false;
}

// x is written, the layer computed and y read in one command buffer, without any barrier
// of the host's.
static bool record_once(struct guest *g)
{
    VkCommandBuffer commands = host_begin(&g->host);
    CHECK(commands);
    memset(g->back.mapped, 0xff, TINY_SIZE);
    vkCmdUpdateBuffer(commands, g->x.handle, 0, TINY_SIZE, g->tiny.x);
    CHECK_OK(vkmoe_stream_record_begin(g->stream, commands));
    CHECK_OK(tiny_layer_forward(g->stream, g->layer, g->wrapped_x, g->wrapped_y));
    CHECK_OK(vkmoe_stream_record_end(g->stream));
    vkCmdCopyBuffer(commands, g->y.handle, g->back.handle, 1, &(VkBufferCopy){ .size = TINY_SIZE });
    vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0, 1,
        &(VkMemoryBarrier){
            .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
            .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
            .dstAccessMask = VK_ACCESS_HOST_READ_BIT,
        },
        0, NULL, 0, NULL);
    CHECK(host_run(&g->host, commands));
    CHECK(tiny_layer_check(&g->tiny, g->back.mapped));
    return true;
fail:
    return false;
}

static bool test_record(void)
{
    bool ok = false;
    struct guest g;
    for (int all_features = 0; all_features < 2; all_features++) {
        CHECK(init(&g, all_features, !all_features));
        CHECK_OK(vkmoe_stream_reserve(g.stream, vkmoe_moe_scratch_size(g.layer, TINY_TOKENS)));
        const uint32_t before = g.host.lock_count;
        for (int i = 0; i < 3; i++)
            CHECK(record_once(&g));
        CHECK(g.host.lock_count == before); // it submitted nothing
        CHECK(!g.record.lines[VKMOE_LOG_ERROR] && !g.record.lines[VKMOE_LOG_WARNING]);
        finish(&g);
    }
    ok = true;
fail:
    if (!ok)
        tap_note("log: %s", g.record.last);
    finish(&g);
    return ok;
}

// Calls that the two modes forbid.
static bool test_modes(void)
{
    bool ok = false;
    struct guest g;
    VkCommandBuffer commands = NULL;
    CHECK(init(&g, false, true));
    commands = host_begin(&g.host);
    // Without vkmoe_stream_reserve(), and nothing is recorded.
    CHECK_OK(vkmoe_stream_record_begin(g.stream, commands));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_stream_record_begin(g.stream, commands)); // twice
    CHECK_STATUS(
        VKMOE_ERROR_OUT_OF_MEMORY, tiny_layer_forward(g.stream, g.layer, g.wrapped_x, g.wrapped_y));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_stream_reserve(g.stream, 1));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_stream_submit(g.stream, NULL));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_stream_repeat(g.stream, NULL));
    CHECK_OK(vkmoe_stream_wait(g.stream, UINT64_MAX));
    CHECK_OK(vkmoe_stream_record_end(g.stream));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_stream_record_end(g.stream)); // there is no more
    // Unsubmitted work of the stream's own.
    CHECK_OK(tiny_layer_forward(g.stream, g.layer, g.wrapped_x, g.wrapped_y));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_stream_record_begin(g.stream, commands));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_stream_record_end(g.stream));
    CHECK_OK(vkmoe_stream_submit(g.stream, NULL));
    CHECK_OK(vkmoe_stream_record_begin(g.stream, commands));
    CHECK_OK(tiny_layer_forward(g.stream, g.layer, g.wrapped_x, g.wrapped_y));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_stream_repeat(g.stream, NULL));
    CHECK_OK(vkmoe_stream_record_end(g.stream));
    CHECK_OK(vkmoe_stream_wait(g.stream, UINT64_MAX));
    CHECK(host_run(&g.host, commands));
    // What the stream submitted before can still be repeated.
    memcpy(g.x.mapped, g.tiny.x, TINY_SIZE);
    memset(g.y.mapped, 0xff, TINY_SIZE);
    CHECK(host_flush(&g.host));
    CHECK_OK(vkmoe_stream_repeat(g.stream, NULL));
    CHECK_OK(vkmoe_stream_wait(g.stream, UINT64_MAX));
    CHECK(host_invalidate(&g.host) && tiny_layer_check(&g.tiny, g.y.mapped));
    ok = true;
fail:
    if (!ok)
        tap_note("log: %s", g.record.last);
    finish(&g);
    return ok;
}

// The stream's own command buffers on the host's queue, between the host's semaphores.
static bool test_submit(void)
{
    bool ok = false;
    struct guest g;
    uint64_t value = 0;
    CHECK(init(&g, false, false));
    memcpy(g.x.mapped, g.tiny.x, TINY_SIZE);
    memset(g.y.mapped, 0xff, TINY_SIZE);
    CHECK(host_flush(&g.host));
    struct vkmoe_semaphore wait = { .value = 5 }, signal = { .value = 6 };
    memcpy(&wait.semaphore, &g.host.timeline, sizeof g.host.timeline);
    signal.semaphore = wait.semaphore;
    const struct vkmoe_submit_params params = { VKMOE_INIT(vkmoe_submit_params), &wait, &signal, 1,
        1 };
    const uint32_t before = g.host.lock_count;
    CHECK_OK(tiny_layer_forward(g.stream, g.layer, g.wrapped_x, g.wrapped_y));
    CHECK_OK(vkmoe_stream_submit(g.stream, &params));
    CHECK(g.host.lock_count == before + 1 && g.host.locked == 0);
    CHECK_STATUS(VKMOE_ERROR_TIMEOUT, vkmoe_stream_wait(g.stream, 0));
    CHECK_STATUS(VKMOE_ERROR_TIMEOUT, vkmoe_stream_wait(g.stream, 20000000));
    CHECK(vkSignalSemaphore(g.host.device,
              &(VkSemaphoreSignalInfo){
                  .sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO,
                  .semaphore = g.host.timeline,
                  .value = 5,
              })
        == VK_SUCCESS);
    CHECK_OK(vkmoe_stream_wait(g.stream, UINT64_MAX));
    CHECK_OK(vkmoe_stream_wait(g.stream, 0));
    CHECK(vkGetSemaphoreCounterValue(g.host.device, g.host.timeline, &value) == VK_SUCCESS);
    CHECK(value == 6);
    CHECK(host_invalidate(&g.host) && tiny_layer_check(&g.tiny, g.y.mapped));
    // Waits and signals happen without work, too.
    wait.value = 6;
    signal.value = 7;
    CHECK_OK(vkmoe_stream_submit(g.stream, &params));
    CHECK_OK(vkmoe_stream_wait(g.stream, UINT64_MAX));
    CHECK(vkGetSemaphoreCounterValue(g.host.device, g.host.timeline, &value) == VK_SUCCESS);
    CHECK(value == 7);
    ok = true;
fail:
    if (!ok)
        tap_note("log: %s", g.record.last);
    finish(&g);
    return ok;
}

// The same work once more, between other values of the host's semaphore.
static bool test_repeat(void)
{
    bool ok = false;
    struct guest g;
    uint64_t value = 0;
    struct vkmoe_semaphore wait = { 0 }, signal = { 0 };
    const struct vkmoe_submit_params params = { VKMOE_INIT(vkmoe_submit_params), &wait, &signal, 1,
        1 };
    CHECK(init(&g, false, false));
    memcpy(g.x.mapped, g.tiny.x, TINY_SIZE);
    CHECK(host_flush(&g.host));
    memcpy(&wait.semaphore, &g.host.timeline, sizeof g.host.timeline);
    signal.semaphore = wait.semaphore;
    CHECK_OK(tiny_layer_forward(g.stream, g.layer, g.wrapped_x, g.wrapped_y));
    CHECK_OK(vkmoe_stream_submit(g.stream, NULL));
    for (uint64_t i = 1; i <= 9; i += 2) {
        const uint32_t before = g.host.lock_count;
        wait.value = i;
        signal.value = i + 1;
        CHECK_OK(vkmoe_stream_repeat(g.stream, &params));
        CHECK(g.host.lock_count == before + 1 && g.host.locked == 0);
        CHECK_STATUS(VKMOE_ERROR_TIMEOUT, vkmoe_stream_wait(g.stream, 0));
        memset(g.y.mapped, 0xff, TINY_SIZE); // it has not begun
        CHECK(host_flush(&g.host));
        CHECK(vkSignalSemaphore(g.host.device,
                  &(VkSemaphoreSignalInfo){
                      .sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO,
                      .semaphore = g.host.timeline,
                      .value = i,
                  })
            == VK_SUCCESS);
        CHECK_OK(vkmoe_stream_wait(g.stream, UINT64_MAX));
        CHECK(vkGetSemaphoreCounterValue(g.host.device, g.host.timeline, &value) == VK_SUCCESS);
        CHECK(value == i + 1);
        CHECK(host_invalidate(&g.host) && tiny_layer_check(&g.tiny, g.y.mapped));
    }
    CHECK(!g.record.lines[VKMOE_LOG_ERROR] && !g.record.lines[VKMOE_LOG_WARNING]);
    CHECK_OK(vkmoe_stream_repeat(g.stream, NULL)); // and is destroyed while it runs
    ok = true;
fail:
    if (!ok)
        tap_note("log: %s", g.record.last);
    finish(&g);
    return ok;
}

// Many submits without a wait between: command buffers are reused only when done.
static bool test_many_submits(void)
{
    bool ok = false;
    struct guest g;
    CHECK(init(&g, false, false));
    memcpy(g.x.mapped, g.tiny.x, TINY_SIZE);
    CHECK(host_flush(&g.host));
    for (int i = 0; i < 200; i++) {
        CHECK_OK(tiny_layer_forward(g.stream, g.layer, g.wrapped_x, g.wrapped_y));
        CHECK_OK(vkmoe_stream_submit(g.stream, NULL));
    }
    CHECK_OK(vkmoe_stream_wait(g.stream, UINT64_MAX));
    CHECK(host_invalidate(&g.host) && tiny_layer_check(&g.tiny, g.y.mapped));
    // Destroying with work recorded, and with work in flight.
    CHECK_OK(tiny_layer_forward(g.stream, g.layer, g.wrapped_x, g.wrapped_y));
    vkmoe_stream_destroy(&g.stream);
    CHECK_OK(vkmoe_stream_create(g.device, &g.stream));
    CHECK_OK(tiny_layer_forward(g.stream, g.layer, g.wrapped_x, g.wrapped_y));
    CHECK_OK(vkmoe_stream_submit(g.stream, NULL));
    ok = true;
fail:
    if (!ok)
        tap_note("log: %s", g.record.last);
    finish(&g);
    return ok;
}

TESTS_MAIN(ON_DEVICE, { "errors", test_errors }, { "features", test_features },
    { "record", test_record }, { "modes", test_modes }, { "submit", test_submit },
    { "repeat", test_repeat }, { "many-submits", test_many_submits })
