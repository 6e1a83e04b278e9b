// block.h - what `vkmoe layer` and `vkmoe attention` share: one block of a model, its arrays and
// the files they come from and go to.
#ifndef VKMOE_CLI_BLOCK_H
#define VKMOE_CLI_BLOCK_H

#include "cli.h"

struct cli_block {
    const char *checkpoint, *input, *output, *ids, *weights, *device;
    const char *router_input; // NULL: what the router sees is `input`
    struct vkmoe_block block;
    bool validate;

    uint32_t hidden, experts_per_token; // to be set before any array is made
    struct cli_run run;
    struct vkmoe_device_info info;
    struct cli_bad bad; // in the output
};

#define CLI_BLOCK_OPTIONS(b) \
    { .name = "layer", \
        .value = "N", \
        .required = true, \
        .block = &(b)->block, \
        .help = "block, counted from 0; a decoder's block: decoder.N" }, \
        CLI_REQUIRED("input", "X.npy", &(b)->input, \
            "f32, f64 or f16 [tokens][hidden]; -: from standard input"), \
        CLI_REQUIRED("output", "Y.npy", &(b)->output, \
            "where to write f32 [tokens][hidden]; -: to standard output"), \
        CLI_TEXT("ids", "I.npy", &(b)->ids, \
            "where to write the chosen experts, i32 [tokens][k], best first"), \
        CLI_TEXT( \
            "weights", "W.npy", &(b)->weights, "where to write their weights, f32 [tokens][k]"), \
        CLI_DEVICE(&(b)->device), CLI_VALIDATE(&(b)->validate)

// Reads `input` and `router_input`.
int cli_block_read(struct cli_block *b);

// Opens the outputs and the device, and makes room for the results: ids and weights if it
// `chooses` experts.
int cli_block_open(struct cli_block *b, bool chooses, vkmoe_device **device);

// Writes what is asked for, and looks for numbers that are not finite.
int cli_block_write(struct cli_block *b);

// "layer 3: 5 tokens on ..."
void cli_block_print(const struct cli_block *b, const char *what);
void cli_block_print_written(const struct cli_block *b);

// 0, or 1 and a message if the output is not all finite.
int cli_block_fail_bad(const struct cli_block *b);

void cli_block_finish(struct cli_block *b);

#endif
