// store_conformance_test.c - claims that hold for every engine, run once over each.

#include "tests/unit/memory_disk.h"
#include "tests/system/postgres_cluster.h"
#include "tests/unit/record_samples.h"
#include "tests/unit/store_desk.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

// An engine that can be closed and opened again on what it left.
struct fixture {
    struct desk_under_test desk;
    struct desk_under_test before; // with the desk in every transaction, where engines share one
    struct desk_under_test after;
    struct memory_disk *disk;
    struct fault_plan *plan; // of SQLite's file, where it fails by plan
    char folder[64];         // SQLite's
    char name[32];           // of the desk: tests over PostgreSQL share a database
};

static enum { OVER_MEMORY, OVER_JOURNAL, OVER_SQLITE, OVER_POSTGRES } engine_kind;
static bool faulty; // SQLite's file fails by plan; the disk in memory does anyway
static bool shared; // the desk shares its session and its transactions with two others
static struct postgres_cluster *cluster;

static void open_engine(struct fixture *fixture)
{
    char reason[512] = "";

    if (engine_kind == OVER_POSTGRES) {
        fixture->desk.engine =
            engine_postgres_open(postgres_cluster_url(cluster), fixture->name, reason, sizeof reason);
    } else if (engine_kind == OVER_SQLITE) {
        fixture->desk.engine = engine_sqlite_open(fixture->folder, fixture->name, reason, sizeof reason);
    } else {
        fixture->desk.engine = memory_disk_open(fixture->disk, fixture->name);
    }
    if (fixture->desk.engine == NULL) {
        print_message("%s\n", reason);
    }
    assert_non_null(fixture->desk.engine);
    if (faulty) {
        fixture->desk.engine = faulty_engine_new(&fixture->desk.engine, fixture->plan);
    }
    if (fixture->desk.before != NULL) {
        assert_true(fixture->desk.engine->operations->join(fixture->desk.engine, fixture->before.engine));
    }
}

static void add_neighbour(struct fixture *fixture, struct desk_under_test *neighbour, const char *which)
{
    char reason[512] = "";
    char name[48];

    snprintf(name, sizeof name, "%s-%s", which, fixture->name);
    neighbour->engine = engine_postgres_open(postgres_cluster_url(cluster), name, reason, sizeof reason);
    assert_non_null(neighbour->engine);
    desk_take_over(neighbour);
}

static void add_neighbours(struct fixture *fixture)
{
    add_neighbour(fixture, &fixture->before, "a");
    add_neighbour(fixture, &fixture->after, "z");
    assert_true(fixture->after.engine->operations->join(fixture->after.engine, fixture->before.engine));
    fixture->desk.before = &fixture->before;
    fixture->desk.after = &fixture->after;
}

static void close_engine(struct fixture *fixture)
{
    fixture->desk.engine->operations->destroy(&fixture->desk.engine);
    assert_null(fixture->desk.engine);
}

static void reopen(struct fixture *fixture)
{
    close_engine(fixture);
    open_engine(fixture);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    static int desks = 0;

    cluster = *state;
    snprintf(fixture->name, sizeof fixture->name, "support-%d", ++desks);
    fixture->disk = memory_disk_new();
    if (engine_kind == OVER_JOURNAL) {
        memory_disk_keep_journal(fixture->disk);
    }
    fixture->plan = fault_plan_new();
    snprintf(fixture->folder, sizeof fixture->folder, "/tmp/behalf-store-XXXXXX");
    if (mkdtemp(fixture->folder) == NULL) {
        return -1;
    }
    if (shared) {
        add_neighbours(fixture);
    }
    open_engine(fixture);
    desk_take_over(&fixture->desk);
    *state = fixture;
    return 0;
}

static void remove_file(const char *folder, const char *name)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    (void) unlink(path);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    close_engine(fixture);
    if (shared) {
        fixture->before.engine->operations->destroy(&fixture->before.engine);
        fixture->after.engine->operations->destroy(&fixture->after.engine);
    }
    memory_disk_destroy(&fixture->disk);
    fault_plan_destroy(&fixture->plan);
    remove_file(fixture->folder, "behalf.db");
    remove_file(fixture->folder, "behalf.db-wal");
    remove_file(fixture->folder, "behalf.db-shm");
    remove_file(fixture->folder, "marks");
    remove_file(fixture->folder, "lock");
    (void) rmdir(fixture->folder);
    free(fixture);
    return 0;
}

// Everything read back, copied.
struct seen {
    struct change_list *list;
    uint64_t keys;
    char last_key[32];
    int64_t last_taken_ms;
    char order[64]; // first letters of what came, once per run of the same
};

static bool saw(struct seen *seen, char letter, struct change change)
{
    size_t length = strlen(seen->order);

    if (length == 0 || seen->order[length - 1] != letter) {
        seen->order[length] = letter;
    }
    change_list_add(seen->list, &change);
    return true;
}

static bool see_rules(void *self, const struct rules_record *rules)
{
    return saw(self, 'r', (struct change){ .kind = CHANGE_RULES, .rules = *rules });
}

static bool see_freeze(void *self, const struct freeze_record *freeze)
{
    return saw(self, 'f', (struct change){ .kind = CHANGE_FREEZE, .freeze = *freeze });
}

static bool see_item(void *self, const struct item_record *item)
{
    return saw(self, 'i', (struct change){ .kind = CHANGE_ITEM, .item = *item });
}

static bool see_reply(void *self, const struct reply_record *reply)
{
    return saw(self, 'p', (struct change){ .kind = CHANGE_REPLY, .reply = *reply });
}

static bool see_outcome(void *self, const struct outcome_record *outcome)
{
    return saw(self, 'o', (struct change){ .kind = CHANGE_OUTCOME, .outcome = *outcome });
}

static bool see_early(void *self, const struct early_record *early)
{
    return saw(self, 'e', (struct change){ .kind = CHANGE_EARLY, .early = *early });
}

static bool see_request(void *self, const struct request_record *request)
{
    return saw(self, 'q', (struct change){ .kind = CHANGE_REQUEST, .request = *request });
}

static bool see_key(void *self, const char *channel, const char *post, int64_t taken_ms)
{
    struct seen *seen = self;
    size_t length = strlen(seen->order);

    if (length == 0 || seen->order[length - 1] != 'k') {
        seen->order[length] = 'k';
    }
    seen->keys++;
    assert_string_equal(channel, "chirp");
    snprintf(seen->last_key, sizeof seen->last_key, "%s", post);
    seen->last_taken_ms = taken_ms;
    return true;
}

static struct seen read_back(struct fixture *fixture, int64_t outcomes_since_ms, int64_t keys_since_ms)
{
    struct seen seen = { .list = change_list_new() };
    struct store_reader reader = { .self = &seen,
                                   .outcomes_since_ms = outcomes_since_ms,
                                   .keys_since_ms = keys_since_ms,
                                   .rules = see_rules,
                                   .freeze = see_freeze,
                                   .item = see_item,
                                   .reply = see_reply,
                                   .outcome = see_outcome,
                                   .early = see_early,
                                   .intake_key = see_key,
                                   .request = see_request };

    enum store_result result = fixture->desk.engine->operations->read(fixture->desk.engine, &reader);
    if (result != STORE_OK) {
        print_message("%s\n", fixture->desk.engine->reason);
    }
    assert_int_equal(result, STORE_OK);
    return seen;
}

// Answers one question against what is on disk.  The batch stays, as the answer's texts are in it.
static struct question *ask(struct fixture *fixture, struct question question, struct batch **batch_p)
{
    struct batch *batch = batch_new();
    struct question *asked = batch_ask(batch, &question);

    enum store_result result = desk_try(&fixture->desk, batch);
    if (result != STORE_OK) {
        print_message("%s\n", fixture->desk.engine->reason);
    }
    assert_int_equal(result, STORE_OK);
    *batch_p = batch;
    return asked;
}

static void assert_same(enum record record, const void *a, const void *b)
{
    const char *column = record_difference(record, a, b);

    if (column != NULL) {
        print_message("the column %s differs\n", column);
    }
    assert_null(column);
}

static void a_takeover_raises_the_epoch_and_nothing_else(void **state)
{
    struct fixture *fixture = *state;
    struct store_position before = fixture->desk.position;

    assert_int_equal(before.epoch, 1);
    assert_int_equal(before.next_id, 1);
    reopen(fixture);
    desk_take_over(&fixture->desk);
    assert_int_equal(fixture->desk.position.epoch, before.epoch + 1);
    assert_int_equal(fixture->desk.position.sequence, before.sequence);
    assert_int_equal(fixture->desk.position.next_id, before.next_id);
}

static void the_secret_of_a_desk_is_made_once(void **state)
{
    struct fixture *fixture = *state;
    char first[ENGINE_SECRET_BYTES] = "";
    char again[ENGINE_SECRET_BYTES] = "";

    assert_int_equal(fixture->desk.engine->operations->secret(fixture->desk.engine, first), STORE_OK);
    assert_true(strlen(first) >= 16);
    reopen(fixture);
    assert_int_equal(fixture->desk.engine->operations->secret(fixture->desk.engine, again), STORE_OK);
    assert_string_equal(first, again);
}

static void a_desk_is_read_back_as_it_was_written_and_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 9);

    put(batch, (struct change){ .kind = CHANGE_RULES, .rules = { 1, "old.yaml", "brands: {}", 11, false } });
    put(batch, (struct change){ .kind = CHANGE_RULES, .rules = { 2, "new.yaml", "brands: {acme: 1}", 12, false } });
    put(batch, (struct change){ .kind = CHANGE_FREEZE, .freeze = { "acme", true, "eve", "storm", 13 } });
    put(batch, (struct change){ .kind = CHANGE_FREEZE, .freeze = { "zeta", true, "eve", "storm", 13 } });
    put(batch, (struct change){ .kind = CHANGE_FREEZE, .freeze = { "zeta", false, "eve", "over", 14 } });
    put(batch, a_post(1, 1, "p-1", "hola"));
    put(batch, an_item(1, ITEM_HELD));
    put(batch, a_post(2, 1, "p-2", "hola"));
    put(batch, an_item(2, ITEM_SENDING));
    put(batch, a_reply(3, 2, REPLY_HANDED, "buenos días"));
    put(batch, a_reply(4, 2, REPLY_FAILED, "never"));
    put(batch, a_post(6, 1, "p-6", "viejo"));
    put(batch, an_item(6, ITEM_CLOSED));
    put(batch, an_outcome(6, 0, 500));
    put(batch, a_post(5, 1, "p-5", "adiós"));
    put(batch, an_item(5, ITEM_CLOSED));
    put(batch, an_outcome(5, 4, 70000));
    desk_commit(&fixture->desk, &batch);
    reopen(fixture);
    struct seen seen = read_back(fixture, 1000, 0);
    assert_string_equal(seen.order, "rfipok");
    assert_int_equal(change_list_change_count(seen.list), 6);
    const struct change *change = change_list_changes(seen.list);
    assert_int_equal(change->rules.version, 2);
    assert_string_equal(change->rules.name, "new.yaml");
    assert_string_equal(change->rules.text, "brands: {acme: 1}");
    assert_int_equal(change->rules.at_ms, 12);
    change = change->next;
    assert_string_equal(change->freeze.brand, "acme");
    assert_true(change->freeze.frozen);
    assert_string_equal(change->freeze.person, "eve");
    assert_string_equal(change->freeze.reason, "storm");
    assert_int_equal(change->freeze.at_ms, 13);
    change = change->next;
    struct change wanted = an_item(1, ITEM_HELD);
    assert_same(RECORD_ITEM, &change->item, &wanted.item);
    change = change->next;
    wanted = an_item(2, ITEM_SENDING);
    assert_same(RECORD_ITEM, &change->item, &wanted.item);
    change = change->next;
    wanted = a_reply(3, 2, REPLY_HANDED, "buenos días");
    assert_same(RECORD_REPLY, &change->reply, &wanted.reply);
    change = change->next;
    wanted = an_outcome(5, 4, 70000);
    assert_same(RECORD_OUTCOME, &change->outcome, &wanted.outcome);
    assert_int_equal(seen.keys, 4);
    change_list_destroy(&seen.list);
}

