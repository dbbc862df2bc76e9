// fitted.c - copies of messages, cut to the limits that the table of messages gives their fields; see fitted.h.

#include "proto/fitted.h"

#include "proto/mended_text.h"

#include <string.h>

static size_t fitted_cut_count(const struct behalf_field *field, char *body)
{
    size_t count;

    memcpy(&count, body + field->count_offset, sizeof count);
    if (count > (size_t) field->maximum) {
        count = (size_t) field->maximum;
        memcpy(body + field->count_offset, &count, sizeof count);
    }
    return count;
}

static void fitted_limit_number(const struct behalf_field *field, char *body)
{
    int64_t number;

    memcpy(&number, body + field->offset, sizeof number);
    number = number < field->minimum ? field->minimum : number > field->maximum ? field->maximum : number;
    memcpy(body + field->offset, &number, sizeof number);
}

static void fitted_cut_fields(const struct behalf_field *field, char *body)
{
    for (; field->name != NULL; field++) {
        size_t count = field->kind == 's' || field->kind == 'l' ? fitted_cut_count(field, body) : 0;
        char *value = NULL;
        if (field->kind == 't' || count > 0) {
            memcpy(&value, body + field->offset, sizeof value);
        }
        if (field->kind == 'n') {
            fitted_limit_number(field, body);
        }
        if (field->kind == 't' && value != NULL) {
            text_cut(value, (size_t) field->maximum);
        }
        for (size_t i = 0; i < count; i++) {
            if (field->kind == 'l') {
                fitted_cut_fields(field->record, value + i * field->record_bytes);
            } else {
                char *text;
                memcpy(&text, value + i * sizeof text, sizeof text);
                text_cut(text, field->element_bytes_max);
            }
        }
    }
}

struct behalf_message *message_fitted(const struct behalf_message *message)
{
    struct behalf_message *copy = behalf_message_copy(message);

    fitted_cut_fields(behalf_type_fields(copy->type), (char *) copy + offsetof(struct behalf_message, hello));
    return copy;
}
