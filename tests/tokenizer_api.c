// tokenizer_api.c - what tokenizer.h promises, apart from which tokens a text becomes: where a
// tokenizer comes from, what it says of itself, and misuse.
#include <time.h>

#include "tokenizer_tools.h"

enum { VOCABULARY = 512, ROOM = 256 };

static struct record record;
static vkmoe_tokenizer *tokenizer;
static vkmoe_decoder *decoder;

static void clean_up(void)
{
    vkmoe_decoder_destroy(&decoder);
    vkmoe_tokenizer_destroy(&tokenizer);
    tools_clean_up();
}

static struct vkmoe_tokenizer_params params_for(const char *path)
{
    record = (struct record){ 0 };
    return (struct vkmoe_tokenizer_params){ VKMOE_INIT(vkmoe_tokenizer_params),
        .log = { record_line, &record, VKMOE_LOG_ERROR }, .path = path, .vocabulary = VOCABULARY };
}

static bool fails(
    enum vkmoe_status status, const struct vkmoe_tokenizer_params *params, const char *words)
{
    tokenizer = (vkmoe_tokenizer *)&record; // is set to NULL
    record = (struct record){ 0 };
    CHECK_STATUS(status, vkmoe_tokenizer_create(params, &tokenizer));
    CHECK(!tokenizer && record.lines[VKMOE_LOG_ERROR] == 1);
    if (!strstr(record.last, words))
        tap_note("'%s' does not say '%s'", record.last, words);
    CHECK(strstr(record.last, words));
    return true;
fail:
    tokenizer = NULL;
    return false;
}

static struct vkmoe_tokenizer_file bpe_file(const char *name)
{
    struct vkmoe_tokenizer_file file = { "tokenizer.json", NULL, 0 };
    file.data = tools_read_bpe(name, "", &file.size);
    return file;
}

static bool open_bpe(const char *name)
{
    const struct vkmoe_tokenizer_file file = bpe_file(name);
    struct vkmoe_tokenizer_params params = params_for(NULL);
    params.files = &file;
    params.file_count = 1;
    CHECK_OK(vkmoe_tokenizer_create(&params, &tokenizer));
    return true;
fail:
    return false;
}

// --------------------------------------------------------------------- where it comes from

// Texts become what they become of a folder's.
static bool test_memory(void)
{
    for (uint32_t i = 0; i < TOOLS_BPE_NAMES; i++) {
        CHECK(open_bpe(tools_bpe_names[i]));
        CHECK_OK(vkmoe_decoder_create(tokenizer, &tools_tokenizer.decoder));
        tools_tokenizer.tokenizer = tokenizer;
        const bool same = tools_encode_as_expected(tools_bpe_names[i]);
        tokenizer = NULL;
        tools_clean_up();
        CHECK(same);
    }
    return true;
fail:
    return false;
}

static bool test_path(void)
{
    const struct vkmoe_tokenizer_file file = bpe_file("qwen2");
    CHECK(tools_write("tokenizer.json", file.data, file.size));
    struct vkmoe_tokenizer_params params = params_for(tools_path("tokenizer.json"));
    CHECK_OK(vkmoe_tokenizer_create(&params, &tokenizer));
    vkmoe_tokenizer_destroy(&tokenizer);
    // Settings beside it count, and are looked for nowhere else.
    CHECK(tools_write("tokenizer_config.json", "[", 1));
    CHECK(fails(VKMOE_ERROR_INVALID, &params, "/tokenizer_config.json: "));
    tools_remove("tokenizer_config.json");
    tools_remove("tokenizer.json");
    CHECK(fails(VKMOE_ERROR_NOT_FOUND, &params, "there is no tokenizer.model"));
    params.path = tools_directory;
    CHECK(fails(VKMOE_ERROR_NOT_FOUND, &params, "there is no tokenizer.model"));
    CHECK(!vkmoe_tokenizer_exists(tools_directory) && !vkmoe_tokenizer_exists(""));
    CHECK(!vkmoe_tokenizer_exists(NULL));
    return true;
fail:
    tools_remove("tokenizer_config.json");
    tools_remove("tokenizer.json");
    return false;
}

