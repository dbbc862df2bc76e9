// plain_text_test.c - what is left of a post for telling its language, and for matching patterns.

#include "broker/triage/plain_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>

#include <cmocka.h>

static void expect_language(const char *text, const char *wanted)
{
    struct plain_text plain = { 0 };
    plain_text_for_language(&plain, text, strlen(text));
    assert_string_equal(plain.text, wanted);
    assert_int_equal(plain.bytes, strlen(wanted));
    plain_text_fini(&plain);
}

static void expect_pattern(const char *text, const char *wanted)
{
    struct plain_text plain = { 0 };
    plain_text_for_patterns(&plain, text, strlen(text));
    assert_string_equal(plain.text, wanted);
    assert_int_equal(plain.bytes, strlen(wanted));
    plain_text_fini(&plain);
}

static void links_are_not_language(void **state)
{
    (void) state;
    expect_language("see https://example.com/a?b=c now", "see now");
    expect_language("see http://t.co/x", "see");
    expect_language("www.example.org is down", "is down");
    expect_language("bit.ly/3xYz bad", "bad");
    expect_language("example.com, they say", "they say");
    expect_language("here:http://x.y/z", "here:");
    expect_language("ftp://old.example/file gone", "gone");
}

static void words_after_a_full_stop_are_no_host(void **state)
{
    (void) state;
    expect_language("Nada.Es que no", "Nada.Es que no");
    expect_language("and/or", "and/or");
}

static void mentions_hashtags_and_addresses_are_not_language(void **state)
{
    (void) state;
    expect_language("@brand where is it", "where is it");
    expect_language("hola @brand_es! qué tal #FallaTodo", "hola ! qué tal");
    expect_language("write to a.b@example.com please", "write to please");
    expect_language("(@a,@b) yes", "(,) yes");
    expect_language("#größe passt", "passt");
    expect_language("call __phone__ now", "call now");
}

static void retweet_markers_are_not_language(void **state)
{
    (void) state;
    expect_language("RT @brand: hello there", ": hello there");
    expect_language("rt hello", "hello");
    expect_language("hello RT: there", "hello there");
    expect_language("the art of it", "the art of it");
}

static void emoji_and_emoticons_are_not_language(void **state)
{
    (void) state;
    expect_language("danke \U0001F602\U0001F44D\U0001F3FD", "danke");
    expect_language("\U0001F44D\U0001F44D", "");
    expect_language("bien :D xDDD :-) ;P", "bien");
    expect_language("bien:D", "bien");
    expect_language("\u2764\uFE0F toll", "toll");
}

static void figures_are_not_language(void **state)
{
    (void) state;
    expect_language("2nd flight 20h LH123 50\u20AC", "flight LH");
    expect_language("2014\u5E74\u304B\u3089", "\u5E74\u304B\u3089");
}

static void entities_are_decoded(void **state)
{
    (void) state;
    expect_language("you &amp; me", "you me");
    expect_language("caf&eacute; &lt;3 &#128514;", "caf\u00E9");
    expect_language("a&nbsp;b", "a b");
    expect_pattern("&lt;b&gt; &amp;amp;lt; &#x41;&#98;", "<b> < ab");
    expect_pattern("AT&T &unknown; &#; &#xZZ; &", "at&t &unknown; &#; &#xzz; &");
    expect_pattern("&#0;&#xD800;&#99999999999;", "\uFFFD\uFFFD\uFFFD");
    expect_pattern("fish &amp", "fish &");
    expect_pattern("&copyright", "&copyright");
}

static void every_entity_is_found(void **state)
{
    (void) state;
    static const char *const names[] = {
#define ENTITY(name, code) name,
#include "broker/triage/entities.def"
#undef ENTITY
    };
    static const uint32_t codes[] = {
#define ENTITY(name, code) code,
#include "broker/triage/entities.def"
#undef ENTITY
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char named[32], numbered[32];
        struct plain_text by_name = { 0 }, by_number = { 0 };
        snprintf(named, sizeof named, "x&%s;y", names[i]);
        snprintf(numbered, sizeof numbered, "x&#%u;y", codes[i]);
        plain_text_for_patterns(&by_name, named, strlen(named));
        plain_text_for_patterns(&by_number, numbered, strlen(numbered));
        assert_string_equal(by_name.text, by_number.text);
        assert_string_not_equal(by_name.text, named);
        plain_text_fini(&by_name);
        plain_text_fini(&by_number);
    }
}

static void case_does_not_matter(void **state)
{
    (void) state;
    expect_pattern("SCANDAL", "scandal");
    expect_pattern("СКАНДАЛ", "скандал");
    expect_pattern("ÄRGER Straße", "ärger strasse");
    expect_pattern("\u0130STANBUL", "istanbul");
}

static void width_and_styled_letters_do_not_matter(void **state)
{
    (void) state;
    expect_pattern("ｌａｗｙｅｒ ＬＡＷ", "lawyer law");
    expect_pattern("\U0001D4DB\U0001D4EA\U0001D500", "law"); // mathematical script
    expect_pattern("\u24DB\u24D0\u24E6", "law");             // circled
    expect_pattern("\uFB01re", "fire");                      // ligature
}

