// main.c - chooses the command.
#include "cli.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "terminal.h"

static const struct {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
#define X(name, summary) { #name, summary, cli_command_##name },
    COMMANDS(X)
#undef X
};

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static void print_help(FILE *file)
{
    fprintf(file,
        "usage: vkmoe COMMAND [OPTION]...\n"
        "       vkmoe COMMAND --help\n"
        "\n"
        "Mixture-of-Experts layers on any GPU that speaks Vulkan.\n"
        "\n"
        "commands:\n");
    for (int i = 0; i < COMMAND_COUNT; i++)
        fprintf(file, "  %-9s %s\n", commands[i].name, commands[i].summary);
    fprintf(file,
        "\n"
        "options:\n"
        "  -h, --help     print this\n"
        "  -V, --version  print the version\n"
        "\n"
        "The exit status is 0, or 1 if the work failed, or 2 if the command line is wrong.\n");
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return 2;
    }
    const char *name = argv[1];
    if (!strcmp(name, "--help") || !strcmp(name, "-h")) {
        print_help(stdout);
        return 0;
    }
    if (!strcmp(name, "--version") || !strcmp(name, "-V")) {
        printf("vkmoe %s\n", VKMOE_CLI_VERSION);
        return 0;
    }
    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (!strcmp(name, commands[i].name))
            return commands[i].run(argc - 1, argv + 1);
    }
    return cli_misuse(NULL, "unknown %s '%s'", name[0] == '-' ? "option" : "command", name);
}

int main(int argc, char **argv)
{
    cli_guard_descriptors();
    // A file that grows past the user's limit is a failed write, not a death.
    signal(SIGXFSZ, SIG_IGN);
    return cli_finish(run(argc, argv));
}
