// record_attention.h - the pipelines of attention and of whole models, for pipelines.c.
#ifndef VKMOE_TESTS_VENDORS_RECORD_ATTENTION_H
#define VKMOE_TESTS_VENDORS_RECORD_ATTENTION_H

#include "device/device.h"

// Records what published models would, and calls `recorded` with a name after each; a
// status other than VKMOE_OK says that it could not be.
void record_attentions(vkmoe_device *device,
    void (*recorded)(void *user, const char *name, enum vkmoe_status status), void *user);

#endif