// Samples of all that is read back, with the keys of the samples `keys`: those overwrite these.
static struct change sample_to_read(struct change_list *memory, enum change_kind kind, unsigned number, unsigned keys)
{
    struct change change = record_sample(memory, kind, number);
    struct change first = record_sample(memory, kind, keys);

    if (kind == CHANGE_ITEM) {
        change.item.item = first.item.item;
        change.item.state = (enum item_state)(number % ITEM_CLOSED); // what is open is read back
    } else if (kind == CHANGE_REPLY) {
        change.reply.reply = first.reply.reply;
        change.reply.item = record_sample(memory, CHANGE_ITEM, keys).item.item;
        change.reply.brand = first.reply.brand;
        change.reply.channel = first.reply.channel;
        change.reply.state = number % 2 == 0 ? REPLY_QUEUED : REPLY_UNKNOWN;
        change.reply.sealed = number > keys && (first.reply.sealed || change.reply.sealed);
    } else if (kind == CHANGE_FREEZE) {
        change.freeze.brand = first.freeze.brand;
        change.freeze.frozen = true;
    } else if (kind == CHANGE_EARLY) {
        change.early.channel = first.early.channel;
        change.early.post = first.early.post;
        change.early.number = first.early.number;
    } else if (kind == CHANGE_REQUEST) {
        change.request.slot = first.request.slot;
    }
    return change;
}

static const enum change_kind read_kinds[] = { CHANGE_ITEM, CHANGE_REPLY, CHANGE_FREEZE, CHANGE_EARLY, CHANGE_REQUEST };
#define READ_KINDS (sizeof read_kinds / sizeof *read_kinds)

// Asserts: a change came back in all its columns.
static void assert_among(const struct change *wanted, const struct change *seen)
{
    enum record record = change_record_of(wanted->kind);
    const char *key = columns_of(record)->columns[0].name;
    const char *nearest = key;

    for (; seen != NULL && nearest != NULL; seen = seen->next) {
        if (seen->kind == wanted->kind) {
            const char *column = record_difference(record, change_record(seen), change_record(wanted));
            nearest = column == NULL || strcmp(column, key) != 0 ? column : nearest;
        }
    }
    if (nearest != NULL) {
        print_message("of a change of kind %d the column %s differs\n", (int) wanted->kind, nearest);
    }
    assert_null(nearest);
}

static void every_column_comes_back_in_its_place_also_when_written_again(void **state)
{
    struct fixture *fixture = *state;
    struct change_list *memory = change_list_new();

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned keys = 0; keys < RECORD_SAMPLES; keys++) {
            struct batch *batch = desk_batch(&fixture->desk, 1);
            unsigned number = keys + round * RECORD_SAMPLES;
            for (size_t i = 0; i < READ_KINDS; i++) {
                put(batch, sample_to_read(memory, read_kinds[i], number, keys));
            }
            if (round == 0) {
                put(batch, record_sample(memory, CHANGE_OUTCOME, number));
            }
            desk_commit(&fixture->desk, &batch);
        }
        reopen(fixture);
        struct seen seen = read_back(fixture, 0, 0);
        for (unsigned keys = 0; keys < RECORD_SAMPLES; keys++) {
            for (size_t i = 0; i < READ_KINDS; i++) {
                struct change wanted = sample_to_read(memory, read_kinds[i], keys + round * RECORD_SAMPLES, keys);
                assert_among(&wanted, change_list_changes(seen.list));
            }
            struct change wanted = record_sample(memory, CHANGE_OUTCOME, keys);
            assert_among(&wanted, change_list_changes(seen.list));
        }
        change_list_destroy(&seen.list);
        desk_take_over(&fixture->desk);
    }
    change_list_destroy(&memory);
}

// What the rows of a table count that a condition holds for, in the SQL that both engines know.
static int count_rows(const struct fixture *fixture, const char *sql)
{
    sqlite3 *connection = NULL;
    sqlite3_stmt *statement = NULL;
    char path[128];

    if (engine_kind == OVER_POSTGRES) {
        return atoi(postgres_cluster_sql(cluster, sql));
    }
    snprintf(path, sizeof path, "%s/behalf.db", fixture->folder);
    assert_int_equal(sqlite3_open_v2(path, &connection, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(connection, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int count = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(connection);
    return count;
}

static void write_value(FILE *out, const struct column *column, const void *record)
{
    if (column->kind == COLUMN_TEXT) {
        fprintf(out, "%s = '%s'", column->name, column_text(column, record));
    } else if (column->kind == COLUMN_FLAG) {
        fprintf(out, "%s = %s", column->name, column_number(column, record) != 0 ? "true" : "false");
    } else {
        fprintf(out, "%s = %" PRId64, column->name, column_number(column, record));
    }
}

// Asserts: the table has a row with this value in this column, and with that in the first.
static void assert_in_table(const struct fixture *fixture, const char *table, const struct column *first,
                            const struct column *column, const void *record)
{
    char sql[512];
    FILE *out = fmemopen(sql, sizeof sql, "w");

    assert_non_null(out);
    fprintf(out, "SELECT count(*) FROM %s%s WHERE desk = '%s' AND ", engine_kind == OVER_POSTGRES ? "behalf." : "",
            table, fixture->name);
    write_value(out, first, record);
    fputs(" AND ", out);
    write_value(out, column, record);
    assert_int_equal(fclose(out), 0);
    int count = count_rows(fixture, sql);
    if (count != 1) {
        print_message("%d rows: %s\n", count, sql);
    }
    assert_int_equal(count, 1);
}

// What is not read back after a start stands where an analyst looks for it.
static void every_column_of_what_is_not_read_back_is_in_its_table(void **state)
{
    static const struct {
        enum change_kind kind;
        const char *table;
    } kinds[] = {
        { CHANGE_POST, "post" }, { CHANGE_DRAFT, "draft" }, { CHANGE_NOTE, "note" }, { CHANGE_EVENT, "event" }
    };
    struct fixture *fixture = *state;
    struct change_list *memory = change_list_new();
    struct batch *batch = desk_batch(&fixture->desk, 1000000); // no event is of a sequence to come

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        for (unsigned number = 0; number < RECORD_SAMPLES; number++) {
            put(batch, record_sample(memory, kinds[i].kind, number));
        }
    }
    desk_commit(&fixture->desk, &batch);
    // Reading the desk back waits for its tables, where an engine has a journal.
    const struct store_reader nobody = { 0 };
    assert_int_equal(fixture->desk.engine->operations->read(fixture->desk.engine, &nobody), STORE_OK);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        for (unsigned number = 0; number < RECORD_SAMPLES; number++) {
            struct change change = record_sample(memory, kinds[i].kind, number);
            const struct record_columns *all = columns_of(change_record_of(change.kind));
            for (size_t at = 0; at < all->count; at++) {
                assert_in_table(fixture, kinds[i].table, &all->columns[0], &all->columns[at], change_record(&change));
            }
        }
    }
    change_list_destroy(&memory);
}

static void a_reply_whose_state_changed_keeps_its_text_and_what_it_answers(void **state)
{
    struct fixture *fixture = *state;
    struct change_list *memory = change_list_new();
    struct batch *batch = desk_batch(&fixture->desk, 1);
    struct change first = sample_to_read(memory, CHANGE_REPLY, 0, 0);
    struct change changed = sample_to_read(memory, CHANGE_REPLY, RECORD_SAMPLES, 0);
    struct change wanted = changed;

    put(batch, sample_to_read(memory, CHANGE_ITEM, 0, 0));
    put(batch, first);
    desk_commit(&fixture->desk, &batch);
    batch = desk_batch(&fixture->desk, 1);
    changed.reply.text = NULL;
    put(batch, changed);
    desk_commit(&fixture->desk, &batch);
    reopen(fixture);
    struct seen seen = read_back(fixture, 0, 0);
    wanted.reply.text = first.reply.text;
    const struct change *back = change_list_changes(seen.list);
    assert_int_equal(back->next->kind, CHANGE_REPLY);
    assert_same(RECORD_REPLY, &back->next->reply, &wanted.reply);
    change_list_destroy(&seen.list);
    change_list_destroy(&memory);
}

static void requests_are_read_back_by_their_slots_and_the_newer_of_a_slot_alone(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 3);

    put(batch, a_request(2, "chloe", INT64_MAX));
    put(batch, a_request(1, "ben", 4711));
    put(batch, a_request(0, "asha", 4712));
    desk_commit(&fixture->desk, &batch);
    batch = desk_batch(&fixture->desk, 1);
    put(batch, a_request(1 + REQUESTS_KEPT_MAX, "dan", 4713));
    desk_commit(&fixture->desk, &batch);
    reopen(fixture);
    struct seen seen = read_back(fixture, 0, 0);
    assert_string_equal(seen.order, "q");
    assert_int_equal(change_list_change_count(seen.list), 3);
    const struct change *change = change_list_changes(seen.list);
    struct change wanted = a_request(0, "asha", 4712);
    assert_same(RECORD_REQUEST, &change->request, &wanted.request);
    wanted = a_request(1 + REQUESTS_KEPT_MAX, "dan", 4713);
    assert_same(RECORD_REQUEST, &change->next->request, &wanted.request);
    wanted = a_request(2, "chloe", INT64_MAX);
    assert_same(RECORD_REQUEST, &change->next->next->request, &wanted.request);
    change_list_destroy(&seen.list);
}

static void old_requests_are_not_read_back(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 2);
    struct change old = a_request(0, "asha", 1);
    struct change young = a_request(1, "asha", 2);
    struct seen seen = { .list = change_list_new() };
    struct store_reader reader = { .self = &seen, .requests_since_ms = 1000, .request = see_request };

    old.request.at_ms = 999;
    young.request.at_ms = 1000;
    put(batch, old);
    put(batch, young);
    desk_commit(&fixture->desk, &batch);
    assert_int_equal(fixture->desk.engine->operations->read(fixture->desk.engine, &reader), STORE_OK);
    assert_int_equal(change_list_change_count(seen.list), 1);
    assert_int_equal(change_list_changes(seen.list)->request.id, 2);
    change_list_destroy(&seen.list);
}

static void names_are_read_back_from_the_time_of_taking_asked_on(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 2);
    struct change old = a_post(1, 1, "p-1", "old");
    struct change young = a_post(2, 1, "p-2", "young");

    young.post.posted_ms = 0; // the platform's time counts for nothing
    young.post.taken_ms = old.post.taken_ms + 70;
    put(batch, young);
    put(batch, old);
    desk_commit(&fixture->desk, &batch);
    struct seen seen = read_back(fixture, 0, young.post.taken_ms);
    assert_int_equal(seen.keys, 1);
    assert_int_equal(seen.last_taken_ms, young.post.taken_ms);
    assert_string_equal(seen.last_key, "p-2");
    change_list_destroy(&seen.list);
    seen = read_back(fixture, 0, 0);
    assert_int_equal(seen.keys, 2);
    change_list_destroy(&seen.list);
}

