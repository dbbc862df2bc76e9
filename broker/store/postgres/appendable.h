// appendable.h - what can be appended to a desk's journal can be applied: the tables' constraints, checked before.
//
// A change that its tables would refuse must be refused while nobody has been told of it.  What the tables know is
// asked of them in the transaction that appends; what is in the journal still is kept here.

#ifndef STORE_POSTGRES_APPENDABLE_H
#define STORE_POSTGRES_APPENDABLE_H

#include "broker/store/postgres/connection.h"

struct appendable;

struct appendable *appendable_new(void);
void appendable_destroy(struct appendable **appendable_p);

// Looks at a group.  NULL: as far as is known here it can be appended, and appendable_send has what is to be asked;
// else why it cannot.
const char *appendable_look(struct appendable *appendable, struct batch *group);

// Sends what only the tables know of the group last looked at, to run within the transaction; takes no answers.
void appendable_send(struct appendable *appendable, struct connection *connection);

// The group last looked at is in the journal, by a commit that found the tables as far as `shown`, 0: it does not say.
// So far they are on the disk as well: what they knew then, they always will.
void appendable_note(struct appendable *appendable, uint64_t shown);

// The desk was taken over: nothing is in its journal.
void appendable_clear(struct appendable *appendable);

#endif
