// requests.c - what each request of a person does, a function each.
//
// That its sender may make it is settled before, by authority.c and its table.

#include "broker/desk/parts.h"

#include "broker/desk/outgoing.h"

#include <string.h>

// One request that its sender may make; what it does is its own function's, do_ and its name.
struct order {
    struct desk *desk;
    struct item *item;     // NULL: it is about none
    struct person *person; // NULL: control
    uint64_t session;
    const struct behalf_message *request;
    uint32_t author; // whose reply it becomes: the person, or who wrote the draft approved
};

// The functions of the rows.
#define REQUEST(name, NAME, hold, audiences, states, needs, code, otherwise)                                           \
    static void do_##name(const struct order *order);
#include "broker/desk/authority.def"

static void requests_refuse(const struct order *order, enum behalf_code code, const char *field, const char *reason)
{
    struct behalf_error error = { .field = field, .reason = reason };
    if (order->item != NULL) {
        error.item = (int64_t) order->item->id;
        error.state = item_state_name((enum item_state) order->item->state);
    }
    desk_tell_error(order->desk, order->session, order->request->id, code, &error);
}

// Answers a request that led to `state`.  Called before the item moves on, as what follows is told after the answer.
static void requests_answer(const struct order *order, enum item_state state, uint64_t reply)
{
    struct item *item = order->item;
    struct behalf_done done = {
        .item = (int64_t) item->id, .lease = item->lease, .state = item_state_name(state), .reply = (int64_t) reply
    };
    desk_tell_done(order->desk, order->session, order->request->id, &done);
}

static void requests_tell_not_open(const struct order *order)
{
    struct behalf_error error = { .field = "item",
                                  .reason = "the item is not open",
                                  .item = order->request->take.item,
                                  .state = item_state_name(ITEM_CLOSED) };
    desk_tell_error(order->desk, order->session, order->request->id, BEHALF_CODE_NOT_FOUND, &error);
}

// ---- offers ----

static void do_take(const struct order *order)
{
    requests_answer(order, ITEM_HELD, 0);
    if (order->item->state == ITEM_HELD) { // taken already, or automatically
        return;
    }
    item_move(order->desk, order->item, ITEM_HELD, order->person->index);
    item_event(order->desk, order->item, "held", order->person->index, NULL, "taken");
    item_show(order->desk, order->item);
}

static void do_decline(const struct order *order)
{
    struct desk *desk = order->desk;
    struct item *item = order->item;
    requests_answer(order, ITEM_WAITING, 0);
    item_decline(desk, item, order->person->index);
    item_event(desk, item, "declined", order->person->index, NULL, order->request->decline.reason);
    item_count_move(item);
    item_wait(desk, item);
}

// ---- writing ----

static void requests_write_draft(const struct order *order, const char *text)
{
    struct item *item = order->item;
    uint32_t author = *text ? order->author : POLICY_NONE;
    if (item->queue->audience == AUDIENCE_APPROVER) { // mended, whatever is left of it: it stays its author's
        author = item_require_detail(item)->draft_by;
    }
    item_require_detail(item)->draft_by = author;
    desk_change(order->desk, &(struct change){
                                 .kind = CHANGE_DRAFT,
                                 .draft = { .item = item->id,
                                            .person = person_name(order->desk, author),
                                            .text = text,
                                            .at_ms = order->desk->now_ms },
                             });
    item_changed(order->desk, item);
}

static void requests_tell_unmoved(const struct order *order)
{
    requests_answer(order, (enum item_state) order->item->state, 0);
}

static void do_draft(const struct order *order)
{
    requests_tell_unmoved(order);
    requests_write_draft(order, order->request->draft.text);
}

static void requests_write_note(const struct order *order, const char *kind, const char *text)
{
    desk_change(order->desk, &(struct change){
                                 .kind = CHANGE_NOTE,
                                 .note = { .item = order->item->id,
                                           .kind = kind,
                                           .person = person_name(order->desk, order->person->index),
                                           .text = text,
                                           .sealed = order->item->sealed,
                                           .at_ms = order->desk->now_ms },
                             });
}

static void do_note(const struct order *order)
{
    requests_tell_unmoved(order);
    requests_write_note(order, "note", order->request->note.text);
    item_event(order->desk, order->item, "note", order->person->index, NULL, NULL);
}

// ---- answering ----

