// outlet.c - confirms what it is handed, by the reply's own key.

#include "tests/bench/outlet.h"

static void outlet_hear(struct member *member, const struct behalf_message *message, void *owner)
{
    struct outlet *outlet = owner;
    if (message->type == BEHALF_DONE) {
        outlet->closed++;
    }
    if (message->type != BEHALF_REPLY) {
        return;
    }
    const struct behalf_message settle = {
        .type = BEHALF_SETTLE,
        .settle = { .reply = message->reply.reply, .fate = "confirmed", .reference = message->reply.key }
    };
    member_send(member, &settle);
}

bool outlet_init(struct outlet *outlet, struct crew *crew, const char *endpoint)
{
    const char *channels[] = { "bench" };
    const struct behalf_hello hello = { .role = "connector",
                                        .name = "out",
                                        .instance = "out-1",
                                        .channels = channels,
                                        .channels_count = 1,
                                        .idempotent = true,
                                        .program = "bench" };

    *outlet = (struct outlet){ 0 };
    return crew_join(crew, endpoint, &hello, outlet_hear, outlet) != NULL;
}
