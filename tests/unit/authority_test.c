// authority_test.c - who may ask what of a desk: every request, in every hand, in every state.

#include "tests/unit/desk_world.h"

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

// What came of it: a state after DONE, or a code.
static const char *ask(struct world *world, uint64_t session, struct behalf_message request)
{
    const struct behalf_message *answer = world_ask(world, session, request);
    return answer->type == BEHALF_ERROR ? answer->error.code : answer->done.state;
}

// ---- every request in every hand ----

enum {
    TAKING,
    DECLINING,
    DRAFTING,
    NOTING,
    ANSWERING,
    APPROVING,
    REJECTING,
    CLOSING,
    ESCALATING,
    RETURNING,
    TRANSFERRING,
    PARKING,
    REQUESTS
};

static struct behalf_message request_of(const struct world *world, int request, int64_t item, int64_t lease)
{
    switch (request) {
    case TAKING:
        return ABOUT(TAKE, take, .item = item, .lease = lease);
    case DECLINING:
        return ABOUT(DECLINE, decline, .item = item, .lease = lease);
    case DRAFTING:
        return ABOUT(DRAFT, draft, .item = item, .lease = lease, .text = "We");
    case NOTING:
        return ABOUT(NOTE, note, .item = item, .lease = lease, .text = "called them");
    case ANSWERING:
        return ABOUT(ANSWER, answer, .item = item, .lease = lease, .text = "We are on it.");
    case APPROVING:
        return ABOUT(APPROVE, approve, .item = item, .lease = lease, .text = "We are on it.");
    case REJECTING:
        return ABOUT(REJECT, reject, .item = item, .lease = lease, .reason = "kinder");
    case CLOSING:
        return ABOUT(CLOSE, close, .item = item, .lease = lease, .outcome = "noise");
    case ESCALATING:
        return ABOUT(ESCALATE, escalate, .item = item, .lease = lease, .reason = "press");
    case RETURNING:
        return ABOUT(RETURN, return_item, .item = item, .lease = lease, .guidance = "say sorry");
    case TRANSFERRING:
        return ABOUT(TRANSFER, transfer, .item = item, .lease = lease, .language = "de", .reason = "German");
    default:
        return ABOUT(PARK, park, .item = item, .lease = lease, .until_ms = world->now_ms + 1000);
    }
}

// Who may do what with an item that they hold.
static const struct {
    const char *agent, *pr, *approver;
} held[REQUESTS] = {
    [TAKING] = { "held", "held", "held" },
    [DECLINING] = { "STATE", "STATE", "STATE" },
    [DRAFTING] = { "held", "held", "held" },
    [NOTING] = { "held", "held", "held" },
    [ANSWERING] = { "sending", "sending", "FORBIDDEN" },
    [APPROVING] = { "FORBIDDEN", "FORBIDDEN", "sending" },
    [REJECTING] = { "FORBIDDEN", "FORBIDDEN", "waiting" },
    [CLOSING] = { "closed", "closed", "closed" },
    [ESCALATING] = { "waiting", "STATE", "waiting" },
    [RETURNING] = { "FORBIDDEN", "waiting", "FORBIDDEN" },
    [TRANSFERRING] = { "waiting", "waiting", "waiting" },
    [PARKING] = { "parked", "parked", "parked" },
};

enum hand { IN_AGENTS, IN_PRS, IN_APPROVERS };

