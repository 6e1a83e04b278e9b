// guest.c - see guest.h.
#include "guest.h"

bool guest_init(struct guest *g, const struct guest_options *options)
{
    const uint64_t padded = options->size + 65536; // as design.md asks
    *g = (struct guest){ 0 };
    CHECK(host_init(&g->host, options->all_features));
    struct vkmoe_adopt_params params = host_adopt_params(&g->host);
    params.log = (struct vkmoe_log){ record_line, &g->record, options->level };
    if (options->pass_loader)
        params.get_instance_proc_addr = vkGetInstanceProcAddr;
    CHECK_OK(vkmoe_device_adopt(&params, &g->device));
    CHECK_OK(vkmoe_stream_create(g->device, &g->stream));
    CHECK(host_buffer_init(&g->host, &g->x, padded));
    CHECK(host_buffer_init(&g->host, &g->y, padded));
    CHECK_OK(vkmoe_buffer_wrap(g->device, g->x.address, options->size, &g->wrapped_x));
    CHECK_OK(vkmoe_buffer_wrap(g->device, g->y.address, options->size, &g->wrapped_y));
    return true;
fail:
    return false;
}

void guest_finish(struct guest *g)
{
    DESTROY_BUFFERS(&g->wrapped_x, &g->wrapped_y);
    vkmoe_moe_destroy(&g->layer);
    vkmoe_stream_destroy(&g->stream);
    vkmoe_device_destroy(&g->device);
    host_buffer_finish(&g->host, &g->x);
    host_buffer_finish(&g->host, &g->y);
    host_finish(&g->host);
}
