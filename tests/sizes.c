// sizes.c - X_size() says what an object takes of the device's memory: exactly what the
// library's own books say is gone, and what the driver was asked for but for shared blocks.
//
// Environment: harness.h.
#include <inttypes.h>
#include <stdlib.h>
#include <vkmoe/model.h>

#include "attention_cases.h"
#include "harness.h"
#include "layer_cases.h"
#include "device/transfer.h"
#include "whole_checkpoints.h"

#define MiB ((uint64_t)1 << 20)
#define SHARED_BLOCK (64 * MiB + MiB) // the largest that buffers share, with its padding

// Makes an object, says its size, destroys it.
struct maker {
    bool (*make)(void *user);
    uint64_t (*size)(const void *user);
    void (*destroy)(void *user);
    void *user;
};

// What vkAllocateMemory was asked for since it was last 0.
static PFN_vkAllocateMemory real_allocate;
static uint64_t asked;

static VKAPI_ATTR VkResult VKAPI_CALL count_allocated(VkDevice device,
    const VkMemoryAllocateInfo *info, const VkAllocationCallbacks *callbacks, VkDeviceMemory *out)
{
    const VkResult result = real_allocate(device, info, callbacks, out);
    if (result == VK_SUCCESS)
        asked += info->allocationSize;
    return result;
}

static bool check(vkmoe_device *device, const struct maker *maker)
{
    // The first time may leave behind what the device keeps: staging, pipelines.
    if (!maker->make(maker->user))
        return false;
    maker->destroy(maker->user);
    const struct memory_usage before = vkmoe_memory_usage(device->memory);
    asked = 0;
    if (!maker->make(maker->user))
        return false;
    const uint64_t size = maker->size(maker->user), allocated = asked;
    const struct memory_usage during = vkmoe_memory_usage(device->memory);
    maker->destroy(maker->user);
    const struct memory_usage after = vkmoe_memory_usage(device->memory);
    const uint64_t taken = during.taken - before.taken;
    const uint64_t gap = allocated > size ? allocated - size : size - allocated;
    if (size != taken)
        tap_note("it says %" PRIu64 ", %" PRIu64 " were taken", size, taken);
    if (during.allocated - before.allocated != allocated)
        tap_note("%" PRIu64 " were asked for, %" PRIu64 " are in the books", allocated,
            during.allocated - before.allocated);
    if (gap > SHARED_BLOCK)
        tap_note("it says %" PRIu64 ", %" PRIu64 " were asked for", size, allocated);
    if (after.taken != before.taken || after.allocated != before.allocated)
        tap_note("%" PRIu64 " stay behind", after.taken - before.taken);
    return size && size == taken && during.allocated - before.allocated == allocated
        && gap <= SHARED_BLOCK && after.taken == before.taken
        && after.allocated == before.allocated;
}

