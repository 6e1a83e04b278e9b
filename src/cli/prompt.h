// prompt.h - the text that a command is given: --prompt or --prompt-file, and --no-special.
#ifndef VKMOE_CLI_PROMPT_H
#define VKMOE_CLI_PROMPT_H

#include "cli.h"

enum {
    CLI_MAX_PROMPT = 8 << 20, // two million tokens of English; sentencepiece takes 2 GB for it
};

struct cli_prompt {
    const char *text, *file; // of the command line, at most one
    bool no_special;         // what looks like a special token is text
    char *data;              // any bytes, after cli_prompt_read()
    size_t size;
};

#define CLI_PROMPT(prompt, words) \
    { .name = "prompt", \
        .value = "TEXT", \
        .text = &(prompt)->text, \
        .may_be_empty = true, \
        .help = words ", for models whose tokens are bytes or that have a tokenizer" }, \
        { .name = "prompt-file", \
            .value = "FILE", \
            .text = &(prompt)->file, \
            .help = words " from a file, byte for byte; -: from standard input" }, \
    { \
        .name = "no-special", .flag = &(prompt)->no_special, \
        .help = "special tokens that a prompt names, as <s> or [INST], are text in it" \
    }

// A request for a prompt and --tokens: exactly one of them. Negative, or the exit status.
int cli_prompt_check(const char *command, const struct cli_prompt *prompt, const char *ids);

// Sets `data`, if there is a prompt. Fails with a message. To be finished in any case.
int cli_prompt_read(struct cli_prompt *prompt);
void cli_prompt_finish(struct cli_prompt *prompt);

#endif
