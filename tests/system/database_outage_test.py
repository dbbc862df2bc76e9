"""database_outage_test.py - a broker whose database is killed, then silent, for a while, as everyone around it sees that.

Arguments: behalf-broker, behalf-ctl, three-nodes.  Exit code 77: PostgreSQL, pyzmq or msgpack is absent.
"""

import os
import shutil
import signal
import subprocess
import sys
import time

from broker_client import TIMEOUT_S, connector, control, expect_within, person, run_tests
from promoted_standby_test import Database, StoredBroker

OUTAGE_S = 20
BACK_S = 1.0
GROWTH_KIB_MAX = 24 * 1024
POSTS_AT_ONCE = 200


def next_of(client, type):
    """The next message of a type, also if it came while another was waited for."""
    for i, message in enumerate(client.inbox):
        if message[0] == type:
            del client.inbox[i]
            return message[2]
    return client.expect(type)


class Desk:
    """A broker on a database of three nodes, an agent who holds an item, a connector and an outlet."""

    def __init__(self, program, ctl, script):
        self.ctl = ctl
        self.database = Database(script)
        self.broker = StoredBroker(program, self.database.url)
        self.broker.heartbeat_ms = 10000  # nobody is to be lost while a database takes its time to start
        self.broker.start()
        self.feed, self.asha = connector(self.broker, "feed"), person(self.broker, "asha")
        self.outlet = connector(self.broker, "out", ["chirp"])
        for client in (self.feed, self.asha, self.outlet):
            client.sign_in()
        self.posts = 0

    def end(self):
        self.broker.end()
        self.database.end()
        shutil.rmtree(self.broker.folder, ignore_errors=True)

    def post(self):
        self.posts += 1
        return dict(channel="chirp", post=f"o{self.posts}", brand="bolt", author=f"@a{self.posts}", text="Where is my bag?",
                    posted_ms=int(time.time() * 1000))

    def hold(self):
        """Has asha hold a new item, and returns it."""
        self.feed.done("POST", **self.post())
        self.asha.done("PRESENCE", state="available")
        item = next_of(self.asha, "ITEM")
        assert item["state"] == "held", item
        return item

    def memory_kib(self):
        with open(f"/proc/{self.broker.process.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))

    def push(self, seconds):
        """Posts, and a HELLO each, as fast as answers come; returns how often one was refused.  Nothing else may come."""
        begun, refused = time.monotonic(), 0
        while time.monotonic() - begun < seconds:
            ids = [self.feed.new_id() for _ in range(POSTS_AT_ONCE)]
            for id in ids[1:]:
                self.feed.send("POST", id, **self.post())
            self.feed.send("HELLO", ids[0], **self.feed.hello)
            for id in ids:
                type, body = self.feed.answer(id)
                assert type == "ERROR" and body["code"] == ("BUSY" if id == ids[0] else "NOT_SIGNED_IN"), (type, body)
                assert id != ids[0] or 0 < body["retry_ms"] <= 1000, body
                refused += 1
        return refused

    def await_lapse(self):
        """Until everyone is sent away.  Posts before that are answered BUSY, or wait and are answered later."""
        told, end = None, time.monotonic() + TIMEOUT_S
        while told is None and time.monotonic() < end:
            self.feed.send("POST", self.feed.new_id(), **self.post())
            message = self.feed.receive(0.2)
            if message is not None and message[0] == "ERROR" and message[2]["code"] != "NOT_SIGNED_IN":
                assert message[2]["code"] in ("BUSY", "TOO_MANY"), message
            told = message[2] if message is not None and message[0] == "BYE" else None
        assert told == {"reason": "restarting"}, f"{told}\n{self.broker.tail()}"
        for client in (self.asha, self.outlet):
            assert client.expect("BYE")["reason"] == "restarting"

    def come_back(self, client):
        """Says HELLO, as BUSY says when, until the session goes on."""
        end = time.monotonic() + TIMEOUT_S
        while time.monotonic() < end:
            type, body = client.ask("HELLO", **client.hello)
            if type == "WELCOME":
                assert body["resumed"], body
                return
            assert type == "ERROR" and body["code"] == "BUSY", (type, body)
            time.sleep(body["retry_ms"] / 1000)
        raise AssertionError("nobody is let in\n" + self.broker.tail())

    def status(self):
        done = subprocess.run([self.ctl, "status", "--broker", self.broker.endpoint, "--wait", "1"], capture_output=True,
                              text=True, timeout=TIMEOUT_S)
        return done.returncode, done.stdout + done.stderr


def ask_to_answer(desk, item):
    """The agent's reply, sent while the store is away: it is not answered, and the item stays with the agent."""
    request = dict(item=item["item"], lease=item["lease"], text="It is on its way")
    id = desk.asha.new_id()
    desk.asha.send("ANSWER", id, **request)
    return id, request


def expect_back(desk, answer, begun):
    """The sessions go on, posts are taken, and what the agent asked for is done, once, when it is repeated."""
    id, request = answer
    assert not [message for message in desk.asha.inbox if message[1] == id], "answered without a database"
    desk.come_back(desk.feed)
    type, body = desk.feed.ask("POST", **desk.post())
    assert type == "TAKEN", (type, body)
    seconds = time.monotonic() - begun
    desk.come_back(desk.outlet)
    desk.come_back(desk.asha)
    desk.asha.send("ANSWER", id, **request)
    type, body = desk.asha.answer(id)
    assert type == "DONE", (type, body)
    assert not [message for message in desk.asha.inbox if message[0] == "GONE" and message[2]["item"] == body["item"]], \
        desk.asha.inbox
    reply = next_of(desk.outlet, "REPLY")
    assert reply["text"].startswith("It is on its way"), reply
    desk.outlet.done("SETTLE", reply=reply["reply"], fate="confirmed", reference="r")
    taken = time.monotonic() - begun
    expect_within(BACK_S, seconds, "served again")
    line = desk.broker.expect_log("store back")
    print(f"   TAKEN again {seconds:.2f} s after the database was back, all is settled after {taken:.2f} s; log: {line}")


def a_dead_database_is_waited_for_in_bounded_memory_and_in_words(desk):
    item = desk.hold()
    primary = desk.database.nodes.require_primary()
    primary.kill()
    answer = ask_to_answer(desk, item)
    desk.await_lapse()
    desk.push(2)  # buffers that are kept are made now
    before = desk.memory_kib()
    refused = desk.push(OUTAGE_S - 4)
    grown = desk.memory_kib() - before
    print(f"   {refused} requests refused in {OUTAGE_S - 4} s, memory grew by {grown} KiB")
    assert refused > 1000 and grown < GROWTH_KIB_MAX, (refused, grown)
    line = desk.broker.expect_log("store away")
    assert "PostgreSQL" in line and "waiting" in line, line
    code, words = desk.status()
    assert code != 0 and "away" in words and "PostgreSQL cannot be reached" in words, (code, words)
    print("   log:", line)
    print("   status:", words.strip())
    primary.start()
    expect_back(desk, answer, time.monotonic())
    code, words = desk.status()
    assert code == 0 and "store: postgresql at" in words and "away" not in words, (code, words)


def a_silent_database_is_noticed_within_the_lease_and_lied_about_to_nobody(desk):
    """The server is stopped: it takes connections, and says nothing."""
    item = desk.hold()
    primary = desk.database.nodes.require_primary()
    server = primary.process()
    with open(f"/proc/{server}/task/{server}/children") as file:
        processes = [server, *(int(number) for number in file.read().split())]
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        answer = ask_to_answer(desk, item)
        desk.await_lapse()
        noticed = time.monotonic() - begun
        print(f"   noticed after {noticed:.1f} s")
        expect_within(4, noticed, "noticed")
        desk.push(8)
        code, words = desk.status()
        assert code != 0 and ("does not answer" in words or "no answer" in words), (code, words)
        print("   status:", words.strip())
    finally:
        for process in reversed(processes):
            os.kill(process, signal.SIGCONT)
    expect_back(desk, answer, time.monotonic())


def a_broker_started_before_its_database_waits_for_it(desk):
    primary = desk.database.nodes.require_primary()
    desk.broker.stop()
    primary.kill()
    early = StoredBroker(desk.broker.program, desk.database.url)
    early.listen = early.endpoint = f"ipc://{early.folder}/socket"
    try:
        ready = early.begin()
        line = early.expect_log("waiting for it")
        print("   log:", line)
        client = person(early, "asha").connect()
        client.send("HELLO", 1, **client.hello)
        assert client.expect("ERROR", 1)["code"] == "BUSY"
        assert early.process.poll() is None and len(early.log) <= 2, early.log
        primary.start()
        begun = time.monotonic()
        assert ready.wait(TIMEOUT_S), early.tail()
        seconds = time.monotonic() - begun
        print(f"   ready {seconds:.2f} s after the database was there")
        expect_within(2 * BACK_S, seconds, "ready")
        client.sign_in()
        assert early.stop() == 0
    finally:
        early.end()
        shutil.rmtree(early.folder, ignore_errors=True)


TABLES = "SELECT count(*), coalesce(string_agg(relname, ',' ORDER BY relname), '') FROM pg_class WHERE relnamespace::text <> '0'"
MADE = "CREATE SCHEMA behalf AUTHORIZATION behalf; "
REFUSALS = [  # what stands there: SQL for the database `other`, what is changed in the URL, words of the line
    ("", ("behalf:", "behalf:wrong"), "check user and password"),
    ("", ("//behalf:", "//nobody:"), "check user and password"),
    ("", ("/other?", "/nowhere?"), "create the database"),
    ("", ("target_session_attrs=read-write", "target_session_attrs=mostly"), "mend the URL"),
    ("", ("postgresql://", "postgresql:/"), "not one of PostgreSQL's"),
    ("", None, "ALTER SCHEMA behalf OWNER TO"),
    (MADE + "CREATE TABLE behalf.item (a integer)", None, "is not Behalf's"),
    ("NEWER", None, "start the newer behalf-broker"),
    ("TORN", None, "half-done"),
    ("NOT_OURS", None, "ALTER TABLE behalf.item OWNER TO"),
]
SPOILT = {  # what is done to a schema that a broker has made
    "NEWER": "INSERT INTO behalf.migration (number, version) SELECT max(number) + 1, '9' FROM behalf.migration",
    "TORN": "DROP TABLE behalf.draft",
    "NOT_OURS": "ALTER TABLE behalf.item OWNER TO postgres",
}


def a_broker_that_was_killed_has_its_desk_again_at_once(desk):
    """Its lease stands for two seconds more, but it is seen to be dead."""
    broker = StoredBroker(desk.broker.program, desk.database.url).start()
    try:
        for _ in range(3):
            broker.kill()
            begun = time.monotonic()
            broker.start()
            seconds = time.monotonic() - begun
            print(f"   ready {seconds:.2f} s after kill -9")
            expect_within(1.5, seconds, "ready")
        assert broker.stop() == 0
    finally:
        broker.end()
        shutil.rmtree(broker.folder, ignore_errors=True)


def what_does_not_let_a_broker_in_ends_it_with_one_line(desk):
    primary = desk.database.nodes.require_primary()
    good = desk.database.url.replace("/behalf?", "/other?")
    for sql, change, words in REFUSALS:
        primary.demand("DROP DATABASE IF EXISTS other WITH (FORCE)")
        primary.demand("CREATE DATABASE other")
        if sql in SPOILT:
            primary.demand(MADE, "other")
            maker = StoredBroker(desk.broker.program, good).start()
            assert maker.stop() == 0
            shutil.rmtree(maker.folder)
        if sql:
            primary.demand(SPOILT.get(sql, sql), "other")
        before = primary.demand(TABLES, "other")
        refused = StoredBroker(desk.broker.program, good.replace(*change) if change else good)
        ready = refused.begin()
        code = refused.process.wait(TIMEOUT_S)
        ready.wait(TIMEOUT_S)
        shutil.rmtree(refused.folder)
        assert code == 4 and len(refused.log) == 1 and words in refused.log[0], (code, words, refused.log)
        assert desk.database.nodes.password not in refused.log[0], refused.log
        assert primary.demand(TABLES, "other") == before, words
        print("   " + refused.log[0][25:])
    primary.demand("DROP DATABASE other")


if __name__ == "__main__":
    desk = Desk(sys.argv[1], sys.argv[2], os.path.abspath(sys.argv[3]))
    try:
        run_tests([a_dead_database_is_waited_for_in_bounded_memory_and_in_words,
                   a_silent_database_is_noticed_within_the_lease_and_lied_about_to_nobody,
                   a_broker_started_before_its_database_waits_for_it,
                   a_broker_that_was_killed_has_its_desk_again_at_once,
                   what_does_not_let_a_broker_in_ends_it_with_one_line], desk)
    except BaseException:
        print(desk.broker.tail(), flush=True)
        raise
    finally:
        desk.end()