// A checkpoint's folder, which has none.
static bool test_checkpoint(void)
{
    vkmoe_checkpoint *checkpoint = NULL;
    struct vkmoe_tokenizer_params params = params_for(NULL);
    bool ok = false;
    CHECK_OK(vkmoe_checkpoint_open(VKMOE_TEST_MODELS "/tiny-mixtral", NULL, &checkpoint));
    params.checkpoint = checkpoint;
    CHECK(fails(VKMOE_ERROR_NOT_FOUND, &params, "/tiny-mixtral: there is no tokenizer.model"));
    ok = true;
fail:
    vkmoe_checkpoint_destroy(&checkpoint);
    return ok;
}

static bool test_create_misuse(void)
{
    static const struct vkmoe_tokenizer_file nameless = { NULL, "", 0 },
                                             empty = { "tokenizer.json" },
                                             missing = { "tokenizer.json", NULL, 1 };
    static const struct {
        const char *path;
        const struct vkmoe_tokenizer_file *file;
        const char *line;
    } wrong[] = {
        { NULL, NULL, "one of checkpoint, path and files" },
        { "x", &nameless, "one of checkpoint, path and files" },
        { NULL, &nameless, "files[0].name is NULL" },
        { NULL, &missing, "files[0].data is NULL" },
        { NULL, &empty, "tokenizer.json: " },
        { "", NULL, "path is empty" },
    };
    struct vkmoe_tokenizer_params params = params_for(NULL);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        params = params_for(wrong[i].path);
        params.files = wrong[i].file;
        params.file_count = wrong[i].file != NULL;
        CHECK(fails(VKMOE_ERROR_INVALID, &params, wrong[i].line));
    }
    params = params_for("x");
    params.struct_size = 0;
    CHECK(fails(VKMOE_ERROR_INVALID, &params, "vkmoe_tokenizer_params is 0"));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_tokenizer_create(&params, NULL));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_tokenizer_create(NULL, &tokenizer));
    vkmoe_tokenizer_destroy(NULL);
    vkmoe_tokenizer_destroy(&tokenizer);
    return true;
fail:
    return false;
}

// -------------------------------------------------------------------- what it says of itself

static bool test_info(void)
{
    static const char config[] = "{\"bos_token\":\"<|im_start|>\",\"eos_token\":\"<|endoftext|>\","
                                 "\"add_bos_token\":false}";
    const struct vkmoe_tokenizer_file files[] = { bpe_file("qwen2"),
        { "tokenizer_config.json", config, sizeof config - 1 } };
    struct vkmoe_tokenizer_params params = params_for(NULL);
    struct vkmoe_tokenizer_info info = { VKMOE_INIT(vkmoe_tokenizer_info) };
    uint32_t ids[4] = { 0 }, count = 1;
    params.files = files;
    params.file_count = 2;
    params.vocabulary = 0;
    CHECK_OK(vkmoe_tokenizer_create(&params, &tokenizer));
    vkmoe_tokenizer_get_info(tokenizer, &info);
    CHECK(info.vocabulary == 512 && info.begin == -1 && info.end == -1 && info.unknown == -1);
    CHECK(info.bos == 509 && info.eos == 508 && info.end_of_turn == 510);
    CHECK_OK(vkmoe_tokenizer_get_ends(tokenizer, ids, &count));
    CHECK(count == 2 && ids[0] == 510 && ids[1] == 0); // there was room for one
    CHECK_OK(vkmoe_tokenizer_get_ends(tokenizer, ids, &count));
    CHECK(count == 2 && ids[0] == 510 && ids[1] == 508);
    CHECK(vkmoe_tokenizer_find_special(tokenizer, "<|im_end|>", 10) == 510);
    CHECK(vkmoe_tokenizer_find_special(tokenizer, "<|im_end|>", 9) == -1);
    CHECK(vkmoe_tokenizer_find_special(tokenizer, "!", 1) == -1);
    CHECK(vkmoe_tokenizer_is_special(tokenizer, 511) && !vkmoe_tokenizer_is_special(tokenizer, 0));
    count = 1;
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_tokenizer_get_ends(tokenizer, NULL, &count));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_tokenizer_get_ends(tokenizer, ids, NULL));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_tokenizer_get_ends(NULL, ids, &count));
    CHECK(vkmoe_tokenizer_find_special(NULL, "!", 1) == -1);
    CHECK(!vkmoe_tokenizer_is_special(NULL, 508));
    vkmoe_tokenizer_get_info(NULL, &info);
    CHECK(info.vocabulary == 0);
    return true;
