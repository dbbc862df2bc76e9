"""real_posts_test.py - the real posts, from the files to the outcomes.

Feeds all of airline_sentiment.csv and langid_carter5.csv with behalf-ctl into a broker on a fresh folder.  Scripted people
take, decline, park, answer, close, escalate, return and approve; behalf-connect hands the replies to an adapter that
writes down what it publishes.  When all is closed it is added up from four sides that share no code: what the files hold,
what each client was shown and did, what the adapter published, and what stands in the store.  Then both files are fed
again, which must change nothing.

The data are not part of the project: without them the test is skipped.  No text of theirs is printed.
"""

import argparse
import collections
import csv
import datetime
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True

from broker_client import Broker, Client
import msgpack
import zmq

import real_posts_rules as rules

HERE = os.path.dirname(os.path.abspath(__file__))
FILES = ("airline_sentiment.csv", "langid_carter5.csv")
WORK_S, FEED_S, STANDSTILL_S = 480, 300, 60

GUIDANCE = "Not for the press office: say sorry and ask for the reference."
UPSET = ("worst", "never fly", "unacceptable")  # what an agent takes to the press office
ANSWER = {
    "en": "Thank you for telling us, and sorry for the trouble. Please send us your reference in a private message.",
    "de": "Danke für den Hinweis, das tut uns leid. Schicken Sie uns bitte Ihre Nummer als private Nachricht.",
    "fr": "Merci de nous l'avoir dit, et pardon. Envoyez-nous votre référence en message privé.",
    "es": "Gracias por avisarnos, y disculpa. Envíanos tu referencia por mensaje privado.",
    "nl": "Bedankt voor je bericht, en sorry. Stuur ons je nummer in een privébericht.",
}
STALE = ("STALE", "STATE", "NOT_FOUND")  # somebody or something was faster


class Failure(Exception):
    pass


def require(condition, *words):
    if not condition:
        raise Failure(" ".join(str(word) for word in words))


def require_equal(what, one, other):
    if one == other:
        return
    if isinstance(one, dict) and isinstance(other, dict):
        keys = [key for key in sorted(set(one) | set(other), key=str) if one.get(key) != other.get(key)]
        differing = "; ".join(f"{key}: {one.get(key)} and {other.get(key)}" for key in keys[:10])
        raise Failure(f"{what} differ at {len(keys)} places: {differing}")
    raise Failure(f"{what} differ: {str(one)[:300]} and {str(other)[:300]}")


# ---- what the files hold ----

Row = collections.namedtuple("Row", "channel post brand author text thread reach posted_ms label")


def read_rows(folder):
    """Every row of both files, by (channel, post), and how many rows each file has."""
    rows, counts = {}, {}
    for name in FILES:
        counts[name] = 0
        with open(os.path.join(folder, name), encoding="utf-8", newline="") as file:
            for fields in csv.DictReader(file):
                row = airline_row(fields) if name == FILES[0] else other_row(fields)
                counts[name] += 1
                require(rows.setdefault((row.channel, row.post), row) == row, name, "has different rows of one id")
    return rows, counts


def airline_row(fields):
    at = datetime.datetime.strptime(fields["tweet_created"], "%Y-%m-%d %H:%M:%S %z")
    return Row("twitter", fields["tweet_id"], rules.AIRLINES[fields["airline"]], fields["name"], fields["text"],
               fields["name"], int(fields["retweet_count"]), int(at.timestamp() * 1000), "en")


def other_row(fields):
    return Row("microblog", fields["id"], rules.OTHER_BRAND, fields["id"], fields["text"], fields["id"], 0, 0,
               fields["lang"])


# ---- the people ----

