// desk_edit_test.c - what an edit by the author means for an item, in every state it may be in; and who gets the same
// author's further posts.

#include "tests/unit/desk_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ABOUT(kind, field, ...) ((struct behalf_message){ .type = BEHALF_##kind, .field = { __VA_ARGS__ } })

static int set_up(void **state)
{
    static struct world world;
    world_init(&world);
    world.people[ASHA].capacity = 3;
    world_start(&world);
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    world_fini(*state);
    return 0;
}

static const struct behalf_message *ok(const struct behalf_message *answer)
{
    if (answer->type == BEHALF_ERROR) {
        print_error("refused: %s %s\n", answer->error.code, answer->error.reason);
    }
    assert_int_equal(answer->type, BEHALF_DONE);
    return answer;
}

static void take(struct world *w, uint64_t session, uint64_t item)
{
    ok(world_ask(w, session, ABOUT(TAKE, take, .item = (int64_t) item, .lease = world_lease(w, session, item))));
}

static uint64_t reply_to(struct world *w, uint64_t session, uint64_t item)
{
    const struct behalf_message *done = ok(world_ask(
        w, session,
        ABOUT(ANSWER, answer, .item = (int64_t) item, .lease = world_lease(w, session, item), .text = "Hello.")));
    return (uint64_t) done->done.reply;
}

static const char *approve(struct world *w, uint64_t session, uint64_t item)
{
    return ok(world_ask(w, session,
                        ABOUT(APPROVE, approve, .item = (int64_t) item, .lease = world_lease(w, session, item),
                              .text = "Hello.")))
        ->done.state;
}

static void settle(struct world *w, uint64_t session, uint64_t reply, const char *fate)
{
    ok(world_ask(w, session, ABOUT(SETTLE, settle, .reply = (int64_t) reply, .fate = fate, .reason = "by the test")));
}

static uint64_t post(struct world *w)
{
    return world_post(w, (struct world_post){ .id = "1", .thread = "t", .author = "a" });
}

static uint64_t edit(struct world *w, uint64_t item, bool sensitive, bool approval)
{
    const struct needs needs = { .brand = ACME,
                                 .channel = CHIRP,
                                 .language = EN,
                                 .audience = sensitive ? AUDIENCE_PR : AUDIENCE_AGENT,
                                 .approval = approval,
                                 .band = POLICY_BAND_NORMAL,
                                 .rule = sensitive ? "legal threat" : "",
                                 .detail = "" };
    const struct behalf_edit message = { .channel = "chirp",
                                         .post = "1",
                                         .text = sensitive ? "my lawyer will sue you" : "and a refund" };
    return world_edit(w, item, &message, &needs);
}

static const struct item_record *record_of(const struct world *w, uint64_t item)
{
    const struct item_record *found = NULL;
    for (const struct change *change = change_list_changes(w->list); change != NULL; change = change->next) {
        if (change->kind == CHANGE_ITEM && change->item.item == item) {
            found = &change->item;
        }
    }
    assert_non_null(found);
    return found;
}

// PR has the item, out of everybody else's sight.
static void assert_with_pr(const struct world *w, uint64_t item)
{
    assert_string_equal(record_of(w, item)->audience, "pr");
    assert_true(record_of(w, item)->sealed);
}

// ---- sensitive ----

static void sensitive_while_it_waits_goes_to_pr(void **state)
{
    struct world *w = *state;
    uint64_t item = post(w);
    edit(w, item, true, false);
    assert_with_pr(w, item);
}

static void sensitive_while_offered_goes_to_pr(void **state)
{
    struct world *w = *state;
    uint64_t asha = world_sign_in(w, ASHA);
    uint64_t pia = world_sign_in(w, PIA);
    uint64_t item = post(w);
    edit(w, item, true, false);
    assert_with_pr(w, item);
    assert_non_null(world_message(w, asha, BEHALF_GONE));
    assert_int_not_equal(world_lease(w, pia, item), 0);
}

static void sensitive_while_parked_goes_to_pr(void **state)
{
    struct world *w = *state;
    uint64_t asha = world_sign_in(w, ASHA);
    uint64_t item = post(w);
    take(w, asha, item);
    ok(world_ask(w, asha,
                 ABOUT(PARK, park, .item = (int64_t) item, .lease = world_lease(w, asha, item),
                       .until_ms = w->now_ms + 3600000)));
    edit(w, item, true, false);
    assert_with_pr(w, item);
    assert_string_equal(item_state_name(desk_item_state(w->desk, item)), "waiting");
}

static void harmless_while_parked_wakes_it(void **state)
{
    struct world *w = *state;
    uint64_t asha = world_sign_in(w, ASHA);
    uint64_t item = post(w);
    take(w, asha, item);
    ok(world_ask(w, asha,
                 ABOUT(PARK, park, .item = (int64_t) item, .lease = world_lease(w, asha, item),
                       .until_ms = w->now_ms + 3600000)));
    edit(w, item, false, false);
    assert_int_equal(world_events(w, item, "woken"), 1);
    assert_string_equal(item_state_name(desk_item_state(w->desk, item)), "offered");
}

