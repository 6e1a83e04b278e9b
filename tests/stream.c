// stream.c - what a stream records besides dispatches: updates of a buffer, in its own command
// buffers and in a program's.
#include "device/stream.h" // before host.h: both bring Vulkan's types, this one without prototypes

#include "check.h"
#include "host.h"
#include "random.h"
#include "tiny_layer.h"

#define SIZE (3 * 65536u)

// A device of the library's own or of a host's, and a stream on it.
struct bench {
    struct host host;
    bool is_guest;
    struct record record;
    vkmoe_device *device;
    vkmoe_stream *stream;
    vkmoe_moe *layer;
    vkmoe_buffer *buffer, *x, *y[2];
    VkCommandBuffer commands; // the host's
    struct tiny_layer tiny;
    unsigned char shadow[SIZE], back[SIZE];
};

static bool init(struct bench *b, bool is_guest)
{
    *b = (struct bench){ .is_guest = is_guest };
    if (is_guest) {
        CHECK(host_init(&b->host, true));
        struct vkmoe_adopt_params params = host_adopt_params(&b->host);
        params.log = log_to(&b->record);
        CHECK_OK(vkmoe_device_adopt(&params, &b->device));
    } else {
        CHECK_OK(open_validated(&b->record, &b->device));
    }
    tiny_layer_init(&b->tiny, 5);
    CHECK_OK(tiny_layer_create(&b->tiny, b->device, &b->layer));
    CHECK_OK(vkmoe_stream_create(b->device, &b->stream));
    CHECK_OK(vkmoe_stream_reserve(b->stream, vkmoe_moe_scratch_size(b->layer, TINY_TOKENS)));
    CHECK_OK(vkmoe_buffer_create(b->device, SIZE, &b->buffer));
    CHECK_OK(vkmoe_buffer_create(b->device, TINY_SIZE, &b->x));
    CHECK_OK(vkmoe_buffer_create(b->device, TINY_SIZE, &b->y[0]));
    CHECK_OK(vkmoe_buffer_create(b->device, TINY_SIZE, &b->y[1]));
    return true;
fail:
    return false;
}

static void finish(struct bench *b)
{
    vkmoe_buffer *buffers[] = { b->buffer, b->x, b->y[0], b->y[1] };
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        vkmoe_buffer_destroy(&buffers[i]);
    vkmoe_stream_destroy(&b->stream);
    vkmoe_moe_destroy(&b->layer);
    vkmoe_device_destroy(&b->device);
    if (b->is_guest)
        host_finish(&b->host);
}

static bool start(struct bench *b)
{
    if (!b->is_guest)
        return true;
    b->commands = host_begin(&b->host);
    CHECK(b->commands);
    CHECK_OK(vkmoe_stream_record_begin(b->stream, b->commands));
    return true;
fail:
    return false;
}

static bool run(struct bench *b)
{
    if (!b->is_guest) {
        CHECK_OK(vkmoe_stream_submit(b->stream, NULL));
        CHECK_OK(vkmoe_stream_wait(b->stream, UINT64_MAX));
        return true;
    }
    CHECK_OK(vkmoe_stream_record_end(b->stream));
    CHECK(host_run(&b->host, b->commands));
    return true;
fail:
    return false;
}

// -------------------------------------------------------------------------- contents

// Ranges that meet and overlap: the later one wins, and nothing else changes.
static bool check_contents(struct bench *b)
{
    static const uint32_t ranges[][2] = { { 0, 4 }, { 65536, 65536 }, { 8, 1024 }, { 65532, 12 },
        { 1000, 512 }, { SIZE - 4, 4 } };
    static unsigned char data[65536];
    struct rng rng = { 7 };
    for (uint32_t i = 0; i < SIZE; i++)
        b->shadow[i] = (unsigned char)rng_next(&rng);
    CHECK_OK(vkmoe_buffer_upload(b->buffer, 0, b->shadow, SIZE));
    CHECK(start(b));
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        const uint32_t offset = ranges[i][0], size = ranges[i][1];
        for (uint32_t j = 0; j < size; j++)
            b->shadow[offset + j] = data[j] = (unsigned char)rng_next(&rng);
        CHECK_OK(vkmoe_stream_update(b->stream, b->buffer, offset, data, size));
        memset(data, 0xee, size); // it was read
    }
    CHECK(run(b));
    CHECK_OK(vkmoe_buffer_download(b->buffer, 0, b->back, SIZE));
    CHECK(!memcmp(b->shadow, b->back, SIZE));
    return true;
