// answer.c - names of states as they stand on disk, and limits of pages.

#include "broker/store/answer.h"

#include "broker/desk/wording.h"
#include "broker/store/story.h"
#include "proto/base/must.h"

#include <string.h>

static const char *const answer_item_names[ITEM_STATE_COUNT] = {
    [ITEM_WAITING] = "waiting", [ITEM_OFFERED] = "offered", [ITEM_HELD] = "held",
    [ITEM_PARKED] = "parked",   [ITEM_SENDING] = "sending", [ITEM_CLOSED] = "closed",
};

static const char *const answer_reply_names[REPLY_STATE_COUNT] = {
    [REPLY_QUEUED] = "queued", [REPLY_HANDED] = "handed",   [REPLY_CONFIRMED] = "confirmed",
    [REPLY_FAILED] = "failed", [REPLY_UNKNOWN] = "unknown", [REPLY_WITHDRAWN] = "withdrawn",
};

// The names of a column's states.
static const char *const *answer_names(const struct column *column, size_t *count)
{
    *count = column->kind == COLUMN_ITEM_STATE ? ITEM_STATE_COUNT : REPLY_STATE_COUNT;
    must(column->kind == COLUMN_ITEM_STATE || column->kind == COLUMN_REPLY_STATE);
    return column->kind == COLUMN_ITEM_STATE ? answer_item_names : answer_reply_names;
}

const char *store_state_name(const struct column *column, const void *record)
{
    size_t count;
    const char *const *names = answer_names(column, &count);
    int64_t state = column_number(column, record);

    must(state >= 0 && (size_t) state < count);
    return names[state];
}

bool store_set_state(const struct column *column, void *record, const char *name)
{
    size_t count;
    const char *const *names = answer_names(column, &count);

    for (size_t state = 0; state < count; state++) {
        if (strcmp(names[state], name) == 0) {
            column_set_number(column, record, (int64_t) state);
            return true;
        }
    }
    return false;
}

struct intake_key_record store_intake_key(const struct post_record *post)
{
    return (struct intake_key_record){ .channel = post->channel,
                                       .post = post->post,
                                       .brand = post->brand,
                                       .item = post->item,
                                       .number = post->number,
                                       .taken_ms = post->taken_ms };
}

struct known_post *question_add_known(struct question *question, struct batch *batch)
{
    struct known_post **end = &question->known;

    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = batch_allocate(batch, sizeof **end);
    question->found = true;
    (*end)->post =
        (struct behalf_post){ .channel = question->channel, .post = question->post, .parent = "", .link = "" };
    return *end;
}

void item_record_keep(struct item_record *record, struct batch *batch)
{
    for (const struct column *column = columns_of(RECORD_ITEM)->texts; column->name != NULL; column++) {
        column_set_text(column, record, batch_text(batch, column_text(column, record)));
    }
}

size_t report_outcomes_limit(const struct report *report)
{
    int64_t limit = report->outcomes.limit;

    if (limit <= 0) {
        return REPORT_OUTCOMES_USUAL;
    }
    return limit > REPORT_OUTCOMES_MAX ? REPORT_OUTCOMES_MAX : (size_t) limit;
}

const char *report_text_part(struct report *report, const char *text, size_t bytes)
{
    char *copy = report_allocate(report, bytes + 1);

    memcpy(copy, text, bytes);
    return copy;
}

const char *report_detail(struct report *report, const char *detail, const char *person)
{
    char memory[BEHALF_DETAIL_BYTES + 1];

    return report_text(report, wording_of(detail, person, memory, sizeof memory));
}

void report_listed(struct report *report, size_t place, const char *text, const char *parent, const char *link,
                   int64_t media)
{
    report->listed[place] =
        (struct listed_post){ .text = report_text_part(report, text, story_text_bytes(text, REPORT_TEXT_BYTES)),
                              .parent = report_text(report, parent),
                              .link = report_text(report, link),
                              .media = media };
}
