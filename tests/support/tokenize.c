// tokenize.c - whole files as tokens, and as text again, through the public header alone.
//
//     tokenize TOKENIZER FILE...   writes FILE.ids, a token a line, and FILE.text
#include <vkmoe/tokenizer.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void say(void *user, enum vkmoe_log_level level, const char *line)
{
    (void)user, (void)level;
    fprintf(stderr, "%s\n", line);
}

static char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    char *data = NULL;
    *size = 0;
    for (size_t room = 1 << 16, got = 1; file && got > 0; room *= 2) {
        data = realloc(data, room);
        got = data ? fread(data + *size, 1, room - *size, file) : 0;
        *size += got;
    }
    if (file)
        fclose(file);
    return data;
}

static FILE *open_beside(const char *path, const char *tail)
{
    char name[4096];
    snprintf(name, sizeof name, "%s%s", path, tail);
    return fopen(name, "wb");
}

// As the tokens would come from a model, one at a time.
static bool write_text(vkmoe_decoder *decoder, const struct vkmoe_encoding *encoding, FILE *file)
{
    const char *text;
    size_t size;
    for (uint32_t i = 0; i < encoding->count; i++) {
        if (vkmoe_decoder_put(decoder, encoding->tokens + i, 1, &text, &size) != VKMOE_OK)
            return false;
        fwrite(text, 1, size, file);
    }
    if (vkmoe_decoder_end(decoder, &text, &size) != VKMOE_OK)
        return false;
    return fwrite(text, 1, size, file) == size;
}

static bool tokenize(const vkmoe_tokenizer *tokenizer, vkmoe_decoder *decoder, const char *path)
{
    size_t size;
    char *data = read_file(path, &size);
    FILE *ids = open_beside(path, ".ids"), *text = open_beside(path, ".text");
    struct vkmoe_encoding encoding = { VKMOE_INIT(vkmoe_encoding),
        .room = (uint32_t)(3 * size + 1) };
    const struct vkmoe_encode_params params = { VKMOE_INIT(vkmoe_encode_params), .text = data,
        .size = size, .special = VKMOE_SPECIAL_TOKENS_EVERYWHERE, .no_begin = true,
        .no_end = true };
    encoding.tokens = malloc(encoding.room * sizeof *encoding.tokens);
    bool ok = data && ids && text && encoding.tokens
        && vkmoe_tokenizer_encode(tokenizer, &params, &encoding) == VKMOE_OK
        && encoding.count <= encoding.room;
    for (uint32_t i = 0; ok && i < encoding.count; i++)
        fprintf(ids, "%u\n", encoding.tokens[i]);
    ok = ok && write_text(decoder, &encoding, text);
    ok = (!ids || fclose(ids) == 0) && ok;
    ok = (!text || fclose(text) == 0) && ok;
    free(encoding.tokens);
    free(data);
    return ok;
}

int main(int argc, char **argv)
{
    vkmoe_tokenizer *tokenizer = NULL;
    vkmoe_decoder *decoder = NULL;
    if (argc < 3) {
        fputs("usage: tokenize TOKENIZER FILE...\n", stderr);
        return 2;
    }
    const struct vkmoe_tokenizer_params params = { VKMOE_INIT(vkmoe_tokenizer_params),
        .log = { .write = say }, .path = argv[1] };
    bool ok = vkmoe_tokenizer_create(&params, &tokenizer) == VKMOE_OK
        && vkmoe_decoder_create(tokenizer, &decoder) == VKMOE_OK;
    for (int i = 2; ok && i < argc; i++)
        ok = tokenize(tokenizer, decoder, argv[i]);
    vkmoe_decoder_destroy(&decoder);
    vkmoe_tokenizer_destroy(&tokenizer);
    return !ok;
}
