// mending.c - each field held against its bounds, and the notes of what was changed: see mending.h.

#include "worker/mending.h"

#include "proto/base/must.h"
#include "proto/mended_text.h"
#include "worker/misread_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUMS_MAX 64 // fields times kinds, and room

struct sum {
    const char *field;
    enum mending_kind kind;
    uint64_t posts;
};

struct mending {
    char *texts[32]; // made for this post, two a field at most
    size_t text_count;
    struct sum notes[SUMS_MAX]; // of this post
    size_t note_count;
    char words[MENDING_NOTES_BYTES];
    struct sum sums[SUMS_MAX]; // of all posts
    size_t sum_count;
    uint64_t posts;
};

// What is done with a text that is too long, as the broker would; refused where a post needs what cannot be mended.
static enum mending_kind mending_kind_of(const struct behalf_field *field)
{
    switch (field->mending) {
    case BEHALF_MENDED_SHORTENED:
        return MENDING_SHORTENED;
    case BEHALF_MENDED_WORDS:
    case BEHALF_MENDED_CUT:
        return MENDING_CUT;
    default:
        return MENDING_LEFT_OUT;
    }
}

// So that it may have been misread.
static bool mending_is_written_by_people(const struct behalf_field *field)
{
    return strcmp(field->name, "author") == 0 || strcmp(field->name, "author_name") == 0 ||
           strcmp(field->name, "text") == 0;
}

static const char *mending_word_of(enum mending_kind kind)
{
    switch (kind) {
    case MENDING_LEFT_OUT:
        return "left out";
    case MENDING_CUT:
        return "cut";
    case MENDING_SHORTENED:
        return "shortened";
    case MENDING_CHARACTERS:
        return "with broken characters";
    default:
        return "misread as Latin-1";
    }
}

struct mending *mending_new(void)
{
    struct mending *self = calloc(1, sizeof *self);
    must(self);
    return self;
}

void mending_begin(struct mending *self)
{
    for (size_t i = 0; i < self->text_count; i++) {
        free(self->texts[i]);
    }
    self->text_count = 0;
    self->note_count = 0;
    self->words[0] = '\0';
}

void mending_destroy(struct mending **mending_p)
{
    struct mending *self = *mending_p;
    if (self == NULL) {
        return;
    }
    mending_begin(self);
    free(self);
    *mending_p = NULL;
}

static void mending_add(struct sum *sums, size_t *count, const char *field, enum mending_kind kind)
{
    size_t i = 0;
    while (i < *count && (sums[i].kind != kind || strcmp(sums[i].field, field) != 0)) {
        i++;
    }
    if (i == SUMS_MAX) {
        return;
    }
    if (i == *count) {
        sums[(*count)++] = (struct sum){ .field = field, .kind = kind };
    }
    sums[i].posts++;
}

void mending_note(struct mending *self, const char *field, enum mending_kind kind)
{
    mending_add(self->notes, &self->note_count, field, kind);
    size_t length = strlen(self->words);
    snprintf(self->words + length, sizeof self->words - length, "%s%s %s", length ? ", " : "", field,
             mending_word_of(kind));
}

const char *mending_notes(const struct mending *self)
{
    return self->words;
}

void mending_end(struct mending *self)
{
    self->posts += self->note_count > 0;
    for (size_t i = 0; i < self->note_count; i++) {
        mending_add(self->sums, &self->sum_count, self->notes[i].field, self->notes[i].kind);
    }
}

uint64_t mending_posts(const struct mending *self)
{
    return self->posts;
}

void mending_describe(const struct mending *self, char *text, size_t text_bytes)
{
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < self->sum_count && length < text_bytes; i++) {
        length +=
            (size_t) snprintf(text + length, text_bytes - length, "%s%s %s %llu", i ? ", " : "", self->sums[i].field,
                              mending_word_of(self->sums[i].kind), (unsigned long long) self->sums[i].posts);
    }
}

static const char *mending_keep(struct mending *self, char *text)
{
    must(self->text_count < sizeof self->texts / sizeof *self->texts);
    return self->texts[self->text_count++] = text;
}

bool mending_text(struct mending *self, const struct behalf_field *field, const char *text, const char **mended)
{
    enum mending_kind kind = mending_kind_of(field);
    char *reading = mending_is_written_by_people(field) ? mended_reading(text) : NULL;
    if (reading != NULL) {
        mending_note(self, field->name, MENDING_READING);
        text = mending_keep(self, reading);
    }
    size_t bytes = strlen(text), bytes_max = (size_t) field->maximum;
    *mended = text;
    if (bytes <= bytes_max) {
        return true;
    }
    if (kind == MENDING_LEFT_OUT && field->required) {
        return false;
    }
    mending_note(self, field->name, kind);
    if (kind == MENDING_LEFT_OUT) {
        *mended = NULL;
    } else {
        *mended = mending_keep(self, kind == MENDING_CUT ? mended_words(text, bytes, bytes_max)
                                                         : shortened_key(text, bytes, bytes_max));
    }
    return true;
}

