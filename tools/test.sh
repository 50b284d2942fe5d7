#!/usr/bin/env bash
# Install what is missing, build, run the lints and the tests; ends in ctest's summary and its exit code.
#   tools/test.sh           everything but the label slow; within 15 minutes on two cores
#   tools/test.sh --all     everything
# VT_BUILD_DIR names another build folder than build/test.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/common.sh
STEPS=4

select=(-LE '^slow$')
case "${1:-}" in
    "") ;;
    --all) select=() ;;
    *) sed -n '2,5s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac

step "packages"
tools/packages.sh build test
build_tree debug "${VT_BUILD_DIR:-build/test}"
step "tests${1:+ ($1)}"
exec ctest --test-dir "${VT_BUILD_DIR:-build/test}" -j "$(nproc)" --output-on-failure --no-tests=error "${select[@]}" \
    </dev/null
