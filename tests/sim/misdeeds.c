// misdeeds.c - clients that ask for what is not theirs: any request, about any item, under any lease, in any role.
//
// What must be refused is known from what the broker has said so far: under which lease it showed which item to whom,
// as what, and what ended that.  The rest may be refused or not; whether it was right is then for history.c to say.

#include "tests/sim/simulation.h"

#include <stdio.h>
#include <string.h>

#define PENDING_MAX 16 // requests under way beyond which nobody has time for mischief

static const enum behalf_type requests[] = {
    BEHALF_TAKE,   BEHALF_DECLINE,  BEHALF_DRAFT,    BEHALF_NOTE,   BEHALF_PREVIEW,  BEHALF_ANSWER, BEHALF_APPROVE,
    BEHALF_REJECT, BEHALF_CLOSE,    BEHALF_ESCALATE, BEHALF_RETURN, BEHALF_TRANSFER, BEHALF_PARK,   BEHALF_PRESENCE,
    BEHALF_FREEZE, BEHALF_LOOK,     BEHALF_STATUS,   BEHALF_POST,   BEHALF_EDIT,     BEHALF_DELETE, BEHALF_SETTLE,
    BEHALF_WHY,    BEHALF_OUTCOMES, BEHALF_APPLY,    BEHALF_RECALL
};

#define REQUEST_COUNT (sizeof requests / sizeof *requests)
#define ITEM_REQUEST_COUNT 13 // the first of them

// ---- what has been said ----

void misdeeds_heard(struct simulation *simulation, const struct client *client, const struct behalf_message *message)
{
    if (message->type == BEHALF_ITEM) {
        struct shown *shown = &simulation->shown[message->item.item];
        if (shown->lease != message->item.lease) {
            *shown = (struct shown){ .lease = message->item.lease, .took = shown->took };
        }
        shown->client = client->index;
        shown->held = shown->held || !strcmp(message->item.state, "held");
        snprintf(shown->audience, sizeof shown->audience, "%s", message->item.audience);
        snprintf(shown->state, sizeof shown->state, "%s", message->item.state);
        return;
    }
    if (message->type != BEHALF_DONE || message->done.item <= 0 || message->done.item >= SIM_ITEMS_MAX) {
        return;
    }
    struct shown *shown = &simulation->shown[message->done.item];
    if (shown->lease != message->done.lease || !*message->done.state) {
        return;
    }
    snprintf(shown->state, sizeof shown->state, "%s", message->done.state);
    bool held = !strcmp(message->done.state, "held");
    shown->held = shown->held || held;
    shown->ended = shown->ended || !held;
}

// ---- what must be refused ----

static const char not_taken[] = "before they took it";

static bool fits(enum behalf_type type, const char *audience)
{
    switch (type) {
    case BEHALF_ANSWER:
        return strcmp(audience, "approver") != 0;
    case BEHALF_APPROVE:
    case BEHALF_REJECT:
        return !strcmp(audience, "approver");
    case BEHALF_ESCALATE:
        return strcmp(audience, "pr") != 0;
    case BEHALF_RETURN:
        return !strcmp(audience, "pr");
    default:
        return true;
    }
}

static const char *why_not_item(const struct client *client, enum behalf_type type, int64_t item, int64_t lease)
{
    const struct shown *shown = &client->simulation->shown[item];
    if (lease < shown->lease) {
        return "under an old lease";
    }
    if (lease > shown->lease) {
        return NULL; // nobody knows it yet
    }
    if (shown->client != client->index) {
        return "about what somebody else has";
    }
    if (shown->ended) {
        return "about what they have no longer";
    }
    if (type == BEHALF_DECLINE && shown->held) {
        return "although they hold it";
    }
    if (type != BEHALF_DECLINE && type != BEHALF_TAKE && !shown->held && shown->took != lease) {
        return not_taken;
    }
    return fits(type, shown->audience) ? NULL : "as another audience";
}