// The reply as it would go out, refused where the platform takes none any more.
static struct outgoing requests_compose(const struct order *order, enum audience audience, const char *text)
{
    struct answering answering = item_answering(order->item, order->author, audience);
    struct outgoing out = outgoing_compose(order->desk->policy, &answering, text, order->desk->list);
    const char *closed = outbox_is_closed_to(order->desk, order->item, order->desk->list);
    out.refused = closed != NULL ? closed : out.refused;
    return out;
}

static void requests_send_reply(const struct order *order, enum audience audience, const char *text)
{
    struct outgoing out = requests_compose(order, audience, text);
    if (out.refused != NULL) {
        requests_refuse(order, BEHALF_CODE_POLICY, "text", out.refused);
        return;
    }
    requests_answer(order, ITEM_SENDING, order->desk->next_id);
    if (order->author != order->person->index) {
        item_event(order->desk, order->item, "approved", order->person->index, NULL,
                   change_list_format(order->desk->list, "the draft of %s", person_name(order->desk, order->author)));
    }
    requests_write_draft(order, text); // what comes back if publishing fails
    outbox_put(order->desk, order->item, order->author, audience, out.text);
}

static void requests_submit(const struct order *order, const char *text)
{
    struct desk *desk = order->desk;
    struct item *item = order->item;
    struct outgoing out = requests_compose(order, AUDIENCE_AGENT, text);
    if (out.refused != NULL) {
        requests_refuse(order, BEHALF_CODE_POLICY, "text", out.refused);
        return;
    }
    requests_answer(order, ITEM_WAITING, 0);
    requests_write_draft(order, text);
    const struct queue *queue = item->queue;
    item_set_reason(desk, item, "a reply to approve");
    item_change_queue(desk, item, queue_require(desk, AUDIENCE_APPROVER, queue->brand, queue->language, queue->skills),
                      POLICY_NONE);
    item_event(desk, item, "submitted", order->person->index, NULL, "its reply needs approval");
}

static void do_answer(const struct order *order)
{
    const char *text = order->request->answer.text;
    if (authority_needs_approval(order->desk, order->item, order->person)) {
        requests_submit(order, text);
    } else {
        requests_send_reply(order, order->item->queue->audience, text);
    }
}

static void do_approve(const struct order *order)
{
    struct order of_author = *order;
    of_author.author = item_require_detail(order->item)->draft_by;
    must(of_author.author != order->person->index); // nobody is given their own draft
    requests_send_reply(&of_author, AUDIENCE_AGENT, order->request->approve.text);
}

static void do_reject(const struct order *order)
{
    struct desk *desk = order->desk;
    struct item *item = order->item;
    const char *reason = order->request->reject.reason;
    requests_answer(order, ITEM_WAITING, 0);
    requests_write_note(order, "note", reason);
    item_set_reason(desk, item, reason);
    const struct queue *queue = item->queue;
    item_change_queue(desk, item, queue_require(desk, AUDIENCE_AGENT, queue->brand, queue->language, queue->skills),
                      item_require_detail(item)->draft_by);
    item_event(desk, item, "rejected", order->person->index, NULL, reason);
}

// ---- other ends and ways ----

static bool requests_is_outcome(const char *outcome)
{
    static const char *const outcomes[] = { "no-answer-needed", "noise", "duplicate", "handed-off", "answered" };
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++) {
        if (!strcmp(outcome, outcomes[i])) {
            return true;
        }
    }
    return false;
}

static void do_close(const struct order *order)
{
    const struct behalf_close *close = &order->request->close;
    if (!requests_is_outcome(close->outcome)) {
        requests_refuse(
            order, BEHALF_CODE_INVALID, "outcome",
            "an outcome is no-answer-needed, noise, duplicate or handed-off (answered only when an earlier reply is "
            "of unknown fate)");
        return;
    }
    requests_answer(order, ITEM_CLOSED, 0);
    const struct item_detail *detail = item_require_detail(order->item);
    uint64_t unknown = detail->unknown ? detail->unknown : detail->reply;
    uint64_t reply = !strcmp(close->outcome, "answered") ? unknown : 0;
    item_close(order->desk, order->item, change_list_text(order->desk->list, close->outcome), order->person->index,
               close->note, reply);
}

static void do_escalate(const struct order *order)
{
    requests_answer(order, ITEM_WAITING, 0);
    item_escalate(order->desk, order->item, order->person->index, NULL, order->request->escalate.reason);
}

