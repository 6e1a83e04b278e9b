// tokenizer.h - what the public tokenizer is made of.
#ifndef VKMOE_TOKENIZER_PARTS_H
#define VKMOE_TOKENIZER_PARTS_H

#include "tokenizer/bpe.h"
#include "tokenizer/sentencepiece.h"
#include "tokenizer/source.h"
#include "tokenizer/tokenizer_files.h"
#include "vkmoe/tokenizer.h"

struct vkmoe_tokenizer {
    struct vkmoe_log log;
    char *path;            // for messages
    struct pieces *pieces; // NULL where there is `bpe`
    struct bpe *bpe;
    struct tokenizer_files files;
    uint32_t vocabulary;
    int64_t unknown; // the piece for what has no other; -1: none
};

// vkmoe_tokenizer_create() of a source, whose log is copied. If the files name no class, the
// tokenizer is of T5's where `is_t5` or its file's name says so.
enum vkmoe_status vkmoe_tokenizer_open(
    const struct source *source, uint32_t vocabulary, bool is_t5, vkmoe_tokenizer **out);

#endif
