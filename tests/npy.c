// npy.c - the reader and writer of NumPy's array files.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/npy.h"
#include "random.h"
#include "tap.h"

static char path[] = "/tmp/vkmoe-npy-XXXXXX";

static void write_bytes(const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0) {
        perror(path);
        exit(2);
    }
}

static void keep_line(void *user, enum vkmoe_log_level level, const char *line)
{
    (void)level;
    snprintf(user, 512, "%s", line);
}

// Writes version 1, 2 or 3 with this header text and data; returns the size.
static size_t compose(unsigned char *out, unsigned version, const char *header, size_t data_size)
{
    size_t length = strlen(header), start = version == 1 ? 10 : 12;
    memcpy(out, "\x93NUMPY", 6);
    out[6] = (unsigned char)version;
    out[7] = 0;
    for (size_t i = 8; i < start; i++)
        out[i] = (unsigned char)(length >> 8 * (i - 8));
    memcpy(out + start, header, length);
    for (size_t i = 0; i < data_size; i++)
        out[start + length + i] = (unsigned char)i;
    return start + length + data_size;
}

#define HEADER(type, shape) "{'descr': '" type "', 'fortran_order': False, 'shape': " shape ", }\n"

static const struct {
    const char *name;
    unsigned version;
    const char *header;
    size_t data_size;
    enum vkmoe_status status;
} files[] = {
    { "as NumPy writes it", 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }  \n",
        24, VKMOE_OK },
    { "version 2", 2, HEADER("<f8", "(3,)"), 24, VKMOE_OK },
    { "version 3", 3, HEADER("<i8", "(3,)"), 24, VKMOE_OK },
    { "another order", 1, "{\"shape\":(2,6),'fortran_order':False,'descr':'<f2'}", 24, VKMOE_OK },
    { "scalar", 1, HEADER("<i4", "()"), 4, VKMOE_OK },
    { "empty", 1, HEADER("<i4", "(0, 5)"), 0, VKMOE_OK },
    { "version 4", 4, HEADER("<f4", "(2, 3)"), 24, VKMOE_ERROR_UNSUPPORTED },
    { "Fortran order, one dimension", 1,
        "{'descr': '<f4', 'fortran_order': True, 'shape': (6,), }\n", 24, VKMOE_OK },
    { "Fortran order, no element", 1,
        "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 0), }\n", 0, VKMOE_OK },
    { "blanks everywhere", 1,
        " {\t'descr' :  '<f4' ,\r\n 'fortran_order' : False , "
        "'shape' : ( 2 , 3 , ) , } ",
        24, VKMOE_OK },
    { "blanks nowhere", 1, "{'descr':'<f4','fortran_order':False,'shape':(2,3)}", 24, VKMOE_OK },
    { "long integers of Python 2", 1,
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L)}\n", 24, VKMOE_OK },
    { "native byte order", 1, HEADER("=f4", "(6,)"), 24, VKMOE_OK },
    { "no byte order", 1, HEADER("f4", "(6,)"), 24, VKMOE_OK },
    { "bool", 1, HEADER("|b1", "(24,)"), 24, VKMOE_ERROR_UNSUPPORTED },
    { "complex", 1, HEADER("<c8", "(3,)"), 24, VKMOE_ERROR_UNSUPPORTED },
    { "Python objects", 1, HEADER("|O", "(3,)"), 17, VKMOE_ERROR_UNSUPPORTED },
    { "bf16", 1, HEADER("<V2", "(12,)"), 24, VKMOE_ERROR_UNSUPPORTED },
    { "no order for four bytes", 1, HEADER("|i4", "(6,)"), 24, VKMOE_ERROR_UNSUPPORTED },
    { "no descr", 1, HEADER("", "(6,)"), 24, VKMOE_ERROR_UNSUPPORTED },
    { "fields in fields", 1,
        "{'descr': [('[', '<f4'), ('b', [('c', '<i4', (2, 2))])], "
        "'fortran_order': False, 'shape': (1,), }\n",
        24, VKMOE_ERROR_UNSUPPORTED },
    { "fields without an end", 1,
        "{'descr': [('a', '<f4'), 'fortran_order': False, 'shape': (6,), }\n", 24,
        VKMOE_ERROR_INVALID },
    { "long descr", 1, HEADER("<f4xxxxxxxxxxxxxxxxxxxxx", "(2, 3)"), 24, VKMOE_ERROR_UNSUPPORTED },
    { "structured", 1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,), }\n", 24,
        VKMOE_ERROR_UNSUPPORTED },
    { "data too short", 1, HEADER("<f4", "(2, 3)"), 23, VKMOE_ERROR_INVALID },
    { "data too long", 1, HEADER("<f4", "(2, 3)"), 25, VKMOE_ERROR_INVALID },
    { "no shape", 1, "{'descr': '<f4', 'fortran_order': False, }\n", 24, VKMOE_ERROR_INVALID },
    { "key twice", 1, "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (6,)}\n",
        24, VKMOE_ERROR_INVALID },
    { "negative", 1, HEADER("<f4", "(-2, -3)"), 24, VKMOE_ERROR_INVALID },
    { "overflow", 1, HEADER("<f4", "(4294967296, 4294967296)"), 0, VKMOE_ERROR_INVALID },
    { "large number", 1, HEADER("<f4", "(99999999999999999999,)"), 0, VKMOE_ERROR_INVALID },
    { "nine dimensions", 1, HEADER("<f4", "(1, 1, 1, 1, 1, 1, 1, 2, 3)"), 24, VKMOE_ERROR_INVALID },
    { "text after it", 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } x\n", 24,
        VKMOE_ERROR_INVALID },
    { "open", 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3", 24,
        VKMOE_ERROR_INVALID },
};

