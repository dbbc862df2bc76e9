// coalesce_test.c - any split of a history into groups gives the same tables: histories made by chance, whole tables
// compared.

#include "broker/store/coalesce.h"
#include "tests/system/postgres_cluster.h"
#include "tests/unit/store_desk.h"

#include <libpq-fe.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define HISTORIES 16
#define HISTORIES_OF_POSTGRES 4
#define SPLITS 5 // of each: every change alone, all in one group, and by chance
#define STEPS 60
#define SEQUENCE_BEFORE 1000 // of the desk, when a history begins
#define ITEMS_MAX 12         // few, so that much happens to each within a group
#define POSTS_MAX 200

static struct postgres_cluster *cluster; // NULL: over SQLite

// ---- chance ----

static uint64_t random_state;

static uint64_t random_below(uint64_t bound)
{
    random_state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t mixed = (random_state ^ random_state >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94D049BB133111EB);
    return (mixed ^ mixed >> 31) % bound;
}

static bool by_chance(unsigned percent)
{
    return random_below(100) < percent;
}

// ---- a history: what a desk might write, and more than that ----

struct history_post {
    char name[16];
};

struct history_item {
    uint64_t item;
    uint32_t posts;
    uint64_t reply; // 0: none
    bool closed;
};

struct history {
    struct change_list *changes;
    struct history_item items[ITEMS_MAX];
    size_t item_count;
    struct history_post posts[POSTS_MAX];
    size_t post_count;
    uint64_t next_id;
    uint64_t sequence; // of the newest change
    uint64_t requests;
    uint64_t rules;
    uint32_t early;
    int64_t clock_ms;
};

static void happens(struct history *history, struct change change)
{
    change_list_add(history->changes, &change);
    history->sequence++;
}

static const char *text_of(struct history *history, const char *what)
{
    return change_list_format(history->changes, "%s %d", what, (int) random_below(1000));
}

static struct history_item *any_item(struct history *history)
{
    return history->item_count == 0 ? NULL : &history->items[random_below(history->item_count)];
}

static struct history_item *any_open_item(struct history *history)
{
    struct history_item *item = any_item(history);

    return item == NULL || item->closed ? NULL : item;
}

static void write_event(struct history *history, uint64_t item, const char *kind)
{
    happens(history, an_event(history->sequence + 1, item, kind));
}

static void write_item(struct history *history, const struct history_item *item, enum item_state state)
{
    struct change change = an_item(item->item, state);

    change.item.sealed = by_chance(40);
    change.item.audience = by_chance(50) ? "pr" : "agent";
    change.item.lease = random_below(1000);
    change.item.person = text_of(history, "person");
    change.item.since_ms = history->clock_ms;
    change.item.reply = item->reply;
    change.item.numbered = item->posts;
    happens(history, change);
}

static void write_post(struct history *history, struct history_item *item)
{
    if (history->post_count == POSTS_MAX) {
        return;
    }
    struct history_post *post = &history->posts[history->post_count++];
    snprintf(post->name, sizeof post->name, "p-%zu", history->post_count);
    struct change change = a_post(item->item, ++item->posts, post->name, text_of(history, "post"));
    change.post.sensitive = by_chance(20);
    change.post.taken_ms = 5000 + history->clock_ms;
    happens(history, change);
}

static struct history_item *new_item(struct history *history)
{
    if (history->item_count == ITEMS_MAX) {
        return NULL;
    }
    struct history_item *item = &history->items[history->item_count++];
    *item = (struct history_item){ .item = history->next_id++ };
    return item;
}

static void take_post(struct history *history)
{
    struct history_item *item = by_chance(50) ? any_open_item(history) : new_item(history);

    if (item == NULL) {
        return;
    }
    write_post(history, item);
    if (by_chance(80)) {
        write_item(history, item, ITEM_WAITING);
    }
    write_event(history, item->item, "taken");
}

static void move_item(struct history *history)
{
    struct history_item *item = any_open_item(history);

    if (item != NULL) {
        write_item(history, item, (enum item_state) random_below(ITEM_CLOSED));
        write_event(history, item->item, "moved");
    }
}

