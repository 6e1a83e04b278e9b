// settings.h - typed, checked reading of what a checkpoint says of itself, under the names that
// families give it. Where it stands is the opener's affair.
//
// The first thing found wrong is logged and kept in `status`; what is read afterwards
// is a preset, so that a reader asks for everything and looks at `status` once.
// `keys` are alternatives "a|b", the first one present counts. A null is an absence. In
// "a/b", a names an object that holds b.
#ifndef VKMOE_SETTINGS_H
#define VKMOE_SETTINGS_H

#include "base/log.h"
#include "base/value.h"

// A copy shares the values, and has a status of its own.
struct settings {
    const struct vkmoe_log *log;
    const char *path; // where they stand, for messages
    const struct value *root;
    const struct value *object; // what is read from: the root, or an object in it
    enum vkmoe_status status;
};

// A setting and what it is where it is absent. No key: fixed.
struct setting {
    const char *key;
    uint32_t preset;
    bool listed; // it may be a list with a number for each block, if these are all alike
};

// Logs "path: ..." and sets `status`, if nothing was wrong before.
void vkmoe_setting_fail(struct settings *settings, enum vkmoe_status status, const char *format,
    ...) VKMOE_PRINTF(3, 4);

// NULL if absent. A key that is there twice is an error.
const struct value *vkmoe_setting_find(struct settings *settings, const char *keys);
bool vkmoe_setting_is_null(struct settings *settings, const char *key); // there, and null

uint32_t vkmoe_setting_u32(
    struct settings *settings, const char *keys, uint32_t preset, uint32_t min, uint32_t max);
double vkmoe_setting_number(struct settings *settings, const char *keys, double preset);
bool vkmoe_setting_bool(struct settings *settings, const char *keys, bool preset);
const char *vkmoe_setting_string(struct settings *settings, const char *keys, const char *preset);

// NULL if absent, or an error, too. An object's settings are read from a copy whose `object` it is.
const struct value *vkmoe_setting_list(struct settings *settings, const char *keys);
const struct value *vkmoe_setting_object(struct settings *settings, const char *keys);

// A list with `count` items, "one `item` for each of `count` `owners`"; false if it is absent or
// has another number of them, which is an error.
bool vkmoe_setting_list_of(struct settings *settings, const char *key, uint32_t count,
    const char *item, const char *owners, const struct value **out);

// Whether such a list, one number for each of `count` blocks, has 1 for this one and not 0;
// `preset` if it is absent.
bool vkmoe_setting_flag_of(
    struct settings *settings, const char *key, uint32_t count, uint32_t index, bool preset);

// A setting's value. One whose preset is below `min` must be there.
uint32_t vkmoe_setting_read(
    const struct setting *setting, struct settings *settings, uint32_t min, uint32_t max);

// True if "key=text" holds. `text` is a string, a number, true, false, or null.
bool vkmoe_setting_is(struct settings *settings, const char *setting);

// UNSUPPORTED unless "key=text" holds or the key is absent.
void vkmoe_setting_expect(struct settings *settings, const char *setting);

// The same for each of up to `count` of them; NULL ends them.
void vkmoe_setting_expect_all(struct settings *settings, const char *const *expected, size_t count);

#endif
