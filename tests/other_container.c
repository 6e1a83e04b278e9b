// other_container.c - a checkpoint of another kind, made up here: one file that holds settings in
// words, tensors under its own names for their types, and a tokenizer. Through the interface of
// openers it is the same model as the folder it was made from, whatever the family: neither
// families nor views know of it.
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vkmoe/vkmoe.h>

#include "base/log.h"
#include "base/try.h"
#include "checkpoint/checkpoint.h"
#include "harness.h"
#include "formats.h"
#include "tap.h"
#include "whole_checkpoints.h"

// The file, line by line, then the tensors' bytes:
//
//     TOY
//     number num-hidden-layers 2
//     text model-type mixtral
//     flag tie-word-embeddings 1
//     nothing sliding-window
//     numbers attention-expert-windows 4 0 1
//     tensor model.norm.weight half 1 48 0 96          (rank, shape, begin, size)
//     file tokenizer.model hello
//     bytes
static const char magic[] = "TOY\n";

static const char *const words[][2] = { { "F32", "single" }, { "F16", "half" },
    { "BF16", "brain" } };

enum { MAX_LINE = 4096, MAX_VALUES = 4096, COUNT_WORDS = sizeof words / sizeof words[0] };

// --------------------------------------------------------------------------- writing

static void write_name(FILE *file, const char *name)
{
    for (; *name; name++)
        fputc(*name == '_' ? '-' : *name, file);
}

static void write_setting(FILE *file, const struct value *item)
{
    static const char *const kinds[] = {
        [VALUE_NULL] = "nothing",
        [VALUE_BOOL] = "flag",
        [VALUE_NUMBER] = "number",
        [VALUE_STRING] = "text",
        [VALUE_LIST] = "numbers",
    };
    fprintf(file, "%s ", kinds[item->kind]);
    write_name(file, item->name);
    if (item->kind == VALUE_STRING)
        fprintf(file, " %s", item->text);
    else if (item->kind == VALUE_LIST)
        VALUE_EACH(number, item)
    fprintf(file, " %.17g", number->number);
    else fprintf(file, " %.17g", item->number);
    fputc('\n', file);
}

static void write_tensor(FILE *file, const struct tensor *tensor, uint64_t begin)
{
    size_t word = 0;
    while (strcmp(words[word][0], tensor->dtype) != 0)
        word++;
    fprintf(file, "tensor %s %s %u", tensor->name, words[word][1], tensor->rank);
    for (uint32_t i = 0; i < tensor->rank; i++)
        fprintf(file, " %llu", (unsigned long long)tensor->shape[i]);
    fprintf(file, " %llu %llu\n", (unsigned long long)begin, (unsigned long long)tensor->size);
}

// Of `folder`; `left_out` is a tensor or a setting that is not written, or NULL.
static bool write_toy(const char *folder, const char *path, const char *left_out)
{
    struct container from;
    FILE *file = fopen(path, "wb");
    bool ok = file
        && vkmoe_container_open(vkmoe_opener_find(folder), folder, NULL, &from) == VKMOE_OK
        && vkmoe_container_open_tensors(&from) == VKMOE_OK;
    if (ok) {
        uint64_t begin = 0;
        fputs(magic, file);
        VALUE_EACH(item, from.settings.root)
        {
            if (!left_out || strcmp(item->name, left_out) != 0)
                write_setting(file, item);
        }
        for (uint32_t i = 0; i < from.tensors.count; i++) {
            const struct tensor *tensor = &from.tensors.items[i];
            if (!left_out || strcmp(tensor->name, left_out) != 0)
                write_tensor(file, tensor, begin);
            begin += tensor->size;
        }
        fputs("file tokenizer.model hello\nbytes\n", file);
        for (uint32_t i = 0; i < from.tensors.count; i++)
            fwrite(from.tensors.items[i].data, 1, from.tensors.items[i].size, file);
        ok = !ferror(file);
        vkmoe_container_close(&from);
    }
    if (file)
        ok = fclose(file) == 0 && ok;
    if (!ok)
        tap_note("%s: cannot be made from %s: %s", path, folder, strerror(errno));
    return ok;
}