// With the approver in each state: waiting for one, offered, held.
static void sensitive_while_an_approver_has_the_draft_goes_to_pr(void **state)
{
    (void) state;
    for (int step = 0; step < 3; step++) {
        struct world world, *w = &world;
        world_init(w);
        world.brands[ACME].approve_all = true;
        world_start(w);
        uint64_t asha = world_sign_in(w, ASHA);
        uint64_t item = post(w);
        take(w, asha, item);
        reply_to(w, asha, item);
        uint64_t ann = step >= 1 ? world_sign_in(w, ANN) : 0;
        if (step == 2) {
            take(w, ann, item);
        }
        edit(w, item, true, false);
        assert_with_pr(w, item);
        if (step >= 1) {
            assert_non_null(world_message(w, ann, BEHALF_GONE));
        }
        assert_non_null(world_change(w, CHANGE_SEAL));
        world_fini(w);
    }
}

static void sensitive_after_an_approval_that_is_not_handed_out_goes_to_pr(void **state)
{
    struct world *w = *state;
    w->brands[ACME].approve_all = true;
    uint64_t asha = world_sign_in(w, ASHA);
    uint64_t ann = world_sign_in(w, ANN);
    uint64_t item = post(w);
    take(w, asha, item);
    reply_to(w, asha, item);
    take(w, ann, item);
    assert_string_equal(approve(w, ann, item), "sending");
    edit(w, item, true, false);
    assert_with_pr(w, item);
    assert_null(world_effect(w, world_connect(w, "c1", false), EFFECT_HAND_REPLY));
}

static void sensitive_while_the_reply_is_on_its_way_is_a_follow_up_for_pr_at_once(void **state)
{
    struct world *w = *state;
    uint64_t asha = world_sign_in(w, ASHA);
    uint64_t pia = world_sign_in(w, PIA);
    uint64_t connector = world_connect(w, "c1", false);
    uint64_t item = post(w);
    take(w, asha, item);
    uint64_t reply = reply_to(w, asha, item);
    uint64_t more = edit(w, item, true, false);
    assert_int_not_equal(more, item);
    assert_with_pr(w, more);
    assert_int_not_equal(world_lease(w, pia, more), 0);
    assert_int_equal(world_change(w, CHANGE_POST_AGAIN)->post_again.item, more);
    settle(w, connector, reply, "confirmed");
    assert_string_equal(world_outcome(w, item), "answered");
    assert_string_equal(world_outcome(w, more), "");
}

static void sensitive_while_the_reply_is_on_its_way_and_fails_leaves_nothing_with_agents(void **state)
{
    struct world *w = *state;
    uint64_t asha = world_sign_in(w, ASHA);
    uint64_t connector = world_connect(w, "c1", false);
    uint64_t item = post(w);
    take(w, asha, item);
    uint64_t reply = reply_to(w, asha, item);
    int64_t lease = world_lease(w, asha, item);
    edit(w, item, true, false);
    world_restart(w);
    asha = world_sign_in(w, ASHA);
    connector = world_connect(w, "c1", false);
    settle(w, connector, reply, "failed");
    assert_with_pr(w, item);
    assert_true(world_lease(w, asha, item) <= lease);
}

static void sensitive_while_prs_own_reply_is_on_its_way_is_told_to_pr(void **state)
{
    struct world *w = *state;
    uint64_t pia = world_sign_in(w, PIA);
    uint64_t item = world_post(w, (struct world_post){ .id = "1", .thread = "t", .author = "a", .sensitive = true });
    take(w, pia, item);
    reply_to(w, pia, item);
    uint64_t more = edit(w, item, true, false);
    assert_int_not_equal(more, item);
    assert_with_pr(w, more);
    assert_int_not_equal(world_lease(w, pia, more), 0);
}

static void harmless_while_the_reply_is_on_its_way_is_only_kept(void **state)
{
    struct world *w = *state;
    uint64_t asha = world_sign_in(w, ASHA);
    uint64_t item = post(w);
    take(w, asha, item);
    reply_to(w, asha, item);
    uint64_t next = desk_next_id(w->desk);
    assert_int_equal(edit(w, item, false, false), item);
    assert_int_equal(desk_next_id(w->desk), next);
    assert_string_equal(item_state_name(desk_item_state(w->desk, item)), "sending");
}

// ---- a topic that needs approval ----

static void approval_by_an_edit_while_held_holds_for_the_answer(void **state)
{
    struct world *w = *state;
    uint64_t asha = world_sign_in(w, ASHA);
    uint64_t item = post(w);
    take(w, asha, item);
    edit(w, item, false, true);
    reply_to(w, asha, item);
    assert_string_equal(record_of(w, item)->audience, "approver");
}

