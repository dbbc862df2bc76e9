"""promise_test.py - the promise of PROTOCOL.md under kill -9: a broker process is killed many times under load.

People, connectors and a feed run under a seed in one thread; each kill cuts them off in the middle of whatever
they do.  What the broker told anybody is written down as it is heard and held against the store at the end:

  - every post answered TAKEN is in the store under the item told, once, and its item has an outcome;
  - no lease was shown to two people, and none did anything under a lease older than one seen before;
  - every answer that was DONE is a reply in the outbox, disclosed, with its text;
  - no reply was handed out twice unless its connector is idempotent, and none that no one wrote;
  - what is sensitive and was not given back by PR, and what PR wrote, was never shown to an agent;
  - counts add up.

Arguments: behalf-broker [seed [kills [postgres-cluster]]]; with the last, a program of the tests that runs a server, the
store is PostgreSQL.  Exit code 77: pyzmq, msgpack or PostgreSQL is absent.
"""

import os
import random
import shutil
import sqlite3
import sys
import time
from collections import Counter, defaultdict, deque

from broker_client import Broker, Client, PostgresCluster, StoredBroker, connector, person

KILLS = 50
AGENTS = ["asha", "ben", "chloe", "dan"]
PR = ["petra", "paul"]
SECRET, PR_ONLY = "lawyer", "PRONLY"
DISCLOSED = ("from Northline, answering for Acme.", "from Northline, answering for Bolt.", ", Acme", ", Bolt")
DRAIN_S = 60
DRAIN_S_A_KILL = 0.4  # more, as each kill leaves work
TRAIL = 12            # what was said and heard of an item last, kept for when it fails
OLD_MS = 1430000000000


class World:
    """Everything that was heard, and by whom."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.made = []          # posts as sent, by their request
        self.taken = {}         # platform's id -> item
        self.posts = {}         # platform's id -> body of POST
        self.lease_of = {}      # (item, lease) -> person
        self.newest_lease = {}  # item -> the newest lease heard of
        self.answered = {}      # reply -> text, of answers that were DONE
        self.released = set()   # items that PR gave back, posts and all
        self.edited = set()     # platform's ids of posts that became sensitive, perhaps after the end of their item
        self.doubtful = []      # (post, items released by then, entry) shown to agents: judged by the store at the end
        self.published = {}     # reply -> the instance that had it last, and the attempt
        self.settled = {}       # reply -> fate, of SETTLE that was DONE
        self.repeated = set()   # those of them that were told as repeated alone: first or again, it may have been too late
        self.counts = Counter()
        self.trails = defaultdict(lambda: deque(maxlen=TRAIL))

    def fail(self, *what):
        raise AssertionError(" ".join(str(part) for part in what))


# ---- people ----

class Worker:
    """A person who takes what is offered and does something with it."""

    def __init__(self, world, broker, name, pr):
        self.world, self.name, self.pr = world, name, pr
        self.client = person(broker, name)
        self.views = {}     # item -> ITEM as last shown
        self.asked = {}     # request -> (item, lease, newest lease known when asked, text)

    def ask(self, type, item, lease, written=None, **body):
        known = self.world.newest_lease.get(item, 0)
        id = self.client.request(type, item=item, lease=lease, **body)
        self.asked[id] = (item, lease, known, written)
        self.trail(item, "asks", type, "under", lease, id)

    def trail(self, item, *what):
        self.world.trails[item].append(" ".join(str(part) for part in (f"{time.monotonic():.3f}", self.name, *what)))

    def is_asking_about(self, item):
        return any(asked[0] == item for asked in self.asked.values())

    def see(self, body):
        item, lease = body["item"], body["lease"]
        self.trail(item, "sees", body["state"], lease, body.get("fate_unknown", False))
        owner = self.world.lease_of.setdefault((item, lease), self.name)
        if owner != self.name:
            self.world.fail("item", item, "lease", lease, "was shown to", owner, "and to", self.name)
        self.world.newest_lease[item] = max(lease, self.world.newest_lease.get(item, 0))
        if not self.pr:
            self.check_seen(body)
        self.world.counts["shown"] += 1
        self.views[item] = body
        if self.is_asking_about(item):
            return
        if body["state"] == "held":
            self.work(item, lease, body.get("fate_unknown", False))
        elif self.world.chance.random() < 0.95:
            self.ask("TAKE", item, lease)
        else:
            self.ask("DECLINE", item, lease, reason="not mine")

    def check_seen(self, body):
        """An agent sees nothing of PR's, but the posts of items that PR gave back to the agents."""
        for entry in body.get("story", []):
            item = self.world.taken.get(entry.get("post"), body["item"])
            if SECRET in repr(entry) and not self.world.released & {item, body["item"]}:
                self.world.doubtful.append((entry.get("post"), frozenset(self.world.released), entry))
        if PR_ONLY in repr(body) or body["audience"] != "agent":
            self.world.fail(self.name, "was shown what is PR's:", body)

    def work(self, item, lease, fate_unknown=False):
        dice = self.world.chance.random()
        if fate_unknown:
            self.ask("CLOSE", item, lease, outcome="handed-off", note="somebody looks at the platform")
        elif dice < 0.75:
            text = f"{PR_ONLY if self.pr else 'We'} look after {item} now ({lease})"
            self.ask("ANSWER", item, lease, text, text=text)
        elif dice < 0.83:
            self.ask("CLOSE", item, lease, outcome="no-answer-needed")
        elif dice < 0.90 and not self.pr:
            self.ask("ESCALATE", item, lease, reason="over my head")
        elif dice < 0.90:
            self.world.released.add(item)
            self.ask("RETURN", item, lease, guidance="answer as usual")
        elif dice < 0.95:
            self.ask("NOTE", item, lease, text=f"{PR_ONLY if self.pr else 'seen'} {item}")
        else:
            self.ask("PARK", item, lease, until_ms=int(time.time() * 1000) + 1500)

    def hear(self):
        for type, id, body, asked in self.client.pump():
            if type == "ITEM":
                self.see(body)
            elif type == "GONE":
                self.trail(body["item"], "hears GONE")
                self.views.pop(body["item"], None)
            elif type == "WELCOME":
                self.views = {}
            elif type == "PRESENCE":
                self.client.request("PRESENCE", state="available")
            elif id in self.asked:
                self.answered(type, body, asked, *self.asked.pop(id))

    def answered(self, type, body, asked, item, lease, known, text):
        self.trail(item, "hears", type, "to", asked, "under", lease, body)
        self.world.counts[f"{asked} {type if type != 'ERROR' else body['code']}"] += 1
        if type == "ERROR":
            late = asked == "PARK" and body["code"] == "INVALID"  # repeated when its time was over
            if not late and body["code"] not in ("STALE", "STATE", "CAPACITY", "NOT_FOUND"):
                self.world.fail(self.name, asked, "refused:", body)
            view = self.views.pop(item, None)
            if view is not None and view["lease"] > lease:
                self.see(view) # came while the older lease was asked about
            elif late and view is not None:
                self.views[item] = view
                self.work(item, lease) # it is still held
            return
        if lease < known and not body.get("repeated"):
            self.world.fail(self.name, asked, "took effect under lease", lease, "of item", item, "when", known, "was known")
        if asked in ("ANSWER", "APPROVE"):
            self.world.answered[body["reply"]] = text
        view = self.views.get(item)
        if view is not None and view["lease"] > lease:
            self.see(view) # it came back while this was asked about: the answer is a repeat, of before a kill
        elif asked in ("TAKE", "NOTE"):
            if self.client.welcome is not None:
                self.work(item, lease, (view or {}).get("fate_unknown", False))
        else:
            self.views.pop(item, None)