fail:
    return false;
}

// What the tokens of a text stand for is the text.
static bool check_texts(const char *name, const char *text)
{
    char whole[ROOM], part[64];
    uint32_t tokens[ROOM];
    size_t size = 0, got;
    struct vkmoe_encoding encoding = { VKMOE_INIT(vkmoe_encoding), .tokens = tokens, .room = ROOM };
    const struct vkmoe_encode_params params = { VKMOE_INIT(vkmoe_encode_params), .text = text,
        .size = strlen(text), .special = VKMOE_SPECIAL_TOKENS_EVERYWHERE, .no_begin = true,
        .goes_on = true };
    CHECK(open_bpe(name));
    CHECK_OK(vkmoe_tokenizer_encode(tokenizer, &params, &encoding));
    CHECK(encoding.count > 1 && encoding.count <= ROOM && !encoding.begin_added);
    for (uint32_t i = 0; i < encoding.count; i++, size += got) {
        got = 0;
        CHECK_OK(vkmoe_tokenizer_get_text(tokenizer, tokens[i], NULL, &got));
        const size_t needed = got;
        memset(part, 'x', sizeof part);
        got = needed - 1;
        CHECK_OK(vkmoe_tokenizer_get_text(tokenizer, tokens[i], part, &got));
        CHECK(got == needed && part[0] == 'x'); // it had no room
        got = sizeof part;
        CHECK_OK(vkmoe_tokenizer_get_text(tokenizer, tokens[i], part, &got));
        CHECK(got == needed && size + got <= sizeof whole && part[got] == 'x');
        memcpy(whole + size, part, got);
    }
    CHECK(size == strlen(text) && memcmp(whole, text, size) == 0);
    got = sizeof part;
    CHECK_STATUS(VKMOE_ERROR_NOT_FOUND, vkmoe_tokenizer_get_text(tokenizer, 1 << 20, part, &got));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_tokenizer_get_text(tokenizer, 0, NULL, &got));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_tokenizer_get_text(tokenizer, 0, part, NULL));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_tokenizer_get_text(NULL, 0, part, &got));
    vkmoe_tokenizer_destroy(&tokenizer);
    return true;
fail:
    return false;
}

static bool test_text(void)
{
    return check_texts("qwen2", "na\u00efve \u4f60\u597d <|im_end|> \U0001f600\n")
        && check_texts("spm-bare", "Permission is  hereby \u2702 granted");
}

// ----------------------------------------------------------------------------- encode

static enum vkmoe_status encode(
    const struct vkmoe_encode_params *params, struct vkmoe_encoding *encoding)
{
    record = (struct record){ 0 };
    return vkmoe_tokenizer_encode(tokenizer, params, encoding);
}

