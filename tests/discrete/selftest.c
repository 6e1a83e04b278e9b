// selftest.c - that the layer plays the card that it says: a test on a card that forgives
// everything would find nothing.
//
//     selftest LAYERS CARD
#define VOLK_IMPLEMENTATION
#include <volk.h>

#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "check.h"
#include "use.h"

#define MiB ((VkDeviceSize)1 << 20)
#define MAX_FAMILIES 4
#define ATOM 256

struct bench {
    VkInstance instance;
    VkPhysicalDevice physical;
    VkDevice device;
    VkPhysicalDeviceMemoryProperties memory;
    VkQueueFamilyProperties families[MAX_FAMILIES];
    uint32_t family_count;
    VkQueue queues[MAX_FAMILIES];
};

static struct bench b;
static FILE *told; // what the layer says on stderr

// Whether it told anything since the last call.
static bool complained(void)
{
    char text[1000] = "";
    rewind(told);
    text[fread(text, 1, sizeof text - 1, told)] = '\0';
    rewind(told);
    return ftruncate(fileno(told), 0) == 0 && strstr(text, "UNASSIGNED-vkmoe-discrete");
}

static bool open_vulkan(void)
{
    uint32_t one = 1;
    const float priorities[2] = { 1, 1 };
    VkDeviceQueueCreateInfo infos[MAX_FAMILIES];
    const char *extension = VK_EXT_MEMORY_BUDGET_EXTENSION_NAME;
    if (volkInitialize() != VK_SUCCESS)
        return false;
    const VkApplicationInfo application = { VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .apiVersion = VK_API_VERSION_1_3 };
    const VkInstanceCreateInfo instance = { VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pApplicationInfo = &application };
    CHECK(vkCreateInstance(&instance, NULL, &b.instance) == VK_SUCCESS);
    volkLoadInstance(b.instance);
    if (vkEnumeratePhysicalDevices(b.instance, &one, &b.physical) < 0 || !one)
        return false;
    vkGetPhysicalDeviceMemoryProperties(b.physical, &b.memory);
    b.family_count = MAX_FAMILIES;
    vkGetPhysicalDeviceQueueFamilyProperties(b.physical, &b.family_count, b.families);
    for (uint32_t i = 0; i < b.family_count; i++)
        infos[i] = (VkDeviceQueueCreateInfo){
            .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
            .queueFamilyIndex = i,
            .queueCount = 2,
            .pQueuePriorities = priorities,
        };
    CHECK(vkCreateDevice(b.physical,
              &(VkDeviceCreateInfo){
                  .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                  .queueCreateInfoCount = b.family_count,
                  .pQueueCreateInfos = infos,
                  .enabledExtensionCount = 1,
                  .ppEnabledExtensionNames = &extension,
              },
              NULL, &b.device)
        == VK_SUCCESS);
    volkLoadDevice(b.device);
    for (uint32_t i = 0; i < b.family_count; i++)
        vkGetDeviceQueue(b.device, i, 1, &b.queues[i]);
    return true;
fail:
    return false;
}

static VkResult allocate(uint32_t type, VkDeviceSize size, VkDeviceMemory *out)
{
    return vkAllocateMemory(b.device,
        &(VkMemoryAllocateInfo){
            .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
            .allocationSize = size,
            .memoryTypeIndex = type,
        },
        NULL, out);
}

static bool has(uint32_t type, VkMemoryPropertyFlags flags)
{
    return (b.memory.memoryTypes[type].propertyFlags & flags) == flags;
}

// --------------------------------------------------------------------------- tests

