// batch.c - batches, their questions and groups, and reports: memory that travels between threads.

#include "broker/store/engine.h"

#include "proto/base/arena.h"
#include "proto/base/must.h"

#include <string.h>

struct question_list {
    struct question *first, *last;
};

struct batch {
    struct arena arena;
    struct change_list *list;
    struct question_list asked;    // of the engine
    struct question_list answered; // from memory
    struct store_position from;
    struct store_position to;
    struct batch *next; // in its group
};

struct batch *batch_new(void)
{
    struct batch *batch = calloc(1, sizeof *batch);

    must(batch != NULL);
    batch->list = change_list_new();
    return batch;
}

void batch_destroy(struct batch **batch_p)
{
    struct batch *batch = *batch_p;

    if (batch != NULL) {
        change_list_destroy(&batch->list);
        arena_fini(&batch->arena);
        free(batch);
        *batch_p = NULL;
    }
}

struct change_list *batch_list(struct batch *batch)
{
    return batch->list;
}

static struct question *batch_append(struct batch *batch, struct question_list *list, const struct question *question)
{
    struct question *copy = arena_allocate(&batch->arena, sizeof *copy);

    *copy = *question;
    copy->next = NULL;
    copy->channel = arena_text(&batch->arena, question->channel);
    copy->post = arena_text(&batch->arena, question->post);
    if (list->last == NULL) {
        list->first = copy;
    } else {
        list->last->next = copy;
    }
    list->last = copy;
    return copy;
}

struct question *batch_ask(struct batch *batch, const struct question *question)
{
    return batch_append(batch, &batch->asked, question);
}

struct question *batch_questions(const struct batch *batch)
{
    return batch->asked.first;
}

struct question *batch_answer(struct batch *batch, const struct question *question)
{
    return batch_append(batch, &batch->answered, question);
}

struct question *batch_answers(const struct batch *batch)
{
    return batch->answered.first;
}

void *batch_allocate(struct batch *batch, size_t bytes)
{
    return arena_allocate(&batch->arena, bytes);
}

const char *batch_text(struct batch *batch, const char *text)
{
    return arena_text(&batch->arena, text);
}

void batch_set_position(struct batch *batch, const struct store_position *from, const struct store_position *to)
{
    must(from->epoch == to->epoch);
    must(from->sequence <= to->sequence);
    batch->from = *from;
    batch->to = *to;
}

const struct store_position *batch_from(const struct batch *batch)
{
    return &batch->from;
}

const struct store_position *batch_to(const struct batch *batch)
{
    return &batch->to;
}

void batch_link(struct batch *batch, struct batch *next)
{
    if (next != NULL) {
        must(next->from.epoch == batch->to.epoch);
        must(next->from.sequence == batch->to.sequence);
    }
    batch->next = next;
}

struct batch *batch_next(const struct batch *batch)
{
    return batch->next;
}

const struct store_position *batch_group_to(const struct batch *batch)
{
    while (batch->next != NULL) {
        batch = batch->next;
    }
    return &batch->to;
}

size_t batch_group_change_count(const struct batch *batch)
{
    size_t count = 0;

    for (; batch != NULL; batch = batch->next) {
        size_t changes = change_list_change_count(batch->list);
        must(changes == 0 || batch->to.sequence > batch->from.sequence);
        count += changes;
    }
    return count;
}

size_t batch_bytes(const struct batch *batch)
{
    return sizeof *batch + batch->arena.bytes + change_list_bytes(batch->list);
}

struct report *report_new(enum report_kind kind)
{
    struct report *report = calloc(1, sizeof *report);
    struct arena *arena = calloc(1, sizeof *arena);

    must(report != NULL);
    must(arena != NULL);
    report->kind = kind;
    report->memory = arena;
    return report;
}

void report_destroy(struct report **report_p)
{
    struct report *report = *report_p;

    if (report != NULL) {
        arena_fini(report->memory);
        free(report->memory);
        free(report);
        *report_p = NULL;
    }
}

const char *report_text(struct report *report, const char *text)
{
    return arena_text(report->memory, text);
}

void *report_allocate(struct report *report, size_t bytes)
{
    return arena_allocate(report->memory, bytes);
}

struct reported_post *report_add_post(struct report *report)
{
    if (report->post_count == report->post_room) {
        size_t room = report->post_room == 0 ? 64 : report->post_room * 2;
        struct reported_post *posts = report_allocate(report, room * sizeof *posts);
        if (report->post_count > 0) {
            memcpy(posts, report->posts, report->post_count * sizeof *posts);
        }
        report->posts = posts;
        report->post_room = room;
    }
    return &report->posts[report->post_count++];
}
