// example_agent.c - an agent in forty lines: signs a person in, shows what is offered, and ends it as needing
// no answer.  Built against the installed library:
//
//     cc example_agent.c -o example_agent $(pkg-config --cflags --libs behalf)
//     ./example_agent tcp://127.0.0.1:7311 asha

#include <behalf/client.h>
#include <stdio.h>

static void example_agent_ask(struct behalf_client *client, const struct behalf_message *request)
{
    struct behalf_fault fault;
    if (behalf_client_send(client, request, &fault) == 0) {
        fprintf(stderr, "%s: %s\n", fault.field, fault.reason);
    }
}

static void example_agent_act_on(struct behalf_client *client, const struct behalf_message *message)
{
    if (message->type == BEHALF_WELCOME) {
        example_agent_ask(client,
                          &(struct behalf_message){ .type = BEHALF_PRESENCE, .presence = { .state = "available" } });
    } else if (message->type == BEHALF_ERROR) {
        fprintf(stderr, "refused: %s %s\n", message->error.code, message->error.reason);
    } else if (message->type == BEHALF_ITEM && message->item.state[0] == 'o') { // offered
        int64_t item = message->item.item, lease = message->item.lease;
        printf("%s: %s writes: %s\n", message->item.brand, message->item.author,
               message->item.story_count > 0 ? message->item.story[message->item.story_count - 1].text : "");
        fflush(stdout);
        example_agent_ask(client,
                          &(struct behalf_message){ .type = BEHALF_TAKE, .take = { .item = item, .lease = lease } });
    } else if (message->type == BEHALF_ITEM) { // held
        example_agent_ask(client, &(struct behalf_message){ .type = BEHALF_CLOSE,
                                                            .close = { .item = message->item.item,
                                                                       .lease = message->item.lease,
                                                                       .outcome = "no-answer-needed" } });
    }
}

int main(int argument_count, char **arguments)
{
    struct behalf_hello hello = { .role = "person", .name = argument_count > 2 ? arguments[2] : "asha" };
    struct behalf_client *client = behalf_client_new(argument_count > 1 ? arguments[1] : NULL, &hello);
    for (struct behalf_message *message; client != NULL && (message = behalf_client_wait(client, -1)) != NULL;) {
        example_agent_act_on(client, message);
        behalf_message_destroy(&message);
    }
    fprintf(stderr, "%s\n", client != NULL ? behalf_client_reason(client) : "not an endpoint");
    behalf_client_destroy(&client);
    return 1;
}
