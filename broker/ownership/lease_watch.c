// lease_watch.c - whether a counter has stood still, and until when our own lease is valid: see lease_watch.h.

#include "broker/ownership/lease_watch.h"

bool lease_watch_seen(struct lease_watch *watch, const struct lease_row *row, int64_t asked_ms, int64_t answered_ms)
{
    bool moved = !watch->watching || row->epoch != watch->epoch || row->renewals != watch->renewals;

    if (moved) {
        *watch = (struct lease_watch){
            .watching = true, .epoch = row->epoch, .renewals = row->renewals, .since_ms = answered_ms
        };
    }
    int64_t still_ms = moved ? 0 : asked_ms - watch->since_ms;
    watch->quiet = still_ms >= LEASE_QUIET_MS;
    return !row->held || still_ms >= LEASE_TTL_MS + LEASE_MARGIN_MS;
}

void lease_watch_lost(struct lease_watch *watch)
{
    *watch = (struct lease_watch){ 0 };
}

void lease_hold_begin(struct lease_hold *hold, uint64_t epoch, int64_t sent_ms)
{
    *hold = (struct lease_hold){ .epoch = epoch, .until_ms = sent_ms + LEASE_TTL_MS };
}

void lease_hold_answered(struct lease_hold *hold, bool ours, int64_t sent_ms)
{
    if (!ours) {
        hold->fenced = true;
    } else if (sent_ms + LEASE_TTL_MS > hold->until_ms) {
        hold->until_ms = sent_ms + LEASE_TTL_MS;
    }
}

bool lease_hold_is_valid(const struct lease_hold *hold, int64_t now_ms)
{
    return !hold->fenced && now_ms < hold->until_ms;
}
