// mending_test.c - what others' programs break becomes what a post can carry, and sound texts stay as they are.

#include "worker/json_mending.h"
#include "proto/mended_text.h"
#include "worker/mending.h"
#include "worker/misread_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect_characters(const char *text, size_t bytes, const char *wanted)
{
    size_t mended_bytes;
    char *mended = mended_characters(text, bytes, &mended_bytes);
    if (wanted == NULL) {
        assert_null(mended);
        return;
    }
    assert_non_null(mended);
    assert_string_equal(mended, wanted);
    assert_int_equal(mended_bytes, strlen(wanted));
    free(mended);
}

static void broken_pieces_become_one_sign_each(void **state)
{
    (void) state;
    expect_characters("sound \xc3\xa9", 8, NULL);
    expect_characters("a\0b", 3,
                      "a\xef\xbf\xbd"
                      "b");
    expect_characters("caf\xe9", 4, "caf\xef\xbf\xbd");
    expect_characters("\xe9t\xe9", 3, "\xef\xbf\xbdt\xef\xbf\xbd");
    expect_characters("cut \xf0\x9f\x98", 7, "cut \xef\xbf\xbd");
    expect_characters("\xed\xa0\xbd!", 4, "\xef\xbf\xbd!");
    expect_characters("\xed\xa0\xbd\xed\xb8\x80", 6, "\xf0\x9f\x98\x80");
    expect_characters("\xc0\x80", 2, "\xef\xbf\xbd\xef\xbf\xbd");
}

static void an_input_with_few_broken_places_is_utf8(void **state)
{
    (void) state;
    struct encoding_tally tally = { 0 };
    encoding_tally_add(&tally, "caf\xe9", 4);
    assert_true(encoding_tally_is_utf8(&tally));
    encoding_tally_add(&tally, "J\xf6rg", 4);
    assert_false(encoding_tally_is_utf8(&tally));
    encoding_tally_add(&tally, "\xc3\xa9\xc3\xa8 \xe2\x82", 7);
    assert_true(encoding_tally_is_utf8(&tally));
}

static void expect_reading(const char *text, const char *wanted)
{
    char *mended = mended_reading(text);
    if (mended == NULL || strcmp(mended, wanted) != 0) {
        fail_msg("%s became %s", text, mended != NULL ? mended : "nothing else");
    }
    free(mended);
}

static void utf8_read_as_latin1_is_read_again(void **state)
{
    (void) state;
    expect_reading("JÃ¶rg", "Jörg");
    expect_reading("Mon fils est Ã\u00a0 l'hÃ´pital", "Mon fils est à l'hôpital");
    expect_reading("Mon fils est Ã l'hÃ´pital", "Mon fils est à l'hôpital"); // the no-break space became a blank
    expect_reading("rendez-vous Ã\u00a0 Paris", "rendez-vous à Paris");
    expect_reading("Itâ€™s late", "It’s late");
    expect_reading("It\xc3\xa2\xc2\x80\xc2\x99s late", "It’s late");
    expect_reading("JÃƒÂ¶rg", "Jörg"); // twice
    expect_reading("J\xc3\x83\xc2\x83\xc3\x82\xc2\xb6rg", "Jörg");
    expect_reading("late ðŸ˜€", "late 😀");
    expect_reading("Â£5 and 20Â°", "£5 and 20°");
    expect_reading("Ð¿Ñ€Ð¸Ð²ÐµÑ‚", "привет");
    expect_reading("zÅ‚oty", "złoty");
    expect_reading("estÃ¡", "está");
    expect_reading("teÅŸekkÃ¼rler", "teşekkürler");
    expect_reading("\xc3\xa3\xc2\x81\xc2\x82\xc3\xa3\xc2\x81\xc2\x84", "あい");
    expect_reading("JÃ¶rg is Ã", "Jörg is \ufffd"); // cut in the middle
}

static void sound_texts_are_left_alone(void **state)
{
    (void) state;
    static const char *const texts[] = {
        "plain",
        "Jörg",
        "à l'hôpital",
        "MARCHÉ\u00a0!",
        "LE CAFÉ\u00a0! LE PAVÉ\u00a0!",
        "il a dit «\u00a0café\u00a0»",
        "CAFÉ®",
        "températures\u00a0: mesuré\u00a0°C",
        "NÃO",
        "IRMÃ",
        "IRMÃ\u00a0!",
        "«AMANHû",
        "“É…”",
        "is Ã© shown for é?",
        "привет",
        "日本語",
        "😀",
        "GRÂCE À DIEU",
        "Ä",
        "naïve",
        "ÅÄÖ åäö",
        "50\u00a0€",
        "é…",
        "à «",
        "Ñandú",
        "Ελληνικά",
        "שלום",
        "عربي",
        "tiếng Việt",
        "ÉCOUTEZ\u00a0: «\u00a0VOILÀ\u00a0»",
        "\ufffd",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *mended = mended_reading(texts[i]);
        if (mended != NULL) {
            fail_msg("%s became %s", texts[i], mended);
        }
    }
}

