// triage_test.c - what a post needs under given rules.

#include "broker/triage/triage.h"

#include <jansson.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *deploy_path;

static const char *const text_of_rules =
    "desk: demo\n"
    "channels:\n"
    "  chirp: {}\n"
    "  reviews: {}\n"
    "  mail: { authors: caseless, anonymous: [Front Desk, \"[gone]\"] }\n"
    "  forum: { anonymous: none }\n"
    "skills: [refunds, billing, cards]\n"
    "agencies: [Northline]\n"
    "brands:\n"
    "  acme:\n"
    "    display_name: Acme\n"
    "    languages: [en, de, es]\n"
    "    undetermined: de\n"
    "    disclosure: \"{first_name} from {agency} for {brand}\"\n"
    "    approve: [cards]\n"
    "  kawa:\n"
    "    display_name: Kawa\n"
    "    languages: [en, ja]\n"
    "    undetermined: und\n"
    "    disclosure: \"{first_name} from {agency} for {brand}\"\n"
    "topics:\n"
    "  money: { skill: refunds, patterns: { en: [refund*, money back], de: [erstattung*] } }\n"
    "  bills: { skill: billing, band: high, patterns: [invoice*], languages: [en, und] }\n"
    "  cards: { skill: cards, band: low, patterns: [card, karte], brands: [acme] }\n"
    "  lost: { band: low, patterns: [suitcase*], approve: yes }\n"
    "sensitive:\n"
    "  legal: { patterns: [lawyer*, anwalt*, 弁護士] }\n"
    "  injury: { band: urgent, patterns: [hospital] }\n"
    "  famous: { reach: 50 000 }\n"
    "  angry reviews: { brands: [kawa], channels: [reviews], patterns: [awful] }\n"
    "  spanish: { languages: [es], reach: 100, patterns: [prensa] }\n"
    "noise:\n"
    "  nothing: { empty: yes, only: [links, mentions, emoji] }\n"
    "  spam: { patterns: [follow back, hospital deals, refund hack], brands: [acme] }\n"
    "people:\n"
    "  asha: { display_name: Asha, roles: [agent], agency: Northline, brands: all, languages: all, skills: all }\n"
    "  petra: { display_name: Petra, roles: [pr], brands: all, languages: all }\n"
    "  anna: { display_name: Anna, roles: [approver], brands: all, languages: all }\n";

// Rules, triage and the last answer; made for each test.
struct world {
    struct rules *rules;
    struct triage *triage;
    struct needs needs;
    const char *field;
};

static int make_world(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    struct rules_problems problems = { 0 };
    world->rules = rules_new(text_of_rules, strlen(text_of_rules), NULL, 1, &problems);
    for (size_t i = 0; i < problems.count; i++) {
        print_error("%d: %s: %s\n", (int) problems.problems[i].line, problems.problems[i].key,
                    problems.problems[i].message);
    }
    assert_non_null(world->rules);
    world->triage = triage_new();
    *state = world;
    return 0;
}

static int end_world(void **state)
{
    struct world *world = *state;
    triage_destroy(&world->triage);
    rules_destroy(&world->rules);
    free(world);
    return 0;
}

static struct behalf_post post_to(const char *brand, const char *text)
{
    return (struct behalf_post){
        .channel = "chirp", .post = "1", .brand = brand, .author = "ann", .text = text, .language = ""
    };
}

static const struct needs *take(struct world *world, struct behalf_post post)
{
    assert_true(triage_post(world->triage, world->rules, &post, "", &world->needs, &world->field));
    return &world->needs;
}

static const struct needs *take_text(struct world *world, const char *brand, const char *text)
{
    return take(world, post_to(brand, text));
}

static uint64_t skill(const struct world *world, const char *name)
{
    return UINT64_C(1) << policy_find_skill(rules_policy(world->rules), name);
}

static const char *language(const struct world *world)
{
    return rules_policy(world->rules)->languages[world->needs.language].name;
}

static void assert_says(const char *text, const char *words)
{
    if (strstr(text, words) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", text, words);
    }
}

