"""file_heads_test.py ROOT - each source file begins with its name and what lives there, not only with where to look.

A file of two, thing.c and thing.h, says in each what is in that one.
"""

import os
import re
import sys

FOLDERS = ("include", "proto", "broker", "worker", "tests")


def files(root):
    for folder in FOLDERS:
        for path, folders, names in os.walk(os.path.join(root, folder)):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                if name.endswith((".c", ".h", ".cc", ".def")):
                    yield os.path.join(path, name), name


def head_of(path):
    with open(path, encoding="utf-8") as file:
        return file.readline().rstrip("\n")


def is_head(name, line):
    words = re.fullmatch(rf"// {re.escape(name)} - (.*)", line)
    # A program's says how it is called.
    program = re.fullmatch(r"// [a-z_]+ \[.*\] - .+", line) and name == "main.c"
    return bool(program) or bool(words) and not re.fullmatch(r"see \S+\.h\.?", words[1])


def main():
    assert not is_head("a.c", "// a.c - see a.h.") and not is_head("a.c", "// b.c - what lives there.")
    assert is_head("a.c", "// a.c - what lives there: see a.h.")
    wrong = [f"{path}: {head_of(path)}" for path, name in sorted(files(sys.argv[1])) if not is_head(name, head_of(path))]
    for line in wrong:
        print(f"begin it with `// NAME - what lives there`: {line}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
