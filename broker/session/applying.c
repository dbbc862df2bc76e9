// applying.c - rules made live: compiled off the loop, then taken over by the desk in one step or not at all.

#include "broker/session/core.h"

#define PROBLEMS_MAX 64 // of an ERROR, as in messages.def

// Remembers the request with the version in force, and answers it.
static void applying_tell_applied(struct broker *broker, const struct applying *applying, bool repeated)
{
    uint64_t version = rules_policy(broker->rules)->version;
    struct principal principal = { .role = "control", .name = applying->principal };

    desk_remember_apply(broker->desk, &principal, applying->message->id, desk_digest(applying->message), version);
    speak_later(broker, applying->session,
                &(struct behalf_message){
                    .type = BEHALF_APPLIED,
                    .id = applying->message->id,
                    .applied = { .rules_version = (int64_t) version,
                                 .repeated = repeated,
                                 .items = (int64_t) desk_review_left(broker->desk) },
                });
}

void apply_rules(struct broker *broker, struct session *session, struct behalf_message **message_p)
{
    struct behalf_message *message = *message_p;
    struct applying applying = { .active = true, .session = session->number, .message = message };

    must(session->role == SESSION_CONTROL);
    snprintf(applying.principal, sizeof applying.principal, "%s", session->name);
    if (desk_review_left(broker->desk) > 0 && strcmp(message->apply.rules, rules_text(broker->rules)) != 0) {
        speak_error(broker, session->number, message->id, BEHALF_CODE_BUSY,
                    &(struct behalf_error){
                        .reason = "open items are still being looked at under the rules applied last; try again soon",
                        .retry_ms = RETRY_REVIEW_MS });
    } else if (broker->applying.active) {
        speak_error(broker, session->number, message->id, BEHALF_CODE_BUSY,
                    &(struct behalf_error){ .reason = "other rules are being applied", .retry_ms = RETRY_AWAY_MS });
    } else if (strcmp(message->apply.rules, rules_text(broker->rules)) == 0) {
        applying_tell_applied(broker, &applying, true);
    } else {
        broker->applying = applying;
        *message_p = NULL;
    }
}

const char *broker_next_rules(struct broker *broker, uint64_t *version, const struct rules **previous)
{
    if (!broker->applying.active || broker->applying.handed) {
        return NULL;
    }
    broker->applying.handed = true;
    *version = rules_policy(broker->rules)->version + 1;
    *previous = broker->rules;
    return broker->applying.message->apply.rules;
}

// ---- the new rules are compiled ----

static void applying_refuse_rules(struct broker *broker, const struct behalf_problem *problems, size_t count,
                                  const char *reason)
{
    const struct applying *applying = &broker->applying;

    broker_log(broker, "warning", "rules", "not applied: %zu problem%s", count, count == 1 ? "" : "s");
    speak_error(broker, applying->session, applying->message->id, BEHALF_CODE_RULES,
                &(struct behalf_error){
                    .reason = reason,
                    .problems = (struct behalf_problem *) problems,
                    .problems_count = count,
                });
}

// True if the rules drop what open items need, and were refused for it.
static bool applying_refuse_misfits(struct broker *broker, const struct policy *policy)
{
    struct behalf_problem problems[PROBLEMS_MAX];
    struct change_list *memory = broker_list(broker);
    size_t count = desk_misfits(broker->desk, policy, memory, problems, PROBLEMS_MAX);

    if (count > PROBLEMS_MAX) {
        problems[PROBLEMS_MAX - 1] =
            (struct behalf_problem){ .message = change_list_format(memory, "and %zu more of the kind",
                                                                   count - PROBLEMS_MAX + 1) };
        count = PROBLEMS_MAX;
    }
    if (count > 0) {
        applying_refuse_rules(broker, problems, count, "the rules do not fit the open work; nothing has changed");
    }
    return count > 0;
}

// People that the new rules drop sign out before they apply.
static void applying_end_dropped_people(struct broker *broker, const struct policy *policy)
{
    for (size_t i = 0; i < policy->person_count; i++) {
        struct session *session = broker->sessions.people[i];
        if (session != NULL && policy->people[i].retired) {
            session_end(broker, &session, true, "the desk's rules no longer name this person");
        }
    }
}

static void applying_keep_former_rules(struct broker *broker)
{
    struct former_rules *former = calloc(1, sizeof *former);

    must(former != NULL);
    *former = (struct former_rules){ .next = broker->former, .rules = broker->rules, .batch = broker->current_number };
    broker->former = former;
}

static void applying_go_live(struct broker *broker, struct rules **rules_p)
{
    const struct policy *policy = rules_policy(*rules_p);
    const struct behalf_apply *apply = &broker->applying.message->apply;
    struct rules_record record = {
        .version = policy->version,
        .name = apply->name,
        .text = apply->rules,
        .at_ms = broker->now_ms,
    };

    applying_end_dropped_people(broker, policy);
    desk_apply(broker->desk, policy, &record, broker->now_ms);
    reviewing_begin(broker);
    applying_keep_former_rules(broker);
    broker->rules = *rules_p;
    *rules_p = NULL;
    broker_log(broker, "info", "rules", "version %" PRIu64 " is in force, from %s", policy->version,
               apply->name[0] == '\0' ? "a client" : apply->name);
    applying_tell_applied(broker, &broker->applying, false);
}

void broker_rules_ready(struct broker *broker, struct rules **rules_p, const struct rules_problems *problems,
                        int64_t now_ms)
{
    broker_advance(broker, now_ms);
    must(broker->applying.active);
    must(broker->applying.handed);
    if (*rules_p == NULL) {
        applying_refuse_rules(broker, problems->problems, problems->count,
                              "the rules have errors; nothing has changed");
    } else if (!applying_refuse_misfits(broker, rules_policy(*rules_p))) {
        applying_go_live(broker, rules_p);
    }
    rules_destroy(rules_p);
    behalf_message_destroy(&broker->applying.message);
    broker->applying = (struct applying){ 0 };
}

void former_rules_free(struct broker *broker, uint64_t batch)
{
    struct former_rules **former_p = &broker->former;

    while (*former_p != NULL) {
        struct former_rules *former = *former_p;
        if (former->batch > batch) {
            former_p = &former->next;
            continue;
        }
        *former_p = former->next;
        rules_destroy(&former->rules);
        free(former);
    }
}