static bool test_description(void)
{
    VkPhysicalDeviceVulkan13Properties v13 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_PROPERTIES
    };
    VkPhysicalDeviceProperties2 p = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        .pNext = &v13 };
    const char *card = getenv("VKMOE_DISCRETE");
    const bool unified = !strncmp(card, "unified", 7);
    vkGetPhysicalDeviceProperties2(b.physical, &p);
    CHECK(p.properties.deviceType
        == (unified ? VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU
                    : VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU));
    CHECK(!strncmp(p.properties.deviceName, card, strlen(card)));
    CHECK(p.properties.limits.nonCoherentAtomSize == ATOM && v13.maxBufferSize == 32 * MiB);
    CHECK(b.memory.memoryHeapCount == (unified ? 1 : !strcmp(card, "discrete-bar") ? 3 : 2));
    uint32_t mappable = 0, hidden = 0, cached = 0, incoherent = 0;
    for (uint32_t i = 0; i < b.memory.memoryTypeCount; i++) {
        const bool visible = has(i, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT);
        mappable += visible && has(i, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
        hidden += !visible;
        cached += has(i, VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
        incoherent += visible && !has(i, VK_MEMORY_PROPERTY_HOST_COHERENT_BIT);
    }
    CHECK(hidden == !unified);
    CHECK(!mappable == (!strcmp(card, "discrete") || !strcmp(card, "discrete-noncoherent")));
    CHECK(!cached == !strcmp(card, "unified"));
    CHECK(incoherent == (strstr(card, "noncoherent") != NULL));
    return true;
fail:
    return false;
}

// One that is not of the host is not mapped, and nothing is zero.
static bool test_mapping(void)
{
    bool ok = false;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    for (uint32_t i = 0; i < b.memory.memoryTypeCount; i++) {
        const bool visible = has(i, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT);
        void *mapped = NULL;
        CHECK(allocate(i, MiB, &memory) == VK_SUCCESS);
        VkResult result = vkMapMemory(b.device, memory, 0, VK_WHOLE_SIZE, 0, &mapped);
        CHECK(result == (visible ? VK_SUCCESS : VK_ERROR_MEMORY_MAP_FAILED));
        CHECK(complained() == !visible);
        if (visible) {
            CHECK(((unsigned char *)mapped)[0] && ((unsigned char *)mapped)[MiB - 1]);
            vkUnmapMemory(b.device, memory);
        }
        vkFreeMemory(b.device, memory, NULL);
        memory = VK_NULL_HANDLE;
    }
    ok = true;
fail:
    vkFreeMemory(b.device, memory, NULL);
    return ok;
}

static bool check_budget(uint32_t heap, VkDeviceSize size, VkDeviceSize used)
{
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT
    };
    VkPhysicalDeviceMemoryProperties2 memory = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2, .pNext = &budget
    };
    vkGetPhysicalDeviceMemoryProperties2(b.physical, &memory);
    return budget.heapBudget[heap] == size && budget.heapUsage[heap] == used;
}

static bool test_heaps(void)
{
    VkDeviceMemory memory[64];
    uint32_t count = 0;
    for (uint32_t i = 0; i < b.memory.memoryTypeCount; i++) {
        const uint32_t heap = b.memory.memoryTypes[i].heapIndex;
        const VkDeviceSize size = b.memory.memoryHeaps[heap].size;
        CHECK(size == 64 * MiB && check_budget(heap, size, 0));
        VkResult result = VK_SUCCESS;
        while (count < 64 && (result = allocate(i, 5 * MiB, &memory[count])) == VK_SUCCESS)
            count++;
        CHECK(result == VK_ERROR_OUT_OF_DEVICE_MEMORY && count == 12);
        CHECK(check_budget(heap, size, 60 * MiB));
        while (count)
            vkFreeMemory(b.device, memory[--count], NULL);
    }
    return !complained();
fail:
    while (count)
        vkFreeMemory(b.device, memory[--count], NULL);
    return false;
}

static bool test_buffer_limit(void)
{
    bool ok = false;
    VkBuffer buffer = VK_NULL_HANDLE;
    VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = 32 * MiB,
        .usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT,
    };
    CHECK(vkCreateBuffer(b.device, &info, NULL, &buffer) == VK_SUCCESS && !complained());
    vkDestroyBuffer(b.device, buffer, NULL);
    buffer = VK_NULL_HANDLE;
    info.size++;
    CHECK(vkCreateBuffer(b.device, &info, NULL, &buffer) != VK_SUCCESS && complained());
    ok = true;
