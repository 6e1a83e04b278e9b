// layer_link.h - how a Vulkan layer finds the next one below it: in the chain of what it is created
// with, from which it takes its own link.
#ifndef VKMOE_LAYER_LINK_H
#define VKMOE_LAYER_LINK_H

#include <vulkan/vulkan.h>
#include <vulkan/vk_layer.h>

#include <stddef.h>

// take_instance_link(), take_device_link(): NULL if there is none.
#define TAKE_LINK(function_, kind, structure_type) \
    static inline VkLayer##kind##Link *function_(const Vk##kind##CreateInfo *info) \
    { \
        VkLayer##kind##CreateInfo *s = (VkLayer##kind##CreateInfo *)info->pNext; \
        while (s && (s->sType != (structure_type) || s->function != VK_LAYER_LINK_INFO)) \
            s = (VkLayer##kind##CreateInfo *)s->pNext; \
        VkLayer##kind##Link *link = s ? s->u.pLayerInfo : NULL; \
        if (link) \
            s->u.pLayerInfo = link->pNext; \
        return link; \
    }
TAKE_LINK(take_instance_link, Instance, VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO)
TAKE_LINK(take_device_link, Device, VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO)
#undef TAKE_LINK

// All of vkNegotiateLoaderLayerInterfaceVersion(), for a layer with no functions of physical
// devices that the loader does not know.
static inline VkResult negotiate_layer(VkNegotiateLayerInterface *interface,
    PFN_vkGetInstanceProcAddr get_instance_proc, PFN_vkGetDeviceProcAddr get_device_proc)
{
    if (interface->loaderLayerInterfaceVersion < 2)
        return VK_ERROR_INITIALIZATION_FAILED;
    interface->loaderLayerInterfaceVersion = 2;
    interface->pfnGetInstanceProcAddr = get_instance_proc;
    interface->pfnGetDeviceProcAddr = get_device_proc;
    interface->pfnGetPhysicalDeviceProcAddr = NULL;
    return VK_SUCCESS;
}

#endif
