// faults.c - Vulkan calls that fail: whichever it is, the library says out of memory,
// leaves nothing behind (the validation layer would name it), and works the next time.
#include "check.h"
#include "stream.h"
#include "tiny_layer.h"

static struct record record;

// A device's table of functions is its own, so that these can be put into it.
static struct vk_device_table real;
static uint32_t calls, failing_call; // counted from 1; 0: none fails
static VkResult failure;

static bool fails(void)
{
    return ++calls == failing_call;
}

#define FALLIBLE(F)                                                                         \
    F(CreateBuffer, (VkDevice a, const VkBufferCreateInfo *b, const VkAllocationCallbacks *c, \
        VkBuffer *d), (a, b, c, d))                                                         \
    F(AllocateMemory, (VkDevice a, const VkMemoryAllocateInfo *b,                            \
        const VkAllocationCallbacks *c, VkDeviceMemory *d), (a, b, c, d))                    \
    F(BindBufferMemory, (VkDevice a, VkBuffer b, VkDeviceMemory c, VkDeviceSize d), (a, b, c, d)) \
    F(MapMemory, (VkDevice a, VkDeviceMemory b, VkDeviceSize c, VkDeviceSize d,              \
        VkMemoryMapFlags e, void **f), (a, b, c, d, e, f))                                  \
    F(CreateShaderModule, (VkDevice a, const VkShaderModuleCreateInfo *b,                    \
        const VkAllocationCallbacks *c, VkShaderModule *d), (a, b, c, d))                    \
    F(CreateComputePipelines, (VkDevice a, VkPipelineCache b, uint32_t c,                    \
        const VkComputePipelineCreateInfo *d, const VkAllocationCallbacks *e, VkPipeline *f), \
        (a, b, c, d, e, f))                                                                 \
    F(CreateCommandPool, (VkDevice a, const VkCommandPoolCreateInfo *b,                      \
        const VkAllocationCallbacks *c, VkCommandPool *d), (a, b, c, d))                     \
    F(AllocateCommandBuffers, (VkDevice a, const VkCommandBufferAllocateInfo *b,             \
        VkCommandBuffer *c), (a, b, c))                                                     \
    F(BeginCommandBuffer, (VkCommandBuffer a, const VkCommandBufferBeginInfo *b), (a, b))     \
    F(CreateSemaphore, (VkDevice a, const VkSemaphoreCreateInfo *b,                          \
        const VkAllocationCallbacks *c, VkSemaphore *d), (a, b, c, d))                       \
    F(CreateQueryPool, (VkDevice a, const VkQueryPoolCreateInfo *b,                          \
        const VkAllocationCallbacks *c, VkQueryPool *d), (a, b, c, d))                       \
    F(QueueSubmit2, (VkQueue a, uint32_t b, const VkSubmitInfo2 *c, VkFence d), (a, b, c, d))

#define F(name, parameters, arguments)                              \
    static VKAPI_ATTR VkResult VKAPI_CALL fallible_##name parameters \
    {                                                               \
        return fails() ? failure : real.name arguments;             \
    }
FALLIBLE(F)
#undef F

static enum vkmoe_status open_device(vkmoe_device **out)
{
    failing_call = 0;
    enum vkmoe_status status = vkmoe_device_create(&(struct vkmoe_device_params){
        .log = {record_line, &record, VKMOE_LOG_INFO},
        .select = device_under_test(),
        .validate = getenv("VK_INSTANCE_LAYERS") != NULL, // tests/drivers.sh found the layer
    }, out);
    if (status != VKMOE_OK)
        return status;
    real = (*out)->vk;
#define F(name, parameters, arguments) (*out)->vk.name = fallible_##name;
    FALLIBLE(F)
#undef F
    return VKMOE_OK;
}

