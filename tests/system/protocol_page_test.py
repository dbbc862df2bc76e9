"""protocol_page_test.py - a stranger's clients, which do what PROTOCOL.md says and nothing else, at a real broker.

Each test is named after what the page says.  Every answer is held to the page's own table of requests and answers, and at
the end every row of it has been seen.  Arguments: behalf-broker, PROTOCOL.md.  Exit code 77: pyzmq or msgpack is absent.
"""

import contextlib
import hashlib
import re
import shutil
import sys

from broker_client import RULES, Broker, Client, run_tests
import msgpack

DAY_MS = 24 * 3600 * 1000
MANY = RULES + "  zoe: { display_name: Zoe Orr, roles: [approver], brands: all, languages: all }\n"


class Page:
    """The table of requests of PROTOCOL.md, section 4."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            made = re.search(r"<!-- made: answers -->\n(.*?)<!-- end of made -->", file.read(), re.DOTALL).group(1)
        introduction, rows = made.split("| --- | --- | --- |\n")
        self.of_any = set(re.findall(r"`(\w+)`", introduction.split(".")[0]))
        cells = [[re.findall(r"`(\w+)`", cell) for cell in row.split("|")[1:4]] for row in rows.strip().splitlines()]
        self.answers = {request[0]: answer[0] for request, answer, _ in cells}
        self.refusals = {request[0]: set(codes) | self.of_any for request, _, codes in cells}
        self.seen = set()

    def check(self, request, kind, body):
        if kind == "ERROR":
            assert body["code"] in self.refusals[request], f"{request} is refused with {body}"
        else:
            assert kind == self.answers[request], f"{request} is answered {kind}"
            self.seen.add(request)


class Reader(Client):
    """A client whose answers are held to the page."""

    def ask(self, type, **body):
        kind, answer = super().ask(type, **body)
        page.check(type, kind, answer)
        return kind, answer

    def again(self, id, type, **body):
        """Says a request under an id of its own choice; returns the answer."""
        self.send(type, id, **body)
        kind, answer = self.answer(id)
        page.check(type, kind, answer)
        return kind, answer

    def told(self):
        """Types of what was told so far, answers to HEARTBEAT included: what comes after was said later."""
        id = self.new_id()
        self.send("HEARTBEAT", id)
        self.expect("HEARTBEAT", id)
        types, self.inbox = [message[0] for message in self.inbox if message[0] != "HEARTBEAT"], []
        return types


class Careless(Reader):
    """A connector whose author read nothing of what a text may be: "\\udcXX" goes out as the byte XX."""

    def send(self, type, id=0, **body):
        self.send_frame(msgpack.packb([type, id, body], unicode_errors="surrogateescape"))


@contextlib.contextmanager
def desk(program, rules=MANY):
    broker = Broker(program, rules=rules, heartbeat_ms=5000).start()
    try:
        yield broker
    except BaseException:
        print(broker.tail())
        raise
    finally:
        broker.end()
        shutil.rmtree(broker.folder, ignore_errors=True)


def signed_in(broker, **hello):
    client = Reader(broker, **hello)
    client.sign_in()
    return client


def person(broker, name):
    return signed_in(broker, role="person", name=name)


def control(broker):
    return signed_in(broker, role="control", name="ops")


def connector(broker, instance="i-1", channels=("chirp",), name="feed", **more):
    return signed_in(broker, role="connector", name=name, instance=instance, channels=list(channels), **more)


def bring(feed, id, text="Where is my bag?", **more):
    post = dict(channel="chirp", post=id, brand="acme", author="@customer", text=text)
    return feed.done("POST", **{**post, **more})["item"]


def offered(client, item):
    while True:
        shown = client.expect("ITEM")
        if shown["item"] == item:
            return shown


def take(client, item):
    shown = offered(client, item)
    about = dict(item=item, lease=shown["lease"])
    if shown["state"] == "offered":
        client.done("TAKE", **about)
    return about


def answered(feed, client, id):
    """A post of `id` that the client has answered; returns (item, lease) and the reply as handed out."""
    about = take(client, bring(feed, id, link=f"https://chirp.example/{id}", parent="0"))
    assert client.done("ANSWER", text="We found it.", **about)["state"] == "sending"
    return about, feed.expect("REPLY")


# ---- section 3 ----

def hello_of_a_connector_names_its_instance_with_its_channels(program):
    with desk(program) as broker:
        for hello, code, field in (
                (dict(channels=["chirp"]), "MISSING", "instance"),
                (dict(channels=["nowhere"], instance="i"), "NOT_FOUND", "channels"),
                (dict(name="a/b"), "INVALID", "name")):
            client = Reader(broker).connect()
            client.send("HELLO", 7, **{**dict(version=1, role="connector", name="feed"), **hello})
            refused = client.expect("ERROR", 7)
            assert (refused["code"], refused["field"]) == (code, field), refused
            client.send("HELLO", 7, version=1, role="connector", name="feed")    # its id may be used again
            client.expect("WELCOME", 7)


def connectors_of_one_name_live_side_by_side_and_of_one_instance_do_not(program):
    with desk(program) as broker:
        first, second, silent, mute = (connector(broker, "i-1"), connector(broker, "i-2"),
                                       signed_in(broker, role="connector", name="feed"),
                                       signed_in(broker, role="connector", name="feed"))
        controls = [control(broker), control(broker)]
        third = connector(broker, "i-1")
        assert "elsewhere" in first.expect("BYE", 0)["reason"]
        for client in [second, silent, mute, third] + controls:
            assert client.told() == [], "all others live"
        one = person(broker, "asha")
        person(broker, "asha")
        assert "elsewhere" in one.expect("BYE", 0)["reason"]


def a_heartbeat_is_answered_under_its_id(program):
    with desk(program) as broker:
        client = control(broker)
        for id in (0, 1, 2 ** 63 - 1):
            client.send("HEARTBEAT", id)
            client.expect("HEARTBEAT", id)
        client.send("BYE", 12)
        client.send("HEARTBEAT", 13)
        assert client.expect("ERROR", 13)["code"] == "NOT_SIGNED_IN", "and BYE had no answer"


# ---- section 4 ----

def an_id_is_one_requests_for_good(program):
    with desk(program) as broker:
        feed, asha = connector(broker), person(broker, "asha")
        about = take(asha, bring(feed, "1"))
        id = asha.new_id()
        kind, first = asha.again(id, "NOTE", text="call back", **about)
        assert kind == "DONE" and not first.get("repeated")
        kind, again = asha.again(id, "NOTE", text="call back", **about)
        assert kind == "DONE" and again == dict(first, repeated=True), again
        for type, body in (("NOTE", dict(about, text="other")), ("DRAFT", dict(about, text="call back"))):
            kind, refused = asha.again(id, type, **body)
            assert (kind, refused["code"], refused["field"]) == ("ERROR", "INVALID", "id"), refused


def a_request_under_an_old_lease_is_stale_with_the_state(program):
    with desk(program) as broker:
        feed, asha = connector(broker), person(broker, "asha")
        about = take(asha, bring(feed, "1"))
        assert asha.done("CLOSE", outcome="no-answer-needed", **about)["state"] == "closed"
        assert asha.refused("STALE", "NOTE", text="late", **about)["state"] == "closed"
        assert asha.refused("NOT_FOUND", "NOTE", text="?", item=99999, lease=1)["field"] == "item"


def what_only_a_broker_sends_is_unknown_and_its_fields_are_looked_at_first(program):
    with desk(program) as broker:
        client = control(broker)
        client.send("GONE", 5, item=1, lease=1)
        assert client.expect("ERROR", 5)["code"] == "UNKNOWN_TYPE"
        client.send("GONE", 6, item=1)
        assert client.expect("ERROR", 6)["code"] == "MISSING"


# ---- section 5 ----

def done_comes_before_what_follows_from_it(program):
    with desk(program) as broker:
        feed, asha = connector(broker), person(broker, "asha")
        shown = offered(asha, bring(feed, "1"))
        about = dict(item=shown["item"], lease=shown["lease"])
        id = asha.new_id()
        asha.send("TAKE", id, **about)
        first, second = asha.receive(), asha.receive()
        assert (first[0], first[1], second[0], second[2]["state"]) == ("DONE", id, "ITEM", "held"), (first, second)
        assert first[2] == dict(about, state="held") and second[2]["lease"] == about["lease"]
        again = asha.done("TAKE", **about)
        assert again == dict(about, state="held"), "under a new id it is no repeat"


def ones_own_draft_and_note_bring_no_item(program):
    with desk(program) as broker:
        feed, asha = connector(broker), person(broker, "asha")
        about = take(asha, bring(feed, "1"))
        asha.expect("ITEM")
        asha.inbox = []
        assert asha.done("DRAFT", text="We", **about)["state"] == "held"
        assert asha.done("NOTE", text="look", **about)["state"] == "held"
        assert asha.done("PREVIEW", text="We are.", **about)["text"].startswith("We are. I'm Asha")
        assert "ITEM" not in asha.told()
        bring(feed, "2", text="Hello?", thread="1", parent="1")
        assert asha.expect("ITEM")["draft"] == "We", "what its author does brings it again, whole"


def an_item_parked_leaves_room_and_comes_back_to_who_parked_it(program):
    with desk(program) as broker:
        feed, dan = connector(broker), person(broker, "dan")
        about = take(dan, bring(feed, "0", brand="bolt"))
        now = dan.welcome["now_ms"]
        for until in (1, now + DAY_MS):
            assert dan.refused("INVALID", "PARK", until_ms=until, **about)["field"] == "until_ms"
        assert dan.done("PARK", until_ms=now + 4000, reason="the depot calls", **about)["state"] == "parked"
        assert "GONE" not in dan.told(), "who did it is not told that it went"
        have = [take(dan, bring(feed, str(i), brand="bolt", author=f"@{i}")) for i in range(1, 6)]
        assert len(have) == 5, "what is parked is not counted: five is what dan may have"
        dan.done("CLOSE", outcome="noise", **have[0])
        back = offered(dan, about["item"])
        assert back["lease"] > about["lease"]


def what_a_frozen_brand_gets_goes_to_pr_and_stays_there(program):
    with desk(program) as broker:
        feed, asha, petra, ops = connector(broker), person(broker, "asha"), person(broker, "petra"), control(broker)
        about = take(asha, bring(feed, "1"))
        assert ops.done("FREEZE", brand="acme", frozen=True, reason="recall")["state"] == "frozen"
        while not asha.expect("ITEM").get("frozen"):
            pass
        assert asha.done("ANSWER", text="We found it.", **about)["state"] == "sending"
        item = bring(feed, "2", author="@other")
        about = take(petra, item)
        petra.refused("STATE", "RETURN", guidance="go on", **about)
        assert "REPLY" not in feed.told(), "what was not handed out waits"
        assert ops.done("FREEZE", brand="acme", reason="over")["state"] == "lifted"
        assert feed.expect("REPLY")["text"].startswith("We found it.")
        assert petra.told().count("GONE") == 0, "it stays with PR"
        assert petra.done("RETURN", guidance="go on", **about)["state"] == "waiting"
        assert take(asha, item)["lease"] > about["lease"]


def requests_are_answered_as_their_table_says(program):
    rules = MANY.replace("acme:\n    display_name: Acme", "acme:\n    display_name: Acme\n    approve: all", 1)
    with desk(program, rules) as broker:
        feed, asha, sam, ops = connector(broker), person(broker, "asha"), person(broker, "sam"), control(broker)
        zoe, petra = person(broker, "zoe"), person(broker, "petra")
        assert zoe.done("PRESENCE", state="away", reason="lunch")["state"] == "away"
        assert zoe.done("PRESENCE", state="available")["state"] == "available"
        about = take(asha, bring(feed, "1"))
        assert asha.done("ANSWER", text="We found it.", **about)["state"] == "waiting"
        draft = take(zoe, about["item"])
        assert zoe.done("REJECT", reason="kinder", **draft)["state"] == "waiting"
        about = take(asha, about["item"])
        asha.done("ANSWER", text="We are glad that we found it.", **about)
        draft = take(zoe, about["item"])
        done = zoe.done("APPROVE", text="We are glad that we found it.", **draft)
        assert done["state"] == "sending" and feed.expect("REPLY")["reply"] == done["reply"]
        assert feed.done("SETTLE", reply=done["reply"], fate="confirmed", reference="r")["item"] == about["item"]
        for i, (type, more) in enumerate((("ESCALATE", dict(reason="press")), ("DECLINE", {}),
                                          ("TRANSFER", dict(person="ben", reason="knows it")))):
            shown = offered(asha, bring(feed, f"a{i}", author=f"@a{i}"))
            about = dict(item=shown["item"], lease=shown["lease"])
            if type != "DECLINE":
                asha.done("TAKE", **about)
            assert asha.done(type, **about, **more)["state"] == "waiting"
        about = take(asha, bring(feed, "b", author="@b"))
        assert sam.done("RECALL", item=about["item"], reason="she is ill")["state"] == "waiting"
        assert about.items() <= asha.expect("GONE", 0).items()
        feed.done("EDIT", channel="chirp", post="a1", text="Where is it?", edited_ms=1)
        feed.done("DELETE", channel="chirp", post="a1")
        assert feed.refused("NOT_FOUND", "POST", channel="chirp", post="x", brand="nobody")["field"] == "brand"
        sam.done("LOOK")
        sam.done("STATUS")
        assert asha.refused("FORBIDDEN", "STATUS")
        asha.refused("FORBIDDEN", "WHY", item=about["item"])
        ops.done("WHY", item=about["item"])
        assert ops.refused("NOT_FOUND", "WHY", item=99999)["field"] == "item"
        ops.done("OUTCOMES")


# ---- section 6 ----

def a_post_is_its_channel_brand_and_id_whenever_it_was_written(program):
    with desk(program) as broker:
        feed = connector(broker)
        now = feed.welcome["now_ms"]
        item = bring(feed, "1", posted_ms=now)
        for more in (dict(posted_ms=now - DAY_MS), {}):
            taken = feed.done("POST", channel="chirp", post="1", brand="acme", author="@customer",
                              text="Where is my bag?", **more)
            assert taken["item"] == item and taken["repeated"] and not taken.get("differs"), taken
        assert bring(feed, "1", brand="bolt") != item


HALF_EMOJI = "\udced\udca0\udcbd"    # the first half of a pair of surrogates, as UTF-8 would have it


def a_wrong_detail_costs_no_post_and_is_told(program):
    with desk(program) as broker:
        feed = Careless(broker, role="connector", name="careless")
        feed.sign_in()
        asha, ops = person(broker, "asha"), control(broker)
        thread = "<" + "t" * 300 + "@mail.example>"
        taken = feed.done("POST", channel="chirp", brand="acme", post=10014255632117358197, author="a" * 300,
                          author_name="J\udcf6rg", reach="N/A", text=f"My card is late {HALF_EMOJI}, why\0?", language=7,
                          thread=thread, parent=None, link="https://chirp.example/" + "x" * 2000, media=5000,
                          posted_ms="yesterday")
        wanted = ["post", "author", "author_name", "reach", "text", "language", "thread", "link", "media", "posted_ms"]
        assert taken["mended"] == wanted, taken
        shown = offered(asha, taken["item"])
        digest = hashlib.blake2b(b"a" * 300, digest_size=16).hexdigest()
        assert shown["author"] == "a" * 223 + "~" + digest, shown
        assert shown["author_name"] == "J\ufffdrg" and "reach" not in shown
        post = shown["story"][0]
        assert post["text"] == "My card is late \ufffd, why\ufffd?" and post["post"] == "10014255632117358197"
        assert "link" not in post and post["media"] == 1000
        detail = ops.done("WHY", item=taken["item"])["events"][0]["detail"]
        assert all(name in detail for name in wanted), detail

        again = feed.done("POST", channel="chirp", brand="acme", post="10014255632117358197", author="a" * 300,
                          text=f"My card is late {HALF_EMOJI}, why\0?")
        assert again == dict(item=taken["item"], repeated=True, mended=["author", "text"]), again
        joins = feed.done("POST", channel="chirp", brand="acme", post="2", author="a" * 300, thread=thread,
                          text="x" * 40000)
        assert joins == dict(item=taken["item"], mended=["author", "text", "thread"]), joins
        shown = offered(asha, taken["item"])
        assert shown["story"][-1]["text"] == "x" * 32765 + "\u2026"

        edit = feed.done("EDIT", channel="chirp", post=10014255632117358197, text=b"Found\xff it", edited_ms=1.5)
        assert edit == dict(item=taken["item"], mended=["post", "text", "edited_ms"]), edit
        assert offered(asha, taken["item"])["story"][0]["text"] == "Found\ufffd it"
        assert "text" in ops.done("WHY", item=taken["item"])["events"][-1]["detail"]
        sound = feed.done("POST", channel="chirp", brand="acme", post="3", author="@kim", text="Hello there", link=None)
        assert "mended" not in sound, sound


def what_names_a_post_is_refused_and_other_messages_stay_strict(program):
    with desk(program) as broker:
        feed = Careless(broker, role="connector", name="careless")
        feed.sign_in()
        good = dict(channel="chirp", brand="acme", post="1", text="Hello there")
        for field, value in (("post", "p" * 257), ("post", "p\udcff"), ("post", "p\0"), ("post", 1.5), ("post", ""),
                             ("post", None), ("channel", "c" * 65), ("channel", 7), ("brand", "acme\0"), ("brand", 7),
                             ("text", 1.5), ("text", ["a"]), ("text", True)):
            refused = feed.refused("INVALID", "POST", **{**good, field: value})
            assert refused["field"] == field, (field, value, refused)
        for field in ("channel", "brand", "post"):
            refused = feed.refused("MISSING", "POST", **{key: good[key] for key in good if key != field})
            assert refused["field"] == field, refused
        refused = feed.refused("INVALID", "SETTLE", reply=1, fate="failed", reason="caf\udce9")
        assert refused["field"] == "reason", refused
        assert "repeated" not in feed.done("POST", **good), "nothing of it was taken"


def edits_hold_by_their_time_and_may_come_before_their_post(program):
    with desk(program) as broker:
        feed, asha = connector(broker), person(broker, "asha")
        edit = dict(channel="chirp", post="1")
        assert feed.done("EDIT", text="second", edited_ms=2000, **edit)["early"]
        assert feed.done("EDIT", text="first", edited_ms=1000, **edit)["repeated"]
        shown = offered(asha, bring(feed, "1", text="at first"))
        assert [entry["text"] for entry in shown["story"]] == ["second"], shown
        assert feed.done("EDIT", text="first", edited_ms=1000, **edit)["repeated"]
        assert not feed.done("EDIT", text="third", edited_ms=3000, **edit).get("repeated")


def a_reply_of_unknown_fate_comes_again_with_a_higher_attempt(program):
    with desk(program) as broker:
        feed, asha = connector(broker, idempotent=True), person(broker, "asha")
        _, reply = answered(feed, asha, "1")
        assert reply["attempt"] == 1
        for attempt in (2, 3):
            settled = feed.done("SETTLE", reply=reply["reply"], fate="unknown", reason="cut off")
            assert settled["reply"] == reply["reply"] and "state" not in settled
            again = feed.expect("REPLY")
            assert again == dict(reply, attempt=attempt), again
        feed.connect()    # its process lives, its connection does not
        feed.sign_in()
        told = feed.expect("REPLY")
        assert told == dict(reply, attempt=3, again=True), "the same attempt: it is under way already"
        feed.done("SETTLE", reply=reply["reply"], fate="confirmed", reference="r-1")
        feed.refused("NOT_FOUND", "SETTLE", reply=reply["reply"] + 1000, fate="confirmed")


def a_new_instance_hastens_nothing_and_settles_nothing_of_the_old_one(program):
    with desk(program) as broker:
        feed, asha = connector(broker, "old", idempotent=True), person(broker, "asha")
        _, reply = answered(feed, asha, "1")
        feed.socket.close(0)
        feed.socket = None
        new = connector(broker, "new", idempotent=True)
        assert new.refused("NOT_FOUND", "SETTLE", reply=reply["reply"], fate="unknown")["field"] == "reply"
        assert new.expect("REPLY") == dict(reply, attempt=2), "once the grace of the old one is over"
        new.done("SETTLE", reply=reply["reply"], fate="confirmed")


def who_keeps_its_instance_settles_what_it_had_begun(program):
    with desk(program) as broker:
        feed, asha = connector(broker, "kept"), person(broker, "asha")
        about, reply = answered(feed, asha, "1")
        feed.socket.close(0)
        later = connector(broker, "kept")     # the next process, which has read the instance where the first wrote it
        assert later.expect("REPLY") == dict(reply, again=True)
        later.done("SETTLE", reply=reply["reply"], fate="unknown", reason="the process ended in the middle")
        shown = offered(asha, about["item"])
        assert shown["fate_unknown"] and "unknown" not in shown["state"], "not idempotent: a person looks and decides"
        first = shown["story"][0]
        assert (first["link"], first["parent"]) == ("https://chirp.example/1", "0"), "and is told where to look"
        asha.done("TAKE", item=shown["item"], lease=shown["lease"])
        asha.done("CLOSE", item=shown["item"], lease=shown["lease"], outcome="answered")


# ---- section 7 ----

def new_rules_take_away_what_they_do_not_allow(program):
    with desk(program) as broker:
        feed, asha, ben, ops = connector(broker), person(broker, "asha"), person(broker, "ben"), control(broker)
        ben.done("PRESENCE", state="away", reason="later")
        about = take(asha, bring(feed, "1"))
        text = MANY.replace("agency: Northline, brands: all, languages: [en], capacity: 3 }",
                            "agency: Northline, brands: [bolt], languages: [en], capacity: 3 }", 1)
        text = re.sub(r"  ben: .*\n", "", text)
        assert ops.done("APPLY", rules=text)["rules_version"] > 1
        gone = asha.expect("GONE", 0)
        assert gone == dict(about, reason="the rules changed"), gone
        assert "no longer name" in ben.expect("BYE", 0)["reason"]
        assert ops.done("APPLY", rules=text)["repeated"]


def rules_that_drop_what_is_open_are_refused_with_all_of_it(program):
    with desk(program) as broker:
        feed, ops = connector(broker, channels=("chirp", "mail")), control(broker)
        for i, (channel, brand) in enumerate((("chirp", "acme"), ("mail", "acme"), ("mail", "bolt"))):
            bring(feed, str(i), channel=channel, brand=brand, author=f"@{i}")
        brand = re.compile(r"  bolt:\n(    .*\n)+")
        text = brand.sub("", MANY).replace("  mail: {}\n", "")
        text = re.sub(r"  dan: .*\n", "", text).replace("brands: all", "brands: [acme]")
        refused = ops.refused("RULES", "APPLY", rules=text)
        assert sorted(problem["key"] for problem in refused["problems"]) == ["brands.bolt", "channels.mail"], refused
        assert ops.refused("RULES", "APPLY", rules="desk: 7\nx: y")["problems"]


def every_row_of_the_table_was_seen(program):
    assert page.seen == set(page.answers), set(page.answers) - page.seen


page = Page(sys.argv[2])
run_tests([
    hello_of_a_connector_names_its_instance_with_its_channels,
    connectors_of_one_name_live_side_by_side_and_of_one_instance_do_not,
    a_heartbeat_is_answered_under_its_id,
    an_id_is_one_requests_for_good,
    a_request_under_an_old_lease_is_stale_with_the_state,
    what_only_a_broker_sends_is_unknown_and_its_fields_are_looked_at_first,
    done_comes_before_what_follows_from_it,
    ones_own_draft_and_note_bring_no_item,
    an_item_parked_leaves_room_and_comes_back_to_who_parked_it,
    what_a_frozen_brand_gets_goes_to_pr_and_stays_there,
    requests_are_answered_as_their_table_says,
    a_post_is_its_channel_brand_and_id_whenever_it_was_written,
    a_wrong_detail_costs_no_post_and_is_told,
    what_names_a_post_is_refused_and_other_messages_stay_strict,
    edits_hold_by_their_time_and_may_come_before_their_post,
    a_reply_of_unknown_fate_comes_again_with_a_higher_attempt,
    a_new_instance_hastens_nothing_and_settles_nothing_of_the_old_one,
    who_keeps_its_instance_settles_what_it_had_begun,
    new_rules_take_away_what_they_do_not_allow,
    rules_that_drop_what_is_open_are_refused_with_all_of_it,
    every_row_of_the_table_was_seen,
], sys.argv[1])
