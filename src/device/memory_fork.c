// memory_fork.c - the memory store of a trial (fit.h): what is taken and what is free as it is on
// the device, in no memory.
#include "device/memory_store.h"

#include <stdlib.h>
#include <string.h>

static struct memory_block *copy_block(const struct memory_block *block)
{
    struct memory_block *copy = calloc(1, sizeof *copy);
    struct range *ranges = malloc(block->capacity * sizeof *ranges);
    if (!copy || !ranges) {
        free(copy);
        free(ranges);
        return NULL;
    }
    memcpy(ranges, block->free, block->free_count * sizeof *ranges);
    *copy = *block;
    copy->next = NULL;
    copy->memory = VK_NULL_HANDLE;
    copy->handle = VK_NULL_HANDLE;
    copy->mapped = NULL;
    copy->free = ranges;
    return copy;
}

bool vkmoe_memory_fork(vkmoe_device *device, vkmoe_device *copy)
{
    struct memory_store *from = device->memory_store;
    struct memory_store *to = copy->memory_store = calloc(1, sizeof *to);
    bool complete = true;
    if (!to)
        return false;
    pthread_mutex_init(&to->mutex, NULL);
    to->transfer = vkmoe_transfer_fork(from->transfer);
    complete = to->transfer != NULL;
    pthread_mutex_lock(&from->mutex);
    to->shared_size = from->shared_size;
    to->type_bits = from->type_bits;
    to->dummy = from->dummy;
    struct memory_block **link = &to->blocks;
    for (struct memory_block *block = from->blocks; block && complete; block = block->next) {
        if (!block->shared)
            continue;
        *link = copy_block(block);
        complete = *link != NULL;
        if (complete)
            link = &(*link)->next;
    }
    pthread_mutex_unlock(&from->mutex);
    if (!complete)
        vkmoe_memory_unfork(copy);
    return complete;
}

void vkmoe_memory_unfork(vkmoe_device *copy)
{
    copy->memory_store->dummy = NULL; // the real one's
    vkmoe_memory_finish(copy);
}

void vkmoe_memory_taken(vkmoe_device *device, uint64_t taken[VK_MAX_MEMORY_HEAPS])
{
    struct memory_store *store = device->memory_store;
    memset(taken, 0, VK_MAX_MEMORY_HEAPS * sizeof *taken);
    pthread_mutex_lock(&store->mutex);
    for (const struct memory_block *block = store->blocks; block; block = block->next)
        taken[block->heap] += block->allocated_size;
    pthread_mutex_unlock(&store->mutex);
}
