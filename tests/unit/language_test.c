// language_test.c - a post's language is told from what it says, and not told where it does not say.

#include "broker/triage/cld2_face.h"
#include "broker/triage/function_words.h"
#include "broker/triage/language.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const european[] = { "en", "de", "fr", "es", "nl" };
static const char *const iberian[] = { "es", "pt", "ca", "en", "gl", "eu" };
static const char *const two[] = { "en", "de" };

#define SERVED(list) list, sizeof(list) / sizeof *(list)

static struct language_verdict ask(const char *text, const char *const *served, size_t count, const char *platform,
                                   const char *author)
{
    struct language_request request = {
        .served = served, .served_count = count, .platform_tag = platform, .author_earlier = author
    };
    struct language_verdict verdict;
    language_detect(text, &request, &verdict);
    assert_true(strlen(verdict.reason) > 0);
    assert_in_range(verdict.confidence, 0, 100);
    assert_true((verdict.confidence == 0) == (strcmp(verdict.language, LANGUAGE_UNKNOWN) == 0));
    return verdict;
}

static void expect(const char *text, const char *const *served, size_t count, const char *wanted)
{
    struct language_verdict verdict = ask(text, served, count, NULL, NULL);
    if (strcmp(verdict.language, wanted) != 0) {
        print_error("\"%s\": %s, %s\n", text, verdict.language, verdict.reason);
    }
    assert_string_equal(verdict.language, wanted);
}

static void short_clear_posts_are_told(void **state)
{
    (void) state;
    expect("danke!", SERVED(european), "de");
    expect("gracias", SERVED(european), "es");
    expect("where is my bag", SERVED(european), "en");
    expect("Waar is mijn koffer?", SERVED(european), "nl");
    expect("Wo ist mein Koffer?", SERVED(european), "de");
    expect("C'est pas possible", SERVED(european), "fr");
    expect("MUCHAS GRACIAS", SERVED(european), "es");
    expect("thaaaanks sooo much", SERVED(european), "en");
}

static void cld2_is_not_asked_where_words_leave_no_doubt(void **state)
{
    (void) state;
    static const char clear[] = "My bag has still not arrived, and nobody of you has told me when it will be here";
    struct language_verdict verdict = ask(clear, SERVED(european), NULL, NULL);
    assert_string_equal(verdict.language, "en");
    assert_null(strstr(verdict.reason, "cld2"));
    // Half of each: here it has a say, and the post is nobody's.
    expect("My bag has still not arrived and nobody helps. Mi maleta todavía no ha llegado y nadie me dice nada",
           SERVED(european), LANGUAGE_UNKNOWN);
}

static void close_languages_are_told_apart(void **state)
{
    (void) state;
    expect("A miña maleta aínda non chegou e ninguén me di nada", SERVED(iberian), "gl");
    expect("A minha mala ainda não chegou e ninguém me diz nada", SERVED(iberian), "pt");
    expect("La meva maleta encara no ha arribat i ningú em diu res", SERVED(iberian), "ca");
    expect("Mi maleta todavía no ha llegado y nadie me dice nada", SERVED(iberian), "es");
    expect("Nire maleta ez da oraindik iritsi eta inork ez dit ezer esan", SERVED(iberian), "eu");
    expect("My bag has still not arrived and nobody tells me anything", SERVED(iberian), "en");
}

static void letters_without_their_marks_are_known(void **state)
{
    (void) state;
    expect("voce nao tem nada para mim hoje", SERVED(iberian), "pt");
    expect("manana tambien voy, adios", SERVED(iberian), "es");
}

static void scripts_of_their_own_are_told(void **state)
{
    (void) state;
    static const char *const wide[] = { "en", "ja", "zh", "ko", "ru", "uk", "ar", "fa", "he", "hi", "el", "th" };
    expect("荷物がまだ届きません。どうなっていますか", SERVED(wide), "ja");
    expect("我的行李还没有到，请帮帮我", SERVED(wide), "zh");
    expect("제 가방이 아직 도착하지 않았어요", SERVED(wide), "ko");
    expect("Мой чемодан ещё не пришёл, помогите пожалуйста", SERVED(wide), "ru");
    expect("Моя валіза ще не прийшла, допоможіть будь ласка", SERVED(wide), "uk");
    expect("حقيبتي لم تصل بعد، أين هي من فضلكم", SERVED(wide), "ar");
    expect("چمدان من هنوز نرسیده است، لطفا کمک کنید", SERVED(wide), "fa");
    expect("המזוודה שלי עוד לא הגיעה", SERVED(wide), "he");
    expect("मेरा सामान अभी तक नहीं आया है", SERVED(wide), "hi");
    expect("Η βαλίτσα μου δεν έχει έρθει ακόμα", SERVED(wide), "el");
    expect("กระเป๋าของฉันยังไม่มา", SERVED(wide), "th");
}

