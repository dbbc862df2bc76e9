// early.c - keeping, replacing, dropping and finding edits and deletions that came before their post; see early.h.

#include "broker/desk/early.h"

#include "broker/desk/desk.h"
#include "proto/base/must.h"

#include <stdlib.h>
#include <string.h>

void early_fini(struct early_changes *changes)
{
    while (changes->first != NULL) {
        early_forget(changes, changes->first);
    }
    table_fini(&changes->table);
}

struct early_change *early_find(const struct early_changes *changes, const char *channel, const char *post)
{
    struct early_change *change = table_find(&changes->table, desk_intake_key(channel, post));
    bool same = change != NULL && !strcmp(change->record.channel, channel) && !strcmp(change->record.post, post);
    return same ? change : NULL;
}

static struct early_change *early_copy(const struct early_record *record, size_t bytes)
{
    struct early_change *change = malloc(bytes);
    must(change);
    *change = (struct early_change){ .record = *record, .bytes = bytes };
    const char **texts[] = { &change->record.channel, &change->record.post, &change->record.text };
    char *at = (char *) (change + 1);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t length = strlen(*texts[i]) + 1;
        *texts[i] = memcpy(at, *texts[i], length);
        at += length;
    }
    return change;
}

bool early_keep(struct early_changes *changes, const struct early_record *record)
{
    uint64_t key = desk_intake_key(record->channel, record->post);
    struct early_change *newest = early_find(changes, record->channel, record->post);
    struct early_change *before = newest != NULL && newest->record.number == record->number ? newest : NULL;
    size_t bytes = sizeof *before + strlen(record->channel) + strlen(record->post) + strlen(record->text) + 3;
    if (newest == NULL && table_find(&changes->table, key) != NULL) {
        return false; // another post with the same key
    }
    bool room = changes->count - (before != NULL) < DESK_EARLY_MAX &&
                changes->bytes - (before != NULL ? before->bytes : 0) + bytes <= DESK_EARLY_BYTES_MAX;
    if (!room && *record->channel) {
        return false;
    }
    struct early_change *change = early_copy(record, bytes); // whose texts may be those of the one before
    if (before != NULL) {
        early_forget(changes, before);
    }
    change->key = key;
    change->older = before != NULL ? table_find(&changes->table, key) : newest;
    change->previous = changes->last;
    *(changes->last != NULL ? &changes->last->next : &changes->first) = change;
    changes->last = change;
    changes->count++;
    changes->bytes += bytes;
    if (change->older != NULL) {
        table_remove(&changes->table, key, change->older);
    }
    table_put(&changes->table, key, change);
    return true;
}

// Takes it out of what is kept of its post.
static void early_leave_post(struct early_changes *changes, struct early_change *change)
{
    struct early_change *newer = table_find(&changes->table, change->key);
    if (newer != change) {
        while (newer->older != change) {
            newer = newer->older;
        }
        newer->older = change->older;
        return;
    }
    table_remove(&changes->table, change->key, change);
    if (change->older != NULL) {
        table_put(&changes->table, change->key, change->older);
    }
}

void early_forget(struct early_changes *changes, struct early_change *change)
{
    early_leave_post(changes, change);
    *(change->previous != NULL ? &change->previous->next : &changes->first) = change->next;
    *(change->next != NULL ? &change->next->previous : &changes->last) = change->previous;
    changes->count--;
    changes->bytes -= change->bytes;
    free(change);
}
