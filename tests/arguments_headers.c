// arguments_headers.c - every pointer that a public function takes, and all params, read from the
// headers.
#include "arguments.h"

#include <ctype.h>

#include "tap.h"

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

// The identifier that ends at `end`.
static void last_name(const char *begin, const char *end, char *out, size_t size)
{
    while (end > begin && !is_name(end[-1]))
        end--;
    const char *start = end;
    while (start > begin && is_name(start[-1]))
        start--;
    snprintf(out, size, "%.*s", (int)(end - start), start);
}

static bool check_tested(
    const char *function, const char *name, const char *how, bool (*is_tested)(const char *name))
{
    char both[128];
    snprintf(both, sizeof both, "%s.%s%s", function, name, how);
    if (is_tested(both))
        return true;
    tap_note("nothing calls %s with %s%s", function, name, *how ? how : " NULL");
    return false;
}

// Every pointer among the parameters of one declaration, from its name to its semicolon.
static bool check_declaration(
    const char *text, const char *end, bool (*is_tested)(const char *name), uint32_t *pointers)
{
    char function[64], name[32];
    bool complete = true;
    const char *open = memchr(text, '(', (size_t)(end - text));
    if (!open)
        return false;
    last_name(text, open, function, sizeof function);
    for (const char *at = open + 1; at < end;) {
        const char *stop = at;
        while (stop < end && *stop != ',' && *stop != ')')
            stop++;
        const bool is_pointer = memchr(at, '*', (size_t)(stop - at))
            || !strncmp(at, "VkCommandBuffer", 15) || !strncmp(at, " VkCommandBuffer", 16);
        last_name(at, stop, name, sizeof name);
        if (is_pointer) {
            ++*pointers;
            complete &= check_tested(function, name, "", is_tested);
        }
        if (!strcmp(name, "params") && !strncmp(at + strspn(at, " \n"), "const ", 6))
            complete &= check_tested(function, name, " tail", is_tested);
        at = stop + 1;
    }
    return complete;
}

static bool check_header(
    const char *name, bool (*is_tested)(const char *name), uint32_t *functions, uint32_t *pointers)
{
    static char text[1 << 18];
    char path[1024];
    bool complete = true;
    snprintf(path, sizeof path, "%s/%s", VKMOE_TEST_HEADERS, name);
    FILE *file = fopen(path, "r");
    if (!file) {
        tap_note("%s cannot be read", path);
        return false;
    }
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    for (const char *at = text; (at = strstr(at, "\nVKMOE_API ")); at++) {
        const char *end = strchr(at, ';');
        if (!end)
            return false;
        ++*functions;
        complete = check_declaration(at + 1, end, is_tested, pointers) && complete;
    }
    return complete;
}

bool arguments_headers(bool (*is_tested)(const char *name))
{
    static const char *const names[] = { "vkmoe.h", "moe.h", "model.h", "vulkan.h" };
    uint32_t functions = 0, pointers = 0;
    bool complete = true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        complete = check_header(names[i], is_tested, &functions, &pointers) && complete;
    tap_note("%u functions with %u pointers", functions, pointers);
    return complete && functions >= 55 && pointers >= 100;
}
