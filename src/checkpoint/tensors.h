// tensors.h - the tensors of a checkpoint, found by name, whatever files they lie in.
#ifndef VKMOE_TENSORS_H
#define VKMOE_TENSORS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"

enum { TENSOR_MAX_RANK = 8, MAX_TENSORS = 1 << 20 };

// Why a tensor that is named somewhere cannot be read.
enum absence {
    TENSOR_THERE,
    TENSOR_NOT_IN_FILE,  // not in the file that the index says
    TENSOR_FILE_MISSING, // that file is not there, or something else is in its place
};

struct tensor {
    const char *name;     // no control characters
    const char *path;     // of its file, for messages
    enum absence absence; // if not 0, only the name and the path above mean anything
    char dtype[16];       // as the file has it: "F16", "F8_E4M3"
    uint32_t rank;
    uint64_t shape[TENSOR_MAX_RANK];
    uint64_t elements;
    const struct vkmoe_file *file; // that is mapped; NULL: `data` is plain memory
    const uint8_t *data;           // not aligned
    uint64_t size;                 // matches dtype and shape, if the dtype is a known one
};

struct tensor_file {
    char *path;
    char *names;              // of all its tensors, one after the other
    struct vkmoe_file *file;  // NULL: it is missing, or the opener has it in memory
    enum vkmoe_status status; // if it is missing and `reason` says more than that: of the line
    char *reason;             // what is wrong with it, a whole line; NULL: it is not there
};

struct tensors {
    struct tensor *items; // by name
    uint32_t count, capacity;
    uint32_t absent; // of these, such that are not there
    struct tensor_file *files;
    uint32_t file_count, missing_files;
    uint64_t elements, file_size; // sums
    char *index_path;             // NULL: there is no index
    char *absent_names;
};

// Accepts a zeroed or half-built struct, and leaves a zeroed one.
void vkmoe_tensors_close(struct tensors *tensors);

// NULL if there is none of this name. It may be absent.
struct tensor *vkmoe_tensors_find(const struct tensors *tensors, const char *name);

// The index of the first tensor whose name does not come before `name`, or `count`.
uint32_t vkmoe_tensors_lower_bound(const struct tensors *tensors, const char *name);

// The line and status for a tensor that is needed and absent.
enum vkmoe_status vkmoe_tensors_refuse_absent(
    const struct tensors *tensors, const struct tensor *tensor, const struct vkmoe_log *log);

// The rest is for openers.

// Adds a file, zeroed but for its path, which is taken in any case. NULL, after a line, without
// memory. The files move when another is added.
struct tensor_file *vkmoe_tensors_add_file(
    struct tensors *tensors, const struct vkmoe_log *log, char *path);

// The file of this name, without its directory, or NULL.
const struct tensor_file *vkmoe_tensors_find_file(const struct tensors *tensors, const char *name);

// Makes room for `more` tensors, and adds one of them. Lines are about `path`.
enum vkmoe_status vkmoe_tensors_reserve(
    struct tensors *tensors, const struct vkmoe_log *log, const char *path, uint64_t more);
enum vkmoe_status vkmoe_tensors_add(
    struct tensors *tensors, const struct vkmoe_log *log, const struct tensor *tensor);

// By name, and by path among tensors of one name.
void vkmoe_tensors_sort(struct tensors *tensors);

// A path without its directory.
const char *vkmoe_base_name(const char *path);

#endif
