// gguf_file.c - see gguf_file.h. The format, little-endian and without padding: "GGUF", u32
// version, u64 number of tensors, u64 number of keys; for each key a string, a u32 type and a
// value; for each tensor a string, u32 rank, u64 for each dimension, the fastest first, a u32
// type and a u64 offset; zeros up to the alignment; the data, from which the offsets count.
// (github.com/ggml-org/ggml, docs/gguf.md)
#include "checkpoint/gguf_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/content.h"
#include "base/log.h"
#include "base/try.h"
#include "checkpoint/foreign.h"
#include "checkpoint/gguf_types.h"

enum {
    WINDOW = 1 << 16,
    MAX_KEYS = 1 << 16,
    MAX_NAME = 63, // ggml has no room for more
    MAX_RANK = 4,
    MAX_TEXT = 1 << 16,    // of a value that is kept
    MAX_ITEMS = 1 << 12,   // likewise: no model has as many blocks
    MAX_KEPT = 1 << 17,    // items of all arrays: in memory they are larger than in a file
    MAX_STRINGS = 1 << 24, // of an array: each is looked at, and no vocabulary has as many
    MIN_KEY_SIZE = 13,     // of any key with its value
    MIN_TENSOR_SIZE = 32,  // likewise
};

enum type {
    TYPE_U8,
    TYPE_I8,
    TYPE_U16,
    TYPE_I16,
    TYPE_U32,
    TYPE_I32,
    TYPE_F32,
    TYPE_BOOL,
    TYPE_STRING,
    TYPE_ARRAY,
    TYPE_U64,
    TYPE_I64,
    TYPE_F64,
    TYPES
};

// In a file, of those that have one.
static const uint8_t type_size[TYPES] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };

// The first failure is logged and stays in `status`; later steps read zeros.
struct reader {
    const struct vkmoe_file *file;
    const struct vkmoe_log *log;
    struct arena *arena;
    enum vkmoe_status status;
    uint64_t at; // of what is read next
    uint64_t alignment;
    uint64_t kept; // items of arrays
    uint64_t window_at, window_size;
    uint8_t window[WINDOW]; // what the file has from window_at on
};

