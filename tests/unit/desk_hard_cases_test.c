// desk_hard_cases_test.c - what a hostile reader of the desk found, each as a sentence.  Looks into the desk's own
// structs where the outside would not tell.

#include "tests/unit/desk_world.h"

#include "broker/desk/parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int set_up(void **state)
{
    static struct world world;
    world_init(&world);
    world_start(&world);
    *state = &world;
    return 0;
}
static int tear_down(void **state)
{
    world_fini(*state);
    return 0;
}
#define ABOUT(kind, field, ...) ((struct behalf_message){ .type = BEHALF_##kind, .field = { __VA_ARGS__ } })
static const struct behalf_message *ok(const struct behalf_message *answer)
{
    if (answer->type == BEHALF_ERROR) {
        print_error("refused: %s %s\n", answer->error.code, answer->error.reason);
    }
    assert_int_equal(answer->type, BEHALF_DONE);
    return answer;
}
static void take(struct world *w, uint64_t s, uint64_t item)
{
    ok(world_ask(w, s, ABOUT(TAKE, take, .item = (int64_t) item, .lease = world_lease(w, s, item))));
}
static const struct behalf_message *reply_to(struct world *w, uint64_t s, uint64_t item, const char *text)
{
    return ok(
        world_ask(w, s, ABOUT(ANSWER, answer, .item = (int64_t) item, .lease = world_lease(w, s, item), .text = text)));
}
static const struct behalf_message *settle(struct world *w, uint64_t s, uint64_t reply, const char *fate)
{
    return world_ask(w, s, ABOUT(SETTLE, settle, .reply = (int64_t) reply, .fate = fate, .reason = "t"));
}
static const char *audience_of(struct world *w, uint64_t id)
{
    struct item *item = item_find(w->desk, id);
    assert_non_null(item);
    return audience_name(item->queue->audience);
}

