// host_memory.c - see host_memory.h.
#include "base/host_memory.h"

#include "base/common.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#ifndef _WIN32
#include <sys/resource.h>
#include <unistd.h>
#endif

#define UNKNOWN UINT64_MAX
#define PATH_SIZE 4608 // of a group's folder, and of a file in it

static FILE *open_file(const char *root, const char *path)
{
    char full[PATH_SIZE];
    const int length = snprintf(full, sizeof full, "%s%s", root, path);
    return length > 0 && (size_t)length < sizeof full ? fopen(full, "r") : NULL;
}

// The number behind `name` at the beginning of a line.
static uint64_t read_field(const char *root, const char *path, const char *name)
{
    char line[256];
    uint64_t value = UNKNOWN;
    FILE *file = open_file(root, path);
    const size_t length = strlen(name);
    while (file && value == UNKNOWN && fgets(line, sizeof line, file))
        if (!strncmp(line, name, length) && sscanf(line + length, "%" SCNu64, &value) != 1)
            value = UNKNOWN;
    if (file)
        fclose(file);
    return value;
}

// The one number in a file; "max" is none.
static uint64_t read_number(const char *root, const char *path)
{
    return read_field(root, path, "");
}

// Memory that no process has to give back first, and swap, which is slow but there.
static uint64_t machine_free(const char *root)
{
    const uint64_t available = read_field(root, "/proc/meminfo", "MemAvailable:");
    const uint64_t swap = read_field(root, "/proc/meminfo", "SwapFree:");
    return available == UNKNOWN ? UNKNOWN : (available + (swap == UNKNOWN ? 0 : swap)) * 1024;
}

// Names of a version's files, and where its hierarchy lies.
struct group_files {
    const char *mount, *limit, *usage, *inactive, *active;
};

static const struct group_files group_files[] = {
    { "/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file ", "active_file " },
    { "/sys/fs/cgroup/unified", "memory.max", "memory.current", "inactive_file ", "active_file " },
    { "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
        "total_inactive_file ", "total_active_file " },
};

// What one group has left. Cached files, such as the checkpoint, count as used but give way.
static uint64_t one_group_free(
    const char *root, const struct group_files *files, const char *folder)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", folder, files->limit);
    const uint64_t limit = read_number(root, path);
    snprintf(path, sizeof path, "%s/%s", folder, files->usage);
    const uint64_t usage = read_number(root, path);
    if (limit == UNKNOWN || usage == UNKNOWN)
        return UNKNOWN;
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    const uint64_t inactive = read_field(root, path, files->inactive);
    const uint64_t active = read_field(root, path, files->active);
    const uint64_t cached = (inactive == UNKNOWN ? 0 : inactive) + (active == UNKNOWN ? 0 : active);
    const uint64_t held = usage - MIN(usage, cached);
    return limit - MIN(limit, held);
}

// Of a group and those around it. In a container the path may be that of the world outside:
// folders that are not there limit nothing, and the mount itself is the container's group.
static uint64_t groups_free(const char *root, const struct group_files *files, const char *group)
{
    char folder[PATH_SIZE - 64];
    uint64_t least = UNKNOWN;
    const size_t mount = strlen(files->mount);
    if ((size_t)snprintf(folder, sizeof folder, "%s%s", files->mount, group) >= sizeof folder)
        return UNKNOWN;
    for (;;) {
        const uint64_t left = one_group_free(root, files, folder);
        least = MIN(least, left);
        char *slash = strrchr(folder, '/');
        if (!slash || (size_t)(slash - folder) < mount)
            return least;
        *slash = 0;
    }
}

static bool lists_memory(const char *controllers)
{
    const char *at = strstr(controllers, "memory");
    return at && (at == controllers || at[-1] == ',') && (at[6] == ',' || at[6] == 0);
}

// /proc/self/cgroup: "0::/path" is of version 2, "N:memory,...:/path" of version 1.
static uint64_t control_groups_free(const char *root)
{
    char line[PATH_SIZE - 256];
    uint64_t least = UNKNOWN;
    FILE *file = open_file(root, "/proc/self/cgroup");
    while (file && fgets(line, sizeof line, file)) {
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = 0;
        group[strcspn(group, "\n")] = 0;
        if (!strcmp(group, "/"))
            *group = 0;
        for (size_t i = 0; i < ARRAY_SIZE(group_files); i++) {
            const bool first_version = i == ARRAY_SIZE(group_files) - 1;
            if (first_version ? lists_memory(controllers + 1) : !controllers[1])
                least = MIN(least, groups_free(root, &group_files[i], group));
        }
    }
    if (file)
        fclose(file);
    return least;
}

static uint64_t address_space_free(const char *root)
{
#ifdef _WIN32
    (void)root;
    return UNKNOWN;
#else
    struct rlimit limit;
    const long page = sysconf(_SC_PAGESIZE);
    const uint64_t pages = read_number(root, "/proc/self/statm");
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || page <= 0)
        return UNKNOWN;
    const uint64_t all = limit.rlim_cur;
    return pages == UNKNOWN ? all : all - MIN(all, pages * (uint64_t)page);
#endif
}

struct host_memory vkmoe_host_memory(const char *root)
{
    const struct host_memory limits[] = {
        { machine_free(root), "of the machine's" },
        { control_groups_free(root), "of the control group's" },
        { address_space_free(root), "of the address space that the process may have" },
    };
    struct host_memory least = limits[0];
    for (size_t i = 1; i < ARRAY_SIZE(limits); i++)
        if (limits[i].free < least.free)
            least = limits[i];
    return least;
}
