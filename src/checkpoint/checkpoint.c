// checkpoint.c - see checkpoint.h.
#include "checkpoint/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/log.h"
#include "base/try.h"
#include "checkpoint/assembly.h"
#include "checkpoint/gguf.h"
#include "checkpoint/huggingface.h"

static const struct opener *const openers[] = {
    &vkmoe_gguf,
    &vkmoe_huggingface, // the last: it takes every path
};

enum vkmoe_status vkmoe_path_check(const struct caller *caller, const char *path)
{
    return path && *path
        ? VKMOE_OK
        : vkmoe_refuse(caller, VKMOE_ERROR_INVALID, "path is %s", path ? "empty" : "NULL");
}

const struct opener *vkmoe_opener_find(const char *path)
{
    size_t i = 0;
    while (i + 1 < ARRAY_SIZE(openers) && !openers[i]->recognises(path))
        i++;
    return openers[i];
}

enum vkmoe_status vkmoe_container_open(const struct opener *opener, const char *path,
    const struct vkmoe_log *log, struct container *out)
{
    *out = (struct container){ .opener = opener, .log = log };
    out->path = malloc(strlen(path) + 1);
    if (!out->path)
        return vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for it", path);
    strcpy(out->path, path);
    TRY_RETURN(opener->open(out));
    out->settings = (struct settings){ .log = log,
        .path = out->settings_path ? out->settings_path : out->path,
        .root = out->values,
        .object = out->values };
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_container_open_tensors(struct container *container)
{
    return container->opener->open_tensors(container);
}

void vkmoe_container_close(struct container *container)
{
    if (container->opener && container->opener->close)
        container->opener->close(container);
    vkmoe_tensors_close(&container->tensors);
    vkmoe_assembly_destroy(&container->assembly);
    free(container->values);
    free(container->settings_path);
    free(container->path);
    *container = (struct container){ 0 };
}

enum vkmoe_status vkmoe_container_open_side(const struct container *container, const char *name,
    const struct vkmoe_log *log, struct value **out)
{
    *out = NULL;
    return container->opener->open_side ? container->opener->open_side(container, name, log, out)
                                        : VKMOE_OK;
}

bool vkmoe_checkpoint_has_file(const char *path, const char *name)
{
    const struct opener *opener = vkmoe_opener_find(path);
    return opener->has_file && opener->has_file(path, name);
}

enum vkmoe_status vkmoe_checkpoint_read_file(const char *path, const char *name, uint64_t max_size,
    const struct vkmoe_log *log, struct blob *out)
{
    const struct opener *opener = vkmoe_opener_find(path);
    *out = (struct blob){ 0 };
    return opener->read_file ? opener->read_file(path, name, max_size, log, out) : VKMOE_OK;
}

void vkmoe_blob_finish(struct blob *blob)
{
    free(blob->path);
    free(blob->data);
    *blob = (struct blob){ 0 };
}
