// check.c - `vkmoe check`.
#include "cli.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char about[] =
    "Runs each Mixture-of-Experts block N of a model on recorded/layerN_moe_input.npy\n"
    "in its folder, or in that of its file, and compares with\n"
    "layerN_moe_output.npy and, if it is there, layerN_moe_expert_ids.npy. Fails if an\n"
    "output is off by more than 2e-5 of the outputs' rms, or an expert is another one.\n";

// Largest error, as a share of the rms of the recorded output: two computations in f32
// that add in different orders stay below it.
static const double tolerance = 2e-5;

enum {
    REPEATS = 9,
    BUDGET_NS = 1000000000,
    FEW_EXPERTS = 16, // whose rows are printed as numbers
    BARS = 64,        // how wide those of more are
};

struct result {
    struct vkmoe_block block;
    bool recorded, has_ids, finite, ok;
    uint32_t tokens, experts;
    double max_error;   // largest difference
    double rms;         // of the recorded output
    double error;       // max_error / rms
    uint32_t ids_equal; // tokens whose experts are the recorded ones, in the same order
    uint32_t *rows;     // [experts]
    uint32_t timed;
    uint64_t median_ns;
};

struct check {
    const char *path, *select;
    char *folder; // of `path`, or around it if it is a file
    bool json, validate;
    vkmoe_checkpoint *checkpoint;
    vkmoe_device *device;
    struct vkmoe_device_info info;
    struct result *results; // one for each block with experts
    uint32_t count, recorded;
};

static char *find_folder(const char *path)
{
    struct stat info;
    const char *slash = strrchr(path, '/');
    const bool is_folder = stat(path, &info) == 0 && S_ISDIR(info.st_mode);
    char *folder = cli_alloc(strlen(path) + 2);
    if (is_folder || slash)
        memcpy(folder, path, is_folder ? strlen(path) : (size_t)(slash - path));
    else
        folder[0] = '.';
    return folder;
}

static char *recorded_path(const struct check *check, struct vkmoe_block block, const char *what)
{
    const size_t size = strlen(check->folder) + 80;
    char *path = cli_alloc(size);
    snprintf(path, size, "%s/recorded/layer%s_moe_%s.npy", check->folder,
        cli_block_label(block).text, what);
    return path;
}

static void compare_outputs(
    struct result *result, const float *y, const float *expected, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        double error = fabs((double)y[i] - expected[i]);
        // A NaN is the largest error, and stays.
        if (!(error <= result->max_error) && !isnan(result->max_error))
            result->max_error = error;
        sum += (double)expected[i] * expected[i];
    }
    result->rms = count ? sqrt(sum / (double)count) : 0;
    result->error = result->max_error == 0 ? 0 : result->max_error / result->rms;
}

static void compare_ids(
    struct result *result, const int32_t *ids, const int32_t *expected, uint32_t k)
{
    result->has_ids = true;
    for (uint32_t t = 0; t < result->tokens; t++)
        result->ids_equal +=
            memcmp(ids + (size_t)t * k, expected + (size_t)t * k, k * sizeof *ids) == 0;
}

static void count_rows(struct result *result, const struct cli_run *run, uint32_t k)
{
    result->rows = cli_alloc(result->experts * sizeof *result->rows);
    for (size_t i = 0; i < (size_t)result->tokens * k; i++) {
        const bool dropped = run->weights[i] == 0 && signbit(run->weights[i]);
        if (!dropped && run->ids[i] >= 0 && (uint32_t)run->ids[i] < result->experts)
            result->rows[run->ids[i]]++;
    }
}

struct recording {
    char *input_path, *output_path, *ids_path;
    float *input, *output;
    int32_t *ids; // NULL: not recorded
};

