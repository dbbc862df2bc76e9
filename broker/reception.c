// reception.c - see reception.h.

#include "broker/reception.h"

#include "broker/desk/table.h"
#include "proto/must.h"

#include <behalf/message.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUESTS_MAX 65536 // peers known at once; a process has fewer descriptors
#define FAULTS_MAX 16    // frames in a row that cannot be decoded after which a peer without a desk is not answered
#define IDLE_MS 60000    // a peer without a desk is forgotten after so long
#define SWEEP_MS 1000    // how often those are looked for
#define SWEPT_MAX 1024   // at once
#define RETRY_MS 1000    // while there is no room
#define DESKS_NAMED_BYTES 512 // of the names of desks in a refusal

// A peer.
struct guest {
    uint64_t number;
    size_t desk;      // or RECEPTION_NO_DESK
    int64_t heard_ms; // when it last said something, without a desk
    unsigned faults;
};

struct place {
    char name[BEHALF_NAME_BYTES + 1];
    char **people; // sorted
    size_t people_count;
};

struct reception {
    struct place *places;
    size_t count;
    struct table guests; // by number
    int64_t swept_ms;
};

// ---- desks ----

static void free_people(struct place *place)
{
    for (size_t i = 0; i < place->people_count; i++) {
        free(place->people[i]);
    }
    free(place->people);
    place->people = NULL;
    place->people_count = 0;
}

struct reception *reception_new(void)
{
    struct reception *reception = calloc(1, sizeof *reception);

    must(reception != NULL);
    return reception;
}

void reception_destroy(struct reception **reception_p)
{
    struct reception *reception = *reception_p;
    struct guest *guest;

    if (reception == NULL) {
        return;
    }
    for (size_t i = 0; i < reception->count; i++) {
        free_people(&reception->places[i]);
    }
    for (size_t place = 0; (guest = table_next(&reception->guests, &place)) != NULL;) {
        free(guest);
    }
    table_fini(&reception->guests);
    free(reception->places);
    free(reception);
    *reception_p = NULL;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(char *const *) left, *(char *const *) right);
}

void reception_set_people(struct reception *reception, size_t desk, const struct policy *policy)
{
    must(desk < reception->count);
    struct place *place = &reception->places[desk];

    free_people(place);
    place->people = calloc(policy->person_count + 1, sizeof *place->people);
    must(place->people != NULL);
    for (size_t i = 0; i < policy->person_count; i++) {
        if (!policy->people[i].retired) {
            place->people[place->people_count] = strdup(policy->people[i].name);
            must(place->people[place->people_count] != NULL);
            place->people_count++;
        }
    }
    qsort(place->people, place->people_count, sizeof *place->people, compare_names);
}

size_t reception_add(struct reception *reception, const struct policy *policy)
{
    struct place *places = realloc(reception->places, (reception->count + 1) * sizeof *places);

    must(places != NULL);
    reception->places = places;
    struct place *place = &places[reception->count];
    *place = (struct place){ 0 };
    snprintf(place->name, sizeof place->name, "%s", policy->desk);
    reception->count++;
    reception_set_people(reception, reception->count - 1, policy);
    return reception->count - 1;
}

static bool knows(const struct place *place, const char *name)
{
    return place->people_count > 0 &&
           bsearch(&name, place->people, place->people_count, sizeof *place->people, compare_names) != NULL;
}

// ---- guests ----

static void remove_guest(struct reception *reception, struct guest **guest_p)
{
    table_remove(&reception->guests, (*guest_p)->number, *guest_p);
    free(*guest_p);
    *guest_p = NULL;
}

// Forgets those who have no desk and say nothing; so many in one go that a flood of them is gone in a few rounds.
static void sweep(struct reception *reception, int64_t now_ms)
{
    struct guest *idle[SWEPT_MAX];
    struct guest *guest;
    size_t count = 0;

    if (now_ms < reception->swept_ms + SWEEP_MS) {
        return;
    }
    reception->swept_ms = now_ms;
    for (size_t place = 0; (guest = table_next(&reception->guests, &place)) != NULL;) {
        if (guest->desk == RECEPTION_NO_DESK && now_ms - guest->heard_ms >= IDLE_MS && count < SWEPT_MAX) {
            idle[count++] = guest;
        }
    }
    for (size_t i = 0; i < count; i++) {
        remove_guest(reception, &idle[i]);
    }
}

static struct guest *require_guest(struct reception *reception, uint64_t number, int64_t now_ms)
{
    struct guest *guest = table_find(&reception->guests, number);