// Why the broker must refuse it, NULL if it need not.
static const char *why_not(const struct client *client, const struct behalf_message *message)
{
    static const unsigned senders[] = { [CLIENT_PERSON] = BEHALF_BY_PERSON,
                                        [CLIENT_CONNECTOR] = BEHALF_BY_CONNECTOR,
                                        [CLIENT_FEED] = BEHALF_BY_CONNECTOR,
                                        [CLIENT_CONTROL] = BEHALF_BY_CONTROL };
    enum behalf_type type = message->type;
    if (!(behalf_type_senders(type) & senders[client->role])) {
        return "in another role";
    }
    if (client->role != CLIENT_PERSON) {
        return NULL;
    }
    size_t place = 0;
    while (place < ITEM_REQUEST_COUNT && requests[place] != type) {
        place++;
    }
    if (place < ITEM_REQUEST_COUNT) {
        return why_not_item(client, type, message->take.item, message->take.lease);
    }
    bool supervisor = sim_has_role(client->index, "supervisor");
    if ((type == BEHALF_STATUS || type == BEHALF_RECALL) && !supervisor) {
        return "as another audience";
    }
    if (type == BEHALF_FREEZE &&
        ((!supervisor && !sim_has_role(client->index, "pr")) || !sim_has_brand(client->index, message->freeze.brand))) {
        return "as another audience, or of another brand";
    }
    return NULL;
}

void misdeeds_release(struct client *client, const struct behalf_message *message, int64_t request)
{
    if (message->type != BEHALF_RETURN || client->role != CLIENT_PERSON) {
        return;
    }
    int64_t item = message->return_item.item;
    const char *refused = why_not(client, message);
    if (refused == NULL || (refused == not_taken && fits(BEHALF_RETURN, client->simulation->shown[item].audience))) {
        sim_release(client, item, request);
    }
}

struct misdeed *misdeed_of(struct client *client, int64_t request)
{
    for (size_t i = 0; i < SIM_MISDEEDS; i++) {
        if (request && client->misdeeds[i].request == request) {
            return &client->misdeeds[i];
        }
    }
    return NULL;
}

void misdeeds_judge(struct client *client, const struct behalf_message *message)
{
    const struct misdeed *misdeed = misdeed_of(client, message->id);
    if (misdeed == NULL || misdeed->why_not == NULL) {
        return;
    }
    if (misdeed->why_not == not_taken && client->simulation->shown[misdeed->item].took >= misdeed->lease) {
        return; // it may have come after that
    }
    if (message->type != BEHALF_ERROR) {
        sim_fail(client->simulation, "%s was answered %s to %s %s (item %lld, lease %lld)", client->name,
                 behalf_type_name(message->type), behalf_type_name(misdeed->type), misdeed->why_not,
                 (long long) misdeed->item, (long long) misdeed->lease);
    }
    static const char *const for_now[] = { "BUSY", "TOO_MANY", "NOT_SIGNED_IN", "FORBIDDEN" };
    bool right = strcmp(misdeed->why_not, "in another role") != 0;
    for (size_t i = 0; i < sizeof for_now / sizeof *for_now; i++) {
        right = right || !strcmp(message->error.code, for_now[i]);
    }
    if (!right) {
        sim_fail(client->simulation, "%s in another role was looked into: %s", behalf_type_name(misdeed->type),
                 message->error.code);
    }
}

// ---- mischief ----

// What somebody has, as one for whom the request would be right; 0: there is none.
static int64_t choose_in_hands(struct simulation *simulation, enum behalf_type type)
{
    int64_t chosen = 0, count = 0;
    for (int64_t i = 1; i < SIM_ITEMS_MAX; i++) {
        const struct shown *shown = &simulation->shown[i];
        if (shown->lease && !shown->ended && fits(type, shown->audience) && sim_between(simulation, 0, count++) == 0) {
            chosen = i;
        }
    }
    return chosen;
}

// Something of their own, or of anybody's; under its lease, or one before.
static void choose_item(struct client *client, enum behalf_type type, int64_t *item, int64_t *lease)
{
    struct simulation *simulation = client->simulation;
    if (client->belief_count && sim_chance(simulation, 400)) {
        const struct belief *belief = &client->beliefs[sim_between(simulation, 0, (int64_t) client->belief_count - 1)];
        *item = belief->item;
        *lease = belief->lease;
    } else if (sim_chance(simulation, 500) && (*item = choose_in_hands(simulation, type))) {
        *lease = simulation->shown[*item].lease;
    } else {
        int64_t most = 1;
        for (int64_t i = 1; i < SIM_ITEMS_MAX; i++) {
            most = simulation->shown[i].lease ? i : most;
        }
        *item = sim_between(simulation, most > 12 ? most - 12 : 1, most); // the newest, which may still be open
        *lease = simulation->shown[*item].lease;
    }
    if (sim_chance(simulation, 200)) {
        *lease -= 1;
    }
    if (*lease < 1) {
        *lease = 1;
    }
}

