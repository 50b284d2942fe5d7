#!/usr/bin/env bash
# The one list of Debian 12 packages, by use, and the step that installs what is missing of them.
#   tools/packages.sh SET...          install what is missing of the sets: build test fuzz bench reader
#   tools/packages.sh --list SET...   print their packages, one a line
# Asks nothing. Needs root or sudo only when something is missing. VT_SKIP_PACKAGES=1 leaves the machine alone.
set -euo pipefail

packages_of() {
    case "$1" in
        build) echo gcc libc6-dev cmake ninja-build pkg-config libssl-dev liblmdb-dev libuv1-dev libmsgpack-dev \
                    libyaml-dev libjansson-dev libutf8proc-dev libseccomp-dev libsystemd-dev ;;
        test)  echo check openssl python3 python3-msgpack python3-cryptography ;;
        fuzz)  echo clang libclang-rt-14-dev ;;
        valgrind) echo valgrind ;;
        reader) echo python3 python3-msgpack python3-cryptography ;;
        bench) echo redis-server openssl python3 ;;
        *)     echo "packages.sh: no such set: $1 (build test fuzz valgrind bench reader)" >&2; return 2 ;;
    esac
}

packages_of_all() {
    local set names
    for set in "$@"; do
        names=$(packages_of "$set") || return 2
        tr ' ' '\n' <<<"$names"
    done | sort -u
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing_of() {
    local name
    for name in "$@"; do is_installed "$name" || echo "$name"; done
}

# sudo drops the environment, hence env behind it. A password is asked for only where somebody can answer.
as_root() {
    local run=(env DEBIAN_FRONTEND=noninteractive "$@")
    if [ "$(id -u)" -eq 0 ]; then "${run[@]}"
    elif ! command -v sudo >/dev/null; then
        echo "packages.sh: packages are missing and you are neither root nor have sudo. As root, run:" >&2
        echo "  apt-get update && apt-get install --no-install-recommends ${missing[*]}" >&2
        return 1
    elif [ -t 0 ] && [ -z "${CI:-}" ]; then sudo "${run[@]}"
    else sudo -n "${run[@]}"
    fi
}

install_missing() {
    local apt=(apt-get -y -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
    echo "installing ${#missing[@]} packages, a few minutes in which nothing is printed: ${missing[*]}"
    # A stale third-party source must not stop us: whether the packages came is what counts, and is checked below.
    as_root "${apt[@]}" update >/dev/null || echo "packages.sh: apt-get update complained; going on" >&2
    as_root "${apt[@]}" install --no-install-recommends "${missing[@]}" </dev/null >/dev/null
}

[ "${1:-}" = --list ] && { shift; packages_of_all "$@"; exit; }
[ $# -gt 0 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }

wanted=$(packages_of_all "$@")
[ -z "${VT_SKIP_PACKAGES:-}" ] || { echo "VT_SKIP_PACKAGES is set: not looking at packages"; exit 0; }
if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    echo "packages.sh: this is not Debian. Install the equivalents of these, then set VT_SKIP_PACKAGES=1:" >&2
    echo "$wanted" >&2
    exit 1
fi
mapfile -t missing < <(missing_of $wanted)
if [ ${#missing[@]} -gt 0 ]; then
    install_missing || { echo "packages.sh: could not install: ${missing[*]}" >&2; exit 1; }
    mapfile -t missing < <(missing_of $wanted)
    [ ${#missing[@]} -eq 0 ] || { echo "packages.sh: still missing: ${missing[*]}" >&2; exit 1; }
fi
echo "packages: all of $(wc -w <<<"$wanted") present"
