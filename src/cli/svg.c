// svg.c - the map as a picture; see map.h.
#include "map.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MARGIN = 32,
    COLUMNS = 80,     // most characters of a line
    MIN_COLUMNS = 62, // or the explanation would not fit
    CELL = 10,        // width of a character
    LINE = 22,        // height of a line of text
    GAP = 36,         // between the text and its legend
    LEGEND = 296,
    ENTRY = 22, // height of an entry of the legend
    BAR_X = 180,
    BAR = 70, // length of the longest bar
    HEADER = 112,
    HEADING = 34,
    FOOT = 30, // below a panel
};

// ---------------------------------------------------------------------------- file

int cli_svg_check(const char *path)
{
    struct stat existing;
    if (!path || cli_is_stdout(path))
        return 0;
    const bool exists = stat(path, &existing) == 0;
    if (exists && S_ISDIR(existing.st_mode))
        return cli_fail("%s: cannot create: it is a directory", path);
    if (exists && access(path, W_OK) != 0)
        return cli_fail("%s: cannot write: %s", path, strerror(errno));
    if (exists && !S_ISREG(existing.st_mode))
        return 0;
    char *target = cli_resolve(path);
    if (!target)
        return cli_fail("%s: cannot create: %s", path, strerror(errno));
    *(strrchr(target, '/') + 1) = '\0';
    const int error = access(target, W_OK) == 0 ? 0 : errno;
    free(target);
    return error ? cli_fail("%s: cannot create: %s", path, strerror(error)) : 0;
}

// ------------------------------------------------------------------------- picture

static void put(FILE *file, const char *text)
{
    for (const char *c = text; *c; c++) {
        switch (*c) {
        case '<': fputs("&lt;", file); break;
        case '>': fputs("&gt;", file); break;
        case '&': fputs("&amp;", file); break;
        case '"': fputs("&quot;", file); break;
        default: fputc((unsigned char)*c < 0x20 ? '?' : *c, file);
        }
    }
}

struct size {
    uint32_t lines;
    uint32_t legend_x, width;
};

static struct size measure(const struct cli_map *map)
{
    struct size size = { 0 };
    uint32_t columns = MIN_COLUMNS;
    for (uint32_t start = 0, end; start < map->count; start = end) {
        end = cli_map_line(map, start, COLUMNS);
        columns = end - start > columns ? end - start : columns;
        size.lines++;
    }
    size.legend_x = MARGIN + columns * CELL + GAP;
    size.width = size.legend_x + LEGEND + MARGIN;
    return size;
}

static uint32_t panel_height(const struct size *size, const struct cli_legend *legend)
{
    const uint32_t text = size->lines * LINE, entries = legend->shown + legend->others;
    const uint32_t side = (entries + 1) * ENTRY;
    return HEADING + (text > side ? text : side) + FOOT;
}

static void put_fill(FILE *file, const struct cli_paint *paint)
{
    fprintf(file, "fill=\"#%02x%02x%02x\"", paint->red, paint->green, paint->blue);
}

// One rectangle for neighbours of one expert.
static void put_runs(FILE *file, const struct cli_gate *gate, const struct cli_legend *legend,
    uint32_t start, uint32_t end, uint32_t y)
{
    for (uint32_t t = start, next; t < end; t = next) {
        const int32_t expert = gate->ids[(size_t)t * gate->k];
        for (next = t + 1; next < end && gate->ids[(size_t)next * gate->k] == expert;)
            next++;
        fprintf(file, "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" ",
            MARGIN + (t - start) * CELL, y, (next - t) * CELL, LINE - 2);
        put_fill(file, &legend->paints[legend->colour[expert]]);
        fprintf(file, "><title>expert %d", expert);
        if (legend->ranges)
            fprintf(file, ", sees %s", cli_range_label(gate, (uint32_t)expert).text);
        fprintf(file, "</title></rect>\n");
    }
}

