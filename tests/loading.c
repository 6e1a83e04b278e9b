// loading.c - how weights come to the device: the order they are packed in, whoever packs them
// and wherever they lie; how far the loading is; and files that end before it does.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "formats.h"
#include "base/file.h"
#include "moe/moe.h"
#include "model/model.h"
#include "random.h"
#include "weights/view.h"
#include "whole_checkpoints.h"

static struct record record;
static vkmoe_device *device; // the test's

// Who packs. A card has no memory in common with the host, so that there is a copy first.
enum packer { HOST, DEVICE, CARD };

static enum vkmoe_status open_packer(enum packer packer)
{
    enum vkmoe_status status = open_validated(&record, &device);
    if (status == VKMOE_OK)
        device->packs_on_host = packer == HOST;
    if (status == VKMOE_OK && packer == CARD)
        device->gpu.info.type = VKMOE_DEVICE_TYPE_DISCRETE;
    return status;
}

// ------------------------------------------------------------------------ packing

// A matrix of one or more views, in memory or in a file.
struct layout {
    const char *name;
    enum vkmoe_dtype dtype;
    uint32_t rows, columns;
    int64_t row_stride, column_stride; // 0: dense
    uint32_t count;                    // of views that are the same size
    bool stacked;                      // they are below each other; else their blocks take turns
    int64_t first;                     // element of the first view's (0, 0)
    int64_t next;                      // from there to the next view's
    uint32_t size;                     // elements in all
};

#define DENSE(r, c) .rows = r, .columns = c, .count = 1, .size = (r) * (c)
static const struct layout layouts[] = {
    { "dense", VKMOE_DTYPE_BF16, DENSE(40, 64) },
    { "dense-f32", VKMOE_DTYPE_F32, DENSE(33, 20) },
    { "one-element", VKMOE_DTYPE_F16, DENSE(1, 1) },
    { "one-column", VKMOE_DTYPE_F16, DENSE(77, 1) },
    { "odd", VKMOE_DTYPE_F16, DENSE(19, 45) },
    { "odd-f32", VKMOE_DTYPE_F32, DENSE(19, 45) },
    { "two-pieces", VKMOE_DTYPE_BF16, DENSE(1100, 4096) },    // 9 MB
    { "two-pieces-odd", VKMOE_DTYPE_F32, DENSE(1033, 2051) }, // 8.5 MB
    { "wide", VKMOE_DTYPE_F32, DENSE(9, 65536) }, // a line is more than a host's piece / 8
    { "transposed", VKMOE_DTYPE_BF16, 96, 40, 1, 96, 1, .size = 96 * 40 },
    { "transposed-f32-odd", VKMOE_DTYPE_F32, 37, 21, 1, 37, 1, .size = 37 * 21 },
    { "transposed-two-pieces", VKMOE_DTYPE_BF16, 4100, 1100, 1, 4100, 1, .size = 4100 * 1100 },
    { "transposed-long", VKMOE_DTYPE_F16, 65536, 11, 1, 65536, 1, .size = 65536 * 11 },
    { "column-slice", VKMOE_DTYPE_BF16, 24, 32, 200, 1, 1, .first = 17, .size = 24 * 200 },
    { "column-slice-near", VKMOE_DTYPE_BF16, 24, 32, 40, 1, 1, .first = 8, .size = 24 * 40 },
    { "gate-and-up", VKMOE_DTYPE_BF16, 40, 64, 64, 1, 2, .next = 40 * 64, .size = 80 * 64 },
    { "gate-and-up-odd", VKMOE_DTYPE_F16, 21, 45, 45, 1, 2, .next = 21 * 45, .size = 42 * 45 },
    { "interleaved-rows", VKMOE_DTYPE_BF16, 24, 64, 128, 1, 2, .next = 64, .size = 48 * 64 },
    { "interleaved-transposed", VKMOE_DTYPE_BF16, 48, 64, 2, 96, 2, .next = 1, .size = 96 * 64 },
    { "every-third", VKMOE_DTYPE_F32, 17, 30, 90, 3, 1, .first = 2, .size = 17 * 90 },
    { "far-apart", VKMOE_DTYPE_F16, 9, 20, 900, 40, 1, .size = 9 * 900 },
    { "backwards", VKMOE_DTYPE_F16, 10, 24, 24, -1, 1, .first = 23, .size = 240 },
    { "bottom-up", VKMOE_DTYPE_F32, 10, 24, -24, 1, 1, .first = 216, .size = 240 },
    { "q8-0", VKMOE_DTYPE_Q8_0, DENSE(40, 64) },
    { "q8-0-two-pieces", VKMOE_DTYPE_Q8_0, DENSE(2100, 4096) }, // 9 MB
    { "q8-0-wide", VKMOE_DTYPE_Q8_0, DENSE(9, 65536) },
    { "q8-0-gate-and-up", VKMOE_DTYPE_Q8_0, 21, 96, 96, 1, 2, .next = 21 * 96, .size = 42 * 96 },
    { "q8-0-far-apart", VKMOE_DTYPE_Q8_0, 9, 32, 928, 1, 1, .size = 9 * 928 },
    { "q8-0-bottom-up", VKMOE_DTYPE_Q8_0, 10, 32, -32, 1, 1, .first = 288, .size = 320 },
    { "q8-0-stacked-odd", VKMOE_DTYPE_Q8_0, 13, 64, 64, 1, 3, true, .next = 13 * 64,
        .size = 39 * 64 },
    { "stacked", VKMOE_DTYPE_BF16, 24, 40, 40, 1, 3, true, .next = 24 * 40, .size = 72 * 40 },
    { "stacked-odd", VKMOE_DTYPE_BF16, 13, 40, 40, 1, 3, true, .next = 13 * 40, .size = 39 * 40 },
    { "stacked-odd-transposed", VKMOE_DTYPE_F32, 13, 24, 1, 13, 2, true, .next = 13 * 24,
        .size = 26 * 24 },
};

