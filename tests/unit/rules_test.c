// rules_test.c - what rules may say, and where each thing that they may not is reported.

#include "broker/triage/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *sample_path;

// Good rules; the cases below change one line of them.
static const char *const base = "desk: demo\n"                                                 // 1
                                "channels:\n"                                                  // 2
                                "  chirp: { length: 280 }\n"                                   // 3
                                "  pagebook:\n"                                                // 4
                                "skills: [refunds, cards]\n"                                   // 5
                                "agencies: [Northline]\n"                                      // 6
                                "brands:\n"                                                    // 7
                                "  acme:\n"                                                    // 8
                                "    display_name: Acme\n"                                     // 9
                                "    languages: [en, de]\n"                                    // 10
                                "    disclosure: \"{first_name} from {agency} for {brand}\"\n" // 11
                                "topics:\n"                                                    // 12
                                "  money:\n"                                                   // 13
                                "    skill: refunds\n"                                         // 14
                                "    patterns: [refund*, money back]\n"                        // 15
                                "sensitive:\n"                                                 // 16
                                "  legal:\n"                                                   // 17
                                "    patterns: { en: [lawyer], de: [anwalt] }\n"               // 18
                                "noise:\n"                                                     // 19
                                "  nothing:\n"                                                 // 20
                                "    empty: yes\n"                                             // 21
                                "people:\n"                                                    // 22
                                "  asha:\n"                                                    // 23
                                "    display_name: Asha Rao\n"                                 // 24
                                "    roles: [agent]\n"                                         // 25
                                "    agency: Northline\n"                                      // 26
                                "    brands: all\n"                                            // 27
                                "    languages: { en: 9, de: 3 }\n"                            // 28
                                "    skills: [refunds, cards]\n"                               // 29
                                "    capacity: 2\n"                                            // 30
                                "  petra:\n"                                                   // 31
                                "    display_name: Petra L\n"                                  // 32
                                "    roles: [pr]\n"                                            // 33
                                "    brands: [acme]\n"                                         // 34
                                "    languages: all\n";                                        // 35

// A copy of a text with one part of it changed.
static char *changed(const char *text, const char *was, const char *is)
{
    const char *at = strstr(text, was);
    if (at == NULL) {
        fail_msg("\"%s\" is not in the text", was);
    }
    size_t bytes = strlen(text) - strlen(was) + strlen(is) + 1;
    char *copy = malloc(bytes);
    assert_non_null(copy);
    snprintf(copy, bytes, "%.*s%s%s", (int) (at - text), text, is, at + strlen(was));
    return copy;
}

static struct rules *read_rules(const char *text, const struct rules *previous, uint64_t version)
{
    struct rules_problems problems = { 0 };
    struct rules *rules = rules_new(text, strlen(text), previous, version, &problems);
    for (size_t i = 0; i < problems.count; i++) {
        print_error("%d:%d %s: %s\n", (int) problems.problems[i].line, (int) problems.problems[i].column,
                    problems.problems[i].key, problems.problems[i].message);
    }
    rules_problems_fini(&problems);
    assert_non_null(rules);
    return rules;
}

static struct rules *read_changed(const char *was, const char *is)
{
    char *text = changed(base, was, is);
    struct rules *rules = read_rules(text, NULL, 1);
    free(text);
    return rules;
}

// One change and the one problem that it makes.
struct mistake {
    const char *was;
    const char *is;
    int line;
    int column;
    const char *key;
    const char *words; // in the message
};

static void check_problem(const struct mistake *mistake, const struct rules_problems *problems)
{
    if (problems->found != 1) {
        fail_msg("\"%s\": %zu problems, want 1; the first: %s: %s", mistake->is, problems->found,
                 problems->count > 0 ? problems->problems[0].key : "",
                 problems->count > 0 ? problems->problems[0].message : "");
    }
    const struct behalf_problem *problem = &problems->problems[0];
    if (problem->line != mistake->line || problem->column != mistake->column ||
        strcmp(problem->key, mistake->key) != 0 || strstr(problem->message, mistake->words) == NULL) {
        fail_msg("\"%s\": got %d:%d %s: %s; want %d:%d %s: %s", mistake->is, (int) problem->line, (int) problem->column,
                 problem->key, problem->message, mistake->line, mistake->column, mistake->key, mistake->words);
    }
}

static void check_mistakes(const struct mistake *mistakes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *text = changed(base, mistakes[i].was, mistakes[i].is);
        struct rules_problems problems = { 0 };
        struct rules *rules = rules_new(text, strlen(text), NULL, 1, &problems);
        if (rules != NULL) {
            fail_msg("\"%s\" is accepted", mistakes[i].is);
        }
        check_problem(&mistakes[i], &problems);
        rules_problems_fini(&problems);
        free(text);
    }
}

#define CHECK_MISTAKES(mistakes) check_mistakes(mistakes, sizeof(mistakes) / sizeof(mistakes)[0])

