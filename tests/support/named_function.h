// named_function.h - Vulkan's functions by their names, for what stands between a program and a
// driver and has some of its own.
#ifndef VKMOE_NAMED_FUNCTION_H
#define VKMOE_NAMED_FUNCTION_H

#include <vulkan/vulkan_core.h>

#include <stddef.h>
#include <string.h>

struct named_function {
    const char *name;
    PFN_vkVoidFunction function;
};

#define OURS(name, function) \
    { \
        "vk" name, (PFN_vkVoidFunction)function \
    }

// NULL if the list has none of this name.
static inline PFN_vkVoidFunction find_named(
    const struct named_function *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(list[i].name, name))
            return list[i].function;
    return NULL;
}

#define FIND_NAMED(list, name) find_named(list, sizeof(list) / sizeof *(list), name)

#endif