static void do_return_item(const struct order *order)
{
    struct desk *desk = order->desk;
    struct item *item = order->item;
    requests_answer(order, ITEM_WAITING, 0);
    requests_write_note(order, "guidance", order->request->return_item.guidance);
    item->sealed = false;
    desk_change(desk, &(struct change){ .kind = CHANGE_UNSEAL, .seal.item = item->id });
    item_set_reason(desk, item, order->request->return_item.guidance);
    const struct queue *queue = item->queue;
    item_change_queue(desk, item, queue_require(desk, AUDIENCE_AGENT, queue->brand, queue->language, queue->skills),
                      POLICY_NONE);
    item_event(desk, item, "returned", order->person->index, NULL,
               "returned by PR with guidance; its posts are released to agents");
}

static bool requests_find_needs(const struct order *order, uint32_t *language, uint64_t *skills)
{
    const struct behalf_transfer *transfer = &order->request->transfer;
    const struct policy *policy = order->desk->policy;
    *language = order->item->queue->language;
    *skills = order->item->queue->skills;
    if (*transfer->language && (*language = policy_find_language(policy, transfer->language)) == POLICY_NONE) {
        requests_refuse(order, BEHALF_CODE_NOT_FOUND, "language", "the rules know no such language");
        return false;
    }
    if (transfer->skills_count) {
        *skills = 0;
    }
    for (size_t i = 0; i < transfer->skills_count; i++) {
        uint32_t skill = policy_find_skill(policy, transfer->skills[i]);
        if (skill == POLICY_NONE) {
            requests_refuse(order, BEHALF_CODE_NOT_FOUND, "skills", "the rules know no such skill");
            return false;
        }
        *skills |= UINT64_C(1) << skill;
    }
    return true;
}

static bool requests_anybody_serves(const struct desk *desk, const struct queue *needs)
{
    for (size_t i = 0; i < desk->person_count; i++) {
        if (person_may_serve(desk, desk->people[i], needs)) {
            return true;
        }
    }
    return false;
}

// Refuses needs that nobody in the rules has, signed in or not: there the item would wait for ever.
static bool requests_refuse_unserved(const struct order *order, const struct queue *needs)
{
    struct queue without_skills = *needs;
    without_skills.skills = 0;
    if (requests_anybody_serves(order->desk, needs)) {
        return false;
    }
    bool of_language = *order->request->transfer.language && !requests_anybody_serves(order->desk, &without_skills);
    bool of_skills = order->request->transfer.skills_count && !of_language;
    if (of_skills) {
        requests_refuse(order, BEHALF_CODE_NOT_FOUND, "skills",
                        "nobody in the rules has these skills for this brand and language");
    } else if (of_language) {
        requests_refuse(order, BEHALF_CODE_NOT_FOUND, "language",
                        "nobody in the rules answers in this language for this brand");
    } else {
        requests_refuse(order, BEHALF_CODE_NOT_FOUND, "language",
                        "nobody in the rules has the item's skills in this language: give other skills as well");
    }
    return true;
}

static void do_transfer(const struct order *order)
{
    struct desk *desk = order->desk;
    struct item *item = order->item;
    const struct behalf_transfer *transfer = &order->request->transfer;
    uint32_t language, person = POLICY_NONE;
    uint64_t skills;
    if (!*transfer->language && !transfer->skills_count && !*transfer->person) {
        requests_refuse(order, BEHALF_CODE_MISSING, "person", "say to which language, skills or person");
        return;
    }
    if (!requests_find_needs(order, &language, &skills)) {
        return;
    }
    // Asked of the needs alone: a refused request makes no queue.
    struct queue needs = {
        .audience = item->queue->audience, .brand = item->queue->brand, .language = language, .skills = skills
    };
    if (*transfer->person) {
        person = policy_find_person(desk->policy, transfer->person);
        if (person == POLICY_NONE || !person_may_serve(desk, desk->people[person], &needs) ||
            authority_is_own_draft(item, person)) {
            requests_refuse(order, BEHALF_CODE_NOT_FOUND, "person", "nobody of that name may take this item");
            return;
        }
    } else if (requests_refuse_unserved(order, &needs)) {
        return;
    }
    requests_answer(order, ITEM_WAITING, 0);
    item_decline(desk, item, order->person->index); // who gives it away is not offered it at once again
    item_set_reason(desk, item, transfer->reason);
    item->detail->meant = person != POLICY_NONE;
    item_change_queue(desk, item, queue_require(desk, item->queue->audience, item->queue->brand, language, skills),
                      person);
    item_event(desk, item, "transferred", order->person->index, NULL, transfer->reason);
}

