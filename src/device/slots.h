// slots.h - a stream's own command buffers, each with its queries, in use until the device is
// done with them.
#ifndef VKMOE_SLOTS_H
#define VKMOE_SLOTS_H

#include "device/commands.h"

#define MAX_SLOTS 32
#define MAX_TIMESTAMPS 64

struct slot {
    VkCommandPool pool;
    VkCommandBuffer commands;
    VkQueryPool queries; // made with the first timestamp
    uint64_t timestamps; // mask of those recorded
    uint64_t value;      // of the timeline when it is done; 0: idle
};

struct slots {
    struct slot list[MAX_SLOTS];
    uint32_t count;
};

// What was read from the last slot that finished with timestamps.
struct times {
    uint64_t ticks[MAX_TIMESTAMPS], valid; // mask
    uint64_t value;
};

// Reads the timestamps of slots that are done when the timeline is at `done`, which become idle.
// One whose timestamps could not be read stays as it is, for the next time.
enum vkmoe_status vkmoe_slots_collect(
    vkmoe_device *device, struct slots *slots, uint64_t done, struct times *times);

// An idle slot, an old or a new one; *out is NULL when all there may be are in use, and then
// *oldest is the value that frees one.
enum vkmoe_status vkmoe_slots_find(
    vkmoe_device *device, struct slots *slots, struct slot **out, uint64_t *oldest);

enum vkmoe_status vkmoe_slot_create_queries(vkmoe_device *device, struct slot *slot);

// Begins the command buffer anew, whatever state it was left in, puts `list` between `first` and
// `last` into it, and ends it. `timestamps` is the mask of those in the list.
enum vkmoe_status vkmoe_slot_encode(vkmoe_device *device, struct slot *slot,
    const struct stage_barrier *first, const struct commands *list,
    const struct stage_barrier *last, uint64_t timestamps);

void vkmoe_slots_finish(vkmoe_device *device, struct slots *slots);

#endif
