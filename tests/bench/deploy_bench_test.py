"""Holds deploy/bench to running every case, to telling what it found, and to leaving nothing behind."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

CASES = {"intake", "cycle", "latency", "memory", "scale", "people", "recover", "triage", "soak"}
ON_A_STORE = {"intake", "cycle", "latency", "people", "recover", "soak"}
SECONDS = "0.3"  # of each run; with what comes before and behind it a case takes longer than a second anyway


def processes_of(folder):
    """Command lines of processes that have the folder in theirs."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                line = file.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if folder in line and int(entry) != os.getpid():
            found.append(line)
    return found


def nothing_is_left(folder):
    deadline = time.monotonic() + 10
    while processes_of(folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not processes_of(folder), processes_of(folder)
    assert os.listdir(folder) == [], os.listdir(folder)


def measure(bench, programs, folder):
    with tempfile.TemporaryDirectory() as kept:
        written = os.path.join(kept, "result.json")
        run = subprocess.run([bench, "--try", "--seconds", SECONDS, "--programs", programs, "--against", programs, "--folder", folder, "--json",
                              written], capture_output=True, text=True, timeout=1100)
        sys.stderr.write(run.stderr)
        assert run.returncode == 0, f"exit status {run.returncode}\n{run.stdout}"
        with open(written, encoding="utf-8") as file:
            result = json.load(file)
    assert {row["case"] for row in result["rows"]} == CASES, run.stdout
    stores = {row["store"] for row in result["rows"]} - {""}
    assert "sqlite" in stores
    for store in stores:
        assert {row["case"] for row in result["rows"] if row["store"] == store} == ON_A_STORE, run.stdout
        assert any("against" in row["what"] for row in result["rows"] if row["store"] == store), run.stdout
    for row in result["rows"]:
        assert row["value"] > 0 or row["case"] == "soak" or row["what"].startswith("idle"), row
        assert row["reached"] is None, f"a trial's figures reach nothing: {row}"
        assert row["what"] in run.stdout, row
    assert any(row["mark"] for row in result["rows"])
    if len(stores) == 1:
        print("skipped: PostgreSQL's part, as no server is installed")


def interrupt(bench, programs, folder):
    run = subprocess.Popen([bench, "latency", "--seconds", "100", "--programs", programs, "--folder", folder],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 60
    while not any("behalf-broker" in line for line in processes_of(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert any("behalf-broker" in line for line in processes_of(folder)), "no broker was started"
    run.send_signal(signal.SIGINT)
    output, _ = run.communicate(timeout=100)
    assert run.returncode == 130, f"exit status {run.returncode}\n{output}"


def refuse(bench):
    for wrong in (["nonsense"], ["--store", "nowhere"], ["--against", "no-such-commit"], ["--seconds", "none"]):
        run = subprocess.run([bench, *wrong], capture_output=True, text=True, timeout=60)
        assert run.returncode == 2, f"{wrong}: exit status {run.returncode}\n{run.stdout}{run.stderr}"


def main():
    case, bench, programs = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="deploy-bench-test.") as folder:
        os.chmod(folder, 0o755)  # PostgreSQL's user passes through
        if case == "interrupted":
            refuse(bench)
            interrupt(bench, programs, folder)
        else:
            measure(bench, programs, folder)
        nothing_is_left(folder)


main()
