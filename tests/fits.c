// fits.c - what does not fit is refused before anything is loaded, and what fits is not: on a
// device whose heap is as small as a test wants it, and in machines made of files.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vkmoe/model.h>

#include "check.h"
#include "base/host_memory.h"
#include "moe/moe.h"
#include "device/transfer.h"
#include "device/stream.h"
#include "whole_checkpoints.h"

#define MB ((uint64_t)1 << 20)

// ------------------------------------------------------------------------- a small card

// A device that allocates no more of its heap than this, by its own functions.
static struct {
    vkmoe_device *device;
    PFN_vkAllocateMemory allocate;
    PFN_vkFreeMemory free;
    PFN_vkGetPhysicalDeviceMemoryProperties2 get_memory;
    uint32_t heap;
    uint64_t size, taken; // of the heap
    uint32_t calls;       // of vkAllocateMemory
    struct {
        VkDeviceMemory memory;
        uint64_t size;
    } blocks[512];
    uint64_t budget, usage;
    struct record record;
} card;

static VKAPI_ATTR VkResult VKAPI_CALL allocate_memory(VkDevice device,
    const VkMemoryAllocateInfo *info, const VkAllocationCallbacks *callbacks, VkDeviceMemory *out)
{
    const uint32_t heap = card.device->gpu.memory.memoryTypes[info->memoryTypeIndex].heapIndex;
    card.calls++;
    if (heap == card.heap && info->allocationSize > card.size - card.taken)
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    const VkResult result = card.allocate(device, info, callbacks, out);
    for (uint32_t i = 0; result == VK_SUCCESS && heap == card.heap; i++)
        if (!card.blocks[i].memory) {
            card.blocks[i].memory = *out;
            card.blocks[i].size = info->allocationSize;
            card.taken += info->allocationSize;
            break;
        }
    return result;
}

static VKAPI_ATTR void VKAPI_CALL free_memory(
    VkDevice device, VkDeviceMemory memory, const VkAllocationCallbacks *callbacks)
{
    for (uint32_t i = 0; memory && i < sizeof card.blocks / sizeof *card.blocks; i++)
        if (card.blocks[i].memory == memory) {
            card.taken -= card.blocks[i].size;
            card.blocks[i].memory = VK_NULL_HANDLE;
            break;
        }
    card.free(device, memory, callbacks);
}

static VKAPI_ATTR void VKAPI_CALL get_memory(
    VkPhysicalDevice device, VkPhysicalDeviceMemoryProperties2 *out)
{
    VkPhysicalDeviceMemoryBudgetPropertiesEXT *budget = out->pNext;
    card.get_memory(device, out);
    memset(budget->heapBudget, 0, sizeof budget->heapBudget);
    budget->heapBudget[card.heap] = card.budget;
    budget->heapUsage[card.heap] = card.usage;
}

static bool card_init(void)
{
    bool ok = false;
    uint64_t taken[VK_MAX_MEMORY_HEAPS];
    vkmoe_buffer *first = NULL;
    memset(&card, 0, sizeof card);
    CHECK_OK(open_validated(&card.record, &card.device));
    vkmoe_device *device = card.device;
    CHECK_OK(vkmoe_buffer_create(device, 4, &first)); // and what an upload needs besides
    CHECK_OK(vkmoe_buffer_upload(first, 0, &(uint32_t){ 0 }, 4));
    vkmoe_buffer_destroy(&first);
    vkmoe_memory_taken(device->memory, taken);
    const uint32_t heaps = vkmoe_memory_heaps(device->memory);
    for (uint32_t i = 0; i < device->gpu.memory.memoryHeapCount; i++)
        if (heaps >> i & 1 && taken[i] > card.taken) {
            card.heap = i;
            card.taken = taken[i];
        }
    for (uint32_t i = 0; i < device->gpu.memory.memoryHeapCount; i++)
        if (heaps >> i & 1 && i != card.heap)
            device->gpu.memory.memoryHeaps[i].size = 0;
    device->is_cpu = false; // whose memory is the machine's
    device->memory_budget = false;
    card.allocate = device->gpu.vk.AllocateMemory;
    card.free = device->gpu.vk.FreeMemory;
    card.get_memory = device->instance_vk.GetPhysicalDeviceMemoryProperties2;
    device->gpu.vk.AllocateMemory = allocate_memory;
    device->gpu.vk.FreeMemory = free_memory;
    device->instance_vk.GetPhysicalDeviceMemoryProperties2 = get_memory;
    ok = true;
fail:
    vkmoe_buffer_destroy(&first);
    return ok;
}