// Of each post its texts by number, the one told last, in the order of telling, until they are gone.
static void early_changes_are_read_back_until_they_are_gone(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 5);
    struct early_record early = { .channel = "chirp", .post = "p-1", .text = "first", .edited_ms = 7, .kept_ms = 10 };

    put(batch, (struct change){ .kind = CHANGE_EARLY, .early = early });
    early = (struct early_record){ .channel = "chirp", .post = "p-2", .text = "gone", .kept_ms = 11 };
    put(batch, (struct change){ .kind = CHANGE_EARLY, .early = early });
    put(batch, (struct change){ .kind = CHANGE_EARLY_GONE, .early = early });
    early = (struct early_record){ .channel = "chirp", .post = "p-3", .deleted = true, .text = "", .kept_ms = 12 };
    put(batch, (struct change){ .kind = CHANGE_EARLY, .early = early });
    early = (struct early_record){ .channel = "chirp", .post = "p-1", .text = "second", .edited_ms = 9, .kept_ms = 13 };
    put(batch, (struct change){ .kind = CHANGE_EARLY, .early = early });
    early = (struct early_record){ .channel = "chirp", .post = "p-1", .text = "third", .kept_ms = 14, .number = 1 };
    put(batch, (struct change){ .kind = CHANGE_EARLY, .early = early });
    early = (struct early_record){ .channel = "chirp", .post = "p-1", .text = "fourth", .kept_ms = 15, .number = 2 };
    put(batch, (struct change){ .kind = CHANGE_EARLY, .early = early });
    early.number = 1;
    put(batch, (struct change){ .kind = CHANGE_EARLY_GONE, .early = early });
    early =
        (struct early_record){ .channel = "", .post = "", .text = "", .kept_ms = 16 }; // of no post: some was let go
    put(batch, (struct change){ .kind = CHANGE_EARLY, .early = early });
    desk_commit(&fixture->desk, &batch);
    struct seen seen = read_back(fixture, 0, 0);
    const struct change *change = change_list_changes(seen.list);
    assert_int_equal(change_list_change_count(seen.list), 4);
    assert_string_equal(change->early.post, "p-3");
    assert_true(change->early.deleted);
    assert_string_equal(change->next->early.post, "p-1");
    assert_string_equal(change->next->early.text, "second");
    assert_int_equal(change->next->early.edited_ms, 9);
    assert_int_equal(change->next->early.kept_ms, 13);
    assert_string_equal(change->next->next->early.text, "fourth");
    assert_int_equal(change->next->next->early.number, 2);
    assert_string_equal(change->next->next->next->early.channel, "");
    assert_int_equal(change->next->next->next->early.kept_ms, 16);
    change_list_destroy(&seen.list);
}

static void the_last_state_of_an_item_holds(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 2);

    put(batch, an_item(1, ITEM_WAITING));
    put(batch, an_item(1, ITEM_OFFERED));
    desk_commit(&fixture->desk, &batch);
    batch = desk_batch(&fixture->desk, 1);
    put(batch, an_item(1, ITEM_PARKED));
    desk_commit(&fixture->desk, &batch);
    reopen(fixture);
    struct seen seen = read_back(fixture, 0, 0);
    assert_int_equal(change_list_change_count(seen.list), 1);
    assert_int_equal(change_list_changes(seen.list)->item.state, ITEM_PARKED);
    change_list_destroy(&seen.list);
}

static void a_desk_that_is_elsewhere_takes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct engine *engine = fixture->desk.engine;
    struct desk_under_test stale = fixture->desk;
    struct store_position position;

    desk_take_over(&fixture->desk);
    struct batch *batch = desk_batch(&stale, 1);
    put(batch, an_item(1, ITEM_WAITING));
    assert_int_equal(desk_try(&fixture->desk, batch), STORE_CONTRADICTED);
    assert_true(strlen(engine->reason) > 0);
    batch_destroy(&batch);
    stale = fixture->desk;
    stale.position.sequence += 3;
    batch = desk_batch(&stale, 1);
    put(batch, an_item(1, ITEM_WAITING));
    assert_int_equal(desk_try(&fixture->desk, batch), STORE_CONTRADICTED);
    batch_destroy(&batch);
    assert_int_equal(engine->operations->position(engine, &position), STORE_OK);
    assert_int_equal(position.epoch, fixture->desk.position.epoch);
    assert_int_equal(position.sequence, fixture->desk.position.sequence);
    struct seen seen = read_back(fixture, 0, 0);
    assert_int_equal(change_list_change_count(seen.list), 0);
    change_list_destroy(&seen.list);
}

static void a_batch_committed_before_is_only_answered(void **state)
{
    struct fixture *fixture = *state;
    struct engine *engine = fixture->desk.engine;
    struct batch *batch = desk_batch(&fixture->desk, 2);
    struct question *question = batch_ask(batch, &(struct question){ .kind = QUESTION_ITEM, .item = 1 });

    put(batch, a_post(1, 1, "p-1", "once"));
    put(batch, an_item(1, ITEM_WAITING));
    put(batch, a_note(1, "note", "only once", false));
    assert_int_equal(desk_try(&(struct desk_under_test){ .engine = engine }, batch), STORE_OK);
    assert_int_equal(desk_try(&(struct desk_under_test){ .engine = engine }, batch), STORE_OK);
    assert_true(question->found);
    assert_int_equal(question->view.story_count, 2);
    batch_destroy(&batch);
}

static void a_contradiction_leaves_nothing_behind(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 1);
    struct desk_under_test before;
    struct batch *asked = NULL;

    put(batch, a_post(1, 1, "p-1", "first"));
    desk_commit(&fixture->desk, &batch);
    before = fixture->desk;
    batch = desk_batch(&fixture->desk, 1);
    put(batch, an_item(7, ITEM_WAITING));
    put(batch, a_post(1, 1, "p-1", "first"));
    assert_int_equal(desk_try(&fixture->desk, batch), STORE_CONTRADICTED);
    batch_destroy(&batch);
    batch = desk_batch(&before, 1);
    put(batch, an_item(8, ITEM_WAITING));
    put(batch, (struct change){ .kind = CHANGE_POST_CHANGE,
                                .post_change = { .channel = "chirp", .post = "none", .brand = "acme", .text = "" } });
    assert_int_equal(desk_try(&fixture->desk, batch), STORE_CONTRADICTED);
    batch_destroy(&batch);
    struct question *question = ask(fixture, (struct question){ .kind = QUESTION_CLOSED_ITEM, .item = 7 }, &asked);
    assert_false(question->found);
    batch_destroy(&asked);
    question = ask(fixture, (struct question){ .kind = QUESTION_CLOSED_ITEM, .item = 8 }, &asked);
    assert_false(question->found);
    batch_destroy(&asked);
}

static void a_group_is_one_commit(void **state)
{
    struct fixture *fixture = *state;
    struct engine *engine = fixture->desk.engine;
    struct batch *first = desk_batch(&fixture->desk, 1);
    struct batch *second = desk_batch(&fixture->desk, 1);
    struct batch *third = desk_batch(&fixture->desk, 1);
    struct store_position position;

    put(first, an_item(1, ITEM_WAITING));
    put(second, an_item(2, ITEM_WAITING));
    put(third, an_item(3, ITEM_WAITING));
    struct question *question = batch_ask(third, &(struct question){ .kind = QUESTION_CLOSED_ITEM, .item = 3 });
    batch_link(first, second);
    batch_link(second, third);
    assert_int_equal(desk_try(&fixture->desk, first), STORE_OK);
    assert_true(question->found);
    assert_int_equal(engine->operations->position(engine, &position), STORE_OK);
    assert_int_equal(position.sequence, 3);
    assert_int_equal(position.next_id, fixture->desk.position.next_id);
    assert_int_equal(position.clock_ms, fixture->desk.position.clock_ms);
    batch_destroy(&first);
    batch_destroy(&second);
    batch_destroy(&third);
}

static const struct behalf_entry *find_entry(const struct question *answer, const char *kind, const char *text)
{
    for (size_t i = 0; i < answer->view.story_count; i++) {
        const struct behalf_entry *entry = &answer->view.story[i];
        if (strcmp(entry->kind, kind) == 0 && strcmp(entry->text, text) == 0) {
            return entry;
        }
    }
    return NULL;
}

static void a_post_taken_is_found_by_channel_and_exact_id_whatever_its_day(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 1);
    struct batch *asked = NULL;
    struct change post = a_post(4, 1, "p-4", "text");
    struct question question = { .kind = QUESTION_INTAKE, .channel = "chirp", .post = "p-4" };

    put(batch, post);
    put(batch, a_post(5, 1, "p-5", "another"));
    desk_commit(&fixture->desk, &batch);
    struct question *answer = ask(fixture, question, &asked);
    assert_true(answer->found);
    assert_int_equal(answer->known->item, 4);
    assert_null(answer->known->next);
    assert_false(answer->known->deleted);
    assert_false(answer->known->edited);
    assert_string_equal(answer->known->first_text, "text");
    assert_string_equal(answer->known->post.text, "text");
    assert_string_equal(answer->known->post.author, "@maria");
    assert_int_equal(answer->known->post.posted_ms, post.post.posted_ms);
    batch_destroy(&asked);
    question.post = "P-4";
    assert_false(ask(fixture, question, &asked)->found);
    batch_destroy(&asked);
    question.post = "p-4";
    question.channel = "pagebook";
    assert_false(ask(fixture, question, &asked)->found);
    batch_destroy(&asked);
}

static struct change an_edit(const char *post, const char *brand, const char *text, int64_t edited_ms)
{
    return (struct change){ .kind = CHANGE_POST_CHANGE,
                            .post_change = { .channel = "chirp",
                                             .post = post,
                                             .brand = brand,
                                             .text = text,
                                             .at_ms = edited_ms ? edited_ms : 6000,
                                             .edited_ms = edited_ms } };
}

static void the_same_id_of_two_brands_is_two_posts(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 3);
    struct batch *asked = NULL;
    struct change of_zeta = a_post(2, 1, "p-1", "of zeta");

    of_zeta.post.brand = "zeta";
    put(batch, of_zeta);
    put(batch, a_post(1, 1, "p-1", "of acme"));
    put(batch, an_edit("p-1", "zeta", "of zeta, edited", 70));
    desk_commit(&fixture->desk, &batch);
    struct question question = { .kind = QUESTION_INTAKE, .channel = "chirp", .post = "p-1" };
    struct question *answer = ask(fixture, question, &asked);
    const struct known_post *first = answer->known;
    assert_string_equal(first->post.brand, "acme");
    assert_string_equal(first->post.text, "of acme");
    assert_false(first->edited);
    assert_string_equal(first->next->post.brand, "zeta");
    assert_string_equal(first->next->post.text, "of zeta, edited");
    assert_string_equal(first->next->first_text, "of zeta");
    assert_int_equal(first->next->item, 2);
    assert_int_equal(first->next->edited_ms, 70);
    assert_null(first->next->next);
    batch_destroy(&asked);
}

// What the platform says of the text as it is now: an edit that says no time leaves the order as it was.
static void the_time_of_the_newest_edit_is_kept(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 3);
    struct batch *asked = NULL;

    put(batch, a_post(1, 1, "p-1", "one"));
    put(batch, an_edit("p-1", "acme", "two", 70));
    put(batch, an_edit("p-1", "acme", "three", 0));
    desk_commit(&fixture->desk, &batch);
    struct question question = { .kind = QUESTION_INTAKE, .channel = "chirp", .post = "p-1" };
    struct question *answer = ask(fixture, question, &asked);
    assert_string_equal(answer->known->post.text, "three");
    assert_int_equal(answer->known->edited_ms, 70);
    batch_destroy(&asked);
}

