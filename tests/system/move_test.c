// move_test.c - behalf-ctl move between real stores: there and back, killed in the middle, and what it refuses.
//
// Arguments: behalf-ctl, behalf-broker, a file of rules of the desk "demo".  Exit code 77: no PostgreSQL here.

#include "broker/store/codec.h"
#include "broker/store/engine.h"
#include "broker/store/move/move_table.h"
#include "tests/system/child.h"
#include "tests/system/postgres_cluster.h"
#include "tests/unit/store_desk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define DESK "demo"
#define NOVEMBER_MS INT64_C(1795000000000) // in November 2026
#define MONTH_MS (INT64_C(31) * 24 * 3600 * 1000)

static struct postgres_cluster *cluster;
static const char *ctl_program;
static const char *broker_program;
static const char *rules_file;

struct fixture {
    char folder[64]; // everything of this test
    char here[96];   // the store a desk begins in
    char there[96];  // another
    char url[256];   // a database of this test's own
    char database[32];
    char value[1024];
    struct child *child;
};

static int set_up(void **state)
{
    static int tests = 0;
    struct fixture *fixture = calloc(1, sizeof *fixture);
    char sql[96];

    cluster = *state;
    snprintf(fixture->folder, sizeof fixture->folder, "/tmp/behalf-move-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->here, sizeof fixture->here, "%s/here", fixture->folder);
    snprintf(fixture->there, sizeof fixture->there, "%s/there", fixture->folder);
    snprintf(fixture->database, sizeof fixture->database, "move_%d", ++tests);
    snprintf(sql, sizeof sql, "CREATE DATABASE %s OWNER behalf", fixture->database);
    (void) postgres_cluster_sql(cluster, sql);
    snprintf(fixture->url, sizeof fixture->url, "postgresql://behalf:secret@127.0.0.1:%d/%s",
             postgres_cluster_port(cluster), fixture->database);
    *state = fixture;
    return 0;
}

static void remove_store(const char *folder)
{
    const char *const names[] = { "behalf.db", "behalf.db-wal", "behalf.db-shm", "lock", "marks" };
    char path[256];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void) unlink(path);
    }
    (void) rmdir(folder);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    char path[128];

    child_destroy(&fixture->child);
    remove_store(fixture->here);
    remove_store(fixture->there);
    snprintf(path, sizeof path, "%s/broker.sock", fixture->folder);
    (void) unlink(path);
    (void) rmdir(fixture->folder);
    free(fixture);
    return 0;
}

// ---- a desk with a history ----

static struct engine *open_store(const char *place)
{
    char reason[512] = "";
    struct engine *engine = strstr(place, "://") != NULL ? engine_postgres_open(place, DESK, reason, sizeof reason)
                                                         : engine_sqlite_open(place, DESK, reason, sizeof reason);

    if (engine == NULL) {
        print_message("%s\n", reason);
    }
    assert_non_null(engine);
    return engine;
}

static void put_item(struct batch *batch, uint64_t item)
{
    char name[32];
    char text[200];

    snprintf(name, sizeof name, "p-%06llu", (unsigned long long) item);
    snprintf(text, sizeof text, "¿Dónde está mi pedido %llu? 🙂 \t\"quoted\", {braced}, \\back",
             (unsigned long long) item);
    struct change post = a_post(item, 1, name, item % 7 == 0 ? "" : text);
    post.post.posted_ms = item % 5 == 0 ? 0 : NOVEMBER_MS + (int64_t) item * 60000;
    post.post.taken_ms = item % 11 == 0 ? 4000 : NOVEMBER_MS + (int64_t) (item % 4) * MONTH_MS + (int64_t) item;
    put(batch, post);
    put(batch, an_item(item, item % 3 == 0 ? ITEM_WAITING : ITEM_CLOSED));
    put(batch, a_reply(100000 + item, item, item % 3 == 0 ? REPLY_UNKNOWN : REPLY_CONFIRMED, text));
    put(batch, a_note(item, "note", "once", item % 2 == 0));
    put(batch, a_note(item, "guidance", "twice", false));
    struct change event = an_event(item, item, "taken");
    event.event.at_ms = post.post.taken_ms;
    put(batch, event);
    if (item % 3 != 0) {
        put(batch, an_outcome(item, 100000 + item, 500 + (int64_t) item));
    } else {
        put(batch, (struct change){ .kind = CHANGE_DRAFT,
                                    .draft = { .item = item, .person = "asha", .text = "a draft", .at_ms = 77 } });
    }
}

