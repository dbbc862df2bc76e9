// rule_reader.c - the rules' text as values, checked one by one against the table of keys.

#include "broker/triage/rule_reader.h"

#include "broker/triage/plain_text.h"
#include "proto/base/edit_distance.h"
#include "proto/base/must.h"

#include <unictype.h>

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROBLEMS_SHOWN 64  // the most that one ERROR carries
#define PROBLEMS_KEPT 1024 // sorted before the first are shown
#define MESSAGE_BYTES 1024

enum value_kind {
    KIND_NAME,
    KIND_TEXT,
    KIND_COUNT,
    KIND_TIME,
    KIND_ANSWER,
    KIND_WORD,
    KIND_NAMES,
    KIND_LEVELS,
    KIND_PATTERNS,
    KIND_WORDING,
    KIND_PART,
    KIND_PARTS
};

enum presence { PRESENCE_OPTIONAL, PRESENCE_REQUIRED };

struct key {
    const char *name;
    enum value_kind kind;
    const char *refers;
    enum presence presence;
    int64_t minimum;
    int64_t maximum;
    const char *fallback;
    const char *doc;
};

// desk_keys, times_keys, ...
#define SECTION(name, doc) static const struct key name##_keys[] = {
#define KEY(field, kind, refers, presence, minimum, maximum, fallback, doc)                                            \
    { #field, KIND_##kind, refers, PRESENCE_##presence, minimum, maximum, fallback, doc },
#define END_SECTION(name)                                                                                              \
    }                                                                                                                  \
    ;
#include "broker/triage/rule_keys.def"

struct section {
    const char *name;
    const char *doc;
    const struct key *keys;
    size_t key_count;
};

static const struct section rule_reader_sections[RULE_SECTION_COUNT] = {
#define SECTION(name, doc) { #name, doc, name##_keys, sizeof name##_keys / sizeof name##_keys[0] },
#include "broker/triage/rule_keys.def"
};

// ---- problems ----

static bool rule_reader_is_control(uint32_t code)
{
    return uc_is_general_category_withtable(code, UC_CATEGORY_MASK_Cc | UC_CATEGORY_MASK_Cs | UC_CATEGORY_MASK_Cn |
                                                      UC_CATEGORY_MASK_Zl | UC_CATEGORY_MASK_Zp) ||
           uc_is_property_bidi_control(code);
}

// Copies a text into one that can be sent and shown anywhere: what is no whole, visible character is '?'.
static char *rule_reader_presentable(const char *text)
{
    size_t bytes = strlen(text);
    char *copy = malloc(bytes + 1);
    must(copy != NULL);
    size_t used = 0;
    for (size_t at = 0; at < bytes;) {
        uint32_t code = 0;
        size_t length = plain_text_character(text + at, bytes - at, &code);
        if (code == 0xFFFD || rule_reader_is_control(code)) {
            copy[used++] = '?';
        } else {
            for (size_t i = 0; i < length; i++) {
                copy[used++] = text[at + i];
            }
        }
        at += length;
    }
    copy[used] = '\0';
    return copy;
}

static void rule_reader_add_problem(struct rule_problems *problems, struct yaml_mark mark, const char *key,
                                    const char *format, va_list arguments)
{
    problems->found++;
    if (problems->count == PROBLEMS_KEPT) {
        return;
    }
    if ((problems->count & (problems->count - 1)) == 0) {
        size_t capacity = problems->count > 0 ? 2 * problems->count : 1;
        problems->problems = realloc(problems->problems, capacity * sizeof *problems->problems);
        must(problems->problems != NULL);
    }
    char message[MESSAGE_BYTES];
    vsnprintf(message, sizeof message, format, arguments);
    problems->problems[problems->count++] = (struct behalf_problem){
        .line = (int64_t) mark.line,
        .column = (int64_t) mark.column,
        .key = rule_reader_presentable(key),
        .message = rule_reader_presentable(message),
    };
}

void rule_problem(struct rule_problems *problems, struct yaml_mark mark, const char *key, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    rule_reader_add_problem(problems, mark, key, format, arguments);
    va_end(arguments);
}

void rule_problem_at(struct rule_problems *problems, const struct yaml_node *node, const char *format, ...)
{
    char path[YAML_TREE_PATH_BYTES];
    va_list arguments;
    va_start(arguments, format);
    rule_reader_add_problem(problems, node->mark, yaml_node_path(node, NULL, path), format, arguments);
    va_end(arguments);
}

