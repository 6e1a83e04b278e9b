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
    // Cooperative matrices end in memory, for want of registers.
    QUIRK_MATRICES_SPILL = 1 << 2,
    // A lane has 128 registers or fewer, whichever way its device is asked.
    QUIRK_FEW_REGISTERS = 1 << 3,
    // Integers become floats in more instructions, or slower ones, than it takes to multiply them.
    QUIRK_SLOW_CONVERSIONS = 1 << 4,
};

// A mask of enum quirk. `version` is the driver's, as those of Mesa have it.
uint32_t vkmoe_quirks_of(VkDriverId driver, uint32_t version);

#endif
