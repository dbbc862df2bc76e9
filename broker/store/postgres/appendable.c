// appendable.c - what a group would break in its tables, found by names in the journal and in the tables.
//
// Names are kept as hashes of 64 bits with the sequence of their group; those that the tables know by now, and will
// still know after a crash, are dropped when room is made.  Customers choose what posts are called: the hash has a key,
// so that nobody can make two of one.
//
// What ended of the items to which this broker gave their numbers is known here, a bit each, of the newest of them:
// no table is asked.

#include "broker/store/postgres/appendable.h"

#include "proto/base/must.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 256
#define ENDED_ITEMS ((uint64_t) 1 << 18) // numbers that have a bit; a power of two
#define KEY_BYTES_MAX 2000               // of texts in a key: an entry of an index may have 2,704, with its numbers

// What a name is of.
enum name_kind { NAME_POST, NAME_NUMBER, NAME_REPLY, NAME_OUTCOME, NAME_RULES };

struct name {
    uint64_t hash;     // 0: free
    uint64_t sequence; // of its group
    union {
        int64_t taken_ms; // POST
        uint64_t number;  // NUMBER: the highest of the item
    } last;
};

// By linear probing, at most half full.
struct names {
    struct name *places;
    size_t room; // a power of two, or 0
    size_t count;
};

static const enum sql checks[] = {
    SQL_CHECK_NAMES_NEW,     SQL_CHECK_NAMES_KNOWN,  SQL_CHECK_NUMBERS_NEW, SQL_CHECK_POSTS_NEW,
    SQL_CHECK_REPLIES_KNOWN, SQL_CHECK_OUTCOMES_NEW, SQL_CHECK_RULES_NEW,
};
#define CHECK_COUNT (sizeof checks / sizeof *checks)

// Which have ended, of the items from `first` on, as far as they are not older than ENDED_ITEMS numbers.
struct ended {
    uint64_t first; // number that was given since the desk was taken over; 0: not known
    uint64_t next;  // which is to be given next
    uint8_t *bits;
    uint64_t *group; // of the group last looked at
    size_t group_count;
    size_t group_room;
};

struct appendable {
    struct names journal; // in it, and perhaps not in the tables
    struct names group;   // of the group last looked at
    unsigned char key[crypto_shorthash_KEYBYTES];
    uint64_t settled;     // so far the tables have come for good
    uint64_t to;          // of that group
    uint64_t next_id;     // before it: items from here on have no posts yet
    uint64_t next_id_to;  // and after it
    uint64_t last_event;  // the highest sequence of an event in the journal; 0: not known
    uint64_t group_event; // and in that group
    struct ended ended;
    struct rows rows[CHECK_COUNT];
};

struct appendable *appendable_new(void)
{
    struct appendable *appendable = calloc(1, sizeof *appendable);

    must(appendable != NULL);
    must(sodium_init() >= 0);
    randombytes_buf(appendable->key, sizeof appendable->key);
    return appendable;
}

void appendable_destroy(struct appendable **appendable_p)
{
    struct appendable *appendable = *appendable_p;

    if (appendable != NULL) {
        for (size_t i = 0; i < CHECK_COUNT; i++) {
            rows_fini(&appendable->rows[i]);
        }
        free(appendable->journal.places);
        free(appendable->group.places);
        free(appendable->ended.bits);
        free(appendable->ended.group);
        free(appendable);
        *appendable_p = NULL;
    }
}

static struct rows *appendable_rows_of(struct appendable *appendable, enum sql check)
{
    for (size_t i = 0; i < CHECK_COUNT; i++) {
        if (checks[i] == check) {
            return &appendable->rows[i];
        }
    }
    must(false);
    return NULL;
}

// ---- names ----

static uint64_t appendable_hash_of(const struct appendable *appendable, const void *bytes, size_t count)
{
    unsigned char hash[crypto_shorthash_BYTES];
    uint64_t number = 0;

    (void) crypto_shorthash(hash, bytes, count, appendable->key);
    static_assert(sizeof hash == sizeof number, "SipHash has 64 bits");
    memcpy(&number, hash, sizeof number);
    return number == 0 ? 1 : number;
}

