// plain_text_test.c - what is left of a post for telling its language.

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

static void white_space_is_one_blank(void **state)
{
    (void) state;
    expect_language("\n\n a   b ", "a b");
    expect_language("", "");
    expect_language("you &amp; me", "you me");
    expect_language("caf&eacute; &lt;3 &#128514;", "caf\u00E9");
    expect_language("a&nbsp;b", "a b");
    expect_language("cafe\u0301", "caf\u00E9");
}

static void odd_bytes_are_not_language(void **state)
{
    (void) state;
    struct plain_text plain = { 0 };
    plain_text_for_language(&plain, "hola\xE2\x82", 6);
    assert_string_equal(plain.text, "hola");
    plain_text_fini(&plain);
}

// Words behind thousands of links are found all the same.
static void a_long_text_is_looked_at_until_it_tells(void **state)
{
    (void) state;
    static char text[PLAIN_TEXT_INPUT_BYTES + 1];
    size_t bytes = 0;
    while (bytes + 40 < PLAIN_TEXT_INPUT_BYTES) {
        bytes += (size_t) sprintf(text + bytes, "https://t.co/x ");
    }
    strcpy(text + bytes, "where is it");
    expect_language(text, "where is it");
}

static void memory_is_used_again(void **state)
{
    (void) state;
    struct plain_text plain = { 0 };
    plain_text_for_language(&plain, "a longer text comes first", 25);
    size_t capacity = plain.capacity;
    plain_text_for_language(&plain, "SHORT", 5);
    assert_string_equal(plain.text, "SHORT");
    assert_int_equal(plain.capacity, capacity);
    plain_text_fini(&plain);
    assert_null(plain.text);
    assert_int_equal(plain.capacity, 0);
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
        cmocka_unit_test(white_space_is_one_blank),
        cmocka_unit_test(odd_bytes_are_not_language),
        cmocka_unit_test(a_long_text_is_looked_at_until_it_tells),
        cmocka_unit_test(memory_is_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
