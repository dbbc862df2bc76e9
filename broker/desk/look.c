// look.c - what the desk shows: with an item, as counts, and as pages of listings.  Changes nothing.

#include "broker/desk/parts.h"

#include "broker/desk/outgoing.h"

#include <string.h>

// ---- what is shown with an item ----

bool desk_show_item(const struct desk *desk, uint64_t number, uint64_t id, uint64_t lease, struct change_list *memory,
                    struct behalf_item *view)
{
    const struct session *session = session_find(desk, number);
    const struct item *item = item_find(desk, id);
    if (session == NULL || session->person == NULL || item == NULL || item->lease != lease ||
        item->person != session->person->index || (item->state != ITEM_OFFERED && item->state != ITEM_HELD)) {
        return false;
    }
    const struct policy *policy = desk->policy;
    const struct queue *queue = item->queue;
    const struct policy_brand *brand = &policy->brands[queue->brand];
    const struct policy_channel *channel = &policy->channels[item->channel];
    struct answering answering = item_answering_as_held(item);
    view->item = (int64_t) item->id;
    view->lease = item->lease;
    view->state = item_state_name((enum item_state) item->state);
    view->audience = audience_name(queue->audience);
    view->brand = brand->name;
    view->channel = policy->channels[item->channel].name;
    view->language = policy->languages[queue->language].name;
    view->skills = queue->skills_text;
    view->reason = words_text(&desk->words, item->reason);
    view->brand_guidance =
        policy_wording(policy, &brand->guidance_in, brand->guidance != NULL ? brand->guidance : "", queue->language);
    view->disclosure = outgoing_disclosure(policy, &answering, memory);
    view->length_max = channel->length_max;
    view->length_left = outgoing_room(policy, &answering, memory);
    view->unit = counting_defaults(channel->counting)->unit;
    view->reply_until_ms = item->window_end_ms;
    view->created_ms = item->created_ms;
    view->due_ms = item->due_ms;
    if (item->state == ITEM_OFFERED) {
        view->answer_by_ms = item->timer_ms;
        view->missed = desk->people[item->person]->missed;
        view->missed_max = policy->times.missed_offers;
    }
    view->approval = authority_needs_approval(desk, item, session->person);
    view->frozen = desk->frozen >> queue->brand & 1;
    view->fate_unknown = item->fate_unknown;
    return true;
}

bool desk_reply_is_with(const struct desk *desk, uint64_t number, uint64_t id)
{
    const struct session *session = session_find(desk, number);
    const struct reply *reply = table_find(&desk->replies, id);
    return session != NULL && session->connector != NULL && reply != NULL && reply->state == REPLY_HANDED &&
           reply->connector == session->connector;
}

bool desk_shows_sealed(const struct desk *desk, uint64_t number, uint64_t id)
{
    const struct session *session = session_find(desk, number);
    const struct item *item = item_find(desk, id);
    return session != NULL && session->person != NULL && item != NULL &&
           authority_sight(desk, session->person, item) == SIGHT_WHOLE;
}

enum item_state desk_item_state(const struct desk *desk, uint64_t id)
{
    const struct item *item = item_find(desk, id);
    return item != NULL ? (enum item_state) item->state : ITEM_CLOSED;
}

const char *desk_connector_instance(const struct desk *desk, uint64_t number)
{
    const struct session *session = table_find(&desk->sessions, number);
    return session != NULL && session->connector != NULL ? session->connector->instance : NULL;
}

bool desk_reply_is_settled(const struct desk *desk, uint64_t reply)
{
    return reply < desk->next_id && table_find(&desk->replies, reply) == NULL;
}

// ---- counts ----

// Fullest first, then by name, so that two looks at the same desk are alike.
static int look_compare_queues(const void *one, const void *other)
{
    const struct queue *a = *(const struct queue *const *) one;
    const struct queue *b = *(const struct queue *const *) other;
    if (a->count[ITEM_WAITING] != b->count[ITEM_WAITING]) {
        return a->count[ITEM_WAITING] > b->count[ITEM_WAITING] ? -1 : 1;
    }
    return strcmp(a->text, b->text);
}

