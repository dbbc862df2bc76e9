// asking.c - questions that change nothing: counts, listings, histories, outcomes, previews.
//
// What only the store knows is a report, read beside the writer.  Its answer speaks of what is on disk; it goes
// out with the next batch all the same, so that nobody reads of something before who did it is told.

#include "broker/session/core.h"

// Rows of lists stop where a frame is half full: the other half is for names of fields and a margin.
#define LIST_BYTES_MAX ((size_t) BEHALF_FRAME_BYTES / 2)

static size_t asking_length(const char *text)
{
    return text == NULL ? 0 : strlen(text);
}

// Whether the desk lets the session ask this; else it was told why not.
static bool asking_may_ask(struct broker *broker, const struct session *session, const struct behalf_message *question)
{
    enum behalf_code code;
    struct behalf_error error;

    if (desk_may_ask(broker->desk, session->number, question, &code, &error)) {
        return true;
    }
    speak_error(broker, session->number, question->id, code, &error);
    return false;
}

// ---- status ----

// Shortens the lists to what a frame holds.
static void asking_limit_counts(struct behalf_counts *counts)
{
    size_t bytes = 0;

    for (size_t i = 0; i < counts->queues_count; i++) {
        const struct behalf_queue_count *row = &counts->queues[i];
        bytes += 160 + asking_length(row->brand) + asking_length(row->skills);
        if (i >= 4096 || bytes > LIST_BYTES_MAX / 2) {
            counts->queues_count = i;
            counts->truncated = true;
        }
    }
    bytes = 0;
    for (size_t i = 0; i < counts->people_count; i++) {
        const struct behalf_person_count *row = &counts->people[i];
        bytes += 160 + asking_length(row->name) + asking_length(row->roles) + asking_length(row->agency) +
                 asking_length(row->reason);
        if (i >= 4096 || bytes > LIST_BYTES_MAX / 2) {
            counts->people_count = i;
            counts->truncated = true;
        }
    }
}

// Those that are there now: a lost one may come back, but takes nothing out meanwhile.
static int64_t asking_count_connectors(const struct broker *broker)
{
    const struct session *session;
    int64_t count = 0;

    for (size_t place = 0; (session = session_table_next(&broker->sessions, &place)) != NULL;) {
        count += session->role == SESSION_CONNECTOR && session->peer != NULL ? 1 : 0;
    }
    return count;
}

void ask_status(struct broker *broker, struct session *session, struct behalf_message **message_p)
{
    struct behalf_message message = { .type = BEHALF_COUNTS, .id = (*message_p)->id };
    struct change_list *memory = change_list_new();

    if (!asking_may_ask(broker, session, *message_p)) {
        // The asker was told.
    } else if (broker->away) {
        key_set_remove(&session->in_flight, (uint64_t) (*message_p)->id); // else asked again it would wait for ever
        speak_away(broker, session->peer->number, (*message_p)->id);
    } else {
        desk_count(broker->desk, memory, &message.counts, broker->now_ms);
        message.counts.store = broker->store_text;
        message.counts.now_ms = broker->now_ms;
        message.counts.started_ms = broker->started_ms;
        message.counts.taken = broker->taken;
        message.counts.repeated = broker->repeated;
        message.counts.closed = broker->closed;
        message.counts.refused = broker->refused;
        message.counts.over_address = (int64_t) (broker->over_address + broker->over_address_of_shell);
        struct story_cache_numbers stories = story_cache_numbers(broker->stories);
        message.counts.from_memory = stories.hits;
        message.counts.from_store = stories.misses;
        message.counts.memory_bytes = stories.bytes;
        message.counts.connectors = asking_count_connectors(broker);
        asking_limit_counts(&message.counts);
        speak_later(broker, session->number, &message);
    }
    change_list_destroy(&memory);
}

// ---- reports ----

