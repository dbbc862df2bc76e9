"""real_posts_rules.py - the rules of engagement for the real posts, and the same rules a second time in Python.

One set of tables makes the YAML that the broker reads and the judgement that the test compares with what the broker did:
which posts are sensitive, which skills they need, who may serve what.  The judgement shares no code with the broker.
"""

import html
import re
import unicodedata

AIRLINES = {  # as the file names them: as the rules do
    "Virgin America": "virgin", "United": "united", "Southwest": "southwest", "Delta": "delta",
    "US Airways": "usairways", "American": "american",
}
OTHER_BRAND = "carter"
REACH = 5  # the file knows no followers; how often a post was passed on stands for the reach of its author

SENSITIVE = {
    "legal": ["lawsuit*", "lawyer*", "attorney*", "sue", "suing", "sued", "court", "legal*", "fraud*", "scam*",
              "anwalt*", "gericht", "avocat*", "tribunal", "abogad*", "advocaat", "rechter"],
    "discrimination": ["discriminat*", "racis*", "racial*", "sexis*", "homophob*", "wheelchair*", "disab*", "rassis*",
                       "discrimin*"],
    "injury": ["injur*", "hospital*", "ambulance", "medical*", "died", "assault*", "unsafe", "verletz*", "krankenhaus*",
               "bless*", "herid*", "gewond*", "ziekenhuis"],
    "theft and threats": ["stole", "stolen", "threat*", "police", "boycott*", "going viral"],
}
TOPICS = {  # each is also the name of a skill
    "baggage": ["bag", "bags", "baggage", "luggage", "suitcase*", "lost my", "carousel"],
    "refunds": ["refund*", "money back", "reimburs*", "compensat*", "voucher*"],
    "delay": ["delay*", "late flight", "cancel*", "stuck", "waiting", "missed connection*"],
    "booking": ["book", "booked", "booking*", "reservation*", "rebook*", "seat", "seats", "upgrade*"],
}
NEEDS_APPROVAL = "refunds"  # of united


def person(display_name, roles, brands, languages, skills=None, capacity=4, agency=None):
    return {"display_name": display_name, "roles": roles, "brands": brands, "languages": languages,
            "skills": skills or {}, "capacity": capacity, "agency": agency}


def make_people():
    """For each airline two specialists and one who can do all; a few for all airlines; five for the other brand."""
    names = iter(["Amy Abel", "Bob Berg", "Cho Chan", "Dev Das", "Eva Ek", "Fay Finn", "Gus Gray", "Hal Hunt", "Ivy Ives",
                  "Jon Jung", "Kai Kern", "Lea Lang", "Max Moss", "Nia Noor", "Oda Olsen", "Pia Pohl", "Quin Quist",
                  "Roy Rust"])
    people = {}

    def add(display_name, *rest, **named):
        people[display_name.split()[0].lower()] = person(display_name, *rest, **named)

    for brand in AIRLINES.values():
        add(next(names), ["agent"], [brand], {"en": 8}, {"baggage": 7, "delay": 7}, agency="Northline")
        add(next(names), ["agent"], [brand], {"en": 7}, {"booking": 9, "refunds": 6}, agency="Tavira Contact")
        add(next(names), ["agent"], [brand], {"en": 9, "es": 8}, dict.fromkeys(TOPICS, 8), agency="Northline")
    airlines = list(AIRLINES.values())
    add("Sol Silva", ["agent"], airlines, {"en": 6, "es": 9}, dict.fromkeys(TOPICS, 4), agency="Tavira Contact")
    add("Tim Tran", ["agent"], airlines, {"en": 6}, {"delay": 5}, capacity=2, agency="Northline")
    for display_name, language in (("Dora Dietz", "de"), ("Femke Faber", "nl"), ("Luc Lambert", "fr"),
                                   ("Ines Ibarra", "es"), ("Kim Kent", "en")):
        add(display_name, ["agent"], [OTHER_BRAND], {language: 9}, capacity=3, agency="Northline")
    add("Uma Ulrich", ["agent"], [OTHER_BRAND], {"de": 5, "nl": 5, "en": 5}, capacity=3, agency="Tavira Contact")
    every_skill = dict.fromkeys(TOPICS, 5)  # what an agent escalates or submits keeps the skills of its topics
    add("Petra Lind", ["pr"], airlines[:3], {"en": 8, "es": 6}, every_skill, capacity=3)
    add("Paul Okafor", ["pr"], airlines[3:], {"en": 8, "es": 6}, every_skill, capacity=3)
    add("Pilar Sanz", ["pr"], airlines + [OTHER_BRAND], dict.fromkeys(("en", "de", "fr", "es", "nl"), 7), every_skill,
        capacity=2)
    add("Anna Bloom", ["approver"], ["united"], {"en": 5, "es": 5}, every_skill, capacity=3)
    add("Sam Whit", ["supervisor"], airlines + [OTHER_BRAND], {"en": 5})
    return people


PEOPLE = make_people()


# ---- as YAML ----

def quoted(words):
    return "[" + ", ".join('"%s"' % word for word in words) + "]"


def levels(table):
    return "{ " + ", ".join(f"{name}: {level}" for name, level in table.items()) + " }" if table else "none"


