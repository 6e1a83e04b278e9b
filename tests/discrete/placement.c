// placement.c - where the library puts its memory, on cards that have little of it.
//
//     placement LAYERS CARD
#include "check.h"
#include "compare.h"
#include "tiny_layer.h"
#include "device/transfer.h"
#include "use.h"

#define MiB ((uint64_t)1 << 20)
#define DEVICE_HEAP (96 * MiB)
#define MAX_ALLOCATION (32 * MiB)
#define MAX_ALLOCATIONS 40
#define MAX_BUFFERS 64

static const char *card;
static struct record record;
static vkmoe_device *device; // the test's
static vkmoe_buffer *buffer;

static bool is(const char *name)
{
    return !strcmp(card, name);
}

static enum vkmoe_status open_card(void)
{
    record = (struct record){ 0 };
    return open_device(&record, &device);
}

static void clean_up(void)
{
    vkmoe_buffer_destroy(&buffer);
    vkmoe_device_destroy(&device);
}

// The device's own is not seen by the host, unless it all is; what is read is cached.
static bool test_kinds(void)
{
    CHECK_OK(open_card());
    CHECK_OK(vkmoe_buffer_create_kind(device, MEMORY_DEVICE, 100, &buffer));
    CHECK(!buffer->range.mapped == !strncmp(card, "discrete", 8));
    vkmoe_buffer_destroy(&buffer);
    CHECK_OK(vkmoe_buffer_create_kind(device, MEMORY_UPLOAD, 100, &buffer));
    CHECK(buffer->range.mapped);
    vkmoe_buffer_destroy(&buffer);
    CHECK_OK(vkmoe_buffer_create_kind(device, MEMORY_DOWNLOAD, 100, &buffer));
    CHECK(buffer->range.mapped && buffer->range.host_cached == !is("unified"));
    return true;
fail:
    return false;
}

// Takes all there is in buffers of a size, none of which is another's.
static bool exhaust(size_t size, uint32_t *count)
{
    bool ok = false;
    vkmoe_buffer *buffers[MAX_BUFFERS];
    unsigned char *data = malloc(size), *back = malloc(size);
    enum vkmoe_status status = VKMOE_OK;
    *count = 0;
    CHECK(data && back);
    record = (struct record){ 0 };
    while (*count < MAX_BUFFERS
        && (status = vkmoe_buffer_create(device, size, &buffers[*count])) == VKMOE_OK)
        ++*count;
    CHECK_STATUS(VKMOE_ERROR_OUT_OF_MEMORY, status);
    CHECK(record.lines[VKMOE_LOG_ERROR] == 1 && strstr(record.last, "out of memory"));
    for (uint32_t i = 0; i < *count; i++) {
        random_fill(data, size, i + 1);
        CHECK_OK(vkmoe_buffer_upload(buffers[i], 0, data, size));
    }
    for (uint32_t i = 0; i < *count; i++) {
        random_fill(data, size, i + 1);
        CHECK_OK(vkmoe_buffer_download(buffers[i], 0, back, size));
        CHECK(!memcmp(data, back, size));
    }
    ok = true;
fail:
    if (!ok)
        tap_note("%u buffers of %zu bytes; log: %s", *count, size, record.last);
    for (uint32_t i = 0; i < *count; i++)
        vkmoe_buffer_destroy(&buffers[i]);
    free(data);
    free(back);
    return ok;
}

// When the card's memory is full, the window's is taken; and all that was given back.
static bool test_exhaustion(void)
{
    static const size_t sizes[] = { 3 * MiB, 5 * MiB + 3, 17 * MiB, 3 * MiB };
    uint32_t count;
    CHECK_OK(open_card());
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        CHECK(exhaust(sizes[i], &count));
        const uint64_t taken = count * sizes[i];
        CHECK(taken > DEVICE_HEAP / 5 * 4); // the ends of blocks are lost
        CHECK(!is("discrete-bar") || sizes[i] > 3 * MiB || taken > DEVICE_HEAP);
    }
    return true;
fail:
    return false;
}

// A limit for one allocation, with much more memory than that.
static bool test_limit(void)
{
    CHECK_OK(open_card());
    const uint64_t most = vkmoe_memory_max_size(&device->gpu);
    CHECK(most < MAX_ALLOCATION && most > MAX_ALLOCATION - MiB);
    CHECK_OK(vkmoe_buffer_create(device, most, &buffer));
    vkmoe_buffer_destroy(&buffer);
    CHECK(!record.lines[VKMOE_LOG_ERROR] && !record.lines[VKMOE_LOG_WARNING]);
    CHECK_STATUS(VKMOE_ERROR_UNSUPPORTED, vkmoe_buffer_create(device, most + 1, &buffer));
    CHECK(record.lines[VKMOE_LOG_ERROR] == 1);
    return true;
fail:
    return false;
}

// A limit for the number of allocations, which staging buffers have one of each.
static bool test_count(void)
{
    bool ok = false;
    vkmoe_buffer *buffers[MAX_ALLOCATIONS + 1] = { 0 };
    enum vkmoe_status status = VKMOE_OK;
    uint32_t count = 0;
    CHECK_OK(open_card());
    while (count <= MAX_ALLOCATIONS && status == VKMOE_OK) {
        status = vkmoe_buffer_create_kind(device, MEMORY_UPLOAD, 1, &buffers[count]);
        count += status == VKMOE_OK;
    }
    CHECK_STATUS(VKMOE_ERROR_OUT_OF_MEMORY, status);
    CHECK(count == MAX_ALLOCATIONS - 1 && record.lines[VKMOE_LOG_ERROR] == 1); // and the dummy
    ok = true;
fail:
    if (!ok)
        tap_note(
            "%u buffers, %u lines; log: %s", count, record.lines[VKMOE_LOG_ERROR], record.last);
    while (count)
        vkmoe_buffer_destroy(&buffers[--count]);
    return ok;
}

static bool test_forward(void)
{
    const bool ok = open_card() == VKMOE_OK && tiny_layer_works(device, 3, vkmoe_buffer_create)
        && !record.lines[VKMOE_LOG_ERROR];
    if (!ok)
        tap_note("log: %s", record.last);
    return ok;
}

int main(int argc, char **argv)
{
    TEST_TABLE(tests, { "kinds", test_kinds }, { "exhaustion", test_exhaustion },
        { "limit", test_limit }, { "count", test_count }, { "forward", test_forward });
    struct tap tap;
    if (argc < 3 || !tap_begin(&tap, argc - 2, argv + 2))
        return 2;
    card = argv[2];
    setenv("VKMOE_DISCRETE_DEVICE_HEAP", "96M", 1);
    setenv("VKMOE_DISCRETE_HOST_HEAP", "12M", 1); // staging has to do with little
    setenv("VKMOE_DISCRETE_WINDOW_HEAP", "16M", 1);
    setenv("VKMOE_DISCRETE_MAX_ALLOCATION", "32M", 1);
    setenv("VKMOE_DISCRETE_MAX_ALLOCATIONS", "40", 1);
    use_card(argv[1], card, true);
    if (!has_device())
        return tap_skip_all(&tap, "no Vulkan device to play a card with");
    run_clean_tests(&tap, tests, COUNT_OF(tests), clean_up);
    return tap_end(&tap);
}