static void look_count_queue(const struct desk *desk, const struct queue *queue, struct behalf_queue_count *count,
                             int64_t now_ms)
{
    *count = (struct behalf_queue_count){
        .audience = audience_name(queue->audience),
        .brand = desk->policy->brands[queue->brand].name,
        .language = desk->policy->languages[queue->language].name,
        .skills = queue->skills_text,
        .waiting = (int64_t) queue->count[ITEM_WAITING],
        .offered = (int64_t) queue->count[ITEM_OFFERED],
        .held = (int64_t) queue->count[ITEM_HELD],
        .parked = (int64_t) queue->count[ITEM_PARKED],
        .sending = (int64_t) queue->count[ITEM_SENDING],
        .late = (int64_t) queue->overdue,
        .people = (int64_t) queue->available,
        .able = (int64_t) queue->able,
    };
    const struct item *oldest = heap_first(&queue->ages);
    if (oldest != NULL && oldest->created_ms < now_ms) {
        count->oldest_ms = now_ms - oldest->created_ms;
    }
}

static void look_count_queues(const struct desk *desk, struct change_list *memory, struct behalf_counts *counts,
                              int64_t now_ms)
{
    struct queue **queues = calloc(desk->queues.count + 1, sizeof *queues);
    must(queues);
    size_t count = 0, place = 0;
    for (struct queue *queue; (queue = table_next(&desk->queues, &place));) {
        if (queue->open) {
            queues[count++] = queue;
        }
    }
    qsort(queues, count, sizeof(struct queue *), look_compare_queues);
    if (count > 4096) {
        count = 4096;
        counts->truncated = true;
    }
    counts->queues = change_list_allocate(memory, count * sizeof *counts->queues);
    counts->queues_count = count;
    for (size_t i = 0; i < count; i++) {
        look_count_queue(desk, queues[i], &counts->queues[i], now_ms);
    }
    free(queues);
}

static const char *look_roles_text(unsigned audiences, struct change_list *memory)
{
    const char *text = "";
    for (unsigned i = 0; i < AUDIENCE_COUNT; i++) {
        if (audiences >> i & 1) {
            text = change_list_format(memory, "%s%s%s", text, *text ? "," : "", audience_name((enum audience) i));
        }
    }
    return text;
}

static void look_count_person(const struct desk *desk, const struct person *person, struct change_list *memory,
                              struct behalf_person_count *count)
{
    static const char *const presences[] = {
        [PRESENCE_OUT] = "out", [PRESENCE_LOST] = "lost", [PRESENCE_AWAY] = "away", [PRESENCE_AVAILABLE] = "available"
    };
    const struct policy_person *rules = &desk->policy->people[person->index];
    *count = (struct behalf_person_count){
        .name = rules->name,
        .roles = look_roles_text(rules->audiences, memory),
        .agency = rules->agency == POLICY_NONE ? "" : desk->policy->agencies[rules->agency].name,
        .presence = presences[person->presence],
        .reason = person->reason != NULL ? change_list_text(memory, person->reason) : "",
        .offered = (int64_t) person->offered,
        .held = (int64_t) (person->item_count - person->offered),
        .capacity = rules->capacity,
        .ended = (int64_t) person->ended,
    };
}

static void look_count_people(const struct desk *desk, struct change_list *memory, struct behalf_counts *counts)
{
    counts->people = change_list_allocate(memory, desk->person_count * sizeof *counts->people);
    for (size_t i = 0; i < desk->person_count; i++) {
        const struct person *person = desk->people[i];
        if (person->presence == PRESENCE_OUT && !person->item_count && !person->ended) {
            continue;
        }
        if (counts->people_count == 4096) {
            counts->truncated = true;
            break;
        }
        look_count_person(desk, person, memory, &counts->people[counts->people_count++]);
    }
}

