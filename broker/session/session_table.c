// session_table.c - peers and sessions in two hash tables, people's sessions by their index.

#include "broker/session/session_table.h"

#include "proto/base/must.h"

#include <inttypes.h>
#include <string.h>

static const char *const session_table_role_names[] = { "person", "connector", "control" };

void session_table_init(struct session_table *table)
{
    *table = (struct session_table){ .next_number = 1 };
}

static void session_table_destroy_session(struct session **session_p)
{
    key_set_fini(&(*session_p)->in_flight);
    free(*session_p);
    *session_p = NULL;
}

void session_table_fini(struct session_table *table)
{
    struct session *session;
    struct peer *peer;

    for (size_t place = 0; (session = session_table_next(table, &place)) != NULL;) {
        session_table_destroy_session(&session);
    }
    for (size_t place = 0; (peer = session_table_next_peer(table, &place)) != NULL;) {
        free(peer);
    }
    table_fini(&table->sessions);
    table_fini(&table->peers);
}

struct peer *session_table_peer(const struct session_table *table, uint64_t number)
{
    return table_find(&table->peers, number);
}

struct peer *session_table_add_peer(struct session_table *table, uint64_t number, int64_t now_ms)
{
    struct peer *peer = calloc(1, sizeof *peer);

    must(peer != NULL);
    must(table_find(&table->peers, number) == NULL);
    peer->number = number;
    peer->since_ms = now_ms;
    table_put(&table->peers, number, peer);
    return peer;
}

void session_table_remove_peer(struct session_table *table, struct peer **peer_p)
{
    struct peer *peer = *peer_p;

    must(peer->session == NULL);
    table_remove(&table->peers, peer->number, peer);
    free(peer);
    *peer_p = NULL;
}

struct session *session_table_find(const struct session_table *table, uint64_t number)
{
    return table_find(&table->sessions, number);
}

// Compares without telling by its time how much of the token was right.
static bool session_table_same_token(const char *ours, const char *given)
{
    unsigned difference = 0;

    if (strlen(given) != strlen(ours)) {
        return false;
    }
    for (size_t i = 0; ours[i] != '\0'; i++) {
        difference |= (unsigned char) ours[i] ^ (unsigned char) given[i];
    }
    return difference == 0;
}

struct session *session_table_of_person(const struct session_table *table, uint32_t person, const char *token)
{
    struct session *session = table->people[person];

    return session != NULL && session_table_same_token(session->token, token) ? session : NULL;
}

struct session *session_table_of_program(const struct session_table *table, enum session_role role, const char *name,
                                         const char *token)
{
    struct session *session;
    struct session *found = NULL;

    must(role != SESSION_PERSON);
    for (size_t place = 0; (session = session_table_next(table, &place)) != NULL;) {
        if (session_table_same_token(session->token, token) && session->role == role &&
            strcmp(session->name, name) == 0) {
            found = session;
        }
    }
    return found;
}

struct session *session_table_by_instance(const struct session_table *table, const char *name, const char *instance)
{
    struct session *session;

    for (size_t place = 0; (session = session_table_next(table, &place)) != NULL;) {
        if (session->role == SESSION_CONNECTOR && strcmp(session->name, name) == 0 &&
            strcmp(session->instance, instance) == 0) {
            return session;
        }
    }
    return NULL;
}

struct session *session_table_longest_lost(const struct session_table *table, unsigned roles)
{
    struct session *session;
    struct session *found = NULL;

    for (size_t place = 0; (session = session_table_next(table, &place)) != NULL;) {
        if (session->peer == NULL && (roles >> session->role & 1) != 0 &&
            (found == NULL || session->lost_ms < found->lost_ms)) {
            found = session;
        }
    }
    return found;
}

size_t session_table_count_connected(const struct session_table *table, enum session_role role, const char *name)
{
    const struct session *session;
    size_t count = 0;

    for (size_t place = 0; (session = session_table_next(table, &place)) != NULL;) {
        count += session->peer != NULL && session->role == role && strcmp(session->name, name) == 0 ? 1 : 0;
    }
    return count;
}

