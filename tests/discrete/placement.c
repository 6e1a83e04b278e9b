// placement.c - where the library puts its memory, on cards that have little of it.
//
//     placement LAYERS CARD
#include "check.h"
#include "random.h"
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

static bool is(const char *name)
{
    return !strcmp(card, name);
}

static bool open_device(vkmoe_device **out)
{
    record = (struct record){ 0 };
    CHECK_OK(vkmoe_device_create(
        &(struct vkmoe_device_params){
            VKMOE_INIT(vkmoe_device_params),
            .log = { record_line, &record, VKMOE_LOG_WARNING },
            .select = device_under_test(),
        },
        out));
    return true;
fail:
    return false;
}

// The device's own is not seen by the host, unless it all is; what is read is cached.
static bool test_kinds(void)
{
    vkmoe_device *device = NULL;
    vkmoe_buffer *buffer = NULL;
    CHECK(open_device(&device));
    CHECK_OK(vkmoe_buffer_create_kind(device, MEMORY_DEVICE, 100, &buffer));
    CHECK(!buffer->range.mapped == !strncmp(card, "discrete", 8));
    vkmoe_buffer_destroy(&buffer);
    CHECK_OK(vkmoe_buffer_create_kind(device, MEMORY_UPLOAD, 100, &buffer));
    CHECK(buffer->range.mapped);
    vkmoe_buffer_destroy(&buffer);
    CHECK_OK(vkmoe_buffer_create_kind(device, MEMORY_DOWNLOAD, 100, &buffer));
    CHECK(buffer->range.mapped && buffer->range.host_cached == !is("unified"));
    vkmoe_buffer_destroy(&buffer);
    vkmoe_device_destroy(&device);
    return true;
fail:
    vkmoe_buffer_destroy(&buffer);
    vkmoe_device_destroy(&device);
    return false;
}

static void fill(unsigned char *bytes, size_t size, uint64_t seed)
{
    struct rng rng = { seed };
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)rng_next(&rng);
}

// Takes all there is in buffers of a size, none of which is another's.
static bool exhaust(vkmoe_device *device, size_t size, uint32_t *count)
{
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
        fill(data, size, i + 1);
        CHECK_OK(vkmoe_buffer_upload(buffers[i], 0, data, size));
    }
    for (uint32_t i = 0; i < *count; i++) {
        fill(data, size, i + 1);
        CHECK_OK(vkmoe_buffer_download(buffers[i], 0, back, size));
        CHECK(!memcmp(data, back, size));
    }
    for (uint32_t i = 0; i < *count; i++)
        vkmoe_buffer_destroy(&buffers[i]);
    free(data);
    free(back);
    return true;
fail:
    tap_note("%u buffers of %zu bytes; log: %s", *count, size, record.last);
    for (uint32_t i = 0; i < *count; i++)
        vkmoe_buffer_destroy(&buffers[i]);
    free(data);
    free(back);
    return false;
}

// When the card's memory is full, the window's is taken; and all that was given back.
static bool test_exhaustion(void)
{
    static const size_t sizes[] = { 3 * MiB, 5 * MiB + 3, 17 * MiB, 3 * MiB };
    vkmoe_device *device = NULL;
    uint32_t count;
    CHECK(open_device(&device));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        CHECK(exhaust(device, sizes[i], &count));
        const uint64_t taken = count * sizes[i];
        CHECK(taken > DEVICE_HEAP / 5 * 4); // the ends of blocks are lost
        CHECK(!is("discrete-bar") || sizes[i] > 3 * MiB || taken > DEVICE_HEAP);
    }
    vkmoe_device_destroy(&device);
    return true;
fail:
    vkmoe_device_destroy(&device);
    return false;
}

