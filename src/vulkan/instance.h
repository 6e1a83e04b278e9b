// instance.h - a VkInstance of our own, with validation on request.
#ifndef VKMOE_INSTANCE_H
#define VKMOE_INSTANCE_H

#include "vulkan/vk.h"

struct instance {
    PFN_vkGetInstanceProcAddr get;
    VkInstance handle;
    struct vk_instance_table vk;
    VkDebugUtilsMessengerEXT messenger;
};

// Makes an instance by way of `get`, NULL: of the system's loader, for a program of the name
// `application`, which may be NULL. `log` must outlive it:
// what the validation layer says goes there. NOT_FOUND if there is no loader; with a
// loader but no driver it succeeds and leaves `handle` NULL.
enum vkmoe_status vkmoe_instance_init(struct instance *instance, const struct vkmoe_log *log,
    PFN_vkGetInstanceProcAddr get, const char *application, bool validate);
void vkmoe_instance_finish(struct instance *instance);

#endif
