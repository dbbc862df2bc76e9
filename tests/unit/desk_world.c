// desk_world.c - the rules, the people and the list of changes behind the verbs of desk_world.h.

#include "tests/unit/desk_world.h"

#include "proto/base/must.h"

#include <string.h>

static struct policy_person person(const char *name, unsigned audiences, uint64_t languages, uint64_t skills,
                                   uint32_t capacity)
{
    struct policy_person made = {
        .name = (char *) name,
        .first_name = (char *) name,
        .display_name = (char *) name,
        .agency = POLICY_NONE,
        .audiences = audiences,
        .brands = 3,
        .languages = languages,
        .skills = skills,
        .capacity = capacity,
    };
    for (size_t i = 0; i < POLICY_SET_MAX; i++) {
        made.language_level[i] = languages >> i & 1 ? 5 : 0;
        made.skill_level[i] = skills >> i & 1 ? 5 : 0;
    }
    return made;
}

static struct policy_brand brand(const char *name, bool automatic)
{
    return (struct policy_brand){
        .name = (char *) name,
        .display_name = (char *) name,
        .languages = 7,
        .guidance = (char *) "be kind",
        .disclosure = (char *) "I'm {first_name} from {agency}, answering for {brand}",
        .disclosure_pr = (char *) "",
        .take_automatic = automatic,
    };
}

void world_init(struct world *world)
{
    *world = (struct world){
        .now_ms = INT64_C(1700000000000),
        .brands = { brand("acme", false), brand("fizz", true), { 0 } },
        .languages = { { (char *) "und", false }, { (char *) "en", false }, { (char *) "de", false } },
        .skills = { { (char *) "refunds", false }, { (char *) "cards", false } },
        .agencies = { { (char *) "Northline", false } },
        .channels = { { .name = (char *) "chirp", .length_max = 120 },
                      { .name = (char *) "reviews", .reply_window_ms = 3600000 } },
        .people = {
            [ASHA] = person("asha", 1u << AUDIENCE_AGENT, 1u << EN, 1, 1),
            [BEN] = person("ben", 1u << AUDIENCE_AGENT, 1u << EN | 1u << DE, 0, 2),
            [PIA] = person("pia", 1u << AUDIENCE_PR, 7, 3, 2),
            [ANN] = person("ann", 1u << AUDIENCE_APPROVER, 7, 3, 2),
            [SAM] = person("sam", 1u << AUDIENCE_SUPERVISOR, 7, 3, 2),
        },
    };
    world->people[ASHA].agency = 0;
    world->people[BEN].agency = 0;
    world->policy = (struct policy){
        .version = 1,
        .desk = (char *) "test",
        .times = POLICY_TIMES_DEFAULT,
        .few = POLICY_FEW_DEFAULT,
        .brands = world->brands,
        .brand_count = 2,
        .languages = world->languages,
        .language_count = 3,
        .skills = world->skills,
        .skill_count = 2,
        .agencies = world->agencies,
        .agency_count = 1,
        .channels = world->channels,
        .channel_count = 2,
        .people = world->people,
        .person_count = PEOPLE,
    };
}

void world_start(struct world *world)
{
    world->desk = desk_new(&world->policy, world->now_ms);
    world->list = change_list_new();
    desk_set_list(world->desk, world->list);
}

void world_fini(struct world *world)
{
    if (world->desk != NULL) {
        desk_check(world->desk);
    }
    desk_destroy(&world->desk);
    change_list_destroy(&world->list);
}

static struct principal *principal_place(struct world *world, uint64_t session)
{
    return &world->principals[session % (sizeof world->principals / sizeof *world->principals)];
}

static struct principal principal_of(struct world *world, uint64_t session)
{
    struct principal principal = *principal_place(world, session);
    return principal.role != NULL ? principal : (struct principal){ "control", "ctl" };
}

uint64_t world_sign_in(struct world *world, uint32_t who)
{
    desk_sign_in(world->desk, who, ++world->session, "", world->now_ms);
    *principal_place(world, world->session) = (struct principal){ "person", world->people[who].name };
    desk_check(world->desk);
    return world->session;
}

uint64_t world_connect(struct world *world, const char *instance, bool idempotent)
{
    desk_connector_in(world->desk, ++world->session, instance, (const char *[]){ "chirp", "reviews" }, 2, idempotent,
                      world->now_ms);
    desk_check(world->desk);
    *principal_place(world, world->session) = (struct principal){ "connector", instance };
    return world->session;
}

