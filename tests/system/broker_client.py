"""broker_client.py - a broker process and its clients, for system tests; written from PROTOCOL.md alone.

Clients are driven by the test, in its own thread: nothing happens behind its back.  Every wait is bounded.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

try:
    import msgpack
    import zmq
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)

TIMEOUT_S = 20

RULES = """
desk: test
times: { offer: 2 s, grace: 2 s, decline: 200 ms, prefer: 200 ms, fate: 2 s, park: 5 s }
channels:
  chirp: { length: 280 }
  mail: {}
agencies: [Northline]
brands:
  acme:
    display_name: Acme
    languages: [en]
    disclosure: "I'm {first_name} from {agency}, answering for {brand}."
    disclosure_pr: "{first_name}, {brand}"
  bolt:
    display_name: Bolt
    languages: [en]
    disclosure: "I'm {first_name} from {agency}, answering for {brand}."
    disclosure_pr: "{first_name}, {brand}"
    take: automatic
sensitive:
  legal: { patterns: [lawyer*] }
people:
  asha: { display_name: Asha Rao, roles: [agent], agency: Northline, brands: all, languages: [en], capacity: 3 }
  ben: { display_name: Ben Vogel, roles: [agent], agency: Northline, brands: all, languages: [en], capacity: 3 }
  chloe: { display_name: Chloe Roy, roles: [agent], agency: Northline, brands: [acme], languages: [en], capacity: 5 }
  dan: { display_name: Dan Moss, roles: [agent], agency: Northline, brands: [bolt], languages: [en], capacity: 5 }
  petra: { display_name: Petra Lind, roles: [pr], brands: all, languages: all, capacity: 5 }
  paul: { display_name: Paul Berg, roles: [pr], brands: all, languages: all, capacity: 5 }
  sam: { display_name: Sam Whit, roles: [supervisor], brands: all, languages: all }
"""


class Broker:
    """A broker process on a folder of its own.  Nobody is lost for silence unless a test says when: it may be the machine
    that had no time for them."""

    def __init__(self, program, folder=None, rules=RULES, heartbeat_ms=20000, listen="tcp://127.0.0.1:*",
                 more=()):
        self.program = program
        self.folder = folder or tempfile.mkdtemp(prefix="behalf-broker-")
        self.desk_file = os.path.join(self.folder, "desk.yaml")
        self.data = os.path.join(self.folder, "data")
        self.heartbeat_ms, self.listen, self.more = heartbeat_ms, listen, list(more)
        self.log, self.process, self.endpoint = [], None, None
        with open(self.desk_file, "w") as file:
            file.write(rules)

    def arguments(self):
        return [self.program, "--desk", self.desk_file, "--data", self.data, "--listen", self.listen,
                "--heartbeat", str(self.heartbeat_ms)] + self.more

    def begin(self):
        """Starts it and returns what is set once it is ready, or has ended."""
        self.process = subprocess.Popen(self.arguments(), stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        ready = threading.Event()
        threading.Thread(target=self.read_log, args=(self.process, ready), daemon=True).start()
        return ready

    def start(self):
        """Starts it and waits until it is ready; later starts listen where the first did."""
        if not self.begin().wait(TIMEOUT_S) or self.endpoint is None:
            raise AssertionError("the broker did not get ready:\n" + self.tail())
        self.listen = self.endpoint
        return self

    def read_log(self, process, ready):
        for line in process.stderr:
            text = line.decode("utf-8", "backslashreplace").rstrip("\n")
            self.log.append(text)
            match = re.search(r" broker ready .*listen=(\S+)$", text)
            if match:
                self.endpoint = match.group(1).split(",")[0]
                ready.set()
        ready.set()

    def tail(self):
        return "\n".join(self.log[-40:])

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(TIMEOUT_S)

    def stop(self):
        """Stops it cleanly and returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(TIMEOUT_S)

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def database(self):
        """The path of the store's database."""
        for name in sorted(os.listdir(self.data)):
            path = os.path.join(self.data, name)
            with open(path, "rb") as file:
                if file.read(15) == b"SQLite format 3":
                    return path
        raise AssertionError("no database in " + self.data)

    def expect_log(self, part, timeout=TIMEOUT_S):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            for line in self.log:
                if part in line:
                    return line
            time.sleep(0.01)
        raise AssertionError(f"no line with {part!r} in the log:\n" + self.tail())


