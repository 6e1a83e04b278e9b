// quantise.c - see quantise.h.
#include "quantise.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "folder.h"
#include "tap.h"
#include "checkpoint/assembly.h"
#include "checkpoint/checkpoint.h"
#include "weights/format.h"

// ----------------------------------------------------------------------------- files

static void append(char **bytes, size_t *size, size_t *room, const void *more, size_t more_size)
{
    if (*size + more_size > *room) {
        *room = 2 * (*size + more_size);
        *bytes = realloc(*bytes, *room);
        if (!*bytes)
            abort();
    }
    memcpy(*bytes + *size, more, more_size);
    *size += more_size;
}

void quantise_add_sized(struct quantise_file *file, const char *name, const char *dtype,
    const char *sizes, const void *data, size_t size)
{
    char entry[1024];
    const int used = snprintf(entry, sizeof entry,
        "%c\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
        file->header ? ',' : '{', name, dtype, sizes, file->data_size, file->data_size + size);
    append(&file->header, &file->header_size, &file->room[0], entry, (size_t)used);
    append(&file->data, &file->data_size, &file->room[1], data, size);
}

void quantise_add(struct quantise_file *file, const char *name, const char *tail, const char *dtype,
    const uint64_t shape[4], const void *data, size_t size)
{
    char full[512], sizes[100] = "";
    snprintf(full, sizeof full, "%s%s", name, tail);
    for (uint32_t i = 0, used = 0; i < 4 && shape[i]; i++)
        used += (uint32_t)snprintf(sizes + used, sizeof sizes - used, "%s%llu", i ? "," : "",
            (unsigned long long)shape[i]);
    quantise_add_sized(file, full, dtype, sizes, data, size);
}

void quantise_write(struct quantise_file *file, const char *path)
{
    const size_t header = file->header_size + 1, size = 8 + header + file->data_size;
    unsigned char *all = allocate(size, 1);
    for (int i = 0; i < 8; i++)
        all[i] = (unsigned char)(header >> 8 * i);
    memcpy(all + 8, file->header, file->header_size);
    all[7 + header] = '}';
    memcpy(all + 8 + header, file->data, file->data_size);
    folder_write(path, all, size);
    free(all);
    free(file->header);
    free(file->data);
    *file = (struct quantise_file){ 0 };
}

// ---------------------------------------------------------------------------- folders

enum vkmoe_status quantise_open(const char *path, const struct vkmoe_log *log,
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

static bool ends_in(const char *text, const char *tail)
{
    const size_t length = strlen(text), size = strlen(tail);
    return length >= size && strcmp(text + length - size, tail) == 0;
}

static bool is_wanted(const struct tensor *tensor, const struct way *way)
{
    if (way->stacked)
        return tensor->rank == 3;
    return tensor->rank == 2 && tensor->shape[1] % way->group == 0
        && (way->head || tensor->shape[0] % 8 == 0) && ends_in(tensor->name, ".weight")
        && !strstr(tensor->name, "router") && !ends_in(tensor->name, "gate.weight")
        && !strstr(tensor->name, "embed") && (way->head || !strstr(tensor->name, "lm_head"));
}

// [experts][rows][columns] from, or to, [experts][columns][rows].
static double *turned(const double *from, uint32_t experts, uint32_t rows, uint32_t columns)
{
    double *to = allocate((size_t)experts * rows * columns, sizeof *to);
    for (size_t e = 0; e < experts; e++) {
        for (size_t r = 0; r < rows; r++) {
            for (size_t c = 0; c < columns; c++)
                to[(e * rows + r) * columns + c] = from[(e * columns + c) * rows + r];
        }
    }
    return to;
}

static void add_plain(struct quantise_file *file, const struct tensor *tensor, const double *values,
    const char *dtype)
{
    const uint64_t shape[4] = { tensor->shape[0], tensor->shape[1], tensor->shape[2] };
    float *floats = allocate(tensor->elements, sizeof *floats);
    for (uint64_t i = 0; i < tensor->elements; i++)
        floats[i] = (float)values[i];
    quantise_add(file, tensor->name, "", dtype, shape, floats, tensor->elements * sizeof *floats);
    free(floats);
}

static double *read_values(const struct tensor *tensor)
{
    enum vkmoe_dtype dtype;
    if (!vkmoe_format_named(tensor->dtype, &dtype) || vkmoe_format(dtype)->elements != 1)
        abort(); // a block of several would overrun `value` below
    double *values = allocate(tensor->elements, sizeof *values);
    for (uint64_t i = 0; i < tensor->elements; i++) {
        float value;
        vkmoe_format(dtype)->decode(tensor->data + i * vkmoe_format(dtype)->bytes, &value);
        values[i] = (double)value;
    }
    return values;
}

static void quantise(struct quantise_file files[2], const struct tensor *tensor,
    const struct way *way, double **values)
{
    const uint32_t experts = way->stacked ? (uint32_t)tensor->shape[0] : 0;
    uint32_t rows = (uint32_t)tensor->shape[0], columns = (uint32_t)tensor->shape[1];
    char name[256];
    snprintf(name, sizeof name, "%.*s",
        (int)(strlen(tensor->name) - (way->stacked ? 0 : strlen(".weight"))), tensor->name);
    if (!way->stacked) {
        way->store(&files[0], name, *values, 0, rows, columns);
        return;
    }
    rows = (uint32_t)tensor->shape[2];
    double *by_rows = turned(*values, experts, rows, columns);
    way->store(&files[0], name, by_rows, experts, rows, columns);
    free(*values);
    *values = turned(by_rows, experts, columns, rows);
    free(by_rows);
}

// The model's config with one entry more.
static void write_config(const char *from, const char *path, const char *entry)
{
    char name[600];
    snprintf(name, sizeof name, "%s/config.json", from);
    FILE *file = fopen(name, "rb");
    char *text = allocate(1 << 16, 1), *all = allocate(1 << 17, 1);
    if (!file || fread(text, 1, (1 << 16) - 1, file) == 0)
        abort();
    fclose(file);
    char *end = strrchr(text, '}');
    *end = '\0';
    snprintf(all, 1 << 17, "%s%s%s}", text, entry ? ",\"quantization_config\":" : "",
        entry ? entry : "");
    folder_write_text(path, all);
    free(text);
    free(all);
}

int quantise_folder(const char *from, const struct way *way)
{
    struct container container;
    struct quantise_file files[2] = { { 0 } };
    int count = 0;
    bool ok =
        vkmoe_container_open(vkmoe_opener_find(from), from, &(struct vkmoe_log){ 0 }, &container)
            == VKMOE_OK
        && vkmoe_container_open_tensors(&container) == VKMOE_OK;
    for (uint32_t i = 0; ok && i < container.tensors.count; i++) {
        const struct tensor *tensor = &container.tensors.items[i];
        double *values = read_values(tensor);
        const bool wanted = is_wanted(tensor, way);
        if (wanted)
            quantise(files, tensor, way, &values);
        else
            add_plain(&files[0], tensor, values, "F32");
        add_plain(&files[1], tensor, values, "F32");
        count += wanted;
        free(values);
    }
    vkmoe_container_close(&container);
    if (!ok) {
        tap_note("%s: cannot be read", from);
        return -1;
    }
    folder_empty();
    folder_make("quantised/");
    folder_make("plain/");
    quantise_write(&files[0], "quantised/model.safetensors");
    quantise_write(&files[1], "plain/model.safetensors");
    write_config(from, "quantised/config.json", way->config);
    write_config(from, "plain/config.json", NULL);
    return count;
}
