"""promoted_standby_test.py - the promise of PROTOCOL.md while the database's primary dies and a standby takes its place.

Three real nodes (deploy/postgres/three-nodes), synchronous to any one standby; a broker on the URL that names them all;
people, connectors and a feed of promise_test.py at work all the while.  What anybody was told is held against the last
primary at the end, as promise_test.py says.

Arguments: behalf-broker, three-nodes [seed].  Exit code 77: PostgreSQL, pyzmq or msgpack is absent.
"""

import ctypes
import importlib.machinery
import importlib.util
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from broker_client import TIMEOUT_S, StoredBroker
from promise_test import Run

BACK_S = 1.0  # service, once the database is there again
ENDS_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def load(path):
    loader = importlib.machinery.SourceFileLoader("three_nodes", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("three_nodes", loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


class Database:
    """The three nodes; they end with this process, whatever becomes of it."""

    def __init__(self, script):
        self.module = load(script)
        if not self.module.PROGRAMS:
            print("skipped: no PostgreSQL server")
            sys.exit(77)
        try:
            self.module.server_user()
        except self.module.Trouble as trouble:
            print("skipped:", trouble)
            sys.exit(77)
        folder = tempfile.mkdtemp(prefix="behalf-three-")
        library = ctypes.CDLL(None)
        self.process = subprocess.Popen([script, "run", folder], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                                        preexec_fn=lambda: library.prctl(ENDS_WITH_PARENT, signal.SIGTERM))
        self.url = self.process.stdout.readline().strip()
        if not self.url.startswith("postgresql://"):
            raise AssertionError("the three nodes did not start")
        self.nodes = self.module.Cluster.of(folder)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(TIMEOUT_S)

    def standbys(self):
        return [node for node in self.nodes.nodes if node.role() == "standby"]

    def query(self, text):
        """All rows of the primary, as tuples."""
        primary = self.nodes.require_primary()
        answer = primary.demand(f"SET search_path = behalf; SELECT coalesce(json_agg(to_json(t)), '[]') FROM ({text}) AS t",
                                "behalf")
        return [tuple(row.values()) for row in json.loads(answer[0])]


class FailoverRun(Run):
    def __init__(self, program, database, seed):
        super().__init__(StoredBroker(program, database.url), seed)
        self.database = database

    def query(self, text):
        return self.database.query(text)

    def meanwhile(self, act, *arguments):
        """Has people work on while something is done to the database; returns what that returned."""
        outcome = []

        def work():
            try:
                outcome.append(act(*arguments))
            except BaseException as trouble:  # told to whoever waits below
                outcome.append(trouble)
        thread = threading.Thread(target=work)
        thread.start()
        while thread.is_alive():
            self.hear(0.01)
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        return outcome[0]

    def until(self, holds, what):
        end = time.monotonic() + TIMEOUT_S
        while not holds():
            if time.monotonic() > end:
                self.world.fail("after", TIMEOUT_S, "s", what)
            self.hear(0.01)

    def seconds_until_served(self):
        """Until a post sent from now on is TAKEN, and an answer or a close is DONE."""
        begun = time.monotonic()
        taken, done = len(self.world.taken), self.ended()
        self.until(lambda: len(self.world.taken) > taken and self.ended() > done, "nothing is served")
        return time.monotonic() - begun

    def ended(self):
        return self.world.counts["ANSWER DONE"] + self.world.counts["CLOSE DONE"]

    def told(self):
        return len(self.world.taken) + sum(count for what, count in self.world.counts.items() if what.endswith(" DONE"))

    def follow(self, promoted):
        """Has the standbys follow the new primary, whose commits wait for them; returns how long service stayed away."""
        for node in self.database.standbys():
            self.meanwhile(node.follow, promoted)
        return self.seconds_until_served()

    def sequence(self, node):
        return int(node.demand("SELECT sequence FROM behalf.desk", "behalf")[0])

    # ---- what happens ----

    def the_primary_is_killed(self):
        before = self.told()
        killed = self.meanwhile(self.database.nodes.kill)
        silent = self.told()
        self.hear(0.5)
        if self.told() != silent:
            self.world.fail("told", self.told() - silent, "times that something is done, without a database")
        promoted = self.meanwhile(self.database.nodes.promote)
        seconds = self.follow(promoted)
        print(f"ok {killed.name} killed, {promoted.name} promoted: served again {seconds:.2f} s after a standby followed it;"
              f" {before} acknowledgements before", flush=True)
        if seconds > BACK_S:
            self.world.fail("service took", round(seconds, 2), "s to come back")
        self.meanwhile(killed.follow, promoted)
        self.hear(1.0)

    def waits_are_cancelled_on_a_primary_that_then_dies(self):
        """The server says COMMIT with a warning then, shows the rows, and nobody else has them."""
        nodes = self.database.nodes
        primary = nodes.require_primary()
        standbys = self.database.standbys()
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name LIKE 'behalf%'"
        self.broker.process.send_signal(signal.SIGSTOP)  # else what it commits meanwhile may reach a standby still
        self.until(lambda: self.meanwhile(primary.demand, waiting) == ["0"], "a commit still waits for a standby")
        for node in standbys:
            self.meanwhile(node.kill)
        self.broker.process.send_signal(signal.SIGCONT)
        self.until(lambda: self.meanwhile(primary.demand, waiting) != ["0"], "no commit waits for a standby")
        before = self.told()
        cancelled = 0
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            answer = self.meanwhile(primary.demand, "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE"
                                    " wait_event = 'SyncRep' AND application_name LIKE 'behalf%'")
            cancelled += int(answer[0])
        if self.told() != before:
            self.world.fail("told", self.told() - before, "times that something is done which no standby has")
        alone = self.sequence(primary)
        self.meanwhile(nodes.kill)
        for node in standbys:
            self.meanwhile(node.start)
        promoted = self.meanwhile(nodes.promote)
        lost = alone - self.sequence(promoted)
        if lost <= 0:
            self.world.fail("the cancelled commit was on the standby: this proves nothing")
        seconds = self.follow(promoted)
        print(f"ok {cancelled} waits cancelled, {lost} events died with {primary.name} and nobody had been told of them;"
              f" served again {seconds:.2f} s after a standby followed {promoted.name}", flush=True)
        self.meanwhile(primary.follow, promoted)
        self.hear(1.0)


def main(program, script, seed):
    print(f"SEED={seed}", flush=True)
    database = Database(script)
    begun = time.monotonic()
    try:
        run = FailoverRun(program, database, seed)
        try:
            run.start()
            run.hear(2.0)
            run.the_primary_is_killed()
            run.waits_are_cancelled_on_a_primary_that_then_dies()
            run.the_primary_is_killed()
            run.drain(3)
            if run.broker.stop() != 0:
                run.world.fail("it did not stop cleanly")
            run.judge()
            run.summary(3, time.monotonic() - begun)
        except BaseException:
            print(f"SEED={seed}\n" + run.broker.tail(), flush=True)
            raise
        finally:
            run.broker.end()
            shutil.rmtree(run.broker.folder, ignore_errors=True)
    finally:
        database.end()


if __name__ == "__main__":
    main(sys.argv[1], os.path.abspath(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 32))
