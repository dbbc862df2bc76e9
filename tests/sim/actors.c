// actors.c - the people, the platforms and the connectors of the simulation, and what they do next.

#include "tests/sim/simulation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- posts ----

// One post on the platform that speaks to two brands.  Half of them say the same to both, the others what was edited
// before one of them was read; or, where the authors differ, they are two that an id makes one.
static void make_twins(struct sim_post *first, struct sim_post *second, size_t index)
{
    if (first->twin != NULL) {
        return;
    }
    first->twin = second;
    second->twin = first;
    second->after = NULL;
    second->second = true;
    snprintf(second->id, sizeof second->id, "%s", first->id);
    second->channel = first->channel;
    if (index % 4 != 0) {
        snprintf(second->author, sizeof second->author, "%s", first->author);
    }
    if (index % 2 != 0) {
        snprintf(second->text, sizeof second->text, "%s", first->text);
    }
    second->brand = !strcmp(first->brand, "acme") ? "fizz" : "acme";
}

// The author of one of the last few posts goes on in the same thread: at once, or at a certain moment of that item.
static void go_on(struct simulation *simulation, size_t index)
{
    static const char *const moments[] = { "", "", "offered", "held", "parked", "sending", "closed" };
    struct sim_post *post = &simulation->posts[index];
    struct sim_post *before = &simulation->posts[index - (size_t) sim_between(simulation, 1, index < 4 ? 1 : 4)];
    snprintf(post->author, sizeof post->author, "%s", before->author);
    snprintf(post->thread, sizeof post->thread, "%s", before->thread);
    post->brand = before->brand;
    post->channel = before->channel;
    post->after = before;
    post->moment = moments[sim_between(simulation, 0, sizeof moments / sizeof *moments - 1)];
}

void feed_make_posts(struct simulation *simulation)
{
    static const char *const texts[] = { "where is my submission, it was due on monday",
                                         "wo ist mein paket, es sollte am montag da sein",
                                         "I want a refund for my broken lamp please",
                                         "the app is fine but your shop was closed today",
                                         "free followers here for everyone today",
                                         "I will bring a lawsuit against you for this",
                                         "ich will einen refund für meine lampe, die kaputt bei mir ankam" };
    simulation->post_count = (size_t) sim_between(simulation, 20, 120);
    for (size_t i = 0; i < simulation->post_count; i++) {
        struct sim_post *post = &simulation->posts[i];
        size_t kind = (size_t) sim_between(simulation, 0, 99);
        kind = kind < 30 ? 0 : kind < 45 ? 1 : kind < 62 ? 2 : kind < 70 ? 6 : kind < 85 ? 3 : kind < 88 ? 4 : 5;
        snprintf(post->id, sizeof post->id, "p%zu", i);
        snprintf(post->author, sizeof post->author, "author%lld", (long long) sim_between(simulation, 0, 15));
        if (sim_chance(simulation, 50)) {
            snprintf(post->author, sizeof post->author, "[deleted]");
        }
        snprintf(post->thread, sizeof post->thread, "t%lld", (long long) sim_between(simulation, 0, 20));
        snprintf(post->text, sizeof post->text, "%s %zu", texts[kind], i);
        post->sensitive = kind == 5;
        post->brand = sim_chance(simulation, 500) ? "acme" : "fizz";
        post->channel = sim_chance(simulation, 600) ? "chirp" : "pagebook";
        // Some platforms say when a post was written, some do not, some posts are old.
        post->posted_ms = sim_chance(simulation, 300)   ? 0
                          : sim_chance(simulation, 200) ? INT64_C(1500000000000)
                                                        : simulation->clock_ms;
        if (i && sim_chance(simulation, 350)) {
            go_on(simulation, i);
        }
        if (i && sim_chance(simulation, 80)) {
            make_twins(&simulation->posts[i - 1], post, i);
        }
    }
}

size_t sim_post_index(const struct simulation *simulation, const char *id, const char *brand)
{
    size_t index;
    if (sscanf(id, "p%zu", &index) != 1 || index >= SIM_POSTS_MAX) {
        return SIM_POSTS_MAX;
    }
    const struct sim_post *post = &simulation->posts[index];
    return post->twin != NULL && strcmp(post->brand, brand) != 0 ? (size_t) (post->twin - simulation->posts) : index;
}

static bool is_one_post(const struct sim_post *post)
{
    return post->twin != NULL && !strcmp(post->author, post->twin->author) && strcmp(post->author, "[deleted]") != 0;
}

