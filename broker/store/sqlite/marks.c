// marks.c - the file of two lines, written, synced and read back: see marks.h.

#include "broker/store/sqlite/marks.h"

#include "proto/base/clocks.h"
#include "proto/base/must.h"
#include "proto/base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME "marks"
#define LINE_BYTES 512 // a sector: it is written whole or not at all
#define LINES 2
#define SUM_BYTES 16
#define SYNC_MS 1000

static int marks_open(const char *folder, int flags)
{
    char *path = NULL;

    must(asprintf(&path, "%s/" FILE_NAME, folder) >= 0);
    int file = open(path, flags | O_CLOEXEC, 0600);
    free(path);
    return file;
}

// ---- a line ----

static void marks_sum_of(const char *text, size_t bytes, char sum[2 * SUM_BYTES + 1])
{
    unsigned char binary[SUM_BYTES];

    crypto_generichash(binary, sizeof binary, (const unsigned char *) text, bytes, NULL, 0);
    sodium_bin2hex(sum, 2 * SUM_BYTES + 1, binary, sizeof binary);
}

static void marks_write_line(char line[LINE_BYTES], const char *desk, const struct marks *marks)
{
    const struct store_position *position = &marks->position;
    char text[LINE_BYTES];
    char sum[2 * SUM_BYTES + 1];

    int bytes = snprintf(
        text, sizeof text,
        "epoch %" PRIu64 " sequence %" PRIu64 " next_id %" PRIu64 " clock_ms %" PRId64 " damage %d desk %.200s",
        position->epoch, position->sequence, position->next_id, position->clock_ms, (int) marks->damage, desk);
    must(bytes > 0);
    marks_sum_of(text, (size_t) bytes, sum);
    memset(line, ' ', LINE_BYTES);
    bytes = snprintf(text + bytes, sizeof text - (size_t) bytes, " sum %s", sum) + bytes;
    must(bytes < LINE_BYTES);
    memcpy(line, text, (size_t) bytes);
    line[LINE_BYTES - 1] = '\n';
}

static bool marks_read_line(char line[LINE_BYTES + 1], const char *desk, struct marks *marks)
{
    struct store_position *position = &marks->position;
    char sum[2 * SUM_BYTES + 1];
    int damage = 0;
    int bytes = 0;

    line[LINE_BYTES] = '\0';
    char *found = NULL;
    for (char *next = line; (next = strstr(next, " sum ")) != NULL; next++) {
        found = next; // the last: a desk's name may have such words in it
    }
    if (found == NULL) {
        return false;
    }
    marks_sum_of(line, (size_t) (found - line), sum);
    if (strncmp(found + 5, sum, 2 * SUM_BYTES) != 0) {
        return false;
    }
    *found = '\0';
    if (sscanf(line,
               "epoch %" SCNu64 " sequence %" SCNu64 " next_id %" SCNu64 " clock_ms %" SCNd64 " damage %d desk %n",
               &position->epoch, &position->sequence, &position->next_id, &position->clock_ms, &damage, &bytes) != 5) {
        return false;
    }
    marks->damage = (enum marks_damage) damage;
    return bytes > 0 && strcmp(line + bytes, desk) == 0;
}

static bool marks_is_newer(const struct marks *marks, const struct marks *than)
{
    const struct store_position *left = &marks->position;
    const struct store_position *right = &than->position;

    return left->epoch != right->epoch         ? left->epoch > right->epoch
           : left->sequence != right->sequence ? left->sequence > right->sequence
                                               : marks->damage > than->damage;
}

bool marks_read(const char *folder, const char *desk, struct marks *marks)
{
    int file = marks_open(folder, O_RDONLY);
    bool any = false;

    for (int i = 0; file >= 0 && i < LINES; i++) {
        char line[LINE_BYTES + 1];
        struct marks read = { 0 };
        bool whole = pread(file, line, LINE_BYTES, i * LINE_BYTES) == LINE_BYTES;
        if (whole && marks_read_line(line, desk, &read) && (!any || marks_is_newer(&read, marks))) {
            *marks = read;
            any = true;
        }
    }
    if (file >= 0) {
        (void) close(file);
    }
    return any;
}

// The file's entry in its folder is durable, too.
static bool marks_sync_folder(const char *folder)
{
    int directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = directory >= 0 && fsync(directory) == 0;

    if (directory >= 0) {
        (void) close(directory);
    }
    return synced;
}

