// sentencepiece.cc - see sentencepiece.h. The only C++ here, as the library speaks nothing else.
#include "tokenizer/sentencepiece.h"

#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <sentencepiece_processor.h>

struct pieces {
    sentencepiece::SentencePieceProcessor processor;
    std::unique_ptr<sentencepiece::SentencePieceProcessor> plain; // adds no blank before a text
    bool strips = false; // decoding takes away the blank that a text was begun with
    int letter = -1;     // a piece that is not blank, and stands for a text before; -1: none
};

static const char blank[] = "\xe2\x96\x81"; // U+2581, as which pieces have it

static bool begins_blank(const std::string &piece)
{
    return piece.compare(0, sizeof blank - 1, blank) == 0;
}

// The text with blanks for U+2581.
static std::string unmark(const std::string &text)
{
    std::string plain;
    size_t at = 0;
    plain.reserve(text.size());
    for (size_t mark; (mark = text.find(blank, at)) != std::string::npos;
         at = mark + sizeof blank - 1)
        plain.append(text, at, mark - at).push_back(' ');
    return plain.append(text, at, std::string::npos);
}

// Not in its public headers, but in the library, of all versions that were looked at.
namespace sentencepiece {
namespace logging {
int GetMinLogLevel() __attribute__((weak));
void SetMinLogLevel(int level) __attribute__((weak));
} // namespace logging
} // namespace sentencepiece

namespace { // or the archive would have its names

// While one lives the library writes no errors about files that it refuses to standard error. The
// level is the process's: of several threads' the first raises it, and the last puts it back.
class silence {
  public:
    silence()
    {
        const std::lock_guard<std::mutex> lock(mutex);
        if (alive++ == 0) {
            saved = get();
            set(fatal);
        }
    }
    ~silence()
    {
        const std::lock_guard<std::mutex> lock(mutex);
        if (--alive == 0)
            set(saved);
    }
    silence(const silence &) = delete;
    silence &operator=(const silence &) = delete;

  private:
    enum { fatal = 3 };

    static int get()
    {
        return sentencepiece::logging::GetMinLogLevel ? sentencepiece::logging::GetMinLogLevel()
                                                      : 0;
    }
    static void set(int level)
    {
        if (sentencepiece::logging::SetMinLogLevel)
            sentencepiece::logging::SetMinLogLevel(level);
    }

    static std::mutex mutex;
    static unsigned alive;
    static int saved;
};

std::mutex silence::mutex;
unsigned silence::alive;
int silence::saved;

} // namespace

// For C to free, with a zero behind it; NULL if there is no memory.
template <typename T> static T *copy(const T *data, size_t count)
{
    T *to = static_cast<T *>(std::calloc(count + 1, sizeof(T)));
    if (to && count)
        std::memcpy(to, data, count * sizeof(T));
    return to;
}

bool vkmoe_pieces_are_built(void)
{
    return true;
}

// The first piece that begins with a blank shows it.
static bool find_strips(const sentencepiece::SentencePieceProcessor &processor)
{
    std::string text;
    for (int id = 0; id < processor.GetPieceSize(); id++) {
        if (begins_blank(processor.IdToPiece(id)) && !processor.IsControl(id)
            && !processor.IsUnknown(id))
            return processor.Decode(std::vector<int>{ id }, &text).ok()
                && (text.empty() || text[0] != ' ');
    }
    return false;
}

static int find_letter(const sentencepiece::SentencePieceProcessor &processor)
{
    std::string text;
    for (int id = 0; id < processor.GetPieceSize(); id++) {
        if (!processor.IsControl(id) && !processor.IsUnknown(id) && !processor.IsByte(id)
            && processor.Decode(std::vector<int>{ id }, &text).ok() && !text.empty()
            && text == processor.IdToPiece(id))
            return id;
    }
    return -1;
}

// ------------------------------------------------------------------------ protobuf

// The number at `at` in protobuf's encoding, 7 bits a byte.
static uint64_t read_number(const std::string &data, size_t &at)
{
    uint64_t number = 0;
    for (unsigned shift = 0; at < data.size() && shift < 64; shift += 7) {
        const unsigned char byte = static_cast<unsigned char>(data[at++]);
        number |= static_cast<uint64_t>(byte & 0x7f) << shift;
        if (byte < 0x80)
            break;
    }
    return number;
}

struct field {
    uint64_t number;
    size_t begin, value, end; // of its key, and of what that is the key of
};

