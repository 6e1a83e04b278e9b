// interrupt.c - Ctrl-C as commands catch it: the first ends what they do, the second ends them.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#include "cli.h"

enum { CAUGHT = 7, ASKED_AGAIN = 3 };

static void leave(int number)
{
    (void)number;
    _exit(CAUGHT);
}

// A process that catches it as often as a conversation does, and then gets `count` of them.
static int status_of(void (*handler)(int), int count)
{
    int status = -1;
    const pid_t child = fork();
    if (child == 0) {
        signal(SIGINT, handler);
        for (int i = 0; i < ASKED_AGAIN; i++)
            cli_catch_interrupt();
        for (int i = 0; i < count; i++)
            raise(SIGINT);
        _exit(cli_interrupted);
    }
    return child > 0 && waitpid(child, &status, 0) == child ? status : -1;
}

static bool exits(int status, int code)
{
    return WIFEXITED(status) && WEXITSTATUS(status) == code;
}

static bool test_first(void)
{
    CHECK(exits(status_of(SIG_DFL, 1), 1) && exits(status_of(leave, 1), 1));
    return true;
fail:
    return false;
}

static bool test_second(void)
{
    const int status = status_of(SIG_DFL, 2);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
    CHECK(exits(status_of(leave, 2), CAUGHT));
    return true;
fail:
    return false;
}

static bool test_ignored(void)
{
    CHECK(exits(status_of(SIG_IGN, 2), 0));
    return true;
fail:
    return false;
}

TESTS_MAIN(ON_HOST, { "first", test_first }, { "second", test_second }, { "ignored", test_ignored })
