// without.c - a command that was built without sentencepiece, or without PCRE2 as well: what it
// says of files that it cannot read, and which it takes instead.
#include <string.h>

#include "tokenizer_tools.h"

enum { VOCABULARY = 512 };

static bool is_refused(const char *file, const char *library)
{
    tools_begin_listening();
    const int status = tools_init(&tools_tokenizer, tools_directory, VOCABULARY, false);
    const uint32_t lines = tools_end_listening();
    tools_clean_up();
    if (status != 0 && lines == 1 && strstr(tools_said, file) && strstr(tools_said, library))
        return true;
    tap_note("status %d, %u lines: %s", status, lines, tools_said);
    return false;
}

static bool write_model(void)
{
    size_t size;
    const char *data = tools_read_model("bytes.model", &size);
    return size && tools_write("tokenizer.model", data, size);
}

static bool test_pieces(void)
{
    CHECK(write_model() && is_refused("/tokenizer.model: ", "without sentencepiece"));
    return true;
fail:
    return false;
}

static bool is_opened(void)
{
    return tools_init(&tools_tokenizer, tools_directory, VOCABULARY, false) == 0;
}

// GLM-4's is known by what it holds.
static bool test_tiktoken(void)
{
    bool ok = tools_write("tokenizer.model", "IQ== 0\n", 7)
        && tools_write("tokenizer_config.json", "{\"pattern\":\"a\"}", 15);
    if (vkmoe_bpe_is_built())
        ok = ok && is_opened() && tools_encode("!", true) && tools_tokens[0] == 0;
    else
        ok = ok && is_refused("/tokenizer.model: ", "without PCRE2 and utf8proc");
    tools_remove("tokenizer_config.json");
    return ok;
}

static bool test_both(void)
{
    size_t size;
    const char *data = tools_read_bpe("llama-bpe", "", &size);
    bool ok = size && tools_write("tokenizer.json", data, size) && write_model();
    if (vkmoe_bpe_is_built())
        ok = ok && is_opened() && tools_encode_as_expected("llama-bpe");
    else
        ok = ok && is_refused("/tokenizer.model: ", "without sentencepiece");
    tools_remove("tokenizer.json");
    return ok;
}

TOOLS_MAIN(NULL, { "pieces", test_pieces }, { "tiktoken", test_tiktoken }, { "both", test_both })