// New rules make work for PR of a post whose reply was on its way, and so does an edit, or another text for the other
// brand.
bool sim_may_move(const struct sim_post *post)
{
    bool other =
        is_one_post(post) && (strstr(post->twin->text, "lawsuit") != NULL || strstr(post->twin->text, "shop") != NULL);
    return post->edited || strstr(post->text, "shop") != NULL || other;
}

static struct sim_post *find_deleted(struct simulation *simulation, int64_t request)
{
    for (size_t i = 0; request && i < simulation->post_count; i++) {
        if (simulation->posts[i].deletion == request) {
            return &simulation->posts[i];
        }
    }
    return NULL;
}

static struct sim_post *find_edited(struct simulation *simulation, int64_t request)
{
    for (size_t i = 0; i < simulation->post_count; i++) {
        if (simulation->posts[i].edit == request) {
            return &simulation->posts[i];
        }
    }
    return NULL;
}

static struct sim_post *find_post(struct simulation *simulation, int64_t request)
{
    for (size_t i = 0; i < simulation->post_count; i++) {
        if (simulation->posts[i].request == request) {
            return &simulation->posts[i];
        }
    }
    return NULL;
}

bool feed_is_done(const struct simulation *simulation)
{
    for (size_t i = 0; i < simulation->post_count; i++) {
        if (!simulation->posts[i].taken) {
            return false;
        }
    }
    return true;
}

int64_t client_send(struct client *client, struct behalf_message message)
{
    struct behalf_fault fault;
    int64_t id = behalf_session_send(client->session, &message, &fault);
    if (message.type == BEHALF_TAKE && client->simulation->shown[message.take.item].took < message.take.lease) {
        client->simulation->shown[message.take.item].took = message.take.lease;
    }
    if (!id) {
        sim_fail(client->simulation, "%s cannot send %s: %s %s", client->name, behalf_type_name(message.type),
                 fault.field, fault.reason);
    }
    sim_note(client->simulation, "%s says %s %lld", client->name, behalf_type_name(message.type), (long long) id);
    message.id = id;
    once_note(client, &message);
    return id;
}

static void send_post(struct client *client, struct sim_post *post)
{
    post->sent = true;
    post->request = client_send(client, (struct behalf_message){ .type = BEHALF_POST,
                                                                 .post = { .channel = post->channel,
                                                                           .post = post->id,
                                                                           .brand = post->brand,
                                                                           .author = post->author,
                                                                           .text = post->text,
                                                                           .thread = post->thread,
                                                                           .posted_ms = post->posted_ms } });
}

static void change_post(struct client *client, struct sim_post *post)
{
    struct simulation *simulation = client->simulation;
    post = post->second ? post->twin : post; // it is told once, of both
    if (!post->deleted && sim_chance(simulation, post->twin != NULL ? 800 : 500)) {
        post->edited = true;
        post->edit_reaches = post->taken;
        if (post->twin != NULL) {
            post->twin->edited = true;
            post->twin->edit_reaches = post->twin->taken;
        }
        bool sensitive = sim_chance(simulation, 300);
        post->sensitive = post->sensitive || sensitive;
        post->edit_sensitive = sensitive;
        post->edit = client_send(
            client,
            (struct behalf_message){ .type = BEHALF_EDIT,
                                     .edit = { .channel = post->channel,
                                               .post = post->id,
                                               .edited_ms = sim_chance(simulation, 500) ? simulation->clock_ms : 0,
                                               .text = sensitive ? "edited: my lawsuit begins tomorrow"
                                                                 : "edited: never mind the submission" } });
    } else if (!post->deleted) {
        post->deleted = true;
        if (post->twin != NULL) {
            post->twin->deleted = true;
        }
        post->deletion = client_send(
            client, (struct behalf_message){ .type = BEHALF_DELETE,
                                             .delete_post = { .channel = post->channel, .post = post->id } });
    }
}

// How likely it is, of a thousand, that a post comes now.
static unsigned chance_to_come(const struct simulation *simulation, const struct sim_post *post)
{
    if (post->twin != NULL && post->twin->taken) {
        return 5; // its author may change it before it comes
    }
    if (post->after == NULL) {
        return 30;
    }
    bool is_moment =
        post->after->taken && (!*post->moment || !strcmp(simulation->shown[post->after->item].state, post->moment));
    return is_moment ? 300 : 4;
}

