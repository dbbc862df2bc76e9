// item_view.c - headings, bars and tables, and the texts behind them: see item_view.h.

#include "worker/agent/item_view.h"

#include "proto/base/must.h"
#include "worker/visible_text.h"

#include <inttypes.h>
#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BAR "  | "
#define COLUMNS_MAX 100 // longer lines are hard to read

// ---- pieces ----

static size_t item_view_columns_of(const struct view *view)
{
    return view->columns > COLUMNS_MAX ? COLUMNS_MAX : view->columns;
}

// A text from outside on one line; freed by the caller.
static char *item_view_line_of(const struct view *view, const char *text)
{
    return visible_string(text, view->options);
}

void view_text(const struct view *view, const char *text)
{
    char *visible = visible_string(text, view->options | VISIBLE_LINES);
    char *wrapped = visible_wrap(visible, item_view_columns_of(view), BAR);
    fputs(wrapped, view->out);
    free(wrapped);
    free(visible);
}

void view_line(const struct view *view, const char *ours, const char *theirs)
{
    char *visible = item_view_line_of(view, theirs);
    char *whole = NULL;
    must(asprintf(&whole, "%s%s", ours, visible) >= 0);
    char *wrapped = visible_wrap(whole, item_view_columns_of(view), "");
    fputs(wrapped, view->out);
    free(wrapped);
    free(whole);
    free(visible);
}

void view_duration(char *text, size_t text_bytes, int64_t duration_ms)
{
    int64_t seconds = duration_ms / 1000;
    int64_t minutes = seconds / 60;
    int64_t hours = minutes / 60;
    if (seconds < 120) {
        snprintf(text, text_bytes, "%" PRId64 " s", seconds);
    } else if (minutes < 120) {
        snprintf(text, text_bytes, "%" PRId64 " min", minutes);
    } else if (hours < 48) {
        snprintf(text, text_bytes, "%" PRId64 " h %" PRId64 " min", hours, minutes % 60);
    } else {
        snprintf(text, text_bytes, "%" PRId64 " d %" PRId64 " h", hours / 24, hours % 24);
    }
}

void view_clock_time(char *text, size_t text_bytes, int64_t at_ms, int64_t now_ms)
{
    time_t at = (time_t) (at_ms / 1000), now = (time_t) (now_ms / 1000);
    struct tm at_local, now_local;
    localtime_r(&at, &at_local);
    localtime_r(&now, &now_local);
    bool today = at_local.tm_yday == now_local.tm_yday && at_local.tm_year == now_local.tm_year;
    const char *format = today ? "%H:%M" : at_local.tm_year == now_local.tm_year ? "%a %d %b %H:%M" : "%Y-%m-%d %H:%M";
    strftime(text, text_bytes, format, &at_local);
}

static void item_view_time_left(const struct view *view, char *text, size_t text_bytes, int64_t due_ms)
{
    char duration[32], at[32];
    int64_t left_ms = due_ms - view->now_ms;
    view_duration(duration, sizeof duration, left_ms < 0 ? -left_ms : left_ms);
    view_clock_time(at, sizeof at, due_ms, view->now_ms);
    if (left_ms < 0) {
        snprintf(text, text_bytes, "LATE by %s (was due %s)", duration, at);
    } else {
        snprintf(text, text_bytes, "%s left (until %s)", duration, at);
    }
}

// ---- an item ----

static void item_view_show_header(const struct view *view, const struct behalf_item *item)
{
    char *brand = item_view_line_of(view, item->brand);
    char *channel = item_view_line_of(view, item->channel);
    fprintf(view->out, "\n=== item %" PRId64 " | %s | %s | %s | %s", item->item, brand, channel, item->language,
            item->state);
    if (strcmp(item->audience, "agent") != 0) {
        fprintf(view->out, " as %s", item->audience);
    }
    if (item->skills[0] != '\0') {
        fprintf(view->out, " | needs %s", item->skills);
    }
    fputs(" ===\n", view->out);
    free(brand);
    free(channel);
}