static void unknown_brands_and_channels_are_named(void **state)
{
    struct world *world = *state;
    struct behalf_post post = post_to("nobody", "hello");
    assert_false(triage_post(world->triage, world->rules, &post, "", &world->needs, &world->field));
    assert_string_equal(world->field, "brand");
    post.brand = "acme";
    post.channel = "telegraph";
    assert_false(triage_post(world->triage, world->rules, &post, "", &world->needs, &world->field));
    assert_string_equal(world->field, "channel");
}

static void a_plain_post_needs_its_language_only(void **state)
{
    struct world *world = *state;
    const struct needs *needs = take_text(world, "acme", "When does your shop in the old town open on Sundays?");
    assert_int_equal(needs->audience, AUDIENCE_AGENT);
    assert_int_equal(needs->skills, 0);
    assert_int_equal(needs->band, POLICY_BAND_NORMAL);
    assert_false(needs->noise);
    assert_false(needs->approval);
    assert_string_equal(language(world), "en");
    assert_string_equal(needs->rule, "");
    assert_says(needs->detail, "language en by ");
}

static void languages_are_narrowed_to_the_brands_own(void **state)
{
    struct world *world = *state;
    take_text(world, "acme", "Wann macht denn euer Laden in der Altstadt am Sonntag auf?");
    assert_string_equal(language(world), "de");
    take_text(world, "kawa", "日曜日は何時に開店しますか？");
    assert_string_equal(language(world), "ja");
    take_text(world, "kawa", "Wann macht denn euer Laden in der Altstadt am Sonntag auf?");
    assert_string_not_equal(language(world), "de");
}

static void undetermined_posts_wait_where_the_brand_says(void **state)
{
    struct world *world = *state;
    const struct needs *needs = take_text(world, "acme", "1234 !");
    assert_string_equal(language(world), "de");
    assert_says(needs->detail, "language not told: ");
    assert_says(needs->detail, "waits with de");
    take_text(world, "kawa", "1234 !");
    assert_string_equal(language(world), "und");
}

static void topics_add_their_skills_and_the_most_urgent_band_holds(void **state)
{
    struct world *world = *state;
    const struct needs *needs = take_text(world, "acme", "I want my money back, and a correct invoice for it please");
    assert_int_equal(needs->skills, skill(world, "refunds") | skill(world, "billing"));
    assert_int_equal(needs->band, 1);
    assert_string_equal(needs->rule, "topic money, bills");
    assert_says(needs->detail, "topic money: pattern en 2; topic bills: pattern 1; language en by ");
}

static void a_low_topic_lowers_the_band(void **state)
{
    struct world *world = *state;
    const struct needs *needs = take_text(world, "acme", "Where do I find my suitcase after the flight?");
    assert_int_equal(needs->band, 3);
    assert_int_equal(needs->skills, 0);
    assert_string_equal(needs->rule, "topic lost");
    needs = take_text(world, "acme", "Where do I find my suitcase, and my refund after the flight?");
    assert_int_equal(needs->band, 2);
}

static void topics_hold_for_their_brands_only(void **state)
{
    struct world *world = *state;
    assert_int_equal(take_text(world, "acme", "My card does not work in the shop")->skills, skill(world, "cards"));
    assert_int_equal(take_text(world, "kawa", "My card does not work in the shop")->skills, 0);
}

static void topics_hold_for_their_languages_only(void **state)
{
    struct world *world = *state;
    assert_int_equal(take_text(world, "acme", "Please send me the invoice for this month")->skills,
                     skill(world, "billing"));
    assert_int_equal(take_text(world, "acme", "Bitte schickt mir doch endlich die Invoice für diesen Monat zu")->skills,
                     0);
}

static void approval_follows_from_topics(void **state)
{
    struct world *world = *state;
    assert_true(take_text(world, "acme", "My card does not work in the shop")->approval);
    assert_true(take_text(world, "kawa", "My suitcase is gone from the café")->approval);
    assert_false(take_text(world, "acme", "I want a refund for this")->approval);
}

static void sensitive_wins_over_topics_and_noise(void **state)
{
    struct world *world = *state;
    const struct needs *needs = take_text(world, "acme", "Refund me or my lawyer will call. Follow back!");
    assert_int_equal(needs->audience, AUDIENCE_PR);
    assert_int_equal(needs->skills, 0);
    assert_int_equal(needs->band, 1);
    assert_false(needs->noise);
    assert_string_equal(needs->rule, "sensitive legal");
    assert_says(needs->detail, "sensitive legal: pattern 1; language en by ");
}

