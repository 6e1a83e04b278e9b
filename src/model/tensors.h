// tensors.h - the tensors of a directory's safetensors files, mapped and found by name.
#ifndef VKMOE_MODEL_TENSORS_H
#define VKMOE_MODEL_TENSORS_H

#include <stdbool.h>
#include <stdint.h>

#include "mapping.h"

enum { VKMOE_TENSOR_MAX_RANK = 8 };

struct vkmoe_tensor {
    const char *name; // no control characters
    const char *path; // of its file, for messages
    char dtype[16];   // as the file has it: "F16", "F8_E4M3"
    uint32_t rank;
    uint64_t shape[VKMOE_TENSOR_MAX_RANK];
    uint64_t elements;
    const uint8_t *data; // not aligned
    uint64_t size;       // matches dtype and shape, if the dtype is a known one
    bool indexed;        // named by model.safetensors.index.json
};

struct vkmoe_tensor_file {
    char *path;
    char *names; // of all its tensors, one after the other
    struct vkmoe_mapping mapping;
};

struct vkmoe_tensors {
    struct vkmoe_tensor *items; // by name
    uint32_t count, capacity;
    struct vkmoe_tensor_file *files;
    uint32_t file_count;
    uint64_t elements, file_size; // sums
};

// Opens `directory`/model.safetensors or else the files that model.safetensors.index.json
// there names. Everything a header says is checked, so that `data` and `size` can be
// trusted as long as the files do not change.
enum vkmoe_status vkmoe_tensors_open(const char *directory, const struct vkmoe_log *log,
    struct vkmoe_tensors *out);

// Accepts a zeroed or half-built struct, and leaves a zeroed one.
void vkmoe_tensors_close(struct vkmoe_tensors *tensors);

// NULL if there is none of this name.
struct vkmoe_tensor *vkmoe_tensors_find(const struct vkmoe_tensors *tensors, const char *name);

// The index of the first tensor whose name does not come before `name`, or `count`.
uint32_t vkmoe_tensors_lower_bound(const struct vkmoe_tensors *tensors, const char *name);

#endif
