// codec_test.c - changes as bytes and back: nothing is lost, and bytes that claim what is not so are refused.

#include "broker/store/codec.h"
#include "tests/unit/record_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static int set_up(void **state)
{
    *state = change_list_new();
    return 0;
}

static int tear_down(void **state)
{
    change_list_destroy((struct change_list **) state);
    return 0;
}

static void assert_same(const struct change *a, const struct change *b)
{
    assert_int_equal(a->kind, b->kind);
    const char *column = record_difference(change_record_of(a->kind), change_record(a), change_record(b));
    if (column != NULL) {
        print_message("kind %d differs in %s\n", (int) a->kind, column);
    }
    assert_null(column);
}

// The bytes of one change, exactly as long as they are, so that a read past their end is seen.
static unsigned char *bytes_of(const struct change *change, size_t *count)
{
    struct codec_bytes bytes = { 0 };

    codec_add(&bytes, change);
    unsigned char *exact = malloc(bytes.count);
    assert_non_null(exact);
    memcpy(exact, bytes.bytes, bytes.count);
    *count = bytes.count;
    codec_fini(&bytes);
    return exact;
}

static void assert_back(const struct change *change)
{
    size_t count = 0;
    unsigned char *bytes = bytes_of(change, &count);
    struct codec_reader reader = codec_read(CODEC_NUMBER, bytes, count);
    struct change back;

    assert_true(codec_next(&reader, &back));
    assert_same(&back, change);
    assert_false(codec_next(&reader, &back));
    assert_null(reader.fault);
    free(bytes);
}

static void every_column_of_every_change_comes_back(void **state)
{
    for (int kind = 0; kind < CHANGE_KIND_COUNT; kind++) {
        for (unsigned number = 0; number < RECORD_SAMPLES; number++) {
            struct change change = record_sample(*state, (enum change_kind) kind, number);
            assert_back(&change);
        }
    }
}

static void changes_come_back_in_their_order(void **state)
{
    struct codec_bytes bytes = { 0 };
    struct change back;
    int count = 0;

    for (unsigned i = 0; i < 3 * CHANGE_KIND_COUNT; i++) {
        struct change change = record_sample(*state, (enum change_kind)(i % CHANGE_KIND_COUNT), i);
        codec_add(&bytes, &change);
    }
    struct codec_reader reader = codec_read(CODEC_NUMBER, bytes.bytes, bytes.count);
    for (unsigned i = 0; codec_next(&reader, &back); i++, count++) {
        struct change change = record_sample(*state, (enum change_kind)(i % CHANGE_KIND_COUNT), i);
        assert_same(&back, &change);
    }
    assert_null(reader.fault);
    assert_int_equal(count, 3 * CHANGE_KIND_COUNT);
    codec_fini(&bytes);
}

static void the_ends_of_each_range_come_back(void **state)
{
    static const int64_t numbers[] = {
        INT64_MIN, INT32_MIN, -32769,     -32768,           -129,     -128, -33, -32, -1, 0, 127, 128, 255, 256, 65535,
        65536,     INT32_MAX, UINT32_MAX, INT64_C(1) << 32, INT64_MAX
    };

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct change change = record_sample(*state, CHANGE_POST, 0);
        change.post.reach = numbers[i];
        change.post.author_key = (uint64_t) numbers[i];
        change.post.number = (uint32_t) numbers[i];
        assert_back(&change);
        change = record_sample(*state, CHANGE_ITEM, 0);
        change.item.band = (uint8_t) numbers[i];
        assert_back(&change);
    }
}

static void texts_of_any_length_come_back_and_none_stays_none(void **state)
{
    static const size_t lengths[] = { 0, 30, 31, 32, 254, 255, 256, 65534, 65535, 65536, 200000 };

    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct change change = record_sample(*state, CHANGE_REPLY, 1);
        char *text = change_list_allocate(*state, lengths[i] + 1);
        memset(text, 'x', lengths[i]);
        change.reply.text = text;
        assert_back(&change);
        change.reply.text = NULL;
        assert_back(&change);
    }
}

static void bytes_cut_anywhere_are_refused(void **state)
{
    for (int kind = 0; kind < CHANGE_KIND_COUNT; kind++) {
        struct change change = record_sample(*state, (enum change_kind) kind, 3);
        size_t count = 0;
        unsigned char *bytes = bytes_of(&change, &count);
        for (size_t cut = 1; cut < count; cut++) {
            unsigned char *exact = malloc(cut);
            assert_non_null(exact);
            memcpy(exact, bytes, cut);
            struct codec_reader reader = codec_read(CODEC_NUMBER, exact, cut);
            struct change back;
            assert_false(codec_next(&reader, &back));
            assert_non_null(reader.fault);
            assert_false(codec_next(&reader, &back));
            free(exact);
        }
        free(bytes);
    }
}