static void the_most_urgent_sensitive_rule_decides(void **state)
{
    struct world *world = *state;
    const struct needs *needs = take_text(world, "acme", "My lawyer visits me in the hospital");
    assert_string_equal(needs->rule, "sensitive injury");
    assert_int_equal(needs->band, 0);
    assert_says(needs->detail, "sensitive injury: pattern 1; sensitive legal: pattern 1");
}

static void reach_is_sensitive_from_its_number_on(void **state)
{
    struct world *world = *state;
    struct behalf_post post = post_to("acme", "Nice shop, I liked it there a lot");
    post.reach = 49999;
    assert_int_equal(take(world, post)->audience, AUDIENCE_AGENT);
    post.reach = 50000;
    const struct needs *needs = take(world, post);
    assert_int_equal(needs->audience, AUDIENCE_PR);
    assert_says(needs->detail, "sensitive famous: reach 50000 is at least 50000");
    post.text = "";
    assert_int_equal(take(world, post)->audience, AUDIENCE_PR);
}

static void a_sensitive_rule_holds_when_all_it_states_is_so(void **state)
{
    struct world *world = *state;
    struct behalf_post post = post_to("kawa", "The coffee was awful and the music too loud");
    assert_int_equal(take(world, post)->audience, AUDIENCE_AGENT);
    post.channel = "reviews";
    assert_int_equal(take(world, post)->audience, AUDIENCE_PR);
    assert_says(world->needs.detail, "sensitive angry reviews: pattern 1 on reviews");
    post.brand = "acme";
    assert_int_equal(take(world, post)->audience, AUDIENCE_AGENT);

    post = post_to("acme", "Voy a llamar a la prensa porque nadie me ha contestado todavía");
    post.reach = 99;
    assert_int_equal(take(world, post)->audience, AUDIENCE_AGENT);
    post.reach = 100;
    assert_int_equal(take(world, post)->audience, AUDIENCE_PR);
    post.text = "I will call la prensa because nobody has answered me until now";
    assert_int_equal(take(world, post)->audience, AUDIENCE_AGENT);
}

static void evasions_do_not_keep_a_post_from_pr(void **state)
{
    struct world *world = *state;
    static const char *const texts[] = { "MY LAWYER!",        "ｌａｗｙｅｒ", "law\xE2\x80\x8Byer",
                                         "la\xC2\xADwyer",    "𝗹𝗮𝘄𝘆𝗲𝗿",       "@acme @lawyer_joe meet #lawyer",
                                         "弁護士に相談します" };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (take_text(world, "acme", texts[i])->audience != AUDIENCE_PR) {
            fail_msg("\"%s\" would reach an agent", texts[i]);
        }
    }
    assert_int_equal(take_text(world, "acme", "the flawyers")->audience, AUDIENCE_AGENT);
}

static void posts_without_words_are_noise(void **state)
{
    struct world *world = *state;
    static const char *const noise[] = { "",
                                         " \n ",
                                         "\xE2\x80\x8B",
                                         "https://t.co/x",
                                         "@acme",
                                         "@acme 😀👍🏽 https://t.co/a?b=c!",
                                         "☕☕",
                                         "@a, @b: www.example.org",
                                         "🇩🇪👨‍👩‍👧" };
    static const char *const words[] = { "@acme no", "#NoInternet", "?!",     "@acme遅い", "5",
                                         "£",        "http",        "a@b.de", "@acme :D" };
    for (size_t i = 0; i < sizeof noise / sizeof noise[0]; i++) {
        if (!take_text(world, "acme", noise[i])->noise) {
            fail_msg("\"%s\" is no noise", noise[i]);
        }
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (take_text(world, "acme", words[i])->noise) {
            fail_msg("\"%s\" is noise", words[i]);
        }
    }
    assert_string_equal(take_text(world, "acme", "@acme")->rule, "noise nothing");
}

