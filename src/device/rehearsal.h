// rehearsal.h - a device that is not there. Objects are created on it and forwards are recorded as
// on a device of that kind, by the same code with the same choices, but without a driver, in no
// memory (as in a trial, fit.h) and for no queue: an observer is shown each dispatch. For tools
// that count what a card would be asked for; nothing can be submitted.
#ifndef VKMOE_REHEARSAL_H
#define VKMOE_REHEARSAL_H

#include "device/stream.h"

struct rehearsal_params {
    const char *name;
    enum vkmoe_device_type type;
    uint32_t min_subgroup_size, max_subgroup_size; // both powers of two
    struct matrix_units matrix_units;              // zeros: it has none
    struct vkmoe_log log;
    const struct observer *observer; // outlives the device
};

// *out is for vkmoe_rehearsal_end(), not for vkmoe_device_destroy().
enum vkmoe_status vkmoe_rehearsal_begin(const struct rehearsal_params *params, vkmoe_device **out);
void vkmoe_rehearsal_end(vkmoe_device **device);

#endif
