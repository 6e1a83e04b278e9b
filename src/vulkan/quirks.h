// quirks.h - what single drivers do that no feature, limit or device type tells. Nothing else in
// the library asks which driver it is.
#ifndef VKMOE_QUIRKS_H
#define VKMOE_QUIRKS_H

#include "vulkan/vk.h"

enum quirk {
    // All loops of an invocation end after 65535 iterations together, without a word.
    QUIRK_LOOPS_END = 1 << 0,
    // A load at an address that is the same for the whole subgroup is a scalar one.
    QUIRK_UNIFORM_LOADS_SCALAR = 1 << 1,
};

// A mask of enum quirk. `major` is VK_API_VERSION_MAJOR() of the driver's version.
uint32_t vkmoe_quirks_of(VkDriverId driver, uint32_t major);

#endif
