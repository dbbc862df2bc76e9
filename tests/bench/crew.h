// crew.h - many clients of libbehalf in one thread: each a session, a socket and a context of its own.

#ifndef TESTS_BENCH_CREW_H
#define TESTS_BENCH_CREW_H

#include <behalf/client.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crew;
struct member;

// What a member does with a message; borrowed for the call.
typedef void member_hears(struct member *member, const struct behalf_message *message, void *owner);

struct crew *crew_new(void);
void crew_destroy(struct crew **crew_p);

// Signs somebody in, without waiting for it.  NULL, having said why, when no more clients can be made.
struct member *crew_join(struct crew *crew, const char *endpoint, const struct behalf_hello *hello, member_hears *hears,
                         void *owner);

// Sends, and says why on standard error if the message cannot be sent.  The request's id.
int64_t member_send(struct member *member, const struct behalf_message *message);

struct behalf_client *member_client(struct member *member);

// Waits until something has come, at most until `until_ns`, and lets every member hear what there is for them.
void crew_turn(struct crew *crew, uint64_t until_ns);

// For whoever waits for other things as well: a descriptor that becomes readable when there may be something to hear,
// and whether there is without it.
int crew_fd(const struct crew *crew);
bool crew_has_more(const struct crew *crew);

// Turns until everybody's session stands.  False, having said who waits and why, after `seconds`.
bool crew_wait_ready(struct crew *crew, double seconds);

// Answers that refused something; the first is told on standard error.
uint64_t crew_refusals(const struct crew *crew);

#endif