static void follow_up_of_prs_sending_item_stays_with_pr_after_a_restart(void **state)
{
    struct world *w = *state;
    uint64_t pia = world_sign_in(w, PIA);
    uint64_t item = world_post(w, (struct world_post){ .id = "1", .thread = "t", .author = "a", .sensitive = true });
    take(w, pia, item);
    reply_to(w, pia, item, "our lawyer writes to you");
    world_restart(w);
    uint64_t more = world_post(w, (struct world_post){ .id = "2", .thread = "t", .author = "a" });
    assert_string_equal(audience_of(w, more), "pr");
}
static void follow_up_while_prs_reply_waits_for_its_connector_stays_with_pr(void **state)
{
    struct world *w = *state;
    uint64_t pia = world_sign_in(w, PIA);
    uint64_t item = world_post(w, (struct world_post){ .id = "1", .thread = "t", .author = "a", .sensitive = true });
    take(w, pia, item);
    reply_to(w, pia, item, "our lawyer writes to you");
    world_pass(w, w->policy.times.follow_up_ms + 1000);
    uint64_t more = world_post(w, (struct world_post){ .id = "2", .thread = "t", .author = "a" });
    assert_string_equal(audience_of(w, more), "pr");
}
static void a_confirmation_after_a_restart_settles_a_reply_of_unknown_fate(void **state)
{
    struct world *w = *state;
    uint64_t asha = world_sign_in(w, ASHA);
    world_connect(w, "c", false);
    uint64_t item = world_post(w, (struct world_post){ .id = "1" });
    take(w, asha, item);
    uint64_t reply = (uint64_t) reply_to(w, asha, item, "hello")->done.reply;
    world_restart(w);
    world_pass(w, w->policy.times.fate_ms + 1); // its connector does not come back in time: unknown
    world_restart(w);
    uint64_t connector = world_connect(w, "c", false);
    const struct behalf_message *done = settle(w, connector, reply, "confirmed");
    // Either it is settled now, or the connector is told that it is not.
    if (done->type == BEHALF_DONE) {
        assert_false(done->done.repeated);
        assert_string_equal(world_outcome(w, item), "answered");
    }
}
static void a_reply_handed_out_of_a_dropped_author_is_of_unknown_fate_after_a_restart(void **state)
{
    struct world *w = *state;
    uint64_t asha = world_sign_in(w, ASHA);
    world_connect(w, "c", false);
    uint64_t item = world_post(w, (struct world_post){ .id = "1" });
    take(w, asha, item);
    reply_to(w, asha, item, "hello");
    w->people[ASHA].retired = true; // rules of the next version do not name her
    world_restart(w);
    uint64_t ben = world_sign_in(w, BEN);
    take(w, ben, item);
    struct item *open = item_find(w->desk, item);
    assert_true(open->fate_unknown);
}
static void an_item_sealed_while_sending_is_prs_when_its_author_is_dropped(void **state)
{
    struct world *w = *state;
    uint64_t asha = world_sign_in(w, ASHA);
    world_connect(w, "c", false);
    uint64_t item = world_post(w, (struct world_post){ .id = "1", .thread = "t", .author = "a" });
    take(w, asha, item);
    reply_to(w, asha, item, "hello");
    struct needs needs = {
        .brand = ACME, .channel = CHIRP, .language = EN, .audience = AUDIENCE_PR, .rule = "legal", .detail = ""
    };
    struct behalf_edit edit = { .channel = "chirp", .post = "1", .posted_ms = 1, .text = "I sue you" };
    world_edit(w, item, &edit, &needs);
    w->people[ASHA].retired = true;
    world_restart(w);
    assert_string_equal(audience_of(w, item), "pr");
}
static void what_pr_returned_late_is_not_escalated_again_by_a_restart(void **state)
{
    struct world *w = *state;
    w->brands[ACME].escalate_late = true;
    w->brands[ACME].service_level_ms[AUDIENCE_AGENT] = 60000;
    uint64_t item = world_post(w, (struct world_post){ .id = "1" });
    world_pass(w, 60001);
    assert_string_equal(audience_of(w, item), "pr");
    uint64_t pia = world_sign_in(w, PIA);
    take(w, pia, item);
    ok(world_ask(
        w, pia,
        ABOUT(RETURN, return_item, .item = (int64_t) item, .lease = world_lease(w, pia, item), .guidance = "go on")));
    world_pass(w, 1000);
    assert_string_equal(audience_of(w, item), "agent");
    world_restart(w);
    world_pass(w, 1000);
    assert_string_equal(audience_of(w, item), "agent");
}
static void a_refused_transfer_leaves_nothing_behind(void **state)
{
    struct world *w = *state;
    uint64_t ben = world_sign_in(w, BEN);
    uint64_t item = world_post(w, (struct world_post){ .id = "1" });
    take(w, ben, item);
    size_t before = w->desk->queues.count;
    const char *skills[] = { "refunds", "cards" };
    for (int i = 0; i < 4; i++) {
        world_ask(w, ben,
                  ABOUT(TRANSFER, transfer, .item = (int64_t) item, .lease = world_lease(w, ben, item),
                        .person = "nobody", .reason = "x", .language = i & 1 ? "de" : "und", .skills = skills,
                        .skills_count = (size_t) (i & 2 ? 2 : 1)));
    }
    assert_int_equal(w->desk->queues.count, before);
}
static void an_urgent_post_raises_the_item_it_joins_also_while_it_waits(void **state)
{
    struct world *w = *state;
    uint64_t item = world_post(w, (struct world_post){ .id = "1", .thread = "t", .author = "a", .band = 2 });
    world_post(w, (struct world_post){ .id = "2", .thread = "t", .author = "a", .band = 0, .sensitive = true });
    struct item *open = item_find(w->desk, item);
    assert_int_equal(open->band, 0);
}
static void what_became_late_in_hands_goes_to_pr_before_it_is_offered_again(void **state)
{
    struct world *w = *state;
    w->brands[ACME].escalate_late = true;
    w->brands[ACME].service_level_ms[AUDIENCE_AGENT] = 60000;
    w->people[BEN].capacity = 1;
    uint64_t ben = world_sign_in(w, BEN);
    uint64_t item = world_post(w, (struct world_post){ .id = "1" });
    take(w, ben, item);
    world_pass(w, 70000);
    uint64_t asha = world_sign_in(w, ASHA);
    desk_session_left(w->desk, ben, w->now_ms);
    world_pass(w, 1);
    assert_int_equal(world_lease(w, asha, item), 0);
    assert_string_equal(audience_of(w, item), "pr");
}
static void lateness_that_was_noted_is_not_noted_again_by_a_restart(void **state)
{
    struct world *w = *state;
    w->brands[ACME].service_level_ms[AUDIENCE_AGENT] = 60000;
    uint64_t item = world_post(w, (struct world_post){ .id = "1" });
    world_pass(w, 60001);
    assert_int_equal(world_events(w, item, "late"), 1);
    world_restart(w);
    world_pass(w, 1000);
    assert_int_equal(world_events(w, item, "late"), 0); // of this list, which begins with the restart
    assert_null(world_change(w, CHANGE_ITEM));
}
static void an_escalation_that_a_crash_prevented_follows_after_it(void **state)
{
    struct world *w = *state;
    w->brands[ACME].service_level_ms[AUDIENCE_AGENT] = 60000;
    uint64_t item = world_post(w, (struct world_post){ .id = "1" });
    w->now_ms += 60001; // no tick: the broker is gone
    w->brands[ACME].escalate_late = true;
    world_restart(w);
    uint64_t asha = world_sign_in(w, ASHA);
    assert_int_equal(world_lease(w, asha, item), 0);
    world_pass(w, 1);
    assert_string_equal(audience_of(w, item), "pr");
}
static void very_many_that_are_late_are_dealt_with_a_part_at_a_time(void **state)
{
    struct world *w = *state;
    w->brands[ACME].escalate_late = true;
    w->brands[ACME].service_level_ms[AUDIENCE_AGENT] = 60000;
    for (unsigned i = 0; i < TICK_TIMERS_MAX + 200; i++) {
        char id[16];
        snprintf(id, sizeof id, "%u", i);
        world_post(w, (struct world_post){ .id = id });
    }
    w->now_ms += 1000;
    uint64_t last = world_post(w, (struct world_post){ .id = "not late yet" });
    w->now_ms += 59500;
    assert_int_equal(desk_tick(w->desk, w->now_ms), 0); // goes on at once
    assert_int_equal(w->desk->count[ITEM_WAITING], TICK_TIMERS_MAX + 201);
    // Who comes meanwhile is not offered what is about to go to PR, and not left idle beside the rest for it.
    uint64_t asha = world_sign_in(w, ASHA);
    for (uint64_t item = 1; item < last; item++) {
        assert_int_equal(world_lease(w, asha, item), 0);
    }
    assert_true(desk_tick(w->desk, w->now_ms) > 0);
    for (uint64_t item = 1; item < last; item++) {
        assert_string_equal(audience_of(w, item), "pr");
    }
    assert_int_not_equal(world_lease(w, asha, last), 0);
}
static void who_declined_many_is_offered_the_next(void **state)
{
    struct world *w = *state;
    for (unsigned i = 0; i < 40; i++) {
        char id[16];
        snprintf(id, sizeof id, "%u", i);
        world_post(w, (struct world_post){ .id = id });
    }
    uint64_t ben = world_sign_in(w, BEN);
    for (uint64_t item = 1; item <= 38; item++) {
        int64_t lease = world_lease(w, ben, item);
        if (!lease) {
            continue;
        }
        ok(world_ask(w, ben, ABOUT(DECLINE, decline, .item = (int64_t) item, .lease = lease, .reason = "x")));
    }
    assert_int_equal(w->desk->people[BEN]->item_count, 2);
}
static void a_fresh_post_is_not_expired_with_the_old_item_it_joined(void **state)
{
    struct world *w = *state;
    w->policy.times.expire_ms = 3600000;
    uint64_t ben = world_sign_in(w, BEN);
    uint64_t item = world_post(w, (struct world_post){ .id = "1", .thread = "t", .author = "a" });
    take(w, ben, item);
    ok(world_ask(w, ben,
                 ABOUT(PARK, park, .item = (int64_t) item, .lease = world_lease(w, ben, item),
                       .until_ms = w->now_ms + 2 * 3600000)));
    desk_session_left(w->desk, ben, w->now_ms);
    world_pass(w, 3600000 + 1000);
    world_post(w, (struct world_post){ .id = "2", .thread = "t", .author = "a", .text = "hello? anybody?" });
    world_pass(w, 10);
    assert_string_equal(world_outcome(w, item), "");
}
static void follow_up_of_what_became_sensitive_while_sending_goes_to_pr(void **state)
{
    struct world *w = *state;
    uint64_t ben = world_sign_in(w, BEN);
    uint64_t connector = world_connect(w, "c", false);
    uint64_t item = world_post(w, (struct world_post){ .id = "1", .thread = "t", .author = "a" });
    take(w, ben, item);
    uint64_t reply = (uint64_t) reply_to(w, ben, item, "hello")->done.reply;
    struct needs needs = {
        .brand = ACME, .channel = CHIRP, .language = EN, .audience = AUDIENCE_PR, .rule = "legal", .detail = ""
    };
    struct behalf_edit edit = { .channel = "chirp", .post = "1", .posted_ms = 1, .text = "I sue you" };
    world_edit(w, item, &edit, &needs);
    ok(settle(w, connector, reply, "confirmed"));
    uint64_t more = world_post(w, (struct world_post){ .id = "2", .thread = "t", .author = "a" });
    assert_string_equal(audience_of(w, more), "pr");
}
static void a_reply_that_came_back_with_more_attempts_than_there_are_is_a_persons(void **state)
{
    static const enum reply_state states[] = { REPLY_QUEUED, REPLY_HANDED };
    for (size_t i = 0; i < 2; i++) {
        struct world *w = *state;
        uint64_t asha = world_sign_in(w, ASHA);
        uint64_t item = world_post(w, (struct world_post){ .id = i ? "2" : "1" });
        take(w, asha, item);
        uint64_t reply = (uint64_t) reply_to(w, asha, item, "Hello.")->done.reply;
        const struct change *written = world_change(w, CHANGE_REPLY);
        struct change many = *written;
        many.reply.state = states[i];
        many.reply.attempt = 1001; // by a broker that knew no end
        many.reply.instance = "c1";
        many.reply.idempotent = true;
        many.reply.handed_ms = w->now_ms;
        change_list_add(w->list, &many);
        world_restart(w);
        assert_int_not_equal(item_find(w->desk, item)->state, ITEM_SENDING);
        assert_true(item_find(w->desk, item)->fate_unknown);
        uint64_t connector = world_connect(w, "c1", true);
        assert_null(world_effect(w, connector, EFFECT_HAND_REPLY));
        ok(settle(w, connector, reply, "confirmed"));
        assert_string_equal(world_outcome(w, item), "answered");
    }
}