static bool test_room(void)
{
    uint32_t tokens[ROOM] = { 7, 7, 7, 7 };
    struct vkmoe_encoding encoding = { VKMOE_INIT(vkmoe_encoding) };
    struct vkmoe_encode_params params = { VKMOE_INIT(vkmoe_encode_params),
        .text = "Permission is hereby", .size = 20 };
    CHECK(open_bpe("qwen2"));
    CHECK_OK(encode(&params, &encoding));
    const uint32_t count = encoding.count;
    CHECK(count > 2);
    encoding.tokens = tokens;
    encoding.room = count - 1;
    CHECK_OK(encode(&params, &encoding));
    CHECK(encoding.count == count && tokens[0] == 7);
    encoding.room = count;
    CHECK_OK(encode(&params, &encoding));
    CHECK(encoding.count == count && tokens[0] != 7);
    params.text = NULL;
    params.size = 0;
    CHECK_OK(encode(&params, &encoding));
    CHECK(encoding.count == 0);
    return true;
fail:
    return false;
}

// By default nothing in a text is special; and in ranges, what lies in them.
static bool test_special(void)
{
    static const char text[] = "<|im_start|>x<|im_end|>";
    static const struct {
        enum vkmoe_special_tokens special;
        struct vkmoe_text_range ranges[2];
        uint32_t range_count;
        bool start, end;
    } cases[] = {
        { VKMOE_SPECIAL_TOKENS_NOWHERE, { { 0, 23 } }, 1, false, false },
        { VKMOE_SPECIAL_TOKENS_EVERYWHERE, { { 0, 0 } }, 1, true, true },
        { VKMOE_SPECIAL_TOKENS_RANGES, { { 0, 0 } }, 0, false, false },
        { VKMOE_SPECIAL_TOKENS_RANGES, { { 0, 12 }, { 13, 22 } }, 2, true, false },
        { VKMOE_SPECIAL_TOKENS_RANGES, { { 1, 12 }, { 13, 23 } }, 2, false, true },
    };
    uint32_t tokens[ROOM];
    CHECK(open_bpe("qwen2"));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct vkmoe_encoding encoding = { VKMOE_INIT(vkmoe_encoding), .tokens = tokens,
            .room = ROOM };
        const struct vkmoe_encode_params params = { VKMOE_INIT(vkmoe_encode_params), .text = text,
            .size = sizeof text - 1, .special = cases[i].special, .ranges = cases[i].ranges,
            .range_count = cases[i].range_count };
        CHECK_OK(encode(&params, &encoding));
        CHECK((tokens[0] == 509) == cases[i].start);
        CHECK((tokens[encoding.count - 1] == 510) == cases[i].end);
    }
    return true;
fail:
    return false;
}

// Many ranges with a special token each: the time is no product of the two.
static bool test_ranges(void)
{
    enum { RANGES = 1 << 18, SIZE = 6 };
    static struct vkmoe_text_range ranges[RANGES];
    static char text[RANGES * SIZE];
    struct vkmoe_encoding encoding = { VKMOE_INIT(vkmoe_encoding) };
    const struct vkmoe_encode_params params = { VKMOE_INIT(vkmoe_encode_params), .text = text,
        .size = sizeof text, .special = VKMOE_SPECIAL_TOKENS_RANGES, .ranges = ranges,
        .range_count = RANGES };
    for (size_t i = 0; i < RANGES; i++) {
        memcpy(text + SIZE * i, "<tool>", SIZE);
        ranges[i] = (struct vkmoe_text_range){ SIZE * i, SIZE * (i + 1) };
    }
    CHECK(open_bpe("qwen2"));
    const clock_t began = clock();
    CHECK_OK(encode(&params, &encoding));
    const double seconds = (double)(clock() - began) / CLOCKS_PER_SEC;
    tap_note("%.2f s", seconds);
    CHECK(encoding.count == RANGES && seconds < 3);
    return true;
fail:
    return false;
}

