// memory_disk.c - one database in memory, opened as often as a test likes, and read past the engine.

#include "tests/unit/memory_disk.h"

#include "broker/store/column_lists.h"
#include "broker/store/sqlite/records.h"
#include "proto/base/must.h"

#include <stdlib.h>
#include <string.h>

enum look {
    LOOK_POSTS,
    LOOK_EDITED,
    LOOK_ITEMS,
    LOOK_REPLIES,
    LOOK_EVENTS,
    LOOK_OUTCOMES,
    LOOK_NOTES,
    LOOK_EARLY,
    LOOK_REQUESTS,
    LOOK_COUNT
};

static const char *const looks[LOOK_COUNT] = {
    [LOOK_POSTS] = "SELECT " NAMES(COLUMNS_OF_POST) " FROM post_row WHERE ?1 IS NULL OR post = ?1 ORDER BY rowid",
    [LOOK_EDITED] =
        "SELECT " NAMES(COLUMNS_OF_POST) ", edited_text FROM post_row WHERE edited_text IS NOT NULL AND (?1 IS "
                                         "NULL OR post = ?1) ORDER BY rowid",
    [LOOK_ITEMS] = "SELECT " NAMES(COLUMNS_OF_ITEM) " FROM item WHERE ?1 IN (0, item) ORDER BY item",
    [LOOK_REPLIES] = "SELECT " NAMES(COLUMNS_OF_REPLY) " FROM reply ORDER BY reply",
    [LOOK_EVENTS] = "SELECT " NAMES(COLUMNS_OF_EVENT) " FROM event ORDER BY sequence",
    [LOOK_OUTCOMES] = "SELECT " NAMES(COLUMNS_OF_OUTCOME) " FROM outcome ORDER BY ended",
    [LOOK_NOTES] = "SELECT " NAMES(COLUMNS_OF_NOTE) " FROM note ORDER BY item, number",
    [LOOK_EARLY] = "SELECT " NAMES(COLUMNS_OF_EARLY) " FROM early_change WHERE ?1 IS NULL OR post = ?1 ORDER BY rowid",
    [LOOK_REQUESTS] = "SELECT " NAMES(COLUMNS_OF_REQUEST) " FROM request WHERE ?1 IN (0, id) ORDER BY slot",
};

struct memory_disk {
    struct database *database; // what is durable; NULL before it is opened for the first time
    bool keeps_journal;
    struct database *tables; // of a disk that keeps a journal: brought up to that later; else NULL
    struct journal *journal;
    sqlite3_stmt *statements[LOOK_COUNT];
    struct fault_plan *plan;
};

struct memory_disk *memory_disk_new(void)
{
    struct memory_disk *disk = calloc(1, sizeof *disk);

    must(disk != NULL);
    disk->plan = fault_plan_new();
    return disk;
}

struct memory_disk *memory_disk_copy(struct memory_disk *disk)
{
    struct memory_disk *copy = memory_disk_new();

    must(disk->database != NULL && !disk->keeps_journal);
    copy->database = database_new_in_memory(disk->database->desk);
    sqlite3_backup *backup =
        sqlite3_backup_init(copy->database->connection, "main", disk->database->connection, "main");
    must(backup != NULL);
    must(sqlite3_backup_step(backup, -1) == SQLITE_DONE);
    must(sqlite3_backup_finish(backup) == SQLITE_OK);
    return copy;
}

void memory_disk_destroy(struct memory_disk **disk_p)
{
    struct memory_disk *disk = *disk_p;

    if (disk == NULL) {
        return;
    }
    for (size_t i = 0; i < LOOK_COUNT; i++) {
        (void) sqlite3_finalize(disk->statements[i]);
    }
    journal_destroy(&disk->journal);
    database_close(&disk->tables, false);
    database_close(&disk->database, false);
    fault_plan_destroy(&disk->plan);
    free(disk);
    *disk_p = NULL;
}

