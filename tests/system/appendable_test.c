// appendable_test.c - what PostgreSQL's tables would refuse is refused before it is in the journal: each constraint of
// the schema is tried, against what is in the same group, in the journal still, in the tables, and after a takeover.

#include "broker/store/store.h"
#include "tests/system/postgres_cluster.h"
#include "tests/unit/store_desk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <cmocka.h>

#define WAIT_MS 60000

static struct postgres_cluster *cluster;

// ---- what is refused ----

// Fills a batch whose last change has this sequence.
typedef void fill(struct batch *batch, uint64_t sequence);

static struct change a_counting_item(uint64_t item, uint32_t numbered)
{
    struct change change = an_item(item, ITEM_WAITING);

    change.item.numbered = numbered;
    return change;
}

static void nothing(struct batch *batch, uint64_t sequence)
{
    (void) sequence;
    put(batch, an_item(900, ITEM_WAITING));
}

static void item_of_two_posts(struct batch *batch, uint64_t sequence)
{
    put(batch, a_post(1, 1, "p-1", "hello"));
    put(batch, a_post(1, 2, "p-2", "hello again"));
    put(batch, a_counting_item(1, 2));
    put(batch, a_reply(2, 1, REPLY_QUEUED, "thank you"));
    put(batch, an_outcome(1, 2, 5000));
    put(batch, an_event(sequence, 1, "taken"));
    put(batch, (struct change){ .kind = CHANGE_RULES,
                                .rules = { .version = 7, .name = "rules", .text = "desk: x", .at_ms = 1 } });
}

static void post_taken_twice(struct batch *batch, uint64_t sequence)
{
    (void) sequence;
    put(batch, a_post(3, 1, "p-1", "hello"));
}

static void number_given_twice(struct batch *batch, uint64_t sequence)
{
    (void) sequence;
    put(batch, a_post(1, 2, "p-3", "hello"));
    put(batch, a_counting_item(1, 2));
}

static void number_given_twice_and_not_counted(struct batch *batch, uint64_t sequence)
{
    (void) sequence;
    put(batch, a_post(1, 2, "p-3", "hello"));
}

static void number_given_twice_again(struct batch *batch, uint64_t sequence)
{
    (void) sequence;
    put(batch,
        (struct change){
            .kind = CHANGE_POST_AGAIN,
            .post_again = {
                .item = 1, .number = 1, .channel = "chirp", .post = "p-2", .brand = "acme", .taken_ms = 6000 } });
    put(batch, a_counting_item(1, 2));
}

static void post_of_an_item_to_come(struct batch *batch, uint64_t sequence)
{
    (void) sequence;
    put(batch, a_post(UINT64_C(2000000000), 1, "p-4", "hello"));
}

static void change_of_no_post(struct batch *batch, uint64_t sequence)
{
    (void) sequence;
    put(batch,
        (struct change){
            .kind = CHANGE_POST_CHANGE,
            .post_change = { .channel = "chirp", .post = "p-5", .brand = "acme", .text = "hi", .at_ms = 6000 } });
}

static void no_post_again(struct batch *batch, uint64_t sequence)
{
    (void) sequence;
    put(batch,
        (struct change){
            .kind = CHANGE_POST_AGAIN,
            .post_again = {
                .item = 5, .number = 1, .channel = "chirp", .post = "p-5", .brand = "acme", .taken_ms = 6000 } });
}

static void change_of_no_reply(struct batch *batch, uint64_t sequence)
{
    (void) sequence;
    put(batch, a_reply(77, 1, REPLY_HANDED, NULL));
}

static void second_end(struct batch *batch, uint64_t sequence)
{
    (void) sequence;
    put(batch, an_outcome(1, 0, 6000));
}

static void version_given_twice(struct batch *batch, uint64_t sequence)
{
    (void) sequence;
    put(batch, (struct change){ .kind = CHANGE_RULES,
                                .rules = { .version = 7, .name = "rules", .text = "desk: y", .at_ms = 2 } });
}

static void event_of_a_sequence_before(struct batch *batch, uint64_t sequence)
{
    (void) sequence;
    put(batch, an_event(1, 1, "offered"));
}

static void event_of_a_sequence_to_come(struct batch *batch, uint64_t sequence)
{
    put(batch, an_event(sequence + 1, 1, "offered"));
}

static void post_of_no_time(struct batch *batch, uint64_t sequence)
{
    struct change change = a_post(6, 1, "p-6", "hello");

    (void) sequence;
    change.post.taken_ms = -1;
    put(batch, change);
}