static void replies_of_unknown_fate_are_forgotten_with_their_item(void **state)
{
    struct world *w = *state;
    uint64_t ben = world_sign_in(w, BEN);
    uint64_t connector = world_connect(w, "c", false);
    uint64_t item = world_post(w, (struct world_post){ .id = "1" });
    take(w, ben, item);
    uint64_t one = (uint64_t) reply_to(w, ben, item, "hello")->done.reply;
    ok(settle(w, connector, one, "unknown"));
    take(w, ben, item);
    uint64_t two = (uint64_t) reply_to(w, ben, item, "hello again")->done.reply;
    ok(settle(w, connector, two, "confirmed"));
    assert_string_equal(world_outcome(w, item), "answered");
    assert_int_equal(w->desk->replies.count, 0);
}
// The store must not say for ever that a reply is on its way which nobody will settle.
static void drop_the_author(struct world *w, bool handed)
{
    uint64_t ben = world_sign_in(w, BEN);
    uint64_t item = world_post(w, (struct world_post){ .id = "1" });
    take(w, ben, item);
    if (handed) {
        world_connect(w, "c", false);
    }
    reply_to(w, ben, item, "hello");
    w->people[BEN].retired = true;
    world_restart(w);
    w->people[BEN].retired = false;
}
static void the_reply_of_somebody_dropped_is_written_as_what_it_is_now(void **state)
{
    struct world *w = *state;
    drop_the_author(w, false);
    assert_non_null(world_change(w, CHANGE_REPLY));
    assert_int_equal(world_change(w, CHANGE_REPLY)->reply.state, REPLY_WITHDRAWN);
    assert_int_equal(w->desk->replies.count, 0);
}
static void the_reply_of_somebody_dropped_may_be_out(void **state)
{
    struct world *w = *state;
    drop_the_author(w, true);
    assert_non_null(world_change(w, CHANGE_REPLY));
    assert_int_equal(world_change(w, CHANGE_REPLY)->reply.state, REPLY_UNKNOWN);
}
// Whoever goes on with a draft that waits to be approved is somebody else than who wrote it.
static void an_own_draft_is_not_offered_for_approval(void **state)
{
    struct world *w = *state;
    w->people[BEN].audiences |= 1u << AUDIENCE_APPROVER;
    w->people[BEN].approve_all = true;
    uint64_t ben = world_sign_in(w, BEN);
    uint64_t item = world_post(w, (struct world_post){ .id = "1" });
    take(w, ben, item);
    int64_t lease = world_lease(w, ben, item);
    reply_to(w, ben, item, "hello");
    assert_int_equal(world_lease(w, ben, item), lease);
    uint64_t ann = world_sign_in(w, ANN);
    assert_int_not_equal(world_lease(w, ann, item), 0);
}
// Nobody else would give back what somebody lost still had.
static void somebody_lost_whom_the_rules_drop_keeps_nothing(void **state)
{
    struct world *w = *state;
    uint64_t ben = world_sign_in(w, BEN);
    uint64_t item = world_post(w, (struct world_post){ .id = "1" });
    take(w, ben, item);
    desk_session_lost(w->desk, ben, w->now_ms);
    struct policy without = w->policy;
    struct policy_person people[PEOPLE];
    memcpy(people, w->people, sizeof people);
    people[BEN].retired = true;
    without.people = people;
    world_apply(w, &without);
    desk_check(w->desk);
    assert_int_equal(desk_items_of(w->desk, BEN), 0);
    assert_int_equal(desk_item_state(w->desk, item), ITEM_WAITING);
    world_apply(w, &w->policy);
}
static void nobody_approves_their_own_draft(void **state)
{
    struct world *w = *state;
    w->people[BEN].audiences |= 1u << AUDIENCE_APPROVER;
    w->people[BEN].approve_all = true;
    uint64_t ben = world_sign_in(w, BEN);
    uint64_t item = world_post(w, (struct world_post){ .id = "1" });
    take(w, ben, item);
    reply_to(w, ben, item, "hello");
    int64_t lease = world_lease(w, ben, item);
    world_ask(w, ben, ABOUT(TAKE, take, .item = (int64_t) item, .lease = lease));
    const struct behalf_message *m =
        world_ask(w, ben, ABOUT(APPROVE, approve, .item = (int64_t) item, .lease = lease, .text = "hello"));
    assert_int_equal(m->type, BEHALF_ERROR);
}
static void a_draft_is_not_transferred_to_who_wrote_it(void **state)
{
    struct world *w = *state;
    w->people[BEN].audiences |= 1u << AUDIENCE_APPROVER;
    w->people[BEN].approve_all = true;
    uint64_t ben = world_sign_in(w, BEN);
    uint64_t item = world_post(w, (struct world_post){ .id = "1" });
    take(w, ben, item);
    reply_to(w, ben, item, "hello");
    uint64_t ann = world_sign_in(w, ANN);
    take(w, ann, item);
    const struct behalf_message *m =
        world_ask(w, ann,
                  ABOUT(TRANSFER, transfer, .item = (int64_t) item, .lease = world_lease(w, ann, item), .person = "ben",
                        .reason = "his"));
    assert_int_equal(m->type, BEHALF_ERROR);
    assert_int_equal(desk_item_state(w->desk, item), ITEM_HELD);
}
static void prs_service_level_holds_also_where_replies_have_a_window(void **state)
{
    struct world *w = *state;
    w->brands[ACME].service_level_ms[AUDIENCE_AGENT] = 60000;
    w->brands[ACME].service_level_ms[AUDIENCE_PR] = 1800000;
    uint64_t ben = world_sign_in(w, BEN);
    uint64_t item = world_post(w, (struct world_post){ .id = "1", .channel = REVIEWS });
    take(w, ben, item);
    ok(world_ask(w, ben,
                 ABOUT(ESCALATE, escalate, .item = (int64_t) item, .lease = world_lease(w, ben, item), .reason = "x")));
    struct item *open = item_find(w->desk, item);
    assert_int_equal(open->due_ms, open->created_ms + 1800000);
}
static void a_reply_not_handed_out_does_not_go_out_to_what_became_sensitive(void **state)
{
    struct world *w = *state;
    uint64_t ben = world_sign_in(w, BEN);
    uint64_t item = world_post(w, (struct world_post){ .id = "1", .thread = "t", .author = "a" });
    take(w, ben, item);
    reply_to(w, ben, item, "hello");
    struct needs needs = {
        .brand = ACME, .channel = CHIRP, .language = EN, .audience = AUDIENCE_PR, .rule = "legal", .detail = ""
    };
    struct behalf_edit edit = { .channel = "chirp", .post = "1", .posted_ms = 1, .text = "I sue you" };
    world_edit(w, item, &edit, &needs);
    uint64_t connector = world_connect(w, "c", false);
    assert_null(world_effect(w, connector, EFFECT_HAND_REPLY));
}
static void a_sensitive_post_takes_back_a_reply_that_is_not_out(void **state)
{
    struct world *w = *state;
    uint64_t ben = world_sign_in(w, BEN);
    uint64_t item = world_post(w, (struct world_post){ .id = "1", .thread = "t", .author = "a" });
    take(w, ben, item);
    reply_to(w, ben, item, "hello");
    uint64_t same = world_post(w, (struct world_post){ .id = "2", .thread = "t", .author = "a", .sensitive = true });
    assert_int_equal(same, item);
    assert_string_equal(audience_of(w, item), "pr");
    uint64_t connector = world_connect(w, "c", false);
    assert_null(world_effect(w, connector, EFFECT_HAND_REPLY));
}