// The functions of a struct maker for a struct NOUN_subject, whose `object` is made with these
// arguments.
#define SUBJECT_FUNCTIONS(noun, object_, ...) \
    static bool make_##noun(void *user) \
    { \
        struct noun##_subject *s = user; \
        return is_ok(object_##_create(__VA_ARGS__, &s->object), #object_ "_create"); \
    } \
    static uint64_t noun##_size(const void *user) \
    { \
        return object_##_device_size(((const struct noun##_subject *)user)->object); \
    } \
    static void destroy_##noun(void *user) \
    { \
        object_##_destroy(&((struct noun##_subject *)user)->object); \
    }

// Of what is made of params alone: the struct as well, and check_NOUN().
#define SUBJECT(noun, object_) \
    struct noun##_subject { \
        vkmoe_device *device; \
        const struct object_##_params *params; \
        object_ *object; \
    }; \
    SUBJECT_FUNCTIONS(noun, object_, s->device, s->params) \
    static bool check_##noun(vkmoe_device *device, const struct object_##_params *params) \
    { \
        struct noun##_subject s = { .device = device, .params = params }; \
        return check(device, &(struct maker){ make_##noun, noun##_size, destroy_##noun, &s }); \
    }

// ------------------------------------------------------------------------------- layers

SUBJECT(layer, vkmoe_moe)

// Of matrices that are alone in their allocations: these whole, and the books to the byte.
static bool check_large_layer(vkmoe_device *device)
{
    const uint64_t hidden = 2048, inner = 2050;
    float *zeros = calloc(hidden * inner, sizeof *zeros);
    if (!zeros)
        return false;
    const struct vkmoe_view views[3] = { { .data = zeros }, { .data = zeros }, { .data = zeros } };
    const struct vkmoe_moe_params params = {
        VKMOE_INIT(vkmoe_moe_params),
        .hidden = (uint32_t)hidden,
        .inner = (uint32_t)inner,
        .experts = 3,
        .experts_per_token = 1,
        .router.weight.data = zeros,
        .up = views,
        .down = views,
        .down_bias.data = zeros,
    };
    struct layer_subject s = { .device = device, .params = &params };
    bool ok = check_layer(device, &params) && make_layer(&s);
    // All but the padding of rows and columns to whole tiles: six of 16 MiB and a little.
    const uint64_t least = 6 * hidden * inner * sizeof *zeros, size = layer_size(&s);
    if (ok && (size < least + 6 * TAIL_PADDING || size > least + least / 8)) {
        tap_note("it says %" PRIu64 ", expected a little more than %" PRIu64, size, least);
        ok = false;
    }
    destroy_layer(&s);
    free(zeros);
    return ok;
}

// ---------------------------------------------------------------------------- attention

SUBJECT(attention, vkmoe_attention)

// ------------------------------------------------------------------------------- caches

struct cache_subject {
    vkmoe_device *device;
    struct vkmoe_cache_params params;
    vkmoe_cache *object;
};

SUBJECT_FUNCTIONS(cache, vkmoe_cache, s->device, &s->params)

#define CACHE(name, kv_heads_, head_size_, sequences_, capacity_, ...) \
    { \
        name, \
        { \
            VKMOE_INIT(vkmoe_cache_params), .kv_heads = kv_heads_, .head_size = head_size_, \
                                            .sequences = sequences_, .capacity = capacity_, \
                                            __VA_ARGS__ \
        } \
    }
static const struct {
    const char *name;
    struct vkmoe_cache_params params;
} caches[] = {
    CACHE("small", 1, 1, 1, 1, .dtype = VKMOE_DTYPE_F32),
    CACHE("odd", 3, 7, 5, 11, .dtype = VKMOE_DTYPE_F16),
    CACHE("blocks", 2, 64, 2, 1000, .block = 32),
    CACHE("just-shared", 8, 64, 1, 8191, .dtype = VKMOE_DTYPE_F32),
    CACHE("alone", 8, 64, 1, 8192, .dtype = VKMOE_DTYPE_F32),
    CACHE("bytes-and-scales", 2, 80, 3, 1000, .dtype = VKMOE_DTYPE_Q8_0),
    CACHE("large", 8, 128, 2, 9000, .dtype = VKMOE_DTYPE_F16, .block = 8),
};

// ----------------------------------------------------------------------------- networks

struct network_subject {
    vkmoe_device *device;
    vkmoe_checkpoint *model;
    struct vkmoe_model_params params;
    vkmoe_model *object;
};

SUBJECT_FUNCTIONS(network, vkmoe_model, s->device, s->model, &s->params)

static bool check_network(vkmoe_device *device, const char *family, uint64_t seed)
{
    struct whole_checkpoint checkpoint;
    struct network_subject s = {
        .device = device,
        .params = { VKMOE_INIT(vkmoe_model_params), .sequences = 2, .capacity = 40, .chunk = 24,
            .encoder_capacity = 20 },
    };
    bool ok = whole_checkpoint_write(family, seed, &checkpoint)
        && is_ok(vkmoe_checkpoint_open(checkpoint.path, NULL, &s.model), "vkmoe_checkpoint_open")
        && check(device, &(struct maker){ make_network, network_size, destroy_network, &s });
    vkmoe_checkpoint_destroy(&s.model);
    whole_checkpoint_finish(&checkpoint);
    return ok;
}

// --------------------------------------------------------------------------------- main

static void run(struct tap *tap, const char *group, const char *name,
    bool (*test)(vkmoe_device *device, const void *user, uint64_t seed), vkmoe_device *device,
    const void *user)
{
    char full[128];
    snprintf(full, sizeof full, "%s/%s", group, name);
    if (tap_wants(tap, full))
        tap_result(tap, test(device, user, tap->seed), full);
}

static bool test_layer(vkmoe_device *device, const void *user, uint64_t seed)
{
    struct layer_data data;
    layer_data_init(&data, user, seed, false);
    const bool ok = check_layer(device, &data.params);
    layer_data_finish(&data);
    return ok;
}

static bool test_large_layer(vkmoe_device *device, const void *user, uint64_t seed)
{
    (void)user, (void)seed;
    return check_large_layer(device);
}

static bool test_attention(vkmoe_device *device, const void *user, uint64_t seed)
{
    struct attention_data data;
    attention_data_init(&data, user, seed);
    const bool ok = check_attention(device, &data.params);
    attention_data_finish(&data);
    return ok;
}

static bool test_cache(vkmoe_device *device, const void *user, uint64_t seed)
{
    (void)seed;
    struct cache_subject s = { .device = device,
        .params = *(const struct vkmoe_cache_params *)user };
    return check(device, &(struct maker){ make_cache, cache_size, destroy_cache, &s });
}

static bool test_network(vkmoe_device *device, const void *user, uint64_t seed)
{
    return check_network(device, user, seed);
}

static void check_all(struct tap *tap, struct harness *harness)
{
    vkmoe_device *device = harness->device;
    if (device) {
        real_allocate = device->gpu.vk.AllocateMemory;
        device->gpu.vk.AllocateMemory = count_allocated;
    }
    for (const struct layer_case *c = layer_cases; c->name; c++)
        if (!(c->has & (CASE_SLOW | CASE_TIMED)))
            run(tap, "layer", c->name, test_layer, device, c);
    run(tap, "layer", "large", test_large_layer, device, NULL);
    for (const struct attention_case *c = attention_cases; c->name; c++)
        if (!(c->has & ATTENTION_SLOW))
            run(tap, "attention", c->name, test_attention, device, c);
    for (size_t i = 0; i < sizeof caches / sizeof *caches; i++)
        run(tap, "cache", caches[i].name, test_cache, device, &caches[i].params);
    for (uint32_t i = 0; whole_checkpoint_family(i); i++)
        run(tap, "network", whole_checkpoint_family(i), test_network, device,
            whole_checkpoint_family(i));
}

int main(int argc, char **argv)
{
    return harness_main(argc, argv, check_all);
}