static void event_of_no_time(struct batch *batch, uint64_t sequence)
{
    struct change change = an_event(sequence, 6, "offered");

    change.event.at_ms = BEHALF_TIME_MAX + 1;
    put(batch, change);
}

static void end_of_no_time(struct batch *batch, uint64_t sequence)
{
    (void) sequence;
    put(batch, an_outcome(6, 0, INT64_MAX));
}

static void beginning_of_no_time(struct batch *batch, uint64_t sequence)
{
    struct change change = an_outcome(6, 0, 5000);

    (void) sequence;
    change.outcome.created_ms = INT64_MIN;
    put(batch, change);
}

// Bytes that are no character are all written as question marks.
static void name_that_is_not_utf8(struct batch *batch, uint64_t sequence)
{
    (void) sequence;
    put(batch, a_post(6, 1, "p-\xff", "hello"));
}

static void early_name_that_is_not_utf8(struct batch *batch, uint64_t sequence)
{
    (void) sequence;
    put(batch, (struct change){ .kind = CHANGE_EARLY,
                                .early = { .channel = "chirp", .post = "\xed\xa0\x80", .number = 1, .text = "" } });
}

static void brand_that_is_not_utf8(struct batch *batch, uint64_t sequence)
{
    (void) sequence;
    put(batch, (struct change){ .kind = CHANGE_FREEZE,
                                .freeze = { .brand = "acm\xc0\xa9", .frozen = true, .person = "", .reason = "" } });
}

// No index takes it, and it cannot be made shorter.
static void name_that_is_too_long(struct batch *batch, uint64_t sequence)
{
    char name[4001];

    (void) sequence;
    for (size_t i = 0; i + 1 < sizeof name; i++) {
        name[i] = (char) ('a' + rand() % 26);
    }
    name[sizeof name - 1] = '\0';
    put(batch, a_post(6, 1, name, "hello"));
}

static const struct refusal {
    const char *words;
    fill *before;
    fill *refused;
} refusals[] = {
    { "a post was taken twice", item_of_two_posts, post_taken_twice },
    { "a number of a post was given twice", item_of_two_posts, number_given_twice },
    { "a number of a post was given twice", item_of_two_posts, number_given_twice_and_not_counted },
    { "a number of a post was given twice", item_of_two_posts, number_given_twice_again },
    { "a post of an item whose number was not given yet", nothing, post_of_an_item_to_come },
    { "a post that was never taken was changed", nothing, change_of_no_post },
    { "a post that was never taken was changed", nothing, no_post_again },
    { "a reply without text", nothing, change_of_no_reply },
    { "an item ended twice", item_of_two_posts, second_end },
    { "a version of the rules was given twice", item_of_two_posts, version_given_twice },
    { "an event has the sequence of one before it", item_of_two_posts, event_of_a_sequence_before },
    { "an event has a sequence of one to come", item_of_two_posts, event_of_a_sequence_to_come },
    { "an event or post outside of all time", nothing, post_of_no_time },
    { "an event or post outside of all time", nothing, event_of_no_time },
    { "an outcome outside of all time", nothing, end_of_no_time },
    { "an outcome outside of all time", nothing, beginning_of_no_time },
    { "a name that is not UTF-8", nothing, name_that_is_not_utf8 },
    { "a name that is not UTF-8", nothing, early_name_that_is_not_utf8 },
    { "a name that is not UTF-8", nothing, brand_that_is_not_utf8 },
    { "a name that is too long", nothing, name_that_is_too_long },
};

// ---- trying them ----

enum place { IN_THE_GROUP, IN_THE_JOURNAL, IN_THE_TABLES, BEFORE_A_TAKEOVER, PLACES };

static void open_desk(struct desk_under_test *desk, const char *name)
{
    char reason[1024] = "";

    desk->engine = engine_postgres_open(postgres_cluster_url(cluster), name, reason, sizeof reason);
    if (desk->engine == NULL) {
        fail_msg("%s", reason);
    }
    desk_take_over(desk);
}

static void await_tables(struct engine *engine)
{
    for (int waited_ms = 0;; waited_ms++) {
        struct engine_positions positions = engine->operations->positions(engine);
        if (positions.applied >= positions.durable) {
            return;
        }
        assert_true(waited_ms < WAIT_MS);
        engine->operations->hurry(engine);
        (void) poll(NULL, 0, 1);
    }
}

static void write_before(struct desk_under_test *desk, const char *name, const struct refusal *refusal,
                         enum place place)
{
    struct batch *batch = desk_batch(desk, 1);