// What came later about some of them: edited, deleted, sealed.
static void put_later(struct batch *batch, uint64_t item)
{
    char name[32];

    snprintf(name, sizeof name, "p-%06llu", (unsigned long long) item);
    struct change change = { .kind = CHANGE_POST_CHANGE,
                             .post_change = { .channel = "chirp",
                                              .post = name,
                                              .brand = "acme",
                                              .edited_ms = item % 3 == 0 ? NOVEMBER_MS : 0,
                                              .deleted = item % 2 == 0,
                                              .text = item % 2 == 0 ? "" : "edited",
                                              .sensitive = item % 4 == 1,
                                              .at_ms = NOVEMBER_MS } };
    put(batch, change);
    put(batch, (struct change){ .kind = CHANGE_SEAL, .seal.item = item });
}

static void fill(const char *place, uint64_t items)
{
    struct desk_under_test desk = { .engine = open_store(place) };

    desk_take_over(&desk);
    for (uint64_t item = desk.position.sequence; item < items;) {
        uint64_t last = item + 500 < items ? item + 500 : items;
        struct batch *batch = desk_batch(&desk, last - item);
        for (item++; item <= last; item++) {
            put_item(batch, item);
        }
        item = last;
        desk_commit(&desk, &batch);
    }
    struct batch *batch = desk_batch(&desk, 1);
    put(batch, an_event(desk.position.sequence, 0, "rules"));
    for (uint64_t version = 1; version <= 9; version++) {
        put(batch, (struct change){ .kind = CHANGE_RULES,
                                    .rules = { .version = version, .name = "old.yaml", .text = "desk: demo\n" } });
    }
    put(batch, (struct change){ .kind = CHANGE_FREEZE,
                                .freeze = { .brand = "ärger", .frozen = true, .person = "petra", .reason = "why" } });
    put(batch, (struct change){ .kind = CHANGE_FREEZE,
                                .freeze = { .brand = "Zug", .frozen = false, .person = "petra", .reason = "over" } });
    for (uint64_t item = 1; item <= items; item += 10) {
        put_later(batch, item);
    }
    desk_commit(&desk, &batch);
    desk.engine->operations->destroy(&desk.engine);
}

static struct store_position position_of(const char *place)
{
    struct engine *engine = open_store(place);
    struct store_position position = { 0 };

    assert_int_equal(engine->operations->position(engine, &position), STORE_OK);
    engine->operations->destroy(&engine);
    return position;
}

// Claims that a broker may not have the desk there, and is told why in these words.
static void assert_held(const char *place, const char *words)
{
    struct engine *engine = open_store(place);
    struct store_position position;

    assert_int_equal(engine->operations->take_over(engine, &position), STORE_CONTRADICTED);
    if (strstr(engine->reason, words) == NULL) {
        fail_msg("not \"%s\" but: %s", words, engine->reason);
    }
    engine->operations->destroy(&engine);
}

