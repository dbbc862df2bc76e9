// message_fields.h - the fields of messages: found by the names that keys have, read and written by their rows.
//
// For the parts of the library that go through a message by its table.  Values are read and written through memcpy, as
// the pointers in the structs have many types.

#ifndef PROTO_MESSAGE_FIELDS_H
#define PROTO_MESSAGE_FIELDS_H

#include <behalf/message.h>

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// The type that travels under a name, or BEHALF_NONE.
enum behalf_type message_find_type(const char *name, size_t name_bytes);

// The field that a key names, or NULL.  Keys mostly come in the table's order: `next` is tried first, and is then the
// row behind the one found.
const struct behalf_field *message_find_field(const struct behalf_field *table, const msgpack_object *key,
                                              const struct behalf_field **next);

// The bodies are members of one union, so that any of them tells where it begins.
#define MESSAGE_BODY_OFFSET offsetof(struct behalf_message, hello)

static inline const char *message_body_of(const struct behalf_message *message)
{
    return (const char *) message + MESSAGE_BODY_OFFSET;
}

static inline int64_t message_number_in(const struct behalf_field *field, const char *body)
{
    int64_t number;
    memcpy(&number, body + field->offset, sizeof(number));
    return number;
}

static inline bool message_flag_in(const struct behalf_field *field, const char *body)
{
    bool flag;
    memcpy(&flag, body + field->offset, sizeof(flag));
    return flag;
}

static inline const void *message_pointer_in(const struct behalf_field *field, const char *body)
{
    const void *pointer;
    memcpy(&pointer, body + field->offset, sizeof(pointer));
    return pointer;
}

static inline const char *message_text_in(const struct behalf_field *field, const char *body)
{
    const char *text = message_pointer_in(field, body);
    return text != NULL ? text : "";
}

static inline size_t message_count_in(const struct behalf_field *field, const char *body)
{
    size_t count;
    memcpy(&count, body + field->count_offset, sizeof(count));
    return count;
}

static inline void message_set_pointer(const struct behalf_field *field, char *body, const void *pointer)
{
    memcpy(body + field->offset, &pointer, sizeof(pointer));
}

static inline void message_set_list(const struct behalf_field *field, char *body, const void *pointer, size_t count)
{
    message_set_pointer(field, body, pointer);
    memcpy(body + field->count_offset, &count, sizeof(count));
}

#endif