static void item_view_show_times(const struct view *view, const struct behalf_item *item)
{
    char text[128], waited[32];
    view_duration(waited, sizeof waited, view->now_ms > item->created_ms ? view->now_ms - item->created_ms : 0);
    if (item->due_ms > 0) {
        item_view_time_left(view, text, sizeof text, item->due_ms);
        fprintf(view->out, "Service level: %s; waiting for %s\n", text, waited);
    } else if (item->created_ms > 0) {
        fprintf(view->out, "Waiting for %s\n", waited);
    }
    if (strcmp(item->state, "offered") == 0 && item->answer_by_ms > 0) {
        item_view_time_left(view, text, sizeof text, item->answer_by_ms);
        fprintf(view->out, "Offered to you: take it, %s\n", text);
        if (item->missed_max > 0) {
            fprintf(view->out,
                    "Let it lapse with nothing in hand and no word, and it is missed: %" PRId64
                    " in a row set you away (%" PRId64 " so far)\n",
                    item->missed_max, item->missed);
        }
    }
}

static void item_view_show_author(const struct view *view, const struct behalf_item *item)
{
    char *author = item_view_line_of(view, item->author);
    char *name = item_view_line_of(view, item->author_name);
    fprintf(view->out, "From %s", author[0] != '\0' ? author : "somebody");
    if (name[0] != '\0') {
        fprintf(view->out, " (%s)", name);
    }
    if (item->reach > 0) {
        fprintf(view->out, ", %" PRId64 " followers", item->reach);
    }
    fputc('\n', view->out);
    free(author);
    free(name);
}

// Until when the platform takes a reply, or since when it takes none.
static void item_view_show_window(const struct view *view, const struct behalf_item *item)
{
    char left[32], until[32], *channel = item_view_line_of(view, item->channel);
    view_clock_time(until, sizeof until, item->reply_until_ms, view->now_ms);
    view_duration(left, sizeof left, item->reply_until_ms - view->now_ms);
    if (item->reply_until_ms <= view->now_ms) {
        fprintf(view->out, "NO REPLY POSSIBLE: %s takes none to this since %s: close it or hand it off.\n", channel,
                until);
    } else {
        fprintf(view->out, "%s takes a reply to this for %s (until %s).\n", channel, left, until);
    }
    free(channel);
}

static void item_view_show_warnings(const struct view *view, const struct behalf_item *item)
{
    if (item->reply_until_ms > 0) {
        item_view_show_window(view, item);
    }
    if (item->frozen) {
        fputs("FROZEN: this brand's replies are not going out at present.\n", view->out);
    }
    if (item->fate_unknown) {
        fputs("CAUTION: an earlier reply may or may not have been published. Look before you answer again;\n"
              "         if it is there, `close answered`.\n",
              view->out);
    }
    if (item->approval) {
        fputs("What you answer goes to an approver first.\n", view->out);
    }
}

static const char *item_view_entry_title(const struct behalf_entry *entry)
{
    static const struct {
        const char *kind, *title;
    } titles[] = { { "post", "wrote" },
                   { "earlier", "wrote earlier, in another item" },
                   { "edit", "had written in between, as it was edited" },
                   { "reply", "replied for us" },
                   { "note", "noted (inside only)" },
                   { "guidance", "advised (inside only)" } };
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++) {
        if (strcmp(titles[i].kind, entry->kind) == 0) {
            return titles[i].title;
        }
    }
    return entry->kind;
}

static void item_view_show_entry(const struct view *view, const struct behalf_entry *entry)
{
    char at[32];
    view_clock_time(at, sizeof at, entry->at_ms, view->now_ms);
    bool by_rule = entry->author[0] == '\0' && strcmp(entry->kind, "note") == 0;
    char *author = item_view_line_of(view, entry->author[0] != '\0' ? entry->author : by_rule ? "Behalf" : "somebody");
    fprintf(view->out, "%s  %s %s", entry->at_ms > 0 ? at : "", author, item_view_entry_title(entry));
    if (entry->language[0] != '\0') {
        fprintf(view->out, " [%s]", entry->language);
    }
    if (entry->edited) {
        fputs(" [edited since]", view->out);
    }
    fputs(entry->deleted ? " [deleted by its author]\n" : "\n", view->out);
    free(author);
    if (!entry->deleted && entry->text[0] == '\0') {
        fputs("    (no text)\n", view->out);
    } else if (!entry->deleted) {
        view_text(view, entry->text);
    }
    if (!entry->deleted && entry->media > 0) {
        fprintf(view->out, "    with it: %" PRId64 " picture%s or the like\n", entry->media,
                entry->media == 1 ? "" : "s");
    }
    if (entry->parent[0] != '\0') {
        view_line(view, "    it answers the post ", entry->parent);
    }
    if (entry->link[0] != '\0') {
        view_line(view, "    see it at ", entry->link);
    }
    if (entry->before[0] != '\0' && !entry->deleted) {
        fputs("    before it was edited:\n", view->out);
        view_text(view, entry->before);
    }
}

