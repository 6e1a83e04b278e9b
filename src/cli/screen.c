// screen.c - see screen.h.
#include "screen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "utf8.h"

// A text that cannot be shown is the end.
static void must(enum vkmoe_status status)
{
    if (cli_result(status, "the tokenizer") != 0)
        exit(1);
}

void cli_screen_init(struct cli_screen *screen, const struct cli_session *session)
{
    *screen = (struct cli_screen){
        .bytes = session->bytes,
        .terminal = isatty(STDOUT_FILENO),
        .utf8 = cli_utf8_shown(),
        .session = session,
    };
    if (session->pieces)
        must(vkmoe_decoder_create(session->tokenizer, &screen->decoder));
}

void cli_screen_finish(struct cli_screen *screen)
{
    vkmoe_decoder_destroy(&screen->decoder);
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
        int length = vkmoe_utf8_decode(screen->rest, screen->rest_count, &code);
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

static void show_piece(struct cli_screen *screen, uint32_t token)
{
    const struct cli_session *s = screen->session;
    const uint32_t at = screen->count;
    const char *text;
    size_t size;
    if ((s->begin_added && at == 0) || (s->end_added && at == s->end_at)) {
        must(vkmoe_decoder_skip(screen->decoder, token));
        return;
    }
    must(vkmoe_decoder_put(screen->decoder, &token, 1, &text, &size));
    show_text(screen, text, size);
}

void cli_screen_show(struct cli_screen *screen, const uint32_t *tokens, uint32_t count)
{
    for (; screen->count < count; screen->count++) {
        const char byte = (char)tokens[screen->count];
        if (screen->decoder)
            show_piece(screen, tokens[screen->count]);
        else if (screen->bytes)
            show_text(screen, &byte, 1);
        else
            printf("%u\n", tokens[screen->count]);
    }
}

void cli_screen_end(struct cli_screen *screen, const uint32_t *tokens, uint32_t count)
{
    const char *text;
    size_t size;
    cli_screen_show(screen, tokens, count);
    if (screen->decoder) {
        must(vkmoe_decoder_end(screen->decoder, &text, &size));
        show_text(screen, text, size);
    }
    show_rest(screen, true);
    if (screen->middle)
        show(screen, "\n", 1);
    screen->count = 0;
}
