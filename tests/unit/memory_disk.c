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
    struct database *database; // NULL before it is opened for the first time
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

    must(disk->database != NULL);
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
    must(strcmp(disk->database->desk, desk) == 0);
    struct engine *engine = engine_sqlite_open_in(disk->database);
    return faulty_engine_new(&engine, disk->plan);
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
