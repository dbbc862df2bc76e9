// message_json.c - both ways through the table of fields: see message_json.h.
//
// What an object is read into borrows the object's texts; its arrays live in a chain of blocks that is
// freed once the message has been copied.

#include "worker/message_json.h"

#include "proto/base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Where a message's fields begin: the bodies share one place.
#define BODY_OFFSET offsetof(struct behalf_message, hello)

// ---- to JSON ----

static const char *message_json_text_at(const char *body, const struct behalf_field *field)
{
    const char *text;
    memcpy(&text, body + field->offset, sizeof text);
    return text != NULL ? text : "";
}

static int64_t message_json_number_at(const char *body, const struct behalf_field *field)
{
    int64_t number;
    memcpy(&number, body + field->offset, sizeof number);
    return number;
}

static bool flag_at(const char *body, const struct behalf_field *field)
{
    bool flag;
    memcpy(&flag, body + field->offset, sizeof flag);
    return flag;
}

static size_t message_json_count_at(const char *body, const struct behalf_field *field)
{
    size_t count;
    memcpy(&count, body + field->count_offset, sizeof count);
    return count;
}

static const char *message_json_array_at(const char *body, const struct behalf_field *field)
{
    const char *array;
    memcpy(&array, body + field->offset, sizeof array);
    return array;
}

static void message_json_add_fields(json_t *object, const struct behalf_field *fields, const char *body);

static void message_json_add_texts(json_t *object, const struct behalf_field *field, const char *body)
{
    size_t count = message_json_count_at(body, field);
    if (count == 0 && !field->required) {
        return;
    }
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        const char *text;
        memcpy(&text, message_json_array_at(body, field) + i * sizeof text, sizeof text);
        json_array_append_new(array, json_string(text));
    }
    json_object_set_new(object, field->name, array);
}

static void message_json_add_list(json_t *object, const struct behalf_field *field, const char *body)
{
    size_t count = message_json_count_at(body, field);
    if (count == 0 && !field->required) {
        return;
    }
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *record = json_object();
        message_json_add_fields(record, field->record, message_json_array_at(body, field) + i * field->record_bytes);
        json_array_append_new(array, record);
    }
    json_object_set_new(object, field->name, array);
}

static void message_json_add_field(json_t *object, const struct behalf_field *field, const char *body)
{
    switch (field->kind) {
    case 't':
        if (field->required || message_json_text_at(body, field)[0] != '\0') {
            json_object_set_new(object, field->name, json_string(message_json_text_at(body, field)));
        }
        break;
    case 'n':
        if (field->required || message_json_number_at(body, field) != 0) {
            json_object_set_new(object, field->name, json_integer(message_json_number_at(body, field)));
        }
        break;
    case 'f':
        if (field->required || flag_at(body, field)) {
            json_object_set_new(object, field->name, json_boolean(flag_at(body, field)));
        }
        break;
    case 's':
        message_json_add_texts(object, field, body);
        break;
    default:
        message_json_add_list(object, field, body);
        break;
    }
}

static void message_json_add_fields(json_t *object, const struct behalf_field *fields, const char *body)
{
    for (const struct behalf_field *field = fields; field->name != NULL; field++) {
        message_json_add_field(object, field, body);
    }
}

json_t *message_to_json(const struct behalf_message *message)
{
    json_t *object = json_object();
    must(object != NULL);
    json_object_set_new(object, "type", json_string(behalf_type_name(message->type)));
    message_json_add_fields(object, behalf_type_fields(message->type), (const char *) message + BODY_OFFSET);
    return object;
}

// ---- from JSON ----

struct block {
    struct block *next;
    max_align_t memory[];
};

struct reading {
    struct block *blocks; // arrays made on the way
    struct behalf_fault *fault;
};

static void *message_json_reading_allocate(struct reading *reading, size_t bytes)
{
    struct block *block = calloc(1, sizeof *block + bytes);
    must(block != NULL);
    block->next = reading->blocks;
    reading->blocks = block;
    return block->memory;
}

static bool message_json_refuse(struct reading *reading, enum behalf_code code, const struct behalf_field *field,
                                const char *what)
{
    reading->fault->code = code;
    snprintf(reading->fault->field, sizeof reading->fault->field, "%s", field->name);
    snprintf(reading->fault->reason, sizeof reading->fault->reason, "`%s` %s", field->name, what);
    return false;
}

static bool message_json_read_fields(struct reading *reading, const struct behalf_field *fields, const json_t *object,
                                     char *body);

static void message_json_set_array(const struct behalf_field *field, char *body, void *array, size_t count)
{
    memcpy(body + field->offset, &array, sizeof array);
    memcpy(body + field->count_offset, &count, sizeof count);
}

