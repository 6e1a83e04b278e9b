// memory.c - what a driver whose memory the host sees never gets to do through the public
// API: copies through staging, and the pipeline cache.
#include "check.h"
#include "device/transfer.h"
#include "random.h"
#include "tiny_layer.h"

#define MiB ((size_t)1 << 20)

static struct record record;

static enum vkmoe_status open_cached(const void *cache, size_t cache_size, vkmoe_device **out)
{
    return vkmoe_device_create(
        &(struct vkmoe_device_params){
            VKMOE_INIT(vkmoe_device_params),
            .log = { record_line, &record, VKMOE_LOG_DEBUG },
            .select = device_under_test(),
            .validate = getenv("VK_INSTANCE_LAYERS") != NULL, // tests/drivers.sh found the layer
            .cache = cache,
            .cache_size = cache_size,
            .no_self_test = true,
        },
        out);
}

// A buffer that is said not to be visible to the host.
static enum vkmoe_status create_hidden(vkmoe_device *device, uint64_t size, vkmoe_buffer **out)
{
    enum vkmoe_status status = vkmoe_buffer_create(device, size, out);
    if (status == VKMOE_OK)
        (*out)->range.mapped = NULL;
    return status;
}

static bool test_staging(void)
{
    bool ok = false;
    static const size_t ranges[][2] = { { 1, 1 }, { 3, 4099 }, { 1, 8 * MiB }, { 5, 8 * MiB + 1 },
        { 0, 16 * MiB }, { 7, 24 * MiB + 11 }, { 25 * MiB - 1, 1 } };
    const size_t size = 25 * MiB;
    vkmoe_device *device = NULL;
    vkmoe_buffer *buffer = NULL;
    unsigned char *shadow = malloc(size), *back = malloc(size);
    struct rng rng = { 11 };
    CHECK(shadow && back);
    for (size_t i = 0; i < size; i++)
        shadow[i] = (unsigned char)rng_next(&rng);
    CHECK_OK(open_cached(NULL, 0, &device));
    CHECK_OK(create_hidden(device, size, &buffer));
    CHECK_OK(vkmoe_buffer_upload(buffer, 0, shadow, size));
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        unsigned char *part = shadow + ranges[i][0];
        for (size_t j = 0; j < ranges[i][1]; j++)
            part[j] = (unsigned char)~part[j];
        CHECK_OK(vkmoe_buffer_upload(buffer, ranges[i][0], part, ranges[i][1]));
        memset(back, 0, size);
        CHECK_OK(vkmoe_buffer_download(buffer, ranges[i][0], back, ranges[i][1]));
        CHECK(!memcmp(back, part, ranges[i][1]));
        CHECK_OK(vkmoe_buffer_download(buffer, 0, back, size));
        CHECK(!memcmp(back, shadow, size));
    }
    CHECK_OK(vkmoe_buffer_clear(buffer, 4, MiB));
    memset(shadow + 4, 0, MiB);
    CHECK_OK(vkmoe_buffer_download(buffer, 0, back, size));
    CHECK(!memcmp(back, shadow, size));
    ok = true;
fail:
    vkmoe_buffer_destroy(&buffer);
    vkmoe_device_destroy(&device);
    free(shadow);
    free(back);
    return ok;
}

struct producer {
    uint64_t next; // pieces come in order and without gaps
    bool ok;
};

static void produce(void *user, uint64_t offset, void *to, uint64_t size)
{
    struct producer *producer = user;
    producer->ok = producer->ok && offset == producer->next;
    producer->next = offset + size;
    for (uint64_t i = 0; i < size; i++)
        ((unsigned char *)to)[i] = (unsigned char)((offset + i) * 7 >> 3);
}

