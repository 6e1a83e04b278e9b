// tuning_file.c - see tuning_file.h.
#include "tuning_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/hash.h"

// By the XDG Base Directory Specification, which has relative paths ignored.
static bool cache_directory(char *path, size_t size)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && *cache == '/')
        return (size_t)snprintf(path, size, "%s/vkmoe", cache) < size;
    return home && *home == '/' && (size_t)snprintf(path, size, "%s/.cache/vkmoe", home) < size;
}

// Two drivers of one card call it differently; a later version of one of them takes the file over.
static void find_file(const vkmoe_device *device, char *path, size_t size)
{
    struct vkmoe_device_info info = { VKMOE_INIT(vkmoe_device_info) };
    char directory[4000];
    vkmoe_device_get_info(device, &info);
    *path = '\0';
    if (cache_directory(directory, sizeof directory))
        snprintf(path, size, "%s/tuning-%04x-%04x-%08x.txt", directory, info.vendor_id,
            info.device_id,
            (unsigned)hash_bytes(HASH_START, info.name, strnlen(info.name, sizeof info.name)));
}

void cli_tuning_load(vkmoe_device *device)
{
    static char text[CLI_TUNING_SIZE + 1]; // a byte more than may be in it
    char path[sizeof((struct cli_tuning *)0)->path];
    struct stat info;
    find_file(device, path, sizeof path);
    if (!*path || stat(path, &info) != 0)
        return;
    FILE *file = S_ISREG(info.st_mode) ? fopen(path, "rb") : NULL;
    const size_t size = file ? fread(text, 1, sizeof text, file) : 0;
    if (file)
        fclose(file);
    cli_about(path);
    if (file)
        cli_result(vkmoe_device_set_tuning(device, text, size), path);
    else
        cli_log.write(cli_log.user, VKMOE_LOG_WARNING, "it cannot be read");
    cli_about(NULL);
}

int cli_tuning_get(const vkmoe_device *device, struct cli_tuning *out)
{
    size_t size = CLI_TUNING_SIZE;
    struct stat info;
    find_file(device, out->path, sizeof out->path);
    out->exists = *out->path && stat(out->path, &info) == 0;
    const int status =
        cli_result(vkmoe_device_get_tuning(device, out->text, &size), "no tuning text");
    if (status != 0)
        return status;
    out->text[size] = '\0';
    const char *key = strstr(out->text, "\nkey ");
    snprintf(out->key, sizeof out->key, "%.16s", key ? key + 5 : "");
    return 0;
}

int cli_tuning_prepare(const struct cli_tuning *tuning)
{
    char path[sizeof tuning->path];
    struct stat info;
    if (!*tuning->path)
        return cli_fail("there is no cache directory: neither XDG_CACHE_HOME nor HOME is an "
                        "absolute path");
    snprintf(path, sizeof path, "%s", tuning->path);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0700) != 0 && (stat(path, &info) != 0 || !S_ISDIR(info.st_mode)))
            return cli_fail("%s/: cannot create: %s", path, strerror(errno));
        *slash = '/';
    }
    return cli_output_open(tuning->path, NULL, 0);
}

int cli_tuning_store(struct cli_tuning *tuning)
{
    int status = cli_output_write_text(tuning->path, tuning->text);
    if (status == 0)
        status = cli_output_commit();
    tuning->exists = tuning->exists || status == 0;
    return status;
}

const char *cli_tuning_next(char **at)
{
    static const char *const others[] = { "vkmoe tuning", "#", "key ", "end" };
    while (**at) {
        const char *line = *at;
        bool is_other = false;
        char *newline = strchr(*at, '\n');
        if (newline)
            *newline = '\0';
        *at = newline ? newline + 1 : *at + strlen(*at);
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
            is_other = is_other || strncmp(line, others[i], strlen(others[i])) == 0;
        if (!is_other)
            return line;
    }
    return NULL;
}

void cli_tuning_json(cJSON *object, const struct cli_tuning *tuning)
{
    char text[sizeof tuning->text], *at = text;
    memcpy(text, tuning->text, sizeof text);
    cJSON *json = cJSON_AddObjectToObject(object, "tuning");
    cli_json_text(json, "file", tuning->path);
    cJSON_AddBoolToObject(json, "exists", tuning->exists);
    cJSON_AddStringToObject(json, "key", tuning->key);
    cJSON *rows = cJSON_AddArrayToObject(json, "rows");
    for (const char *row = cli_tuning_next(&at); row; row = cli_tuning_next(&at))
        cJSON_AddItemToArray(rows, cJSON_CreateString(row));
}