size_t session_table_count_at(const struct session_table *table, enum session_role role, uint64_t address)
{
    const struct session *session;
    size_t count = 0;

    for (size_t place = 0; (session = session_table_next(table, &place)) != NULL;) {
        count += session->peer != NULL && session->role == role && session->address == address ? 1 : 0;
    }
    return count;
}

struct session *session_table_add(struct session_table *table, enum session_role role, const char *name,
                                  uint32_t person, const uint8_t token[SESSION_TOKEN_BYTES])
{
    struct session *session = calloc(1, sizeof *session);

    must(session != NULL);
    session->number = table->next_number++;
    session->role = role;
    session->person = person;
    snprintf(session->name, sizeof session->name, "%s", name);
    for (size_t i = 0; i < SESSION_TOKEN_BYTES; i++) {
        snprintf(session->token + 2 * i, 3, "%02x", token[i]);
    }
    if (role == SESSION_PERSON) {
        must(person < POLICY_PEOPLE_MAX);
        must(table->people[person] == NULL);
        table->people[person] = session;
    }
    table->count[role]++;
    table_put(&table->sessions, session->number, session);
    return session;
}

void session_table_remove(struct session_table *table, struct session **session_p, int64_t now_ms)
{
    struct session *session = *session_p;

    session_table_detach(table, session, now_ms);
    if (session->role == SESSION_PERSON) {
        must(table->people[session->person] == session);
        table->people[session->person] = NULL;
    }
    table->count[session->role]--;
    table_remove(&table->sessions, session->number, session);
    session_table_destroy_session(session_p);
}

void session_table_detach(struct session_table *table, struct session *session, int64_t now_ms)
{
    if (session->peer == NULL) {
        return;
    }
    must(session->peer->session == session);
    session->peer->session = NULL;
    session->peer->since_ms = now_ms;
    session->peer = NULL;
    session->welcomed = false;
    session->lost_ms = now_ms;
    table->connected--;
}

void session_table_attach(struct session_table *table, struct session *session, struct peer *peer, int64_t now_ms)
{
    session_table_detach(table, session, now_ms);
    must(peer->session == NULL);
    peer->session = session;
    session->peer = peer;
    session->address = peer->address;
    session->heard_ms = now_ms;
    session->spoken_ms = now_ms;
    table->connected++;
}

struct session *session_table_next(const struct session_table *table, size_t *place)
{
    return table_next(&table->sessions, place);
}

struct peer *session_table_next_peer(const struct session_table *table, size_t *place)
{
    return table_next(&table->peers, place);
}

bool session_role_from_name(const char *name, enum session_role *role)
{
    for (size_t i = 0; i < sizeof session_table_role_names / sizeof session_table_role_names[0]; i++) {
        if (strcmp(name, session_table_role_names[i]) == 0) {
            *role = (enum session_role) i;
            return true;
        }
    }
    return false;
}

struct principal session_principal(const struct session *session)
{
    return (struct principal){ .role = session_table_role_names[session->role], .name = session->name };
}

void session_who(const struct session *session, char who[SESSION_WHO_BYTES])
{
    snprintf(who, SESSION_WHO_BYTES, "session=%" PRIu64 " %s=%s", session->number,
             session_table_role_names[session->role], session->name);
}

void session_table_check(const struct session_table *table, size_t window)
{
    struct session *session;
    struct peer *peer;
    size_t connected = 0;
    size_t people = 0;
    size_t of_peers = 0;

    for (size_t place = 0; (session = session_table_next(table, &place)) != NULL;) {
        must(session_table_find(table, session->number) == session);
        must(session->number < table->next_number);
        must(key_set_count(&session->in_flight) <= window);
        if (session->peer != NULL) {
            must(session->peer->session == session);
            connected++;
        }
        if (session->role == SESSION_PERSON) {
            must(table->people[session->person] == session);
            people++;
        }
    }
    for (size_t place = 0; (peer = session_table_next_peer(table, &place)) != NULL;) {
        of_peers += peer->session != NULL ? 1 : 0;
    }
    must(connected == table->connected);
    must(of_peers == connected);
    must(people == table->count[SESSION_PERSON]);
    must(table->sessions.count == table->count[0] + table->count[1] + table->count[2]);
}