static int rule_reader_by_line(const void *left, const void *right)
{
    const struct behalf_problem *a = left;
    const struct behalf_problem *b = right;
    if (a->line != b->line) {
        return a->line < b->line ? -1 : 1;
    }
    if (a->column != b->column) {
        return a->column < b->column ? -1 : 1;
    }
    int order = strcmp(a->key, b->key);
    return order != 0 ? order : strcmp(a->message, b->message);
}

void rule_problems_finish(struct rule_problems *problems, struct rules_problems *out)
{
    if (problems->count > 0) {
        qsort(problems->problems, problems->count, sizeof *problems->problems, rule_reader_by_line);
    }
    *out = (struct rules_problems){ problems->problems, problems->count, problems->found };
    while (out->count > PROBLEMS_SHOWN) {
        struct behalf_problem *last = &out->problems[--out->count];
        free((char *) last->key);
        free((char *) last->message);
    }
    *problems = (struct rule_problems){ 0 };
}

void rules_problems_fini(struct rules_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        free((char *) problems->problems[i].key);
        free((char *) problems->problems[i].message);
    }
    free(problems->problems);
    *problems = (struct rules_problems){ 0 };
}

// ---- did you mean ----

void likeness_try(struct likeness *likeness, const char *candidate)
{
    size_t word_bytes = strlen(likeness->word);
    size_t bytes = strlen(candidate);
    if (word_bytes > EDIT_DISTANCE_BYTES || bytes > EDIT_DISTANCE_BYTES || word_bytes == 0) {
        return; // longer ones are not compared
    }
    size_t longer = word_bytes > bytes ? word_bytes : bytes;
    size_t distance = edit_distance(likeness->word, candidate);
    if (distance > 1 + longer / 5 || distance >= longer) {
        return;
    }
    if (likeness->nearest == NULL || distance < likeness->distance) {
        likeness->nearest = candidate;
        likeness->distance = distance;
    }
}

// ---- single values ----

// Where and what is being read.
struct reading {
    struct rule_problems *problems;
    const struct key *key;
    const struct yaml_node *node;
};

