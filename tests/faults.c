// faults.c - any call of Vulkan, and any allocation of host memory, fails, one at a time: the
// call of the library says which status it is in one line, leaves nothing behind, nothing half
// recorded and no handle, and works the next time, with the right answer. Calls are found by
// running the work once, not by a list: see sweep.h.
//
// VKMOE_TEST_OWN_CALLS_SHARE=N, for further drivers: of own use the first call of each place fails
// in one way, and later ones one in N, but for those that only memory needs which is not coherent.
#include "faults_work.h"

#include <stdlib.h>

#include "device/stream.h"

#define MAX_SITES 4096

static const char *const use_names[] = { "own", "adopted", "recorded" };

// ------------------------------------------------------------------------ results

// What a call may say beside being out of memory, and that it has no idea.
static const struct {
    const char *name;
    VkResult results[5];
} own_results[] = {
    { "CreateInstance",
        { VK_ERROR_INITIALIZATION_FAILED, VK_ERROR_LAYER_NOT_PRESENT,
            VK_ERROR_EXTENSION_NOT_PRESENT, VK_ERROR_INCOMPATIBLE_DRIVER } },
    { "EnumeratePhysicalDevices", { VK_ERROR_INITIALIZATION_FAILED } },
    { "EnumerateInstanceExtensionProperties", { VK_ERROR_LAYER_NOT_PRESENT } },
    { "EnumerateDeviceExtensionProperties", { VK_ERROR_LAYER_NOT_PRESENT } },
    { "CreateDevice",
        { VK_ERROR_INITIALIZATION_FAILED, VK_ERROR_EXTENSION_NOT_PRESENT,
            VK_ERROR_FEATURE_NOT_PRESENT, VK_ERROR_TOO_MANY_OBJECTS, VK_ERROR_DEVICE_LOST } },
    { "AllocateMemory", { VK_ERROR_TOO_MANY_OBJECTS } },
    { "MapMemory", { VK_ERROR_MEMORY_MAP_FAILED } },
    { "QueueSubmit2", { VK_ERROR_DEVICE_LOST } },
    { "QueueWaitIdle", { VK_ERROR_DEVICE_LOST } },
    { "WaitSemaphores", { VK_ERROR_DEVICE_LOST, VK_TIMEOUT } },
    { "GetSemaphoreCounterValue", { VK_ERROR_DEVICE_LOST } },
    { "GetQueryPoolResults", { VK_ERROR_DEVICE_LOST } },
};

static uint32_t list_results(const struct sweep_call *call, VkResult results[10])
{
    uint32_t count = 0;
    results[count++] = VK_ERROR_OUT_OF_HOST_MEMORY;
    if (strstr(call->name, "alloc") == call->name || strstr(call->name, "alloc") == call->name + 1
        || strstr(call->name, "alloc") == call->name + 2)
        return count;
    results[count++] = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    results[count++] = VK_ERROR_UNKNOWN;
    if (call->fills)
        results[count++] = VK_INCOMPLETE;
    for (size_t i = 0; i < sizeof own_results / sizeof *own_results; i++)
        for (uint32_t j = 0; !strcmp(own_results[i].name, call->name) && j < 5; j++)
            if (own_results[i].results[j])
                results[count++] = own_results[i].results[j];
    return count;
}

static enum vkmoe_status expected_status(const char *name, VkResult result)
{
    switch (result) {
    case VK_ERROR_OUT_OF_HOST_MEMORY:
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    case VK_ERROR_TOO_MANY_OBJECTS: return VKMOE_ERROR_OUT_OF_MEMORY;
    case VK_ERROR_DEVICE_LOST: return VKMOE_ERROR_DEVICE_LOST;
    case VK_ERROR_LAYER_NOT_PRESENT:
    case VK_ERROR_EXTENSION_NOT_PRESENT:
    case VK_ERROR_FEATURE_NOT_PRESENT: return VKMOE_ERROR_UNSUPPORTED;
    case VK_ERROR_INCOMPATIBLE_DRIVER: return VKMOE_ERROR_NOT_FOUND; // there is no driver
    case VK_TIMEOUT: return VKMOE_ERROR_TIMEOUT;
    case VK_ERROR_INITIALIZATION_FAILED: // of old loaders the same
        return strcmp(name, "EnumeratePhysicalDevices") ? VKMOE_ERROR_DRIVER
                                                        : VKMOE_ERROR_NOT_FOUND;
    default: return VKMOE_ERROR_DRIVER;
    }
}

// -------------------------------------------------------------------------- sweep

struct sweep {
    struct scene scene;
    const struct work *work;
    float answer[MAX_ANSWER]; // of the run in which nothing failed
    struct site {
        const void *from; // where calls are made
        uint32_t calls;   // so far
    } sites[MAX_SITES];
    uint32_t site_count;
    uint32_t felt, survived, missed;
    uint32_t share, later; // VKMOE_TEST_OWN_CALLS_SHARE, and later calls that there were
};

