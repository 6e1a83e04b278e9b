// table.c - text in aligned columns.
#include "cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cli_cell {
    char *text;
    enum cli_style style;
};

enum { MAX_COLUMNS = 16 };

static void add(struct cli_table *table, enum cli_style style, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *text = cli_alloc((size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, args);
    if (table->count == table->capacity) {
        uint32_t capacity = 2 * table->capacity + 32;
        struct cli_cell *cells = cli_alloc(capacity * sizeof *cells);
        if (table->count)
            memcpy(cells, table->cells, table->count * sizeof *cells);
        free(table->cells);
        table->cells = cells;
        table->capacity = capacity;
    }
    table->cells[table->count++] = (struct cli_cell){ text, style };
}

void cli_table_add(struct cli_table *table, enum cli_style style, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(table, style, format, args);
    va_end(args);
}

void cli_table_row(struct cli_table *table, const char *what, const char *format, ...)
{
    va_list args;
    cli_table_add(table, CLI_PLAIN, "%s", what);
    va_start(args, format);
    add(table, CLI_PLAIN, format, args);
    va_end(args);
}

// Columns that UTF-8 text takes, if each character takes one.
static int width(const char *text)
{
    int columns = 0;
    for (; *text; text++)
        columns += ((unsigned char)*text & 0xc0) != 0x80;
    return columns;
}

static void print_cell(const struct cli_cell *cell, int padding, bool right, bool last)
{
    if (right)
        printf("%*s", padding, "");
    printf("%s%s%s", cli_style_on(cell->style), cell->text, cli_style_off(cell->style));
    if (last)
        printf("\n");
    else
        printf("%*s  ", right ? 0 : padding, "");
}

void cli_table_print(struct cli_table *table, int indent)
{
    const uint32_t columns = (uint32_t)strlen(table->columns);
    int widths[MAX_COLUMNS] = { 0 };
    for (uint32_t i = 0; i < table->count; i++) {
        int cell = width(table->cells[i].text);
        if (cell > widths[i % columns])
            widths[i % columns] = cell;
    }
    for (uint32_t i = 0; i < table->count; i++) {
        uint32_t column = i % columns;
        if (column == 0)
            printf("%*s", indent, "");
        print_cell(&table->cells[i], widths[column] - width(table->cells[i].text),
            table->columns[column] == 'r', column == columns - 1);
        free(table->cells[i].text);
    }
    free(table->cells);
    *table = (struct cli_table){ 0 };
}
