// memory_disk.h - the disk of tests: SQLite in memory, which survives the engines that are opened on it and fails by
// plan.

#ifndef TESTS_MEMORY_DISK_H
#define TESTS_MEMORY_DISK_H

#include "tests/unit/faulty_engine.h"
#include "tests/unit/journaling_engine.h"

struct memory_disk;

struct memory_disk *memory_disk_new(void);

// A backup: another disk with what is on this one now, which fails when it is planned to.
struct memory_disk *memory_disk_copy(struct memory_disk *disk);

// From now on, and before anything is opened on it: engines have two steps, as journaling_engine.h says.
void memory_disk_keep_journal(struct memory_disk *disk);

// Its journal, which belongs to the disk; NULL when it keeps none.
struct journal *memory_disk_journal(struct memory_disk *disk);

// Applies up to `groups_max` groups of the journal, by an engine of a disk that keeps one.
enum store_result memory_disk_apply(struct engine *engine, size_t groups_max);

// Answers a report by what is durable, applied or not.
void memory_disk_report(struct memory_disk *disk, struct report *report);

// Whether the process has died in a call of this engine, as planned: of several that are open on the disk.
bool memory_disk_engine_died(struct engine *engine);

// Whether the tables, once all is applied, have what was written beside them; else `why` names a table that differs.
bool memory_disk_tables_agree(struct memory_disk *disk, char *why, size_t why_bytes);

// Once no engine is open on it.
void memory_disk_destroy(struct memory_disk **disk_p);

// Opens the desk, the same each time: a disk keeps one.  What the engine before left is there, however that ended.
struct engine *memory_disk_open(struct memory_disk *disk, const char *desk);

// What the engines on it meet.  Belongs to the disk.
struct fault_plan *memory_disk_plan(struct memory_disk *disk);

// What is on disk, durable and perhaps not applied yet, for checks of what a broker made of it: in the order of
// writing, but items, notes and requests by their numbers.  Records are as they are now, and borrowed for the call.
struct memory_visit {
    void *self;
    const char *post_id; // of posts and early changes those of this one alone; NULL: all
    uint64_t item_id;    // of items this one alone; 0: all
    int64_t request_id;  // of requests those with this id alone; 0: all
    void (*post)(void *self, const struct post_record *post);                     // its text as it was taken
    void (*edited)(void *self, const struct post_record *post, const char *text); // its text now, where edited
    void (*item)(void *self, const struct item_record *item);
    void (*reply)(void *self, const struct reply_record *reply);
    void (*event)(void *self, const struct event_record *event);
    void (*outcome)(void *self, const struct outcome_record *outcome);
    void (*note)(void *self, const struct note_record *note);
    void (*early)(void *self, const struct early_record *early);
    void (*request)(void *self, const struct request_record *request); // as many as are kept
};
void memory_disk_visit(struct memory_disk *disk, const struct memory_visit *visit);

#endif
