#!/usr/bin/env python3
"""mbox_adapter_test.py ADAPTER - mails become posts, once each, and replies mails."""
import json, mailbox, os, subprocess, sys, tempfile, threading, unittest

ADAPTER = sys.argv.pop(1)

PLAIN = b"""From: =?utf-8?q?J=C3=B6rg?= <Joerg@Example.org>
Message-ID: <1@example.org>
Date: Thu, 26 Nov 2026 11:16:00 +0100
Subject: My order
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: 8bit

It is sp\xe4t.
>From here on it is quiet.
"""
ANSWER = b"""From: ann@example.org
Message-ID: <2@example.org>
In-Reply-To: <1@example.org>
References: <0@example.org>
 <1@example.org>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=X

--X
Content-Type: text/html; charset=utf-8

<style>p { color: red }</style><p>Me &amp; you</p><p>too</p>
--X
Content-Type: image/png; name=a.png
Content-Disposition: attachment; filename=a.png
Content-Transfer-Encoding: base64

iVBORw0=
--X--
"""
STRANGE = b"""Date: yesterday
Content-Type: text/plain; charset=klingon

qapla' \xff
"""
# What Python's library gives up on.
BROKEN = (b"""From: jo@example.org
Message-ID: <3@example.org>
Content-Type: text/plain; charset*0="a"; charset*

hello
""", b"""From: jo@example.org
Message-ID: <4@example.org>
Content-Type: text/html

<p>hello<![>CDATA[ you</p>
""")
OWN = b"""From: Desk <desk@acme.example>
Message-ID: <own@acme.example>

our own
"""


class Adapter:
    """One run of it; whatever hangs is killed after half a minute."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([ADAPTER, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.timer = threading.Timer(30, self.process.kill)
        self.timer.start()

    def hear(self):
        line = self.process.stdout.readline()
        return json.loads(line) if line else None

    def say(self, **message):
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def take(self, post):
        self.say(type="taken", of="post", channel="mail", post=post["post"], item=1, repeated=False)

    def take_all(self):
        posts = []
        while (post := self.hear()) is not None:
            posts.append(post)
            self.take(post)
        self.end()
        return posts

    def end(self):
        self.process.stdin.close()
        status = self.process.wait()
        self.process.stdout.close()
        self.timer.cancel()
        return status


class MboxAdapter(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.replies = os.path.join(self.folder.name, "replies")

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def mbox(self, *mails):
        with open(self.path("mails"), "ab") as file:
            for mail in mails:
                file.write(b"From - Thu Nov 26 10:16:00 2026\n" + mail + b"\n")
        return self.path("mails")

    def run_to_end(self, source):
        return Adapter(source, self.replies, "--end", "--address", "Desk@acme.example").take_all()

    def test_a_mail_is_a_post(self):
        posts = self.run_to_end(self.mbox(PLAIN, ANSWER, STRANGE, OWN))
        self.assertEqual(posts[0], {
            "type": "post", "post": "1@example.org", "author": "Joerg@Example.org", "author_name": "J\u00f6rg",
            "text": "My order\n\nIt is sp\u00e4t.\n>From here on it is quiet.", "posted_ms": 1795688160000})
        self.assertEqual(posts[1], {
            "type": "post", "post": "2@example.org", "author": "ann@example.org", "parent": "1@example.org",
            "thread": "0@example.org", "text": "Me & you\n\ntoo", "media": 1})
        self.assertTrue(posts[2]["post"].startswith("no-id-"))
        self.assertEqual(posts[2]["text"], "qapla' \ufffd")
        self.assertNotIn("author", posts[2])
        self.assertEqual(len(posts), 3)

    def test_a_mail_beyond_reading_keeps_no_other_back(self):
        posts = self.run_to_end(self.mbox(*BROKEN, PLAIN))
        self.assertEqual([post["post"] for post in posts], ["3@example.org", "4@example.org", "1@example.org"])
        self.assertEqual(posts[0]["text"], "hello")
        self.assertIn("you", posts[1]["text"])

    def test_it_goes_on_where_it_was(self):
        source = self.mbox(PLAIN, ANSWER)
        adapter = Adapter(source, self.replies, "--end")
        adapter.take(adapter.hear())
        adapter.hear()  # and dies before that one is taken
        adapter.process.kill()
        adapter.end()
        self.assertEqual([post["post"] for post in self.run_to_end(source)], ["2@example.org"])
        self.assertEqual(self.run_to_end(source), [])
        self.mbox(STRANGE)
        self.assertEqual(len(self.run_to_end(source)), 1)
        os.truncate(source, 0)  # somebody has emptied it
        self.mbox(ANSWER)
        self.assertEqual([post["post"] for post in self.run_to_end(source)], ["2@example.org"])

    def test_a_maildir_does_too(self):
        box = mailbox.Maildir(self.path("box"), create=True)
        box.add(PLAIN)
        self.assertEqual([post["post"] for post in self.run_to_end(self.path("box"))], ["1@example.org"])
        box.add(ANSWER)
        self.assertEqual([post["post"] for post in self.run_to_end(self.path("box"))], ["2@example.org"])
        self.assertEqual(self.run_to_end(self.path("box")), [])

    def test_a_long_message_id_is_the_same_key_everywhere(self):
        long = b"x" * 400 + b"@example.org"
        posts = self.run_to_end(self.mbox(PLAIN.replace(b"1@example.org", long), ANSWER.replace(b"1@example.org", long)))
        self.assertEqual(len(posts[0]["post"]), 256)
        self.assertEqual(posts[1]["parent"], posts[0]["post"])

    def test_a_reply_is_a_mail_once(self):
        reply = {"type": "reply", "reply": 17, "key": "k1", "author": "ann@example.org", "post": "2@example.org",
                 "thread": "0@example.org", "text": "D\u00e9sol\u00e9 \u2026"}
        for _ in range(2):
            adapter = Adapter(self.mbox(), self.replies, "--address", "desk@acme.example")
            adapter.say(**reply)
            told = adapter.hear()
            self.assertEqual((told["type"], told["reply"]), ("confirmed", 17))
            self.assertEqual(adapter.end(), 0)
        mails = [mail for mail in mailbox.Maildir(self.replies)]
        self.assertEqual(len(mails), 1)
        self.assertEqual(mails[0]["In-Reply-To"], "<2@example.org>")
        self.assertEqual(mails[0]["References"], "<0@example.org> <2@example.org>")
        self.assertEqual(mails[0].get_payload(decode=True).decode().strip(), "D\u00e9sol\u00e9 \u2026")

    def test_a_reply_to_nobody_has_failed(self):
        adapter = Adapter(self.mbox(), self.replies)
        adapter.say(type="reply", reply=18, key="k2", author="", post="2@example.org", text="x")
        adapter.say(type="reply", reply=19, key="k3", author="a@b.example\nBcc: c@d.example", post="2@example.org", text="x")
        self.assertEqual([adapter.hear()["type"], adapter.hear()["type"]], ["failed", "failed"])
        self.assertEqual(adapter.end(), 0)
        self.assertEqual(len(mailbox.Maildir(self.replies)), 0)


unittest.main()
