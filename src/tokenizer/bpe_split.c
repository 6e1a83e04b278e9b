// bpe_split.c - see bpe.h: patterns by PCRE2, normalisation by utf8proc. Patterns come from files:
// what one match may take of memory is limited here, and of steps by PCRE2.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <assert.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "tokenizer/bpe.h"

enum {
    MAX_PATTERNS = 16,
    MAX_MARKS = 1000,   // in a row, which utf8proc sorts in quadratic time
    MATCH_KIB = 262144, // of memory for one match, which may be the whole text
};

struct split {
    pcre2_code *patterns[MAX_PATTERNS];
    uint32_t count;
    bool nfc;
};

bool vkmoe_bpe_is_built(void)
{
    return true;
}

struct split *vkmoe_split_open(void)
{
    return calloc(1, sizeof(struct split));
}

void vkmoe_split_close(struct split *split)
{
    for (uint32_t i = 0; split && i < split->count; i++)
        pcre2_code_free(split->patterns[i]);
    free(split);
}

void vkmoe_split_use_nfc(struct split *split)
{
    split->nfc = true;
}

bool vkmoe_split_add(struct split *split, const char *pattern, char *why, size_t room)
{
    int error;
    size_t at;
    // In Oniguruma, whose patterns these are, they mean something that PCRE2 has no word for.
    if (strstr(pattern, "&&") || strstr(pattern, "\\h") || split->count == MAX_PATTERNS) {
        snprintf(why, room, "%s",
            split->count == MAX_PATTERNS ? "there are too many" : "\"&&\" or \"\\h\" is used");
        return false;
    }
    // \C would cut within a character.
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
        PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &at, NULL);
    if (!code) {
        if (error == PCRE2_ERROR_HEAP_FAILED)
            *why = 0;
        else
            pcre2_get_error_message(error, (PCRE2_UCHAR *)why, room);
        return false;
    }
    split->patterns[split->count++] = code;
    return true;
}

// Whether the text has more combining marks in a row than any language.
static bool has_many_marks(const char *text, size_t size)
{
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text, *end = at + size;
    uint32_t marks = 0;
    while (at < end && marks <= MAX_MARKS) {
        utf8proc_int32_t code;
        const utf8proc_ssize_t length = utf8proc_iterate(at, end - at, &code);
        at += length > 0 ? length : 1;
        marks = length > 0 && utf8proc_get_property(code)->combining_class ? marks + 1 : 0;
    }
    return marks > MAX_MARKS;
}

char *vkmoe_split_normalize(
    const struct split *split, const char *text, size_t *size, const char **why)
{
    char *repaired = vkmoe_bpe_repair(text, *size, size);
    utf8proc_uint8_t *normal = NULL;
    if (!split->nfc || !repaired)
        return repaired;
    const bool many = has_many_marks(repaired, *size);
    const utf8proc_ssize_t length = many
        ? UTF8PROC_ERROR_OVERFLOW
        : utf8proc_map((const utf8proc_uint8_t *)repaired, (utf8proc_ssize_t)*size, &normal,
            UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    free(repaired);
    if (length < 0) {
        static_assert(MAX_MARKS == 1000, "as the line has it");
        if (length != UTF8PROC_ERROR_NOMEM)
            *why =
                many ? "it has more than 1000 combining marks in a row" : utf8proc_errmsg(length);
        return NULL;
    }
    *size = (size_t)length;
    return (char *)normal;
}

struct cut {
    const struct split *split;
    void (*use)(void *data, const char *piece, size_t size);
    void *data;
};

// A piece of one pattern is the whole text of the next.
static bool cut(const struct cut *c, uint32_t pattern, const char *text, size_t size)
{
    if (size == 0)
        return true;
    if (pattern == c->split->count) {
        c->use(c->data, text, size);
        return true;
    }
    const pcre2_code *code = c->split->patterns[pattern];
    pcre2_match_data *match = pcre2_match_data_create_from_pattern(code, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    bool good = match && limits;
    if (limits)
        pcre2_set_heap_limit(limits, MATCH_KIB);
    size_t from = 0;
    while (good && from < size) {
        const int found = pcre2_match(
            code, (PCRE2_SPTR)text, size, from, PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, match, limits);
        const size_t *bounds = pcre2_get_ovector_pointer(match);
        if (found <= 0) {
            good = found == PCRE2_ERROR_NOMATCH && cut(c, pattern + 1, text + from, size - from);
            break;
        }
        const size_t begin = bounds[0], end = bounds[1];
        good = begin >= from && end > begin && end <= size
            && cut(c, pattern + 1, text + from, begin - from)
            && cut(c, pattern + 1, text + begin, end - begin);
        from = end;
    }
    pcre2_match_context_free(limits);
    pcre2_match_data_free(match);
    return good;
}

bool vkmoe_split_cut(const struct split *split, const char *text, size_t size,
    void (*use)(void *data, const char *piece, size_t size), void *data)
{
    const struct cut c = { split, use, data };
    return cut(&c, 0, text, size);
}
