// report.c - messages, progress, colours, quantities in words, JSON.
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "terminal.h"

static uint32_t errors;
static bool progress_shown, stdout_failed;
static struct cli_capture capture;
static const char *about; // what warnings are about; NULL: they say so themselves

// ----------------------------------------------------------------------- messages

static void say(const char *format, va_list args)
{
    cli_progress(NULL);
    fflush(stdout); // what was printed before comes before
    fputs("vkmoe: ", stderr);
    vfprintf(stderr, format, args);
}

struct cli_capture cli_capture(struct cli_capture to)
{
    const struct cli_capture before = capture;
    capture = to;
    if (to.text)
        *to.text = '\0';
    return before;
}

void cli_restore(struct cli_capture before)
{
    capture = before;
}

void cli_about(const char *name)
{
    about = name;
}

int cli_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (capture.text) {
        if (!*capture.text) // the first is the reason, others follow from it
            vsnprintf(capture.text, capture.size, format, args);
        va_end(args);
        return 1;
    }
    say(format, args);
    va_end(args);
    fputc('\n', stderr);
    errors++;
    return 1;
}

int cli_misuse(const char *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
    fprintf(stderr, "; see 'vkmoe %s%s--help'\n", command ? command : "", command ? " " : "");
    return 2;
}

static void write_log(void *user, enum vkmoe_log_level level, const char *line)
{
    // A refused file may be looked at twice; the reason is wanted once.
    static char last[1024];
    (void)user;
    if (capture.text) {
        if (level == VKMOE_LOG_ERROR)
            cli_fail("%s", line);
        return;
    }
    if (strcmp(line, last) == 0)
        return;
    snprintf(last, sizeof last, "%s", line);
    if (level == VKMOE_LOG_ERROR) {
        cli_fail("%s", line);
    } else {
        cli_progress(NULL);
        fprintf(stderr, "vkmoe: warning: %s%s%s\n", about ? about : "", about ? ": " : "", line);
    }
}

const struct vkmoe_log cli_log = { .write = write_log, .level = VKMOE_LOG_WARNING };

int cli_result(enum vkmoe_status status, const char *what)
{
    if (status == VKMOE_OK)
        return 0;
    return errors ? 1 : cli_fail("%s: %s", what, vkmoe_status_name(status));
}

int cli_flush(void)
{
    const int error = stdout_failed ? 0 : cli_flush_error();
    if (error)
        cli_fail_stdout(error);
    return stdout_failed;
}

int cli_fail_stdout(int error)
{
    if (!stdout_failed && error != EPIPE)
        cli_fail("cannot write to standard output: %s", strerror(error));
    stdout_failed = true;
    return 1;
}

int cli_finish(int status)
{
    cli_progress(NULL);
    if (cli_flush() != 0)
        return 1;
    return status == 0 && errors ? 1 : status;
}

bool cli_has_cursor(void)
{
    return cli_is_terminal(STDERR_FILENO);
}

void cli_progress(const char *format, ...)
{
    if (!format ? !progress_shown : !cli_has_cursor())
        return;
    fflush(stdout);
    fputs("\r\033[K", stderr); // over what it said before
    progress_shown = format != NULL;
    if (!format)
        return;
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fflush(stderr);
}

void *cli_alloc(size_t size)
{
    void *memory = calloc(1, size ? size : 1);
    if (!memory)
        exit(cli_fail("no memory for %zu bytes", size));
    return memory;
}

// ------------------------------------------------------------------------ colours

static bool is_coloured(void)
{
    static int answer = -1;
    if (answer < 0) {
        const char *no_color = getenv("NO_COLOR");
        answer = cli_is_terminal(STDOUT_FILENO) && !(no_color && *no_color);
    }
    return answer == 1;
}

const char *cli_style_on(enum cli_style style)
{
    static const char *const codes[] = {
        [CLI_PLAIN] = "",
        [CLI_BOLD] = "\033[1m",
        [CLI_GOOD] = "\033[32m",
        [CLI_BAD] = "\033[31m",
    };
    return is_coloured() ? codes[style] : "";
}

const char *cli_style_off(enum cli_style style)
{
    return style != CLI_PLAIN && is_coloured() ? "\033[0m" : "";
}

// --------------------------------------------------------------------- quantities

// Divides *value until it is below `enough`, `last` times at the most; returns how often.
static uint32_t scale(double *value, double divisor, double enough, uint32_t last)
{
    uint32_t times = 0;
    for (; *value >= enough && times < last; times++)
        *value /= divisor;
    return times;
}

// One digit after the point, but of whole things none.
static struct cli_text count_text(
    uint64_t count, double divisor, double enough, const char *const units[5])
{
    struct cli_text out;
    double value = (double)count;
    const uint32_t unit = scale(&value, divisor, enough, 4);
    snprintf(out.text, sizeof out.text, "%.*f%s", unit ? 1 : 0, value, units[unit]);
    return out;
}

struct cli_text cli_bytes(uint64_t bytes)
{
    static const char *const units[] = { " bytes", " KiB", " MiB", " GiB", " TiB" };
    return count_text(bytes, 1024, 1023.95, units);
}

struct cli_text cli_duration(double ns)
{
    static const char *const units[] = { "ns", "us", "ms", "s" };
    struct cli_text out;
    const uint32_t unit = scale(&ns, 1000, 999.5, 3);
    // Three digits: timings are no better than that.
    snprintf(out.text, sizeof out.text, "%.*f %s",
        ns < 9.995       ? 2
            : ns < 99.95 ? 1
                         : 0,
        ns, units[unit]);
    return out;
}

struct cli_text cli_quantity(uint64_t count)
{
    static const char *const units[] = { "", " thousand", " million", " billion", " trillion" };
    return count_text(count, 1000, 999.95, units);
}

// --------------------------------------------------------------------------- JSON

int cli_print_json(cJSON *json)
{
    char *text = cJSON_Print(json);
    cJSON_Delete(json);
    if (!text)
        return cli_fail("no memory for the JSON");
    printf("%s\n", text);
    cJSON_free(text);
    return 0;
}

// Length of the UTF-8 sequence at `s`, or 0: RFC 3629's table.
static size_t sequence_length(const unsigned char *s)
{
    if (s[0] < 0x80)
        return 1;
    size_t length = s[0] >= 0xc2 && s[0] <= 0xdf ? 2
        : (s[0] & 0xf0) == 0xe0                  ? 3
        : s[0] >= 0xf0 && s[0] <= 0xf4           ? 4
                                                 : 0;
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f)
        || (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return length;
}

void cli_json_text(cJSON *object, const char *key, const char *text)
{
    // What is not UTF-8 becomes U+FFFD, or a reader would refuse all of it.
    char *clean = cli_alloc(3 * strlen(text) + 1), *to = clean;
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        size_t length = sequence_length(s);
        memcpy(to, length ? (const char *)s : "\xef\xbf\xbd", length ? length : 3);
        to += length ? length : 3;
        s += length ? length : 1;
    }
    *to = '\0';
    cJSON_AddStringToObject(object, key, clean);
    free(clean);
}