class Person(Client):
    """A scripted person.  Keeps every frame it was sent, and notes at once what it should never have been offered."""

    def __init__(self, broker, name, sensitive_posts):
        super().__init__(broker, role="person", name=name)
        self.name, self.who, self.sensitive_posts = name, rules.PEOPLE[name], sensitive_posts
        self.frames, self.complaints = [], []
        self.items = {}             # with this person now: item -> ITEM
        self.most = 0
        self.decided = set()        # (item, lease, state)
        self.once = set()           # (what, item): what is done to an item only once
        self.asked = {}             # request -> (what, ITEM, the outcome or text meant)
        self.did = collections.Counter()
        self.closed = collections.Counter()
        self.replies = {}           # reply -> (whose it is, audience, text)
        self.stale = 0
        self.shown = {}             # item -> every ITEM about it
        self.counts = None

    def receive(self, timeout=20):
        if self.socket.poll(int(timeout * 1000)) == 0:
            return None
        self.heard = time.monotonic()
        frame = self.socket.recv()
        self.frames.append(frame)
        return tuple(msgpack.unpackb(frame))

    def work(self):
        """Deals with what came; returns how much that was."""
        count = 0
        for type, id, body, asked in self.pump():
            count += 1
            if type == "WELCOME" and "supervisor" not in self.who["roles"]:
                self.request("PRESENCE", state="available")
            elif type == "ITEM":
                self.be_shown(body)
            elif type == "GONE":
                self.items.pop(body["item"], None)
            elif type == "DONE":
                self.be_done(body, *self.asked.pop(id, (None, None, None)))
            elif type == "ERROR":
                self.be_refused(body, *self.asked.pop(id, (None, None, None)))
            elif type == "COUNTS":
                self.counts = body
            elif type == "PRESENCE":
                self.complaints.append(f"the broker made {self.name} {body['state']}: {body.get('reason')}")
        require(self.ended is None, self.name, "was signed out:", self.ended)
        return count

    def be_shown(self, item):
        self.shown.setdefault(item["item"], []).append(item)
        self.items[item["item"]] = item
        self.most = max(self.most, len(self.items))
        if len(self.items) > self.who["capacity"]:
            self.complaints.append(f"{self.name} has {len(self.items)} items at once")
        skills = [one for one in item.get("skills", "").split(",") if one]
        if not rules.may_serve(self.who, item["audience"], item["brand"], item["language"], skills):
            self.complaints.append(f"{self.name} was shown item {item['item']}, {item['audience']} of {item['brand']} "
                                   f"in {item['language']} with {skills}")
        if item["audience"] != "pr" and self.knows_sensitive(item):
            self.complaints.append(f"{self.name} was shown a sensitive post in item {item['item']}")
        self.consider(item)

    def knows_sensitive(self, item):
        return any((item["channel"], entry.get("post")) in self.sensitive_posts for entry in item["story"])

    def be_done(self, done, what, item, meant):
        if what is None:
            return
        self.did[what] += 1
        if done["state"] == "held":
            return  # the ITEM follows
        if self.items.get(item["item"], {}).get("lease") == item["lease"]:
            del self.items[item["item"]]
        if what == "CLOSE":
            self.closed[meant] += 1
        if done["state"] == "sending":
            author = item["draft_by"] if what == "APPROVE" else self.name
            audience = "agent" if what == "APPROVE" else item["audience"]
            self.replies[done["reply"]] = (author, audience, meant)

    def be_refused(self, error, what, item, meant):
        if what and error["code"] in STALE:
            self.stale += 1
        else:
            self.complaints.append(f"{self.name}: {what} refused: {error}")

    # ---- how they decide: by the item's number and words, so that every way is gone ----

    def consider(self, item):
        mark = (item["item"], item["lease"], item["state"])
        if mark in self.decided:
            return
        self.decided.add(mark)
        if item["state"] == "offered":
            if item["item"] % 29 == 0 and self.first_time("decline", item):
                self.act("DECLINE", item, reason="something else is on my mind")
            else:
                self.act("TAKE", item)
        elif item["audience"] == "approver":
            self.approve(item)
        elif item["audience"] == "pr":
            self.work_as_pr(item)
        else:
            self.work_as_agent(item)

    def first_time(self, what, item):
        mark = (what, item["item"])
        new = mark not in self.once
        self.once.add(mark)
        return new

    def act(self, what, item, meant=None, **fields):
        self.asked[self.request(what, item=item["item"], lease=item["lease"], **fields)] = (what, item, meant)

    def approve(self, item):
        if item["item"] % 7 == 0 and self.first_time("reject", item):
            self.act("REJECT", item, reason="say when we come back to them")
        else:
            self.act("APPROVE", item, item["draft"], text=item["draft"])

    def work_as_pr(self, item):
        if item.get("reason", "").startswith("upset: ") and item["item"] % 2 and not self.knows_sensitive(item):
            self.act("RETURN", item, guidance=GUIDANCE)
        elif item["item"] % 5 == 0:
            self.act("CLOSE", item, "handed-off", outcome="handed-off", note="the lawyers have it")
        else:
            text = "Thank you for telling us directly. A colleague of our office will write to you today."
            self.act("ANSWER", item, text, text=text)

    def work_as_agent(self, item):
        entries = item["story"]
        words = " ".join(entry.get("text", "") for entry in entries if entry["kind"] == "post").casefold()
        guided = any(entry["kind"] == "guidance" for entry in entries)
        if item["item"] % 97 == 0 and self.first_time("park", item):
            now_ms = self.welcome["now_ms"] + int((time.monotonic() - self.greeted) * 1000)
            self.act("PARK", item, until_ms=now_ms + 2000, reason="waiting for the airport")
        elif not guided and any(word in words for word in UPSET):
            self.act("ESCALATE", item, reason="upset: please have a look")
        elif not guided and "thank" in words and "?" not in words:
            self.act("CLOSE", item, "no-answer-needed", outcome="no-answer-needed", note="only thanks")
        else:
            text = ANSWER[item["language"]] + (" We write again by tomorrow." if item["item"] % 3 == 0 else "")
            self.act("ANSWER", item, text, text=text)