// --------------------------------------------------------------------------- reading

struct toy {
    char *text; // the lines, cut into words as they are read
    const uint8_t *bytes;
    uint64_t size; // of the whole
    char *lines;   // of the tensors, later
};

// A test's file, which is as it was written above.
static enum vkmoe_status read_toy(const char *path, const struct vkmoe_log *log, struct toy *out)
{
    FILE *file = fopen(path, "rb");
    *out = (struct toy){ 0 };
    if (!file)
        return vkmoe_fail(log, VKMOE_ERROR_NOT_FOUND, "%s: %s", path, strerror(errno));
    fseek(file, 0, SEEK_END);
    out->size = (uint64_t)ftell(file);
    rewind(file);
    out->text = allocate(out->size + 1, 1);
    out->size = fread(out->text, 1, out->size, file);
    fclose(file);
    char *end = strstr(out->text, "\nbytes\n");
    if (strncmp(out->text, magic, sizeof magic - 1) != 0 || !end)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: is no toy", path);
    end[1] = '\0';
    out->bytes = (const uint8_t *)end + 7;
    return VKMOE_OK;
}

static bool toy_recognises(const char *path)
{
    char begin[sizeof magic] = "";
    FILE *file = fopen(path, "rb");
    const size_t size = file ? fread(begin, 1, sizeof magic - 1, file) : 0;
    if (file)
        fclose(file);
    return size == sizeof magic - 1 && strcmp(begin, magic) == 0;
}

static const char *read_name(char *name)
{
    for (char *at = name; *at; at++)
        *at = *at == '-' ? '_' : *at;
    return name;
}

// Adds the setting of a line, whose numbers go to `numbers`.
static void read_setting(const char *kind, char *rest, struct value *out, struct value **numbers)
{
    char *next;
    *out = (struct value){ .name = read_name(strtok_r(rest, " ", &next)) };
    if (strcmp(kind, "text") == 0) {
        out->kind = VALUE_STRING;
        out->text = next;
    } else if (strcmp(kind, "numbers") == 0) {
        out->kind = VALUE_LIST;
        out->items = *numbers;
        for (char *word; (word = strtok_r(NULL, " ", &next)); out->count++)
            *(*numbers)++ = (struct value){ .kind = VALUE_NUMBER, .number = strtod(word, NULL) };
    } else if (strcmp(kind, "nothing") != 0) {
        out->kind = strcmp(kind, "flag") == 0 ? VALUE_BOOL : VALUE_NUMBER;
        out->number = strtod(next, NULL);
    }
}

static enum vkmoe_status toy_open(struct container *container)
{
    struct toy *toy = container->own = allocate(1, sizeof *toy);
    TRY_RETURN(read_toy(container->path, container->log, toy));
    struct value *values = container->values = allocate(2 * MAX_VALUES, sizeof(*values));
    struct value *numbers = values + MAX_VALUES;
    values->kind = VALUE_OBJECT;
    values->items = values + 1;
    for (char *line = toy->text + sizeof magic - 1; *line;) {
        char *end = strchr(line, '\n'), *space = strchr(line, ' ');
        if (strncmp(line, "tensor ", 7) == 0) {
            toy->lines = line;
            return VKMOE_OK;
        }
        *end = *space = '\0';
        read_setting(line, space + 1, &values[++values->count], &numbers);
        line = end + 1;
    }
    return VKMOE_OK;
}

static struct tensor read_tensor(char *line, const struct toy *toy)
{
    char *next;
    struct tensor tensor = { .name = strtok_r(line, " ", &next) };
    const char *word = strtok_r(NULL, " ", &next);
    for (size_t i = 0; i < COUNT_WORDS; i++) {
        if (strcmp(word, words[i][1]) == 0)
            snprintf(tensor.dtype, sizeof tensor.dtype, "%s", words[i][0]);
    }
    tensor.rank = (uint32_t)strtoul(next, &next, 10);
    tensor.elements = 1;
    for (uint32_t i = 0; i < tensor.rank; i++)
        tensor.elements *= tensor.shape[i] = strtoull(next, &next, 10);
    tensor.data = toy->bytes + strtoull(next, &next, 10);
    tensor.size = strtoull(next, &next, 10);
    return tensor;
}