// Claims that a broker goes on there from a position, with a greater epoch, and writes.
static void assert_goes_on(const char *place, const struct store_position *from)
{
    struct desk_under_test desk = { .engine = open_store(place) };

    desk_take_over(&desk);
    assert_true(desk.position.epoch > from->epoch);
    assert_int_equal(desk.position.sequence, from->sequence);
    assert_int_equal(desk.position.next_id, from->next_id);
    assert_int_equal(desk.position.clock_ms, from->clock_ms);
    struct batch *batch = desk_batch(&desk, 1);
    put(batch, an_event(desk.position.sequence, 0, "afterwards"));
    desk_commit(&desk, &batch);
    desk.engine->operations->destroy(&desk.engine);
}

// ---- behalf-ctl ----

static void begin_move(struct fixture *fixture, const char *from, const char *to, const char *option)
{
    const char *const argv[] = { ctl_program, "move", "--from", from, "--to", to, option, NULL };

    child_destroy(&fixture->child);
    fixture->child = child_new(argv);
}

// Moves and returns what it printed: a line a table.
static char *move(struct fixture *fixture, const char *from, const char *to, const char *option)
{
    begin_move(fixture, from, to, option);
    int status = child_wait(fixture->child, NULL);
    if (status != 0) {
        free(child_expect_error(fixture->child, NULL, "never said, so that all is shown"));
    }
    char *printed = strdup(child_output(fixture->child));
    assert_non_null(printed);
    return printed;
}

static void assert_moved(struct fixture *fixture, const char *from, const char *to, const char *option)
{
    char *printed = move(fixture, from, to, option);
    size_t tables = 0;

    for (const char *line = printed; (line = strstr(line, " the same\n")) != NULL; line++) {
        tables++;
    }
    assert_int_equal(tables, move_table_count);
    free(printed);
}

static void assert_refused(struct fixture *fixture, const char *from, const char *to, const char *option,
                           const char *words)
{
    begin_move(fixture, from, to, option);
    char *line = child_expect_error(fixture->child, NULL, words);
    assert_null(strstr(line, "secret"));
    free(line);
    assert_int_equal(child_wait(fixture->child, NULL), 1);
}

// The first value of a statement in this test's database.
static const char *sql_in(struct fixture *fixture, const char *sql)
{
    PGconn *link = PQconnectdb(fixture->url);
    PGresult *result = PQexec(link, sql);
    ExecStatusType status = PQresultStatus(result);

    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        print_message("%s\n", PQresultErrorMessage(result));
    }
    assert_true(status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK);
    snprintf(fixture->value, sizeof fixture->value, "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    PQfinish(link);
    return fixture->value;
}

// ---- claims ----

static void a_desk_goes_to_postgres_and_back_and_is_the_same(void **state)
{
    struct fixture *fixture = *state;

    fill(fixture->here, 3000);
    struct store_position before = position_of(fixture->here);
    char *there = move(fixture, fixture->here, fixture->url, NULL);
    assert_held(fixture->here, "was moved to PostgreSQL at 127.0.0.1");
    assert_string_equal(sql_in(fixture, "SELECT concat_ws(' ', (SELECT count(*) FROM behalf.post), (SELECT count(*)"
                                        " FROM behalf.rules), (SELECT count(*) FROM behalf.outcome), (SELECT count(*)"
                                        " FROM behalf.event_2027_01) > 0)"),
                        "3000 9 2000 t");
    assert_string_equal(sql_in(fixture, "SELECT count(*) FROM behalf.intake_key AS k JOIN behalf.post AS p ON"
                                        " p.desk = k.desk AND p.item = k.item AND p.number = k.number AND"
                                        " p.taken_ms = k.taken_ms"),
                        "3000");
    char *back = move(fixture, fixture->url, fixture->there, NULL);
    assert_string_equal(there, back);
    assert_held(fixture->url, "was moved to ");
    assert_goes_on(fixture->there, &before);
    free(there);
    free(back);
}

