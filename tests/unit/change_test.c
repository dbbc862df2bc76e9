// change_test.c - claims of the list of changes and effects.

#include "broker/desk/change.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

static void a_list_owns_what_it_was_given(void **state)
{
    (void) state;
    struct change_list *list = change_list_new();
    char text[] = "hello";
    struct change change = { .kind = CHANGE_POST, .post = { .item = 7, .text = text, .channel = "x" } };
    change_list_add(list, &change);
    memset(text, '-', sizeof text - 1);
    const struct change *kept = change_list_changes(list);
    assert_string_equal(kept->post.text, "hello");
    assert_string_equal(kept->post.channel, "x");
    assert_string_equal(kept->post.parent, ""); // NULL reads as ""
    assert_int_equal(kept->post.item, 7);
    assert_null(kept->next);
    change_list_destroy(&list);
    assert_null(list);
}

static void changes_stay_in_order(void **state)
{
    (void) state;
    struct change_list *list = change_list_new();
    for (uint64_t i = 1; i <= 1000; i++) {
        struct change change = { .kind = CHANGE_SEAL, .seal.item = i };
        change_list_add(list, &change);
    }
    assert_int_equal(change_list_change_count(list), 1000);
    uint64_t expected = 1;
    for (const struct change *change = change_list_changes(list); change != NULL; change = change->next) {
        assert_int_equal(change->seal.item, expected++);
    }
    assert_int_equal(expected, 1001);
    change_list_destroy(&list);
}

static void a_reply_without_text_keeps_none(void **state)
{
    (void) state;
    struct change_list *list = change_list_new();
    struct change change = { .kind = CHANGE_REPLY, .reply = { .reply = 1, .text = NULL } };
    change_list_add(list, &change);
    assert_null(change_list_changes(list)->reply.text);
    assert_string_equal(change_list_changes(list)->reply.key, "");
    change_list_destroy(&list);
}

static void an_effect_owns_its_whole_message(void **state)
{
    (void) state;
    struct change_list *list = change_list_new();
    char text[] = "what was written";
    char skill[] = "billing";
    struct behalf_entry entries[] = { { .kind = "post", .text = text }, { .kind = "note", .text = "second" } };
    const char *skills[] = { skill };
    struct effect effect = {
        .kind = EFFECT_SEND,
        .session = 3,
        .message = { .type = BEHALF_ITEM, .id = 9, .item = { .item = 1, .story = entries, .story_count = 2 } }
    };
    change_list_tell(list, &effect);
    effect.message =
        (struct behalf_message){ .type = BEHALF_TRANSFER, .transfer = { .skills = skills, .skills_count = 1 } };
    change_list_tell(list, &effect);
    memset(text, '-', sizeof text - 1);
    memset(skill, '-', sizeof skill - 1);
    memset(entries, 0, sizeof entries);
    const struct effect *first = change_list_effects(list);
    assert_int_equal(change_list_effect_count(list), 2);
    assert_int_equal(first->message.id, 9);
    assert_string_equal(first->message.item.story[0].text, "what was written");
    assert_string_equal(first->message.item.story[1].text, "second");
    assert_string_equal(first->message.item.draft, "");
    assert_string_equal(first->next->message.transfer.skills[0], "billing");
    change_list_destroy(&list);
}

static void texts_of_any_length_are_kept(void **state)
{
    (void) state;
    struct change_list *list = change_list_new();
    size_t before = change_list_bytes(list);
    char *longest = malloc(300001);
    memset(longest, 'a', 300000);
    longest[300000] = 0;
    const char *kept = change_list_text(list, longest);
    const char *after = change_list_format(list, "%s/%d", "agent", 42);
    assert_string_equal(kept, longest);
    assert_string_equal(after, "agent/42");
    assert_string_equal(change_list_text(list, NULL), "");
    assert_true(change_list_bytes(list) > before + 300000);
    free(longest);
    change_list_destroy(&list);
}

static void a_text_is_made_whole_however_long(void **state)
{
    (void) state;
    struct change_list *list = change_list_new();
    char letters[2048];
    for (size_t bytes = 0; bytes < sizeof letters; bytes++) {
        memset(letters, 'x', bytes);
        letters[bytes] = '\0';
        const char *text = change_list_format(list, "%s!", letters);
        assert_int_equal(strlen(text), bytes + 1);
        assert_int_equal(strspn(text, "x"), bytes);
        assert_string_equal(text + bytes, "!");
    }
    change_list_destroy(&list);
}

static void texts_are_joined_in_their_order(void **state)
{
    (void) state;
    struct change_list *list = change_list_new();
    assert_string_equal(change_list_join(list, "desk", "-", "", "42", NULL), "desk-42");
    assert_string_equal(change_list_join(list, "one", NULL), "one");
    assert_string_equal(change_list_join(list, "", "", NULL), "");
    change_list_destroy(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_made_whole_however_long), cmocka_unit_test(texts_are_joined_in_their_order),
        cmocka_unit_test(a_list_owns_what_it_was_given),     cmocka_unit_test(changes_stay_in_order),
        cmocka_unit_test(a_reply_without_text_keeps_none),   cmocka_unit_test(an_effect_owns_its_whole_message),
        cmocka_unit_test(texts_of_any_length_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
