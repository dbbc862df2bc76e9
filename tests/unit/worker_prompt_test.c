// worker_prompt_test.c - what a person types is understood, and what they see is true.

#include "worker/agent/command.h"
#include "worker/agent/item_view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define NOW INT64_C(1795161600000)

static struct command parse(char *line)
{
    struct command command;
    char problem[200] = "";
    if (!command_parse(line, &command, problem, sizeof problem)) {
        fail_msg("%s", problem);
    }
    return command;
}

static void expect_command(const char *typed, enum command_verb verb, const char *rest)
{
    char line[100];
    snprintf(line, sizeof line, "%s", typed);
    struct command command = parse(line);
    assert_int_equal(command.verb, verb);
    assert_string_equal(command.rest, rest);
}

static void commands_have_words_letters_and_beginnings(void **state)
{
    (void) state;
    expect_command("take", COMMAND_TAKE, "");
    expect_command(" T ", COMMAND_TAKE, "");
    expect_command("esc she sues", COMMAND_ESCALATE, "she sues");
    expect_command("a Hello  there", COMMAND_ANSWER, "Hello  there");
    expect_command("?", COMMAND_HELP, "");
    expect_command("   ", COMMAND_NONE, "");
    expect_command("answer one\ntwo", COMMAND_ANSWER, "one\ntwo");
}

static void unclear_commands_are_refused(void **state)
{
    (void) state;
    struct command command;
    char problem[200];
    char unknown[] = "shout", several[] = "re";
    assert_false(command_parse(unknown, &command, problem, sizeof problem));
    assert_non_null(strstr(problem, "no such command: shout"));
    assert_false(command_parse(several, &command, problem, sizeof problem));
    assert_non_null(strstr(problem, "several commands"));
}

static void times_are_read(void **state)
{
    (void) state;
    int64_t until_ms = 0;
    assert_true(command_until("30m", NOW, &until_ms));
    assert_int_equal(until_ms, NOW + 30 * 60000);
    assert_true(command_until("2h", NOW, &until_ms));
    assert_int_equal(until_ms, NOW + 2 * 3600000);
    assert_true(command_until("60d", NOW, &until_ms));
    static const char *const bad[] = {
        "", "h", "0m", "-1h", "61d", "2w", "2", "2hh", "25:00", "12:60", "12:", "1:2:3", "99999999999999999999h"
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(command_until(bad[i], NOW, &until_ms));
    }
}

static void time_of_day_is_the_next_such(void **state)
{
    (void) state;
    setenv("TZ", "UTC", 1);
    tzset();
    int64_t until_ms = 0;
    assert_true(command_until("17:30", NOW, &until_ms)); // NOW is 08:00
    assert_int_equal(until_ms - NOW, (9 * 60 + 30) * 60000);
    assert_true(command_until("7:30", NOW, &until_ms));
    assert_int_equal(until_ms - NOW, (23 * 60 + 30) * 60000);
}

static void outcomes_may_be_shortened(void **state)
{
    (void) state;
    assert_string_equal(command_outcome("none"), "no-answer-needed");
    assert_string_equal(command_outcome("dup"), "duplicate");
    assert_string_equal(command_outcome("noi"), "noise");
    assert_null(command_outcome("no"));
    assert_null(command_outcome(""));
    assert_null(command_outcome("expired"));
}

static void help_names_every_command(void **state)
{
    (void) state;
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    assert_true(command_help(out, "", "agent,pr,approver,supervisor"));
    assert_true(command_help(out, "park", "agent"));
    assert_false(command_help(out, "shout", "agent"));
    fclose(out);
    const char *word;
    for (size_t i = 0; (word = command_complete("", i)) != NULL; i++) {
        assert_non_null(strstr(text, word));
    }
    free(text);
}

static char *help_for(const char *roles)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    assert_true(command_help(out, "", roles));
    fclose(out);
    return text;
}

