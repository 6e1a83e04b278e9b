// bpe_text.c - see bpe_text.h. Such a file says in steps what sentencepiece does by itself: blanks
// become U+2581, and one is put before the text, by normalizers or by a pre_tokenizer, which may
// also cut the text into words.
#include "bpe_text.h"

#include <stdlib.h>

#include "base64.h"
#include "charsmap.h"
#include "cli.h"
#include "tokenizer_json.h"

static const char mark[] = "\xe2\x96\x81"; // U+2581

static bool is_type(const struct value *step, const char *type)
{
    return cli_json_says(step, "type", type);
}

bool cli_bpe_is_text(const struct value *json)
{
    const struct value *normalizer = cli_json_find(json, "normalizer");
    const struct value *cutter = cli_json_find(json, "pre_tokenizer");
    bool text = false, bytes = false;
    CLI_JSON_EACH(step, normalizer, "normalizers")
    text = text || is_type(step, "Prepend") || is_type(step, "Replace");
    CLI_JSON_EACH(step, cutter, "pretokenizers")
    {
        text = text || is_type(step, "Metaspace");
        bytes = bytes || is_type(step, "ByteLevel");
    }
    return text && !bytes;
}

struct reader {
    const char *path;
    struct cli_bpe *bpe;
    struct cli_bpe_text how;
    bool marks;         // blanks
    bool always, first; // a blank is put before a text
};

static int refuse(const struct reader *r, const char *what, const struct value *step)
{
    const char *type = value_text(cli_json_find(step, "type"));
    char shown[64];
    return cli_fail("%s: cannot be used with a %s of type \"%s\", or what that has", r->path, what,
        vkmoe_printable(type ? type : "", shown, sizeof shown));
}

static bool is_blank_pattern(const struct value *step)
{
    return cli_json_says(cli_json_find(step, "pattern"), "String", " ");
}

static bool read_charsmap(struct reader *r, const struct value *step)
{
    const char *text = value_text(cli_json_find(step, "precompiled_charsmap"));
    const size_t size = text ? strlen(text) : 0;
    char *bytes = cli_alloc(size + 1);
    size_t count;
    struct cli_charsmap *map = cli_base64_decode(text ? text : "", size, bytes, &count)
        ? cli_charsmap_open(bytes, count)
        : NULL;
    free(bytes);
    cli_bpe_use_charsmap(r->bpe, map);
    return map;
}

static int read_normalizer(struct reader *r, const struct value *step)
{
    const char *regex = value_text(cli_json_find(cli_json_find(step, "pattern"), "Regex"));
    const bool replaces = is_type(step, "Replace") && cli_json_says(step, "content", mark);
    if (is_type(step, "NFC"))
        cli_split_use_nfc(cli_bpe_split(r->bpe));
    else if (is_type(step, "Prepend") && cli_json_says(step, "prepend", mark))
        r->always = true;
    else if (replaces && is_blank_pattern(step))
        r->marks = true;
    else if (replaces && regex && strcmp(regex, " {2,}") == 0)
        r->how.one_blank = true;
    else if (is_type(step, "Strip") && !cli_json_is_true(step, "strip_left"))
        r->how.no_last_blank = cli_json_is_true(step, "strip_right");
    else if (!is_type(step, "Precompiled") || !read_charsmap(r, step))
        return refuse(r, "normalizer", step);
    return 0;
}

// Older files say "add_prefix_space", newer ones "prepend_scheme"; both say what is the rule when
// they say nothing.
static bool read_metaspace(struct reader *r, const struct value *step)
{
    const char *scheme = value_text(cli_json_find(step, "prepend_scheme"));
    const struct value *prefix = cli_json_find(step, "add_prefix_space");
    const struct value *split = cli_json_find(step, "split");
    if (!scheme)
        scheme = !prefix || value_is_true(prefix) ? "always" : "never";
    r->always = strcmp(scheme, "always") == 0;
    r->first = strcmp(scheme, "first") == 0;
    r->how.prefix_once = true;
    r->how.words = !split || value_is_true(split);
    r->marks = true;
    return cli_json_says(step, "replacement", mark)
        && (r->always || r->first || strcmp(scheme, "never") == 0);
}

static int read_cutter(struct reader *r, const struct value *step)
{
    if (is_type(step, "WhitespaceSplit") && !r->marks) {
        r->how.only_words = true;
        return 0;
    }
    // Of blanks that are no longer there.
    if (is_type(step, "Split") && is_blank_pattern(step) && r->marks)
        return 0;
    return is_type(step, "Metaspace") && !r->marks && read_metaspace(r, step)
        ? 0
        : refuse(r, "pre_tokenizer", step);
}

// Each undoes something of the above, which needs no more words.
static bool is_known_decoder(const struct value *step)
{
    static const char *const known[] = { "Replace", "ByteFallback", "Fuse", "Strip", "Metaspace" };
    bool found = false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        found = found || is_type(step, known[i]);
    return found;
}

int cli_bpe_read_text(const char *path, const struct value *json, struct cli_bpe *bpe,
    struct cli_tokenizer_files *files)
{
    struct reader r = { .path = path, .bpe = bpe };
    const struct value *normalizer = cli_json_find(json, "normalizer"),
                       *cutter = cli_json_find(json, "pre_tokenizer"),
                       *decoder = cli_json_find(json, "decoder"),
                       *model = cli_json_find(json, "model");
    r.how.byte_fallback = cli_json_is_true(model, "byte_fallback");
    r.how.fuse_unknown = cli_json_is_true(model, "fuse_unk");
    CLI_JSON_EACH(step, normalizer, "normalizers")
    {
        if (read_normalizer(&r, step) != 0)
            return 1;
    }
    CLI_JSON_EACH(step, cutter, "pretokenizers")
    {
        if (read_cutter(&r, step) != 0)
            return 1;
    }
    CLI_JSON_EACH(step, decoder, "decoders")
    {
        if (!is_known_decoder(step))
            return refuse(&r, "decoder", step);
    }
    if (r.how.only_words && !(r.always && r.how.words))
        return cli_fail("%s: its words are not all begun with a blank", path);
    if (!r.marks)
        return cli_fail("%s: its normalizer does not mark blanks", path);
    files->legacy = r.always;
    files->prefix = r.first;
    cli_bpe_use_text(bpe, &r.how);
    return 0;
}
