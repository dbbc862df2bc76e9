"""Holds behalf-bench to measuring at all: lines of JSON with figures in them, and nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

# The lines that a command prints, and what must be above 0 in each.
EXPECTED = {
    "intake": [
        ("intake", ["posts", "posts_per_s", "taken_p50_ms", "taken_p99_ms", "broker_cpu_us_per_post",
                    "rss_bytes_per_waiting_item"]),
        ("restart", ["open_items", "seconds"]),
        ("raw-rows", ["posts_per_s", "rows_per_s", "ratio"]),
    ],
    "restore": [
        ("restore", ["open_items", "ready_seconds", "welcome_seconds", "first_item_seconds", "broker_cpu_seconds",
                     "rss_bytes"]),
        ("restore-killed", ["open_items", "ready_seconds", "first_item_seconds"]),
        ("raw-read", ["rows", "seconds", "ratio"]),
    ],
    "turn": [("turn", ["open_items", "longest_ms"])] * 22,  # a line a message
    "cycle": [
        ("cycle", ["cycles", "cycles_per_s", "broker_cpu_us_per_cycle"]),
        ("raw-round-trip", ["p50_ms", "ratio"]),
        ("raw-rows", ["posts_per_s", "rows_per_s", "ratio"]),
        ("latency", ["items", "post_to_item_p50_ms", "post_to_item_p99_ms"]),
        ("raw-round-trip", ["p50_ms", "ratio"]),
        ("raw-append", ["times", "p50_ms", "p99_ms"]),
    ],
}

LENGTHS = {"restore": ["--posts", "5000"], "turn": ["--posts", "20000"]}  # else for a second


def children(pid):
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as stat:
                if int(stat.read().rpartition(")")[2].split()[1]) == pid:
                    found.append(int(entry))
        except OSError:
            pass
    return found


def measure(case, program, folder):
    run = subprocess.run([program, case, *LENGTHS.get(case, ["--seconds", "1"]), "--store", folder], capture_output=True, text=True,
                         timeout=110)
    sys.stderr.write(run.stderr)
    assert run.returncode == 0, f"exit status {run.returncode}"
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert [line["case"] for line in lines] == [name for name, _ in EXPECTED[case]], run.stdout
    for line, (name, figures) in zip(lines, EXPECTED[case]):
        for figure in figures:
            assert line[figure] > 0, f"{name}: {figure} is {line[figure]}"
        assert line.get("refused", 0) == 0, line


def interrupt(program, folder):
    run = subprocess.Popen([program, "intake", "--seconds", "100", "--store", folder])
    deadline = time.monotonic() + 30
    brokers = []
    while not brokers and time.monotonic() < deadline:
        brokers = children(run.pid)
        time.sleep(0.01)
    assert brokers, "no broker was started"
    run.send_signal(signal.SIGINT)
    assert run.wait(timeout=60) == 130
    for broker in brokers:
        assert not os.path.exists(f"/proc/{broker}"), "the broker still runs"


def interrupt_between(program, folder):
    """Stopped as it is about to start the broker anew: that one has not even begun when it is ended again."""
    run = subprocess.Popen([program, "intake", "--seconds", "0.2", "--store", folder], stdout=subprocess.PIPE, text=True)
    assert json.loads(run.stdout.readline())["case"] == "intake"
    run.send_signal(signal.SIGTERM)
    try:
        run.communicate(timeout=25)  # a broker that has to be killed is given 30 s before
    finally:
        run.kill()
    assert run.returncode == 130


def main():
    case, program = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        if case == "interrupted":
            interrupt(program, folder)
            for _ in range(4):  # each has one chance in two or so
                interrupt_between(program, folder)
        else:
            measure(case, program, folder)
        assert os.listdir(folder) == [], "something was left behind"


main()
