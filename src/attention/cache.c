// cache.c - keys and values of the sequences of one attention layer.
#include "attention/attention.h"

#include "base/common.h"
#include "base/try.h"

#include "base/params.h"
#include "shaders/choose_blocks.h"

#include <stdlib.h>

// Of all keys; a double, since they may be too many for an integer.
static double count_elements(const struct vkmoe_cache_params *params)
{
    return (double)params->sequences * params->kv_heads * params->capacity
        * (double)align_up(params->head_size, 8);
}

static enum vkmoe_status create_means(vkmoe_cache *cache, uint64_t rows)
{
    const uint64_t bytes = rows * align_up(cache->params.head_size, 8) * sizeof(float);
    const enum vkmoe_status status = vkmoe_buffer_create(cache->device, bytes, &cache->means);
    return status == VKMOE_OK ? vkmoe_buffer_clear(cache->means, 0, bytes) : status;
}

enum vkmoe_status vkmoe_cache_create(
    vkmoe_device *device, const struct vkmoe_cache_params *params, vkmoe_cache **out)
{
    VKMOE_NEED(device_log(device), out, "out");
    *out = NULL;
    VKMOE_NEED(NULL, device, "device");
    VKMOE_NEED(device_log(device), params, "params");
    PARAMS_WHOLE(device_log(device), vkmoe_cache_params, params);
    return vkmoe_cache_create_for(
        &(struct caller){ device_log(device), __func__ }, device, params, out);
}

static enum vkmoe_status check(const struct caller *caller, const vkmoe_device *device,
    const struct vkmoe_cache_params *params)
{
    if (params->kv_heads == 0 || params->head_size == 0 || params->head_size > 256
        || params->sequences == 0 || params->capacity == 0)
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID,
            "kv_heads, sequences, capacity must be above 0 and head_size 1 to 256");
    if (params->dtype != VKMOE_DTYPE_F32 && params->dtype != VKMOE_DTYPE_F16)
        return vkmoe_refuse(
            caller, VKMOE_ERROR_INVALID, "dtype must be VKMOE_DTYPE_F32 or VKMOE_DTYPE_F16");
    if (params->block >= 1u << 30)
        return vkmoe_refuse(
            caller, VKMOE_ERROR_INVALID, "block is %u, must be below 2^30", params->block);
    if (params->block > 0
        && (uint64_t)params->capacity > (uint64_t)CHOOSE_MAX_BLOCKS * params->block)
        return vkmoe_refuse(caller, VKMOE_ERROR_UNSUPPORTED,
            "%u positions in blocks of %u, of which there may be %u", params->capacity,
            params->block, CHOOSE_MAX_BLOCKS);
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
    const uint64_t bytes =
        (uint64_t)count_elements(params) * (params->dtype == VKMOE_DTYPE_F16 ? 2 : 4);
    const uint32_t rows = params->sequences * params->kv_heads;
    enum vkmoe_status status;
    TRY(vkmoe_buffer_create(device, bytes, &cache->keys));
    TRY(vkmoe_buffer_create(device, bytes, &cache->values));
    // Zeros, so that a position nobody wrote weighs in as nothing, not as NaN.
    TRY(vkmoe_buffer_clear(cache->keys, 0, bytes));
    TRY(vkmoe_buffer_clear(cache->values, 0, bytes));
    if (params->block > 0)
        TRY(create_means(cache, rows * div_up(params->capacity, params->block)));
    *out = cache;
    return VKMOE_OK;
fail:
    vkmoe_cache_destroy(&cache);
    return status;
}

void vkmoe_cache_destroy(vkmoe_cache **cache)
{
    if (!cache || !*cache)
        return;
    vkmoe_buffer_destroy(&(*cache)->keys);
    vkmoe_buffer_destroy(&(*cache)->values);
    vkmoe_buffer_destroy(&(*cache)->means);
    free(*cache);
    *cache = NULL;
}

uint64_t vkmoe_cache_device_size(const vkmoe_cache *cache)
{
    return !cache ? 0
                  : vkmoe_buffer_taken(cache->keys) + vkmoe_buffer_taken(cache->values)
            + vkmoe_buffer_taken(cache->means);
}
