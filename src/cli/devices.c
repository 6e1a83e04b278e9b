// devices.c - `vkmoe devices`.
#include "tuning_file.h"

#include <stdio.h>
#include <stdlib.h>

#include "vulkan/physical.h"

static const struct {
    const char *key, *words;
    size_t offset;      // of its bool
    bool with_matrices; // used only where cooperative matrices are
} features[] = {
    { "int64", "64-bit integers", offsetof(struct vkmoe_device_info, int64), false },
    { "f16_storage", "f16 storage", offsetof(struct vkmoe_device_info, f16_storage), true },
    { "f16_arithmetic", "f16 arithmetic", offsetof(struct vkmoe_device_info, f16_arithmetic),
        true },
    { "subgroup_arithmetic", "subgroup arithmetic",
        offsetof(struct vkmoe_device_info, subgroup_arithmetic), false },
    { "cooperative_matrix", "cooperative matrix",
        offsetof(struct vkmoe_device_info, cooperative_matrix), true },
};

enum { FEATURE_COUNT = sizeof features / sizeof features[0] };

static bool has_feature(const struct vkmoe_device_info *info, int feature)
{
    return *(const bool *)((const char *)info + features[feature].offset);
}

// The index of the one that is taken without --device; `count` if none can be.
static uint32_t find_default(const struct vkmoe_device_info *infos, uint32_t count)
{
    struct physical *list = cli_alloc(count * sizeof *list);
    const struct physical *best;
    for (uint32_t i = 0; i < count; i++)
        list[i].info = infos[i];
    if (vkmoe_physical_choose(NULL, list, count, NULL, &best) == VKMOE_OK)
        count = (uint32_t)(best - list);
    free(list);
    return count;
}

// One row with the features that kernels use, and one with those that only are there.
static void add_features(struct cli_table *table, const struct vkmoe_device_info *info, bool used)
{
    char text[160] = "none of the optional ones";
    size_t length = 0;
    for (int i = 0; i < FEATURE_COUNT; i++) {
        if ((!features[i].with_matrices || info->matrix_m) == used && has_feature(info, i))
            length += (size_t)snprintf(
                text + length, sizeof text - length, "%s%s", length ? ", " : "", features[i].words);
    }
    if (used && info->matrix_m)
        snprintf(text + length, sizeof text - length, " (%u x %u x %u)", info->matrix_m,
            info->matrix_n, info->matrix_k);
    if (!used && !length)
        return;
    cli_table_add(table, CLI_PLAIN, used ? "uses" : "has unused");
    cli_table_add(table, CLI_PLAIN, "%s", text);
}

// What `vkmoe tune` found for it. False: it could not be opened, which is said.
static bool get_tuning(uint32_t index, struct cli_tuning *out)
{
    char select[12];
    vkmoe_device *device = NULL;
    snprintf(select, sizeof select, "%u", index);
    int status = cli_open_device(select, false, &device);
    if (status == 0)
        status = cli_tuning_get(device, out);
    vkmoe_device_destroy(&device);
    return status == 0;
}

static void add_tuning(struct cli_table *table, uint32_t index)
{
    struct cli_tuning *tuning = cli_alloc(sizeof *tuning);
    if (get_tuning(index, tuning)) {
        const char *name = "changes";
        char *at = tuning->text;
        cli_table_add(table, CLI_PLAIN, "tuning");
        cli_table_add(table, CLI_PLAIN, "%s%s", tuning->exists ? "" : "none, would be ",
            *tuning->path ? tuning->path : "in the cache directory, which is missing");
        cli_table_add(table, CLI_PLAIN, "key");
        cli_table_add(table, CLI_PLAIN, "%s", tuning->key);
        for (const char *row = cli_tuning_next(&at); row; row = cli_tuning_next(&at)) {
            cli_table_add(table, CLI_PLAIN, "%s", name);
            cli_table_add(table, CLI_PLAIN, "%s", row);
            name = "";
        }
    }
    free(tuning);
}

static void print_device(
    uint32_t index, bool is_default, const struct vkmoe_device_info *info, bool verbose)
{
    printf("%s%u  %s%s%s\n", cli_style_on(CLI_BOLD), index, info->name, cli_style_off(CLI_BOLD),
        is_default ? "  (taken unless --device says otherwise)" : "");
    struct cli_table table = { .columns = "ll" };
    cli_table_add(&table, CLI_PLAIN, "driver");
    cli_table_add(&table, CLI_PLAIN, "%s, Vulkan %u.%u.%u", info->driver,
        VK_API_VERSION_MAJOR(info->api_version), VK_API_VERSION_MINOR(info->api_version),
        VK_API_VERSION_PATCH(info->api_version));
    cli_table_add(&table, CLI_PLAIN, "type");
    cli_table_add(&table, CLI_PLAIN, "%s", cli_device_type_name(info->type));
    cli_table_add(&table, CLI_PLAIN, "memory");
    cli_table_add(&table, CLI_PLAIN, "%s", cli_bytes(info->memory_size).text);
    cli_table_add(&table, CLI_PLAIN, "usable");
    cli_table_add(&table, info->usable ? CLI_GOOD : CLI_BAD, "%s%s",
        info->usable ? "yes" : "no: ", info->reason);
    if (info->usable) {
        add_features(&table, info, true);
        add_features(&table, info, false);
    }
    if (info->usable && verbose)
        add_tuning(&table, index);
    cli_table_print(&table, 3);
}

