// predict_report.c - prints predictions.
#include "predict.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/common.h"

#define ARITHMETIC "arithmetic, not a measurement"

// -------------------------------------------------------------------------------- text

static void print_card(const struct card *card)
{
    printf("%s: %u units of %u waves, %.0f GB/s, %.1f TFLOP/s, of matrices %.1f, a load %.0f ns, "
           "of a cache %.0f ns, a dependent dispatch %.1f us\n"
           "    from: %s\n    assumed: %s\n"
           "    %.0f KB must be in flight; what is, are the workgroups that fit, times what their "
           "lanes ask for before they wait\n",
        card->name, card->units, card->waves_a_unit, card->bandwidth / 1e9, card->flops / 1e12,
        card->matrix_flops / 1e12, card->load_ns, CACHED_NS, card->dispatch_ns / 1e3, card->source,
        card->assumed, card_needs(card) / 1e3);
}

static bool is_alike(const struct recorded_dispatch *a, const struct recorded_dispatch *b)
{
    return a->variant == b->variant && a->barriers == b->barriers
        && !strcmp(a->work.what, b->work.what) && a->work.groups == b->work.groups
        && a->work.bytes == b->work.bytes;
}

// How many are alike, 0 if one before is.
static uint32_t count_alike(const struct rehearsal *r, uint32_t index)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        if (!is_alike(&r->dispatches[i], &r->dispatches[index]))
            continue;
        if (i < index)
            return 0;
        count++;
    }
    return count;
}

static void print_dispatches(const struct card *card, const struct rehearsal *r)
{
    printf("  %-5s %-34s %-20s %7s %5s %7s %9s %9s %5s %9s %s\n", "times", "dispatch", "of",
        "groups", "lanes", "waves", "read", "in flight", "", "each", "bound");
    for (uint32_t i = 0; i < r->count; i++) {
        const struct recorded_dispatch *d = &r->dispatches[i];
        const uint32_t count = count_alike(r, i);
        if (!count)
            continue;
        const struct cost c = cost_of(card, r->wave, d);
        printf("  %-5u %-34s %-20s %7.0f %5.0f %7.0f %6.0f KB %6.0f KB %3.0f %% %6.1f us %s%s\n",
            count, d->variant->name, d->work.what, d->work.groups, d->work.lanes, c.waves,
            d->work.bytes / 1e3, c.in_flight / 1e3, 100 * MIN(c.in_flight / card_needs(card), 9.99),
            c.ns / 1e3, c.bound, d->barriers ? "" : ", no barrier before");
    }
}

static void print_sum(const char *name, const struct prediction *p)
{
    printf("  %s: %.1f us, %u dispatches, %u barriers, %.2f MB; smallest dispatch %.0f waves (%s); "
           "in flight at least %.0f %% of what is needed, or there is to read (%s)",
        name, p->ns / 1e3, p->dispatches, p->barriers, p->bytes / 1e6, p->smallest_waves,
        p->smallest, 100 * MIN(p->least, 9.99), p->least_of);
    if (p->live_rows > 0)
        printf("; %.2f rows computed for each wanted", p->rows / p->live_rows);
    printf("\n");
}

// -------------------------------------------------------------------------------- JSON

struct number {
    const char *name;
    double value;
};

static void add_numbers(cJSON *object, const struct number *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cJSON_AddNumberToObject(object, numbers[i].name, numbers[i].value);
}

static cJSON *describe_dispatch(
    const struct card *card, const struct rehearsal *r, uint32_t index, uint32_t count)
{
    const struct recorded_dispatch *d = &r->dispatches[index];
    const struct cost c = cost_of(card, r->wave, d);
    cJSON *object = cJSON_CreateObject();
    const struct number numbers[] = { { "times", count }, { "groups", d->work.groups },
        { "lanes", d->work.lanes }, { "waves", c.waves }, { "bytes", d->work.bytes },
        { "in_flight_bytes", c.in_flight }, { "ns", c.ns } };
    cJSON_AddStringToObject(object, "variant", d->variant->name);
    cJSON_AddStringToObject(object, "of", d->work.what);
    add_numbers(object, numbers, ARRAY_SIZE(numbers));
    cJSON_AddStringToObject(object, "bound", c.bound);
    cJSON_AddBoolToObject(object, "barrier_before", d->barriers > 0);
    return object;
}

