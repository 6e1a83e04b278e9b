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

    const uint32_t *hidden, *experts_per_token; // of the layer's params
    struct cli_run run;
    struct vkmoe_device_info info;
    struct cli_bad bad; // in the output
};

// Of a layer with these params, which are not there yet.
#define CLI_BLOCK(params) \
    { \
        .hidden = &(params)->hidden, .experts_per_token = &(params)->experts_per_token, .info = { \
            VKMOE_INIT(vkmoe_device_info) \
        } \
    }

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
        CLI_WHERE(&(b)->device, &(b)->validate)

// What a command does with a block, by functions that get its `job`.
struct cli_block_work {
    enum vkmoe_status (*get)(void *job, vkmoe_checkpoint *checkpoint); // the params
    int (*run)(void *job);                                             // from cli_block_open() on
    int (*print)(void *job);
};

// All of a command but its options: from the model to the outputs, which are written before it is
// said that they are not all finite. Returns the exit status.
int cli_block_work(struct cli_block *b, const struct cli_block_work *work, void *job);

// Opens the outputs and the device, and makes room for the results: ids and weights if it
// `chooses` experts.
int cli_block_open(struct cli_block *b, bool chooses, vkmoe_device **device);

// "layer 3: 5 tokens on ..."
void cli_block_print(const struct cli_block *b, const char *what);
void cli_block_print_written(const struct cli_block *b);

#endif
