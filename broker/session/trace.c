// trace.c - the lines of a trace, made from the tables of messages and of stored columns; see trace.h.
//
// A field that is added to either table is not shown before it is named here: nothing of a customer's gets into a trace
// by somebody's forgetting.

#include "broker/session/trace.h"

#include "broker/store/answer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE_BYTES 1000
#define LINE_ROOM_BYTES 120 // that the largest change needs, or the end of a frame's line

struct trace_line {
    char text[LINE_BYTES];
    size_t bytes;
};

__attribute__((format(printf, 2, 3))) static void trace_say(struct trace_line *line, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int bytes = vsnprintf(line->text + line->bytes, sizeof line->text - line->bytes, format, arguments);
    va_end(arguments);
    must(bytes >= 0);
    line->bytes += (size_t) bytes;
    if (line->bytes >= sizeof line->text) {
        line->bytes = sizeof line->text - 1; // cut
    }
}

static void trace_end_line(const struct trace *trace, const struct trace_line *line)
{
    trace->line(trace->self, line->text);
}

static bool trace_is_shown(const char *field)
{
    static const char *const shown[] = { "item", "lease", "reply", "attempt", "items", "version" };

    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        if (strcmp(field, shown[i]) == 0) {
            return true;
        }
    }
    return false;
}

// ---- frames ----

static void trace_say_number(struct trace_line *line, const char *field, int64_t number)
{
    if (number != 0 && trace_is_shown(field)) {
        trace_say(line, " %s=%" PRId64, field, number);
    }
}

// A function a message, that says its numbers.
#define MESSAGE(name, NAME, senders, doc)                                                                              \
    static void trace_say_##name(struct trace_line *line, const struct behalf_##name *body)                            \
    {                                                                                                                  \
        (void) line;                                                                                                   \
        (void) body;
#define NUMBER(field, minimum, maximum, presence, doc) trace_say_number(line, #field, body->field);
#define END_MESSAGE(name) }
#include <behalf/messages.def>

static void trace_say_numbers(struct trace_line *line, const struct behalf_message *message)
{
    switch (message->type) {
#define MESSAGE(name, NAME, senders, doc)                                                                              \
    case BEHALF_##NAME:                                                                                                \
        trace_say_##name(line, &message->name);                                                                        \
        break;
#include <behalf/messages.def>
    default:
        break;
    }
}

// Words of ours that only a broker says.
static void trace_say_words(struct trace_line *line, const struct behalf_message *message)
{
    if (message->type == BEHALF_ERROR) {
        trace_say(line, " code=%s", message->error.code);
    } else if (message->type == BEHALF_ITEM) {
        trace_say(line, " state=%s", message->item.state);
    } else if (message->type == BEHALF_DONE && message->done.state[0] != '\0') {
        trace_say(line, " state=%s", message->done.state);
    }
}

void trace_frame(const struct trace *trace, enum trace_way way, const char *desk, uint64_t peer, uint64_t session,
                 const void *frame, size_t bytes)
{
    struct trace_line line = { 0 };
    struct behalf_fault fault;
    struct behalf_message *message = behalf_message_decode(frame, bytes, &fault);

    trace_say(&line, "%s desk=%s peer=%" PRIu64 " session=%" PRIu64, way == TRACE_IN ? "in" : "out", desk, peer,
              session);
    if (message == NULL) {
        trace_say(&line, " refused=%s id=%" PRId64, behalf_code_name(fault.code), fault.id);
    } else {
        trace_say(&line, " %s id=%" PRId64, behalf_type_name(message->type), message->id);
        trace_say_numbers(&line, message);
        if (way == TRACE_OUT) {
            trace_say_words(&line, message);
        }
    }
    trace_say(&line, " bytes=%zu", bytes);
    behalf_message_destroy(&message);
    trace_end_line(trace, &line);
}

// ---- decisions ----

static const char *trace_kind_name(enum change_kind kind)
{
    static const char *const names[CHANGE_KIND_COUNT] = {
#define KIND(NAME, RECORD, record, meaning) [CHANGE_##NAME] = #NAME,
        CHANGE_KINDS(KIND)
#undef KIND
    };

    return names[kind];
}

static void trace_say_change(struct trace_line *line, const struct change *change)
{
    const struct record_columns *columns = columns_of(change_record_of(change->kind));
    const void *record = change_record(change);

    trace_say(line, " +%s", trace_kind_name(change->kind));
    for (size_t i = 0; i < columns->count; i++) {
        const struct column *column = &columns->columns[i];
        if (column->kind == COLUMN_ITEM_STATE || column->kind == COLUMN_REPLY_STATE) {
            trace_say(line, " state=%s", store_state_name(column, record));
        } else if (column->kind == COLUMN_ID) {
            trace_say_number(line, column->name, column_number(column, record));
        }
    }
    if (change->kind == CHANGE_EVENT) {
        trace_say(line, " kind=");
        for (const char *at = change->event.kind; *at != '\0'; at++) {
            trace_say(line, "%c", *at == ' ' ? '-' : *at);
        }
    }
}

static void trace_begin_decision(struct trace_line *line, const char *desk, uint64_t number,
                                 const struct trace_cause *cause)
{
    *line = (struct trace_line){ 0 };
    trace_say(line, "decide desk=%s batch=%" PRIu64 " by=%s", desk, number, cause->by);
    if (cause->session != 0 || cause->id != 0) {
        trace_say(line, " session=%" PRIu64 " id=%" PRId64, cause->session, cause->id);
    }
}

void trace_decision(const struct trace *trace, const char *desk, uint64_t number, const struct trace_cause *cause,
                    const struct change *changes)
{
    struct trace_line line;

    if (changes == NULL) {
        return;
    }
    trace_begin_decision(&line, desk, number, cause);
    for (; changes != NULL; changes = changes->next) {
        if (line.bytes + LINE_ROOM_BYTES > sizeof line.text) {
            trace_end_line(trace, &line);
            trace_begin_decision(&line, desk, number, cause);
        }
        trace_say_change(&line, changes);
    }
    trace_end_line(trace, &line);
}

// ---- batches ----

static size_t trace_count(const struct question *questions)
{
    size_t count = 0;

    for (; questions != NULL; questions = questions->next) {
        count++;
    }
    return count;
}

void trace_batch(const struct trace *trace, const char *desk, uint64_t number, const struct batch *batch)
{
    const struct change_list *list = batch_list((struct batch *) (uintptr_t) batch);
    struct trace_line line = { 0 };

    trace_say(&line,
              "batch desk=%s batch=%" PRIu64 " epoch=%" PRIu64 " from=%" PRIu64 " to=%" PRIu64
              " changes=%zu effects=%zu asked=%zu answered=%zu",
              desk, number, batch_to(batch)->epoch, batch_from(batch)->sequence, batch_to(batch)->sequence,
              change_list_change_count(list), change_list_effect_count(list), trace_count(batch_questions(batch)),
              trace_count(batch_answers(batch)));
    trace_end_line(trace, &line);
}

void trace_durable(const struct trace *trace, const char *desk, uint64_t number, const struct batch *batch,
                   int64_t after_ms)
{
    struct trace_line line = { 0 };

    trace_say(&line, "durable desk=%s batch=%" PRIu64 " to=%" PRIu64 " after_ms=%" PRId64, desk, number,
              batch_to(batch)->sequence, after_ms);
    trace_end_line(trace, &line);
}
