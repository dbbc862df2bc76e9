"""Scripted people for the demo: one behalf-worker --json process a person of the rules.

Each takes what is offered and answers it in the language of its post, with a canned polite text; agents escalate what
their brand's PR team should see, PR answers or gives back with guidance, the approver approves or rejects.  The
supervisor asks for counts and so knows when nothing is left.  Freezes are lifted first.  Ends when every item is closed,
or fails with a word when the time is over or nothing moves any more.  Only the standard library is used.
"""

import argparse
import json
import queue
import re
import signal
import subprocess
import sys
import threading
import time

# Canned texts; each leaves room for the disclosure line within 280 characters.
ANSWERS = {
    "en": [
        "Thank you for telling us, and sorry for the trouble. Please send us your reference in a private message and we "
        "will look into it today.",
        "Thanks for writing. We have passed this on to the team on site and will come back to you here by tomorrow.",
    ],
    "es": [
        "Gracias por avisarnos y perdona las molestias. Envíanos tu referencia por mensaje privado y lo revisamos hoy "
        "mismo.",
        "Gracias por escribirnos. Lo hemos pasado al equipo responsable y te contestamos aquí antes de mañana.",
    ],
    "fr": [
        "Merci de nous l'avoir signalé, et pardon pour ce désagrément. Envoyez-nous votre référence en message privé, "
        "nous regardons cela aujourd'hui.",
        "Merci pour votre message. L'équipe concernée est prévenue et nous vous répondons ici d'ici demain.",
    ],
    "de": [
        "Vielen Dank für den Hinweis, und bitte entschuldigen Sie die Umstände. Schreiben Sie uns Ihr Anliegen bitte "
        "privat, wir kümmern uns heute darum.",
        "Danke für Ihre Nachricht. Wir haben sie an das zuständige Team gegeben und melden uns bis morgen hier.",
    ],
    "pt": [
        "Obrigado por nos avisar, e desculpe o incómodo. Envie-nos a sua referência por mensagem privada e vemos isso "
        "ainda hoje.",
        "Obrigado pela mensagem. Já a passámos à equipa responsável e respondemos aqui até amanhã.",
    ],
    "it": [
        "Grazie per la segnalazione, e ci scusi per il disagio. Ci mandi il suo riferimento in un messaggio privato e "
        "controlliamo oggi stesso.",
        "Grazie per averci scritto. Abbiamo avvisato il gruppo competente e le rispondiamo qui entro domani.",
    ],
    "nl": [
        "Bedankt voor uw bericht, en excuses voor het ongemak. Stuurt u ons uw gegevens in een privébericht, dan kijken "
        "we er vandaag naar.",
        "Dank u wel. We hebben het doorgegeven aan het juiste team en komen er morgen hier op terug.",
    ],
    "ja": [
        "ご連絡ありがとうございます。ご不便をおかけして申し訳ございません。メッセージで詳細をお送りいただければ、本日中に確認いたします。",
        "お知らせいただきありがとうございます。担当部署に伝え、明日までにこちらでご返事いたします。",
    ],
}
PR_ANSWERS = {
    "en": "Thank you for telling us directly. We take this seriously; a colleague of our office will call you today.",
    "es": "Gracias por decírnoslo directamente. Lo tomamos en serio; una persona de nuestra oficina te llamará hoy.",
    "fr": "Merci de nous en parler directement. Nous prenons cela au sérieux; une collègue vous appelle aujourd'hui.",
    "de": "Danke, dass Sie uns direkt ansprechen. Wir nehmen das ernst; jemand aus unserem Haus ruft Sie heute an.",
    "pt": "Obrigado por nos dizer diretamente. Levamos isto a sério; alguém do nosso gabinete liga-lhe hoje.",
    "it": "Grazie per avercelo detto direttamente. Lo prendiamo sul serio; una persona del nostro ufficio la chiama oggi.",
    "nl": "Dank dat u dit rechtstreeks aan ons vertelt. We nemen dit serieus; een collega belt u vandaag nog.",
    "ja": "直接お知らせいただきありがとうございます。重く受け止めております。本日中に担当者よりご連絡いたします。",
}
TELEPHONE = {
    "en": " To block a card, please call the number on the back of it.",
    "de": " Eine Karte sperren Sie bitte nur telefonisch: die Nummer steht auf ihrer Rückseite.",
    "nl": " Een pas blokkeert u alleen telefonisch: het nummer staat op de achterkant.",
}

# What an agent sees in a post, and why it is a matter of PR.
ESCALATED_BY_AGENTS = [
    ("asking for her card number", "somebody writes to customers in the brand's name to get card numbers; PR may want to warn"),
    ("never called Norway", "calls that the customer did not make: possible misuse of the line, please decide what we say"),
]
# What PR gives back to the agents, and with which guidance.
RETURNED_BY_PR = [
    ("nuts", "Not a complaint: send her the allergen list of the shop, and promise nothing about traces."),
    ("アレルギー", "Only a question about booking: special meals up to 48 hours before the flight, through the site."),
]
NEEDS_NO_ANSWER = [("ok??", "there is no question in it")]
REJECTED_BY_APPROVER = [("sperren lassen", "Say as well that a card is blocked by telephone only.")]


