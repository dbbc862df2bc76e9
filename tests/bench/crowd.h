// crowd.h - very many people in one thread: libbehalf's half of a session each, and a socket each in one context of
// libzmq's, so that five thousand of them need two descriptors each and two threads together.
//
// A client of libbehalf has a context of its own, which is right for a program and too much for a crowd.

#ifndef TESTS_BENCH_CROWD_H
#define TESTS_BENCH_CROWD_H

#include <behalf/message.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crowd;

// What the person of that number does with a message; borrowed for the call.
typedef void crowd_hears(struct crowd *crowd, size_t person, const struct behalf_message *message, void *owner);

struct crowd *crowd_new(const char *endpoint, size_t people, crowd_hears *hears, void *owner);
void crowd_destroy(struct crowd **crowd_p);

// Signs everybody in, a few at a time.  False, having said why, if that does not come about.
bool crowd_sign_in(struct crowd *crowd, double seconds);

void crowd_send(struct crowd *crowd, size_t person, const struct behalf_message *message);

// Becomes readable when there may be something to hear.
int crowd_fd(const struct crowd *crowd);

// Hears what there is, without waiting, and says what is due.
void crowd_turn(struct crowd *crowd);

#endif