static int read_recording(struct recording *r, uint32_t hidden, uint32_t k, uint32_t *tokens)
{
    uint32_t output_tokens;
    int status = cli_read_floats(r->input_path, hidden, tokens, &r->input);
    if (status == 0)
        status = cli_read_floats(r->output_path, hidden, &output_tokens, &r->output);
    if (status == 0 && output_tokens != *tokens)
        status = cli_fail("%s: has %u tokens, expected %u as in %s", r->output_path, output_tokens,
            *tokens, r->input_path);
    if (status == 0 && access(r->ids_path, F_OK) == 0)
        status = cli_read_ids(r->ids_path, *tokens, k, &r->ids);
    return status;
}

// A recording that is a named pipe would be waited for.
static int check_files(const struct recording *r)
{
    const char *const paths[] = { r->input_path, r->output_path, r->ids_path };
    struct stat info;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (stat(paths[i], &info) == 0 && !S_ISREG(info.st_mode))
            return cli_fail("%s: is not a regular file", paths[i]);
    return 0;
}

static int run_recording(const struct check *check, const struct recording *recording,
    const struct vkmoe_moe_params *params, struct result *result)
{
    const uint32_t k = params->experts_per_token;
    const size_t count = (size_t)result->tokens * params->hidden;
    const size_t choices = (size_t)result->tokens * k;
    struct cli_run run = {
        .tokens = result->tokens,
        .x = recording->input,
        .y = cli_alloc(count * sizeof(float)),
        .ids = cli_alloc(choices * sizeof(int32_t)),
        .weights = cli_alloc(choices * sizeof(float)),
        .repeats = REPEATS,
        .budget_ns = BUDGET_NS,
    };
    int status = cli_run_layer(check->device, params, cli_block_label(result->block).text, &run);
    if (status == 0) {
        result->finite = cli_find_bad(run.y, 1, count).rows == 0;
        compare_outputs(result, run.y, recording->output, count);
        if (recording->ids)
            compare_ids(result, run.ids, recording->ids, k);
        count_rows(result, &run, k);
        result->timed = run.timed;
        result->median_ns = run.median_ns;
        result->ok =
            result->error <= tolerance && (!result->has_ids || result->ids_equal == result->tokens);
    }
    free(run.y);
    free(run.ids);
    free(run.weights);
    return status;
}

static int check_block(struct check *check, struct result *result)
{
    struct recording recording = {
        .input_path = recorded_path(check, result->block, "input"),
        .output_path = recorded_path(check, result->block, "output"),
        .ids_path = recorded_path(check, result->block, "expert_ids"),
    };
    struct vkmoe_moe_params params = { VKMOE_INIT(vkmoe_moe_params) };
    int status = 0;
    struct stat info;
    result->recorded = lstat(recording.input_path, &info) == 0;
    if (result->recorded) {
        check->recorded++;
        status = check_files(&recording);
        if (status == 0)
            status = cli_result(
                vkmoe_checkpoint_get_moe(check->checkpoint, result->block, &params), check->path);
        if (status == 0)
            status = read_recording(
                &recording, params.hidden, params.experts_per_token, &result->tokens);
        if (status == 0) {
            result->experts = params.experts;
            status = run_recording(check, &recording, &params, result);
        }
    }
    free(recording.input_path);
    free(recording.output_path);
    free(recording.ids_path);
    free(recording.input);
    free(recording.output);
    free(recording.ids);
    return status;
}

static void find_blocks(struct check *check)
{
    struct vkmoe_checkpoint_info info = { VKMOE_INIT(vkmoe_checkpoint_info) };
    vkmoe_checkpoint_get_info(check->checkpoint, &info);
    check->results = cli_alloc(info.moe_blocks * sizeof *check->results);
    for (int decoder = 0; decoder < 2; decoder++) {
        for (uint32_t i = 0; i < (decoder ? info.decoder_blocks : info.blocks); i++) {
            struct vkmoe_block block = { .index = i,
                .part = decoder ? VKMOE_PART_DECODER : VKMOE_PART_BLOCKS };
            if (vkmoe_checkpoint_is_moe(check->checkpoint, block))
                check->results[check->count++].block = block;
        }
    }
}