static void approval_by_an_edit_takes_back_a_reply_that_is_not_handed_out(void **state)
{
    struct world *w = *state;
    uint64_t asha = world_sign_in(w, ASHA);
    uint64_t ann = world_sign_in(w, ANN);
    uint64_t item = post(w);
    take(w, asha, item);
    reply_to(w, asha, item);
    edit(w, item, false, true);
    assert_string_equal(record_of(w, item)->audience, "approver");
    uint64_t connector = world_connect(w, "c1", false);
    assert_null(world_effect(w, connector, EFFECT_HAND_REPLY));
    take(w, ann, item);
    assert_string_equal(approve(w, ann, item), "sending");
    assert_non_null(world_effect(w, connector, EFFECT_HAND_REPLY));
}

static void approval_by_an_edit_leaves_a_reply_that_is_handed_out(void **state)
{
    struct world *w = *state;
    uint64_t asha = world_sign_in(w, ASHA);
    uint64_t connector = world_connect(w, "c1", false);
    uint64_t item = post(w);
    take(w, asha, item);
    uint64_t reply = reply_to(w, asha, item);
    edit(w, item, false, true);
    settle(w, connector, reply, "confirmed");
    assert_string_equal(world_outcome(w, item), "answered");
}

static void approval_by_an_edit_asks_again_for_what_was_approved_before(void **state)
{
    struct world *w = *state;
    w->people[ASHA].approve_all = true;
    uint64_t asha = world_sign_in(w, ASHA);
    uint64_t ann = world_sign_in(w, ANN);
    uint64_t item = post(w);
    take(w, asha, item);
    reply_to(w, asha, item);
    take(w, ann, item);
    approve(w, ann, item);
    edit(w, item, false, true);
    assert_string_equal(record_of(w, item)->audience, "approver");
    assert_string_equal(item_state_name(desk_item_state(w->desk, item)), "offered");
}

// ---- the same author's further posts ----

static uint64_t angry(struct world *w, const char *id)
{
    uint64_t item = world_post(w, (struct world_post){ .id = id, .thread = id, .author = "angry" });
    w->now_ms += 1000;
    return item;
}

static void further_posts_of_an_author_go_to_who_has_the_first(void **state)
{
    struct world *w = *state;
    uint64_t asha = world_sign_in(w, ASHA);
    uint64_t ben = world_sign_in(w, BEN);
    uint64_t one = angry(w, "1");
    bool with_asha = world_lease(w, asha, one) != 0;
    uint64_t session = with_asha ? asha : ben;
    uint64_t two = angry(w, "2");
    assert_int_not_equal(world_lease(w, session, two), 0);
    take(w, session, one);
    if (with_asha) {
        assert_int_not_equal(world_lease(w, session, angry(w, "3")), 0);
    }
}

static void who_has_given_the_first_away_is_not_preferred(void **state)
{
    struct world *w = *state;
    uint64_t asha = world_sign_in(w, ASHA);
    uint64_t one = angry(w, "1");
    take(w, asha, one);
    ok(world_ask(w, asha,
                 ABOUT(TRANSFER, transfer, .item = (int64_t) one, .lease = world_lease(w, asha, one), .language = "de",
                       .reason = "German")));
    uint64_t two = angry(w, "2");
    assert_string_equal(record_of(w, two)->preferred, "");
}

static void who_has_the_first_is_known_after_a_restart(void **state)
{
    struct world *w = *state;
    uint64_t asha = world_sign_in(w, ASHA);
    uint64_t one = angry(w, "1");
    take(w, asha, one);
    world_restart(w);
    world_sign_in(w, BEN);
    asha = world_sign_in(w, ASHA);
    assert_int_not_equal(world_lease(w, asha, angry(w, "2")), 0);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(sensitive_while_it_waits_goes_to_pr),
        CLAIM(sensitive_while_offered_goes_to_pr),
        CLAIM(sensitive_while_parked_goes_to_pr),
        CLAIM(harmless_while_parked_wakes_it),
        CLAIM(sensitive_while_an_approver_has_the_draft_goes_to_pr),
        CLAIM(sensitive_after_an_approval_that_is_not_handed_out_goes_to_pr),
        CLAIM(sensitive_while_the_reply_is_on_its_way_is_a_follow_up_for_pr_at_once),
        CLAIM(sensitive_while_the_reply_is_on_its_way_and_fails_leaves_nothing_with_agents),
        CLAIM(sensitive_while_prs_own_reply_is_on_its_way_is_told_to_pr),
        CLAIM(harmless_while_the_reply_is_on_its_way_is_only_kept),
        CLAIM(approval_by_an_edit_while_held_holds_for_the_answer),
        CLAIM(approval_by_an_edit_takes_back_a_reply_that_is_not_handed_out),
        CLAIM(approval_by_an_edit_leaves_a_reply_that_is_handed_out),
        CLAIM(approval_by_an_edit_asks_again_for_what_was_approved_before),
        CLAIM(further_posts_of_an_author_go_to_who_has_the_first),
        CLAIM(who_has_given_the_first_away_is_not_preferred),
        CLAIM(who_has_the_first_is_known_after_a_restart),
    };
    return cmocka_run_group_tests_name("edits", tests, NULL, NULL);
}
