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
        printf '\nKept: data in %s, process %s. Stop it with: kill %s\nTo speak to it:\n' "$data" "${started[*]}" "${started[*]}"
        printf '  %s\n' "export VAULTD_ADDR=$VAULTD_ADDR VAULTD_CACERT=$VAULTD_CACERT" \
            "as() { VAULTD_CREDENTIAL_FILE=$said_credentials/\$1 $(realpath "$vaultctl") \"\${@:2}\"; }" "as operator status"
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

# as ROLE ARGUMENTS...: the client with the credential of a role.
as() {
    local role=$1
    shift
    VAULTD_CREDENTIAL_FILE="$said_credentials/$role" "$vaultctl" "$@"
}

# value ROLE FIELD ARGUMENTS...: one field of a result.
value() {
    local role=$1 field=$2
    shift 2
    as "$role" --only "$field" "$@"
}

# start_vault NAME ARGUMENTS...: a daemon of ours; sets said_address, said_ca, said_credentials.
start_vault() {
    local name=$1 deadline=$((SECONDS + 60)) key text
    shift
    "$vaultd" --dev --listen 127.0.0.1:0 "$@" >"$data/$name.out" 2>"$data/$name.log" &
    started+=($!)
    until grep -qx ready "$data/$name.out"; do
        kill -0 "${started[-1]}" 2>/dev/null || { cat "$data/$name.log" >&2; die "the daemon did not start"; }
        [ $SECONDS -lt $deadline ] || die "the daemon was not ready within a minute"
        sleep 0.1
    done
    while IFS='=' read -r key text; do
        case "$key" in address | ca | credentials) printf -v "said_$key" %s "$text" ;; esac
    done <"$data/$name.out"
    export VAULTD_ADDR=$said_address VAULTD_CACERT=$said_ca
}

# refused TEXT STATUS COMMAND...: it must fail with that status, as vaultctl says it in brackets: any other failure is no refusal.
refused() {
    local text=$1 status=$2 answer
    shift 2
    printf '\n%s\n  $ %s\n' "$text" "$*"
    if answer=$("$@" 2>&1); then die "that should have been refused"; fi
    printf '%s\n' "$answer" | sed 's/^/  /'
    [[ $answer == *"($status)"* ]] || die "that failed, but not as ($status)"
}

# Values of the sample that no file of the vault may hold in the clear: ids, e-mail addresses, phone, card, social security and bank
# account numbers; cards and social security numbers as they stand there, and as digits alone. Short ones would be found by chance.
list_canaries() {
    local sample=docs/examples/sample/people.csv shape
    local whole=('^[a-z]+-[0-9]{3}' '[^,"[:space:]]+@[^,"[:space:]]+' '[+][0-9]{9,15}' '[A-Za-z]{2}[0-9]{2}[A-Za-z0-9]{11,30}')
    local digits=('[0-9]{3}-[0-9]{2}-[0-9]{4}' '[0-9]{4}([ -]?[0-9]{4}){2}[ -]?[0-9]{1,7}')
    for shape in "${whole[@]}" "${digits[@]}"; do
        grep -oE -- "$shape" "$sample" >"$data/some" || die "the sample has nothing of the shape $shape to search for"
        cat "$data/some"
    done >"$data/all"
    for shape in "${digits[@]}"; do grep -oE -- "$shape" "$sample" | tr -d ' -'; done >>"$data/all"
    awk 'length($0) >= 9' "$data/all" | sort -u >"$data/canaries"
}

# holds_canary FOLDER_OR_FILE...: is a value of the list in one of them? Their names go to $data/found. Ends the script when the
# search itself fails: what could not be read is not clean.
holds_canary() {
    local status=0
    grep -rlaFf "$data/canaries" -- "$@" >"$data/found" || status=$?
    [ $status -le 1 ] || die "the search for values of the sample failed"
    return $status
}

# No file of the named folders and files may hold a value of the sample in the clear.
search_canaries() {
    local path
    list_canaries
    holds_canary docs/examples/sample || die "the search does not even find the sample's own values in the sample"
    printf '\nSearch for %s values of the sample:' "$(wc -l <"$data/canaries")"
    for path in "$@"; do
        [ -s "$path" ] || die "there is nothing to search in $path"
        printf ' %s' "$(basename "$path")"
    done
    if holds_canary "$@"; then cat "$data/found" >&2; die "values lie in the clear"; fi
    echo ": none found."
}

