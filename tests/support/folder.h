// folder.h - a folder of a test's own, and files in it. What cannot be written ends the program.
#ifndef VKMOE_TESTS_FOLDER_H
#define VKMOE_TESTS_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

extern char folder[64]; // its path

// Below TMPDIR, or else /tmp; false, after a message, if there cannot be one.
bool folder_begin(const char *name);
void folder_finish(void);

void folder_empty(void);

// The path of a file in it, until the next call.
const char *folder_path(const char *name);
// With the folders that its name has.
void folder_write(const char *name, const void *data, size_t size);
void folder_write_text(const char *name, const char *text);
// `text` with the first `old` replaced, which must be there; release it. With `old` NULL: all of
// it.
char *text_changed(const char *text, const char *old, const char *new);
// The config of the folder `from`, so changed, and a link to its tensors.
void folder_change_config(const char *from, const char *old, const char *new);
// The folders that the name has: all before the last slash.
void folder_make(const char *name);

#endif
