// threads.c - devices in two threads that know nothing of each other, and one device in
// two threads. Built with -Db_sanitize=thread it shows that neither is a race.
#include <pthread.h>

#include "check.h"
#include "tiny_layer.h"

enum { THREADS = 2, ROUNDS = 4 };

struct worker {
    pthread_t thread;
    uint64_t seed;
    vkmoe_device *device; // shared, or NULL: each makes its own
    bool ok;
    char note[256]; // TAP lines of two threads must not mix
};

#define EXPECT_OK(call) \
    do { \
        enum vkmoe_status status_ = (call); \
        if (status_ != VKMOE_OK) { \
            snprintf( \
                worker->note, sizeof worker->note, "%s: %s", #call, vkmoe_status_name(status_)); \
            goto fail; \
        } \
    } while (0)

static bool forward(struct worker *worker, vkmoe_device *device)
{
    struct tiny_layer tiny;
    vkmoe_moe *layer = NULL;
    vkmoe_stream *stream = NULL;
    vkmoe_buffer *x = NULL, *y = NULL;
    float actual[TINY_TOKENS * TINY_HIDDEN] = { 0 };
    bool ok = false;
    tiny_layer_init(&tiny, worker->seed);
    EXPECT_OK(tiny_layer_create(&tiny, device, &layer));
    EXPECT_OK(vkmoe_stream_create(device, &stream));
    EXPECT_OK(vkmoe_buffer_create(device, TINY_SIZE, &x));
    EXPECT_OK(vkmoe_buffer_create(device, TINY_SIZE, &y));
    EXPECT_OK(vkmoe_buffer_upload(x, 0, tiny.x, TINY_SIZE));
    EXPECT_OK(tiny_layer_forward(stream, layer, x, y));
    EXPECT_OK(vkmoe_stream_submit(stream, NULL));
    EXPECT_OK(vkmoe_stream_wait(stream, UINT64_MAX));
    EXPECT_OK(vkmoe_buffer_download(y, 0, actual, TINY_SIZE));
    ok = tiny_layer_check(&tiny, actual);
fail:
    vkmoe_buffer_destroy(&x);
    vkmoe_buffer_destroy(&y);
    vkmoe_stream_destroy(&stream);
    vkmoe_moe_destroy(&layer);
    return ok;
}

static void *work(void *user)
{
    struct worker *worker = user;
    vkmoe_device *own = NULL;
    worker->ok = true;
    for (int i = 0; i < ROUNDS && worker->ok; i++, worker->seed += THREADS) {
        if (!worker->device)
            EXPECT_OK(
                vkmoe_device_create(&(struct vkmoe_device_params){ VKMOE_INIT(vkmoe_device_params),
                                        .select = device_under_test() },
                    &own));
        worker->ok = forward(worker, worker->device ? worker->device : own);
        vkmoe_device_destroy(&own);
    }
    return NULL;
fail:
    worker->ok = false;
    return NULL;
}

static bool run_workers(vkmoe_device *shared)
{
    struct worker workers[THREADS] = { 0 };
    bool ok = true;
    for (uint64_t i = 0; i < THREADS; i++) {
        workers[i].seed = i + 1;
        workers[i].device = shared;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
            return false;
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        if (workers[i].note[0])
            tap_note("thread %d: %s", i, workers[i].note);
        ok = ok && workers[i].ok;
    }
    return ok;
}

static bool test_two_devices(void)
{
    return run_workers(NULL);
}

static bool test_one_device(void)
{
    vkmoe_device *device = NULL;
    CHECK_OK(vkmoe_device_create(&(struct vkmoe_device_params){ VKMOE_INIT(vkmoe_device_params),
                                     .select = device_under_test() },
        &device));
    bool ok = run_workers(device);
    vkmoe_device_destroy(&device);
    return ok;
fail:
    return false;
}

int main(int argc, char **argv)
{
    static const struct test tests[] = {
        { "two-devices-two-threads", test_two_devices },
        { "one-device-two-threads", test_one_device },
    };
    struct tap tap;
    if (!tap_begin(&tap, argc, argv))
        return 2;
    // First of all, before anything has found the loader: that is a race to be won, too.
    if (!tap.list && !tap.filter && !run_workers(NULL) && !has_device())
        return tap_skip_all(&tap, "no Vulkan device can be used");
    run_tests(&tap, tests, sizeof tests / sizeof *tests);
    return tap_end(&tap);
}
