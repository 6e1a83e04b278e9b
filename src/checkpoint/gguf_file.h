// gguf_file.h - what one GGUF file says: its keys with their values, and where its tensors lie.
// Nothing of it is believed before it is checked.
#ifndef VKMOE_GGUF_FILE_H
#define VKMOE_GGUF_FILE_H

#include "base/value.h"
#include "checkpoint/tensors.h"

// Memory that is given back all at once.
struct arena {
    struct arena_piece *pieces;
};

// Zeroed; NULL without memory.
void *vkmoe_arena_take(struct arena *arena, uint64_t size);
void vkmoe_arena_finish(struct arena *arena); // accepts a zeroed one, and leaves one

// Where the items of an array lie, which may be too many or too long for a value.
struct gguf_place {
    uint64_t at, size; // bytes in the file
    uint64_t count;    // of items; 0: there is no such array
    bool strings, floats;
};

// Where a key lies, with the type and the value that follow it.
struct gguf_entry {
    uint64_t at, size;
};

struct gguf_file {
    // Named by the keys, each of them once. Arrays of strings, and what is longer than anybody
    // needs, are null.
    struct value *values;
    struct gguf_entry *entries; // one for each value
    uint32_t value_count;
    struct tensor *tensors; // in the order of the file
    uint32_t tensor_count;
    // Of the tokenizer: a string for each token, f32 or i32 (or u32), and i32 (or u32); and strings
    // of two tokens each.
    struct gguf_place tokens, scores, token_types, merges, elsewhere;
};

// Reads all that comes before the data of `file`, which must stay open. What `out` points to is
// the arena's. INVALID with a line, and UNSUPPORTED for versions that are not read.
enum vkmoe_status vkmoe_gguf_read(const struct vkmoe_file *file, const struct vkmoe_log *log,
    struct arena *arena, struct gguf_file *out);

// Of this key, or NULL.
const struct value *vkmoe_gguf_value(const struct gguf_file *file, const char *key);

#endif
