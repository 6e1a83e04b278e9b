// mapping.h - a whole file, read-only, in memory. The only unit of src/model that knows
// the operating system: another one needs its own mapping.c and nothing else.
#ifndef VKMOE_MODEL_MAPPING_H
#define VKMOE_MODEL_MAPPING_H

#include <stdint.h>

#include "vkmoe/vkmoe.h"

struct vkmoe_mapping {
    const uint8_t *data; // page-aligned
    uint64_t size;       // at least 1
};

// Maps a regular file. NOT_FOUND if there is none, INVALID if it is empty or no file.
// The file must neither shrink nor change while it is mapped: the pages are the file's.
enum vkmoe_status vkmoe_mapping_open(const char *path, const struct vkmoe_log *log,
    struct vkmoe_mapping *out);

// Accepts a zeroed mapping, and leaves one.
void vkmoe_mapping_close(struct vkmoe_mapping *mapping);

#endif
