// reach.c - connections begun to all addresses of a URL, of which the first that is good stays: see reach.h.

#include "broker/store/postgres/reach.h"

#include "proto/base/clocks.h"
#include "proto/base/must.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PLACES_MAX 16
#define HEAD_START_MS 100 // for a host named earlier, once a later one would do
#define MESSAGE_BYTES 240

enum progress { UNDER_WAY, STANDS, SILENT, REFUSED };

// An address of a host, and the attempt at it.
struct place {
    char host[256];
    char address[64]; // "" is left to libpq: a socket's folder, or a name that cannot be resolved
    char port[8];
    PGconn *link;
    PostgresPollingStatusType wants;
    enum progress progress;
    char message[MESSAGE_BYTES];
    char state[REACH_STATE_BYTES]; // "": it says none
};

struct reaching {
    const char **keywords;
    const char **values;
    size_t count;
    struct place places[PLACES_MAX];
    size_t place_count;
    int64_t begun_ms;
    int64_t stands_ms; // since when one stands, 0: none does
    int64_t login_ms;
};

static void reach_put_line(char *line, size_t line_bytes, const char *words)
{
    size_t at = 0;

    for (; *words != '\0' && at + 1 < line_bytes; words++) {
        line[at++] = *words == '\n' || *words == '\t' ? ' ' : *words;
    }
    while (at > 0 && line[at - 1] == ' ') {
        at--;
    }
    line[at] = '\0';
}

// Where a server's verbose words ("FATAL:  28P01: ...", whatever its language) have their SQLSTATE; NULL: nowhere.
static const char *reach_find_state(const char *words)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const char *at = words;

    while ((at = strstr(at, ":  ")) != NULL) {
        at += 3;
        if (strspn(at, digits) == REACH_STATE_BYTES - 1 && strncmp(at + REACH_STATE_BYTES - 1, ": ", 2) == 0) {
            return at;
        }
    }
    return NULL;
}

// Keeps what stands in the way: the state apart, and the words in one line without it and without where in the
// server's code they come from.
static void reach_keep_trouble(struct place *place)
{
    const char *words = PQerrorMessage(place->link);
    const char *state = reach_find_state(words);
    const char *location = strstr(words, "\nLOCATION:");
    char told[2 * MESSAGE_BYTES];

    place->state[0] = '\0';
    if (state == NULL) {
        reach_put_line(place->message, sizeof place->message, words);
        return;
    }
    snprintf(place->state, sizeof place->state, "%.*s", REACH_STATE_BYTES - 1, state);
    const char *behind = state + REACH_STATE_BYTES + 1;
    int bytes = location == NULL || location < behind ? (int) strlen(behind) : (int) (location - behind);
    snprintf(told, sizeof told, "%.*s%.*s", (int) (state - words), words, bytes, behind);
    reach_put_line(place->message, sizeof place->message, told);
}

// ---- places ----

// The entry of a list joined by commas, the last one again for those beyond it; "" for none.
static void reach_pick(const char *list, size_t index, char *entry, size_t entry_bytes)
{
    const char *begin = list == NULL ? "" : list;
    const char *comma;

    while (index > 0 && (comma = strchr(begin, ',')) != NULL) {
        begin = comma + 1;
        index--;
    }
    snprintf(entry, entry_bytes, "%.*s", (int) strcspn(begin, ","), begin);
}

static size_t reach_count_entries(const char *list)
{
    size_t count = 1;

    for (; list != NULL && *list != '\0'; list++) {
        count += *list == ',';
    }
    return count;
}

static struct place *reach_add_place(struct reaching *reaching, const char *host, const char *address, const char *port)
{
    if (reaching->place_count == PLACES_MAX) {
        return NULL;
    }
    struct place *place = &reaching->places[reaching->place_count++];
    snprintf(place->host, sizeof place->host, "%s", host);
    snprintf(place->address, sizeof place->address, "%s", address);
    snprintf(place->port, sizeof place->port, "%s", port);
    return place;
}

static void reach_add_host(struct reaching *reaching, const char *host, const char *port)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    struct addrinfo *found = NULL;
    char address[64];

    if (host[0] == '\0' || host[0] == '/' || host[0] == '@' || getaddrinfo(host, NULL, &hints, &found) != 0) {
        (void) reach_add_place(reaching, host, "", port);
        return;
    }
    for (const struct addrinfo *one = found; one != NULL; one = one->ai_next) {
        if (getnameinfo(one->ai_addr, one->ai_addrlen, address, sizeof address, NULL, 0, NI_NUMERICHOST) == 0) {
            (void) reach_add_place(reaching, host, address, port);
        }
    }
    freeaddrinfo(found);
}