static void act_feed(struct client *client)
{
    struct simulation *simulation = client->simulation;
    size_t in_flight = behalf_session_pending(client->session);
    for (size_t i = 0; i < simulation->post_count && in_flight < 10; i++) {
        struct sim_post *post = &simulation->posts[i];
        bool is_ahead = post->taken && post->twin != NULL && !post->twin->sent;
        if (!post->sent && (simulation->healed || sim_chance(simulation, chance_to_come(simulation, post)))) {
            send_post(client, post);
            in_flight++;
        } else if (!post->sent && !simulation->healed && sim_chance(simulation, 2)) {
            change_post(client, post); // platforms tell what happened in any order
            in_flight++;
        } else if (post->taken && !simulation->healed && sim_chance(simulation, is_ahead ? 20 : 1)) {
            if (sim_chance(simulation, is_ahead ? 100 : 500)) {
                send_post(client, post); // once more
            } else {
                change_post(client, post);
            }
            in_flight++;
        }
    }
}

// A sensitive text of a post is on disk: each copy's PR is to hear of it, also that of one that comes later.
static void note_sensitive(struct sim_post *post, bool of_twin)
{
    bool deleted = post->deleted || (post->twin != NULL && post->twin->deleted);
    post->ever_sensitive = post->ever_sensitive || !deleted;
    if (of_twin && post->twin != NULL) {
        post->twin->ever_sensitive = post->twin->ever_sensitive || !deleted;
    }
}

static void note_edited(struct sim_post *post, bool early)
{
    note_sensitive(post, true);
    for (int i = 0; i < 2 && post != NULL; i++, post = post->twin) {
        post->early_sensitive = post->early_sensitive || early || !post->sent;
    }
}

static void hear_feed(struct client *client, const struct behalf_message *message)
{
    struct simulation *simulation = client->simulation;
    struct sim_post *post = find_post(simulation, message->id);
    if (message->type == BEHALF_TAKEN && post != NULL) {
        bool moved = post->taken && sim_may_move(post) && message->taken.repeated;
        if (post->taken && post->item != message->taken.item && !moved) {
            sim_fail(simulation, "post %s was taken into item %lld and then into %lld", post->id,
                     (long long) post->item, (long long) message->taken.item);
        }
        if (post->taken && !message->taken.repeated) {
            sim_fail(simulation, "post %s was taken twice", post->id);
        }
        int64_t item = judge_taken(simulation, post);
        bool led_on = sim_may_move(post) && message->taken.repeated; // it may have got to a further item meanwhile
        post->taken = true;
        post->item = moved ? post->item : led_on ? item : message->taken.item;
        judge_early(simulation, post);
        if (strstr(post->text, "lawsuit") != NULL) {
            note_sensitive(post, is_one_post(post));
        }
    } else if (message->type == BEHALF_ERROR && post != NULL) {
        sim_fail(simulation, "post %s was refused: %s %s", post->id, message->error.code, message->error.reason);
    }
    struct sim_post *edited = find_edited(simulation, message->id);
    bool early = message->type == BEHALF_TAKEN && message->taken.early;
    bool sensitive = edited != NULL && message->type == BEHALF_TAKEN && edited->edit_sensitive;
    bool too_late = sensitive && edited->deleted && message->taken.repeated; // the deletion overtook it
    if (sensitive && !message->taken.repeated) {
        note_edited(edited, early);
    }
    if (sensitive && !early && !too_late) {
        (edited->twin != NULL ? judge_reached : judge_edited)(simulation, edited, message->taken.item);
    }
    struct sim_post *deleted = find_deleted(simulation, message->id);
    if (deleted != NULL && early) {
        deleted->early_deletion = true;
        if (deleted->twin != NULL) {
            deleted->twin->early_deletion = true;
        }
    }
    bool no_room =
        edited != NULL && !edited->taken && message->type == BEHALF_ERROR && !strcmp(message->error.code, "NOT_FOUND");
    if ((edited != NULL || deleted != NULL) && message->type == BEHALF_ERROR && !no_room) {
        sim_fail(simulation, "what became of a post was refused: %s %s", message->error.code, message->error.reason);
    }
}

// ---- people ----

static struct belief *find_belief(struct client *client, int64_t item)
{
    for (size_t i = 0; i < client->belief_count; i++) {
        if (client->beliefs[i].item == item) {
            return &client->beliefs[i];
        }
    }
    return NULL;
}

static void forget(struct client *client, struct belief *belief)
{
    *belief = client->beliefs[--client->belief_count];
}

static void hear_item(struct client *client, const struct behalf_item *item)
{
    if (item->item < SIM_ITEMS_MAX) {
        client->simulation->reply_until_ms[item->item] = item->reply_until_ms;
    }
    struct belief *belief = find_belief(client, item->item);
    if (belief == NULL) {
        if (client->belief_count == sizeof client->beliefs / sizeof *client->beliefs) {
            return; // frames that overtook others; a later resume puts it right
        }
        belief = &client->beliefs[client->belief_count++];
        *belief = (struct belief){ 0 };
    }
    if (belief->lease > item->lease) {
        return;
    }
    belief->item = item->item;
    belief->lease = item->lease;
    belief->held = !strcmp(item->state, "held");
    belief->fate_unknown = item->fate_unknown;
    belief->approving = !strcmp(item->audience, "approver");
    belief->not_to_approve = false;
    belief->pr = !strcmp(item->audience, "pr");
    belief->reply_until_ms = item->reply_until_ms;
    belief->asked = false;
    snprintf(belief->draft, sizeof belief->draft, "%s", item->draft);
}

