// chat.c - `vkmoe chat`.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chat_lines.h"
#include "continuation.h"

static const char about[] =
    "Talks with a model: each line of standard input is a turn, to which the model\n"
    "answers. What was said stays in its memory, so that a turn costs no more than\n"
    "its own tokens. Ctrl-C ends an answer; at the prompt it, or the end of the\n"
    "input (Ctrl-D), ends the conversation, and a second one before the prompt is\n"
    "there ends vkmoe. The line /clear begins a new conversation. Empty lines are\n"
    "passed over; of a line at a terminal, 4094 bytes are the most. Speed and device\n"
    "are printed to standard error.\n"
    "\n"
    "Who says what is put in the words of the model's own template, which is not\n"
    "run but recognised: from chat_template.jinja, tokenizer_config.json or\n"
    "chat_template.json, or from a GGUF file's tokenizer.chat_template. --template\n"
    "takes one by its name; 'vkmoe generate' continues a text without any.\n"
    "\n"
    "Special tokens are read in the template only: what looks like one in a turn or\n"
    "in --system is text. Where a template's marks are no tokens of their own, as\n"
    "[INST] of Mixtral, nothing tells them from the same words in a turn.\n"
    "\n"
    "An answer ends at the tokens that end the model's texts, at those that end a\n"
    "turn in its template, after --count tokens, or where the context is full.\n";

enum {
    DEFAULT_CONTEXT = 4096,
    TERMINAL_LINE = 4095, // what Linux's terminals cut longer lines to, without a word
};

static const char clear[] = "/clear";

struct chat {
    const char *checkpoint, *system, *template_name;
    uint32_t count, context;
    struct cli_running running;

    const struct cli_template *template;
    struct cli_session session;
    struct cli_continuation text;
    struct cli_lines lines;
    FILE *prompt;   // where a person is asked for a turn; NULL: there is none
    uint32_t turns; // since the beginning, or /clear
};

// -------------------------------------------------------------------------- template

static int refuse_template(const struct chat *chat, const char *what)
{
    char *names = cli_template_names();
    const int status = cli_fail("%s: %s; --template takes one of %s; 'vkmoe generate' continues a "
                                "text without one",
        chat->checkpoint, what, names);
    free(names);
    return status;
}

static int find_template(struct chat *chat)
{
    char *text = NULL;
    if (chat->template) // named
        return 0;
    int status = cli_template_read(chat->checkpoint, &text);
    if (text)
        chat->template = cli_template_recognise(text);
    if (status == 0 && !chat->template)
        status =
            refuse_template(chat, text ? "its chat template is not known" : "has no chat template");
    free(text);
    return status;
}

// ----------------------------------------------------------------------------- turns

// It is said to a person, who can do something else; for others it is the end.
static int refuse_turn(const struct chat *chat, const char *why)
{
    if (!chat->prompt)
        return cli_fail("%s", why);
    fprintf(stderr, "vkmoe: %s\n", why);
    return 0;
}

static int refuse_long(const struct chat *chat, uint32_t count)
{
    const struct cli_session *s = &chat->session;
    const uint32_t taken = s->count < s->capacity ? s->count : s->capacity;
    char text[256], more[64] = "";
    if (s->capacity < s->context)
        snprintf(more, sizeof more, "; --context makes room for up to %u", s->context);
    snprintf(text, sizeof text,
        "this turn's %u tokens do not fit: %u of the context's %u are taken%s%s", count, taken,
        s->capacity, taken ? "; /clear forgets them" : "", more);
    return refuse_turn(chat, text);
}

static void forget(struct chat *chat, uint32_t count)
{
    cli_session_cut(&chat->session, count);
    if (chat->text.run > count)
        chat->text.run = count;
}

static int answer(struct chat *chat)
{
    struct cli_session *s = &chat->session;
    struct cli_continuation *text = &chat->text;
    text->begin = s->count;
    int status = cli_continuation_write(text, chat->count ? chat->count : UINT32_MAX);
    const int ended = cli_continuation_end(text);
    if (status == 0 && text->stopped && !text->ended)
        fprintf(stderr, "stopped: %s\n", text->stopped);
    return status == 0 ? ended : status;
}

static int read_turn(struct chat *chat, const uint32_t *tokens, uint32_t count)
{
    struct cli_session *s = &chat->session;
    const uint32_t before = s->count;
    if (count > s->capacity || s->count > s->capacity - count)
        return refuse_long(chat, count);
    cli_session_append(s, tokens, count);
    cli_interrupted = 0;
    cli_catch_interrupt();
    int status = cli_continuation_read(&chat->text);
    if (status == 0 && chat->text.run < s->count) {
        forget(chat, before);
        fprintf(
            stderr, "%sstopped: interrupted; the turn is forgotten\n", chat->prompt ? "\n" : "");
        return 0;
    }
    chat->turns++;
    return status == 0 ? answer(chat) : status;
}

