// gguf_write.h - GGUF files as they are written: keys, and tensors that are read from views and
// encoded one after the other, so that no more than a part of one is in memory.
#ifndef VKMOE_GGUF_WRITE_H
#define VKMOE_GGUF_WRITE_H

#include <stdio.h>

#include "checkpoint/gguf_file.h"
#include "vkmoe/model.h"

struct gguf_tensor {
    char name[64];
    uint32_t rank;
    uint64_t shape[4]; // the length of rows first, as files have it
    // `count` matrices [rows][shape[0]], one after the other.
    const struct vkmoe_view *views;
    uint32_t count, rows;
    // Of heads of so many rows, row i + j * turned / 2 becomes row 2 i + j: halves become pairs. 0:
    // they stay.
    uint32_t turned;
    enum vkmoe_dtype dtype; // as it is to be written; at first that of the views
    uint64_t size;          // in bytes, as written; vkmoe_gguf_write() sets it, like these
    double error, power;    // sums of squares: of what was lost, and of all elements
};

struct gguf_bytes {
    unsigned char *data;
    size_t size, capacity;
};

struct gguf_output {
    const struct vkmoe_log *log;
    const char *path; // of the checkpoint, for messages
    struct arena arena;
    enum vkmoe_status status; // of the first failure; after it nothing is added any more
    struct gguf_bytes keys;
    uint64_t key_count;
    struct gguf_tensor *tensors;
    uint32_t tensor_count, capacity;
    uint32_t blocks, experts; // what mixtures of types look at
};

// What a checkpoint is as a GGUF file. One that is a GGUF file already keeps its keys and names,
// whatever its architecture; another needs to run whole, and that llama.cpp has an architecture for
// it. UNSUPPORTED with a line that says what does not fit. Its tokenizer is carried over, unless
// `tokenizer` is false. `checkpoint` lives longer. vkmoe_gguf_output_finish() in any case.
enum vkmoe_status vkmoe_gguf_output_make(
    vkmoe_checkpoint *checkpoint, bool tokenizer, struct gguf_output *out);
void vkmoe_gguf_output_finish(struct gguf_output *output);

struct gguf_write_params {
    FILE *file;
    uint32_t file_type; // general.file_type, what most tensors are
    // As of vkmoe_model_params, in elements. NULL: nobody asks.
    bool (*progress)(void *user, uint64_t done, uint64_t total);
    void *user;
    // Calls work(data, i) for each i below `count`, in any order, on as many threads as it likes,
    // and returns when all are done. NULL: they are done one after the other.
    void (*spread)(void (*work)(void *data, uint32_t i), void *data, uint32_t count);
};

// Writes all of it. CANCELLED if the user wants it so; INVALID if an element is no finite number
// or too large for its type, with a line, and if the file cannot be written, without: ferror() and
// errno say more.
enum vkmoe_status vkmoe_gguf_write(
    struct gguf_output *output, const struct gguf_write_params *params);

// The rest is for those who make outputs.

// Adds a key. Texts are UTF-8.
void vkmoe_gguf_put_u32(struct gguf_output *output, const char *key, uint32_t value);
void vkmoe_gguf_put_f32(struct gguf_output *output, const char *key, float value);
void vkmoe_gguf_put_bool(struct gguf_output *output, const char *key, bool value);
void vkmoe_gguf_put_text(struct gguf_output *output, const char *key, const char *value);
// Of such an array the items are to follow, `count` of them, by one of the functions below.
enum gguf_items { GGUF_ITEMS_I32 = 5, GGUF_ITEMS_F32, GGUF_ITEMS_BOOL, GGUF_ITEMS_TEXT };
void vkmoe_gguf_put_array(
    struct gguf_output *output, const char *key, enum gguf_items kind, uint64_t count);
void vkmoe_gguf_put_item(struct gguf_output *output, const char *text, size_t size);
void vkmoe_gguf_put_bytes(struct gguf_output *output, const void *bytes, size_t size);

// A tensor, of which name, shape and views are given; the latter are copied if `copy`.
void vkmoe_gguf_add(struct gguf_output *output, const struct gguf_tensor *tensor, bool copy);

// gguf_copy.c: of a GGUF file; gguf_convert.c: of another checkpoint; gguf_vocabulary.c: the
// tokenizer of the latter.
void vkmoe_gguf_copy(
    const struct vkmoe_checkpoint *checkpoint, bool tokenizer, struct gguf_output *out);
void vkmoe_gguf_convert(struct vkmoe_checkpoint *checkpoint, struct gguf_output *out);
void vkmoe_gguf_put_vocabulary(struct vkmoe_checkpoint *checkpoint, struct gguf_output *out);
// That there is none.
void vkmoe_gguf_put_no_vocabulary(struct gguf_output *out);

#define GGUF_OUTPUT_FAIL(output, code, ...) \
    do { \
        if ((output)->status == VKMOE_OK) \
            (output)->status = vkmoe_fail((output)->log, VKMOE_ERROR_##code, __VA_ARGS__); \
    } while (0)

#endif