// A request to release an item is refused: it was not, after all, unless another one that was said meanwhile does it.
static void end_release(struct client *client, int64_t item, int64_t request)
{
    struct simulation *simulation = client->simulation;
    for (size_t i = 2; i > 0; i--) {
        if (simulation->releasing[item][i - 1].request != request ||
            simulation->releasing[item][i - 1].client != client->index) {
            continue;
        }
        if (i == 1) {
            simulation->releasing[item][0] = simulation->releasing[item][1];
        }
        simulation->releasing[item][1].request = 0;
        simulation->released[item] = simulation->releasing[item][0].request;
    }
}

static void hear_answer(struct client *client, const struct behalf_message *message)
{
    struct simulation *simulation = client->simulation;
    int64_t item = message->type == BEHALF_DONE ? message->done.item : message->error.item;
    struct belief *belief = item ? find_belief(client, item) : NULL;
    if (message->type == BEHALF_DONE && message->done.reply && message->done.item < SIM_ITEMS_MAX) {
        simulation->promised[message->done.item] = message->done.reply;
    }
    if (message->type == BEHALF_ERROR && item > 0 && item < SIM_ITEMS_MAX &&
        (!strcmp(message->error.code, "STATE") || !strcmp(message->error.code, "FORBIDDEN"))) {
        end_release(client, item, message->id);
    }
    if (message->type == BEHALF_ERROR && misdeed_of(client, message->id) != NULL) {
        return; // what it has it still has
    }
    int64_t reply_until_ms = item > 0 && item < SIM_ITEMS_MAX ? simulation->reply_until_ms[item] : 0;
    bool window_ended = reply_until_ms && simulation->clock_ms >= reply_until_ms;
    if (message->type == BEHALF_ERROR && !strcmp(message->error.code, "POLICY") && !window_ended) {
        sim_fail(simulation, "%s was refused by policy: %s", client->name, message->error.reason);
    }
    if (belief == NULL) {
        return;
    }
    if (message->type == BEHALF_DONE && !message->done.repeated && belief->behind == message->id) {
        sim_fail(simulation, "%s did something under an old lease", client->name);
    }
    belief->asked = false;
    if (message->type == BEHALF_ERROR && belief->behind == message->id) {
        return; // it was behind: what it has now it still has
    }
    if (message->type == BEHALF_DONE && belief->drafting == message->id && !message->done.repeated) {
        simulation->drafted[item] = true;
    }
    if (message->type == BEHALF_ERROR && belief->approving && !strcmp(message->error.code, "STATE")) {
        belief->not_to_approve = true;
    }
    bool gone = message->type == BEHALF_DONE
                    ? strcmp(message->done.state, "held") && strcmp(message->done.state, "offered")
                    : !strcmp(message->error.code, "STALE") ||
                          (!strcmp(message->error.code, "NOT_FOUND") && strcmp(message->error.field, "language") != 0);
    // Shown under another lease since, it is still theirs.
    if (gone && belief->lease == (message->type == BEHALF_ERROR ? belief->asked_lease : message->done.lease)) {
        forget(client, belief);
    }
}

static void lift_freezes(struct client *client)
{
    static const char *const brands[] = { "acme", "fizz" };
    for (size_t i = 0; i < 2; i++) {
        client_send(client, (struct behalf_message){ .type = BEHALF_FREEZE,
                                                     .freeze = { .brand = brands[i], .reason = "healed" } });
    }
}

#define SAY(kind, field, ...)                                                                                          \
    ((struct behalf_message){ .type = BEHALF_##kind,                                                                   \
                              .field = { .item = belief->item, .lease = belief->lease, __VA_ARGS__ } })

// Each note is another one, so that one written twice is seen.
static struct behalf_message say_note(const struct client *client, const struct belief *belief)
{
    struct simulation *simulation = client->simulation;
    snprintf(simulation->mark, sizeof simulation->mark, "%s #%lld ~%zu", belief->pr ? "secret: so" : "We are on it",
             (long long) belief->item, simulation->notes++);
    return SAY(NOTE, note, .text = simulation->mark);
}