// The tensors are in memory, not in a file that is mapped.
static enum vkmoe_status toy_open_tensors(struct container *container)
{
    struct toy *toy = container->own;
    char *path = allocate(strlen(container->path) + 1, 1);
    strcpy(path, container->path);
    if (!vkmoe_tensors_add_file(&container->tensors, container->log, path))
        return VKMOE_ERROR_OUT_OF_MEMORY;
    for (char *line = toy->lines, *end; strncmp(line, "tensor ", 7) == 0; line = end + 1) {
        end = strchr(line, '\n');
        *end = '\0';
        struct tensor tensor = read_tensor(line + 7, toy);
        tensor.path = path;
        TRY_RETURN(vkmoe_tensors_add(&container->tensors, container->log, &tensor));
    }
    vkmoe_tensors_sort(&container->tensors);
    container->tensors.file_size = toy->size;
    return VKMOE_OK;
}

static enum vkmoe_status toy_read_file(const char *path, const char *name, uint64_t max_size,
    const struct vkmoe_log *log, struct blob *out)
{
    struct toy toy;
    const enum vkmoe_status status = read_toy(path, log, &toy);
    const char *line = status == VKMOE_OK ? strstr(toy.text, "\nfile ") : NULL;
    const size_t length = strlen(name);
    if (line && strncmp(line + 6, name, length) == 0) {
        line += 6 + length + 1;
        out->size = strcspn(line, "\n");
        out->data = allocate(out->size + 1, 1);
        memcpy(out->data, line, out->size);
    }
    free(toy.text);
    return out->size <= max_size ? status : VKMOE_ERROR_INVALID;
}

static void toy_close(struct container *container)
{
    struct toy *toy = container->own;
    if (toy)
        free(toy->text);
    free(toy);
}

static const struct opener toy_opener = {
    .name = "toy",
    .recognises = toy_recognises,
    .open = toy_open,
    .open_tensors = toy_open_tensors,
    .read_file = toy_read_file,
    .close = toy_close,
};

// -------------------------------------------------------------------------- the same

static bool same_view(
    const char *what, const struct vkmoe_view *a, const struct vkmoe_view *b, size_t elements)
{
    const bool same = !a->data == !b->data && a->dtype == b->dtype && a->row_stride == b->row_stride
        && a->column_stride == b->column_stride
        && (!a->data || memcmp(a->data, b->data, format_bytes(a->dtype, elements)) == 0);
    if (!same)
        tap_note("%s differs", what);
    return same;
}

// Of matrices [rows][columns], one for each expert, each row after the other.
static bool same_views(const char *what, const struct vkmoe_view *a, const struct vkmoe_view *b,
    uint32_t experts, size_t elements)
{
    bool same = !a == !b;
    for (uint32_t e = 0; a && same && e < experts; e++)
        same = same_view(what, &a[e], &b[e], elements);
    return same;
}

static bool same_layer(const struct vkmoe_moe_params *a, const struct vkmoe_moe_params *b)
{
    const uint32_t experts = a->experts;
    const size_t matrix = (size_t)a->inner * a->hidden;
    const bool same = a->hidden == b->hidden && a->inner == b->inner && experts == b->experts
        && a->experts_per_token == b->experts_per_token && a->activation == b->activation
        && a->router.score == b->router.score && a->router.weigh == b->router.weigh;
    return same && same_views("gate", a->gate, b->gate, experts, matrix)
        && same_views("up", a->up, b->up, experts, matrix)
        && same_views("down", a->down, b->down, experts, matrix)
        && same_view("router", &a->router.weight, &b->router.weight, (size_t)experts * a->hidden)
        && same_view("output bias", &a->output_bias, &b->output_bias, a->hidden);
}

