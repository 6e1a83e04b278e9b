// attention.c - `vkmoe attention`.
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>

struct job {
    const char *checkpoint, *input, *output, *ids, *weights, *device;
    struct vkmoe_block block;
    bool validate;

    struct vkmoe_attention_params params;
    uint32_t tokens;
    float *x, *y, *choice_weights;
    int32_t *choices;
    struct vkmoe_device_info info;
};

// On the device.
struct objects {
    vkmoe_attention *attention;
    vkmoe_cache *cache;
    vkmoe_stream *stream;
    vkmoe_buffer *x, *y, *positions, *lengths, *ids, *weights;
};

static void destroy(struct objects *o)
{
    vkmoe_buffer *buffers[] = { o->x, o->y, o->positions, o->lengths, o->ids, o->weights };
    vkmoe_stream_destroy(&o->stream);
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++)
        vkmoe_buffer_destroy(&buffers[i]);
    vkmoe_cache_destroy(&o->cache);
    vkmoe_attention_destroy(&o->attention);
}

static enum vkmoe_status upload(
    vkmoe_device *device, const void *data, uint64_t size, vkmoe_buffer **out)
{
    enum vkmoe_status status = vkmoe_buffer_create(device, size, out);
    return status == VKMOE_OK ? vkmoe_buffer_upload(*out, 0, data, size) : status;
}

static enum vkmoe_status create_buffers(
    vkmoe_device *device, const struct job *job, struct objects *o)
{
    const uint64_t size = (uint64_t)job->tokens * job->params.hidden * sizeof(float);
    const uint64_t choice_size =
        (uint64_t)job->tokens * job->params.experts_per_token * sizeof(int32_t);
    uint32_t *positions = cli_alloc(job->tokens * sizeof *positions);
    for (uint32_t i = 0; i < job->tokens; i++)
        positions[i] = i;
    enum vkmoe_status status = upload(device, job->x, size, &o->x);
    if (status == VKMOE_OK)
        status = upload(device, positions, job->tokens * sizeof *positions, &o->positions);
    if (status == VKMOE_OK)
        status = upload(device, &job->tokens, sizeof job->tokens, &o->lengths);
    if (status == VKMOE_OK)
        status = vkmoe_buffer_create(device, size, &o->y);
    if (status == VKMOE_OK && job->choices)
        status = vkmoe_buffer_create(device, choice_size, &o->ids);
    if (status == VKMOE_OK && job->choices)
        status = vkmoe_buffer_create(device, choice_size, &o->weights);
    free(positions);
    return status;
}

static enum vkmoe_status create_objects(
    vkmoe_device *device, const struct job *job, struct objects *o)
{
    enum vkmoe_status status = vkmoe_attention_create(device, &job->params, &o->attention);
    if (status == VKMOE_OK)
        status = vkmoe_cache_create(device,
            &(struct vkmoe_cache_params){
                VKMOE_INIT(vkmoe_cache_params),
                .kv_heads = job->params.kv_heads,
                .head_size = job->params.head_size,
                .sequences = 1,
                .capacity = job->tokens,
            },
            &o->cache);
    if (status == VKMOE_OK)
        status = vkmoe_stream_create(device, &o->stream);
    return status == VKMOE_OK ? create_buffers(device, job, o) : status;
}

static enum vkmoe_status run_once(const struct job *job, const struct objects *o)
{
    bool both_sides = false;
    for (uint32_t e = 0; job->params.patterns && e < job->params.experts; e++)
        both_sides |= job->params.patterns[e].both_sides;
    enum vkmoe_status status = vkmoe_attention_forward(o->stream, o->attention, o->cache,
        &(struct vkmoe_attention_forward_params){
            VKMOE_INIT(vkmoe_attention_forward_params),
            .tokens = job->tokens,
            .x.buffer = o->x,
            .y.buffer = o->y,
            .positions.buffer = o->positions,
            .lengths.buffer = both_sides ? o->lengths : NULL,
            .ids.buffer = o->ids,
            .weights.buffer = o->weights,
        });
    if (status == VKMOE_OK)
        status = vkmoe_stream_submit(o->stream, NULL);
    if (status == VKMOE_OK)
        status = vkmoe_stream_wait(o->stream, UINT64_MAX);
    return status;
}

static enum vkmoe_status download(const struct job *job, const struct objects *o)
{
    const uint64_t choices = (uint64_t)job->tokens * job->params.experts_per_token;
    enum vkmoe_status status = vkmoe_buffer_download(
        o->y, 0, job->y, (uint64_t)job->tokens * job->params.hidden * sizeof(float));
    if (status == VKMOE_OK && job->choices)
        status = vkmoe_buffer_download(o->ids, 0, job->choices, choices * sizeof(int32_t));
    if (status == VKMOE_OK && job->choices)
        status = vkmoe_buffer_download(o->weights, 0, job->choice_weights, choices * sizeof(float));
    return status;
}