// Whether the author of an item waits for it to be parked, to go on then.
static bool is_to_be_parked(const struct simulation *simulation, int64_t item)
{
    for (size_t i = 0; i < simulation->post_count; i++) {
        const struct sim_post *post = &simulation->posts[i];
        if (post->after != NULL && !post->sent && post->after->item == item && !strcmp(post->moment, "parked")) {
            return true;
        }
    }
    return false;
}

static struct behalf_message choose_for_held(struct client *client, const struct belief *belief)
{
    struct simulation *simulation = client->simulation;
    int64_t choice = simulation->healed ? 0 : sim_between(simulation, 0, 99);
    if (!simulation->healed && is_to_be_parked(simulation, belief->item) && sim_chance(simulation, 500)) {
        choice = 80;
    }
    bool well_meant = choice < 60;
    bool window_ended = belief->reply_until_ms && simulation->clock_ms >= belief->reply_until_ms;
    snprintf(simulation->mark, sizeof simulation->mark, "We are on it #%lld", (long long) belief->item);
    simulation->answers += well_meant;
    if (belief->fate_unknown && well_meant) {
        return SAY(CLOSE, close, .outcome = "answered");
    }
    if (window_ended && well_meant && !belief->approving) {
        return SAY(CLOSE, close, .outcome = "handed-off");
    }
    if (belief->approving && choice < 75 && !window_ended && !belief->not_to_approve) {
        return SAY(APPROVE, approve, .text = *belief->draft ? belief->draft : "We are sorry.");
    }
    if (belief->approving) {
        return SAY(REJECT, reject, .reason = "say it more kindly");
    }
    if (well_meant) {
        return SAY(ANSWER, answer, .text = simulation->mark);
    }
    if (choice < 70) {
        return SAY(CLOSE, close, .outcome = "no-answer-needed");
    }
    if (choice < 75) {
        return SAY(DRAFT, draft, .text = belief->pr ? "secret: we are" : "We are");
    }
    if (choice < 80) {
        return say_note(client, belief);
    }
    if (choice < 85) {
        return SAY(PARK, park, .until_ms = simulation->clock_ms + sim_between(simulation, 1, 20000));
    }
    if (choice < 90) {
        return SAY(TRANSFER, transfer, .language = sim_chance(simulation, 500) ? "en" : "de",
                   .reason = "wrong language");
    }
    simulation->escalations++;
    if (belief->pr) {
        return SAY(RETURN, return_item, .guidance = "say sorry");
    }
    return SAY(ESCALATE, escalate, .reason = "smells of press");
}

void sim_release(struct client *client, int64_t item, int64_t request)
{
    struct simulation *simulation = client->simulation;
    size_t i = simulation->released[item];
    simulation->releasing[item][i].request = request;
    simulation->releasing[item][i].client = client->index;
    simulation->released[item] = true;
}

static void act_on(struct client *client, struct belief *belief)
{
    struct simulation *simulation = client->simulation;
    struct behalf_message request;
    if (!belief->held && (simulation->healed || sim_chance(simulation, 850))) {
        request =
            (struct behalf_message){ .type = BEHALF_TAKE, .take = { .item = belief->item, .lease = belief->lease } };
    } else if (!belief->held) {
        request = SAY(DECLINE, decline, .reason = "not mine");
    } else {
        request = choose_for_held(client, belief);
    }
    if (!simulation->healed && sim_chance(simulation, 10)) {
        request.take.lease -= 1; // a client that is behind
    }
    if (request.take.lease < 1) {
        return;
    }
    belief->asked = true;
    simulation->touched_ms[belief->item] = simulation->clock_ms;
    int64_t id = client_send(client, request);
    belief->asked_lease = belief->lease;
    if (request.type == BEHALF_RETURN) {
        sim_release(client, belief->item, id);
    }
    belief->behind = request.take.lease < belief->lease ? id : 0;
    belief->drafting = request.type == BEHALF_DRAFT || request.type == BEHALF_ANSWER ? id : 0;
}

static void greet_healed_world(struct client *client)
{
    client->greeted = true;
    client_send(client, (struct behalf_message){ .type = BEHALF_PRESENCE, .presence = { .state = "available" } });
    if (!strcmp(client->name, "pia")) {
        lift_freezes(client);
    }
}

