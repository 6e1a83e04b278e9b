// tokenizer.h - text to tokens and back, as the files say that come with a model.
//
//     vkmoe_tokenizer_create()    of an open checkpoint, of files, or of what they hold
//     vkmoe_tokenizer_encode()    a text's tokens, for vkmoe_model_forward()
//     vkmoe_decoder_create()      of a text that comes a few tokens at a time
//     vkmoe_decoder_put()         these tokens, and the whole characters that they end
//
// The rules of vkmoe.h hold. No device is needed.
//
// Read are, in this order: tokenizer.model and spiece.model (sentencepiece's), tokenizer.json (BPE
// of bytes, BPE and Unigram as they are made of sentencepiece's files), tiktoken.model and
// *.tiktoken, and a GGUF file's vocabulary of these kinds; tokenizer_config.json, added_tokens.json
// and special_tokens_map.json add to them. A tokenizer.model of tiktoken's form, as GLM-4's is, is
// read as well, but where there is a tokenizer.json beside it that is read. What of a tokenizer is
// not done here makes it UNSUPPORTED or INVALID, with a line: nearly the right tokens make a model
// worse without a word.
//
// It is an optional part of the library. Built without sentencepiece, it does not read the first
// kind, which is UNSUPPORTED then; without PCRE2 and utf8proc, not the others. Of a folder that has
// both kinds, the one that can be read is taken.
#ifndef VKMOE_TOKENIZER_H
#define VKMOE_TOKENIZER_H

#include <vkmoe/model.h>