static uint64_t appendable_name_of(const struct appendable *appendable, enum name_kind kind, uint64_t first,
                                   uint64_t second, uint64_t third)
{
    const uint64_t parts[] = { (uint64_t) kind, first, second, third };

    return appendable_hash_of(appendable, parts, sizeof parts);
}

static uint64_t appendable_name_of_post(const struct appendable *appendable, const char *channel, const char *post,
                                        const char *brand)
{
    return appendable_name_of(appendable, NAME_POST, appendable_hash_of(appendable, channel, strlen(channel)),
                              appendable_hash_of(appendable, post, strlen(post)),
                              appendable_hash_of(appendable, brand, strlen(brand)));
}

static struct name *appendable_place_of(const struct names *names, uint64_t hash)
{
    size_t at = (size_t) (hash >> 20) & (names->room - 1);

    while (names->places[at].hash != 0 && names->places[at].hash != hash) {
        at = (at + 1) & (names->room - 1);
    }
    return &names->places[at];
}

static struct name *appendable_find(const struct names *names, uint64_t hash)
{
    if (names->room == 0) {
        return NULL;
    }
    struct name *name = appendable_place_of(names, hash);
    return name->hash == 0 ? NULL : name;
}

// Room for more, without those of groups that the tables have.
static void appendable_make_room(struct names *names, uint64_t settled)
{
    struct names old = *names;
    size_t kept = 0;

    for (size_t i = 0; i < old.room; i++) {
        kept += old.places[i].hash != 0 && old.places[i].sequence > settled;
    }
    *names = (struct names){ .room = ROOM_FIRST };
    while (names->room < kept * 4) {
        names->room *= 2;
    }
    names->places = calloc(names->room, sizeof *names->places);
    must(names->places != NULL);
    for (size_t i = 0; i < old.room; i++) {
        if (old.places[i].hash != 0 && old.places[i].sequence > settled) {
            *appendable_place_of(names, old.places[i].hash) = old.places[i];
            names->count++;
        }
    }
    free(old.places);
}

static void appendable_put(struct names *names, uint64_t settled, const struct name *name)
{
    if ((names->count + 1) * 2 > names->room) {
        appendable_make_room(names, settled);
    }
    struct name *place = appendable_place_of(names, name->hash);
    names->count += place->hash == 0;
    *place = *name;
}

static void clear(struct names *names)
{
    free(names->places);
    *names = (struct names){ 0 };
}

// In the group, or in the journal and perhaps not in the tables.
static const struct name *appendable_find_either(const struct appendable *appendable, uint64_t hash)
{
    const struct name *name = appendable_find(&appendable->group, hash);

    if (name == NULL) {
        name = appendable_find(&appendable->journal, hash);
        name = name != NULL && name->sequence <= appendable->settled ? NULL : name;
    }
    return name;
}

static void appendable_add(struct appendable *appendable, uint64_t hash)
{
    appendable_put(&appendable->group, 0, &(struct name){ .hash = hash, .sequence = appendable->to });
}

static void appendable_add_post(struct appendable *appendable, uint64_t hash, int64_t taken_ms)
{
    appendable_put(&appendable->group, 0,
                   &(struct name){ .hash = hash, .sequence = appendable->to, .last.taken_ms = taken_ms });
}

// ---- items that have ended ----

static uint8_t *ended_byte_of(const struct ended *ended, uint64_t item, uint8_t *bit)
{
    uint64_t at = item & (ENDED_ITEMS - 1);

    *bit = (uint8_t) (1u << (at & 7));
    return &ended->bits[at >> 3];
}