static void help_shows_what_the_roles_may_use(void **state)
{
    (void) state;
    char *agent = help_for("agent"), *approver = help_for("agent,approver"), *pr = help_for("pr");
    assert_non_null(strstr(agent, "  a  answer"));
    assert_null(strstr(agent, "approve "));
    assert_null(strstr(agent, "freeze"));
    assert_null(strstr(agent, "return GUIDANCE"));
    assert_non_null(strstr(approver, "reject REASON"));
    assert_non_null(strstr(pr, "unfreeze"));
    assert_non_null(strstr(pr, "return GUIDANCE"));
    assert_null(strstr(pr, "reject"));
    assert_true(command_is_for(COMMAND_FREEZE, "agent,supervisor"));
    assert_false(command_is_for(COMMAND_FREEZE, "agent,approver"));
    assert_true(command_is_for(COMMAND_FREEZE, "")); // not known yet
    assert_false(command_has_role("approver,pr", "app"));
    free(agent);
    free(approver);
    free(pr);
}

// ---- what is seen ----

static char *shown(const struct behalf_item *item)
{
    char *text = NULL;
    size_t bytes = 0;
    struct view view = { .out = open_memstream(&text, &bytes), .columns = 80, .now_ms = NOW };
    view_item(&view, item);
    fclose(view.out);
    return text;
}

static struct behalf_item plain_item(void)
{
    return (struct behalf_item){ .item = 42,
                                 .lease = 1,
                                 .state = "held",
                                 .audience = "agent",
                                 .brand = "acme",
                                 .channel = "chirp",
                                 .author = "@jo",
                                 .author_name = "",
                                 .language = "en",
                                 .skills = "",
                                 .reason = "",
                                 .brand_guidance = "",
                                 .disclosure = "",
                                 .unit = "",
                                 .draft = "",
                                 .draft_by = "" };
}

static void item_shows_what_matters(void **state)
{
    (void) state;
    struct behalf_entry story[] = { { .kind = "earlier",
                                      .author = "@jo",
                                      .text = "Before that",
                                      .language = "en",
                                      .post = "",
                                      .before = "",
                                      .parent = "",
                                      .link = "",
                                      .at_ms = NOW },
                                    { .kind = "post",
                                      .author = "@jo",
                                      .text = "Now this",
                                      .media = 2,
                                      .language = "en",
                                      .post = "",
                                      .before = "Then that",
                                      .parent = "",
                                      .link = "",
                                      .at_ms = NOW,
                                      .edited = true },
                                    { .kind = "post",
                                      .author = "@jo",
                                      .text = "secret",
                                      .language = "en",
                                      .post = "",
                                      .before = "",
                                      .parent = "p-7",
                                      .link = "https://chirp.example/8",
                                      .at_ms = NOW,
                                      .deleted = true },
                                    { .kind = "note",
                                      .author = "ben",
                                      .text = "She called",
                                      .language = "",
                                      .post = "",
                                      .before = "",
                                      .parent = "",
                                      .link = "",
                                      .at_ms = NOW } };
    struct behalf_item item = plain_item();
    item.story = story;
    item.story_count = 4;
    item.story_cut = true;
    item.due_ms = NOW - 5 * 60000;
    item.created_ms = NOW - 65 * 60000;
    item.reason = "sensitive: press";
    item.brand_guidance = "Be kind.";
    item.disclosure = "I'm Asha.";
    item.length_max = 280;
    item.length_left = 270;
    item.draft = "Dear Jo";
    item.draft_by = "ben";
    item.fate_unknown = true;
    item.frozen = true;
    item.approval = true;
    char *text = shown(&item);
    assert_non_null(strstr(text, "with it: 2 pictures"));
    assert_non_null(strstr(text, "it answers the post p-7"));
    assert_non_null(strstr(text, "see it at https://chirp.example/8"));
    static const char *const parts[] = { "item 42 | acme | chirp | en | held",
                                         "LATE by 5 min",
                                         "Why here: sensitive: press",
                                         "| Be kind.",
                                         "The story is longer: what comes before is not shown.",
                                         "wrote earlier",
                                         "| Before that",
                                         "[edited since]",
                                         "| Now this",
                                         "before it was edited",
                                         "| Then that",
                                         "[deleted by its author]",
                                         "ben noted (inside only)",
                                         "| She called",
                                         "Draft by ben:",
                                         "| Dear Jo",
                                         "Added to your answer: I'm Asha.",
                                         "270 of 280",
                                         "CAUTION",
                                         "FROZEN",
                                         "approver first" };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (strstr(text, parts[i]) == NULL) {
            fail_msg("\"%s\" is not in\n%s", parts[i], text);
        }
    }
    assert_null(strstr(text, "secret"));
    free(text);
}

