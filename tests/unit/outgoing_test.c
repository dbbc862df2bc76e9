// outgoing_test.c - what a reply must be before it may go out: its length as platforms count, no card numbers, its
// disclosure line in sight.

#include "broker/desk/card_number.h"
#include "broker/desk/outgoing.h"

#include <behalf/message.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka needs those above.
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- lengths ----

struct counted {
    const char *text;
    int64_t length;
};

static void assert_lengths(enum counting counting, int64_t link_length, const struct counted *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t length = reply_length(counting, link_length, cases[i].text);
        if (length != cases[i].length) {
            fail_msg("%s: %s has length %lld, not %lld", counting_defaults(counting)->name, cases[i].text,
                     (long long) cases[i].length, (long long) length);
        }
    }
}

#define ASSERT_LENGTHS(counting, link_length, cases)                                                                   \
    assert_lengths(counting, link_length, cases, sizeof(cases) / sizeof *(cases))

// The texts are those of the conformance suite of twitter-text 3 (conformance/validate.yml, lengths and
// WeightedTweetsWithDiscountedEmojiCounterTest; Apache-2.0), and further ones with the values that its version 3.1.0
// gives.
static void x_is_counted_as_it_counts(void **state)
{
    (void) state;
    static const struct counted cases[] = {
        { "This is a test.", 15 },
        { "http://test.com", 23 },
        { "https://test.com", 23 },
        { "test.com", 23 },
        { "Test https://test.com test https://test.com test.com test", 86 },
        { "저찀쯿쿿", 8 },
        { "のののの", 8 },
        { "ÁB", 2 },
        { "A\xcc\x81"
          "B",
          2 },
        { "A\ufb2c", 4 },
        { "H🐱☺👨\xe2\x80\x8d👩\xe2\x80\x8d👧\xe2\x80\x8d👦", 7 },
        { "😷👾😡🔥💩", 10 },
        { "🙋🏽👨\xe2\x80\x8d🎤", 4 },
        { "1⃣", 2 },
        { "Unicode 10.0 emoji: 🤪; 🧕; 🧕🏾; 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
          34 },
        { "Unicode 9.0 emoji: 🤠; 💃; 💃🏾", 29 },
        { "randomurlrandomurlrandomurlrandomurlrandomurlrandomurlrandomurls.com", 68 },
        { "\u2066\u202ahttp://foobar.پاکستان/\u202c\u2069", 31 },
        { "hi t.co example.com ☺\ufe0f ©", 55 },
        { "see example.com/path?x=1&y=2.", 28 },
        { "(https://en.wikipedia.org/wiki/Primer_(film))", 25 },
        { "mail jo@example.com", 19 },
        { "@example.com #example.com", 25 },
        { "not.a.tldxyz", 12 },
        { "foo_bar.example.com", 27 },
        { "https://t.co/abc123!", 24 },
        { "example.comの", 25 },
        { "e.g. this,that.and", 18 },
        { "v1.2.3", 6 },
        { "https://example.com/a%20b#c\u2026", 25 },
        { "🇩🇪🇫🇷", 4 },
        { "©\ufe0f ™ ®", 7 },
        { "\u201cquoted\u201d \u2013 dash \u2026 \u2032", 20 },
        { "http://"
          "あいうえおかきくけこあいうえおかきくけこあいうえおかきくけこあいうえおかきくけこあいうえおかきくけこあいう."
          "com",
          117 },
        { "http://"
          "あいうえおかきくけこあいうえおかきくけこあいうえおかきくけこあいうえおかきくけこあいうえおかきくけこあい."
          "com",
          23 },
    };
    ASSERT_LENGTHS(COUNTING_X, 23, cases);
    char text[2000] = "";
    for (int i = 0; i < 140; i++) {
        strcat(text, "\xf0\x9f\x98\xb7");
    }
    assert_int_equal(reply_length(COUNTING_X, 23, text), 280);
    for (int i = 0; i < 10; i++) {
        strcpy(text + (size_t) i * 30, "https://www.twitter.com/aloha ");
    }
    assert_int_equal(reply_length(COUNTING_X, 23, text), 240);
}