static void a_name_taken_long_ago_leads_to_the_newer_post(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 1);
    struct batch *asked = NULL;
    struct change newer = a_post(2, 1, "p-1", "a review written anew");

    put(batch, a_post(1, 1, "p-1", "a review"));
    desk_commit(&fixture->desk, &batch);
    newer.post.taken_ms += STORE_NAME_MS * 30;
    batch = desk_batch(&fixture->desk, 1);
    put(batch, newer);
    desk_commit(&fixture->desk, &batch);
    struct question question = { .kind = QUESTION_INTAKE, .channel = "chirp", .post = "p-1" };
    struct question *answer = ask(fixture, question, &asked);
    assert_int_equal(answer->known->item, 2);
    assert_null(answer->known->next);
    batch_destroy(&asked);
}

// A note of kind edit: the story tells it with the post, as long as the post does not tell it itself.
static void a_text_in_between_is_told_to_those_who_may_see_it(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 5);
    struct batch *asked = NULL;
    struct question question = { .kind = QUESTION_ITEM, .item = 1 };
    struct change kept = a_note(1, "edit", "my lawyer will sue", true);

    kept.note.person = "p-1";
    put(batch, a_post(1, 1, "p-1", "fine"));
    put(batch, an_edit("p-1", "acme", "my lawyer will sue", 70));
    put(batch, kept);
    desk_commit(&fixture->desk, &batch);
    assert_int_equal(ask(fixture, question, &asked)->view.story_count, 1);
    batch_destroy(&asked);
    batch = desk_batch(&fixture->desk, 1);
    put(batch, an_edit("p-1", "acme", "fine then!", 80));
    desk_commit(&fixture->desk, &batch);
    struct question *answer = ask(fixture, question, &asked);
    assert_int_equal(answer->view.story_count, 2);
    assert_string_equal(find_entry(answer, "edit", "my lawyer will sue")->post, "p-1");
    assert_string_equal(find_entry(answer, "post", "fine then!")->before, "fine");
    batch_destroy(&asked);
    question.for_agent = true;
    assert_null(find_entry(ask(fixture, question, &asked), "edit", "my lawyer will sue"));
    batch_destroy(&asked);
    batch = desk_batch(&fixture->desk, 1);
    put(batch,
        (struct change){
            .kind = CHANGE_POST_CHANGE,
            .post_change = { .channel = "chirp", .post = "p-1", .brand = "acme", .deleted = true, .text = "" } });
    desk_commit(&fixture->desk, &batch);
    question.for_agent = false;
    assert_null(find_entry(ask(fixture, question, &asked), "edit", "my lawyer will sue"));
    batch_destroy(&asked);
}

static void the_view_tells_the_whole_story_oldest_first(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 5);
    struct batch *asked = NULL;
    struct change stranger = a_post(1, 1, "p-9", "of another brand");

    stranger.post.brand = "zeta";
    put(batch, stranger);
    put(batch, a_post(2, 1, "p-2", "earlier question"));
    put(batch, a_reply(3, 2, REPLY_CONFIRMED, "earlier answer"));
    put(batch, a_post(4, 1, "p-4", "first"));
    struct change second = a_post(4, 2, "p-5", "second");
    second.post.author_name = "María B.";
    second.post.posted_ms = 0; // then the time of taking counts
    put(batch, second);
    put(batch, a_reply(5, 4, REPLY_UNKNOWN, "may be out"));
    put(batch, a_reply(6, 4, REPLY_QUEUED, "not out yet"));
    put(batch, a_note(4, "note", "regular customer", false));
    put(batch, (struct change){ .kind = CHANGE_DRAFT, .draft = { 4, "asha", "first try", 20 } });
    put(batch, (struct change){ .kind = CHANGE_DRAFT, .draft = { 4, "bo", "Dear María", 21 } });
    desk_commit(&fixture->desk, &batch);
    struct question *answer = ask(fixture, (struct question){ .kind = QUESTION_ITEM, .item = 4 }, &asked);
    assert_true(answer->found);
    assert_string_equal(answer->view.author, "@maria");
    assert_string_equal(answer->view.author_name, "María B.");
    assert_string_equal(answer->view.channel, "chirp");
    assert_int_equal(answer->view.reach, 1234);
    assert_string_equal(answer->view.draft, "Dear María");
    assert_string_equal(answer->view.draft_by, "bo");
    assert_int_equal(answer->view.story_count, 6);
    const char *order[] = { "earlier answer", "may be out", "earlier question", "first", "second", "regular customer" };
    for (size_t i = 0; i < 6; i++) {
        assert_string_equal(answer->view.story[i].text, order[i]);
        bool of_customer =
            !strcmp(answer->view.story[i].kind, "post") || !strcmp(answer->view.story[i].kind, "earlier");
        assert_string_equal(answer->view.story[i].link, of_customer ? "https://chirp.example/1" : "");
        assert_string_equal(answer->view.story[i].parent, of_customer ? "p-0" : "");
        assert_int_equal(answer->view.story[i].media, of_customer ? 2 : 0);
        assert_true(i == 0 || answer->view.story[i - 1].at_ms <= answer->view.story[i].at_ms);
    }
    assert_string_equal(find_entry(answer, "earlier", "earlier question")->post, "p-2");
    assert_string_equal(find_entry(answer, "reply", "may be out")->author, "asha");
    assert_string_equal(find_entry(answer, "post", "first")->language, "es");
    assert_int_equal(find_entry(answer, "post", "second")->at_ms, 5004);
    assert_string_equal(find_entry(answer, "note", "regular customer")->author, "eve");
    batch_destroy(&asked);
}

static void an_edited_post_is_shown_with_what_it_was_and_a_deleted_one_without_text(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 5);
    struct batch *asked = NULL;
    struct change first = a_post(1, 1, "p-1", "as written");
    struct post_change_record edit = {
        .channel = "chirp", .post = "p-1", .brand = "acme", .text = "edited", .at_ms = 30
    };

    put(batch, first);
    put(batch, a_post(1, 2, "p-2", "to be deleted"));
    put(batch, (struct change){ .kind = CHANGE_POST_CHANGE, .post_change = edit });
    edit.text = "edited again";
    put(batch, (struct change){ .kind = CHANGE_POST_CHANGE, .post_change = edit });
    edit = (struct post_change_record){
        .channel = "chirp", .post = "p-2", .brand = "acme", .deleted = true, .text = "", .at_ms = 31
    };
    put(batch, (struct change){ .kind = CHANGE_POST_CHANGE, .post_change = edit });
    desk_commit(&fixture->desk, &batch);
    struct question *answer = ask(fixture, (struct question){ .kind = QUESTION_ITEM, .item = 1 }, &asked);
    const struct behalf_entry *entry = find_entry(answer, "post", "edited again");
    assert_non_null(entry);
    assert_true(entry->edited);
    assert_string_equal(entry->before, "as written");
    entry = find_entry(answer, "post", "");
    assert_non_null(entry);
    assert_true(entry->deleted);
    assert_string_equal(entry->post, "p-2");
    assert_string_equal(entry->before, "");
    batch_destroy(&asked);
    answer = ask(fixture, (struct question){ .kind = QUESTION_INTAKE, .channel = "chirp", .post = "p-2" }, &asked);
    assert_true(answer->known->deleted);
    batch_destroy(&asked);
}

static void nothing_sealed_or_sensitive_reaches_an_agents_view(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 9);
    struct batch *asked = NULL;
    struct change sensitive = a_post(1, 1, "p-1", "SECRET sensitive post");
    struct change with_pr = an_item(2, ITEM_WAITING);

    sensitive.post.sensitive = true;
    put(batch, sensitive);
    put(batch, a_post(2, 1, "p-2", "SECRET sealed post"));
    put(batch, a_note(2, "note", "SECRET sealed note", false));
    put(batch, a_reply(3, 2, REPLY_CONFIRMED, "SECRET sealed reply"));
    put(batch, (struct change){ .kind = CHANGE_DRAFT, .draft = { 2, "asha", "SECRET draft", 20 } });
    put(batch, (struct change){ .kind = CHANGE_SEAL, .seal.item = 2 });
    with_pr.item.sealed = true;
    with_pr.item.audience = "pr";
    put(batch, with_pr);
    put(batch, a_post(2, 2, "p-3", "SECRET post that joined at PR"));
    put(batch, (struct change){ .kind = CHANGE_DRAFT, .draft = { 2, "pru", "SECRET draft of PR", 21 } });
    put(batch, a_note(2, "note", "SECRET note of PR", true));
    put(batch, a_note(2, "guidance", "say sorry", true));
    put(batch, a_post(4, 1, "p-4", "a third item"));
    desk_commit(&fixture->desk, &batch);
    for (uint64_t item = 1; item <= 4; item++) {
        struct question question = { .kind = QUESTION_ITEM, .item = item, .for_agent = true };
        struct question *answer = ask(fixture, question, &asked);
        for (size_t i = 0; i < answer->view.story_count; i++) {
            assert_null(strstr(answer->view.story[i].text, "SECRET"));
            assert_null(strstr(answer->view.story[i].before, "SECRET"));
        }
        assert_true(answer->view.draft == NULL || strstr(answer->view.draft, "SECRET") == NULL);
        assert_true(item != 2 || find_entry(answer, "guidance", "say sorry") != NULL);
        batch_destroy(&asked);
    }
    struct question *answer = ask(fixture, (struct question){ .kind = QUESTION_ITEM, .item = 2 }, &asked);
    assert_int_equal(answer->view.story_count, 8);
    assert_string_equal(answer->view.draft, "SECRET draft of PR");
    batch_destroy(&asked);
}

static void a_returned_item_shows_its_posts_again_and_only_those(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 9);
    struct batch *asked = NULL;
    struct change sensitive = a_post(1, 1, "p-1", "question");

    sensitive.post.sensitive = true;
    put(batch, sensitive);
    put(batch, a_note(1, "note", "SECRET", false));
    put(batch, (struct change){ .kind = CHANGE_SEAL, .seal.item = 1 });
    put(batch, a_note(1, "guidance", "say sorry", true));
    put(batch, (struct change){ .kind = CHANGE_UNSEAL, .seal.item = 1 });
    desk_commit(&fixture->desk, &batch);
    struct question question = { .kind = QUESTION_ITEM, .item = 1, .for_agent = true };
    struct question *answer = ask(fixture, question, &asked);
    assert_int_equal(answer->view.story_count, 2);
    assert_non_null(find_entry(answer, "post", "question"));
    assert_non_null(find_entry(answer, "guidance", "say sorry"));
    batch_destroy(&asked);
}

static void an_edit_that_is_sensitive_hides_the_post(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 2);
    struct batch *asked = NULL;
    struct change post = a_post(1, 1, "p-1", "harmless");
    struct post_change_record edit = {
        .channel = "chirp", .post = "p-1", .brand = "acme", .text = "not harmless", .sensitive = true
    };

    put(batch, post);
    put(batch, (struct change){ .kind = CHANGE_POST_CHANGE, .post_change = edit });
    desk_commit(&fixture->desk, &batch);
    struct question question = { .kind = QUESTION_ITEM, .item = 1, .for_agent = true };
    assert_int_equal(ask(fixture, question, &asked)->view.story_count, 0);
    batch_destroy(&asked);
}

