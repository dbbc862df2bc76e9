"""broker_test.py - a real broker process over real sockets: starting, stopping, restarting, and bad input.

Argument: the program behalf-broker; BEHALF_CTL names behalf-ctl.  Exit code 77: pyzmq or msgpack is absent.
"""

import contextlib
import os
import random
import re
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

import zmq

from broker_client import TIMEOUT_S, RULES, Broker, Client, connector, control, msgpack, person, run_tests


class Desk:
    """A broker that ends with the test."""

    def __init__(self, program, **options):
        self.broker = Broker(program, **options)

    def __enter__(self):
        return self.broker.start()

    def __exit__(self, *reason):
        self.broker.end()
        if reason[0] is not None:
            print(self.broker.tail())
        shutil.rmtree(self.broker.folder, ignore_errors=True)


def post(id, text="Where is my bag?", **more):
    return dict({"channel": "chirp", "post": id, "brand": "acme", "author": "@customer", "text": text}, **more)


# ---- from end to end ----

def a_post_is_taken_offered_answered_published_and_kept(program):
    with Desk(program) as broker:
        feed, asha, ctl = connector(broker, "feed", ["chirp"]), person(broker, "asha"), control(broker)
        for client in (feed, asha, ctl):
            client.sign_in()
        item = feed.done("POST", **post("1"))["item"]
        shown = asha.expect("ITEM")
        assert shown["item"] == item and shown["state"] == "offered", shown
        asha.done("TAKE", item=item, lease=shown["lease"])
        asha.done("ANSWER", item=item, lease=shown["lease"], text="We found it.")
        reply = feed.expect("REPLY")
        assert reply["text"] == "We found it. I'm Asha from Northline, answering for Acme.", reply
        feed.done("SETTLE", reply=reply["reply"], fate="confirmed", reference="r-1")
        rows = ctl.done("OUTCOMES")["rows"]
        assert len(rows) == 1 and rows[0]["outcome"] == "answered" and rows[0]["item"] == item, rows
        kinds = [event["kind"] for event in ctl.done("WHY", item=item)["events"]]
        assert kinds[0] == "taken" and "answered" in kinds, kinds
        assert broker.stop() == 0


def open_work_is_there_after_a_restart(program):
    with Desk(program) as broker:
        feed, asha = connector(broker, "feed"), person(broker, "asha")
        feed.sign_in(), asha.sign_in()
        item = feed.done("POST", **post("1"))["item"]
        lease = asha.expect("ITEM")["lease"]
        asha.done("TAKE", item=item, lease=lease)
        asha.done("DRAFT", item=item, lease=lease, text="half a sen")
        assert broker.stop() == 0
        assert asha.expect("BYE")["reason"] == "restarting"
        broker.start()
        welcome = asha.sign_in()
        assert welcome["items"] == 1 and not welcome.get("resumed"), welcome
        shown = asha.expect("ITEM")
        assert shown["item"] == item and shown["lease"] == lease and shown["state"] == "held", shown
        assert shown["draft"] == "half a sen", shown
        feed.sign_in()
        assert feed.done("POST", **post("1")) == {"item": item, "repeated": True}