// -------------------------------------------------------------------------- words

static void add_result(struct cli_table *table, const struct result *result)
{
    const char *verdict = result->ok ? "ok"
        : !result->finite            ? "not finite"
        : result->error <= tolerance ? "other experts"
                                     : "out of tolerance";
    cli_table_add(table, CLI_PLAIN, "%s", cli_block_label(result->block).text);
    cli_table_add(table, CLI_PLAIN, "%u", result->tokens);
    cli_table_add(table, CLI_PLAIN, "%.2e", result->max_error);
    cli_table_add(table, CLI_PLAIN, "%.3g", result->rms);
    cli_table_add(table, CLI_PLAIN, "%.2e", result->error);
    if (result->has_ids)
        cli_table_add(table, CLI_PLAIN, "%u of %u", result->ids_equal, result->tokens);
    else
        cli_table_add(table, CLI_PLAIN, "not recorded");
    if (result->timed)
        cli_table_add(
            table, CLI_PLAIN, "%s", cli_duration((double)result->median_ns / result->tokens).text);
    else
        cli_table_add(table, CLI_PLAIN, "-");
    cli_table_add(table, result->ok ? CLI_GOOD : CLI_BAD, "%s", verdict);
}

// A few experts as numbers, many as one character each, or for several of them.
static void add_rows(struct cli_table *table, const struct result *result)
{
    static const char ramp[] = " .:-=+*#%@";
    char text[256];
    size_t used = 0;
    uint32_t least = UINT32_MAX, most = 0;
    for (uint32_t e = 0; e < result->experts; e++) {
        least = result->rows[e] < least ? result->rows[e] : least;
        most = result->rows[e] > most ? result->rows[e] : most;
    }
    cli_table_add(table, CLI_PLAIN, "%s", cli_block_label(result->block).text);
    if (result->experts <= FEW_EXPERTS) {
        const int width = snprintf(NULL, 0, "%u", most);
        for (uint32_t e = 0; e < result->experts; e++)
            used += (size_t)snprintf(
                text + used, sizeof text - used, "%s%*u", e ? "  " : "", width, result->rows[e]);
        cli_table_add(table, CLI_PLAIN, "%s", text);
        return;
    }
    const uint32_t group = (result->experts + BARS - 1) / BARS;
    for (uint32_t e = 0; e < result->experts; e += group) {
        uint32_t top = 0;
        for (uint32_t i = e; i < e + group && i < result->experts; i++)
            top = result->rows[i] > top ? result->rows[i] : top;
        // Blank is for those that got nothing.
        text[used++] = top ? ramp[1 + (uint64_t)top * 8 / most] : ramp[0];
    }
    text[used] = '\0';
    cli_table_add(table, CLI_PLAIN, "|%s| %u to %u", text, least, most);
}

static void print_table(const struct check *check)
{
    static const char *const heads[] = {
        "layer",
        "tokens",
        "max error",
        "output rms",
        "error / rms",
        "experts equal",
        "time a token",
        "result",
    };
    struct cli_table table = { .columns = "rrrrrrrl" }, rows = { .columns = "rl" };
    printf("device: %s\n\n", cli_device_label(&check->info).text);
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        cli_table_add(&table, CLI_BOLD, "%s", heads[i]);
    cli_table_add(&rows, CLI_BOLD, "layer");
    cli_table_add(&rows, CLI_BOLD, "tokens that each expert got");
    uint32_t failed = 0;
    for (uint32_t i = 0; i < check->count; i++) {
        if (!check->results[i].recorded)
            continue;
        add_result(&table, &check->results[i]);
        add_rows(&rows, &check->results[i]);
        failed += !check->results[i].ok;
    }
    cli_table_print(&table, 0);
    printf("\n");
    cli_table_print(&rows, 0);
    printf("\n");
    if (check->recorded < check->count)
        printf("%u of %u layers with experts have no recording\n", check->count - check->recorded,
            check->count);
    if (failed)
        printf("%s%u of %u wrong%s: error / rms may be %g, and experts must be equal\n",
            cli_style_on(CLI_BAD), failed, check->recorded, cli_style_off(CLI_BAD), tolerance);
    else
        printf("%s%u of %u right%s: error / rms is at most %g\n", cli_style_on(CLI_GOOD),
            check->recorded, check->recorded, cli_style_off(CLI_GOOD), tolerance);
}