static struct vkmoe_view view_of(
    const struct layout *l, const void *data, const struct vkmoe_file *file, uint32_t index)
{
    const int64_t element = l->first + index * l->next;
    return (struct vkmoe_view){ (const char *)data + vkmoe_format_offset(l->dtype, element),
        l->dtype, l->row_stride, l->column_stride, file };
}

// The packed order, block by block: shaders/lib/weights.glsl. Zeros elsewhere.
static void pack_plainly(const struct layout *l, const void *data, unsigned char *to)
{
    const struct test_format *format = test_format(l->dtype);
    const uint32_t units = (l->columns + 7) / 8;
    for (uint32_t v = 0; v < l->count; v++) {
        const struct vkmoe_view given = view_of(l, data, NULL, v);
        const struct vkmoe_view view = vkmoe_view_resolve(&given, l->columns);
        for (uint32_t r = 0; r < l->rows; r++) {
            const uint32_t stacked = v * l->rows + r;
            const uint32_t strip = l->stacked ? stacked / 16 : r / 16 * l->count + v;
            const uint32_t row = strip * 16 + (l->stacked ? stacked % 16 : r % 16);
            size_t byte = 0;
            for (uint32_t c = 0; c < l->columns; c += format->elements) {
                const unsigned char *at = vkmoe_view_at(&view, r, c);
                for (uint32_t i = 0; i < format->bytes; i++)
                    to[packed_offset(l->dtype, units, row, byte++)] = at[i];
            }
        }
    }
}

static enum vkmoe_status create_matrix(
    const struct layout *l, const void *data, const struct vkmoe_file *file, struct matrix *out)
{
    struct loading loading = { .device = device };
    struct vkmoe_view views[4] = { { 0 } };
    const struct vkmoe_view *addresses[4];
    uint32_t rows[4];
    for (uint32_t v = 0; v < l->count; v++) {
        views[v] = view_of(l, data, file, v);
        addresses[v] = &views[v];
        rows[v] = l->rows;
    }
    enum vkmoe_status status = l->stacked
        ? vkmoe_matrix_create_stacked(
            &loading, addresses, rows, l->count, l->columns, l->dtype, out)
        : vkmoe_matrix_create(&loading, &views[0], l->count == 2 ? &views[1] : NULL, l->rows,
            l->columns, l->dtype, out);
    status = vkmoe_loading_finish(&loading, status);
    const uint64_t bytes = format_bytes(l->dtype, (size_t)l->count * l->rows * l->columns);
    if (status == VKMOE_OK && loading.done != bytes) {
        tap_note("%s: %llu bytes counted, there are %llu", l->name,
            (unsigned long long)loading.done, (unsigned long long)bytes);
        return VKMOE_ERROR_DRIVER;
    }
    return status;
}