class Staff:
    """All people, driven from one thread."""

    def __init__(self, broker, sensitive_posts):
        self.broker = broker
        self.people = {name: Person(broker, name, sensitive_posts) for name in rules.PEOPLE}
        self.poller = zmq.Poller()
        self.by_socket = {}
        self.asked_at = 0.0
        for person in self.people.values():
            person.begin()
            self.poller.register(person.socket, zmq.POLLIN)
            self.by_socket[person.socket] = person
        self.supervisor, self.looking = self.people["sam"], [self.people[name] for name in ("sam", "sol", "petra")]

    def work(self, wait_ms=50):
        count = sum(self.by_socket[socket].work() for socket, _ in self.poller.poll(wait_ms))
        if time.monotonic() - self.asked_at > 0.25:
            self.asked_at = time.monotonic()
            for person in self.people.values():
                person.work()  # heartbeats
                require(person.socket in self.by_socket, person.name, "was cut off\n" + self.broker.tail())
            if self.supervisor.welcome and not self.supervisor.waiting:
                self.supervisor.request("STATUS")
                for person in self.looking:
                    person.request("LOOK", limit=200)
        require(self.broker.process.poll() is None, "the broker has ended:\n" + self.broker.tail())
        return count

    def are_signed_in(self):
        return all(person.welcome and not person.waiting for person in self.people.values())

    def count(self):
        """Works until the supervisor is told counts; returns how many items have ended, and the queues with others."""
        self.supervisor.counts = None
        end = time.monotonic() + 20
        while self.supervisor.counts is None:
            require(time.monotonic() < end, "the supervisor was told no counts\n" + self.broker.tail())
            self.work()
        counts = self.supervisor.counts
        states = ("waiting", "offered", "held", "parked", "sending")
        return counts.get("closed", 0), [queue for queue in counts.get("queues", []) if any(map(queue.get, states))]


# ---- feeding ----

def feed_arguments(options, broker, name, folder):
    mapping = ["--map", "post=id", "--map", "author=id", "--brand", rules.OTHER_BRAND, "--channel", "microblog"]
    if name == FILES[0]:
        values = os.path.join(folder, "brands.csv")
        with open(values, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("from", "to"), *rules.AIRLINES.items()])
        mapping = ["--channel", "twitter"]
        for pair in ("post=tweet_id", "author=name", "thread=name", "brand=airline", "posted_ms=tweet_created",
                     "reach=retweet_count"):
            mapping += ["--map", pair]
        mapping += ["--values", f"brand={values}"]
    return [options.ctl, "feed", "--broker", broker.endpoint, "--json", "--strict", *mapping,
            os.path.join(options.data, name)]