bool marks_write(const char *folder, const char *desk, const struct marks *marks)
{
    int file = marks_open(folder, O_RDWR | O_CREAT);
    char line[LINE_BYTES];
    bool written = file >= 0;

    marks_write_line(line, desk, marks);
    for (int i = 0; written && i < LINES; i++) {
        written = pwrite(file, line, LINE_BYTES, i * LINE_BYTES) == LINE_BYTES;
    }
    written = written && fsync(file) == 0 && marks_sync_folder(folder);
    if (file >= 0) {
        (void) close(file);
    }
    return written;
}

bool marks_are_ahead(const struct marks *marks, const struct store_position *position)
{
    return marks->position.epoch > position->epoch || marks->position.sequence > position->sequence;
}

// ---- the marker ----

struct marker {
    int file;
    char *desk;
    struct marks marks;
    int next_line;

    pthread_t thread; // syncs
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool dirty;
    bool stopping;
};

// Waits until something is to be synced, and then for the rest of a second; false when the thread shall end.
static bool marks_wait_for_work(struct marker *marker)
{
    pthread_mutex_lock(&marker->mutex);
    while (!marker->dirty && !marker->stopping) {
        pthread_cond_wait(&marker->changed, &marker->mutex);
    }
    int64_t until_ms = clocks_monotonic_ms() + SYNC_MS;
    while (!marker->stopping && thread_wait_until(&marker->changed, &marker->mutex, until_ms)) {
    }
    bool go_on = !marker->stopping;
    marker->dirty = false;
    pthread_mutex_unlock(&marker->mutex);
    return go_on;
}

static void *marks_run(void *self)
{
    struct marker *marker = self;

    while (marks_wait_for_work(marker)) {
        (void) fdatasync(marker->file); // what fails here makes the marks older, not wrong
    }
    (void) fdatasync(marker->file);
    return NULL;
}

static void marks_start_thread(struct marker *marker)
{
    must(pthread_mutex_init(&marker->mutex, NULL) == 0);
    thread_condition_init(&marker->changed);
    thread_start(&marker->thread, marks_run, marker);
}

struct marker *marker_new(const char *folder, const char *desk, const struct marks *marks, char *reason,
                          size_t reason_bytes)
{
    if (!marks_write(folder, desk, marks)) {
        snprintf(reason, reason_bytes, "%s/" FILE_NAME " cannot be written (%s): check its rights and its disk", folder,
                 strerror(errno));
        return NULL;
    }
    struct marker *marker = calloc(1, sizeof *marker);
    must(marker != NULL);
    marker->file = marks_open(folder, O_WRONLY);
    must(marker->file >= 0);
    marker->desk = strdup(desk);
    must(marker->desk != NULL);
    marker->marks = *marks;
    marks_start_thread(marker);
    return marker;
}

void marker_destroy(struct marker **marker_p)
{
    struct marker *marker = *marker_p;

    if (marker == NULL) {
        return;
    }
    pthread_mutex_lock(&marker->mutex);
    marker->stopping = true;
    pthread_cond_signal(&marker->changed);
    pthread_mutex_unlock(&marker->mutex);
    must(pthread_join(marker->thread, NULL) == 0);
    pthread_cond_destroy(&marker->changed);
    pthread_mutex_destroy(&marker->mutex);
    (void) close(marker->file);
    free(marker->desk);
    free(marker);
    *marker_p = NULL;
}

static void marks_put(struct marker *marker)
{
    char line[LINE_BYTES];

    marks_write_line(line, marker->desk, &marker->marks);
    // Should it not be written whole, the other line is still good.
    (void) !pwrite(marker->file, line, LINE_BYTES, marker->next_line * LINE_BYTES);
    marker->next_line = (marker->next_line + 1) % LINES;
    pthread_mutex_lock(&marker->mutex);
    if (!marker->dirty) {
        marker->dirty = true;
        pthread_cond_signal(&marker->changed);
    }
    pthread_mutex_unlock(&marker->mutex);
}

void marker_note(struct marker *marker, const struct store_position *position)
{
    marker->marks.position = *position;
    marks_put(marker);
}

void marker_note_damage(struct marker *marker, enum marks_damage damage)
{
    marker->marks.damage = damage;
    marks_put(marker);
    marks_put(marker); // on both lines
}