static void a_post_taken_again_is_the_further_items_from_then_on(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 6);
    struct batch *asked = NULL;
    struct change first = a_post(1, 1, "p-1", "as written");
    struct change edit = { .kind = CHANGE_POST_CHANGE,
                           .post_change = { .channel = "chirp",
                                            .post = "p-1",
                                            .brand = "acme",
                                            .text = "I sue you",
                                            .sensitive = true,
                                            .at_ms = 6000 } };
    struct post_again_record again = {
        .item = 2, .number = 1, .channel = "chirp", .post = "p-1", .brand = "acme", .taken_ms = 7000
    };

    put(batch, first);
    put(batch, an_item(1, ITEM_CLOSED));
    put(batch, edit);
    put(batch, (struct change){ .kind = CHANGE_POST_AGAIN, .post_again = again });
    put(batch, an_item(2, ITEM_WAITING));
    edit.post_change.text = "I sue you all";
    put(batch, edit);
    desk_commit(&fixture->desk, &batch);
    struct question question = { .kind = QUESTION_INTAKE, .channel = "chirp", .post = "p-1" };
    struct question *answer = ask(fixture, question, &asked);
    assert_int_equal(answer->known->item, 2);
    assert_string_equal(answer->known->post.text, "I sue you all");
    assert_string_equal(answer->known->first_text, "as written");
    batch_destroy(&asked);
    answer = ask(fixture, (struct question){ .kind = QUESTION_ITEM, .item = 2 }, &asked);
    const struct behalf_entry *entry = find_entry(answer, "post", "I sue you all");
    assert_non_null(entry);
    assert_string_equal(entry->before, "as written");
    assert_string_equal(entry->post, "p-1");
    assert_non_null(find_entry(answer, "earlier", "I sue you"));
    assert_string_equal(answer->view.author_name, "María");
    batch_destroy(&asked);
    for (uint64_t item = 1; item <= 2; item++) {
        question = (struct question){ .kind = QUESTION_ITEM, .item = item, .for_agent = true };
        assert_int_equal(ask(fixture, question, &asked)->view.story_count, 0);
        batch_destroy(&asked);
    }
}

static void a_story_keeps_the_newest_within_its_limits(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 9);
    struct batch *asked = NULL;
    char name[32];
    char *longest = calloc(1, BEHALF_POST_BYTES + 1);

    memset(longest, 'x', BEHALF_POST_BYTES);
    for (uint32_t i = 1; i <= 100; i++) {
        snprintf(name, sizeof name, "p-%u", i);
        put(batch, a_post(1, i, name, "short"));
        snprintf(name, sizeof name, "q-%u", i);
        put(batch, a_post(200, i, name, longest));
        snprintf(name, sizeof name, "e-%u", i);
        put(batch, a_post(1000 + i, 1, name, "earlier"));
    }
    for (uint32_t i = 1; i <= STORY_ENTRIES_MAX + 1; i++) {
        for (uint64_t item = 4000; item <= 4001; item++) {
            snprintf(name, sizeof name, "f-%u-%u", (unsigned) item, i);
            struct change full = a_post(item, i, name, "just as many, or one more");
            full.post.author_key = item;
            if (item == 4001 || i <= STORY_ENTRIES_MAX) {
                put(batch, full);
            }
        }
    }
    struct change lonely = a_post(3000, 1, "lonely", "by another author");
    lonely.post.author_key = 5;
    put(batch, lonely);
    desk_commit(&fixture->desk, &batch);
    struct question *answer = ask(fixture, (struct question){ .kind = QUESTION_ITEM, .item = 1 }, &asked);
    assert_int_equal(answer->view.story_count, STORY_ENTRIES_MAX);
    assert_true(answer->view.story_cut);
    size_t earlier = 0;
    for (size_t i = 0; i < answer->view.story_count; i++) {
        earlier += strcmp(answer->view.story[i].kind, "earlier") == 0;
    }
    assert_int_equal(earlier, STORY_EARLIER_MAX);
    assert_string_equal(answer->view.story[answer->view.story_count - 1].post, "e-100");
    batch_destroy(&asked);
    answer = ask(fixture, (struct question){ .kind = QUESTION_ITEM, .item = 200 }, &asked);
    size_t bytes = 0;
    for (size_t i = 0; i < answer->view.story_count; i++) {
        bytes += strlen(answer->view.story[i].text);
    }
    assert_true(bytes <= STORY_BYTES_MAX);
    assert_true(bytes > STORY_BYTES_MAX / 2);
    assert_true(answer->view.story_cut);
    batch_destroy(&asked);
    for (uint64_t item = 4000; item <= 4001; item++) {
        answer = ask(fixture, (struct question){ .kind = QUESTION_ITEM, .item = item }, &asked);
        assert_int_equal(answer->view.story_count, STORY_ENTRIES_MAX);
        assert_int_equal(answer->view.story_cut, item == 4001);
        batch_destroy(&asked);
    }
    answer = ask(fixture, (struct question){ .kind = QUESTION_ITEM, .item = 3000 }, &asked);
    assert_int_equal(answer->view.story_count, 1);
    batch_destroy(&asked);
    free(longest);
}

// Not of that of the highest number: posts come in any order.
static void a_reply_answers_the_newest_post_by_the_platforms_time(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 3);
    struct batch *asked = NULL;
    struct change second = a_post(1, 1, "o2", "SECOND: cancel order 7");
    struct change first = a_post(1, 2, "o1", "FIRST: good morning");

    second.post.posted_ms = first.post.posted_ms + 60000;
    put(batch, second);
    put(batch, first);
    put(batch, a_reply(2, 1, REPLY_QUEUED, "our answer"));
    desk_commit(&fixture->desk, &batch);
    struct question *answer = ask(fixture, (struct question){ .kind = QUESTION_REPLY, .reply = 2 }, &asked);
    assert_string_equal(answer->handing.post, "o2");
    batch_destroy(&asked);
}

static void a_reply_is_handed_with_the_newest_post_that_stands(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 4);
    struct batch *asked = NULL;
    struct post_change_record gone = {
        .channel = "chirp", .post = "p-3", .brand = "acme", .deleted = true, .text = ""
    };

    put(batch, a_post(1, 1, "p-1", "one"));
    put(batch, a_post(1, 2, "p-2", "two"));
    put(batch, a_post(1, 3, "p-3", "three"));
    put(batch, (struct change){ .kind = CHANGE_POST_CHANGE, .post_change = gone });
    put(batch, a_reply(2, 1, REPLY_QUEUED, "our answer"));
    desk_commit(&fixture->desk, &batch);
    batch = desk_batch(&fixture->desk, 1);
    struct change again = a_reply(2, 1, REPLY_HANDED, NULL);
    again.reply.attempt = 3;
    put(batch, again);
    desk_commit(&fixture->desk, &batch);
    struct question *answer = ask(fixture, (struct question){ .kind = QUESTION_REPLY, .reply = 2 }, &asked);
    assert_true(answer->found);
    assert_int_equal(answer->handing.reply, 2);
    assert_int_equal(answer->handing.item, 1);
    assert_string_equal(answer->handing.text, "our answer");
    assert_string_equal(answer->handing.key, "key-1");
    assert_string_equal(answer->handing.brand, "acme");
    assert_string_equal(answer->handing.channel, "chirp");
    assert_string_equal(answer->handing.post, "p-2");
    assert_string_equal(answer->handing.author, "@maria");
    assert_string_equal(answer->handing.thread, "t-9");
    assert_int_equal(answer->handing.attempt, 3);
    batch_destroy(&asked);
    assert_false(ask(fixture, (struct question){ .kind = QUESTION_REPLY, .reply = 77 }, &asked)->found);
    batch_destroy(&asked);
}

static void a_closed_item_is_still_known_to_repeats(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 1);
    struct batch *asked = NULL;
    struct change closed = an_item(9, ITEM_CLOSED);

    put(batch, closed);
    desk_commit(&fixture->desk, &batch);
    reopen(fixture);
    struct seen seen = read_back(fixture, 0, 0);
    assert_int_equal(change_list_change_count(seen.list), 0);
    change_list_destroy(&seen.list);
    struct question *answer = ask(fixture, (struct question){ .kind = QUESTION_CLOSED_ITEM, .item = 9 }, &asked);
    assert_true(answer->found);
    assert_same(RECORD_ITEM, &answer->record, &closed.item);
    batch_destroy(&asked);
    assert_false(ask(fixture, (struct question){ .kind = QUESTION_CLOSED_ITEM, .item = 10 }, &asked)->found);
    batch_destroy(&asked);
}

static void a_settled_reply_is_still_known_to_repeats(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 3);
    struct batch *asked = NULL;

    put(batch, a_post(1, 1, "p-1", "one"));
    put(batch, a_reply(2, 1, REPLY_QUEUED, "our answer"));
    put(batch, a_reply(3, 1, REPLY_QUEUED, "another"));
    desk_commit(&fixture->desk, &batch);
    batch = desk_batch(&fixture->desk, 1);
    struct change confirmed = a_reply(2, 1, REPLY_CONFIRMED, NULL);
    confirmed.reply.instance = "feed/7";
    put(batch, confirmed);
    desk_commit(&fixture->desk, &batch);
    struct question *answer = ask(fixture, (struct question){ .kind = QUESTION_SETTLED_REPLY, .reply = 2 }, &asked);
    assert_true(answer->found);
    assert_int_equal(answer->found_item, 1);
    assert_string_equal(answer->found_instance, "feed/7");
    batch_destroy(&asked);
    assert_false(ask(fixture, (struct question){ .kind = QUESTION_SETTLED_REPLY, .reply = 1 }, &asked)->found);
    batch_destroy(&asked);
}

static struct report *answer_report(struct fixture *fixture, struct report *report)
{
    assert_int_equal(fixture->desk.engine->operations->report(fixture->desk.engine, report), STORE_OK);
    return report;
}

static void a_history_comes_in_pages_by_item_or_by_post(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 500);

    put(batch, a_post(1, 1, "p-1", "text"));
    put(batch, an_item(1, ITEM_CLOSED));
    for (uint64_t sequence = 1; sequence <= 500; sequence++) {
        struct change change = an_event(sequence, sequence % 2 == 0 ? 1 : 2, sequence == 2 ? "taken" : "offered");
        change.event.detail = sequence == 4 ? "1 fit, asha/0/0/5/0, by idle" : change.event.detail;
        put(batch, change);
    }
    desk_commit(&fixture->desk, &batch);
    struct report *report = report_new(REPORT_HISTORY);
    report->why = (struct behalf_why){ .channel = "chirp", .post = "p-1" };
    answer_report(fixture, report);
    assert_true(report->found);
    assert_int_equal(report->history.item, 1);
    assert_string_equal(report->history.state, "closed");
    assert_string_equal(report->history.outcome, "answered");
    assert_int_equal(report->history.events_count, 200);
    assert_true(report->history.more);
    const struct behalf_event *event = &report->history.events[0];
    assert_int_equal(event->sequence, 2);
    assert_int_equal(event->at_ms, 301);
    assert_string_equal(event->kind, "taken");
    assert_string_equal(event->person, "asha");
    assert_string_equal(event->queue, "agent/acme/es/billing");
    assert_string_equal(event->rule, "topic: billing");
    assert_int_equal(event->rules_version, 4);
    assert_string_equal(event->detail, "3 eligible");
    assert_string_equal(report->history.events[1].detail, // facts are told in words
                        "1 could take it: asha (0 in hand, skill 0, language 5, idle 0 s); asha by longest idle");
    int64_t after = report->history.events[199].sequence;
    report_destroy(&report);
    report = report_new(REPORT_HISTORY);
    report->why = (struct behalf_why){ .item = 1, .after = after };
    answer_report(fixture, report);
    assert_int_equal(report->history.events_count, 50);
    assert_false(report->history.more);
    assert_int_equal(report->history.events[0].sequence, 402);
    report_destroy(&report);
    report = report_new(REPORT_HISTORY);
    report->why = (struct behalf_why){ .channel = "chirp", .post = "unheard of" };
    assert_false(answer_report(fixture, report)->found);
    report_destroy(&report);
}