def an_operator_puts_an_item_back(program):
    """behalf-ctl return, before a real broker: done, refused, and told by `why`."""
    def ctl(*arguments):
        return subprocess.run([os.environ["BEHALF_CTL"], "--broker", broker.endpoint, *arguments],
                              capture_output=True, text=True, timeout=TIMEOUT_S)

    with Desk(program, rules=RULES.replace("decline: 200 ms", "decline: 1 h")) as broker:
        feed, asha, ben = connector(broker, "feed"), person(broker, "asha"), person(broker, "ben")
        feed.sign_in(), asha.sign_in()
        item = feed.done("POST", **post("1"))["item"]
        lease = asha.expect("ITEM")["lease"]
        asha.done("TAKE", item=item, lease=lease)
        asha.done("DRAFT", item=item, lease=lease, text="half a sen")
        returned = ctl("return", str(item), "--reason", "asha has gone home")
        assert returned.returncode == 0 and f"item {item} is back in its queue" in returned.stdout, returned
        assert "asha has gone home" in asha.expect("GONE")["reason"]
        asha.refused("STALE", "ANSWER", item=item, lease=lease, text="We found it.")
        again = ctl("return", str(item))
        assert again.returncode == 1 and "STATE" in again.stderr and "waits in its queue" in again.stderr, again
        unknown = ctl("return", "4711")
        assert unknown.returncode == 1 and "NOT_FOUND" in unknown.stderr, unknown
        ben.sign_in()
        assert ben.expect("ITEM")["draft"] == "half a sen"
        why = ctl("why", str(item))
        assert why.returncode == 0 and "recalled" in why.stdout and "asha has gone home" in why.stdout, why


def a_session_is_resumed_by_its_token(program):
    with Desk(program) as broker:
        asha = person(broker, "asha")
        asha.sign_in()
        assert asha.sign_in()["resumed"]
        other = person(broker, "asha")
        assert not other.sign_in().get("resumed")
        assert asha.expect("BYE")["reason"] == "signed in elsewhere"


def what_is_asked_once_is_done_once(program):
    """200 notes repeated after a lost connection are 200; over kill -9, and by a new session, not one more."""
    with Desk(program, more=["--person-rate", "0"]) as broker:
        feed, asha, ben = connector(broker, "feed"), person(broker, "asha"), person(broker, "ben")
        for client in (feed, asha):
            client.sign_in()
        item = feed.done("POST", **post("1"))["item"]
        lease = asha.expect("ITEM")["lease"]
        asha.done("TAKE", item=item, lease=lease)
        notes = [(Client.new_id(), {"item": item, "lease": lease, "text": f"called them {n}"}) for n in range(200)]
        for id, body in notes:
            asha.send("NOTE", id, **body)
        asha.answer(notes[100][0])  # half of them are done at least, and most answers are not heard
        for again in range(3):
            if again == 1:
                broker.kill()
                broker.start()
            if again == 2:      # the item is somebody else's by now
                asha.done("TRANSFER", item=item, lease=lease, person="ben", reason="my shift ends")
                ben.sign_in()
                ben.done("TAKE", item=item, lease=ben.expect("ITEM")["lease"])
            asha = person(broker, "asha")
            asha.sign_in()
            for id, body in notes:
                asha.send("NOTE", id, **body)
            answers = [asha.answer(id) for id, _ in notes]
            assert all(type == "DONE" for type, _ in answers), answers
            assert again == 0 or all(body.get("repeated") for _, body in answers), answers
            with contextlib.closing(sqlite3.connect(f"file:{broker.database()}?mode=ro", uri=True)) as database:
                texts = [text for (text,) in database.execute("SELECT text FROM note")]
            assert len(texts) == len(set(texts)) == 200, texts


def a_silent_client_is_dropped_and_a_speaking_one_kept(program):
    with Desk(program, heartbeat_ms=1000) as broker:
        asha, ben = person(broker, "asha"), person(broker, "ben")
        asha.sign_in(), ben.sign_in()
        end = time.monotonic() + TIMEOUT_S
        while not any("person=asha lost: silent" in line for line in broker.log):
            assert time.monotonic() < end, broker.tail()
            ben.send("HEARTBEAT")
            ben.receive(0.1)
        assert not any("person=ben lost" in line for line in broker.log)
        asha.refused("NOT_SIGNED_IN", "PRESENCE", state="available")


# ---- starting and stopping ----

def run(program, *arguments):
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=TIMEOUT_S)