# ---- connectors ----

class Feed:
    """Brings posts in, some twice, edits and deletes some."""

    def __init__(self, world, broker):
        self.world, self.client, self.asked, self.open = world, connector(broker, "feed"), {}, True
        self.number = 0

    def make(self):
        chance = self.world.chance
        self.number += 1
        id = f"p{self.number}"
        thread = id if chance.random() < 0.7 else f"t{chance.randrange(self.number // 10 + 1)}"
        secret = chance.random() < 0.15
        body = {"channel": chance.choice(["chirp", "mail"]), "post": id, "brand": chance.choice(["acme", "bolt"]),
                "author": f"@a{chance.randrange(200)}" if thread == id else f"@{thread}", "thread": thread,
                "text": f"Where is my bag number {self.number}?" + (f" My {SECRET} asks." if secret else ""),
                "posted_ms": chance.choice([0, OLD_MS + self.number, int(time.time() * 1000)])}
        if thread != id:
            body["channel"], body["brand"] = "chirp", "acme"
        return {key: value for key, value in body.items() if value != 0}

    def send_post(self, body):
        self.world.posts[body["post"]] = body
        self.asked[self.client.request("POST", **body)] = body["post"]

    def feed(self):
        chance = self.world.chance
        while self.open and self.client.welcome is not None and len(self.client.waiting) < 24:
            if self.world.taken and chance.random() < 0.06:
                body = self.world.posts[chance.choice(list(self.world.taken))]
                name = {key: body[key] for key in ("channel", "post", "posted_ms") if key in body}
                what = chance.random()
                if what < 0.4:
                    self.send_post(body)
                elif what < 0.8:
                    if what > 0.7:
                        self.world.edited.add(body["post"])
                    self.client.request("EDIT", **name, text="Where is it?" + (f" The {SECRET}!" if what > 0.7 else ""))
                else:
                    self.client.request("DELETE", **name)
            else:
                self.send_post(self.make())

    def hear(self):
        for type, id, body, asked in self.client.pump():
            if asked is not None:
                self.world.counts[f"{asked} {type if type != 'ERROR' else body['code']}"] += 1
            if type == "ERROR":
                self.world.fail("feed:", asked, body)
            if asked == "POST":
                post = self.asked.pop(id)
                item = self.world.taken.setdefault(post, body["item"])
                if item != body["item"] and not (body.get("repeated") and post in self.world.edited):
                    self.world.fail("post", post, "was taken into", item, "and into", body["item"])
        self.feed()