def feed(options, broker, staff, name, folder):
    """Feeds a file, while people work if there are any; returns the summary."""
    process = subprocess.Popen(feed_arguments(options, broker, name, folder), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    end = time.monotonic() + FEED_S
    try:
        while process.poll() is None:
            require(time.monotonic() < end, name, "was not fed in time\n" + broker.tail())
            if staff is not None:
                staff.work()
            else:
                time.sleep(0.02)
        output, complaints = process.communicate(timeout=20)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    require(process.returncode == 0, "behalf-ctl feed", name, "failed:", complaints.decode(errors="replace")[-2000:])
    return json.loads(output)


def control(options, broker, *arguments):
    done = subprocess.run([options.ctl, arguments[0], "--broker", broker.endpoint, *arguments[1:]], timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)
    require(done.returncode == 0, "behalf-ctl", *arguments, "failed:", done.stderr.decode(errors="replace")[-2000:])
    return [json.loads(line) for line in done.stdout.splitlines()]


def work_until_closed(staff):
    begun = moved = time.monotonic()
    closed = -1
    while True:
        now_closed, still_open = staff.count()
        if not still_open:
            return now_closed
        if now_closed != closed:
            closed, moved = now_closed, time.monotonic()
        require(time.monotonic() - moved < STANDSTILL_S, "nothing was closed for a while; open:", still_open[:5])
        require(time.monotonic() - begun < WORK_S, "not everything was closed in time; open:", still_open[:5])


# ---- what stands in the store ----

class Store:
    def __init__(self, path):
        self.connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)
        self.connection.row_factory = sqlite3.Row

    def rows(self, table, order):
        return [dict(row) for row in self.connection.execute(f"SELECT * FROM {table} ORDER BY {order}")]

    def read(self):
        self.posts = self.rows("post", "item, number")
        self.items = {row["item"]: row for row in self.rows("item", "item")}
        self.outcomes = {row["item"]: row for row in self.rows("outcome", "ended")}
        self.replies = {row["reply"]: row for row in self.rows("reply", "reply")}
        self.events = self.rows("event", "sequence")
        self.first_post = {row["item"]: row for row in self.posts if row["number"] == 1}
        return self

    def picture(self, tables):
        """The tables as they are; of the desk's row not its clock, its owner, and its proofs of commits."""
        left_out = ("clock_ms", "epoch", "owner", "confirmed")
        return {table: collections.Counter(tuple((key, row[key]) for key in row.keys() if key not in left_out)
                                           for row in self.connection.execute(f"SELECT * FROM {table}"))
                for table in tables}

    def tables(self):
        """All that is kept, under the names by which it is read; the tables behind those are named ..._row and ..._item."""
        return [name for (name,) in self.connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
                if not name.startswith(("sqlite_", "report_")) and not name.endswith(("_row", "_item"))]


# ---- the checks ----

def check_posts(store, files):
    """Every row of the files is on disk once, as it was written, in an item that ended."""
    require_equal("posts on disk and rows of the files", {(row["channel"], row["post"]) for row in store.posts}, set(files))
    require_equal("the number of posts and of different rows", len(store.posts), len(files))
    for row in store.posts:
        wanted = files[(row["channel"], row["post"])]
        found = Row(row["channel"], row["post"], row["brand"], row["author"], row["text"], row["thread"], row["reach"],
                    row["posted_ms"], wanted.label)
        require_equal(f"post {row['post']} and its row", found, wanted)
    require_equal("intake keys and posts", store.connection.execute("SELECT count(*) FROM intake_key").fetchone()[0],
                  len(files))


def check_counts(store):
    require_equal("items and outcomes", set(store.items), set(store.outcomes))
    require_equal("items and the items of posts", set(store.items), {row["item"] for row in store.posts})
    require({row["state"] for row in store.items.values()} == {"closed"}, "items are open in the store")
    require_equal("the posts of outcomes and posts", sum(row["posts"] for row in store.outcomes.values()), len(store.posts))

    def by_queue(table):
        return collections.Counter((row["audience"], row["brand"], row["language"]) for row in table)

    require_equal("items and outcomes by queue", by_queue(store.items.values()), by_queue(store.outcomes.values()))
    ends = collections.Counter(event["queue"] for event in store.events if event["kind"] == "closed")
    wanted = collections.Counter("/".join((row["audience"], row["brand"], row["language"], row["skills"]))
                                 for row in store.items.values())
    require_equal("ends told by events and items by queue", ends, wanted)
    brands = collections.Counter(row["brand"] for row in store.posts)
    posts = collections.Counter()
    for row in store.outcomes.values():
        posts[row["brand"]] += row["posts"]
    require_equal("posts by brand", brands, posts)


