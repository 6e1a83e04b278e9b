// main.c - vkmoe-bench: options, and which entries they mean.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/terminal.h"
#include "base/common.h"
#include "host.h"
#include "host_time.h"
#include "predict.h"
#include "report.h"

#define MAX_NUMBERS 32

static const char *const dtype_names[] = {
#define FORMAT(name, ...) #name,
#include "weights/formats.def"
};

struct options {
    const char *filter, *device, *json_path;
    const struct card *card; // NULL: times, does not predict
    const char *shapes;      // NULL: the small ones
    bool json, list, help, cold, exact, host;
    uint64_t seed;
    uint32_t tokens[MAX_NUMBERS], token_count;        // 0: those of the table
    bool dtypes[ARRAY_SIZE(dtype_names)], has_dtypes; // none: those of the table
    bool routings[ROUTING_COUNT];
    uint64_t seconds; // none is begun after so many; 0: all are
};

struct plan {
    struct shape shapes[MAX_SHAPES];
    uint32_t shape_count;
    struct entry *entries;
    uint32_t count, room;
};

static const char usage[] =
    "usage: vkmoe-bench [OPTION]...\n"
    "Times Mixture-of-Experts layers, from routing to output, and each dispatch in them.\n"
    "\n"
    "  --list              names what would be timed, and all shapes\n"
    "  --shape NAME,...    these instead of the small ones; `published` means all large ones\n"
    "  --tokens N,...      instead of the table's: 1 to 65536\n"
    "  --dtype NAME,...    instead of the table's, of:"
#define FORMAT(name, ...) " " #name
#include "weights/formats.def"
    "\n"
    "  --routing NAME,...  uniform (the default), zipf, hot\n"
    "  --filter TEXT       only entries whose name contains TEXT\n"
    "  --cold              weights that are in no cache: copies of the layer take turns\n"
    "  --exact             products as in f32, where cards would round x to f16\n"
    "  --seconds N         begins none after N seconds\n"
    "  --device DEVICE     its index (digits alone), or part of its name\n"
    "  --predict CARD      computes from a card's numbers what qwen3-30b-a3b, or --shape, would\n"
    "                      take on it, without a device; with --device, timed there\n"
    "                      as well; --list names the cards\n"
    "  --host              times what the host does for a forward: of the whole model, if the\n"
    "                      shape's is known\n"
    "  --seed NUMBER       of weights and inputs; 1 if absent\n"
    "  --json [FILE]       one JSON object, to standard output if no file is named, or -\n"
    "  -h, --help          prints this\n";

// ----------------------------------------------------------------------------- options

// Is `item` one of the comma-separated `list`?
static bool contains(const char *list, const char *item)
{
    const size_t length = strlen(item);
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        if (!strncmp(at, item, length) && (!at[length] || at[length] == ','))
            return true;
    }
    return false;
}

// Sets chosen[i] for each name in `list`; false if one of the list is no name.
static bool parse_names(const char *list, const char *const names[], uint32_t count, bool *chosen)
{
    size_t known = 0;
    memset(chosen, 0, count * sizeof *chosen);
    for (uint32_t i = 0; i < count; i++) {
        chosen[i] = contains(list, names[i]);
        known += chosen[i] ? strlen(names[i]) + 1 : 0;
    }
    return known == strlen(list) + 1;
}

static bool parse_number(const char *text, const char **end, uint64_t *out)
{
    char *after;
    errno = 0;
    *out = strtoull(text, &after, 0);
    *end = after;
    return after != text && *text != '-' && !errno;
}

static bool parse_tokens(const char *list, struct options *o)
{
    uint64_t number;
    for (o->token_count = 0; o->token_count < MAX_NUMBERS; list++) {
        if (!parse_number(list, &list, &number) || number < 1 || number > 65536)
            return false;
        o->tokens[o->token_count++] = (uint32_t)number;
        if (*list != ',')
            return !*list;
    }
    return false;
}

// One option with its value; false if it is none.
static bool parse_option(struct options *o, const char *name, const char *value)
{
    const char *end;
    if (!strcmp(name, "--filter"))
        o->filter = value;
    else if (!strcmp(name, "--device"))
        o->device = value;
    else if (!strcmp(name, "--shape"))
        o->shapes = value;
    else if (!strcmp(name, "--tokens"))
        return parse_tokens(value, o);
    else if (!strcmp(name, "--dtype"))
        return o->has_dtypes = parse_names(value, dtype_names, ARRAY_SIZE(dtype_names), o->dtypes);
    else if (!strcmp(name, "--routing"))
        return parse_names(value, routing_names, ROUTING_COUNT, o->routings);
    else if (!strcmp(name, "--seed"))
        return parse_number(value, &end, &o->seed) && !*end;
    else if (!strcmp(name, "--seconds"))
        return parse_number(value, &end, &o->seconds) && !*end && o->seconds > 0;
    else
        return false;
    return true;
}

