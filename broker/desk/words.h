// words.h - texts that repeat, such as the rules' names that items carry as reasons, each kept once and by number.

#ifndef DESK_WORDS_H
#define DESK_WORDS_H

#include "broker/desk/lookup.h"

// To be made by words_init.
struct words {
    struct pool pool;
    struct lookup texts; // by hash of the text
};

void words_init(struct words *words);
void words_fini(struct words *words);

// The number of a text, for one more user; 0 for NULL and "".
uint32_t words_keep(struct words *words, const char *text);

// One user less; 0 does nothing.
void words_drop(struct words *words, uint32_t number);

// The text of a number, "" of 0.  Valid while it has a user.
const char *words_text(const struct words *words, uint32_t number);

#endif
