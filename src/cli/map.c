// map.c - the map on a terminal; see map.h.
#include "map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/utf8.h"
#include "utf8.h"

enum {
    DEFAULT_WIDTH = 80,
    MAX_WIDTH = 100,
    MIN_WIDTH = 24,
    INDENT = 2,
};

// ------------------------------------------------------------------------ colours

// Hues that the colour-blind can also tell apart (Okabe and Ito, 2008).
static const struct cli_paint flat_paints[CLI_MAP_COLOURS] = {
    { 230, 159, 0, false },
    { 86, 180, 233, false },
    { 0, 158, 115, false },
    { 240, 228, 66, false },
    { 0, 94, 160, true },
    { 213, 94, 0, true },
    { 222, 150, 195, false },
    { 85, 85, 85, true },
};
// Four hues, each dark and light: for experts that see equally far.
// clang-format off
static const struct cli_paint paired_paints[CLI_MAP_COLOURS] = {
    {  69, 150, 214, false }, { 174, 216, 245, false },
    { 233, 150,  30, false }, { 253, 216, 150, false },
    {  20, 158, 118, false }, { 160, 224, 202, false },
    { 196, 106, 164, false }, { 242, 196, 224, false },
};
// clang-format on
static const struct cli_paint other_paint = { 221, 221, 221, false };

static uint64_t reach(const struct cli_gate *gate, uint32_t expert)
{
    const struct vkmoe_pattern *p = &gate->patterns[expert];
    const uint64_t step = p->kind == VKMOE_PATTERN_WINDOW ? 1 : p->step;
    return (p->left ? p->left : UINT32_MAX) * (uint64_t)2048 + step;
}