// As much as there is now, and `left` bytes.
static void leave(uint64_t left)
{
    card.size = card.taken + left;
    card.device->gpu.memory.memoryHeaps[card.heap].size = card.size;
    card.calls = 0;
    memset(&card.record, 0, sizeof card.record);
}

static bool card_finish(void)
{
    const bool silent = !card.record.validation;
    vkmoe_device_destroy(&card.device);
    return silent;
}

// One line with both texts, and not a byte of memory asked for.
static bool failed_with(
    enum vkmoe_status status, enum vkmoe_status expected, const char *words, const char *why)
{
    const bool ok = status == expected && card.calls == 0 && card.record.lines[VKMOE_LOG_ERROR] == 1
        && strstr(card.record.last, words) && strstr(card.record.last, why);
    if (!ok)
        tap_note("%s, %u allocations, %u lines: %s", vkmoe_status_name(status), card.calls,
            card.record.lines[VKMOE_LOG_ERROR], card.record.last);
    return ok;
}

static bool was_refused(enum vkmoe_status status, const char *words)
{
    return failed_with(status, VKMOE_ERROR_OUT_OF_MEMORY, words, "is free");
}

// -------------------------------------------------------------------------------- layers

enum { HIDDEN = 256, INNER = 700, SHARED = 16500, EXPERTS = 5 };

// Small matrices, which share blocks, and two that have blocks of their own.
static struct vkmoe_moe_params moe_params(void)
{
    static float numbers[HIDDEN * SHARED];
    static struct vkmoe_view matrices[EXPERTS];
    for (uint32_t e = 0; e < EXPERTS; e++)
        matrices[e].data = numbers;
    const struct vkmoe_view view = { .data = numbers };
    return (struct vkmoe_moe_params){
        VKMOE_INIT(vkmoe_moe_params),
        .hidden = HIDDEN,
        .inner = INNER,
        .experts = EXPERTS,
        .experts_per_token = 2,
        .router.weight = view,
        .gate = matrices,
        .up = matrices,
        .down = matrices,
        .shared.inner = SHARED,
        .shared.up = view,
        .shared.gate = view,
        .shared.down = view,
    };
}

// Whatever the heap has left, what is refused could not have been created, and all else can.
static bool test_border(void)
{
    const struct vkmoe_moe_params params = moe_params();
    vkmoe_moe *layer = NULL;
    bool ok = false;
    uint32_t refused = 0, created = 0;
    CHECK(card_init());
    leave(1024 * MB);
    CHECK_OK(vkmoe_moe_create(card.device, &params, &layer)); // and its way there
    vkmoe_moe_destroy(&layer);
    const uint64_t before = card.taken;
    CHECK_OK(vkmoe_moe_create(card.device, &params, &layer));
    const uint64_t most = card.taken - before;
    vkmoe_moe_destroy(&layer);
    CHECK(card.taken == before && most > 3 * 16 * MB);
    const uint64_t sizes[] = { 0, 1, 10 * MB, most - 8 * MB, most - 4 * MB, most - 3 * MB,
        most - 2 * MB, most - MB, most - 65536, most - 1, most, most + 1 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        leave(sizes[i]);
        const enum vkmoe_status planned = vkmoe_moe_create(card.device, &params, &layer);
        CHECK(planned == VKMOE_OK || was_refused(planned, "vkmoe_moe_create: needs "));
        refused += planned != VKMOE_OK;
        created += planned == VKMOE_OK;
        vkmoe_moe_destroy(&layer);
        leave(sizes[i]);
        struct loading loading = { .device = card.device,
            .caller = { device_log(card.device), __func__ } };
        const enum vkmoe_status made = vkmoe_moe_load(&loading, &params, &layer);
        vkmoe_moe_destroy(&layer);
        if (made != planned)
            tap_note("%llu bytes left: created %s, made %s", (unsigned long long)sizes[i],
                vkmoe_status_name(planned), vkmoe_status_name(made));
        CHECK(made == planned);
    }
    CHECK(refused > 2 && created > 1);
    ok = true;
fail:
    vkmoe_moe_destroy(&layer);
    return card_finish() && ok;
}