static void outcomes_come_in_pages_in_the_order_of_their_end(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 20);
    char name[16];

    for (uint64_t i = 1; i <= 10; i++) {
        uint64_t item = 11 - i; // ends in another order than it came
        snprintf(name, sizeof name, "p-%d", (int) item);
        put(batch, a_post(item, 1, name, "text"));
        struct change outcome = an_outcome(item, i == 1 ? 99 : 0, 1000 * (int64_t) i);
        outcome.outcome.brand = i % 2 == 0 ? "acme" : "zeta";
        put(batch, outcome);
    }
    put(batch, a_reply(99, 10, REPLY_CONFIRMED, "as published"));
    desk_commit(&fixture->desk, &batch);
    struct report *report = report_new(REPORT_OUTCOMES);
    report->outcomes = (struct behalf_outcomes){ .limit = 4 };
    answer_report(fixture, report);
    assert_int_equal(report->ended.rows_count, 4);
    assert_true(report->ended.more);
    const struct behalf_outcome *row = &report->ended.rows[0];
    assert_int_equal(row->item, 10);
    assert_string_equal(row->channel, "chirp");
    assert_string_equal(row->post, "p-10");
    assert_string_equal(row->author, "@maria");
    assert_string_equal(row->reply, "as published");
    assert_string_equal(row->agency, "helpers");
    assert_string_equal(row->escalated, "by hand");
    assert_int_equal(row->closed_ms, 1000);
    assert_int_equal(row->moves, 5);
    assert_true(row->late);
    assert_string_equal(report->ended.rows[1].reply, "");
    int64_t next = report->ended.next;
    report_destroy(&report);
    report = report_new(REPORT_OUTCOMES);
    report->outcomes = (struct behalf_outcomes){ .after = next, .limit = 100 };
    answer_report(fixture, report);
    assert_int_equal(report->ended.rows_count, 6);
    assert_false(report->ended.more);
    assert_int_equal(report->ended.rows[5].item, 1);
    report_destroy(&report);
    report = report_new(REPORT_OUTCOMES);
    report->outcomes = (struct behalf_outcomes){ .since_ms = 3500, .brand = "acme" };
    answer_report(fixture, report);
    assert_int_equal(report->ended.rows_count, 4);
    assert_int_equal(report->ended.rows[0].closed_ms, 4000);
    report_destroy(&report);
}

static void a_page_of_outcomes_is_bounded_in_bytes(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 40);
    char *longest = calloc(1, BEHALF_POST_BYTES + 1);
    size_t rows = 0;
    int64_t after = 0;
    bool more = true;

    memset(longest, 'y', BEHALF_POST_BYTES);
    for (uint64_t i = 1; i <= 20; i++) {
        put(batch, a_reply(100 + i, i, REPLY_CONFIRMED, longest));
        put(batch, an_outcome(i, 100 + i, (int64_t) i));
    }
    desk_commit(&fixture->desk, &batch);
    while (more) {
        struct report *report = report_new(REPORT_OUTCOMES);
        report->outcomes = (struct behalf_outcomes){ .after = after };
        answer_report(fixture, report);
        assert_true(report->ended.rows_count > 0);
        assert_true(report->ended.rows_count <= REPORT_BYTES_MAX / BEHALF_POST_BYTES);
        rows += report->ended.rows_count;
        after = report->ended.next;
        more = report->ended.more;
        report_destroy(&report);
    }
    assert_int_equal(rows, 20);
    free(longest);
}

static void texts_begin_at_the_first_post_and_end_at_a_character(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 3);
    char text[400] = "a";
    struct change sensitive = a_post(3, 1, "p-3", "SECRET");

    while (strlen(text) < 390) {
        strcat(text, "ü"); // two bytes each, at odd places
    }
    sensitive.post.sensitive = true;
    put(batch, a_post(1, 1, "p-1", text));
    put(batch, a_post(1, 2, "p-2", "second"));
    put(batch, sensitive);
    desk_commit(&fixture->desk, &batch);
    for (int sealed_too = 0; sealed_too < 2; sealed_too++) {
        struct report *report = report_new(REPORT_TEXTS);
        uint64_t items[] = { 3, 2, 1 };
        report->items = report_allocate(report, sizeof items);
        memcpy(report->items, items, sizeof items);
        report->item_count = 3;
        // Each item's own: what is asked of one says nothing of the others.
        report->sealed_too = report_allocate(report, 3 * sizeof(bool));
        report->sealed_too[0] = sealed_too == 1;
        report->sealed_too[1] = report->sealed_too[2] = sealed_too == 0;
        answer_report(fixture, report);
        assert_string_equal(sealed_too == 1 ? report->listed[0].text : "SECRET", "SECRET");
        assert_true((report->listed[0].text != NULL) == (sealed_too == 1));
        assert_string_equal(sealed_too == 1 ? report->listed[0].link : "",
                            sealed_too == 1 ? "https://chirp.example/1" : "");
        assert_null(report->listed[1].text);
        assert_int_equal(strlen(report->listed[2].text), 279);
        assert_memory_equal(report->listed[2].text, text, 279);
        report_destroy(&report);
    }
}

static struct report *ask_authors(struct fixture *fixture, int64_t from)
{
    struct report *report = report_new(REPORT_AUTHORS);

    report->authors_from = from;
    report->sequence = fixture->desk.position.sequence;
    answer_report(fixture, report);
    assert_true(report->found);
    return report;
}

static void authors_come_once_each_in_pages_by_key(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 9);
    static const uint64_t keys[] = { UINT64_MAX, 7, UINT64_C(1) << 63, 7, INT64_MAX };

    for (uint64_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char name[8];
        snprintf(name, sizeof name, "p-%d", (int) i);
        struct change post = a_post(i + 1, 1, name, "hello");
        post.post.author_key = keys[i];
        put(batch, post);
    }
    desk_commit(&fixture->desk, &batch);
    struct report *report = ask_authors(fixture, INT64_MIN);
    assert_int_equal(report->author_count, 4);
    assert_true(report->authors[0] == INT64_MIN && report->authors[1] == -1);
    assert_true(report->authors[2] == 7 && report->authors[3] == INT64_MAX);
    report_destroy(&report);
    report = ask_authors(fixture, 0);
    assert_int_equal(report->author_count, 2);
    assert_true(report->authors[0] == 7);
    report_destroy(&report);
}

static struct report *ask_posts(struct fixture *fixture, const uint64_t *items, size_t count)
{
    struct report *report = report_new(REPORT_POSTS);

    report->items = report_allocate(report, count * sizeof *items);
    memcpy(report->items, items, count * sizeof *items);
    report->item_count = count;
    answer_report(fixture, report);
    return report;
}

static void posts_for_triage_are_as_they_are_now_and_without_what_pr_released(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 9);
    struct change guidance = a_note(2, "guidance", "say sorry", false);
    struct change after = a_post(2, 2, "p-4", "after the return");
    struct change edit = { .kind = CHANGE_POST_CHANGE,
                           .post_change = {
                               .channel = "chirp", .post = "p-1", .brand = "acme", .text = "edited", .at_ms = 30 } };
    struct change deletion = { .kind = CHANGE_POST_CHANGE,
                               .post_change = {
                                   .channel = "chirp", .post = "p-5", .brand = "acme", .deleted = true, .text = "" } };

    guidance.note.at_ms = 6000;
    after.post.taken_ms = 6001;
    put(batch, a_post(1, 1, "p-1", "as written"));
    put(batch, a_post(1, 2, "p-2", "second"));
    put(batch, a_post(2, 1, "p-3", "released"));
    put(batch, guidance);
    put(batch, after);
    put(batch, a_post(3, 1, "p-5", "deleted"));
    put(batch, edit);
    put(batch, deletion);
    desk_commit(&fixture->desk, &batch);
    struct report *report = ask_posts(fixture, (uint64_t[]){ 2, 3, 1, 77 }, 4);
    static const struct {
        uint64_t item;
        const char *post, *text;
    } expected[] = { { 2, "p-4", "after the return" }, { 1, "p-1", "edited" }, { 1, "p-2", "second" } };
    assert_true(report->found);
    assert_int_equal(report->post_count, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct behalf_post *post = &report->posts[i].post;
        assert_int_equal(report->posts[i].item, expected[i].item);
        assert_string_equal(post->post, expected[i].post);
        assert_string_equal(post->text, expected[i].text);
        assert_string_equal(post->channel, "chirp");
        assert_string_equal(post->brand, "acme");
        assert_string_equal(post->author, "@maria");
        assert_int_equal(post->reach, 1234);
        assert_int_equal(post->posted_ms, 1000 + (int64_t) expected[i].item * 10 + (expected[i].post[2] % 2 ? 1 : 2));
        assert_string_equal(post->language, "es-419");
        assert_string_equal(post->thread, "t-9");
    }
    report_destroy(&report);
}

static void rules_say_whether_they_have_reached_all_that_was_open(void **state)
{
    struct fixture *fixture = *state;
    static const char *const kinds[] = { "rules applied", "signed in", "rules reviewed", "signed in", "rules applied" };
    static const bool reviewed[] = { false, false, true, true, false };

    for (size_t i = 0; i < 5; i++) {
        struct batch *batch = desk_batch(&fixture->desk, 1);
        if (i == 0) {
            put(batch, (struct change){ .kind = CHANGE_RULES, .rules = { .version = 1, .name = "", .text = "x" } });
        }
        put(batch, an_event(i + 1, 0, kinds[i]));
        desk_commit(&fixture->desk, &batch);
        struct seen seen = read_back(fixture, 0, 0);
        const struct change *rules = change_list_changes(seen.list);
        assert_int_equal(rules->kind, CHANGE_RULES);
        assert_int_equal(rules->rules.reviewed, reviewed[i]);
        change_list_destroy(&seen.list);
    }
}

static bool stop_at_once(void *self, const struct item_record *item)
{
    (void) item;
    ++*(int *) self;
    return false;
}

static void reading_stops_when_told(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 2);
    int calls = 0;
    struct store_reader reader = { .self = &calls, .item = stop_at_once };

    put(batch, an_item(1, ITEM_WAITING));
    put(batch, an_item(2, ITEM_WAITING));
    desk_commit(&fixture->desk, &batch);
    assert_int_equal(fixture->desk.engine->operations->read(fixture->desk.engine, &reader), STORE_OK);
    assert_int_equal(calls, 1);
}

static void ten_thousand_items_are_read_back(void **state)
{
    struct fixture *fixture = *state;
    char name[32];

    for (uint64_t item = 1; item <= 10000;) {
        struct batch *batch = desk_batch(&fixture->desk, 250);
        for (int i = 0; i < 250; i++, item++) {
            snprintf(name, sizeof name, "p-%08llu", (unsigned long long) item);
            put(batch, a_post(item, 1, name, "one of many"));
            put(batch, an_item(item, item % 10 == 0 ? ITEM_CLOSED : ITEM_WAITING));
        }
        desk_commit(&fixture->desk, &batch);
    }
    reopen(fixture);
    struct seen seen = read_back(fixture, 0, 0);
    assert_int_equal(change_list_change_count(seen.list), 9000);
    assert_int_equal(seen.keys, 10000);
    uint64_t last = 0;
    for (const struct change *change = change_list_changes(seen.list); change != NULL; change = change->next) {
        assert_true(change->item.item > last);
        last = change->item.item;
    }
    change_list_destroy(&seen.list);
}

