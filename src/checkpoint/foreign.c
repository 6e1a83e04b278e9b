// foreign.c - see foreign.h. POSIX.
#include "checkpoint/foreign.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/common.h"
#include "base/content.h"
#include "base/value.h"

enum { PATH_SIZE = 4096, NAME_SIZE = 256 };

static bool is_beside(const char *path, const char *tail)
{
    char other[PATH_SIZE];
    return snprintf(other, sizeof other, "%s%s", path, tail) < (int)sizeof other
        && access(other, F_OK) == 0;
}

bool vkmoe_foreign_is_unfinished(const char *path)
{
    return is_beside(path, ".aria2");
}

// ------------------------------------------------------------------- a directory's files

#define UNFINISHED_WHAT "a download that is not finished"
#define UNFINISHED UNFINISHED_WHAT, "finish it"
#define PYTORCH "PyTorch's format", TO_SAFETENSORS
#define OTHER_FORMAT "another program's format", TO_SAFETENSORS

// By name, the most telling first.
static const struct kind {
    const char *head, *tail, *what, *todo;
    bool readable; // needs no more than the right name or neighbour
} kinds[] = {
    { "adapter_", "", "an adapter (LoRA), not a model",
        "merge it into its base model and save that", false },
    { "", ".incomplete", UNFINISHED, false },
    { "", ".part", UNFINISHED, false },
    { "", ".partial", UNFINISHED, false },
    { "", ".aria2", UNFINISHED, false },
    { "", ".crdownload", UNFINISHED, false },
    { "", ".download", UNFINISHED, false },
    { "model-", ".safetensors", "a part without the index", "get model.safetensors.index.json too",
        true },
    { "consolidated", ".safetensors", "Mistral's own format",
        "get the model's files for transformers, model*.safetensors and config.json", false },
    { "", ".safetensors", "another name",
        "if it is the whole model, rename it to model.safetensors", true },
    { "consolidated", ".pth", "the maker's own format",
        "get the model's files for transformers, model*.safetensors and config.json", false },
    { "pytorch_model", "", PYTORCH, false },
    { "", ".gguf", "GGUF", "give its own path as the model, not the folder's", false },
    { "tf_model", "", "TensorFlow's format", TO_SAFETENSORS, false },
    { "flax_model", "", "Flax's format", TO_SAFETENSORS, false },
    { "", ".npz", "MLX's old format", TO_SAFETENSORS, false },
    { "", ".onnx", "ONNX", TO_SAFETENSORS, false },
    { "", ".pth", PYTORCH, false },
    { "", ".pt", PYTORCH, false },
    { "", ".ckpt", PYTORCH, false },
    { "", ".bin", PYTORCH, false },
    { "", ".nemo", OTHER_FORMAT, false },
    { "", ".ot", OTHER_FORMAT, false },
    { "", ".h5", OTHER_FORMAT, false },
    { "", ".msgpack", OTHER_FORMAT, false },
    { "", ".engine", OTHER_FORMAT, false },
};

const char *vkmoe_foreign_partial(const char *path)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (strcmp(kinds[i].what, UNFINISHED_WHAT) == 0 && is_beside(path, kinds[i].tail))
            return kinds[i].tail;
    }
    return NULL;
}

// What was found in a directory.
struct finding {
    const struct kind *kind; // NULL: nothing that is known
    char name[NAME_SIZE];    // of its file
    bool empty;
};

static const struct kind *find_kind(const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        size_t head = strlen(kinds[i].head), tail = strlen(kinds[i].tail);
        if (length >= head + tail && length > tail && strncmp(name, kinds[i].head, head) == 0
            && strcmp(name + length - tail, kinds[i].tail) == 0)
            return &kinds[i];
    }
    return NULL;
}

static bool join(const char *directory, const char *name, char path[PATH_SIZE])
{
    return snprintf(path, PATH_SIZE, "%s/%s", directory, name) < PATH_SIZE;
}

static bool exists(const char *directory, const char *name)
{
    char path[PATH_SIZE];
    return join(directory, name, path) && access(path, F_OK) == 0;
}

