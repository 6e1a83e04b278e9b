// bpe_text.c - see bpe_text.h. Such a file says in steps what sentencepiece does by itself: blanks
// become U+2581, and one is put before the text, by normalizers or by a pre_tokenizer, which may
// also cut the text into words.
#include "tokenizer/bpe_text.h"

#include <stdlib.h>

#include "base/try.h"
#include "tokenizer/base64.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/tokenizer_json.h"

static const char mark[] = "\xe2\x96\x81"; // U+2581

static bool is_type(const struct value *step, const char *type)
{
    return json_says(step, "type", type);
}

bool vkmoe_bpe_is_text(const struct value *json)
{
    const struct value *normalizer = json_find(json, "normalizer");
    const struct value *cutter = json_find(json, "pre_tokenizer");
    bool text = false, bytes = false;
    JSON_EACH(step, normalizer, "normalizers")
    text = text || is_type(step, "Prepend") || is_type(step, "Replace");
    JSON_EACH(step, cutter, "pretokenizers")
    {
        text = text || is_type(step, "Metaspace");
        bytes = bytes || is_type(step, "ByteLevel");
    }
    return text && !bytes;
}

struct reader {
    const struct vkmoe_log *log;
    const char *path;
    struct bpe *bpe;
    struct bpe_text how;
    bool marks;         // blanks
    bool always, first; // a blank is put before a text
};

static enum vkmoe_status refuse(const struct reader *r, const char *what, const struct value *step)
{
    const char *type = value_text(json_find(step, "type"));
    char shown[64];
    if (vkmoe_bpe_lacks_memory(r->bpe))
        return vkmoe_fail(r->log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: out of host memory", r->path);
    return vkmoe_fail(r->log, VKMOE_ERROR_UNSUPPORTED,
        "%s: cannot be used with a %s of type \"%s\", or what that has", r->path, what,
        vkmoe_printable(type ? type : "", shown, sizeof shown));
}

static bool is_blank_pattern(const struct value *step)
{
    return json_says(json_find(step, "pattern"), "String", " ");
}

static bool read_charsmap(struct reader *r, const struct value *step)
{
    const char *text = value_text(json_find(step, "precompiled_charsmap"));
    const size_t size = text ? strlen(text) : 0;
    char *bytes = malloc(size + 1);
    size_t count;
    bool lacks_memory = !bytes;
    struct charsmap *map = bytes && vkmoe_base64_decode(text ? text : "", size, bytes, &count)
        ? vkmoe_charsmap_open(bytes, count, &lacks_memory)
        : NULL;
    if (lacks_memory)
        vkmoe_bpe_lack_memory(r->bpe);
    free(bytes);
    vkmoe_bpe_use_charsmap(r->bpe, map);
    return map;
}

static enum vkmoe_status read_normalizer(struct reader *r, const struct value *step)
{
    const char *regex = value_text(json_find(json_find(step, "pattern"), "Regex"));
    const bool replaces = is_type(step, "Replace") && json_says(step, "content", mark);
    if (is_type(step, "NFC"))
        vkmoe_split_use_nfc(vkmoe_bpe_split(r->bpe));
    else if (is_type(step, "Prepend") && json_says(step, "prepend", mark))
        r->always = true;
    else if (replaces && is_blank_pattern(step))
        r->marks = true;
    else if (replaces && regex && strcmp(regex, " {2,}") == 0)
        r->how.one_blank = true;
    else if (is_type(step, "Strip") && !json_is_true(step, "strip_left"))
        r->how.no_last_blank = json_is_true(step, "strip_right");
    else if (!is_type(step, "Precompiled") || !read_charsmap(r, step))
        return refuse(r, "normalizer", step);
    return VKMOE_OK;
}

// Older files say "add_prefix_space", newer ones "prepend_scheme"; both say what is the rule when
// they say nothing.
static bool read_metaspace(struct reader *r, const struct value *step)
{
    const char *scheme = value_text(json_find(step, "prepend_scheme"));
    const struct value *prefix = json_find(step, "add_prefix_space");
    const struct value *split = json_find(step, "split");
    if (!scheme)
        scheme = !prefix || value_is_true(prefix) ? "always" : "never";
    r->always = strcmp(scheme, "always") == 0;
    r->first = strcmp(scheme, "first") == 0;
    r->how.prefix_once = true;
    r->how.words = !split || value_is_true(split);
    r->marks = true;
    return json_says(step, "replacement", mark)
        && (r->always || r->first || strcmp(scheme, "never") == 0);
}

static enum vkmoe_status read_cutter(struct reader *r, const struct value *step)
{
    if (is_type(step, "WhitespaceSplit") && !r->marks) {
        r->how.only_words = true;
        return VKMOE_OK;
    }
    // Of blanks that are no longer there.
    if (is_type(step, "Split") && is_blank_pattern(step) && r->marks)
        return VKMOE_OK;
    return is_type(step, "Metaspace") && !r->marks && read_metaspace(r, step)
        ? VKMOE_OK
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

enum vkmoe_status vkmoe_bpe_read_text(const struct vkmoe_log *log, const char *path,
    const struct value *json, struct bpe *bpe, struct tokenizer_files *files)
{
    struct reader r = { .log = log, .path = path, .bpe = bpe };
    const struct value *normalizer = json_find(json, "normalizer"),
                       *cutter = json_find(json, "pre_tokenizer"),
                       *decoder = json_find(json, "decoder"), *model = json_find(json, "model");
    r.how.byte_fallback = json_is_true(model, "byte_fallback");
    r.how.fuse_unknown = json_is_true(model, "fuse_unk");
    JSON_EACH(step, normalizer, "normalizers")
    {
        TRY_RETURN(read_normalizer(&r, step));
    }
    JSON_EACH(step, cutter, "pretokenizers")
    {
        TRY_RETURN(read_cutter(&r, step));
    }
    JSON_EACH(step, decoder, "decoders")
    {
        if (!is_known_decoder(step))
            return refuse(&r, "decoder", step);
    }
    if (r.how.only_words && !(r.always && r.how.words))
        return vkmoe_fail(
            log, VKMOE_ERROR_UNSUPPORTED, "%s: its words are not all begun with a blank", path);
    if (!r.marks)
        return vkmoe_fail(
            log, VKMOE_ERROR_UNSUPPORTED, "%s: its normalizer does not mark blanks", path);
    files->legacy = r.always;
    files->prefix = r.first;
    vkmoe_bpe_use_text(bpe, &r.how);
    return VKMOE_OK;
}