    refusal->before(batch, desk->position.sequence);
    desk_commit(desk, &batch);
    if (place >= IN_THE_TABLES) {
        await_tables(desk->engine);
    }
    if (place == BEFORE_A_TAKEOVER) {
        desk->engine->operations->destroy(&desk->engine);
        open_desk(desk, name);
    }
}

static const char *state_of(const char *name)
{
    char sql[512];

    snprintf(sql, sizeof sql,
             "SELECT concat_ws(' ', (SELECT sequence FROM behalf.desk WHERE desk = '%s'), (SELECT count(*) FROM"
             " behalf.journal AS j, behalf.desk AS d WHERE j.desk = '%s' AND d.desk = j.desk AND j.to_sequence >"
             " d.sequence))",
             name, name);
    return postgres_cluster_sql(cluster, sql);
}

static void try_refusal(const struct refusal *refusal, enum place place)
{
    struct desk_under_test desk = { 0 };
    static int desks = 0;
    char name[32];
    char wanted[32];

    snprintf(name, sizeof name, "appendable-%d", ++desks);
    open_desk(&desk, name);
    if (place != IN_THE_GROUP) {
        write_before(&desk, name, refusal, place);
    }
    snprintf(wanted, sizeof wanted, "%llu 0", (unsigned long long) desk.position.sequence);
    struct batch *batch = desk_batch(&desk, place == IN_THE_GROUP ? 2 : 1);
    if (place == IN_THE_GROUP) {
        refusal->before(batch, desk.position.sequence - 1);
    }
    refusal->refused(batch, desk.position.sequence);
    enum store_result result = desk_try(&desk, batch);
    if (result != STORE_CONTRADICTED || strstr(desk.engine->reason, refusal->words) == NULL) {
        fail_msg("\"%s\" in place %d: %d %s", refusal->words, place, result, desk.engine->reason);
    }
    assert_string_equal(state_of(name), wanted);
    batch_destroy(&batch);
    await_tables(desk.engine); // what was appended before is applied all the same
    desk.engine->operations->destroy(&desk.engine);
}

static void what_the_tables_would_refuse_is_not_appended(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        for (int place = 0; place < PLACES; place++) {
            try_refusal(&refusals[i], (enum place) place);
        }
    }
}

// ---- what is not refused ----

static void what_follows_on_what_is_there_is_appended(void **state)
{
    struct desk_under_test desk = { 0 };

    (void) state;
    open_desk(&desk, "follows");
    struct batch *batch = desk_batch(&desk, 1);
    item_of_two_posts(batch, desk.position.sequence);
    desk_commit(&desk, &batch);
    for (uint32_t number = 3; number < 9; number++) { // in the journal, in the tables, after a takeover
        char name[16];
        snprintf(name, sizeof name, "p-%u", number);
        batch = desk_batch(&desk, 1);
        put(batch, a_post(1, number, name, "hello"));
        if (number % 2 == 0) {
            put(batch, a_counting_item(1, number));
        }
        desk_commit(&desk, &batch);
        if (number > 4) {
            await_tables(desk.engine);
        }
        if (number > 6) {
            desk.engine->operations->destroy(&desk.engine);
            open_desk(&desk, "follows");
        }
    }
    await_tables(desk.engine);
    desk.engine->operations->destroy(&desk.engine);
    assert_string_equal(postgres_cluster_sql(cluster, "SELECT concat_ws(' ', count(*), max(number)) FROM behalf.post"
                                                      " WHERE desk = 'follows'"),
                        "8 8");
}

// Two of a slot within what is applied at once are what one statement would not take.
static void two_requests_of_a_slot_are_applied_one_after_the_other(void **state)
{
    struct desk_under_test desk = { 0 };

    (void) state;
    open_desk(&desk, "slots");
    struct batch *batch = desk_batch(&desk, 1);
    put(batch, a_request(5, "asha", 1));
    put(batch, a_request(5 + REQUESTS_KEPT_MAX, "asha", 2));
    desk_commit(&desk, &batch);
    await_tables(desk.engine);
    desk.engine->operations->destroy(&desk.engine);
    assert_string_equal(postgres_cluster_sql(cluster, "SELECT concat_ws(' ', count(*), max(id)) FROM behalf.request"
                                                      " WHERE desk = 'slots'"),
                        "1 2");
}

// ---- the desk ----

