// visible_text_test.c - what people are shown of a text from outside is all there is of it.

#include "worker/visible_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>

#include <cmocka.h>

static void expect_with(const char *text, unsigned options, const char *wanted)
{
    char *shown = visible_string(text, options);
    assert_string_equal(shown, wanted);
    free(shown);
}

static void expect(const char *text, const char *wanted)
{
    expect_with(text, 0, wanted);
}

static void plain_text_stays_as_it_is(void **state)
{
    (void) state;
    expect("", "");
    expect("Hello, world!", "Hello, world!");
    expect("Grüße aus Köln – schön!", "Grüße aus Köln – schön!");
    expect("请问我的订单在哪里？", "请问我的订单在哪里？");
    expect("أين طلبي؟", "أين طلبي؟");
    expect("नमस्ते", "नमस्ते");
}

static void controls_become_pictures(void **state)
{
    (void) state;
    expect("\x1b[2J\x1b]0;pwned\x07", "␛[2J␛]0;pwned␇");
    expect("a\rb\tc\bd\x7f", "a␍b␉c␈d␡");
    expect("line\nline", "line␊line");
}

static void controls_of_the_second_set_are_named(void **state)
{
    (void) state;
    expect("\xc2\x9b"
           "2J",
           "<U+009B>2J");
    expect("\xc2\x85", "<U+0085>");
}

static void newlines_stay_only_when_wanted(void **state)
{
    (void) state;
    expect_with("one\ntwo\r\nthree\rfour", VISIBLE_LINES, "one\ntwo\nthree␍four");
}

static void direction_of_writing_cannot_be_turned(void **state)
{
    (void) state;
    expect("abc\u202Edef\u202C", "abc<U+202E>def<U+202C>");
    expect("\u2066x\u2069\u200E\u200F\u061C", "<U+2066>x<U+2069><U+200E><U+200F><U+061C>");
}

static void nothing_hides(void **state)
{
    (void) state;
    expect("a\u200Bb\u2060c\uFEFFd\u00ADe\u034Ff", "a<U+200B>b<U+2060>c<U+FEFF>d<U+00AD>e<U+034F>f");
    expect("a\u2028b\u2029c", "a<U+2028>b<U+2029>c");
    expect("a\U000E0061\U000E007F", "a<U+E0061><U+E007F>");
    expect("\u3164\uFFA0\u115F", "<U+3164><U+FFA0><U+115F>");
    expect("a\U000E0100", "a<U+E0100>");
    expect("\uE000\uFFF9\U0010FFFF", "<U+E000><U+FFF9><U+10FFFF>");
}

static void bytes_that_are_not_utf8_are_shown(void **state)
{
    (void) state;
    expect("a\xff"
           "b\xc3",
           "a<0xFF>b<0xC3>");
    expect("\xc0\x9b", "<0xC0><0x9B>");
    expect("\xed\xa0\x80", "<0xED><0xA0><0x80>");
    char *shown = visible_text("a\0b", 3, 0);
    assert_string_equal(shown, "a␀b");
    free(shown);
}

static void emoji_stay_whole(void **state)
{
    (void) state;
    expect("👩‍👩‍👧‍👦", "👩‍👩‍👧‍👦");
    expect("👍🏽 ❤️ 👩🏽‍🚀", "👍🏽 ❤️ 👩🏽‍🚀");
    expect("🏳️‍🌈", "🏳️‍🌈");
    expect("1️⃣", "1️⃣");
    expect("🇩🇪", "🇩🇪");
    expect("🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🏴󠁧󠁢󠁥󠁮󠁧󠁿");
}

static void joiners_elsewhere_are_shown(void **state)
{
    (void) state;
    expect("a\u200Db", "a<U+200D>b");
    expect("👍\u200Da", "👍<U+200D>a");
    expect("👍\u200D\u200D👍", "👍<U+200D><U+200D>👍");
    expect("x\uFE0F", "x<U+FE0F>");
    expect("❤\uFE0F\uFE0F", "❤\uFE0F\uFE0F"); // says the same twice and hides nothing
    expect("🏴\U000E0068\U000E0069\U000E007F", "🏴<U+E0068><U+E0069><U+E007F>");
}