#define FAIL(reader, code, ...) \
    do { \
        if ((reader)->status == VKMOE_OK) \
            (reader)->status = vkmoe_fail((reader)->log, VKMOE_ERROR_##code, __VA_ARGS__); \
    } while (0)

// ---------------------------------------------------------------------------- arena

struct arena_piece {
    struct arena_piece *next;
    uint64_t used, size;
    max_align_t bytes[];
};

void *vkmoe_arena_take(struct arena *arena, uint64_t size)
{
    enum { PIECE = 1 << 16 };
    struct arena_piece *piece = arena->pieces;
    if (size > SIZE_MAX / 2)
        return NULL;
    size = align_up(size, sizeof(max_align_t));
    if (!piece || piece->size - piece->used < size) {
        const uint64_t room = MAX(size, PIECE);
        piece = calloc(1, sizeof *piece + (size_t)room);
        if (!piece)
            return NULL;
        *piece = (struct arena_piece){ .next = arena->pieces, .size = room };
        arena->pieces = piece;
    }
    void *taken = (char *)piece->bytes + piece->used;
    piece->used += size;
    return taken;
}

void vkmoe_arena_finish(struct arena *arena)
{
    while (arena->pieces) {
        struct arena_piece *piece = arena->pieces;
        arena->pieces = piece->next;
        free(piece);
    }
}

static void *take(struct reader *r, uint64_t count, uint64_t size)
{
    void *taken = r->status == VKMOE_OK ? vkmoe_arena_take(r->arena, count * size) : NULL;
    if (!taken)
        FAIL(r, OUT_OF_MEMORY, "%s: no memory for what it says", r->file->path);
    return taken;
}

// ---------------------------------------------------------------------------- bytes

static uint64_t left(const struct reader *r)
{
    return r->file->size - r->at;
}

// Whether there are so many bytes, which nothing may be read or allocated for before.
static bool has(struct reader *r, uint64_t count, uint64_t size, const char *what)
{
    if (r->status == VKMOE_OK && count > left(r) / size)
        FAIL(r, INVALID, "%s: %s at byte %llu would end beyond the end of the file%s",
            r->file->path, what, (unsigned long long)r->at,
            vkmoe_foreign_is_unfinished(r->file->path) ? ", whose download is not finished" : "");
    return r->status == VKMOE_OK;
}

// Of things in a list, which take so many bytes at least.
static void check_count(
    struct reader *r, uint64_t count, uint64_t size, uint32_t max, const char *list)
{
    if (has(r, count, size, list) && count > max)
        FAIL(r, INVALID, "%s: %s has %llu of them, more than %u", r->file->path, list,
            (unsigned long long)count, max);
}

static void read_bytes(struct reader *r, void *to, uint64_t size)
{
    while (size > 0 && r->status == VKMOE_OK) {
        if (r->at < r->window_at || r->at - r->window_at >= r->window_size) {
            r->window_at = r->at;
            r->window_size = MIN(left(r), WINDOW);
            r->status =
                vkmoe_file_read(r->file, r->log, r->file->data + r->at, r->window, r->window_size);
            if (r->status != VKMOE_OK)
                return;
        }
        const uint64_t from = r->at - r->window_at, piece = MIN(size, r->window_size - from);
        memcpy(to, r->window + from, (size_t)piece);
        to = (char *)to + piece;
        r->at += piece;
        size -= piece;
    }
}

static uint64_t read_integer(struct reader *r, uint32_t size, const char *what)
{
    uint8_t bytes[8] = { 0 };
    uint64_t value = 0;
    if (has(r, size, 1, what))
        read_bytes(r, bytes, size);
    for (uint32_t i = size; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

static uint32_t read_u32(struct reader *r, const char *what)
{
    return (uint32_t)read_integer(r, 4, what);
}

// NULL: it is longer than `max`, and was passed over, or there is a failure.
static char *read_string(struct reader *r, uint64_t max, const char *what)
{
    const uint64_t size = read_integer(r, 8, what);
    if (!has(r, size, 1, what))
        return NULL;
    if (size > max) {
        r->at += size;
        return NULL;
    }
    char *text = take(r, size + 1, 1);
    if (text)
        read_bytes(r, text, size);
    return text;
}

// A name: of characters that can be printed, or else it is refused.
static char *read_name(struct reader *r, uint64_t max, const char *what)
{
    const uint64_t at = r->at;
    char *text = read_string(r, max, what), *shown;
    const uint64_t size = text ? r->at - at - 8 : 0;
    if (r->status != VKMOE_OK)
        return NULL;
    if (size == 0) {
        FAIL(r, INVALID, "%s: %s at byte %llu %s", r->file->path, what, (unsigned long long)at,
            text ? "is empty" : "is too long");
        return NULL;
    }
    shown = take(r, size + 1, 1);
    if (!shown)
        return NULL;
    memcpy(shown, text, (size_t)size);
    vkmoe_make_printable(shown, size);
    if (memcmp(shown, text, (size_t)size) != 0)
        FAIL(r, INVALID, "%s: %s \"%.200s\" at byte %llu is not printable UTF-8", r->file->path,
            what, shown, (unsigned long long)at);
    return text;
}

// --------------------------------------------------------------------------- values

static double read_number(struct reader *r, enum type type, const char *key)
{
    const uint64_t bits = read_integer(r, type_size[type], key);
    const uint32_t low = (uint32_t)bits;
    double number;
    float single;
    switch (type) {
    case TYPE_I8: return (int8_t)bits;
    case TYPE_I16: return (int16_t)bits;
    case TYPE_I32: return (int32_t)bits;
    case TYPE_I64: return (double)(int64_t)bits;
    case TYPE_F32: memcpy(&single, &low, sizeof single); return (double)single;
    case TYPE_F64: memcpy(&number, &bits, sizeof number); return number;
    case TYPE_BOOL:
        if (bits > 1)
            FAIL(r, INVALID, "%s: %s is neither true nor false", r->file->path, key);
        return bits != 0;
    default: return (double)bits;
    }
}

static void read_scalar(struct reader *r, uint32_t type, struct value *out)
{
    if (type >= TYPES || type == TYPE_ARRAY) {
        FAIL(r, INVALID, "%s: %s has %s %u", r->file->path, out->name,
            type == TYPE_ARRAY ? "an array of arrays, type" : "the unknown type", type);
    } else if (type == TYPE_STRING) {
        const uint64_t at = r->at;
        char *text = read_string(r, MAX_TEXT, out->name);
        if (text) {
            vkmoe_make_printable(text, r->at - at - 8);
            out->kind = VALUE_STRING;
            out->text = text;
        }
    } else {
        out->number = read_number(r, (enum type)type, out->name);
        out->kind = type == TYPE_BOOL ? VALUE_BOOL : VALUE_NUMBER;
    }
}

static void pass_strings(struct reader *r, uint64_t count, const char *what)
{
    if (count > MAX_STRINGS)
        FAIL(r, INVALID, "%s: %s has %llu strings, more than %d", r->file->path, what,
            (unsigned long long)count, MAX_STRINGS);
    for (uint64_t i = 0; i < count && r->status == VKMOE_OK; i++) {
        const uint64_t size = read_integer(r, 8, what);
        if (has(r, size, 1, what))
            r->at += size;
    }
}

static void read_items(struct reader *r, uint32_t type, uint64_t count, struct value *out)
{
    struct value *items = take(r, MAX(count, 1), sizeof *items);
    r->kept += count;
    for (uint64_t i = 0; i < count && r->status == VKMOE_OK; i++) {
        items[i].name = out->name;
        read_scalar(r, type, &items[i]);
    }
    *out = (struct value){
        .name = out->name, .kind = VALUE_LIST, .count = (uint32_t)count, .items = items
    };
}

// `place` becomes where its items are, those passed over included.
static void read_array(struct reader *r, struct value *out, struct gguf_place *place)
{
    const uint32_t type = read_u32(r, out->name);
    const uint64_t count = read_integer(r, 8, out->name);
    if (r->status == VKMOE_OK && (type >= TYPES || type == TYPE_ARRAY)) {
        struct value nothing = { .name = out->name };
        read_scalar(r, type, &nothing);
        return;
    }
    const uint64_t size = r->status != VKMOE_OK ? 1 : type == TYPE_STRING ? 8 : type_size[type];
    if (!has(r, count, size, out->name))
        return;
    const uint64_t begin = r->at;
    if (type == TYPE_STRING)
        pass_strings(r, count, out->name);
    else if (count > MAX_ITEMS || count > MAX_KEPT - r->kept)
        r->at += count * size;
    else
        read_items(r, type, count, out);
    *place = (struct gguf_place){ .at = begin,
        .size = r->at - begin,
        .count = count,
        .strings = type == TYPE_STRING,
        .floats = type == TYPE_F32 };
}

// The one key that says how the file itself is to be read.
static void read_alignment(struct reader *r, uint32_t type, const struct value *value)
{
    const double number = type == TYPE_U32 ? value->number : 0.0;
    r->alignment = (uint64_t)number;
    if (r->alignment == 0 || (r->alignment & (r->alignment - 1)) != 0)
        FAIL(r, INVALID, "%s: %s is no u32 that is a power of two", r->file->path, value->name);
}

static int compare_names(const void *a, const void *b)
{
    const struct value *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static void refuse_duplicates(struct reader *r, const struct gguf_file *out)
{
    const struct value **sorted = take(r, MAX(out->value_count, 1), sizeof *sorted);
    if (!sorted)
        return;
    for (uint32_t i = 0; i < out->value_count; i++)
        sorted[i] = &out->values[i];
    qsort(sorted, out->value_count, sizeof *sorted, compare_names);
    for (uint32_t i = 1; i < out->value_count; i++) {
        if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0)
            FAIL(r, INVALID, "%s: %s is there twice", r->file->path, sorted[i]->name);
    }
}

// Where to note the place of this array.
static struct gguf_place *find_place(struct gguf_file *out, const char *key)
{
    const struct {
        const char *key;
        struct gguf_place *place;
    } noted[] = { { "tokens", &out->tokens }, { "scores", &out->scores },
        { "token_type", &out->token_types }, { "merges", &out->merges } };
    static const char head[] = "tokenizer.ggml.";
    const size_t length = sizeof head - 1;
    for (size_t i = 0; i < ARRAY_SIZE(noted) && strncmp(key, head, length) == 0; i++) {
        if (strcmp(key + length, noted[i].key) == 0)
            return noted[i].place;
    }
    return &out->elsewhere;
}

static void read_values(struct reader *r, uint64_t count, struct gguf_file *out)
{
    check_count(r, count, MIN_KEY_SIZE, MAX_KEYS, "the list of keys");
    out->values = take(r, MAX(count, 1), sizeof *out->values);
    out->entries = take(r, MAX(count, 1), sizeof *out->entries);
    for (uint64_t i = 0; i < count && r->status == VKMOE_OK; i++) {
        struct value *value = &out->values[i];
        const uint64_t at = r->at;
        value->name = read_name(r, MAX_TEXT, "key");
        const uint32_t type = read_u32(r, "the type of a value");
        if (r->status != VKMOE_OK)
            return;
        if (type == TYPE_ARRAY)
            read_array(r, value, find_place(out, value->name));
        else
            read_scalar(r, type, value);
        if (strcmp(value->name, "general.alignment") == 0)
            read_alignment(r, type, value);
        out->entries[i] = (struct gguf_entry){ .at = at, .size = r->at - at };
        out->value_count++;
    }
    refuse_duplicates(r, out);
}

const struct value *vkmoe_gguf_value(const struct gguf_file *file, const char *key)
{
    for (uint32_t i = 0; i < file->value_count; i++) {
        if (strcmp(file->values[i].name, key) == 0)
            return &file->values[i];
    }
    return NULL;
}

// -------------------------------------------------------------------------- tensors

#define REFUSE_TENSOR(r, tensor, format, ...) \
    FAIL(r, INVALID, "%s: tensor %s " format, (r)->file->path, (tensor)->name, __VA_ARGS__)

// Its dimensions, which the file has in the other order.
static void read_shape(struct reader *r, struct tensor *tensor)
{
    tensor->rank = read_u32(r, tensor->name);
    tensor->elements = 1;
    if (r->status == VKMOE_OK && (tensor->rank == 0 || tensor->rank > MAX_RANK))
        REFUSE_TENSOR(r, tensor, "has %u dimensions, expected 1 to %d", tensor->rank, MAX_RANK);
    for (uint32_t i = tensor->rank; i-- > 0 && r->status == VKMOE_OK;) {
        const uint64_t size = tensor->shape[i] = read_integer(r, 8, tensor->name);
        if (r->status == VKMOE_OK && (size == 0 || size > (uint64_t)INT64_MAX / tensor->elements))
            REFUSE_TENSOR(r, tensor, "%s",
                size == 0 ? "has a dimension of 0" : "has more elements than 63 bits can count");
        else
            tensor->elements *= size;
    }
    if (r->status == VKMOE_OK && tensor->elements == tensor->shape[tensor->rank - 1]) {
        tensor->shape[0] = tensor->elements; // a vector, whatever ones come after its length
        tensor->rank = 1;
    }
}

static void read_type(struct reader *r, struct tensor *tensor)
{
    const uint32_t number = read_u32(r, tensor->name);
    const struct gguf_type *type = vkmoe_gguf_type(number);
    if (r->status != VKMOE_OK)
        return;
    if (!type || !type->name) {
        REFUSE_TENSOR(
            r, tensor, "has the type %u, which %s", number, type ? "was withdrawn" : "is unknown");
        return;
    }
    snprintf(tensor->dtype, sizeof tensor->dtype, "%s", type->name);
    const uint64_t row = tensor->shape[tensor->rank - 1];
    if (row % type->elements)
        REFUSE_TENSOR(r, tensor, "has rows of %llu elements, which are no whole blocks of %s",
            (unsigned long long)row, type->name);
    else if (tensor->elements / type->elements > INT64_MAX / type->bytes)
        REFUSE_TENSOR(r, tensor, "%s", "has more bytes than 63 bits can count");
    tensor->size = tensor->elements / type->elements * type->bytes;
}

static void refuse_end(struct reader *r, const struct tensor *tensor)
{
    REFUSE_TENSOR(r, tensor, "ends beyond the end of the file, whose download %s finished",
        vkmoe_foreign_is_unfinished(r->file->path) ? "is not" : "may not be");
}

// One follows the other, each from a multiple of the alignment on: all files are so, and what
// overlaps is nothing that can be meant.
static void read_tensor(struct reader *r, struct tensor *tensor, uint64_t *next)
{
    tensor->name = read_name(r, MAX_NAME, "the name of a tensor");
    if (r->status != VKMOE_OK)
        return;
    tensor->path = r->file->path;
    tensor->file = r->file;
    read_shape(r, tensor);
    read_type(r, tensor);
    const uint64_t offset = read_integer(r, 8, tensor->name);
    if (r->status != VKMOE_OK)
        return;
    if (offset != *next)
        REFUSE_TENSOR(r, tensor, "begins at data offset %llu, expected %llu",
            (unsigned long long)offset, (unsigned long long)*next);
    else if (*next > r->file->size)
        refuse_end(r, tensor);
    else if (tensor->size > r->file->size)
        REFUSE_TENSOR(r, tensor, "has %llu bytes, more than the whole file%s",
            (unsigned long long)tensor->size, ", whose download may not be finished");
    else
        *next = align_up(offset + tensor->size, r->alignment);
}

// The data begins where the header ends, and has all tensors; but for the last one's padding.
static void place_tensors(struct reader *r, struct gguf_file *out)
{
    const uint64_t begin = align_up(r->at, r->alignment);
    uint64_t offset = 0;
    for (uint32_t i = 0; i < out->tensor_count && r->status == VKMOE_OK; i++) {
        struct tensor *tensor = &out->tensors[i];
        if (begin > r->file->size || offset > r->file->size - begin
            || tensor->size > r->file->size - begin - offset)
            refuse_end(r, tensor);
        else
            tensor->data = r->file->data + begin + offset;
        offset = align_up(offset + tensor->size, r->alignment);
    }
}

static void read_tensors(struct reader *r, uint64_t count, struct gguf_file *out)
{
    uint64_t next = 0;
    check_count(r, count, MIN_TENSOR_SIZE, MAX_TENSORS, "the list of tensors");
    out->tensors = take(r, MAX(count, 1), sizeof *out->tensors);
    for (; out->tensor_count < count && r->status == VKMOE_OK; out->tensor_count++)
        read_tensor(r, &out->tensors[out->tensor_count], &next);
    if (r->status == VKMOE_OK)
        place_tensors(r, out);
}

// ------------------------------------------------------------------------------ all

static void read_version(struct reader *r)
{
    char begin[64] = "";
    const uint64_t size = MIN(r->file->size, sizeof begin);
    read_bytes(r, begin, size);
    if (strncmp(begin, "GGUF", 4) != 0) {
        const char *other = vkmoe_content_other(begin, size);
        FAIL(r, INVALID, "%s: %s", r->file->path, other ? other : "does not begin with GGUF");
    }
    r->at = 4;
    const uint32_t version = read_u32(r, "the version");
    if (version != 2 && version != 3)
        FAIL(r, UNSUPPORTED, "%s: is GGUF %s%u, only versions 2 and 3 are supported", r->file->path,
            version && version % 65536 == 0 ? "for big-endian machines, of version " : "",
            version && version % 65536 == 0 ? version >> 24 : version);
}

enum vkmoe_status vkmoe_gguf_read(const struct vkmoe_file *file, const struct vkmoe_log *log,
    struct arena *arena, struct gguf_file *out)
{
    *out = (struct gguf_file){ 0 };
    struct reader *r = malloc(sizeof *r);
    if (!r)
        return vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory to read it", file->path);
    r->file = file;
    r->log = log;
    r->arena = arena;
    r->status = VKMOE_OK;
    r->at = r->window_at = r->window_size = r->kept = 0;
    r->alignment = 32;
    read_version(r);
    const uint64_t tensors = read_integer(r, 8, "the number of tensors");
    const uint64_t keys = read_integer(r, 8, "the number of keys");
    read_values(r, keys, out);
    read_tensors(r, tensors, out);
    const enum vkmoe_status status = r->status;
    free(r);
    return status;
}
