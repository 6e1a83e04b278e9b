// tune.c - `vkmoe tune`.
#include "tuning_file.h"

#include <string.h>
#include <strings.h>

#include "weights/format.h"

static const char about[] =
    "Measures on the device how kernels should cut their work, and which of their\n"
    "forms are fastest, for one layer of MODEL or of the published shape; without\n"
    "either, of olmoe-1b-7b. What is found is kept in the user's cache directory,\n"
    "where other commands find it; `vkmoe devices --verbose` says what it is.\n"
    "Ctrl-C ends it with what was found so far.\n";

static const struct shape {
    const char *name;
    uint32_t hidden, inner, experts, experts_per_token;
} shapes[] = {
#define PUBLISHED(name, hidden, inner, experts, experts_per_token, ...) \
    { name, hidden, inner, experts, experts_per_token },
#include "published.def"
};
enum { SHAPE_COUNT = sizeof shapes / sizeof shapes[0] };

struct job {
    const char *model, *shape, *dtype, *device;
    uint32_t seconds;
    bool exact, validate, json;
    struct vkmoe_tune_params params;
    struct vkmoe_device_info info;
    struct cli_tuning tuning;
    uint32_t found;
    uint64_t ns;
};

static struct job job = {
    .seconds = 10,
    .params = { VKMOE_INIT(vkmoe_tune_params), .dtype = VKMOE_DTYPE_F16 },
    .info = { VKMOE_INIT(vkmoe_device_info) },
};

// ------------------------------------------------------------------------ the shape

static int find_shape(const char *name)
{
    char names[512];
    size_t length = 0;
    for (int i = 0; i < SHAPE_COUNT; i++) {
        const struct shape *s = &shapes[i];
        if (strcmp(s->name, name) == 0) {
            job.params.hidden = s->hidden;
            job.params.inner = s->inner;
            job.params.experts = s->experts;
            job.params.experts_per_token = s->experts_per_token;
            return -1;
        }
        length +=
            (size_t)snprintf(names + length, sizeof names - length, "%s%s", i ? ", " : "", s->name);
    }
    return cli_misuse("tune", "--shape is '%s', expected one of %s", name, names);
}

static int find_dtype(const char *name)
{
    char names[512] = "";
    size_t length = 0;
    for (enum vkmoe_dtype dtype = 0; vkmoe_format(dtype); dtype++) {
        const char *known = cli_dtype_name(dtype);
        if (strcasecmp(known, name) == 0) {
            job.params.dtype = dtype;
            return -1;
        }
        if (length < sizeof names)
            length += (size_t)snprintf(names + length, sizeof names - length, " %s", known);
    }
    return cli_misuse("tune", "--dtype is '%s', expected one of%s", name, names);
}

// What experts work on: the hidden state, or a latent of it.
static uint32_t experts_width(
    vkmoe_checkpoint *checkpoint, const struct vkmoe_checkpoint_info *info)
{
    struct vkmoe_moe_params params = { VKMOE_INIT(vkmoe_moe_params) };
    for (uint32_t b = 0; b < info->blocks; b++) {
        const struct vkmoe_block block = { .index = b };
        if (vkmoe_checkpoint_is_moe(checkpoint, block))
            return vkmoe_checkpoint_get_moe(checkpoint, block, &params) == VKMOE_OK
                    && params.latent.size
                ? params.latent.size
                : info->hidden;
    }
    return info->hidden;
}

static int read_model(void)
{
    struct vkmoe_checkpoint_info info = { VKMOE_INIT(vkmoe_checkpoint_info) };
    vkmoe_checkpoint *checkpoint = NULL;
    int status = cli_open_model(job.model, &checkpoint);
    if (status == 0) {
        vkmoe_checkpoint_get_info(checkpoint, &info);
        job.params.hidden = experts_width(checkpoint, &info);
    }
    vkmoe_checkpoint_destroy(&checkpoint);
    if (status == 0 && info.moe_blocks == 0)
        status = cli_fail("%s: no block holds experts", job.model);
    job.params.inner = info.inner;
    job.params.experts = info.experts;
    job.params.experts_per_token = info.experts_per_token;
    job.params.dtype = info.dtype;
    return status;
}

// ------------------------------------------------------------------------ the work