uint64_t world_post(struct world *world, struct world_post wanted)
{
    struct behalf_post post = {
        .channel = world->channels[wanted.channel].name,
        .post = wanted.id,
        .brand = world->brands[wanted.brand].name,
        .author = wanted.author != NULL ? wanted.author : wanted.id,
        .author_name = "",
        .language = "",
        .parent = "",
        .link = "",
        .media = wanted.media,
        .text = wanted.text != NULL ? wanted.text : "where is my submission",
        .thread = wanted.thread != NULL ? wanted.thread : "",
        .posted_ms = wanted.posted_ms ? wanted.posted_ms : world->now_ms,
    };
    struct needs needs = {
        .brand = wanted.brand,
        .channel = wanted.channel,
        .language = wanted.language ? wanted.language : EN,
        .skills = wanted.skills,
        .audience = wanted.sensitive ? AUDIENCE_PR : AUDIENCE_AGENT,
        .band = wanted.band,
        .noise = wanted.noise,
        .approval = wanted.approval,
        .author = post.author,
        .rule = wanted.sensitive ? "legal threat"
                : wanted.noise   ? "spam"
                                 : "",
        .detail = "by the test",
    };
    uint64_t item = desk_post(world->desk, &post, &needs, NULL, world->now_ms);
    desk_check(world->desk);
    return item;
}

uint64_t world_edit(struct world *world, uint64_t item, const struct behalf_edit *edit, const struct needs *needs)
{
    struct behalf_post post = {
        .channel = edit->channel,
        .post = edit->post,
        .brand = world->brands[needs->brand].name,
        .author = "a",
        .author_name = "",
        .language = "",
        .parent = "",
        .link = "",
        .text = edit->text,
        .thread = "t",
    };
    struct needs of_author = *needs;
    of_author.author = post.author;
    uint64_t of = desk_post_edited(world->desk, item, &post, edit, &of_author, world->now_ms);
    desk_check(world->desk);
    return of;
}

const struct behalf_message *world_ask(struct world *world, uint64_t session, struct behalf_message request)
{
    if (!request.id) {
        request.id = ++world->request;
    }
    struct behalf_fault fault;
    size_t bytes;
    // Through the codec, so that the desk sees what it would see: texts that are absent are "", never NULL.
    void *frame = behalf_message_encode(&request, &bytes, &fault);
    if (frame == NULL) {
        fprintf(stderr, "%s: %s\n", fault.field, fault.reason);
    }
    must(frame);
    struct behalf_message *decoded = behalf_message_decode(frame, bytes, &fault);
    must(decoded);
    size_t before = change_list_effect_count(world->list);
    struct principal principal = principal_of(world, session);
    if (!desk_repeat(world->desk, session, &principal, decoded, world->now_ms)) {
        desk_request(world->desk, session, &principal, decoded, world->now_ms);
    }
    behalf_message_destroy(&decoded);
    free(frame);
    desk_check(world->desk);
    const struct effect *effect = change_list_effects(world->list);
    for (; before > 0; before--) {
        effect = effect->next;
    }
    const struct behalf_message *answer = NULL;
    for (; effect != NULL; effect = effect->next) {
        if (effect->kind == EFFECT_SEND && effect->session == session && effect->message.id == request.id) {
            must(!answer); // exactly one
            answer = &effect->message;
        }
    }
    must(answer);
    return answer;
}

const struct effect *world_effect(const struct world *world, uint64_t session, enum effect_kind kind)
{
    const struct effect *found = NULL;
    for (const struct effect *effect = change_list_effects(world->list); effect != NULL; effect = effect->next) {
        if (effect->session == session && effect->kind == kind) {
            found = effect;
        }
    }
    return found;
}

const struct behalf_message *world_message(const struct world *world, uint64_t session, enum behalf_type type)
{
    const struct behalf_message *found = NULL;
    for (const struct effect *effect = change_list_effects(world->list); effect != NULL; effect = effect->next) {
        if (effect->session == session && effect->kind == EFFECT_SEND && effect->message.type == type) {
            found = &effect->message;
        }
    }
    return found;
}