static void noise_gives_way_to_topics(void **state)
{
    struct world *world = *state;
    const struct needs *needs = take_text(world, "acme", "follow back please everyone");
    assert_true(needs->noise);
    assert_string_equal(needs->rule, "noise spam");
    assert_says(needs->detail, "noise spam: pattern 1");
    needs = take_text(world, "acme", "refund hack, follow back please");
    assert_false(needs->noise);
    assert_string_equal(needs->rule, "topic money");
    assert_false(take_text(world, "kawa", "follow back please everyone")->noise);
}

static void hints_of_platform_and_author_reach_the_language(void **state)
{
    struct world *world = *state;
    struct behalf_post post = post_to("acme", "ok");
    struct needs needs;
    const char *field = NULL;
    post.language = "es";
    assert_true(triage_post(world->triage, world->rules, &post, "es", &needs, &field));
    world->needs = needs;
    assert_string_equal(language(world), "es");
}

static void the_posts_text_is_never_told(void **state)
{
    struct world *world = *state;
    const struct needs *needs = take_text(world, "acme", "xyzzyplugh lawyer refund hospital @xyzzyplugh xyzzyplugh");
    assert_null(strstr(needs->detail, "xyzzyplugh"));
    assert_null(strstr(needs->rule, "xyzzyplugh"));
}

static void the_same_post_gets_the_same_needs(void **state)
{
    struct world *world = *state;
    const char *text = "I want my money back, and a correct invoice for it";
    struct needs first = *take_text(world, "acme", text);
    char rule[256];
    char detail[512];
    snprintf(rule, sizeof rule, "%s", first.rule);
    snprintf(detail, sizeof detail, "%s", first.detail);
    take_text(world, "kawa", "my lawyer");
    const struct needs *second = take_text(world, "acme", text);
    assert_int_equal(first.skills, second->skills);
    assert_int_equal(first.language, second->language);
    assert_int_equal(first.band, second->band);
    assert_string_equal(rule, second->rule);
    assert_string_equal(detail, second->detail);
}

static char *read_file(const char *name, size_t bytes_max)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", deploy_path, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fail_msg("cannot open %s", path);
    }
    char *text = calloc(1, bytes_max + 1);
    assert_non_null(text);
    assert_true(fread(text, 1, bytes_max, file) > 0);
    fclose(file);
    return text;
}

// The sample's rules, for posts that their reader would expect to go one way or the other.
static struct rules *sample_rules(void)
{
    char *text = read_file("rules.yaml", BEHALF_RULES_BYTES);
    struct rules_problems problems = { 0 };
    struct rules *rules = rules_new(text, strlen(text), NULL, 1, &problems);
    assert_non_null(rules);
    assert_int_equal(rules_warnings(rules)->found, 0);
    free(text);
    return rules;
}

struct sample {
    const char *brand;
    const char *text;
    const char *rule; // what it begins with: "sensitive legal", "topic outage", "" for neither
};

static void expect_rules(struct world *world, struct rules *rules, const struct sample *samples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct behalf_post post = post_to(samples[i].brand, samples[i].text);
        assert_true(triage_post(world->triage, rules, &post, "", &world->needs, &world->field));
        bool right = samples[i].rule[0] == '\0' ? world->needs.rule[0] == '\0'
                                                : strstr(world->needs.rule, samples[i].rule) == world->needs.rule;
        if (!right) {
            fail_msg("\"%s\" goes by \"%s\", not \"%s\"; %s", samples[i].text, world->needs.rule, samples[i].rule,
                     world->needs.detail);
        }
    }
    rules_destroy(&rules);
}

#define EXPECT_SAMPLES(world, samples)                                                                                 \
    expect_rules(world, sample_rules(), samples, sizeof(samples) / sizeof(samples)[0])

static void words_joined_in_hashtags_are_words(void **state)
{
    static const struct sample samples[] = {
        { "skyline", "#ClassActionLawsuit", "sensitive legal" },
        { "skyline", "#TakeThemToCourt", "sensitive legal" },
        { "skyline", "#SkylineDataBreach", "sensitive data leak" },
        { "skyline", "never again #SkylineBoycott", "sensitive boycott" },
        { "skyline", "never again #skylineboycott", "sensitive boycott" },
        { "skyline", "#StopRacism now", "sensitive discrimination" },
        { "skyline", "my bag #FoodPoisoning", "sensitive injury" },
        { "skyline", "#vousEtesRacistes", "sensitive discrimination" },
        { "telvia", "#NoInternet", "topic outage" },
        { "skyline", "#WheresMyRefund", "topic refunds" },
        { "skyline", "#MiVueloCancelado #quieroReembolso", "topic refunds" },
        { "skyline", "@skyline #BagLost #NoAnswer #3Days", "" },
        { "skyline", "@LawyerBoycott hello there my friends", "" },
        { "skyline", "#love", "noise" },
        { "skyline", "#travel #sky #sunset", "noise" },
    };
    EXPECT_SAMPLES(*state, samples);
}