// All there is to a forward.
static enum vkmoe_status forward(vkmoe_device *device, const struct tiny_layer *tiny, float *y_out)
{
    vkmoe_stream *stream = NULL;
    vkmoe_layer *layer = NULL;
    vkmoe_buffer *x = NULL, *y = NULL;
    enum vkmoe_status status;
    (void)((status = vkmoe_stream_create(device, &stream))
        || (status = tiny_layer_create(tiny, device, &layer))
        || (status = vkmoe_buffer_create(device, TINY_SIZE, &x))
        || (status = vkmoe_buffer_create(device, TINY_SIZE, &y))
        || (status = vkmoe_buffer_upload(x, 0, tiny->x, TINY_SIZE))
        || (status = vkmoe_stream_reserve(stream, 12345))
        || (status = vkmoe_stream_timestamp(stream, 0))
        || (status = tiny_layer_forward(stream, layer, x, y))
        || (status = vkmoe_stream_submit(stream, NULL))
        || (status = vkmoe_stream_repeat(stream, NULL))
        || (status = vkmoe_stream_wait(stream, UINT64_MAX))
        || (status = vkmoe_buffer_download(y, 0, y_out, TINY_SIZE)));
    vkmoe_buffer_destroy(&x);
    vkmoe_buffer_destroy(&y);
    vkmoe_layer_destroy(&layer);
    vkmoe_stream_destroy(&stream);
    return status;
}

// There and back through staging, in three pieces, from a block of its own.
static enum vkmoe_status copy(vkmoe_device *device, const struct tiny_layer *tiny, float *y_out)
{
    const size_t size = (size_t)20 << 20;
    vkmoe_buffer *buffer = NULL;
    char *data = calloc(1, size);
    enum vkmoe_status status = vkmoe_buffer_create(device, size, &buffer);
    if (status == VKMOE_OK) {
        buffer->mapped = NULL;
        memcpy(data + size - TINY_SIZE, tiny->expected, TINY_SIZE);
        (void)((status = vkmoe_buffer_upload(buffer, 0, data, size))
            || (status = vkmoe_buffer_clear(buffer, 0, 4))
            || (status = vkmoe_buffer_download(buffer, 0, data, size)));
        memcpy(y_out, data + size - TINY_SIZE, TINY_SIZE);
    }
    vkmoe_buffer_destroy(&buffer);
    free(data);
    return status;
}

static bool sweep(enum vkmoe_status (*run)(vkmoe_device *device, const struct tiny_layer *tiny,
    float *y))
{
    struct tiny_layer tiny;
    float y[TINY_TOKENS * TINY_HIDDEN];
    vkmoe_device *device = NULL;
    uint32_t failed = 0, survived = 0;
    tiny_layer_init(&tiny, 9);
    failure = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    for (uint32_t call = 1;; call++) {
        CHECK_OK(open_device(&device)); // a new one: pipelines and staging are kept
        calls = 0;
        failing_call = call;
        enum vkmoe_status status = run(device, &tiny, y);
        const bool reached = calls >= call;
        failing_call = 0;
        if (status != VKMOE_OK)
            CHECK_STATUS(VKMOE_ERROR_OUT_OF_MEMORY, status);
        else
            CHECK(tiny_layer_check(&tiny, y)); // there was another way
        failed += status != VKMOE_OK;
        survived += reached && status == VKMOE_OK;
        CHECK_OK(run(device, &tiny, y));
        CHECK(tiny_layer_check(&tiny, y));
        vkmoe_device_destroy(&device);
        CHECK(!record.validation);
        if (!reached)
            break;
    }
    tap_note("%u failing calls were felt, %u were not", failed, survived);
    return true;
fail:
    failing_call = 0;
    vkmoe_device_destroy(&device);
    tap_note("log: %s", record.last);
    return false;
}

static bool test_forward(void)
{
    return sweep(forward);
}

static bool test_copy(void)
{
    return sweep(copy);
}