static const char *reach_option_of(const PQconninfoOption *options, const char *keyword)
{
    while (options->keyword != NULL && strcmp(options->keyword, keyword) != 0) {
        options++;
    }
    return options->val;
}

static void reach_add_places(struct reaching *reaching, const PQconninfoOption *options)
{
    const char *hosts = reach_option_of(options, "host");
    const char *addresses = reach_option_of(options, "hostaddr");
    const char *ports = reach_option_of(options, "port");
    bool numbers = addresses != NULL && addresses[0] != '\0';
    size_t count = reach_count_entries(numbers ? addresses : hosts);
    char host[256], address[64], port[8];

    for (size_t i = 0; i < count; i++) {
        reach_pick(hosts, i, host, sizeof host);
        reach_pick(ports, i, port, sizeof port);
        reach_pick(addresses, i, address, sizeof address);
        if (numbers) {
            (void) reach_add_place(reaching, host, address, port);
        } else {
            reach_add_host(reaching, host, port);
        }
    }
}

// libpq knows what a service file, the environment and the string come to, once a link has been begun with them.
static bool reach_plan(struct reaching *reaching, char *trouble, size_t trouble_bytes)
{
    PGconn *link = PQconnectStartParams(reaching->keywords, reaching->values, 1);
    PQconninfoOption *options = link == NULL ? NULL : PQconninfo(link);
    // "prefer-standby" is about all hosts: those two rounds are libpq's.
    const char *wanted = options == NULL ? NULL : reach_option_of(options, "target_session_attrs");

    must(options != NULL);
    const char *timeout = reach_option_of(options, "connect_timeout");
    long seconds = timeout == NULL ? 0 : strtol(timeout, NULL, 10);
    reaching->login_ms = seconds > 0 && seconds < 3600 ? seconds * 1000 : REACH_LOGIN_MS;
    // Without a port, or in these words, libpq tells what is wrong with the options themselves.
    bool planned = reach_option_of(options, "port") != NULL &&
                   strstr(PQerrorMessage(link), "could not match") == NULL &&
                   strstr(PQerrorMessage(link), "invalid") == NULL;
    if (!planned) {
        reach_put_line(trouble, trouble_bytes, PQerrorMessage(link));
    } else if (wanted != NULL && strcmp(wanted, "prefer-standby") == 0) {
        reaching->place_count = 1;
        reaching->places[0].link = link;
        link = NULL;
    } else {
        reach_add_places(reaching, options);
    }
    PQconninfoFree(options);
    PQfinish(link);
    return planned;
}

// ---- attempts ----

static void reach_begin(struct reaching *reaching, struct place *place)
{
    size_t at = reaching->count;

    if (place->link == NULL) {
        reaching->keywords[at] = "host";
        reaching->values[at++] = place->host;
        reaching->keywords[at] = "hostaddr";
        reaching->values[at++] = place->address;
        reaching->keywords[at] = "port";
        reaching->values[at++] = place->port;
        reaching->keywords[at] = reaching->values[at] = NULL;
        place->link = PQconnectStartParams(reaching->keywords, reaching->values, 1);
        must(place->link != NULL);
    }
    (void) PQsetErrorVerbosity(place->link, PQERRORS_VERBOSE); // else a refusal has no state, but words in any language
    place->wants = PGRES_POLLING_WRITING;
    if (PQstatus(place->link) == CONNECTION_BAD) {
        place->progress = SILENT;
        reach_keep_trouble(place);
    }
}

static void reach_advance(struct reaching *reaching, struct place *place)
{
    bool accepted = PQstatus(place->link) != CONNECTION_STARTED;

    place->wants = PQconnectPoll(place->link);
    if (place->wants == PGRES_POLLING_OK) {
        place->progress = STANDS;
        (void) PQsetErrorVerbosity(place->link, PQERRORS_DEFAULT);
        reaching->stands_ms = reaching->stands_ms == 0 ? clocks_monotonic_ms() : reaching->stands_ms;
    } else if (place->wants == PGRES_POLLING_FAILED) {
        place->progress = accepted ? REFUSED : SILENT;
        reach_keep_trouble(place);
    }
}