static void act_person(struct client *client)
{
    struct simulation *simulation = client->simulation;
    if (simulation->healed && !client->greeted) {
        greet_healed_world(client);
    } else if (simulation->healed && !strcmp(client->name, "pia") && sim_chance(simulation, 2)) {
        lift_freezes(client); // somebody's FREEZE of before may have come after
    }
    if (!simulation->healed && simulation->now_ms < client->asleep_until_ms) {
        return;
    }
    if (!simulation->healed && sim_chance(simulation, 2)) {
        client->asleep_until_ms = simulation->now_ms + sim_between(simulation, 1000, 60000);
    }
    if (!simulation->healed && sim_chance(simulation, 2)) {
        client_send(
            client,
            sim_chance(simulation, 500)
                ? (struct behalf_message){ .type = BEHALF_PRESENCE, .presence = { .state = "away", .reason = "tea" } }
                : (struct behalf_message){ .type = BEHALF_PRESENCE, .presence = { .state = "available" } });
    }
    if (!simulation->healed && !strcmp(client->name, "pia") && sim_chance(simulation, 2)) {
        client_send(client, (struct behalf_message){ .type = BEHALF_FREEZE,
                                                     .freeze = { .brand = sim_chance(simulation, 500) ? "acme" : "fizz",
                                                                 .frozen = sim_chance(simulation, 500),
                                                                 .reason = "storm" } });
    }
    if (!simulation->healed && sim_chance(simulation, 5)) {
        ask_for_listing(client);
    }
    for (size_t i = 0; i < client->belief_count; i++) {
        if (!client->beliefs[i].asked && sim_chance(simulation, simulation->healed ? 300 : 60)) {
            act_on(client, &client->beliefs[i]);
        }
    }
}

// ---- connectors ----

static void hear_reply(struct client *client, const struct behalf_reply *reply)
{
    struct simulation *simulation = client->simulation;
    size_t i = 0;
    while (i < client->reply_count && client->replies[i].reply != reply->reply) {
        i++;
    }
    bool known = i < client->reply_count;
    // Handed out once more, as its fate is not known, before that was answered.
    bool anew = known && client->replies[i].request && !strcmp(client->replies[i].fate, "unknown") &&
                client->replies[i].attempt < reply->attempt;
    if (known && !anew) {
        return; // a frame repeated
    }
    if (client->reply_count == sizeof client->replies / sizeof *client->replies) {
        sim_fail(simulation, "%s was handed more than it remembers", client->name);
    }
    if (reply->attempt > 10) {
        sim_fail(simulation, "reply %lld was handed out %lld times", (long long) reply->reply,
                 (long long) reply->attempt);
    }
    int64_t luck = simulation->healed ? 0 : sim_between(simulation, 0, 99);
    if (client->idempotent && reply->reply % 7 == 0 && !simulation->healed) {
        luck = 99; // its platform never says what became of it
    }
    bool publishes = luck < 90 || (luck >= 97 && sim_chance(simulation, 500));
    if (publishes) {
        judge_published(simulation, client, reply);
    }
    client->reply_count += !known;
    client->replies[i].reply = reply->reply;
    client->replies[i].attempt = reply->attempt;
    client->replies[i].request = 0;
    client->replies[i].at_ms = simulation->now_ms + sim_between(simulation, 0, 500);
    client->replies[i].fate = luck < 90 ? "confirmed" : luck < 97 ? "failed" : "unknown";
}

// Says what became of a reply that another instance has, or had: it is nobody's business but theirs.
static void settle_anothers(struct client *client)
{
    struct simulation *simulation = client->simulation;
    int64_t newest = 1;
    for (int64_t i = 1; i < SIM_REPLIES_MAX; i++) {
        newest = simulation->handed_to[i] ? i : newest;
    }
    int64_t reply = sim_between(simulation, newest > 12 ? newest - 12 : 1, newest); // may still be on its way
    if (simulation->handed_to[reply] && !(simulation->handed_to[reply] >> client->index & 1)) {
        client->meddling = client_send(
            client, (struct behalf_message){ .type = BEHALF_SETTLE,
                                             .settle = { .reply = reply, .fate = "failed", .reason = "not mine" } });
    }
}

static void act_connector(struct client *client)
{
    struct simulation *simulation = client->simulation;
    if (!simulation->healed && sim_chance(simulation, 5)) {
        settle_anothers(client);
    }
    for (size_t i = 0; i < client->reply_count; i++) {
        if (client->replies[i].at_ms <= simulation->now_ms && !client->replies[i].request) {
            client->replies[i].request =
                client_send(client, (struct behalf_message){ .type = BEHALF_SETTLE,
                                                             .settle = { .reply = client->replies[i].reply,
                                                                         .fate = client->replies[i].fate,
                                                                         .reason = "by chance" } });
        }
    }
}