static void other_platforms_are_counted_as_they_count(void **state)
{
    (void) state;
    static const struct counted characters[] = { { "abc", 3 }, { "a\xcc\x81", 2 }, { "https://example.com/1234", 24 } };
    static const struct counted graphemes[] = {
        { "a\xcc\x81 b", 3 }, { "👨\xe2\x80\x8d👩\xe2\x80\x8d👧 🇩🇪🇫🇷", 4 }, { "\r\n", 1 }, { "நிக", 2 }
    };
    static const struct counted mastodon[] = { { "@jo@example.social hi", 6 },
                                               { "@jo@example.social, @ben@b.example.", 10 },
                                               { "mail jo@example.com", 19 },
                                               { "see https://example.com/a/very/long/path/that/does/not/count now",
                                                 4 + 23 + 4 },
                                               { "example.com/path", 16 } };
    static const struct counted bytes[] = { { "é", 2 }, { "👍", 4 } };
    static const struct counted sms[] = { { "Hello", 5 }, { "10 €", 5 }, { "[x]", 5 }, { "ñandú", 12 }, { "やあ", 5 } };
    ASSERT_LENGTHS(COUNTING_CHARACTERS, 0, characters);
    ASSERT_LENGTHS(COUNTING_GRAPHEMES, 0, graphemes);
    ASSERT_LENGTHS(COUNTING_BLUESKY, 0, graphemes);
    ASSERT_LENGTHS(COUNTING_MASTODON, 23, mastodon);
    ASSERT_LENGTHS(COUNTING_BYTES, 0, bytes);
    ASSERT_LENGTHS(COUNTING_SMS, 0, sms);
    static const struct counted priced[] = { { "https://example.com/1234 x", 25 } };
    ASSERT_LENGTHS(COUNTING_CHARACTERS, 23, priced);
}

static char *repeated(const char *text, size_t times)
{
    char *all = calloc(times + 1, strlen(text) + 1);
    assert_non_null(all);
    for (size_t i = 0; i < times; i++) {
        memcpy(all + i * strlen(text), text, strlen(text));
    }
    return all;
}

// Hosts that are longer than any are none.
static void a_host_longer_than_any_is_no_link(void **state)
{
    (void) state;
    char *letters = repeated("a", 2000), *accented = repeated("é", 500);
    char text[2100];
    snprintf(text, sizeof text, "é.xn--%s", letters);
    assert_int_equal(reply_length(COUNTING_X, 23, text), 2006);
    assert_false(text_has_card_number(text));
    snprintf(text, sizeof text, "https://é.%.250s.%.250s.%.250s.%.250s.com", accented, accented, accented, accented);
    assert_int_equal(reply_length(COUNTING_X, 23, text), 8 + 2 + 4 * 126 + 3);
    free(letters);
    free(accented);
}

