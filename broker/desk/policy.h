// policy.h - the rules of engagement as the desk sees them: plain data, no text of rules, no patterns.
//
// broker/triage/rules.c makes it from YAML.  Everything a desk counts by (brands, languages, skills,
// people, agencies, channels) is an index into an array here.  An index means the same thing in every later
// version made in this process: what a new version drops stays in the array with `retired` set, so that
// open items, bit sets and counters never need renaming.  The desk only reads a policy.

#ifndef DESK_POLICY_H
#define DESK_POLICY_H

#include "broker/desk/reply_length.h"

#include <behalf/limits.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Sets of brands, languages and skills are bits of one word; a desk that needs more is two desks.
#define POLICY_SET_MAX BEHALF_SET_MAX
#define POLICY_PEOPLE_MAX 8192
#define POLICY_CHANNELS_MAX 32
#define POLICY_NONE UINT32_MAX // "no person", "no brand", ...

enum audience { AUDIENCE_AGENT, AUDIENCE_PR, AUDIENCE_APPROVER, AUDIENCE_SUPERVISOR, AUDIENCE_COUNT };

// Lower is sooner.  An item rises one band each `band_raise_ms` that it waits.
#define POLICY_BANDS 4
#define POLICY_BAND_NORMAL 2

struct policy_channel {
    char *name;
    enum counting counting;  // how the platform counts a reply's length
    int64_t length_max;      // of a whole reply, as it counts; 0: no limit
    int64_t link_length;     // what it counts each link as; 0: as it is written
    int64_t reply_window_ms; // how long after the post the platform lets one answer; 0: always
    bool authors_caseless;   // authors are the same whatever the case of their letters
    char **anonymous;        // authors who are nobody, in the form that author_fold makes; owned
    size_t anonymous_count;
    bool retired;
};

// A language, by ISO 639-1 code; "und" is always index 0.
struct policy_name {
    char *name;
    bool retired;
};

// By what it goes who is offered an item, of those who can take it now.
enum policy_choice {
    CHOOSE_NOTHING,       // ends a list of them
    CHOOSE_LEAST_IN_HAND, // who has the fewest items offered and held
    CHOOSE_LEVEL,         // who is best at the weakest of the skills needed, then at the language
    CHOOSE_IDLE,          // whose last item went the longest ago
    CHOICE_COUNT
};

// What a brand says in one language.
struct policy_wording {
    uint32_t language;
    char *text;
};

// What a brand says in some languages differently than in all others.
struct policy_wordings {
    struct policy_wording *list;
    size_t count;
};

struct policy_brand {
    char *name;            // as connectors say it
    char *display_name;    // as people and disclosure lines say it
    uint64_t languages;    // served; bit of und when undetermined posts are served as such
    uint32_t und_language; // in whose queue a post of undetermined language waits: a language's index (0: und itself)
    char *guidance;        // shown to whoever answers; ""
    char *disclosure;      // with {first_name}, {name}, {agency}, {brand}; never empty for agents
    char *disclosure_pr;   // the same for PR people
    struct policy_wordings guidance_in, disclosure_in, disclosure_pr_in; // for posts in these languages instead
    bool take_automatic;                                                 // an offer is held as soon as it is delivered
    uint8_t choose[CHOICE_COUNT]; // enum policy_choice: the first one first; an empty list is the enum's order
    bool approve_all;             // every agent's reply goes to an approver first
    int64_t service_level_ms[AUDIENCE_COUNT]; // from taking in to the end, by audience; 0: none
    bool escalate_late;                       // a missed service level moves an agents' item to PR
    bool retired;
};

// A skill or a language with how well somebody has it.
struct policy_level {
    uint32_t index; // into languages or skills
    uint8_t level;  // 1 to 10, higher is better
};

struct policy_person {
    char *name;         // the principal's id
    char *first_name;   // for the disclosure line
    char *display_name; // to greet by
    uint32_t agency;    // index into agencies; POLICY_NONE for in-house people
    unsigned audiences; // bits 1u << AUDIENCE_...
    uint64_t brands;    // may work for
    uint64_t languages; // may answer in
    uint64_t skills;
    uint8_t language_level[POLICY_SET_MAX]; // 0 where not had
    uint8_t skill_level[POLICY_SET_MAX];
    uint32_t capacity; // items offered and held at most, 1 to 100
    bool approve_all;  // what this person answers goes to an approver first
    bool retired;
};

