// header.cpp - the public header by itself, as C++.
#include <vkmoe/vkmoe.h>

#include <vkmoe/vkmoe.h>

vkmoe_device *header_device();

vkmoe_device *header_device()
{
    vkmoe_device *device = nullptr;
    vkmoe_device_params params = {};
    return vkmoe_device_create(&params, &device) == VKMOE_OK ? device : nullptr;
}