class Outlet:
    """Publishes replies of a channel.  Its process dies now and then: it comes back as another instance."""

    def __init__(self, world, broker, channel, idempotent):
        self.world, self.broker, self.channel, self.idempotent, self.starts = world, broker, channel, idempotent, 0
        self.asked = {}
        self.restart()

    def restart(self):
        self.starts += 1
        self.instance = f"{self.channel}-{self.starts}"
        self.client = connector(self.broker, f"{self.channel}-out", [self.channel], self.idempotent, self.instance)
        self.asked = {}

    def publish(self, body):
        reply = body["reply"]
        had = self.world.published.get(reply)
        if not body["text"].endswith(DISCLOSED):
            self.world.fail("undisclosed:", body)
        if had == (self.instance, body["attempt"]) and body.get("again"):
            return
        if had is not None and not self.idempotent:
            self.world.fail("reply", reply, "was handed to", had, "and to", self.instance, body)
        self.world.published[reply] = (self.instance, body["attempt"])
        dice = self.world.chance.random()
        fate = "confirmed" if dice < 0.9 else "failed" if dice < 0.96 else "unknown"
        self.asked[self.client.request("SETTLE", reply=reply, fate=fate, reference=f"r{reply}")] = (reply, fate)

    def hear(self):
        for type, id, body, asked in self.client.pump():
            if type == "REPLY":
                self.publish(body)
            elif id in self.asked:
                reply, fate = self.asked.pop(id)
                self.world.counts[f"SETTLE {type if type != 'ERROR' else body['code']}"] += 1
                if type == "DONE" and reply not in self.world.settled:
                    self.world.settled[reply] = fate
                    if body.get("repeated"):
                        self.world.repeated.add(reply)


# ---- the run ----

