// dispatch.c - peers by number and the desk each is with, and HELLOs read for that: see dispatch.h.

#include "broker/session/dispatch.h"

#include "proto/base/table.h"
#include "proto/base/must.h"

#include <behalf/message.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUESTS_MAX 65536 // peers known at once; a process has fewer descriptors
#define FAULTS_MAX 16    // frames in a row that cannot be decoded after which a peer without a desk is not answered
#define IDLE_MS 60000    // a peer without a desk is forgotten after this
#define SWEEP_MS 1000    // how often those are looked for
#define SWEPT_MAX 1024   // at once
#define RETRY_MS 1000    // while there is no room
#define DESKS_NAMED_BYTES 512 // of the names of desks in a refusal

// A peer.
struct guest {
    uint64_t number;
    size_t desk;      // or DISPATCH_NO_DESK
    int64_t heard_ms; // when it last said something, without a desk
    unsigned faults;
};

struct place {
    char name[BEHALF_NAME_BYTES + 1];
    char **people; // sorted
    size_t people_count;
};

struct dispatch {
    struct place *places;
    size_t count;
    struct table guests; // by number
    int64_t swept_ms;
};

// ---- desks ----

static void dispatch_free_people(struct place *place)
{
    for (size_t i = 0; i < place->people_count; i++) {
        free(place->people[i]);
    }
    free(place->people);
    place->people = NULL;
    place->people_count = 0;
}

struct dispatch *dispatch_new(void)
{
    struct dispatch *dispatch = calloc(1, sizeof *dispatch);

    must(dispatch != NULL);
    return dispatch;
}

void dispatch_destroy(struct dispatch **dispatch_p)
{
    struct dispatch *dispatch = *dispatch_p;
    struct guest *guest;

    if (dispatch == NULL) {
        return;
    }
    for (size_t i = 0; i < dispatch->count; i++) {
        dispatch_free_people(&dispatch->places[i]);
    }
    for (size_t place = 0; (guest = table_next(&dispatch->guests, &place)) != NULL;) {
        free(guest);
    }
    table_fini(&dispatch->guests);
    free(dispatch->places);
    free(dispatch);
    *dispatch_p = NULL;
}

static int dispatch_compare_names(const void *left, const void *right)
{
    return strcmp(*(char *const *) left, *(char *const *) right);
}

void dispatch_set_people(struct dispatch *dispatch, size_t desk, const struct policy *policy)
{
    must(desk < dispatch->count);
    struct place *place = &dispatch->places[desk];

    dispatch_free_people(place);
    place->people = calloc(policy->person_count + 1, sizeof *place->people);
    must(place->people != NULL);
    for (size_t i = 0; i < policy->person_count; i++) {
        if (!policy->people[i].retired) {
            place->people[place->people_count] = strdup(policy->people[i].name);
            must(place->people[place->people_count] != NULL);
            place->people_count++;
        }
    }
    qsort(place->people, place->people_count, sizeof *place->people, dispatch_compare_names);
}

size_t dispatch_add(struct dispatch *dispatch, const struct policy *policy)
{
    struct place *places = realloc(dispatch->places, (dispatch->count + 1) * sizeof *places);

    must(places != NULL);
    dispatch->places = places;
    struct place *place = &places[dispatch->count];
    *place = (struct place){ 0 };
    snprintf(place->name, sizeof place->name, "%s", policy->desk);
    dispatch->count++;
    dispatch_set_people(dispatch, dispatch->count - 1, policy);
    return dispatch->count - 1;
}

static bool dispatch_knows(const struct place *place, const char *name)
{
    return place->people_count > 0 &&
           bsearch(&name, place->people, place->people_count, sizeof *place->people, dispatch_compare_names) != NULL;
}

// ---- guests ----

static void dispatch_remove_guest(struct dispatch *dispatch, struct guest **guest_p)
{
    table_remove(&dispatch->guests, (*guest_p)->number, *guest_p);
    free(*guest_p);
    *guest_p = NULL;
}

// Forgets those who have no desk and say nothing: enough in one go that a flood of them is gone in a few rounds.
static void dispatch_sweep(struct dispatch *dispatch, int64_t now_ms)
{
    struct guest *idle[SWEPT_MAX];
    struct guest *guest;
    size_t count = 0;

    if (now_ms < dispatch->swept_ms + SWEEP_MS) {
        return;
    }
    dispatch->swept_ms = now_ms;
    for (size_t place = 0; (guest = table_next(&dispatch->guests, &place)) != NULL;) {
        if (guest->desk == DISPATCH_NO_DESK && now_ms - guest->heard_ms >= IDLE_MS && count < SWEPT_MAX) {
            idle[count++] = guest;
        }
    }
    for (size_t i = 0; i < count; i++) {
        dispatch_remove_guest(dispatch, &idle[i]);
    }
}

