// marks.h - where a desk was, kept beside its database: SQLite opens whatever it can, and does not tell what it lost.
//
// A file of two lines, each with its checksum, of which the newer good one counts.  It is written with every commit,
// after it, and synced once a second on a thread of its own: so a killed process leaves exact marks, a power loss marks
// that are at most a second behind, and none that is ahead of what was committed.

#ifndef STORE_SQLITE_MARKS_H
#define STORE_SQLITE_MARKS_H

#include "broker/store/engine.h"

// What is known of damage to the pages.
enum marks_damage {
    DAMAGE_NONE,
    DAMAGE_FOUND,   // no broker goes on before an operator has said so
    DAMAGE_ACCEPTED // one goes on with what can be read
};

struct marks {
    struct store_position position; // on disk at least; all numbers up to these may have been told to somebody
    enum marks_damage damage;
};

// Reads the marks of a desk.  False when there are none that are good.
bool marks_read(const char *folder, const char *desk, struct marks *marks);

// Writes and syncs them at once.
bool marks_write(const char *folder, const char *desk, const struct marks *marks);

// Whether the desk is not as far as the marks say it was.
bool marks_are_ahead(const struct marks *marks, const struct store_position *position);

struct marker;

// Begins with what the marks are now.  NULL with the reason when the file cannot be written.
struct marker *marker_new(const char *folder, const char *desk, const struct marks *marks, char *reason,
                          size_t reason_bytes);

// Syncs what is not synced yet.
void marker_destroy(struct marker **marker_p);

// These cost a write into the page cache.  To be called from one thread.
void marker_note(struct marker *marker, const struct store_position *position);
void marker_note_damage(struct marker *marker, enum marks_damage damage);

#endif
