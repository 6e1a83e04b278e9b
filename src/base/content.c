// content.c - see content.h. POSIX.
#include "base/content.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/common.h"

#define NOT_READ "which this version does not read; "

const char *vkmoe_content_other(const void *data, uint64_t size)
{
    static const struct {
        const char *begin, *what;
        bool binary; // may be the length of a safetensors header by chance
    } kinds[] = {
        { "version https://git-lfs.github.com/spec/",
            "is a Git LFS pointer, not the file itself; "
            "fetch that with 'git lfs pull'",
            false },
        { "# xet version",
            "is a Git Xet pointer, not the file itself; fetch that with "
            "'git xet checkout'",
            false },
        { "<!DOCTYPE", "is a web page, not the file itself; download it anew", false },
        { "<html", "is a web page, not the file itself; download it anew", false },
        { "Entry not found", "is a server's message that there is no such file", false },
        { "Access to model",
            "is a server's message that access is restricted; log in and download "
            "it anew",
            false },
        { "Invalid username or password",
            "is a server's message that access is restricted; log in "
            "and download it anew",
            false },
        { "GGUF", "is a GGUF file; give its own path as the model, not the folder's", true },
        { "PK\3\4", "is a PyTorch file, " NOT_READ TO_SAFETENSORS, true },
        { "\x89HDF", "is an HDF5 file, " NOT_READ TO_SAFETENSORS, true },
    };
    static const char zeros[16];
    const char *text = data;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        size_t length = strlen(kinds[i].begin);
        if (size >= length && strncasecmp(text, kinds[i].begin, length) == 0
            && !(kinds[i].binary && size > 8 && text[8] == '{'))
            return kinds[i].what;
    }
    if (size >= sizeof zeros && memcmp(text, zeros, sizeof zeros) == 0)
        return "begins with zeros: its download is not finished";
    return NULL;
}

bool vkmoe_path_is_there(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

bool vkmoe_path_is_broken_link(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0 && S_ISLNK(info.st_mode) && stat(path, &info) != 0;
}

enum vkmoe_status vkmoe_path_refuse_broken_link(const char *path, const struct vkmoe_log *log)
{
    return vkmoe_fail(log, VKMOE_ERROR_NOT_FOUND,
        "%s: is a symbolic link to a file that is not there; download it anew", path);
}
