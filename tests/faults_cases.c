// faults_cases.c - what failures leave, where that is more than the sweep of faults.c asks for.
#include "faults_work.h"

#include <stdlib.h>

#include "device/stream.h"
#include "device/transfer.h"

// A stream with one layer, on the device of a scene.
struct bench {
    struct scene scene;
    vkmoe_stream *stream;
    vkmoe_moe *layer;
    vkmoe_buffer *x, *y[2], *ids; // `ids` of the forwards to y[1]
    float actual[TINY_TOKENS * TINY_HIDDEN];
};

static struct bench bench; // large

static void finish(struct bench *b)
{
    vkmoe_stream_destroy(&b->stream);
    vkmoe_moe_destroy(&b->layer);
    DESTROY_BUFFERS(&b->x, &b->y[0], &b->y[1], &b->ids);
    scene_close(&b->scene);
}

// Everything but the host, anew.
static bool renew(struct bench *b)
{
    finish(b);
    CHECK_OK(scene_open(&b->scene));
    CHECK_OK(vkmoe_stream_create(b->scene.device, &b->stream));
    CHECK_OK(tiny_layer_create(&b->scene.tiny, b->scene.device, &b->layer));
    CHECK_OK(vkmoe_buffer_create(b->scene.device, TINY_SIZE, &b->x));
    CHECK_OK(vkmoe_buffer_create(b->scene.device, TINY_SIZE, &b->y[0]));
    CHECK_OK(vkmoe_buffer_create(b->scene.device, TINY_SIZE, &b->y[1]));
    CHECK_OK(vkmoe_buffer_create(b->scene.device, TINY_SIZE, &b->ids));
    CHECK_OK(vkmoe_buffer_upload(b->x, 0, b->scene.tiny.x, TINY_SIZE));
    CHECK_OK(vkmoe_stream_reserve(b->stream, vkmoe_moe_scratch_size(b->layer, TINY_TOKENS)));
    return true;
fail:
    return false;
}

static bool init(struct bench *b, enum use use)
{
    memset(b, 0, sizeof *b);
    return scene_init(&b->scene, use) && renew(b);
}

// Ends the test, which has come so far without a failure or not.
static bool end(struct bench *b, bool ok)
{
    uint32_t ignored;
    sweep_stop(&ignored);
    sweep_fail_all(NULL, VK_SUCCESS);
    sweep_watch(NULL);
    finish(b);
    scene_finish(&b->scene);
    if (!ok || b->scene.record.validation)
        tap_note("log: %s", b->scene.record.last);
    return sweep_check_leaks() && ok && !b->scene.record.validation;
}

static enum vkmoe_status forward(struct bench *b, uint32_t tokens, int to)
{
    return vkmoe_moe_forward(b->stream, b->layer,
        &(struct vkmoe_moe_forward_params){ VKMOE_INIT(vkmoe_moe_forward_params), .tokens = tokens,
            .x.buffer = b->x, .y.buffer = b->y[to], .ids.buffer = to ? b->ids : NULL });
}

static bool forget(struct bench *b, int which)
{
    memset(b->actual, 0xff, sizeof b->actual);
    CHECK_OK(vkmoe_buffer_upload(b->y[which], 0, b->actual, TINY_SIZE));
    CHECK_OK(vkmoe_buffer_upload(b->ids, 0, b->actual, TINY_SIZE));
    return true;
fail:
    return false;
}

static bool is_computed(struct bench *b, int which)
{
    CHECK_OK(vkmoe_buffer_download(b->y[which], 0, b->actual, TINY_SIZE));
    return tiny_layer_check(&b->scene.tiny, b->actual);
fail:
    return false;
}

static bool is_untouched(const vkmoe_buffer *buffer)
{
    unsigned char bytes[TINY_SIZE];
    CHECK_OK(vkmoe_buffer_download(buffer, 0, bytes, TINY_SIZE));
    for (size_t i = 0; i < TINY_SIZE; i++)
        CHECK(bytes[i] == 0xff);
    return true;
fail:
    return false;
}

static bool submit(struct bench *b)
{
    CHECK_OK(vkmoe_stream_submit(b->stream, NULL));
    CHECK_OK(vkmoe_stream_wait(b->stream, UINT64_MAX));
    return true;
fail:
    return false;
}

