// desk_world.h - a small desk for tests, and verbs to make things happen to it.
//
// Two brands (acme: explicit taking; fizz: automatic), agents asha and ben, PR pia, approver ann, supervisor sam.
// Every verb appends to one list; what was said and written is asked for after.

#ifndef TESTS_DESK_WORLD_H
#define TESTS_DESK_WORLD_H

#include "broker/desk/desk.h"

enum { ASHA, BEN, PIA, ANN, SAM, PEOPLE };
enum { ACME, FIZZ };
enum { UND, EN, DE };
enum { CHIRP, REVIEWS };

struct world {
    struct policy policy;
    struct policy_brand brands[3];
    struct policy_name languages[3];
    struct policy_name skills[2];
    struct policy_name agencies[1];
    struct policy_channel channels[2];
    struct policy_person people[PEOPLE];
    struct desk *desk;
    struct change_list *list;
    int64_t now_ms;
    int64_t request;                   // the last id used
    uint64_t session;                  // the last number used
    struct principal principals[1024]; // of the latest sessions; those of control have none
    const struct effect *seen;         // the last effect looked at
};

void world_init(struct world *world);
void world_start(struct world *world); // makes the desk, after changes to the policy
void world_fini(struct world *world);

uint64_t world_sign_in(struct world *world, uint32_t person);
uint64_t world_connect(struct world *world, const char *instance, bool idempotent);

// A post in English without special needs; `thread` and `author` may be NULL.
struct world_post {
    const char *id, *thread, *author, *text;
    uint32_t brand, language, channel;
    uint64_t skills;
    bool sensitive, noise, approval;
    int64_t media;
    uint8_t band;
    int64_t posted_ms; // 0: now
};
uint64_t world_post(struct world *world, struct world_post post);

// An edit of a post by the author `a` in the thread `t`, with its new text's needs; returns the item it is of then.
uint64_t world_edit(struct world *world, uint64_t item, const struct behalf_edit *edit, const struct needs *needs);

// Sends a request of a session; returns the answer: DONE or ERROR.
const struct behalf_message *world_ask(struct world *world, uint64_t session, struct behalf_message request);

// The last effect of a kind to a session, NULL if there is none since the list was emptied.
const struct effect *world_effect(const struct world *world, uint64_t session, enum effect_kind kind);
const struct behalf_message *world_message(const struct world *world, uint64_t session, enum behalf_type type);

// The lease under which the item was last shown to the session; 0 if never.
int64_t world_lease(const struct world *world, uint64_t session, uint64_t item);

// Makes a policy live, and has every open item looked at under it: nothing in any post matters to its rules.
void world_apply(struct world *world, const struct policy *policy);

// Lets time pass, in one step.
void world_pass(struct world *world, int64_t ms);

// The last change of a kind; NULL if there is none.
const struct change *world_change(const struct world *world, enum change_kind kind);
// The last outcome written of an item, "" if it has none.
const char *world_outcome(const struct world *world, uint64_t item);
// How many events of this kind an item has.
size_t world_events(const struct world *world, uint64_t item, const char *kind);

// Destroys the desk and makes it again from what was written, as after a crash.
void world_restart(struct world *world);

#endif
