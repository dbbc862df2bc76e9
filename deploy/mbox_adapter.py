#!/usr/bin/env python3
"""Brings mails in, one post a mail, from an mbox file or a Maildir, and puts replies into a Maildir for a mailer to send.

A mail's Message-ID is the post, the first of its References (else In-Reply-To) the thread, In-Reply-To the parent, the address
of From the author; its subject and its plain text (of HTML what remains without markup) are the text. Remembers in
SOURCE.cursor which mails are taken, and goes on there after a restart. A reply whose key was published is confirmed and not
published again, so run it with `behalf-connect --idempotent`. Each reply waits in REPLIES/new until a mailer takes it.
"""
import argparse, email, email.message, email.policy, email.utils, hashlib, html.parser, json, mailbox, os, re, sys, threading, time

KEY_BYTES = 256
BLOCKS = {"address", "article", "blockquote", "br", "div", "h1", "h2", "h3", "h4", "h5", "h6", "li", "p", "pre", "table", "tr"}

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("source", metavar="SOURCE", help="an mbox file, or the folder of a Maildir")
parser.add_argument("replies", metavar="REPLIES", help="the folder of a Maildir, made if need be")
parser.add_argument("--address", metavar="ADDRESS", help="from which replies are sent; mails from it are no posts")
parser.add_argument("--wait", type=float, default=2, metavar="SECONDS", help="between two looks for further mails")
parser.add_argument("--end", action="store_true", help="end when all mails are taken, instead of watching for further ones")
options = parser.parse_args()

options.source = options.source.rstrip("/")
cursor_path = options.source + ".cursor"
keys_path = options.replies.rstrip("/") + ".keys"
writing = threading.Lock()          # one line at a time
answered = threading.Semaphore(0)   # the mail that feed() waits for was taken or refused
stopping = threading.Event()        # standard input has ended


def say(message):
    line = json.dumps(message, ensure_ascii=True).encode()
    with writing:
        sys.stdout.buffer.write(line + b"\n")
        sys.stdout.flush()


# ---- a mail as a post ----

class Words(html.parser.HTMLParser):
    """What of HTML a person reads."""

    def __init__(self):
        super().__init__()
        self.words, self.hidden = [], 0

    def handle_starttag(self, tag, attributes):
        self.hidden += tag in ("script", "style", "head")
        if tag in BLOCKS:
            self.words.append("\n")

    def handle_endtag(self, tag):
        self.hidden = max(0, self.hidden - (tag in ("script", "style", "head")))
        if tag in BLOCKS - {"br"}:
            self.words.append("\n")

    def handle_data(self, data):
        if not self.hidden:
            self.words.append(re.sub(r"[ \t\r\n]+", " ", data))

    def text(self):
        lines = [line.strip() for line in "".join(self.words).split("\n")]
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def text_of_html(html):
    words = Words()
    try:
        words.feed(html)
        words.close()
    except AssertionError:  # markup that the library gives up on
        words.words.append(re.sub(r"<[^>]*>?", " ", html))
    return words.text()


def header(mail, name):
    """The header's text; of one that is beyond reading "", for a mail is not lost for a header."""
    try:
        return str(mail.get(name, "")).strip()
    except Exception:  # the library raises many kinds over what people send
        return ""


def ids_of(text):
    """Message-IDs without their brackets, each short enough for a post's key, the same for the same."""
    found = re.findall(r"<([^<>]+)>", text) or text.split()
    return [shortened("".join(one.split())) for one in found if one.strip()]


def shortened(key):
    data = key.encode(errors="replace")
    if len(data) <= KEY_BYTES:
        return key
    return data[:KEY_BYTES - 33].decode(errors="ignore") + "~" + hashlib.blake2b(data, digest_size=16).hexdigest()


def content(part):
    try:
        text = part.get_content()
    except Exception:  # a character set that nobody knows, and the like
        text = part.get_payload(decode=True) or b""
    return text if isinstance(text, str) else bytes(text).decode(errors="replace")


