"""rooms_test.py ROOT - each folder includes what stands below it, and nothing else: the drawing of ARCHITECTURE.md.

As nothing includes what stands above it, there is no circle between files of different rooms.
"""

import os
import re
import sys

# What a room may include besides itself; of a room with a list behind it, these headers alone.
BASE = {"proto/base": None}
WIRE = {**BASE, "include/behalf": None, "proto": None}
DESK = {**WIRE, "broker/desk": None}
STORE = {**WIRE, "broker/desk": ["tables.def", "record.h", "change.h", "policy.h", "wording.h"], "broker/store": None}
ENGINE = {**STORE, "broker/store/move": ["move_side.h"]}
PROGRAM = {**WIRE, "worker": None}
ROOMS = {
    "include/behalf": {},
    "proto/base": {},
    "proto": WIRE,
    "broker/desk": WIRE,
    "broker/triage": {**WIRE, "broker/desk": ["policy.h", "outgoing.h"]},
    "broker/store": STORE,
    "broker/store/move": STORE,
    "broker/store/sqlite": ENGINE,
    "broker/store/postgres": ENGINE,
    "broker/session": {**DESK, "broker/triage": None, "broker/store": None},
    "broker/ownership": {**BASE, "broker/store": ["lease_row.h", "owner.h"]},
    "broker": {**DESK, "broker/triage": None, "broker/store": None, "broker/session": None, "broker/ownership": None},
    "worker": PROGRAM,
    "worker/agent": PROGRAM,
    "worker/connect": PROGRAM,
    "worker/ctl": {**PROGRAM, "broker/triage": ["rules.h"], "broker/store/move": ["move.h"]},
}
# A room's own: nobody else includes them but tests that look inside.
PRIVATE = re.compile(r".*parts\.h|broker/session/core\.h|broker/store/writer\.h|broker/store/postgres/session\.h")


def sources(root, *folders):
    for folder in folders:
        for path, inside, names in os.walk(os.path.join(root, folder)):
            inside[:] = sorted(name for name in inside if not name.startswith("."))
            for name in sorted(names):
                if name.endswith((".c", ".h", ".cc", ".def")):
                    yield os.path.relpath(os.path.join(path, name), root)


def included(text):
    for name in re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', text, re.MULTILINE):
        yield "include/" + name if name.startswith("behalf/") else name


def wrong_with(path, target):
    """Why a file may not include another one of ours; None if it may."""
    room, other = os.path.dirname(path), os.path.dirname(target)
    if room == other or room.startswith("tests"):
        return None
    if PRIVATE.fullmatch(target):
        return f"{target} is its room's own"
    if room not in ROOMS:
        return f"{room} is no room of this test, nor of ARCHITECTURE.md's drawing"
    if other not in ROOMS[room]:
        return f"{room} does not stand on {other} ({target})"
    only = ROOMS[room][other]
    if only is not None and os.path.basename(target) not in only:
        return f"{room} may know of {other} only {', '.join(only)}, not {target}"
    return None


def main():
    root = sys.argv[1]
    assert wrong_with("broker/desk/desk.c", "broker/store/store.h")
    assert wrong_with("broker/triage/triage.c", "broker/desk/desk.h")
    assert wrong_with("broker/ownership/leases.c", "broker/store/writer.h")
    assert not wrong_with("broker/store/batch.c", "broker/desk/change.h")
    ours = set(sources(root, "include", "proto", "broker", "worker", "tests"))
    wrong = []
    for path in sorted(ours):
        with open(os.path.join(root, path), encoding="utf-8") as file:
            reasons = (wrong_with(path, target) for target in included(file.read()) if target in ours)
            wrong += [f"{path}: {reason}" for reason in reasons if reason]
    for line in wrong:
        print(line)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