static void what_nobody_sees_does_not_hide_a_word(void **state)
{
    (void) state;
    expect_pattern("la\u200Bw\u200Cy\u200De\u2060r", "lawyer");
    expect_pattern("la\u00ADwyer", "lawyer");
    expect_pattern("\uFEFFlaw\u202Eyer\u202C", "lawyer");
    expect_pattern("law\uFE0Fyer\u2066", "lawyer");
    expect_pattern("law\U000E0061\U000E007Fyer", "lawyer");
    expect_pattern("la\x01w\x7Fyer", "lawyer");
    expect_pattern("l&#8203;aw&shy;yer", "lawyer");
    expect_pattern("la\u034Fw\u3164yer", "lawyer");
}

static void decoration_of_letters_is_taken_off(void **state)
{
    (void) state;
    expect_pattern("l\u0336a\u0336w\u0336", "law");
    expect_pattern("f\u20DDire", "fire");
    // Five marks on a letter: one joins it, two stay, the rest is decoration.
    expect_pattern("e\u0301\u0316\u0317\u0318\u0319", "\u00E9\u0316\u0317");
}

static void diacritics_stay(void **state)
{
    (void) state;
    expect_pattern("Café ÑANDÚ", "café ñandú");
    expect_pattern("Cafe\u0301", "café");
    expect_pattern("Việt", "việt");
    expect_pattern("सेवा खराब", "सेवा खराब");
    expect_language("cafe\u0301", "café");
}

static void white_space_is_one_blank(void **state)
{
    (void) state;
    expect_pattern("  a \t\r\n b\u00A0\u3000c \u2800 ", "a b c");
    expect_language("\n\n a   b ", "a b");
    expect_pattern(" \n ", "");
    expect_pattern("", "");
    expect_language("", "");
}

static void odd_bytes_become_replacement_characters(void **state)
{
    (void) state;
    struct plain_text plain = { 0 };
    plain_text_for_patterns(&plain, "a\xFF\xC3(\0b", 7);
    assert_string_equal(plain.text, "a\uFFFD\uFFFD(b");
    plain_text_for_language(&plain, "hola\xE2\x82", 6);
    assert_string_equal(plain.text, "hola");
    plain_text_fini(&plain);
}

static void memory_is_used_again(void **state)
{
    (void) state;
    struct plain_text plain = { 0 };
    plain_text_for_patterns(&plain, "a longer text comes first", 25);
    size_t capacity = plain.capacity;
    plain_text_for_patterns(&plain, "SHORT", 5);
    assert_string_equal(plain.text, "short");
    assert_int_equal(plain.capacity, capacity);
    plain_text_fini(&plain);
    assert_null(plain.text);
    assert_int_equal(plain.capacity, 0);
}

static void the_longest_result_holds_what_comes_last(void **state)
{
    (void) state;
    // U+FDFA grows most of all characters; a word behind it must not fall off the end.
    static char text[PLAIN_TEXT_INPUT_BYTES + 100];
    size_t bytes = 0;
    while (bytes + 3 <= PLAIN_TEXT_INPUT_BYTES - 8) {
        memcpy(text + bytes, "\uFDFA", 3);
        bytes += 3;
    }
    memcpy(text + bytes, " LAWYER", 7);
    struct plain_text plain = { 0 };
    plain_text_for_patterns(&plain, text, bytes + 7);
    assert_true(plain.bytes <= PLAIN_TEXT_OUTPUT_BYTES);
    assert_string_equal(plain.text + plain.bytes - 7, " lawyer");
    plain_text_fini(&plain);
}

static void input_beyond_the_limit_is_not_looked_at(void **state)
{
    (void) state;
    char *text = malloc(PLAIN_TEXT_INPUT_BYTES + 10);
    assert_non_null(text);
    memset(text, 'a', PLAIN_TEXT_INPUT_BYTES + 10);
    struct plain_text plain = { 0 };
    plain_text_for_patterns(&plain, text, PLAIN_TEXT_INPUT_BYTES + 10);
    assert_int_equal(plain.bytes, PLAIN_TEXT_INPUT_BYTES);
    plain_text_fini(&plain);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_are_not_language),
        cmocka_unit_test(words_after_a_full_stop_are_no_host),
        cmocka_unit_test(mentions_hashtags_and_addresses_are_not_language),
        cmocka_unit_test(retweet_markers_are_not_language),
        cmocka_unit_test(emoji_and_emoticons_are_not_language),
        cmocka_unit_test(figures_are_not_language),
        cmocka_unit_test(entities_are_decoded),
        cmocka_unit_test(every_entity_is_found),
        cmocka_unit_test(case_does_not_matter),
        cmocka_unit_test(width_and_styled_letters_do_not_matter),
        cmocka_unit_test(what_nobody_sees_does_not_hide_a_word),
        cmocka_unit_test(decoration_of_letters_is_taken_off),
        cmocka_unit_test(diacritics_stay),
        cmocka_unit_test(white_space_is_one_blank),
        cmocka_unit_test(odd_bytes_become_replacement_characters),
        cmocka_unit_test(memory_is_used_again),
        cmocka_unit_test(the_longest_result_holds_what_comes_last),
        cmocka_unit_test(input_beyond_the_limit_is_not_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
