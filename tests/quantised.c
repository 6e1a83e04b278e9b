// quantised.c - folders with quantised weights, in every layout that is published: the values of
// each matrix, bit by bit, and what a model computes with them. Environment: harness.h, and
// VKMOE_TEST_QUANTISED, a folder with more of them: NAME.config.json, NAME.safetensors with
// matrices of a module m or e, and their values NAME.WHAT.npy, where WHAT is weight, gate or up.
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/npy.h"
#include "checkpoint/assembly.h"
#include "checkpoint/checkpoint.h"
#include "folder.h"
#include "net.h"
#include "quantise.h"
#include "weights/view.h"
#include "whole_checkpoints.h"

#define TOLERANCE 2e-5 // of the logits' rms

enum { TOKENS = 20 };

// --------------------------------------------------------------------- every matrix

static enum vkmoe_status open_tensors(const char *path, const struct vkmoe_log *log,
    struct quantisation *quantisation, struct container *out)
{
    enum vkmoe_status status = vkmoe_container_open(vkmoe_opener_find(path), path, log, out);
    if (status == VKMOE_OK)
        status = vkmoe_quantisation_read(out, log, quantisation);
    if (status == VKMOE_OK)
        status = vkmoe_container_open_tensors(out);
    if (status == VKMOE_OK)
        status = vkmoe_assembly_create(&out->tensors, quantisation, path, log, &out->assembly);
    return status;
}

// The values of a tensor, which is read in one piece and then row by row, or NULL.
static float *values_of(const struct tensor *tensor)
{
    const uint64_t columns = tensor->shape[tensor->rank - 1], rows = tensor->elements / columns;
    struct vkmoe_view view = { .data = tensor->data, .file = tensor->file };
    if (!vkmoe_format_named(tensor->dtype, &view.dtype))
        return NULL;
    const struct format *format = vkmoe_format(view.dtype);
    view.row_stride =
        (int64_t)((columns + format->elements - 1) / format->elements * format->elements);
    float *values, *row;
    if (vkmoe_view_floats(&view, NULL, (uint32_t)rows, (uint32_t)columns, &values) != VKMOE_OK)
        return NULL;
    for (uint64_t r = rows; r-- > 0;) {
        const struct vkmoe_view one = { .data = vkmoe_view_at(&view, (int64_t)r, 0),
            .dtype = view.dtype,
            .row_stride = view.row_stride,
            .file = view.file };
        if (vkmoe_view_floats(&one, NULL, 1, (uint32_t)columns, &row) != VKMOE_OK
            || memcmp(row, values + r * columns, columns * sizeof *row) != 0) {
            tap_note("%s: row %llu is another one by itself", tensor->name, (unsigned long long)r);
            free(values);
            return NULL;
        }
        free(row);
    }
    return values;
}

static bool same_bits(const struct tensor *tensor, const float *expected, uint64_t count,
    uint64_t first, uint64_t step)
{
    const uint64_t columns = tensor->shape[tensor->rank - 1];
    float *values = tensor->elements == count * step ? values_of(tensor) : NULL;
    bool ok = values != NULL;
    for (uint64_t i = 0; ok && i < count; i++) {
        const float value = values[(i / columns * step + first) * columns + i % columns];
        ok = value == expected[i] || (isnan(value) && isnan(expected[i]));
        if (!ok)
            tap_note("%s: element %llu is %a, expected %a", tensor->name, (unsigned long long)i,
                (double)value, (double)expected[i]);
    }
    free(values);
    return ok;
}

// Each matrix of quantised/ has the values that it has in plain/.
static bool check_values(const char *path, const char *plain_path)
{
    struct container quantised = { 0 }, plain = { 0 };
    struct quantisation q, none;
    bool ok = is_ok(open_tensors(path, &printing_log, &q, &quantised), "quantised")
        && is_ok(open_tensors(plain_path, &printing_log, &none, &plain), "plain");
    if (ok && quantised.tensors.count != plain.tensors.count) {
        tap_note("%u tensors, expected %u", quantised.tensors.count, plain.tensors.count);
        ok = false;
    }
    for (uint32_t i = 0; ok && i < plain.tensors.count; i++) {
        const struct tensor *from = &quantised.tensors.items[i], *to = &plain.tensors.items[i];
        ok = strcmp(from->name, to->name) == 0;
        if (ok && from->rank == 2) {
            float *expected = values_of(to);
            ok = expected && same_bits(from, expected, to->elements, 0, 1);
            free(expected);
        }
    }
    vkmoe_container_close(&quantised);
    vkmoe_container_close(&plain);
    return ok;
}

// ------------------------------------------------------------------------- a model

static bool run(struct net *net, struct harness *harness, const char *path)
{
    uint32_t ids[TOKENS], positions[TOKENS];
    for (uint32_t t = 0; t < TOKENS; t++) {
        ids[t] = 7 * t % 31;
        positions[t] = t;
    }
    return net_init(net, harness, path, NULL)
        && net_batch(net, TOKENS, ids, positions, NULL, TOKENS, 0) && net_run(net, TOKENS);
}

