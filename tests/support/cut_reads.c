// cut_reads.c - preloaded by cli_loading.sh: at the VKMOE_TEST_READ-th read of a safetensors
// file, the file is cut to VKMOE_TEST_SIZE bytes, or without that the user presses Ctrl-C.
#define _GNU_SOURCE
#undef _FILE_OFFSET_BITS // which would rename one of the two
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static void act(int fd)
{
    static int count;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t length = readlink(link, path, sizeof path - 1);
    const char *wanted = getenv("VKMOE_TEST_READ"), *size = getenv("VKMOE_TEST_SIZE");
    if (length < 0 || !wanted)
        return;
    path[length] = '\0';
    if (!strstr(path, ".safetensors") || ++count != atoi(wanted))
        return;
    if (!size)
        raise(SIGINT);
    else if (truncate(path, atol(size)) != 0)
        abort();
}

typedef ssize_t read_at(int fd, void *to, size_t size, off_t offset);

static read_at *find(const char *name)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    read_at *function;
    memcpy(&function, &symbol, sizeof function);
    return function;
}

ssize_t pread(int fd, void *to, size_t size, off_t offset)
{
    act(fd);
    return find("pread")(fd, to, size, offset);
}

ssize_t pread64(int fd, void *to, size_t size, off_t offset)
{
    act(fd);
    return find("pread64")(fd, to, size, offset);
}