// What is free in blocks that are there already counts.
static bool test_free_ranges(void)
{
    static float numbers[64 * 64];
    const struct vkmoe_view view = { .data = numbers };
    const struct vkmoe_moe_params params = {
        VKMOE_INIT(vkmoe_moe_params),
        .hidden = 64,
        .inner = 64,
        .experts = 1,
        .experts_per_token = 1,
        .router.weight = view,
        .up = &view,
        .down = &view,
    };
    vkmoe_moe *layer = NULL;
    static vkmoe_buffer *rest[4096];
    uint32_t count = 0;
    bool ok = false;
    CHECK(card_init());
    leave(1024 * MB);
    CHECK_OK(vkmoe_moe_create(card.device, &params, &layer)); // and its way there
    vkmoe_moe_destroy(&layer);
    leave(0);
    CHECK_OK(vkmoe_moe_create(card.device, &params, &layer));
    vkmoe_moe_destroy(&layer);
    while (count < 4096 && vkmoe_buffer_create(card.device, 4096, &rest[count]) == VKMOE_OK)
        count++;
    CHECK(count > 10 && count < 4096);
    leave(0);
    CHECK(was_refused(vkmoe_moe_create(card.device, &params, &layer), " of which 0 bytes is free"));
    ok = true;
fail:
    while (count > 0)
        vkmoe_buffer_destroy(&rest[--count]);
    vkmoe_moe_destroy(&layer);
    return card_finish() && ok;
}

// The driver's budget counts where there is one, in the place of the heap's size.
static bool test_budget(void)
{
    const struct vkmoe_moe_params params = moe_params();
    vkmoe_moe *layer = NULL;
    bool ok = false;
    CHECK(card_init());
    card.device->memory_budget = true;
    card.budget = 3000000000u;
    card.usage = card.budget - 1000000;
    leave(1024 * MB);
    CHECK(was_refused(vkmoe_moe_create(card.device, &params, &layer), " of which 1.00 MB is free"));
    card.usage = card.budget + 1; // others took it
    leave(1024 * MB);
    CHECK(was_refused(vkmoe_moe_create(card.device, &params, &layer), " of which 0 bytes is free"));
    card.usage = card.budget - 200 * MB;
    CHECK_OK(vkmoe_moe_create(card.device, &params, &layer));
    ok = true;
fail:
    vkmoe_moe_destroy(&layer);
    return card_finish() && ok;
}

// ------------------------------------------------------------------------------ networks

struct whole {
    struct whole_checkpoint checkpoint;
    vkmoe_checkpoint *model;
    vkmoe_model *network;
    vkmoe_stream *stream;
};

static bool whole_init(struct whole *w)
{
    *w = (struct whole){ 0 };
    return card_init() && whole_checkpoint_write("mixtral", 1, &w->checkpoint)
        && vkmoe_checkpoint_open(w->checkpoint.path, NULL, &w->model) == VKMOE_OK;
}

