// npy.c - see npy.h. A file is "\x93NUMPY", a version (major, minor), the length of a
// header in 2 bytes (version 1) or 4 (2 and 3), the header - a Python dictionary with the
// keys descr, fortran_order and shape - and the elements.
#include "npy.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "log.h"
#include "model/mapping.h"

static const struct {
    const char *name;
    uint32_t size;
} dtypes[] = {
    [VKMOE_NPY_F32] = {"<f4", 4}, [VKMOE_NPY_F64] = {"<f8", 8}, [VKMOE_NPY_F16] = {"<f2", 2},
    [VKMOE_NPY_I32] = {"<i4", 4}, [VKMOE_NPY_I64] = {"<i8", 8},
};

// Where in the header we are; `p` never passes `end`.
struct cursor {
    const char *p, *end;
};

static void skip_space(struct cursor *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\t'))
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

// A quoted string without escapes, cut to `size`.
static bool take_string(struct cursor *c, char *out, size_t size)
{
    const char quote = take(c, "'") ? '\'' : take(c, "\"") ? '"' : '\0';
    const char *close = quote ? memchr(c->p, quote, (size_t)(c->end - c->p)) : NULL;
    if (!close)
        return false;
    size_t length = MIN((size_t)(close - c->p), size - 1);
    memcpy(out, c->p, length);
    out[length] = '\0';
    c->p = close + 1;
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
        out->shape[out->rank++] = size;
        if (!take(c, ",")) {
            // Only behind a last size: (3) would be a number, but nothing else is meant.
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
    char descr[16];
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
            descr = take_string(&c, header->descr, sizeof header->descr);
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

static enum vkmoe_status read_array(const char *path, const struct vkmoe_log *log,
    const uint8_t *file, uint64_t size, struct vkmoe_npy *out)
{
    if (size < 10 || memcmp(file, "\x93NUMPY", 6) != 0)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: is no .npy file", path);
    if (file[6] < 1 || file[6] > 3)
        return vkmoe_fail(log, VKMOE_ERROR_UNSUPPORTED, "%s: is .npy version %u, expected 1 to 3",
            path, file[6]);
    uint64_t start = file[6] == 1 ? 10 : 12, length = file[8] | (uint64_t)file[9] << 8;
    if (file[6] > 1 && size >= 12)
        length |= (uint64_t)file[10] << 16 | (uint64_t)file[11] << 24;
    if (start > size || length > size - start)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: ends inside its header", path);

    struct header header = {0};
    const char *text = (const char *)file + start;
    if (!parse_header((struct cursor){text, text + length}, &header, out))
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: has a header that is not understood",
            path);
    if (header.fortran_order)
        return vkmoe_fail(log, VKMOE_ERROR_UNSUPPORTED, "%s: is in Fortran order", path);
    uint32_t dtype = 0;
    while (dtype < ARRAY_SIZE(dtypes) && strcmp(dtypes[dtype].name, header.descr) != 0)
        dtype++;
    if (dtype == ARRAY_SIZE(dtypes))
        return vkmoe_fail(log, VKMOE_ERROR_UNSUPPORTED,
            "%s: has another dtype than little-endian f2, f4, f8, i4 or i8", path);

    uint64_t data_size = out->elements * dtypes[dtype].size; // take_shape() left room
    if (data_size != size - start - length)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: has %llu bytes of data, expected %llu",
            path, (unsigned long long)(size - start - length), (unsigned long long)data_size);
    out->dtype = (enum vkmoe_npy_dtype)dtype;
    out->data = malloc(data_size ? (size_t)data_size : 1);
    if (!out->data)
        return vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for %llu bytes", path,
            (unsigned long long)data_size);
    memcpy(out->data, file + start + length, (size_t)data_size);
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_npy_read(const char *path, const struct vkmoe_log *log,
    struct vkmoe_npy *out)
{
    *out = (struct vkmoe_npy){0};
    struct vkmoe_mapping mapping;
    enum vkmoe_status status = vkmoe_mapping_open(path, log, &mapping);
    if (status == VKMOE_OK)
        status = read_array(path, log, mapping.data, mapping.size, out);
    vkmoe_mapping_close(&mapping);
    if (status != VKMOE_OK)
        *out = (struct vkmoe_npy){0};
    return status;
}

static enum vkmoe_status write_array(const char *path, const struct vkmoe_log *log,
    const char *descr, const void *data, const uint64_t *shape, uint32_t rank)
{
    if (rank > VKMOE_NPY_MAX_RANK)
        return vkmoe_fail(log, VKMOE_ERROR_UNSUPPORTED, "%s: %u dimensions, at most %d", path,
            rank, VKMOE_NPY_MAX_RANK);
    char header[512];
    uint64_t elements = 1;
    int used = snprintf(header, sizeof header,
        "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (uint32_t i = 0; i < rank; i++) {
        used += snprintf(header + used, sizeof header - (size_t)used, "%llu,",
            (unsigned long long)shape[i]);
        elements *= shape[i];
    }
    used += snprintf(header + used, sizeof header - (size_t)used, "), }");
    // Blanks and a newline up to a multiple of 64, so that a mapped file is aligned.
    while ((10 + used + 1) % 64)
        header[used++] = ' ';
    header[used++] = '\n';

    FILE *file = fopen(path, "wb");
    if (!file)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: cannot create: %s", path, strerror(errno));
    const unsigned char start[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0,
        (unsigned char)(used & 255), (unsigned char)(used >> 8)};
    bool ok = fwrite(start, 1, sizeof start, file) == sizeof start
        && fwrite(header, 1, (size_t)used, file) == (size_t)used
        && fwrite(data, 4, (size_t)elements, file) == elements;
    if (fclose(file) != 0)
        ok = false;
    if (!ok)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: cannot write: %s", path, strerror(errno));
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
