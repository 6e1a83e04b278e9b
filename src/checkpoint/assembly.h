// assembly.h - quantised matrices that checkpoints keep in several tensors, values here and scales
// there, as matrices in formats of weights/formats.def. Nothing is converted when a checkpoint is
// opened: the tensors are replaced by one, in a file that is made up of theirs while it is read, a
// few rows at a time.
#ifndef VKMOE_ASSEMBLY_H
#define VKMOE_ASSEMBLY_H

#include "checkpoint/quantised.h"
#include "checkpoint/tensors.h"

struct assembly;

// What a matrix is made of.
enum part { PART_VALUES, PART_SCALES, PART_ZEROS, PART_ORDER, PART_FACTOR, PARTS };
struct stored {
    const char *path;              // of its file, for messages
    const struct vkmoe_file *file; // as a tensor's
    const uint8_t *data;
};

enum scale_type { SCALE_F32, SCALE_F16, SCALE_BF16, SCALE_E8M0, SCALE_TYPES };

struct assembled {
    const struct scheme *scheme;
    char *name;
    struct stored parts[PARTS]; // without data: there is none
    enum absence absence;       // of one of the first three
    uint64_t rows, columns;     // rows of all experts, if they are stacked
    uint32_t experts;           // 0: not stacked
    enum vkmoe_dtype dtype;     // that it becomes
    uint64_t row_size;          // in this format
    uint32_t *order;            // [columns]: a row is made of column order[0], order[1], ..., so
                                // that those of a group lie next to each other; NULL: they do
    uint64_t offset;            // in the assembly's file
    // The scale of an element is that of number
    //     expert * expert_scales + row / scale_rows * row_scales + column / scale_columns
    enum scale_type scale_type;
    uint64_t scale_rows, scale_columns, row_scales, expert_scales;
    uint32_t bits;       // of a stored integer
    uint32_t zero_added; // to what is stored of a zero
    bool is_awq;
    bool factor_divides;
};

// What is asked of a scheme: of the tensor that it goes by.
struct candidate {
    const struct tensors *tensors;
    const struct quantisation *quantisation;
    const struct vkmoe_log *log;
    const struct tensor *values, *scales;
    char stem[512]; // the former's name, without the scheme's tail
    bool *used;     // [tensors]: part of a matrix
};

// A way to keep a matrix.
struct scheme {
    const char *tail;   // of the name of what has the values
    const char *dtype;  // of these
    const char *scales; // what takes the tail's place in the name of the scales
    const char *named;  // and in the matrix's
    // Fills in the matrix, of which parts and name are known. UNSUPPORTED or INVALID with a line.
    enum vkmoe_status (*describe)(const struct candidate *candidate, struct assembled *out);
    bool orders; // it may be told an order
    // Makes `rows` whole rows, `row_size` bytes each. INVALID with a line.
    enum vkmoe_status (*make)(const struct assembled *matrix, const struct vkmoe_log *log,
        uint64_t row, uint64_t rows, unsigned char *to);
};

// Ended by one without a tail. Of those that suit the name and dtype of a tensor, and have scales,
// the first counts.
extern const struct scheme vkmoe_schemes[];

// `stem` with `tail` behind, which is used then; NULL if there is no such tensor. It may be absent.
const struct tensor *vkmoe_assembly_sibling(const struct candidate *candidate, const char *tail);

struct stored vkmoe_stored_of(const struct tensor *tensor);

// Copies bytes of a part. INVALID, with one line, if its file has them no longer.
enum vkmoe_status vkmoe_stored_read(const struct stored *part, const struct vkmoe_log *log,
    uint64_t offset, void *to, uint64_t size);

// Replaces tensors. NULL in *out if none is quantised. UNSUPPORTED or INVALID, with a line, for
// such that are and cannot be used; then the tensors may be closed, and no more.
enum vkmoe_status vkmoe_assembly_create(struct tensors *tensors,
    const struct quantisation *quantisation, const char *path, const struct vkmoe_log *log,
    struct assembly **out);

// Accepts NULL, and leaves it.
void vkmoe_assembly_destroy(struct assembly **assembly);

#endif