static void an_sms_ends_where_the_network_ends_it(void **state)
{
    (void) state;
    static const struct {
        const char *letter;
        size_t fits, of;
    } cases[] = { { "a", 160, 160 }, { "ж", 70, 160 }, { "😀", 35, 160 }, { "ж", 134, 306 }, { "a", 306, 306 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *most = repeated(cases[i].letter, cases[i].fits), *more = repeated(cases[i].letter, cases[i].fits + 1);
        assert_true(reply_length(COUNTING_SMS, 0, most) <= (int64_t) cases[i].of);
        assert_true(reply_length(COUNTING_SMS, 0, more) > (int64_t) cases[i].of);
        free(most);
        free(more);
    }
}

static void the_longest_text_can_be_told_as_long_as_it_is(void **state)
{
    (void) state;
    char *text = repeated("\xf0\x9f\x98\x80", BEHALF_POST_BYTES / 4);
    struct behalf_message previewed = { .type = BEHALF_PREVIEWED, .previewed = { .item = 1, .text = text } };
    previewed.previewed.length = reply_length(COUNTING_SMS, 0, text);
    assert_true(previewed.previewed.length > BEHALF_REPLY_BYTES);
    size_t bytes;
    struct behalf_fault fault;
    void *frame = behalf_message_encode(&previewed, &bytes, &fault);
    if (frame == NULL) {
        fail_msg("%s %s", fault.field, fault.reason);
    }
    free(frame);
    free(text);
}

// ---- card numbers ----

static void card_numbers_are_found_however_they_are_written(void **state)
{
    (void) state;
    static const char *const cards[] = { "4111111111111111",
                                         "4111 1111 1111 1111",
                                         "4111  1111  1111  1111",
                                         "4111 - 1111 - 1111 - 1111",
                                         "4111/1111/1111/1111",
                                         "4111,1111,1111,1111",
                                         "4111_1111_1111_1111",
                                         "4111·1111·1111·1111",
                                         "4111\n1111\n1111\n1111",
                                         "4111🙂1111🙂1111🙂1111",
                                         "(4111)(1111)(1111)(1111)",
                                         ("4\xef\xb8\x8f\xe2\x83\xa3"
                                          "111 1111 1111 1111"),
                                         "٤١١١ ١١١١ ١١١١ ١١١١",
                                         "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
                                         "41-11-11-11-11-11-11-11",
                                         "5105105105105100",
                                         "2223003122003222",
                                         "3782 822463 10005",
                                         "30569309025904",
                                         "6011 0009 9013 9424",
                                         "3530111333300000",
                                         "6200000000000005",
                                         "https://4111111111111111",
                                         "https://shop.example 4111111111111111",
                                         "www.4111111111111111",
                                         "card:4111111111111111, valid 12/27, 123",
                                         "booking 7 4111 1111 1111 1111",
                                         "www.example.com 4111 1111 1111 1111" };
    for (size_t i = 0; i < sizeof cards / sizeof *cards; i++) {
        if (!text_has_card_number(cards[i])) {
            fail_msg("not found: %s", cards[i]);
        }
    }
}

static void other_numbers_are_no_card_numbers(void **state)
{
    (void) state;
    static const char *const others[] = { "IMEI 490154203237518",
                                          "Your SIM 8949020000012345678",
                                          "Order 4111 1111 1111 1112",
                                          "https://x.com/acme/status/4111111111111111",
                                          "https://shop.example/4111111111111111",
                                          "https://www.shop.example:8080/4111111111111111",
                                          "http://desk/ticket/4111111111111111?of=4111-1111-1111-1111",
                                          "www.shop.example/orders?x=4111111111111111",
                                          "example.com/4111-1111-1111-1111",
                                          "0000 0000 0000 0000",
                                          "54.50 19.99 14.25 13.70",
                                          "2026-11-26 2026-11-27",
                                          "tel +49 170 5551234, 0170 5551234",
                                          "12344111111111111111112" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (text_has_card_number(others[i])) {
            fail_msg("taken for a card: %s", others[i]);
        }
    }
    for (int i = 0; i < 300; i++) {
        char link[80];
        snprintf(link, sizeof link, "See https://x.com/acme/status/18623456789%08d now", i * 7919);
        assert_false(text_has_card_number(link));
    }
}

// ---- what goes out ----

static struct policy_wording lines[] = { { 1, (char *) "{first_name} von {agency}, für {brand}" },
                                         { 2, (char *) "{first_name} من {agency} باسم {brand}" } };
static struct policy_name languages[] = {
    { (char *) "en", false }, { (char *) "de", false }, { (char *) "ar", false }, { (char *) "de-AT", false }
};
static struct policy_name agencies[] = { { (char *) "Northline", false } };
static struct policy_channel channels[] = {
    { .name = (char *) "letter" },
    { .name = (char *) "x", .counting = COUNTING_X, .length_max = 280, .link_length = 23 },
    { .name = (char *) "sky", .counting = COUNTING_BLUESKY, .length_max = 300 }
};
static struct policy_brand brands[] = { { .name = (char *) "acme",
                                          .display_name = (char *) "Acme",
                                          .disclosure = (char *) "{first_name} from {agency}, for {brand}",
                                          .disclosure_in = { lines, 2 },
                                          .disclosure_pr = (char *) "{name}, {brand}" } };
static struct policy_person people[] = {
    { .name = (char *) "asha", .first_name = (char *) "Asha", .display_name = (char *) "Asha Rao" }
};
static const struct policy policy = { .brands = brands,
                                      .brand_count = 1,
                                      .languages = languages,
                                      .language_count = 4,
                                      .agencies = agencies,
                                      .agency_count = 1,
                                      .channels = channels,
                                      .channel_count = 3,
                                      .people = people,
                                      .person_count = 1 };

static struct answering in_language(uint32_t language)
{
    return (struct answering){ .language = language, .audience = AUDIENCE_AGENT };
}

static void assert_goes_out(struct answering answering, const char *text, const char *expected)
{
    struct change_list *memory = change_list_new();
    struct outgoing out = outgoing_compose(&policy, &answering, text, memory);
    assert_string_equal(out.text, expected);
    assert_null(out.refused);
    change_list_destroy(&memory);
}

static void the_line_is_in_the_posts_language_and_stands_where_it_can_be_read(void **state)
{
    (void) state;
    assert_goes_out(in_language(0), "Hello.", "Hello. Asha from Northline, for Acme");
    assert_goes_out(in_language(1), "Hallo.", "Hallo. Asha von Northline, für Acme");
    assert_goes_out(in_language(3), "Servus.", "Servus. Asha von Northline, für Acme"); // as a variety of German
    assert_goes_out(in_language(0), "Hello.\nBye.", "Hello.\nBye.\nAsha from Northline, for Acme");
    assert_goes_out(in_language(0), "مرحبا", "مرحبا\nAsha from Northline, for Acme");
    assert_goes_out(in_language(2), "مرحبا.", "مرحبا. Asha من Northline باسم Acme");
    assert_goes_out((struct answering){ .audience = AUDIENCE_PR }, "Hello.", "Hello. Asha Rao, Acme");
}

static void a_text_without_a_full_stop_does_not_run_into_the_line(void **state)
{
    (void) state;
    static const char *const ended[] = { "Sorry!",          "Is it here?", "見つかりました。", "We look…", "Done 🙂",
                                         "Thanks 👍🏽", "\"We do.\"",  "(Soon.) ",         "شكرا؟" };
    static const char *const open[] = { "We found your bag",
                                        "See https://acme.example/bags",
                                        "It costs 5 €",
                                        "Best regards,",
                                        "Call 0800 123",
                                        "見つかりました",
                                        "(soon)",
                                        "Yours \u2013",
                                        "He said \"soon\"" };
    struct change_list *memory = change_list_new();
    for (size_t i = 0; i < sizeof ended / sizeof *ended; i++) {
        struct answering answering = in_language(i == 8 ? 2 : 0);
        const char *text = outgoing_compose(&policy, &answering, ended[i], memory).text;
        if (strchr(text, '\n') != NULL || strstr(text, " Asha ") == NULL) {
            fail_msg("%s", text);
        }
    }
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        struct answering answering = in_language(0);
        const char *text = outgoing_compose(&policy, &answering, open[i], memory).text;
        if (strstr(text, "\nAsha from Northline, for Acme") == NULL) {
            fail_msg("%s", text);
        }
    }
    change_list_destroy(&memory);
    assert_goes_out(in_language(1), "Gefunden", "Gefunden\nAsha von Northline, für Acme");
    brands[0].disclosure_pr = (char *) "^{first_name}"; // a sign parts them, too
    assert_goes_out((struct answering){ .audience = AUDIENCE_PR }, "We found it", "We found it ^Asha");
    brands[0].disclosure_pr = (char *) "{name}, {brand}";
}

