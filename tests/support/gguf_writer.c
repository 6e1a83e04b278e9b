// gguf_writer.c - see gguf_writer.h.
#include "gguf_writer.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "allocate.h"
#include "formats.h"
#include "tap.h"

enum {
    ALIGNMENT = 32,
    TYPE_U16 = 2,
    TYPE_U32 = 4,
    TYPE_F32 = 6,
    TYPE_BOOL = 7,
    TYPE_TEXT = 8,
    TYPE_LIST = 9
};

// What is little-endian here is so in the file.
static void put(struct gguf_text *text, const void *bytes, size_t size)
{
    if (!text->file)
        text->file = open_memstream(&text->bytes, &text->size);
    if (!text->file || fwrite(bytes, 1, size, text->file) != size)
        abort();
}

#define PUT(text, type, value) put(text, &(type){ value }, sizeof(type))

static void put_string(struct gguf_text *text, const char *string)
{
    PUT(text, uint64_t, strlen(string));
    put(text, string, strlen(string));
}

static bool is_left_out(const struct gguf_writer *writer, const char *name)
{
    for (const char *part = writer->without; part && *part; part += *part == '|') {
        char text[64];
        const size_t length = strcspn(part, "|");
        snprintf(text, sizeof text, "%.*s", (int)length, part);
        if (strstr(name, text))
            return true;
        part += length;
    }
    return false;
}

static struct gguf_text *begin_key(struct gguf_writer *writer, const char *key, uint32_t type)
{
    char other[32];
    snprintf(other, sizeof other, "left-out.%u", (unsigned)writer->key_count++);
    put_string(&writer->keys, is_left_out(writer, key) ? other : key);
    PUT(&writer->keys, uint32_t, type);
    return &writer->keys;
}

void gguf_key_u32(struct gguf_writer *writer, const char *key, uint32_t value)
{
    PUT(begin_key(writer, key, TYPE_U32), uint32_t, value);
}

void gguf_key_u16(struct gguf_writer *writer, const char *key, uint16_t value)
{
    PUT(begin_key(writer, key, TYPE_U16), uint16_t, value);
}

void gguf_key_f32(struct gguf_writer *writer, const char *key, double value)
{
    PUT(begin_key(writer, key, TYPE_F32), float, (float)value);
}

void gguf_key_bool(struct gguf_writer *writer, const char *key, bool value)
{
    PUT(begin_key(writer, key, TYPE_BOOL), uint8_t, value);
}

void gguf_key_text(struct gguf_writer *writer, const char *key, const char *value)
{
    put_string(begin_key(writer, key, TYPE_TEXT), value);
}

static struct gguf_text *begin_list(
    struct gguf_writer *writer, const char *key, uint32_t type, uint32_t count)
{
    struct gguf_text *text = begin_key(writer, key, TYPE_LIST);
    PUT(text, uint32_t, type);
    PUT(text, uint64_t, count);
    return text;
}

void gguf_key_u32s(
    struct gguf_writer *writer, const char *key, const uint32_t *values, uint32_t count)
{
    put(begin_list(writer, key, TYPE_U32, count), values, count * sizeof *values);
}

void gguf_key_f32s(struct gguf_writer *writer, const char *key, const float *values, uint32_t count)
{
    put(begin_list(writer, key, TYPE_F32, count), values, count * sizeof *values);
}

void gguf_key_texts(
    struct gguf_writer *writer, const char *key, const char *const *values, uint32_t count)
{
    struct gguf_text *text = begin_list(writer, key, TYPE_TEXT, count);
    for (uint32_t i = 0; i < count; i++)
        put_string(text, values[i]);
}

static void pad(struct gguf_text *text, uint64_t from)
{
    static const char zeros[ALIGNMENT];
    fflush(text->file);
    put(text, zeros, (size_t)(-(from + text->size) % ALIGNMENT));
    fflush(text->file);
}

// What the tensor is stored as; NULL: f32, or `halves`.
static const struct gguf_stored *stored_as(const struct gguf_writer *writer, const char *name)
{
    for (const struct gguf_stored *s = writer->stored; s && s->part; s++) {
        if (strstr(name, s->part))
            return s;
    }
    return NULL;
}

static void put_values(struct gguf_writer *writer, const double *values, uint64_t elements,
    const struct gguf_stored *stored)
{
    if (stored) {
        const size_t size = format_bytes(stored->dtype, elements);
        void *blocks = allocate(size, 1);
        format_encode(stored->dtype, values, elements, blocks);
        put(&writer->data, blocks, size);
        free(blocks);
        return;
    }
    for (uint64_t i = 0; i < elements && writer->halves; i++)
        PUT(&writer->data, uint16_t, 0x3c00);
    for (uint64_t i = 0; i < elements && !writer->halves; i++)
        PUT(&writer->data, float, (float)values[i]);
}

static uint64_t count_elements(const uint64_t shape[4], uint32_t *rank)
{
    uint64_t elements = 1;
    for (*rank = 0; *rank < 4 && shape[*rank]; ++*rank)
        elements *= shape[*rank];
    return elements;
}

