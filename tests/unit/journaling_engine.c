// journaling_engine.c - append, apply, and what waits for which of the two; see journaling_engine.h.

#include "tests/unit/journaling_engine.h"

#include "broker/store/codec.h"
#include "proto/base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

// A group that is durable.
struct row {
    STAILQ_ENTRY(row) next;
    struct store_position from;
    struct store_position to;
    struct codec_bytes changes;
};

struct journal {
    sqlite3 *tables;
    STAILQ_HEAD(, row) rows;
    size_t lag;
    uint64_t epoch; // of who may apply
    bool locked;
    int crash_steps; // 0: none is planned
    bool crashed;
    size_t groups;
    size_t applies;
};

struct journaling_engine {
    struct engine engine;
    struct journal *journal;
    struct engine *durable;
    struct engine *tables;
    uint64_t epoch; // under which it has taken the desk over; 0: not yet
    bool dead;
};

// ---- the journal ----

struct journal *journal_new(sqlite3 *tables)
{
    struct journal *journal = calloc(1, sizeof *journal);

    must(journal != NULL);
    journal->tables = tables;
    STAILQ_INIT(&journal->rows);
    return journal;
}

// The oldest `count` rows.
static void journal_remove(struct journal *journal, size_t count)
{
    for (; count > 0; count--) {
        struct row *row = STAILQ_FIRST(&journal->rows);
        STAILQ_REMOVE_HEAD(&journal->rows, next);
        codec_fini(&row->changes);
        free(row);
        journal->lag--;
    }
}

void journal_destroy(struct journal **journal_p)
{
    if (*journal_p == NULL) {
        return;
    }
    journal_remove(*journal_p, (*journal_p)->lag);
    free(*journal_p);
    *journal_p = NULL;
}

size_t journal_lag(const struct journal *journal)
{
    return journal->lag;
}

void journal_lock_tables(struct journal *journal, bool locked)
{
    journal->locked = locked;
}

bool journal_tables_are_locked(const struct journal *journal)
{
    return journal->locked;
}

void journal_plan_crash(struct journal *journal, int steps)
{
    must(steps > 0);
    journal->crash_steps = steps;
}

bool journal_crashed(const struct journal *journal)
{
    return journal->crashed;
}

void journal_count(const struct journal *journal, size_t *groups, size_t *applies)
{
    *groups = journal->groups;
    *applies = journal->applies;
}

static void journal_append(struct journal *journal, struct batch *group)
{
    struct row *row = calloc(1, sizeof *row);

    must(row != NULL);
    row->from = *batch_from(group);
    row->to = *batch_group_to(group);
    for (; group != NULL; group = batch_next(group)) {
        const struct change *change = change_list_changes(batch_list(group));
        for (; change != NULL; change = change->next) {
            codec_add(&row->changes, change);
        }
    }
    STAILQ_INSERT_TAIL(&journal->rows, row, next);
    journal->lag++;
}

// ---- results ----

static struct journaling_engine *journaling_own(struct engine *engine)
{
    return (struct journaling_engine *) (void *) engine;
}

static enum store_result journaling_refuse(struct journaling_engine *engine, enum store_result result,
                                           const char *reason)
{
    snprintf(engine->engine.reason, sizeof engine->engine.reason, "%s", reason);
    return result;
}

// Hands on what an engine inside has answered.
static enum store_result journaling_pass(struct journaling_engine *engine, const struct engine *inside,
                                         enum store_result result)
{
    return result == STORE_OK ? result : journaling_refuse(engine, result, inside->reason);
}

// ---- applying ----

static int journaling_break_off(void *self)
{
    struct journal *journal = self;

    journal->crashed = true;
    return 1;
}

// Neither of them gets so far as to be durable.
static void journaling_arm(struct journal *journal)
{
    if (journal->crash_steps > 0) {
        sqlite3_progress_handler(journal->tables, journal->crash_steps, journaling_break_off, journal);
        (void) sqlite3_commit_hook(journal->tables, journaling_break_off, journal);
    }
}

static void journaling_disarm(struct journal *journal)
{
    sqlite3_progress_handler(journal->tables, 0, NULL, NULL);
    (void) sqlite3_commit_hook(journal->tables, NULL, NULL);
    journal->crash_steps = 0;
}

static void journaling_decode(struct batch *batch, const struct row *row)
{
    struct codec_reader reader = codec_read(CODEC_NUMBER, row->changes.bytes, row->changes.count);
    struct change change;

    while (codec_next(&reader, &change)) {
        change_list_add(batch_list(batch), &change);
    }
    must(reader.fault == NULL);
}

