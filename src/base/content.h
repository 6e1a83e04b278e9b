// content.h - what a path really leads to: nothing, a link to nothing, or a file of another kind
// than its name says.
#ifndef VKMOE_CONTENT_H
#define VKMOE_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"

// What helps against weights in other formats.
#define TO_SAFETENSORS \
    "get the model's *.safetensors, or make them: load it with transformers " \
    "and call save_pretrained()"

// What a file is instead of JSON or safetensors, as the rest of a line that begins with its
// name, or NULL if it may be what its name says.
const char *vkmoe_content_other(const void *data, uint64_t size);

// False if there is no such file, or only a symbolic link to none. What is there need not open.
bool vkmoe_path_is_there(const char *path);

// True for a symbolic link to a file that is not there, and the line and status for it.
bool vkmoe_path_is_broken_link(const char *path);
enum vkmoe_status vkmoe_path_refuse_broken_link(const char *path, const struct vkmoe_log *log);

#endif