static void a_desk_goes_on_in_postgres_and_home_again_in_the_place_of_its_past(void **state)
{
    struct fixture *fixture = *state;

    fill(fixture->here, 300);
    struct store_position before = position_of(fixture->here);
    assert_moved(fixture, fixture->here, fixture->url, NULL);
    assert_goes_on(fixture->url, &before);
    before = position_of(fixture->url);
    assert_refused(fixture, fixture->url, fixture->here, NULL, "--replace");
    assert_goes_on(fixture->url, &before);
    before = position_of(fixture->url);
    assert_moved(fixture, fixture->url, fixture->here, "--replace");
    assert_held(fixture->url, "was moved to");
    assert_goes_on(fixture->here, &before);
    assert_moved(fixture, fixture->here, fixture->url, "--replace");
}

// Waits until rows have arrived, or the move has ended.
static void await_rows(struct fixture *fixture, int more_than)
{
    for (int i = 0; i < 20000; i++) {
        if (atoi(sql_in(fixture, "SELECT CASE WHEN to_regclass('behalf.post') IS NULL THEN 0 ELSE 1 END")) == 1 &&
            atoi(sql_in(fixture, "SELECT count(*) FROM behalf.post")) > more_than) {
            return;
        }
        (void) poll(NULL, 0, 2);
    }
    fail_msg("no rows came");
}

static void a_move_killed_in_the_middle_goes_on_from_there(void **state)
{
    struct fixture *fixture = *state;

    fill(fixture->here, 6000);
    struct store_position before = position_of(fixture->here);
    for (int round = 0; round < 4; round++) {
        begin_move(fixture, fixture->here, fixture->url, NULL);
        await_rows(fixture, round * 1000);
        child_signal(fixture->child, SIGKILL);
        assert_int_equal(child_wait(fixture->child, NULL), -SIGKILL);
        assert_held(fixture->here, "is being moved to PostgreSQL");
        assert_held(fixture->url, "is not complete here");
    }
    assert_true(atoi(sql_in(fixture, "SELECT count(*) FROM behalf.post")) > 3000);
    assert_moved(fixture, fixture->here, fixture->url, NULL);
    assert_goes_on(fixture->url, &before);
}

static void a_move_killed_on_the_way_back_goes_on_from_there(void **state)
{
    struct fixture *fixture = *state;
    char path[160];
    struct stat about;

    fill(fixture->url, 6000);
    struct store_position before = position_of(fixture->url);
    snprintf(path, sizeof path, "%s/behalf.db-wal", fixture->there);
    for (off_t bytes = 1000000; bytes <= 2000000; bytes += 1000000) {
        begin_move(fixture, fixture->url, fixture->there, NULL);
        for (int i = 0; i < 20000 && (stat(path, &about) != 0 || about.st_size < bytes); i++) {
            (void) poll(NULL, 0, 1);
        }
        child_signal(fixture->child, SIGKILL);
        assert_int_equal(child_wait(fixture->child, NULL), -SIGKILL);
        assert_held(fixture->there, "is not complete here");
    }
    assert_held(fixture->url, "is being moved to");
    assert_moved(fixture, fixture->url, fixture->there, NULL);
    assert_goes_on(fixture->there, &before);
}

static void an_interrupted_move_says_how_to_go_on_and_can_be_given_up(void **state)
{
    struct fixture *fixture = *state;

    fill(fixture->here, 6000);
    struct store_position before = position_of(fixture->here);
    begin_move(fixture, fixture->here, fixture->url, NULL);
    await_rows(fixture, 0);
    child_signal(fixture->child, SIGINT);
    free(child_expect_error(fixture->child, NULL, "give the same command again to go on, or with --cancel"));
    assert_int_equal(child_wait(fixture->child, NULL), 130);
    assert_refused(fixture, fixture->here, fixture->there, NULL, "is being moved to PostgreSQL");
    assert_refused(fixture, fixture->here, fixture->there, "--cancel", "goes to PostgreSQL");
    free(move(fixture, fixture->here, fixture->url, "--cancel"));
    assert_string_equal(sql_in(fixture, "SELECT concat_ws(' ', (SELECT count(*) FROM behalf.post), (SELECT count(*)"
                                        " FROM behalf.desk))"),
                        "0 0");
    assert_goes_on(fixture->here, &before);
    assert_refused(fixture, fixture->here, fixture->url, "--cancel", "no unfinished move");
}

