// tiktoken.c - see tiktoken.h. How a text is cut is not in such a file but in the code that reads
// it; what that is, is known of classes that were looked at.
#include "tokenizer/tiktoken.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/try.h"
#include "checkpoint/gguf_tokenizer.h"
#include "tokenizer/base64.h"
#include "tokenizer/tokenizer_json.h"

enum { MAX_TOKEN = 1024 }; // bytes: what is merged to it is looked for at each

static const struct {
    const char *name, *split; // as GGUF files call it
    bool nfc;
} classes[] = {
    { "TikTokenTokenizer", "kimi-k2", false },
    { "QWenTokenizer", "qwen2", true },
    { "HYTokenizer", "hunyuan", true },
    { "ChatGLM4Tokenizer", "glm4", false },
};

// ----------------------------------------------------------------------------- tokens

struct line {
    const char *text;
    size_t size;
    uint64_t rank;
};

// The line at *at, with its end; false: it is not of this form.
static bool read_line(const struct blob *file, size_t *at, struct line *out)
{
    const char *text = file->data + *at, *blank = NULL;
    size_t size = 0;
    while (*at + size < file->size && text[size] != '\n')
        size++;
    *at += size + (*at + size < file->size);
    if (size > 0 && text[size - 1] == '\r')
        size--;
    blank = memchr(text, ' ', size);
    if (!blank || blank == text)
        return false;
    *out = (struct line){ text, (size_t)(blank - text), 0 };
    const char *end = text + size;
    for (const char *digit = blank + 1; digit < end; digit++) {
        if (*digit < '0' || *digit > '9' || out->rank > UINT32_MAX)
            return false;
        out->rank = 10 * out->rank + (uint64_t)(*digit - '0');
    }
    return blank + 1 < end && out->size <= 2 * MAX_TOKEN;
}

bool vkmoe_tiktoken_is(const struct blob *file)
{
    char bytes[2 * MAX_TOKEN];
    struct line line;
    size_t at = 0, size;
    return file->size > 0 && read_line(file, &at, &line)
        && vkmoe_base64_decode(line.text, line.size, bytes, &size);
}

static enum vkmoe_status lack_memory(const struct vkmoe_log *log, const char *path)
{
    return vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: out of host memory", path);
}

static enum vkmoe_status add_line(const struct vkmoe_log *log, struct bpe *bpe,
    const struct blob *file, size_t *at, uint32_t number, uint32_t room)
{
    char bytes[2 * MAX_TOKEN];
    struct line line;
    size_t size;
    if (!read_line(file, at, &line) || !vkmoe_base64_decode(line.text, line.size, bytes, &size)
        || size > MAX_TOKEN)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID,
            "%s: line %u is not a token of at most %d bytes, in base64, and its rank", file->path,
            number, MAX_TOKEN);
    if (line.rank >= room)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: line %u is token %llu, expected up to %u",
            file->path, number, (unsigned long long)line.rank, room - 1);
    if (vkmoe_bpe_add_bytes(bpe, bytes, size, (uint32_t)line.rank))
        return VKMOE_OK;
    return vkmoe_bpe_lacks_memory(bpe)
        ? lack_memory(log, file->path)
        : vkmoe_fail(log, VKMOE_ERROR_INVALID,
            "%s: line %u is a token, or has a rank, that was there before", file->path, number);
}

// --------------------------------------------------------------------------- patterns

static enum vkmoe_status add_pattern(
    const struct vkmoe_log *log, struct bpe *bpe, const char *path, const char *pattern)
{
    char why[128];
    if (vkmoe_split_add(vkmoe_bpe_split(bpe), pattern, why, sizeof why))
        return VKMOE_OK;
    return !*why
        ? lack_memory(log, path)
        : vkmoe_fail(log, VKMOE_ERROR_INVALID,
            "%s: the pattern that tokenizer_config.json has for it cannot be used: %s", path, why);
}

static enum vkmoe_status add_patterns(
    const struct vkmoe_log *log, struct bpe *bpe, const char *path, const struct value *config)
{
    const char *pattern = value_text(json_find(config, "pattern"));
    const char *class = value_text(json_find(config, "tokenizer_class"));
    char shown[64];
    if (!pattern)
        pattern = value_text(json_find(config, "pat_str"));
    if (pattern)
        return add_pattern(log, bpe, path, pattern);
    for (size_t i = 0; class && i < sizeof classes / sizeof *classes; i++) {
        if (strcmp(class, classes[i].name) != 0)
            continue;
        // That code has names for them, too, which other files repeat.
        if (!value_is(json_find(config, "added_tokens_decoder"), VALUE_OBJECT))
            return vkmoe_fail(log, VKMOE_ERROR_INVALID,
                "%s: its tokenizer_config.json has no added_tokens_decoder", path);
        const struct gguf_split *split = vkmoe_gguf_find_split(classes[i].split);
        enum vkmoe_status status = 0;
        for (const char *const *at = split->patterns; status == VKMOE_OK && *at; at++)
            status = add_pattern(log, bpe, path, *at);
        if (classes[i].nfc)
            vkmoe_split_use_nfc(vkmoe_bpe_split(bpe));
        return status;
    }
    return class ? vkmoe_fail(log, VKMOE_ERROR_UNSUPPORTED,
               "%s: how a tokenizer of class \"%s\" cuts a text is not known", path,
               vkmoe_printable(class, shown, sizeof shown))
                 : vkmoe_fail(log, VKMOE_ERROR_INVALID,
                     "%s: no tokenizer_config.json says how a text is cut", path);
}

uint64_t vkmoe_tiktoken_count(const struct blob *file)
{
    struct line line;
    uint64_t count = 0;
    for (size_t at = 0; at < file->size;) {
        if (read_line(file, &at, &line) && line.rank >= count)
            count = line.rank + 1;
    }
    return count;
}

enum vkmoe_status vkmoe_tiktoken_read(const struct vkmoe_log *log, const struct blob *file,
    const struct value *config, uint32_t room, struct bpe **out)
{
    // A piece that is a token becomes that.
    struct bpe *bpe = *out = vkmoe_bpe_open(room, 0, true);
    if (!bpe)
        return lack_memory(log, file->path);
    TRY_RETURN(add_patterns(log, bpe, file->path, config));
    uint32_t number = 1;
    for (size_t at = 0; at < file->size; number++)
        TRY_RETURN(add_line(log, bpe, file, &at, number, room));
    if (number == 1)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: is empty", file->path);
    vkmoe_bpe_derive_merges(bpe);
    return VKMOE_OK;
}
