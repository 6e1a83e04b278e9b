// decoder.c - see vkmoe/tokenizer.h: tokens to text, as they come.
//
// The blank of the tokenizer's own that a section of a text was given is left out again where it
// was put, so that a text is printed as it was written.
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/log.h"
#include "base/try.h"
#include "base/utf8.h"
#include "tokenizer/tokenizer.h"

static const char replacement[] = "\xef\xbf\xbd"; // U+FFFD, for each byte that is no UTF-8

struct vkmoe_decoder {
    const vkmoe_tokenizer *tokenizer;
    uint32_t *tokens, count, room; // of the section that is not shown to its last byte
    size_t shown;                  // bytes of it
    bool any;                      // token there was before
    bool inside;                   // the section goes on after a whole character; else:
    bool prefix;                   // it begins as a text at the beginning does
    char *text;                    // what is returned
    size_t text_size, text_room;
};

void vkmoe_decoder_rewind(vkmoe_decoder *d)
{
    if (!d)
        return;
    d->count = 0;
    d->shown = d->text_size = 0;
    d->any = d->inside = false;
    d->prefix = d->tokenizer->files.legacy || d->tokenizer->files.prefix;
}

enum vkmoe_status vkmoe_decoder_create(const vkmoe_tokenizer *tokenizer, vkmoe_decoder **out)
{
    VKMOE_NEED(tokenizer ? &tokenizer->log : NULL, out, "out");
    *out = NULL;
    VKMOE_NEED(NULL, tokenizer, "tokenizer");
    NEW_OR_RETURN(vkmoe_decoder, decoder, &tokenizer->log, "vkmoe_decoder_create: ");
    decoder->tokenizer = tokenizer;
    vkmoe_decoder_rewind(decoder);
    *out = decoder;
    return VKMOE_OK;
}

void vkmoe_decoder_destroy(vkmoe_decoder **decoder)
{
    TAKE_OR_RETURN(vkmoe_decoder, d, decoder);
    free(d->tokens);
    free(d->text);
    free(d);
}