// In what a channel counts; an earlier broker does not say.
static const char *item_view_unit_of(const char *unit)
{
    return unit[0] != '\0' ? unit : "characters";
}

static void item_view_show_draft(const struct view *view, const struct behalf_item *item)
{
    if (item->draft[0] == '\0') {
        return;
    }
    char *by = item_view_line_of(view, item->draft_by);
    fprintf(view->out, "Draft%s%s:\n", by[0] != '\0' ? " by " : "", by);
    free(by);
    view_text(view, item->draft);
}

static void item_view_show_limits(const struct view *view, const struct behalf_item *item)
{
    if (item->disclosure[0] != '\0') {
        view_line(view, "Added to your answer: ", item->disclosure);
    }
    if (item->length_max > 0) {
        fprintf(view->out, "Room for your text: %" PRId64 " of %" PRId64 " %s\n", item->length_left, item->length_max,
                item_view_unit_of(item->unit));
    }
}

void view_item(const struct view *view, const struct behalf_item *item)
{
    item_view_show_header(view, item);
    item_view_show_times(view, item);
    item_view_show_author(view, item);
    if (item->reason[0] != '\0') {
        view_line(view, "Why here: ", item->reason);
    }
    item_view_show_warnings(view, item);
    if (item->brand_guidance[0] != '\0') {
        fputs("The brand says:\n", view->out);
        view_text(view, item->brand_guidance);
    }
    fputc('\n', view->out);
    if (item->story_cut) {
        fputs("The story is longer: what comes before is not shown.\n", view->out);
    }
    for (size_t i = 0; i < item->story_count; i++) {
        item_view_show_entry(view, &item->story[i]);
    }
    fputc('\n', view->out);
    item_view_show_draft(view, item);
    item_view_show_limits(view, item);
}

void view_item_line(const struct view *view, const char *lead, const struct behalf_item *item)
{
    char until[128] = "", left[128] = "";
    bool offered = strcmp(item->state, "offered") == 0 && item->answer_by_ms > 0;
    if (offered) {
        item_view_time_left(view, until, sizeof until, item->answer_by_ms);
    }
    if (item->due_ms > 0) {
        item_view_time_left(view, left, sizeof left, item->due_ms);
    }
    char *brand = item_view_line_of(view, item->brand);
    char *author = item_view_line_of(view, item->author[0] != '\0' ? item->author : "somebody");
    char *whole = NULL;
    must(asprintf(&whole, "%sitem %" PRId64 " | %s | %s | from %s | %s%s%s%s%s", lead, item->item, brand,
                  item->language, author, item->state, offered ? ", take it: " : "", until,
                  left[0] != '\0' ? " | service level: " : "", left) >= 0);
    char *wrapped = visible_wrap(whole, item_view_columns_of(view), "");
    fputs(wrapped, view->out);
    free(wrapped);
    free(whole);
    free(brand);
    free(author);
}

// ---- what changed ----

static bool item_view_same_entry(const struct behalf_entry *left, const struct behalf_entry *right)
{
    return strcmp(left->kind, right->kind) == 0 && strcmp(left->author, right->author) == 0 &&
           strcmp(left->post, right->post) == 0 && strcmp(left->text, right->text) == 0 &&
           left->at_ms == right->at_ms && left->edited == right->edited && left->deleted == right->deleted;
}

static bool item_view_has_entry(const struct behalf_item *item, const struct behalf_entry *entry)
{
    for (size_t i = 0; i < item->story_count; i++) {
        if (item_view_same_entry(&item->story[i], entry)) {
            return true;
        }
    }
    return false;
}

static size_t item_view_show_new_entries(const struct view *view, const struct behalf_item *before,
                                         const struct behalf_item *item)
{
    size_t count = 0;
    for (size_t i = 0; i < item->story_count; i++) {
        if (item_view_has_entry(before, &item->story[i])) {
            continue;
        }
        if (count++ == 0) {
            fprintf(view->out, "--- new or changed in item %" PRId64 " ---\n", item->item);
        }
        item_view_show_entry(view, &item->story[i]);
    }
    return count;
}

