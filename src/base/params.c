// params.c - see params.h.
#include "base/params.h"

#include <string.h>

#include "base/common.h"

// What a later version of a struct may add to it; more than that is no size.
#define MOST_ADDED 4096

// Fields that came after 0.2.0 must not lie in what was padding then: nobody says what is there.
#define IS_AFTER(type, field) \
    _Static_assert(offsetof(struct type, field) >= FIRST_##type, #type "." #field " is in padding")

IS_AFTER(vkmoe_device_info, min_subgroup_size);
IS_AFTER(vkmoe_device_params, application);
IS_AFTER(vkmoe_moe_params, precision);
IS_AFTER(vkmoe_attention_params, precision);
IS_AFTER(vkmoe_attention_params, norm_after_rope);
IS_AFTER(vkmoe_cache_params, keys_only);
IS_AFTER(vkmoe_frame, layer_norm);
IS_AFTER(vkmoe_attention_forward_params, sequence_tokens);
IS_AFTER(vkmoe_model_params, precision);

static uint32_t size_of(const void *given)
{
    uint32_t size;
    memcpy(&size, given, sizeof size);
    return size;
}

static bool is_zero(const void *bytes, size_t from, size_t to)
{
    const unsigned char *b = bytes;
    for (size_t i = from; i < to; i++)
        if (b[i])
            return false;
    return true;
}

enum vkmoe_status vkmoe_params_check(
    const struct caller *caller, const struct params_type *type, const void *given)
{
    const uint32_t size = size_of(given);
    if (size == 0)
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID,
            "struct_size of %s is 0: expected VKMOE_INIT(%s) in its initialiser", type->name,
            type->name);
    if (size < type->first || size > type->size + MOST_ADDED)
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID,
            "struct_size of %s is %u: expected %u, or at least %u", type->name, size, type->size,
            type->first);
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_params_read(
    const struct caller *caller, const struct params_type *type, const void *given, void *out)
{
    TRY_RETURN(vkmoe_params_check(caller, type, given));
    const uint32_t size = size_of(given);
    if (!is_zero(given, type->size, size))
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID,
            "%s has %u bytes, of which this library knows %u, and what is set beyond those asks "
            "for a newer one",
            type->name, size, type->size);
    memset(out, 0, type->size);
    memcpy(out, given, MIN(size, type->size));
    memcpy(out, &type->size, sizeof type->size);
    return VKMOE_OK;
}

void vkmoe_info_write(const struct params_type *type, const void *from, uint32_t size, void *out)
{
    memset(out, 0, size);
    if (from)
        memcpy(out, from, MIN(size, type->size));
    memcpy(out, &size, sizeof size);
}

void vkmoe_info_get(
    const struct caller *caller, const struct params_type *type, const void *from, void *out)
{
    if (out && vkmoe_params_check(caller, type, out) == VKMOE_OK)
        vkmoe_info_write(type, from, size_of(out), out);
}

enum vkmoe_status vkmoe_params_write(
    const struct caller *caller, const struct params_type *type, const void *from, void *out)
{
    TRY_RETURN(vkmoe_params_check(caller, type, out));
    const uint32_t size = size_of(out);
    if (!is_zero(from, size, type->size))
        return vkmoe_refuse(caller, VKMOE_ERROR_UNSUPPORTED,
            "%s needs %u bytes, the program was compiled with a header where it has %u", type->name,
            type->size, size);
    vkmoe_info_write(type, from, size, out);
    return VKMOE_OK;
}