static void close_item(struct history *history)
{
    struct history_item *item = any_open_item(history);

    if (item != NULL) {
        item->closed = true;
        write_item(history, item, ITEM_CLOSED);
        write_event(history, item->item, "closed");
        happens(history, an_outcome(item->item, item->reply, history->clock_ms));
    }
}

static void change_post(struct history *history)
{
    if (history->post_count == 0) {
        return;
    }
    bool deleted = by_chance(25);
    struct change change = { .kind = CHANGE_POST_CHANGE,
                             .post_change = { .channel = "chirp",
                                              .brand = "acme",
                                              .post = history->posts[random_below(history->post_count)].name,
                                              .deleted = deleted,
                                              .text = deleted ? "" : text_of(history, "edited"),
                                              .sensitive = by_chance(40),
                                              .at_ms = history->clock_ms,
                                              .edited_ms = deleted ? 0 : (int64_t) random_below(1000) } };
    happens(history, change);
}

static void take_post_again(struct history *history)
{
    struct history_item *item = history->post_count == 0 ? NULL : new_item(history);

    if (item != NULL) {
        struct change change = { .kind = CHANGE_POST_AGAIN,
                                 .post_again = { .item = item->item,
                                                 .number = ++item->posts,
                                                 .channel = "chirp",
                                                 .brand = "acme",
                                                 .post = history->posts[random_below(history->post_count)].name,
                                                 .taken_ms = 5000 + history->clock_ms } };
        happens(history, change);
        write_item(history, item, ITEM_WAITING);
    }
}

static void write_draft(struct history *history)
{
    struct history_item *item = any_item(history);

    if (item != NULL) {
        struct change change = { .kind = CHANGE_DRAFT,
                                 .draft = { .item = item->item,
                                            .person = text_of(history, "person"),
                                            .text = by_chance(30) ? "" : text_of(history, "draft"),
                                            .at_ms = history->clock_ms } };
        happens(history, change);
    }
}

static void write_note(struct history *history)
{
    struct history_item *item = any_item(history);

    if (item != NULL) {
        happens(history,
                a_note(item->item, by_chance(50) ? "note" : "guidance", text_of(history, "note"), by_chance(30)));
    }
}

static void write_reply(struct history *history)
{
    struct history_item *item = any_item(history);

    if (item == NULL) {
        return;
    }
    bool whole = item->reply == 0 || by_chance(30);
    if (whole && by_chance(70)) {
        item->reply = history->next_id++;
    }
    if (item->reply == 0) {
        return;
    }
    struct change change = a_reply(item->reply, item->item, (enum reply_state) random_below(REPLY_STATE_COUNT),
                                   whole ? text_of(history, "reply") : NULL);
    change.reply.sealed = by_chance(30);
    change.reply.attempt = (uint32_t) random_below(9);
    change.reply.instance = text_of(history, "instance");
    happens(history, change);
}

static void seal_item(struct history *history)
{
    struct history_item *item = any_item(history);

    if (item != NULL) {
        happens(history,
                (struct change){ .kind = by_chance(50) ? CHANGE_SEAL : CHANGE_UNSEAL, .seal.item = item->item });
    }
}

static void keep_early(struct history *history)
{
    struct change change = { .kind = by_chance(60) ? CHANGE_EARLY : CHANGE_EARLY_GONE,
                             .early = { .channel = "chirp",
                                        .post = by_chance(50) ? "e-1" : "e-2",
                                        .number = (uint32_t) random_below(3),
                                        .deleted = by_chance(30),
                                        .text = text_of(history, "early"),
                                        .edited_ms = history->clock_ms,
                                        .kept_ms = history->clock_ms } };
    happens(history, change);
}

static void write_freeze(struct history *history)
{
    struct change change = { .kind = CHANGE_FREEZE,
                             .freeze = { .brand = by_chance(50) ? "acme" : "fizz",
                                         .frozen = by_chance(50),
                                         .person = "eve",
                                         .reason = text_of(history, "reason"),
                                         .at_ms = history->clock_ms } };
    happens(history, change);
}

static void write_rules(struct history *history)
{
    struct change change = { .kind = CHANGE_RULES,
                             .rules = { .version = ++history->rules,
                                        .name = "rules.yaml",
                                        .text = text_of(history, "rules"),
                                        .at_ms = history->clock_ms } };
    happens(history, change);
}