static enum vkmoe_status lack_memory(const vkmoe_decoder *d)
{
    const vkmoe_tokenizer *t = d->tokenizer;
    return vkmoe_fail(&t->log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: out of host memory", t->path);
}

static enum vkmoe_status put(vkmoe_decoder *d, const char *text, size_t size)
{
    if (size >= d->text_room - d->text_size) { // with a zero after it
        const size_t room = 2 * (d->text_size + size) + 64;
        char *more = realloc(d->text, room);
        if (!more)
            return lack_memory(d);
        d->text = more;
        d->text_room = room;
    }
    if (size)
        memcpy(d->text + d->text_size, text, size);
    d->text_size += size;
    d->text[d->text_size] = '\0';
    return VKMOE_OK;
}

// Of pieces, the bytes at the end that may become a character: each is a piece of its own.
// False: there is no memory.
static bool count_unfinished(const vkmoe_decoder *d, size_t *count)
{
    const struct pieces *pieces = d->tokenizer->pieces;
    char bytes[3];
    size_t at = sizeof bytes, size;
    for (uint32_t i = d->count; i-- > 0 && at > 0;) {
        if (d->tokens[i] >= vkmoe_pieces_count(pieces))
            break;
        char *text = vkmoe_pieces_bytes(pieces, d->tokens[i], &size);
        if (!text)
            return false;
        if (size == 1)
            bytes[--at] = *text;
        free(text);
        if (size != 1)
            break;
    }
    *count = vkmoe_utf8_count_unfinished(bytes + at, sizeof bytes - at);
    return true;
}

// *held: of its bytes, those at the end that may become a character.
static char *decode(const vkmoe_decoder *d, size_t *size, size_t *held)
{
    const vkmoe_tokenizer *t = d->tokenizer;
    const size_t length = sizeof replacement - 1;
    size_t unfinished = 0;
    *held = 0;
    if (t->bpe) {
        char *text = vkmoe_bpe_decode(
            t->bpe, d->tokens, d->count, d->prefix && !d->inside, size, &unfinished);
        *held = unfinished ? length : 0;
        return text;
    }
    if (!count_unfinished(d, &unfinished))
        return NULL;
    char *text = d->inside ? vkmoe_pieces_decode_inside(t->pieces, d->tokens, d->count, size)
                           : vkmoe_pieces_decode(t->pieces, d->tokens, d->count, d->prefix, size);
    // A replacement for each byte.
    while (text && *held < unfinished * length && *size - *held >= length
        && memcmp(text + *size - *held - length, replacement, length) == 0)
        *held += length;
    return text;
}

// The section as far as it is not yet shown. What was shown to the last byte is not looked at
// again, or a long answer would take time by its square.
static enum vkmoe_status put_section(vkmoe_decoder *d, bool last)
{
    size_t size, held;
    enum vkmoe_status status = VKMOE_OK;
    if (d->count == 0)
        return VKMOE_OK;
    char *text = decode(d, &size, &held);
    if (!text)
        return lack_memory(d);
    const size_t sure = last ? size : size - held;
    if (sure > d->shown) {
        status = put(d, text + d->shown, sure - d->shown);
        d->shown = sure;
    }
    free(text);
    if (d->shown == size && (d->tokenizer->bpe || vkmoe_pieces_go_on(d->tokenizer->pieces))) {
        d->count = 0;
        d->shown = 0;
        d->inside = true;
    }
    return status;
}

// NULL: the token is text. Ids beyond the pieces that no file names are as the unknown piece.
static const struct special_token *find_name(const vkmoe_tokenizer *t, uint32_t id)
{
    const struct special_token *token = vkmoe_special_name(&t->files.special, id);
    if (token)
        return token->is_piece ? NULL : token;
    return t->pieces && t->unknown >= 0 && id >= vkmoe_pieces_count(t->pieces)
        ? vkmoe_special_name(&t->files.special, (uint32_t)t->unknown)
        : NULL;
}

// Whether what follows this token begins as a text does. T5's sentinels, and others that strip on
// their right, ate the blank that is shown there; what a text has of unknown characters is within
// a section, unless every byte is known.
static bool restarts(const vkmoe_tokenizer *t, const struct special_token *name)
{
    if (!t->files.legacy || t->files.is_t5 || (name && name->right_strip))
        return false;
    return !name || name->id != t->unknown
        || (t->pieces && vkmoe_pieces_find(t->pieces, "<0x00>", 6) >= 0);
}

// After a token that is no text, `name` NULL if it is not shown.
static void begin_section(vkmoe_decoder *d, const struct special_token *name)
{
    d->count = 0;
    d->shown = 0;
    d->inside = false;
    d->prefix = restarts(d->tokenizer, name);
    d->any = true;
}

static enum vkmoe_status append(vkmoe_decoder *d, uint32_t token)
{
    if (d->count == d->room) {
        const uint32_t room = d->room ? 2 * d->room : 64;
        uint32_t *more = room > d->room ? realloc(d->tokens, room * sizeof *more) : NULL;
        if (!more)
            return lack_memory(d);
        d->tokens = more;
        d->room = room;
    }
    d->tokens[d->count++] = token;
    d->any = true;
    return VKMOE_OK;
}

static enum vkmoe_status put_tokens(vkmoe_decoder *d, const uint32_t *tokens, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct special_token *name = find_name(d->tokenizer, tokens[i]);
        if (!name) {
            TRY_RETURN(append(d, tokens[i]));
            continue;
        }
        TRY_RETURN(put_section(d, true));
        TRY_RETURN(put(d, name->text, name->size));
        begin_section(d, name);
    }
    return VKMOE_OK;
}

// Hands out what there is: it was before.
static void take(vkmoe_decoder *d, const char **text, size_t *size)
{
    *text = d->text;
    *size = d->text_size;
    d->text_size = 0;
}

enum vkmoe_status vkmoe_decoder_put(
    vkmoe_decoder *decoder, const uint32_t *tokens, uint32_t count, const char **text, size_t *size)
{
    const struct vkmoe_log *log = decoder ? &decoder->tokenizer->log : NULL;
    VKMOE_NEED(log, decoder, "decoder");
    VKMOE_NEED(log, tokens || count == 0, "tokens");
    VKMOE_NEED(log, text, "text");
    VKMOE_NEED(log, size, "size");
    TRY_RETURN(put(decoder, "", 0)); // is never NULL
    TRY_RETURN(put_tokens(decoder, tokens, count));
    TRY_RETURN(put_section(decoder, false));
    take(decoder, text, size);
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_decoder_skip(vkmoe_decoder *decoder, uint32_t token)
{
    VKMOE_NEED(NULL, decoder, "decoder");
    (void)token;
    TRY_RETURN(put_section(decoder, true));
    if (decoder->any) // else the text begins as it would without it
        begin_section(decoder, NULL);
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_decoder_end(vkmoe_decoder *decoder, const char **text, size_t *size)
{
    const struct vkmoe_log *log = decoder ? &decoder->tokenizer->log : NULL;
    VKMOE_NEED(log, decoder, "decoder");
    VKMOE_NEED(log, text, "text");
    VKMOE_NEED(log, size, "size");
    TRY_RETURN(put(decoder, "", 0));
    TRY_RETURN(put_section(decoder, true));
    take(decoder, text, size);
    vkmoe_decoder_rewind(decoder);
    return VKMOE_OK;
}
