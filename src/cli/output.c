// output.c - files that are there whole or not at all; see cli.h.
#include "cli.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "npy.h"

struct output {
    const char *path; // as the user wrote it, or "-": standard output
    char *target;     // without symbolic links; NULL: written to directly
    char *temporary;
    int descriptor; // of the temporary file
};

static struct output outputs[CLI_MAX_OUTPUTS];
static uint32_t output_count;
static bool takes_stdout; // an output does
// Temporary files that exist: what the signal handler may look at.
static char *volatile unfinished[CLI_MAX_OUTPUTS];

static void remove_unfinished(void)
{
    for (int i = 0; i < CLI_MAX_OUTPUTS; i++) {
        char *path = unfinished[i];
        if (path)
            unlink(path);
        unfinished[i] = NULL;
    }
}

static void on_signal(int number)
{
    remove_unfinished();
    signal(number, SIG_DFL);
    raise(number);
}

static void guard(void)
{
    static bool guarded;
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
    if (guarded)
        return;
    guarded = true;
    atexit(remove_unfinished);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction old, action = { .sa_handler = on_signal };
        sigemptyset(&action.sa_mask);
        // nohup's SIG_IGN stays.
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    }
}

char *cli_resolve(const char *path)
{
    char *full = realpath(path, NULL);
    if (full || errno != ENOENT)
        return full;
    const char *slash = strrchr(path, '/');
    char *folder = cli_alloc(strlen(path) + 2);
    memcpy(folder, path, slash ? (size_t)(slash - path) + 1 : 0);
    char *real = realpath(slash ? folder : ".", NULL);
    free(folder);
    if (!real)
        return NULL;
    size_t size = strlen(real) + strlen(path) + 2;
    full = cli_alloc(size);
    snprintf(full, size, "%s/%s", strcmp(real, "/") ? real : "", slash ? slash + 1 : path);
    free(real);
    return full;
}

const char *cli_output_name(const char *path)
{
    return cli_is_stdout(path) ? "standard output" : path;
}

bool cli_is_stdout(const char *path)
{
    return strcmp(path, "-") == 0 || strcmp(path, "/dev/stdout") == 0
        || strcmp(path, "/dev/fd/1") == 0 || strcmp(path, "/proc/self/fd/1") == 0;
}

FILE *cli_words(void)
{
    return takes_stdout ? stderr : stdout;
}

void cli_print_written(const char *const *paths, uint32_t count)
{
    const char *before = "wrote ";
    for (uint32_t i = 0; i < count; i++) {
        if (paths[i])
            fprintf(cli_words(), "%s%s", before, cli_output_name(paths[i]));
        before = ", ";
    }
    fputc('\n', cli_words());
}

static int open_stdout(struct output *output)
{
    if (takes_stdout)
        return cli_fail("standard output: is wanted for two outputs");
    if (isatty(STDOUT_FILENO))
        return cli_fail("standard output: is a terminal, which shows no arrays; "
                        "send it to a file or a pipe");
    output->path = "-";
    output_count++;
    takes_stdout = true;
    return 0;
}

// ------------------------------------------------------------------- what is being read

struct file_id {
    dev_t device;
    ino_t inode;
};

// The files of the models that were opened.
static struct file_id *model_files;
static uint32_t model_file_count;

static struct file_id id_of(const struct stat *info)
{
    return (struct file_id){ info->st_dev, info->st_ino };
}

static bool is_same(struct file_id a, struct file_id b)
{
    return a.device == b.device && a.inode == b.inode;
}

static bool is_of_model(struct file_id file)
{
    uint32_t i = 0;
    while (i < model_file_count && !is_same(model_files[i], file))
        i++;
    return i < model_file_count;
}

static void protect_file(const struct stat *info)
{
    if (!S_ISREG(info->st_mode) || is_of_model(id_of(info)))
        return;
    struct file_id *files = cli_alloc((model_file_count + 1) * sizeof *files);
    memcpy(files, model_files, model_file_count * sizeof *files);
    files[model_file_count++] = id_of(info);
    free(model_files);
    model_files = files;
}

static bool is_name_of_model(const char *name)
{
    static const char *const suffixes[] = { ".json", ".safetensors", ".model", ".txt", ".jinja",
        ".tiktoken", ".gguf" };
    const char *suffix = strrchr(name, '.');
    for (size_t i = 0; suffix && i < sizeof suffixes / sizeof *suffixes; i++)
        if (strcmp(suffix, suffixes[i]) == 0)
            return true;
    return false;
}

void cli_output_protect(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return;
    DIR *folder = S_ISDIR(info.st_mode) ? opendir(path) : NULL;
    if (!folder) {
        protect_file(&info);
        return;
    }
    // Through links: a cache of models has its files elsewhere.
    for (const struct dirent *entry; (entry = readdir(folder));)
        if (is_name_of_model(entry->d_name) && fstatat(dirfd(folder), entry->d_name, &info, 0) == 0)
            protect_file(&info);
    closedir(folder);
}

int cli_output_check(const char *path, const char *const *inputs, uint32_t input_count)
{
    struct stat existing, input;
    if (!path || stat(path, &existing) != 0 || !S_ISREG(existing.st_mode))
        return 0;
    bool is_read = is_of_model(id_of(&existing));
    for (uint32_t i = 0; i < input_count; i++)
        is_read |=
            inputs[i] && stat(inputs[i], &input) == 0 && is_same(id_of(&input), id_of(&existing));
    return is_read ? cli_fail("%s: is an input too, and would be overwritten", path) : 0;
}

