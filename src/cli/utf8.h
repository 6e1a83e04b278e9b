// utf8.h - what characters may be shown as.
#ifndef VKMOE_CLI_UTF8_H
#define VKMOE_CLI_UTF8_H

#include <stdbool.h>
#include <stdint.h>

// A character that moves a terminal's cursor by one column and does nothing else to it.
bool cli_utf8_is_plain(uint32_t code);

// Whether the terminal, as far as its environment tells, shows UTF-8.
bool cli_utf8_shown(void);

#endif