static void accents_may_be_left_out(void **state)
{
    static const struct sample samples[] = {
        { "skyline", "quiero saber de la filtracion de datos", "sensitive data leak" },
        { "skyline", "mon fils est a l'hopital apres votre vol", "sensitive injury" },
        { "skyline", "j'ai ete blesse par le chariot", "sensitive injury" },
        { "skyline", "vou a justica contra voces", "sensitive legal" },
        { "nordbank", "Ihre Mitarbeiter sind auslaenderfeindlich", "sensitive discrimination" },
        { "skyline", "Ich habe mich am Kaffee verbrueht", "sensitive injury" },
        { "skyline", "quiero la devolucion de mi dinero", "topic refunds" },
        { "nordbank", "Warum wieder Gebuehren?", "topic billing" },
    };
    EXPECT_SAMPLES(*state, samples);
}

static void letters_that_look_alike_are_the_same(void **state)
{
    static const struct sample samples[] = {
        { "skyline", "my l\u0430wyer", "sensitive legal" },
        { "skyline", "b\u043Ey\u0441\u043Ett them", "sensitive boycott" },
        { "skyline", "see you in\u200B court", "sensitive legal" },
        { "skyline", "see you in\u200Bcourt", "sensitive legal" },
        { "skyline", "l a w y e r", "sensitive legal" },
        { "skyline", "l.a.w.y.e.r", "sensitive legal" },
        { "skyline", "l4wyer", "sensitive legal" },
        { "kawa", "弁 護 士", "sensitive legal" },
    };
    EXPECT_SAMPLES(*state, samples);
}

static void what_is_no_word_of_the_customers_is_not_looked_at(void **state)
{
    static const struct sample samples[] = {
        { "skyline", "@reporter_jane where can I check in?", "" },
        { "skyline", "thanks @lawyer_bob for the help today", "" },
        { "skyline", "is this yours? https://shop.example/hospital-street/12", "" },
        { "skyline", "have you seen www.boycott-history.example", "" },
        { "skyline", "who reads hospital.desk@example.org", "" },
        { "skyline", "Puis-je reporter mon vol à demain ?", "" },
        { "kawa", "Le toast à l'avocat était délicieux", "" },
        { "kawa", "Votre presse-agrumes est-il à vendre ?", "" },
        { "skyline", "God blessed us with a safe landing", "" },
        { "skyline", "Are you a pirate or an airline", "" },
        { "skyline", "Pas de plainte, tout était parfait", "" },
        { "skyline", "Notre fille est blessee apres le vol", "sensitive injury" },
        { "skyline", "Mon compte a ete pirate hier", "sensitive data leak" },
        { "skyline", "Mon avocat vous écrira demain", "sensitive legal" },
        { "skyline", "J'ai déposé plainte contre vous", "sensitive legal" },
        { "skyline", "Je suis reporter à la télévision et je prépare un article", "sensitive press" },
        { "skyline", "I am a reporter and this is for our story", "sensitive press" },
    };
    EXPECT_SAMPLES(*state, samples);
}

