// chat_template.c - see checkpoint.h. Newer checkpoints have the template in a file of its own,
// others in tokenizer_config.json, and those of models that see in chat_template.json.
#include "checkpoint/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/json.h"
#include "base/log.h"
#include "base/try.h"

enum { MAX_FILE = 16 << 20 };

// A text, or a list of {"name": ..., "template": ...}, of which "default" is meant.
static const char *find_text(const struct value *object)
{
    const struct value *item = vkmoe_value_member(object, "chat_template");
    if (!value_is(item, VALUE_LIST))
        return value_text(item);
    VALUE_EACH(one, item)
    {
        const char *name = value_text(vkmoe_value_member(one, "name"));
        if (name && strcmp(name, "default") == 0)
            return value_text(vkmoe_value_member(one, "template"));
    }
    return NULL;
}

static enum vkmoe_status read_one(
    const char *path, const char *name, bool json, const struct vkmoe_log *log, char **text)
{
    struct blob file = { 0 };
    struct value *object = NULL;
    enum vkmoe_status status;
    TRY(vkmoe_checkpoint_read_file(path, name, MAX_FILE, log, &file));
    if (file.data && json)
        TRY(vkmoe_json_parse(file.path, file.data, file.size, log, &object));
    const char *found = json ? find_text(object) : file.data;
    if (!found)
        goto fail;
    *text = malloc(strlen(found) + 1);
    if (!*text)
        TRY(vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for its template", path));
    strcpy(*text, found);
fail:
    free(object);
    vkmoe_blob_finish(&file);
    return status;
}

enum vkmoe_status vkmoe_checkpoint_read_template(
    const char *path, const struct vkmoe_log *log, char **text)
{
    static const char *const names[] = { "chat_template.jinja", "tokenizer_config.json",
        "chat_template.json" };
    *text = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(names) && !*text; i++)
        TRY_RETURN(read_one(path, names[i], i > 0, log, text));
    return VKMOE_OK;
}
