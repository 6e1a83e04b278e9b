// fuzz.c - see fuzz.h.
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/value.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    if (!folder_begin("fuzz"))
        exit(2);
    atexit(folder_finish);
    return 0;
}

const char *fuzz_write(const char *name, const uint8_t *data, size_t size, size_t hole)
{
    folder_write(name, data, size);
    const char *path = folder_path(name);
    if (hole && truncate(path, (off_t)(size + hole)) != 0)
        fuzz_fail("cannot make a file longer", path);
    return path;
}

void fuzz_fail(const char *what, const char *line)
{
    fprintf(stderr, "fuzz: %s: %s\n", what, line);
    abort();
}

void fuzz_expect(enum vkmoe_status status, struct record *record)
{
    const uint32_t lines = record->lines[VKMOE_LOG_ERROR];
    const size_t size = strlen(record->last);
    if (lines != (status != VKMOE_OK))
        fuzz_fail(lines == 0 ? "no line for a failure" : "too many lines", record->last);
    if (vkmoe_has_control_character(record->last))
        fuzz_fail("a line that cannot be printed", record->last);
    for (size_t i = 0, length; i < size; i += length) {
        length = vkmoe_utf8_length((const unsigned char *)record->last + i, size - i);
        if (length == 0)
            fuzz_fail("a line that is not UTF-8", record->last);
    }
    *record = (struct record){ 0 };
}
