// config.h - typed, checked reading of config.json.
//
// The first thing found wrong is logged and kept in `status`; what is read afterwards
// is a fallback, so that a reader asks for everything and looks at `status` once.
// `keys` are alternatives "a|b", the first one present counts. A null is an absence.
#ifndef VKMOE_MODEL_CONFIG_H
#define VKMOE_MODEL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "base/log.h"

struct vkmoe_config {
    const struct vkmoe_log *log;
    char *path; // of the file
    cJSON *root;
    const cJSON *object; // what the settings are read from: the root, or text_config in it
    const struct vkmoe_alias *alias; // if it has a known family's block under another name
    enum vkmoe_status status;
};

// Opens `directory`/config.json.
enum vkmoe_status vkmoe_config_open(
    const char *directory, const struct vkmoe_log *log, struct vkmoe_config *out);

// Accepts a zeroed config, and leaves one.
void vkmoe_config_close(struct vkmoe_config *config);

// Logs "path: ..." and sets `status`, if nothing was wrong before.
void vkmoe_config_fail(struct vkmoe_config *config, enum vkmoe_status status, const char *format,
    ...) VKMOE_PRINTF(3, 4);

// NULL if absent. A key that is there twice is an error.
const cJSON *vkmoe_config_find(struct vkmoe_config *config, const char *keys);
bool vkmoe_config_is_null(struct vkmoe_config *config, const char *key); // there, and null

uint32_t vkmoe_config_u32(
    struct vkmoe_config *config, const char *keys, uint32_t fallback, uint32_t min, uint32_t max);
double vkmoe_config_number(struct vkmoe_config *config, const char *keys, double fallback);
bool vkmoe_config_bool(struct vkmoe_config *config, const char *keys, bool fallback);
const char *vkmoe_config_string(
    struct vkmoe_config *config, const char *keys, const char *fallback);

// True if "key=text" holds. `text` is a string, a number, true, false, or null.
bool vkmoe_config_is(struct vkmoe_config *config, const char *setting);

// UNSUPPORTED unless "key=text" holds or the key is absent.
void vkmoe_config_expect(struct vkmoe_config *config, const char *setting);

#endif