static bool check_layout(const struct layout *l, const void *data, const struct vkmoe_file *file)
{
    bool ok = false;
    struct matrix matrix = { 0 };
    unsigned char *expected = NULL, *actual = NULL;
    CHECK_OK(create_matrix(l, data, file, &matrix));
    const uint64_t size = vkmoe_buffer_size(matrix.buffer);
    expected = calloc(1, size);
    actual = calloc(1, size);
    pack_plainly(l, data, expected);
    CHECK_OK(vkmoe_buffer_download(matrix.buffer, 0, actual, size));
    for (uint64_t i = 0; i < size; i++) {
        if (actual[i] != expected[i]) {
            tap_note("%s: byte %llu of %llu differs", l->name, (unsigned long long)i,
                (unsigned long long)size);
            goto fail;
        }
    }
    ok = true;
fail:
    vkmoe_matrix_destroy(&matrix);
    free(expected);
    free(actual);
    return ok;
}

// A file that holds these bytes behind a byte more: nothing in a file is aligned.
static struct vkmoe_file *write_file(const void *data, size_t size)
{
    char path[] = "/tmp/vkmoe-loading-XXXXXX";
    struct vkmoe_file *file = NULL;
    int fd = mkstemp(path);
    if (fd >= 0 && write(fd, "x", 1) == 1 && write(fd, data, size) == (ssize_t)size)
        vkmoe_file_open(path, &(struct vkmoe_log){ record_line, &record, VKMOE_LOG_ERROR }, &file);
    close(fd);
    unlink(path);
    return file;
}

static bool test_packing(int packer)
{
    struct vkmoe_file *file = NULL;
    unsigned char *data = NULL;
    bool ok = true;
    CHECK_OK(open_packer(packer));
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        const struct layout *l = &layouts[i];
        const size_t size = format_bytes(l->dtype, (size_t)l->size);
        struct rng rng = rng_for(1, l->name);
        data = malloc(size);
        CHECK(data);
        for (size_t b = 0; b < size; b++)
            data[b] = (unsigned char)rng_next(&rng);
        file = write_file(data, size);
        CHECK(file);
        ok = check_layout(l, data, NULL) && ok;
        ok = check_layout(l, file->data + 1, file) && ok;
        vkmoe_file_close(&file);
        free(data);
        data = NULL;
    }
    vkmoe_device_destroy(&device);
    return ok && !record.validation;
fail:
    tap_note("log: %s", record.last);
    vkmoe_file_close(&file);
    free(data);
    return false;
}

// ----------------------------------------------------------------------- progress

struct progress {
    uint32_t calls, stop_at; // 0: never
    uint64_t done, total;
    bool wrong;      // went backwards, or changed its mind about the total
    const char *cut; // a file to cut short, at the call `cut_at`
    uint32_t cut_at;
    off_t cut_size;
};

static bool on_progress(void *user, uint64_t done, uint64_t total)
{
    struct progress *p = user;
    p->calls++;
    if (p->calls == 1 ? done != 0 : done <= p->done || total != p->total)
        p->wrong = true;
    p->done = done;
    p->total = total;
    if (p->cut && p->calls == p->cut_at && truncate(p->cut, p->cut_size) != 0)
        p->wrong = true;
    return p->calls != p->stop_at;
}

static enum vkmoe_status create(vkmoe_checkpoint *model, struct progress *p, vkmoe_model **out)
{
    return vkmoe_model_create(device, model,
        &(struct vkmoe_model_params){ VKMOE_INIT(vkmoe_model_params), .capacity = 8, .chunk = 4,
            .encoder_capacity = 4, .progress = p ? on_progress : NULL, .progress_user = p },
        out);
}