def only_this_machine_may_connect(program):
    with Desk(program) as broker:
        arguments = ["--desk", broker.desk_file, "--data", broker.data + "2", "--listen"]
        for endpoint in ("tcp://0.0.0.0:7000", "tcp://*:7000", "tcp://192.168.1.1:7000", "tcp://127.evil.com:7000",
                         "pgm://127.0.0.1;224.0.0.1:7000"):
            result = run(program, *arguments, endpoint)
            assert result.returncode == 2 and "until clients prove who they are by keys" in result.stderr, result
        result = run(program, *arguments, broker.endpoint)
        assert result.returncode == 5 and "cannot listen" in result.stderr, result


def a_second_broker_on_the_same_folder_is_refused(program):
    with Desk(program) as broker:
        result = run(program, "--desk", broker.desk_file, "--data", broker.data, "--listen", "tcp://127.0.0.1:*")
        assert result.returncode == 4, result
        print("   it says:", result.stderr.strip().splitlines()[-1])
        asha = person(broker, "asha")
        asha.sign_in()


def rules_with_errors_do_not_start(program):
    with Desk(program) as broker:
        with open(broker.desk_file + "2", "w") as file:
            file.write(RULES.replace("capacity: 3", "capacity: many"))
        result = run(program, "--desk", broker.desk_file + "2", "--data", broker.data + "2")
        assert result.returncode == 3 and "capacity" in result.stderr, result
        result = run(program, "--desk", "/nonexistent/x.yaml", "--data", broker.data + "2")
        assert result.returncode == 3, result


def a_folder_that_cannot_be_used_does_not_start(program):
    with Desk(program) as broker:
        result = run(program, "--desk", broker.desk_file, "--data", broker.desk_file)
        assert result.returncode == 4 and "is not a folder" in result.stderr, result


def rules_applied_stay_in_force_over_the_file(program):
    with Desk(program) as broker:
        ctl = control(broker)
        ctl.sign_in()
        rules = RULES.replace("Asha Rao", "Asha Lane")
        assert ctl.done("APPLY", rules=rules, name="next.yaml")["rules_version"] == 2
        assert ctl.done("APPLY", rules=rules)["repeated"]
        problems = ctl.refused("RULES", "APPLY", rules=RULES.replace("roles: [pr]", "roles: [king]"))["problems"]
        assert sum("king" in problem["message"] for problem in problems) == 2, problems
        assert all(problem["line"] > 1 for problem in problems), problems
        assert broker.stop() == 0
        broker.start()
        broker.expect_log("behalf-ctl apply")
        asha = person(broker, "asha")
        assert asha.sign_in()["display_name"] == "Asha Lane"


def ipc_is_listened_on(program):
    broker = Broker(program)
    broker.listen = "ipc://" + os.path.join(broker.folder, "socket")
    with_desk = Desk.__new__(Desk)
    with_desk.broker = broker
    with with_desk:
        asha = person(broker, "asha")
        assert asha.sign_in()["display_name"] == "Asha Rao"


def a_stopped_process_that_goes_on_keeps_its_sessions(program):
    with Desk(program, heartbeat_ms=1000) as broker:
        feed, asha = connector(broker, "feed"), person(broker, "asha")
        feed.sign_in(), asha.sign_in()
        item = feed.done("POST", **post("1"))["item"]
        lease = asha.expect("ITEM")["lease"]
        asha.done("TAKE", item=item, lease=lease)
        broker.process.send_signal(signal.SIGSTOP)
        time.sleep(4)  # longer than the three seconds for which anybody may be silent
        asha.send("HEARTBEAT")
        broker.process.send_signal(signal.SIGCONT)
        broker.expect_log("fresh grace")
        asha.done("CLOSE", item=item, lease=lease, outcome="no-answer-needed")


# ---- the store away ----

def let_grow(broker, bytes):
    """Files of the broker may grow to `bytes`: a disk that is full, and has room again."""
    resource.prlimit(broker.process.pid, resource.RLIMIT_FSIZE, (bytes, resource.RLIM_INFINITY))


