// memory_fork.c - the memory of a trial (fit.h): what is taken and what is free as it is on the
// device, in no memory.
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

struct memory *vkmoe_memory_fork(struct memory *from, const struct gpu *gpu, struct fit *fit)
{
    struct memory *to = calloc(1, sizeof *to);
    bool complete = true;
    if (!to)
        return NULL;
    to->gpu = gpu;
    to->fit = fit;
    pthread_mutex_init(&to->mutex, NULL);
    to->type_bits = UINT32_MAX;
    if (!from)
        return to;
    pthread_mutex_lock(&from->mutex);
    to->shared_size = from->shared_size;
    to->type_bits = from->type_bits;
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
        vkmoe_memory_destroy(&to);
    return to;
}