static void blanks_cannot_push_the_line_out_of_sight(void **state)
{
    (void) state;
    char *breaks = repeated("\n", 500), *tabs = repeated("\t\xc2\xa0", 200),
         *filler = repeated("\xe2\xa0\x80\n\xe2\x80\x8b", 300);
    char text[5000];
    snprintf(text, sizeof text, "Hello.%s", breaks);
    assert_goes_out(in_language(0), text, "Hello. Asha from Northline, for Acme");
    snprintf(text, sizeof text, "Hello.%sBye.", breaks);
    assert_goes_out(in_language(0), text, "Hello.\n\nBye.\nAsha from Northline, for Acme");
    snprintf(text, sizeof text, "Hello.%sBye.", tabs);
    assert_goes_out(in_language(0), text, "Hello. Bye. Asha from Northline, for Acme");
    snprintf(text, sizeof text, "Hello.%sBye.%s", filler, filler);
    assert_goes_out(in_language(0), text, "Hello.\n\nBye.\nAsha from Northline, for Acme");
    assert_goes_out(in_language(0), "Dear Jo,\r\n\r\nyes.\r\n  Asha",
                    "Dear Jo,\r\n\r\nyes.\r\n  Asha\nAsha from Northline, for Acme");
    assert_goes_out(in_language(0), "Thanks ☺\xef\xb8\x8f", "Thanks ☺\xef\xb8\x8f Asha from Northline, for Acme");
    snprintf(text, sizeof text, "Hello. \u2067Shalom.\u2069%s", breaks);
    assert_goes_out(in_language(0), text, "Hello. \u2067Shalom.\u2069 Asha from Northline, for Acme");
    snprintf(text, sizeof text, "Hello. \u2067Shalom.%s\u2069", breaks);
    assert_goes_out(in_language(0), text, "Hello. \u2067Shalom.\u2069 Asha from Northline, for Acme");
    snprintf(text, sizeof text, "\u2067Shalom.%s\u2069Bye.", breaks);
    assert_goes_out(in_language(0), text, "\u2067Shalom.\n\n\u2069Bye.\nAsha from Northline, for Acme");
    free(breaks);
    free(tabs);
    free(filler);
}