static void good_rules_are_read(void **state)
{
    (void) state;
    struct rules *rules = read_rules(base, NULL, 7);
    const struct policy *policy = rules_policy(rules);
    assert_int_equal(policy->version, 7);
    assert_string_equal(policy->desk, "demo");
    assert_string_equal(rules_text(rules), base);
    assert_int_equal(rules_warnings(rules)->found, 0);
    assert_int_equal(policy->brand_count, 1);
    assert_string_equal(policy->brands[0].display_name, "Acme");
    assert_int_equal(policy->brands[0].languages, 6); // en, de
    assert_int_equal(policy->brands[0].und_language, policy_find_language(policy, "en"));
    assert_int_equal(policy->channels[0].length_max, 280);
    assert_int_equal(policy->channels[1].length_max, 0);
    assert_int_equal(policy->person_count, 2);
    const struct policy_person *asha = &policy->people[policy_find_person(policy, "asha")];
    assert_string_equal(asha->first_name, "Asha");
    assert_int_equal(asha->audiences, 1u << AUDIENCE_AGENT);
    assert_string_equal(policy->agencies[asha->agency].name, "Northline");
    assert_int_equal(asha->languages, 6);
    assert_int_equal(asha->language_level[policy_find_language(policy, "de")], 3);
    assert_int_equal(asha->skill_level[policy_find_skill(policy, "cards")], 5);
    assert_int_equal(asha->capacity, 2);
    const struct policy_person *petra = &policy->people[policy_find_person(policy, "petra")];
    assert_int_equal(petra->languages, 7); // und too
    assert_int_equal(petra->agency, POLICY_NONE);
    assert_int_equal(petra->capacity, 1);
    rules_destroy(&rules);
}

// It stands in the line that discloses whom a customer has written with.
static void a_first_name_is_the_first_word_also_behind_blanks(void **state)
{
    (void) state;
    struct rules *rules = read_changed("display_name: Asha Rao", "display_name: \" Asha Rao\"");
    const struct policy *policy = rules_policy(rules);
    assert_string_equal(policy->people[policy_find_person(policy, "asha")].first_name, "Asha");
    rules_destroy(&rules);
}

static void absent_times_are_the_defaults(void **state)
{
    (void) state;
    static const struct policy_times want = POLICY_TIMES_DEFAULT;
    struct rules *rules = read_rules(base, NULL, 1);
    assert_memory_equal(&rules_policy(rules)->times, &want, sizeof want);
    rules_destroy(&rules);
}

static void times_are_read_in_every_unit(void **state)
{
    (void) state;
    struct rules *rules =
        read_changed("skills:", "times: { offer: 250 ms, grace: 90s, decline: 3 min, prefer: 2 hours, park: 14 days, "
                                "known_author: never, expire: 1 day, missed_offers: 5 }\nskills:");
    const struct policy_times *times = &rules_policy(rules)->times;
    assert_int_equal(times->offer_ms, 250);
    assert_int_equal(times->grace_ms, 90000);
    assert_int_equal(times->decline_ms, 180000);
    assert_int_equal(times->prefer_ms, 7200000);
    assert_int_equal(times->park_max_ms, 14 * INT64_C(86400000));
    assert_int_equal(times->known_author_ms, 0);
    assert_int_equal(times->expire_ms, 86400000);
    assert_int_equal(times->missed_offers, 5);
    rules_destroy(&rules);
}

static void every_reply_is_disclosed_also_where_the_rules_say_nothing_of_pr(void **state)
{
    (void) state;
    struct rules *rules = read_changed("[en, de]\n", "[en, de]\n");
    assert_string_equal(rules_policy(rules)->brands[0].disclosure_pr, "{first_name}, {brand}");
    rules_destroy(&rules);
}

static void brands_say_how_they_want_to_be_spoken_for(void **state)
{
    (void) state;
    struct rules *rules = read_changed("    languages: [en, de]\n",
                                       "    languages: [en, de]\n    undetermined: de\n    take: automatic\n"
                                       "    approve: all\n    service_level: { agent: 1 h, pr: 2 h }\n"
                                       "    escalate_late: yes\n    guidance: |\n      Be kind.\n      Be brief.\n"
                                       "    disclosure_pr: \"{name}, {brand}\"\n");
    const struct policy *policy = rules_policy(rules);
    const struct policy_brand *brand = &policy->brands[0];
    assert_int_equal(brand->und_language, policy_find_language(policy, "de"));
    assert_true(brand->take_automatic);
    assert_true(brand->approve_all);
    assert_true(brand->escalate_late);
    assert_int_equal(brand->service_level_ms[AUDIENCE_AGENT], 3600000);
    assert_int_equal(brand->service_level_ms[AUDIENCE_PR], 7200000);
    assert_int_equal(brand->service_level_ms[AUDIENCE_APPROVER], 0);
    assert_string_equal(brand->guidance, "Be kind.\nBe brief.\n");
    assert_string_equal(brand->disclosure_pr, "{name}, {brand}");
    rules_destroy(&rules);
}

