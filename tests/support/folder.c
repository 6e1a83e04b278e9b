// folder.c - see folder.h.
#define _XOPEN_SOURCE 700
#include "folder.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char folder[64];

bool folder_begin(const char *name)
{
    const char *base = getenv("TMPDIR");
    const int size =
        snprintf(folder, sizeof folder, "%s/vkmoe-%s-XXXXXX", base && *base ? base : "/tmp", name);
    if ((size_t)size < sizeof folder && mkdtemp(folder))
        return true;
    perror(folder);
    return false;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    return where->level > 0 ? remove(path) : 0;
}

void folder_empty(void)
{
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void folder_finish(void)
{
    folder_empty();
    rmdir(folder);
}

const char *folder_path(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

void folder_make(const char *name)
{
    char part[256];
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - name), name);
        if (mkdir(folder_path(part), 0700) != 0 && errno != EEXIST) {
            perror(folder_path(part));
            exit(2);
        }
    }
}

void folder_write(const char *name, const void *data, size_t size)
{
    folder_make(name);
    FILE *file = fopen(folder_path(name), "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0) {
        perror(folder_path(name));
        exit(2);
    }
}

void folder_write_text(const char *name, const char *text)
{
    folder_write(name, text, strlen(text));
}

char *text_changed(const char *text, const char *old, const char *new)
{
    const char *at = old ? strstr(text, old) : text;
    char *out = at ? malloc(strlen(text) + strlen(new) + 1) : NULL;
    if (!out) {
        fprintf(stderr, "%s is not in the text\n", old ? old : text);
        exit(2);
    }
    memcpy(out, text, (size_t)(at - text));
    strcpy(out + (at - text), new);
    strcat(out, old ? at + strlen(old) : "");
    return out;
}

void folder_change_config(const char *from, const char *old, const char *new)
{
    char path[512], text[4096];
    snprintf(path, sizeof path, "%s/config.json", from);
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        exit(2);
    }
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    char *config = text_changed(text, old, new);
    folder_write_text("config.json", config);
    free(config);
    snprintf(path, sizeof path, "%s/model.safetensors", from);
    if (symlink(path, folder_path("model.safetensors")) != 0) {
        perror(path);
        exit(2);
    }
}
