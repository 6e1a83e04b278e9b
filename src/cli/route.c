// route.c - `vkmoe route`.
#include "map.h"
#include "session.h"
#include "utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char about[] =
    "Runs a model on a text and shows which experts its tokens go to: how many\n"
    "tokens each expert gets, and a map of the text in the experts' colours - of\n"
    "the attention experts if the model has them, else of the feed-forward experts.\n"
    "Text becomes tokens as 'vkmoe generate --help' says.\n";

enum {
    NO_LAYER = UINT32_MAX,
    FEW_EXPERTS = 8, // whose shares are printed as numbers
    BARS = 64,       // a line, of those of more
};

struct job {
    const char *checkpoint, *tokens, *svg, *device;
    struct cli_prompt prompt;
    struct vkmoe_block layer;
    bool json, validate;

    struct cli_session session;
    int32_t *ids, *attention_ids;         // [blocks][tokens][k]
    struct cli_gate *experts, *attention; // one for each layer shown; the second perhaps NULL
    uint32_t first, count;                // the layers shown
    struct cli_bad bad;                   // among the logits
};

static int run_chunks(struct job *job)
{
    struct cli_session *s = &job->session;
    const size_t places = (size_t)s->frame.blocks * s->count;
    // What a gate makes of NaN is no choice. It is not seen in the choice, but in the end.
    float *logits = cli_alloc((size_t)s->chunk * s->frame.vocabulary * sizeof *logits);
    job->ids = cli_alloc(places * s->k * sizeof *job->ids);
    if (s->attention_k)
        job->attention_ids = cli_alloc(places * s->attention_k * sizeof *job->attention_ids);
    int status = 0;
    for (uint32_t first = 0; status == 0 && first < s->count; first += s->chunk) {
        const uint32_t left = s->count - first, tokens = left < s->chunk ? left : s->chunk;
        if (first)
            cli_progress("token %u of %u", first, s->count);
        status = cli_session_forward(s, first, tokens, tokens, logits);
        if (status == 0)
            status = cli_session_routing(s, first, tokens, job->ids, job->attention_ids);
        if (status == 0) {
            const struct cli_bad bad = cli_find_bad(logits, tokens, s->frame.vocabulary);
            cli_add_bad(&job->bad, &bad, first);
        }
    }
    free(logits);
    cli_progress(NULL);
    return status;
}

// Counts, and makes sure of, what the gate chose.
static int count_load(const struct job *job, struct cli_gate *gate)
{
    const uint32_t tokens = job->session.count;
    gate->load = cli_alloc(gate->experts * sizeof *gate->load);
    for (size_t i = 0; i < (size_t)tokens * gate->k; i++) {
        if (gate->ids[i] < 0 || (uint32_t)gate->ids[i] >= gate->experts)
            return cli_fail("%s: layer %u chose expert %d of %u", job->checkpoint, gate->layer,
                gate->ids[i], gate->experts);
        gate->load[gate->ids[i]]++;
    }
    return 0;
}

static int make_gate(const struct job *job, uint32_t layer, bool attention, struct cli_gate *gate)
{
    const struct cli_session *s = &job->session;
    const uint32_t k = attention ? s->attention_k : s->k;
    struct vkmoe_attention_params params = { VKMOE_INIT(vkmoe_attention_params) };
    *gate = (struct cli_gate){
        .attention = attention,
        .layer = layer,
        .k = k,
        .experts = attention ? s->attention_experts : s->experts,
        .ids = (attention ? job->attention_ids : job->ids) + (size_t)layer * s->count * k,
    };
    if (attention) {
        int status = cli_result(vkmoe_checkpoint_get_attention(
                                    s->checkpoint, (struct vkmoe_block){ .index = layer }, &params),
            job->checkpoint);
        if (status != 0)
            return status;
        gate->patterns = params.patterns;
    }
    return count_load(job, gate);
}

static int make_gates(struct job *job)
{
    int status = 0;
    job->experts = cli_alloc(job->count * sizeof *job->experts);
    if (job->attention_ids)
        job->attention = cli_alloc(job->count * sizeof *job->attention);
    for (uint32_t i = 0; status == 0 && i < job->count; i++) {
        status = make_gate(job, job->first + i, false, &job->experts[i]);
        if (status == 0 && job->attention)
            status = make_gate(job, job->first + i, true, &job->attention[i]);
    }
    return status;
}

// ------------------------------------------------------------------------- shares

// One character for each of `count` experts, the busiest of the layer as the highest.
static void draw_bars(const struct cli_gate *gate, uint32_t first, uint32_t count, char *text)
{
    static const char *const blocks[] = { " ", "\u2581", "\u2582", "\u2583", "\u2584", "\u2585",
        "\u2586", "\u2587", "\u2588" };
    static const char *const plain[] = { " ", ".", ":", "-", "=", "+", "*", "#", "@" };
    const char *const *ramp = cli_utf8_shown() ? blocks : plain;
    uint32_t most = 1;
    for (uint32_t e = 0; e < gate->experts; e++)
        most = gate->load[e] > most ? gate->load[e] : most;
    *text = '\0';
    for (uint32_t e = first; e < first + count; e++)
        strcat(text, ramp[((uint64_t)gate->load[e] * 8 + most - 1) / most]);
}

