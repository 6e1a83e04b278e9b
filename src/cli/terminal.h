// terminal.h - standard input, output and error: for the command and the benchmarks.
#ifndef VKMOE_CLI_TERMINAL_H
#define VKMOE_CLI_TERMINAL_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// A terminal that knows control sequences. TERM is "dumb" in editors and logs, and unset where
// nobody knows: both get plain text.
static inline bool cli_is_terminal(int descriptor)
{
    const char *term = getenv("TERM");
    return isatty(descriptor) && term && *term && strcmp(term, "dumb") != 0;
}

// If a standard stream is closed, the next file to be opened would take its place, and get what is
// printed. What takes it now can be neither read nor written, like a closed one.
static inline void cli_guard_descriptors(void)
{
    for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++) {
        if (fcntl(i, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", i == STDIN_FILENO ? O_WRONLY : O_RDONLY); // becomes i
    }
}

// Why standard output could not be written, an errno; 0 if all of it was.
static inline int cli_flush_error(void)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    // An earlier failure has taken its reason with it; trying again brings it back.
    if (!errno && write(STDOUT_FILENO, "\n", 1) == 1)
        errno = EIO;
    return errno;
}

#endif