// Runs of blanks that were added to a vocabulary, but are not special, are for any text.
static bool test_blanks(void)
{
    static char json[TOOLS_MODEL_ROOM];
    static const char *const flags[] = { "\"special\":false", "\"special\":true " };
    struct vkmoe_tokenizer_file file = bpe_file("qwen2");
    char blanks[8];
    size_t size = sizeof blanks;
    for (uint32_t special = 0; special < 2; special++) {
        memcpy(json, file.data, file.size);
        char *token = strstr(json, "<tool>");
        CHECK(token && (token = memcpy(token, "      ", 6)));
        char *flag = strstr(token, flags[0]);
        CHECK(flag && memcpy(flag, flags[special], strlen(flags[0])));
        const struct vkmoe_tokenizer_file changed = { "tokenizer.json", json, file.size };
        struct vkmoe_tokenizer_params params = params_for(NULL);
        params.files = &changed;
        params.file_count = 1;
        CHECK_OK(vkmoe_tokenizer_create(&params, &tokenizer));
        for (uint32_t place = 0; place <= VKMOE_SPECIAL_TOKENS_RANGES; place++) {
            uint32_t tokens[ROOM], found = 0;
            struct vkmoe_encoding encoding = { VKMOE_INIT(vkmoe_encoding), .tokens = tokens,
                .room = ROOM };
            const struct vkmoe_encode_params of = { VKMOE_INIT(vkmoe_encode_params),
                .text = "<|im_end|>       x      y", .size = 25,
                .special = (enum vkmoe_special_tokens)place,
                .ranges = &(struct vkmoe_text_range){ 0, 4 }, .range_count = 1 };
            CHECK_OK(encode(&of, &encoding));
            for (uint32_t i = 0; i < encoding.count; i++)
                found += tokens[i] == 511;
            CHECK(found == (special && place != VKMOE_SPECIAL_TOKENS_EVERYWHERE ? 0 : 2));
            CHECK((tokens[0] == 510) == (place == VKMOE_SPECIAL_TOKENS_EVERYWHERE));
        }
        CHECK(vkmoe_tokenizer_is_special(tokenizer, 511) == (special == 1));
        CHECK_OK(vkmoe_tokenizer_get_text(tokenizer, 511, blanks, &size));
        CHECK(size == 6 && memcmp(blanks, "      ", 6) == 0);
        vkmoe_tokenizer_destroy(&tokenizer);
        file = bpe_file("qwen2");
    }
    return true;
fail:
    return false;
}

static bool test_encode_misuse(void)
{
    struct vkmoe_encoding encoding = { VKMOE_INIT(vkmoe_encoding) };
    struct vkmoe_text_range ranges[2] = { { 0, 2 }, { 1, 3 } };
    const struct vkmoe_encode_params right = { VKMOE_INIT(vkmoe_encode_params), .text = "x <tool>",
        .size = 8, .special = VKMOE_SPECIAL_TOKENS_RANGES, .ranges = ranges, .range_count = 2 };
    struct vkmoe_encode_params wrong = right;
    CHECK(open_bpe("qwen2"));
    CHECK_STATUS(VKMOE_ERROR_INVALID, encode(&wrong, &encoding)); // they overlap
    CHECK(strstr(record.last, "ranges[1] is from 1 to 3"));
    ranges[1] = (struct vkmoe_text_range){ 2, 9 };
    CHECK_STATUS(VKMOE_ERROR_INVALID, encode(&wrong, &encoding));
    ranges[1] = (struct vkmoe_text_range){ 3, 2 };
    CHECK_STATUS(VKMOE_ERROR_INVALID, encode(&wrong, &encoding));
    wrong.ranges = NULL;
    CHECK_STATUS(VKMOE_ERROR_INVALID, encode(&wrong, &encoding));
    wrong = right;
    wrong.special = (enum vkmoe_special_tokens)3;
    CHECK_STATUS(VKMOE_ERROR_INVALID, encode(&wrong, &encoding));
    wrong = right;
    wrong.text = NULL;
    CHECK_STATUS(VKMOE_ERROR_INVALID, encode(&wrong, &encoding));
    wrong = right;
    wrong.size = (size_t)1 << 30;
    CHECK_STATUS(VKMOE_ERROR_INVALID, encode(&wrong, &encoding));
    CHECK_STATUS(VKMOE_ERROR_INVALID, encode(NULL, &encoding));
    CHECK_STATUS(VKMOE_ERROR_INVALID, encode(&right, NULL));
    encoding.room = 1;
    ranges[1] = ranges[0] = (struct vkmoe_text_range){ 0, 0 };
    CHECK_STATUS(VKMOE_ERROR_INVALID, encode(&right, &encoding));
    encoding = (struct vkmoe_encoding){ 0 };
    CHECK_STATUS(VKMOE_ERROR_INVALID, encode(&right, &encoding));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_tokenizer_encode(NULL, &right, &encoding));
    return true;
