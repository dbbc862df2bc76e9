// ledger.c - the replies by number, and the order in which they are to be told: see ledger.h.

#include "worker/connect/ledger.h"

#include "proto/base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct settled {
    int64_t reply;
    int64_t attempt;
    char fate[16];
};

struct ledger {
    struct reply replies[LEDGER_REPLIES_MAX]; // the first `count`, in the order they came
    size_t count;
    struct settled settled[LEDGER_SETTLED_MAX]; // a ring
    size_t settled_count;                       // ever
};

struct ledger *ledger_new(void)
{
    struct ledger *ledger = calloc(1, sizeof *ledger);
    must(ledger != NULL);
    return ledger;
}

void ledger_destroy(struct ledger **ledger_p)
{
    struct ledger *ledger = *ledger_p;
    if (ledger == NULL) {
        return;
    }
    for (size_t i = 0; i < ledger->count; i++) {
        behalf_message_destroy(&ledger->replies[i].message);
    }
    free(ledger);
    *ledger_p = NULL;
}

struct reply *ledger_find(struct ledger *ledger, int64_t reply)
{
    for (size_t i = 0; i < ledger->count; i++) {
        if (ledger->replies[i].message->reply.reply == reply) {
            return &ledger->replies[i];
        }
    }
    return NULL;
}

struct reply *ledger_first(struct ledger *ledger, enum reply_state state)
{
    for (size_t i = 0; i < ledger->count; i++) {
        if (ledger->replies[i].state == state) {
            return &ledger->replies[i];
        }
    }
    return NULL;
}

size_t ledger_count(const struct ledger *ledger)
{
    return ledger->count;
}

static const struct settled *ledger_find_settled(const struct ledger *ledger, const struct behalf_reply *reply)
{
    size_t kept = ledger->settled_count < LEDGER_SETTLED_MAX ? ledger->settled_count : LEDGER_SETTLED_MAX;
    for (size_t i = 0; i < kept; i++) {
        if (ledger->settled[i].reply == reply->reply && ledger->settled[i].attempt >= reply->attempt) {
            return &ledger->settled[i];
        }
    }
    return NULL;
}

static void ledger_forget(struct ledger *ledger, struct reply *reply)
{
    const struct behalf_reply *body = &reply->message->reply;
    struct settled *settled = &ledger->settled[ledger->settled_count++ % LEDGER_SETTLED_MAX];
    *settled = (struct settled){ .reply = body->reply, .attempt = body->attempt };
    memcpy(settled->fate, reply->fate, sizeof settled->fate);

    behalf_message_destroy(&reply->message);
    size_t at = (size_t) (reply - ledger->replies);
    memmove(reply, reply + 1, (ledger->count - at - 1) * sizeof *reply);
    ledger->count--;
}

// Told as of unknown fate, and handed out once more before that was answered: the answer is only late.
static bool ledger_is_handed_anew(const struct reply *known, const struct behalf_reply *body)
{
    return known->state == REPLY_SETTLING && strcmp(known->fate, "unknown") == 0 &&
           known->message->reply.attempt < body->attempt;
}

enum ledger_entry ledger_take(struct ledger *ledger, struct behalf_message **message_p, const char **fate)
{
    const struct behalf_reply *body = &(*message_p)->reply;
    struct reply *known = ledger_find(ledger, body->reply);
    if (known != NULL && ledger_is_handed_anew(known, body)) {
        ledger_forget(ledger, known);
        known = NULL;
    }
    if (known != NULL) {
        if (known->state == REPLY_WITHHELD) {
            known->state = REPLY_WAITING;
        }
        known->message->reply.attempt = body->attempt;
        return LEDGER_KNOWN;
    }
    const struct settled *settled = ledger_find_settled(ledger, body);
    if (settled != NULL) {
        *fate = settled->fate;
        return LEDGER_SETTLED;
    }
    if (ledger->count == LEDGER_REPLIES_MAX) {
        return LEDGER_FULL;
    }
    ledger->replies[ledger->count++] = (struct reply){ .message = *message_p, .state = REPLY_WAITING };
    *message_p = NULL;
    return LEDGER_NEW;
}

void ledger_settling(struct ledger *ledger, struct reply *reply, const char *fate, int64_t settle_id)
{
    (void) ledger;
    must(reply->state != REPLY_SETTLING);
    reply->state = REPLY_SETTLING;
    reply->settle_id = settle_id;
    snprintf(reply->fate, sizeof reply->fate, "%s", fate);
}

bool ledger_settled(struct ledger *ledger, int64_t settle_id)
{
    for (size_t i = 0; i < ledger->count; i++) {
        struct reply *reply = &ledger->replies[i];
        if (reply->state == REPLY_SETTLING && reply->settle_id == settle_id) {
            ledger_forget(ledger, reply);
            return true;
        }
    }
    return false;
}

void ledger_withhold(struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->count; i++) {
        if (ledger->replies[i].state == REPLY_WAITING) {
            ledger->replies[i].state = REPLY_WITHHELD;
        }
    }
}
