// once.c - what was asked once happens once, however often it is said, and is answered the same each time.
//
// What people, connectors and control have asked is kept here as it went over the wire.  Now and then one of them says
// something old again: over another connection, after the broker was killed, after others have moved the item on.

#include "tests/sim/simulation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const roles[] = { [CLIENT_PERSON] = "person",
                                     [CLIENT_CONNECTOR] = "connector",
                                     [CLIENT_FEED] = "connector",
                                     [CLIENT_CONTROL] = "control" };

// What merely asks may be asked again, and posts are known by their identity.
static bool is_remembered(enum behalf_type type)
{
    switch (type) {
    case BEHALF_POST:
    case BEHALF_EDIT:
    case BEHALF_DELETE:
    case BEHALF_LOOK:
    case BEHALF_PREVIEW:
    case BEHALF_STATUS:
    case BEHALF_WHY:
    case BEHALF_OUTCOMES:
        return false;
    default:
        return true;
    }
}

void once_note(const struct client *client, const struct behalf_message *message)
{
    struct simulation *simulation = client->simulation;
    struct behalf_fault fault;
    if (!is_remembered(message->type)) {
        return;
    }
    simulation->said = realloc(simulation->said, (simulation->said_count + 1) * sizeof *simulation->said);
    struct sim_said *said = &simulation->said[simulation->said_count++];
    *said = (struct sim_said){ .client = client->index, .type = message->type, .id = message->id };
    said->frame = behalf_message_encode(message, &said->bytes, &fault);
}

void once_fini(struct simulation *simulation)
{
    for (size_t i = 0; i < simulation->said_count; i++) {
        free(simulation->said[i].frame);
    }
    free(simulation->said);
}

static struct sim_said *find(struct simulation *simulation, const struct client *client, int64_t id)
{
    for (size_t i = simulation->said_count; i > 0; i--) {
        if (simulation->said[i - 1].client == client->index && simulation->said[i - 1].id == id) {
            return &simulation->said[i - 1];
        }
    }
    return NULL;
}

void once_repeat(struct simulation *simulation)
{
    if (!simulation->said_count || !sim_chance(simulation, 60)) {
        return;
    }
    size_t back = (size_t) sim_between(simulation, 0, sim_chance(simulation, 700) ? 20 : 500);
    if (back >= simulation->said_count) {
        return;
    }
    const struct sim_said *said = &simulation->said[simulation->said_count - 1 - back];
    struct client *client = &simulation->clients[said->client];
    if (client->session == NULL || !client->peer || behalf_session_state(client->session) != BEHALF_CLIENT_READY) {
        return;
    }
    sim_note(simulation, "%s says %s %lld again", client->name, behalf_type_name(said->type), (long long) said->id);
    struct behalf_fault fault;
    struct behalf_message *message = behalf_message_decode(said->frame, said->bytes, &fault);
    misdeeds_release(client, message, said->id); // what was refused then may be theirs to do by now
    behalf_message_destroy(&message);
    network_to_broker(client, said->frame, said->bytes);
    simulation->repeats++;
}

// ---- judging ----

struct wanted {
    const char *role, *name;
    int64_t id;
    struct request_record found;
    char state[25];
    size_t count;
};

static void look_for(void *self, const struct request_record *request)
{
    struct wanted *wanted = self;
    if (request->id != wanted->id || strcmp(request->principal, wanted->name) != 0 ||
        strcmp(request->role, wanted->role) != 0) {
        return;
    }
    wanted->count++;
    wanted->found = *request;
    snprintf(wanted->state, sizeof wanted->state, "%s", request->state);
}

static struct wanted on_disk(const struct simulation *simulation, const struct client *client, int64_t id)
{
    struct wanted wanted = { .role = roles[client->role], .name = client->name, .id = id };
    memory_disk_visit(simulation->disk,
                      &(struct memory_visit){ .self = &wanted, .request_id = id, .request = look_for });
    if (wanted.count > 1) {
        sim_fail(simulation, "request %lld of %s took effect %zu times", (long long) id, client->name, wanted.count);
    }
    return wanted;
}

static bool is_temporary(const char *code)
{
    return !strcmp(code, "BUSY") || !strcmp(code, "TOO_MANY") || !strcmp(code, "NOT_SIGNED_IN");
}

// What is answered agrees with what is on disk, whether it is answered for the first time or again.
void once_judge(struct simulation *simulation, const struct client *client, const struct behalf_message *message)
{
    struct sim_said *said = message->id > 0 ? find(simulation, client, message->id) : NULL;
    if (said == NULL) {
        return;
    }
    if (message->type == BEHALF_ERROR && is_temporary(message->error.code)) {
        return;
    }
    struct wanted wanted = on_disk(simulation, client, message->id);
    if (message->type == BEHALF_ERROR) {
        if (wanted.count) {
            sim_fail(simulation, "%s was refused (%s) what was done for them: %s %lld", client->name,
                     message->error.code, behalf_type_name(said->type), (long long) said->id);
        }
        return;
    }
    bool applied = message->type == BEHALF_APPLIED;
    bool repeated = applied ? message->applied.repeated : message->done.repeated;
    // A SETTLE of what was settled before is answered by what became of the reply, also under another id.
    if (!wanted.count && said->type == BEHALF_SETTLE && repeated) {
        return;
    }
    if (!wanted.count) {
        sim_fail(simulation, "%s %lld of %s was answered and is not on disk", behalf_type_name(said->type),
                 (long long) said->id, client->name);
    }
    bool same = applied ? message->applied.rules_version == (int64_t) wanted.found.rules_version
                        : message->done.item == (int64_t) wanted.found.item &&
                              message->done.lease == (int64_t) wanted.found.lease &&
                              message->done.reply == (int64_t) wanted.found.reply &&
                              !strcmp(message->done.state, wanted.state);
    if (!same) {
        sim_fail(simulation, "%s %lld of %s was answered otherwise than at first", behalf_type_name(said->type),
                 (long long) said->id, client->name);
    }
    if (said->answered && !repeated) {
        sim_fail(simulation, "%s %lld of %s was done twice", behalf_type_name(said->type), (long long) said->id,
                 client->name);
    }
    said->answered = true;
}

static void count_note(void *self, const struct note_record *note)
{
    struct simulation *simulation = self;
    const char *mark = strrchr(note->text, '~');
    size_t number = mark != NULL ? (size_t) atoll(mark + 1) : SIM_NOTES_MAX;
    if (number < SIM_NOTES_MAX && ++simulation->noted[number] > 1) {
        sim_fail(simulation, "the note \"%s\" is there twice", note->text);
    }
}

void once_check_disk(struct simulation *simulation)
{
    memset(simulation->noted, 0, sizeof simulation->noted);
    memory_disk_visit(simulation->disk, &(struct memory_visit){ .self = simulation, .note = count_note });
}

void once_check_end(struct simulation *simulation)
{
    for (size_t i = 0; i < simulation->said_count; i++) {
        (void) on_disk(simulation, &simulation->clients[simulation->said[i].client], simulation->said[i].id);
    }
}
