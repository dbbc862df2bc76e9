// power_loss_test.c - power goes at any write or sync of a store on SQLite, again and again.
//
// power_loss_test [--lying | --upgrade] [SEED [COUNT [SECONDS]]]; after SECONDS no further seed is begun.
//
// A desk's history, as a broker of the simulation wrote it, is written by the product's engine on a disk that records
// what happens to its files.  At moments that chance picks, of opening, committing, checkpoints and the clean stop,
// power goes (power_model.h), or the process alone is killed; syncs fail, too.  Each time the engine opens what is left
// and must find all that it had acknowledged, nothing that it had not begun, tables with just the rows of that moment,
// and a desk that can be read back.  From one of these disks the next life goes on.
//
// A seed repeats itself, but for what the thread of checkpoints does in lives that write much; the disk that failed is
// kept, and named.  With --lying syncs do nothing: then losses must be found, or this test would be blind.
// With --upgrade the disk has a store of a former schema, and lives do no more than open it.

#include "broker/store/sqlite/marks.h"
#include "broker/store/sqlite/page_check.h"
#include "proto/base/clocks.h"
#include "proto/base/must.h"
#include "tests/system/former_store.h"
#include "tests/system/power_model.h"
#include "tests/system/recorded_history.h"

#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HISTORIES 2
#define BATCHES_MAX 300 // of a history
#define LIVES 6         // of a seed
#define LOSSES 8        // of a life
#define GROUP_MAX 6     // batches that are committed together
#define TRIES 8         // of what a sync that failed put into doubt
#define SHARED_BYTES 32768

// ---- the tape ----

enum moment_kind { MOMENT_DISK, MOMENT_BEGUN, MOMENT_ACKNOWLEDGED };

struct moment {
    enum moment_kind kind;
    struct disk_event event; // DISK; its bytes are the tape's
    bool fails;
    size_t place;                   // BEGUN: up to there
    struct store_position position; // ACKNOWLEDGED
};

static struct {
    pthread_mutex_t mutex;
    bool on;
    bool lying; // syncs do nothing
    struct moment *moments;
    size_t count;
    size_t room;
    size_t syncs;
    size_t fails_from; // which sync of a life fails first, and how many do
    size_t fails;
} tape = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static void tape_add(const struct moment *moment)
{
    if (tape.count == tape.room) {
        tape.room = tape.room == 0 ? 1024 : tape.room * 2;
        tape.moments = realloc(tape.moments, tape.room * sizeof *tape.moments);
        must(tape.moments != NULL);
    }
    tape.moments[tape.count++] = *moment;
}

static void tape_note(const struct moment *moment)
{
    pthread_mutex_lock(&tape.mutex);
    if (tape.on) {
        tape_add(moment);
    }
    pthread_mutex_unlock(&tape.mutex);
}

static bool tape_hear(void *self, const struct disk_event *event)
{
    struct moment moment = { .kind = MOMENT_DISK, .event = *event };

    (void) self;
    pthread_mutex_lock(&tape.mutex);
    if (tape.on) {
        const char *slash = strrchr(event->path, '/');
        moment.event.path = strdup(slash == NULL ? event->path : slash);
        must(moment.event.path != NULL);
        if (event->bytes != NULL) {
            unsigned char *bytes = malloc((size_t) event->count + 1);
            must(bytes != NULL);
            memcpy(bytes, event->bytes, (size_t) event->count);
            moment.event.bytes = bytes;
        }
        if (event->act == DISK_SYNC) {
            tape.syncs++;
            moment.fails = tape.syncs >= tape.fails_from && tape.syncs < tape.fails_from + tape.fails;
        }
        tape_add(&moment);
    }
    pthread_mutex_unlock(&tape.mutex);
    return !moment.fails;
}

static void tape_empty(void)
{
    for (size_t i = 0; i < tape.count; i++) {
        free((void *) tape.moments[i].event.bytes);
        free((void *) tape.moments[i].event.path);
    }
    tape.count = 0;
    tape.syncs = 0;
}

static void tape_turn(bool on)
{
    pthread_mutex_lock(&tape.mutex);
    tape.on = on;
    pthread_mutex_unlock(&tape.mutex);
}

// ---- a disk between lives ----

struct left {
    struct power_model *model;
    bool marked; // there are marks, and these
    struct marks marks;
};

static struct {
    uint64_t seed;
    uint64_t chance;
    const struct recorded_history *history;
    char root[64];
    char folder[80];                    // of the engine that lives
    char after[80];                     // of those that find what is left
    unsigned char shared[SHARED_BYTES]; // the log's index as a life left it
    struct left left;
    size_t losses, kills, failed_syncs, long_lives;
    struct power_model *former; // NULL: nothing is upgraded
    uint64_t upgraded;          // what is in its tables then
    size_t found;               // losses that were found while syncs lied
    bool noticed;               // the last one was
} run;