bool view_item_changes(const struct view *view, const struct behalf_item *before, const struct behalf_item *item)
{
    bool shown = item_view_show_new_entries(view, before, item) > 0;
    if (before->frozen != item->frozen || before->fate_unknown != item->fate_unknown ||
        before->approval != item->approval || before->reply_until_ms != item->reply_until_ms) {
        if (before->frozen && !item->frozen) {
            fputs("The brand's replies go out again.\n", view->out);
        }
        item_view_show_warnings(view, item);
        shown = true;
    }
    if (strcmp(before->reason, item->reason) != 0) {
        view_line(view, "Why here: ", item->reason);
        shown = true;
    }
    return shown;
}

// ---- a preview ----

void view_preview(const struct view *view, const struct behalf_previewed *preview)
{
    fputs("It goes out like this:\n\n", view->out);
    view_text(view, preview->text);
    fputc('\n', view->out);
    if (preview->length_max > 0) {
        fprintf(view->out, "%" PRId64 " of %" PRId64 " %s", preview->length, preview->length_max,
                item_view_unit_of(preview->unit));
    } else {
        fprintf(view->out, "%" PRId64 " %s", preview->length, item_view_unit_of(preview->unit));
    }
    fputs(preview->approval ? "; an approver sees it first\n" : "\n", view->out);
    if (preview->refused[0] != '\0') {
        view_line(view, "NOT ALLOWED OUT: ", preview->refused);
    }
}

// ---- tables ----

struct column {
    const char *name;
    int flags;
};

static struct libscols_table *item_view_new_table(const struct view *view, const struct column *columns)
{
    struct libscols_table *table = scols_new_table();
    must(table != NULL);
    scols_table_set_termforce(table, SCOLS_TERMFORCE_ALWAYS);
    scols_table_set_termwidth(table, view->columns);
    for (; columns->name != NULL; columns++) {
        must(scols_table_new_column(table, columns->name, 0, columns->flags) != NULL);
    }
    return table;
}

// Sets a cell to a text from outside, made visible on one line.
static void item_view_set_text(const struct view *view, struct libscols_line *line, size_t column, const char *text)
{
    char *visible = item_view_line_of(view, text);
    must(scols_line_set_data(line, column, visible) == 0);
    free(visible);
}

static void item_view_set_number(struct libscols_line *line, size_t column, int64_t number)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, number);
    must(scols_line_set_data(line, column, text) == 0);
}

static void item_view_set_duration(struct libscols_line *line, size_t column, int64_t duration_ms)
{
    char text[40];
    text[0] = '-';
    view_duration(text + (duration_ms < 0), sizeof text - 1, duration_ms < 0 ? -duration_ms : duration_ms);
    must(scols_line_set_data(line, column, text) == 0);
}

static void item_view_print_table(const struct view *view, struct libscols_table *table)
{
    char *text = NULL;
    if (scols_print_table_to_string(table, &text) == 0 && text != NULL) {
        size_t bytes = strlen(text);
        fputs(text, view->out);
        if (bytes == 0 || text[bytes - 1] != '\n') {
            fputc('\n', view->out);
        }
    }
    free(text);
    scols_unref_table(table);
}

void view_listing(const struct view *view, const struct behalf_listing *listing)
{
    static const struct column columns[] = { { "ITEM", SCOLS_FL_RIGHT },
                                             { "FOR", 0 },
                                             { "BRAND", 0 },
                                             { "LANG", 0 },
                                             { "NEEDS", 0 },
                                             { "STATE", 0 },
                                             { "WITH", 0 },
                                             { "LEFT", SCOLS_FL_RIGHT },
                                             { "TEXT", SCOLS_FL_TRUNC },
                                             { NULL, 0 } };
    if (listing->items_count == 0) {
        fputs("Nothing is open for you.\n", view->out);
        return;
    }
    struct libscols_table *table = item_view_new_table(view, columns);
    for (size_t i = 0; i < listing->items_count; i++) {
        const struct behalf_listed *row = &listing->items[i];
        struct libscols_line *line = scols_table_new_line(table, NULL);
        must(line != NULL);
        item_view_set_number(line, 0, row->item);
        item_view_set_text(view, line, 1, row->audience);
        item_view_set_text(view, line, 2, row->brand);
        item_view_set_text(view, line, 3, row->language);
        item_view_set_text(view, line, 4, row->skills);
        item_view_set_text(view, line, 5, row->state);
        item_view_set_text(view, line, 6, row->person);
        if (row->due_ms > 0) {
            item_view_set_duration(line, 7, row->due_ms - view->now_ms);
        }
        item_view_set_text(view, line, 8, row->text);
    }
    item_view_print_table(view, table);
    if (listing->more) {
        fputs("There are more.\n", view->out);
    }
}