static int take_turn(struct chat *chat, const char *line, size_t size)
{
    const struct cli_turn turn = {
        .system = chat->system, .user = line, .user_size = size, .first = chat->turns == 0
    };
    struct cli_marked_text text;
    uint32_t *tokens = NULL, count = 0;
    char why[1024] = "";
    char *memory = cli_template_turn(chat->template, &turn, &text);
    const struct cli_capture before = cli_capture((struct cli_capture){ why, sizeof why });
    int status = cli_session_encode(&chat->session, &text, turn.first, &tokens, &count);
    cli_restore(before);
    free(memory);
    status = status == 0 ? read_turn(chat, tokens, count) : refuse_turn(chat, why);
    free(tokens);
    return status;
}

// The line is NULL when there are no more.
static int ask(struct chat *chat, const char **line, size_t *size)
{
    cli_interrupted = 0;
    cli_catch_interrupt();
    if (chat->prompt) {
        fprintf(chat->prompt, "%s> ", cli_style_on(CLI_BOLD));
        fflush(chat->prompt);
    }
    const int status = cli_lines_next(&chat->lines, line, size);
    const bool same_line = !*line || chat->lines.ended; // as the end of the input
    if (chat->prompt)
        fprintf(
            chat->prompt, "%s%s", cli_style_off(CLI_BOLD), status == 0 && same_line ? "\n" : "");
    return status;
}

// Blanks behind it are not seen, and so do not count.
static bool is_clear(const char *line, size_t size)
{
    while (size > 0 && line[size - 1] == ' ')
        size--;
    return size == sizeof clear - 1 && memcmp(line, clear, size) == 0;
}

static int talk(struct chat *chat)
{
    const char *line;
    size_t size;
    int status;
    while ((status = ask(chat, &line, &size)) == 0 && line) {
        if (is_clear(line, size)) {
            forget(chat, 0);
            chat->turns = 0;
        } else if (chat->prompt && size == TERMINAL_LINE) {
            status = refuse_turn(chat,
                "a terminal passes on no more than 4095 bytes of a line, and this one is as "
                "long; longer turns come through a pipe");
        } else if (size > 0) {
            status = take_turn(chat, line, size);
        }
        if (status != 0)
            break;
    }
    if (status == 0 && chat->text.read > 0)
        cli_continuation_report(&chat->text);
    return status;
}

// ------------------------------------------------------------------------------ work

static int start(struct chat *chat)
{
    struct cli_session *s = &chat->session;
    const int status = cli_session_check_positions(s, "context", chat->context);
    if (status != 0)
        return status;
    const uint32_t preset = s->context < DEFAULT_CONTEXT ? s->context : DEFAULT_CONTEXT;
    return cli_running_start(&chat->running, s, chat->context ? chat->context : preset, false);
}

static int run(struct chat *chat)
{
    struct cli_session *s = &chat->session;
    int status = cli_session_open_empty(s, chat->checkpoint);
    if (status != 0 || (status = find_template(chat)) != 0 || (status = start(chat)) != 0)
        return status;
    s->more_end_count = cli_template_ends(chat->template, s->tokenizer, s->more_ends);
    cli_continuation_init(&chat->text, s, &chat->running.sampling);
    if (isatty(STDIN_FILENO))
        chat->prompt = isatty(STDOUT_FILENO) ? stdout : stderr;
    if (chat->prompt)
        fprintf(stderr, "template: %s; context: %u tokens; /clear forgets, Ctrl-D ends\n",
            cli_template_name(chat->template), s->capacity);
    return talk(chat);
}

static int parse(struct chat *chat, int argc, char **argv)
{
    const struct cli_option options[] = {
        { .name = "system",
            .value = "TEXT",
            .text = &chat->system,
            .may_be_empty = true,
            .help = "what the model is told before the first turn" },
        CLI_TEXT("template", "NAME", &chat->template_name,
            "the chat template, if the model's is not known or not meant; ? lists them"),
        CLI_COUNT("context", "N", &chat->context,
            "tokens to have room for, at most the model's context; else 4096"),
        CLI_COUNT("count", "N", &chat->count, "an answer has at most N tokens"),
        CLI_RUNNING(&chat->running),
    };
    const int status = CLI_PARSE_MODEL(argc, argv, "chat", &chat->checkpoint, options, about);
    if (status >= 0)
        return status;
    if (chat->template_name)
        chat->template = cli_template_find(chat->template_name);
    if (chat->template || !chat->template_name)
        return cli_running_parse(&chat->running, "chat");
    char *names = cli_template_names();
    const int refused =
        cli_misuse("chat", "--template is '%s', expected one of %s", chat->template_name, names);
    free(names);
    return refused;
}

int cli_command_chat(int argc, char **argv)
{
    struct chat chat = { 0 };
    const int refused = parse(&chat, argc, argv);
    if (refused >= 0)
        return refused;
    if (chat.system && !*chat.system)
        chat.system = NULL;
    const int status = run(&chat);
    cli_continuation_finish(&chat.text);
    cli_session_close(&chat.session);
    cli_lines_finish(&chat.lines);
    cli_running_finish(&chat.running);
    return status;
}
