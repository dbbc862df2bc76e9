// broker.c - time, batches and the store's state: what drives the other files, and what the shell takes out.

#include "broker/session/core.h"

#include <stdarg.h>

// Nothing falls due while the current batch has no room for what follows; then it is looked at again.
#define FULL_WAIT_MS 10

struct change_list *broker_list(struct broker *broker)
{
    return batch_list(broker->current);
}

void broker_log(struct broker *broker, const char *level, const char *who, const char *format, ...)
{
    char line[1024];
    int begun = snprintf(line, sizeof line, "%s ", who);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line + begun, sizeof line - (size_t) begun, format, arguments);
    va_end(arguments);
    broker->options.log(broker->options.self, level, line);
}

// ---- the end ----

static void broker_destroy_queues(struct broker *broker)
{
    struct report *report;

    frame_queue_fini(&broker->frames);
    while (broker->overfull != NULL) {
        struct outgoing_drop *first = broker->overfull;
        broker->overfull = first->next;
        free(first);
    }
    while (broker_next_drop(broker) != 0) {
    }
    while ((report = broker_next_report(broker)) != NULL) {
        report_destroy(&report);
    }
    while (broker->waiting != NULL) {
        struct waiting *waiting = broker->waiting;
        broker_end_wait(broker, &waiting);
    }
}

void broker_destroy(struct broker **broker_p)
{
    struct broker *broker = *broker_p;

    if (broker == NULL) {
        return;
    }
    broker_destroy_queues(broker);
    desk_destroy(&broker->desk);
    reviewing_fini(broker);
    batch_destroy(&broker->current);
    former_rules_free(broker, UINT64_MAX);
    rules_destroy(&broker->rules);
    triage_destroy(&broker->triage);
    session_table_fini(&broker->sessions);
    intake_fini(&broker->intake);
    story_cache_destroy(&broker->stories);
    key_set_fini(&broker->decided);
    behalf_message_destroy(&broker->applying.message);
    free(broker);
    *broker_p = NULL;
}

// ---- requests that wait for the store ----

struct waiting *broker_wait(struct broker *broker, const struct session *session, struct behalf_message **message_p)
{
    struct waiting *waiting = calloc(1, sizeof *waiting);

    must(waiting != NULL);
    waiting->session = session->number;
    waiting->id = (*message_p)->id;
    waiting->message = *message_p;
    waiting->bytes = sizeof *waiting + sizeof **message_p + broker->frame_bytes;
    waiting->next = broker->waiting;
    if (waiting->next != NULL) {
        waiting->next->previous = waiting;
    }
    broker->waiting = waiting;
    broker->waiting_bytes += waiting->bytes;
    *message_p = NULL;
    return waiting;
}

void broker_end_wait(struct broker *broker, struct waiting **waiting_p)
{
    struct waiting *waiting = *waiting_p;

    must((waiting->previous == NULL) == (broker->waiting == waiting));
    *(waiting->previous != NULL ? &waiting->previous->next : &broker->waiting) = waiting->next;
    if (waiting->next != NULL) {
        waiting->next->previous = waiting->previous;
    }
    broker->waiting_bytes -= waiting->bytes;
    behalf_message_destroy(&waiting->message);
    free(waiting);
    *waiting_p = NULL;
}

uint64_t broker_tag(const struct waiting *waiting)
{
    return (uint64_t) (uintptr_t) waiting;
}

struct waiting *broker_waiting(uint64_t tag)
{
    return (struct waiting *) (uintptr_t) tag;
}

// ---- time ----

bool broker_lease_stands(const struct broker *broker)
{
    return broker->now_ms < broker->lease_until_ms;
}

// Time stands still for everyone while the store is away or the lease has lapsed, and goes on with a fresh grace.
static void broker_judge_away(struct broker *broker)
{
    bool away = broker->store_away || !broker_lease_stands(broker);

    if (away == broker->away) {
        return;
    }
    broker->away = away;
    if (!away && !broker->stopping) {
        broker->due_ms = broker->now_ms; // time counts again: if the next tick is late, we slept
        desk_clock_jumped(broker->desk, broker->now_ms);
    }
}