static bool check_file(size_t i)
{
    unsigned char file[512];
    write_bytes(file, compose(file, files[i].version, files[i].header, files[i].data_size));
    char line[512] = "";
    const struct vkmoe_log log = { .write = keep_line, .user = line };
    struct vkmoe_npy array;
    enum vkmoe_status status = vkmoe_npy_read(path, &log, &array);
    bool ok = status == files[i].status && (status == VKMOE_OK) == (line[0] == '\0');
    if (status == VKMOE_OK)
        for (size_t j = 0; ok && j < files[i].data_size; j++)
            ok = ((unsigned char *)array.data)[j] == j;
    if (!ok)
        tap_note("%s, expected %s: %s", vkmoe_status_name(status),
            vkmoe_status_name(files[i].status), line);
    free(array.data);
    return ok;
}

// The refusal of a dtype names it.
static bool check_named(void)
{
    static const char *const descrs[] = { "'|O'", "'<c16'", "'|S7'", "'<U3'", "'<M8[ns]'", "'|b1'",
        "'<V2'", "'>f16'", "[('a', '<f4'), ('b', '|u1')]" };
    for (size_t i = 0; i < sizeof descrs / sizeof descrs[0]; i++) {
        unsigned char file[512];
        char header[256], line[512] = "", name[64];
        snprintf(header, sizeof header, "{'descr': %s, 'fortran_order': False, 'shape': (3,), }\n",
            descrs[i]);
        snprintf(name, sizeof name, "%s", descrs[i] + (*descrs[i] == '\''));
        name[strcspn(name, *descrs[i] == '\'' ? "'" : "")] = '\0';
        write_bytes(file, compose(file, 1, header, 24));
        const struct vkmoe_log log = { .write = keep_line, .user = line };
        struct vkmoe_npy array;
        if (vkmoe_npy_read(path, &log, &array) != VKMOE_ERROR_UNSUPPORTED || !strstr(line, name)) {
            tap_note("no '%s' in: %s", name, line);
            return false;
        }
    }
    return true;
}

