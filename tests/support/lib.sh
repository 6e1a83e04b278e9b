# lib.sh - what the tests of the command line tool share. A test sets `vkmoe`, sources this, and
# ends with
# `tests_end`. VKMOE_TEST_DEVICE, if it is set, is the --device of everything that runs on one.
# shellcheck shell=bash disable=SC2034,SC2154  # variables are for who sources this
set -u
device=()
[ -n "${VKMOE_TEST_DEVICE-}" ] && device=(--device "$VKMOE_TEST_DEVICE")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
out=$tmp/out err=$tmp/err
count=0 failed=0
unset NO_COLOR COLUMNS
# Not what the user's own device was tuned to; what drivers compiled stays where it is.
export MESA_SHADER_CACHE_DIR=${MESA_SHADER_CACHE_DIR-${XDG_CACHE_HOME:-${HOME-/var/tmp}/.cache}}
export XDG_CACHE_HOME=$tmp/cache
export LC_ALL=C.UTF-8

# Everything since the last call was one test; `problem` says what was wrong in it.
problems=
problem() {
    problems+="#   $*"$'\n'
}

finish() {
    count=$((count + 1))
    if [ -z "$problems" ]; then
        echo "ok $count - $1"
    else
        printf '%s' "$problems"
        echo "not ok $count - $1"
        failed=$((failed + 1))
    fi
    problems=
}

skip() {
    count=$((count + 1))
    echo "ok $count - $1 # SKIP $2"
}

tests_end() {
    echo "1..$count"
    [ "$failed" = 0 ] || echo "# $failed of $count failed"
    [ "$failed" = 0 ]
}

# expect STATUS COMMAND ARGUMENT... - runs the tool on the device under test; its output goes to
# $out and $err.
expect() {
    local status=$1 command=$2 got=0
    shift 2
    "$vkmoe" "$command" "${device[@]}" "$@" >"$out" 2>"$err" </dev/null || got=$?
    [ "$got" = "$status" ] || problem "vkmoe $command $*: status $got, expected $status: $(head -n \
        3 "$err")"
}

# refuse STATUS TEXT COMMAND ARGUMENT... - it must fail with one line that holds TEXT, and print
# nothing else.
refuse() {
    local status=$1 text=$2
    shift 2
    expect "$status" "$@"
    [ ! -s "$out" ] || problem "vkmoe $*: unexpected on stdout: $(head -n 1 "$out")"
    if [ "$(wc -l <"$err")" != 1 ] || ! grep -q '^vkmoe: ' "$err"; then
        problem "vkmoe $*: expected one line of message, got: $(head -n 3 "$err")"
    fi
    grep -qF -- "$text" "$err" || problem "vkmoe $*: no '$text' in: $(cat "$err")"
}

has() {
    grep -qE -- "$1" "$out" || problem "no '$1' in: $(cat "$out")"
}

says() {
    grep -qE -- "$1" "$err" || problem "no '$1' in: $(cat "$err")"
}

same() {
    cmp -s "$1" "$2" || problem "$1 and $2 differ"
}

# npy FILE DESCR SHAPE - writes an array whose bytes are on standard input.
npy() {
    local header="{'descr': '$2', 'fortran_order': False, 'shape': ($3), }" length
    length=$(((10 + ${#header} + 1 + 63) / 64 * 64 - 10))
    {
        printf '\x93NUMPY\x01\x00'
        # shellcheck disable=SC2059
        printf "\\x$(printf %02x $((length & 255)))\\x$(printf %02x $((length >> 8)))"
        printf "%-$((length - 1))s\n" "$header"
        cat
    } >"$1"
}

# The elements of a file of i32 [N], one a line.
numbers() {
    tail -c $((4 * $2)) "$1" | od -A n -v -w4 -t d4 | tr -d ' '
}

no_leftovers() {
    local found
    found=$(find "$1" -name '.vkmoe-*')
    [ -z "$found" ] || problem "left behind: $found"
}

# with_terminal STDOUT TEXT COMMAND... - prints what it writes to standard error, which is a
# terminal. Its standard output goes into a file. If there is a TEXT, it gets Ctrl-C once that is
# there.
with_terminal() {
    TERM=xterm python3 - "$@" <<'PY'
import os, signal, subprocess, sys
master, slave = os.openpty()
wanted, text = sys.argv[2].encode(), b""
with open(sys.argv[1], "wb") as out:
    command = subprocess.Popen(sys.argv[3:], stdin=subprocess.DEVNULL, stdout=out, stderr=slave,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
os.close(slave)
while True:
    try:
        part = os.read(master, 4096)
    except OSError:
        break
    if not part:
        break
    text += part
    if wanted and wanted in text:
        command.send_signal(signal.SIGINT)
        wanted = b""
os.write(1, text)
sys.exit(command.wait())
PY
}

# on_terminal COMMAND... - what it writes to standard error, which is one.
on_terminal() {
    with_terminal /dev/null '' "$@" >"$out"
}

has_terminals() {
    python3 -c 'import os; os.openpty()' 2>/dev/null
}
