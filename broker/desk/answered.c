// answered.c - the remembered requests, the index that finds one, and the lists by which they go; see answered.h.

#include "broker/desk/answered.h"

#include "proto/base/hash.h"
#include "proto/base/must.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define FORGOTTEN_AT_ONCE 4 // that one request more lets go at most: the old go faster than new ones come

static const unsigned char answered_hash_key[crypto_shorthash_KEYBYTES] = "behalf requests";

static uint64_t answered_hash_of(const void *bytes, size_t count)
{
    uint64_t hash;
    crypto_shorthash((unsigned char *) &hash, bytes, count, answered_hash_key);
    return hash;
}

static uint64_t answered_key_of(const void *row)
{
    return ((const struct answered_row *) row)->key;
}

// Words are numbered: mixed, as a lookup wants keys that are spread.
static uint64_t answered_owner_key(uint32_t role, uint32_t name)
{
    return hash_number((uint64_t) role << 32 | name);
}

static uint64_t answered_key_of_owner(const void *owner)
{
    return ((const struct answered_owner *) owner)->key;
}

static struct answered_row *answered_row_at(const struct answered *answered, uint32_t place)
{
    return pool_at(&answered->pool, place);
}

static uint64_t answered_request_key(const struct principal *principal, int64_t id)
{
    struct {
        uint64_t role, name;
        int64_t id;
    } parts = { answered_hash_of(principal->role, strlen(principal->role)),
                answered_hash_of(principal->name, strlen(principal->name)), id };
    return answered_hash_of(&parts, sizeof parts);
}

void answered_init(struct answered *answered)
{
    *answered = (struct answered){ .pool.element_bytes = sizeof(struct answered_row) };
    words_init(&answered->words);
    answered->by_key = (struct lookup){ .pool = &answered->pool, .key = answered_key_of };
    answered->owners = (struct pool){ .element_bytes = sizeof(struct answered_owner) };
    answered->owners_by_key = (struct lookup){ .pool = &answered->owners, .key = answered_key_of_owner };
}

void answered_fini(struct answered *answered)
{
    lookup_fini(&answered->by_key);
    lookup_fini(&answered->owners_by_key);
    pool_fini(&answered->owners);
    pool_fini(&answered->pool);
    words_fini(&answered->words);
}

// That two requests have the same hash is as good as impossible, and costs the older one its being remembered.
const struct answered_row *answered_find(const struct answered *answered, const struct principal *principal, int64_t id,
                                         int64_t now_ms)
{
    const struct answered_row *row = lookup_find(&answered->by_key, answered_request_key(principal, id));
    if (row == NULL || row->id != id || now_ms - row->at_ms > REQUESTS_KEPT_MS ||
        strcmp(words_text(&answered->words, row->role), principal->role) != 0 ||
        strcmp(words_text(&answered->words, row->principal), principal->name) != 0) {
        return NULL;
    }
    return row;
}

// ---- lists ----

static struct answered_links *answered_links_of(const struct answered *answered, uint32_t place, bool of_one)
{
    struct answered_row *row = answered_row_at(answered, place);
    return of_one ? &row->of_one : &row->of_all;
}

static void answered_append(const struct answered *answered, struct answered_list *list, uint32_t place, bool of_one)
{
    *answered_links_of(answered, place, of_one) = (struct answered_links){ .previous = list->last };
    if (list->last) {
        answered_links_of(answered, list->last, of_one)->next = place;
    } else {
        list->first = place;
    }
    list->last = place;
    list->count++;
}

static void answered_leave(const struct answered *answered, struct answered_list *list, uint32_t place, bool of_one)
{
    struct answered_links links = *answered_links_of(answered, place, of_one);
    if (links.previous) {
        answered_links_of(answered, links.previous, of_one)->next = links.next;
    } else {
        list->first = links.next;
    }
    if (links.next) {
        answered_links_of(answered, links.next, of_one)->previous = links.previous;
    } else {
        list->last = links.previous;
    }
    list->count--;
}