static void a_cut_falls_between_characters(void **state)
{
    (void) state;
    assert_int_equal(text_bytes_that_fit("abc", 3), 3);
    assert_int_equal(text_bytes_that_fit("abcd", 3), 3);
    assert_int_equal(text_bytes_that_fit("ab\u00e9", 3), 2);
    assert_int_equal(text_bytes_that_fit("ab\u00e9\u00e9", 4), 4);
    assert_int_equal(text_bytes_that_fit("abe\u0301x", 3), 2);
    assert_int_equal(text_bytes_that_fit("x👨‍👩‍👧y", 12), 1); // a family is one
}

static void a_long_key_is_always_the_same_short_one(void **state)
{
    (void) state;
    char key[400];
    memset(key, 'k', sizeof key);
    key[sizeof key - 1] = '\0';
    char *first = shortened_key(key, strlen(key), 256), *second = shortened_key(key, strlen(key), 256);
    assert_int_equal(strlen(first), 256);
    assert_string_equal(first, second);
    key[398] = 'x';
    free(second);
    second = shortened_key(key, strlen(key), 256);
    assert_string_not_equal(first, second);
    free(first);
    free(second);
}

// ---- fields ----

static const struct behalf_field *field_named(const char *name)
{
    const struct behalf_field *field = behalf_type_fields(BEHALF_POST);
    while (strcmp(field->name, name) != 0) {
        field++;
    }
    return field;
}

static char *text_of(size_t bytes)
{
    char *text = malloc(bytes + 1);
    assert_non_null(text);
    memset(text, 'a', bytes);
    text[bytes] = '\0';
    return text;
}

static void details_that_are_too_long_cost_no_post(void **state)
{
    (void) state;
    struct mending *mending = mending_new();
    char *text = text_of(40000), words[256];
    const char *mended;
    static const struct {
        const char *field;
        size_t bytes; // 0: left out
    } wanted[] = { { "link", 0 },
                   { "language", 0 },
                   { "thread", 256 },
                   { "parent", 256 },
                   { "author", 256 },
                   { "author_name", 256 },
                   { "text", BEHALF_POST_BYTES } };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        assert_true(mending_text(mending, field_named(wanted[i].field), text, &mended));
        if (wanted[i].bytes) {
            assert_int_equal(strlen(mended), wanted[i].bytes);
        } else {
            assert_null(mended);
        }
    }
    assert_string_equal(mending_notes(mending), "link left out, language left out, thread shortened, parent shortened, "
                                                "author shortened, author_name cut, text cut");
    mending_end(mending);
    mending_begin(mending);
    assert_true(mending_text(mending, field_named("text"), text, &mended));
    assert_string_equal(mended + BEHALF_POST_BYTES - 4, "a\u2026");
    mending_end(mending);
    mending_begin(mending);
    mending_end(mending); // nothing was mended
    assert_int_equal(mending_posts(mending), 2);
    mending_describe(mending, words, sizeof words);
    assert_string_equal(words, "link left out 1, language left out 1, thread shortened 1, parent shortened 1, "
                               "author shortened 1, author_name cut 1, text cut 2");
    static const char *const needed[] = { "post", "channel", "brand" };
    for (size_t i = 0; i < 3; i++) {
        assert_false(mending_text(mending, field_named(needed[i]), text, &mended));
    }
    free(text);
    mending_destroy(&mending);
}

static void counts_are_read_as_people_write_them(void **state)
{
    (void) state;
    static const struct {
        const char *text;
        int64_t number;
    } counts[] = { { "0", 0 },           { "1200", 1200 },         { "12.0", 12 },           { "12.", 12 },
                   { "1.2K", 1200 },     { "1,2K", 1200 },         { "1.2k", 1200 },         { "3M", 3000000 },
                   { "2.5 M", 2500000 }, { "12,345", 12345 },      { "1,234,567", 1234567 }, { "1.234.567", 1234567 },
                   { "12 345", 12345 },  { "12\u00a0345", 12345 }, { "12\u202f345", 12345 }, { "1'234", 1234 },
                   { " 7 ", 7 },         { "1,234.0", 1234 },      { "1B", 1000000000 },     { "1.234,0", 1234 } };
    static const char *const none[] = { "",          "N/A",           "None",      "many",    "-1",
                                        "1e3",       "12.345",        "12,345K",   "1.5",     "1,23",
                                        "12,34,567", "1,234.567.890", "K",         "1.2345K", "99999999999999999999",
                                        "0,123",     "5 stars",       "1,234,5678" };
    struct mending *mending = mending_new();
    int64_t number;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        number = -1;
        if (!mending_count(mending, field_named("reach"), counts[i].text, &number) || number != counts[i].number) {
            fail_msg("%s is %lld", counts[i].text, (long long) number);
        }
    }
    assert_string_equal(mending_notes(mending), "");
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        mending_begin(mending);
        if (mending_count(mending, field_named("reach"), none[i], &number)) {
            fail_msg("%s is %lld", none[i], (long long) number);
        }
        assert_string_equal(mending_notes(mending), "reach left out");
    }
    mending_begin(mending);
    assert_true(mending_count(mending, field_named("media"), "5000", &number)); // what has pictures is no noise
    assert_int_equal(number, 1000);
    assert_string_equal(mending_notes(mending), "media cut");
    mending_destroy(&mending);
}

