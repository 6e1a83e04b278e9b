// utf8.h - what bytes of unknown origin may be shown as.
#ifndef VKMOE_CLI_UTF8_H
#define VKMOE_CLI_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Decodes the sequence at `s`, of `size` bytes at most. Returns its length; 0: this is no
// UTF-8, and will not become it with more bytes; -1: it is cut off.
int cli_utf8_decode(const unsigned char *s, size_t size, uint32_t *code);

// A character that moves a terminal's cursor by one column and does nothing else to it.
bool cli_utf8_is_plain(uint32_t code);

// What Python's str.strip() takes for a blank, and nearly what its \w takes for a letter or digit.
bool cli_utf8_is_blank(uint32_t code);
bool cli_utf8_is_word(uint32_t code);

// Whether the terminal, as far as its environment tells, shows UTF-8.
bool cli_utf8_shown(void);

#endif