// A test on a device of the library's own, before what it does with its bench `b`.
#define OWN_TEST(name) \
    static bool check_##name(struct bench *b); \
    static bool test_##name(void) \
    { \
        return end(&bench, init(&bench, USE_OWN) && check_##name(&bench)); \
    } \
    static bool check_##name(struct bench *b)

// ------------------------------------------------------------------- half recorded

// The index-th call of a forward with other kernels than those before it fails, between work
// that is recorded; *made says whether there was such a call.
static bool fail_forward(struct bench *b, uint32_t index, bool *made)
{
    const bool recorded = b->scene.use == USE_RECORDED;
    VkCommandBuffer commands = NULL;
    uint32_t ignored;
    CHECK(renew(b));
    CHECK(forget(b, 0) && forget(b, 1));
    if (recorded) {
        CHECK(commands = host_begin(&b->scene.host));
        sweep_watch(commands);
        CHECK_OK(vkmoe_stream_record_begin(b->stream, commands));
    }
    CHECK_OK(forward(b, TINY_TOKENS, 0));
    const uint32_t before = sweep_commands();
    const uint64_t dispatches = vkmoe_stream_dispatch_count(b->stream);
    CHECK((before > 0) == recorded);
    sweep_fail(index, VK_ERROR_OUT_OF_DEVICE_MEMORY);
    const enum vkmoe_status status = forward(b, 1, 1);
    sweep_stop(&ignored);
    *made = sweep_reached();
    if (*made) {
        CHECK_STATUS(VKMOE_ERROR_OUT_OF_MEMORY, status);
        CHECK(sweep_commands() == before);
        CHECK(vkmoe_stream_dispatch_count(b->stream) == dispatches);
    }
    if (recorded) {
        CHECK_OK(vkmoe_stream_record_end(b->stream));
        CHECK(host_run(&b->scene.host, commands));
    } else {
        CHECK(submit(b));
    }
    CHECK(is_computed(b, 0));
    CHECK(!*made || (is_untouched(b->y[1]) && is_untouched(b->ids)));
    return true;
fail:
    return false;
}

// A forward that fails when nothing else is recorded leaves the stream as it was: the last
// submit can be repeated, and a command buffer of the caller's be set.
static bool fail_alone(struct bench *b)
{
    uint32_t ignored;
    CHECK(renew(b));
    CHECK_OK(forward(b, TINY_TOKENS, 0));
    CHECK(submit(b));
    CHECK(forget(b, 0));
    sweep_fail_all("CreateComputePipelines", VK_ERROR_OUT_OF_HOST_MEMORY);
    CHECK_STATUS(VKMOE_ERROR_OUT_OF_MEMORY, forward(b, 1, 1));
    sweep_fail_all(NULL, VK_SUCCESS);
    if (b->scene.use == USE_ADOPTED) {
        VkCommandBuffer commands = host_begin(&b->scene.host);
        CHECK(commands);
        CHECK_OK(vkmoe_stream_record_begin(b->stream, commands));
        CHECK_OK(vkmoe_stream_record_end(b->stream));
        CHECK(host_run(&b->scene.host, commands));
    }
    CHECK_OK(vkmoe_stream_repeat(b->stream, NULL));
    CHECK_OK(vkmoe_stream_wait(b->stream, UINT64_MAX));
    CHECK(is_computed(b, 0));
    // Scratch that grew for the sake of a forward that failed is not the repeated work's.
    sweep_fail_all("CreateComputePipelines", VK_ERROR_OUT_OF_HOST_MEMORY);
    CHECK_STATUS(VKMOE_ERROR_OUT_OF_MEMORY, forward(b, 1, 1));
    sweep_fail_all(NULL, VK_SUCCESS);
    CHECK_OK(vkmoe_stream_reserve(b->stream, 1 << 22));
    CHECK(forget(b, 0));
    CHECK_OK(vkmoe_stream_repeat(b->stream, NULL));
    CHECK_OK(vkmoe_stream_wait(b->stream, UINT64_MAX));
    CHECK(is_computed(b, 0));
    sweep_stop(&ignored);
    return true;
fail:
    return false;
}

static bool test_half_recorded(void)
{
    for (enum use use = USE_OWN; use <= USE_RECORDED; use++) {
        bool made = true;
        uint32_t index = 0;
        bool ok = init(&bench, use);
        for (; ok && made; index++)
            ok = fail_forward(&bench, index, &made);
        ok = ok && (use == USE_RECORDED || fail_alone(&bench));
        if (!end(&bench, ok))
            return false;
        tap_note("%u calls of a forward failed", index - 1);
    }
    return true;
}

// ------------------------------------------------------------------------- submits

static bool is_submit_only(const struct sweep_call *calls, uint32_t count)
{
    uint32_t submits = 0, others = 0;
    for (uint32_t i = 0; i < count; i++) {
        submits += !strcmp(calls[i].name, "QueueSubmit2");
        others += strcmp(calls[i].name, "QueueSubmit2") && strcmp(calls[i].name, "WaitSemaphores")
            && strcmp(calls[i].name, "GetSemaphoreCounterValue");
    }
    return submits == 1 && !others;
}

// The work that a failed submit leaves can be submitted again, with what is recorded meanwhile.
OWN_TEST(submits)
{
    static const char *const steps[] = { "ResetCommandPool", "BeginCommandBuffer",
        "EndCommandBuffer", "QueueSubmit2" };
    const struct sweep_call *calls;
    uint32_t count;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        CHECK(forget(b, 0) && forget(b, 1));
        CHECK_OK(forward(b, TINY_TOKENS, 0));
        sweep_fail_all(steps[i], VK_ERROR_OUT_OF_HOST_MEMORY);
        for (int tries = 0; tries < 2; tries++)
            CHECK_STATUS(VKMOE_ERROR_OUT_OF_MEMORY, vkmoe_stream_submit(b->stream, NULL));
        CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_stream_repeat(b->stream, NULL));
        sweep_fail_all(NULL, VK_SUCCESS);
        CHECK_OK(vkmoe_stream_wait(b->stream, UINT64_MAX));
        CHECK(is_untouched(b->y[0]));
        CHECK_OK(forward(b, TINY_TOKENS, 1));
        CHECK(submit(b));
        CHECK(is_computed(b, 0) && is_computed(b, 1));
    }
    // A repetition is a submit and nothing else; one that fails can be tried again.
    CHECK(forget(b, 0));
    sweep_list();
    CHECK_OK(vkmoe_stream_repeat(b->stream, NULL));
    calls = sweep_stop(&count);
    CHECK(is_submit_only(calls, count));
    CHECK_OK(vkmoe_stream_wait(b->stream, UINT64_MAX));
    CHECK(is_computed(b, 0) && forget(b, 0));
    sweep_fail_all("QueueSubmit2", VK_ERROR_OUT_OF_HOST_MEMORY);
    CHECK_STATUS(VKMOE_ERROR_OUT_OF_MEMORY, vkmoe_stream_repeat(b->stream, NULL));
    sweep_fail_all(NULL, VK_SUCCESS);
    CHECK(is_untouched(b->y[0]));
    CHECK_OK(vkmoe_stream_repeat(b->stream, NULL));
    CHECK_OK(vkmoe_stream_wait(b->stream, UINT64_MAX));
    CHECK(is_computed(b, 0));
    return true;
