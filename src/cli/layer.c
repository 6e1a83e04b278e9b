// layer.c - `vkmoe layer`.
#include "block.h"

#include <stdio.h>
#include <stdlib.h>

static const char about[] =
    "Runs one Mixture-of-Experts block alone: router, experts and shared experts,\n"
    "without norms and residual. The tokens are one sequence. Fails, after it has\n"
    "written them, if the outputs are not all finite.\n";

struct job {
    struct cli_block block;
    bool json;
    uint32_t repeat;
    struct vkmoe_moe_params params;
};

static enum vkmoe_status get_params(void *user, vkmoe_checkpoint *checkpoint)
{
    struct job *job = user;
    return vkmoe_checkpoint_get_moe(checkpoint, job->block.block, &job->params);
}

static int print_json(const struct job *job)
{
    const struct cli_block *b = &job->block;
    const struct cli_run *run = &b->run;
    cJSON *json = cJSON_CreateObject();
    cli_json_text(json, "model", b->checkpoint);
    cJSON_AddStringToObject(json, "layer", cli_block_label(b->block).text);
    cli_json_device(json, &b->info);
    cJSON_AddNumberToObject(json, "tokens", run->tokens);
    cJSON_AddBoolToObject(json, "finite", b->bad.rows == 0);
    cJSON_AddNumberToObject(json, "hidden", job->params.hidden);
    cJSON_AddNumberToObject(json, "experts", job->params.experts);
    cJSON_AddNumberToObject(json, "experts_per_token", job->params.experts_per_token);
    cJSON_AddNumberToObject(json, "layer_size", (double)run->layer_size);
    cJSON_AddNumberToObject(json, "scratch_size", (double)run->scratch_size);
    if (run->timed) {
        cJSON_AddNumberToObject(json, "runs", run->timed);
        cJSON_AddNumberToObject(json, "median_ns", (double)run->median_ns);
    }
    cli_json_text(json, "output", b->output);
    if (b->ids)
        cli_json_text(json, "ids", b->ids);
    if (b->weights)
        cli_json_text(json, "weights", b->weights);
    return cli_print_json(json);
}

static int print(void *user)
{
    const struct job *job = user;
    const struct cli_run *run = &job->block.run;
    if (job->json)
        return print_json(job);
    cli_block_print(&job->block, "layer");
    if (run->timed)
        fprintf(cli_words(), "median of %u run%s: %s, that is %s a token\n", run->timed,
            run->timed == 1 ? "" : "s", cli_duration((double)run->median_ns).text,
            cli_duration((double)run->median_ns / run->tokens).text);
    cli_block_print_written(&job->block);
    return 0;
}

static int run_job(void *user)
{
    struct job *job = user;
    struct cli_block *b = &job->block;
    vkmoe_device *device = NULL;
    int status = cli_block_open(b, true, &device);
    b->run.repeats = job->repeat;
    if (status == 0)
        status = cli_run_layer(device, &job->params, cli_block_label(b->block).text, &b->run);
    vkmoe_device_destroy(&device);
    return status;
}

static int parse(struct job *job, int argc, char **argv)
{
    struct cli_block *b = &job->block;
    const struct cli_option options[] = {
        CLI_BLOCK_OPTIONS(b),
        CLI_TEXT(
            "router-input", "R.npy", &b->router_input, "what the router sees instead of X.npy"),
        CLI_COUNT("repeat", "N", &job->repeat, "run N times more and print the median time"),
        CLI_JSON(&job->json),
    };
    return CLI_PARSE_MODEL(argc, argv, "layer", &b->checkpoint, options, about);
}

int cli_command_layer(int argc, char **argv)
{
    static const struct cli_block_work work = { get_params, run_job, print };
    struct job job = {
        .block = CLI_BLOCK(&job.params),
        .params = { VKMOE_INIT(vkmoe_moe_params) },
    };
    struct cli_block *b = &job.block;
    int status = parse(&job, argc, argv);
    if (status < 0 && job.json
        && (cli_is_stdout(b->output) || (b->ids && cli_is_stdout(b->ids))
            || (b->weights && cli_is_stdout(b->weights))))
        status = cli_misuse("layer", "standard output is wanted for --json and an array");
    return status >= 0 ? status : cli_block_work(b, &work, &job);
}
