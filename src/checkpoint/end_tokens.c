// end_tokens.c - see end_tokens.h.
//
// Hugging Face's generate() stops at what generation_config.json names and forgets config.json's.
// Published files agree (Llama 3, Qwen3 and gpt-oss name one token in config.json, and the same
// among others in generation_config.json), but those who fine-tune change the one or the other.
// So any token that either names ends the text.
#include "checkpoint/end_tokens.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

static const char key[] = "eos_token_id";

static bool add_token(struct end_tokens *set, const struct value *item)
{
    uint64_t value;
    if (!vkmoe_value_integer(item, &value) || value > INT32_MAX)
        return false;
    for (uint32_t i = 0; i < set->count; i++) {
        if (set->tokens[i] == value)
            return true;
    }
    if (set->count == MAX_END_TOKENS)
        return false;
    set->tokens[set->count++] = (uint32_t)value;
    return true;
}

// A token, a list of them, or null. False if it is something else, and then adds none.
static bool add_tokens(struct end_tokens *set, const struct value *item)
{
    const uint32_t before = set->count;
    bool ok = true;
    if (!item || item->kind == VALUE_NULL)
        return true;
    if (item->kind != VALUE_LIST)
        return add_token(set, item);
    VALUE_EACH(token, item)
    ok = ok && add_token(set, token);
    if (!ok)
        set->count = before;
    return ok;
}

// Whether the level names tokens, be they none.
static bool add_level(struct end_tokens *set, struct settings *settings)
{
    const struct value *item = vkmoe_setting_find(settings, key);
    if (!add_tokens(set, item))
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "%s is neither a token nor a list of up to %d tokens", key, MAX_END_TOKENS);
    return item || vkmoe_setting_is_null(settings, key);
}

// ---------------------------------------------------------------- generation_config.json

struct line {
    char text[1024];
};

static void keep_line(void *user, enum vkmoe_log_level level, const char *line)
{
    struct line *kept = user;
    (void)level;
    snprintf(kept->text, sizeof kept->text, "%s", line);
}

// A model whose generation_config.json is stale or damaged is as good as without one.
static bool add_generation(
    struct end_tokens *set, const struct container *container, struct settings *settings)
{
    static const char name[] = "generation_config.json";
    struct line line = { { 0 } };
    const struct vkmoe_log keep = { .write = keep_line, .user = &line, .level = VKMOE_LOG_ERROR };
    struct value *object;
    enum vkmoe_status status = vkmoe_container_open_side(container, name, &keep, &object);
    const struct value *item = vkmoe_value_member(object, key);
    const bool named = item != NULL;
    bool wrong = false;
    if (status == VKMOE_ERROR_OUT_OF_MEMORY) {
        settings->status = vkmoe_fail(settings->log, status, "%s", line.text);
    } else if (status != VKMOE_OK) {
        vkmoe_log(settings->log, VKMOE_LOG_WARNING, "%s; the file is ignored", line.text);
    } else if (!add_tokens(set, item)) {
        vkmoe_log(settings->log, VKMOE_LOG_WARNING,
            "%s/%s: %s is neither a token nor a list of up to %d tokens; it is ignored",
            container->path, name, key, MAX_END_TOKENS);
        wrong = true;
    }
    free(object);
    return named && !wrong;
}

struct end_tokens *vkmoe_end_tokens_create(
    const struct whole_source *source, const struct container *container)
{
    struct settings *settings = source->settings;
    struct end_tokens *set = calloc(1, sizeof *set);
    if (!set) {
        vkmoe_setting_fail(settings, VKMOE_ERROR_OUT_OF_MEMORY, "no memory for end tokens");
        return NULL;
    }
    bool named = add_level(set, settings);
    if (settings->object != settings->root) {
        struct settings around = *settings;
        around.object = settings->root;
        named = add_level(set, &around) || named;
        settings->status = around.status;
    }
    named = add_generation(set, container, settings) || named;
    if (!named && source->whole->end_token >= 0)
        set->tokens[set->count++] = (uint32_t)source->whole->end_token;
    if (settings->status == VKMOE_OK)
        return set;
    free(set);
    return NULL;
}
