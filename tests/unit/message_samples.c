// message_samples.c - walks the tables and fills structs by the rules of the header.

#include "tests/unit/message_samples.h"

#include "proto/base/must.h"

#include <stdio.h>
#include <string.h>

static void *sample_take(struct sample *sample, size_t bytes)
{
    must(sample->block_count < sizeof(sample->blocks) / sizeof(sample->blocks[0]));
    void *block = calloc(1, bytes);
    must(block != NULL);
    sample->blocks[sample->block_count++] = block;
    return block;
}

// A text of exactly `bytes` bytes, of two-byte letters as far as they fit.
static const char *long_text(struct sample *sample, size_t bytes)
{
    char *text = sample_take(sample, bytes + 1);
    memset(text, 'x', bytes);
    for (size_t i = 0; i + 1 < bytes; i += 2) {
        memcpy(text + i, "\xc3\xa9", 2);
    }
    return text;
}

static const char *short_text(struct sample *sample, const char *name, const char *suffix, size_t bytes_max)
{
    char *text = sample_take(sample, bytes_max + 1);
    snprintf(text, bytes_max + 1, "%s%s", name, suffix);
    return text;
}

static int64_t sample_number(const struct behalf_field *field, size_t place, enum sample_kind kind)
{
    if (kind == SAMPLE_LARGEST) {
        return field->maximum;
    }
    if (kind == SAMPLE_SMALLEST) {
        return field->minimum;
    }
    int64_t number = (int64_t) place * 1000 + 7;
    return number < field->maximum ? number : field->maximum;
}

static void fill(struct sample *sample, const struct behalf_field *table, char *body, enum sample_kind kind);

static void fill_texts(struct sample *sample, const struct behalf_field *field, char *body, enum sample_kind kind)
{
    size_t count = kind == SAMPLE_LARGEST ? (size_t) field->maximum : 2;
    const char **texts = sample_take(sample, count * sizeof(*texts));
    for (size_t i = 0; i < count; i++) {
        texts[i] = kind == SAMPLE_LARGEST
                       ? long_text(sample, field->element_bytes_max)
                       : short_text(sample, field->name, i == 0 ? "-0" : "-1", field->element_bytes_max);
    }
    memcpy(body + field->offset, &texts, sizeof(texts));
    memcpy(body + field->count_offset, &count, sizeof(count));
}

static void fill_list(struct sample *sample, const struct behalf_field *field, char *body, enum sample_kind kind)
{
    size_t count = kind == SAMPLE_LARGEST ? 1 : 2;
    char *records = sample_take(sample, count * field->record_bytes);
    for (size_t i = 0; i < count; i++) {
        fill(sample, field->record, records + i * field->record_bytes, kind);
    }
    memcpy(body + field->offset, &records, sizeof(records));
    memcpy(body + field->count_offset, &count, sizeof(count));
}

static void fill_value(struct sample *sample, const struct behalf_field *field, size_t place, char *body,
                       enum sample_kind kind)
{
    if (field->kind == 't') {
        size_t bytes_max = (size_t) field->maximum;
        const char *text =
            kind == SAMPLE_LARGEST ? long_text(sample, bytes_max) : short_text(sample, field->name, "", bytes_max);
        memcpy(body + field->offset, &text, sizeof(text));
    } else if (field->kind == 'n') {
        int64_t number = sample_number(field, place, kind);
        memcpy(body + field->offset, &number, sizeof(number));
    } else if (field->kind == 'f') {
        bool flag = true;
        memcpy(body + field->offset, &flag, sizeof(flag));
    } else if (field->kind == 's') {
        fill_texts(sample, field, body, kind);
    } else {
        fill_list(sample, field, body, kind);
    }
}

static void fill(struct sample *sample, const struct behalf_field *table, char *body, enum sample_kind kind)
{
    for (size_t place = 0; table[place].name != NULL; place++) {
        if (kind != SAMPLE_REQUIRED || table[place].required) {
            fill_value(sample, &table[place], place, body, kind);
        }
    }
}

struct sample *sample_new(enum behalf_type type, enum sample_kind kind)
{
    struct sample *sample = calloc(1, sizeof(*sample));
    must(sample != NULL);
    sample->message.type = type;
    sample->message.id = kind == SAMPLE_LARGEST ? INT64_MAX : 1000 + (int64_t) strlen(behalf_type_name(type));
    fill(sample, behalf_type_fields(type), (char *) &sample->message.hello, kind);
    return sample;
}

void sample_destroy(struct sample **sample_p)
{
    struct sample *sample = *sample_p;
    if (sample == NULL) {
        return;
    }
    for (size_t i = 0; i < sample->block_count; i++) {
        free(sample->blocks[i]);
    }
    free(sample);
    *sample_p = NULL;
}
