// feed_map.c - columns found by their names, and a row made a message: see feed_map.h.

#include "worker/ctl/feed_map.h"

#include "worker/ctl/feed_zone.h"
#include "worker/field_time.h"

#include "proto/base/must.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <unistr.h>

#define TIME_FIELD "posted_ms"
#define ANY_OTHER "*" // in a table of values: what stands for those not listed

enum source {
    FROM_NOTHING,
    FROM_COLUMN,
    FROM_SAME_NAME, // a column that has the field's name, without being asked for
    FROM_CONSTANT
};

// Where one field of POST comes from.
struct mapping {
    const struct behalf_field *field;
    enum source source;
    bool told;      // an option named this field
    char *text;     // the column's name, or the constant
    int column;     // of the reader, once bound
    json_t *values; // file's value to ours; NULL: values are taken as they are
};

struct feed_map {
    struct mapping
        *mappings; // one a field: those of POST in the table's order, then those that only EDIT or DELETE has
    size_t count;
    int type_column; // of NDJSON: tells a post from an edit and a deletion; -1: all are posts
    struct feed_time time;
    char *formats[FEED_TIME_FORMATS_MAX];
};

static struct mapping *feed_map_mapping_named(const struct feed_map *self, const char *name, size_t length)
{
    for (size_t i = 0; i < self->count; i++) {
        const char *field = self->mappings[i].field->name;
        if (strlen(field) == length && memcmp(field, name, length) == 0) {
            return &self->mappings[i];
        }
    }
    return NULL;
}

static void feed_map_add_fields(struct feed_map *self, enum behalf_type type)
{
    for (const struct behalf_field *field = behalf_type_fields(type); field->name != NULL; field++) {
        if (feed_map_mapping_named(self, field->name, strlen(field->name)) != NULL) {
            continue;
        }
        must(self->mappings = realloc(self->mappings, (self->count + 1) * sizeof *self->mappings));
        self->mappings[self->count++] = (struct mapping){ .field = field, .column = -1 };
    }
}

struct feed_map *feed_map_new(void)
{
    struct feed_map *self = calloc(1, sizeof *self);
    must(self);
    self->type_column = -1;
    feed_map_add_fields(self, BEHALF_POST);
    feed_map_add_fields(self, BEHALF_EDIT);
    feed_map_add_fields(self, BEHALF_DELETE);
    return self;
}

void feed_map_destroy(struct feed_map **map_p)
{
    struct feed_map *self = *map_p;
    if (self == NULL) {
        return;
    }
    for (size_t i = 0; i < self->count; i++) {
        free(self->mappings[i].text);
        json_decref(self->mappings[i].values);
    }
    for (size_t i = 0; i < self->time.format_count; i++) {
        free(self->formats[i]);
    }
    free(self->mappings);
    free(self);
    *map_p = NULL;
}

static bool feed_map_refuse_field(const struct feed_map *self, const char *name, size_t length, char *fault)
{
    int written = snprintf(fault, FEED_FAULT_BYTES, "a post has no field %.*s; its fields are", (int) length, name);
    for (size_t i = 0; i < self->count && written < FEED_FAULT_BYTES; i++) {
        written += snprintf(fault + written, FEED_FAULT_BYTES - (size_t) written, "%s %s", i ? "," : "",
                            self->mappings[i].field->name);
    }
    return false;
}

static struct mapping *feed_map_find_mapping(struct feed_map *self, const char *name, size_t length, char *fault)
{
    if (length == strlen("posted") && memcmp(name, "posted", length) == 0) {
        name = TIME_FIELD;
        length = strlen(name);
    }
    struct mapping *mapping = feed_map_mapping_named(self, name, length);
    if (mapping == NULL) {
        feed_map_refuse_field(self, name, length, fault);
    }
    return mapping;
}