int64_t world_lease(const struct world *world, uint64_t session, uint64_t item)
{
    int64_t lease = 0;
    for (const struct effect *effect = change_list_effects(world->list); effect != NULL; effect = effect->next) {
        if (effect->session == session && effect->kind == EFFECT_SHOW_ITEM && effect->item == item) {
            lease = (int64_t) effect->lease;
        }
    }
    return lease;
}

void world_apply(struct world *world, const struct policy *policy)
{
    uint64_t items[DESK_REVIEW_PAGE_MAX];
    desk_apply(world->desk, policy, &(struct rules_record){ .version = policy->version, .name = "", .text = "" },
               world->now_ms);
    desk_check(world->desk);
    while (desk_review_left(world->desk)) {
        size_t count = desk_review_next(world->desk, items, world->now_ms);
        desk_check(world->desk);
        for (size_t i = 0; i < count; i++) {
            desk_reviewed(world->desk, items[i], NULL, NULL, world->now_ms);
        }
        desk_check(world->desk);
    }
}

void world_pass(struct world *world, int64_t ms)
{
    world->now_ms += ms;
    desk_tick(world->desk, world->now_ms);
    desk_check(world->desk);
}

const struct change *world_change(const struct world *world, enum change_kind kind)
{
    const struct change *found = NULL;
    for (const struct change *change = change_list_changes(world->list); change != NULL; change = change->next) {
        if (change->kind == kind) {
            found = change;
        }
    }
    return found;
}

const char *world_outcome(const struct world *world, uint64_t item)
{
    const char *outcome = "";
    for (const struct change *change = change_list_changes(world->list); change != NULL; change = change->next) {
        if (change->kind == CHANGE_OUTCOME && change->outcome.item == item) {
            outcome = change->outcome.outcome;
        }
    }
    return outcome;
}

size_t world_events(const struct world *world, uint64_t item, const char *kind)
{
    size_t count = 0;
    for (const struct change *change = change_list_changes(world->list); change != NULL; change = change->next) {
        count += change->kind == CHANGE_EVENT && change->event.item == item && !strcmp(change->event.kind, kind);
    }
    return count;
}

void world_restart(struct world *world)
{
    uint64_t sequence = desk_sequence(world->desk);
    uint64_t next_id = desk_next_id(world->desk);
    desk_destroy(&world->desk);
    struct change_list *written = world->list;
    world_start(world);
    desk_restore_position(world->desk, sequence, next_id, world->now_ms);
    char reason[256];
    for (uint64_t id = 1; id < next_id; id++) {
        const struct change *item = NULL;
        for (const struct change *change = change_list_changes(written); change != NULL; change = change->next) {
            if (change->kind == CHANGE_ITEM && change->item.item == id) {
                item = change;
            }
        }
        if (item != NULL && item->item.state != ITEM_CLOSED) {
            must(desk_restore_item(world->desk, &item->item, reason, sizeof reason));
        }
    }
    for (uint64_t id = 1; id < next_id; id++) {
        const struct change *reply = NULL;
        for (const struct change *change = change_list_changes(written); change != NULL; change = change->next) {
            if (change->kind == CHANGE_REPLY && change->reply.reply == id) {
                reply = change;
            }
        }
        const struct change *of = NULL;
        for (const struct change *change = change_list_changes(written); reply != NULL && change != NULL;
             change = change->next) {
            if (change->kind == CHANGE_ITEM && change->item.item == reply->reply.item) {
                of = change;
            }
        }
        if (of != NULL && of->item.state != ITEM_CLOSED &&
            (reply->reply.state == REPLY_QUEUED || reply->reply.state == REPLY_HANDED ||
             reply->reply.state == REPLY_UNKNOWN)) {
            must(desk_restore_reply(world->desk, &reply->reply, reason, sizeof reason));
        }
    }
    for (const struct change *change = change_list_changes(written); change != NULL; change = change->next) {
        if (change->kind == CHANGE_FREEZE) {
            desk_restore_freeze(world->desk, &change->freeze);
        }
        if (change->kind == CHANGE_OUTCOME) {
            desk_restore_outcome(world->desk, &change->outcome);
        }
    }
    for (const struct change *change = change_list_changes(written); change != NULL; change = change->next) {
        if (change->kind == CHANGE_REQUEST) {
            must(desk_restore_request(world->desk, &change->request, reason, sizeof reason));
        }
    }
    desk_restored(world->desk, world->now_ms);
    desk_check(world->desk);
    change_list_destroy(&written);
}