static uint64_t run_below(uint64_t bound)
{
    return chance_below(&run.chance, bound);
}

// ---- what is to be found ----

static size_t run_batch_count(void)
{
    return run.former != NULL ? 0 : recorded_history_count(run.history);
}

static bool run_place(uint64_t sequence, size_t *place)
{
    *place = 0;
    return run.former != NULL ? sequence == FORMER_SEQUENCE : recorded_history_place(run.history, sequence, place);
}

static uint64_t run_sum(size_t place)
{
    return run.former != NULL ? run.upgraded : recorded_history_sum(run.history, place);
}

// The rows of a former store make no desk.
static bool run_read_back(struct engine *engine, const struct store_position *position, char *reason,
                          size_t reason_bytes)
{
    return run.former != NULL || recorded_history_read_back(engine, position, reason, reason_bytes);
}

static struct left run_first_disk(void)
{
    return (struct left){ .model = run.former != NULL ? power_model_copy(run.former) : power_model_new() };
}

// ---- files ----

static void run_write_shared(const char *folder)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/behalf.db-shm", folder);
    (void) unlink(path);
    uint64_t kind = run_below(3);
    if (kind == 0) {
        return;
    }
    FILE *file = fopen(path, "w");
    must(file != NULL);
    for (size_t i = 0; i < SHARED_BYTES; i++) {
        fputc(kind == 1 ? run.shared[i] : (int) run_below(256), file);
    }
    must(fclose(file) == 0);
}

static void run_read_shared(void)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/behalf.db-shm", run.folder);
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        (void) !fread(run.shared, 1, SHARED_BYTES, file);
        (void) fclose(file);
    }
}

static void run_lay_out(const struct left *left, const char *folder)
{
    char path[PATH_MAX];

    (void) mkdir(folder, 0700);
    power_model_write(left->model, folder);
    snprintf(path, sizeof path, "%s/marks", folder);
    (void) unlink(path);
    if (left->marked) {
        must(marks_write(folder, RECORDED_DESK, &left->marks));
    }
}

static void run_remove(const char *folder)
{
    static const char *const names[] = { "behalf.db",         "behalf.db-wal", "behalf.db-shm",
                                         "behalf.db-journal", "lock",          "marks" };
    char path[PATH_MAX];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void) unlink(path);
    }
    (void) rmdir(folder);
}

// What is wrong, with the disk as it was; returns where syncs lie.
__attribute__((format(printf, 2, 3))) static void run_fail(const struct left *left, const char *format, ...)
{
    va_list arguments;

    run.noticed = true;
    if (tape.lying) {
        run.found++;
        return;
    }
    printf("SEED=%llu: ", (unsigned long long) run.seed);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    if (left != NULL) {
        char kept[96];
        snprintf(kept, sizeof kept, "%s/failed", run.root);
        run_lay_out(left, kept);
        printf("; the disk that was left is in %s", kept);
    }
    printf("\nagain: power_loss_test%s %llu\n", run.former == NULL ? "" : " --upgrade", (unsigned long long) run.seed);
    exit(1);
}

// ---- the judge ----

static bool run_is_sound(sqlite3 *connection)
{
    sqlite3_stmt *statement = NULL;
    bool sound = sqlite3_prepare_v2(connection, "PRAGMA integrity_check", -1, &statement, NULL) == SQLITE_OK &&
                 sqlite3_step(statement) == SQLITE_ROW &&
                 strcmp((const char *) sqlite3_column_text(statement, 0), "ok") == 0;

    return sqlite3_finalize(statement) == SQLITE_OK && sound;
}

static void run_judge_tables(const struct left *left, const char *folder, size_t place)
{
    sqlite3 *connection = NULL;
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/behalf.db", folder);
    must(sqlite3_open_v2(path, &connection, SQLITE_OPEN_READWRITE, page_check_vfs()) == SQLITE_OK);
    if (!run_is_sound(connection)) {
        run_fail(left, "the file is damaged");
    } else if (recorded_history_sum_of(connection) != run_sum(place)) {
        run_fail(left, "the tables are not those after batch %zu", place);
    }
    must(sqlite3_close(connection) == SQLITE_OK);
}

static enum store_result run_commit(struct engine *engine, size_t place, size_t count, uint64_t epoch)
{
    struct batch *batches[GROUP_MAX];
    bool doubt = false;
    enum store_result result = STORE_IN_DOUBT;

