// endings.c - in which plain forms a word of a pattern is found.

#include "broker/triage/endings.h"

#include "broker/triage/letters.h"
#include "broker/triage/plain_text.h"

#include <stdint.h>
#include <string.h>

#define PARTICLES_MAX 3 // of Korean, in a row

struct ending_row {
    const char *languages;
    const char *tail;
    size_t letters;
    const char *rests;
    const char *prefixes;
};

static const struct ending_row endings_rows[] = {
#define ENDINGS(languages, tail, letters, rests, prefixes) { languages, tail, letters, rests, prefixes },
#include "broker/triage/endings.def"
#undef ENDINGS
};

static size_t endings_count_letters(const char *text, size_t bytes)
{
    size_t count = 0;
    for (size_t i = 0; i < bytes; i++) {
        count += ((unsigned char) text[i] & 0xC0) != 0x80;
    }
    return count;
}

// The first word of a list, and its length; NULL if it has none.
static const char *endings_next_in_list(const char *list, size_t *bytes)
{
    list += strspn(list, " ");
    *bytes = strcspn(list, " ");
    return *bytes > 0 ? list : NULL;
}

static bool endings_in_list(const char *list, const char *text, size_t text_bytes)
{
    size_t bytes = 0;
    for (const char *word = endings_next_in_list(list, &bytes); word != NULL;
         word = endings_next_in_list(word + bytes, &bytes)) {
        if (bytes == text_bytes && memcmp(word, text, bytes) == 0) {
            return true;
        }
    }
    return false;
}

static bool endings_is_vowel(char letter)
{
    return letter != '\0' && strchr("aeiou", letter) != NULL;
}

// True of words like scam, plan and stop: one vowel, and one consonant behind it that is doubled before an ending.
static bool endings_doubles(const char *word, size_t bytes)
{
    size_t vowels = 0;
    for (size_t i = 0; i < bytes; i++) {
        vowels += endings_is_vowel(word[i]) || word[i] == 'y';
    }
    return bytes >= 3 && vowels == 1 && endings_is_vowel(word[bytes - 2]) && strchr("wxy", word[bytes - 1]) == NULL;
}

// How many bytes of the word the row's tail takes; SIZE_MAX if it does not end so.
static size_t endings_tail_of(const struct ending_row *row, const char *word, size_t bytes)
{
    const char *tail = row->tail;
    if (strcmp(tail, "!") == 0) {
        return endings_doubles(word, bytes) ? 0 : SIZE_MAX;
    }
    if (strcmp(tail, "~") == 0) {
        return bytes > 0 && endings_is_vowel(word[bytes - 1]) ? 0 : SIZE_MAX;
    }
    if (tail[0] == '^') {
        size_t taken = strlen(tail + 1);
        return bytes > taken && !endings_is_vowel(word[bytes - taken - 1]) &&
                       memcmp(word + bytes - taken, tail + 1, taken) == 0
                   ? taken
                   : SIZE_MAX;
    }
    size_t taken = strlen(tail);
    return bytes >= taken && memcmp(word + bytes - taken, tail, taken) == 0 ? taken : SIZE_MAX;
}

// What the word's rows are found under: its script, or its language where that is written in Latin letters.
static const char *endings_key_of(const char *language, const char *word, size_t bytes)
{
    uint32_t code = 0;
    plain_text_character(word, bytes, &code);
    if (code < 0x250) {
        return language[0] != '\0' ? language : "en";
    }
    if (code >= 0x370 && code <= 0x3FF) {
        return "Grek";
    }
    if (code >= 0x400 && code <= 0x52F) {
        return "Cyrl";
    }
    if (code >= 0x590 && code <= 0x5FF) {
        return "Hebr";
    }
    if (code >= 0x600 && code <= 0x77F) {
        return "Arab";
    }
    if (code >= 0x900 && code <= 0x97F) {
        return "Deva";
    }
    return code >= 0xAC00 && code <= 0xD7A3 ? "Hang" : "";
}

static bool endings_all_letters(const char *word, size_t bytes)
{
    for (size_t i = 0; i < bytes;) {
        uint32_t code = 0;
        i += plain_text_character(word + i, bytes - i, &code);
        if ((letters_class(code) & (LETTER_ALPHABETIC | LETTER_MARK)) == 0) {
            return false;
        }
    }
    return bytes > 0;
}

static struct endings endings_find(const char *language, const char *word, size_t bytes, bool any_length)
{
    struct endings endings = { NULL, bytes };
    if (!endings_all_letters(word, bytes)) {
        return endings;
    }
    const char *key = endings_key_of(language, word, bytes);
    size_t primary = strcspn(key, "-");
    for (size_t i = 0; i < sizeof endings_rows / sizeof endings_rows[0]; i++) {
        if (!endings_in_list(endings_rows[i].languages, key, primary)) {
            continue;
        }
        size_t taken = endings_tail_of(&endings_rows[i], word, bytes);
        if (taken == SIZE_MAX) {
            continue;
        }
        if (!any_length && endings_count_letters(word, bytes - taken) < endings_rows[i].letters) {
            return endings; // too short; a row for shorter tails would only make other words of it
        }
        return (struct endings){ &endings_rows[i], bytes - taken };
    }
    return endings;
}

struct endings endings_of(const char *language, const char *word, size_t bytes)
{
    return endings_find(language, word, bytes, false);
}

struct endings endings_of_first(const char *language, const char *word, size_t bytes)
{
    return endings_find(language, word, bytes, true);
}

static bool endings_particles_fit(const char *rests, const char *text, size_t text_bytes, unsigned left)
{
    size_t bytes = 0;
    if (text_bytes == 0) {
        return true;
    }
    for (const char *word = endings_next_in_list(rests, &bytes); left > 0 && word != NULL;
         word = endings_next_in_list(word + bytes, &bytes)) {
        if (bytes <= text_bytes && memcmp(word, text, bytes) == 0 &&
            endings_particles_fit(rests, text + bytes, text_bytes - bytes, left - 1)) {
            return true;
        }
    }
    return false;
}

bool endings_fit(const struct endings *endings, const char *word, const char *rest, size_t rest_bytes)
{
    const struct ending_row *row = endings->row;
    if (rest_bytes == 0) {
        return endings_in_list(row->rests, "-", 1);
    }
    if (strcmp(row->languages, "Hang") == 0) {
        return endings_particles_fit(row->rests, rest, rest_bytes, PARTICLES_MAX);
    }
    size_t bytes = 0;
    for (const char *one = endings_next_in_list(row->rests, &bytes); one != NULL;
         one = endings_next_in_list(one + bytes, &bytes)) {
        bool again = one[0] == '+';
        if (again && rest[0] == word[endings->stem_bytes - 1] && bytes == rest_bytes &&
            memcmp(one + 1, rest + 1, bytes - 1) == 0) {
            return true;
        }
        if (!again && bytes == rest_bytes && memcmp(one, rest, bytes) == 0) {
            return true;
        }
    }
    return false;
}

bool endings_fit_before(const struct endings *endings, const char *before, size_t before_bytes)
{
    return endings_in_list(endings->row->prefixes, before, before_bytes);
}
