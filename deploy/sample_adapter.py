#!/usr/bin/env python3
"""A whole adapter on a page: its platform is two files.

Reads posts from POSTS, a file of JSON lines as worker/connect/ADAPTERS.md describes them, and publishes replies by adding
them to REPLIES. Remembers in POSTS.cursor how far the posts are taken, and goes on there after a restart. A reply whose
key stands in REPLIES already is confirmed and not published again, so run it with `behalf-connect --idempotent`.
"""
import argparse, json, os, sys, threading

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("posts", metavar="POSTS")
parser.add_argument("replies", metavar="REPLIES")
parser.add_argument("--wait", type=float, default=0, metavar="SECONDS", help="pause between two posts, as a platform would")
parser.add_argument("--end", action="store_true", help="end when all posts are taken, instead of watching for further ones")
options = parser.parse_args()

cursor_path = options.posts + ".cursor"
writing = threading.Lock()          # one line at a time
answered = threading.Semaphore(0)   # the line that feed() waits for was taken or refused
stopping = threading.Event()        # standard input has ended


def say(line):
    with writing:
        sys.stdout.buffer.write(line.strip() + b"\n")
        sys.stdout.flush()


def read_cursor():
    try:
        with open(cursor_path) as file:
            return int(file.read())
    except FileNotFoundError:
        return 0


def write_cursor(offset):  # whole or not at all, also when the power fails
    with open(cursor_path + ".new", "w") as file:
        file.write(str(offset))
        file.flush()
        os.fsync(file.fileno())
    os.replace(cursor_path + ".new", cursor_path)


def feed():
    """Brings one line after the other, and moves the cursor only when the line is on Behalf's disk."""
    with open(options.posts, "rb") as file:
        file.seek(read_cursor())
        while not stopping.is_set():
            line = file.readline()
            if not line.endswith(b"\n") and not (line and options.end):  # the end, or a line being written
                if options.end:
                    break
                file.seek(-len(line), os.SEEK_CUR)
                stopping.wait(0.5)
                continue
            if line.strip():
                say(line)
                answered.acquire()
                if stopping.is_set():
                    return
            write_cursor(file.tell())
            stopping.wait(options.wait)
    os._exit(0)  # only with --end; else standard input ends first


def published_keys():
    """The keys in REPLIES; a last line that was cut by a crash was not published, and goes."""
    keys = set()
    with open(options.replies, "ab+") as file:
        file.seek(0)
        whole = 0
        for line in file:
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            keys.add(json.loads(line)["key"])
        file.truncate(whole)
    return keys


def publish(reply, keys):
    if reply["key"] not in keys:
        with open(options.replies, "ab") as file:
            file.write(json.dumps(reply, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        keys.add(reply["key"])
    say(json.dumps({"type": "confirmed", "reply": reply["reply"], "reference": "published-" + reply["key"][:24]}).encode())


def main():
    keys = published_keys()
    threading.Thread(target=feed, daemon=True).start()
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if message["type"] == "reply":
            publish(message, keys)
        elif message["type"] == "refused" and message.get("of") == "confirmed":
            pass  # told before; nothing to do
        elif message["type"] in ("taken", "refused"):
            if message["type"] == "refused":
                print("refused:", message["code"], message["reason"], file=sys.stderr, flush=True)
            answered.release()
    stopping.set()
    answered.release()


main()
