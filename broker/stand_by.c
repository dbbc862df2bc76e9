// stand_by.c - see stand_by.h.

#include "broker/stand_by.h"

#include "proto/must.h"

#include <behalf/message.h>

#include <stdio.h>
#include <string.h>

#define RETRY_MS 200 // while a take-over is near

void stand_by_set_owner(struct stand_by *stand_by, const char *endpoints, bool quiet, const char *own_endpoints)
{
    char *rest = stand_by->endpoints;

    stand_by->broker_count = 0;
    snprintf(stand_by->endpoints, sizeof stand_by->endpoints, "%s", endpoints);
    if (quiet || strcmp(endpoints, own_endpoints) == 0) {
        return;
    }
    for (char *endpoint; stand_by->broker_count < STAND_BY_BROKERS_MAX && (endpoint = strsep(&rest, ",")) != NULL;) {
        // Another broker wrote it: one that no client could be told is left out.
        if (endpoint[0] != '\0' && strlen(endpoint) <= BEHALF_ENDPOINT_BYTES) {
            stand_by->brokers[stand_by->broker_count++] = endpoint;
        }
    }
}

static struct behalf_message answer_to_hello(const struct stand_by *stand_by, const struct behalf_hello *hello,
                                             int64_t id)
{
    if (hello->desk[0] != '\0' && strcmp(hello->desk, stand_by->desk) != 0) {
        return (struct behalf_message){
            .type = BEHALF_ERROR,
            .id = id,
            .error = { .code = behalf_code_name(BEHALF_CODE_NOT_FOUND),
                       .field = "desk",
                       .reason = "this broker does not serve that desk" },
        };
    }
    if (stand_by->broker_count == 0) {
        return (struct behalf_message){
            .type = BEHALF_ERROR,
            .id = id,
            .error = { .code = behalf_code_name(BEHALF_CODE_BUSY),
                       .reason = "this broker stands by, and the desk's broker is not known to live: ask again",
                       .retry_ms = RETRY_MS },
        };
    }
    return (struct behalf_message){
        .type = BEHALF_MOVED,
        .id = id,
        .moved = { .desk = stand_by->desk,
                   .brokers = (const char **) stand_by->brokers,
                   .brokers_count = stand_by->broker_count,
                   .reason = "this broker stands by; another one has the desk" },
    };
}

void *stand_by_answer(const struct stand_by *stand_by, const void *frame, size_t frame_bytes, size_t *answer_bytes,
                      bool *noise)
{
    struct behalf_fault fault = { 0 };
    struct behalf_fault unfit; // not the same: the answer borrows the other one's words
    struct behalf_message *message = behalf_message_decode(frame, frame_bytes, &fault);
    struct behalf_message answer = {
        .type = BEHALF_ERROR,
        .error = { .code = behalf_code_name(BEHALF_CODE_NOT_SIGNED_IN),
                   .reason = "this broker stands by: no connection has a session; send HELLO first" },
    };

    *noise = fault.code == BEHALF_CODE_MALFORMED || fault.code == BEHALF_CODE_UNKNOWN_TYPE;
    if (message == NULL) {
        answer.id = fault.id > 0 ? fault.id : 0;
        answer.error =
            (struct behalf_error){ .code = behalf_code_name(fault.code), .field = fault.field, .reason = fault.reason };
    } else if (message->type == BEHALF_HELLO) {
        answer = answer_to_hello(stand_by, &message->hello, message->id);
    } else {
        answer.id = message->id;
    }
    void *bytes = behalf_message_encode(&answer, answer_bytes, &unfit);
    must(bytes != NULL);
    behalf_message_destroy(&message);
    return bytes;
}
