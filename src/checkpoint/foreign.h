// foreign.h - names what is there instead of a checkpoint that this version reads, and says
// what to do about it. Nothing is converted.
#ifndef VKMOE_MODEL_FOREIGN_H
#define VKMOE_MODEL_FOREIGN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"

// What a file is instead of JSON or safetensors, as the rest of a line that begins with its
// name, or NULL if it may be what its name says.
const char *vkmoe_foreign_content(const void *data, uint64_t size);

// False if there is no such file, or only a symbolic link to none. What is there need not open.
bool vkmoe_foreign_is_there(const char *path);

// True for a symbolic link to a file that is not there, and the line and status for it.
bool vkmoe_foreign_is_broken_link(const char *path);
enum vkmoe_status vkmoe_foreign_broken_link(const char *path, const struct vkmoe_log *log);

// The ending of what is there of a file in `path`'s place while that is downloaded, such as
// ".incomplete", or NULL.
const char *vkmoe_foreign_partial(const char *path);

// True if a program that was to download this file has not finished.
bool vkmoe_foreign_is_unfinished(const char *path);

// The line and status for `path` without a readable config.json in it, and for a directory
// without safetensors.
enum vkmoe_status vkmoe_foreign_config(const char *path, const struct vkmoe_log *log);
enum vkmoe_status vkmoe_foreign_weights(const char *directory, const struct vkmoe_log *log);

#endif