// The field at `at`, which is then behind it.
static field read_field(const std::string &data, size_t &at)
{
    field read = { 0, at, 0, 0 };
    const uint64_t key = read_number(data, at);
    uint64_t size = 0;
    read.number = key >> 3;
    read.value = at;
    if ((key & 7) == 0)
        read_number(data, at);
    else
        size = (key & 7) == 2 ? read_number(data, at) : (key & 7) == 1 ? 8 : 4;
    if ((key & 7) == 2)
        read.value = at;
    at = size < data.size() - at ? at + static_cast<size_t>(size) : data.size();
    read.end = at;
    return read;
}

// A ModelProto without its self-test (field 4), which a changed model would fail.
static std::string drop_tests(const std::string &data)
{
    std::string out;
    for (size_t at = 0; at < data.size();) {
        const field read = read_field(data, at);
        if (read.number != 4)
            out.append(data, read.begin, read.end - read.begin);
    }
    return out;
}

static bool is_blank(const std::string &text)
{
    for (size_t at = 0; at < text.size();) {
        const bool mark = text.compare(at, sizeof blank - 1, blank) == 0;
        if (!mark && !std::strchr(" \t\r\n", text[at]))
            return false;
        at += mark ? sizeof blank - 1 : 1;
    }
    return true;
}

// Whether a SentencePiece, { piece (1), score (2), type (3) }, was defined by users as more than
// blanks: `type` is then where it says so.
static bool is_defined(const std::string &piece, size_t &type)
{
    enum { USER_DEFINED = 4 };
    std::string text;
    bool defined = false;
    for (size_t at = 0; at < piece.size();) {
        const field read = read_field(piece, at);
        if (read.number == 1)
            text = piece.substr(read.value, read.end - read.value);
        if (read.number == 3 && read.end == read.value + 1) {
            defined = piece[read.value] == USER_DEFINED;
            type = read.value;
        }
    }
    return defined && !is_blank(text);
}

// What users defined is as a rule a mark of a conversation, which the library would find in any
// text: control pieces instead, which are looked for where special tokens are.
static std::string hide_marks(std::string data)
{
    enum { CONTROL = 3 };
    bool changed = false;
    for (size_t at = 0; at < data.size();) {
        const field read = read_field(data, at);
        size_t type;
        if (read.number != 1 || !is_defined(data.substr(read.value, read.end - read.value), type))
            continue;
        data[read.value + type] = CONTROL;
        changed = true;
    }
    return changed ? drop_tests(data) : data;
}

// ---------------------------------------------------------------------------- pieces

struct pieces *vkmoe_pieces_open(const char *data, size_t size)
{
    struct pieces *pieces = nullptr;
    try {
        const silence until_loaded;
        pieces = new struct pieces;
        if (pieces->processor.LoadFromSerializedProto(hide_marks(std::string(data, size))).ok()) {
            pieces->strips = find_strips(pieces->processor);
            pieces->letter = find_letter(pieces->processor);
            return pieces;
        }
    } catch (...) {
    }
    vkmoe_pieces_close(&pieces);
    return nullptr;
}

void vkmoe_pieces_close(struct pieces **pieces)
{
    delete *pieces;
    *pieces = nullptr;
}

uint32_t vkmoe_pieces_count(const struct pieces *pieces)
{
    return static_cast<uint32_t>(pieces->processor.GetPieceSize());
}

int64_t vkmoe_pieces_begin(const struct pieces *pieces)
{
    return pieces->processor.bos_id();
}

int64_t vkmoe_pieces_end(const struct pieces *pieces)
{
    return pieces->processor.eos_id();
}

enum piece_kind vkmoe_pieces_kind(const struct pieces *pieces, uint32_t id)
{
    const int piece = static_cast<int>(id);
    return pieces->processor.IsControl(piece) ? PIECE_CONTROL
        : pieces->processor.IsUnknown(piece)  ? PIECE_UNKNOWN
                                              : PIECE_TEXT;
}

const char *vkmoe_pieces_text(const struct pieces *pieces, uint32_t id, size_t *size)
{
    const std::string &text = pieces->processor.IdToPiece(static_cast<int>(id));
    *size = text.size();
    return text.data();
}

int64_t vkmoe_pieces_find(const struct pieces *pieces, const char *text, size_t size)
{
    try {
        const std::string piece(text, size);
        const int id = pieces->processor.PieceToId(piece); // the unknown one's if there is none
        const bool known = id >= 0 && id < pieces->processor.GetPieceSize();
        return known && pieces->processor.IdToPiece(id) == piece ? id : -1;
    } catch (...) {
        return -1;
    }
}

// ------------------------------------------------------------------------- no prefix