// Numbers are given up to before `next` from now on.
static void ended_advance(struct ended *ended, uint64_t next)
{
    uint8_t bit;

    if (ended->bits == NULL) {
        ended->bits = calloc(ENDED_ITEMS / 8, 1);
        must(ended->bits != NULL);
    }
    if (next > ended->next + ENDED_ITEMS) {
        memset(ended->bits, 0, ENDED_ITEMS / 8);
        ended->next = next;
    }
    for (; ended->next < next; ended->next++) {
        uint8_t *byte = ended_byte_of(ended, ended->next, &bit);
        *byte = (uint8_t) (*byte & ~bit);
    }
}

// Whether it is known here if the item had ended before the group.
static bool ended_knows(const struct ended *ended, uint64_t item, uint64_t next_id_to)
{
    return ended->first > 0 && item >= ended->first && item < next_id_to && item + ENDED_ITEMS > next_id_to;
}

static bool ended_has(const struct ended *ended, uint64_t item)
{
    uint8_t bit;

    // Of what has its number from this very group nothing has ended before.
    return item < ended->next && (*ended_byte_of(ended, item, &bit) & bit) != 0;
}

static void ended_add(struct ended *ended, uint64_t item)
{
    if (ended->group_count == ended->group_room) {
        ended->group_room = ended->group_room == 0 ? 64 : ended->group_room * 2;
        ended->group = realloc(ended->group, ended->group_room * sizeof *ended->group);
        must(ended->group != NULL);
    }
    ended->group[ended->group_count++] = item;
}

// The group is in the journal.
static void ended_note(struct ended *ended, uint64_t next_id_to)
{
    uint8_t bit;

    ended_advance(ended, next_id_to);
    for (size_t i = 0; i < ended->group_count; i++) {
        if (ended_knows(ended, ended->group[i], next_id_to)) {
            uint8_t *byte = ended_byte_of(ended, ended->group[i], &bit);
            *byte = (uint8_t) (*byte | bit);
        }
    }
    ended->group_count = 0;
}

// ---- texts of keys ----

// Texts that are not UTF-8 are written with question marks in their place; then names that differ may be one.
static const char *appendable_look_at_key(const char *first, const char *second, const char *third)
{
    if (!rows_is_clean(first) || !rows_is_clean(second) || !rows_is_clean(third)) {
        return "a name that is not UTF-8";
    }
    return strlen(first) + strlen(second) + strlen(third) > KEY_BYTES_MAX ? "a name that is too long" : NULL;
}

// ---- changes ----

// Whether the item, as it is written with the post, counts it: then the item in the tables counts all those before.
static bool appendable_is_counted(const struct change *post, uint64_t item, uint64_t number)
{
    for (const struct change *change = post->next; change != NULL; change = change->next) {
        if (change->kind == CHANGE_ITEM && change->item.item == item) {
            return change->item.numbered >= number;
        }
    }
    return false;
}

// Numbers of an item's posts ascend.  Few are asked of the tables: most posts begin an item, or follow on one that is
// still known here.  The item tells, so that no partition of posts has to be opened.
static const char *appendable_look_at_number(struct appendable *appendable, const struct change *change, uint64_t item,
                                             uint64_t number, int64_t taken_ms)
{
    uint64_t hash = appendable_name_of(appendable, NAME_NUMBER, item, 0, 0);
    const struct name *before = appendable_find_either(appendable, hash);

    if (item >= appendable->next_id_to) {
        return "a post of an item whose number was not given yet";
    }
    if (before != NULL && number <= before->last.number) {
        return "a number of a post was given twice";
    }
    if (before == NULL && item < appendable->next_id) {
        bool counted = appendable_is_counted(change, item, number);
        struct rows *rows = appendable_rows_of(appendable, counted ? SQL_CHECK_NUMBERS_NEW : SQL_CHECK_POSTS_NEW);
        rows_id(rows, item);
        rows_id(rows, number);
        if (!counted) {
            rows_number(rows, taken_ms);
        }
        rows_end(rows);
    }
    appendable_put(&appendable->group, 0,
                   &(struct name){ .hash = hash, .sequence = appendable->to, .last.number = number });
    return NULL;
}

