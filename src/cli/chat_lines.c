// chat_lines.c - see chat_lines.h.
#include "chat_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "prompt.h"

enum { FIRST_ROOM = 1 << 12 };

static int grow(struct cli_lines *lines)
{
    const size_t room = lines->room ? 2 * lines->room : FIRST_ROOM;
    char *more = realloc(lines->data, room);
    if (!more)
        return cli_fail("standard input: no memory for a line");
    lines->data = more;
    lines->room = room;
    return 0;
}

// More of the input, unless it has ended.
static int fill(struct cli_lines *lines)
{
    if (lines->next)
        memmove(lines->data, lines->data + lines->next, lines->size - lines->next);
    lines->size -= lines->next;
    lines->next = 0;
    const int status = lines->size == lines->room ? grow(lines) : 0;
    if (status != 0)
        return status;
    const ssize_t got = read(STDIN_FILENO, lines->data + lines->size, lines->room - lines->size);
    if (got < 0 && errno != EINTR)
        return cli_fail("standard input: cannot read: %s", strerror(errno));
    lines->size += got > 0 ? (size_t)got : 0;
    lines->ended = got == 0;
    return 0;
}

int cli_lines_next(struct cli_lines *lines, const char **line, size_t *size)
{
    *line = NULL;
    size_t seen = 0; // of what is left, holds no end of a line
    while (!cli_interrupted) {
        const size_t left = lines->size - lines->next;
        const char *begin = left ? lines->data + lines->next : NULL;
        const char *end = left > seen ? memchr(begin + seen, '\n', left - seen) : NULL;
        const size_t length = end ? (size_t)(end - begin) : left;
        if (length > CLI_MAX_PROMPT)
            return cli_fail("standard input: a line has more than %d MiB, too much for a turn",
                CLI_MAX_PROMPT >> 20);
        if (end || (lines->ended && left > 0)) {
            *line = begin;
            *size = length;
            lines->next += *size + (end != NULL);
            if (*size && begin[*size - 1] == '\r')
                --*size;
            return 0;
        }
        if (lines->ended)
            return 0;
        seen = left;
        const int status = fill(lines);
        if (status != 0)
            return status;
    }
    return 0;
}

void cli_lines_finish(struct cli_lines *lines)
{
    free(lines->data);
    *lines = (struct cli_lines){ 0 };
}