static void a_confirming_commit_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct store_position position;

    assert_int_equal(fixture->desk.engine->operations->confirm(fixture->desk.engine), STORE_OK);
    assert_int_equal(fixture->desk.engine->operations->position(fixture->desk.engine, &position), STORE_OK);
    assert_int_equal(position.sequence, fixture->desk.position.sequence);
    assert_int_equal(position.epoch, fixture->desk.position.epoch);
    assert_true(strlen(fixture->desk.engine->operations->describe(fixture->desk.engine)) > 0);
}

// A row of changes about one item, made from a seed.
struct medley {
    uint32_t random;
    uint64_t item;
    uint32_t posts;       // with those that came again
    uint32_t first_posts; // without
    uint64_t replies;
    int64_t at_ms;
};

static uint32_t pick(struct medley *medley, uint32_t below)
{
    medley->random = medley->random * 1664525 + 1013904223;
    return (medley->random >> 16) % below;
}

static const char *post_name(const struct medley *medley, uint32_t number)
{
    static char name[32];

    snprintf(name, sizeof name, "m-%llu-%u", (unsigned long long) medley->item, number);
    return name;
}

static struct change next_post(struct medley *medley)
{
    medley->posts++;
    medley->first_posts++;
    struct change change = a_post(medley->item, medley->posts, post_name(medley, medley->first_posts), "post");

    change.post.author_key = medley->item;
    change.post.posted_ms = 0;
    change.post.taken_ms = medley->at_ms;
    change.post.sensitive = pick(medley, 3) == 0;
    return change;
}

static struct change next_reply(struct medley *medley)
{
    bool first = medley->replies == 0 || pick(medley, 3) == 0;
    uint64_t reply = medley->item * 100 + (first ? ++medley->replies : 1 + pick(medley, (uint32_t) medley->replies));
    const char *texts[] = { "one", "two", NULL };
    struct change change = a_reply(reply, medley->item, REPLY_CONFIRMED, texts[first ? 0 : pick(medley, 3)]);

    change.reply.sealed = pick(medley, 4) == 0;
    change.reply.state = pick(medley, 2) == 0 ? REPLY_CONFIRMED : REPLY_HANDED;
    change.reply.created_ms = medley->at_ms;
    return change;
}

static struct change next_item(struct medley *medley)
{
    struct change change = an_item(medley->item, ITEM_WAITING);

    change.item.sealed = pick(medley, 2) == 0;
    change.item.audience = pick(medley, 2) == 0 ? "pr" : "agent";
    return change;
}

// A post of the item comes to it again; of the next copy's name there is no other post.
static struct change next_again(struct medley *medley)
{
    const char *name = post_name(medley, 1 + pick(medley, medley->first_posts));

    medley->posts++;
    return (struct change){ .kind = CHANGE_POST_AGAIN,
                            .post_again = { .item = medley->item,
                                            .number = medley->posts,
                                            .channel = "chirp",
                                            .brand = "acme",
                                            .post = name,
                                            .taken_ms = medley->at_ms } };
}

static struct change next_of_medley(struct medley *medley)
{
    static const char *const drafts[] = { "", "draft", "other draft" };
    struct change change;

    medley->at_ms++;
    switch (medley->posts == 0 ? 0 : pick(medley, 10)) {
    case 0:
    case 1:
        return next_post(medley);
    case 2:
        change = (struct change){ .kind = CHANGE_POST_CHANGE,
                                  .post_change = { .channel = "chirp", .brand = "acme", .text = "edited" } };
        change.post_change.post = post_name(medley, 1 + pick(medley, medley->first_posts));
        change.post_change.deleted = pick(medley, 4) == 0;
        change.post_change.sensitive = pick(medley, 2) == 0;
        return change;
    case 3:
        return next_item(medley);
    case 4:
        change = (struct change){ .kind = CHANGE_DRAFT, .draft = { .item = medley->item, .person = "asha" } };
        change.draft.text = drafts[pick(medley, 3)];
        return change;
    case 5:
        change = a_note(medley->item, pick(medley, 3) == 0 ? "guidance" : "note", "note", pick(medley, 3) == 0);
        change.note.at_ms = medley->at_ms;
        return change;
    case 6:
        return next_reply(medley);
    case 7:
        return (struct change){ .kind = CHANGE_SEAL, .seal.item = medley->item };
    case 8:
        return next_again(medley);
    default:
        return (struct change){ .kind = CHANGE_UNSEAL, .seal.item = medley->item };
    }
}

static void assert_same_view(const struct behalf_item *a, const struct behalf_item *b, int seed)
{
    if (a->story_count != b->story_count || strcmp(a->draft, b->draft) != 0) {
        fail_msg("seed %d: %zu entries and draft \"%s\", not %zu and \"%s\"", seed, a->story_count, a->draft,
                 b->story_count, b->draft);
    }
    for (size_t i = 0; i < a->story_count; i++) {
        assert_string_equal(a->story[i].kind, b->story[i].kind);
        assert_string_equal(a->story[i].text, b->story[i].text);
        assert_int_equal(a->story[i].deleted, b->story[i].deleted);
        assert_int_equal(a->story[i].at_ms, b->story[i].at_ms);
    }
}

// However changes are gathered into a transaction, they do what they would have done one by one.
static void changes_in_one_batch_do_what_they_do_one_by_one(void **state)
{
    struct fixture *fixture = *state;

    for (int seed = 1; seed <= 60; seed++) {
        uint64_t item = (uint64_t) seed * 10;
        struct medley together = { .random = (uint32_t) seed, .item = item, .at_ms = 1000 };
        struct medley alone = { .random = (uint32_t) seed, .item = item + 1, .at_ms = 1000 };
        struct batch *whole = desk_batch(&fixture->desk, 30);
        for (int i = 0; i < 30; i++) {
            put(whole, next_of_medley(&together));
        }
        desk_commit(&fixture->desk, &whole);
        for (int i = 0; i < 30; i++) {
            struct batch *single = desk_batch(&fixture->desk, 1);
            put(single, next_of_medley(&alone));
            desk_commit(&fixture->desk, &single);
        }
        for (int agent = 0; agent < 2; agent++) {
            struct question question = { .kind = QUESTION_ITEM, .item = item, .for_agent = agent == 1 };
            struct batch *batch = batch_new();
            struct question *first = batch_ask(batch, &question);
            question.item = item + 1;
            struct question *second = batch_ask(batch, &question);
            assert_int_equal(desk_try(&fixture->desk, batch), STORE_OK);
            assert_same_view(&first->view, &second->view, seed);
            batch_destroy(&batch);
        }
    }
}

// What holds around an engine that fails by plan.

static struct fault_plan *plan_of(struct fixture *fixture)
{
    return faulty ? fixture->plan : memory_disk_plan(fixture->disk);
}

static enum store_result attempt_until_settled(struct engine *engine, struct batch *batch, int *attempts)
{
    bool doubt = false;
    enum store_result result = STORE_IN_DOUBT;

    for (*attempts = 0; *attempts < 10 && (result == STORE_IN_DOUBT || result == STORE_UNAVAILABLE); ++*attempts) {
        result = engine_attempt(engine, batch, &doubt);
    }
    return result;
}

static void settle_once(struct fixture *fixture, enum planned_fault fault, int attempts_wanted)
{
    struct batch *batch = desk_batch(&fixture->desk, 1);
    struct question *question = batch_ask(batch, &(struct question){ .kind = QUESTION_ITEM, .item = 1 });
    int attempts = 0;

    fault_plan_add(plan_of(fixture), &fault, 1);
    put(batch, a_post(1, 1, "p-1", "in doubt"));
    put(batch, a_note(1, "note", "once", false));
    assert_int_equal(attempt_until_settled(fixture->desk.engine, batch, &attempts), STORE_OK);
    assert_int_equal(attempts, attempts_wanted);
    assert_true(question->found);
    assert_int_equal(question->view.story_count, 2);
    batch_destroy(&batch);
}

static void a_doubtful_commit_that_was_written_is_not_repeated(void **state)
{
    settle_once(*state, FAULT_DOUBT_WRITTEN, 2);
}

static void a_doubtful_commit_that_was_lost_is_repeated(void **state)
{
    settle_once(*state, FAULT_DOUBT_LOST, 2);
}

static void a_commit_while_the_store_is_away_writes_nothing(void **state)
{
    settle_once(*state, FAULT_UNAVAILABLE, 2);
}

static void attempt_once(struct fixture *fixture, enum planned_fault fault, enum store_result wanted)
{
    struct batch *batch = desk_batch(&fixture->desk, 1);
    bool doubt = false;

    fault_plan_add(plan_of(fixture), &fault, 1);
    put(batch, an_item(1, ITEM_WAITING));
    assert_int_equal(engine_attempt(fixture->desk.engine, batch, &doubt), wanted);
    assert_string_not_equal(fixture->desk.engine->reason, "");
    struct seen seen = read_back(fixture, 0, 0);
    assert_int_equal(change_list_change_count(seen.list), 0);
    change_list_destroy(&seen.list);
    assert_int_equal(engine_attempt(fixture->desk.engine, batch, &doubt), STORE_OK);
    seen = read_back(fixture, 0, 0);
    assert_int_equal(change_list_change_count(seen.list), 1);
    change_list_destroy(&seen.list);
    batch_destroy(&batch);
}

static void what_is_refused_is_not_written(void **state)
{
    attempt_once(*state, FAULT_REFUSED, STORE_REFUSED);
}

static void what_is_contradicted_is_not_written(void **state)
{
    attempt_once(*state, FAULT_CONTRADICTED, STORE_CONTRADICTED);
}

static void a_batch_committed_before_meets_no_fault(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 1);
    enum planned_fault fault = FAULT_UNAVAILABLE;

    put(batch, an_item(1, ITEM_WAITING));
    assert_int_equal(desk_try(&fixture->desk, batch), STORE_OK);
    fault_plan_add(plan_of(fixture), &fault, 1);
    assert_int_equal(desk_try(&fixture->desk, batch), STORE_OK);
    batch_destroy(&batch);
    batch = desk_batch(&fixture->desk, 1);
    put(batch, an_item(2, ITEM_WAITING));
    assert_int_equal(desk_try(&fixture->desk, batch), STORE_UNAVAILABLE);
    batch_destroy(&batch);
}

static void a_reading_that_is_cut_says_so_and_the_next_is_whole(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 3);
    struct seen seen = { .list = change_list_new() };
    const struct store_reader reader = { .self = &seen, .item = see_item };

    for (uint64_t item = 1; item <= 3; item++) {
        put(batch, an_item(item, ITEM_WAITING));
    }
    desk_commit(&fixture->desk, &batch);
    fault_plan_cut_reading(plan_of(fixture), 3);
    assert_int_equal(fixture->desk.engine->operations->read(fixture->desk.engine, &reader), STORE_OK);
    fault_plan_cut_reading(plan_of(fixture), 2);
    assert_int_equal(fixture->desk.engine->operations->read(fixture->desk.engine, &reader), STORE_UNAVAILABLE);
    assert_int_equal(change_list_change_count(seen.list), 3 + 2);
    assert_int_equal(fixture->desk.engine->operations->read(fixture->desk.engine, &reader), STORE_OK);
    assert_int_equal(change_list_change_count(seen.list), 3 + 2 + 3);
    change_list_destroy(&seen.list);
}

static void a_doubt_that_another_broker_answers_is_a_contradiction(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = desk_batch(&fixture->desk, 1);
    enum planned_fault fault = FAULT_DOUBT_LOST;
    bool doubt = false;
    struct store_position position;

    put(batch, an_item(1, ITEM_WAITING));
    fault_plan_add(plan_of(fixture), &fault, 1);
    assert_int_equal(engine_attempt(fixture->desk.engine, batch, &doubt), STORE_IN_DOUBT);
    struct engine *other = memory_disk_open(fixture->disk, fixture->name);
    assert_int_equal(other->operations->take_over(other, &position), STORE_OK);
    other->operations->destroy(&other);
    assert_int_equal(engine_attempt(fixture->desk.engine, batch, &doubt), STORE_CONTRADICTED);
    batch_destroy(&batch);
}

