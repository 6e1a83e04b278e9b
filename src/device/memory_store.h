// memory_store.h - what memory.c keeps, for it and for memory_fork.c.
#ifndef VKMOE_MEMORY_STORE_H
#define VKMOE_MEMORY_STORE_H

#include <pthread.h>

#include "device/memory.h"

struct range {
    uint64_t offset, size;
};

struct memory_block {
    struct memory_block *next;
    VkDeviceMemory memory;
    VkBuffer handle;
    uint64_t address;
    void *mapped;
    VkMemoryPropertyFlags flags;
    bool shared;  // may hold several ranges that are in use
    bool planned; // counted by a trial, and in no memory
    uint32_t heap;
    uint64_t size;           // without alignment and TAIL_PADDING
    uint64_t allocated_size; // of `memory`, with these
    struct range *free;      // sorted by offset, never touching each other
    uint32_t free_count, capacity;
    uint32_t range_count; // in use; capacity > range_count, so that freeing never allocates
};

struct memory {
    const struct gpu *gpu;
    struct fit *fit;       // not NULL: of a trial, see fit.h
    pthread_mutex_t mutex; // blocks and their ranges
    struct memory_block *blocks;
    uint64_t shared_size; // of all shared blocks
    uint32_t type_bits;   // memory types that our buffers may have
    uint64_t planned_end; // of addresses that blocks of a trial were given
};

#endif