// The work that a failed submit leaves can be submitted again.
static bool test_submit_again(void)
{
    struct tiny_layer tiny;
    float actual[TINY_TOKENS * TINY_HIDDEN];
    vkmoe_device *device = NULL;
    vkmoe_stream *stream = NULL;
    vkmoe_layer *layer = NULL;
    vkmoe_buffer *x = NULL, *y = NULL;
    tiny_layer_init(&tiny, 9);
    CHECK_OK(open_device(&device));
    CHECK_OK(vkmoe_stream_create(device, &stream));
    CHECK_OK(tiny_layer_create(&tiny, device, &layer));
    CHECK_OK(vkmoe_buffer_create(device, TINY_SIZE, &x));
    CHECK_OK(vkmoe_buffer_create(device, TINY_SIZE, &y));
    CHECK_OK(vkmoe_buffer_upload(x, 0, tiny.x, TINY_SIZE));
    CHECK_OK(tiny_layer_forward(stream, layer, x, y));
    failure = VK_ERROR_OUT_OF_HOST_MEMORY;
    calls = 0;
    failing_call = 1;
    CHECK_STATUS(VKMOE_ERROR_OUT_OF_MEMORY, vkmoe_stream_submit(stream, NULL));
    CHECK_OK(tiny_layer_forward(stream, layer, x, y)); // more may follow before the retry
    CHECK_OK(vkmoe_stream_submit(stream, NULL));
    CHECK_OK(vkmoe_stream_wait(stream, UINT64_MAX));
    CHECK_OK(vkmoe_buffer_download(y, 0, actual, TINY_SIZE));
    CHECK(tiny_layer_check(&tiny, actual));
    // A repetition is a submit and nothing else; one that fails can be tried again.
    for (uint32_t call = 0; call < 3; call++) {
        memset(actual, 0xff, sizeof actual);
        CHECK_OK(vkmoe_buffer_upload(y, 0, actual, TINY_SIZE));
        calls = 0;
        failing_call = call == 1;
        if (call == 1)
            CHECK_STATUS(VKMOE_ERROR_OUT_OF_MEMORY, vkmoe_stream_repeat(stream, NULL));
        else
            CHECK_OK(vkmoe_stream_repeat(stream, NULL));
        CHECK(calls == 1);
        CHECK_OK(vkmoe_stream_wait(stream, UINT64_MAX));
        CHECK_OK(vkmoe_buffer_download(y, 0, actual, TINY_SIZE));
        CHECK(call == 1 || tiny_layer_check(&tiny, actual));
    }
    // A lost device stays lost, whatever is asked of it, and is destroyed all the same.
    CHECK_OK(tiny_layer_forward(stream, layer, x, y));
    failure = VK_ERROR_DEVICE_LOST;
    calls = 0;
    failing_call = 1;
    CHECK_STATUS(VKMOE_ERROR_DEVICE_LOST, vkmoe_stream_submit(stream, NULL));
    CHECK_STATUS(VKMOE_ERROR_DEVICE_LOST, vkmoe_stream_submit(stream, NULL));
    CHECK_STATUS(VKMOE_ERROR_DEVICE_LOST, vkmoe_stream_wait(stream, UINT64_MAX));
    CHECK_STATUS(VKMOE_ERROR_DEVICE_LOST, tiny_layer_forward(stream, layer, x, y));
    CHECK_STATUS(VKMOE_ERROR_DEVICE_LOST, vkmoe_buffer_upload(x, 0, tiny.x, TINY_SIZE));
    CHECK_STATUS(VKMOE_ERROR_DEVICE_LOST, vkmoe_buffer_download(y, 0, actual, TINY_SIZE));
    vkmoe_buffer_destroy(&x);
    vkmoe_buffer_destroy(&y);
    vkmoe_layer_destroy(&layer);
    vkmoe_stream_destroy(&stream);
    vkmoe_device_destroy(&device);
    CHECK(!record.validation);
    return true;
fail:
    failing_call = 0;
    vkmoe_buffer_destroy(&x);
    vkmoe_buffer_destroy(&y);
    vkmoe_layer_destroy(&layer);
    vkmoe_stream_destroy(&stream);
    vkmoe_device_destroy(&device);
    return false;
}

int main(int argc, char **argv)
{
    static const struct test tests[] = {
        {"out-of-memory-forward", test_forward},
        {"out-of-memory-copy", test_copy},
        {"submit-fails", test_submit_again},
    };
    struct tap tap;
    if (!tap_begin(&tap, argc, argv))
        return 2;
    if (!tap.list && !has_device())
        return tap_skip_all(&tap, "no Vulkan device can be used");
    run_tests(&tap, tests, sizeof tests / sizeof *tests);
    return tap_end(&tap);
}
