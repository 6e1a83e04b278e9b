// gguf_writer.h - GGUF files for tests, version 3, written from the format's description and not
// from src/checkpoint, so that each checks the other.
#ifndef VKMOE_TESTS_GGUF_WRITER_H
#define VKMOE_TESTS_GGUF_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <vkmoe/model.h>

// Tensors with `part` in their names are of this type, whose number in GGUF files is `number`; a
// list ends with an empty one.
struct gguf_stored {
    const char *part;
    enum vkmoe_dtype dtype;
    uint32_t number;
};

// Zeroed at first.
struct gguf_writer {
    struct gguf_text {
        FILE *file; // of what is below
        char *bytes;
        size_t size;
    } keys, tensors, data;
    uint64_t key_count, tensor_count;
    uint64_t hole;                    // bytes of what gguf_hole() added
    bool halves;                      // tensors are f16, all 1
    const char *without;              // what has one of these, "a|b", in its name is left out
    const struct gguf_stored *stored; // NULL: f32
};

void gguf_key_u32(struct gguf_writer *writer, const char *key, uint32_t value);
void gguf_key_u16(struct gguf_writer *writer, const char *key, uint16_t value);
void gguf_key_f32(struct gguf_writer *writer, const char *key, double value);
void gguf_key_bool(struct gguf_writer *writer, const char *key, bool value);
void gguf_key_text(struct gguf_writer *writer, const char *key, const char *value);
void gguf_key_u32s(
    struct gguf_writer *writer, const char *key, const uint32_t *values, uint32_t count);
void gguf_key_f32s(
    struct gguf_writer *writer, const char *key, const float *values, uint32_t count);
void gguf_key_texts(
    struct gguf_writer *writer, const char *key, const char *const *values, uint32_t count);

// In f32 unless the writer says so, of rank 1 to 3; `shape` as files elsewhere have it, the slowest
// first, 0 ends it.
void gguf_tensor(
    struct gguf_writer *writer, const char *name, const double *values, const uint64_t shape[4]);

// Of zeros that take no room on the disk, `size` bytes of the type that GGUF has under this number.
// A file has these or those with values.
void gguf_hole(struct gguf_writer *writer, const char *name, uint32_t type, uint64_t size,
    const uint64_t shape[4]);

// The whole file, and nothing is left of the writer; false after a note.
bool gguf_write(struct gguf_writer *writer, const char *path);

// The checkpoint, which is of one of the families that run whole, as a converter makes a GGUF file
// of it; in `parts` if these are more than 1, `path` being the first. Fused: matrices with the
// same input are one, which no architecture forbids. False after a note.
bool gguf_convert(vkmoe_checkpoint *checkpoint, const char *path, uint32_t parts, bool fused);

// The same of a Gemma 4, whose head is its embedding. gguf_gemma4.c
bool gguf_convert_gemma4(vkmoe_checkpoint *checkpoint, const char *path);

// The same in one part, but for what an edit leaves out and adds.
struct gguf_edit {
    const char *without;
    const char *key, *value; // NULL: none is added; likewise below
    enum gguf_kind {
        GGUF_TEXT,
        GGUF_U32,
        GGUF_F32,
        GGUF_U32S, // "2,0"
        GGUF_TEXTS,
        GGUF_BOOL
    } kind;                          // of the value
    const char *number_key, *number; // in f32
    const char *tensor;              // of ones
    uint64_t shape[4];
    bool halves;              // it is in f16
    const char *architecture; // instead of the family's own; NULL: that
    const struct gguf_stored *stored;
};

// The edit alone.
void gguf_edit(struct gguf_writer *writer, const struct gguf_edit *edit);

bool gguf_convert_edited(
    vkmoe_checkpoint *checkpoint, const char *path, const struct gguf_edit *edit);

// What converters call a family; NULL: it has no GGUF files here.
const char *gguf_architecture(const char *family);
// Whether gguf_convert() knows it.
bool gguf_converts(const char *family);

// A part of the line, when a random model of the family is written, about what llama.cpp does not
// know; NULL: there is none.
const char *gguf_warning(const char *family);

#endif