static void write_request(struct history *history)
{
    happens(history, a_request(history->requests++, "asha", (int64_t) random_below(1000)));
}

static void take_step(struct history *history)
{
    static void (*const steps[])(struct history * history) = {
        take_post,   take_post,   take_post,   move_item,    move_item,   move_item,     close_item,      change_post,
        change_post, write_draft, write_draft, write_note,   write_reply, write_reply,   write_reply,     seal_item,
        seal_item,   seal_item,   keep_early,  write_freeze, write_rules, write_request, take_post_again,
    };

    history->clock_ms += 1 + (int64_t) random_below(5);
    steps[random_below(sizeof steps / sizeof *steps)](history);
}

static struct history *new_history(uint64_t seed)
{
    struct history *history = calloc(1, sizeof *history);

    assert_non_null(history);
    random_state = seed;
    history->changes = change_list_new();
    history->next_id = 1;
    history->sequence = SEQUENCE_BEFORE;
    for (int i = 0; i < STEPS; i++) {
        take_step(history);
    }
    return history;
}

// ---- written in groups ----

static void commit_group(struct desk_under_test *desk, struct batch *first)
{
    enum store_result result = desk_try(desk, first);

    if (result != STORE_OK) {
        print_message("%s\n", desk->engine->reason);
    }
    assert_int_equal(result, STORE_OK);
    while (first != NULL) {
        struct batch *next = batch_next(first);
        batch_destroy(&first);
        first = next;
    }
}

// A group ends after this percentage of the changes, a batch within it after that of the others.
static void write_history(struct desk_under_test *desk, const struct history *history, unsigned groups,
                          unsigned batches)
{
    const struct change *change = change_list_changes(history->changes);
    struct batch *first = NULL;
    struct batch *last = NULL;
    struct store_position from = desk->position;
    uint64_t sequence = SEQUENCE_BEFORE; // each change is a step, however they are split

    assert_true(from.sequence <= SEQUENCE_BEFORE);
    for (bool new_batch = true; change != NULL; change = change->next) {
        if (new_batch) {
            from = desk->position;
            struct batch *batch = desk_batch(desk, 1);
            if (last != NULL) {
                batch_link(last, batch);
            }
            first = first == NULL ? batch : first;
            last = batch;
        }
        put(last, *change);
        desk->position.sequence = ++sequence;
        batch_set_position(last, &from, &desk->position);
        bool ends = by_chance(groups);
        if (ends) {
            commit_group(desk, first);
            first = last = NULL;
        }
        new_batch = ends || by_chance(batches);
    }
    if (first != NULL) {
        commit_group(desk, first);
    }
}

// ---- whole tables ----

// Every row of a table, by all its columns: where it lies in the file does not count.
static sqlite3_stmt *prepare_rows(sqlite3 *connection, const char *table)
{
    sqlite3_stmt *rows = NULL;
    char *sql = sqlite3_mprintf("SELECT * FROM \"%w\"", table);

    assert_int_equal(sqlite3_prepare_v2(connection, sql, -1, &rows, NULL), SQLITE_OK);
    int columns = sqlite3_column_count(rows);
    sqlite3_finalize(rows);
    for (int i = 1; i <= columns; i++) {
        char *more = sqlite3_mprintf("%s%s %d", sql, i == 1 ? " ORDER BY" : ",", i);
        sqlite3_free(sql);
        sql = more;
    }
    assert_int_equal(sqlite3_prepare_v2(connection, sql, -1, &rows, NULL), SQLITE_OK);
    sqlite3_free(sql);
    return rows;
}

static void dump_table(FILE *dump, sqlite3 *connection, const char *table)
{
    sqlite3_stmt *rows = prepare_rows(connection, table);

    fprintf(dump, "%s\n", table);
    while (sqlite3_step(rows) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(rows); i++) {
            const char *name = sqlite3_column_name(rows, i);
            // How many commits there were is all that may differ.
            if (strcmp(name, "sequence") == 0 && strcmp(table, "desk") == 0) {
                continue;
            }
            if (strcmp(name, "next_id") != 0 && strcmp(name, "clock_ms") != 0) {
                const char *value = (const char *) sqlite3_column_text(rows, i);
                fprintf(dump, " %s=%s", name, value == NULL ? "NULL" : value);
            }
        }
        fputc('\n', dump);
    }
    sqlite3_finalize(rows);
}