static void a_move_that_is_done_is_done_again_without_harm(void **state)
{
    struct fixture *fixture = *state;

    fill(fixture->here, 10);
    assert_moved(fixture, fixture->here, fixture->url, NULL);
    begin_move(fixture, fixture->here, fixture->url, NULL);
    free(child_expect_error(fixture->child, NULL, "already: start its broker there"));
    assert_int_equal(child_wait(fixture->child, NULL), 0);
    assert_refused(fixture, fixture->here, fixture->url, "--cancel", "as good as done");
    // Cut off between marking the source and letting the target go: nobody may have it, and the next run ends it.
    (void) sql_in(fixture, "UPDATE behalf.desk SET held = 'arriving', held_epoch = epoch");
    assert_held(fixture->url, "is not complete here");
    assert_moved(fixture, fixture->here, fixture->url, NULL);
}

static void a_row_that_differs_is_found(void **state)
{
    struct fixture *fixture = *state;

    fill(fixture->here, 10);
    assert_moved(fixture, fixture->here, fixture->url, NULL);
    (void) sql_in(fixture, "UPDATE behalf.desk SET held = 'arriving', held_epoch = epoch");
    (void) sql_in(fixture, "UPDATE behalf.note SET text = 'tampered' WHERE item = 7 AND number = 2");
    assert_refused(fixture, fixture->here, fixture->url, NULL, "the table note differs (20 rows in the source, 20");
    assert_held(fixture->url, "is not complete here");
}

static void a_copy_leaves_the_source_usable(void **state)
{
    struct fixture *fixture = *state;

    fill(fixture->here, 10);
    struct store_position before = position_of(fixture->here);
    assert_moved(fixture, fixture->here, fixture->url, "--keep");
    assert_goes_on(fixture->here, &before);
    assert_goes_on(fixture->url, &before);
}

static void a_store_with_a_broker_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct store_position position;

    fill(fixture->here, 10);
    fill(fixture->url, 10);
    struct engine *engine = open_store(fixture->here);
    assert_refused(fixture, fixture->here, fixture->url, NULL, "another broker");
    assert_refused(fixture, fixture->url, fixture->here, NULL, "another broker");
    engine->operations->destroy(&engine);
    engine = open_store(fixture->url);
    assert_int_equal(engine->operations->take_over(engine, &position), STORE_OK);
    assert_refused(fixture, fixture->url, fixture->there, NULL, "a broker runs the desk demo on PostgreSQL");
    assert_refused(fixture, fixture->here, fixture->url, NULL, "a broker runs the desk demo on PostgreSQL");
    engine->operations->destroy(&engine);
    assert_refused(fixture, fixture->here, fixture->url, NULL, "has a desk demo already");
}