static int check_conflicts(
    const struct output *output, const char *const *inputs, uint32_t input_count)
{
    const int status = cli_output_check(output->path, inputs, input_count);
    if (status != 0)
        return status;
    for (uint32_t i = 0; i < output_count; i++) {
        if (outputs[i].target && strcmp(outputs[i].target, output->target) == 0)
            return cli_fail("%s: is wanted for two outputs", output->path);
    }
    return 0;
}

// An empty file of the same rights as the old one, or as a new one would have.
static int create_temporary(struct output *output, const struct stat *existing)
{
    static const char name[] = ".vkmoe-XXXXXX";
    size_t folder = (size_t)(strrchr(output->target, '/') - output->target) + 1;
    output->temporary = cli_alloc(folder + sizeof name);
    memcpy(output->temporary, output->target, folder);
    memcpy(output->temporary + folder, name, sizeof name);
    // Until the handler knows of the file, no signal.
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    output->descriptor = mkstemp(output->temporary);
    int error = errno;
    if (output->descriptor >= 0)
        unfinished[output_count] = output->temporary;
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (output->descriptor < 0)
        return cli_fail("%s: cannot create: %s", output->path, strerror(error));
    mode_t mask = umask(0);
    umask(mask);
    // Not every file system has rights to change.
    (void)!fchmod(output->descriptor, existing ? existing->st_mode & 0777 : 0666 & ~mask);
    return 0;
}

int cli_output_open(const char *path, const char *const *inputs, uint32_t input_count)
{
    if (!path)
        return 0;
    struct output *output = &outputs[output_count];
    *output = (struct output){ .path = path, .descriptor = -1 };
    if (cli_is_stdout(path))
        return open_stdout(output);
    struct stat existing;
    const bool exists = stat(path, &existing) == 0;
    int status = 0;
    if (exists && S_ISDIR(existing.st_mode))
        return cli_fail("%s: cannot create: it is a directory", path);
    if (exists && access(path, W_OK) != 0)
        return cli_fail("%s: cannot write: %s", path, strerror(errno));
    if (!exists || S_ISREG(existing.st_mode)) {
        output->target = cli_resolve(path);
        if (!output->target)
            return cli_fail("%s: cannot create: %s", path, strerror(errno));
        guard();
        status = check_conflicts(output, inputs, input_count);
        if (status == 0)
            status = create_temporary(output, exists ? &existing : NULL);
    }
    output_count++;
    return status;
}

static const struct output *find_output(const char *path)
{
    const struct output *output = outputs;
    while (strcmp(output->path, path) != 0)
        output++;
    return output;
}

// A crash of the machine must not leave a new name on an empty file.
static bool is_on_disk(const struct output *output)
{
    return !output->temporary || fsync(output->descriptor) == 0 || errno == EINVAL
        || errno == ENOSYS;
}

static int write_array(
    const char *path, const float *floats, const int32_t *ints, uint64_t rows, uint64_t columns)
{
    if (!path)
        return 0;
    const char *name = cli_output_name(path);
    if (cli_is_stdout(path))
        path = "-";
    const struct output *output = find_output(path);
    const uint64_t shape[] = { rows, columns };
    const char *to = output->temporary ? output->temporary : path;
    errno = 0;
    enum vkmoe_status status = floats ? vkmoe_npy_write_f32(to, NULL, floats, shape, 2)
                                      : vkmoe_npy_write_i32(to, NULL, ints, shape, 2);
    if (status == VKMOE_OK && !is_on_disk(output))
        status = VKMOE_ERROR_INVALID;
    if (status != VKMOE_OK && strcmp(path, "-") == 0)
        return cli_fail_stdout(errno);
    if (status != VKMOE_OK)
        return cli_fail("%s: cannot write: %s", name, errno ? strerror(errno) : "it failed");
    return 0;
}

int cli_output_write_f32(const char *path, const float *data, uint64_t rows, uint64_t columns)
{
    return write_array(path, data, NULL, rows, columns);
}

int cli_output_write_i32(const char *path, const int32_t *data, uint64_t rows, uint64_t columns)
{
    return write_array(path, NULL, data, rows, columns);
}

FILE *cli_output_start(const char *path)
{
    if (cli_is_stdout(path))
        return stdout;
    const struct output *output = find_output(path);
    FILE *file = fopen(output->temporary ? output->temporary : path, "w");
    if (!file)
        cli_fail("%s: cannot write: %s", path, strerror(errno));
    return file;
}

int cli_output_end(const char *path, FILE *file)
{
    if (file == stdout)
        return cli_flush();
    const bool written = !ferror(file) && fflush(file) == 0 && is_on_disk(find_output(path));
    const int error = errno;
    fclose(file);
    return written ? 0 : cli_fail("%s: cannot write: %s", path, strerror(error));
}

int cli_output_write_text(const char *path, const char *text)
{
    FILE *file = cli_output_start(path);
    if (!file)
        return 1;
    (void)!fputs(text, file);
    return cli_output_end(path, file);
}

int cli_output_commit(void)
{
    for (uint32_t i = 0; i < output_count; i++) {
        struct output *output = &outputs[i];
        if (output->temporary) {
            close(output->descriptor);
            if (rename(output->temporary, output->target) != 0)
                return cli_fail("%s: cannot create: %s", output->path, strerror(errno));
            unfinished[i] = NULL;
            free(output->temporary);
        }
        free(output->target);
        *output = (struct output){ 0 };
    }
    output_count = 0; // what is said from now on is still not for standard output
    return 0;
}
