// screen.c - see screen.h.
#include "screen.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "utf8.h"

void cli_screen_init(struct cli_screen *screen, bool bytes, struct cli_tokenizer *tokenizer)
{
    *screen = (struct cli_screen){
        .bytes = bytes,
        .terminal = isatty(STDOUT_FILENO),
        .utf8 = cli_utf8_shown(),
        .tokenizer = tokenizer,
    };
}

static void show(struct cli_screen *screen, const char *text, size_t size)
{
    fwrite(text, 1, size, stdout);
    screen->middle = text[size - 1] != '\n';
}

// The character that `rest` begins with, or "?" for each byte that belongs to none.
static void show_rest(struct cli_screen *screen, bool last)
{
    while (screen->rest_count > 0) {
        uint32_t code = 0;
        int length = cli_utf8_decode(screen->rest, screen->rest_count, &code);
        if (length < 0 && !last)
            return;
        const bool control = code < 0x20 ? code != '\n' && code != '\t'
                                         : code == 0x7f || (code >= 0x80 && code < 0xa0);
        if (length > 0 && control) {
            char caret[8];
            show(screen, caret,
                (size_t)snprintf(caret, sizeof caret, "^%c", (int)(code & 0x7f) ^ 0x40));
        } else if (length > 0 && (length == 1 || screen->utf8)) {
            show(screen, (const char *)screen->rest, (size_t)length);
        } else {
            show(screen, "?", 1);
        }
        const uint32_t used = length > 0 ? (uint32_t)length : 1;
        screen->rest_count -= used;
        memmove(screen->rest, screen->rest + used, screen->rest_count);
    }
}

static void show_text(struct cli_screen *screen, const char *text, size_t size)
{
    if (!screen->terminal && size > 0)
        show(screen, text, size);
    for (size_t i = 0; screen->terminal && i < size; i++) {
        screen->rest[screen->rest_count++] = (unsigned char)text[i];
        show_rest(screen, false);
    }
}

static void show_pieces(
    struct cli_screen *screen, const uint32_t *tokens, uint32_t count, bool last)
{
    size_t size;
    const char *text = cli_tokenizer_extend(screen->tokenizer, tokens, count, last, &size);
    show_text(screen, text, size);
}

void cli_screen_show(struct cli_screen *screen, const uint32_t *tokens, uint32_t count)
{
    if (screen->tokenizer)
        show_pieces(screen, tokens, count, false);
    for (; !screen->tokenizer && screen->count < count; screen->count++) {
        const char byte = (char)tokens[screen->count];
        if (screen->bytes)
            show_text(screen, &byte, 1);
        else
            printf("%u\n", tokens[screen->count]);
    }
}

void cli_screen_end(struct cli_screen *screen, const uint32_t *tokens, uint32_t count)
{
    if (screen->tokenizer)
        show_pieces(screen, tokens, count, true);
    show_rest(screen, true);
    if (screen->middle)
        show(screen, "\n", 1);
    screen->count = 0;
}
