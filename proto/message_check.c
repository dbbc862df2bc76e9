// message_check.c - a value against its field's bounds, and the words for one that breaks them.

#include "proto/message_check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistr.h>

bool message_fail(struct behalf_fault *fault, enum behalf_code code, const struct field_place *place,
                  const struct behalf_field *field, const char *format, ...)
{
    fault->code = code;
    if (field == NULL) {
        fault->field[0] = '\0';
    } else if (place != NULL) {
        snprintf(fault->field, sizeof(fault->field), "%s[%zu].%s", place->list->name, place->index, field->name);
    } else {
        snprintf(fault->field, sizeof(fault->field), "%s", field->name);
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fault->reason, sizeof(fault->reason), format, arguments);
    va_end(arguments);
    return false;
}

bool message_check_text(const char *text, size_t bytes, size_t bytes_max, const struct behalf_field *field,
                        const struct field_place *place, struct behalf_fault *fault)
{
    if (bytes > bytes_max) {
        return message_fail(fault, BEHALF_CODE_INVALID, place, field, "%zu bytes long; %zu at most are allowed", bytes,
                            bytes_max);
    }
    if (memchr(text, '\0', bytes) != NULL) {
        return message_fail(fault, BEHALF_CODE_INVALID, place, field, "contains a NUL character");
    }
    const uint8_t *wrong = u8_check((const uint8_t *) text, bytes);
    if (wrong != NULL) {
        return message_fail(fault, BEHALF_CODE_INVALID, place, field, "is not UTF-8: see byte %zu",
                            (size_t) (wrong - (const uint8_t *) text));
    }
    return true;
}

bool message_check_filled(size_t bytes, const struct behalf_field *field, const struct field_place *place,
                          struct behalf_fault *fault)
{
    if (bytes > 0) {
        return true;
    }
    return message_fail(fault, BEHALF_CODE_INVALID, place, field, "is empty; from 1 to %" PRId64 " bytes are required",
                        field->maximum);
}

bool message_check_number(int64_t number, const struct behalf_field *field, const struct field_place *place,
                          struct behalf_fault *fault)
{
    if (number >= field->minimum && number <= field->maximum) {
        return true;
    }
    return message_fail(fault, BEHALF_CODE_INVALID, place, field,
                        "is %" PRId64 "; from %" PRId64 " to %" PRId64 " are allowed", number, field->minimum,
                        field->maximum);
}

bool message_check_count(size_t count, const struct behalf_field *field, const struct field_place *place,
                         struct behalf_fault *fault)
{
    if (count <= (size_t) field->maximum) {
        return true;
    }
    return message_fail(fault, BEHALF_CODE_INVALID, place, field, "has %zu elements; %" PRId64 " at most are allowed",
                        count, field->maximum);
}