static const char *appendable_look_at_post(struct appendable *appendable, const struct change *change)
{
    const struct post_record *post = &change->post;
    uint64_t name = appendable_name_of_post(appendable, post->channel, post->post, post->brand);
    const struct name *before = appendable_find_either(appendable, name);
    const char *trouble = appendable_look_at_key(post->channel, post->post, post->brand);

    if (trouble != NULL) {
        return trouble;
    }
    if (before != NULL && before->last.taken_ms >= post->taken_ms - STORE_NAME_MS) {
        return "a post was taken twice";
    }
    if (before == NULL) {
        struct rows *rows = appendable_rows_of(appendable, SQL_CHECK_NAMES_NEW);
        rows_text(rows, post->channel);
        rows_text(rows, post->post);
        rows_text(rows, post->brand);
        rows_number(rows, post->taken_ms);
        rows_end(rows);
    }
    appendable_add_post(appendable, name, post->taken_ms);
    return appendable_look_at_number(appendable, change, post->item, post->number, post->taken_ms);
}

static const char *appendable_require_post(struct appendable *appendable, const char *channel, const char *post,
                                           const char *brand)
{
    const char *trouble = appendable_look_at_key(channel, post, brand);

    if (trouble == NULL &&
        appendable_find_either(appendable, appendable_name_of_post(appendable, channel, post, brand)) == NULL) {
        struct rows *rows = appendable_rows_of(appendable, SQL_CHECK_NAMES_KNOWN);
        rows_text(rows, channel);
        rows_text(rows, post);
        rows_text(rows, brand);
        rows_end(rows);
    }
    return trouble;
}

static const char *appendable_look_at_again(struct appendable *appendable, const struct change *change)
{
    const struct post_again_record *again = &change->post_again;
    const char *trouble = appendable_require_post(appendable, again->channel, again->post, again->brand);

    if (trouble != NULL) {
        return trouble;
    }
    appendable_add_post(appendable, appendable_name_of_post(appendable, again->channel, again->post, again->brand),
                        again->taken_ms);
    return appendable_look_at_number(appendable, change, again->item, again->number, again->taken_ms);
}

static const char *appendable_look_at_reply(struct appendable *appendable, const struct reply_record *reply)
{
    uint64_t name = appendable_name_of(appendable, NAME_REPLY, reply->reply, 0, 0);

    if (reply->text != NULL) {
        appendable_add(appendable, name);
    } else if (appendable_find_either(appendable, name) == NULL) {
        struct rows *rows = appendable_rows_of(appendable, SQL_CHECK_REPLIES_KNOWN);
        rows_id(rows, reply->reply);
        rows_end(rows);
    }
    return NULL;
}

static const char *appendable_look_at_rules(struct appendable *appendable, uint64_t version)
{
    uint64_t name = appendable_name_of(appendable, NAME_RULES, version, 0, 0);

    if (appendable_find_either(appendable, name) != NULL) {
        return "a version of the rules was given twice";
    }
    appendable_add(appendable, name);
    rows_id(appendable_rows_of(appendable, SQL_CHECK_RULES_NEW), version);
    rows_end(appendable_rows_of(appendable, SQL_CHECK_RULES_NEW));
    return NULL;
}

// They ascend, from one group to the next too.
static const char *appendable_look_at_event(struct appendable *appendable, uint64_t sequence)
{
    if (sequence <= appendable->group_event) {
        return "an event has the sequence of one before it";
    }
    if (sequence > appendable->to) {
        return "an event has a sequence of one to come";
    }
    appendable->group_event = sequence;
    return NULL;
}