static void hear_connector(struct client *client, const struct behalf_message *message)
{
    struct simulation *simulation = client->simulation;
    if (message->type == BEHALF_REPLY) {
        hear_reply(client, &message->reply);
        return;
    }
    if (message->type == BEHALF_DONE && message->id == client->meddling) {
        sim_fail(simulation, "%s settled a reply that it was never handed", client->name);
    }
    for (size_t i = 0; i < client->reply_count; i++) {
        if (!client->replies[i].request || client->replies[i].request != message->id) {
            continue;
        }
        // Settled, or of unknown fate by now: either way the broker has it in its books.
        if (message->type == BEHALF_DONE && !strcmp(client->replies[i].fate, "confirmed") && !message->done.repeated) {
            simulation->settled_confirmed[client->replies[i].reply] = true;
        }
        if (message->type == BEHALF_ERROR && strcmp(message->error.code, "NOT_FOUND")) {
            sim_fail(simulation, "%s cannot settle: %s", client->name, message->error.reason);
        }
        client->replies[i] = client->replies[--client->reply_count];
        return;
    }
}

// ---- life of a client ----

static void begin_session(struct client *client)
{
    const char *endpoints[] = { "one", "two" };
    static const char *chirp[] = { "chirp" };
    static const char *pagebook[] = { "pagebook" };
    struct simulation *simulation = client->simulation;
    static const char *const roles[] = { [CLIENT_PERSON] = "person",
                                         [CLIENT_CONNECTOR] = "connector",
                                         [CLIENT_FEED] = "connector",
                                         [CLIENT_CONTROL] = "control" };
    struct behalf_hello hello = { .role = roles[client->role], .name = client->name };
    if (client->role == CLIENT_CONNECTOR) {
        hello.instance = client->instance;
        hello.channels = client->idempotent ? pagebook : chirp;
        hello.channels_count = 1;
        hello.idempotent = client->idempotent;
    }
    client->next_id += SESSION_FIRST_ID_MIN;
    struct behalf_session_options options = { .brokers = endpoints,
                                              .broker_count = simulation->process_count,
                                              .hello = &hello,
                                              .first_id = client->next_id,
                                              .seed = sim_random(simulation) };
    struct behalf_fault fault;
    client->session = behalf_session_new(&options, simulation->now_ms, &fault);
    if (client->session == NULL) {
        sim_fail(simulation, "%s: hello: %s %s", client->name, fault.field, fault.reason);
    }
}

// The client's process ends, with or without a word.
static void end_session(struct client *client, bool bye)
{
    struct simulation *simulation = client->simulation;
    sim_note(simulation, "%s %s", client->name, bye ? "signs out" : "is killed");
    if (bye && client->peer && client->process->broker != NULL && process_runs(client->process)) {
        size_t bytes;
        const void *frame;
        behalf_session_close(client->session, "bye");
        while ((frame = behalf_session_output(client->session, &bytes, simulation->now_ms)) != NULL) {
            answers_asked(simulation->asked, client->index, frame, bytes);
            broker_receive(client->process->broker, client->peer, frame, bytes, simulation->clock_ms);
            behalf_session_sent(client->session, simulation->now_ms);
        }
    }
    behalf_session_destroy(&client->session);
    network_clear(&client->to_client);
    network_clear(&client->to_broker);
    client->peer = 0;
    client->belief_count = 0;
    client->meddling = 0;
    memset(client->misdeeds, 0, sizeof client->misdeeds);
    client->greeted = false;
    client->reply_count = 0; // what it knew of its replies is gone with it
    if (client->role == CLIENT_CONNECTOR) {
        snprintf(client->instance, sizeof client->instance, "%s-%lld", client->name, (long long) simulation->now_ms);
    }
    for (size_t i = 0; client->role == CLIENT_FEED && i < simulation->post_count; i++) {
        if (!simulation->posts[i].taken) {
            simulation->posts[i].sent = false; // it feeds its file again
        }
        simulation->posts[i].request = simulation->posts[i].edit = 0;
    }
    client->off_until_ms = simulation->now_ms + sim_between(simulation, 1, 20000);
}

void actor_hear(struct client *client, const struct behalf_message *message)
{
    if (client->role != CLIENT_PERSON && misdeed_of(client, message->id) != NULL) {
        return;
    }
    if (client->role == CLIENT_FEED) {
        hear_feed(client, message);
    } else if (client->role == CLIENT_CONNECTOR) {
        hear_connector(client, message);
    } else if (client->role == CLIENT_CONTROL) {
        hear_control(client, message);
    } else if (message->type == BEHALF_WELCOME) {
        client->belief_count = 0;
        client->greeted = false;
    } else if (message->type == BEHALF_ITEM) {
        hear_item(client, &message->item);
    } else if (message->type == BEHALF_GONE) {
        struct belief *belief = find_belief(client, message->gone.item);
        if (belief != NULL && belief->lease == message->gone.lease) {
            forget(client, belief);
        }
    } else if (message->type == BEHALF_DONE || message->type == BEHALF_ERROR) {
        hear_answer(client, message);
    }
}

