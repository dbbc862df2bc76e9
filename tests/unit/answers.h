// answers.h - whether what a broker says answers what was asked, as messages.def has it.
//
// A test keeps here what its clients send, and has each message that they are told judged.  Ids are a client's own, and
// one id may have been used for several messages: then what fits one of them is right.

#ifndef TESTS_ANSWERS_H
#define TESTS_ANSWERS_H

#include <behalf/message.h>

struct answers;

struct answers *answers_new(void);
void answers_destroy(struct answers **answers_p);

// A frame that `client`, any number, sends; it may be no message at all.
void answers_asked(struct answers *answers, uint64_t client, const void *frame, size_t frame_bytes);

// NULL if the message may be told to the client: news, or an answer of a type, or with a code, that messages.def names
// for what it answers.  Else what is wrong with it, until the next call.
const char *answers_wrong(struct answers *answers, uint64_t client, const struct behalf_message *told);

#endif
