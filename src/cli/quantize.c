// quantize.c - `vkmoe quantize`.
#include "quantize.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char about[] =
    "Writes the model SRC, a folder or a GGUF file, as one GGUF file DST. Matrices get the\n"
    "type, or one that their rows fit; norms, biases and gates stay f32. q4_K_M and q5_K_M are\n"
    "mixtures: of q6_K is what counts for more. From a folder, the model must run whole.\n"
    "\n"
    "Patterns are of names in the file, with or without 'blk.N.' before them. The first\n"
    "that fits counts; without =T a matrix keeps the type that it has.\n";

struct job {
    const char *source, *target, *type;
    struct cli_texts keep;
    bool no_tokenizer;
    const struct cli_recipe *recipe;
    struct cli_keep keeps[CLI_MAX_TEXTS];
};

// As cli_parse().
static int read_types(struct job *job)
{
    job->recipe = cli_recipe_find(job->type);
    if (!job->recipe)
        return cli_misuse(
            "quantize", "--type is '%s', expected one of%s", job->type, cli_recipe_names);
    for (uint32_t i = 0; i < job->keep.count; i++) {
        if (!cli_keep_parse(job->keep.items[i], &job->keeps[i]))
            return cli_misuse("quantize",
                "--keep is '%s', expected PATTERN=T, T being a type that is no mixture, or PATTERN",
                job->keep.items[i]);
    }
    return -1;
}

// --------------------------------------------------------------------------- progress

struct shown {
    uint64_t start_ns, last_ns;
};

static bool show(void *user, uint64_t done, uint64_t total)
{
    enum { REDRAW_NS = 100000000 };
    struct shown *shown = user;
    const uint64_t now = cli_now();
    if (done == 0)
        shown->start_ns = now;
    if (done < total && now - shown->last_ns < REDRAW_NS)
        return true;
    shown->last_ns = now;
    cli_progress("%3d%% of %s weights, %.0f million/s", (int)(100.0 * (double)done / (double)total),
        cli_quantity(total).text, (double)done * 1e3 / ((double)(now - shown->start_ns) + 1.0));
    return true;
}

// ---------------------------------------------------------------------------- threads

struct shared_work {
    void (*work)(void *data, uint32_t i);
    void *data;
    uint32_t count;
    _Atomic uint32_t next;
};

static void *take_work(void *user)
{
    struct shared_work *shared = user;
    for (uint32_t i; (i = atomic_fetch_add(&shared->next, 1)) < shared->count;)
        shared->work(shared->data, i);
    return NULL;
}

// On all processors; where no thread can be made, with fewer.
static void spread(void (*work)(void *data, uint32_t i), void *data, uint32_t count)
{
    enum { MAX_THREADS = 64 };
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    struct shared_work shared = { .work = work, .data = data, .count = count };
    pthread_t threads[MAX_THREADS];
    uint32_t others = 0;
    atomic_init(&shared.next, 0);
    while (others < MAX_THREADS && others + 1 < count && others + 1 < processors
        && pthread_create(&threads[others], NULL, take_work, &shared) == 0)
        others++;
    take_work(&shared);
    while (others > 0)
        pthread_join(threads[--others], NULL);
}

// ----------------------------------------------------------------------------- report

// All tensors of one name, whatever their block.
struct tensor_kind {
    const char *name;
    char types[64];
    uint32_t known; // of these, a bit for each dtype
    uint32_t count;
    uint64_t size;
    double error, power;
};

static void add_to_kind(struct tensor_kind *kind, const struct gguf_tensor *tensor)
{
    const char *type = cli_dtype_name(tensor->dtype);
    const size_t used = strlen(kind->types);
    if (!(kind->known >> tensor->dtype & 1))
        snprintf(kind->types + used, sizeof kind->types - used, "%s%s", used ? ", " : "", type);
    kind->known |= 1u << tensor->dtype;
    kind->count++;
    kind->size += tensor->size;
    kind->error += tensor->error;
    kind->power += tensor->power;
}

static uint32_t count_kinds(const struct gguf_output *output, struct tensor_kind *kinds)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < output->tensor_count; i++) {
        const char *name = cli_tensor_kind(output->tensors[i].name);
        uint32_t k = 0;
        while (k < count && strcmp(kinds[k].name, name) != 0)
            k++;
        if (k == count)
            kinds[count++] = (struct tensor_kind){ .name = name };
        add_to_kind(&kinds[k], &output->tensors[i]);
    }
    return count;
}

