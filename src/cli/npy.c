// npy.c - see npy.h. A file is "\x93NUMPY", a version (major, minor), the length of a
// header in 2 bytes (version 1) or 4 (2 and 3), the header - a Python dictionary with the
// keys descr, fortran_order and shape - and the elements.
#include "cli/npy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/common.h"
#include "base/log.h"

enum {
    MAX_HEADER = 1 << 20, // bytes; NumPy's own have 128
    FIRST_READ = 1 << 20, // of a file whose size is not known
};

static const struct {
    const char *name; // without the byte order
    uint32_t size;
} dtypes[] = {
    [VKMOE_NPY_F32] = { "f4", 4 },
    [VKMOE_NPY_F64] = { "f8", 8 },
    [VKMOE_NPY_F16] = { "f2", 2 },
    [VKMOE_NPY_I8] = { "i1", 1 },
    [VKMOE_NPY_I16] = { "i2", 2 },
    [VKMOE_NPY_I32] = { "i4", 4 },
    [VKMOE_NPY_I64] = { "i8", 8 },
    [VKMOE_NPY_U8] = { "u1", 1 },
    [VKMOE_NPY_U16] = { "u2", 2 },
    [VKMOE_NPY_U32] = { "u4", 4 },
    [VKMOE_NPY_U64] = { "u8", 8 },
};

// ------------------------------------------------------------------------- header

// Where in the header we are; `p` never passes `end`.
struct cursor {
    const char *p, *end;
};

static void skip_space(struct cursor *c)
{
    while (c->p < c->end && strchr(" \t\r\n", *c->p) && *c->p)
        c->p++;
}

static bool take(struct cursor *c, const char *text)
{
    skip_space(c);
    size_t length = strlen(text);
    if ((size_t)(c->end - c->p) < length || memcmp(c->p, text, length) != 0)
        return false;
    c->p += length;
    return true;
}

static void copy_cut(const char *text, size_t length, char *out, size_t size)
{
    length = MIN(length, size - 1);
    memcpy(out, text, length);
    out[length] = '\0';
}

// A quoted string without escapes, cut to `size`.
static bool take_string(struct cursor *c, char *out, size_t size)
{
    const char quote = take(c, "'") ? '\'' : take(c, "\"") ? '"' : '\0';
    const char *close = quote ? memchr(c->p, quote, (size_t)(c->end - c->p)) : NULL;
    if (!close)
        return false;
    copy_cut(c->p, (size_t)(close - c->p), out, size);
    c->p = close + 1;
    return true;
}

// A dtype: a string, or the list of fields of a structured one as it is written, cut.
static bool take_descr(struct cursor *c, char *out, size_t size)
{
    if (!take(c, "["))
        return take_string(c, out, size);
    const char *start = c->p - 1;
    char field[2];
    for (uint32_t depth = 1; depth > 0;) {
        skip_space(c);
        if (c->p == c->end)
            return false;
        if (*c->p == '\'' || *c->p == '"') {
            if (!take_string(c, field, sizeof field))
                return false;
            continue;
        }
        depth += *c->p == '[';
        depth -= *c->p == ']';
        c->p++;
    }
    copy_cut(start, (size_t)(c->p - start), out, size);
    return true;
}

static bool take_number(struct cursor *c, uint64_t *out)
{
    skip_space(c);
    const char *start = c->p;
    *out = 0;
    while (c->p < c->end && *c->p >= '0' && *c->p <= '9') {
        uint64_t digit = (uint64_t)(*c->p++ - '0');
        if (*out > (UINT64_MAX - digit) / 10)
            return false;
        *out = *out * 10 + digit;
    }
    return c->p > start;
}

static bool take_shape(struct cursor *c, struct vkmoe_npy *out)
{
    if (!take(c, "("))
        return false;
    while (!take(c, ")")) {
        uint64_t size;
        if (out->rank == VKMOE_NPY_MAX_RANK || !take_number(c, &size))
            return false;
        if (c->p < c->end && *c->p == 'L') // Python 2's long integers
            c->p++;
        out->shape[out->rank++] = size;
        if (!take(c, ",")) {
            // Only after a last size: (3) would be a number, but nothing else is meant.
            if (!take(c, ")"))
                return false;
            break;
        }
    }
    out->elements = 1;
    for (uint32_t i = 0; i < out->rank; i++) {
        if (out->shape[i] && out->elements > UINT64_MAX / 8 / out->shape[i])
            return false;
        out->elements *= out->shape[i];
    }
    return true;
}

struct header {
    char descr[64];
    bool fortran_order;
};