static void do_park(const struct order *order)
{
    struct desk *desk = order->desk;
    struct item *item = order->item;
    int64_t until_ms = order->request->park.until_ms;
    int64_t latest_ms = desk->now_ms + desk->policy->times.park_max_ms;
    if (until_ms <= desk->now_ms || until_ms > latest_ms) {
        requests_refuse(order, BEHALF_CODE_INVALID, "until_ms",
                        change_list_format(desk->list, "the time must be after now and within %lld h",
                                           (long long) desk->policy->times.park_max_ms / 3600000));
        return;
    }
    requests_answer(order, ITEM_PARKED, 0);
    item_move(desk, item, ITEM_PARKED, POLICY_NONE);
    item_set_timer(desk, item, until_ms);
    // Whoever parked it has it first when it wakes.
    struct item_detail *detail = item_require_detail(item);
    detail->preferred = order->person->index;
    detail->preferred_until_ms = until_ms + desk->policy->times.prefer_ms;
    item_event(desk, item, "parked", order->person->index, NULL, order->request->park.reason);
}

// ---- about no item ----

static void requests_tell_state(const struct order *order, const char *state)
{
    struct behalf_done done = { .state = state };
    desk_tell_done(order->desk, order->session, order->request->id, &done);
}

static void do_presence(const struct order *order)
{
    const struct behalf_presence *wanted = &order->request->presence;
    bool available = !strcmp(wanted->state, "available");
    if (!available && strcmp(wanted->state, "away") != 0) {
        requests_refuse(order, BEHALF_CODE_INVALID, "state", "a presence is available or away");
        return;
    }
    if (!available && !*wanted->reason) {
        requests_refuse(order, BEHALF_CODE_MISSING, "reason", "say why you are away");
        return;
    }
    requests_tell_state(order, available ? "available" : "away");
    if (available) {
        person_set_available(order->desk, order->person);
    } else {
        person_set_away(order->desk, order->person, wanted->reason, false);
    }
}

static void do_recall(const struct order *order)
{
    struct desk *desk = order->desk;
    const struct behalf_recall *wanted = &order->request->recall;
    struct order about = *order;
    about.item = item_find(desk, (uint64_t) wanted->item);
    struct item *item = about.item;
    if (item == NULL) {
        requests_tell_not_open(order);
        return;
    }
    if (item->state != ITEM_OFFERED && item->state != ITEM_HELD && item->state != ITEM_PARKED) {
        requests_refuse(&about, BEHALF_CODE_STATE, "item",
                        item->state == ITEM_WAITING ? "nobody has it: it waits in its queue"
                                                    : "its reply is on its way");
        return;
    }
    const char *by = order->person != NULL ? person_name(desk, order->person->index) : "control";
    const char *reason = change_list_format(desk->list, "returned to its queue by %s: %s", by, wanted->reason);
    struct behalf_done done = { .item = wanted->item, .lease = item->lease, .state = item_state_name(ITEM_WAITING) };
    desk_tell_done(desk, order->session, order->request->id, &done);
    uint32_t holder = item->person;
    if (holder != POLICY_NONE) {
        item_tell_gone(desk, item, desk->people[holder], reason);
        item_decline(desk, item, holder); // others are offered it first
    }
    item_event(desk, item, "recalled", order->author, NULL, reason);
    item->returned = true;
    item_count_move(item);
    item_prefer(desk, item, POLICY_NONE);
    item_wait(desk, item);
}

static void do_freeze(const struct order *order)
{
    struct desk *desk = order->desk;
    const struct behalf_freeze *wanted = &order->request->freeze;
    uint32_t brand = policy_find_brand(desk->policy, wanted->brand);
    if (brand == POLICY_NONE) {
        requests_refuse(order, BEHALF_CODE_NOT_FOUND, "brand", "the rules know no such brand");
        return;
    }
    requests_tell_state(order, wanted->frozen ? "frozen" : "lifted");
    uint64_t bit = UINT64_C(1) << brand;
    if (((desk->frozen & bit) != 0) == wanted->frozen) {
        return;
    }
    desk->frozen ^= bit;
    const char *name = order->person != NULL ? person_name(desk, order->person->index) : "control";
    desk_change(desk, &(struct change){
                          .kind = CHANGE_FREEZE,
                          .freeze = { .brand = wanted->brand,
                                      .frozen = wanted->frozen,
                                      .person = name,
                                      .reason = wanted->reason,
                                      .at_ms = desk->now_ms },
                      });
    item_event(desk, NULL, wanted->frozen ? "frozen" : "lifted", order->author, wanted->brand, wanted->reason);
    people_show_again(desk, brand); // they are to know that replies stop, or go on
}

