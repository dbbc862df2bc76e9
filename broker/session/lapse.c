// lapse.c - our lease of the desk has lapsed: everyone is sent elsewhere, and nobody is let in.
//
// We cannot reach the store, and another broker may have the desk already, or soon.  A client that went on hearing us
// would show a person what somebody else has by now.  So each is told to look elsewhere, and its connection has no
// session from then on: whatever comes over it is answered NOT_SIGNED_IN.  The sessions themselves stay, as after a
// broken connection: if the lease is renewed after all, they are resumed.

#include "broker/session/core.h"

// MOVED to the brokers we know, with the id of the HELLO it answers, or 0.
static struct behalf_message lapse_moved(const struct broker *broker, int64_t id)
{
    return (struct behalf_message){
        .type = BEHALF_MOVED,
        .id = id,
        .moved = { .desk = rules_policy(broker->rules)->desk,
                   .brokers = (const char **) broker->others,
                   .brokers_count = broker->other_count,
                   .reason = "this broker does not reach its store; another one may have the desk by now" }
    };
}

void lapse_begin(struct broker *broker)
{
    struct behalf_message message = { .type = BEHALF_BYE, .bye = { .reason = BYE_RESTARTING } };
    uint64_t *numbers = calloc(broker->sessions.connected + 1, sizeof *numbers);
    struct session *session;
    size_t told = 0;

    must(numbers != NULL);
    if (broker->other_count > 0) {
        message = lapse_moved(broker, 0);
    }
    frame_queue_forget_claims(&broker->frames);
    for (size_t place = 0; (session = session_table_next(&broker->sessions, &place)) != NULL;) {
        if (session->peer == NULL) {
            continue;
        }
        speak_now(broker, session->peer->number, &message);
        session_table_detach(&broker->sessions, session, broker->now_ms);
        numbers[told++] = session->number;
    }
    desk_sessions_lost(broker->desk, numbers, told, broker->now_ms);
    free(numbers);
    broker_log(broker, "warning", "lease", "%zu sessions are sent elsewhere", told);
}

void lapse_answer_hello(struct broker *broker, uint64_t peer, int64_t id)
{
    struct behalf_message message = lapse_moved(broker, id);

    if (broker->other_count > 0) {
        speak_now(broker, peer, &message);
    } else {
        speak_away(broker, peer, id);
    }
}