struct engine *memory_disk_open(struct memory_disk *disk, const char *desk)
{
    if (disk->database == NULL) {
        disk->database = database_new_in_memory(desk);
    }
    if (disk->keeps_journal && disk->tables == NULL) {
        disk->tables = database_new_in_memory(desk);
        disk->journal = journal_new(disk->tables->connection);
    }
    must(strcmp(disk->database->desk, desk) == 0);
    struct engine *engine = engine_sqlite_open_in(disk->database);
    if (disk->keeps_journal) {
        struct engine *tables = engine_sqlite_open_in(disk->tables);
        engine = journaling_engine_new(disk->journal, &engine, &tables);
    }
    return faulty_engine_new(&engine, disk->plan);
}

void memory_disk_keep_journal(struct memory_disk *disk)
{
    must(disk->database == NULL);
    disk->keeps_journal = true;
}

struct journal *memory_disk_journal(struct memory_disk *disk)
{
    return disk->journal;
}

enum store_result memory_disk_apply(struct engine *engine, size_t groups_max)
{
    struct engine *inside = faulty_engine_inside(engine);
    enum store_result result = journaling_engine_apply(inside, groups_max);

    if (result != STORE_OK) {
        memcpy(engine->reason, inside->reason, sizeof engine->reason);
    }
    return result;
}

void memory_disk_report(struct memory_disk *disk, struct report *report)
{
    struct engine *engine = engine_sqlite_open_in(disk->database);

    must(engine->operations->report(engine, report) == STORE_OK);
    engine->operations->destroy(&engine);
}

bool memory_disk_engine_died(struct engine *engine)
{
    struct engine *inside = faulty_engine_inside(engine);

    return faulty_engine_died(engine) ||
           (strcmp(inside->operations->name, "journaling") == 0 && journaling_engine_died(inside));
}

// ---- comparing ----

static sqlite3_stmt *prepare(struct database *database, const char *sql)
{
    sqlite3_stmt *statement = NULL;

    must(sqlite3_prepare_v2(database->connection, sql, -1, &statement, NULL) == SQLITE_OK);
    return statement;
}

static bool values_agree(sqlite3_stmt *one, sqlite3_stmt *other)
{
    for (int i = 0; i < sqlite3_column_count(one); i++) {
        const unsigned char *text = sqlite3_column_text(one, i);
        const unsigned char *other_text = sqlite3_column_text(other, i);
        bool agree = text == NULL || other_text == NULL ? text == other_text
                                                        : strcmp((const char *) text, (const char *) other_text) == 0;
        if (!agree) {
            return false;
        }
    }
    return true;
}

// All its rows, in the order of their columns.
static bool view_agrees(struct memory_disk *disk, const char *view, int columns)
{
    char sql[512];
    int length = snprintf(sql, sizeof sql, "SELECT * FROM %s ORDER BY 1", view);

    for (int i = 2; i <= columns; i++) {
        length += snprintf(sql + length, sizeof sql - (size_t) length, ", %d", i);
    }
    sqlite3_stmt *one = prepare(disk->database, sql);
    sqlite3_stmt *other = prepare(disk->tables, sql);
    int step, other_step;
    do {
        step = sqlite3_step(one);
        other_step = sqlite3_step(other);
    } while (step == SQLITE_ROW && other_step == SQLITE_ROW && values_agree(one, other));
    (void) sqlite3_finalize(one);
    (void) sqlite3_finalize(other);
    return step == SQLITE_DONE && other_step == SQLITE_DONE;
}