// What follows in a protobuf counts: normalizer_spec (3) { add_dummy_prefix (3): false }.
bool vkmoe_pieces_forget_prefix(struct pieces *pieces)
{
    try {
        const silence until_loaded;
        const std::string model = drop_tests(pieces->processor.serialized_model_proto())
            + std::string("\x1a\x02\x18\x00", 4);
        pieces->plain.reset(new sentencepiece::SentencePieceProcessor);
        return pieces->plain->LoadFromSerializedProto(model).ok();
    } catch (...) {
        return false;
    }
}

// ------------------------------------------------------------------------------ text

// With a blank of the tokenizer's own before it, or without, the text has its blanks as they are.
// At the beginning they are lost if the tokenizer strips them there. Hugging Face's classes put the
// unknown piece's name before it, and take away its tokens; so they have it from here.
static bool encode_plain(
    const struct pieces *pieces, std::string text, bool prefix, std::vector<int> *ids)
{
    const int unknown = pieces->processor.unk_id();
    text = unmark(text);
    if (prefix)
        text.insert(0, blank);
    const std::string guard = (text[0] == ' ' || begins_blank(text)) && unknown >= 0
        ? pieces->processor.IdToPiece(unknown)
        : std::string();
    std::vector<int> before;
    if (!pieces->plain->Encode(guard + text, ids).ok()
        || !pieces->plain->Encode(guard, &before).ok() || before.size() > ids->size())
        return false;
    ids->erase(ids->begin(), ids->begin() + static_cast<std::ptrdiff_t>(before.size()));
    return true;
}

uint32_t *vkmoe_pieces_encode(const struct pieces *pieces, const char *text, size_t size,
    bool prefix, uint32_t *count, const char **why)
{
    *why = nullptr;
    try {
        std::vector<int> ids;
        if (pieces->plain ? !encode_plain(pieces, std::string(text, size), prefix, &ids)
                          : !pieces->processor.Encode({ text, size }, &ids).ok()) {
            *why = "sentencepiece refuses it";
            return nullptr;
        }
        const std::vector<uint32_t> tokens(ids.begin(), ids.end());
        *count = static_cast<uint32_t>(tokens.size());
        return copy(tokens.data(), tokens.size());
    } catch (...) {
        return nullptr;
    }
}

// What is beyond the pieces is unknown.
static std::vector<int> known_ids(
    const struct pieces *pieces, const uint32_t *tokens, uint32_t count)
{
    const uint32_t known = vkmoe_pieces_count(pieces);
    std::vector<int> ids(tokens, tokens + count);
    for (uint32_t i = 0; i < count; i++) {
        if (tokens[i] >= known)
            ids[i] = pieces->processor.unk_id();
    }
    return ids;
}

char *vkmoe_pieces_decode(
    const struct pieces *pieces, const uint32_t *tokens, uint32_t count, bool prefix, size_t *size)
{
    try {
        const std::vector<int> ids = known_ids(pieces, tokens, count);
        std::string text;
        if (!pieces->processor.Decode(ids, &text).ok())
            return nullptr;
        if (!prefix && pieces->strips && count && begins_blank(pieces->processor.IdToPiece(ids[0])))
            text.insert(0, 1, ' ');
        *size = text.size();
        return copy(text.data(), text.size());
    } catch (...) {
        return nullptr;
    }
}

bool vkmoe_pieces_go_on(const struct pieces *pieces)
{
    return pieces->letter >= 0;
}

char *vkmoe_pieces_decode_inside(
    const struct pieces *pieces, const uint32_t *tokens, uint32_t count, size_t *size)
{
    try {
        std::vector<int> ids = known_ids(pieces, tokens, count);
        std::string text;
        ids.insert(ids.begin(), pieces->letter);
        const size_t before = pieces->processor.IdToPiece(pieces->letter).size();
        if (!pieces->processor.Decode(ids, &text).ok() || text.size() < before)
            return nullptr;
        *size = text.size() - before;
        return copy(text.data() + before, *size);
    } catch (...) {
        return nullptr;
    }
}

char *vkmoe_pieces_bytes(const struct pieces *pieces, uint32_t id, size_t *size)
{
    try {
        const int piece = static_cast<int>(id);
        std::string text = unmark(pieces->processor.IdToPiece(piece));
        if (pieces->processor.IsByte(piece))
            text = std::string(1, static_cast<char>(std::stoi(text.substr(3, 2), nullptr, 16)));
        *size = text.size();
        return copy(text.data(), text.size());
    } catch (...) {
        return nullptr;
    }
}