static void a_channel_counts_as_its_platform_does(void **state)
{
    (void) state;
    static const struct {
        const char *written;
        enum counting counting;
        int64_t length_max, link_length;
    } cases[] = { { "length: 280", COUNTING_CHARACTERS, 280, 0 },
                  { "counting: x", COUNTING_X, 280, 23 },
                  { "counting: bluesky", COUNTING_BLUESKY, 300, 0 },
                  { "counting: mastodon, length: 11000, url_length: 30", COUNTING_MASTODON, 11000, 30 },
                  { "counting: sms, length: 306", COUNTING_SMS, 306, 0 },
                  { "counting: x, length: 0", COUNTING_X, 0, 23 },
                  { "counting: bytes", COUNTING_BYTES, 0, 0 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rules *rules = read_changed("length: 280", cases[i].written);
        const struct policy_channel *channel = &rules_policy(rules)->channels[0];
        assert_int_equal(channel->counting, cases[i].counting);
        assert_int_equal(channel->length_max, cases[i].length_max);
        assert_int_equal(channel->link_length, cases[i].link_length);
        rules_destroy(&rules);
    }
}

static void a_brand_speaks_each_language(void **state)
{
    (void) state;
    struct rules *rules = read_changed("    disclosure: \"{first_name} from {agency} for {brand}\"\n",
                                       "    disclosure: { en: \"{first_name} from {agency} for {brand}\","
                                       " de: \"{first_name} von {agency} für {brand}\" }\n"
                                       "    guidance: { en: Be kind., de: Sei nett. }\n");
    const struct policy *policy = rules_policy(rules);
    const struct policy_brand *brand = &policy->brands[0];
    uint32_t german = policy_find_language(policy, "de"), english = policy_find_language(policy, "en");
    assert_string_equal(policy_wording(policy, &brand->disclosure_in, brand->disclosure, german),
                        "{first_name} von {agency} für {brand}");
    assert_string_equal(policy_wording(policy, &brand->disclosure_in, brand->disclosure, english),
                        "{first_name} from {agency} for {brand}");
    assert_string_equal(policy_wording(policy, &brand->disclosure_in, brand->disclosure, 0),
                        "{first_name} from {agency} for {brand}"); // the first one, where the language is not told
    assert_string_equal(policy_wording(policy, &brand->guidance_in, brand->guidance, german), "Sei nett.");
    rules_destroy(&rules);
}

static void undetermined_posts_can_be_a_language_of_their_own(void **state)
{
    (void) state;
    struct rules *rules = read_changed("    languages: [en, de]\n", "    languages: [en, de]\n    undetermined: und\n");
    assert_int_equal(rules_policy(rules)->brands[0].und_language, 0);
    assert_int_equal(rules_policy(rules)->brands[0].languages, 7);
    rules_destroy(&rules);
}

static void wrong_values_are_told_where_they_stand(void **state)
{
    (void) state;
    static const struct mistake mistakes[] = {
        { "length: 280", "length: many", 3, 20, "channels.chirp.length", "whole number from 0 to 32768" },
        { "length: 280", "length: 40000", 3, 20, "channels.chirp.length", "from 0 to 32768" },
        { "length: 280", "length: [1]", 3, 20, "channels.chirp.length", "not a list" },
        { "length: 280", "length: 280, reply_window: 3 moons", 3, 39, "channels.chirp.reply_window", "7 days" },
        { "skills:", "times: { offer: never }\nskills:", 5, 17, "times.offer", "30 s" },
        { "skills:", "times: { offer: 0 s }\nskills:", 5, 17, "times.offer", "more than nothing" },
        { "skills:", "times: { offer: 2 days }\nskills:", 5, 17, "times.offer", "at most 1 day and" },
        { "skills:", "times: 7\nskills:", 5, 8, "times", "keys with their values" },
        { "display_name: Acme", "display_name: \"\"", 9, 19, "brands.acme.display_name", "must not be empty" },
        { "display_name: Acme", "display_name: \"A\\u202Ecme\"", 9, 19, "brands.acme.display_name", "invisible" },
        { "[en, de]", "[en, de, german]", 10, 25, "brands.acme.languages[3]", "not a language code" },
        { "[en, de]", "[en, en, de]", 10, 21, "brands.acme.languages[2]", "twice" },
        { "[en, de]", "[en, und, de]", 10, 21, "brands.acme.languages[2]", "undetermined: und" },
        { "[en, de]", "[en, de]\n    undetermined: fr", 11, 19, "brands.acme.undetermined",
          "one of the brand's languages" },
        { "[en, de]", "[en, de]\n    take: sometimes", 11, 11, "brands.acme.take", "explicit or automatic" },
        { "[en, de]", "[en, de]\n    escalate_late: maybe", 11, 20, "brands.acme.escalate_late", "yes or no" },
        { "skill: refunds", "skill: refunds\n    band: top", 15, 11, "topics.money.band",
          "urgent, high, normal or low" },
        { "empty: yes", "only: [links, jokes]", 21, 19, "noise.nothing.only[2]", "links, mentions, hashtags or emoji" },
        { "empty: yes", "empty: no", 21, 5, "noise.nothing", "holds for no post" },
        { "{ en: 9, de: 3 }", "{ en: 11, de: 3 }", 28, 22, "people.asha.languages.en", "from 1 to 10" },
        { "capacity: 2", "capacity: 0", 30, 15, "people.asha.capacity", "from 1 to 100" },
        { "roles: [agent]", "roles: [agents]", 25, 13, "people.asha.roles[1]", "there are agent, pr" },
        { "desk: demo", "desk: a/b", 1, 7, "desk", "comma or a slash" },
        { "desk: demo", "desk: \"a\\tb\"", 1, 7, "desk", "control" },
    };
    CHECK_MISTAKES(mistakes);
}

static void unknown_keys_are_told_with_the_nearest_known(void **state)
{
    (void) state;
    static const struct mistake mistakes[] = {
        { "desk: demo", "desk: demo\nbrand: 1", 2, 1, "brand", "did you mean brands?" },
        { "length: 280", "lenght: 280", 3, 12, "channels.chirp.lenght", "did you mean length?" },
        { "    skill:", "    color: red\n    skill:", 14, 5, "topics.money.color", "known here are patterns" },
        { "capacity: 2", "Capacity: 2", 30, 5, "people.asha.Capacity", "did you mean capacity?" },
    };
    CHECK_MISTAKES(mistakes);
}

static void missing_keys_are_told_at_their_section(void **state)
{
    (void) state;
    static const struct mistake mistakes[] = {
        { "desk: demo\n", "", 1, 1, "desk", "missing" },
        { "    display_name: Acme\n", "", 8, 3, "brands.acme.display_name", "missing" },
        { "    disclosure: \"{first_name} from {agency} for {brand}\"\n", "", 8, 3, "brands.acme.disclosure",
          "missing" },
        { "    patterns: [refund*, money back]\n", "", 13, 3, "topics.money.patterns", "missing" },
        { "    agency: Northline\n", "", 23, 3, "people.asha.agency", "missing" },
        { "    patterns: { en: [lawyer], de: [anwalt] }\n", "    band: high\n", 18, 5, "sensitive.legal",
          "holds for every post" },
    };
    CHECK_MISTAKES(mistakes);
}

static void what_is_not_there_cannot_be_named(void **state)
{
    (void) state;
    static const struct mistake mistakes[] = {
        { "skill: refunds", "skill: refund", 14, 12, "topics.money.skill", "did you mean refunds?" },
        { "skill: refunds", "skill: dancing", 14, 12, "topics.money.skill", "there is no skill \"dancing\"" },
        { "agency: Northline", "agency: Northlime", 26, 13, "people.asha.agency", "did you mean Northline?" },
        { "brands: [acme]", "brands: [acme, acne]", 34, 20, "people.petra.brands[2]", "did you mean acme?" },
        { "{ en: 9, de: 3 }", "{ en: 9, de: 3, fr: 2 }", 28, 36, "people.asha.languages.fr", "no served language" },
        { "[refunds, cards]\n    capacity", "[refunds, carts]\n    capacity", 29, 23, "people.asha.skills[2]",
          "did you mean cards?" },
        { "    skill:", "    brands: [nobody]\n    skill:", 14, 14, "topics.money.brands[1]", "there is no brand" },
        { "    patterns: { en", "    channels: [chrip]\n    patterns: { en", 18, 16, "sensitive.legal.channels[1]",
          "did you mean chirp?" },
        { "[en, de]\n", "[en, de]\n    approve: [monny]\n", 11, 15, "brands.acme.approve[1]", "did you mean money?" },
        { "desk: demo", "desk: demo\nexact: [acents]", 2, 9, "exact[1]", "did you mean accents?" },
        { "    skill:", "    exact: [acents]\n    skill:", 14, 13, "topics.money.exact[1]", "did you mean accents?" },
        { "[en, de]\n", "[en, de]\n    unsure: { below: 60, language: fr }\n", 11, 36, "brands.acme.unsure.language",
          "must be one of the brand's languages" },
        { "refund*, money back", "refund|money back", 15, 16, "topics.money.patterns[1]",
          "/\\b(refund|money back)\\b/" },
    };
    CHECK_MISTAKES(mistakes);
}

static void an_undisclosed_brand_is_refused(void **state)
{
    (void) state;
    static const struct mistake mistakes[] = {
        { "{first_name} from {agency} for {brand}", "Yours, {first_name} of {agency}", 11, 17, "brands.acme.disclosure",
          "put {brand} into it" },
        { "{first_name} from {agency} for {brand}", "{first_name} for {brand}", 11, 17, "brands.acme.disclosure",
          "put {agency} into it" },
        { "{first_name} from {agency} for {brand}", "{firstname} from {agency} for {brand}", 11, 17,
          "brands.acme.disclosure", "did you mean {first_name}?" },
        { "{first_name} from {agency} for {brand}", "{agency} {brand} {", 11, 17, "brands.acme.disclosure",
          "unknown placeholder" },
        { "[en, de]\n", "[en, de]\n    disclosure_pr: \"{agency}, {brand}\"\n", 11, 20, "brands.acme.disclosure_pr",
          "unknown placeholder {agency}" },
        { "[en, de]\n", "[en, de]\n    disclosure_pr: \"{first_name}\"\n", 11, 20, "brands.acme.disclosure_pr",
          "put {brand} into it" },
        { "length: 280", "length: 24", 11, 17, "brands.acme.disclosure", "channel chirp has 24 in all" },
        { "\"{first_name} from {agency} for {brand}\"",
          "{ en: \"{first_name} from {agency} for {brand}\", de: \"{first_name} for {brand}\" }", 11, 69,
          "brands.acme.disclosure.de", "put {agency} into it" },
        { "\"{first_name} from {agency} for {brand}\"",
          "{ en: \"{first_name} from {agency} for {brand}\", fr: \"{first_name}, {agency}, {brand}\" }", 11, 69,
          "brands.acme.disclosure.fr", "none of the brand's languages" },
        { "length: 280", "counting: twitter", 3, 22, "channels.chirp.counting", "must be characters, graphemes, x" },
        { "\"{first_name} from {agency} for {brand}\"", "[ \"{first_name} from {agency} for {brand}\" ]", 11, 17,
          "brands.acme.disclosure", "a text for each of some languages" },
    };
    CHECK_MISTAKES(mistakes);
}

static void a_brand_can_be_written_out_in_its_disclosure(void **state)
{
    (void) state;
    struct rules *rules = read_changed("for {brand}", "for Acme");
    rules_destroy(&rules);
}

static void agents_never_see_what_is_sensitive(void **state)
{
    (void) state;
    static const struct mistake mistakes[] = {
        { "roles: [agent]", "roles: [agent, pr]", 25, 12, "people.asha.roles", "never see what is sensitive" },
        { "roles: [pr]", "roles: [pr]\n    agency: Northline", 34, 13, "people.petra.agency", "have no agency" },
        { "roles: [pr]", "roles: [supervisor]", 8, 3, "brands.acme", "would reach nobody" },
    };
    CHECK_MISTAKES(mistakes);
}

static void bad_patterns_are_told_where_they_stand(void **state)
{
    (void) state;
    static const struct mistake mistakes[] = {
        { "[refund*, money back]", "[refund*, \"/(a/\"]", 15, 25, "topics.money.patterns[2]", "parenthesis" },
        { "de: [anwalt]", "de: [anwalt, \"\"]", 18, 44, "sensitive.legal.patterns.de[2]", "empty pattern" },
        { "de: [anwalt]", "deutsch wie immer: [anwalt]", 18, 50, "sensitive.legal.patterns.deutsch wie immer",
          "under languages" },
        { "[refund*, money back]", "[]", 15, 15, "topics.money.patterns", "at least 1" },
        { "[refund*, money back]", "[refund*, { a: b }]", 15, 25, "topics.money.patterns[2]", "not a map" },
    };
    CHECK_MISTAKES(mistakes);
}

static void text_that_is_not_yaml_is_told_by_line(void **state)
{
    (void) state;
    static const struct mistake mistakes[] = {
        { "agencies: [Northline]", "agencies: [Northline", 7, 7, "", "not YAML" },
        { "desk: demo", "desk: demo\ndesk: again", 2, 1, "desk", "given twice, first in line 1" },
        { "  pagebook:\n", "  pagebook:\n  chirp: {}\n", 5, 3, "channels.chirp", "given twice" },
        { "desk: demo", "desk: &a demo", 1, 7, "", "anchors" },
        { "desk: demo", "desk: *a", 1, 7, "", "aliases" },
        { "desk: demo", "desk: !x demo", 1, 7, "", "tags" },
        { "people:\n", "---\npeople:\n", 22, 1, "", "second document" },
        { "desk: demo", "? [a]\n: b", 1, 3, "", "a key must be a word" },
        { "desk: demo", "desk: [[[[[[[[[[[[[[x]]]]]]]]]]]]]]", 1, 18, "desk", "nested too deeply" },
        { "desk: demo", "desk: \xFF", 1, 7, "", "UTF-8" },
        { "desk: demo", "desk: \t@x", 1, 8, "", "no word may begin" },
    };
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        char *text = changed(base, mistakes[i].was, mistakes[i].is);
        struct rules_problems problems = { 0 };
        assert_null(rules_new(text, strlen(text), NULL, 1, &problems));
        const struct behalf_problem *problem = &problems.problems[0];
        if (problems.found != 1 || problem->line != mistakes[i].line || problem->column != mistakes[i].column ||
            strstr(problem->message, mistakes[i].words) == NULL) {
            fail_msg("\"%s\": %zu found, %d:%d %s: %s", mistakes[i].is, problems.found, (int) problem->line,
                     (int) problem->column, problem->key, problem->message);
        }
        rules_problems_fini(&problems);
        free(text);
    }
}

