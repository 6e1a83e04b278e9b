// host_time.h - what a forward costs the host.
#ifndef VKMOE_BENCH_HOST_TIME_H
#define VKMOE_BENCH_HOST_TIME_H

#include "measure.h"

// Times recording, submitting and waiting of each entry, or of the model around it if there is one,
// and prints that. On a device that computes nothing it is what the host does. Returns an exit
// status.
int host_time_all(const char *device, uint64_t seed, const struct entry *entries, uint32_t count);

#endif
