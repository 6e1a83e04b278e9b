// quantise.h - checkpoints as published quantised ones: from a folder of a model two more, one with
// matrices quantised in some way, and one with the values that these stand for. The layouts are
// typed here a second time, from the programs that write them and not from src/checkpoint.
#ifndef VKMOE_TESTS_QUANTISE_H
#define VKMOE_TESTS_QUANTISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vkmoe/vkmoe.h>

// A safetensors file that is being written.
struct quantise_file {
    char *header, *data;
    size_t header_size, data_size, room[2];
};

void quantise_add(struct quantise_file *file, const char *name, const char *tail, const char *dtype,
    const uint64_t shape[4], const void *data, size_t size);
// The shape as it is in JSON, without brackets.
void quantise_add_sized(struct quantise_file *file, const char *name, const char *dtype,
    const char *sizes, const void *data, size_t size);
// Writes it below the test's folder (folder.h), and frees it.
void quantise_write(struct quantise_file *file, const char *path);

// Opens a folder's tensors as a checkpoint does.
struct container;
struct quantisation;
enum vkmoe_status quantise_open(const char *path, const struct vkmoe_log *log,
    struct quantisation *quantisation, struct container *out);

struct way {
    const char *name, *config; // quantization_config
    uint32_t group;            // columns must be a multiple
    bool stacked; // it is for stacked experts, [experts][in][out], otherwise for matrices
    bool model;   // of the ways that become one format, the one that a model is run with
    // Adds the tensors of the matrix, which is called `name` with .weight behind, or stacked
    // ones; `values` [rows][columns] become what is stored.
    void (*store)(struct quantise_file *file, const char *name, double *values, uint32_t experts,
        uint32_t rows, uint32_t columns);
    bool ordered; // groups' columns lie apart
    bool head;    // the head of the model as well
};

extern const struct way quantise_ways[];
extern const uint32_t quantise_way_count;
struct way quantise_way_named(const char *name); // which there is

// Writes quantised/ and plain/ below the test's folder; how many matrices were quantised, or -1
// after a note.
int quantise_folder(const char *from, const struct way *way);

#endif