step "story"
start_vault live --data "$data/live"
echo "A vault for development runs on $said_address: one keeper file, generated TLS certificates, a credential per role."
echo "Below, \"as ROLE\" stands for vaultctl with the credential of that role."

for schema in docs/examples/schemas/*.yaml; do as administrator schema apply "$schema" >/dev/null; done
cat >"$data/templates.yaml" <<'YAML'
templates:
  - {name: card, format: digits, collection: cards, field: number, keep_last: 4}
YAML
narrate "The administrator says what is kept, and how tokens for cards look." as administrator template apply "$data/templates.yaml"

for table in people calls; do
    narrate "The application imports the bundled $table." as application import --file "docs/examples/sample/$table.csv" \
        --mapping "docs/examples/import/$table.yaml"
done

# Every row with a card and an address of the Internet; one person will be forgotten, one in part, one stays.
mapfile -t people < <(awk -F, 'NR > 1 && $1 ~ /^[a-z0-9-]+$/ && $14 ~ /^[0-9]+$/ && $18 != "" { print $1 }' \
    docs/examples/sample/people.csv)
[ "${#people[@]}" -ge 50 ] || die "the sample has changed: fifty people with cards are wanted"
forgotten=${people[0]} partly=${people[1]} kept=${people[2]}

printf '\nThe application tokenises their cards, %d of them, one after the other.\n' "${#people[@]}"
declare -A tokens
for person in "${people[@]}"; do
    record=$(as privacy --format json record list "$person" --collection cards --purpose testing |
        sed -n 's/.*"record": *\([0-9]*\).*/\1/p' | head -n 1)
    tokens[$person]=$(value application token tokenize --template card --subject "$person" --record "$record")
done
for person in "$forgotten" "$partly" "$kept"; do echo "  the card of $person is now the token ${tokens[$person]}"; done
token_of() { printf %s "${tokens[$1]}"; }

search_canaries "$data/live" "$data/live.log" "$data/live.out"
narrate "An application that may, reads a card back, masked." as application detokenize "$(token_of "$kept")" --purpose billing
refused "An administrator may not." forbidden as administrator detokenize "$(token_of "$kept")" --purpose billing
narrate "Privacy staff hand a person everything held about them." as privacy subject export "$forgotten" --purpose rights \
    --to "$data/package"
narrate "The operator takes a backup." as operator backup create --to "$data/backup"
search_canaries "$data/backup" "$data/live.log"

certificate=$(value privacy certificate subject shred "$forgotten" --now --yes)
narrate "$forgotten asks to be forgotten; this is the certificate." as auditor --only note certificate show "$certificate"
narrate "Of $partly only one category goes: F, activity on the Internet." as privacy --only state subject shred "$partly" \
    --category F --now --yes

narrate "The backup still has the ciphertext and has lost its key." as operator backup verify --from "$data/backup"
mkdir "$data/second"
narrate "Restored beside the live vault, to look at:" as operator backup restore --from "$data/backup" \
    --to "$data/second/restored" --check-only
live_address=$said_address live_ca=$said_ca live_credentials=$said_credentials
start_vault second --data "$data/second/restored" --read-only --keeper-file "$data/live/keeper/keeper-1.vtk" \
    --unseal-key "$data/live/keeper/unseal.key"
said_credentials=$live_credentials
refused "There the token of $forgotten answers with the certificate;" "erased, certificate $certificate" \
    as privacy detokenize "$(token_of "$forgotten")" --purpose testing
narrate "$partly is there without that category," as privacy record get "$partly" --collection profile --purpose testing
narrate "and $kept is whole." as privacy detokenize "$(token_of "$kept")" --view last4 --purpose testing
export VAULTD_ADDR=$live_address VAULTD_CACERT=$live_ca

narrate "The audit log verifies, every call in it." as auditor audit verify
narrate "The root key is rotated." as administrator key rotate root
narrate "Status, with its warnings:" as operator status
printf '\nDone in %d:%02d.\n' $((SECONDS / 60)) $((SECONDS % 60))
