// template.c - chat templates: what each makes of a conversation, which are recognised, where they
// are read from, and which tokens end an answer. The expected texts are what libllama makes of
// them.
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "gguf_writer.h"
#include "template.h"
#include "tokenizer_tools.h"

#define END "<｜end▁of▁sentence｜>"

static const struct text_case {
    const char *name;
    const char *own;    // what a model's own template has
    const char *answer; // as the model writes it
    const char *text;   // told S first, then U1, the answer, U2
    const char *alone;  // U1 and nothing else
} text_cases[] = {
    { "chatml", "{% for m in messages %}<|im_start|>{{ m.role }}<|im_end|>", "A1",
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU1<|im_end|>\n<|im_start|>assistant\n"
        "A1<|im_end|>\n<|im_start|>user\nU2<|im_end|>\n<|im_start|>assistant\n",
        "<|im_start|>user\nU1<|im_end|>\n<|im_start|>assistant\n" },
    { "mistral-v1", "{{ ' [INST] ' + text + ' [/INST]' }}", " A1",
        " [INST] S\n\nU1 [/INST] A1</s> [INST] U2 [/INST]", " [INST] U1 [/INST]" },
    { "mistral-v3", "{{ \"[INST] \" + text + \"[/INST]\" }}", " A1",
        "[INST] S\n\nU1[/INST] A1</s>[INST] U2[/INST]", "[INST] U1[/INST]" },
    { "mistral-v3-tekken", "{{ \"[INST]\" + text + \"[/INST]\" }}", "A1",
        "[INST]S\n\nU1[/INST]A1</s>[INST]U2[/INST]", "[INST]U1[/INST]" },
    { "mistral-v7", "{{ \"[SYSTEM_PROMPT] \" + s + \"[/SYSTEM_PROMPT][INST] \" + text }}", " A1",
        "[SYSTEM_PROMPT] S[/SYSTEM_PROMPT][INST] U1[/INST] A1</s>[INST] U2[/INST]",
        "[INST] U1[/INST]" },
    { "mistral-v7-tekken", "{{ '[SYSTEM_PROMPT]' + s + '[/SYSTEM_PROMPT]' + '[INST]' + text }}",
        "A1", "[SYSTEM_PROMPT]S[/SYSTEM_PROMPT][INST]U1[/INST]A1</s>[INST]U2[/INST]",
        "[INST]U1[/INST]" },
    { "phi3", "<|user|>{{ text }}<|end|><|assistant|>", "A1",
        "<|system|>\nS<|end|>\n<|user|>\nU1<|end|>\n<|assistant|>\nA1<|end|>\n<|user|>\nU2<|end|>\n"
        "<|assistant|>\n",
        "<|user|>\nU1<|end|>\n<|assistant|>\n" },
    { "deepseek2", "{{ 'Assistant: ' + message['content'] }}", " A1",
        "S\n\nUser: U1\n\nAssistant: A1" END "User: U2\n\nAssistant:", "User: U1\n\nAssistant:" },
    { "deepseek3", "{{ '<｜User｜>' + text }}", "A1",
        "S\n\n<｜User｜>U1<｜Assistant｜>A1" END "<｜User｜>U2<｜Assistant｜>",
        "<｜User｜>U1<｜Assistant｜>" },
    { "chatglm4", "[gMASK]<sop><|user|>{{ text }}<|assistant|>", "A1",
        "[gMASK]<sop><|system|>\nS<|user|>\nU1<|assistant|>\nA1<|user|>\nU2<|assistant|>\n",
        "[gMASK]<sop><|user|>\nU1<|assistant|>\n" },
    { "llama3", "<|start_header_id|>user<|end_header_id|>", "A1",
        "<|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nU1<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nA1<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nU2<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        "<|start_header_id|>user<|end_header_id|>\n\nU1<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n" },
    { "llama4", "<|header_start|>user<|header_end|>", "A1",
        "<|header_start|>system<|header_end|>\n\nS<|eot|>"
        "<|header_start|>user<|header_end|>\n\nU1<|eot|>"
        "<|header_start|>assistant<|header_end|>\n\nA1<|eot|>"
        "<|header_start|>user<|header_end|>\n\nU2<|eot|>"
        "<|header_start|>assistant<|header_end|>\n\n",
        "<|header_start|>user<|header_end|>\n\nU1<|eot|>"
        "<|header_start|>assistant<|header_end|>\n\n" },
    { "granite", "<|start_of_role|>user<|end_of_role|>", "A1",
        "<|start_of_role|>system<|end_of_role|>S<|end_of_text|>\n"
        "<|start_of_role|>user<|end_of_role|>U1<|end_of_text|>\n"
        "<|start_of_role|>assistant<|end_of_role|>A1<|end_of_text|>\n"
        "<|start_of_role|>user<|end_of_role|>U2<|end_of_text|>\n"
        "<|start_of_role|>assistant<|end_of_role|>",
        "<|start_of_role|>user<|end_of_role|>U1<|end_of_text|>\n"
        "<|start_of_role|>assistant<|end_of_role|>" },
    { "gpt-oss", "<|start|>user<|message|>{{ text }}<|end|><|start|>assistant<|channel|>",
        "<|message|>A1",
        "<|start|>system<|message|>S<|end|><|start|>user<|message|>U1<|end|>"
        "<|start|>assistant<|message|>A1<|return|><|start|>user<|message|>U2<|end|>"
        "<|start|>assistant",
        "<|start|>user<|message|>U1<|end|><|start|>assistant" },
    { "kimi-k2", "<|im_user|>user<|im_middle|>{{ text }}<|im_end|>", "A1",
        "<|im_system|>system<|im_middle|>S<|im_end|><|im_user|>user<|im_middle|>U1<|im_end|>"
        "<|im_assistant|>assistant<|im_middle|>A1<|im_end|>"
        "<|im_user|>user<|im_middle|>U2<|im_end|><|im_assistant|>assistant<|im_middle|>",
        "<|im_user|>user<|im_middle|>U1<|im_end|><|im_assistant|>assistant<|im_middle|>" },
    { "hunyuan-moe", "<|startoftext|>{{ text }}<|extra_0|>", "A1",
        "<|startoftext|>S<|extra_4|><|startoftext|>U1<|extra_0|>A1<|eos|><|startoftext|>U2"
        "<|extra_0|>",
        "<|startoftext|>U1<|extra_0|>" },
    { "bailing", "<role>HUMAN</role>{{ text }}<role>ASSISTANT</role>", "A1",
        "<role>SYSTEM</role>S<role>HUMAN</role>U1<role>ASSISTANT</role>A1<role>HUMAN</role>U2"
        "<role>ASSISTANT</role>",
        "<role>HUMAN</role>U1<role>ASSISTANT</role>" },
};

// Adds a turn's text, and notes a mark that holds what a person said, or a gap that does not.
static bool add_turn(const struct cli_template *chat, const struct cli_turn *turn, char *text)
{
    struct cli_marked_text marked;
    char *memory = cli_template_turn(chat, turn, &marked);
    size_t at = 0, said = 0;
    for (uint32_t i = 0; i < marked.mark_count; i++) {
        said += marked.marks[i].begin - at;
        at = marked.marks[i].end;
    }
    strncat(text, marked.data, marked.size);
    free(memory);
    const size_t system = turn->first && turn->system ? strlen(turn->system) : 0;
    return at == marked.size && said == turn->user_size + system;
}

static bool check_text(const struct text_case *c)
{
    const struct cli_template *chat = cli_template_find(c->name);
    char text[1024] = "", alone[256] = "";
    CHECK(chat && strcmp(cli_template_name(chat), c->name) == 0);
    CHECK(add_turn(chat, &(struct cli_turn){ "S", "U1", 2, true }, text));
    strcat(text, c->answer);
    CHECK(add_turn(chat, &(struct cli_turn){ "S", "U2", 2, false }, text));
    CHECK(add_turn(chat, &(struct cli_turn){ NULL, "U1", 2, true }, alone));
    if (strcmp(text, c->text) != 0 || strcmp(alone, c->alone) != 0)
        tap_note("'%s', '%s'", text, alone);
    CHECK(strcmp(text, c->text) == 0 && strcmp(alone, c->alone) == 0);
    CHECK(cli_template_recognise(c->own) == chat);
    return true;
fail:
    return false;
}

// All that there are are in the table above.
static bool test_names(void)
{
    char *names = cli_template_names(), *rest = names;
    uint32_t count = 0;
    for (char *name; (name = strtok_r(rest, ", ", &rest)); count++) {
        bool found = false;
        for (size_t i = 0; i < COUNT_OF(text_cases); i++)
            found = found || strcmp(text_cases[i].name, name) == 0;
        if (!found)
            tap_note("no text is expected of %s", name);
        CHECK(found && cli_template_find(name));
    }
    free(names);
    names = NULL;
    CHECK(count == COUNT_OF(text_cases) && !cli_template_find("none"));
    return true;
fail:
    free(names);
    return false;
}

// ------------------------------------------------------------------------------ marks

static bool is_recognised(const char *text, const char *expected)
{
    const struct cli_template *chat = cli_template_recognise(text);
    const char *name = chat ? cli_template_name(chat) : "none";
    if (strcmp(name, expected) != 0)
        tap_note("%s is %s, expected %s", text, name, expected);
    return strcmp(name, expected) == 0;
}

// What is like another, and is not.
static bool test_marks(void)
{
    CHECK(is_recognised("{{ '[INST] ' + text + ' [/INST]' }}", "mistral-v1"));
    CHECK(is_recognised("{{ '[INST]' + text + '[/INST]' }}", "mistral-v3-tekken"));
    CHECK(is_recognised("[INST] <<SYS>>{{ s }}<</SYS>>{{ text }} [/INST]", "none"));
    CHECK(is_recognised("<|im_start|>{{ role }}<|im_sep|>{{ text }}<|im_end|>", "none"));
    for (const char *const *text = (const char *const[]){ "", "### Instruction: {{ text }}",
             "<|user|>{{ text }}<|assistant|>", "<|start|>user<|message|>{{ text }}", NULL };
         *text; text++)
        CHECK(is_recognised(*text, "none"));
    return true;
fail:
    return false;
}

// ------------------------------------------------------------------------------ files

#define LISTED \
    "{\"chat_template\":[{\"name\":\"tool_use\",\"template\":\"no\"}," \
    "{\"name\":\"default\",\"template\":\"yes\"}]}"

static const struct file_case {
    const char *name, *jinja, *config, *other; // NULL: there is no such file
    const char *text, *said;                   // NULL: none; nothing
} file_cases[] = {
    { "none", NULL, NULL, NULL, NULL, NULL },
    { "own-file", "yes\n", NULL, NULL, "yes\n", NULL },
    { "config", NULL, "{\"chat_template\":\"yes\"}", NULL, "yes", NULL },
    { "own-file-before-config", "yes", "{\"chat_template\":\"no\"}", NULL, "yes", NULL },
    { "listed", NULL, LISTED, NULL, "yes", NULL },
    { "processor", NULL, "{}", "{\"chat_template\":\"yes\"}", "yes", NULL },
    { "null", NULL, "{\"chat_template\":null}", NULL, NULL, NULL },
    { "number", NULL, "{\"chat_template\":1}", NULL, NULL, NULL },
    { "no-default", NULL, "{\"chat_template\":[{\"name\":\"rag\",\"template\":\"no\"},7]}", NULL,
        NULL, NULL },
    { "empty-list", NULL, "{\"chat_template\":[]}", NULL, NULL, NULL },
    { "cut", NULL, "{\"chat_template\":\"y", NULL, NULL, "tokenizer_config.json: is not JSON" },
};

static bool write_file(const char *name, const char *text)
{
    tools_remove(name);
    return !text || tools_write(name, text, strlen(text));
}

static bool check_file(const struct file_case *c)
{
    char *text = NULL;
    CHECK(write_file("chat_template.jinja", c->jinja));
    CHECK(write_file("tokenizer_config.json", c->config));
    CHECK(write_file("chat_template.json", c->other));
    tools_begin_listening();
    const int status = cli_template_read(tools_directory, &text);
    const uint32_t lines = tools_end_listening();
    if (lines && !c->said)
        tap_note("%s", tools_said);
    CHECK(c->said ? status == 1 && lines == 1 && strstr(tools_said, c->said)
                  : status == 0 && lines == 0);
    CHECK(!text == !c->text && (!text || strcmp(text, c->text) == 0));
    free(text);
    return true;
fail:
    tap_note("of the files of \"%s\"", c->name);
    free(text);
    return false;
}

static bool test_files(void)
{
    uint32_t right = 0;
    for (const struct file_case *c = file_cases; c < file_cases + COUNT_OF(file_cases); c++)
        right += check_file(c);
    return right == COUNT_OF(file_cases);
}

// Returns what is read, to be freed.
static char *read_gguf(const char *key, const char *value, bool flag)
{
    struct gguf_writer writer = { 0 };
    char *text = NULL;
    gguf_key_text(&writer, "general.architecture", "llama");
    if (value)
        gguf_key_text(&writer, key, value);
    else
        gguf_key_bool(&writer, key, flag);
    if (gguf_write(&writer, tools_path("m.gguf")))
        cli_template_read(tools_path("m.gguf"), &text);
    return text;
}

// A template, one of another use, and what is none.
static bool test_gguf(void)
{
    char *text = read_gguf("tokenizer.chat_template", "<|im_start|>", false), *long_text = NULL;
    CHECK(text && strcmp(text, "<|im_start|>") == 0);
    free(text);
    text = read_gguf("tokenizer.chat_template.tool_use", "<|im_start|>", false);
    CHECK(!text);
    text = read_gguf("tokenizer.chat_template", NULL, true);
    CHECK(!text);
    enum { LONG = 70000 }; // longer than what a file's keys are read to
    long_text = allocate(LONG + 1, 1);
    memset(long_text, 'x', LONG);
    text = read_gguf("tokenizer.chat_template", long_text, false);
    CHECK(!text);
    free(long_text);
    return true;
fail:
    free(text);
    free(long_text);
    return false;
}

// ------------------------------------------------------------------------------- ends

static bool ends_are(const char *name, const char *const *tokens, uint32_t count, uint32_t expected)
{
    char json[4096] = "{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]},"
                      "\"pre_tokenizer\":{\"type\":\"ByteLevel\"},\"added_tokens\":[";
    uint32_t ids[CLI_MAX_ENDS], set = 0;
    if (!vkmoe_bpe_is_built()) // there is none to ask
        return true;
    for (uint32_t i = 0; i < count; i++)
        snprintf(json + strlen(json), sizeof json - strlen(json),
            "%s{\"id\":%u,\"content\":\"%s\",\"special\":true}", i ? "," : "", i, tokens[i]);
    strcat(json, "]}");
    const struct vkmoe_tokenizer_file file = { "tokenizer.json", json, strlen(json) };
    vkmoe_tokenizer *tokenizer = NULL;
    vkmoe_tokenizer_create(&(struct vkmoe_tokenizer_params){ VKMOE_INIT(vkmoe_tokenizer_params),
                               .log = cli_log, .files = &file, .file_count = 1 },
        &tokenizer);
    const uint32_t found = cli_template_ends(cli_template_find(name), tokenizer, ids);
    for (uint32_t i = 0; i < found; i++)
        set |= 1u << ids[i];
    vkmoe_tokenizer_destroy(&tokenizer);
    if (set != expected)
        tap_note("%s: ends 0x%x, expected 0x%x", name, set, expected);
    return set == expected;
}

static bool test_ends(void)
{
    static const char *const chatml[] = { "<|endoftext|>", "<|im_start|>", "<|im_end|>",
        "<think>" };
    static const char *const glm[] = { "<|endoftext|>", "<|user|>", "<|assistant|>", "[gMASK]" };
    static const char *const oss[] = { "<|start|>", "<|end|>", "<|message|>", "<|return|>",
        "<|call|>" };
    static const char *const phi[] = { "<|user|>", "<|end|>", "<|endoftext|>" };
    static const char *const llama4[] = { "<|eot|>", "<|header_start|>" };
    CHECK(ends_are("chatml", chatml, COUNT_OF(chatml), 1 << 0 | 1 << 2));
    CHECK(ends_are("chatglm4", glm, COUNT_OF(glm), 1 << 0 | 1 << 1));
    CHECK(ends_are("gpt-oss", oss, COUNT_OF(oss), 1 << 3 | 1 << 4));
    CHECK(ends_are("phi3", phi, COUNT_OF(phi), 1 << 1 | 1 << 2));
    CHECK(ends_are("llama4", llama4, COUNT_OF(llama4), 1 << 0));
    CHECK(ends_are("mistral-v1", NULL, 0, 0));
    return true;
fail:
    return false;
}

static void check_rows(struct tap *tap)
{
    TAP_ROWS(tap, "text", text_cases, COUNT_OF(text_cases), check_text);
}

TOOLS_MAIN(check_rows, { "names", test_names }, { "marks", test_marks }, { "files", test_files },
    { "gguf", test_gguf }, { "ends", test_ends })
