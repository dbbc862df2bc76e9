"""protocol_sketch_test.py - runs the two Python sketches of PROTOCOL.md against a broker of a few lines.

Plays the broker's side by the same page: a sketch must sign in, ask, survive NOT_SIGNED_IN, BUSY and an
answer that comes twice, and do its work.  Arguments: PROTOCOL.md.  Exit code 77: pyzmq or msgpack is absent.
"""

import os
import re
import subprocess
import sys
import tempfile

try:
    import msgpack
    import zmq
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)

TIMEOUT_MS = 10000
WELCOME = {"version": 1, "token": "t-1", "desk": "desk", "now_ms": 1, "heartbeat_ms": 1000, "timeout_ms": 5000,
           "window": 1}


class Broker:
    def __init__(self, endpoint):
        self.socket = zmq.Context.instance().socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(endpoint)

    def expect(self, want):
        while True:
            assert self.socket.poll(TIMEOUT_MS), f"no {want} came"
            parts = self.socket.recv_multipart()
            assert len(parts) == 2, "a message is exactly one frame"
            self.peer = parts[0]
            type, id, body = msgpack.unpackb(parts[1])
            if type != "HEARTBEAT":
                assert type == want, f"{type} came instead of {want}: {body}"
                return id, body

    def say(self, type, id=0, **body):
        self.socket.send_multipart([self.peer, msgpack.packb([type, id, body])])

    def welcome(self):
        id, hello = self.expect("HELLO")
        self.say("WELCOME", id, **WELCOME)
        return hello


def run_connector(broker, start):
    process = start("sketch.py", "acme")
    assert broker.welcome()["role"] == "connector"
    first, post = broker.expect("POST")
    assert post["brand"] == "acme"
    broker.say("ERROR", first, code="NOT_SIGNED_IN")
    assert broker.welcome()["token"] == "t-1"
    again, same = broker.expect("POST")
    assert (again, same) == (first, post), "a repeat has the same id"
    broker.say("ERROR", first, code="BUSY", retry_ms=10)
    assert broker.expect("POST") == (first, post)
    broker.say("TAKEN", first, item=7)
    broker.say("TAKEN", first, item=7)
    reply = dict(reply=3, key="k", item=7, brand="acme", channel="chirp", post="1001", author="@traveller", text="hello")
    broker.say("REPLY", **reply, attempt=1)
    id, settle = broker.expect("SETTLE")
    assert id > first
    broker.say("REPLY", **reply, attempt=1, again=True)
    assert settle["reply"] == 3 and settle["fate"] == "confirmed"
    broker.say("DONE", id)
    broker.say("REPLY", **reply, attempt=2)
    higher, settle = broker.expect("SETTLE")
    assert higher > id and settle["reply"] == 3, "a higher attempt is another time"
    broker.say("DONE", higher)
    broker.say("BYE", reason="restarting")
    broker.welcome()
    broker.say("BYE", reason="enough")
    output, _ = process.communicate(timeout=TIMEOUT_MS / 1000)
    assert output.count("TAKEN") == 1, output
    assert process.returncode == 1 and output.count("publish for @traveller : hello") == 2, output


def run_agent(broker, start):
    process = start("agent.py", "asha")
    hello = broker.welcome()
    assert (hello["role"], hello["name"]) == ("person", "asha")
    id, presence = broker.expect("PRESENCE")
    assert presence["state"] == "available"
    broker.say("DONE", id)
    item = dict(item=7, lease=2, audience="agent", brand="acme", channel="chirp", author="@traveller", language="en",
                story=[{"kind": "post", "text": "my bag"}])
    broker.say("ITEM", **item, state="offered")
    id, take = broker.expect("TAKE")
    assert take == {"item": 7, "lease": 2}
    broker.say("DONE", id)
    broker.say("ITEM", **item, state="held")
    id, answer = broker.expect("ANSWER")
    assert answer["item"] == 7 and answer["text"]
    broker.say("DONE", id, item=7, state="sending")
    broker.say("BYE", reason="signed in elsewhere")
    output, _ = process.communicate(timeout=TIMEOUT_MS / 1000)
    assert "acme @traveller writes: my bag" in output, output


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        sketches = re.findall(r"```python\n(.*?)```", file.read(), re.DOTALL)
    assert len(sketches) == 2
    with tempfile.TemporaryDirectory() as folder:
        for name, sketch in zip(("sketch.py", "agent.py"), sketches):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(sketch)
        started = []

        def start(name, *arguments):
            command = [sys.executable, os.path.join(folder, name), endpoint, *arguments]
            started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            return started[-1]

        try:
            for run in (run_connector, run_agent):
                endpoint = f"ipc://{folder}/{run.__name__}"
                run(Broker(endpoint), start)
                print(run.__name__, "passed")
        finally:
            for process in started:
                process.kill()
                process.wait()


main()
