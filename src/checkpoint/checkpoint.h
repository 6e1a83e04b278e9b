// checkpoint.h - what a checkpoint is to the rest of the library, whatever it lies in: settings by
// typed keys, tensors by name, and a few more files by theirs. An opener makes that of one kind
// of container; families, blocks and views see nothing else.
#ifndef VKMOE_CHECKPOINT_H
#define VKMOE_CHECKPOINT_H

#include "checkpoint/family.h"
#include "checkpoint/settings.h"
#include "checkpoint/tensors.h"
#include "vkmoe/model.h"

struct opener;
struct assembly;

struct container {
    const struct opener *opener;
    const struct vkmoe_log *log; // the caller's, which lives longer
    char *path;                  // as it was given; for messages, and for the opener
    struct settings settings;    // under the names that families know, without fault so far
    struct tensors tensors;
    struct assembly *assembly; // of those that are quantised; NULL: none, or not looked for
    struct value *values;      // those of the settings, free()
    char *settings_path;       // likewise
    void *own;                 // the opener's
};

// Bytes of a file, for those who know what to make of them.
struct blob {
    char *path; // for messages
    char *data; // a zero follows; NULL: there is no such file
    size_t size;
};

// One kind of container. All functions write a line for a failure.
struct opener {
    const char *name;
    // Whether the path leads to one; without a line.
    bool (*recognises)(const char *path);
    // Fills in the values, of which settings are made, of a container of which path and log are
    // known. Settings are read first, since they are small and may show that the rest is of no
    // use.
    enum vkmoe_status (*open)(struct container *container);
    // Fills in `tensors`.
    enum vkmoe_status (*open_tensors)(struct container *container);
    // The family of the model, as vkmoe_family_find() has it, for containers with other settings
    // and names of tensors than Hugging Face's; it lives as long as the container. NULL: these.
    struct kind (*family)(const struct container *container, struct settings *settings);
    // Settings of other programs, by the name of their file: OK and NULL if there are none.
    // free(). NULL: there never are.
    enum vkmoe_status (*open_side)(const struct container *container, const char *name,
        const struct vkmoe_log *log, struct value **out);
    // The tokenizer's files, by name, for which no container need be open. NULL: there are none.
    // One that is there need not open.
    bool (*has_file)(const char *path, const char *name);
    // Of up to `max_size` bytes; OK and no data if there is none of this name.
    enum vkmoe_status (*read_file)(const char *path, const char *name, uint64_t max_size,
        const struct vkmoe_log *log, struct blob *out);
    // Gives `own` back. NULL: there is nothing to do.
    void (*close)(struct container *container);
};

#define OPENER(name_, ...) const struct opener vkmoe_##name_ = { .name = #name_, __VA_ARGS__ }

// The first of the library's that recognises the path. One always does: that for folders says
// what any other path is.
const struct opener *vkmoe_opener_find(const char *path);

// That a program's `path` is one.
enum vkmoe_status vkmoe_path_check(const struct caller *caller, const char *path);

// With its settings, and later with its tensors. To be closed in any case.
enum vkmoe_status vkmoe_container_open(const struct opener *opener, const char *path,
    const struct vkmoe_log *log, struct container *out);
enum vkmoe_status vkmoe_container_open_tensors(struct container *container);

// Accepts a zeroed container, and leaves one.
void vkmoe_container_close(struct container *container);

// As the opener's functions of these names. vkmoe_blob_finish() in any case.
enum vkmoe_status vkmoe_container_open_side(const struct container *container, const char *name,
    const struct vkmoe_log *log, struct value **out);
bool vkmoe_checkpoint_has_file(const char *path, const char *name);
enum vkmoe_status vkmoe_checkpoint_read_file(const char *path, const char *name, uint64_t max_size,
    const struct vkmoe_log *log, struct blob *out);
void vkmoe_blob_finish(struct blob *blob);

// The text of the chat template, of the first file that has one; free(). NULL if none has.
// chat_template.c
enum vkmoe_status vkmoe_checkpoint_read_template(
    const char *path, const struct vkmoe_log *log, char **text);

// vkmoe_checkpoint_open() with this opener, which need not be the library's. opened.c
enum vkmoe_status vkmoe_checkpoint_open_with(const struct opener *opener, const char *path,
    const struct vkmoe_log *log, vkmoe_checkpoint **out);

#endif