static cJSON *describe(const struct prediction *p)
{
    cJSON *object = cJSON_CreateObject();
    const struct number numbers[] = { { "ns", p->ns }, { "dispatches", p->dispatches },
        { "barriers", p->barriers }, { "bytes", p->bytes }, { "smallest_waves", p->smallest_waves },
        { "least_in_flight", p->least }, { "rows", p->rows }, { "live_rows", p->live_rows } };
    add_numbers(object, numbers, ARRAY_SIZE(numbers));
    cJSON_AddStringToObject(object, "smallest", p->smallest);
    cJSON_AddStringToObject(object, "least_of", p->least_of);
    return object;
}

static cJSON *describe_dispatches(const struct card *card, const struct rehearsal *r)
{
    cJSON *list = cJSON_CreateArray();
    for (uint32_t i = 0; i < r->count; i++) {
        const uint32_t count = count_alike(r, i);
        if (count)
            cJSON_AddItemToArray(list, describe_dispatch(card, r, i, count));
    }
    return list;
}

static cJSON *describe_card(const struct card *card)
{
    cJSON *object = cJSON_CreateObject();
    const struct number numbers[] = { { "units", card->units },
        { "waves_a_unit", card->waves_a_unit }, { "bandwidth", card->bandwidth },
        { "flops", card->flops }, { "matrix_flops", card->matrix_flops },
        { "load_ns", card->load_ns }, { "dispatch_ns", card->dispatch_ns },
        { "needs_bytes", card_needs(card) } };
    cJSON_AddStringToObject(object, "name", card->name);
    add_numbers(object, numbers, ARRAY_SIZE(numbers));
    cJSON_AddStringToObject(object, "source", card->source);
    cJSON_AddStringToObject(object, "assumed", card->assumed);
    return object;
}

static bool write_json(const cJSON *object, const char *path)
{
    char *text = cJSON_Print(object);
    FILE *file = path ? fopen(path, "w") : stdout;
    const bool ok = text && file && fprintf(file, "%s\n", text) > 0 && fflush(file) == 0;
    const int error = errno;
    if (file && path)
        fclose(file); // has nothing left to write
    cJSON_free(text);
    if (!ok && path)
        fprintf(stderr, "vkmoe-bench: cannot write %s: %s\n", path, strerror(error));
    return ok;
}

// -------------------------------------------------------------------------------- all

struct output {
    const struct predict_options *options;
    const struct card *card;
    bool text, dispatches; // printed; each dispatch
    struct bench *bench;   // of a device to time layers on, or NULL
};

// What is left of a rehearsal is printed, and added to `object`, which may be NULL.
static void show(const struct output *o, const struct entry *entry,
    const struct surroundings *around, const struct rehearsal *r, cJSON *object)
{
    const struct prediction p = predict(o->card, r, 0, r->count);
    const uint32_t tokens = entry->c.tokens;
    cJSON *described = object ? describe(&p) : NULL;
    if (o->text && !around)
        printf("%s, waves of %u lanes\n", entry->id, r->wave);
    if (o->text && o->dispatches)
        print_dispatches(o->card, r);
    if (o->text)
        print_sum(around ? "model" : "layer", &p);
    if (object) {
        cJSON_AddItemToObject(described, "kinds", describe_dispatches(o->card, r));
        cJSON_AddNumberToObject(described, "tok_s", tokens / p.ns * 1e9);
        cJSON_AddItemToObject(object, around ? "model" : "layer", described);
    }
    if (!around)
        return;
    // All but the embedding, and the head with its norm, if that is a dispatch of its own.
    const uint32_t after = (r->count - 1) % around->blocks;
    struct prediction block = predict(o->card, r, 1, r->count - after);
    block.ns /= around->blocks;
    block.bytes /= around->blocks;
    block.dispatches /= around->blocks;
    block.barriers /= around->blocks;
    block.rows /= around->blocks;
    block.live_rows /= around->blocks;
    if (o->text) {
        print_sum("block", &block);
        printf("  %.0f tokens/s of a model of %u blocks whose queries see %u keys%s\n",
            tokens / p.ns * 1e9, around->blocks, r->scene.keys,
            weights_size(&entry->c) * around->blocks > o->card->memory_size
                ? ", which the card has no memory for"
                : "");
    }
    if (object)
        cJSON_AddItemToObject(object, "block", describe(&block));
}