static void dump_sqlite(FILE *dump, const char *folder)
{
    sqlite3 *connection = NULL;
    sqlite3_stmt *tables = NULL;
    char path[128];

    snprintf(path, sizeof path, "%s/behalf.db", folder);
    assert_int_equal(sqlite3_open_v2(path, &connection, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(connection,
                                        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT IN"
                                        " ('secret', 'sqlite_stat1') ORDER BY name",
                                        -1, &tables, NULL),
                     SQLITE_OK);
    while (sqlite3_step(tables) == SQLITE_ROW) {
        dump_table(dump, connection, (const char *) sqlite3_column_text(tables, 0));
    }
    sqlite3_finalize(tables);
    sqlite3_close(connection);
}

static PGresult *ask(PGconn *link, const char *sql)
{
    PGresult *result = PQexec(link, sql);

    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        fail_msg("%s: %s", sql, PQerrorMessage(link));
    }
    return result;
}

static void dump_postgres(FILE *dump, const char *desk)
{
    PGconn *link = PQconnectdb(postgres_cluster_url(cluster));
    PGresult *tables = ask(link, "SELECT c.relname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid"
                                 " WHERE c.relnamespace = 'behalf'::regnamespace AND c.relkind IN ('r', 'p') AND NOT"
                                 " c.relispartition AND a.attname = 'desk' AND c.relname NOT IN ('desk', 'secret',"
                                 " 'lease', 'candidate', 'journal', 'applied') ORDER BY 1");

    for (int i = 0; i < PQntuples(tables); i++) {
        char sql[400];
        snprintf(sql, sizeof sql,
                 "SELECT string_agg(row, E'\\n' ORDER BY row) FROM (SELECT (to_jsonb(t) - 'desk')::text AS row"
                 " FROM behalf.%s AS t WHERE desk = '%s') AS rows",
                 PQgetvalue(tables, i, 0), desk);
        PGresult *rows = ask(link, sql);
        fprintf(dump, "%s\n%s\n", PQgetvalue(tables, i, 0), PQgetvalue(rows, 0, 0));
        PQclear(rows);
    }
    PQclear(tables);
    PQfinish(link);
}

static void remove_file(const char *folder, const char *name)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    (void) unlink(path);
}

static void remove_folder(const char *folder)
{
    static const char *const names[] = { "behalf.db", "behalf.db-wal", "behalf.db-shm", "marks", "lock" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        remove_file(folder, names[i]);
    }
    (void) rmdir(folder);
}

// What all tables hold once a history was written with one split.
static char *tables_after(const struct history *history, unsigned groups, unsigned batches)
{
    static int desks = 0;
    struct desk_under_test desk = { 0 };
    char folder[] = "/tmp/behalf-coalesce-XXXXXX";
    char name[32];
    char reason[512] = "";

    assert_non_null(mkdtemp(folder));
    snprintf(name, sizeof name, cluster == NULL ? "support" : "support-%d", ++desks);
    desk.engine = cluster == NULL ? engine_sqlite_open(folder, name, reason, sizeof reason)
                                  : engine_postgres_open(postgres_cluster_url(cluster), name, reason, sizeof reason);
    if (desk.engine == NULL) {
        fail_msg("%s", reason);
    }
    desk_take_over(&desk);
    write_history(&desk, history, groups, batches);
    desk.engine->operations->destroy(&desk.engine);
    char *tables = NULL;
    size_t bytes = 0;
    FILE *dump = open_memstream(&tables, &bytes);
    assert_non_null(dump);
    if (cluster == NULL) {
        dump_sqlite(dump, folder);
    } else {
        dump_postgres(dump, name);
    }
    fclose(dump);
    remove_folder(folder);
    return tables;
}

// The first line in which two dumps differ.
static void fail_with_difference(uint64_t seed, const char *a, const char *b)
{
    while (*a == *b) {
        a++;
        b++;
    }
    fail_msg("history %d: not the same tables, from here on:\n%.400s\n---\n%.400s", (int) seed, a, b);
}