static void posts_without_words_are_not_told(void **state)
{
    (void) state;
    static const char *const empty[] = { "", " ", "👍👍", "http://x", "@brand #fail", "123 456", "!!! ???", "RT" };
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        struct language_verdict verdict = ask(empty[i], SERVED(european), NULL, "es");
        assert_string_equal(verdict.language, LANGUAGE_UNKNOWN);
        assert_string_equal(verdict.reason, "no words");
        verdict = ask(empty[i], SERVED(european), "pl", NULL);
        assert_string_equal(verdict.language, LANGUAGE_UNKNOWN);
    }
}

static void words_of_no_language_are_too_short(void **state)
{
    (void) state;
    struct language_verdict verdict = ask("ok", SERVED(european), NULL, NULL);
    assert_string_equal(verdict.language, LANGUAGE_UNKNOWN);
    assert_string_equal(verdict.reason, "too short");
}

static void half_and_half_is_mixed(void **state)
{
    (void) state;
    struct language_verdict verdict = ask("I really need help with my order, können Sie mir bitte sagen wann mein "
                                          "Paket kommt",
                                          SERVED(european), NULL, NULL);
    assert_string_equal(verdict.language, LANGUAGE_UNKNOWN);
    assert_string_equal(verdict.reason, "mixed de, en");
    expect("Where is my order? Где мой заказ?", (const char *const[]){ "en", "ru" }, 2, LANGUAGE_UNKNOWN);
}

static void a_few_borrowed_words_do_not_mix_a_post(void **state)
{
    (void) state;
    expect("Das Update ist so nice, aber der Support von eurem Team ist echt the worst", SERVED(european), "de");
    expect("荷物が届きません。bag lost です、どうすればいいですか", (const char *const[]){ "en", "ja" }, 2, "ja");
}

static void a_clear_language_that_is_not_served_is_named(void **state)
{
    (void) state;
    static const char *const posts[][2] = {
        { "荷物が届きません。助けてください", "ja" },
        { "Мой чемодан потерялся, помогите", "ru" },
        { "Dónde está mi maleta, nadie me dice nada", "es" },
        { "Minha mala não chegou e ninguém responde", "pt" },
        { "Habari, mzigo wangu haujafika bado na sijui ni lini utafika nyumbani kwangu", "sw" },
    };
    for (size_t i = 0; i < sizeof posts / sizeof *posts; i++) {
        char wanted[LANGUAGE_REASON_BYTES];
        struct language_verdict verdict = ask(posts[i][0], SERVED(two), "en", "de");
        snprintf(wanted, sizeof wanted, "clearly %s, which is not served", posts[i][1]);
        assert_string_equal(verdict.language, LANGUAGE_UNKNOWN);
        assert_string_equal(verdict.reason, wanted);
    }
}

static void one_served_language_is_not_forced(void **state)
{
    (void) state;
    static const char *const one[] = { "en" };
    expect("my flight is delayed again", SERVED(one), "en");
    expect("gracias por nada", SERVED(one), LANGUAGE_UNKNOWN);
    expect("ok", SERVED(one), LANGUAGE_UNKNOWN);
}

static void a_relative_of_a_served_language_goes_to_it(void **state)
{
    (void) state;
    static const char *const malay[] = { "en", "ms" };
    expect("Saya tidak tahu kenapa pesanan ini belum datang, tolong bantu", SERVED(malay), "ms");
}

static void hints_tip_a_close_call(void **state)
{
    (void) state;
    static const char *const close[] = { "es", "pt" };
    assert_string_equal(ask("casa", SERVED(close), NULL, NULL).language, "es");
    assert_string_equal(ask("casa", SERVED(close), "pt-BR", NULL).language, "pt");
    assert_string_equal(ask("casa", SERVED(close), NULL, "pt").language, "pt");
    assert_string_equal(ask("ok", SERVED(european), NULL, "nl").language, "nl");
    assert_string_equal(ask("ok", SERVED(european), NULL, "nl").reason, "hint");
}

