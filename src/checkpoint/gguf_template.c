// gguf_template.c - the chat template of a GGUF file, as the file that other checkpoints have.
#include "checkpoint/gguf.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/try.h"

enum vkmoe_status vkmoe_gguf_read_template(
    const char *path, const struct vkmoe_log *log, struct blob *out)
{
    struct vkmoe_file *file = NULL;
    struct arena arena = { 0 };
    struct gguf_file keys;
    enum vkmoe_status status;
    TRY(vkmoe_file_open(path, log, &file));
    TRY(vkmoe_gguf_read(file, log, &arena, &keys));
    const char *text = value_text(vkmoe_gguf_value(&keys, "tokenizer.chat_template"));
    if (!text)
        goto fail;
    out->size = strlen(text);
    out->path = malloc(strlen(path) + 1);
    out->data = malloc(out->size + 1);
    if (!out->path || !out->data)
        TRY(vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for its template", path));
    strcpy(out->path, path);
    memcpy(out->data, text, out->size + 1);
fail:
    vkmoe_file_close(&file);
    vkmoe_arena_finish(&arena);
    return status;
}