class Run:
    def __init__(self, broker, seed):
        self.world = World(seed)
        self.broker = broker
        self.feed = Feed(self.world, self.broker)
        self.outlets = [Outlet(self.world, self.broker, "chirp", False), Outlet(self.world, self.broker, "mail", True)]
        self.people = [Worker(self.world, self.broker, name, name in PR) for name in AGENTS + PR]
        self.actors = [self.feed, *self.outlets, *self.people]

    def start(self):
        begun = time.monotonic()
        self.broker.start()
        self.starting = time.monotonic() - begun
        for actor in self.actors:
            actor.client.begin()

    def hear(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for actor in self.actors:
                actor.hear()

    def kill(self):
        self.broker.kill()
        for actor in self.actors: # what was spoken before the end still counts
            actor.hear()
            actor.client.welcome = None
        for outlet in self.outlets:
            if self.world.chance.random() < 0.1:
                outlet.restart()

    def drain(self, kills):
        """Runs on without kills and posts until nothing is open."""
        self.feed.open = False
        seconds = DRAIN_S + kills * DRAIN_S_A_KILL
        end = time.monotonic() + seconds
        while self.feed.client.waiting or self.open_items():
            if time.monotonic() > end:
                left = self.open_items()[:20]
                for row in left[:3]:
                    print(f"item {row[0]}:", *self.world.trails[row[0]], sep="\n    ", flush=True)
                self.world.fail("after", seconds, "s still open:", left, len(self.feed.client.waiting), "posts unanswered")
            self.hear(0.3)

    def query(self, text):
        database = sqlite3.connect(f"file:{self.broker.database()}?mode=ro", uri=True)
        try:
            return database.execute(text).fetchall()
        finally:
            database.close()

    def open_items(self):
        return self.query("SELECT item, state, audience, person, fate_unknown FROM item WHERE state <> 'closed'")

    # ---- the judgement ----

    def judge(self):
        self.judge_posts()
        self.judge_replies()
        self.judge_sealed()

    def judge_posts(self):
        rows = self.query("SELECT post, item FROM post ORDER BY item DESC")
        stored = dict(rows)
        twice = [post for post, count in Counter(row[0] for row in rows).items() if count > 1]
        if len(set(rows)) != len(rows) or set(twice) - self.world.edited:
            self.world.fail("a post was taken twice:", twice)
        for post, item in self.world.taken.items():
            if stored.get(post) != item:
                self.world.fail("post", post, "was TAKEN into item", item, "and is in", stored.get(post))
        items = {row[0] for row in self.query("SELECT item FROM item")}
        ended = [row[0] for row in self.query("SELECT item FROM outcome")]
        if set(ended) != items or len(ended) != len(items):
            self.world.fail("items without an outcome:", sorted(items - set(ended)))
        if {item for _, item in rows} != items:
            self.world.fail("items without a post")
        counted = self.query("SELECT sum(numbered) FROM item")[0][0]
        if counted != len(rows):
            self.world.fail("items count", counted, "posts,", len(rows), "are there")

    def judge_replies(self):
        replies = {row[0]: row for row in self.query("SELECT reply, text, state, idempotent, attempt FROM reply")}
        for reply, text in self.world.answered.items():
            if reply not in replies or not replies[reply][1].startswith(text):
                self.world.fail("an answer that was DONE is not in the outbox:", reply, text, replies.get(reply))
        for reply in self.world.published:
            if reply not in replies:
                self.world.fail("a reply was handed out that is not in the store:", reply)
        for reply, fate in self.world.settled.items():
            late = reply in self.world.repeated and replies[reply][2] == "unknown"
            if fate == "confirmed" and replies[reply][2] != "confirmed" and not late:
                self.world.fail("reply", reply, "was confirmed and is", replies[reply][2])
        answered = self.query("SELECT reply FROM outcome WHERE outcome = 'answered'")
        for (reply,) in answered:
            if replies[reply][2] != "confirmed":
                self.world.fail("an item ended answered by a reply that is", replies[reply])
        for reply, row in replies.items():
            if row[2] in ("queued", "handed"):
                self.world.fail("left in the outbox:", row)
            if not row[3] and row[4] > 1:
                self.world.fail("a reply was handed out again by a connector that cannot repeat:", row)

    def judge_sealed(self):
        bare = self.query(f"SELECT item FROM post WHERE (text LIKE '%{SECRET}%' OR edited_text LIKE '%{SECRET}%')"
                          " AND NOT sealed AND NOT sensitive")
        bare = [item for (item,) in bare if item not in self.world.released]
        if bare:
            self.world.fail("sensitive posts of these items are not sealed:", bare)

        rows = self.query("SELECT post, item FROM post")
        for post, released, entry in self.world.doubtful:
            # An edit after the end of its item made a further one, which PR may have given back.
            if not released & {row[1] for row in rows if row[0] == post}:
                self.world.fail("an agent was shown a sensitive post:", entry)
        latest = dict(self.query("SELECT post, max(item) FROM post WHERE post IN"
                                 f" (SELECT post FROM post WHERE edited_text LIKE '%{SECRET}%') GROUP BY post"))
        sealed = {item for (item,) in self.query("SELECT item FROM item WHERE sealed")}
        missed = {post: item for post, item in latest.items() if item not in sealed | self.world.released}
        if missed:
            self.world.fail("PR has not had what became sensitive:", missed)

    def summary(self, kills, seconds):
        outcomes = dict(self.query("SELECT outcome, count(*) FROM outcome GROUP BY outcome"))
        print(f"{kills} kills in {seconds:.0f} s; {len(self.world.taken)} posts, {sum(outcomes.values())} items,",
              f"{len(self.world.published)} replies handed out")
        print("outcomes:", outcomes)
        print("heard:", dict(sorted(self.world.counts.items())))


class StoredRun(Run):
    """The same on PostgreSQL."""

    def __init__(self, broker, seed, cluster):
        super().__init__(broker, seed)
        self.cluster = cluster

    def query(self, text):
        return self.cluster.query(text)


def main(program, seed, kills, server=None):
    print(f"SEED={seed} KILLS={kills}", flush=True)
    begun = time.monotonic()
    cluster = PostgresCluster(server) if server else None
    run = (StoredRun(StoredBroker(program, cluster.url), seed, cluster) if server else
           Run(Broker(program, heartbeat_ms=1000, more=["--person-rate", "0"]), seed))
    try:
        for kill in range(kills):
            run.start()
            run.hear(run.world.chance.uniform(0.05, 0.6))
            run.kill()
            if kill % 50 == 49:
                print(f"{kill + 1} kills, {len(run.world.taken)} posts, {time.monotonic() - begun:.0f} s", flush=True)
        run.start()
        run.drain(kills)
        if run.broker.stop() != 0:
            run.world.fail("it did not stop cleanly")
        run.judge()
        run.summary(kills, time.monotonic() - begun)
    except BaseException:
        print(f"SEED={seed} store={run.broker.folder}\n" + run.broker.tail(), flush=True)
        raise
    finally:
        run.broker.end()
        if cluster:
            cluster.end()
    shutil.rmtree(run.broker.folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32),
         int(sys.argv[3]) if len(sys.argv) > 3 else KILLS, *sys.argv[4:5])
