// known.c - see known.h.
#include "known.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECKED_OF 32 // one of so many

static cJSON *read_json(const char *path)
{
    FILE *file = fopen(path, "rb");
    cJSON *json = NULL;
    char *text = NULL;
    long size = -1;
    if (file && !fseek(file, 0, SEEK_END))
        size = ftell(file);
    if (size > 0 && !fseek(file, 0, SEEK_SET))
        text = malloc((size_t)size);
    if (text && fread(text, 1, (size_t)size, file) == (size_t)size)
        json = cJSON_ParseWithLength(text, (size_t)size);
    free(text);
    if (file)
        fclose(file);
    return json;
}

void known_open(struct known *known, const char *path, const char *label)
{
    *known = (struct known){ .file = read_json(path) };
    const cJSON *driver;
    cJSON_ArrayForEach(driver, known->file)
    {
        const char *found = cJSON_GetStringValue(cJSON_GetObjectItem(driver, "label"));
        if (found && !strcmp(found, label))
            known->pipelines = cJSON_GetObjectItem(driver, "pipelines");
    }
}

void known_close(struct known *known)
{
    cJSON_Delete(known->file);
    *known = (struct known){ 0 };
}

const cJSON *known_statistics(const struct known *known, uint64_t key)
{
    char text[KNOWN_KEY_SIZE];
    const cJSON *pipeline;
    known_format_key(key, text);
    cJSON_ArrayForEach(pipeline, known->pipelines)
    {
        const char *found = cJSON_GetStringValue(cJSON_GetObjectItem(pipeline, "key"));
        const cJSON *statistics = cJSON_GetObjectItem(pipeline, "stats");
        if (found && !strcmp(found, text) && statistics && statistics->child)
            return statistics;
    }
    return NULL;
}

bool known_is_checked(uint64_t key)
{
    return key % CHECKED_OF == 0;
}

void known_format_key(uint64_t key, char text[KNOWN_KEY_SIZE])
{
    snprintf(text, KNOWN_KEY_SIZE, "%016" PRIx64, key);
}