    for (size_t i = 0; i < count; i++) {
        batches[i] = recorded_history_batch(run.history, place + i, epoch);
        if (i > 0) {
            batch_link(batches[i - 1], batches[i]);
        }
    }
    for (int i = 0; i < TRIES && (result == STORE_IN_DOUBT || result == STORE_UNAVAILABLE); i++) {
        result = engine_attempt(engine, batches[0], &doubt);
    }
    for (size_t i = 0; i < count; i++) {
        batch_destroy(&batches[i]);
    }
    return result;
}

// What the engine makes of the disk that is left, of which at least `least` batches were acknowledged and at most
// `most` begun, under an epoch of at least that.
static void run_judge(const struct left *left, size_t least, size_t most, uint64_t epoch)
{
    char reason[1024] = "";
    struct store_position position = { 0 };
    size_t place = 0;

    run_lay_out(left, run.after);
    run_write_shared(run.after);
    struct engine *engine = engine_sqlite_open(run.after, RECORDED_DESK, reason, sizeof reason);
    if (engine == NULL) {
        run_fail(left, "it is not opened: %s", reason);
    } else if (engine->operations->take_over(engine, &position) != STORE_OK) {
        run_fail(left, "it is not taken over: %s", engine->reason);
    } else if (position.epoch <= epoch) {
        run_fail(left, "its epoch is %llu, after %llu", (unsigned long long) position.epoch,
                 (unsigned long long) epoch);
    } else if (!run_place(position.sequence, &place) || place < least || place > most) {
        run_fail(left, "it is at batch %zu, sequence %llu: %zu were acknowledged and %zu begun", place,
                 (unsigned long long) position.sequence, least, most);
    } else if (!run_read_back(engine, &position, reason, sizeof reason)) {
        run_fail(left, "the desk is not read back: %s", reason);
    } else {
        run_judge_tables(left, run.after, place);
        if (place < run_batch_count() && run_below(4) == 0) {
            if (run_commit(engine, place, 1, position.epoch) != STORE_OK) {
                run_fail(left, "it does not go on: %s", engine->reason);
            } else {
                run_judge_tables(left, run.after, place + 1);
            }
        }
    }
    if (engine != NULL) {
        engine->operations->destroy(&engine);
    }
    run_remove(run.after);
}

// ---- a life ----

static struct engine *run_open(const struct left *left, struct store_position *position)
{
    char reason[1024] = "";
    struct engine *engine = NULL;
    enum store_result result = STORE_IN_DOUBT;

    for (int i = 0; i < TRIES && engine == NULL; i++) {
        engine = engine_sqlite_open(run.folder, RECORDED_DESK, reason, sizeof reason);
    }
    if (engine == NULL) {
        run_fail(left, "a life does not begin: %s", reason);
        return NULL;
    }
    for (int i = 0; i < TRIES && (result == STORE_IN_DOUBT || result == STORE_UNAVAILABLE); i++) {
        result = engine->operations->take_over(engine, position);
    }
    if (result != STORE_OK) {
        run_fail(left, "a life does not take over: %s", engine->reason);
        engine->operations->destroy(&engine);
    } else {
        tape_note(&(struct moment){ .kind = MOMENT_ACKNOWLEDGED, .position = *position });
    }
    return engine;
}