static enum vkmoe_status run_work(struct sweep *w, bool persists, enum vkmoe_status expected)
{
    struct scene *s = &w->scene;
    s->persists = persists;
    s->expected = expected;
    s->felt = 0;
    s->answer_count = 0;
    memset(&s->record, 0, sizeof s->record);
    return w->work->run(s);
}

static bool is_right(const struct sweep *w)
{
    const struct scene *s = &w->scene;
    return !memcmp(w->answer, s->answer, s->answer_count * sizeof(float));
}

// One failure, and the same work again without it, unless `quick`.
static bool check_failure(struct sweep *w, uint32_t index, const struct sweep_call *call,
    VkResult result, bool persists, bool quick)
{
    bool ok = false;
    struct scene *s = &w->scene;
    uint32_t ignored;
    s->wrong = false;
    sweep_fail(index, result);
    enum vkmoe_status status = run_work(w, persists, expected_status(call->name, result));
    sweep_stop(&ignored);
    bool lost = status == VKMOE_ERROR_DEVICE_LOST;
    // A list of no devices is one, too.
    const bool no_driver = status == VKMOE_OK
        && (result == VK_ERROR_INCOMPATIBLE_DRIVER || result == VK_ERROR_INITIALIZATION_FAILED);
    w->felt += s->felt > 0;
    w->survived += sweep_reached() && !s->felt;
    w->missed += !sweep_reached();
    CHECK(!s->wrong && !s->record.validation);
    CHECK((status != VKMOE_OK) == (s->felt > 0 && !(persists && !lost)));
    CHECK(status != VKMOE_OK || no_driver || is_right(w));
    if (status == VKMOE_OK && persists && result != VK_ERROR_DEVICE_LOST)
        return true; // that was the same work again
    if (quick)
        return true;
    const bool sure = lost || result != VK_ERROR_DEVICE_LOST; // destruction tells nobody
    status = run_work(w, false, VKMOE_ERROR_DEVICE_LOST);
    CHECK(!sure || (lost && w->work->needs_device) == (status == VKMOE_ERROR_DEVICE_LOST));
    lost = status == VKMOE_ERROR_DEVICE_LOST;
    CHECK(lost || status == VKMOE_OK);
    CHECK(!s->wrong && !s->record.validation && s->record.lines[VKMOE_LOG_ERROR] == lost);
    CHECK(lost || is_right(w));
    if (lost) { // for good
        scene_close(s);
        CHECK_OK(scene_open(s));
        CHECK_OK(run_work(w, false, VKMOE_OK));
    }
    ok = true;
fail:
    if (!ok)
        tap_note("vk%s is call %u, and said %d%s; log: %s", call->name, index, (int)result,
            persists ? ", and was made again" : "", s->record.last);
    return ok;
}

// The number of this call among those of its site, from 0.
static uint32_t count_call(struct sweep *w, const void *from)
{
    for (uint32_t i = 0; i < w->site_count; i++)
        if (w->sites[i].from == from)
            return w->sites[i].calls++;
    if (w->site_count < MAX_SITES)
        w->sites[w->site_count++] = (struct site){ from, 1 };
    return 0;
}

// All results where a call is made for the first time, one where it is made again: a loop's
// first rounds, and one in eight of the many that a whole model makes. Fewer with a share.
static uint32_t choose_results(struct sweep *w, const struct sweep_call *call, VkResult results[10])
{
    const uint32_t count = list_results(call, results), number = count_call(w, call->site);
    if (w->share > 1 && !strstr(call->name, "MappedMemoryRanges"))
        return number == 0 || w->later++ % w->share == 0;
    return number == 0 ? count : number < 4 || number % 8 == 0;
}

// Calls that are made whenever the work is.
static bool sweep_warm(struct sweep *w, const struct sweep_call *calls, uint32_t count)
{
    bool ok = false;
    const int64_t live = sweep_live();
    for (uint32_t i = 0; i < count; i++) {
        VkResult results[10];
        const uint32_t result_count = choose_results(w, &calls[i], results);
        for (uint32_t j = 0; j < 2 * result_count; j++) {
            if (result_count == 1 && i % 2 != j % 2)
                continue; // take turns
            CHECK(check_failure(w, i, &calls[i], results[j / 2], j % 2, false));
            CHECK(sweep_live() == live);
        }
    }
    ok = true;
fail:
    if (!ok)
        tap_note("%lld objects and blocks, before there were %lld", (long long)sweep_live(),
            (long long)live);
    return ok;
}

static uint32_t count_site(const struct sweep_call *calls, uint32_t count, const void *site)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++)
        found += calls[i].site == site;
    return found;
}