static bool feed_map_tell(struct mapping *mapping, enum source source, const char *text, char *fault)
{
    if (mapping->told) {
        snprintf(fault, FEED_FAULT_BYTES, "%s is given twice", mapping->field->name);
        return false;
    }
    mapping->told = true;
    mapping->source = source;
    mapping->text = strdup(text);
    must(mapping->text);
    return true;
}

bool feed_map_constant(struct feed_map *self, const char *field, const char *text, char *fault)
{
    struct mapping *mapping = feed_map_find_mapping(self, field, strlen(field), fault);
    return mapping != NULL && feed_map_tell(mapping, FROM_CONSTANT, text, fault);
}

bool feed_map_add(struct feed_map *self, const char *option, char *fault)
{
    const char *equals = strchr(option, '=');
    if (equals == NULL) {
        snprintf(fault, FEED_FAULT_BYTES, "%s: should be FIELD=COLUMN or FIELD==TEXT", option);
        return false;
    }
    struct mapping *mapping = feed_map_find_mapping(self, option, (size_t) (equals - option), fault);
    if (mapping == NULL) {
        return false;
    }
    if (equals[1] == '=') {
        return feed_map_tell(mapping, FROM_CONSTANT, equals + 2, fault);
    }
    return feed_map_tell(mapping, equals[1] ? FROM_COLUMN : FROM_NOTHING, equals + 1, fault);
}

static bool feed_map_set_value(struct mapping *mapping, const char *from, size_t from_length, const char *to,
                               char *fault)
{
    if (mapping->values == NULL) {
        must(mapping->values = json_object());
    }
    if (json_object_getn(mapping->values, from, from_length) != NULL) {
        snprintf(fault, FEED_FAULT_BYTES, "%s: a value is given twice: %.*s", mapping->field->name, (int) from_length,
                 from);
        return false;
    }
    if (json_object_setn_new(mapping->values, from, from_length, json_string(to)) == 0) {
        return true;
    }
    snprintf(fault, FEED_FAULT_BYTES, "%s: a value is not UTF-8", mapping->field->name);
    return false;
}

bool feed_map_add_value(struct feed_map *self, const char *option, char *fault)
{
    const char *colon = strchr(option, ':');
    const char *equals = strrchr(option, '=');
    if (colon == NULL || equals == NULL || equals < colon) {
        snprintf(fault, FEED_FAULT_BYTES, "%s: should be FIELD:FROM=TO, as in 'brand:Virgin America=virgin'", option);
        return false;
    }
    struct mapping *mapping = feed_map_find_mapping(self, option, (size_t) (colon - option), fault);
    return mapping != NULL && feed_map_set_value(mapping, colon + 1, (size_t) (equals - colon - 1), equals + 1, fault);
}

static bool feed_map_read_values(struct mapping *mapping, struct row_reader *reader, const char *path, char *fault)
{
    const struct row *row;
    char reason[FEED_FAULT_BYTES];
    for (;;) {
        switch (row_reader_next(reader, &row)) {
        case ROW_END:
            return true;
        case ROW_MORE:
            if (row_reader_fill(reader, fault)) {
                break;
            }
            return false;
        case ROW_READY:
            snprintf(reason, sizeof reason, "%s", row->fault);
            if (reason[0] ||
                !feed_map_set_value(mapping, row->cells[0].text, row->cells[0].bytes, row->cells[1].text, reason)) {
                snprintf(fault, FEED_FAULT_BYTES, "%.500s:%" PRIu64 ": %.1400s", path, row->line, reason);
                return false;
            }
            break;
        }
    }
}

