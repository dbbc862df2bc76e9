// settle.c - what to do about a commit whose fate is not known: the same for every engine and harness.

#include "broker/store/engine.h"

#include "proto/base/must.h"

#include <inttypes.h>

enum doubt_end engine_judge_doubt(struct engine *engine, const struct batch *group, const struct store_position *found)
{
    const struct store_position *from = batch_from(group);
    const struct store_position *to = batch_group_to(group);

    if (found->epoch == from->epoch && found->sequence == from->sequence) {
        return DOUBT_NOT_WRITTEN;
    }
    if (found->epoch == from->epoch && found->sequence == to->sequence) {
        return DOUBT_WRITTEN;
    }
    snprintf(engine->reason, sizeof engine->reason,
             "after a commit in doubt the store is at epoch %" PRIu64 ", sequence %" PRIu64 ", where %" PRIu64
             ", %" PRIu64 " or %" PRIu64 " was expected: another broker has taken the desk over",
             found->epoch, found->sequence, from->epoch, from->sequence, to->sequence);
    return DOUBT_ELSEWHERE;
}

// Settles the doubt about a batch: STORE_OK when it is known whether it is on disk, and what is, is proven to stay.
static enum store_result settle(struct engine *engine, const struct batch *batch)
{
    struct store_position found;
    enum store_result result = engine->operations->position(engine, &found);

    if (result != STORE_OK) {
        return result;
    }
    switch (engine_judge_doubt(engine, batch, &found)) {
    case DOUBT_NOT_WRITTEN:
        return STORE_OK;
    case DOUBT_WRITTEN:
        return engine->operations->confirm(engine);
    default:
        return STORE_CONTRADICTED;
    }
}

enum store_result engine_attempt(struct engine *engine, struct batch *batch, bool *doubt)
{
    if (*doubt) {
        enum store_result settled = settle(engine, batch);
        if (settled != STORE_OK) {
            return settled;
        }
        *doubt = false;
    }
    enum store_result result = engine->operations->commit(engine, batch);
    if (result == STORE_IN_DOUBT) {
        *doubt = true;
    }
    return result;
}

void engine_attempt_together(struct share *const *shares, size_t count)
{
    must(count > 0);
    if (shares[0]->engine->operations->attempt_together != NULL) {
        shares[0]->engine->operations->attempt_together(shares, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        shares[i]->result = engine_attempt(shares[i]->engine, shares[i]->group, &shares[i]->doubt);
    }
}
