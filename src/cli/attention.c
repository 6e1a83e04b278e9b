// attention.c - `vkmoe attention`.
#include "block.h"

#include <stdio.h>
#include <stdlib.h>

struct job {
    struct cli_block block;
    struct vkmoe_attention_params params;
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

static enum vkmoe_status create_buffers(
    vkmoe_device *device, const struct job *job, struct objects *o)
{
    const uint64_t size = (uint64_t)job->block.run.tokens * job->params.hidden * sizeof(float);
    const uint64_t choice_size =
        (uint64_t)job->block.run.tokens * job->params.experts_per_token * sizeof(int32_t);
    uint32_t *positions = cli_alloc(job->block.run.tokens * sizeof *positions);
    for (uint32_t i = 0; i < job->block.run.tokens; i++)
        positions[i] = i;
    enum vkmoe_status status = cli_upload(device, job->block.run.x, size, &o->x);
    if (status == VKMOE_OK)
        status =
            cli_upload(device, positions, job->block.run.tokens * sizeof *positions, &o->positions);
    if (status == VKMOE_OK)
        status =
            cli_upload(device, &job->block.run.tokens, sizeof job->block.run.tokens, &o->lengths);
    if (status == VKMOE_OK)
        status = vkmoe_buffer_create(device, size, &o->y);
    if (status == VKMOE_OK && job->block.run.ids)
        status = vkmoe_buffer_create(device, choice_size, &o->ids);
    if (status == VKMOE_OK && job->block.run.ids)
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
                .capacity = job->block.run.tokens,
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
            .tokens = job->block.run.tokens,
            .x.buffer = o->x,
            .y.buffer = o->y,
            .positions.buffer = o->positions,
            .lengths.buffer = both_sides ? o->lengths : NULL,
            .ids.buffer = o->ids,
            .weights.buffer = o->weights,
        });
    return status == VKMOE_OK ? cli_submit_and_wait(o->stream) : status;
}

static enum vkmoe_status download(const struct job *job, const struct objects *o)
{
    const uint64_t choices = (uint64_t)job->block.run.tokens * job->params.experts_per_token;
    enum vkmoe_status status = vkmoe_buffer_download(o->y, 0, job->block.run.y,
        (uint64_t)job->block.run.tokens * job->params.hidden * sizeof(float));
    if (status == VKMOE_OK && job->block.run.ids)
        status = vkmoe_buffer_download(o->ids, 0, job->block.run.ids, choices * sizeof(int32_t));
    if (status == VKMOE_OK && job->block.run.ids)
        status =
            vkmoe_buffer_download(o->weights, 0, job->block.run.weights, choices * sizeof(float));
    return status;
}

static int run_job(struct job *job)
{
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
    enum vkmoe_status result = VKMOE_OK;
    if (b->run.tokens > 0) { // no buffer is empty
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

static int parse(struct cli_block *b, int argc, char **argv)
{
    const struct cli_option options[] = { CLI_BLOCK_OPTIONS(b) };
    return CLI_PARSE_MODEL(argc, argv, "attention", &b->checkpoint, options,
        "Runs one block's attention alone, routed or dense, without norm and residual.\n"
        "The tokens are one sequence. Fails, after it has written them, if the outputs\n"
        "are not all finite.\n");
}

int cli_command_attention(int argc, char **argv)
{
    struct job job = { .block.info = { VKMOE_INIT(vkmoe_device_info) },
        .params = { VKMOE_INIT(vkmoe_attention_params) } };
    struct cli_block *b = &job.block;
    vkmoe_checkpoint *checkpoint = NULL;
    int status = parse(b, argc, argv);
    if (status >= 0)
        return status;
    status = cli_open_model(b->checkpoint, &checkpoint);
    if (status == 0)
        status = cli_result(
            vkmoe_checkpoint_get_attention(checkpoint, b->block, &job.params), b->checkpoint);
    b->hidden = job.params.hidden;
    b->experts_per_token = job.params.experts_per_token;
    if (status == 0)
        status = cli_block_read(b);
    if (status == 0)
        status = run_job(&job);
    if (status == 0)
        status = cli_block_write(b);
    if (status == 0) {
        cli_block_print(b, "attention of layer");
        cli_block_print_written(b);
        status = cli_block_fail_bad(b);
    }
    vkmoe_checkpoint_destroy(&checkpoint);
    cli_block_finish(b);
    return status;
}
