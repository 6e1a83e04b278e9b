// lookup.h - tensors by the names that families give them, as views of checked shape.
#ifndef VKMOE_LOOKUP_H
#define VKMOE_LOOKUP_H

#include "checkpoint/tensors.h"

enum { NAME_SIZE = 256 };

// Names are patterns: {b} or {e} in them stands for a number. The first failure is logged
// and stays in `status`; later steps do nothing.
struct lookup {
    const struct tensors *tensors;
    const struct vkmoe_log *log;
    const char *directory; // for messages
    char prefix[NAME_SIZE];
    enum vkmoe_status status;
};

#define LOOKUP_FAIL(lookup, code, ...) \
    ((lookup)->status = vkmoe_fail((lookup)->log, VKMOE_ERROR_##code, __VA_ARGS__))

// The tensor of the first of the alternatives "a|b" that is there, {e} in them being `number`;
// an absent one if only that is known. NULL if none is, which is no failure. `picked`, unless
// NULL, becomes the pattern that it was, or the first of them.
const struct tensor *vkmoe_lookup_find(
    const struct lookup *lookup, const char *patterns, uint32_t number, char picked[NAME_SIZE]);

// Sets `prefix` to the first of the alternatives "a|b" under which there is a tensor of one of
// the `patterns`; if there is none, to the first, for the message to come.
void vkmoe_lookup_choose(
    struct lookup *lookup, const char *alternatives, uint32_t number, const char *patterns);

// A dense view of the tensor `name`, which may be alternatives as above, and which must have
// exactly this shape; 0 ends it. With `name` NULL, or after a failure, an absent one.
struct vkmoe_view vkmoe_lookup_view(
    struct lookup *lookup, const char *name, uint32_t number, const uint64_t shape[4]);

// Of one dimension, and of two.
struct vkmoe_view vkmoe_lookup_vector(struct lookup *lookup, const char *name, uint32_t columns);
struct vkmoe_view vkmoe_lookup_matrix(
    struct lookup *lookup, const char *name, uint32_t rows, uint32_t columns);

// The same view some elements further on; an absent one stays absent.
struct vkmoe_view vkmoe_view_offset(struct vkmoe_view view, int64_t elements);

#endif