static void a_brand_says_by_what_it_goes_who_is_offered_a_post(void **state)
{
    (void) state;
    static const uint8_t usual[] = { CHOOSE_LEAST_IN_HAND, CHOOSE_LEVEL, CHOOSE_IDLE, CHOOSE_NOTHING };
    static const uint8_t best[] = { CHOOSE_LEVEL, CHOOSE_LEAST_IN_HAND, CHOOSE_IDLE, CHOOSE_NOTHING };
    struct rules *rules = read_rules(base, NULL, 1);
    assert_memory_equal(rules_policy(rules)->brands[0].choose, usual, sizeof usual);
    assert_int_equal(rules_policy(rules)->few, POLICY_FEW_DEFAULT);
    rules_destroy(&rules);
    rules = read_changed("    languages: [en, de]\n", "    languages: [en, de]\n    choose: [level]\n");
    assert_memory_equal(rules_policy(rules)->brands[0].choose, best, sizeof best);
    rules_destroy(&rules);
    rules = read_changed("skills:", "few: 0\nskills:");
    assert_int_equal(rules_policy(rules)->few, 0);
    rules_destroy(&rules);
    static const struct mistake mistakes[] = {
        { "    languages: [en, de]\n", "    languages: [en, de]\n    choose: [level, luck]\n", 11, 21,
          "brands.acme.choose[2]", "least_in_hand, level or idle, not \"luck\"" },
    };
    CHECK_MISTAKES(mistakes);
}