static struct behalf_message about_item(struct client *client, enum behalf_type type)
{
    struct simulation *simulation = client->simulation;
    struct behalf_message message = { .type = type };
    choose_item(client, type, &message.take.item, &message.take.lease); // all of these begin alike
    snprintf(simulation->mark, sizeof simulation->mark, "We are on it #%lld", (long long) message.take.item);
    switch (type) {
    case BEHALF_DRAFT:
        message.draft.text = simulation->mark;
        break;
    case BEHALF_NOTE:
        message.note.text = simulation->mark;
        break;
    case BEHALF_PREVIEW:
        message.preview.text = simulation->mark;
        break;
    case BEHALF_ANSWER:
        message.answer.text = simulation->mark;
        break;
    case BEHALF_APPROVE:
        message.approve.text = simulation->mark;
        break;
    case BEHALF_REJECT:
        message.reject.reason = "I do not like it";
        break;
    case BEHALF_CLOSE:
        message.close.outcome = sim_chance(simulation, 300) ? "answered" : "duplicate";
        break;
    case BEHALF_ESCALATE:
        message.escalate.reason = "let PR do it";
        break;
    case BEHALF_RETURN:
        message.return_item.guidance = "do what you want";
        break;
    case BEHALF_TRANSFER:
        if (sim_chance(simulation, 500)) {
            message.transfer.person = simulation->clients[sim_between(simulation, 0, SIM_PEOPLE - 1)].name;
        } else {
            message.transfer.language = "de";
        }
        message.transfer.reason = "yours";
        break;
    case BEHALF_PARK:
        message.park.until_ms = simulation->clock_ms + sim_between(simulation, 1, 20000);
        break;
    default:
        break;
    }
    return message;
}

static struct behalf_message about_no_item(struct client *client, enum behalf_type type)
{
    struct simulation *simulation = client->simulation;
    struct behalf_message message = { .type = type };
    int64_t lease;
    switch (type) {
    case BEHALF_PRESENCE:
        message.presence.state = "available";
        break;
    case BEHALF_RECALL:
        message.recall.reason = "dusty";
        choose_item(client, type, &message.recall.item, &lease);
        break;
    case BEHALF_FREEZE:
        message.freeze = (struct behalf_freeze){ .brand = sim_chance(simulation, 500) ? "acme" : "fizz",
                                                 .frozen = sim_chance(simulation, 500),
                                                 .reason = "because I can" };
        break;
    case BEHALF_POST:
        message.post = (struct behalf_post){
            .channel = "chirp", .post = "x1", .brand = "acme", .author = "nobody", .text = "mischief"
        };
        break;
    case BEHALF_EDIT:
        message.edit = (struct behalf_edit){ .channel = "chirp", .post = "p1", .text = "mischief" };
        break;
    case BEHALF_DELETE:
        message.delete_post = (struct behalf_delete_post){ .channel = "chirp", .post = "p1" };
        break;
    case BEHALF_SETTLE:
        message.settle = (struct behalf_settle){ .reply = sim_between(simulation, 1, 40), .fate = "failed" };
        break;
    case BEHALF_WHY:
        message.why.item = sim_between(simulation, 1, 40);
        break;
    case BEHALF_APPLY:
        message.apply.rules = simulation->mischief_rules;
        break;
    default:
        break;
    }
    return message;
}

void act_badly(struct client *client)
{
    struct simulation *simulation = client->simulation;
    enum behalf_type type = requests[sim_between(simulation, 0, REQUEST_COUNT - 1)];
    if (client->role == CLIENT_PERSON && sim_chance(simulation, 500)) {
        type = requests[sim_between(simulation, 0, ITEM_REQUEST_COUNT - 1)];
    }
    bool of_item = false;
    for (size_t i = 0; i < ITEM_REQUEST_COUNT; i++) {
        of_item = of_item || requests[i] == type;
    }
    struct behalf_message message = of_item ? about_item(client, type) : about_no_item(client, type);
    const char *refused = why_not(client, &message);
    if (behalf_session_pending(client->session) > PENDING_MAX || (client->role != CLIENT_PERSON && refused == NULL)) {
        return; // what the others may do they do on their own
    }
    struct misdeed *misdeed = &client->misdeeds[client->misdeed_next++ % SIM_MISDEEDS];
    *misdeed = (struct misdeed){ .type = type, .why_not = refused };
    misdeed->item = of_item ? message.take.item : 0;
    misdeed->lease = of_item ? message.take.lease : 0;
    if (misdeed->item > 0 && misdeed->item < SIM_ITEMS_MAX) {
        client->simulation->touched_ms[misdeed->item] = client->simulation->clock_ms;
    }
    misdeed->request = client_send(client, message);
    misdeeds_release(client, &message, misdeed->request);
}
