#include "broker/desk/early.h"

#include "broker/desk/desk.h"
#include "proto/must.h"

#include <stdlib.h>
#include <string.h>

void early_fini(struct early_changes *changes)
{
    while (changes->first)
        early_forget(changes, changes->first);
    table_fini(&changes->table);
}

struct early_change *early_find(const struct early_changes *changes, const char *channel, const char *post)
{
    struct early_change *change = table_find(&changes->table, desk_intake_key(channel, post));
    bool same = change && !strcmp(change->record.channel, channel) && !strcmp(change->record.post, post);
    return same ? change : NULL;
}

static struct early_change *copy(const struct early_record *record, size_t bytes)
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
    struct early_change *before = table_find(&changes->table, key); // of another post with the same key: no room for it
    size_t bytes = sizeof *before + strlen(record->channel) + strlen(record->post) + strlen(record->text) + 3;
    if (before && before != early_find(changes, record->channel, record->post))
        return false;
    if (changes->count - (before != NULL) >= DESK_EARLY_MAX ||
        changes->bytes - (before ? before->bytes : 0) + bytes > DESK_EARLY_BYTES_MAX)
        return false;
    struct early_change *change = copy(record, bytes); // whose texts may be those of the one before
    if (before)
        early_forget(changes, before);
    change->key = key;
    change->previous = changes->last;
    *(changes->last ? &changes->last->next : &changes->first) = change;
    changes->last = change;
    changes->count++;
    changes->bytes += bytes;
    table_put(&changes->table, key, change);
    return true;
}

void early_forget(struct early_changes *changes, struct early_change *change)
{
    *(change->previous ? &change->previous->next : &changes->first) = change->next;
    *(change->next ? &change->next->previous : &changes->last) = change->previous;
    changes->count--;
    changes->bytes -= change->bytes;
    table_remove(&changes->table, change->key, change);
    free(change);
}
