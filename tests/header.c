// header.c - the public header by itself: nothing before it, nothing beside it.
#include <vkmoe/vkmoe.h>

#include <vkmoe/vkmoe.h>

vkmoe_device *header_device(void);

vkmoe_device *header_device(void)
{
    vkmoe_device *device = NULL;
    struct vkmoe_device_params params = { VKMOE_INIT(vkmoe_device_params) };
    return vkmoe_device_create(&params, &device) == VKMOE_OK ? device : NULL;
}