fail:
    return false;
}

// A lost device stays lost, whatever is asked of it, says so in one line, and is destroyed all
// the same, even if the queue cannot be waited for.
OWN_TEST(lost)
{
    struct record *record = &b->scene.record;
#define LOST(call) \
    do { \
        memset(record, 0, sizeof *record); \
        CHECK_STATUS(VKMOE_ERROR_DEVICE_LOST, call); \
        CHECK(record->lines[VKMOE_LOG_ERROR] == 1); \
    } while (0)
    CHECK_OK(forward(b, TINY_TOKENS, 0));
    sweep_fail_all("QueueSubmit2", VK_ERROR_DEVICE_LOST);
    LOST(vkmoe_stream_submit(b->stream, NULL));
    sweep_fail_all("QueueWaitIdle", VK_ERROR_DEVICE_LOST);
    LOST(vkmoe_stream_submit(b->stream, NULL));
    LOST(vkmoe_stream_wait(b->stream, UINT64_MAX));
    LOST(forward(b, TINY_TOKENS, 0));
    LOST(vkmoe_stream_reserve(b->stream, 1 << 22));
    LOST(vkmoe_buffer_upload(b->x, 0, b->scene.tiny.x, TINY_SIZE));
    LOST(vkmoe_buffer_download(b->y[0], 0, b->actual, TINY_SIZE));
#undef LOST
    memset(record, 0, sizeof *record);
    finish(b);
    CHECK(!record->lines[VKMOE_LOG_ERROR]);
    return true;
fail:
    return false;
}