static void listen(struct client *client)
{
    struct behalf_message *message;
    while ((message = behalf_session_next(client->session)) != NULL) {
        sim_note(client->simulation, "%s hears %s %lld %s item %lld", client->name, behalf_type_name(message->type),
                 (long long) message->id, message->type == BEHALF_ERROR ? message->error.code : "",
                 (long long) (message->type == BEHALF_ERROR   ? message->error.item
                              : message->type == BEHALF_ITEM  ? message->item.item
                              : message->type == BEHALF_DONE  ? message->done.item
                              : message->type == BEHALF_REPLY ? message->reply.item
                                                              : 0));
        actor_hear(client, message);
        behalf_message_destroy(&message);
    }
}

// In the healed world some sign in anew, some go on as they were, and of those whom others can stand in for some
// never come back and say nothing.
static void choose_healed_life(struct client *client)
{
    static const char *const spared[] = { "asha", "cora", "dov", "pat", "chirp-two" };
    struct simulation *simulation = client->simulation;
    client->settled = true;
    client->greeted = false;
    int64_t choice = sim_between(simulation, 0, 99);
    for (size_t i = 0; i < sizeof spared / sizeof *spared; i++) {
        client->absent = client->absent || (choice < 30 && !strcmp(client->name, spared[i]));
    }
    if (client->session != NULL && (client->absent || choice < 65)) {
        end_session(client, !client->absent && sim_chance(simulation, 500));
    } else if (client->session != NULL) { // what overtook other frames, and was dropped, comes again with a resume
        network_break(simulation, client, "the network heals");
    }
    client->off_until_ms = client->absent ? INT64_MAX : simulation->now_ms;
}

void actor_act(struct client *client)
{
    struct simulation *simulation = client->simulation;
    if (simulation->healed && !client->settled) {
        choose_healed_life(client);
    }
    if (client->session == NULL) {
        if (simulation->now_ms < client->off_until_ms) {
            return;
        }
        begin_session(client);
    }
    listen(client);
    enum behalf_client_state state = behalf_session_state(client->session);
    bool dropped = !strcmp(client->name, "dov"); // by rules that were applied
    if (state == BEHALF_CLIENT_REFUSED && !dropped) {
        sim_fail(simulation, "%s is refused: %s", client->name, behalf_session_reason(client->session));
    }
    bool end = !simulation->healed && sim_chance(simulation, 2);
    if (state == BEHALF_CLIENT_ENDED || state == BEHALF_CLIENT_REFUSED || end) {
        end_session(client, sim_chance(simulation, 500));
        return;
    }
    if (state != BEHALF_CLIENT_READY) {
        return;
    }
    if (!simulation->healed && sim_chance(simulation, client->role == CLIENT_PERSON ? 15 : 3)) {
        act_badly(client);
    }
    if (client->role == CLIENT_FEED) {
        act_feed(client);
    } else if (client->role == CLIENT_CONNECTOR) {
        act_connector(client);
    } else if (client->role == CLIENT_CONTROL) {
        act_control(client);
    } else {
        act_person(client);
    }
}

void actors_init(struct simulation *simulation)
{
    static const char *const names[SIM_CLIENTS] = { "asha",      "ben",       "cora",         "dov",  "pia",
                                                    "pat",       "ann",       "eve",          "sam",  "kim",
                                                    "chirp-one", "chirp-two", "pagebook-one", "feed", "control" };
    for (size_t i = 0; i < SIM_CLIENTS; i++) {
        struct client *client = &simulation->clients[i];
        client->simulation = simulation;
        client->index = i;
        client->name = names[i];
        client->role = i < SIM_PEOPLE                    ? CLIENT_PERSON
                       : i < SIM_PEOPLE + SIM_CONNECTORS ? CLIENT_CONNECTOR
                       : !strcmp(names[i], "feed")       ? CLIENT_FEED
                                                         : CLIENT_CONTROL;
        client->agent = client->role == CLIENT_PERSON && !sim_has_role(i, "pr");
        client->idempotent = !strcmp(names[i], "pagebook-one");
        client->off_until_ms = sim_between(simulation, 0, 2000);
        snprintf(client->instance, sizeof client->instance, "%s-0", names[i]);
    }
}

void actors_fini(struct simulation *simulation)
{
    for (size_t i = 0; i < SIM_CLIENTS; i++) {
        behalf_session_destroy(&simulation->clients[i].session);
        network_clear(&simulation->clients[i].to_client);
        network_clear(&simulation->clients[i].to_broker);
    }
}