static bool test_upload_with(void)
{
    const size_t size = 17 * MiB + 5, offset = 3;
    vkmoe_device *device = NULL;
    vkmoe_buffer *buffer = NULL;
    unsigned char *back = malloc(size);
    CHECK(back);
    CHECK_OK(open_cached(NULL, 0, &device));
    for (int hidden = 0; hidden < 2; hidden++) {
        struct producer producer = { 0, true };
        CHECK_OK(hidden ? create_hidden(device, size + 8, &buffer)
                        : vkmoe_buffer_create(device, size + 8, &buffer));
        CHECK_OK(vkmoe_buffer_upload_with(buffer, offset, size, produce, &producer));
        CHECK(producer.ok && producer.next == size);
        CHECK_OK(vkmoe_buffer_download(buffer, offset, back, size));
        for (size_t i = 0; i < size; i++)
            CHECK(back[i] == (unsigned char)(i * 7 >> 3));
        vkmoe_buffer_destroy(&buffer);
    }
    vkmoe_device_destroy(&device);
    free(back);
    return true;
fail:
    vkmoe_buffer_destroy(&buffer);
    vkmoe_device_destroy(&device);
    free(back);
    return false;
}

static bool test_dummy(void)
{
    bool ok = false;
    vkmoe_device *device = NULL;
    CHECK_OK(open_cached(NULL, 0, &device));
    CHECK(vkmoe_device_dummy_address(device) && vkmoe_device_dummy_address(device) % 256 == 0);
    CHECK(vkmoe_memory_max_size(&device->gpu) >= 64 * MiB);
    ok = true;
fail:
    vkmoe_device_destroy(&device);
    return ok;
}

// ----------------------------------------------------------------- pipeline cache

static bool get_cache(unsigned char **cache, size_t *size)
{
    bool ok = false;
    vkmoe_device *device = NULL;
    unsigned char few[8];
    size_t room = sizeof few;
    memset(few, 0xee, sizeof few);
    CHECK_OK(open_cached(NULL, 0, &device));
    CHECK(tiny_layer_works(device, 5, create_hidden));
    *size = 0;
    CHECK_OK(vkmoe_device_get_cache(device, NULL, size));
    CHECK(*size > sizeof few);
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_device_get_cache(device, few, &room));
    CHECK(room >= *size && few[0] == 0xee && few[7] == 0xee);
    room = *size - 1;
    *cache = malloc(*size);
    CHECK(*cache);
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_device_get_cache(device, *cache, &room));
    CHECK_OK(vkmoe_device_get_cache(device, *cache, size));
    ok = true;
fail:
    vkmoe_device_destroy(&device);
    return ok;
}

// Whether the device says that it ignored the cache.
static bool opens(const void *cache, size_t size, bool *ignored)
{
    bool ok = false;
    vkmoe_device *device = NULL;
    const uint32_t errors = record.lines[VKMOE_LOG_ERROR] + record.lines[VKMOE_LOG_WARNING];
    const uint32_t before = record.ignored_caches;
    CHECK_OK(open_cached(cache, size, &device));
    *ignored = record.ignored_caches != before;
    vkmoe_device_destroy(&device);
    CHECK(record.lines[VKMOE_LOG_ERROR] + record.lines[VKMOE_LOG_WARNING] == errors);
    ok = true;
fail:
    vkmoe_device_destroy(&device);
    return ok;
}

static bool test_cache(void)
{
    bool ok = false;
    unsigned char *cache = NULL, *damaged = NULL;
    size_t size;
    bool ignored;
    CHECK(get_cache(&cache, &size));
    CHECK(opens(cache, size, &ignored) && !ignored);
    CHECK(opens(NULL, size, &ignored) && !ignored);
    CHECK(opens(cache, 0, &ignored) && !ignored);
    CHECK(damaged = malloc(size + 1));
    const size_t cuts[] = { 1, 7, 8, 55, 56, 57, size / 2, size - 1, size + 1 };
    memcpy(damaged, cache, size);
    damaged[size] = 0;
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++)
        CHECK(opens(damaged, cuts[i], &ignored) && ignored);
    for (size_t i = 0; i < size; i += i < 64 ? 3 : size / 16 + 1) {
        damaged[i] ^= 0x10;
        CHECK(opens(damaged, size, &ignored) && ignored);
        damaged[i] ^= 0x10;
    }
    ok = true;
fail:
    free(cache);
    free(damaged);
    return ok;
}

static bool test_validation(void)
{
    return !record.validation; // it was noted, line by line
}

TESTS_MAIN(ON_DEVICE, { "staging", test_staging }, { "upload-with", test_upload_with },
    { "dummy", test_dummy }, { "pipeline-cache", test_cache },
    { "validation-is-silent", test_validation })