// Each character is an element of its own, and so at its own place, whatever the font.
static void put_characters(FILE *file, const struct cli_map *map, const struct cli_gate *gate,
    const struct cli_legend *legend, uint32_t start, uint32_t end, uint32_t y)
{
    fputs("<g class=\"c\">", file);
    for (uint32_t t = start; t < end; t++) {
        const int colour = legend->colour[gate->ids[(size_t)t * gate->k]];
        char symbol[8];
        cli_map_symbol(map, t, true, symbol);
        if (strcmp(symbol, " ") == 0)
            continue;
        fprintf(file, "<text%s x=\"%u\" y=\"%u\">",
            legend->paints[colour].light ? " class=\"w\"" : "",
            MARGIN + (t - start) * CELL + CELL / 2, y + LINE - 7);
        put(file, symbol);
        fputs("</text>", file);
    }
    fputs("</g>\n", file);
}

static void put_entry(FILE *file, const struct cli_paint *paint, const char *label, uint32_t first,
    uint32_t tokens, uint32_t most, uint32_t x, uint32_t y)
{
    const uint32_t bar_x = x + BAR_X;
    const double length = most ? (double)BAR * first / most : 0;
    fprintf(file, "<rect x=\"%u\" y=\"%u\" width=\"16\" height=\"16\" ", x, y);
    put_fill(file, paint);
    fprintf(file, "/><text x=\"%u\" y=\"%u\">", x + 24, y + 13);
    put(file, label);
    fprintf(file, "</text><rect x=\"%u\" y=\"%u\" width=\"%.1f\" height=\"16\" ", bar_x, y, length);
    put_fill(file, paint);
    fprintf(file, "/><text x=\"%.1f\" y=\"%u\">%.0f%%</text>\n", bar_x + length + 6, y + 13,
        100.0 * first / tokens);
}

static void put_legend(FILE *file, const struct cli_map *map, const struct cli_gate *gate,
    const struct cli_legend *legend, uint32_t x, uint32_t y)
{
    uint32_t most = 0, others = map->count;
    for (uint32_t i = 0; i < legend->shown; i++) {
        const uint32_t first = legend->first[legend->experts[i]];
        most = first > most ? first : most;
        others -= first;
    }
    most = others > most ? others : most;
    fprintf(file,
        "<text class=\"s\" x=\"%u\" y=\"%u\">expert%s</text>"
        "<text class=\"s\" x=\"%u\" y=\"%u\">first choice of</text>\n",
        x, y + 13, legend->ranges ? ": sees" : "", x + BAR_X, y + 13);
    for (uint32_t i = 0; i < legend->shown; i++) {
        const uint32_t expert = legend->experts[i];
        char label[64];
        snprintf(label, sizeof label, "%u%s%s", expert, legend->ranges ? ": " : "",
            legend->ranges ? cli_range_label(gate, expert).text : "");
        y += ENTRY;
        put_entry(file, &legend->paints[legend->colour[expert]], label, legend->first[expert],
            map->count, most, x, y);
    }
    if (legend->others) {
        char label[64];
        snprintf(label, sizeof label, "%u others", legend->other_count);
        put_entry(
            file, &legend->paints[CLI_MAP_COLOURS], label, others, map->count, most, x, y + ENTRY);
    }
}

static void put_panel(FILE *file, const struct cli_map *map, const struct cli_gate *gate,
    const struct cli_legend *legend, uint32_t legend_x, uint32_t y)
{
    fprintf(
        file, "<text class=\"h\" x=\"%u\" y=\"%u\">Layer %u</text>\n", MARGIN, y + 18, gate->layer);
    y += HEADING;
    put_legend(file, map, gate, legend, legend_x, y - ENTRY + 4);
    for (uint32_t start = 0, end; start < map->count; start = end, y += LINE) {
        end = cli_map_line(map, start, COLUMNS);
        put_runs(file, gate, legend, start, end, y);
        if (map->bytes)
            put_characters(file, map, gate, legend, start, end, y);
    }
}