// ---- principals ----

static uint32_t answered_require_owner(struct answered *answered, const struct answered_row *row)
{
    uint64_t key = answered_owner_key(row->role, row->principal);
    uint32_t place = lookup_find_number(&answered->owners_by_key, key);
    if (!place) {
        struct answered_owner *owner = pool_take(&answered->owners, &place);
        owner->key = key;
        lookup_put(&answered->owners_by_key, place);
    }
    return place;
}

static struct answered_owner *owner_of(const struct answered *answered, const struct answered_row *row)
{
    return pool_at(&answered->owners, row->owner);
}

// ---- slots ----

static bool is_used(const struct answered *answered, uint64_t slot)
{
    return answered->used[slot / 64] >> slot % 64 & 1;
}

// Asserts: not all are used.  The one that has been free for longest, as far as they go round.
static uint64_t answered_free_slot(struct answered *answered)
{
    uint64_t slot = answered->next_slot;
    must(answered->all.count < REQUESTS_KEPT_MAX);
    while (is_used(answered, slot)) {
        slot = (answered->used[slot / 64] == UINT64_MAX ? (slot / 64 + 1) * 64 : slot + 1) % REQUESTS_KEPT_MAX;
    }
    answered->next_slot = (uint32_t) ((slot + 1) % REQUESTS_KEPT_MAX);
    return slot;
}

// ---- keeping and forgetting ----

// Returns the slot that is free then.
static uint64_t answered_forget(struct answered *answered, uint32_t place)
{
    const struct answered_row *row = answered_row_at(answered, place);
    struct answered_owner *owner = owner_of(answered, row);
    uint32_t owner_place = row->owner;
    uint32_t slot = row->slot;
    answered_leave(answered, &answered->all, place, false);
    answered_leave(answered, &owner->list, place, true);
    if (!owner->list.count) {
        lookup_remove(&answered->owners_by_key, owner_place);
        pool_give(&answered->owners, owner_place);
    }
    answered->used[slot / 64] &= ~(UINT64_C(1) << slot % 64);
    words_drop(&answered->words, row->role);
    words_drop(&answered->words, row->principal);
    words_drop(&answered->words, row->state);
    lookup_remove(&answered->by_key, place);
    pool_give(&answered->pool, place);
    return slot;
}

static void answered_forget_old(struct answered *answered, int64_t now_ms)
{
    for (size_t i = 0; i < FORGOTTEN_AT_ONCE && answered->all.first; i++) {
        if (now_ms - answered_row_at(answered, answered->all.first)->at_ms <= REQUESTS_KEPT_MS) {
            return;
        }
        answered_forget(answered, answered->all.first);
    }
}

static void keep(struct answered *answered, const struct request_record *record)
{
    const struct principal principal = { .role = record->role, .name = record->principal };
    uint32_t place;
    struct answered_row *row = pool_take(&answered->pool, &place);
    *row = (struct answered_row){
        .key = answered_request_key(&principal, record->id),
        .number = record->number,
        .at_ms = record->at_ms,
        .id = record->id,
        .digest = record->digest,
        .item = record->item,
        .lease = record->lease,
        .reply = record->reply,
        .rules_version = record->rules_version,
        .slot = (uint32_t) record->slot,
        .role = words_keep(&answered->words, record->role),
        .principal = words_keep(&answered->words, record->principal),
        .state = words_keep(&answered->words, record->state),
        .type = behalf_type_from_name(record->type),
    };
    row->owner = answered_require_owner(answered, row);
    answered->used[record->slot / 64] |= UINT64_C(1) << record->slot % 64;
    answered_append(answered, &answered->all, place, false);
    answered_append(answered, &owner_of(answered, row)->list, place, true);
    lookup_put(&answered->by_key, place);
}