// What a broker that was killed has left in the journal is moved like all else.
static void a_move_brings_the_tables_up_to_the_journal_first(void **state)
{
    struct fixture *fixture = *state;
    struct change item = an_item(4242, ITEM_WAITING);
    struct codec_bytes bytes = { 0 };
    char sql[4096];

    fill(fixture->url, 10);
    uint64_t sequence = position_of(fixture->url).sequence;
    codec_add(&bytes, &item);
    int at = snprintf(sql, sizeof sql,
                      "WITH at AS (UPDATE behalf.desk SET sequence = sequence + 1 WHERE desk = 'demo' RETURNING *)"
                      " INSERT INTO behalf.journal SELECT desk, sequence - 1, sequence, 1, 1, epoch, next_id, clock_ms,"
                      " %d, '\\x",
                      CODEC_NUMBER);
    for (size_t i = 0; i < bytes.count; i++) {
        at += snprintf(sql + at, sizeof sql - (size_t) at, "%02x", bytes.bytes[i]);
    }
    snprintf(sql + at, sizeof sql - (size_t) at, "'::bytea FROM at");
    codec_fini(&bytes);
    (void) sql_in(fixture, sql);
    assert_moved(fixture, fixture->url, fixture->there, NULL);
    struct desk_under_test desk = { .engine = open_store(fixture->there) };
    desk_take_over(&desk);
    assert_int_equal(desk.position.sequence, sequence + 1);
    struct batch *batch = desk_batch(&desk, 1);
    put(batch, an_event(desk.position.sequence, 0, "afterwards"));
    struct question *asked = batch_ask(batch, &(struct question){ .kind = QUESTION_CLOSED_ITEM, .item = 4242 });
    assert_int_equal(desk_try(&desk, batch), STORE_OK);
    assert_true(asked->found);
    batch_destroy(&batch);
    desk.engine->operations->destroy(&desk.engine);
}

static void a_broker_that_only_seemed_gone_writes_nothing_any_more(void **state)
{
    struct fixture *fixture = *state;

    fill(fixture->url, 10);
    struct desk_under_test desk = { .engine = open_store(fixture->url) };
    desk_take_over(&desk);
    (void) sql_in(fixture, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name ="
                           " 'behalf desk=demo'");
    assert_moved(fixture, fixture->url, fixture->there, NULL);
    struct batch *batch = desk_batch(&desk, 1);
    put(batch, an_event(desk.position.sequence, 0, "too late"));
    enum store_result result = STORE_UNAVAILABLE;
    bool doubt = false;
    for (int i = 0; i < 5 && result != STORE_CONTRADICTED; i++) {
        result = engine_attempt(desk.engine, batch, &doubt);
        assert_int_not_equal(result, STORE_OK);
    }
    assert_int_equal(result, STORE_CONTRADICTED);
    batch_destroy(&batch);
    desk.engine->operations->destroy(&desk.engine);
}

static void what_cannot_be_moved_is_refused_in_one_line(void **state)
{
    struct fixture *fixture = *state;
    char wrong[256];

    assert_refused(fixture, fixture->here, fixture->url, NULL, "has no store");
    assert_int_not_equal(access(fixture->here, F_OK), 0);
    assert_refused(fixture, fixture->url, fixture->here, NULL, "has no desk");
    assert_int_not_equal(access(fixture->here, F_OK), 0);
    fill(fixture->there, 1);
    assert_refused(fixture, fixture->there, fixture->there, NULL, "are the same");
    assert_refused(fixture, fixture->there, "mysql://root:secret@db/behalf", NULL, "not one of PostgreSQL's");
    assert_refused(fixture, fixture->there, fixture->url, "--desk=other", "has no desk other, only demo");
    snprintf(wrong, sizeof wrong, "postgresql://behalf:secretx@127.0.0.1:%d/behalf", postgres_cluster_port(cluster));
    assert_refused(fixture, fixture->there, wrong, NULL, "check user and password");
    assert_refused(fixture, fixture->there, "postgresql://behalf:secret@127.0.0.1:1/behalf", NULL, "cannot be reached");
    // Nothing of this has touched the source.
    struct store_position before = position_of(fixture->there);
    assert_goes_on(fixture->there, &before);
}

static void wrong_usage_ends_with_2_and_never_shows_a_url(void **state)
{
    struct fixture *fixture = *state;
    const char *const argv[] = { ctl_program, "move", "--from", fixture->here, fixture->url, NULL };

    fixture->child = child_new(argv);
    char *line = child_expect_error(fixture->child, NULL, "one argument too many");
    assert_null(strstr(line, "secret"));
    free(line);
    assert_int_equal(child_wait(fixture->child, NULL), 2);
}