static void all_problems_are_found_in_one_go_in_order(void **state)
{
    (void) state;
    static const char *const text = "desk: demo\n"
                                    "channels: { chirp: { length: x } }\n"
                                    "brands: { acme: { langs: [en], take: never } }\n"
                                    "people: { ben: { roles: [boss], capacity: 0 } }\n";
    struct rules_problems problems = { 0 };
    assert_null(rules_new(text, strlen(text), NULL, 1, &problems));
    assert_true(problems.found >= 10);
    assert_int_equal(problems.count, problems.found);
    for (size_t i = 1; i < problems.count; i++) {
        assert_true(problems.problems[i - 1].line <= problems.problems[i].line);
    }
    rules_problems_fini(&problems);
}

static void at_most_64_problems_are_shown_and_all_are_counted(void **state)
{
    (void) state;
    char text[8192] = "";
    for (int i = 0; i < 200; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "wrong%d: 1\n", i);
    }
    struct rules_problems problems = { 0 };
    assert_null(rules_new(text, strlen(text), NULL, 1, &problems));
    assert_int_equal(problems.count, 64);
    assert_int_equal(problems.found, 204); // desk, channels, brands and people are missing
    assert_int_equal(problems.problems[0].line, 1);
    assert_int_equal(problems.problems[63].line, 60);
    rules_problems_fini(&problems);
}