static bool same_blocks(vkmoe_checkpoint *a, vkmoe_checkpoint *b)
{
    struct vkmoe_checkpoint_info info = { VKMOE_INIT(vkmoe_checkpoint_info) },
                                 other = { VKMOE_INIT(vkmoe_checkpoint_info) };
    vkmoe_checkpoint_get_info(a, &info);
    vkmoe_checkpoint_get_info(b, &other);
    bool same = strcmp(info.treated_as, other.treated_as) == 0 && info.blocks == other.blocks
        && info.parameters == other.parameters && info.tensors == other.tensors
        && info.vocabulary == other.vocabulary && other.files == 1;
    if (!same)
        tap_note("the infos differ: %s and %s", info.treated_as, other.treated_as);
    for (uint32_t i = 0; same && i < info.blocks; i++) {
        const struct vkmoe_block block = { .index = i };
        struct vkmoe_moe_params first = { VKMOE_INIT(vkmoe_moe_params) },
                                second = { VKMOE_INIT(vkmoe_moe_params) };
        same = is_ok(vkmoe_checkpoint_get_moe(a, block, &first), "vkmoe_checkpoint_get_moe")
            && is_ok(vkmoe_checkpoint_get_moe(b, block, &second), "vkmoe_checkpoint_get_moe")
            && same_layer(&first, &second);
    }
    return same;
}

enum { TOKENS = 7 };

// The logits of a few tokens, which are free()d; NULL after a note.
static float *run(struct harness *harness, vkmoe_checkpoint *checkpoint)
{
    const struct vkmoe_model_params params = { VKMOE_INIT(vkmoe_model_params), .capacity = TOKENS,
        .chunk = TOKENS };
    struct vkmoe_frame frame = { VKMOE_INIT(vkmoe_frame) };
    struct array ids = { 0 }, positions = { 0 }, logits = { 0 };
    uint32_t numbers[2][TOKENS];
    vkmoe_model *model = NULL;
    float *out = NULL;
    bool ok = is_ok(vkmoe_checkpoint_get_frame(checkpoint, &frame), "vkmoe_checkpoint_get_frame")
        && is_ok(
            vkmoe_model_create(harness->device, checkpoint, &params, &model), "vkmoe_model_create");
    const size_t size = ok ? (size_t)TOKENS * frame.vocabulary * sizeof(float) : 0;
    for (uint32_t i = 0; ok && i < TOKENS; i++) {
        numbers[0][i] = i * 5 % frame.vocabulary;
        numbers[1][i] = i;
    }
    ok = ok && array_init(&ids, harness->device, numbers[0], sizeof numbers[0], false)
        && array_init(&positions, harness->device, numbers[1], sizeof numbers[1], false)
        && array_init(&logits, harness->device, NULL, size, false) && array_upload(&ids)
        && array_upload(&positions) && array_upload(&logits);
    const struct vkmoe_model_forward_params forward = {
        VKMOE_INIT(vkmoe_model_forward_params),
        .tokens = TOKENS,
        .ids = array_span(&ids),
        .positions = array_span(&positions),
        .longest = TOKENS,
        .logits = array_span(&logits),
        .logits_count = TOKENS,
    };
    ok = ok && is_ok(vkmoe_model_forward(harness->stream, model, &forward), "vkmoe_model_forward")
        && harness_run(harness) && array_download(&logits);
    if (ok)
        out = memcpy(allocate(size, 1), array_range(&logits), size);
    array_finish(&ids);
    array_finish(&positions);
    array_finish(&logits);
    vkmoe_model_destroy(&model);
    return out;
}

static bool same_logits(struct harness *harness, vkmoe_checkpoint *a, vkmoe_checkpoint *b)
{
    struct vkmoe_frame frame = { VKMOE_INIT(vkmoe_frame) };
    float *first = run(harness, a), *second = run(harness, b);
    bool same = first && second && is_ok(vkmoe_checkpoint_get_frame(a, &frame), "get_frame");
    if (same && memcmp(first, second, TOKENS * frame.vocabulary * sizeof(float)) != 0) {
        tap_note("the logits differ");
        same = false;
    }
    free(first);
    free(second);
    return same;
}