// An item of acme in this hand, held if wanted, with a draft of asha's.
static int64_t an_item(struct world *world, enum hand hand, bool take, uint64_t *session)
{
    uint64_t ben = world_sign_in(world, BEN);
    if (hand == IN_PRS) {
        *session = world_sign_in(world, PIA);
    } else {
        uint64_t asha = world_sign_in(world, ASHA);
        *session = hand == IN_APPROVERS ? world_sign_in(world, ANN) : ben;
        ask(world, ben, ABOUT(PRESENCE, presence, .state = "away", .reason = "tea"));
        uint64_t item =
            world_post(world, (struct world_post){ .id = "1", .approval = hand == IN_APPROVERS, .skills = 1 });
        int64_t lease = world_lease(world, asha, item);
        assert_string_equal(ask(world, asha, request_of(world, TAKING, (int64_t) item, lease)), "held");
        ask(world, asha, request_of(world, DRAFTING, (int64_t) item, lease));
        if (hand == IN_APPROVERS) {
            assert_string_equal(ask(world, asha, request_of(world, ANSWERING, (int64_t) item, lease)), "waiting");
        } else { // to ben, with asha's draft
            world->people[BEN].skills = 1;
            ask(world, ben, ABOUT(PRESENCE, presence, .state = "available"));
            assert_string_equal(ask(world, asha,
                                    ABOUT(TRANSFER, transfer, .item = (int64_t) item, .lease = lease, .person = "ben",
                                          .reason = "yours")),
                                "waiting");
        }
    }
    uint64_t item = hand == IN_PRS ? world_post(world, (struct world_post){ .id = "1", .sensitive = true }) : 1;
    int64_t lease = world_lease(world, *session, item);
    assert_int_not_equal(lease, 0);
    if (take) {
        assert_string_equal(ask(world, *session, request_of(world, TAKING, (int64_t) item, lease)), "held");
    }
    return (int64_t) item;
}

static void each_hand_may_do_what_it_may_and_nothing_else(void **state)
{
    for (int request = 0; request < REQUESTS; request++) {
        const char *expected[] = { held[request].agent, held[request].pr, held[request].approver };
        for (enum hand hand = IN_AGENTS; hand <= IN_APPROVERS; hand++) {
            struct world *world = *state;
            uint64_t session;
            tear_down(state);
            set_up(state);
            world->people[BEN].skills = 1;
            int64_t item = an_item(world, hand, true, &session);
            int64_t lease = world_lease(world, session, (uint64_t) item);
            const char *came = ask(world, session, request_of(world, request, item, lease));
            if (strcmp(came, expected[hand]) != 0) {
                print_error("request %d in hand %d\n", request, (int) hand);
            }
            assert_string_equal(came, expected[hand]);
        }
    }
}

static void an_offer_is_taken_or_declined_and_nothing_else(void **state)
{
    for (int request = 0; request < REQUESTS; request++) {
        for (enum hand hand = IN_AGENTS; hand <= IN_APPROVERS; hand++) {
            struct world *world = *state;
            uint64_t session;
            tear_down(state);
            set_up(state);
            world->people[BEN].skills = 1;
            int64_t item = an_item(world, hand, false, &session);
            int64_t lease = world_lease(world, session, (uint64_t) item);
            assert_string_equal(ask(world, session, request_of(world, request, item, lease)), request == TAKING ? "held"
                                                                                              : request == DECLINING
                                                                                                  ? "waiting"
                                                                                                  : "STATE");
        }
    }
}

static void what_somebody_else_has_is_nobodys_to_touch(void **state)
{
    for (int request = 0; request < REQUESTS; request++) {
        struct world *world = *state;
        uint64_t ann;
        tear_down(state);
        set_up(state);
        int64_t item = an_item(world, IN_APPROVERS, true, &ann);
        int64_t lease = world_lease(world, ann, (uint64_t) item);
        uint64_t others[] = { world_sign_in(world, ASHA), world_sign_in(world, PIA), world_sign_in(world, SAM) };
        for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
            assert_string_equal(ask(world, others[i], request_of(world, request, item, lease)), "STALE");
        }
        assert_string_equal(ask(world, ann, request_of(world, request, item, lease + 1)), "STALE");
    }
}

static void what_waits_or_is_on_its_way_is_in_no_hand(void **state)
{
    struct world *world = *state;
    uint64_t pia;
    int64_t item = an_item(world, IN_PRS, true, &pia);
    int64_t lease = world_lease(world, pia, (uint64_t) item);
    assert_string_equal(ask(world, pia, request_of(world, ANSWERING, item, lease)), "sending");
    for (int request = 0; request < REQUESTS; request++) {
        assert_string_equal(ask(world, pia, request_of(world, request, item, lease)), "STALE");
    }
    assert_string_equal(ask(world, pia, request_of(world, TAKING, 4711, 1)), "NOT_FOUND");
}

// ---- the rest of the table ----

static void what_stands_in_no_row_is_refused(void **state)
{
    struct world *world = *state;
    uint64_t sam = world_sign_in(world, SAM);
    assert_string_equal(ask(world, sam, ABOUT(WHY, why, .item = 1)), "FORBIDDEN");
    assert_string_equal(ask(world, sam, ABOUT(APPLY, apply, .rules = "desk: mine")), "FORBIDDEN");
    assert_string_equal(ask(world, sam,
                            ABOUT(POST, post, .channel = "chirp", .post = "1", .brand = "acme", .author = "sam",
                                  .text = "bring me in")),
                        "FORBIDDEN");
}