static bool whole_finish(struct whole *w)
{
    vkmoe_stream_destroy(&w->stream);
    vkmoe_model_destroy(&w->network);
    vkmoe_checkpoint_destroy(&w->model);
    whole_checkpoint_finish(&w->checkpoint);
    return card_finish();
}

static const struct vkmoe_model_params long_params = { VKMOE_INIT(vkmoe_model_params),
    .capacity = 100000, .chunk = 32768 };

static enum vkmoe_status create(struct whole *w)
{
    return vkmoe_model_create(card.device, w->model, &long_params, &w->network);
}

// The least that the heap must have left, to the byte.
static uint64_t find_least(struct whole *w)
{
    uint64_t low = 0, high = 1024 * MB;
    while (high - low > 1) {
        const uint64_t middle = low + (high - low) / 2;
        leave(middle);
        if (create(w) == VKMOE_OK)
            high = middle;
        else
            low = middle;
        vkmoe_model_destroy(&w->network);
    }
    return high;
}

// With the least the network is created and its scratch found; with less it is refused, unless a
// stream has the scratch.
static bool test_network(void)
{
    struct whole w;
    bool ok = false;
    CHECK(whole_init(&w));
    CHECK_OK(vkmoe_stream_create(card.device, &w.stream));
    const uint64_t least = find_least(&w);
    leave(least);
    CHECK_OK(create(&w));
    const uint64_t scratch = vkmoe_model_scratch_size(w.network);
    tap_note("least %llu, scratch %llu", (unsigned long long)least, (unsigned long long)scratch);
    CHECK(scratch > 16 * MB); // a block of its own
    CHECK_OK(vkmoe_stream_reserve(w.stream, scratch));
    vkmoe_model_destroy(&w.network);
    vkmoe_stream_destroy(&w.stream);
    CHECK_OK(vkmoe_stream_create(card.device, &w.stream));
    leave(least - 1);
    CHECK(was_refused(create(&w), "vkmoe_model_create: needs "));
    CHECK(strstr(card.record.last, "weights ") && strstr(card.record.last, "caches ")
        && strstr(card.record.last, "scratch "));
    leave(1024 * MB);
    CHECK_OK(vkmoe_stream_reserve(w.stream, scratch));
    leave(least - scratch);
    CHECK_OK(create(&w));
    ok = true;
fail:
    return whole_finish(&w) && ok;
}

// Of one matrix that no buffer can hold.
static bool is_named(enum vkmoe_status status, const char *name)
{
    return failed_with(status, VKMOE_ERROR_UNSUPPORTED, name, "allows at most");
}

static bool test_matrix(void)
{
    struct vkmoe_moe_params params = moe_params();
    struct whole w;
    vkmoe_moe *layer = NULL;
    bool ok = false;
    CHECK(whole_init(&w));
    leave(1024 * MB);
    card.device->gpu.max_buffer_size = MB;
    CHECK(is_named(vkmoe_moe_create(card.device, &params, &layer), "gate and up of expert 0: "));
    card.device->gpu.max_buffer_size = 9 * MB;
    leave(1024 * MB);
    CHECK(is_named(vkmoe_moe_create(card.device, &params, &layer), "shared expert: "));
    leave(1024 * MB);
    CHECK(is_named(create(&w), "block 0: keys and values in the cache: "));
    ok = true;
fail:
    vkmoe_moe_destroy(&layer);
    return whole_finish(&w) && ok;
}

// ------------------------------------------------------------------------------ the host

static char root[] = "/tmp/vkmoe-fits-XXXXXX";

// Writes a file below `root`, and the folders it needs.
static bool put(const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *at = full + strlen(root) + 1; (at = strchr(at, '/')); *at++ = '/') {
        *at = 0;
        mkdir(full, 0700);
    }
    FILE *file = fopen(full, "w");
    return file && fputs(text, file) >= 0 && !fclose(file);
}

