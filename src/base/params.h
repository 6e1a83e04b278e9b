// params.h - public structs that begin with struct_size, as programs hand them over that were
// compiled with an older or newer header than the library.
#ifndef VKMOE_PARAMS_H
#define VKMOE_PARAMS_H

#include "base/log.h"
#include "base/try.h"
#include "vkmoe/tokenizer.h"

// What the size of `type` was when `last` was its last field.
#define PARAMS_SIZE(type, last) \
    ((offsetof(struct type, last) + sizeof(((struct type *)0)->last) + _Alignof(struct type) - 1) \
        / _Alignof(struct type) * _Alignof(struct type))
#define PARAMS_FIRST(type, last) FIRST_##type = PARAMS_SIZE(type, last)

// Sizes in version 0.2.0, the first with struct_size: no program has less. New fields go after
// the last one named here, beyond the padding that came after it (params.c asserts that); none
// before it may move, and structs that are members of these cannot grow.
enum {
    PARAMS_FIRST(vkmoe_device_info, cooperative_matrix),
    PARAMS_FIRST(vkmoe_device_params, cache_size),
    PARAMS_FIRST(vkmoe_submit_params, signal_count),
    PARAMS_FIRST(vkmoe_moe_params, shared),
    PARAMS_FIRST(vkmoe_moe_forward_params, weights),
    PARAMS_FIRST(vkmoe_tune_params, user),
    PARAMS_FIRST(vkmoe_attention_params, patterns),
    PARAMS_FIRST(vkmoe_cache_params, block),
    PARAMS_FIRST(vkmoe_attention_forward_params, weights),
    PARAMS_FIRST(vkmoe_checkpoint_info, treated_as),
    PARAMS_FIRST(vkmoe_frame, start_token),
    PARAMS_FIRST(vkmoe_block_extras, scale),
    PARAMS_FIRST(vkmoe_inventory_info, missing_files),
    PARAMS_FIRST(vkmoe_tensor_info, absent),
    PARAMS_FIRST(vkmoe_model_params, progress_user),
    PARAMS_FIRST(vkmoe_model_forward_params, attention_expert_ids),
    PARAMS_FIRST(vkmoe_model_encode_params, ids),
    PARAMS_FIRST(vkmoe_tokenizer_params, vocabulary),
    PARAMS_FIRST(vkmoe_tokenizer_info, end_of_turn),
    PARAMS_FIRST(vkmoe_encode_params, no_end),
    PARAMS_FIRST(vkmoe_encoding, end_added),
};

struct params_type {
    const char *name;
    uint32_t first; // size in the first version
    uint32_t size;  // as this library has it
};
#define PARAMS_TYPE(type) (&(const struct params_type){ #type, FIRST_##type, sizeof(struct type) })

// At the head of a public function, where `params` is known not to be NULL: it is the library's
// struct from there on, a copy with defaults for fields that the program does not know. Returns
// INVALID if that cannot be.
#define PARAMS_WHOLE(log, type, params) \
    struct type params##_whole; \
    TRY_RETURN(vkmoe_params_read( \
        &(struct caller){ log, __func__ }, PARAMS_TYPE(type), params, &params##_whole)); \
    (params) = &params##_whole

enum vkmoe_status vkmoe_params_read(
    const struct caller *caller, const struct params_type *type, const void *given, void *out);

// That `given`, which is to be filled, says how large it is.
enum vkmoe_status vkmoe_params_check(
    const struct caller *caller, const struct params_type *type, const void *given);

// Fills `size` bytes of `out`, which then says that it has so many, with what the library's
// `from` holds, or with zeroes if that is NULL. For facts: nobody misses those that the program
// does not know.
void vkmoe_info_write(const struct params_type *type, const void *from, uint32_t size, void *out);

// The same for a getter without a status: nothing but a line if struct_size is wrong.
void vkmoe_info_get(
    const struct caller *caller, const struct params_type *type, const void *from, void *out);

// For params, which mean something else without their last fields: UNSUPPORTED if the program's
// struct has no room for one that is set.
enum vkmoe_status vkmoe_params_write(
    const struct caller *caller, const struct params_type *type, const void *from, void *out);

#endif
