// attention.c - `vkmoe attention`.
#include "block.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/try.h"

static const char about[] =
    "Runs one block's attention alone, routed or dense, without norm and residual.\n"
    "The tokens are one sequence. Fails, after it has written them, if the outputs\n"
    "are not all finite.\n";

struct job {
    struct cli_block block;
    struct vkmoe_attention_params params;
};

static enum vkmoe_status get_params(void *user, vkmoe_checkpoint *checkpoint)
{
    struct job *job = user;
    return vkmoe_checkpoint_get_attention(checkpoint, job->block.block, &job->params);
}

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

static enum vkmoe_status create_buffers(
    vkmoe_device *device, const struct job *job, struct objects *o)
{
    const struct cli_run *run = &job->block.run;
    const uint64_t size = (uint64_t)run->tokens * job->params.hidden * sizeof(float);
    const uint64_t choice_size =
        (uint64_t)run->tokens * job->params.experts_per_token * sizeof(int32_t);
    uint32_t *positions = cli_alloc(run->tokens * sizeof *positions);
    for (uint32_t i = 0; i < run->tokens; i++)
        positions[i] = i;
    enum vkmoe_status status;
    TRY(cli_upload(device, run->x, size, &o->x));
    TRY(cli_upload(device, positions, run->tokens * sizeof *positions, &o->positions));
    TRY(cli_upload(device, &run->tokens, sizeof run->tokens, &o->lengths));
    TRY(vkmoe_buffer_create(device, size, &o->y));
    if (run->ids) {
        TRY(vkmoe_buffer_create(device, choice_size, &o->ids));
        TRY(vkmoe_buffer_create(device, choice_size, &o->weights));
    }
fail:
    free(positions);
    return status;
}

static enum vkmoe_status create_objects(
    vkmoe_device *device, const struct job *job, struct objects *o)
{
    TRY_RETURN(vkmoe_attention_create(device, &job->params, &o->attention));
    TRY_RETURN(vkmoe_cache_create(device,
        &(struct vkmoe_cache_params){
            VKMOE_INIT(vkmoe_cache_params),
            .kv_heads = job->params.kv_heads,
            .head_size = job->params.head_size,
            .sequences = 1,
            .capacity = job->block.run.tokens,
            .keys_only = job->params.latent.rank > 0,
        },
        &o->cache));
    TRY_RETURN(vkmoe_stream_create(device, &o->stream));
    return create_buffers(device, job, o);
}

static enum vkmoe_status run_once(const struct job *job, const struct objects *o)
{
    bool both_sides = false;
    for (uint32_t e = 0; job->params.patterns && e < job->params.experts; e++)
        both_sides |= job->params.patterns[e].both_sides;
    TRY_RETURN(vkmoe_attention_forward(o->stream, o->attention, o->cache,
        &(struct vkmoe_attention_forward_params){
            VKMOE_INIT(vkmoe_attention_forward_params),
            .tokens = job->block.run.tokens,
            .x.buffer = o->x,
            .y.buffer = o->y,
            .positions.buffer = o->positions,
            .lengths.buffer = both_sides ? o->lengths : NULL,
            .ids.buffer = o->ids,
            .weights.buffer = o->weights,
        }));
    return cli_submit_and_wait(o->stream);
}

static enum vkmoe_status download(const struct job *job, const struct objects *o)
{
    const struct cli_run *run = &job->block.run;
    const uint64_t choices = (uint64_t)run->tokens * job->params.experts_per_token;
    TRY_RETURN(vkmoe_buffer_download(
        o->y, 0, run->y, (uint64_t)run->tokens * job->params.hidden * sizeof(float)));
    if (!run->ids)
        return VKMOE_OK;
    TRY_RETURN(vkmoe_buffer_download(o->ids, 0, run->ids, choices * sizeof(int32_t)));
    return vkmoe_buffer_download(o->weights, 0, run->weights, choices * sizeof(float));
}

static enum vkmoe_status compute(vkmoe_device *device, const struct job *job, struct objects *o)
{
    TRY_RETURN(create_objects(device, job, o));
    TRY_RETURN(run_once(job, o));
    return download(job, o);
}

static int run_job(void *user)
{
    struct job *job = user;
    struct cli_block *b = &job->block;
    vkmoe_device *device = NULL;
    struct objects objects = { 0 };
    const bool chooses = job->params.experts > 1;
    if ((b->ids || b->weights) && !chooses)
        return cli_fail("%s: layer %s has dense attention, which chooses no experts", b->checkpoint,
            cli_block_label(b->block).text);
    int status = cli_block_open(b, chooses, &device);
    if (status != 0)
        return status;
    const enum vkmoe_status result =
        b->run.tokens > 0 ? compute(device, job, &objects) : VKMOE_OK; // no buffer is empty
    destroy(&objects);
    vkmoe_device_destroy(&device);
    return cli_result(result, "the attention could not be run");
}

static int print(void *user)
{
    const struct job *job = user;
    cli_block_print(&job->block, "attention of layer");
    cli_block_print_written(&job->block);
    return 0;
}

int cli_command_attention(int argc, char **argv)
{
    static const struct cli_block_work work = { get_params, run_job, print };
    struct job job = {
        .block = CLI_BLOCK(&job.params),
        .params = { VKMOE_INIT(vkmoe_attention_params) },
    };
    const struct cli_option options[] = { CLI_BLOCK_OPTIONS(&job.block) };
    const int status =
        CLI_PARSE_MODEL(argc, argv, "attention", &job.block.checkpoint, options, about);
    return status >= 0 ? status : cli_block_work(&job.block, &work, &job);
}
