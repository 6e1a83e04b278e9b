// blanks.c - see blanks.h.
#include "tokenizer/blanks.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

static const char mark[] = "\xe2\x96\x81"; // U+2581

enum { MARK_SIZE = sizeof mark - 1 };

static bool is_mark(const char *text, size_t at, size_t size)
{
    return size - at >= MARK_SIZE && memcmp(text + at, mark, MARK_SIZE) == 0;
}

size_t vkmoe_blanks_drop(const struct bpe_text *how, char *text, size_t size)
{
    size_t made = 0;
    bool blank = false; // before what comes next
    for (size_t at = 0; at < size;) {
        uint32_t code = 0;
        const int read = vkmoe_utf8_decode((const unsigned char *)text + at, size - at, &code);
        const size_t length = read > 0 ? (size_t)read : 1;
        const bool is_blank = how->only_words ? vkmoe_utf8_is_blank(code) : code == ' ';
        if (is_blank && !(blank && (how->one_blank || how->only_words))) {
            text[made++] = ' ';
        } else if (!is_blank) {
            memmove(text + made, text + at, length);
            made += length;
        }
        blank = is_blank;
        at += length;
    }
    while (made > 0 && text[made - 1] == ' ' && (how->no_last_blank || how->only_words))
        made--;
    const size_t skipped = how->only_words && made > 0 && text[0] == ' ';
    memmove(text, text + skipped, made - skipped);
    return made - skipped;
}

char *vkmoe_blanks_mark(
    const struct bpe_text *how, const char *text, size_t size, bool prefix, size_t *out_size)
{
    const bool begins =
        size > 0 && (text[0] == ' ' || (size >= MARK_SIZE && memcmp(text, mark, MARK_SIZE) == 0));
    char *out = calloc(size + 1, MARK_SIZE);
    size_t made = 0;
    if (!out)
        return NULL;
    if (prefix && size > 0 && !(begins && how->prefix_once))
        made = MARK_SIZE;
    memcpy(out, mark, made);
    for (size_t i = 0; i < size; i++) {
        if (text[i] == ' ')
            memcpy(out + made, mark, MARK_SIZE);
        else
            out[made] = text[i];
        made += text[i] == ' ' ? MARK_SIZE : 1;
    }
    *out_size = made;
    return out;
}

size_t vkmoe_blanks_word(const char *text, size_t at, size_t size)
{
    size_t end = at + 1;
    while (end < size && !is_mark(text, end, size))
        end++;
    return end;
}

size_t vkmoe_blanks_unmark(char *to, const char *text, size_t size)
{
    size_t made = 0;
    for (size_t at = 0; at < size;) {
        const bool blank = is_mark(text, at, size);
        to[made++] = blank ? ' ' : text[at];
        at += blank ? MARK_SIZE : 1;
    }
    return made;
}