static void texts_of_others_stand_behind_a_bar(void **state)
{
    (void) state;
    struct behalf_entry story[] = { { .kind = "post",
                                      .author = "@jo\n=== item 43",
                                      .text = "Hi\n=== item 43 | forged ===\x1b[2J",
                                      .language = "",
                                      .post = "",
                                      .before = "",
                                      .parent = "",
                                      .link = "" } };
    struct behalf_item item = plain_item();
    item.story = story;
    item.story_count = 1;
    item.reason = "forged\nWhy here: other";
    char *text = shown(&item);
    assert_non_null(strstr(text, "  | === item 43 | forged ==="));
    assert_null(strstr(text, "\n=== item 43"));
    assert_null(strstr(text, "\nWhy here: other"));
    assert_null(strchr(text, '\x1b'));
    free(text);
}

static void only_changes_are_told(void **state)
{
    (void) state;
    struct behalf_entry story[] = { { .kind = "post",
                                      .author = "@jo",
                                      .text = "One",
                                      .language = "",
                                      .post = "1",
                                      .before = "",
                                      .parent = "",
                                      .link = "" },
                                    { .kind = "post",
                                      .author = "@jo",
                                      .text = "Two",
                                      .language = "",
                                      .post = "2",
                                      .before = "",
                                      .parent = "",
                                      .link = "" } };
    struct behalf_item before = plain_item(), after = plain_item();
    before.story = after.story = story;
    before.story_count = after.story_count = 1;
    after.draft = "the person's own, just saved";
    char *text = NULL;
    size_t bytes = 0;
    struct view view = { .out = open_memstream(&text, &bytes), .columns = 80, .now_ms = NOW };
    assert_false(view_item_changes(&view, &before, &after));
    after.story_count = 2;
    after.frozen = true;
    assert_true(view_item_changes(&view, &before, &after));
    fclose(view.out);
    assert_non_null(strstr(text, "| Two"));
    assert_null(strstr(text, "| One"));
    assert_non_null(strstr(text, "FROZEN"));
    free(text);
}

static void durations_read_well(void **state)
{
    (void) state;
    char text[32];
    view_duration(text, sizeof text, 45000);
    assert_string_equal(text, "45 s");
    view_duration(text, sizeof text, 10 * 60000);
    assert_string_equal(text, "10 min");
    view_duration(text, sizeof text, 130 * 60000);
    assert_string_equal(text, "2 h 10 min");
    view_duration(text, sizeof text, INT64_C(76) * 3600000);
    assert_string_equal(text, "3 d 4 h");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_have_words_letters_and_beginnings),
        cmocka_unit_test(unclear_commands_are_refused),
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(time_of_day_is_the_next_such),
        cmocka_unit_test(outcomes_may_be_shortened),
        cmocka_unit_test(help_names_every_command),
        cmocka_unit_test(help_shows_what_the_roles_may_use),
        cmocka_unit_test(item_shows_what_matters),
        cmocka_unit_test(texts_of_others_stand_behind_a_bar),
        cmocka_unit_test(only_changes_are_told),
        cmocka_unit_test(durations_read_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