// ---- a request comes in ----

static void (*const requests_functions[BEHALF_TYPE_COUNT])(const struct order *order) = {
#define REQUEST(name, NAME, hold, audiences, states, needs, code, otherwise) [BEHALF_##NAME] = do_##name,
#include "broker/desk/authority.def"
};

static void requests_run(struct order *order)
{
    const struct behalf_message *request = order->request;
    bool about_item = order->person != NULL && authority_is_about_item(request->type);
    order->item = about_item ? item_find(order->desk, (uint64_t) request->take.item) : NULL;
    if (about_item && order->item == NULL) {
        requests_tell_not_open(order);
        return;
    }
    if (about_item && order->item->person == order->person->index) {
        item_touch(order->desk, order->item);
    }
    struct refusal refusal = authority_refusal(order->desk, order->person, order->item, request);
    if (refusal.code != BEHALF_CODE_NONE) {
        requests_refuse(order, refusal.code, refusal.field, refusal.reason);
    } else if (requests_functions[request->type] != NULL) {
        requests_functions[request->type](order);
    } else {
        must(false && "a request that the broker should not have passed on");
    }
}

void desk_request(struct desk *desk, uint64_t number, const struct principal *principal,
                  const struct behalf_message *request, int64_t now_ms)
{
    desk->now_ms = now_ms;
    desk->asking = principal;
    desk->request = request;
    struct session *session = session_find(desk, number);
    struct person *person = session != NULL ? session->person : NULL;
    if (person != NULL) {
        person_is_active(desk, person);
    }
    if (request->type == BEHALF_SETTLE) {
        outbox_settle(desk, session != NULL ? session->connector : NULL, number, request);
    } else {
        requests_run(&(struct order){ .desk = desk,
                                      .person = person,
                                      .session = number,
                                      .request = request,
                                      .author = person != NULL ? person->index : POLICY_NONE });
    }
    desk->asking = NULL;
    desk->request = NULL;
    desk_settle(desk);
}

void desk_heard(struct desk *desk, uint64_t number, uint64_t id, int64_t now_ms)
{
    struct session *session = session_find(desk, number);
    struct item *item = item_find(desk, id);
    desk->now_ms = now_ms;
    if (session == NULL || session->person == NULL) {
        return;
    }
    person_is_active(desk, session->person);
    if (item != NULL && item->person == session->person->index) {
        item_touch(desk, item);
    }
}

bool desk_may_ask(const struct desk *desk, uint64_t number, const struct behalf_message *question,
                  enum behalf_code *code, struct behalf_error *error)
{
    const struct session *session = session_find(desk, number);
    struct refusal refusal = authority_refusal(desk, session != NULL ? session->person : NULL, NULL, question);
    *code = refusal.code;
    *error = (struct behalf_error){ .field = refusal.field, .reason = refusal.reason };
    return refusal.code == BEHALF_CODE_NONE;
}

bool desk_preview(const struct desk *desk, uint64_t number, const struct behalf_message *question,
                  struct change_list *memory, struct behalf_previewed *previewed, enum behalf_code *code,
                  struct behalf_error *error)
{
    const struct session *session = session_find(desk, number);
    const struct behalf_preview *preview = &question->preview;
    const struct item *item = item_find(desk, (uint64_t) preview->item);
    must(session && session->person && item);
    struct refusal refusal = authority_refusal(desk, session->person, item, question);
    *code = refusal.code;
    *error = (struct behalf_error){ .field = refusal.field,
                                    .reason = refusal.reason,
                                    .item = preview->item,
                                    .state = item_state_name((enum item_state) item->state) };
    if (refusal.code != BEHALF_CODE_NONE) {
        return false;
    }
    const struct policy_channel *channel = &desk->policy->channels[item->channel];
    struct answering answering = item_answering_as_held(item);
    struct outgoing out = outgoing_compose(desk->policy, &answering, preview->text, memory);
    const char *closed = outbox_is_closed_to(desk, item, memory);
    *previewed = (struct behalf_previewed){
        .item = preview->item,
        .text = out.text,
        .length = out.length,
        .refused = closed != NULL        ? closed
                   : out.refused != NULL ? out.refused
                                         : "",
        .length_max = channel->length_max,
        .unit = counting_defaults(channel->counting)->unit,
        .approval = authority_needs_approval(desk, item, session->person),
    };
    return true;
}
