"""What the demo prints at its end: what came in, who did what, what went out, and where all of it is kept.

Asks the broker through behalf-ctl, as a person would, and reads the two files of the sample adapter.  Texts come from
outside: nothing in them may move the cursor or hide.  Only the standard library is used.
"""

import argparse
import collections
import contextlib
import json
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
    """Prints rows under heads; the last column takes what is left of the line."""
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


def came_in(lines, outcomes):
    kinds = collections.Counter(line["type"] for line in lines)
    title(f"What came in: {kinds['post']} posts, {kinds['edit']} edited, {kinds['delete']} deleted by its author; "
          f"of the items that they made, {len(outcomes)} have ended")
    brands = collections.defaultdict(list)
    for row in outcomes:
        brands[row["brand"]].append(row)
    rows = []
    for brand, of_brand in sorted(brands.items()):
        languages = collections.Counter(row.get("language", "und") for row in of_brand)
        posts = sum(row.get("posts", 1) for row in of_brand)
        rows.append([brand, posts, len(of_brand), counted(languages)])
    table(["brand", "posts", "items", "items by language"], rows)


def how_it_ended(outcomes):
    title("How the items ended: " + counted(collections.Counter(row["outcome"] for row in outcomes)))
    people = collections.defaultdict(list)
    for row in outcomes:
        people[row.get("person", "")].append(row)
    rows = []
    for person, of_person in sorted(people.items(), key=lambda pair: (not pair[0], not pair[1][0].get("agency"), pair[0])):
        answered = sum(row["outcome"] == "answered" for row in of_person)
        rows.append([person or "(by rule)", of_person[0].get("agency", ""), answered, len(of_person) - answered,
                     counted(collections.Counter(row.get("language", "und") for row in of_person)),
                     counted(collections.Counter(row["brand"] for row in of_person))])
    table(["person", "agency", "answered", "closed", "languages", "brands"], rows)


def what_was_escalated(outcomes):
    escalated = sorted((row for row in outcomes if row.get("escalated")), key=lambda row: row["item"])
    title(f"What went to PR, and why: {len(escalated)} items")
    table(["item", "brand", "lang", "author", "ended by", "outcome", "why"],
          [[row["item"], row["brand"], row.get("language", "und"), row.get("author", ""), row.get("person", ""),
            row["outcome"], row["escalated"]] for row in escalated])
    return escalated


def what_went_out(replies, path):
    title(f"What went out: {len(replies)} replies, in {path}; the latest of each brand")
    latest = {reply["brand"]: reply for reply in replies}
    for brand, reply in sorted(latest.items()):
        print(f"  {visible(reply['author'])} on {reply['channel']}, for {brand}:")
        for line in wrapped(visible(reply["text"]), WIDTH - 6):
            print(f"      {line}")


def wrapped(text, columns):
    """Lines of at most so many columns; broken at blanks where there are any, else anywhere."""
    line = ""
    for word in re.findall(r"\S+\s*|\s+", text):
        if line and width(line + word.rstrip()) > columns:
            yield line.rstrip()
            line = ""
        for character in word:
            if width(line + character) > columns:
                yield line
                line = ""
            line += character
    yield line.rstrip()


def why(ctl, item):
    title(f"Why item {item} went where it went (behalf-ctl why {item})")
    for line in ask(ctl, "why", str(item)).splitlines():
        print(("  " + cut(visible(line), WIDTH - 2)).rstrip())


def where_it_is(store):
    """Shows SQL that a reader may type, and what it gives."""
    title(f"All of it is in {store} (tables: post, item, event, reply, outcome; views: report_...)")
    for sql in (
        "SELECT person, outcome, items, seconds_average FROM report_person ORDER BY items DESC LIMIT 4",
        "SELECT item, brand, author, escalated FROM report_outcome WHERE escalated <> '' LIMIT 3",
    ):
        print(f'\n  sqlite3 -readonly -header {store} \\\n    "{sql}"')
        with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as database:
            cursor = database.execute(sql)
            print("    " + "|".join(column[0] for column in cursor.description))
            for row in cursor:
                print("    " + cut(visible("|".join(str(cell) for cell in row)), WIDTH - 4))
    print()


def ask(ctl, *arguments):
    done = subprocess.run([ctl, *arguments], capture_output=True, encoding="utf-8", check=False)
    if done.returncode != 0:
        sys.exit(f"demo_report: behalf-ctl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def lines_of(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--folder", required=True, help="the demo's folder")
    parser.add_argument("--store", required=True, help="the file of the store")
    parser.add_argument("--ctl", required=True, help="the program behalf-ctl; the broker is told in BEHALF_BROKER")
    arguments = parser.parse_args()

    outcomes = [json.loads(line) for line in ask(arguments.ctl, "outcomes", "--json").splitlines()]
    came_in(lines_of(f"{arguments.folder}/posts.ndjson"), outcomes)
    how_it_ended(outcomes)
    escalated = what_was_escalated(outcomes)
    what_went_out(lines_of(f"{arguments.folder}/replies.ndjson"), f"{arguments.folder}/replies.ndjson")
    if escalated:
        why(arguments.ctl, max(escalated, key=lambda row: row.get("moves", 0))["item"])
    where_it_is(arguments.store)


if __name__ == "__main__":
    main()
