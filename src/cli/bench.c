// bench.c - `vkmoe bench`.
#include "continuation.h"
#include "tuning_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char about[] =
    "Times a whole model, so that devices can be compared: how many tokens a second\n"
    "of a prompt it reads, and how many it runs one after the other, as it does to\n"
    "generate a text. Tokens are drawn at random, always the same ones. Each run\n"
    "begins with an empty cache and reads the logits of the prompt's last token, or\n"
    "of every token generated; what chooses a token by them is not timed.\n"
    "\n"
    "Before either is timed it is run once, for what is compiled and allocated then,\n"
    "which does not count. Printed are the median, the slowest and the fastest run;\n"
    "where these are far apart, something else used the device. Ctrl-C ends it with\n"
    "what was timed so far.\n";

enum {
    PROMPT_TOKENS = 512,
    COUNT = 128,
    RUNS = 5,
    MOST_RUNS = 1000,
    SEED = 1,
    REDRAW_NS = 100000000,
};

struct run {
    uint64_t ns, pipelines_ns; // the latter are part of the former
};

// One of the two things that are timed.
struct test {
    const char *name, *option;
    const char *given; // the option's value; NULL: the preset, or the context if that is less
    uint32_t preset;
    uint32_t tokens; // 0: it is left out
    bool generates;
    struct run warm_up, *runs;
    uint32_t done; // of the runs
};

enum { TESTS = 2 };

struct job {
    const char *checkpoint;
    struct cli_running running;
    uint32_t runs;
    bool json;
    struct test tests[TESTS];

    struct cli_session session;
    uint32_t *tokens;
    float *logits;    // of one token
    char doing[48];   // for the terminal
    uint64_t shown;   // when that was shown last
    uint64_t load_ns; // without pipelines
    struct cli_tuning tuning;
    uint32_t tuned; // rows of it
};

// ------------------------------------------------------------------------- the work

// The first tokens of all runs are the same, however many there are.
static void draw_tokens(struct job *job, uint32_t count)
{
    uint64_t state = SEED;
    job->tokens = cli_alloc(count * sizeof *job->tokens);
    for (uint32_t i = 0; i < count; i++)
        job->tokens[i] = (uint32_t)(cli_random(&state) % job->session.frame.vocabulary);
}

// It may be far from one run's end to the next; what shows it must not be what is timed.
static void show_token(struct job *job, uint32_t token)
{
    const uint64_t now = cli_now();
    if (now - job->shown < REDRAW_NS)
        return;
    job->shown = now;
    cli_progress("%s, token %u", job->doing, token);
}

static int generate(struct job *job, uint32_t count)
{
    struct cli_session *s = &job->session;
    int status = 0;
    for (uint32_t i = 0; status == 0 && i < count && !cli_interrupted; i++) {
        show_token(job, i);
        cli_session_append(s, &job->tokens[i], 1);
        status = cli_session_step(s, i, job->tokens[i], job->logits);
    }
    return status;
}

static int read_prompt(struct job *job)
{
    uint32_t run = 0;
    return cli_session_read(&job->session, &run, job->logits);
}

static int run_once(struct job *job, const struct test *test, struct run *run)
{
    struct cli_session *s = &job->session;
    cli_session_cut(s, 0);
    if (!test->generates)
        cli_session_append(s, job->tokens, test->tokens);
    cli_progress("%s", job->doing);
    const uint64_t ready = cli_pipelines_ns(s->device), start = job->shown = cli_now();
    const int status = test->generates ? generate(job, test->tokens) : read_prompt(job);
    run->ns = cli_now() - start;
    run->pipelines_ns = cli_pipelines_ns(s->device) - ready;
    cli_progress(NULL);
    return status;
}

// Of a model that computes nothing of use the speed is of none.
static int check_logits(const struct job *job, const struct test *test)
{
    char what[48];
    snprintf(what, sizeof what, "%s %u is not timed", test->name, test->tokens);
    return cli_fail_bad_logits(job->checkpoint, what, job->logits, job->session.frame.vocabulary);
}