// A limit for one allocation, with much more memory than that.
static bool test_limit(void)
{
    vkmoe_device *device = NULL;
    vkmoe_buffer *buffer = NULL;
    CHECK(open_device(&device));
    const uint64_t most = vkmoe_memory_max_size(&device->gpu);
    CHECK(most < MAX_ALLOCATION && most > MAX_ALLOCATION - MiB);
    CHECK_OK(vkmoe_buffer_create(device, most, &buffer));
    vkmoe_buffer_destroy(&buffer);
    CHECK(!record.lines[VKMOE_LOG_ERROR] && !record.lines[VKMOE_LOG_WARNING]);
    CHECK_STATUS(VKMOE_ERROR_UNSUPPORTED, vkmoe_buffer_create(device, most + 1, &buffer));
    CHECK(record.lines[VKMOE_LOG_ERROR] == 1);
    vkmoe_device_destroy(&device);
    return true;
fail:
    vkmoe_buffer_destroy(&buffer);
    vkmoe_device_destroy(&device);
    return false;
}

// A limit for the number of allocations, which staging buffers have one of each.
static bool test_count(void)
{
    vkmoe_device *device = NULL;
    vkmoe_buffer *buffers[MAX_ALLOCATIONS + 1] = { 0 };
    enum vkmoe_status status = VKMOE_OK;
    uint32_t count = 0;
    CHECK(open_device(&device));
    while (count <= MAX_ALLOCATIONS && status == VKMOE_OK) {
        status = vkmoe_buffer_create_kind(device, MEMORY_UPLOAD, 1, &buffers[count]);
        count += status == VKMOE_OK;
    }
    CHECK_STATUS(VKMOE_ERROR_OUT_OF_MEMORY, status);
    CHECK(count == MAX_ALLOCATIONS - 1 && record.lines[VKMOE_LOG_ERROR] == 1); // and the dummy
    while (count)
        vkmoe_buffer_destroy(&buffers[--count]);
    vkmoe_device_destroy(&device);
    return true;
fail:
    tap_note("%u buffers, %u lines; log: %s", count, record.lines[VKMOE_LOG_ERROR], record.last);
    while (count)
        vkmoe_buffer_destroy(&buffers[--count]);
    vkmoe_device_destroy(&device);
    return false;
}

static bool test_forward(void)
{
    static struct tiny_layer tiny;
    float back[TINY_TOKENS * TINY_HIDDEN];
    vkmoe_device *device = NULL;
    vkmoe_stream *stream = NULL;
    vkmoe_moe *layer = NULL;
    vkmoe_buffer *x = NULL, *y = NULL;
    bool ok = false;
    tiny_layer_init(&tiny, 3);
    CHECK(open_device(&device));
    CHECK_OK(vkmoe_stream_create(device, &stream));
    CHECK_OK(tiny_layer_create(&tiny, device, &layer));
    CHECK_OK(vkmoe_buffer_create(device, TINY_SIZE, &x));
    CHECK_OK(vkmoe_buffer_create(device, TINY_SIZE, &y));
    CHECK_OK(vkmoe_buffer_upload(x, 0, tiny.x, TINY_SIZE));
    CHECK_OK(tiny_layer_forward(stream, layer, x, y));
    CHECK_OK(vkmoe_stream_submit(stream, NULL));
    CHECK_OK(vkmoe_stream_wait(stream, UINT64_MAX));
    CHECK_OK(vkmoe_buffer_download(y, 0, back, TINY_SIZE));
    ok = tiny_layer_check(&tiny, back) && !record.lines[VKMOE_LOG_ERROR];
fail:
    if (!ok)
        tap_note("log: %s", record.last);
    vkmoe_buffer_destroy(&x);
    vkmoe_buffer_destroy(&y);
    vkmoe_moe_destroy(&layer);
    vkmoe_stream_destroy(&stream);
    vkmoe_device_destroy(&device);
    return ok;
}

int main(int argc, char **argv)
{
    static const struct test tests[] = {
        { "kinds", test_kinds },
        { "exhaustion", test_exhaustion },
        { "limit", test_limit },
        { "count", test_count },
        { "forward", test_forward },
    };
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
    run_tests(&tap, tests, sizeof tests / sizeof *tests);
    return tap_end(&tap);
}
