// read_ahead.c - blocks of rows, filled by one thread and emptied by another: see read_ahead.h.

#include "broker/store/sqlite/read_ahead.h"

#include "proto/base/must.h"
#include "proto/base/thread.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define BLOCK_BYTES ((size_t) 128 * 1024)
#define BLOCKS_MAX 128 // of one thread

// An item with its texts, or the name of a post with its texts.
struct ahead_row {
    uint32_t bytes; // with all that follows
    bool is_item;
    union {
        struct item_record item;
        struct {
            const char *channel;
            const char *post;
            int64_t taken_ms;
        } key;
    };
    char texts[];
};

struct ahead_block {
    STAILQ_ENTRY(ahead_block) among;
    size_t used; // bytes
    size_t room;
    _Alignas(struct ahead_row) char rows[];
};
STAILQ_HEAD(ahead_blocks, ahead_block);

struct read_ahead {
    pthread_t thread;
    char *folder;
    char *desk;
    struct store_reader reader; // what is asked for; its functions are ours
    read_rows *read;
    struct ahead_block *filling; // the thread's

    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct ahead_blocks full;
    struct ahead_blocks empty;
    unsigned block_count; // of both, and those that are being filled or emptied
    bool stopping;
    bool ended;
    // Once it has ended:
    bool opened; // else it has read nothing
    int error;
    char message[sizeof((struct database *) NULL)->message];
};

// ---- the thread ----

// Hands over what was filled.  Returns whether to go on.
static bool ahead_push(struct read_ahead *ahead)
{
    pthread_mutex_lock(&ahead->mutex);
    if (ahead->filling != NULL) {
        STAILQ_INSERT_TAIL(&ahead->full, ahead->filling, among);
        ahead->filling = NULL;
        pthread_cond_broadcast(&ahead->changed);
    }
    bool go_on = !ahead->stopping;
    pthread_mutex_unlock(&ahead->mutex);
    return go_on;
}

// A block with room for `bytes`; NULL: to be stopped.
static struct ahead_block *ahead_take_empty(struct read_ahead *ahead, size_t bytes)
{
    struct ahead_block *block = NULL;

    pthread_mutex_lock(&ahead->mutex);
    while (!ahead->stopping && STAILQ_EMPTY(&ahead->empty) && ahead->block_count >= BLOCKS_MAX) {
        pthread_cond_wait(&ahead->changed, &ahead->mutex);
    }
    bool go_on = !ahead->stopping;
    block = STAILQ_FIRST(&ahead->empty);
    if (go_on && block != NULL) {
        STAILQ_REMOVE_HEAD(&ahead->empty, among);
    }
    ahead->block_count += go_on && block == NULL;
    pthread_mutex_unlock(&ahead->mutex);
    if (go_on && (block == NULL || block->room < bytes)) {
        size_t room = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
        free(block);
        block = malloc(sizeof *block + room);
        must(block != NULL);
        block->room = room;
    }
    if (go_on) {
        block->used = 0;
    }
    return go_on ? block : NULL;
}

// Room for a row in the block that is being filled; NULL: to be stopped.
static struct ahead_row *ahead_add_row(struct read_ahead *ahead, size_t text_bytes)
{
    size_t align = _Alignof(struct ahead_row);
    size_t bytes = (sizeof(struct ahead_row) + text_bytes + align - 1) / align * align;

    if (ahead->filling != NULL && ahead->filling->room - ahead->filling->used < bytes && !ahead_push(ahead)) {
        return NULL;
    }
    if (ahead->filling == NULL) {
        ahead->filling = ahead_take_empty(ahead, bytes);
    }
    if (ahead->filling == NULL) {
        return NULL;
    }
    struct ahead_row *row = (struct ahead_row *) (void *) (ahead->filling->rows + ahead->filling->used);
    ahead->filling->used += bytes;
    row->bytes = (uint32_t) bytes;
    return row;
}

static bool ahead_keep_item(void *self, const struct item_record *item)
{
    const struct column *texts = columns_of(RECORD_ITEM)->texts;
    size_t lengths[64];
    size_t bytes = 0, count = 0;

    for (; texts[count].name != NULL; count++) {
        must(count < sizeof lengths / sizeof *lengths);
        lengths[count] = strlen(column_text(&texts[count], item)) + 1;
        bytes += lengths[count];
    }
    struct ahead_row *row = ahead_add_row(self, bytes);
    if (row == NULL) {
        return false;
    }
    row->is_item = true;
    row->item = *item;
    char *to = row->texts;
    for (size_t i = 0; i < count; i++) {
        memcpy(to, column_text(&texts[i], item), lengths[i]);
        column_set_text(&texts[i], &row->item, to);
        to += lengths[i];
    }
    return true;
}

static bool ahead_keep_key(void *self, const char *channel, const char *post, int64_t taken_ms)
{
    size_t channel_bytes = strlen(channel) + 1, post_bytes = strlen(post) + 1;
    struct ahead_row *row = ahead_add_row(self, channel_bytes + post_bytes);

    if (row == NULL) {
        return false;
    }
    row->is_item = false;
    row->key.channel = memcpy(row->texts, channel, channel_bytes);
    row->key.post = memcpy(row->texts + channel_bytes, post, post_bytes);
    row->key.taken_ms = taken_ms;
    return true;
}