static int time_test(struct job *job, struct test *test)
{
    snprintf(job->doing, sizeof job->doing, "%s %u: warming up", test->name, test->tokens);
    int status = run_once(job, test, &test->warm_up);
    if (status == 0 && !cli_interrupted)
        status = check_logits(job, test);
    while (status == 0 && test->done < job->runs && !cli_interrupted) {
        snprintf(job->doing, sizeof job->doing, "%s %u: run %u of %u", test->name, test->tokens,
            test->done + 1, job->runs);
        status = run_once(job, test, &test->runs[test->done]);
        test->done += status == 0 && !cli_interrupted; // it may have ended early
    }
    return status;
}

static int load(struct job *job, uint32_t capacity)
{
    struct cli_session *s = &job->session;
    int status = cli_running_start(&job->running, s, capacity, false);
    if (status == 0)
        status = cli_tuning_get(s->device, &job->tuning);
    if (status != 0)
        return status;
    char rows[sizeof job->tuning.text], *at = rows;
    memcpy(rows, job->tuning.text, sizeof rows);
    while (cli_tuning_next(&at))
        job->tuned++;
    job->logits = cli_alloc(s->frame.vocabulary * sizeof *job->logits);
    return 0;
}

static int open_model(struct job *job, uint32_t *most)
{
    struct cli_session *s = &job->session;
    int status = cli_session_open_model(s, job->checkpoint);
    if (status == 0 && s->frame.encoder_blocks > 0)
        return cli_fail("%s: is an encoder-decoder, whose prompt is its encoder's alone; 'bench' "
                        "times models that read and generate with the same blocks",
            job->checkpoint);
    for (int i = 0; status == 0 && i < TESTS; i++) {
        struct test *test = &job->tests[i];
        if (!test->given && test->tokens > s->context)
            test->tokens = s->context;
        status = cli_session_check_positions(s, test->option, test->tokens);
        *most = test->tokens > *most ? test->tokens : *most;
    }
    return status;
}

static int measure(struct job *job)
{
    const uint64_t start = cli_now();
    uint32_t most = 0;
    int status = open_model(job, &most);
    if (status == 0)
        status = load(job, most);
    if (status != 0)
        return status;
    job->load_ns = cli_now() - start - cli_pipelines_ns(job->session.device);
    draw_tokens(job, most);
    for (int i = 0; status == 0 && i < TESTS; i++) {
        struct test *test = &job->tests[i];
        test->runs = cli_alloc(job->runs * sizeof *test->runs);
        if (test->tokens > 0 && !cli_interrupted)
            status = time_test(job, test);
    }
    return status;
}

// ------------------------------------------------------------------------ the report

// In tokens a second.
struct speed {
    double median, slowest, fastest;
};

// Of a test with runs.
static struct speed speed_of(const struct test *test)
{
    uint64_t *times = cli_alloc(test->done * sizeof *times);
    for (uint32_t i = 0; i < test->done; i++)
        times[i] = test->runs[i].ns + 1;
    const double tokens = test->tokens * 1e9, median = (double)cli_median(times, test->done);
    const struct speed speed = { tokens / median, tokens / (double)times[test->done - 1],
        tokens / (double)times[0] };
    free(times);
    return speed;
}

