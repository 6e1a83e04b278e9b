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
};

static void *work(void *user)
{
    struct worker *worker = user;
    vkmoe_device *own = NULL;
    worker->ok = true;
    for (int i = 0; i < ROUNDS && worker->ok; i++, worker->seed += THREADS) {
        if (!worker->device)
            CHECK_OK(open_device(NULL, &own));
        worker->ok = tiny_layer_works(
            worker->device ? worker->device : own, worker->seed, vkmoe_buffer_create);
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
    CHECK_OK(open_device(NULL, &device));
    bool ok = run_workers(device);
    vkmoe_device_destroy(&device);
    return ok;
fail:
    return false;
}

int main(int argc, char **argv)
{
    TEST_TABLE(tests, { "two-devices-two-threads", test_two_devices },
        { "one-device-two-threads", test_one_device });
    struct tap tap;
    if (!tap_begin(&tap, argc, argv))
        return 2;
    // First of all, before anything has found the loader: that is a race to be won, too.
    if (!tap.list && !tap.filter && !run_workers(NULL) && !has_device())
        return tap_without_device(&tap);
    run_tests(&tap, tests, COUNT_OF(tests));
    return tap_end(&tap);
}
