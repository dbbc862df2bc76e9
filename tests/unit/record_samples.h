// record_samples.h - a record of each kind with a value of its own in every column, and what differs between two.

#ifndef TESTS_RECORD_SAMPLES_H
#define TESTS_RECORD_SAMPLES_H

#include "broker/desk/change.h"

// This many samples of a kind tell any two of its columns apart, flags too, of which one sample has only two values.
#define RECORD_SAMPLES 4

// The sample with this number, from 0; its texts are in the list's memory.  No two columns of it have the same value
// but for its flags, and no column has that of another number's.
struct change record_sample(struct change_list *memory, enum change_kind kind, unsigned number);

// The name of the first column in which two records differ; NULL: in none.
const char *record_difference(enum record record, const void *a, const void *b);

#endif