// Notices that the lease has lapsed, or that it was renewed.
static void broker_look_at_lease(struct broker *broker)
{
    bool stands = broker_lease_stands(broker);

    if (stands != broker->lease_stood) {
        broker->lease_stood = stands;
        broker_log(
            broker, stands ? "info" : "warning", "lease", "%s",
            stands
                ? "valid again"
                : "not renewed in time: clients are sent elsewhere, and nothing about the desk is spoken until it is");
        if (!stands) {
            lapse_begin(broker);
        }
        broker_judge_away(broker);
    }
}

void broker_advance(struct broker *broker, int64_t now_ms)
{
    bool slept = broker->due_ms >= 0 && now_ms > broker->due_ms + broker->options.timeout_ms;

    if (now_ms > broker->now_ms) {
        broker->now_ms = now_ms;
    }
    broker_look_at_lease(broker);
    if (!slept) {
        return;
    }
    broker_log(broker, "warning", "broker", "time went on for %" PRId64 " ms without us; everyone gets a fresh grace",
               now_ms - broker->due_ms);
    broker->due_ms = now_ms;
    sessions_forgive(broker);
    if (!broker->away) {
        desk_clock_jumped(broker->desk, broker->now_ms);
    }
}

static bool broker_is_idle(const struct broker *broker)
{
    const struct change_list *list = batch_list(broker->current);

    return change_list_changes(list) == NULL && change_list_effects(list) == NULL &&
           batch_questions(broker->current) == NULL;
}

// Tells everyone once all that was decided is spoken.
static void broker_finish_stop(struct broker *broker)
{
    struct behalf_message bye = { .type = BEHALF_BYE, .bye = { .reason = BYE_RESTARTING } };
    struct session *session;

    if (!broker->stopping || broker->stopped || broker->out || !broker_is_idle(broker)) {
        return;
    }
    if (broker->successor_count > 0) {
        bye = (struct behalf_message){ .type = BEHALF_MOVED,
                                       .moved = { .desk = rules_policy(broker->rules)->desk,
                                                  .brokers = broker->successors,
                                                  .brokers_count = broker->successor_count,
                                                  .reason = "the desk was handed to another broker" } };
    }
    for (size_t place = 0; (session = session_table_next(&broker->sessions, &place)) != NULL;) {
        if (session->peer != NULL) {
            speak_now(broker, session->peer->number, &bye);
        }
    }
    broker->stopped = true;
}

static int64_t broker_sooner(int64_t a, int64_t b)
{
    if (a < 0 || b < 0) {
        return a < 0 ? b : a;
    }
    return a < b ? a : b;
}

// Not at once: whoever speaks may be on a walk over the sessions.
static void broker_lose_overfull(struct broker *broker)
{
    while (broker->overfull != NULL) {
        struct outgoing_drop *first = broker->overfull;
        broker->overfull = first->next;
        broker_peer_lost(broker, first->peer, "more waits to be told to it than may wait", broker->now_ms);
        broker_drop(broker, first->peer);
        free(first);
    }
}

int64_t broker_tick(struct broker *broker, int64_t now_ms)
{
    int64_t wait_ms = -1;

    broker_advance(broker, now_ms);
    broker_lose_overfull(broker);
    if (!broker->stopping) {
        intake_advance(&broker->intake, broker->now_ms);
        if (broker_is_full(broker)) {
            wait_ms = FULL_WAIT_MS;
        } else if (!broker->away) {
            wait_ms = broker_sooner(desk_tick(broker->desk, broker->now_ms), reviewing_tick(broker));
            wait_ms = broker_sooner(wait_ms, author_reading_tick(broker));
        }
        wait_ms = broker_sooner(wait_ms, sessions_watch(broker));
    }
    tracing_decided(broker, "tick");
    broker_finish_stop(broker);
    broker->due_ms = wait_ms < 0 ? -1 : broker->now_ms + wait_ms;
    return wait_ms;
}

void broker_stop(struct broker *broker, int64_t now_ms)
{
    broker_advance(broker, now_ms);
    if (!broker->stopping) {
        broker->stopping = true;
        broker_log(broker, "info", "broker", "stopping");
        broker_finish_stop(broker);
    }
}

void broker_hand_over(struct broker *broker, const char **brokers, size_t broker_count, int64_t now_ms)
{
    broker->successors = brokers;
    broker->successor_count = broker_count;
    broker_stop(broker, now_ms);
}

bool broker_stopped(const struct broker *broker)
{
    return broker->stopped;
}