static bool rule_reader_wrong(const struct reading *reading, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool rule_reader_wrong(const struct reading *reading, const char *format, ...)
{
    char path[YAML_TREE_PATH_BYTES];
    va_list arguments;
    va_start(arguments, format);
    rule_reader_add_problem(reading->problems, reading->node->mark, yaml_node_path(reading->node, NULL, path), format,
                            arguments);
    va_end(arguments);
    return false;
}

// A key with nothing behind it, "guidance:".
static bool rule_reader_is_nothing(const struct yaml_node *node)
{
    return node->kind == YAML_SCALAR && !node->quoted && (node->bytes == 0 || strcmp(node->text, "~") == 0);
}

// Only letters, signs and blanks, so that a name cannot hide in a log line or break it.
static bool rule_reader_is_clean(const char *text, size_t bytes, const char *allowed)
{
    for (size_t at = 0; at < bytes;) {
        uint32_t code = 0;
        at += plain_text_character(text + at, bytes - at, &code);
        bool allow = code != 0 && code < 0x80 && strchr(allowed, (int) code) != NULL;
        if (code == 0xFFFD || (rule_reader_is_control(code) && !allow)) {
            return false;
        }
    }
    return true;
}

static bool rule_reader_check_name(const struct reading *reading, const char *text, size_t bytes)
{
    if (bytes == 0) {
        return rule_reader_wrong(reading, "a name must have at least one letter");
    }
    if (bytes > BEHALF_NAME_BYTES) {
        return rule_reader_wrong(reading, "a name of %zu bytes; at most %d are allowed", bytes, BEHALF_NAME_BYTES);
    }
    if (strpbrk(text, ",/") != NULL) {
        return rule_reader_wrong(reading, "a name cannot have a comma or a slash in it");
    }
    if (!rule_reader_is_clean(text, bytes, "")) {
        return rule_reader_wrong(reading, "a name cannot have control or invisible characters in it");
    }
    if (text[0] == ' ' || text[bytes - 1] == ' ') {
        return rule_reader_wrong(reading, "a name cannot begin or end with a blank");
    }
    return true;
}

static bool rule_reader_read_name(const struct reading *reading, struct rule_value *value)
{
    if (!rule_reader_check_name(reading, reading->node->text, reading->node->bytes)) {
        return false;
    }
    value->text = reading->node->text;
    return true;
}

static bool rule_reader_read_text(const struct reading *reading, struct rule_value *value)
{
    const struct yaml_node *node = reading->node;
    if ((int64_t) node->bytes < reading->key->minimum) {
        return rule_reader_wrong(reading, "must not be empty");
    }
    if ((int64_t) node->bytes > reading->key->maximum) {
        return rule_reader_wrong(reading, "%zu bytes long; at most %" PRId64 " are allowed", node->bytes,
                                 reading->key->maximum);
    }
    if (!rule_reader_is_clean(node->text, node->bytes, reading->key->maximum > 1024 ? "\n\t" : "")) {
        return rule_reader_wrong(reading, "has control or invisible characters in it");
    }
    value->text = node->text;
    return true;
}

// Reads the digits at the beginning of a text, which may be grouped by single blanks or underscores.
// Returns what comes after, or NULL if there are no digits.
static const char *rule_reader_read_digits(const char *text, int64_t *number)
{
    *number = 0;
    if (!isdigit((unsigned char) *text)) {
        return NULL;
    }
    for (;; text++) {
        if ((*text == ' ' || *text == '_') && isdigit((unsigned char) text[1])) {
            text++;
        }
        if (!isdigit((unsigned char) *text)) {
            return text;
        }
        if (*number > INT64_MAX / 100) {
            *number = INT64_MAX / 100;
        }
        *number = *number * 10 + (*text - '0');
    }
}

static bool parse_count(const char *text, int64_t *number)
{
    const char *rest = rule_reader_read_digits(text, number);
    return rest != NULL && *rest == '\0';
}

static bool parse_time(const char *text, int64_t *milliseconds)
{
    static const struct {
        const char *unit;
        int64_t milliseconds;
    } units[] = {
        { "ms", 1 },         { "s", 1000 },        { "second", 1000 },   { "seconds", 1000 }, { "min", 60000 },
        { "minute", 60000 }, { "minutes", 60000 }, { "h", 3600000 },     { "hour", 3600000 }, { "hours", 3600000 },
        { "d", 86400000 },   { "day", 86400000 },  { "days", 86400000 },
    };
    *milliseconds = 0;
    if (strcmp(text, "never") == 0) {
        return true;
    }
    int64_t number = 0;
    const char *rest = rule_reader_read_digits(text, &number);
    if (rest == NULL) {
        return false;
    }
    rest += *rest == ' ';
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(rest, units[i].unit) == 0) {
            *milliseconds = number > INT64_MAX / 86400000 ? INT64_MAX : number * units[i].milliseconds;
            return true;
        }
    }
    return false;
}

static bool parse_answer(const char *text, int64_t *number)
{
    *number = strcmp(text, "yes") == 0 || strcmp(text, "true") == 0;
    return *number == 1 || strcmp(text, "no") == 0 || strcmp(text, "false") == 0;
}

// Finds a word among those parted by |; -1 if it is none of them.
static int64_t rule_reader_find_word(const char *words, const char *text)
{
    size_t bytes = strlen(text);
    if (bytes == 0) {
        return -1;
    }
    int64_t index = 0;
    for (const char *word = words; *word != '\0'; index++) {
        size_t word_bytes = strcspn(word, "|");
        if (word_bytes == bytes && memcmp(word, text, bytes) == 0) {
            return index;
        }
        word += word_bytes + (word[word_bytes] == '|');
    }
    return -1;
}

// Writes "explicit or automatic" for "explicit|automatic".
static const char *rule_reader_in_words(const char *words, char *out, size_t out_bytes)
{
    size_t used = 0;
    out[0] = '\0';
    for (const char *word = words; *word != '\0' && used < out_bytes;) {
        size_t word_bytes = strcspn(word, "|");
        bool last = word[word_bytes] == '\0';
        used += (size_t) snprintf(out + used, out_bytes - used, "%s%.*s",
                                  used == 0 ? ""
                                  : last    ? " or "
                                            : ", ",
                                  (int) word_bytes, word);
        word += word_bytes + !last;
    }
    return out;
}