// Each key once, in any order, and nothing else.
static bool parse_header(struct cursor c, struct header *header, struct vkmoe_npy *out)
{
    bool descr = false, order = false, shape = false;
    if (!take(&c, "{"))
        return false;
    while (!take(&c, "}")) {
        char key[16];
        if (!take_string(&c, key, sizeof key) || !take(&c, ":"))
            return false;
        if (!descr && strcmp(key, "descr") == 0) {
            descr = take_descr(&c, header->descr, sizeof header->descr);
            if (!descr)
                return false;
        } else if (!order && strcmp(key, "fortran_order") == 0) {
            header->fortran_order = take(&c, "True");
            order = header->fortran_order || take(&c, "False");
            if (!order)
                return false;
        } else if (!shape && strcmp(key, "shape") == 0) {
            shape = take_shape(&c, out);
            if (!shape)
                return false;
        } else {
            return false;
        }
        if (!take(&c, ",")) {
            if (!take(&c, "}"))
                return false;
            break;
        }
    }
    skip_space(&c);
    return c.p == c.end && descr && order && shape;
}

// Sets *swapped to whether the bytes of an element are in the other order than this machine's.
static bool find_dtype(const char *descr, enum vkmoe_npy_dtype *out, bool *swapped)
{
    const uint16_t one = 1;
    const bool little = *(const unsigned char *)&one == 1;
    const char order = *descr && strchr("<>=|", *descr) ? *descr : '=';
    const char *name = descr + (order == *descr);
    for (uint32_t i = 0; i < ARRAY_SIZE(dtypes); i++) {
        if (strcmp(dtypes[i].name, name) != 0 || (order == '|' && dtypes[i].size > 1))
            continue;
        *out = (enum vkmoe_npy_dtype)i;
        *swapped = dtypes[i].size > 1 && order == (little ? '>' : '<');
        return true;
    }
    return false;
}

static enum vkmoe_status refuse_dtype(const char *name, const struct vkmoe_log *log, char *descr)
{
    for (char *c = descr; *c; c++) {
        if (*c < ' ' || *c > '~')
            *c = '?';
    }
    return vkmoe_fail(log, VKMOE_ERROR_UNSUPPORTED,
        "%s: has the dtype %s%s, expected f2, f4, f8, or i or u with 1, 2, 4 or 8", name, descr,
        strcmp(descr, "|O") == 0        ? " (Python objects)"
            : strcmp(descr, "|b1") == 0 ? " (bool)"
            : *descr == '['             ? " (structured)"
                                        : "");
}

// ------------------------------------------------------------------------ reading

struct source {
    const char *name; // for messages
    const struct vkmoe_log *log;
    int descriptor;
    bool sized;    // `left` is known
    uint64_t left; // bytes that have not been read
};

static void inspect(struct source *source)
{
    struct stat info;
    const off_t at = lseek(source->descriptor, 0, SEEK_CUR);
    if (fstat(source->descriptor, &info) != 0 || !S_ISREG(info.st_mode) || at < 0)
        return;
    source->sized = true;
    source->left = info.st_size > at ? (uint64_t)(info.st_size - at) : 0;
}

// What is left may be less: *got says how much it was.
static enum vkmoe_status read_bytes(struct source *source, void *out, size_t size, size_t *got)
{
    for (*got = 0; *got < size;) {
        ssize_t count = read(source->descriptor, (char *)out + *got, size - *got);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return vkmoe_fail(source->log, VKMOE_ERROR_INVALID, "%s: cannot read: %s", source->name,
                strerror(errno));
        if (count == 0)
            break;
        *got += (size_t)count;
    }
    if (source->sized)
        source->left -= MIN(source->left, *got);
    return VKMOE_OK;
}