// The card of --predict; if it is none, a line that says so.
static bool parse_card(struct options *o, const char *name)
{
    char names[512];
    o->card = card_find(name);
    if (o->card)
        return true;
    card_names(names, sizeof names);
    fprintf(stderr, "vkmoe-bench: '%s' is not one card: expected part of %s\n", name, names);
    return false;
}

static bool parse(struct options *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(argv[i], "--list")) {
            o->list = true;
        } else if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            o->help = true;
        } else if (!strcmp(argv[i], "--cold")) {
            o->cold = true;
        } else if (!strcmp(argv[i], "--host")) {
            o->host = true;
        } else if (!strcmp(argv[i], "--exact")) {
            o->exact = true;
        } else if (!strcmp(argv[i], "--json")) {
            o->json = true;
            if (value && !strcmp(value, "-"))
                i++;
            else if (value && value[0] != '-')
                o->json_path = argv[++i];
        } else if (value && !strcmp(argv[i], "--predict")) {
            if (!parse_card(o, argv[++i]))
                return false;
        } else if (value && parse_option(o, argv[i], value)) {
            i++;
        } else {
            fprintf(stderr, "vkmoe-bench: %s%s%s?\n%s", argv[i], value ? " " : "",
                value ? value : "", usage);
            return false;
        }
    }
    return true;
}

// -------------------------------------------------------------------------------- plan

static void add_entry(struct plan *plan, const struct options *o, const struct shape *shape,
    uint32_t tokens, enum vkmoe_dtype dtype)
{
    for (enum routing routing = 0; routing < ROUTING_COUNT; routing++) {
        if (!o->routings[routing])
            continue;
        struct entry entry = { .shape = shape, .c = shape->base, .routing = routing };
        entry.c.tokens = tokens;
        entry.c.dtype = dtype;
        snprintf(entry.id, sizeof entry.id, "%s/t%u/%s%s%s", shape->name, tokens,
            dtype_names[dtype], routing ? "/" : "", routing ? routing_names[routing] : "");
        if (o->filter && !strstr(entry.id, o->filter))
            continue;
        if (plan->count == plan->room) {
            plan->room = plan->room ? 2 * plan->room : 64;
            struct entry *larger = realloc(plan->entries, plan->room * sizeof *larger);
            if (!larger)
                abort();
            plan->entries = larger;
        }
        plan->entries[plan->count++] = entry;
    }
}

// The table's own pairs of tokens and dtype, where the options leave them open.
static void add_shape(struct plan *plan, const struct options *o, const struct shape *shape)
{
    static const uint32_t published_tokens[] = { 1, 8, 128 };
    const bool free_tokens = !o->token_count, free_dtypes = !o->has_dtypes;
    for (uint32_t dtype = 0; dtype < ARRAY_SIZE(dtype_names); dtype++) {
        uint32_t tokens[MAX_NUMBERS], count = 0;
        char name[sizeof shape->name];
        for (const struct layer_case *c = layer_cases; c->name && count < MAX_NUMBERS; c++) {
            shape_name(c, name);
            if (c->has & CASE_TIMED && !strcmp(name, shape->name)
                && (c->dtype == dtype || (!free_dtypes && c->dtype == shape->base.dtype)))
                tokens[count++] = c->tokens;
        }
        if (shape->published && (dtype == shape->base.dtype || !free_dtypes)) {
            memcpy(tokens, published_tokens, sizeof published_tokens);
            count = ARRAY_SIZE(published_tokens);
        }
        if (free_dtypes ? !count : !o->dtypes[dtype])
            continue;
        for (uint32_t i = 0; i < (free_tokens ? count : o->token_count); i++)
            add_entry(
                plan, o, shape, free_tokens ? tokens[i] : o->tokens[i], (enum vkmoe_dtype)dtype);
    }
}

static bool make_plan(struct plan *plan, const struct options *o)
{
    plan->shape_count = shapes_list(plan->shapes);
    size_t known = o->shapes && contains(o->shapes, "published") ? strlen("published") + 1 : 0;
    for (uint32_t i = 0; i < plan->shape_count; i++) {
        const struct shape *shape = &plan->shapes[i];
        const bool named = o->shapes && contains(o->shapes, shape->name);
        known += named ? strlen(shape->name) + 1 : 0;
        if (o->shapes ? named || (shape->published && contains(o->shapes, "published"))
                      : !shape->published)
            add_shape(plan, o, shape);
    }
    if (o->shapes && known != strlen(o->shapes) + 1) {
        fprintf(stderr, "vkmoe-bench: not all of %s are shapes; --list names them\n", o->shapes);
        return false;
    }
    if (!plan->count)
        fprintf(stderr, "vkmoe-bench: nothing is left to time\n");
    return plan->count > 0;
}

