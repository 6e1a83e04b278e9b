// fit_account.c - see fit_account.h.
#include "device/fit_account.h"

#include <stdarg.h>
#include <stdio.h>

void vkmoe_fit_enter(vkmoe_device *device, enum fit_part part)
{
    if (device->fit)
        device->fit->part = part;
}

#define PRINT_INTO(text, format) \
    do { \
        va_list arguments; \
        va_start(arguments, format); \
        vsnprintf(text, sizeof(text), format, arguments); \
        va_end(arguments); \
    } while (0)

void vkmoe_fit_where(vkmoe_device *device, const char *format, ...)
{
    if (device->fit)
        PRINT_INTO(device->fit->where, format);
}

void vkmoe_fit_name(vkmoe_device *device, const char *format, ...)
{
    if (device->fit)
        PRINT_INTO(device->fit->name, format);
}

bool vkmoe_fit_take(struct fit *fit, uint32_t heap, uint64_t heap_size, uint64_t size)
{
    if (!fit->exceeded) {
        if (size > fit->heap_free[heap] || size > fit->host_free || size > heap_size)
            return false;
        fit->heap_free[heap] -= fit->heap_free[heap] == FIT_UNKNOWN ? 0 : size;
        fit->host_free -= fit->host_free == FIT_UNKNOWN ? 0 : size;
    }
    fit->taken += fit->heaps >> heap & 1 ? size : 0;
    return true;
}

void vkmoe_fit_give_back(struct fit *fit, uint32_t heap, uint64_t size)
{
    if (fit->exceeded)
        return; // how much is needed is the sum
    fit->heap_free[heap] += fit->heap_free[heap] == FIT_UNKNOWN ? 0 : size;
    fit->host_free += fit->host_free == FIT_UNKNOWN ? 0 : size;
    fit->taken -= fit->heaps >> heap & 1 ? size : 0;
}

bool vkmoe_fit_exceed(struct fit *fit, uint64_t size)
{
    if (!fit || fit->exceeded)
        return false;
    fit->exceeded = true;
    fit->piece = size;
    snprintf(fit->piece_name, sizeof fit->piece_name, "%s%s", fit->where, fit->name);
    return true;
}

const char *vkmoe_fit_label(const vkmoe_device *device, char text[FIT_LABEL])
{
    text[0] = 0;
    if (device->fit && device->fit->name[0])
        snprintf(text, FIT_LABEL, "%s%s: ", device->fit->where, device->fit->name);
    return text;
}