static void joiners_that_scripts_need_stay(void **state)
{
    (void) state;
    expect("می\u200Cخواهم", "می\u200Cخواهم");
    expect("क्\u200Dष", "क्\u200Dष");
    expect("a\u200Cb", "a<U+200C>b");
}

static void marks_cannot_climb_out_of_their_line(void **state)
{
    (void) state;
    expect("e\u0301", "e\u0301");
    expect("a\u0301\u0302\u0303\u0304\u0305\u0306\u0307z", "a\u0301\u0302\u0303\u0304<+3 marks>z");
    expect("\u0301a", "◌\u0301a");
    expect_with("x\n\u0301", VISIBLE_LINES, "x\n◌\u0301");
}

static void other_terminals_get_ascii(void **state)
{
    (void) state;
    expect_with("é\x1b✓", VISIBLE_ASCII, "<U+00E9><U+001B><U+2713>");
}

// Whatever bytes come in, what goes out is valid UTF-8 without anything that could move or hide, and not
// more than twelve times as long.
static void any_bytes_are_safe(void **state)
{
    (void) state;
    uint32_t seed = 12345;
    for (int round = 0; round < 2000; round++) {
        char text[64];
        for (size_t i = 0; i < sizeof text; i++) {
            seed = seed * 1664525u + 1013904223u;
            text[i] = (char) (seed >> 24);
        }
        char *shown = visible_text(text, sizeof text, 0);
        assert_null(u8_check((const uint8_t *) shown, strlen(shown)));
        assert_true(strlen(shown) <= 12 * sizeof text);
        for (const char *at = shown; *at != '\0'; at++) {
            assert_true((unsigned char) *at >= 0x20 && *at != 0x7f);
        }
        assert_null(strstr(shown, "\u202E"));
        free(shown);
    }
}

static void width_knows_wide_characters(void **state)
{
    (void) state;
    assert_int_equal(visible_width("abc"), 3);
    assert_int_equal(visible_width("请问"), 4);
    assert_int_equal(visible_width("e\u0301"), 1);
}

static void lines_break_at_words(void **state)
{
    (void) state;
    char *wrapped = visible_wrap("one two three four five six seven\nnext", 24, "| ");
    assert_string_equal(wrapped, "| one two three four \n| five six seven\n| next\n");
    free(wrapped);
}

static void long_words_break_where_they_must(void **state)
{
    (void) state;
    char *wrapped = visible_wrap("abcdefghijklmnopqrstuvwxyz", 20, "");
    assert_string_equal(wrapped, "abcdefghijklmnopqrst\nuvwxyz\n");
    free(wrapped);
    wrapped = visible_wrap("请问我的订单在哪里请问我的订单在哪里", 20, "");
    assert_string_equal(wrapped, "请问我的订单在哪里请\n问我的订单在哪里\n");
    free(wrapped);
}

static void cut_text_ends_with_an_ellipsis(void **state)
{
    (void) state;
    char *cut = visible_cut("a long line", 6);
    assert_string_equal(cut, "a lon…");
    free(cut);
    cut = visible_cut("short", 6);
    assert_string_equal(cut, "short");
    free(cut);
    cut = visible_cut("请问我的", 6);
    assert_string_equal(cut, "请问…");
    free(cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_text_stays_as_it_is),
        cmocka_unit_test(controls_become_pictures),
        cmocka_unit_test(controls_of_the_second_set_are_named),
        cmocka_unit_test(newlines_stay_only_when_wanted),
        cmocka_unit_test(direction_of_writing_cannot_be_turned),
        cmocka_unit_test(nothing_hides),
        cmocka_unit_test(bytes_that_are_not_utf8_are_shown),
        cmocka_unit_test(emoji_stay_whole),
        cmocka_unit_test(joiners_elsewhere_are_shown),
        cmocka_unit_test(joiners_that_scripts_need_stay),
        cmocka_unit_test(marks_cannot_climb_out_of_their_line),
        cmocka_unit_test(other_terminals_get_ascii),
        cmocka_unit_test(any_bytes_are_safe),
        cmocka_unit_test(width_knows_wide_characters),
        cmocka_unit_test(lines_break_at_words),
        cmocka_unit_test(long_words_break_where_they_must),
        cmocka_unit_test(cut_text_ends_with_an_ellipsis),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