static void a_crash_keeps_what_was_synced_and_nothing_else(void **state)
{
    struct fixture *fixture = *state;
    enum planned_fault plan[] = { FAULT_CRASH_UNSYNCED, FAULT_CRASH_SYNCED };
    struct store_position before = fixture->desk.position;

    fault_plan_add(plan_of(fixture), plan, 2);
    for (uint64_t crash = 0; crash < 2; crash++) {
        struct batch *batch = desk_batch(&fixture->desk, 1);
        put(batch, an_item(1, ITEM_WAITING));
        assert_int_not_equal(desk_try(&fixture->desk, batch), STORE_OK);
        assert_true(fault_plan_crashed(plan_of(fixture)));
        assert_int_not_equal(fixture->desk.engine->operations->confirm(fixture->desk.engine), STORE_OK);
        batch_destroy(&batch);
        reopen(fixture);
        assert_false(fault_plan_crashed(plan_of(fixture)));
        desk_take_over(&fixture->desk);
        assert_int_equal(fixture->desk.position.sequence, before.sequence + crash);
        struct seen seen = read_back(fixture, 0, 0);
        assert_int_equal(change_list_change_count(seen.list), crash);
        change_list_destroy(&seen.list);
    }
}

// ---- durable, and applied later ----

static void append_item(struct fixture *fixture, uint64_t item)
{
    char post[24];
    struct batch *batch = desk_batch(&fixture->desk, 1);

    snprintf(post, sizeof post, "p%" PRIu64, item);
    put(batch, a_post(item, 1, post, "hello"));
    put(batch, an_event(fixture->desk.position.sequence, item, "taken"));
    put(batch, an_item(item, ITEM_WAITING));
    desk_commit(&fixture->desk, &batch);
}

static void what_is_durable_is_applied_later_and_whole(void **state)
{
    struct fixture *fixture = *state;
    struct journal *journal = memory_disk_journal(fixture->disk);
    uint64_t item = 0;
    char why[64] = "";

    for (int i = 0; i < 3; i++) {
        append_item(fixture, ++item);
    }
    assert_int_equal(journal_lag(journal), 3);
    assert_int_equal(memory_disk_apply(fixture->desk.engine, 1), STORE_OK);
    assert_int_equal(journal_lag(journal), 2);
    for (int steps = 1; steps < 20000; steps = steps * 3 + 1) {
        journal_plan_crash(journal, steps);
        assert_int_equal(memory_disk_apply(fixture->desk.engine, 2), STORE_UNAVAILABLE);
        assert_true(journal_crashed(journal));
        assert_int_equal(journal_lag(journal), 2);
        reopen(fixture);
        desk_take_over(&fixture->desk); // by whom it is applied first
        assert_int_equal(journal_lag(journal), 0);
        assert_true(memory_disk_tables_agree(fixture->disk, why, sizeof why));
        append_item(fixture, ++item);
        append_item(fixture, ++item);
    }
}

static void what_is_asked_waits_for_what_is_durable(void **state)
{
    struct fixture *fixture = *state;
    struct journal *journal = memory_disk_journal(fixture->disk);
    struct batch *batch = desk_batch(&fixture->desk, 1);

    put(batch, an_item(1, ITEM_WAITING));
    desk_commit(&fixture->desk, &batch);
    batch = desk_batch(&fixture->desk, 0);
    struct question *question = batch_ask(batch, &(struct question){ .kind = QUESTION_CLOSED_ITEM, .item = 1 });
    journal_lock_tables(journal, true);
    assert_int_equal(desk_try(&fixture->desk, batch), STORE_UNAVAILABLE);
    journal_lock_tables(journal, false);
    assert_int_equal(desk_try(&fixture->desk, batch), STORE_OK);
    assert_true(question->found);
    batch_destroy(&batch);
}

static void what_is_far_behind_takes_no_more(void **state)
{
    struct fixture *fixture = *state;
    struct engine *engine = fixture->desk.engine;
    uint64_t item = 0;

    journal_lock_tables(memory_disk_journal(fixture->disk), true);
    while (item < JOURNAL_FAR_BEHIND) {
        assert_int_equal(engine->operations->is_behind(engine), item >= JOURNAL_BEHIND);
        append_item(fixture, ++item);
    }
    struct batch *batch = desk_batch(&fixture->desk, 1);
    put(batch, an_item(1, ITEM_HELD));
    assert_int_equal(desk_try(&fixture->desk, batch), STORE_UNAVAILABLE);
    journal_lock_tables(memory_disk_journal(fixture->disk), false);
    assert_int_equal(desk_try(&fixture->desk, batch), STORE_OK);
    assert_false(engine->operations->is_behind(engine));
    batch_destroy(&batch);
}

#define CLAIM(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)
#define CLAIMS_OF_EVERY_ENGINE                                                                                         \
    CLAIM(a_takeover_raises_the_epoch_and_nothing_else), CLAIM(the_secret_of_a_desk_is_made_once),                     \
        CLAIM(a_desk_is_read_back_as_it_was_written_and_in_order),                                                     \
        CLAIM(every_column_comes_back_in_its_place_also_when_written_again),                                           \
        CLAIM(a_reply_whose_state_changed_keeps_its_text_and_what_it_answers),                                         \
        CLAIM(requests_are_read_back_by_their_slots_and_the_newer_of_a_slot_alone),                                    \
        CLAIM(old_requests_are_not_read_back), CLAIM(names_are_read_back_from_the_time_of_taking_asked_on),            \
        CLAIM(the_last_state_of_an_item_holds), CLAIM(a_desk_that_is_elsewhere_takes_nothing),                         \
        CLAIM(a_batch_committed_before_is_only_answered), CLAIM(a_contradiction_leaves_nothing_behind),                \
        CLAIM(a_group_is_one_commit), CLAIM(a_post_taken_is_found_by_channel_and_exact_id_whatever_its_day),           \
        CLAIM(the_view_tells_the_whole_story_oldest_first), CLAIM(early_changes_are_read_back_until_they_are_gone),    \
        CLAIM(the_view_tells_the_whole_story_oldest_first), CLAIM(the_same_id_of_two_brands_is_two_posts),             \
        CLAIM(the_view_tells_the_whole_story_oldest_first), CLAIM(the_time_of_the_newest_edit_is_kept),                \
        CLAIM(the_view_tells_the_whole_story_oldest_first), CLAIM(a_name_taken_long_ago_leads_to_the_newer_post),      \
        CLAIM(the_view_tells_the_whole_story_oldest_first), CLAIM(a_text_in_between_is_told_to_those_who_may_see_it),  \
        CLAIM(the_view_tells_the_whole_story_oldest_first),                                                            \
        CLAIM(a_reply_answers_the_newest_post_by_the_platforms_time),                                                  \
        CLAIM(the_view_tells_the_whole_story_oldest_first),                                                            \
        CLAIM(an_edited_post_is_shown_with_what_it_was_and_a_deleted_one_without_text),                                \
        CLAIM(nothing_sealed_or_sensitive_reaches_an_agents_view),                                                     \
        CLAIM(a_returned_item_shows_its_posts_again_and_only_those), CLAIM(an_edit_that_is_sensitive_hides_the_post),  \
        CLAIM(a_post_taken_again_is_the_further_items_from_then_on),                                                   \
        CLAIM(a_story_keeps_the_newest_within_its_limits), CLAIM(a_reply_is_handed_with_the_newest_post_that_stands),  \
        CLAIM(a_closed_item_is_still_known_to_repeats), CLAIM(a_settled_reply_is_still_known_to_repeats),              \
        CLAIM(a_history_comes_in_pages_by_item_or_by_post), CLAIM(outcomes_come_in_pages_in_the_order_of_their_end),   \
        CLAIM(a_page_of_outcomes_is_bounded_in_bytes), CLAIM(texts_begin_at_the_first_post_and_end_at_a_character),    \
        CLAIM(authors_come_once_each_in_pages_by_key),                                                                 \
        CLAIM(posts_for_triage_are_as_they_are_now_and_without_what_pr_released),                                      \
        CLAIM(rules_say_whether_they_have_reached_all_that_was_open), CLAIM(reading_stops_when_told),                  \
        CLAIM(ten_thousand_items_are_read_back), CLAIM(a_confirming_commit_changes_nothing),                           \
        CLAIM(changes_in_one_batch_do_what_they_do_one_by_one)
#define CLAIMS_OF_PLANNED_FAULTS                                                                                       \
    CLAIM(a_doubtful_commit_that_was_written_is_not_repeated), CLAIM(a_doubtful_commit_that_was_lost_is_repeated),     \
        CLAIM(a_commit_while_the_store_is_away_writes_nothing), CLAIM(what_is_refused_is_not_written),                 \
        CLAIM(what_is_contradicted_is_not_written), CLAIM(a_batch_committed_before_meets_no_fault),                    \
        CLAIM(a_reading_that_is_cut_says_so_and_the_next_is_whole),                                                    \
        CLAIM(a_crash_keeps_what_was_synced_and_nothing_else)

static int test_postgres(void)
{
    const struct CMUnitTest postgres[] = { CLAIMS_OF_EVERY_ENGINE,
                                           CLAIM(every_column_of_what_is_not_read_back_is_in_its_table) };

    engine_kind = OVER_POSTGRES;
    if (!postgres_cluster_possible()) {
        return 77;
    }
    return cmocka_run_group_tests_name("postgres", postgres, postgres_cluster_set_up_group,
                                       postgres_cluster_tear_down_group);
}

// Without a word: the engines that need no server.  "postgres": that one.  "shared": that one, with three desks in
// each transaction.
int main(int argc, char **argv)
{
    const struct CMUnitTest memory[] = {
        CLAIMS_OF_EVERY_ENGINE,
        CLAIMS_OF_PLANNED_FAULTS,
        CLAIM(a_doubt_that_another_broker_answers_is_a_contradiction),
    };
    const struct CMUnitTest journal[] = {
        CLAIMS_OF_EVERY_ENGINE,
        CLAIMS_OF_PLANNED_FAULTS,
        CLAIM(a_doubt_that_another_broker_answers_is_a_contradiction),
        CLAIM(what_is_durable_is_applied_later_and_whole),
        CLAIM(what_is_asked_waits_for_what_is_durable),
        CLAIM(what_is_far_behind_takes_no_more),
    };
    const struct CMUnitTest sqlite[] = { CLAIMS_OF_EVERY_ENGINE,
                                         CLAIM(every_column_of_what_is_not_read_back_is_in_its_table) };
    const struct CMUnitTest faults[] = { CLAIMS_OF_PLANNED_FAULTS };

    shared = argc > 1 && strcmp(argv[1], "shared") == 0;
    if (shared || (argc > 1 && strcmp(argv[1], "postgres") == 0)) {
        return test_postgres();
    }
    int failed = cmocka_run_group_tests_name("memory", memory, NULL, NULL);
    engine_kind = OVER_JOURNAL;
    failed += cmocka_run_group_tests_name("memory, behind a journal", journal, NULL, NULL);
    engine_kind = OVER_SQLITE;
    failed += cmocka_run_group_tests_name("sqlite", sqlite, NULL, NULL);
    faulty = true;
    return failed + cmocka_run_group_tests_name("sqlite, failing by plan", faults, NULL, NULL);
}