// What runs is not freed although it cannot be waited for in the usual way.
OWN_TEST(destruction)
{
    for (int i = 0; i < 20; i++)
        CHECK_OK(forward(b, TINY_TOKENS, 0));
    CHECK_OK(vkmoe_stream_submit(b->stream, NULL));
    sweep_fail_all("WaitSemaphores", VK_ERROR_OUT_OF_HOST_MEMORY);
    CHECK_STATUS(VKMOE_ERROR_OUT_OF_MEMORY, vkmoe_stream_wait(b->stream, UINT64_MAX));
    vkmoe_stream_destroy(&b->stream);
    sweep_fail_all(NULL, VK_SUCCESS);
    CHECK(is_computed(b, 0));
    return true;
fail:
    return false;
}

// ---------------------------------------------------------------------------- warm

// Recording that was done before allocates nothing, makes nothing and waits for nothing.
static bool check_warm(struct bench *b)
{
    const bool recorded = b->scene.use == USE_RECORDED;
    const struct sweep_call *calls;
    uint32_t count;
    for (int i = 0; i < 3; i++) {
        VkCommandBuffer commands = recorded ? host_begin(&b->scene.host) : NULL;
        if (recorded)
            CHECK_OK(vkmoe_stream_record_begin(b->stream, commands));
        sweep_list();
        for (int j = 0; j < 4; j++)
            CHECK_OK(forward(b, j ? TINY_TOKENS : 1, 0));
        calls = sweep_stop(&count);
        for (uint32_t j = 0; i > 0 && j < count; j++) {
            if (strcmp(calls[j].name, "GetSemaphoreCounterValue"))
                tap_note("recording calls %s", calls[j].name);
            CHECK(!strcmp(calls[j].name, "GetSemaphoreCounterValue"));
        }
        if (recorded) {
            CHECK_OK(vkmoe_stream_record_end(b->stream));
            CHECK(host_run(&b->scene.host, commands));
        } else {
            CHECK(submit(b));
        }
    }
    return true;
fail:
    return false;
}

static bool test_warm(void)
{
    for (enum use use = USE_OWN; use <= USE_RECORDED; use++)
        if (!end(&bench, init(&bench, use) && check_warm(&bench)))
            return false;
    return true;
}

// ------------------------------------------------------------------------ barriers

// What a submission does is parted by barriers from those before and after it, which may be
// another thread's loading, or pieces of the same matrix.
OWN_TEST(barriers)
{
    uint32_t before, all;
    sweep_bare_works(&before);
    CHECK(renew(b));
    for (uint32_t tokens = 1; tokens <= TINY_TOKENS; tokens += TINY_TOKENS - 1) {
        CHECK_OK(forward(b, tokens, 0));
        CHECK(submit(b));
    }
    CHECK_OK(vkmoe_buffer_clear(b->x, 0, TINY_SIZE));
    CHECK(forget(b, 0));
    const uint32_t bare = sweep_bare_works(&all);
    tap_note("%u dispatches, copies and fills, %u without a barrier", all - before, bare);
    return all - before > 4 && !bare;
fail:
    return false;
}
const struct test fault_cases[] = {
    { "case-half-recorded", test_half_recorded },
    { "case-submits", test_submits },
    { "case-lost", test_lost },
    { "case-destruction", test_destruction },
    { "case-warm", test_warm },
    { "case-barriers", test_barriers },
};
const uint32_t fault_case_count = sizeof fault_cases / sizeof *fault_cases;