static void the_red_button_is_prs_and_supervisors_of_that_brand(void **state)
{
    struct world *world = *state;
    struct behalf_message acme = ABOUT(FREEZE, freeze, .brand = "acme", .frozen = true, .reason = "storm");
    struct behalf_message none = ABOUT(FREEZE, freeze, .brand = "other", .frozen = true, .reason = "storm");
    world->people[SAM].brands = 1u << FIZZ;
    uint64_t sam = world_sign_in(world, SAM);
    assert_string_equal(ask(world, world_sign_in(world, ASHA), acme), "FORBIDDEN");
    assert_string_equal(ask(world, world_sign_in(world, ANN), acme), "FORBIDDEN");
    assert_string_equal(ask(world, sam, acme), "FORBIDDEN");
    assert_string_equal(ask(world, sam, none), "NOT_FOUND");
    assert_string_equal(ask(world, world_sign_in(world, PIA), acme), "frozen");
}

static void pr_returns_nothing_of_a_frozen_brand_by_any_request(void **state)
{
    struct world *world = *state;
    uint64_t pia;
    int64_t item = an_item(world, IN_PRS, true, &pia);
    int64_t lease = world_lease(world, pia, (uint64_t) item);
    assert_string_equal(ask(world, pia, ABOUT(FREEZE, freeze, .brand = "acme", .frozen = true, .reason = "storm")),
                        "frozen");
    assert_string_equal(ask(world, pia, request_of(world, RETURNING, item, lease)), "STATE");
    assert_string_equal(ask(world, pia, request_of(world, REJECTING, item, lease)), "FORBIDDEN");
    assert_string_equal(ask(world, pia, request_of(world, TRANSFERRING, item, lease)), "waiting");
    const struct change *change = world_change(world, CHANGE_ITEM);
    assert_string_equal(change->item.audience, "pr");
    assert_true(change->item.sealed);
}

static void only_an_unknown_fate_ends_an_item_as_answered(void **state)
{
    struct world *world = *state;
    uint64_t pia;
    int64_t item = an_item(world, IN_PRS, true, &pia);
    int64_t lease = world_lease(world, pia, (uint64_t) item);
    const struct behalf_message *answer =
        world_ask(world, pia, ABOUT(CLOSE, close, .item = item, .lease = lease, .outcome = "answered"));
    assert_string_equal(answer->error.code, "INVALID");
    assert_string_equal(answer->error.field, "outcome");
    assert_string_equal(ask(world, pia, ABOUT(CLOSE, close, .item = item, .lease = lease, .outcome = "gone fishing")),
                        "INVALID");
}

// ---- approving ----

static const struct change *event_of(const struct world *world, const char *kind)
{
    const struct change *found = NULL;
    for (const struct change *change = change_list_changes(world->list); change != NULL; change = change->next) {
        if (change->kind == CHANGE_EVENT && !strcmp(change->event.kind, kind)) {
            found = change;
        }
    }
    assert_non_null(found);
    return found;
}

static void the_story_names_who_approved_and_the_reply_who_wrote(void **state)
{
    struct world *world = *state;
    uint64_t ann;
    int64_t item = an_item(world, IN_APPROVERS, true, &ann);
    int64_t lease = world_lease(world, ann, (uint64_t) item);
    assert_string_equal(ask(world, ann, request_of(world, APPROVING, item, lease)), "sending");
    assert_string_equal(event_of(world, "approved")->event.person, "ann");
    assert_string_equal(event_of(world, "answered")->event.person, "asha");
    assert_string_equal(world_change(world, CHANGE_REPLY)->reply.person, "asha");
}

static void an_approver_who_mends_a_draft_does_not_become_its_author(void **state)
{
    struct world *world = *state;
    uint64_t ann;
    int64_t item = an_item(world, IN_APPROVERS, true, &ann);
    int64_t lease = world_lease(world, ann, (uint64_t) item);
    assert_string_equal(ask(world, ann, request_of(world, DRAFTING, item, lease)), "held");
    assert_string_equal(world_change(world, CHANGE_DRAFT)->draft.person, "asha");
    assert_string_equal(ask(world, ann, ABOUT(DRAFT, draft, .item = item, .lease = lease, .text = "")), "held");
    assert_string_equal(ask(world, ann, request_of(world, APPROVING, item, lease)), "sending");
    assert_string_equal(world_change(world, CHANGE_REPLY)->reply.person, "asha");
}