static void an_empty_text_lacks_what_is_required(void **state)
{
    (void) state;
    struct rules_problems problems = { 0 };
    assert_null(rules_new("", 0, NULL, 1, &problems));
    assert_int_equal(problems.found, 4);
    rules_problems_fini(&problems);
}

static void a_text_too_long_is_refused(void **state)
{
    (void) state;
    char *text = malloc(BEHALF_RULES_BYTES + 1);
    assert_non_null(text);
    memset(text, '#', BEHALF_RULES_BYTES + 1);
    struct rules_problems problems = { 0 };
    assert_null(rules_new(text, BEHALF_RULES_BYTES + 1, NULL, 1, &problems));
    assert_non_null(strstr(problems.problems[0].message, "at most 393216"));
    rules_problems_fini(&problems);
    free(text);
}

// What a warning says, and at which line.
struct oversight {
    const char *was;
    const char *is;
    int line;
    const char *words;
};

static void probable_oversights_are_warned_of(void **state)
{
    (void) state;
    static const struct oversight oversights[] = {
        { "{ en: 9, de: 3 }", "[en]", 9, "no agent of this brand answers in de" },
        { "    languages: all\n", "    languages: [de]\n", 9, "no pr person of this brand answers in en" },
        { "[refunds, cards]\n    capacity", "[cards]\n    capacity", 14, "no agent of acme has the skill refunds" },
        { "[en, de]\n", "[en, de]\n    approve: all\n", 9, "nobody with the role approver" },
        { "    skill:", "    approve: yes\n    skill:", 9, "nobody with the role approver" },
        { "[en, de]\n", "[en, de]\n    escalate_late: yes\n", 11, "nothing is ever late" },
        { "[en, de]", "[en, de, xx]", 10, "cannot be told by the text" },
        { "[en, de]", "[en, de, hr, bs]", 10, "posts in bs are mostly taken for hr" },
        { "length: 280", "length: 60", 11, "channel chirp leaves 31 for the reply" },
    };
    for (size_t i = 0; i < sizeof oversights / sizeof oversights[0]; i++) {
        struct rules *rules = read_changed(oversights[i].was, oversights[i].is);
        const struct rules_problems *warnings = rules_warnings(rules);
        bool warned = false;
        for (size_t w = 0; w < warnings->count; w++) {
            warned = warned || (warnings->problems[w].line == oversights[i].line &&
                                strstr(warnings->problems[w].message, oversights[i].words) != NULL);
        }
        if (!warned) {
            fail_msg("no warning at %d: %s; %zu others, the first at %d: %s", oversights[i].line, oversights[i].words,
                     warnings->count, warnings->count > 0 ? (int) warnings->problems[0].line : 0,
                     warnings->count > 0 ? warnings->problems[0].message : "");
        }
        rules_destroy(&rules);
    }
}