bool memory_disk_tables_agree(struct memory_disk *disk, char *why, size_t why_bytes)
{
    must(disk->keeps_journal && journal_lag(disk->journal) == 0);
    sqlite3_stmt *views =
        prepare(disk->database, "SELECT name, (SELECT count(*) FROM pragma_table_info(v.name)) FROM sqlite_master v "
                                "WHERE (type = 'view' AND name NOT LIKE 'report%') OR name IN ('rules', 'freeze', "
                                "'early_change') ORDER BY name");
    bool agree = true;

    while (agree && sqlite3_step(views) == SQLITE_ROW) {
        const char *view = (const char *) sqlite3_column_text(views, 0);
        agree = view_agrees(disk, view, sqlite3_column_int(views, 1));
        if (!agree) {
            snprintf(why, why_bytes, "%s", view);
        }
    }
    (void) sqlite3_finalize(views);
    return agree;
}

struct fault_plan *memory_disk_plan(struct memory_disk *disk)
{
    return disk->plan;
}

// ---- looking ----

static struct binding look(struct memory_disk *disk, enum look look, const struct memory_visit *visit)
{
    sqlite3_stmt **statement = &disk->statements[look];

    database_clear(disk->database);
    if (*statement == NULL) {
        must(sqlite3_prepare_v3(disk->database->connection, looks[look], -1, SQLITE_PREPARE_PERSISTENT, statement,
                                NULL) == SQLITE_OK);
    }
    struct binding row = { .database = disk->database, .statement = *statement };
    if (look == LOOK_POSTS || look == LOOK_EDITED || look == LOOK_EARLY) {
        bind_text(&row, visit->post_id);
    } else if (look == LOOK_ITEMS) {
        bind_id(&row, visit->item_id);
    } else if (look == LOOK_REQUESTS) {
        bind_number(&row, visit->request_id);
    }
    return row;
}

static bool next_row(struct binding *row, enum record record, void *values)
{
    bool found = binding_row(row);

    if (found) {
        row_record(row, record, values);
    }
    must(row->database->error == SQLITE_OK);
    return found;
}

#define VISIT(LOOK, RECORD, name)                                                                                      \
    static void visit_##name(struct memory_disk *disk, const struct memory_visit *visit)                               \
    {                                                                                                                  \
        struct name##_record record;                                                                                   \
        struct binding row = look(disk, LOOK, visit);                                                                  \
        while (next_row(&row, RECORD, &record)) {                                                                      \
            visit->name(visit->self, &record);                                                                         \
        }                                                                                                              \
    }
VISIT(LOOK_POSTS, RECORD_POST, post)
VISIT(LOOK_ITEMS, RECORD_ITEM, item)
VISIT(LOOK_REPLIES, RECORD_REPLY, reply)
VISIT(LOOK_EVENTS, RECORD_EVENT, event)
VISIT(LOOK_OUTCOMES, RECORD_OUTCOME, outcome)
VISIT(LOOK_NOTES, RECORD_NOTE, note)
VISIT(LOOK_EARLY, RECORD_EARLY, early)
VISIT(LOOK_REQUESTS, RECORD_REQUEST, request)

static void visit_edited(struct memory_disk *disk, const struct memory_visit *visit)
{
    struct post_record post;
    struct binding row = look(disk, LOOK_EDITED, visit);

    while (next_row(&row, RECORD_POST, &post)) {
        visit->edited(visit->self, &post, row_text(&row));
    }
}

void memory_disk_visit(struct memory_disk *disk, const struct memory_visit *visit)
{
    if (disk->database == NULL) {
        return;
    }
    if (visit->post != NULL) {
        visit_post(disk, visit);
    }
    if (visit->edited != NULL) {
        visit_edited(disk, visit);
    }
    if (visit->item != NULL) {
        visit_item(disk, visit);
    }
    if (visit->reply != NULL) {
        visit_reply(disk, visit);
    }
    if (visit->event != NULL) {
        visit_event(disk, visit);
    }
    if (visit->outcome != NULL) {
        visit_outcome(disk, visit);
    }
    if (visit->note != NULL) {
        visit_note(disk, visit);
    }
    if (visit->early != NULL) {
        visit_early(disk, visit);
    }
    if (visit->request != NULL) {
        visit_request(disk, visit);
    }
}
