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

static unsigned answer_find_name(const char *const *names, unsigned count, const char *name)
{
    unsigned at = 0;

    while (at < count && strcmp(names[at], name) != 0) {
        at++;
    }
    return at;
}

const char *store_item_state_name(enum item_state state)
{
    must(state < ITEM_STATE_COUNT);
    return answer_item_names[state];
}

enum item_state store_item_state_from_name(const char *name)
{
    return (enum item_state) answer_find_name(answer_item_names, ITEM_STATE_COUNT, name);
}

const char *store_reply_state_name(enum reply_state state)
{
    must(state < REPLY_STATE_COUNT);
    return answer_reply_names[state];
}

enum reply_state store_reply_state_from_name(const char *name)
{
    return (enum reply_state) answer_find_name(answer_reply_names, REPLY_STATE_COUNT, name);
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
