// sampling.h - how the next token is chosen, as the command line says: for `generate` and `chat`.
#ifndef VKMOE_CLI_SAMPLING_H
#define VKMOE_CLI_SAMPLING_H

#include "cli.h"
#include "sample.h"

struct cli_sampling {
    const char *temperature, *top_p, *seed; // of the command line
    bool greedy;
    struct cli_sampler sampler;
    uint64_t first_state; // the seed
};

#define CLI_SAMPLING(sampling) \
    { .name = "greedy", \
        .flag = &(sampling)->greedy, \
        .help = "take the likeliest token; so it is without --temperature" }, \
        CLI_TEXT("temperature", "T", &(sampling)->temperature, \
            "draw tokens; 1: as likely as the model says, less: tamer"), \
        CLI_COUNT("top-k", "K", &(sampling)->sampler.top_k, "draw among the K likeliest tokens"), \
        CLI_TEXT("top-p", "P", &(sampling)->top_p, \
            "then among the likeliest that are P of the whole, 0 to 1"), \
        CLI_TEXT("seed", "S", &(sampling)->seed, \
            "the same seed draws the same text; else one is made up")

// Of zeroed ones. Negative: the sampler is ready. Or the exit status.
int cli_sampling_parse(struct cli_sampling *sampling, const char *command);
void cli_sampling_finish(struct cli_sampling *sampling);

// "greedy", "seed 7"
struct cli_text cli_sampling_text(const struct cli_sampling *sampling);

#endif