void desk_count(const struct desk *desk, struct change_list *memory, struct behalf_counts *counts, int64_t now_ms)
{
    counts->desk = desk->policy->desk;
    counts->frozen = "";
    for (size_t i = 0; i < desk->policy->brand_count; i++) {
        if (desk->frozen >> i & 1) {
            counts->frozen = change_list_format(memory, "%s%s%s", counts->frozen, *counts->frozen ? "," : "",
                                                desk->policy->brands[i].name);
        }
    }
    counts->now_ms = now_ms;
    counts->sequence = (int64_t) desk->sequence;
    counts->rules_version = (int64_t) desk->policy->version;
    counts->closed = (int64_t) desk->closed;
    counts->reviewing = (int64_t) desk_review_left(desk);
    look_count_queues(desk, memory, counts, now_ms);
    look_count_people(desk, memory, counts);
}

// ---- listings ----

#define LOOK_MAX 200 // rows, as in messages.def

static bool look_is_asked_for(const struct desk *desk, const struct behalf_look *look, const struct queue *queue)
{
    return (!*look->audience || !strcmp(look->audience, audience_name(queue->audience))) &&
           (!*look->brand || !strcmp(look->brand, desk->policy->brands[queue->brand].name));
}

// The items of one page, and where the next one goes on.
struct page {
    const struct item *items[LOOK_MAX];
    size_t count;
    size_t limit;
    bool more;
    uint64_t next; // everything up to here is in this page or a former one, or is not for the asker
};

// Looks at DESK_LOOK_AT_MAX items at most: what is for the asker may be far apart, and others wait meanwhile.
static void look_gather(const struct desk *desk, const struct person *asker, const struct behalf_look *look,
                        struct page *page)
{
    uint64_t id = page->next = (uint64_t) look->after;
    const struct item *item;
    for (size_t looked_at = 0; (item = item_next(desk, &id)); looked_at++) {
        page->more = page->count == page->limit || looked_at == DESK_LOOK_AT_MAX;
        bool fits = look_is_asked_for(desk, look, item->queue) && authority_sight(desk, asker, item) != SIGHT_ABSENT;
        if (page->more && (fits || looked_at == DESK_LOOK_AT_MAX)) {
            return;
        }
        if (fits) {
            page->items[page->count++] = item;
        }
        if (!page->more) {
            page->next = id;
        }
    }
    page->more = false;
}

void desk_look(const struct desk *desk, uint64_t number, const struct behalf_look *look, struct change_list *memory,
               struct behalf_listing *listing, enum sight **sights, int64_t now_ms)
{
    (void) now_ms;
    const struct session *session = session_find(desk, number);
    const struct person *asker = session != NULL ? session->person : NULL;
    must(!number || asker);
    struct page page = { .limit = look->limit ? (size_t) look->limit : 50 };
    must(page.limit <= LOOK_MAX);
    look_gather(desk, asker, look, &page);
    size_t count = page.count;
    listing->more = page.more;
    listing->next = page.more ? (int64_t) page.next : 0;
    listing->items = change_list_allocate(memory, count * sizeof *listing->items);
    listing->items_count = count;
    *sights = change_list_allocate(memory, count * sizeof **sights);
    for (size_t i = 0; i < count; i++) {
        const struct item *item = page.items[i];
        enum sight sight = authority_sight(desk, asker, item);
        (*sights)[i] = sight;
        listing->items[i] = (struct behalf_listed){
            .item = (int64_t) item->id,
            .audience = audience_name(item->queue->audience),
            .brand = desk->policy->brands[item->queue->brand].name,
            .language = desk->policy->languages[item->queue->language].name,
            .skills = item->queue->skills_text,
            .state = item_state_name((enum item_state) item->state),
            .person = person_name(desk, item->person),
            .reason = sight >= SIGHT_OPEN ? change_list_text(memory, words_text(&desk->words, item->reason)) : "",
            .text = "",
            .created_ms = item->created_ms,
            .due_ms = item->due_ms,
        };
    }
}
