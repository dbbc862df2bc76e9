// protocol_test.c - holds PROTOCOL.md and the tables to each other.
//
// The tables of PROTOCOL.md stand between marks and are made here from messages.def, records.def, codes.def
// and the limits of the code; the test makes them again and compares, which catches a difference on either
// side.  Run with --write FILE it puts them into the file instead.  What is not made is prose; every name
// of a message, code or field that it mentions in back-quotes must exist.

#include <behalf/message.h>

#include "proto/frame_walk.h"

#include <ctype.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *document_path;

// ---- making the tables ----

static const struct {
    const char *field;
    const char *record;
} lists[] = {
#define LIST(field, record, count_max, presence, doc) { #field, #record },
#include <behalf/messages.def>
};

static const struct {
    const char *name;
    const char *doc;
} records[] = {
#define RECORD(name, doc) { #name, doc },
#include <behalf/records.def>
};

static const struct {
    const char *name;
    const char *doc;
} codes[] = {
#define CODE(NAME, doc) { #NAME, doc },
#include <behalf/codes.def>
#undef CODE
};

static const char *record_of(const char *field)
{
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        if (strcmp(lists[i].field, field) == 0) {
            return lists[i].record;
        }
    }
    return "";
}

static const struct behalf_field *fields_of_record(const char *record)
{
    for (enum behalf_type type = BEHALF_NONE + 1; type < BEHALF_TYPE_COUNT; type++) {
        for (const struct behalf_field *field = behalf_type_fields(type); field->name != NULL; field++) {
            if (field->kind == 'l' && strcmp(record_of(field->name), record) == 0) {
                return field->record;
            }
        }
    }
    return NULL;
}

static void write_number(FILE *file, int64_t number)
{
    if (number == INT64_MAX) {
        fprintf(file, "2^63-1");
    } else {
        fprintf(file, "%" PRId64, number);
    }
}

static void write_limits(FILE *file, const struct behalf_field *field)
{
    switch (field->kind) {
    case 't':
        fprintf(file, "text | %s%" PRId64 " bytes", field->required ? "1 to " : "at most ", field->maximum);
        break;
    case 'n':
        fprintf(file, "integer | ");
        write_number(file, field->minimum);
        fprintf(file, " to ");
        write_number(file, field->maximum);
        break;
    case 'f':
        fprintf(file, "boolean |");
        break;
    case 's':
        fprintf(file, "array of texts | at most %" PRId64 ", each at most %zu bytes", field->maximum,
                field->element_bytes_max);
        break;
    default:
        fprintf(file, "array of [%s](#%s) | at most %" PRId64, record_of(field->name), record_of(field->name),
                field->maximum);
        break;
    }
}

// What becomes of a value that may not stand there, as section 6 explains the words; nothing where it is refused.
static const char *mending_of(const struct behalf_field *field)
{
    switch (field->mending) {
    case BEHALF_MENDED_DIGITS:
        return ", *digits*";
    case BEHALF_MENDED_SHORTENED:
        return ", *shortened*";
    case BEHALF_MENDED_WORDS:
        return ", *words*";
    case BEHALF_MENDED_CUT:
        return ", *cut*";
    case BEHALF_MENDED_LIMITED:
        return ", *limited*";
    case BEHALF_MENDED_LEFT_OUT:
        return ", *left out*";
    default:
        return "";
    }
}

static void write_fields(FILE *file, const struct behalf_field *table)
{
    if (table->name == NULL) {
        fprintf(file, "No fields: the body is an empty map.\n\n");
        return;
    }
    fprintf(file, "| field | type | limit | presence | meaning |\n| --- | --- | --- | --- | --- |\n");
    for (const struct behalf_field *field = table; field->name != NULL; field++) {
        fprintf(file, "| `%s` | ", field->name);
        write_limits(file, field);
        fprintf(file, " | %s%s | %s |\n", field->required ? "required" : "optional", mending_of(field),
                field->field_doc);
    }
    fputc('\n', file);
}

static void write_senders(FILE *file, unsigned senders)
{
    static const char *const names[] = { "person", "connector", "control", "broker" };
    const char *separator = "";
    for (unsigned i = 0; i < 4; i++) {
        if ((senders & 1u << i) != 0) {
            fprintf(file, "%s%s", separator, names[i]);
            separator = ", ";
        }
    }
}

// ---- which message answers which, and what it may be refused with ----

#define OF_ANY_REQUEST BEHALF_LOOK // what it may be refused with, every request may

static bool is_request(enum behalf_type type)
{
    return behalf_type_may_be_refused(type, BEHALF_CODE_TOO_MANY) && type != BEHALF_HELLO;
}

