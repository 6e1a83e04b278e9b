// source.h - where a tokenizer's files come from: a folder, a GGUF file, or memory.
#ifndef VKMOE_SOURCE_H
#define VKMOE_SOURCE_H

#include "base/value.h"
#include "checkpoint/checkpoint.h"
#include "vkmoe/tokenizer.h"

struct source {
    const struct vkmoe_log *log;
    const char *path; // for messages, too
    const char *name; // of the tokenizer's own file; NULL: the first that is there
    const struct vkmoe_tokenizer_file *files; // instead of what is at `path`; NULL: that
    uint32_t file_count;
};

bool vkmoe_source_has(const struct source *source, const char *name);

// As vkmoe_checkpoint_read_file(). vkmoe_blob_finish() in any case.
enum vkmoe_status vkmoe_source_read(
    const struct source *source, const char *name, uint64_t max_size, struct blob *out);

// A file of settings; NULL if there is none. free().
enum vkmoe_status vkmoe_source_read_json(
    const struct source *source, const char *name, struct value **out);

// The first file, by its name, that ends so: to `name`, "" if there is none.
void vkmoe_source_find_end(const struct source *source, const char *tail, char *name, size_t room);

#endif