static void rule_reader_write_time(int64_t milliseconds, char out[32])
{
    if (milliseconds % 86400000 == 0) {
        snprintf(out, 32, "%" PRId64 " day%s", milliseconds / 86400000, milliseconds == 86400000 ? "" : "s");
    } else if (milliseconds % 1000 == 0) {
        snprintf(out, 32, "%" PRId64 " s", milliseconds / 1000);
    } else {
        snprintf(out, 32, "%" PRId64 " ms", milliseconds);
    }
}

static bool rule_reader_read_count(const struct reading *reading, struct rule_value *value)
{
    const struct key *key = reading->key;
    if (!parse_count(reading->node->text, &value->number)) {
        return rule_reader_wrong(
            reading, "must be a whole number from %" PRId64 " to %" PRId64 ", such as %" PRId64 ", not \"%.64s\"",
            key->minimum, key->maximum, key->minimum + 1, reading->node->text);
    }
    if (value->number < key->minimum || value->number > key->maximum) {
        return rule_reader_wrong(reading, "must be from %" PRId64 " to %" PRId64, key->minimum, key->maximum);
    }
    return true;
}

static bool rule_reader_read_time(const struct reading *reading, struct rule_value *value)
{
    const struct key *key = reading->key;
    const char *never = key->minimum == 0 ? ", or never" : "";
    bool is_never = strcmp(reading->node->text, "never") == 0;
    if (!parse_time(reading->node->text, &value->number) || (is_never && key->minimum > 0)) {
        return rule_reader_wrong(reading, "must be a time such as 30 s, 5 min, 24 h or 7 days%s, not \"%.64s\"", never,
                                 reading->node->text);
    }
    if (value->number < key->minimum || value->number > key->maximum) {
        char longest[32];
        rule_reader_write_time(key->maximum, longest);
        return rule_reader_wrong(reading, "must be at most %s%s%s", longest,
                                 key->minimum > 0 ? " and more than nothing" : "", never);
    }
    return true;
}

static bool rule_reader_read_answer(const struct reading *reading, struct rule_value *value)
{
    if (!parse_answer(reading->node->text, &value->number)) {
        return rule_reader_wrong(reading, "must be yes or no, not \"%.64s\"", reading->node->text);
    }
    return true;
}

static bool rule_reader_read_word(const struct reading *reading, struct rule_value *value)
{
    char words[128];
    value->number = rule_reader_find_word(reading->key->refers, reading->node->text);
    if (value->number < 0) {
        return rule_reader_wrong(reading, "must be %s, not \"%.64s\"",
                                 rule_reader_in_words(reading->key->refers, words, sizeof words), reading->node->text);
    }
    return true;
}

// ---- lists and maps ----

static int rule_reader_by_text(const void *left, const void *right)
{
    const struct yaml_node *const *a = left;
    const struct yaml_node *const *b = right;
    int order = strcmp((*a)->text, (*b)->text);
    return order != 0 ? order : (*a)->position < (*b)->position ? -1 : 1;
}

static bool rule_reader_report_repeated_names(const struct reading *reading)
{
    const struct yaml_node *list = reading->node;
    const struct yaml_node **sorted = calloc(list->count + 1, sizeof *sorted);
    must(sorted != NULL);
    size_t count = 0;
    for (const struct yaml_node *child = list->first; child != NULL; child = child->next) {
        sorted[count++] = child;
    }
    qsort(sorted, count, sizeof *sorted, rule_reader_by_text);
    bool good = true;
    for (size_t i = 1; i < count; i++) {
        if (strcmp(sorted[i]->text, sorted[i - 1]->text) == 0) {
            good = rule_reader_wrong(&(struct reading){ reading->problems, reading->key, sorted[i] },
                                     "\"%s\" stands in this list twice", sorted[i]->text);
        }
    }
    free(sorted);
    return good;
}

// Checks that a list has only texts, names unless it is of patterns.
static bool rule_reader_check_list(const struct reading *reading, bool names)
{
    bool good = true;
    for (const struct yaml_node *child = reading->node->first; child != NULL; child = child->next) {
        struct reading entry = { reading->problems, reading->key, child };
        if (child->kind != YAML_SCALAR) {
            good = rule_reader_wrong(&entry, "must be a %s, not a %s", names ? "name" : "pattern",
                                     child->kind == YAML_LIST ? "list" : "map");
        } else if (names) {
            good = rule_reader_check_name(&entry, child->text, child->bytes) && good;
        }
    }
    return good && (!names || rule_reader_report_repeated_names(reading));
}