def check_replies(store, staff, published):
    """What people answered, what the outbox keeps, and what was published are the same replies."""
    asked = {}
    for person in staff.people.values():
        require(not set(asked) & set(person.replies), "a reply was made twice")
        asked.update(person.replies)
    require_equal("replies of people and of the store", set(asked), set(store.replies))
    texts = collections.Counter(line["reply"] for line in published)
    require(all(count == 1 for count in texts.values()), "a reply was published twice")
    confirmed = {reply for reply, row in store.replies.items() if row["state"] == "confirmed"}
    require({row["state"] for row in store.replies.values()} <= {"confirmed", "failed"}, "a reply has another fate")
    require_equal("confirmed and published replies", confirmed, set(texts))
    answered = {row["item"]: row["reply"] for row in store.outcomes.values() if row["outcome"] == "answered"}
    require_equal("answered items and published replies", set(answered.values()), confirmed)
    require_equal("the number of answered items and of published replies", len(answered), len(published))
    for line in published:
        row, (author, audience, text) = store.replies[line["reply"]], asked[line["reply"]]
        wanted = f"{text} {rules.disclosure(rules.PEOPLE[author], audience, row['brand'])}"
        require_equal("a reply as published and as disclosed", (line["text"], row["text"], row["person"]),
                      (wanted, wanted, author))
        require(len(line["text"]) <= 280, "a reply is too long")
        # The newest by the platform's time: the rows of the files are not in its order, and those fed late join in between.
        newest = max(store.posts_of[line["item"]],
                     key=lambda post: (not post["deleted"], post["posted_ms"] or post["taken_ms"], post["number"]))
        require_equal("where a reply was published",
                      (line["item"], line["brand"], line["channel"], line["author"], line["post"]),
                      (row["item"], row["brand"], newest["channel"], newest["author"], newest["post"]))


def check_people(store, staff):
    """What each person says to have ended is what the outcomes say of them."""
    told, kept = collections.Counter(), collections.Counter()
    for person in staff.people.values():
        for outcome, count in person.closed.items():
            told[(person.name, outcome)] += count
        for reply, (author, _, _) in person.replies.items():
            if store.replies[reply]["state"] == "confirmed":
                told[(author, "answered")] += 1
    for row in store.outcomes.values():
        kept[(row["person"], row["outcome"])] += 1
    noise = kept.pop(("", "noise"), 0)
    require_equal("outcomes of people and of the store", told, kept)
    require_equal("outcomes in all", sum(told.values()) + noise, len(store.outcomes))
    for row in store.outcomes.values():
        who = rules.PEOPLE.get(row["person"])
        require_equal("the agency of an outcome", row["agency"], (who and who["agency"]) or "")


def check_report(store, lines):
    """behalf-ctl outcomes tells the same as the tables."""
    require_equal("items reported and ended", collections.Counter(line["item"] for line in lines),
                  collections.Counter(list(store.outcomes)))
    for line in lines:
        row, first = store.outcomes[line["item"]], store.first_post[line["item"]]
        for key in ("outcome", "brand", "language", "audience", "person", "agency", "posts", "closed_ms", "escalated"):
            require_equal(f"{key} of item {line['item']}", line.get(key, type(row[key])()), row[key])
        require_equal("the post of an outcome", (line["channel"], line["post"], line["author"]),
                      (first["channel"], first["post"], first["author"]))
        reply = store.replies[row["reply"]]["text"] if row["reply"] else ""
        require_equal("the reply of an outcome", line.get("reply", ""), reply)


def check_routing(store, files):
    """Sensitive, noise and skills as judged here; language as the file labels it, as far as that can be told."""
    for row in store.posts:
        wanted = files[(row["channel"], row["post"])]
        if rules.is_sensitive(wanted.text, wanted.reach):
            require(row["sensitive"], f"post {row['post']} is sensitive and the store does not say so")
            require_equal(f"who ended a sensitive item, {row['item']}", store.outcomes[row["item"]]["audience"], "pr")
        elif row["sensitive"]:  # it came to an item of PR's, or follows one
            require(store.outcomes[row["item"]]["escalated"], f"post {row['post']} was sealed without a reason")
    for item, first in store.first_post.items():
        wanted = files[(first["channel"], first["post"])]
        found = set(store.items[item]["skills"].split(",")) - {""}
        least = rules.skills_needed(wanted.text, wanted.brand)
        if rules.is_sensitive(wanted.text, wanted.reach):
            require(not found, f"item {item} is sensitive and needs skills: {found}")
            continue
        # Words in other forms, joined or misspelled are found as well.
        require(first["sensitive"] or least <= found, f"skills of item {item}, post {first['post']}: {found}, not {least}")
        require(found <= rules.skills_allowed(wanted.text, wanted.brand),
                f"skills of item {item}, post {first['post']}: {found} for no word of its text")
    for row in store.outcomes.values():
        if row["outcome"] == "noise":
            text = store.first_post[row["item"]]["text"]
            words = [word for word in text.split() if not word.startswith(("@", "#", "http", "www."))]
            require(not any(one.isalnum() for word in words for one in word if ord(one) < 0x2000),
                    f"item {row['item']} was closed as noise and has words")
    labelled = [row for row in store.posts if row["brand"] == rules.OTHER_BRAND]
    right = sum(row["language"] == files[(row["channel"], row["post"])].label for row in labelled)
    require(right >= 0.9 * len(labelled), f"only {right} of {len(labelled)} posts went to their language")
    return right / len(labelled)