// A batch of what comes next in the journal, which follows on what the tables have.
static struct batch *journaling_read_next(const struct journal *journal, const struct store_position *applied,
                                          size_t groups_max, size_t *count)
{
    struct batch *batch = batch_new();
    struct store_position from = *applied;
    struct store_position to = *applied;
    const struct row *row;

    *count = 0;
    STAILQ_FOREACH(row, &journal->rows, next)
    {
        if (*count == groups_max) {
            break;
        }
        must(row->from.sequence == to.sequence);
        to = row->to;
        journaling_decode(batch, row);
        ++*count;
    }
    to.epoch = from.epoch; // of the tables' own, which is nobody else's to know
    batch_set_position(batch, &from, &to);
    return batch;
}

static enum store_result journaling_write_tables(struct journaling_engine *engine, size_t groups_max)
{
    struct journal *journal = engine->journal;
    struct store_position applied;
    size_t count;

    enum store_result result = engine->tables->operations->position(engine->tables, &applied);
    if (result != STORE_OK) {
        return journaling_pass(engine, engine->tables, result);
    }
    struct batch *batch = journaling_read_next(journal, &applied, groups_max, &count);
    journaling_arm(journal);
    result = engine->tables->operations->commit(engine->tables, batch);
    journaling_disarm(journal);
    batch_destroy(&batch);
    if (journal->crashed) {
        engine->dead = true;
        return journaling_refuse(engine, STORE_UNAVAILABLE, "the process has crashed in an apply, as planned");
    }
    if (result == STORE_OK) {
        journal_remove(journal, count);
        journal->groups += count;
        journal->applies++;
    }
    return journaling_pass(engine, engine->tables, result);
}

enum store_result journaling_engine_apply(struct engine *base, size_t groups_max)
{
    struct journaling_engine *engine = journaling_own(base);
    struct journal *journal = engine->journal;

    if (engine->dead) {
        return journaling_refuse(engine, STORE_UNAVAILABLE, "the process has crashed, as planned");
    }
    if (engine->epoch != 0 && engine->epoch != journal->epoch) {
        return journaling_refuse(engine, STORE_UNAVAILABLE, "its session was ended by who has taken the desk over");
    }
    if (journal->lag == 0) {
        return STORE_OK;
    }
    if (journal->locked) {
        return journaling_refuse(engine, STORE_UNAVAILABLE, "the tables are locked, as planned");
    }
    return journaling_write_tables(engine, groups_max);
}

bool journaling_engine_died(const struct engine *engine)
{
    return ((const struct journaling_engine *) (const void *) engine)->dead;
}

// Until the tables have all that is durable.
static enum store_result journaling_await(struct journaling_engine *engine)
{
    return engine->journal->lag == 0 ? STORE_OK : journaling_engine_apply(&engine->engine, SIZE_MAX);
}

// ---- appending ----

// The group's changes alone, in a batch of their own: its questions are the tables' to answer.
static struct batch *journaling_copy(struct batch *group)
{
    struct batch *batch = batch_new();

    batch_set_position(batch, batch_from(group), batch_group_to(group));
    for (; group != NULL; group = batch_next(group)) {
        const struct change *change = change_list_changes(batch_list(group));
        for (; change != NULL; change = change->next) {
            change_list_add(batch_list(batch), change);
        }
    }
    return batch;
}

static enum store_result journaling_append(struct journaling_engine *engine, struct batch *group)
{
    struct store_position before = { 0 };

    enum store_result result = engine->durable->operations->position(engine->durable, &before);
    if (result != STORE_OK) {
        return journaling_pass(engine, engine->durable, result);
    }
    bool is_there = before.epoch == batch_from(group)->epoch && before.sequence == batch_group_to(group)->sequence;
    if (is_there) {
        return STORE_OK;
    }
    if (engine->journal->lag >= JOURNAL_FAR_BEHIND && journaling_await(engine) != STORE_OK) {
        return STORE_UNAVAILABLE;
    }
    struct batch *copy = journaling_copy(group);
    result = engine->durable->operations->commit(engine->durable, copy);
    batch_destroy(&copy);
    if (result == STORE_OK) {
        journal_append(engine->journal, group);
    }
    return journaling_pass(engine, engine->durable, result);
}

static bool journaling_asks(const struct batch *group)
{
    for (; group != NULL; group = batch_next(group)) {
        if (batch_questions(group) != NULL) {
            return true;
        }
    }
    return false;
}

static enum store_result journaling_commit(struct engine *base, struct batch *group)
{
    struct journaling_engine *engine = journaling_own(base);
    enum store_result result = STORE_OK;