static bool rule_reader_check_number_of(const struct reading *reading, size_t count, const char *what)
{
    const struct key *key = reading->key;
    if ((int64_t) count < key->minimum) {
        return rule_reader_wrong(reading, "needs at least %" PRId64 " %s", key->minimum, what);
    }
    if ((int64_t) count > key->maximum) {
        return rule_reader_wrong(reading, "%zu %s; at most %" PRId64 " are allowed", count, what, key->maximum);
    }
    return true;
}

static bool rule_reader_read_names(const struct reading *reading, struct rule_value *value)
{
    const struct yaml_node *node = reading->node;
    value->number = -1;
    if (node->kind == YAML_SCALAR) {
        value->number = rule_reader_find_word(reading->key->refers, node->text);
        return value->number >= 0 || rule_reader_check_name(reading, node->text, node->bytes);
    }
    if (node->kind == YAML_MAP) {
        return rule_reader_wrong(reading, "must be a list of names: [one, another]");
    }
    return rule_reader_check_number_of(reading, node->count, "names") && rule_reader_check_list(reading, true);
}

static bool rule_reader_read_levels(const struct reading *reading, struct rule_value *value)
{
    const struct yaml_node *node = reading->node;
    if (node->kind != YAML_MAP) {
        return rule_reader_read_names(reading, value);
    }
    value->number = -1;
    bool good = rule_reader_check_number_of(reading, node->count, "names");
    for (const struct yaml_node *child = node->first; child != NULL; child = child->next) {
        struct reading entry = { reading->problems, reading->key, child };
        int64_t level = 0;
        good = rule_reader_check_name(&entry, child->key, strlen(child->key)) && good;
        if (child->kind != YAML_SCALAR || !parse_count(child->text, &level) || level < 1 || level > RULE_LEVEL_MAX) {
            good = rule_reader_wrong(&entry, "must be a level from 1 to %d, higher is better", RULE_LEVEL_MAX);
        }
    }
    return good;
}

static bool rule_reader_read_pattern_map(const struct reading *reading)
{
    bool good = true;
    size_t count = 0;
    for (const struct yaml_node *child = reading->node->first; child != NULL; child = child->next) {
        struct reading entry = { reading->problems, reading->key, child };
        if (strlen(child->key) > 8 || !rule_reader_check_name(&entry, child->key, strlen(child->key))) {
            good = rule_reader_wrong(&entry,
                                     "patterns are put under languages, by code: en, es, ja; or all into one list");
        } else if (child->kind != YAML_LIST) {
            good = rule_reader_wrong(&entry, "must be a list of patterns: [one, another]");
        } else {
            good = rule_reader_check_list(&entry, false) && good;
        }
        count += child->count;
    }
    return good && rule_reader_check_number_of(reading, count, "patterns");
}

static bool rule_reader_read_patterns(const struct reading *reading, struct rule_value *value)
{
    const struct yaml_node *node = reading->node;
    value->number = -1;
    if (node->kind == YAML_MAP) {
        return rule_reader_read_pattern_map(reading);
    }
    if (node->kind == YAML_SCALAR) {
        return true;
    }
    return rule_reader_check_number_of(reading, node->count, "patterns") && rule_reader_check_list(reading, false);
}

static bool rule_reader_read_wording(const struct reading *reading, struct rule_value *value)
{
    const struct yaml_node *node = reading->node;
    if (node->kind == YAML_SCALAR) {
        return rule_reader_read_text(reading, value);
    }
    if (node->kind == YAML_LIST || node->count == 0) {
        return rule_reader_wrong(reading,
                                 "must be a text, or a text for each of some languages, by code: { en: ..., de: ... }");
    }
    bool good = true;
    for (const struct yaml_node *child = node->first; child != NULL; child = child->next) {
        struct reading entry = { reading->problems, reading->key, child };
        struct rule_value text = { .text = "" };
        if (child->kind != YAML_SCALAR) {
            good = rule_reader_wrong(&entry, "must be a text");
        } else {
            good = rule_reader_check_name(&entry, child->key, strlen(child->key)) &&
                   rule_reader_read_text(&entry, &text) && good;
        }
        if (child == node->first) {
            value->text = text.text;
        }
    }
    return good;
}

