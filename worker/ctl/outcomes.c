// outcomes.c - behalf-ctl outcomes: how items ended, page by page, as a table, CSV or JSON.
//
// The columns of CSV are the fields of the record `outcome` in the table of messages; a field that is a
// time loses its "_ms" and is written as ISO 8601 in UTC.

#include "worker/ctl/ctl.h"
#include "worker/ctl/feed_time.h"
#include "worker/ctl/output.h"
#include "worker/field_time.h"
#include "worker/message_json.h"

#include "proto/base/clocks.h"
#include "proto/base/must.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_ROWS 500
#define TABLE_ROWS 1000 // a table is held in memory and measured as a whole

#define SPREADSHEET 's' + 256 // an option without a letter

enum form { FORM_TABLE, FORM_CSV, FORM_SPREADSHEET, FORM_JSON };

struct outcomes_options {
    struct ctl_options *common;
    enum form form;
    int64_t since_ms;
    const char *brand;
    int64_t limit; // -1: not given
};

static const struct argp_option outcomes_argp_options[] = {
    { "csv", 'c', NULL, 0, "CSV (RFC 4180) with a header line", 0 },
    { "spreadsheet", SPREADSHEET, NULL, 0,
      "CSV that a spreadsheet may open: marked as UTF-8, and an apostrophe before what it would take for a formula or "
      "round as a number",
      0 },
    { "json", 'j', NULL, 0, "A JSON object a line", 0 },
    { "since", 's', "TIME", 0,
      "Only what ended since: 90m, 24h, 7d ago, or a time like 2026-11-22 or "
      "2026-11-22T08:00+01:00 (UTC when it names no zone)",
      0 },
    { "brand", 'B', "BRAND", 0, "Only of this brand", 0 },
    { "limit", 'l', "COUNT", 0, "At most this many (default: all; of a table 1000); 0: all", 0 },
    { 0 }
};

// "90m", "24h", "7d": the time that long before now.
static bool outcomes_parse_ago(const char *text, int64_t *at_ms)
{
    char *end;
    long long count = strtoll(text, &end, 10);
    static const char units[] = "smhd";
    static const int64_t unit_ms[] = { 1000, 60000, 3600000, 86400000 };
    const char *unit = *end ? strchr(units, *end) : NULL;
    if (!isdigit((unsigned char) *text) || unit == NULL || end[1] || count > 100000000) {
        return false;
    }
    *at_ms = clocks_utc_ms() - count * unit_ms[unit - units];
    if (*at_ms < 0) {
        *at_ms = 0;
    }
    return true;
}

