// cli.h - what the commands of the vkmoe tool share.
//
// A command is one file with one function, and one row in COMMANDS below. It returns the
// exit status: 0, 1 if the work failed, 2 if the command line was wrong.
#ifndef VKMOE_CLI_H
#define VKMOE_CLI_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <cjson/cJSON.h>

#include "base/log.h"
#include "vkmoe/model.h"

// Each is `int cli_command_NAME(int argc, char **argv)`, argv[0] being its name.
#define COMMANDS(X) \
    X(devices, "list the Vulkan devices of this machine") \
    X(info, "say what a model is made of") \
    X(layer, "run one Mixture-of-Experts block on an array") \
    X(attention, "run one block's attention on an array") \
    X(logits, "run a whole model on a text and write its logits") \
    X(generate, "continue a text") \
    X(chat, "talk with a model, turn by turn") \
    X(bench, "time a whole model, to compare devices") \
    X(quantize, "write a model as a GGUF file, in fewer bits") \
    X(tune, "find what is fastest on a device, and keep it") \
    X(route, "show which experts a text's tokens go to") \
    X(check, "compare a model's blocks with the outputs recorded with it")

#define X(name, summary) int cli_command_##name(int argc, char **argv);
COMMANDS(X)
#undef X

// ---------------------------------------------------------------- options.c: the command line

// Exactly one of the targets is set. What the user leaves out keeps its value.
struct cli_option {
    const char *name;  // without the dashes
    const char *value; // what the help calls its value
    const char *help;
    bool required;
    bool may_be_empty;
    bool *flag; // takes no value
    const char **text;
    uint32_t *count;           // at least 1
    struct vkmoe_block *block; // "3" or "decoder.3"
    struct cli_texts *texts;   // one for each time that it is given
};

enum { CLI_MAX_TEXTS = 64 };
struct cli_texts {
    const char *items[CLI_MAX_TEXTS];
    uint32_t count;
};

// A text; one that is required; a number.
#define CLI_TEXT(name_, value_, target, words) \
    { \
        .name = name_, .value = value_, .text = (target), .help = words \
    }
#define CLI_REQUIRED(name_, value_, target, words) \
    { \
        .name = name_, .value = value_, .text = (target), .help = words, .required = true \
    }
#define CLI_COUNT(name_, value_, target, words) \
    { \
        .name = name_, .value = value_, .count = (target), .help = words \
    }
// Options that several commands have.
// The device to run on, and how.
#define CLI_WHERE(device_, validate_) \
    { .name = "device", \
        .value = "D", \
        .text = (device_), \
        .help = "index (digits alone), or part of the name; else the best" }, \
        { .name = "validate", .help = "enable Vulkan's validation layer", .flag = (validate_) }, \
        { .name = "no-tuning", \
            .help = "leave out what 'vkmoe tune' found", \
            .flag = &cli_no_tuning }, \
    { \
        .name = "no-self-test", .help = "take the driver to compute right", \
        .flag = &cli_no_self_test \
    }
#define CLI_NO_CAPACITY(target) \
    { \
        .name = "no-capacity", .flag = (target), \
        .help = "no expert turns tokens away (Switch Transformer)" \
    }
#define CLI_EXACT(target) \
    { \
        .name = "exact", .flag = (target), \
        .help = "as f32 where graphics cards would round what weights multiply to f16" \
    }
#define CLI_CACHE_TYPE(target) \
    CLI_TEXT("cache-type", "T", target, "keep keys and values in f32, f16 or q8_0; else f32")
#define CLI_JSON(target) \
    { \
        .name = "json", .help = "print JSON", .flag = (target) \
    }

struct cli_usage {
    const char *command;
    const char *operand; // its operand's name, or NULL
    const char **operand_target;
    bool may_lack_operand;
    const char *second; // of another operand, or NULL
    const char **second_target;
    const char *about; // lines for the help
    const struct cli_option *options;
    uint32_t option_count;
};

// Digits and nothing else.
bool cli_parse_number(const char *text, uint32_t *out);
// Negative: go on. Otherwise the exit status: help was printed, or what is wrong.
int cli_parse(const struct cli_usage *usage, int argc, char **argv);
// Of a command whose operand is a model; `table` is an array of its options.
#define CLI_PARSE_MODEL(argc, argv, name, target, table, text) \
    cli_parse(&(struct cli_usage){ .command = name, \
                  .operand = "MODEL", \
                  .operand_target = (target), \
                  .about = text, \
                  .options = table, \
                  .option_count = sizeof(table) / sizeof(table)[0] }, \
        argc, argv)

// "3" or "decoder.3".
struct cli_label {
    char text[24];
};
struct cli_label cli_block_label(struct vkmoe_block block);