static bool rule_reader_read_parts(const struct reading *reading)
{
    if (rule_reader_is_nothing(reading->node) && reading->key->minimum == 0) {
        return true;
    }
    if (reading->node->kind != YAML_MAP) {
        return rule_reader_wrong(reading, "must be names with what belongs to each below, set in");
    }
    bool good = rule_reader_check_number_of(reading, reading->node->count, reading->key->name);
    for (const struct yaml_node *child = reading->node->first; child != NULL; child = child->next) {
        good = rule_reader_check_name(&(struct reading){ reading->problems, reading->key, child }, child->key,
                                      strlen(child->key)) &&
               good;
    }
    return good;
}

static bool rule_reader_read_value(const struct reading *reading, struct rule_value *value)
{
    enum value_kind kind = reading->key->kind;
    if (kind < KIND_NAMES && reading->node->kind != YAML_SCALAR) {
        return rule_reader_wrong(reading, "must be a single %s, not a %s",
                                 kind == KIND_TEXT || kind == KIND_NAME ? "text" : "value",
                                 reading->node->kind == YAML_LIST ? "list" : "map");
    }
    if (kind < KIND_NAMES && kind != KIND_TEXT && kind != KIND_NAME &&
        strlen(reading->node->text) != reading->node->bytes) {
        return rule_reader_wrong(reading, "has a NUL character in it");
    }
    switch (kind) {
    case KIND_NAME:
        return rule_reader_read_name(reading, value);
    case KIND_TEXT:
        return rule_reader_read_text(reading, value);
    case KIND_COUNT:
        return rule_reader_read_count(reading, value);
    case KIND_TIME:
        return rule_reader_read_time(reading, value);
    case KIND_ANSWER:
        return rule_reader_read_answer(reading, value);
    case KIND_WORD:
        return rule_reader_read_word(reading, value);
    case KIND_NAMES:
        return rule_reader_read_names(reading, value);
    case KIND_LEVELS:
        return rule_reader_read_levels(reading, value);
    case KIND_PATTERNS:
        return rule_reader_read_patterns(reading, value);
    case KIND_WORDING:
        return rule_reader_read_wording(reading, value);
    case KIND_PART:
        return reading->node->kind == YAML_MAP || rule_reader_is_nothing(reading->node) ||
               rule_reader_wrong(reading, "must be keys with their values below, set in");
    case KIND_PARTS:
        return rule_reader_read_parts(reading);
    }
    return false;
}

// The value that holds when a key is absent.
static struct rule_value rule_reader_fallback_of(const struct key *key)
{
    struct rule_value value = { .text = "" };
    switch (key->kind) {
    case KIND_COUNT:
        must(key->fallback[0] == '\0' || parse_count(key->fallback, &value.number));
        break;
    case KIND_TIME:
        must(key->fallback[0] == '\0' || parse_time(key->fallback, &value.number));
        break;
    case KIND_ANSWER:
        must(parse_answer(key->fallback, &value.number));
        break;
    case KIND_WORD:
    case KIND_NAMES:
    case KIND_LEVELS:
        value.number = rule_reader_find_word(key->refers, key->fallback);
        break;
    default:
        value.text = key->fallback;
    }
    return value;
}

static void rule_reader_report_unknown_key(struct rule_problems *problems, const struct section *section,
                                           const struct yaml_node *child)
{
    char path[YAML_TREE_PATH_BYTES];
    char known[512] = "";
    size_t used = 0;
    struct likeness likeness = { .word = child->key };
    for (size_t i = 0; i < section->key_count; i++) {
        likeness_try(&likeness, section->keys[i].name);
        used += (size_t) snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "", section->keys[i].name);
    }
    yaml_node_path(child, NULL, path);
    if (likeness.nearest != NULL) {
        rule_problem(problems, child->key_mark, path, "unknown key; did you mean %s?", likeness.nearest);
    } else {
        rule_problem(problems, child->key_mark, path, "unknown key; known here are %s", known);
    }
}

