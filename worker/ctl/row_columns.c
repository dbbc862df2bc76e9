// row_columns.c - columns by their names: as the input has them, as people may write them, and all of them in words.

#include "worker/ctl/row_reader_parts.h"

#include "proto/base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int row_columns_find(const struct row_reader *self, const char *name)
{
    for (size_t i = 0; i < self->column_count; i++) {
        if (strcmp(self->columns[i], name) == 0) {
            return (int) i;
        }
    }
    return -1;
}

int row_reader_column(struct row_reader *self, const char *name)
{
    int found = row_columns_find(self, name);
    if (found >= 0 || self->format == ROW_FORMAT_CSV || self->column_count == ROW_COLUMNS_MAX) {
        return found;
    }
    self->columns = row_grown(self->columns, (self->column_count + 1) * sizeof *self->columns);
    must(self->columns[self->column_count] = strdup(name));
    return (int) self->column_count++;
}

bool row_reader_saw(const struct row_reader *self, const char *name)
{
    if (self->format == ROW_FORMAT_CSV) {
        return row_columns_find(self, name) >= 0;
    }
    return json_object_get(self->seen, name) != NULL;
}

// The next character of a name as names are compared: small, and one kind of blank.
static char row_columns_plain_of(char character)
{
    if (character >= 'A' && character <= 'Z') {
        return (char) (character - 'A' + 'a');
    }
    return character == ' ' || character == '-' ? '_' : character;
}

static bool row_columns_is_aside(const char *text, size_t *bytes)
{
    *bytes = strncmp(text, "\xc2\xa0", 2) == 0 ? 2 : *text && strchr(" \t\r\n", *text) != NULL ? 1 : 0;
    return *bytes > 0;
}

static bool row_columns_is_alike(const char *column, const char *name)
{
    size_t bytes;
    while (row_columns_is_aside(column, &bytes)) {
        column += bytes;
    }
    for (; *name; name++, column++) {
        if (row_columns_plain_of(*column) != row_columns_plain_of(*name)) {
            return false;
        }
    }
    while (row_columns_is_aside(column, &bytes)) {
        column += bytes;
    }
    return !*column;
}

const char *row_reader_named(const struct row_reader *self, const char *name)
{
    if (row_reader_saw(self, name)) {
        return name;
    }
    const char *found = NULL;
    size_t alike = 0;
    if (self->format == ROW_FORMAT_CSV) {
        for (size_t i = 0; i < self->column_count; i++) {
            if (row_columns_is_alike(self->columns[i], name)) {
                found = self->columns[i];
                alike++;
            }
        }
    }
    const char *key;
    json_t *value;
    json_object_foreach(self->seen, key, value)
    {
        if (row_columns_is_alike(key, name)) {
            found = key;
            alike++;
        }
    }
    return alike == 1 ? found : NULL;
}

static bool row_columns_describe_one(char *text, size_t text_bytes, const char *name)
{
    size_t length = strlen(text);
    if (length + strlen(name) + 8 > text_bytes) {
        snprintf(text + length, text_bytes - length, ", ...");
        return false;
    }
    snprintf(text + length, text_bytes - length, "%s%s", length ? ", " : "", name);
    return true;
}

void row_reader_describe(const struct row_reader *self, char *text, size_t text_bytes)
{
    must(text_bytes > 8);
    text[0] = '\0';
    if (self->format == ROW_FORMAT_CSV) {
        for (size_t i = 0; i < self->column_count; i++) {
            if (!row_columns_describe_one(text, text_bytes, self->columns[i])) {
                return;
            }
        }
        return;
    }
    const char *key;
    json_t *value;
    json_object_foreach(self->seen, key, value)
    {
        if (!row_columns_describe_one(text, text_bytes, key)) {
            return;
        }
    }
}
