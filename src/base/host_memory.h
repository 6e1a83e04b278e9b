// host_memory.h - how much more memory this process may take of the machine it runs on.
#ifndef VKMOE_HOST_MEMORY_H
#define VKMOE_HOST_MEMORY_H

#include <stdint.h>

struct host_memory {
    uint64_t free;     // bytes; UINT64_MAX: nobody says
    const char *limit; // what sets it, to be put behind a size: "of the machine's"
};

// The least of what the machine has left, what the control groups that the process is in have
// left, and what its own limit of address space leaves. Files that are missing limit nothing.
// `root` stands before the paths of all of them: "", or a test's folder.
struct host_memory vkmoe_host_memory(const char *root);

#endif
