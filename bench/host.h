// host.h - the machine that a measurement was made on.
#ifndef VKMOE_BENCH_HOST_H
#define VKMOE_BENCH_HOST_H

#include <cjson/cJSON.h>

double host_available_memory(void); // bytes; 0: unknown

// Processes that want a CPU, mean over the last minute; negative: unknown.
double host_load(void);

// {os, kernel, machine, cpu, cpus, memory_bytes}
cJSON *host_describe(void);

#endif
