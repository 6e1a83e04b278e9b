// interrupt.c - Ctrl-C, for commands that can end early.
#include "cli.h"

volatile sig_atomic_t cli_interrupted;

static void on_interrupt(int number)
{
    (void)number;
    cli_interrupted = 1;
}

void cli_catch_interrupt(void)
{
    struct sigaction old, action = { .sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND };
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGINT, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
        sigaction(SIGINT, &action, NULL);
}