// What a prediction is of, unless options say.
static void choose_predicted(struct options *o)
{
    if (!o->shapes)
        o->shapes = "qwen3-30b-a3b";
    if (!o->token_count)
        o->tokens[o->token_count++] = 1;
}

static void list(const struct plan *plan)
{
    char names[512];
    for (uint32_t i = 0; i < plan->count; i++)
        printf("%s\n", plan->entries[i].id);
    printf("\n%-20s %7s %6s %7s %7s %7s %12s\n", "shapes", "hidden", "inner", "experts", "chosen",
        "shared", "weights");
    for (uint32_t i = 0; i < plan->shape_count; i++) {
        const struct layer_case *c = &plan->shapes[i].base;
        printf("%-20s %7u %6u %7u %7u %7u %8.1f MiB%s\n", plan->shapes[i].name, c->layer.hidden,
            c->layer.inner, c->layer.experts, c->layer.experts_per_token, c->layer.shared.inner,
            weights_size(c) / (1 << 20), plan->shapes[i].published ? ", only by name" : "");
    }
    card_names(names, sizeof names);
    printf("\ncards: %s\n", names);
}

// -------------------------------------------------------------------------------- main

static int measure_all(struct plan *plan, const struct options *o)
{
    const bool to_stdout = o->json && !o->json_path;
    const bool progress = cli_is_terminal(STDERR_FILENO);
    const double load = host_load();
    FILE *table = to_stdout ? stderr : stdout;
    struct bench bench;
    uint32_t bad = 0;
    const enum vkmoe_status status = bench_init(&bench, o->device, o->seed, o->cold);
    bench.exact = o->exact;
    if (status != VKMOE_OK) {
        fprintf(stderr, "vkmoe-bench: %s\n",
            bench.message[0] ? bench.message : vkmoe_status_name(status));
        return 1;
    }
    report_header(table, &bench);
    const time_t start = time(NULL);
    for (uint32_t i = 0; i < plan->count; i++) {
        if (o->seconds && difftime(time(NULL), start) >= (double)o->seconds) {
            fprintf(table, "%u of %u were not begun in %llu s\n", plan->count - i, plan->count,
                (unsigned long long)o->seconds);
            plan->count = i;
        }
        if (i == plan->count)
            break;
        if (progress)
            fprintf(stderr, "\r\033[K%u of %u: %s", i + 1, plan->count, plan->entries[i].id);
        bench_measure(&bench, &plan->entries[i]);
        if (progress)
            fprintf(stderr, "\r\033[K");
        report_entry(table, &plan->entries[i]);
        fflush(table);
        bad += plan->entries[i].ok && !plan->entries[i].bit_equal;
    }
    fprintf(table, "load %.2f before, %.2f after\n", load, host_load());
    const bool written =
        !o->json || report_json(o->json_path, &bench, plan->entries, plan->count, load);
    if (!written && o->json_path)
        fprintf(stderr, "vkmoe-bench: cannot write %s: %s\n", o->json_path, strerror(errno));
    bench_finish(&bench);
    return !written || bad;
}

// Found out before the work, which would be in vain.
static bool can_write(const char *path)
{
    FILE *file = fopen(path, "a"); // what is there stays until there is something better
    if (file)
        fclose(file);
    else
        fprintf(stderr, "vkmoe-bench: cannot write %s: %s\n", path, strerror(errno));
    return file;
}

static int work(struct plan *plan, const struct options *o)
{
    if (o->list) {
        list(plan);
        return 0;
    }
    if (o->json_path && !can_write(o->json_path))
        return 1;
    if (o->card)
        return predict_all(
            &(struct predict_options){ o->card, o->device, o->seed, o->json, o->json_path },
            plan->entries, plan->count);
    return o->host ? host_time_all(o->device, o->seed, plan->entries, plan->count)
                   : measure_all(plan, o);
}

// 1 if standard output could not be written.
static int check_stdout(void)
{
    const int error = cli_flush_error();
    if (error && error != EPIPE) // `| head` is no failure to talk about
        fprintf(stderr, "vkmoe-bench: cannot write to standard output: %s\n", strerror(error));
    return error != 0;
}

int main(int argc, char **argv)
{
    struct options options = { .seed = 1, .routings = { [ROUTING_UNIFORM] = true } };
    struct plan *plan = calloc(1, sizeof *plan);
    int result = 2;
    cli_guard_descriptors();
    bool ok = plan && parse(&options, argc, argv);
    if (ok && options.card)
        choose_predicted(&options);
    if (ok && options.help) {
        fputs(usage, stdout);
        result = 0;
    } else if (ok && make_plan(plan, &options)) {
        result = work(plan, &options);
    }
    if (plan)
        free(plan->entries);
    free(plan);
    return check_stdout() ? 1 : result;
}
