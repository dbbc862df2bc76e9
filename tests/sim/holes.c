// holes.c - the list of checks that can be left out, made of the tables, and which one is; see holes.h.

#include "tests/sim/holes.h"

#include "broker/desk/policy.h"

#include <behalf/message.h>

#include <string.h>

// ---- their names, from the tables ----

struct hole {
    char name[48];
    unsigned check, type;
};

static struct hole holes[256];
static size_t hole_count;
static const struct hole *open_one;

static void add(const char *request, const char *check_name, unsigned check, unsigned type)
{
    struct hole *hole = &holes[hole_count++];
    *hole = (struct hole){ .check = check, .type = type };
    snprintf(hole->name, sizeof hole->name, "%s/%s", request, check_name);
}

enum need {
#define NEED(NAME, code, field, otherwise) NEED_##NAME,
#include "broker/desk/authority.def"
    NEED_COUNT
};

static const char *const need_names[] = {
#define NEED(NAME, code, field, otherwise) #NAME,
#include "broker/desk/authority.def"
};

// `needs` as it is written in the row.
static void add_row(const char *name, unsigned type, const char *hold, const char *audiences, const char *needs)
{
    if (strcmp(audiences, "ANYBODY") != 0) {
        add(name, "AUDIENCE", HOLE_AUDIENCE, type);
    }
    if (!strcmp(hold, "THEIRS")) {
        add(name, "HOLDER", HOLE_HOLDER, type);
        add(name, "LEASE", HOLE_LEASE, type);
        add(name, "STATE", HOLE_STATE, type);
    }
    for (unsigned i = 0; i < NEED_COUNT; i++) {
        if (strstr(needs, need_names[i]) != NULL) {
            add(name, need_names[i], HOLE_NEED + i, type);
        }
    }
}

static void add_sight(const char *audience, unsigned index, const char *const cells[2][2])
{
    static const char *const names[2][2] = { { "OTHER", "OTHER_SEALED" }, { "OWN", "OWN_SEALED" } };
    for (unsigned own = 0; own < 2; own++) {
        for (unsigned sealed = 0; sealed < 2; sealed++) {
            char name[32];
            snprintf(name, sizeof name, "SIGHT/%s", audience);
            if (strcmp(cells[own][sealed], "WHOLE") != 0 && strcmp(cells[own][sealed], "NEVER") != 0) {
                add(name, names[own][sealed], HOLE_SIGHT + index * 4 + own * 2 + sealed, 0);
            }
        }
    }
}

static void add_all(void)
{
    if (hole_count) {
        return;
    }
    for (unsigned type = BEHALF_NONE + 1; type < BEHALF_TYPE_COUNT; type++) {
        unsigned senders = behalf_type_senders((enum behalf_type) type) & BEHALF_BY_ANYONE;
        if (senders && senders != BEHALF_BY_ANYONE) {
            add(behalf_type_name((enum behalf_type) type), "SENDER", HOLE_SENDER, type);
        }
    }
#define REQUEST(name, NAME, hold, audiences, states, needs, code, otherwise)                                           \
    add_row(#NAME, BEHALF_##NAME, #hold, #audiences, #needs);
#define QUESTION(name, NAME, hold, audiences, states, needs, code, otherwise)                                          \
    add_row(#NAME, BEHALF_##NAME, #hold, #audiences, #needs);
#define SIGHT(AUDIENCE, own, own_sealed, other, other_sealed, doc)                                                     \
    add_sight(#AUDIENCE, AUDIENCE_##AUDIENCE,                                                                          \
              (const char *const[2][2]){ { #other, #other_sealed }, { #own, #own_sealed } });
#include "broker/desk/authority.def"
    add("ANSWER", "APPROVAL", HOLE_APPROVAL, BEHALF_ANSWER);
    add("APPROVE", "OWN_DRAFT", HOLE_OWN_DRAFT, BEHALF_APPROVE);
    add("SETTLE", "HOLDER", HOLE_HOLDER, BEHALF_SETTLE);
    add("LOOK", "BRAND", HOLE_SIGHT_BRAND, BEHALF_LOOK);
    add("LOOK", "NEEDS", HOLE_SIGHT_NEEDS, BEHALF_LOOK);
    add("LEASE", "LAPSE", HOLE_LEASE_LAPSE, 0);
    add("LEASE", "WATCH", HOLE_LEASE_WATCH, 0);
    add("LEASE", "ANSWER", HOLE_LEASE_ANSWER, 0);
    add("LEASE", "OURS", HOLE_LEASE_OURS, 0);
    add("LEASE", "FENCED", HOLE_LEASE_FENCED, 0);
    add("HAND_OVER", "DRAIN", HOLE_HAND_OVER_DRAIN, 0);
    add("STORE", "FENCE", HOLE_STORE_FENCE, 0);
    add("STORE", "BEHIND", HOLE_STORE_BEHIND, 0);
    add("JOURNAL", "CODEC", HOLE_JOURNAL_CODEC, 0);
}

// ---- one of them ----

bool hole_is_open(unsigned check, unsigned type)
{
    return open_one != NULL && open_one->check == check && open_one->type == type;
}

bool hole_open(const char *name)
{
    add_all();
    for (size_t i = 0; i < hole_count; i++) {
        if (!strcmp(holes[i].name, name)) {
            open_one = &holes[i];
        }
    }
    return open_one != NULL;
}

void holes_list(FILE *out)
{
    add_all();
    for (size_t i = 0; i < hole_count; i++) {
        fprintf(out, "%s\n", holes[i].name);
    }
}
