// sentencepiece.cc - see sentencepiece.h. The only C++ here, as the library speaks nothing else.
#include "sentencepiece.h"

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include <sentencepiece_processor.h>

struct cli_pieces {
    sentencepiece::SentencePieceProcessor processor;
};

// While it lives nothing gets to standard error, where the library writes about files that it
// refuses. How to forbid that differs between its versions.
class silence {
public:
    silence() : saved(dup(STDERR_FILENO))
    {
        const int null = open("/dev/null", O_WRONLY);
        if (saved >= 0 && null >= 0)
            dup2(null, STDERR_FILENO);
        if (null >= 0)
            close(null);
    }
    ~silence()
    {
        if (saved >= 0) {
            dup2(saved, STDERR_FILENO);
            close(saved);
        }
    }
    silence(const silence &) = delete;
    silence &operator=(const silence &) = delete;

private:
    int saved;
};

// For C to free, with a zero behind it; NULL if there is no memory.
template <typename T> static T *copy(const T *data, size_t count)
{
    T *to = static_cast<T *>(std::calloc(count + 1, sizeof(T)));
    if (to && count)
        std::memcpy(to, data, count * sizeof(T));
    return to;
}

bool cli_pieces_are_built(void)
{
    return true;
}

struct cli_pieces *cli_pieces_open(const char *path)
{
    struct cli_pieces *pieces = nullptr;
    try {
        const silence until_loaded;
        pieces = new cli_pieces;
        if (pieces->processor.Load(path).ok())
            return pieces;
    } catch (...) {
    }
    cli_pieces_close(&pieces);
    return nullptr;
}

void cli_pieces_close(struct cli_pieces **pieces)
{
    delete *pieces;
    *pieces = nullptr;
}

uint32_t cli_pieces_count(const struct cli_pieces *pieces)
{
    return static_cast<uint32_t>(pieces->processor.GetPieceSize());
}

int64_t cli_pieces_begin(const struct cli_pieces *pieces)
{
    return pieces->processor.bos_id();
}

int64_t cli_pieces_end(const struct cli_pieces *pieces)
{
    return pieces->processor.eos_id();
}

uint32_t *cli_pieces_encode(const struct cli_pieces *pieces, const char *text, size_t size,
    uint32_t *count)
{
    try {
        std::vector<int> ids;
        if (!pieces->processor.Encode({text, size}, &ids).ok())
            return nullptr;
        const std::vector<uint32_t> tokens(ids.begin(), ids.end());
        *count = static_cast<uint32_t>(tokens.size());
        return copy(tokens.data(), tokens.size());
    } catch (...) {
        return nullptr;
    }
}

char *cli_pieces_decode(const struct cli_pieces *pieces, const uint32_t *tokens, uint32_t count,
    size_t *size)
{
    try {
        const uint32_t known = cli_pieces_count(pieces);
        std::vector<int> ids(tokens, tokens + count);
        for (uint32_t i = 0; i < count; i++) {
            if (tokens[i] >= known)
                ids[i] = pieces->processor.unk_id();
        }
        std::string text;
        if (!pieces->processor.Decode(ids, &text).ok())
            return nullptr;
        *size = text.size();
        return copy(text.data(), text.size());
    } catch (...) {
        return nullptr;
    }
}