def taken_until_busy(feed, first):
    """Brings posts in one by one until one is refused; returns the number of the refused one."""
    for number in range(first, first + 20000):
        kind, body = feed.ask("POST", **post(f"p{number}", text="full " * 100))
        if kind == "ERROR":
            assert body["code"] == "BUSY" and body["retry_ms"] > 0, body
            return number
        assert kind == "TAKEN", (kind, body)
    raise AssertionError("the disk never got full")


def a_full_disk_is_waited_for_and_loses_nothing(program):
    with Desk(program, heartbeat_ms=20000) as broker:
        feed, asha, ctl = connector(broker, "feed"), person(broker, "asha"), control(broker)
        feed.sign_in(), asha.sign_in(), ctl.sign_in()
        let_grow(broker, 1024 * 1024)
        # The post on which the disk fills has no answer until there is room: it is asked about again below.
        number, waiting = 0, None
        while waiting is None:
            id = feed.new_id()
            feed.send("POST", id, **post(f"p{number}", text="full " * 100))
            try:
                assert feed.answer(id, timeout=3)[0] == "TAKEN"
                number += 1
            except AssertionError:
                waiting = id
        broker.expect_log("error store away")
        assert taken_until_busy(feed, number + 1) == number + 1
        asha.send("HEARTBEAT")
        asha.expect("HEARTBEAT")
        let_grow(broker, resource.RLIM_INFINITY)
        broker.expect_log("info store back")
        assert feed.answer(waiting)[0] == "TAKEN"
        feed.done("POST", **post("after"))
        assert ctl.done("STATUS")["taken"] == number + 2
        broker.kill()
        broker.start()
        feed.sign_in()
        for again in [0, number // 2, number - 1, number]:
            assert feed.done("POST", **post(f"p{again}")).get("repeated"), again
        assert not feed.done("POST", **post(f"p{number + 1}")).get("repeated")


def a_stop_does_not_wait_for_a_store_that_is_away(program):
    with Desk(program) as broker:
        feed = connector(broker, "feed")
        feed.sign_in()
        let_grow(broker, 1)
        feed.send("POST", feed.new_id(), **post("1"))
        broker.expect_log("error store away")
        begun = time.monotonic()
        assert broker.stop() == 1
        assert time.monotonic() - begun < 10
        broker.start()
        feed.sign_in()
        assert not feed.done("POST", **post("1")).get("repeated")


# ---- bad input ----

def expect_error(client, code, field=None):
    error = client.expect("ERROR")
    assert error["code"] == code and (field is None or error.get("field") == field), (code, field, error)


def bad_frames_are_answered_with_what_is_wrong(program):
    with Desk(program) as broker:
        asha = person(broker, "asha")
        asha.sign_in()
        bad = [
            (b"", "MALFORMED", None),
            (b"\xc1", "MALFORMED", None),
            (b"hello", "MALFORMED", None),
            (msgpack.packb({"type": "STATUS"}), "MALFORMED", None),
            (msgpack.packb(["STATUS"]), "MALFORMED", None),
            (msgpack.packb(["NOSUCH", 1, {}]), "UNKNOWN_TYPE", None),
            (msgpack.packb(["TAKEN", 1, {}]), "UNKNOWN_TYPE", None),
            (msgpack.packb(["TAKE", 1, {"lease": 1}]), "MISSING", "item"),
            (msgpack.packb(["TAKE", 1, {"item": "x", "lease": 1}]), "INVALID", "item"),
            (msgpack.packb(["TAKE", 1, {"item": -1, "lease": 1}]), "INVALID", "item"),
            (msgpack.packb(["TAKE", 0, {"item": 1, "lease": 1}]), "INVALID", "id"),
            (msgpack.packb(["TAKE", -5, {"item": 1, "lease": 1}]), None, None),
            (b"\xdd\xff\xff\xff\xff", "MALFORMED", None),
            (b"\x93\xa4TAKE\x01\xdf\xff\xff\xff\xff", "MALFORMED", None),
            (msgpack.packb(["NOTE", 2, {"item": 1, "lease": 1, "text": "x" * 5000}]), "INVALID", "text"),
            (b"\x93\xa4NOTE\x02\x83\xa4item\x01\xa5lease\x01\xa4text\xa2\xff\xfe", None, None),
            (b"\x90" * 3, "MALFORMED", None),
            (b"\x91" * 5000, "MALFORMED", None),
            (os.urandom(1024 * 1024 + 100), "MALFORMED", None),
        ]
        for frame, code, field in bad:
            asha.send_frame(frame)
            if code is None:
                asha.expect("ERROR")
            else:
                expect_error(asha, code, field)
            asha.send("HEARTBEAT")
            asha.expect("HEARTBEAT")


def a_frame_far_too_long_costs_the_connection_only(program):
    with Desk(program) as broker:
        asha, ben = person(broker, "asha"), person(broker, "ben")
        asha.sign_in(), ben.sign_in()
        asha.send_frame(b"x" * (8 * 1024 * 1024))
        ben.send("HEARTBEAT")
        ben.expect("HEARTBEAT")
        asha.sign_in()


def a_message_of_several_frames_costs_the_session(program):
    with Desk(program) as broker:
        asha = person(broker, "asha")
        asha.sign_in()
        asha.socket.send_multipart([msgpack.packb(["HEARTBEAT", 0, {}]), b"more"] + [b"x"] * 100)
        broker.expect_log("several frames")
        asha.send("HEARTBEAT")
        expect_error(asha, "MALFORMED")
        expect_error(asha, "NOT_SIGNED_IN")
        asha.sign_in()


def stranger(broker):
    """A connection that speaks ZMTP 3.0 by itself (rfc.zeromq.org/spec/23), greeted."""
    host, port = broker.endpoint.removeprefix("tcp://").rsplit(":", 1)
    peer = socket.create_connection((host, int(port)), TIMEOUT_S)
    peer.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32))
    peer.sendall(b"\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06DEALER")
    return peer


