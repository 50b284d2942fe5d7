#!/usr/bin/env bash
# Measure the vault beside redis on this machine: install what is missing, build the release, alternate runs, print ratios.
#   tools/bench/run.sh [options of compare.py, see --help]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. tools/common.sh
STEPS=4

build=${VT_BUILD_DIR:-build/release}
step "packages"
tools/packages.sh build bench
build_tree release "$build" -DVT_BUILD_TESTS=OFF
step "measure"
exec /usr/bin/python3 tools/bench/compare.py --build "$build" "$@"
