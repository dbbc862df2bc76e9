// message_check.h - what is wrong with a value of a message, and where: the bounds of its field, whichever way it goes.
//
// The decoder and the encoder ask the same, so that what one broker may send another one takes.

#ifndef PROTO_MESSAGE_CHECK_H
#define PROTO_MESSAGE_CHECK_H

#include <behalf/message.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Where a table's fields are in one record of a list; NULL stands for the body.
struct field_place {
    const struct behalf_field *list;
    size_t index;
};

// Writes the fault, but for its id: of no field if `field` is NULL.  Returns false, for the caller to return.
__attribute__((format(printf, 5, 6))) bool message_fail(struct behalf_fault *fault, enum behalf_code code,
                                                        const struct field_place *place,
                                                        const struct behalf_field *field, const char *format, ...);

// Each returns whether the value is within its field's bounds, and writes the fault if it is not.
bool message_check_text(const char *text, size_t bytes, size_t bytes_max, const struct behalf_field *field,
                        const struct field_place *place, struct behalf_fault *fault);
bool message_check_filled(size_t bytes, const struct behalf_field *field, const struct field_place *place,
                          struct behalf_fault *fault);
bool message_check_number(int64_t number, const struct behalf_field *field, const struct field_place *place,
                          struct behalf_fault *fault);
bool message_check_count(size_t count, const struct behalf_field *field, const struct field_place *place,
                         struct behalf_fault *fault);

#endif
