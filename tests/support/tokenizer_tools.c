// tokenizer_tools.c - see tokenizer_tools.h.
#include "tokenizer_tools.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char tools_directory[] = "/tmp/vkmoe-tokenizer-XXXXXX";
char tools_said[TOOLS_MAX_SAID];
struct cli_tokenizer tools_tokenizer;
uint32_t *tools_tokens, tools_count;
static int saved_stderr;

static void remove_folder(void)
{
    static const char *const names[] = { "tokenizer.model", "spiece.model", "tokenizer.json",
        "tokenizer_config.json", "added_tokens.json", "special_tokens_map.json", "m.gguf",
        "stderr" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        tools_remove(names[i]);
    rmdir(tools_directory);
}

int tools_main(
    int argc, char **argv, void (*rows)(struct tap *tap), const struct test *tests, uint32_t count)
{
    struct tap tap;
    if (!tap_begin(&tap, argc, argv) || (!tap.list && !mkdtemp(tools_directory)))
        return 2;
    if (rows)
        rows(&tap);
    run_clean_tests(&tap, tests, count, tools_clean_up);
    if (!tap.list)
        remove_folder();
    return tap_end(&tap);
}

const char *tools_path(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", tools_directory, name);
    return path;
}

bool tools_write(const char *name, const void *data, size_t size)
{
    FILE *file = fopen(tools_path(name), "wb");
    bool ok = file && fwrite(data, 1, size, file) == size;
    if (file && fclose(file) != 0)
        ok = false;
    return ok;
}

void tools_remove(const char *name)
{
    remove(tools_path(name));
}

char *tools_read_model(const char *name, size_t *size)
{
    static char data[TOOLS_MODEL_ROOM];
    char path[1024];
    snprintf(path, sizeof path, VKMOE_TEST_MODELS "/tokenizers/%s", name);
    FILE *file = fopen(path, "rb");
    *size = file ? fread(data, 1, sizeof data, file) : 0;
    if (file)
        fclose(file);
    return data;
}

bool tools_encode(const char *text, bool plain)
{
    free(tools_tokens);
    tools_tokens = NULL;
    return !cli_tokenizer_encode(
        &tools_tokenizer, text, strlen(text), plain, &tools_tokens, &tools_count);
}

void tools_clean_up(void)
{
    free(tools_tokens);
    tools_tokens = NULL;
    cli_tokenizer_finish(&tools_tokenizer);
}

void tools_begin_listening(void)
{
    fflush(stderr);
    saved_stderr = dup(STDERR_FILENO);
    int file = open(tools_path("stderr"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    dup2(file, STDERR_FILENO);
    close(file);
}

uint32_t tools_end_listening(void)
{
    uint32_t lines = 0;
    lseek(STDERR_FILENO, 0, SEEK_SET);
    ssize_t size = read(STDERR_FILENO, tools_said, sizeof tools_said - 1);
    tools_said[size > 0 ? size : 0] = '\0';
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    for (const char *c = tools_said; *c; c++)
        lines += *c == '\n';
    return lines;
}