// What was found is for standard output.
static void write_log(void *user, enum vkmoe_log_level level, const char *line)
{
    static const char before[] = "vkmoe_device_tune: ";
    (void)user;
    if (level <= VKMOE_LOG_WARNING) {
        cli_log.write(cli_log.user, level, line);
    } else if (strncmp(line, before, sizeof before - 1) == 0) {
        job.found++;
        cli_progress(NULL);
        if (!job.json)
            printf("%s\n", line + sizeof before - 1);
    }
}

static bool show(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    if (!cli_interrupted)
        cli_progress("measuring: %.0f of at most %.0f s, %u found so far", (double)done * 1e-9,
            (double)total * 1e-9, job.found);
    return !cli_interrupted;
}

static int tune(vkmoe_device *device)
{
    vkmoe_device_get_info(device, &job.info);
    int status = cli_tuning_get(device, &job.tuning);
    if (status == 0)
        status = cli_tuning_prepare(&job.tuning);
    if (status != 0)
        return status;
    job.params.precision = job.exact ? VKMOE_PRECISION_EXACT : VKMOE_PRECISION_FAST;
    job.params.budget_ns = job.seconds * (uint64_t)1000000000;
    job.params.progress = show;
    cli_catch_interrupt();
    job.ns = cli_now();
    status = cli_result(vkmoe_device_tune(device, &job.params), "it could not be measured");
    job.ns = cli_now() - job.ns;
    cli_progress(NULL);
    if (status == 0)
        status = cli_tuning_get(device, &job.tuning);
    return status == 0 ? cli_tuning_store(&job.tuning) : status;
}

static int print_json(void)
{
    cJSON *json = cJSON_CreateObject();
    cli_json_device(json, &job.info);
    cJSON_AddNumberToObject(json, "hidden", job.params.hidden);
    cJSON_AddNumberToObject(json, "inner", job.params.inner);
    cJSON_AddNumberToObject(json, "experts", job.params.experts);
    cJSON_AddNumberToObject(json, "experts_per_token", job.params.experts_per_token);
    cJSON_AddStringToObject(json, "dtype", cli_dtype_name(job.params.dtype));
    cJSON_AddStringToObject(json, "precision", job.exact ? "exact" : "fast");
    cJSON_AddNumberToObject(json, "ns", (double)job.ns);
    cJSON_AddBoolToObject(json, "interrupted", cli_interrupted != 0);
    cli_tuning_json(json, &job.tuning);
    return cli_print_json(json);
}

static int print(void)
{
    if (job.json)
        return print_json();
    if (job.found == 0)
        printf("nothing that was measured is faster than what the library takes by itself\n");
    printf("%s after %s on %s; wrote %s\n", cli_interrupted ? "interrupted" : "done",
        cli_duration((double)job.ns).text, cli_device_label(&job.info).text, job.tuning.path);
    return 0;
}

// ---------------------------------------------------------------- the command line

static int parse(int argc, char **argv)
{
    const struct cli_option options[] = {
        CLI_TEXT("shape", "NAME", &job.shape, "a published layer's sizes instead of MODEL's"),
        CLI_TEXT("dtype", "F", &job.dtype, "its weights' format; else f16"),
        CLI_COUNT("seconds", "N", &job.seconds, "how long it may take; else 10"),
        CLI_EXACT(&job.exact),
        CLI_WHERE(&job.device, &job.validate),
        CLI_JSON(&job.json),
    };
    int status = cli_parse(
        &(struct cli_usage){
            .command = "tune",
            .operand = "MODEL",
            .operand_target = &job.model,
            .may_lack_operand = true,
            .about = about,
            .options = options,
            .option_count = sizeof options / sizeof options[0],
        },
        argc, argv);
    if (status < 0 && job.model && (job.shape || job.dtype))
        status =
            cli_misuse("tune", "MODEL and --%s exclude each other", job.shape ? "shape" : "dtype");
    if (status < 0 && !job.model)
        status = find_shape(job.shape ? job.shape : "olmoe-1b-7b");
    return status < 0 && job.dtype ? find_dtype(job.dtype) : status;
}

int cli_command_tune(int argc, char **argv)
{
    const struct vkmoe_log log = { .write = write_log, .level = VKMOE_LOG_INFO };
    vkmoe_device *device = NULL;
    int status = parse(argc, argv);
    if (status >= 0)
        return status;
    status = job.model ? read_model() : 0;
    if (status == 0)
        status = cli_open_device_for(&log, job.device, job.validate, &device);
    if (status == 0)
        status = tune(device);
    vkmoe_device_destroy(&device);
    return status == 0 ? print() : status;
}
