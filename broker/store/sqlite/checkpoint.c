// checkpoint.c - passive checkpoints: they wait for nobody and nobody waits for them.
//
// They move what there is when they begin.  The log begins anew once all of it has been moved, which it never is under
// load, as the writer appends meanwhile: it pauses for a checkpoint of the little that is left (engine.c).

#include "broker/store/sqlite/checkpoint.h"

#include "broker/store/sqlite/page_check.h"
#include "proto/base/must.h"
#include "proto/base/thread.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <string.h>

struct checkpointer {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool wanted;
    bool working;
    bool stopping;
    int moved; // pages of the log, by the last one
    char *path;
};

int checkpoint_make(sqlite3 *connection, int mode, int *pages, int *moved)
{
    int result = sqlite3_exec(connection, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);

    return result == SQLITE_OK ? sqlite3_wal_checkpoint_v2(connection, NULL, mode, pages, moved) : result;
}

// Waits until a checkpoint is wanted; false when the thread shall end.
static bool checkpoint_wait_for_work(struct checkpointer *checkpointer, int moved)
{
    pthread_mutex_lock(&checkpointer->mutex);
    checkpointer->working = false;
    checkpointer->moved = moved;
    pthread_cond_broadcast(&checkpointer->changed);
    while (!checkpointer->wanted && !checkpointer->stopping) {
        pthread_cond_wait(&checkpointer->changed, &checkpointer->mutex);
    }
    bool go_on = !checkpointer->stopping;
    checkpointer->working = go_on;
    checkpointer->wanted = false;
    pthread_mutex_unlock(&checkpointer->mutex);
    return go_on;
}

static void *checkpoint_run(void *self)
{
    struct checkpointer *checkpointer = self;
    sqlite3 *connection = NULL;

    int moved = 0;

    while (checkpoint_wait_for_work(checkpointer, moved)) {
        int result = SQLITE_OK;
        moved = 0;
        if (connection == NULL) {
            result = sqlite3_open_v2(checkpointer->path, &connection, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                                     page_check_vfs());
        }
        if (result == SQLITE_OK) {
            (void) sqlite3_wal_autocheckpoint(connection, 0);
            result = checkpoint_make(connection, SQLITE_CHECKPOINT_PASSIVE, NULL, &moved);
        }
        if (result != SQLITE_OK && result != SQLITE_BUSY) {
            (void) sqlite3_close(connection);
            connection = NULL;
        }
    }
    (void) sqlite3_close(connection);
    return NULL;
}

struct checkpointer *checkpointer_new(const char *path)
{
    struct checkpointer *checkpointer = calloc(1, sizeof *checkpointer);

    must(checkpointer != NULL);
    checkpointer->path = strdup(path);
    must(checkpointer->path != NULL);
    must(pthread_mutex_init(&checkpointer->mutex, NULL) == 0);
    must(pthread_cond_init(&checkpointer->changed, NULL) == 0);
    thread_start(&checkpointer->thread, checkpoint_run, checkpointer);
    return checkpointer;
}

void checkpointer_destroy(struct checkpointer **checkpointer_p)
{
    struct checkpointer *checkpointer = *checkpointer_p;

    if (checkpointer == NULL) {
        return;
    }
    pthread_mutex_lock(&checkpointer->mutex);
    checkpointer->stopping = true;
    pthread_cond_broadcast(&checkpointer->changed);
    pthread_mutex_unlock(&checkpointer->mutex);
    must(pthread_join(checkpointer->thread, NULL) == 0);
    pthread_cond_destroy(&checkpointer->changed);
    pthread_mutex_destroy(&checkpointer->mutex);
    free(checkpointer->path);
    free(checkpointer);
    *checkpointer_p = NULL;
}

void checkpointer_wake(struct checkpointer *checkpointer)
{
    pthread_mutex_lock(&checkpointer->mutex);
    checkpointer->wanted = true;
    pthread_cond_broadcast(&checkpointer->changed);
    pthread_mutex_unlock(&checkpointer->mutex);
}

int checkpointer_moved(struct checkpointer *checkpointer)
{
    pthread_mutex_lock(&checkpointer->mutex);
    int moved = checkpointer->working || checkpointer->wanted ? -1 : checkpointer->moved;
    pthread_mutex_unlock(&checkpointer->mutex);
    return moved;
}

int checkpointer_finish(struct checkpointer *checkpointer)
{
    pthread_mutex_lock(&checkpointer->mutex);
    checkpointer->wanted = true;
    pthread_cond_broadcast(&checkpointer->changed);
    while (checkpointer->wanted || checkpointer->working) {
        pthread_cond_wait(&checkpointer->changed, &checkpointer->mutex);
    }
    int moved = checkpointer->moved;
    pthread_mutex_unlock(&checkpointer->mutex);
    return moved;
}

void checkpointer_rest(struct checkpointer *checkpointer)
{
    pthread_mutex_lock(&checkpointer->mutex);
    checkpointer->wanted = false;
    while (checkpointer->working) {
        pthread_cond_wait(&checkpointer->changed, &checkpointer->mutex);
    }
    pthread_mutex_unlock(&checkpointer->mutex);
}
