// accept_loss.h - what the embedded store has lost, in words, and going on without it when an operator says so.

#ifndef STORE_SQLITE_ACCEPT_LOSS_H
#define STORE_SQLITE_ACCEPT_LOSS_H

#include "broker/store/sqlite/marks.h"

// The desk is at `found` and was where the marks say.
void loss_describe(const char *folder, const struct marks *marks, const struct store_position *found, char *reason,
                   size_t reason_bytes);

void loss_describe_damage(const char *folder, const char *found, char *reason, size_t reason_bytes);

// Whether the database is empty or gone while its log is not: SQLite would throw the log away.  To be asked before it
// is opened.
bool loss_is_log_alone(const char *folder, char *reason, size_t reason_bytes);

#endif