static void hints_never_beat_what_the_text_says(void **state)
{
    (void) state;
    struct language_verdict verdict = ask("where is my bag, please help me", SERVED(european), "es", "es");
    assert_string_equal(verdict.language, "en");
    verdict = ask("Mi maleta no ha llegado", SERVED(european), "en", "en");
    assert_string_equal(verdict.language, "es");
}

static void odd_hints_are_ignored(void **state)
{
    (void) state;
    static const char *const odd[] = { "", "und", "qme", "-", "xx-yy", "a very long tag that is none", "ja" };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        assert_string_equal(ask("ok", SERVED(european), odd[i], odd[i]).language, LANGUAGE_UNKNOWN);
    }
}

static void the_order_of_the_served_languages_does_not_matter(void **state)
{
    (void) state;
    static const char *const turned[] = { "eu", "gl", "en", "ca", "pt", "es" };
    static const char *const posts[] = { "casa", "no", "a", "de que", "hola a todos", "bon dia", "kaixo", "obrigado" };
    for (size_t i = 0; i < sizeof posts / sizeof *posts; i++) {
        assert_string_equal(ask(posts[i], SERVED(iberian), NULL, NULL).language,
                            ask(posts[i], SERVED(turned), NULL, NULL).language);
    }
}

static void a_list_without_a_known_language_tells_nothing(void **state)
{
    (void) state;
    static const char *const unknown[] = { "qq", "zz" };
    expect("where is my bag", SERVED(unknown), LANGUAGE_UNKNOWN);
}

static void every_language_is_asked_about_when_none_is_named(void **state)
{
    (void) state;
    expect("Gdzie jest moja walizka? Proszę o pomoc", NULL, 0, "pl");
    expect("Min väska har inte kommit, kan ni hjälpa mig", NULL, 0, "sv");
}

static void the_longest_list_and_post_are_borne(void **state)
{
    (void) state;
    const char *served[LANGUAGE_SERVED_COUNT];
    for (int i = 0; i < LANGUAGE_SERVED_COUNT; i++) {
        served[i] = function_words_code(i);
    }
    static char text[40001];
    for (size_t i = 0; i + 40 <= sizeof text - 1; i += 40) {
        memcpy(text + i, "Der Koffer ist leider nicht angekommen! ", 40);
    }
    assert_string_equal(ask(text, served, LANGUAGE_SERVED_COUNT, NULL, NULL).language, "de");
}

static void known_languages_are_known(void **state)
{
    (void) state;
    assert_true(language_is_known("es"));
    assert_true(language_is_known("gl"));
    assert_true(language_is_known("nb"));
    assert_true(language_is_known("iw"));
    assert_true(language_is_known("pt-BR"));
    assert_false(language_is_known("und"));
    assert_false(language_is_known(""));
    assert_false(language_is_known("spanish"));
    // What CLD2 cannot tell either would never be answered.
    for (int i = 0; i < LANGUAGE_COUNT; i++) {
        assert_true(cld2_knows(function_words_code(i)));
    }
}

static void *detect_often(void *unused)
{
    for (int i = 0; i < 50; i++) {
        if (strcmp(ask("La meva maleta encara no ha arribat", SERVED(iberian), NULL, NULL).language, "ca") != 0) {
            return unused;
        }
    }
    return NULL;
}

static void several_threads_may_ask(void **state)
{
    (void) state;
    pthread_t threads[4];
    int failed;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, detect_often, &failed), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        void *result;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
}

static void tag_settles(const char *text, const char *tag, const char *wanted)
{
    struct language_verdict verdict = ask(text, SERVED(european), tag, NULL);
    if (strcmp(verdict.language, wanted) != 0) {
        print_error("\"%s\", tagged %s: %s, %s\n", text, tag, verdict.language, verdict.reason);
    }
    assert_string_equal(verdict.language, wanted);
}

static void the_platforms_tag_is_believed_where_the_text_says_nothing_against_it(void **state)
{
    (void) state;
    tag_settles("👍👍", "es", "es");
    tag_settles("ok", "nl", "nl");
    tag_settles("lol 100%", "fr-CA", "fr");
    tag_settles("Amsterdam Centraal", "nl", "nl");
    tag_settles("Wo ist mein Koffer?", "en", "de");
    tag_settles("gracias", "en", "es");
    tag_settles("ok", "xx", LANGUAGE_UNKNOWN);
    struct language_verdict verdict = ask("👍", SERVED(european), "es", NULL);
    assert_string_equal(verdict.reason, "the platform's tag");
}