static void *ahead_run(void *self)
{
    struct read_ahead *ahead = self;
    enum store_result result;
    char unused[256];
    struct database *database = database_open(ahead->folder, ahead->desk, true, &result, unused, sizeof unused);

    if (database != NULL) {
        (void) ahead->read(database, &ahead->reader);
        (void) ahead_push(ahead);
    }
    pthread_mutex_lock(&ahead->mutex);
    ahead->ended = true;
    ahead->opened = database != NULL;
    if (database != NULL) {
        ahead->error = database->error;
        snprintf(ahead->message, sizeof ahead->message, "%s", database->message);
    }
    pthread_cond_broadcast(&ahead->changed);
    pthread_mutex_unlock(&ahead->mutex);
    database_close(&database, true);
    return NULL;
}

struct read_ahead *read_ahead_new(const struct database *database, const struct store_reader *reader, read_rows *read)
{
    struct read_ahead *ahead = calloc(1, sizeof *ahead);

    must(ahead != NULL);
    ahead->folder = strdup(database->folder);
    ahead->desk = strdup(database->desk);
    must(ahead->folder != NULL);
    must(ahead->desk != NULL);
    ahead->reader = (struct store_reader){
        .self = ahead, .keys_since_ms = reader->keys_since_ms, .item = ahead_keep_item, .intake_key = ahead_keep_key
    };
    ahead->read = read;
    STAILQ_INIT(&ahead->full);
    STAILQ_INIT(&ahead->empty);
    must(pthread_mutex_init(&ahead->mutex, NULL) == 0);
    must(pthread_cond_init(&ahead->changed, NULL) == 0);
    thread_start(&ahead->thread, ahead_run, ahead);
    return ahead;
}

// ---- who asks for it ----

// The next block; NULL: that was all.
static struct ahead_block *ahead_take_full(struct read_ahead *ahead)
{
    pthread_mutex_lock(&ahead->mutex);
    while (STAILQ_EMPTY(&ahead->full) && !ahead->ended) {
        pthread_cond_wait(&ahead->changed, &ahead->mutex);
    }
    struct ahead_block *block = STAILQ_FIRST(&ahead->full);
    if (block != NULL) {
        STAILQ_REMOVE_HEAD(&ahead->full, among);
    }
    pthread_mutex_unlock(&ahead->mutex);
    return block;
}

static void ahead_give_back(struct read_ahead *ahead, struct ahead_block *block)
{
    pthread_mutex_lock(&ahead->mutex);
    STAILQ_INSERT_HEAD(&ahead->empty, block, among);
    pthread_cond_broadcast(&ahead->changed);
    pthread_mutex_unlock(&ahead->mutex);
}

static bool ahead_give_rows(const struct ahead_block *block, const struct store_reader *reader)
{
    bool go_on = true;

    for (size_t at = 0; go_on && at < block->used;) {
        const struct ahead_row *row = (const struct ahead_row *) (const void *) (block->rows + at);
        go_on = row->is_item ? reader->item(reader->self, &row->item)
                             : reader->intake_key(reader->self, row->key.channel, row->key.post, row->key.taken_ms);
        at += row->bytes;
    }
    return go_on;
}

bool read_ahead_give(struct read_ahead *ahead, struct database *database, const struct store_reader *reader)
{
    struct ahead_block *block = NULL;
    bool go_on = true;

    while (go_on && (block = ahead_take_full(ahead)) != NULL) {
        go_on = ahead_give_rows(block, reader);
        ahead_give_back(ahead, block);
    }
    if (go_on && !ahead->opened) {
        return ahead->read(database, reader);
    }
    if (go_on && ahead->error != SQLITE_OK && database->error == SQLITE_OK) {
        database->error = ahead->error;
        snprintf(database->message, sizeof database->message, "%s", ahead->message);
    }
    return go_on && database->error == SQLITE_OK;
}

static void ahead_free_blocks(struct ahead_blocks *blocks)
{
    struct ahead_block *block;

    while ((block = STAILQ_FIRST(blocks)) != NULL) {
        STAILQ_REMOVE_HEAD(blocks, among);
        free(block);
    }
}

void read_ahead_destroy(struct read_ahead **ahead_p)
{
    struct read_ahead *ahead = *ahead_p;

    if (ahead == NULL) {
        return;
    }
    pthread_mutex_lock(&ahead->mutex);
    ahead->stopping = true;
    pthread_cond_broadcast(&ahead->changed);
    pthread_mutex_unlock(&ahead->mutex);
    must(pthread_join(ahead->thread, NULL) == 0);
    ahead_free_blocks(&ahead->full);
    ahead_free_blocks(&ahead->empty);
    free(ahead->filling);
    pthread_cond_destroy(&ahead->changed);
    pthread_mutex_destroy(&ahead->mutex);
    free(ahead->folder);
    free(ahead->desk);
    free(ahead);
    *ahead_p = NULL;
}