bool feed_map_add_values(struct feed_map *self, const char *option, char *fault)
{
    const char *equals = strchr(option, '=');
    if (equals == NULL || !equals[1]) {
        snprintf(fault, FEED_FAULT_BYTES, "%s: should be FIELD=FILE", option);
        return false;
    }
    struct mapping *mapping = feed_map_find_mapping(self, option, (size_t) (equals - option), fault);
    if (mapping == NULL) {
        return false;
    }
    const char *path = equals + 1;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        snprintf(fault, FEED_FAULT_BYTES, "%s: %s", path, strerror(errno));
        return false;
    }
    struct row_reader *reader = row_reader_new(descriptor, path, ROW_FORMAT_CSV, 0);
    char reason[ROW_FAULT_BYTES] = "";
    bool opened = row_reader_open(reader, reason);
    char columns[64] = "";
    if (opened) {
        row_reader_describe(reader, columns, sizeof columns);
    }
    bool sound = opened && strcmp(columns, "from, to") == 0;
    if (!opened) {
        snprintf(fault, FEED_FAULT_BYTES, "%.500s: %s", path, reason);
    } else if (!sound) {
        snprintf(fault, FEED_FAULT_BYTES, "%s: should be a CSV file whose first line is from,to", path);
    }
    sound = sound && feed_map_read_values(mapping, reader, path, fault);
    row_reader_destroy(&reader);
    close(descriptor);
    return sound;
}

bool feed_map_add_time_format(struct feed_map *self, const char *format, char *fault)
{
    size_t i = self->time.format_count;
    if (i == FEED_TIME_FORMATS_MAX) {
        snprintf(fault, FEED_FAULT_BYTES, "more than %d time formats", FEED_TIME_FORMATS_MAX);
        return false;
    }
    if (strchr(format, '%') == NULL && strcmp(format, "epoch") != 0 && strcmp(format, "epoch-ms") != 0) {
        snprintf(fault, FEED_FAULT_BYTES,
                 "%s: should be as for strptime, like '%%d.%%m.%%Y %%H:%%M', or epoch or epoch-ms", format);
        return false;
    }
    self->formats[i] = strdup(format);
    must(self->formats[i]);
    self->time.formats[i] = self->formats[i];
    self->time.format_count++;
    return true;
}

bool feed_map_set_zone(struct feed_map *self, const char *zone, char *fault)
{
    self->time.named_zone = false;
    if (feed_time_zone(zone, &self->time.zone_ms)) {
        return true;
    }
    return self->time.named_zone = feed_zone_use(zone, fault, FEED_FAULT_BYTES);
}

// Whether nobody would leave it out without knowing.  Rows that tell their type may all be edits or deletions, which
// have little of a post: then what a row lacks is told with it.
static bool feed_map_is_wanted(const struct mapping *mapping, struct row_reader *reader)
{
    const char *name = mapping->field->name;
    bool of_any_type = strcmp(name, "post") == 0 || strcmp(name, "channel") == 0;
    bool told_types = row_reader_format(reader) == ROW_FORMAT_NDJSON && row_reader_saw(reader, "type");
    if (told_types && !of_any_type) {
        return false;
    }
    return mapping->field->required || (!mapping->told && (strcmp(name, "text") == 0 || strcmp(name, "author") == 0));
}

// Returns the number of problems, 0 or 1.
static size_t feed_map_bind_one(struct mapping *mapping, struct row_reader *reader, FILE *problems)
{
    const char *name = mapping->field->name, *named = row_reader_named(reader, name);
    if (mapping->source == FROM_NOTHING && !mapping->told && named != NULL) {
        mapping->source = FROM_SAME_NAME;
        must(mapping->text = strdup(named));
    }
    if (mapping->source == FROM_COLUMN && (named = row_reader_named(reader, mapping->text)) != NULL &&
        strcmp(named, mapping->text) != 0) {
        free(mapping->text);
        must(mapping->text = strdup(named));
    }
    if (mapping->source == FROM_COLUMN || mapping->source == FROM_SAME_NAME) {
        bool csv = row_reader_format(reader) == ROW_FORMAT_CSV;
        bool saw = row_reader_saw(reader, mapping->text);
        mapping->column = row_reader_column(reader, mapping->text);
        if (mapping->column < 0 || (!saw && mapping->field->required)) {
            fprintf(problems, "--map %s=%s: there is no column %s\n", name, mapping->text, mapping->text);
            return 1;
        }
        if (!saw && !csv) {
            fprintf(problems, "warning: --map %s=%s: the first rows have no %s\n", name, mapping->text, mapping->text);
        }
    }
    if (mapping->source == FROM_NOTHING && feed_map_is_wanted(mapping, reader)) {
        fprintf(problems, "%s: which column is it? --map %s=COLUMN, or for all rows --map %s==TEXT%s%s (%s)\n", name,
                name, name, mapping->field->required ? "" : ", or to leave it out --map ",
                mapping->field->required    ? ""
                : strcmp(name, "text") == 0 ? "text="
                                            : "author=",
                mapping->field->field_doc);
        return 1;
    }
    return 0;
}

