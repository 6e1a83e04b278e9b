#!/bin/sh
# library_size.sh SIZE SHARED - what programs that embed the library pay for it: below 6 MB of code
# and data, with all kernels that this machine's glslc can make.
set -eu
size=$1 shared=$2
most=6000000
echo 1..1
# Berkeley's form: a line of names, then the sums; the fourth is all of it.
bytes=$("$size" "$shared" | awk 'NR == 2 { print $4 }')
echo "#   $bytes bytes of at most $most"
if [ "$bytes" -gt 0 ] && [ "$bytes" -lt "$most" ]; then
    echo "ok 1 - size"
else
    echo "not ok 1 - size"
fi
