// gguf_splits.c - see gguf_tokenizer.h. The names are llama.cpp's for what each family's own
// tokenizer.json says; the patterns are written for PCRE2 with Unicode's properties.
#include "checkpoint/gguf_tokenizer.h"

#include <string.h>

#include "base/common.h"

// What follows an apostrophe in English, alone or in any case.
#define ENDINGS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
// Blanks: up to the last line's end, then all but the one that goes before a word.
#define BLANKS "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define SIGNS " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
#define BEFORE "[^\\r\\n\\p{L}\\p{N}]?"
#define WORDS ENDINGS "|" BEFORE "\\p{L}+|"
// Words from their capitals on, what has no case being either.
#define CAPITAL "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define SMALL "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(many_capitals, capitals, many_small, small, endings) \
    BEFORE many_capitals small endings "|" BEFORE capitals many_small endings "|"
#define CASED_WORDS(endings) CASED(CAPITAL "*", CAPITAL "+", SMALL "*", SMALL "+", endings)
#define PATHS " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|"
// The same without Han, which are pieces of their own.
#define NO_HAN(class, count) "(?:(?!\\p{Han})" class ")" count
#define NO_HAN_WORDS \
    CASED(NO_HAN(CAPITAL, "*"), NO_HAN(CAPITAL, "+"), NO_HAN(SMALL, "*"), NO_HAN(SMALL, "+"), \
        ENDINGS "?")

#define QWEN2 WORDS "\\p{N}|" SIGNS BLANKS
#define LLAMA3 WORDS "\\p{N}{1,3}|" SIGNS BLANKS
#define GPT4O CASED_WORDS(ENDINGS "?") "\\p{N}{1,3}|" PATHS BLANKS

// Letters with case, as DeepSeek-V2 has them, which are those of no version of Unicode.
#define CASED_LETTERS \
    "A-Za-z\\xb5\\x{c0}-\\x{d6}\\x{d8}-\\x{f6}\\x{f8}-\\x{1ba}\\x{1bc}-\\x{1bf}\\x{1c4}-\\x{293}" \
    "\\x{295}-\\x{2af}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37b}-\\x{37d}\\x{37f}\\x{386}" \
    "\\x{388}-\\x{38a}\\x{38c}\\x{38e}-\\x{3a1}\\x{3a3}-\\x{3f5}\\x{3f7}-\\x{481}" \
    "\\x{48a}-\\x{52f}\\x{531}-\\x{556}\\x{10a0}-\\x{10c5}\\x{13a0}-\\x{13f5}" \
    "\\x{13f8}-\\x{13fd}\\x{1c90}-\\x{1cba}\\x{1cbd}-\\x{1cbf}\\x{1d00}-\\x{1d2b}" \
    "\\x{1d6b}-\\x{1d77}\\x{1d79}-\\x{1d9a}\\x{1e00}-\\x{1f15}\\x{1f18}-\\x{1f1d}" \
    "\\x{1f20}-\\x{1f45}\\x{1f48}-\\x{1f4d}\\x{1f50}-\\x{1f57}\\x{1f59}\\x{1f5b}\\x{1f5d}" \
    "\\x{1f5f}-\\x{1f7d}\\x{1f80}-\\x{1fb4}\\x{1fb6}-\\x{1fbc}\\x{1fbe}\\x{1fc2}-\\x{1fc4}" \
    "\\x{1fc6}-\\x{1fcc}\\x{1fd0}-\\x{1fd3}\\x{1fd6}-\\x{1fdb}\\x{1fe0}-\\x{1fec}" \
    "\\x{1ff2}-\\x{1ff4}\\x{1ff6}-\\x{1ffc}\\x{2102}\\x{2107}\\x{210a}-\\x{2113}\\x{2115}" \
    "\\x{2119}-\\x{211d}\\x{2124}\\x{2126}\\x{2128}\\x{212a}-\\x{212d}\\x{212f}-\\x{2134}" \
    "\\x{2139}\\x{213c}-\\x{213f}\\x{2145}-\\x{2149}\\x{214e}\\x{2183}\\x{2184}" \
    "\\x{2c00}-\\x{2c7b}\\x{2c7e}-\\x{2ce4}\\x{2ceb}-\\x{2cee}\\x{2cf2}\\x{2cf3}" \
    "\\x{a640}-\\x{a66d}\\x{a680}-\\x{a69b}\\x{a722}-\\x{a76f}\\x{a771}-\\x{a787}" \
    "\\x{a78b}-\\x{a78e}\\x{ab70}-\\x{abbf}\\x{fb00}-\\x{fb06}\\x{fb13}-\\x{fb17}" \
    "\\x{ff21}-\\x{ff3a}\\x{ff41}-\\x{ff5a}\\x{10400}-\\x{1044f}\\x{104b0}-\\x{104d3}" \
    "\\x{104d8}-\\x{104fb}\\x{10c80}-\\x{10cb2}\\x{10cc0}-\\x{10cf2}\\x{118a0}-\\x{118df}" \
    "\\x{1e900}-\\x{1e943}"