// ---- batches ----

bool broker_is_full(const struct broker *broker)
{
    struct change_list *list = batch_list(broker->current);

    return change_list_change_count(list) >= broker->options.batch_changes_max ||
           change_list_bytes(list) + broker->waiting_bytes >= broker->options.batch_bytes_max;
}

static int64_t broker_count_outcomes(const struct change_list *list)
{
    int64_t count = 0;

    for (const struct change *change = change_list_changes(list); change != NULL; change = change->next) {
        count += change->kind == CHANGE_OUTCOME ? 1 : 0;
    }
    return count;
}

// Where the desk is once the current batch is on disk.
static struct store_position broker_position_now(const struct broker *broker)
{
    struct store_position position = broker->handed;

    if (change_list_changes(batch_list(broker->current)) != NULL) {
        position.sequence = desk_sequence(broker->desk);
        position.next_id = desk_next_id(broker->desk);
        position.clock_ms = broker->now_ms;
    }
    return position;
}

static void broker_warn_of_unserved(struct broker *broker)
{
    const char *queue;

    while ((queue = desk_next_unserved(broker->desk)) != NULL) {
        broker_log(broker, "warning", "desk",
                   "queue=%s has work and nobody in the rules may serve it: apply rules with somebody who may", queue);
    }
}

struct batch *broker_next_batch(struct broker *broker, int64_t now_ms)
{
    broker_advance(broker, now_ms);
    broker_warn_of_unserved(broker);
    if (broker->out || broker_is_idle(broker) || !broker_lease_stands(broker)) {
        return NULL;
    }
    story_cache_apply(broker->stories, change_list_changes(broker_list(broker)));
    speak_ask(broker);
    struct batch *batch = broker->current;
    struct store_position to = broker_position_now(broker);
    batch_set_position(batch, &broker->handed, &to);
    broker->handed = to;
    broker->out = true;
    tracing_handed(broker, batch);
    broker->current = batch_new();
    broker->current_number++;
    key_set_clear(&broker->decided);
    desk_set_list(broker->desk, broker_list(broker));
    return batch;
}

static void broker_answer_questions(struct broker *broker, const struct batch *batch)
{
    static void (*const answered[])(struct broker *, const struct question *) = {
        [QUESTION_INTAKE] = taking_answered,
        [QUESTION_CLOSED_ITEM] = closed_item_answered,
        [QUESTION_SETTLED_REPLY] = settled_reply_answered,
    };

    for (const struct question *question = batch_questions(batch); question != NULL; question = question->next) {
        if ((size_t) question->kind < sizeof answered / sizeof answered[0] && answered[question->kind] != NULL) {
            const uint64_t session = broker_waiting(question->tag)->session;
            const int64_t id = broker_waiting(question->tag)->id;
            answered[question->kind](broker, question);
            tracing_answered(broker, session, id);
        }
    }
}

void broker_durable(struct broker *broker, struct batch **batch_p, int64_t now_ms)
{
    must(broker->out);
    broker_advance(broker, now_ms);
    broker->out = false;
    broker->closed += broker_count_outcomes(batch_list(*batch_p));
    tracing_durable(broker, *batch_p);
    broker->spoken = batch_to(*batch_p)->sequence;
    speak_batch(broker, *batch_p);
    if (!broker->stopping) {
        broker_answer_questions(broker, *batch_p);
    }
    former_rules_free(broker, broker->current_number - 1);
    batch_destroy(batch_p);
    broker_finish_stop(broker);
}

void broker_store_state(struct broker *broker, bool away, const char *description, int64_t now_ms)
{
    broker_advance(broker, now_ms);
    snprintf(broker->store_text, sizeof broker->store_text, "%s", description);
    if (away != broker->store_away) {
        broker->store_away = away;
        broker_log(broker, away ? "error" : "info", "store", "%s: %s", away ? "away" : "back", description);
    }
    broker_judge_away(broker);
}

void broker_store_behind(struct broker *broker, bool behind)
{
    if (behind != broker->store_behind) {
        broker->store_behind = behind;
        broker_log(broker, behind ? "warning" : "info", "store", "%s: %s",
                   behind ? "the tables are behind, no posts are taken in" : "the tables have kept up",
                   broker->store_text);
    }
}