def brand_lines(name, display_name, languages, take, approve):
    return [f"  {name}:", f"    display_name: {display_name}", f"    languages: {quoted(languages)}",
            "    undetermined: en", '    guidance: "Kind and short."',
            '    disclosure: "I\'m {first_name} from {agency}, answering for {brand}."',
            '    disclosure_pr: "{first_name}, {brand} press office"', f"    take: {take}", f"    approve: {approve}"]


def person_lines(name, who):
    lines = [f"  {name}:", f"    display_name: {who['display_name']}", f"    roles: {quoted(who['roles'])}",
             f"    brands: {quoted(who['brands'])}", f"    languages: {levels(who['languages'])}",
             f"    capacity: {who['capacity']}"]
    if who["skills"]:
        lines.append(f"    skills: {levels(who['skills'])}")
    if who["agency"]:
        lines.append(f"    agency: {who['agency']}")
    return lines


def as_yaml():
    lines = ["desk: real", "times: { offer: 30 s, grace: 60 s, decline: 500 ms, prefer: 300 ms, known_author: 24 h }",
             "channels:", "  twitter: { length: 280 }", "  microblog: { length: 280 }",
             f"skills: {quoted(TOPICS)}", 'agencies: ["Northline", "Tavira Contact"]', "brands:"]
    for number, (display_name, name) in enumerate(AIRLINES.items()):
        approve = quoted([NEEDS_APPROVAL]) if name == "united" else "none"
        lines += brand_lines(name, display_name, ["en", "es"], "automatic" if number % 2 else "explicit", approve)
    lines += brand_lines(OTHER_BRAND, "Carter", ["en", "de", "fr", "es", "nl"], "automatic", "none")
    lines.append("topics:")
    for name, patterns in TOPICS.items():
        lines += [f"  {name}:", f"    brands: {quoted(AIRLINES.values())}", f"    skill: {name}",
                  f"    patterns: {quoted(patterns)}"]
    lines.append("sensitive:")
    for name, patterns in SENSITIVE.items():
        lines += [f"  {name}:", f"    patterns: {quoted(patterns)}"]
    lines += ["  wide audience:", f"    reach: {REACH}", "noise:", "  nothing said:", "    empty: yes",
              "    only: [links, mentions, hashtags, emoji]", "people:"]
    for name, who in PEOPLE.items():
        lines += person_lines(name, who)
    return "\n".join(lines) + "\n"


# ---- as a judgement ----

def expression(patterns):
    """Whole words in any script; * stands for the rest of a word, a blank for up to three signs between words."""
    parts = [re.escape(fold(one)).replace(r"\*", r"[^\W_]*").replace(r"\ ", r"[\W_]{1,3}") for one in patterns]
    return re.compile(r"(?<![^\W_])(?:%s)(?![^\W_])" % "|".join(parts))


def fold(text):
    text = unicodedata.normalize("NFKC", html.unescape(text)).casefold()
    return "".join(one for one in text if unicodedata.category(one) not in ("Cf", "Cc") or one.isspace())


def loose_expression(patterns):
    """Words that begin as a pattern does, and such beginnings anywhere in a hashtag, a letter doubled or not."""
    parts = [re.escape(once(fold(one))).replace(r"\*", "").replace(r"\ ", r"[\W_]{0,3}") for one in patterns]
    return re.compile(r"(?:(?<![^\W_])|#\w*)(?:%s)[^\W_]{0,4}" % "|".join(parts))


def once(text):
    """A text without accents and doubled letters."""
    plain = "".join(one for one in unicodedata.normalize("NFD", text) if not unicodedata.combining(one))
    return re.sub(r"(.)\1+", r"\1", plain)


SENSITIVE_EXPRESSION = expression([one for patterns in SENSITIVE.values() for one in patterns])
TOPIC_EXPRESSIONS = {name: expression(patterns) for name, patterns in TOPICS.items()}
LOOSE_TOPIC_EXPRESSIONS = {name: loose_expression(patterns) for name, patterns in TOPICS.items()}


def is_sensitive(text, reach):
    return reach >= REACH or SENSITIVE_EXPRESSION.search(fold(text)) is not None


def skills_needed(text, brand):
    if brand == OTHER_BRAND:
        return set()
    return {name for name, wanted in TOPIC_EXPRESSIONS.items() if wanted.search(fold(text))}


def skills_allowed(text, brand):
    """Skills that a reader who takes words in all their forms, joined or misspelled, may find a text to need."""
    if brand == OTHER_BRAND:
        return set()
    return {name for name, wanted in LOOSE_TOPIC_EXPRESSIONS.items() if wanted.search(once(fold(text)))}


def may_serve(who, audience, brand, language, skills):
    return (audience in who["roles"] and brand in who["brands"] and language in who["languages"] and
            set(skills) <= set(who["skills"]))


def disclosure(who, audience, brand):
    first_name = who["display_name"].split()[0]
    display_name = next((name for name, key in AIRLINES.items() if key == brand), "Carter")
    if audience == "pr":
        return f"{first_name}, {display_name} press office"
    return f"I'm {first_name} from {who['agency']}, answering for {display_name}."