static struct guest *dispatch_require_guest(struct dispatch *dispatch, uint64_t number, int64_t now_ms)
{
    struct guest *guest = table_find(&dispatch->guests, number);

    if (guest == NULL && dispatch->guests.count < GUESTS_MAX) {
        guest = calloc(1, sizeof *guest);
        must(guest != NULL);
        *guest = (struct guest){ .number = number, .desk = DISPATCH_NO_DESK, .heard_ms = now_ms };
        table_put(&dispatch->guests, number, guest);
    }
    return guest;
}

size_t dispatch_leave(struct dispatch *dispatch, uint64_t peer)
{
    struct guest *guest = table_find(&dispatch->guests, peer);

    if (dispatch->count == 1) {
        return 0;
    }
    if (guest == NULL) {
        return DISPATCH_NO_DESK;
    }
    size_t desk = guest->desk;
    dispatch_remove_guest(dispatch, &guest);
    return desk;
}

void dispatch_forget(struct dispatch *dispatch, uint64_t peer, size_t desk)
{
    struct guest *guest = table_find(&dispatch->guests, peer);

    if (guest != NULL && guest->desk == desk) {
        dispatch_remove_guest(dispatch, &guest);
    }
}

void dispatch_forget_all(struct dispatch *dispatch, size_t desk, int64_t now_ms)
{
    struct guest *guest;

    for (size_t place = 0; (guest = table_next(&dispatch->guests, &place)) != NULL;) {
        if (guest->desk == desk) {
            guest->desk = DISPATCH_NO_DESK;
            guest->heard_ms = now_ms;
        }
    }
}

// ---- answers ----

static struct direction dispatch_say(const struct behalf_message *message)
{
    struct direction direction = { .desk = DISPATCH_NO_DESK, .left = DISPATCH_NO_DESK };
    struct behalf_fault fault;

    direction.answer = behalf_message_encode(message, &direction.answer_bytes, &fault);
    must(direction.answer != NULL);
    return direction;
}

static struct direction dispatch_refuse(int64_t id, enum behalf_code code, const char *field, const char *reason)
{
    return dispatch_say(
        &(struct behalf_message){ .type = BEHALF_ERROR,
                                  .id = id,
                                  .error = { .code = behalf_code_name(code), .field = field, .reason = reason } });
}

static struct direction dispatch_refuse_fault(struct guest *guest, const struct behalf_fault *fault)
{
    guest->faults += fault->code == BEHALF_CODE_MALFORMED ? 1 : 0;
    if (guest->faults > FAULTS_MAX) {
        return (struct direction){ .desk = DISPATCH_NO_DESK, .left = DISPATCH_NO_DESK };
    }
    return dispatch_refuse(fault->id > 0 ? fault->id : 0, fault->code, fault->field, fault->reason);
}

// What comes from a peer without a desk and is not HELLO.
static struct direction dispatch_refuse_guest(struct guest *guest, const void *frame, size_t frame_bytes,
                                              int64_t now_ms)
{
    struct behalf_fault fault = { 0 };
    struct behalf_message *message = behalf_message_decode(frame, frame_bytes, &fault);

    guest->heard_ms = now_ms;
    if (message == NULL) {
        return dispatch_refuse_fault(guest, &fault);
    }
    struct direction direction =
        dispatch_refuse(message->id, BEHALF_CODE_NOT_SIGNED_IN, "", "this connection has no session; send HELLO first");
    behalf_message_destroy(&message);
    return direction;
}

// ---- HELLO ----

// The type of a frame's message is in front; everything else about it is checked when it is decoded.
bool dispatch_is_hello(const void *frame, size_t frame_bytes)
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

static size_t dispatch_find_by_name(const struct dispatch *dispatch, const char *name)
{
    for (size_t i = 0; i < dispatch->count; i++) {
        if (strcmp(dispatch->places[i].name, name) == 0) {
            return i;
        }
    }
    return DISPATCH_NO_DESK;
}

// The one desk whose rules name the person; `count`: in how many they do.
static size_t dispatch_find_by_person(const struct dispatch *dispatch, const char *name, size_t *count)
{
    size_t found = DISPATCH_NO_DESK;

    *count = 0;
    for (size_t i = 0; i < dispatch->count; i++) {
        if (dispatch_knows(&dispatch->places[i], name)) {
            found = i;
            ++*count;
        }
    }
    return *count == 1 ? found : DISPATCH_NO_DESK;
}