fail:
    return false;
}

// A token that the model has no row for.
static bool test_beyond(void)
{
    struct vkmoe_encoding encoding = { VKMOE_INIT(vkmoe_encoding) };
    struct vkmoe_encode_params params = { VKMOE_INIT(vkmoe_encode_params), .text = "x <tool>",
        .size = 8, .special = VKMOE_SPECIAL_TOKENS_EVERYWHERE };
    const struct vkmoe_tokenizer_file file = bpe_file("qwen2");
    struct vkmoe_tokenizer_params of = params_for(NULL);
    of.files = &file;
    of.file_count = 1;
    of.vocabulary = 511;
    CHECK_OK(vkmoe_tokenizer_create(&of, &tokenizer));
    CHECK_STATUS(VKMOE_ERROR_INVALID, encode(&params, &encoding));
    CHECK(strstr(record.last, "\"<tool>\", which is in the text, is token 511"));
    params.special = VKMOE_SPECIAL_TOKENS_NOWHERE;
    CHECK_OK(encode(&params, &encoding));
    return true;
fail:
    return false;
}

// Of a model whose config calls its vocabulary huge: memory is for what the files name.
static bool test_huge(void)
{
    static const char tokens[] = "YQ== 0\nYg== 4294967294\n", config[] = "{\"pattern\":\".\"}";
    static const char absurd[] = "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":4294967294},"
                                 "\"merges\":[]},\"pre_tokenizer\":{\"type\":\"ByteLevel\"}}";
    const struct vkmoe_tokenizer_file file = bpe_file("qwen2"),
                                      json = { "tokenizer.json", absurd, sizeof absurd - 1 };
    const struct vkmoe_tokenizer_file files[] = { { "x.tiktoken", tokens, sizeof tokens - 1 },
        { "tokenizer_config.json", config, sizeof config - 1 } };
    struct vkmoe_tokenizer_params params = params_for(NULL);
    struct vkmoe_tokenizer_info info = { VKMOE_INIT(vkmoe_tokenizer_info) };
    const uint32_t sizes[] = { UINT32_MAX, 1u << 31, (1u << 31) - 1 };
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        params.files = &file;
        params.file_count = 1;
        params.vocabulary = sizes[i];
        CHECK_OK(vkmoe_tokenizer_create(&params, &tokenizer));
        vkmoe_tokenizer_get_info(tokenizer, &info);
        CHECK(info.vocabulary == sizes[i]);
        CHECK(vkmoe_bpe_count(tokenizer->bpe) == 508);
        vkmoe_tokenizer_destroy(&tokenizer);
    }
    params.vocabulary = UINT32_MAX;
    params.files = &json;
    CHECK(fails(VKMOE_ERROR_INVALID, &params, "the id is too large, at \"a\""));
    params.files = files;
    params.file_count = COUNT_OF(files);
    CHECK(fails(VKMOE_ERROR_INVALID, &params, "line 2 is token 4294967294, expected up to"));
    CHECK(!vkmoe_bpe_open(UINT32_MAX, 0, false) && !vkmoe_bpe_open(0, UINT32_MAX, false));
    return true;
fail:
    return false;
}

// ----------------------------------------------------------------------------- decode

// What comes with these tokens, or at the end.
static bool puts_out(const uint32_t *tokens, uint32_t count, const char *expected)
{
    const char *text = NULL;
    size_t size = 99;
    const enum vkmoe_status status = tokens
        ? vkmoe_decoder_put(decoder, tokens, count, &text, &size)
        : count ? vkmoe_decoder_end(decoder, &text, &size)
                : vkmoe_decoder_put(decoder, NULL, 0, &text, &size);
    return status == VKMOE_OK && size == strlen(expected) && memcmp(text, expected, size) == 0;
}

