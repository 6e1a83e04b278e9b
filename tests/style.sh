#!/usr/bin/env bash
# One dialect: what can be said of the source without building it.
#
#     tests/style.sh             checks the tree, and that each check can fail
#     tests/style.sh --selftest  only the latter
#
# format      C and C++ are what clang-format 14 makes of them (other versions differ)
# columns     no line of code has more than 100 columns
# lines       no file of code has more than 600 lines
# shell       shellcheck finds nothing in any shell script
# layers      a folder of src uses only those below it; a test of ./build, where that is built
#
# Code is C, C++, GLSL, Meson, Python and shell. A file whose first lines say that a script wrote it
# is left out.
# The last line is "N passed, N failed, N skipped".
set -euo pipefail
columns=100
lines=600
passed=0 failed=0 skipped=0

# Names of the tree's own files, below the folder we are in, whether git knows them or not.
all_files() {
    if ! git ls-files --cached --others --exclude-standard 2>/dev/null | grep .; then
        find . -name '.git*' -prune -o -path './build*' -prune -o -type f -printf '%P\n'
    fi | sort | while read -r name; do
        [ ! -f "$name" ] || echo "$name"  # git lists what is removed but not committed
    done
}

is_generated() {
    head -n 5 "$1" | grep -qE '(written|generated|made) by [^ ]+\.(py|sh)\b'
}

is_shell() {
    [[ $1 == *.sh ]] ||
        { [[ ${1##*/} != *.* ]] && head -n 1 "$1" | grep -qE '^#!.*\b(ba|da|)sh\b'; }
}

# Sorts files into the arrays `c`, `shell` and `code`; the last has all.
find_code() {
    local name
    c=() shell=() code=()
    while read -r name; do
        case $name in
            *.c | *.h | *.cc | *.cpp) is_generated "$name" || c+=("$name") ;;
            *.comp | *.glsl | *.def | meson.build | */meson.build | meson_options.txt | *.py)
                is_generated "$name" || code+=("$name")
                ;;
            *) ! is_shell "$name" || shell+=("$name") ;;
        esac
    done < <(all_files)
    code+=("${c[@]}" "${shell[@]}")
}

find_clang_format() {
    local tool
    for tool in clang-format-14 clang-format; do
        if command -v "$tool" >/dev/null && "$tool" --version | grep -q 'version 14\.'; then
            echo "$tool"
            return
        fi
    done
    return 1
}

# --- the checks ---
# Each prints what it found, and nothing if all is well.

check_format() {
    [ ${#c[@]} = 0 ] ||
        printf '%s\0' "${c[@]}" |
        xargs -0 -n 16 -P 2 "$(find_clang_format)" --dry-run 2>&1 | grep 'warning:' || true
}

check_columns() {
    LC_ALL=C.UTF-8 grep -HnE "^.{$((columns + 1)),}" "${code[@]}" /dev/null |
        sed -E "s/^([^:]*:[0-9]+):.*/\1: more than $columns columns/" || true
}

check_lines() {
    wc -l "${code[@]}" /dev/null |
        awk -v most="$lines" \
            '$1 > most && $2 != "total" { print $2 ": " $1 " lines, at most " most }'
}

check_shell() {
    [ ${#shell[@]} = 0 ] || shellcheck -f gcc "${shell[@]}" || true
}

check_layers() {
    meson test -C build --no-rebuild layers >"$tmp/layers" 2>&1 || cat "$tmp/layers"
}

# What keeps a check from being made here.
why_not() {
    case $1 in
        format) find_clang_format >/dev/null || echo "needs clang-format 14" ;;
        shell) command -v shellcheck >/dev/null || echo "needs shellcheck" ;;
        layers)
            [ -f build/build.ninja ] &&
                meson test -C build --no-rebuild --list 2>/dev/null |
                grep '[ :]layers$' >/dev/null ||
                echo "needs ./build"
            ;;
    esac
}

check() {
    local why found
    why=$(why_not "$1")
    if [ -n "$why" ]; then
        echo "ok - $1 # SKIP $why"
        skipped=$((skipped + 1))
        return
    fi
    found=$("check_$1")
    if [ -z "$found" ]; then
        echo "ok - $1"
        passed=$((passed + 1))
    else
        printf '%s\n' "$found"
        echo "not ok - $1"
        failed=$((failed + 1))
    fi
}

# --- can they fail? ---

# Writes a file into a tree where all else is right, and says which checks that tree fails.
checks_failed_by() {
    local name=$1 failing=''
    rm -rf "$tmp/tree"
    mkdir -p "$tmp/tree/src"
    cp .clang-format "$tmp/tree"
    (
        cd "$tmp/tree"
        printf 'int right(int x);\n' >src/right.h
        printf '#!/bin/sh\necho right\n' >run
        mkdir -p "$(dirname "$name")"
        cat >"$name"
        export GIT_CEILING_DIRECTORIES=$tmp
        find_code
        for each in format columns lines shell; do
            [ -n "$(why_not $each)" ] || [ -z "$(check_$each)" ] || failing+=" $each"
        done
        echo "${failing# }"
    )
}

# refuses CHECKS NAME WHY - a file of this name, on standard input, has to fail these checks and no
# others.
refuses() {
    local expected=$1 got
    got=$(checks_failed_by "$2")
    if [ -n "$expected" ] && [ -n "$(why_not "$expected")" ]; then
        return
    fi
    [ "$got" = "$expected" ] || echo "$2, $3: fails '$got', expected '$expected'"
}

selftest() {
    local wide narrow
    narrow=$(printf "%$((columns - 3))s" '' | tr ' ' x)
    wide=x$narrow
    printf 'int cast(float x)\n{\n    return (int)x;\n}\n' | refuses '' src/a.c "our dialect"
    printf 'int cast(float x)\n{\n    return ( int ) x;\n}\n' | refuses format src/a.c "a cast"
    printf 'struct a b = {1};\n' | refuses format src/a.h "an initialiser"
    printf 'int cast(float x) {\n    return (int)x;\n}\n' | refuses format src/a.cc "a brace"
    printf '// written by a.py\nint  x;\n' | refuses '' src/a.h "a script wrote it"
    for name in src/a.c shaders/a.comp shaders/a.glsl; do
        printf '// %s\n' "$narrow" | refuses '' $name "$columns columns"
        yes '// x' | head -n $lines | refuses '' $name "$lines lines"
        yes '// x' | head -n $((lines + 1)) | refuses lines $name "$((lines + 1)) lines"
    done
    # clang-format breaks what is too long where it can, but not a word.
    printf '// %s\n' "$wide" | refuses columns src/a.c "a word that is too long"
    for name in shaders/a.comp shaders/lib/a.glsl; do
        printf '// %s\n' "$wide" | refuses columns $name "$((columns + 1)) columns"
    done
    for name in a.sh meson.build tests/meson.build a.py; do
        printf '#!/bin/sh\n#%s×\n' "$wide" | refuses '' $name "$columns columns"
        printf '#!/bin/sh\n#%s×x\n' "$wide" | refuses columns $name "$((columns + 1)) columns"
    done
    # shellcheck disable=SC2016  # unquoted on purpose, and not for this shell
    for name in a.sh tests/a; do
        printf '#!/bin/sh\nrm $1\n' | refuses shell $name "no quotes"
    done
}

check_selftest() {
    selftest
}

cd "$(dirname "$0")/.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
case ${1-} in
    '')
        find_code
        for each in format columns lines shell layers selftest; do
            check $each
        done
        ;;
    --selftest) check selftest ;;
    *)
        sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
esac
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
