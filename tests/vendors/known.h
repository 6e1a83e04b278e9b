// known.h - what a compiler said of the same pipelines before. Compilers are deterministic: for the
// same module, constants, features and build of the driver they say the same again.
#ifndef VKMOE_TESTS_KNOWN_H
#define VKMOE_TESTS_KNOWN_H

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#define KNOWN_KEY_SIZE 17

struct known {
    cJSON *file;
    const cJSON *pipelines; // NULL: nothing is known
};

// Reads what an earlier `--json` wrote with this label. A file without it, or one that cannot be
// read, knows nothing.
void known_open(struct known *known, const char *path, const char *label);
void known_close(struct known *known);

// A number object for each statistic of the pipeline of `key` (no_gpu.h); NULL if it is not known.
const cJSON *known_statistics(const struct known *known, uint64_t key);

// Of what is known a small part, always the same, is compiled all the same and compared, so that a
// record whose keys leave out something that matters is found.
bool known_is_checked(uint64_t key);

void known_format_key(uint64_t key, char text[KNOWN_KEY_SIZE]);

#endif
