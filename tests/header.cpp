// header.cpp - a public header, HEADER, by itself, as C++.
#include HEADER

#include HEADER

vkmoe_device *header_device();

vkmoe_device *header_device()
{
    vkmoe_device *device = nullptr;
    vkmoe_device_params params = {};
    params.struct_size = sizeof params;
    params.validate = true;
    return vkmoe_device_create(&params, &device) == VKMOE_OK ? device : nullptr;
}
