// fit_account.h - the account of a trial (fit.h): what is free, what was taken, for what.
#ifndef VKMOE_FIT_ACCOUNT_H
#define VKMOE_FIT_ACCOUNT_H

#include "device/device.h"

#define FIT_UNKNOWN UINT64_MAX

enum fit_part { FIT_WEIGHTS, FIT_CACHES, FIT_SCRATCH, FIT_PARTS };

struct fit {
    uint64_t heap_free[VK_MAX_MEMORY_HEAPS]; // FIT_UNKNOWN, or the host's
    uint64_t host_free;                      // where the device's memory is the host's
    const char *limit;                       // what sets the latter
    uint32_t heaps;                          // a mask of those that serve as device memory
    uint64_t free;                           // of these together, at the beginning
    uint64_t taken;                          // of them, so far
    uint64_t parts[FIT_PARTS];               // bytes in buffers
    enum fit_part part;                      // of buffers that are created now
    char where[64], name[64];                // of what, to be named: "block 3: ", "up of expert 7"
    bool exceeded;  // from then on everything is granted, to learn how much is needed
    uint64_t piece; // what did not fit
    char piece_name[128];
};

// What is created next: its part of the sum, and its name for the line. Both do nothing on a
// device that is not a trial's.
void vkmoe_fit_enter(vkmoe_device *device, enum fit_part part);
void vkmoe_fit_where(vkmoe_device *device, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void vkmoe_fit_name(vkmoe_device *device, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// What is created, to begin a line with: "block 3: up of expert 7: "; else "".
#define FIT_LABEL 132
const char *vkmoe_fit_label(const vkmoe_device *device, char text[FIT_LABEL]);

// memory.c: takes `size` bytes of a heap that has `heap_size`; false if they are not there.
bool vkmoe_fit_take(struct fit *fit, uint32_t heap, uint64_t heap_size, uint64_t size);
void vkmoe_fit_give_back(struct fit *fit, uint32_t heap, uint64_t size);
// After a buffer of `size` bytes found no place: true if it shall have one all the same. `fit` may
// be NULL.
bool vkmoe_fit_exceed(struct fit *fit, uint64_t size);

#endif