def resident_bytes(broker):
    with open(f"/proc/{broker.process.pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def a_message_without_end_costs_the_connection_and_no_memory(program):
    with Desk(program) as broker:
        asha, peer = person(broker, "asha"), stranger(broker)
        asha.sign_in()
        before = resident_bytes(broker)
        frame = b"\x03" + (1 << 20).to_bytes(8, "big") + bytes(1 << 20)  # and more to come
        sent = 0
        try:
            while sent < 4096:  # MiB: without the bound all of it would be kept
                peer.sendall(frame)
                sent += 1
        except OSError:
            pass
        assert sent < 4096, "it was never cut off"
        broker.expect_log("without a whole message")
        asha.send("HEARTBEAT")
        asha.expect("HEARTBEAT")
        grown = (resident_bytes(broker) - before) >> 20
        assert grown < 1024, f"{grown} MiB were kept of {sent}"
        peer.close()


def a_routing_id_of_ones_own_is_refused(program):
    with Desk(program) as broker:
        asha = person(broker, "asha")
        asha.connect()
        asha.socket.close(0)
        asha.socket = asha.context.socket(zmq.DEALER)
        asha.socket.setsockopt(zmq.ROUTING_ID, b"asha")
        asha.socket.connect(broker.endpoint)
        asha.send("HELLO", 1, **asha.hello)
        expect_error(asha, "FORBIDDEN")


def noise_is_cut_off_with_a_reason(program):
    with Desk(program) as broker:
        noisy = person(broker, "asha")
        noisy.sign_in()
        for _ in range(100):
            noisy.send_frame(b"noise")
        assert "malformed" in noisy.expect("BYE")["reason"]
        broker.expect_log("malformed")
        ben = person(broker, "ben")
        ben.sign_in()


def a_client_that_does_not_read_is_lost_with_a_reason(program):
    with Desk(program) as broker:
        deaf = control(broker)
        deaf.connect()
        deaf.socket.close(0)
        deaf.socket = deaf.context.socket(zmq.DEALER)
        for option, value in ((zmq.LINGER, 0), (zmq.RCVHWM, 1), (zmq.RCVBUF, 4096), (zmq.SNDHWM, 100)):
            deaf.socket.setsockopt(option, value)
        deaf.socket.connect(broker.endpoint)
        deaf.send("HELLO", 1, **deaf.hello)
        deaf.expect("WELCOME")
        end = time.monotonic() + TIMEOUT_S
        while not any("does not read" in line for line in broker.log):
            assert time.monotonic() < end, broker.tail()
            for _ in range(500):
                try:
                    deaf.socket.send(msgpack.packb(["LOOK", deaf.new_id(), {"audience": "x" * 2000}]), zmq.DONTWAIT)
                except zmq.Again:
                    time.sleep(0.001)
        asha = person(broker, "asha")
        asha.sign_in()


def forged_requests_change_nothing(program):
    with Desk(program) as broker:
        feed, asha, ben, ctl = connector(broker, "feed", ["chirp"]), person(broker, "asha"), person(broker, "ben"), \
            control(broker)
        for client in (feed, asha, ctl):
            client.sign_in()
        item = feed.done("POST", **post("1"))["item"]
        lease = asha.expect("ITEM")["lease"]
        asha.done("TAKE", item=item, lease=lease)
        ben.sign_in()
        for type in ("ANSWER", "NOTE"):
            kind, error = ben.ask(type, item=item, lease=lease, text="mine now")
            assert kind == "ERROR", (type, kind, error)
        for type in ("ESCALATE", "TRANSFER"):
            kind, error = ben.ask(type, item=item, lease=lease, reason="mine now")
            assert kind == "ERROR", (type, kind, error)
        ben.refused("FORBIDDEN", "APPLY", rules="x: y")
        ben.refused("FORBIDDEN", "SETTLE", reply=1, fate="confirmed")
        ben.refused("FORBIDDEN", "FREEZE", brand="acme", reason="fun")
        for reply in (item, item + 1, 99999):
            assert feed.refused("NOT_FOUND", "SETTLE", reply=reply, fate="confirmed")["field"] == "reply"
        forged = person(broker, "ben")
        forged.hello["token"] = asha.hello["token"]
        assert not forged.sign_in().get("resumed")
        asha.done("ANSWER", item=item, lease=lease, text="Here it is.")


def out_of_order_is_answered(program):
    with Desk(program) as broker:
        asha = person(broker, "asha")
        asha.connect()
        asha.refused("NOT_SIGNED_IN", "TAKE", item=1, lease=1)
        asha.send("BYE")
        expect_error(asha, "NOT_SIGNED_IN")
        asha.refused("VERSION", "HELLO", version=9, role="person", name="asha")
        asha.refused("INVALID", "HELLO", version=1, role="king", name="asha")
        asha.refused("NOT_FOUND", "HELLO", version=1, role="person", name="nobody")
        asha.refused("MISSING", "HELLO", version=1, role="person")


def random_frames_never_stop_it(program):
    seed = random.randrange(1 << 32)
    print("   SEED", seed)
    chance = random.Random(seed)
    good = msgpack.packb(["POST", 77, post("1")])
    with Desk(program) as broker:
        feed = connector(broker, "feed")
        feed.sign_in()
        for _ in range(200):
            noisy = Client(broker, role="control", name="noise").connect()
            for _ in range(15):
                frame = bytearray(good)
                for _ in range(chance.randrange(1, 6)):
                    frame[chance.randrange(len(frame))] = chance.randrange(256)
                noisy.send_frame(bytes(frame[:chance.randrange(len(frame) + 1)]))
            noisy.receive(TIMEOUT_S)
            noisy.socket.close(0)
        feed.done("POST", **post("after"))


def logs_hold_no_text_of_posts_and_no_control_characters(program):
    with Desk(program) as broker:
        feed, asha = connector(broker, "feed"), person(broker, "asha")
        feed.connect()
        evil = feed.refused("INVALID", "HELLO", version=1, role="connector", name="feed\x1b[31m\u202eevil")
        assert evil["field"] == "name", evil
        feed.sign_in(), asha.sign_in()
        item = feed.done("POST", **post("1", text="unmistakable words"))["item"]
        shown = asha.expect("ITEM")
        asha.done("TAKE", item=item, lease=shown["lease"])
        asha.send("BYE", reason="line\nbreak")
        broker.expect_log("signed out")
        assert broker.stop() == 0
        text = "\n".join(broker.log)
        assert "unmistakable" not in text
        assert "\x1b" not in text and "\u202e" not in text and "line\nbreak" not in text, text
        assert "\\x1b" in text


def a_trace_leads_from_a_post_to_its_offer_and_holds_no_text(program):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "trace")
        with Desk(program, more=["--trace=" + path]) as broker:
            feed, asha = connector(broker, "feed"), person(broker, "asha")
            feed.sign_in(), asha.sign_in()
            item = feed.done("POST", **post("p-4711", text="My name is Xantippe."))["item"]
            lease = asha.expect("ITEM")["lease"]
            assert broker.stop() == 0
        assert os.stat(path).st_mode & 0o777 == 0o600, oct(os.stat(path).st_mode)
        with open(path) as file:
            lines = file.read().splitlines()
    wanted = [" in .* POST id=", f" decide .* .POST item={item} ", " batch ", " durable ",
              f" out .* ITEM .*item={item} lease={lease} state=offered ", f" out .* TAKEN .*item={item} "]
    for line in lines:
        assert re.match(r"20..-..-..T..:..:..[.]...Z (in|out|decide|batch|durable) desk=", line), line
        if wanted and re.search(wanted[0], line):
            wanted.pop(0)
    assert not wanted, (wanted, lines)
    text = "\n".join(lines)
    for secret in ("Xantippe", "p-4711", "@customer", "asha"):
        assert secret not in text, secret