// Words that a mark may precede, as DeepSeek-V3 and after it others have them.
#define MARKED_WORDS \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|" \
    "[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|" BLANKS
// Digits in threes from the right: what is left of a number goes first. llama.cpp leaves what
// stands before a number in one piece with that, so that of two blanks each is a piece there.
#define THOUSANDS "(?<!\\p{N})\\p{N}{1,2}(?=(?:\\p{N}{3})++(?!\\p{N}))|\\p{N}{1,3}"
#define SOUTH_EAST_ASIA \
    "[\\x{4e00}-\\x{9fff}\\x{3400}-\\x{4dbf}\\x{8c48}-\\x{d7ff}\\x{e000}-\\x{faff}" \
    "\\x{3040}-\\x{30ff}\\x{ff65}-\\x{ff9f}\\x{2f00}-\\x{2fdf}\\x{e40}-\\x{eff}" \
    "\\x{1780}-\\x{17ff}\\x{1000}-\\x{109f}\\x{1100}-\\x{11ff}]+"
#define EAST_ASIA "[\\x{800}-\\x{9fa5}\\x{ac00}-\\x{d7ff}]+"

static const struct gguf_split splits[] = {
    { "gpt-2 mpt", .gpt2 = true },
    { "olmo", .gpt2 = true, .nfc = true },
    { "refact starcoder smollm exaone mellum2", .patterns = { "\\p{N}" }, .gpt2 = true },
    { "qwen2", .patterns = { QWEN2 }, .nfc = true },
    { "deepseek-r1-qwen megrez hunyuan grok-2 solar-open", .patterns = { QWEN2 } },
    { "qwen35",
        .patterns = { ENDINGS
            "|" BEFORE "[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" BLANKS },
        .nfc = true },
    { "llama-bpe llama3 llama-v3 falcon3 lfm2 pixtral", .patterns = { LLAMA3 },
        .ignore_merges = true, .begin = true },
    { "dbrx glm4 chatglm-bpe", .patterns = { LLAMA3 } },
    { "gpt-4o llama4 kanana2", .patterns = { GPT4O }, .ignore_merges = true },
    { "minimax-m2", .patterns = { GPT4O } },
    { "tekken", .patterns = { CASED_WORDS("") "\\p{N}|" PATHS BLANKS }, .ignore_merges = true,
        .begin = true },
    { "deepseek-v3 hunyuan-dense joyai-llm hy_v4",
        .patterns = { "\\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", MARKED_WORDS } },
    { "afmoe", .patterns = { THOUSANDS, SOUTH_EAST_ASIA, MARKED_WORDS } },
    { "deepseek-llm",
        .patterns = { "[\\r\\n]", "\\s?[" CASED_LETTERS "]+",
            "\\s?[!-/:-~\\x{ff01}-\\x{ff0f}\\x{ff1a}-\\x{ff5e}\\x{2018}-\\x{201f}"
            "\\x{3000}-\\x{3002}]+",
            GGUF_LAST_BLANKS, EAST_ASIA, "\\p{N}+" } },
    { "deepseek-coder",
        .patterns = { "[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", EAST_ASIA, "\\p{N}" } },
    { "kimi-k2", .patterns = { "\\p{Han}+|" NO_HAN_WORDS "\\p{N}{1,3}|" SIGNS BLANKS } },
    { "exaone-moe", // letters with single blanks between them are one piece
        .patterns = { ENDINGS
            "|" BEFORE
            "\\p{L}\\p{M}*+(?: ?\\p{L}\\p{M}*+)*+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|"
            "\\s*[\\r\\n]|\\s+(?!\\S)|\\s+" } },
    { "bailingmoe bailingmoe2 llada-moe",
        .patterns = { "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}|"
                      " ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+" } },
};

const struct gguf_split *vkmoe_gguf_find_split(const char *name)
{
    const size_t size = strlen(name);
    for (size_t i = 0; i < ARRAY_SIZE(splits); i++) {
        for (const char *at = splits[i].names; *at; at += strspn(at, " ")) {
            const size_t length = strcspn(at, " ");
            if (length == size && memcmp(at, name, size) == 0)
                return &splits[i];
            at += length;
        }
    }
    return NULL;
}

const struct gguf_split *vkmoe_gguf_split_at(uint32_t index)
{
    return index < ARRAY_SIZE(splits) ? &splits[index] : NULL;
}
