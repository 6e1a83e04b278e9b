// guest.h - the library on a host's device, with a stream, and buffers of the host's to compute in.
#ifndef VKMOE_TESTS_GUEST_H
#define VKMOE_TESTS_GUEST_H

#include <vkmoe/moe.h>

#include "check.h"
#include "host.h"

struct guest {
    struct host host;
    struct record record;
    vkmoe_device *device;
    vkmoe_stream *stream;
    vkmoe_moe *layer; // the test's, destroyed with the rest
    struct host_buffer x, y;
    vkmoe_buffer *wrapped_x, *wrapped_y; // `size` bytes of each
};

struct guest_options {
    enum vkmoe_log_level level;
    bool all_features, pass_loader;
    uint64_t size;
};

// guest_finish() copes with half of it.
bool guest_init(struct guest *guest, const struct guest_options *options);
void guest_finish(struct guest *guest);

#endif