static void assert_refused(const void *bytes, size_t count)
{
    struct codec_reader reader = codec_read(CODEC_NUMBER, bytes, count);
    struct change back;

    assert_false(codec_next(&reader, &back));
    assert_non_null(reader.fault);
}

#define REFUSED(bytes) assert_refused(bytes, sizeof(bytes) - 1)

static void what_no_change_is_is_refused(void **state)
{
    (void) state;
    REFUSED("\xc0");                                         // nothing
    REFUSED("\x92\x7f\x01");                                 // a kind there is not
    REFUSED("\x92\xff\x01");                                 // one below 0
    REFUSED("\x91\x0e");                                     // no columns
    REFUSED("\x93\x0e\x01\x01");                             // a column too many
    REFUSED("\xdd\xff\xff\xff\xff\x0e");                     // four thousand million of them
    REFUSED("\x92\x0e\xff");                                 // an item below 0
    REFUSED("\x92\x0e\xa2\x31\x00");                         // an item that is a text
    REFUSED("\x95\x06\x01\xa0\xa1\x00\x01");                 // a text without its NUL
    REFUSED("\x95\x06\x01\xa1\x41\xa1\x00\x01");             // one that ends with another byte
    REFUSED("\x95\x06\x01\xa3\x41\x00\x00\xa1\x00\x01");     // one with a NUL within
    REFUSED("\x95\x06\x01\xc0\xa1\x00\x01");                 // none where there must be one
    REFUSED("\x95\x06\x01\xdb\xff\xff\xff\xff\x00");         // one longer than all there is
    REFUSED("\x96\x0c\xa2\x61\x00\x01\xa1\x00\xa1\x00\x01"); // a flag that is a number
}

static void states_there_are_not_are_refused(void **state)
{
    struct change change = record_sample(*state, CHANGE_ITEM, 0);
    size_t count = 0;
    size_t place = 0;

    change.item.state = ITEM_WAITING;
    unsigned char *waiting = bytes_of(&change, &count);
    change.item.state = ITEM_CLOSED;
    unsigned char *closed = bytes_of(&change, &count);
    while (waiting[place] == closed[place]) {
        place++;
    }
    closed[place] = ITEM_STATE_COUNT;
    assert_refused(closed, count);
    free(waiting);
    free(closed);
}

static void an_older_codec_had_fewer_columns(void **state)
{
    struct change change = record_sample(*state, CHANGE_DRAFT, 0);
    static const char bytes[] = "\x93\x06\x04\xa3\x6d\x65\x00"; // item and person alone
    struct codec_reader reader = codec_read(CODEC_NUMBER - 1, bytes, sizeof bytes - 1);

    assert_true(codec_next(&reader, &change));
    assert_int_equal(change.kind, CHANGE_DRAFT);
    assert_int_equal(change.draft.item, 4);
    assert_string_equal(change.draft.person, "me");
    assert_string_equal(change.draft.text, "");
    assert_int_equal(change.draft.at_ms, 0);
    assert_false(codec_next(&reader, &change));
    assert_null(reader.fault);
    REFUSED("\x93\x06\x04\xa3\x6d\x65\x00");
}

static void codecs_that_are_not_known_are_refused(void **state)
{
    static const int64_t unknown[] = { INT64_MIN, -1, 0, CODEC_NUMBER + 1, INT64_MAX };
    struct change change = record_sample(*state, CHANGE_SEAL, 0);
    size_t count = 0;
    unsigned char *bytes = bytes_of(&change, &count);

    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        struct codec_reader reader = codec_read(unknown[i], bytes, count);
        assert_non_null(reader.fault);
        assert_false(codec_next(&reader, &change));
    }
    free(bytes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_column_of_every_change_comes_back), TEST(changes_come_back_in_their_order),
        TEST(the_ends_of_each_range_come_back),        TEST(texts_of_any_length_come_back_and_none_stays_none),
        TEST(bytes_cut_anywhere_are_refused),          TEST(what_no_change_is_is_refused),
        TEST(states_there_are_not_are_refused),        TEST(an_older_codec_had_fewer_columns),
        TEST(codecs_that_are_not_known_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