static int64_t reach_until_ms_of(const struct reaching *reaching, const struct place *place)
{
    bool accepted = PQstatus(place->link) != CONNECTION_STARTED;
    int64_t ms = accepted || reaching->login_ms < REACH_ACCEPT_MS ? reaching->login_ms : REACH_ACCEPT_MS;
    int64_t until_ms = reaching->begun_ms + ms;

    if (reaching->stands_ms > 0 && until_ms > reaching->stands_ms + HEAD_START_MS) {
        until_ms = reaching->stands_ms + HEAD_START_MS;
    }
    return until_ms;
}

static void reach_give_up(const struct reaching *reaching, struct place *place)
{
    snprintf(place->message, sizeof place->message, "no answer from %.64s:%s for %lld s",
             place->address[0] == '\0' ? place->host : place->address, place->port,
             (long long) (clocks_monotonic_ms() - reaching->begun_ms) / 1000);
    place->progress = SILENT;
}

// The first in order that stands, once no earlier one may still come to; NULL while that is open.
static struct place *reach_find_first(struct reaching *reaching)
{
    for (size_t i = 0; i < reaching->place_count; i++) {
        struct place *place = &reaching->places[i];
        if (place->progress == STANDS || place->progress == UNDER_WAY) {
            return place->progress == STANDS ? place : NULL;
        }
    }
    return NULL;
}

// Waits for any of the attempts that are under way, and takes them further; false when there are none.
static bool reach_work(struct reaching *reaching)
{
    struct pollfd waits[PLACES_MAX];
    struct place *waiting[PLACES_MAX];
    nfds_t count = 0;
    int64_t wait_ms = REACH_LOGIN_MS;

    for (size_t i = 0; i < reaching->place_count; i++) {
        struct place *place = &reaching->places[i];
        int64_t left_ms = place->progress == UNDER_WAY ? reach_until_ms_of(reaching, place) - clocks_monotonic_ms() : 0;
        if (place->progress == UNDER_WAY && left_ms <= 0) {
            reach_give_up(reaching, place);
        } else if (place->progress == UNDER_WAY) {
            short events = place->wants == PGRES_POLLING_READING ? POLLIN : POLLOUT;
            waits[count] = (struct pollfd){ .fd = PQsocket(place->link), .events = events };
            waiting[count++] = place;
            wait_ms = left_ms < wait_ms ? left_ms : wait_ms;
        }
    }
    if (count > 0 && poll(waits, count, (int) wait_ms) > 0) {
        for (nfds_t i = 0; i < count; i++) {
            if (waits[i].revents != 0) {
                reach_advance(reaching, waiting[i]);
            }
        }
    }
    return count > 0;
}

static void reach_tell(const struct reaching *reaching, char state[REACH_STATE_BYTES], char *trouble,
                       size_t trouble_bytes)
{
    const struct place *telling = &reaching->places[0];

    for (size_t i = 1; i < reaching->place_count; i++) {
        const struct place *place = &reaching->places[i];
        telling = place->progress == REFUSED && telling->progress != REFUSED ? place : telling;
    }
    memcpy(state, telling->state, REACH_STATE_BYTES);
    int at = snprintf(trouble, trouble_bytes, "%s", telling->message);
    for (size_t i = 0; i < reaching->place_count && at > 0 && (size_t) at < trouble_bytes; i++) {
        const struct place *place = &reaching->places[i];
        if (place->progress == SILENT && place != telling) {
            at +=
                snprintf(trouble + at, trouble_bytes - (size_t) at, "; nothing at %.64s:%s", place->host, place->port);
        }
    }
}

PGconn *reach(const char **keywords, const char **values, size_t count, char state[REACH_STATE_BYTES], char *trouble,
              size_t trouble_bytes)
{
    struct reaching *reaching = calloc(1, sizeof *reaching);
    struct place *best = NULL;
    PGconn *link = NULL;

    must(reaching != NULL);
    reaching->keywords = keywords;
    reaching->values = values;
    reaching->count = count;
    keywords[count] = values[count] = NULL;
    state[0] = '\0';
    if (reach_plan(reaching, trouble, trouble_bytes)) {
        reaching->begun_ms = clocks_monotonic_ms();
        for (size_t i = 0; i < reaching->place_count; i++) {
            reach_begin(reaching, &reaching->places[i]);
        }
        while ((best = reach_find_first(reaching)) == NULL && reach_work(reaching)) {
        }
        best = best == NULL ? reach_find_first(reaching) : best;
        reach_tell(reaching, state, trouble, trouble_bytes);
    }
    for (size_t i = 0; i < reaching->place_count; i++) {
        struct place *place = &reaching->places[i];
        link = place == best ? place->link : link;
        if (place != best) {
            PQfinish(place->link);
        }
    }
    free(reaching);
    return link;
}