static bool is_directory(const char *directory, const char *name)
{
    char path[PATH_SIZE];
    struct stat info;
    return join(directory, name, path) && stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

// Calls `visit` for every entry; false if the directory cannot be read.
static bool scan(const char *directory, void (*visit)(void *user, const char *name), void *user)
{
    DIR *stream = opendir(directory);
    if (!stream)
        return false;
    const struct dirent *entry;
    while ((entry = readdir(stream))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            visit(user, entry->d_name);
    }
    closedir(stream);
    return true;
}

// The first by kind, then by name, so that the order of the file system does not matter.
static void note_kind(void *user, const char *name)
{
    struct finding *finding = user;
    const struct kind *kind = find_kind(name);
    finding->empty = false;
    if (!kind
        || (finding->kind
            && (kind > finding->kind
                || (kind == finding->kind && strcmp(name, finding->name) > 0))))
        return;
    finding->kind = kind;
    vkmoe_printable(name, finding->name, sizeof finding->name);
}

static struct finding look(const char *directory)
{
    struct finding finding = { .empty = true };
    char path[PATH_SIZE];
    if (!scan(directory, note_kind, &finding))
        finding.empty = false;
    // Where the hub's client keeps what it has not finished.
    if ((!finding.kind || finding.kind->readable)
        && join(directory, ".cache/huggingface/download", path)) {
        struct finding hidden = { 0 };
        scan(path, note_kind, &hidden);
        if (hidden.kind && strcmp(hidden.kind->tail, ".incomplete") == 0)
            finding = hidden;
    }
    return finding;
}

enum vkmoe_status vkmoe_foreign_weights(const char *directory, const struct vkmoe_log *log)
{
    static const char neither[] = "has neither model.safetensors nor model.safetensors.index.json";
    static const char *const names[] = { "model.safetensors", "model.safetensors.index.json" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char path[PATH_SIZE];
        if (join(directory, names[i], path) && vkmoe_path_is_broken_link(path))
            return vkmoe_path_refuse_broken_link(path, log);
    }
    struct finding finding = look(directory);
    if (!finding.kind)
        return vkmoe_fail(log, VKMOE_ERROR_NOT_FOUND, "%s: %s, nor other weights; download them",
            directory, neither);
    return vkmoe_fail(log, VKMOE_ERROR_NOT_FOUND, "%s: %s, but %s (%s): %s", directory, neither,
        finding.name, finding.kind->what, finding.kind->todo);
}

// --------------------------------------------------------------------------- a hub's cache

// The first subdirectory that is what is looked for.
struct child {
    const char *directory, *head;
    bool with_config;
    char name[NAME_SIZE];
    uint32_t count;
};

static void note_child(void *user, const char *name)
{
    struct child *child = user;
    char inner[NAME_SIZE + 16];
    if (strncmp(name, child->head, strlen(child->head)) != 0 || strlen(name) >= NAME_SIZE
        || !is_directory(child->directory, name))
        return;
    snprintf(inner, sizeof inner, "%s/config.json", name);
    if (child->with_config && !exists(child->directory, inner))
        return;
    if (child->count++ == 0 || strcmp(name, child->name) < 0)
        vkmoe_printable(name, child->name, sizeof child->name);
}

static struct child find_child(const char *directory, const char *head, bool with_config)
{
    struct child child = { .directory = directory, .head = head, .with_config = with_config };
    scan(directory, note_child, &child);
    return child;
}

// The commit that a cache's main branch is at, if it has a snapshot of it. False else.
static bool read_main(const char *root, char name[NAME_SIZE])
{
    char path[PATH_SIZE], inner[NAME_SIZE + 16];
    FILE *file = join(root, "refs/main", path) ? fopen(path, "r") : NULL;
    bool ok = file && fgets(name, NAME_SIZE, file);
    if (file)
        fclose(file);
    if (!ok)
        return false;
    name[strspn(name, "0123456789abcdef")] = '\0';
    snprintf(inner, sizeof inner, "snapshots/%s", name);
    return *name && is_directory(root, inner);
}

// The cache of one model: NULL, or the rest of its line.
static const char *describe_cache(const char *root, char text[PATH_SIZE])
{
    char snapshots[PATH_SIZE], name[NAME_SIZE];
    if (!is_directory(root, "snapshots") || !join(root, "snapshots", snapshots))
        return NULL;
    struct child any = find_child(snapshots, "", false);
    if (any.count == 0)
        snprintf(text, PATH_SIZE,
            "is a hub cache's root without a snapshot, so it has no "
            "config.json: the download is not finished");
    else if (read_main(root, name) || any.count == 1)
        snprintf(text, PATH_SIZE,
            "is a hub cache's root, which has no config.json itself; give "
            "%.3000s/%s",
            snapshots, any.count == 1 ? any.name : name);
    else
        snprintf(text, PATH_SIZE,
            "is a hub cache's root, which has no config.json itself; give "
            "one of its %u snapshots, such as %.3000s/%s",
            any.count, snapshots, any.name);
    return text;
}

// ----------------------------------------------------------------------------- config.json

static enum vkmoe_status refuse_file(const char *path, const struct vkmoe_log *log)
{
    const char *slash = strrchr(path, '/');
    return vkmoe_fail(log, VKMOE_ERROR_NOT_FOUND,
        "%s: is a file and no GGUF, expected the directory with config.json and *.safetensors, "
        "such as %.*s",
        path,
        slash == path ? 1
            : slash   ? (int)(slash - path)
                      : 1,
        slash ? path : ".");
}

static enum vkmoe_status refuse_absent(const char *path, const struct vkmoe_log *log)
{
    const char *slash = strchr(path, '/');
    bool is_name = slash && slash != path && slash[1] && !strchr(slash + 1, '/') && path[0] != '.'
        && path[0] != '~';
    return vkmoe_fail(log, VKMOE_ERROR_NOT_FOUND,
        "%s: is not there, expected a directory with config.json and *.safetensors, or a GGUF "
        "file%s",
        path, is_name ? "; if this is a model's name on a hub, download it first" : "");
}

// What a directory without config.json is, as the rest of its line.
static const char *describe_directory(const char *path, char text[PATH_SIZE])
{
    if (exists(path, "model_index.json"))
        return "has no config.json, but model_index.json: it is a pipeline of diffusers, not a "
               "language model";
    if (describe_cache(path, text))
        return text;
    if (is_directory(path, "hub"))
        return "is a hub client's directory, which has no config.json; give a snapshot in it, such "
               "as hub/models--.../snapshots/...";
    struct child checkpoint = find_child(path, "models--", false);
    if (checkpoint.count) {
        snprintf(text, PATH_SIZE,
            "is a hub's cache, which has no config.json itself; give a "
            "snapshot of one of its models, such as %.3000s/%s/snapshots/...",
            path, checkpoint.name);
        return text;
    }
    struct finding finding = look(path);
    if (exists(path, "adapter_config.json")) {
        return "has no config.json, but adapter_config.json: it is an adapter (LoRA), not a model; "
               "merge it into its base model and save that";
    }
    if (exists(path, "params.json") && (!finding.kind || !finding.kind->readable))
        return "has no config.json, but params.json: it is in its maker's own format; get the "
               "model's files for transformers";
    struct child with_config = find_child(path, "", true);
    if (!finding.kind && with_config.count) {
        snprintf(text, PATH_SIZE, "has no config.json, but %u subdirector%s %.3000s/%s",
            with_config.count,
            with_config.count == 1 ? "y has one; give" : "ies have one each; give one, such as",
            path, with_config.name);
        return text;
    }
    if (finding.kind)
        snprintf(text, PATH_SIZE, "has no config.json, but %s (%s): %s", finding.name,
            finding.kind->readable ? "weights" : finding.kind->what,
            finding.kind->readable ? "get config.json too" : finding.kind->todo);
    else
        snprintf(text, PATH_SIZE, "%s, expected config.json and *.safetensors",
            finding.empty ? "is empty" : "has no config.json, nor weights");
    return text;
}

enum vkmoe_status vkmoe_foreign_config(const char *path, const struct vkmoe_log *log)
{
    struct stat info;
    char text[PATH_SIZE];
    if (stat(path, &info) != 0)
        return refuse_absent(path, log);
    if (!S_ISDIR(info.st_mode))
        return refuse_file(path, log);
    if (join(path, "config.json", text) && vkmoe_path_is_broken_link(text))
        return vkmoe_path_refuse_broken_link(text, log);
    return vkmoe_fail(log, VKMOE_ERROR_NOT_FOUND, "%s: %s", path, describe_directory(path, text));
}
