// header.c - a public header, HEADER, by itself: nothing before it, nothing beside it.
#include HEADER

#include HEADER

vkmoe_device *header_device(void);

vkmoe_device *header_device(void)
{
    vkmoe_device *device = NULL;
    struct vkmoe_device_params params = { VKMOE_INIT(vkmoe_device_params), .validate = true };
    return vkmoe_device_create(&params, &device) == VKMOE_OK ? device : NULL;
}
