// crew.c - the clients, their sockets, and one poll for all: see crew.h.
//
// An epoll descriptor holds those of all clients.  A client's descriptor tells that something changed, so whoever
// is ready is driven until nothing is left; a client that has spent its turn, or sent something, is driven again
// in the next.  All are looked at now and then for their heartbeats.

#include "tests/bench/crew.h"

#include "tests/bench/bench.h"

#include "proto/base/must.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define SWEEP_NS (UINT64_C(100) * 1000000)
#define MESSAGES_A_TURN 64
#define READY_A_TURN 128

struct member {
    struct crew *crew;
    struct behalf_client *client;
    member_hears *hears;
    void *owner;
    uint64_t due_ns; // when it wants to be driven without being woken
    bool again;      // in the list of those to drive in the next turn
    bool driving;    // it is driven until nothing is left, whatever it sends meanwhile
    struct member *next_again;
};

struct crew {
    int epoll_fd;
    struct member **members;
    size_t count, capacity;
    struct member *first_again;
    uint64_t sweep_ns; // when all are looked at next
    uint64_t refusals;
};

struct crew *crew_new(void)
{
    struct crew *crew = calloc(1, sizeof *crew);
    must(crew != NULL);
    crew->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    must(crew->epoll_fd >= 0);
    return crew;
}

void crew_destroy(struct crew **crew_p)
{
    struct crew *crew = *crew_p;
    if (crew == NULL) {
        return;
    }
    for (size_t i = 0; i < crew->count; i++) {
        behalf_client_destroy(&crew->members[i]->client);
        free(crew->members[i]);
    }
    close(crew->epoll_fd);
    free(crew->members);
    free(crew);
    *crew_p = NULL;
}

static void drive_again(struct member *member)
{
    if (member->again || member->driving) {
        return;
    }
    member->again = true;
    member->next_again = member->crew->first_again;
    member->crew->first_again = member;
}

struct member *crew_join(struct crew *crew, const char *endpoint, const struct behalf_hello *hello, member_hears *hears,
                         void *owner)
{
    struct behalf_client *client = behalf_client_new(endpoint, hello);
    if (client == NULL) {
        bench_complain("client %zu cannot be made: %s", crew->count + 1, strerror(errno));
        return NULL;
    }
    struct member *member = calloc(1, sizeof *member);
    must(member != NULL);
    *member = (struct member){ .crew = crew, .client = client, .hears = hears, .owner = owner };
    if (crew->count == crew->capacity) {
        crew->capacity = crew->capacity ? 2 * crew->capacity : 16;
        crew->members = realloc(crew->members, crew->capacity * sizeof(struct member *));
        must(crew->members != NULL);
    }
    crew->members[crew->count++] = member;
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = member };
    must(epoll_ctl(crew->epoll_fd, EPOLL_CTL_ADD, behalf_client_fd(client), &event) == 0);
    drive_again(member);
    return member;
}

int64_t member_send(struct member *member, const struct behalf_message *message)
{
    struct behalf_fault fault;
    int64_t id = behalf_client_send(member->client, message, &fault);
    if (id == 0) {
        bench_complain("%s cannot be sent: %s: %s", behalf_type_name(message->type), fault.field, fault.reason);
    }
    drive_again(member);
    return id;
}

struct behalf_client *member_client(struct member *member)
{
    return member->client;
}

static void hear(struct member *member, const struct behalf_message *message)
{
    if (message->type == BEHALF_ERROR || message->type == BEHALF_BYE) {
        if (member->crew->refusals++ == 0) {
            bench_complain("%s %s: %s", behalf_type_name(message->type),
                           message->type == BEHALF_ERROR ? message->error.code : "",
                           message->type == BEHALF_ERROR ? message->error.reason : message->bye.reason);
        }
    }
    member->hears(member, message, member->owner);
}

static void drive(struct member *member)
{
    struct behalf_message *message;
    member->driving = true;
    for (int i = 0; i < MESSAGES_A_TURN && (message = behalf_client_next(member->client)) != NULL; i++) {
        hear(member, message);
        behalf_message_destroy(&message);
    }
    member->driving = false;
    int timeout_ms = behalf_client_timeout_ms(member->client);
    if (timeout_ms == 0) {
        drive_again(member);
    }
    member->due_ns = timeout_ms < 0 ? UINT64_MAX : bench_now_ns() + (uint64_t) timeout_ms * 1000000u;
}

static void drive_those_left(struct crew *crew)
{
    struct member *left = crew->first_again;
    crew->first_again = NULL;
    while (left != NULL) {
        struct member *member = left;
        left = member->next_again;
        member->again = false;
        drive(member);
    }
}

static void sweep(struct crew *crew, uint64_t now_ns)
{
    if (now_ns < crew->sweep_ns) {
        return;
    }
    crew->sweep_ns = now_ns + SWEEP_NS;
    for (size_t i = 0; i < crew->count; i++) {
        if (crew->members[i]->due_ns <= now_ns) {
            drive(crew->members[i]);
        }
    }
}

void crew_turn(struct crew *crew, uint64_t until_ns)
{
    struct epoll_event ready[READY_A_TURN];
    uint64_t now_ns = bench_now_ns();
    uint64_t wake_ns = until_ns < crew->sweep_ns ? until_ns : crew->sweep_ns;
    uint64_t left_ns = crew->first_again != NULL || wake_ns <= now_ns ? 0 : wake_ns - now_ns;
    struct timespec wait = { .tv_sec = (time_t) (left_ns / 1000000000u), .tv_nsec = (long) (left_ns % 1000000000u) };
    int count = epoll_pwait2(crew->epoll_fd, ready, READY_A_TURN, &wait, NULL);
    must(count >= 0 || errno == EINTR);
    for (int i = 0; i < count; i++) {
        drive(ready[i].data.ptr);
    }
    drive_those_left(crew);
    sweep(crew, bench_now_ns());
}

int crew_fd(const struct crew *crew)
{
    return crew->epoll_fd;
}

bool crew_has_more(const struct crew *crew)
{
    return crew->first_again != NULL;
}

static struct member *find_unready(const struct crew *crew)
{
    for (size_t i = 0; i < crew->count; i++) {
        if (behalf_client_state(crew->members[i]->client) != BEHALF_CLIENT_READY) {
            return crew->members[i];
        }
    }
    return NULL;
}

bool crew_wait_ready(struct crew *crew, double seconds)
{
    uint64_t until_ns = bench_now_ns() + (uint64_t) (seconds * 1e9);
    struct member *unready;
    while ((unready = find_unready(crew)) != NULL && !bench_stopped()) {
        if (bench_now_ns() >= until_ns) {
            bench_complain("not signed in after %.0f s: %s", seconds, behalf_client_reason(unready->client));
            return false;
        }
        crew_turn(crew, until_ns);
    }
    return !bench_stopped();
}

uint64_t crew_refusals(const struct crew *crew)
{
    return crew->refusals;
}