class StoredBroker(Broker):
    """One whose store is a database."""

    def __init__(self, program, url):
        super().__init__(program, heartbeat_ms=1000, more=["--person-rate", "0"])
        self.url = url

    def arguments(self):
        return [self.program, "--desk", self.desk_file, "--store", self.url, "--listen", self.listen,
                "--heartbeat", str(self.heartbeat_ms)] + self.more


class PostgresCluster:
    """A server that the program postgres-cluster of the tests runs, as long as its standard input is open."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        lines = [self.process.stdout.readline().strip() for _ in range(2)]
        if not lines[0].startswith("postgresql://"):
            print(*lines)
            sys.exit(77 if self.process.wait(TIMEOUT_S) == 77 else 1)
        self.url, self.administrator = lines

    def query(self, text):
        """All rows, as tuples."""
        sql = f"SET search_path = behalf; SELECT coalesce(json_agg(to_json(t)), '[]') FROM ({text}) AS t"
        done = subprocess.run(["psql", "-XAtqc", sql, self.administrator + " dbname=behalf"], capture_output=True, text=True,
                              timeout=TIMEOUT_S)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return [tuple(row.values()) for row in json.loads(done.stdout)]

    def end(self):
        self.process.stdin.close()
        self.process.wait(TIMEOUT_S)


class Client:
    """One connection after another of one principal; repeats what has no answer."""

    context = zmq.Context()
    next_id = (int(time.time() * 1000) << 20)

    def __init__(self, broker, **hello):
        self.broker, self.hello = broker, dict(hello, version=1)
        self.socket, self.welcome, self.said, self.heard = None, None, 0.0, 0.0
        self.waiting = {}   # id -> (type, frame), in the order of asking
        self.paused = 0.0   # no repeats after BUSY before this
        self.busy = []      # ids refused with BUSY
        self.inbox = []
        self.ended = None   # why the broker said BYE

    # ---- raw ----

    def connect(self):
        if self.socket is not None:
            self.socket.close(0)
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.SNDHWM, 100000)
        self.socket.setsockopt(zmq.RCVHWM, 100000)
        self.socket.connect(self.broker.endpoint)
        self.welcome = None
        return self

    def send_frame(self, frame):
        self.said = time.monotonic()
        self.socket.send(frame)

    def send(self, type, id=0, **body):
        self.send_frame(msgpack.packb([type, id, body]))

    def receive(self, timeout=TIMEOUT_S):
        """The next frame as (type, id, body); None when none came in time."""
        if self.socket.poll(int(timeout * 1000)) == 0:
            return None
        self.heard = time.monotonic()
        return tuple(msgpack.unpackb(self.socket.recv()))

    def expect(self, type, id=None, timeout=TIMEOUT_S):
        """Passes over other messages, keeping them in the inbox."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            message = self.receive(max(0.0, end - time.monotonic()))
            if message is None:
                break
            if message[0] == type and (id is None or message[1] == id):
                return message[2]
            self.inbox.append(message)
        raise AssertionError(f"{self.hello.get('name')}: no {type} came; {self.inbox[-3:]}\n{self.broker.tail()}")

    @classmethod
    def new_id(cls):
        Client.next_id += 1
        return Client.next_id

    # ---- a simple client, one request at a time ----

    def sign_in(self):
        self.connect()
        id = self.new_id()
        self.send("HELLO", id, **self.hello)
        self.welcome = self.expect("WELCOME", id)
        self.hello["token"] = self.welcome["token"]
        return self.welcome

    def ask(self, type, **body):
        """Sends a request and returns its answer as (type, body)."""
        id = self.new_id()
        self.send(type, id, **body)
        return self.answer(id)

    def answer(self, id, timeout=TIMEOUT_S):
        end = time.monotonic() + timeout
        for i, message in enumerate(self.inbox):
            if message[1] == id:
                del self.inbox[i]
                return message[0], message[2]
        while time.monotonic() < end:
            message = self.receive(max(0.0, end - time.monotonic()))
            if message is not None and message[1] == id:
                return message[0], message[2]
            if message is not None:
                self.inbox.append(message)
        raise AssertionError(f"{self.hello.get('name')}: request {id} has no answer\n{self.broker.tail()}")

    def done(self, type, **body):
        kind, answer = self.ask(type, **body)
        assert kind != "ERROR", f"{type} refused: {answer}"
        return answer

    def refused(self, code, type, **body):
        kind, answer = self.ask(type, **body)
        assert kind == "ERROR" and answer["code"] == code, f"{type}: {code} expected, {kind} {answer} came"
        return answer

    # ---- a client that streams: pump() does its work ----

    def begin(self):
        self.connect()
        self.ended = None
        self.hello_id = self.new_id()
        self.send("HELLO", self.hello_id, **self.hello)
        self.greeted = time.monotonic()
        self.again = self.greeted + 5

    def request(self, type, **body):
        id = self.new_id()
        self.waiting[id] = (type, msgpack.packb([type, id, body]))
        if self.welcome is not None:
            self.send_frame(self.waiting[id][1])
        return id

    def pump(self):
        """Messages that came, without waiting: (type, id, body, request's type or None)."""
        now = time.monotonic()
        if self.welcome is None and now >= self.again:
            self.begin()
        if self.busy and now >= self.paused:
            for id in self.busy:
                if id in self.waiting:
                    self.send_frame(self.waiting[id][1])
            self.busy = []
        if self.welcome is not None and now - min(self.said, self.heard) > self.welcome["heartbeat_ms"] / 1000:
            self.send("HEARTBEAT")
        while True:
            message = self.receive(0)
            if message is None:
                return
            yield from self.understand(*message)

    def understand(self, type, id, body):
        if type == "WELCOME":
            self.welcome = body
            self.hello["token"] = body["token"]
            self.busy = []
            for _, frame in list(self.waiting.values()):
                self.send_frame(frame)
            yield type, id, body, None
        elif type == "ERROR" and id in self.waiting and body["code"] in ("BUSY", "TOO_MANY", "STORE"):
            self.paused = time.monotonic() + body.get("retry_ms", 100) / 1000
            self.busy.append(id)
        elif type == "ERROR" and body["code"] == "NOT_SIGNED_IN":
            if self.welcome is not None:
                self.begin()
        elif type == "ERROR" and self.welcome is None and body["code"] == "BUSY":  # the store is away; HELLO has no answer yet
            self.again = time.monotonic() + body["retry_ms"] / 1000
        elif type == "ERROR" and self.welcome is None:
            raise AssertionError(f"HELLO of {self.hello['name']} refused: {body}")
        elif type == "BYE":
            self.ended = body.get("reason", "")
        elif id in self.waiting:
            asked = self.waiting.pop(id)[0]
            yield type, id, body, asked
        elif type != "HEARTBEAT" and id == 0:
            yield type, id, body, None


def slowdown():
    """How many times as long as alone a computation takes at this moment, as others want the processors, too."""
    begun, used = time.monotonic(), time.process_time()
    while time.process_time() - used < 0.2:
        pass
    return max(1.0, (time.monotonic() - begun) / 0.2)


def expect_within(bound, seconds, what):
    """A bound that holds on a machine with nothing else to do, and on a busy one in proportion."""
    assert seconds <= bound or seconds <= bound * (1 + slowdown()), f"{what} only after {seconds:.2f} s"


def person(broker, name):
    return Client(broker, role="person", name=name)


def control(broker):
    return Client(broker, role="control", name="test")


def connector(broker, name, channels=(), idempotent=False, instance=None):
    return Client(broker, role="connector", name=name, instance=instance or f"{name}-{os.getpid()}",
                  channels=list(channels), idempotent=idempotent)


def run_tests(tests, *arguments):
    """Runs functions whose names are claims; prints each, stops at the first that fails."""
    for test in tests:
        begun = time.monotonic()
        test(*arguments)
        print(f"ok {test.__name__} ({time.monotonic() - begun:.1f} s)", flush=True)
