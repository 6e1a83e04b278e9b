#!/bin/sh
# symbols.sh NM SHARED STATIC - both libraries define vkmoe_* and nothing else for others
# to see. The archive's objects see each other, so its internal names count, too.
set -eu
nm=$1 shared=$2 static=$3
echo 1..3

# $1 number, $2 what, the offending names on standard input
report() {
    bad=$(cat)
    if [ -z "$bad" ]; then
        echo "ok $1 - $2"
    else
        echo "$bad" | head -n 20 | sed 's/^/#   /'
        echo "not ok $1 - $2"
    fi
}

# Mach-O puts an underscore before every name.
names() {
    "$nm" "$@" | awk 'NF >= 3 { sub(/^_/, "", $NF); sub(/@.*/, "", $NF); print $NF }'
}

names -D --defined-only --extern-only "$shared" | grep -v '^vkmoe_' |
    report 1 "shared: only vkmoe_*"
# Templates of C++'s library, which sentencepiece.cc uses, are weak, and the same wherever they are.
names --defined-only --extern-only "$static" |
    grep -Ev '^(vkmoe_|ZN?K?S[a-z]|ZNS[a-z]|ZNKS[a-z]|DW\.ref\.)' | report 2 "static: only vkmoe_*"
# What the headers declare is there, and nothing internal.
headers=$(dirname "$0")/../include/vkmoe
declared=$(sed -n 's/^VKMOE_API.*[ *]\(vkmoe_[a-z0-9_]*\)(.*/\1/p' "$headers"/*.h | sort)
exported=$(names -D --defined-only --extern-only "$shared" | sort)
if [ "$declared" = "$exported" ]; then
    echo "ok 3 - shared: what the headers declare"
else
    printf '%s\n' "$declared" "$exported" | sort | uniq -u | sed 's/^/#   /'
    echo "not ok 3 - shared: what the headers declare"
fi