static void print_facts(const struct job *job, const struct vkmoe_device_info *device)
{
    const struct cli_session *s = &job->session;
    struct vkmoe_checkpoint_info info = { VKMOE_INIT(vkmoe_checkpoint_info) };
    struct cli_table table = { .columns = "ll" };
    vkmoe_checkpoint_get_info(s->checkpoint, &info);
    cli_table_row(&table, "model", "%s", job->checkpoint);
    cli_table_row(&table, "", "%s, %s parameters, %s in %u file%s, experts in %s", info.family,
        cli_quantity(info.parameters).text, cli_bytes(info.file_size).text, info.files,
        info.files == 1 ? "" : "s", cli_dtype_name(info.dtype));
    cli_table_row(&table, "device", "%s", cli_device_label(device).text);
    cli_table_row(&table, "driver", "%s", device->driver);
    cli_table_row(&table, "precision", "%s, cache in %s%s", job->running.exact ? "exact" : "fast",
        cli_dtype_name(job->running.cache_dtype),
        job->running.validate ? "; with the validation layer, which takes time" : "");
    if (job->tuned)
        cli_table_row(&table, "tuning", "%u found by 'vkmoe tune'", job->tuned);
    else
        cli_table_row(&table, "tuning", "none");
    cli_table_row(&table, "memory", "%s on the device, with caches for %u positions; scratch %s",
        cli_bytes(vkmoe_model_device_size(s->model)).text, s->capacity,
        cli_bytes(vkmoe_model_scratch_size(s->model)).text);
    cli_table_row(&table, "loading", "%s", cli_duration((double)job->load_ns).text);
    cli_table_row(&table, "compiling", "%s", cli_duration((double)device->pipelines_ns).text);
    cli_table_row(&table, "tokens", "drawn with seed %d", SEED);
    cli_table_print(&table, 0);
}

static void print_speeds(const struct job *job)
{
    static const char *const head[] = { "tokens/s", "median", "slowest", "fastest", "runs" };
    struct cli_table table = { .columns = "lrrrr" };
    for (size_t i = 0; i < sizeof head / sizeof *head; i++)
        cli_table_add(&table, CLI_PLAIN, "%s", head[i]);
    for (int i = 0; i < TESTS; i++) {
        const struct test *test = &job->tests[i];
        if (test->done == 0)
            continue;
        const struct speed speed = speed_of(test);
        cli_table_add(&table, CLI_PLAIN, "%s %u", test->name, test->tokens);
        cli_table_add(&table, CLI_BOLD, "%.2f", speed.median);
        cli_table_add(&table, CLI_PLAIN, "%.2f", speed.slowest);
        cli_table_add(&table, CLI_PLAIN, "%.2f", speed.fastest);
        cli_table_add(&table, CLI_PLAIN, "%u", test->done);
    }
    printf("\n");
    cli_table_print(&table, 0);
}

static cJSON *run_json(const struct run *run)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "ns", (double)run->ns);
    cJSON_AddNumberToObject(json, "pipelines_ns", (double)run->pipelines_ns);
    return json;
}

static cJSON *test_json(const struct test *test)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "test", test->name);
    cJSON_AddNumberToObject(json, "tokens", test->tokens);
    if (test->done > 0) {
        const struct speed speed = speed_of(test);
        cJSON *speeds = cJSON_AddObjectToObject(json, "tokens_per_second");
        cJSON_AddNumberToObject(speeds, "median", speed.median);
        cJSON_AddNumberToObject(speeds, "slowest", speed.slowest);
        cJSON_AddNumberToObject(speeds, "fastest", speed.fastest);
    }
    cJSON_AddItemToObject(json, "warm_up", run_json(&test->warm_up));
    cJSON *runs = cJSON_AddArrayToObject(json, "runs");
    for (uint32_t i = 0; i < test->done; i++)
        cJSON_AddItemToArray(runs, run_json(&test->runs[i]));
    return json;
}

