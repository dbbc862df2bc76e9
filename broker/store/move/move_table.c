// move_table.c - the tables of a desk in the order in which they are carried.

#include "broker/store/move/move_table.h"

#define COUNT(columns) (int) (sizeof(columns) / sizeof *(columns))

static const struct move_column rules[] = {
    { "version", MOVE_NUMBER, NULL },
    { "name", MOVE_TEXT, NULL },
    { "text", MOVE_TEXT, NULL },
    { "at_ms", MOVE_NUMBER, NULL },
};

static const struct move_column freezes[] = {
    { "brand", MOVE_TEXT, NULL },  { "frozen", MOVE_FLAG, NULL },  { "person", MOVE_TEXT, NULL },
    { "reason", MOVE_TEXT, NULL }, { "at_ms", MOVE_NUMBER, NULL },
};

static const struct move_column posts[] = {
    { "item", MOVE_NUMBER, NULL },
    { "number", MOVE_NUMBER, NULL },
    { "taken_ms", MOVE_NUMBER, NULL },
    { "channel", MOVE_TEXT, NULL },
    { "post", MOVE_TEXT, NULL },
    { "brand", MOVE_TEXT, NULL },
    { "author", MOVE_TEXT, NULL },
    { "author_name", MOVE_TEXT, NULL },
    { "reach", MOVE_NUMBER, NULL },
    { "text", MOVE_TEXT, NULL },
    { "platform_language", MOVE_TEXT, NULL },
    { "language", MOVE_TEXT, NULL },
    { "thread", MOVE_TEXT, NULL },
    { "parent", MOVE_TEXT, NULL },
    { "link", MOVE_TEXT, NULL },
    { "posted_ms", MOVE_NUMBER, NULL },
    { "sensitive", MOVE_FLAG, NULL },
    { "sealed", MOVE_FLAG, NULL },
    { "author_key", MOVE_NUMBER, NULL },
    { "edited_text", MOVE_TEXT_OR_NULL, NULL },
    { "deleted", MOVE_FLAG, NULL },
    { "changed_ms", MOVE_NUMBER, NULL },
    { "edited_ms", MOVE_NUMBER, NULL },
    { "media", MOVE_NUMBER, NULL },
};

static const struct move_column early_changes[] = {
    { "channel", MOVE_TEXT, NULL },   { "post", MOVE_TEXT, NULL }, { "number", MOVE_NUMBER, NULL },
    { "deleted", MOVE_FLAG, NULL },   { "text", MOVE_TEXT, NULL }, { "edited_ms", MOVE_NUMBER, NULL },
    { "kept_ms", MOVE_NUMBER, NULL },
};

static const struct move_column intake_keys[] = {
    { "channel", MOVE_TEXT, NULL }, { "post", MOVE_TEXT, NULL },     { "brand", MOVE_TEXT, NULL },
    { "item", MOVE_NUMBER, NULL },  { "number", MOVE_NUMBER, NULL }, { "taken_ms", MOVE_NUMBER, NULL },
};

static const struct move_column items[] = {
    { "item", MOVE_NUMBER, NULL },       { "brand", MOVE_TEXT, NULL },
    { "channel", MOVE_TEXT, NULL },      { "audience", MOVE_TEXT, NULL },
    { "language", MOVE_TEXT, NULL },     { "skills", MOVE_TEXT, NULL },
    { "state", MOVE_TEXT, NULL },        { "band", MOVE_NUMBER, NULL },
    { "sealed", MOVE_FLAG, NULL },       { "returned", MOVE_FLAG, NULL },
    { "approval", MOVE_FLAG, NULL },     { "fate_unknown", MOVE_FLAG, NULL },
    { "created_ms", MOVE_NUMBER, NULL }, { "due_ms", MOVE_NUMBER, NULL },
    { "since_ms", MOVE_NUMBER, NULL },   { "until_ms", MOVE_NUMBER, NULL },
    { "lease", MOVE_NUMBER, NULL },      { "person", MOVE_TEXT, NULL },
    { "preferred", MOVE_TEXT, NULL },    { "preferred_until_ms", MOVE_NUMBER, NULL },
    { "thread_key", MOVE_NUMBER, NULL }, { "author_key", MOVE_NUMBER, NULL },
    { "posts", MOVE_NUMBER, NULL },      { "numbered", MOVE_NUMBER, NULL },
    { "moves", MOVE_NUMBER, NULL },      { "first_offered_ms", MOVE_NUMBER, NULL },
    { "reason", MOVE_TEXT, NULL },       { "escalated", MOVE_TEXT, NULL },
    { "reply", MOVE_NUMBER, NULL },      { "draft_by", MOVE_TEXT, NULL },
    { "outcome", MOVE_TEXT, NULL },
};

static const struct move_column drafts[] = {
    { "item", MOVE_NUMBER, NULL }, { "person", MOVE_TEXT, NULL },  { "text", MOVE_TEXT, NULL },
    { "sealed", MOVE_FLAG, NULL }, { "at_ms", MOVE_NUMBER, NULL },
};