// The tables have how long it took, which must be a number.
static const char *appendable_look_at_outcome(struct appendable *appendable, const struct outcome_record *outcome)
{
    if (outcome->created_ms < 0 || outcome->created_ms > BEHALF_TIME_MAX || outcome->closed_ms < 0 ||
        outcome->closed_ms > BEHALF_TIME_MAX) {
        return "an outcome outside of all time";
    }
    uint64_t name = appendable_name_of(appendable, NAME_OUTCOME, outcome->item, 0, 0);
    bool knows = ended_knows(&appendable->ended, outcome->item, appendable->next_id_to);
    if (appendable_find_either(appendable, name) != NULL || (knows && ended_has(&appendable->ended, outcome->item))) {
        return "an item ended twice";
    }
    if (!knows) {
        rows_id(appendable_rows_of(appendable, SQL_CHECK_OUTCOMES_NEW), outcome->item);
        rows_end(appendable_rows_of(appendable, SQL_CHECK_OUTCOMES_NEW));
    }
    appendable_add(appendable, name);
    ended_add(&appendable->ended, outcome->item);
    return NULL;
}

static const char *appendable_look_at_change(struct appendable *appendable, const struct change *change)
{
    switch (change->kind) {
    case CHANGE_POST:
        return appendable_look_at_post(appendable, change);
    case CHANGE_POST_CHANGE:
        return appendable_require_post(appendable, change->post_change.channel, change->post_change.post,
                                       change->post_change.brand);
    case CHANGE_POST_AGAIN:
        return appendable_look_at_again(appendable, change);
    case CHANGE_EARLY:
    case CHANGE_EARLY_GONE:
        return appendable_look_at_key(change->early.channel, change->early.post, "");
    case CHANGE_FREEZE:
        return appendable_look_at_key(change->freeze.brand, "", "");
    case CHANGE_REPLY:
        return appendable_look_at_reply(appendable, &change->reply);
    case CHANGE_EVENT:
        return appendable_look_at_event(appendable, change->event.sequence);
    case CHANGE_OUTCOME:
        return appendable_look_at_outcome(appendable, &change->outcome);
    case CHANGE_RULES:
        return appendable_look_at_rules(appendable, change->rules.version);
    default:
        return NULL; // written over what there is
    }
}

const char *appendable_look(struct appendable *appendable, struct batch *group)
{
    const char *trouble = NULL;
    uint64_t from = batch_from(group)->sequence;

    clear(&appendable->group);
    for (size_t i = 0; i < CHECK_COUNT; i++) {
        rows_clear(&appendable->rows[i]);
    }
    appendable->to = batch_group_to(group)->sequence;
    appendable->next_id = batch_from(group)->next_id;
    appendable->next_id_to = batch_group_to(group)->next_id;
    appendable->ended.group_count = 0;
    if (appendable->ended.first == 0) {
        appendable->ended.first = appendable->ended.next = appendable->next_id;
    }
    appendable->group_event = appendable->last_event > from ? appendable->last_event : from;
    for (; trouble == NULL && group != NULL; group = batch_next(group)) {
        const struct change *change = change_list_changes(batch_list(group));
        for (; trouble == NULL && change != NULL; change = change->next) {
            trouble = appendable_look_at_change(appendable, change);
        }
    }
    return trouble;
}

void appendable_send(struct appendable *appendable, struct connection *connection)
{
    for (size_t i = 0; i < CHECK_COUNT; i++) {
        connection_send_rows(connection, checks[i], &appendable->rows[i]);
    }
}

void appendable_note(struct appendable *appendable, uint64_t shown)
{
    appendable->settled = shown > appendable->settled ? shown : appendable->settled;
    for (size_t i = 0; i < appendable->group.room; i++) {
        if (appendable->group.places[i].hash != 0) {
            appendable_put(&appendable->journal, appendable->settled, &appendable->group.places[i]);
        }
    }
    appendable->last_event = appendable->group_event;
    ended_note(&appendable->ended, appendable->next_id_to);
    clear(&appendable->group);
}

void appendable_clear(struct appendable *appendable)
{
    clear(&appendable->journal);
    appendable->last_event = 0;
    appendable->settled = 0;
    appendable->ended.first = appendable->ended.next = 0;
}