static void item_view_view_queues(const struct view *view, const struct behalf_counts *counts)
{
    static const struct column columns[] = { { "FOR", 0 },
                                             { "BRAND", 0 },
                                             { "LANG", 0 },
                                             { "NEEDS", SCOLS_FL_TRUNC },
                                             { "WAITING", SCOLS_FL_RIGHT },
                                             { "OFFERED", SCOLS_FL_RIGHT },
                                             { "HELD", SCOLS_FL_RIGHT },
                                             { "PARKED", SCOLS_FL_RIGHT },
                                             { "SENDING", SCOLS_FL_RIGHT },
                                             { "LATE", SCOLS_FL_RIGHT },
                                             { "OLDEST", SCOLS_FL_RIGHT },
                                             { "PEOPLE", SCOLS_FL_RIGHT },
                                             { NULL, 0 } };
    struct libscols_table *table = item_view_new_table(view, columns);
    for (size_t i = 0; i < counts->queues_count; i++) {
        const struct behalf_queue_count *row = &counts->queues[i];
        struct libscols_line *line = scols_table_new_line(table, NULL);
        must(line != NULL);
        item_view_set_text(view, line, 0, row->audience);
        item_view_set_text(view, line, 1, row->brand);
        item_view_set_text(view, line, 2, row->language);
        item_view_set_text(view, line, 3, row->skills);
        const int64_t numbers[] = { row->waiting, row->offered, row->held, row->parked, row->sending, row->late };
        for (size_t column = 0; column < 6; column++) {
            item_view_set_number(line, 4 + column, numbers[column]);
        }
        item_view_set_duration(line, 10, row->oldest_ms);
        item_view_set_number(line, 11, row->people);
    }
    item_view_print_table(view, table);
}

static void item_view_view_people(const struct view *view, const struct behalf_counts *counts)
{
    static const struct column columns[] = { { "PERSON", 0 },
                                             { "ROLES", 0 },
                                             { "AGENCY", 0 },
                                             { "PRESENCE", 0 },
                                             { "WHY", SCOLS_FL_TRUNC },
                                             { "OFFERED", SCOLS_FL_RIGHT },
                                             { "HELD", SCOLS_FL_RIGHT },
                                             { "CAPACITY", SCOLS_FL_RIGHT },
                                             { "ENDED", SCOLS_FL_RIGHT },
                                             { NULL, 0 } };
    struct libscols_table *table = item_view_new_table(view, columns);
    for (size_t i = 0; i < counts->people_count; i++) {
        const struct behalf_person_count *row = &counts->people[i];
        struct libscols_line *line = scols_table_new_line(table, NULL);
        must(line != NULL);
        item_view_set_text(view, line, 0, row->name);
        item_view_set_text(view, line, 1, row->roles);
        item_view_set_text(view, line, 2, row->agency);
        item_view_set_text(view, line, 3, row->presence);
        item_view_set_text(view, line, 4, row->reason);
        const int64_t numbers[] = { row->offered, row->held, row->capacity, row->ended };
        for (size_t column = 0; column < 4; column++) {
            item_view_set_number(line, 5 + column, numbers[column]);
        }
    }
    item_view_print_table(view, table);
}

void view_counts(const struct view *view, const struct behalf_counts *counts)
{
    view_line(view, "Desk ", counts->desk);
    if (counts->frozen[0] != '\0') {
        view_line(view, "Frozen brands: ", counts->frozen);
    }
    if (counts->queues_count > 0) {
        item_view_view_queues(view, counts);
    }
    fputc('\n', view->out);
    if (counts->people_count > 0) {
        item_view_view_people(view, counts);
    }
}
