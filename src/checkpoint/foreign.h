// foreign.h - names what is there instead of a checkpoint that this version reads, and says
// what to do about it. Nothing is converted.
#ifndef VKMOE_MODEL_FOREIGN_H
#define VKMOE_MODEL_FOREIGN_H

#include <stdbool.h>

#include "base/log.h"

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