static void add_gate(struct cli_table *table, const struct cli_gate *gate, uint32_t tokens)
{
    char bars[3 * BARS + 1];
    for (uint32_t first = 0; first < gate->experts; first += BARS) {
        const uint32_t left = gate->experts - first, count = left < BARS ? left : BARS;
        draw_bars(gate, first, count, bars);
        if (first == 0)
            cli_table_add(table, CLI_PLAIN, "%u", gate->layer);
        else
            cli_table_add(table, CLI_PLAIN, " ");
        cli_table_add(table, CLI_PLAIN, "|%s|", bars);
    }
    for (uint32_t e = 0; gate->experts <= FEW_EXPERTS && e < gate->experts; e++)
        cli_table_add(
            table, gate->load[e] ? CLI_PLAIN : CLI_BAD, "%.0f%%", 100.0 * gate->load[e] / tokens);
}

static void print_shares(const struct job *job, const struct cli_gate *gates)
{
    const struct cli_gate *gate = &gates[0];
    char columns[FEW_EXPERTS + 3] = "ll";
    printf("%s%s experts%s: how many tokens choose each; every token chooses %u of %u\n",
        cli_style_on(CLI_BOLD), gate->attention ? "attention" : "feed-forward",
        cli_style_off(CLI_BOLD), gate->k, gate->experts);
    struct cli_table table = { .columns = columns };
    cli_table_add(&table, CLI_PLAIN, "layer");
    cli_table_add(&table, CLI_PLAIN, " ");
    for (uint32_t e = 0; gate->experts <= FEW_EXPERTS && e < gate->experts; e++) {
        strcat(columns, "r");
        cli_table_add(&table, CLI_PLAIN, "%u", e);
    }
    for (uint32_t i = 0; i < job->count; i++)
        add_gate(&table, &gates[i], job->session.count);
    cli_table_print(&table, 2);
    putchar('\n');
}

// --------------------------------------------------------------------------- JSON

static cJSON *gate_json(const struct job *job, const struct cli_gate *gate)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "experts", gate->experts);
    cJSON_AddNumberToObject(json, "experts_per_token", gate->k);
    if (gate->patterns) {
        cJSON *windows = cJSON_AddArrayToObject(json, "windows");
        for (uint32_t e = 0; e < gate->experts; e++)
            cJSON_AddItemToArray(windows, cJSON_CreateNumber(gate->patterns[e].left));
    }
    cJSON *load = cJSON_AddArrayToObject(json, "load");
    for (uint32_t e = 0; e < gate->experts; e++)
        cJSON_AddItemToArray(load, cJSON_CreateNumber(gate->load[e]));
    cJSON *ids = cJSON_AddArrayToObject(json, "ids");
    for (uint32_t t = 0; t < job->session.count; t++)
        cJSON_AddItemToArray(
            ids, cJSON_CreateIntArray(gate->ids + (size_t)t * gate->k, (int)gate->k));
    return json;
}

static int print_json(const struct job *job)
{
    struct vkmoe_device_info info = { VKMOE_INIT(vkmoe_device_info) };
    vkmoe_device_get_info(job->session.device, &info);
    cJSON *json = cJSON_CreateObject();
    cli_json_text(json, "model", job->checkpoint);
    cli_json_device(json, &info);
    cJSON_AddNumberToObject(json, "tokens", job->session.count);
    cJSON_AddBoolToObject(json, "finite", job->bad.rows == 0);
    cJSON *tokens = cJSON_AddArrayToObject(json, "token_ids");
    for (uint32_t t = 0; t < job->session.count; t++)
        cJSON_AddItemToArray(tokens, cJSON_CreateNumber(job->session.tokens[t]));
    cJSON *layers = cJSON_AddArrayToObject(json, "layers");
    for (uint32_t i = 0; i < job->count; i++) {
        cJSON *layer = cJSON_CreateObject();
        cJSON_AddNumberToObject(layer, "layer", job->first + i);
        cJSON_AddItemToObject(layer, "feed_forward", gate_json(job, &job->experts[i]));
        if (job->attention)
            cJSON_AddItemToObject(layer, "attention", gate_json(job, &job->attention[i]));
        cJSON_AddItemToArray(layers, layer);
    }
    if (job->svg)
        cli_json_text(json, "svg", job->svg);
    return cli_print_json(json);
}

// --------------------------------------------------------------------------- work

// The last part of the model's path.
static void name_model(const char *path, char *name, size_t size)
{
    char *full = realpath(path, NULL);
    const char *slash = full ? strrchr(full, '/') : NULL;
    snprintf(name, size, "%s", slash ? slash + 1 : path);
    free(full);
}