// Asked before any work is done for a report; false when too many are in flight: the asker was told.
static bool asking_may_report(struct broker *broker, const struct session *session, int64_t id)
{
    if (session->reports >= SESSION_REPORTS_MAX) {
        speak_error(broker, session->number, id, BEHALF_CODE_TOO_MANY,
                    &(struct behalf_error){ .reason = "as many reports as one session may ask for are being read",
                                            .retry_ms = RETRY_FULL_MS });
        return false;
    }
    if (broker->reports >= REPORTS_MAX) {
        speak_error(broker, session->number, id, BEHALF_CODE_BUSY,
                    &(struct behalf_error){ .reason = "too many reports are being read", .retry_ms = RETRY_FULL_MS });
        return false;
    }
    return true;
}

// Hands a report out for a request that waits for it.
static void asking_begin_report(struct broker *broker, struct session *session, struct behalf_message **message_p,
                                struct report **report_p)
{
    (*report_p)->tag = broker_tag(broker_wait(broker, session, message_p));
    broker->reports++;
    session->reports++;
    broker_queue_report(broker, report_p);
}

void ask_history(struct broker *broker, struct session *session, struct behalf_message **message_p)
{
    const struct behalf_why *why = &(*message_p)->why;

    if (!asking_may_report(broker, session, (*message_p)->id)) {
        return;
    }
    struct report *report = report_new(REPORT_HISTORY);

    if (why->item == 0 && (why->channel[0] == '\0' || why->post[0] == '\0')) {
        report_destroy(&report);
        speak_error(broker, session->number, (*message_p)->id, BEHALF_CODE_MISSING,
                    &(struct behalf_error){ .field = "item", .reason = "give item, or channel and post" });
        return;
    }
    report->why = *why;
    report->why.channel = report_text(report, why->channel);
    report->why.post = report_text(report, why->post);
    asking_begin_report(broker, session, message_p, &report);
}

void ask_outcomes(struct broker *broker, struct session *session, struct behalf_message **message_p)
{
    if (!asking_may_report(broker, session, (*message_p)->id)) {
        return;
    }
    struct report *report = report_new(REPORT_OUTCOMES);
    report->outcomes = (*message_p)->outcomes;
    report->outcomes.brand = report_text(report, report->outcomes.brand);
    asking_begin_report(broker, session, message_p, &report);
}

// ---- listings ----

// Where the desk's listing and what it says about texts live while it is made.
struct look {
    struct change_list *memory;
    struct behalf_listing listing;
    enum sight *sights; // one a row
};

static struct look asking_look_now(struct broker *broker, const struct session *session,
                                   const struct behalf_look *asked)
{
    struct look look = { .memory = change_list_new() };
    uint64_t asker = session->role == SESSION_CONTROL ? 0 : session->number;

    desk_look(broker->desk, asker, asked, look.memory, &look.listing, &look.sights, broker->now_ms);
    return look;
}

static void asking_limit_listing(struct behalf_listing *listing)
{
    size_t bytes = 0;

    for (size_t i = 0; i < listing->items_count; i++) {
        const struct behalf_listed *row = &listing->items[i];
        bytes += 480 + asking_length(row->brand) + asking_length(row->skills) + asking_length(row->reason) +
                 asking_length(row->person) + asking_length(row->parent) + asking_length(row->link);
        if (i > 0 && bytes > LIST_BYTES_MAX) {
            listing->items_count = i;
            listing->more = true;
            listing->next = listing->items[i - 1].item;
        }
    }
}

void ask_listing(struct broker *broker, struct session *session, struct behalf_message **message_p)
{
    if (!asking_may_ask(broker, session, *message_p) || !asking_may_report(broker, session, (*message_p)->id)) {
        return;
    }
    struct look look = asking_look_now(broker, session, &(*message_p)->look);
    struct report *report = report_new(REPORT_TEXTS);

    report->items = report_allocate(report, (look.listing.items_count + 1) * sizeof *report->items);
    report->sealed_too = report_allocate(report, (look.listing.items_count + 1) * sizeof *report->sealed_too);
    for (size_t i = 0; i < look.listing.items_count; i++) {
        if (look.sights[i] >= SIGHT_OPEN) {
            report->sealed_too[report->item_count] = look.sights[i] == SIGHT_WHOLE;
            report->items[report->item_count++] = (uint64_t) look.listing.items[i].item;
        }
    }
    asking_begin_report(broker, session, message_p, &report);
    change_list_destroy(&look.memory);
}