static bool host_is(uint64_t size, const char *limit)
{
    const struct host_memory host = vkmoe_host_memory(root);
    if (host.free == size && strstr(host.limit, limit))
        return true;
    tap_note("%llu %s", (unsigned long long)host.free, host.limit);
    return false;
}

// A file that is written, and what there is to be read then, if that is asked.
static const struct host_step {
    const char *file, *text;
    uint64_t free;
    const char *limit;
} host_steps[] = {
    { "/proc/meminfo", "MemTotal: 9000 kB\nMemAvailable:    8000 kB\nSwapFree: 100 kB\n",
        8100 * 1024, "machine" },
    { "/proc/self/cgroup", "0::/a/b\n", 8100 * 1024, "machine" },
    { "/sys/fs/cgroup/a/b/memory.max", "max\n" },
    { "/sys/fs/cgroup/a/b/memory.current", "500\n", 8100 * 1024, "machine" },
    { "/sys/fs/cgroup/a/memory.max", "70000\n" },
    { "/sys/fs/cgroup/a/memory.current", "50000\n", 20000, "control group" },
    { "/sys/fs/cgroup/a/memory.stat", "anon 9\nfile 45000\ninactive_file 30000\nactive_file 5000\n",
        55000, "control group" },
    { "/sys/fs/cgroup/a/b/memory.max", "400\n", 0, "control group" }, // less than is used
    { "/proc/self/cgroup", "0::/\n", 8100 * 1024, "machine" },        // as a container sees itself
    { "/sys/fs/cgroup/memory.max", "7000\n" },
    { "/sys/fs/cgroup/memory.current", "1\n", 6999, "control group" },
    { "/proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/outside\n0::/nowhere:else\n" },
    { "/sys/fs/cgroup/memory.max", "max\n" },
    { "/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n" },
    { "/sys/fs/cgroup/memory/memory.usage_in_bytes", "6000\n", 8100 * 1024, "machine" },
    { "/sys/fs/cgroup/memory/memory.limit_in_bytes", "8000\n" },
    { "/sys/fs/cgroup/memory/memory.stat", "total_inactive_file 500\ninactive_file 3\n", 2500,
        "control group" },
    { "/proc/meminfo", "MemAvailable:\n" },
    { "/proc/self/cgroup", "\n:\nmemory\n", UINT64_MAX, "" },
};

static bool test_host(void)
{
    struct rlimit limit;
    bool ok = false;
    CHECK(getrlimit(RLIMIT_AS, &limit) == 0);
    if (limit.rlim_cur != RLIM_INFINITY) { // a limit of whoever runs the tests
        tap_note("skipped: the address space is limited");
        return true;
    }
    CHECK(mkdtemp(root));
    CHECK(host_is(UINT64_MAX, ""));
    for (size_t i = 0; i < COUNT_OF(host_steps); i++) {
        const struct host_step *step = &host_steps[i];
        CHECK(put(step->file, step->text));
        CHECK(!step->limit || host_is(step->free, step->limit));
    }
    ok = true;
fail:
    return ok;
}

// In a child, as it cannot be taken back.
static bool test_address_space(void)
{
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    struct rlimit old;
    bool ok = false;
    CHECK(getrlimit(RLIMIT_AS, &old) == 0);
    if (old.rlim_cur != RLIM_INFINITY)
        return true;
    CHECK(put("/proc/self/statm", "1000 20 3 4 0 5 0\n"));
    CHECK(setrlimit(RLIMIT_AS, &(struct rlimit){ (uint64_t)1 << 46, old.rlim_max }) == 0);
    ok = host_is(((uint64_t)1 << 46) - 1000 * page, "address space");
    CHECK(setrlimit(RLIMIT_AS, &old) == 0);
    return ok;
fail:
    return false;
}

TESTS_MAIN(ON_DEVICE, { "host-memory", test_host }, { "address-space", test_address_space },
    { "border", test_border }, { "free-ranges", test_free_ranges }, { "budget", test_budget },
    { "network", test_network }, { "matrix", test_matrix })