static void a_desk_whose_change_is_refused_stops(void **state)
{
    struct desk_under_test desk = { 0 };
    char text[1024] = "";

    (void) state;
    open_desk(&desk, "stops");
    struct engine *engine = desk.engine;
    struct writer *writer = writer_new();
    struct store *store = store_new(writer, &engine, NULL, NULL);
    struct batch *batch = desk_batch(&desk, 1);
    change_of_no_reply(batch, 1);
    store_submit(store, &batch);
    struct pollfd wait = { .fd = writer_fd(writer), .events = POLLIN };
    assert_int_equal(poll(&wait, 1, WAIT_MS), 1);
    assert_int_equal(store_state(store), STORE_STATE_CONTRADICTED);
    store_describe(store, text, sizeof text);
    assert_non_null(strstr(text, "a reply without text"));
    assert_null(store_take_batch(store)); // nobody is told of it
    store_destroy(&store);
    writer_destroy(&writer);
    assert_string_equal(state_of("stops"), "0 0");
}

// ---- all constraints ----

// A constraint that is new here needs a refusal above, or words here why it cannot be broken.
static void there_are_no_other_constraints(void **state)
{
    const char *constraints =
        "SELECT string_agg(format('%s %s', c.conrelid::regclass, pg_get_constraintdef(c.oid)), E'\\n' ORDER BY"
        " c.conrelid::regclass::text, c.contype) FROM pg_constraint AS c JOIN pg_class AS t ON t.oid = c.conrelid"
        " WHERE t.relnamespace = 'behalf'::regnamespace AND NOT t.relispartition AND c.contype <> 'n' AND t.relname"
        " NOT IN ('desk', 'lease', 'candidate', 'secret', 'migration', 'applied', 'journal', 'journal_aside')";
    const char *unique_indexes =
        "SELECT count(*) FROM pg_index AS i JOIN pg_class AS t ON t.oid = i.indrelid WHERE i.indisunique AND"
        " t.relnamespace = 'behalf'::regnamespace AND NOT EXISTS (SELECT FROM pg_constraint AS c WHERE"
        " c.conindid = i.indexrelid)";
    const char *generated =
        "SELECT string_agg(format('%s.%s', t.relname, a.attname), ' ' ORDER BY t.relname, a.attname) FROM pg_attribute"
        " AS a JOIN pg_class AS t ON t.oid = a.attrelid WHERE t.relnamespace = 'behalf'::regnamespace AND"
        " t.relkind IN ('r', 'p') AND NOT t.relispartition AND a.attgenerated <> ''";

    (void) state;
    assert_string_equal(postgres_cluster_sql(cluster, constraints),
                        "behalf.brand_freeze PRIMARY KEY (desk, brand)\n"                 // written over
                        "behalf.draft PRIMARY KEY (desk, item)\n"                         // written over
                        "behalf.early_change PRIMARY KEY (desk, channel, post, number)\n" // written over
                        "behalf.event PRIMARY KEY (desk, sequence, at_ms)\n"
                        "behalf.intake_key PRIMARY KEY (desk, channel, post, brand)\n"
                        "behalf.item PRIMARY KEY (desk, item)\n"         // written over
                        "behalf.note PRIMARY KEY (desk, item, number)\n" // numbered by the table
                        "behalf.outcome PRIMARY KEY (desk, ended)\n"     // numbered by the table
                        "behalf.outcome UNIQUE (desk, item)\n"
                        "behalf.post PRIMARY KEY (desk, item, number, taken_ms)\n"
                        "behalf.reply PRIMARY KEY (desk, reply)\n"  // written over, or known
                        "behalf.request PRIMARY KEY (desk, slot)\n" // written over
                        "behalf.rules PRIMARY KEY (desk, version)");
    assert_string_equal(postgres_cluster_sql(cluster, unique_indexes), "0");
    assert_string_equal(postgres_cluster_sql(cluster, generated),
                        "item.open outcome.late outcome.wall_ms reply.open"); // wall_ms is of two times
}

static int start_cluster(void **state)
{
    struct desk_under_test desk = { 0 };

    (void) postgres_cluster_set_up_group(state);
    cluster = *state;
    open_desk(&desk, "first"); // makes the schema
    desk.engine->operations->destroy(&desk.engine);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_tables_would_refuse_is_not_appended),
        cmocka_unit_test(what_follows_on_what_is_there_is_appended),
        cmocka_unit_test(two_requests_of_a_slot_are_applied_one_after_the_other),
        cmocka_unit_test(a_desk_whose_change_is_refused_stops),
        cmocka_unit_test(there_are_no_other_constraints),
    };

    return postgres_cluster_possible() ? cmocka_run_group_tests(tests, start_cluster, postgres_cluster_tear_down_group)
                                       : 77;
}