static void a_restart_writes_only_what_changed(void **state)
{
    struct world *w = *state;
    world_post(w, (struct world_post){ .id = "1" });
    world_restart(w);
    assert_null(world_change(w, CHANGE_ITEM));
}

int main(void)
{
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CLAIM(follow_up_of_prs_sending_item_stays_with_pr_after_a_restart),
        CLAIM(follow_up_while_prs_reply_waits_for_its_connector_stays_with_pr),
        CLAIM(a_confirmation_after_a_restart_settles_a_reply_of_unknown_fate),
        CLAIM(an_item_sealed_while_sending_is_prs_when_its_author_is_dropped),
        CLAIM(a_reply_handed_out_of_a_dropped_author_is_of_unknown_fate_after_a_restart),
        CLAIM(what_pr_returned_late_is_not_escalated_again_by_a_restart),
        CLAIM(a_refused_transfer_leaves_nothing_behind),
        CLAIM(an_urgent_post_raises_the_item_it_joins_also_while_it_waits),
        CLAIM(what_became_late_in_hands_goes_to_pr_before_it_is_offered_again),
        CLAIM(lateness_that_was_noted_is_not_noted_again_by_a_restart),
        CLAIM(an_escalation_that_a_crash_prevented_follows_after_it),
        CLAIM(very_many_that_are_late_are_dealt_with_a_part_at_a_time),
        CLAIM(who_declined_many_is_offered_the_next),
        CLAIM(a_fresh_post_is_not_expired_with_the_old_item_it_joined),
        CLAIM(follow_up_of_what_became_sensitive_while_sending_goes_to_pr),
        CLAIM(a_reply_that_came_back_with_more_attempts_than_there_are_is_a_persons),
        CLAIM(replies_of_unknown_fate_are_forgotten_with_their_item),
        CLAIM(the_reply_of_somebody_dropped_is_written_as_what_it_is_now),
        CLAIM(the_reply_of_somebody_dropped_may_be_out),
        CLAIM(an_own_draft_is_not_offered_for_approval),
        CLAIM(somebody_lost_whom_the_rules_drop_keeps_nothing),
        CLAIM(nobody_approves_their_own_draft),
        CLAIM(a_draft_is_not_transferred_to_who_wrote_it),
        CLAIM(prs_service_level_holds_also_where_replies_have_a_window),
        CLAIM(a_reply_not_handed_out_does_not_go_out_to_what_became_sensitive),
        CLAIM(a_sensitive_post_takes_back_a_reply_that_is_not_out),
        CLAIM(a_restart_writes_only_what_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
