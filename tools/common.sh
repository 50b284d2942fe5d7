# tools/common.sh - sourced by the scripts here: numbered steps with the time passed, and one way to build.
# The caller sets STEPS, the number of steps it will announce.

step_now=0
die() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

step() {
    step_now=$((step_now + 1))
    printf '[%d/%d] %d:%02d %s\n' "$step_now" "$STEPS" $((SECONDS / 60)) $((SECONDS % 60)) "$*"
}

# build_tree CACHE_SCRIPT BUILD_DIR [CMAKE_ARGUMENT...]: configure and build with all cores; quiet where nobody watches.
build_tree() {
    local cache="tools/cmake/$1.cmake" build=$2 log quiet=()
    [ -t 1 ] || quiet=(--quiet)
    step "configure $build ($cache)"
    log=$(cmake -C "$cache" -B "$build" -G Ninja "${@:3}" 2>&1) || { echo "$log" >&2; die "configuring $build failed"; }
    step "build $build with $(nproc) jobs"
    ninja -C "$build" -j "$(nproc)" "${quiet[@]}" || die "building $build failed"
}
