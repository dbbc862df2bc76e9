// redirect.c - the answers to HELLO and to all else where the desk is not served: see redirect.h.

#include "broker/session/redirect.h"

#include "proto/base/must.h"

#include <behalf/message.h>

#include <stdio.h>
#include <string.h>

#define RETRY_MS 200 // while a take-over is near

void redirect_set_owner(struct redirect *redirect, const char *endpoints, bool quiet, const char *own_endpoints)
{
    char *rest = redirect->endpoints;

    redirect->broker_count = 0;
    snprintf(redirect->endpoints, sizeof redirect->endpoints, "%s", endpoints);
    if (quiet || strcmp(endpoints, own_endpoints) == 0) {
        return;
    }
    for (char *endpoint; redirect->broker_count < REDIRECT_BROKERS_MAX && (endpoint = strsep(&rest, ",")) != NULL;) {
        // Another broker wrote it: one that no client could be told is left out.
        if (endpoint[0] != '\0' && strlen(endpoint) <= BEHALF_ENDPOINT_BYTES) {
            redirect->brokers[redirect->broker_count++] = endpoint;
        }
    }
}

static struct behalf_message redirect_answer_to_hello(const struct redirect *redirect, const struct behalf_hello *hello,
                                                      int64_t id)
{
    if (hello->desk[0] != '\0' && strcmp(hello->desk, redirect->desk) != 0) {
        return (struct behalf_message){
            .type = BEHALF_ERROR,
            .id = id,
            .error = { .code = behalf_code_name(BEHALF_CODE_NOT_FOUND),
                       .field = "desk",
                       .reason = "this broker does not serve that desk" },
        };
    }
    if (redirect->broker_count == 0) {
        return (struct behalf_message){
            .type = BEHALF_ERROR,
            .id = id,
            .error = { .code = behalf_code_name(BEHALF_CODE_BUSY),
                       .reason = "this broker waits to take over, and no broker is known to have the desk: ask again",
                       .retry_ms = RETRY_MS },
        };
    }
    return (struct behalf_message){
        .type = BEHALF_MOVED,
        .id = id,
        .moved = { .desk = redirect->desk,
                   .brokers = (const char **) redirect->brokers,
                   .brokers_count = redirect->broker_count,
                   .reason = "another broker has the desk" },
    };
}

void *redirect_answer(const struct redirect *redirect, const void *frame, size_t frame_bytes, size_t *answer_bytes,
                      bool *noise)
{
    struct behalf_fault fault = { 0 };
    struct behalf_fault unfit; // not the same: the answer borrows the other one's words
    struct behalf_message *message = behalf_message_decode(frame, frame_bytes, &fault);
    struct behalf_message answer = {
        .type = BEHALF_ERROR,
        .error = { .code = behalf_code_name(BEHALF_CODE_NOT_SIGNED_IN),
                   .reason = "this broker does not have the desk, and no connection has a session: send HELLO first" },
    };

    *noise = fault.code == BEHALF_CODE_MALFORMED || fault.code == BEHALF_CODE_UNKNOWN_TYPE;
    if (message == NULL) {
        answer.id = fault.id > 0 ? fault.id : 0;
        answer.error =
            (struct behalf_error){ .code = behalf_code_name(fault.code), .field = fault.field, .reason = fault.reason };
    } else if (message->type == BEHALF_HELLO) {
        answer = redirect_answer_to_hello(redirect, &message->hello, message->id);
    } else {
        answer.id = message->id;
    }
    void *bytes = behalf_message_encode(&answer, answer_bytes, &unfit);
    must(bytes != NULL);
    behalf_message_destroy(&message);
    return bytes;
}