// Somebody else looks at the file, and may keep its log from being moved, or moves it.
static void run_meddle(sqlite3 **other)
{
    char path[PATH_MAX];

    if (*other == NULL) {
        snprintf(path, sizeof path, "%s/behalf.db", run.folder);
        must(sqlite3_open_v2(path, other, SQLITE_OPEN_READWRITE, page_check_vfs()) == SQLITE_OK);
        (void) sqlite3_wal_autocheckpoint(*other, 0);
        (void) sqlite3_exec(*other,
                            run_below(2) == 0 ? "BEGIN; SELECT count(*) FROM desk" : "SELECT count(*) FROM desk", NULL,
                            NULL, NULL);
        return;
    }
    switch (run_below(3)) {
    case 0:
        (void) sqlite3_exec(*other, "COMMIT", NULL, NULL, NULL);
        (void) sqlite3_wal_checkpoint_v2(*other, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        break;
    case 1:
        (void) sqlite3_exec(*other, "COMMIT", NULL, NULL, NULL);
        (void) sqlite3_wal_checkpoint_v2(*other, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
        break;
    default:
        must(sqlite3_close(*other) == SQLITE_OK);
        *other = NULL;
    }
}

static void run_work(struct engine *engine, const struct left *left, struct store_position *position)
{
    size_t count = run_batch_count();
    bool is_long = run_below(8) == 0;
    bool meddled = !is_long && run_below(2) == 0;
    size_t groups = is_long ? SIZE_MAX : run_below(14);
    size_t place = 0;
    sqlite3 *other = NULL;

    must(run_place(position->sequence, &place));
    run.long_lives += is_long;
    for (; groups > 0 && place < count; groups--) {
        size_t group = 1 + (size_t) run_below(is_long ? 2 : GROUP_MAX);
        group = group < count - place ? group : count - place;
        tape_note(&(struct moment){ .kind = MOMENT_BEGUN, .place = place + group });
        if (run_commit(engine, place, group, position->epoch) != STORE_OK) {
            run_fail(left, "a life does not go on after batch %zu: %s", place, engine->reason);
            break;
        }
        place += group;
        struct batch *last = recorded_history_batch(run.history, place - 1, position->epoch);
        *position = *batch_to(last);
        batch_destroy(&last);
        tape_note(&(struct moment){ .kind = MOMENT_ACKNOWLEDGED, .position = *position });
        if (meddled && run_below(3) == 0) {
            run_meddle(&other);
        }
    }
    if (other != NULL) {
        must(sqlite3_close(other) == SQLITE_OK);
    }
}

// Lives from the disk that was left, and puts down what happens to it.
static void run_live(const struct left *left)
{
    struct store_position position;

    tape_empty();
    tape.fails = run_below(2) == 0 ? 1 + run_below(3) : 0;
    tape.fails_from = 1 + run_below(12);
    run_lay_out(left, run.folder);
    run_write_shared(run.folder);
    tape_turn(true);
    struct engine *engine = run_open(left, &position);
    if (engine != NULL) {
        run_work(engine, left, &position);
        run_read_shared();
        engine->operations->destroy(&engine);
    }
    tape_turn(false);
    run_remove(run.folder);
}

// ---- power goes ----

static int run_compare(const void *left, const void *right)
{
    size_t one = *(const size_t *) left;
    size_t other = *(const size_t *) right;

    return one < other ? -1 : one > other;
}

// Any moments, half of them around a sync.
static void run_choose_moments(size_t moments[LOSSES])
{
    for (size_t i = 0; i < LOSSES; i++) {
        size_t moment = (size_t) run_below(tape.count + 1);
        if (run_below(2) == 0) {
            while (moment < tape.count &&
                   (tape.moments[moment].kind != MOMENT_DISK || tape.moments[moment].event.act != DISK_SYNC)) {
                moment++;
            }
            moment += run_below(2);
        }
        moments[i] = moment < tape.count ? moment : tape.count;
    }
    qsort(moments, LOSSES, sizeof *moments, run_compare);
}

// Goes through a life from the disk that it began with, and has power go at some moments.  One of those disks is left.
static void run_lose(void)
{
    struct left now = run.left;
    struct left next = { 0 };
    size_t moments[LOSSES];
    size_t at = 0, least = 0, most = 0;
    size_t chosen = (size_t) run_below(LOSSES);
    uint64_t epoch = now.marked ? now.marks.position.epoch : 0;

    if (now.marked) {
        must(run_place(now.marks.position.sequence, &least));
    }
    most = run_batch_count(); // of the life before: nothing was begun that is not judged already
    run_choose_moments(moments);
    for (size_t i = 0; i < LOSSES; i++) {
        for (; at < moments[i]; at++) {
            const struct moment *moment = &tape.moments[at];
            switch (moment->kind) {
            case MOMENT_DISK:
                if (tape.lying && moment->event.act == DISK_SYNC) {
                    break;
                }
                run.failed_syncs += moment->fails;
                power_model_happen(now.model, &moment->event, moment->fails, &run.chance);
                break;
            case MOMENT_BEGUN:
                most = moment->place;
                break;
            case MOMENT_ACKNOWLEDGED:
                now.marked = true;
                now.marks = (struct marks){ .position = moment->position };
                epoch = moment->position.epoch;
                must(run_place(moment->position.sequence, &least));
                most = least;
                break;
            }
        }
        bool killed = run_below(5) == 0;
        struct left left = now;
        left.model = killed ? power_model_copy(now.model) : power_model_lose(now.model, &run.chance);
        run.losses += !killed;
        run.kills += killed;
        run.noticed = false;
        struct left judged = left;
        judged.marked = left.marked && run_below(4) != 0; // they are synced later
        run_judge(&judged, least, most, epoch);
        if (i == chosen || run.noticed) {
            power_model_destroy(&next.model);
            next = left;
            if (run.noticed) {
                next.model = power_model_new(); // nobody goes on with that
                next.marked = false;
                power_model_destroy(&left.model);
                break;
            }
        } else {
            power_model_destroy(&left.model);
        }
    }
    power_model_destroy(&now.model);
    run.left = next;
}

static void run_seed(uint64_t seed)
{
    run.seed = seed;
    run.chance = seed;
    run.left = run_first_disk();
    for (int life = 0; life < LIVES; life++) {
        size_t place = 0;
        if (run.left.marked) {
            (void) run_place(run.left.marks.position.sequence, &place);
        }
        // Nothing is left to write; a store that is upgraded may be left half done.
        if (run.former != NULL ? run_below(2) == 0 : place == run_batch_count()) {
            power_model_destroy(&run.left.model);
            run.left = run_first_disk();
        }
        run_live(&run.left);
        run_lose();
    }
    power_model_destroy(&run.left.model);
}

static void run_make_root(void)
{
    snprintf(run.root, sizeof run.root, "%s/behalf-power-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    must(mkdtemp(run.root) != NULL);
    snprintf(run.folder, sizeof run.folder, "%s/life", run.root);
    snprintf(run.after, sizeof run.after, "%s/after", run.root);
}

// What the former store comes to when nothing goes wrong.
static void run_make_former(void)
{
    struct store_position position;
    char path[PATH_MAX];
    char reason[1024];
    sqlite3 *connection = NULL;

    must(mkdir(run.folder, 0700) == 0);
    former_store_make(run.folder, RECORDED_DESK);
    run.former = power_model_read(run.folder);
    struct engine *engine = engine_sqlite_open(run.folder, RECORDED_DESK, reason, sizeof reason);
    if (engine == NULL || engine->operations->take_over(engine, &position) != STORE_OK) {
        run_fail(NULL, "in peace: %s", engine == NULL ? reason : engine->reason);
    }
    engine->operations->destroy(&engine);
    snprintf(path, sizeof path, "%s/behalf.db", run.folder);
    must(sqlite3_open_v2(path, &connection, SQLITE_OPEN_READWRITE, page_check_vfs()) == SQLITE_OK);
    run.upgraded = recorded_history_sum_of(connection);
    sqlite3_stmt *rows = NULL;
    must(sqlite3_prepare_v2(connection, "SELECT (SELECT count(*) FROM post) * (SELECT count(*) FROM outcome)", -1,
                            &rows, NULL) == SQLITE_OK);
    must(sqlite3_step(rows) == SQLITE_ROW);
    must(sqlite3_column_int(rows, 0) > 0); // else there would be little to lose
    must(sqlite3_finalize(rows) == SQLITE_OK);
    must(sqlite3_close(connection) == SQLITE_OK);
    must(run.upgraded != 0);
    run_remove(run.folder);
}

static void run_use_history(struct recorded_history **history, uint64_t seed)
{
    if (*history == NULL) {
        *history = recorded_history_new(seed, BATCHES_MAX);
    }
    run.history = *history;
}

int main(int argc, char **argv)
{
    struct recorded_history *histories[HISTORIES] = { 0 };

    bool upgrade = argc > 1 && strcmp(argv[1], "--upgrade") == 0;
    tape.lying = argc > 1 && strcmp(argv[1], "--lying") == 0;
    if (upgrade || tape.lying) {
        argc--;
        argv++;
    }
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    int64_t until_ms = argc > 3 ? clocks_monotonic_ms() + atoi(argv[3]) * 1000 : INT64_MAX;
    uint64_t seeds = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    failing_disk_install();
    run_make_root();
    if (upgrade) {
        run_make_former();
    }
    for (uint64_t seed = first; seed < first + count && (seeds == 0 || clocks_monotonic_ms() < until_ms); seed++) {
        if (!upgrade) {
            run_use_history(&histories[seed % HISTORIES], 1 + seed % HISTORIES);
        }
        failing_disk_listen(tape_hear, NULL);
        run_seed(seed);
        failing_disk_listen(NULL, NULL);
        seeds++;
    }
    tape_empty();
    free(tape.moments);
    power_model_destroy(&run.former);
    (void) rmdir(run.root);
    for (size_t i = 0; i < HISTORIES; i++) {
        recorded_history_destroy(&histories[i]);
    }
    printf("%llu seeds from %llu: %zu losses of power, %zu kills, %zu syncs failed, %zu long lives\n",
           (unsigned long long) seeds, (unsigned long long) first, run.losses, run.kills, run.failed_syncs,
           run.long_lives);
    if (tape.lying) {
        printf("syncs lied, and %zu losses were found\n", run.found);
        return run.found > 0 ? 0 : 1;
    }
    return 0;
}
