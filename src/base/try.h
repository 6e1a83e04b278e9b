// try.h - what to do when a step of a function fails. VK_TRY() of vulkan/vk.h is their kin.
#ifndef VKMOE_TRY_H
#define VKMOE_TRY_H

// Goes to `fail`, where all that the function has taken is given back; `status` is a variable of
// the function.
#define TRY(call) \
    do { \
        status = (call); \
        if (status != VKMOE_OK) \
            goto fail; \
    } while (0)

// For functions that hold nothing: returns what failed.
#define TRY_RETURN(call) \
    do { \
        const enum vkmoe_status status_ = (call); \
        if (status_ != VKMOE_OK) \
            return status_; \
    } while (0)

// For functions that hold one thing: gives it back by `undo`, and returns what failed.
#define TRY_UNDO(call, undo) \
    do { \
        const enum vkmoe_status status_ = (call); \
        if (status_ != VKMOE_OK) { \
            undo; \
            return status_; \
        } \
    } while (0)

#endif