static void indexes_stay_from_version_to_version(void **state)
{
    (void) state;
    struct rules *first = read_rules(base, NULL, 1);
    char *text = changed(base, "skills: [refunds, cards]", "skills: [travel, refunds]");
    char *text2 = changed(text, "skills: [refunds, cards]", "skills: [refunds, travel]");
    char *text3 = changed(text2, "  petra:", "  paula:");
    char *text4 = changed(text3, "[en, de]", "[fr, en, de]");
    struct rules *second = read_rules(text4, first, 2);
    const struct policy *before = rules_policy(first);
    const struct policy *after = rules_policy(second);
    assert_int_equal(policy_find_skill(after, "refunds"), policy_find_skill(before, "refunds"));
    assert_int_equal(policy_find_skill(after, "travel"), 2);
    assert_int_equal(policy_find_skill(after, "cards"), POLICY_NONE);
    assert_true(after->skills[1].retired);
    assert_string_equal(after->skills[1].name, "cards");
    assert_int_equal(policy_find_language(after, "en"), policy_find_language(before, "en"));
    assert_int_equal(policy_find_language(after, "fr"), 3);
    assert_int_equal(policy_find_person(after, "asha"), 0);
    assert_int_equal(policy_find_person(after, "paula"), 2);
    assert_true(after->people[1].retired);
    assert_string_equal(after->people[1].display_name, "Petra L");

    // What comes back gets its old index, and the old rules may be gone by then.
    rules_destroy(&first);
    struct rules *third = read_rules(base, second, 3);
    after = rules_policy(third);
    assert_int_equal(policy_find_skill(after, "cards"), 1);
    assert_int_equal(policy_find_person(after, "petra"), 1);
    assert_true(after->people[2].retired);
    assert_true(after->languages[3].retired);
    assert_int_equal(after->people[1].languages, 7); // all: not what is retired
    rules_destroy(&second);
    rules_destroy(&third);
    free(text);
    free(text2);
    free(text3);
    free(text4);
}

static void retired_names_cannot_be_used(void **state)
{
    (void) state;
    struct rules *first = read_rules(base, NULL, 1);
    char *text = changed(base, "skills: [refunds, cards]", "skills: [refunds]");
    struct rules_problems problems = { 0 };
    assert_null(rules_new(text, strlen(text), first, 2, &problems));
    assert_int_equal(problems.found, 1);
    assert_string_equal(problems.problems[0].key, "people.asha.skills[2]");
    rules_problems_fini(&problems);
    rules_destroy(&first);
    free(text);
}

static void names_run_out_with_those_that_were_dropped(void **state)
{
    (void) state;
    struct rules *rules = read_rules(base, NULL, 1);
    for (int round = 0; round < 2; round++) {
        char list[1024] = "skills: [refunds, cards";
        for (int i = 0; i < 40; i++) {
            snprintf(list + strlen(list), sizeof list - strlen(list), ", s%d_%d", round, i);
        }
        snprintf(list + strlen(list), sizeof list - strlen(list), "]");
        char *text = changed(base, "skills: [refunds, cards]", list);
        struct rules_problems problems = { 0 };
        struct rules *next = rules_new(text, strlen(text), rules, 2, &problems);
        if (round == 0) {
            assert_non_null(next);
            rules_destroy(&rules);
            rules = next;
        } else {
            assert_null(next);
            assert_non_null(strstr(problems.problems[0].message, "too many skills: 64 at most"));
        }
        rules_problems_fini(&problems);
        free(text);
    }
    rules_destroy(&rules);
}

static void rules_of_another_desk_are_refused(void **state)
{
    (void) state;
    struct rules *rules = read_rules(base, NULL, 1);
    char *text = changed(base, "desk: demo", "desk: other");
    struct rules_problems problems = { 0 };
    assert_null(rules_new(text, strlen(text), rules, 2, &problems));
    assert_int_equal(problems.found, 1);
    assert_string_equal(problems.problems[0].key, "desk");
    rules_problems_fini(&problems);
    rules_destroy(&rules);
    free(text);
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fail_msg("cannot open %s", path);
    }
    char *text = calloc(1, BEHALF_RULES_BYTES + 1);
    assert_non_null(text);
    fread(text, 1, BEHALF_RULES_BYTES, file);
    fclose(file);
    return text;
}

