// interrupt.c - Ctrl-C, for commands that can end early.
#include "cli.h"

volatile sig_atomic_t cli_interrupted;

static struct sigaction before; // that of the second one, which may have files to remove

static void on_interrupt(int number)
{
    sigaction(number, &before, NULL);
    cli_interrupted = 1;
}

// Where it is caught already, `before` stays: else a second one would be caught without an end.
void cli_catch_interrupt(void)
{
    struct sigaction action = { .sa_handler = on_interrupt }, old;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGINT, NULL, &old) != 0 || old.sa_handler == SIG_IGN
        || old.sa_handler == on_interrupt)
        return;
    before = old;
    sigaction(SIGINT, &action, NULL);
}