// The messages that answer it, in back-quotes with commas; false if none does.
static bool write_answers_of(FILE *file, enum behalf_type type)
{
    const char *separator = "";
    for (enum behalf_type answer = BEHALF_NONE + 1; answer < BEHALF_TYPE_COUNT; answer++) {
        if (behalf_type_is_answered_by(type, answer)) {
            fprintf(file, "%s`%s`", separator, behalf_type_name(answer));
            separator = ", ";
        }
    }
    return *separator != '\0';
}

// The codes that may refuse it, behind `before`; of a request without those of any.
static void write_refusals_of(FILE *file, enum behalf_type type, const char *before)
{
    for (enum behalf_code code = BEHALF_CODE_NONE + 1; code < BEHALF_CODE_COUNT; code++) {
        bool of_any = is_request(type) && type != OF_ANY_REQUEST && behalf_type_may_be_refused(OF_ANY_REQUEST, code);
        if (behalf_type_may_be_refused(type, code) && !of_any) {
            fprintf(file, "%s`%s`", before, behalf_code_name(code));
            before = ", ";
        }
    }
}

static void write_answers(FILE *file)
{
    fprintf(file, "Any request may be refused with");
    write_refusals_of(file, OF_ANY_REQUEST, " ");
    fprintf(file, ". Besides:\n\n| request | its answer | refused with |\n| --- | --- | --- |\n");
    for (enum behalf_type type = BEHALF_NONE + 1; type < BEHALF_TYPE_COUNT; type++) {
        if (is_request(type)) {
            fprintf(file, "| `%s` | ", behalf_type_name(type));
            write_answers_of(file, type);
            fprintf(file, " | ");
            if (type != OF_ANY_REQUEST) {
                write_refusals_of(file, type, "");
            }
            fprintf(file, " |\n");
        }
    }
    fputc('\n', file);
}

// A line of the message's own section.
static void write_answer_line(FILE *file, enum behalf_type type)
{
    if ((behalf_type_senders(type) & BEHALF_BY_ANYONE) == 0) {
        return;
    }
    fprintf(file, "Answer: ");
    if (!write_answers_of(file, type)) {
        fprintf(file, "none");
    }
    fprintf(file, ". Refused with");
    if (is_request(type)) {
        fprintf(file, " what any request may be");
    }
    if (type != OF_ANY_REQUEST) {
        write_refusals_of(file, type, is_request(type) ? ", " : " ");
    }
    fprintf(file, ".\n\n");
}

static void write_messages(FILE *file)
{
    for (enum behalf_type type = BEHALF_NONE + 1; type < BEHALF_TYPE_COUNT; type++) {
        fprintf(file, "### %s\n\nFrom: ", behalf_type_name(type));
        write_senders(file, behalf_type_senders(type));
        fprintf(file, ". %c%s.\n\n", toupper((unsigned char) behalf_type_doc(type)[0]), behalf_type_doc(type) + 1);
        write_answer_line(file, type);
        write_fields(file, behalf_type_fields(type));
    }
}

static void write_records(FILE *file)
{
    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
        fprintf(file, "### %s\n\n%c%s.\n\n", records[i].name, toupper((unsigned char) records[i].doc[0]),
                records[i].doc + 1);
        write_fields(file, fields_of_record(records[i].name));
    }
}

static void write_codes(FILE *file)
{
    fprintf(file, "| code | what it means and what the client does next |\n| --- | --- |\n");
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        fprintf(file, "| `%s` | %s |\n", codes[i].name, codes[i].doc);
    }
    fputc('\n', file);
}

static void write_bounds(FILE *file)
{
    fprintf(file, "| limit | value |\n| --- | --- |\n");
    fprintf(file, "| version of the protocol | %d |\n", BEHALF_PROTOCOL_VERSION);
    fprintf(file, "| bytes of a frame, in either direction | %d |\n", BEHALF_FRAME_BYTES);
    fprintf(file, "| arrays and maps inside each other, the frame's own array being the first | %d |\n",
            FRAME_DEPTH_MAX);
    fprintf(file, "| values in a frame, keys included | %d |\n\n", FRAME_VALUES_MAX);
}

// "AGENT | PR" as "agent, pr"; nothing for what is no condition.
static void write_words(FILE *file, const char *expression)
{
    static const char *const none[] = { "NOTHING", "0", "NO_ITEM" };
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        if (strcmp(expression, none[i]) == 0) {
            return;
        }
    }
    for (const char *at = expression; *at != '\0'; at++) {
        if (at[0] == ' ' && at[1] == '|') {
            fputc(',', file);
        } else if (*at != '|') {
            fputc(*at == '_' ? ' ' : tolower((unsigned char) *at), file);
        }
    }
}