// All is counted, and a network can be made again after it was not.
static bool check_progress(const char *family)
{
    bool ok = false;
    struct whole_checkpoint checkpoint;
    vkmoe_checkpoint *model = NULL;
    vkmoe_model *network = NULL;
    const struct vkmoe_log log = { record_line, &record, VKMOE_LOG_WARNING };
    struct progress whole = { 0 };
    CHECK(whole_checkpoint_write(family, 1, &checkpoint));
    CHECK_OK(vkmoe_checkpoint_open(checkpoint.path, &log, &model));
    CHECK_OK(create(model, &whole, &network));
    vkmoe_model_destroy(&network);
    CHECK(!whole.wrong && whole.calls >= 2 && whole.done == whole.total && whole.total > 0);
    for (uint32_t at = 1; at <= whole.calls; at += whole.calls - 1) {
        struct progress p = { .stop_at = at };
        const uint32_t lines = record.lines[VKMOE_LOG_ERROR];
        CHECK_STATUS(VKMOE_ERROR_CANCELLED, create(model, &p, &network));
        CHECK(!network && p.calls == at && record.lines[VKMOE_LOG_ERROR] == lines + 1);
    }
    CHECK_OK(create(model, NULL, &network));
    ok = true;
fail:
    if (!ok)
        tap_note("%s: %u calls, %llu of %llu bytes; log: %s", family, whole.calls,
            (unsigned long long)whole.done, (unsigned long long)whole.total, record.last);
    vkmoe_model_destroy(&network);
    vkmoe_checkpoint_destroy(&model);
    whole_checkpoint_finish(&checkpoint);
    return ok;
}

// A check of every family's model, on one device.
static bool check_families(enum packer packer, bool (*check)(const char *family))
{
    bool ok = true;
    CHECK_OK(open_packer(packer));
    for (uint32_t i = 0; whole_checkpoint_family(i); i++)
        ok = check(whole_checkpoint_family(i)) && ok;
    vkmoe_device_destroy(&device);
    return ok && !record.validation;
fail:
    return false;
}

static bool test_progress(void)
{
    return check_families(DEVICE, check_progress);
}

// --------------------------------------------------------------- files that are cut short

// Everything that reads the model after it was opened.
static enum vkmoe_status use(vkmoe_checkpoint *model, struct progress *p)
{
    vkmoe_model *network = NULL;
    const enum vkmoe_status status = create(model, p, &network);
    vkmoe_model_destroy(&network);
    return status;
}

static bool says_cut(const char *path, uint32_t lines)
{
    return record.lines[VKMOE_LOG_ERROR] == lines + 1 && strstr(record.last, "was cut short")
        && !strncmp(record.last, path, strlen(path));
}

// A file is cut to so many parts of 16, when it was opened, or at the half of its loading.
static bool check_cut(const struct whole_checkpoint *checkpoint, uint32_t part, bool late,
    const char *copy, off_t size)
{
    bool ok = false;
    const struct vkmoe_log log = { record_line, &record, VKMOE_LOG_WARNING };
    vkmoe_checkpoint *model = NULL;
    char path[300], command[700];
    snprintf(path, sizeof path, "%s/model.safetensors", checkpoint->path);
    snprintf(command, sizeof command, "cp '%s' '%s'", copy, path);
    CHECK(system(command) == 0);
    CHECK_OK(vkmoe_checkpoint_open(checkpoint->path, &log, &model));
    struct progress p = { .cut = late ? path : NULL, .cut_at = 1, .cut_size = size * part / 16 };
    if (!late)
        CHECK(truncate(path, p.cut_size) == 0);
    const uint32_t lines = record.lines[VKMOE_LOG_ERROR];
    CHECK_STATUS(VKMOE_ERROR_INVALID, use(model, late ? &p : NULL));
    CHECK(says_cut(path, lines) && !p.wrong);
    ok = true;
fail:
    if (!ok)
        tap_note("%s, %u of 16 parts: %s", checkpoint->family, part, record.last);
    vkmoe_checkpoint_destroy(&model);
    return ok;
}

