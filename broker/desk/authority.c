// authority.c - the rows of authority.def as tables, and the questions that are answered from them: see authority.h.

#include "broker/desk/authority.h"

#include "broker/desk/parts.h"

#include <assert.h>
#include <string.h>

// ---- the rows ----

#define AGENT (1u << AUDIENCE_AGENT)
#define PR (1u << AUDIENCE_PR)
#define APPROVER (1u << AUDIENCE_APPROVER)
#define SUPERVISOR (1u << AUDIENCE_SUPERVISOR)
#define ANYBODY (AGENT | PR | APPROVER | SUPERVISOR)
#define OFFERED (1u << ITEM_OFFERED)
#define HELD (1u << ITEM_HELD)

enum hold { NO_ROW, NO_ITEM, THEIRS };

enum need {
#define NEED(NAME, code, field, otherwise) NEED_##NAME,
#include "broker/desk/authority.def"
    NEED_COUNT
};

enum { NOTHING };
enum {
#define NEED(NAME, code, field, otherwise) NAME = 1 << NEED_##NAME,
#include "broker/desk/authority.def"
};

struct row {
    enum hold hold;
    unsigned audiences, states, needs;
    enum behalf_code code;
    const char *otherwise;
};

#define ROW(NAME, hold, audiences, states, needs, code, otherwise)                                                     \
    [BEHALF_##NAME] = { hold, audiences, states, (unsigned) (needs), BEHALF_CODE_##code, otherwise },

static const struct row authority_rows[BEHALF_TYPE_COUNT] = {
#define REQUEST(name, NAME, hold, audiences, states, needs, code, otherwise)                                           \
    ROW(NAME, hold, audiences, states, needs, code, otherwise)
#define QUESTION(name, NAME, hold, audiences, states, needs, code, otherwise)                                          \
    ROW(NAME, hold, audiences, states, needs, code, otherwise)
#include "broker/desk/authority.def"
};

static const struct {
    enum behalf_code code;
    const char *field, *otherwise;
} needs[NEED_COUNT] = {
#define NEED(NAME, code, field, otherwise) [NEED_##NAME] = { BEHALF_CODE_##code, field, otherwise },
#include "broker/desk/authority.def"
};

// THEIRS: the fields stand where take's do, so that one code reads them.
#define ABOUT_THEIRS(name)                                                                                             \
    (offsetof(struct behalf_##name, item) == 0 && offsetof(struct behalf_##name, lease) == sizeof(int64_t))
#define ABOUT_NO_ITEM(name) true
#define REQUEST(name, NAME, hold, audiences, states, needs, code, otherwise)                                           \
    static_assert(ABOUT_##hold(name), "requests about items begin alike");
#define QUESTION(name, NAME, hold, audiences, states, needs, code, otherwise)                                          \
    static_assert(ABOUT_##hold(name), "requests about items begin alike");
#include "broker/desk/authority.def"

// ---- checks ----

// The condition, under a name: what is checked, of which message.  Tests build this file with another definition, which
// can leave one of them out, to show that the hole would be found.
#ifndef STANDS
#define STANDS(check, type, condition) (condition)
#define SEEN(audience, own, sealed) sights[audience][own][sealed]
#endif

bool authority_may_send(enum behalf_type type, unsigned sender)
{
    return STANDS(SENDER, type, (behalf_type_senders(type) & sender) != 0);
}

bool authority_is_about_item(enum behalf_type type)
{
    return authority_rows[type].hold == THEIRS;
}

static bool has_brand(const struct desk *desk, const struct person *person, uint32_t brand)
{
    return desk->policy->people[person->index].brands >> brand & 1;
}

static bool is_met(enum need need, const struct desk *desk, const struct person *person, const struct item *item,
                   const struct behalf_message *request)
{
    uint32_t author, brand;
    switch (need) {
    case NEED_UNFROZEN:
        return !(desk->frozen >> item->queue->brand & 1);
    case NEED_DRAFT:
        author = item->detail->draft_by;
        return author != POLICY_NONE && !desk->policy->people[author].retired;
    case NEED_UNKNOWN_FATE:
        return strcmp(request->close.outcome, "answered") != 0 || item->fate_unknown;
    case NEED_THEIR_BRAND:
        brand = policy_find_brand(desk->policy, request->freeze.brand);
        return brand == POLICY_NONE || has_brand(desk, person, brand); // an unknown one is told so
    case NEED_ITEMS_BRAND:
        item = item_find(desk, (uint64_t) request->recall.item);
        return item == NULL || has_brand(desk, person, item->queue->brand); // one that is not open is told so
    case NEED_NOT_PRS:
        item = item_find(desk, (uint64_t) request->recall.item);
        return item == NULL || item->queue->audience != AUDIENCE_PR ||
               (desk->policy->people[person->index].audiences & PR);
    case NEED_COUNT:
        break;
    }
    must(false && "a need without a test");
    return false;
}

static struct refusal authority_lacking(const struct row *row, enum behalf_type type, const struct desk *desk,
                                        const struct person *person, const struct item *item,
                                        const struct behalf_message *request)
{
    (void) type; // of a check that may be left out
    for (unsigned i = 0; i < NEED_COUNT; i++) {
        if ((row->needs >> i & 1) && !STANDS(NEED + i, type, is_met((enum need) i, desk, person, item, request))) {
            return (struct refusal){ needs[i].code, needs[i].field, needs[i].otherwise };
        }
    }
    return (struct refusal){ .code = BEHALF_CODE_NONE };
}

static struct refusal authority_refuse_about_item(const struct row *row, enum behalf_type type, const struct desk *desk,
                                                  const struct person *person, const struct item *item,
                                                  const struct behalf_message *request)
{
    bool in_hand = item->state == ITEM_OFFERED || item->state == ITEM_HELD;
    if (!STANDS(HOLDER, type, item->person == person->index) ||
        !STANDS(LEASE, type, request->take.lease == item->lease)) {
        return (struct refusal){ BEHALF_CODE_STALE, "lease", "the item is no longer yours under this lease" };
    }
    if (!STANDS(STATE, type, row->states & 1u << item->state)) {
        return !in_hand ? (struct refusal){ BEHALF_CODE_STALE, "lease", "the item is no longer yours under this lease" }
                        : (struct refusal){ BEHALF_CODE_STATE, "",
                                            item->state == ITEM_OFFERED ? "take it first" : "it is held already" };
    }
    if (!STANDS(AUDIENCE, type, row->audiences & 1u << item->queue->audience)) {
        return (struct refusal){ row->code, "", row->otherwise };
    }
    return authority_lacking(row, type, desk, person, item, request);
}

struct refusal authority_refusal(const struct desk *desk, const struct person *person, const struct item *item,
                                 const struct behalf_message *request)
{
    enum behalf_type type = request->type;
    const struct row *row = &authority_rows[type];
    if (person == NULL) { // which messages control and connectors may send is all that there is to know
        must(behalf_type_senders(type) & (BEHALF_BY_CONTROL | BEHALF_BY_CONNECTOR));
        return (struct refusal){ .code = BEHALF_CODE_NONE };
    }
    if (row->hold == NO_ROW) {
        return (struct refusal){ BEHALF_CODE_FORBIDDEN, "", "no person may ask this" };
    }
    if (row->hold == THEIRS) {
        return authority_refuse_about_item(row, type, desk, person, item, request);
    }
    if (!STANDS(AUDIENCE, type, row->audiences & desk->policy->people[person->index].audiences)) {
        return (struct refusal){ row->code, "", row->otherwise };
    }
    return authority_lacking(row, type, desk, person, NULL, request);
}

bool authority_needs_approval(const struct desk *desk, const struct item *item, const struct person *person)
{
    const struct policy *policy = desk->policy;
    bool asked =
        item->queue->audience == AUDIENCE_AGENT &&
        (item->approval || policy->brands[item->queue->brand].approve_all || policy->people[person->index].approve_all);
    return !STANDS(APPROVAL, BEHALF_ANSWER, !asked);
}

bool authority_is_own_draft(const struct item *item, uint32_t person)
{
    return !STANDS(OWN_DRAFT, BEHALF_APPROVE,
                   item->detail == NULL || item->queue->audience != AUDIENCE_APPROVER ||
                       item->detail->draft_by != person);
}

bool authority_had_reply(const char *instance, const char *handed_to)
{
    return STANDS(HOLDER, BEHALF_SETTLE, !strcmp(handed_to, instance));
}

bool authority_may_settle(const struct connector *connector, const struct reply *reply)
{
    return connector != NULL && reply != NULL && reply->instance != NULL &&
           (reply->state == REPLY_HANDED || reply->state == REPLY_UNKNOWN) &&
           authority_had_reply(connector->instance, reply->instance);
}

// ---- what is seen ----

#define NEVER SIGHT_ABSENT
#define ABSENT SIGHT_ABSENT
#define LISTED SIGHT_LISTED
#define OPEN SIGHT_OPEN
#define WHOLE SIGHT_WHOLE

static const enum sight sights[AUDIENCE_COUNT][2][2] = {
#define SIGHT(AUDIENCE, own, own_sealed, other, other_sealed, doc)                                                     \
    [AUDIENCE_##AUDIENCE] = { { other, other_sealed }, { own, own_sealed } },
#include "broker/desk/authority.def"
};

enum sight authority_sight(const struct desk *desk, const struct person *person, const struct item *item)
{
    if (person == NULL) {
        return SIGHT_WHOLE; // control
    }
    if (!STANDS(SIGHT_BRAND, BEHALF_LOOK, has_brand(desk, person, item->queue->brand))) {
        return SIGHT_ABSENT;
    }
    enum sight most = SIGHT_ABSENT;
    bool may_serve = STANDS(SIGHT_NEEDS, BEHALF_LOOK, person_may_serve(desk, person, item->queue));
    bool sealed = item->sealed || review_awaits(desk, item);
    for (unsigned i = 0; i < AUDIENCE_COUNT; i++) {
        bool own = may_serve && i == (unsigned) item->queue->audience;
        if (!(desk->policy->people[person->index].audiences >> i & 1)) {
            continue;
        }
        enum sight sight = SEEN(i, own, sealed);
        most = sight > most ? sight : most;
    }
    return most;
}