// The same numbers in every width, sign and byte order.
static bool check_integers(void)
{
    static const char orders[] = "<>=|";
    for (const char *order = orders; *order; order++) {
        for (uint32_t i = 0; i < 8; i++) {
            const uint32_t size = 1u << i % 4;
            const char letter = i < 4 ? 'i' : 'u';
            const int64_t numbers[] = { 0, 1, 100, 127, letter == 'i' ? -100 : 200 };
            unsigned char file[512];
            char header[128];
            if (*order == '|' && size > 1)
                continue;
            snprintf(header, sizeof header,
                "{'descr': '%c%c%u', 'fortran_order': %s, 'shape': (5,), }\n", *order, letter, size,
                i % 2 ? "True" : "False");
            const size_t start = compose(file, 1, header, 0);
            for (uint32_t n = 0; n < 5; n++) {
                for (uint32_t b = 0; b < size; b++)
                    file[start + n * size + (*order == '>' ? size - 1 - b : b)] =
                        (unsigned char)((uint64_t)numbers[n] >> 8 * b);
            }
            write_bytes(file, start + 5 * size);
            struct vkmoe_npy array;
            if (vkmoe_npy_read(path, NULL, &array) != VKMOE_OK)
                return false;
            bool ok = vkmoe_npy_is_integer(&array) && array.descr[0] == *order;
            for (uint32_t n = 0; n < 5; n++)
                ok = ok && vkmoe_npy_get_integer(&array, n) == numbers[n];
            free(array.data);
            if (!ok) {
                tap_note("%s", header);
                return false;
            }
        }
    }
    return true;
}

// Element (i, j, k) of 2 x 3 x 4 is 100 i + 10 j + k, in both orders of axes and of bytes.
static bool check_fortran(void)
{
    for (uint32_t swapped = 0; swapped < 2; swapped++) {
        unsigned char file[512];
        char header[128];
        snprintf(header, sizeof header,
            "{'descr': '%cf4', 'fortran_order': True, 'shape': (2, 3, 4), }\n",
            swapped ? '>' : '<');
        size_t size = compose(file, 1, header, 0);
        for (uint32_t n = 0; n < 24; n++, size += 4) {
            const float number = (float)(100 * (n % 2) + 10 * (n / 2 % 3) + n / 6);
            unsigned char bytes[4];
            memcpy(bytes, &number, 4);
            for (uint32_t b = 0; b < 4; b++)
                file[size + b] = bytes[swapped ? 3 - b : b];
        }
        write_bytes(file, size);
        struct vkmoe_npy array;
        if (vkmoe_npy_read(path, NULL, &array) != VKMOE_OK)
            return false;
        bool ok = array.rank == 3 && array.shape[0] == 2 && array.shape[2] == 4;
        for (uint32_t n = 0; n < 24; n++)
            ok = ok
                && ((float *)array.data)[n] == (float)(100 * (n / 12) + 10 * (n / 4 % 3) + n % 4);
        free(array.data);
        if (!ok)
            return false;
    }
    return true;
}

// A file that comes through standard input, whole or not. `promised` elements are in its header.
static enum vkmoe_status read_piped(
    unsigned long long promised, size_t size, struct vkmoe_npy *array)
{
    unsigned char file[512];
    char header[128], line[512] = "";
    int ends[2];
    snprintf(header, sizeof header, HEADER("|u1", "(%llu,)"), promised);
    size = compose(file, 2, header, size);
    if (pipe(ends) != 0 || write(ends[1], file, size) != (ssize_t)size || close(ends[1]) != 0
        || dup2(ends[0], STDIN_FILENO) != STDIN_FILENO || close(ends[0]) != 0)
        exit(2);
    const struct vkmoe_log log = { .write = keep_line, .user = line };
    const enum vkmoe_status status = vkmoe_npy_read("-", &log, array);
    if (status != VKMOE_OK && !strstr(line, "standard input: "))
        tap_note("%s", line);
    return status;
}

