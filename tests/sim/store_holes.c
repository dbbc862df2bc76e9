// store_holes.c - holes in who has the desk and in what is durable: the linker puts these in front of the broker's own.
//
// Only the program simulation_holes has them (--wrap of the linker, in sim.cmake), so that nothing of it is left in
// what is shipped.  With no hole open each does what the one behind it does.

#include "tests/sim/holes.h"

#include "broker/ownership/lease_watch.h"
#include "broker/session/broker.h"
#include "broker/store/codec.h"

#define LATER_MS 1500
#define STILL_MS 800 // a counter stands still for less than a term

// A broker speaks for longer than its lease is valid.
void __real_broker_lease(struct broker *broker, int64_t until_ms, int64_t now_ms);
void __wrap_broker_lease(struct broker *broker, int64_t until_ms, int64_t now_ms);
void __wrap_broker_lease(struct broker *broker, int64_t until_ms, int64_t now_ms)
{
    __real_broker_lease(broker, until_ms + (hole_is_open(HOLE_LEASE_LAPSE, 0) ? LATER_MS : 0), now_ms);
}

// A desk is taken from an owner that may still speak.
bool __real_lease_watch_seen(struct lease_watch *watch, const struct lease_row *row, int64_t asked_ms,
                             int64_t answered_ms);
bool __wrap_lease_watch_seen(struct lease_watch *watch, const struct lease_row *row, int64_t asked_ms,
                             int64_t answered_ms);
bool __wrap_lease_watch_seen(struct lease_watch *watch, const struct lease_row *row, int64_t asked_ms,
                             int64_t answered_ms)
{
    bool is_free = __real_lease_watch_seen(watch, row, asked_ms, answered_ms);
    return is_free || (hole_is_open(HOLE_LEASE_WATCH, 0) && asked_ms - watch->since_ms >= STILL_MS);
}

// A renewal counts from its answer on; one that finds another's epoch is taken for ours; or is not heard.
void __real_lease_hold_answered(struct lease_hold *hold, bool ours, int64_t sent_ms);
void __wrap_lease_hold_answered(struct lease_hold *hold, bool ours, int64_t sent_ms);
void __wrap_lease_hold_answered(struct lease_hold *hold, bool ours, int64_t sent_ms)
{
    if (!ours && hole_is_open(HOLE_LEASE_FENCED, 0)) {
        return;
    }
    __real_lease_hold_answered(hold, ours || hole_is_open(HOLE_LEASE_OURS, 0),
                               sent_ms + (hole_is_open(HOLE_LEASE_ANSWER, 0) ? LATER_MS : 0));
}

// A desk is given up before all that was decided is durable and spoken.
bool __real_broker_stopped(const struct broker *broker);
bool __wrap_broker_stopped(const struct broker *broker);
void __real_broker_hand_over(struct broker *broker, const char **brokers, size_t broker_count, int64_t now_ms);
void __wrap_broker_hand_over(struct broker *broker, const char **brokers, size_t broker_count, int64_t now_ms);

static const struct broker *handing;

bool __wrap_broker_stopped(const struct broker *broker)
{
    bool early = handing == broker && hole_is_open(HOLE_HAND_OVER_DRAIN, 0);
    handing = early ? NULL : handing;
    return early || __real_broker_stopped(broker);
}

void __wrap_broker_hand_over(struct broker *broker, const char **brokers, size_t broker_count, int64_t now_ms)
{
    handing = broker;
    __real_broker_hand_over(broker, brokers, broker_count, now_ms);
}

// What is written is not compared with the epoch of the desk.
enum store_result __real_engine_attempt(struct engine *engine, struct batch *batch, bool *doubt);
enum store_result __wrap_engine_attempt(struct engine *engine, struct batch *batch, bool *doubt);
enum store_result __wrap_engine_attempt(struct engine *engine, struct batch *batch, bool *doubt)
{
    struct store_position found;
    if (hole_is_open(HOLE_STORE_FENCE, 0) && engine->operations->position(engine, &found) == STORE_OK &&
        found.sequence == batch_from(batch)->sequence) {
        struct store_position from = *batch_from(batch);
        struct store_position to = *batch_to(batch);
        from.epoch = to.epoch = found.epoch;
        batch_set_position(batch, &from, &to);
    }
    return __real_engine_attempt(engine, batch, doubt);
}

// Intake does not pause while the tables are behind.
void __real_broker_store_behind(struct broker *broker, bool behind);
void __wrap_broker_store_behind(struct broker *broker, bool behind);
void __wrap_broker_store_behind(struct broker *broker, bool behind)
{
    __real_broker_store_behind(broker, behind && !hole_is_open(HOLE_STORE_BEHIND, 0));
}

// What is applied is not what was decided.
bool __real_codec_next(struct codec_reader *reader, struct change *change);
bool __wrap_codec_next(struct codec_reader *reader, struct change *change);
bool __wrap_codec_next(struct codec_reader *reader, struct change *change)
{
    bool more = __real_codec_next(reader, change);
    if (more && change->kind == CHANGE_ITEM && hole_is_open(HOLE_JOURNAL_CODEC, 0)) {
        change->item.approval = false;
    }
    return more;
}
