// utf8.h - the characters of bytes of unknown origin, and what kinds there are.
#ifndef VKMOE_UTF8_H
#define VKMOE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Decodes the sequence at `s`, of `size` bytes at most. Returns its length; 0: this is no
// UTF-8, and will not become it with more bytes; -1: it is cut off.
int vkmoe_utf8_decode(const unsigned char *s, size_t size, uint32_t *code);

// What Python's str.strip() takes for a blank, and nearly what its \w takes for a letter or digit.
bool vkmoe_utf8_is_blank(uint32_t code);
bool vkmoe_utf8_is_word(uint32_t code);

// How many bytes at the end, 3 at most, may become a character with others.
size_t vkmoe_utf8_count_unfinished(const void *text, size_t size);

#endif
