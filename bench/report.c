// report.c - see report.h. Numbers are SI with the unit in the name; times are of one forward.
#include "report.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include <cjson/cJSON.h>

#include "base/common.h"
#include "base/hash.h"
#include "formats.h"
#include "host.h"
#include "device/pipelines.h"

// ------------------------------------------------------------------------------- table

static void format_ns(double ns, char text[16])
{
    if (ns < 1e6)
        snprintf(text, 16, "%.1f us", ns / 1e3);
    else if (ns < 1e9)
        snprintf(text, 16, "%.3f ms", ns / 1e6);
    else
        snprintf(text, 16, "%.3f s", ns / 1e9);
}

void report_header(FILE *file, const struct bench *bench)
{
    const struct vkmoe_device_info *info = &bench->device->gpu.info;
    fprintf(file, "%s, %s%s%s%s\n", info->name, info->driver,
        info->type == VKMOE_DEVICE_TYPE_CPU ? ", a CPU" : "",
        bench->device->queue.timestamp_bits ? "" : ", no timestamps: times are wall times",
        bench->cold ? ", cold weights" : "");
    fprintf(file, "%-40s %10s %10s %10s %8s %10s %7s %8s %9s %7s %4s %9s %s\n",
        "shape/tokens/dtype", "median", "p10", "p90", "MAD", "wall", "GB/s", "GFLOP/s", "token/s",
        "experts", "disp", "scratch", "bits");
}

static void print_kernels(FILE *file, const struct entry *entry)
{
    double sum = 0;
    for (uint32_t k = 0; k < entry->kernel_count; k++)
        sum += entry->kernels[k].gpu.median;
    for (uint32_t k = 0; k < entry->kernel_count; k++) {
        const struct kernel_times *kernel = &entry->kernels[k];
        char median[16], p10[16], p90[16];
        format_ns(kernel->gpu.median, median);
        format_ns(kernel->gpu.p10, p10);
        format_ns(kernel->gpu.p90, p90);
        fprintf(file, "    %-30s %3.0f %% %10s %10s %10s", kernel->name,
            100 * kernel->gpu.median / sum, median, p10, p90);
        if (kernel->flops > 0)
            fprintf(file, " %8s %10s %7s %8.2f", "", "", "", kernel->flops / kernel->gpu.median);
        fprintf(file, "\n");
    }
}

void report_entry(FILE *file, const struct entry *entry)
{
    char median[16], p10[16], p90[16], mad[16], wall[16];
    if (!entry->ok) {
        fprintf(file, "%-40s skipped: %s\n", entry->id, entry->reason);
        return;
    }
    format_ns(entry->gpu.median, median);
    format_ns(entry->gpu.p10, p10);
    format_ns(entry->gpu.p90, p90);
    format_ns(entry->gpu.mad, mad);
    format_ns(entry->wall.median, wall);
    fprintf(file, "%-40s %10s %10s %10s %8s %10s %7.2f %8.2f %9.0f %7u %4u %8.0fK %s\n", entry->id,
        median, p10, p90, mad, wall, entry->touched / entry->gpu.median,
        entry->flops / entry->gpu.median, 1e9 * entry->c.tokens / entry->gpu.median, entry->experts,
        entry->dispatches, (double)entry->scratch_size / 1024,
        entry->bit_equal ? "equal" : "DIFFER");
    print_kernels(file, entry);
}

// -------------------------------------------------------------------------------- JSON

static void add_summary(cJSON *object, const char *prefix, const struct summary *s)
{
    const struct {
        const char *suffix;
        double value;
    } fields[] = { { "median_ns", s->median }, { "p10_ns", s->p10 }, { "p90_ns", s->p90 },
        { "mad_ns", s->mad }, { "min_ns", s->min } };
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        char name[32];
        snprintf(name, sizeof name, "%s%s", prefix, fields[i].suffix);
        cJSON_AddNumberToObject(object, name, fields[i].value);
    }
}

