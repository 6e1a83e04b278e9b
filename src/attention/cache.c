// cache.c - keys and values of the sequences of one attention layer.
#include "attention/attention.h"

#include "base/common.h"
#include "base/try.h"

#include "base/params.h"
#include "shaders/choose_blocks.h"

#include <stdlib.h>

// Elements of a row, as shaders/lib/cache.glsl has them.
static uint64_t row_elements(const struct vkmoe_cache_params *params)
{
    return align_up(params->head_size, params->dtype == VKMOE_DTYPE_Q8_0 ? 32 : 8);
}

// Its bytes; of q8_0 those of its scales as well.
static uint64_t row_size(const struct vkmoe_cache_params *params)
{
    const uint64_t elements = row_elements(params);
    switch (params->dtype) {
    case VKMOE_DTYPE_F16: return elements * 2;
    case VKMOE_DTYPE_Q8_0: return elements + div_up(elements, 64) * 4;
    default: return elements * 4;
    }
}

// Of all keys; a double, since they may be too many for an integer.
static double count_elements(const struct vkmoe_cache_params *params)
{
    return (double)params->sequences * params->kv_heads * params->capacity
        * (double)row_elements(params);
}

// Zeros, so that a position nobody wrote weighs in as nothing, not as NaN.
static enum vkmoe_status create_zeros(vkmoe_device *device, uint64_t size, vkmoe_buffer **out)
{
    TRY_RETURN(vkmoe_buffer_create(device, size, out));
    return vkmoe_buffer_clear(*out, 0, size);
}

static enum vkmoe_status fill(vkmoe_cache *cache)
{
    const struct vkmoe_cache_params *p = &cache->params;
    const uint64_t size = (uint64_t)p->sequences * p->kv_heads * p->capacity * row_size(p);
    TRY_RETURN(create_zeros(cache->device, size, &cache->keys));
    if (!p->keys_only)
        TRY_RETURN(create_zeros(cache->device, size, &cache->values));
    if (p->block == 0)
        return VKMOE_OK;
    const uint64_t means =
        (uint64_t)p->sequences * p->kv_heads * div_up(p->capacity, block_stride(p));
    const uint64_t means_size = means * align_up(p->head_size, 8) * sizeof(float);
    TRY_RETURN(create_zeros(cache->device, means_size, &cache->means));
    return p->mean_values ? create_zeros(cache->device, means_size, &cache->value_means) : VKMOE_OK;
}

enum vkmoe_status vkmoe_cache_create(
    vkmoe_device *device, const struct vkmoe_cache_params *params, vkmoe_cache **out)
{
    NEED_TO_CREATE(device, vkmoe_cache_params, params, out);
    return vkmoe_cache_create_for(
        &(struct caller){ device_log(device), __func__ }, device, params, out);
}

static enum vkmoe_status check(const struct caller *caller, const vkmoe_device *device,
    const struct vkmoe_cache_params *params)
{
    const uint32_t most = params->keys_only ? MAX_RANK + MAX_TURNED : MAX_HEAD_SIZE;
    if (params->kv_heads == 0 || params->head_size == 0 || params->head_size > most
        || params->sequences == 0 || params->capacity == 0)
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID,
            "kv_heads, sequences, capacity must be above 0 and head_size 1 to %u", most);
    if (params->keys_only && params->block > 0)
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID, "keys_only has no blocks");
    if (params->block == 0 && (params->stride > 0 || params->mean_values))
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID, "stride and mean_values need a block");
    if (params->stride > 0 && params->block % params->stride > 0)
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID, "stride is %u, must divide block (%u)",
            params->stride, params->block);
    if (params->dtype != VKMOE_DTYPE_F32 && params->dtype != VKMOE_DTYPE_F16
        && params->dtype != VKMOE_DTYPE_Q8_0)
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID,
            "dtype must be VKMOE_DTYPE_F32, VKMOE_DTYPE_F16 or VKMOE_DTYPE_Q8_0");
    if (params->block >= 1u << 30)
        return vkmoe_refuse(
            caller, VKMOE_ERROR_INVALID, "block is %u, must be below 2^30", params->block);
    // Patterns have no use for means of values; what does has a bound of its own.
    if (params->block > 0 && !params->mean_values
        && (uint64_t)params->capacity > (uint64_t)CHOOSE_MAX_BLOCKS * block_stride(params))
        return vkmoe_refuse(caller, VKMOE_ERROR_UNSUPPORTED,
            "%u positions, and a block for each %u, of which there may be %u", params->capacity,
            block_stride(params), CHOOSE_MAX_BLOCKS);
    const uint64_t turns = (uint64_t)div_up(params->block, 4) * div_up(params->head_size, 8);
    // Of mean_keys, if a block ever becomes whole.
    if (device->quirks & QUIRK_LOOPS_END && params->block <= params->capacity && turns > 65535)
        return vkmoe_refuse(caller, VKMOE_ERROR_UNSUPPORTED,
            "blocks of %u keys of %u elements are more than %s can go through; Mesa 26 can",
            params->block, params->head_size, device->gpu.info.driver);
    if (count_elements(params) >= 1u << 30)
        return vkmoe_refuse(caller, VKMOE_ERROR_UNSUPPORTED,
            "%.0f elements; one layer's keys may have 2^30", count_elements(params));
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_cache_create_for(const struct caller *caller, vkmoe_device *device,
    const struct vkmoe_cache_params *params, vkmoe_cache **out)
{
    *out = NULL;
    TRY_RETURN(check(caller, device, params));
    vkmoe_cache *cache = calloc(1, sizeof *cache);
    if (!cache)
        return vkmoe_refuse(caller, VKMOE_ERROR_OUT_OF_MEMORY, "out of host memory");
    cache->device = device;
    cache->params = *params;
    TRY_UNDO(fill(cache), vkmoe_cache_destroy(&cache));
    *out = cache;
    return VKMOE_OK;
}

void vkmoe_cache_destroy(vkmoe_cache **address)
{
    TAKE_OR_RETURN(vkmoe_cache, cache, address);
    BUFFERS_DESTROY(&cache->keys, &cache->values, &cache->means, &cache->value_means);
    free(cache);
}

uint64_t vkmoe_cache_device_size(const vkmoe_cache *cache)
{
    return !cache ? 0
                  : vkmoe_buffer_taken(cache->keys) + vkmoe_buffer_taken(cache->values)
            + vkmoe_buffer_taken(cache->means) + vkmoe_buffer_taken(cache->value_means);
}
