// layer.c - `vkmoe layer`.
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>

struct job {
    const char *checkpoint, *input, *router_input, *output, *ids, *weights, *device;
    struct vkmoe_block block;
    bool json, validate;
    uint32_t repeat;

    struct vkmoe_moe_params params;
    struct cli_run run;
    struct vkmoe_device_info info;
    struct cli_bad bad; // in the output
};

static int read_inputs(struct job *job)
{
    const uint32_t hidden = job->params.hidden;
    float *x, *router_x = NULL;
    int status = cli_read_floats(job->input, hidden, &job->run.tokens, &x);
    job->run.x = x;
    if (status != 0 || !job->router_input)
        return status;
    uint32_t tokens;
    status = cli_read_floats(job->router_input, hidden, &tokens, &router_x);
    job->run.router_x = router_x;
    if (status == 0 && tokens != job->run.tokens)
        status = cli_fail("%s: has %u tokens, expected %u as in %s", job->router_input, tokens,
            job->run.tokens, job->input);
    return status;
}

static int open_outputs(const struct job *job)
{
    const char *const inputs[] = { job->input, job->router_input, job->checkpoint };
    int status = cli_output_open(job->output, inputs, 3);
    if (status == 0)
        status = cli_output_open(job->ids, inputs, 3);
    if (status == 0)
        status = cli_output_open(job->weights, inputs, 3);
    return status;
}

static int write_outputs(const struct job *job)
{
    const uint32_t tokens = job->run.tokens, k = job->params.experts_per_token;
    int status = cli_output_write_f32(job->output, job->run.y, tokens, job->params.hidden);
    if (status == 0)
        status = cli_output_write_i32(job->ids, job->run.ids, tokens, k);
    if (status == 0)
        status = cli_output_write_f32(job->weights, job->run.weights, tokens, k);
    return status == 0 ? cli_output_commit() : status;
}

static int print_json(const struct job *job)
{
    const struct cli_run *run = &job->run;
    cJSON *json = cJSON_CreateObject();
    cli_json_text(json, "model", job->checkpoint);
    cJSON_AddStringToObject(json, "layer", cli_block_label(job->block).text);
    cli_json_device(json, &job->info);
    cJSON_AddNumberToObject(json, "tokens", run->tokens);
    cJSON_AddBoolToObject(json, "finite", job->bad.rows == 0);
    cJSON_AddNumberToObject(json, "hidden", job->params.hidden);
    cJSON_AddNumberToObject(json, "experts", job->params.experts);
    cJSON_AddNumberToObject(json, "experts_per_token", job->params.experts_per_token);
    cJSON_AddNumberToObject(json, "layer_size", (double)run->layer_size);
    cJSON_AddNumberToObject(json, "scratch_size", (double)run->scratch_size);
    if (run->timed) {
        cJSON_AddNumberToObject(json, "runs", run->timed);
        cJSON_AddNumberToObject(json, "median_ns", (double)run->median_ns);
    }
    cli_json_text(json, "output", job->output);
    if (job->ids)
        cli_json_text(json, "ids", job->ids);
    if (job->weights)
        cli_json_text(json, "weights", job->weights);
    return cli_print_json(json);
}

static void print_words(const struct job *job)
{
    const struct cli_run *run = &job->run;
    const char *plural = run->tokens == 1 ? "" : "s";
    const char *const written[] = { job->output, job->ids, job->weights };
    FILE *words = cli_words();
    fprintf(words, "layer %s: %u token%s on %s\n", cli_block_label(job->block).text, run->tokens,
        plural, cli_device_label(&job->info).text);
    if (run->timed)
        fprintf(words, "median of %u run%s: %s, that is %s a token\n", run->timed,
            run->timed == 1 ? "" : "s", cli_duration((double)run->median_ns).text,
            cli_duration((double)run->median_ns / run->tokens).text);
    cli_print_written(written, 3);
}