def is_attached(part):
    try:
        return part.get_content_maintype() != "text" or part.get_content_disposition() == "attachment" or part.get_filename()
    except Exception:  # a name beyond reading is none
        return False


def body_and_media(mail):
    """What was written, and how many things come with it."""
    leaves = [part for part in mail.walk() if not part.is_multipart()]
    attached = [part for part in leaves if is_attached(part)]
    written = [part for part in leaves if part not in attached]
    plain = [part for part in written if part.get_content_subtype() != "html"]
    texts = [content(part).strip() for part in plain]
    if not any(texts):
        texts = []
        for part in written:
            if part not in plain:
                texts.append(text_of_html(content(part)))
    return "\n\n".join(text for text in texts if text), len(attached)


def posted_ms(mail):
    try:
        at = int(email.utils.parsedate_to_datetime(header(mail, "Date")).timestamp() * 1000)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    return at if 0 < at < 253402300800000 else None


def post_of(data):
    """The post that a mail is, or None for one of our own."""
    try:
        return post_of_mail(email.message_from_bytes(data, policy=email.policy.default), data)
    except Exception:  # the library reads headers that it trips over as they stand, if told to
        return post_of_mail(email.message_from_bytes(data, policy=email.policy.compat32), data)


def post_of_mail(mail, data):
    name, address = email.utils.parseaddr(header(mail, "From"))
    if options.address and address.lower() == options.address.lower():
        return None
    parents, references = ids_of(header(mail, "In-Reply-To")), ids_of(header(mail, "References"))
    ids = ids_of(header(mail, "Message-ID"))
    body, media = body_and_media(mail)
    subject = header(mail, "Subject")
    post = {"type": "post", "post": ids[0] if ids else "no-id-" + hashlib.blake2b(data, digest_size=16).hexdigest(),
            "author": address, "author_name": name, "parent": (parents or references[-1:] or [""])[0],
            "thread": (references or parents or [""])[0], "text": "\n\n".join(part for part in (subject, body) if part),
            "media": media, "posted_ms": posted_ms(mail)}
    return {key: value for key, value in post.items() if value or key == "post"}


# ---- where mails are, and how far we are ----

class Mbox:
    """Mails in their order; the cursor is how many are taken, and a hash of the last, as others may rewrite the file."""

    def __init__(self):
        self.box = None
        try:
            with open(cursor_path) as file:
                self.count, self.last = json.load(file)
        except FileNotFoundError:
            self.count, self.last = 0, ""

    def next(self):
        if self.box is None:
            if not os.path.exists(options.source):
                return None
            self.box = mailbox.mbox(options.source, create=False)
            self.keys = self.box.keys()
            if self.count and (self.count > len(self.keys) or self.hash(self.keys[self.count - 1]) != self.last):
                self.count = 0  # another file than it was: what is brought twice is taken once
        if self.count == len(self.keys):
            self.box.close()
            self.box = None
            return None
        # The last one may still be being written.
        if not options.end and self.count == len(self.keys) - 1 and time.time() - os.path.getmtime(options.source) < options.wait:
            self.box.close()
            self.box = None
            return None
        return self.box.get_bytes(self.keys[self.count])

    def hash(self, key):
        return hashlib.blake2b(self.box.get_bytes(key), digest_size=16).hexdigest()

    def done(self):
        self.last = self.hash(self.keys[self.count])
        self.count += 1
        write_whole(cursor_path, json.dumps([self.count, self.last]))


