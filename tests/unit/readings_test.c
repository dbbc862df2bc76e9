// readings_test.c - the ways in which a post's letters may be taken, and what a post is made of.

#include "broker/triage/readings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>

#include <cmocka.h>

// True if one of the readings is the text.
static bool is_read(const char *text, unsigned exact, const char *wanted)
{
    struct readings *readings = readings_new();
    readings_take(readings, text, strlen(text));
    size_t count = 0;
    const struct reading *all = readings_write(readings, exact, &count);
    bool read = false;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(strlen(all[i].text), all[i].bytes);
        assert_null(u8_check((const uint8_t *) all[i].text, all[i].bytes));
        read = read || (all[i].loose ? strstr(all[i].text, wanted) != NULL : strcmp(all[i].text, wanted) == 0);
    }
    readings_destroy(&readings);
    return read;
}

static size_t count_readings(const char *text)
{
    struct readings *readings = readings_new();
    size_t count = 0;
    readings_take(readings, text, strlen(text));
    readings_write(readings, 0, &count);
    readings_destroy(&readings);
    return count;
}

#define assert_read(text, wanted)                                                                                      \
    do {                                                                                                               \
        if (!is_read(text, 0, wanted))                                                                                 \
            fail_msg("\"%s\" is not read as \"%s\"", text, wanted);                                                    \
    } while (0)

// What is so in an exact reading is so in all.
static void expect_pattern(const char *text, const char *wanted)
{
    if (!is_read(text, FOLDING_ALL, wanted)) {
        fail_msg("\"%s\" is not read as \"%s\"", text, wanted);
    }
}

static unsigned contents(const char *text)
{
    struct readings *readings = readings_new();
    readings_take(readings, text, strlen(text));
    unsigned contents = readings_contents(readings);
    readings_destroy(&readings);
    return contents;
}

static void entities_are_decoded(void **state)
{
    (void) state;
    expect_pattern("&lt;b&gt; &amp;amp;lt; &#x41;&#98;", "<b> < ab");
    expect_pattern("AT&T &unknown; &#; &#xZZ; &", "at&t &unknown; &#; &#xzz; &");
    expect_pattern("&#0;&#xD800;&#99999999999;", "\uFFFD\uFFFD\uFFFD");
    expect_pattern("fish &amp", "fish &");
    expect_pattern("&copyright", "&copyright");
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
}

static void white_space_is_one_blank(void **state)
{
    (void) state;
    expect_pattern("  a \t\r\n b\u00A0\u3000c \u2800 ", "a b c");
    expect_pattern(" \n ", "");
    expect_pattern("", "");
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
        plain_text_decode(&by_name, named, strlen(named), false);
        plain_text_decode(&by_number, numbered, strlen(numbered), false);
        assert_string_equal(by_name.text, by_number.text);
        assert_string_not_equal(by_name.text, named);
        plain_text_fini(&by_name);
        plain_text_fini(&by_number);
    }
}

static void odd_bytes_become_replacement_characters(void **state)
{
    (void) state;
    struct plain_text plain = { 0 };
    plain_text_decode(&plain, "a\xFF\xC3(\0b", 7, false);
    assert_string_equal(plain.text, "a\uFFFD\uFFFD(b");
    plain_text_fini(&plain);
}

// Signs that are whole words grow most of all characters; a word behind them must not fall off the end.
static void the_longest_text_is_read_to_its_end(void **state)
{
    (void) state;
    static const char *const units[] = { "\uFDFA", "\u3316", "\U0001F240", "\u0390", "a" };
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        static char text[PLAIN_TEXT_INPUT_BYTES + 100];
        size_t bytes = 0;
        while (bytes + strlen(units[i]) + 7 <= PLAIN_TEXT_INPUT_BYTES) {
            bytes += (size_t) sprintf(text + bytes, "%s", units[i]);
        }
        strcpy(text + bytes, " LAWYER");
        struct plain_text plain = { 0 };
        plain_text_decode(&plain, text, bytes + 7, false);
        assert_true(plain.bytes <= PLAIN_TEXT_OUTPUT_BYTES);
        assert_string_equal(plain.text + plain.bytes - 7, " LAWYER");
        plain_text_decode(&plain, text, sizeof text, false);
        assert_true(plain.bytes <= PLAIN_TEXT_OUTPUT_BYTES);
        plain_text_fini(&plain);
    }
}

// What most posts are made of makes no further readings, so that most posts cost little.
static void plain_posts_have_one_reading(void **state)
{
    (void) state;
    assert_int_equal(count_readings("I have been waiting for 3 hours, what's up? It's a mess!"), 1);
    assert_int_equal(count_readings("Mein Anwalt meldet sich morgen. Bis dann :)"), 1);
    assert_int_equal(count_readings("class-action and/or a refund... now!!"), 1);
    assert_int_equal(count_readings("弁護士に相談します。よろしく"), 1);
    assert_int_equal(count_readings("#refund please"), 1);
    assert_int_equal(count_readings("see you at 10 am 😀"), 1);
}

