// work.c - opens models and devices, and runs a layer on arrays of the host.
#include "cli.h"

#include <stdlib.h>
#include <time.h>

int cli_open_device(const char *select, bool validate, vkmoe_device **out)
{
    return cli_result(vkmoe_device_create(
                          &(struct vkmoe_device_params){
                              VKMOE_INIT(vkmoe_device_params),
                              .log = cli_log,
                              .select = select,
                              .validate = validate,
                          },
                          out),
        "no device");
}

int cli_open_model(const char *path, vkmoe_checkpoint **out)
{
    return cli_result(vkmoe_checkpoint_open(path, &cli_log, out), path);
}

uint64_t cli_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

enum vkmoe_status cli_upload(
    vkmoe_device *device, const void *data, uint64_t size, vkmoe_buffer **out)
{
    enum vkmoe_status status = vkmoe_buffer_create(device, size, out);
    return status == VKMOE_OK ? vkmoe_buffer_upload(*out, 0, data, size) : status;
}

enum vkmoe_status cli_submit_and_wait(vkmoe_stream *stream)
{
    enum vkmoe_status status = vkmoe_stream_submit(stream, NULL);
    return status == VKMOE_OK ? vkmoe_stream_wait(stream, UINT64_MAX) : status;
}

static int compare_times(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

// The layer's arrays on the device. What is NULL was not needed.
struct arrays {
    vkmoe_buffer *x, *router_x, *y, *ids, *weights;
};

static void destroy_arrays(struct arrays *arrays)
{
    vkmoe_buffer_destroy(&arrays->x);
    vkmoe_buffer_destroy(&arrays->router_x);
    vkmoe_buffer_destroy(&arrays->y);
    vkmoe_buffer_destroy(&arrays->ids);
    vkmoe_buffer_destroy(&arrays->weights);
}

static enum vkmoe_status create_arrays(vkmoe_device *device, const struct cli_run *run,
    uint64_t size, uint64_t choice_size, struct arrays *out)
{
    enum vkmoe_status status = cli_upload(device, run->x, size, &out->x);
    if (status == VKMOE_OK && run->router_x)
        status = cli_upload(device, run->router_x, size, &out->router_x);
    if (status == VKMOE_OK)
        status = vkmoe_buffer_create(device, size, &out->y);
    if (status == VKMOE_OK)
        status = vkmoe_buffer_create(device, choice_size, &out->ids);
    if (status == VKMOE_OK)
        status = vkmoe_buffer_create(device, choice_size, &out->weights);
    return status;
}

static enum vkmoe_status run_once(
    vkmoe_stream *stream, const vkmoe_moe *layer, const struct arrays *arrays, uint32_t tokens)
{
    enum vkmoe_status status = vkmoe_moe_forward(stream, layer,
        &(struct vkmoe_moe_forward_params){
            VKMOE_INIT(vkmoe_moe_forward_params),
            .tokens = tokens,
            .x.buffer = arrays->x,
            .router_x.buffer = arrays->router_x,
            .y.buffer = arrays->y,
            .ids.buffer = arrays->ids,
            .weights.buffer = arrays->weights,
        });
    return status == VKMOE_OK ? cli_submit_and_wait(stream) : status;
}

static enum vkmoe_status run_timed(
    vkmoe_stream *stream, const vkmoe_moe *layer, const struct arrays *arrays, struct cli_run *run)
{
    uint64_t *times = cli_alloc(run->repeats * sizeof *times);
    const uint64_t start = cli_now();
    enum vkmoe_status status = VKMOE_OK;
    while (status == VKMOE_OK && run->timed < run->repeats
        && !(run->budget_ns && run->timed && cli_now() - start > run->budget_ns)) {
        uint64_t before = cli_now();
        status = run_once(stream, layer, arrays, run->tokens);
        times[run->timed++] = cli_now() - before;
    }
    qsort(times, run->timed, sizeof *times, compare_times);
    if (run->timed)
        run->median_ns = (times[(run->timed - 1) / 2] + times[run->timed / 2]) / 2;
    free(times);
    return status;
}

static enum vkmoe_status download(
    const struct arrays *arrays, uint64_t size, uint64_t choice_size, struct cli_run *run)
{
    enum vkmoe_status status = vkmoe_buffer_download(arrays->y, 0, run->y, size);
    if (status == VKMOE_OK)
        status = vkmoe_buffer_download(arrays->ids, 0, run->ids, choice_size);
    if (status == VKMOE_OK)
        status = vkmoe_buffer_download(arrays->weights, 0, run->weights, choice_size);
    return status;
}

int cli_run_layer(vkmoe_device *device, const struct vkmoe_moe_params *params, const char *label,
    struct cli_run *run)
{
    const uint64_t size = (uint64_t)run->tokens * params->hidden * sizeof(float);
    const uint64_t choice_size = (uint64_t)run->tokens * params->experts_per_token * sizeof(float);
    struct arrays arrays = { 0 };
    vkmoe_stream *stream = NULL;
    vkmoe_moe *layer = NULL;
    cli_progress("layer %s: uploading its weights", label);
    enum vkmoe_status status = vkmoe_moe_create(device, params, &layer);
    if (status == VKMOE_OK)
        status = vkmoe_stream_create(device, &stream);
    if (status == VKMOE_OK) {
        run->layer_size = vkmoe_moe_device_size(layer);
        run->scratch_size = vkmoe_moe_scratch_size(layer, run->tokens);
    }
    // No buffer is empty, and nothing is to be done.
    if (status == VKMOE_OK && run->tokens > 0) {
        cli_progress("layer %s: running %u tokens", label, run->tokens);
        status = create_arrays(device, run, size, choice_size, &arrays);
        if (status == VKMOE_OK)
            status = run_once(stream, layer, &arrays, run->tokens);
        if (status == VKMOE_OK && run->repeats)
            status = run_timed(stream, layer, &arrays, run);
        if (status == VKMOE_OK)
            status = download(&arrays, size, choice_size, run);
    }
    vkmoe_stream_destroy(&stream);
    destroy_arrays(&arrays);
    vkmoe_moe_destroy(&layer);
    cli_progress(NULL);
    return cli_result(status, "the layer could not be run");
}