static void write_authority_row(FILE *file, const char *name, const char *hold, const char *audiences,
                                const char *states, const char *needs)
{
    bool theirs = strcmp(hold, "THEIRS") == 0;
    bool anybody = strcmp(audiences, "ANYBODY") == 0;
    fprintf(file, "| `%s` | %s", name, !theirs ? "" : anybody ? "who has the item" : "who has the item as ");
    if (!theirs || !anybody) {
        write_words(file, audiences);
    }
    fputs(" | ", file);
    write_words(file, states);
    fputs(" | ", file);
    write_words(file, needs);
    fputs(" |\n", file);
}

static void write_authority(FILE *file)
{
    fprintf(file, "| request | from whom | item | else |\n| --- | --- | --- | --- |\n");
#define ROW(NAME, hold, audiences, states, needs) write_authority_row(file, #NAME, #hold, #audiences, #states, #needs);
#define REQUEST(name, NAME, hold, audiences, states, needs, code, otherwise) ROW(NAME, hold, audiences, states, needs)
#define QUESTION(name, NAME, hold, audiences, states, needs, code, otherwise) ROW(NAME, hold, audiences, states, needs)
#include "broker/desk/authority.def"
#undef ROW
    fputc('\n', file);
}

static const struct part {
    const char *name;
    void (*write)(FILE *file);
} parts[] = {
    { "limits", write_bounds }, { "messages", write_messages },   { "records", write_records },
    { "codes", write_codes },   { "authority", write_authority }, { "answers", write_answers },
};

#define PART_COUNT (sizeof(parts) / sizeof(parts[0]))

// ---- the document ----

static char *read_document(const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return NULL;
    }
    static char document[1024 * 1024];
    size_t bytes = fread(document, 1, sizeof(document) - 1, file);
    document[bytes] = '\0';
    fclose(file);
    return document;
}

// Where a made part begins and ends in the document; false if its marks are not there.
static bool find_part(char *document, const struct part *part, char **begin, char **end)
{
    char mark[64];
    snprintf(mark, sizeof(mark), "<!-- made: %s -->\n\n", part->name);
    *begin = strstr(document, mark);
    if (*begin == NULL) {
        return false;
    }
    *begin += strlen(mark);
    *end = strstr(*begin, "<!-- end of made -->");
    return *end != NULL;
}

static char *make_part(const struct part *part)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&text, &bytes);
    if (file == NULL) {
        return NULL;
    }
    part->write(file);
    fclose(file);
    return text;
}

static int write_document(const char *path)
{
    for (size_t i = 0; i < PART_COUNT; i++) {
        char *begin, *end;
        char *document = read_document(path);
        char *made = make_part(&parts[i]);
        if (document == NULL || made == NULL || !find_part(document, &parts[i], &begin, &end)) {
            return 1;
        }
        FILE *file = fopen(path, "w");
        if (file == NULL) {
            return 1;
        }
        fprintf(file, "%.*s%s%s", (int) (begin - document), document, made, end);
        fclose(file);
        free(made);
    }
    return 0;
}

// ---- the claims ----

static void tables_of_the_document_are_those_of_the_code(void **state)
{
    (void) state;
    for (size_t i = 0; i < PART_COUNT; i++) {
        char *document = read_document(document_path);
        assert_non_null(document);
        char *begin, *end;
        assert_true(find_part(document, &parts[i], &begin, &end));
        *end = '\0';
        char *made = make_part(&parts[i]);
        assert_non_null(made);
        assert_string_equal(begin, made); // if not: protocol_test --write PROTOCOL.md
        free(made);
    }
}

static void every_message_and_code_has_its_place_in_the_document(void **state)
{
    (void) state;
    char *document = read_document(document_path);
    assert_non_null(document);
    for (enum behalf_type type = BEHALF_NONE + 1; type < BEHALF_TYPE_COUNT; type++) {
        char heading[64];
        snprintf(heading, sizeof(heading), "\n### %s\n", behalf_type_name(type));
        assert_non_null(strstr(document, heading));
    }
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        char row[64];
        snprintf(row, sizeof(row), "\n| `%s` |", codes[i].name);
        assert_non_null(strstr(document, row));
    }
}

