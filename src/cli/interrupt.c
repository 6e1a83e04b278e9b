// interrupt.c - Ctrl-C, for commands that can end early.
#include "cli.h"

volatile sig_atomic_t cli_interrupted;

static struct sigaction before; // that of the second one, which may have files to remove

static void on_interrupt(int number)
{
    sigaction(number, &before, NULL);
    cli_interrupted = 1;
}

void cli_catch_interrupt(void)
{
    struct sigaction action = { .sa_handler = on_interrupt };
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGINT, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(SIGINT, &action, NULL);
}
