// template.h - how a model is told who says what in a conversation. Models come with a program for
// that (Jinja), which is not run: the format that it makes is recognised by marks in its text.
#ifndef VKMOE_CLI_TEMPLATE_H
#define VKMOE_CLI_TEMPLATE_H

#include "cli.h"
#include "vkmoe/tokenizer.h"

enum { CLI_MAX_ENDS = 33, CLI_MAX_MARKS = 4 };

// A text in which special tokens are looked for in these places only.
struct cli_marked_text {
    const char *data;
    size_t size;
    struct vkmoe_text_range marks[CLI_MAX_MARKS];
    uint32_t mark_count;
};

struct cli_template;

// By its name, or by the text of a model's template; NULL: it is unknown.
const struct cli_template *cli_template_find(const char *name);
const struct cli_template *cli_template_recognise(const char *text);
const char *cli_template_name(const struct cli_template *chat);
// "chatml, mistral-v1, ..."; free().
char *cli_template_names(void);

// The text of a checkpoint's template; free(). NULL if it has none. Fails with a message.
// template_file.c
int cli_template_read(const char *checkpoint, char **text);

struct cli_turn {
    const char *system; // what the model is told before the first turn; NULL: nothing
    const char *user;
    size_t user_size;
    bool first; // else it follows an answer, which is ended here
};
// All that the model reads before its answer. Special tokens are looked for in what the template
// says only. Returns the memory of it, to be freed.
char *cli_template_turn(
    const struct cli_template *chat, const struct cli_turn *turn, struct cli_marked_text *out);

// An answer ends where the template goes on after one, and at what ends the answers of any other,
// since not all models' files name theirs: writes the ids of those that are among the tokenizer's
// special tokens, and returns how many. `tokenizer` NULL: none.
uint32_t cli_template_ends(
    const struct cli_template *chat, const vkmoe_tokenizer *tokenizer, uint32_t ids[CLI_MAX_ENDS]);

#endif