static void languages_of_the_tag_alone_are_answered_to_it(void **state)
{
    (void) state;
    static const char *const served[] = { "en", "haw" };
    assert_string_equal(ask("Pehea kāu ukana", SERVED(served), "haw", NULL).language, "haw");
    assert_string_equal(ask("Where is my luggage, please answer me", SERVED(served), "haw", NULL).language, "en");
    assert_string_not_equal(ask("Pehea kāu ukana", SERVED(served), NULL, NULL).language, "haw");
}

static void regions_are_told_by_the_tag(void **state)
{
    (void) state;
    static const char *const both[] = { "en", "pt-BR", "pt-PT" };
    static const char *const with_plain[] = { "en", "pt-BR", "pt" };
    static const char text[] = "Onde está a minha mala, não chegou ainda";
    assert_string_equal(ask(text, SERVED(both), "pt-PT", NULL).language, "pt-PT");
    assert_string_equal(ask(text, SERVED(both), "pt-br", NULL).language, "pt-BR");
    assert_string_equal(ask(text, SERVED(both), "pt_PT", NULL).language, "pt-PT");
    assert_string_equal(ask(text, SERVED(both), NULL, NULL).language, "pt-BR");
    assert_string_equal(ask(text, SERVED(both), "pt", NULL).language, "pt-BR");
    assert_string_equal(ask(text, SERVED(with_plain), NULL, NULL).language, "pt");
    assert_string_equal(ask(text, SERVED(with_plain), "pt-BR", NULL).language, "pt-BR");
    assert_string_equal(ask(text, SERVED(iberian), "pt-BR", NULL).language, "pt");
}

static void kanji_alone_are_japanese_where_chinese_is_not_served(void **state)
{
    (void) state;
    static const char *const japanese[] = { "ja", "en" };
    static const char *const eastern[] = { "ja", "zh", "en" };
    expect("返金希望", SERVED(japanese), "ja");
    expect("至急対応願", SERVED(japanese), "ja");
    expect("接客最悪", SERVED(japanese), "ja");
    expect("返金希望", SERVED(eastern), "zh");
    expect("我的行李还没有到，请问你们怎么处理", SERVED(japanese), LANGUAGE_UNKNOWN);
}

static void scripts_of_chinese_are_told_by_the_tag(void **state)
{
    (void) state;
    static const char *const served[] = { "en", "zh-Hans", "zh-Hant" };
    static const char text[] = "请问什么时候可以收到我的行李";
    assert_string_equal(ask(text, SERVED(served), "zh-Hant-TW", NULL).language, "zh-Hant");
    assert_string_equal(ask(text, SERVED(served), NULL, NULL).language, "zh-Hans");
}

// Sentences of our own.  Some were looked at while the lists of words were written, so that they show that nothing
// is lost, not how many others are told.
static void languages_in_latin_letters_are_found(void **state)
{
    (void) state;
    static const char *const served[] = { "en", "hi", "ta", "ar", "el", "de" };
    static const char *const samples[][2] = {
        { "hi", "mera refund kab tak aayega bhai" },
        { "hi", "Aapki service bilkul bakwas hai, koi reply nahi karta" },
        { "hi", "order cancel kar diya par paise wapas nahi mile" },
        { "hi", "please check karke batao mera order kaha hai" },
        { "hi", "Flight late ho gayi aur kisi ne bataya bhi nahi" },
        { "hi", "janab mera submission abhi tak nahi mila" },
        { "ta", "romba mosam service, yaarum reply panna matanga" },
        { "ta", "panam thirumba eppo varum?" },
        { "ta", "naan nethu pay pannitten, innum confirm aagala" },
        { "ar", "3ayez flosi terga3 law samaht" },
        { "ar", "ana lessa mesh la2i el order bta3i" },
        { "ar", "shu hal khidme, ma hada birod" },
        { "el", "kalispera, den exo internet apo xthes" },
        { "el", "thelo ta lefta mou piso, einai aparadekto" },
        { "en", "the main problem is that the tab does not log me in" },
        { "en", "hi to all, my mp3 player is 3days late in room b2b" },
        { "de", "Mein Koffer ist nicht da" },
    };
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        expect(samples[i][1], SERVED(served), samples[i][0]);
    }
    struct language_verdict verdict = ask(samples[0][1], SERVED(served), NULL, NULL);
    assert_int_equal(strncmp(verdict.reason, "hi-Latn", 7), 0);
    // Not served, they are no English either; and they may be served on their own.
    static const char *const own[] = { "en", "hi", "hi-Latn" };
    assert_string_equal(ask(samples[1][1], SERVED(two), NULL, NULL).language, LANGUAGE_UNKNOWN);
    assert_string_equal(ask(samples[1][1], SERVED(own), NULL, NULL).language, "hi-Latn");
    assert_string_equal(ask("मेरा सामान अभी तक नहीं आया है", SERVED(own), NULL, NULL).language, "hi");
}