static void any_split_of_a_history_gives_the_same_tables(void **state)
{
    static const unsigned splits[SPLITS][2] = { { 100, 0 }, { 0, 20 }, { 3, 10 }, { 10, 50 }, { 40, 0 } };

    uint64_t histories = cluster == NULL ? HISTORIES : HISTORIES_OF_POSTGRES;

    (void) state;
    for (uint64_t seed = 1; seed <= histories; seed++) {
        struct history *history = new_history(seed);
        char *one_by_one = tables_after(history, splits[0][0], splits[0][1]);
        for (size_t i = 1; i < SPLITS; i++) {
            char *other = tables_after(history, splits[i][0], splits[i][1]);
            if (strcmp(other, one_by_one) != 0) {
                fail_with_difference(seed, one_by_one, other);
            }
            free(other);
        }
        free(one_by_one);
        change_list_destroy(&history->changes);
        free(history);
    }
}

static bool count_rows(void *self, enum stage_table table, const struct stage_row *rows, size_t count)
{
    (void) rows;
    ((size_t *) self)[table] += count;
    return true;
}

static void states_that_nobody_saw_are_left_out(void **state)
{
    size_t counts[STAGE_TABLE_COUNT] = { 0 };
    const struct stage_writer writer = { .self = counts, .write = count_rows };
    struct coalescer *coalescer = coalescer_new();
    struct batch *batch = batch_new();

    (void) state;
    put(batch, an_item(1, ITEM_WAITING));
    put(batch, a_reply(2, 1, REPLY_QUEUED, "written"));
    put(batch, an_item(1, ITEM_SENDING));
    put(batch, a_reply(2, 1, REPLY_HANDED, NULL));
    put(batch, an_item(3, ITEM_WAITING));
    put(batch, an_item(1, ITEM_CLOSED));
    assert_true(coalescer_run(coalescer, batch, &writer));
    assert_int_equal(counts[STAGE_ITEMS], 2);
    assert_int_equal(counts[STAGE_REPLIES], 1);
    assert_int_equal(counts[STAGE_REPLY_CHANGES], 0);
    batch_destroy(&batch);
    coalescer_destroy(&coalescer);
}

static bool refuse(void *self, enum stage_table table, const struct stage_row *rows, size_t count)
{
    (void) table;
    (void) rows;
    (void) count;
    ++*(size_t *) self;
    return false;
}

static void a_writer_that_fails_is_given_nothing_more_and_the_next_group_begins_empty(void **state)
{
    size_t asked = 0;
    size_t counts[STAGE_TABLE_COUNT] = { 0 };
    const struct stage_writer refusing = { .self = &asked, .write = refuse };
    const struct stage_writer counting = { .self = counts, .write = count_rows };
    struct coalescer *coalescer = coalescer_new();
    struct batch *batch = batch_new();
    struct batch *next = batch_new();

    (void) state;
    put(batch, a_post(1, 1, "p-1", "hello"));
    put(batch, an_item(1, ITEM_WAITING));
    put(next, an_item(9, ITEM_WAITING));
    assert_false(coalescer_run(coalescer, batch, &refusing));
    assert_int_equal(asked, 1);
    assert_true(coalescer_run(coalescer, next, &counting));
    assert_int_equal(counts[STAGE_ITEMS], 1);
    assert_int_equal(counts[STAGE_POSTS], 0);
    batch_destroy(&batch);
    batch_destroy(&next);
    coalescer_destroy(&coalescer);
}

static int test_postgres(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(any_split_of_a_history_gives_the_same_tables) };

    if (!postgres_cluster_possible()) {
        return 77;
    }
    cluster = postgres_cluster_new();
    int failed = cmocka_run_group_tests_name("postgres", tests, NULL, NULL);
    postgres_cluster_destroy(&cluster);
    return failed;
}

// Without a word: over SQLite.  "postgres": over that.
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_that_nobody_saw_are_left_out),
        cmocka_unit_test(a_writer_that_fails_is_given_nothing_more_and_the_next_group_begins_empty),
        cmocka_unit_test(any_split_of_a_history_gives_the_same_tables),
    };

    if (argc > 1 && strcmp(argv[1], "postgres") == 0) {
        return test_postgres();
    }
    return cmocka_run_group_tests_name("coalesce", tests, NULL, NULL);
}