    if (engine->dead) {
        return journaling_refuse(engine, STORE_UNAVAILABLE, "the process has crashed, as planned");
    }
    if (batch_group_change_count(group) > 0) {
        result = journaling_append(engine, group);
    }
    if (result != STORE_OK || !journaling_asks(group)) {
        return result;
    }
    result = journaling_await(engine);
    if (result == STORE_OK) {
        // The tables are at the group's end: what is written is found there, and only answered.
        result = journaling_pass(engine, engine->tables, engine->tables->operations->commit(engine->tables, group));
    }
    return result;
}

// ---- the rest ----

static const char *journaling_describe(const struct engine *base)
{
    const struct engine *tables = journaling_own((struct engine *) base)->tables;

    return tables->operations->describe(tables);
}

static enum store_result journaling_position(struct engine *base, struct store_position *position)
{
    struct journaling_engine *engine = journaling_own(base);

    return journaling_pass(engine, engine->durable, engine->durable->operations->position(engine->durable, position));
}

// Both databases count the epochs; one may be ahead, after a crash between.
static enum store_result journaling_raise_tables(struct journaling_engine *engine,
                                                 const struct store_position *position)
{
    struct store_position tables = { 0 };
    enum store_result result;

    do {
        result = engine->tables->operations->take_over(engine->tables, &tables);
    } while (result == STORE_OK && tables.epoch < position->epoch);
    if (result == STORE_OK && (tables.epoch != position->epoch || tables.sequence != position->sequence ||
                               tables.next_id != position->next_id || tables.clock_ms != position->clock_ms)) {
        return journaling_refuse(engine, STORE_CONTRADICTED, "the tables are not where the journal ends");
    }
    return journaling_pass(engine, engine->tables, result);
}

static enum store_result journaling_take_over(struct engine *base, struct store_position *position)
{
    struct journaling_engine *engine = journaling_own(base);

    enum store_result result = engine->durable->operations->take_over(engine->durable, position);
    if (result != STORE_OK) {
        return journaling_pass(engine, engine->durable, result);
    }
    engine->epoch = engine->journal->epoch = position->epoch;
    result = journaling_await(engine);
    return result == STORE_OK ? journaling_raise_tables(engine, position) : result;
}

static enum store_result journaling_confirm(struct engine *base)
{
    struct journaling_engine *engine = journaling_own(base);

    return journaling_pass(engine, engine->durable, engine->durable->operations->confirm(engine->durable));
}

static enum store_result journaling_secret(struct engine *base, char secret[ENGINE_SECRET_BYTES])
{
    struct journaling_engine *engine = journaling_own(base);

    return journaling_pass(engine, engine->durable, engine->durable->operations->secret(engine->durable, secret));
}

static enum store_result journaling_read(struct engine *base, const struct store_reader *reader)
{
    struct journaling_engine *engine = journaling_own(base);
    enum store_result result = journaling_await(engine);

    return result == STORE_OK
               ? journaling_pass(engine, engine->tables, engine->tables->operations->read(engine->tables, reader))
               : result;
}

static enum store_result journaling_report(struct engine *base, struct report *report)
{
    struct journaling_engine *engine = journaling_own(base);
    enum store_result result = journaling_await(engine);

    if (result != STORE_OK) {
        report->failed = true;
        return result;
    }
    return journaling_pass(engine, engine->tables, engine->tables->operations->report(engine->tables, report));
}

static bool journaling_is_behind(struct engine *base)
{
    return journaling_own(base)->journal->lag >= JOURNAL_BEHIND;
}

static void journaling_destroy(struct engine **engine_p)
{
    struct journaling_engine *engine = journaling_own(*engine_p);

    if (engine != NULL) {
        engine->durable->operations->destroy(&engine->durable);
        engine->tables->operations->destroy(&engine->tables);
        free(engine);
        *engine_p = NULL;
    }
}

static const struct engine_operations journaling_operations = {
    .name = "journaling",
    .describe = journaling_describe,
    .commit = journaling_commit,
    .position = journaling_position,
    .take_over = journaling_take_over,
    .confirm = journaling_confirm,
    .secret = journaling_secret,
    .read = journaling_read,
    .report = journaling_report,
    .destroy = journaling_destroy,
    .is_behind = journaling_is_behind,
};

struct engine *journaling_engine_new(struct journal *journal, struct engine **durable_p, struct engine **tables_p)
{
    struct journaling_engine *engine = calloc(1, sizeof *engine);

    must(engine != NULL);
    engine->engine.operations = &journaling_operations;
    engine->journal = journal;
    engine->durable = *durable_p;
    engine->tables = *tables_p;
    journal->crashed = false;
    *durable_p = *tables_p = NULL;
    return &engine->engine;
}