fail:
    vkDestroyBuffer(b.device, buffer, NULL);
    return ok;
}

struct area {
    VkBuffer buffer;
    VkDeviceMemory memory;
    unsigned char *mapped;
};

static bool area_init(struct area *a, uint32_t type)
{
    void *mapped;
    VkMemoryRequirements requirements;
    CHECK(vkCreateBuffer(b.device,
              &(VkBufferCreateInfo){
                  .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                  .size = 4 * ATOM,
                  .usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
              },
              NULL, &a->buffer)
        == VK_SUCCESS);
    vkGetBufferMemoryRequirements(b.device, a->buffer, &requirements);
    CHECK(requirements.memoryTypeBits == (1u << b.memory.memoryTypeCount) - 1);
    CHECK(allocate(type, 4 * ATOM, &a->memory) == VK_SUCCESS);
    CHECK(vkBindBufferMemory(b.device, a->buffer, a->memory, 0) == VK_SUCCESS);
    CHECK(vkMapMemory(b.device, a->memory, 0, VK_WHOLE_SIZE, 0, &mapped) == VK_SUCCESS);
    a->mapped = mapped;
    return true;
fail:
    return false;
}

static void area_finish(struct area *a)
{
    vkDestroyBuffer(b.device, a->buffer, NULL);
    vkFreeMemory(b.device, a->memory, NULL);
}

// By a queue of the last family that has transfers and nothing else, or of the last there is.
static bool copy(const struct area *from, const struct area *to)
{
    bool ok = false;
    VkCommandPool pool = VK_NULL_HANDLE;
    VkCommandBuffer commands;
    uint32_t family = b.family_count - 1;
    for (uint32_t i = 0; i < b.family_count; i++)
        if (b.families[i].queueFlags == VK_QUEUE_TRANSFER_BIT)
            family = i;
    CHECK(vkCreateCommandPool(b.device,
              &(VkCommandPoolCreateInfo){
                  .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                  .queueFamilyIndex = family,
              },
              NULL, &pool)
        == VK_SUCCESS);
    CHECK(vkAllocateCommandBuffers(b.device,
              &(VkCommandBufferAllocateInfo){
                  .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                  .commandPool = pool,
                  .commandBufferCount = 1,
              },
              &commands)
        == VK_SUCCESS);
    CHECK(vkBeginCommandBuffer(commands,
              &(VkCommandBufferBeginInfo){ .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO })
        == VK_SUCCESS);
    vkCmdCopyBuffer(commands, from->buffer, to->buffer, 1, &(VkBufferCopy){ .size = 4 * ATOM });
    CHECK(vkEndCommandBuffer(commands) == VK_SUCCESS);
    CHECK(vkQueueSubmit(b.queues[family], 1,
              &(VkSubmitInfo){
                  .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                  .commandBufferCount = 1,
                  .pCommandBuffers = &commands,
              },
              VK_NULL_HANDLE)
        == VK_SUCCESS);
    CHECK(vkQueueWaitIdle(b.queues[family]) == VK_SUCCESS);
    ok = true;
fail:
    vkDestroyCommandPool(b.device, pool, NULL);
    return ok;
}

typedef VkResult(VKAPI_PTR *range_function)(VkDevice, uint32_t, const VkMappedMemoryRange *);

static VkResult on_range(
    range_function call, const struct area *a, VkDeviceSize offset, VkDeviceSize size)
{
    return call(b.device, 1,
        &(VkMappedMemoryRange){
            .sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE,
            .memory = a->memory,
            .offset = offset,
            .size = size,
        });
}

