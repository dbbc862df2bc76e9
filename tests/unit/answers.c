// answers.c - what was asked, by client and id, and the table of what may answer it: see answers.h.

#include "tests/unit/answers.h"

#include "proto/base/must.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static_assert(BEHALF_TYPE_COUNT <= 64, "types asked are bits");

// What was asked under one id: bits of types.  The bit of BEHALF_NONE stands for what was no message.
struct asked {
    uint64_t client;
    int64_t id;
    uint64_t types; // 0: an empty place
};

struct answers {
    struct asked *places; // a hash table, probed linearly; a power of two
    size_t place_count;
    size_t count;
    char wrong[200];
};

struct answers *answers_new(void)
{
    struct answers *answers = calloc(1, sizeof *answers);
    must(answers != NULL);
    answers->place_count = 256;
    answers->places = calloc(answers->place_count, sizeof *answers->places);
    must(answers->places != NULL);
    return answers;
}

void answers_destroy(struct answers **answers_p)
{
    if (*answers_p == NULL) {
        return;
    }
    free((*answers_p)->places);
    free(*answers_p);
    *answers_p = NULL;
}

// The place of an id, or the empty one where it would be.
static struct asked *place_of(const struct answers *answers, uint64_t client, int64_t id)
{
    uint64_t hash = ((uint64_t) id ^ client << 48) * UINT64_C(0x9E3779B97F4A7C15);
    size_t at = (size_t) (hash >> 20) & (answers->place_count - 1);
    while (answers->places[at].types != 0 && (answers->places[at].client != client || answers->places[at].id != id)) {
        at = (at + 1) & (answers->place_count - 1);
    }
    return &answers->places[at];
}

static void grow(struct answers *answers)
{
    struct answers larger = { .place_count = 2 * answers->place_count };
    larger.places = calloc(larger.place_count, sizeof *larger.places);
    must(larger.places != NULL);
    for (size_t i = 0; i < answers->place_count; i++) {
        const struct asked *asked = &answers->places[i];
        if (asked->types != 0) {
            *place_of(&larger, asked->client, asked->id) = *asked;
        }
    }
    free(answers->places);
    answers->places = larger.places;
    answers->place_count = larger.place_count;
}

void answers_asked(struct answers *answers, uint64_t client, const void *frame, size_t frame_bytes)
{
    struct behalf_fault fault = { 0 };
    struct behalf_message *message = behalf_message_decode(frame, frame_bytes, &fault);
    enum behalf_type type = message != NULL ? message->type : BEHALF_NONE;
    int64_t id = message != NULL ? message->id : fault.id;

    behalf_message_destroy(&message);
    if (2 * answers->count >= answers->place_count) {
        grow(answers);
    }
    struct asked *asked = place_of(answers, client, id);
    answers->count += asked->types == 0 ? 1 : 0;
    *asked = (struct asked){ .client = client, .id = id, .types = asked->types | UINT64_C(1) << type };
}

// A frame that is no message a client may send has no row in messages.def.
static bool refuses_form(enum behalf_type asked, enum behalf_code code)
{
    bool of_broker = (behalf_type_senders(asked) & BEHALF_BY_ANYONE) == 0;
    bool of_fields = asked == BEHALF_NONE && (code == BEHALF_CODE_MISSING || code == BEHALF_CODE_INVALID);
    return of_broker && (of_fields || code == BEHALF_CODE_MALFORMED || code == BEHALF_CODE_UNKNOWN_TYPE ||
                         code == BEHALF_CODE_NOT_SIGNED_IN);
}

static bool fits(enum behalf_type asked, const struct behalf_message *told)
{
    if (told->type != BEHALF_ERROR) {
        return behalf_type_is_answered_by(asked, told->type);
    }
    enum behalf_code code = behalf_code_from_name(told->error.code);
    return behalf_type_may_be_refused(asked, code) || refuses_form(asked, code);
}

const char *answers_wrong(struct answers *answers, uint64_t client, const struct behalf_message *told)
{
    if (told->id == 0) { // news
        return NULL;
    }
    uint64_t types = place_of(answers, client, told->id)->types;
    enum behalf_type asked = BEHALF_NONE;
    for (enum behalf_type type = BEHALF_NONE; type < BEHALF_TYPE_COUNT; type++) {
        if ((types >> type & 1) == 0) {
            continue;
        }
        asked = type;
        if (fits(type, told)) {
            return NULL;
        }
    }
    snprintf(answers->wrong, sizeof answers->wrong, "%s with id %" PRId64 " is answered %s %s",
             types == 0 ? "nothing" : behalf_type_name(asked), told->id, behalf_type_name(told->type),
             told->type == BEHALF_ERROR ? told->error.code : "");
    return answers->wrong;
}
