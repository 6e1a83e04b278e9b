// template_file.c - see template.h. Newer checkpoints have the template in a file of its own,
// others in tokenizer_config.json, and those of models that see in chat_template.json.
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "checkpoint/checkpoint.h"
#include "cli.h"
#include "template.h"

enum { MAX_FILE = 16 << 20 };

static char *copy(const char *text)
{
    return text ? strcpy(cli_alloc(strlen(text) + 1), text) : NULL;
}

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

static enum vkmoe_status read_json(const struct blob *file, char **text)
{
    struct value *object = NULL;
    const enum vkmoe_status status =
        vkmoe_json_parse(file->path, file->data, file->size, &cli_log, &object);
    if (status == VKMOE_OK)
        *text = copy(find_text(object));
    free(object);
    return status;
}

int cli_template_read(const char *checkpoint, char **text)
{
    static const char *const names[] = { "chat_template.jinja", "tokenizer_config.json",
        "chat_template.json" };
    enum vkmoe_status status = VKMOE_OK;
    *text = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names && status == VKMOE_OK && !*text; i++) {
        struct blob file;
        status = vkmoe_checkpoint_read_file(checkpoint, names[i], MAX_FILE, &cli_log, &file);
        if (status == VKMOE_OK && file.data && i == 0)
            *text = copy(file.data);
        else if (status == VKMOE_OK && file.data)
            status = read_json(&file, text);
        vkmoe_blob_finish(&file);
    }
    return cli_result(status, checkpoint);
}
