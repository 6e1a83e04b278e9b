#!/usr/bin/env bash
# A Debian testing system in a folder: the newest compilers, loader, layers and drivers, whatever
# this machine runs.
#
#     tests/chroots.sh setup               makes it or completes it, and prints its folder (once;
#                                          takes some minutes and 2 GB)
#     tests/chroots.sh copy                copies this project's source into it, and prints where,
#                                          as seen from inside
#     tests/chroots.sh run DIR COMMAND...  runs a command inside, in a folder of it
#     tests/chroots.sh add PACKAGE...      installs more packages
#     tests/chroots.sh unpack PACKAGE...   unpacks packages of Debian unstable, and what else they
#                                          need of it, into /opt/unstable, where nothing uses them
#                                          that is not told to
#
# Needs root and debootstrap. VKMOE_TESTING names another folder. Remove the folder to have it made
# anew.
set -euo pipefail

project=$(cd "$(dirname "$0")/.." && pwd)
testing=${VKMOE_TESTING:-/var/tmp/vkmoe-testing}
stamp=$testing/etc/vkmoe-packages  # written last: what is installed, once all of it is
packages=(
    gcc libc6-dev meson ninja-build pkgconf glslc spirv-tools
    libvulkan-dev libvulkan-volk-dev libcjson-dev libpcre2-dev libutf8proc-dev
    mesa-vulkan-drivers vulkan-validationlayers
    mesa-drm-shim libdrm-dev linux-libc-dev  # tests/vendors
)

die() {
    echo "tests/chroots.sh: $*" >&2
    exit 1
}

# Mounts made in a mount namespace go with it, so that no crash leaves /proc inside a folder that
# someone will remove.
can_mount() {
    unshare --mount true 2>/dev/null
}

# The caller's environment stays outside: its compiler flags and drivers are not those of the
# chroot.
run_inside() {
    local dir=$1
    local enter=(chroot "$testing" /usr/bin/env -i
        PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive
        sh -c "cd \"\$0\" && exec \"\$@\"" "$dir")
    shift
    if can_mount; then
        unshare --mount sh -c "mount --rbind /proc \"\$0/proc\" && exec \"\$@\"" \
            "$testing" "${enter[@]}" "$@"
    else
        "${enter[@]}" "$@"
    fi
}

# Metadata of a suite that moves can be out of date on a mirror; the signature still counts.
apt_inside() {
    run_inside / apt-get -qq \
        -o Acquire::Check-Valid-Until=false -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 "$@"
}

bootstrap() {
    local enter=()
    can_mount && enter=(unshare --mount)
    rm -rf --one-file-system "$testing" &&
        "${enter[@]}" debootstrap --variant=minbase testing "$testing"
}

install_packages() {
    cp -L /etc/resolv.conf "$testing/etc/resolv.conf" &&
        apt_inside update && apt_inside install -y --no-install-recommends "${packages[@]}" &&
        apt_inside clean &&
        echo "${packages[*]}" >"$stamp"
}

make() {
    if [ ! -e /proc/self ]; then  # as in a bare chroot; debootstrap needs it
        mount -t proc proc /proc && trap 'umount /proc' EXIT
    fi
    if [ ! -f "$stamp" ]; then
        bootstrap || return
    fi
    install_packages
}

# Runs a step that others may be at, and says why it failed.
locked() { # WHAT COMMAND...
    local what=$1 log
    shift
    [ "$(id -u)" = 0 ] || die "only root can change the chroot"
    exec 9<"$(dirname "$testing")"
    flock 9
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
        tail -n 15 "$log" >&2
        die "$what: $(grep '^[EW]:' "$log" | tail -n 1)"
    fi
    rm -f "$log"
}

# shellcheck disable=SC2016  # dpkg-query's, not the shell's
has_packages() {
    local package
    for package; do
        run_inside / dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null |
            grep -q '^install ok installed' || return 1
    done
}

add() {
    has_packages "$@" ||
        { apt_inside update && apt_inside install -y --no-install-recommends "$@" &&
            apt_inside clean; }
}

# Lists of packages of its own, so that the next apt-get installs nothing of it.
unpack() {
    local stamp=$testing/opt/unstable/packages
    [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$*" ] || return 0
    rm -rf --one-file-system "$testing/opt/unstable" "$testing/opt/unstable.new"
    # shellcheck disable=SC2016  # for the shell inside
    run_inside / sh -ec '
        mkdir -p /opt/unstable.new/lists/partial
        cd /opt/unstable.new
        sed "s/testing/unstable/g" /etc/apt/sources.list >sources.list
        options="-qq -o Dir::Etc::sourcelist=$PWD/sources.list -o Dir::Etc::sourceparts=-
            -o Dir::State::lists=$PWD/lists -o Acquire::Check-Valid-Until=false
            -o Acquire::Retries=3"
        apt-get $options update
        apt-get $options -s install --no-install-recommends "$@" >plan
        apt-get $options download $(sed -n "s/^Inst \([^ ]*\).*/\1/p" plan)
        for package in *.deb; do dpkg -x "$package" .; done
        rm -rf *.deb lists plan' sh "$@"
    echo "$*" >"$testing/opt/unstable.new/packages"
    mv "$testing/opt/unstable.new" "$testing/opt/unstable"
}

complete() {
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "${packages[*]}" ]
}

setup() {
    local log
    [ "$(id -u)" = 0 ] || die "only root can set up a chroot"
    [ ! -e "$testing" ] || [ -O "$testing" ] || die "$testing belongs to someone else"
    exec 9<"$(dirname "$testing")"
    flock 9
    if ! complete; then
        command -v debootstrap >/dev/null || die "debootstrap is not installed"
        echo "setting up Debian testing in $testing; this takes some minutes" >&2
        log=$(mktemp)
        if ! make >"$log" 2>&1; then
            tail -n 15 "$log" >&2
            die "Debian testing cannot be set up: $(grep '^[EW]:' "$log" | tail -n 1)"
        fi
        rm -f "$log"
    fi
    echo "$testing"
}

# Source only: what was built out here fits other compilers and libraries.
copy() {
    local dir
    dir=$(mktemp -d "$testing/tmp/vkmoe.XXXXXX")
    tar -C "$project" --exclude=./.git --exclude='./build*' -c . | tar -C "$dir" --no-same-owner -x
    echo "${dir#"$testing"}"
}

case ${1-} in
    setup | copy) "$1" ;;
    add) locked "cannot install ${*:2}" add "${@:2}" ;;
    unpack) locked "cannot unpack ${*:2}" unpack "${@:2}" ;;
    run) run_inside "${@:2}" ;;
    *)
        sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
esac
