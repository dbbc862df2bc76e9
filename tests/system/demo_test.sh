#!/usr/bin/env bash
# demo_test.sh DEMO PROGRAMS: the demo without a terminal, at a terminal, stopped in the middle, its broker killed.
#
# It must close every item, publish nothing without saying who answers, tell how far it is whatever happened, and leave
# no process behind.
set -euo pipefail

demo=$1
programs=$2
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
export TMPDIR=$folder
claims=0

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

told() {
    grep -q -- "$1" "$folder/output" || fail "it does not say: $1"
}

not_told() {
    ! grep -q -- "$1" "$folder/output" || fail "it says: $1"
}

# at_terminal STEPS OPTION...: the demo at a terminal.  Each step is a line of a regular expression to wait for, a tab,
# and what to type then; `!` with a command runs it instead, with {folder} for the demo's.
at_terminal() {
    /usr/bin/python3 - "$folder/output" "$@" <<'PYTHON'
import glob, os, pty, re, select, subprocess, sys, time

output, steps, command = sys.argv[1], sys.argv[2], sys.argv[3:]
pid, terminal = pty.fork()
if pid == 0:
    os.environ["TERM"] = "dumb"
    os.execvp(command[0], command)
steps = [line.split("\t") for line in steps.splitlines()]
seen, deadline, start = "", time.monotonic() + 120, 0
with open(output, "w", encoding="utf-8") as file:
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                data = os.read(terminal, 65536).decode(errors="replace").replace("\r", "")
            except OSError:
                break
            seen += data
            file.write(data)
            file.flush()
        found = re.search(steps[0][0], seen[start:]) if steps else None
        if found:
            start += found.end()
            action = steps.pop(0)[1]
            if action.startswith("!"):
                place = glob.glob(os.environ["TMPDIR"] + "/behalf-demo.*")[0]
                subprocess.run(action[1:].replace("{folder}", place), shell=True, check=True, stdout=subprocess.DEVNULL)
            else:
                os.write(terminal, (action + "\n").encode())
    else:
        os.kill(pid, 15)
        sys.exit("the demo did not end in time")
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(f"steps left: {steps}" if steps else f"its status is {status}" if status else 0)
PYTHON
}

everything_ends_and_goes_out_disclosed() {
    local replies undisclosed
    timeout 240 "$demo" --batch --programs "$programs" >"$folder/output" 2>&1 </dev/null || fail "it failed"
    nothing_is_left || fail "processes are left after its end"
    told '^What came in: 78 posts, .*; all 74 items ended$'
    told '^What went to PR, and why: 1[0-9] items$'
    told 'returned by petra, answered by emi'
    replies=("$folder"/behalf-demo.*/replies.ndjson)
    [[ $(wc -l <"${replies[0]}") -ge 60 ]] || fail "fewer than 60 replies went out"
    # Who answered, as the rules say it: the line of the brand for agents, or that for its PR team.
    undisclosed=$(/usr/bin/python3 -B - "${replies[0]}" "$folder"/behalf-demo.*/store/behalf.db "${demo%/*}" <<'PYTHON'
import json, re, sqlite3, sys
sys.path.insert(0, sys.argv[3])
import demo_people
rules = sys.argv[3] + "/rules.yaml"
people = demo_people.people_of(rules)
block = re.split(r"(?m)^\S", open(rules, encoding="utf-8").read().split("\nbrands:\n")[1])[0]
parts = re.split(r"(?m)^  (\w+):\s*$", block)
brands = {name: dict(re.findall(r'(?m)^    (\w+): *"?(.*?)"?$', text)) for name, text in zip(parts[1::2], parts[2::2])}
# A line of its own for each of some languages, the first of which stands for the others too; or one line for all.
for name, text in zip(parts[1::2], parts[2::2]):
    lines = re.search(r"(?m)^    disclosure:.*\n((?:      \w+: .*\n)+)", text)
    brands[name]["lines"] = dict(re.findall(r'(\w+): "(.*)"', lines[1])) if lines else {"en": brands[name]["disclosure"]}
store = sqlite3.connect(f"file:{sys.argv[2]}?mode=ro", uri=True)
wrote = {reply: (person, language) for reply, person, language in store.execute(
    "SELECT r.reply, r.person, i.language FROM reply AS r JOIN item AS i ON i.desk = r.desk AND i.item = r.item")}
by_pr = bad = 0
for line in map(json.loads, open(sys.argv[1], encoding="utf-8")):
    writer, language = wrote[line["reply"]]
    person, brand = people[writer], brands[line["brand"]]
    pr = "pr" in person["roles"]
    by_pr += pr
    names = {"name": person["display_name"], "first_name": person["display_name"].split()[0],
             "agency": person.get("agency", ""), "brand": brand["display_name"]}
    of_agent = brand["lines"].get(language, next(iter(brand["lines"].values())))
    bad += not line["text"].endswith((brand["disclosure_pr"] if pr else of_agent).format(**names))
print(bad if by_pr >= 8 else f"only {by_pr} replies of PR, and {bad}")
PYTHON
    )
    [[ $undisclosed == 0 ]] || fail "$undisclosed replies went out without the disclosure line of who wrote them"
    rm -rf -- "$folder"/behalf-demo.*
    claims=$((claims + 1))
}