static void one_of_several_desks_is_moved_by_name(void **state)
{
    struct fixture *fixture = *state;

    fill(fixture->url, 10);
    (void) sql_in(fixture, "INSERT INTO behalf.desk (desk, epoch, sequence, next_id, clock_ms, owner)"
                           " VALUES ('other', 1, 0, 1, 0, '')");
    assert_refused(fixture, fixture->url, fixture->there, NULL, "several desks (demo, other): say which with --desk");
    assert_moved(fixture, fixture->url, fixture->there, "--desk=demo");
    assert_string_equal(sql_in(fixture, "SELECT held FROM behalf.desk WHERE desk = 'other'"), "");
}

// ---- with the real broker ----

static struct child *start_broker(const struct fixture *fixture, const char *option, const char *place)
{
    char listen[160];

    snprintf(listen, sizeof listen, "ipc://%s/broker.sock", fixture->folder);
    const char *const argv[] = { broker_program, "--desk", rules_file, option, place, "--listen", listen, NULL };
    return child_new(argv);
}

static void run_broker(const struct fixture *fixture, const char *option, const char *place)
{
    struct child *broker = start_broker(fixture, option, place);

    free(child_expect_error(broker, NULL, "broker ready"));
    child_signal(broker, SIGTERM);
    assert_int_equal(child_wait(broker, NULL), 0);
    child_destroy(&broker);
}

static void a_broker_goes_on_where_the_desk_is_and_refuses_where_it_was(void **state)
{
    struct fixture *fixture = *state;

    run_broker(fixture, "--data", fixture->here);
    assert_moved(fixture, fixture->here, fixture->url, NULL);
    struct child *broker = start_broker(fixture, "--data", fixture->here);
    free(child_expect_error(broker, NULL, "the desk demo was moved to PostgreSQL at"));
    assert_int_equal(child_wait(broker, NULL), 4);
    child_destroy(&broker);
    run_broker(fixture, "--store", fixture->url);
    assert_moved(fixture, fixture->url, fixture->there, NULL);
    run_broker(fixture, "--data", fixture->there);
}

// ---- nothing is forgotten ----

static bool is_carried(const char *table, const char *column, bool sqlite)
{
    for (size_t i = 0; i < move_table_count; i++) {
        const struct move_table *known = &move_tables[i];
        for (int c = 0; strcmp(sqlite ? known->sqlite : known->name, table) == 0 && c < known->column_count; c++) {
            if (strcmp(known->columns[c].name, column) == 0 && !(sqlite && known->columns[c].sqlite != NULL)) {
                return true;
            }
        }
    }
    // A lease is a broker's, not the desk's, and so is what brokers tell each other: where the desk goes that begins
    // anew.  So does the secret of the store that a desk is in: every row that was told has been compared.  What the
    // journal had is in the tables; what was set aside stays for whoever looks into it.
    return strcmp(column, "desk") == 0 || strcmp(table, "desk") == 0 || strcmp(table, "lease") == 0 ||
           strcmp(table, "candidate") == 0 || strcmp(table, "secret") == 0 || strcmp(table, "journal") == 0 ||
           strcmp(table, "applied") == 0 || strcmp(table, "journal_aside") == 0;
}

// Tables of SQLite under the names of the views that are read; what has ended is two of them.
#define TABLES_AS_THEY_ARE_READ                                                                                        \
    "SELECT CASE m.name WHEN 'open_item' THEN 'item' WHEN 'ended_item' THEN iif(c.name = 'ended' OR c.name LIKE"       \
    " 'outcome~_%' ESCAPE '~', 'outcome', 'item') ELSE replace(m.name, '_row', '') END,"                               \
    " iif(m.name = 'ended_item' AND c.name LIKE 'outcome~_%' ESCAPE '~', substr(c.name, 9), c.name)"                   \
    " FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c WHERE m.type = 'table'"

