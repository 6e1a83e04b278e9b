// code_books.h - the code books of iq1 to iq3 as shaders/code_books.h says; data, made by a script.
#ifndef VKMOE_CODE_BOOKS_H
#define VKMOE_CODE_BOOKS_H

#include <stdint.h>

#include "shaders/code_books.h"

extern const uint16_t vkmoe_code_books[CODE_BOOK_ENTRIES];

// Where the book of a format begins.
enum {
#define CODE_BOOK_AT(name, first, entries) CODE_BOOK_##name = (first),
    CODE_BOOKS(CODE_BOOK_AT)
};

#endif
