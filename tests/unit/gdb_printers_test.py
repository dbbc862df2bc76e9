"""gdb_printers_test.py PRINTERS PROGRAM - gdb stops in a program of the tests and shows an item, a queue and a batch.

Exit code 77: gdb is not here, or may not look into a process.
"""

import os
import re
import shutil
import subprocess
import sys

TIMEOUT_S = 100


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def main():
    printers, program = sys.argv[1:3]
    gdb = shutil.which("gdb")
    if gdb is None:
        skip("gdb is not installed")
    # A post is being taken in; then its batch goes out.
    commands = ["set confirm off", "set pagination off", "set startup-with-shell off",
                "break item_move if state == ITEM_OFFERED", "run", "print *item", "print *item->queue", "delete",
                "break trace_batch", "continue", "print *batch", "kill"]
    arguments = [gdb, "--batch", "-nx", "-x", printers] + [word for command in commands for word in ("-ex", command)]
    environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=0", DEBUGINFOD_URLS="")
    told = subprocess.run(arguments + [program], capture_output=True, text=True, timeout=TIMEOUT_S, env=environment,
                          stdin=subprocess.DEVNULL)
    output = told.stdout + told.stderr
    if re.search(r"Python scripting is not supported|ptrace: |not permitted", output):
        skip("gdb may not look into a process here, or has no Python")
    for wanted in (r"= item 1 waiting in agent/acme/en/\S* lease \d, 1 posts, since \d+",
                   r"= queue agent/acme/en/\S*: 1 open \(1 waiting\), 0 overdue, \d+ able, 1 available, 1 ready",
                   r"= batch epoch 2, \d+ to \d+: 4 changes "
                   r"\(post of 1; event taken of 1; event offered of 1; item 1 offered\), 2 effects"):
        if not re.search(wanted, output):
            print(output)
            sys.exit(f"not shown: {wanted}")
    print("shown: an item, a queue, a batch")


if __name__ == "__main__":
    main()