// Every message of a client's but BYE has an answer, every answer is the broker's, and every code but those of frames
// is some request's.
static void every_request_names_its_answer_and_every_code_its_requests(void **state)
{
    (void) state;
    for (enum behalf_type type = BEHALF_NONE + 1; type < BEHALF_TYPE_COUNT; type++) {
        bool asks = (behalf_type_senders(type) & BEHALF_BY_ANYONE) != 0;
        size_t count = 0;
        for (enum behalf_type answer = BEHALF_NONE + 1; answer < BEHALF_TYPE_COUNT; answer++) {
            bool answers = behalf_type_is_answered_by(type, answer);
            assert_true(!answers || (behalf_type_senders(answer) & BEHALF_BY_BROKER) != 0);
            count += answers ? 1 : 0;
        }
        assert_int_equal(count, !asks || type == BEHALF_BYE ? 0 : type == BEHALF_HELLO ? 2 : 1);
        for (enum behalf_code code = BEHALF_CODE_NONE + 1; code < BEHALF_CODE_COUNT; code++) {
            assert_true(asks || !behalf_type_may_be_refused(type, code));
            if (is_request(type) && behalf_type_may_be_refused(OF_ANY_REQUEST, code)) {
                assert_true(behalf_type_may_be_refused(type, code));
            }
        }
    }
    for (enum behalf_code code = BEHALF_CODE_NONE + 1; code < BEHALF_CODE_COUNT; code++) {
        bool of_frames = code == BEHALF_CODE_MALFORMED || code == BEHALF_CODE_UNKNOWN_TYPE;
        bool unused = code == BEHALF_CODE_CAPACITY;
        bool found = false;
        for (enum behalf_type type = BEHALF_NONE + 1; type < BEHALF_TYPE_COUNT; type++) {
            found = found || behalf_type_may_be_refused(type, code);
        }
        assert_int_equal(found, !of_frames && !unused);
    }
}

static bool field_exists(const char *name)
{
    for (enum behalf_type type = BEHALF_NONE + 1; type < BEHALF_TYPE_COUNT; type++) {
        for (const struct behalf_field *field = behalf_type_fields(type); field->name != NULL; field++) {
            if (strcmp(field->name, name) == 0) {
                return true;
            }
            for (const struct behalf_field *inner = field->record; inner != NULL && inner->name != NULL; inner++) {
                if (strcmp(inner->name, name) == 0) {
                    return true;
                }
            }
        }
    }
    return false;
}

// `MESSAGE.field` names a field of that message.
static bool path_exists(char *word)
{
    char *dot = strchr(word, '.');
    *dot = '\0';
    enum behalf_type type = behalf_type_from_name(word);
    for (const struct behalf_field *field = behalf_type_fields(type); field->name != NULL; field++) {
        if (strcmp(field->name, dot + 1) == 0) {
            return true;
        }
    }
    *dot = '.';
    return false;
}

static bool name_exists(char *word)
{
    if (strncmp(word, "ZMQ_", 4) == 0) {
        return true;
    }
    if (isupper((unsigned char) word[0]) && strchr(word, '.') != NULL) {
        return path_exists(word);
    }
    if (isupper((unsigned char) word[0])) {
        return behalf_type_from_name(word) != BEHALF_NONE || behalf_code_from_name(word) != BEHALF_CODE_NONE;
    }
    return strstr(word, "_ms") == NULL || field_exists(word);
}

static bool is_name(const char *word)
{
    for (; *word != '\0'; word++) {
        if (!isalpha((unsigned char) *word) && *word != '_' && *word != '.') {
            return false;
        }
    }
    return true;
}

static void names_in_the_text_exist(void **state)
{
    (void) state;
    char *document = read_document(document_path);
    assert_non_null(document);
    size_t checked = 0;
    bool sketch = false;
    for (char *line = strtok(document, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (strncmp(line, "```", 3) == 0) {
            sketch = !sketch;
        }
        char *rest = line;
        for (char *word; !sketch && (word = strchr(rest, '`')) != NULL;) {
            word++;
            char *end = strchr(word, '`');
            if (end == NULL) {
                break;
            }
            *end = '\0';
            rest = end + 1;
            if (is_name(word)) {
                checked++;
                if (!name_exists(word)) {
                    fail_msg("PROTOCOL.md mentions `%s`, which does not exist", word);
                }
            }
        }
    }
    assert_true(checked > 200);
}

int main(int argument_count, char **arguments)
{
    if (argument_count == 3 && strcmp(arguments[1], "--write") == 0) {
        return write_document(arguments[2]);
    }
    document_path = argument_count > 1 ? arguments[1] : "PROTOCOL.md";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_of_the_document_are_those_of_the_code),
        cmocka_unit_test(every_message_and_code_has_its_place_in_the_document),
        cmocka_unit_test(every_request_names_its_answer_and_every_code_its_requests),
        cmocka_unit_test(names_in_the_text_exist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
