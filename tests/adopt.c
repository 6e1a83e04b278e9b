// adopt.c - the library inside a program that has a Vulkan device already: it records
// into the program's command buffers, shares its queue, and leaves its names alone.
#include "check.h"
#include "guest.h"
#include "tiny_layer.h"

static struct tiny_layer tiny; // the layer of every guest

// A test as a function of its guest, which it gets with the layer on its device.
static bool with_guest(bool all_features, bool pass_loader, bool (*test)(struct guest *guest))
{
    bool ok = false;
    struct guest g;
    CHECK(guest_init(
        &g, &(struct guest_options){ VKMOE_LOG_INFO, all_features, pass_loader, TINY_SIZE }));
    tiny_layer_init(&tiny, 3);
    CHECK_OK(tiny_layer_create(&tiny, g.device, &g.layer));
    CHECK(test(&g));
    ok = true;
fail:
    if (!ok)
        tap_note("log: %s", g.record.last);
    guest_finish(&g);
    return ok;
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

// What the host has enabled, which may be nothing.
static bool check_features(struct guest *g)
{
    const uint32_t optional = g->host.optional;
    struct vkmoe_device_info info = { VKMOE_INIT(vkmoe_device_info) };
    vkmoe_device_get_info(g->device, &info);
    CHECK(info.usable && info.int64 == !!(optional & HOST_INT64));
    CHECK(info.f16_storage == !!(optional & HOST_F16_STORAGE));
    CHECK(info.f16_arithmetic == !!(optional & HOST_F16_ARITHMETIC));
    return true;
fail:
    return false;
}

static bool check_no_features(struct guest *g)
{
    return !g->host.optional && check_features(g);
}

static bool test_features(void)
{
    return with_guest(false, false, check_no_features) && with_guest(true, false, check_features);
}

// x is written, the layer computed and y read in one command buffer, without any barrier
// of the host's.
static bool record_once(struct guest *g, struct host_buffer *back)
{
    VkCommandBuffer commands = host_begin(&g->host);
    CHECK(commands);
    memset(back->mapped, 0xff, TINY_SIZE);
    vkCmdUpdateBuffer(commands, g->x.handle, 0, TINY_SIZE, tiny.x);
    CHECK_OK(vkmoe_stream_record_begin(g->stream, commands));
    CHECK_OK(tiny_layer_forward(g->stream, g->layer, g->wrapped_x, g->wrapped_y));
    CHECK_OK(vkmoe_stream_record_end(g->stream));
    vkCmdCopyBuffer(commands, g->y.handle, back->handle, 1, &(VkBufferCopy){ .size = TINY_SIZE });
    vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0, 1,
        &(VkMemoryBarrier){
            .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
            .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
            .dstAccessMask = VK_ACCESS_HOST_READ_BIT,
        },
        0, NULL, 0, NULL);
    CHECK(host_run(&g->host, commands));
    CHECK(tiny_layer_check(&tiny, back->mapped));
    return true;
fail:
    return false;
}

static bool check_record(struct guest *g)
{
    bool ok = false;
    struct host_buffer back = { 0 };
    CHECK(host_buffer_init(&g->host, &back, TINY_SIZE));
    CHECK_OK(vkmoe_stream_reserve(g->stream, vkmoe_moe_scratch_size(g->layer, TINY_TOKENS)));
    const uint32_t before = g->host.lock_count;
    for (int i = 0; i < 3; i++)
        CHECK(record_once(g, &back));
    CHECK(g->host.lock_count == before); // it submitted nothing
    CHECK(!g->record.lines[VKMOE_LOG_ERROR] && !g->record.lines[VKMOE_LOG_WARNING]);
    ok = true;
fail:
    host_buffer_finish(&g->host, &back);
    return ok;
}

static bool test_record(void)
{
    return with_guest(false, true, check_record) && with_guest(true, false, check_record);
}