// ---- JSON ----

static void expect_line(const char *line, const char *wanted)
{
    size_t bytes;
    bool characters;
    char *mended = json_line_mended(line, strlen(line), &(struct encoding_tally){ 0 }, &bytes, &characters);
    if (wanted != NULL) {
        assert_non_null(mended);
        assert_string_equal(mended, wanted);
        assert_int_equal(bytes, strlen(wanted));
    } else {
        assert_null(mended);
    }
    free(mended);
}

static void lines_that_jansson_refuses_are_mended(void **state)
{
    (void) state;
    expect_line("{\"a\":1,\"b\":-2.5e3,\"c\":\"\\ud83d\\ude00 \\n \\\\ud83d\",\"d\":[true,null]}", NULL);
    expect_line("{\"a\":10014255632117358197}", "{\"a\":\"10014255632117358197\"}");
    expect_line("{\"a\":[-10014255632117358197 ,1e999]}", "{\"a\":[\"-10014255632117358197\" ,\"1e999\"]}");
    expect_line("{\"10014255632117358197\":\"x 10014255632117358197\"}", NULL);
    expect_line("{\"a\":\"\\ud83d\",\"b\":\"\\ude00\\ud83dx\",\"c\":\"\\u0000\"}",
                "{\"a\":\"\\ufffd\",\"b\":\"\\ufffd\\ufffdx\",\"c\":\"\\ufffd\"}");
    expect_line("{\"a\":\"x\ty\"}", "{\"a\":\"x\\u0009y\"}");
    expect_line("{\"a\":NaN,\"b\":-Infinity,\"c\":Infinity,\"d\":\"NaN\"}",
                "{\"a\":null,\"b\":null,\"c\":null,\"d\":\"NaN\"}");
    expect_line("{\"a\":007,\"b\":\"open", NULL);
    expect_line("{\"a\":\"\\", NULL);
    expect_line("-", NULL);
}

static void expect_object(const char *before, const char *after, const char *notes)
{
    json_t *object = json_loads(before, 0, NULL), *wanted = json_loads(after, 0, NULL);
    assert_non_null(object);
    assert_non_null(wanted);
    struct mending *mending = mending_new();
    json_object_mend(object, BEHALF_POST, mending);
    char *text = json_dumps(object, JSON_SORT_KEYS);
    if (!json_equal(object, wanted)) {
        fail_msg("%s became %s", before, text);
    }
    assert_string_equal(mending_notes(mending), notes);
    free(text);
    json_decref(object);
    json_decref(wanted);
    mending_destroy(&mending);
}

static void values_of_another_kind_are_read_where_they_can_be(void **state)
{
    (void) state;
    expect_object("{\"post\":1001,\"author\":42.0,\"thread\":7}",
                  "{\"post\":\"1001\",\"author\":\"42\",\"thread\":\"7\"}", "");
    expect_object("{\"post\":1.29403e18}", "{\"post\":1.29403e18}", ""); // refused, for it is rounded
    expect_object("{\"post\":[1],\"link\":[1],\"language\":true}", "{\"post\":[1]}",
                  "language left out, link left out");
    expect_object("{\"reach\":\"1.2K\",\"posted_ms\":\"1795680000000\"}",
                  "{\"reach\":1200,\"posted_ms\":1795680000000}", "");
    expect_object("{\"reach\":12.0,\"posted_ms\":1795680000000.5}", "{\"reach\":12,\"posted_ms\":1795680000000}", "");
    expect_object("{\"reach\":\"None\",\"posted_ms\":\"soon\"}", "{}", "reach left out, posted_ms left out");
    expect_object("{\"reach\":-1,\"posted_ms\":-5}", "{}", "reach left out, posted_ms left out");
    expect_object("{\"reach\":\"\",\"text\":null,\"author\":\"\u00c3\u00b6\"}", "{\"text\":null,\"author\":\"\u00f6\"}",
                  "author misread as Latin-1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_pieces_become_one_sign_each),
        cmocka_unit_test(an_input_with_few_broken_places_is_utf8),
        cmocka_unit_test(utf8_read_as_latin1_is_read_again),
        cmocka_unit_test(sound_texts_are_left_alone),
        cmocka_unit_test(a_cut_falls_between_characters),
        cmocka_unit_test(a_long_key_is_always_the_same_short_one),
        cmocka_unit_test(details_that_are_too_long_cost_no_post),
        cmocka_unit_test(counts_are_read_as_people_write_them),
        cmocka_unit_test(lines_that_jansson_refuses_are_mended),
        cmocka_unit_test(values_of_another_kind_are_read_where_they_can_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
