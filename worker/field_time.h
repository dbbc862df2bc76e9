// field_time.h - which fields of messages are times; see the names in messages.def.

#ifndef WORKER_FIELD_TIME_H
#define WORKER_FIELD_TIME_H

#include <behalf/message.h>

#include <stdbool.h>
#include <string.h>

// Its name ends with its unit.
static inline bool field_is_time(const struct behalf_field *field)
{
    size_t length = strlen(field->name);
    return field->kind == 'n' && length > 3 && strcmp(field->name + length - 3, "_ms") == 0;
}

#endif