static error_t outcomes_parse(int key, char *argument, struct argp_state *state)
{
    struct outcomes_options *options = state->input;
    const struct feed_time usual = { 0 };
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = options->common;
        return 0;
    case 'c':
        options->form = FORM_CSV;
        return 0;
    case SPREADSHEET:
        options->form = FORM_SPREADSHEET;
        return 0;
    case 'j':
        options->form = FORM_JSON;
        return 0;
    case 's':
        if (!outcomes_parse_ago(argument, &options->since_ms) &&
            !feed_time_parse(&usual, argument, &options->since_ms)) {
            argp_error(state, "--since: %s is no time; try 24h or 2026-11-22", argument);
        }
        return 0;
    case 'B':
        options->brand = argument;
        return 0;
    case 'l':
        options->limit = ctl_number(state, "--limit", argument, 0, INT64_MAX);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "%s: outcomes takes no argument", argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct output_column outcomes_table_columns[] = {
    { "ENDED", false, false },    { "ITEM", true, false },   { "OUTCOME", false, false },  { "BRAND", false, false },
    { "CHANNEL", false, false },  { "AUTHOR", false, true }, { "LANGUAGE", false, false }, { "AUDIENCE", false, false },
    { "PERSON", false, false },   { "AGENCY", false, true }, { "TOOK", true, false },      { "LATE", false, false },
    { "ESCALATED", false, true }, { "REASON", false, true }, { "REPLY", false, true },
};

static void outcomes_add_row(struct output_table *table, const struct behalf_outcome *row)
{
    char closed[OUTPUT_TIME_BYTES], item[OUTPUT_TIME_BYTES], took[OUTPUT_TIME_BYTES] = "";
    if (row->closed_ms && row->created_ms) {
        output_duration(took, row->closed_ms - row->created_ms);
    }
    output_table_row(table,
                     (const char *[]){ output_time(closed, row->closed_ms), output_number(item, row->item, false),
                                       row->outcome, row->brand, row->channel, row->author, row->language,
                                       row->audience, row->person, row->agency, took, row->late ? "late" : "",
                                       row->escalated, row->reason, row->reply });
}

static const struct behalf_field *outcome_fields(void)
{
    const struct behalf_field *field = behalf_type_fields(BEHALF_ENDED);
    while (field->name != NULL && field->kind != 'l') {
        field++;
    }
    must(field->name);
    return field->record;
}

static void outcomes_print_csv_header(void)
{
    const struct behalf_field *fields = outcome_fields();
    for (const struct behalf_field *field = fields; field->name != NULL; field++) {
        int length = (int) strlen(field->name) - (field_is_time(field) ? 3 : 0);
        printf("%s%.*s", field == fields ? "" : ",", length, field->name);
    }
    fputs("\r\n", stdout);
}

// Whether a spreadsheet would make something else of a text: a formula, or a number that it rounds (an id of more than
// 15 digits) or shortens (leading zeros).
static bool outcomes_is_unsafe(const char *text)
{
    if (text[0] != '\0' && strchr("=+-@\t\r\n", text[0]) != NULL) {
        return true;
    }
    size_t digits = strspn(text, "0123456789");
    size_t rest = strspn(text + digits, "0123456789eE.,+-");
    bool number = digits > 0 && text[digits + rest] == '\0';
    return number && (text[0] == '0' || digits > 11 || rest > 0);
}

static void outcomes_print_csv_text(const char *text, bool first, bool guarded)
{
    char *safe = NULL;
    if (guarded && outcomes_is_unsafe(text)) {
        must(asprintf(&safe, "'%s", text) >= 0);
    }
    output_csv_field(stdout, safe != NULL ? safe : text, first);
    free(safe);
}

static void outcomes_print_csv_row(const struct behalf_outcome *row, bool for_spreadsheet)
{
    const struct behalf_field *fields = outcome_fields();
    char number[OUTPUT_TIME_BYTES];
    for (const struct behalf_field *field = fields; field->name != NULL; field++) {
        const void *value = (const char *) row + field->offset;
        const char *text = number;
        if (field->kind == 't') {
            text = *(const char *const *) value;
        } else if (field->kind == 'f') {
            text = *(const bool *) value ? "1" : "0";
        } else if (field_is_time(field)) {
            output_time_utc(number, *(const int64_t *) value);
        } else {
            output_number(number, *(const int64_t *) value, false);
        }
        outcomes_print_csv_text(text != NULL ? text : "", field == fields, for_spreadsheet && field->kind == 't');
    }
    fputs("\r\n", stdout);
}

static void outcomes_show_page(const struct behalf_message *page, enum form form, struct output_table *table)
{
    const struct behalf_ended *ended = &page->ended;
    if (form == FORM_JSON) {
        json_t *object = message_to_json(page), *row;
        size_t i;
        json_array_foreach(json_object_get(object, "rows"), i, row)
        {
            output_json(stdout, json_incref(row));
        }
        json_decref(object);
        return;
    }
    for (size_t i = 0; i < ended->rows_count; i++) {
        if (form != FORM_TABLE) {
            outcomes_print_csv_row(&ended->rows[i], form == FORM_SPREADSHEET);
        } else {
            outcomes_add_row(table, &ended->rows[i]);
        }
    }
}

// Returns the exit status.
static int outcome_pages(struct behalf_client *client, const struct outcomes_options *options,
                         struct output_table *table)
{
    int status = CTL_DONE;
    int64_t limit = options->limit < 0 ? (options->form == FORM_TABLE ? TABLE_ROWS : 0) : options->limit;
    int64_t left = limit ? limit : INT64_MAX, shown = 0, after = 0;
    bool more = true;
    while (more && left > 0) {
        struct behalf_message request = { .type = BEHALF_OUTCOMES,
                                          .outcomes = { .after = after,
                                                        .limit = left < PAGE_ROWS ? left : PAGE_ROWS,
                                                        .since_ms = options->since_ms,
                                                        .brand = options->brand } };
        struct behalf_message *page = ctl_ask(client, options->common, &request, &status);
        if (page == NULL) {
            return status;
        }
        outcomes_show_page(page, options->form, table);
        shown += (int64_t) page->ended.rows_count;
        left -= (int64_t) page->ended.rows_count;
        more = page->ended.more && page->ended.next > after;
        after = page->ended.next;
        behalf_message_destroy(&page);
    }
    if (options->form != FORM_TABLE) {
        return status;
    }
    if (shown) {
        output_table_print(table);
    }
    printf("%s%" PRId64 " outcome%s%s\n", shown ? "\n" : "", shown, shown == 1 ? "" : "s",
           more ? ", and there are more: see --limit, --since, --csv" : "");
    return status;
}

int outcomes_command(struct ctl_options *common, int argc, char **argv)
{
    struct outcomes_options options = { .common = common, .brand = "", .limit = -1 };
    const struct argp argp = {
        .options = outcomes_argp_options,
        .parser = outcomes_parse,
        .doc =
            "Tells how items ended, in the order of their end.\v"
            "CSV and JSON carry authors, reasons and replies exactly as they were written.  A spreadsheet may take a "
            "text that begins with = + - or @ for a formula, and rounds long ids: give it --spreadsheet.\n\n"
            "Examples:\n  behalf-ctl outcomes --since 24h\n"
            "  behalf-ctl outcomes --brand skyline --spreadsheet > skyline.csv\n"
            "  behalf-ctl outcomes --json | jq -r .outcome | sort | uniq -c\n",
        .children = ctl_common_children,
    };
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    struct behalf_client *client = ctl_client_new(common, "control", "");
    if (client == NULL) {
        return CTL_USAGE;
    }
    struct output_table *table = output_table_new(
        outcomes_table_columns, sizeof outcomes_table_columns / sizeof *outcomes_table_columns, common->visible);
    if (options.form == FORM_SPREADSHEET) {
        fputs("\xef\xbb\xbf", stdout); // the mark by which it knows UTF-8
    }
    if (options.form == FORM_CSV || options.form == FORM_SPREADSHEET) {
        outcomes_print_csv_header();
    }
    int status = outcome_pages(client, &options, table);
    output_table_destroy(&table);
    ctl_client_end(&client);
    return status;
}
