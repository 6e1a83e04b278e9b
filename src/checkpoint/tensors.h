// tensors.h - the tensors of a directory's safetensors files, mapped and found by name.
#ifndef VKMOE_MODEL_TENSORS_H
#define VKMOE_MODEL_TENSORS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"

enum { VKMOE_TENSOR_MAX_RANK = 8 };

// Why a tensor that the index names cannot be read.
enum vkmoe_absence {
    VKMOE_THERE,
    VKMOE_NOT_IN_FILE,  // not in the file that the index says
    VKMOE_FILE_MISSING, // that file is not there, or something else is in its place
};

struct vkmoe_tensor {
    const char *name;           // no control characters
    const char *path;           // of its file, for messages
    enum vkmoe_absence absence; // if not 0, only the name and the path above mean anything
    char dtype[16];             // as the file has it: "F16", "F8_E4M3"
    uint32_t rank;
    uint64_t shape[VKMOE_TENSOR_MAX_RANK];
    uint64_t elements;
    const struct vkmoe_file *file;
    const uint8_t *data; // in the file's mapping, not aligned
    uint64_t size;       // matches dtype and shape, if the dtype is a known one
};

struct vkmoe_tensor_file {
    char *path;
    char *names;              // of all its tensors, one after the other
    struct vkmoe_file *file;  // NULL: it is missing
    enum vkmoe_status status; // if it is missing and `reason` says more than that: of the line
    char *reason;             // what is wrong with it, a whole line; NULL: it is not there
};

struct vkmoe_tensors {
    struct vkmoe_tensor *items; // by name
    uint32_t count, capacity;
    uint32_t absent; // of these, such that are not there
    struct vkmoe_tensor_file *files;
    uint32_t file_count, missing_files;
    uint64_t elements, file_size; // sums
    char *index_path;             // NULL: there is no index
    char *absent_names;
};

// Opens `directory`/model.safetensors or else the files that model.safetensors.index.json
// there names. Everything a header says is checked: `data` and `size` lie in the file, as long
// as that is not cut short. The index decides which file holds a tensor;
// what it names in vain is in the list as absent, for nobody may need it. So are the tensors of
// a shard that cannot be read, be it a pointer, empty or damaged. shards.c
enum vkmoe_status vkmoe_tensors_open(
    const char *directory, const struct vkmoe_log *log, struct vkmoe_tensors *out);

// Accepts a zeroed or half-built struct, and leaves a zeroed one.
void vkmoe_tensors_close(struct vkmoe_tensors *tensors);

// NULL if there is none of this name. It may be absent.
struct vkmoe_tensor *vkmoe_tensors_find(const struct vkmoe_tensors *tensors, const char *name);

// The index of the first tensor whose name does not come before `name`, or `count`.
uint32_t vkmoe_tensors_lower_bound(const struct vkmoe_tensors *tensors, const char *name);

// The line and status for a tensor that is needed and absent.
enum vkmoe_status vkmoe_tensors_refuse_absent(const struct vkmoe_tensors *tensors,
    const struct vkmoe_tensor *tensor, const struct vkmoe_log *log);

// For shards.c: adds the tensors of one file, taking `path`; makes room for more; sorts by name,
// and by path among tensors of one name.
enum vkmoe_status vkmoe_tensors_add(
    struct vkmoe_tensors *tensors, const struct vkmoe_log *log, const char *directory, char *path);
enum vkmoe_status vkmoe_tensors_reserve(
    struct vkmoe_tensors *tensors, const struct vkmoe_log *log, const char *path, uint64_t more);
void vkmoe_tensors_sort(struct vkmoe_tensors *tensors);
bool vkmoe_tensors_has_control_character(const char *text);

#endif