// Calls that the two modes forbid.
static bool check_modes(struct guest *g)
{
    VkCommandBuffer commands = host_begin(&g->host);
    // Without vkmoe_stream_reserve(), and nothing is recorded.
    CHECK_OK(vkmoe_stream_record_begin(g->stream, commands));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_stream_record_begin(g->stream, commands)); // twice
    CHECK_STATUS(VKMOE_ERROR_OUT_OF_MEMORY,
        tiny_layer_forward(g->stream, g->layer, g->wrapped_x, g->wrapped_y));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_stream_reserve(g->stream, 1));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_stream_submit(g->stream, NULL));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_stream_repeat(g->stream, NULL));
    CHECK_OK(vkmoe_stream_wait(g->stream, UINT64_MAX));
    CHECK_OK(vkmoe_stream_record_end(g->stream));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_stream_record_end(g->stream)); // there is no more
    // Unsubmitted work of the stream's own.
    CHECK_OK(tiny_layer_forward(g->stream, g->layer, g->wrapped_x, g->wrapped_y));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_stream_record_begin(g->stream, commands));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_stream_record_end(g->stream));
    CHECK_OK(vkmoe_stream_submit(g->stream, NULL));
    CHECK_OK(vkmoe_stream_record_begin(g->stream, commands));
    CHECK_OK(tiny_layer_forward(g->stream, g->layer, g->wrapped_x, g->wrapped_y));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_stream_repeat(g->stream, NULL));
    CHECK_OK(vkmoe_stream_record_end(g->stream));
    CHECK_OK(vkmoe_stream_wait(g->stream, UINT64_MAX));
    CHECK(host_run(&g->host, commands));
    // What the stream submitted before can still be repeated.
    memcpy(g->x.mapped, tiny.x, TINY_SIZE);
    memset(g->y.mapped, 0xff, TINY_SIZE);
    CHECK(host_flush(&g->host));
    CHECK_OK(vkmoe_stream_repeat(g->stream, NULL));
    CHECK_OK(vkmoe_stream_wait(g->stream, UINT64_MAX));
    CHECK(host_invalidate(&g->host) && tiny_layer_check(&tiny, g->y.mapped));
    return true;
fail:
    return false;
}

// The stream's own command buffers on the host's queue, between the host's semaphores.
static bool check_submit(struct guest *g)
{
    uint64_t value = 0;
    memcpy(g->x.mapped, tiny.x, TINY_SIZE);
    memset(g->y.mapped, 0xff, TINY_SIZE);
    CHECK(host_flush(&g->host));
    struct vkmoe_semaphore wait = { .value = 5 }, signal = { .value = 6 };
    memcpy(&wait.semaphore, &g->host.timeline, sizeof g->host.timeline);
    signal.semaphore = wait.semaphore;
    const struct vkmoe_submit_params params = { VKMOE_INIT(vkmoe_submit_params), &wait, &signal, 1,
        1 };
    const uint32_t before = g->host.lock_count;
    CHECK_OK(tiny_layer_forward(g->stream, g->layer, g->wrapped_x, g->wrapped_y));
    CHECK_OK(vkmoe_stream_submit(g->stream, &params));
    CHECK(g->host.lock_count == before + 1 && g->host.locked == 0);
    CHECK_STATUS(VKMOE_ERROR_TIMEOUT, vkmoe_stream_wait(g->stream, 0));
    CHECK_STATUS(VKMOE_ERROR_TIMEOUT, vkmoe_stream_wait(g->stream, 20000000));
    CHECK(vkSignalSemaphore(g->host.device,
              &(VkSemaphoreSignalInfo){
                  .sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO,
                  .semaphore = g->host.timeline,
                  .value = 5,
              })
        == VK_SUCCESS);
    CHECK_OK(vkmoe_stream_wait(g->stream, UINT64_MAX));
    CHECK_OK(vkmoe_stream_wait(g->stream, 0));
    CHECK(vkGetSemaphoreCounterValue(g->host.device, g->host.timeline, &value) == VK_SUCCESS);
    CHECK(value == 6);
    CHECK(host_invalidate(&g->host) && tiny_layer_check(&tiny, g->y.mapped));
    // Waits and signals happen without work, too.
    wait.value = 6;
    signal.value = 7;
    CHECK_OK(vkmoe_stream_submit(g->stream, &params));
    CHECK_OK(vkmoe_stream_wait(g->stream, UINT64_MAX));
    CHECK(vkGetSemaphoreCounterValue(g->host.device, g->host.timeline, &value) == VK_SUCCESS);
    CHECK(value == 7);
    return true;
fail:
    return false;
}

