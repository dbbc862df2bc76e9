#!/usr/bin/env bash
# demo_test.sh DEMO PROGRAMS: the demo without a terminal, and stopped in the middle.
#
# It must close every item, publish nothing without saying who answers, and leave no process behind.
set -euo pipefail

demo=$1
programs=$2
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
export TMPDIR=$folder

fail() {
    printf 'demo_test: %s\n' "$*" >&2
    cat "$folder/output" >&2
    exit 1
}

# Every process of the demo has its folder in its command line or works with a program from there.
nothing_is_left() {
    local tries
    for ((tries = 0; tries < 50; tries++)); do
        pgrep -f "$folder/behalf-demo" >/dev/null || return 0
        sleep 0.1
    done
    return 1
}

everything_ends_and_goes_out_disclosed() {
    local replies undisclosed
    timeout 240 "$demo" --batch --programs "$programs" >"$folder/output" 2>&1 </dev/null || fail "it failed"
    nothing_is_left || fail "processes are left after its end"
    grep -q '^What went to PR, and why: 1[0-9] items$' "$folder/output" || fail "it does not tell what went to PR"
    replies=("$folder"/behalf-demo.*/replies.ndjson)
    [[ $(wc -l <"${replies[0]}") -ge 60 ]] || fail "fewer than 60 replies went out"
    # An agent's reply names the agency; PR of two brands signs for itself, that of the others says nothing.
    undisclosed=$(/usr/bin/python3 - "${replies[0]}" "$folder"/behalf-demo.*/store/behalf.db <<'PYTHON'
import json, sqlite3, sys
store = sqlite3.connect(f"file:{sys.argv[2]}?mode=ro", uri=True)
agency = dict(store.execute("SELECT reply, agency FROM outcome WHERE reply > 0"))
lines = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
print(sum(agency[line["reply"]] not in line["text"] for line in lines))
PYTHON
    )
    [[ $undisclosed == 0 ]] || fail "$undisclosed replies of agents went out without their disclosure line"
    rm -rf -- "$folder"/behalf-demo.*
}

stopped_in_the_middle_it_leaves_nothing() {
    local pid tries status=0
    "$demo" --batch --remove --programs "$programs" >"$folder/output" 2>&1 </dev/null &
    pid=$!
    for ((tries = 0; tries < 300; tries++)); do
        ! grep -q '^Scripted people' "$folder/output" || break
        sleep 0.1
    done
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid" || status=$?
    [[ $status == 143 || $status == 0 ]] || fail "stopped, it ended with status $status"
    nothing_is_left || fail "processes are left after it was stopped"
    [[ -z $(find "$folder" -name 'behalf-demo.*') ]] || fail "its folder is left though it was asked to remove it"
}

everything_ends_and_goes_out_disclosed
stopped_in_the_middle_it_leaves_nothing
printf 'demo_test: 2 claims hold\n'