static void the_sample_has_no_problems_and_no_warnings(void **state)
{
    (void) state;
    char *text = read_file(sample_path);
    struct rules *rules = read_rules(text, NULL, 1);
    const struct rules_problems *warnings = rules_warnings(rules);
    for (size_t i = 0; i < warnings->count; i++) {
        print_error("%d: %s\n", (int) warnings->problems[i].line, warnings->problems[i].message);
    }
    assert_int_equal(warnings->found, 0);
    assert_int_equal(rules_policy(rules)->brand_count, 4);
    rules_destroy(&rules);
    free(text);
}

// What the sample says are the defaults must be.
static void the_sample_shows_the_default_times(void **state)
{
    (void) state;
    static const struct policy_times want = POLICY_TIMES_DEFAULT;
    char *text = read_file(sample_path);
    struct rules *rules = read_rules(text, NULL, 1);
    assert_memory_equal(&rules_policy(rules)->times, &want, sizeof want);
    rules_destroy(&rules);
    free(text);
}

static void the_manual_has_every_key(void **state)
{
    (void) state;
    char *manual = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&manual, &bytes);
    assert_non_null(file);
    rules_manual(file);
    fclose(file);
    assert_non_null(strstr(manual, "brands.NAME.disclosure\n    text, at most 256 bytes, or such texts by language, "
                                   "the first for all others; required\n"));
    assert_non_null(strstr(manual, "brands.NAME.service_level.pr\n    time or never; default: never\n"));
    assert_non_null(strstr(manual, "topics.NAME.band\n    urgent, high, normal or low; default: normal\n"));
    assert_non_null(strstr(manual, "times.missed_offers\n    number, 1 to 1000; default: 3\n"));
#define KEY(field, kind, refers, presence, minimum, maximum, fallback, doc)                                            \
    assert_non_null(strstr(manual, #field "\n    "));                                                                  \
    assert_non_null(strstr(manual, doc));
#include "broker/triage/rule_keys.def"
#define FOLDING(name, doc)                                                                                             \
    assert_non_null(strstr(manual, "\n" #name "\n    "));                                                              \
    assert_non_null(strstr(manual, doc));
#include "broker/triage/foldings.def"
#undef FOLDING
    free(manual);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_rules_are_read),
        cmocka_unit_test(a_first_name_is_the_first_word_also_behind_blanks),
        cmocka_unit_test(absent_times_are_the_defaults),
        cmocka_unit_test(times_are_read_in_every_unit),
        cmocka_unit_test(every_reply_is_disclosed_also_where_the_rules_say_nothing_of_pr),
        cmocka_unit_test(brands_say_how_they_want_to_be_spoken_for),
        cmocka_unit_test(a_channel_counts_as_its_platform_does),
        cmocka_unit_test(a_brand_speaks_each_language),
        cmocka_unit_test(undetermined_posts_can_be_a_language_of_their_own),
        cmocka_unit_test(wrong_values_are_told_where_they_stand),
        cmocka_unit_test(unknown_keys_are_told_with_the_nearest_known),
        cmocka_unit_test(missing_keys_are_told_at_their_section),
        cmocka_unit_test(what_is_not_there_cannot_be_named),
        cmocka_unit_test(an_undisclosed_brand_is_refused),
        cmocka_unit_test(a_brand_can_be_written_out_in_its_disclosure),
        cmocka_unit_test(agents_never_see_what_is_sensitive),
        cmocka_unit_test(bad_patterns_are_told_where_they_stand),
        cmocka_unit_test(text_that_is_not_yaml_is_told_by_line),
        cmocka_unit_test(a_brand_says_by_what_it_goes_who_is_offered_a_post),
        cmocka_unit_test(all_problems_are_found_in_one_go_in_order),
        cmocka_unit_test(at_most_64_problems_are_shown_and_all_are_counted),
        cmocka_unit_test(an_empty_text_lacks_what_is_required),
        cmocka_unit_test(a_text_too_long_is_refused),
        cmocka_unit_test(probable_oversights_are_warned_of),
        cmocka_unit_test(indexes_stay_from_version_to_version),
        cmocka_unit_test(retired_names_cannot_be_used),
        cmocka_unit_test(names_run_out_with_those_that_were_dropped),
        cmocka_unit_test(rules_of_another_desk_are_refused),
        cmocka_unit_test(the_sample_has_no_problems_and_no_warnings),
        cmocka_unit_test(the_sample_shows_the_default_times),
        cmocka_unit_test(the_manual_has_every_key),
    };
    if (count != 2) {
        fprintf(stderr, "usage: %s RULES\n", arguments[0]);
        return 2;
    }
    sample_path = arguments[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
