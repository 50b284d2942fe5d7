#!/usr/bin/env bash
# Install what is missing, build, run the lints and the tests; ends in ctest's summary and its exit code.
#   tools/test.sh           everything but the label slow; within 15 minutes on two cores
#   tools/test.sh --all     everything
#   tools/test.sh --asan    built with AddressSanitizer and UndefinedBehaviorSanitizer, into build/asan
#   tools/test.sh --tsan    built with ThreadSanitizer, into build/tsan
#   tools/test.sh --valgrind    the unit and vector tests under valgrind, into build/valgrind
# VT_BUILD_DIR names another build folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/common.sh
STEPS=4

cache=debug build=build/test select=(-LE '^slow$') sets=(build test)
for argument in "$@"; do
    case "$argument" in
        --all) select=() ;;
        --valgrind) cache=valgrind build=build/valgrind sets=(build test valgrind) select=(-L '^(unit|vectors)$') ;;
        --asan | --tsan) cache=${argument#--} build=build/${argument#--} ;;
        *) sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
    esac
done
build=${VT_BUILD_DIR:-$build}

step "packages"
tools/packages.sh "${sets[@]}"
build_tree "$cache" "$build"
step "tests${*:+ ($*)}"
exec ctest --test-dir "$build" -j "$(nproc)" --output-on-failure --no-tests=error "${select[@]}" </dev/null
