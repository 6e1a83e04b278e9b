// template.c - see template.h.
#include "template.h"

#include <stdlib.h>
#include <string.h>

#include "base/common.h"

enum { MAX_MARKS = 2, MAX_STRANGE = 3 };

enum place { BEFORE, AFTER };

struct cli_template {
    const char *name;
    // A model's template is this one if it has all of these marks, and none that are strange. The
    // first in the table counts.
    const char *marks[MAX_MARKS], *strange[MAX_STRANGE];
    const char *start; // of a conversation; NULL: nothing
    // What stands before and after. Before what the model is told first NULL: what stands before a
    // turn, whose beginning it is.
    const char *system[2], *user[2], *answer[2];
};

// Who speaks is named.
#define ROLES(before, after, end) \
    .system = { before "system" after, end }, .user = { before "user" after, end }, \
    .answer = { before "assistant" after, end }

// Mistral's: only people speak in marks.
#define INST(before, after) .user = { before, after }, .answer = { "", "</s>" }
#define JOINED .system = { NULL, "\n\n" }
#define LLAMA2 "<<SYS>>"
#define QUOTED "[INST]\"", "[INST]'" // no blank is put after it

// What the models' own templates make of a conversation, as libllama has it.
static const struct cli_template templates[] = {
    { "kimi-k2", { "<|im_middle|>" },
        .system = { "<|im_system|>system<|im_middle|>", "<|im_end|>" },
        .user = { "<|im_user|>user<|im_middle|>", "<|im_end|>" },
        .answer = { "<|im_assistant|>assistant<|im_middle|>", "<|im_end|>" } },
    // With the strange mark it is Phi-4's.
    { "chatml", { "<|im_start|>" }, { "<|im_sep|>" }, ROLES("<|im_start|>", "\n", "<|im_end|>\n") },
    { "mistral-v7", { "[INST]", "[SYSTEM_PROMPT]" }, { QUOTED }, INST("[INST] ", "[/INST]"),
        .system = { "[SYSTEM_PROMPT] ", "[/SYSTEM_PROMPT]" } },
    { "mistral-v7-tekken", { "[INST]", "[SYSTEM_PROMPT]" }, INST("[INST]", "[/INST]"),
        .system = { "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]" } },
    { "mistral-v1", { "[INST]", " [/INST]" }, { LLAMA2 }, INST(" [INST] ", " [/INST]"), JOINED },
    { "mistral-v3", { "[INST]" }, { LLAMA2, QUOTED }, INST("[INST] ", "[/INST]"), JOINED },
    { "mistral-v3-tekken", { "[INST]" }, { LLAMA2 }, INST("[INST]", "[/INST]"), JOINED },
    { "chatglm4", { "[gMASK]<sop>" }, .start = "[gMASK]<sop>", ROLES("<|", "|>\n", "") },
    { "phi3", { "<|assistant|>", "<|end|>" }, ROLES("<|", "|>\n", "<|end|>\n") },
    { "deepseek2", { "'Assistant: ' + message" }, .system = { "", "\n\n" },
        .user = { "User: ", "\n\n" }, .answer = { "Assistant:", "<｜end▁of▁sentence｜>" } },
    { "deepseek3", { "<｜User｜>" }, .system = { "", "\n\n" }, .user = { "<｜User｜>", "" },
        .answer = { "<｜Assistant｜>", "<｜end▁of▁sentence｜>" } },
    { "llama3", { "<|start_header_id|>" },
        ROLES("<|start_header_id|>", "<|end_header_id|>\n\n", "<|eot_id|>") },
    { "llama4", { "<|header_start|>" },
        ROLES("<|header_start|>", "<|header_end|>\n\n", "<|eot|>") },
    { "granite", { "<|start_of_role|>" },
        ROLES("<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>\n") },
    // An answer begins with <|message|>, or with the name of its channel: the model's own.
    { "gpt-oss", { "<|start|>", "<|channel|>" },
        .system = { "<|start|>system<|message|>", "<|end|>" },
        .user = { "<|start|>user<|message|>", "<|end|>" },
        .answer = { "<|start|>assistant", "<|return|>" } },
    { "hunyuan-moe", { "<|extra_0|>" }, .system = { "<|startoftext|>", "<|extra_4|>" },
        .user = { "<|startoftext|>", "<|extra_0|>" }, .answer = { "", "<|eos|>" } },
    { "bailing", { "<role>ASSISTANT</role>" }, .system = { "<role>SYSTEM</role>", "" },
        .user = { "<role>HUMAN</role>", "" }, .answer = { "<role>ASSISTANT</role>", "" } },
};

const char *cli_template_name(const struct cli_template *chat)
{
    return chat->name;
}

const struct cli_template *cli_template_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(templates); i++) {
        if (strcmp(templates[i].name, name) == 0)
            return &templates[i];
    }
    return NULL;
}