static bool check_model(struct harness *harness)
{
    struct net quantised, plain = { 0 };
    bool ok = run(&quantised, harness, folder_path("quantised"))
        && run(&plain, harness, folder_path("plain"));
    double error = 0.0, total = 0.0;
    if (ok) {
        const float *a = array_range(&quantised.logits), *b = array_range(&plain.logits);
        for (size_t i = 0; i < (size_t)TOKENS * plain.frame.vocabulary; i++) {
            error = fmax(error, isnan(a[i]) ? INFINITY : fabs((double)a[i] - (double)b[i]));
            total += pow((double)b[i], 2);
        }
        error /= sqrt(total / TOKENS / plain.frame.vocabulary);
        ok = error <= TOLERANCE;
        if (!ok)
            tap_note("logits differ by %.3g of their rms", error);
    }
    net_finish(&plain);
    return net_end(&quantised, ok);
}

static void test_way(struct tap *tap, struct harness *harness, const struct way *way)
{
    char name[128];
    struct whole_checkpoint whole = { 0 };
    snprintf(name, sizeof name, "%s/values", way->name);
    const bool wanted = tap_wants(tap, name);
    char model[128];
    snprintf(model, sizeof model, "%s/model", way->name);
    const bool model_wanted = tap_wants(tap, model);
    if (!wanted && !model_wanted)
        return;
    bool ok = whole_checkpoint_write(way->stacked ? "gpt_oss" : "mixtral", 5, &whole)
        && quantise_folder(whole.path, way) > 0;
    char path[256];
    snprintf(path, sizeof path, "%s", folder_path("quantised"));
    if (wanted)
        tap_result(tap, ok && check_values(path, folder_path("plain")), name);
    if (model_wanted)
        tap_result(tap, ok && check_model(harness), model);
    whole_checkpoint_finish(&whole);
}

// ---------------------------------------------------------------------- vectors

static const char *vectors(void)
{
    const char *parent = getenv("VKMOE_TEST_QUANTISED");
    return parent ? parent : VKMOE_TEST_VECTORS "/safetensors";
}

static void copy_file(const char *from, const char *to)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", vectors(), from);
    FILE *file = fopen(path, "rb");
    enum { MOST = 1 << 20 };
    char *bytes = allocate(MOST, 1);
    if (!file)
        abort();
    folder_write(to, bytes, fread(bytes, 1, MOST, file));
    fclose(file);
    free(bytes);
}

// A part of the matrix, or all of it.
static bool check_vector(const struct container *container, const char *name, const char *what)
{
    char path[1024];
    struct vkmoe_npy npy = { 0 };
    const bool all = strcmp(what, "weight") == 0;
    const struct tensor *tensor =
        vkmoe_tensors_find(&container->tensors, all ? "m.weight" : "e.gate_up_proj");
    snprintf(path, sizeof path, "%s/%s.%s.npy", vectors(), name, what);
    if (vkmoe_npy_read(path, &(struct vkmoe_log){ 0 }, &npy) != VKMOE_OK)
        return true; // it has no such part
    const bool ok =
        tensor && same_bits(tensor, npy.data, npy.elements, strcmp(what, "up") == 0, all ? 1 : 2);
    free(npy.data);
    return ok;
}

static void test_vector(struct tap *tap, const char *name)
{
    static const char *const parts[] = { "weight", "gate", "up" };
    char test[200], file[200];
    snprintf(test, sizeof test, "vectors/%s", name);
    if (!tap_wants(tap, test))
        return;
    folder_empty();
    snprintf(file, sizeof file, "%s.config.json", name);
    copy_file(file, "config.json");
    snprintf(file, sizeof file, "%s.safetensors", name);
    copy_file(file, "model.safetensors");
    struct record record = { 0 };
    const struct vkmoe_log log = log_to(&record);
    struct container container = { 0 };
    struct quantisation quantisation;
    const enum vkmoe_status status = open_tensors(folder, &log, &quantisation, &container);
    bool ok = status == VKMOE_OK && quantisation.readable;
    if (strstr(name, "actorder"))
        ok = status == VKMOE_ERROR_UNSUPPORTED && strstr(record.last, "desc_act");
    else if (!ok)
        tap_note("%s", record.last);
    for (size_t i = 0; status == VKMOE_OK && ok && i < 3; i++)
        ok = check_vector(&container, name, parts[i]);
    vkmoe_container_close(&container);
    tap_result(tap, ok, test);
}

static int is_file(const struct dirent *entry)
{
    return strstr(entry->d_name, ".safetensors") != NULL;
}

static void check_all(struct tap *tap, struct harness *harness)
{
    struct dirent **entries = NULL;
    if (!folder_begin("quantised"))
        return;
    for (uint32_t i = 0; i < quantise_way_count; i++)
        test_way(tap, harness, &quantise_ways[i]);
    const int count = scandir(vectors(), &entries, is_file, alphasort);
    for (int i = 0; i < count; i++) {
        *strstr(entries[i]->d_name, ".safetensors") = '\0';
        test_vector(tap, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    folder_finish();
}

int main(int argc, char **argv)
{
    return harness_main(argc, argv, check_all);
}