// --------------------------------------------------------------------------- JSON

static cJSON *result_json(const struct result *result)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "layer", cli_block_label(result->block).text);
    cJSON_AddBoolToObject(json, "recorded", result->recorded);
    if (!result->recorded)
        return json;
    cJSON_AddBoolToObject(json, "ok", result->ok);
    cJSON_AddBoolToObject(json, "finite", result->finite);
    cJSON_AddNumberToObject(json, "tokens", result->tokens);
    cJSON_AddNumberToObject(json, "max_error", result->max_error);
    cJSON_AddNumberToObject(json, "output_rms", result->rms);
    cJSON_AddNumberToObject(json, "error", result->error);
    if (result->has_ids)
        cJSON_AddNumberToObject(json, "ids_equal", result->ids_equal);
    cJSON *rows = cJSON_AddArrayToObject(json, "rows_per_expert");
    for (uint32_t e = 0; e < result->experts; e++)
        cJSON_AddItemToArray(rows, cJSON_CreateNumber(result->rows[e]));
    if (result->timed) {
        cJSON_AddNumberToObject(json, "runs", result->timed);
        cJSON_AddNumberToObject(json, "median_ns", (double)result->median_ns);
        cJSON_AddNumberToObject(json, "ns_per_token", (double)result->median_ns / result->tokens);
    }
    return json;
}

static int print_json(const struct check *check, bool ok)
{
    cJSON *json = cJSON_CreateObject();
    cli_json_text(json, "model", check->path);
    cli_json_device(json, &check->info);
    cJSON_AddNumberToObject(json, "tolerance", tolerance);
    cJSON_AddBoolToObject(json, "ok", ok);
    cJSON *layers = cJSON_AddArrayToObject(json, "layers");
    for (uint32_t i = 0; i < check->count; i++)
        cJSON_AddItemToArray(layers, result_json(&check->results[i]));
    return cli_print_json(json);
}

// ------------------------------------------------------------------------ command

static int run_check(struct check *check)
{
    int status = cli_open_model(check->path, &check->checkpoint);
    if (status == 0)
        status = cli_open_device(check->select, check->validate, &check->device);
    if (status != 0)
        return status;
    vkmoe_device_get_info(check->device, &check->info);
    find_blocks(check);
    bool ok = true;
    for (uint32_t i = 0; i < check->count && status == 0; i++) {
        status = check_block(check, &check->results[i]);
        ok = ok && (!check->results[i].recorded || check->results[i].ok);
    }
    if (status != 0)
        return status;
    if (check->recorded == 0)
        return cli_fail(
            "%s/recorded: has no layerN_moe_input.npy of any layer with experts", check->folder);
    if (check->json)
        status = print_json(check, ok);
    else
        print_table(check);
    return ok ? status : 1;
}

int cli_command_check(int argc, char **argv)
{
    struct check check = { .info = { VKMOE_INIT(vkmoe_device_info) } };
    const struct cli_option options[] = {
        CLI_WHERE(&check.select, &check.validate),
        CLI_JSON(&check.json),
    };
    int status = CLI_PARSE_MODEL(argc, argv, "check", &check.path, options, about);
    if (status >= 0)
        return status;
    check.folder = find_folder(check.path);
    status = run_check(&check);
    free(check.folder);
    for (uint32_t i = 0; i < check.count; i++)
        free(check.results[i].rows);
    free(check.results);
    vkmoe_device_destroy(&check.device);
    vkmoe_checkpoint_destroy(&check.checkpoint);
    return status;
}