size_t feed_map_bind(struct feed_map *self, struct row_reader *reader, FILE *problems)
{
    size_t found = 0;
    if (row_reader_format(reader) == ROW_FORMAT_NDJSON) {
        self->type_column = row_reader_column(reader, "type");
    }
    for (size_t i = 0; i < self->count; i++) {
        found += feed_map_bind_one(&self->mappings[i], reader, problems);
    }
    if (found) {
        char columns[4096];
        row_reader_describe(reader, columns, sizeof columns);
        fprintf(problems, "the columns are: %s\n", columns);
    }
    return found;
}

void feed_map_describe(const struct feed_map *self, FILE *out)
{
    const char *separator = "";
    for (size_t i = 0; i < self->count; i++) {
        const struct mapping *mapping = &self->mappings[i];
        if (mapping->source == FROM_NOTHING) {
            continue;
        }
        bool constant = mapping->source == FROM_CONSTANT;
        fprintf(out, "%s%s %s %s", separator, mapping->field->name, constant ? "is" : "from", mapping->text);
        separator = ", ";
    }
}

// ---- one row ----

// What programs write where a table has nothing.
static bool feed_map_means_nothing(const char *text)
{
    static const char *const words[] = { "n/a", "na", "nan", "none", "null", "nil", "nat", "-", "--", "\\N", "#N/A" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcasecmp(text, words[i]) == 0) {
            return true;
        }
    }
    return strncmp(text, "0000-00-00", strlen("0000-00-00")) == 0;
}

static bool feed_map_fill_number(const struct feed_map *self, const struct behalf_field *field, const char *text,
                                 struct mending *mending, int64_t *number, char *fault)
{
    if (!field_is_time(field)) {
        mending_count(mending, field, text, number); // one that is none is left out
        return true;
    }
    if (feed_time_parse(&self->time, text, number)) {
        return true;
    }
    if (feed_map_means_nothing(text)) {
        mending_note(mending, field->name, MENDING_LEFT_OUT);
        return true;
    }
    snprintf(fault, FEED_FAULT_BYTES,
             "%s: %.100s is no time that %s; say how it is written, as in --time-format '%%d.%%m.%%Y %%H:%%M'",
             field->name, text, self->time.format_count ? "the formats given describe" : "is understood");
    return false;
}

static bool feed_map_check_text(const struct behalf_field *field, const char *text, size_t bytes, char *fault)
{
    const uint8_t *wrong = u8_check((const uint8_t *) text, bytes);
    const char *nul = memchr(text, '\0', bytes);
    if (wrong != NULL) {
        snprintf(fault, FEED_FAULT_BYTES,
                 "%s: is not UTF-8, at byte %zu (0x%02x); if the file is Latin-1: iconv -f latin1 -t utf-8",
                 field->name, (size_t) (wrong - (const uint8_t *) text) + 1, *wrong);
    } else if (nul != NULL) {
        snprintf(fault, FEED_FAULT_BYTES, "%s: has a NUL in it, at byte %zu", field->name, (size_t) (nul - text) + 1);
    } else {
        return true;
    }
    return false;
}

static const char *feed_map_map_value(const struct mapping *mapping, const char *text, char *fault)
{
    const json_t *to = json_object_get(mapping->values, text);
    if (to == NULL) {
        to = json_object_get(mapping->values, ANY_OTHER);
    }
    if (to == NULL) {
        snprintf(fault, FEED_FAULT_BYTES, "%s: nothing was said about the value %.100s; see --value",
                 mapping->field->name, text);
    }
    return json_string_value(to);
}

