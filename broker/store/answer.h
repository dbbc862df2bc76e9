// answer.h - what every engine does alike: names of states and of posts, limits of pages.

#ifndef STORE_ANSWER_H
#define STORE_ANSWER_H

#include "broker/store/engine.h"

// The state that a record has in a column of states as it stands on disk: "waiting", "offered", ... of an item,
// "queued", "handed", ... of a reply.
const char *store_state_name(const struct column *column, const void *record);

// Sets it from such a name.  False, and nothing set, for a name that no version of ours wrote.
bool store_set_state(const struct column *column, void *record, const char *name);

// Where a post is found by its name.
struct intake_key_record store_intake_key(const struct post_record *post);

// A further post that was found, zeroed and at the end of the question's; the memory is the batch's.
struct known_post *question_add_known(struct question *question, struct batch *batch);

// Makes the texts of an item's record copies in the batch's memory.
void item_record_keep(struct item_record *record, struct batch *batch);

// Rows of a page of outcomes at most, as asked or usual.
size_t report_outcomes_limit(const struct report *report);

// A copy of the first `bytes` of a text in the report's memory.
const char *report_text_part(struct report *report, const char *text, size_t bytes);

// What an event's detail says, in words, in the report's memory.
const char *report_detail(struct report *report, const char *detail, const char *person);

#endif
