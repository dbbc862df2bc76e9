"""pages_test.py ROOT - what the pages for who changes the code name is there: files, functions, names of the code.

Of the journey of a post to a screen it looks, too, whether each file has the functions that its row says it has, and
counts the files that a post passes.
"""

import os
import re
import sys

PAGES = ("ARCHITECTURE.md", "CONTRIBUTING.md", "broker/ownership/README.md")
FOLDERS = ("include", "proto", "broker", "worker", "tests", "deploy")
FILE = re.compile(r"[\w./-]+\.(c|h|cc|def|md|py|txt|sql|yaml|query|cmake)")
NAME = re.compile(r"([a-z]\w*_\w+)( \(.*\))?|([A-Z][A-Z_]{3,})")
# Of how-tos and of the style: names that somebody would make.
EXAMPLES = {"mood", "outcome_mood", "thing_new", "thing_destroy", "lease_ms", "session=7 person=asha"}
FILES_OF_A_POST_MAX = 20


class Tree:
    def __init__(self, root):
        self.files = set()
        self.words = set()
        self.root = root
        for name in os.listdir(root):
            if os.path.isfile(os.path.join(root, name)):
                self.files.add(name)
        for folder in FOLDERS:
            for path, inside, names in os.walk(os.path.join(root, folder)):
                inside[:] = [name for name in inside if not name.startswith(".")]
                for name in names:
                    self.files.add(os.path.relpath(os.path.join(path, name), root))
        for path in self.files:
            if path.endswith((".c", ".h", ".cc", ".def", ".cmake", "CMakeLists.txt")):
                self.words.update(re.findall(r"\w+", self.read(path)))

    def read(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as file:
            return file.read()

    def named(self, name):
        """The files that a page may mean by a name: whole, or by its end."""
        return [path for path in self.files if path == name or path.endswith("/" + name)]


def wrong_of_page(tree, page, text):
    for quoted in re.findall(r"`([^`\n]+)`", text):
        name = NAME.fullmatch(quoted)
        if FILE.fullmatch(quoted) and not tree.named(quoted):
            yield f"{page}: there is no file {quoted}"
        elif name and (name[1] or name[3]) not in tree.words | EXAMPLES:
            yield f"{page}: nothing in the code is called {quoted}"


def journey(text):
    """The rows of the journey of a post to a screen: number, file, what happens."""
    part = text[text.index("### (a)") : text.index("### (b)")]
    return re.findall(r"^\| *[LW]? *\| *(\d*) *\| *([^|]+?) *\| *(.+?) *\|$", part, re.MULTILINE)


def wrong_of_journey(tree, text):
    rows = journey(text)
    if len(rows) < 10:
        yield "ARCHITECTURE.md: the journey of a post has lost its table"
    passed = set()
    for _, where, what in rows:
        for file in re.findall(r"`([\w/]+\.c)`", where):
            paths = tree.named(file)
            for path in paths:
                passed.add(file)
                claimed = re.match(r"(`\w+`(, `\w+`)*)(?=[:,;]| |$)", what)
                for function in re.findall(r"`(\w+)`", claimed[1] if claimed else ""):
                    if not any(re.search(rf"\b{function}\b", tree.read(one)) for one in paths):
                        yield f"ARCHITECTURE.md: {function} is not in {path}"
    if len(passed) > FILES_OF_A_POST_MAX:
        yield f"ARCHITECTURE.md: a post passes {len(passed)} files on its way to a screen; {FILES_OF_A_POST_MAX} at most"


def main():
    tree = Tree(sys.argv[1])
    assert list(wrong_of_page(tree, "a page", "`no_such_function` of `no/such.c`"))
    assert not list(wrong_of_page(tree, "a page", "`item_move` of `desk/item.c`"))
    wrong = [line for page in PAGES for line in wrong_of_page(tree, page, tree.read(page))]
    wrong += wrong_of_journey(tree, tree.read("ARCHITECTURE.md"))
    for line in wrong:
        print(line)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