static void rule_reader_report_missing_key(struct rule_problems *problems, const struct yaml_node *map,
                                           const struct key *key)
{
    char path[YAML_TREE_PATH_BYTES];
    rule_problem(problems, map->key_mark, yaml_node_path(map, key->name, path), "missing: %s", key->doc);
}

static size_t rule_reader_index_of_key(const struct section *section, const char *name)
{
    size_t i = 0;
    while (i < section->key_count && strcmp(section->keys[i].name, name) != 0) {
        i++;
    }
    return i;
}

// A list of names is taken as it is in spite of what is wrong with one, so that names it defines do not seem
// to be missing wherever they are used.
static bool rule_reader_can_be_followed(const struct key *key, const struct yaml_node *node)
{
    if (key->kind != KIND_NAMES || node->kind != YAML_LIST) {
        return false;
    }
    for (const struct yaml_node *child = node->first; child != NULL; child = child->next) {
        if (child->kind != YAML_SCALAR) {
            return false;
        }
    }
    return true;
}

void rule_read(struct rule_problems *problems, enum rule_section which, const struct yaml_node *map, void *values)
{
    const struct section *section = &rule_reader_sections[which];
    struct rule_value *value = values; // a section's struct has nothing but values
    bool given[32] = { false };
    must(section->key_count <= 32);
    for (size_t i = 0; i < section->key_count; i++) {
        value[i] = rule_reader_fallback_of(&section->keys[i]);
    }
    if (map == NULL) {
        return;
    }
    if (map->kind != YAML_MAP && !rule_reader_is_nothing(map)) {
        rule_problem_at(problems, map, "must be keys with their values below, set in");
        return;
    }
    for (const struct yaml_node *child = map->first; child != NULL; child = child->next) {
        size_t i = rule_reader_index_of_key(section, child->key);
        if (i == section->key_count) {
            rule_reader_report_unknown_key(problems, section, child);
            continue;
        }
        if (given[i] || (section->keys[i].presence == PRESENCE_OPTIONAL && rule_reader_is_nothing(child))) {
            continue; // a repeated key was reported by the tree
        }
        given[i] = true;
        struct rule_value written = value[i];
        bool good = rule_reader_read_value(&(struct reading){ problems, &section->keys[i], child }, &written);
        if (!good && !rule_reader_can_be_followed(&section->keys[i], child)) {
            continue;
        }
        written.node = child;
        value[i] = written;
    }
    for (size_t i = 0; i < section->key_count; i++) {
        if (!given[i] && section->keys[i].presence == PRESENCE_REQUIRED) {
            rule_reader_report_missing_key(problems, map, &section->keys[i]);
        }
    }
}

const struct yaml_node *rule_next(const struct rule_value *value, const struct yaml_node *previous)
{
    if (value->node == NULL) {
        return NULL;
    }
    if (value->node->kind == YAML_SCALAR) {
        return previous == NULL && value->number < 0 && !rule_reader_is_nothing(value->node) ? value->node : NULL;
    }
    return previous == NULL ? value->node->first : previous->next;
}

const char *rule_level(const struct yaml_node *entry, uint8_t *level)
{
    int64_t number = RULE_LEVEL_DEFAULT;
    bool in_map = entry->parent != NULL && entry->parent->kind == YAML_MAP && entry->key != NULL;
    // A single name stands in a map too, as the value of `languages` itself; a level is a number.
    if (!in_map || !parse_count(entry->text, &number)) {
        *level = RULE_LEVEL_DEFAULT;
        return entry->text;
    }
    *level = (uint8_t) number;
    return entry->key;
}

// ---- the manual ----

static const struct section *rule_reader_find_section(const char *name)
{
    for (size_t i = 0; i < RULE_SECTION_COUNT; i++) {
        if (strcmp(rule_reader_sections[i].name, name) == 0) {
            return &rule_reader_sections[i];
        }
    }
    return NULL;
}