// The layer, or the model around it; false, with a line, if it could not be recorded.
static bool predict_one(const struct output *o, const struct entry *entry,
    const struct surroundings *around, cJSON *object)
{
    struct rehearsal r;
    const enum vkmoe_status status = rehearse(&r, o->card, entry, around, o->options->seed);
    const bool ok = status == VKMOE_OK && r.count > 0;
    if (ok)
        show(o, entry, around, &r, object);
    else
        fprintf(stderr, "vkmoe-bench: %s: %s\n", entry->id,
            r.message[0] ? r.message : vkmoe_status_name(status));
    rehearsal_finish(&r);
    return ok;
}

// What the layer takes on a device that is there.
static bool measure(const struct output *o, const struct entry *entry, cJSON *object)
{
    struct entry measured = *entry;
    const char *name = o->bench->device->gpu.info.name;
    bench_measure(o->bench, &measured);
    if (!measured.ok) {
        fprintf(stderr, "vkmoe-bench: %s: %s\n", entry->id, measured.reason);
        return false;
    }
    if (o->text) {
        printf("  layer measured on %s: %.1f us, %u dispatches", name, measured.gpu.median / 1e3,
            measured.dispatches);
        for (uint32_t k = 0; k < measured.kernel_count; k++)
            printf("%s %s %.1f us", k ? "," : ";", measured.kernels[k].name,
                measured.kernels[k].gpu.median / 1e3);
        printf("\n");
    }
    if (object) {
        cJSON *described = cJSON_AddObjectToObject(object, "measured");
        cJSON_AddStringToObject(described, "device", name);
        cJSON_AddNumberToObject(described, "ns", measured.gpu.median);
        cJSON_AddNumberToObject(described, "dispatches", measured.dispatches);
    }
    return true;
}

static bool predict_entry(const struct output *o, const struct entry *entry, cJSON *list)
{
    const struct surroundings *around = surroundings_of(entry->shape->name);
    cJSON *object = list ? cJSON_CreateObject() : NULL;
    bool ok = predict_one(o, entry, NULL, object);
    if (ok && o->bench)
        ok = measure(o, entry, object);
    if (ok && around)
        ok = predict_one(o, entry, around, object);
    if (object) {
        cJSON_AddStringToObject(object, "id", entry->id);
        cJSON_AddItemToArray(list, object);
    }
    return ok;
}

static bool print_all(const struct output *o, const struct entry *entries, uint32_t count)
{
    cJSON *list = o->options->json ? cJSON_CreateArray() : NULL;
    bool ok = true;
    if (o->text) {
        printf("%s: what vkmoe would dispatch on this card, and how long that would take\n",
            ARITHMETIC);
        print_card(o->card);
    }
    for (uint32_t i = 0; i < count && ok; i++)
        ok = predict_entry(o, &entries[i], list);
    if (list) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "schema", "moe-vk-predict/1");
        cJSON_AddStringToObject(object, "kind", ARITHMETIC);
        cJSON_AddItemToObject(object, "card", describe_card(o->card));
        cJSON_AddItemToObject(object, "entries", list);
        ok = write_json(object, o->options->json_path) && ok;
        cJSON_Delete(object);
    }
    return ok;
}

int predict_all(const struct predict_options *options, const struct entry *entries, uint32_t count)
{
    struct bench bench;
    const struct output o = {
        .options = options,
        .card = options->card,
        .text = !options->json || options->json_path,
        .dispatches = count == 1,
        .bench = options->device ? &bench : NULL,
    };
    if (!options->device)
        return !print_all(&o, entries, count);
    const enum vkmoe_status status = bench_init(&bench, options->device, options->seed, false);
    if (status != VKMOE_OK) {
        fprintf(stderr, "vkmoe-bench: %s\n",
            bench.message[0] ? bench.message : vkmoe_status_name(status));
        return 1;
    }
    const bool ok = print_all(&o, entries, count);
    bench_finish(&bench);
    return !ok;
}