// A slot for one more of this principal: of its own oldest when it has its share, else a free one, else of the oldest
// of all.  What was in a slot is at least REQUESTS_OF_ONE_MAX requests old.
static uint64_t answered_make_room(struct answered *answered, const struct request_record *record)
{
    uint32_t role = words_keep(&answered->words, record->role);
    uint32_t name = words_keep(&answered->words, record->principal);
    const struct answered_owner *owner = lookup_find(&answered->owners_by_key, answered_owner_key(role, name));
    words_drop(&answered->words, role);
    words_drop(&answered->words, name);
    if (owner != NULL && owner->list.count >= REQUESTS_OF_ONE_MAX) {
        return answered_forget(answered, owner->list.first);
    }
    return answered->all.count < REQUESTS_KEPT_MAX ? answered_free_slot(answered)
                                                   : answered_forget(answered, answered->all.first);
}

void answered_keep(struct answered *answered, struct request_record *record)
{
    answered_forget_old(answered, record->at_ms);
    record->number = answered->next++;
    record->slot = answered_make_room(answered, record);
    keep(answered, record);
}

bool answered_restore(struct answered *answered, const struct request_record *record)
{
    if (record->id <= 0 || record->slot >= REQUESTS_KEPT_MAX || record->number >= INT64_MAX ||
        is_used(answered, record->slot)) {
        return false;
    }
    if (record->number >= answered->next) {
        answered->next = record->number + 1;
        answered->next_slot = (uint32_t) ((record->slot + 1) % REQUESTS_KEPT_MAX);
    }
    keep(answered, record);
    return true;
}

struct numbered {
    uint64_t number;
    uint32_t place;
};

static int answered_compare_numbers(const void *one, const void *other)
{
    uint64_t first = ((const struct numbered *) one)->number;
    uint64_t second = ((const struct numbered *) other)->number;
    return first < second ? -1 : first > second;
}

void answered_restored(struct answered *answered)
{
    size_t count = 0;
    struct numbered *rows = calloc(answered->all.count + 1, sizeof *rows);
    must(rows);
    for (uint32_t place = answered->all.first; place; place = answered_row_at(answered, place)->of_all.next) {
        rows[count++] = (struct numbered){ answered_row_at(answered, place)->number, place };
    }
    qsort(rows, count, sizeof *rows, answered_compare_numbers);
    for (size_t i = 0; i < count; i++) {
        struct answered_owner *owner = owner_of(answered, answered_row_at(answered, rows[i].place));
        answered_leave(answered, &owner->list, rows[i].place, true);
        answered_leave(answered, &answered->all, rows[i].place, false);
        answered_append(answered, &owner->list, rows[i].place, true);
        answered_append(answered, &answered->all, rows[i].place, false);
    }
    free(rows);
}

uint64_t answered_digest(const struct behalf_message *request)
{
    struct behalf_message body = *request;
    struct behalf_fault fault;
    size_t bytes;
    body.id = 0; // in the form that we give it: how the client wrote its numbers does not matter
    void *frame = behalf_message_encode(&body, &bytes, &fault);
    must(frame); // it was decoded, and our form is the shortest
    uint64_t digest = answered_hash_of(frame, bytes);
    free(frame);
    return digest ? digest : 1;
}

void answered_check(const struct answered *answered)
{
    size_t of_owners = 0;
    size_t place = 0;
    uint64_t last = 0;
    must(answered->pool.count == answered->by_key.count && answered->pool.count == answered->all.count);
    must(answered->pool.count <= REQUESTS_KEPT_MAX && answered->owners.count == answered->owners_by_key.count);
    for (uint32_t at = answered->all.first; at; at = answered_row_at(answered, at)->of_all.next) {
        const struct answered_row *row = answered_row_at(answered, at);
        must(row->number >= last && row->number < answered->next && row->id > 0);
        must(is_used(answered, row->slot) && owner_of(answered, row)->list.count > 0);
        last = row->number;
    }
    for (const struct answered_owner *owner; (owner = lookup_next(&answered->owners_by_key, &place));) {
        of_owners += owner->list.count;
    }
    must(of_owners == answered->all.count);
}
