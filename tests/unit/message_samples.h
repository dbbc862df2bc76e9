// message_samples.h - messages for tests, made from the tables by rules, none written by hand.
//
// SAMPLE_REQUIRED has only the required fields, SAMPLE_FULL has every field, SAMPLE_LARGEST every field at
// its upper limit (lists with one record), SAMPLE_SMALLEST every number at its lower limit.
//
// The rule of SAMPLE_REQUIRED and SAMPLE_FULL, from which the golden bytes follow: the id is 1000 plus the
// length of the type's name; a text is the field's name, cut to its limit; a number is 1000 times the
// field's place in its table plus 7, or the upper limit if that is less; a flag is true; an array of texts
// is the field's name with "-0" and "-1" behind it; a list has two records made by the same rule.

#ifndef TESTS_UNIT_MESSAGE_SAMPLES_H
#define TESTS_UNIT_MESSAGE_SAMPLES_H

#include <behalf/message.h>

enum sample_kind { SAMPLE_REQUIRED, SAMPLE_FULL, SAMPLE_LARGEST, SAMPLE_SMALLEST };

// Owns what its message points to.
struct sample {
    struct behalf_message message;
    void *blocks[4096];
    size_t block_count;
};

struct sample *sample_new(enum behalf_type type, enum sample_kind kind);
void sample_destroy(struct sample **sample_p);

#endif
