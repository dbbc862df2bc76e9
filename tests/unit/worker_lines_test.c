// worker_lines_test.c - lines in bounded memory, and messages as JSON and back.

#include "worker/line_reader.h"
#include "worker/message_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void expect_line(struct line_reader *reader, const char *wanted)
{
    const char *line;
    size_t bytes;
    enum line_kind kind;
    while ((kind = line_reader_next(reader, &line, &bytes)) == LINE_NONE) {
        assert_true(line_reader_fill(reader) || reader->ended);
    }
    if (wanted == NULL) {
        assert_int_equal(kind, LINE_TOO_LONG);
        return;
    }
    assert_int_equal(kind, LINE_WHOLE);
    assert_int_equal(bytes, strlen(wanted));
    assert_memory_equal(line, wanted, bytes);
}

static void lines_come_whole_and_long_ones_are_passed_over(void **state)
{
    (void) state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    static const char text[] = "one\n\n0123456789\n01234567890\ntwo\n0123456789012345678901234567890123456789\nlast";
    assert_int_equal(write(ends[1], text, strlen(text)), (ssize_t) strlen(text));
    close(ends[1]);
    struct line_reader reader;
    line_reader_init(&reader, ends[0], 10);
    expect_line(&reader, "one");
    expect_line(&reader, "");
    expect_line(&reader, "0123456789");
    expect_line(&reader, NULL);
    expect_line(&reader, "two");
    assert_int_equal(reader.number, 5);
    expect_line(&reader, NULL);
    expect_line(&reader, "last");
    const char *line;
    size_t bytes;
    assert_int_equal(line_reader_next(&reader, &line, &bytes), LINE_NONE);
    assert_true(reader.ended);
    assert_true(reader.capacity <= 11);
    line_reader_fini(&reader);
    close(ends[0]);
}

// Every type, with every field filled, comes back from JSON as it went.
static void every_message_survives_json(void **state)
{
    (void) state;
    for (int type = BEHALF_NONE + 1; type < BEHALF_TYPE_COUNT; type++) {
        json_t *object = json_object();
        for (const struct behalf_field *field = behalf_type_fields((enum behalf_type) type); field->name != NULL;
             field++) {
            json_t *value = field->kind == 't'   ? json_string("caf\xc3\xa9")
                            : field->kind == 'n' ? json_integer(field->maximum)
                            : field->kind == 'f' ? json_true()
                            : field->kind == 's' ? json_pack("[ss]", "a", "b")
                                                 : json_array();
            json_object_set_new(object, field->name, value);
        }
        struct behalf_fault fault;
        char unknown[64];
        struct behalf_message *message = message_from_json((enum behalf_type) type, object, unknown, &fault);
        assert_non_null(message);
        assert_string_equal(unknown, "");
        json_t *again = message_to_json(message);
        assert_string_equal(json_string_value(json_object_get(again, "type")),
                            behalf_type_name((enum behalf_type) type));
        const char *key;
        json_t *value;
        json_object_foreach(object, key, value)
        {
            if (json_is_array(value) && json_array_size(value) == 0) {
                continue; // an empty list is as if it were absent
            }
            assert_true(json_equal(value, json_object_get(again, key)));
        }
        behalf_message_destroy(&message);
        json_decref(object);
        json_decref(again);
    }
}

static void lists_survive_json(void **state)
{
    (void) state;
    json_t *object = json_pack("{s[{ss ss sI sb} {ss}]}", "story", "kind", "post", "text", "Hi", "at_ms",
                               (json_int_t) 7, "edited", 1, "kind", "note");
    json_object_update_new(object, json_pack("{sI sI ss ss ss ss ss ss}", "item", (json_int_t) 1, "lease",
                                             (json_int_t) 2, "state", "held", "audience", "agent", "brand", "acme",
                                             "channel", "chirp", "author", "@jo", "language", "en"));
    struct behalf_fault fault;
    char unknown[64];
    struct behalf_message *message = message_from_json(BEHALF_ITEM, object, unknown, &fault);
    assert_non_null(message);
    assert_int_equal(message->item.story_count, 2);
    assert_string_equal(message->item.story[0].text, "Hi");
    assert_true(message->item.story[0].edited);
    assert_string_equal(message->item.story[1].text, "");
    behalf_message_destroy(&message);
    json_decref(object);
}

static void reasons_do_not_quote_the_line(void **state)
{
    (void) state;
    static const char line[] = "{\"text\": secret}";
    char reason[200];
    assert_null(json_line_parse(line, strlen(line), reason, sizeof reason));
    assert_null(strstr(reason, "secret"));
    static const char twice[] = "{\"secret\":1,\"secret\":2}";
    assert_null(json_line_parse(twice, strlen(twice), reason, sizeof reason));
    assert_null(strstr(reason, "secret"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_whole_and_long_ones_are_passed_over),
        cmocka_unit_test(every_message_survives_json),
        cmocka_unit_test(lists_survive_json),
        cmocka_unit_test(reasons_do_not_quote_the_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
