// output.c - libsmartcols, strftime and the quoting of CSV behind one face: see output.h.

#include "worker/ctl/output.h"

#include "proto/base/must.h"
#include "worker/visible_text.h"

#include <csv.h>
#include <inttypes.h>
#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

struct output_table {
    struct libscols_table *table;
    size_t count;
    unsigned visible;
    size_t columns; // of the terminal that it is shown in; 0: in none
};

// How wide the terminal is that standard output goes to; 0 when it goes elsewhere.
static size_t output_terminal_columns(void)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO)) {
        return 0;
    }
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

struct output_table *output_table_new(const struct output_column *columns, size_t count, unsigned visible)
{
    struct output_table *self = calloc(1, sizeof *self);
    must(self);
    self->count = count;
    self->visible = visible;
    self->table = scols_new_table();
    must(self->table);
    self->columns = output_terminal_columns();
    scols_table_set_termforce(self->table, self->columns ? SCOLS_TERMFORCE_ALWAYS : SCOLS_TERMFORCE_NEVER);
    if (self->columns) {
        scols_table_set_termwidth(self->table, self->columns);
    }
    for (size_t i = 0; i < count; i++) {
        int flags = (columns[i].right ? SCOLS_FL_RIGHT : 0) | (columns[i].cut ? SCOLS_FL_TRUNC : 0);
        must(scols_table_new_column(self->table, columns[i].name, columns[i].cut ? 0.3 : 1, flags));
    }
    return self;
}

void output_table_destroy(struct output_table **table_p)
{
    if (*table_p == NULL) {
        return;
    }
    scols_unref_table((*table_p)->table);
    free(*table_p);
    *table_p = NULL;
}

void output_table_row(struct output_table *self, const char *const *cells)
{
    struct libscols_line *line = scols_table_new_line(self->table, NULL);
    must(line);
    for (size_t i = 0; i < self->count; i++) {
        char *visible = visible_string(cells[i] != NULL ? cells[i] : "", self->visible);
        must(visible && scols_line_refer_data(line, i, visible) == 0); // the table frees it
    }
}

void output_table_print(struct output_table *self)
{
    char *text = NULL;
    if (!self->columns) {
        scols_print_table(self->table);
        return;
    }
    if (scols_print_table_to_string(self->table, &text) != 0 || text == NULL) {
        return;
    }
    for (char *line = text, *end; *line; line = end) { // columns that may not shrink can be too wide together
        size_t length = strcspn(line, "\n");
        end = line + length + (line[length] == '\n');
        line[length] = '\0';
        char *cut = visible_cut(line, self->columns);
        puts(cut);
        free(cut);
    }
    free(text);
}

static const char *output_format_time(char *text, int64_t at_ms, bool utc)
{
    time_t seconds = (time_t) (at_ms / 1000);
    struct tm parts;
    text[0] = '\0';
    if (!at_ms || (utc ? gmtime_r(&seconds, &parts) : localtime_r(&seconds, &parts)) == NULL) {
        return text;
    }
    size_t length = strftime(text, OUTPUT_TIME_BYTES, utc ? "%Y-%m-%dT%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &parts);
    if (utc) {
        snprintf(text + length, OUTPUT_TIME_BYTES - length, ".%03dZ", (int) (at_ms % 1000));
    }
    return text;
}

const char *output_time(char *text, int64_t at_ms)
{
    return output_format_time(text, at_ms, false);
}

const char *output_time_utc(char *text, int64_t at_ms)
{
    return output_format_time(text, at_ms, true);
}

const char *output_duration(char *text, int64_t duration_ms)
{
    int64_t seconds = duration_ms / 1000, minutes = seconds / 60, hours = minutes / 60, days = hours / 24;
    if (minutes < 2) {
        snprintf(text, OUTPUT_TIME_BYTES, "%" PRId64 " s", seconds);
    } else if (hours < 1) {
        snprintf(text, OUTPUT_TIME_BYTES, "%" PRId64 " min", minutes);
    } else if (days < 1) {
        snprintf(text, OUTPUT_TIME_BYTES, "%" PRId64 " h %02" PRId64 " min", hours, minutes % 60);
    } else {
        snprintf(text, OUTPUT_TIME_BYTES, "%" PRId64 " d %" PRId64 " h", days, hours % 24);
    }
    return text;
}

const char *output_number(char *text, int64_t number, bool blank_zero)
{
    text[0] = '\0';
    if (number || !blank_zero) {
        snprintf(text, OUTPUT_TIME_BYTES, "%" PRId64, number);
    }
    return text;
}

void output_csv_field(FILE *out, const char *text, bool first)
{
    if (!first) {
        putc(',', out);
    }
    if (strpbrk(text, ",\"\r\n") != NULL || text[0] == ' ' || (text[0] && text[strlen(text) - 1] == ' ')) {
        csv_fwrite(out, text, strlen(text));
    } else {
        fputs(text, out);
    }
}

void output_visible(FILE *out, const char *text, unsigned visible)
{
    char *shown = visible_string(text, visible);
    must(shown);
    fputs(shown, out);
    free(shown);
}

void output_json(FILE *out, json_t *value)
{
    must(json_dumpf(value, out, JSON_COMPACT) == 0 || ferror(out));
    putc('\n', out);
    json_decref(value);
}
