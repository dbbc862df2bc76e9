// rule_reader.h - the rules' text as values, checked one by one against the table of keys.
//
// A section of rule_keys.def becomes a struct with a value for each key: what was written, or the default.
// What a single value can get wrong (type, limits, spelling, unknown keys) is found here; what values mean
// to each other is not (rules_check.c).

#ifndef TRIAGE_RULE_READER_H
#define TRIAGE_RULE_READER_H

#include "broker/triage/rules.h"
#include "broker/triage/yaml_tree.h"

#include <stdint.h>

#define RULE_LEVEL_MAX 10
#define RULE_LEVEL_DEFAULT 5

struct rule_value {
    const struct yaml_node *node; // as written and found good; NULL when the default holds
    const char *text;             // NAME, TEXT, WORDING: the text; "" when there is none
    int64_t number;               // COUNT, TIME in milliseconds, ANSWER 0 or 1; WORD: which of the words, from 0;
                                  // NAMES, LEVELS: which of the words, or -1 for the list in `node`
};

// struct rule_desk, struct rule_times, ...: values and nothing else.
#define SECTION(name, doc) struct rule_##name {
#define KEY(field, kind, refers, presence, minimum, maximum, fallback, doc) struct rule_value field;
#define END_SECTION(name)                                                                                              \
    }                                                                                                                  \
    ;
#include "broker/triage/rule_keys.def"

enum rule_section {
#define SECTION(name, doc) RULE_SECTION_##name,
#include "broker/triage/rule_keys.def"
    RULE_SECTION_COUNT
};

// Where problems go.  Begins as { 0 }; keeps more than it will show, to show the first by line.
struct rule_problems {
    struct behalf_problem *problems;
    size_t count;
    size_t found;
};

// Adds a problem.  Control characters in it become '?'.
void rule_problem(struct rule_problems *problems, struct yaml_mark mark, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

// The same at a node, whose path is the key.
void rule_problem_at(struct rule_problems *problems, const struct yaml_node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Moves the first of the problems, by line, into what callers see; `problems` is then empty.
void rule_problems_finish(struct rule_problems *problems, struct rules_problems *out);

// Reads a map as a section into `values`, its struct; `map` may be NULL for a section that is absent.
// Every value can be used afterwards, also where a problem was reported.
void rule_read(struct rule_problems *problems, enum rule_section section, const struct yaml_node *map, void *values);

// Children of the node of a PARTS, NAMES, PATTERNS or WORDING value, one after another: NULL begins, NULL ends.  A
// single name in place of a list is a list of one.
const struct yaml_node *rule_next(const struct rule_value *value, const struct yaml_node *previous);

// An entry of a LEVELS value: its name and level.
const char *rule_level(const struct yaml_node *entry, uint8_t *level);

// The nearest of several words to one that was not found, for "did you mean".
struct likeness {
    const char *word;
    const char *nearest; // NULL as long as none is near
    size_t distance;     // of `nearest`
};

void likeness_try(struct likeness *likeness, const char *candidate);

#endif