static enum vkmoe_status read_header_text(
    struct source *source, size_t length, struct header *header, struct vkmoe_npy *out)
{
    size_t got = 0;
    char *text = malloc(length ? length : 1);
    if (!text)
        return vkmoe_fail(
            source->log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for its header", source->name);
    enum vkmoe_status status = read_bytes(source, text, length, &got);
    if (status == VKMOE_OK && got < length)
        status = vkmoe_fail(
            source->log, VKMOE_ERROR_INVALID, "%s: ends inside its header", source->name);
    if (status == VKMOE_OK && !parse_header((struct cursor){ text, text + length }, header, out))
        status = vkmoe_fail(source->log, VKMOE_ERROR_INVALID,
            "%s: has a header that is not understood", source->name);
    free(text);
    return status;
}

static enum vkmoe_status read_header(
    struct source *source, struct header *header, struct vkmoe_npy *out)
{
    uint8_t start[12] = { 0 };
    size_t got = 0, more = 0;
    enum vkmoe_status status = read_bytes(source, start, 10, &got);
    if (status != VKMOE_OK)
        return status;
    if (got == 0)
        return vkmoe_fail(source->log, VKMOE_ERROR_INVALID, "%s: is empty", source->name);
    if (got >= 4 && memcmp(start, "PK\3\4", 4) == 0)
        return vkmoe_fail(source->log, VKMOE_ERROR_UNSUPPORTED,
            "%s: is a zip archive, as .npz files are, expected one array (.npy)", source->name);
    if (got < 10 || memcmp(start, "\x93NUMPY", 6) != 0)
        return vkmoe_fail(source->log, VKMOE_ERROR_INVALID, "%s: is no .npy file", source->name);
    if (start[6] < 1 || start[6] > 3)
        return vkmoe_fail(source->log, VKMOE_ERROR_UNSUPPORTED,
            "%s: is .npy version %u, expected 1 to 3", source->name, start[6]);
    if (start[6] > 1)
        status = read_bytes(source, start + 10, 2, &more);
    const uint32_t length =
        start[8] | (uint32_t)start[9] << 8 | (uint32_t)start[10] << 16 | (uint32_t)start[11] << 24;
    const bool cut = (start[6] > 1 && more < 2) || (source->sized && length > source->left);
    if (status == VKMOE_OK && cut)
        status = vkmoe_fail(
            source->log, VKMOE_ERROR_INVALID, "%s: ends inside its header", source->name);
    else if (status == VKMOE_OK && length > MAX_HEADER)
        status = vkmoe_fail(source->log, VKMOE_ERROR_UNSUPPORTED,
            "%s: has a header of %u bytes, expected at most %d", source->name, length, MAX_HEADER);
    return status == VKMOE_OK ? read_header_text(source, length, header, out) : status;
}

static enum vkmoe_status fail_size(
    const struct source *source, uint64_t size, bool more, uint64_t expected)
{
    return vkmoe_fail(source->log, VKMOE_ERROR_INVALID,
        "%s: has %s%llu bytes of data, expected %llu", source->name, more ? "more than " : "",
        (unsigned long long)size, (unsigned long long)expected);
}

// A pipe may promise more than it has, so memory grows with what comes.
static enum vkmoe_status read_data(struct source *source, uint64_t size, void **out)
{
    enum vkmoe_status status = VKMOE_OK;
    size_t used = 0, got = 0, room = 0;
    char extra;
    if (source->sized && source->left != size)
        return fail_size(source, source->left, false, size);
    do {
        const uint64_t wanted = source->sized ? size : room ? (uint64_t)room * 2 : FIRST_READ;
        room = (size_t)MIN(wanted, MIN(size, SIZE_MAX));
        void *larger = realloc(*out, room ? room : 1);
        if (!larger)
            return vkmoe_fail(source->log, VKMOE_ERROR_OUT_OF_MEMORY,
                "%s: no memory for %llu bytes", source->name, (unsigned long long)size);
        *out = larger;
        status = read_bytes(source, (char *)larger + used, room - used, &got);
        used += got;
    } while (status == VKMOE_OK && used == room && used < size);
    if (status == VKMOE_OK && used < size)
        status = fail_size(source, used, false, size);
    if (status == VKMOE_OK)
        status = read_bytes(source, &extra, 1, &got);
    return status == VKMOE_OK && got ? fail_size(source, size, true, size) : status;
}

static void swap_bytes(char *data, uint64_t elements, uint32_t size)
{
    for (uint64_t i = 0; i < elements; i++, data += size) {
        for (uint32_t low = 0, high = size - 1; low < high; low++, high--) {
            const char byte = data[low];
            data[low] = data[high];
            data[high] = byte;
        }
    }
}

// From Fortran's order, in which the first index runs fastest, to C's.
static enum vkmoe_status reorder(
    const struct source *source, struct vkmoe_npy *array, uint32_t size)
{
    uint64_t index[VKMOE_NPY_MAX_RANK] = { 0 }, stride[VKMOE_NPY_MAX_RANK], from = 0;
    const char *data = array->data;
    char *ordered = malloc((size_t)(array->elements * size));
    if (!ordered)
        return vkmoe_fail(source->log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for %llu bytes",
            source->name, (unsigned long long)(array->elements * size));
    stride[0] = 1;
    for (uint32_t d = 1; d < array->rank; d++)
        stride[d] = stride[d - 1] * array->shape[d - 1];
    for (uint64_t i = 0; i < array->elements; i++) {
        memcpy(ordered + i * size, data + from * size, size);
        for (uint32_t d = array->rank; d-- > 0;) {
            from += stride[d];
            if (++index[d] < array->shape[d])
                break;
            from -= stride[d] * array->shape[d];
            index[d] = 0;
        }
    }
    free(array->data);
    array->data = ordered;
    return VKMOE_OK;
}

static enum vkmoe_status read_array(struct source *source, struct vkmoe_npy *out)
{
    struct header header = { 0 };
    bool swapped = false;
    enum vkmoe_status status = read_header(source, &header, out);
    if (status != VKMOE_OK)
        return status;
    if (!find_dtype(header.descr, &out->dtype, &swapped))
        return refuse_dtype(source->name, source->log, header.descr);
    copy_cut(header.descr, strlen(header.descr), out->descr, sizeof out->descr);
    const uint32_t size = dtypes[out->dtype].size;
    status = read_data(source, out->elements * size, &out->data); // take_shape() left room
    if (status == VKMOE_OK && swapped)
        swap_bytes(out->data, out->elements, size);
    if (status == VKMOE_OK && header.fortran_order && out->rank > 1 && out->elements > 0)
        status = reorder(source, out, size);
    return status;
}

enum vkmoe_status vkmoe_npy_read(
    const char *path, const struct vkmoe_log *log, struct vkmoe_npy *out)
{
    const bool is_input = strcmp(path, "-") == 0;
    struct source source = { .name = is_input ? "standard input" : path,
        .log = log,
        .descriptor = is_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC) };
    *out = (struct vkmoe_npy){ 0 };
    if (source.descriptor < 0)
        return vkmoe_fail(log,
            errno == ENOENT || errno == ENOTDIR ? VKMOE_ERROR_NOT_FOUND : VKMOE_ERROR_INVALID,
            "%s: cannot open: %s", path, strerror(errno));
    inspect(&source);
    enum vkmoe_status status = read_array(&source, out);
    if (!is_input)
        close(source.descriptor);
    if (status != VKMOE_OK) {
        free(out->data);
        *out = (struct vkmoe_npy){ 0 };
    }
    return status;
}

