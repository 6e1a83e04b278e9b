// common.h - what every source file may need; nothing of Vulkan.
#ifndef VKMOE_COMMON_H
#define VKMOE_COMMON_H

#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

// At the head of a function that destroys what the pointer at `address` points to, if there is
// anything: that is `object` from there on, and the pointer is NULL.
#define TAKE_OR_RETURN(type, object, address) \
    if (!(address) || !*(address)) \
        return; \
    type *const object = *(address); \
    *(address) = NULL

static inline uint32_t div_up(uint32_t n, uint32_t d)
{
    return n / d + (n % d != 0);
}

// `alignment` is a power of two.
static inline uint64_t align_up(uint64_t n, uint64_t alignment)
{
    return (n + alignment - 1) & ~(alignment - 1);
}

#endif