static int run_device(struct job *job)
{
    vkmoe_device *device = NULL;
    struct objects objects = { 0 };
    const size_t choices = (size_t)job->tokens * job->params.experts_per_token;
    int status = cli_open_device(job->device, job->validate, &device);
    if (status != 0)
        return status;
    vkmoe_device_get_info(device, &job->info);
    job->y = cli_alloc((size_t)job->tokens * job->params.hidden * sizeof *job->y);
    if (job->params.experts > 1) {
        job->choices = cli_alloc(choices * sizeof *job->choices);
        job->choice_weights = cli_alloc(choices * sizeof *job->choice_weights);
    }
    enum vkmoe_status result = VKMOE_OK;
    if (job->tokens > 0) { // no buffer is empty
        result = create_objects(device, job, &objects);
        if (result == VKMOE_OK)
            result = run_once(job, &objects);
        if (result == VKMOE_OK)
            result = download(job, &objects);
    }
    destroy(&objects);
    vkmoe_device_destroy(&device);
    return cli_result(result, "the attention could not be run");
}

static int open_outputs(const struct job *job)
{
    if ((job->ids || job->weights) && job->params.experts <= 1)
        return cli_fail("%s: layer %s has dense attention, which chooses no experts",
            job->checkpoint, cli_block_label(job->block).text);
    const char *const inputs[] = { job->input, job->checkpoint };
    int status = cli_output_open(job->output, inputs, 2);
    if (status == 0)
        status = cli_output_open(job->ids, inputs, 2);
    if (status == 0)
        status = cli_output_open(job->weights, inputs, 2);
    return status;
}

static int write_outputs(const struct job *job)
{
    const uint32_t tokens = job->tokens, k = job->params.experts_per_token;
    int status = cli_output_write_f32(job->output, job->y, tokens, job->params.hidden);
    if (status == 0)
        status = cli_output_write_i32(job->ids, job->choices, tokens, k);
    if (status == 0)
        status = cli_output_write_f32(job->weights, job->choice_weights, tokens, k);
    if (status == 0)
        status = cli_output_commit();
    if (status == 0) {
        const char *const written[] = { job->output, job->ids, job->weights };
        fprintf(cli_words(), "attention of layer %s: %u token%s on %s\n",
            cli_block_label(job->block).text, tokens, tokens == 1 ? "" : "s",
            cli_device_label(&job->info).text);
        cli_print_written(written, 3);
        const struct cli_bad bad = cli_find_bad(job->y, tokens, job->params.hidden);
        status = cli_fail_bad(cli_output_name(job->output), &bad, tokens);
    }
    return status;
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
        { .name = "ids",
            .value = "I.npy",
            .text = &job->ids,
            .help = "where to write the chosen experts, i32 [tokens][k], best first" },
        { .name = "weights",
            .value = "W.npy",
            .text = &job->weights,
            .help = "where to write their weights, f32 [tokens][k]" },
        CLI_DEVICE(&job->device),
        CLI_VALIDATE(&job->validate),
    };
    return cli_parse(
        &(struct cli_usage){
            .command = "attention",
            .operand = "MODEL",
            .operand_target = &job->checkpoint,
            .about =
                "Runs one block's attention alone, routed or dense, without norm and residual.\n"
                "The tokens are one sequence. Fails, after it has written them, if the outputs\n"
                "are not all finite.\n",
            .options = options,
            .option_count = sizeof options / sizeof options[0],
        },
        argc, argv);
}

int cli_command_attention(int argc, char **argv)
{
    struct job job = { .params = { VKMOE_INIT(vkmoe_attention_params) },
        .info = { VKMOE_INIT(vkmoe_device_info) } };
    vkmoe_checkpoint *checkpoint = NULL;
    int status = parse(&job, argc, argv);
    if (status >= 0)
        return status;
    status = cli_open_model(job.checkpoint, &checkpoint);
    if (status == 0)
        status = cli_result(
            vkmoe_checkpoint_get_attention(checkpoint, job.block, &job.params), job.checkpoint);
    if (status == 0)
        status = cli_read_floats(job.input, job.params.hidden, &job.tokens, &job.x);
    if (status == 0)
        status = open_outputs(&job);
    if (status == 0)
        status = run_device(&job);
    if (status == 0)
        status = write_outputs(&job);
    vkmoe_checkpoint_destroy(&checkpoint);
    free(job.x);
    free(job.y);
    free(job.choices);
    free(job.choice_weights);
    return status;
}