// "a, b, c, ..." of those that a person is known to, or of all.
static void dispatch_list_desks(const struct dispatch *dispatch, const char *person, char text[DESKS_NAMED_BYTES])
{
    size_t at = 0;

    text[0] = '\0';
    for (size_t i = 0; i < dispatch->count; i++) {
        const struct place *place = &dispatch->places[i];
        if (person != NULL && !dispatch_knows(place, person)) {
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

static struct direction dispatch_refuse_nameless(const struct dispatch *dispatch, const struct behalf_message *hello,
                                                 size_t known)
{
    bool person = strcmp(hello->hello.role, "person") == 0;
    char names[DESKS_NAMED_BYTES];
    char reason[DESKS_NAMED_BYTES + 160];

    if (person && known == 0) {
        return dispatch_refuse(hello->id, BEHALF_CODE_NOT_FOUND, "name",
                               "the rules of none of this broker's desks name such a person");
    }
    dispatch_list_desks(dispatch, person ? hello->hello.name : NULL, names);
    snprintf(reason, sizeof reason, "%s: name yours in HELLO.desk (--desk NAME): %s",
             person ? "the rules of several of this broker's desks name this person" : "this broker has several desks",
             names);
    return dispatch_refuse(hello->id, BEHALF_CODE_INVALID, "desk", reason);
}

// Finds the desk of a HELLO; without one, `refusal` says why.
static size_t dispatch_choose_desk(const struct dispatch *dispatch, const struct behalf_message *hello,
                                   struct direction *refusal)
{
    size_t known = 0;
    size_t desk = DISPATCH_NO_DESK;

    if (hello->hello.desk[0] != '\0') {
        desk = dispatch_find_by_name(dispatch, hello->hello.desk);
        if (desk == DISPATCH_NO_DESK) {
            *refusal =
                dispatch_refuse(hello->id, BEHALF_CODE_NOT_FOUND, "desk", "this broker does not serve that desk");
        }
        return desk;
    }
    if (strcmp(hello->hello.role, "person") == 0) {
        desk = dispatch_find_by_person(dispatch, hello->hello.name, &known);
    }
    if (desk == DISPATCH_NO_DESK) {
        *refusal = dispatch_refuse_nameless(dispatch, hello, known);
    }
    return desk;
}

static struct direction dispatch_direct_hello(struct dispatch *dispatch, struct guest *guest, const void *frame,
                                              size_t frame_bytes, int64_t now_ms)
{
    struct behalf_fault fault = { 0 };
    struct behalf_message *hello = behalf_message_decode(frame, frame_bytes, &fault);
    struct direction direction = { .desk = guest->desk, .left = DISPATCH_NO_DESK };

    if (hello == NULL) {
        guest->heard_ms = now_ms;
        return guest->desk == DISPATCH_NO_DESK ? dispatch_refuse_fault(guest, &fault) : direction; // its desk answers
    }
    guest->faults = 0;
    size_t desk = dispatch_choose_desk(dispatch, hello, &direction);
    direction.refused = direction.answer != NULL;
    behalf_message_destroy(&hello);
    if (desk != DISPATCH_NO_DESK) {
        direction.desk = desk;
        direction.left = guest->desk == desk ? DISPATCH_NO_DESK : guest->desk;
        guest->desk = desk;
    }
    guest->heard_ms = now_ms;
    return direction;
}

struct direction dispatch_direct(struct dispatch *dispatch, uint64_t peer, const void *frame, size_t frame_bytes,
                                 int64_t now_ms)
{
    if (dispatch->count == 1) {
        return (struct direction){ .desk = 0, .left = DISPATCH_NO_DESK };
    }
    dispatch_sweep(dispatch, now_ms);
    struct guest *guest = dispatch_require_guest(dispatch, peer, now_ms);
    if (guest == NULL) {
        return dispatch_say(
            &(struct behalf_message){ .type = BEHALF_ERROR,
                                      .error = { .code = behalf_code_name(BEHALF_CODE_BUSY),
                                                 .reason = "as many connections as this broker takes are open",
                                                 .retry_ms = RETRY_MS } });
    }
    if (dispatch_is_hello(frame, frame_bytes)) {
        return dispatch_direct_hello(dispatch, guest, frame, frame_bytes, now_ms);
    }
    if (guest->desk != DISPATCH_NO_DESK) {
        return (struct direction){ .desk = guest->desk, .left = DISPATCH_NO_DESK };
    }
    return dispatch_refuse_guest(guest, frame, frame_bytes, now_ms);
}
