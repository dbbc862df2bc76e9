// item_view.h - how an item, a preview and lists look on a person's screen.
//
// Pure: a message and the time go in, text for a stream comes out.  Every text from outside is made visible
// (worker/visible_text.h) on its way, and stands behind a bar of its own so that nothing in it can pass for
// words of ours.

#ifndef WORKER_AGENT_ITEM_VIEW_H
#define WORKER_AGENT_ITEM_VIEW_H

#include <behalf/message.h>

#include <stdio.h>

struct view {
    FILE *out;
    size_t columns;   // of the screen
    unsigned options; // of visible_text
    int64_t now_ms;   // the broker's clock
};

// The whole item: what it is, why it is here, the brand's guidance, its story, draft and disclosure line.
void view_item(const struct view *view, const struct behalf_item *item);

// What of `item` is not in `before`, an earlier version of it.  Returns false, and writes nothing, if that
// is nothing a person would want to know.
bool view_item_changes(const struct view *view, const struct behalf_item *before, const struct behalf_item *item);

// Behind a lead of ours: number, brand, language, author, state, time left; wrapped.
void view_item_line(const struct view *view, const char *lead, const struct behalf_item *item);

// The local time of day, with the date when it is not that of `now_ms`.
void view_clock_time(char *text, size_t text_bytes, int64_t at_ms, int64_t now_ms);

// A reply exactly as it would go out, with its length, and what speaks against it.
void view_preview(const struct view *view, const struct behalf_previewed *preview);

// A text of somebody, wrapped, behind a bar.
void view_text(const struct view *view, const char *text);

// A line of ours with one text of somebody else's at its end, made visible on one line.
void view_line(const struct view *view, const char *ours, const char *theirs);

void view_listing(const struct view *view, const struct behalf_listing *listing);
void view_counts(const struct view *view, const struct behalf_counts *counts);

// "4 min", "2 h 10 min", "45 s", "3 d 4 h".
void view_duration(char *text, size_t text_bytes, int64_t duration_ms);

#endif