// A tensor whose data begins so many bytes after those of the first.
static void put_tensor(struct gguf_writer *writer, const char *name, uint32_t type, uint64_t at,
    const uint64_t shape[4])
{
    uint32_t rank;
    count_elements(shape, &rank);
    writer->tensor_count++;
    put_string(&writer->tensors, name);
    PUT(&writer->tensors, uint32_t, rank);
    for (uint32_t i = rank; i-- > 0;)
        PUT(&writer->tensors, uint64_t, shape[i]);
    PUT(&writer->tensors, uint32_t, type);
    PUT(&writer->tensors, uint64_t, at);
}

void gguf_tensor(
    struct gguf_writer *writer, const char *name, const double *values, const uint64_t shape[4])
{
    const struct gguf_stored *stored = stored_as(writer, name);
    uint32_t rank;
    const uint64_t elements = count_elements(shape, &rank);
    if (is_left_out(writer, name))
        return;
    put(&writer->data, "", 0);
    pad(&writer->data, 0);
    put_tensor(writer, name, stored ? stored->number : writer->halves, writer->data.size, shape);
    put_values(writer, values, elements, stored);
}

void gguf_hole(struct gguf_writer *writer, const char *name, uint32_t type, uint64_t size,
    const uint64_t shape[4])
{
    put_tensor(writer, name, type, writer->hole, shape);
    writer->hole += (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void finish(struct gguf_text *text)
{
    if (text->file)
        fclose(text->file);
    free(text->bytes);
    *text = (struct gguf_text){ 0 };
}

bool gguf_write(struct gguf_writer *writer, const char *path)
{
    struct gguf_text all = { 0 };
    put(&all, "GGUF", 4);
    PUT(&all, uint32_t, 3);
    PUT(&all, uint64_t, writer->tensor_count);
    PUT(&all, uint64_t, writer->key_count);
    struct gguf_text *const parts[] = { &writer->keys, &writer->tensors, &writer->data };
    for (int i = 0; i < 3; i++) {
        if (i == 2)
            pad(&all, 0);
        if (parts[i]->file && fflush(parts[i]->file) == 0)
            put(&all, parts[i]->bytes, parts[i]->size);
        finish(parts[i]);
    }
    fflush(all.file);
    FILE *file = fopen(path, "wb");
    bool ok = file && fwrite(all.bytes, 1, all.size, file) == all.size;
    if (ok && writer->hole)
        ok = fflush(file) == 0 && ftruncate(fileno(file), (off_t)(all.size + writer->hole)) == 0;
    if (file)
        ok = fclose(file) == 0 && ok;
    if (!ok)
        tap_note("%s cannot be written", path);
    finish(&all);
    *writer = (struct gguf_writer){ 0 };
    return ok;
}

// Of a list "2,0".
static void write_u32s(struct gguf_writer *writer, const char *key, const char *text)
{
    uint32_t values[8], count = 0;
    for (const char *at = text; at && count < 8; at = strchr(at, ',')) {
        at += *at == ',';
        values[count++] = (uint32_t)atoi(at);
    }
    gguf_key_u32s(writer, key, values, count);
}

// A list of texts has one.
void gguf_edit(struct gguf_writer *writer, const struct gguf_edit *edit)
{
    uint64_t elements = 1;
    writer->without = NULL;
    writer->halves = edit->halves;
    if (edit->key && edit->kind == GGUF_TEXT)
        gguf_key_text(writer, edit->key, edit->value);
    else if (edit->key && edit->kind == GGUF_F32)
        gguf_key_f32(writer, edit->key, atof(edit->value));
    else if (edit->key && edit->kind == GGUF_BOOL)
        gguf_key_bool(writer, edit->key, atoi(edit->value));
    else if (edit->key && edit->kind == GGUF_TEXTS)
        gguf_key_texts(writer, edit->key, &edit->value, 1);
    else if (edit->key && edit->kind == GGUF_U32S)
        write_u32s(writer, edit->key, edit->value);
    else if (edit->key)
        gguf_key_u32(writer, edit->key, (uint32_t)atoi(edit->value));
    if (edit->number_key)
        gguf_key_f32(writer, edit->number_key, atof(edit->number));
    if (!edit->tensor)
        return;
    for (int i = 0; i < 4 && edit->shape[i]; i++)
        elements *= edit->shape[i];
    double *ones = allocate(elements, sizeof *ones);
    for (uint64_t i = 0; i < elements; i++)
        ones[i] = 1.0;
    gguf_tensor(writer, edit->tensor, ones, edit->shape);
    free(ones);
}

const char *gguf_warning(const char *family)
{
    static const char *const warnings[][2] = { { "mixtral", "blocks have windows" },
        { "mixtral-q8-0", "blocks have windows" }, { "phimoe", "blocks have windows" },
        { "olmoe", "RoPE is scaled" }, { "qwen3_moe", "attention has biases" },
        { "gpt_oss", "range is not rounded" }, { "deepseek_v2", "one epsilon for all norms" },
        { "grok", "gate weighs experts as published" }, { "cohere2_moe", "attention has biases" },
        { "laguna", "other blocks than each fourth" },
        { "smallthinker", "not of 4096 positions" } };
    for (size_t i = 0; i < sizeof warnings / sizeof *warnings; i++)
        if (strcmp(warnings[i][0], family) == 0)
            return warnings[i][1];
    return NULL;
}