static void a_draft_of_somebody_dropped_from_the_rules_is_rejected_only(void **state)
{
    struct world *world = *state;
    uint64_t ann;
    int64_t item = an_item(world, IN_APPROVERS, true, &ann);
    int64_t lease = world_lease(world, ann, (uint64_t) item);
    struct policy next = world->policy;
    struct policy_person people[PEOPLE];
    memcpy(people, world->people, sizeof people);
    next.people = people;
    next.version = 2;
    people[ASHA].retired = true;
    desk_apply(world->desk, &next, &(struct rules_record){ .version = 2, .name = "n", .text = "t" }, world->now_ms);
    assert_string_equal(ask(world, ann, request_of(world, APPROVING, item, lease)), "STATE");
    assert_string_equal(ask(world, ann, request_of(world, REJECTING, item, lease)), "waiting");
    desk_destroy(&world->desk); // before the policy that it borrows
}

static void who_writes_and_approves_is_never_given_their_own(void **state)
{
    struct world *world = *state;
    world->people[ANN].audiences |= 1u << AUDIENCE_AGENT;
    uint64_t ann = world_sign_in(world, ANN);
    uint64_t item = world_post(world, (struct world_post){ .id = "1", .approval = true });
    int64_t lease = world_lease(world, ann, item);
    ask(world, ann, request_of(world, TAKING, (int64_t) item, lease));
    assert_string_equal(ask(world, ann, request_of(world, ANSWERING, (int64_t) item, lease)), "waiting");
    assert_int_equal(world_lease(world, ann, item), lease);
    assert_string_equal(ask(world, ann, request_of(world, APPROVING, (int64_t) item, lease)), "STALE");
}

// A version before this one let who mended a draft become its author.
static void their_own_draft_that_comes_back_in_their_hands_is_taken_from_them(void **state)
{
    struct world *world = *state;
    struct item_record record = { .item = 1,
                                  .brand = "acme",
                                  .channel = "chirp",
                                  .audience = "approver",
                                  .language = "en",
                                  .skills = "",
                                  .state = ITEM_HELD,
                                  .band = POLICY_BAND_NORMAL,
                                  .created_ms = world->now_ms,
                                  .since_ms = world->now_ms,
                                  .lease = 3,
                                  .person = "ann",
                                  .preferred = "",
                                  .posts = 1,
                                  .numbered = 1,
                                  .reason = "",
                                  .escalated = "",
                                  .draft_by = "ann",
                                  .outcome = "" };
    char reason[200];
    desk_restore_position(world->desk, 10, 2, world->now_ms);
    assert_true(desk_restore_item(world->desk, &record, reason, sizeof reason));
    desk_restored(world->desk, world->now_ms);
    desk_check(world->desk);
    uint64_t ann = world_sign_in(world, ANN);
    assert_int_equal(world_lease(world, ann, 1), 0);
    assert_string_equal(ask(world, ann, request_of(world, APPROVING, 1, 3)), "STALE");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_hand_may_do_what_it_may_and_nothing_else),
        TEST(an_offer_is_taken_or_declined_and_nothing_else),
        TEST(what_somebody_else_has_is_nobodys_to_touch),
        TEST(what_waits_or_is_on_its_way_is_in_no_hand),
        TEST(what_stands_in_no_row_is_refused),
        TEST(the_red_button_is_prs_and_supervisors_of_that_brand),
        TEST(pr_returns_nothing_of_a_frozen_brand_by_any_request),
        TEST(only_an_unknown_fate_ends_an_item_as_answered),
        TEST(the_story_names_who_approved_and_the_reply_who_wrote),
        TEST(an_approver_who_mends_a_draft_does_not_become_its_author),
        TEST(a_draft_of_somebody_dropped_from_the_rules_is_rejected_only),
        TEST(who_writes_and_approves_is_never_given_their_own),
        TEST(their_own_draft_that_comes_back_in_their_hands_is_taken_from_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