static cJSON *device_json(
    uint32_t index, bool is_default, const struct vkmoe_device_info *info, bool verbose)
{
    char version[40];
    snprintf(version, sizeof version, "%u.%u.%u", VK_API_VERSION_MAJOR(info->api_version),
        VK_API_VERSION_MINOR(info->api_version), VK_API_VERSION_PATCH(info->api_version));
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "index", index);
    cli_json_text(json, "name", info->name);
    cli_json_text(json, "driver", info->driver);
    cJSON_AddStringToObject(json, "type", cli_device_type_name(info->type));
    cJSON_AddBoolToObject(json, "default", is_default);
    cJSON_AddBoolToObject(json, "usable", info->usable);
    cli_json_text(json, "reason", info->reason);
    cJSON_AddStringToObject(json, "vulkan", version);
    cJSON_AddNumberToObject(json, "vendor_id", info->vendor_id);
    cJSON_AddNumberToObject(json, "device_id", info->device_id);
    cJSON_AddNumberToObject(json, "driver_version", info->driver_version);
    cJSON_AddNumberToObject(json, "memory_size", (double)info->memory_size);
    cJSON_AddNumberToObject(json, "shared_memory_size", info->shared_memory_size);
    cJSON_AddNumberToObject(json, "subgroup_size", info->subgroup_size);
    cJSON *shape = cJSON_AddArrayToObject(json, "matrix");
    cJSON_AddItemToArray(shape, cJSON_CreateNumber(info->matrix_m));
    cJSON_AddItemToArray(shape, cJSON_CreateNumber(info->matrix_n));
    cJSON_AddItemToArray(shape, cJSON_CreateNumber(info->matrix_k));
    cJSON *flags = cJSON_AddObjectToObject(json, "features");
    for (int i = 0; i < FEATURE_COUNT; i++)
        cJSON_AddBoolToObject(flags, features[i].key, has_feature(info, i));
    struct cli_tuning *tuning = cli_alloc(sizeof *tuning);
    if (info->usable && verbose && get_tuning(index, tuning))
        cli_tuning_json(json, tuning);
    free(tuning);
    return json;
}

static int list_devices(
    const struct vkmoe_device_info *infos, uint32_t count, bool json, bool verbose)
{
    const uint32_t best = find_default(infos, count);
    if (json) {
        cJSON *root = cJSON_CreateObject(), *array = cJSON_AddArrayToObject(root, "devices");
        for (uint32_t i = 0; i < count; i++)
            cJSON_AddItemToArray(array, device_json(i, i == best, &infos[i], verbose));
        int status = cli_print_json(root);
        if (status != 0)
            return status;
    }
    for (uint32_t i = 0; i < count && !json; i++) {
        if (i > 0)
            printf("\n");
        print_device(i, i == best, &infos[i], verbose);
    }
    if (count == 0)
        return cli_fail("there is no Vulkan device; a driver is missing "
                        "(Debian's mesa-vulkan-drivers has one for every CPU)");
    return 0;
}

int cli_command_devices(int argc, char **argv)
{
    bool json = false, verbose = false;
    const struct cli_option options[] = {
        { .name = "verbose", .flag = &verbose, .help = "and what 'vkmoe tune' found for each" },
        CLI_JSON(&json),
    };
    int status = cli_parse(
        &(struct cli_usage){
            .command = "devices",
            .about =
                "Lists the Vulkan devices of this machine, usable or not. Other commands take\n"
                "the index, or a part of the name, as --device. Digits alone are an index.\n",
            .options = options,
            .option_count = sizeof options / sizeof options[0],
        },
        argc, argv);
    if (status >= 0)
        return status;

    uint32_t count = 0;
    if (cli_result(vkmoe_device_list(&cli_log, NULL, &count), "no list of devices") != 0)
        return 1;
    // Devices come and go; room for what was there before is enough.
    const uint32_t room = count;
    struct vkmoe_device_info *infos = cli_alloc(room * sizeof *infos);
    if (room)
        infos->struct_size = sizeof *infos;
    status = cli_result(vkmoe_device_list(&cli_log, infos, &count), "no list of devices");
    if (status == 0)
        status = list_devices(infos, count < room ? count : room, json, verbose);
    free(infos);
    return status;
}