def is_holding(kind):
    return kind in ("offered", "held")


LEAVES = {"declined", "no answer", "withdrawn offer", "lost", "escalated", "returned", "transferred", "parked",
          "submitted", "rejected", "answered", "closed"}
STAYS = {"taken", "follow-up", "merged", "woken", "note", "late", "approved", "reply failed"}


def check_holds(store):
    """By the events, one after the other: never two people, never more than the capacity."""
    holder, load = {}, collections.defaultdict(set)
    for event in store.events:
        item, kind, name = event["item"], event["kind"], event["person"]
        if item == 0:
            continue
        require(is_holding(kind) or kind in LEAVES or kind in STAYS, "an event of a kind unknown here:", kind)
        if is_holding(kind):
            require(holder.setdefault(item, name) == name, f"item {item} was with two people at once")
            load[name].add(item)
            require(len(load[name]) <= rules.PEOPLE[name]["capacity"], name, "had more than their capacity")
        elif kind in LEAVES and item in holder:
            load[holder.pop(item)].discard(item)
    require(not holder, "items are still with somebody by the events")


def check_shown(store, staff):
    """Each item was shown as what it is, to whoever ended it, and with nobody else's posts."""
    place = {(row["channel"], row["post"]): (row["item"], row["brand"], row["author"]) for row in store.posts}
    for person in staff.people.values():
        for number, shown in person.shown.items():
            for item in shown:
                require_equal("the brand of an item shown", item["brand"], store.items[number]["brand"])
                for entry in item["story"]:
                    if entry["kind"] not in ("post", "earlier"):
                        continue
                    belongs, brand, author = place[(item["channel"], entry["post"])]
                    require_equal("brand and author of a post shown", (brand, author), (item["brand"], item["author"]))
                    require((belongs == number) == (entry["kind"] == "post"), "a post was shown in a wrong item")
    for row in store.outcomes.values():
        require_equal("the brands of an item and its outcome", row["brand"], store.first_post[row["item"]]["brand"])
        if row["outcome"] != "noise":
            require(row["item"] in staff.people[row["person"]].shown, row["person"], "ended an item not shown to them")


