// order.c - see order.h.
#include "weights/order.h"

#include "base/common.h"
#include "base/log.h"
#include "base/try.h"
#include "device/operands.h"
#include "weights/view.h"

#include "shaders/reorder.h"

#include <stdlib.h>
#include <string.h>

#define REORDER_WORKGROUP 64 // lanes
#define REORDER_ELEMENTS 4   // of a lane

bool vkmoe_orders_equal(const struct vkmoe_view *a, const struct vkmoe_view *b)
{
    uint64_t columns = 0, others = 0;
    const uint32_t *order = vkmoe_view_order(a, &columns), *other = vkmoe_view_order(b, &others);
    return order == other
        || (order && other && columns == others
            && memcmp(order, other, (size_t)columns * sizeof *order) == 0);
}

enum vkmoe_status vkmoe_orders_refuse(
    const struct caller *caller, const char *name, const struct vkmoe_view *views, uint32_t count)
{
    uint64_t columns;
    for (uint32_t i = 0; i < count; i++)
        if (vkmoe_view_order(&views[i], &columns))
            return vkmoe_refuse(caller, VKMOE_ERROR_UNSUPPORTED,
                "%s: tensor %s has its columns in another order (desc_act, or actorder), which is "
                "not supported there",
                name, vkmoe_view_name(&views[i]));
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_orders_create(struct loading *loading, const struct vkmoe_view *views,
    uint32_t count, uint32_t columns, vkmoe_buffer **out)
{
    uint64_t stored;
    uint32_t first = 0;
    while (first < count && !vkmoe_view_order(&views[first], &stored))
        first++;
    if (first == count)
        return VKMOE_OK;
    if (!loading->reorders)
        return vkmoe_orders_refuse(&loading->caller, "a matrix", &views[first], 1);
    uint32_t *orders = malloc((size_t)count * columns * sizeof *orders);
    enum vkmoe_status status = VKMOE_OK;
    if (!orders)
        return vkmoe_fail(device_log(loading->device), VKMOE_ERROR_OUT_OF_MEMORY,
            "order of columns: out of host memory");
    for (uint32_t e = 0; e < count && status == VKMOE_OK; e++) {
        const uint32_t *order = vkmoe_view_order(&views[e], &stored);
        if (order && stored != columns)
            status = vkmoe_refuse(&loading->caller, VKMOE_ERROR_UNSUPPORTED,
                "a matrix is a part of tensor %s, which has its columns in another order "
                "(desc_act, or actorder)",
                vkmoe_view_name(&views[e]));
        for (uint32_t i = 0; i < columns && status == VKMOE_OK; i++)
            orders[(size_t)e * columns + i] = order ? order[i] : i;
    }
    if (status == VKMOE_OK)
        status = vkmoe_buffer_create_from(
            loading->device, orders, (uint64_t)count * columns * sizeof *orders, out);
    free(orders);
    return status;
}

enum vkmoe_status vkmoe_reorder_record(vkmoe_stream *stream, const struct reorder_operands *o)
{
    const uint64_t dummy = vkmoe_device_dummy_address(vkmoe_stream_device(stream));
    const struct reorder_push push = {
        .x = o->x,
        .orders = vkmoe_buffer_address(o->orders),
        .ids = o->ids ? o->ids : dummy,
        .sorted = o->sorted ? o->sorted : dummy,
        .result = o->result,
        .rows = o->count,
        .sharing = MAX(o->sharing, 1),
        .columns = o->columns,
        .x_stride = o->x_stride ? o->x_stride : o->stride,
        .stride = o->stride,
        .experts = o->experts,
    };
    return stream_run(stream, &(struct dispatch) {
        .kernel = KERNEL_reorder,
        .spec = {
            [REORDER_LANES] = REORDER_WORKGROUP,
            [REORDER_RUN] = REORDER_ELEMENTS,
            [REORDER_BY_EXPERT] = o->ids != 0,
            [REORDER_SORTED] = o->sorted != 0,
        },
        .push = &push,
        .groups = div_up(push.rows * push.stride, REORDER_WORKGROUP * REORDER_ELEMENTS),
    });
}
