// tokenizer_tools.c - see tokenizer_tools.h.
#include "tokenizer_tools.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"

char tools_directory[] = "/tmp/vkmoe-tokenizer-XXXXXX";
char tools_said[TOOLS_MAX_SAID];
struct tools_tokenizer tools_tokenizer;
uint32_t *tools_tokens, tools_count;
const char *const tools_bpe_names[TOOLS_BPE_NAMES] = { "llama-bpe", "qwen2", "gpt-4o",
    "deepseek-v3", "olmo", "refact", "spm-prepend", "spm-first", "spm-words", "spm-bare",
    "unigram-bytes", "unigram-words", "unigram-split" };
static int saved_stderr;

static void remove_folder(void)
{
    static const char *const names[] = { "tokenizer.model", "spiece.model", "tokenizer.json",
        "tokenizer_config.json", "added_tokens.json", "special_tokens_map.json", "m.gguf",
        "tiktoken.model", "x.tiktoken", "stderr" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        tools_remove(names[i]);
    rmdir(tools_directory);
}

int tools_main(int argc, char **argv, void (*rows)(struct tap *tap), void (*clean_up)(void),
    const struct test *tests, uint32_t count)
{
    struct tap tap;
    if (!tap_begin(&tap, argc, argv) || (!tap.list && !mkdtemp(tools_directory)))
        return 2;
    if (rows)
        rows(&tap);
    run_clean_tests(&tap, tests, count, clean_up);
    if (!tap.list)
        remove_folder();
    return tap_end(&tap);
}

const char *tools_path(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", tools_directory, name);
    return path;
}

bool tools_write(const char *name, const void *data, size_t size)
{
    FILE *file = fopen(tools_path(name), "wb");
    bool ok = file && fwrite(data, 1, size, file) == size;
    if (file && fclose(file) != 0)
        ok = false;
    return ok;
}

void tools_remove(const char *name)
{
    remove(tools_path(name));
}

char *tools_read_model(const char *name, size_t *size)
{
    static char data[TOOLS_MODEL_ROOM];
    char path[1024];
    snprintf(path, sizeof path, VKMOE_TEST_MODELS "/tokenizers/%s", name);
    FILE *file = fopen(path, "rb");
    *size = file ? fread(data, 1, sizeof data, file) : 0;
    if (file)
        fclose(file);
    return data;
}

char *tools_read_bpe(const char *name, const char *kind, size_t *size)
{
    char file[64];
    snprintf(file, sizeof file, "bpe/%s%s.json", name, kind);
    return tools_read_model(file, size);
}

static void say(void *user, enum vkmoe_log_level level, const char *line)
{
    (void)user;
    if (level == VKMOE_LOG_ERROR)
        fprintf(stderr, "vkmoe: %s\n", line);
}

int tools_init(struct tools_tokenizer *t, const char *path, uint32_t vocabulary, bool is_t5)
{
    const struct vkmoe_log log = { .write = say };
    *t = (struct tools_tokenizer){ 0 };
    const enum vkmoe_status status = is_t5
        ? vkmoe_tokenizer_open(
            &(struct source){ .log = &log, .path = path }, vocabulary, true, &t->tokenizer)
        : vkmoe_tokenizer_create(
            &(struct vkmoe_tokenizer_params){ VKMOE_INIT(vkmoe_tokenizer_params), .log = log,
                .path = path, .vocabulary = vocabulary },
            &t->tokenizer);
    if (status == VKMOE_OK)
        vkmoe_decoder_create(t->tokenizer, &t->decoder);
    return status == VKMOE_OK && t->decoder ? 0 : 1;
}

void tools_finish(struct tools_tokenizer *t)
{
    vkmoe_decoder_destroy(&t->decoder);
    vkmoe_tokenizer_destroy(&t->tokenizer);
    free(t->text);
    *t = (struct tools_tokenizer){ 0 };
}

int tools_encode_params(struct tools_tokenizer *t, const struct vkmoe_encode_params *params,
    uint32_t **tokens, uint32_t *count)
{
    struct vkmoe_encoding encoding = { VKMOE_INIT(vkmoe_encoding) };
    // Once to learn their number.
    enum vkmoe_status status = vkmoe_tokenizer_encode(t->tokenizer, params, &encoding);
    *count = encoding.room = encoding.count;
    *tokens = encoding.tokens = calloc(encoding.count + (size_t)1, sizeof **tokens);
    if (status == VKMOE_OK)
        status = vkmoe_tokenizer_encode(t->tokenizer, params, &encoding);
    t->begin_added = encoding.begin_added;
    t->end_added = encoding.end_added;
    t->end_at = encoding.count - 1;
    tools_rewind(t);
    return status == VKMOE_OK && encoding.count == *count ? 0 : 1;
}

int tools_encode_with(struct tools_tokenizer *t, const char *text, size_t size, bool plain,
    uint32_t **tokens, uint32_t *count)
{
    return tools_encode_params(t,
        &(struct vkmoe_encode_params){ VKMOE_INIT(vkmoe_encode_params), .text = text, .size = size,
            .special = plain ? VKMOE_SPECIAL_TOKENS_NOWHERE : VKMOE_SPECIAL_TOKENS_EVERYWHERE },
        tokens, count);
}

void tools_rewind(struct tools_tokenizer *t)
{
    vkmoe_decoder_rewind(t->decoder);
    t->seen = 0;
}

static void add_text(struct tools_tokenizer *t, const char *part, size_t part_size, size_t *size)
{
    if (*size + part_size >= t->text_room)
        t->text = realloc(t->text, t->text_room = 2 * (*size + part_size + 1));
    memcpy(t->text + *size, part, part_size);
    *size += part_size;
    t->text[*size] = '\0';
}

const char *tools_extend(
    struct tools_tokenizer *t, const uint32_t *tokens, uint32_t count, bool last, size_t *size)
{
    const char *part;
    size_t part_size = 0;
    *size = 0;
    add_text(t, "", 0, size);
    while (t->seen < count) {
        const bool skip =
            (t->begin_added && t->seen == 0) || (t->end_added && t->seen == t->end_at);
        uint32_t next = skip ? t->seen + 1 : count;
        if (!skip && t->end_added && t->seen < t->end_at && t->end_at < next)
            next = t->end_at;
        if (skip)
            vkmoe_decoder_skip(t->decoder, tokens[t->seen]);
        else if (vkmoe_decoder_put(t->decoder, tokens + t->seen, next - t->seen, &part, &part_size)
            == VKMOE_OK)
            add_text(t, part, part_size, size);
        t->seen = next;
    }
    if (last && vkmoe_decoder_end(t->decoder, &part, &part_size) == VKMOE_OK)
        add_text(t, part, part_size, size);
    return t->text;
}

bool tools_encode(const char *text, bool plain)
{
    free(tools_tokens);
    tools_tokens = NULL;
    return !tools_encode_with(
        &tools_tokenizer, text, strlen(text), plain, &tools_tokens, &tools_count);
}

bool tools_decode_to(const char *expected)
{
    char text[TOOLS_MAX_TEXT];
    size_t used = 0, size;
    for (uint32_t i = 0; i <= tools_count; i++) {
        const char *part = tools_extend(&tools_tokenizer, tools_tokens, i, i == tools_count, &size);
        CHECK(used + size < TOOLS_MAX_TEXT);
        memcpy(text + used, part, size);
        used += size;
    }
    return used == strlen(expected) && memcmp(text, expected, used) == 0;
fail:
    return false;
}

static bool check_case(const char *name, const struct value *item)
{
    const char *text = value_text(vkmoe_value_member(item, "text"));
    const struct value *ids = vkmoe_value_member(item, "ids");
    CHECK(text && tools_encode(text, false));
    if (tools_count != ids->count)
        tap_note("%s, '%s': %u tokens", name, text, tools_count);
    CHECK(tools_count == ids->count);
    for (uint32_t i = 0; i < tools_count; i++) {
        if ((double)tools_tokens[i] != ids->items[i].number)
            tap_note("%s, '%s': [%u] is %u", name, text, i, tools_tokens[i]);
        CHECK((double)tools_tokens[i] == ids->items[i].number);
    }
    CHECK(tools_decode_to(value_text(vkmoe_value_member(item, "decoded"))));
    return true;
fail:
    return false;
}

bool tools_encode_as_expected(const char *name)
{
    struct value *json = NULL;
    size_t size;
    const char *data = tools_read_bpe(name, ".expected", &size);
    CHECK(vkmoe_json_parse(name, data, size, NULL, &json) == VKMOE_OK);
    const struct value *cases = vkmoe_value_member(json, "cases");
    CHECK(cases && cases->count == 43);
    VALUE_EACH(item, cases)
    CHECK(check_case(name, item));
    free(json);
    return true;
fail:
    free(json);
    return false;
}

void tools_clean_up(void)
{
    free(tools_tokens);
    tools_tokens = NULL;
    tools_finish(&tools_tokenizer);
}

void tools_begin_listening(void)
{
    fflush(stderr);
    saved_stderr = dup(STDERR_FILENO);
    int file = open(tools_path("stderr"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    dup2(file, STDERR_FILENO);
    close(file);
}

uint32_t tools_end_listening(void)
{
    uint32_t lines = 0;
    lseek(STDERR_FILENO, 0, SEEK_SET);
    ssize_t size = read(STDERR_FILENO, tools_said, sizeof tools_said - 1);
    tools_said[size > 0 ? size : 0] = '\0';
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    for (const char *c = tools_said; *c; c++)
        lines += *c == '\n';
    return lines;
}
