// tuning_file.h - where `vkmoe tune` keeps what it found, and other commands find it: a file for
// each device, in the user's cache directory.
#ifndef VKMOE_CLI_TUNING_FILE_H
#define VKMOE_CLI_TUNING_FILE_H

#include "cli.h"

enum { CLI_TUNING_SIZE = 16384 }; // that the library promises to need no more than

struct cli_tuning {
    char path[4096]; // "": there is no such directory
    bool exists;
    char text[CLI_TUNING_SIZE + 1]; // that counts on the device
    char key[24];
};

// Has the device's file count, if there is one. One that does not fit is ignored, with one line.
void cli_tuning_load(vkmoe_device *device);

// What counts, and where it is kept.
int cli_tuning_get(const vkmoe_device *device, struct cli_tuning *out);

// Makes the directories for it, and shows that it can be written, before the work that would be in
// vain; then writes it.
int cli_tuning_prepare(const struct cli_tuning *tuning);
int cli_tuning_store(struct cli_tuning *tuning);

// Adds "tuning": file, key and rows.
void cli_tuning_json(cJSON *object, const struct cli_tuning *tuning);

// The line at *at, cut from those after it, if it says what is different; *at moves on.
// NULL: there is none any more.
const char *cli_tuning_next(char **at);

#endif