static int print_json(const struct job *job, const struct vkmoe_device_info *device)
{
    const struct cli_session *s = &job->session;
    struct vkmoe_checkpoint_info info = { VKMOE_INIT(vkmoe_checkpoint_info) };
    cJSON *json = cJSON_CreateObject();
    vkmoe_checkpoint_get_info(s->checkpoint, &info);
    cli_json_text(json, "model", job->checkpoint);
    cli_json_text(json, "family", info.family);
    cJSON_AddNumberToObject(json, "parameters", (double)info.parameters);
    cJSON_AddNumberToObject(json, "file_size", (double)info.file_size);
    cJSON_AddStringToObject(json, "dtype", cli_dtype_name(info.dtype));
    cli_json_device(json, device);
    cli_json_text(json, "driver", device->driver);
    cJSON_AddStringToObject(json, "precision", job->running.exact ? "exact" : "fast");
    cJSON_AddStringToObject(json, "cache_type", cli_dtype_name(job->running.cache_dtype));
    cJSON_AddBoolToObject(json, "validate", job->running.validate);
    cli_tuning_json(json, &job->tuning);
    cJSON_AddNumberToObject(json, "capacity", s->capacity);
    cJSON_AddNumberToObject(json, "model_size", (double)vkmoe_model_device_size(s->model));
    cJSON_AddNumberToObject(json, "scratch_size", (double)vkmoe_model_scratch_size(s->model));
    cJSON_AddNumberToObject(json, "load_ns", (double)job->load_ns);
    cJSON_AddNumberToObject(json, "pipelines_ns", (double)device->pipelines_ns);
    cJSON_AddNumberToObject(json, "seed", SEED);
    cJSON_AddBoolToObject(json, "interrupted", cli_interrupted != 0);
    cJSON *tests = cJSON_AddArrayToObject(json, "tests");
    for (int i = 0; i < TESTS; i++) {
        if (job->tests[i].done > 0)
            cJSON_AddItemToArray(tests, test_json(&job->tests[i]));
    }
    return cli_print_json(json);
}

static int print(const struct job *job)
{
    struct vkmoe_device_info device = { VKMOE_INIT(vkmoe_device_info) };
    if (job->tests[0].done + job->tests[1].done == 0)
        return cli_fail("interrupted before anything was timed");
    vkmoe_device_get_info(job->session.device, &device);
    if (job->json)
        return print_json(job, &device);
    print_facts(job, &device);
    print_speeds(job);
    const int status = cli_flush();
    if (status == 0 && cli_interrupted)
        fprintf(stderr, "stopped: interrupted\n");
    return status;
}

// ---------------------------------------------------------------- the command line

static int check(struct job *job)
{
    for (int i = 0; i < TESTS; i++) {
        struct test *test = &job->tests[i];
        test->tokens = test->preset;
        if (test->given && !cli_parse_number(test->given, &test->tokens))
            return cli_misuse(
                "bench", "--%s is '%s', expected a number from 0", test->option, test->given);
    }
    if (job->tests[0].tokens == 0 && job->tests[1].tokens == 0)
        return cli_misuse("bench", "--%s and --%s are 0, so that there is nothing to time",
            job->tests[0].option, job->tests[1].option);
    if (job->runs > MOST_RUNS)
        return cli_misuse("bench", "--runs is %u, expected at most %d", job->runs, MOST_RUNS);
    return cli_running_parse(&job->running, "bench");
}

static int parse(struct job *job, int argc, char **argv)
{
    struct test *prompt = &job->tests[0], *text = &job->tests[1];
    const struct cli_option options[] = {
        CLI_TEXT(prompt->option, "N", &prompt->given,
            "the prompt's length, 0: none; else 512, or the context if less"),
        CLI_TEXT(text->option, "N", &text->given,
            "tokens to generate, 0: none; else 128, or the context if less"),
        CLI_COUNT("runs", "N", &job->runs, "how often each is timed; else 5"),
        CLI_RUNNING_UNSAMPLED(&job->running),
        CLI_JSON(&job->json),
    };
    const int status = CLI_PARSE_MODEL(argc, argv, "bench", &job->checkpoint, options, about);
    return status < 0 ? check(job) : status;
}

int cli_command_bench(int argc, char **argv)
{
    static struct job job = {
        .runs = RUNS,
        .tests = { { .name = "prompt", .option = "prompt-tokens", .preset = PROMPT_TOKENS },
            { .name = "generate", .option = "count", .preset = COUNT, .generates = true } },
    };
    int status = parse(&job, argc, argv);
    if (status >= 0)
        return status;
    status = measure(&job);
    if (status == 0)
        status = print(&job);
    for (int i = 0; i < TESTS; i++)
        free(job.tests[i].runs);
    free(job.tokens);
    free(job.logits);
    cli_session_close(&job.session);
    cli_running_finish(&job.running);
    return status;
}