TESTS = [
    a_post_is_taken_offered_answered_published_and_kept,
    open_work_is_there_after_a_restart,
    an_operator_puts_an_item_back,
    a_session_is_resumed_by_its_token,
    what_is_asked_once_is_done_once, a_silent_client_is_dropped_and_a_speaking_one_kept,
    only_this_machine_may_connect,
    a_second_broker_on_the_same_folder_is_refused,
    rules_with_errors_do_not_start,
    a_folder_that_cannot_be_used_does_not_start,
    rules_applied_stay_in_force_over_the_file,
    ipc_is_listened_on,
    a_stopped_process_that_goes_on_keeps_its_sessions,
    a_full_disk_is_waited_for_and_loses_nothing,
    a_stop_does_not_wait_for_a_store_that_is_away,
    bad_frames_are_answered_with_what_is_wrong,
    a_frame_far_too_long_costs_the_connection_only,
    a_message_of_several_frames_costs_the_session,
    a_message_without_end_costs_the_connection_and_no_memory,
    a_routing_id_of_ones_own_is_refused,
    noise_is_cut_off_with_a_reason,
    a_client_that_does_not_read_is_lost_with_a_reason,
    forged_requests_change_nothing,
    out_of_order_is_answered,
    random_frames_never_stop_it,
    logs_hold_no_text_of_posts_and_no_control_characters,
    a_trace_leads_from_a_post_to_its_offer_and_holds_no_text,
]

if __name__ == "__main__":
    wanted = [test for test in TESTS if len(sys.argv) < 3 or test.__name__ in sys.argv[2:]]
    run_tests(wanted, sys.argv[1])
