"""What the demo prints at its end: what came in, who did what, what went out, and where all of it is kept.

Reads the store, and only reads it, so that it tells the same whether the broker runs, was killed, or has work left; for
the history of one item it asks behalf-ctl, as a person would, if the broker answers.  Texts come from outside: nothing
in them may move the cursor or hide.  Only the standard library is used.
"""

import argparse
import collections
import contextlib
import datetime
import re
import sqlite3
import subprocess
import sys
import unicodedata

WIDTH = 118


def visible(text):
    """The text in one line, with control and bidi characters spelt out."""
    marks = []
    for character in text:
        category = unicodedata.category(character)
        if character in "\n\t":
            marks.append(" ")
        elif category in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"):
            marks.append(f"<{ord(character):04X}>")
        else:
            marks.append(character)
    return "".join(marks)


def width(text):
    """Columns that a terminal needs for it."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def cut(text, columns):
    if width(text) <= columns:
        return text
    while width(text) > columns - 1:
        text = text[:-1]
    return text + "…"


def table(heads, rows):
    """Prints rows under heads, nothing without rows; the last column takes what is left of the line."""
    if not rows:
        return
    rows = [[visible(str(cell)) for cell in row] for row in rows]
    widths = [max([width(head)] + [width(row[i]) for row in rows]) for i, head in enumerate(heads)]
    widths[-1] = max(20, WIDTH - 2 - sum(widths[:-1]) - 2 * (len(heads) - 1))
    for row in [heads] + rows:
        cells = [cut(cell, columns) for cell, columns in zip(row, widths)]
        print(("  " + "  ".join(c + " " * (w - width(c)) for c, w in zip(cells, widths))).rstrip())


def title(text):
    print(f"\n{text}")


def counted(counter):
    return ", ".join(f"{name} {number}" for name, number in counter.most_common())


def number_of(count, noun):
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def progress(items):
    """How far a number of items is, in words."""
    ended = sum(row["state"] == "closed" for row in items)
    left = len(items) - ended
    if not left:
        return f"all {len(items)} items ended"
    return f"{ended} of {number_of(len(items), 'item')} ended, {left} still open"


def came_in(posts, items):
    edited = sum(row["edited_text"] is not None for row in posts)
    deleted = sum(row["deleted"] for row in posts)
    told = f"{number_of(len(posts), 'post')}, {edited} edited, {deleted} deleted by its author"
    title(f"What came in: {told}; {progress(items)}" if posts else "What came in: nothing yet")
    rows = []
    for brand in sorted({row["brand"] for row in items}):
        of_brand = [row for row in items if row["brand"] == brand]
        languages = collections.Counter(row["language"] or "und" for row in of_brand)
        rows.append([brand, sum(row["brand"] == brand for row in posts), len(of_brand),
                     sum(row["state"] != "closed" for row in of_brand), counted(languages)])
    table(["brand", "posts", "items", "open", "items by language"], rows)


def how_it_ended(outcomes):
    kinds = collections.Counter(row["outcome"] for row in outcomes)
    title("How the items ended: " + (counted(kinds) or "none has ended yet"))
    people = collections.defaultdict(list)
    for row in outcomes:
        people[row["person"]].append(row)
    rows = []
    for person, of_person in sorted(people.items(), key=lambda pair: (not pair[0], not pair[1][0]["agency"], pair[0])):
        answered = sum(row["outcome"] == "answered" for row in of_person)
        rows.append([person or "(by rule)", of_person[0]["agency"], answered, len(of_person) - answered,
                     counted(collections.Counter(row["language"] or "und" for row in of_person)),
                     counted(collections.Counter(row["brand"] for row in of_person))])
    table(["person", "agency", "answered", "closed", "languages", "brands"], rows)


def became(item, outcome, returned_by):
    """What became of an item that went to PR, and through whom."""
    parts = [f"returned by {person}" for person in returned_by]
    if outcome:
        parts.append(outcome["outcome"] + (f" by {outcome['person']}" if outcome["person"] else ""))
    elif item["state"] == "waiting":
        parts.append("waits for " + {"pr": "PR", "agent": "an agent"}.get(item["audience"], "the " + item["audience"]))
    else:
        words = {"offered": "offered to", "held": "held by", "sending": "reply on its way from", "parked": "parked by"}
        parts.append(f"{words.get(item['state'], item['state'])} {item['person']}".strip())
    return ", ".join(parts)


def what_went_to_pr(items, outcomes, rows_of):
    been = {row["item"] for row in rows_of("SELECT DISTINCT item FROM event WHERE queue LIKE 'pr/%'")}
    gone = [row for row in items if row["item"] in been or row["escalated"]]
    title("What went to PR, and why: " + (number_of(len(gone), "item") if gone else "nothing yet"))
    ends = {row["item"]: row for row in outcomes}
    authors = {row["item"]: row["author"] for row in rows_of("SELECT item, author FROM post WHERE number = 1")}
    returned = collections.defaultdict(list)
    for row in rows_of("SELECT item, person FROM note WHERE kind = 'guidance' ORDER BY item, number"):
        returned[row["item"]].append(row["person"])
    table(["item", "brand", "lang", "author", "what became of it", "why"],
          [[row["item"], row["brand"], row["language"] or "und", authors.get(row["item"], ""),
            became(row, ends.get(row["item"]), returned[row["item"]]), row["escalated"] or row["reason"]] for row in gone])
    return gone


def what_went_out(rows_of, path):
    replies = rows_of("SELECT reply.brand, reply.channel, reply.text, reply.state, post.author FROM reply "
                      "LEFT JOIN post ON post.item = reply.item AND post.number = 1 ORDER BY reply.settled_ms, reply.reply")
    out = [row for row in replies if row["state"] == "confirmed"]
    left = sum(row["state"] in ("queued", "handed", "unknown") for row in replies)
    where = f", in {path}" if path else ""
    told = f"{len(out)} repl{'y' if len(out) == 1 else 'ies'}{where}; the latest of each brand" if out else "no reply yet"
    title(f"What went out: {told}" + (f"; {left} more in the outbox" if left else ""))
    latest = {row["brand"]: row for row in out}
    for brand, reply in sorted(latest.items()):
        print(f"  {visible(reply['author'] or '')} on {reply['channel']}, for {brand}:")
        for line in wrapped(visible(reply["text"]), WIDTH - 6):
            print(f"      {line}")


def wrapped(text, columns):
    """Lines of at most `columns` columns; broken at blanks where there are any, else anywhere."""
    line = ""
    for word in re.findall(r"\S+\s*|\s+", text):
        if line and width(line + word.rstrip()) > columns:
            yield line.rstrip()
            line = ""
        for character in word:
            if width(line + character) > columns:
                yield line
                line = ""
            line += character if line or not character.isspace() else ""
    yield line.rstrip()


def why(ctl, item, rows_of):
    done = subprocess.run([ctl, "--wait", "3", "why", str(item)], capture_output=True, encoding="utf-8", check=False)
    if done.returncode == 0:
        title(f"Why item {item} went where it went (behalf-ctl why {item})")
        lines = done.stdout.splitlines()
    else:
        title(f"Why item {item} went where it went (from the store, as the broker does not answer)")
        lines = [f"{utc(row['at_ms'])}  {row['kind']} {row['person']}  in {row['queue']}  {row['detail']}"
                 for row in rows_of("SELECT * FROM event WHERE item = ? ORDER BY sequence", item)]
    for line in lines:
        print(("  " + cut(visible(line), WIDTH - 2)).rstrip())


def utc(at_ms):
    return datetime.datetime.fromtimestamp(at_ms / 1000, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def where_it_is(store, rows_of):
    """Shows SQL that a reader may type, and what it gives."""
    title(f"All of it is in {store} (tables: post, item, event, reply, outcome; views: report_...)")
    for sql in (
        "SELECT person, outcome, items, seconds_average FROM report_person ORDER BY items DESC LIMIT 4",
        "SELECT item, brand, state, escalated FROM item WHERE escalated <> '' LIMIT 3",
    ):
        rows = rows_of(sql)
        if not rows:
            continue
        print(f'\n  sqlite3 -readonly -header {store} \\\n    "{sql}"')
        print("    " + "|".join(rows[0].keys()))
        for row in rows:
            print("    " + cut(visible("|".join(str(cell) for cell in row)), WIDTH - 4))
    print()


def report(arguments, rows_of):
    posts = rows_of("SELECT brand, edited_text, deleted FROM post")
    items = rows_of("SELECT * FROM item ORDER BY item")
    if arguments.short:
        print(f"{number_of(len(posts), 'post')}; {progress(items)}")
        return
    outcomes = rows_of("SELECT * FROM outcome ORDER BY ended")
    came_in(posts, items)
    how_it_ended(outcomes)
    gone = what_went_to_pr(items, outcomes, rows_of)
    what_went_out(rows_of, "" if arguments.removed else f"{arguments.folder}/replies.ndjson")
    if gone:
        why(arguments.ctl, max(gone, key=lambda row: row["moves"])["item"], rows_of)
    if not arguments.removed:
        where_it_is(arguments.store, rows_of)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--folder", required=True, help="the demo's folder")
    parser.add_argument("--store", required=True, help="the file of the store")
    parser.add_argument("--ctl", required=True, help="the program behalf-ctl; the broker is told in BEHALF_BROKER")
    parser.add_argument("--removed", action="store_true", help="the folder is removed next: send nobody there")
    parser.add_argument("--short", action="store_true", help="only say, in a line, how far the desk is")
    arguments = parser.parse_args()

    try:
        with contextlib.closing(sqlite3.connect(f"file:{arguments.store}?mode=ro", uri=True, timeout=5)) as database:
            database.row_factory = sqlite3.Row
            report(arguments, lambda sql, *values: database.execute(sql, values).fetchall())
    except sqlite3.Error as error:
        sys.exit(f"demo_report: {arguments.store}: {error}")


if __name__ == "__main__":
    main()