int64_t vkmoe_npy_get_integer(const struct vkmoe_npy *array, uint64_t i)
{
    switch (array->dtype) {
    case VKMOE_NPY_I8: return ((const int8_t *)array->data)[i];
    case VKMOE_NPY_I16: return ((const int16_t *)array->data)[i];
    case VKMOE_NPY_I32: return ((const int32_t *)array->data)[i];
    case VKMOE_NPY_I64: return ((const int64_t *)array->data)[i];
    case VKMOE_NPY_U8: return ((const uint8_t *)array->data)[i];
    case VKMOE_NPY_U16: return ((const uint16_t *)array->data)[i];
    case VKMOE_NPY_U32: return ((const uint32_t *)array->data)[i];
    case VKMOE_NPY_U64: return (int64_t)MIN(((const uint64_t *)array->data)[i], INT64_MAX);
    default: return INT64_MAX;
    }
}

// ------------------------------------------------------------------------ writing

static enum vkmoe_status write_array(const char *path, const struct vkmoe_log *log,
    const char *descr, const void *data, const uint64_t *shape, uint32_t rank)
{
    if (rank > VKMOE_NPY_MAX_RANK)
        return vkmoe_fail(log, VKMOE_ERROR_UNSUPPORTED, "%s: %u dimensions, at most %d", path, rank,
            VKMOE_NPY_MAX_RANK);
    char header[512];
    uint64_t elements = 1;
    int used = snprintf(
        header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (uint32_t i = 0; i < rank; i++) {
        used += snprintf(
            header + used, sizeof header - (size_t)used, "%llu,", (unsigned long long)shape[i]);
        elements *= shape[i];
    }
    used += snprintf(header + used, sizeof header - (size_t)used, "), }");
    // Blanks and a newline up to a multiple of 64, so that a mapped file is aligned.
    while ((10 + used + 1) % 64)
        header[used++] = ' ';
    header[used++] = '\n';

    const bool is_output = strcmp(path, "-") == 0;
    FILE *file = is_output ? stdout : fopen(path, "wb");
    if (!file)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: cannot create: %s", path, strerror(errno));
    const unsigned char start[10] = { 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0,
        (unsigned char)(used & 255), (unsigned char)(used >> 8) };
    bool ok = fwrite(start, 1, sizeof start, file) == sizeof start
        && fwrite(header, 1, (size_t)used, file) == (size_t)used
        && fwrite(data, 4, (size_t)elements, file) == elements && fflush(file) == 0;
    const int error = errno;
    if (!is_output && fclose(file) != 0 && ok)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: cannot write: %s", path, strerror(errno));
    errno = error; // the first to fail has the reason; callers may want it
    if (!ok)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: cannot write: %s",
            is_output ? "standard output" : path, strerror(error));
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_npy_write_f32(const char *path, const struct vkmoe_log *log,
    const float *data, const uint64_t *shape, uint32_t rank)
{
    return write_array(path, log, "<f4", data, shape, rank);
}

enum vkmoe_status vkmoe_npy_write_i32(const char *path, const struct vkmoe_log *log,
    const int32_t *data, const uint64_t *shape, uint32_t rank)
{
    return write_array(path, log, "<i4", data, shape, rank);
}
