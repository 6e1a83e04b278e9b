// host.c - see host.h.
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE // getloadavg
#endif
#include "host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

// What follows "key" and a colon in a file like /proc/cpuinfo; "" if nothing does.
static void read_field(const char *path, const char *key, char *value, size_t size)
{
    char line[512];
    FILE *file = fopen(path, "r");
    value[0] = '\0';
    while (file && !value[0] && fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        if (!colon || strncmp(line, key, strlen(key)))
            continue;
        colon += 1 + strspn(colon + 1, " \t");
        snprintf(value, size, "%.*s", (int)strcspn(colon, "\n"), colon);
    }
    if (file)
        fclose(file);
}

static double read_kib(const char *key)
{
    char value[64];
    read_field("/proc/meminfo", key, value, sizeof value);
    return strtod(value, NULL) * 1024;
}

double host_available_memory(void)
{
    return read_kib("MemAvailable");
}

double host_load(void)
{
    double load;
    return getloadavg(&load, 1) == 1 ? load : -1;
}

cJSON *host_describe(void)
{
    cJSON *object = cJSON_CreateObject();
    struct utsname name;
    char cpu[256];
    if (uname(&name) == 0) {
        cJSON_AddStringToObject(object, "os", name.sysname);
        cJSON_AddStringToObject(object, "kernel", name.release);
        cJSON_AddStringToObject(object, "machine", name.machine);
    }
    read_field("/proc/cpuinfo", "model name", cpu, sizeof cpu);
    cJSON_AddStringToObject(object, "cpu", cpu);
    cJSON_AddNumberToObject(object, "cpus", (double)sysconf(_SC_NPROCESSORS_ONLN));
    cJSON_AddNumberToObject(object, "memory_bytes", read_kib("MemTotal"));
    return object;
}