// The same work once more, between other values of the host's semaphore.
static bool check_repeat(struct guest *g)
{
    uint64_t value = 0;
    struct vkmoe_semaphore wait = { 0 }, signal = { 0 };
    const struct vkmoe_submit_params params = { VKMOE_INIT(vkmoe_submit_params), &wait, &signal, 1,
        1 };
    memcpy(g->x.mapped, tiny.x, TINY_SIZE);
    CHECK(host_flush(&g->host));
    memcpy(&wait.semaphore, &g->host.timeline, sizeof g->host.timeline);
    signal.semaphore = wait.semaphore;
    CHECK_OK(tiny_layer_forward(g->stream, g->layer, g->wrapped_x, g->wrapped_y));
    CHECK_OK(vkmoe_stream_submit(g->stream, NULL));
    for (uint64_t i = 1; i <= 9; i += 2) {
        const uint32_t before = g->host.lock_count;
        wait.value = i;
        signal.value = i + 1;
        CHECK_OK(vkmoe_stream_repeat(g->stream, &params));
        CHECK(g->host.lock_count == before + 1 && g->host.locked == 0);
        CHECK_STATUS(VKMOE_ERROR_TIMEOUT, vkmoe_stream_wait(g->stream, 0));
        memset(g->y.mapped, 0xff, TINY_SIZE); // it has not begun
        CHECK(host_flush(&g->host));
        CHECK(vkSignalSemaphore(g->host.device,
                  &(VkSemaphoreSignalInfo){
                      .sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO,
                      .semaphore = g->host.timeline,
                      .value = i,
                  })
            == VK_SUCCESS);
        CHECK_OK(vkmoe_stream_wait(g->stream, UINT64_MAX));
        CHECK(vkGetSemaphoreCounterValue(g->host.device, g->host.timeline, &value) == VK_SUCCESS);
        CHECK(value == i + 1);
        CHECK(host_invalidate(&g->host) && tiny_layer_check(&tiny, g->y.mapped));
    }
    CHECK(!g->record.lines[VKMOE_LOG_ERROR] && !g->record.lines[VKMOE_LOG_WARNING]);
    CHECK_OK(vkmoe_stream_repeat(g->stream, NULL)); // and is destroyed while it runs
    return true;
fail:
    return false;
}

// Many submits without a wait between: command buffers are reused only when done.
static bool check_many_submits(struct guest *g)
{
    memcpy(g->x.mapped, tiny.x, TINY_SIZE);
    CHECK(host_flush(&g->host));
    for (int i = 0; i < 200; i++) {
        CHECK_OK(tiny_layer_forward(g->stream, g->layer, g->wrapped_x, g->wrapped_y));
        CHECK_OK(vkmoe_stream_submit(g->stream, NULL));
    }
    CHECK_OK(vkmoe_stream_wait(g->stream, UINT64_MAX));
    CHECK(host_invalidate(&g->host) && tiny_layer_check(&tiny, g->y.mapped));
    // Destroying with work recorded, and with work in flight.
    CHECK_OK(tiny_layer_forward(g->stream, g->layer, g->wrapped_x, g->wrapped_y));
    vkmoe_stream_destroy(&g->stream);
    CHECK_OK(vkmoe_stream_create(g->device, &g->stream));
    CHECK_OK(tiny_layer_forward(g->stream, g->layer, g->wrapped_x, g->wrapped_y));
    CHECK_OK(vkmoe_stream_submit(g->stream, NULL));
    return true;
fail:
    return false;
}

static bool test_modes(void)
{
    return with_guest(false, true, check_modes);
}

static bool test_submit(void)
{
    return with_guest(false, false, check_submit);
}

static bool test_repeat(void)
{
    return with_guest(false, false, check_repeat);
}

static bool test_many_submits(void)
{
    return with_guest(false, false, check_many_submits);
}

TESTS_MAIN(ON_DEVICE, { "errors", test_errors }, { "features", test_features },
    { "record", test_record }, { "modes", test_modes }, { "submit", test_submit },
    { "repeat", test_repeat }, { "many-submits", test_many_submits })