static cJSON *describe_model(const struct entry *entry)
{
    const struct vkmoe_moe_params *p = &entry->c.layer;
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "name", entry->shape->name);
    cJSON_AddNumberToObject(object, "hidden", p->hidden);
    cJSON_AddNumberToObject(object, "inner", p->inner);
    cJSON_AddNumberToObject(object, "experts", p->experts);
    cJSON_AddNumberToObject(object, "experts_per_token", p->experts_per_token);
    cJSON_AddNumberToObject(object, "shared_inner", p->shared.inner);
    cJSON_AddBoolToObject(object, "gated", !(entry->c.has & CASE_UNGATED));
    cJSON_AddStringToObject(object, "dtype", test_format(entry->c.dtype)->name);
    return object;
}

static cJSON *describe_kernels(const struct entry *entry)
{
    cJSON *array = cJSON_CreateArray();
    for (uint32_t k = 0; k < entry->kernel_count; k++) {
        const struct kernel_times *kernel = &entry->kernels[k];
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "kernel", kernel->name);
        add_summary(object, "", &kernel->gpu);
        if (kernel->flops > 0) {
            cJSON_AddNumberToObject(object, "flops", kernel->flops);
            cJSON_AddNumberToObject(object, "gflops", kernel->flops / kernel->gpu.median);
        }
        cJSON_AddItemToArray(array, object);
    }
    return array;
}

static cJSON *describe_entry(const struct bench *bench, const struct entry *entry)
{
    cJSON *object = cJSON_CreateObject(), *routing;
    cJSON_AddStringToObject(object, "id", entry->id);
    cJSON_AddStringToObject(object, "kind", "layer");
    cJSON_AddItemToObject(object, "model", describe_model(entry));
    cJSON_AddNumberToObject(object, "tokens", entry->c.tokens);
    cJSON_AddItemToObject(object, "routing", routing = cJSON_CreateObject());
    cJSON_AddStringToObject(routing, "kind", routing_names[entry->routing]);
    cJSON_AddNumberToObject(routing, "seed", (double)bench->seed);
    cJSON_AddStringToObject(object, "status", entry->ok ? "ok" : "skipped");
    if (!entry->ok) {
        cJSON_AddStringToObject(object, "reason", entry->reason);
        return object;
    }
    cJSON_AddBoolToObject(object, "cold", bench->cold);
    cJSON_AddBoolToObject(object, "exact", bench->exact);
    cJSON_AddStringToObject(object, "clock", entry->has_timestamps ? "gpu" : "wall");
    cJSON_AddNumberToObject(object, "samples", entry->samples);
    cJSON_AddNumberToObject(object, "forwards_per_sample", entry->forwards);
    add_summary(object, "", &entry->gpu);
    add_summary(object, "wall_", &entry->wall);
    add_summary(object, "record_", &entry->host);
    add_summary(object, "process_cpu_", &entry->cpu);
    cJSON_AddNumberToObject(object, "tok_s", 1e9 * entry->c.tokens / entry->gpu.median);
    cJSON_AddNumberToObject(object, "experts_touched", entry->experts);
    cJSON_AddNumberToObject(object, "bytes", entry->touched);
    cJSON_AddNumberToObject(object, "flops", entry->flops);
    cJSON_AddNumberToObject(object, "gbps", entry->touched / entry->gpu.median);
    cJSON_AddNumberToObject(object, "gflops", entry->flops / entry->gpu.median);
    cJSON_AddNumberToObject(object, "dispatches", entry->dispatches);
    cJSON_AddNumberToObject(object, "scratch_bytes", (double)entry->scratch_size);
    cJSON_AddNumberToObject(object, "mem_bytes", (double)entry->layer_size);
    cJSON_AddBoolToObject(object, "bit_equal", entry->bit_equal);
    cJSON_AddItemToObject(object, "kernels", describe_kernels(entry));
    return object;
}

