// work.c - opens models and devices, and runs a layer on arrays of the host.
#include "tuning_file.h"

#include "base/try.h"
#include "checkpoint/opened.h"

#include <stdlib.h>
#include <time.h>

bool cli_no_tuning, cli_no_self_test;

int cli_open_device_for(
    const struct vkmoe_log *log, const char *select, bool validate, vkmoe_device **out)
{
    const struct vkmoe_device_params params = {
        VKMOE_INIT(vkmoe_device_params),
        .log = *log,
        .select = select,
        .validate = validate,
        .no_self_test = cli_no_self_test,
    };
    const int status = cli_result(vkmoe_device_create(&params, out), "no device");
    if (status == 0 && !cli_no_tuning)
        cli_tuning_load(*out);
    return status;
}

int cli_open_device(const char *select, bool validate, vkmoe_device **out)
{
    return cli_open_device_for(&cli_log, select, validate, out);
}

int cli_open_model(const char *path, vkmoe_checkpoint **out)
{
    const int status = cli_result(vkmoe_checkpoint_open(path, &cli_log, out), path);
    if (status != 0)
        return status;
    const struct tensors *tensors = &(*out)->container.tensors;
    cli_output_protect(path);
    for (uint32_t i = 0; i < tensors->file_count; i++)
        cli_output_protect(tensors->files[i].path);
    return 0;
}

uint64_t cli_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

uint64_t cli_pipelines_ns(const vkmoe_device *device)
{
    struct vkmoe_device_info info = { VKMOE_INIT(vkmoe_device_info) };
    vkmoe_device_get_info(device, &info);
    return info.pipelines_ns;
}

static int compare_times(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

uint64_t cli_median(uint64_t *times, uint32_t count)
{
    qsort(times, count, sizeof *times, compare_times);
    return (times[(count - 1) / 2] + times[count / 2]) / 2;
}

enum vkmoe_status cli_upload(
    vkmoe_device *device, const void *data, uint64_t size, vkmoe_buffer **out)
{
    TRY_RETURN(vkmoe_buffer_create(device, size, out));
    return vkmoe_buffer_upload(*out, 0, data, size);
}

enum vkmoe_status cli_submit_and_wait(vkmoe_stream *stream)
{
    TRY_RETURN(vkmoe_stream_submit(stream, NULL));
    return vkmoe_stream_wait(stream, UINT64_MAX);
}

// The layer's arrays on the device. What is NULL was not needed.
struct arrays {
    vkmoe_buffer *x, *router_x, *y, *ids, *weights;
};

static void destroy_arrays(struct arrays *arrays)
{
    vkmoe_buffer **const buffers[] = { &arrays->x, &arrays->router_x, &arrays->y, &arrays->ids,
        &arrays->weights };
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++)
        vkmoe_buffer_destroy(buffers[i]);
}

static enum vkmoe_status create_arrays(vkmoe_device *device, const struct cli_run *run,
    uint64_t size, uint64_t choice_size, struct arrays *out)
{
    TRY_RETURN(cli_upload(device, run->x, size, &out->x));
    if (run->router_x)
        TRY_RETURN(cli_upload(device, run->router_x, size, &out->router_x));
    TRY_RETURN(vkmoe_buffer_create(device, size, &out->y));
    TRY_RETURN(vkmoe_buffer_create(device, choice_size, &out->ids));
    return vkmoe_buffer_create(device, choice_size, &out->weights);
}

static enum vkmoe_status run_once(
    vkmoe_stream *stream, const vkmoe_moe *layer, const struct arrays *arrays, uint32_t tokens)
{
    TRY_RETURN(vkmoe_moe_forward(stream, layer,
        &(struct vkmoe_moe_forward_params){
            VKMOE_INIT(vkmoe_moe_forward_params),
            .tokens = tokens,
            .x.buffer = arrays->x,
            .router_x.buffer = arrays->router_x,
            .y.buffer = arrays->y,
            .ids.buffer = arrays->ids,
            .weights.buffer = arrays->weights,
        }));
    return cli_submit_and_wait(stream);
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
    if (run->timed)
        run->median_ns = cli_median(times, run->timed);
    free(times);
    return status;
}

static enum vkmoe_status download(
    const struct arrays *arrays, uint64_t size, uint64_t choice_size, struct cli_run *run)
{
    TRY_RETURN(vkmoe_buffer_download(arrays->y, 0, run->y, size));
    TRY_RETURN(vkmoe_buffer_download(arrays->ids, 0, run->ids, choice_size));
    return vkmoe_buffer_download(arrays->weights, 0, run->weights, choice_size);
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
    enum vkmoe_status status;
    TRY(vkmoe_moe_create(device, params, &layer));
    TRY(vkmoe_stream_create(device, &stream));
    run->layer_size = vkmoe_moe_device_size(layer);
    run->scratch_size = vkmoe_moe_scratch_size(layer, run->tokens);
    if (run->tokens > 0) { // else nothing is to be done, and no buffer may be empty
        cli_progress("layer %s: running %u tokens", label, run->tokens);
        TRY(create_arrays(device, run, size, choice_size, &arrays));
        TRY(run_once(stream, layer, &arrays, run->tokens));
        if (run->repeats)
            TRY(run_timed(stream, layer, &arrays, run));
        TRY(download(&arrays, size, choice_size, run));
    }
fail:
    vkmoe_stream_destroy(&stream);
    destroy_arrays(&arrays);
    vkmoe_moe_destroy(&layer);
    cli_progress(NULL);
    return cli_result(status, "the layer could not be run");
}
