// scratch_memory.c - see scratch_memory.h.
#include "device/scratch_memory.h"

#include <stdlib.h>

struct retired {
    struct retired *next;
    vkmoe_buffer *buffer;
    uint64_t value;
};

enum vkmoe_status vkmoe_scratch_grow(
    struct scratch_memory *scratch, vkmoe_device *device, uint64_t size, uint64_t value)
{
    struct retired *retired = NULL;
    vkmoe_buffer *larger = NULL;
    if (scratch->buffer && !(retired = calloc(1, sizeof *retired)))
        return vkmoe_fail(&device->gpu.log, VKMOE_ERROR_OUT_OF_MEMORY, "out of host memory");
    const enum vkmoe_status status = vkmoe_buffer_create(device, size, &larger);
    if (status != VKMOE_OK) {
        free(retired);
        return status;
    }
    if (retired) {
        *retired = (struct retired){
            .next = scratch->retired,
            .buffer = scratch->buffer,
            .value = value,
        };
        scratch->retired = retired;
    }
    uint_least64_t most = atomic_load(&device->scratch_size);
    while (most < size && !atomic_compare_exchange_weak(&device->scratch_size, &most, size))
        ;
    scratch->buffer = larger;
    return VKMOE_OK;
}

void vkmoe_scratch_collect(struct scratch_memory *scratch, uint64_t done, uint64_t kept)
{
    for (struct retired **link = &scratch->retired; *link;) {
        struct retired *retired = *link;
        if (retired->value > done || retired->value >= kept) {
            link = &retired->next;
            continue;
        }
        *link = retired->next;
        vkmoe_buffer_destroy(&retired->buffer);
        free(retired);
    }
}

void vkmoe_scratch_finish(struct scratch_memory *scratch)
{
    vkmoe_scratch_collect(scratch, UINT64_MAX - 1, UINT64_MAX);
    if (scratch->buffer) { // if it was the largest, nobody knows how large the next one is
        uint_least64_t size = scratch->buffer->range.size;
        atomic_compare_exchange_strong(&scratch->buffer->device->scratch_size, &size, 0);
    }
    vkmoe_buffer_destroy(&scratch->buffer);
}