#ifdef __cplusplus
extern "C" {
#endif

// ---------------------------------------------------------------------- tokenizer

// A vocabulary and how a text is cut into it. Nothing changes it: any thread, and several at once.
typedef struct vkmoe_tokenizer vkmoe_tokenizer;

// A file in memory. Its bytes are read during the call only.
struct vkmoe_tokenizer_file {
    const char *name; // as in a folder: "tokenizer.json"
    const void *data;
    size_t size;
};

struct vkmoe_tokenizer_params {
    uint32_t struct_size; // VKMOE_INIT()
    struct vkmoe_log log; // of the tokenizer, and of the decoders made from it
    // Where it comes from: exactly one of the three.
    const vkmoe_checkpoint *checkpoint; // its folder, or its GGUF file
    const char *path; // a folder, a GGUF file, or one of the files named above, beside which the
                      // others are looked for
    const struct vkmoe_tokenizer_file *files; // [file_count], as those of a folder
    uint32_t file_count;
    // Of the model: ids are below. A tokenizer that has more tokens is INVALID, but for added ones,
    // which then no text becomes. 0: the checkpoint's, or all that the files name.
    uint32_t vocabulary;
};

// The checkpoint is not needed afterwards. NOT_FOUND if no such file is there. INVALID for damaged
// files, and UNSUPPORTED where the library was built without what reads it. While one of its files
// is read, sentencepiece's log level, which is the whole process's, is raised so that it writes
// nothing; any number of threads may do so at once, and the last puts it back.
VKMOE_API enum vkmoe_status vkmoe_tokenizer_create(
    const struct vkmoe_tokenizer_params *params, vkmoe_tokenizer **out);

VKMOE_API void vkmoe_tokenizer_destroy(vkmoe_tokenizer **tokenizer);

// Whether a folder or GGUF file has a tokenizer, readable or not. Any thread.
VKMOE_API bool vkmoe_tokenizer_exists(const char *path);

// Ids; -1: there is no such token.
struct vkmoe_tokenizer_info {
    uint32_t struct_size; // VKMOE_INIT()
    uint32_t vocabulary;  // that of the params, or all ids that the files name are below
    int64_t begin, end;   // put before and after every text, as the files say
    int64_t bos, eos;     // what the files call so, put there or not
    int64_t unknown;      // what there is no other token for becomes it
    // After which an answer in a conversation ends, "<|im_end|>" or "<|eot_id|>": the first of
    // those that vkmoe_tokenizer_get_ends() has, without `eos` if there is another.
    int64_t end_of_turn;
};

VKMOE_API void vkmoe_tokenizer_get_info(
    const vkmoe_tokenizer *tokenizer, struct vkmoe_tokenizer_info *info);

// The special tokens that end the answers of published models, of those that are here. Models'
// files do not always name theirs among vkmoe_frame.end_tokens. On input *count is the room in
// `ids`, on return their number, at most 32. `ids` may be NULL if *count is 0.
VKMOE_API enum vkmoe_status vkmoe_tokenizer_get_ends(
    const vkmoe_tokenizer *tokenizer, uint32_t *ids, uint32_t *count);

// The special token of exactly this text, -1 if there is none. Special are tokens that no text
// becomes unless it is asked for: control tokens, and those that were added to a vocabulary.
VKMOE_API int64_t vkmoe_tokenizer_find_special(
    const vkmoe_tokenizer *tokenizer, const char *text, size_t size);
VKMOE_API bool vkmoe_tokenizer_is_special(const vkmoe_tokenizer *tokenizer, uint32_t id);

// The bytes that a token stands for in the middle of a text, which may be part of a character; of a
// special one, how it is written. On input *size is the room in `text`, on return the size needed,
// with nothing written if that is more; `text` may be NULL if *size is 0. NOT_FOUND if there is no
// such token.
VKMOE_API enum vkmoe_status vkmoe_tokenizer_get_text(
    const vkmoe_tokenizer *tokenizer, uint32_t id, char *text, size_t *size);

// ------------------------------------------------------------------------- encode

// Where a text is searched for special tokens, which it then becomes. Elsewhere what looks like one
// is text: nobody who writes it can speak for the program.
enum vkmoe_special_tokens {
    VKMOE_SPECIAL_TOKENS_NOWHERE,
    VKMOE_SPECIAL_TOKENS_EVERYWHERE,
    VKMOE_SPECIAL_TOKENS_RANGES, // in the ranges alone: what a program puts around what it is given
};

struct vkmoe_text_range {
    size_t begin, end; // in bytes
};

struct vkmoe_encode_params {
    uint32_t struct_size; // VKMOE_INIT()
    const char *text; // UTF-8, and zeros are characters; what is no UTF-8 becomes tokens as well
    size_t size;      // `text` may be NULL if it is 0
    enum vkmoe_special_tokens special;
    const struct vkmoe_text_range *ranges; // [range_count], in their order, apart from each other
    uint32_t range_count;
    // The text goes on with what has tokens already: `begin` is not put before it, nor the blank
    // that some tokenizers begin a text with.
    bool goes_on;
    bool no_begin, no_end; // these tokens are not added
};

struct vkmoe_encoding {
    uint32_t struct_size; // VKMOE_INIT()
    uint32_t *tokens;     // in: room for as many; NULL if that is 0
    uint32_t room;
    uint32_t count; // out: how many there are. If it is more than `room`, nothing was written
    // out: the first token is `begin`, the last `end`, and the text has none there. A text with
    // special tokens that has them already is not given them twice.
    bool begin_added, end_added;
};

// The time does not grow with more than size * log(size). A text has seldom more tokens than bytes
// and two more: with so much room one call is enough. `size` is below 2^30.
//
// INVALID if a special token in the text is beyond the vocabulary. UNSUPPORTED if a pattern that
// cuts the text takes too many steps, or the text has over 1000 combining marks in a row and is to
// be normalised. OUT_OF_MEMORY.
VKMOE_API enum vkmoe_status vkmoe_tokenizer_encode(const vkmoe_tokenizer *tokenizer,
    const struct vkmoe_encode_params *params, struct vkmoe_encoding *encoding);

// ------------------------------------------------------------------------- decode

// One text, as its tokens come. Of one tokenizer, which must live longer.
typedef struct vkmoe_decoder vkmoe_decoder;

VKMOE_API enum vkmoe_status vkmoe_decoder_create(
    const vkmoe_tokenizer *tokenizer, vkmoe_decoder **out);

VKMOE_API void vkmoe_decoder_destroy(vkmoe_decoder **decoder);

// What the text has more with these `count` tokens, in UTF-8: *text is valid until the next call,
// and never NULL; *size may be 0. Bytes at the end that may become a character are held back. What
// becomes none, and ids that are no token's, are U+FFFD. Special tokens are as they are written.
// `tokens` may be NULL if `count` is 0.
//
// After a failure, OUT_OF_MEMORY, the decoder is to be rewound.
VKMOE_API enum vkmoe_status vkmoe_decoder_put(vkmoe_decoder *decoder, const uint32_t *tokens,
    uint32_t count, const char **text, size_t *size);

// A token that is not shown, as one that vkmoe_tokenizer_encode() has added. What was held back
// before it comes with the next text.
VKMOE_API enum vkmoe_status vkmoe_decoder_skip(vkmoe_decoder *decoder, uint32_t token);

// The same as vkmoe_decoder_put() without tokens, but no more will come: nothing is held back. The
// next text may follow.
VKMOE_API enum vkmoe_status vkmoe_decoder_end(
    vkmoe_decoder *decoder, const char **text, size_t *size);

// Forgets what it was given: a text begins.
VKMOE_API void vkmoe_decoder_rewind(vkmoe_decoder *decoder);

#ifdef __cplusplus
}
#endif
#endif