    if (guest == NULL && reception->guests.count < GUESTS_MAX) {
        guest = calloc(1, sizeof *guest);
        must(guest != NULL);
        *guest = (struct guest){ .number = number, .desk = RECEPTION_NO_DESK, .heard_ms = now_ms };
        table_put(&reception->guests, number, guest);
    }
    return guest;
}

size_t reception_leave(struct reception *reception, uint64_t peer)
{
    struct guest *guest = table_find(&reception->guests, peer);

    if (reception->count == 1) {
        return 0;
    }
    if (guest == NULL) {
        return RECEPTION_NO_DESK;
    }
    size_t desk = guest->desk;
    remove_guest(reception, &guest);
    return desk;
}

void reception_forget(struct reception *reception, uint64_t peer, size_t desk)
{
    struct guest *guest = table_find(&reception->guests, peer);

    if (guest != NULL && guest->desk == desk) {
        remove_guest(reception, &guest);
    }
}

void reception_forget_all(struct reception *reception, size_t desk, int64_t now_ms)
{
    struct guest *guest;

    for (size_t place = 0; (guest = table_next(&reception->guests, &place)) != NULL;) {
        if (guest->desk == desk) {
            guest->desk = RECEPTION_NO_DESK;
            guest->heard_ms = now_ms;
        }
    }
}

// ---- answers ----

static struct direction say(const struct behalf_message *message)
{
    struct direction direction = { .desk = RECEPTION_NO_DESK, .left = RECEPTION_NO_DESK };
    struct behalf_fault fault;

    direction.answer = behalf_message_encode(message, &direction.answer_bytes, &fault);
    must(direction.answer != NULL);
    return direction;
}

static struct direction refuse(int64_t id, enum behalf_code code, const char *field, const char *reason)
{
    return say(
        &(struct behalf_message){ .type = BEHALF_ERROR,
                                  .id = id,
                                  .error = { .code = behalf_code_name(code), .field = field, .reason = reason } });
}

static struct direction refuse_fault(struct guest *guest, const struct behalf_fault *fault)
{
    guest->faults += fault->code == BEHALF_CODE_MALFORMED ? 1 : 0;
    if (guest->faults > FAULTS_MAX) {
        return (struct direction){ .desk = RECEPTION_NO_DESK, .left = RECEPTION_NO_DESK };
    }
    return refuse(fault->id > 0 ? fault->id : 0, fault->code, fault->field, fault->reason);
}

// What comes from a peer without a desk and is not HELLO.
static struct direction refuse_guest(struct guest *guest, const void *frame, size_t frame_bytes, int64_t now_ms)
{
    struct behalf_fault fault = { 0 };
    struct behalf_message *message = behalf_message_decode(frame, frame_bytes, &fault);

    guest->heard_ms = now_ms;
    if (message == NULL) {
        return refuse_fault(guest, &fault);
    }
    struct direction direction =
        refuse(message->id, BEHALF_CODE_NOT_SIGNED_IN, "", "this connection has no session; send HELLO first");
    behalf_message_destroy(&message);
    return direction;
}

// ---- HELLO ----

// The type of a frame's message is in front; everything else about it is checked when it is decoded.
static bool is_hello(const void *frame, size_t frame_bytes)
{
    static const struct {
        const char *bytes;
        size_t count;
    } arrays[] = { { "\x93", 1 }, { "\xdc\0\3", 3 }, { "\xdd\0\0\0\3", 5 } },
      texts[] = { { "\xa5HELLO", 6 }, { "\xd9\5HELLO", 7 }, { "\xda\0\5HELLO", 8 }, { "\xdb\0\0\0\5HELLO", 10 } };
    size_t at = 0;

    for (size_t i = 0; at == 0 && i < sizeof arrays / sizeof *arrays; i++) {
        bool fits = frame_bytes > arrays[i].count && memcmp(frame, arrays[i].bytes, arrays[i].count) == 0;
        at = fits ? arrays[i].count : 0;
    }
    for (size_t i = 0; at > 0 && i < sizeof texts / sizeof *texts; i++) {
        if (frame_bytes - at >= texts[i].count &&
            memcmp((const char *) frame + at, texts[i].bytes, texts[i].count) == 0) {
            return true;
        }
    }
    return false;
}

static size_t find_by_name(const struct reception *reception, const char *name)
{
    for (size_t i = 0; i < reception->count; i++) {
        if (strcmp(reception->places[i].name, name) == 0) {
            return i;
        }
    }
    return RECEPTION_NO_DESK;
}

// The one desk whose rules name the person; `count`: in how many they do.
static size_t find_by_person(const struct reception *reception, const char *name, size_t *count)
{
    size_t found = RECEPTION_NO_DESK;

    *count = 0;
    for (size_t i = 0; i < reception->count; i++) {
        if (knows(&reception->places[i], name)) {
            found = i;
            ++*count;
        }
    }
    return *count == 1 ? found : RECEPTION_NO_DESK;
}