void broker_lease(struct broker *broker, int64_t until_ms, int64_t now_ms)
{
    broker->lease_until_ms = until_ms;
    broker_advance(broker, now_ms);
}

void broker_set_others(struct broker *broker, const char *const *brokers, size_t broker_count)
{
    broker->others = brokers;
    broker->other_count = broker_count;
}

void broker_fenced(struct broker *broker, const char **brokers, size_t broker_count, const char *reason)
{
    const char *desk = rules_policy(broker->rules)->desk;
    struct behalf_message message = { .type = BEHALF_BYE, .bye = { .reason = BYE_RESTARTING } };
    struct session *session;

    if (broker_count > 0) {
        message = (struct behalf_message){
            .type = BEHALF_MOVED,
            .moved = { .desk = desk, .brokers = brokers, .brokers_count = broker_count, .reason = reason }
        };
    }
    frame_queue_forget_claims(&broker->frames);
    for (size_t place = 0; (session = session_table_next(&broker->sessions, &place)) != NULL;) {
        if (session->peer != NULL) {
            speak_now(broker, session->peer->number, &message);
        }
    }
    broker->stopping = true;
    broker_log(broker, "warning", "broker", "another broker has the desk: stepping down");
}

void broker_reported(struct broker *broker, struct report **report_p, int64_t now_ms)
{
    broker_advance(broker, now_ms);
    if (broker->stopping) {
        report_destroy(report_p);
        return;
    }
    if ((*report_p)->kind == REPORT_POSTS) {
        reviewing_reported(broker, report_p);
    } else if ((*report_p)->kind == REPORT_AUTHORS) {
        author_reading_reported(broker, *report_p);
    } else {
        asking_reported(broker, *report_p);
    }
    report_destroy(report_p);
}

// ---- what the shell takes out ----

void *broker_next_frame(struct broker *broker, uint64_t *peer, size_t *frame_bytes)
{
    void *frame = frame_queue_take(&broker->frames, broker_lease_stands(broker), peer, frame_bytes);

    if (frame != NULL) {
        tracing_spoken(broker, *peer, frame, *frame_bytes);
    }
    return frame;
}

void broker_drop(struct broker *broker, uint64_t peer)
{
    struct outgoing_drop *drop = calloc(1, sizeof *drop);

    must(drop != NULL);
    drop->peer = peer;
    *broker->drops_end = drop;
    broker->drops_end = &drop->next;
}

uint64_t broker_next_drop(struct broker *broker)
{
    struct outgoing_drop *first = broker->drops;

    if (first == NULL) {
        return 0;
    }
    broker->drops = first->next;
    if (broker->drops == NULL) {
        broker->drops_end = &broker->drops;
    }
    uint64_t peer = first->peer;
    free(first);
    return peer;
}

void broker_queue_report(struct broker *broker, struct report **report_p)
{
    struct outgoing_report *queued = calloc(1, sizeof *queued);

    must(queued != NULL);
    queued->report = *report_p;
    *report_p = NULL;
    *broker->report_queue_end = queued;
    broker->report_queue_end = &queued->next;
}

struct report *broker_next_report(struct broker *broker)
{
    struct outgoing_report *first = broker->report_queue;

    if (first == NULL) {
        return NULL;
    }
    broker->report_queue = first->next;
    if (broker->report_queue == NULL) {
        broker->report_queue_end = &broker->report_queue;
    }
    struct report *report = first->report;
    report->sequence = broker->spoken;
    free(first);
    return report;
}

// ---- looking ----

const struct desk *broker_desk(const struct broker *broker)
{
    return broker->desk;
}

const struct rules *broker_rules(const struct broker *broker)
{
    return broker->rules;
}

bool broker_is_signed_in(const struct broker *broker, uint64_t number)
{
    const struct peer *peer = session_table_peer(&broker->sessions, number);

    return peer != NULL && peer->session != NULL;
}

size_t broker_session_count(const struct broker *broker)
{
    return broker->sessions.sessions.count;
}

void broker_check(const struct broker *broker)
{
    desk_check(broker->desk);
    session_table_check(&broker->sessions, broker->options.window);
    story_cache_check(broker->stories);
    for (const struct waiting *waiting = broker->waiting; waiting != NULL; waiting = waiting->next) {
        must(waiting->next == NULL || waiting->next->previous == waiting);
    }
}
