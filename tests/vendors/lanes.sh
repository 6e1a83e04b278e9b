# shellcheck shell=bash
# Drivers of GPUs that are not here, in the Debian testing chroot; for other scripts to read.
#
# The devices accept pipelines and report statistics; work submitted to them does nothing. Mesa's
# drm-shim plays the kernel driver for RADV, NVK, Turnip and Honeykrisp, and intel_stub.c plays it
# for ANV.

# label, ICD, library to preload, what it is told. Tried with Mesa 26.1:
# RADV_FORCE_FAMILY is gone from RADV there; the shim knows the names that it took.
# The shim for NVK knows no chip after Ampere: NOUVEAU_CHIPSET=190 and later find no device.
# The shim for Turnip lists what it knows when FD_GPU_ID is unknown to it; 7xx and 8xx have Vulkan
# 1.4, 6xx has 1.3. The shim for Honeykrisp is always an M1.
lanes='
anv-alchemist     intel      intel_stub.so                     INTEL_STUB_DEVICE=56a0
anv-battlemage    intel      intel_stub.so                     INTEL_STUB_DEVICE=e20b
anv-tigerlake     intel      intel_stub.so                     INTEL_STUB_DEVICE=9a49
honeykrisp-m1     asahi      libasahi_noop_drm_shim.so         -
nvk-ampere        nouveau    libnouveau_noop_drm_shim.so       NOUVEAU_CHIPSET=172
nvk-turing        nouveau    libnouveau_noop_drm_shim.so       NOUVEAU_CHIPSET=162
radv-gfx1201      radeon     libamdgpu_noop_drm_shim.so        AMDGPU_GPU_ID=gfx1201
radv-navi21       radeon     libamdgpu_noop_drm_shim.so        AMDGPU_GPU_ID=navi21
radv-navi31       radeon     libamdgpu_noop_drm_shim.so        AMDGPU_GPU_ID=navi31
radv-vega20       radeon     libamdgpu_noop_drm_shim.so        AMDGPU_GPU_ID=vega20
turnip-a660       freedreno  libfreedreno_noop_drm_shim.so     FD_GPU_ID=660
turnip-a740       freedreno  libfreedreno_noop_drm_shim.so     FD_GPU_ID=740
turnip-a830       freedreno  libfreedreno_noop_drm_shim.so     FD_GPU_ID=830
'

# What bars.sh adds to the chroot, and unpacks of Debian unstable.
# shellcheck disable=SC2034  # used by those who read this
ggml=(libggml-dev libggml0-backend-vulkan)
# shellcheck disable=SC2034
newest=(mesa-vulkan-drivers mesa-drm-shim)

# build_lanes OUT DIR TARGET... - makes the folder OUT anew, and builds these and what the lanes
# need in `dir` of the chroot `testing`, both of which it sets; a copy of the project if DIR is "".
build_lanes() {
    local out=$1
    [ "$(id -u)" = 0 ] || die "only root can use the Debian testing chroot"
    rm -rf "$out"
    mkdir -p "$out"
    testing=$(tests/chroots.sh setup)
    dir=$2
    if [ -z "$dir" ]; then
        dir=$(tests/chroots.sh copy)
        trap 'rm -rf "$testing$dir"' EXIT
    fi
    if ! tests/chroots.sh run "$dir" sh -c 'meson setup build && ninja -C build "$@" &&
        cc -std=gnu11 -O1 -shared -fPIC -I/usr/include/drm tests/vendors/intel_stub.c \
            -o build/intel_stub.so' sh "${@:3}" >"$out/build.log" 2>&1; then
        tail -n 20 "$out/build.log" >&2
        die "the build in Debian testing failed"
    fi
}

lane_labels() {
    awk 'NF { print $1 }' <<<"$lanes"
}

# on_lane DIR LABEL COMMAND... - runs a command in a folder of the chroot, on one of these drivers.
# The folder has the project built. With `mesa` set it is the folder of another Mesa inside.
on_lane() {
    local dir=$1 label icd library settings extra=()
    read -r label icd library settings <<<"$(grep "^$2 " <<<"$lanes")"
    shift 2
    case $library in
        intel_stub.so) library=$dir/build/$library ;;
        *) library=${mesa-}/usr/lib/x86_64-linux-gnu/$library ;;
    esac
    [ -z "${mesa-}" ] || extra=(LD_LIBRARY_PATH="$mesa/usr/lib/x86_64-linux-gnu")
    tests/chroots.sh run "$dir" timeout 600 env "${settings/#-/SHIM=$label}" "${extra[@]}" \
        MESA_SHADER_CACHE_DISABLE=true LD_PRELOAD="$library" \
        VK_DRIVER_FILES="${mesa-}/usr/share/vulkan/icd.d/${icd}_icd.json" "$@"
}

# Compilers use one core each.
wait_for_core() {
    while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n || true; done
}