// Beside English and a neighbour that is larger.
static void smaller_languages_are_told(void **state)
{
    (void) state;
    static const char *const served[] = { "en", "af", "nl", "mk", "bg", "ga", "zu", "xh",
                                          "so", "mn", "ru", "ha", "ig", "yo", "sw", "cy" };
    expect("Waar is my tas? Ek wag al twee dae en niemand het nog gebel nie", SERVED(served), "af");
    expect("Waar is mijn koffer? Ik wacht al twee dagen en niemand heeft gebeld", SERVED(served), "nl");
    expect("Каде е мојата пратка? Чекам веќе две недели и никој не одговара", SERVED(served), "mk");
    expect("Къде е пратката ми? Чакам вече две седмици и никой не отговаря", SERVED(served), "bg");
    expect("Cá bhfuil mo mhála? Tá mé ag fanacht le dhá lá anois", SERVED(served), "ga");
    expect("Likuphi iphasela lami? Sengilinde izinsuku ezimbili manje", SERVED(served), "zu");
    expect("Liphi iphasela lam? Ndilinde iintsuku ezimbini ngoku kwaye akukho mntu undiphenduleyo", SERVED(served),
           "xh");
    expect("Xagee buu jiraa alaabtaydii? Laba maalmood ayaan sugayay", SERVED(served), "so");
    expect("Миний ачаа хаана байна вэ? Би хоёр өдөр хүлээж байна", SERVED(served), "mn");
    expect("Ina jakata take? Na jira kwana biyu kuma babu wanda ya kira ni", SERVED(served), "ha");
    expect("Kedu ebe akpa m nọ? Echere m ụbọchị abụọ ma ọ dịghị onye zara m", SERVED(served), "ig");
    expect("Níbo ni ẹrù mi wà? Mo ti dúró fún ọjọ́ méjì, kò sí ẹnikẹ́ni tó pè mí", SERVED(served), "yo");
    expect("Mzigo wangu uko wapi? Nimesubiri siku mbili na hakuna aliyenipigia", SERVED(served), "sw");
    expect("Ble mae fy mag? Dw i wedi bod yn aros ers dau ddiwrnod", SERVED(served), "cy");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        // First, so that the threads also race for the building of the tables.
        cmocka_unit_test(several_threads_may_ask),
        cmocka_unit_test(the_platforms_tag_is_believed_where_the_text_says_nothing_against_it),
        cmocka_unit_test(languages_of_the_tag_alone_are_answered_to_it),
        cmocka_unit_test(regions_are_told_by_the_tag),
        cmocka_unit_test(kanji_alone_are_japanese_where_chinese_is_not_served),
        cmocka_unit_test(scripts_of_chinese_are_told_by_the_tag),
        cmocka_unit_test(languages_in_latin_letters_are_found),
        cmocka_unit_test(smaller_languages_are_told),
        cmocka_unit_test(short_clear_posts_are_told),
        cmocka_unit_test(close_languages_are_told_apart),
        cmocka_unit_test(letters_without_their_marks_are_known),
        cmocka_unit_test(scripts_of_their_own_are_told),
        cmocka_unit_test(posts_without_words_are_not_told),
        cmocka_unit_test(words_of_no_language_are_too_short),
        cmocka_unit_test(half_and_half_is_mixed),
        cmocka_unit_test(a_few_borrowed_words_do_not_mix_a_post),
        cmocka_unit_test(a_clear_language_that_is_not_served_is_named),
        cmocka_unit_test(one_served_language_is_not_forced),
        cmocka_unit_test(a_relative_of_a_served_language_goes_to_it),
        cmocka_unit_test(hints_tip_a_close_call),
        cmocka_unit_test(hints_never_beat_what_the_text_says),
        cmocka_unit_test(odd_hints_are_ignored),
        cmocka_unit_test(the_order_of_the_served_languages_does_not_matter),
        cmocka_unit_test(a_list_without_a_known_language_tells_nothing),
        cmocka_unit_test(every_language_is_asked_about_when_none_is_named),
        cmocka_unit_test(the_longest_list_and_post_are_borne),
        cmocka_unit_test(known_languages_are_known),
        cmocka_unit_test(cld2_is_not_asked_where_words_leave_no_doubt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