static void rules_say_what_makes_a_difference(void **state)
{
    static const char text[] = "desk: d\nchannels: { chirp: {} }\nagencies: [N]\nexact: [endings]\n"
                               "brands: { acme: { display_name: A, languages: [en, es, fr], disclosure: "
                               "\"{agency} for {brand}\" } }\n"
                               "sensitive:\n"
                               "  rude: { exact: accents, patterns: [ano] }\n"
                               "  legal: { patterns: [lawyer] }\n"
                               "  all: { exact: all, patterns: [boycott] }\n"
                               "  press: { languages: theirs, patterns: { en: [reporter], fr: [rédaction] } }\n"
                               "people:\n"
                               "  asha: { display_name: A, roles: [agent], agency: N, brands: all, languages: all }\n"
                               "  petra: { display_name: P, roles: [pr], brands: all, languages: all }\n";
    static const struct sample samples[] = {
        { "acme", "este ano es malo y no me gusta", "sensitive rude" },
        { "acme", "este año es malo y no me gusta", "" },
        { "acme", "my lawyer will call you", "sensitive legal" },
        { "acme", "two lawyers will call you", "" },
        { "acme", "I will boycott you all", "sensitive all" },
        { "acme", "I will b0ycott you all", "" },
        { "acme", "I am a reporter and have a question for you", "sensitive press" },
        { "acme", "Puis-je reporter mon vol à la semaine prochaine ?", "" },
    };
    struct rules_problems problems = { 0 };
    struct rules *rules = rules_new(text, strlen(text), NULL, 1, &problems);
    if (rules == NULL) {
        fail_msg("%s: %s", problems.problems[0].key, problems.problems[0].message);
    }
    expect_rules(*state, rules, samples, sizeof samples / sizeof samples[0]);
}

static const char *text_in(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static void count_needs(const struct needs *needs, int counts[4])
{
    if (needs->audience == AUDIENCE_PR) {
        counts[0]++;
    } else if (needs->noise) {
        counts[1]++;
    } else if (needs->skills != 0) {
        counts[2]++;
    } else {
        counts[3]++;
    }
}

static const char *const rules_of_regions =
    "desk: d\nchannels: { chirp: {} }\nagencies: [N]\n"
    "brands:\n"
    "  acme: { display_name: A, languages: [en, pt-BR, hi], disclosure: \"{agency} for {brand}\", undetermined: en,\n"
    "          unsure: { below: 60, language: und } }\n"
    "  kawa: { display_name: K, languages: [en, pt, hi-Latn, hi], disclosure: \"{agency} for {brand}\" }\n"
    "sensitive:\n"
    "  legal: { languages: theirs, patterns: { pt: [advogado], en: [lawyer] } }\n"
    "people:\n"
    "  ana: { display_name: A, roles: [agent], agency: N, brands: all, languages: { pt: 8 } }\n"
    "  bia: { display_name: B, roles: [agent], agency: N, brands: all, languages: [pt-BR, en] }\n"
    "  rao: { display_name: R, roles: [agent], agency: N, brands: all, languages: [hi, und] }\n"
    "  raj: { display_name: J, roles: [agent], agency: N, brands: all, languages: [hi-Latn] }\n"
    "  petra: { display_name: P, roles: [pr], brands: all, languages: all }\n";

static bool speaks(const struct rules *rules, const char *person, const char *code)
{
    const struct policy *policy = rules_policy(rules);
    uint32_t language = policy_find_language(policy, code);
    assert_int_not_equal(language, POLICY_NONE);
    for (size_t i = 0; i < policy->person_count; i++) {
        if (strcmp(policy->people[i].name, person) == 0) {
            return (policy->people[i].languages & UINT64_C(1) << language) != 0 &&
                   policy->people[i].language_level[language] > 0;
        }
    }
    fail_msg("nobody is called %s", person);
    return false;
}

static void regions_fall_back_to_their_language(void **state)
{
    struct world *world = *state;
    struct rules_problems problems = { 0 };
    struct rules *rules = rules_new(rules_of_regions, strlen(rules_of_regions), NULL, 1, &problems);
    if (rules == NULL) {
        fail_msg("%s: %s", problems.problems[0].key, problems.problems[0].message);
    }
    assert_true(speaks(rules, "ana", "pt-BR"));
    assert_true(speaks(rules, "ana", "pt"));
    assert_true(speaks(rules, "bia", "pt"));
    assert_false(speaks(rules, "rao", "hi-Latn"));
    assert_true(speaks(rules, "raj", "hi-Latn"));
    assert_false(speaks(rules, "raj", "hi"));
    static const struct {
        const char *brand, *tag, *text, *language;
    } samples[] = {
        { "acme", "", "Onde está a minha mala, ainda não chegou e ninguém responde", "pt-BR" },
        { "acme", "pt-PT", "Onde está a minha mala, ainda não chegou e ninguém responde", "pt-BR" },
        { "kawa", "pt-BR", "Onde está a minha mala, ainda não chegou e ninguém responde", "pt" },
        { "acme", "", "order cancel kar diya par paise wapas nahi mile abhi tak", "hi" },
        { "kawa", "", "order cancel kar diya par paise wapas nahi mile abhi tak", "hi-Latn" },
    };
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        struct behalf_post post = post_to(samples[i].brand, samples[i].text);
        post.language = (char *) samples[i].tag;
        assert_true(triage_post(world->triage, rules, &post, "", &world->needs, &world->field));
        assert_string_equal(rules_policy(rules)->languages[world->needs.language].name, samples[i].language);
    }
    struct behalf_post post = post_to("acme", "O meu advogado vai ligar para vocês amanhã de manhã");
    assert_true(triage_post(world->triage, rules, &post, "", &world->needs, &world->field));
    assert_string_equal(world->needs.rule, "sensitive legal");
    rules_destroy(&rules);
}