static bool cut_family(const char *family)
{
    struct whole_checkpoint checkpoint;
    struct stat info;
    char path[300], copy[300], command[700];
    bool ok = true;
    CHECK(whole_checkpoint_write(family, 1, &checkpoint));
    snprintf(path, sizeof path, "%s/model.safetensors", checkpoint.path);
    snprintf(copy, sizeof copy, "%s.copy", checkpoint.path);
    snprintf(command, sizeof command, "cp '%s' '%s'", path, copy);
    CHECK(system(command) == 0 && stat(path, &info) == 0);
    for (uint32_t part = 0; part < 16; part += 3)
        ok = check_cut(&checkpoint, part, part % 2, copy, info.st_size) && ok;
    unlink(copy);
    whole_checkpoint_finish(&checkpoint);
    return ok;
fail:
    whole_checkpoint_finish(&checkpoint);
    return false;
}

static bool test_cut(int packer)
{
    return check_families(packer, cut_family);
}

// What the system says where a file cannot be read, as of a network file system that fails.
static bool test_unreadable(void)
{
    bool ok = false;
    const struct vkmoe_log log = { record_line, &record, VKMOE_LOG_ERROR };
    struct vkmoe_file *file = write_file("data", 4);
    char bytes[8];
    const int folder = open("/tmp", O_RDONLY);
    CHECK(file && folder >= 0);
    CHECK_OK(vkmoe_file_read(file, &log, file->data + 1, bytes, 4));
    CHECK(!memcmp(bytes, "data", 4));
    CHECK_OK(vkmoe_file_read(file, &log, file->data + 5, bytes, 0));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_file_read(file, &log, file->data + 2, bytes, 4));
    CHECK(strstr(record.last, "outside of the file"));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_file_read(file, &log, file->data - 1, bytes, 4));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_file_read(file, &log, bytes, bytes, 4));
    CHECK(dup2(folder, file->descriptor) >= 0);
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_file_read(file, &log, file->data, bytes, 4));
    CHECK(strstr(record.last, "cannot read byte 0: Is a directory"));
    close(folder);
    ok = true;
fail:
    if (!ok)
        tap_note("log: %s", record.last);
    vkmoe_file_close(&file);
    return ok;
}

static enum vkmoe_status fill_nothing(void *user, void *to)
{
    (void)user;
    memset(to, 0, 16);
    return VKMOE_OK;
}

static void record_nothing(void *user, VkCommandBuffer commands, uint64_t source)
{
    (void)user;
    (void)commands;
    (void)source;
}

// While one thread loads, another may copy: between two pieces the first does not hold the slots,
// and may not have waited for them. The validation layer takes them for busy until somebody does.
static bool test_copies_between(void)
{
    const struct transfer_piece piece = { 16, fill_nothing, record_nothing, NULL };
    vkmoe_buffer *buffer = NULL;
    uint32_t data[4] = { 1, 2, 3, 4 };
    uint64_t room;
    bool ok = false;
    CHECK_OK(open_packer(CARD));
    CHECK_OK(vkmoe_buffer_create(device, sizeof data, &buffer));
    buffer->range.mapped = NULL;
    CHECK_OK(vkmoe_transfer_room(device, &room));
    for (int i = 0; i < 6; i++) {
        for (int j = 0; j < 2; j++)
            CHECK_OK(vkmoe_transfer_piece(device, &piece));
        if (i % 3 == 0)
            CHECK_OK(vkmoe_buffer_clear(buffer, 0, sizeof data));
        else if (i % 3 == 1)
            CHECK_OK(vkmoe_buffer_upload(buffer, 0, data, sizeof data));
        else
            CHECK_OK(vkmoe_buffer_download(buffer, 0, data, sizeof data));
    }
    CHECK_OK(vkmoe_transfer_finish(device, VKMOE_OK));
    ok = data[0] == 1 && data[3] == 4 && !record.validation;
fail:
    vkmoe_buffer_destroy(&buffer);
    return ok;
}

static void clean_up(void)
{
    vkmoe_device_destroy(&device);
}

CLEAN_TESTS_MAIN(ON_DEVICE, clean_up, { "packing-by-host", NULL, test_packing, HOST },
    { "packing-by-device", NULL, test_packing, DEVICE },
    { "packing-by-card", NULL, test_packing, CARD }, { "copies-between", test_copies_between },
    { "progress", test_progress }, { "cut-short-by-host", NULL, test_cut, HOST },
    { "cut-short-by-card", NULL, test_cut, CARD }, { "unreadable", test_unreadable })