// The experts sorted by what they see, in `order`. True if they differ in that, and the
// paired paints are enough for them.
static bool sort_by_reach(const struct cli_gate *gate, uint32_t *order)
{
    uint32_t kinds = 1, alike = 1, most = 1;
    for (uint32_t i = 0; i < gate->experts; i++) {
        uint32_t at = i;
        for (; at > 0 && reach(gate, order[at - 1]) > reach(gate, i); at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    for (uint32_t i = 1; i < gate->experts; i++) {
        const bool same = reach(gate, order[i]) == reach(gate, order[i - 1]);
        alike = same ? alike + 1 : 1;
        kinds += !same;
        most = alike > most ? alike : most;
    }
    return kinds > 1 && kinds <= CLI_MAP_COLOURS / 2 && most <= 2;
}

static void use_pairs(const struct cli_gate *gate, const uint32_t *order, struct cli_legend *legend)
{
    uint32_t colour = 0;
    memcpy(legend->paints, paired_paints, sizeof paired_paints);
    for (uint32_t i = 0; i < gate->experts; i++) {
        const bool same = i > 0 && reach(gate, order[i]) == reach(gate, order[i - 1]);
        if (i > 0)
            colour = same ? colour + 1 : (colour | 1) + 1;
        legend->colour[order[i]] = (uint8_t)colour;
        legend->experts[legend->shown++] = order[i];
    }
}

// The busiest ones have colours of their own, in the order of their numbers.
static void use_flat(const struct cli_gate *gate, struct cli_legend *legend)
{
    const uint32_t room = gate->experts > CLI_MAP_COLOURS ? CLI_MAP_COLOURS - 1 : gate->experts;
    memcpy(legend->paints, flat_paints, sizeof flat_paints);
    memset(legend->colour, CLI_MAP_COLOURS, sizeof legend->colour);
    for (uint32_t i = 0; i < room; i++) {
        uint32_t best = UINT32_MAX;
        for (uint32_t e = 0; e < gate->experts; e++) {
            if (legend->colour[e] == CLI_MAP_COLOURS
                && (best == UINT32_MAX || legend->first[e] > legend->first[best]))
                best = e;
        }
        legend->colour[best] = 0;
    }
    for (uint32_t e = 0; e < gate->experts; e++) {
        if (legend->colour[e] == CLI_MAP_COLOURS)
            continue;
        legend->colour[e] = (uint8_t)legend->shown;
        legend->experts[legend->shown++] = e;
    }
    legend->other_count = gate->experts - room;
    legend->others = legend->other_count > 0;
}

void cli_legend_make(
    const struct cli_map *map, const struct cli_gate *gate, struct cli_legend *legend)
{
    uint32_t order[CLI_MAP_EXPERTS];
    *legend = (struct cli_legend){ 0 };
    legend->paints[CLI_MAP_COLOURS] = other_paint;
    for (uint32_t t = 0; t < map->count; t++)
        legend->first[gate->ids[(size_t)t * gate->k]]++;
    legend->ranges = gate->patterns && sort_by_reach(gate, order);
    if (legend->ranges)
        use_pairs(gate, order, legend);
    else
        use_flat(gate, legend);
}

struct cli_text cli_range_label(const struct cli_gate *gate, uint32_t expert)
{
    struct cli_text out;
    const struct vkmoe_pattern *p = &gate->patterns[expert];
    int used = p->left ? snprintf(out.text, sizeof out.text, "last %u", p->left)
                       : snprintf(out.text, sizeof out.text, "everything");
    if (p->kind != VKMOE_PATTERN_WINDOW)
        snprintf(out.text + used, sizeof out.text - (size_t)used, ", one in %u", p->step);
    return out;
}

char cli_expert_letter(uint32_t expert)
{
    static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    return expert < sizeof letters - 1 ? letters[expert] : '+';
}

// --------------------------------------------------------------------------- text

uint32_t cli_map_line(const struct cli_map *map, uint32_t start, uint32_t width)
{
    uint32_t end = start;
    while (end < map->count && end - start < width) {
        end++;
        if (map->bytes && map->tokens[end - 1] == '\n')
            break;
    }
    return end;
}

// Whether the byte belongs to a character; *length: its bytes from here on, 0 after its first.
static bool find_character(
    const struct cli_map *map, uint32_t position, int *length, uint32_t *code)
{
    for (uint32_t back = 0; back < 4 && back <= position; back++) {
        unsigned char bytes[4];
        uint32_t size = 0;
        for (; size < 4 && position - back + size < map->count; size++)
            bytes[size] = (unsigned char)map->tokens[position - back + size];
        *length = vkmoe_utf8_decode(bytes, size, code);
        if (*length > (int)back) {
            *length = back ? 0 : *length;
            return true;
        }
    }
    return false;
}

void cli_map_symbol(const struct cli_map *map, uint32_t position, bool utf8, char symbol[8])
{
    const uint32_t byte = map->tokens[position];
    uint32_t code;
    int length;
    strcpy(symbol, " ");
    if (!map->bytes)
        return;
    if (byte >= 0x20 && byte < 0x7f)
        symbol[0] = (char)byte;
    else if (!utf8)
        symbol[0] = byte == '\n' ? '$' : byte == '\t' ? '>' : '.';
    else if (byte == '\n' || byte == '\t')
        strcpy(symbol, byte == '\n' ? "\u21b5" : "\u2192");
    else if (byte < 0x80) // Unicode has pictures of control characters
        snprintf(symbol, 8, "\xe2\x90%c", (int)(byte == 0x7f ? 0xa1 : 0x80 + byte));
    else if (!find_character(map, position, &length, &code) || !cli_utf8_is_plain(code))
        strcpy(symbol, "\u25af");
    else if (length == 0)
        strcpy(symbol, "\u00b7");
    else {
        for (int i = 0; i < length; i++)
            symbol[i] = (char)map->tokens[position + (uint32_t)i];
        symbol[length] = '\0';
    }
}

// ----------------------------------------------------------------------- terminal

struct terminal {
    bool coloured, exact, utf8; // exact: 24 bits a colour
    uint32_t width;
};

static struct terminal inspect_terminal(void)
{
    const char *colours = getenv("COLORTERM"), *columns = getenv("COLUMNS");
    struct winsize size;
    long width = columns ? strtol(columns, NULL, 10) : 0;
    if (width <= 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        width = size.ws_col;
    width = width <= 0      ? DEFAULT_WIDTH
        : width < MIN_WIDTH ? MIN_WIDTH
        : width > MAX_WIDTH ? MAX_WIDTH
                            : width;
    return (struct terminal){
        .coloured = *cli_style_on(CLI_BOLD) != '\0',
        .exact = colours && (strstr(colours, "truecolor") || strstr(colours, "24bit")),
        .utf8 = cli_utf8_shown(),
        .width = (uint32_t)width - 2 * INDENT,
    };
}

// The nearest of the 6 x 6 x 6 colours from 16 on.
static int cube(uint8_t value)
{
    return value < 48 ? 0 : value < 115 ? 1 : (value - 35) / 40;
}

static void start_paint(const struct terminal *terminal, const struct cli_paint *paint)
{
    if (terminal->exact)
        printf("\033[%s;48;2;%u;%u;%um", paint->light ? "38;2;255;255;255" : "38;2;0;0;0",
            paint->red, paint->green, paint->blue);
    else
        printf("\033[38;5;%d;48;5;%dm", paint->light ? 231 : 16,
            16 + 36 * cube(paint->red) + 6 * cube(paint->green) + cube(paint->blue));
}

static void print_entry(
    const struct terminal *terminal, const struct cli_paint *paint, const char *text)
{
    if (terminal->coloured) {
        start_paint(terminal, paint);
        printf(" %s \033[0m", text);
    } else {
        printf("%s", text);
    }
}

static void print_legend(
    const struct terminal *terminal, const struct cli_gate *gate, const struct cli_legend *legend)
{
    char name[16], before[32] = "";
    printf("%*s%s", INDENT, "", legend->ranges ? "sees " : "experts:");
    for (uint32_t i = 0; i < legend->shown; i++) {
        const uint32_t expert = legend->experts[i];
        if (legend->ranges) {
            const struct cli_text label = cli_range_label(gate, expert);
            if (strcmp(label.text, before))
                printf("%s%s:", i ? "  " : "", label.text);
            snprintf(before, sizeof before, "%s", label.text);
        }
        snprintf(name, sizeof name, expert < 10 || terminal->coloured ? "%u" : "%u=%c", expert,
            cli_expert_letter(expert));
        putchar(' ');
        print_entry(terminal, &legend->paints[legend->colour[expert]], name);
    }
    if (legend->others) {
        putchar(' ');
        print_entry(terminal, &other_paint, "others");
        printf(" (%u)", legend->other_count);
    }
    putchar('\n');
}

static void print_line(const struct terminal *terminal, const struct cli_map *map,
    const struct cli_gate *gate, const struct cli_legend *legend, uint32_t start, uint32_t end)
{
    int before = -1;
    printf("%*s", INDENT, "");
    for (uint32_t t = start; t < end && (map->bytes || terminal->coloured); t++) {
        const int colour = legend->colour[gate->ids[(size_t)t * gate->k]];
        char symbol[8];
        cli_map_symbol(map, t, terminal->utf8, symbol);
        if (terminal->coloured && colour != before)
            start_paint(terminal, &legend->paints[colour]);
        fputs(symbol, stdout);
        before = colour;
    }
    if (terminal->coloured) {
        printf("\033[0m\n");
        return;
    }
    if (map->bytes)
        printf("\n%*s", INDENT, "");
    for (uint32_t t = start; t < end; t++)
        putchar(cli_expert_letter((uint32_t)gate->ids[(size_t)t * gate->k]));
    printf("\n%s", map->bytes ? "\n" : "");
}

void cli_map_print(const struct cli_map *map)
{
    const struct terminal terminal = inspect_terminal();
    struct cli_legend *legend = cli_alloc(sizeof *legend);
    const char *what = map->bytes ? "character" : "token";
    printf("%sthe first choice of every %s%s: %s\n", cli_style_on(CLI_BOLD), what,
        cli_style_off(CLI_BOLD),
        terminal.coloured ? "its colour is its expert's"
            : map->bytes  ? "below it is its expert"
                          : "its expert");
    for (uint32_t i = 0; i < map->gate_count; i++) {
        const struct cli_gate *gate = &map->gates[i];
        cli_legend_make(map, gate, legend);
        printf("\n%slayer %u, %s%s\n", cli_style_on(CLI_BOLD), gate->layer,
            gate->attention ? "attention" : "feed-forward", cli_style_off(CLI_BOLD));
        print_legend(&terminal, gate, legend);
        for (uint32_t start = 0, end; start < map->count; start = end) {
            end = cli_map_line(map, start, terminal.width);
            print_line(&terminal, map, gate, legend, start, end);
        }
    }
    free(legend);
}
