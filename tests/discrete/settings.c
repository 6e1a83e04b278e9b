// settings.c - the cards that there are, and what the environment changes about them.
#include "discrete.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOCAL VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT
#define VISIBLE VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT
#define COHERENT VK_MEMORY_PROPERTY_HOST_COHERENT_BIT
#define CACHED VK_MEMORY_PROPERTY_HOST_CACHED_BIT
#define GRAPHICS (VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT | VK_QUEUE_TRANSFER_BIT)
#define COMPUTE (VK_QUEUE_COMPUTE_BIT | VK_QUEUE_TRANSFER_BIT)
#define TRANSFER VK_QUEUE_TRANSFER_BIT
#define GiB ((VkDeviceSize)1 << 30)

#define DEVICE_HEAP \
    { \
        8 * GiB, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT \
    }
#define HOST_HEAP \
    { \
        16 * GiB, 0 \
    }
#define WINDOW_HEAP \
    { \
        GiB / 4, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT \
    }

static const struct card cards[] = {
    {
        .name = "discrete",
        .type = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU,
        .heaps = { DEVICE_HEAP, HOST_HEAP },
        .heap_count = 2,
        .types = { { LOCAL, 0 }, { VISIBLE | COHERENT | CACHED, 1 } },
        .type_count = 2,
        .families = { GRAPHICS, TRANSFER },
        .family_count = 2,
        .atom = 64,
    },
    {
        .name = "discrete-bar", // a window of 256 MiB
        .type = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU,
        .heaps = { DEVICE_HEAP, HOST_HEAP, WINDOW_HEAP },
        .heap_count = 3,
        .types = { { LOCAL, 0 }, { VISIBLE | COHERENT, 1 }, { LOCAL | VISIBLE | COHERENT, 2 },
            { VISIBLE | COHERENT | CACHED, 1 } },
        .type_count = 4,
        .families = { TRANSFER, GRAPHICS },
        .family_count = 2,
        .atom = 64,
    },
    {
        .name = "discrete-rebar", // all of it is mappable
        .type = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU,
        .heaps = { HOST_HEAP, DEVICE_HEAP },
        .heap_count = 2,
        .types = { { VISIBLE | COHERENT, 0 }, { LOCAL, 1 }, { LOCAL | VISIBLE | COHERENT, 1 },
            { VISIBLE | COHERENT | CACHED, 0 } },
        .type_count = 4,
        .families = { GRAPHICS, TRANSFER, COMPUTE },
        .family_count = 3,
        .atom = 64,
    },
    {
        .name = "discrete-noncoherent", // stricter than Vulkan, which asks for a coherent type
        .type = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU,
        .heaps = { DEVICE_HEAP, HOST_HEAP },
        .heap_count = 2,
        .types = { { LOCAL, 0 }, { VISIBLE | CACHED, 1 } },
        .type_count = 2,
        .families = { TRANSFER, COMPUTE, GRAPHICS },
        .family_count = 3,
        .atom = 256,
    },
    {
        .name = "unified", // no cached type
        .type = VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU,
        .heaps = { DEVICE_HEAP },
        .heap_count = 1,
        .types = { { LOCAL | VISIBLE | COHERENT, 0 } },
        .type_count = 1,
        .families = { GRAPHICS },
        .family_count = 1,
        .atom = 64,
    },
    {
        .name = "unified-noncoherent", // a telephone's: coherent or cached
        .type = VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU,
        .heaps = { DEVICE_HEAP },
        .heap_count = 1,
        .types = { { LOCAL | VISIBLE | CACHED, 0 }, { LOCAL | VISIBLE | COHERENT, 0 } },
        .type_count = 2,
        .families = { GRAPHICS },
        .family_count = 1,
        .atom = 256,
    },
};

static struct card card;
static pthread_once_t once = PTHREAD_ONCE_INIT;

void complain(const char *format, ...)
{
    char line[300];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    fprintf(stderr, "UNASSIGNED-vkmoe-discrete: %s\n", line);
}

static void read_size(const char *suffix, VkDeviceSize *size)
{
    char name[64], *end;
    snprintf(name, sizeof name, "VKMOE_DISCRETE_%s", suffix);
    const char *text = getenv(name);
    if (!text)
        return;
    unsigned long long value = strtoull(text, &end, 10);
    const char *unit = strchr("KMG", *end);
    if (*end && unit) {
        value <<= 10 * (unit - "KMG" + 1);
        end++;
    }
    if (end == text || *end)
        complain("%s=%s: expected a number, and K, M or G", name, text);
    else
        *size = value;
}

static void read_settings(void)
{
    const char *name = getenv("VKMOE_DISCRETE");
    card = cards[0];
    bool found = !name;
    for (size_t i = 0; i < COUNT(cards) && !found; i++) {
        found = !strcmp(cards[i].name, name);
        if (found)
            card = cards[i];
    }
    if (!found)
        complain("VKMOE_DISCRETE=%s: there is no such card", name);
    for (uint32_t i = 0; i < card.heap_count; i++)
        read_size(!card.heaps[i].flags ? "HOST_HEAP"
                : i < 2                ? "DEVICE_HEAP"
                                       : "WINDOW_HEAP",
            &card.heaps[i].size);
    read_size("ATOM", &card.atom);
    read_size("MAX_ALLOCATION", &card.max_allocation);
    read_size("MAX_ALLOCATIONS", &card.max_allocations);
    read_size("MAX_BUFFER", &card.max_buffer);
    read_size("MAX_RANGE", &card.max_range);
    read_size("MAX_GROUPS", &card.max_groups);
    read_size("OTHERS", &card.others);
}

const struct card *get_card(void)
{
    pthread_once(&once, read_settings);
    return &card;
}