static bool test_decoder(void)
{
    static const uint32_t ids[] = { 509, 5000 }; // the second is none
    const char *text = NULL;
    size_t size = 9;
    CHECK(open_bpe("qwen2"));
    CHECK_OK(vkmoe_decoder_create(tokenizer, &decoder));
    CHECK(puts_out(NULL, 0, ""));
    CHECK(puts_out(ids, 2, "<|im_start|>\ufffd"));
    CHECK(puts_out(NULL, 1, ""));
    CHECK_OK(vkmoe_decoder_skip(decoder, 509));
    CHECK(puts_out(ids, 1, "<|im_start|>"));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_decoder_put(decoder, NULL, 1, &text, &size));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_decoder_put(decoder, ids, 1, NULL, &size));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_decoder_put(decoder, ids, 1, &text, NULL));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_decoder_put(NULL, ids, 1, &text, &size));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_decoder_end(NULL, &text, &size));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_decoder_end(decoder, &text, NULL));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_decoder_skip(NULL, 0));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_decoder_create(tokenizer, NULL));
    vkmoe_decoder_rewind(NULL);
    vkmoe_decoder_destroy(&decoder);
    vkmoe_decoder_destroy(&decoder);
    vkmoe_decoder_destroy(NULL);
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_decoder_create(NULL, &decoder));
    return true;
fail:
    return false;
}

// Held back are bytes that may become a character, and no others: U+FFFD for what is no token's
// comes at once, or a text of such would be made anew with each.
static bool test_held_back(void)
{
    static const char tokens[] = "8A== 0\nnw== 1\nmA== 2\ngA== 3\nYQ== 4\n/w== 5\n77+9 6\n",
                      config[] = "{\"pattern\":\".\"}";
    static const struct vkmoe_tokenizer_file files[] = { { "x.tiktoken", tokens,
                                                             sizeof tokens - 1 },
        { "tokenizer_config.json", config, sizeof config - 1 } };
    static const struct {
        uint32_t id;
        const char *text;
    } steps[] = { { 9, "\ufffd" }, { 9, "\ufffd" }, { 0, "" }, { 1, "" }, { 2, "" },
        { 3, "\U0001f600" }, { 5, "\ufffd" }, { 3, "\ufffd" }, { 9, "\ufffd" }, { 0, "" },
        { 1, "" }, { 0, "\ufffd" }, { 4, "\ufffda" }, { 6, "\ufffd" }, { 6, "\ufffd" }, { 0, "" },
        { 9, "\ufffd\ufffd" }, { 0, "" }, { 1, "" } };
    struct vkmoe_tokenizer_params params = params_for(NULL);
    params.files = files;
    params.file_count = COUNT_OF(files);
    CHECK_OK(vkmoe_tokenizer_create(&params, &tokenizer));
    CHECK_OK(vkmoe_decoder_create(tokenizer, &decoder));
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        const bool right = puts_out(&steps[i].id, 1, steps[i].text);
        if (!right)
            tap_note("step %zu", i);
        CHECK(right);
    }
    CHECK(puts_out(NULL, 1, "\ufffd"));
    return true;
fail:
    return false;
}

CLEAN_TOOLS_MAIN(NULL, clean_up, { "memory", test_memory }, { "path", test_path },
    { "checkpoint", test_checkpoint }, { "create-misuse", test_create_misuse },
    { "info", test_info }, { "text", test_text }, { "room", test_room },
    { "special", test_special }, { "ranges", test_ranges }, { "blanks", test_blanks },
    { "encode-misuse", test_encode_misuse }, { "beyond", test_beyond }, { "huge", test_huge },
    { "decoder", test_decoder }, { "held-back", test_held_back })