// What the report found of a listed item's first post.
static struct listed_post asking_post_of(const struct report *report, int64_t item)
{
    for (size_t i = 0; report->found && i < report->item_count; i++) {
        if (report->items[i] == (uint64_t) item) {
            return report->listed[i];
        }
    }
    return (struct listed_post){ 0 };
}

// The desk has gone on while the texts were read: it is asked again, so that what has been sealed meanwhile
// is not shown.
static void asking_tell_listing(struct broker *broker, const struct session *session, const struct waiting *waiting,
                                const struct report *report)
{
    struct look look = asking_look_now(broker, session, &waiting->message->look);

    for (size_t i = 0; i < look.listing.items_count; i++) {
        struct behalf_listed *row = &look.listing.items[i];
        if (look.sights[i] >= SIGHT_OPEN) {
            struct listed_post post = asking_post_of(report, row->item);
            row->text = post.text;
            row->parent = post.parent;
            row->link = post.link;
            row->media = post.media;
        }
    }
    asking_limit_listing(&look.listing);
    speak_later(broker, session->number,
                &(struct behalf_message){ .type = BEHALF_LISTING, .id = waiting->id, .listing = look.listing });
    change_list_destroy(&look.memory);
}

static void asking_tell_report(struct broker *broker, const struct session *session, const struct waiting *waiting,
                               const struct report *report)
{
    struct behalf_message message = { .id = waiting->id };

    if (report->kind == REPORT_TEXTS && session->peer == NULL) {
        // The desk knows nobody whom this would be shown to; whoever comes back asks again.
        speak_error(broker, session->number, waiting->id, BEHALF_CODE_BUSY,
                    &(struct behalf_error){ .reason = "the connection was lost meanwhile", .retry_ms = RETRY_FULL_MS });
    } else if (report->failed && report->kind != REPORT_TEXTS) {
        speak_error(broker, session->number, waiting->id, BEHALF_CODE_STORE,
                    &(struct behalf_error){ .reason = "the store could not answer; ask again later" });
    } else if (report->kind == REPORT_TEXTS) {
        asking_tell_listing(broker, session, waiting, report);
    } else if (report->kind == REPORT_OUTCOMES) {
        message.type = BEHALF_ENDED;
        message.ended = report->ended;
        speak_later(broker, session->number, &message);
    } else if (!report->found) {
        speak_error(broker, session->number, waiting->id, BEHALF_CODE_NOT_FOUND,
                    &(struct behalf_error){ .field = waiting->message->why.item != 0 ? "item" : "post",
                                            .reason = "this desk has taken no such item or post" });
    } else {
        message.type = BEHALF_HISTORY;
        message.history = report->history;
        speak_later(broker, session->number, &message);
    }
}

void asking_reported(struct broker *broker, const struct report *report)
{
    struct waiting *waiting = broker_waiting(report->tag);
    struct session *session = session_table_find(&broker->sessions, waiting->session);

    broker->reports--;
    if (session != NULL) {
        session->reports--;
        asking_tell_report(broker, session, waiting, report);
    }
    broker_end_wait(broker, &waiting);
}

// ---- previews ----

void ask_preview(struct broker *broker, struct session *session, struct behalf_message **message_p)
{
    struct behalf_message message = { .type = BEHALF_PREVIEWED, .id = (*message_p)->id };
    const struct behalf_preview *preview = &(*message_p)->preview;

    if (desk_item_state(broker->desk, (uint64_t) preview->item) == ITEM_CLOSED) {
        ask_closed_item(broker, session, preview->item, message_p);
        return;
    }
    desk_heard(broker->desk, session->number, (uint64_t) preview->item, broker->now_ms);
    enum behalf_code code;
    struct behalf_error error;
    if (desk_preview(broker->desk, session->number, *message_p, broker_list(broker), &message.previewed, &code,
                     &error)) {
        speak_later(broker, session->number, &message);
    } else {
        speak_error(broker, session->number, message.id, code, &error);
    }
}