// What is opened outside of an isolate is not closed inside of it (UAX #9, X6a and X7).
static void a_direction_that_stays_open_is_refused(void **state)
{
    (void) state;
    static const char *const open[] = { "\u202babc", "\u2067abc", "\u202b\u2067abc\u202c\u2069", "\u202dabc\u202c" };
    static const char *const closed[] = { "\u202babc\u202c", "\u2067abc\u2069", "\u202b\u2067abc\u2069\u202c",
                                          "\u2067\u202babc\u2069", "abc\u202c\u2069" };
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        assert_true(outgoing_turns_what_follows(open[i]));
    }
    for (size_t i = 0; i < sizeof closed / sizeof *closed; i++) {
        assert_false(outgoing_turns_what_follows(closed[i]));
    }
}

static void the_room_that_is_told_is_the_room_there_is(void **state)
{
    (void) state;
    for (uint32_t channel = 1; channel < 3; channel++) {
        struct change_list *memory = change_list_new();
        struct answering answering = { .channel = channel, .audience = AUDIENCE_AGENT };
        int64_t room = outgoing_room(&policy, &answering, memory);
        assert_in_range(room, 200, 299);
        char *most = repeated("x", (size_t) room), *more = repeated("x", (size_t) room + 1);
        assert_null(outgoing_compose(&policy, &answering, most, memory).refused);
        assert_non_null(outgoing_compose(&policy, &answering, more, memory).refused);
        free(most);
        free(more);
        change_list_destroy(&memory);
    }
}

static void bluesky_takes_no_more_bytes_than_it_says(void **state)
{
    (void) state;
    struct change_list *memory = change_list_new();
    struct answering answering = { .channel = 2, .audience = AUDIENCE_AGENT };
    char *families = repeated("👨\xe2\x80\x8d👩\xe2\x80\x8d👧\xe2\x80\x8d👦", 150); // 25 bytes each
    struct outgoing out = outgoing_compose(&policy, &answering, families, memory);
    assert_true(out.length < 300);
    assert_non_null(strstr(out.refused, "bytes"));
    free(families);
    change_list_destroy(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(x_is_counted_as_it_counts),
        cmocka_unit_test(other_platforms_are_counted_as_they_count),
        cmocka_unit_test(a_host_longer_than_any_is_no_link),
        cmocka_unit_test(an_sms_ends_where_the_network_ends_it),
        cmocka_unit_test(the_longest_text_can_be_told_as_long_as_it_is),
        cmocka_unit_test(card_numbers_are_found_however_they_are_written),
        cmocka_unit_test(other_numbers_are_no_card_numbers),
        cmocka_unit_test(the_line_is_in_the_posts_language_and_stands_where_it_can_be_read),
        cmocka_unit_test(a_text_without_a_full_stop_does_not_run_into_the_line),
        cmocka_unit_test(blanks_cannot_push_the_line_out_of_sight),
        cmocka_unit_test(a_direction_that_stays_open_is_refused),
        cmocka_unit_test(the_room_that_is_told_is_the_room_there_is),
        cmocka_unit_test(bluesky_takes_no_more_bytes_than_it_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
