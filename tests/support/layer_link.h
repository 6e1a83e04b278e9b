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

#endif
