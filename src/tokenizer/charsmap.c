// charsmap.c - see charsmap.h. The trie is a double array in the form of darts-clone
// (github.com/s-yata/darts-clone): a unit has the label of the byte that leads to it, and the
// distance, by exclusive or, to where those that follow it are; one with a value has that where a
// zero would lead. Nothing of it is believed: a step out of the array leads nowhere.
#include "tokenizer/charsmap.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

struct charsmap {
    uint32_t *units, unit_count;
    char *texts; // with a zero after the last
    size_t texts_size;
};

struct charsmap *vkmoe_charsmap_open(const char *data, size_t size, bool *lacks_memory)
{
    uint32_t trie = 0;
    *lacks_memory = false;
    if (size >= sizeof trie)
        memcpy(&trie, data, sizeof trie);
    if (trie == 0 || trie % sizeof trie != 0 || trie > size - sizeof trie)
        return NULL;
    struct charsmap *map = calloc(1, sizeof *map);
    *lacks_memory = !map;
    if (!map)
        return NULL;
    map->unit_count = trie / sizeof trie;
    map->units = calloc(trie, 1);
    map->texts_size = size - sizeof trie - trie;
    map->texts = calloc(map->texts_size + 1, 1);
    *lacks_memory = !map->units || !map->texts;
    if (*lacks_memory) {
        vkmoe_charsmap_close(map);
        return NULL;
    }
    memcpy(map->units, data + sizeof trie, trie);
    memcpy(map->texts, data + sizeof trie + trie, map->texts_size);
    return map;
}

void vkmoe_charsmap_close(struct charsmap *map)
{
    if (!map)
        return;
    free(map->units);
    free(map->texts);
    free(map);
}

static uint32_t unit_at(const struct charsmap *map, uint32_t at)
{
    return at < map->unit_count ? map->units[at] : UINT32_MAX; // no byte's
}

static uint32_t distance(uint32_t unit)
{
    return (unit >> 10) << ((unit & 1u << 9) >> 6);
}

// What the longest match at the beginning becomes; NULL: there is none.
static const char *find(const struct charsmap *map, const char *text, size_t size, size_t *length)
{
    const char *found = NULL;
    uint32_t at = distance(unit_at(map, 0));
    for (size_t i = 0; i < size; i++) {
        const uint32_t byte = (unsigned char)text[i];
        const uint32_t unit = unit_at(map, at ^ byte);
        if (byte == 0 || (unit & (1u << 31 | 0xff)) != byte)
            break;
        at ^= byte ^ distance(unit);
        const uint32_t value = unit >> 8 & 1 ? unit_at(map, at) & ~(1u << 31) : UINT32_MAX;
        if (value < map->texts_size) {
            found = map->texts + value;
            *length = i + 1;
        }
    }
    return found;
}

char *vkmoe_charsmap_apply(
    const struct charsmap *map, const char *text, size_t size, size_t *out_size)
{
    size_t room = 2 * size + 64, made = 0;
    char *out = malloc(room);
    for (size_t at = 0; out && at < size;) {
        uint32_t code;
        const int character = vkmoe_utf8_decode((const unsigned char *)text + at, size - at, &code);
        size_t length = character > 0 ? (size_t)character : 1;
        const char *put = find(map, text + at, size - at, &length);
        const size_t put_size = put ? strlen(put) : length;
        if (made + put_size > room) {
            room = 2 * (made + put_size);
            char *more = realloc(out, room);
            if (!more) {
                free(out);
                return NULL;
            }
            out = more;
        }
        memcpy(out + made, put ? put : text + at, put_size);
        made += put_size;
        at += length;
    }
    *out_size = made;
    return out;
}