char *cli_template_names(void)
{
    size_t room = 1;
    for (size_t i = 0; i < ARRAY_SIZE(templates); i++)
        room += strlen(templates[i].name) + 2;
    char *names = cli_alloc(room);
    for (size_t i = 0; i < ARRAY_SIZE(templates); i++)
        strcat(strcat(names, i ? ", " : ""), templates[i].name);
    return names;
}

static uint32_t count_marks(const char *text, const char *const *marks, uint32_t most, bool *all)
{
    uint32_t found = 0, i = 0;
    for (; i < most && marks[i]; i++)
        found += strstr(text, marks[i]) != NULL;
    *all = found == i;
    return found;
}

const struct cli_template *cli_template_recognise(const char *text)
{
    for (size_t i = 0; i < ARRAY_SIZE(templates); i++) {
        bool all, unused;
        count_marks(text, templates[i].marks, MAX_MARKS, &all);
        if (all && !count_marks(text, templates[i].strange, MAX_STRANGE, &unused))
            return &templates[i];
    }
    return NULL;
}

// ----------------------------------------------------------------------------- turns

struct builder {
    char *data;
    struct cli_marked_text *out;
};

// `data` NULL: only counts.
static void put(struct builder *b, const char *text, size_t size)
{
    if (b->data && size)
        memcpy(b->data + b->out->size, text, size);
    b->out->size += size;
}

static void put_mark(struct builder *b, const char *text)
{
    struct cli_marked_text *out = b->out;
    const size_t begin = out->size, size = text ? strlen(text) : 0;
    put(b, text, size);
    if (out->mark_count && out->marks[out->mark_count - 1].end == begin) {
        out->marks[out->mark_count - 1].end += size;
    } else {
        out->marks[out->mark_count].begin = begin;
        out->marks[out->mark_count++].end = out->size;
    }
}

static void build(struct builder *b, const struct cli_template *chat, const struct cli_turn *turn)
{
    const char *system = turn->first ? turn->system : NULL;
    *b->out = (struct cli_marked_text){ .data = b->data };
    put_mark(b, turn->first ? chat->start : chat->answer[AFTER]);
    const bool joined = system && !chat->system[BEFORE];
    if (system) {
        put_mark(b, chat->system[BEFORE] ? chat->system[BEFORE] : chat->user[BEFORE]);
        put(b, system, strlen(system));
        put_mark(b, chat->system[AFTER]);
    }
    put_mark(b, joined ? NULL : chat->user[BEFORE]);
    put(b, turn->user, turn->user_size);
    put_mark(b, chat->user[AFTER]);
    put_mark(b, chat->answer[BEFORE]);
}

char *cli_template_turn(
    const struct cli_template *chat, const struct cli_turn *turn, struct cli_marked_text *out)
{
    struct builder b = { .out = out };
    build(&b, chat, turn);
    b.data = cli_alloc(out->size);
    build(&b, chat, turn);
    return b.data;
}

// ------------------------------------------------------------------------------ ends

// The first special token in a text; -1: there is none.
static int64_t first_special(const vkmoe_tokenizer *tokenizer, const char *text)
{
    uint32_t tokens[64];
    struct vkmoe_encoding encoding = { VKMOE_INIT(vkmoe_encoding), .tokens = tokens,
        .room = (uint32_t)ARRAY_SIZE(tokens) };
    const struct vkmoe_encode_params params = { VKMOE_INIT(vkmoe_encode_params), .text = text,
        .size = strlen(text), .special = VKMOE_SPECIAL_TOKENS_EVERYWHERE, .goes_on = true,
        .no_end = true };
    int64_t found = -1;
    char why[64];
    // It may have one that the model has no room for.
    const struct cli_capture before = cli_capture((struct cli_capture){ why, sizeof why });
    if (vkmoe_tokenizer_encode(tokenizer, &params, &encoding) != VKMOE_OK
        || encoding.count > encoding.room)
        encoding.count = 0;
    cli_restore(before);
    for (uint32_t i = encoding.count; i-- > 0;) {
        if (vkmoe_tokenizer_is_special(tokenizer, tokens[i]))
            found = tokens[i];
    }
    return found;
}

uint32_t cli_template_ends(
    const struct cli_template *chat, const vkmoe_tokenizer *tokenizer, uint32_t ids[CLI_MAX_ENDS])
{
    const char *after = *chat->answer[AFTER] ? chat->answer[AFTER] : chat->user[BEFORE];
    uint32_t count = 0, more;
    if (!tokenizer)
        return 0;
    const int64_t own = first_special(tokenizer, after);
    if (own >= 0)
        ids[count++] = (uint32_t)own;
    more = CLI_MAX_ENDS - count;
    if (vkmoe_tokenizer_get_ends(tokenizer, ids + count, &more) == VKMOE_OK)
        count += more;
    return count;
}