static void rule_reader_print_kind(FILE *file, const struct key *key)
{
    char words[128];
    rule_reader_in_words(key->refers, words, sizeof words);
    switch (key->kind) {
    case KIND_NAME:
        fprintf(file, "name");
        break;
    case KIND_TEXT:
        fprintf(file, "text, at most %" PRId64 " bytes", key->maximum);
        break;
    case KIND_COUNT:
        fprintf(file, "number, %" PRId64 " to %" PRId64, key->minimum, key->maximum);
        break;
    case KIND_TIME:
        fprintf(file, "time%s", key->minimum == 0 ? " or never" : "");
        break;
    case KIND_ANSWER:
        fprintf(file, "yes or no");
        break;
    case KIND_WORD:
        fprintf(file, "%s", words);
        break;
    case KIND_NAMES:
        fprintf(file, "list of names%s%s", words[0] != '\0' ? ", or " : "", words);
        break;
    case KIND_LEVELS:
        fprintf(file, "names with levels 1 to %d, or a list of names%s%s", RULE_LEVEL_MAX,
                words[0] != '\0' ? ", or " : "", words);
        break;
    case KIND_PATTERNS:
        fprintf(file, "list of patterns, or such lists by language");
        break;
    case KIND_WORDING:
        fprintf(file, "text, at most %" PRId64 " bytes, or such texts by language, the first for all others",
                key->maximum);
        break;
    case KIND_PART:
        fprintf(file, "keys, below");
        break;
    case KIND_PARTS:
        fprintf(file, "names with keys, below; at most %" PRId64, key->maximum);
        break;
    }
}

static void rule_reader_print_section(FILE *file, const struct section *section, const char *path)
{
    for (size_t i = 0; i < section->key_count; i++) {
        const struct key *key = &section->keys[i];
        fprintf(file, "%s%s\n    ", path, key->name);
        rule_reader_print_kind(file, key);
        if (key->presence == PRESENCE_REQUIRED) {
            fprintf(file, "; required\n");
        } else if (key->fallback[0] != '\0') {
            fprintf(file, "; default: %s\n", key->fallback);
        } else {
            fprintf(file, "; optional\n");
        }
        fprintf(file, "    %s\n\n", key->doc);
        if (key->kind == KIND_PART || key->kind == KIND_PARTS) {
            const struct section *part = rule_reader_find_section(key->refers);
            char below[YAML_TREE_PATH_BYTES];
            must(part != NULL);
            snprintf(below, sizeof below, "%s%s.%s", path, key->name, key->kind == KIND_PARTS ? "NAME." : "");
            rule_reader_print_section(file, part, below);
        }
    }
}

static void rule_reader_print_foldings(FILE *file)
{
#define FOLDING(name, doc) fprintf(file, "%s\n    %s\n\n", #name, doc);
#include "broker/triage/foldings.def"
#undef FOLDING
}

void rules_manual(FILE *file)
{
    fprintf(file, "The keys of the rules of engagement.  NAME stands for a name of your own.\n\n");
    rule_reader_print_section(file, rule_reader_find_section("desk"), "");
    fprintf(file,
            "Patterns: a word or a phrase, found as whole words in any script.  A * stands for any letters of the\n"
            "same word: refund* finds refunded, refundable.  Between slashes stands a regular expression, found\n"
            "anywhere: /gate [a-d][0-9]+/; \\b at its beginning and end asks for whole words.  Every pattern is\n"
            "looked for in every post: the languages that patterns stand under tell whose plain forms a word has,\n"
            "and tie patterns to posts in them only with `languages: theirs`.\n\n"
            "Capitals, width, styled letters (bold, in circles), markup entities and invisible characters never\n"
            "make a difference to patterns.  Neither do these foldings, unless a rule names them under `exact`\n"
            "(`exact: [accents]`; `exact: all` for none of them):\n\n");
    rule_reader_print_foldings(file);
    fprintf(file,
            "Order: a post that a sensitive rule holds for goes to PR, whatever else it says.  Else the topics it\n"
            "is about each add their skill, and the most urgent band holds.  Only a post that is neither can be\n"
            "noise.\n\n"
            "Who gets a post: of those who are there, may serve it and have room, whoever answered its author last;\n"
            "else the first by the brand's `choose`.  What at most `few` of those who are there can do is kept for\n"
            "them in two ways.  Of what waits they are offered that first, the fewer can do it the sooner, also\n"
            "before what is more urgent but can be done by others; only when nothing of the other queue was offered\n"
            "to anybody for `times.keep`, or a post that came back waits for as long, they are offered one of it.\n"
            "And their last free place is filled with what more people can do only when nobody else has room; no\n"
            "place is left empty while something waits that its owner can do.\n"
            "Who is there: signed in and not away, with room or without.\n");
}
