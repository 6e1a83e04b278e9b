// order.h - matrices whose columns are in another order than the elements of x: columns of a group,
// which have a scale in common, lie next to each other, wherever the groups' columns were (GPTQ's
// desc_act). What is multiplied by them is brought into that order first.
#ifndef VKMOE_ORDER_H
#define VKMOE_ORDER_H

#include "device/stream.h"
#include "weights/pack.h"

// Whether two matrices have their columns in the same order.
bool vkmoe_orders_equal(const struct vkmoe_view *a, const struct vkmoe_view *b);

// UNSUPPORTED, with a line, if one of `count` matrices has its columns in another order: of such as
// nothing is brought into an order for. `name` is the caller's for them.
enum vkmoe_status vkmoe_orders_refuse(
    const struct caller *caller, const char *name, const struct vkmoe_view *views, uint32_t count);

// The orders of the columns of `count` matrices, u32 [count][columns]; *out stays NULL if all are
// as they are. UNSUPPORTED, with a line, if one is another's only in part, or if the loading's
// caller brings no x into any order.
enum vkmoe_status vkmoe_orders_create(struct loading *loading, const struct vkmoe_view *views,
    uint32_t count, uint32_t columns, vkmoe_buffer **out);

// Brings rows of f32 into the orders of the matrices that they are to be multiplied by.
struct reorder_operands {
    const vkmoe_buffer *orders;
    uint64_t x;        // [rows / sharing][x_stride]
    uint64_t result;   // [rows][stride]: zeros behind the columns
    uint32_t count;    // of rows
    uint32_t sharing;  // rows that come from one of x; 0: 1
    uint32_t columns;  // of the matrices
    uint32_t x_stride; // 0: as `stride`
    uint32_t stride;
    // Which row goes to which of several matrices; 0: to the first, or row i is pair i.
    uint64_t ids;     // i32 [pairs]: the pair's
    uint64_t sorted;  // u32 [rows]: the row's pair
    uint32_t experts; // as many matrices
};
enum vkmoe_status vkmoe_reorder_record(
    vkmoe_stream *stream, const struct reorder_operands *operands);

#endif