static bool check_family(struct harness *harness, const char *family, const char *path)
{
    struct whole_checkpoint folder;
    vkmoe_checkpoint *first = NULL, *second = NULL;
    const struct vkmoe_log log = harness_log(harness);
    bool ok = whole_checkpoint_write(family, 1, &folder) && write_toy(folder.path, path, NULL)
        && toy_opener.recognises(path) && !toy_opener.recognises(folder.path)
        && is_ok(vkmoe_checkpoint_open(folder.path, &log, &first), "vkmoe_checkpoint_open")
        && is_ok(vkmoe_checkpoint_open_with(&toy_opener, path, &log, &second),
            "vkmoe_checkpoint_open_with")
        && same_blocks(first, second) && same_logits(harness, first, second);
    vkmoe_checkpoint_destroy(&first);
    vkmoe_checkpoint_destroy(&second);
    whole_checkpoint_finish(&folder);
    return ok;
}

// What is missing is said of the file, as of a folder.
static bool check_missing(
    struct harness *harness, const char *path, const char *left_out, const char *line)
{
    struct whole_checkpoint folder;
    vkmoe_checkpoint *toy = NULL;
    const struct vkmoe_log log = harness_log(harness);
    char expected[512];
    harness->messages = 0;
    bool ok = whole_checkpoint_write("mixtral", 1, &folder)
        && write_toy(folder.path, path, left_out)
        && vkmoe_checkpoint_open_with(&toy_opener, path, &log, &toy) != VKMOE_OK && !toy;
    snprintf(expected, sizeof expected, "%s: %s", path, line);
    if (ok && (harness->messages != 1 || strcmp(harness->last, expected) != 0)) {
        tap_note("%u lines, the last is \"%s\"", harness->messages, harness->last);
        ok = false;
    }
    harness->messages = 0;
    whole_checkpoint_finish(&folder);
    return ok;
}

static bool check_tokenizer(const char *path)
{
    struct whole_checkpoint folder;
    struct blob blob = { 0 }, none = { 0 };
    bool ok = whole_checkpoint_write("mixtral", 1, &folder) && write_toy(folder.path, path, NULL)
        && toy_opener.read_file(path, "tokenizer.model", 100, NULL, &blob) == VKMOE_OK && blob.data
        && strcmp(blob.data, "hello") == 0
        && toy_opener.read_file(path, "spiece.model", 100, NULL, &none) == VKMOE_OK && !none.data;
    vkmoe_blob_finish(&blob);
    whole_checkpoint_finish(&folder);
    return ok;
}

static void check_all(struct tap *tap, struct harness *harness, const char *path)
{
    static const char *const families[] = { "mixtral", "jetmoe", "granitemoe" };
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        if (tap_wants(tap, families[i]))
            tap_result(tap, check_family(harness, families[i], path), families[i]);
    }
    if (tap_wants(tap, "tensor-missing"))
        tap_result(tap,
            check_missing(harness, path, "model.layers.0.block_sparse_moe.experts.1.w2.weight",
                "tensor model.layers.0.block_sparse_moe.experts.1.w2.weight is missing"),
            "tensor-missing");
    if (tap_wants(tap, "family-missing"))
        tap_result(tap,
            check_missing(harness, path, "model_type",
                "model_type is \"\", a family that this version does not know"),
            "family-missing");
    if (tap_wants(tap, "tokenizer"))
        tap_result(tap, check_tokenizer(path), "tokenizer");
}

int main(int argc, char **argv)
{
    struct tap tap;
    struct harness harness = { 0 };
    int code;
    char path[] = "/tmp/vkmoe-toy-XXXXXX";
    if (!tap_begin(&tap, argc, argv))
        return 2;
    if (tap.list) {
        check_all(&tap, &harness, path);
        return tap_end(&tap);
    }
    if (!harness_init(&harness, &tap, &code))
        return code;
    const int file = mkstemp(path);
    if (file < 0) {
        perror(path);
        return 2;
    }
    close(file);
    check_all(&tap, &harness, path);
    remove(path);
    return harness_finish(&harness, &tap);
}
