// tokenizer.c - see tokenizer.h.
#include "tokenizer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/json.h"

enum {
    MAX_PATH = 4096,
    MAX_CONFIG = 16 << 20,
};

static const char replacement[] = "\xef\xbf\xbd"; // U+FFFD, for each byte that is no UTF-8

static void join(const char *model, const char *name, char path[MAX_PATH])
{
    snprintf(path, MAX_PATH, "%s/%s", model, name);
}

bool cli_tokenizer_exists(const char *model)
{
    char path[MAX_PATH];
    join(model, "tokenizer.model", path);
    return access(path, F_OK) == 0;
}

// -------------------------------------------------------------------- configuration

static int read_config(const char *path, FILE *file, cJSON **out)
{
    char *text = cli_alloc(MAX_CONFIG + 1);
    const size_t size = fread(text, 1, MAX_CONFIG + 1, file);
    int status = ferror(file) ? cli_fail("%s: cannot read: %s", path, strerror(errno))
        : cli_result(vkmoe_json_parse(path, text, size, &cli_log, out), path);
    free(text);
    return status;
}

static bool read_bool(const cJSON *config, const char *key, bool preset)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(config, key);
    return cJSON_IsBool(item) ? cJSON_IsTrue(item) : preset;
}

// Whether a text begins with the token for that, or ends with the one for that: T5's do the
// latter, others the former.
static int read_ends(const char *model, bool *begins, bool *ends)
{
    char path[MAX_PATH];
    cJSON *config = NULL;
    *begins = true;
    *ends = false;
    join(model, "tokenizer_config.json", path);
    FILE *file = fopen(path, "rb");
    if (!file)
        return errno == ENOENT ? 0 : cli_fail("%s: cannot open: %s", path, strerror(errno));
    const int status = read_config(path, file, &config);
    fclose(file);
    const cJSON *kind = cJSON_GetObjectItemCaseSensitive(config, "tokenizer_class");
    const bool is_t5 = cJSON_IsString(kind) && strncmp(kind->valuestring, "T5", 2) == 0;
    *begins = read_bool(config, "add_bos_token", !is_t5);
    *ends = read_bool(config, "add_eos_token", is_t5);
    cJSON_Delete(config);
    return status;
}

int cli_tokenizer_init(struct cli_tokenizer *t, const char *model, uint32_t vocabulary)
{
    char path[MAX_PATH];
    bool begins, ends;
    *t = (struct cli_tokenizer){0};
    join(model, "tokenizer.model", path);
    if (!cli_pieces_are_built())
        return cli_fail("%s: cannot be used, since vkmoe was built without sentencepiece; give ids "
            "with --tokens instead of --prompt, and ids are printed", path);
    if (access(path, R_OK) != 0)
        return cli_fail("%s: cannot open: %s", path, strerror(errno));
    t->pieces = cli_pieces_open(path);
    if (!t->pieces)
        return cli_fail("%s: is damaged, or no sentencepiece model", path);
    if (cli_pieces_count(t->pieces) > vocabulary)
        return cli_fail("%s: has %u tokens, the model's vocabulary only %u", path,
            cli_pieces_count(t->pieces), vocabulary);
    const int status = read_ends(model, &begins, &ends);
    t->begin = begins ? cli_pieces_begin(t->pieces) : -1;
    t->end = ends ? cli_pieces_end(t->pieces) : -1;
    return status;
}

void cli_tokenizer_finish(struct cli_tokenizer *t)
{
    cli_pieces_close(&t->pieces);
    free(t->text);
    *t = (struct cli_tokenizer){0};
}

// ----------------------------------------------------------------------------- text

uint32_t *cli_tokenizer_encode(const struct cli_tokenizer *t, const char *text, size_t size,
    uint32_t *count)
{
    const uint32_t first = t->begin >= 0, last = t->end >= 0;
    uint32_t *pieces = cli_pieces_encode(t->pieces, text, size, count);
    if (!pieces)
        exit(cli_fail("the tokenizer fails on a text of %zu bytes", size));
    uint32_t *tokens = cli_alloc(((size_t)*count + first + last) * sizeof *tokens);
    memcpy(tokens + first, pieces, *count * sizeof *tokens);
    if (first)
        tokens[0] = (uint32_t)t->begin;
    if (last)
        tokens[first + *count] = (uint32_t)t->end;
    *count += first + last;
    free(pieces);
    return tokens;
}

const char *cli_tokenizer_extend(struct cli_tokenizer *t, const uint32_t *tokens, uint32_t count,
    bool last, size_t *size)
{
    const size_t length = sizeof replacement - 1;
    size_t end;
    free(t->text);
    t->text = cli_pieces_decode(t->pieces, tokens, count, &end);
    if (!t->text)
        exit(cli_fail("the tokenizer fails on %u tokens", count));
    // A character of n bytes lacks one at least: up to n - 1 replacements may be it.
    for (int i = 0; !last && i < 3 && end >= length; i++) {
        if (memcmp(t->text + end - length, replacement, length) == 0)
            end -= length;
    }
    const size_t begin = t->shown;
    t->shown = end > begin ? end : begin;
    *size = t->shown - begin;
    return t->text + (*size ? begin : 0);
}
