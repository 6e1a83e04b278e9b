// operands.h - what the structs of shaders/*.h are filled with.
#ifndef VKMOE_OPERANDS_H
#define VKMOE_OPERANDS_H

#include "device/device.h"

// An operand that a kernel does not use has an address all the same: no kernel gets a null one.
static inline uint64_t address_or_dummy(vkmoe_device *device, const vkmoe_buffer *buffer)
{
    return buffer ? vkmoe_buffer_address(buffer) : vkmoe_device_dummy_address(device);
}

// Whether rows of f32 can be read in pieces of 16 bytes; kernels may ask for columns that are a
// larger `multiple` than that takes.
static inline bool is_packed(uint64_t address, uint32_t columns, uint32_t multiple)
{
    return address % 16 == 0 && columns % multiple == 0;
}

static inline uint32_t float_bits(float x)
{
    union {
        float f;
        uint32_t u;
    } bits = { x };
    return bits.u;
}

#endif
