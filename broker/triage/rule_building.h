// rule_building.h - rules in the making, for the files that make them and for nobody else.
//
// rules.c reads the text and calls the others in turn: rules_previous.c takes over the indexes of the rules
// before, rules_brands.c, rules_people.c and rules_posts.c turn values into a policy and rules, all of them
// finding names with rules_names.c, and rules_check.c looks at what the parts mean to each other.  Every one
// of them reports what is wrong and goes on.

#ifndef TRIAGE_RULE_BUILDING_H
#define TRIAGE_RULE_BUILDING_H

#include "broker/triage/rule_reader.h"
#include "broker/triage/rule_set.h"

#include <string.h>

struct rules {
    struct policy policy;
    char *text;
    struct rule_set set;
    struct rules_problems warnings;
};

// Rules in the making.
struct building {
    struct rules *rules;
    struct policy *policy; // theirs
    struct rule_problems problems;
    struct rule_problems warnings;
    struct rule_desk desk;                  // the outermost values
    const struct yaml_node **pattern_nodes; // where each pattern was written
    bool unknown_placeholder;               // in a disclosure line: how long it grows cannot be told
    unsigned exact;                         // foldings that the desk turns off where a rule says nothing
    uint64_t all_brands;                    // those in force
    uint64_t all_languages;                 // with und
    uint64_t all_skills;
    uint64_t all_channels;
};

static inline uint64_t bit_of(uint32_t index)
{
    return UINT64_C(1) << index;
}

// A copy that the caller owns.
char *building_copy_text(const char *text);

// The array with room for `count` elements, the last of which is all zero.
void *building_grow(void *array, size_t count, size_t element_bytes);

// ---- rules_previous.c ----

// Everything that earlier versions named, retired until this one names it again.
void building_start_from(struct policy *policy, const struct policy *previous);

// ---- rules_names.c ----

// Finds a name, also a retired one, in an array of policy structs; sets `index` to the count if it is new.
#define FIND_ANY(array, array_count, wanted, index)                                                                    \
    do {                                                                                                               \
        (index) = 0;                                                                                                   \
        while ((index) < (array_count) && strcmp((array)[index].name, (wanted)) != 0)                                  \
            (index)++;                                                                                                 \
    } while (0)

// Says that there is no room for a further name.
void building_report_full(struct building *building, const struct yaml_node *node, const char *what, size_t maximum);

// A name that stands for nothing, with the nearest one that does, or NULL.
void building_report_unknown(struct building *building, const struct yaml_node *node, const char *kind,
                             const char *name, const char *nearest);

// The same; the nearest is sought among those in force of an array of policy structs.
#define REPORT_UNKNOWN(building, node, kind, wanted, array, array_count)                                               \
    do {                                                                                                               \
        struct likeness likeness = { .word = (wanted) };                                                               \
        for (size_t i = 0; i < (array_count); i++)                                                                     \
            if (!(array)[i].retired)                                                                                   \
                likeness_try(&likeness, (array)[i].name);                                                              \
        building_report_unknown(building, node, kind, wanted, likeness.nearest);                                       \
    } while (0)

// Brings a name into force, as a new one if it has no index yet.  Returns the index, or POLICY_NONE, reported,
// when there is no room for it or it cannot be a language.
uint32_t building_require_name(struct building *building, struct policy_name **names, size_t *count, const char *name,
                               const struct yaml_node *node, const char *what, size_t maximum);
uint32_t building_require_language(struct building *building, const char *code, const struct yaml_node *node);

// Finds what must be in force.  Returns its index, or POLICY_NONE, reported.
typedef uint32_t building_find_function(struct building *building, const char *name, const struct yaml_node *node);

uint32_t building_known_brand(struct building *building, const char *name, const struct yaml_node *node);
uint32_t building_known_skill(struct building *building, const char *name, const struct yaml_node *node);
uint32_t building_known_channel(struct building *building, const char *name, const struct yaml_node *node);

// A language that some brand serves, also pt for pt-BR and the other way round; `und` always is one.
uint32_t building_known_language(struct building *building, const char *name, const struct yaml_node *node);

// Those in force that are the same to who speaks one: pt is pt-BR and pt-PT, and pt-BR is pt.  hi-Latn is itself alone:
// as long as no brand names it, it is hi anyway.
uint64_t building_languages_like(const struct building *building, const char *name);

// The set that a NAMES value stands for: `all`, or what it lists.
uint64_t building_set_of(struct building *building, const struct rule_value *value, uint64_t all,
                         building_find_function *find);

// The same of languages: each with those like it; everything for a word.
uint64_t building_set_of_languages(struct building *building, const struct rule_value *value);

// A language out of those of a brand, or und.  Returns POLICY_NONE, reported, when it is none of them.
uint32_t building_brands_language(struct building *building, const struct rule_value *value, uint64_t languages);

// ---- rules_brands.c, rules_people.c, rules_posts.c ----

void building_add_brands(struct building *building);
void building_add_people(struct building *building);
void building_add_rules(struct building *building);

// Frees what a brand or a person owns but for its name.
void building_empty_brand(struct policy_brand *brand);
void building_empty_person(struct policy_person *person);

// The topics that a brand wants approved, if it names some.
struct rule_value building_approved_topics(const struct yaml_node *brand);

// ---- rules_check.c ----

void building_check_brands(struct building *building);
void building_check_topics(struct building *building);

#endif