def matches(table, text):
    """The second half of the table's first row whose first half is in the text, or None."""
    return next((words for part, words in table if part in text), None)


class Person:
    """One signed-in person: a worker process, what it has, and how it decides."""

    def __init__(self, name, arguments, inbox):
        self.name = name
        self.roles = set()
        self.items = {}  # id: the item as last told
        self.settled = set()  # (item, lease) already decided on
        self.rejected = set()  # approver: items sent back once
        self.did = {}  # what: how often
        self.requests = 0
        self.process = subprocess.Popen(
            [arguments.worker, "--name", name, "--json"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
        for stream in (self.process.stdout, self.process.stderr):
            threading.Thread(target=self.read, args=(stream, inbox), daemon=True).start()

    def read(self, stream, inbox):
        for line in stream:
            inbox.put((self, line, stream is self.process.stderr))
        if stream is self.process.stdout:
            inbox.put((self, None, False))

    def send(self, kind, **fields):
        self.requests += 1
        fields.update({"type": kind.upper(), "id": self.requests})
        try:
            self.process.stdin.write(json.dumps(fields, ensure_ascii=False) + "\n")
            self.process.stdin.flush()
        except OSError:
            pass  # it has ended; its last line tells

    def end(self):
        try:
            self.process.stdin.close()
            self.process.wait(5)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()

    # ---- what it is told

    def hear(self, message):
        kind = message.get("type", "").lower()
        if kind == "welcome":
            self.roles = set(message.get("roles", "").split(","))
            if message.get("presence") != "available":
                self.send("presence", state="available")
        elif kind == "item":
            self.items[message["item"]] = message
            self.consider(message)
        elif kind == "gone":
            self.items.pop(message["item"], None)
        elif kind == "done" and message.get("state") == "held" and message.get("item") in self.items:
            item = self.items[message["item"]]
            item.update(state="held", lease=message.get("lease", item["lease"]))
            self.consider(item)
        elif kind == "error" and message.get("code") not in ("STALE", "STATE", "NOT_FOUND"):
            return f"{self.name}: {message.get('code')} {message.get('field', '')} {message.get('reason', '')}"
        return None

    # ---- how it decides

    def consider(self, item):
        mark = (item["item"], item["lease"], item["state"])
        if mark in self.settled:
            return
        self.settled.add(mark)
        if item["state"] == "offered":
            self.send("take", item=item["item"], lease=item["lease"])
        else:
            getattr(self, "work_as_" + item["audience"], self.work_as_agent)(item)

    def act(self, what, item, **fields):
        self.did[what] = self.did.get(what, 0) + 1
        self.send(what, item=item["item"], lease=item["lease"], **fields)

    def work_as_agent(self, item):
        text = told(item, "post")
        guidance = told(item, "guidance") + told(item, "note") + item.get("reason", "")
        reason = matches(ESCALATED_BY_AGENTS, text)
        note = matches(NEEDS_NO_ANSWER, text)
        if reason and not told(item, "guidance"):
            self.act("escalate", item, reason=reason)
        elif note:
            self.act("close", item, outcome="no-answer-needed", note=note)
        else:
            language = item["language"] if item["language"] in ANSWERS else "en"
            choices = ANSWERS[language]
            answer = choices[item["item"] % len(choices)]
            if "telephone" in guidance:
                answer += TELEPHONE.get(language, "")
            self.act("answer", item, text=answer)

    def work_as_pr(self, item):
        guidance = matches(RETURNED_BY_PR, told(item, "post"))
        if guidance:
            self.act("return", item, guidance=guidance)
        else:
            self.act("answer", item, text=PR_ANSWERS.get(item["language"], PR_ANSWERS["en"]))

    def work_as_approver(self, item):
        reason = matches(REJECTED_BY_APPROVER, told(item, "post"))
        if reason and item["item"] not in self.rejected:
            self.rejected.add(item["item"])
            self.act("reject", item, reason=reason)
        else:
            self.act("approve", item, text=item.get("draft", ""))


def told(item, kind):
    """All texts of one kind in an item's story, in one line."""
    return " ".join(entry.get("text", "") for entry in item.get("story", []) if entry["kind"] == kind)


def people_of(rules):
    """The people of a rules file, by name: what stands on the lines below each, as text.  For the sample's style only."""
    block = re.split(r"(?m)^people:.*$", open(rules, encoding="utf-8").read())[1]
    parts = re.split(r"(?m)^  ([\w.-]+):\s*$", re.split(r"(?m)^\S.*:", block)[0])
    return {name: dict(re.findall(r"(?m)^    (\w+): *(.*?) *(?:#.*)?$", text)) for name, text in zip(parts[1::2], parts[2::2])}


def print_people(rules):
    """One line a person: name, display name, roles, agency and brands, with | between them."""
    for name, keys in people_of(rules).items():
        print("|".join([name] + [keys.get(key, "").strip("[]\"") for key in ("display_name", "roles", "agency", "brands")]))


def say(text):
    print(text, flush=True)


class Progress:
    """Tells how far the desk is: in one line that changes at a terminal, else in a line every few seconds."""

    def __init__(self):
        self.at_terminal = sys.stdout.isatty()
        self.told = ""
        self.told_at = 0.0

    def tell(self, left):
        text = f"  {left} items left to do" if left else "  nothing is left to do"
        now = time.monotonic()
        if text == self.told or left and now - self.told_at < (0.2 if self.at_terminal else 3):
            return
        self.told, self.told_at = text, now
        print("\r\033[K" + text if self.at_terminal else text, end="" if self.at_terminal else "\n", flush=True)

    def end(self):
        if self.at_terminal and self.told:
            print(flush=True)


STATES = ("waiting", "offered", "held", "sending")  # what a reader of the demo parked waits for its time


def left_in(counts):
    """How many items somebody has something to do with."""
    return sum(row.get(state, 0) for row in counts.get("queues", []) for state in STATES)


def how_it_stands(counts):
    """What changes when anything moves; times, which change by themselves, are not in it."""
    names = ("audience", "brand", "language", "skills") + STATES
    rows = [[row.get(name) for name in names] for row in counts.get("queues", [])]
    return counts.get("closed"), sorted(map(str, rows))


def queues_left(counts):
    """The queues with something to do, each once, with their number of items."""
    left = {}
    for row in counts.get("queues", []):
        number = sum(row.get(state, 0) for state in STATES)
        if number:
            name = f"{row['audience']}/{row['brand']}/{row['language']}"
            left[name] = left.get(name, 0) + number
    return ", ".join(f"{name} {number}" for name, number in sorted(left.items()))


def lift_freezes(ctl):
    """A frozen brand's replies do not go out, so its items would never end: lifts every freeze, and says so."""
    asked = subprocess.run([ctl, "--wait", "5", "status", "--json"], capture_output=True, encoding="utf-8", check=False)
    if asked.returncode != 0:
        return
    for brand in filter(None, json.loads(asked.stdout).get("frozen", "").split(",")):
        done = subprocess.run([ctl, "--wait", "5", "unfreeze", brand, "--reason", "the demo's scripted people go on"],
                              capture_output=True, encoding="utf-8", check=False)
        if done.returncode == 0:
            say(f"{brand} was frozen, so none of its replies went out; it is no longer (behalf-ctl unfreeze {brand}).")
        else:
            say(f"{brand} is frozen, and its items cannot end: {done.stderr.strip()}")


def is_settled(people, counts):
    return all(each.roles for each in people) and not left_in(counts)


def work(people, inbox, deadline, timeout):
    """Lets the people work until nothing is left to do.  Returns None, or why it came to nothing."""
    supervisor = None
    asked_at = 0.0
    counts = {}
    progress = Progress()
    moved_at = time.monotonic()  # when the counts last changed
    try:
        while time.monotonic() < min(deadline, moved_at + timeout):
            if supervisor and time.monotonic() - asked_at > 0.2:
                asked_at = time.monotonic()
                supervisor.send("status")
            try:
                person, line, is_complaint = inbox.get(timeout=0.1)
            except queue.Empty:
                continue
            if is_complaint:
                print(f"{person.name}: {line.rstrip()}", file=sys.stderr)
                continue
            if line is None:
                return f"the worker of {person.name} ended early"
            message = json.loads(line)
            if message.get("type", "").lower() == "counts":
                if how_it_stands(message) != how_it_stands(counts):
                    moved_at = time.monotonic()
                counts = message
                if is_settled(people, counts):
                    progress.tell(0)
                    return None
                progress.tell(left_in(counts))
                continue
            trouble = person.hear(message)
            if trouble:
                print(trouble, file=sys.stderr)
            if "supervisor" in person.roles:
                supervisor = person
    finally:
        progress.end()
    over = "the time is over" if time.monotonic() >= deadline else f"nothing has moved for {timeout:.0f} s"
    return f"{over}; still open: {queues_left(counts) or 'unknown'}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rules", required=True, help="the rules of the desk: who there is")
    parser.add_argument("--list", action="store_true", help="only print the people of the rules")
    parser.add_argument("--worker", help="the program behalf-worker; the broker is told in BEHALF_BROKER")
    parser.add_argument("--ctl", help="the program behalf-ctl")
    parser.add_argument("--seconds", type=float, default=120, help="how long they may take")
    parser.add_argument("--timeout", type=float, default=15, help="how long nothing may move before they give up")
    arguments = parser.parse_args()
    if arguments.list:
        print_people(arguments.rules)
        return
    if not arguments.worker or not arguments.ctl:
        parser.error("--worker and --ctl are needed")

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the workers are ended too
    inbox = queue.Queue()
    people = []
    try:
        lift_freezes(arguments.ctl)
        people += [Person(name, arguments, inbox) for name in people_of(arguments.rules)]
        trouble = work(people, inbox, time.monotonic() + arguments.seconds, arguments.timeout)
    except KeyboardInterrupt:
        trouble = "stopped"
    finally:
        for person in people:
            person.end()
    if trouble:
        sys.exit(f"demo_people: {trouble}")


if __name__ == "__main__":
    main()