// ------------------------------------------------------------- report.c: what the user is told

// Prints "vkmoe: ..." to stderr and returns 1, or 2 with a hint at the help.
int cli_fail(const char *format, ...) VKMOE_PRINTF(1, 2);
int cli_misuse(const char *command, const char *format, ...) VKMOE_PRINTF(2, 3);

// What is said until this is called with NULL is said of it: "PATH: ...".
void cli_about(const char *name);

// 0 if the status is OK. Else 1, after saying that `what` failed unless something has
// been said already.
int cli_result(enum vkmoe_status status, const char *what);

// A text for messages that are not for stderr.
struct cli_capture {
    char *text; // NULL: they go to stderr
    size_t size;
};

// From now on the first message goes to `to`, which is "" until then, and no other is shown; none
// counts as an error. Returns where they went before, for cli_restore().
struct cli_capture cli_capture(struct cli_capture to);
void cli_restore(struct cli_capture before);

// Prints errors and warnings of the library.
extern const struct vkmoe_log cli_log;

// 1 if an error was printed or standard output could not be written, else `status`.
int cli_finish(int status);
// What was printed so far is written, or 1: it is said once, with the system's reason. If
// nobody reads it any more nothing is said, since `| head` is no failure to talk about.
int cli_flush(void);
int cli_fail_stdout(int error); // the same, from an errno

// Whether standard error is a terminal on which a line can be written over.
bool cli_has_cursor(void);

// Says what goes on, if such a terminal is there to see it. NULL: nothing any more.
void cli_progress(const char *format, ...) VKMOE_PRINTF(1, 2);

enum cli_style { CLI_PLAIN, CLI_BOLD, CLI_GOOD, CLI_BAD };
// The escape sequences of standard output; "" if it shows none.
const char *cli_style_on(enum cli_style style);
const char *cli_style_off(enum cli_style style);

// "1.50 MiB", "12.3 us", "46.7 billion"
struct cli_text {
    char text[32];
};
struct cli_text cli_bytes(uint64_t bytes);
struct cli_text cli_duration(double ns);
struct cli_text cli_quantity(uint64_t count);

// Prints and releases it. Returns the exit status.
int cli_print_json(cJSON *json);
// cJSON_AddStringToObject() for text that may be no UTF-8, such as the name of a file.
void cli_json_text(cJSON *object, const char *key, const char *text);

void *cli_alloc(size_t size); // zeroed; does not return if there is no memory

// ------------------------------------------------------------------ table.c: aligned columns

struct cli_table {
    const char *columns; // one letter each: l or r, the side that is aligned
    struct cli_cell *cells;
    uint32_t count, capacity;
};

void cli_table_add(struct cli_table *table, enum cli_style style, const char *format, ...)
    VKMOE_PRINTF(3, 4);
// A plain row of two columns.
void cli_table_row(struct cli_table *table, const char *what, const char *format, ...)
    VKMOE_PRINTF(3, 4);
// Prints with `indent` blanks before each line, and releases the table.
void cli_table_print(struct cli_table *table, int indent);

// -------------------------------------------------------------------- arrays.c: .npy inputs

// "-" is standard input, which cli_input_name() calls so.
const char *cli_input_name(const char *path);
// A file as f32 [tokens][columns], from f32, f64 or f16. Fails with a message for other
// shapes, for more than 65536 tokens, and for numbers that are not finite. free(*data).
int cli_read_floats(const char *path, uint32_t columns, uint32_t *tokens, float **data);
// A file as i32 [tokens][columns], from integers; values that do not fit become -1.
int cli_read_ids(const char *path, uint32_t tokens, uint32_t columns, int32_t **data);
// A text's ids, each below `vocabulary`, from integers [tokens] or [1][tokens]: 1 to `context`
// of them. free(*tokens).
int cli_read_text(
    const char *path, uint32_t vocabulary, uint32_t context, uint32_t **tokens, uint32_t *count);

// What is not finite among results [rows][columns].
struct cli_bad {
    uint64_t rows;        // that hold such numbers; 0: there are none
    uint64_t row, column; // of the first
    float value;
};
struct cli_bad cli_find_bad(const float *data, uint64_t rows, uint64_t columns);
void cli_add_bad(struct cli_bad *bad, const struct cli_bad *next, uint64_t first_row);
const char *cli_name_bad(float value); // "NaN"
// 0, or 1 and a message if the `tokens` rows of what is called `name` are not all finite.
int cli_fail_bad(const char *name, const struct cli_bad *bad, uint64_t tokens);
// The same for a token's logits: `what` says what they are no good for.
int cli_fail_bad_logits(
    const char *path, const char *what, const float *logits, uint32_t vocabulary);

// ------------------------------------------------------------------- output.c: files written

