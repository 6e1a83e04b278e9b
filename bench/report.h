// report.h - measurements as a table and as JSON.
#ifndef VKMOE_BENCH_REPORT_H
#define VKMOE_BENCH_REPORT_H

#include <stdio.h>

#include "measure.h"

void report_header(FILE *file, const struct bench *bench);
void report_entry(FILE *file, const struct entry *entry);

// One object for the whole run, "moe-vk-bench/1". False if the file could not be written,
// and errno says why. `path` NULL: standard output.
bool report_json(const char *path, const struct bench *bench, const struct entry *entries,
    uint32_t count, double load_before);

#endif