// ---- counts ----

#define DIGITS "0123456789"

// What stands between thousands: bytes of it, or 0.
static size_t mending_separator_at(const char *text)
{
    static const char *const separators[] = { ",", ".", "'", " ", "_", "\xc2\xa0", "\xe2\x80\xaf", "\xe2\x80\x99" };
    for (size_t i = 0; i < sizeof separators / sizeof *separators; i++) {
        if (strncmp(text, separators[i], strlen(separators[i])) == 0) {
            return strlen(separators[i]);
        }
    }
    return 0;
}

// Moves `text` past whole digits with or without groups of three, and writes the digits alone; `groups` after the
// first, parted by `mark`.  False when there are more than 18 digits, or groups that are none.
static bool mending_take_digits(const char **text, char digits[20], size_t *groups, char *mark)
{
    size_t count = strspn(*text, DIGITS), separator;
    *groups = 0;
    *mark = '\0';
    if (count == 0 || count > 18) {
        return false;
    }
    memcpy(digits, *text, count);
    *text += count;
    bool first_fits = count <= 3 && digits[0] != '0';
    while (first_fits && (separator = mending_separator_at(*text)) > 0 && strspn(*text + separator, DIGITS) == 3) {
        char next = (*text)[separator - 1]; // the last byte tells them apart
        if ((*mark && *mark != next) || count + 3 > 18) {
            return false;
        }
        *mark = next;
        memcpy(digits + count, *text + separator, 3);
        count += 3;
        *text += separator + 3;
        ++*groups;
    }
    digits[count] = '\0';
    return true;
}

// Moves `text` past ".25" or ",25", or the point of "12."; false where it is no fraction.
static bool mending_take_fraction(const char **text, char mark, char digits[20])
{
    digits[0] = '\0';
    if (**text != '.' && **text != ',') {
        return true;
    }
    size_t places = strspn(*text + 1, DIGITS);
    if (places > 18 || **text == mark) {
        return false;
    }
    memcpy(digits, *text + 1, places);
    digits[places] = '\0';
    *text += 1 + places;
    return true;
}

static int64_t mending_take_unit(const char **text)
{
    const char *at = *text + (**text == ' ');
    int64_t unit = 1;
    if (*at == 'K' || *at == 'k') {
        unit = 1000;
    } else if (*at == 'M' || *at == 'm') {
        unit = 1000000;
    } else if (*at == 'B') {
        unit = 1000000000;
    }
    if (unit > 1) {
        *text = at + 1;
    }
    return unit;
}

static bool mending_parse_count(const char *text, int64_t *number)
{
    char digits[20], fraction[20], mark;
    size_t groups;
    text += strspn(text, " \t");
    if (!mending_take_digits(&text, digits, &groups, &mark) || !mending_take_fraction(&text, mark, fraction)) {
        return false;
    }
    int64_t unit = mending_take_unit(&text), place = unit, part = 0;
    bool two_numbers = groups == 1 && !fraction[0] && (mark == '.' || (mark == ',' && unit > 1));
    if (two_numbers || text[strspn(text, " \t")]) {
        return false;
    }
    for (const char *digit = fraction; *digit; digit++) {
        place /= 10;
        if (place == 0 && *digit != '0') {
            return false; // a part of one
        }
        part += place * (*digit - '0');
    }
    int64_t whole = strtoll(digits, NULL, 10);
    if (whole > (INT64_MAX - part) / unit) {
        return false;
    }
    *number = whole * unit + part;
    return true;
}

bool mending_count(struct mending *self, const struct behalf_field *field, const char *text, int64_t *number)
{
    int64_t value;
    bool counts = mending_parse_count(text, &value),
         fits = counts && value >= field->minimum && value <= field->maximum;
    if (counts && !fits && field->mending == BEHALF_MENDED_LIMITED) {
        *number = value < field->minimum ? field->minimum : field->maximum;
        mending_note(self, field->name, MENDING_CUT);
        return true;
    }
    if (fits) {
        *number = value;
    } else {
        mending_note(self, field->name, MENDING_LEFT_OUT);
    }
    return fits;
}