#define POLICY_FEW_DEFAULT 2

// Times that hold for the whole desk; all have defaults (POLICY_TIMES_DEFAULT).
struct policy_times {
    int64_t offer_ms;        // an offer is to be taken within this
    int64_t grace_ms;        // how long a lost person's holds wait for them
    int64_t hold_ms;         // a hold that its person does not touch returns after this; 0: never
    int64_t decline_ms;      // how long an item is not offered again to who declined it or let it run out
    int64_t prefer_ms;       // how long an item is for one person first
    int64_t keep_ms;         // when nothing of a queue moved for this long, the few take of it also out of turn
    int64_t known_author_ms; // how long after an answer its author's next post prefers the same person
    int64_t follow_up_ms;    // how long after the end a further post in the thread is a follow-up
    int64_t posted_max_ms;   // a post counts from its platform's time if it is at most so old; 0: from being taken in
    int64_t band_raise_ms;   // waiting this long raises an item by one band
    int64_t park_max_ms;     // an item is parked at most this long
    int64_t fate_ms;         // a lost connector's replies wait this long for it before their fate is unknown
    int64_t expire_ms;       // an item that waits this long without anybody is closed as expired; 0: never
    uint32_t missed_offers;  // this many offers missed in a row make a person away
};

#define POLICY_TIMES_DEFAULT                                                                                           \
    {                                                                                                                  \
        .offer_ms = 30 * 1000, .grace_ms = 60 * 1000, .hold_ms = 3600 * 1000, .decline_ms = 5 * 60 * 1000,             \
        .prefer_ms = 2 * 60 * 1000, .keep_ms = 2 * 60 * 1000, .known_author_ms = 24 * 3600 * 1000,                     \
        .follow_up_ms = 3600 * 1000, .posted_max_ms = INT64_C(7) * 24 * 3600 * 1000, .band_raise_ms = 30 * 60 * 1000,  \
        .park_max_ms = INT64_C(7) * 24 * 3600 * 1000, .fate_ms = 60 * 1000, .expire_ms = 0, .missed_offers = 3         \
    }

struct policy {
    uint64_t version; // 1 for the first rules of a desk
    char *desk;
    struct policy_times times;
    uint32_t few; // what at most this many who are there can do is kept for them; 0: no such rule
    struct policy_brand *brands;
    size_t brand_count;
    struct policy_name *languages; // [0] is und
    size_t language_count;
    struct policy_name *skills;
    size_t skill_count;
    struct policy_name *agencies;
    size_t agency_count;
    struct policy_channel *channels;
    size_t channel_count;
    struct policy_person *people;
    size_t person_count;
};

// What triage found out about a post: all the desk needs to know of it.  Texts are borrowed.
struct needs {
    uint32_t brand;
    uint32_t channel;
    uint32_t language;
    uint64_t skills;
    enum audience audience; // AGENT, or PR when sensitive
    uint8_t band;
    bool noise;         // closes at once with the outcome noise
    bool approval;      // what an agent answers goes to an approver first
    const char *author; // as authors are compared; "": nobody, of whom nothing is inferred
    const char *rule;   // the rule that decided the audience, skill or noise; "" when none did
    const char *detail; // in words: what matched, how the language was found; never the post's text
};

// Finds a name that is not retired; POLICY_NONE when there is none.
uint32_t policy_find_brand(const struct policy *policy, const char *name);
uint32_t policy_find_language(const struct policy *policy, const char *name);
uint32_t policy_find_skill(const struct policy *policy, const char *name);
uint32_t policy_find_channel(const struct policy *policy, const char *name);
uint32_t policy_find_person(const struct policy *policy, const char *name);

// A brand's order of choosing, ended by CHOOSE_NOTHING; and what each is called in rules and words.
const uint8_t *policy_choose(const struct policy_brand *brand);
const char *policy_choice_name(enum policy_choice choice);

// What a brand says to posts in a language: its wording for it, or for the language that it is a variety of (pt for
// pt-BR), or `text` where it has none.
const char *policy_wording(const struct policy *policy, const struct policy_wordings *wordings, const char *text,
                           uint32_t language);

// "agent", "pr", "approver", "supervisor"; and back, AUDIENCE_COUNT for no such name.
const char *audience_name(enum audience audience);
enum audience audience_from_name(const char *name);

#endif
