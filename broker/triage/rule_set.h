// rule_set.h - the rules as triage applies them to a post.  Made by rules_posts.c, read by triage.c alone.

#ifndef TRIAGE_RULE_SET_H
#define TRIAGE_RULE_SET_H

#include "broker/triage/patterns.h"
#include "broker/triage/rules.h"

// In the order in which they win.
enum rule_kind { RULE_SENSITIVE, RULE_TOPIC, RULE_NOISE };

// What a text can be nothing but.
#define RULE_ONLY_LINKS READINGS_LINKS
#define RULE_ONLY_MENTIONS READINGS_MENTIONS
#define RULE_ONLY_HASHTAGS READINGS_HASHTAGS
#define RULE_ONLY_EMOJI READINGS_EMOJI

struct rule {
    enum rule_kind kind;
    char *name;
    uint64_t brands;    // holds for these
    uint64_t languages; // the post is in one of these
    uint64_t channels;  // came from one of these
    bool has_patterns;  // one of its patterns is found in it
    bool theirs;        // each pattern only in posts of the language that it stands under
    int64_t reach;      // its author has at least this many followers; 0: any
    uint8_t band;
    uint32_t skill;          // topic: the skill needed; POLICY_NONE
    uint64_t approve_brands; // topic: brands whose approver reads the reply first
    bool empty;              // noise: no text
    unsigned only;           // noise: bits RULE_ONLY_...
};

// To which rule a pattern belongs.
struct rule_pattern {
    uint32_t rule;      // index into `rules`
    uint32_t number;    // within its list, from 1
    char label[12];     // the language it stands under, or ""
    uint64_t languages; // the post is in one of these
};

// Posts to a brand whose language is not told surely.
struct unsure_language {
    int below;         // confidence in percent; 0: none
    uint32_t language; // in whose queue they wait, 0: und
};

struct rule_set {
    struct unsure_language unsure[POLICY_SET_MAX]; // by brand
    struct rule *rules;                            // in the order of enum rule_kind, then as written
    size_t rule_count;
    struct patterns *patterns;
    struct rule_pattern *rule_patterns; // by index in `patterns`
    size_t rule_pattern_count;
};

const struct rule_set *rules_set(const struct rules *rules);

#endif