static cJSON *describe_device(const vkmoe_device *device)
{
    static const char *const types[] = { "other", "integrated", "discrete", "virtual", "cpu" };
    const struct vkmoe_device_info *info = &device->gpu.info;
    cJSON *object = cJSON_CreateObject(), *queue, *features;
#define NAMED(field) #field, info->field
    const struct {
        const char *name;
        bool has;
    } optional[] = { { NAMED(int64) }, { NAMED(f16_storage) }, { NAMED(f16_arithmetic) },
        { NAMED(subgroup_arithmetic) }, { NAMED(cooperative_matrix) } };
    const struct {
        const char *name;
        uint32_t value;
    } numbers[] = { { NAMED(vendor_id) }, { NAMED(device_id) }, { NAMED(driver_version) },
        { NAMED(api_version) }, { NAMED(subgroup_size) } };
#undef NAMED
    cJSON_AddStringToObject(object, "name", info->name);
    cJSON_AddStringToObject(object, "driver", info->driver);
    cJSON_AddStringToObject(object, "type", types[info->type]);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        cJSON_AddNumberToObject(object, numbers[i].name, numbers[i].value);
    cJSON_AddNumberToObject(object, "shared_bytes", info->shared_memory_size);
    cJSON_AddNumberToObject(object, "memory_bytes", (double)info->memory_size);
    cJSON_AddItemToObject(object, "queue", queue = cJSON_CreateObject());
    cJSON_AddNumberToObject(queue, "family", device->queue.family);
    cJSON_AddNumberToObject(queue, "timestamp_bits", device->queue.timestamp_bits);
    cJSON_AddNumberToObject(
        queue, "timestamp_period_ns", (double)device->gpu.limits.timestampPeriod);
    cJSON_AddItemToObject(object, "features", features = cJSON_CreateArray());
    for (size_t i = 0; i < ARRAY_SIZE(optional); i++) {
        if (optional[i].has)
            cJSON_AddItemToArray(features, cJSON_CreateString(optional[i].name));
    }
    return object;
}

// Of every module, so that a run tells whether it saw the same shaders as another.
static cJSON *describe_tool(void)
{
    uint64_t hash = HASH_START;
    cJSON *object = cJSON_CreateObject();
    char text[24];
    for (uint32_t i = 0; i < vkmoe_variant_count; i++)
        hash = vkmoe_variant_hash(&vkmoe_variants[i], hash);
    snprintf(text, sizeof text, "%016llx", (unsigned long long)hash);
    cJSON_AddStringToObject(object, "name", "vkmoe-bench");
    cJSON_AddStringToObject(object, "version", VKMOE_BENCH_VERSION);
    cJSON_AddStringToObject(object, "build", VKMOE_BENCH_BUILD);
    cJSON_AddStringToObject(object, "spirv_hash", text);
    return object;
}

static cJSON *describe_run(
    const struct bench *bench, const struct entry *entries, uint32_t count, double load_before)
{
    cJSON *object = cJSON_CreateObject(), *env, *list;
    const time_t now = time(NULL);
    struct tm utc;
    char text[32] = "";
    if (gmtime_r(&now, &utc))
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    cJSON_AddStringToObject(object, "schema", "moe-vk-bench/1");
    cJSON_AddStringToObject(object, "time", text);
    cJSON_AddItemToObject(object, "tool", describe_tool());
    cJSON_AddItemToObject(object, "host", host_describe());
    cJSON_AddItemToObject(object, "device", describe_device(bench->device));
    cJSON_AddItemToObject(object, "env", env = cJSON_CreateObject());
    cJSON_AddNumberToObject(env, "load_before", load_before);
    cJSON_AddNumberToObject(env, "load_after", host_load());
    cJSON_AddItemToObject(object, "entries", list = cJSON_CreateArray());
    for (uint32_t i = 0; i < count; i++)
        cJSON_AddItemToArray(list, describe_entry(bench, &entries[i]));
    return object;
}

bool report_json(const char *path, const struct bench *bench, const struct entry *entries,
    uint32_t count, double load_before)
{
    cJSON *object = describe_run(bench, entries, count, load_before);
    char *text = cJSON_Print(object);
    FILE *file = path ? fopen(path, "w") : stdout;
    const bool ok = text && file && fprintf(file, "%s\n", text) > 0 && fflush(file) == 0;
    const int error = text ? errno : ENOMEM;
    if (file && path)
        fclose(file); // has nothing left to write
    cJSON_free(text);
    cJSON_Delete(object);
    errno = error;
    return ok;
}