// A file is written under another name in its folder and then renamed, so that it is
// there whole or not at all; what is left after an error, a signal or exit() is removed.
// What is no regular file (a pipe, /dev/null) is written to directly. "-" is standard output,
// unless that is a terminal; one array goes there, and words go to standard error.
enum { CLI_MAX_OUTPUTS = 4 };

// Whether it is another word for standard output.
bool cli_is_stdout(const char *path);
// `path` without symbolic links; its last part need not exist. free(); NULL, with errno, if its
// folder does not exist.
char *cli_resolve(const char *path);
// From now on no output may replace this file, or what a model's folder holds of a model;
// cli_open_model() says so of all it opens.
void cli_output_protect(const char *path);
// For messages: "standard output", or the path.
const char *cli_output_name(const char *path);
// Where to print words to, once the outputs are open.
FILE *cli_words(void);
// Prints "wrote Y.npy, I.npy"; NULL entries are left out.
void cli_print_written(const char *const *paths, uint32_t count);

// To be called before the work, which is in vain if it fails. `path` NULL is ignored.
// `inputs` (NULL entries are ignored), files of a model that was opened, and earlier outputs are
// refused.
int cli_output_open(const char *path, const char *const *inputs, uint32_t input_count);
// The first two of these refusals by themselves, for an output that is written in another way.
int cli_output_check(const char *path, const char *const *inputs, uint32_t input_count);
// Writes [rows][columns] to the file that cli_output_open() prepared for `path`.
int cli_output_write_f32(const char *path, const float *data, uint64_t rows, uint64_t columns);
int cli_output_write_i32(const char *path, const int32_t *data, uint64_t rows, uint64_t columns);
int cli_output_write_text(const char *path, const char *text);
// The same piece by piece: a file to write to, NULL after a message, and its end, which says what
// could not be written. `errno` is that of the write that failed.
FILE *cli_output_start(const char *path);
int cli_output_end(const char *path, FILE *file);
// Gives all outputs their names.
int cli_output_commit(void);

// ------------------------------------------------------------------- work.c: model and device

extern bool cli_no_tuning, cli_no_self_test; // the options
int cli_open_device(const char *select, bool validate, vkmoe_device **out);
// The same with another log than cli_log.
int cli_open_device_for(
    const struct vkmoe_log *log, const char *select, bool validate, vkmoe_device **out);
int cli_open_model(const char *path, vkmoe_checkpoint **out);
uint64_t cli_now(void);                                // ns
uint64_t cli_pipelines_ns(const vkmoe_device *device); // as in vkmoe_device_info
uint64_t cli_median(uint64_t *times, uint32_t count);  // at least one; sorts them

// A buffer with contents.
enum vkmoe_status cli_upload(
    vkmoe_device *device, const void *data, uint64_t size, vkmoe_buffer **out);
// Runs what was recorded.
enum vkmoe_status cli_submit_and_wait(vkmoe_stream *stream);

struct cli_run {
    uint32_t tokens;
    float *x;        // [tokens][hidden]
    float *router_x; // NULL: x
    float *y;        // [tokens][hidden]
    int32_t *ids;    // [tokens][k]
    float *weights;  // [tokens][k]
    // How often to run, after a first run that is not timed; 0: once, untimed. Ends early
    // when `budget_ns` have passed, unless that is 0.
    uint32_t repeats;
    uint64_t budget_ns;
    // Results
    uint32_t timed;                    // runs that were
    uint64_t median_ns;                // of one run, from recording it to its end
    uint64_t layer_size, scratch_size; // device memory
};
// Uploads the layer, runs it, and releases it. `label` names it in what is printed.
int cli_run_layer(vkmoe_device *device, const struct vkmoe_moe_params *params, const char *label,
    struct cli_run *run);

// --------------------------------------------------------------------- interrupt.c: Ctrl-C

// From now on the first sets this, the second ends the program.
void cli_catch_interrupt(void);
extern volatile sig_atomic_t cli_interrupted;

// ----------------------------------------------------------------- describe.c: names and words

const char *cli_dtype_name(enum vkmoe_dtype dtype);
const char *cli_device_type_name(enum vkmoe_device_type type);
// Where something ran: "llvmpipe (LLVM 15.0.6, 256 bits), a CPU"
struct cli_device_label {
    char text[288];
};
struct cli_device_label cli_device_label(const struct vkmoe_device_info *info);
// Adds "device" and "device_type".
void cli_json_device(cJSON *object, const struct vkmoe_device_info *info);
// "softmax, top 2, renormalised"
void cli_describe_router(const struct vkmoe_moe_params *params, char *text, size_t size);
// "gated SiLU"
void cli_describe_activation(const struct vkmoe_moe_params *params, char *text, size_t size);

#endif
