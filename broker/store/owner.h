// owner.h - the name of the process that has a desk, by which another one on the same machine can tell that it is dead.
//
//   host:pid/machine.start    machine: what tells this boot of this kernel and these namespaces from all others
//
// The name is for people too; what cannot be found out is left away, and then nobody is called dead.

#ifndef STORE_OWNER_H
#define STORE_OWNER_H

#include <stdbool.h>

#define OWNER_NAME_BYTES 160

// Ours.
void owner_name(char name[OWNER_NAME_BYTES]);

// Whether the process of that name has ended and its parent knows: it can neither speak nor write any more.  False when
// it runs, or ran where we cannot see it.
bool owner_is_dead(const char *name);

#endif