static bool check_pipe(void)
{
    struct vkmoe_npy array;
    if (read_piped(100, 100, &array) != VKMOE_OK)
        return false;
    bool ok = array.elements == 100;
    for (uint32_t i = 0; i < 100; i++)
        ok = ok && vkmoe_npy_get_integer(&array, i) == i;
    free(array.data);
    // Cut, too long, and with the promise of a terabyte.
    return ok && read_piped(100, 99, &array) == VKMOE_ERROR_INVALID && !array.data
        && read_piped(100, 101, &array) == VKMOE_ERROR_INVALID && !array.data
        && read_piped(1ull << 40, 100, &array) == VKMOE_ERROR_INVALID && !array.data
        && vkmoe_npy_read("/dev/zero", NULL, &array) == VKMOE_ERROR_INVALID
        && vkmoe_npy_read("/tmp", NULL, &array) == VKMOE_ERROR_INVALID;
}

static bool check_round_trip(void)
{
    float floats[2 * 3 * 5];
    int32_t integers[7];
    for (int i = 0; i < 30; i++)
        floats[i] = (float)i * 0.37f - 2.0f;
    for (int i = 0; i < 7; i++)
        integers[i] = i * 1000 - 3000;
    const uint64_t shape[3] = { 2, 3, 5 }, length = 7;
    struct vkmoe_npy array;
    bool ok = vkmoe_npy_write_f32(path, NULL, floats, shape, 3) == VKMOE_OK
        && vkmoe_npy_read(path, NULL, &array) == VKMOE_OK;
    if (!ok)
        return false;
    ok = array.dtype == VKMOE_NPY_F32 && array.rank == 3 && array.elements == 30
        && memcmp(array.shape, shape, sizeof shape) == 0
        && memcmp(array.data, floats, sizeof floats) == 0;
    free(array.data);
    if (vkmoe_npy_write_i32(path, NULL, integers, &length, 1) != VKMOE_OK
        || vkmoe_npy_read(path, NULL, &array) != VKMOE_OK)
        return false;
    ok = ok && array.dtype == VKMOE_NPY_I32 && array.rank == 1 && array.elements == 7
        && memcmp(array.data, integers, sizeof integers) == 0;
    free(array.data);
    ok = ok && vkmoe_npy_read("/tmp/vkmoe-no-such-file.npy", NULL, &array) == VKMOE_ERROR_NOT_FOUND;
    return ok
        && vkmoe_npy_write_f32("/tmp/vkmoe-no-such-directory/x.npy", NULL, floats, shape, 3)
        == VKMOE_ERROR_INVALID;
}

// Cut at every byte, and single bytes changed.
static bool check_spoilt(uint64_t seed)
{
    unsigned char file[512], spoilt[512];
    size_t size = compose(file, 1, files[0].header, files[0].data_size);
    struct rng rng = { seed };
    struct vkmoe_npy array;
    for (size_t cut = 0; cut < size; cut++) {
        write_bytes(file, cut);
        if (vkmoe_npy_read(path, NULL, &array) == VKMOE_OK)
            return false;
    }
    for (uint32_t i = 0; i < 2000; i++) {
        memcpy(spoilt, file, size);
        spoilt[rng_below(&rng, (uint32_t)size - 24)] = (unsigned char)rng_next(&rng);
        write_bytes(spoilt, size);
        vkmoe_npy_read(path, NULL, &array);
        free(array.data);
    }
    return true;
}

int main(int argc, char **argv)
{
    struct tap tap;
    if (!tap_begin(&tap, argc, argv))
        return 2;
    int fd = mkstemp(path);
    if (fd < 0) {
        perror(path);
        return 2;
    }
    close(fd);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (tap_wants(&tap, files[i].name))
            tap_result(&tap, check_file(i), files[i].name);
    }
    TAP_TEST(&tap, "dtypes are named", check_named());
    TAP_TEST(&tap, "integers", check_integers());
    TAP_TEST(&tap, "Fortran order", check_fortran());
    TAP_TEST(&tap, "pipes", check_pipe());
    TAP_TEST(&tap, "round trip", check_round_trip());
    TAP_TEST(&tap, "spoilt bytes", check_spoilt(tap.seed));
    remove(path);
    return tap_end(&tap);
}