stopped_in_the_middle_it_leaves_nothing() {
    local pid tries status=0
    # Emptied here: else what an earlier demo said is taken for this one's, which is then stopped before it has begun,
    # while it is a copy of this script still, with its trap.
    : >"$folder/output"
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
    claims=$((claims + 1))
}

ended_early_it_tells_what_is_open() {
    at_terminal $'(behalf|offered)> \tquit\n\\[q\\] end[^>]*> \tq' \
        "$demo" --remove --as petra --programs "$programs" || fail "at a terminal it failed"
    told 'You are petra: Petra Lindholm, PR, for skyline, nordbank'
    not_told 'an agent\.'
    told '^What came in: 78 posts, .*; 3 of 74 items ended, 71 still open$'
    told '^What went out: no reply yet$'
    told '^What went to PR, and why: 1[0-9] items$'
    not_told 'sqlite3 '
    nothing_is_left || fail "processes are left after its end"
    claims=$((claims + 1))
}

frozen_brands_hold_nobody_up() {
    local ctl
    ctl=$(find "$programs" -type f -name behalf-ctl -perm -u+x -print -quit)
    at_terminal $'(behalf|offered)> \tquit\n\\[q\\] end[^>]*> \t!'"BEHALF_BROKER=ipc://{folder}/broker $ctl freeze skyline --reason test"$'\n\tc' \
        "$demo" --remove --programs "$programs" || fail "with a frozen brand it failed"
    told '^skyline was frozen'
    told '; all 74 items ended$'
    claims=$((claims + 1))
}

killed_the_broker_goes_on_where_it_was() {
    at_terminal $'(behalf|offered)> \t!pkill -KILL -f "[b]ehalf-broker.*{folder}/store"\nStart it again.* \ty\nSigning asha in again[^>]*> \tquit\n\\[q\\] end[^>]*> \tc' \
        "$demo" --remove --programs "$programs" || fail "with its broker killed it failed"
    told '^The broker is gone'
    told '^It runs again, on the same folder: 78 posts; 3 of 74 items ended, 71 still open$'
    told '; all 74 items ended$'
    not_told 'Killed'
    nothing_is_left || fail "processes are left after its end"
    claims=$((claims + 1))
}

killed_and_left_so_it_still_tells() {
    at_terminal $'(behalf|offered)> \t!pkill -KILL -f "[b]ehalf-broker.*{folder}/store"\nStart it again.* \tn' \
        "$demo" --remove --programs "$programs" || fail "with its broker killed it failed"
    told '; 3 of 74 items ended, 71 still open$'
    told 'from the store, as the broker does not answer'
    claims=$((claims + 1))
}

who_is_not_in_the_rules_cannot_be_signed_in() {
    ! "$demo" --as nobody --programs "$programs" >"$folder/output" 2>&1 </dev/null || fail "it took anybody"
    told 'is called "nobody"'
    told 'petra  *PR, for skyline, nordbank'
    [[ -z $(find "$folder" -name 'behalf-demo.*') ]] || fail "it began"
    claims=$((claims + 1))
}

everything_ends_and_goes_out_disclosed
stopped_in_the_middle_it_leaves_nothing
ended_early_it_tells_what_is_open
frozen_brands_hold_nobody_up
killed_the_broker_goes_on_where_it_was
killed_and_left_so_it_still_tells
who_is_not_in_the_rules_cannot_be_signed_in
printf 'demo_test: %d claims hold\n' "$claims"