// Fills `field` of a body with what its mapping gives.
static bool feed_map_fill_field(const struct feed_map *self, const struct behalf_field *field, const struct row *row,
                                struct mending *mending, void *body, char *fault)
{
    const struct mapping *mapping = feed_map_mapping_named(self, field->name, strlen(field->name));
    must(mapping);
    const char *text = mapping->source == FROM_CONSTANT ? mapping->text : NULL;
    size_t bytes = text != NULL ? strlen(text) : 0;
    if (mapping->column >= 0) {
        must((size_t) mapping->column < row->cell_count);
        text = row->cells[mapping->column].text;
        bytes = row->cells[mapping->column].bytes;
        if (row->cells[mapping->column].structure && !field->required) {
            mending_note(mending, field->name, MENDING_LEFT_OUT);
        }
    }
    if (text == NULL || !bytes) {
        if (field->required) {
            snprintf(fault, FEED_FAULT_BYTES, "%s: %s", field->name,
                     text != NULL || mapping->column < 0 || !row->cells[mapping->column].structure
                         ? "is missing"
                         : "is a list or an object, not a value");
        }
        return !field->required;
    }
    if (!feed_map_check_text(field, text, bytes, fault)) {
        return false;
    }
    if (mapping->values != NULL && (text = feed_map_map_value(mapping, text, fault)) == NULL) {
        return false;
    }
    if (mapping->values != NULL && !feed_map_check_text(field, text, strlen(text), fault)) {
        return false;
    }
    if (field->kind == 'n') {
        return feed_map_fill_number(self, field, text, mending, (int64_t *) ((char *) body + field->offset), fault);
    }
    if (mending_text(mending, field, text, (const char **) ((char *) body + field->offset))) {
        return true;
    }
    snprintf(fault, FEED_FAULT_BYTES, "%s: is %zu bytes long, %" PRId64 " at most", field->name, strlen(text),
             field->maximum);
    return false;
}

static enum behalf_type feed_map_type_of(const struct feed_map *self, const struct row *row)
{
    const char *type = self->type_column >= 0 ? row->cells[self->type_column].text : NULL;
    if (type != NULL && strcmp(type, "edit") == 0) {
        return BEHALF_EDIT;
    }
    return type != NULL && strcmp(type, "delete") == 0 ? BEHALF_DELETE : BEHALF_POST;
}

bool feed_map_apply(const struct feed_map *self, const struct row *row, struct mending *mending,
                    struct behalf_message *post, char *fault)
{
    mending_begin(mending);
    if (row->characters) {
        mending_note(mending, "row", MENDING_CHARACTERS);
    }
    *post = (struct behalf_message){ .type = feed_map_type_of(self, row) };
    for (const struct behalf_field *field = behalf_type_fields(post->type); field->name != NULL; field++) {
        if (!feed_map_fill_field(self, field, row, mending, &post->post,
                                 fault)) { // every body begins where the union does
            return false;
        }
    }
    return true;
}

const struct row_cell *feed_map_post_cell(const struct feed_map *self, const struct row *row)
{
    const struct mapping *mapping = feed_map_mapping_named(self, "post", strlen("post"));
    must(mapping);
    return mapping->column >= 0 ? &row->cells[mapping->column] : NULL;
}

void feed_map_manual(FILE *out)
{
    fprintf(out, "The fields of a post:\n");
    for (const struct behalf_field *field = behalf_type_fields(BEHALF_POST); field->name != NULL; field++) {
        fprintf(out, "  %-12s %s%s\n", field->name, field->field_doc, field->required ? " (required)" : "");
    }
    fprintf(out,
            "\nOf NDJSON a row whose \"type\" is edit or delete tells of a post by its channel and post; it has text\n"
            "and edited_ms, or deleted_ms. A file of nothing else may be fed.\n");
}