static bool message_json_read_array(struct reading *reading, const struct behalf_field *field, const json_t *value,
                                    char *body)
{
    if (!json_is_array(value)) {
        return message_json_refuse(reading, BEHALF_CODE_INVALID, field, "must be an array");
    }
    size_t count = json_array_size(value);
    if (count > (size_t) field->maximum) {
        return message_json_refuse(reading, BEHALF_CODE_INVALID, field, "has too many elements");
    }
    if (count == 0) {
        return true;
    }

    size_t element_bytes = field->kind == 's' ? sizeof(void *) : field->record_bytes;
    char *array = message_json_reading_allocate(reading, count * element_bytes);
    for (size_t i = 0; i < count; i++) {
        const json_t *element = json_array_get(value, i);
        if (field->kind == 's') {
            const char *text = json_string_value(element);
            if (text == NULL) {
                return message_json_refuse(reading, BEHALF_CODE_INVALID, field, "must be an array of texts");
            }
            memcpy(array + i * element_bytes, &text, sizeof text);
        } else {
            if (!json_is_object(element)) {
                return message_json_refuse(reading, BEHALF_CODE_INVALID, field, "must be an array of objects");
            }
            if (!message_json_read_fields(reading, field->record, element, array + i * element_bytes)) {
                return false;
            }
        }
    }
    message_json_set_array(field, body, array, count);
    return true;
}

static bool message_json_read_field(struct reading *reading, const struct behalf_field *field, const json_t *value,
                                    char *body)
{
    if (field->kind == 't') {
        const char *text = json_string_value(value);
        if (text == NULL) {
            return message_json_refuse(reading, BEHALF_CODE_INVALID, field, "must be a text");
        }
        memcpy(body + field->offset, &text, sizeof text);
    } else if (field->kind == 'n') {
        if (!json_is_integer(value)) {
            return message_json_refuse(reading, BEHALF_CODE_INVALID, field, "must be a whole number");
        }
        int64_t number = json_integer_value(value);
        memcpy(body + field->offset, &number, sizeof number);
    } else if (field->kind == 'f') {
        if (!json_is_boolean(value)) {
            return message_json_refuse(reading, BEHALF_CODE_INVALID, field, "must be true or false");
        }
        bool flag = json_is_true(value);
        memcpy(body + field->offset, &flag, sizeof flag);
    } else {
        return message_json_read_array(reading, field, value, body);
    }
    return true;
}

// An absent text is "": libbehalf takes a NULL text for a mistake where one is required.
static void message_json_set_empty(const struct behalf_field *field, char *body)
{
    static const char *const empty = "";
    if (field->kind == 't') {
        memcpy(body + field->offset, &empty, sizeof(void *));
    }
}

static bool message_json_read_fields(struct reading *reading, const struct behalf_field *fields, const json_t *object,
                                     char *body)
{
    for (const struct behalf_field *field = fields; field->name != NULL; field++) {
        const json_t *value = json_object_get(object, field->name);
        if (value == NULL || json_is_null(value)) {
            if (field->required) {
                return message_json_refuse(reading, BEHALF_CODE_MISSING, field, "is missing");
            }
            message_json_set_empty(field, body);
        } else if (!message_json_read_field(reading, field, value, body)) {
            return false;
        }
    }
    return true;
}

static void message_json_name_unknown(enum behalf_type type, const json_t *object, char *unknown)
{
    const char *key;
    json_t *value;
    unknown[0] = '\0';
    json_object_foreach((json_t *) object, key, value)
    {
        const struct behalf_field *field = behalf_type_fields(type);
        while (field->name != NULL && strcmp(field->name, key) != 0) {
            field++;
        }
        if (field->name == NULL && strcmp(key, "type") != 0 && strcmp(key, "id") != 0) {
            snprintf(unknown, 64, "%s", key);
            return;
        }
    }
}

struct behalf_message *message_from_json(enum behalf_type type, const json_t *object, char *unknown,
                                         struct behalf_fault *fault)
{
    memset(fault, 0, sizeof *fault);
    message_json_name_unknown(type, object, unknown);
    struct behalf_message message = { .type = type };
    struct reading reading = { .fault = fault };
    struct behalf_message *result = NULL;
    if (message_json_read_fields(&reading, behalf_type_fields(type), object, (char *) &message + BODY_OFFSET)) {
        result = behalf_message_copy(&message);
    }

    while (reading.blocks != NULL) {
        struct block *block = reading.blocks;
        reading.blocks = block->next;
        free(block);
    }
    return result;
}

json_t *json_line_parse(const char *line, size_t line_bytes, char *reason, size_t reason_bytes)
{
    json_error_t error;
    json_t *object = json_loadb(line, line_bytes, JSON_REJECT_DUPLICATES, &error);
    if (object == NULL) {
        char *quote = strstr(error.text, " near '");
        if (quote != NULL) {
            *quote = '\0';
        }
        snprintf(reason, reason_bytes, "not JSON: %s (byte %d)", error.text, error.position);
        return NULL;
    }
    if (!json_is_object(object)) {
        snprintf(reason, reason_bytes, "not a JSON object");
        json_decref(object);
        return NULL;
    }
    return object;
}