// "a, b, c, ..." of those that a person is known to, or of all.
static void list_desks(const struct reception *reception, const char *person, char text[DESKS_NAMED_BYTES])
{
    size_t at = 0;

    text[0] = '\0';
    for (size_t i = 0; i < reception->count; i++) {
        const struct place *place = &reception->places[i];
        if (person != NULL && !knows(place, person)) {
            continue;
        }
        bool fits = at + strlen(place->name) + 8 < DESKS_NAMED_BYTES;
        at += (size_t) snprintf(text + at, DESKS_NAMED_BYTES - at, "%s%s", at == 0 ? "" : ", ",
                                fits ? place->name : "...");
        if (!fits) {
            return;
        }
    }
}

static struct direction refuse_nameless(const struct reception *reception, const struct behalf_message *hello,
                                        size_t known)
{
    bool person = strcmp(hello->hello.role, "person") == 0;
    char names[DESKS_NAMED_BYTES];
    char reason[DESKS_NAMED_BYTES + 160];

    if (person && known == 0) {
        return refuse(hello->id, BEHALF_CODE_NOT_FOUND, "name",
                      "the rules of none of this broker's desks name such a person");
    }
    list_desks(reception, person ? hello->hello.name : NULL, names);
    snprintf(reason, sizeof reason, "%s: name yours in HELLO.desk (--desk NAME): %s",
             person ? "the rules of several of this broker's desks name this person" : "this broker has several desks",
             names);
    return refuse(hello->id, BEHALF_CODE_INVALID, "desk", reason);
}

// Finds the desk of a HELLO; without one, `refusal` says why.
static size_t choose_desk(const struct reception *reception, const struct behalf_message *hello,
                          struct direction *refusal)
{
    size_t known = 0;
    size_t desk = RECEPTION_NO_DESK;

    if (hello->hello.desk[0] != '\0') {
        desk = find_by_name(reception, hello->hello.desk);
        if (desk == RECEPTION_NO_DESK) {
            *refusal = refuse(hello->id, BEHALF_CODE_NOT_FOUND, "desk", "this broker does not serve that desk");
        }
        return desk;
    }
    if (strcmp(hello->hello.role, "person") == 0) {
        desk = find_by_person(reception, hello->hello.name, &known);
    }
    if (desk == RECEPTION_NO_DESK) {
        *refusal = refuse_nameless(reception, hello, known);
    }
    return desk;
}

static struct direction direct_hello(struct reception *reception, struct guest *guest, const void *frame,
                                     size_t frame_bytes, int64_t now_ms)
{
    struct behalf_fault fault = { 0 };
    struct behalf_message *hello = behalf_message_decode(frame, frame_bytes, &fault);
    struct direction direction = { .desk = guest->desk, .left = RECEPTION_NO_DESK };

    if (hello == NULL) {
        guest->heard_ms = now_ms;
        return guest->desk == RECEPTION_NO_DESK ? refuse_fault(guest, &fault) : direction; // its desk answers
    }
    guest->faults = 0;
    size_t desk = choose_desk(reception, hello, &direction);
    behalf_message_destroy(&hello);
    if (desk != RECEPTION_NO_DESK) {
        direction.desk = desk;
        direction.left = guest->desk == desk ? RECEPTION_NO_DESK : guest->desk;
        guest->desk = desk;
    }
    guest->heard_ms = now_ms;
    return direction;
}

struct direction reception_direct(struct reception *reception, uint64_t peer, const void *frame, size_t frame_bytes,
                                  int64_t now_ms)
{
    if (reception->count == 1) {
        return (struct direction){ .desk = 0, .left = RECEPTION_NO_DESK };
    }
    sweep(reception, now_ms);
    struct guest *guest = require_guest(reception, peer, now_ms);
    if (guest == NULL) {
        return say(&(struct behalf_message){ .type = BEHALF_ERROR,
                                             .error = { .code = behalf_code_name(BEHALF_CODE_BUSY),
                                                        .reason = "as many connections as this broker takes are open",
                                                        .retry_ms = RETRY_MS } });
    }
    if (is_hello(frame, frame_bytes)) {
        return direct_hello(reception, guest, frame, frame_bytes, now_ms);
    }
    if (guest->desk != RECEPTION_NO_DESK) {
        return (struct direction){ .desk = guest->desk, .left = RECEPTION_NO_DESK };
    }
    return refuse_guest(guest, frame, frame_bytes, now_ms);
}
