// answered.c - the ring of remembered requests and the index that finds one in it; see answered.h.

#include "broker/desk/answered.h"

#include "proto/base/hash.h"
#include "proto/base/must.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define FORGOTTEN_AT_ONCE 4 // numbers that one request more lets go at most: the old go faster than new ones come

static const unsigned char hash_key[crypto_shorthash_KEYBYTES] = "behalf requests";

static uint64_t hash_of(const void *bytes, size_t count)
{
    uint64_t hash;
    crypto_shorthash((unsigned char *) &hash, bytes, count, hash_key);
    return hash;
}

static uint64_t key_of(const void *row)
{
    return ((const struct answered_row *) row)->key;
}

// Numbers are mixed, as a lookup wants keys that are spread.
static uint64_t number_key(uint64_t number)
{
    return hash_number(number);
}

static uint64_t number_of(const void *row)
{
    return number_key(((const struct answered_row *) row)->number);
}

static uint64_t request_key(const struct principal *principal, int64_t id)
{
    struct {
        uint64_t role, name;
        int64_t id;
    } parts = { hash_of(principal->role, strlen(principal->role)), hash_of(principal->name, strlen(principal->name)),
                id };
    return hash_of(&parts, sizeof parts);
}

void answered_init(struct answered *answered)
{
    *answered = (struct answered){ .pool.element_bytes = sizeof(struct answered_row) };
    words_init(&answered->words);
    answered->by_key = (struct lookup){ .pool = &answered->pool, .key = key_of };
    answered->by_number = (struct lookup){ .pool = &answered->pool, .key = number_of };
}

void answered_fini(struct answered *answered)
{
    lookup_fini(&answered->by_key);
    lookup_fini(&answered->by_number);
    pool_fini(&answered->pool);
    words_fini(&answered->words);
}

// That two requests have the same hash is as good as impossible, and costs the older one its being remembered.
const struct answered_row *answered_find(const struct answered *answered, const struct principal *principal, int64_t id,
                                         int64_t now_ms)
{
    const struct answered_row *row = lookup_find(&answered->by_key, request_key(principal, id));
    if (!row || row->id != id || now_ms - row->at_ms > REQUESTS_KEPT_MS ||
        strcmp(words_text(&answered->words, row->role), principal->role) != 0 ||
        strcmp(words_text(&answered->words, row->principal), principal->name) != 0)
        return NULL;
    return row;
}

static void forget(struct answered *answered, uint32_t place)
{
    const struct answered_row *row = pool_at(&answered->pool, place);
    words_drop(&answered->words, row->role);
    words_drop(&answered->words, row->principal);
    words_drop(&answered->words, row->state);
    lookup_remove(&answered->by_key, place);
    lookup_remove(&answered->by_number, place);
    pool_give(&answered->pool, place);
}

static void forget_old(struct answered *answered, int64_t now_ms)
{
    for (size_t i = 0; i < FORGOTTEN_AT_ONCE && answered->first < answered->next; i++) {
        uint32_t place = lookup_find_number(&answered->by_number, number_key(answered->first));
        bool overwritten = answered->first + REQUESTS_KEPT_MAX <= answered->next;
        if (place) {
            const struct answered_row *row = pool_at(&answered->pool, place);
            if (!overwritten && now_ms - row->at_ms <= REQUESTS_KEPT_MS)
                return;
            forget(answered, place);
        }
        answered->first++;
    }
}

static void keep(struct answered *answered, const struct request_record *record)
{
    const struct principal principal = { .role = record->role, .name = record->principal };
    uint32_t place;
    struct answered_row *row = pool_take(&answered->pool, &place);
    *row = (struct answered_row){
        .key = request_key(&principal, record->id),
        .number = record->number,
        .at_ms = record->at_ms,
        .id = record->id,
        .digest = record->digest,
        .item = record->item,
        .lease = record->lease,
        .reply = record->reply,
        .rules_version = record->rules_version,
        .role = words_keep(&answered->words, record->role),
        .principal = words_keep(&answered->words, record->principal),
        .state = words_keep(&answered->words, record->state),
        .type = behalf_type_from_name(record->type),
    };
    lookup_put(&answered->by_key, place);
    lookup_put(&answered->by_number, place);
}

void answered_keep(struct answered *answered, struct request_record *record)
{
    forget_old(answered, record->at_ms);
    record->number = answered->next++;
    record->slot = record->number % REQUESTS_KEPT_MAX;
    keep(answered, record);
}

bool answered_restore(struct answered *answered, const struct request_record *record)
{
    if (record->id <= 0 || record->slot != record->number % REQUESTS_KEPT_MAX || record->number >= INT64_MAX ||
        lookup_find_number(&answered->by_number, number_key(record->number)))
        return false;
    if (!answered->pool.count || record->number < answered->first)
        answered->first = record->number;
    if (record->number >= answered->next)
        answered->next = record->number + 1;
    keep(answered, record);
    return true;
}

uint64_t answered_digest(const struct behalf_message *request)
{
    struct behalf_message body = *request;
    struct behalf_fault fault;
    size_t bytes;
    body.id = 0; // in the form that we give it: how the client wrote its numbers does not matter
    void *frame = behalf_message_encode(&body, &bytes, &fault);
    must(frame); // it was decoded, and our form is the shortest
    uint64_t digest = hash_of(frame, bytes);
    free(frame);
    return digest ? digest : 1;
}

void answered_check(const struct answered *answered)
{
    must(answered->pool.count == answered->by_key.count && answered->pool.count == answered->by_number.count);
    must(answered->pool.count <= REQUESTS_KEPT_MAX);
    size_t place = 0;
    for (const struct answered_row *row; (row = lookup_next(&answered->by_number, &place));)
        must(row->number >= answered->first && row->number < answered->next && row->id > 0);
}