// What the host did not flush or invalidate, it did not write or read, unless memory is coherent.
static bool check_coherence(uint32_t type)
{
    bool ok = false;
    const bool coherent = has(type, VK_MEMORY_PROPERTY_HOST_COHERENT_BIT);
    struct area from = { 0 }, to = { 0 };
    CHECK(area_init(&from, type) && area_init(&to, type));
    memset(from.mapped, 1, 4 * ATOM);
    CHECK(copy(&from, &to));
    CHECK((to.mapped[0] == 1) == coherent);
    CHECK(on_range(vkInvalidateMappedMemoryRanges, &to, 0, VK_WHOLE_SIZE) == VK_SUCCESS);
    CHECK((to.mapped[0] == 1) == coherent);
    CHECK(on_range(vkFlushMappedMemoryRanges, &from, ATOM, ATOM) == VK_SUCCESS);
    CHECK(copy(&from, &to));
    CHECK((to.mapped[ATOM] == 1) == coherent);
    CHECK(on_range(vkInvalidateMappedMemoryRanges, &to, 0, VK_WHOLE_SIZE) == VK_SUCCESS);
    CHECK(to.mapped[ATOM] == 1 && to.mapped[2 * ATOM - 1] == 1);
    CHECK((to.mapped[ATOM - 1] == 1) == coherent && (to.mapped[2 * ATOM] == 1) == coherent);
    CHECK(!complained());
    CHECK(on_range(vkFlushMappedMemoryRanges, &from, 4, VK_WHOLE_SIZE) != VK_SUCCESS);
    CHECK(complained());
    CHECK(on_range(vkInvalidateMappedMemoryRanges, &from, 0, ATOM + 4) != VK_SUCCESS);
    CHECK(complained());
    ok = true;
fail:
    if (!ok)
        tap_note("memory type %u", type);
    area_finish(&from);
    area_finish(&to);
    return ok;
}

static bool test_coherence(void)
{
    for (uint32_t i = 0; i < b.memory.memoryTypeCount; i++)
        if (has(i, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) && !check_coherence(i))
            return false;
    return true;
}

static bool test_queues(void)
{
    VkQueue nothing = VK_NULL_HANDLE;
    uint32_t computing = 0;
    for (uint32_t i = 0; i < b.family_count; i++) {
        CHECK(b.queues[i]);
        computing += (b.families[i].queueFlags & VK_QUEUE_COMPUTE_BIT) != 0;
        for (uint32_t j = 0; j < i; j++)
            CHECK(b.queues[i] != b.queues[j]);
    }
    CHECK(computing && !complained());
    vkGetDeviceQueue(b.device, 0, 2, &nothing);
    CHECK(!nothing && complained());
    return true;
fail:
    return false;
}

int main(int argc, char **argv)
{
    TEST_TABLE(tests, { "description", test_description }, { "mapping", test_mapping },
        { "heaps", test_heaps }, { "buffer-limit", test_buffer_limit },
        { "coherence", test_coherence }, { "queues", test_queues });
    struct tap tap;
    if (argc < 3 || !tap_begin(&tap, argc - 2, argv + 2))
        return 2;
    setenv("VKMOE_DISCRETE_DEVICE_HEAP", "64M", 1);
    setenv("VKMOE_DISCRETE_HOST_HEAP", "64M", 1);
    setenv("VKMOE_DISCRETE_WINDOW_HEAP", "64M", 1);
    setenv("VKMOE_DISCRETE_MAX_BUFFER", "32M", 1);
    setenv("VKMOE_DISCRETE_ATOM", "256", 1);
    use_card(argv[1], argv[2], false);
    told = tmpfile();
    if (!told || dup2(fileno(told), STDERR_FILENO) < 0)
        return 2;
    const bool opened = open_vulkan();
    if (!b.physical)
        return tap_skip_all(&tap, "no Vulkan device to play a card with");
    tap_result(&tap, opened, "device");
    if (opened)
        run_tests(&tap, tests, COUNT_OF(tests));
    if (b.device)
        vkDestroyDevice(b.device, NULL);
    vkDestroyInstance(b.instance, NULL);
    return tap_end(&tap);
}
