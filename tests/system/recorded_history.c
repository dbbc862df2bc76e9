// recorded_history.c - the recording, and what each of its batches leads to: see recorded_history.h.

#include "tests/system/recorded_history.h"

#include "broker/store/sqlite/database.h"
#include "proto/base/hash.h"
#include "proto/base/must.h"
#include "tests/sim/simulation.h"
#include "tests/unit/faulty_engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct recorded_batch {
    struct change_list *changes;
    struct store_position from;
    struct store_position to;
    uint64_t sum; // of the tables after it
};

struct recorded_history {
    struct recorded_batch *batches;
    size_t count;
    size_t room;
    uint64_t sum_of_nothing;
};

static void recorded_history_copy(struct change_list *to, const struct change_list *from)
{
    for (const struct change *change = change_list_changes(from); change != NULL; change = change->next) {
        change_list_add(to, change);
    }
}

static void recorded_history_hear(void *self, const struct batch *group)
{
    struct recorded_history *history = self;

    for (const struct batch *batch = group; batch != NULL; batch = batch_next(batch)) {
        uint64_t at = history->count == 0 ? 0 : history->batches[history->count - 1].to.sequence;
        struct change_list *list = batch_list((struct batch *) batch);
        if (history->count == history->room || change_list_change_count(list) == 0 ||
            batch_from(batch)->sequence != at) {
            continue;
        }
        struct recorded_batch *recorded = &history->batches[history->count++];
        *recorded = (struct recorded_batch){ change_list_new(), *batch_from(batch), *batch_to(batch), 0 };
        recorded_history_copy(recorded->changes, list);
    }
}

static void recorded_history_add_up(struct recorded_history *history)
{
    struct database *database = database_new_in_memory(RECORDED_DESK);
    struct engine *engine = engine_sqlite_open_in(database);
    struct store_position position;

    must(engine->operations->take_over(engine, &position) == STORE_OK);
    history->sum_of_nothing = recorded_history_sum_of(database->connection);
    for (size_t i = 0; i < history->count; i++) {
        struct batch *batch = recorded_history_batch(history, i, position.epoch);
        must(engine->operations->commit(engine, batch) == STORE_OK);
        batch_destroy(&batch);
        history->batches[i].sum = recorded_history_sum_of(database->connection);
    }
    engine->operations->destroy(&engine);
    database_close(&database, false);
}

struct recorded_history *recorded_history_new(uint64_t seed, size_t batches_max)
{
    struct recorded_history *history = calloc(1, sizeof *history);

    must(history != NULL);
    history->room = batches_max;
    history->batches = calloc(batches_max, sizeof *history->batches);
    must(history->batches != NULL);
    struct sim_counts counts = { 0 };
    faulty_engine_listen(recorded_history_hear, history);
    simulation_run(seed, false, false, &counts);
    faulty_engine_listen(NULL, NULL);
    must(history->count > 0);
    recorded_history_add_up(history);
    return history;
}

void recorded_history_destroy(struct recorded_history **history_p)
{
    struct recorded_history *history = *history_p;

    if (history == NULL) {
        return;
    }
    for (size_t i = 0; i < history->count; i++) {
        change_list_destroy(&history->batches[i].changes);
    }
    free(history->batches);
    free(history);
    *history_p = NULL;
}

size_t recorded_history_count(const struct recorded_history *history)
{
    return history->count;
}

bool recorded_history_place(const struct recorded_history *history, uint64_t sequence, size_t *place)
{
    *place = 0;
    while (*place < history->count && history->batches[*place].from.sequence < sequence) {
        ++*place;
    }
    return sequence == (*place == 0 ? 0 : history->batches[*place - 1].to.sequence);
}

struct batch *recorded_history_batch(const struct recorded_history *history, size_t place, uint64_t epoch)
{
    const struct recorded_batch *recorded = &history->batches[place];
    struct store_position from = recorded->from;
    struct store_position to = recorded->to;
    struct batch *batch = batch_new();

    from.epoch = to.epoch = epoch;
    batch_set_position(batch, &from, &to);
    recorded_history_copy(batch_list(batch), recorded->changes);
    return batch;
}

// ---- reading back ----

static void recorded_history_fill_random(void *self, void *bytes, size_t count)
{
    (void) self;
    memset(bytes, 7, count);
}

static void recorded_history_ignore_log(void *self, const char *level, const char *line)
{
    (void) self;
    (void) level;
    (void) line;
}

bool recorded_history_read_back(struct engine *engine, const struct store_position *position, char *reason,
                                size_t reason_bytes)
{
    struct broker_options options = { .random = recorded_history_fill_random,
                                      .log = recorded_history_ignore_log,
                                      .secret = "of a test" };
    struct rules_problems problems = { 0 };
    uint64_t version = 0;
    char *text = broker_stored_rules(engine, &version);

    if (text == NULL) {
        snprintf(reason, reason_bytes, "rules: %.200s", engine->reason);
        return version == 0 && position->sequence == 0;
    }
    struct rules *rules = rules_new(text, strlen(text), NULL, version, &problems);
    free(text);
    rules_problems_fini(&problems);
    must(rules != NULL);
    struct broker *broker = broker_new(&rules, engine, position, &options, position->clock_ms, reason, reason_bytes);
    if (broker == NULL) {
        return false;
    }
    broker_check(broker);
    broker_destroy(&broker);
    return true;
}

// ---- what is in the tables ----

// Whatever the order of the rows.
static bool recorded_history_add_rows(sqlite3 *connection, const char *sql, uint64_t *sum)
{
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(connection, sql, -1, &statement, NULL);

    while (result == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW) {
        uint64_t row = hash_text(HASH_BEGIN, sql);
        for (int column = 0; column < sqlite3_column_count(statement); column++) {
            const char *value = (const char *) sqlite3_column_text(statement, column);
            row = hash_text(hash_byte(row, (unsigned char) sqlite3_column_type(statement, column)),
                            value == NULL ? "" : value);
        }
        *sum += hash_number(row);
    }
    return sqlite3_finalize(statement) == SQLITE_OK && result == SQLITE_OK;
}

// All but what depends on who wrote it when.
uint64_t recorded_history_sum_of(sqlite3 *connection)
{
    sqlite3_stmt *tables = NULL;
    uint64_t sum = 1;
    bool read = recorded_history_add_rows(connection, "SELECT sequence, next_id, clock_ms FROM desk", &sum) &&
                sqlite3_prepare_v2(connection,
                                   "SELECT 'SELECT * FROM \"' || name || '\"' FROM sqlite_schema WHERE type = 'table'"
                                   " AND name NOT IN ('desk', 'secret')",
                                   -1, &tables, NULL) == SQLITE_OK;

    while (read && sqlite3_step(tables) == SQLITE_ROW) {
        read = recorded_history_add_rows(connection, (const char *) sqlite3_column_text(tables, 0), &sum);
    }
    return sqlite3_finalize(tables) == SQLITE_OK && read ? sum : 0;
}

uint64_t recorded_history_sum(const struct recorded_history *history, size_t place)
{
    return place == 0 ? history->sum_of_nothing : history->batches[place - 1].sum;
}
