#!/usr/bin/env bash
# From a fresh checkout to a running vault: install what is missing, build the release, tell a short story with it.
#   tools/quickstart.sh           clean up at the end
#   tools/quickstart.sh --keep    leave the vault running and its data in place, and say where
# Asks nothing. Stops only what it started itself. VT_BUILD_DIR names another build folder than build/release.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/common.sh
STEPS=4

keep=false
case "${1:-}" in
    "") ;;
    --keep) keep=true ;;
    *) sed -n '2,5s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac

build=${VT_BUILD_DIR:-build/release}
vaultd="$build/vaultd/vaultd"
vaultctl="$build/cli/vaultctl"
data=
started=()      # process ids of what this script started, and of nothing else

# narrate TEXT COMMAND...: say what happens and why, show the command, run it.
narrate() {
    printf '\n%s\n  $ %s\n' "$1" "${*:2}"
    "${@:2}" | sed 's/^/  /'
}

stop_started() {
    local pid
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
}

finish() {
    local status=$?
    if $keep && [ $status -eq 0 ]; then
        printf '\nKept: data in %s, process %s. Stop it with: kill %s\n' "$data" "${started[*]}" "${started[*]}"
        return
    fi
    stop_started
    if [ -n "$data" ]; then rm -rf -- "$data"; fi
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

step "packages"
tools/packages.sh build
build_tree release "$build" -DVT_BUILD_TESTS=OFF

for program in "$vaultd" "$vaultctl"; do
    [ -x "$program" ] || die "the build made no $program: this tree does not have that program yet; no story to tell"
done
data=$(mktemp -d "${TMPDIR:-/tmp}/vaultd-quickstart.XXXXXX")

step "story"
die "the daemon and the client are built, but the story is not written yet"