static void put_header(
    FILE *file, const struct cli_map *map, bool ranges, uint32_t width, uint32_t height)
{
    const char *what = map->bytes ? "character" : "token";
    const char *kind = map->gates[0].attention ? "attention" : "feed-forward";
    fprintf(file,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" "
        "viewBox=\"0 0 %u %u\">\n<title>Experts of ",
        width, height, width, height);
    put(file, map->name);
    fprintf(file,
        "</title>\n<style>text{font:15px sans-serif;fill:#222}"
        ".t{font-size:24px;font-weight:bold}.h{font-size:18px;font-weight:bold}"
        ".s{font-size:13px;fill:#555}.c text{font:15px monospace;text-anchor:middle;fill:#000}"
        ".c .w{fill:#fff}</style>\n<rect width=\"%u\" height=\"%u\" fill=\"#fff\"/>\n"
        "<text class=\"t\" x=\"%u\" y=\"46\">Which %s expert each %s goes to: ",
        width, height, MARGIN, kind, what);
    put(file, map->name);
    fprintf(file,
        "</text>\n<text x=\"%u\" y=\"74\">Each layer of the model reads the same text. "
        "For every %s, its gate chooses %u of %u experts; the colour is the first choice.</text>\n",
        MARGIN, what, map->gates[0].k, map->gates[0].experts);
    if (ranges)
        fprintf(file,
            "<text x=\"%u\" y=\"96\">Experts differ in how far back they see: "
            "only the last few %ss, or everything before.</text>\n",
            MARGIN, what);
}

static void put_picture(FILE *file, const struct cli_map *map)
{
    const struct size size = measure(map);
    struct cli_legend *legend = cli_alloc(sizeof *legend);
    uint32_t height = HEADER + MARGIN - FOOT;
    for (uint32_t i = 0; i < map->gate_count; i++) {
        cli_legend_make(map, &map->gates[i], legend);
        height += panel_height(&size, legend);
    }
    put_header(file, map, legend->ranges, size.width, height);
    uint32_t y = HEADER;
    for (uint32_t i = 0; i < map->gate_count; i++) {
        cli_legend_make(map, &map->gates[i], legend);
        put_panel(file, map, &map->gates[i], legend, size.legend_x, y);
        y += panel_height(&size, legend);
    }
    fputs("</svg>\n", file);
    free(legend);
}

// 0, or an errno.
static int write_picture(FILE *file, const struct cli_map *map)
{
    if (!file)
        return errno;
    errno = 0;
    put_picture(file, map);
    bool failed = fflush(file) != 0 || ferror(file);
    if (!failed && fsync(fileno(file)) != 0)
        failed = errno != EINVAL && errno != ENOSYS && errno != EROFS;
    const int error = failed ? errno ? errno : EIO : 0;
    return fclose(file) == 0 || error ? error : errno;
}

static int write_renamed(const struct cli_map *map, const char *target)
{
    static const char name[] = ".vkmoe-XXXXXX";
    struct stat existing;
    const size_t folder = (size_t)(strrchr(target, '/') - target) + 1;
    char *temporary = cli_alloc(folder + sizeof name);
    memcpy(temporary, target, folder);
    memcpy(temporary + folder, name, sizeof name);
    const int descriptor = mkstemp(temporary);
    int error = descriptor < 0 ? errno : 0;
    if (!error) {
        const mode_t mask = umask(0);
        umask(mask);
        (void)!fchmod(
            descriptor, stat(target, &existing) == 0 ? existing.st_mode & 0777 : 0666 & ~mask);
        error = write_picture(fdopen(descriptor, "w"), map);
        if (!error && rename(temporary, target) != 0)
            error = errno;
        if (error)
            unlink(temporary);
    }
    free(temporary);
    return error;
}

int cli_svg_write(const struct cli_map *map, const char *path)
{
    struct stat existing;
    int error;
    if (cli_is_stdout(path)) {
        put_picture(stdout, map);
        return cli_flush();
    }
    if (stat(path, &existing) == 0 && !S_ISREG(existing.st_mode)) {
        error = write_picture(fopen(path, "w"), map);
    } else {
        char *target = cli_resolve(path);
        error = target ? write_renamed(map, target) : errno;
        free(target);
    }
    return error ? cli_fail("%s: cannot write: %s", path, strerror(error)) : 0;
}