class Maildir:
    """Mails by their file's name, which stays; the cursor is the names of those that are taken."""

    def __init__(self):
        self.box = mailbox.Maildir(options.source, create=False)
        try:
            with open(cursor_path) as file:
                taken = {line.rstrip("\n") for line in file}
        except FileNotFoundError:
            taken = set()
        self.taken = taken & set(self.box.keys())  # those that are gone need not be remembered
        write_whole(cursor_path, "".join(key + "\n" for key in sorted(self.taken)))
        self.waiting = []

    def next(self):
        while True:
            if not self.waiting:
                self.waiting = sorted(set(self.box.keys()) - self.taken, reverse=True)
                if not self.waiting:
                    return None
            self.key = self.waiting.pop()
            try:
                return self.box.get_bytes(self.key)
            except (KeyError, FileNotFoundError):
                pass  # somebody has taken it away meanwhile

    def done(self):
        self.taken.add(self.key)
        with open(cursor_path, "a") as file:
            file.write(self.key + "\n")
            file.flush()
            os.fsync(file.fileno())


def write_whole(path, text):  # or not at all, also when the power fails
    with open(path + ".new", "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)


def feed():
    """Brings one mail after the other, and moves the cursor only when the mail is on Behalf's disk."""
    source = Maildir() if os.path.isdir(options.source) else Mbox()
    while not stopping.is_set():
        data = source.next()
        if data is None:
            if options.end:
                break
            stopping.wait(options.wait)
            continue
        post = post_of(data)
        if post:
            say(post)
            answered.acquire()
            if stopping.is_set():
                return
        source.done()
    os._exit(0)  # only with --end; else standard input ends first


# ---- replies ----

def published_keys(box):
    """Keys on record, and those of mails that wait: between the two a crash may fall."""
    keys = {mail["X-Behalf-Key"] for mail in box if mail["X-Behalf-Key"]}
    if os.path.exists(keys_path):
        with open(keys_path) as file:
            keys |= {line.rstrip("\n") for line in file if line.endswith("\n")}
    return keys


def publish(reply, box, keys):
    """Returns the reply's Message-ID."""
    name = hashlib.blake2b(reply["key"].encode(), digest_size=16).hexdigest()
    host = (options.address or "").rpartition("@")[2] or "behalf.invalid"
    message_id = f"{name}@{host}"
    if reply["key"] in keys:
        return message_id
    mail = email.message.EmailMessage(policy=email.policy.SMTP)
    if options.address:
        mail["From"] = options.address
    mail["To"] = reply["author"]
    mail["Subject"] = "Re: your message"
    mail["Date"] = email.utils.formatdate(localtime=False)
    mail["Message-ID"] = f"<{message_id}>"
    mail["In-Reply-To"] = f"<{reply['post']}>"
    mail["References"] = " ".join(f"<{one}>" for one in dict.fromkeys((reply.get("thread") or reply["post"], reply["post"])))
    mail["X-Behalf-Key"] = reply["key"]
    mail.set_content(reply["text"])
    box.add(mail)  # written to tmp, made durable, then moved to new
    keys.add(reply["key"])
    with open(keys_path, "a") as file:
        file.write(reply["key"] + "\n")
        file.flush()
        os.fsync(file.fileno())
    return message_id


def answer(reply, box, keys):
    try:
        if not reply.get("author"):
            raise ValueError("the mail names no address to answer to")
        reference = publish(reply, box, keys)
    except ValueError as error:  # an address or id that no header can hold: nothing was written
        say({"type": "failed", "reply": reply["reply"], "reason": str(error)})
        return
    say({"type": "confirmed", "reply": reply["reply"], "reference": reference})


def main():
    box = mailbox.Maildir(options.replies, create=True)
    keys = published_keys(box)
    threading.Thread(target=feed, daemon=True).start()
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if message["type"] == "reply":
            answer(message, box, keys)
        elif message["type"] == "refused" and message.get("of") in ("confirmed", "failed"):
            pass  # told before; nothing to do
        elif message["type"] in ("taken", "refused"):
            if message["type"] == "refused":
                print("refused:", message["code"], message["reason"], file=sys.stderr, flush=True)
            answered.release()
    stopping.set()
    answered.release()


main()
