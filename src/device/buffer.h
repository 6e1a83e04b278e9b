// buffer.h - the public object: a range of the device's memory, or of the caller's.
#ifndef VKMOE_BUFFER_H
#define VKMOE_BUFFER_H

#include "device/device.h"
#include "device/memory.h"

struct vkmoe_buffer {
    vkmoe_device *device;
    struct memory_range range; // of a wrapped one only size and address
};

enum vkmoe_status vkmoe_buffer_create_kind(
    vkmoe_device *device, enum memory_kind kind, uint64_t size, vkmoe_buffer **out);

// The same without a word if there is no memory, for a caller that can do with less.
enum vkmoe_status vkmoe_buffer_try_kind(
    vkmoe_device *device, enum memory_kind kind, uint64_t size, vkmoe_buffer **out);

// Destroys all of several buffers, which are given as &object->buffer.
#define BUFFERS_DESTROY(...) vkmoe_buffers_destroy((vkmoe_buffer **const[]){ __VA_ARGS__, NULL })
void vkmoe_buffers_destroy(vkmoe_buffer **const *buffers);

// See vkmoe_memory_flush().
enum vkmoe_status vkmoe_buffer_flush(const vkmoe_buffer *buffer, uint64_t size);
enum vkmoe_status vkmoe_buffer_invalidate(const vkmoe_buffer *buffer, uint64_t size);

// What vkmoe.h says that a buffer takes of the device's memory; 0 for NULL and wrapped ones.
uint64_t vkmoe_buffer_taken(const vkmoe_buffer *buffer);

#endif
