// prompt.c - see prompt.h.
#include "prompt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 1 << 16 };

int cli_prompt_check(const char *command, const struct cli_prompt *prompt, const char *ids)
{
    if (prompt->text && prompt->file)
        return cli_misuse(command, "--prompt and --prompt-file exclude each other");
    if ((prompt->text || prompt->file) && ids)
        return cli_misuse(command, "--%s and --tokens exclude each other",
            prompt->text ? "prompt" : "prompt-file");
    if (!prompt->text && !prompt->file && !ids)
        return cli_misuse(command, "--prompt, --prompt-file or --tokens is missing");
    if (prompt->no_special && ids)
        return cli_misuse(command, "--no-special does nothing without a prompt");
    return -1;
}

static int read_all(struct cli_prompt *prompt, const char *name, FILE *file)
{
    size_t room = FIRST_ROOM, got = 1;
    prompt->data = cli_alloc(room);
    errno = 0;
    while (got > 0 && prompt->size <= CLI_MAX_PROMPT) {
        if (prompt->size == room) {
            char *more = realloc(prompt->data, room *= 2);
            if (!more)
                return cli_fail("%s: no memory for its text", name);
            prompt->data = more;
        }
        got = fread(prompt->data + prompt->size, 1, room - prompt->size, file);
        prompt->size += got;
    }
    if (ferror(file))
        return cli_fail("%s: cannot read: %s", name, strerror(errno ? errno : EIO));
    return prompt->size <= CLI_MAX_PROMPT
        ? 0
        : cli_fail("%s: has more than %d MiB, too much for a prompt", name, CLI_MAX_PROMPT >> 20);
}

int cli_prompt_read(struct cli_prompt *prompt)
{
    if (prompt->text) {
        prompt->size = strlen(prompt->text);
        prompt->data = cli_alloc(prompt->size);
        memcpy(prompt->data, prompt->text, prompt->size);
    }
    if (!prompt->file)
        return 0;
    if (strcmp(prompt->file, "-") == 0)
        return read_all(prompt, "standard input", stdin);
    FILE *file = fopen(prompt->file, "rb");
    if (!file)
        return cli_fail("%s: cannot open: %s", prompt->file, strerror(errno));
    const int status = read_all(prompt, prompt->file, file);
    fclose(file);
    return status;
}

void cli_prompt_finish(struct cli_prompt *prompt)
{
    free(prompt->data);
    *prompt = (struct cli_prompt){ 0 };
}
