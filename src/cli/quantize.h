// quantize.h - which type `vkmoe quantize` gives each tensor.
#ifndef VKMOE_CLI_QUANTIZE_H
#define VKMOE_CLI_QUANTIZE_H

#include "checkpoint/gguf_write.h"
#include "cli.h"

// What --type and --keep ask for.
struct cli_recipe {
    const char *name;
    enum vkmoe_dtype dtype, better; // of matrices, and of those that count for more
    uint32_t file_type;             // GGUF's number of it
};

// The names, for a message.
extern const char cli_recipe_names[];

// NULL: there is none such. Case does not matter.
const struct cli_recipe *cli_recipe_find(const char *name);

struct cli_keep {
    char pattern[64];
    const struct cli_recipe *recipe; // NULL: the type that it has
};

// "PATTERN=TYPE" or "PATTERN"; false: it is no such thing.
bool cli_keep_parse(const char *text, struct cli_keep *out);

// Why it changes nothing, for a message; NULL: it changes a tensor.
const char *cli_keep_problem(const struct cli_keep *keep, const struct gguf_output *output);

// After "blk.N.", or all of it.
const char *cli_tensor_kind(const char *name);

// Sets the type of each tensor: f32 of norms, biases and gates; of others the first of `keeps`
// whose pattern fits decides, else the recipe. Rows that are no whole blocks of a type get
// another, unless it is kept.
void cli_choose_types(struct gguf_output *output, const struct cli_recipe *recipe,
    const struct cli_keep *keeps, uint32_t keep_count);

#endif