static void hashtags_are_read_joined_and_parted(void **state)
{
    (void) state;
    assert_read("#SueThem", "#suethem");
    assert_read("#SueThem", "#sue them");
    assert_read("#BBCNews now", "#bbc news now");
    assert_read("#3DaysLate", "#3 days late");
    assert_read("#Top10", "#top 10");
    assert_read("＃ClassAction", "#class action");
    assert_read("#ÄrgerPur", "#arger pur");
    assert_false(is_read("#SueThem", FOLDING_hashtags, "#sue them"));
    assert_false(is_read("SueThem", 0, "sue them"));
    assert_false(is_read("@SueThem hi", 0, "@sue them hi"));
}

static void letters_are_read_without_what_stands_on_them(void **state)
{
    (void) state;
    assert_read("Lesión", "lesion");
    assert_read("łódź Århus smørrebrød Œuvre Þór", "lodz arhus smorrebrod oeuvre thor");
    assert_read("Rückerstattung", "ruckerstattung");
    assert_read("Rückerstattung", "rueckerstattung");
    assert_read("Straße", "strasse");
    assert_read("ISPARTA ılık İzmir", "isparta ilik izmir");
    assert_read("ΔΙΚΗΓΌΡΟΣ δικηγόρος", "δικηγοροσ δικηγοροσ");
    assert_read("مُحَامٍ محـــامي", "محام محامي");
    assert_read("أإآٱ مستشفى مؤسسة", "اااا مستشفي موسسه");
    assert_read("תְּבִיעָה עורך", "תביעה עורכ");
    assert_read("क़ानून", "कानून");
    assert_read("ёлка", "елка");
    assert_read("мой", "мой");
    assert_read("がぎ", "がぎ");
    assert_read("변호사", "변호사");
    assert_false(is_read("Lesión", FOLDING_accents, "lesion"));
}

static void alphabets_mixed_in_a_word_are_read_as_they_look(void **state)
{
    (void) state;
    assert_read("my l\u0430wyer", "my lawyer");
    assert_read("ВОУСОТТ now", "boycott now"); // all Cyrillic, in a text that is not
    assert_read("sc\u03B1m", "scam");          // Greek
    assert_read("\u2C9Fffer", "offer");        // Coptic
    assert_false(is_read("мой адвокат", 0, "moй aдвokat"));
    assert_false(is_read("l\u0430wyer", FOLDING_lookalikes, "lawyer"));
}

static void letters_turned_are_read_as_they_look(void **state)
{
    (void) state;
    assert_read("ʇʇoɔʎoq them", "boycott");
    assert_read("ɯɐɔs", "scam");
    assert_read("see \u202Etsicar\u202C there", "racist");
}

static void stretched_letters_are_one_or_two(void **state)
{
    (void) state;
    assert_read("raaaacist", "racist");
    assert_read("boycottttt!", "boycott!");
    assert_read("booooycottttt", "boycott");
    assert_read("sooo NOOOO", "so no");
    assert_read("baaad looossss", "loss");
    assert_read("baaad looossss", "baad looss");
    assert_false(is_read("boot", 0, "bot"));
}

static void spelled_letters_are_a_word(void **state)
{
    (void) state;
    assert_read("r.a.c.i.s.t", "racist");
    assert_read("you r*a*c*i*s*t!", "you racist!");
    assert_read("l a w y e r", "lawyer");
    assert_read("r😡a😡c😡i😡s😡t", "racist");
    assert_read("ra😡cist", "racist");
    assert_read("弁 護 士に", "弁護士に");
    assert_read("변 호 사", "변호사");
    assert_false(is_read("a b c", 0, "abc"));
    assert_false(is_read("r.a.c.i.s.t", FOLDING_spelling, "racist"));
}

static void signs_stand_for_letters_inside_of_words(void **state)
{
    (void) state;
    assert_read("l4wsu1t", "lawsuit");
    assert_read("1awyer", "lawyer");
    assert_read("b0ycott, r@cist, raci$t", "boycott");
    assert_read("b*yc*tt", "boycott");
    assert_false(is_read("racist!", 0, "racisti"));
    assert_false(is_read("l4wsu1t", FOLDING_signs, "lawsuit"));
}

static void invisible_gaps_are_read_both_ways(void **state)
{
    (void) state;
    assert_read("in\u200Bcourt", "in court");
    assert_read("in\u200Bcourt", "incourt");
    assert_read("law\uFEFFyer", "lawyer");
}