static void what_is_told_unsurely_goes_where_the_rules_say(void **state)
{
    struct world *world = *state;
    struct rules_problems problems = { 0 };
    struct rules *rules = rules_new(rules_of_regions, strlen(rules_of_regions), NULL, 1, &problems);
    assert_non_null(rules);
    struct behalf_post post = post_to("acme", "pizza grande");
    assert_true(triage_post(world->triage, rules, &post, "", &world->needs, &world->field));
    assert_string_equal(rules_policy(rules)->languages[world->needs.language].name, "und");
    assert_says(world->needs.detail, "language not told surely: pt-BR by ");
    assert_says(world->needs.detail, " is below 60; waits with und");
    post.brand = "kawa";
    assert_true(triage_post(world->triage, rules, &post, "", &world->needs, &world->field));
    assert_string_equal(rules_policy(rules)->languages[world->needs.language].name, "pt");
    post = post_to("acme", "👍");
    assert_true(triage_post(world->triage, rules, &post, "", &world->needs, &world->field));
    assert_string_equal(rules_policy(rules)->languages[world->needs.language].name, "en");
    rules_destroy(&rules);
}

// The demo shows all kinds of posts, and every one of them is to a brand and a channel of the sample.
static void sample_posts_are_of_every_kind(void **state)
{
    struct world *world = *state;
    char *text = read_file("rules.yaml", BEHALF_RULES_BYTES);
    char *lines = read_file("sample_posts.ndjson", 1 << 20);
    struct rules_problems problems = { 0 };
    struct rules *rules = rules_new(text, strlen(text), NULL, 1, &problems);
    assert_non_null(rules);
    int counts[4] = { 0 };
    char *rest = NULL;
    for (char *line = strtok_r(lines, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        json_t *object = json_loads(line, 0, NULL);
        assert_non_null(object);
        if (strcmp(text_in(object, "type"), "post") == 0) {
            struct behalf_post post = post_to(text_in(object, "brand"), text_in(object, "text"));
            post.channel = text_in(object, "channel");
            post.language = text_in(object, "language");
            post.reach = json_integer_value(json_object_get(object, "reach"));
            if (!triage_post(world->triage, rules, &post, "", &world->needs, &world->field)) {
                fail_msg("unknown %s in %s", world->field, line);
            }
            count_needs(&world->needs, counts);
        }
        json_decref(object);
    }
    assert_true(counts[0] >= 5);
    assert_true(counts[1] >= 2);
    assert_true(counts[2] >= 10);
    assert_true(counts[3] >= 5);
    rules_destroy(&rules);
    free(lines);
    free(text);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, make_world, end_world)

// ---- authors ----

static const char *author_on(struct world *world, const char *channel, const char *author)
{
    return triage_author(world->triage, world->rules, channel, author);
}

static void names_that_stand_for_many_people_are_nobody(void **state)
{
    struct world *world = *state;
    static const char *const nobody[] = { "",
                                          "A Google User",
                                          "a google user",
                                          "[deleted]",
                                          "[Deleted]",
                                          "Anonymous",
                                          "ANONYMOUS",
                                          "Deleted user",
                                          "deleted",
                                          "Facebook User",
                                          "An\u00F3nimo",
                                          "  ",
                                          "Anonymous ",
                                          " A  Google\u00A0User",
                                          "u/[deleted]",
                                          "Usuario de Google",
                                          "Un utilisateur Google" };
    for (size_t i = 0; i < sizeof nobody / sizeof *nobody; i++) {
        assert_string_equal(author_on(world, "chirp", nobody[i]), "");
    }
    assert_string_equal(author_on(world, "chirp", "A Google Usher"), "A Google Usher");
    assert_string_equal(author_on(world, "chirp", "AGoogle User"), "AGoogle User");
    struct needs needs;
    const char *field;
    struct behalf_post post = { .channel = "chirp",
                                .post = "1",
                                .brand = "acme",
                                .author = "[deleted]",
                                .text = "hello",
                                .language = "",
                                .thread = "",
                                .author_name = "",
                                .parent = "",
                                .link = "" };
    assert_true(triage_post(world->triage, world->rules, &post, "", &needs, &field));
    assert_string_equal(needs.author, "");
}

static void the_rules_say_who_is_nobody_on_a_channel(void **state)
{
    struct world *world = *state;
    assert_string_equal(author_on(world, "mail", "FRONT desk"), "");
    assert_string_equal(author_on(world, "mail", "[gone]"), "");
    assert_string_equal(author_on(world, "mail", "Anonymous"),
                        "anonymous"); // the list takes the place of the usual one
    assert_string_equal(author_on(world, "forum", "[deleted]"), "[deleted]");
    assert_string_equal(author_on(world, "forum", ""), "");
}

static void authors_are_compared_without_case_where_the_channel_says_so(void **state)
{
    struct world *world = *state;
    assert_string_equal(author_on(world, "mail", "Jo.Doe@Example.org"), "jo.doe@example.org");
    assert_string_equal(author_on(world, "mail", "STRASSE"), "strasse");
    assert_string_equal(author_on(world, "mail", "stra\u00DFe"), "strasse");
    assert_string_equal(author_on(world, "chirp", "Jo.Doe"), "Jo.Doe");
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(unknown_brands_and_channels_are_named),
        IN_WORLD(names_that_stand_for_many_people_are_nobody),
        IN_WORLD(the_rules_say_who_is_nobody_on_a_channel),
        IN_WORLD(authors_are_compared_without_case_where_the_channel_says_so),
        IN_WORLD(a_plain_post_needs_its_language_only),
        IN_WORLD(languages_are_narrowed_to_the_brands_own),
        IN_WORLD(undetermined_posts_wait_where_the_brand_says),
        IN_WORLD(topics_add_their_skills_and_the_most_urgent_band_holds),
        IN_WORLD(a_low_topic_lowers_the_band),
        IN_WORLD(topics_hold_for_their_brands_only),
        IN_WORLD(topics_hold_for_their_languages_only),
        IN_WORLD(approval_follows_from_topics),
        IN_WORLD(sensitive_wins_over_topics_and_noise),
        IN_WORLD(the_most_urgent_sensitive_rule_decides),
        IN_WORLD(reach_is_sensitive_from_its_number_on),
        IN_WORLD(a_sensitive_rule_holds_when_all_it_states_is_so),
        IN_WORLD(evasions_do_not_keep_a_post_from_pr),
        IN_WORLD(posts_without_words_are_noise),
        IN_WORLD(noise_gives_way_to_topics),
        IN_WORLD(hints_of_platform_and_author_reach_the_language),
        IN_WORLD(the_posts_text_is_never_told),
        IN_WORLD(the_same_post_gets_the_same_needs),
        IN_WORLD(words_joined_in_hashtags_are_words),
        IN_WORLD(accents_may_be_left_out),
        IN_WORLD(letters_that_look_alike_are_the_same),
        IN_WORLD(what_is_no_word_of_the_customers_is_not_looked_at),
        IN_WORLD(rules_say_what_makes_a_difference),
        IN_WORLD(regions_fall_back_to_their_language),
        IN_WORLD(what_is_told_unsurely_goes_where_the_rules_say),
        IN_WORLD(sample_posts_are_of_every_kind),
    };
    if (count != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", arguments[0]);
        return 2;
    }
    deploy_path = arguments[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
