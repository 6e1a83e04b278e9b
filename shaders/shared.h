// shared.h - what C and GLSL must agree on to agree on anything.
//
// A contract, shaders/<kernel>.h, is read by both: GLSL compilers predefine VULKAN.
// ADDRESS(type) is a 64-bit device address: a buffer reference there (the types of
// lib/address.glsl), an integer here. PUSH() makes a struct the kernel's push constants, BUFFER()
// what ADDRESS(name) points to.
#ifndef VKMOE_SHADERS_SHARED_H
#define VKMOE_SHADERS_SHARED_H

#ifdef VULKAN
#define ADDRESS(type) type
#define PUSH(type) \
    layout(push_constant, std430) uniform Push \
    { \
        type pc; \
    };
#define BUFFER(name, type) \
    layout(buffer_reference, std430, buffer_reference_align = 8) readonly buffer name \
    { \
        type v; \
    };
#define SPEC(id, name, preset) layout(constant_id = id) const uint name = preset;
#define SPEC_FLOAT(id, name, preset) layout(constant_id = id) const float name = preset;
#else
#include <assert.h>
#include <stdint.h>
typedef uint32_t uint;
#define ADDRESS(type) uint64_t
#define PUSH(type) static_assert(sizeof(struct type) <= 128, #type " exceeds the push constants");
#define BUFFER(name, type)
#define SPEC(id, name, preset) enum { name = id };
#define SPEC_FLOAT(id, name, preset) enum { name = id };
#endif

#include "enums.h"

#endif