static void katakana_are_read_as_hiragana(void **state)
{
    (void) state;
    assert_read("ケガをした", "けが\uFFFCをした");
    assert_read("ｹｶﾞ", "けが");
    assert_read("ケガ", "ケガ");
}

static void styled_letters_are_letters(void **state)
{
    (void) state;
    assert_read("🅱🅾🆈🅲🅾🆃🆃", "boycott");
    assert_read("🅛🅐🅦🅨🅔🅡", "lawyer");
    assert_read("ʟᴀᴡʏᴇʀ", "lawyer");
    assert_read("🇷 🇦 🇨 🇮 🇸 🇹", "racist");
    assert_false(is_read("🇩🇪🇫🇷", 0, "defr"));
}

// A barrier stands for each: four of U+FFFC, which no phrase goes across.
static void addresses_are_not_the_customers_words(void **state)
{
    (void) state;
#define BARRIER "\uFFFC\uFFFC\uFFFC\uFFFC"
    assert_read("@reporter_jane where", BARRIER " where");
    assert_read("thanks @lawyer.bob!", "thanks " BARRIER "!");
    assert_read("@lawyer.My bag", BARRIER ".my bag");
    assert_read("@acme遅い", BARRIER "遅い");
    assert_read("@lawyer@mastodon.example hi", BARRIER " hi");
    assert_read("https://shop.example/hospital-street/12, ok", BARRIER ", ok");
    assert_read("www.boycott-history.example", BARRIER);
    assert_read("bit.ly/lawyer now", BARRIER " now");
    assert_read("https://t.co/x弁護士に", BARRIER "弁護士に");
    assert_read("mail hospital.desk@example.org.", "mail " BARRIER ".");
    assert_read("u/lawyer_bob said", BARRIER " said");
    assert_read("and/or", "and/or");
    assert_read("it is over.Sue them", "it is over.sue them");
    assert_read("@reporter_jane", "@reporter_jane");
    assert_true(is_read("@lawyer_bob", FOLDING_addresses, "@lawyer_bob"));
#undef BARRIER
}

static void contents_are_told(void **state)
{
    (void) state;
    assert_int_equal(contents(""), 0);
    assert_int_equal(contents("?!"), 0);
    assert_int_equal(contents("@acme https://t.co/x"), READINGS_MENTIONS | READINGS_LINKS);
    assert_int_equal(contents("#love ☕"), READINGS_HASHTAGS | READINGS_EMOJI);
    assert_int_equal(contents("#love"), READINGS_HASHTAGS);
    assert_int_equal(contents("#COVID19 #東京 #like4like #f4f"), READINGS_HASHTAGS);
    assert_int_equal(contents("#3DaysLate"), READINGS_WORDS);
    assert_int_equal(contents("#NoInternet"), READINGS_WORDS);
    assert_int_equal(contents("#no_internet"), READINGS_WORDS);
    assert_int_equal(contents("#quieroReembolso"), READINGS_WORDS);
    assert_int_equal(contents("#返金してください"), READINGS_WORDS);
    assert_int_equal(contents("a@b.de"), READINGS_WORDS);
    assert_int_equal(contents("5"), READINGS_WORDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entities_are_decoded),
        cmocka_unit_test(every_entity_is_found),
        cmocka_unit_test(case_does_not_matter),
        cmocka_unit_test(width_and_styled_letters_do_not_matter),
        cmocka_unit_test(what_nobody_sees_does_not_hide_a_word),
        cmocka_unit_test(decoration_of_letters_is_taken_off),
        cmocka_unit_test(diacritics_stay),
        cmocka_unit_test(white_space_is_one_blank),
        cmocka_unit_test(odd_bytes_become_replacement_characters),
        cmocka_unit_test(the_longest_text_is_read_to_its_end),
        cmocka_unit_test(plain_posts_have_one_reading),
        cmocka_unit_test(hashtags_are_read_joined_and_parted),
        cmocka_unit_test(letters_are_read_without_what_stands_on_them),
        cmocka_unit_test(alphabets_mixed_in_a_word_are_read_as_they_look),
        cmocka_unit_test(letters_turned_are_read_as_they_look),
        cmocka_unit_test(stretched_letters_are_one_or_two),
        cmocka_unit_test(spelled_letters_are_a_word),
        cmocka_unit_test(signs_stand_for_letters_inside_of_words),
        cmocka_unit_test(invisible_gaps_are_read_both_ways),
        cmocka_unit_test(katakana_are_read_as_hiragana),
        cmocka_unit_test(styled_letters_are_letters),
        cmocka_unit_test(addresses_are_not_the_customers_words),
        cmocka_unit_test(contents_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
