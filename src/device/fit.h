// fit.h - whether what is about to be created will fit, found out by creating it first on a copy
// of the device that has the real one's free memory but no memory: its buffers are counted, as
// memory.c would place them, and what is written to them is not.
#ifndef VKMOE_FIT_H
#define VKMOE_FIT_H

#include "base/try.h"
#include "device/fit_account.h"

// A device to create things on that are destroyed again before vkmoe_fit_end().
enum vkmoe_status vkmoe_fit_begin(vkmoe_device *device, vkmoe_device **planned);

// Takes what creating came to, and makes it OUT_OF_MEMORY, with a line in the name of
// `function`, if it does not fit.
enum vkmoe_status vkmoe_fit_end(
    vkmoe_device **planned, const char *function, enum vkmoe_status status);

// Both, around a trial: `create` creates on `planned`, `destroy` gives back what came of it.
// Returns what failed, from a function that holds nothing; then `planned` is the device itself.
#define TRY_FIT(device, planned, create, destroy) \
    do { \
        TRY_RETURN(vkmoe_fit_begin(device, &(planned))); \
        const enum vkmoe_status trial_ = (create); \
        destroy; \
        TRY_RETURN(vkmoe_fit_end(&(planned), __func__, trial_)); \
        (planned) = (device); \
    } while (0)

#endif
