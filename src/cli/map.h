// map.h - a text whose characters have the colours of the experts they go to.
#ifndef VKMOE_CLI_MAP_H
#define VKMOE_CLI_MAP_H

#include "cli.h"

enum {
    CLI_MAP_EXPERTS = 1024,
    CLI_MAP_COLOURS = 8, // and one more for all other experts
};

// What one gate chose.
struct cli_gate {
    bool attention; // or feed-forward
    uint32_t layer, experts, k;
    const int32_t *ids;                   // [tokens][k], best first
    const struct vkmoe_pattern *patterns; // [experts], or NULL: they do not differ
    uint32_t *load;                       // [experts] tokens that chose it
};

struct cli_map {
    char name[128]; // the model's
    bool bytes;     // tokens are bytes, else there is no text to show
    const uint32_t *tokens;
    uint32_t count;
    struct cli_gate *gates;
    uint32_t gate_count;
};

struct cli_paint {
    uint8_t red, green, blue;
    bool light; // what is written on it is white, not black
};

// How a gate's experts are shown.
struct cli_legend {
    uint32_t shown;                    // entries: experts, and then perhaps "others"
    uint32_t experts[CLI_MAP_COLOURS]; // in the order of the legend
    bool others;                       // there are more experts than colours
    uint32_t other_count;              // how many
    uint8_t colour[CLI_MAP_EXPERTS];   // of each expert; CLI_MAP_COLOURS: as others
    uint32_t first[CLI_MAP_EXPERTS];   // tokens whose first choice it is
    bool ranges;                       // experts differ in what they see: cli_range_label()
    struct cli_paint paints[CLI_MAP_COLOURS + 1];
};

void cli_legend_make(
    const struct cli_map *map, const struct cli_gate *gate, struct cli_legend *legend);

// "last 8", "everything"
struct cli_text cli_range_label(const struct cli_gate *gate, uint32_t expert);

// 0 to 9, a to z, A to Z, and + beyond.
char cli_expert_letter(uint32_t expert);

// The end of the line of at most `width` tokens that begins at `start`.
uint32_t cli_map_line(const struct cli_map *map, uint32_t start, uint32_t width);

// What to write at a position: one column of UTF-8, or of ASCII.
void cli_map_symbol(const struct cli_map *map, uint32_t position, bool utf8, char symbol[8]);

// Prints all gates' maps.
void cli_map_print(const struct cli_map *map);

// svg.c: the same as a picture. The first to be called before the work.
int cli_svg_check(const char *path);
int cli_svg_write(const struct cli_map *map, const char *path);

#endif
