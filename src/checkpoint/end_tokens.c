// end_tokens.c - see end_tokens.h.
//
// Hugging Face's generate() stops at what generation_config.json names and forgets config.json's.
// Published files agree (Llama 3, Qwen3 and gpt-oss name one token in config.json, and the same
// among others in generation_config.json), but those who fine-tune change the one or the other.
// So any token that either names ends the text.
#include "checkpoint/end_tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

static const char key[] = "eos_token_id";

static bool add_token(struct vkmoe_end_tokens *set, const cJSON *item)
{
    uint64_t value;
    if (!vkmoe_json_integer(item, &value) || value > INT32_MAX)
        return false;
    for (uint32_t i = 0; i < set->count; i++) {
        if (set->tokens[i] == value)
            return true;
    }
    if (set->count == VKMOE_MAX_END_TOKENS)
        return false;
    set->tokens[set->count++] = (uint32_t)value;
    return true;
}

// A token, a list of them, or null. False if it is something else, and then adds none.
static bool add_tokens(struct vkmoe_end_tokens *set, const cJSON *item)
{
    const uint32_t before = set->count;
    bool ok = true;
    if (!item || cJSON_IsNull(item))
        return true;
    if (!cJSON_IsArray(item))
        return add_token(set, item);
    for (const cJSON *token = item->child; ok && token; token = token->next)
        ok = add_token(set, token);
    if (!ok)
        set->count = before;
    return ok;
}

// Whether the level names tokens, be they none.
static bool add_level(struct vkmoe_end_tokens *set, struct vkmoe_config *config)
{
    const cJSON *item = vkmoe_config_find(config, key);
    if (!add_tokens(set, item))
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID,
            "%s is neither a token nor a list of up to %d tokens", key, VKMOE_MAX_END_TOKENS);
    return item || vkmoe_config_is_null(config, key);
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
    struct vkmoe_end_tokens *set, struct vkmoe_config *config, const char *path)
{
    struct line line = { { 0 } };
    const struct vkmoe_log keep = { .write = keep_line, .user = &line, .level = VKMOE_LOG_ERROR };
    cJSON *object;
    enum vkmoe_status status = vkmoe_json_open_optional(path, &keep, &object);
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (status == VKMOE_ERROR_OUT_OF_MEMORY) {
        config->status = vkmoe_fail(config->log, status, "%s", line.text);
    } else if (status != VKMOE_OK) {
        vkmoe_log(config->log, VKMOE_LOG_WARNING, "%s; the file is ignored", line.text);
    } else if (!add_tokens(set, item)) {
        vkmoe_log(config->log, VKMOE_LOG_WARNING,
            "%s: %s is neither a token nor a list of up to %d tokens; it is ignored", path, key,
            VKMOE_MAX_END_TOKENS);
        item = NULL;
    }
    cJSON_Delete(object);
    return item != NULL;
}

struct vkmoe_end_tokens *vkmoe_end_tokens_create(
    const struct vkmoe_whole_source *source, const char *directory)
{
    static const char name[] = "/generation_config.json";
    struct vkmoe_config *config = source->config;
    const size_t size = strlen(directory) + sizeof name;
    struct vkmoe_end_tokens *set = calloc(1, sizeof *set);
    char *path = malloc(size);
    if (!set || !path) {
        vkmoe_config_fail(config, VKMOE_ERROR_OUT_OF_MEMORY, "no memory for end tokens");
    } else {
        snprintf(path, size, "%s%s", directory, name);
        bool named = add_level(set, config);
        if (config->object != config->root) {
            struct vkmoe_config around = *config;
            around.object = config->root;
            named = add_level(set, &around) || named;
            config->status = around.status;
        }
        named = add_generation(set, config, path) || named;
        if (!named && source->whole->end_token >= 0)
            set->tokens[set->count++] = (uint32_t)source->whole->end_token;
    }
    free(path);
    if (config->status == VKMOE_OK)
        return set;
    free(set);
    return NULL;
}