// Calls that a new device makes more often, of which each needs another one.
static bool sweep_cold(struct sweep *w, const struct sweep_call *cold, uint32_t cold_count,
    const struct sweep_call *warm, uint32_t warm_count)
{
    for (uint32_t i = 0; i < cold_count; i++) {
        VkResult results[10];
        if (count_site(cold, cold_count, cold[i].site)
            == count_site(warm, warm_count, cold[i].site))
            continue;
        const uint32_t result_count = choose_results(w, &cold[i], results);
        for (uint32_t j = 0; j < result_count; j++) {
            scene_close(&w->scene);
            CHECK_OK(scene_open(&w->scene));
            // Of the same kind are many, and what takes long is compiling.
            const bool quick = result_count == 1 && w->felt % 8;
            CHECK(check_failure(w, i, &cold[i], results[j], !quick && (i + j) % 2, quick));
        }
    }
    return true;
fail:
    return false;
}

// Lists the calls that the work makes; free() it.
static struct sweep_call *list_calls(struct sweep *w, uint32_t *count)
{
    sweep_list();
    const enum vkmoe_status status = run_work(w, false, VKMOE_OK);
    const struct sweep_call *calls = sweep_stop(count);
    if (status != VKMOE_OK || w->scene.wrong) {
        tap_note("%s; log: %s", vkmoe_status_name(status), w->scene.record.last);
        return NULL;
    }
    struct sweep_call *copy = malloc((*count + 1) * sizeof *copy);
    if (copy)
        memcpy(copy, calls, *count * sizeof *copy);
    return copy;
}

static bool sweep_work(enum use use, const struct work *work)
{
    static struct sweep sweep;
    struct sweep *w = &sweep;
    struct sweep_call *cold = NULL, *warm = NULL;
    uint32_t cold_count = 0, warm_count = 0;
    memset(w, 0, sizeof *w);
    w->work = work;
    const char *share = getenv("VKMOE_TEST_OWN_CALLS_SHARE");
    w->share = use == USE_OWN && share && atoi(share) > 0 ? (uint32_t)atoi(share) : 1;
    CHECK(scene_init(&w->scene, use));
    sweep_count_from();
    if (work->needs_device)
        CHECK_OK(scene_open(&w->scene));
    CHECK(warm = list_calls(w, &warm_count)); // the first time, when the model is read, too
    memcpy(w->answer, w->scene.answer, sizeof w->answer);
    free(warm);
    scene_close(&w->scene);
    if (work->needs_device)
        CHECK_OK(scene_open(&w->scene));
    CHECK(cold = list_calls(w, &cold_count));
    CHECK(warm = list_calls(w, &warm_count));
    CHECK(!(work->uses >> use & 1) || sweep_warm(w, warm, warm_count));
    CHECK(!(work->cold_uses >> use & 1) || sweep_cold(w, cold, cold_count, warm, warm_count));
    CHECK(!w->missed);
    free(cold);
    free(warm);
    scene_finish(&w->scene);
    CHECK(!w->scene.record.validation);
    CHECK(sweep_check_leaks());
    char name[64];
    snprintf(name, sizeof name, "%s %s", use_names[use], work->name);
    sweep_note_counts(name);
    tap_note("%u were felt, %u were got over", w->felt, w->survived);
    return true;
fail:
    free(cold);
    free(warm);
    scene_finish(&w->scene);
    sweep_check_leaks();
    return false;
}

// What the library asked the loader for, and no failure was about.
static bool test_complete(void)
{
    static const char *const excused[] = {
        "FlushMappedMemoryRanges",
        "InvalidateMappedMemoryRanges", // of memory that is coherent
        "QueueWaitIdle",                // when waits have failed: faults_cases.c
        "EnumerateInstanceVersion",     // that there is one says how old the loader is
        NULL,
    };
    tap_note("%u calls failed", sweep_total());
    if (!getenv("VK_INSTANCE_LAYERS")) { // calls that are about the layer are not made without it
        tap_note("not validated: whether all could fail is not asked");
        return true;
    }
    return sweep_check_complete(excused);
}

int main(int argc, char **argv)
{
    struct tap tap;
    int code;
    if (!tests_begin(&tap, argc, argv, &code))
        return code;
    for (uint32_t i = 0; i < work_count; i++) {
        for (enum use use = USE_OWN; use <= USE_RECORDED; use++) {
            char name[64];
            snprintf(name, sizeof name, "%s-%s", use_names[use], works[i].name);
            if (((works[i].uses | works[i].cold_uses) >> use & 1) && tap_wants(&tap, name))
                tap_result(&tap, sweep_work(use, &works[i]), name);
        }
    }
    run_tests(&tap, fault_cases, fault_case_count);
    // Own use makes every call there is.
    if ((!tap.filter || !strcmp(tap.filter, "own-")) && !tap.list)
        tap_result(&tap, test_complete(), "own-complete");
    return tap_end(&tap);
}