static void print_kinds(const struct gguf_output *output)
{
    struct tensor_kind *kinds = cli_alloc((output->tensor_count + 1) * sizeof *kinds);
    struct cli_table table = { .columns = "lrlrr" };
    const uint32_t count = count_kinds(output, kinds);
    cli_table_add(&table, CLI_BOLD, "tensors");
    cli_table_add(&table, CLI_BOLD, " ");
    cli_table_add(&table, CLI_BOLD, "type");
    cli_table_add(&table, CLI_BOLD, "size");
    cli_table_add(&table, CLI_BOLD, "error, of rms");
    for (uint32_t k = 0; k < count; k++) {
        const struct tensor_kind *kind = &kinds[k];
        cli_table_add(&table, CLI_PLAIN, "%s", kind->name);
        cli_table_add(&table, CLI_PLAIN, "%u", kind->count);
        cli_table_add(&table, CLI_PLAIN, "%s", kind->types);
        cli_table_add(&table, CLI_PLAIN, "%s", cli_bytes(kind->size).text);
        if (kind->error > 0.0)
            cli_table_add(&table, CLI_PLAIN, "%.2g", sqrt(kind->error / kind->power));
        else
            cli_table_add(&table, CLI_PLAIN, "0");
    }
    cli_table_print(&table, 0);
    free(kinds);
}

static void print_report(const struct job *job, const struct gguf_output *output)
{
    uint64_t size = 0, weights = 0;
    for (uint32_t i = 0; i < output->tensor_count; i++) {
        const struct gguf_tensor *tensor = &output->tensors[i];
        size += tensor->size;
        weights += (uint64_t)tensor->count * tensor->rows * tensor->shape[0];
    }
    if (cli_words() == stdout)
        print_kinds(output);
    fprintf(cli_words(), "%s weights in %s, %.2f bits each\n", cli_quantity(weights).text,
        cli_bytes(size).text, 8.0 * (double)size / (double)weights);
    cli_print_written(&job->target, 1);
}

// ------------------------------------------------------------------------------- work

static int write_target(const struct job *job, struct gguf_output *output)
{
    struct shown shown = { 0 };
    FILE *file = cli_output_start(job->target);
    if (!file)
        return 1;
    errno = 0;
    const enum vkmoe_status done = vkmoe_gguf_write(output,
        &(struct gguf_write_params){ .file = file,
            .file_type = job->recipe->file_type,
            .progress = show,
            .user = &shown,
            .spread = spread });
    const int error = errno;
    cli_progress(NULL);
    if (done != VKMOE_OK && ferror(file)) {
        fclose(file);
        return cli_fail("%s: cannot write: %s", cli_output_name(job->target), strerror(error));
    }
    const int status = cli_result(done, job->source);
    if (status != 0) {
        fclose(file);
        return status;
    }
    return cli_output_end(job->target, file);
}

static int run(const struct job *job, vkmoe_checkpoint *checkpoint, struct gguf_output *output)
{
    int status = cli_output_open(job->target, NULL, 0);
    if (status == 0)
        status =
            cli_result(vkmoe_gguf_output_make(checkpoint, !job->no_tokenizer, output), job->source);
    if (status != 0)
        return status;
    for (uint32_t i = 0; i < job->keep.count; i++) {
        const char *problem = cli_keep_problem(&job->keeps[i], output);
        if (problem)
            return cli_fail("--keep: '%s' %s", job->keeps[i].pattern, problem);
    }
    cli_choose_types(output, job->recipe, job->keeps, job->keep.count);
    status = write_target(job, output);
    if (status == 0)
        status = cli_output_commit();
    if (status == 0)
        print_report(job, output);
    return status;
}

static int parse(struct job *job, int argc, char **argv)
{
    const struct cli_option options[] = {
        CLI_REQUIRED("type", "T", &job->type,
            "f32 f16 bf16 q8_0 q6_K q5_K_M q5_K q5_1 q5_0 q4_K_M q4_K q4_1 q4_0 q3_K q2_K"),
        { .name = "keep",
            .value = "PATTERN=T",
            .texts = &job->keep,
            .help = "another type for matrices of such names, '*attn_v*=q8_0'; up to 64 times" },
        { .name = "no-tokenizer", .flag = &job->no_tokenizer, .help = "leave the tokenizer out" },
    };
    const struct cli_usage usage = {
        .command = "quantize",
        .operand = "SRC",
        .operand_target = &job->source,
        .second = "DST",
        .second_target = &job->target,
        .about = about,
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    const int status = cli_parse(&usage, argc, argv);
    return status < 0 ? read_types(job) : status;
}

int cli_command_quantize(int argc, char **argv)
{
    struct job job = { 0 };
    vkmoe_checkpoint *checkpoint = NULL;
    struct gguf_output output = { 0 };
    int status = parse(&job, argc, argv);
    if (status >= 0)
        return status;
    status = cli_open_model(job.source, &checkpoint);
    if (status == 0)
        status = run(&job, checkpoint, &output);
    vkmoe_gguf_output_finish(&output);
    vkmoe_checkpoint_destroy(&checkpoint);
    return status;
}