fail:
    return false;
}

// --------------------------------------------------------------------------- between

// A forward sees the update before it, and not the one behind it.
static bool check_between(struct bench *b)
{
    float other[TINY_TOKENS][TINY_HIDDEN], y[2][TINY_TOKENS][TINY_HIDDEN];
    for (uint32_t t = 0; t < TINY_TOKENS; t++)
        for (uint32_t i = 0; i < TINY_HIDDEN; i++)
            other[t][i] = -1000.0f;
    CHECK_OK(vkmoe_buffer_upload(b->x, 0, other, TINY_SIZE));
    for (int i = 0; i < 3; i++) {
        CHECK(start(b));
        CHECK_OK(vkmoe_stream_update(b->stream, b->x, 0, b->tiny.x, TINY_SIZE));
        CHECK_OK(tiny_layer_forward(b->stream, b->layer, b->x, b->y[0]));
        CHECK_OK(vkmoe_stream_update(b->stream, b->x, 0, other, TINY_SIZE));
        CHECK_OK(tiny_layer_forward(b->stream, b->layer, b->x, b->y[1]));
        CHECK(run(b));
        for (int j = 0; j < 2; j++)
            CHECK_OK(vkmoe_buffer_download(b->y[j], 0, y[j], TINY_SIZE));
        CHECK(tiny_layer_check(&b->tiny, y[0][0]));
        CHECK(memcmp(y[0], y[1], TINY_SIZE));
    }
    return true;
fail:
    return false;
}

// --------------------------------------------------------------------------- refused

static bool check_refused(struct bench *b)
{
    bool ok = false;
    static const uint64_t ranges[][2] = { { 0, 0 }, { 0, 3 }, { 2, 4 }, { 0, 65540 }, { SIZE, 4 },
        { SIZE - 4, 8 }, { UINT64_MAX - 3, 4 }, { 0, UINT64_MAX - 3 } };
    static const unsigned char data[65540];
    vkmoe_buffer *wrapped = NULL; // has an address, but no VkBuffer to name
    CHECK_OK(vkmoe_buffer_wrap(b->device, vkmoe_buffer_address(b->x), TINY_SIZE, &wrapped));
    memset(b->shadow, 0x5a, SIZE);
    CHECK_OK(vkmoe_buffer_upload(b->buffer, 0, b->shadow, SIZE));
    CHECK(start(b));
    for (size_t i = 0; i <= sizeof ranges / sizeof *ranges; i++) {
        const bool last = i == sizeof ranges / sizeof *ranges;
        b->record = (struct record){ 0 };
        CHECK_STATUS(VKMOE_ERROR_INVALID,
            vkmoe_stream_update(b->stream, last ? wrapped : b->buffer, last ? 0 : ranges[i][0],
                data, last ? 4 : ranges[i][1]));
        CHECK(b->record.lines[VKMOE_LOG_ERROR] == 1);
    }
    b->record = (struct record){ 0 };
    CHECK(run(b));
    CHECK_OK(vkmoe_buffer_download(b->buffer, 0, b->back, SIZE));
    CHECK(!memcmp(b->shadow, b->back, SIZE));
    ok = true;
fail:
    vkmoe_buffer_destroy(&wrapped);
    return ok;
}

static bool check_in_both_modes(bool (*check)(struct bench *b))
{
    static struct bench b;
    for (int is_guest = 0; is_guest < 2; is_guest++) {
        const bool ok = init(&b, is_guest) && check(&b);
        if (!ok || b.record.lines[VKMOE_LOG_ERROR] || b.record.lines[VKMOE_LOG_WARNING]) {
            tap_note("%s; log: %s", is_guest ? "a host's" : "own", b.record.last);
            finish(&b);
            return false;
        }
        finish(&b);
    }
    return true;
}

static bool test_contents(void)
{
    return check_in_both_modes(check_contents);
}

static bool test_between(void)
{
    return check_in_both_modes(check_between);
}

static bool test_refused(void)
{
    return check_in_both_modes(check_refused);
}

TESTS_MAIN(ON_DEVICE, { "update-contents", test_contents },
    { "update-between-forwards", test_between }, { "update-refused", test_refused })
