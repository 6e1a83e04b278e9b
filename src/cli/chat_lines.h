// chat_lines.h - lines of standard input as they come, of any bytes, which Ctrl-C ends.
#ifndef VKMOE_CLI_CHAT_LINES_H
#define VKMOE_CLI_CHAT_LINES_H

#include <stdbool.h>
#include <stddef.h>

struct cli_lines {
    char *data; // what was read
    size_t size, room;
    size_t next; // where the next line begins
    bool ended;  // there is nothing more to read
};

// Sets *line, without its end, to the next one, valid until the next call; NULL: there is no more,
// or cli_interrupted is set. Fails with a message.
int cli_lines_next(struct cli_lines *lines, const char **line, size_t *size);
void cli_lines_finish(struct cli_lines *lines);

#endif
