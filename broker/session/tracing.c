// tracing.c - when a broker says something to a trace: what its other files call, in one line each.
//
// What is decided by no request (time, sessions that are lost, rules that are ready) is told before the next frame or
// with its batch.

#include "broker/session/core.h"

static const char *tracing_desk(const struct broker *broker)
{
    return rules_policy(broker->rules)->desk;
}

static uint64_t tracing_session(const struct broker *broker, uint64_t number)
{
    const struct peer *peer = session_table_peer(&broker->sessions, number);

    return peer != NULL && peer->session != NULL ? peer->session->number : 0;
}

static void tracing_changes(struct broker *broker, const struct trace_cause *cause)
{
    const struct change *first = change_list_changes(broker_list(broker));

    if (broker->traced != NULL) {
        first = broker->traced->next;
    }
    trace_decision(broker->options.trace, tracing_desk(broker), broker->current_number, cause, first);
    for (; first != NULL; first = first->next) {
        broker->traced = first;
    }
}

void tracing_decided(struct broker *broker, const char *by)
{
    if (broker->options.trace != NULL) {
        tracing_changes(broker, &(struct trace_cause){ .by = by });
    }
}

void tracing_received(struct broker *broker, uint64_t number, const void *frame, size_t frame_bytes)
{
    if (broker->options.trace != NULL) {
        tracing_decided(broker, "time");
        trace_frame(broker->options.trace, TRACE_IN, tracing_desk(broker), number, tracing_session(broker, number),
                    frame, frame_bytes);
    }
}

void tracing_request(struct broker *broker, uint64_t number, int64_t id)
{
    if (broker->options.trace != NULL) {
        tracing_changes(broker,
                        &(struct trace_cause){ .by = "request", .session = tracing_session(broker, number), .id = id });
    }
}

void tracing_answered(struct broker *broker, uint64_t session, int64_t id)
{
    if (broker->options.trace != NULL) {
        tracing_changes(broker, &(struct trace_cause){ .by = "answer", .session = session, .id = id });
    }
}

void tracing_handed(struct broker *broker, const struct batch *batch)
{
    if (broker->options.trace != NULL) {
        tracing_decided(broker, "time");
        trace_batch(broker->options.trace, tracing_desk(broker), broker->current_number, batch);
        broker->traced = NULL;
        broker->traced_out_ms = broker->now_ms;
    }
}

void tracing_durable(struct broker *broker, const struct batch *batch)
{
    if (broker->options.trace != NULL) {
        trace_durable(broker->options.trace, tracing_desk(broker), broker->current_number - 1, batch,
                      broker->now_ms - broker->traced_out_ms);
    }
}

void tracing_spoken(const struct broker *broker, uint64_t number, const void *frame, size_t frame_bytes)
{
    if (broker->options.trace != NULL) {
        trace_frame(broker->options.trace, TRACE_OUT, tracing_desk(broker), number, tracing_session(broker, number),
                    frame, frame_bytes);
    }
}