static void every_column_of_both_schemas_is_carried(void **state)
{
    struct fixture *fixture = *state;
    char path[160];
    sqlite3 *connection = NULL;
    sqlite3_stmt *statement = NULL;
    int columns = 0;

    fill(fixture->here, 1);
    fill(fixture->url, 1);
    snprintf(path, sizeof path, "%s/behalf.db", fixture->here);
    assert_int_equal(sqlite3_open(path, &connection), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(connection, TABLES_AS_THEY_ARE_READ, -1, &statement, NULL), SQLITE_OK);
    while (sqlite3_step(statement) == SQLITE_ROW) {
        const char *table = (const char *) sqlite3_column_text(statement, 0);
        const char *column = (const char *) sqlite3_column_text(statement, 1);
        columns++;
        if (!is_carried(table, column, true)) {
            fail_msg("behalf-ctl move does not carry %s.%s of SQLite: see move_table.c", table, column);
        }
    }
    sqlite3_finalize(statement);
    assert_int_equal(sqlite3_close(connection), SQLITE_OK);
    assert_true(columns > 100);
    PGconn *link = PQconnectdb(fixture->url);
    // Tables of desks: those with a column of that name.
    PGresult *result = PQexec(link, "SELECT t.relname, a.attname FROM pg_class AS t JOIN pg_attribute AS a"
                                    " ON a.attrelid = t.oid WHERE t.relnamespace = 'behalf'::regnamespace"
                                    " AND t.relkind IN ('r', 'p') AND NOT t.relispartition AND a.attnum > 0"
                                    " AND NOT a.attisdropped AND a.attgenerated = '' AND EXISTS (SELECT FROM"
                                    " pg_attribute AS d WHERE d.attrelid = t.oid AND d.attname = 'desk')");
    assert_true(PQntuples(result) > 100);
    for (int row = 0; row < PQntuples(result); row++) {
        const char *table = PQgetvalue(result, row, 0);
        if (!is_carried(table, PQgetvalue(result, row, 1), false)) {
            fail_msg("behalf-ctl move does not carry %s.%s of PostgreSQL: see move_table.c", table,
                     PQgetvalue(result, row, 1));
        }
    }
    PQclear(result);
    PQfinish(link);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest claims[] = {
        CLAIM(a_desk_goes_to_postgres_and_back_and_is_the_same),
        CLAIM(a_desk_goes_on_in_postgres_and_home_again_in_the_place_of_its_past),
        CLAIM(a_move_killed_in_the_middle_goes_on_from_there),
        CLAIM(a_move_killed_on_the_way_back_goes_on_from_there),
        CLAIM(an_interrupted_move_says_how_to_go_on_and_can_be_given_up),
        CLAIM(a_move_that_is_done_is_done_again_without_harm),
        CLAIM(a_row_that_differs_is_found),
        CLAIM(a_copy_leaves_the_source_usable),
        CLAIM(a_store_with_a_broker_is_refused),
        CLAIM(a_move_brings_the_tables_up_to_the_journal_first),
        CLAIM(a_broker_that_only_seemed_gone_writes_nothing_any_more),
        CLAIM(what_cannot_be_moved_is_refused_in_one_line),
        CLAIM(wrong_usage_ends_with_2_and_never_shows_a_url),
        CLAIM(one_of_several_desks_is_moved_by_name),
        CLAIM(a_broker_goes_on_where_the_desk_is_and_refuses_where_it_was),
        CLAIM(every_column_of_both_schemas_is_carried),
    };

    if (argc != 4) {
        fprintf(stderr, "usage: move_test BEHALF-CTL BEHALF-BROKER RULES\n");
        return 2;
    }
    ctl_program = argv[1];
    broker_program = argv[2];
    rules_file = argv[3];
    if (!postgres_cluster_possible()) {
        return 77;
    }
    return cmocka_run_group_tests_name("move", claims, postgres_cluster_set_up_group, postgres_cluster_tear_down_group);
}