static const struct move_column notes[] = {
    { "item", MOVE_NUMBER, NULL },  { "number", MOVE_NUMBER, NULL }, { "kind", MOVE_TEXT, NULL },
    { "person", MOVE_TEXT, NULL },  { "text", MOVE_TEXT, NULL },     { "sealed", MOVE_FLAG, NULL },
    { "at_ms", MOVE_NUMBER, NULL },
};

static const struct move_column replies[] = {
    { "reply", MOVE_NUMBER, NULL },      { "item", MOVE_NUMBER, NULL },      { "brand", MOVE_TEXT, NULL },
    { "channel", MOVE_TEXT, NULL },      { "person", MOVE_TEXT, NULL },      { "text", MOVE_TEXT, NULL },
    { "key", MOVE_TEXT, NULL },          { "state", MOVE_TEXT, NULL },       { "sealed", MOVE_FLAG, NULL },
    { "instance", MOVE_TEXT, NULL },     { "idempotent", MOVE_FLAG, NULL },  { "attempt", MOVE_NUMBER, NULL },
    { "created_ms", MOVE_NUMBER, NULL }, { "handed_ms", MOVE_NUMBER, NULL }, { "settled_ms", MOVE_NUMBER, NULL },
    { "reference", MOVE_TEXT, NULL },    { "reason", MOVE_TEXT, NULL },
};

static const struct move_column events[] = {
    { "sequence", MOVE_NUMBER, NULL }, { "at_ms", MOVE_NUMBER, NULL },         { "item", MOVE_NUMBER, NULL },
    { "kind", MOVE_TEXT, NULL },       { "person", MOVE_TEXT, NULL },          { "queue", MOVE_TEXT, NULL },
    { "rule", MOVE_TEXT, NULL },       { "rules_version", MOVE_NUMBER, NULL }, { "detail", MOVE_TEXT, NULL },
};

static const struct move_column outcomes[] = {
    { "ended", MOVE_NUMBER, NULL },
    { "item", MOVE_NUMBER, NULL },
    { "outcome", MOVE_TEXT, NULL },
    { "brand", MOVE_TEXT, NULL },
    { "language", MOVE_TEXT, NULL },
    { "audience", MOVE_TEXT, NULL },
    { "person", MOVE_TEXT, NULL },
    { "agency", MOVE_TEXT, NULL },
    { "reason", MOVE_TEXT, NULL },
    { "escalated", MOVE_TEXT, NULL },
    { "reply", MOVE_NUMBER, NULL },
    { "created_ms", MOVE_NUMBER, NULL },
    { "closed_ms", MOVE_NUMBER, NULL },
    { "due_ms", MOVE_NUMBER, NULL },
    { "first_offered_ms", MOVE_NUMBER, NULL },
    { "service_ms", MOVE_NUMBER, "closed_ms - created_ms" },
    { "posts", MOVE_NUMBER, NULL },
    { "moves", MOVE_NUMBER, NULL },
    { "sealed", MOVE_FLAG, NULL },
    { "thread_key", MOVE_NUMBER, NULL },
    { "author_key", MOVE_NUMBER, NULL },
};

static const struct move_column requests[] = {
    { "slot", MOVE_NUMBER, NULL },
    { "number", MOVE_NUMBER, NULL },
    { "at_ms", MOVE_NUMBER, NULL },
    { "role", MOVE_TEXT, NULL },
    { "principal", MOVE_TEXT, NULL },
    { "id", MOVE_NUMBER, NULL },
    { "type", MOVE_TEXT, NULL },
    { "digest", MOVE_NUMBER, NULL },
    { "item", MOVE_NUMBER, NULL },
    { "lease", MOVE_NUMBER, NULL },
    { "state", MOVE_TEXT, NULL },
    { "reply", MOVE_NUMBER, NULL },
    { "rules_version", MOVE_NUMBER, NULL },
};

const struct move_table move_tables[] = {
    { "rules", "rules", 1, COUNT(rules), rules, 4, -1, NULL },
    { "brand_freeze", "freeze", 1, COUNT(freezes), freezes, 1000, -1, "brand COLLATE \"C\"" },
    { "post", "post", 2, COUNT(posts), posts, 250, 2, NULL },
    { "intake_key", "intake_key", 3, COUNT(intake_keys), intake_keys, 2000, -1, NULL },
    { "early_change", "early_change", 3, COUNT(early_changes), early_changes, 250, -1, NULL },
    { "item", "item", 1, COUNT(items), items, 1000, -1, NULL },
    { "draft", "draft", 1, COUNT(drafts), drafts, 250, -1, NULL },
    { "note", "note", 2, COUNT(notes), notes, 1000, -1, NULL },
    { "reply", "reply", 1, COUNT(replies), replies, 250, -1, NULL },
    { "event", "event", 1, COUNT(events), events, 2000, 1, NULL },
    { "outcome", "outcome", 1, COUNT(outcomes), outcomes, 1000, -1, NULL },
    { "request", "request", 1, COUNT(requests), requests, 2000, -1, NULL },
};
const size_t move_table_count = sizeof move_tables / sizeof *move_tables;