def check_secrets(store, staff, files):
    """No frame that an agent, approver or supervisor got names a sensitive post or has its text."""
    sensitive = {(row["channel"], row["post"]) for row in store.posts if row["sensitive"]}
    judged = {key for key, row in files.items() if rules.is_sensitive(row.text, row.reach)}
    require(judged <= sensitive, "a sensitive post is not marked so")
    open_texts = "\n".join(row.text for key, row in files.items() if key not in sensitive)
    texts = {key: files[key].text.encode() for key in sensitive if files[key].text not in open_texts}
    require(len(texts) > len(judged) // 2, "too few texts to look for")
    for person in staff.people.values():
        if "pr" in person.who["roles"]:
            continue
        everything = b"\0".join(person.frames)
        for key, text in texts.items():
            require(text not in everything, person.name, "was sent the text of sensitive post", key)
        for frame in person.frames:
            type, _, body = msgpack.unpackb(frame)
            named = {(body["channel"], entry.get("post")) for entry in body.get("story", [])} if type == "ITEM" else set()
            require(not named & sensitive, person.name, "was shown a sensitive post")
    return len(judged), len(sensitive), len(texts)


def check_staff(staff):
    complaints = [complaint for person in staff.people.values() for complaint in person.complaints]
    require(not complaints, f"{len(complaints)} complaints:", *complaints[:10])
    agents = [person for person in staff.people.values() if "agent" in person.who["roles"]]
    idle = [person.name for person in agents if not person.shown]
    require(not idle, "who never had an item:", *idle)
    did = collections.Counter()
    for person in staff.people.values():
        did.update(person.did)
    for what in ("TAKE", "DECLINE", "PARK", "ANSWER", "CLOSE", "ESCALATE", "RETURN", "APPROVE", "REJECT"):
        require(did[what] > 0, "nobody did", what)
    return did


# ---- the course of it ----

class Phases:
    def __init__(self):
        self.times, self.begun = [], time.monotonic()

    def end(self, name):
        now = time.monotonic()
        self.times.append((name, now - self.begun))
        print(f"  {name:<44} {now - self.begun:6.1f} s", flush=True)
        self.begun = now


def start_connector(options, broker, published):
    return subprocess.Popen(
        [options.connect, "--broker", broker.endpoint, "--channel", "twitter", "--channel", "microblog", "--name", "out",
         "--", sys.executable, os.path.join(HERE, "real_posts_adapter.py"), published],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def stop(process):
    """Asks a process of ours to stop; returns its status and what it complained of."""
    process.send_signal(signal.SIGTERM)
    try:
        _, complaints = process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise Failure("a process did not stop when asked") from None
    return process.returncode, (complaints or b"").decode(errors="replace")


def stop_broker(broker):
    status = broker.stop()
    require(status == 0, "behalf-broker ended with", status, broker.tail())


def check_feed(name, summary, taken, repeated):
    found = {key: summary[key] for key in ("taken", "repeated", "skipped", "refused", "rows", "whole")}
    require_equal(f"the summary of {name} and what is right", found,
                  {"taken": taken, "repeated": repeated, "skipped": 0, "refused": 0, "rows": taken + repeated, "whole": True})


def feed_all(options, broker, staff, folder, counts, files, phases):
    for name, channel in zip(FILES, ("twitter", "microblog")):
        different = sum(key[0] == channel for key in files)
        summary = feed(options, broker, staff, name, folder)
        check_feed(name, summary, different, counts[name] - different)
        phases.end(f"feed {name} ({summary['rows_a_second']:.0f} rows/s)")


def require_unchanged(before, after):
    for table, rows in before.items():
        new = [dict(row) for row in (after[table] - rows)][:2]
        require(rows == after[table], f"feeding again changed the table {table}: {sum(rows.values())} rows before,",
                sum(after[table].values()), "after; new:", str(new)[:600])


def feed_again(options, broker, staff, folder, counts, store, phases):
    before = store.picture(store.tables())
    for name in FILES:
        check_feed(name, feed(options, broker, staff, name, folder), 0, counts[name])
    require_unchanged(before, store.picture(before))
    require_equal("items ended, and still open, after feeding again", staff.count(), (len(store.outcomes), []))
    phases.end("feed both again: nothing has changed")


def feed_after_restart(options, broker, folder, counts, store, phases):
    """The broker knows the posts from its store, too; nobody is signed in."""
    tables = [table for table in store.tables() if table not in ("event", "desk")]  # they tell of the restart
    before = store.picture(tables)
    broker.start()
    for name in FILES:
        check_feed(name, feed(options, broker, None, name, folder), 0, counts[name])
    require_unchanged(before, store.picture(tables))
    require(not store.connection.execute("SELECT count(*) FROM item WHERE state <> 'closed'").fetchone()[0],
            "items are open after a restart")
    phases.end("restart, feed both again: nothing has changed")


def read_published(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def print_table(store):
    columns = ("posts", "items", "merged", "answered", "no-answer", "handed-off", "noise", "to PR", "failed")
    print(f"\n  {'brand':<10}" + "".join(f"{name:>11}" for name in columns))
    totals = collections.Counter()
    for brand in [*rules.AIRLINES.values(), rules.OTHER_BRAND, "all"]:
        if brand == "all":
            counts = totals
        else:
            outcomes = [row for row in store.outcomes.values() if row["brand"] == brand]
            ends = collections.Counter(row["outcome"] for row in outcomes)
            posts = sum(row["posts"] for row in outcomes)
            counts = collections.Counter({
                "posts": posts, "items": len(outcomes), "merged": posts - len(outcomes), "answered": ends["answered"],
                "no-answer": ends["no-answer-needed"], "handed-off": ends["handed-off"], "noise": ends["noise"],
                "to PR": sum(row["escalated"] != "" for row in outcomes),
                "failed": sum(row["brand"] == brand and row["state"] == "failed" for row in store.replies.values())})
            totals.update(counts)
        print(f"  {brand:<10}" + "".join(f"{counts[name]:>11}" for name in columns))


def print_people(staff):
    print(f"\n  {'person':<10}{'shown':>8}{'most':>6}{'of':>4}{'answered':>10}{'closed':>8}{'escalated':>11}{'stale':>7}")
    for person in staff.people.values():
        print(f"  {person.name:<10}{len(person.shown):>8}{person.most:>6}{person.who['capacity']:>4}"
              f"{person.did['ANSWER'] + person.did['APPROVE']:>10}{person.did['CLOSE']:>8}{person.did['ESCALATE']:>11}"
              f"{person.stale:>7}")


def check_all(options, broker, staff, store, files, published, phases):
    did = check_staff(staff)
    store.read()
    store.posts_of = collections.defaultdict(list)
    for row in store.posts:
        store.posts_of[row["item"]].append(row)
    check_posts(store, files)
    check_counts(store)
    check_replies(store, staff, published)
    check_people(store, staff)
    check_report(store, control(options, broker, "outcomes", "--json"))
    check_holds(store)
    check_shown(store, staff)
    accuracy = check_routing(store, files)
    judged, sealed, texts = check_secrets(store, staff, files)
    phases.end("add up")
    print_table(store)
    print_people(staff)
    print("\n  done: " + ", ".join(f"{count} {what.lower()}" for what, count in sorted(did.items())))
    print(f"  {judged} posts are sensitive by the rules and {sealed} by the store, with what else PR keeps; none reached an "
          f"agent's client, looked for by id and {texts} by text")
    print(f"  {accuracy:.1%} of the posts labelled with a language went to it")
    print(f"  {len(store.replies)} replies, {len(published)} published, each once and disclosed")
    kinds = collections.Counter(event["kind"] for event in store.events if event["item"])
    print("  events: " + ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) + "\n", flush=True)
    return len(published)


def run(options, folder, broker):
    phases = Phases()
    files, counts = read_rows(options.data)
    rows = sum(counts.values())
    print(f"  {rows} rows in {len(FILES)} files, {len(files)} different posts; {rows - len(files)} rows stand twice in the "
          "file, alike in every field that is fed", flush=True)
    sensitive = {key for key, row in files.items() if rules.is_sensitive(row.text, row.reach)}
    published_path = os.path.join(folder, "published")
    broker.start()
    connector = start_connector(options, broker, published_path)
    try:
        staff = Staff(broker, sensitive)
        end = time.monotonic() + 30
        while not staff.are_signed_in():
            require(time.monotonic() < end, "not everybody could sign in")
            staff.work()
        phases.end("start, sign everybody in")
        feed_all(options, broker, staff, folder, counts, files, phases)
        work_until_closed(staff)
        phases.end("work until all is closed")
        store = Store(broker.database())
        published = check_all(options, broker, staff, store, files, read_published(published_path), phases)
        feed_again(options, broker, staff, folder, counts, store, phases)
        require_equal("replies published before and after feeding again", len(read_published(published_path)), published)
    except BaseException:
        connector.kill()
        connector.communicate()
        raise
    status, complaints = stop(connector)
    require(status == 0, "behalf-connect ended with", status, complaints[-2000:])
    stop_broker(broker)
    phases.end("stop")
    feed_after_restart(options, broker, folder, counts, store, phases)
    stop_broker(broker)
    store.connection.close()
    print(f"  {'in all':<44} {sum(seconds for _, seconds in phases.times):6.1f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    for name in ("broker", "ctl", "connect", "data"):
        parser.add_argument("--" + name, required=True)
    options = parser.parse_args()
    missing = [name for name in FILES if not os.path.exists(os.path.join(options.data, name))]
    if missing:
        print(f"skipped: {', '.join(missing)} not found in {options.data}; the data are not part of the project")
        return 77
    folder = tempfile.mkdtemp(prefix="behalf-real-posts-")
    broker = Broker(options.broker, folder=folder, rules=rules.as_yaml(), heartbeat_ms=60000,
                    more=["--person-rate", "0"])
    try:
        run(options, folder, broker)
    except Failure as failure:
        print("FAILED:", failure)
        return 1
    finally:
        broker.end()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