static int show(struct job *job)
{
    const struct cli_session *s = &job->session;
    struct cli_map map = {
        .bytes = s->bytes,
        .tokens = s->tokens,
        .count = s->count,
        .gates = job->attention ? job->attention : job->experts,
        .gate_count = job->count,
    };
    name_model(job->checkpoint, map.name, sizeof map.name);
    int status = job->svg ? cli_svg_write(&map, job->svg) : 0;
    if (status != 0 || (job->svg && cli_is_stdout(job->svg)))
        return status;
    if (job->json)
        return print_json(job);
    struct vkmoe_device_info info = { VKMOE_INIT(vkmoe_device_info) };
    vkmoe_device_get_info(s->device, &info);
    printf(
        "%u token%s on %s\n\n", s->count, s->count == 1 ? "" : "s", cli_device_label(&info).text);
    print_shares(job, job->experts);
    if (job->attention)
        print_shares(job, job->attention);
    cli_map_print(&map);
    if (job->svg)
        printf("\nwrote %s\n", job->svg);
    return 0;
}

static int check_layer(struct job *job)
{
    const uint32_t blocks = job->session.frame.blocks;
    job->count = blocks;
    if (job->layer.index == NO_LAYER && job->layer.part == VKMOE_PART_BLOCKS)
        return 0;
    job->first = job->layer.index;
    job->count = 1;
    return job->layer.part == VKMOE_PART_BLOCKS && job->first < blocks
        ? 0
        : cli_fail("%s: has no layer %s, expected 0 to %u", job->checkpoint,
            cli_block_label(job->layer).text, blocks - 1);
}

static int check_experts(const struct job *job)
{
    for (uint32_t b = job->first; b < job->first + job->count; b++) {
        if (!vkmoe_checkpoint_is_moe(job->session.checkpoint, (struct vkmoe_block){ .index = b }))
            return cli_fail(
                "%s: layer %u holds no experts; choose another with --layer", job->checkpoint, b);
    }
    return 0;
}

static int run_job(struct job *job)
{
    struct cli_session *s = &job->session;
    int status = cli_session_open(s, job->checkpoint, &job->prompt, job->tokens);
    if (status == 0 && s->input)
        status =
            cli_fail("%s: is an encoder-decoder, whose experts are not mapped", job->checkpoint);
    if (status == 0)
        status = check_layer(job);
    if (status == 0)
        status = check_experts(job);
    const char *const read[] = { job->tokens, job->prompt.file };
    if (status == 0)
        status = cli_output_check(job->svg, read, 2);
    if (status == 0)
        status = cli_svg_check(job->svg);
    if (status == 0)
        status = cli_session_start(s,
            &(struct cli_session_params){
                .device = job->device,
                .validate = job->validate,
                .routing = true,
                .chunk_logits = UINT32_MAX,
            });
    if (status == 0)
        status = run_chunks(job);
    if (status == 0)
        status = make_gates(job);
    if (status == 0)
        status = show(job);
    return status == 0 && job->bad.rows
        ? cli_fail("%s: the logits of %llu of %u tokens are not finite, first of token %llu (%s); "
                   "what the gates chose may mean nothing",
            job->checkpoint, (unsigned long long)job->bad.rows, s->count,
            (unsigned long long)job->bad.row, cli_name_bad(job->bad.value))
        : status;
}

static void finish(struct job *job)
{
    for (uint32_t i = 0; i < job->count; i++) {
        if (job->experts)
            free(job->experts[i].load);
        if (job->attention)
            free(job->attention[i].load);
    }
    free(job->experts);
    free(job->attention);
    free(job->ids);
    free(job->attention_ids);
    cli_session_close(&job->session);
    cli_prompt_finish(&job->prompt);
}

int cli_command_route(int argc, char **argv)
{
    struct job job = { .layer.index = NO_LAYER };
    const struct cli_option options[] = {
        CLI_PROMPT(&job.prompt, "the text"),
        CLI_TEXT("tokens", "IDS.npy", &job.tokens,
            "the text as integers [tokens]; -: from standard input"),
        { .name = "layer",
            .value = "N",
            .block = &job.layer,
            .help = "only this layer, counted from 0" },
        CLI_TEXT("svg", "FILE.svg", &job.svg,
            "also draw the map as a picture; -: to standard output, alone"),
        CLI_WHERE(&job.device, &job.validate),
        CLI_JSON(&job.json),
    };
    int status = CLI_PARSE_MODEL(argc, argv, "route", &job.checkpoint, options, about);
    if (status < 0)
        status = cli_prompt_check("route", &job.prompt, job.tokens);
    if (status < 0 && job.json && job.svg && cli_is_stdout(job.svg))
        status = cli_misuse("route", "standard output is wanted for --json and --svg");
    if (status >= 0)
        return status;
    status = run_job(&job);
    finish(&job);
    return status;
}