static int run_job(struct job *job)
{
    vkmoe_device *device = NULL;
    int status = open_outputs(job);
    if (status == 0)
        status = cli_open_device(job->device, job->validate, &device);
    if (status == 0) {
        struct cli_run *run = &job->run;
        const size_t choices = (size_t)run->tokens * job->params.experts_per_token;
        vkmoe_device_get_info(device, &job->info);
        run->repeats = job->repeat;
        run->y = cli_alloc((size_t)run->tokens * job->params.hidden * sizeof *run->y);
        run->ids = cli_alloc(choices * sizeof *run->ids);
        run->weights = cli_alloc(choices * sizeof *run->weights);
        status = cli_run_layer(device, &job->params, cli_block_label(job->block).text, run);
    }
    vkmoe_device_destroy(&device);
    if (status == 0)
        job->bad = cli_find_bad(job->run.y, job->run.tokens, job->params.hidden);
    return status == 0 ? write_outputs(job) : status;
}

static int parse(struct job *job, int argc, char **argv)
{
    const struct cli_option options[] = {
        { .name = "layer",
            .value = "N",
            .required = true,
            .block = &job->block,
            .help = "block, counted from 0; a decoder's block: decoder.N" },
        { .name = "input",
            .value = "X.npy",
            .required = true,
            .text = &job->input,
            .help = "f32, f64 or f16 [tokens][hidden]; -: from standard input" },
        { .name = "output",
            .value = "Y.npy",
            .required = true,
            .text = &job->output,
            .help = "where to write f32 [tokens][hidden]; -: to standard output" },
        { .name = "router-input",
            .value = "R.npy",
            .text = &job->router_input,
            .help = "what the router sees instead of X.npy" },
        { .name = "ids",
            .value = "I.npy",
            .text = &job->ids,
            .help = "where to write the chosen experts, i32 [tokens][k], best first" },
        { .name = "weights",
            .value = "W.npy",
            .text = &job->weights,
            .help = "where to write their weights, f32 [tokens][k]" },
        CLI_DEVICE(&job->device),
        { .name = "repeat",
            .value = "N",
            .count = &job->repeat,
            .help = "run N times more and print the median time" },
        CLI_VALIDATE(&job->validate),
        CLI_JSON(&job->json),
    };
    return cli_parse(
        &(struct cli_usage){
            .command = "layer",
            .operand = "MODEL",
            .operand_target = &job->checkpoint,
            .about =
                "Runs one Mixture-of-Experts block alone: router, experts and shared experts,\n"
                "without norms and residual. The tokens are one sequence. Fails, after it has\n"
                "written them, if the outputs are not all finite.\n",
            .options = options,
            .option_count = sizeof options / sizeof options[0],
        },
        argc, argv);
}

int cli_command_layer(int argc, char **argv)
{
    struct job job = { .params = { VKMOE_INIT(vkmoe_moe_params) },
        .info = { VKMOE_INIT(vkmoe_device_info) } };
    vkmoe_checkpoint *checkpoint = NULL;
    int status = parse(&job, argc, argv);
    if (status < 0 && job.json
        && (cli_is_stdout(job.output) || (job.ids && cli_is_stdout(job.ids))
            || (job.weights && cli_is_stdout(job.weights))))
        status = cli_misuse("layer", "standard output is wanted for --json and an array");
    if (status >= 0)
        return status;
    status = cli_open_model(job.checkpoint, &checkpoint);
    if (status == 0)
        status = cli_result(
            vkmoe_checkpoint_get_moe(checkpoint, job.block, &job.params), job.checkpoint);
    if (status == 0)
        status = read_inputs(&job);
    if (status == 0)
        status = run_job(&job);
    if (status == 0 && job.json)
        status = print_json(&job);
    else if (status == 0)
        print_words(&job);
    if (status == 0)
        status = cli_fail_bad(cli_output_name(job.output), &job.bad, job.run.tokens);
    vkmoe_checkpoint_destroy(&checkpoint);
    free((void *)job.run.x);
    free((void *)job.run.router_x);
    free(job.run.y);
    free(job.run.ids);
    free(job.run.weights);
    return status;
}
